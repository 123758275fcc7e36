"""Writes by hand between other things: moves and refusals meanwhile, quotas, undoing, forgetting, far slips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rig import Killed
from tests.unit.sync.by_hand_rig import HandRig, closed, later, lines, rig, tick, typed
from tests.unit.sync.test_undoing import begin, undo
from vetbridge.connector.interface import Operation
from vetbridge.core.records import Kind
from vetbridge.ledger import actions, fuses, holdings, owners
from vetbridge.ledger.suppression import Key
from vetbridge.sync.engine import Engine
from vetbridge.sync.pair import Quota

__all__ = ["rig"]


def waiting(rig: HandRig) -> int:
    """Writes that somebody is to carry out, or may have carried out."""
    with rig.ledger.read() as tx:
        return len(actions.handed_creates(tx, "pims", Kind.APPOINTMENT))


def over(rig: HandRig, **otherwise: Any) -> None:
    """The same pair with other limits."""
    rig.pair = replace(rig.pair, **otherwise)
    rig.engine = Engine([rig.pair], rig.ledger, rig.clock, rig.timings)


def test_a_line_that_changes_counts_once_against_the_first_days(rig: HandRig) -> None:
    rig.meet()
    rig.approve()
    over(rig, quota=Quota(days=7, limits={Kind.APPOINTMENT: 1}))
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": later(rig, booking, hours=1)})
    rig.run()
    ((_, line),) = lines(rig)
    assert line["start"].utc.isoformat() == later(rig, booking)
    rig.book("Mary", "Jones", "+447912000002", "Rex")
    rig.run()
    assert len(lines(rig)) == 1


def test_a_line_that_the_fuse_keeps_from_changing_is_struck_once_it_is_not_wanted(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    typed(rig, booking, rig.john)
    rig.run()
    before = later(rig, booking)
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": later(rig, booking, hours=5)})
    rig.run()
    with rig.ledger.write() as tx:
        fuses.blow(tx, rig.changes()[-1], 30)
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": later(rig, booking, hours=1)})
    rig.run()
    assert rig.changes()[-1].code == "fuse-blown"
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": before})
    rig.run()
    assert lines(rig) == []


def test_a_visit_that_was_typed_before_its_booking_moved_is_to_be_moved_and_none_of_the_desk_s(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    before = later(rig, booking)
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": later(rig, booking, hours=50)})
    rig.run()
    visit = typed(rig, booking, rig.john, start=before)  # the reading comes late
    rig.run()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    assert [task for task, _ in lines(rig)] == ["change"]
    rig.pims.edit(Kind.APPOINTMENT, visit, {"start": later(rig, booking)})
    rig.run()
    assert lines(rig) == []
    assert not rig.booking.written


def test_a_visit_with_the_mark_in_another_month_is_settled(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    ((_, line),) = lines(rig)
    typed(rig, booking, rig.john, start=later(rig, booking, days=30), notes=line["remark"])
    rig.run()
    assert [task for task, _ in lines(rig)] == ["change"]
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1


def test_a_cancellation_that_was_taken_back_with_a_move_is_no_longer_asked_for(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    typed(rig, booking, rig.john)
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.run()
    assert [task for task, _ in lines(rig)] == ["cancel"]
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "booked", "start": later(rig, booking, hours=1)})
    rig.run()
    assert [task for task, _ in lines(rig)] == ["change"]
    assert Operation.CANCEL not in {write.operation for write in rig.pims.handed.values()}


def test_an_undo_strikes_what_nobody_has_typed_and_what_shows_later_is_known(rig: HandRig) -> None:
    rig.meet(start_live=True)
    rig.approve()
    run = begin(rig)
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    assert undo(rig, run) == {"create appointment": (True, "struck")}
    assert closed(rig) == [("book", "struck")]
    assert rig.pims.handed == {}
    assert undo(rig, run) == {}
    rig.approve()
    rig.run()
    assert lines(rig) == []
    typed(rig, booking, rig.john)
    rig.run()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1


def test_a_line_that_was_struck_does_not_keep_its_owner_from_being_forgotten(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.run()
    assert waiting(rig) == 1
    with rig.ledger.read() as tx:
        owner = owners.owner_of(
            tx, [Key("booking", Kind.CLIENT, str(rig.booking.row(Kind.APPOINTMENT, booking)["owner"]))]
        )
        assert holdings.obstacles(tx, holdings.held(tx, owner)).writes == ()


def test_the_diary_is_looked_through_only_for_visits_that_may_be_asked_for(
    rig: HandRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    looked: list[Any] = []
    search = rig.pims.search
    monkeypatch.setattr(rig.pims, "search", lambda *which: looked.append(which) or search(*which))
    other = rig.book("Mary", "Jones", "+447912000002", "Rex", hours=90, state="cancelled")
    typed(rig, other, rig.mary)
    rig.receiver.poll_desk()
    rig.work()
    assert not [
        query for _, query in looked if query.get("start_from", "")[:10] != query.get("start_before", "")[:10]
    ]


def test_a_crash_between_the_old_line_and_the_new_one_leaves_the_new_one(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": later(rig, booking, hours=1)})
    rig.receiver.poll()

    def kill(point: str) -> None:
        if point == "sending":
            raise Killed

    rig.ledger.close()
    rig.start(point=kill)
    with pytest.raises(Killed):
        rig.work()
    rig.ledger.close()
    rig.start()
    rig.run()
    ((task, line),) = lines(rig)
    assert (task, line["start"].utc.isoformat()) == ("book", later(rig, booking))
    assert (len(rig.pims.handed), waiting(rig)) == (1, 1)


def test_a_cancellation_that_was_carried_out_and_taken_back_meanwhile_cancels_no_booking(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    visit = typed(rig, booking, rig.john)
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.run()
    tick(rig)
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "booked"})
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, visit, {"state": "cancelled"})  # the reading comes late
    rig.run()
    assert [item.why for item in rig.questions()] == ["reopened-here"]
    assert not rig.booking.written
