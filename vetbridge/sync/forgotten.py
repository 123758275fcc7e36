"""Owners who were forgotten: how a change ends that is about one of them. Nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterable

from vetbridge.core.records import Appointment, Kind
from vetbridge.ledger import suppression
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import ChangeState
from vetbridge.sync.job import Ending

FORGOTTEN = Ending(
    state=ChangeState.SKIPPED, code="forgotten", message="it is of an owner who was forgotten; nothing of it is kept"
)
FORGOTTEN_CLIENT = Ending(
    state=ChangeState.FAILED,
    code="forgotten-client",
    message="its owner was forgotten; enter it by hand, or let the owner in again",
)


class Forgotten(Exception):
    """A record is of an owner who was forgotten; ``ending`` says how its change ends."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.code)
        self.ending = ending


def ending_of(tx: Transaction, account: str, remote_id: str, visit: Appointment) -> Ending | None:
    """How a change ends that is about a visit which was forgotten, or whose owner was; None where neither was.

    A new one that is still to come must not be lost silently: they may have come back, and that is for a person to
    say.
    """
    if suppression.is_forgotten(tx, account, Kind.APPOINTMENT, remote_id):
        return FORGOTTEN
    if suppression.is_forgotten(tx, account, Kind.CLIENT, visit.client_id):
        return FORGOTTEN_CLIENT if visit.start.utc > tx.now else FORGOTTEN
    return None


def require_known(tx: Transaction, account: str, kind: str, remote_id: str) -> None:
    """Raises ``Forgotten`` for a record of an owner who was forgotten: nothing of it is kept."""
    if suppression.is_forgotten(tx, account, kind, remote_id):
        raise Forgotten(FORGOTTEN)


def require_nobody(tx: Transaction, account: str, client_ids: Iterable[str]) -> None:
    """Raises ``Forgotten`` where a side finds somebody who was forgotten by what a booking says: else they would be
    made there a second time."""
    if suppression.ids_forgotten(tx, account, Kind.CLIENT, client_ids):
        raise Forgotten(FORGOTTEN_CLIENT)
