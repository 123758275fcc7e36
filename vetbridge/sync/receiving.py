"""Receives hints: polls the booking side, and takes webhook calls."""

from __future__ import annotations

from collections.abc import Iterable

from vetbridge.connector.interface import Found, Hint
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts, changes
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.sync.comparing import digest
from vetbridge.sync.pair import End, Pair


class Receiver:
    """Receives hints for one pair."""

    def __init__(self, pair: Pair, ledger: Ledger) -> None:
        self._pair = pair
        self._ledger = ledger

    def poll(self) -> int:
        """Lists what changed at the booking side since the last poll; returns how many changes it opened.

        A record whose listed content is what was settled last opens nothing: the listing was a read of it.
        """
        end = self._pair.booking
        with self._ledger.read() as tx:
            since = accounts.cursor(tx, end.account, Kind.APPOINTMENT)
        opened = 0
        for page in end.connector.changes(Kind.APPOINTMENT, since):
            with self._ledger.write() as tx:
                for found in page.records:
                    if not self._is_settled(tx, end, found):
                        self._receive(tx, end.account, Kind.APPOINTMENT, found.id, "poll")
                        opened += 1
                accounts.move_cursor(tx, end.account, Kind.APPOINTMENT, page.cursor)
        return opened

    def hints(self, account: str, hints: Iterable[Hint], source: str = "webhook") -> int:
        """Takes hints that a webhook call or a person gave; returns how many."""
        taken = 0
        with self._ledger.write() as tx:
            for hint in hints:
                self._receive(tx, account, hint.kind, hint.id, source)
                taken += 1
        return taken

    def _receive(self, tx: Transaction, account: str, kind: Kind, remote_id: str, source: str) -> None:
        changes.receive(tx, site=self._pair.site, account=account, kind=kind, remote_id=remote_id, source=source)

    def _is_settled(self, tx: Transaction, end: End, found: Found) -> bool:
        """The listing shows just the content that was settled last, and nobody works on the record now."""
        settled = changes.settled_digest(tx, end.account, Kind.APPOINTMENT, found.id)
        return (
            settled is not None
            and found.native is not None
            and digest(tx.sealer, self._pair, end, found.native) == settled
        )
