"""Whether a time is free at the other side, where that side does not say so itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from vetbridge.connector.interface import Native
from vetbridge.core.answers import SLOT_TAKEN
from vetbridge.core.errors import MappingError
from vetbridge.core.records import Appointment, AppointmentStatus, Kind
from vetbridge.sync.comparing import stamp_of
from vetbridge.sync.job import Ask
from vetbridge.sync.pair import End, Own

WINDOW_KEYS = frozenset({"start_from", "start_before"})
"""Search keys of visits by when they start, as ISO 8601 with an offset."""
LONGEST_VISIT = timedelta(hours=12)
"""A visit that began so long before is over."""


GRAIN = timedelta(minutes=5)
"""Times are reserved in pieces of this length."""


def slot_keys(wanted: Appointment) -> list[str]:
    """What is reserved in the ledger before a visit is written: the person or room, piece by piece of its time.

    None for a visit without one. Two visits that overlap share a key; two that only touch may, and then one waits
    for a moment.
    """
    if wanted.resource is None:
        return []
    first = int(wanted.start.utc.timestamp() // GRAIN.total_seconds())
    over = wanted.start.utc + min(timedelta(seconds=wanted.duration), LONGEST_VISIT)
    last = int(over.timestamp() // GRAIN.total_seconds())
    return [f"{wanted.resource}@{piece}" for piece in range(first, max(last, first) + 1)]


def window(start: datetime, end: datetime) -> dict[str, str]:
    """The search for visits that start in a span of time."""
    return {"start_from": start.isoformat(), "start_before": end.isoformat()}


def require_free(end: End, wanted: Appointment, *, but: str | None, here: Appointment, own: str = "") -> None:
    """Raises ``Ask`` where another visit of the same person or room stands in the time of ``wanted`` at ``end``.

    ``but``: the visit itself, where it stands there already; ``own``: its stamp, where it may. ``here``: what the
    question is about. A side that cannot list its visits by time is asked by the write itself.
    """
    if wanted.resource is None or not end.connector.capabilities.of(Kind.APPOINTMENT).search >= WINDOW_KEYS:
        return
    begin = wanted.start.utc
    over = begin + timedelta(seconds=wanted.duration)
    for native in end.connector.search(Kind.APPOINTMENT, window(begin - LONGEST_VISIT, over)):
        if _stands_in(end, native, wanted, but, begin, over):
            other = readable(end, native)
            if other is not None and end.own is not None and not _is_taken_by(end.own, other, begin, over):
                continue
            if own and other is not None and stamp_of(other) == own:
                continue
            named = f" ({other.id})" if other is not None else ""
            raise Ask(
                SLOT_TAKEN,
                f"{end.account}: the time is taken by another visit{named}",
                {"booking": here, "other": other},
            )


def _stands_in(
    end: End, native: Native, wanted: Appointment, but: str | None, begin: datetime, over: datetime
) -> bool:
    """Whether a visit of a list takes the time of ``wanted``; what else is said of it need not be readable."""

    def said(name: str) -> Any:
        return end.mapper.peek(Kind.APPOINTMENT, native, name)

    try:
        if said("id") == but or said("resource") != wanted.resource:
            return False
        start, length, status = said("start"), said("duration"), said("status")
    except MappingError:
        return False  # of somebody, or of a kind, that this site does not carry over
    if start is None or status in (AppointmentStatus.CANCELLED, AppointmentStatus.NO_SHOW):
        return False
    return bool(start.utc < over and begin < start.utc + timedelta(seconds=length or 0))


def _is_taken_by(own: Own, other: Appointment, begin: datetime, over: datetime) -> bool:
    """Whether a visit still stands in a time, which VetBridge may have moved or cancelled of late."""
    stands = own.over(Kind.APPOINTMENT, other.id or "", other)
    if not isinstance(stands, Appointment) or stands.status is AppointmentStatus.CANCELLED:
        return False
    start = stands.start.utc
    return start < over and begin < start + timedelta(seconds=stands.duration)


def readable(end: End, native: Native) -> Appointment | None:
    """A visit of a list; None for one of somebody, or of a kind, that this site does not carry over."""
    try:
        return end.mapper.read(Kind.APPOINTMENT, native)
    except MappingError:
        return None
