"""How much memory a workbook will take, found out before it is read.

Its reader (calamine) believes what stands in the file: it makes room for every cell between the first and the last,
and keeps a shared text once for each cell that shows it, so a few bytes may ask for gigabytes, and end the process.
Here each part is read once, a piece at a time, and only the forms are let through that spreadsheet programs write:
what is understood in two ways is refused as damaged.

Measured here, and not left to a child process with a limit on its memory: such limits exist on Linux alone.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any
from xml.parsers import expat

from vetbridge.desk.clinic_files import UnusableFile
from vetbridge.desk.compound_file import Unsound, stream

LARGEST_UNPACKED = 400 * 1024 * 1024
"""Bytes of an xlsx's parts, unpacked."""
MOST_CELLS = 10_000_000
"""A sheet's rows times its columns, of an xls those of all its sheets: so many cells are held in memory at once."""
MOST_TEXT = 200_000_000
"""Characters in the cells of all sheets; a shared text counts for each cell that shows it."""
MOST_SHARED = 5_000_000
"""Shared texts."""
MOST_FORMULAS = 100_000
"""Formulas of a sheet that have no stored value."""
MOST_MERGED = 100_000
"""Regions of merged cells."""
MOST_SHEETS = 1_000

SAVE_AS = "Open it in a spreadsheet program and save it as an Excel workbook (.xlsx)."

_CHUNK = 1 << 20
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_INDEX = re.compile(r"[0-9]{1,9}")
_SHARED_TEXTS = "xl/sharedstrings.xml"
_SHEET_DATA = b"sheetData"
_ENCODINGS = frozenset({None, "utf-8", "us-ascii", "iso-8859-1", "windows-1252"})
"""In which markup is the same bytes to every reader; names in small letters."""
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\0", b"<\0")
"""How a part begins whose letters have two bytes."""


def unusable(path: Path, what: str, advice: str) -> UnusableFile:
    """The error for a file that is no list."""
    return UnusableFile(f"{path} is {what}", code="not-a-list", advice=advice)


def too_large(path: Path, what: str, advice: str = "Copy the list alone into a new workbook.") -> UnusableFile:
    """The error for a file that would take too much memory."""
    return UnusableFile(f"{path}: {what}", code="file-too-large", advice=advice)


def _too_wide(path: Path, rows: int, columns: int) -> UnusableFile:
    return too_large(
        path,
        f"a sheet reaches over {rows} rows and {columns} columns",
        "Copy the list alone into a new workbook: there is something far below or beside it.",
    )


def _damaged(path: Path) -> UnusableFile:
    return unusable(path, "a damaged Excel workbook", SAVE_AS)


# -- xlsx


def measure_xlsx(path: Path) -> dict[str, set[tuple[int, int]]]:
    """By sheet, the cells (row and column from 0) that are formulas without a stored value.

    Raises ``UnusableFile`` for a workbook that would take too much memory, or is damaged.
    """
    without_value: dict[str, set[tuple[int, int]]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            purse = _Purse(path)
            # Of two that are called the same none is read twice: which one counts depends on the reader.
            names = [entry.filename.replace("\\", "/").lower() for entry in archive.infolist()]
            if len(set(names)) < len(names):
                raise _damaged(path)
            entries = list(zip(names, archive.infolist(), strict=True))
            entries.sort(key=lambda named: named[0] != _SHARED_TEXTS)
            for name, entry in entries:
                shared = name == _SHARED_TEXTS
                meter: _Part = _SharedTexts(purse) if shared else _Meter(purse)
                with archive.open(entry) as part:
                    for piece in iter(lambda part=part: part.read(_CHUNK), b""):  # type: ignore[misc]
                        purse.unpacked(len(piece))
                        meter.feed(piece)
                meter.finish()
                if isinstance(meter, _Meter) and meter.without_value:
                    without_value[entry.filename] = meter.without_value
            return _by_sheet(archive, without_value)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError):
        # A RuntimeError is a part that is encrypted.
        raise _damaged(path) from None


