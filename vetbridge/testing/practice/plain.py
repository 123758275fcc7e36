"""A practice of which no table is known: one plain database for every system that only a feed or a report shows.

All tables, columns and numbers are VetBridge's invention and bear the prefix ``sim_``; nothing of them may be taken
for a vendor's. They hold what feeds and reports are made from:

- ``sim_owner`` says whose a patient is: one client is the primary owner, others may own shares, and all percentages
  make 100. An owner who is one no more has the day in ``ends``.
- Every row has ``created_at``, ``changed_at`` (empty until it is changed) and ``removed_at``: moments in UTC. What is
  deleted or merged away keeps its row, with ``removed_at``; what is erased or purged has none.
- ``row_id`` is a number that no row changes, for feeds that have keys of their own. Another column named ``*_id`` is
  the practice's own key, which staff see.

A simulator of a feed over such a practice is a subclass of ``vetbridge.testing.practice.simulator.PlainSimulator``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, ClassVar, TypeVar

from vetbridge.core.records import Kind
from vetbridge.testing.clinic import SERVICES, STAFF, Clinic
from vetbridge.testing.practice.exports import Report
from vetbridge.testing.practice.practice import Practice, Table, wall
from vetbridge.testing.practice.records import (
    KeptClient,
    KeptDocument,
    KeptMessage,
    KeptPet,
    KeptReminder,
    KeptVaccination,
    KeptVisit,
)

ENTERED = "2026-01-01T00:00:00.000000+00:00"
"""When the records of a new practice were made."""
_WHOLE = 100
_STAMPS = "created_at TEXT NOT NULL, changed_at TEXT, removed_at TEXT"
_SCHEMA = f"""
CREATE TABLE sim_client (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT, client_id TEXT NOT NULL UNIQUE, entered_as INTEGER NOT NULL,
    first_name TEXT NOT NULL, last_name TEXT NOT NULL, partner_first_name TEXT, partner_last_name TEXT,
    phone_1 TEXT, phone_2 TEXT, phone_3 TEXT, email TEXT, notes TEXT, no_reminders INTEGER NOT NULL,
    active INTEGER NOT NULL, {_STAMPS}
);
CREATE TABLE sim_patient (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT, patient_id TEXT NOT NULL UNIQUE, entered_as INTEGER NOT NULL,
    name TEXT NOT NULL, species TEXT, breed TEXT, sex TEXT, birth_date TEXT, died_on TEXT,
    active INTEGER NOT NULL, {_STAMPS}
);
CREATE TABLE sim_owner (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT, patient_id TEXT NOT NULL, client_id TEXT NOT NULL,
    percent INTEGER NOT NULL, is_primary INTEGER NOT NULL, starts TEXT NOT NULL, ends TEXT, {_STAMPS}
);
CREATE INDEX sim_owner_patient ON sim_owner (patient_id);
CREATE INDEX sim_owner_client ON sim_owner (client_id);
CREATE TABLE sim_appointment (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT, appointment_id TEXT NOT NULL UNIQUE, client_id TEXT, patient_id TEXT,
    starts TEXT NOT NULL, ends TEXT NOT NULL, resource TEXT NOT NULL, appointment_type TEXT NOT NULL,
    status TEXT NOT NULL, notes TEXT NOT NULL, {_STAMPS}
);
CREATE INDEX sim_appointment_starts ON sim_appointment (starts);
CREATE INDEX sim_appointment_client ON sim_appointment (client_id);
CREATE TABLE sim_reminder (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT, reminder_id TEXT NOT NULL UNIQUE, patient_id TEXT NOT NULL,
    code TEXT NOT NULL, description TEXT NOT NULL, given_on TEXT, due_on TEXT, completed INTEGER NOT NULL, {_STAMPS}
);
CREATE TABLE sim_vaccination (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT, vaccination_id TEXT NOT NULL UNIQUE, client_id TEXT NOT NULL,
    patient_id TEXT NOT NULL, code TEXT NOT NULL, description TEXT NOT NULL, given_on TEXT NOT NULL, {_STAMPS}
);
CREATE TABLE sim_document (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT, document_id TEXT NOT NULL UNIQUE, client_id TEXT, patient_id TEXT,
    name TEXT NOT NULL, notes TEXT NOT NULL, media_type TEXT NOT NULL, content BLOB NOT NULL, {_STAMPS}
);
CREATE TABLE sim_message (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL UNIQUE, client_id TEXT NOT NULL,
    patient_id TEXT, text TEXT NOT NULL, at TEXT NOT NULL, {_STAMPS}
);
CREATE TABLE sim_list (name TEXT NOT NULL, code TEXT NOT NULL, title TEXT NOT NULL, PRIMARY KEY (name, code))
"""
_DIARY = (
    "SELECT appointment_id AS AppointmentId, client_id AS ClientAccountId, patient_id AS PatientAccounttId,"
    " appointment_type AS ApptType, resource AS Resource, starts AS StartDateTime, ends AS StopDateTime,"
    " notes AS ApptText, status AS ApptStatus FROM sim_appointment"
    " WHERE removed_at IS NULL AND starts >= ? AND starts < ? ORDER BY starts, 1"
)
NEUTRAL_REPORTS: Mapping[Kind, Report] = {
    Kind.CLIENT: Report(
        name="clients",
        select='SELECT client_id AS ClientAccountId, last_name AS "Last name", first_name AS "First name",'
        " partner_first_name AS SpouseNameFirst, partner_last_name AS SpouseNameLast, phone_1 AS Phone1AsIs,"
        ' phone_2 AS Phone2AsIs, phone_3 AS Phone3AsIs, email AS "E-mail", NOT active AS flgInactive'
        " FROM sim_client WHERE removed_at IS NULL ORDER BY last_name, 1",
    ),
    Kind.PET: Report(
        name="patients",
        select="SELECT p.patient_id AS PatientAccountId, o.client_id AS ClientAccountId, p.name AS Name,"
        " p.species AS Species, p.breed AS Breed, p.sex AS GenderVal, p.birth_date AS DOB, p.died_on AS DOD,"
        " p.died_on IS NOT NULL AS flgDeceased, NOT p.active AS flgInactive FROM sim_patient p"
        " JOIN sim_owner o ON o.patient_id = p.patient_id AND o.is_primary AND o.ends IS NULL"
        " WHERE p.removed_at IS NULL ORDER BY p.name, 1",
    ),
    Kind.APPOINTMENT: Report(name="appointments", select=_DIARY, windowed=True),
    Kind.REMINDER: Report(
        name="reminders",
        select="SELECT reminder_id AS ReminderID, patient_id AS PatientAccountId, code AS Code,"
        " description AS Description, given_on AS DateGiven, due_on AS DueDate FROM sim_reminder"
        " WHERE removed_at IS NULL AND NOT completed ORDER BY due_on, 1",
    ),
}
"""Reports that are headed as VetData's neutral tables are (avimark.md, section 3); of names, and of a patient's own
columns that are not public, with plain words. A pet is its primary owner's there, and nobody else's."""
_POINTING: Mapping[str, tuple[str, ...]] = {
    "client_id": ("sim_appointment", "sim_vaccination", "sim_document", "sim_message"),
    "patient_id": ("sim_appointment", "sim_reminder", "sim_vaccination", "sim_document", "sim_message"),
}
"""Tables that name a client or a patient; who owns what stands in ``sim_owner``, apart."""
_One = TypeVar("_One", KeptClient, KeptPet, KeptVisit)


class PlainPractice(Practice):
    """The records of a clinic. A system's subclass says its name, its codes and the reports of its diary."""

    schema: ClassVar[str] = _SCHEMA
    tables: ClassVar[Mapping[Kind, Table]] = {
        Kind.CLIENT: Table("sim_client", "client_id"),
        Kind.PET: Table("sim_patient", "patient_id"),
        Kind.APPOINTMENT: Table("sim_appointment", "appointment_id"),
        Kind.REMINDER: Table("sim_reminder", "reminder_id"),
        Kind.VACCINATION: Table("sim_vaccination", "vaccination_id"),
        Kind.ATTACHMENT: Table("sim_document", "document_id"),
    }
    visits_select: ClassVar[str] = "SELECT v.* FROM sim_appointment v"
    needs_pet: ClassVar[bool] = False
    """A client without a patient cannot be scheduled."""

    # -- what a system's subclass may say otherwise

    def fill_lists(self) -> None:
        """The lists that the site's codes stand in."""
        for name, codes in self.codes.items():
            for code in codes.values():
                self.write("INSERT OR IGNORE INTO sim_list VALUES (?, ?, ?)", name, str(code), str(code))

    def new_id(self, kind: Kind, number: int) -> str:
        """The number that staff see."""
        return str(number)

    # -- clients, patients and the diary

    def fill(self, clinic: Clinic) -> None:
        """All was entered some time ago, and nothing was changed since."""
        with self.writing():
            super().fill(clinic)
            for table in ("sim_client", "sim_patient", "sim_owner"):
                self.write(f"UPDATE {table} SET created_at = ?", ENTERED)  # noqa: S608 - names of our own

    def made_columns(self, kind: Kind, record: Any) -> dict[str, Any]:
        """When it was entered, and the number that a client or a patient was entered with."""
        made: dict[str, Any] = {"created_at": self.stamp()}
        if kind in {Kind.CLIENT, Kind.PET}:
            made["entered_as"] = int("".join(sign for sign in record.id if sign.isdigit()))
        return made

    def client_columns(self, client: KeptClient) -> dict[str, Any]:
        """Three phones have columns; more of them stand in the notes."""
        first, second, third, *more = (*client.phones, "", "", "")
        noted = [text for text in (client.comment, *more) if text]
        return {
            "first_name": client.given_name,
            "last_name": client.family_name,
            "partner_first_name": client.partner_given_name or None,
            "partner_last_name": client.partner_family_name or None,
            "phone_1": first or None,
            "phone_2": second or None,
            "phone_3": third or None,
            "email": client.email or None,
            "notes": "\n".join(noted) or None,
            "no_reminders": client.opted_out,
            "active": client.active,
        }

    def client_of(self, row: sqlite3.Row) -> KeptClient:
        """The client of a row of sim_client."""
        return KeptClient(
            id=row["client_id"],
            number=row["entered_as"],
            given_name=row["first_name"],
            family_name=row["last_name"],
            partner_given_name=row["partner_first_name"] or "",
            partner_family_name=row["partner_last_name"] or "",
            phones=tuple(phone for phone in (row["phone_1"], row["phone_2"], row["phone_3"]) if phone),
            email=row["email"] or "",
            comment=row["notes"] or "",
            opted_out=bool(row["no_reminders"]),
            active=bool(row["active"]),
            deleted=row["removed_at"] is not None,
        )

    def pet_columns(self, pet: KeptPet) -> dict[str, Any]:
        """A pet that died has the day of it. Raises ``ValueError`` where it has no name."""
        if not pet.name:
            raise ValueError("a patient needs a name")
        return {
            "name": pet.name,
            "species": self.code("species", pet.species) if pet.species else None,
            "breed": pet.breed or None,
            "sex": self.code("sex", pet.sex) if pet.sex else None,
            "birth_date": str(pet.birth_date) if pet.birth_date else None,
            "died_on": self._died_on(pet),
            "active": pet.active and not pet.deceased,
        }

    def pet_of(self, row: sqlite3.Row) -> KeptPet:
        """The pet of a row of sim_patient, with who owns it."""
        owners = self.rows(
            "SELECT client_id, percent, is_primary FROM sim_owner WHERE patient_id = ? AND ends IS NULL"
            " ORDER BY percent DESC, row_id",
            (row["patient_id"],),
        )
        return KeptPet(
            id=row["patient_id"],
            number=row["entered_as"],
            client_id=next((owner["client_id"] for owner in owners if owner["is_primary"]), ""),
            co_owners=tuple((owner["client_id"], owner["percent"]) for owner in owners if not owner["is_primary"]),
            name=row["name"],
            species=self.word("species", row["species"]) if row["species"] else "",
            breed=row["breed"] or "",
            sex=self.word("sex", row["sex"]) if row["sex"] else "",
            birth_date=date.fromisoformat(row["birth_date"]) if row["birth_date"] else None,
            deceased=row["died_on"] is not None,
            active=bool(row["active"]),
            deleted=row["removed_at"] is not None,
        )

    def visit_columns(self, visit: KeptVisit) -> dict[str, Any]:
        """A visit that is cancelled has that status where the site has one, and is removed elsewhere.

        Raises ``ValueError`` for one without a patient, where a visit needs one.
        """
        if self.needs_pet and not visit.pet_id:
            raise ValueError("a client without a patient cannot be scheduled")
        cancelled = visit.deleted and self._marks_cancelled()
        return {
            "client_id": visit.client_id or None,
            "patient_id": visit.pet_id or None,
            "starts": wall(visit.start),
            "ends": wall(visit.ends),
            "resource": self.code("resource", visit.resource or STAFF[0].code),
            "appointment_type": self.code("appointment_type", visit.appointment_type or SERVICES[0].code),
            "status": self.code("status", "cancelled" if cancelled else visit.status),
            "notes": visit.notes,
        }

    def visit_of(self, row: sqlite3.Row) -> KeptVisit:
        """The appointment of a row of sim_appointment."""
        start = datetime.fromisoformat(row["starts"])
        status = self.word("status", row["status"])
        return KeptVisit(
            id=row["appointment_id"],
            client_id=row["client_id"] or "",
            pet_id=row["patient_id"] or "",
            start=start,
            minutes=int((datetime.fromisoformat(row["ends"]) - start).total_seconds()) // 60,
            resource=self.word("resource", row["resource"]),
            appointment_type=self.word("appointment_type", row["appointment_type"]),
            status=status,
            notes=row["notes"],
            deleted=row["removed_at"] is not None or status == "cancelled",
        )

    # -- whose a patient is

    def share(self, pet: str, client: str, percent: int) -> KeptPet:
        """Gives a client a share of a pet; the primary owner has the rest. 0 ends the share.

        Only who owns it is written, nothing of the pet. Raises ``NoSuchRecord``, ``ValueError``.
        """
        with self.writing():
            kept, owner = self.pet(pet), self.client(client).id
            if owner == kept.client_id:
                raise ValueError("the primary owner has what the others leave")
            others = tuple(share for share in kept.co_owners if share[0] != owner)
            self._write_owners(replace(kept, co_owners=(*others, (owner, percent)) if percent else others))
            return self.pet(kept.id)

    def merge(self, leaving: str, into: str) -> None:
        """Gives a client's pets, shares, appointments and the rest to another; the card is removed."""
        with self.writing():
            left, kept = self.client(leaving), self.client(into)
            if left.id != kept.id:
                self._pass_on(left.id, kept.id)
                self._point("client_id", left.id, kept.id)
            super().merge(left.id, kept.id)

    def merge_pets(self, leaving: str, into: str) -> None:
        """Gives a pet's appointments and the rest to another; the first is removed."""
        with self.writing():
            left, kept = self.pet(leaving), self.pet(into)
            super().merge_pets(left.id, kept.id)
            self._point("patient_id", left.id, kept.id)
            self._end_owners(left.id)

    def renumber(self, client: str, new_id: str) -> KeptClient:
        """Gives a client another id, and all that points to it. The old id is removed, as feeds show it.

        Raises ``NoSuchRecord``, ``ValueError`` where the id is taken or none.
        """
        if not (new_id.isascii() and new_id.isalnum() and len(new_id) <= 20):
            raise ValueError("an id is made of at most 20 letters and digits")
        with self.writing():
            old = self.client(client).id
            if self.rows("SELECT 1 FROM sim_client WHERE client_id = ?", (new_id,)):
                raise ValueError("this id is taken")
            row = dict(self._row(Kind.CLIENT, old))
            copy = {**row, "row_id": None, "client_id": new_id, "created_at": self.stamp(), "changed_at": None}
            self.write(
                f"INSERT INTO sim_client ({', '.join(copy)}) VALUES ({', '.join('?' * len(copy))})",  # noqa: S608
                *copy.values(),
            )
            self._pass_on(old, new_id)
            self._point("client_id", old, new_id)
            self.write("UPDATE sim_client SET removed_at = ? WHERE client_id = ?", self.stamp(), old)
            return self.client(new_id)

    def purge(self, before: date, *, removed: bool = False) -> int:
        """Takes away all clients without a visit since a day, with their pets, appointments and the rest; how many
        clients. A pet of which another client owns a share stays, and is that one's.

        ``removed``: their rows stay, as removed ones; without it, they are gone.
        """
        with self.writing():
            lately = {visit.client_id for visit in self.visits() if visit.start.date() >= before}
            leaving = [client.id for client in self.clients() if client.id not in lately]
            for client in leaving:
                self._take_away(client, set(leaving), removed=removed)
            return len(leaving)

    # -- what else is written down

    def vaccinate(self, **values: Any) -> KeptVaccination:
        """Writes down a vaccine that was given, by the fields of ``KeptVaccination``. Raises ``NoSuchRecord``."""
        given = KeptVaccination(**values)
        with self.writing():
            pet = self.pet(given.pet_id)
            columns = {
                "patient_id": pet.id,
                "client_id": self.client(given.client_id).id if given.client_id else pet.client_id,
                "code": given.code,
                "description": given.description,
                "given_on": str(given.given_on or self.today().date()),
            }
            return self.vaccination(self._enter(Kind.VACCINATION, columns))

    def change_vaccination(self, id: str, **values: Any) -> KeptVaccination:  # noqa: A002 - the field's word
        """Writes these fields of a vaccination anew. Raises ``NoSuchRecord``."""
        with self.writing():
            self._rewrite(Kind.VACCINATION, self.vaccination(id).id, values)
            return self.vaccination(id)

    def remind(self, **values: Any) -> KeptReminder:
        """Writes down a service that is due, by the fields of ``KeptReminder``. Raises ``NoSuchRecord``."""
        due = KeptReminder(**values)
        with self.writing():
            columns = {
                "patient_id": self.pet(due.pet_id).id,
                "code": due.code,
                "description": due.description,
                "given_on": str(due.given_on) if due.given_on else None,
                "due_on": str(due.due_on) if due.due_on else None,
                "completed": due.completed,
            }
            return self.reminder(self._enter(Kind.REMINDER, columns))

    def change_reminder(self, id: str, **values: Any) -> KeptReminder:  # noqa: A002 - the field's word
        """Writes these fields of a reminder anew. Raises ``NoSuchRecord``."""
        with self.writing():
            self._rewrite(Kind.REMINDER, self.reminder(id).id, values)
            return self.reminder(id)

    def attach(self, content: bytes, **values: Any) -> KeptDocument:
        """Hangs a file on a client or a pet, by the fields of ``KeptDocument``. Raises ``NoSuchRecord``,
        ``ValueError`` where it hangs on nobody."""
        file = KeptDocument(**values)
        if not (file.client_id or file.pet_id):
            raise ValueError("a document hangs on a client or a patient")
        with self.writing():
            pet = self.pet(file.pet_id) if file.pet_id else None
            client = self.client(file.client_id).id if file.client_id else pet.client_id if pet else ""
            columns = {
                "client_id": client or None,
                "patient_id": pet.id if pet else None,
                "name": file.name,
                "notes": file.notes,
                "media_type": file.media_type,
                "content": content,
            }
            return self.document(self._enter(Kind.ATTACHMENT, columns))

    def document_content(self, id: str) -> bytes:  # noqa: A002 - the field's word
        """What is in a document. Raises ``NoSuchRecord``."""
        return bytes(self._row(Kind.ATTACHMENT, id)["content"])

    def log(self, **values: Any) -> KeptMessage:
        """Enters a message into the communication log, by the fields of ``KeptMessage``. Raises ``NoSuchRecord``."""
        told = KeptMessage(**values)
        with self.writing():
            number = self._next_message()
            self.write(
                "INSERT INTO sim_message (message_id, client_id, patient_id, text, at, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                number,
                self.client(told.client_id).id,
                self.pet(told.pet_id).id if told.pet_id else None,
                told.text,
                wall(told.at or self.today()),
                self.stamp(),
            )
            return next(one for one in self.messages() if one.id == number)

    def vaccination(self, id: str) -> KeptVaccination:  # noqa: A002 - the field's word
        """The vaccination of an id. Raises ``NoSuchRecord``."""
        return _vaccination(self._row(Kind.VACCINATION, id))

    def vaccinations(self, *, deleted: bool = False) -> tuple[KeptVaccination, ...]:
        """All vaccinations, in the order in which they were entered."""
        found = (_vaccination(row) for row in self.rows("SELECT * FROM sim_vaccination ORDER BY row_id"))
        return tuple(one for one in found if deleted or not one.deleted)

    def reminder(self, id: str) -> KeptReminder:  # noqa: A002 - the field's word
        """The reminder of an id. Raises ``NoSuchRecord``."""
        return _reminder(self._row(Kind.REMINDER, id))

    def reminders(self, *, deleted: bool = False) -> tuple[KeptReminder, ...]:
        """All reminders, in the order in which they were entered."""
        found = (_reminder(row) for row in self.rows("SELECT * FROM sim_reminder ORDER BY row_id"))
        return tuple(one for one in found if deleted or not one.deleted)

    def document(self, id: str) -> KeptDocument:  # noqa: A002 - the field's word
        """The document of an id, without its content. Raises ``NoSuchRecord``."""
        return _document(self._row(Kind.ATTACHMENT, id))

    def documents(self, *, deleted: bool = False) -> tuple[KeptDocument, ...]:
        """All documents, in the order in which they were entered."""
        found = (_document(row) for row in self.rows("SELECT * FROM sim_document ORDER BY row_id"))
        return tuple(one for one in found if deleted or not one.deleted)

    def messages(self) -> tuple[KeptMessage, ...]:
        """The communication log, the oldest entry first."""
        return tuple(
            KeptMessage(
                id=row["message_id"],
                client_id=row["client_id"],
                pet_id=row["patient_id"] or "",
                text=row["text"],
                at=datetime.fromisoformat(row["at"]),
            )
            for row in self.rows("SELECT * FROM sim_message ORDER BY row_id")
        )

    # -- rows

    def stamp(self) -> str:
        """Now, as the change columns have it."""
        return self.now().astimezone(UTC).isoformat(timespec="microseconds")

    def _make(self, kind: Kind, record: _One, number: int | None = None) -> _One:
        with self.writing():
            made = super()._make(kind, record, number)
            if isinstance(record, KeptPet):
                self._write_owners(replace(record, id=made.id))
                return self.pet(made.id)
            return made

    def _save(self, kind: Kind, record: _One) -> _One:
        table = self.tables[kind]
        with self.writing():
            before = self._row(kind, record.id)
            super()._save(kind, record)
            after = self._row(kind, record.id)
            removed = record.deleted and not (kind is Kind.APPOINTMENT and self._marks_cancelled())
            changed = tuple(before) != tuple(after) or (before["removed_at"] is not None and not removed)
            self.write(
                f"UPDATE {table.name} SET changed_at = ?, removed_at = ? WHERE {table.key} = ?",  # noqa: S608
                self.stamp() if changed else before["changed_at"],
                (before["removed_at"] or self.stamp()) if removed else None,
                record.id,
            )
            if isinstance(record, KeptPet):
                self._write_owners(record)
            return self._as_kept(record)

    def erase(self, kind: Kind, id: str) -> None:  # noqa: A002 - the field's word
        """Takes a row away for good, and of a pet who owned it."""
        with self.writing():
            key = self._row(kind, id)[self.tables[kind].key]
            super().erase(kind, key)
            if kind is Kind.PET:
                self.write("DELETE FROM sim_owner WHERE patient_id = ?", key)

    def _marks_cancelled(self) -> bool:
        return "cancelled" in self.codes["status"]

    def _died_on(self, pet: KeptPet) -> str | None:
        if not pet.deceased:
            return None
        known = self.rows("SELECT died_on FROM sim_patient WHERE patient_id = ?", (pet.id,))
        return (known[0]["died_on"] if known else None) or str(self.today().date())

    def _write_owners(self, pet: KeptPet) -> None:
        """Who owns a pet from today on. Raises ``NoSuchRecord``, ``ValueError``."""
        shares = {self.client(owner).id: percent for owner, percent in pet.co_owners}
        shares.pop(pet.client_id, None)
        rest = _WHOLE - sum(shares.values())
        if rest < 1 or any(percent < 1 for percent in shares.values()):
            raise ValueError("shares are whole percentages, and leave something to the primary owner")
        wanted = {owner: (percent, 0) for owner, percent in shares.items()}
        if pet.client_id:
            wanted[pet.client_id] = (rest, 1)
        for row in self._owners("patient_id", pet.id):
            held = wanted.pop(row["client_id"], None)
            if held is None:
                self._end_owner(row["row_id"])
            elif held != (row["percent"], row["is_primary"]):
                self.write(
                    "UPDATE sim_owner SET percent = ?, is_primary = ?, changed_at = ? WHERE row_id = ?",
                    *held,
                    self.stamp(),
                    row["row_id"],
                )
        for owner, held in wanted.items():
            self.write(
                "INSERT INTO sim_owner (patient_id, client_id, percent, is_primary, starts, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                pet.id,
                owner,
                *held,
                str(self.today().date()),
                self.stamp(),
            )

    def _owners(self, column: str, id_: str) -> list[sqlite3.Row]:
        return self.rows(f"SELECT * FROM sim_owner WHERE {column} = ? AND ends IS NULL", (id_,))  # noqa: S608

    def _end_owner(self, row_id: int) -> None:
        day, stamp = str(self.today().date()), self.stamp()
        self.write("UPDATE sim_owner SET ends = ?, changed_at = ? WHERE row_id = ?", day, stamp, row_id)

    def _end_owners(self, pet: str) -> None:
        for row in self._owners("patient_id", pet):
            self._end_owner(row["row_id"])

    def _pass_on(self, old: str, new: str) -> None:
        """What a client owns is another's, who may own a share of it already."""
        for row in self._owners("client_id", old):
            pet = self.pet(row["patient_id"])
            shares = dict(pet.co_owners)
            if row["is_primary"]:
                shares.pop(new, None)
                moved = replace(pet, client_id=new, co_owners=tuple(shares.items()))
            else:
                percent = shares.pop(old)
                if new != pet.client_id:
                    shares[new] = shares.get(new, 0) + percent
                moved = replace(pet, co_owners=tuple(shares.items()))
            self._write_owners(moved)

    def _point(self, column: str, old: str, new: str) -> None:
        for table in _POINTING[column]:
            self.write(
                f"UPDATE {table} SET {column} = ?, changed_at = ? WHERE {column} = ?",  # noqa: S608 - our own names
                new,
                self.stamp(),
                old,
            )

    def _take_away(self, client: str, leaving: set[str], *, removed: bool) -> None:
        for row in self._owners("client_id", client):
            pet = self.pet(row["patient_id"])
            staying = [share for share in pet.co_owners if share[0] not in leaving]
            if not row["is_primary"]:
                others = tuple(share for share in pet.co_owners if share[0] != client)
                self._write_owners(replace(pet, co_owners=others))
            elif staying:
                self._write_owners(replace(pet, client_id=staying[0][0], co_owners=tuple(staying[1:])))
            else:
                self._end_owners(pet.id)
                self._drop("patient_id", pet.id, "sim_patient", removed=removed)
        self._drop("client_id", client, "sim_client", removed=removed)

    def _drop(self, column: str, id_: str, own: str, *, removed: bool) -> None:
        for table in (own, "sim_owner", *_POINTING[column]):
            if removed:
                self.write(
                    f"UPDATE {table} SET removed_at = coalesce(removed_at, ?) WHERE {column} = ?",  # noqa: S608
                    self.stamp(),
                    id_,
                )
            else:
                self.write(f"DELETE FROM {table} WHERE {column} = ?", id_)  # noqa: S608 - names of our own

    def _enter(self, kind: Kind, columns: Mapping[str, Any]) -> str:
        table = self.tables[kind]
        key = self.new_id(kind, self._next(kind))
        made = {table.key: key, "created_at": self.stamp(), **columns}
        self.write(
            f"INSERT INTO {table.name} ({', '.join(made)}) VALUES ({', '.join('?' * len(made))})",  # noqa: S608
            *made.values(),
        )
        return key

    def _rewrite(self, kind: Kind, key: str, values: Mapping[str, Any]) -> None:
        """Raises ``ValueError`` for a field that is not written anew."""
        table, told = self.tables[kind], dict(values)
        columns: dict[str, Any] = {"changed_at": self.stamp()}
        if "deleted" in told:
            columns["removed_at"] = self.stamp() if told.pop("deleted") else None
        known = {"code", "description", "given_on", "due_on", "completed"} & set(self._row(kind, key).keys())
        if unknown := sorted(told.keys() - known):
            raise ValueError(f"{unknown[0][:40]!r} is not written anew")
        columns |= {name: str(value) if isinstance(value, date) else value for name, value in told.items()}
        changed = ", ".join(f"{name} = ?" for name in columns)
        self.write(f"UPDATE {table.name} SET {changed} WHERE {table.key} = ?", *columns.values(), key)  # noqa: S608

    def _next_message(self) -> str:
        given = self.rows("SELECT seq FROM sqlite_sequence WHERE name = 'sim_message'")
        return str(given[0]["seq"] + 1 if given else 1)


def _vaccination(row: sqlite3.Row) -> KeptVaccination:
    return KeptVaccination(
        id=row["vaccination_id"],
        pet_id=row["patient_id"],
        client_id=row["client_id"],
        code=row["code"],
        description=row["description"],
        given_on=date.fromisoformat(row["given_on"]),
        deleted=row["removed_at"] is not None,
    )


def _reminder(row: sqlite3.Row) -> KeptReminder:
    return KeptReminder(
        id=row["reminder_id"],
        pet_id=row["patient_id"],
        code=row["code"],
        description=row["description"],
        given_on=date.fromisoformat(row["given_on"]) if row["given_on"] else None,
        due_on=date.fromisoformat(row["due_on"]) if row["due_on"] else None,
        completed=bool(row["completed"]),
        deleted=row["removed_at"] is not None,
    )


def _document(row: sqlite3.Row) -> KeptDocument:
    return KeptDocument(
        id=row["document_id"],
        client_id=row["client_id"] or "",
        pet_id=row["patient_id"] or "",
        name=row["name"],
        notes=row["notes"],
        media_type=row["media_type"],
        size=len(row["content"]),
        deleted=row["removed_at"] is not None,
    )
