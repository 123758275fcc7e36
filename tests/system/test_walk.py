"""One ambiguous booking from end to end: parked, answered, moved by its owner and by the desk, cancelled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from connectors.ezyvet.simulator import PLACEHOLDER_ANIMAL, PLACEHOLDER_CONTACT
from tests.system.test_daemon import Daemon, daemon
from tests.system.town import BY_CLIENT, POLLS_ONLY, WEBHOOKS_ONLY, Seen, Town, soon, town, until
from vetbridge.cli.main import app
from vetbridge.testing.clinic import Owner

STRANGER = "Eva Novakova"
STAFFS_LINE = "Staff: allergic to penicillin, see file"
COMMENT = "first visit, a bit shy"
MODES = {"webhooks": WEBHOOKS_ONLY, "polls": POLLS_ONLY}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made
    structlog.reset_defaults()


def command(place: Town, *arguments: str) -> Any:
    """The data of a command that must succeed, run beside the daemon."""
    result = CliRunner().invoke(app, ["--config", str(place.config_path), *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


class Walk:
    """One booking by a stranger with a known owner's phone, on its way."""

    def __init__(self, place: Town, mode: str) -> None:
        self.place = place
        self.mode = mode
        self.owner: Owner = place.plain_owner()
        self.start = place.slot()
        self.record = 0
        self.record_hash = ""

    def begin(self, running: Daemon) -> None:
        """Books, once the daemon knows the clinic."""
        door = running.ready()
        if self.mode == "webhooks":
            self.place.send_webhooks_to(door)
        until(lambda: self.place.ledger("SELECT 1 FROM account WHERE mirror_complete_at IS NOT NULL"), "the mirror")
        self.record, self.record_hash = self.place.book(
            fullname=STRANGER, phone=self.owner.phones[0], pet="Xerxes", comment=COMMENT, start=self.start, remind=24
        )
        until(lambda: self.place.ledger("SELECT 1 FROM review WHERE state = 'open'"), "the question")
        self.audit(PLACEHOLDER_CONTACT)
        assert self.visit["animal_id"] == PLACEHOLDER_ANIMAL
        assert STRANGER in self.visit["description"]
        assert "[VetBridge VB-" in self.visit["description"]

    @property
    def visit(self) -> Any:
        """The one visit that the PIMS has."""
        (visit,) = self.place.visits()
        return visit

    def note(self) -> None:
        """Staff write a line into the visit's notes."""
        self.place.desk.note(self.visit["id"], STAFFS_LINE)

    def question(self) -> Any:
        """The one open question, as a program reads it."""
        (item,) = command(self.place, "review", "list")
        assert isinstance(item["id"], int)
        assert item["why"]
        assert datetime.fromisoformat(item["visit_at"]) == self.start
        assert datetime.fromisoformat(item["visit_at"]).tzinfo is not None
        assert item["site"] == "town"
        booker = item["booking"]["booker"]
        assert f"{booker['given_name']} {booker['family_name']}" == STRANGER
        assert item["booking"]["pet"]["name"] == "Xerxes"
        clients = [candidate["client_id"] for candidate in item["candidates"]]
        assert str(self.place.contact_id(self.owner)) in clients
        return item

    def link(self) -> Any:
        """Reception says that it is the known owner; returns what the command said."""
        item = self.question()
        (number,) = [
            number
            for number, candidate in enumerate(item["candidates"], start=1)
            if candidate["client_id"] == str(self.place.contact_id(self.owner))
        ]
        return command(self.place, "review", "link", str(item["id"]), str(number), "--by", "ann")

    def audit(self, contact: int, *, stands: bool = True) -> None:
        """Both stores hold this one visit, at one time, with one vet, on the right owner; nobody got a message."""
        both = [Seen(start=int(self.start.timestamp()), vet=1, service=1, stands=stands)]
        soon(lambda: (self.place.booked(), self.place.standing()), (both, both))
        soon(lambda: self.visit["contact_id"], contact)
        assert self.place.notices() == 0

    def audit_answered(self, *, stands: bool = True) -> None:
        """The visit is the owner's, with staff's line and the booker's words, and nothing of VetBridge's own."""
        soon(lambda: "[VetBridge" in self.visit["description"], False)
        self.audit(self.place.contact_id(self.owner), stands=stands)
        animal = self.place.pims.store.get("animal", self.visit["animal_id"])
        assert animal is not None
        assert (animal["name"], animal["contact_id"]) == ("Xerxes", self.place.contact_id(self.owner))
        assert STAFFS_LINE in self.visit["description"]
        assert COMMENT in self.visit["description"]
        assert STRANGER not in self.visit["description"]
        assert self.owner.phones[0] not in self.visit["description"]

    def go_on(self) -> None:
        """The owner moves it, the desk moves it, the owner cancels it."""
        self.start = self.place.slot()
        self.place.move(self.record, self.start)
        self.audit_answered()

        self.start = self.place.slot()
        self.place.desk.move(self.visit["id"], self.start)
        self.audit_answered()

        self.place.cancel(self.record, self.record_hash)
        self.audit_answered(stands=False)
        assert self.visit["cancellation_reason"] == BY_CLIENT
        assert command(self.place, "review", "list") == []

    def end(self, running: Daemon) -> None:
        """Once all is quiet, a further pass over everything writes nothing, and the stores stay as they are."""
        until(self.place.quiet, "the daemon to be quiet")
        assert running.stop() == 0
        writes = (self.place.booking.counts()["writes"], self.place.pims.counts()["writes"])
        command(self.place, "sync")
        assert (self.place.booking.counts()["writes"], self.place.pims.counts()["writes"]) == writes
        self.audit_answered(stands=False)


