"""Pauses: what a person has told VetBridge to leave alone for a while, or VetBridge itself stopped to ask about."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.installs import INSTALL
from vetbridge.core.records import Kind
from vetbridge.ledger import changes
from vetbridge.ledger.changes import SiteKind
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import OPEN_STATES, Change, Pause

SCOPES = ("account", "site", "kind")

KIND_PAUSED = "kind-paused"
"""Code of a change whose work would have to write a record of a kind that is paused."""


def pause(tx: Transaction, scope: str, name: str, *, until: datetime | None, by: str, why: str = "") -> Pause:
    """Pauses an account, a site or a kind at a site (``SITE/KIND``), or changes until when it is paused.

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
    if scope == "kind":
        changes.wake(tx, {KIND_PAUSED})
    return True


def standing(tx: Transaction) -> tuple[Pause, ...]:
    """The pauses that hold now."""
    return tuple(row for row in tx.session.exec(select(Pause)) if row.until is None or row.until > tx.now)


def paused(tx: Transaction, scope: str) -> set[str]:
    """Names of the accounts or sites that are paused now; also accounts whose app is not connected."""
    scopes = (scope, INSTALL) if scope == "account" else (scope,)
    return {row.name for row in standing(tx) if row.scope in scopes}


def paused_kinds(tx: Transaction) -> set[SiteKind]:
    """The kinds that are paused now, each with its site."""
    return {(site, kind) for site, _, kind in (name.partition("/") for name in paused(tx, "kind"))}


def kind_pause(tx: Transaction, site: str, kind: Kind) -> Pause | None:
    """The pause of a kind at a site; None where none holds."""
    row = tx.session.get(Pause, ("kind", f"{site}/{kind.value}"))
    return row if row is not None and (row.until is None or row.until > tx.now) else None


def open_changes(tx: Transaction, site: str, kind: Kind) -> int:
    """How many changes of a kind are open at a site."""
    counted = select(sa.func.count()).select_from(Change)
    return tx.session.exec(
        counted.where(Change.site == site, Change.kind == kind, col(Change.state).in_(OPEN_STATES))
    ).one()


def next_end(tx: Transaction) -> datetime | None:
    """When the first of the pauses ends by itself."""
    return min((row.until for row in standing(tx) if row.until is not None), default=None)
