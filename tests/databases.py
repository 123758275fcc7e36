"""A small practice's database over real ODBC, for tests of the connector ``sql``: SQLite in a file, or PostgreSQL.

``NEEDED`` marks the tests that need the drivers: they are left out, with a word, where those are missing, and fail
with ``--with-odbc`` (`make test-all`).
"""

from __future__ import annotations

import itertools
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString, cast
from zoneinfo import ZoneInfo

import psycopg
import pytest

from connectors.sql.connector import Sql
from connectors.sql.options import SqlOptions
from connectors.sql.profile import SqlProfile
from tests import ledgers
from vetbridge.connector.clock import Clock
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock

NEEDED = pytest.mark.odbc
ADVICE = "apt-get install unixodbc libsqliteodbc odbc-postgresql"
PASSWORD = "a-password-of-the-database"
ZONE = "Europe/London"
SITE = ZoneInfo(ZONE)
NOW = datetime(2027, 6, 10, 9, 0, tzinfo=UTC)


def missing() -> str:
    """What of ODBC is missing on this machine; empty where nothing is."""
    try:
        import pyodbc  # noqa: PLC0415 - it cannot be imported where the system's ODBC is missing
    except ImportError as error:
        return f"ODBC is missing ({error}): {ADVICE}"
    drivers = {"SQLite3", "PostgreSQL Unicode"} - set(pyodbc.drivers())
    return f"ODBC drivers are missing ({', '.join(sorted(drivers))}): {ADVICE}" if drivers else ""


TABLES = """
CREATE TABLE OWNERS (OWNER_NO {guid} PRIMARY KEY, FIRST_NAME varchar(60), LAST_NAME varchar(60) NOT NULL,
    PHONE varchar(60), CELL varchar(60), EMAIL varchar(200), ACTIVE {bit}, DELETED {bit}, TAX_NO varchar(20));
CREATE TABLE ANIMALS (ANIMAL_NO int PRIMARY KEY, OWNER_NO {guid}, NAME varchar(60), SPECIES varchar(10),
    SEX varchar(10), BORN {time}, BREED varchar(40), WEIGHT decimal(6,2), DELETED {bit});
CREATE TABLE VISITS (VISIT_NO int PRIMARY KEY, OWNER_NO {guid}, ANIMAL_NO int, BEGINS {time}, MINUTES int,
    STATUS varchar(10), KIND varchar(10), VET varchar(10), NOTES varchar(4000), BY_WHOM varchar(20), WHY varchar(200),
    DELETED {bit});
CREATE TABLE SHOTS (SHOT_NO int PRIMARY KEY, ANIMAL_NO int, SERVICE varchar(20), TITLE varchar(60), GIVEN {time},
    DUE {time});
CREATE TABLE RECALLS (RECALL_NO int PRIMARY KEY, ANIMAL_NO int, SERVICE varchar(20), TITLE varchar(60), DUE {time},
    DONE {bit});
CREATE TABLE WORDS (LIST varchar(20), CODE varchar(10), TITLE varchar(40));
"""
CODES: Mapping[str, Mapping[str, str]] = {
    "species": {"dog": "K9", "cat": "FEL"},
    "sex": {"female": "F", "male_neutered": "MN"},
    "appointment_type": {"vaccination": "VAC", "checkup": "CHK"},
    "resource": {"vet_1": "V1", "vet_2": "V2"},
    "status": {"booked": "B", "confirmed": "C"},
}
COLUMNS: Mapping[Kind, tuple[str, Mapping[str, str]]] = {
    Kind.CLIENT: (
        "OWNERS",
        {"id": "OWNER_NO", "given_name": "FIRST_NAME", "family_name": "LAST_NAME", "active": "ACTIVE"},
    ),
    Kind.PET: (
        "ANIMALS",
        {
            "id": "ANIMAL_NO",
            "client_id": "OWNER_NO",
            "name": "NAME",
            "species": "SPECIES",
            "sex": "SEX",
            "birth_date": "BORN",
            "breed": "BREED",
        },
    ),
    Kind.APPOINTMENT: (
        "VISITS",
        {
            "id": "VISIT_NO",
            "client_id": "OWNER_NO",
            "pet_id": "ANIMAL_NO",
            "start": "BEGINS",
            "duration": "MINUTES",
            "status": "STATUS",
            "appointment_type": "KIND",
            "resource": "VET",
            "notes": "NOTES",
            "cancelled_by": "BY_WHOM",
            "cancel_reason": "WHY",
        },
    ),
    Kind.VACCINATION: (
        "SHOTS",
        {
            "id": "SHOT_NO",
            "pet_id": "ANIMAL_NO",
            "service": "SERVICE",
            "name": "TITLE",
            "given_on": "GIVEN",
            "due_on": "DUE",
        },
    ),
    Kind.REMINDER: (
        "RECALLS",
        {
            "id": "RECALL_NO",
            "pet_id": "ANIMAL_NO",
            "service": "SERVICE",
            "name": "TITLE",
            "due_on": "DUE",
            "completed": "DONE",
        },
    ),
}
"""The tables, and which column each field comes from."""


