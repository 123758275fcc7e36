"""Tables in files that people bring: text with any delimiter, xlsx, xls. One row at a time, by the header's titles.

What a file is says its content, never its name. Values are read as they were stored: a formula counts with the value
that its program kept, and is never worked out here. A workbook is measured before it is read, because a few bytes of
it may ask for gigabytes of memory. Nothing here tells what a row holds.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from enum import Enum
from itertools import chain, islice
from pathlib import Path

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from vetbridge.core import normalise
from vetbridge.desk.clinic_files import MAX_ROW, FileReport, UnusableFile, opened, records
from vetbridge.desk.compound_file import MAGIC, Unsound
from vetbridge.desk.measuring import SAVE_AS, measure_xls, measure_xlsx, too_large, unusable

LARGEST_FILE = 100 * 1024 * 1024
"""Bytes of a file."""
MOST_MERGED_CELLS = 1_000_000
"""Cells of a sheet that are merged with others."""
HEADER_WITHIN = 20
"""The header stands in one of so many rows; titles may stand above it."""
DELIMITERS = (",", ";", "\t", "|")
MOST_SHOWN = 12
"""Titles that are shown where others are missing."""

_HEAD = 4096
_DIGITS = re.compile(r"\d+")
_BIFF_WITHOUT_FOLDER = (b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08")
_KNOWN_BEGINNINGS = (
    (b"%PDF", "a PDF", "Export the list as an Excel workbook or as CSV."),
    (b"{\\rtf", "a text document (RTF)", "Export the list as an Excel workbook or as CSV."),
    (b"\x1f\x8b", "a packed file (gzip)", "Unpack it, then name the file that was in it."),
    (b"7z\xbc\xaf\x27\x1c", "a packed file (7z)", "Unpack it, then name the file that was in it."),
    (b"Rar!", "a packed file (RAR)", "Unpack it, then name the file that was in it."),
    (b"\x89PNG", "a picture", "Export the list as an Excel workbook or as CSV."),
    (b"\xff\xd8\xff", "a picture", "Export the list as an Excel workbook or as CSV."),
)
_UNTYPED = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Bytes that nobody types; a few of them make no other kind of file."""


class Missing(Enum):
    """What stands where a cell has no value that can be used."""

    FORMULA = "a formula whose value was not stored"
    MERGED = "a cell that is merged with one above it"


Value = str | int | float | bool | date | datetime | time | timedelta | Missing
"""What a cell holds; "" where it is empty. All cells of a text file are text."""


