"""Holds the simulators' own stores against the journal. VetBridge's ledger is not believed in anything.

What stands otherwise than people left it is ``lost``, what stands once more is ``duplicated``. Either counts as
``asked`` where an open question says so: about a lost one any question that is open about the visit, about one too
many only a question that says just that (``found-twice``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from tests.crash.journal import Journal, Person, Subject, Whose
from vetbridge.core.answers import TWICE, asks_whose
from vetbridge.testing.clinic import SERVICES, STAFF
from vetbridge.testing.simkit import Row, Store

BOOKING, PIMS = "altegio", "ezyvet"
"""The accounts, as the config calls them."""
_VETS = {ezyvet.CODE_LISTS["resource"][member.code]: member.number for member in STAFF}
_SERVICES = {ezyvet.CODE_LISTS["appointment_type"][each.code]: each.number for each in SERVICES}


class Wrong(StrEnum):
    """What kind of fault a finding is."""

    LOST = "lost"
    DUPLICATED = "duplicated"


@dataclass(frozen=True, slots=True)
class Question:
    """A question that is open: about which record, and why."""

    account: str
    remote_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as people left it."""

    wrong: Wrong
    words: str
    asked: bool
    ids: tuple[tuple[str, int], ...] = ()
    """The records it is about, by account."""


@dataclass(slots=True)
class Audit:
    """What came out."""

    effects: int = 0
    """How many things were expected and looked at."""
    findings: list[Finding] = field(default_factory=list)

    def count(self, wrong: Wrong) -> int:
        """So many faults of one kind that nobody is asked about."""
        return sum(one.wrong is wrong and not one.asked for one in self.findings)

    @property
    def lost(self) -> int:
        """Expected, and absent or otherwise; nobody is asked."""
        return self.count(Wrong.LOST)

    @property
    def duplicated(self) -> int:
        """There once more than expected; nobody is asked."""
        return self.count(Wrong.DUPLICATED)

    @property
    def asked(self) -> int:
        """Not as expected, and a person is asked about it."""
        return sum(one.asked for one in self.findings)


