"""What a vendor's upgrade has changed: code lists compared with what was read of them last.

A code is the vendor's own. Where one that a site's mapping uses is gone, a write with it is refused; where its title
means something else, the vendor may have given the code to another thing, and visits would be booked under it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from rapidfuzz import fuzz

from vetbridge.core import normalise

CodeLists = Mapping[str, Mapping[str, str]]
"""Titles by code, by the name of the list."""

CODES_CHANGED: Final = "code-list-changed"
SCHEMA_CHANGED: Final = "schema-changed"
"""Why VetBridge itself pauses a site."""

SAME_TITLE: Final = 60.0
"""Two titles that resemble each other less, from 0 to 100, are titles of two things. A word that is added, cut or
spelled otherwise stays above; "Dr Smith" and "Dr Jones" share half."""

LONGEST_TITLE: Final = 80
"""Characters of a title that are kept and shown."""

LONGEST_CODE: Final = 255
"""Characters; a longer code is none that a mapping could name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The codes of one list that a site's mapping uses."""

    written: frozenset[str]
    """Those that are written: without one of them visits cannot be carried over."""
    read: frozenset[str]
    """Those that are only read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeChange:
    """A code that a site's mapping uses is not what it was."""

    list: str
    code: str
    was: str
    now: str | None
    """None: it is gone."""
    stops: bool = True
    """Going on would write or read something wrong."""


def tidy(lists: CodeLists) -> dict[str, dict[str, str]]:
    """Code lists as a vendor tells them, with titles on one line that are safe to show, and without what is no
    code."""
    return {
        name: {
            code: normalise.shown(title, LONGEST_TITLE)
            for code, title in titles.items()
            if 0 < len(code) <= LONGEST_CODE and code.isprintable()
        }
        for name, titles in lists.items()
    }


def changed(name: str, kept: Mapping[str, str], now: Mapping[str, str], used: Codes) -> tuple[CodeChange, ...]:
    """What became of the codes of one list that are used, in the order of the codes.

    A code that was not kept is new, and no change.
    """
    found = []
    for code in sorted((used.written | used.read) & kept.keys()):
        was, title = kept[code], now.get(code)
        if title is None:
            found.append(CodeChange(list=name, code=code, was=was, now=None, stops=code in used.written))
        elif not same_title(was, title) or _moved(code, title, kept, now):
            found.append(CodeChange(list=name, code=code, was=was, now=title))
    return tuple(found)


def to_keep(
    kept: Mapping[str, str], now: Mapping[str, str], changes: Collection[CodeChange], used: Codes
) -> dict[str, str]:
    """The titles to compare with next time: those of now, but of what changed, and of used codes that are gone, the
    old ones. So a change is found again until a person has accepted it, and a code that comes back under another
    title is noticed."""
    old = {change.code: change.was for change in changes}
    unsaid = {code: kept[code] for code, title in now.items() if not title and code in kept}
    gone = {code: kept[code] for code in (used.written | used.read) & kept.keys() if code not in now}
    return {**now, **unsaid, **gone, **old}


def _moved(code: str, title: str, kept: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether a code bears the title that another one has lost: the vendor has numbered anew."""
    return title != kept[code] and any(
        title == was and now.get(other) != was for other, was in kept.items() if other != code
    )


def same_title(one: str, other: str) -> bool:
    """Whether two titles can be titles of one thing. A title that says nothing contradicts none."""
    one, other = one.casefold(), other.casefold()
    if not one or not other:
        return True
    return max(fuzz.ratio(one, other), fuzz.token_set_ratio(one, other)) >= SAME_TITLE
