"""What a rehearsal on a copy of the ledger came to: read from what the copy wrote down meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.answers import FUSE
from vetbridge.ledger import changes
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import OPEN_STATES, Action, ActionState, Change, Fuse, Link, Review


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


def lift_fuses(tx: Transaction) -> None:
    """No fuse holds anything back in a copy any more; the questions about those that had blown stay open."""
    tx.session.exec(sa.update(Fuse).values(blown_at=None))
    changes.wake(tx, {FUSE})


def fused(tx: Transaction, since: Mark) -> dict[str, int]:
    """By site, how many writes since a mark a fuse counts: they cancel, move or overwrite."""
    statement = (
        select(Action.site, sa.func.count())
        .where(col(Action.id) > since.action_id, col(Action.fused), Action.state == ActionState.ANSWERED)
        .group_by(Action.site)
    )
    return dict(tx.session.exec(statement).all())


def endings(tx: Transaction, account: str, kind: str) -> dict[str, tuple[str, str]]:
    """Code and words of the newest change of each record of a kind at one account, by the record's id there."""
    newest = (
        select(sa.func.max(Change.id))
        .where(Change.account == account, Change.kind == kind)
        .group_by(Change.remote_id)
    )
    rows = tx.session.exec(
        select(Change.remote_id, Change.code, Change.message).where(col(Change.id).in_(newest))
    ).all()
    return {remote_id: (code, message) for remote_id, code, message in rows}


def linked(tx: Transaction, booking_account: str, pims_account: str, kind: str) -> dict[str, tuple[str, ...]]:
    """Which records of a kind in the PIMS are linked, each with those of the booking side; primary links first."""
    rows = tx.session.exec(
        select(Link.pims_id, Link.booking_id)
        .where(
            Link.booking_account == booking_account,
            Link.pims_account == pims_account,
            Link.kind == kind,
            col(Link.ended_at).is_(None),
        )
        .order_by(col(Link.role).desc(), col(Link.id))
    ).all()
    found: dict[str, tuple[str, ...]] = {}
    for pims_id, booking_id in rows:
        found[pims_id] = (*found.get(pims_id, ()), booking_id)
    return found
