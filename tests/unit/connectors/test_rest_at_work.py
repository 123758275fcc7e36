"""Bookings at a practice whose API a profile describes, over HTTP, by the engine: written there, or typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.animana.simulator import CODE_LISTS, AnimanaSimulator, build
from connectors.rest import plugin
from tests.at_work import ZONE, end, environment
from tests.rig import Rig
from tests.unit.connectors.simulated_town import CLIENTS, OWNER, SEED, SimulatedTown
from vetbridge.connector.secret import Secret
from vetbridge.ledger import worklist
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities

ACCOUNT = "animana-city"


class Town(SimulatedTown):
    """It is Monday, 2 March 2026."""

    site: AnimanaSimulator

    def __init__(self, folder: Path, *, writes: str) -> None:
        clock = FakeClock()
        rig = Rig(folder, clock=clock, booking=MemorySide(memory_capabilities("booking"), clock=clock))
        self.site = build(clients=CLIENTS, seed=SEED, zone=ZONE, clock=clock)
        self.site.start()
        secrets = {name: Secret.of(text) for name, text in self.site.credentials.items()}
        options = plugin.options.model_validate(
            {"base_url": self.site.base_url, "profile": "animana", "secrets": secrets, "writes": writes}
        )
        rest = plugin.build(options, environment(ACCOUNT, clock))
        mapper = Mapper(load_table("neutral"), zone=ZONE, country="GB", codes=CODE_LISTS)
        pair = replace(rig.pair, pims=end(ACCOUNT, rest, mapper, clock), placeholder=None)
        super().__init__(rig, pair, self.site, rest, account=ACCOUNT)
        self.go_on()

    def lines(self) -> list[str]:
        with self.rig.ledger.read() as tx:
            return [line.task for line in worklist.lines(tx)]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Callable[[str], Town]]:
    made: list[Town] = []

    def make(writes: str) -> Town:
        made.append(Town(tmp_path, writes=writes))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_booking_is_written_moved_and_cancelled(town: Callable[[str], Town]) -> None:
    at = town("api")
    id_ = at.book(OWNER.given_name, OWNER.family_name, OWNER.phones[0], OWNER.pets[0].name)
    [visit] = at.diary
    owner = at.site.practice.client_id(OWNER.number)
    assert (visit.client_id, visit.pet_id) == (owner, at.site.practice.pet_id(OWNER.pets[0].number))
    assert (visit.appointment_type, visit.resource, visit.status) == ("vaccination", "vet_1", "booked")
    assert visit.start == (at.clock.now() + timedelta(hours=48)).replace(tzinfo=None)
    later = at.clock.now() + timedelta(hours=72)
    at.change(id_, start=later.isoformat(), who="v2")
    [moved] = at.diary
    assert (moved.id, moved.start, moved.resource) == (visit.id, later.replace(tzinfo=None), "vet_2")
    writes = at.site.counts()["writes"]
    at.go_on()
    assert at.site.counts()["writes"] == writes, "what is carried over is not carried again"
    at.change(id_, state="cancelled")
    assert [each.deleted for each in at.diary] == [True]


def test_what_staff_do_in_the_diary_reaches_the_booking(town: Callable[[str], Town]) -> None:
    at = town("api")
    id_ = at.book(OWNER.given_name, OWNER.family_name, OWNER.phones[0], OWNER.pets[0].name)
    at.clock.advance(600)
    at.site.practice.change_visit(at.diary[0].id, status="confirmed")
    at.go_on()
    assert at.booking(id_)["state"] == "confirmed"


def test_a_new_owner_and_pet_are_made_once_though_answers_are_lost(town: Callable[[str], Town]) -> None:
    at = town("api")
    for _ in range(3):
        at.site.faults.arm("drop_after_commit", 1)
    at.book("Igor", "Stravinsky", "+447700900123", "Firebird")
    made = [one for one in at.site.practice.clients() if one.family_name == "Stravinsky"]
    assert len(made) == 1
    assert [pet.name for pet in at.site.practice.pets_of(made[0].id)] == ["Firebird"]
    assert [visit.client_id for visit in at.diary] == [made[0].id]


def test_where_several_may_be_meant_the_visit_is_nobodys(town: Callable[[str], Town]) -> None:
    at = town("api")
    at.book("Igor", "Stravinsky", OWNER.phones[0], "Firebird")
    [visit] = at.diary
    assert (visit.client_id, visit.pet_id) == ("", "")
    assert f"May be client {at.site.practice.client_id(OWNER.number)}: " in visit.notes
    assert len(at.rig.questions()) == 1


def test_staff_type_what_an_api_that_is_only_read_does_not_take(town: Callable[[str], Town]) -> None:
    at = town("handed")
    start = at.clock.now() + timedelta(hours=48)
    id_ = at.book(OWNER.given_name, OWNER.family_name, OWNER.phones[0], OWNER.pets[0].name)
    assert (at.diary, at.lines()) == ((), ["book"])
    practice = at.site.practice
    visit = practice.book(
        start=start.replace(tzinfo=None, hour=start.hour + 1),
        minutes=15,
        pet_id=practice.pet_id(OWNER.pets[0].number),
        resource="vet_1",
        appointment_type="vaccination",
    )
    at.clock.advance(600)
    at.go_on()
    assert at.lines() == ["change"], "an hour late: what was typed wrong is asked for again"
    practice.change_visit(visit.id, start=start.replace(tzinfo=None))
    at.clock.advance(600)
    at.go_on()
    assert at.lines() == []
    at.change(id_, state="cancelled")
    assert at.lines() == ["cancel"]
    practice.cancel(visit.id)
    at.clock.advance(600)
    at.go_on()
    assert at.lines() == []
    assert at.site.counts()["write_requests"] == 0
