"""Exports of a practice: a vendor's reports as files, and all the ways in which somebody finds them."""

from __future__ import annotations

import csv
import io
import json
import threading
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar
from openpyxl import load_workbook

from connectors.animana.simulator import AnimanaPractice
from connectors.impromed.simulator import ImproMedPractice, build
from vetbridge.core.records import Kind
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.practice import DATABASE_FILE, Exporter, Form, Habit

NINE = datetime(2026, 3, 2, 9)  # noqa: DTZ001 - the clinic's wall clock, on the day of the fake clock


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[ImproMedPractice]:
    with ImproMedPractice(tmp_path / DATABASE_FILE, now=FakeClock().now) as made:
        made.fill(make_clinic(1, 12))
        yield made


def _exporter(practice: ImproMedPractice | AnimanaPractice, **form: Any) -> Exporter:
    return Exporter(practice, practice.file.parent / "in", Form(**form))


def _rows(path: Path, encoding: str = "cp1252", delimiter: str = ";") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding), newline=""), delimiter=delimiter))


def test_reports_are_tables_of_a_windows_program(practice: ImproMedPractice) -> None:
    practice.change_client("1001", family_name="Weiß; Söhne", given_name="Łucja")
    clients, patients, _ = _exporter(practice).export()
    assert b"\r\n" in clients.read_bytes()
    assert "Weiß; Söhne".encode("cp1252") in clients.read_bytes()
    rows = _rows(clients)
    assert len(rows) == 12
    (changed,) = (row for row in rows if row["CLIENT_ACCOUNT_ID"] == "1001")
    assert (changed["LAST_NAME"], changed["FIRST_NAME"]) == ("Weiß; Söhne", "Lucja")
    assert len(_rows(patients)) == len(practice.pets())


def test_no_report_shows_what_nobody_may_see(practice: ImproMedPractice) -> None:
    shown = b"".join(path.read_bytes() for path in _exporter(practice).export())
    assert b"555-00" not in shown
    assert b"LICENCE" not in shown


def test_appointments_are_those_of_a_window(practice: ImproMedPractice) -> None:
    for days in (-8, -7, 0, 90, 91):
        practice.book(pet_id="5001", start=NINE + timedelta(days=days))
    (path,) = _exporter(practice).export(Kind.APPOINTMENT)
    days_shown = [(datetime.fromisoformat(row["START_TIME"]) - NINE).days for row in _rows(path)]
    assert days_shown == [-7, 0, 90]
    assert {row["CLIENT_GUID"] for row in _rows(path)} == {practice.client_id(1)}


def test_a_cancelled_visit_is_shown_as_deleted(practice: ImproMedPractice) -> None:
    practice.cancel(practice.book(pet_id="5001", start=NINE).id)
    (path,) = _exporter(practice).export(Kind.APPOINTMENT)
    assert [row["DELETED"] for row in _rows(path)] == ["1"]


def test_another_dialect_and_a_mark_at_the_beginning(practice: ImproMedPractice) -> None:
    practice.change_client("1001", family_name="Łuczak, Ewa")
    (path,) = _exporter(practice, encoding="utf-8-sig", delimiter=",").export(Kind.CLIENT)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert "Łuczak, Ewa" in {row["LAST_NAME"] for row in _rows(path, "utf-8-sig", ",")}


def test_a_workbook_makes_numbers_and_times_of_texts(practice: ImproMedPractice) -> None:
    practice.book(pet_id="5001", start=NINE)
    clients, _, visits = _exporter(practice, format="xlsx").export()
    sheet = load_workbook(clients).active
    assert sheet is not None
    header, first, *_ = sheet.iter_rows(values_only=True)
    assert isinstance(dict(zip(header, first, strict=True))["CLIENT_ACCOUNT_ID"], int)
    sheet = load_workbook(visits).active
    assert sheet is not None
    header, first = sheet.iter_rows(values_only=True)
    assert dict(zip(header, first, strict=True))["START_TIME"] == NINE


