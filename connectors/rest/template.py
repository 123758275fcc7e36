"""Placeholders in a profile's texts: which there are, and what becomes of a text when they have values.

``{name}`` alone is the value itself, a number as a number; inside a longer text it is the value as text. In a path a
value is percent-encoded, so that no id walks to another place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from vetbridge.connector.interface import Operation
from vetbridge.core.records import Kind

PATHS = frozenset({"id", "key", "version"})
"""Of a request about one record: its id, the key of the write, the version that it was decided on."""

SEARCH_KEYS: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {
        Kind.CLIENT: frozenset({"phone", "email"}),
        Kind.PET: frozenset({"client_id"}),
        Kind.APPOINTMENT: frozenset({"client_id", "pet_id", "start_from", "start_before"}),
    }
)
"""What records are searched by."""
SEARCHED = frozenset().union(*SEARCH_KEYS.values())

_FIELDS: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {
        Kind.CLIENT: frozenset({"given_name", "family_name", "phones", "emails", "phone", "email"}),
        Kind.PET: frozenset({"client_id", "name", "species", "breed", "sex", "birth_date"}),
        Kind.APPOINTMENT: frozenset(
            {
                *("client_id", "pet_id", "start", "end", "duration", "minutes", "status", "appointment_type"),
                *("resource", "notes"),
            }
        ),
    }
)
"""Of the body of a write: the fields of the table ``neutral``, and what is made of them. ``phone`` and ``email`` are
the first ones, ``minutes`` the duration in minutes (``duration`` has seconds), ``end`` when a visit ends."""
_CANCELLED = frozenset({"by", "reason"})
"""Of the body of a cancellation: who cancelled (``client``, or else), and why."""

TEXTS = PATHS | {"stamp"}
BODIES = frozenset().union(*_FIELDS.values(), _CANCELLED, TEXTS)

_SOURCES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "phone": frozenset({"phones"}),
        "email": frozenset({"emails"}),
        "minutes": frozenset({"duration"}),
        "end": frozenset({"start", "duration"}),
    }
)
"""What is made of other fields."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_]*)\}")
_NOTHING = object()


def writable(kind: Kind, operation: Operation) -> frozenset[str]:
    """The placeholders that the body of a write may hold, beside those about the record."""
    if operation is Operation.CANCEL:
        return _CANCELLED
    return _FIELDS.get(kind, frozenset()) | {"stamp"}


def changed(body: Mapping[str, Any]) -> frozenset[str]:
    """The fields of the table ``neutral`` that a body says."""
    held = names(body) - TEXTS
    fields = frozenset().union(*_FIELDS.values())
    return frozenset(source for name in held & fields for source in _SOURCES.get(name, {name}))


def sources(body: Mapping[str, Any], fields: frozenset[str]) -> frozenset[str]:
    """The fields that have to be known so that a body can say these ones."""
    held = [_SOURCES.get(name, frozenset({name})) for name in names(body) - TEXTS]
    return frozenset().union(*(each for each in held if each & fields))


def names(texts: object) -> frozenset[str]:
    """The placeholders in texts, in whatever they stand."""
    if isinstance(texts, str):
        return frozenset(_PLACEHOLDER.findall(texts))
    inside = list(texts.values()) if isinstance(texts, Mapping) else texts
    return frozenset().union(*map(names, inside)) if isinstance(inside, list | tuple) else frozenset()


def path(text: str, values: Mapping[str, Any]) -> str | None:
    """A path with its values, each as one part of it; None where one cannot be a part of a path."""
    parts = {name: _text(values.get(name)) for name in names(text)}
    if any(part in ("", ".", "..") or not part.isprintable() for part in parts.values()):
        return None
    return _PLACEHOLDER.sub(lambda found: quote(parts[found[1]], safe=""), text)


def query(texts: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a query; those without a value are left out."""
    filled = {name: _filled(text, values) for name, text in texts.items()}
    return {name: _text(value) for name, value in filled.items() if value is not _NOTHING and value is not None}


def body(texts: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A body with its values. What has none is left out, with the groups that are left empty by it."""
    filled = _filled(texts, values)
    return filled if isinstance(filled, dict) else {}


def _filled(texts: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(texts, str):
        alone = _PLACEHOLDER.fullmatch(texts)
        if alone is not None:
            return values.get(alone[1], _NOTHING)
        if any(name not in values for name in names(texts)):
            return _NOTHING
        return _PLACEHOLDER.sub(lambda found: _text(values[found[1]]), texts)
    if isinstance(texts, Mapping):
        inside = {name: _filled(text, values) for name, text in texts.items()}
        kept = {name: value for name, value in inside.items() if value is not _NOTHING}
        return kept if kept or not texts else _NOTHING
    if isinstance(texts, list | tuple):
        items = [item for text in texts if (item := _filled(text, values)) is not _NOTHING]
        return items if items or not texts else _NOTHING
    return texts


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
