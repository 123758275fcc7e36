"""Two stores as a perfect morning leaves them, made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from vetbridge.demo.audit import Audit, audit
from vetbridge.demo.errands_audit import Side
from vetbridge.demo.findings import Wrong
from vetbridge.demo.pims_audit import STATUS_NAMES
from vetbridge.demo.platform_audit import ATTENDANCE
from vetbridge.demo.story import (
    DUE_LABELS,
    VACCINE_NAME,
    Booking,
    Case,
    DeskCase,
    DueCase,
    DuePet,
    Morning,
    Paper,
    Seen,
    Slot,
    Status,
    Visit,
)
from vetbridge.testing.simkit import Files, Store

PLACEHOLDER, PLACEHOLDER_PET = 900, 901
OWNERS_FROM, PETS_FROM, CARDS_FROM = 1000, 5000, 10_000
BLOCK_TYPE = 39
TODAY = date(2026, 3, 2)
SAYS_NOTHING: Mapping[str, Any] = {"custom_fields": [], "categories": []}
"""What a card has that says nothing about services that are due."""
STAMP = "VB-7F3K9Q2MXX"


class World:
    """Two stores as a perfect morning leaves them, and what people saw while it was played."""

    def __init__(self, morning: Morning, folder: Path | None = None) -> None:
        self.morning = morning
        self.booking = Store(folder / "booking" / "store.sqlite3" if folder else None)
        self.pims = Store(folder / "pims" / "store.sqlite3" if folder else None)
        self.booking_files = Files(folder / "booking" / "files" if folder else None)
        self.pims_files = Files(folder / "pims" / "files" if folder else None)
        self.answers = {answer.booking: answer for answer in morning.answers}
        with self.booking.transaction(), self.pims.transaction():
            self._fill()
            for booking in morning.bookings:
                self._record(booking)
                # Of the cancelled ones, every other was cancelled before it could be written.
                if not booking.cancelled or booking.number % 2 or booking.number in self.answers:
                    self.visit(booking)
            for visit in morning.visits:
                self._desk_visit(visit)
                if not visit.cancelled or visit.number % 2:
                    self._carried(visit)
            assert morning.block is not None
            self._pims_row(morning.block.slot, description=f"Meeting {morning.block.reference}", type_id=BLOCK_TYPE)
            for paper in morning.papers:
                self._paper(paper)
            self._say_what_is_due()
        mourner, known = morning.mourner, morning.registered
        entered = None if known is None else self.contact(None, known.given_name, known.family_name, known.phones)
        for pet in known.pets if known is not None and entered is not None else ():
            self.animal(None, entered or 0, pet.name)
        self.seen = Seen(
            recognised=frozenset() if mourner is None else frozenset({mourner.booking}),
            entered=frozenset() if entered is None else frozenset({entered}),
            parked={number: self.row(morning.booking(number))["id"] for number in self.answers},
            asked=frozenset(conflict.booking for conflict in morning.conflicts),
            replayed=frozenset(booking.number for booking in morning.without_code),
            held=17,
            put=frozenset(paper.number for paper in morning.papers),
            refused=frozenset(paper.number for paper in morning.papers if not paper.carried and not paper.at_pims),
            marked=frozenset(each.number for each in morning.due if each.case in (DueCase.DIES, DueCase.OPTS_OUT)),
            noted=frozenset(each.number for each in morning.due if each.case is DueCase.OPTS_OUT),
        )

    def _fill(self) -> None:
        for number, member in enumerate(self.morning.clinic.staff, start=1):
            self.booking.insert("staff", {"name": member.name}, id=500 + number)
            self.pims.insert("resource", {"name": member.name}, id=20 + number)
        for service in self.morning.clinic.services:
            self.booking.insert("service", {"title": service.title}, id=700 + service.number)
            self.pims.insert("appointmenttype", {"name": service.title}, id=30 + service.number)
        for number, status in enumerate(Status, start=1):
            self.pims.insert("appointmentstatus", {"name": STATUS_NAMES[status]}, id=number)
        self.contact(PLACEHOLDER, "", "placeholder", (), _placeholder=True)
        self.animal(PLACEHOLDER_PET, PLACEHOLDER, "placeholder", _placeholder=True)
        for owner in self.morning.clinic.owners:
            number = OWNERS_FROM + owner.number
            self.contact(number, owner.given_name, owner.family_name, owner.phones, _seed=owner.number)
            for pet in owner.pets:
                self.animal(PETS_FROM + pet.number, number, pet.name, _seed=pet.number)
            if owner.online:
                name = {"name": owner.given_name, "surname": owner.family_name, "phone": owner.phones[0]}
                self.booking.insert(
                    "client", {**SAYS_NOTHING, **name, "_seed": owner.number}, id=CARDS_FROM + owner.number
                )
        self.pims.number_from("contact", 90_000)
        self.pims.number_from("animal", 90_000)
        self.booking.number_from("client", 90_000)

    def contact(self, number: int | None, given: str, family: str, phones: tuple[str, ...], **more: Any) -> int:
        made = self.pims.insert("contact", {"first_name": given, "last_name": family, **more}, id=number)
        for phone in phones:
            national = f"0{phone.removeprefix('+44')}"
            self.pims.insert("contactdetail", {"contact_id": made, "value": f"{national[:5]} {national[5:]}"})
        return made

    def animal(self, number: int | None, contact: int, name: str, **more: Any) -> int:
        return self.pims.insert("animal", {"name": name, "contact_id": contact, **more}, id=number)

    def card(self, name: str, phone: str) -> int:
        known = self.booking.find("client", phone=phone)
        return (
            known[0]["id"]
            if known
            else self.booking.insert("client", {**SAYS_NOTHING, "name": name, "surname": "", "phone": phone})
        )

    def _booking_row(self, subject: Booking | Visit, client: int | None, comment: str) -> dict[str, Any]:
        return {
            "client_id": client,
            "comment": comment,
            "datetime": subject.final.start.isoformat(),
            "staff_id": 500 + subject.final.vet.number,
            "service_ids": [700 + subject.service.number],
            "seance_length": subject.service.minutes * 60,
            "attendance": ATTENDANCE[subject.status],
            "deleted": subject.cancelled,
        }

    def _record(self, booking: Booking) -> None:
        card = self.card(booking.part.full_name, booking.part.phone)
        self.booking.insert("record", self._booking_row(booking, card, booking.comment), id=30_000 + booking.number)

    def _carried(self, visit: Visit) -> None:
        owner = self.morning.clinic.owner(visit.owner)
        client, comment = visit.card, ""
        if visit.case is DeskCase.PHONELESS:
            comment = f"[VetBridge {STAMP}]\nBooked at the practice.\nName: {owner.family_name}\n[/VetBridge]"
        elif client is None:
            client = self.card(f"{owner.given_name} {owner.family_name}", owner.phones[0]) - CARDS_FROM
        row = self._booking_row(visit, None if client is None else CARDS_FROM + client, comment)
        self.booking.insert("record", row, id=40_000 + visit.number)

    def _pims_row(self, slot: Slot, **values: Any) -> int:
        row = {
            "contact_id": PLACEHOLDER,
            "animal_id": PLACEHOLDER_PET,
            "start_at": int(slot.start.timestamp()),
            "duration": 1800,
            "resources": [{"id": 20 + slot.vet.number}],
            "status_id": 1,
            "active": True,
        }
        return self.pims.insert("appointment", {**row, **values})

    def _in_pims(self, subject: Booking | Visit, contact: int, animal: int, notes: str) -> int:
        return self._pims_row(
            subject.final,
            contact_id=contact,
            animal_id=animal,
            description=notes,
            duration=subject.service.minutes * 60,
            type_id=30 + subject.service.number,
            status_id=list(Status).index(subject.status) + 1,
            active=not subject.cancelled,
        )

    def visit(self, booking: Booking) -> int:
        return self._in_pims(booking, *self._hung(booking))

    def _desk_visit(self, visit: Visit) -> None:
        self._in_pims(visit, OWNERS_FROM + visit.owner, PETS_FROM + visit.pet, f"By phone {visit.reference}")

    def _hung(self, booking: Booking) -> tuple[int, int, str]:
        part = booking.part
        notes = f"[VetBridge {STAMP}]\nBooked online.\nComment: {booking.comment}\n[/VetBridge]"
        if booking.number in self.answers:
            notes = f"{booking.line}\nComment: {booking.comment}".strip()
        elif part.case in (Case.AMBIGUOUS, Case.ELSEWHERE):
            return PLACEHOLDER, PLACEHOLDER_PET, parked_notes(booking)
        if part.owners:
            owner = OWNERS_FROM + min(part.owners)
            if part.pets:
                return owner, PETS_FROM + min(part.pets), notes
            return owner, self.animal(None, owner, part.pet_name), notes
        known = [
            row["contact_id"]
            for row in self.pims.all("contactdetail")
            if row["value"].endswith(part.phone[-6:]) and row["contact_id"] >= 90_000
        ]
        contact = known[0] if known else self.contact(None, part.given_name, part.family_name, (part.phone,))
        pets = self.pims.find("animal", contact_id=contact, name=part.pet_name)
        return contact, pets[0]["id"] if pets else self.animal(None, contact, part.pet_name), notes

    def _paper(self, paper: Paper) -> None:
        if paper.carried or paper.at_pims:
            self.attach(paper)
        if paper.carried or not paper.at_pims:
            self.put_on_card(paper)

    def attach(self, paper: Paper, content: bytes | None = None, animal: int | None = None) -> int:
        """Puts a file into the PIMS, on the pet of its booking."""
        kept = self.pims.insert("file", {"_content": self.pims_files.keep(content or paper.content)})
        of = animal or self.row(self.morning.booking(paper.booking))["animal_id"]
        hung = {"record_type": "Animal", "record_id": of}
        return self.pims.insert("attachment", {**hung, "file_id": kept, "name": paper.name, "active": True})

    def put_on_card(self, paper: Paper, client: int | None = None) -> int:
        """Puts a file on the card of its booking."""
        card = client or self.record(self.morning.booking(paper.booking))["client_id"]
        content = self.booking_files.keep(paper.content)
        return self.booking.insert("file", {"client_id": card, "name": paper.name, "_content": content})

    def _say_what_is_due(self) -> None:
        labels = {word: self.booking.insert("label", {"title": title}) for word, title in DUE_LABELS.items()}
        for each in self.morning.due:
            if each.case in (DueCase.SOON, DueCase.TOLD, DueCase.OVERDUE):
                (name,) = (pet.name for pet in self.morning.clinic.owner(each.owner).pets if pet.number == each.pet)
                day = str(TODAY + timedelta(days=each.in_days))
                says = {"due_service": VACCINE_NAME, "due_pet": name, "due_on": day}
                told = {"due_notified": f"{TODAY} vb-1"} if each.case is DueCase.TOLD else {}
                is_late = each.case is DueCase.OVERDUE
                label = labels["overdue" if is_late else "soon"]
                self.change_card(each, custom_fields={} if is_late else {**says, **told}, categories=[label])
            if each.case is DueCase.TOLD:
                message = {"cause": "write", "message": "mailing", "client_id": CARDS_FROM + each.owner}
                self.booking.insert("notice", message)

    def change_card(self, due: DuePet, **values: Any) -> None:
        card = self.booking.get("client", CARDS_FROM + due.owner)
        assert card is not None
        self.booking.put("client", card["id"], {**card, **values})

    def row(self, booking: Booking | Visit) -> dict[str, Any]:
        """The visit in the PIMS, to be edited and given to ``save``."""
        (number,) = [row["id"] for row in self.pims.all("appointment") if booking.reference in row["description"]]
        found = self.pims.get("appointment", number)
        assert found is not None
        return found

    def save(self, row: dict[str, Any]) -> None:
        self.pims.put("appointment", row["id"], row)

    def change(self, booking: Booking | Visit, **values: Any) -> None:
        self.save({**self.row(booking), **values})

    def record(self, subject: Booking | Visit) -> dict[str, Any]:
        """The record at the platform, to be edited and given to ``save_record``."""
        found = self.booking.get("record", (30_000 if isinstance(subject, Booking) else 40_000) + subject.number)
        assert found is not None
        return found

    def change_record(self, subject: Booking | Visit, **values: Any) -> None:
        row = self.record(subject)
        self.booking.put("record", row["id"], {**row, **values})

    def audit(self, site: str = "", foreign: frozenset[str] = frozenset()) -> Audit:
        sides = Side(self.booking, self.booking_files), Side(self.pims, self.pims_files)
        return audit(self.morning, *sides, self.seen, today=TODAY, site=site, foreign=foreign)


def parked_notes(booking: Booking) -> str:
    part = booking.part
    lines = [
        f"Name: {part.full_name}",
        f"Phone: {part.phone}",
        f"Pet: {part.pet_name}",
        f"Comment: {booking.comment}",
    ]
    return "\n".join([f"[VetBridge {STAMP}]", *lines, "[/VetBridge]"])


def reported(result: Audit) -> dict[str, int]:
    return {wrong.value: result.count(wrong) for wrong in Wrong if result.count(wrong)}
