"""The conformance suite: what every connector must hold to, run against its side.

A connector enrols with a ``Subject`` (its side, its mapping, and the switches for faults) and a class::

    class TestEzyVet(ConnectorSuite):
        def make(self) -> Subject:
            return SimulatedSubject(plugin("ezyvet"), options=..., codes=...)

Needs pytest. Groups: identity, check, reading, paging, cursor, search, writing, version, cancelling, unlinked and
relink, time, text, faults, honesty, hygiene, hints. Where a connector does not declare an ability, its tests are
skipped by name; that it then refuses is what the group honesty tests.
"""

# ruff: noqa: S101 - assertions are what these tests are made of, though they stand outside of tests/

from __future__ import annotations

import importlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest

from vetbridge.connector.interface import (
    Connector,
    Found,
    HookRequest,
    Native,
    Operation,
    Relink,
    Unlinked,
    Write,
)
from vetbridge.connector.plugin import Environment, Plugin
from vetbridge.core.errors import (
    AuthFailed,
    BadHint,
    MappingError,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unavailable,
    VetBridgeError,
)
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet, Record
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock

KINDS = (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)
"""Kinds that the suite has samples of."""

LONG = 2_000_000
"""Characters of the note that no side expects."""


class Fault(StrEnum):
    """What goes wrong at a side; the names are the simulators'."""

    LIMIT = "429"
    BEFORE = "5xx_before"
    AFTER = "5xx_after"
    DROP = "drop_after_commit"


class Subject(ABC):
    """A connector on a side of its own, with at least one page and a bit of clients in it."""

    connector: Connector
    mapper: Mapper
    zone: str = "Europe/London"
    secrets: tuple[str, ...] = ()
    """Texts that may stand nowhere."""
    placeholder: tuple[str, str] | None = None
    """Ids of the side's placeholder client and pet, where it has one."""

    @abstractmethod
    def fault(self, fault: Fault | None) -> None:
        """Every request fails like this from now on; None: none does, and every pause is over."""

    @abstractmethod
    def requests(self) -> int:
        """Requests that reached the side."""

    @abstractmethod
    def writes(self) -> int:
        """Requests that changed something there."""

    @abstractmethod
    def pass_time(self, seconds: float) -> None:
        """Lets time pass at the side."""

    def stranger(self) -> Connector | None:
        """A connector on the same side with wrong credentials; None where there are none."""
        return None

    def close(self) -> None:
        """Ends the side."""
        self.connector.close()


class SimulatedSubject(Subject):
    """A connector on its vendor's simulator, over real HTTP.

    ``options`` makes the connector's options from the simulator's credentials; ``base_url`` is added. ``simulator``
    are options of the simulator beside port, clients and seed.
    """

    def __init__(
        self,
        plugin: Plugin,
        *,
        options: Callable[[Mapping[str, str]], Mapping[str, Any]],
        secrets: tuple[str, ...],
        codes: Mapping[str, Mapping[str, object]],
        clients: int = 40,
        simulator: Mapping[str, Any] | None = None,
        placeholder: tuple[str, str] | None = None,
    ) -> None:
        module = importlib.import_module(plugin.simulator or "")
        self._plugin = plugin
        self._options = options
        self._secret_names = secrets
        self._simulator = module.build(clients=clients, seed=7, **(simulator or {}))
        self._simulator.start()
        self._clock = FakeClock(datetime.now(UTC))
        self.zone = self._simulator.zone
        self.secrets = tuple(self._simulator.credentials[name] for name in secrets)
        self.placeholder = placeholder
        self.connector = self._connector(self._simulator.credentials)
        self.mapper = Mapper(load_table(plugin.mapping), zone=self.zone, country="GB", codes=codes)

    def _connector(self, credentials: Mapping[str, str]) -> Connector:
        options = {"base_url": self._simulator.base_url, **self._options(credentials)}
        environment = Environment(
            account="under-test", zone=self.zone, country="GB", clock=self._clock, timeout=20, limit_scale=10_000
        )
        return self._plugin.build(self._plugin.options(**options), environment)

    def fault(self, fault: Fault | None) -> None:
        """Sets one fault of the simulator to always, and all others to never."""
        self._simulator.faults.set({each.value: float(each is fault) for each in Fault})
        if fault is None:
            self._clock.advance(3600)

    def requests(self) -> int:
        """Requests to the vendor's routes, token requests among them."""
        return int(sum(self._simulator.counts()["requests"].values()))

    def writes(self) -> int:
        """What the simulator counts as writes."""
        return int(self._simulator.counts()["writes"])

    def pass_time(self, seconds: float) -> None:
        """Moves the simulator's clock."""
        self._simulator.clock.set(self._simulator.clock.now() + timedelta(seconds=seconds))

    def stranger(self) -> Connector:
        """The same side, every secret wrong."""
        wrong = {name: f"wrong-{name}-of-a-stranger" for name in self._secret_names}
        return self._connector({**self._simulator.credentials, **wrong})

    def close(self) -> None:
        """Ends connector and simulator."""
        self.connector.close()
        self._simulator.stop()


