"""All that the ledger holds about one owner, as they may ask to see it: opened, and without other people's data."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, TypeVar

from sqlmodel import SQLModel, col, select

from vetbridge.core.records import Kind
from vetbridge.ledger import suppression
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.holdings import BATCH, OF_OTHERS, Holdings, Rows
from vetbridge.ledger.owners import Owner
from vetbridge.ledger.suppression import Key
from vetbridge.ledger.tables import Access, Audit, Change

Row = TypeVar("Row", bound=SQLModel)

_HASHES = frozenset({"subject_keys", "match_keys", "reservations", "digests"})
"""What is nothing but keyed hashes: they say nothing to anybody."""
_JSON = frozenset({"content", "client_ids", "label"})
"""Columns of observations that hold JSON."""


def disclosed(tx: Transaction, found: Holdings) -> dict[str, Any]:
    """All that the ledger holds about an owner, as plain data with keys that can be read."""
    owner = found.owner
    numbers = (*found.records, *found.file_rows)
    changes = _rows(tx, Change, Change.record_id, numbers)
    about = {
        "client": [each.named for each in owner.clients],
        "record": numbers,
        "change": [row.id for row in changes],
        "review": found.rows["questions"].numbers(),
        "worklist": found.rows["lines"].numbers(),
    }
    looks = [row for subject, ids in about.items() for row in _of(tx, Access, subject, ids)]
    acts = [row for subject, ids in about.items() for row in _of(tx, Audit, subject, ids)]
    return {
        "made_at": tx.now,
        "owner": {
            "clients": _names(owner.clients),
            "pets": _names(owner.pets),
            "visits": _names(owner.visits),
            "files": _names(owner.files),
            "forgotten": any(suppression.is_forgotten(tx, *each) for each in owner.records),
        },
        "changes": [_shown(tx, row) for row in changes],
        "accesses": [_shown(tx, row) for row in sorted(looks, key=lambda row: row.id or 0)],
        "acts": [_shown(tx, row) for row in sorted(acts, key=lambda row: row.id or 0)],
        **{name: _sort(tx, rows, owner) for name, rows in found.rows.items()},
    }


def _of(tx: Transaction, model: type[Row], subject: str, ids: Collection[object]) -> list[Row]:
    """What people did, or looked at, by what it was done to."""
    found = _rows(tx, model, model.subject_id, [str(each) for each in ids])  # type: ignore[attr-defined]
    return [row for row in found if row.subject == subject]  # type: ignore[attr-defined]


def _sort(tx: Transaction, rows: Rows, owner: Owner) -> Any:
    """The rows of one sort; only how many there are of those that are hashes alone, or somebody else's data."""
    if rows.name in _HASHES or rows.name.endswith(OF_OTHERS):
        return {"count": len(rows.marks)}
    clients = owner.ids(Kind.CLIENT)
    return [
        _without_others(_shown(tx, row), clients)
        for some in rows.batches(emptied=True)
        for row in tx.session.scalars(select(rows.model).where(some))
    ]


def _without_others(value: Any, clients: Collection[str]) -> Any:
    """What is kept of an owner, without whom else a booking might have meant."""
    if isinstance(value, list):
        return [_without_others(each, clients) for each in value]
    if not isinstance(value, dict):
        return value
    shown = {name: _without_others(each, clients) for name, each in value.items()}
    if isinstance(shown.get("candidates"), list):
        shown["candidates"] = [
            each for each in shown["candidates"] if isinstance(each, dict) and each.get("client_id") in clients
        ]
    if isinstance(shown.get("client_ids"), list):  # their places count
        shown["client_ids"] = [id_ if id_ in clients else None for id_ in shown["client_ids"]]
    return shown


def _rows(tx: Transaction, model: type[Row], column: Any, ids: Collection[Any]) -> list[Row]:
    wanted = sorted(ids)
    return [
        row
        for start in range(0, len(wanted), BATCH)
        for row in tx.session.exec(select(model).where(col(column).in_(wanted[start : start + BATCH])))
    ]


def _shown(tx: Transaction, row: SQLModel) -> dict[str, Any]:
    """A row as a person reads it: what is sealed is opened, and hashes are left out."""
    shown: dict[str, Any] = {}
    for name, value in row.model_dump().items():
        if name == "forms_sealed":
            continue  # the same as the content, as it is compared
        if name.endswith("_sealed"):
            shown[name.removesuffix("_sealed")] = None if value is None else _plain(tx.sealer.open(value))
        elif not name.endswith("_hash"):
            shown[name] = json.loads(value) if name in _JSON and value else value
    return shown


def _plain(value: Any) -> Any:
    """What ``vetbridge.ledger.content`` has written, without its marks."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (mark, content) = next(iter(value.items()))
        if mark == "$instant":
            return content[0]
        if mark.startswith("$"):
            return _plain(content)
    return {name: _plain(each) for name, each in value.items()}


def _names(keys: Iterable[Key]) -> list[str]:
    return [key.named for key in sorted(keys)]
