"""Reads YAML strictly into plain data, with the line of each value.

YAML guesses: 12:30 becomes a number, 0044 another one, NO a false. Here a plain word is text, a whole number, a
decimal number, true, false or empty; whatever YAML readers disagree about must stand in quotes. Aliases, tags and
several documents in one file are refused, as no config needs them and a hostile one can grow by them without end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from vetbridge.config.problems import ConfigProblems, Place, Problem, shown

LARGEST = 1024 * 1024
"""Longest config, in bytes. A chain of a hundred sites stays under a tenth of it."""

DEEPEST = 32
"""Deepest nesting; the config's own is 8."""

LONGEST_NUMBER = 18
"""Digits of a number; what is longer is an id and stands in quotes."""

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_TIME = re.compile(r"[0-9]{1,3}(:[0-9]{1,2}){1,2}(\.[0-9]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")
_PLUS = re.compile(r"\+[0-9][0-9 ()./-]*")
_LEADING_ZERO = re.compile(r"0[0-9][0-9 ()/-]*")
_ODD_NUMBER = re.compile(
    r"0[xXoObB][0-9a-fA-F_]+|-?[0-9][0-9_]*_[0-9_]*|[-+]?([0-9]+\.|\.[0-9]+|[0-9.]+[eE][-+]?[0-9]+|\.(inf|nan))",
    re.IGNORECASE,
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Broken:
    """Stands where a value could not be read; the problem is already noted."""


BROKEN: Final = Broken()


@dataclass(slots=True)
class Document:
    """What a config file says."""

    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    """Line of each key and list item, from 1."""
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, place: Place) -> int | None:
        """The line of a place, else of the nearest thing around it."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return None


def read(path: Path) -> Document:
    """A config file. Raises ``ConfigProblems`` where it is no readable YAML; lesser problems stand in the result."""

    def stop(text: str, line: int | None = None) -> ConfigProblems:
        return ConfigProblems([Problem(source=path.name, line=line, place=(), text=text)])

    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise stop(
            f"there is no such file in {path.parent}; name the config with --config or VETBRIDGE_CONFIG"
        ) from None
    except OSError as error:
        raise stop(f"cannot be read ({error.strerror}); mend its rights") from None
    if len(raw) > LARGEST:
        raise stop(f"is larger than {LARGEST // 1024} KiB; this is no config of VetBridge")
    if raw.startswith(_WIDE_MARKS):
        raise stop("is UTF-16 text; save it as UTF-8")
    try:
        # Editors on Windows put a byte order mark before the text.
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise stop("is not UTF-8 text here; save it as UTF-8", raw.count(b"\n", 0, error.start) + 1) from None
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise stop(f"holds a control character ({ascii(control[0])[1:-1]}); remove it", line)
    return parse(text, path.name)


def parse(text: str, source: str) -> Document:
    """YAML text as data. Raises ``ConfigProblems`` for what is no YAML; ``source`` names it in problems."""
    document = Document()
    try:
        _Reader(yaml.parse(text, Loader=yaml.SafeLoader), document, source).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = f"more than {DEEPEST} levels deep" if isinstance(error, _TooDeep) else _syntax(error.problem or "")
        line = None if mark is None else mark.line + 1
        raise ConfigProblems([*document.problems, Problem(source=source, line=line, place=(), text=words)]) from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # Such as an escape beyond the last character of Unicode: YAML's reader gives no line for it.
        problem = Problem(source=source, line=None, place=(), text="is no YAML that can be read")
        raise ConfigProblems([*document.problems, problem]) from None
    return document


class _TooDeep(yaml.MarkedYAMLError):
    pass


class _Reader:
    """Turns YAML's events into data."""

    def __init__(self, events: Iterator[Any], document: Document, source: str) -> None:
        self._events = events
        self._document = document
        self._source = source

    def read(self) -> None:
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._note(event, (), "a second document starts here; keep one, and remove the line ---")
                    return
            elif isinstance(event, yaml.NodeEvent):
                self._document.data = self._value(event, ())

    def _value(self, event: Any, place: Place) -> Any:
        if len(place) > DEEPEST:
            raise _TooDeep(problem_mark=event.start_mark)
        self._document.lines.setdefault(place, _line(event))
        if isinstance(event, yaml.AliasEvent):
            return self._note(event, place, "aliases (*name) are not taken; write the value out")
        if event.anchor is not None:
            self._note(
                event, place, "anchors (&name) are not taken; remove it and write the value out where it is used"
            )
        if event.tag is not None:
            self._note(event, place, "tags (!name) are not taken; remove it, and write text in quotes")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(place)
        return self._scalar(event, place)

    def _mapping(self, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                self._note(event, place, "a key must be one plain word")
                self._value(event, (*place, "?"))
                self._value(next(self._events), (*place, "?"))
                continue
            key = str(event.value)
            here = (*place, key)
            if key in found:
                first = self._document.lines[here]
                self._note(event, here, f"stands here a second time, first in line {first}; keep one")
                self._value(next(self._events), here)
                continue
            self._document.lines[here] = _line(event)
            found[key] = self._value(next(self._events), here)
        return found

    def _list(self, place: Place) -> list[Any]:
        found: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._value(event, (*place, len(found))))
        return found

    def _scalar(self, event: Any, place: Place) -> Any:
        text: str = event.value
        if event.style is not None:
            return text
        try:
            return plain(text)
        except ValueError as error:
            return self._note(event, place, str(error))

    def _note(self, event: Any, place: Place, text: str) -> Broken:
        self._document.problems.append(Problem(source=self._source, line=_line(event), place=place, text=text))
        return BROKEN


def _line(event: Any) -> int:
    """An event's line, from 1."""
    return int(event.start_mark.line) + 1


def plain(text: str) -> str | int | float | bool | None:
    """The value of a word without quotes. Raises ``ValueError`` for what must stand in quotes."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if text.lower() in ("yes", "no", "on", "off"):
        raise ValueError(f'{text} may mean true, false or a word; write true or false, or "{text}" in quotes')
    for pattern, kind in (
        (_TIME, "a time"),
        (_DATE, "a date"),
        (_PLUS, "a phone number"),
        (_LEADING_ZERO, "a phone number or an id"),
        (_ODD_NUMBER, "a number that YAML readers disagree about"),
    ):
        if pattern.fullmatch(text):
            # The value is not repeated: it may be a person's phone, or a secret that should not stand here.
            raise ValueError(f"{kind} must stand in quotes, or it may be read as another value")
    if _WHOLE.fullmatch(text):
        if len(text) > LONGEST_NUMBER:
            raise ValueError("an id this long must stand in quotes, or its end may be lost")
        return int(text)
    if _DECIMAL.fullmatch(text) and len(text) <= 2 * LONGEST_NUMBER:
        return float(text)
    return text


def _syntax(problem: str) -> str:
    """YAML's words for a syntax error, with what usually helps."""
    if "'\\t'" in problem:
        return "a tab stands here; YAML takes only spaces before a key"
    if problem.startswith("mapping values are not allowed"):
        return "a second colon in one line, or wrong spaces before the key; put text with a colon in quotes"
    if problem.startswith("found undefined alias"):
        return "aliases (*name) are not taken; write the value out"
    cut = problem if len(problem) <= 200 else problem[:200] + "..."
    return f"is no YAML here: {shown(cut)[1:-1] if not cut.isprintable() else cut}"
