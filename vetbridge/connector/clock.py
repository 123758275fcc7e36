"""The clock door: everything that asks the time or waits is handed one of these."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time, a steady counter, and waiting."""

    def now(self) -> datetime:
        """The moment, with an offset."""
        ...

    def steady(self) -> float:
        """Seconds that never run backwards."""
        ...

    def wait(self, seconds: float) -> None:
        """Waits that long."""
        ...


class SystemClock:
    """The machine's own clock. ``stop`` ends waits early, so that the daemon can end in good order."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    def now(self) -> datetime:
        """The moment, in UTC."""
        return datetime.now(UTC)

    def steady(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Waits that long, or until ``stop``."""
        if seconds > 0:
            self._stopping.wait(seconds)

    def stop(self) -> None:
        """Ends every wait, now and later."""
        self._stopping.set()
