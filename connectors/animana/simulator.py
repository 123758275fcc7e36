"""A stand-in for a clinic that runs Animana: contacts, patients and a diary, in SQLite.

Written from animana.md, section 3, which knows what stands on Animana's screens and nothing of how it is kept: every
table, column, number and list below is made up, and nothing of it may be taken for Animana's own. What is known and
kept: a patient has a fixed number, a class, a species and a breed, of which only name and species must be given; it
has an owner, and may have a carer; an appointment may stand without client and patient, and one that is only picked
stands as reserved; ids vanish when clients are merged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from connectors.animana.rehearsal import RehearsalApi
from vetbridge.core.records import Kind
from vetbridge.testing.clinic import SERVICES, STAFF
from vetbridge.testing.practice import KeptClient, KeptPet, KeptVisit, Practice, Report, Table, wall
from vetbridge.testing.practice.simulator import practice_options

CODE_LISTS: Mapping[str, Mapping[str, str | int]] = {
    "species": {"dog": "Dog", "cat": "Cat", "rabbit": "Rabbit", "other": "Other"},
    "sex": {
        "male": "Male",
        "female": "Female",
        "male_neutered": "Male neutered",
        "female_neutered": "Female spayed",
        "unknown": "Unknown",
    },
    "appointment_type": {service.code: service.title for service in SERVICES},
    "resource": {member.code: member.name for member in STAFF},
    "status": {
        "held": "Reserved",
        "booked": "Planned",
        "confirmed": "Confirmed",
        "arrived": "Arrived",
        "completed": "Done",
        "no_show": "Not come",
    },
}
"""What a site's config would say about this site: VetBridge's words and the site's values."""
_CLASSES: Mapping[str, str] = {"Dog": "Companion animals", "Cat": "Companion animals", "Rabbit": "Small mammals"}

_SCHEMA = """
CREATE TABLE contacts (
    client_code varchar(20) PRIMARY KEY, contact_type varchar(20) NOT NULL, first_name nvarchar(100) NOT NULL,
    last_name nvarchar(100) NOT NULL, partner_first_name nvarchar(100), partner_last_name nvarchar(100),
    phone varchar(40), mobile varchar(40), email varchar(200), visible_notes nvarchar(4000), start_date date NOT NULL,
    active bit NOT NULL, deleted bit NOT NULL, modified_at varchar(40) NOT NULL
);
CREATE TABLE patients (
    patient_number varchar(20) PRIMARY KEY, client_code varchar(20) NOT NULL, carer_code varchar(20),
    name nvarchar(100) NOT NULL, class varchar(40) NOT NULL, species varchar(40) NOT NULL, breed nvarchar(100),
    sex varchar(20), birth_date date, deceased bit NOT NULL, active bit NOT NULL, deleted bit NOT NULL,
    modified_at varchar(40) NOT NULL
);
CREATE TABLE diary (
    appointment_number varchar(20) PRIMARY KEY, starts datetime NOT NULL, ends datetime NOT NULL,
    employee nvarchar(100) NOT NULL, appointment_type nvarchar(100) NOT NULL, status varchar(40) NOT NULL,
    client_code varchar(20), patient_number varchar(20), remarks nvarchar(4000) NOT NULL, cancelled bit NOT NULL,
    modified_at varchar(40) NOT NULL
);
CREATE INDEX diary_starts ON diary (starts)
"""


