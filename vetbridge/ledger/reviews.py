"""Review items: questions for a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import col, select

from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Change, Review


def ask(tx: Transaction, change: Change, *, why: str, visit_at: datetime | None, question: Any) -> Review:
    """Opens a question about a record, or brings the one that is open up to date."""
    assert change.id is not None  # noqa: S101 - it came from the ledger
    row = open_item(tx, change.record_id)
    if row is None:
        row = Review(
            record_id=change.record_id,
            change_id=change.id,
            site=change.site,
            state="open",
            why=why,
            opened_at=tx.now,
        )
        tx.session.add(row)
    row.change_id = change.id
    row.why = why
    row.visit_at = visit_at
    row.question_sealed = tx.sealer.seal(plain(question))
    tx.session.flush()
    return row


def update(tx: Transaction, change: Change, *, booking: Any, visit_at: datetime | None) -> None:
    """Shows the booking as it is now in the question that is open about it, if one is."""
    item = open_item(tx, change.record_id)
    if item is not None:
        ask(tx, change, why=item.why, visit_at=visit_at, question={**question(tx, item), "booking": booking})


def open_item(tx: Transaction, record_id: int) -> Review | None:
    """The open question about a record."""
    return tx.session.exec(select(Review).where(Review.record_id == record_id, Review.state == "open")).first()


def close(tx: Transaction, record_id: int, why: str) -> None:
    """Closes the open question about a record, because the facts answered it."""
    row = open_item(tx, record_id)
    if row is not None:
        row.state = "closed"
        row.closed_at = tx.now
        row.closed_why = why


def open_items(tx: Transaction) -> tuple[Review, ...]:
    """All open questions, the soonest visit first."""
    return tuple(
        tx.session.exec(
            select(Review).where(Review.state == "open").order_by(col(Review.visit_at), col(Review.id))
        ).all()
    )


def question(tx: Transaction, item: Review) -> Any:
    """What the item asks, with the booking and the candidates."""
    return None if item.question_sealed is None else rich(tx.sealer.open(item.question_sealed))
