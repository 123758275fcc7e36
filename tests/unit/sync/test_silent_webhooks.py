"""Webhooks that have ended: the poll finds what they should have told. A race of the two never counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig import Rig
from vetbridge.connector.interface import Hint
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts
from vetbridge.sync.receiving import Receiver

ANN = ("Ann", "Weiss", "+447700900123", "Bella")
GRACE = 600.0


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.refresher.pass_()
    made.owner(*ANN)
    made.refresher.pass_()
    made.receiver.poll()
    return made


def misses(rig: Rig, account: str = "booking") -> int:
    with rig.ledger.read() as tx:
        return accounts.get(tx, account).hook_misses


def webhook(rig: Rig, booking: str) -> None:
    rig.receiver.hints("booking", [Hint(kind=Kind.APPOINTMENT, id=booking)])


def minutes(rig: Rig, count: int) -> None:
    """Time passes, with a poll each minute."""
    for _ in range(count):
        rig.clock.advance(60)
        rig.receiver.poll()
        rig.settle(limit=0)


def test_what_polls_find_while_no_webhook_comes_is_counted_after_the_grace(rig: Rig) -> None:
    for count in range(3):
        rig.book(*ANN, hours=50 + count)
        minutes(rig, 1)
    minutes(rig, 8)
    assert misses(rig) == 1
    minutes(rig, 2)
    assert misses(rig) == 3
    minutes(rig, 30)
    assert misses(rig) == 3, "each counts once"


@pytest.mark.parametrize("late", [0, 1, 5, 9])
def test_a_webhook_that_comes_after_the_poll_was_only_slower(rig: Rig, late: int) -> None:
    booking = rig.book(*ANN)
    minutes(rig, 1 + late)
    webhook(rig, booking)
    minutes(rig, 30)
    assert misses(rig) == 0


def test_a_webhook_that_came_before_the_poll_told_of_it(rig: Rig) -> None:
    booking = rig.book(*ANN)
    webhook(rig, booking)  # and nobody has worked on it yet when the poll comes
    rig.clock.advance(60)
    rig.receiver.poll()
    minutes(rig, 30)
    assert misses(rig) == 0


def test_what_stays_open_is_no_news_when_an_overlap_lists_it_again(rig: Rig) -> None:
    with rig.ledger.read() as tx:
        before = accounts.cursor(tx, "booking", Kind.APPOINTMENT)
    assert before is not None
    webhook(rig, rig.book(*ANN))
    for _ in range(30):  # the other side is away: nothing is worked on
        with rig.ledger.write() as tx:
            accounts.move_cursor(tx, "booking", Kind.APPOINTMENT, before)
        rig.clock.advance(60)
        rig.receiver.poll()
    assert misses(rig) == 0


def test_a_webhook_ends_the_count(rig: Rig) -> None:
    rig.book(*ANN)
    minutes(rig, 12)
    assert misses(rig) == 1
    webhook(rig, rig.book(*ANN))
    assert misses(rig) == 0
    with rig.ledger.read() as tx:
        assert accounts.get(tx, "booking").hooked_at == rig.clock.now()


def test_what_a_first_poll_finds_or_one_after_an_outage_tells_nothing_of_webhooks(rig: Rig) -> None:
    rig.book(*ANN)
    rig.clock.advance(GRACE + 1)  # VetBridge or the vendor was away, and so were webhooks
    rig.receiver.poll()
    minutes(rig, 30)
    assert misses(rig) == 0
    rig.book(*ANN)
    rig.start()  # a restart
    rig.receiver.poll()
    minutes(rig, 30)
    assert misses(rig) == 0


def test_vetbridges_own_writes_are_no_news(rig: Rig) -> None:
    webhook(rig, rig.book(*ANN))
    rig.settle()
    assert len(rig.visits()) == 1
    rig.receiver.poll_desk()
    for _ in range(30):
        rig.clock.advance(60)
        rig.receiver.poll_desk()
    assert misses(rig, "pims") == 0


@pytest.mark.parametrize("told", [True, False])
def test_polls_that_are_rare_count_with_a_longer_grace(rig: Rig, told: bool) -> None:
    rig.receiver = Receiver(rig.pair, rig.ledger, every={"booking": 1800})
    for count in range(4):
        booking = rig.book(*ANN, hours=50 + count)
        if told and count < 2:
            webhook(rig, booking)
        rig.clock.advance(1800)
        rig.receiver.poll()
        rig.settle(limit=0)
    for _ in range(2):
        rig.clock.advance(1800)
        rig.receiver.poll()
    assert misses(rig) == (2 if told else 3), "the first poll after a start says nothing"