class AnimanaPractice(Practice):
    """The records of a clinic with Animana."""

    system: ClassVar[str] = "animana"
    schema: ClassVar[str] = _SCHEMA
    tables: ClassVar[Mapping[Kind, Table]] = {
        Kind.CLIENT: Table("contacts", "client_code", "client_code"),
        Kind.PET: Table("patients", "patient_number", "patient_number"),
        Kind.APPOINTMENT: Table("diary", "appointment_number"),
    }
    codes: ClassVar[Mapping[str, Mapping[str, str | int]]] = CODE_LISTS
    visits_select: ClassVar[str] = "SELECT v.* FROM diary v"
    reports: ClassVar[Mapping[Kind, Report]] = {
        Kind.CLIENT: Report(
            name="clients",
            select='SELECT client_code AS "Client code", first_name AS "First name", last_name AS "Last name",'
            ' mobile AS "Mobile", phone AS "Phone", email AS "E-mail", visible_notes AS "Visible notes",'
            ' start_date AS "Start date", active AS "Active" FROM contacts WHERE deleted = 0 ORDER BY last_name, 1',
        ),
        Kind.PET: Report(
            name="patients",
            select='SELECT patient_number AS "Patient number", client_code AS "Client code", carer_code AS "Carer",'
            ' name AS "Name", class AS "Class", species AS "Species", breed AS "Breed", sex AS "Sex",'
            ' birth_date AS "Birth date", deceased AS "Deceased", active AS "Active"'
            " FROM patients WHERE deleted = 0 ORDER BY name, 1",
        ),
        Kind.APPOINTMENT: Report(
            name="appointments",
            select='SELECT appointment_number AS "Appointment number", starts AS "Start", ends AS "End",'
            ' employee AS "Employee", appointment_type AS "Appointment type", status AS "Status",'
            ' client_code AS "Client code", patient_number AS "Patient number", remarks AS "Remarks",'
            ' cancelled AS "Cancelled" FROM diary WHERE starts >= ? AND starts < ? ORDER BY starts, 1',
            windowed=True,
        ),
    }
    merged_vanish: ClassVar[bool] = True

    def fill_lists(self) -> None:
        """No list has a table."""

    def new_id(self, kind: Kind, number: int) -> str:
        """The number that staff see."""
        return str(number)

    def made_columns(self, kind: Kind, record: Any) -> dict[str, Any]:
        """A contact is a client here."""
        return {"contact_type": "client", "start_date": str(self.today().date())} if kind is Kind.CLIENT else {}

    def client_columns(self, client: KeptClient) -> dict[str, Any]:
        """The first phone is the mobile one."""
        mobile, phone, *more = (*client.phones, "", "")
        noted = [text for text in (client.comment, *more) if text]
        return {
            "first_name": client.given_name,
            "last_name": client.family_name,
            "partner_first_name": client.partner_given_name or None,
            "partner_last_name": client.partner_family_name or None,
            "mobile": mobile or None,
            "phone": phone or None,
            "email": client.email or None,
            "visible_notes": "\n".join(noted) or None,
            "active": client.active,
            "deleted": client.deleted,
            "modified_at": self._stamp(),
        }

    def client_of(self, row: sqlite3.Row) -> KeptClient:
        """The client of a row of contacts."""
        return KeptClient(
            id=row["client_code"],
            number=int(row["client_code"]),
            given_name=row["first_name"],
            family_name=row["last_name"],
            partner_given_name=row["partner_first_name"] or "",
            partner_family_name=row["partner_last_name"] or "",
            phones=tuple(phone for phone in (row["mobile"], row["phone"]) if phone),
            email=row["email"] or "",
            comment=row["visible_notes"] or "",
            active=bool(row["active"]),
            deleted=bool(row["deleted"]),
        )

    def pet_columns(self, pet: KeptPet) -> dict[str, Any]:
        """Name and species must be given. Raises ``ValueError`` where they are not."""
        if not pet.name or not pet.species:
            raise ValueError("a patient needs a name and a species")
        species = str(self.code("species", pet.species))
        return {
            "client_code": pet.client_id,
            "carer_code": pet.carer_id or None,
            "name": pet.name,
            "class": _CLASSES.get(species, "Other"),
            "species": species,
            "breed": pet.breed or None,
            "sex": self.code("sex", pet.sex) if pet.sex else None,
            "birth_date": str(pet.birth_date) if pet.birth_date else None,
            "deceased": pet.deceased,
            "active": pet.active and not pet.deceased,
            "deleted": pet.deleted,
            "modified_at": self._stamp(),
        }

    def pet_of(self, row: sqlite3.Row) -> KeptPet:
        """The pet of a row of patients."""
        return KeptPet(
            id=row["patient_number"],
            number=int(row["patient_number"]),
            client_id=row["client_code"],
            carer_id=row["carer_code"] or "",
            name=row["name"],
            species=self.word("species", row["species"]),
            breed=row["breed"] or "",
            sex=self.word("sex", row["sex"]) if row["sex"] else "",
            birth_date=date.fromisoformat(row["birth_date"]) if row["birth_date"] else None,
            deceased=bool(row["deceased"]),
            active=bool(row["active"]),
            deleted=bool(row["deleted"]),
        )

    def visit_columns(self, visit: KeptVisit) -> dict[str, Any]:
        """An appointment may be nobody's yet."""
        return {
            "starts": wall(visit.start),
            "ends": wall(visit.ends),
            "employee": self.code("resource", visit.resource or STAFF[0].code),
            "appointment_type": self.code("appointment_type", visit.appointment_type or SERVICES[0].code),
            "status": self.code("status", visit.status),
            "client_code": visit.client_id or None,
            "patient_number": visit.pet_id or None,
            "remarks": visit.notes,
            "cancelled": visit.deleted,
            "modified_at": self._stamp(),
        }

    def visit_of(self, row: sqlite3.Row) -> KeptVisit:
        """The appointment of a row of the diary."""
        start = datetime.fromisoformat(row["starts"])
        return KeptVisit(
            id=row["appointment_number"],
            client_id=row["client_code"] or "",
            pet_id=row["patient_number"] or "",
            start=start,
            minutes=int((datetime.fromisoformat(row["ends"]) - start).total_seconds()) // 60,
            resource=self.word("resource", row["employee"]),
            appointment_type=self.word("appointment_type", row["appointment_type"]),
            status=self.word("status", row["status"]),
            notes=row["remarks"],
            deleted=bool(row["cancelled"]),
        )

    def _stamp(self) -> str:
        return self.now().astimezone(UTC).isoformat(timespec="milliseconds")


class AnimanaSimulator(RehearsalApi):
    """A clinic with Animana, which other programs reach through its exports, and by an API for rehearsals."""

    vendor: ClassVar[str] = "animana"
    practice_class: ClassVar[type[Practice]] = AnimanaPractice


def build(**options: Any) -> AnimanaSimulator:
    """The simulator, not yet serving. Raises ``TypeError`` for an option that it does not take, ``ValueError``."""
    return AnimanaSimulator(**practice_options(options))


PRACTICE = AnimanaPractice
"""The practice, for whoever opens its database beside the simulator."""
