"""The audit on stores made by hand: a perfect morning is clean, and every planted fault is reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.demo.worlds import (
    CARDS_FROM,
    OWNERS_FROM,
    PETS_FROM,
    PLACEHOLDER,
    PLACEHOLDER_PET,
    STAMP,
    TODAY,
    World,
    parked_notes,
    reported,
)
from vetbridge.demo.audit import audit
from vetbridge.demo.errands_audit import Side
from vetbridge.demo.findings import Place
from vetbridge.demo.script import plan_morning
from vetbridge.demo.story import Answer, Booking, Case, DeskCase, Morning, Visit
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.simkit import Files, Store, open_store


@pytest.fixture(scope="module")
def morning() -> Morning:
    return plan_morning(make_clinic(4, 2000), 4, 60, today=TODAY)


@pytest.fixture
def world(morning: Morning) -> World:
    return World(morning)


def first(morning: Morning, fits: Callable[[Booking], bool]) -> Booking:
    return next(booking for booking in morning.bookings if fits(booking))


def known(morning: Morning) -> Booking:
    """One that stands, and has no file."""
    with_file = {paper.booking for paper in morning.papers}
    return first(
        morning,
        lambda one: one.part.linkable and not one.cancelled and bool(one.part.pets) and one.number not in with_file,
    )


def new(morning: Morning) -> Booking:
    return first(morning, lambda one: one.part.case is Case.NEW and not one.cancelled)


def ambiguous(morning: Morning) -> Booking:
    """One that nobody has answered."""
    answered = {answer.booking for answer in morning.answers}
    return first(morning, lambda one: one.part.case is Case.AMBIGUOUS and one.number not in answered)


def answered(morning: Morning, fits: Callable[[Answer], bool] = lambda _: True) -> Booking:
    return next(morning.booking(one.booking) for one in morning.answers if fits(one))


def at_desk(morning: Morning, case: DeskCase) -> Visit:
    """A desk visit of a case that is not cancelled."""
    return next(visit for visit in morning.visits if visit.case is case and not visit.cancelled)


def test_a_perfect_morning_is_clean(world: World) -> None:
    result = world.audit()
    assert result.findings == ()
    assert result.clean
    numbers = result.numbers(12.345)
    assert list(numbers) == [
        *("schema", "bookings", "written", "linked", "linkable", "created", "in_review"),
        *("desk_visits", "conflicts", "resolved_in_place", "replayed", "fuse_held"),
        *("attachments", "reminders", "opt_outs"),
        *("lost", "duplicated", "wrong_owner", "wrong_time", "wrong_reminders", "notices", "seconds"),
    ]
    assert numbers["bookings"] == numbers["written"] == 60
    assert numbers["linked"] + numbers["created"] + numbers["in_review"] == numbers["written"]
    ambiguous = sum(one.part.case is Case.AMBIGUOUS for one in world.morning.bookings)
    assert numbers["in_review"] == ambiguous - len(world.morning.answers)
    assert numbers["desk_visits"] == len(world.morning.visits)
    assert (numbers["conflicts"], numbers["resolved_in_place"], numbers["replayed"]) == (3, 3, 5)
    assert numbers["fuse_held"] == 17
    assert (numbers["attachments"], numbers["reminders"], numbers["opt_outs"]) == (4, 4, 1)
    assert result.complete
    assert numbers["linkable"] == sum(one.part.linkable for one in world.morning.bookings)
    assert numbers["seconds"] == 12.3
    assert result.linked_of_linkable == numbers["linkable"]
    assert result.unseen == {
        one.number
        for one in world.morning.bookings
        if one.cancelled and one.number % 2 == 0 and one.number not in world.answers
    }


def test_it_reads_kept_stores_without_writing(morning: Morning, tmp_path: Path) -> None:
    made = World(morning, tmp_path)
    made.booking.close()
    made.pims.close()
    sides = [
        Side(open_store(folder), Files(folder / "files")) for folder in (tmp_path / "booking", tmp_path / "pims")
    ]
    assert audit(morning, *sides, made.seen, today=TODAY).clean


def test_a_lost_booking(world: World) -> None:
    booking = known(world.morning)
    world.pims.delete("appointment", world.row(booking)["id"])
    result = world.audit()
    assert reported(result) == {"lost": 1}
    assert result.findings[0].booking == booking.number
    assert result.places[booking.number - 1] is Place.LOST
    assert result.numbers(0)["written"] == 59


def test_a_doubled_visit(world: World) -> None:
    row = world.row(known(world.morning))
    world.pims.insert("appointment", {name: value for name, value in row.items() if name != "id"})
    assert reported(world.audit()) == {"duplicated": 1}


def test_a_visit_that_belongs_to_no_booking(world: World) -> None:
    row = world.row(known(world.morning))
    world.pims.insert("appointment", {**row, "description": "made by nobody"})
    assert reported(world.audit()) == {"duplicated": 1}


def test_a_visit_on_another_owner(world: World) -> None:
    booking = known(world.morning)
    other = next(one for one in world.morning.clinic.owners if one.number not in booking.part.owners)
    pet = PETS_FROM + other.pets[0].number
    world.change(booking, contact_id=OWNERS_FROM + other.number, animal_id=pet)
    result = world.audit()
    assert reported(result) == {"wrong_owner": 1}
    assert result.findings[0].booking == booking.number


def test_a_visit_on_another_animal_of_the_right_owner(world: World) -> None:
    booking = first(
        world.morning,
        lambda one: (
            bool(one.part.pets)
            and not one.cancelled
            and one.part.case is not Case.DUPLICATE
            and len(world.morning.clinic.owner(min(one.part.owners)).pets) > 1
        ),
    )
    pets = world.morning.clinic.owner(min(booking.part.owners)).pets
    other = next(pet.number for pet in pets if pet.number not in booking.part.pets)
    world.change(booking, animal_id=PETS_FROM + other)
    assert reported(world.audit()) == {"wrong_owner": 1}


def test_an_animal_of_somebody_else_under_the_right_owner(world: World) -> None:
    booking = known(world.morning)
    other = next(one for one in world.morning.clinic.owners if one.number not in booking.part.owners)
    world.change(booking, animal_id=PETS_FROM + other.pets[0].number)
    assert reported(world.audit()) == {"wrong_owner": 1}


def test_a_stranger_who_is_linked_to_the_owner_of_the_phone(world: World) -> None:
    booking = first(world.morning, lambda one: one.part.case is Case.AMBIGUOUS and not one.part.owners)
    owner = next(one for one in world.morning.clinic.owners if booking.part.phone in one.phones)
    pet = PETS_FROM + owner.pets[0].number
    world.change(booking, contact_id=OWNERS_FROM + owner.number, animal_id=pet)
    assert reported(world.audit()) == {"wrong_owner": 1}


def test_a_stranger_who_is_made_a_new_owner_is_no_fault(world: World) -> None:
    booking = next(
        one
        for one in world.morning.bookings
        if one.part.case is Case.AMBIGUOUS and not one.part.owners and one.number not in world.answers
    )
    part = booking.part
    contact = world.contact(None, part.given_name, part.family_name, (part.phone,))
    world.change(booking, contact_id=contact, animal_id=world.animal(None, contact, part.pet_name))
    assert reported(world.audit()) == {}


def test_a_new_owner_who_is_put_on_a_known_one(world: World) -> None:
    booking = new(world.morning)
    owner = world.morning.clinic.owners[0]
    pet = PETS_FROM + owner.pets[0].number
    world.change(booking, contact_id=OWNERS_FROM + owner.number, animal_id=pet)
    assert reported(world.audit()) == {"wrong_owner": 1}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda row: {"start_at": row["start_at"] + 300}, id="start"),
        pytest.param(lambda row: {"start_at": row["start_at"] + 3600}, id="an hour, as with a wrong zone"),
        pytest.param(lambda row: {"duration": row["duration"] + 60}, id="length"),
        pytest.param(lambda row: {"resources": [{"id": 21 + row["resources"][0]["id"] % 4}]}, id="vet"),
        pytest.param(lambda row: {"resources": []}, id="no vet"),
        pytest.param(lambda row: {"type_id": 31 + (row["type_id"] - 30) % 5}, id="service"),
        pytest.param(lambda row: {"active": not row["active"]}, id="cancelled"),
        pytest.param(lambda row: {"status_id": 3 if row["status_id"] != 3 else 1}, id="status"),
    ],
)
def test_a_wrong_time_vet_service_or_status(world: World, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    booking = known(world.morning)
    world.change(booking, **change(world.row(booking)))
    assert reported(world.audit()) == {"wrong_time": 1}


def test_a_cancelled_visit_that_still_stands(world: World) -> None:
    booking = first(
        world.morning, lambda one: one.cancelled and one.number % 2 == 1 and one.number not in world.answers
    )
    world.change(booking, active=True)
    assert reported(world.audit()) == {"wrong_time": 1}


@pytest.mark.parametrize("side", ["booking", "pims"])
def test_a_message_to_an_owner(world: World, side: str) -> None:
    store: Store = getattr(world, side)
    store.insert("notice", {"cause": "own", "message": "the vendor's own confirmation"})
    store.insert("notice", {"cause": "write", "message": "send_sms"})
    assert reported(world.audit()) == {"notices": 1}


def test_a_doubled_client(world: World) -> None:
    part = new(world.morning).part
    world.contact(None, part.given_name, part.family_name, (part.phone,))
    assert reported(world.audit()) == {"duplicated": 1}


def test_a_new_client_for_a_known_owner(world: World) -> None:
    part = known(world.morning).part
    world.contact(None, part.given_name, part.family_name, (part.phone,))
    assert reported(world.audit()) == {"duplicated": 1}


def test_a_doubled_pet_of_a_new_owner(world: World) -> None:
    row = world.row(new(world.morning))
    animal = world.pims.get("animal", row["animal_id"])
    assert animal is not None
    world.animal(None, row["contact_id"], animal["name"])
    assert reported(world.audit()) == {"duplicated": 1}


def test_a_doubled_pet_of_a_known_owner(world: World) -> None:
    booking = known(world.morning)
    world.animal(None, OWNERS_FROM + min(booking.part.owners), booking.part.pet_name)
    assert reported(world.audit()) == {"duplicated": 1}


def test_on_the_placeholder_without_our_stamp(world: World) -> None:
    booking = ambiguous(world.morning)
    world.change(booking, description=parked_notes(booking).replace(STAMP, "by hand"))
    assert reported(world.audit()) == {"wrong_owner": 1}


def test_on_the_placeholder_without_the_details(world: World) -> None:
    booking = ambiguous(world.morning)
    world.change(booking, description=f"[VetBridge {STAMP}]\nComment: {booking.comment}\n[/VetBridge]")
    assert reported(world.audit()) == {"wrong_owner": 1}


def test_only_half_on_the_placeholder(world: World) -> None:
    booking = known(world.morning)
    world.change(booking, animal_id=PLACEHOLDER_PET, description=parked_notes(booking))
    assert reported(world.audit()) == {"wrong_owner": 1}


def test_a_known_owner_may_be_parked(world: World) -> None:
    booking = known(world.morning)
    world.change(booking, contact_id=PLACEHOLDER, animal_id=PLACEHOLDER_PET, description=parked_notes(booking))
    result = world.audit()
    assert result.clean
    assert result.places[booking.number - 1] is Place.IN_REVIEW
    assert result.linked_of_linkable == result.linkable - 1


def test_a_booking_that_was_changed_or_lost_at_the_platform(world: World) -> None:
    changed, lost = known(world.morning), new(world.morning)
    row = world.booking.get("record", 30_000 + changed.number)
    assert row is not None
    world.booking.put("record", row["id"], {**row, "deleted": True})
    world.booking.delete("record", 30_000 + lost.number)
    assert reported(world.audit()) == {"wrong_time": 1, "lost": 1}


def test_several_faults_of_one_booking_count_once_each(world: World) -> None:
    booking = known(world.morning)
    row = world.row(booking)
    world.pims.insert("appointment", {**row, "start_at": 0})
    world.save({**row, "start_at": 0})
    assert reported(world.audit()) == {"duplicated": 1, "wrong_time": 1}


def test_the_cases_add_up(world: World) -> None:
    cases = list(world.audit().cases())
    assert [case for case, _, _ in cases] == list(Case)
    assert sum(sum(places.values()) for _, places, _ in cases) == 60
    assert all(wrong == 0 for _, _, wrong in cases)


def test_findings_hold_no_personal_data(world: World) -> None:
    for row in world.pims.all("appointment"):
        world.pims.put("appointment", row["id"], {**row, "start_at": 0, "contact_id": 1})
    findings = world.audit().findings
    names = {one.part.family_name for one in world.morning.bookings if len(one.part.family_name) > 3}
    assert len(findings) > 60
    assert not any(name in finding.words for finding in findings for name in names)


# -- what was answered, asked and replayed


def test_an_answered_one_that_is_on_the_placeholder_still(world: World) -> None:
    booking = answered(world.morning)
    world.change(booking, contact_id=PLACEHOLDER, animal_id=PLACEHOLDER_PET, description=parked_notes(booking))
    result = world.audit()
    assert reported(result) == {"wrong_owner": 1}
    assert result.resolved_in_place == 2


def test_an_answered_one_whose_notes_still_name_who_booked(world: World) -> None:
    booking = answered(world.morning)
    world.change(booking, description=f"{booking.line}\n{parked_notes(booking)}")
    result = world.audit()
    assert reported(result) == {"wrong_owner": 1}
    assert result.resolved_in_place == 2


def test_a_line_of_the_desk_that_was_taken_out(world: World) -> None:
    booking = first(world.morning, lambda one: bool(one.line))
    world.change(booking, description=f"Comment: {booking.comment}")
    result = world.audit()
    assert reported(result) == {"lost": 1}
    assert result.resolved_in_place == 2


def test_another_visit_instead_of_the_one_that_was_parked_is_not_resolved_in_place(world: World) -> None:
    booking = answered(world.morning)
    row = world.row(booking)
    world.pims.delete("appointment", row["id"])
    world.pims.insert("appointment", {name: value for name, value in row.items() if name != "id"})
    result = world.audit()
    assert result.clean
    assert result.resolved_in_place == 2


def test_conflicts_and_replays_count_only_where_nothing_is_wrong(world: World) -> None:
    asked = world.morning.booking(world.morning.conflicts[0].booking)
    replayed = world.morning.without_code[0]
    world.change(asked, start_at=0)
    world.change(replayed, start_at=0)
    result = world.audit()
    assert reported(result) == {"wrong_time": 2}
    assert (result.conflicts, result.replayed) == (2, 4)


@pytest.mark.parametrize("seen", ["asked", "parked", "replayed", "held"])
def test_a_morning_in_which_something_was_not_seen_is_not_complete(world: World, seen: str) -> None:
    nothing: dict[str, Any] = {"asked": frozenset(), "parked": {}, "replayed": frozenset(), "held": 0}
    world.seen = replace(world.seen, **{seen: nothing[seen]})
    result = world.audit()
    assert not result.complete


# -- the booking platform, and the visits of the desk on both sides


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"datetime": "2026-03-03T03:00:00+00:00"}, id="start"),
        pytest.param({"staff_id": 499}, id="vet"),
        pytest.param({"seance_length": 60}, id="length"),
        pytest.param({"service_ids": [700]}, id="service"),
        pytest.param({"attendance": 9}, id="status"),
        pytest.param({"deleted": True}, id="cancelled"),
    ],
)
def test_a_booking_or_a_desk_visit_that_is_wrong_at_the_platform(world: World, change: dict[str, Any]) -> None:
    world.booking.insert("staff", {"name": "Dr. Nobody"}, id=499)
    world.booking.insert("service", {"title": "Nothing"}, id=700)
    moved = "datetime" in change or "staff_id" in change
    world.change_record(known(world.morning), **change)
    visit = at_desk(world.morning, DeskCase.CARD)
    # Nothing but its slot, or its reference, tells whose a record is.
    world.change_record(visit, **change, **({"comment": visit.reference} if moved else {}))
    assert reported(world.audit()) == {"wrong_time": 2}


def test_a_desk_visit_that_did_not_follow_its_move(world: World) -> None:
    visit = next(one for one in world.morning.visits if one.final != one.slot)
    world.change_record(visit, datetime=visit.slot.start.isoformat(), staff_id=500 + visit.slot.vet.number)
    result = world.audit()
    assert reported(result) == {"wrong_time": 1}
    assert result.findings[0].visit == visit.number


def test_a_desk_visit_that_is_missing_or_doubled_at_the_platform(world: World) -> None:
    lost, doubled = at_desk(world.morning, DeskCase.CARD), at_desk(world.morning, DeskCase.CARDLESS)
    world.booking.delete("record", world.record(lost)["id"])
    world.booking.insert("record", {name: value for name, value in world.record(doubled).items() if name != "id"})
    result = world.audit()
    assert reported(result) == {"lost": 1, "duplicated": 1}
    assert {finding.visit for finding in result.findings} == {lost.number, doubled.number}


def test_a_purged_visit_that_stands_on_one_side(world: World) -> None:
    here, there = [visit for visit in world.morning.purged if visit.number % 2][:2]
    world.change_record(here, deleted=False)
    world.change(there, active=True)
    assert reported(world.audit()) == {"wrong_time": 2}


def test_a_desk_visit_on_another_card(world: World) -> None:
    visit = at_desk(world.morning, DeskCase.CARD)
    other = next(owner for owner in world.morning.clinic.owners if owner.online and owner.number != visit.card)
    world.change_record(visit, client_id=CARDS_FROM + other.number)
    result = world.audit()
    assert reported(result) == {"wrong_owner": 1}
    assert str(result.findings[0]).startswith(f"wrong_owner: desk visit {visit.number}: ")


def test_a_partner_who_got_a_card_of_her_own(world: World) -> None:
    visit = next(one for one in world.morning.visits if one.case is DeskCase.PARTNER and one.owner != one.card)
    owner = world.morning.clinic.owner(visit.owner)
    card = world.booking.insert("client", {"name": owner.given_name, "surname": "", "phone": owner.phones[0]})
    world.change_record(visit, client_id=card)
    assert reported(world.audit())["duplicated"] == 2  # a phone on two cards, and a card too many


def test_a_visit_of_an_owner_without_a_phone(world: World) -> None:
    visit = at_desk(world.morning, DeskCase.PHONELESS)
    world.change_record(visit, comment="")
    assert reported(world.audit()) == {"wrong_owner": 1}
    owner = world.morning.clinic.owner(visit.owner)
    card = world.booking.insert("client", {"name": owner.family_name, "surname": "", "phone": "+440000000000"})
    world.change_record(visit, client_id=card)
    assert reported(world.audit()) == {"wrong_owner": 1, "duplicated": 1}


def test_a_card_that_nobody_asked_for(world: World) -> None:
    owner = next(
        one
        for one in world.morning.clinic.owners
        if not one.online
        and one.phones
        and one.household is None
        and all(one.phones[0] != booking.part.phone for booking in world.morning.bookings)
        and all(one.number != visit.owner for visit in world.morning.visits)
    )
    world.card(f"{owner.given_name} {owner.family_name}", owner.phones[0])
    assert reported(world.audit()) == {"duplicated": 1}


def test_a_booking_that_was_put_on_another_card(world: World) -> None:
    booking = known(world.morning)
    other = next(owner for owner in world.morning.clinic.owners if owner.online)
    world.change_record(booking, client_id=CARDS_FROM + other.number)
    assert reported(world.audit()) == {"wrong_owner": 1}


def test_a_block_that_went_over(world: World) -> None:
    block = world.morning.block
    assert block is not None
    row = world.record(known(world.morning))
    place = {"datetime": block.slot.start.isoformat(), "staff_id": 500 + block.slot.vet.number}
    world.booking.insert("record", {**row, **place, "comment": ""})
    result = world.audit()
    assert reported(result) == {"duplicated": 1}
    assert "calendar block" in result.findings[0].words


def test_a_record_that_belongs_to_nobody(world: World) -> None:
    row = world.record(known(world.morning))
    world.booking.insert("record", {**row, "comment": "", "datetime": "2026-03-03T03:00:00+00:00"})
    assert reported(world.audit()) == {"duplicated": 1}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"start_at": 0}, {"wrong_time": 1}, id="time"),
        pytest.param({"status_id": 9}, {"wrong_time": 1}, id="status"),
        pytest.param({"contact_id": PLACEHOLDER}, {"wrong_owner": 1}, id="owner"),
        pytest.param({"animal_id": PLACEHOLDER_PET}, {"wrong_owner": 1}, id="pet"),
    ],
)
def test_a_desk_visit_that_was_changed_in_the_pims(
    world: World, change: dict[str, Any], expected: dict[str, int]
) -> None:
    world.change(first_standing(world.morning), **change)
    assert reported(world.audit()) == expected


def test_a_desk_visit_that_is_gone_or_doubled_in_the_pims(world: World) -> None:
    visit = first_standing(world.morning)
    row = world.row(visit)
    world.pims.insert("appointment", {name: value for name, value in row.items() if name != "id"})
    assert reported(world.audit()) == {"duplicated": 1}
    for one in world.pims.all("appointment"):
        if visit.reference in one["description"]:
            world.pims.delete("appointment", one["id"])
    assert reported(world.audit()) == {"lost": 1}


def first_standing(morning: Morning) -> Visit:
    return next(visit for visit in morning.visits if not visit.cancelled)
