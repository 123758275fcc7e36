"""Budgets: never more calls in any window than the vendor takes, pauses kept, waits bounded."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetbridge.connector.budgets import TRAVEL, Budget, Budgets
from vetbridge.connector.interface import BudgetSpec
from vetbridge.core.errors import RateLimited
from vetbridge.testing.clock import FakeClock


def spec(calls: int = 3, seconds: float = 10.0, name: str = "minute") -> BudgetSpec:
    return BudgetSpec(name=name, calls=calls, seconds=seconds, per="IP address")


def busiest(sent: list[float], seconds: float) -> int:
    """The most calls that any window of ``seconds`` holds, but for a rounding error at its end."""
    return max((sum(begin <= at < begin + seconds - 1e-6 for at in sent) for begin in sent), default=0)


@given(
    calls=st.integers(1, 6),
    seconds=st.integers(1, 30),
    gaps=st.lists(st.floats(0, 20, allow_nan=False), max_size=60),
    patience=st.floats(0, 60),
)
def test_no_window_holds_more_calls_than_the_vendor_takes(
    calls: int, seconds: int, gaps: list[float], patience: float
) -> None:
    clock = FakeClock()
    budget = Budget(spec(calls, float(seconds)), clock, patience=patience)
    sent: list[float] = []
    for taken, gap in enumerate(gaps):
        clock.advance(gap)
        while len(sent) == taken:
            try:
                budget.take()
            except RateLimited as error:
                clock.advance(error.wait)
            else:
                sent.append(clock.steady())
    assert busiest(sent, seconds) <= calls


def test_a_place_that_rounding_frees_early_is_counted_all_the_same() -> None:
    clock = FakeClock()
    budget = Budget(spec(calls=1, seconds=1.0), clock, patience=0)
    clock.advance(5e-187)
    budget.take()
    clock.advance(1.0)
    for _ in range(2):
        with pytest.raises(RateLimited):
            budget.take()


def test_a_place_is_waited_for() -> None:
    clock = FakeClock()
    budget = Budget(spec(), clock, patience=11)
    for _ in range(4):
        budget.take()
    assert clock.steady() == 10 + TRAVEL
    assert clock.waits == (10 + TRAVEL,)


def test_a_wait_beyond_patience_goes_back_to_the_runner() -> None:
    clock = FakeClock()
    budget = Budget(spec(), clock, patience=5)
    for _ in range(3):
        budget.take()
    clock.advance(2)
    with pytest.raises(RateLimited, match="budget minute: 3 calls in 10 s per IP address are used") as caught:
        budget.take()
    assert (caught.value.wait, caught.value.budget) == (8 + TRAVEL, "minute")
    assert clock.waits == ()


def test_a_refused_call_uses_no_place() -> None:
    clock = FakeClock()
    budget = Budget(spec(calls=1), clock, patience=0)
    budget.take()
    for _ in range(5):
        with pytest.raises(RateLimited):
            budget.take()
    clock.advance(10 + TRAVEL)
    budget.take()


def test_a_place_is_no_older_than_its_call_where_another_budget_is_waited_for() -> None:
    clock = FakeClock()
    budgets = Budgets([spec(2, 1.0, "second"), spec(100, 60.0, "minute")], clock, patience=30)
    both = ("second", "minute")
    budgets.take(both)
    budgets.pause("minute", 20)
    sent = []
    for _ in range(4):
        budgets.take(both)
        sent.append(clock.steady())
    assert busiest(sent, 1.0) <= 2
    assert sent == [20, 20, 21 + TRAVEL, 21 + TRAVEL]


def test_a_call_that_one_budget_refuses_uses_no_place_of_another() -> None:
    clock = FakeClock()
    budgets = Budgets([spec(1, 60.0, "database"), spec(1, 1.0, "endpoint")], clock, patience=0)
    budgets.pause("endpoint", 5)
    with pytest.raises(RateLimited) as caught:
        budgets.take(("database", "endpoint"))
    assert (caught.value.budget, caught.value.wait) == ("endpoint", 5)
    budgets.take(("database",))


def test_threads_that_name_budgets_in_different_order_do_not_hold_each_other_up() -> None:
    clock = FakeClock()
    budgets = Budgets([spec(3, 1.0, "second"), spec(20, 60.0, "minute")], clock, patience=1e6)
    sent: list[float] = []

    def work(names: tuple[str, ...]) -> None:
        for _ in range(20):
            budgets.take(names)
            sent.append(clock.steady())

    threads = [threading.Thread(target=work, args=(names,)) for names in (("second", "minute"), ("minute", "second"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(sent) == 40


def test_the_scale_multiplies_and_leaves_one() -> None:
    clock = FakeClock()
    generous = Budget(spec(), clock, scale=2, patience=0)
    for _ in range(6):
        generous.take()
    with pytest.raises(RateLimited):
        generous.take()
    Budget(spec(), clock, scale=0.01, patience=0).take()


def test_a_pause_holds_and_a_shorter_one_does_not_shorten_it() -> None:
    clock = FakeClock()
    budget = Budget(spec(), clock, patience=5)
    budget.pause(60)
    budget.pause(1)
    assert budget.paused_for() == 60
    with pytest.raises(RateLimited) as caught:
        budget.take()
    assert caught.value.wait == 60
    clock.advance(58)
    budget.take()
    assert clock.steady() == 60
    assert budget.paused_for() == 0


def test_pauses_outlive_a_restart_and_are_told() -> None:
    clock = FakeClock()
    told: list[tuple[str, float]] = []
    budgets = Budgets(
        [spec(), spec(name="second")],
        clock,
        pauses={"second": 30, "gone": 30},
        on_pause=lambda name, seconds: told.append((name, seconds)),
    )
    budgets.take(["minute"])
    with pytest.raises(RateLimited) as caught:
        budgets.take(["minute", "second"])
    assert caught.value.budget == "second"
    assert told == [], "a pause from before is not news"
    budgets.pause("minute", 7)
    assert told == [("minute", 7)]


def test_an_unknown_budget_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Budgets([spec()], FakeClock()).take(["minutes"])


def test_threads_share_a_budget_honestly() -> None:
    budget = Budget(spec(calls=50, seconds=1000), FakeClock(), patience=0)
    taken: list[int] = []

    def work() -> None:
        for _ in range(20):
            try:
                budget.take()
            except RateLimited:
                continue
            taken.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 50
