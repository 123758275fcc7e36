"""The audit's half in the PIMS: each booking and each desk visit stands there once, on whom and when it should.

Reads the kinds ``appointment``, ``contact``, ``contactdetail``, ``animal``, ``resource``, ``appointmenttype`` and
``appointmentstatus``. Rows that came from the clinic carry ``_seed``, the stand-in for unlinked visits
``_placeholder``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from vetbridge.demo.findings import REFERENCE, Findings, Place, Wrong, by_id, digits, folded, made, phone
from vetbridge.demo.story import Booking, Case, Morning, Seen, Status, Visit
from vetbridge.testing.simkit import Row, Store

STAMPED = re.compile(r"\[VetBridge VB-[0-9A-HJKMNP-TV-Z]{10}\](?P<text>.*?)\[/VetBridge\]", re.DOTALL)
"""VetBridge's block in a visit's notes, as docs and staff know it."""
STATUS_NAMES: Mapping[Status, str] = MappingProxyType(
    {
        Status.BOOKED: "Unconfirmed",
        Status.CONFIRMED: "Confirmed",
        Status.ARRIVED: "Arrived",
        Status.COMPLETED: "Completed",
        Status.NO_SHOW: "No show",
    }
)
"""What the site calls them."""


class PimsAuditor:
    """Audits the PIMS's store."""

    def __init__(self, morning: Morning, store: Store, findings: Findings, seen: Seen) -> None:
        self._morning = morning
        self._store = store
        self._findings = findings
        self._seen = seen
        self.unseen: set[int] = set()
        """Cancelled bookings that the PIMS never saw."""
        self.in_place: set[int] = set()
        """Bookings that stood on the placeholder when they were answered, and stand on an owner as the same visit."""
        self._contacts = by_id(store, "contact")
        self._animals = by_id(store, "animal")
        self._vets = by_id(store, "resource")
        self._types = by_id(store, "appointmenttype")
        self._statuses = by_id(store, "appointmentstatus")
        self._phones: dict[int, set[str]] = defaultdict(set)
        for detail in store.all("contactdetail"):
            self._phones[detail["contact_id"]].add(phone(str(detail["value"])))

    def audit(self) -> tuple[Place, ...]:
        """Checks every visit, contact and animal; returns where each booking stands."""
        visits = self._sorted()
        places = tuple(self._placed(booking, visits[booking.reference]) for booking in self._morning.bookings)
        for visit in self._morning.visits:
            self._check_desk_visit(visit, visits[visit.reference])
        self._check_new_contacts()
        self._check_new_animals()
        return places

    def _sorted(self) -> Mapping[str, list[Row]]:
        """Visits by the reference in their notes. One with no reference of this morning is one too many."""
        known = self._morning.references
        rows: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self._store.all("appointment"):
            told = REFERENCE.search(str(row["description"]))
            if told is not None and told[0] in known:
                rows[told[0]].append(row)
            else:
                self._findings.unknown(f"appointment {row['id']}", str(row["description"]))
        return rows

    def _too_many(self, subject: Booking | Visit, rows: Sequence[Row]) -> None:
        for row in rows[1:]:
            self._findings.found(Wrong.DUPLICATED, subject, f"appointment {row['id']} is one too many")

    # -- one visit of the front desk

    def _check_desk_visit(self, visit: Visit, rows: Sequence[Row]) -> None:
        if not rows:
            self._findings.found(Wrong.LOST, visit, "it is gone from the PIMS")
        self._too_many(visit, rows)
        for row in rows[:1]:
            contact = self._contacts.get(row["contact_id"], {})
            animal = self._animals.get(row["animal_id"], {})
            if (contact.get("_seed"), animal.get("_seed")) != (visit.owner, visit.pet):
                self._findings.found(Wrong.OWNER, visit, f"appointment {row['id']}: it is on another owner or pet")
            complaint = self._time_complaint(visit, row)
            if complaint:
                self._findings.found(Wrong.TIME, visit, f"appointment {row['id']}: {complaint}")

    # -- one booking

    def _placed(self, booking: Booking, rows: Sequence[Row]) -> Place:
        if not rows:
            if booking.cancelled:
                self.unseen.add(booking.number)
                return Place.LINKED if booking.part.owners else Place.CREATED
            self._findings.found(Wrong.LOST, booking, "the PIMS holds no visit")
            return Place.LOST
        self._too_many(booking, rows)
        for row in rows:
            complaint = self._owner_complaint(booking, row)
            if complaint:
                self._findings.found(Wrong.OWNER, booking, f"appointment {row['id']}: {complaint}")
            complaint = self._time_complaint(booking, row)
            if complaint:
                self._findings.found(Wrong.TIME, booking, f"appointment {row['id']}: {complaint}")
        if booking.line and not all(booking.line in str(row["description"]) for row in rows):
            self._findings.found(Wrong.LOST, booking, "what the desk wrote into its notes is gone")
        contact = self._contacts.get(rows[0]["contact_id"], {})
        if contact.get("_placeholder"):
            return Place.IN_REVIEW
        if self._seen.parked.get(booking.number) == rows[0]["id"]:
            self.in_place.add(booking.number)
        return Place.LINKED if "_seed" in contact else Place.CREATED

    def _owner_complaint(self, booking: Booking, row: Row) -> str:
        """Why the visit does not hang where it should; empty where it does."""
        contact = self._contacts.get(row["contact_id"], {})
        animal = self._animals.get(row["animal_id"], {})
        part = booking.part
        if part.case is Case.ELSEWHERE and not contact.get("_placeholder"):
            return "its pet is deceased at another branch, and it was put on somebody"
        if contact.get("_placeholder") or animal.get("_placeholder"):
            if booking.number in self._seen.parked:
                return "it was answered, and is on the placeholder still"
            return self._parked_complaint(booking, row, contact, animal)
        if booking.number in self._seen.parked and self._names_booker(booking, row):
            return "it was answered, and VetBridge's block still names who booked"
        if animal.get("contact_id") != contact.get("id"):
            return "the animal is not the contact's"
        if part.owners:
            if contact.get("_seed") not in part.owners:
                return "it is another owner's"
        elif "_seed" in contact or not self._is_newcomer(booking, contact):
            return "it is not on the new owner"
        if part.pets:
            return "" if animal.get("_seed") in part.pets else "it is another animal's"
        fits = "_seed" not in animal and folded(str(animal.get("name"))) == folded(part.pet_name)
        return "" if fits else "it is not on the new animal"

    def _parked_complaint(self, booking: Booking, row: Row, contact: Row, animal: Row) -> str:
        if not (contact.get("_placeholder") and animal.get("_placeholder")):
            return "only half of it is on the placeholder"
        block = STAMPED.search(str(row["description"]))
        if block is None:
            return "it is on the placeholder without our stamp"
        text = block["text"]
        told = phone(booking.part.phone) in digits(text) and folded(booking.part.pet_name) in folded(text)
        return "" if told else "it is on the placeholder without the details"

    @staticmethod
    def _names_booker(booking: Booking, row: Row) -> bool:
        blocks = [block["text"] for block in STAMPED.finditer(str(row["description"]))]
        return any(phone(booking.part.phone) in digits(text) for text in blocks)

    def _time_complaint(self, subject: Booking | Visit, row: Row) -> str:
        if bool(row["active"]) is subject.cancelled:
            return "it is not cancelled" if subject.cancelled else "it is cancelled"
        if subject.cancelled:
            return ""  # a time that nobody keeps
        if row["start_at"] != int(subject.final.start.timestamp()):
            return "another start"
        if row["duration"] != subject.service.minutes * 60:
            return "another length"
        vets = [self._vets.get(resource["id"], {}).get("name") for resource in row["resources"]]
        if vets != [subject.final.vet.name]:
            return "another vet"
        if self._types.get(row["type_id"], {}).get("name") != subject.service.title:
            return "another service"
        status = self._statuses.get(row["status_id"], {}).get("name")
        if status != STATUS_NAMES[subject.status]:
            return "another status"
        return ""

    # -- who and what was made

    def _is_newcomer(self, booking: Booking, contact: Row) -> bool:
        """The contact bears the booking's phone and family name."""
        name = folded(f"{contact.get('first_name')} {contact.get('last_name')}")
        known = self._phones.get(contact.get("id", 0), set())
        return phone(booking.part.phone) in known and folded(booking.part.family_name) in name

    def _check_new_contacts(self) -> None:
        """Each new owner stands once; nobody else was made."""
        seen: set[str] = set()
        for contact in self._made(self._contacts):
            makers = [
                one for one in self._morning.bookings if not one.part.owners and self._is_newcomer(one, contact)
            ]
            if makers and makers[0].part.phone not in seen:
                seen.add(makers[0].part.phone)
                continue
            maker = makers[0] if makers else None
            self._findings.found(Wrong.DUPLICATED, maker, f"contact {contact['id']} is one too many")

    def _check_new_animals(self) -> None:
        """Each new animal stands once under its owner; no other was made."""
        seen: set[tuple[int, str]] = set()
        for animal in self._made(self._animals):
            makers = [one for one in self._morning.bookings if self._is_new_animal(one, animal)]
            key = (animal["contact_id"], folded(animal["name"]))
            if makers and key not in seen:
                seen.add(key)
                continue
            maker = makers[0] if makers else None
            self._findings.found(Wrong.DUPLICATED, maker, f"animal {animal['id']} is one too many")

    def _made(self, rows: Mapping[int, Row]) -> Iterator[Row]:
        """The rows that were made in the morning; what the desk entered before is none of them."""
        entered = self._seen.entered
        return (row for row in made(rows) if row["id"] not in entered and row.get("contact_id") not in entered)

    def _is_new_animal(self, booking: Booking, animal: Row) -> bool:
        part = booking.part
        if part.pets or folded(animal["name"]) != folded(part.pet_name):
            return False
        contact = self._contacts.get(animal["contact_id"], {})
        if part.owners:
            return contact.get("_seed") in part.owners
        return "_seed" not in contact and self._is_newcomer(booking, contact)
