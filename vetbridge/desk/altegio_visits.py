"""Past visits of a practice: the recent ones as a table that can be imported, the older ones as an archive."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from vetbridge.desk.evaluation import Progress, counted
from vetbridge.desk.go_live_report import GoLiveReport
from vetbridge.desk.sheet_parts import Part, Parts
from vetbridge.desk.sheets import EveryRefusal, Row, bare, table

FIELDS = ("visit_id", "owner_id", "patient_id", "starts_at", "minutes", "type", "vet", "status", "notes")
"""Columns of a file of visits; the first, the second and ``starts_at`` are needed."""
TITLES = ("Client", "Phone", "Pet", "Start", "Minutes", "Service", "Staff", "Status")
_COLUMNS = {bare(name): name for name in FIELDS}
_NEEDED = [frozenset({name}) for name in ("visit_id", "owner_id", "starts_at")]
_LONGEST_VISIT = 24 * 60
_NO_LIMIT = 1 << 62


class Card(NamedTuple):
    """Whom Altegio knows: name and phone, as they stand on the client list."""

    name: str
    phone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """What became of a file of visits."""

    read: int
    recent: int
    archived: int
    left_out: int
    files: tuple[Part, ...]


def write_visits(
    path: Path,
    folder: Path,
    *,
    cards: Mapping[str, Card],
    pets: Mapping[str, str],
    today: date,
    months: int,
    format: str,  # noqa: A002 - the option's name
    report: GoLiveReport,
    progress: Progress,
    largest: int,
) -> Visits:
    """Writes ``visits-N`` with the visits of the last ``months`` months and ``visits-archive.csv`` with older ones.

    ``cards`` by client id, ``pets`` by pet id; ``today`` at the site. Raises ``UnusableFile``.
    """
    since = months_before(today, months)
    read = EveryRefusal(path)
    numbers = {"read": 0, "recent": 0, "archived": 0}
    seen: set[str] = set()
    with (
        Parts(folder, "visits", TITLES, format, largest=largest) as recent,
        Parts(folder, "archive", FIELDS, "csv", most_rows=_NO_LIMIT, largest=_NO_LIMIT) as archive,
    ):
        for row in counted(table(read, _COLUMNS, _NEEDED), "visits read", progress):
            numbers["read"] += 1
            id_, owner_id = row.text("visit_id"), row.text("owner_id")
            start = _start(row)
            why = _why_not(id_, start, today, seen)
            if why:
                report.tell("visit", id_, why, row=row.number)
            elif start is not None and start.date() < since:
                archive.add([row.text(name) for name in FIELDS])
                numbers["archived"] += 1
            elif owner_id not in cards:
                report.tell("visit", id_, "visit-client-left-out", row=row.number)
            elif start is not None:
                recent.add(_structured(row, start, cards[owner_id], pets, report))
                numbers["recent"] += 1
            seen.add(id_)
    for each in read.rows:
        numbers["read"] += 1
        report.tell("visit", "", each.code, row=each.row, words=each.words)
    files = list(recent.written)
    for part in archive.written:
        (folder / part.name).rename(folder / "visits-archive.csv")
        files.append(replace(part, name="visits-archive.csv"))
    left_out = numbers["read"] - numbers["recent"] - numbers["archived"]
    return Visits(
        read=numbers["read"],
        recent=numbers["recent"],
        archived=numbers["archived"],
        left_out=left_out,
        files=tuple(files),
    )


def months_before(day: date, months: int) -> date:
    """The same day some months earlier; the last of its month where that has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _why_not(id_: str, start: datetime | None, today: date, seen: set[str]) -> str:
    if id_ and id_ in seen:
        return "visit-twice"
    if start is None:
        return "visit-no-time"
    return "visit-ahead" if start.date() >= today else ""


def _start(row: Row) -> datetime | None:
    """The local time that stands there; an offset behind it is left off, as the site's clock counts."""
    for value in row.values["starts_at"]:
        if isinstance(value, datetime):
            return value.replace(tzinfo=None)
    text = row.text("starts_at")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if len(text) > 10 else None
    except ValueError:
        return None


def _structured(
    row: Row, start: datetime, card: Card, pets: Mapping[str, str], report: GoLiveReport
) -> tuple[str, ...]:
    minutes = row.text("minutes")
    if minutes and not (minutes.isdecimal() and minutes.isascii() and 0 < int(minutes[:6]) <= _LONGEST_VISIT):
        report.tell("visit", row.text("visit_id"), "visit-no-minutes", row=row.number)
        minutes = ""
    pet = pets.get(row.text("patient_id"), "")
    begins = start.isoformat(sep=" ", timespec="minutes")
    return (card.name, card.phone, pet, begins, minutes, row.text("type"), row.text("vet"), row.text("status"))
