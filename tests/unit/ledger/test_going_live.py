"""How far a pair is on its way to live."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.ledgers import ledger_place
from vetbridge.core.records import Kind
from vetbridge.ledger import actions, changes, going_live, links
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.tables import ActionState
from vetbridge.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: FakeClock) -> Iterator[Ledger]:
    made = open_ledger(ledger_place(tmp_path, migrated=True), "the key of a ledger that tests make", clock)
    yield made
    made.close()


def test_writing_begins_with_a_pairing_that_is_newer_than_the_approval(ledger: Ledger, clock: FakeClock) -> None:
    def held() -> set[str]:
        with ledger.read() as tx:
            return going_live.held_back(tx)

    with ledger.write() as tx:
        going_live.meet(tx, "town", start_live=False)
        going_live.paired(tx, "town")
    assert held() == {"town"}
    clock.advance(60)
    with ledger.write() as tx:
        going_live.approve(tx, "town", "Kim")
    assert held() == {"town"}
    clock.advance(60)
    with ledger.write() as tx:
        going_live.paired(tx, "town")
    assert held() == set()
    with ledger.write() as tx:
        going_live.end(tx, "town", "Kim")
    assert held() == {"town"}


def test_a_site_that_gets_another_name_in_the_config_stays_what_it_was(ledger: Ledger) -> None:
    with ledger.write() as tx:
        going_live.meet(tx, "old", start_live=True)
        going_live.paired(tx, "old")
        links.put(
            tx,
            site="old",
            kind=Kind.CLIENT,
            booking_account="altegio",
            booking_id="1",
            pims_account="ezyvet",
            pims_id="2",
            origin="matched",
        )
        going_live.rename(tx, {"altegio": "new", "other": "elsewhere"})
        row = going_live.meet(tx, "new", start_live=False)
        assert going_live.writes(row)
        assert going_live.of(tx, "old") is None
        assert not going_live.writes(going_live.meet(tx, "elsewhere", start_live=False))


@pytest.mark.parametrize(("after", "spent"), [(timedelta(0), True), (timedelta(hours=25), False)])
def test_the_quota_counts_a_day(ledger: Ledger, clock: FakeClock, after: timedelta, spent: bool) -> None:
    with ledger.write() as tx:
        going_live.meet(tx, "town", start_live=True)
        change = changes.receive(tx, site="town", account="b", kind=Kind.APPOINTMENT, remote_id="1", source="poll")
        for number in range(2):
            action = actions.intend(
                tx,
                change,
                account="p",
                kind=Kind.CLIENT,
                operation="create",
                remote_id=None,
                stamp="",
                fields=(),
                payload={},
            )
            actions.close(tx, action, ActionState.ANSWERED, remote_id=str(number))
    clock.advance(after.total_seconds())
    with ledger.read() as tx:
        assert going_live.is_spent(tx, "town", "p", Kind.CLIENT, days=3, limit=2) is spent
        assert not going_live.is_spent(tx, "town", "p", Kind.CLIENT, days=3, limit=3)
        assert not going_live.is_spent(tx, "town", "p", Kind.PET, days=3, limit=2)
        assert not going_live.is_spent(tx, "town", "p", Kind.CLIENT, days=0, limit=2)
    with ledger.write() as tx:
        going_live.let_more_through(tx, "town")
    clock.advance(1)
    with ledger.read() as tx:
        assert not going_live.is_spent(tx, "town", "p", Kind.CLIENT, days=3, limit=2)
