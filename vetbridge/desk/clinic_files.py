"""A clinic's clients, pets and bookings in files of its own, read a row at a time.

Owners and patients stand in CSV files, bookings in a file of JSON lines; docs/cli.md names their columns. What cannot
be used is left out, counted by code, and named by file, line and column. Nothing here tells what a row holds.

Files are of unknown origin: the encoding and the delimiter are found out, no line is read into memory beyond
``MAX_ROW``, and one broken row never takes the next one with it.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

from vetbridge.core.normalise import shown
from vetbridge.core.records import Client, Pet

OWNER_COLUMNS = (
    *("owner_id", "first_name", "last_name", "email", "phone_mobile", "phone_home"),
    *("street", "postcode", "city", "created_on", "active"),
)
PATIENT_COLUMNS = ("patient_id", "owner_id", "name", "species", "breed", "sex", "birth_date", "deceased")
NEEDED = frozenset({"owner_id", "first_name", "last_name", "patient_id", "name"})
"""Columns without which a file is not read at all; any other may be missing, which is said."""

MAX_ROW = 100_000
"""Characters: a longer row is left out."""
MAX_LINES = 100
"""Lines that one row may have, by line ends inside quotes."""
MAX_ID = 200
"""Characters of an id."""
ALIKE = 0.7
"""How much a title must be like a column that is missing to be shown beside it: 1 is the same."""
EXAMPLES = 10
"""Places that are kept of each code."""

DELIMITERS = (",", ";", "\t")

_CHUNK = 1 << 20
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_ESCAPED = re.compile("[\udc80-\udcff]")
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ].*)?")
# A byte that the encoding does not know is read as half a character, or as the sign for such bytes in UTF-16.
_UNREADABLE = re.compile("[\x00\ud800-\udfff\ufffd]")
_NO_ID = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "y", "t"), True),
    **dict.fromkeys(("false", "0", "no", "n", "f"), False),
}


class UnusableFile(Exception):
    """A file that cannot be read or written at all: what is wrong, what to do, and a stable code."""

    def __init__(self, message: str, *, code: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a place of a file. Lines and columns (in characters) count from 1."""

    file: str
    line: int
    column: int
    code: str
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.words}"


