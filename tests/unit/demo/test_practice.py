"""The front desk in the PIMS, against the simulator: every deed has one effect, however often it is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from connectors.ezyvet.simulator import BLOCK_TYPE, CODE_LISTS, PLACEHOLDER_CONTACT, EzyVetSimulator
from vetbridge.demo.asking import NoAnswer
from vetbridge.demo.practice import NotThere, Practice
from vetbridge.demo.script import plan_morning
from vetbridge.demo.story import Actor, Deed, Status, Step, Visit
from vetbridge.testing.clinic import make_clinic

MORNING = plan_morning(make_clinic(1, 2000), 1, 20, today=date(2026, 3, 2))
VISIT = next(visit for visit in MORNING.visits if visit.final != visit.slot)


@pytest.fixture(scope="module")
def seeded() -> Iterator[EzyVetSimulator]:
    with EzyVetSimulator(clients=2000, seed=1) as simulator:
        yield simulator


@pytest.fixture
def simulator(seeded: EzyVetSimulator) -> EzyVetSimulator:
    for row in seeded.store.all("appointment"):
        seeded.store.delete("appointment", row["id"])
    seeded.begin_outage(0)
    return seeded


@pytest.fixture
def practice(simulator: EzyVetSimulator) -> Practice:
    return Practice(simulator.base_url, simulator.credentials)


def act(practice: Practice, deed: Deed, *, visit: int = VISIT.number, booking: int = 0, **more: Any) -> None:
    practice.play(Step(0.0, deed, booking, Actor.PRACTICE, visit=visit, **more), MORNING)


def row_of(simulator: EzyVetSimulator, visit: Visit) -> dict[str, Any]:
    (row,) = [row for row in simulator.store.all("appointment") if visit.reference in row["description"]]
    return dict(row)


def test_a_visit_is_made_once_on_its_owner_and_pet(simulator: EzyVetSimulator, practice: Practice) -> None:
    act(practice, Deed.BOOK)
    act(practice, Deed.BOOK)
    row = row_of(simulator, VISIT)
    contact, animal = (
        simulator.store.get("contact", row["contact_id"]),
        simulator.store.get("animal", row["animal_id"]),
    )
    assert contact is not None
    assert animal is not None
    assert (contact["_seed"], animal["_seed"]) == (VISIT.owner, VISIT.pet)
    assert row["start_at"] == VISIT.slot.start.timestamp()
    assert row["duration"] == VISIT.service.minutes * 60
    assert practice.holds(VISIT)
    assert practice.contact(VISIT.owner) == str(row["contact_id"])


def test_it_is_moved_marked_and_cancelled(simulator: EzyVetSimulator, practice: Practice) -> None:
    act(practice, Deed.BOOK)
    act(practice, Deed.MOVE, slot=VISIT.final)
    act(practice, Deed.STATUS, status=Status.CONFIRMED)
    row = row_of(simulator, VISIT)
    assert row["start_at"] == VISIT.final.start.timestamp()
    assert row["resources"] == [{"id": CODE_LISTS["resource"][VISIT.final.vet.code]}]
    assert row["status_id"] == CODE_LISTS["status"]["confirmed"]
    act(practice, Deed.CANCEL)
    act(practice, Deed.CANCEL)
    assert row_of(simulator, VISIT)["active"] is False


def test_a_line_is_written_above_what_is_there_and_once(simulator: EzyVetSimulator, practice: Practice) -> None:
    booking = next(one for one in MORNING.bookings if one.line)
    act(practice, Deed.BOOK)
    made = row_of(simulator, VISIT)
    parked = {**made, "description": f"[VetBridge ...] {booking.reference}", "contact_id": PLACEHOLDER_CONTACT}
    simulator.store.put("appointment", made["id"], parked)
    assert practice.parked(booking) == made["id"]
    for _ in range(2):
        act(practice, Deed.NOTE, visit=0, booking=booking.number)
    kept = simulator.store.get("appointment", made["id"])
    assert kept is not None
    assert kept["description"] == f"{booking.line}\n[VetBridge ...] {booking.reference}"
    simulator.store.put("appointment", made["id"], {**kept, "contact_id": made["contact_id"]})
    assert practice.parked(booking) is None


def test_a_block_is_made_once(simulator: EzyVetSimulator, practice: Practice) -> None:
    assert MORNING.block is not None
    practice.block(MORNING.block)
    practice.block(MORNING.block)
    (row,) = simulator.store.all("appointment")
    assert row["type_id"] == BLOCK_TYPE


def test_what_is_not_there_yet_is_told_apart(practice: Practice) -> None:
    with pytest.raises(NotThere):
        act(practice, Deed.CANCEL, visit=0, booking=MORNING.bookings[0].number)
    assert practice.parked(MORNING.bookings[0]) is None


def test_a_silent_pims_is_tried_again_and_a_lost_answer_makes_no_second_visit(
    simulator: EzyVetSimulator, practice: Practice
) -> None:
    simulator.begin_outage(60)
    with pytest.raises(NoAnswer):
        act(practice, Deed.BOOK)
    simulator.begin_outage(0)
    for fault in ("drop_after_commit", "5xx_after"):
        simulator.faults.arm(fault)
        other = next(visit for visit in MORNING.purged if not practice.holds(visit))
        with pytest.raises(NoAnswer):
            act(practice, Deed.BOOK, visit=other.number)
        act(practice, Deed.BOOK, visit=other.number)
        assert row_of(simulator, other)


def test_an_owner_is_entered_with_her_pets(simulator: EzyVetSimulator, practice: Practice) -> None:
    owner = next(one for one in MORNING.clinic.owners if one.email and len(one.pets) == 2)
    pets = (replace(owner.pets[0], deceased=True), replace(owner.pets[1], deceased=False))
    contact = practice.enter(replace(owner, pets=pets))
    row = simulator.store.get("contact", contact)
    assert row is not None
    assert (row["first_name"], row["last_name"]) == (owner.given_name, owner.family_name)
    assert "_seed" not in row
    details = {each["value"] for each in simulator.store.find("contactdetail", contact_id=contact)}
    assert details == {*owner.phones, owner.email}
    animals = simulator.store.find("animal", contact_id=contact)
    assert [(each["name"], bool(each["is_dead"])) for each in animals] == [(one.name, one.deceased) for one in pets]
