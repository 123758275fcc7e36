"""PDFs: whole, not encrypted, and nothing in them that grows without end."""

from __future__ import annotations

import itertools
import re
import struct
import zlib
from collections.abc import Iterator

from vetbridge.core.files.known import bomb, broken, encrypted, polyglot
from vetbridge.core.files.reading import Source
from vetbridge.core.files.rules import MEGABYTE, Limits

_CHUNK = 64 * 1024
_FIRST = 4 * 1024
"""Bytes that are read of a stream at first: most are short."""
_BEFORE = 1024
"""Bytes before a stream in which its description is looked for."""
_END = re.compile(rb"%%EOF")
_LAST = 1024
_ESCAPED = {letter: rb"(?:%c|#%02x|#%02X)" % (letter, letter, letter) for letter in range(0x41, 0x7B)}
"""A letter of a name, as it is or escaped."""


def _word(word: bytes) -> bytes:
    return b"/" + b"".join(_ESCAPED[letter] for letter in word)


_STREAM = re.compile(rb"stream[ \t]{0,4}(?:\r\n|\n|\r)")
_ENCRYPT = re.compile(_word(b"Encrypt") + rb"[\s\x00]{0,30}(?:\d|<<)")
"""Two patterns, as each begins with one letter by which it is looked for twenty times as fast as both together."""
_LONGEST_TOKEN = 64
_BEFORE_STREAM = frozenset(b"> \t\r\n\f\0")
_FILTERS = re.compile(
    rb"/(ASCII85Decode|A85|ASCIIHexDecode|AHx|LZWDecode|LZW|RunLengthDecode|RL|FlateDecode|Fl)(?![A-Za-z0-9])"
)
_HEX = frozenset({b"ASCIIHexDecode", b"AHx"})
_LETTERS = _HEX | {b"ASCII85Decode", b"A85"}
_LZW = frozenset({b"LZWDecode", b"LZW"})
_RARE = _LZW | {b"RunLengthDecode", b"RL"}
_SHOWS = 64
"""Bytes of a stream by which one is told that is not described."""
_WIDTH = re.compile(rb"/Width\s{1,9}(\d{1,10})")
_HEIGHT = re.compile(rb"/Height\s{1,9}(\d{1,10})")
_ESCAPE = re.compile(rb"#([0-9a-fA-F]{2})")
_OBJECT = re.compile(rb"(\d{1,10})\s{1,9}\d{1,5}\s{1,9}obj\b")
_EXTENDS = re.compile(rb"/Extends\s{1,9}(\d{1,10})\s")
_NOT_85 = re.compile(rb"[^!-u]")
_DIGITS = bytes(max(byte - 33, 0) for byte in range(256))
_SPACE = re.compile(rb"[\s\0]+")


def refuse_pdf(source: Source, limits: Limits) -> None:
    """Raises ``FileRefused`` for a PDF that is cut off, encrypted, or grows beyond the limits."""
    tail = source.tail(_LAST)
    ends = [match.end() for match in _END.finditer(tail)]
    if not ends or b"startxref" not in source.tail(2 * _LAST):
        raise broken("is cut off: its end is missing")
    _refuse_behind(tail[ends[-1] :])
    _Streams(source, limits).follow()


def _refuse_behind(rest: bytes) -> None:
    """What stands behind the end is rubbish, and no file of another kind."""
    rest = rest.strip(b"\0\r\n\t \x1a").lower()
    if rest.startswith((b"<", b"pk", b"mz", b"#!", b"\x7felf", b"rar!")) or b"<script" in rest or b"<?php" in rest:
        raise polyglot("what stands behind its end")
    if b" obj" in rest:
        raise broken("is cut off: it was added to, and the end of that is missing")


