"""A stand-in for a clinic that runs ImproMed: its SQL Server tables as the vendor sheet knows them, in SQLite.

Written from impromed.md, section 2, and never compared with a live site. The tables have the columns that a public
source shows; where a source shows only a program's own names for them, as of ``APPT_STATUS`` and ``SPECIES``, the
spelling is a guess, and a profile must not rest on it. What the sheet does not know is chosen here:

- ``TYPE`` of an appointment is the number of the clinic's service, ``WHO_FOR`` is always 1. The part of a visit that
  was booked first, or alone, has ``IS_HEADER`` 1; ``CLUSTER_DURATION`` are the minutes of the part.
- A cancelled appointment is ``DELETED``; so is a client who was merged away. ``SEX`` are the words of ``SEXES``.
- Phones stand in ``HOME_PHONE`` and ``WORK_PHONE``, as there is no column for a mobile one; more of them, and what a
  client wished, stand in ``COMMENT``. The second person on a card stands in the spouse columns.
- Breeds are GUIDs that nobody has the names of. Vets are GUIDs, too: no table of them is known.

The columns of social security numbers and licences hold values that nobody may ever see (``SECRETS``). SQLite has no
``dbo``: whoever reads attaches the file under that name. Times are text in the form that ODBC knows as datetime.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, ClassVar

from vetbridge.core.records import Kind
from vetbridge.testing.clinic import SERVICES, STAFF
from vetbridge.testing.practice import KeptClient, KeptPet, KeptVisit, Practice, Report, Table, wall
from vetbridge.testing.practice.simulator import PracticeSimulator, practice_options

SECRETS = ("555-00-1111", "555-00-2222", "LICENCE-3333", "LICENCE-4444")
"""Social security numbers and licences that stand on every card."""
SEXES: Mapping[str, str] = {
    "male": "Male",
    "female": "Female",
    "male_neutered": "Male Neutered",
    "female_neutered": "Female Spayed",
    "unknown": "Unknown",
}
NOBODY = "00000000-0000-0000-0000-000000000000"
"""A GUID that points to nothing."""
_SITE = uuid.UUID("6f1d0b52-4a5e-5c38-9d0c-0d8a1c1f7a11")


def guid(*parts: object) -> str:
    """A GUID that is always the same for the same words, in upper case, as SQL Server shows them."""
    return str(uuid.uuid5(_SITE, ":".join(str(part) for part in parts))).upper()


CODE_LISTS: Mapping[str, Mapping[str, str | int]] = {
    "species": {word: guid("species", word) for word in ("dog", "cat", "rabbit", "other")},
    "sex": SEXES,
    "appointment_type": {service.code: service.number for service in SERVICES},
    "resource": {member.code: guid("resource", member.code) for member in STAFF},
    "status": {
        word: guid("status", word) for word in ("held", "booked", "confirmed", "arrived", "completed", "no_show")
    },
}
"""What a site's config would say about this site: VetBridge's words and the site's values."""
STATUS_NAMES: Mapping[str, str] = {
    "held": "Reserved",
    "booked": "Scheduled",
    "confirmed": "Confirmed",
    "arrived": "Checked in",
    "completed": "Checked out",
    "no_show": "No show",
}

