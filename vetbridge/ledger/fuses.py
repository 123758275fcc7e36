"""The fuse of each pair: a limit that stops mass cancellation, moving or overwriting (law 6)."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.answers import FUSE, Answer, Choice
from vetbridge.ledger import changes, reviews
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Action, ActionState, Change, ChangeState, Fuse, Review

WINDOW = timedelta(hours=1)
"""Writes of the last hour count."""


def let_through(tx: Transaction, site: str, limit: int) -> bool:
    """Whether one more write may go through; False once the fuse has blown, until a person answers."""
    row = tx.session.get(Fuse, site)
    if row is not None and row.blown_at is not None:
        return False
    since = tx.now - WINDOW
    allowed = limit
    if row is not None and row.counted_from is not None and row.counted_from > since:
        since = row.counted_from
        allowed += row.allowance
    count = tx.session.exec(
        select(sa.func.count())
        .select_from(Action)
        .where(
            Action.site == site,
            col(Action.fused),
            col(Action.created_at) > since,
            Action.state != ActionState.NOT_DONE,
        )
    ).one()
    return count < allowed


def blow(tx: Transaction, change: Change, limit: int) -> None:
    """Blows the fuse of a change's site, and asks the one question about it."""
    row = tx.session.get(Fuse, change.site)
    if row is None:
        row = Fuse(site=change.site)
        tx.session.add(row)
    if row.blown_at is not None:
        return
    row.blown_at = tx.now
    tx.session.add(
        Review(
            record_id=None,
            change_id=change.id or 0,
            site=change.site,
            state="open",
            why=FUSE,
            opened_at=tx.now,
            question_sealed=tx.sealer.seal({"why": FUSE, "limit": limit}),
        )
    )


def blown(tx: Transaction, site: str) -> bool:
    """Whether the fuse of a site holds changes back now."""
    row = tx.session.get(Fuse, site)
    return row is not None and row.blown_at is not None


def held(tx: Transaction, site: str) -> tuple[Change, ...]:
    """The changes that the fuse of a site holds back."""
    return tuple(
        tx.session.exec(
            select(Change)
            .where(Change.site == site, Change.state == ChangeState.WAITING, Change.code == FUSE)
            .order_by(col(Change.id))
        ).all()
    )


def answer(tx: Transaction, item: Review, choice: Choice, by: str) -> int:
    """Carries a person's answer out; returns how many changes it concerns.

    ``allow`` lets all that is held back through. ``keep`` leaves both sides of each as they are: that is an answer
    about each of them, and nobody asks again until one of the two changes anew.
    """
    waiting = held(tx, item.site)
    row = tx.session.get_one(Fuse, item.site)
    row.blown_at = None
    if choice is Choice.ALLOW:
        row.counted_from = tx.now
        row.allowance = len(waiting)
    else:
        # What went through within the hour goes on counting: nobody has said that more of it is meant.
        for change in waiting:
            own = reviews.ask_beside(tx, change, why=FUSE, question={})
            reviews.answer(tx, own, Answer(choice=Choice.KEEP), by)
    changes.wake(tx, {FUSE})
    reviews.answer(tx, item, Answer(choice=choice), by)
    reviews.applied(tx, item)
    return len(waiting)
