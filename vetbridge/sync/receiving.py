"""Receives hints: polls both sides, and takes webhook calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

import structlog

from vetbridge.connector.interface import Found, Hint
from vetbridge.core.errors import MappingError
from vetbridge.core.records import AppointmentStatus, Kind
from vetbridge.ledger import accounts, changes, links, reviews
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.sync.comparing import shows_settled
from vetbridge.sync.desk_visits import is_echo
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.people import comparable

log = structlog.get_logger("vetbridge.sync")

PAST = timedelta(days=1)
"""Of a first reading, visits that began longer ago are history."""


class Receiver:
    """Receives hints for one pair."""

    def __init__(self, pair: Pair, ledger: Ledger) -> None:
        self._pair = pair
        self._ledger = ledger

    def poll(self) -> int:
        """Lists what changed at the booking side since the last poll; returns how many changes it opened.

        A record whose listed content is what was settled last opens nothing: the listing was a read of it.
        """
        opened = self._poll(self._pair.booking, Kind.APPOINTMENT, self._is_settled)
        if self._pair.booking.connector.capabilities.of(Kind.CLIENT).incremental:
            opened += self._poll(self._pair.booking, Kind.CLIENT, self._is_settled_card)
        return opened

    def poll_desk(self) -> int:
        """Lists which visits changed in the PIMS since the last poll; returns how many changes it opened."""
        return self._poll(self._pair.pims, Kind.APPOINTMENT, self._is_settled_visit)

    def hints(self, account: str, hints: Iterable[Hint], source: str = "webhook") -> int:
        """Takes hints that a webhook call or a person gave; returns how many."""
        taken = 0
        with self._ledger.write() as tx:
            for hint in hints:
                self.receive(tx, account, hint.kind, hint.id, source, urgent=hint.urgent)
                taken += 1
        return taken

    def listed(self, side: End, found: Found, source: str) -> bool:
        """Takes one visit that a listing shows; whether it opened a change."""
        settled = self._is_settled if side.account == self._pair.booking.account else self._is_settled_visit
        with self._ledger.read() as tx:  # most are: the writer is left to those who write
            if settled(tx, side, found, False):
                return False
        with self._ledger.write() as tx:
            urgent = _is_off(side, Kind.APPOINTMENT, found)
            self.receive(tx, side.account, Kind.APPOINTMENT, found.id, source, urgent=urgent)
            return True

    def receive(
        self, tx: Transaction, account: str, kind: Kind, remote_id: str, source: str, *, urgent: bool = False
    ) -> None:
        """Takes one hint. ``urgent``: the record seems to be cancelled or gone."""
        changes.receive(
            tx,
            site=self._pair.site,
            account=account,
            kind=kind,
            remote_id=remote_id,
            source=source,
            urgent=urgent,
        )

    def _poll(self, end: End, kind: Kind, is_settled: Callable[[Transaction, End, Found, bool], bool]) -> int:
        with self._ledger.read() as tx:
            since = accounts.cursor(tx, end.account, kind)
        opened = 0
        for page in end.connector.changes(kind, since):
            with self._ledger.write() as tx:
                for found in page.records:
                    if not is_settled(tx, end, found, since is None):
                        self.receive(tx, end.account, kind, found.id, "poll", urgent=_is_off(end, kind, found))
                        opened += 1
                accounts.move_cursor(tx, end.account, kind, page.cursor)
        return opened

    def _is_settled(self, tx: Transaction, end: End, found: Found, _first: bool) -> bool:
        """The listing shows just the content that was settled last, and nobody works on the record now."""
        settled = changes.settled_digest(tx, end.account, Kind.APPOINTMENT, found.id)
        return (
            settled is not None and found.native is not None and shows_settled(tx.sealer, end, found.native, settled)
        )

    def _is_settled_visit(self, tx: Transaction, end: End, found: Found, first: bool) -> bool:
        """A visit of the PIMS that stands as it was settled: by its own change, or by VetBridge's own write.

        Of a first reading the visits of the past are history; whatever cannot be read is not.
        """
        if self._is_settled(tx, end, found, first):
            return True
        link = links.of_pims(tx, end.account, Kind.APPOINTMENT, found.id)
        if found.native is None:
            # It is gone; whether anybody misses it.
            return link is None and not reviews.is_asked(tx, end.account, Kind.APPOINTMENT, found.id)
        try:
            if link is not None:
                return is_echo(tx, link, end.mapper.read(Kind.APPOINTMENT, found.native))
            return first and end.mapper.peek(Kind.APPOINTMENT, found.native, "start").utc < tx.now - PAST
        except MappingError:
            return False

    def _is_settled_card(self, tx: Transaction, end: End, found: Found, _first: bool) -> bool:
        """A client of the booking side that is not linked, or stands as it was settled."""
        link = links.of_booking(tx, end.account, Kind.CLIENT, found.id)
        if link is None or found.native is None:
            return True
        try:
            card = end.mapper.read(Kind.CLIENT, found.native)
        except MappingError:
            return False
        base, _ = links.bases(tx, link)
        asked = reviews.is_asked(tx, end.account, Kind.CLIENT, found.id)
        return base == comparable(card, self._pair.country) and not asked


def _is_off(end: End, kind: Kind, found: Found) -> bool:
    """Whether a listing shows a record as gone or cancelled: that is read before all else, and decided then."""
    if found.native is None:
        return found.deleted
    try:
        return (
            kind is Kind.APPOINTMENT and end.mapper.peek(kind, found.native, "status") == AppointmentStatus.CANCELLED
        )
    except MappingError:
        return False
