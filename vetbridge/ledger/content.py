"""Canonical values as plain JSON, for sealed columns, and back."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime
from typing import Any

from vetbridge.core.instants import Instant
from vetbridge.core.records import RECORD_TYPES, AppointmentStatus, Record

_RECORDS: dict[str, type[Record]] = {kind.value: type_ for kind, type_ in RECORD_TYPES.items()}
_TAGS = {type_: f"${name}" for name, type_ in _RECORDS.items()}
_FIELDS = {type_: tuple(f.name for f in fields(type_)) for type_ in _RECORDS.values()}
_LEFT_OUT = frozenset({"opted_out", "co_owners", "carer_id", "co_owner_ids"})
"""Fields that came later: where they say nothing, content has the digest that it had before."""
_AS_IT_IS = frozenset([str, int, bool, float, type(None)])
"""Types of values that JSON keeps as they are: most values of a record."""


def plain(value: Any) -> Any:
    """A canonical value (record, instant, date, mapping, sequence, scalar) as JSON-like data."""
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, Instant):
        return {"$instant": [value.utc.isoformat(), value.zone, value.local]}
    if isinstance(value, date) and not isinstance(value, datetime):
        return {"$date": value.isoformat()}
    if type(value) in _TAGS:
        held = {name: plain(getattr(value, name)) for name in _FIELDS[type(value)]}
        return {_TAGS[type(value)]: {k: v for k, v in held.items() if v not in (None, []) or k not in _LEFT_OUT}}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def rich(value: Any) -> Any:
    """The canonical value that ``plain`` wrote; sequences come back as tuples."""
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, list):
        return tuple(rich(item) for item in value)
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (tag, content) = next(iter(value.items()))
        if tag == "$instant":
            return Instant(datetime.fromisoformat(content[0]), content[1], content[2])
        if tag == "$date":
            return date.fromisoformat(content)
        if tag[:1] == "$" and tag[1:] in _RECORDS:
            return _record(_RECORDS[tag[1:]], content)
    return {key: rich(item) for key, item in value.items()}


def _record(type_: type[Record], content: dict[str, Any]) -> Record:
    known = _FIELDS[type_]
    values = {name: rich(item) for name, item in content.items() if name in known}
    if "status" in values:
        values["status"] = AppointmentStatus(values["status"])
    return type_(**values)
