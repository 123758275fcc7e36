"""What staff keep in a simulated practice is what the shipped profiles read of its exports and its tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.animana.simulator import AnimanaPractice
from connectors.files import FilesOptions, build
from connectors.impromed.simulator import SECRETS, ImproMedPractice
from connectors.sql import SqlOptions
from connectors.sql import build as build_sql
from connectors.sql.profile import SqlProfile
from vetbridge.connector.interface import Native
from vetbridge.connector.plugin import Environment
from vetbridge.connector.rows import RowReader
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.practice import DATABASE_FILE, Exporter, Form, KeptVisit, Practice

NINE = datetime(2026, 3, 2, 9)  # noqa: DTZ001 - the clinic's wall clock, on the day of the fake clock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=[ImproMedPractice, AnimanaPractice])
def practice(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Practice]:
    with request.param(tmp_path / DATABASE_FILE, now=clock.now) as made:
        made.fill(make_clinic(1, 60))
        for day, pet in enumerate(made.pets()[:5]):
            made.book(
                pet_id=pet.id, start=NINE + timedelta(days=day), minutes=20, resource="vet_2", notes=f"no. {day}"
            )
        made.cancel(made.visits()[0].id)
        made.change_pet(made.pets()[2].id, deceased=True)
        made.change_client(made.clients()[0].id, family_name="Weiß; Söhne", active=False)
        yield made


def _read(practice: Practice, clock: FakeClock, **form: Any) -> Mapping[Kind, Mapping[str, Native]]:
    """All that the connector ``files`` makes of one export, by kind and id."""
    folder = practice.file.parent / "exchange"
    options = FilesOptions(folder=folder, profile=practice.system, settle=0.0)
    connector = build(options, Environment(account="practice", clock=clock, zone=practice.zone, country="GB"))
    try:
        Exporter(practice, folder / "in", Form(**form)).export()
        return {
            kind: {
                found.native["id"]: found.native
                for page in connector.changes(kind, None)
                for found in page.records
                if found.native is not None
            }
            for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)
        }
    finally:
        connector.close()


def _as_visit(practice: Practice, native: Native) -> tuple[Any, ...]:
    return (
        datetime.fromisoformat(native["start"]),
        native["duration"],
        practice.word("resource", native["resource"]),
        native.get("client_id", ""),
        native.get("pet_id", ""),
        native.get("notes", ""),
        native["status"] == "deleted",
    )


def _as_kept(visit: KeptVisit) -> tuple[Any, ...]:
    whose = (visit.client_id, visit.pet_id)
    return (visit.start, visit.minutes * 60, visit.resource, *whose, visit.notes, visit.deleted)


@pytest.mark.parametrize("form", [{}, {"encoding": "utf-8-sig", "delimiter": ","}, {"format": "xlsx"}])
def test_an_export_holds_what_staff_keep(practice: Practice, clock: FakeClock, form: dict[str, str]) -> None:
    read = _read(practice, clock, **form)
    clients = practice.clients(deleted=True)
    assert {one.id: one.active for one in clients} == {
        id_: bool(native["active"]) for id_, native in read[Kind.CLIENT].items()
    }
    assert read[Kind.CLIENT][clients[0].id]["family_name"] == "Weiß; Söhne"
    assert {one.id: one.phones for one in clients} == {
        id_: tuple(native["phones"]) for id_, native in read[Kind.CLIENT].items()
    }
    assert {(one.id, one.client_id, one.name, one.species, one.deceased) for one in practice.pets()} == {
        (id_, native["client_id"], native["name"], practice.word("species", native["species"]), native["deceased"])
        for id_, native in read[Kind.PET].items()
    }
    assert {one.id: _as_kept(one) for one in practice.visits(deleted=True)} == {
        id_: _as_visit(practice, native) for id_, native in read[Kind.APPOINTMENT].items()
    }


def test_an_export_names_the_second_person_on_a_card_and_who_cares_for_a_pet(
    tmp_path: Path, clock: FakeClock
) -> None:
    with ImproMedPractice(tmp_path / DATABASE_FILE, now=clock.now) as practice:
        practice.fill(make_clinic(1, 3))
        both, alone, _ = (one.id for one in practice.clients())
        practice.change_client(both, partner_given_name="Mary", partner_family_name="Jones")
        practice.change_client(alone, partner_given_name="", partner_family_name="")
        read = _read(practice, clock)[Kind.CLIENT]
        assert (read[both]["co_owners"], read[alone]["co_owners"]) == (["Mary Jones"], [])
    (tmp_path / "two").mkdir()
    with AnimanaPractice(tmp_path / "two" / DATABASE_FILE, now=clock.now) as practice:
        practice.fill(make_clinic(1, 3))
        pet, other = (one.id for one in practice.pets()[:2])
        carer = practice.clients()[-1].id
        practice.change_pet(pet, carer_id=carer)
        read = _read(practice, clock)[Kind.PET]
        assert (read[pet]["carer_id"], read[other].get("carer_id")) == (carer, None)


def test_a_calendar_holds_the_diary(tmp_path: Path, clock: FakeClock) -> None:
    with AnimanaPractice(tmp_path / DATABASE_FILE, now=clock.now) as practice:
        practice.fill(make_clinic(1, 5))
        visit = practice.book(
            pet_id="5001", start=NINE + timedelta(days=60), minutes=20, resource="vet_2", notes="a;b"
        )
        gone = practice.cancel(practice.book(pet_id="5001", start=NINE).id)
        read = _read(practice, clock, diary="ics")[Kind.APPOINTMENT]
        assert read.keys() == {visit.id, gone.id}
        assert read[gone.id]["status"] == "deleted"
        said = read[visit.id]
        assert datetime.fromisoformat(said["start"]) == visit.start
        assert (said["duration"], said["notes"]) == (1200, "a;b")
        assert practice.word("resource", said["resource"]) == "vet_2"
        assert practice.word("appointment_type", said["appointment_type"]) == "checkup"


def test_the_tables_hold_what_the_profile_of_the_database_asks_for(tmp_path: Path, clock: FakeClock) -> None:
    text = (resources.files("connectors.impromed") / "sql.yaml").read_text(encoding="utf-8")
    profile = SqlProfile.model_validate(yaml.safe_load(text))
    with ImproMedPractice(tmp_path / DATABASE_FILE, now=clock.now) as practice:
        practice.fill(make_clinic(1, 20))
        visit = practice.book(pet_id="5001", start=NINE, minutes=20, resource="vet_2", notes="VB-7F3K9Q2MXX")
        reader = sqlite3.connect(f"{practice.file.as_uri()}?mode=ro", uri=True)
        read: dict[str, list[Native]] = {}
        for kind, rules in profile.kinds.items():
            bounds = ("2026-03-02 00:00:00", "2026-03-03 00:00:00") if rules.window else ()
            rows = reader.execute(rules.select, bounds)
            columns = [column[0] for column in rows.description]
            read[kind] = [RowReader(kind, rules, columns).native(row) for row in rows]
        reader.close()
        assert {row["id"] for row in read[Kind.CLIENT]} == {one.id for one in practice.clients()}
        assert {(row["id"], row["client_id"]) for row in read[Kind.PET]} == {
            (one.id, one.client_id) for one in practice.pets()
        }
        assert [_as_visit(practice, row) for row in read[Kind.APPOINTMENT]] == [_as_kept(visit)]
        assert not [secret for secret in SECRETS if secret in str(read)]


@pytest.mark.odbc
def test_a_driver_reads_what_staff_write_meanwhile(tmp_path: Path, clock: FakeClock) -> None:
    with ImproMedPractice(tmp_path / DATABASE_FILE, now=clock.now) as practice:
        practice.fill(make_clinic(1, 20))
        first, second = (practice.book(pet_id=pet, start=NINE, notes="hällo 🐶") for pet in ("5001", "5002"))
        connection = Secret.of(f"Driver=SQLite3;Database={practice.file};Timeout=1000")
        options = SqlOptions(profile="impromed", dialect="sqlite", connection=connection)
        connector = build_sql(options, Environment(account="practice", clock=clock, zone=practice.zone, country="GB"))
        try:
            assert connector.check().ok
            pages = list(connector.changes(Kind.APPOINTMENT, None))
            read = [_as_visit(practice, found.native) for page in pages for found in page.records if found.native]
            assert sorted(read) == sorted(map(_as_kept, (first, second)))
            moved = practice.change_visit(first.id, start=NINE + timedelta(hours=1))
            practice.cancel(second.id)
            third = practice.book(pet_id="5001", start=NINE, resource="vet_3")
            clock.advance(120)
            pages = list(connector.changes(Kind.APPOINTMENT, pages[-1].cursor))
            changed = {found.id: found.native for page in pages for found in page.records if found.native}
            assert changed.keys() == {first.id, second.id, third.id}
            assert _as_visit(practice, changed[first.id]) == _as_kept(moved)
            assert changed[second.id]["status"] == "deleted"
            practice.erase(Kind.APPOINTMENT, third.id)
            clock.advance(120)
            pages = list(connector.changes(Kind.APPOINTMENT, pages[-1].cursor))
            assert [(found.id, found.deleted) for page in pages for found in page.records] == [(third.id, True)]
        finally:
            connector.close()
