"""Writes tables in files that stay below a size or a number of rows, each cell as text that nothing carries out.

A cell that begins with = + - @, a tab or a line end may be taken for a formula by a spreadsheet program. In a
workbook every cell is stored as text. In a text file such a cell gets a leading apostrophe, but for a phone in
international format: + and digits carry out nothing, and whoever reads the file for its phones would keep the
apostrophe.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from vetbridge.core import normalise
from vetbridge.desk.clinic_files import UnusableFile

LARGEST_PART = 11_500_000
"""Bytes: below 12 MB however they are counted."""
LONGEST_CELL = 32_000
"""Characters of a cell; a workbook takes few more."""
MOST_ROWS = 1_000_000
"""Rows of a file; a sheet of a workbook takes few more."""

_CELL_OVERHEAD = 10
"""Bytes that a cell of a workbook takes beside its text, packed, at the most."""
_WORKBOOK_OVERHEAD = 20_000
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")
_PHONE = re.compile(r"\+\d{6,15}")
_BEYOND_XML = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Part:
    """One file that was written."""

    name: str
    rows: int
    """Without the header."""
    bytes: int


def harmless(text: str) -> str:
    """Text for a cell of a text file: what a spreadsheet might take for a formula begins with an apostrophe."""
    return f"'{text}" if text.startswith(_RISKY) and _PHONE.fullmatch(text) is None else text


def cell(text: str) -> str:
    """Text for any cell: on one line, without control characters, cut to ``LONGEST_CELL``."""
    return _BEYOND_XML.sub("", normalise.shown(text, LONGEST_CELL))


def write_workbook(path: Path, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """One workbook with all rows, also where there are none. Raises ``OSError``, and ``UnusableFile`` where there are
    more rows than a workbook takes."""
    book = _Workbook(path, titles)
    try:
        for row in rows:
            if book.rows >= MOST_ROWS:
                raise UnusableFile(f"a workbook takes {MOST_ROWS} rows, and there are more", code="part-too-large")
            book.add([cell(text) for text in row])
        book.close()
    finally:
        book.abandon()


@dataclass
class Parts:
    """Files ``STEM-1.EXT``, ``STEM-2.EXT`` ... of one table, begun with their first row.

    ``format``: ``xlsx``, or ``csv`` (UTF-8 with a mark, comma), or ``tsv`` (UTF-8, no header, for copying: nothing
    stands in quotes). A file ends before it has ``most_rows`` rows or might grow over ``largest`` bytes.
    """

    folder: Path
    stem: str
    titles: Sequence[str]
    format: str
    most_rows: int = MOST_ROWS
    largest: int = LARGEST_PART
    written: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._open: _Workbook | _Text | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if type_ is None:
                self.close()
        finally:
            if self._open is not None:
                self._open.abandon()

    def add(self, texts: Sequence[str]) -> None:
        """One more row. Raises ``OSError``."""
        cells = [cell(text) for text in texts]
        if self._open is not None and (
            self._open.rows >= self.most_rows or self._open.bytes + self._open.takes(cells) > self.largest
        ):
            self.close()
        if self._open is None:
            self._open = self._begun()
        self._open.add(cells)

    def close(self) -> None:
        """Ends the last file. Raises ``OSError``."""
        if self._open is None:
            return
        name, rows = self._open.path.name, self._open.rows
        self._open.close()
        size = self._open.path.stat().st_size
        self._open = None
        if size > self.largest:
            raise UnusableFile(f"{name} became larger than was reckoned", code="part-too-large")
        self.written.append(Part(name, rows, size))

    def _begun(self) -> _Workbook | _Text:
        number = len(self.written) + 1
        if self.format == "xlsx":
            return _Workbook(self.folder / f"{self.stem}-{number}.xlsx", self.titles)
        if self.format == "csv":
            return _Text(self.folder / f"{self.stem}-{number}.csv", self.titles, ",", "utf-8-sig")
        return _Text(self.folder / f"{self.stem}-{number:03}.tsv", (), "\t", "utf-8")


class _Workbook:
    """One workbook, written row by row."""

    def __init__(self, path: Path, titles: Sequence[str]) -> None:
        from openpyxl import Workbook  # noqa: PLC0415 - slow to import, and only needed here

        self.path = path
        self.rows = 0
        self.bytes = _WORKBOOK_OVERHEAD
        self._book: Any = Workbook(write_only=True)
        self._sheet: Any = self._book.create_sheet("Sheet1")
        self._append(titles)

    def takes(self, cells: Sequence[str]) -> int:
        """Bytes that a row adds, at the most."""
        return sum(len(text.encode("utf-8", "replace")) + _CELL_OVERHEAD for text in cells)

    def add(self, cells: Sequence[str]) -> None:
        """One more row."""
        self._append(cells)
        self.rows += 1
        self.bytes += self.takes(cells)

    def close(self) -> None:
        """Packs it and puts it on the disk."""
        self._book.save(self.path)

    def abandon(self) -> None:
        """Gives up the file that the library keeps the rows in meanwhile."""
        with suppress(Exception):  # of a library that is stopped half-way
            self._sheet.close()
        with suppress(Exception):
            self._sheet._writer.cleanup()

    def _append(self, cells: Sequence[str]) -> None:
        self._sheet.append([self._cell(text) for text in cells])

    def _cell(self, text: str) -> Any:
        # The library takes the first of these for a formula and the second for an error, unless it is told.
        if not text.startswith(("=", "#")):
            return text or None
        from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415 - as above

        made = WriteOnlyCell(self._sheet, text)
        made.data_type = "s"
        return made


class _Text:
    """One text file, written row by row."""

    def __init__(self, path: Path, titles: Sequence[str], delimiter: str, encoding: str) -> None:
        self.path = path
        self.rows = 0
        self.bytes = 3
        self._delimiter = delimiter
        self._file: IO[str] = path.open("w", encoding=encoding, errors="replace", newline="")
        if titles:
            self._write(self._line(titles))

    def takes(self, cells: Sequence[str]) -> int:
        """Bytes that a row adds."""
        return len(self._line(cells).encode("utf-8", "replace"))

    def add(self, cells: Sequence[str]) -> None:
        """One more row."""
        self._write(self._line(cells))
        self.rows += 1

    def close(self) -> None:
        """Puts it on the disk."""
        self._file.close()

    def abandon(self) -> None:
        """Gives it up."""
        with suppress(OSError):
            self._file.close()

    def _line(self, cells: Sequence[str]) -> str:
        texts = [harmless(text) for text in cells]
        if self._delimiter == "\t":
            return "\t".join(texts) + "\r\n"
        line = io.StringIO()
        csv.writer(line).writerow(texts)
        return line.getvalue()

    def _write(self, line: str) -> None:
        self._file.write(line)
        self.bytes += len(line.encode("utf-8", "replace"))


@contextmanager
def whole_folder(out: Path, *, ours: Callable[[str], bool], replace: bool, keep: bool = True) -> Iterator[Path]:
    """A folder that takes the place of ``out`` when all went well, and is nowhere else; not ``keep``: it never does.

    ``ours`` tells the names of files that an earlier run has made: with ``replace`` a folder of those alone is
    replaced. Raises ``UnusableFile``.
    """
    target = out.resolve()
    _require_free(out, target, ours, replace=replace)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", suffix=".part", dir=target.parent))
    except OSError as error:
        raise _unwritable(out, error) from None
    try:
        yield beside
        if keep:
            _take_place(beside, target)
    except OSError as error:
        raise _unwritable(out, error) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _take_place(beside: Path, target: Path) -> None:
    if not target.exists():
        beside.rename(target)
        return
    old = target.with_name(f".{target.name[:40]}.{os.getpid()}.old")
    target.rename(old)
    try:
        beside.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _require_free(out: Path, target: Path, ours: Callable[[str], bool], *, replace: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise UnusableFile(f"{out} is there already, and is no folder", code="folder-not-writable")
    try:
        names = sorted(each.name for each in target.iterdir())
    except OSError as error:
        raise _unwritable(out, error) from None
    if names and not replace:
        advice = "Name another folder, or replace what is there with --replace."
        raise UnusableFile(f"{out} has files already", code="folder-not-empty", advice=advice)
    foreign = next((name for name in names if not ours(name)), None)
    if foreign is not None:
        message = f"{out} holds {normalise.shown(foreign)}, which this command has not made; nothing is replaced"
        raise UnusableFile(message, code="folder-not-ours", advice="Name a folder of its own.")


def _unwritable(out: Path, error: OSError) -> UnusableFile:
    message = f"{out} cannot be written: {error.strerror or error}"
    return UnusableFile(
        message, code="folder-not-writable", advice="Look at its rights, and at the room on the disk."
    )