@pytest.mark.parametrize("mode", MODES)
def test_an_ambiguous_booking_is_linked_in_place_and_its_owner_goes_on_with_it(place: Town, mode: str) -> None:
    place.write_config(**MODES[mode])
    with daemon(place) as running:
        walk = Walk(place, mode)
        walk.begin(running)
        parked = walk.visit["id"]
        walk.note()

        said = walk.link()

        assert (said["choice"], said["state"]) == ("link", "applied")
        assert walk.visit["id"] == parked
        walk.audit_answered()
        walk.go_on()
        assert command(place, "worklist", "list") == []
        walk.end(running)


@pytest.mark.parametrize(("fault", "mode"), [("relink_ignored", "webhooks"), ("relink_forgotten", "polls")])
def test_staff_set_the_owner_where_the_pims_does_not_and_the_next_read_confirms_it(
    place: Town, fault: str, mode: str
) -> None:
    place.write_config(**MODES[mode])
    place.pims.faults.set({fault: 1.0})
    with daemon(place) as running:
        walk = Walk(place, mode)
        walk.begin(running)
        walk.note()

        walk.link()

        until(lambda: place.ledger("SELECT 1 FROM worklist"), "the line on the work list")
        (line,) = command(place, "worklist", "list")
        assert (line["task"], line["state"], line["site"]) == ("relink", "open", "town")
        assert (line["kind"], line["remote_id"]) == ("appointment", str(walk.visit["id"]))
        wanted = {step["field"]: int(step["value"]) for step in line["steps"]}
        assert wanted["client_id"] == place.contact_id(walk.owner)
        assert command(place, "review", "list") == []
        walk.audit(PLACEHOLDER_CONTACT)
        assert "[VetBridge VB-" in walk.visit["description"]

        place.desk.put_on(walk.visit["id"], wanted["client_id"], wanted["pet_id"])

        until(lambda: not place.ledger("SELECT 1 FROM worklist WHERE closed_at IS NULL"), "the line to go")
        assert command(place, "worklist", "list") == []
        walk.audit_answered()
        walk.go_on()
        walk.end(running)