class _Purse:
    """What a workbook may take in all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._left = LARGEST_UNPACKED
        self._text = MOST_TEXT
        self.shared = array("I")
        """Characters of each shared text."""

    def unpacked(self, size: int) -> None:
        """So many bytes more."""
        self._left -= size
        if self._left < 0:
            raise UnusableFile(
                f"{self.path} is larger than {LARGEST_UNPACKED // 1_000_000} MB when it is unpacked",
                code="file-too-large",
                advice="Copy the list alone into a new workbook.",
            )

    def show(self, index: int) -> None:
        """A cell shows a shared text."""
        if index < len(self.shared):
            self._text -= self.shared[index]
            if self._text < 0:
                raise too_large(self.path, "its cells hold more text than a list of clients has")


class _Part:
    """One part of a workbook. What is no XML, as a picture, is passed over, unless it may be taken for a sheet."""

    def __init__(self, purse: _Purse) -> None:
        self._purse = purse
        self._path = purse.path
        self._parser: Any = expat.ParserCreate()
        self._parser.XmlDeclHandler = self._declared
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.buffer_text = True
        self._sound = True
        self._tail: bytes | None = None
        self._like_a_sheet = False

    def feed(self, piece: bytes) -> None:
        """The next piece of the part."""
        if self._tail is None:
            self._sound = not piece.startswith(_WIDE)
        self._like_a_sheet = self._like_a_sheet or _SHEET_DATA in (self._tail or b"") + piece
        self._tail = piece[-len(_SHEET_DATA) :]
        if not self._sound:
            return
        try:
            self._parser.Parse(piece, False)
        except expat.ExpatError:
            self._sound = False

    def finish(self) -> None:
        """The part is at its end. Raises where others may see cells in it that were not seen here."""
        if self._like_a_sheet and not self._sound:
            raise _damaged(self._path)

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if (encoding and encoding.lower()) not in _ENCODINGS:
            self._sound = False

    def _doctype(self, *_: object) -> None:
        raise unusable(self._path, "no workbook as Excel writes it: it declares a document type", SAVE_AS)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        raise NotImplementedError

    def _end(self, name: str) -> None:
        raise NotImplementedError


class _SharedTexts(_Part):
    """How long each shared text is."""

    def __init__(self, purse: _Purse) -> None:
        super().__init__(purse)
        self._length = 0
        self._parser.CharacterDataHandler = self._text

    def finish(self) -> None:
        """As every part; and all of it must have been understood."""
        super().finish()
        if not self._sound:
            raise _damaged(self._path)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if _tag(name) == "si":
            self._length = 0

    def _text(self, text: str) -> None:
        self._length += len(text)

    def _end(self, name: str) -> None:
        if _tag(name) == "si":
            self._purse.shared.append(self._length)
            if len(self._purse.shared) > MOST_SHARED:
                raise too_large(self._path, f"it has more than {MOST_SHARED} texts")


class _Meter(_Part):
    """How far a sheet reaches, how much text it shows, and which of its formulas have no value."""

    def __init__(self, purse: _Purse) -> None:
        super().__init__(purse)
        self._row = self._column = 0
        """Where a cell stands that does not say it."""
        self._cell: tuple[int, int] | None = None
        self._shared = self._formula = self._valued = False
        self._index = ""
        self._rows = self._columns = 0
        self._merged = self._sheets = 0
        self.without_value: set[tuple[int, int]] = set()

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        tag = _tag(name)
        if tag == "c":
            self._begin_cell(attributes)
        elif self._cell is not None:
            if tag == "f":
                self._formula = True
                return
            # Also a value that is empty has its place.
            self._reach(self._cell)
            if tag == "is":
                self._valued = True
            elif tag == "v":
                self._index = ""
                self._parser.CharacterDataHandler = self._text
        elif tag == "row":
            number = attributes.get("r")
            if number is not None:
                self._row = self._number(number)
        elif tag == "mergeCell":
            self._merged += 1
            if self._merged > MOST_MERGED:
                raise too_large(self._path, f"a sheet has more than {MOST_MERGED} merged regions")
        elif tag == "sheet":
            self._sheets += 1
            if self._sheets > MOST_SHEETS:
                raise too_large(self._path, f"it has more than {MOST_SHEETS} sheets")

    def _begin_cell(self, attributes: Mapping[str, str]) -> None:
        reference = attributes.get("r")
        if reference is None:
            self._cell = self._row, self._column
        else:
            self._cell = _place(reference)
            if self._cell is None:
                raise _damaged(self._path)
        self._column = self._cell[1] + 1
        self._shared = attributes.get("t") == "s"
        self._formula = self._valued = False

    def _number(self, text: str) -> int:
        if not _INDEX.fullmatch(text) or not int(text):
            raise _damaged(self._path)
        return int(text) - 1

    def _text(self, text: str) -> None:
        if text.strip():
            self._valued = True
        if self._shared and len(self._index) < 20:
            self._index += text

    def _end(self, name: str) -> None:
        tag = _tag(name)
        if tag == "v":
            self._parser.CharacterDataHandler = None
            if self._shared and self._cell is not None:
                if self._index.strip() and not _INDEX.fullmatch(self._index.strip()):
                    raise _damaged(self._path)
                if self._index.strip():
                    self._purse.show(int(self._index))
        elif tag == "c":
            if self._formula and not self._valued and self._cell:
                self._note_formula(self._cell)
            self._cell = None
        elif tag == "row":
            self._row += 1
            self._column = 0

    def _reach(self, cell: tuple[int, int]) -> None:
        self._rows = max(self._rows, cell[0] + 1)
        self._columns = max(self._columns, cell[1] + 1)
        if self._rows * self._columns > MOST_CELLS:
            raise _too_wide(self._path, self._rows, self._columns)

    def _note_formula(self, cell: tuple[int, int]) -> None:
        self.without_value.add(cell)
        if len(self.without_value) > MOST_FORMULAS:
            raise UnusableFile(
                f"{self._path}: more than {MOST_FORMULAS} formulas have no stored value",
                code="formula-without-value",
                advice="Open it in a spreadsheet program, let it calculate, and save it.",
            )


def _tag(name: str) -> str:
    return name.rpartition(":")[2]


def _place(reference: str) -> tuple[int, int] | None:
    """Row and column, from 0, of a reference such as ``AB12``."""
    found = _CELL.fullmatch(reference)
    if found is None:
        return None
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return int(found[2]) - 1, column - 1


def _by_sheet(
    archive: zipfile.ZipFile, by_part: Mapping[str, set[tuple[int, int]]]
) -> dict[str, set[tuple[int, int]]]:
    """What was found by part, by the name of the sheet that the part is."""
    if not by_part:
        return {}
    relations = "xl/_rels/workbook.xml.rels"
    if relations not in archive.namelist():
        return {}
    with archive.open(relations) as part:
        targets = {each.get("Id", ""): each.get("Target", "") for each in _attributes(part, "Relationship")}
    found = {}
    with archive.open("xl/workbook.xml") as part:
        for sheet in _attributes(part, "sheet"):
            id_ = next((value for name, value in sheet.items() if name.rpartition(":")[2] == "id"), "")
            target = targets.get(id_, "")
            name = target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl") / target)
            if name in by_part:
                found[sheet.get("name", "")] = by_part[name]
    return found


def _attributes(part: IO[bytes], wanted: str) -> list[dict[str, str]]:
    """The attributes of every element of a name."""
    found: list[dict[str, str]] = []
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == wanted:
            found.append(attributes)

    parser.StartElementHandler = start
    try:
        parser.ParseFile(part)
    except expat.ExpatError:
        return []
    return found


# -- xls


_STREAMS = ("Workbook", "Book", "WORKBOOK", "BOOK")
_END, _BEGIN, _PASSWORD, _SHEET, _TEXTS, _CONTINUED = 0x000A, 0x0809, 0x002F, 0x0085, 0x00FC, 0x003C
_DIMENSIONS, _MERGED, _ROW_OF_NUMBERS, _SHARED = 0x0200, 0x00E5, 0x00BD, 0x00FD
_CELLS = frozenset({0x0006, 0x0203, 0x0204, 0x0205, 0x027E, 0x00D6, _SHARED})
"""Records that begin with a row and a column: formula, number, label, boolean, RK, rich text, shared text."""
_LAST_ROW, _LAST_COLUMN = 0xFFFF, 0xFF


def measure_xls(path: Path) -> dict[str, set[tuple[int, int]]]:
    """Nothing: an xls has no formula without a stored value.

    The records are those of [MS-XLS] 2.4. Raises ``Unsound`` for what is damaged, ``UnusableFile`` for a workbook
    that would take too much memory.
    """
    book = stream(path.read_bytes(), _STREAMS)
    try:
        _measure_book(path, book)
    except (struct.error, IndexError):
        raise Unsound("a record in it is too short") from None
    return {}


def _measure_book(path: Path, book: bytes) -> None:
    sheets: list[int] = []
    lengths: Sequence[int] = ()
    for number, parts in _records(book, 0):
        if number == _PASSWORD:
            return  # It is refused by that, and the rest means nothing.
        if number == _SHEET:
            sheets.append(struct.unpack_from("<I", parts[0])[0])
        elif number == _TEXTS:
            lengths = _text_lengths(parts)
        elif number == _END:
            break
    if len(sheets) > MOST_SHEETS:
        raise too_large(path, f"it has more than {MOST_SHEETS} sheets")
    cells = text = merged = 0
    for at in sheets:
        extent = _Extent(lengths)
        for number, parts in _records(book, at):
            if not extent.take(number, parts[0]):
                break
            # All sheets are held in memory at once.
            if cells + extent.rows * extent.columns > MOST_CELLS:
                raise _too_wide(path, extent.rows, extent.columns)
            if text + extent.text > MOST_TEXT:
                raise too_large(path, "its cells hold more text than a list of clients has")
            if merged + extent.merged > MOST_MERGED:
                raise too_large(path, f"it has more than {MOST_MERGED} merged regions")
        cells += extent.rows * extent.columns
        text += extent.text
        merged += extent.merged


class _Extent:
    """How far a sheet of an xls reaches, and how many characters of shared texts it shows."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._lengths = lengths
        self._depth = 0
        self._first_row = self._first_column = 1 << 16
        self._last_row = self._last_column = -1
        self.text = 0
        self.merged = 0

    @property
    def rows(self) -> int:
        """From the first to the last that has a cell."""
        return max(0, self._last_row - self._first_row + 1)

    @property
    def columns(self) -> int:
        """As ``rows``."""
        return max(0, self._last_column - self._first_column + 1)

    def take(self, number: int, body: bytes) -> bool:
        """Looks at a record; False where the sheet is at its end."""
        if number == _BEGIN:
            self._depth += 1
        elif number == _END:
            self._depth -= 1
            return self._depth > 0
        if self._depth > 1:
            return True  # a chart in the sheet: its cells are not the sheet's
        if number in _CELLS:
            row, column = struct.unpack_from("<HH", body)
            self._reach(row, column, column)
            if number == _SHARED:
                index = struct.unpack_from("<I", body, 6)[0]
                self.text += self._lengths[index] if index < len(self._lengths) else 0
        elif number == _ROW_OF_NUMBERS:
            row, first = struct.unpack_from("<HH", body)
            self._reach(row, first, struct.unpack("<H", body[-2:])[0])
        elif number == _DIMENSIONS:
            first, last, _, end = struct.unpack_from("<IIHH" if len(body) == 14 else "<HHHH", body)
            if first > last or last > _LAST_ROW + 1 or end > _LAST_COLUMN + 1:
                raise Unsound("a sheet is said to have more cells than there can be")
        elif number == _MERGED:
            self.merged += int(struct.unpack_from("<H", body)[0])
        return True

    def _reach(self, row: int, first: int, last: int) -> None:
        if not first <= last <= _LAST_COLUMN:
            raise Unsound("a cell stands where there is no column")
        self._first_row, self._last_row = min(self._first_row, row), max(self._last_row, row)
        self._first_column, self._last_column = min(self._first_column, first), max(self._last_column, last)


