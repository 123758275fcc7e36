"""Tables in files of text, workbooks and calendars: the names of the columns, and one row after the other.

Nothing here knows what a row means. A file is taken for hostile: what it may ask of memory and time is bounded, and
what is wrong with it is said without any of its values.
"""

from __future__ import annotations

import codecs
import csv
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from connectors.files.profile import DELIMITERS, Format, KindFiles
from vetbridge.connector.rows.reading import folded

LARGEST = 200 * 1024 * 1024
"""Bytes of a file."""
LARGEST_UNPACKED = 200 * 1024 * 1024
"""Bytes of a workbook's parts."""
LARGEST_CALENDAR = 50 * 1024 * 1024
LONGEST_LINE = 1_000_000
"""Characters."""
MOST_COLUMNS = 1_000
MOST_ROWS = 1_000_000

FORMATS: dict[str, Format] = {".csv": "csv", ".txt": "csv", ".tsv": "csv", ".xlsx": "xlsx", ".ics": "ics"}

_CHUNK = 1 << 20
_MARK_IN_ANOTHER = codecs.BOM_UTF8.decode("cp1252")
"""UTF-8's mark before text that is none: a program put it there, and another one wrote the rest."""
_AS_TEXT = re.compile(r'="([^"]*)"')
"""How programs keep spreadsheets from changing an id: ``="0012"``."""
_SHEET_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"})


