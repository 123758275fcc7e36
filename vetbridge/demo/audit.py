"""The independent audit of a played morning.

It knows the script's truth and the two simulators' own stores, and nothing of VetBridge: an import contract forbids
it sync, ledger, mapping, connectors and matching. It reads what a person would find in the two systems:

- at the booking platform: kinds ``record``, ``staff``, ``notice``;
- in the PIMS: kinds ``appointment``, ``contact``, ``contactdetail``, ``animal``, ``resource``, ``appointmenttype``,
  ``notice``. Rows that came from the clinic carry ``_seed``, the stand-in for unlinked visits ``_placeholder``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vetbridge.demo.story import Booking, Case, Morning
from vetbridge.testing.simkit import Row, Store

SCHEMA = 1
"""Version of the line of numbers."""
STAMPED = re.compile(r"\[VetBridge VB-[0-9A-HJKMNP-TV-Z]{10}\](?P<text>.*?)\[/VetBridge\]", re.DOTALL)
"""VetBridge's block in a visit's notes, as docs and staff know it."""
_REFERENCE = re.compile(r"\(ref M-?\d+-\d+\)")
_COUNTRY_DIGITS = 10
"""That many last digits of a phone number are compared, however it is written."""


class Place(StrEnum):
    """Where a booking stands at the end."""

    LINKED = "linked"
    """On an owner whom the clinic knew."""
    CREATED = "created"
    """On an owner who was made for it."""
    IN_REVIEW = "in review"
    """On the placeholder."""
    LOST = "lost"


class Wrong(StrEnum):
    """What must not happen."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    OWNER = "wrong_owner"
    TIME = "wrong_time"
    NOTICE = "notices"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong. ``booking`` is its number, 0 where it belongs to none; ``words`` hold no personal data."""

    wrong: Wrong
    booking: int
    words: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit found. ``places[n - 1]`` is where booking n stands."""

    morning: Morning
    places: tuple[Place, ...]
    unseen: frozenset[int]
    """Cancelled bookings that the PIMS rightly never saw."""
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        """Nothing is lost, doubled, on the wrong owner or at the wrong time, and nobody got a message."""
        return not self.findings

    def count(self, wrong: Wrong) -> int:
        """Bookings that are lost, wrong by owner or by time; rows too many; messages."""
        found = [finding.booking for finding in self.findings if finding.wrong is wrong]
        return len(set(found)) if wrong in (Wrong.LOST, Wrong.OWNER, Wrong.TIME) else len(found)

    @property
    def linkable(self) -> int:
        """Bookings that the script calls linkable."""
        return sum(booking.part.linkable for booking in self.morning.bookings)

    @property
    def linked_of_linkable(self) -> int:
        """Of these, how many stand on their owner."""
        return sum(
            booking.part.linkable and place is Place.LINKED
            for booking, place in zip(self.morning.bookings, self.places, strict=True)
        )

    def numbers(self, seconds: float) -> dict[str, int | float]:
        """The line that ``vetbridge demo --json`` ends with."""
        where = Counter(self.places)
        return {
            "schema": SCHEMA,
            "bookings": len(self.places),
            "written": len(self.places) - where[Place.LOST],
            "linked": where[Place.LINKED],
            "linkable": self.linkable,
            "created": where[Place.CREATED],
            "in_review": where[Place.IN_REVIEW],
            **{wrong.value: self.count(wrong) for wrong in Wrong},
            "seconds": round(seconds, 1),
        }

    def cases(self) -> Iterator[tuple[Case, dict[Place, int], int]]:
        """Each case with its bookings by place, and how many of them were found wrong."""
        wrong = {finding.booking for finding in self.findings}
        for case in Case:
            numbers = [booking.number for booking in self.morning.bookings if booking.part.case is case]
            places = Counter(self.places[number - 1] for number in numbers)
            yield case, dict(places), sum(number in wrong for number in numbers)


def audit(morning: Morning, booking_store: Store, pims_store: Store) -> Audit:
    """Compares the two stores with the script's truth."""
    return _Auditor(morning, booking_store, pims_store).audit()