def _records(book: bytes, at: int) -> Iterator[tuple[int, list[bytes]]]:
    """The records from a place on: the number of each, and its content with that of the records that continue it."""
    ahead = _record(book, at)
    while ahead is not None:
        number, body, at = ahead
        parts = [body]
        ahead = _record(book, at)
        while ahead is not None and ahead[0] == _CONTINUED:
            parts.append(ahead[1])
            ahead = _record(book, ahead[2])
        yield number, parts


def _record(book: bytes, at: int) -> tuple[int, bytes, int] | None:
    if at + 4 > len(book):
        return None
    number, length = struct.unpack_from("<HH", book, at)
    end = at + 4 + length
    # One that is cut is no record to its reader either, which ends there.
    return (number, book[at + 4 : end], end) if end <= len(book) else None


def _text_lengths(parts: Sequence[bytes]) -> Sequence[int]:
    """How many characters each shared text has ([MS-XLS] 2.4.265 and 2.5.293)."""
    lengths = array("I")
    place, at = 0, 8
    while True:
        while at >= len(parts[place]):
            place, at = place + 1, 0
            if place == len(parts):
                return lengths
        count, flags = struct.unpack_from("<HB", parts[place], at)
        at += 3
        behind = 0
        if flags & 8:
            behind = 4 * struct.unpack_from("<H", parts[place], at)[0]
            at += 2
        if flags & 4:
            behind += struct.unpack_from("<I", parts[place], at)[0]
            at += 4
        lengths.append(count)
        wide = 1 + (flags & 1)
        while count:
            here = min(count, (len(parts[place]) - at) // wide)
            at += here * wide
            count -= here
            if count:
                place, at = place + 1, 1
                wide = 1 + (parts[place][0] & 1)
        while behind:
            here = min(behind, len(parts[place]) - at)
            at += here
            behind -= here
            if behind:
                place, at = place + 1, 0
