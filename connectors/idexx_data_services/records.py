"""Rows of an entity set as records: a row's values at the profile's properties are columns, ``connector.rows`` reads
them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from connectors.idexx_data_services.profile import FILE_CONVERTERS, Owners, SetKind, Times
from vetbridge.connector import odata
from vetbridge.connector.interface import Native
from vetbridge.connector.rows import BadRow, Converter, FieldRule, KindRules, RowReader
from vetbridge.connector.rows.profile import CONVERTERS
from vetbridge.core.records import Kind

ABSENT = object()
"""A row has no such property, not even as null."""

MOST_ITEMS = 200
"""Rows of a collection inside of a row that are looked at."""


def at(row: Any, path: str) -> Any:
    """What stands at a property, or inside of one: ``Owner/Id``; of a collection each row's. ``ABSENT`` where there
    is no such property; null on the way there is null."""
    name, _, rest = path.partition("/")
    if row is None:
        return None
    if not isinstance(row, Mapping) or name not in row:
        return ABSENT
    inside = row[name]
    if not rest:
        return inside
    if isinstance(inside, list):
        found = [at(each, rest) for each in inside[:MOST_ITEMS]]
        return [each for each in found if each is not ABSENT and each is not None]
    return at(inside, rest)


def word(told: Any) -> str | None:
    """A short text or a whole number as text; None where it is neither."""
    if told is ABSENT or isinstance(told, bool) or not isinstance(told, str | int):
        return None
    text = str(told).strip()
    return text if text and len(text) <= 255 else None


class Records:
    """Reads the rows of one kind. ``zone`` is the site's."""

    def __init__(self, kind: Kind, rules: SetKind, times: Times, zone: str) -> None:
        self._rules = rules
        self._times = times
        self._zone = zone
        known = CONVERTERS.get(kind, FILE_CONVERTERS)
        fields = {name: _read_as(rule, known[name]) for name, rule in rules.fields.items()}
        self._converters = {
            path: rule.read_as for rule in fields.values() for path in (*rule.column, *rule.all) if rule.read_as
        }
        gone = rules.deleted_when
        self._paths = tuple(dict.fromkeys((*self._converters, *((gone.column, *gone.others) if gone else ()))))
        read = KindRules(fields=fields, deleted_when=gone)
        self._reader = lru_cache(maxsize=64)(partial(RowReader, kind, read, zone=zone))
        self._id = fields["id"].column[0]
        self._id_reader = RowReader(kind, KindRules(fields={"id": fields["id"]}), (self._id,))

    def native(self, row: Native) -> Native:
        """The flat record. Raises ``BadRow`` with the property, and ``ValueError`` with all that are not there."""
        held = {path: self._cell(path, cell) for path in self._paths if (cell := at(row, path)) is not ABSENT}
        native = self._reader(tuple(held)).native(tuple(held.values()))
        if self._rules.owners is not None:
            _share(native, self._rules.owners, row)
        stamps = [f"{at(row, path)}" for path in self._rules.changed.properties] if self._rules.changed else []
        said = "\n".join([str(native["version"]), str(native.get("co_owner_ids")), *stamps])
        native["version"] = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        return native

    def id(self, row: Native) -> str | None:
        """The row's id; None where it has none that can be one."""
        told = at(row, self._id)
        if told is ABSENT or isinstance(told, bool | list | Mapping):
            return None
        try:
            id_: str = self._id_reader.native((told,))["id"]
        except (BadRow, ValueError):
            return None
        return id_

    def changed(self, row: Native) -> datetime | None:
        """When a row was changed last, as it says."""
        if self._rules.changed is None:
            return None
        told = [self._moment(at(row, path)) for path in self._rules.changed.properties]
        return max((each for each in told if each is not None), default=None)

    def missing(self, row: Native) -> tuple[str, ...]:
        """The profile's properties that a row does not have, but those that it may lack."""
        lacks = []
        for rule in self._rules.fields.values():
            named = [at(row, path) is ABSENT for path in (*rule.column, *rule.all)]
            if not rule.optional and (all(named) if rule.column else any(named)) and named:
                lacks += [*rule.column[:1], *rule.all]
        return tuple(dict.fromkeys(lacks))

    def _moment(self, told: Any) -> datetime | None:
        """A moment with an offset; one without goes by the clock that the profile names."""
        at_ = odata.moment(told)
        if at_ is None or at_.tzinfo is not None:
            return at_
        return at_.replace(tzinfo=UTC if self._times.zone == "utc" else ZoneInfo(self._zone))

    def _cell(self, path: str, cell: Any) -> Any:
        """A value as a row holds it. Raises ``BadRow`` for rows in place of a value."""
        if isinstance(cell, list):
            if any(isinstance(each, Mapping | list) for each in cell):
                raise BadRow(path, "it holds rows, not values")
            return [str(each) for each in cell if each is not None]
        if isinstance(cell, Mapping):
            raise BadRow(path, "it holds a row, not a value")
        converter = self._converters.get(path)
        if converter is Converter.TIME and isinstance(cell, str):
            return self._moment(cell) or cell
        if converter is Converter.DATE and isinstance(cell, str) and cell[10:19] == "T00:00:00":
            return cell[:10]  # a day that is told as its midnight somewhere
        return cell


def _read_as(rule: FieldRule, converter: Converter) -> FieldRule:
    return rule if rule.read_as is not None else rule.model_copy(update={"read_as": converter})


def _share(native: Native, owners: Owners, row: Native) -> None:
    """Puts the owners of a patient in: the primary one, else the one with the largest share, else the lowest id; all
    others beside it, the largest share first."""
    told = at(row, owners.list)
    shares = sorted(_shares(owners, told if isinstance(told, list) else []))
    if not shares:
        return
    ids = list(dict.fromkeys(id_ for *_, id_ in shares))
    native["client_id"] = native.get("client_id") or ids[0]
    native["co_owner_ids"] = [id_ for id_ in ids if id_ != native["client_id"]]


def _shares(owners: Owners, rows: list[Any]) -> Iterator[tuple[bool, float, str]]:
    for row in rows[:MOST_ITEMS]:
        id_ = word(at(row, owners.client_id))
        percent = at(row, owners.percent)
        share = float(percent) if isinstance(percent, int | float) and not isinstance(percent, bool) else 0.0
        is_primary = owners.primary is not None and at(row, owners.primary) is True
        if id_ is not None:
            yield not is_primary, -share, id_
