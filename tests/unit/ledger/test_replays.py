"""Which changes may be worked on again, and what becomes of the old one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from vetbridge.core.records import Kind, Side
from vetbridge.ledger import changes, replays
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.reports import Filter
from vetbridge.ledger.tables import Change, ChangeState, Record
from vetbridge.testing.clock import FakeClock

FAR = timedelta(days=2)


def episode(
    ledger: Ledger,
    clock: FakeClock,
    state: ChangeState | None,
    *,
    remote_id: str = "1",
    code: str = "mapping",
    ahead: timedelta | None = FAR,
) -> int:
    """A change that ended in a state; None: one that is still open."""
    with ledger.write() as tx:
        row = changes.receive(
            tx, site="city", account="booking", kind=Kind.APPOINTMENT, remote_id=remote_id, source="poll"
        )
        assert row.id is not None
        if ahead is not None:
            row.visit_at = clock.now() + ahead
        if state is not None:
            changes.begin(tx, row.id)
            changes.settle(tx, row.id, state, code, "in words", digest="d")
        return row.id


def refusal(ledger: Ledger, number: int, *, only_failed: bool = False) -> str:
    with ledger.read() as tx:
        return replays.refusal(tx, number, only_failed=only_failed)


def get(ledger: Ledger, number: int) -> Change:
    with ledger.read() as tx:
        found = replays.change(tx, number)
        assert found is not None
        return found


@pytest.mark.parametrize("state", [ChangeState.FAILED, ChangeState.SKIPPED, ChangeState.DONE, ChangeState.REVIEW])
def test_every_settled_change_may_be_worked_on_again(ledger: Ledger, clock: FakeClock, state: ChangeState) -> None:
    number = episode(ledger, clock, state)
    assert refusal(ledger, number) == ""
    assert refusal(ledger, number, only_failed=True) == ("" if state is ChangeState.FAILED else "not-failed")


def test_what_is_refused_and_why(ledger: Ledger, clock: FakeClock) -> None:
    assert refusal(ledger, 7) == "unknown-change"
    is_open = episode(ledger, clock, None)
    assert refusal(ledger, is_open) == "still-open"
    past = episode(ledger, clock, ChangeState.FAILED, remote_id="2", ahead=timedelta())
    assert refusal(ledger, past) == "visit-has-begun"
    unknown_time = episode(ledger, clock, ChangeState.FAILED, remote_id="3", ahead=None)
    assert refusal(ledger, unknown_time) == ""
    old = episode(ledger, clock, ChangeState.DONE, remote_id="4")
    episode(ledger, clock, ChangeState.SKIPPED, remote_id="4")
    assert refusal(ledger, old) == "newer-change"


def test_the_old_change_stands_until_the_new_one_ends(ledger: Ledger, clock: FakeClock) -> None:
    old = episode(ledger, clock, ChangeState.FAILED)
    with ledger.write() as tx:
        row = replays.add(tx, old)
        new = row.id or 0
        hints = tx.session.get_one(Record, row.record_id).hints
    assert (row.replay_of, row.source, row.state, row.visit_at) == (old, "replay", "received", clock.now() + FAR)
    assert hints == 2, "a hint like any other: what is being read now does not settle it"
    assert (get(ledger, old).state, refusal(ledger, old)) == ("failed", "still-open")
    with ledger.read() as tx:
        assert replays.fitting(tx, Filter(states=["failed"]), limit=10) == (0, ())
    with ledger.write() as tx:
        changes.begin(tx, new)
        changes.settle(tx, new, ChangeState.DONE, "matched", "")
    assert (get(ledger, old).state, get(ledger, old).code) == ("skipped", "superseded")


def test_a_hint_joins_the_replay(ledger: Ledger, clock: FakeClock) -> None:
    old = episode(ledger, clock, ChangeState.FAILED)
    with ledger.write() as tx:
        new = replays.add(tx, old).id
    assert episode(ledger, clock, None) == new


def test_one_that_waits_for_a_start_is_woken_by_it_and_by_nothing_else(ledger: Ledger, clock: FakeClock) -> None:
    old = episode(ledger, clock, ChangeState.FAILED)
    with ledger.write() as tx:
        replays.note_mappings(tx, {"city": "old"})
        new = replays.add(tx, old, after_start=True).id or 0
    episode(ledger, clock, None)
    clock.advance(86400 * 30)
    with ledger.write() as tx:
        assert replays.noted_mappings(tx) == {"city": "old"}
        assert changes.claim(tx, worker="w", lease=timedelta(60), without_sites=[]) is None
        assert changes.earliest(tx, without_sites=[]) is None
    assert (get(ledger, new).state, get(ledger, new).code) == ("waiting", "old-mapping")
    with ledger.write() as tx:
        replays.note_mappings(tx, {"city": "new"})
        assert changes.claim(tx, worker="w", lease=timedelta(60), without_sites=[]) is not None
        assert replays.noted_mappings(tx) == {"city": "new"}


def test_failures_are_chosen_oldest_first_and_the_newest_of_a_record_alone(ledger: Ledger, clock: FakeClock) -> None:
    first = episode(ledger, clock, ChangeState.FAILED, remote_id="1")
    clock.advance(3600)
    second = episode(ledger, clock, ChangeState.FAILED, remote_id="2")
    other = episode(ledger, clock, ChangeState.FAILED, remote_id="3", code="refused")
    reopened = episode(ledger, clock, ChangeState.FAILED, remote_id="4")
    episode(ledger, clock, None, remote_id="4")
    episode(ledger, clock, ChangeState.DONE, remote_id="5")

    def chosen(limit: int = 10, **by: Any) -> tuple[int, list[int | None]]:
        with ledger.read() as tx:
            total, rows = replays.fitting(tx, Filter(states=["failed"], **by), limit=limit)
        return total, [row.id for row in rows]

    assert chosen() == (3, [first, second, other])
    assert reopened not in chosen()[1]
    assert chosen(codes=["mapping"], limit=1) == (2, [first])
    assert chosen(codes=["mapping"], since=clock.now()) == (1, [second])
    assert chosen(site="elsewhere") == (0, [])
    assert chosen(account="booking", codes=["refused"]) == (1, [other])


def test_replays_that_are_spread_wait_for_their_turn_also_over_a_restart(ledger: Ledger, clock: FakeClock) -> None:
    old = episode(ledger, clock, ChangeState.FAILED)
    with ledger.write() as tx:
        new = replays.add(tx, old, wait=timedelta(minutes=2)).id or 0
    assert (get(ledger, new).state, get(ledger, new).code) == ("waiting", replays.SPREAD)

    def claimed() -> bool:
        with ledger.write() as tx:
            replays.note_mappings(tx, {"city": "x"})
            changes.release_all(tx)
            return changes.claim(tx, worker="w", lease=timedelta(60), without_sites=[]) is not None

    clock.advance(119)
    assert not claimed()
    clock.advance(1)
    assert claimed()


def test_what_has_begun_is_let_through_where_a_person_says_so(ledger: Ledger, clock: FakeClock) -> None:
    past = episode(ledger, clock, ChangeState.FAILED, ahead=timedelta())
    with ledger.read() as tx:
        assert replays.refusal(tx, past, only_failed=True) == "visit-has-begun"
        assert replays.refusal(tx, past, only_failed=True, anyway=True) == ""


def test_what_waits_for_a_start_keeps_its_spacing_after_it(ledger: Ledger, clock: FakeClock) -> None:
    olds = [episode(ledger, clock, ChangeState.FAILED, remote_id=name) for name in "abc"]
    with ledger.write() as tx:
        new = [
            replays.add(tx, old, after_start=True, wait=timedelta(seconds=30 * number)).id or 0
            for number, old in enumerate(olds)
        ]
    clock.advance(3600)
    for _ in range(2):  # a second start moves nobody's turn
        with ledger.write() as tx:
            replays.note_mappings(tx, {"city": "new"})
        begins = [get(ledger, number).next_at or clock.now() for number in new]
        assert [(each - clock.now()).total_seconds() for each in begins] == [0, 30, 60]
    assert [get(ledger, number).code for number in new] == ["old-mapping", replays.SPREAD, replays.SPREAD]


def test_why_it_had_failed_stays_with_what_is_superseded(ledger: Ledger, clock: FakeClock) -> None:
    old = episode(ledger, clock, ChangeState.FAILED, code="refused")
    new = episode(ledger, clock, ChangeState.DONE)
    assert get(ledger, old).code == "superseded"
    words = f"it had failed (refused): in words; change {new} of the same record ended later"
    assert get(ledger, old).message == words
    episode(ledger, clock, ChangeState.DONE)
    assert get(ledger, old).message == words


@pytest.mark.parametrize("side", [None, *Side])
def test_a_replay_for_one_side_says_so_until_an_ordinary_hint_comes(
    ledger: Ledger, clock: FakeClock, side: Side | None
) -> None:
    old = episode(ledger, clock, ChangeState.FAILED)
    with ledger.write() as tx:
        row = replays.add(tx, old, side=side)
        assert changes.only_side(row) == side
        changes.receive_again(tx, row.record_id, row.source)
        assert changes.only_side(row) == side, "what asks for the same side asks for nothing else"
        changes.begin_undo(tx, row)
        assert changes.only_side(row) == side
        changes.receive_again(tx, row.record_id, "poll")
        assert (changes.only_side(row), changes.is_undo(row)) == (None, True)
        changes.end_undo(tx, row)
        assert row.source == "replay"
