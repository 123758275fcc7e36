"""What the ledger's moments become when the machine's clock was set: nothing waits, holds or counts for that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import (
    OPEN_STATES,
    UNSETTLED_ACTIONS,
    Account,
    Action,
    Attempt,
    Budget,
    Change,
    Delivery,
    FileLook,
    Fuse,
    GoingLive,
    MassEnd,
    Record,
    Review,
    StaffSession,
)

_AHEAD: Sequence[tuple[Any, Sequence[Any]]] = (
    (Account, (col(Account.paused_until),)),
    (Budget, (col(Budget.paused_until),)),
    (Delivery, (col(Delivery.next_at),)),
    (Review, (col(Review.claimed_until),)),
    # What was let through by a person would count for more than an hour, and the first days for longer.
    (Fuse, (col(Fuse.counted_from),)),
    (MassEnd, (col(MassEnd.counted_from),)),
    (GoingLive, (col(GoingLive.approved_at), col(GoingLive.quota_from))),
    (StaffSession, (col(StaffSession.seen_at), col(StaffSession.ends_at))),
    # Nobody would be asked for files, and all that come would be history.
    (FileLook, (col(FileLook.looked_at),)),
)
"""What would lie ahead for too long after the clock was set back."""


def moved(tx: Transaction, by: timedelta) -> None:
    """The clock was set ``by`` so much; ``tx.now`` is the new time.

    Set back, what was due soon is due as soon as before. Set forward, what is due early is harmless, as it is looked
    at again; but that a record was missed, and that a write was lost, is as long ago as before: else a visit would
    count as gone, or a write would be sent again, too early. Moments that a person has chosen stay.
    """
    _shift(tx, Record, (col(Record.missed_at),), by, col(Record.missed_at).is_not(None))
    lost = select(Action.id).where(col(Action.state).in_(UNSETTLED_ACTIONS))
    _shift(tx, Attempt, (col(Attempt.ended_at),), by, col(Attempt.action_id).in_(lost))
    if by > timedelta():
        return
    _shift(tx, Change, (col(Change.next_at),), by, col(Change.state).in_(OPEN_STATES))
    for table, columns in _AHEAD:
        _shift(tx, table, columns, by, sa.true())


def _shift(tx: Transaction, table: Any, columns: Sequence[Any], by: timedelta, where: sa.ColumnElement[bool]) -> None:
    """Moves the moments of these columns; of a clock that was set back only those that lie ahead now."""
    keys = sa.inspect(table).primary_key
    for column in columns:
        ahead = column > tx.now if by < timedelta() else column.is_not(None)
        for *key, at in tx.session.execute(sa.select(*keys, column).where(where, ahead)).all():
            this = sa.and_(*(one == value for one, value in zip(keys, key, strict=True)))
            tx.session.execute(sa.update(table).where(this).values({column.key: at + by}))
    tx.session.expire_all()
