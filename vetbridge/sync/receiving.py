"""Receives hints: polls both sides, and takes webhook calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from vetbridge.connector.budgets import in_bulk, in_poll
from vetbridge.connector.interface import Found, Hint, Page
from vetbridge.core.errors import MappingError
from vetbridge.core.instants import Instant
from vetbridge.core.records import AppointmentStatus, Kind
from vetbridge.ledger import accounts, actions, changes, links, reviews, suppression
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.sync.comparing import shows_settled
from vetbridge.sync.desk_visits import is_echo
from vetbridge.sync.due_reading import keep_visits
from vetbridge.sync.opting_out import compared, is_news
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.people import comparable
from vetbridge.sync.upgrades import ShapeWatch

log = structlog.get_logger("vetbridge.sync")

WEBHOOK = "webhook"
"""Source of a hint that the vendor itself gave."""
HOOK_GRACE = timedelta(minutes=10)
"""A webhook that comes so much before or after a poll's find may tell of it. Altegio sends them after 5 s (vendor
sheet, section 5), ezyVet was seen to take more than 5 minutes (section 8)."""
MOST_UNHOOKED = 1000
PAST = timedelta(days=1)
"""Of a first reading, visits that began longer ago are history."""


class Receiver:
    """Receives hints for one pair."""

    def __init__(
        self,
        pair: Pair,
        ledger: Ledger,
        *,
        every: Mapping[str, float] | None = None,
        keeps_visits: bool | None = None,
    ) -> None:
        """``every``: seconds between two polls, by account. ``keeps_visits``: the PIMS's visits are mirrored, as they
        decide which services are due; None: where they do at this pair's site."""
        self._pair = pair
        self._keeps_visits = pair.due is not None if keeps_visits is None else keeps_visits
        self._ledger = ledger
        self._every = every or {}
        self._shapes = ShapeWatch(ledger)
        self._polled_at: dict[str, datetime] = {}
        self._unhooked: dict[str, list[datetime]] = {}
        """When polls found what people did, by account, as long as a webhook may still tell of it."""

    def poll(self) -> int:
        """Lists what changed at the booking side since the last poll; returns how many changes it opened.

        A record whose listed content is what was settled last opens nothing: the listing was a read of it.
        """
        opened = self._poll(self._pair.booking, Kind.APPOINTMENT, self._is_settled_booking)
        if self._pair.booking.connector.capabilities.of(Kind.CLIENT).incremental:
            opened += self._poll(self._pair.booking, Kind.CLIENT, self._is_settled_card)
        return opened

    def poll_desk(self) -> int:
        """Lists which visits changed in the PIMS since the last poll; returns how many changes it opened."""
        return self._poll(self._pair.pims, Kind.APPOINTMENT, self._is_settled_visit)

    def hints(self, account: str, hints: Iterable[Hint], source: str = WEBHOOK) -> int:
        """Takes hints that a webhook call or a person gave; returns how many."""
        taken = 0
        with self._ledger.write() as tx:
            if source == WEBHOOK:
                accounts.hooked(tx, account)
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
    ) -> bool:
        """Takes one hint; whether it opened a change. ``urgent``: the record seems to be cancelled or gone."""
        change = changes.receive(
            tx,
            site=self._pair.site,
            account=account,
            kind=kind,
            remote_id=remote_id,
            source=source,
            urgent=urgent,
        )
        return change.received_at == tx.now

    def _poll(self, end: End, kind: Kind, is_settled: Callable[[Transaction, End, Found, bool], bool]) -> int:
        with self._ledger.read() as tx:
            since = accounts.cursor(tx, end.account, kind)
        opened = 0
        grace = self._grace(end.account)
        news: list[datetime] = []
        for page in self._pages(end, kind, since):
            self._shapes.saw(end, kind, page)
            with self._ledger.write() as tx:
                for found in page.records:
                    if not is_settled(tx, end, found, since is None):
                        # One that is open is listed again and again, as long as the other side is away.
                        is_news = self.receive(
                            tx, end.account, kind, found.id, "poll", urgent=_is_off(end, kind, found)
                        )
                        if (
                            is_news
                            and kind is Kind.APPOINTMENT
                            and not actions.wrote_lately(tx, self._pair.site, end.account, kind, found.id, grace)
                        ):
                            news.append(tx.now)
                        opened += 1
                if self._keeps_visits and end is self._pair.pims:
                    keep_visits(tx, end, page.records)
                accounts.move_cursor(tx, end.account, kind, page.cursor)
        if kind is Kind.APPOINTMENT:
            self._count_silence(end.account, news)
        return opened

    def _count_silence(self, account: str, news: Sequence[datetime]) -> None:
        """Notes what a poll found that webhooks should have told, once it is known that none did.

        Only of polls that follow another one closely: after a time in which VetBridge did not listen, or a vendor was
        away, what is found says nothing about webhooks that come now.
        """
        with self._ledger.read() as tx:
            now, before, grace = tx.now, self._polled_at.get(account), self._grace(account)
            due = any(at + grace <= now for at in self._unhooked.get(account, ()))
        self._polled_at[account] = now
        if before is None or not timedelta() <= now - before <= grace:
            self._unhooked.pop(account, None)
            return
        waiting = self._unhooked[account] = [*self._unhooked.get(account, ()), *news][-MOST_UNHOOKED:]
        if due:
            with self._ledger.write() as tx:
                self._unhooked[account] = accounts.missed_hooks(tx, account, waiting, grace)

    def _grace(self, account: str) -> timedelta:
        """How far from a poll's find a webhook may tell of it: what polls seldom may find long after it."""
        return max(HOOK_GRACE, 1.5 * timedelta(seconds=self._every.get(account, 0.0)))

    @staticmethod
    def _pages(end: End, kind: Kind, since: str | None) -> Iterator[Page]:
        """The pages of a listing. A first one reads years, and leaves room for what people are waiting for."""
        pages = iter(end.connector.changes(kind, since))
        while True:
            with in_bulk() if since is None else in_poll():
                page = next(pages, None)
            if page is None:
                return
            yield page

    def _is_settled(self, tx: Transaction, end: End, found: Found, _first: bool) -> bool:
        """The listing shows just the content that was settled last, and nobody works on the record now; or it is of
        an owner who was forgotten."""
        if suppression.is_forgotten(tx, end.account, Kind.APPOINTMENT, found.id):
            return True
        settled = changes.settled_digest(tx, end.account, Kind.APPOINTMENT, found.id)
        return (
            settled is not None and found.native is not None and shows_settled(tx.sealer, end, found.native, settled)
        )

    def _is_settled_booking(self, tx: Transaction, end: End, found: Found, first: bool) -> bool:
        """A booking that stands as it was settled; of a first reading the visits of the past are history, too."""
        return self._is_settled(tx, end, found, first) or (first and _is_past(end, found, tx.now))

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
        except MappingError:
            return False
        return first and _is_past(end, found, tx.now)

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
        same = compared(base) == comparable(card, self._pair.country)
        return same and not is_news(base, card) and not asked


def _is_past(end: End, found: Found, now: datetime) -> bool:
    """Whether a listing shows a visit that began long ago; whatever cannot be read is not past."""
    if found.native is None:
        return False
    try:
        start = end.mapper.peek(Kind.APPOINTMENT, found.native, "start")
    except MappingError:
        return False
    return isinstance(start, Instant) and start.utc < now - PAST


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