@dataclass(slots=True)
class FileReport:
    """How a file was read, filled while it is."""

    path: Path
    used: int = 0
    """Rows that are used."""
    refused: Counter[str] = field(default_factory=Counter)
    """Rows that are left out, by code."""
    ignored: Counter[str] = field(default_factory=Counter)
    """Values that are left out of rows that are used otherwise, by code."""
    notes: list[Problem] = field(default_factory=list)
    """What concerns the whole file: its encoding, columns that are missing."""
    examples: list[Problem] = field(default_factory=list)
    """The first places of each code."""

    def refuse(self, line: int, column: int, code: str, words: str) -> None:
        """A row is left out."""
        self.refused[code] += 1
        self._example(self.refused[code], line, column, code, f"row left out: {words}")

    def ignore(self, line: int, column: int, code: str, words: str) -> None:
        """A value is left out."""
        self.ignored[code] += 1
        self._example(self.ignored[code], line, column, code, words)

    def note(self, line: int, column: int, code: str, words: str) -> None:
        """Something concerns the whole file."""
        self.notes.append(Problem(str(self.path), line, column, code, words))

    def _example(self, number: int, line: int, column: int, code: str, words: str) -> None:
        if number <= EXAMPLES:
            self.examples.append(Problem(str(self.path), line, column, code, words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One booking as it was typed. ``claims_existing``: whether the booker says to be a client already."""

    id: str
    booker: Client
    pet: Pet | None
    claims_existing: bool | None


def owner_ids(path: Path) -> set[str]:
    """The ids of all clients of an owners file. What is wrong in it is not told. Raises ``UnusableFile``."""
    ids: set[str] = set()
    for row in _rows(FileReport(path), OWNER_COLUMNS):
        row.own_id("owner_id", ids)
    return ids


def clients(report: FileReport) -> Iterator[Client]:
    """The clients of an owners file. Raises ``UnusableFile``."""
    ids: set[str] = set()
    for row in _rows(report, OWNER_COLUMNS):
        id_ = row.own_id("owner_id", ids)
        if id_ is None:
            continue
        report.used += 1
        yield Client(
            id=id_,
            given_name=row["first_name"],
            family_name=row["last_name"],
            phones=_given(row["phone_mobile"], row["phone_home"]),
            emails=_given(row["email"]),
            street=row["street"],
            postcode=row["postcode"],
            city=row["city"],
            registered_on=row.day("created_on"),
            active=row.yes_or_no("active") is not False,
        )


def pets(report: FileReport, owners: AbstractSet[str]) -> Iterator[Pet]:
    """The pets of a patients file. One whose owner is not among ``owners`` is left out. Raises ``UnusableFile``."""
    ids: set[str] = set()
    for row in _rows(report, PATIENT_COLUMNS):
        id_ = row.own_id("patient_id", ids)
        owner_id = None if id_ is None else row.id("owner_id")
        if owner_id is None:
            continue
        if owner_id not in owners:
            row.refuse("owner_id", "owner-unknown", "no owner has this owner_id")
            continue
        report.used += 1
        yield _pet(row, "name", id_=id_, client_id=owner_id, deceased=row.yes_or_no("deceased") is True)


def bookings(report: FileReport) -> Iterator[Booking]:
    """The bookings of a file of JSON lines. Raises ``UnusableFile``."""
    ids: set[str] = set()
    with opened(report) as lines:
        while True:
            lines.begin()
            line = next(lines, "")
            if not line:
                return
            content = _object(report, lines.number, line) if line.strip() else None
            if content is None:
                continue
            row = _Row(report, content, lambda name: (lines.number, max(0, lines.raw.find(f'"{name}"')) + 1))
            id_ = row.own_id("booking_id", ids)
            if id_ is not None:
                report.used += 1
                yield _booking(id_, row)


def _booking(id_: str, row: _Row) -> Booking:
    given, family, whole = row["first_name"], row["last_name"], row["owner_name"]
    booker = Client(
        given_name=given if given or family else whole,
        family_name=family,
        phones=_given(row["phone"]),
        emails=_given(row["email"]),
        street=row["street"],
        postcode=row["postcode"],
        city=row["city"],
    )
    pet = _pet(row, "pet_name")
    claims_existing = row.yes_or_no("claims_existing")
    return Booking(id=id_, booker=booker, pet=None if pet == Pet() else pet, claims_existing=claims_existing)


def _pet(
    row: _Row, name: str, *, id_: str | None = None, client_id: str | None = None, deceased: bool = False
) -> Pet:
    return Pet(
        id=id_,
        client_id=client_id,
        name=row[name],
        species=row["species"].casefold() or None,
        breed=row["breed"],
        sex=row["sex"].casefold() or None,
        birth_date=row.day("birth_date"),
        deceased=deceased,
    )


def _given(*texts: str) -> tuple[str, ...]:
    return tuple(text for text in texts if text)


class _Row:
    """One row or line, by column: text without white space around it, empty where there is none.

    What cannot be read in a value is told to the report when the value is looked at: look at each once.
    """

    def __init__(
        self, report: FileReport, values: Mapping[str, Any], place: Callable[[str], tuple[int, int]]
    ) -> None:
        self._report = report
        self._values = values
        self._place = place
        """Line and column of a value; it answers for the row that was read last."""

    def __getitem__(self, name: str) -> str:
        value = self._values.get(name)
        if value is None:
            return ""
        text = _text(value)
        if text is None:
            self._ignore(name, "not-a-text", "is no text; the value is ignored")
            return ""
        if _UNREADABLE.search(text):
            self._ignore(name, "unreadable-character", "has a character that cannot be read; it is dropped")
            text = _UNREADABLE.sub(" ", text)
        return text.strip()

    def id(self, name: str) -> str | None:
        """An id; None where the row is refused for it."""
        text = (_text(self._values.get(name)) or "").strip()
        if not text:
            self.refuse(name, "id-missing", f"{name} is missing")
        elif len(text) > MAX_ID or _NO_ID.search(text):
            self.refuse(name, "id-unusable", f"{name} is too long, or has a character that no id can have")
        else:
            return text
        return None

    def own_id(self, name: str, seen: set[str]) -> str | None:
        """The row's own id, kept in ``seen``; None where the row is refused, as where an earlier one has the id."""
        id_ = self.id(name)
        if id_ in seen:
            self.refuse(name, "id-twice", f"an earlier row has this {name}")
            return None
        if id_ is not None:
            seen.add(id_)
        return id_

    def day(self, name: str) -> date | None:
        """A date; one that cannot be understood is ignored."""
        text = self[name]
        found = _DATE.fullmatch(text)
        try:
            if found:
                return date.fromisoformat(found[1])
        except ValueError:
            pass  # Such as the 30th of February.
        if text:
            self._ignore(name, "not-a-date", "is no date (YYYY-MM-DD); the value is ignored")
        return None

    def yes_or_no(self, name: str) -> bool | None:
        """Yes or no; what is neither is ignored."""
        value = self._values.get(name)
        if isinstance(value, bool):
            return value
        text = self[name].casefold()
        if text and text not in _BOOLEANS:
            self._ignore(name, "not-a-boolean", "is neither true nor false; the value is ignored")
        return _BOOLEANS.get(text)

    def refuse(self, name: str, code: str, words: str) -> None:
        """Tells the report that this row is left out, at the place of a value."""
        self._report.refuse(*self._place(name), code, words)

    def _ignore(self, name: str, code: str, words: str) -> None:
        self._report.ignore(*self._place(name), code, f"{name} {words}")


def _text(value: object) -> str | None:
    """A JSON value as text, phones and ids that are written as numbers too; None for what is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _object(report: FileReport, number: int, line: str) -> dict[str, Any] | None:
    """The JSON object in a line; None where the line is refused."""
    try:
        content = json.loads(line.rstrip("\r\n"))
    except json.JSONDecodeError as error:
        report.refuse(number, error.colno, "json-broken", f"no JSON: {error.msg}")
        return None
    except (ValueError, RecursionError):  # A number of thousands of digits, lists in lists in lists.
        report.refuse(number, 1, "json-broken", "JSON that is too deep, or holds a number that is too long")
        return None
    if not isinstance(content, dict):
        report.refuse(number, 1, "json-no-object", "a JSON value that is no object")
        return None
    return content


class _Unfinished(Exception):
    """A row's end is not found: a quotation mark is open, or the row is too long."""


class Lines:
    """The lines of a file, numbered, as ``csv`` wants them. A line that is too long is refused and passed over.

    Lines of the row that is being read can be given back, to be read anew as rows of their own.
    """

    def __init__(self, report: FileReport, text: TextIO) -> None:
        self._report = report
        self._source = text
        self._ahead: deque[tuple[int, str]] = deque()
        self._read = 0
        self._row: list[tuple[int, str]] = []
        self._characters = 0
        self.cut = False
        """The file ended within the row."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._row) >= MAX_LINES or self._characters > MAX_ROW:
            raise _Unfinished
        number, line = self._ahead.popleft() if self._ahead else self._next()
        self._row.append((number, line))
        self._characters += len(line)
        return line

    @property
    def number(self) -> int:
        """The line that the row begins with."""
        return self._row[0][0]

    @property
    def raw(self) -> str:
        """The row as it stands in the file."""
        return "".join(line for _, line in self._row)

    @property
    def several(self) -> bool:
        """The row goes over more than one line."""
        return len(self._row) > 1

    def begin(self) -> None:
        """A new row begins with the next line."""
        self._row.clear()
        self._characters = 0

    def give_back(self) -> None:
        """All lines of the row but its first are to be read anew."""
        self._ahead.extendleft(reversed(self._row[1:]))
        del self._row[1:]

    def _next(self) -> tuple[int, str]:
        while True:
            line = self._source.readline(MAX_ROW + 1)
            self._read += 1
            if not line:
                self.cut = bool(self._row)
                raise StopIteration
            if len(line) <= MAX_ROW:
                return self._read, line
            while line and not line.endswith(("\n", "\r")):
                line = self._source.readline(MAX_ROW)
            self._report.refuse(self._read, MAX_ROW + 1, "row-too-long", f"it is longer than {MAX_ROW} characters")
            if self._row:
                raise _Unfinished


def records(report: FileReport, lines: Lines, delimiter: str) -> Iterator[list[str]]:
    """The rows of a table, as cells; ``lines`` tells where each one stands.

    A row whose quotation mark is never closed is refused, and its other lines are read as rows of their own.
    """
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.begin()
        lines.cut = False
        try:
            cells = next(reader)
        except StopIteration:
            if not lines.cut:
                return
        except (_Unfinished, csv.Error):
            lines.cut = True
        if lines.cut:
            report.refuse(lines.number, 1, "quote-open", "a quotation mark is opened and not closed")
            lines.give_back()
        else:
            yield cells


def _rows(report: FileReport, columns: Sequence[str]) -> Iterator[_Row]:
    with opened(report) as lines:
        header, delimiter = _header(report, lines, columns)

        def place(name: str) -> tuple[int, int]:
            return _place(lines, delimiter, header.index(name))

        for cells in records(report, lines, delimiter):
            if not any(cells):
                continue
            while len(cells) > len(header) and not cells[-1]:
                cells.pop()  # Spreadsheets fill up to their widest row.
            if len(cells) != len(header):
                end = _place(lines, delimiter, min(len(cells), len(header)))
                report.refuse(*end, "cells", f"{len(cells)} cells, and the header has {len(header)}")
                if lines.several:
                    lines.give_back()  # A stray quotation mark swallowed them.
                continue
            yield _Row(report, dict(zip(header, cells, strict=True)), place)


def _header(report: FileReport, lines: Lines, columns: Sequence[str]) -> tuple[list[str], str]:
    """The columns as they stand, "" for one that nobody needs, and the delimiter."""
    lines.begin()
    line = next(lines, "")
    if not line.strip():
        message = f"{report.path}:1:1: the header is missing: the first line names the columns"
        raise UnusableFile(message, code="column-missing", advice=f"Needed are: {', '.join(columns)}.")
    known = {_bare(column): column for column in columns}
    titles, delimiter = max(
        ((next(csv.reader([line], delimiter=mark)), mark) for mark in DELIMITERS),
        key=lambda found: len({_bare(title) for title in found[0]} & known.keys()),
    )
    header = [known.get(_bare(title), "") for title in titles]
    twice = next((title for title in columns if header.count(title) > 1), None)
    if twice is not None:
        message = f"{report.path}:{lines.number}:1: the column {twice} stands twice"
        raise UnusableFile(message, code="column-twice", advice="Rename or remove one of the two.")
    missing = [title for title in columns if title not in header]
    # Without one known title the first line may be a row: of that nothing is told.
    others = [title for title, column in zip(titles, header, strict=True) if title and not column and any(header)]
    hints = [_with_hint(name, others) for name in missing]
    if NEEDED.intersection(missing):
        # Others are counted and not named: the first line of a file without a header is somebody.
        found = ", ".join(filter(None, header)) or "no column that is known"
        more = f", and {len(others)} that are not known" if others else ""
        message = f"missing in the header: {', '.join(hints)}; found: {found}{more}"
        advice = f"Needed are: {', '.join(columns)}."
        raise UnusableFile(f"{report.path}:{lines.number}:1: {message}", code="column-missing", advice=advice)
    if missing:
        words = f"missing in the header, so these count as empty in every row: {', '.join(hints)}"
        report.note(lines.number, 1, "column-missing", words)
    return header, delimiter


def _with_hint(column: str, others: Sequence[str]) -> str:
    """A column that is missing, with the one in the header that may be meant."""
    by_bare = {_bare(title): title for title in others}
    near = difflib.get_close_matches(_bare(column), by_bare, n=1, cutoff=ALIKE)
    return f"{column} (is it {shown(by_bare[near[0]], 40)}?)" if near else column


def _bare(title: str) -> str:
    """A column's title for comparing: ``Owner ID`` and ``ownerid`` are ``owner_id``."""
    return "".join(filter(str.isalnum, title.casefold()))


def _place(lines: Lines, delimiter: str, index: int) -> tuple[int, int]:
    """Line and column where a cell of the row begins that was read last; its end where it has fewer cells."""
    raw = lines.raw.rstrip("\r\n")
    begins, quoted = [0], False
    for at, character in enumerate(raw):
        quoted ^= character == '"'
        if character == delimiter and not quoted:
            begins.append(at + 1)
    at = begins[index] if index < len(begins) else len(raw)
    return lines.number + raw.count("\n", 0, at), at - raw.rfind("\n", 0, at)


@contextmanager
def opened(report: FileReport) -> Iterator[Lines]:
    """The lines of a file, in whatever encoding. Raises ``UnusableFile``."""
    if report.path.exists() and not report.path.is_file():
        raise UnusableFile(f"{report.path} is no file", code="file-unreadable", advice="It is read more than once.")
    try:
        encoding = _encoding(report)
        with report.path.open("rb") as file:
            errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
            yield Lines(report, io.TextIOWrapper(file, encoding=encoding, errors=errors, newline=""))
    except OSError as error:
        message = f"{report.path} cannot be read: {error.strerror or error}"
        raise UnusableFile(message, code="file-unreadable") from None


def _encoding(report: FileReport) -> str:
    """The encoding that a file is in, found by reading it once. What is not UTF-8 is noted."""
    with report.path.open("rb") as file:
        head = file.read(4096)
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        # An ASCII character, such as a file begins with, has a zero as its other byte in UTF-16.
        if len(head) > 1 and (head[0] == 0) != (head[1] == 0):
            report.note(1, 1, "encoding", "this is read as UTF-16, although no byte order mark says so")
            return "utf-16-le" if head[1] == 0 else "utf-16-be"
        beyond = _beyond_ascii(file, head)
    if beyond.bad <= beyond.good:
        return "utf-8"  # A few bad bytes among good ones are named where they stand.
    words = "this is no UTF-8; the file is read as Windows-1252, so check the names that have accents"
    report.note(beyond.line, beyond.column, "encoding", words)
    return "cp1252"


class _BeyondAscii(NamedTuple):
    """How many characters beyond ASCII are well-formed UTF-8, how many bytes are none, and where the first of those
    stands."""

    good: int
    bad: int
    line: int
    column: int


def _beyond_ascii(file: BinaryIO, head: bytes) -> _BeyondAscii:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    good = bad = column = 0
    line = 1
    begun = 0  # Characters of the line that the chunk goes on with.
    chunk = head
    while True:
        text = decoder.decode(chunk, final=not chunk)
        first = None if text.isascii() else _ESCAPED.search(text)
        if not text.isascii():
            escaped = len(_ESCAPED.findall(text))
            good, bad = good + len(_BEYOND_ASCII.findall(text)) - escaped, bad + escaped
        if column == 0:
            end = first.start() if first else len(text)
            last = text.rfind("\n", 0, end)
            begun = end - last - 1 if last >= 0 else begun + end
            line += text.count("\n", 0, end)
            column = begun + 1 if first else 0
        if not chunk:
            return _BeyondAscii(good, bad, line, column)
        chunk = file.read(_CHUNK)