class ConnectorSuite(ABC):
    """Enrols one connector. Override the samples where a side needs others."""

    not_kept: ClassVar[Mapping[Kind, frozenset[str]]] = {}
    """Fields of the samples that this side does not keep as written. Each must be a declared loss."""
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
        _apply_zone()
        yield
        monkeypatch.undo()
        _apply_zone()

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
        """A write of the canonical fields that the mapping can write."""
        writable = subject.mapper.writable(kind)
        native = subject.mapper.write(kind, {name: value for name, value in values.items() if name in writable})
        return Write(operation=operation, kind=kind, id=more.get("id"), native=native, stamp=more.get("stamp", ""))

    def sample(self, subject: Subject, kind: Kind, number: int = 0) -> tuple[Write, dict[str, object]]:
        """A create of one kind, with what it needs already there, and the canonical fields it was made of."""
        if kind is Kind.CLIENT:
            values = self.client_fields(number)
            return self.write_of(subject, kind, Operation.CREATE, values), values
        client_id = self.created(subject, Kind.CLIENT, number)
        if kind is Kind.PET:
            values = self.pet_fields(client_id, number)
            return self.write_of(subject, kind, Operation.CREATE, values), values
        pet_id = None
        if subject.connector.capabilities.of(Kind.PET).create:
            pet = self.write_of(subject, Kind.PET, Operation.CREATE, self.pet_fields(client_id, number))
            pet_id = subject.connector.apply(pet).id
        values = self.appointment_fields(subject, client_id, pet_id, number)
        return self.write_of(subject, kind, Operation.CREATE, values, stamp=stamp_of(number)), values

    def created(self, subject: Subject, kind: Kind, number: int = 0) -> str:
        """Creates a sample; returns its id."""
        write, _ = self.sample(subject, kind, number)
        return subject.connector.apply(write).id

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
        pet = self.write_of(subject, Kind.PET, Operation.CREATE, self.pet_fields(client_id, 20))
        return client_id, subject.connector.apply(pet).id

    def needs(self, subject: Subject, kind: Kind, ability: str) -> None:
        """Skips the test where the connector does not declare the ability."""
        if not getattr(subject.connector.capabilities.of(kind), ability):
            pytest.skip(f"not declared: {kind} {ability}")

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

    # -- identity

    def test_declares_what_it_is(self, subject: Subject) -> None:
        """Side, kinds, what is proven, and budgets with names of their own."""
        can = subject.connector.capabilities
        assert can.side in {"booking", "pims"}
        assert any(of.read for of in can.kinds.values())
        assert can.proven
        names = [budget.name for budget in can.budgets]
        assert len(names) == len(set(names))
        assert all(budget.calls > 0 and budget.seconds > 0 and budget.per for budget in can.budgets)
        assert can == subject.connector.capabilities

    @pytest.mark.parametrize("kind", KINDS)
    def test_declared_fields_are_mapped(self, subject: Subject, kind: Kind) -> None:
        """What is declared to change can be written, and declared losses name canonical fields."""
        can = subject.connector.capabilities.of(kind)
        if not can.read:
            pytest.skip(f"not declared: {kind}")
        assert can.update <= subject.mapper.writable(kind)
        record = {Kind.CLIENT: Client, Kind.PET: Pet, Kind.APPOINTMENT: Appointment}[kind]
        known = {each.name for each in fields(record)} | subject.mapper.readable(kind) | subject.mapper.writable(kind)
        assert set(can.loss) | set(can.text_limits) <= known
        assert self.not_kept.get(kind, frozenset()) <= set(can.loss)

    # -- check

    def test_check_is_well_and_writes_nothing(self, subject: Subject) -> None:
        """A good account's report has no wrong line, and the side saw reads only."""
        before = subject.writes()
        report = subject.connector.check()
        assert report.lines
        assert report.ok, [f"{line.name}: {line.text}" for line in report.lines if not line.ok]
        assert all(line.ok or line.advice for line in report.lines), "a line that is not well says what to do"
        assert subject.writes() == before

    def test_wrong_credentials_are_named(self, subject: Subject) -> None:
        """They make reads and writes raise ``AuthFailed``, and the check says so."""
        stranger = subject.stranger()
        if stranger is None:
            pytest.skip("this side has no credentials")
        try:
            with pytest.raises(AuthFailed):
                stranger.get(Kind.CLIENT, "1")
            with suppress(AuthFailed):
                assert not stranger.check().ok
            with pytest.raises(AuthFailed) as caught:
                stranger.apply(self.write_of(subject, Kind.CLIENT, Operation.CREATE, self.client_fields()))
            assert "of-a-stranger" not in f"{caught.value}{stranger!r}"
            assert subject.writes() == 0
        finally:
            stranger.close()

    # -- reading

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_record_reads(self, subject: Subject, kind: Kind) -> None:
        """Each native has the id it was found under, and the mapping reads it."""
        self.needs(subject, kind, "read")
        if subject.connector.capabilities.of(kind).create:
            self.created(subject, kind)
        writes = subject.writes()
        found, _ = self.everything(subject, kind)
        assert found
        for each in found.values():
            if each.native is not None:
                assert subject.mapper.read(kind, each.native).id == each.id
        assert subject.writes() == writes

    @pytest.mark.parametrize("kind", KINDS)
    def test_get_reads_what_changes_told(self, subject: Subject, kind: Kind) -> None:
        """A fresh read of a listed record says the same."""
        self.needs(subject, kind, "read")
        if subject.connector.capabilities.of(kind).create:
            self.created(subject, kind)
        found, _ = self.everything(subject, kind)
        for each in list(found.values())[:3] + list(found.values())[-3:]:
            native = subject.connector.get(kind, each.id)
            assert native is not None
            if each.native is not None:
                assert subject.mapper.read(kind, native) == subject.mapper.read(kind, each.native)

    @pytest.mark.parametrize("kind", KINDS)
    def test_unknown_ids_are_none(self, subject: Subject, kind: Kind) -> None:
        """An id without a record reads as None, also one that could be mistaken for a path."""
        self.needs(subject, kind, "read")
        for unknown in self.unknown_ids:
            assert subject.connector.get(kind, unknown) is None

    def test_natives_are_plain_data_of_their_own(self, subject: Subject) -> None:
        """A native can be stored as JSON, and what is done to it does not reach the side."""
        id_ = next(iter(self.everything(subject, Kind.CLIENT)[0]))
        native = subject.connector.get(Kind.CLIENT, id_)
        assert native is not None
        before = json.dumps(native, sort_keys=True)
        native.clear()
        assert json.dumps(subject.connector.get(Kind.CLIENT, id_), sort_keys=True) == before

    # -- paging

    @pytest.mark.parametrize("kind", KINDS)
    def test_pages_leave_nothing_out(self, subject: Subject, kind: Kind) -> None:
        """More than one page: every record is in one of them, and no more than the side counts."""
        self.needs(subject, kind, "read")
        made = set()
        if subject.connector.capabilities.of(kind).create:
            made = {self.created(subject, kind, number) for number in range(12)}
        pages = list(subject.connector.changes(kind, None))
        assert len(pages) > 1, "the side of this subject is too small to test paging; give it a smaller page"
        assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
        ids = [each.id for page in pages for each in page.records]
        assert made <= set(ids)
        assert len(ids) == len(set(ids)), "a side at rest told a record twice in one walk"
        if pages[0].total is not None:
            assert pages[0].total == len(set(ids))

    # -- cursor

    @pytest.mark.parametrize("kind", KINDS)
    def test_cursor_misses_nothing(self, subject: Subject, kind: Kind) -> None:
        """What is made after a cursor was taken is found from it, also in the same second."""
        self.needs(subject, kind, "incremental")
        self.needs(subject, kind, "create")
        _, cursor = self.everything(subject, kind)
        for number in range(3):
            made = self.created(subject, kind, number)
            found, after = self.everything(subject, kind, cursor)
            assert made in found
            cursor = after

    def test_cursor_inside_a_walk_is_safe(self, subject: Subject) -> None:
        """A walk that ends after any page goes on from that page's cursor without a hole."""
        self.needs(subject, Kind.CLIENT, "incremental")
        pages = list(subject.connector.changes(Kind.CLIENT, None))
        everyone = {each.id for page in pages for each in page.records}
        seen: set[str] = set()
        for page in pages[:3]:
            seen |= {each.id for each in page.records}
            rest, _ = self.everything(subject, Kind.CLIENT, page.cursor or None)
            assert seen | set(rest) == everyone

    def test_changes_during_a_walk_are_found(self, subject: Subject) -> None:
        """Records that move while the pages are read, before or behind the reader, are in this walk or the next."""
        self.needs(subject, Kind.CLIENT, "incremental")
        if "given_name" not in subject.connector.capabilities.of(Kind.CLIENT).update:
            pytest.skip("not declared: client given_name")
        ids = list(self.everything(subject, Kind.CLIENT)[0])
        edited = {ids[0]: "Before", ids[-1]: "Behind"}
        newest: dict[str, Native | None] = {}
        cursor = None
        for turn in range(2):
            for index, page in enumerate(subject.connector.changes(Kind.CLIENT, cursor)):
                newest.update({each.id: each.native for each in page.records})
                if turn == 0 and index == 0:
                    subject.pass_time(2)
                    for id_, name in edited.items():
                        values = {"given_name": name}
                        subject.connector.apply(self.write_of(subject, Kind.CLIENT, Operation.UPDATE, values, id=id_))
                    made = self.created(subject, Kind.CLIENT)
                if page.last:
                    cursor = page.cursor
        for id_, name in edited.items():
            assert field_of(subject.mapper.read(Kind.CLIENT, newest[id_] or {}), "given_name") == name
        assert made in newest

    def test_incremental_means_less(self, subject: Subject) -> None:
        """Long after the last change a poll tells what is new, not everything."""
        self.needs(subject, Kind.CLIENT, "incremental")
        everyone, _ = self.everything(subject, Kind.CLIENT)
        self.created(subject, Kind.CLIENT)
        subject.pass_time(7200)
        _, cursor = self.everything(subject, Kind.CLIENT)
        subject.pass_time(7200)
        made = self.created(subject, Kind.CLIENT, 1)
        found, _ = self.everything(subject, Kind.CLIENT, cursor)
        assert made in found
        assert len(found) < len(everyone) / 2

    # -- search

    def test_search_finds_the_client(self, subject: Subject) -> None:
        """By each declared contact key and by both; by another value, nothing."""
        keys = subject.connector.capabilities.of(Kind.CLIENT).search & {"phone", "email"}
        if not keys:
            pytest.skip("not declared: client search")
        mine, other = (self.created(subject, Kind.CLIENT, number) for number in range(2))
        query = {"phone": "+447700900001", "email": "probe0@example.org"}
        for asked in [{key: query[key]} for key in sorted(keys)] + [{key: query[key] for key in sorted(keys)}]:
            found = [
                subject.mapper.read(Kind.CLIENT, each).id for each in subject.connector.search(Kind.CLIENT, asked)
            ]
            assert found == [mine], sorted(asked)
        nobody = {"phone": "+447700911111", "email": "nobody@example.net"}
        for key in sorted(keys):
            assert not list(subject.connector.search(Kind.CLIENT, {key: nobody[key]}))
        if len(keys) == 2:
            crossed = {"phone": query["phone"], "email": "probe1@example.org"}
            assert not list(subject.connector.search(Kind.CLIENT, crossed)), "several keys are ANDed"
        assert other != mine

    def test_search_finds_the_pets_of_a_client(self, subject: Subject) -> None:
        """By client: its pets and no others."""
        if "client_id" not in subject.connector.capabilities.of(Kind.PET).search:
            pytest.skip("not declared: pet search by client_id")
        self.needs(subject, Kind.PET, "create")
        mine, _ = (self.created(subject, Kind.PET, number) for number in range(2))
        owner = str(field_of(self.record(subject, Kind.PET, mine), "client_id"))
        found = list(subject.connector.search(Kind.PET, {"client_id": owner}))
        assert [subject.mapper.read(Kind.PET, each).id for each in found] == [mine]

    def test_search_finds_visits_by_time(self, subject: Subject) -> None:
        """By ``start_from`` (from that moment on) and ``start_before`` (not that moment itself), alone and together.

        Both are ISO 8601 with an offset, and any offset will do. A time without one is refused, and nothing is asked.
        """
        self._needs_window(subject)
        midnight = datetime(2027, 6, 15, tzinfo=ZoneInfo(subject.zone))
        starts = [midnight + timedelta(minutes=minutes) for minutes in (-60, -30, 0, 30, 24 * 60)]
        owner, pet = self.anybody(subject)
        made = []
        for number, start in enumerate(starts):
            values = self.appointment_fields(subject, owner, pet) | {"start": Instant(start, subject.zone)}
            write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(number))
            made.append(subject.connector.apply(write).id)

        def found(**query: str) -> list[str]:
            natives = list(subject.connector.search(Kind.APPOINTMENT, query))
            ids = [str(subject.mapper.read(Kind.APPOINTMENT, native).id) for native in natives]
            assert len(ids) == len(set(ids))
            return sorted(ids, key=made.index)

        elsewhere = [start.astimezone(ZoneInfo("Asia/Kolkata")).isoformat() for start in starts]
        assert found(start_from=elsewhere[1], start_before=elsewhere[3]) == made[1:3]
        assert found(start_from=starts[2].astimezone(UTC).isoformat()) == made[2:]
        assert found(start_before=starts[2].isoformat()) == made[:2]
        assert found(start_from=elsewhere[3], start_before=elsewhere[1]) == []
        assert found(start_from="2027-06-15T05:00:00+05:00", start_before="2027-06-15T05:00:00+05:00") == []
        before = subject.requests()
        for text in ("2027-06-15T09:00:00", "tomorrow", "1813042800", "", "0001-01-01T00:00:00+14:00"):
            with pytest.raises(Refused) as caught:
                list(subject.connector.search(Kind.APPOINTMENT, {"start_from": text}))
            assert caught.value.code == "bad-query"
        assert subject.requests() == before

    def test_search_by_time_tells_cancelled_visits(self, subject: Subject) -> None:
        """A cancelled visit is found as cancelled, where the side still has it."""
        self._needs_window(subject)
        self.needs(subject, Kind.APPOINTMENT, "cancel")
        id_ = self.created(subject, Kind.APPOINTMENT)
        cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(_CANCEL))
        subject.connector.apply(cancel)
        day = {"start_from": "2027-06-14T00:00:00+00:00", "start_before": "2027-06-15T00:00:00+00:00"}
        told = list(subject.connector.search(Kind.APPOINTMENT, day))
        wanted = [] if subject.connector.get(Kind.APPOINTMENT, id_) is None else [id_]
        assert [subject.mapper.read(Kind.APPOINTMENT, each).id for each in told] == wanted
        assert all(self._is_cancelled(subject, each) for each in told)

    def _needs_window(self, subject: Subject) -> None:
        if not subject.connector.capabilities.of(Kind.APPOINTMENT).search >= {"start_from", "start_before"}:
            pytest.skip("not declared: appointment search by start_from and start_before")
        self.needs(subject, Kind.APPOINTMENT, "create")

    # -- writing

    @pytest.mark.parametrize("kind", KINDS)
    def test_created_is_read_back(self, subject: Subject, kind: Kind) -> None:
        """A create is one write, and a fresh read has what was written; so has the receipt, where it tells."""
        self.needs(subject, kind, "create")
        write, values = self.sample(subject, kind)
        before = subject.writes()
        receipt = subject.connector.apply(write)
        assert subject.writes() == before + 1
        self.assert_kept(subject, self.record(subject, kind, receipt.id), kind, values)
        if receipt.native is not None:
            assert subject.mapper.read(kind, receipt.native) == self.record(subject, kind, receipt.id)

    def test_stamp_field_is_told(self, subject: Subject) -> None:
        """Where the side has a field for VetBridge's mark, it holds the stamp of the create, and keeps it."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        if "stamp" not in subject.mapper.readable(Kind.APPOINTMENT):
            pytest.skip("not mapped: appointment stamp")
        owner, pet = self.anybody(subject)
        values = self.appointment_fields(subject, owner, pet, 3) | {"notes": "no block here"}
        write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(3))
        id_ = subject.connector.apply(write).id
        assert field_of(self.record(subject, Kind.APPOINTMENT, id_), "stamp") == stamp_of(3)
        start = self.changes_of(Kind.APPOINTMENT, subject)["start"]
        subject.connector.apply(self.write_of(subject, Kind.APPOINTMENT, Operation.UPDATE, {"start": start}, id=id_))
        assert field_of(self.record(subject, Kind.APPOINTMENT, id_), "stamp") == stamp_of(3)

    @pytest.mark.parametrize("kind", KINDS)
    def test_each_declared_field_changes_alone(self, subject: Subject, kind: Kind) -> None:
        """An update changes its field and leaves the others as they were."""
        self.needs(subject, kind, "update")
        self.needs(subject, kind, "create")
        id_ = self.created(subject, kind)
        changes = self.changes_of(kind, subject)
        tried = sorted(subject.connector.capabilities.of(kind).update & set(changes))
        assert tried
        for name in tried:
            before = self.record(subject, kind, id_)
            subject.connector.apply(self.write_of(subject, kind, Operation.UPDATE, {name: changes[name]}, id=id_))
            after = self.record(subject, kind, id_)
            self.assert_kept(subject, after, kind, {name: changes[name]})
            for other in sorted(subject.mapper.readable(kind) - {name, "version"}):
                assert field_of(after, other) == field_of(before, other), f"{other} moved when {name} was changed"

    @pytest.mark.parametrize("kind", KINDS)
    def test_unknown_record_is_refused(self, subject: Subject, kind: Kind) -> None:
        """An update or cancel of a record that is not there is ``Refused``, and nothing is written."""
        can = subject.connector.capabilities.of(kind)
        changes = self.changes_of(kind, subject)
        name = next((name for name in sorted(can.update) if name in changes), None)
        tried = []
        if name is not None:
            tried.append(
                self.write_of(subject, kind, Operation.UPDATE, {name: changes[name]}, id=self.unknown_ids[0])
            )
        if can.cancel:
            tried.append(Write(operation=Operation.CANCEL, kind=kind, id=self.unknown_ids[0], native=dict(_CANCEL)))
        if not tried:
            pytest.skip(f"not declared: {kind} update or cancel")
        for write in tried:
            with pytest.raises(Refused):
                subject.connector.apply(write)
        assert subject.writes() == 0

    # -- version

    @pytest.mark.parametrize("kind", KINDS)
    def test_version_moves_with_the_record(self, subject: Subject, kind: Kind) -> None:
        """A version stays while nothing changes, and is another after a change."""
        self.needs(subject, kind, "update")
        self.needs(subject, kind, "create")
        if "version" not in subject.mapper.readable(kind):
            pytest.skip(f"not mapped: {kind} version")
        id_ = self.created(subject, kind)
        first = self.record(subject, kind, id_).version
        assert first
        assert self.record(subject, kind, id_).version == first
        subject.pass_time(2)
        changes = self.changes_of(kind, subject)
        name = sorted(subject.connector.capabilities.of(kind).update & set(changes))[0]
        subject.connector.apply(self.write_of(subject, kind, Operation.UPDATE, {name: changes[name]}, id=id_))
        assert self.record(subject, kind, id_).version != first

    # -- cancelling

    def test_cancel_is_soft_and_seen(self, subject: Subject) -> None:
        """A cancelled visit reads as cancelled (or as gone, where that is how the side does it), and changes tell."""
        self.needs(subject, Kind.APPOINTMENT, "cancel")
        id_ = self.created(subject, Kind.APPOINTMENT)
        _, cursor = self.everything(subject, Kind.APPOINTMENT)
        subject.pass_time(2)
        cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(_CANCEL))
        assert subject.connector.apply(cancel).id == id_
        self._assert_cancelled(subject, id_)
        if subject.connector.capabilities.of(Kind.APPOINTMENT).deletions_visible:
            told = self.everything(subject, Kind.APPOINTMENT, cursor)[0][id_]
            assert told.deleted or self._is_cancelled(subject, told.native)

    def test_cancelling_twice_does_no_harm(self, subject: Subject) -> None:
        """The second cancel is taken or refused; the visit stays cancelled."""
        self.needs(subject, Kind.APPOINTMENT, "cancel")
        id_ = self.created(subject, Kind.APPOINTMENT)
        cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(_CANCEL))
        subject.connector.apply(cancel)
        with suppress(Refused):
            subject.connector.apply(cancel)
        self._assert_cancelled(subject, id_)

    def _assert_cancelled(self, subject: Subject, id_: str) -> None:
        native = subject.connector.get(Kind.APPOINTMENT, id_)
        assert native is None or self._is_cancelled(subject, native)
        if native is None:
            return
        record = subject.mapper.read(Kind.APPOINTMENT, native)
        lost = self.not_kept.get(Kind.APPOINTMENT, frozenset())
        if "cancel_reason" in subject.mapper.readable(Kind.APPOINTMENT) - lost:
            assert record.cancel_reason == _CANCEL["reason"]

    def _is_cancelled(self, subject: Subject, native: Native | None) -> bool:
        record = subject.mapper.read(Kind.APPOINTMENT, native or {})
        return field_of(record, "status") is AppointmentStatus.CANCELLED

    # -- unlinked and relink

    def test_unlinked_as_declared(self, subject: Subject) -> None:
        """A visit whose owner is not known stands alone, or on the placeholder, or is refused: as declared."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        unlinked = subject.connector.capabilities.of(Kind.APPOINTMENT).unlinked
        values = self.appointment_fields(subject, None, None)
        if unlinked is Unlinked.PLACEHOLDER:
            assert subject.placeholder, "a side with placeholders needs one to be tested"
            values |= {"client_id": subject.placeholder[0], "pet_id": subject.placeholder[1]}
        write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(0))
        if unlinked is Unlinked.NO:
            with pytest.raises(Refused):
                subject.connector.apply(write)
            return
        id_ = subject.connector.apply(write).id
        self.assert_kept(subject, self.record(subject, Kind.APPOINTMENT, id_), Kind.APPOINTMENT, values)
        assert len(list(subject.connector.look(write))) == 1

    def test_unlinked_visit_lives_on(self, subject: Subject) -> None:
        """A visit without its owner can be moved and cancelled, as the person who booked it may want."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        if subject.connector.capabilities.of(Kind.APPOINTMENT).unlinked is Unlinked.NO:
            pytest.skip("not declared: appointment unlinked")
        id_, before = self._unlinked(subject)
        start = self.changes_of(Kind.APPOINTMENT, subject)["start"]
        subject.connector.apply(self.write_of(subject, Kind.APPOINTMENT, Operation.UPDATE, {"start": start}, id=id_))
        after = self.record(subject, Kind.APPOINTMENT, id_)
        assert field_of(after, "start") == start
        self._assert_same(before, after, but={"start"})
        if subject.connector.capabilities.of(Kind.APPOINTMENT).cancel:
            cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(_CANCEL))
            subject.connector.apply(cancel)
            self._assert_cancelled(subject, id_)

    def test_relinked_as_declared(self, subject: Subject) -> None:
        """The same visit moves to its true owner and pet, and nothing else of it changes; its cancel still works.

        ``unverified``: a fresh read shows either the new ones or the old. ``no``: refused, and nothing changes.
        """
        self.needs(subject, Kind.APPOINTMENT, "create")
        relink = subject.connector.capabilities.of(Kind.APPOINTMENT).relink
        id_, before = self._unlinked(subject)
        owner = self.created(subject, Kind.CLIENT, 1)
        pet = subject.connector.apply(
            self.write_of(subject, Kind.PET, Operation.CREATE, self.pet_fields(owner, 1))
        ).id
        write = self.write_of(
            subject, Kind.APPOINTMENT, Operation.UPDATE, {"client_id": owner, "pet_id": pet}, id=id_
        )
        if relink is Relink.NO:
            assert not {"client_id", "pet_id"} & subject.connector.capabilities.of(Kind.APPOINTMENT).update
            with pytest.raises(Refused):
                subject.connector.apply(write)
            self._assert_same(before, self.record(subject, Kind.APPOINTMENT, id_), but=set())
            return
        assert subject.connector.apply(write).id == id_
        after = self.record(subject, Kind.APPOINTMENT, id_)
        self._assert_owner(subject, before, after, (owner, pet))
        self._assert_same(before, after, but={"client_id", "pet_id"})
        if subject.connector.capabilities.of(Kind.APPOINTMENT).cancel:
            cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(_CANCEL))
            subject.connector.apply(cancel)
            self._assert_cancelled(subject, id_)

    def test_unlinked_again(self, subject: Subject) -> None:
        """An answer that was wrong is taken back: the visit is nobody's again, and keeps its notes."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        can = subject.connector.capabilities.of(Kind.APPOINTMENT)
        if can.relink is Relink.NO or can.unlinked is Unlinked.NO:
            pytest.skip("not declared: appointment unlinked and relink")
        id_ = self.created(subject, Kind.APPOINTMENT)
        before = self.record(subject, Kind.APPOINTMENT, id_)
        client_id, pet_id = self.anybody(subject)
        nobody: dict[str, object] = {"client_id": client_id, "pet_id": pet_id}
        subject.connector.apply(self.write_of(subject, Kind.APPOINTMENT, Operation.UPDATE, nobody, id=id_))
        after = self.record(subject, Kind.APPOINTMENT, id_)
        self._assert_owner(subject, before, after, (client_id, pet_id))
        self._assert_same(before, after, but={"client_id", "pet_id"})

    def _unlinked(self, subject: Subject) -> tuple[str, Record]:
        """A visit that is nobody's, where the side allows that, else somebody's."""
        values = self.appointment_fields(subject, *self.anybody(subject))
        write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(0))
        id_ = subject.connector.apply(write).id
        return id_, self.record(subject, Kind.APPOINTMENT, id_)

    def _assert_owner(self, subject: Subject, before: Record, after: Record, wanted: tuple[object, object]) -> None:
        """The visit has its new client and pet; where that is unverified, maybe the old ones, never one of each."""
        was, now = ((field_of(each, "client_id"), field_of(each, "pet_id")) for each in (before, after))
        unverified = subject.connector.capabilities.of(Kind.APPOINTMENT).relink is Relink.UNVERIFIED
        assert now in ((wanted, was) if unverified else (wanted,))

    def _assert_same(self, before: Record, after: Record, *, but: set[str]) -> None:
        for each in fields(Appointment):
            if each.name not in but | {"booker", "version"}:
                assert field_of(after, each.name) == field_of(before, each.name), f"{each.name} changed as well"

    # -- time

    @pytest.mark.parametrize("minutes", [-45, -30, 0, 30, 60])
    @pytest.mark.parametrize("turn", [0, 1, 2, 3], ids=["january", "july", "first change", "second change"])
    def test_moments_survive(self, subject: Subject, turn: int, minutes: int) -> None:
        """In winter, in summer and around both clock changes a visit begins when it was written to begin.

        Only where the side declares a loss of ``start``, and only for the second of two equal hours, may the mapping
        refuse to say it; an hour wrong is never right.
        """
        self.needs(subject, Kind.APPOINTMENT, "create")
        around = [datetime(2027, 1, 15, 12, tzinfo=UTC), datetime(2027, 7, 15, 12, tzinfo=UTC)]
        around += clock_changes(subject.zone, 2027)
        if turn >= len(around):
            pytest.skip(f"the clocks of {subject.zone} do not change")
        start = Instant(around[turn] + timedelta(minutes=minutes), subject.zone)
        owner, pet = self.anybody(subject)
        values = {**self.appointment_fields(subject, owner, pet), "start": start}
        try:
            write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(0))
        except MappingError:
            assert "start" in subject.connector.capabilities.of(Kind.APPOINTMENT).loss
            assert start.at_site().fold
            return
        id_ = subject.connector.apply(write).id
        assert field_of(self.record(subject, Kind.APPOINTMENT, id_), "start") == start
        assert field_of(self.record(subject, Kind.APPOINTMENT, id_), "duration") == values["duration"]

    # -- text

    @pytest.mark.parametrize(
        "text",
        [
            'Zażółć gęślą jaźń, Ñandú, straße, O’Neill & Søn <b>"quoted"</b>',
            "李小龍 さくら Ольга Ελένη",
            "🐕🐈 cat + dog %41 {} [] \\ /",
            "e\u0301 is not \u00e9 here",
            "line one\nline two\twith a tab",
        ],
        ids=["latin", "scripts", "signs", "combining", "lines"],
    )
    def test_notes_keep_their_text(self, subject: Subject, text: str) -> None:
        """Letters of all scripts, signs, and lines."""
        self._assert_notes(subject, text)

    def test_hostile_text_does_no_harm(self, subject: Subject) -> None:
        """Terminal escapes, NUL and half characters are taken out before they are sent; the rest is kept."""
        self._assert_notes(subject, "a\u0000b\x1b[2Jc\ud800d\x07", "a\ufffdb[2Jc\ufffdd")

    def test_two_million_characters(self, subject: Subject) -> None:
        """Kept whole or as the declared limit says, or clearly refused; the side works on."""
        try:
            self._assert_notes(subject, "Ä" * LONG)
        except (Refused, OutcomeUnknown) as error:
            if len(str(error)) > 1000:
                pytest.fail("the refusal repeats the note")
        assert self.created(subject, Kind.CLIENT, 5)

    def _assert_notes(self, subject: Subject, text: str, kept: str | None = None) -> None:
        self.needs(subject, Kind.APPOINTMENT, "create")
        owner, pet = self.anybody(subject)
        values = {**self.appointment_fields(subject, owner, pet), "notes": text}
        write = self.write_of(subject, Kind.APPOINTMENT, Operation.CREATE, values, stamp=stamp_of(0))
        id_ = subject.connector.apply(write).id
        values["notes"] = text if kept is None else kept
        record = self.record(subject, Kind.APPOINTMENT, id_)
        # Compared in two steps, so that a failure does not print millions of characters.
        same = field_of(record, "notes") == values["notes"]
        limit = subject.connector.capabilities.of(Kind.APPOINTMENT).text_limits.get("notes")
        assert same or (limit and field_of(record, "notes") == str(values["notes"])[:limit]), "notes were not kept"

    # -- faults

    @pytest.mark.parametrize(("fault", "error"), [(Fault.LIMIT, RateLimited), (Fault.BEFORE, Unavailable)])
    def test_failing_reads_are_named(self, subject: Subject, fault: Fault, error: type[VetBridgeError]) -> None:
        """Every read says which trouble it met, from the first request on, and works again after it."""
        connector = subject.connector
        subject.fault(fault)
        reads: list[Callable[[], object]] = [
            lambda: connector.get(Kind.CLIENT, "1"),
            lambda: list(connector.changes(Kind.CLIENT, None)),
            lambda: list(connector.search(Kind.CLIENT, {"phone": "+447700900001"})),
        ]
        for read in reads:
            with pytest.raises(error) as caught:
                read()
            if isinstance(caught.value, RateLimited) and connector.capabilities.budgets:
                assert caught.value.wait > 0
                assert caught.value.budget in {each.name for each in connector.capabilities.budgets}
        subject.fault(None)
        assert self.everything(subject, Kind.CLIENT)[0]

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("fault", [Fault.AFTER, Fault.DROP])
    def test_lost_answer_is_found_by_looking(self, subject: Subject, kind: Kind, fault: Fault) -> None:
        """A create that was done and never answered is ``OutcomeUnknown``, was sent once, and is found as one."""
        self.needs(subject, kind, "create")
        write, values = self.sample(subject, kind)
        before = subject.writes()
        subject.fault(fault)
        with pytest.raises(OutcomeUnknown):
            subject.connector.apply(write)
        subject.fault(None)
        assert subject.writes() == before + 1
        found = list(subject.connector.look(write))
        assert len(found) == 1
        self.assert_kept(subject, subject.mapper.read(kind, found[0]), kind, values)
        assert subject.writes() == before + 1

    @pytest.mark.parametrize("kind", KINDS)
    def test_undone_create_is_not_found(self, subject: Subject, kind: Kind) -> None:
        """A create that failed before it was done may count as unknown; no look finds it, sending again makes one."""
        self.needs(subject, kind, "create")
        write, _ = self.sample(subject, kind)
        before = subject.writes()
        subject.fault(Fault.BEFORE)
        with pytest.raises((OutcomeUnknown, Unavailable)):
            subject.connector.apply(write)
        subject.fault(None)
        assert subject.writes() == before
        assert not list(subject.connector.look(write))
        made = subject.connector.apply(write).id
        assert [subject.mapper.read(kind, each).id for each in subject.connector.look(write)] == [made]

    @pytest.mark.parametrize("kind", KINDS)
    def test_limited_write_is_not_done(self, subject: Subject, kind: Kind) -> None:
        """A write that meets the limit raises ``RateLimited`` and did nothing."""
        self.needs(subject, kind, "create")
        write, _ = self.sample(subject, kind)
        before = subject.writes()
        subject.fault(Fault.LIMIT)
        with pytest.raises(RateLimited):
            subject.connector.apply(write)
        subject.fault(None)
        assert subject.writes() == before
        assert not list(subject.connector.look(write))

    def test_looking_tells_visits_apart(self, subject: Subject) -> None:
        """Two visits of one day and one owner: each look finds its own stamp, a third one finds none."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        owner, pet = self.anybody(subject)
        writes = [
            self.write_of(
                subject,
                Kind.APPOINTMENT,
                Operation.CREATE,
                self.appointment_fields(subject, owner, pet, number),
                stamp=stamp_of(number),
            )
            for number in range(3)
        ]
        made = [subject.connector.apply(write).id for write in writes[:2]]
        for write, id_ in zip(writes, made, strict=False):
            found = list(subject.connector.look(write))
            assert [subject.mapper.read(Kind.APPOINTMENT, each).id for each in found] == [id_]
        assert not list(subject.connector.look(writes[2]))

    @pytest.mark.parametrize("fault", [Fault.AFTER, Fault.DROP])
    def test_lost_update_and_cancel_are_unknown(self, subject: Subject, fault: Fault) -> None:
        """Both are sent once; a fresh read shows what became of them."""
        self.needs(subject, Kind.APPOINTMENT, "create")
        id_ = self.created(subject, Kind.APPOINTMENT)
        start = self.changes_of(Kind.APPOINTMENT, subject)["start"]
        tried = [self.write_of(subject, Kind.APPOINTMENT, Operation.UPDATE, {"start": start}, id=id_)]
        if subject.connector.capabilities.of(Kind.APPOINTMENT).cancel:
            tried.append(Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id=id_, native=dict(_CANCEL)))
        for write in tried:
            before = subject.writes()
            subject.fault(fault)
            with pytest.raises(OutcomeUnknown):
                subject.connector.apply(write)
            subject.fault(None)
            assert subject.writes() == before + 1
        assert field_of(self.record(subject, Kind.APPOINTMENT, id_), "start") == start

    # -- honesty

    @pytest.mark.parametrize("kind", list(Kind))
    def test_undeclared_is_refused_unsent(self, subject: Subject, kind: Kind) -> None:
        """What is not declared raises ``Refused`` with code not-supported, and the side hears nothing of it."""
        connector = subject.connector
        can = connector.capabilities.of(kind)
        id_ = self.unknown_ids[0]
        refused: list[Callable[[], object]] = [
            lambda: list(connector.search(kind, {"favourite_colour": "blue"})),
            lambda: list(connector.search(kind, {})),
        ]
        if not can.read:
            refused += [lambda: connector.get(kind, id_), lambda: list(connector.changes(kind, None))]
        create = Write(operation=Operation.CREATE, kind=kind, id=None, native={})
        if not can.create:
            refused += [lambda: connector.apply(create), lambda: list(connector.look(create))]
        if not can.update:
            refused.append(lambda: connector.apply(Write(operation=Operation.UPDATE, kind=kind, id=id_, native={})))
        if not can.cancel:
            refused.append(lambda: connector.apply(Write(operation=Operation.CANCEL, kind=kind, id=id_, native={})))
        before = subject.requests()
        for attempt in refused:
            with pytest.raises(Refused) as caught:
                attempt()
            assert caught.value.code == "not-supported"
        assert subject.requests() == before

    @pytest.mark.parametrize("kind", KINDS)
    def test_undeclared_fields_do_not_pass_for_written(self, subject: Subject, kind: Kind) -> None:
        """An update of a field that is not declared to change is refused, or does change it; never taken and lost."""
        self.needs(subject, kind, "create")
        self.needs(subject, kind, "update")
        changes = self.changes_of(kind, subject)
        can = subject.connector.capabilities.of(kind)
        both = subject.mapper.writable(kind) & subject.mapper.readable(kind)
        undeclared = sorted((both - can.update - set(can.loss)) & set(changes))
        if not undeclared:
            pytest.skip("every field that is mapped both ways is declared to change")
        id_ = self.created(subject, kind)
        for name in undeclared:
            try:
                subject.connector.apply(self.write_of(subject, kind, Operation.UPDATE, {name: changes[name]}, id=id_))
            except Refused:
                continue
            self.assert_kept(subject, self.record(subject, kind, id_), kind, {name: changes[name]})

    # -- hygiene

    def test_no_secret_shows(self, subject: Subject) -> None:
        """Neither the connector nor its parts show a secret when they are printed."""
        with suppress(VetBridgeError):
            subject.connector.get(Kind.CLIENT, "1")
        for part in [subject.connector, *vars(subject.connector).values()]:
            for secret in subject.secrets:
                assert secret not in f"{part!r} {part}"

    @pytest.mark.parametrize("fault", [None, *Fault])
    def test_errors_name_no_person(self, subject: Subject, fault: Fault | None) -> None:
        """Errors of writes that hold names, phones and mail addresses repeat none of them, nor a secret."""
        values = self.client_fields(3)
        write = self.write_of(subject, Kind.CLIENT, Operation.CREATE, values)
        if fault is None:
            # A side refuses a change of what is not there, and its words may repeat what it was sent.
            known = subject.connector.capabilities.of(Kind.CLIENT).update
            values = {name: value for name, value in values.items() if name in known}
            write = self.write_of(subject, Kind.CLIENT, Operation.UPDATE, values, id=self.unknown_ids[0])
        subject.fault(fault)
        with pytest.raises(VetBridgeError) as caught:
            subject.connector.apply(write)
        words = f"{caught.value} {caught.value.message} {caught.value!r}"
        private = ("Zoë", "Ångström", "7700900004", "probe3", *subject.secrets)
        assert not [each for each in private if each in words]

    # -- hints

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"\xff\xfe", b"null", b"[]", b"{}", b'"x"', b"[1, 2]", b'{"items": 1}', b"[" * 20_000]
    )
    def test_useless_webhooks_say_nothing(self, subject: Subject, body: bytes) -> None:
        """A body that is not what the vendor sends is ``BadHint`` or no hint, and never anything worse."""
        if not subject.connector.capabilities.hints:
            pytest.skip("not declared: hints")
        before = subject.requests()
        with suppress(BadHint):
            assert subject.connector.hints(HookRequest(body=body)) == ()
        assert subject.requests() == before


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


_CANCEL: Mapping[str, str] = {"by": "client", "reason": "the cat ran away"}


def _apply_zone() -> None:
    if hasattr(time, "tzset"):
        time.tzset()


__all__ = ["ConnectorSuite", "Fault", "SimulatedSubject", "Subject", "clock_changes", "field_of", "stamp_of"]
