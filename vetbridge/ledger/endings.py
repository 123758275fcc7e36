"""The end of a pair: what waits for it is closed, and opens again where the pair begins anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import SQLModel, col, select

from vetbridge.core.answers import FUSE, MANY_ENDED
from vetbridge.ledger import changes
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import (
    OPEN_STATES,
    UNSETTLED_ACTIONS,
    Action,
    Change,
    ChangeState,
    Fuse,
    Record,
    Review,
    Worklist,
)

PAIR_ENDED = "pair-ended"
"""Code of a change that was closed because its pair ended."""
WHY = "the pair has ended"
"""Why questions, lines and changes were closed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a pair: open questions, changes, lines of the work list; and writes in doubt."""

    questions: int
    changes: int
    lines: int
    in_doubt: int
    """Writes whose answer was lost, and of which nobody has found out yet what became of them."""


def waiting(tx: Transaction, site: str, shared: Mapping[str, str]) -> Waiting:
    """What waits for a pair. ``shared``: accounts that other sites use, too, each with one of those."""

    def count(table: type[SQLModel], *fits: sa.ColumnElement[bool]) -> int:
        statement = select(sa.func.count()).select_from(table)
        return tx.session.exec(statement.where(*fits, _own(table, shared))).one()

    return Waiting(
        questions=count(Review, _questions(site)),
        changes=count(Change, _changes(site)),
        lines=count(Worklist, _lines(site)),
        in_doubt=count(Action, col(Action.site) == site, col(Action.state).in_(UNSETTLED_ACTIONS)),
    )


def close(tx: Transaction, site: str, shared: Mapping[str, str]) -> Waiting:
    """Closes all that waits for a pair; returns what that was.

    ``shared``: accounts that other sites use, too, each with one of those: what is about a record there is that
    site's from now on.
    """
    found = waiting(tx, site, shared)
    for account, heir in shared.items():
        for table, fits in ((Review, _questions(site)), (Change, _changes(site)), (Worklist, _lines(site))):
            tx.session.exec(sa.update(table).where(fits, _at(table, [account])).values(site=heir))
    tx.session.exec(
        sa.update(Review).where(_questions(site)).values(state="closed", closed_at=tx.now, closed_why=WHY)
    )
    tx.session.exec(sa.update(Worklist).where(_lines(site)).values(state="struck", closed_at=tx.now, closed_why=WHY))
    tx.session.exec(sa.update(Fuse).where(col(Fuse.site) == site).values(blown_at=None))
    tx.session.exec(
        sa.update(Change)
        .where(_changes(site))
        .values(
            state=ChangeState.SKIPPED,
            code=PAIR_ENDED,
            message=WHY,
            next_at=None,
            settled_at=tx.now,
            updated_at=tx.now,
        )
    )
    return found


def reopen(tx: Transaction, site: str) -> None:
    """A pair begins anew: what its end closed is asked, listed and worked on again, where nothing is newer."""
    tx.session.exec(
        sa.update(Review)
        .where(
            col(Review.site) == site,
            col(Review.state) == "closed",
            col(Review.closed_why) == WHY,
            col(Review.why).not_in((FUSE, MANY_ENDED)),
            col(Review.question_sealed).is_not(None),
        )
        .values(state="open", answer="", closed_at=None, closed_why="")
    )
    tx.session.exec(
        sa.update(Worklist)
        .where(
            col(Worklist.site) == site,
            col(Worklist.state) == "struck",
            col(Worklist.closed_why) == WHY,
            col(Worklist.details_sealed).is_not(None),
        )
        .values(state="open", closed_at=None, closed_why="")
    )
    newer = aliased(Change)
    later = sa.exists().where(newer.record_id == Change.record_id, newer.id > Change.id)  # type: ignore[arg-type,operator]
    for record_id in tx.session.exec(
        select(Change.record_id).where(Change.site == site, Change.code == PAIR_ENDED, ~later)
    ).all():
        changes.receive_again(tx, record_id, "approve")


def _questions(site: str) -> sa.ColumnElement[bool]:
    """Open ones, and those whose answer was not carried out yet."""
    unapplied = sa.and_(col(Review.state) == "answered", col(Review.applied_at).is_(None))
    return sa.and_(col(Review.site) == site, sa.or_(col(Review.state) == "open", unapplied))


def _changes(site: str) -> sa.ColumnElement[bool]:
    return sa.and_(col(Change.site) == site, col(Change.state).in_(OPEN_STATES))


def _lines(site: str) -> sa.ColumnElement[bool]:
    return sa.and_(col(Worklist.site) == site, col(Worklist.state).in_(("open", "done")))


def _own(table: type[SQLModel], shared: Mapping[str, str]) -> sa.ColumnElement[bool]:
    """Rows that no other site goes on with."""
    record_id = table.__table__.c.record_id  # type: ignore[attr-defined]
    return sa.or_(record_id.is_(None), ~_at(table, shared))


def _at(table: type[SQLModel], accounts: Mapping[str, str] | list[str]) -> sa.ColumnElement[bool]:
    """Rows about records of some accounts."""
    record_id = table.__table__.c.record_id  # type: ignore[attr-defined]
    found: sa.ColumnElement[bool] = record_id.in_(
        sa.select(col(Record.id)).where(col(Record.account).in_(list(accounts)))
    )
    return found
