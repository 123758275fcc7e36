"""Exports: what a practice's report tool writes into a folder, with the habits that break readers."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from vetbridge.core.records import Kind
from vetbridge.testing.practice.records import KeptVisit

if TYPE_CHECKING:
    from vetbridge.testing.practice.practice import Practice

_PIECES = 4
"""A file that is written in place is seen so many times before it is whole."""
_NO_PARTS: Mapping[str, str] = {"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i"}
"""Letters that have no plain letter in them by Unicode's rules."""


class Habit(StrEnum):
    """How a file comes to be, and what is in it."""

    RENAMED = "renamed"
    """Whole: written under another name, then renamed."""
    IN_PLACE = "in_place"
    """Written slowly under its own name: whoever looks sees a part of it."""
    REWRITTEN = "rewritten"
    """Whole, and at once written anew in place."""
    EMPTY = "empty"
    """A file of no bytes."""
    HEADER_ONLY = "header_only"
    """Columns, and no row."""
    DOUBLED = "doubled"
    """Every third row stands there twice."""
    CUT = "cut"
    """It ends in the middle of the last record, and nothing follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the report of one kind shows: ``select`` with the columns as they are headed.

    ``windowed``: it takes the first moment and the one after the last as two parameters.
    """

    name: str
    select: str
    windowed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the files look. ``format`` is ``csv`` or ``xlsx``; ``diary`` the same, or ``ics``."""

    format: str = "csv"
    diary: str = ""
    """Format of the appointments; empty: as all."""
    encoding: str = "cp1252"
    delimiter: str = ";"
    back_days: int = 7
    """Appointments from so many days ago on, and up to ``ahead_days`` from today."""
    ahead_days: int = 90
    dated: bool = False
    """The day and the time stand in the file's name, so that each export is a file of its own."""

    def __post_init__(self) -> None:
        if self.format not in {"csv", "xlsx"} or self.diary not in {"", "csv", "xlsx", "ics"}:
            raise ValueError("format must be csv or xlsx, and diary csv, xlsx or ics")
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ValueError("delimiter must be one character, as ;")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(f"no encoding is called {self.encoding[:40]!r}") from None


class Exporter:
    """Writes a practice's reports into a folder."""

    def __init__(self, practice: Practice, folder: Path, form: Form) -> None:
        self._practice = practice
        self._folder = folder
        self.form = form

    def export(self, *kinds: Kind, habit: Habit = Habit.RENAMED) -> tuple[Path, ...]:
        """Writes the reports of these kinds, or all, to their end; the files in that order."""
        chosen = kinds or tuple(self._practice.reports)
        return tuple(list(self.steps(kind, habit))[-1] for kind in chosen)

    def steps(self, kind: Kind, habit: Habit = Habit.RENAMED) -> Iterator[Path]:
        """Writes one report bit by bit: after each yield the file is as somebody who looks now finds it."""
        format_ = self._format(kind)
        path = self._folder / f"{self._stem(kind)}.{format_}"
        content = self._content(kind, format_, habit)
        self._folder.mkdir(parents=True, exist_ok=True)
        if habit is Habit.IN_PLACE:
            yield from _slowly(path, content)
        elif habit is Habit.REWRITTEN:
            path.write_bytes(content)
            yield path
            yield from _slowly(path, content)
        elif habit in {Habit.EMPTY, Habit.CUT}:
            path.write_bytes(content)
            yield path
        else:
            passing = path.with_name(f"{path.name}.tmp")
            passing.write_bytes(content)
            yield path
            passing.replace(path)
            yield path

    def _format(self, kind: Kind) -> str:
        return self.form.diary or self.form.format if kind is Kind.APPOINTMENT else self.form.format

    def _stem(self, kind: Kind) -> str:
        name = self._practice.reports[kind].name
        return f"{name}-{self._practice.today():%Y%m%d-%H%M%S}" if self.form.dated else name

    def _content(self, kind: Kind, format_: str, habit: Habit) -> bytes:
        if habit is Habit.EMPTY:
            return b""
        columns, rows = self._table(kind)
        if habit is Habit.HEADER_ONLY:
            rows = []
        if habit is Habit.DOUBLED:
            rows = [row for place, row in enumerate(rows) for _ in range(1 + (place % 3 == 0))]
        if format_ == "xlsx":
            content = _sheet(columns, rows)
        elif format_ == "ics":
            content = _calendar(self._practice, rows)
        else:
            content = _text(columns, rows, self.form.delimiter, self.form.encoding)
        return content[: len(content) - _half_a_record(content)] if habit is Habit.CUT else content

    def _table(self, kind: Kind) -> tuple[list[str], list[tuple[Any, ...]]]:
        report = self._practice.reports[kind]
        today = self._practice.today().replace(hour=0, minute=0, second=0)
        window = (today - timedelta(days=self.form.back_days), today + timedelta(days=self.form.ahead_days + 1))
        parameters = tuple(f"{moment:%Y-%m-%d %H:%M:%S}" for moment in window) if report.windowed else ()
        return self._practice.table(report.select, parameters)


