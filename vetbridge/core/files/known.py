"""What is in a file, told by how it begins."""

from __future__ import annotations

import re

from vetbridge.core.errors import FileRefused
from vetbridge.core.files.reading import Source

HEAD = 2048
"""Bytes at the beginning by which a file is told. Readers of PDFs look for their header in the first 1,024."""

_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "pdf"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"PK\x03\x04", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "compound"),
)
_PROGRAMS = (b"MZ", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa", b"\xca\xfe\xba\xbe", b"#!")
_ARCHIVES = (
    b"PK",
    b"Rar!\x1a",
    b"7z\xbc\xaf\x27\x1c",
    b"\x1f\x8b\x08",
    b"BZh",
    b"\xfd7zXZ\0",
    b"MSCF",
    b"\x28\xb5\x2f\xfd",
)
_OTHERS: tuple[tuple[bytes, str], ...] = (
    *((each, "a program") for each in _PROGRAMS if each != b"MZ"),
    *((each, "an archive") for each in _ARCHIVES),
    (b"RIFF", "a picture, sound or film of the RIFF family; ask for a JPEG"),
    (b"BM", "a bitmap; ask for a JPEG or a PNG"),
    (b"{\\rtf", "an RTF document; ask for a PDF"),
    (b"%!PS", "a PostScript document; ask for a PDF"),
    (b"\xff\xfe", "a text in UTF-16; ask for UTF-8"),
    (b"\xfe\xff", "a text in UTF-16; ask for UTF-8"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound"),
    (b"\x1aE\xdf\xa3", "a film"),
)
_ACTIVE = re.compile(
    rb"<(?:script|html|head|body|iframe|svg|object|embed|meta|link|!doctype\s+html)[\s>/]|<\?php\s|<\?=|<%@",
    re.IGNORECASE,
)
"""Beginnings by which a browser or a server takes a text for a page or a program."""
_ACTIVE_INSIDE = re.compile(rb"<script[\s>/]|<\?php\s|<html[\s>]|<!doctype\s+html", re.IGNORECASE)
"""Long enough not to come up by chance in megabytes of a picture."""
LONGEST_ACTIVE = 32


def beginning(head: bytes) -> str:
    """The type that a file begins as: one of ``TYPES``, ``zip``, ``compound``, or "" for none of them."""
    for begins, word in _BEGINNINGS:
        if head.startswith(begins):
            return word
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF and not _is_avif(head):
        return "heic"
    return ""


def other(head: bytes) -> str:
    """In words, what a file is that begins as none of the types; "" where nobody can tell."""
    if head[4:8] == b"ftyp":
        return "an AVIF picture; ask for a JPEG" if _is_avif(head) else "a film"
    if head[128:132] == b"DICM":
        return "a DICOM image; ask for a JPEG"
    if head.startswith(b"MZ") and b"\0" in head:
        return "a program"
    return next((words for begins, words in _OTHERS if head.startswith(begins)), "")


def _is_avif(head: bytes) -> bool:
    """By all the kinds that it says it can be read as."""
    brands = head[8 : min(int.from_bytes(head[:4], "big"), 256)]
    return any(brands[at : at + 4] in (b"avif", b"avis") for at in range(0, len(brands), 4))


def is_active(head: bytes) -> bool:
    """Whether a text may be taken for a page or a program."""
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if begins.startswith(b"<?xml"):
        begins = begins.partition(b"?>")[2].lstrip()
    return begins.startswith(b"#!") or bool(_ACTIVE.match(begins) or _ACTIVE_INSIDE.search(head))


def refuse_second_nature(source: Source, head: bytes, own: str) -> None:
    """Raises ``FileRefused`` for a file that other programs take for something else than its type, ``own``."""
    if own != "pdf" and b"%PDF-" in head[:1024]:
        raise polyglot("a PDF")
    if own != "zip" and is_archive(source):
        raise polyglot("a zip archive")
    if head[257:262] == b"ustar":
        raise polyglot("a tar archive")
    if _ACTIVE_INSIDE.search(head):
        raise polyglot("a web page or a script")


def refuse_active_inside(source: Source, start: int = 0) -> None:
    """Raises ``FileRefused`` where a page or a script stands anywhere in a picture."""
    for _ in source.matches(_ACTIVE_INSIDE, LONGEST_ACTIVE, start):
        raise polyglot("a web page or a script")


def refuse_trailer(source: Source, end: int, *, most: int | None) -> None:
    """Raises ``FileRefused`` where what stands behind a file's end is a file of another nature, or has more bytes
    than ``most`` (None: as many as it likes, as phones write films behind their pictures)."""
    left = source.size - end
    begins = source.at(end, HEAD).lstrip(b"\0\r\n\t ")
    if begins.startswith((*_PROGRAMS, *_ARCHIVES, b"%PDF-")) or is_active(begins):
        raise polyglot("what stands behind its end")
    if most is not None and left > most and source.at(end, left if left < 1 << 20 else 1 << 20).strip(b"\0\r\n\t "):
        raise polyglot("what stands behind its end")


def is_archive(source: Source) -> bool:
    """Whether programs find a zip archive at the end of the file, whatever it begins with."""
    tail = source.tail(22 + 65_535)
    base = source.size - len(tail)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        record = tail[at : at + 22]
        if len(record) == 22:
            length, place = int.from_bytes(record[12:16], "little"), int.from_bytes(record[16:20], "little")
            begins = (source.at(base + at - length, 4), source.at(place, 4))
            if b"PK\x01\x02" in begins or tail[at - 20 : at - 16] == b"PK\x06\x07":
                return True
        at = tail.rfind(b"PK\x05\x06", 0, at)
    return False


def polyglot(what: str) -> FileRefused:
    """The error for a file that is two things at once."""
    return FileRefused(
        f"the file is also {what}, so that another program may take it for that; look at it where it is",
        code="file-polyglot",
    )


def broken(what: str) -> FileRefused:
    """The error for a file that has not the structure it begins with; ``what`` is said of the file."""
    return FileRefused(f"the file {what}; ask for it again", code="file-broken")


def bomb(what: str) -> FileRefused:
    """The error for a file that takes far more room than it seems to; ``what`` is said of the file."""
    return FileRefused(f"the file {what}, as files do that are made to harm; ask for another one", code="file-bomb")


def encrypted(what: str) -> FileRefused:
    """The error for a file that needs a password; ``what`` is what it is."""
    return FileRefused(f"the file is {what} with a password; ask for one without", code="file-encrypted")
