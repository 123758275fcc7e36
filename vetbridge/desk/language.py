"""What people read, in their language: sentences, moments, numbers of things.

The English sentence is the key; every other language is a gettext catalogue beside this module (``catalogues/``). A
sentence that a catalogue lacks is said in English, and a test sees to it that none does.

The language is that of the thread or task that speaks: ``speaking`` sets it for what is inside. Commands speak
English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel.messages.catalog import Message

ENGLISH = "en"
LANGUAGES: Mapping[str, str] = MappingProxyType({ENGLISH: "English", "de": "Deutsch"})
"""Every language that VetBridge speaks, by its code, in its own words."""

_MOMENTS: Mapping[str, str] = MappingProxyType({ENGLISH: "EEE dd MMM HH:mm", "de": "EEE dd. MMM HH:mm"})
"""How a moment is written, as CLDR patterns."""
_DAYS: Mapping[str, str] = MappingProxyType({ENGLISH: "dd MMM yyyy", "de": "dd.MM.yyyy"})
"""The same of a day."""

_spoken: ContextVar[str] = ContextVar("spoken", default=ENGLISH)


def spoken() -> str:
    """The language that is spoken now."""
    return _spoken.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speaks a language inside; English, where VetBridge does not speak it."""
    token = _spoken.set(language if language in LANGUAGES else ENGLISH)
    try:
        yield
    finally:
        _spoken.reset(token)


def phrase(text: str, /, **values: object) -> str:
    """A sentence in the language that is spoken. ``text`` is the English one, with ``{names}`` for ``values``.

    Without values it may also be one that was written down in English, its values in it: what the ledger keeps.
    """
    if spoken() == ENGLISH:
        said = text
    else:
        said = _catalogue(spoken()).get(text) or (text if values else _retold(spoken(), text))
    return said.format(**values) if values else said


def phrases(one: str, many: str, count: int, /, **values: object) -> str:
    """The same of a number of things: ``one`` for a single one, else ``many``. ``{count}`` stands for the number."""
    return phrase(one if count == 1 else many, count=count, **values)


def moment(at: datetime) -> str:
    """``Tue 24 Nov 10:00``; ``at`` is at the place's own time."""
    if spoken() == ENGLISH:
        return f"{at:%a %d %b %H:%M}"
    from babel.dates import format_datetime  # noqa: PLC0415 - takes its time, and commands speak English

    return format_datetime(at, _MOMENTS[spoken()], locale=spoken())


def day(on: date) -> str:
    """``24 Nov 2026``."""
    if spoken() == ENGLISH:
        return f"{on:%d %b %Y}"
    from babel.dates import format_date  # noqa: PLC0415 - takes its time, and commands speak English

    return format_date(on, _DAYS[spoken()], locale=spoken())


def _retold(language: str, text: str) -> str:
    """A sentence that was written down in English with its values in it; as it is, where no catalogue knows it."""
    for form, said in _written_down(language):
        found = form.fullmatch(text)
        if found is not None:
            words = _catalogue(language)
            return said.format(**{name: words.get(value, value) for name, value in found.groupdict().items()})
    return text


@cache
def _written_down(language: str) -> Sequence[tuple[re.Pattern[str], str]]:
    """The sentences that the engine writes down with their values in them: a catalogue flags them ``kept``."""
    return [
        (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.{0,200}?)", re.escape(str(each.id)))), str(each.string))
        for each in _messages(language)
        if "kept" in each.flags
    ]


@cache
def _catalogue(language: str) -> Mapping[str, str]:
    """The sentences of a language by the English ones."""
    return {str(each.id): str(each.string) for each in _messages(language)}


@cache
def _messages(language: str) -> Sequence[Message]:
    from babel.messages.pofile import read_po  # noqa: PLC0415 - takes its time, and commands speak English

    path = Path(__file__).parent / "catalogues" / f"{language}.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    return [each for each in catalogue if each.id and each.string and not each.fuzzy]
