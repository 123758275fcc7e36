"""Who has looked at an owner's data: when, by which door, and at what, by ids alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from sqlmodel import col, select

from vetbridge.core.errors import LedgerError
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import Access

log = structlog.get_logger("vetbridge.ledger")

ONCE_IN = timedelta(minutes=10)
"""Who looks at the same once more within this time is noted once: a page is loaded again and again."""


class Look(StrEnum):
    """What somebody looked at."""

    QUESTION = "question"
    SEARCH = "search"
    """Owners, or their visits, that a search has found or the work list names; or the files of theirs that failed."""
    HISTORY = "history"
    """What happened to one record."""
    EXPORT = "export"
    """All that is held about an owner."""


def note_questions(ledger: Ledger, ids: Collection[int], *, by: str, via: str) -> None:
    """Somebody looks at these questions."""
    note(ledger, Look.QUESTION, by=by, via=via, subject="review", ids=ids)


def note_found(ledger: Ledger, record_ids: Collection[int], *, by: str, via: str) -> None:
    """Somebody has searched, and sees whose visits these records are."""
    note(ledger, Look.SEARCH, by=by, via=via, subject="record", ids=record_ids)


def note_clients(ledger: Ledger, clients: Iterable[tuple[str, str]], *, by: str, via: str) -> None:
    """Somebody has searched, and sees these clients, by account and id."""
    ids = [f"{account}/{client_id}" for account, client_id in clients]
    note(ledger, Look.SEARCH, by=by, via=via, subject="client", ids=ids)


def note_history(ledger: Ledger, change_id: int, *, by: str, via: str) -> None:
    """Somebody looks at the story of a change."""
    note(ledger, Look.HISTORY, by=by, via=via, subject="change", ids=[change_id])


def note(ledger: Ledger, look: Look, *, by: str, via: str, subject: str, ids: Collection[object]) -> None:
    """Writes down that somebody has looked at these; ``via`` is a door of ``vetbridge.ledger.audit``.

    ``subject`` is what ``ids`` are of: ``review``, ``change``, ``record``, or ``client`` (as ACCOUNT/ID). Whoever
    looks is not kept from it by a ledger that takes no transaction now: that is logged instead.
    """
    wanted = {str(each) for each in ids}
    try:
        with ledger.read() as tx:
            if not wanted - _noted(tx, look, by, subject, wanted):
                return
        with ledger.write() as tx:
            for id_ in sorted(wanted - _noted(tx, look, by, subject, wanted)):
                tx.session.add(Access(at=tx.now, by=by, via=via, what=look, subject=subject, subject_id=id_))
    except LedgerError as error:
        log.warning("access.not-noted", look=look.value, subject=subject, count=len(wanted), code=error.code)


def entries(
    tx: Transaction,
    *,
    by: str | None = None,
    subject: str | None = None,
    subject_id: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> tuple[Access, ...]:
    """Who has looked at what, the newest first; only what fits, where something is asked for."""
    fits = [
        col(column) == value
        for column, value in ((Access.by, by), (Access.subject, subject), (Access.subject_id, subject_id))
        if value is not None
    ]
    if since is not None:
        fits.append(col(Access.at) >= since)
    return tuple(tx.session.exec(select(Access).where(*fits).order_by(col(Access.id).desc()).limit(limit)))


def _noted(tx: Transaction, look: Look, by: str, subject: str, ids: Collection[str]) -> set[str]:
    """Those of these that are noted already, and not long ago."""
    recent = select(Access.subject_id).where(
        col(Access.at) > tx.now - ONCE_IN, Access.by == by, Access.what == look, Access.subject == subject
    )
    return set(tx.session.exec(recent)) & set(ids)
