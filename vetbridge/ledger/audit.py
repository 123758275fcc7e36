"""What people have done: who, when, by which door, and to what. Appended to, never changed; no personal value."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlmodel import col, select

from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Audit

COMMAND, PAGE, API = "command", "page", "api"
"""The doors by which people act (column ``via``)."""
MARKETPLACE = "marketplace"
"""The same of what the clinic did at the vendor, with a marketplace's app."""


class Act(StrEnum):
    """What a person did."""

    ANSWERED = "answered"
    TAKEN_BACK = "taken-back"
    PUT_OFF = "put-off"
    CLAIMED = "claimed"
    GIVEN_UP = "given-up"
    """A claim was given up before its time."""
    ASSIGNED = "assigned"
    NOTED = "noted"
    LINE_DONE = "line-done"
    LINE_UNDONE = "line-undone"
    """That a line of the work list is done was taken back."""
    ACKNOWLEDGED = "acknowledged"
    REPLAYED = "replayed"
    PAUSED = "paused"
    RESUMED = "resumed"
    APPROVED = "approved"
    RUN_UNDONE = "run-undone"
    PAIR_ENDED = "pair-ended"
    INSTALL_ACTIVATED = "install-activated"
    """A marketplace's app was connected at a location by hand."""
    INSTALL_ENDED = "install-ended"
    """A marketplace's app was taken away from a location."""
    STAFF_ADDED = "staff-added"
    STAFF_CHANGED = "staff-changed"
    STAFF_REMOVED = "staff-removed"
    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"
    SIGN_IN_REFUSED = "sign-in-refused"
    OWNER_EXPORTED = "owner-exported"
    OWNER_FORGOTTEN = "owner-forgotten"
    OWNER_READMITTED = "owner-readmitted"
    BACKED_UP = "backed-up"
    RESTORED = "restored"
    REKEYED = "rekeyed"
    """The ledger was given another key."""
    PRUNED = "pruned"
    UPGRADED = "upgraded"
    HOOKS_SET = "hooks-set"
    """VetBridge's address was entered in a vendor's webhook settings."""


def note(
    tx: Transaction,
    act: Act,
    *,
    by: str,
    via: str,
    subject: str,
    subject_id: object,
    site: str = "",
    says: str = "",
) -> None:
    """Writes down what somebody did, in the transaction in which it was done.

    ``subject`` is the table that it was done to, ``subject_id`` its row; ``says`` more of it, by ids and codes.
    """
    tx.session.add(
        Audit(at=tx.now, by=by, via=via, act=act, site=site, subject=subject, subject_id=str(subject_id), says=says)
    )


def entries(
    tx: Transaction,
    *,
    by: str | None = None,
    act: str | None = None,
    site: str | None = None,
    subject: str | None = None,
    subject_id: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> tuple[Audit, ...]:
    """What was done, the newest first; only what fits, where something is asked for."""
    fits = [
        col(column) == value
        for column, value in (
            (Audit.by, by),
            (Audit.act, act),
            (Audit.site, site),
            (Audit.subject, subject),
            (Audit.subject_id, subject_id),
        )
        if value is not None
    ]
    if since is not None:
        fits.append(col(Audit.at) >= since)
    return tuple(tx.session.exec(select(Audit).where(*fits).order_by(col(Audit.id).desc()).limit(limit)))
