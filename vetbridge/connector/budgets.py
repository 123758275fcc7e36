"""Named rate budgets: how many calls a vendor takes, and the pauses it asks for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import BudgetSpec
from vetbridge.core.errors import RateLimited

SHORTEST_WAIT = 0.001
"""Seconds."""


class Budget:
    """A sliding window over one bucket. Calls wait for a place up to ``patience`` seconds, then ``RateLimited``."""

    def __init__(self, spec: BudgetSpec, clock: Clock, *, scale: float = 1.0, patience: float = 5.0) -> None:
        self.spec = spec
        self._clock = clock
        self._calls = max(1, int(spec.calls * scale))
        self._patience = patience
        self._sent: deque[float] = deque()
        self._paused_until = 0.0
        self._lock = threading.Lock()

    def take(self) -> None:
        """Takes one place, waiting for it if need be. Raises ``RateLimited`` with the wait that is left."""
        waited = 0.0
        while True:
            wait = self._try_take()
            if wait <= 0:
                return
            if waited + wait > self._patience:
                raise RateLimited(
                    f"budget {self.spec.name}: {self._calls} calls in {self.spec.seconds:g} s per {self.spec.per} "
                    f"are used; next in {wait:.0f} s",
                    wait=wait,
                    budget=self.spec.name,
                )
            self._clock.wait(wait)
            waited += wait

    def pause(self, seconds: float) -> None:
        """Takes no further call for ``seconds``, as the vendor told us."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.steady() + seconds)

    def paused_for(self) -> float:
        """Seconds of pause that are left; 0 when there is none."""
        with self._lock:
            return max(0.0, self._paused_until - self._clock.steady())

    def _try_take(self) -> float:
        """Takes a place and returns 0, or returns the seconds until one may be free."""
        with self._lock:
            now = self._clock.steady()
            if now < self._paused_until:
                return self._paused_until - now
            while self._sent and self._sent[0] <= now - self.spec.seconds:
                self._sent.popleft()
            if len(self._sent) < self._calls:
                self._sent.append(now)
                return 0.0
            # Never 0, which would mean "taken": rounding can make it so a moment before the place is free.
            return max(self._sent[0] + self.spec.seconds - now, SHORTEST_WAIT)


class Budgets:
    """The budgets of one account. ``on_pause(name, seconds)`` tells the ledger, so that a restart keeps a pause."""

    def __init__(
        self,
        specs: Iterable[BudgetSpec],
        clock: Clock,
        *,
        scale: float = 1.0,
        patience: float = 5.0,
        pauses: Mapping[str, float] | None = None,
        on_pause: Callable[[str, float], None] | None = None,
    ) -> None:
        self._budgets = {spec.name: Budget(spec, clock, scale=scale, patience=patience) for spec in specs}
        self._on_pause = on_pause
        for name, seconds in (pauses or {}).items():
            if name in self._budgets:
                self._budgets[name].pause(seconds)

    def take(self, names: Iterable[str]) -> None:
        """Takes one place in each named budget. Unknown names are a bug and raise ``KeyError``."""
        for name in names:
            self._budgets[name].take()

    def pause(self, name: str, seconds: float) -> None:
        """Pauses one budget."""
        self._budgets[name].pause(seconds)
        if self._on_pause is not None:
            self._on_pause(name, seconds)
