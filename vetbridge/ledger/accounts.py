"""Accounts: whether a vendor answers, how far its listings are read, and which budgets it paused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlmodel import col, select

from vetbridge.core.records import Kind
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Account, Budget, Cursor


def enrol(tx: Transaction, name: str, connector: str, *, country: str) -> Account:
    """The account's row, made where there is none. A block ends: a restart is how new credentials come in."""
    row = tx.session.get(Account, name)
    if row is None:
        row = Account(name=name, connector=connector)
        tx.session.add(row)
    row.connector = connector
    row.country = country
    row.blocked_code = None
    row.paused_until = None
    return row


def get(tx: Transaction, name: str) -> Account:
    """One account that was enrolled."""
    return tx.session.get_one(Account, name)


def not_answering(tx: Transaction, names: Iterable[str] | None = None) -> set[str]:
    """The accounts that are blocked or paused now."""
    rows = tx.session.exec(select(Account)).all()
    wanted = None if names is None else set(names)
    return {
        row.name
        for row in rows
        if (wanted is None or row.name in wanted)
        and (row.blocked_code is not None or (row.paused_until is not None and row.paused_until > tx.now))
    }


def back_at(tx: Transaction, names: Iterable[str]) -> datetime | None:
    """When the first of these accounts is asked again; None where none of them is only paused."""
    rows = [tx.session.get_one(Account, name) for name in names]
    moments = [row.paused_until for row in rows if row.blocked_code is None and row.paused_until is not None]
    return min(moments, default=None)


def answered(tx: Transaction, name: str) -> None:
    """The vendor answered: an outage, if there was one, is over."""
    row = tx.session.get_one(Account, name)
    row.failures = 0
    row.failing_since = None
    row.paused_until = None
    row.answered_at = tx.now


def back_off(tx: Transaction, name: str, *, first: float, longest: float) -> Account:
    """The vendor did not answer: pauses the account, twice as long each time, from ``first`` to ``longest`` seconds.

    Failures of calls that were under way when the pause began count once.
    """
    row = tx.session.get_one(Account, name)
    if row.paused_until is not None and row.paused_until > tx.now:
        return row
    row.failures += 1
    row.failing_since = row.failing_since or tx.now
    row.paused_until = tx.now + timedelta(seconds=min(longest, first * 2 ** min(row.failures - 1, 20)))
    return row


def block(tx: Transaction, name: str, code: str) -> None:
    """The vendor refuses the credentials: nothing more is sent until a person mended them."""
    tx.session.get_one(Account, name).blocked_code = code


def cursor(tx: Transaction, account: str, kind: Kind) -> str | None:
    """How far a listing was read; None at the first time."""
    row = tx.session.get(Cursor, (account, kind))
    return None if row is None else row.value


def move_cursor(tx: Transaction, account: str, kind: Kind, value: str) -> None:
    """Moves a listing's cursor; in the transaction that stored what it covers."""
    row = tx.session.get(Cursor, (account, kind))
    if row is None:
        tx.session.add(Cursor(account=account, kind=kind, value=value, read_at=tx.now))
    else:
        row.value = value
        row.read_at = tx.now


def pause_budget(tx: Transaction, account: str, name: str, seconds: float) -> None:
    """Keeps a pause that the vendor asked for."""
    row = tx.session.get(Budget, (account, name))
    until = tx.now + timedelta(seconds=seconds)
    if row is None:
        tx.session.add(Budget(account=account, name=name, paused_until=until))
    else:
        row.paused_until = max(row.paused_until, until)


def paused_budgets(tx: Transaction, account: str) -> dict[str, float]:
    """Budgets that are still paused, with the seconds left."""
    rows = tx.session.exec(select(Budget).where(Budget.account == account, col(Budget.paused_until) > tx.now))
    return {row.name: (row.paused_until - tx.now).total_seconds() for row in rows}
