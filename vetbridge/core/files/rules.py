"""Which files a site wants, and how far one is followed."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

MEGABYTE = 1024 * 1024
LONGEST_NAME = 400
"""Characters of a name that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileType:
    """What may be in a file."""

    words: str
    """As a message calls it."""
    media_type: str
    endings: tuple[str, ...]
    """Without the dot; the first is given to a file whose name has none of them."""


TYPES: Mapping[str, FileType] = {
    "pdf": FileType(words="a PDF", media_type="application/pdf", endings=("pdf",)),
    "jpeg": FileType(words="a JPEG picture", media_type="image/jpeg", endings=("jpg", "jpeg", "jpe")),
    "png": FileType(words="a PNG picture", media_type="image/png", endings=("png",)),
    "gif": FileType(words="a GIF picture", media_type="image/gif", endings=("gif",)),
    "tiff": FileType(words="a TIFF picture", media_type="image/tiff", endings=("tif", "tiff")),
    "heic": FileType(words="a HEIC photo", media_type="image/heic", endings=("heic", "heif")),
    "docx": FileType(
        words="a Word document",
        media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        endings=("docx",),
    ),
    "xlsx": FileType(
        words="an Excel workbook",
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        endings=("xlsx",),
    ),
    "doc": FileType(words="a Word document of before 2007", media_type="application/msword", endings=("doc",)),
    "xls": FileType(
        words="an Excel workbook of before 2007", media_type="application/vnd.ms-excel", endings=("xls",)
    ),
    "txt": FileType(words="a text", media_type="text/plain", endings=("txt",)),
}
"""Every type that can be told, by its word in the config."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRules:
    """Which files are carried to one side."""

    types: Mapping[str, int]
    """What may be in them (a key of ``TYPES``), each with the most bytes."""
    names: tuple[str, ...] = ("*",)
    """Patterns for their names, of which one has to fit. Capitals do not count."""

    @property
    def largest(self) -> int:
        """Bytes of the largest file that is wanted, whatever is in it."""
        return max(self.types.values(), default=0)


def wanted_name(rules: FileRules, name: str) -> bool:
    """Whether a file that is called so may be wanted: nothing of it has to be read to know."""
    name = _folded(name[:LONGEST_NAME])
    return any(fnmatchcase(name, _folded(pattern)) for pattern in rules.names)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a file is followed before it counts as one that is made to harm."""

    unpacked: int = 128 * MEGABYTE
    """Bytes that one stream of a PDF, or all parts of an Office document together, may grow to."""
    in_all: int = 2048 * MEGABYTE
    """Bytes that all streams of a PDF may grow to: a hundred pages that were scanned in colour and packed well."""
    ratio: int = 200
    """How many times its size an Office document may grow, once it has more than ``small``."""
    small: int = 16 * MEGABYTE
    parts: int = 5_000
    """Parts of an Office document."""
    streams: int = 100_000
    """Streams of a PDF."""
    rare: int = 4 * MEGABYTE
    """Bytes of a PDF's streams that are packed by LZW or as runs, which takes long to follow."""
    depth: int = 4
    """Packings inside each other of a PDF's stream."""
    pixels: int = 300_000_000
    """Of a picture. Phones make up to 200 million."""
    inner: int = 8 * MEGABYTE
    """Bytes of a workbook inside a document, as a chart has one: it is looked at in memory."""