class _Auditor:
    def __init__(self, morning: Morning, booking_store: Store, pims_store: Store) -> None:
        self._morning = morning
        self._booking_store = booking_store
        self._pims_store = pims_store
        self._findings: list[Finding] = []
        self._unseen: set[int] = set()
        self._contacts = _by_id(pims_store, "contact")
        self._animals = _by_id(pims_store, "animal")
        self._vets = _by_id(pims_store, "resource")
        self._types = _by_id(pims_store, "appointmenttype")
        self._phones: dict[int, set[str]] = defaultdict(set)
        for detail in pims_store.all("contactdetail"):
            self._phones[detail["contact_id"]].add(_phone(str(detail["value"])))

    def audit(self) -> Audit:
        self._check_platform()
        visits = self._sorted("appointment", self._pims_store, "description")
        places = tuple(self._place(booking, visits[booking.reference]) for booking in self._morning.bookings)
        self._check_new_contacts()
        self._check_new_animals()
        for store in (self._booking_store, self._pims_store):
            for _ in store.find("notice", cause="write"):
                self._found(Wrong.NOTICE, 0, "a message to an owner that a write caused")
        return Audit(self._morning, places, frozenset(self._unseen), tuple(self._findings))

    def _found(self, wrong: Wrong, booking: int, words: str) -> None:
        self._findings.append(Finding(wrong, booking, words))

    def _sorted(self, kind: str, store: Store, notes: str) -> defaultdict[str, list[Row]]:
        """Visits by the reference in their notes. One with no reference of this morning is one too many."""
        known = {booking.reference for booking in self._morning.bookings}
        rows: defaultdict[str, list[Row]] = defaultdict(list)
        for row in store.all(kind):
            found = _REFERENCE.search(str(row[notes]))
            if found is not None and found[0] in known:
                rows[found[0]].append(row)
            else:
                self._found(Wrong.DUPLICATED, 0, f"{kind} {row['id']} belongs to no booking of the morning")
        return rows

    # -- the booking platform: must be as the owners and the desk left it

    def _check_platform(self) -> None:
        records = self._sorted("record", self._booking_store, "comment")
        staff = _by_id(self._booking_store, "staff")
        for booking in self._morning.bookings:
            rows = records[booking.reference]
            if not rows:
                self._found(Wrong.LOST, booking.number, "it is gone from the booking platform")
            self._too_many(booking, "record", rows)
            for row in rows[:1]:
                held = (datetime.fromisoformat(row["datetime"]), staff[row["staff_id"]]["name"], row["deleted"])
                if held != (booking.final.start, booking.final.vet.name, booking.cancelled):
                    self._found(Wrong.TIME, booking.number, "the booking platform holds another time, vet or status")

    def _too_many(self, booking: Booking, kind: str, rows: Sequence[Row]) -> None:
        for row in rows[1:]:
            self._found(Wrong.DUPLICATED, booking.number, f"{kind} {row['id']} is one too many")

    # -- one booking in the PIMS

    def _place(self, booking: Booking, rows: list[Row]) -> Place:
        if not rows:
            if booking.cancelled:
                self._unseen.add(booking.number)
                return Place.LINKED if booking.part.owners else Place.CREATED
            self._found(Wrong.LOST, booking.number, "the PIMS holds no visit")
            return Place.LOST
        self._too_many(booking, "appointment", rows)
        for row in rows:
            complaint = self._owner_complaint(booking, row)
            if complaint:
                self._found(Wrong.OWNER, booking.number, f"appointment {row['id']}: {complaint}")
            complaint = self._time_complaint(booking, row)
            if complaint:
                self._found(Wrong.TIME, booking.number, f"appointment {row['id']}: {complaint}")
        contact = self._contacts.get(rows[0]["contact_id"], {})
        if contact.get("_placeholder"):
            return Place.IN_REVIEW
        return Place.LINKED if "_seed" in contact else Place.CREATED

    def _owner_complaint(self, booking: Booking, row: Row) -> str:
        """Why the visit does not hang where it should; empty where it does."""
        contact = self._contacts.get(row["contact_id"], {})
        animal = self._animals.get(row["animal_id"], {})
        part = booking.part
        if contact.get("_placeholder") or animal.get("_placeholder"):
            return self._parked_complaint(booking, row, contact, animal)
        if animal.get("contact_id") != contact.get("id"):
            return "the animal is not the contact's"
        if part.owners:
            if contact.get("_seed") not in part.owners:
                return "it is another owner's"
        elif "_seed" in contact or not self._is_newcomer(booking, contact):
            return "it is not on the new owner"
        if part.pets:
            return "" if animal.get("_seed") in part.pets else "it is another animal's"
        fits = "_seed" not in animal and _folded(str(animal.get("name"))) == _folded(part.pet_name)
        return "" if fits else "it is not on the new animal"

    def _parked_complaint(self, booking: Booking, row: Row, contact: Row, animal: Row) -> str:
        if not (contact.get("_placeholder") and animal.get("_placeholder")):
            return "only half of it is on the placeholder"
        block = STAMPED.search(str(row["description"]))
        if block is None:
            return "it is on the placeholder without our stamp"
        text = block["text"]
        told = _phone(booking.part.phone) in _digits(text) and _folded(booking.part.pet_name) in _folded(text)
        return "" if told else "it is on the placeholder without the details"

    def _time_complaint(self, booking: Booking, row: Row) -> str:
        if row["start_at"] != int(booking.final.start.timestamp()):
            return "another start"
        if row["duration"] != booking.service.minutes * 60:
            return "another length"
        vets = [self._vets.get(resource["id"], {}).get("name") for resource in row["resources"]]
        if vets != [booking.final.vet.name]:
            return "another vet"
        if self._types.get(row["type_id"], {}).get("name") != booking.service.title:
            return "another service"
        if bool(row["active"]) is booking.cancelled:
            return "it is not cancelled" if booking.cancelled else "it is cancelled"
        return ""

    # -- who and what was made

    def _is_newcomer(self, booking: Booking, contact: Row) -> bool:
        """The contact bears the booking's phone and family name."""
        name = _folded(f"{contact.get('first_name')} {contact.get('last_name')}")
        known = self._phones.get(contact.get("id", 0), set())
        return _phone(booking.part.phone) in known and _folded(booking.part.family_name) in name

    def _check_new_contacts(self) -> None:
        """Each new owner stands once; nobody else was made."""
        seen: set[str] = set()
        for contact in _made(self._contacts):
            makers = [
                one for one in self._morning.bookings if not one.part.owners and self._is_newcomer(one, contact)
            ]
            if makers and makers[0].part.phone not in seen:
                seen.add(makers[0].part.phone)
                continue
            number = makers[0].number if makers else 0
            self._found(Wrong.DUPLICATED, number, f"contact {contact['id']} is one too many")

    def _check_new_animals(self) -> None:
        """Each new animal stands once under its owner; no other was made."""
        seen: set[tuple[int, str]] = set()
        for animal in _made(self._animals):
            makers = [one for one in self._morning.bookings if self._is_new_animal(one, animal)]
            key = (animal["contact_id"], _folded(animal["name"]))
            if makers and key not in seen:
                seen.add(key)
                continue
            number = makers[0].number if makers else 0
            self._found(Wrong.DUPLICATED, number, f"animal {animal['id']} is one too many")

    def _is_new_animal(self, booking: Booking, animal: Row) -> bool:
        part = booking.part
        if part.pets or _folded(animal["name"]) != _folded(part.pet_name):
            return False
        contact = self._contacts.get(animal["contact_id"], {})
        if part.owners:
            return contact.get("_seed") in part.owners
        return "_seed" not in contact and self._is_newcomer(booking, contact)


def _by_id(store: Store, kind: str) -> dict[int, Row]:
    return {row["id"]: row for row in store.all(kind)}


def _made(rows: dict[int, Row]) -> Iterator[Row]:
    """Rows that did not stand there when the morning began."""
    return (row for row in rows.values() if "_seed" not in row and not row.get("_placeholder"))


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def _phone(text: str) -> str:
    return _digits(text)[-_COUNTRY_DIGITS:]


def _folded(text: str) -> str:
    """Letters and digits alone, without accents and case."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if letter.isalnum())
