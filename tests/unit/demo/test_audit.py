"""The audit on stores made by hand: a perfect morning is clean, and every planted fault is reported."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from vetbridge.demo.audit import Audit, Place, Wrong, audit
from vetbridge.demo.script import plan_morning
from vetbridge.demo.story import Booking, Case, Morning
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.simkit import Store, open_store

PLACEHOLDER, PLACEHOLDER_PET = 900, 901
OWNERS_FROM, PETS_FROM = 1000, 5000
STAMP = "VB-7F3K9Q2MXX"


@pytest.fixture(scope="module")
def morning() -> Morning:
    return plan_morning(make_clinic(4, 2000), 4, 60, today=date(2026, 3, 2))


class World:
    """Two stores as a perfect morning leaves them."""

    def __init__(self, morning: Morning, folder: Path | None = None) -> None:
        self.morning = morning
        self.booking = Store(folder / "booking" / "store.sqlite3" if folder else None)
        self.pims = Store(folder / "pims" / "store.sqlite3" if folder else None)
        with self.booking.transaction(), self.pims.transaction():
            self._fill()
            for booking in morning.bookings:
                self._record(booking)
                # Of the cancelled ones, every other was cancelled before it could be written.
                if not booking.cancelled or booking.number % 2:
                    self.visit(booking)

    def _fill(self) -> None:
        for number, member in enumerate(self.morning.clinic.staff, start=1):
            self.booking.insert("staff", {"name": member.name}, id=500 + number)
            self.pims.insert("resource", {"name": member.name}, id=20 + number)
        for service in self.morning.clinic.services:
            self.pims.insert("appointmenttype", {"name": service.title}, id=30 + service.number)
        self.contact(PLACEHOLDER, "", "placeholder", (), _placeholder=True)
        self.animal(PLACEHOLDER_PET, PLACEHOLDER, "placeholder", _placeholder=True)
        for owner in self.morning.clinic.owners:
            number = OWNERS_FROM + owner.number
            self.contact(number, owner.given_name, owner.family_name, owner.phones, _seed=owner.number)
            for pet in owner.pets:
                self.animal(PETS_FROM + pet.number, number, pet.name, _seed=pet.number)
        self.pims.number_from("contact", 90_000)
        self.pims.number_from("animal", 90_000)

    def contact(self, number: int | None, given: str, family: str, phones: tuple[str, ...], **more: Any) -> int:
        made = self.pims.insert("contact", {"first_name": given, "last_name": family, **more}, id=number)
        for phone in phones:
            national = f"0{phone.removeprefix('+44')}"
            self.pims.insert("contactdetail", {"contact_id": made, "value": f"{national[:5]} {national[5:]}"})
        return made

    def animal(self, number: int | None, contact: int, name: str, **more: Any) -> int:
        return self.pims.insert("animal", {"name": name, "contact_id": contact, **more}, id=number)

    def _record(self, booking: Booking) -> None:
        row = {
            "comment": booking.comment,
            "datetime": booking.final.start.isoformat(),
            "staff_id": 500 + booking.final.vet.number,
            "deleted": booking.cancelled,
        }
        self.booking.insert("record", row, id=30_000 + booking.number)

    def visit(self, booking: Booking) -> int:
        contact, animal, notes = self._hung(booking)
        row = {
            "contact_id": contact,
            "animal_id": animal,
            "description": notes,
            "start_at": int(booking.final.start.timestamp()),
            "duration": booking.service.minutes * 60,
            "resources": [{"id": 20 + booking.final.vet.number}],
            "type_id": 30 + booking.service.number,
            "active": not booking.cancelled,
        }
        return self.pims.insert("appointment", row)

    def _hung(self, booking: Booking) -> tuple[int, int, str]:
        part = booking.part
        if part.case is Case.AMBIGUOUS:
            return PLACEHOLDER, PLACEHOLDER_PET, parked_notes(booking)
        notes = f"[VetBridge {STAMP}]\nBooked online.\nComment: {booking.comment}\n[/VetBridge]"
        if part.owners:
            owner = OWNERS_FROM + min(part.owners)
            if part.pets:
                return owner, PETS_FROM + min(part.pets), notes
            return owner, self.animal(None, owner, part.pet_name), notes
        known = [
            row["contact_id"] for row in self.pims.all("contactdetail") if row["value"].endswith(part.phone[-6:])
        ]
        contact = known[0] if known else self.contact(None, part.given_name, part.family_name, (part.phone,))
        pets = self.pims.find("animal", contact_id=contact, name=part.pet_name)
        return contact, pets[0]["id"] if pets else self.animal(None, contact, part.pet_name), notes

    def row(self, booking: Booking) -> dict[str, Any]:
        """The booking's visit in the PIMS, to be edited and given to ``save``."""
        (number,) = [row["id"] for row in self.pims.all("appointment") if booking.reference in row["description"]]
        found = self.pims.get("appointment", number)
        assert found is not None
        return found

    def save(self, row: dict[str, Any]) -> None:
        self.pims.put("appointment", row["id"], row)

    def change(self, booking: Booking, **values: Any) -> None:
        self.save({**self.row(booking), **values})

    def audit(self) -> Audit:
        return audit(self.morning, self.booking, self.pims)


