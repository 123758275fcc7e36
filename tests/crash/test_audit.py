"""The harness notices: what is planted in the stores is counted, and only a question makes it asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.ezyvet import simulator as ezyvet
from tests.crash.audit import BOOKING, PIMS, Audit, Auditor, Question
from tests.crash.journal import Journal, Subject, Whose
from tests.crash.people import People
from tests.system.town import Town, town
from vetbridge.demo.draws import Draws

STAMP = "[VetBridge VB-0123456789]\n{}\n[/VetBridge]"


class Scene:
    """A town in which everything is as it should be, though no VetBridge has been there."""

    def __init__(self, place: Town) -> None:
        self.place = place
        self.journal = Journal()
        self.people = People(place, self.journal, Draws("audit"))
        self.questions: list[Question] = []

    def booked(self) -> Subject:
        """A known owner's booking, carried over."""
        subject = self.people.book(self.people.known(), desk_edits=False)
        self.carried(subject)
        return subject

    def carried(self, subject: Subject, contact: int = 0, animal: int = 0) -> int:
        """Its visit in the PIMS."""
        person = subject.person
        return self.place.desk.make(
            contact or ezyvet.FIRST_CONTACT + person.owner,
            animal or ezyvet.FIRST_ANIMAL + person.animal,
            subject.slot,
            service=subject.service,
            vet=subject.vet,
            notes=STAMP.format(subject.reference),
        )

    def newcomer(self) -> tuple[Subject, int, int]:
        """A new owner's booking, carried over; with the ids of her contact and her pet."""
        subject = self.people.book(self.people.newcomer(), desk_edits=False)
        contact = self.contact(subject)
        animal = self.place.desk.register(contact, subject.person.pet)
        self.carried(subject, contact, animal)
        return subject, contact, animal

    def contact(self, subject: Subject) -> int:
        """The new owner in the PIMS."""
        store, person = self.place.pims.store, subject.person
        with store.transaction():
            row = dict(store.all("contact")[-1])
            row.pop("_seed", None)
            row |= {"first_name": person.given_name, "last_name": person.family_name, "contact_detail_list": []}
            number = store.insert("contact", row)
            detail = dict(store.all("contactdetail")[-1])
            cleaned = person.phone.lstrip("+")
            store.insert("contactdetail", {**detail, "contact_id": number, "value_cleaned": cleaned})
        return number

    def visit(self, subject: Subject) -> int:
        """The id of its first visit in the PIMS."""
        rows = self.place.pims.store.all("appointment")
        return int(next(row["id"] for row in rows if subject.reference in row["description"]))

    def audit(self) -> Audit:
        """Now."""
        stores = self.place.booking.store, self.place.pims.store
        return Auditor(self.journal, *stores, self.questions).audit()

    def counts(self) -> tuple[int, int, int]:
        """Lost, duplicated, asked."""
        audit = self.audit()
        return audit.lost, audit.duplicated, audit.asked


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with town(tmp_path) as place:
        yield Scene(place)


def test_what_is_right_is_not_found_fault_with(scene: Scene) -> None:
    scene.booked()
    scene.newcomer()
    cancelled = scene.booked()
    scene.people.cancel(cancelled)
    scene.place.desk.cancel(scene.visit(cancelled))
    moved = scene.booked()
    scene.people.move(moved)
    scene.place.desk.move(scene.visit(moved), moved.slot)
    audit = scene.audit()
    assert audit.findings == []
    assert audit.effects == 2 * 4 + 1  # each visit at both sides, and the new owner


def test_a_lost_booking_is_counted(scene: Scene) -> None:
    subject = scene.booked()
    scene.place.desk.purge(scene.visit(subject))
    assert scene.counts() == (1, 0, 0)
    scene.questions.append(Question(BOOKING, str(subject.record), "slot-taken"))
    assert scene.counts() == (0, 0, 1)


def test_a_booking_that_vanished_at_the_booking_side_is_counted(scene: Scene) -> None:
    subject = scene.booked()
    scene.place.booking.store.delete("record", subject.record)
    assert scene.counts() == (1, 0, 0)


def test_a_second_visit_is_counted(scene: Scene) -> None:
    subject = scene.booked()
    scene.carried(subject)
    assert scene.counts() == (0, 1, 0)


