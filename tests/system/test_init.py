"""From nothing to a running service: `init` at a terminal, and `run` as systemd starts it."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from tests.system.town import until
from vetbridge.connector.configured import read_config
from vetbridge.testing.simkit import Simulator

pexpect = pytest.importorskip("pexpect", reason="there are no such terminals here")

COMMAND = [sys.executable, "-m", "vetbridge.cli.main"]
PATIENCE = 30


@pytest.fixture
def sides() -> Iterator[tuple[Simulator, Simulator]]:
    with (
        altegio.build(clients=3, seed=3, limits="off") as booking,
        ezyvet.build(clients=3, seed=3, limits="off") as pims,
    ):
        yield booking, pims


def addresses(booking: Simulator, pims: Simulator) -> list[str]:
    return ["--set", f"booking.base_url={booking.base_url}", "--set", f"pims.base_url={pims.base_url}"]


def ask(config: Path, *words: str) -> pexpect.spawn:
    arguments = [*COMMAND[1:], "--config", str(config), "init", *words]
    return pexpect.spawn(COMMAND[0], arguments, timeout=PATIENCE, encoding="utf-8", dimensions=(24, 200))


def test_a_person_answers_and_the_service_begins(tmp_path: Path, sides: tuple[Simulator, Simulator]) -> None:
    booking, pims = sides
    config = tmp_path / "vetbridge.yaml"
    person = ask(config, *addresses(*sides))
    known = {**booking.credentials, **pims.credentials}
    hidden = ("partner_token", "user_token", "client_secret")
    for question, answer in (
        *(("booking platform", ""), ("practice system", "ezyvet")),
        *(("short name", "city"), ("people call it", "City Vets")),
        *(("time zone", "Europe/London"), ("country", "GB"), ("location_id", known["location_id"])),
        *(
            (name, known[name])
            for name in ("partner_token", "user_token", "partner_id", "client_id", "client_secret")
        ),
        *(("site_uid", known["site_uid"]), ("cancellation_reason", "1")),
    ):
        person.expect(f"{question}.*: ")
        if question in hidden:
            person.sendline("")
            person.expect("does not show.*: ")
        person.sendline(answer)
        if question in hidden:
            person.expect("\n")
            assert answer not in person.before
    person.expect(pexpect.EOF)
    assert f"written: {config}" in person.before
    person.close()
    assert person.exitstatus == 0

    # As systemd starts it: on free ports, with a file for the log, and somebody who listens.
    text = config.read_text(encoding="utf-8").replace("port: 8710", "port: 0").replace("port: 8711", "port: 0")
    config.write_text(text.replace("# file: vetbridge.log ", "file: logs/vetbridge.log"), encoding="utf-8")
    assert len(read_config(config).config.sites["city"].booking.codes["resource"]) > 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        running = subprocess.Popen(
            [*COMMAND, "--config", str(config), "run"], stderr=subprocess.PIPE, text=True, env=environment
        )
        try:
            assert systemd.recv(200).startswith(b"READY=1")
            assert running.stderr is not None
            door = running.stderr.readline().split("health at ")[1].strip()
            with urllib.request.urlopen(door, timeout=PATIENCE) as answer:
                assert answer.status == 200
            log = tmp_path / "logs" / "vetbridge.log"
            until(lambda: "pair.paired" in log.read_text(encoding="utf-8"), "a line in the log")
            assert stat.S_IMODE(log.stat().st_mode) == 0o600
            running.send_signal(signal.SIGTERM)
            assert systemd.recv(200).startswith(b"STOPPING=1")
            assert running.wait(60) == 0
        finally:
            running.kill()
            running.wait()
            running.stderr.close()


def interrupted(person: pexpect.spawn) -> None:
    """Ctrl-C until it ends: Python may miss one that comes just before its wait, and a person presses again."""
    for _ in range(5):
        person.sendintr()
        if person.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=10) == 0:
            return
    raise AssertionError("five times Ctrl-C did not end it")


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    person = ask(tmp_path / "vetbridge.yaml")
    person.expect("booking platform.*: ")
    person.sendline("altegio")
    person.expect("practice system.*: ")
    interrupted(person)
    person.close()
    assert person.exitstatus == 130
    assert "Traceback" not in person.before
    assert list(tmp_path.iterdir()) == []