class Auditor:
    """Audits the two stores once."""

    def __init__(self, journal: Journal, booking: Store, pims: Store, questions: Collection[Question]) -> None:
        self._journal = journal
        self._questions = {(one.account, one.remote_id): one.why for one in questions}
        self._records = booking.all("record")
        self._cards = booking.all("client")
        self._visits = [row for row in pims.all("appointment") if row["type_id"] != ezyvet.BLOCK_TYPE]
        self._contacts = {row["id"]: row for row in pims.all("contact")}
        self._animals = {row["id"]: row for row in pims.all("animal")}
        self._phones: dict[int, set[str]] = defaultdict(set)
        for detail in pims.all("contactdetail"):
            self._phones[detail["contact_id"]].add(str(detail["value_cleaned"]))
        self._audit = Audit()

    def audit(self) -> Audit:
        """All of it."""
        records = self._sorted(BOOKING, self._records)
        visits = self._sorted(PIMS, self._visits)
        for subject in self._journal.subjects:
            own = _Rows(records[subject.number], visits[subject.number])
            self._check_booking(subject, own)
            self._check_pims(subject, own)
        self._check_people()
        return self._audit

    # -- whose row is it

    def _sorted(self, account: str, rows: Collection[Row]) -> Mapping[int, list[Row]]:
        """Rows by the number of the visit that they belong to: by the reference in them, else by their slot."""
        slots = {
            (subject.vet, int(slot.timestamp())): subject
            for subject in self._journal.subjects
            for slot in subject.slots
        }
        found: defaultdict[int, list[Row]] = defaultdict(list)
        for row in rows:
            text = str(row["comment" if account == BOOKING else "description"])
            told = [subject for subject in self._journal.subjects if subject.reference in text]
            subject = told[0] if told else slots.get(_slot(account, row))
            if subject is None:
                self._found(Wrong.DUPLICATED, f"{account} {row['id']} belongs to nothing that anybody did", None, ())
            else:
                found[subject.number].append(row)
        return found

    # -- one visit

    def _check_booking(self, subject: Subject, own: _Rows) -> None:
        self._audit.effects += 1
        self._one_too_many(subject, BOOKING, own.records, own)
        rows = [row for row in own.records if not row["deleted"]]
        if subject.cancelled:
            if rows:
                self._lost(subject, f"{_ids(BOOKING, rows)} is not cancelled", own)
            return
        if not own.records:
            self._lost(subject, "the booking side does not hold it", own)
        elif not rows:
            self._lost(subject, f"{_ids(BOOKING, own.records)} is cancelled", own)
        for row in rows[:1]:
            if _slot(BOOKING, row) != (subject.vet, int(subject.slot.timestamp())):
                self._lost(subject, f"{_ids(BOOKING, [row])} has another time or vet", own)
            elif row["service_ids"] != [altegio.SERVICE_FROM - 1 + subject.service]:
                self._lost(subject, f"{_ids(BOOKING, [row])} is another service", own)

    def _check_pims(self, subject: Subject, own: _Rows) -> None:
        self._audit.effects += 1
        self._one_too_many(subject, PIMS, own.visits, own)
        rows = [row for row in own.visits if row["active"]]
        if subject.cancelled:
            if rows:
                self._lost(subject, f"{_ids(PIMS, rows)} is not cancelled", own)
            return
        if not own.visits:
            self._lost(subject, "the PIMS does not hold it", own)
        elif not rows:
            self._lost(subject, f"{_ids(PIMS, own.visits)} is cancelled", own)
        for row in rows:
            if _slot(PIMS, row) != (subject.vet, int(subject.slot.timestamp())):
                self._lost(subject, f"{_ids(PIMS, [row])} has another time or vet", own)
            elif _SERVICES.get(row["type_id"]) != subject.service:
                self._lost(subject, f"{_ids(PIMS, [row])} is another service", own)
            complaint = self._owner_complaint(subject, row, own)
            if complaint:
                self._lost(subject, f"{_ids(PIMS, [row])} {complaint}", own)

    def _owner_complaint(self, subject: Subject, row: Row, own: _Rows) -> str:
        """Why a visit does not hang where it should; empty where it does."""
        contact = self._contacts.get(row["contact_id"], {})
        animal = self._animals.get(row["animal_id"], {})
        person = subject.person
        if person.whose is Whose.STRANGER:
            if not (contact.get("_placeholder") and animal.get("_placeholder")):
                return "is not on the placeholder"
            return "" if self._whys(own) else "is on the placeholder, and nobody is asked whose it is"
        if person.whose is Whose.KNOWN:
            right = (contact.get("_seed"), animal.get("_seed")) == (person.owner, person.animal)
            return "" if right else "is on another owner or pet"
        if not self._is(person, contact):
            return "is not on its new owner"
        right = animal.get("contact_id") == contact["id"] and animal.get("name") == person.pet
        return "" if right else "is not on its new pet"

    def _one_too_many(self, subject: Subject, account: str, rows: Collection[Row], own: _Rows) -> None:
        for row in list(rows)[1:]:
            self._found(Wrong.DUPLICATED, f"{_ids(account, [row])} is one too many", subject, own.ids)

    def _lost(self, subject: Subject, words: str, own: _Rows) -> None:
        self._found(Wrong.LOST, words, subject, own.ids)

    # -- people

    def _check_people(self) -> None:
        """Each new owner stands once, with each of her pets once; nobody else was made."""
        self._audit.effects += len(self._journal.newcomers)
        owners: dict[int, Person] = {}
        seen: set[str] = set()
        for contact in self._contacts.values():
            if "_seed" in contact or contact.get("_placeholder"):
                continue
            person = next((one for one in self._journal.newcomers if self._is(one, contact)), None)
            if person is None or person.phone in seen:
                visits = self._journal.visits_of(person.phone) if person else []
                self._found_of(visits, f"contact {contact['id']} is one too many")
            else:
                seen.add(person.phone)
                owners[contact["id"]] = person
        pets: set[tuple[int, str]] = set()
        for animal in self._animals.values():
            if "_seed" in animal or animal.get("_placeholder"):
                continue
            key = (animal["contact_id"], animal["name"])
            owner = owners.get(animal["contact_id"])
            visits = self._journal.visits_of(owner.phone) if owner else []
            if key in pets or animal["name"] not in {one.person.pet for one in visits}:
                self._found_of(visits, f"animal {animal['id']} is one too many")
            pets.add(key)
        phones = [card["phone"] for card in self._cards if card["phone"]]
        for phone in {phone for phone in phones if phones.count(phone) > 1}:
            self._found_of(self._journal.visits_of(phone), "a card of the booking side is one too many")

    def _is(self, person: Person, contact: Row) -> bool:
        """Whether a contact that was made is this new owner."""
        known = self._phones.get(contact.get("id", 0), set())
        return "_seed" not in contact and person.phone.lstrip("+") in known

    def _found_of(self, subjects: Collection[Subject], words: str) -> None:
        records = tuple((BOOKING, one.record) for one in subjects if one.record)
        self._found(Wrong.DUPLICATED, words, next(iter(subjects), None), records)

    # -- questions

    def _found(self, wrong: Wrong, words: str, subject: Subject | None, ids: tuple[tuple[str, int], ...]) -> None:
        whys = {self._questions.get((account, str(number))) for account, number in ids} - {None}
        asked = TWICE in whys if wrong is Wrong.DUPLICATED else bool(whys)
        if wrong is Wrong.LOST and subject is not None and subject.person.whose is Whose.STRANGER:
            # It is always asked whose that one is: that says nothing about anything else.
            asked = any(not asks_whose({"why": why}) for why in whys)
        told = f"{subject}: {words}" if subject else words
        self._audit.findings.append(Finding(wrong, told, asked, ids))

    def _whys(self, own: _Rows) -> set[str]:
        return {why for key in own.ids if (why := self._questions.get((key[0], str(key[1]))))}


@dataclass(frozen=True, slots=True)
class _Rows:
    """What stands of one visit at both sides."""

    records: list[Row]
    visits: list[Row]

    @property
    def ids(self) -> tuple[tuple[str, int], ...]:
        """All of it, by account."""
        return (*((BOOKING, row["id"]) for row in self.records), *((PIMS, row["id"]) for row in self.visits))


def _slot(account: str, row: Row) -> tuple[int, int]:
    """Vet and start, in words that both sides share."""
    if account == BOOKING:
        return row["staff_id"] - altegio.STAFF_FROM + 1, row["_start"]
    resources = row["resources"]
    return (_VETS.get(resources[0]["id"], 0) if resources else 0), row["start_at"]


def _ids(account: str, rows: Collection[Row]) -> str:
    return f"{account} {', '.join(str(row['id']) for row in rows)}"
