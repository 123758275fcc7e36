"""Code lists of the accounts as they were read last."""

from __future__ import annotations

import json
from collections.abc import Mapping

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import CodeList


def keep(tx: Transaction, account: str, name: str, titles: Mapping[str, str]) -> None:
    """Keeps one list, titles by code, in place of what was kept of it."""
    content = json.dumps(titles, ensure_ascii=False, sort_keys=True)
    row = tx.session.get(CodeList, (account, name))
    if row is None:
        tx.session.add(CodeList(account=account, name=name, content=content, read_at=tx.now))
    else:
        row.content = content
        row.read_at = tx.now


def kept(tx: Transaction, account: str) -> dict[str, dict[str, str]]:
    """The lists of an account that were kept, by name; none before the first look."""
    rows = tx.session.exec(select(CodeList).where(CodeList.account == account)).all()
    return {row.name: json.loads(row.content) for row in rows}


def forget(tx: Transaction, account: str) -> None:
    """Forgets the lists of an account: whatever the next look finds is right."""
    tx.session.execute(sa.delete(CodeList).where(col(CodeList.account) == account))
