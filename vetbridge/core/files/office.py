"""Word documents and Excel workbooks since 2007: zip archives with parts of XML."""

from __future__ import annotations

import codecs
import io
import re
import struct
import zlib
from dataclasses import dataclass

from vetbridge.core.errors import FileRefused
from vetbridge.core.files.known import bomb, broken, encrypted, polyglot
from vetbridge.core.files.reading import Source
from vetbridge.core.files.rules import Limits

_END = 22
_ENTRY = 46
_LOCAL = 30
_LARGEST_DIRECTORY = 2 * 1024 * 1024
_MOST_BETWEEN = 1024
"""Bytes that may stand between two parts: a writer tells a part's size there, or leaves room."""
_ZIP64 = 0xFFFFFFFF
_LONGEST_TYPES = 1024 * 1024
_CHUNK = 64 * 1024
_TYPES = "[content_types].xml"
_OVERRIDE = re.compile(r"<(?:\w{1,20}:)?Override\b[^<>]{0,2000}>")
_ATTRIBUTE = re.compile(r"\b(PartName|ContentType)\s{0,20}=\s{0,20}[\"']([^\"'<>]{0,500})[\"']")
_MAIN = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml": "xlsx",
}
_DECLARED = tuple(
    f"<!{word}".encode(encoding) for word in ("DOCTYPE", "ENTITY") for encoding in ("ascii", "utf-16-le", "utf-16-be")
)
"""What declares entities, which may grow without end; no part of a document has it."""
_SHIFTING = re.compile(
    rb"encoding\s{0,9}=\s{0,9}[\"'](?:utf-?7|utf-?32|ucs-?4|iso-2022|hz-|ebcdic|ibm|cp0?37)|\A\s*[^\s<\xef\xfe\xff\x00]",
    re.IGNORECASE,
)
"""Text in which that would not be seen, as its letters are other bytes."""
_HEAD = 256
_LONGEST_DECLARED = max(map(len, _DECLARED))


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    place: int

    @property
    def folded(self) -> str:
        return self.name.lower()


class Purse:
    """What may still be unpacked, of a document and all that is inside it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.left = limits.unpacked
        self.parts = limits.parts

    def hold(self, parts: int) -> None:
        """So many parts more."""
        self.parts -= parts
        if self.parts < 0:
            raise bomb(f"holds more than {self.limits.parts} parts")

    def spend(self, size: int) -> None:
        """So many bytes more."""
        self.left -= size
        if self.left < 0:
            raise bomb(f"grows beyond {self.limits.unpacked // 1_000_000} MB when it is unpacked")


def office_type(source: Source, limits: Limits) -> str:
    """``docx`` or ``xlsx``; "" for an archive that is neither. Every part is unpacked, counted and thrown away.

    Raises ``FileRefused``.
    """
    return _Archive(source, Purse(limits), inside=False).type()


class _Archive:
    def __init__(self, source: Source, purse: Purse, *, inside: bool) -> None:
        self._source = source
        self._purse = purse
        self._limits = purse.limits
        self._inside = inside

    def type(self) -> str:
        parts, directory = self._directory()
        names = {part.folded for part in parts}
        is_office = _TYPES in names
        if any(part.flags & 0x2041 for part in parts):
            refusal = encrypted("an archive")
            refusal.wanted = is_office
            raise refusal
        if not is_office:
            return ""
        self._refuse_overlaps(parts, directory)
        if len(names) < len(parts):
            raise broken("holds two parts of one name")
        self._refuse_lies(parts)
        types = b""
        for part in parts:
            begins = self._unpack(part)
            if part.folded == _TYPES:
                types = begins
        return self._told(types, names)

    def _directory(self) -> tuple[list[_Part], int]:
        """The parts in the order of their places, and where the list of them begins."""
        source = self._source
        tail = source.tail(_END + 65_535)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0:
            raise broken("is cut off: the list of what it holds is missing")
        if at + _END != len(tail):
            # A comment, or what is no part of it at all: documents have neither.
            raise polyglot("what stands behind its end")
        disk, first_disk, here, count, length, place = struct.unpack_from("<HHHHII", tail, at + 4)
        begins = source.size - _END - length
        if disk or first_disk or here != count or place != begins or count == 0:
            raise broken("does not tell rightly what it holds")
        self._purse.hold(count)
        if length > _LARGEST_DIRECTORY:
            raise bomb("has a list of its parts that is larger than such lists are")
        return sorted(self._listed(source.at(begins, length), count), key=lambda part: part.place), begins

    def _listed(self, listing: bytes, count: int) -> list[_Part]:
        parts = []
        at = 0
        for _ in range(count):
            if listing[at : at + 4] != b"PK\x01\x02" or len(listing) < at + _ENTRY:
                raise broken("does not tell rightly what it holds")
            flags, method = struct.unpack_from("<HH", listing, at + 8)
            checksum, packed, size, name, extra, comment = struct.unpack_from("<IIIHHH", listing, at + 16)
            place = struct.unpack_from("<I", listing, at + 42)[0]
            if _ZIP64 in (packed, size, place):
                raise broken("tells sizes as only files of gigabytes do")
            raw = listing[at + _ENTRY : at + _ENTRY + name]
            parts.append(_Part(_name(raw), flags, method, checksum, packed, size, place))
            at += _ENTRY + name + extra + comment
        if at != len(listing):
            raise broken("does not tell rightly what it holds")
        return parts

    def _refuse_overlaps(self, parts: list[_Part], directory: int) -> None:
        reached = 0
        for part in parts:
            if part.place < reached:
                raise bomb("holds parts that lie over each other")
            if part.place - reached > _MOST_BETWEEN or (reached == 0 and part.place):
                raise polyglot("what stands between its parts")
            reached = self._content(part) + part.packed
        if reached > directory:
            raise bomb("holds parts that lie over each other")
        if directory - reached > _MOST_BETWEEN:
            raise polyglot("what stands between its parts")

    def _content(self, part: _Part) -> int:
        """Where a part's content begins."""
        local = self._source.at(part.place, _LOCAL)
        if len(local) < _LOCAL or not local.startswith(b"PK\x03\x04"):
            raise broken("does not tell rightly what it holds")
        flags, method = struct.unpack_from("<HH", local, 6)
        name: int
        extra: int
        name, extra = struct.unpack_from("<HH", local, 26)
        if flags & 1 or method != part.method:
            raise broken("tells of a part one thing here and another there")
        if _name(self._source.at(part.place + _LOCAL, name)) != part.name:
            raise broken("tells of a part one thing here and another there")
        return part.place + _LOCAL + name + extra

    def _refuse_lies(self, parts: list[_Part]) -> None:
        """By what it tells of itself, before anything is unpacked."""
        for part in parts:
            name = part.folded
            if part.method not in (0, 8) or (part.method == 0 and part.packed != part.size):
                raise broken("is packed in a way that documents are not")
            if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or "\0" in name or ":" in name:
                raise broken("holds a part whose name leads out of it")
            if name.rpartition("/")[2] in ("vbaproject.bin", "vbadata.xml") or "/activex/" in f"/{name}":
                raise FileRefused("the file is a document with macros; ask for one without", code="file-type")
        size = sum(part.size for part in parts)
        if size > self._limits.unpacked or (
            size > self._limits.small and size > self._limits.ratio * self._source.size
        ):
            raise bomb(f"grows to {size // 1_000_000} MB when it is unpacked")

    def _unpack(self, part: _Part) -> bytes:
        """Unpacks a part, and compares it with what is told of it. Returns the list of types, and nothing else."""
        looked = _Looked(part, self._purse, inside=self._inside)
        start = self._content(part)
        if part.method == 0:
            for piece in self._source.pieces(start, start + part.packed):
                looked.feed(piece)
            return looked.end()
        unpacker = zlib.decompressobj(-15)
        try:
            for piece in self._source.pieces(start, start + part.packed, first=_CHUNK):
                rest = piece
                while True:
                    out = unpacker.decompress(rest, _CHUNK)
                    rest = unpacker.unconsumed_tail
                    looked.feed(out)
                    if not rest and len(out) < _CHUNK:
                        break
        except zlib.error:
            raise broken("is damaged") from None
        if not unpacker.eof or unpacker.unused_data:
            raise broken("is damaged")
        return looked.end()

    def _told(self, types: bytes, names: set[str]) -> str:
        """The type that the list of types tells."""
        text = _decoded(types)
        if "vbaproject" in text.lower():
            raise FileRefused("the file is a document with macros; ask for one without", code="file-type")
        found = set()
        for override in _OVERRIDE.findall(text):
            told = dict(_ATTRIBUTE.findall(override))
            if "macroenabled" in told.get("ContentType", "").lower():
                raise FileRefused("the file is a document with macros; ask for one without", code="file-type")
            if told.get("PartName", "").lower().lstrip("/") in names:
                found.add(_MAIN.get(told.get("ContentType", "").strip().lower(), ""))
        found.discard("")
        return found.pop() if len(found) == 1 else ""


