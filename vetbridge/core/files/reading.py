"""A file that is read by place and in pieces, never whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

PIECE = 256 * 1024
FIRST = 4 * 1024
"""Bytes that are read at first where what is looked for is mostly near."""


class Source:
    """A file of a known size."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size

    def at(self, place: int, length: int) -> bytes:
        """So many bytes from a place, fewer at the end of the file."""
        if place < 0 or place >= self.size:
            return b""
        self._file.seek(place)
        return self._file.read(min(length, self.size - place))

    def tail(self, length: int) -> bytes:
        """The last bytes."""
        return self.at(max(self.size - length, 0), length)

    def pieces(self, start: int = 0, end: int | None = None, *, first: int = PIECE) -> Iterator[bytes]:
        """What stands between two places; the first piece has at most ``first`` bytes."""
        end = self.size if end is None else min(end, self.size)
        length = first
        while start < end:
            piece = self.at(start, min(length, end - start))
            if not piece:
                return
            yield piece
            start += len(piece)
            length = PIECE

    def matches(
        self, pattern: re.Pattern[bytes], longest: int, start: int = 0
    ) -> Iterator[tuple[int, re.Match[bytes]]]:
        """Where a pattern is met, with the place of its piece. No match may be longer than ``longest``."""
        kept, place = b"", start
        reached = start
        for piece in self.pieces(start, first=FIRST if start else PIECE):
            window = kept + piece
            last = place + len(window) >= self.size
            for match in pattern.finditer(window):
                # What reaches into the last bytes may go on: it is met again with the next piece.
                if place + match.start() < reached or (not last and match.end() > len(window) - 1):
                    continue
                reached = place + match.end()
                yield place, match
            kept = window[-longest - 1 :]
            place += len(window) - len(kept)
