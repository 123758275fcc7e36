"""Runs: which there were, what each has written, and what of that was taken back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.records import Kind
from vetbridge.ledger import replays
from vetbridge.ledger.content import rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import OPEN_ACTIONS, Action, ActionState, Record, Run

LARGEST = 2**31
"""A number above it is no run's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run, and how much it has written."""

    id: int
    command: str
    started_at: datetime
    ended_at: datetime | None
    """None while it is at work, and after it was cut off."""
    writes: int
    undone: int
    """So many of its writes were taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One write of a run, and the record whose work it was."""

    action_id: int
    site: str
    account: str
    kind: Kind
    operation: str
    remote_id: str | None
    stamp: str
    payload: dict[str, Any] | None
    """None where it is kept no longer (``ledger.keep_bodies_days``)."""
    is_settled: bool
    """False: its answer was lost, and nobody has found out yet what became of it."""
    is_handed: bool
    """Somebody else is to carry it out, and no reading has shown it yet."""
    answered_at: datetime | None
    record_id: int
    source_account: str
    """The account of the record whose work it was, with its kind and its id there."""
    source_kind: Kind
    source_id: str


def newest(tx: Transaction, count: int) -> tuple[RunReport, ...]:
    """The last runs that have written something, the newest first."""
    return _reports(tx, count, sa.true())


def run(tx: Transaction, run_id: int) -> RunReport | None:
    """The run of this number that has written something; None where there is none."""
    if not 0 < run_id < LARGEST:
        return None
    return next(iter(_reports(tx, 1, col(Run.id) == run_id)), None)


def written(tx: Transaction, run_id: int, *, record_id: int | None = None) -> tuple[Written, ...]:
    """What a run has written and nobody has taken back, the newest first; ``record_id``: by that record's work."""
    rows = tx.session.exec(
        select(Action, Record)
        .join(Record, col(Record.id) == Action.record_id)
        .where(
            Action.run_id == run_id,
            Action.state != ActionState.NOT_DONE,
            col(Action.undone_at).is_(None),
            sa.true() if record_id is None else col(Action.record_id) == record_id,
        )
        .order_by(col(Action.id).desc())
    )
    return tuple(_written(tx, action, record) for action, record in rows)


def undone(tx: Transaction, action_ids: Collection[int]) -> None:
    """Notes that writes were taken back."""
    tx.session.exec(sa.update(Action).where(col(Action.id).in_(sorted(action_ids))).values(undone_at=tx.now))


def made(tx: Transaction, account: str, kind: Kind) -> set[str]:
    """Ids of the records of a kind that VetBridge has made at an account."""
    return {
        id_
        for id_ in tx.session.exec(
            select(Action.remote_id).where(
                Action.account == account,
                Action.kind == kind,
                Action.operation == "create",
                Action.state == ActionState.ANSWERED,
            )
        )
        if id_ is not None
    }


def _reports(tx: Transaction, count: int, which: sa.ColumnElement[bool]) -> tuple[RunReport, ...]:
    rows = tx.session.exec(
        select(Run, sa.func.count(col(Action.id)), sa.func.count(col(Action.undone_at)))
        .join(Action, sa.and_(col(Action.run_id) == Run.id, col(Action.state) != ActionState.NOT_DONE))
        .where(which)
        .group_by(*Run.__table__.columns)  # type: ignore[attr-defined]
        .order_by(col(Run.id).desc())
        .limit(count)
    )
    return tuple(
        RunReport(
            id=row.id or 0,
            command=row.command,
            started_at=row.started_at,
            ended_at=row.ended_at,
            writes=writes,
            undone=taken_back,
        )
        for row, writes, taken_back in rows
    )


def unfinished(tx: Transaction, record_id: int) -> tuple[str, str]:
    """Why the work on a record did not get to its end, as its newest change says: code and words."""
    change = replays.change(tx, replays.newest(tx, record_id))
    code = change.code if change is not None else ""
    words = change.message if change is not None else ""
    return code or "not-begun", words or "its site or an account rests, or is busy"


def _written(tx: Transaction, action: Action, record: Record) -> Written:
    sealed = action.payload_sealed
    return Written(
        action_id=action.id or 0,
        site=action.site,
        account=action.account,
        kind=Kind(action.kind),
        operation=action.operation,
        remote_id=action.remote_id,
        stamp=action.stamp,
        payload=None if sealed is None else dict(rich(tx.sealer.open(sealed))),
        is_settled=action.state not in OPEN_ACTIONS,
        is_handed=action.state == ActionState.HANDED,
        answered_at=action.answered_at,
        record_id=action.record_id,
        source_account=record.account,
        source_kind=Kind(record.kind),
        source_id=record.remote_id,
    )
