"""What a rehearsal on a copy of the ledger came to: read from what the copy wrote down meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import OPEN_STATES, Action, ActionState, Change, Review


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the copy stood when the rehearsal began."""

    change_id: int
    action_id: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWrite:
    """One write that would be sent. Ids and names of fields alone, no value."""

    account: str
    kind: str
    operation: str
    remote_id: str | None
    """None for a record that would be made."""
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChange:
    """What would become of one change."""

    change: int | None
    """Its number; None where the rehearsal itself opened it."""
    record_id: int
    site: str
    account: str
    kind: str
    remote_id: str
    source: str
    visit_at: datetime | None
    state: str
    """The state it would be in then, with the reason as a code and in words."""
    code: str
    message: str
    asks: str
    """Why a person would be asked, as a code; empty where nobody would."""
    writes: tuple[PlannedWrite, ...]


def mark(tx: Transaction) -> Mark:
    """Where the ledger stands now."""
    newest_change = tx.session.exec(select(sa.func.max(Change.id))).one()
    newest_action = tx.session.exec(select(sa.func.max(Action.id))).one()
    return Mark(newest_change or 0, newest_action or 0, tx.now)


def planned(tx: Transaction, since: Mark) -> dict[int, PlannedChange]:
    """What would become of every change that was worked on since a mark or is still open, by its number in the copy.

    The soonest visit comes first; changes without a visit's time come last.
    """
    rows = tx.session.exec(
        select(Change).where(sa.or_(col(Change.updated_at) >= since.at, col(Change.state).in_(OPEN_STATES)))
    ).all()
    writes = _writes(tx, since)
    asked: dict[int, str] = dict(
        tx.session.exec(
            select(Review.change_id, Review.why).where(Review.state == "open", col(Review.record_id).is_not(None))
        ).all()
    )
    found = {
        row.id: PlannedChange(
            change=row.id if row.id <= since.change_id else None,
            record_id=row.record_id,
            site=row.site,
            account=row.account,
            kind=row.kind,
            remote_id=row.remote_id,
            source=row.source,
            visit_at=row.visit_at,
            state=row.state,
            code=row.code,
            message=row.message,
            asks=asked.get(row.id, ""),
            writes=writes.get(row.id, ()),
        )
        for row in rows
        if row.id is not None
    }
    return dict(
        sorted(found.items(), key=lambda item: (item[1].visit_at is None, item[1].visit_at or since.at, item[0]))
    )


def _writes(tx: Transaction, since: Mark) -> dict[int, tuple[PlannedWrite, ...]]:
    """The writes that were taken since a mark, by change, in order."""
    rows = tx.session.exec(
        select(Action)
        .where(col(Action.id) > since.action_id, Action.state == ActionState.ANSWERED)
        .order_by(col(Action.id))
    )
    found: dict[int, tuple[PlannedWrite, ...]] = {}
    for row in rows:
        made = row.operation == "create"
        write = PlannedWrite(
            account=row.account,
            kind=row.kind,
            operation=row.operation,
            remote_id=None if made else row.remote_id,
            fields=() if row.operation == "cancel" else tuple(row.fields.split()),
        )
        found[row.change_id] = (*found.get(row.change_id, ()), write)
    return found
