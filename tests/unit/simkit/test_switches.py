"""Fault rates, rate limits, the clock and the webhook queue, each alone."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from vetbridge.testing.clock import START, FakeClock
from vetbridge.testing.simkit import FAULTS, Faults, Limit, Limits, Outbox, Request, SettableClock, parse_fault


def test_the_same_seed_makes_the_same_faults_and_the_rate_is_kept() -> None:
    first, again = (Faults({"429": 0.2, "outage": 0.5}, seed=3) for _ in range(2))
    drawn = [first.hits("429") for _ in range(2000)]
    assert drawn == [again.hits("429") for _ in range(2000)]
    assert 300 < sum(drawn) < 500
    assert not any(first.hits("5xx_after") for _ in range(100))


def test_an_armed_fault_happens_as_often_as_it_was_told() -> None:
    faults = Faults()
    faults.arm("drop_after_commit", times=2)
    assert [faults.hits("drop_after_commit") for _ in range(4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("429", "NAME=RATE"),
        ("429=often", "must be a number"),
        ("429=2", "from 0 to 1"),
        ("429=nan", "from 0 to 1"),
        ("drop_after_comit=0.1", "did you mean 'drop_after_commit'"),
        ("zzz=0.1", "known are 429"),
    ],
)
def test_a_fault_that_cannot_be_used_says_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_fault(text)


def test_every_fault_can_be_given_on_the_command_line() -> None:
    assert [parse_fault(f"{name}=0.5") for name in FAULTS] == [(name, 0.5) for name in FAULTS]


def _request(address: str) -> Request:
    return Request("GET", "/x", {}, {"from": address}, b"")


LIMITS = (
    Limit("second", 2, 1.0, per=lambda request: request.headers["from"]),
    Limit("minute", 3, 60.0, per=lambda request: request.headers["from"]),
)


def test_limits_count_each_bucket_apart_and_say_how_long_to_wait() -> None:
    clock = FakeClock()
    limits = Limits(LIMITS, "real", clock)
    assert [limits.take(_request("a")) for _ in range(2)] == [None, None]
    assert limits.take(_request("a")) == (LIMITS[0], 1.0)
    assert limits.take(_request("b")) is None
    clock.advance(1.0)
    assert limits.take(_request("a")) is None
    assert [(s.limit.name, s.remaining, s.reset) for s in limits.state(_request("a"))] == [
        ("second", 1, 1.0),
        ("minute", 0, 59.0),
    ]
    clock.advance(1.0)
    assert limits.take(_request("a")) == (LIMITS[1], 58.0)
    clock.advance(58.0)
    assert limits.take(_request("a")) is None


def test_limits_can_be_off_or_generous() -> None:
    off = Limits(LIMITS, "off", FakeClock())
    assert [off.take(_request("a")) for _ in range(50)] == [None] * 50
    generous = Limits(LIMITS, "x10", FakeClock())
    assert [generous.take(_request("a")) for _ in range(20)] == [None] * 20
    assert generous.take(_request("a")) is not None
    for mode in ("on", "x", "x0", "x-3", "xnan", "10"):
        with pytest.raises(ValueError, match="real, off, or xN"):
            Limits(LIMITS, mode, FakeClock())


def test_the_clock_runs_on_from_where_it_is_set() -> None:
    base = FakeClock()
    clock = SettableClock(base)
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    base.advance(5)
    assert clock.now() == datetime(2030, 1, 1, 0, 0, 5, tzinfo=UTC)
    clock.set(None)
    assert (clock.now() - START).total_seconds() == 5
    with pytest.raises(ValueError, match="offset"):
        clock.set(datetime(2030, 1, 1))  # noqa: DTZ001 - what must be refused


class Receiver:
    """Takes webhooks; answers the given statuses in turn, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[Any] = []
        self._statuses = list(statuses)
        self._lock = threading.Lock()

    def __call__(self, url: str, payload: Any) -> int:
        with self._lock:
            self.got.append(payload)
            return self._statuses.pop(0) if self._statuses else 200


def _outbox(receiver: Receiver, faults: Faults | None = None, *, tries: int = 3, delay: float = 0.0) -> Outbox:
    return Outbox(faults or Faults(), delay=delay, tries=tries, retry_wait=0.0, post=receiver)


def test_webhooks_come_in_order_and_are_counted() -> None:
    receiver = Receiver()
    outbox = _outbox(receiver)
    for number in range(20):
        outbox.send("http://x", number)
    assert outbox.wait_empty(5)
    assert receiver.got == list(range(20))
    assert outbox.counts() == {"queued": 20, "delivered": 20, "failed": 0, "waiting": 0}
    outbox.close()


def test_silence_429_and_5xx_are_tried_again_and_other_refusals_are_not() -> None:
    for statuses, tries, outcome in (
        ((0, 503), 3, "delivered"),
        ((429, 500, 502), 3, "failed"),
        ((404,), 1, "failed"),
    ):
        receiver = Receiver(*statuses)
        outbox = _outbox(receiver)
        outbox.send("http://x", "a")
        assert outbox.wait_empty(5)
        assert (len(receiver.got), outbox.counts()[outcome]) == (tries, 1)
        outbox.close()


def test_doubled_and_overtaking_webhooks() -> None:
    receiver, faults = Receiver(), Faults()
    outbox = _outbox(receiver, faults)
    faults.arm("webhook_duplicate")
    faults.arm("webhook_reorder")
    outbox.send("http://x", "first")
    outbox.send("http://x", "second")
    assert outbox.wait_empty(5)
    assert receiver.got == ["second", "first", "first"]
    outbox.close()


def test_a_receiver_that_breaks_does_not_end_the_queue() -> None:
    class Broken(Receiver):
        def __call__(self, url: str, payload: Any) -> int:
            if payload == "bad":
                raise RuntimeError("not an address")
            return super().__call__(url, payload)

    receiver = Broken()
    outbox = _outbox(receiver)
    outbox.send("\x00", "bad")
    outbox.send("http://x", "good")
    assert outbox.wait_empty(5)
    assert receiver.got == ["good"]
    assert outbox.counts()["failed"] == 1
    outbox.close()
