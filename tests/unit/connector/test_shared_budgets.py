"""Fifty sites behind one address: the vendor counts the address, so they share its budgets, bookings first."""

from __future__ import annotations

import contextvars
from collections import deque
from functools import partial

import pytest

from connectors.altegio.options import BUDGETS
from tests.turns import Turns
from vetbridge.connector.budgets import POLL_SHARE, TRAVEL, BudgetPool, Budgets, in_bulk, in_poll
from vetbridge.connector.interface import BudgetSpec
from vetbridge.core.errors import RateLimited
from vetbridge.testing.clock import START, FakeClock

SITES, CALLS_OF_A_POLL, CALLS_OF_A_BOOKING = 50, 2, 7
NAMES = [spec.name for spec in BUDGETS]
HOST = "api.alteg.io"


class Address:
    """Sites behind one address, and the vendor that counts what comes from it; bookings come whenever time passes."""

    def __init__(self, sites: int, *, bookings_every: float) -> None:
        self.clock = FakeClock()
        self.clock.wait = self._wait  # type: ignore[method-assign]
        pool = BudgetPool()
        self.sites = [Budgets(BUDGETS, self.clock, patience=5.0, pool=pool, place=HOST) for _ in range(sites)]
        self.refused_by_vendor = 0
        self.bookings: list[float] = []
        """Seconds that each took."""
        self._arrived: deque[float] = deque()
        self._every = bookings_every
        self._next = bookings_every
        self._busy = False

    def call(self, site: int) -> None:
        """One call of a site, as soon as its budgets let it."""
        self.sites[site].take(NAMES)
        now = self.clock.steady()
        while self._arrived and self._arrived[0] <= now - 60:
            self._arrived.popleft()
        if len(self._arrived) >= 200 or sum(at > now - 1 for at in self._arrived) >= 5:
            self.refused_by_vendor += 1
        self._arrived.append(now)

    def until(self, moment: float) -> None:
        """Time passes."""
        if moment > self.clock.steady():
            self._wait(moment - self.clock.steady())

    def _wait(self, seconds: float) -> None:
        end = self.clock.steady() + seconds
        while not self._busy and self._next <= end:
            self.clock.advance(max(0.0, self._next - self.clock.steady()))
            site = int(self._next / self._every) % len(self.sites)
            self._next += self._every
            self._busy = True
            contextvars.Context().run(self._book, site)
            self._busy = False
        self.clock.advance(max(0.0, end - self.clock.steady()))

    def _book(self, site: int) -> None:
        begun = self.clock.steady()
        for _ in range(CALLS_OF_A_BOOKING):
            self.call(site)
        self.bookings.append(self.clock.steady() - begun)


def test_fifty_sites_that_poll_each_minute_leave_bookings_their_place() -> None:
    town = Address(SITES, bookings_every=15.0)
    waits = []
    for minute in range(10):
        for site in range(SITES):
            due = 60.0 * minute + 60.0 * site / SITES
            town.until(due)
            with in_poll():
                for _ in range(CALLS_OF_A_POLL):
                    town.call(site)
            waits.append(town.clock.steady() - due)
    assert town.refused_by_vendor == 0
    assert len(town.bookings) >= 38
    assert max(town.bookings) <= CALLS_OF_A_BOOKING / 5 + 2 + TRAVEL, "a booking waits for nothing but its own calls"
    assert max(waits) < 60, "no poll comes later than the next one"


def test_more_sites_than_the_polls_share_holds_are_late_and_bookings_are_not() -> None:
    sites = int(200 * POLL_SHARE / CALLS_OF_A_POLL) + 40
    town = Address(sites, bookings_every=20.0)
    for site in range(3 * sites):
        town.until(60.0 * site / sites)
        with in_poll():
            for _ in range(CALLS_OF_A_POLL):
                town.call(site % sites)
    assert town.clock.steady() > 180 * 1.3
    assert town.refused_by_vendor == 0
    assert max(town.bookings) <= CALLS_OF_A_BOOKING / 5 + 2 + TRAVEL