class _Streams:
    """Each stream is unpacked from where it begins until it ends by itself, whatever is told of its length."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._count = 0
        self._out = 0
        self._fed = 0
        self._rare = 0
        self._most_fed = 2 * source.size + MEGABYTE
        self._extends: dict[int, int] = {}

    def follow(self) -> None:
        for _ in self._source.matches(_ENCRYPT, _LONGEST_TOKEN):
            raise encrypted("a PDF")
        for place, match in self._source.matches(_STREAM, _LONGEST_TOKEN):
            if match.string[match.start() - 1] not in _BEFORE_STREAM:
                # The end of another stream, or a word.
                continue
            self._count += 1
            if self._count > self._limits.streams:
                raise bomb("has more streams than a document needs")
            self._look(place + match.end())
        self._refuse_circles()

    def spend(self, size: int) -> None:
        """So many bytes came out of the streams."""
        self._out += size
        if self._out > self._limits.in_all:
            raise bomb(f"grows beyond {self._limits.in_all // MEGABYTE} MB when it is unpacked")

    def _look(self, place: int) -> None:
        before = self._described(place)
        names = _FILTERS.findall(before)
        letters = list(itertools.takewhile(_is_letters, names))
        packings = names[len(letters) :]
        rare = [name for name in packings if name in _RARE]
        if len(letters) > 2 or any(map(_is_letters, packings)) or (rare and len(packings) > 1):
            raise bomb("has a stream that is packed several times over")
        begins = self._source.at(place, _SHOWS)
        pieces = self._fed_from(place)
        if _is_flate(begins):
            self._unpack(pieces)
            return
        if not names and _is_hidden(before):
            letters = _letters_of(begins)
        for name in letters:
            pieces = _from_hex(pieces) if name in _HEX else _from_ascii85(pieces)
        if rare:
            self._measure(lzw_sizes(pieces) if rare[0] in _LZW else run_sizes(pieces))
        elif letters:
            self._unpack(pieces)

    def _described(self, place: int) -> bytes:
        """What is told of a stream, with the letters of names that were escaped; numbers in it are judged here."""
        before = self._source.at(max(place - _BEFORE, 0), min(_BEFORE, place))
        began = list(_OBJECT.finditer(before))
        before = before[began[-1].start() if began else 0 :]
        if b"#" in before:
            before = _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), before)
        width, height = _WIDTH.search(before), _HEIGHT.search(before)
        if width and height and int(width[1]) * int(height[1]) > self._limits.pixels:
            raise bomb("holds a picture of more points than pictures have")
        extends = _EXTENDS.search(before)
        if extends and began:
            self._extends[int(began[-1][1])] = int(extends[1])
        return before

    def _fed_from(self, place: int) -> Iterator[bytes]:
        for piece in self._source.pieces(place, first=_FIRST):
            for at in range(0, len(piece), _CHUNK):
                yield piece[at : at + _CHUNK]

    def _unpack(self, pieces: Iterator[bytes]) -> None:
        flate = _Flate(self, self._limits, 1)
        for number, piece in enumerate(pieces):
            goes_on = flate.feed(piece)
            # A first piece that is no stream is short, and most of it was never looked at.
            if goes_on or flate.ended or number:
                self._fed += len(piece) - flate.left_over
            if self._fed > self._most_fed:
                raise bomb("has streams that lie over each other")
            if not goes_on:
                return

    def _measure(self, sizes: Iterator[tuple[int, int]]) -> None:
        """Counts what a stream grows to that is packed in one of the rare ways."""
        size = 0
        for fed, more in sizes:
            self._rare += fed
            size += more
            if self._rare > self._limits.rare:
                raise bomb("has more data packed in an old way than documents have now")
            self.refuse_size(size)
            self.spend(more)

    def refuse_size(self, size: int) -> None:
        """Refuses a stream that grows to so many bytes."""
        if size > self._limits.unpacked:
            raise bomb(f"has a stream that grows beyond {self._limits.unpacked // MEGABYTE} MB")

    def _refuse_circles(self) -> None:
        """Lists of objects go on in others, and never in themselves."""
        for start in self._extends:
            met = set()
            at: int | None = start
            while at is not None and at not in met:
                met.add(at)
                at = self._extends.get(at)
            if at is not None:
                raise bomb("has lists of objects that go on in themselves")


class _Flate:
    """One stream: what comes out of it is counted and thrown away, and followed where it is packed again."""

    def __init__(self, streams: _Streams, limits: Limits, depth: int) -> None:
        if depth > limits.depth:
            raise bomb("has a stream that is packed many times over")
        self._streams = streams
        self._limits = limits
        self._depth = depth
        self._unpacker = zlib.decompressobj()
        self._size = 0
        self._begins = b""
        self._inner: _Flate | None = None
        self.left_over = 0
        """Bytes of the last piece that were no part of the stream."""
        self.ended = False

    def feed(self, piece: bytes) -> bool:
        """Takes a piece; False where the stream is at its end, or none."""
        try:
            while True:
                out = self._unpacker.decompress(piece, _CHUNK)
                piece = self._unpacker.unconsumed_tail
                self._take(out)
                if self._unpacker.eof:
                    self.ended = True
                    self.left_over = len(self._unpacker.unused_data)
                    return False
                if not piece and len(out) < _CHUNK:
                    return True
        except zlib.error:
            return False

    def _take(self, out: bytes) -> None:
        if not out:
            return
        self._size += len(out)
        self._streams.refuse_size(self._size)
        self._streams.spend(len(out))
        if len(self._begins) < 2:
            self._begins += out[:2]
            if len(self._begins) >= 2 and _is_flate(self._begins):
                self._inner = _Flate(self._streams, self._limits, self._depth + 1)
        if self._inner is not None and not self._inner.feed(out):
            self._inner = None


def _is_flate(begins: bytes) -> bool:
    """Whether these bytes may begin a stream of zlib's."""
    return (
        len(begins) >= 2
        and begins[0] & 0x8F == 0x08
        and int.from_bytes(begins[:2], "big") % 31 == 0
        and not begins[1] & 0x20
    )


