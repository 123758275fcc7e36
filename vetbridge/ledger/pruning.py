"""Deletes rows that are older than the config keeps them, and only those that no decision can depend on any more.

Of changes that are settled:

- They go with their writes, the tries at them, the questions that the facts have closed, notes, acknowledgements, and
  what the matcher saw. The newest change of a client, of a pet and of a row of a file stays; of a visit that is over,
  none.
- What people have answered stays, and so do the changes that it is about: it is never overruled on the same facts.
- Writes stay that made a client or a pet, or that were looked for in vain: they are why none is made a second time.

Links, records and the mirror are not touched, but for visits there that are long over; nor is what is open, in doubt,
failed and seen by nobody, or about a visit that is still to come. Notices to owners go once nothing of them could be
told again. Personal values end sooner:
``vetbridge.ledger.retention``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel, col

from vetbridge.config.models import Retention
from vetbridge.core.records import Kind
from vetbridge.ledger import due as due_services
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import (
    OPEN_ACTIONS,
    Access,
    Acknowledgement,
    Action,
    ActionState,
    Attempt,
    Audit,
    AuditSeal,
    Change,
    ChangeState,
    Episode,
    Link,
    Observation,
    Review,
    ReviewNote,
    Run,
    Worklist,
)

BATCH = 200
"""Changes that one transaction deletes: the one writer is never held for long."""

_newer: type[Change] = sa.orm.aliased(Change)
_older: type[Review] = sa.orm.aliased(Review)


@dataclass(slots=True, kw_only=True)
class Pruned:
    """How many rows were deleted, by sort."""

    changes: int = 0
    writes: int = 0
    questions: int = 0
    lines: int = 0
    runs: int = 0
    episodes: int = 0
    acts: int = 0
    """Of the audit."""
    accesses: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(getattr(self, field.name) for field in fields(self))


def prune_rows(ledger: Ledger, retention: Retention, stopping: Callable[[], bool] = lambda: False) -> Pruned:
    """Deletes what is older than it is kept; 0 days keep all.

    Each batch is a transaction of its own: whoever kills it loses nothing, and the next time goes on. Between two
    batches it ends early once ``stopping()`` says so. Raises ``LedgerError`` where the ledger takes no transaction.
    """
    done = Pruned()
    with ledger.read() as tx:
        changes, acts, accesses = _limits(tx, retention)
    if changes is not None:
        after = 0
        while not stopping() and (after := _changes(ledger, changes, after, done)):
            pass
        done.lines = _simple(ledger, Worklist, _lines(changes), stopping)
        done.runs = _simple(ledger, Run, _runs(changes), stopping)
        done.episodes = _simple(ledger, Episode, col(Episode.cleared_at) < changes, stopping)
    if acts is not None:
        done.acts = _audit(ledger, acts, stopping)
    if accesses is not None:
        done.accesses = _simple(ledger, Access, col(Access.at) < accesses, stopping)
    _visits(ledger, stopping)
    with ledger.write() as tx:
        due_services.drop_notices(tx, tx.now - due_services.NOTICES_KEPT)
    return done


def due(tx: Transaction, retention: Retention) -> Pruned:
    """How many rows would be deleted now."""
    found = Pruned()
    changes, acts, accesses = _limits(tx, retention)
    if changes is not None:
        old = sa.select(col(Change.id)).where(_old(changes))
        found.changes = _count(tx, Change, _old(changes))
        found.writes = _count(tx, Action, col(Action.change_id).in_(old))
        found.questions = _count(tx, Review, col(Review.change_id).in_(old))
        found.lines = _count(tx, Worklist, _lines(changes))
        found.runs = _count(tx, Run, _runs(changes))
        found.episodes = _count(tx, Episode, col(Episode.cleared_at) < changes)
    if acts is not None:
        found.acts = _count(tx, Audit, col(Audit.id) <= _last_act(tx, acts))
    if accesses is not None:
        found.accesses = _count(tx, Access, col(Access.at) < accesses)
    return found


def _limits(tx: Transaction, retention: Retention) -> tuple[datetime | None, datetime | None, datetime | None]:
    days = (retention.changes_days, retention.audit_days, retention.access_days)
    one, two, three = (tx.now - timedelta(days=each) if each else None for each in days)
    return one, two, three


def _count(tx: Transaction, model: type[SQLModel], fits: sa.ColumnElement[bool]) -> int:
    return tx.session.scalar(sa.select(sa.func.count()).select_from(model).where(fits)) or 0


# -- changes -------------------------------------------------------------------------------------------------------


def _changes(ledger: Ledger, before: datetime, after: int, done: Pruned) -> int:
    """Deletes one batch of the changes that are numbered above ``after``; returns the last number, 0 at the end."""
    numbers = sa.select(col(Change.id)).order_by(col(Change.id))
    with ledger.read() as tx:
        ids = tx.session.scalars(numbers.where(col(Change.id) > after, _old(before)).limit(BATCH)).all()
    if not ids:
        return 0
    with ledger.write() as tx:
        # Asked again: what was over a moment ago may have come back to life.
        gone = tx.session.scalars(numbers.where(col(Change.id).in_(ids), _old(before))).all()
        actions = sa.select(col(Action.id)).where(col(Action.change_id).in_(gone))
        reviews = sa.select(col(Review.id)).where(col(Review.change_id).in_(gone))
        _delete(tx, Attempt, col(Attempt.action_id).in_(actions))
        _delete(tx, ReviewNote, col(ReviewNote.review_id).in_(reviews))
        for model in (Observation, Acknowledgement):
            _delete(tx, model, col(model.change_id).in_(gone))
        done.writes += _delete(tx, Action, col(Action.change_id).in_(gone))
        done.questions += _delete(tx, Review, col(Review.change_id).in_(gone))
        done.changes += _delete(tx, Change, col(Change.id).in_(gone))
    return int(ids[-1] or 0)


def _old(before: datetime) -> sa.ColumnElement[bool]:
    """Changes that are settled since before a moment, and that nothing hangs on."""
    over = sa.or_(
        col(Change.state).in_((ChangeState.DONE, ChangeState.SKIPPED)),
        sa.and_(col(Change.state) == ChangeState.FAILED, _of(Acknowledgement)),
    )
    later = sa.exists().where(col(_newer.record_id) == col(Change.record_id), col(_newer.id) > col(Change.id))
    return sa.and_(
        over,
        col(Change.updated_at) < before,
        sa.or_(col(Change.visit_at).is_(None), col(Change.visit_at) < before),
        # Numbers are never given twice.
        col(Change.id) < sa.select(sa.func.max(col(_newer.id))).scalar_subquery(),
        sa.or_(later, sa.and_(col(Change.kind) == Kind.APPOINTMENT, col(Change.visit_at) < before, ~_linked(before))),
        ~sa.exists().where(col(_newer.replay_of) == col(Change.id)),
        ~_of(Action, _needed(before)),
        ~_of(Review, _kept()),
        ~_of(Observation, col(Observation.label).is_not(None)),
    )


def _of(model: Any, *fits: sa.ColumnElement[bool]) -> sa.Exists:
    return sa.exists().where(col(model.change_id) == col(Change.id), *fits)


def _linked(before: datetime) -> sa.ColumnElement[bool]:
    """The visit stands on both sides, and is not over for long."""
    ends = (("booking_account", "booking_id"), ("pims_account", "pims_id"))
    return sa.or_(
        *(
            sa.exists().where(
                col(Link.kind) == col(Change.kind),
                col(getattr(Link, account)) == col(Change.account),
                col(getattr(Link, id_)) == col(Change.remote_id),
                col(Link.ended_at).is_(None),
                sa.or_(col(Link.visit_at).is_(None), col(Link.visit_at) >= before),
            )
            for account, id_ in ends
        )
    )


def _needed(before: datetime) -> sa.ColumnElement[bool]:
    """Writes that are asked for later on."""
    people = sa.and_(col(Action.kind) != Kind.APPOINTMENT, col(Action.state) == ActionState.ANSWERED)
    return sa.or_(
        col(Action.state).in_(OPEN_ACTIONS),
        col(Action.created_at) >= before,
        col(Action.answered_at) >= before,
        sa.and_(col(Action.operation) == "create", sa.or_(people, col(Action.state) == ActionState.NOT_DONE)),
        col(Action.id) == sa.select(sa.func.max(col(sa.orm.aliased(Action).id))).scalar_subquery(),
    )


def _kept() -> sa.ColumnElement[bool]:
    """Questions that stand or were answered, and closed ones after an answer: the newest says what holds."""
    before_it = sa.exists().where(
        col(_older.record_id) == col(Review.record_id),
        col(_older.id) < col(Review.id),
        col(_older.state) == "answered",
    )
    newest = sa.select(sa.func.max(col(_older.id))).scalar_subquery()
    return sa.or_(col(Review.state) != "closed", before_it, col(Review.id) == newest)


# -- the rest ------------------------------------------------------------------------------------------------------


def _lines(before: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(col(Worklist.state).in_(("confirmed", "struck")), col(Worklist.closed_at) < before)


def _runs(before: datetime) -> sa.ColumnElement[bool]:
    """Runs of which nothing is kept that they have done."""
    return sa.and_(
        col(Run.ended_at) < before,
        ~sa.exists().where(col(Action.run_id) == col(Run.id)),
        ~sa.exists().where(col(Change.run_id) == col(Run.id)),
    )


def _audit(ledger: Ledger, before: datetime, stopping: Callable[[], bool]) -> int:
    """Deletes sealed batches, the oldest first and each as a whole. The seal of the last one stays: what comes after
    is proven from there."""
    deleted = 0
    while not stopping():
        with ledger.write() as tx:
            last = tx.session.scalar(
                sa.select(sa.func.min(col(AuditSeal.last_id))).where(
                    col(AuditSeal.last_id) <= _last_act(tx, before),
                    sa.exists().where(col(Audit.id) <= col(AuditSeal.last_id)),
                )
            )
            if last is None:
                break
            deleted += _delete(tx, Audit, col(Audit.id) <= last)
            _delete(tx, AuditSeal, col(AuditSeal.last_id) < last)
    return deleted


def _last_act(tx: Transaction, before: datetime) -> int:
    """The last act of the last sealed batch that is as old as a whole, and so are all before it; 0: there is none."""
    young = sa.select(sa.func.min(col(Audit.id))).where(col(Audit.at) >= before).scalar_subquery()
    newest = sa.select(sa.func.max(col(Audit.id))).scalar_subquery()
    sealed = sa.select(sa.func.max(col(AuditSeal.last_id))).where(
        col(AuditSeal.last_id) < newest, sa.or_(young.is_(None), col(AuditSeal.last_id) < young)
    )
    return tx.session.scalar(sealed) or 0


def _visits(ledger: Ledger, stopping: Callable[[], bool]) -> None:
    """Deletes visits of the mirror that hold no service back any more."""
    after = ("", "")
    while not stopping():
        with ledger.read() as tx:  # their days are sealed: all are opened
            some, old = due_services.old_visits(tx, after, most=BATCH)
        if not some:
            return
        after = some[-1]
        if old:
            with ledger.write() as tx:
                due_services.drop_visits(tx, old)


def _simple(ledger: Ledger, model: type[SQLModel], old: sa.ColumnElement[bool], stopping: Callable[[], bool]) -> int:
    """Deletes the old rows of a table, but never its newest one: numbers are never given twice."""
    number = col(model.id)  # type: ignore[attr-defined]
    newest = sa.select(sa.func.max(col(sa.orm.aliased(model).id))).scalar_subquery()  # type: ignore[attr-defined]
    fits = sa.and_(old, number < newest)
    deleted = 0
    while not stopping():
        with ledger.write() as tx:
            ids: Sequence[int] = tx.session.scalars(sa.select(number).where(fits).order_by(number).limit(BATCH)).all()
            if not ids:
                break
            deleted += _delete(tx, model, number.in_(ids))
    return deleted


def _delete(tx: Transaction, model: type[SQLModel], which: sa.ColumnElement[bool]) -> int:
    done = tx.session.execute(sa.delete(model).where(which), execution_options={"synchronize_session": False})
    return int(done.rowcount)  # type: ignore[attr-defined]
