"""Writes are handed on as files: one for each, dropped once, and taken back as long as it lies there."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icalendar
import openpyxl
import pytest

from connectors.files.outbox import TITLES
from tests.unit.connectors.folder_exchange import PROFILE, Exchange, visits, write
from vetbridge.connector.interface import Operation, Write
from vetbridge.core.errors import Refused, Unavailable
from vetbridge.core.records import Kind

BOOK = write(
    Operation.CREATE, "b-1", start="2026-05-04 09:00:00", duration=1200, resource="2", notes="[VetBridge VB-1]\nZoë"
)
RECALL = write(Operation.RECALL, "b-1")


def dropped(folder: Path) -> list[str]:
    return sorted(each.name for each in (folder / "out").iterdir())


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "out" / name).read_text("utf-8-sig"), newline="")))


def test_nothing_is_dropped_unless_the_account_wants_it(tmp_path: Path) -> None:
    acme = Exchange(tmp_path / "share")
    (tmp_path / "share").rename(tmp_path / "away")
    assert acme.files.apply(BOOK).id == acme.files.apply(RECALL).id == ""
    assert not (tmp_path / "share").exists()


def test_a_visit_to_book_is_a_file_of_its_own(tmp_path: Path) -> None:
    files = Exchange(tmp_path, out="csv").files
    files.apply(BOOK)
    files.apply(BOOK)
    assert dropped(tmp_path) == ["visit-b-1.csv"]
    (row,) = rows(tmp_path, "visit-b-1.csv")
    assert list(row) == list(TITLES)
    assert {name: text for name, text in row.items() if text} == {
        "key": "b-1",
        "action": "book",
        "start": "2026-05-04 09:00:00",
        "end": "2026-05-04 09:20:00",
        "minutes": "20",
        "resource": "2",
        "notes": "[VetBridge VB-1]\nZoë",
    }


def test_columns_are_called_as_on_the_practices_screen(tmp_path: Path) -> None:
    screen = {"appointment": {"start": "Beginn", "minutes": "Dauer", "notes": "Terminbemerkungen"}}
    Exchange(tmp_path, {**PROFILE, "screen": screen}, out="csv").files.apply(BOOK)
    (row,) = rows(tmp_path, "visit-b-1.csv")
    assert (row["Beginn"], row["Dauer"]) == ("2026-05-04 09:00:00", "20")


def test_a_change_and_a_cancellation_say_which_visit(tmp_path: Path) -> None:
    acme = Exchange(tmp_path, out="csv")
    acme.put("visits.csv", visits("7;12;2026-05-04 09:00;15;staff’s words"))
    acme.ids(Kind.APPOINTMENT)
    acme.files.apply(write(Operation.UPDATE, "c-1", "7", start="2026-05-05 10:00:00"))
    acme.files.apply(write(Operation.CANCEL, "c-2", "7", by="client", reason="ill"))
    (change,), (cancel,) = rows(tmp_path, "visit-c-1.csv"), rows(tmp_path, "visit-c-2.csv")
    assert (change["action"], change["id"], change["start"]) == ("change", "7", "2026-05-05 10:00:00")
    assert (change["client_id"], change["minutes"]) == ("12", "15")
    assert (cancel["action"], cancel["id"], cancel["start"]) == ("cancel", "7", "2026-05-04 09:00:00")


def test_words_from_outside_are_no_formulas(tmp_path: Path) -> None:
    for form in ("csv", "xlsx"):
        files = Exchange(tmp_path / form, out=form).files
        files.apply(write(Operation.CREATE, "b-1", start="2026-05-04 09:00:00", notes='=cmd|"/C calc"!A0\x1b[2J'))
    assert rows(tmp_path / "csv", "visit-b-1.csv")[0]["notes"] == '\'=cmd|"/C calc"!A0[2J'
    book = openpyxl.load_workbook(tmp_path / "xlsx" / "out" / "visit-b-1.xlsx")
    cell = book.active.cell(2, len(TITLES))
    assert (cell.data_type, cell.value) == ("s", '=cmd|"/C calc"!A0[2J')


def test_a_calendar_has_one_entry_by_the_sites_clock(tmp_path: Path) -> None:
    acme = Exchange(tmp_path, out="ics")
    acme.put("visits.csv", visits("7;12;2026-05-04 09:00;15;"))
    acme.ids(Kind.APPOINTMENT)
    acme.files.apply(BOOK)
    acme.files.apply(write(Operation.CANCEL, "c-2", "7", by="client"))
    book, cancel = (
        icalendar.Calendar.from_ical((tmp_path / "out" / name).read_bytes())
        for name in ("visit-b-1.ics", "visit-c-2.ics")
    )
    (event,), (gone,) = book.walk("VEVENT"), cancel.walk("VEVENT")
    assert book["METHOD"] == "REQUEST"
    assert event["DTSTART"].dt.isoformat() == "2026-05-04T09:00:00+02:00"
    assert event["DTEND"].dt.isoformat() == "2026-05-04T09:20:00+02:00"
    assert event["DESCRIPTION"] == "[VetBridge VB-1]\nZoë"
    assert (cancel["METHOD"], gone["UID"], gone["STATUS"]) == ("CANCEL", "7", "CANCELLED")


@pytest.mark.parametrize("key", ["../../etc/passwd", "a/b", "", "x" * 500, "Zoë", "a\0b", "visit.recalled"])
def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    files = Exchange(tmp_path, out="csv").files
    files.apply(write(Operation.CREATE, key, start="2026-05-04 09:00:00"))
    (name,) = dropped(tmp_path)
    assert name.startswith("visit-")
    assert len(name) < 60
    files.apply(write(Operation.RECALL, key))
    assert dropped(tmp_path) == []


def test_what_still_lies_there_is_taken_back(tmp_path: Path) -> None:
    acme = Exchange(tmp_path, out="csv")
    acme.files.apply(BOOK)
    acme.files.apply(RECALL)
    assert dropped(tmp_path) == []
    for again in (RECALL, BOOK):
        acme.another().apply(again)
        assert dropped(tmp_path) == []


def test_what_somebody_has_already_is_recalled_by_a_file(tmp_path: Path) -> None:
    acme = Exchange(tmp_path, out="csv")
    acme.files.apply(BOOK)
    (tmp_path / "out" / "visit-b-1.csv").unlink()
    acme.files.apply(BOOK)
    assert dropped(tmp_path) == []
    for _ in range(2):
        acme.another().apply(RECALL)
        assert dropped(tmp_path) == ["visit-b-1.recalled.csv"]
    assert rows(tmp_path, "visit-b-1.recalled.csv")[0]["action"] == "recalled"
    (tmp_path / "out" / "visit-b-1.recalled.csv").unlink()
    acme.files.apply(RECALL)
    assert dropped(tmp_path) == []


def test_what_was_never_handed_on_is_not_handed_on_after_it_was_taken_back(tmp_path: Path) -> None:
    files = Exchange(tmp_path, out="csv").files
    files.apply(RECALL)
    files.apply(BOOK)
    assert dropped(tmp_path) == []


class Killed(BaseException):
    """The process ends here."""


def killing(monkeypatch: pytest.MonkeyPatch, turn: int) -> None:
    """Ends the process before the given step at the file system."""
    calls = 0

    def killed(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == turn:
                raise Killed
            return real(*args, **more)

        return call

    for name in ("replace", "unlink", "fsync"):
        monkeypatch.setattr(os, name, killed(getattr(os, name)))
    monkeypatch.setattr(Path, "touch", killed(Path.touch))


@pytest.mark.parametrize("is_taken", [False, True], ids=["lies there", "taken away"])
@pytest.mark.parametrize("steps", [(BOOK,), (BOOK, RECALL)], ids=["dropped", "taken back"])
@pytest.mark.parametrize("turn", range(1, 13))
def test_a_crash_at_any_point_drops_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int, steps: tuple[Write, ...], is_taken: bool
) -> None:
    acme = Exchange(tmp_path, out="csv")
    seen: list[str] = []

    def take() -> None:
        """Whoever takes in files does it, after a crash as well as after each write."""
        for name in dropped(tmp_path) if is_taken else ():
            seen.append(name)
            (tmp_path / "out" / name).unlink()

    done: list[Write] = []
    try:
        killing(monkeypatch, turn)
        for step in steps:
            acme.files.apply(step)
            done.append(step)
    except Killed:
        pass
    monkeypatch.undo()
    take()
    acme.files = acme.another()
    for step in steps[len(done) :]:
        acme.files.apply(step)
    take()
    for step in steps[::-1]:
        acme.files.apply(step)
    take()
    last = seen if is_taken else dropped(tmp_path)
    if len(steps) == 1:
        assert last == ["visit-b-1.csv"]
    elif is_taken:
        assert last in ([], ["visit-b-1.csv", "visit-b-1.recalled.csv"])
    else:
        assert last == []
    assert acme.lying("work") == []


# -- what is not taken


def test_a_change_of_what_is_not_handed_on_is_refused(tmp_path: Path) -> None:
    files = Exchange(tmp_path, out="csv").files
    with pytest.raises(Refused, match="update of notes of appointment") as refused:
        files.apply(write(Operation.UPDATE, "c-1", "7", notes="x"))
    assert refused.value.code == "not-supported"
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_full_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Exchange(tmp_path, out="csv").files

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Unavailable, match="No space left on device"):
        files.apply(BOOK)
    monkeypatch.undo()
    files.apply(BOOK)
    assert dropped(tmp_path) == ["visit-b-1.csv"]
