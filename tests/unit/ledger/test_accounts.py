"""Accounts: an outage pauses, refused credentials block, and a vendor's pause outlives a restart."""

from __future__ import annotations

from datetime import timedelta

import pytest

from vetbridge.core.records import Kind
from vetbridge.ledger import accounts
from vetbridge.ledger.database import Ledger
from vetbridge.testing.clock import FakeClock


@pytest.fixture(autouse=True)
def enrolled(ledger: Ledger) -> None:
    with ledger.write() as tx:
        accounts.enrol(tx, "pims", "memory", country="GB")
        accounts.enrol(tx, "booking", "memory", country="GB")


def fail(ledger: Ledger) -> float:
    """A call fails now; how long the account is paused from now."""
    with ledger.write() as tx:
        row = accounts.back_off(tx, "pims", first=5, longest=60)
        assert row.paused_until is not None
        return (row.paused_until - tx.now).total_seconds()


def test_an_outage_pauses_longer_each_time_up_to_the_longest(ledger: Ledger, clock: FakeClock) -> None:
    pauses = []
    for _ in range(6):
        pauses.append(fail(ledger))
        clock.advance(pauses[-1])
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_failures_while_paused_count_once(ledger: Ledger, clock: FakeClock) -> None:
    fail(ledger)
    clock.advance(1)
    assert fail(ledger) == 4
    with ledger.read() as tx:
        assert accounts.get(tx, "pims").failures == 1


def test_an_answer_ends_the_outage(ledger: Ledger, clock: FakeClock) -> None:
    fail(ledger)
    with ledger.read() as tx:
        assert accounts.not_answering(tx) == {"pims"}
        assert accounts.back_at(tx, ["pims", "booking"]) == clock.now() + timedelta(seconds=5)
    with ledger.write() as tx:
        accounts.answered(tx, "pims")
        row = accounts.get(tx, "pims")
        assert (row.failures, row.failing_since, row.paused_until, row.answered_at) == (0, None, None, tx.now)
        assert accounts.not_answering(tx) == set()


def test_a_block_lasts_until_a_restart(ledger: Ledger, clock: FakeClock) -> None:
    with ledger.write() as tx:
        accounts.block(tx, "pims", "auth-failed")
    clock.advance(86400)
    with ledger.read() as tx:
        assert accounts.not_answering(tx, ["pims"]) == {"pims"}
        assert accounts.not_answering(tx, ["booking"]) == set()
        assert accounts.back_at(tx, ["pims"]) is None
    with ledger.write() as tx:
        accounts.enrol(tx, "pims", "memory", country="GB")
        assert accounts.not_answering(tx) == set()


def test_a_vendors_pause_is_kept_with_the_seconds_left(ledger: Ledger, clock: FakeClock) -> None:
    with ledger.write() as tx:
        accounts.pause_budget(tx, "pims", "minute", 60)
        accounts.pause_budget(tx, "pims", "minute", 10)
    clock.advance(20)
    with ledger.read() as tx:
        assert accounts.paused_budgets(tx, "pims") == {"minute": 40}
        assert accounts.paused_budgets(tx, "booking") == {}
    clock.advance(40)
    with ledger.read() as tx:
        assert accounts.paused_budgets(tx, "pims") == {}


def test_a_cursor_belongs_to_one_account_and_kind(ledger: Ledger) -> None:
    with ledger.write() as tx:
        accounts.move_cursor(tx, "pims", Kind.CLIENT, "1")
        accounts.move_cursor(tx, "pims", Kind.CLIENT, "2")
        assert accounts.cursor(tx, "pims", Kind.CLIENT) == "2"
        assert accounts.cursor(tx, "pims", Kind.PET) is None
        assert accounts.cursor(tx, "booking", Kind.CLIENT) is None
