"""Actions and attempts: every write is written down before it is sent, and settled after."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.records import Kind
from vetbridge.ledger import changes
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import UNSETTLED_ACTIONS, Action, ActionState, Attempt, Change, Reservation


@dataclass(frozen=True, slots=True)
class Intention:
    """A write that was written down, as it can be looked for after a crash."""

    action_id: int
    record_id: int
    """The record whose work it was."""
    kind: Kind
    operation: str
    account: str
    remote_id: str | None
    stamp: str
    payload: dict[str, Any]
    """``native``: what is sent, as plain data; ``fields``: the same in canonical fields; ``here``: the booking's
    comparable fields it was made from; and what the adopting of a found record needs."""
    state: str
    key: str
    """The same for every try at this write, and for no other write."""
    lost_at: datetime | None
    """When its answer was given up; None where nobody noted that, because the process or the worker was gone."""
    created_at: datetime


def intend(
    tx: Transaction,
    change: Change,
    *,
    account: str,
    kind: Kind,
    operation: str,
    remote_id: str | None,
    stamp: str,
    fields: Collection[str],
    payload: dict[str, Any],
    fused: bool = False,
) -> int:
    """Writes an action down, with its first attempt; returns the action's id."""
    assert change.id is not None  # noqa: S101 - it came from the ledger
    action = Action(
        change_id=change.id,
        record_id=change.record_id,
        site=change.site,
        account=account,
        kind=kind,
        operation=operation,
        remote_id=remote_id,
        stamp=stamp,
        state=ActionState.INTENDED,
        payload_sealed=tx.sealer.seal(plain(payload)),
        fields=" ".join(sorted(fields)),
        fused=fused,
        run_id=tx.run_id,
        created_at=tx.now,
    )
    tx.session.add(action)
    tx.session.flush()
    assert action.id is not None  # noqa: S101 - flushed
    tx.session.add(Attempt(action_id=action.id, number=1, state=ActionState.INTENDED, started_at=tx.now))
    return action.id


def close(
    tx: Transaction,
    action_id: int,
    state: ActionState,
    *,
    remote_id: str | None = None,
    code: str = "",
    message: str = "",
) -> None:
    """Says how an action's last attempt ended."""
    action = tx.session.get_one(Action, action_id)
    action.state = state
    if remote_id is not None:
        action.remote_id = remote_id
    if state in (ActionState.ANSWERED, ActionState.NOT_DONE):
        action.answered_at = tx.now
    attempt = _last_attempt(tx, action_id)
    attempt.state = state
    attempt.code = code
    attempt.message = message
    attempt.ended_at = tx.now


def key(tx: Transaction, action_id: int) -> str:
    """The idempotency key of an action. Its moment is in it: a ledger that was restored gives the same ids again."""
    return _key(tx, tx.session.get_one(Action, action_id))


def again(tx: Transaction, action_id: int) -> None:
    """An action is sent once more, just as it was: one more attempt."""
    tx.session.get_one(Action, action_id).state = ActionState.INTENDED
    number = _last_attempt(tx, action_id).number + 1
    tx.session.add(Attempt(action_id=action_id, number=number, state=ActionState.INTENDED, started_at=tx.now))
    tx.session.flush()


def doubt(tx: Transaction, action_id: int) -> int | None:
    """An action that was taken for not done may have been done after all: it has to be looked for.

    Returns the record whose work has to do so; None where it is settled that the action was done.
    """
    action = tx.session.get_one(Action, action_id)
    if action.state == ActionState.ANSWERED:
        return None
    action.state = ActionState.UNKNOWN
    action.answered_at = None
    attempt = _last_attempt(tx, action_id)
    attempt.state = ActionState.UNKNOWN
    attempt.ended_at = tx.now
    return action.record_id