@pytest.mark.parametrize("shared", [True, False])
def test_only_what_is_counted_by_address_is_shared(shared: bool) -> None:
    clock, pool = FakeClock(), BudgetPool()
    spec = BudgetSpec(name="minute", calls=3, seconds=60.0, per="key", shared=shared)
    first, second = (Budgets([spec], clock, patience=0.0, pool=pool, place=HOST) for _ in range(2))
    for _ in range(3):
        first.take(["minute"])
    if shared:
        with pytest.raises(RateLimited):
            second.take(["minute"])
        second.pause("minute", 100)
        clock.advance(61)
        with pytest.raises(RateLimited):
            first.take(["minute"])
    else:
        second.take(["minute"])


def test_another_host_and_another_scale_have_budgets_of_their_own() -> None:
    clock, pool = FakeClock(), BudgetPool()
    spec = BudgetSpec(name="minute", calls=1, seconds=60.0, per="IP address", shared=True)
    for host, scale in (("a", 1.0), ("b", 1.0), ("a", 2.0)):
        Budgets([spec], clock, patience=0.0, pool=pool, place=host, scale=scale).take(["minute"])
    with pytest.raises(RateLimited):
        Budgets([spec], clock, patience=0.0, pool=pool, place="a").take(["minute"])


def test_bulk_leaves_polls_their_place() -> None:
    clock = FakeClock()
    budgets = Budgets([BudgetSpec(name="minute", calls=100, seconds=60.0, per="key")], clock, patience=0.0)
    with in_bulk():
        for _ in range(60):
            budgets.take(["minute"])
    with in_poll():
        for _ in range(20):
            budgets.take(["minute"])
    assert clock.steady() == 0
    for _ in range(20):
        budgets.take(["minute"])
    assert clock.steady() == 0


SECOND = [BudgetSpec(name="second", calls=5, seconds=1.0, per="IP address", shared=True)]


def played(*calls: tuple[str, float]) -> list[tuple[str, float]]:
    """Calls by name, each from its moment on and in a thread of its own; who got a place when. Polls are ``p...``."""
    clock = Turns(START)
    budgets = Budgets(SECOND, clock, patience=5.0)
    got: list[tuple[str, float]] = []

    def call(name: str) -> None:
        if name.startswith("p"):
            with in_poll():
                budgets.take(["second"])
        else:
            budgets.take(["second"])
        got.append((name, clock.steady()))

    clock.play([(at, partial(call, name)) for name, at in calls])
    return got


def test_live_calls_go_in_the_order_in_which_they_came() -> None:
    calls = [(f"call {number:02}", number / 100) for number in range(18)]
    assert [name for name, _ in played(*calls)] == [name for name, _ in calls]


def test_a_poll_lets_every_live_call_go_first_that_waits() -> None:
    first = [(f"poll {number}", 0.0) for number in range(12)]
    live = [(f"live {number}", 0.5) for number in range(11)]
    got = played(*first, *live)
    assert [name[:4] for name, _ in got][:4] == ["poll"] * 4, "their share of the first second"
    assert [name[:4] for name, _ in got][4:15] == ["live"] * 11
    assert max(at for name, at in got if name.startswith("live")) <= 0.5 + 11 / 5 * (1 + TRAVEL)


def test_who_gives_up_holds_nobody_up() -> None:
    clock = Turns(START)
    budgets = Budgets(SECOND, clock, patience=0.5)
    ends: list[float] = []

    def live() -> None:
        try:
            budgets.take(["second"])
        except RateLimited:
            ends.append(-1.0)
        else:
            ends.append(clock.steady())

    clock.play([(0.0, live) for _ in range(8)] + [(2.0, live)])
    assert ends == [0.0] * 5 + [-1.0] * 3 + [2.0]