def parked_notes(booking: Booking) -> str:
    part = booking.part
    lines = [
        f"Name: {part.full_name}",
        f"Phone: {part.phone}",
        f"Pet: {part.pet_name}",
        f"Comment: {booking.comment}",
    ]
    return "\n".join([f"[VetBridge {STAMP}]", *lines, "[/VetBridge]"])


@pytest.fixture
def world(morning: Morning) -> World:
    return World(morning)


def first(morning: Morning, fits: Callable[[Booking], bool]) -> Booking:
    return next(booking for booking in morning.bookings if fits(booking))


def known(morning: Morning) -> Booking:
    return first(morning, lambda one: one.part.linkable and not one.cancelled and bool(one.part.pets))


def new(morning: Morning) -> Booking:
    return first(morning, lambda one: one.part.case is Case.NEW and not one.cancelled)


def ambiguous(morning: Morning) -> Booking:
    return first(morning, lambda one: one.part.case is Case.AMBIGUOUS)


def reported(result: Audit) -> dict[str, int]:
    return {wrong.value: result.count(wrong) for wrong in Wrong if result.count(wrong)}


def test_a_perfect_morning_is_clean(world: World) -> None:
    result = world.audit()
    assert result.findings == ()
    assert result.clean
    numbers = result.numbers(12.345)
    assert list(numbers) == [
        *("schema", "bookings", "written", "linked", "linkable", "created", "in_review"),
        *("lost", "duplicated", "wrong_owner", "wrong_time", "notices", "seconds"),
    ]
    assert numbers["bookings"] == numbers["written"] == 60
    assert numbers["linked"] + numbers["created"] + numbers["in_review"] == numbers["written"]
    assert numbers["in_review"] == sum(one.part.case is Case.AMBIGUOUS for one in world.morning.bookings)
    assert numbers["linkable"] == sum(one.part.linkable for one in world.morning.bookings)
    assert numbers["seconds"] == 12.3
    assert result.linked_of_linkable == numbers["linkable"]
    assert result.unseen == {one.number for one in world.morning.bookings if one.cancelled and one.number % 2 == 0}


def test_it_reads_kept_stores_without_writing(morning: Morning, tmp_path: Path) -> None:
    made = World(morning, tmp_path)
    made.booking.close()
    made.pims.close()
    stores = open_store(tmp_path / "booking"), open_store(tmp_path / "pims")
    assert audit(morning, *stores).clean


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
    booking = first(world.morning, lambda one: one.part.case is Case.AMBIGUOUS and not one.part.owners)
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
        pytest.param(lambda row: {"active": not row["active"]}, id="status"),
    ],
)
def test_a_wrong_time_vet_service_or_status(world: World, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    booking = known(world.morning)
    world.change(booking, **change(world.row(booking)))
    assert reported(world.audit()) == {"wrong_time": 1}


def test_a_cancelled_visit_that_still_stands(world: World) -> None:
    booking = first(world.morning, lambda one: one.cancelled and one.number % 2 == 1)
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
