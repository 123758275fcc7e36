"""Pauses: what a person has told VetBridge to leave alone for a while, or VetBridge itself stopped to ask about."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import select

from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Pause

SCOPES = ("account", "site")


def pause(tx: Transaction, scope: str, name: str, *, until: datetime | None, by: str, why: str = "") -> Pause:
    """Pauses an account or a site, or changes until when it is paused.

    ``why``: VetBridge itself pauses it until a person resumes it; a pause of a person's puts no earlier end to that.
    """
    row = tx.session.get(Pause, (scope, name))
    if row is not None and row.why and not why:
        return row
    if row is None:
        row = Pause(scope=scope, name=name, since=tx.now)
        tx.session.add(row)
    elif row.until is not None and row.until <= tx.now:
        row.since = tx.now  # the earlier one has ended by itself
    row.until = until
    row.by = by
    row.why = why
    return row


def resume(tx: Transaction, scope: str, name: str) -> bool:
    """Ends a pause; False where there was none."""
    row = tx.session.get(Pause, (scope, name))
    if row is None:
        return False
    tx.session.delete(row)
    return True


def standing(tx: Transaction) -> tuple[Pause, ...]:
    """The pauses that hold now."""
    return tuple(row for row in tx.session.exec(select(Pause)) if row.until is None or row.until > tx.now)


def paused(tx: Transaction, scope: str) -> set[str]:
    """Names of the accounts or sites that are paused now."""
    return {row.name for row in standing(tx) if row.scope == scope}


def next_end(tx: Transaction) -> datetime | None:
    """When the first of the pauses ends by itself."""
    return min((row.until for row in standing(tx) if row.until is not None), default=None)
