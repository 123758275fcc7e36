"""People at work at both sides, who note in the journal what they did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors.ezyvet import simulator as ezyvet
from tests.crash.journal import Journal, Person, Subject, Whose
from tests.system.town import Town
from vetbridge.demo.draws import Draws
from vetbridge.testing.clinic import SERVICES, STAFF, Owner, email_for, phone_for

_HOURS = range(8, 17)
_FIRST_DAY = 2
_GIVEN = ("Anna", "Bruno", "Clara", "David", "Elena", "Felix", "Greta", "Hugo", "Irene", "Jonas", "Karla", "Leon")
_HEAD = (
    "Bal",
    "Dor",
    "Fen",
    "Gar",
    "Hol",
    "Kes",
    "Lam",
    "Mor",
    "Nev",
    "Pol",
    "Rud",
    "Sil",
    "Tav",
    "Vor",
    "Wex",
    "Zan",
)
_TAIL = (
    "brook",
    "combe",
    "dale",
    "field",
    "gate",
    "hurst",
    "ington",
    "ley",
    "mere",
    "ridge",
    "stow",
    "thorpe",
    "wick",
)
_PETS = ("Biscuit", "Comet", "Dusty", "Echo", "Fudge", "Gizmo", "Hazel", "Inky", "Jasper", "Koda", "Lulu", "Mango")
_RECENT = 12
"""People come back to one of so many visits that were made last, so that much of it is under way."""


class People:
    """Owners online, and the desk in the PIMS. What they do comes from ``draws``; what is possible, from the town."""

    def __init__(self, town: Town, journal: Journal, draws: Draws) -> None:
        self._town = town
        self._journal = journal
        self._draws = draws
        self._slots: Counter[int] = Counter()
        self._vets = 0
        self._strangers = len(town.clinic.owners) + 1000
        plain = [town.plain_owner(number) for number in range(_plain(town))]
        self._known = [owner for place, owner in enumerate(plain) if place % 3]
        self._away = plain[::3]
        """Owners who are never seen. Somebody else has their phone now: one with a card would hide the stranger."""

    # -- one deed of many

    def do_something(self) -> str:
        """One deed; returns what it was."""
        deeds: tuple[tuple[float, Callable[[], str]], ...] = (
            (0.28, self.known_owner_books),
            (0.15, self.new_owner_books),
            (0.08, self.new_owner_books_twice),
            (0.07, self.stranger_books),
            (0.14, self.desk_books),
            (0.16, self.somebody_moves),
            (0.12, self.somebody_cancels),
        )
        draw = self._draws.between(0.0, sum(share for share, _ in deeds))
        for share, deed in deeds:
            draw -= share
            if draw <= 0:
                return deed()
        return self.known_owner_books()

    def known_owner_books(self) -> str:
        """An owner whom the clinic knows, for a pet that it knows."""
        return f"{self.book(self.known())}"

    def new_owner_books(self) -> str:
        """Somebody who has never been there."""
        return f"{self.book(self.newcomer())}"

    def new_owner_books_twice(self) -> str:
        """Two bookings close together: the second one finds its owner being made; for the same pet, or another."""
        person = self.newcomer()
        pet = _PETS[(_PETS.index(person.pet) + len(_PETS) // 2) % len(_PETS)]
        other = replace(person, pet=pet) if self._draws.chance(0.5) else person
        return f"{self.book(person)}, {self.book(other)}"

    def stranger_books(self) -> str:
        """Another name and pet with the phone of an owner whom the clinic knows."""
        if not self._away:
            return self.known_owner_books()
        person = replace(self.newcomer(), whose=Whose.STRANGER, phone=self._away.pop().phones[0])
        return f"{self.book(person)}"

    def desk_books(self) -> str:
        """The desk makes a visit in the PIMS, for an owner who may have no card at the booking side yet."""
        return f"{self.make(self.known())}"

    def somebody_moves(self) -> str:
        """One of the last visits is moved, by its hand."""
        subject = self._one_that_stands()
        return self.known_owner_books() if subject is None else f"{self.move(subject)} moved"

    def somebody_cancels(self) -> str:
        """One of the last visits is cancelled, by its hand."""
        subject = self._one_that_stands()
        return self.known_owner_books() if subject is None else f"{self.cancel(subject)} cancelled"

    # -- people

    def known(self) -> Person:
        """An owner of the clinic whose phone is hers alone, with her first living pet."""
        owner = self._draws.one_of(self._known)
        pet = next(pet for pet in owner.pets if not pet.deceased)
        return Person(
            Whose.KNOWN,
            owner.given_name,
            owner.family_name,
            owner.phones[0],
            owner.email or "",
            pet.name,
            pet.species,
            owner.number,
            pet.number,
        )

    def newcomer(self) -> Person:
        """Somebody new; no two have a phone or a family name in common."""
        self._strangers += 1
        number = self._strangers
        given = self._draws.one_of(_GIVEN)
        head, tail = divmod(number * 37 % (len(_HEAD) * len(_TAIL)), len(_TAIL))
        family = f"{_HEAD[head]}{_TAIL[tail]}"
        return Person(
            Whose.NEW,
            given,
            family,
            phone_for(number),
            email_for(given, family, number),
            self._draws.one_of(_PETS),
            self._draws.one_of(("dog", "cat", "rabbit")),
        )

    # -- deeds

    def book(self, person: Person, *, desk_edits: bool | None = None) -> Subject:
        """Books online."""
        subject = self._new(person, by_desk=False, desk_edits=desk_edits)
        subject.record, subject.hash = self._town.book(
            fullname=f"{person.given_name} {person.family_name}",
            phone=person.phone,
            email=person.email,
            pet=person.pet,
            species=person.species,
            comment=subject.reference,
            start=subject.slot,
            service=subject.service,
            vet=subject.vet,
        )
        self._journal.subjects.append(subject)
        return subject

    def make(self, person: Person) -> Subject:
        """The desk makes the visit."""
        subject = self._new(person, by_desk=True, desk_edits=True)
        subject.visit = self._town.desk.make(
            ezyvet.FIRST_CONTACT + person.owner,
            ezyvet.FIRST_ANIMAL + person.animal,
            subject.slot,
            service=subject.service,
            vet=subject.vet,
            notes=subject.reference,
        )
        self._journal.subjects.append(subject)
        return subject

    def move(self, subject: Subject) -> Subject:
        """Its hand moves it to a slot that nobody ever had, with the same vet."""
        slot = self.slot(subject.vet)
        if subject.desk_edits:
            self._town.desk.move(subject.visit, slot)
        else:
            self._town.move(subject.record, slot)
        subject.slots.append(slot)
        return subject

    def cancel(self, subject: Subject) -> Subject:
        """Its hand cancels it."""
        if subject.desk_edits:
            self._town.desk.cancel(subject.visit)
        else:
            self._town.cancel(subject.record, subject.hash)
        subject.cancelled = True
        return subject

    # -- inside

    def _new(self, person: Person, *, by_desk: bool, desk_edits: bool | None) -> Subject:
        self._vets += 1
        vet = self._vets % len(STAFF) + 1
        return Subject(
            number=len(self._journal.subjects) + 1,
            person=person,
            service=int(self._draws.between(1, len(SERVICES) + 0.999)),
            vet=vet,
            slots=[self.slot(vet)],
            by_desk=by_desk,
            desk_edits=self._draws.chance(0.25) if desk_edits is None else desk_edits,
        )

    def slot(self, vet: int) -> datetime:
        """An hour of one vet in the coming days that nobody ever had."""
        self._slots[vet] += 1
        day, hour = divmod(self._slots[vet], len(_HOURS))
        morning = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return morning + timedelta(days=_FIRST_DAY + day, hours=_HOURS[hour])

    def _one_that_stands(self) -> Subject | None:
        """One of the last visits that its hand can reach: the desk sees a booking once it is carried over."""
        standing = [one for one in self._journal.subjects if not one.cancelled][-_RECENT:]
        for subject in self._draws.shuffled(standing):
            if subject.desk_edits and not subject.visit:
                subject.visit = self._seen_by_desk(subject)
            if subject.visit or not subject.desk_edits:
                return subject
        return None

    def _seen_by_desk(self, subject: Subject) -> int:
        """The id of a booked visit in the PIMS; 0 where it is not there yet."""
        rows = self._town.pims.store.all("appointment")
        return next((int(row["id"]) for row in rows if subject.reference in str(row["description"])), 0)


def _plain(town: Town) -> int:
    """How many owners the town can name without doubt."""
    count = 0
    while True:
        try:
            owner: Owner = town.plain_owner(count)
        except IndexError:
            return count
        assert owner.phones
        count += 1
