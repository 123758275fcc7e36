"""A month's clock: it moves when it is told to, and the simulators' clocks with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.moved_clock import MovedClock


class PlayedClock(MovedClock):
    """``on_move`` is told the true time whenever a minute of it has passed."""

    GRAIN = 60.0

    def __init__(self, start: datetime, on_move: Callable[[datetime], None]) -> None:
        super().__init__(start)
        self._on_move = on_move
        self._told: float = -self.GRAIN
        self._telling = threading.Lock()

    def true_now(self) -> datetime:
        """What everybody else's clocks show."""
        return self.now() - self.moved

    def set_wrong(self, seconds: float) -> None:
        """Somebody sets the machine's clock so far from the right time."""
        self.moved = timedelta(seconds=seconds)

    def wait(self, seconds: float) -> None:
        """Somebody waits: it takes no time."""
        super().wait(seconds)
        self._waits.clear()  # a month of them
        self._moved()

    def advance(self, seconds: float) -> None:
        """Time passes."""
        super().advance(seconds)
        self._moved()

    def _moved(self) -> None:
        with self._telling:
            if self.steady() - self._told < self.GRAIN:
                return
            self._told = self.steady()
        self._on_move(self.true_now())