_SCHEMA = """
CREATE TABLE CLIENTS (
    CLIENT_GUID uniqueidentifier PRIMARY KEY, PRACTICE_VID smallint NOT NULL, CLIENT_ACCOUNT_ID varchar(20) NOT NULL,
    FIRST_NAME nvarchar(50) NOT NULL, LAST_NAME nvarchar(50) NOT NULL,
    SPOUSE_FIRST_NAME nvarchar(50), SPOUSE_LAST_NAME nvarchar(50),
    STREET_ADDRESS_1 nvarchar(100), STREET_ADDRESS_2 nvarchar(100), CITY_STATE_GUID uniqueidentifier,
    ZIPCODE varchar(20), HOME_PHONE varchar(30), WORK_PHONE varchar(30), FAX_NUMBER varchar(30),
    EMAIL_ADDRESS nvarchar(200), ACTIVE bit NOT NULL, FIRST_VISIT datetime, LATEST_VISIT datetime, TOTAL_SALES float,
    DELETED bit NOT NULL, SALUTATION nvarchar(50), CREATE_DATE_TIME datetime NOT NULL,
    CREATE_USER_GUID uniqueidentifier NOT NULL, CREATE_WORKSTATION_GUID uniqueidentifier NOT NULL,
    MONETARY_FLAG smallint, DISCOUNT_GUID uniqueidentifier, COMMENT nvarchar(4000), TOTAL_VISITS int,
    REFERRAL_SOURCE_GUID uniqueidentifier, TOTAL_REFERRALS int, CLIENT_TYPE_GUID uniqueidentifier,
    IMAGE_GUID uniqueidentifier, SOCIAL_SECUR_NUM varchar(20), SPOUSE_SOCIAL_SECUR_NUM varchar(20),
    PREFERRED_COMM_METHOD_GUID uniqueidentifier, DELETED_UNIQIFYING_GUID uniqueidentifier, TAX_EXEMPT bit,
    DRIVER_LICENSE varchar(40), SPOUSE_DRIVER_LICENSE varchar(40), PREVIOUS_ACCOUNT_ID varchar(20)
);
CREATE TABLE PATIENTS (
    PATIENT_GUID uniqueidentifier PRIMARY KEY, CLIENT_GUID uniqueidentifier NOT NULL,
    SPECIES_GUID uniqueidentifier NOT NULL, BREED_GUID uniqueidentifier, COLOR_GUID uniqueidentifier,
    PATIENT_ACCOUNT_ID varchar(20) NOT NULL, PATIENT_NAME nvarchar(50) NOT NULL, STABLE_GUID uniqueidentifier,
    SEX nvarchar(30), BIRTHDATE datetime, ACTIVE bit NOT NULL, LATEST_VISIT datetime, PRACTICE_VID smallint NOT NULL,
    DELETED bit NOT NULL, CREATE_DATE_TIME datetime NOT NULL, CREATE_USER_GUID uniqueidentifier NOT NULL,
    CREATE_WORKSTATION_GUID uniqueidentifier NOT NULL, DECEASED_DATE datetime, FIRST_VISIT datetime,
    MATURITY_CODE smallint, MEDICAL_ALERT nvarchar(200), CHRONIC_AILMENT nvarchar(200),
    CONTINUOUS_MEDICATION nvarchar(200), COMMENT nvarchar(4000), WEIGHT float,
    DOCTOR_PREFERENCE_GUID uniqueidentifier, IMAGE_GUID uniqueidentifier, TATTOO_NUM varchar(30),
    AVID_CHIP_NUM varchar(30), REFERRAL_SOURCE_GUID uniqueidentifier, RABIES_TAG_NUMBER varchar(30),
    RABIES_SERIAL_NUMBER varchar(30), RABIES_BRAND_NAME varchar(50), DELETED_UNIQIFYING_GUID uniqueidentifier,
    SPECIAL_INSTRUCTIONS nvarchar(4000)
);
CREATE TABLE APPT_M (
    APPT_GUID uniqueidentifier PRIMARY KEY, SERIES_GUID uniqueidentifier NOT NULL,
    CLUSTER_GUID uniqueidentifier NOT NULL, PARENT_SERIES_GUID uniqueidentifier NOT NULL,
    SERIES_ID varchar(50) NOT NULL, PRACTICE_VID smallint NOT NULL, TYPE smallint NOT NULL,
    STATUS_GUID uniqueidentifier NOT NULL, START_TIME datetime NOT NULL, END_TIME datetime NOT NULL,
    RESOURCE_GUID uniqueidentifier NOT NULL, PATIENT_GUID uniqueidentifier NOT NULL, WHO_FOR smallint NOT NULL,
    WHO_FOR_GUID uniqueidentifier NOT NULL, NOTES nvarchar(4000) NOT NULL, HAS_MULTI_DAYS bit NOT NULL,
    IS_RECUR bit NOT NULL, IS_HEADER bit NOT NULL, CREATE_DATE_TIME datetime NOT NULL,
    CREATE_OPERATOR_GUID uniqueidentifier NOT NULL, CREATE_WORKSTATION_GUID uniqueidentifier NOT NULL,
    DELETED bit NOT NULL, DELETE_FROM_CLUSTER bit NOT NULL, CLUSTER_DURATION bigint NOT NULL,
    SESSION_GUID uniqueidentifier
);
CREATE INDEX APPT_M_START ON APPT_M (START_TIME);
CREATE TABLE APPT_STATUS (
    STATUS_GUID uniqueidentifier PRIMARY KEY, CATEGORY smallint NOT NULL, NAME nvarchar(50) NOT NULL,
    DESCRIPTION nvarchar(200), PRACTICE_VID smallint NOT NULL, DELETED bit NOT NULL
);
CREATE TABLE SPECIES (SPECIES_GUID uniqueidentifier PRIMARY KEY, SPECIES_NAME nvarchar(50) NOT NULL)
"""


