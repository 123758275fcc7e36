"""Whether a time is free at the other side, where that side does not say so itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from vetbridge.core.answers import SLOT_TAKEN
from vetbridge.core.errors import MappingError
from vetbridge.core.records import Appointment, AppointmentStatus, Kind
from vetbridge.sync.job import Ask
from vetbridge.sync.pair import End

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


def require_free(end: End, wanted: Appointment, *, but: str | None, here: Appointment) -> None:
    """Raises ``Ask`` where another visit of the same person or room stands in the time of ``wanted`` at ``end``.

    ``but``: the visit itself, where it stands there already. ``here``: what the question is about. A side that cannot
    list its visits by time is asked by the write itself.
    """
    if wanted.resource is None or not end.connector.capabilities.of(Kind.APPOINTMENT).search >= WINDOW_KEYS:
        return
    begin = wanted.start.utc
    over = begin + timedelta(seconds=wanted.duration)
    for native in end.connector.search(Kind.APPOINTMENT, window(begin - LONGEST_VISIT, over)):
        try:
            other = end.mapper.read(Kind.APPOINTMENT, native)
        except MappingError:
            continue  # of a kind that this site does not carry over
        if (
            other.id != but
            and other.resource == wanted.resource
            and other.status not in (AppointmentStatus.CANCELLED, AppointmentStatus.NO_SHOW)
            and other.start.utc < over
            and begin < other.start.utc + timedelta(seconds=other.duration)
        ):
            raise Ask(
                SLOT_TAKEN,
                f"{end.account}: the time is taken by another visit ({other.id})",
                {"booking": here, "other": other},
            )
