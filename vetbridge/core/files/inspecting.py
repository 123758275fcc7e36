"""What is in a file, by looking into it: never by its name, and never by what is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from vetbridge.core.errors import FileRefused
from vetbridge.core.files import compounds, known, office, pdfs, pictures, texts
from vetbridge.core.files.reading import Source
from vetbridge.core.files.rules import MEGABYTE, TYPES, FileRules, Limits

LIMITS = Limits()
_OFFICE = frozenset({"docx", "xlsx"})
_OLD_OFFICE = frozenset({"doc", "xls"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What is in a file."""

    type: str
    """A key of ``TYPES``."""
    media_type: str
    ending: str
    """Of a name for it, without the dot."""


def inspect(file: BinaryIO, size: int, rules: FileRules, limits: Limits = LIMITS) -> Finding:
    """What is in a file, where it is whole, harmless and wanted.

    Raises ``FileRefused`` with the codes ``file-empty``, ``file-too-large``, ``file-type``, ``file-encrypted``,
    ``file-bomb``, ``file-polyglot`` and ``file-broken``. Reads in pieces, and takes time that grows with the size
    alone, up to the limits.
    """
    if size == 0:
        raise FileRefused("the file is empty; ask for it again", code="file-empty")
    source = Source(file, size)
    word = _type(source, rules, limits)
    if size > rules.types[word]:
        raise too_large(rules.types[word])
    return Finding(word, TYPES[word].media_type, TYPES[word].endings[0])


def too_large_by_head(head: bytes, rules: FileRules) -> FileRefused:
    """The error for a file that is larger than any that the rules take, of which only the beginning was read."""
    begins = known.beginning(head)
    possible = {"zip": _OFFICE, "compound": _OLD_OFFICE | _OFFICE, "": frozenset({"txt"})}.get(begins, {begins})
    is_other = not begins and (known.other(head) or known.is_active(head) or not texts.may_be_text(head))
    if is_other or possible.isdisjoint(rules.types):
        return _unwanted(begins, head)
    return too_large(max(rules.types[word] for word in possible if word in rules.types))


def too_large(most: int) -> FileRefused:
    """The error for a file of more bytes than ``most``."""
    return FileRefused(
        f"the file is larger than the {most / MEGABYTE:.4g} MB that the rules take; ask for a smaller one, or raise "
        "them under attachments",
        code="file-too-large",
    )


def _type(source: Source, rules: FileRules, limits: Limits) -> str:
    """The type, where the rules take it and the file is what it seems."""
    head = source.at(0, known.HEAD)
    begins = known.beginning(head)
    if begins == "":
        return _text(source, head, rules)
    if begins == "zip":
        return _office(source, head, rules, limits)
    if begins == "compound":
        return _old_office(source, head, rules)
    if begins not in rules.types:
        raise _unwanted(begins, head)
    if source.size > rules.types[begins]:
        raise too_large(rules.types[begins])
    known.refuse_second_nature(source, head, begins)
    match begins:
        case "pdf":
            pdfs.refuse_pdf(source, limits)
        case "jpeg":
            pictures.refuse_jpeg(source, limits)
        case "png":
            pictures.refuse_png(source, limits)
        case "gif":
            pictures.refuse_gif(source, limits)
        case "tiff":
            pictures.refuse_tiff(source, limits)
        case "heic":
            pictures.refuse_heic(source)
    return begins


def _text(source: Source, head: bytes, rules: FileRules) -> str:
    other = known.other(head)
    if b"%PDF-" in head[:1024] and "pdf" in rules.types:
        raise known.polyglot("something else than a PDF" if not other else other.partition(";")[0])
    if "txt" in rules.types and known.is_active(head):
        raise known.polyglot("a web page or a script")
    if other or "txt" not in rules.types:
        raise _unwanted("", head, wanted="UTF-16" in other and "txt" in rules.types)
    if not texts.is_text(source):
        raise _unwanted("", head)
    known.refuse_second_nature(source, head, "txt")
    return "txt"


def _office(source: Source, head: bytes, rules: FileRules, limits: Limits) -> str:
    if _OFFICE.isdisjoint(rules.types):
        raise _unwanted("zip", head)
    if source.size > max(rules.types[word] for word in _OFFICE if word in rules.types):
        raise too_large_by_head(head, rules)
    known.refuse_second_nature(source, head, "zip")
    word = office.office_type(source, limits)
    if word not in rules.types:
        raise _unwanted(word or "zip", head)
    return word


def _old_office(source: Source, head: bytes, rules: FileRules) -> str:
    if (_OFFICE | _OLD_OFFICE).isdisjoint(rules.types):
        raise _unwanted("compound", head)
    if source.size > rules.largest:
        raise too_large_by_head(head, rules)
    known.refuse_second_nature(source, head, "compound")
    word = compounds.compound_type(source)
    if word == "locked":
        refusal = known.encrypted("a document")
        refusal.wanted = not _OFFICE.isdisjoint(rules.types)
        raise refusal
    if word not in rules.types:
        raise _unwanted(word or "compound", head)
    return word


def _unwanted(word: str, head: bytes, *, wanted: bool = False) -> FileRefused:
    """The error for what the rules do not take, in words what it is."""
    if word in TYPES:
        what = TYPES[word].words
    elif word == "zip":
        what = "an archive"
    elif word == "compound":
        what = "a file of an Office program of before 2007"
    elif known.is_active(head):
        what = "a web page or a script"
    else:
        what = known.other(head) or "of no kind that can be told"
    advice = "; ask for a JPEG" if word == "heic" else ""
    return FileRefused(
        f"the file is {what}{advice}; the rules do not take such files", code="file-type", wanted=wanted
    )
