"""Bookings at a practice that IDEXX's data services show, over HTTP on the rehearsal, by the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.idexx_data_services import plugin
from connectors.idexx_data_services.simulator import CODE_LISTS, ODATA, IdexxSimulator, build
from tests.at_work import RULES, ZONE, end, environment
from tests.file_rig import pdf
from tests.rig import Rig
from tests.unit.connectors.simulated_town import CLIENTS, OWNER, SEED, SimulatedTown
from vetbridge.connector.secret import Secret
from vetbridge.core.due import DuePolicy
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.sync.pair import FilePolicy, Placeholder
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities

ACCOUNT = "cornerstone-city"
CODES = {
    **CODE_LISTS,
    "status": {word: code for word, code in CODE_LISTS["status"].items() if word != "cancelled"},
}


class Town(SimulatedTown):
    """It is Monday, 2 March 2026. Nobody can be created there; a stand-in client and pet are."""

    site: IdexxSimulator

    def __init__(self, folder: Path, *, shown_after: float = 0.0) -> None:
        clock = FakeClock()
        rig = Rig(folder, clock=clock, booking=MemorySide(memory_capabilities("booking"), clock=clock))
        self.site = build(shown_after, clients=CLIENTS, seed=SEED, zone=ZONE, clock=clock)
        self.site.start()
        practice = self.site.practice
        nobody = practice.register_client(given_name="", family_name="Placeholder").id
        pet = practice.register_pet(client_id=nobody, name="Placeholder", species="other").id
        secrets = {name: Secret.of(self.site.credentials[name]) for name in ("user", "password")}
        options = plugin.options.model_validate(
            {
                "base_url": self.site.base_url,
                "odata_path": ODATA,
                "site_id": self.site.credentials["site_id"],
                "profile": "rehearsal",
                "shown_within": shown_after,
                **secrets,
            }
        )
        made = plugin.build(options, environment(ACCOUNT, clock))
        mapper = Mapper(load_table("neutral"), zone=ZONE, country="GB", codes=CODES)
        stand_in = Placeholder(client_id=nobody, pet_id=pet)
        pair = replace(
            rig.pair,
            pims=end(ACCOUNT, made, mapper, clock),
            placeholder=stand_in,
            files=FilePolicy(to_pims=RULES, to_booking=RULES),
            due=DuePolicy(),
        )
        super().__init__(rig, pair, self.site, made, account=ACCOUNT)
        self.placeholder = stand_in
        self.go_on()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Callable[..., Town]]:
    made: list[Town] = []

    def make(**options: Any) -> Town:
        made.append(Town(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_booking_is_written_moved_and_cancelled(town: Callable[..., Town]) -> None:
    at = town()
    id_ = at.book(OWNER.given_name, OWNER.family_name, OWNER.phones[0], OWNER.pets[0].name)
    [visit] = at.diary
    practice = at.site.practice
    assert (visit.client_id, visit.pet_id) == (
        practice.client_id(OWNER.number),
        practice.pet_id(OWNER.pets[0].number),
    )
    assert visit.start == (at.clock.now() + timedelta(hours=48)).replace(tzinfo=None)
    later = at.clock.now() + timedelta(hours=72)
    at.change(id_, start=later.isoformat(), who="v2")
    [moved] = at.diary
    assert (moved.id, moved.start, moved.resource) == (visit.id, later.replace(tzinfo=None), "vet_2")
    writes = at.site.counts()["writes"]
    at.wait(600)
    assert at.site.counts()["writes"] == writes, "what is carried over is not carried again"
    at.change(id_, state="cancelled")
    assert [each.deleted for each in at.diary] == [True]


def test_what_staff_do_in_the_planner_reaches_the_booking(town: Callable[..., Town]) -> None:
    at = town()
    id_ = at.book(OWNER.given_name, OWNER.family_name, OWNER.phones[0], OWNER.pets[0].name)
    at.clock.advance(600)
    at.site.practice.change_visit(at.diary[0].id, status="confirmed")
    at.go_on()
    assert at.booking(id_)["state"] == "confirmed"


def test_a_visit_whose_answer_was_lost_is_found(town: Callable[..., Town]) -> None:
    at = town()
    at.site.faults.arm("drop_after_commit", 1)
    at.book(OWNER.given_name, OWNER.family_name, OWNER.phones[0], OWNER.pets[0].name)
    assert len(at.diary) == 1


def test_a_new_owner_stands_on_the_placeholder(town: Callable[..., Town]) -> None:
    at = town()
    at.book("Igor", "Stravinsky", "+447700900123", "Firebird")
    [visit] = at.diary
    assert (visit.client_id, visit.pet_id) == (at.placeholder.client_id, at.placeholder.pet_id)
    assert "Firebird" in visit.notes
    assert len(at.rig.questions()) == 1


def test_files_and_what_is_due_come_and_go(town: Callable[..., Town]) -> None:
    at = town()
    id_ = at.book(OWNER.given_name, OWNER.family_name, OWNER.phones[0], OWNER.pets[0].name)
    at.begin()
    practice = at.site.practice
    pet, due = practice.pet_id(OWNER.pets[0].number), at.clock.now().date() + timedelta(days=10)
    card = at.rig.booking.rows(Kind.CLIENT)[0]["id"]
    at.rig.booking.add(Kind.ATTACHMENT, {"client_id": card, "name": "Referral.pdf"}, content=pdf("from the old vet"))
    practice.attach(pdf("home again"), pet_id=pet, name="Discharge.pdf")
    practice.remind(pet_id=pet, code="RAB", description="Rabies", due_on=due)
    for _ in range(2):
        at.go_on()
        at.look()
    assert sorted(each.name for each in practice.documents()) == ["Discharge.pdf", "Referral.pdf"]
    [brought] = [each for each in practice.documents() if each.name == "Referral.pdf"]
    assert practice.document_content(brought.id) == pdf("from the old vet")
    rows = at.rig.booking.rows(Kind.ATTACHMENT)
    assert sorted(row["name"] for row in rows) == ["Discharge.pdf", "Referral.pdf"], "no echo"
    at.change(id_, state="cancelled")  # a visit to come does what is due
    at.wait(600)
    told = at.rig.booking.get(Kind.REMINDER, card) or {}
    assert (told["name"], told["due_on"]) == ("Rabies", due.isoformat())


@pytest.mark.parametrize("lost", [False, True])
def test_reads_that_follow_double_nothing_and_cancel_nothing(lost: bool, town: Callable[..., Town]) -> None:
    at = town(shown_after=1800.0)
    if lost:
        at.site.faults.arm("drop_after_commit", 1)
    id_ = at.book(OWNER.given_name, OWNER.family_name, OWNER.phones[0], OWNER.pets[0].name)
    later = (at.clock.now() + timedelta(hours=72)).replace(microsecond=0)
    at.change(id_, start=later.isoformat())
    for _ in range(5):
        at.wait(600)
    [visit] = at.diary
    assert (visit.start, visit.deleted) == (later.replace(tzinfo=None), False)
    assert at.booking(id_)["state"] == "booked"
    assert at.booking(id_)["start"] == later.isoformat()
    assert not at.rig.questions()