def test_only_the_question_about_the_second_one_excuses_it(scene: Scene) -> None:
    subject = scene.booked()
    scene.carried(subject)
    scene.questions.append(Question(BOOKING, str(subject.record), "conflict"))
    assert scene.counts() == (0, 1, 0)
    scene.questions.append(Question(BOOKING, str(subject.record), "found-twice"))
    assert scene.counts() == (0, 0, 1)


def test_a_second_visit_at_the_time_before_the_move_is_counted(scene: Scene) -> None:
    subject = scene.booked()
    scene.people.move(subject)
    scene.carried(subject)
    assert scene.counts() == (1, 1, 0)  # the one that stands where it stood, and the one too many


def test_a_second_visit_without_any_reference_is_counted(scene: Scene) -> None:
    subject = scene.booked()
    number = scene.carried(subject)
    scene.place.desk.edit("appointment", number, description="")
    assert scene.counts() == (0, 1, 0)


def test_a_visit_that_nobody_made_is_counted(scene: Scene) -> None:
    subject = scene.booked()
    stray = scene.people.slot(subject.vet)
    scene.place.desk.make(ezyvet.FIRST_CONTACT + 1, ezyvet.FIRST_ANIMAL + 1, stray)
    assert scene.counts() == (0, 1, 0)


def test_a_second_booking_of_a_desk_visit_is_counted(scene: Scene) -> None:
    subject = scene.people.make(scene.people.known())
    assert scene.counts() == (1, 0, 0)  # it is not at the booking side yet
    person = subject.person
    for vet in (subject.vet, subject.vet):
        record, _ = scene.place.book(
            fullname=person.family_name,
            phone=person.phone,
            pet=person.pet,
            start=scene.people.slot(vet),
            service=subject.service,
            vet=vet,
        )
        store = scene.place.booking.store
        row = store.get("record", record) or {}
        store.put("record", record, {**row, "_start": int(subject.slot.timestamp())})
    assert scene.counts() == (0, 1, 0)


def test_another_time_is_counted(scene: Scene) -> None:
    scene.people.move(scene.booked())
    assert scene.counts() == (1, 0, 0)


def test_a_cancellation_that_did_not_arrive_is_counted(scene: Scene) -> None:
    scene.people.cancel(scene.booked())
    assert scene.counts() == (1, 0, 0)


def test_a_visit_that_nobody_cancelled_and_is_cancelled_is_counted(scene: Scene) -> None:
    scene.place.desk.cancel(scene.visit(scene.booked()))
    assert scene.counts() == (1, 0, 0)


def test_another_owner_is_counted(scene: Scene) -> None:
    subject = scene.booked()
    other = next(one for one in scene.place.clinic.owners if one.number != subject.person.owner)
    scene.place.desk.put_on(
        scene.visit(subject), ezyvet.FIRST_CONTACT + other.number, ezyvet.FIRST_ANIMAL + other.pets[0].number
    )
    assert scene.counts() == (1, 0, 0)


def test_a_second_owner_and_a_second_pet_are_counted(scene: Scene) -> None:
    subject, contact, _ = scene.newcomer()
    assert scene.counts() == (0, 0, 0)
    scene.place.desk.register(contact, subject.person.pet)
    assert scene.counts() == (0, 1, 0)
    scene.contact(subject)
    assert scene.counts() == (0, 2, 0)


def test_a_stranger_stands_on_the_placeholder_and_is_asked_about(scene: Scene) -> None:
    scene.people.stranger_books()
    subject = scene.journal.subjects[0]
    assert subject.person.whose is Whose.STRANGER
    number = scene.carried(subject, ezyvet.PLACEHOLDER_CONTACT, ezyvet.PLACEHOLDER_ANIMAL)
    assert scene.counts() == (1, 0, 0)
    scene.questions.append(Question(BOOKING, str(subject.record), "placeholder"))
    assert scene.counts() == (0, 0, 0)
    scene.place.desk.cancel(number)
    assert scene.counts() == (1, 0, 0)  # that is not what anybody is asked


def test_a_question_about_another_visit_excuses_nothing(scene: Scene) -> None:
    subject, other = scene.booked(), scene.booked()
    scene.place.desk.purge(scene.visit(subject))
    scene.questions.append(Question(PIMS, str(scene.visit(other)), "slot-taken"))
    assert scene.counts() == (1, 0, 0)
