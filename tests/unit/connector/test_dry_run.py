"""A dry run: nothing is sent, and what was planned shows in later reads, in each vendor's own shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors import altegio, ezyvet
from connectors.altegio.simulator import build as build_altegio
from connectors.ezyvet.simulator import CODE_LISTS, PLACEHOLDER_ANIMAL, PLACEHOLDER_CONTACT
from connectors.ezyvet.simulator import build as build_ezyvet
from vetbridge.connector.dry import DryRun
from vetbridge.connector.interface import Connector, Operation, Receipt, Write
from vetbridge.connector.plugin import Environment, Plugin
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import Refused
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.memory import MemorySide, by_hand, memory_capabilities, memory_mapper, redeclared

ZONE = "Europe/London"
STAMP = "VB-7F3K9Q2MXX"
START = Instant(datetime(2027, 3, 1, 10, 0, tzinfo=UTC), ZONE)


@dataclass
class Side:
    """One side to rehearse against: the dry run, its mapper, and how many writes really came."""

    dry: DryRun
    real: Connector
    mapper: Mapper
    visit: Mapping[str, Any]
    """Canonical fields of a visit that the side takes."""
    client: str
    """A client that stands there."""
    written: Callable[[], int]
    in_earnest: int = 0
    """Writes that the test itself has sent."""

    def write(self, kind: Kind, operation: Operation, id_: str | None = None, **fields: object) -> Receipt:
        native = dict(fields) if operation is Operation.CANCEL else self.mapper.write(kind, fields)
        return self.dry.apply(Write(operation=operation, kind=kind, id=id_, native=native, stamp=STAMP))

    def visit_now(self, id_: str) -> Appointment:
        native = self.dry.get(Kind.APPOINTMENT, id_)
        assert native is not None
        return self.mapper.read(Kind.APPOINTMENT, native)


def connect(made: Plugin, zone: str, options: Mapping[str, Any]) -> Connector:
    environment = Environment(account="a", zone=zone, country="GB", timeout=5.0, limit_scale=1000.0)
    connector: Connector = made.build(made.options.model_validate(options), environment)
    return connector


def altegio_side(stack: ExitStack) -> Side:
    simulator = stack.enter_context(build_altegio(clients=30, seed=3, zone=ZONE))
    tokens = {name: Secret.of(simulator.credentials[name]) for name in ("partner_token", "user_token")}
    location = simulator.credentials["location_id"]
    real = connect(altegio.plugin, ZONE, {"base_url": simulator.base_url, "location_id": location, **tokens})
    stack.callback(real.close)
    codes = {
        "appointment_type": {"checkup": "701", "vaccination": "702"},
        "resource": {"vet_1": "501", "vet_2": "502"},
    }
    mapper = Mapper(load_table("altegio"), zone=ZONE, country="GB", codes=codes)
    client = next(found.id for page in real.changes(Kind.CLIENT, None) for found in page.records)
    visit = {"client_id": client, "booked_pet": Pet(name="Bella", species="dog")}
    return Side(DryRun(real, mapper), real, mapper, visit, client, lambda: int(simulator.counts()["writes"]))


def ezyvet_side(stack: ExitStack) -> Side:
    simulator = stack.enter_context(build_ezyvet(clients=30, seed=3))
    options = {
        **simulator.credentials,
        "client_secret": Secret.of(simulator.credentials["client_secret"]),
        "base_url": simulator.base_url,
        "cancellation_reason": 2,
    }
    real = connect(ezyvet.plugin, ZONE, options)
    stack.callback(real.close)
    mapper = Mapper(load_table("ezyvet"), zone=ZONE, country="GB", codes=CODE_LISTS)
    visit = {"client_id": str(PLACEHOLDER_CONTACT), "pet_id": str(PLACEHOLDER_ANIMAL)}
    return Side(
        DryRun(real, mapper),
        real,
        mapper,
        visit,
        str(PLACEHOLDER_CONTACT),
        lambda: int(simulator.counts()["writes"]),
    )


def memory_side(_: ExitStack) -> Side:
    real = MemorySide()
    client = real.add(Kind.CLIENT, {"name": {"given": "Ann", "family": "Weiss"}})
    mapper = memory_mapper()
    return Side(DryRun(real, mapper), real, mapper, {"client_id": client}, client, lambda: len(real.written))


@pytest.fixture(params=[altegio_side, ezyvet_side, memory_side], ids=["altegio", "ezyvet", "memory"])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    with ExitStack() as stack:
        made: Side = request.param(stack)
        before = made.written()
        yield made
        assert made.written() == before + made.in_earnest, "a dry run sends nothing"


def slot(**changes: Any) -> dict[str, Any]:
    return {
        "start": START,
        "duration": 900,
        "appointment_type": "checkup",
        "resource": "vet_1",
        "notes": f"[VetBridge {STAMP}]\nBooked online.\n[/VetBridge]",
        **changes,
    }


def test_a_visit_that_would_be_made_reads_back_as_it_was_written(side: Side) -> None:
    receipt = side.write(Kind.APPOINTMENT, Operation.CREATE, **slot(), **side.visit)
    assert receipt.id == "planned-1"
    assert receipt.native is not None
    made = side.mapper.read(Kind.APPOINTMENT, receipt.native)
    assert made == side.visit_now("planned-1")
    assert (made.id, made.client_id) == ("planned-1", side.client)
    assert {name: getattr(made, name) for name in slot()} == slot()
    assert made.status is AppointmentStatus.BOOKED, "no status was written, and none need be"
    assert side.dry.planned[0].stamp == STAMP


def test_a_planned_visit_is_moved_and_cancelled_like_any_other(side: Side) -> None:
    id_ = side.write(Kind.APPOINTMENT, Operation.CREATE, **slot(), **side.visit).id
    later = Instant(START.utc + timedelta(hours=1), ZONE)
    side.write(Kind.APPOINTMENT, Operation.UPDATE, id_, start=later, resource="vet_2")
    moved = side.visit_now(id_)
    assert (moved.start, moved.resource, moved.duration) == (later, "vet_2", 900)
    side.write(Kind.APPOINTMENT, Operation.CANCEL, id_, by="client", reason="Cancelled online.")
    assert side.visit_now(id_).status is AppointmentStatus.CANCELLED
    assert [write.operation for write in side.dry.planned] == ["create", "update", "cancel"]


def test_a_visit_that_stands_there_is_read_with_what_was_planned(side: Side) -> None:
    native = side.mapper.write(Kind.APPOINTMENT, {**slot(), **side.visit})
    create = Write(operation=Operation.CREATE, kind=Kind.APPOINTMENT, id=None, native=native, stamp=STAMP)
    id_ = side.real.apply(create).id
    side.in_earnest = 1
    receipt = side.write(Kind.APPOINTMENT, Operation.UPDATE, id_, notes="mine", duration=1800)
    assert receipt.native == side.dry.get(Kind.APPOINTMENT, id_)
    now = side.visit_now(id_)
    assert (now.notes, now.duration, now.start) == ("mine", 1800, START)
    assert side.mapper.read(Kind.APPOINTMENT, side.real.get(Kind.APPOINTMENT, id_) or {}).duration == 900
    looked = [side.mapper.read(Kind.APPOINTMENT, found).duration for found in side.dry.look(create)]
    listed = {found.id: found.native for page in side.dry.changes(Kind.APPOINTMENT, None) for found in page.records}
    assert looked in ([1800], []), "where the stamp stood in the notes, it would be gone"
    assert side.mapper.read(Kind.APPOINTMENT, listed[id_] or {}).duration == 1800
    side.write(Kind.APPOINTMENT, Operation.CANCEL, id_, by="client", reason="")
    assert side.visit_now(id_).status is AppointmentStatus.CANCELLED


def test_a_new_client_and_its_pet_are_found(side: Side) -> None:
    client = side.write(
        Kind.CLIENT,
        Operation.CREATE,
        given_name="Zoë",
        family_name="Newman",
        phones=("+447911123456",),
        emails=("Zoe@example.org",),
    ).id
    native = side.dry.get(Kind.CLIENT, client)
    assert native is not None
    assert side.mapper.read(Kind.CLIENT, native) == Client(
        id=client,
        given_name="Zoë",
        family_name="Newman",
        phones=("+447911123456",),
        emails=("Zoe@example.org",),
    )
    pet = side.write(Kind.PET, Operation.CREATE, client_id=client, name="Milo", species="cat").id
    other = side.write(Kind.PET, Operation.CREATE, client_id=side.client, name="Rex", species="dog").id

    def found(kind: Kind, **query: str) -> list[str | None]:
        return [side.mapper.read(kind, native).id for native in side.dry.search(kind, query)]

    assert found(Kind.PET, client_id=client) == [pet]
    assert other in found(Kind.PET, client_id=side.client)
    assert pet not in found(Kind.PET, client_id=side.client)
    assert found(Kind.CLIENT, phone="+447911123456") == [client]
    assert found(Kind.CLIENT, email="zoe@example.org") == [client]
    assert found(Kind.CLIENT, phone="+447911123457") == []


def test_a_record_that_is_not_there_cannot_be_changed(side: Side) -> None:
    with pytest.raises(Refused) as refused:
        side.write(Kind.APPOINTMENT, Operation.UPDATE, "999999999", notes="x")
    assert refused.value.code == "gone"
    assert side.dry.get(Kind.APPOINTMENT, "planned-7") is None
    assert side.dry.planned == ()


def test_what_a_side_does_not_declare_is_refused_here_too() -> None:
    capabilities = redeclared(memory_capabilities(), Kind.PET, create=None)
    dry = DryRun(MemorySide(capabilities), memory_mapper())
    with pytest.raises(Refused) as refused:
        dry.apply(Write(operation=Operation.CREATE, kind=Kind.PET, id=None, native={"name": "Milo"}))
    assert refused.value.code == "not-supported"
    with pytest.raises(Refused):
        list(dry.search(Kind.CLIENT, {"name": "Weiss"}))


def test_visits_are_found_by_client_and_time() -> None:
    real = MemorySide()
    capabilities = redeclared(
        memory_capabilities(), Kind.APPOINTMENT, search=frozenset({"client_id", "start_from", "start_before"})
    )
    dry, mapper = DryRun(MemorySide(capabilities), memory_mapper()), memory_mapper()
    client = real.add(Kind.CLIENT, {})
    native = mapper.write(Kind.APPOINTMENT, {**slot(), "client_id": "planned-9"})
    dry.apply(Write(operation=Operation.CREATE, kind=Kind.APPOINTMENT, id=None, native=native))
    start = START.utc
    for query, count in (
        ({"start_from": start.isoformat(), "start_before": (start + timedelta(hours=1)).isoformat()}, 1),
        ({"start_from": (start + timedelta(seconds=1)).isoformat()}, 0),
        ({"start_before": start.isoformat()}, 0),
        ({"start_from": str(int(start.timestamp()))}, 1),
        ({"start_from": "soon"}, 0),
        ({"client_id": client}, 0),
        ({"client_id": "planned-8"}, 0),
    ):
        assert len(list(dry.search(Kind.APPOINTMENT, {"client_id": "planned-9", **query}))) == count, query


def test_a_visit_that_was_given_to_another_client_leaves_the_first_ones_list() -> None:
    real = MemorySide()
    ann, bob = (real.add(Kind.CLIENT, {}) for _ in range(2))
    visit = real.add(Kind.APPOINTMENT, {"owner": ann, "start": START.utc.isoformat(), "seconds": 900})
    dry = DryRun(real, memory_mapper())
    assert len(list(dry.search(Kind.APPOINTMENT, {"client_id": ann}))) == 1
    dry.apply(Write(operation=Operation.UPDATE, kind=Kind.APPOINTMENT, id=visit, native={"owner": bob}))
    assert list(dry.search(Kind.APPOINTMENT, {"client_id": ann})) == []
    assert dry.get(Kind.APPOINTMENT, visit) == {**(real.row(Kind.APPOINTMENT, visit) or {}), "owner": bob}


def test_what_would_be_handed_on_counts_as_carried_out_and_nothing_is_taken_back() -> None:
    real = MemorySide(by_hand(memory_capabilities()))
    real.apply(Write(operation=Operation.CREATE, kind=Kind.APPOINTMENT, id=None, native={"seconds": 900}, key="1"))
    dry = DryRun(real, memory_mapper())
    booked = Write(operation=Operation.CREATE, kind=Kind.APPOINTMENT, id=None, native={"seconds": 600}, key="2")
    assert (dry.get(Kind.APPOINTMENT, dry.apply(booked).id) or {})["seconds"] == 600
    taken_back = Write(operation=Operation.RECALL, kind=Kind.APPOINTMENT, id=None, native={}, key="1")
    assert dry.apply(taken_back).id == ""
    assert list(real.handed) == ["1"]
    with pytest.raises(Refused):
        DryRun(MemorySide(), memory_mapper()).apply(taken_back)
