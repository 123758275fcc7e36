"""The daemon as its admin sees it: started, stopped, killed and started again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.town import HOOK_SECRET, Town, call, town, until
from vetbridge.daemon.lock import running

COMMAND = [sys.executable, "-m", "vetbridge.cli.main"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


class Daemon:
    """`vetbridge run` in a process of its own."""

    def __init__(self, place: Town) -> None:
        self.log = place.folder / "daemon.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*COMMAND, "--config", str(place.config_path), "run"], stderr=log)
        self._seen = self.log.stat().st_size if self.log.exists() else 0

    def ready(self) -> str:
        """Waits until it runs; returns the door's address."""

        def address() -> str | None:
            assert self.process.poll() is None, self.log.read_text()
            found = re.findall(r"health at (http://\S+)/health", self.log.read_text())
            return found[-1] if found else None

        return str(until(address, "the daemon to be ready"))

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(60)


@contextmanager
def daemon(place: Town) -> Iterator[Daemon]:
    running = Daemon(place)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.kill()


def vetbridge(place: Town, *arguments: str) -> tuple[int, Any, str]:
    """One command beside the daemon; returns exit code, JSON data and what it said."""
    done = subprocess.run(
        [*COMMAND, "--config", str(place.config_path), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout, done.stderr


def test_it_starts_works_stops_and_starts_again(place: Town) -> None:
    owner = place.plain_owner()
    with daemon(place) as first:
        first.ready()
        record, _hash = place.book_owner(owner)
        until(lambda: len(place.visits()) == 1, "the booking to be written")
        assert first.stop() == 0
    assert running(place.ledger_place) is None
    assert not (place.folder / "vetbridge.db.pid").exists()

    later = place.slot()
    place.move(record, later)
    with daemon(place) as second:
        second.ready()
        until(lambda: place.visits()[0]["start_at"] == int(later.timestamp()), "the move to be carried over")
        assert len(place.visits()) == 1
        assert second.stop() == 0


def test_killed_in_the_middle_it_ends_the_same(place: Town) -> None:
    families = ("Abbott", "Bergman", "Castillo", "Dimitrov", "Eriksen", "Fontaine", "Grabowski", "Hakimi")
    given = ("Nova", "Egon", "Pia", "Ruben", "Thora", "Ulric", "Wendy", "Yasmin")
    people = [
        (f"{given[number]} {family}", f"+4479{number}234{number}60{number}") for number, family in enumerate(families)
    ]
    for number, (name, phone) in enumerate(people):
        place.book(fullname=name, phone=phone, pet=f"Puss{given[7 - number]}", species="cat")
    for written in (1, 3, 6):
        with daemon(place) as running:
            running.ready()
            until(lambda least=written: len(place.visits()) >= least, "some bookings to be written")
            running.kill()
    with daemon(place) as last:
        last.ready()
        until(lambda: len(place.visits()) >= len(people), "every booking to be written")
        until(lambda: _open_changes(place) == 0, "the daemon to be quiet")
        assert last.stop() == 0

    assert len(place.visits()) == len(people)
    made = [row["last_name"] for row in place.pims.store.all("contact") if row["last_name"] in families]
    assert sorted(made) == sorted(families)
    pets = [row["name"] for row in place.pims.store.all("animal") if str(row["name"]).startswith("Puss")]
    assert len(pets) == len(set(pets)) == len(people)


def test_a_second_one_is_refused_with_the_first_ones_process_id(place: Town) -> None:
    with daemon(place) as running:
        running.ready()
        code, _data, said = vetbridge(place, "run")
        assert code == 6
        assert str(running.process.pid) in said
        code, _data, said = vetbridge(place, "sync")
        assert code == 6
        assert running.stop() == 0


def test_webhooks_are_taken_with_the_right_secret_only(place: Town) -> None:
    place.write_config(accounts={"altegio": {"poll": 3600}})
    with daemon(place) as running:
        door = running.ready()
        record, _hash = place.book_owner(place.plain_owner())
        event = {
            "company_id": int(place.booking.credentials["location_id"]),
            "resource": "record",
            "resource_id": record,
            "status": "create",
            "data": {},
        }
        hook = f"{door}/hooks/altegio"
        assert _status(f"{hook}/wrong-secret", json.dumps(event).encode()) == 403
        assert _status(f"{hook}/{HOOK_SECRET}", b"<html>") == 400
        assert place.visits() == []
        assert _status(f"{hook}/{HOOK_SECRET}", json.dumps(event).encode()) == 200
        until(lambda: len(place.visits()) == 1, "the booking to be written")
        assert call("GET", f"{door}/health", None)["status"] == "ok"
        assert running.stop() == 0
    log = running.log.read_text()
    assert HOOK_SECRET not in log
    assert "hook-secret" in log


def test_the_log_holds_no_personal_data_and_no_secret(place: Town) -> None:
    owner = place.plain_owner()
    place.book_owner(owner, comment="planted comment")
    place.book(fullname="Zdenka Plantova", phone="+447912345678", pet="Quirinus", species="unicorn\x1b[31m")
    with daemon(place) as running:
        running.ready()
        until(lambda: len(place.visits()) == 2, "both bookings to be written")
        assert running.stop() == 0
    log = running.log.read_text()
    secrets = [*place.booking.credentials.values(), *place.pims.credentials.values()]
    planted = [
        owner.family_name,
        owner.phones[0],
        owner.phones[0][3:],
        "planted comment",
        "Plantova",
        "7912345678",
        "Quirinus",
        *(secret for secret in secrets if len(secret) > 8),
    ]
    assert [word for word in planted if word in log] == []


def _open_changes(place: Town) -> int:
    code, said, _talk = vetbridge(place, "status", "--json")
    assert code == 0
    states = [site["changes"] for site in said["data"]["sites"]]
    return sum(counts[state]["count"] for counts in states for state in ("received", "waiting"))


def _status(url: str, body: bytes) -> int:
    request = urllib.request.Request(url, data=body, method="POST", headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
