"""The vendor's rate limits: real, off, or scaled."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vetbridge.connector.clock import Clock
from vetbridge.testing.simkit.server import Request


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``calls`` in ``seconds``, counted apart for each value of ``per(request)``; None: it does not count."""

    name: str
    calls: int
    seconds: float
    per: Callable[[Request], str | None]


@dataclass(frozen=True, slots=True)
class LimitState:
    """How much of one limit is left for a request, and the seconds until its oldest call falls out."""

    limit: Limit
    remaining: int
    reset: float


class Limits:
    """Sliding windows. ``mode`` is ``real``, ``off``, or ``xN``: N times as generous as the vendor."""

    def __init__(self, limits: Sequence[Limit], mode: str, clock: Clock) -> None:
        self.mode = mode
        self._limits = limits
        self._scale = _scale(mode)
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def take(self, request: Request) -> tuple[Limit, float] | None:
        """Counts the request; or the limit that refuses it with the seconds to wait. A refused one is not counted."""
        if self._scale is None:
            return None
        with self._lock:
            now = self._clock.steady()
            windows = self._windows(request, now)
            for limit, window in windows:
                if len(window) >= self._allowed(limit):
                    return limit, max(0.0, window[0] + limit.seconds - now)
            for _, window in windows:
                window.append(now)
        return None

    def state(self, request: Request) -> list[LimitState]:
        """What is left for such a request; empty where limits are off."""
        if self._scale is None:
            return []
        with self._lock:
            now = self._clock.steady()
            states = []
            for limit, window in self._windows(request, now):
                reset = window[0] + limit.seconds - now if window else 0.0
                states.append(LimitState(limit, max(0, self._allowed(limit) - len(window)), reset))
            return states

    def _windows(self, request: Request, now: float) -> list[tuple[Limit, deque[float]]]:
        """The limits that count the request, each with the calls that are still in its window."""
        counting = [(limit, key) for limit in self._limits if (key := limit.per(request)) is not None]
        return [(limit, self._window(limit, key, now)) for limit, key in counting]

    def _window(self, limit: Limit, key: str, now: float) -> deque[float]:
        window = self._calls.setdefault((limit.name, key), deque())
        while window and window[0] <= now - limit.seconds:
            window.popleft()
        return window

    def _allowed(self, limit: Limit) -> int:
        return max(1, int(limit.calls * (self._scale or 1.0)))


def _scale(mode: str) -> float | None:
    """The factor of a mode, None for off. Raises ``ValueError`` for anything else."""
    if mode == "off":
        return None
    if mode == "real":
        return 1.0
    try:
        scale = float(mode[1:]) if mode.startswith("x") else 0.0
    except ValueError:
        scale = 0.0
    if not 0 < scale < 1e9:
        raise ValueError(f"limits are real, off, or xN as x10 (ten times as generous), not {mode!r}")
    return scale
