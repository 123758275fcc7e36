"""Changes: hints coalesce while unread, and a settle counts only if no newer hint came (law 3)."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import col, select

from vetbridge.core.records import Kind
from vetbridge.ledger import changes
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change, ChangeState, Record
from vetbridge.testing.clock import FakeClock


def hint(ledger: Ledger, remote_id: str = "1", source: str = "poll", site: str = "city") -> int:
    with ledger.write() as tx:
        change = changes.receive(
            tx, site=site, account="booking", kind=Kind.APPOINTMENT, remote_id=remote_id, source=source
        )
        assert change.id is not None
        return change.id


def begin(ledger: Ledger, change_id: int) -> None:
    with ledger.write() as tx:
        changes.begin(tx, change_id)


def settle(ledger: Ledger, change_id: int, state: ChangeState = ChangeState.DONE, code: str = "matched") -> bool:
    with ledger.write() as tx:
        return changes.settle(tx, change_id, state, code, "in words", digest="digest", version="7")


def rows(ledger: Ledger) -> list[Change]:
    with ledger.read() as tx:
        return list(tx.session.exec(select(Change).order_by(col(Change.id))))


def record(ledger: Ledger) -> Record:
    with ledger.read() as tx:
        return tx.session.exec(select(Record)).one()


def test_hints_coalesce_while_a_change_is_unread(ledger: Ledger) -> None:
    first = hint(ledger)
    assert [hint(ledger, source="webhook"), hint(ledger)] == [first, first]
    assert len(rows(ledger)) == 1
    assert record(ledger).hints == 3


def test_a_hint_after_the_settle_opens_a_new_episode(ledger: Ledger) -> None:
    first = hint(ledger)
    begin(ledger, first)
    assert settle(ledger, first)
    second = hint(ledger)
    assert second != first
    assert [row.state for row in rows(ledger)] == [ChangeState.DONE, ChangeState.RECEIVED]


def test_a_hint_wakes_a_change_that_waits(ledger: Ledger, clock: FakeClock) -> None:
    change = hint(ledger)
    with ledger.write() as tx:
        changes.wait(tx, change, tx.now + timedelta(hours=1), "unavailable", "in words")
    clock.advance(60)
    assert hint(ledger) == change
    assert rows(ledger)[0].next_at == clock.now()


def test_a_settle_counts_only_if_no_newer_hint_came(ledger: Ledger) -> None:
    change = hint(ledger)
    begin(ledger, change)
    hint(ledger)
    assert not settle(ledger, change)
    assert rows(ledger)[0].state == ChangeState.RECEIVED
    assert rows(ledger)[0].code == "hinted-meanwhile"
    assert record(ledger).digest_hash is None
    begin(ledger, change)
    assert settle(ledger, change)
    assert (record(ledger).digest_hash, record(ledger).version) == ("digest", "7")


def test_a_later_good_end_supersedes_older_failures(ledger: Ledger) -> None:
    first = hint(ledger)
    begin(ledger, first)
    settle(ledger, first, ChangeState.FAILED, "mapping")
    other = hint(ledger, remote_id="2")
    begin(ledger, other)
    settle(ledger, other, ChangeState.FAILED, "mapping")
    second = hint(ledger)
    begin(ledger, second)
    settle(ledger, second)
    states = {row.id: (row.state, row.code) for row in rows(ledger)}
    assert states[first] == (ChangeState.SKIPPED, "superseded")
    assert states[other] == (ChangeState.FAILED, "mapping"), "another record's failure stays"


def test_earliest_leaves_out_sites_that_are_held_back(ledger: Ledger, clock: FakeClock) -> None:
    hint(ledger, "1", site="north")
    clock.advance(5)
    hint(ledger, "2", site="south")
    with ledger.read() as tx:
        assert changes.earliest(tx, without_sites=[]) == clock.now() - timedelta(seconds=5)
        assert changes.earliest(tx, without_sites=["north"]) == clock.now()
        assert changes.earliest(tx, without_sites=["north", "south"]) is None
