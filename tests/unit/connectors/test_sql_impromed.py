"""ImproMed's profile for the connector ``sql`` on a simulated practice: the same records by either engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.impromed import system
from connectors.impromed.simulator import CODE_LISTS, SECRETS, ImproMedPractice
from connectors.sql import plugin
from connectors.sql.options import SqlOptions
from connectors.sql.profile import SqlProfile
from tests import databases, ledgers
from tests.databases import NOW, PostgresDatabase
from vetbridge.connector.interface import Connector, Native, Operation
from vetbridge.connector.plugin import Environment
from vetbridge.connector.profiles import load_profile
from vetbridge.connector.secret import Secret
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clinic import Clinic, make_clinic
from vetbridge.testing.clock import FakeClock

ZONE = "Europe/London"
READ = (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)
NEVER = ("SOCIAL_SECUR_NUM", "SPOUSE_SOCIAL_SECUR_NUM", "DRIVER_LICENSE", "SPOUSE_DRIVER_LICENSE", "*")
PROFILE = load_profile(SqlProfile, "impromed", "sql")


def test_the_profile_keeps_to_what_every_engine_understands_and_never_selects_what_nobody_may_see() -> None:
    for each in (*PROFILE.kinds.values(), *PROFILE.codes.values()):
        words = re.findall(r"\w+|\*", each.select.upper())
        assert not {"TOP", "ISNULL", "GETDATE", "NOLOCK", "LIMIT"} & set(words)
        assert not set('[]"`') & set(each.select)
        assert not set(NEVER) & set(words)


def test_it_says_of_writes_that_people_do_them() -> None:
    can = plugin.declares() if plugin.declares else None
    assert can is not None
    assert can.of(Kind.APPOINTMENT).handed == {Operation.CREATE, Operation.UPDATE, Operation.CANCEL}
    way = system.way("sql")
    assert way is not None
    assert way.proven == PROFILE.proven


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[ImproMedPractice]:
    with ImproMedPractice(tmp_path / "practice.sqlite3", zone=ZONE, now=lambda: NOW) as made:
        yield made


def connector(dialect: str, connection: str) -> Connector:
    options = SqlOptions.model_validate(
        {"profile": "impromed", "dialect": dialect, "connection": Secret.of(connection), "page_size": 10}
    )
    return plugin.build(options, Environment(account="impromed-city", zone=ZONE, country="GB", clock=FakeClock(NOW)))


def on_sqlite(practice: ImproMedPractice) -> Connector:
    return connector("sqlite", f"Driver=SQLite3;Database={practice.file}")


def natives(side: Connector, kind: Kind) -> dict[str, Native]:
    found = (each for page in side.changes(kind, None) for each in page.records)
    return {each.id: each.native for each in found if each.native is not None}


def mapper() -> Mapper:
    codes = {name: {word: str(code) for word, code in codes.items()} for name, codes in CODE_LISTS.items()}
    return Mapper(load_table("neutral"), zone=ZONE, country="GB", codes=codes)


@databases.NEEDED
def test_records_are_what_staff_entered(practice: ImproMedPractice) -> None:
    owner = practice.register_client(
        given_name="Zoë",
        family_name="Ångström",
        partner_given_name="Tom",
        phones=("(020) 7946-0001", "07700 900123"),
        email="zoe@example.org",
    )
    pet = practice.register_pet(
        client_id=owner.id,
        name="Bobik",
        species="dog",
        sex="male_neutered",
        birth_date=date(2020, 5, 17),
        deceased=True,
    )
    start = datetime(2027, 6, 14, 10, 0)  # noqa: DTZ001 - the practice's wall clock
    visit = practice.book(pet_id=pet.id, start=start, minutes=45, resource="vet_2", status="arrived", notes="limps")
    struck = practice.cancel(practice.book(pet_id=pet.id, start=start, minutes=15).id)
    side, reads = on_sqlite(practice), mapper()
    client = reads.read(Kind.CLIENT, side.get(Kind.CLIENT, owner.id) or {})
    assert isinstance(client, Client)
    assert (client.given_name, client.family_name, client.co_owners) == ("Zoë", "Ångström", ("Tom",))
    assert (client.phones, client.emails) == (("(020) 7946-0001", "07700 900123"), ("zoe@example.org",))
    animal = reads.read(Kind.PET, side.get(Kind.PET, pet.id) or {})
    assert isinstance(animal, Pet)
    assert (animal.client_id, animal.name, animal.species, animal.sex) == (owner.id, "Bobik", "dog", "male_neutered")
    assert (animal.birth_date, animal.deceased, animal.breed) == (date(2020, 5, 17), True, "")
    booked = reads.read(Kind.APPOINTMENT, side.get(Kind.APPOINTMENT, visit.id) or {})
    assert isinstance(booked, Appointment)
    assert (booked.client_id, booked.pet_id, booked.resource) == (owner.id, pet.id, "vet_2")
    assert (booked.start, booked.duration) == (Instant.from_local(start, ZONE), 2700)
    assert (booked.status, booked.notes) == (AppointmentStatus.ARRIVED, "limps")
    gone = reads.read(Kind.APPOINTMENT, side.get(Kind.APPOINTMENT, struck.id) or {})
    assert isinstance(gone, Appointment)
    assert gone.status is AppointmentStatus.CANCELLED


@databases.NEEDED
def test_a_client_who_was_merged_away_is_no_longer_active_and_parts_of_a_series_are_visits(
    practice: ImproMedPractice,
) -> None:
    left, kept = (practice.register_client(given_name="Ann", family_name="Smith") for _ in range(2))
    pet = practice.register_pet(client_id=left.id, name="Bobik")
    for week in range(3):
        practice.book(pet_id=pet.id, start=datetime(2027, 6, 14 + 7 * week % 15, 9), series="S-1")  # noqa: DTZ001
    side = on_sqlite(practice)
    practice.merge(left.id, kept.id)
    assert natives(side, Kind.CLIENT)[left.id]["active"] is False
    assert {visit["client_id"] for visit in natives(side, Kind.APPOINTMENT).values()} == {kept.id}
    assert len(natives(side, Kind.APPOINTMENT)) == 3


@databases.NEEDED
def test_what_the_clinic_has_is_read_whole_and_nothing_that_nobody_may_see(
    practice: ImproMedPractice, clinic: Clinic
) -> None:
    practice.fill(clinic)
    side = on_sqlite(practice)
    found = {kind: natives(side, kind) for kind in READ}
    assert set(found[Kind.CLIENT]) == {client.id for client in practice.clients(deleted=True)}
    assert set(found[Kind.PET]) == {pet.id for pet in practice.pets(deleted=True)}
    assert not any(secret in repr(found) for secret in SECRETS)
    reads = mapper()
    for kind in READ:
        for id_, native in found[kind].items():
            assert reads.read(kind, native).id == id_
    report = side.check()
    assert report.ok, report.lines
    assert side.code_lists()["status"].keys() >= set(CODE_LISTS["status"].values())


@databases.NEEDED
def test_postgresql_tells_the_same(practice: ImproMedPractice, clinic: Clinic) -> None:
    """One text for every engine: true dates, GUIDs, bits and numbers there, text here."""
    practice.fill(clinic)
    pets = practice.pets()
    for number in range(25):
        practice.book(pet_id=pets[number].id, start=datetime(2027, 6, 14, 8 + number % 9, 15), minutes=20)  # noqa: DTZ001
    served = ledgers.Server()
    try:
        base = PostgresDatabase(served)
        copy(practice, base)
        here, there = on_sqlite(practice), connector("postgresql", base.connection)
        for kind in READ:
            assert natives(there, kind) == natives(here, kind)
            assert natives(here, kind)
        assert there.code_lists() == here.code_lists()
        there.close()
        base.close()
    finally:
        served.close()


TYPES = {"uniqueidentifier": "uuid", "nvarchar": "varchar", "datetime": "timestamp", "bit": "boolean"}


def copy(practice: ImproMedPractice, base: PostgresDatabase) -> None:
    """The practice's tables on PostgreSQL, with the types that it has."""
    for statement in practice.schema.split(";"):
        for old, new in TYPES.items():
            statement = re.sub(rf"\b{old}\b", new, statement)  # noqa: PLW2901
        base.run(statement)
        table = re.search(r"CREATE TABLE (\w+)", statement)
        if table is None:
            continue
        columns, rows = practice.table(f"SELECT * FROM {table[1]}")  # noqa: S608
        bits = {name for name in columns if re.search(rf"\b{name} boolean", statement)}
        marks = ", ".join("?" * len(columns))
        for row in rows:
            values: list[Any] = [
                bool(value) if name in bits else value for name, value in zip(columns, row, strict=True)
            ]
            base.run(f"INSERT INTO {table[1]} VALUES ({marks})", values)  # noqa: S608
    base.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")


@pytest.fixture(scope="module")
def clinic() -> Clinic:
    return make_clinic(7, 30)
