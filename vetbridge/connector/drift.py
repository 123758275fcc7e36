"""The wall clock held against others: the steady clock, and the clocks of the vendors."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from vetbridge.connector.clock import Clock

LEAST = 60.0
"""Seconds from which on a move counts: what corrects itself little by little moves nothing that matters."""
KEPT = 3
"""So many of the newest answers of a vendor are kept."""
KEPT_FOR = 2 * 3600.0
"""Seconds for which they are: an account that is asked no more says nothing about the clock of today."""


@dataclass(frozen=True, slots=True)
class Move:
    """The wall clock was set."""

    at: datetime
    """When that was noticed, by the new time."""
    steady: float
    """The same by the steady clock."""
    seconds: float
    """By so many; negative where it was set back."""
    slept: float = 0.0
    """So many of them the machine slept: by those its clock was not set."""

    @property
    def is_wrong(self) -> bool:
        """Whether the clock itself was set, and may be wrong."""
        return abs(self.seconds - self.slept) > LEAST


def slept() -> float:
    """Seconds that this machine has slept since it was started, where its steady clock sleeps, too (Linux)."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if boot is None else time.clock_gettime(boot) - time.clock_gettime(time.CLOCK_MONOTONIC)


class Moves:
    """Notices that the wall clock was set while VetBridge ran: it went another way than the steady clock.

    A machine that slept looks as if its clock had been set forward, where the steady clock sleeps, too (Linux); the
    move tells how much of it that was.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._apart = self._now_apart()
        self._slept = slept()

    def look(self) -> Move | None:
        """By how much it was set since the last look; None where it was not."""
        with self._lock:
            apart = self._now_apart()
            seconds, self._apart = apart - self._apart, apart
            until = slept()
            asleep, self._slept = until - self._slept, until
        return Move(self._clock.now(), self._clock.steady(), seconds, asleep) if abs(seconds) > LEAST else None

    def _now_apart(self) -> float:
        return self._clock.now().timestamp() - self._clock.steady()


class Skew:
    """How far the wall clock is from one vendor's, as the ``Date`` of its answers tells (RFC 9110, section 6.6.1)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: deque[tuple[float, float]] = deque(maxlen=KEPT)
        """Of each when it came, by the steady clock, and by how many seconds the wall clock was ahead then."""

    def heard(self, date: str) -> None:
        """An answer came just now with this ``Date``; one that cannot be read says nothing."""
        try:
            theirs = parsedate_to_datetime(date)
        except (ValueError, OverflowError):
            return
        theirs = theirs.replace(tzinfo=UTC) if theirs.tzinfo is None else theirs
        self._heard.append((self._clock.steady(), (self._clock.now() - theirs).total_seconds()))

    def newest(self) -> Sequence[float]:
        """Seconds by which the wall clock was ahead at the newest answers, in whole seconds, the newest last."""
        since = self._clock.steady() - KEPT_FOR
        return tuple(seconds for at, seconds in tuple(self._heard) if at >= since)

    def forget(self) -> None:
        """The wall clock was set: what was heard before says nothing any more."""
        self._heard.clear()

    def agrees_within(self, seconds: float) -> bool:
        """Whether the newest answer was that near; False where none is known."""
        heard = self.newest()
        return bool(heard) and abs(heard[-1]) <= seconds
