"""How far walks through lists have come whose records say when they were changed: where one can be taken up, and
from when on the next one asks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from vetbridge.connector.mark import WalkMark

AHEAD = 300.0
"""Seconds by which the vendor's clock may be ahead of ours: a later moment is no cursor, it would hide changes."""


class TimedMark(WalkMark):
    """Base of the marks of such walks, each of which has its place beside."""

    begun: datetime | None = None
    """The vendor's time when the walk began."""
    newest: datetime | None = None
    """The latest change that was seen."""


class Cursor:
    """The moment up to which everything was seen once a walk is through: the vendor's time when it began, or the
    latest change that was seen where it tells none that can be. ``bound``: that of the walk before."""

    def __init__(self, bound: datetime | None, begin: TimedMark, now: datetime) -> None:
        self.begun = begin.begun
        self.newest = begin.newest
        self._bound = bound
        self._is_first = begin == type(begin)()
        self._latest = now + timedelta(seconds=AHEAD)

    def saw(self, told_at: datetime | None, stamps: Iterable[datetime | None]) -> None:
        """Takes note of a page: the vendor's time when it answered, and when its records were changed."""
        if self._is_first and told_at is not None and told_at <= self._latest:
            self.begun = told_at
        self._is_first = False
        known = (each for each in (self.newest, *stamps) if each is not None and each <= self._latest)
        self.newest = max(known, default=None)

    def text(self, *, is_end: bool) -> str:
        """The cursor after this page: the old one until the last, and after a walk that did not bring all records."""
        moved = self.begun or self.newest
        cursor = self._bound if moved is None or not is_end else max(moved, self._bound or moved)
        return "" if cursor is None else cursor.astimezone(UTC).isoformat()


def bound(since: str | None, now: datetime) -> datetime | None:
    """The moment of a cursor; None where it is none, or one that would hide changes."""
    try:
        at = datetime.fromisoformat(since or "")
    except ValueError:
        return None
    if at.tzinfo is None or not datetime(2000, 1, 1, tzinfo=UTC) < at:
        return None
    return at if at <= now + timedelta(days=1) else None
