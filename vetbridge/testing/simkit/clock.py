"""A simulator's clock: another clock, moved."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from vetbridge.connector.clock import Clock, SystemClock


class SettableClock:
    """Runs like the clock it is given, from the moment it is set to. Waiting and steady time are not moved."""

    def __init__(self, base: Clock | None = None) -> None:
        self._base = base or SystemClock()
        self._moved = timedelta()
        self._here = threading.local()

    def now(self) -> datetime:
        """The simulator's time, with an offset."""
        wrong: timedelta = getattr(self._here, "wrong", timedelta())
        return self._base.now() + self._moved + wrong

    @contextmanager
    def wrong_by(self, seconds: float) -> Iterator[None]:
        """Goes wrong by so many seconds for this thread, as one of a vendor's machines may."""
        self._here.wrong = timedelta(seconds=seconds)
        try:
            yield
        finally:
            self._here.wrong = timedelta()

    def steady(self) -> float:
        """Seconds that never run backwards."""
        return self._base.steady()

    def wait(self, seconds: float) -> None:
        """Waits that long."""
        self._base.wait(seconds)

    def set(self, now: datetime | None) -> None:
        """Goes on from ``now`` (which needs an offset); None: back to the base clock's time."""
        if now is None:
            self._moved = timedelta()
            return
        if now.tzinfo is None:
            raise ValueError("the clock needs a time with an offset, as 2026-03-02T09:00:00+00:00")
        self._moved = now - self._base.now()
