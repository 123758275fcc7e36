"""Episodes: conditions from when they were first found until they were over, however often VetBridge looked."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import col, select

from vetbridge.core.conditions import Code, Condition, Scope
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Episode

SEEN_EVERY = timedelta(minutes=2)
"""That a condition still holds is written down so often, and not at every look."""


@dataclass(frozen=True, slots=True)
class Updated:
    """What a look has changed."""

    raised: tuple[Episode, ...]
    cleared: tuple[Episode, ...]


def condition(row: Episode) -> Condition:
    """The condition of an episode, as it was found last."""
    return Condition(
        code=Code(row.code),
        scope=Scope(row.scope),
        name=row.name,
        kind=row.kind,
        since=row.since,
        details=json.loads(row.details) if row.details else {},
    )


def standing(tx: Transaction) -> tuple[Episode, ...]:
    """Those that are not over, in the order in which they were raised."""
    rows = tx.session.exec(select(Episode).where(col(Episode.cleared_at).is_(None)).order_by(col(Episode.id)))
    return tuple(row for row in rows if _is_known(row))


def past(tx: Transaction, *, limit: int) -> tuple[Episode, ...]:
    """Those that are over, the last one to end first."""
    rows = tx.session.exec(
        select(Episode)
        .where(col(Episode.cleared_at).is_not(None))
        .order_by(col(Episode.cleared_at).desc(), col(Episode.id).desc())
        .limit(limit)
    )
    return tuple(row for row in rows if _is_known(row))


def is_due(tx: Transaction, conditions: Iterable[Condition], over: Collection[str]) -> bool:
    """Whether ``update`` has anything to write."""
    rows = {row.key: row for row in standing(tx)}
    return any(key in rows for key in over) or any(
        found.key not in rows or _moves(tx, rows[found.key], found) for found in conditions
    )


def update(tx: Transaction, conditions: Iterable[Condition], over: Collection[str]) -> Updated:
    """Opens an episode for each condition that has none, and ends those whose key is in ``over``.

    Of two conditions with one key the first counts. What is neither found nor over stays as it is.
    """
    rows = {row.key: row for row in _open_rows(tx)}
    raised = []
    for found in conditions:
        row = rows.get(found.key)
        if row is None:
            row = rows[found.key] = _raised(tx, found)
            raised.append(row)
        elif _moves(tx, row, found):
            row.seen_at = tx.now
            row.details = _details(found)
    cleared = [row for key, row in rows.items() if key in over]
    for row in cleared:
        row.cleared_at = tx.now
    tx.session.flush()
    return Updated(tuple(raised), tuple(cleared))


def note_past(tx: Transaction, found: Condition) -> Episode:
    """Writes down one that could be written down only now that it is over."""
    row = _raised(tx, found)
    row.raised_at = found.since
    row.cleared_at = tx.now
    tx.session.flush()
    return row


def _raised(tx: Transaction, found: Condition) -> Episode:
    row = Episode(
        key=found.key,
        code=found.code,
        scope=found.scope,
        name=found.name,
        kind=found.kind,
        details=_details(found),
        since=found.since,
        seen_at=tx.now,
        raised_at=tx.now,
    )
    tx.session.add(row)
    return row


def _moves(tx: Transaction, row: Episode, found: Condition) -> bool:
    """Whether what stands there is to be written anew. A question's details hold its visit: a moved one is told."""
    changed = found.code is Code.QUESTION_SOON and row.details != _details(found)
    return changed or abs(tx.now - row.seen_at) >= SEEN_EVERY


def _details(found: Condition) -> str:
    return json.dumps(dict(found.details), sort_keys=True, separators=(",", ":")) if found.details else ""


def _open_rows(tx: Transaction) -> list[Episode]:
    return list(tx.session.exec(select(Episode).where(col(Episode.cleared_at).is_(None)).order_by(col(Episode.id))))


def _is_known(row: Episode) -> bool:
    """Not where a newer VetBridge has written it."""
    return row.code in tuple(Code) and row.scope in tuple(Scope)