class Unreadable(Exception):
    """A file that cannot be read as a whole: why, in words for the person who made it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row: where it begins in the file (from 1), and its cells; or why it has none."""

    number: int
    cells: Sequence[Any]
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is open."""

    columns: tuple[str, ...]
    rows: Iterator[Line]


@contextmanager
def opened(path: Path, name: str, rules: KindFiles, known: frozenset[str]) -> Iterator[Table]:
    """The table in a file that was called ``name``. ``known``: names of columns that the rules ask for, as
    ``folded`` makes them. Raises ``Unreadable``, also while the rows are read."""
    form = rules.format or FORMATS.get(Path(name).suffix.casefold())
    if form is None:
        endings = ", ".join(FORMATS)
        raise Unreadable(f"its name does not say what it is; endings that are known: {endings}")
    if path.stat().st_size > LARGEST:
        raise Unreadable(f"it is larger than {LARGEST // 2**20} MB")
    with {"csv": _text, "xlsx": _workbook, "ics": _calendar}[form](path, rules, known) as table:
        if len(table.columns) > MOST_COLUMNS:
            raise Unreadable(f"it has more than {MOST_COLUMNS} columns")
        yield table


# -- text


@contextmanager
def _text(path: Path, rules: KindFiles, known: frozenset[str]) -> Iterator[Table]:
    with path.open("rb") as raw:
        encoding = _encoding(raw, rules.encodings)
    with path.open(encoding=encoding, newline="") as file:
        lines = _Lines(file)
        for _ in range(rules.header_row - 1):
            next(lines, "")
        mark: str = rules.delimiter or DELIMITERS[0]
        if rules.header_row:
            head = next(lines, "").removeprefix(_MARK_IN_ANOTHER).lstrip("\ufeff")
            if not head.strip():
                raise Unreadable("the row with the names of the columns is empty")
            if rules.delimiter is None:
                mark = max(DELIMITERS, key=lambda each: _matches(_cells(head, each, rules.quote), known))
            columns = [cell.strip() for cell in _cells(head, mark, rules.quote)]
        else:
            columns = list(rules.columns)
        rows = csv.reader(lines, delimiter=mark, quotechar=rules.quote, strict=True)
        yield Table(tuple(columns), _text_rows(rows, lines, len(columns), rules))


class _Lines:
    """The lines of a text, counted, none of them too long."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.number = 0
        self.is_whole = True
        """The last line that was read has its end."""
        self.begun = 0
        """The line that the row began with which is being read."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.is_whole = line.endswith(("\n", "\r"))
        if len(line) > LONGEST_LINE:
            raise Unreadable(f"line {self.number} is longer than {LONGEST_LINE} characters")
        return line


def _text_rows(rows: Iterator[list[str]], lines: _Lines, width: int, rules: KindFiles) -> Iterator[Line]:
    for _ in range(MOST_ROWS):
        lines.begun = lines.number
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise Unreadable(
                    f"it ends inside the quotation marks that line {lines.begun + 1} opens: it is cut off"
                ) from None
            upto = f" (up to line {lines.number})" if lines.number > lines.begun + 1 else ""
            yield Line(lines.begun + 1, (), f"a quotation mark stands where none should, or a cell is too long{upto}")
            continue
        if not any(cells):
            continue
        line = _fitted(lines.begun + 1, [_cell(cell) for cell in cells], width, rules)
        if line.wrong and not lines.is_whole:
            raise Unreadable(f"it ends in the middle of line {lines.number}: it is cut off")
        yield line
    raise Unreadable(f"it has more than {MOST_ROWS} rows")


def _fitted(number: int, cells: list[Any], width: int, rules: KindFiles) -> Line:
    while len(cells) > width and cells[-1] in ("", None):
        cells.pop()
    if len(cells) > width or (len(cells) < width and not rules.short_rows):
        return Line(number, cells, f"{len(cells)} cells, and the header has {width}")
    return Line(number, cells)


def _cell(text: str) -> str:
    kept = _AS_TEXT.fullmatch(text.strip())
    return kept[1] if kept else text


def _cells(line: str, mark: str, quote: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=mark, quotechar=quote), [])
    except csv.Error:
        return []


def _matches(cells: Sequence[str], known: frozenset[str]) -> tuple[int, int]:
    return len({folded(cell) for cell in cells} & known), len(cells)


def _encoding(raw: IO[bytes], names: Sequence[str]) -> str:
    """The first encoding in which the whole file is text."""
    head = raw.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        names = ("utf-16",)
    elif head.startswith(codecs.BOM_UTF8):
        names = ("utf-8-sig", *names)
    has_nul = False
    for name in names:
        raw.seek(0)
        decoder = codecs.getincrementaldecoder(name)()
        try:
            pieces = iter(lambda: raw.read(_CHUNK), b"")
            found = any("\0" in decoder.decode(piece) for piece in pieces)
            if not found:
                decoder.decode(b"", final=True)
                return name
        except UnicodeError:
            continue
        has_nul = has_nul or found
    if has_nul:
        raise Unreadable(
            "it holds NUL characters: it was cut off while it was written, or is UTF-16 without its mark (then name "
            "utf-16-le first in the profile's encodings)"
        )
    raise Unreadable(f"it is no text in {' or '.join(names)}; name its encoding in the profile (encodings)")


# -- workbooks


@contextmanager
def _workbook(path: Path, rules: KindFiles, known: frozenset[str]) -> Iterator[Table]:
    _measure(path)
    # By its content alone: of a path the library wants to see the ending, which the copy that is read does not have.
    with path.open("rb") as file, closing(_guarded(lambda: _loaded(file))) as book:
        sheet = _guarded(lambda: _sheet(book, rules.sheet))
        rows = enumerate(_steps(sheet.iter_rows(values_only=True)), 1)
        columns = list(rules.columns)
        if rules.header_row:
            _, head = next(islice(rows, rules.header_row - 1, None), (0, ()))
            columns = ["" if cell is None else str(cell).strip() for cell in head]
        while columns and not columns[-1]:
            columns.pop()
        if not columns:
            raise Unreadable("the row with the names of the columns is empty")
        yield Table(tuple(columns), _sheet_rows(rows, len(columns), rules))


def _loaded(file: IO[bytes]) -> Any:
    import openpyxl  # noqa: PLC0415 - slow to import, and not every site has workbooks

    # It warns of what it cannot read, and repeats it.
    warnings.filterwarnings("ignore", module=r"openpyxl\.")
    return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)


def _sheet(book: Any, name: str | None) -> Any:
    if not book.worksheets or (name is not None and name not in book.sheetnames):
        raise Unreadable(f"no sheet is called {name!r}" if name else "it has no sheet")
    sheet = book[name] if name else book.worksheets[0]
    sheet.reset_dimensions()
    return sheet


def _sheet_rows(rows: Iterator[tuple[int, Sequence[Any]]], width: int, rules: KindFiles) -> Iterator[Line]:
    for number, cells in rows:
        if number > MOST_ROWS:
            raise Unreadable(f"it has more than {MOST_ROWS} rows")
        if all(cell is None or cell == "" for cell in cells):
            continue
        if any(isinstance(cell, str) and cell in _SHEET_ERRORS for cell in cells):
            yield Line(number, (), "a cell shows an error of the spreadsheet, such as #N/A")
            continue
        # A workbook has no half rows: what is empty at the end of a row is not written.
        filled = [*cells, *([None] * (width - len(cells)))]
        yield _fitted(number, filled, width, rules)


def _measure(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = [entry.file_size for entry in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise Unreadable("it is no Excel workbook (.xlsx), or is damaged") from None
    if len(sizes) > 10_000 or sum(sizes) > LARGEST_UNPACKED:
        raise Unreadable(f"it is larger than {LARGEST_UNPACKED // 2**20} MB when it is unpacked")


def _guarded(read: Callable[[], Any]) -> Any:
    """What reading a workbook gives; its library raises whatever the file provokes."""
    try:
        return read()
    except (StopIteration, Unreadable):
        raise
    except MemoryError:
        raise Unreadable("it would take too much memory") from None
    except Exception:
        raise Unreadable("it is no Excel workbook (.xlsx), or is damaged") from None


def _steps(rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    while True:
        try:
            yield _guarded(lambda: next(rows))
        except StopIteration:
            return


# -- calendars

CALENDAR = ("ID", "UID", "DTSTART", "DTEND", "DURATION", "SUMMARY", "DESCRIPTION", "STATUS", "LOCATION", "CATEGORIES",
            "RESOURCES", "ORGANIZER", "ATTENDEE")  # fmt: skip
"""The columns of a calendar: iCalendar's properties (RFC 5545), and ``ID``, which is the UID, with the day of a visit
that was moved out of a series."""


@contextmanager
def _calendar(path: Path, rules: KindFiles, known: frozenset[str]) -> Iterator[Table]:
    import icalendar  # noqa: PLC0415 - as above

    if path.stat().st_size > LARGEST_CALENDAR:
        raise Unreadable(f"it is larger than {LARGEST_CALENDAR // 2**20} MB")
    try:
        events = icalendar.Calendar.from_ical(path.read_bytes()).walk("VEVENT")
    except Exception:
        raise Unreadable("it is no calendar (iCalendar), or is cut off") from None
    yield Table(CALENDAR, (_event(number, each) for number, each in enumerate(events, 1)))


def _event(number: int, event: Any) -> Line:
    """An entry; its number is its place among the entries."""
    try:
        uid, *cells = (_property(event, name) for name in CALENDAR[1:])
        repeats, moved = event.get("RRULE") or event.get("RDATE"), event.get("RECURRENCE-ID")
        part = "" if moved is None else f"/{moved.to_ical().decode()}"
    except Exception:
        return Line(number, (), "one of its values cannot be read")
    if repeats is not None:
        return Line(number, (), "it repeats (RRULE, RDATE); export single visits")
    if not isinstance(cells[0], datetime):
        return Line(number, (), "it lasts all day, or has no start; that is no visit")
    return Line(number, [uid and f"{uid}{part}", uid, *cells])


def _property(event: Any, name: str) -> Any:
    value = event.get(name)
    if value is None:
        return None
    if hasattr(value, "dt"):
        return value.dt
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if hasattr(value, "cats"):
        return ", ".join(str(each) for each in value.cats)
    return str(value)