def test_the_diary_as_a_calendar(tmp_path: Path) -> None:
    with AnimanaPractice(tmp_path / DATABASE_FILE, now=FakeClock().now) as practice:
        practice.fill(make_clinic(1, 3))
        practice.book(start=NINE, status="held")
        kept = practice.book(pet_id="5001", start=NINE, resource="vet_2", notes="one; two")
        practice.cancel(practice.book(pet_id="5001", start=NINE + timedelta(hours=1)).id)
        (path,) = _exporter(practice, diary="ics").export(Kind.APPOINTMENT)
        events = Calendar.from_ical(path.read_bytes()).walk("VEVENT")
        assert [str(event["STATUS"]) for event in events] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]
        event = next(event for event in events if str(event["UID"]) == kept.id)
        assert event["DTSTART"].dt.isoformat() == "2026-03-02T09:00:00+00:00"
        assert str(event["DESCRIPTION"]) == "one; two"
        assert practice.pet("5001").name in str(event["SUMMARY"])


@pytest.mark.parametrize("habit", list(Habit))
def test_what_a_reader_finds_while_a_report_is_written(practice: ImproMedPractice, habit: Habit) -> None:
    whole = _exporter(practice).export(Kind.CLIENT)[0].read_bytes()
    exporter = Exporter(practice, practice.file.parent / "fresh", Form())
    seen = [path.read_bytes() if path.exists() else None for path in exporter.steps(Kind.CLIENT, habit)]
    match habit:
        case Habit.RENAMED:
            assert seen == [None, whole]
        case Habit.IN_PLACE:
            assert seen[-1] == whole
            assert all(part is not None and whole.startswith(part) for part in seen)
            assert len(set(seen)) == len(seen) > 2
        case Habit.REWRITTEN:
            assert (seen[0], seen[-1]) == (whole, whole)
            assert len(seen[1] or b"") < len(whole)
        case Habit.EMPTY:
            assert seen == [b""]
        case Habit.HEADER_ONLY:
            assert seen == [None, whole[: whole.index(b"\n") + 1]]
        case Habit.DOUBLED:
            assert (seen[-1] or b"").count(b"\r\n") == 1 + 12 + 4
        case Habit.CUT:
            assert len(seen) == 1
            assert whole.startswith(seen[0] or b"?")
            assert (seen[0] or b"").count(b"\r\n") == 12
            assert not (seen[0] or b"").endswith(b"\r\n")


def test_each_export_may_be_a_file_of_its_own(tmp_path: Path) -> None:
    clock = FakeClock()
    with ImproMedPractice(tmp_path / DATABASE_FILE, now=clock.now) as practice:
        exporter = _exporter(practice, dated=True)
        exporter.export(Kind.CLIENT)
        clock.advance(60)
        exporter.export(Kind.CLIENT)
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == [
        "clients-20260302-090000.csv",
        "clients-20260302-090100.csv",
    ]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"format": "ics"}, "format must be"),
        ({"delimiter": ";;"}, "one character"),
        ({"encoding": "utf-64"}, "utf-64"),
    ],
)
def test_a_form_that_cannot_be_is_named(form: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Form(**form)


def test_the_simulator_exports_when_it_is_asked_to(tmp_path: Path) -> None:
    with build(clients=4, data=tmp_path, exports=str(tmp_path / "share"), delimiter=",") as simulator:
        assert simulator.ready()["exports"] == str(tmp_path / "share")
        body = json.dumps({"kinds": ["client"], "habit": "in_place", "encoding": "utf-8"}).encode()
        with urllib.request.urlopen(f"{simulator.control_url}/export", data=body, timeout=10) as answer:
            (file,) = json.loads(answer.read())["files"]
    assert file == str(tmp_path / "share" / "clients.csv")
    assert len(_rows(Path(file), "utf-8", ",")) == 4


def test_the_simulator_exports_from_time_to_time(tmp_path: Path) -> None:
    moment = threading.Event()
    with build(clients=4, data=tmp_path, export_every=0.01, piece_seconds=0, habit="in_place") as simulator:
        path = simulator.export_folder / "clients.csv"
        simulator.practice.register_client(family_name="Zebra")
        seen = (moment.wait(0.01) or (path.exists() and "Zebra" in path.read_text("cp1252")) for _ in range(500))
        assert any(seen)


def test_options_of_no_practice_are_named() -> None:
    with pytest.raises(TypeError, match="no option empty_fields"):
        build(empty_fields=1)
    with pytest.raises(ValueError, match="number of seconds"):
        build(export_every=-1)
