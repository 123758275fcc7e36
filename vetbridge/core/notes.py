"""VetBridge's block in a visit's notes: what it wrote stands between two marks, staff's text around it is untouched.

::

    [VetBridge VB-7F3K9Q2MXX]
    Booked by Ann Example, phone ...
    [/VetBridge]

The first line carries the stamp, by which VetBridge finds again what it wrote. Text inside the block has no square
brackets: they are turned into round ones, so that nothing an owner types can close the block or open another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from vetbridge.core import normalise

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no I, L, O, U, which are misread or misheard."""
STAMP = re.compile(r"VB-[0-9A-HJKMNP-TV-Z]{10}")
LIMIT = 4000
"""Longest block, in characters, where the caller names no other limit."""
MIN_LIMIT = 120
"""A shorter limit holds no more than the marks."""

_CLOSING = "[/VetBridge]"
# The body holds no square bracket, so a stray mark in somebody's text never swallows the text up to the real block.
_BLOCK = re.compile(rf"\[VetBridge (?P<stamp>{STAMP.pattern})\](?P<newline>\r?\n| ?)(?P<text>[^\[\]]*)\[/VetBridge\]")
# All that some side's text cleaning might turn into a square bracket.
_BRACKETS = str.maketrans({"[": "(", "]": ")", "［": "(", "］": ")", "⁅": "(", "⁆": ")", "﹇": "(", "﹈": ")"})
_CUT_WORDS = "... (cut by VetBridge: {} more characters)"
_STAMP_CHARACTERS = 10


def make_stamp(seed: bytes) -> str:
    """The stamp that belongs to ``seed``: ``VB-`` and ten characters. The same seed makes the same stamp."""
    number = int.from_bytes(hashlib.sha256(seed).digest(), "big")
    characters = ""
    for _ in range(_STAMP_CHARACTERS):
        number, digit = divmod(number, len(CROCKFORD))
        characters += CROCKFORD[digit]
    return f"VB-{characters}"


def block(stamp: str, lines: Iterable[str], *, limit: int = LIMIT) -> str:
    """The block that carries ``stamp`` and ``lines``, at most ``limit`` characters long.

    Text from outside may stand in the lines as it is: brackets are turned round, control characters become spaces,
    and what is too long is cut, with a word that says so. Raises ValueError for what is no stamp, or a limit below
    ``MIN_LIMIT``.
    """
    if STAMP.fullmatch(stamp) is None:
        raise ValueError("this is not a stamp")
    if limit < MIN_LIMIT:
        raise ValueError(f"a block needs at least {MIN_LIMIT} characters")
    opening = f"[VetBridge {stamp}]"
    room = limit - len(opening) - len(_CLOSING) - 2
    return f"{opening}\n{_inside(lines, room)}\n{_CLOSING}"


def place(notes: str, block: str) -> str:
    """``notes`` with ``block`` in place of the one they hold, else at the end. All other text stays as it is."""
    held = _BLOCK.search(notes)
    if held is None:
        return f"{notes}\n{block}" if notes else block
    return notes[: held.start()] + block + notes[held.end() :]


def remove(notes: str, *, leaving: Iterable[str] = ()) -> str:
    """``notes`` without VetBridge's block, and without the line break that ``place`` put before it.

    ``leaving``: lines that stay in the block's place, as plain text; they cannot form a block.
    """
    held = _BLOCK.search(notes)
    if held is None:
        return notes
    text = _inside(leaving, LIMIT)
    if text:
        return notes[: held.start()] + text + notes[held.end() :]
    # A side may have made CRLF of our line breaks; the break inside the block tells which.
    return notes[: held.start()].removesuffix(held["newline"]) + notes[held.end() :]


def find(notes: str) -> tuple[str, str] | None:
    """The stamp and the text of the block that ``notes`` hold, None where they hold none."""
    held = _BLOCK.search(notes)
    return None if held is None else (held["stamp"], "\n".join(held["text"].strip().splitlines()))


def _inside(lines: Iterable[str], room: int) -> str:
    """The lines as they may stand in a block, in at most ``room`` characters."""
    text = "\n".join(lines)
    # Cleaning never lengthens text, and hostile text is long: it is cut to what can be kept before it is cleaned.
    kept = normalise.clean(text[: room + 1].translate(_BRACKETS))
    if len(text) <= room:
        return kept
    words = _CUT_WORDS.format(len(text))
    kept = kept[: room - len(words) - 1].rstrip()
    return f"{kept}\n{_CUT_WORDS.format(len(text) - len(kept))}"
