"""What AVImark's and Cornerstone's rehearsed reports hold is what their shipped profiles read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from connectors.avimark.simulator import AvimarkPractice
from connectors.cornerstone.simulator import CornerstonePractice
from connectors.files import build
from connectors.files.options import FilesOptions
from vetbridge.connector.interface import Native
from vetbridge.connector.plugin import Environment
from vetbridge.core.records import Kind
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.practice import DATABASE_FILE, Exporter, Form, PlainPractice

NINE = datetime(2026, 3, 2, 9)  # noqa: DTZ001 - the clinic's wall clock, on the day of the fake clock
READ = (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT, Kind.REMINDER)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=[AvimarkPractice, CornerstonePractice])
def practice(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[PlainPractice]:
    with request.param(tmp_path / DATABASE_FILE, now=clock.now) as made:
        made.fill(make_clinic(1, 40))
        yield made


def read(practice: PlainPractice, clock: FakeClock) -> Mapping[Kind, Mapping[str, Native]]:
    """All that the connector ``files`` knows after one more export, by kind and id."""
    folder = practice.file.parent / "exchange"
    options = FilesOptions(folder=folder, profile=practice.system, settle=0.0)
    connector = build(options, Environment(account="practice", clock=clock, zone=practice.zone, country="GB"))
    Exporter(practice, folder / "in", Form(dated=True)).export()
    clock.advance(60)
    return {
        kind: {
            found.native["id"]: found.native
            for page in connector.changes(kind, None)
            for found in page.records
            if found.native is not None
        }
        for kind in READ
    }


def test_the_reports_say_who_owns_what_and_who_is_over(practice: PlainPractice, clock: FakeClock) -> None:
    practice.change_client("1001", phones=("07700 900001", "07700 900002", "07700 900003"), active=False)
    practice.change_pet("5001", deceased=True)
    found = read(practice, clock)
    assert {one.id: (one.family_name, one.phones, one.active) for one in practice.clients()} == {
        id_: (native["family_name"], tuple(native["phones"]), native["active"])
        for id_, native in found[Kind.CLIENT].items()
    }
    assert {
        (one.id, one.client_id, one.name, one.species, one.sex, one.deceased, one.active) for one in practice.pets()
    } == {
        (
            id_,
            native["client_id"],
            native["name"],
            practice.word("species", native["species"]),
            practice.word("sex", native["sex"]),
            native["deceased"],
            native["active"],
        )
        for id_, native in found[Kind.PET].items()
    }


def test_the_second_person_on_a_card_is_named(practice: PlainPractice, clock: FakeClock) -> None:
    practice.change_client("1001", partner_given_name="Mary", partner_family_name="Jones")
    practice.change_client("1002", partner_given_name="", partner_family_name="")
    found = read(practice, clock)[Kind.CLIENT]
    assert (found["1001"]["co_owners"], found["1002"]["co_owners"]) == (["Mary Jones"], [])


def test_the_diary_has_cancelled_visits_by_their_status_and_lacks_what_is_gone(
    practice: PlainPractice, clock: FakeClock
) -> None:
    kept, called_off, gone, last = (
        practice.book(pet_id="5001", start=NINE + timedelta(days=day), minutes=20, resource="vet_2", notes="VB-7F3K")
        for day in range(4)
    )
    assert read(practice, clock)[Kind.APPOINTMENT].keys() == {kept.id, called_off.id, gone.id, last.id}
    practice.cancel(called_off.id)
    practice.erase(Kind.APPOINTMENT, gone.id)
    found = read(practice, clock)[Kind.APPOINTMENT]
    assert found.keys() == {kept.id, called_off.id, last.id}
    assert practice.word("status", found[called_off.id]["status"]) == "cancelled"
    said = found[kept.id]
    assert (datetime.fromisoformat(said["start"]), said["duration"], said["notes"]) == (NINE, 1200, "VB-7F3K")
    assert (said["client_id"], said["pet_id"]) == ("1001", "5001")
    assert practice.word("resource", said["resource"]) == "vet_2"


def test_what_is_due_is_told_until_it_is_done(practice: PlainPractice, clock: FakeClock) -> None:
    done, due = (
        practice.remind(pet_id="5001", code="RABIES", description="Rabies", due_on=date(2026, 5, 1)) for _ in range(2)
    )
    practice.change_reminder(done.id, completed=True)
    found = read(practice, clock)[Kind.REMINDER]
    assert found.keys() == {due.id}
    assert (found[due.id]["pet_id"], found[due.id]["service"], found[due.id]["name"], found[due.id]["due_on"]) == (
        "5001",
        "RABIES",
        "Rabies",
        "2026-05-01",
    )


def test_cornerstones_report_of_patients_names_every_owner(tmp_path: Path, clock: FakeClock) -> None:
    with CornerstonePractice(tmp_path / DATABASE_FILE, now=clock.now) as practice:
        practice.fill(make_clinic(1, 12))
        practice.share("5001", "1005", 20)
        practice.share("5001", "1006", 30)
        found = read(practice, clock)[Kind.PET]
        assert (found["5001"]["client_id"], found["5001"]["co_owner_ids"]) == ("1001", ["1006", "1005"])
        assert found["5002"].get("co_owner_ids", []) == []
