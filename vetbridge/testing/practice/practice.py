"""A practice system without an API: a SQLite database that staff write and other programs read."""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar
from zoneinfo import ZoneInfo

from vetbridge.core.records import Kind
from vetbridge.testing.clinic import SERVICES, STAFF, Clinic, Owner, PetSeed
from vetbridge.testing.practice.exports import Report
from vetbridge.testing.practice.records import (
    FIRST_CLIENT,
    FIRST_NEW,
    FIRST_PET,
    FIRST_VISIT,
    KeptClient,
    KeptPet,
    KeptVisit,
)

if TYPE_CHECKING:
    from vetbridge.testing.twins.sides import TwinSides

DATABASE_FILE = "practice.sqlite3"
"""Name of the database inside a simulator's data folder."""

_OWN = "CREATE TABLE _sim (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
"""The simulator's own table: no vendor has it."""
_BUSY_SECONDS = 30.0
_One = TypeVar("_One", KeptClient, KeptPet, KeptVisit)


class NoSuchRecord(LookupError):
    """The practice holds no record of this id or number."""


@dataclass(frozen=True, slots=True)
class Table:
    """Where the records of one kind stand. ``number`` is the column of what staff call them; None: they have none."""

    name: str
    key: str
    number: str | None = None


class Practice(ABC):
    """One clinic's records. A vendor's subclass says which tables hold them and how.

    The file may be opened several times, by other programs and processes too: writing takes turns, and readers see
    only what was committed. ``now`` is a clock with an offset; ``writable=False`` opens the records for an audit.
    Raises ``FileNotFoundError`` where there is none to read, ``ValueError`` where the file holds another system's.
    """

    system: ClassVar[str]
    schema: ClassVar[str]
    """The tables, and the lists that a new database is filled with."""
    tables: ClassVar[Mapping[Kind, Table]]
    codes: ClassVar[Mapping[str, Mapping[str, str | int]]]
    """By code list, VetBridge's words and the practice's values, as a site's config would say them."""

    def __init__(
        self,
        file: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        zone: str = "Europe/London",
        seed: int = 1,
        writable: bool = True,
    ) -> None:
        self.file = file
        self.now = now
        self._turn = threading.RLock()
        self._open_transactions = 0
        if not writable and not file.is_file():
            raise FileNotFoundError(f"no practice's database at {file}")
        target = str(file) if writable else f"{file.resolve().as_uri()}?mode=ro"
        self._db = sqlite3.connect(
            target, uri=not writable, check_same_thread=False, isolation_level=None, timeout=_BUSY_SECONDS
        )
        self._db.row_factory = sqlite3.Row
        try:
            if writable:
                self._prepare(zone, seed)
            said = dict(self._db.execute("SELECT name, value FROM _sim").fetchall())
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ValueError(f"{file} is no practice's database: {error}") from None
        if said["system"] != self.system:
            self._db.close()
            raise ValueError(f"{file} holds the records of {said['system']}, not of {self.system}")
        self.zone = said["zone"]
        self.seed = int(said["seed"])

    def _prepare(self, zone: str, seed: int) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        with self.writing():
            if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = '_sim'").fetchone():
                return
            self._db.execute(_OWN)
            for statement in self.schema.split(";"):
                self._db.execute(statement)
            said = {"system": self.system, "zone": zone, "seed": str(seed)}
            self._db.executemany("INSERT INTO _sim VALUES (?, ?)", said.items())
            self.fill_lists()

    def close(self) -> None:
        """Closes this way to the file."""
        with self._turn:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What is written inside is committed together at the end, or not at all when an exception leaves it."""
        with self._turn:
            if self._open_transactions == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._open_transactions += 1
            try:
                yield
            except BaseException:
                self._open_transactions -= 1
                if self._open_transactions == 0:
                    self._db.execute("ROLLBACK")
                raise
            self._open_transactions -= 1
            if self._open_transactions == 0:
                self._db.execute("COMMIT")

    # -- what a vendor's subclass says

    @abstractmethod
    def fill_lists(self) -> None:
        """Fills the small tables that records point to."""

    @abstractmethod
    def new_id(self, kind: Kind, number: int) -> str:
        """The key of a new record: stable by kind and number, and never given twice."""

    @abstractmethod
    def made_columns(self, kind: Kind, record: Any) -> dict[str, Any]:
        """Columns that are written once, when a record is made."""

    @abstractmethod
    def client_columns(self, client: KeptClient) -> dict[str, Any]:
        """The columns that say what a client's card says."""

    @abstractmethod
    def pet_columns(self, pet: KeptPet) -> dict[str, Any]:
        """The columns that say what is known of a pet."""

    @abstractmethod
    def visit_columns(self, visit: KeptVisit) -> dict[str, Any]:
        """The columns that say what an appointment is. Raises ``ValueError`` where it cannot be kept so."""

    @abstractmethod
    def client_of(self, row: sqlite3.Row) -> KeptClient:
        """The client of a row."""

    @abstractmethod
    def pet_of(self, row: sqlite3.Row) -> KeptPet:
        """The pet of a row."""

    @abstractmethod
    def visit_of(self, row: sqlite3.Row) -> KeptVisit:
        """The appointment of a row of ``visits_select``."""

    reports: ClassVar[Mapping[Kind, Report]]
    """What the site's report tool can write."""
    merged_vanish: ClassVar[bool] = False
    """What was merged into another is gone, instead of deleted."""
    visits_select: ClassVar[str]
    """Selects appointments, without WHERE, with all that ``visit_of`` needs; their table is called ``v``."""

    # -- reading

    def clients(self, *, deleted: bool = False) -> tuple[KeptClient, ...]:
        """All clients, with those that were merged away or deleted if asked for."""
        found = (self.client_of(row) for row in self.rows(f"SELECT * FROM {self.tables[Kind.CLIENT].name}"))  # noqa: S608
        return tuple(sorted((one for one in found if deleted or not one.deleted), key=lambda one: one.number))

    def pets(self, *, deleted: bool = False) -> tuple[KeptPet, ...]:
        """All pets."""
        found = (self.pet_of(row) for row in self.rows(f"SELECT * FROM {self.tables[Kind.PET].name}"))  # noqa: S608
        return tuple(sorted((one for one in found if deleted or not one.deleted), key=lambda one: one.number))

    def visits(self, *, deleted: bool = False) -> tuple[KeptVisit, ...]:
        """All appointments, with the cancelled ones if asked for, by their start."""
        found = (self.visit_of(row) for row in self.rows(self.visits_select))
        return tuple(
            sorted((one for one in found if deleted or not one.deleted), key=lambda one: (one.start, one.id))
        )

    def client(self, id: str) -> KeptClient:  # noqa: A002 - the field's word
        """The client of an id or number. Raises ``NoSuchRecord``."""
        return self.client_of(self._row(Kind.CLIENT, id))

    def pet(self, id: str) -> KeptPet:  # noqa: A002 - the field's word
        """The pet of an id or number. Raises ``NoSuchRecord``."""
        return self.pet_of(self._row(Kind.PET, id))

    def pets_of(self, client_id: str) -> tuple[KeptPet, ...]:
        """The pets of a client that are not deleted, with those of which it owns a share."""
        return tuple(pet for pet in self.pets() if pet.is_owned_by(client_id))

    def visit(self, id: str) -> KeptVisit:  # noqa: A002 - the field's word
        """The appointment of an id. Raises ``NoSuchRecord``."""
        return self.visit_of(self._row(Kind.APPOINTMENT, id))

    def rows(self, select: str, parameters: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Rows of the vendor's own tables."""
        with self._turn, closing(self._db.execute(select, parameters)) as cursor:
            return cursor.fetchall()

    def table(self, select: str, parameters: tuple[Any, ...] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The columns of a selection as it heads them, and its rows."""
        with self._turn, closing(self._db.execute(select, parameters)) as cursor:
            return [column[0] for column in cursor.description], [tuple(row) for row in cursor]

    def write(self, statement: str, *parameters: Any) -> None:
        """Runs one statement on the vendor's own tables."""
        with self.writing():
            self._db.execute(statement, parameters)

    def code(self, of: str, word: str) -> str | int:
        """The practice's value for VetBridge's word; a value of the practice's own is taken as it is."""
        return self.codes[of].get(word, word)

    def word(self, of: str, value: object) -> str:
        """VetBridge's word for a value of the practice; the value where there is none."""
        text = str(value)
        return next((word for word, code in self.codes[of].items() if str(code).lower() == text.lower()), text)

    # -- what staff do

    def register_client(self, **values: Any) -> KeptClient:
        """Enters a client, by the fields of ``KeptClient``."""
        return self._make(Kind.CLIENT, KeptClient(**values))

    def register_pet(self, **values: Any) -> KeptPet:
        """Enters a pet. Raises ``NoSuchRecord`` where its client is not there."""
        pet = KeptPet(**values)
        return self._make(Kind.PET, replace(pet, client_id=self.client(pet.client_id).id))

    def book(self, **values: Any) -> KeptVisit:
        """Enters an appointment; whose it is follows from the pet. Raises ``NoSuchRecord``, ``ValueError``."""
        return self._make(Kind.APPOINTMENT, self._settled(KeptVisit(**values)))

    def change_client(self, id: str, **values: Any) -> KeptClient:  # noqa: A002 - the field's word
        """Writes these fields of a client anew. Raises ``NoSuchRecord``."""
        with self.writing():
            return self._save(Kind.CLIENT, replace(self.client(id), **values))

    def change_pet(self, id: str, **values: Any) -> KeptPet:  # noqa: A002 - the field's word
        """Writes these fields of a pet anew, its owner's too. Raises ``NoSuchRecord``."""
        with self.writing():
            return self._save(Kind.PET, replace(self.pet(id), **values))

    def change_visit(self, id: str, **values: Any) -> KeptVisit:  # noqa: A002 - the field's word
        """Moves an appointment, or writes other fields of it anew. Raises ``NoSuchRecord``, ``ValueError``."""
        with self.writing():
            return self._save(Kind.APPOINTMENT, self._settled(replace(self.visit(id), **values)))

    def cancel(self, id: str) -> KeptVisit:  # noqa: A002 - the field's word
        """Takes an appointment out of the diary; its row stays. Raises ``NoSuchRecord``."""
        return self.change_visit(id, deleted=True)

    def merge(self, leaving: str, into: str) -> None:
        """Gives a client's pets and appointments to another, and deletes the card.

        Raises ``NoSuchRecord``, ``ValueError``.
        """
        with self.writing():
            left, kept = self.client(leaving), self.client(into)
            _require_two(left, kept)
            for pet in self.pets(deleted=True):
                if pet.client_id == left.id:
                    self.change_pet(pet.id, client_id=kept.id)
            for visit in self.visits(deleted=True):
                if visit.client_id == left.id:
                    self.change_visit(visit.id, client_id=kept.id)
            if self.merged_vanish:
                self.erase(Kind.CLIENT, left.id)
            else:
                self.change_client(left.id, deleted=True, active=False)

    def merge_pets(self, leaving: str, into: str) -> None:
        """Gives a pet's appointments to another, and deletes the first. Raises ``NoSuchRecord``, ``ValueError``."""
        with self.writing():
            left, kept = self.pet(leaving), self.pet(into)
            _require_two(left, kept)
            for visit in self.visits(deleted=True):
                if visit.pet_id == left.id:
                    self.change_visit(visit.id, pet_id=kept.id)
            if self.merged_vanish:
                self.erase(Kind.PET, left.id)
            else:
                self.change_pet(left.id, deleted=True, active=False)

    def erase(self, kind: Kind, id: str) -> None:  # noqa: A002 - the field's word
        """Takes a row away for good. Raises ``NoSuchRecord``."""
        table = self.tables[kind]
        with self.writing():
            key = self._row(kind, id)[table.key]
            self._db.execute(f"DELETE FROM {table.name} WHERE {table.key} = ?", (key,))  # noqa: S608

    def empty(self, kind: Kind) -> int:
        """Takes all rows of a table away, as a purge that went wrong does. How many there were."""
        with self.writing():
            return self._db.execute(f"DELETE FROM {self.tables[kind].name}").rowcount  # noqa: S608

    # -- a new practice

    def fill(self, clinic: Clinic) -> None:
        """Enters a clinic's owners and pets, in one transaction."""
        with self.writing():
            for owner in clinic.owners:
                client = self._make(Kind.CLIENT, self._card(owner), FIRST_CLIENT + owner.number)
                for pet in owner.pets:
                    self._make(Kind.PET, _animal(pet, client.id), FIRST_PET + pet.number)

    def fill_twins(self, twins: TwinSides) -> None:
        """Enters the diary that the clinic has kept by hand, in one transaction. Calendar blocks are left out: no
        table of them is known."""
        with self.writing():
            for visit in twins.visits:
                kept = KeptVisit(
                    client_id=self.client_id(visit.owner),
                    pet_id=self.pet_id(visit.pet),
                    start=visit.start.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None),
                    minutes=visit.minutes,
                    resource=STAFF[visit.vet - 1].code,
                    appointment_type=SERVICES[visit.service - 1].code,
                    status=visit.status,
                    notes=visit.note,
                )
                self._make(Kind.APPOINTMENT, kept, FIRST_VISIT + visit.number)

    def visit_id(self, visit: int) -> str:
        """The id of the twins' visit of this number."""
        return self.new_id(Kind.APPOINTMENT, FIRST_VISIT + visit)

    def client_id(self, owner: int) -> str:
        """The id of the clinic's owner of this number."""
        return self.new_id(Kind.CLIENT, FIRST_CLIENT + owner)

    def pet_id(self, pet: int) -> str:
        """The id of the clinic's pet of this number."""
        return self.new_id(Kind.PET, FIRST_PET + pet)

    def _card(self, owner: Owner) -> KeptClient:
        given, _, partner = owner.given_name.partition(" & ")
        return KeptClient(
            given_name=given,
            family_name=owner.family_name,
            partner_given_name=partner,
            partner_family_name=owner.family_name if partner else "",
            phones=tuple(_national(phone) for phone in owner.phones),
            email=owner.email or "",
            active=owner.active,
        )

    # -- rows

    def today(self) -> datetime:
        """The clinic's wall clock, to the second."""
        return self.now().astimezone(ZoneInfo(self.zone)).replace(tzinfo=None, microsecond=0)

    def _settled(self, visit: KeptVisit) -> KeptVisit:
        if not visit.pet_id:
            return replace(visit, client_id=self.client(visit.client_id).id) if visit.client_id else visit
        pet = self.pet(visit.pet_id)
        client = self.client(visit.client_id).id if visit.client_id else pet.client_id
        stays = client == pet.carer_id or pet.is_owned_by(client)
        return replace(visit, pet_id=pet.id, client_id=client if stays else pet.client_id)

    def _make(self, kind: Kind, record: _One, number: int | None = None) -> _One:
        with self.writing():
            if number is None:
                number = self._next(kind)
            key = self.new_id(kind, number)
            record = replace(record, id=key)
            table = self.tables[kind]
            columns: dict[str, Any] = {table.key: key, **self.made_columns(kind, record), **self._columns(record)}
            if table.number is not None:
                columns[table.number] = str(number)
            names, marks = ", ".join(columns), ", ".join("?" * len(columns))
            self._db.execute(
                f"INSERT INTO {table.name} ({names}) VALUES ({marks})",  # noqa: S608 - names of our own
                tuple(columns.values()),
            )
            return self._as_kept(record)

    def _save(self, kind: Kind, record: _One) -> _One:
        table = self.tables[kind]
        columns: dict[str, Any] = self._columns(record)
        changed = ", ".join(f"{name} = ?" for name in columns)
        with self.writing():
            self._db.execute(
                f"UPDATE {table.name} SET {changed} WHERE {table.key} = ?",  # noqa: S608 - names of our own
                (*columns.values(), record.id),
            )
            return self._as_kept(record)

    def _as_kept(self, record: _One) -> _One:
        """The record as it is read back."""
        if isinstance(record, KeptClient):
            return self.client(record.id)
        return self.pet(record.id) if isinstance(record, KeptPet) else self.visit(record.id)

    def _columns(self, record: KeptClient | KeptPet | KeptVisit) -> dict[str, Any]:
        if isinstance(record, KeptClient):
            return self.client_columns(record)
        return self.pet_columns(record) if isinstance(record, KeptPet) else self.visit_columns(record)

    def _row(self, kind: Kind, id: str) -> sqlite3.Row:  # noqa: A002 - the field's word
        table = self.tables[kind]
        select = self.visits_select if kind is Kind.APPOINTMENT else f"SELECT v.* FROM {table.name} v"  # noqa: S608
        column = table.number if table.number is not None and id.isascii() and id.isdigit() else table.key
        wanted = f"{select} WHERE v.{column} = ?"
        # GUIDs are the same in both cases; only the exact look-up has an index.
        found = self.rows(wanted, (id,)) or self.rows(f"{wanted} COLLATE NOCASE", (id,))
        if not found:
            raise NoSuchRecord(f"there is no {kind} {id[:40]!r}")
        return found[0]

    def _next(self, kind: Kind) -> int:
        """A number that was never given, not even to a record that is gone."""
        found = self._db.execute("SELECT value FROM _sim WHERE name = ?", (f"next:{kind}",)).fetchone()
        number = int(found["value"]) if found else FIRST_NEW
        self._db.execute("INSERT OR REPLACE INTO _sim VALUES (?, ?)", (f"next:{kind}", str(number + 1)))
        return number


def _require_two(left: KeptClient | KeptPet, kept: KeptClient | KeptPet) -> None:
    if left.id == kept.id:
        raise ValueError("nothing can be merged into itself")


def wall(moment: datetime) -> str:
    """A moment of the wall clock as the database keeps it."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _animal(pet: PetSeed, client_id: str) -> KeptPet:
    return KeptPet(
        client_id=client_id,
        name=pet.name,
        species=pet.species,
        breed=pet.breed,
        sex=pet.sex,
        birth_date=pet.birth_date,
        deceased=pet.deceased,
    )


def _national(phone: str) -> str:
    """As it is written on a card: without the country's code."""
    return f"0{phone[3:7]} {phone[7:]}" if phone.startswith("+44") else phone
