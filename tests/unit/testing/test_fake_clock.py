"""The fake clock moves only when it is told to."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from vetbridge.connector.clock import Clock
from vetbridge.testing.clock import START, FakeClock


def test_waiting_moves_both_hands() -> None:
    clock: Clock = FakeClock()
    assert clock.now() == START
    assert clock.now() == clock.now()
    clock.wait(90)
    assert clock.now() == START + timedelta(seconds=90)
    assert clock.steady() == 90


def test_it_tells_waits_from_time_that_passed() -> None:
    clock = FakeClock(datetime(2027, 1, 1, tzinfo=UTC))
    clock.advance(10)
    clock.wait(5)
    clock.wait(-1)
    assert clock.waits == (5, -1)
    assert clock.steady() == 15


def test_it_does_not_run_backwards_nor_start_nowhere() -> None:
    with pytest.raises(ValueError, match="backwards"):
        FakeClock().advance(-1)
    with pytest.raises(ValueError, match="offset"):
        FakeClock(datetime(2027, 1, 1))  # noqa: DTZ001 - that is the mistake


def test_threads_may_share_it() -> None:
    clock = FakeClock()

    def work() -> None:
        for _ in range(500):
            clock.wait(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.steady() == 2000
