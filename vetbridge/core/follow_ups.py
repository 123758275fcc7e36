"""Which missed visit a new one follows: pure, on the visits of one owner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

WITHIN = timedelta(days=60)
"""A visit that is booked later than so long after a missed one began has nothing to do with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastVisit:
    """A visit of the owner who has booked again. ``id`` is its link's."""

    id: int
    start: datetime
    pet_id: str | None
    missed: bool
    followed: bool = False
    """Another visit follows it."""


def followed(visits: Iterable[PastVisit], *, pet_id: str | None, booked_at: datetime) -> PastVisit | None:
    """The missed visit that one for ``pet_id``, booked at a moment, follows; None where it follows none.

    It is the newest that had begun by then, for the same pet where both name one. Where that one is followed already,
    an older one is not taken in its place: whoever has missed two has one visit to make up for.
    """
    missed = [
        visit
        for visit in visits
        if visit.missed
        and booked_at - WITHIN <= visit.start < booked_at
        and (pet_id is None or visit.pet_id in (None, pet_id))
    ]
    newest = max(missed, key=lambda visit: (visit.start, visit.id), default=None)
    return None if newest is None or newest.followed else newest
