"""Who may use the page and the API, who is signed in, and which forms were sent already."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from sqlmodel import col, delete, select

from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Staff, StaffSession, UsedForm


def folded(name: str) -> str:
    """What a name is known by, in any spelling of case and however a keyboard composes its letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def members(tx: Transaction) -> tuple[Staff, ...]:
    """Everybody who has not been removed, by name."""
    rows = tx.session.exec(select(Staff).where(col(Staff.removed_at).is_(None)))
    return tuple(sorted(rows, key=lambda row: row.name.casefold()))


def member(tx: Transaction, name: str) -> Staff | None:
    """Whoever has this name, in any spelling; None where nobody has, or not any more."""
    return next((row for row in members(tx) if folded(row.name) == folded(name)), None)


def once_member(tx: Transaction, name: str) -> Staff | None:
    """Whoever has or had this name, in any spelling."""
    rows = tx.session.exec(select(Staff))
    return next((row for row in rows if folded(row.name) == folded(name)), None)


def by_token(tx: Transaction, token_hash: str) -> Staff | None:
    """Whose token for the API this is."""
    return tx.session.exec(
        select(Staff).where(Staff.token_hash == token_hash, col(Staff.removed_at).is_(None))
    ).first()


def begin_session(tx: Transaction, name: str, token_hash: str, *, ends_at: datetime) -> None:
    """Somebody is signed in from now on."""
    tx.session.add(StaffSession(token_hash=token_hash, staff=name, made_at=tx.now, seen_at=tx.now, ends_at=ends_at))


def session(tx: Transaction, token_hash: str) -> tuple[StaffSession, Staff] | None:
    """A session, and who is signed in by it; None where it was ended, or its member was removed."""
    return tx.session.exec(
        select(StaffSession, Staff).where(
            StaffSession.token_hash == token_hash,
            StaffSession.staff == Staff.name,
            col(Staff.removed_at).is_(None),
        )
    ).first()


def seen(tx: Transaction, token_hash: str) -> None:
    """Whoever is signed in by a session has just used it."""
    row = tx.session.get(StaffSession, token_hash)
    if row is not None:
        row.seen_at = tx.now


def end_session(tx: Transaction, token_hash: str) -> None:
    """Signs out."""
    tx.session.exec(delete(StaffSession).where(col(StaffSession.token_hash) == token_hash))


def end_sessions(tx: Transaction, name: str) -> None:
    """Signs somebody out everywhere."""
    tx.session.exec(delete(StaffSession).where(col(StaffSession.staff) == name))


def prune_sessions(tx: Transaction) -> None:
    """Forgets the sessions that have ended by themselves."""
    tx.session.exec(delete(StaffSession).where(col(StaffSession.ends_at) <= tx.now))


def use_form(tx: Transaction, form_hash: str, *, forget_before: datetime) -> bool:
    """Notes that a form was sent; False where it was sent before. What was sent before a moment is forgotten."""
    if tx.session.get(UsedForm, form_hash) is not None:
        return False
    tx.session.exec(delete(UsedForm).where(col(UsedForm.used_at) < forget_before))
    tx.session.add(UsedForm(form_hash=form_hash, used_at=tx.now))
    return True
