"""What systemd hears of a VetBridge: over a real socket."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vetbridge.daemon.notifying import Notifier

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="systemd is of Linux")


class Ear:
    """systemd's end of the socket, and a clock."""

    def __init__(self, path: Path) -> None:
        self.now = 0.0
        self.alive = True
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)

    def notifier(self, **environ: str) -> Notifier:
        return Notifier({"NOTIFY_SOCKET": self.address, **environ}, alive=lambda: self.alive, clock=lambda: self.now)

    def heard(self) -> str | None:
        try:
            return self._socket.recv(1000).decode()
        except BlockingIOError:
            return None

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    made = Ear(tmp_path / "n")
    yield made
    made.close()


def test_it_says_when_it_is_ready_and_when_it_stops(ear: Ear) -> None:
    notifier = ear.notifier()
    notifier.ready()
    assert (ear.heard() or "").splitlines()[0] == "READY=1"
    notifier.stopping()
    assert (ear.heard() or "").splitlines()[0] == "STOPPING=1"


def test_it_says_that_it_lives_three_times_in_the_time_it_has_and_only_while_it_does(ear: Ear) -> None:
    notifier = ear.notifier(WATCHDOG_USEC="300000000")
    heard = []
    for ear.now in range(0, 400, 50):
        notifier.beat()
        heard.append(ear.heard())
    assert heard == [None, None, "WATCHDOG=1", None, "WATCHDOG=1", None, "WATCHDOG=1", None]
    ear.now, ear.alive = 500, False
    notifier.beat()
    assert ear.heard() is None
    ear.now, ear.alive = 600, True
    notifier.beat()
    assert ear.heard() == "WATCHDOG=1"


@pytest.mark.parametrize(
    "environ", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid() + 1)}]
)
def test_it_is_silent_where_nobody_watches(ear: Ear, environ: dict[str, str]) -> None:
    notifier = ear.notifier(**environ)
    ear.now = 1e6
    notifier.beat()
    assert ear.heard() is None


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "@vetbridge-nobody-listens"])
def test_nobody_who_listens_is_no_trouble(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address}, alive=lambda: True, clock=lambda: 0.0)
    notifier.ready()
    notifier.stopping()