def profile(**changes: Any) -> dict[str, Any]:
    """The site's profile as its YAML says it; ``changes`` are laid over its kinds' parts: ``client={...}``."""
    kinds: dict[str, Any] = {}
    for kind, (table, columns) in COLUMNS.items():
        key = columns["id"]
        kinds[kind.value] = {"key": key, "select": f"SELECT * FROM {table}", "fields": dict(columns)}  # noqa: S608
    kinds["client"] |= {"deleted_when": {"column": "DELETED"}}
    kinds["client"]["fields"] |= {"phones": {"all": ["PHONE", "CELL"]}, "emails": "EMAIL"}
    kinds["pet"] |= {"deleted_when": {"column": "DELETED"}}
    kinds["appointment"] |= {
        "select": "SELECT * FROM VISITS WHERE BEGINS >= ? AND BEGINS < ?",
        "window": {"back_days": 7, "ahead_days": 400},
        "deleted_when": {"column": "DELETED"},
    }
    whole: dict[str, Any] = {"kinds": kinds, "proven": "made up for tests"}
    whole["codes"] = {
        name: {"select": f"SELECT CODE, TITLE FROM WORDS WHERE LIST = '{name}'"}  # noqa: S608
        for name in CODES
    }
    for name, change in changes.items():
        if name in kinds:
            kinds[name] |= change
        else:
            whole[name] = change
    return whole


NEXT = "(SELECT COALESCE(MAX(VISIT_NO), 0) + 1 FROM VISITS)"
CREATE = """
INSERT INTO VISITS (VISIT_NO, OWNER_NO, ANIMAL_NO, BEGINS, MINUTES, STATUS, KIND, VET, NOTES, DELETED)
VALUES (NEXT, :client_id, CAST(:pet_id AS int), :start, :duration, :status, :appointment_type, :resource, :notes,
CAST(0 AS {bit}))
""".replace("NEXT", NEXT)
TAKEN = """
SELECT VISIT_NO FROM VISITS
WHERE VET = :resource AND BEGINS < :end AND BEGINS >= :start AND DELETED = CAST(0 AS {bit})
"""
UPDATE = (
    "UPDATE VISITS SET BEGINS = :start, MINUTES = :duration, VET = :resource, KIND = :appointment_type, "
    "STATUS = :status WHERE VISIT_NO = CAST(:id AS int)"
)
CANCEL = (
    "UPDATE VISITS SET DELETED = CAST(1 AS {bit}), BY_WHOM = :by, WHY = :reason WHERE VISIT_NO = CAST(:id AS int)"
)


def template(base: Database, **changes: Any) -> dict[str, Any]:
    """A profile whose site has approved a statement for each write."""
    bit = "boolean" if base.dialect == "postgresql" else "int"
    writes = {
        "create": {"mode": "template", "statement": CREATE.format(bit=bit), "precheck": TAKEN.format(bit=bit)},
        "update": {"mode": "template", "statement": UPDATE, "precheck": None},
        "cancel": {"mode": "template", "statement": CANCEL.format(bit=bit)},
        "unlinked": "yes",
    }
    for name, change in changes.items():
        writes[name] |= change
    return profile(writes={"appointment": writes})


