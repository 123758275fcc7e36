"""The sweep: compares what both sides list with what the ledger knows, so that no lost hint stays lost.

It decides nothing and writes nothing: whatever looks unlike the ledger is hinted at, and a fresh read decides.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import Found
from vetbridge.core.answers import NOT_SHOWN
from vetbridge.core.instants import Instant
from vetbridge.core.records import AppointmentStatus, Kind
from vetbridge.ledger import links, reviews
from vetbridge.ledger.database import Ledger
from vetbridge.sync.pair import End, Pair
from vetbridge.sync.receiving import Receiver
from vetbridge.sync.slots import WINDOW_KEYS, window

WINDOW = timedelta(days=90)
"""So far ahead visits are swept; what is further away comes into it in time."""


class Sweeper:
    """Sweeps one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, receiver: Receiver) -> None:
        self._pair = pair
        self.account = pair.booking.account
        self._ledger = ledger
        self._clock = clock
        self._receiver = receiver

    def sweep(self) -> int:
        """Lists the visits of the coming days at both sides; returns how many it hinted at."""
        begin = self._clock.now()
        end = begin + WINDOW
        at_booking = self._list(self._pair.booking, begin, end)
        in_pims = self._list(self._pair.pims, begin, end)
        hinted = 0
        with self._ledger.write() as tx:
            unsure = reviews.asked_about(tx, NOT_SHOWN)
            for link in links.visits(tx, self._pair.site, begin, end):
                booking_base, pims_base = links.bases(tx, link)
                lost_here = _ahead(booking_base, begin, end) and at_booking is not None
                lost_there = _ahead(pims_base, begin, end) and in_pims is not None
                unseen_here = lost_here and link.booking_id not in (at_booking or ())
                unseen_there = lost_there and link.pims_id not in (in_pims or ())
                asked = (link.booking_account, link.booking_id) in unsure  # it may be shown again
                if unseen_here or unseen_there or asked:
                    self._receiver.receive(tx, link.booking_account, Kind.APPOINTMENT, link.booking_id, "sweep")
                    hinted += 1
        return hinted

    def _list(self, side: End, begin: datetime, end: datetime) -> set[str] | None:
        """The ids that a side lists in a window, None where it cannot; hints at those that look unlike the ledger."""
        if not side.connector.capabilities.of(Kind.APPOINTMENT).search >= WINDOW_KEYS:
            return None
        seen: set[str] = set()
        for native in side.connector.search(Kind.APPOINTMENT, window(begin, end)):
            id_ = str(native["id"])
            seen.add(id_)
            self._receiver.listed(side, Found(id=id_, native=native), "sweep")
        return seen


def _ahead(base: dict[str, object] | None, begin: datetime, end: datetime) -> bool:
    """Whether a visit as it was settled stands in the window, well inside: the listing's edges are not sharp."""
    if base is None or base.get("status") == AppointmentStatus.CANCELLED:
        return False
    start = base.get("start")
    return isinstance(start, Instant) and begin + timedelta(minutes=5) < start.utc < end - timedelta(minutes=5)
