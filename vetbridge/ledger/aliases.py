"""Aliases: whom a person meant by a contact together with a pet's or an owner's name, by keyed hashes alone.

An alias counts while the answer it was taught by stands, and says nothing where two clients were taught for one
combination.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.answers import Choice
from vetbridge.core.matching import Forms
from vetbridge.core.matching.teaching import lesson_keys
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.statements import rows_of
from vetbridge.ledger.tables import Alias, Review

TABLE: sa.Table = Alias.__table__  # type: ignore[attr-defined]


def teach(tx: Transaction, account: str, item: Review, booking: Forms, client_id: str) -> None:
    """A person's answer to ``item`` says that ``client_id`` was meant by a booking.

    It ends what earlier answers about the same record have taught.
    """
    assert item.id is not None  # noqa: S101 - it came from the ledger
    hashes = sorted(_hash(tx, key) for key in lesson_keys(booking))
    before = [(row.key_hash, row.client_id) for row in standing(tx, item.id)]
    if before and before == [(key_hash, client_id) for key_hash in hashes]:
        return  # by an earlier try
    end(tx, item)
    for key_hash in hashes:
        tx.session.add(
            Alias(
                account=account,
                key_hash=key_hash,
                client_id=client_id,
                review_id=item.id,
                made_by=item.answered_by,
                made_at=tx.now,
            )
        )


def end(tx: Transaction, item: Review) -> None:
    """Ends what answers about the record of ``item`` have taught: it was taken back, or answered anew."""
    of_record = select(Review.id).where(Review.record_id == item.record_id)
    tx.session.execute(
        sa.update(TABLE)
        .where(TABLE.c.review_id.in_(of_record), TABLE.c.ended_at.is_(None))
        .values(ended_at=tx.now)
        .execution_options(synchronize_session=False)
    )


def taught(tx: Transaction, account: str, booking: Forms, common: frozenset[str]) -> str | None:
    """The client whom people have said to be meant by what a booking says; None where nobody has, or they differ.

    ``common`` are contacts that point to nobody.
    """
    hashes = [_hash(tx, key) for key in lesson_keys(booking, common)]
    if not hashes:
        return None
    by_key: dict[str, set[str]] = {}
    for key_hash, client_id in rows_of(tx, _TAUGHT, (Choice.LINK.value, account), hashes):
        by_key.setdefault(key_hash, set()).add(client_id)
    said = {client_id for clients in by_key.values() if len(clients) == 1 for client_id in clients}
    return said.pop() if len(said) == 1 else None


def said_to_live(tx: Transaction, account: str, booking: Forms, common: frozenset[str]) -> dict[str, datetime]:
    """The clients to whom people gave a booking with this contact for a pet of this name when they were asked about a
    pet that is deceased, each with when they last said so.

    ``common`` are contacts that point to nobody.
    """
    hashes = [_hash(tx, key) for key in lesson_keys(booking._replace(people=()), common)]
    statement = (
        select(Alias.client_id, sa.func.max(Alias.made_at))
        .join(Review, col(Review.id) == Alias.review_id)
        .where(
            Review.state == "answered",
            Review.why == "pet-deceased",
            Review.answer == Choice.LINK.value,
            Review.answer_client_id == Alias.client_id,
            Alias.account == account,
            col(Alias.ended_at).is_(None),
            col(Alias.key_hash).in_(hashes),
        )
        .group_by(col(Alias.client_id))
    )
    return dict(tx.session.exec(statement).all())


# Whoever takes an answer back is believed at once, not only when it has been carried out.
_TAUGHT = (
    "SELECT alias.key_hash, alias.client_id FROM alias JOIN review ON review.id = alias.review_id "
    "WHERE review.state = 'answered' AND review.answer = ? AND review.answer_client_id = alias.client_id "
    "AND alias.account = ? AND alias.ended_at IS NULL AND alias.key_hash IN"
)


def standing(tx: Transaction, review_id: int) -> tuple[Alias, ...]:
    """What the answer to a question has taught, as long as that has not ended."""
    statement = select(Alias).where(Alias.review_id == review_id, col(Alias.ended_at).is_(None))
    return tuple(tx.session.exec(statement.order_by(col(Alias.id))).all())


def _hash(tx: Transaction, key: str) -> str:
    return tx.sealer.hash(f"alias:{key}")