def _slowly(path: Path, content: bytes) -> Iterator[Path]:
    size = len(content) // _PIECES + 1
    with path.open("wb") as file:
        for begin in range(0, len(content), size):
            file.write(content[begin : begin + size])
            file.flush()
            yield path


def _half_a_record(content: bytes) -> int:
    """Half of the last line's bytes, and what ends it."""
    last = content.rstrip(b"\r\n")
    line = len(last) - (last.rfind(b"\n") + 1)
    return len(content) - len(last) + max(line // 2, 1)


def _text(columns: Sequence[str], rows: Sequence[Sequence[Any]], delimiter: str, encoding: str) -> bytes:
    made = io.StringIO(newline="")
    writer = csv.writer(made, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return _fitted(made.getvalue(), encoding).encode(encoding, errors="replace")


def _fitted(text: str, encoding: str) -> str:
    """As a Windows program makes text fit a code page: letters that are not in it lose their marks."""

    def fits(sign: str) -> bool:
        try:
            sign.encode(encoding)
        except UnicodeEncodeError:
            return False
        return True

    return "".join(
        sign if fits(sign) else _NO_PARTS.get(sign) or unicodedata.normalize("NFD", sign)[0] for sign in text
    )


def _sheet(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """A workbook, with numbers and times as Excel's own."""
    from openpyxl import Workbook  # noqa: PLC0415 - heavy, and seldom wanted

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Report")
    sheet.append(list(columns))
    for row in rows:
        sheet.append([_cell(value) for value in row])
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.isascii() and value.isdigit() and not value.startswith("0"):
        return int(value)
    try:
        return datetime.strptime(value, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the clinic's wall clock
    except ValueError:
        return value


def _calendar(practice: Practice, rows: Sequence[Sequence[Any]]) -> bytes:
    """The diary as calendars show one: who and what for in the summary, the notes below, the vet as the place."""
    from icalendar import Calendar, Event  # noqa: PLC0415 - heavy, and seldom wanted

    zone = ZoneInfo(practice.zone)
    calendar = Calendar({"PRODID": f"-//Rehearsal//{practice.system}//EN", "VERSION": "2.0"})
    for row in rows:
        visit = practice.visit(str(row[0]))
        event = Event()
        event.add("UID", visit.id)
        event.add("DTSTAMP", practice.now().astimezone(UTC))
        event.add("DTSTART", visit.start.replace(tzinfo=zone))
        event.add("DTEND", visit.ends.replace(tzinfo=zone))
        event.add("SUMMARY", _summary(practice, visit))
        event.add("DESCRIPTION", visit.notes)
        event.add("LOCATION", str(practice.code("resource", visit.resource)))
        event.add("CATEGORIES", [str(practice.code("appointment_type", visit.appointment_type))])
        event.add("STATUS", "CANCELLED" if visit.deleted else "CONFIRMED")
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _summary(practice: Practice, visit: KeptVisit) -> str:
    if not visit.client_id:
        return "Reserved"
    client = practice.client(visit.client_id)
    pet = practice.pet(visit.pet_id).name if visit.pet_id else "no patient"
    return f"{client.given_name} {client.family_name}, {pet}".strip()
