"""Rows of imported files, as the ledger knows them: records of a PIMS account whose ids begin with ``file:``."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, select

from vetbridge.core.records import Kind
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Change, Record

PREFIX = "file:"
"""How the id of a row begins; behind it stands a keyed hash of what the row says."""


def is_row(remote_id: str) -> bool:
    """Whether a record is a row of a file."""
    return remote_id.startswith(PREFIX)


def row_id(tx: Transaction, values: Sequence[str]) -> str:
    """The id of a row: the same for the same values."""
    return PREFIX + tx.sealer.hash("\x1f".join(values))


def newest_changes(tx: Transaction, account: str, row_ids: Sequence[str]) -> dict[str, Change]:
    """The newest change of each of these rows that has one; a few hundred rows at a time."""
    found = tx.session.exec(
        select(Change)
        .join(Record, col(Record.id) == Change.record_id)
        .where(Record.account == account, Record.kind == Kind.CLIENT, col(Record.remote_id).in_(list(row_ids)))
        .order_by(col(Change.id))
    ).all()
    return {change.remote_id: change for change in found}
