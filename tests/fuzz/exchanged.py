"""The door of the folder exchange: tables, workbooks and calendars that a practice's program writes."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from functools import cache
from random import Random
from typing import NamedTuple
from unittest.mock import patch

from openpyxl import Workbook

from tests.fuzz.door import Door
from tests.fuzz.files import table
from tests.fuzz.mutation import PLANTED, PLANTED_PHONE, altered
from tests.unit.connectors.folder_exchange import Exchange
from vetbridge.core.records import Kind

CLIENTS = [
    ["Id", "First", "Last", "Phone", "Mail"],
    ["1", "Ann", "Miller", "07911 123456", "ann@example.com"],
    ["2", PLANTED, "Zorn", PLANTED_PHONE, ""],
    ["3", "Łucja", PLANTED, "", "l@example.com"],
]
VISITS = [
    ["Id", "Client", "Start", "Minutes", "Notes"],
    ["8", "1", "2026-05-04 09:00", "15", PLANTED],
    ["9", "2", "2026-05-05 09:00:00", "20", ""],
]
CALENDAR = f"""BEGIN:VCALENDAR\r
VERSION:2.0\r
BEGIN:VEVENT\r
UID:8\r
DTSTART;TZID=Europe/London:20260504T090000\r
DTEND:20260504T083000Z\r
DESCRIPTION:{PLANTED}\r
CATEGORIES:a,b\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:9\r
DTSTART:20260505T090000\r
DURATION:PT15M\r
RECURRENCE-ID:20260505T090000\r
END:VEVENT\r
END:VCALENDAR\r
""".encode()


class Written(NamedTuple):
    """A file that somebody writes."""

    name: str
    content: bytes


class Exchanged(Door):
    """A file is taken in or put aside with its reason; what is known can always be read."""

    name = "exchanged files"

    def open(self) -> None:
        """A folder whose practice may lose everybody at once."""
        self.set_up.enter_context(patch("os.fsync"))
        self._exchange = Exchange(self.folder, most_gone=1, archive_days=0, page_size=500)
        for name, rows in (("clients.csv", CLIENTS), ("visits.csv", VISITS)):
            text = io.StringIO()
            csv.writer(text).writerows(rows)
            self._exchange.put(name, text.getvalue())
        self._exchange.ids()

    def make(self, rng: Random) -> Written:
        """A table, mostly; or a calendar or a workbook that was spoilt."""
        how = rng.random()
        if how < 0.6:
            name, rows = rng.choice((("clients", CLIENTS), ("visits", VISITS)))
            return Written(f"{name}{rng.choice(('.csv', '.CSV', '.txt', '-2.tsv', '.xlsx'))}", table(rng, rows))
        if how < 0.95:
            return Written("visits.ics", altered(rng, CALENDAR))
        return Written("clients.xlsx", _workbook(rng))

    def hand_in(self, given: Written) -> tuple[bool, str]:
        """Lets it be taken in, and reads what is known then."""
        folder = self._exchange.folder
        self._exchange.put(given.name, given.content)
        told = [self._exchange.told(kind) for kind in (Kind.CLIENT, Kind.APPOINTMENT)]
        json.dumps([[each.native for each in found.values()] for found in told], allow_nan=False)
        list(self._exchange.files.search(Kind.CLIENT, {"phone": PLANTED_PHONE}))
        list(self._exchange.files.search(Kind.APPOINTMENT, {"start_from": "2026-05-04T00:00:00+00:00"}))
        assert not any((folder / "in").iterdir()), "what is not taken in is put aside"
        assert not any((folder / "work").iterdir())
        said = [self._exchange.files.check().lines.__repr__()]
        for each in sorted((folder / "errors").iterdir()):
            if each.name.endswith(".reason.txt"):
                said.append(each.read_text("utf-8"))
            elif each.name.endswith(".rejected.csv"):
                said += [row[1] for row in csv.reader(io.StringIO(each.read_text("utf-8"), newline=""))]
            each.unlink()
        return len(said) == 1, "\n".join(said)


@cache
def _sound() -> bytes:
    book = Workbook()
    for row in CLIENTS:
        book.active.append(row)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def _workbook(rng: Random) -> bytes:
    """A workbook of which one part was spoilt before it was packed, so that its sums are right."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_sound())) as sound, zipfile.ZipFile(made, "w") as spoilt:
        victim = rng.choice(sound.namelist())
        for name in sound.namelist():
            part = sound.read(name)
            spoilt.writestr(name, altered(rng, part) if name == victim else part)
    return made.getvalue()