class Database(ABC):
    """The practice's own way to its database, past VetBridge."""

    dialect: str
    connection: str

    def __init__(self) -> None:
        self._number = 100

    @abstractmethod
    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """A statement, with ``?`` for values; committed."""

    @abstractmethod
    def close(self) -> None:
        """Ends it."""

    def made(self, bit: str, time: str, guid: str) -> None:
        """Makes the tables and the lists."""
        for statement in TABLES.format(bit=bit, time=time, guid=guid).split(";"):
            if statement.strip():
                self.run(statement)
        for name, codes in CODES.items():
            for word, code in codes.items():
                self.run("INSERT INTO WORDS VALUES (?, ?, ?)", (name, code, word))

    def enter(self, kind: Kind, native: Mapping[str, Any]) -> str:
        """Somebody enters a record, given as a neutral one; returns its id."""
        self._number += 1
        number: Any = self._number
        row = self._row(kind, native)
        if kind is Kind.CLIENT:
            number = f"{self._number:08X}-AAAA-4BBB-8CCC-0123456789AB"
            row |= {"DELETED": False} | ({} if "ACTIVE" in row else {"ACTIVE": True})
        elif kind in (Kind.PET, Kind.APPOINTMENT):
            row["DELETED"] = False
        table, columns = COLUMNS[kind]
        row = {columns["id"]: number, **row}
        marks = ", ".join("?" * len(row))
        self.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608
        return str(number)

    def change(self, kind: Kind, id_: str, native: Mapping[str, Any]) -> None:
        """Somebody changes fields of a record."""
        table, columns = COLUMNS[kind]
        row = self._row(kind, native)
        parts = ", ".join(f"{name} = ?" for name in row)
        self.run(f"UPDATE {table} SET {parts} WHERE {columns['id']} = ?", [*row.values(), self.key(kind, id_)])  # noqa: S608

    def cancel(self, id_: str, *, by: str, reason: str) -> None:
        """Somebody cancels a visit."""
        self.run(
            "UPDATE VISITS SET DELETED = ?, BY_WHOM = ?, WHY = ? WHERE VISIT_NO = ?", (True, by, reason, int(id_))
        )

    def remove(self, kind: Kind, id_: str) -> None:
        """A row is deleted for good."""
        table, columns = COLUMNS[kind]
        self.run(f"DELETE FROM {table} WHERE {columns['id']} = ?", (self.key(kind, id_),))  # noqa: S608

    def empty(self, kind: Kind) -> None:
        """A purge."""
        self.run(f"DELETE FROM {COLUMNS[kind][0]}")  # noqa: S608

    def owners(self, count: int) -> list[str]:
        """Some owners at the beginning."""
        return [
            self.enter(Kind.CLIENT, {"given_name": "Seed", "family_name": f"No {n}", "phones": [f"020 7946 {n:04d}"]})
            for n in range(count)
        ]

    @staticmethod
    def key(kind: Kind, id_: str) -> Any:
        """An id as its column holds it."""
        return id_ if kind is Kind.CLIENT else int(id_)

    def _row(self, kind: Kind, native: Mapping[str, Any]) -> dict[str, Any]:
        columns = COLUMNS[kind][1]
        row = {columns[name]: value for name, value in native.items() if name in columns and name != "id"}
        if kind is Kind.CLIENT and "phones" in native:
            row["PHONE"], row["CELL"] = [*native["phones"], None, None][:2]
        if kind is Kind.CLIENT and "emails" in native:
            row["EMAIL"] = next(iter(native["emails"]), None)
        if row.get("ANIMAL_NO") is not None:
            row["ANIMAL_NO"] = int(row["ANIMAL_NO"])
        if row.get("MINUTES") is not None:
            row["MINUTES"] //= 60
        days = {name: f"{row[name]} 00:00:00" for name in ("BORN", "GIVEN", "DUE") if row.get(name)}
        return row | days


class SqliteDatabase(Database):
    """In a file of a folder."""

    dialect = "sqlite"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.file = folder / "practice.sqlite3"
        self.connection = f"Driver=SQLite3;Database={self.file};PWD={PASSWORD}"
        self._db = sqlite3.connect(self.file, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        with self._db:
            self._db.execute("BEGIN")
            self.made(bit="bit", time="datetime", guid="uniqueidentifier")
        [(self._version,)] = self.run("PRAGMA data_version")

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(statement, tuple(values)).fetchall()

    def written_by_others(self) -> int:
        """Transactions of others that have changed the file."""
        [(version,)] = self.run("PRAGMA data_version")
        return int(version) - int(self._version)

    def close(self) -> None:
        self._db.close()


class PostgresDatabase(Database):
    """In a database of its own on a server of the tests' own, with a login that may only read."""

    dialect = "postgresql"

    def __init__(self, server: ledgers.Server) -> None:
        super().__init__()
        self.name = f"practice_{next(_NUMBERS)}"
        server.create(self.name)
        self.own_address = server.address(self.name)
        self._db = psycopg.connect(self.own_address, autocommit=True)
        self._socket = server.folder / "data"
        self.made(bit="boolean", time="timestamp", guid="uuid")
        self.run("DROP ROLE IF EXISTS reader")
        self.run("CREATE ROLE reader LOGIN")
        self.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        self.connection = self.as_user("reader")

    def as_user(self, user: str) -> str:
        """The connection string of a login."""
        return (
            f"Driver={{PostgreSQL Unicode}};Server={self._socket};Database={self.name};UID={user};PWD={PASSWORD};"
            "BoolsAsChar=0"
        )

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found = self._db.execute(cast(LiteralString, statement.replace("?", "%s")), values or None)
        return found.fetchall() if found.description else []

    def close(self) -> None:
        self.run("DROP OWNED BY reader")
        self._db.close()


_NUMBERS = itertools.count(1)


def connector(database: Database, clock: Clock | None = None, **changes: Any) -> Sql:
    """The connector at a database. ``changes`` are options, or under ``profile`` a profile as its YAML says it."""
    said = changes.pop("profile", None) or profile()
    options = SqlOptions.model_validate(
        {
            "profile": "impromed",  # not asked for: the profile is given
            "dialect": database.dialect,
            "connection": Secret.of(changes.pop("connection", database.connection)),
            "page_size": 10,
            "lock_timeout": 0.5,
            **changes,
        }
    )
    environment = Environment(account="under-test", zone=ZONE, country="GB", clock=clock or FakeClock(NOW))
    return Sql(SqlProfile.model_validate(said), options, environment)
