"""The shape of the records of an account: which paths are known to hold a value, and which do so no longer."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.records import Kind
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the records of one kind at one account."""

    filled: frozenset[str] = frozenset()
    """Dotted paths that every record has had, and at which some held a value."""
    sparse: frozenset[str] = frozenset()
    """Paths that some records have and some have not: the side leaves out what a record does not say."""
    lost: frozenset[str] = frozenset()
    """Paths that every record of the newest listing lacked, or had in a form that cannot be read."""


def known(tx: Transaction, account: str, kind: Kind) -> Known:
    """What is known of one kind; nothing before its first listing."""
    row = tx.session.get(Shape, (account, kind))
    return Known() if row is None else _known(row)


def losses(tx: Transaction, account: str) -> dict[str, frozenset[str]]:
    """The lost paths of an account, by kind; kinds that lost none are left out."""
    rows = tx.session.exec(select(Shape).where(Shape.account == account)).all()
    found = {row.kind: _known(row).lost for row in rows}
    return {kind: lost for kind, lost in sorted(found.items()) if lost}


def keep(tx: Transaction, account: str, kind: Kind, now: Known) -> None:
    """Keeps what is known now, in place of what was."""
    told = {"filled": sorted(now.filled), "sparse": sorted(now.sparse), "lost": sorted(now.lost)}
    content = json.dumps(told, ensure_ascii=False)
    row = tx.session.get(Shape, (account, kind))
    if row is None:
        tx.session.add(Shape(account=account, kind=kind, paths=content, read_at=tx.now))
    else:
        row.paths = content
        row.read_at = tx.now


def forget(tx: Transaction, account: str) -> None:
    """Forgets the shapes of an account: whatever the next listings show is right."""
    tx.session.execute(sa.delete(Shape).where(col(Shape.account) == account))


def _known(row: Shape) -> Known:
    told = json.loads(row.paths)
    return Known(filled=frozenset(told["filled"]), sparse=frozenset(told["sparse"]), lost=frozenset(told["lost"]))
