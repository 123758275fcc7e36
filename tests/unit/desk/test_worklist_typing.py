"""The work list of a PIMS that takes no writes: what is typed field by field, ticked, changed, struck, printed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.desk.practice import ZONE, Desk, receive
from tests.unit.desk.test_review_answers import refused
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.desk import worklist as desk_worklist
from vetbridge.desk.language import speaking
from vetbridge.ledger import audit, codelists, mirror, subjects, worklist
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change, Worklist

SCREEN = {
    "client_id": "Client",
    "pet_id": "Patient",
    "start": "Date & Time",
    "resource": "Doctor",
    "notes": "Appointment notes",
}
KNOWN = {"id": "1023", "name": "A. Weiss", "phones": ("+447700900123",), "emails": (), "is_new": False}
NEW_PET = {
    **{"id": None, "name": "Bella", "species": "dog", "breed": "", "sex": "female_neutered"},
    **{"birth_date": date(2021, 3, 4), "is_new": True},
}


def start(desk: Desk, **ahead: float) -> Instant:
    return Instant(desk.clock.now() + timedelta(**ahead or {"hours": 30}), ZONE)


def visit(desk: Desk, **otherwise: Any) -> dict[str, Any]:
    """What a booking asks to be typed."""
    asked = {"start": start(desk), "duration": 5400, "resource": "vet_2", "appointment_type": "checkup"}
    return {**asked, "client": KNOWN, "pet": NEW_PET, "remark": "VB-7F3K9Q2MXX limps", **otherwise}


def put(
    ledger: Ledger,
    details: Mapping[str, Any],
    *,
    task: str = worklist.BOOK,
    booking: str = "30001",
    remote_id: str = "",
    at: Instant | None = None,
    labels: Mapping[str, str] = SCREEN,
) -> int:
    with ledger.write() as tx:
        row = worklist.put(
            tx,
            tx.session.get_one(Change, receive(tx, booking)),
            account="ezyvet-city",
            kind=Kind.APPOINTMENT,
            remote_id=remote_id,
            task=task,
            details=details,
            visit_at=(at or details["start"]).utc,
            labels=labels,
        )
        assert row.id is not None
        return row.id


@pytest.fixture
def known(ledger: Ledger) -> Ledger:
    """The PIMS knows an owner with her cat, and calls the second vet by his name."""
    with ledger.write() as tx:
        ann = Client(id="1023", given_name="Ann", family_name="Weiss", phones=("07700 900123",), city="Leeds")
        mirror.put(tx, "ezyvet-city", [ann, Pet(id="88", client_id="1023", name="Tom", species="cat")])
        codelists.keep(tx, "ezyvet-city", "resource", {"22": "Dr Tom Baker"})
    return ledger


def steps(line: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["part"], each["label"], each["words"]) for each in line["steps"]]


def text(desk: Desk, *arguments: str) -> str:
    return " ".join(desk.run("worklist", *arguments).stdout.split())


def test_a_visit_is_typed_in_the_words_and_the_order_of_the_screen(desk: Desk, known: Ledger) -> None:
    asked = visit(desk)
    put(known, asked)
    (line,) = desk.data("worklist", "list")
    assert steps(line) == [
        ("pet", "Name", "Bella"),
        ("pet", "Species", "dog"),
        ("pet", "Sex", "female, neutered"),
        ("pet", "Birth date", "04 Mar 2021"),
        ("visit", "Client", "Ann Weiss (1023)"),
        ("visit", "Patient", "Bella"),
        ("visit", "Date & Time", f"{asked['start'].at_site():%a %d %b %H:%M}"),
        ("visit", "Doctor", "Dr Tom Baker"),
        ("visit", "Appointment notes", "VB-7F3K9Q2MXX limps"),
        ("visit", "Length", "90 minutes"),
        ("visit", "Appointment type", "checkup"),
    ]
    assert (line["title"], line["client"]["phones"], line["overdue"]) == ("Type this visit", ["07700 900123"], False)
    drawn = text(desk, "list")
    assert "first register the pet, Name: Bella, Species: dog" in drawn
    assert "Doctor: Dr Tom Baker" in drawn
    assert max(map(len, desk.run("worklist", "list").stdout.splitlines())) <= 80


def test_a_number_that_has_no_name_in_the_pims_is_said_in_the_booking_sides_words(desk: Desk, known: Ledger) -> None:
    with known.write() as tx:
        codelists.keep(tx, "ezyvet-city", "resource", {"22": "22"})
        codelists.keep(tx, "altegio-city", "resource", {"502": "Dr Owen Pryce"})
    put(known, visit(desk))
    (line,) = desk.data("worklist", "list")
    assert ("visit", "Doctor", "Dr Owen Pryce") in steps(line)


def test_an_owner_who_is_not_certain_is_chosen_from_those_who_may_be_meant(desk: Desk, known: Ledger) -> None:
    unsure = {**KNOWN, "id": None, "candidates": [{"client_id": "1023", "pet_id": None}, {"client_id": "gone"}]}
    put(known, visit(desk, client=unsure, pet={"id": None, "name": ""}))
    (line,) = desk.data("worklist", "list")
    assert line["steps"][0]["words"] == "not certain; booked as A. Weiss, +447700900123"
    assert "or: Ann Weiss (1023), 07700 900123, Leeds; pets: Tom" in text(desk, "list")
    assert text(desk, "print").endswith("or: gone")


def test_a_new_owner_is_registered_in_the_words_of_the_screen_for_owners(desk: Desk, known: Ledger) -> None:
    new = {**KNOWN, "id": None, "given_name": "A.", "family_name": "Weiss", "is_new": True}
    labels = {
        **SCREEN,
        "client.family_name": "Last name",
        "client.phones": "Mobile",
        "client.given_name": "First name",
    }
    put(known, visit(desk, client=new, pet={"id": None, "name": ""}), labels=labels)
    (line,) = desk.data("worklist", "list")
    assert steps(line)[:4] == [
        ("client", "Last name", "Weiss"),
        ("client", "Mobile", "+447700900123"),
        ("client", "First name", "A."),
        ("visit", "Client", "A. Weiss"),
    ]


def test_what_was_typed_wrong_says_what_stands_there(desk: Desk, known: Ledger) -> None:
    right, wrong = start(desk), start(desk, hours=30.5)
    about = Appointment(
        booker=Client(given_name="Ann", family_name="Weiss"), booked_pet=Pet(name="Tom"), start=right, duration=900
    )
    put(known, {"start": right, "found": {"start": wrong}}, task=worklist.CHANGE, remote_id="4711")
    with known.write() as tx:
        subjects.note(tx, 1, about, country="GB", account="altegio-city")
    (line,) = desk.data("worklist", "list")
    said = {name: f"{each.at_site():%a %d %b %H:%M}" for name, each in (("right", right), ("wrong", wrong))}
    assert line["steps"][0]["found"] == said["wrong"]
    assert line["record"] == f"Visit {said['wrong']} (appointment 4711)"  # where whoever mends it finds it
    assert line["about"] == "Ann Weiss, Tom"
    assert f"Date & Time: stands at {said['wrong']}, should be {said['right']}" in text(desk, "list")


def test_a_line_is_ticked_once_and_the_tick_is_taken_back(desk: Desk, known: Ledger) -> None:
    first, second = (put(known, visit(desk), booking=each) for each in ("a", "b"))
    planned = desk.data("worklist", "done", str(first), str(second), "--plan")
    assert (planned["state"], [each["state"] for each in planned["also"]]) == ("planned", ["planned"])
    for by in ("ann", "bob"):
        desk.data("worklist", "done", str(first), str(second), "--by", by)
    (ticked, _) = desk.data("worklist", "list", "--state", "done")
    assert (ticked["done_by"], desk.data("worklist", "list", "--state", "open")) == ("ann", [])
    assert "ann said done" in text(desk, "list")
    desk.data("worklist", "undone", str(first), "--plan")
    for _ in range(2):
        desk.data("worklist", "undone", str(first), "--by", "bob")
    (again,) = desk.data("worklist", "list", "--state", "open")
    assert (again["id"], again["done_by"], again["done_at"]) == (first, "", None)
    with known.read() as tx:
        noted = [(each.act, each.by, each.subject_id) for each in audit.entries(tx, subject="worklist")]
    taken_back = (Act.LINE_UNDONE, "bob", str(first))
    assert noted == [taken_back, *((Act.LINE_DONE, "ann", str(number)) for number in (second, first))]


def test_of_several_lines_all_are_ticked_or_none(desk: Desk, known: Ledger) -> None:
    number = put(known, visit(desk))
    assert refused(desk, "worklist", "done", str(number), "99")["code"] == "unknown-line"
    assert desk.data("worklist", "list")[0]["state"] == "open"


def test_a_booking_that_changes_marks_its_line_and_opens_it_again(desk: Desk, known: Ledger) -> None:
    number = put(known, visit(desk))
    desk.data("worklist", "done", str(number))
    desk.clock.advance(60)
    put(known, visit(desk, resource="vet_1"))
    (line,) = desk.data("worklist", "list")
    assert (line["id"], line["state"]) == (number, "open")
    assert {each["field"] for each in line["steps"] if each["is_changed"]} == {"resource", "start"}
    assert "minutes ago: Date & Time, Doctor" in text(desk, "list")


def test_what_is_not_wanted_any_more_is_shown_for_the_rest_of_the_day(desk: Desk, known: Ledger) -> None:
    put(known, visit(desk))
    with known.write() as tx:
        worklist.close(tx, 1, worklist.BOOK, confirmed=False, why="the visit was cancelled")
        tx.session.get_one(Worklist, 1).closed_at = datetime.now(UTC)  # by which the command looks
    assert desk.data("worklist", "list") == []
    (line,) = desk.data("worklist", "list", "--struck")
    assert (line["state"], line["why"]) == ("struck", "the visit was cancelled")
    assert "DO NOT TYPE: the visit was cancelled" in text(desk, "list", "--struck")
    desk.clock.advance(timedelta(days=2).total_seconds())
    with known.read() as tx:
        assert desk_worklist.lines(tx, desk.loaded().config, struck=True) == ()


def test_what_is_overdue_comes_first(desk: Desk, known: Ledger) -> None:
    old = put(known, visit(desk, start=start(desk, days=9)), booking="a")
    desk.clock.advance(timedelta(hours=5).total_seconds())
    later = put(known, visit(desk, start=start(desk, hours=20)), booking="b")
    soon = put(known, visit(desk, start=start(desk, minutes=90)), booking="c")
    config = desk.loaded().config

    def listed() -> list[tuple[int, bool]]:
        with known.read() as tx:
            return [(each.id, each.overdue) for each in desk_worklist.lines(tx, config)]

    assert listed() == [(soon, True), (old, True), (later, False)]
    with known.write() as tx:
        desk_worklist.done(tx, config, old, by="ann")
    assert listed() == [(soon, True), (later, False), (old, False)]
    desk.clock.advance(timedelta(hours=37).total_seconds())
    assert (old, True) in listed()


def test_the_table_for_a_spreadsheet_carries_nothing_out(desk: Desk, known: Ledger, tmp_path: Path) -> None:
    unknown = {"id": None, "name": '=HYPERLINK("x")', "phones": ("+447700900555",), "emails": (), "is_new": True}
    put(known, visit(desk, client=unknown, remark="-2+3"))
    file = tmp_path / "lines.csv"
    desk.data("worklist", "list", "--csv", str(file))
    with file.open(encoding="utf-8-sig", newline="") as opened:
        (row,) = csv.DictReader(opened)
    assert row["Owner"] == '\'=HYPERLINK("x")'
    assert (row["Owner's number"], row["Phone"], row["Remark"]) == ("new", "+447700900555", "'-2+3")
    assert (row["Vet or room"], row["Pet"], row["State"]) == ("Dr Tom Baker", "Bella", "open")


def test_it_is_printed_with_a_box_before_each_line(desk: Desk, known: Ledger, tmp_path: Path) -> None:
    ticked = put(known, visit(desk), booking="a")
    desk.data("worklist", "done", str(ticked))
    number = put(known, visit(desk, remark="<script>\x1b]0;x\x07"), booking="b")
    printed = desk.run("worklist", "print", "--site", "city").stdout
    assert printed.startswith("Work list, City Vets\n")
    assert printed.count("[ ]") == 1
    assert f"[ ] {number:>4}  Type this visit" in printed
    assert not {"\x1b", "\x07"} & set(printed)
    page = tmp_path / "lines.html"
    desk.data("worklist", "print", "--html", str(page))
    assert "☐" in page.read_text()
    assert "<script>" not in page.read_text()
    assert "counter(page)" in page.read_text()


def test_hostile_details_are_cut_and_steer_nothing(desk: Desk, known: Ledger) -> None:
    hostile = "\x1b]0;x\x07\u202e" + "y" * 100_000
    broken: dict[str, Any] = {"client": {"name": hostile, "phones": 7}, "pet": "none", "found": [], "remark": hostile}
    put(known, {**visit(desk), **broken, "resource": None, hostile: hostile, "duration": "long"})
    shown = desk.run("worklist", "list").stdout
    assert len(shown) < 4000
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_it_speaks_the_language_of_the_page(desk: Desk, known: Ledger) -> None:
    put(known, visit(desk))
    with speaking("de"), known.read() as tx:
        (line,) = desk_worklist.lines(tx, desk.loaded().config)
    said = {step.field: step.words for step in line.steps}
    assert (line.title, said["duration"], said["pet.birth_date"]) == (
        "Diesen Termin eintragen",
        "90 Minuten",
        "04.03.2021",
    )