@dataclass
class EveryRefusal(FileReport):
    """A report that keeps every row that is left out, and not the first ones alone."""

    rows: list[Refusal] = field(default_factory=list)

    def refuse(self, line: int, column: int, code: str, words: str) -> None:
        """See ``FileReport.refuse``."""
        FileReport.refuse(self, line, column, code, words)
        self.rows.append(Refusal(sheet="", row=line, code=code, words=words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A row that is left out: where it stands (rows count from 1), why, and what can be read of it by field."""

    sheet: str
    row: int
    code: str
    words: str
    texts: Mapping[str, str] = field(default_factory=dict)
    more: str = ""
    """Ids of records that may be meant."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its sheet ("" in a text file), its number there from 1, and its values by field.

    A field that several columns are for has several values; one that no column is for is not in ``values``.
    """

    sheet: str
    number: int
    values: Mapping[str, tuple[Value, ...]]

    def text(self, name: str) -> str:
        """The first value of a field that is not empty, as text on one line."""
        return next(filter(None, map(as_text, self.values.get(name, ()))), "")


def table(report: FileReport, titles: Mapping[str, str], needed: Sequence[AbstractSet[str]]) -> Iterator[Row]:
    """The rows of every sheet that has a header, below it; empty rows are passed over.

    ``titles``: what a column's title may be, as ``bare`` makes it, with the field it stands for. ``needed``: of each
    of these sets one field must have a column. Raises ``UnusableFile`` where no sheet has such a header.
    """
    found = False
    nearest: list[str] = []
    for name, rows in _sheets(report, titles):
        head = list(islice(rows, HEADER_WITHIN))
        place = _header(head, titles, needed)
        if place is None:
            nearest = max(nearest, _titles_like(head, titles), key=len)
            continue
        found = True
        columns = [titles.get(bare(as_text(cell)), "") for cell in head[place][1]]
        for number, cells in chain(head[place + 1 :], rows):
            row = _row(report, name, number, cells, columns)
            if row is not None:
                yield row
    if not found:
        wanted = " and ".join(" or ".join(sorted(names)) for names in needed)
        known = f", only a row with {', '.join(nearest)}" if nearest else ""
        raise UnusableFile(
            f"{report.path}: none of its first {HEADER_WITHIN} rows is a header that is known{known}",
            code="column-missing",
            advice=f"One row must name the columns; needed are {wanted}.",
        )


def _titles_like(head: Sequence[tuple[int, Sequence[Value]]], titles: Mapping[str, str]) -> list[str]:
    """The titles that are known of the row that has most of them. Of others nothing is told: it may be a client."""
    rows = ([text for cell in cells if bare(text := as_text(cell)) in titles] for _, cells in head)
    return max(rows, key=len, default=[])[:MOST_SHOWN]


def _row(report: FileReport, sheet: str, number: int, cells: Sequence[Value], columns: Sequence[str]) -> Row | None:
    if not any(cell != "" and cell is not Missing.MERGED for cell in cells):
        return None
    if any(cell not in ("", Missing.MERGED) for cell in cells[len(columns) :]):
        report.refuse(number, 1, "cells", f"{len(cells)} cells, and the header has {len(columns)}")
        if isinstance(report, EveryRefusal):
            report.rows[-1] = replace(report.rows[-1], sheet=sheet)
        return None
    values: dict[str, tuple[Value, ...]] = {name: () for name in columns if name}
    for name, cell in zip(columns, cells, strict=False):
        if name:
            values[name] += (cell,)
    return Row(sheet, number, values)


def bare(title: str) -> str:
    """A column's title for comparing: ``Owner ID`` is ``ownerid``, ``Phone 2`` is ``phone``, ``Straße`` strasse."""
    return _DIGITS.sub("", normalise.name(title)).replace(" ", "")


def as_text(value: Value) -> str:
    """A value as people would type it, on one line, without what steers a terminal; "" where there is none."""
    if isinstance(value, Missing):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    return normalise.shown(value if isinstance(value, str) else str(value), MAX_ROW)


def _header(
    head: Sequence[tuple[int, Sequence[Value]]], titles: Mapping[str, str], needed: Sequence[AbstractSet[str]]
) -> int | None:
    """The row among the first ones that names most columns, where it names all that are needed."""
    best, most = None, 0
    for place, (_, cells) in enumerate(head):
        names = {titles[title] for cell in cells if (title := bare(as_text(cell))) in titles}
        if len(names) > most and all(names & one for one in needed):
            best, most = place, len(names)
    return best


def _sheets(
    report: FileReport, titles: Mapping[str, str]
) -> Iterator[tuple[str, Iterator[tuple[int, Sequence[Value]]]]]:
    """The sheets of a file with their rows, numbered from 1. Raises ``UnusableFile``."""
    kind = _kind(report.path)
    named = report.path.suffix.casefold()
    if kind == "text":
        if named in (".xls", ".xlsx"):
            report.note(1, 1, "not-as-named", f"this is called {named}, and is a text table; it is read as that")
        yield "", _text_rows(report, *_layout(report.path, titles))
        return
    if named != f".{kind}":
        report.note(1, 1, "not-as-named", f"this is an Excel workbook ({kind}) by another name; it is read as that")
    try:
        without_value = measure_xlsx(report.path) if kind == "xlsx" else measure_xls(report.path)
        with CalamineWorkbook.from_path(report.path) as book:
            for sheet in book.sheets_metadata:
                if sheet.typ is not SheetTypeEnum.WorkSheet:
                    continue
                if sheet.visible is not SheetVisibleEnum.Visible:
                    report.note(1, 1, "sheet-hidden", "a sheet is hidden; it is not read")
                    continue
                content = book.get_sheet_by_name(sheet.name)
                yield (
                    normalise.shown(sheet.name, 40),
                    _sheet_rows(report.path, content, without_value.get(sheet.name, set())),
                )
    except PasswordError:
        raise unusable(report.path, "a workbook with a password", "Save it without a password.") from None
    except BaseException as error:
        # What panics in the library's own language is no Exception; it is named by its type alone.
        if not isinstance(error, (CalamineError, OSError, Unsound)) and type(error).__name__ != "PanicException":
            raise
        if _is_locked(report.path):
            raise unusable(report.path, "a workbook with a password", "Save it without a password.") from None
        advice = f"{SAVE_AS} Another document, such as a letter, has to be exported as a list first."
        raise unusable(report.path, "a damaged Excel workbook, or no workbook at all", advice) from None


def _sheet_rows(
    path: Path, sheet: CalamineSheet, without_value: AbstractSet[tuple[int, int]]
) -> Iterator[tuple[int, Sequence[Value]]]:
    first = sheet.start[1] if sheet.start else 0
    below: dict[int, list[tuple[int, int]]] = {}
    merged = 0
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        last = min(bottom, top + 1000)
        merged += max(0, last - top) * max(1, min(right, sheet.total_width) - left + 1)
        if merged > MOST_MERGED_CELLS:
            raise too_large(path, f"more than {MOST_MERGED_CELLS} cells of a sheet are merged")
        for row in range(top + 1, last + 1):
            below.setdefault(row, []).append((left, right))
    formulas: dict[int, list[int]] = {}
    for row, column in without_value:
        formulas.setdefault(row, []).append(column)
    for number, read in enumerate(sheet.iter_rows()):
        cells: list[Value] = [*([""] * first), *read]
        for left, right in below.get(number, ()):
            for column in range(left, min(right + 1, len(cells))):
                cells[column] = Missing.MERGED
        for column in formulas.get(number, ()):
            cells += [""] * (column + 1 - len(cells))
            cells[column] = Missing.FORMULA
        yield number + 1, cells


# -- what a file is


def _kind(path: Path) -> str:
    """``text``, ``xlsx`` or ``xls``, by its content. Raises ``UnusableFile`` that says what else it is."""
    if path.exists() and not path.is_file():
        raise UnusableFile(f"{path} is no file", code="file-unreadable", advice="Name a file.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read: {error.strerror or error}", code="file-unreadable") from None
    if size > LARGEST_FILE:
        message = f"{path} has {size // 1_000_000} MB; files up to {LARGEST_FILE // 1_000_000} MB are read"
        raise UnusableFile(message, code="file-too-large", advice="Split the list in several files.")
    if not head.strip():
        raise UnusableFile(f"{path} is empty", code="file-empty", advice="Export the list once more.")
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head.startswith(b"PK"):
        raise unusable(path, "an empty or cut zip file", "Export the list once more.")
    if head.startswith(MAGIC):
        return "xls"
    for begins, what, advice in _KNOWN_BEGINNINGS:
        if head.startswith(begins):
            raise unusable(path, what, advice)
    if head.startswith(_BIFF_WITHOUT_FOLDER):
        raise unusable(path, "an Excel sheet of before 1995", SAVE_AS)
    return _kind_of_text(path, head)


def _is_locked(path: Path) -> bool:
    """Whether a file is a workbook that Office has encrypted as a whole."""
    return "EncryptedPackage".encode("utf-16-le") in path.read_bytes()


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise unusable(path, "a damaged zip file", "Export the list once more.") from None
    if "xl/workbook.xml" in names:
        return "xlsx"
    if "xl/workbook.bin" in names:
        raise unusable(path, "a binary Excel workbook (xlsb)", SAVE_AS)
    if "content.xml" in names and "mimetype" in names:
        raise unusable(path, "an OpenDocument file", SAVE_AS)
    if "word/document.xml" in names:
        raise unusable(path, "a Word document", "Export the list as an Excel workbook or as CSV.")
    raise unusable(path, "a zip file that is no workbook", "Unpack it, then name the file that was in it.")


def _kind_of_text(path: Path, head: bytes) -> str:
    text = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<table", b"<head", b"<meta", b"<body", b"<div", b"<style")):
        raise unusable(path, "a web page (HTML), as some programs export it under the name .xls", SAVE_AS)
    if text.startswith((b"<?xml", b"<workbook")):
        what = "an XML spreadsheet" if b"office:spreadsheet" in text else "an XML file"
        raise unusable(path, what, SAVE_AS)
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(head) > 1 and (head[0] == 0) != (head[1] == 0))
    if len(_UNTYPED.findall(head)) > len(head) // 10 and not wide:
        raise unusable(path, "no table: it holds bytes that no text has", "Export the list as xlsx or CSV.")
    return "text"


# -- text


def _layout(path: Path, titles: Mapping[str, str]) -> tuple[str, int]:
    """The delimiter under which a row near the top names most columns, and how many cells that row has."""
    with opened(FileReport(path)) as lines:
        head = []
        for _ in range(HEADER_WITHIN):
            lines.begin()
            line = next(lines, "")
            if not line:
                break
            head.append(line)

    best, mark_of_best, most = 0, DELIMITERS[0], 0
    for mark in DELIMITERS:
        for cells in _quietly(csv.reader(head, delimiter=mark)):
            known = sum(bare(cell) in titles for cell in cells)
            if known > most:
                best, mark_of_best, most = len(cells), mark, known
    return mark_of_best, best


def _quietly(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:
            continue


def _text_rows(report: FileReport, delimiter: str, width: int) -> Iterator[tuple[int, Sequence[Value]]]:
    with opened(report) as lines:
        for cells in records(report, lines, delimiter):
            if lines.several and any(cells[width:]):
                words = (
                    "a stray quotation mark, mostly: it goes over several lines and has more cells than the header"
                )
                report.refuse(lines.number, 1, "quote-open", words)
                lines.give_back()  # The mark swallowed them.
                continue
            yield lines.number, [cell.strip() for cell in cells]
