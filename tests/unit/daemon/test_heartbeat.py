"""The heartbeat: called while VetBridge works, withheld when it cannot, and its address shows nowhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.unit.daemon.watched import LOOK, Watched, full
from vetbridge.config.models import Heartbeat
from vetbridge.config.secrets import Secret
from vetbridge.core.conditions import Code, Condition, Scope
from vetbridge.daemon.heartbeat import Beating
from vetbridge.daemon.watching import LATE


class Monitor:
    """Takes beats, and answers with ``status``."""

    def __init__(self) -> None:
        self.status = 200
        self.paths: list[str] = []
        monitor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                monitor.paths.append(self.path)
                self.send_response(monitor.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/beat/known-to-few"


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    made = Monitor()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path, {})
    yield made
    made.close()


@pytest.fixture
def beating(watched: Watched, monitor: Monitor) -> Iterator[Beating]:
    made = Beating(Heartbeat(url=Secret.of(monitor.url)), watched.watching, watched.ledger, ca=None)
    yield made
    made.close()


def test_it_beats_while_vetbridge_works(watched: Watched, beating: Beating, monitor: Monitor) -> None:
    watched.look()
    assert beating.beat()
    assert monitor.paths == ["/beat/known-to-few"]


def test_a_vendor_that_does_not_answer_does_not_stop_it(watched: Watched, beating: Beating) -> None:
    since = watched.clock.now()
    watched.finds(Code.DISK_LOW, Condition(code=Code.HOOK_SILENT, scope=Scope.ACCOUNT, name="pims", since=since))
    watched.look()
    assert beating.beat()


@pytest.mark.parametrize("code", [Code.ROUNDS_STUCK, Code.DISK_FULL])
def test_it_is_withheld_while_vetbridge_cannot_work(
    watched: Watched, beating: Beating, monitor: Monitor, code: Code
) -> None:
    watched.finds(code)
    watched.look()
    assert not beating.beat()
    watched.finds()
    watched.look()
    assert beating.beat()
    assert len(monitor.paths) == 1


def test_it_is_withheld_while_the_ledger_takes_nothing(watched: Watched, beating: Beating, monitor: Monitor) -> None:
    watched.look()
    with full(watched.ledger):
        assert not beating.beat(), "though no look has met it yet"
        watched.look()
        assert not beating.beat()
    watched.look()
    assert beating.beat()
    assert len(monitor.paths) == 1


def test_it_is_withheld_where_nobody_looks_any_more(watched: Watched, beating: Beating) -> None:
    watched.look()
    watched.clock.advance(LATE - LOOK - 1)
    assert beating.beat()
    watched.clock.advance(1)
    assert not beating.beat()


@pytest.mark.parametrize("status", [302, 500])
def test_an_answer_that_is_no_success_is_said_once_without_the_address(
    watched: Watched, beating: Beating, monitor: Monitor, status: int
) -> None:
    watched.look()
    monitor.status = status
    with capture_logs() as lines:
        assert not beating.beat()
        assert not beating.beat()
        monitor.status = 204
        assert beating.beat()
    assert [line["event"] for line in lines] == ["heartbeat.failing", "heartbeat.answers"]
    assert monitor.paths == ["/beat/known-to-few"] * 3
    assert "known-to-few" not in f"{lines} {beating!r} {vars(beating)}"


def test_a_monitor_that_is_not_there_is_said_without_the_address(
    watched: Watched, beating: Beating, monitor: Monitor
) -> None:
    watched.look()
    monitor.server.shutdown()
    monitor.server.server_close()
    with capture_logs() as lines:
        assert not beating.beat()
    assert lines[0]["code"] == "unavailable"
    assert "known-to-few" not in str(lines)
