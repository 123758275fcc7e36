"""Forgetting an owner: every value is erased, ids stay with the story, and nothing of them is read in again."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel, col, select

from vetbridge.core.records import Kind
from vetbridge.ledger import changes, mirror, suppression
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.file_rows import PREFIX
from vetbridge.ledger.holdings import BATCH, OF_OTHERS, Holdings, Rows
from vetbridge.ledger.owners import Owner, by_account
from vetbridge.ledger.tables import (
    OPEN_ACTIONS,
    OPEN_STATES,
    Action,
    ActionState,
    Change,
    ChangeState,
    Lane,
    Link,
    Record,
    Review,
    Worklist,
)

WHY = "the owner was forgotten"
"""Why questions, lines and changes were closed."""
FORGOTTEN = "forgotten"
"""Code of a change that was closed for that; source of one that looks anew where a question named the owner."""

_ELSEWHERE = ("mirror", "match_keys")
"""What ``mirror.remove`` takes out, with what it counts."""


def owner_hash(tx: Transaction, owner: Owner) -> str:
    """By what the records of an owner are kept together; the same as before where they were forgotten already."""
    known = {found for key in owner.records if (found := suppression.owner_hash_of(tx, key)) is not None}
    return min(known) if known else suppression.hash_of(tx, min(owner.clients or owner.records))


def forget(tx: Transaction, found: Holdings) -> None:
    """Erases all that was found, ends what waits, and keeps everything of these records out from now on.

    Whoever is at work now finds its lane taken over, and settles nothing: also on somebody else's record, of which
    the owner may be a candidate.
    """
    if tx.session.connection().dialect.name == "sqlite":
        tx.session.connection().exec_driver_sql("PRAGMA secure_delete=ON")
    suppression.forget(tx, found.owner.records, owner_hash(tx, found.owner))
    _end_work(tx, found)
    for rows in found.rows.values():
        if rows.name not in _ELSEWHERE:
            _erase(tx, rows)
    clients, pets = by_account(found.owner.clients), by_account(found.owner.pets)
    for account in sorted({*clients, *pets}):
        mirror.remove(tx, account, clients.get(account, set()), pets.get(account, set()))
    for number in found.file_rows:
        _rename(tx, number)


def _end_work(tx: Transaction, found: Holdings) -> None:
    """Ends links, changes, questions and lines; questions of others that named the owner are asked anew."""
    closed = {"closed_at": tx.now, "closed_why": WHY}
    tx.session.execute(
        sa.update(Lane).where(col(Lane.until).is_not(None)).values(epoch=col(Lane.epoch) + 1, owner=None, until=None),
        execution_options={"synchronize_session": False},
    )
    links = found.rows["links"].numbers()
    writes = found.numbers("writes")
    in_doubt = col(Action.state).in_(OPEN_ACTIONS)  # in a backup alone: else nobody is forgotten meanwhile
    _set(tx, Action, col(Action.id), writes, in_doubt, state=ActionState.NOT_DONE, answered_at=tx.now)
    _set(tx, Link, col(Link.id), links, col(Link.ended_at).is_(None), ended_at=tx.now, updated_at=tx.now)
    unsettled = col(Change.state).in_((*OPEN_STATES, ChangeState.REVIEW, ChangeState.FAILED))
    over = {"state": ChangeState.SKIPPED, "code": FORGOTTEN, "message": WHY, "next_at": None}
    about = (*found.records, *found.file_rows)
    _set(tx, Change, col(Change.record_id), about, unsettled, **over, settled_at=tx.now, updated_at=tx.now)
    asked = tx.session.scalars(
        sa.select(col(Review.record_id)).where(
            col(Review.id).in_(found.rows[f"questions{OF_OTHERS}"].numbers()),
            col(Review.state) == "open",
            col(Review.record_id).is_not(None),
        )
    ).all()
    _set(
        tx, Review, col(Review.id), found.numbers("questions"), col(Review.state) == "open", state="closed", **closed
    )
    lines = found.numbers("lines")
    _set(tx, Worklist, col(Worklist.id), lines, col(Worklist.state).in_(("open", "done")), state="struck", **closed)
    for record_id in sorted({each for each in asked if each is not None}):
        changes.receive_again(tx, record_id, FORGOTTEN)


def _erase(tx: Transaction, rows: Rows) -> None:
    for some in rows.batches():
        if rows.values:
            tx.session.execute(sa.update(rows.table).where(some).values(dict.fromkeys(rows.values)))
        else:
            tx.session.execute(sa.delete(rows.table).where(some))


def _rename(tx: Transaction, number: int) -> None:
    """Gives a row of a file another id: its own was a hash of what the row said."""
    record = tx.session.get_one(Record, number)
    if record.remote_id == f"{PREFIX}{FORGOTTEN}-{number}":
        return
    tx.session.execute(sa.delete(Lane).where(col(Lane.key) == record.lane))
    record.remote_id = f"{PREFIX}{FORGOTTEN}-{number}"
    record.lane = changes.own_lane(record.account, Kind(record.kind), record.remote_id)
    for change in tx.session.exec(select(Change).where(Change.record_id == number)):
        change.remote_id = record.remote_id
    tx.session.flush()


def _set(
    tx: Transaction,
    model: type[SQLModel],
    key: Any,
    keys: tuple[int, ...] | tuple[str, ...],
    *fits: sa.ColumnElement[bool],
    **values: object,
) -> None:
    """Sets columns of the rows with these keys that fit."""
    for start in range(0, len(keys), BATCH):
        tx.session.execute(
            sa.update(model)
            .where(key.in_(keys[start : start + BATCH]), *fits)
            .values(values)
            .execution_options(synchronize_session=False)
        )
