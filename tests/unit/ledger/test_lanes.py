"""Lanes: one worker at a time, and a worker that lost its lease cannot settle any more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from vetbridge.core.errors import Stale
from vetbridge.core.records import Kind
from vetbridge.ledger import changes
from vetbridge.ledger.changes import Lease
from vetbridge.ledger.database import Ledger
from vetbridge.testing.clock import FakeClock

LEASE = timedelta(seconds=30)


def hint(ledger: Ledger, remote_id: str, site: str = "city") -> None:
    with ledger.write() as tx:
        changes.receive(tx, site=site, account="booking", kind=Kind.APPOINTMENT, remote_id=remote_id, source="poll")


def claim(ledger: Ledger, worker: str, without: tuple[str, ...] = ()) -> Lease | None:
    with ledger.write() as tx:
        return changes.claim(tx, worker=worker, lease=LEASE, without_sites=without)


def lane(remote_id: str) -> str:
    return changes.own_lane("booking", Kind.APPOINTMENT, remote_id)


def test_the_change_that_is_due_longest_is_claimed_first(ledger: Ledger, clock: FakeClock) -> None:
    hint(ledger, "b")
    clock.advance(1)
    hint(ledger, "a")
    found = [claim(ledger, "worker") for _ in range(3)]
    assert [lease.lane for lease in found if lease] == [lane("b"), lane("a")]
    assert found[2] is None


def test_what_is_not_due_is_not_claimed(ledger: Ledger, clock: FakeClock) -> None:
    hint(ledger, "a")
    with ledger.write() as tx:
        change = changes.next_due(tx, lane("a"))
        assert change is not None
        assert change.id is not None
        changes.wait(tx, change.id, tx.now + timedelta(seconds=10), "unavailable", "")
    assert claim(ledger, "worker") is None
    clock.advance(10)
    assert claim(ledger, "worker") is not None


def test_sites_that_are_held_back_are_not_claimed(ledger: Ledger) -> None:
    hint(ledger, "a", site="north")
    assert claim(ledger, "worker", without=("north",)) is None
    assert claim(ledger, "worker", without=("south",)) is not None


def test_a_lane_has_one_holder_until_its_lease_ends(ledger: Ledger, clock: FakeClock) -> None:
    hint(ledger, "a")
    first = claim(ledger, "one")
    assert first is not None
    with ledger.write() as tx:
        assert changes.lease_lane(tx, first.lane, worker="two", lease=LEASE) is None
    clock.advance(LEASE.total_seconds() + 1)
    second = claim(ledger, "two")
    assert second is not None
    assert second.epoch == first.epoch + 1


def test_a_late_worker_cannot_settle_or_release(ledger: Ledger, clock: FakeClock) -> None:
    hint(ledger, "a")
    first = claim(ledger, "one")
    assert first is not None
    with ledger.read() as tx:
        changes.held(tx, [first])
    clock.advance(LEASE.total_seconds() + 1)
    second = claim(ledger, "two")
    assert second is not None
    with ledger.write() as tx:
        changes.release(tx, first)
    with ledger.read() as tx:
        changes.held(tx, [second])
        with pytest.raises(Stale, match="taken over"):
            changes.held(tx, [second, first])


def test_a_released_lane_is_free_again(ledger: Ledger) -> None:
    hint(ledger, "a")
    first = claim(ledger, "one")
    assert first is not None
    with ledger.write() as tx:
        changes.release(tx, first)
    assert claim(ledger, "two") is not None


def test_a_restart_frees_every_lane(ledger: Ledger) -> None:
    hint(ledger, "a")
    assert claim(ledger, "killed") is not None
    assert claim(ledger, "new") is None
    with ledger.write() as tx:
        changes.release_all(tx)
    assert claim(ledger, "new") is not None
