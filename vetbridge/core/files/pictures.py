"""Pictures: whole, of a size that can be shown, and nothing else behind them."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import Literal

from vetbridge.core.files.known import bomb, broken, refuse_active_inside, refuse_trailer
from vetbridge.core.files.reading import FIRST, PIECE, Source
from vetbridge.core.files.rules import MEGABYTE, Limits

_MOST_BEHIND = 64
"""Bytes of rubbish behind the end of a picture. Only phones write more, and only behind a JPEG."""
_LARGEST_TEXT = 8 * MEGABYTE
"""Bytes that a text or a colour profile inside a PNG may grow to."""
_MOST_BLOCKS = 200_000
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of a JPEG behind which its size stands."""


def refuse_jpeg(source: Source, limits: Limits) -> None:
    """Raises ``FileRefused`` for a JPEG that is cut off, too large, or has another file behind it.

    What phones write behind a picture passes: a second one, a film, their own notes.
    """
    at, sized = 2, False
    for _ in range(_MOST_BLOCKS):
        marker = source.at(at, 4)
        if len(marker) < 2 or marker[0] != 0xFF:
            raise broken("is cut off: its end is missing")
        code = marker[1]
        if code == 0xFF:
            at += 1
        elif code == 0xD9:
            if not sized:
                raise broken("holds no picture")
            refuse_active_inside(source)
            refuse_trailer(source, at + 2, most=None)
            return
        elif 0xD0 <= code <= 0xD8 or code == 0x01:
            at += 2
        else:
            length = int.from_bytes(marker[2:4], "big")
            if length < 2 or len(marker) < 4:
                raise broken("is cut off: its end is missing")
            if code in _SIZES:
                height, width = struct.unpack(">HH", source.at(at + 5, 4).ljust(4, b"\0"))
                _refuse_size(width, height, limits, unknown_height=True)
                sized = True
            at += 2 + length
            if code == 0xDA:
                at = _behind_scan(source, at)
    raise bomb("has more parts than a picture has")


def _behind_scan(source: Source, at: int) -> int:
    """Where the next marker stands behind the points of a picture."""
    for place, match in source.matches(_MARKER, 2, at):
        return place + match.start()
    raise broken("is cut off: its end is missing")


def refuse_png(source: Source, limits: Limits) -> None:
    """Raises ``FileRefused`` for a PNG that is damaged, too large, or has something behind it."""
    at = 8
    for number in range(_MOST_BLOCKS):
        head = source.at(at, 8)
        if len(head) < 8:
            raise broken("is cut off: its end is missing")
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        end = at + 12 + length
        if end > source.size or not kind.isalpha():
            raise broken("is cut off: its end is missing")
        if (number == 0) != (kind == b"IHDR"):
            raise broken("does not begin as a picture does")
        if number == 0:
            width, height = struct.unpack(">II", source.at(at + 8, 8))
            _refuse_size(width, height, limits)
        if kind[:1].isupper():
            _compare(source, at + 4, end - 4)
        elif kind in (b"iCCP", b"zTXt", b"iTXt"):
            _refuse_text(source, at + 8, end - 4)
        if kind == b"IEND":
            refuse_active_inside(source)
            refuse_trailer(source, end, most=_MOST_BEHIND)
            return
        at = end
    raise bomb("has more parts than a picture has")


def _compare(source: Source, start: int, end: int) -> None:
    checksum = 0
    for piece in source.pieces(start, end):
        checksum = zlib.crc32(piece, checksum)
    if checksum != int.from_bytes(source.at(end, 4), "big"):
        raise broken("is damaged")


def _refuse_text(source: Source, start: int, end: int) -> None:
    """A text inside a picture that is packed: its words stand behind two or more zero bytes."""
    begins = source.at(start, min(512, end - start))
    packed = re.search(rb"\0[\x78\x58\x48\x68\x38\x28\x18\x08][\x00-\xff]", begins, re.DOTALL)
    if packed is None:
        return
    unpacker, size = zlib.decompressobj(), 0
    try:
        for piece in source.pieces(start + packed.start() + 1, end):
            rest = piece
            while rest:
                size += len(unpacker.decompress(rest, 65_536))
                rest = unpacker.unconsumed_tail
                if size > _LARGEST_TEXT:
                    raise bomb(f"holds a text that grows beyond {_LARGEST_TEXT // MEGABYTE} MB")
    except zlib.error:
        return