class _Looked:
    """A part as it is unpacked: counted, and looked at for what it must not hold."""

    def __init__(self, part: _Part, purse: Purse, *, inside: bool) -> None:
        self._part = part
        self._purse = purse
        self._inside = inside
        self._size = 0
        self._checksum = 0
        self._before = b""
        self._begins = b""
        self._kept: io.BytesIO | None = io.BytesIO() if part.folded == _TYPES else None
        self._is_markup = part.folded.endswith((".xml", ".rels", ".vml"))

    def feed(self, piece: bytes) -> None:
        if not piece:
            return
        self._size += len(piece)
        if self._size > self._part.size:
            raise bomb("holds more than it tells")
        self._purse.spend(len(piece))
        self._checksum = zlib.crc32(piece, self._checksum)
        if len(self._begins) < 4:
            self._begins += piece[:4]
            if self._begins.startswith(b"PK\x03\x04"):
                self._kept = io.BytesIO()
        if self._kept is not None:
            self._keep(piece)
        if self._is_markup:
            if not self._before and _SHIFTING.search(piece[:_HEAD]):
                raise broken("holds text in letters that documents are not written in")
            window = self._before + piece
            if any(each in window for each in _DECLARED):
                raise bomb("declares entities")
            self._before = window[-_LONGEST_DECLARED:]

    def _keep(self, piece: bytes) -> None:
        assert self._kept is not None  # noqa: S101 - what is kept has a place
        self._kept.write(piece)
        most = _LONGEST_TYPES if self._part.folded == _TYPES else self._purse.limits.inner
        if self._kept.tell() > most:
            raise bomb("holds a part that is larger than such parts are")

    def end(self) -> bytes:
        if self._size != self._part.size or self._checksum != self._part.checksum:
            raise broken("is damaged")
        if self._kept is None:
            return b""
        if self._part.folded == _TYPES:
            return self._kept.getvalue()
        if self._inside:
            raise bomb("holds archives inside of archives")
        inner = Source(self._kept, self._size)
        if not _Archive(inner, self._purse, inside=True).type():
            raise bomb("holds an archive")
        return b""


def _name(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _decoded(text: bytes) -> str:
    wide = text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return text.decode("utf-16" if wide else "utf-8", errors="replace")
