"""Both simulators and the daemon as processes of their own, each of which is killed and started again."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tests.system.test_daemon import COMMAND, Daemon
from tests.system.town import POLLS_ONLY, WEBHOOKS_ONLY, Seen, Town, call, soon, until
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.simkit import Simulator, Store, open_store

CLIENTS, SEED = 60, 3


class SimulatorProcess:
    """`vetbridge simulate` in a process of its own, with what a town asks of a simulator."""

    def __init__(self, vendor: str, folder: Path) -> None:
        self.vendor = vendor
        self._folder = folder / vendor
        self._log = folder / f"{vendor}.log"
        self._read: Store | None = None
        self.base_url = ""
        self.control_url = ""
        self.credentials: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        """Starts it on the store that it left, at the port that it had."""
        said = self._folder.parent / f"{self.vendor}.said"
        with said.open("w") as out, self._log.open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(*COMMAND, "simulate", self.vendor, "--data", str(self._folder)),
                    *("--clients", str(CLIENTS), "--seed", str(SEED), "--limits", "off"),
                ],
                stdout=out,
                stderr=log,
            )

        def line() -> str:
            assert self._process.poll() is None, self._log.read_text()
            text = said.read_text()
            return text if text.endswith("\n") else ""

        ready = json.loads(until(line, f"the simulator of {self.vendor}"))
        self.base_url = ready["base_url"]
        self.control_url = ready["control_url"]
        self.credentials = ready["credentials"]

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait(60)

    @property
    def store(self) -> Store:
        """What it holds at this moment, read from its folder."""
        if self._read is not None:
            self._read.close()
        self._read = open_store(self._folder)
        return self._read

    def counts(self) -> dict[str, Any]:
        """What its control door counts."""
        return dict(call("GET", f"{self.control_url}/counts", None))

    def close(self) -> None:
        """Ends it."""
        if self._process.poll() is None:
            self.kill()
        if self._read is not None:
            self._read.close()


class Three:
    """The three processes, and the town that they are."""

    def __init__(self, folder: Path, changes: dict[str, Any]) -> None:
        self.booking = SimulatorProcess("altegio", folder)
        self.pims = SimulatorProcess("ezyvet", folder)
        # A process answers all that a town asks of a simulator.
        sides = cast(Simulator, self.booking), cast(Simulator, self.pims)
        self.place = Town(folder, *sides, make_clinic(SEED, CLIENTS))
        # Webhooks go on to the same address when the daemon is started again.
        self.place.write_config(**changes, door={"port": _free_port()})
        self.daemon = Daemon(self.place)
        self.door = self.daemon.ready()

    def restart_daemon(self) -> None:
        """kill -9, and a start."""
        self.daemon.kill()
        self.daemon = Daemon(self.place)

    def close(self) -> None:
        """Ends all three."""
        if self.daemon.process.poll() is None:
            self.daemon.kill()
        self.booking.close()
        self.pims.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def three(folder: Path, changes: dict[str, Any]) -> Iterator[Three]:
    made = Three(folder, changes)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize(
    ("changes", "webhooks"), [(WEBHOOKS_ONLY, True), (POLLS_ONLY, False)], ids=["webhooks", "polls"]
)
def test_each_process_is_killed_and_nothing_is_lost_or_doubled(
    tmp_path: Path, changes: dict[str, Any], webhooks: bool
) -> None:
    with three(tmp_path, changes) as processes:
        place = processes.place
        if webhooks:
            place.send_webhooks_to(processes.door)
        owners = [place.plain_owner(number) for number in range(9)]
        wanted: list[Seen] = []

        def agreed(least: int) -> bool:
            """So many of the wanted visits stand on both sides."""
            both = set(place.booked()) & set(place.standing())
            return len(both & set(wanted)) >= least

        def book(number: int) -> tuple[int, str]:
            start = place.slot()
            wanted.append(Seen(int(start.timestamp()), 1, 1, True))
            return place.book_owner(owners[number], start=start)

        def make(number: int) -> int:
            start = place.slot()
            wanted.append(Seen(int(start.timestamp()), 2, 2, True))
            return place.desk.make_for(owners[number], start, vet=2, service=2)

        # A booking goes over, and a visit of the desk comes back.
        first, first_hash = book(0)
        desks = make(1)
        until(lambda: agreed(2), "the first two visits on both sides")

        # The daemon dies at work; meanwhile an owner cancels, and the desk moves a visit.
        for number in (2, 3, 4):
            book(number)
        until(lambda: agreed(3), "the daemon at work")
        processes.daemon.kill()
        place.cancel(first, first_hash)
        wanted[0] = wanted[0]._replace(stands=False)
        start = place.slot()
        place.desk.move(desks, start)
        wanted[1] = wanted[1]._replace(start=int(start.timestamp()))
        processes.restart_daemon()
        until(lambda: agreed(5), "all of it after the daemon's death")

        # The PIMS dies while bookings are written to it.
        for number in (5, 6):
            book(number)
        until(lambda: agreed(6), "the daemon at work")
        processes.pims.kill()
        book(7)
        processes.pims.start()
        until(lambda: agreed(8), "all of it after the PIMS's death")

        # The booking side dies while visits of the desk are written to it.
        for number in (3, 4):
            make(number)
        until(lambda: agreed(9), "the daemon at work")
        processes.booking.kill()
        make(8)
        processes.booking.start()

        soon(lambda: (place.booked(), place.standing()), (sorted(wanted), sorted(wanted)))
        until(place.quiet, "the daemon to be quiet")
        assert processes.daemon.stop() == 0
        assert (place.booked(), place.standing()) == (sorted(wanted), sorted(wanted))
        _audit_people(place)
        assert place.notices() == 0
        hooked = "hook.taken" in processes.daemon.log.read_text()
        assert hooked is webhooks


def _audit_people(place: Town) -> None:
    """Nobody was made anew in the PIMS, each visit is its booking's owner's, and each owner has one card."""
    assert [row["id"] for row in place.pims.store.all("contact") if "_seed" not in row and row["id"] != 900] == []
    assert [row["id"] for row in place.pims.store.all("animal") if "_seed" not in row and row["id"] != 901] == []
    phones = [card["phone"] for card in place.booking.store.all("client")]
    assert len(phones) == len(set(phones))
    cards = {card["id"]: card["phone"] for card in place.booking.store.all("client")}
    contacts = {place.contact_id(owner): owner.phones for owner in place.clinic.owners}
    phone_of = {(row["_start"], row["staff_id"] - 500): cards[row["client_id"]] for row in _rows(place, "booking")}
    for row in _rows(place, "pims"):
        assert phone_of[row["start_at"], row["resources"][0]["id"] - 20] in contacts[row["contact_id"]]


def _rows(place: Town, side: str) -> list[Any]:
    return place.booking.store.all("record") if side == "booking" else place.pims.store.all("appointment")
