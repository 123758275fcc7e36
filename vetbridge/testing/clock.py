"""A clock that moves only when it is told to, for tests and rehearsals."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""Where a fake clock stands unless told otherwise: a Monday morning."""


class FakeClock:
    """A ``Clock`` whose waits take no time: ``wait`` moves it forward and returns. May be shared by threads."""

    def __init__(self, start: datetime = START) -> None:
        if start.tzinfo is None:
            raise ValueError("a FakeClock needs a start with an offset")
        self._start = start.astimezone(UTC)
        self._passed = 0.0
        self._waits: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The moment, in UTC."""
        with self._lock:
            return self._start + timedelta(seconds=self._passed)

    def steady(self) -> float:
        """Seconds since this clock was made."""
        with self._lock:
            return self._passed

    def wait(self, seconds: float) -> None:
        """Moves the clock forward by ``seconds``; negative waits are none."""
        with self._lock:
            self._waits.append(seconds)
            self._passed += max(0.0, seconds)

    def advance(self, seconds: float) -> None:
        """Lets ``seconds`` pass without anybody having waited for them."""
        if seconds < 0:
            raise ValueError("a clock does not run backwards")
        with self._lock:
            self._passed += seconds

    @property
    def waits(self) -> tuple[float, ...]:
        """Every wait that was asked for, in order."""
        with self._lock:
            return tuple(self._waits)
