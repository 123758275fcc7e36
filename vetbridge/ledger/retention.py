"""Bodies that nobody needs any more are dropped after the set days; the rows stay, and with them the story.

A body is what a sealed column holds: names, phones, notes. Who did what, when and why stands beside it by ids, and is
kept. Five sorts of bodies come to an end:

- *actions*: what a write carried, once it is settled.
- *questions* that are answered and carried out, or closed, once their visit has begun: until then an answer may be
  taken back, and the question asked again. What people have noted about one goes with it.
- *lines* of the work list that are confirmed or struck.
- *links* that have ended: both bases and the evidence.
- *subjects*: who a record is about and what it can be found by, once its changes have ended, its visit is over (as
  they or its link tell), and no question about it is open.

What stands is never touched: links that hold, writes that are not settled, open questions, the mirror.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import SQLModel, col

from vetbridge.core.answers import Choice
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import (
    OPEN_ACTIONS,
    OPEN_STATES,
    Action,
    Change,
    Link,
    Record,
    Review,
    ReviewNote,
    Subject,
    SubjectKey,
    Worklist,
)

BATCH = 500
"""Rows that one transaction empties: the one writer is never held for long."""

_ENDS_OF_LINKS = (("booking_account", "booking_id"), ("pims_account", "pims_id"))
_OF_LINKS = ("booking_base_sealed", "pims_base_sealed", "evidence_sealed")


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many rows were emptied, by sort."""

    actions: int
    questions: int
    lines: int
    links: int
    subjects: int = 0
    notes: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.actions + self.questions + self.lines + self.links + self.subjects + self.notes


def drop_bodies(ledger: Ledger, days: int, *, stopping: Callable[[], bool] = lambda: False) -> Dropped:
    """Empties the bodies that nobody has needed for ``days`` days; 0 keeps all.

    Each batch is a transaction of its own: whoever kills it loses nothing, and the next time goes on. Between two
    batches it ends early once ``stopping()`` says so. Raises ``LedgerError`` where the ledger takes no transaction.
    """
    if days == 0:
        return Dropped(0, 0, 0, 0)
    with ledger.read() as tx:
        before = tx.now - timedelta(days=days)
    return Dropped(
        actions=_empty(ledger, Action, ["payload_sealed"], _actions(before), stopping),
        questions=_empty(ledger, Review, ["question_sealed"], _questions(before), stopping),
        lines=_empty(ledger, Worklist, ["details_sealed"], _lines(before), stopping),
        links=_empty(ledger, Link, _OF_LINKS, _links(before), stopping),
        subjects=_forget(ledger, before, stopping),
        notes=_empty(ledger, ReviewNote, ["text_sealed"], _notes(before), stopping),
    )


def _actions(before: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(col(Action.state).not_in(OPEN_ACTIONS), col(Action.answered_at) < before)


def _questions(before: datetime) -> sa.ColumnElement[bool]:
    over = sa.or_(col(Review.state) == "closed", col(Review.applied_at).is_not(None))
    # Only these two answers can be taken back, and only until the visit begins.
    final = sa.or_(
        col(Review.visit_at) < before,
        sa.and_(col(Review.visit_at).is_(None), col(Review.answer).not_in([Choice.LINK, Choice.NEW])),
    )
    return sa.and_(col(Review.state) != "open", over, col(Review.closed_at) < before, final)


def _notes(before: datetime) -> sa.ColumnElement[bool]:
    return col(ReviewNote.review_id).in_(sa.select(col(Review.id)).where(_questions(before)))


def _lines(before: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(col(Worklist.state).in_(["confirmed", "struck"]), col(Worklist.closed_at) < before)


def _links(before: datetime) -> sa.ColumnElement[bool]:
    return col(Link.ended_at) < before


def _subjects(before: datetime) -> sa.ColumnElement[bool]:
    needed = sa.or_(
        col(Change.state).in_(OPEN_STATES), col(Change.updated_at) >= before, col(Change.visit_at) >= before
    )
    return sa.and_(
        col(Subject.read_at) < before,
        ~sa.exists().where(col(Change.record_id) == col(Subject.record_id), needed),
        ~sa.exists().where(col(Review.record_id) == col(Subject.record_id), col(Review.state) == "open"),
        *(~_ahead(account, id_, before) for account, id_ in _ENDS_OF_LINKS),
    )


def _ahead(account: str, id_: str, before: datetime) -> sa.Exists:
    """A subject whose record is linked to one whose visit is not long over: what was paired has had no change."""
    return sa.exists().where(
        col(Record.id) == col(Subject.record_id),
        col(getattr(Link, account)) == col(Record.account),
        col(getattr(Link, id_)) == col(Record.remote_id),
        col(Link.kind) == col(Record.kind),
        col(Link.ended_at).is_(None),
        col(Link.visit_at) >= before,
    )


def _forget(ledger: Ledger, before: datetime, stopping: Callable[[], bool]) -> int:
    """Deletes subjects that are over, with their keys; returns how many."""
    deleted, after = 0, 0
    while not stopping():
        with ledger.read() as tx:
            ids = tx.session.scalars(
                sa.select(col(Subject.record_id))
                .where(col(Subject.record_id) > after, _subjects(before))
                .order_by(col(Subject.record_id))
                .limit(BATCH)
            ).all()
        if not ids:
            break
        with ledger.write() as tx:
            # Asked again: what was over a moment ago may have come back to life.
            gone = tx.session.scalars(
                sa.select(col(Subject.record_id)).where(col(Subject.record_id).in_(ids), _subjects(before))
            ).all()
            for model in (SubjectKey, Subject):
                tx.session.execute(
                    sa.delete(model).where(col(model.record_id).in_(gone)),
                    execution_options={"synchronize_session": False},
                )
        deleted += len(gone)
        after = ids[-1]
    return deleted


def _empty(
    ledger: Ledger,
    model: type[SQLModel],
    bodies: Sequence[str],
    over: sa.ColumnElement[bool],
    stopping: Callable[[], bool],
) -> int:
    """Empties columns of the rows that are over; returns how many rows that were."""
    table: sa.Table = model.__table__  # type: ignore[attr-defined]
    full = sa.or_(*(table.c[body].is_not(None) for body in bodies))
    emptied, after = 0, 0
    while not stopping():
        with ledger.read() as tx:  # looking through a large table is no work for the one writer
            ids = tx.session.scalars(
                sa.select(table.c.id).where(table.c.id > after, full, over).order_by(table.c.id).limit(BATCH)
            ).all()
        if not ids:
            break
        with ledger.write() as tx:
            # Said again: what was over a moment ago may have come back to life.
            done = tx.session.execute(
                sa.update(table)
                .where(table.c.id.in_(ids), full, over)
                .values(dict.fromkeys(bodies))
                .execution_options(synchronize_session=False)
            )
            emptied += done.rowcount  # type: ignore[attr-defined]
        after = ids[-1]
    return emptied