def refuse_gif(source: Source, limits: Limits) -> None:
    """Raises ``FileRefused`` for a GIF that is cut off, too large, or has something behind it."""
    screen = source.at(6, 7).ljust(7, b"\0")
    width, height = struct.unpack_from("<HH", screen)
    _refuse_size(width, height, limits)
    at, painted = 13 + _table(screen[4]), False
    for _ in range(_MOST_BLOCKS):
        block = source.at(at, 10)
        if block.startswith(b"\x3b") and painted:
            refuse_active_inside(source)
            refuse_trailer(source, at + 1, most=_MOST_BEHIND)
            return
        if block.startswith(b"\x21") and len(block) > 2:
            at = _behind_blocks(source, at + 2)
        elif block.startswith(b"\x2c") and len(block) == 10:
            painted = True
            width, height = struct.unpack_from("<HH", block, 5)
            _refuse_size(width, height, limits)
            at = _behind_blocks(source, at + 11 + _table(block[9]))
        else:
            raise broken("is cut off: its end is missing")
    raise bomb("has more parts than a picture has")


def _table(packed: int) -> int:
    """Bytes of the list of colours that a packed byte tells of."""
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def _behind_blocks(source: Source, start: int) -> int:
    window, begins, at = b"", start, start
    while True:
        if not begins <= at < begins + len(window):
            window, begins = source.at(at, FIRST if at == start else PIECE), at
            if not window:
                raise broken("is cut off: its end is missing")
        length = window[at - begins]
        at += 1 + length
        if length == 0:
            return at


def refuse_tiff(source: Source, limits: Limits) -> None:
    """Raises ``FileRefused`` for a TIFF that is cut off, too large, or leads in a circle."""
    order: Literal["<", ">"] = "<" if source.at(0, 2) == b"II" else ">"
    met: set[int] = set()
    parts = 0
    at = _number(source, 4, order)
    while at:
        page = _tiff_page(source, at, order, limits)
        parts += page.parts
        if at in met or parts > _MOST_BLOCKS:
            raise bomb("leads from picture to picture without end")
        met.add(at)
        at = page.next
    if not met:
        raise broken("holds no picture")
    refuse_active_inside(source)


@dataclass(frozen=True, slots=True)
class _Page:
    parts: int
    next: int
    """Where the next one is described, 0 for none."""


_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TIFF_DATA = {273: 279, 324: 325}
"""Tags that tell where the points stand, and those that tell how many bytes they have."""
_TIFF_TOLD = frozenset({256, 257, *_TIFF_DATA, *_TIFF_DATA.values()})
"""Width, height, and these."""


def _tiff_page(source: Source, at: int, order: Literal["<", ">"], limits: Limits) -> _Page:
    """Looks at one picture."""
    count = struct.unpack(f"{order}H", source.at(at, 2).ljust(2, b"\0"))[0]
    listing = source.at(at + 2, count * 12 + 4)
    if count == 0 or len(listing) < count * 12 + 4:
        raise broken("is cut off: what describes it is missing")
    values: dict[int, tuple[int, ...]] = {}
    for entry in range(count):
        tag, kind, length = struct.unpack_from(f"{order}HHI", listing, entry * 12)
        size = _TIFF_SIZES.get(kind, 1) * length
        place = at + 2 + entry * 12 + 8 if size <= 4 else _unpacked_number(listing, entry * 12 + 8, order)
        if place + size > source.size:
            raise broken("is cut off: a part of it is missing")
        if tag in _TIFF_TOLD and kind in (3, 4) and tag not in values:
            if length > _MOST_BLOCKS:
                raise bomb("has more parts than a picture has")
            sign = "H" if kind == 3 else "I"
            values[tag] = struct.unpack(f"{order}{length}{sign}", source.at(place, size))
    width, height = values.get(256, ()), values.get(257, ())
    if width and height:
        _refuse_size(width[0], height[0], limits)
    for places, lengths in _TIFF_DATA.items():
        for place, size in zip(values.get(places, ()), values.get(lengths, ()), strict=False):
            if place + size > source.size:
                raise broken("is cut off: a part of it is missing")
    parts = count + sum(map(len, values.values()))
    return _Page(parts, _unpacked_number(listing, count * 12, order))


def _number(source: Source, at: int, order: str) -> int:
    return _unpacked_number(source.at(at, 4).ljust(4, b"\0"), 0, order)


def _unpacked_number(packed: bytes, at: int, order: str) -> int:
    found: int = struct.unpack_from(f"{order}I", packed, at)[0]
    return found


def refuse_heic(source: Source) -> None:
    """Raises ``FileRefused`` for a HEIC photo that is cut off. What its points grow to is not looked at."""
    at, boxes = 0, set()
    for _ in range(1_000):
        if at >= source.size:
            break
        head = source.at(at, 16)
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:], "big")
        elif length == 0:
            length = source.size - at
        if length < 8 or at + length > source.size:
            raise broken("is cut off: a part of it is missing")
        boxes.add(head[4:8])
        at += length
    if b"meta" not in boxes or at < source.size:
        raise broken("holds no picture")
    refuse_active_inside(source)


def _refuse_size(width: int, height: int, limits: Limits, *, unknown_height: bool = False) -> None:
    if not width or not (height or unknown_height):
        raise broken("holds a picture without any points")
    if width * height > limits.pixels:
        raise bomb(f"is a picture of more than {limits.pixels // 1_000_000} million points")