class ImproMedPractice(Practice):
    """The records of a clinic with ImproMed."""

    system: ClassVar[str] = "impromed"
    schema: ClassVar[str] = _SCHEMA
    tables: ClassVar[Mapping[Kind, Table]] = {
        Kind.CLIENT: Table("CLIENTS", "CLIENT_GUID", "CLIENT_ACCOUNT_ID"),
        Kind.PET: Table("PATIENTS", "PATIENT_GUID", "PATIENT_ACCOUNT_ID"),
        Kind.APPOINTMENT: Table("APPT_M", "APPT_GUID"),
    }
    codes: ClassVar[Mapping[str, Mapping[str, str | int]]] = CODE_LISTS
    visits_select: ClassVar[str] = (
        "SELECT v.*, p.CLIENT_GUID FROM APPT_M v LEFT JOIN PATIENTS p ON p.PATIENT_GUID = v.PATIENT_GUID"
    )

    reports: ClassVar[Mapping[Kind, Report]] = {
        Kind.CLIENT: Report(
            name="clients",
            select="SELECT CLIENT_GUID, CLIENT_ACCOUNT_ID, FIRST_NAME, LAST_NAME, SPOUSE_FIRST_NAME,"
            " SPOUSE_LAST_NAME, STREET_ADDRESS_1, STREET_ADDRESS_2, ZIPCODE, HOME_PHONE, WORK_PHONE, EMAIL_ADDRESS,"
            " ACTIVE, DELETED, CREATE_DATE_TIME FROM CLIENTS ORDER BY LAST_NAME, FIRST_NAME, CLIENT_GUID",
        ),
        Kind.PET: Report(
            name="patients",
            select="SELECT PATIENT_GUID, CLIENT_GUID, PATIENT_ACCOUNT_ID, PATIENT_NAME, SPECIES_GUID, BREED_GUID,"
            " SEX, BIRTHDATE, DECEASED_DATE, ACTIVE, DELETED FROM PATIENTS ORDER BY PATIENT_NAME, PATIENT_GUID",
        ),
        Kind.APPOINTMENT: Report(
            name="appointments",
            select="SELECT v.APPT_GUID, p.CLIENT_GUID, v.PATIENT_GUID, v.RESOURCE_GUID, v.STATUS_GUID, v.TYPE,"
            " v.START_TIME, v.END_TIME, v.NOTES, v.DELETED FROM APPT_M v LEFT JOIN PATIENTS p"
            " ON p.PATIENT_GUID = v.PATIENT_GUID WHERE v.START_TIME >= ? AND v.START_TIME < ?"
            " ORDER BY v.START_TIME, v.APPT_GUID",
            windowed=True,
        ),
    }

    def fill_lists(self) -> None:
        """Statuses and species."""
        for place, (word, name) in enumerate(STATUS_NAMES.items()):
            self.write(
                "INSERT INTO APPT_STATUS VALUES (?, ?, ?, ?, 1, 0)", CODE_LISTS["status"][word], place, name, name
            )
        for word, code in CODE_LISTS["species"].items():
            self.write("INSERT INTO SPECIES VALUES (?, ?)", code, word.capitalize())

    def new_id(self, kind: Kind, number: int) -> str:
        """A GUID."""
        return guid(self.seed, kind, number)

    def made_columns(self, kind: Kind, record: Any) -> dict[str, Any]:
        """Who entered it and when, and what nobody ever changes."""
        made = {"PRACTICE_VID": 1, "CREATE_DATE_TIME": wall(self.today()), "CREATE_WORKSTATION_GUID": guid("desk")}
        if kind is Kind.CLIENT:
            names = ("SOCIAL_SECUR_NUM", "SPOUSE_SOCIAL_SECUR_NUM", "DRIVER_LICENSE", "SPOUSE_DRIVER_LICENSE")
            return {**made, "CREATE_USER_GUID": guid("user"), **dict(zip(names, SECRETS, strict=True))}
        if kind is Kind.PET:
            return {**made, "CREATE_USER_GUID": guid("user")}
        own = guid(self.seed, "series", record.id)
        return {
            **made,
            "CREATE_OPERATOR_GUID": guid("user"),
            "SERIES_GUID": record.series or own,
            "PARENT_SERIES_GUID": record.series or own,
            "SERIES_ID": "",
            "CLUSTER_GUID": record.cluster or guid(self.seed, "cluster", record.id),
            "IS_HEADER": not record.cluster or not self._stands("CLUSTER_GUID", record.cluster),
            "IS_RECUR": bool(record.series),
            "WHO_FOR": 1,
            "HAS_MULTI_DAYS": 0,
            "DELETE_FROM_CLUSTER": 0,
        }

    def client_columns(self, client: KeptClient) -> dict[str, Any]:
        """Two phones have columns."""
        home, work, *more = (*client.phones, "", "")
        noted = [text for text in (client.comment, *more) if text]
        return {
            "FIRST_NAME": client.given_name,
            "LAST_NAME": client.family_name,
            "SPOUSE_FIRST_NAME": client.partner_given_name or None,
            "SPOUSE_LAST_NAME": client.partner_family_name or None,
            "HOME_PHONE": home or None,
            "WORK_PHONE": work or None,
            "EMAIL_ADDRESS": client.email or None,
            "COMMENT": "\n".join(noted) or None,
            "ACTIVE": client.active,
            "DELETED": client.deleted,
        }

    def client_of(self, row: sqlite3.Row) -> KeptClient:
        """The client of a row of CLIENTS."""
        return KeptClient(
            id=row["CLIENT_GUID"],
            number=int(row["CLIENT_ACCOUNT_ID"]),
            given_name=row["FIRST_NAME"],
            family_name=row["LAST_NAME"],
            partner_given_name=row["SPOUSE_FIRST_NAME"] or "",
            partner_family_name=row["SPOUSE_LAST_NAME"] or "",
            phones=tuple(phone for phone in (row["HOME_PHONE"], row["WORK_PHONE"]) if phone),
            email=row["EMAIL_ADDRESS"] or "",
            comment=row["COMMENT"] or "",
            active=bool(row["ACTIVE"]),
            deleted=bool(row["DELETED"]),
        )

    def pet_columns(self, pet: KeptPet) -> dict[str, Any]:
        """A pet that died has the day of it."""
        return {
            "CLIENT_GUID": pet.client_id,
            "PATIENT_NAME": pet.name,
            "SPECIES_GUID": self.code("species", pet.species or "other"),
            "BREED_GUID": guid("breed", pet.breed) if pet.breed else None,
            "SEX": self.code("sex", pet.sex or "unknown"),
            "BIRTHDATE": f"{pet.birth_date} 00:00:00" if pet.birth_date else None,
            "DECEASED_DATE": wall(self.today()) if pet.deceased else None,
            "ACTIVE": pet.active and not pet.deceased,
            "DELETED": pet.deleted,
        }

    def pet_of(self, row: sqlite3.Row) -> KeptPet:
        """The pet of a row of PATIENTS."""
        return KeptPet(
            id=row["PATIENT_GUID"],
            number=int(row["PATIENT_ACCOUNT_ID"]),
            client_id=row["CLIENT_GUID"],
            name=row["PATIENT_NAME"],
            species=self.word("species", row["SPECIES_GUID"]),
            sex=self.word("sex", row["SEX"]),
            birth_date=date.fromisoformat(row["BIRTHDATE"][:10]) if row["BIRTHDATE"] else None,
            deceased=row["DECEASED_DATE"] is not None,
            active=bool(row["ACTIVE"]),
            deleted=bool(row["DELETED"]),
        )

    def visit_columns(self, visit: KeptVisit) -> dict[str, Any]:
        """An appointment is a patient's."""
        if not visit.pet_id:
            raise ValueError("an appointment needs a patient")
        return {
            "PATIENT_GUID": visit.pet_id,
            "WHO_FOR_GUID": visit.pet_id,
            "START_TIME": wall(visit.start),
            "END_TIME": wall(visit.ends),
            "CLUSTER_DURATION": visit.minutes,
            "RESOURCE_GUID": self.code("resource", visit.resource or STAFF[0].code),
            "TYPE": self.code("appointment_type", visit.appointment_type or SERVICES[0].code),
            "STATUS_GUID": self.code("status", visit.status),
            "NOTES": visit.notes,
            "DELETED": visit.deleted,
        }

    def visit_of(self, row: sqlite3.Row) -> KeptVisit:
        """The appointment of a row of APPT_M, with the client of its patient."""
        start = datetime.fromisoformat(row["START_TIME"])
        end = datetime.fromisoformat(row["END_TIME"])
        return KeptVisit(
            id=row["APPT_GUID"],
            client_id=row["CLIENT_GUID"] or "",
            pet_id=row["PATIENT_GUID"],
            start=start,
            minutes=int((end - start).total_seconds()) // 60,
            resource=self.word("resource", row["RESOURCE_GUID"]),
            appointment_type=self.word("appointment_type", row["TYPE"]),
            status=self.word("status", row["STATUS_GUID"]),
            notes=row["NOTES"],
            deleted=bool(row["DELETED"]),
            series=row["SERIES_GUID"],
            cluster=row["CLUSTER_GUID"],
        )

    def _stands(self, column: str, value: str) -> bool:
        return bool(self.rows(f"SELECT 1 FROM APPT_M WHERE {column} = ?", (value,)))  # noqa: S608


class ImproMedSimulator(PracticeSimulator):
    """A clinic with ImproMed, which other programs reach through its database and its exports alone."""

    vendor: ClassVar[str] = "impromed"
    practice_class: ClassVar[type[Practice]] = ImproMedPractice


def build(**options: Any) -> ImproMedSimulator:
    """The simulator, not yet serving. Raises ``TypeError`` for an option that it does not take, ``ValueError``."""
    return ImproMedSimulator(**practice_options(options))


PRACTICE = ImproMedPractice
"""The practice, for whoever opens its database beside the simulator."""
