"""Links, reservations, actions: one link per booking, keys for one record at a time, writes that leave a trace."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from vetbridge.core.records import Kind
from vetbridge.ledger import actions, changes, links
from vetbridge.ledger.database import Ledger, Transaction
from vetbridge.ledger.tables import Action, ActionState, Change, Link
from vetbridge.testing.clock import FakeClock

VISIT: dict[str, Any] = {
    "site": "city",
    "kind": Kind.APPOINTMENT,
    "booking_account": "booking",
    "booking_id": "b1",
    "pims_account": "pims",
    "origin": "matched",
}


def change_of(ledger: Ledger, remote_id: str) -> Change:
    with ledger.write() as tx:
        return changes.receive(
            tx, site="city", account="booking", kind=Kind.APPOINTMENT, remote_id=remote_id, source="poll"
        )


def reserve(ledger: Ledger, keys: list[str], record_id: int) -> bool:
    with ledger.write() as tx:
        return actions.reserve(tx, "pims", "contact", keys, record_id)


def intend(tx: Transaction, change: Change) -> int:
    return actions.intend(
        tx,
        change,
        account="pims",
        kind=Kind.APPOINTMENT,
        operation="create",
        remote_id=None,
        stamp="VB-0000000000",
        fields=["start", "notes"],
        payload={"native": {"description": "text"}},
    )


def test_a_booking_has_one_primary_link(ledger: Ledger) -> None:
    with ledger.write() as tx:
        links.put(tx, **VISIT, pims_id="p1")
    double = Link(**VISIT, pims_id="p2", created_at=ledger_now(ledger), updated_at=ledger_now(ledger))
    with pytest.raises(IntegrityError), ledger.write() as tx:
        tx.session.add(double)


def test_parts_members_and_ended_links_may_stand_beside_it(ledger: Ledger) -> None:
    now = ledger_now(ledger)
    with ledger.write() as tx:
        links.put(tx, **VISIT, pims_id="p1")
        tx.session.add(Link(**VISIT, pims_id="p2", part=1, created_at=now, updated_at=now))
        tx.session.add(Link(**VISIT, pims_id="p3", role="member", created_at=now, updated_at=now))
        tx.session.add(Link(**VISIT, pims_id="p4", ended_at=now, created_at=now, updated_at=now))
    with ledger.read() as tx:
        found = links.of_booking(tx, "booking", Kind.APPOINTMENT, "b1")
        assert found is not None
        assert found.pims_id == "p1"


def test_putting_a_link_again_points_it_elsewhere(ledger: Ledger, clock: FakeClock) -> None:
    with ledger.write() as tx:
        first = links.put(tx, **VISIT, pims_id="p1", stamp="VB-1", unlinked=True)
        made = first.created_at
    clock.advance(60)
    with ledger.write() as tx:
        second = links.put(tx, **VISIT, pims_id="p2")
    assert (second.id, second.pims_id, second.stamp, second.unlinked) == (first.id, "p2", "VB-1", False)
    assert second.created_at == made


def test_bases_come_back_as_they_were_kept(ledger: Ledger) -> None:
    with ledger.write() as tx:
        link = links.put(tx, **VISIT, pims_id="p1")
        assert links.bases(tx, link) == (None, None)
        links.set_bases(
            tx,
            link,
            booking={"notes": "text", "duration": 900},
            pims={"notes": "cut"},
            booking_mapping="m1",
            pims_mapping="m2",
            pims_version="3",
        )
        assert links.bases(tx, link) == ({"notes": "text", "duration": 900}, {"notes": "cut"})


def test_keys_are_reserved_all_or_none(ledger: Ledger) -> None:
    one, two = (change_of(ledger, id_).record_id for id_ in ("1", "2"))
    assert reserve(ledger, ["+441", "a@example.org"], one)
    assert not reserve(ledger, ["+442", "a@example.org"], two)
    assert reserve(ledger, ["+442"], one), "nothing of the refused reservation stayed"


def test_who_holds_a_key_may_reserve_it_again(ledger: Ledger) -> None:
    one = change_of(ledger, "1").record_id
    assert reserve(ledger, ["+441"], one)
    assert reserve(ledger, ["+441", "+442"], one)


def test_keys_of_another_account_or_sort_do_not_collide(ledger: Ledger) -> None:
    one, two = (change_of(ledger, id_).record_id for id_ in ("1", "2"))
    with ledger.write() as tx:
        assert actions.reserve(tx, "pims", "contact", ["key"], one)
        assert actions.reserve(tx, "other", "contact", ["key"], two)
        assert actions.reserve(tx, "pims", "slot", ["key"], two)


def test_keys_that_are_given_back_are_free(ledger: Ledger) -> None:
    one, two = (change_of(ledger, id_).record_id for id_ in ("1", "2"))
    reserve(ledger, ["+441", "+442"], one)
    with ledger.write() as tx:
        actions.unreserve(tx, one)
    assert reserve(ledger, ["+441", "+442"], two)


def test_a_write_is_known_before_it_is_sent_and_unsettled_until_it_is_answered(ledger: Ledger) -> None:
    change = change_of(ledger, "1")
    with ledger.write() as tx:
        action_id = intend(tx, change)
    with ledger.read() as tx:
        (found,) = actions.unsettled(tx, change.record_id)
    assert (found.action_id, found.state, found.stamp) == (action_id, ActionState.INTENDED, "VB-0000000000")
    assert found.payload["native"] == {"description": "text"}
    with ledger.write() as tx:
        actions.close(tx, action_id, ActionState.UNKNOWN, code="outcome-unknown", message="no answer")
        assert len(actions.unsettled(tx, change.record_id)) == 1
        actions.close(tx, action_id, ActionState.ANSWERED, remote_id="77")
        assert actions.unsettled(tx, change.record_id) == ()
        row = tx.session.get_one(Action, action_id)
        assert (row.remote_id, row.answered_at) == ("77", tx.now)


def test_a_transaction_that_raises_leaves_nothing(ledger: Ledger) -> None:
    change = change_of(ledger, "1")
    with pytest.raises(ZeroDivisionError), ledger.write() as tx:
        assert intend(tx, change) / 0
    with ledger.read() as tx:
        assert actions.unsettled(tx, change.record_id) == ()


def ledger_now(ledger: Ledger) -> Any:
    with ledger.read() as tx:
        return tx.now
