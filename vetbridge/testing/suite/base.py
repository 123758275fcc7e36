"""What all groups of the suite share: samples, the subject of a test, and small things done again and again."""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest

from vetbridge.connector.interface import Found, Native, Operation, Unlinked, Write
from vetbridge.core.instants import Instant
from vetbridge.core.records import AppointmentStatus, Kind, Record
from vetbridge.testing.suite.subject import Fault, Subject

KINDS = (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)
"""Kinds that the suite has samples of."""

CANCEL: Mapping[str, str] = {"by": "client", "reason": "the cat ran away"}
"""The payload of a cancellation."""

_KEYS = itertools.count(1)


class Group(ABC):
    """What all groups share: the subject, samples of each kind, and what is done with them again and again."""

    not_kept: ClassVar[Mapping[Kind, frozenset[str]]] = {}
    """Fields of the samples that this side does not keep as written. Each must be a declared loss."""
    cancelled_is_gone: ClassVar[bool] = False
    """A cancelled visit cannot be read any more: that is how this side cancels."""
    unknown_ids: ClassVar[tuple[str, ...]] = ("999999999", "no-such-id", "", "../1", "1\u0000")
    """Ids that no record of this side has."""

    @abstractmethod
    def make(self) -> Subject:
        """A subject on a fresh side."""

    @pytest.fixture
    def subject(self) -> Iterator[Subject]:
        """The subject of one test."""
        subject = self.make()
        yield subject
        subject.close()

    @pytest.fixture(autouse=True)
    def _machine_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """The machine stands in another zone than the site: local time of the machine must never matter."""
        monkeypatch.setenv("TZ", "Pacific/Auckland")
        apply_zone()
        yield
        monkeypatch.undo()
        apply_zone()

    # -- samples

    def client_fields(self, number: int = 0) -> dict[str, object]:
        """Canonical fields of a client to create."""
        return {
            "given_name": "Zoë",
            "family_name": f"Probe-Ångström {chr(ord('A') + number % 26)}",
            "phones": (f"+4477009{number + 1:05d}",),
            "emails": (f"probe{number}@example.org",),
        }

    def pet_fields(self, client_id: str, number: int = 0) -> dict[str, object]:
        """Canonical fields of a pet to create."""
        return {
            "client_id": client_id,
            "name": f"Bella {chr(ord('A') + number % 26)}",
            "species": "dog",
            "sex": "female",
            "birth_date": date(2020, 5, 17),
        }

    def appointment_fields(
        self, subject: Subject, client_id: str | None, pet_id: str | None, number: int = 0
    ) -> dict[str, object]:
        """Canonical fields of an appointment to create; each number has a time of its own."""
        return {
            "client_id": client_id,
            "pet_id": pet_id,
            "start": Instant(datetime(2027, 6, 14, 9, 0, tzinfo=UTC) + timedelta(minutes=30 * number), subject.zone),
            "duration": 900,
            "status": AppointmentStatus.BOOKED,
            "appointment_type": "vaccination",
            "resource": "vet_1",
            "notes": f"staff’s own words\n[VetBridge {stamp_of(number)}]\nbooked\n[/VetBridge]",
        }

    def changes_of(self, kind: Kind, subject: Subject) -> dict[str, object]:
        """Another value for every field that a side might let change, beside client and pet."""
        if kind is Kind.CLIENT:
            return {
                "given_name": "Anaïs",
                "family_name": "O’Connor-Šimić",
                "phones": ("+447700988777",),
                "emails": ("anais@example.org",),
                "active": False,
                "opted_out": True,
            }
        if kind is Kind.PET:
            return {
                "name": "Milo",
                "species": "cat",
                "breed": "Maine Coon",
                "sex": "male_neutered",
                "birth_date": date(2019, 2, 28),
                "deceased": True,
                "active": False,
            }
        return {
            "start": Instant(datetime(2027, 6, 16, 13, 30, tzinfo=UTC), subject.zone),
            "duration": 1800,
            "status": AppointmentStatus.CONFIRMED,
            "appointment_type": "checkup",
            "resource": "vet_2",
            "notes": "changed",
        }

    # -- doing

    def write_of(
        self, subject: Subject, kind: Kind, operation: Operation, values: Mapping[str, object], **more: str
    ) -> Write:
        """A write of the canonical fields that the mapping can write, with an idempotency key of its own."""
        writable = subject.mapper.writable(kind)
        native = subject.mapper.write(kind, {name: value for name, value in values.items() if name in writable})
        return Write(
            operation=operation,
            kind=kind,
            id=more.get("id"),
            native=native,
            stamp=more.get("stamp", ""),
            key=f"suite-{next(_KEYS)}",
            version=more.get("version"),
        )

    def sample(self, subject: Subject, kind: Kind, number: int = 0) -> tuple[Write, dict[str, object]]:
        """A create of one kind, with what it needs already there, and the canonical fields it was made of."""
        values = self.values(subject, kind, number)
        stamp = stamp_of(number) if kind is Kind.APPOINTMENT else ""
        return self.write_of(subject, kind, Operation.CREATE, values, stamp=stamp), values

    def values(self, subject: Subject, kind: Kind, number: int = 0) -> dict[str, object]:
        """Canonical fields of a sample of one kind, with what it needs already there."""
        if kind is Kind.CLIENT:
            return self.client_fields(number)
        client_id = self.created(subject, Kind.CLIENT, number)
        if kind is Kind.PET:
            return self.pet_fields(client_id, number)
        pet_id = None
        if self.makes(subject, Kind.PET):
            pet_id = self.made(subject, Kind.PET, self.pet_fields(client_id, number))
        return self.appointment_fields(subject, client_id, pet_id, number)

    def created(self, subject: Subject, kind: Kind, number: int = 0) -> str:
        """Creates a sample, or lets people at the side enter it; returns its id."""
        values = self.values(subject, kind, number)
        return self.made(subject, kind, values, stamp=stamp_of(number) if kind is Kind.APPOINTMENT else "")

    def made(self, subject: Subject, kind: Kind, values: Mapping[str, object], *, stamp: str = "") -> str:
        """A record of these canonical fields: the connector creates it, or people at the side enter it."""
        can = subject.connector.capabilities.of(kind)
        if can.create and Operation.CREATE not in can.handed:
            return self.applied(subject, self.write_of(subject, kind, Operation.CREATE, values, stamp=stamp))
        id_ = subject.seed(kind, values) if kind in subject.enters else None
        if id_ is None:
            pytest.skip(f"nobody can make a {kind} at this side")
        self.landed(subject)
        return id_

    def makes(self, subject: Subject, kind: Kind) -> bool:
        """Whether ``made`` can make a record of this kind."""
        can = subject.connector.capabilities.of(kind)
        return kind in subject.enters or (can.create is not None and Operation.CREATE not in can.handed)

    def applied(self, subject: Subject, write: Write) -> str:
        """Applies a write, and waits until lists must show it; returns the record's id."""
        id_ = subject.connector.apply(write).id
        self.landed(subject)
        return id_

    def landed(self, subject: Subject) -> None:
        """Lets the time pass in which a write may still appear, and reads follow it, as the connector declares."""
        can = subject.connector.capabilities
        if max(can.late_landing, can.shown_within) > 0:
            subject.pass_time(max(can.late_landing, can.shown_within))

    def looked(self, subject: Subject, write: Write) -> list[str]:
        """Ids of the records that a look for a create finds."""
        found = [subject.mapper.read(write.kind, native) for native in subject.connector.look(write)]
        return [str(record.id) for record in found]

    def record(self, subject: Subject, kind: Kind, id_: str) -> Record:
        """The canonical record under an id; fails where there is none."""
        native = subject.connector.get(kind, id_)
        assert native is not None, f"there is no {kind} under the id that its receipt named"
        return subject.mapper.read(kind, native)

    def assert_kept(self, subject: Subject, record: Record, kind: Kind, values: Mapping[str, object]) -> None:
        """The record holds every value that was written, up to declared loss."""
        can = subject.connector.capabilities.of(kind)
        both = subject.mapper.writable(kind) & subject.mapper.readable(kind)
        lost = self.not_kept.get(kind, frozenset())
        for name in sorted(set(values) & both - lost):
            wanted = values[name]
            if isinstance(wanted, str) and name in can.text_limits:
                wanted = wanted[: can.text_limits[name]]
            assert field_of(record, name) == wanted, f"{kind}.{name} was not kept as written"

    def anybody(self, subject: Subject) -> tuple[str | None, str | None]:
        """Client and pet for a visit of which it does not matter whose it is: none, where the side allows that."""
        if subject.connector.capabilities.of(Kind.APPOINTMENT).unlinked is not Unlinked.NO:
            return subject.placeholder or (None, None)
        client_id = self.created(subject, Kind.CLIENT, 20)
        return client_id, self.made(subject, Kind.PET, self.pet_fields(client_id, 20))

    def needs(self, subject: Subject, kind: Kind, ability: str) -> None:
        """Skips the test where the connector does not declare the ability, or hands such writes on."""
        can = subject.connector.capabilities.of(kind)
        if not getattr(can, ability):
            pytest.skip(f"not declared: {kind} {ability}")
        if ability in can.handed:
            pytest.skip(f"handed on: {kind} {ability}")

    def needs_some(self, subject: Subject, kind: Kind) -> None:
        """Skips the test where no record of this kind can be made."""
        if not self.makes(subject, kind):
            pytest.skip(f"nobody can make a {kind} at this side")

    def needs_fault(self, subject: Subject, fault: Fault) -> None:
        """Skips the test where the side cannot fail like this."""
        if fault not in subject.faults:
            pytest.skip(f"this side has no switch for {fault}")

    def everything(self, subject: Subject, kind: Kind, since: str | None = None) -> tuple[dict[str, Found], str]:
        """What a whole walk finds, the last of each id, and the cursor after it."""
        found: dict[str, Found] = {}
        cursor, last = "", False
        for page in subject.connector.changes(kind, since):
            assert not last, "a page came after the one that said it was the last"
            found.update({each.id: each for each in page.records})
            cursor, last = page.cursor, page.last
        assert last, "no page said that it was the last"
        return found, cursor

    def _assert_cancelled(self, subject: Subject, id_: str) -> None:
        native = subject.connector.get(Kind.APPOINTMENT, id_)
        if native is None:
            assert self.cancelled_is_gone, "a cancelled visit is gone; a cancellation is no deletion"
            return
        assert self._is_cancelled(subject, native)
        record = subject.mapper.read(Kind.APPOINTMENT, native)
        lost = self.not_kept.get(Kind.APPOINTMENT, frozenset())
        if "cancel_reason" in subject.mapper.readable(Kind.APPOINTMENT) - lost:
            assert record.cancel_reason == CANCEL["reason"]

    def _is_cancelled(self, subject: Subject, native: Native | None) -> bool:
        record = subject.mapper.read(Kind.APPOINTMENT, native or {})
        return field_of(record, "status") is AppointmentStatus.CANCELLED


def stamp_of(number: int) -> str:
    """A stamp of VetBridge's form, another one per number."""
    return f"VB-7F3K9Q2M{number:02d}"


def clock_changes(zone: str, year: int) -> list[datetime]:
    """The moments of a year from which a zone has another offset than in the hour before."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(365 * 24)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return [hours[index] for index in range(1, len(hours)) if offsets[index] != offsets[index - 1]]


def field_of(record: object, name: str) -> object:
    """A field of a canonical record by its dotted name; None inside a nested record that is not there."""
    for step in name.split("."):
        if record is None or not is_dataclass(record):
            return None
        record = getattr(record, step)
    return record


def apply_zone() -> None:
    """Lets the process take its zone from TZ, where the system can."""
    if hasattr(time, "tzset"):
        time.tzset()
