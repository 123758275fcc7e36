"""What a client's card says about the next service that is due: custom fields and labels that the config names.

Pure: no I/O, no clock. Altegio knows no due services (altegio.md, 3.6, 3.9); the clinic's own campaigns can choose
clients by what stands here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from connectors.altegio import wire
from vetbridge.connector.interface import Native

FIELDS: Final = {"service": "name", "pet": "pet_name", "date": "due_on", "notified": "notified"}
"""What a custom field holds, by the option's word: the field of the flat record."""

LABELS: Final = {"soon": "due_soon", "overdue": "overdue"}
"""What a label says, by the option's word."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)", re.ASCII)


def shown(card: Mapping[str, Any], fields: Mapping[str, str], labels: Mapping[str, str]) -> Native:
    """What a card says, flat for the mapping, where it has a place. A day that is none reads as none: people may type
    anything. Raises ``wire.Unreadable`` where the card does not tell its custom fields, or its labels."""
    custom = _custom(card) if fields else {}
    told: Native = {"id": wire.as_id(card.get("id"))}
    for what, code in fields.items():
        text = wire.one_line(wire.choice(custom.get(code)))
        told[FIELDS[what]] = _day(text) if what == "date" else text
    held = _labels(card) if labels else []
    told |= {LABELS[what]: int(label) in held for what, label in labels.items()}
    return {**told, "last_change_date": wire.as_text(card.get("last_change_date"))}


def changed(
    card: Mapping[str, Any], native: Mapping[str, Any], fields: Mapping[str, str], labels: Mapping[str, str]
) -> Native:
    """The card's custom fields and labels as a full update sends them: all that others have put there stays. Raises
    ``wire.Unreadable``."""
    values: Native = {}
    if fields:
        values["custom_fields"] = custom = dict(_custom(card))
        for what, code in fields.items():
            if FIELDS[what] in native:
                text = wire.one_line(native[FIELDS[what]])
                custom[code] = [text] if text and isinstance(custom.get(code), list) else text
    if labels:
        held = _labels(card)
        for what, label in labels.items():
            if LABELS[what] in native:
                held = [each for each in held if each != int(label)]
                held += [int(label)] if native[LABELS[what]] else []
        values["categories"] = held
    return values


def lost(native: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Fields of a write that a card does not show so."""
    return [name for name, wanted in native.items() if _plain(wanted) != _plain(now.get(name))]


def _plain(value: object) -> object:
    return (wire.one_line(value) if isinstance(value, str) else value) or None


def _custom(card: Mapping[str, Any]) -> dict[str, Any]:
    """What is hidden, null too, must not be written back as nothing; so with labels."""
    if card.get("custom_fields") is None:
        raise wire.Unreadable("custom_fields")
    return wire.custom_values(card)


def _labels(card: Mapping[str, Any]) -> list[int]:
    value = card.get("categories")
    if value is None:
        raise wire.Unreadable("categories")
    if wire.is_empty(value):
        return []
    ids = [wire.as_id(each.get("id") if isinstance(each, dict) else each) for each in wire.as_list(value)]
    known = [int(id_) for id_ in ids if id_ is not None]
    if not known or len(known) < len(ids):
        raise wire.Unreadable("categories")
    return known


def _day(text: str) -> str | None:
    found = _DAY.match(text)
    try:
        return date.fromisoformat(found[0]).isoformat() if found else None
    except ValueError:
        return None
