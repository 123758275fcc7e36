"""Answers as rows: a record's values at dotted paths are its columns, and ``connector.rows`` reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

from connectors.rest.profile import RestKind, Times
from connectors.rest.times import moment
from vetbridge.connector.interface import Native
from vetbridge.connector.rows import BadRow, Converter, KindRules, RowReader
from vetbridge.connector.rows.profile import CONVERTERS
from vetbridge.core.records import Kind

ABSENT = object()
"""There is nothing at a path, not even null."""

_SENDABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
"""A version goes back as a header, if the profile says so."""

MOST_ITEMS = 200
"""Items of a list inside of a record that are looked at."""


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path: ``owner.id``, of a list ``phones[].number``. Names may hold dots themselves.

    ``ABSENT`` where nothing does. Null on the way there is null.
    """
    if isinstance(value, Mapping):
        if path in value:
            return value[path]
        for end, sign in enumerate(path):
            if sign == "." and path[:end] in value:
                return at(value[path[:end]], path[end + 1 :])
            if path.startswith("[]", end) and isinstance(value.get(path[:end]), list):
                return _each(value[path[:end]], path[end + 2 :].removeprefix("."))
            if path.startswith("[]", end) and path[:end] in value:
                return value[path[:end]]
        return ABSENT
    return None if value is None else ABSENT


def _each(items: list[Any], path: str) -> list[Any]:
    found = [at(item, path) if path else item for item in items[:MOST_ITEMS]]
    return [each for each in found if each is not ABSENT and each is not None]


def word(told: Any) -> str | None:
    """A short text or a whole number as text; None where it is neither."""
    if told is ABSENT or isinstance(told, bool) or not isinstance(told, str | int):
        return None
    text = str(told).strip()
    return text if text and len(text) <= 255 else None


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """The dotted paths of all values in a record."""
    if isinstance(value, Mapping) and value:
        for name, inside in value.items():
            yield from paths(inside, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        yield from paths(value[0], f"{prefix}[]")
    else:
        yield prefix


class Records:
    """Reads the records of one kind. ``zone`` is the site's."""

    def __init__(self, kind: Kind, rest: RestKind, times: Times, zone: str) -> None:
        self._rest = rest
        self._times = times
        self._zone = zone
        converters = CONVERTERS[kind]
        self._converters = {
            path: rule.read_as or converters[name]
            for name, rule in rest.fields.items()
            for path in (*rule.column, *rule.all)
        }
        gone = rest.deleted_when
        self.paths = tuple(dict.fromkeys((*self._converters, *((gone.column, *gone.others) if gone else ()))))
        """What is looked at in a record."""
        self._reader = lru_cache(maxsize=64)(partial(RowReader, kind, rest, zone=zone))
        self._id_reader = lru_cache(maxsize=4)(partial(RowReader, kind, KindRules(fields={"id": rest.fields["id"]})))

    def native(self, item: Any) -> Native:
        """The flat record. Raises ``BadRow``, with the path, and ``ValueError`` with all that are not there."""
        cells = {path: at(item, path) for path in self.paths}
        held = {path: self._cell(path, cell) for path, cell in cells.items() if cell is not ABSENT}
        native = self._reader(tuple(held)).native(tuple(held.values()))
        version = self._rest.version
        if version is not None:
            told = at(item, version.path)
            if isinstance(told, bool) or not isinstance(told, str | int) or not _SENDABLE.fullmatch(str(told)):
                raise BadRow(version.path, "a version was expected that a header can hold")
            native["version"] = str(told)
        return native

    def id(self, item: Any) -> str | None:
        """The record's id; None where it has none that can be one."""
        rule = self._rest.fields["id"]
        held = {path: told for path in (*rule.column, *rule.all) if (told := at(item, path)) is not ABSENT}
        if any(isinstance(told, bool | list | Mapping) for told in held.values()):
            return None
        try:
            id_: str = self._id_reader(tuple(held)).native(tuple(held.values()))["id"]
        except (BadRow, ValueError):
            return None
        return id_

    def missing(self, item: Any) -> tuple[str, ...]:
        """The profile's paths that a record does not have, but those that it may lack."""
        lacks = []
        for rule in self._rest.fields.values():
            named = [at(item, path) is ABSENT for path in (*rule.column, *rule.all)]
            if not rule.optional and (all(named) if rule.column else any(named)) and named:
                lacks += [*rule.column[:1], *rule.all]
        return tuple(dict.fromkeys(lacks))

    def _cell(self, path: str, cell: Any) -> Any:
        """A value as a row holds it. Raises ``BadRow`` for a record in place of a value."""
        converter = self._converters.get(path)
        if isinstance(cell, list):
            if any(isinstance(each, Mapping | list) for each in cell):
                raise BadRow(path, "it holds records, not values")
            return [str(each) for each in cell if each is not None]
        if isinstance(cell, Mapping):
            raise BadRow(path, "it holds a record, not a value")
        if converter is Converter.TIME and cell not in (None, ""):
            told = moment(cell, self._times, self._zone)
            return cell if told is None else told
        if converter is Converter.DATE and isinstance(cell, str) and cell[10:19] == "T00:00:00":
            return cell[:10]  # a day told as its midnight somewhere
        return cell
