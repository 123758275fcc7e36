"""Observations: what the matcher decided by, in levels, and whom people have said to be meant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.answers import Choice
from vetbridge.core.matching.observing import ELSEWHERE, Observation
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import Observation as Row
from vetbridge.ledger.tables import Review

MOST = 20_000
"""So many of each account are kept, the newest."""

TABLE: sa.Table = Row.__table__  # type: ignore[attr-defined]
_BATCH = 500


def keep(
    tx: Transaction,
    account: str,
    *,
    record_id: int,
    change_id: int,
    observation: Observation,
    client_ids: Sequence[str],
) -> None:
    """Keeps what the matcher decided for a change; a later try at the same change takes its place.

    ``client_ids`` are those of the candidates, in their order.
    """
    tx.session.execute(sa.delete(TABLE).where(TABLE.c.change_id == change_id))
    tx.session.add(
        Row(
            account=account,
            record_id=record_id,
            change_id=change_id,
            content=json.dumps(observation.packed(), separators=(",", ":")),
            client_ids=json.dumps(list(client_ids)),
            made_at=tx.now,
        )
    )


def label(tx: Transaction, item: Review, client_id: str | None) -> None:
    """A person's answer to ``item`` says who was meant by the newest decision about its record; None: nobody."""
    row = tx.session.exec(
        select(Row).where(Row.record_id == item.record_id).order_by(col(Row.id).desc()).limit(1)
    ).first()
    if row is None:
        return
    ids = json.loads(row.client_ids)
    meant = [] if client_id is None else [ids.index(client_id) if client_id in ids else ELSEWHERE]
    row.label = json.dumps(meant)
    row.review_id = item.id
    row.labelled_at = tx.now


def unlabel(tx: Transaction, item: Review) -> None:
    """The answer to ``item`` was taken back: nobody has said who was meant."""
    tx.session.execute(
        sa.update(TABLE)
        .where(TABLE.c.review_id == item.id)
        .values(label=None, review_id=None, labelled_at=None)
        .execution_options(synchronize_session=False)
    )


def read(tx: Transaction, account: str) -> Iterator[tuple[int, Observation]]:
    """What is kept of an account, with its number, oldest first; a label counts while its answer stands.

    What another version of VetBridge kept in other levels is left out.
    """
    stands = sa.and_(col(Review.state) == "answered", col(Review.answer).in_([Choice.LINK, Choice.NEW]))
    statement = (
        select(Row.id, Row.content, Row.label, Review.id)
        .join(Review, sa.and_(col(Review.id) == Row.review_id, stands), isouter=True)
        .where(Row.account == account)
        .order_by(col(Row.id))
    )
    for id_, content, said, review_id in tx.session.exec(statement.execution_options(yield_per=_BATCH)):
        meant = None if said is None or review_id is None else tuple(json.loads(said))
        found = Observation.unpacked(json.loads(content), meant=meant)
        if found is not None and id_ is not None:
            yield id_, found


def trim(ledger: Ledger, most: int = MOST) -> int:
    """Deletes all but the newest of each account; returns how many."""
    with ledger.read() as tx:
        accounts = tx.session.exec(select(Row.account).distinct()).all()
        oldest = {
            account: tx.session.exec(
                select(Row.id).where(Row.account == account).order_by(col(Row.id).desc()).offset(most - 1).limit(1)
            ).first()
            for account in accounts
        }
    deleted = 0
    for account, id_ in oldest.items():
        if id_ is None:
            continue
        with ledger.write() as tx:
            done = tx.session.execute(sa.delete(TABLE).where(TABLE.c.account == account, TABLE.c.id < id_))
            deleted += done.rowcount  # type: ignore[attr-defined]
    return deleted