def _is_letters(name: bytes) -> bool:
    return name in _LETTERS


def _is_hidden(before: bytes) -> bool:
    """Whether a stream is packed in a way that is told elsewhere."""
    return re.search(rb"/Filter\s{1,9}\d", before) is not None


def _letters_of(begins: bytes) -> list[bytes]:
    """How a stream may be written in letters that begins so."""
    if re.fullmatch(rb"[0-9A-Fa-f\s]{2,}", begins):
        return [b"AHx"]
    return [b"A85"] if re.fullmatch(rb"[!-uz\s]{2,}", begins) else []


def _from_ascii85(pieces: Iterator[bytes]) -> Iterator[bytes]:
    kept = b""
    for piece in pieces:
        text, end, _ = piece.partition(b"~")
        kept += _SPACE.sub(b"", text).replace(b"z", b"!!!!!")
        missing = -len(kept) % 5 if end else 0
        whole = (len(kept) + missing) // 5 * 5
        packed = _packed85((kept + b"u" * missing)[:whole])
        if packed is None:
            return
        yield packed[: len(packed) - missing]
        kept = kept[whole:]
        if end:
            return


def _packed85(text: bytes) -> bytes | None:
    """What groups of five letters stand for; None where one of them is none. The standard library takes five times
    as long."""
    if _NOT_85.search(text):
        return None
    digits = text.translate(_DIGITS)
    groups = zip(*(digits[at::5] for at in range(5)), strict=True)
    numbers = [(((a * 85 + b) * 85 + c) * 85 + d) * 85 + e for a, b, c, d, e in groups]
    try:
        return struct.pack(f">{len(numbers)}I", *numbers)
    except struct.error:
        return None


def _from_hex(pieces: Iterator[bytes]) -> Iterator[bytes]:
    kept = b""
    for piece in pieces:
        text, end, _ = piece.partition(b">")
        kept += _SPACE.sub(b"", text)
        whole = len(kept) // 2 * 2
        try:
            yield bytes.fromhex(kept[:whole].decode("ascii"))
        except ValueError:
            return
        kept = kept[whole:]
        if end:
            return


def lzw_sizes(pieces: Iterator[bytes]) -> Iterator[tuple[int, int]]:
    """For each piece of a stream that is packed by LZW its bytes, and those that it grows to."""
    lengths = [1] * 258
    bits = held = previous = 0
    width = 9
    for piece in pieces:
        size = 0
        for number, byte in enumerate(piece, 1):
            held = (held << 8) | byte
            bits += 8
            if bits < width:
                continue
            bits -= width
            code = held >> bits
            held &= (1 << bits) - 1
            if code == 256:
                del lengths[258:]
                width, previous = 9, 0
                continue
            if code == 257 or code > len(lengths) or (code == len(lengths) and not previous):
                yield number, size
                return
            length = lengths[code] if code < len(lengths) else previous + 1
            size += length
            if previous and len(lengths) < 4096:
                lengths.append(previous + 1)
                width = min(max((len(lengths) + 1).bit_length(), 9), 12)
            previous = length
        yield len(piece), size


def run_sizes(pieces: Iterator[bytes]) -> Iterator[tuple[int, int]]:
    """For each piece of a stream that is packed as runs its bytes, and those that it grows to."""
    skip = 0
    for piece in pieces:
        size, at = 0, skip
        while at < len(piece):
            length = piece[at]
            if length == 128:
                yield at + 1, size
                return
            size += length + 1 if length < 128 else 257 - length
            at += length + 2 if length < 128 else 2
        skip = at - len(piece)
        yield len(piece), size
