"""A clock that somebody sets while VetBridge runs."""

from __future__ import annotations

from datetime import datetime, timedelta

from vetbridge.testing.clock import START, FakeClock


class MovedClock(FakeClock):
    """A ``FakeClock`` whose wall time can be set; its steady time goes on as before."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)
        self.moved = timedelta()

    def now(self) -> datetime:
        """The moment that the wall clock shows."""
        return super().now() + self.moved

    def set(self, seconds: float) -> None:
        """Somebody sets the wall clock forward by so many seconds, back where they are negative."""
        self.moved += timedelta(seconds=seconds)
