"""Installs: how a marketplace's app stands at each location, as the vendor said last."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlmodel import col, select

from vetbridge.connector.interface import InstallState
from vetbridge.core.installs import LAPSED
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Install


def get(tx: Transaction, app: str, location: str) -> Install | None:
    """How an app stands at a location; None where nothing is known of it there."""
    return tx.session.get(Install, (app, location))


def of(tx: Transaction, app: str) -> tuple[Install, ...]:
    """Every install of an app that is known, by location."""
    return tuple(tx.session.exec(select(Install).where(Install.app == app).order_by(col(Install.location))))


def asked(tx: Transaction, app: str, location: str, *, at: datetime, until: datetime) -> Install:
    """Somebody has clicked Connect at a location; the vendor takes a yes ``until`` then."""
    row = stands(tx, app, location, InstallState.PENDING)
    row.asked_at, row.until_at, row.code = at, until, ""
    return row


def stands(
    tx: Transaction, app: str, location: str, state: str, *, since: datetime | None = None, seen: bool = True
) -> Install:
    """Notes how an app stands at a location. ``seen``: the vendor was asked for it just now."""
    row = tx.session.get(Install, (app, location))
    if row is None:
        row = Install(app=app, location=location, state="", changed_at=tx.now)
        tx.session.add(row)
    if row.state != state:
        row.state = state
        row.changed_at = tx.now
        row.active_at = (since or tx.now) if state == InstallState.ACTIVE else None
        row.until_at = None if state != LAPSED else row.until_at
        row.code = row.code if state == LAPSED else ""
    if seen:
        row.seen_at = tx.now
    return row


def refused(tx: Transaction, app: str, location: str, code: str) -> None:
    """Notes why an app could not be connected at a location yet."""
    tx.session.get_one(Install, (app, location)).code = code


def seen(tx: Transaction, app: str, locations: Collection[str]) -> None:
    """The vendor has just said of these that they stand as is known."""
    for row in of(tx, app):
        if row.location in locations:
            row.seen_at = tx.now


def forget(tx: Transaction, app: str, location: str) -> None:
    """Nothing is known of a location any more."""
    row = tx.session.get(Install, (app, location))
    if row is not None:
        tx.session.delete(row)
