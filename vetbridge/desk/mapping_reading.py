"""What a site's mappings make of records: of one, there and back, and what another config would make of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from vetbridge.connector.interface import Connector, Native
from vetbridge.core.errors import MappingError
from vetbridge.core.records import Kind, Record
from vetbridge.mapping import Mapper

MOST_IDS: Final = 20
"""Ids that a difference names; it counts all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One record through a mapping."""

    fields: Mapping[str, Any]
    """What VetBridge reads, by canonical field, dotted; those that say nothing are left out."""
    written: Mapping[str, Any]
    """What it would send for the fields that it may write."""
    unwritten: Mapping[str, str]
    """Fields that could not be written, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOtherwise:
    """One way in which records of a kind are read otherwise."""

    account: str
    kind: Kind
    field: str
    """The canonical field; "" where the record as a whole can be read now and could not before, or the other way."""
    what: str
    """``changed``, ``fails now``, ``can be read now``."""
    count: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two mappings of one side over the same records."""

    account: str
    looked_at: Mapping[str, int]
    """Records that were read, by kind."""
    differences: tuple[ReadOtherwise, ...]


def tried(mapper: Mapper, kind: Kind, native: Native) -> Tried:
    """A native record as the mapping reads it, and what it would write of that. Raises ``MappingError``."""
    record = mapper.read(kind, native)
    read = {
        name: value for name, value in _flat(record) if name in mapper.readable(kind) and value not in (None, "", ())
    }
    written: dict[str, Any] = {}
    unwritten = {}
    for name in sorted(mapper.writable(kind) & read.keys()):
        try:
            _merge(written, mapper.write(kind, {name: read[name]}))
        except MappingError as error:
            unwritten[name] = error.message
    return Tried(fields={name: plain(value) for name, value in read.items()}, written=written, unwritten=unwritten)


def listed(connector: Connector, kind: Kind, most: int) -> Iterator[tuple[str, Native]]:
    """Records of a kind as the side lists them now, at the most so many."""
    if not connector.capabilities.of(kind).read or most < 1:
        return
    every = (
        (found.id, found.native)
        for page in connector.changes(kind, None)
        for found in page.records
        if found.native is not None and not found.deleted
    )
    yield from islice(every, most)


def compare(connector: Connector, account: str, before: Mapper, after: Mapper, *, most: int) -> Compared:
    """What another mapping would read otherwise in the records that a side lists: counts, fields and ids."""
    looked_at: Counter[str] = Counter()
    found: dict[tuple[Kind, str, str], list[str]] = {}
    for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT):
        if before.digest == after.digest or kind not in after.table.kinds:
            continue
        for id_, native in listed(connector, kind, most):
            looked_at[kind.value] += 1
            for name, what in _differences(kind, native, before, after):
                found.setdefault((kind, name, what), []).append(id_)
    return Compared(
        account=account,
        looked_at=dict(looked_at),
        differences=tuple(
            ReadOtherwise(
                account=account, kind=kind, field=name, what=what, count=len(ids), ids=tuple(ids[:MOST_IDS])
            )
            for (kind, name, what), ids in found.items()
        ),
    )


def _differences(kind: Kind, native: Native, before: Mapper, after: Mapper) -> Iterator[tuple[str, str]]:
    was, now = _read(before, kind, native), _read(after, kind, native)
    if was is None and now is None:
        return
    if was is None:
        yield "", "can be read now"
    elif now is None:
        yield "", "fails now"
    else:
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                yield name, "changed"


def _read(mapper: Mapper, kind: Kind, native: Native) -> dict[str, Any] | None:
    try:
        return dict(_flat(mapper.read(kind, native)))
    except MappingError:
        return None


def _flat(record: Record, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for each in fields(record):
        value = getattr(record, each.name)
        if is_dataclass(value) and not isinstance(value, type) and each.name in ("booker", "booked_pet"):
            yield from _flat(value, f"{each.name}.")  # type: ignore[arg-type]
        else:
            yield f"{prefix}{each.name}", value


def plain(value: Any) -> Any:
    """A field's value as plain data."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
