"""A stream of a compound file: the form of Excel's files of 1997 to 2003, as published in [MS-CFB].

Such a file is a small file system whose sectors follow each other in chains. Every chain is followed once, a sector
at a time, and what is larger than the file itself is not believed. Who hands a file on to a program that is less
careful looks at it by this first.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

MOST_SMALL = 512
"""Sectors of the table for small streams; calamine sets aside 256 KB of memory for each of them."""

_HEADER = 512
_SIZES = {9: 512, 12: 4096}
_SMALL_SECTOR = 64
_SMALL_STREAM = 4096
"""Bytes: a shorter stream stands in small sectors."""
_END = 0xFFFFFFFE
_NO_SECTOR = 0xFFFFFFFA
"""This and what is above it are signs and no sectors."""
_ENTRY = 128


class Unsound(Exception):
    """A compound file that is damaged, or made to harm; says what is wrong with it."""


def stream(content: bytes, names: Sequence[str]) -> bytes:
    """The content of the first of the streams that there is. Raises ``Unsound``, also where there is none of them."""
    try:
        return _File(content).stream(names)
    except (struct.error, IndexError):
        raise Unsound("it ends before its end") from None


class _File:
    def __init__(self, content: bytes) -> None:
        if len(content) < _HEADER or not content.startswith(MAGIC):
            raise Unsound("it is no compound file")
        size = _SIZES.get(*struct.unpack_from("<H", content, 30))
        if size is None:
            raise Unsound("its sectors have a size that none has")
        self._content = content
        self._size: int = size
        self._large = size == 4096
        self._table = self._read_table()
        directory = self._chained(struct.unpack_from("<I", content, 48)[0])
        self._entries = [directory[at : at + _ENTRY] for at in range(0, len(directory), _ENTRY)]
        small_start, small_count = struct.unpack_from("<II", content, 60)
        if small_count > MOST_SMALL:
            raise Unsound("it has more small streams than a list needs")
        self._small_table: Sequence[int] = ()
        self._small = b""
        if small_count:
            self._small_table = _numbers(self._chained(small_start, small_count * size))
            self._small = self._chained(*self._place(self._entries[0]))

    def stream(self, names: Sequence[str]) -> bytes:
        """See ``stream``."""
        by_name = {_name(entry): entry for entry in reversed(self._entries)}
        entry = next((by_name[name] for name in names if name in by_name), None)
        if entry is None:
            raise Unsound("it holds no such stream")
        start, length = self._place(entry)
        if length >= _SMALL_STREAM:
            return self._chained(start, length)
        sectors = _chain(start, self._small_table, -(-length // _SMALL_SECTOR))
        return b"".join(self._small[at * _SMALL_SECTOR : (at + 1) * _SMALL_SECTOR] for at in sectors)[:length]

    def _read_table(self) -> Sequence[int]:
        """Which sector follows on which. Its own sectors are named by the header, and by a chain of their own."""
        count, at = struct.unpack_from("<I", self._content, 44)[0], struct.unpack_from("<I", self._content, 68)[0]
        if count > len(self._content) // self._size:
            raise Unsound("its table is larger than it is itself")
        named = list(struct.unpack_from("<109I", self._content, 76))
        met: set[int] = set()
        while at < _NO_SECTOR:
            if at in met:
                raise Unsound("a chain of its sectors is a circle")
            met.add(at)
            *more, at = _numbers(self._sector(at))
            named += more
        sectors = [each for each in named if each < _NO_SECTOR]
        if len(set(sectors)) < len(sectors):
            raise Unsound("its table names a sector twice")
        return _numbers(b"".join(map(self._sector, sectors)))

    def _place(self, entry: bytes) -> tuple[int, int]:
        """Where a stream begins, and how many bytes it has."""
        start, length = struct.unpack_from("<IQ" if self._large else "<II", entry, 116)
        if length > len(self._content):
            raise Unsound("a stream in it is longer than the file")
        return start, length

    def _chained(self, start: int, length: int | None = None) -> bytes:
        most = None if length is None else -(-length // self._size)
        return b"".join(map(self._sector, _chain(start, self._table, most)))[:length]

    def _sector(self, number: int) -> bytes:
        # The header takes one sector's place; the last sector may be cut.
        found = self._content[(number + 1) * self._size : (number + 2) * self._size]
        if not found:
            raise Unsound("a sector lies beyond its end")
        return found


def _chain(at: int, table: Sequence[int], most: int | None) -> list[int]:
    """The sectors of a chain, ``most`` of them where that is known."""
    found: list[int] = []
    met: set[int] = set()
    while at != _END and (most is None or len(found) < most):
        if at in met:
            raise Unsound("a chain of its sectors is a circle")
        met.add(at)
        found.append(at)
        at = table[at]
    return found


def _numbers(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 4}I", packed[: len(packed) // 4 * 4])


def _name(entry: bytes) -> str:
    return entry[:64].decode("utf-16-le", errors="replace").partition("\0")[0]
