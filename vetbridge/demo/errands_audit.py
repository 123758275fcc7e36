"""The audit's part for files and for services that are due: what belongs on both sides, and what no card may say.

Reads the platform's kinds ``file``, ``client``, ``record``, ``label`` and ``notice``, and the contents of its files;
what the practice system keeps is told by whoever knows it: ``PimsFiles``.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from vetbridge.demo.findings import REFERENCE, Findings, Wrong, by_id
from vetbridge.demo.story import DUE_FIELDS, DUE_LABELS, VACCINE_NAME, DueCase, DuePet, Morning, Paper, Seen
from vetbridge.testing.simkit import Files, Row, Store

_SAYS_NEXT = (DueCase.SOON, DueCase.TOLD)
"""Of these the card names the service, and is marked as due soon."""
_SAYS_SOMETHING = (*_SAYS_NEXT, DueCase.OVERDUE)


@dataclass(frozen=True, slots=True)
class Side:
    """What one system keeps."""

    store: Store
    files: Files


@dataclass(frozen=True, slots=True)
class Filed:
    """A file that the practice system keeps. ``on``: kind and id of what it hangs on."""

    id: str
    on: tuple[str, str]


@dataclass(frozen=True, slots=True)
class PimsFiles:
    """The practice system's files by the SHA-256 of their contents; and, by the reference of a booking, the places
    where a file of its owner or pet may hang."""

    files: Mapping[str, Sequence[Filed]]
    places: Mapping[str, Collection[tuple[str, str]]]


def ezyvet_files(pims: Side) -> PimsFiles:
    """Those of the simulated ezyVet: its kinds ``attachment``, ``file`` and ``appointment``."""
    attached = _by_content(pims, "attachment", by_id(pims.store, "file"))
    visits = _by_reference(pims.store, "appointment", "description")
    return PimsFiles(
        {
            digest: [Filed(str(row["id"]), (row["record_type"], str(row["record_id"]))) for row in rows]
            for digest, rows in attached.items()
        },
        {
            reference: {("Animal", str(row["animal_id"])), ("Contact", str(row["contact_id"]))}
            for reference, row in visits.items()
        },
    )


class FileAuditor:
    """Audits the files: each once on each side where it belongs, whole, and on its owner."""

    def __init__(self, morning: Morning, booking: Side, pims: PimsFiles, findings: Findings, seen: Seen) -> None:
        self._morning = morning
        self._findings = findings
        self._seen = seen
        self.carried: set[int] = set()
        """Numbers of the files that stand on both sides."""
        self._records = _by_reference(booking.store, "record", "comment")
        self._places = pims.places
        self._on_cards = _by_content(booking, "file", {})
        self._in_pims = dict(pims.files)

    def audit(self) -> None:
        """Checks every file."""
        for paper in (each for each in self._morning.papers if each.number in self._seen.put):
            digest = hashlib.sha256(paper.content).hexdigest()
            on_cards, in_pims = self._on_cards.pop(digest, []), self._in_pims.pop(digest, [])
            here, there = (in_pims, on_cards) if paper.at_pims else (on_cards, in_pims)
            if self._is_right(paper, len(here), len(there), on_cards, in_pims) and paper.carried:
                self.carried.add(paper.number)
            if not (paper.carried or paper.at_pims or paper.number in self._seen.refused):
                self._findings.found(Wrong.LOST, None, f"file {paper.number} was not refused, and nobody was told")
        unknown = [str(row["id"]) for rows in self._on_cards.values() for row in rows]
        unknown += [filed.id for each in self._in_pims.values() for filed in each]
        for number in unknown:
            self._findings.found(Wrong.DUPLICATED, None, f"file {number} belongs to nothing in the script")

    def _is_right(
        self, paper: Paper, here: int, there: int, on_cards: Sequence[Row], in_pims: Sequence[Filed]
    ) -> bool:
        booking = self._morning.booking(paper.booking)
        name = f"file {paper.number}"
        if here > 1 or there > int(paper.carried):
            self._findings.found(Wrong.DUPLICATED, booking, f"{name} stands somewhere once too often")
        if here < 1 or there < int(paper.carried):
            self._findings.found(Wrong.LOST, booking, f"{name} does not stand, whole, where it belongs")
        record, places = self._records.get(booking.reference), self._places.get(booking.reference)
        if record is None or places is None:
            return False  # which is reported of the booking
        astray = any(row["client_id"] != record["client_id"] for row in on_cards)
        astray = astray or any(filed.on not in places for filed in in_pims)
        if astray:
            self._findings.found(Wrong.OWNER, booking, f"{name} stands on somebody else")
        return (here, there) == (1, 1) and not astray


class DueAuditor:
    """Audits the cards: each says what is due, and no other says anything; and nobody else got a message."""

    def __init__(self, morning: Morning, booking: Store, findings: Findings, seen: Seen, today: date) -> None:
        self._morning = morning
        self._store = booking
        self._findings = findings
        self._seen = seen
        self._today = today
        self._labels = {row["title"]: row["id"] for row in booking.all("label")}
        self.shown: set[int] = set()
        """Numbers of the pets whose service that is due stands on its owner's card, as it should."""

    def audit(self) -> None:
        """Checks every card and every message."""
        due = {each.owner: each for each in self._morning.due if each.case in _SAYS_SOMETHING}
        told = []
        for card in self._store.all("client"):
            each = due.get(card.get("_seed", 0))
            if each is not None and each.case is DueCase.TOLD:
                told.append(card["id"])
            self._check(card, each)
        self._check_messages(told)
        for each in self._morning.due:
            left = each.case in (DueCase.DIES, DueCase.OPTS_OUT)
            if left and each.number not in self._seen.marked:
                self._findings.found(Wrong.REMINDER, None, f"pet {each.number}: its owner's card never said anything")
            if each.case is DueCase.OPTS_OUT and each.number not in self._seen.noted:
                self._findings.found(Wrong.REMINDER, None, f"pet {each.number}: the desk was not told of the opt-out")

    def _check(self, card: Row, due: DuePet | None) -> None:
        values = card.get("custom_fields") or {}
        says = {word: str(values.get(code) or "") for word, code in DUE_FIELDS.items()}
        notified = says.pop("notified")
        marks = {title for title in DUE_LABELS.values() if self._labels.get(title) in card.get("categories", ())}
        if (says, marks) != self._expected(due) or bool(notified) is not (
            due is not None and due.case is DueCase.TOLD
        ):
            number = f"pet {due.number}: " if due is not None else ""
            self._findings.found(Wrong.REMINDER, None, f"{number}card {card['id']} does not say what is due")
        elif due is not None:
            self.shown.add(due.number)

    def _expected(self, due: DuePet | None) -> tuple[dict[str, str], set[str]]:
        """What the fields say, and the labels; a chain's locations have no labels."""
        marks: set[str] = set()
        if due is not None and self._labels:
            marks = {DUE_LABELS["overdue" if due.case is DueCase.OVERDUE else "soon"]}
        if due is None or due.case not in _SAYS_NEXT:
            return {"service": "", "pet": "", "date": ""}, marks
        (name,) = (pet.name for pet in self._morning.clinic.owner(due.owner).pets if pet.number == due.pet)
        day = self._today + timedelta(days=due.in_days)
        return {"service": VACCINE_NAME, "pet": name, "date": str(day)}, marks

    def _check_messages(self, told: list[int]) -> None:
        sent = [row.get("client_id") for row in self._store.find("notice", cause="write", message="mailing")]
        for card in told:
            if card not in sent:
                self._findings.found(Wrong.REMINDER, None, f"card {card}: its owner was to be sent a message")
            else:
                sent.remove(card)
        for _ in sent:
            self._findings.found(Wrong.NOTICE, None, "a message to an owner whom nobody wanted to tell anything")


def check_notices(store: Store, findings: Findings) -> None:
    """No write has caused a message to an owner, but those that tell of a service that is due."""
    for row in store.find("notice", cause="write"):
        if row.get("message") != "mailing":
            findings.found(Wrong.NOTICE, None, "a message to an owner that a write caused")


def opted_out(morning: Morning, seen: Seen) -> int:
    """How many owners want no messages any more, of whom the desk was told."""
    return sum(each.case is DueCase.OPTS_OUT and each.number in seen.noted for each in morning.due)


def _by_reference(store: Store, kind: str, field: str) -> dict[str, Row]:
    """Rows by the reference of their booking."""
    found = ((REFERENCE.search(str(row[field])), row) for row in store.all(kind))
    return {told[0]: row for told, row in found if told is not None}


def _by_content(side: Side, kind: str, kept: Mapping[int, Row]) -> dict[str, list[Row]]:
    """Rows that stand, by what is in their file; ``kept``: the files, where they are rows of their own."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in side.store.all(kind):
        if row.get("active", True):
            file: Mapping[str, Any] = kept.get(row["file_id"], {}) if kept else row
            found[hashlib.sha256(side.files.read(file["_content"])).hexdigest()].append(row)
    return found
