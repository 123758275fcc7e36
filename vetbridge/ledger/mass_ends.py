"""Clients and pets of a PIMS that would end all at once, because they are gone, inactive or deceased: a purge, a
restored database or a slip. Nothing of it is believed until a person has let it through."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlmodel import col, select

from vetbridge.core.answers import MANY_ENDED, Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.ledger import changes, mirror, reviews
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import ChangeState, MassEnd, Review

WINDOW = timedelta(hours=1)
"""What ended within it counts as at once: a purge may take longer than the time between two polls."""


def let_through(tx: Transaction, account: str, kind: Kind, ending: int, *, count: int, percent: int) -> bool:
    """Whether so many more may end; they count then.

    ``count`` and ``percent``: as many as either may end within the window, of those that stand.
    """
    if not ending:
        return True
    row = _row(tx, account, kind)
    if row.counted_from is None or row.counted_from <= tx.now - WINDOW:
        row.counted_from, row.counted, row.allowance = tx.now, 0, 0
    standing = mirror.count_standing(tx, account, kind) + row.counted
    if row.counted + ending > max(count, standing * percent // 100) + row.allowance:
        return False
    row.counted += ending
    return True


def hold(tx: Transaction, site: str, account: str, kind: Kind, ids: Sequence[str]) -> None:
    """Notes that these are not believed to have ended, and asks the one question about it."""
    row = _row(tx, account, kind)
    row.ending, row.standing = len(ids), mirror.count_standing(tx, account, kind)
    asked = None if row.review_id is None else tx.session.get(Review, row.review_id)
    if asked is not None and asked.state == "open":
        return
    row.held_at = row.held_at or tx.now
    change = changes.receive(tx, site=site, account=account, kind=kind, remote_id=ids[0], source="poll")
    assert change.id is not None  # noqa: S101 - flushed
    changes.begin(tx, change.id)
    words = f"{len(ids)} records of kind {kind} would end at once; none is believed to until a person has looked"
    changes.settle(tx, change.id, ChangeState.SKIPPED, MANY_ENDED, words)
    item = Review(
        record_id=None,
        change_id=change.id,
        site=site,
        state="open",
        why=MANY_ENDED,
        opened_at=tx.now,
        question_sealed=tx.sealer.seal({"why": MANY_ENDED, "account": account, "kind": kind.value}),
    )
    tx.session.add(item)
    tx.session.flush()
    row.review_id = item.id


def released(tx: Transaction, account: str, kind: Kind) -> None:
    """What was held has ended, or stands after all: the question is closed."""
    row = tx.session.get(MassEnd, (account, kind))
    if row is None or row.held_at is None:
        return
    item = tx.session.get(Review, row.review_id)
    if item is not None and item.state == "open":
        item.state, item.closed_at, item.closed_why = "closed", tx.now, "no more end at once than may"
    row.held_at = row.review_id = None
    row.ending = 0


def is_held(tx: Transaction, account: str) -> bool:
    """Whether something of this account is not believed now."""
    held = select(MassEnd.account).where(MassEnd.account == account, col(MassEnd.held_at).is_not(None))
    return tx.session.exec(held.limit(1)).first() is not None


def allow(tx: Transaction, item: Review, by: str) -> int:
    """A person has said that they may end; returns how many that are. The next reading lets them."""
    row = tx.session.exec(select(MassEnd).where(MassEnd.review_id == item.id)).first()
    if row is None:
        return 0
    row.counted_from, row.counted, row.allowance = tx.now, 0, row.ending
    row.held_at = row.review_id = None
    reviews.answer(tx, item, Answer(choice=Choice.ALLOW), by)
    reviews.applied(tx, item)
    return row.ending


def _row(tx: Transaction, account: str, kind: Kind) -> MassEnd:
    row = tx.session.get(MassEnd, (account, kind))
    if row is None:
        row = MassEnd(account=account, kind=kind)
        tx.session.add(row)
    return row
