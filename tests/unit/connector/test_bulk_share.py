"""Bulk work leaves a share of every budget to live calls, waits patiently, and comes to its turn all the same."""

from __future__ import annotations

import contextvars
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetbridge.connector.budgets import BULK_PATIENCE, BULK_SHARE, TRAVEL, TURN, Budgets, in_bulk
from vetbridge.connector.interface import BudgetSpec
from vetbridge.core.errors import RateLimited
from vetbridge.testing.clock import FakeClock

ALTEGIO = (
    BudgetSpec(name="second", calls=5, seconds=1.0, per="IP address"),
    BudgetSpec(name="minute", calls=200, seconds=60.0, per="IP address"),
)
NAMES = [spec.name for spec in ALTEGIO]


class Town:
    """A fake clock beside which live calls come by themselves whenever time passes."""

    def __init__(self, *specs: BudgetSpec, every: float, patience: float = 0.0) -> None:
        self.clock = FakeClock()
        self.clock.wait = self.wait  # type: ignore[method-assign]
        self.budgets = Budgets(specs, self.clock, patience=patience)
        self.names = [spec.name for spec in specs]
        self.every = every
        self.live: list[float] = []
        self.refused = 0
        self._next = 0.0

    def wait(self, seconds: float) -> None:
        """Lets time pass call by call: each live call is made before whoever waits wakes."""
        end = self.clock.steady() + seconds
        while self._next <= end:
            self.clock.advance(max(0.0, self._next - self.clock.steady()))
            self._next += self.every
            contextvars.Context().run(self.call)
        self.clock.advance(max(0.0, end - self.clock.steady()))

    def call(self) -> None:
        """A live call that waits for nothing."""
        try:
            self.budgets.take(self.names)
        except RateLimited:
            self.refused += 1
        else:
            self.live.append(self.clock.steady())


@pytest.mark.parametrize("every", [1.0, 2.5, 7.0])
def test_live_calls_are_never_held_up_by_a_long_bulk_walk(every: float) -> None:
    town = Town(*ALTEGIO, every=every)
    with in_bulk():
        for _ in range(1000):
            town.budgets.take(NAMES)
    assert town.refused == 0
    minutes = town.clock.steady() / 60
    assert len(town.live) >= town.clock.steady() / every - 1
    assert 1000 / minutes <= 200 * BULK_SHARE + 5


def test_a_burst_of_bookings_finds_the_whole_share_free() -> None:
    clock = FakeClock()
    budgets = Budgets(ALTEGIO, clock, patience=5.0)
    with in_bulk():
        for _ in range(500):
            budgets.take(NAMES)
    begun = clock.steady()
    for _ in range(80):
        budgets.take(NAMES)
    assert clock.steady() - begun <= 80 / 5 * (1 + TRAVEL)


def test_the_share_is_counted_over_all_calls() -> None:
    clock = FakeClock()
    budgets = Budgets([BudgetSpec(name="half", calls=10, seconds=30.0, per="key")], clock, patience=0.0)
    for _ in range(6):
        budgets.take(["half"])
    with in_bulk():
        budgets.take(["half"])
    assert clock.steady() == 30 + TRAVEL, "live calls had filled the share of bulk work"


def test_bulk_gets_its_turn_beside_live_calls_that_take_every_place() -> None:
    town = Town(BudgetSpec(name="minute", calls=30, seconds=60.0, per="key"), every=0.5)
    town.wait(120)
    taken = []
    with in_bulk():
        for _ in range(5):
            begun = town.clock.steady()
            town.budgets.take(["minute"])
            taken.append(town.clock.steady() - begun)
    assert max(taken) <= TURN + 60 + TRAVEL
    begun = town.clock.steady()
    town.wait(120)
    assert sum(at >= begun for at in town.live) >= 58, "a place that was kept is given back"


def test_one_call_at_a_time_serves_both() -> None:
    town = Town(BudgetSpec(name="second", calls=1, seconds=1.0, per="key"), every=0.1)
    town.wait(10)
    with in_bulk():
        town.budgets.take(["second"])
    assert town.clock.steady() <= 10 + TURN + 2 * (1 + TRAVEL)
    begun = town.clock.steady()
    town.wait(10)
    assert any(at > begun for at in town.live)


def test_bulk_waits_for_minutes_and_then_gives_up() -> None:
    clock = FakeClock()
    budgets = Budgets(ALTEGIO, clock, patience=5.0)
    budgets.pause("minute", BULK_PATIENCE - 1)
    with in_bulk():
        budgets.take(NAMES)
        assert clock.steady() == pytest.approx(BULK_PATIENCE - 1)
        budgets.pause("minute", BULK_PATIENCE + 1)
        with pytest.raises(RateLimited):
            budgets.take(NAMES)


def test_a_pause_of_one_budget_keeps_no_place_of_another() -> None:
    """Bulk work on an endpoint that is paused leaves the last place of the database to live calls."""
    clock = FakeClock()
    specs = [BudgetSpec(name=name, calls=1, seconds=1.0, per="key") for name in ("database", "endpoint")]
    budgets = Budgets(specs, clock, patience=0.0)
    budgets.pause("endpoint", 300)
    forward = clock.wait
    live: list[float] = []

    def wait(seconds: float) -> None:
        contextvars.Context().run(budgets.take, ["database"])
        live.append(clock.steady())
        forward(seconds)

    clock.wait = wait  # type: ignore[method-assign]
    with in_bulk():
        budgets.take(["database", "endpoint"])
    assert live == [0, TURN], "the second one came when it was the bulk call's turn already"
    assert clock.steady() == 300


def test_only_the_thread_that_says_so_is_in_bulk() -> None:
    clock = FakeClock()
    budgets = Budgets([BudgetSpec(name="minute", calls=1, seconds=60.0, per="key")], clock, patience=0.0)
    budgets.take(["minute"])
    refused: list[float] = []

    def live() -> None:
        try:
            budgets.take(["minute"])
        except RateLimited as error:
            refused.append(error.wait)

    with in_bulk():
        thread = threading.Thread(target=live)
        thread.start()
        thread.join()
    assert refused == [60 + TRAVEL]
    with pytest.raises(RateLimited):
        budgets.take(["minute"])


@given(
    calls=st.integers(1, 8),
    seconds=st.integers(1, 30),
    steps=st.lists(st.tuples(st.booleans(), st.floats(0, 10, allow_nan=False)), max_size=50),
)
def test_no_window_holds_more_than_the_vendor_takes_whoever_calls(
    calls: int, seconds: int, steps: list[tuple[bool, float]]
) -> None:
    clock = FakeClock()
    budgets = Budgets([BudgetSpec(name="one", calls=calls, seconds=float(seconds), per="key")], clock, patience=1e6)
    sent: list[tuple[float, bool]] = []
    for bulk, gap in steps:
        clock.advance(gap)
        if bulk:
            with in_bulk():
                budgets.take(["one"])
        else:
            budgets.take(["one"])
        sent.append((clock.steady(), bulk))
    share = max(1, int(calls * BULK_SHARE))
    for index, (at, bulk) in enumerate(sent):
        before = sum(earlier > at - seconds + 1e-6 for earlier, _ in sent[: index + 1])
        waited_long = seconds > TURN
        assert before <= (share if bulk and not waited_long else calls)
