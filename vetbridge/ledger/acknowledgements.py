"""Acknowledgements: which failed changes a person has seen to."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.ledger.changes import SUPERSEDED
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Acknowledgement, Change, ChangeState

_AT_ONCE = 500


def put(tx: Transaction, change_ids: Collection[int], *, by: str) -> tuple[Change, ...]:
    """Notes that somebody has seen to these changes; returns those of them that failed and nobody had seen to yet."""
    numbers = sorted(set(change_ids))
    found: list[Change] = []
    for start in range(0, len(numbers), _AT_ONCE):
        found += tx.session.exec(
            select(Change)
            .where(
                col(Change.id).in_(numbers[start : start + _AT_ONCE]),
                sa.or_(col(Change.state) == ChangeState.FAILED, col(Change.code) == SUPERSEDED),
                ~sa.exists().where(col(Acknowledgement.change_id) == col(Change.id)),
            )
            .order_by(col(Change.id))
        )
    for row in found:
        tx.session.add(Acknowledgement(change_id=row.id or 0, by=by, at=tx.now))
    return tuple(found)


def of(tx: Transaction, change_ids: Collection[int]) -> dict[int, Acknowledgement]:
    """Who has seen to these changes, by their numbers; those that nobody has are left out."""
    rows = tx.session.exec(select(Acknowledgement).where(col(Acknowledgement.change_id).in_(sorted(change_ids))))
    return {row.change_id: row for row in rows}
