"""Named rate budgets: how many calls a vendor takes, the pauses it asks for, and what bulk work leaves free.

Calls are live (somebody's booking waits for them) unless they are made ``with in_poll()``, which looks for news, or
``with in_bulk()``: a first reading, a pairing, a sweep. Those take a place only within a share of a budget, wait
longer for it, and let every live call go first that waits. Live calls go in the order in which they came. What a
vendor counts for several accounts together is one budget for them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import BudgetSpec
from vetbridge.core.errors import RateLimited

SHORTEST_WAIT = 0.001
"""Seconds."""

TRAVEL = 0.25
"""Seconds by which one call may travel longer than another. The vendor counts calls as they arrive, so a place stays
taken for so much longer than the vendor's window."""

BULK_SHARE = 0.6
"""Share of a budget up to which bulk work may fill it. The rest is for bookings: of Altegio's 200 calls a minute
80, enough for some ten bookings a minute; a first reading takes two thirds longer for it."""

BULK_PATIENCE = 600.0
"""Seconds that a bulk call may wait for its place, or for a pause that the vendor asks for."""

POLL_SHARE = 0.8
"""Share of a budget up to which polls may fill it: where many sites share one, their bookings find the rest."""

POLL_PATIENCE = 300.0
"""Seconds that a poll's call may wait."""

TURN = 60.0
"""Seconds after which a call that has waited for its share gets the next place of all, before any live call: so many
bookings may come that they fill the share too, and one call a minute is no loss to them. Such a call waits no longer
than this, the vendor's window and the pauses it asks for, and another call that has its turn."""


@dataclass(frozen=True, slots=True)
class _Rank:
    """How far calls may fill a budget, and how long they wait."""

    share: float = 1.0
    patience: float = 0.0


_LIVE, _POLL, _BULK = _Rank(), _Rank(POLL_SHARE, POLL_PATIENCE), _Rank(BULK_SHARE, BULK_PATIENCE)
_RANK: ContextVar[_Rank] = ContextVar("rank", default=_LIVE)


@contextmanager
def _ranked(rank: _Rank) -> Iterator[None]:
    token = _RANK.set(rank)
    try:
        yield
    finally:
        _RANK.reset(token)


def in_bulk() -> AbstractContextManager[None]:
    """Calls of this thread are bulk work until the end of the block."""
    return _ranked(_BULK)


def in_poll() -> AbstractContextManager[None]:
    """Calls of this thread look for news until the end of the block."""
    return _ranked(_POLL)


def patience_of(patience: float) -> float:
    """Seconds that a call of this thread may wait, which is ``patience`` where it is live."""
    return max(patience, _RANK.get().patience)


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
        self._promised_to: object | None = None
        self._line: list[object] = []
        """Live calls that wait, the first one first."""

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

    def free_in(self, now: float, caller: object, *, share: float = 1.0, in_line: bool = True) -> float:
        """Seconds until a place within a share of the budget may be free for a caller; 0 when one is. The lock must
        be held.

        Places for the live calls that wait already are none of its own, unless its turn has come (not ``in_line``).
        """
        if self.is_paused(now):
            return self._paused_until - now
        window = self.spec.seconds + TRAVEL
        while self._sent and self._sent[0] <= now - window:
            self._sent.popleft()
        promised = self._promised_to is not None and self._promised_to is not caller
        ahead = (self._line.index(caller) if caller in self._line else len(self._line)) if in_line else 0
        over = len(self._sent) - max(1, int(self._calls * share)) + promised + ahead
        if over < 0:
            return 0.0
        if over >= len(self._sent):
            return window  # each place is for somebody else
        # Never 0, which would mean "free": rounding can make it so a moment before the place is free.
        return max(self._sent[over] + window - now, SHORTEST_WAIT)

    def is_paused(self, now: float) -> bool:
        """Whether it takes no call at all. The lock must be held."""
        return now < self._paused_until

    def line_up(self, caller: object) -> None:
        """A live call waits: later ones, and all that are not live, let it go first. The lock must be held."""
        if caller not in self._line:
            self._line.append(caller)

    def promise(self, caller: object) -> None:
        """Keeps the next place for one caller, unless it is kept for another one. The lock must be held."""
        if self._promised_to is None:
            self._promised_to = caller

    def release(self, caller: object) -> None:
        """The caller has its place, or gave up. The lock must be held."""
        if self._promised_to is caller:
            self._promised_to = None
        if caller in self._line:
            self._line.remove(caller)

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
    """Takes one place in every budget at the same moment, waiting for up to ``patience`` seconds, or its rank's.

    At the same moment: a place that was taken in one while another is waited for would be older than its call.
    Callers name budgets in one order, so that no two of them hold each other up.
    """
    call = object()
    rank = _RANK.get()
    patience = patience_of(patience)
    waited = 0.0
    try:
        while budgets:
            with _held(budgets):
                now = clock.steady()
                is_live = rank is _LIVE
                its_turn = not is_live and waited >= TURN
                share = 1.0 if its_turn else rank.share
                waits = [budget.free_in(now, call, share=share, in_line=not its_turn) for budget in budgets]
                wait = max(waits)
                if wait <= 0:
                    for budget in budgets:
                        budget.note(now)
                    return
                # While a pause holds the call up, no place is kept from others.
                is_paused = any(budget.is_paused(now) for budget in budgets)
                for budget in budgets:
                    if is_paused:
                        budget.release(call)
                    elif is_live:
                        budget.line_up(call)
                    elif its_turn:
                        budget.promise(call)
            if waited + wait > patience:
                raise budgets[waits.index(wait)].refusal(wait)
            if not is_live and not its_turn:
                wait = min(wait, max(TURN - waited, SHORTEST_WAIT))
            clock.wait(wait)
            waited += wait
    finally:
        with _held(budgets):
            for budget in budgets:
                budget.release(call)


@contextmanager
def _held(budgets: Sequence[Budget]) -> Iterator[None]:
    with ExitStack() as held:
        for budget in budgets:
            held.enter_context(budget.lock)
        yield


class BudgetPool:
    """The budgets that a vendor counts for several accounts together: behind one address, or on one database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._budgets: dict[tuple[str, str, float], Budget] = {}

    def budget(self, place: str, spec: BudgetSpec, clock: Clock, *, scale: float) -> Budget:
        """That of a place, as a vendor's host; accounts whose limits are scaled otherwise have one of their own."""
        with self._lock:
            key = (place, spec.name, scale)
            return self._budgets.setdefault(key, Budget(spec, clock, scale=scale))


class Budgets:
    """The budgets of one account. ``on_pause(name, seconds)`` tells the ledger, so that a restart keeps a pause.

    ``pool`` and ``place`` say where the shared ones are, and of whom.
    """

    def __init__(
        self,
        specs: Iterable[BudgetSpec],
        clock: Clock,
        *,
        scale: float = 1.0,
        patience: float = 5.0,
        pauses: Mapping[str, float] | None = None,
        on_pause: Callable[[str, float], None] | None = None,
        pool: BudgetPool | None = None,
        place: str = "",
    ) -> None:
        self._budgets = {
            spec.name: pool.budget(place, spec, clock, scale=scale)
            if pool is not None and spec.shared
            else Budget(spec, clock, scale=scale, patience=patience)
            for spec in specs
        }
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