def wrote_lately(tx: Transaction, site: str, account: str, kind: Kind, remote_id: str, within: timedelta) -> bool:
    """Whether VetBridge itself wrote a record within this time: what is found of it then may be its own."""
    written = select(Action.id).where(
        Action.site == site,
        Action.kind == kind,
        col(Action.answered_at) >= tx.now - within,
        Action.account == account,
        Action.remote_id == remote_id,
    )
    return tx.session.exec(written.limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class Done:
    """A write that was answered, with the payload of its intention."""

    operation: str
    payload: dict[str, Any]
    answered_at: datetime


def done_since(tx: Transaction, account: str, kind: Kind, remote_id: str, since: datetime) -> tuple[Done, ...]:
    """The writes of a record that were answered after a moment, oldest first."""
    rows = tx.session.exec(
        select(Action)
        .where(
            Action.account == account,
            Action.kind == kind,
            Action.remote_id == remote_id,
            Action.state == ActionState.ANSWERED,
            col(Action.answered_at) > since,
            col(Action.payload_sealed).is_not(None),
        )
        .order_by(col(Action.answered_at), col(Action.id))
    )
    return tuple(
        Done(row.operation, rich(tx.sealer.open(row.payload_sealed)), row.answered_at)
        for row in rows
        if row.payload_sealed is not None and row.answered_at is not None
    )


def unsettled(tx: Transaction, record_id: int) -> tuple[Intention, ...]:
    """Writes for a record that may or may not have happened, oldest first."""
    rows = tx.session.exec(
        select(Action)
        .where(Action.record_id == record_id, col(Action.state).in_(UNSETTLED_ACTIONS))
        .order_by(col(Action.id))
    )
    return tuple(_intention(tx, row) for row in rows)


def handed(tx: Transaction, record_id: int, account: str) -> tuple[Intention, ...]:
    """Writes for a record that somebody else is to carry out, oldest first."""
    return _handed(tx, Action.record_id == record_id, Action.account == account)


def handed_creates(tx: Transaction, account: str, kind: Kind) -> tuple[Intention, ...]:
    """All records of a kind that somebody is to make at an account, oldest first."""
    return _handed(tx, Action.account == account, Action.kind == kind, Action.operation == "create")


def seems_typed(tx: Transaction, action_id: int, remote_id: str) -> None:
    """A reading shows what may be the record that an action asks somebody to make; whose work that is looks there."""
    tx.session.get_one(Action, action_id).remote_id = remote_id


def is_any_handed(tx: Transaction, account: str) -> bool:
    """Whether somebody is to carry anything out at an account."""
    found = select(Action.id).where(Action.account == account, Action.state == ActionState.HANDED)
    return tx.session.exec(found.limit(1)).first() is not None


def _handed(tx: Transaction, *which: sa.ColumnElement[bool] | bool) -> tuple[Intention, ...]:
    rows = tx.session.exec(select(Action).where(Action.state == ActionState.HANDED, *which).order_by(col(Action.id)))
    return tuple(_intention(tx, row) for row in rows)


def under_way(tx: Transaction, account: str, stamp: str) -> int | None:
    """The record whose work may just have made a record with this stamp, by a write that is not settled yet."""
    return tx.session.exec(
        select(Action.record_id)
        .where(Action.account == account, Action.stamp == stamp, col(Action.state).in_(UNSETTLED_ACTIONS))
        .limit(1)
    ).first()


def made(tx: Transaction, record_id: int, kind: Kind, account: str) -> str | None:
    """The id of what the work on a record has made of a kind at an account; the newest, None where it made none."""
    return tx.session.exec(
        select(Action.remote_id)
        .where(
            Action.record_id == record_id,
            Action.kind == kind,
            Action.account == account,
            Action.operation == "create",
            Action.state == ActionState.ANSWERED,
        )
        .order_by(col(Action.id).desc())
        .limit(1)
    ).first()


def answered_operation(tx: Transaction, change_id: int, kind: Kind, account: str) -> str | None:
    """The last write of a kind that a change has done at an account; None where it has done none."""
    return tx.session.exec(
        select(Action.operation)
        .where(
            Action.change_id == change_id,
            Action.kind == kind,
            Action.account == account,
            Action.state == ActionState.ANSWERED,
        )
        .order_by(col(Action.id).desc())
        .limit(1)
    ).first()


def shown(tx: Transaction, account: str, stamp: str, remote_id: str) -> int | None:
    """A listing shows what a create has made whose outcome is in doubt; returns the record whose work it was."""
    action = tx.session.exec(
        select(Action).where(
            Action.account == account,
            Action.stamp == stamp,
            Action.operation == "create",
            Action.state == ActionState.UNKNOWN,
        )
    ).first()
    if action is None:
        return None
    action.remote_id = remote_id
    return action.record_id


NOT_FOUND = "looked-and-not-found"
"""Code of an attempt that counts as not done because nothing was found."""
BOTH_STAND = "both-stand"
"""Code of an attempt whose record stands beside another one, as a person wants it."""


def refuted(tx: Transaction, account: str, stamp: str) -> int | None:
    """A create with this stamp that was looked for in vain; None where there is none."""
    return tx.session.exec(
        select(Action.id)
        .join(Attempt, col(Attempt.action_id) == Action.id)
        .where(
            Action.account == account,
            Action.stamp == stamp,
            Action.operation == "create",
            Action.state == ActionState.NOT_DONE,
            Attempt.code == NOT_FOUND,
            col(Action.payload_sealed).is_not(None),
        )
        .order_by(col(Action.id).desc())
        .limit(1)
    ).first()


MOST_REFUSED = 4
"""So many creates of one record are taken for not done before a refusal is believed."""


def in_vain(tx: Transaction, record_id: int, account: str, kind: Kind) -> int | None:
    """The last create of a kind for a record that was looked for in vain, None where there is none, or too many."""
    tried = tx.session.exec(
        select(Action.id, Attempt.code)
        .join(Attempt, col(Attempt.action_id) == Action.id)
        .where(
            Action.record_id == record_id,
            Action.account == account,
            Action.kind == kind,
            Action.operation == "create",
            Action.state == ActionState.NOT_DONE,
        )
        .order_by(col(Action.id).desc())
    ).all()
    return next((id_ for id_, code in tried if code == NOT_FOUND), None) if len(tried) <= MOST_REFUSED else None


def count_lost(tx: Transaction, record_id: int, account: str) -> int:
    """How many creates for a record were looked for in vain."""
    lost = (
        select(Action.id)
        .join(Attempt, col(Attempt.action_id) == Action.id)
        .where(
            Action.record_id == record_id,
            Action.account == account,
            Action.operation == "create",
            Action.state == ActionState.NOT_DONE,
            Attempt.code == NOT_FOUND,
        )
    )
    return len(tx.session.exec(lost).all())


def reserve(tx: Transaction, account: str, kind: str, keys: Collection[str], record_id: int) -> bool:
    """Reserves contact keys or slots for a record: all of them, or none where another record holds one.

    What a record has reserved that nobody works on any more is free: its worker was killed, or it has expired.
    """
    hashes = sorted({tx.sealer.hash(f"{kind}:{key}") for key in keys})
    rows = tx.session.exec(
        select(Reservation).where(
            Reservation.account == account, Reservation.kind == kind, col(Reservation.key_hash).in_(hashes)
        )
    ).all()
    for row in rows:
        if row.record_id != record_id and changes.open_change(tx, row.record_id) is not None:
            return False
    for row in rows:
        if row.record_id != record_id:
            tx.session.delete(row)
    tx.session.flush()
    mine = {row.key_hash for row in rows if row.record_id == record_id}
    for key_hash in hashes:
        if key_hash not in mine:
            tx.session.add(
                Reservation(account=account, kind=kind, key_hash=key_hash, record_id=record_id, created_at=tx.now)
            )
    return True


def unreserve(tx: Transaction, record_id: int) -> None:
    """Gives back all that a record had reserved."""
    for row in tx.session.exec(select(Reservation).where(Reservation.record_id == record_id)):
        tx.session.delete(row)


def _key(tx: Transaction, row: Action) -> str:
    return tx.sealer.hash(f"write:{row.account}:{row.id}:{row.created_at.isoformat()}")


def _last_attempt(tx: Transaction, action_id: int) -> Attempt:
    return tx.session.exec(
        select(Attempt).where(Attempt.action_id == action_id).order_by(col(Attempt.number).desc()).limit(1)
    ).one()


def _intention(tx: Transaction, row: Action) -> Intention:
    assert row.id is not None  # noqa: S101 - it came from the ledger
    assert row.payload_sealed is not None  # noqa: S101 - kept until the action is settled
    attempt = _last_attempt(tx, row.id)
    payload = tx.sealer.open(row.payload_sealed)
    return Intention(
        action_id=row.id,
        record_id=row.record_id,
        kind=Kind(row.kind),
        operation=row.operation,
        account=row.account,
        remote_id=row.remote_id,
        stamp=row.stamp,
        payload={**rich(payload), "native": payload.get("native")},
        state=row.state,
        key=_key(tx, row),
        lost_at=attempt.ended_at,
        created_at=row.created_at,
    )
