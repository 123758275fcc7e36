"""What support is given, and `doctor`, where somebody has put what nobody expects."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.rig import Rig
from tests.unit.desk.practice import Desk
from tests.unit.desk.test_reporting import unpacked
from vetbridge.config.secrets import Secret
from vetbridge.connector.trust import context
from vetbridge.core.errors import ConfigError
from vetbridge.core.records import Kind
from vetbridge.desk.reporting import without_contacts
from vetbridge.desk.tracing import MOST_RECORDS, trace
from vetbridge.ledger.database import Ledger

posix = pytest.mark.skipif(os.name != "posix", reason="pipes that are files are there alone")


@contextmanager
def ending(seconds: int = 20) -> Iterator[None]:
    """Fails where nothing ends."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("it has no end")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


@posix
def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    with ending():
        with pytest.raises(ConfigError, match="no file"):
            Secret.refer({"file": str(pipe(tmp_path / "secret"))}, folder=tmp_path, env={}).reveal()
        with pytest.raises(ConfigError, match=r"network\.ca: .*no file"):
            context(pipe(tmp_path / "ca"))


def test_a_place_of_a_secret_that_cannot_be_is_named(tmp_path: Path) -> None:
    for place in ({"file": "half\ud800"}, {"command": ["true", "half\ud800"]}):
        with pytest.raises(ConfigError, match="the secret's"):
            Secret.refer(place, folder=tmp_path, env={}).reveal()
    assert Secret.refer({"file": "half\ud800"}, folder=tmp_path, env={}).warning() == ""


@posix
def test_doctor_ends_where_everything_is_a_trap(desk: Desk) -> None:
    config = desk.config()
    config["accounts"]["altegio-city"]["hook_secret"] = {"file": str(pipe(desk.folder / "hook"))}
    config["network"] = {"ca": str(desk.folder / "ca.pem")}
    (desk.folder / "ca.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n" * 150_000)
    config["log"] = {"file": str(desk.folder / "ca.pem" / "below-a-file" / "v.log")}
    config["backup"] = {"folder": str(pipe(desk.folder / "backups"))}
    desk.save(config)
    with ending():
        result = desk.run("doctor")
    assert result.exit_code == 3
    assert "hook_secret" in result.stdout
    assert "network.ca" in result.stdout
    assert "backup" in result.stdout


def test_a_line_of_the_log_that_is_a_megabyte_does_not_hold_up_the_bundle() -> None:
    with ending():
        for part in ("a", "1", "+", "1.", "(", "0 ", "a@", ":1", "+1 "):
            without_contacts(part * (300_000 // len(part)), {"GB", "PL"})


def test_the_bundle_holds_nothing_that_steers_a_terminal(desk: Desk, ledger: Ledger) -> None:
    config = desk.config()
    config["log"] = {"file": "vetbridge.log"}
    desk.save(config)
    (desk.folder / "vetbridge.log").write_bytes(b"odd \x1b]0;owned\x07 \x9b31m \xe2\x80\xae\x00 text\r\n")
    log: Any = unpacked(desk)["log.txt"]
    assert log.strip().isprintable()
    assert "text" in log


def test_a_trace_of_what_is_linked_in_circles_ends(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    booking = rig.book("Ann", "Lee", "07912 345678", "Rex")
    rig.run()
    begun = time.process_time()
    for number in range(60):
        rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled" if number % 2 else "booked"})
        rig.hint(booking)
    rig.settle()
    with rig.ledger.read() as tx:
        found = trace(tx, f"booking/appointment/{booking}")
    assert len(found.records) <= MOST_RECORDS * 2
    assert time.process_time() - begun < 60
    rig.ledger.close()
