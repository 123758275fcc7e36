"""Named rate budgets: how many calls a vendor takes, and the pauses it asks for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import BudgetSpec
from vetbridge.core.errors import RateLimited

SHORTEST_WAIT = 0.001
"""Seconds."""

TRAVEL = 0.25
"""Seconds by which one call may travel longer than another. The vendor counts calls as they arrive, so a place stays
taken for so much longer than the vendor's window."""


class Budget:
    """A sliding window over one bucket. Calls wait for a place up to ``patience`` seconds, then ``RateLimited``."""

    def __init__(self, spec: BudgetSpec, clock: Clock, *, scale: float = 1.0, patience: float = 5.0) -> None:
        self.spec = spec
        self.lock = threading.Lock()
        """Held by whoever looks for a place and takes it."""
        self._clock = clock
        self._calls = max(1, int(spec.calls * scale))
        self._patience = patience
        self._sent: deque[float] = deque()
        self._paused_until = 0.0

    def take(self) -> None:
        """Takes one place, waiting for it if need be. Raises ``RateLimited`` with the wait that is left."""
        take_all([self], self._clock, self._patience)

    def pause(self, seconds: float) -> None:
        """Takes no further call for ``seconds``, as the vendor told us."""
        with self.lock:
            self._paused_until = max(self._paused_until, self._clock.steady() + seconds)

    def paused_for(self) -> float:
        """Seconds of pause that are left; 0 when there is none."""
        with self.lock:
            return max(0.0, self._paused_until - self._clock.steady())

    def free_in(self, now: float) -> float:
        """Seconds until a place may be free; 0 when one is. The lock must be held."""
        if now < self._paused_until:
            return self._paused_until - now
        window = self.spec.seconds + TRAVEL
        while self._sent and self._sent[0] <= now - window:
            self._sent.popleft()
        if len(self._sent) < self._calls:
            return 0.0
        # Never 0, which would mean "free": rounding can make it so a moment before the place is free.
        return max(self._sent[0] + window - now, SHORTEST_WAIT)

    def note(self, now: float) -> None:
        """A call is sent now. The lock must be held."""
        self._sent.append(now)

    def refusal(self, wait: float) -> RateLimited:
        """Says that there is no place for another ``wait`` seconds."""
        return RateLimited(
            f"budget {self.spec.name}: {self._calls} calls in {self.spec.seconds:g} s per {self.spec.per} "
            f"are used; next in {wait:.0f} s",
            wait=wait,
            budget=self.spec.name,
        )


def take_all(budgets: Sequence[Budget], clock: Clock, patience: float) -> None:
    """Takes one place in every budget at the same moment, waiting for up to ``patience`` seconds.

    At the same moment: a place that was taken in one while another is waited for would be older than its call.
    Callers name budgets in one order, so that no two of them hold each other up.
    """
    waited = 0.0
    while budgets:
        with ExitStack() as held:
            for budget in budgets:
                held.enter_context(budget.lock)
            now = clock.steady()
            waits = [budget.free_in(now) for budget in budgets]
            wait = max(waits)
            if wait <= 0:
                for budget in budgets:
                    budget.note(now)
                return
        if waited + wait > patience:
            raise budgets[waits.index(wait)].refusal(wait)
        clock.wait(wait)
        waited += wait


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
        self._clock = clock
        self._patience = patience
        self._on_pause = on_pause
        for name, seconds in (pauses or {}).items():
            if name in self._budgets:
                self._budgets[name].pause(seconds)

    def take(self, names: Iterable[str], *, patience: float = 0.0) -> None:
        """Takes one place in each named budget, in all at once; ``patience`` where it is more than the account's.

        Unknown names are a bug and raise ``KeyError``.
        """
        named = [self._budgets[name] for name in sorted(set(names))]
        take_all(named, self._clock, max(self._patience, patience))

    def pause(self, name: str, seconds: float) -> None:
        """Pauses one budget."""
        self._budgets[name].pause(seconds)
        if self._on_pause is not None:
            self._on_pause(name, seconds)
