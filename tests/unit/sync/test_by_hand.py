"""A PIMS that takes no writes: people type what the work list says, and a reading confirms it."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.rig import Killed
from tests.unit.sync.by_hand_rig import HandRig, closed, later, lines, rig, tick, typed
from vetbridge.connector.interface import Operation
from vetbridge.core.records import Kind
from vetbridge.ledger import worklist

__all__ = ["rig"]


def test_a_booking_goes_on_the_work_list_and_a_reading_confirms_it(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    ((task, line),) = lines(rig)
    assert task == "book"
    assert line["client"]["id"] == rig.john
    assert line["pet"]["name"] == "Bella"
    assert line["remark"].startswith("VB-")
    assert rig.visits() == []
    assert rig.changes()[-1].code == "by-hand"
    typed(rig, booking, rig.john)
    rig.run()
    assert lines(rig) == []
    assert closed(rig) == [("book", "confirmed")]
    assert rig.endings().count(("done", "matched")) == 1
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1  # it was not carried back
    rig.run()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    assert not rig.booking.written


def test_a_new_owner_is_registered_with_the_visit(rig: HandRig) -> None:
    booking = rig.book("Nina", "New", "+447912000009", "Milo")
    rig.run()
    ((_, line),) = lines(rig)
    assert (line["client"]["is_new"], line["pet"]["is_new"]) == (True, True)
    assert line["client"]["name"] == "Nina New"
    nina = rig.owner("Nina", "New", "+447912000009", "Milo")
    typed(rig, booking, nina)
    rig.run()
    assert closed(rig) == [("book", "confirmed")]
    again = rig.book("Nina", "New", "+447912000009", "Milo")
    rig.run()
    ((_, line),) = lines(rig)
    assert line["client"]["id"] == nina
    assert again


def test_two_bookings_of_one_new_owner_do_not_wait_for_each_other(rig: HandRig) -> None:
    rig.book("Nina", "New", "+447912000009", "Milo")
    rig.book("Nina", "New", "+447912000009", "Fido")
    rig.run()
    assert [task for task, _ in lines(rig)] == ["book", "book"]


def test_a_moved_booking_changes_its_line(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": later(rig, booking, hours=24)})
    rig.run()
    ((task, line),) = lines(rig)
    assert task == "book"
    row = rig.booking.row(Kind.APPOINTMENT, booking)
    assert row is not None
    assert line["start"].utc == datetime.fromisoformat(row["start"])
    assert len(rig.pims.handed) == 1


def test_a_cancelled_booking_strikes_its_line(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.run()
    assert lines(rig) == []
    assert closed(rig) == [("book", "struck")]
    assert rig.pims.handed == {}


def test_a_visit_that_was_typed_though_its_line_was_struck_is_cancelled_again(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.run()
    visit = typed(rig, booking, rig.john)
    rig.run()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1  # not carried to the booking side as a visit of its own
    assert [task for task, _ in lines(rig)] == ["cancel"]
    rig.pims.edit(Kind.APPOINTMENT, visit, {"state": "cancelled"})
    rig.run()
    assert lines(rig) == []


def test_a_move_and_a_cancellation_of_a_typed_visit_are_lines_too(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    visit = typed(rig, booking, rig.john)
    rig.run()
    moved = later(rig, booking, hours=24)
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": moved})
    rig.run()
    ((task, line),) = lines(rig)
    assert (task, set(line)) == ("change", {"start", "found"})
    rig.pims.edit(Kind.APPOINTMENT, visit, {"start": moved})
    rig.run()
    assert lines(rig) == []
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.run()
    assert [task for task, _ in lines(rig)] == ["cancel"]
    rig.pims.edit(Kind.APPOINTMENT, visit, {"state": "cancelled"})
    rig.run()
    assert lines(rig) == []
    assert rig.endings()[-1][0] in ("done", "skipped")
    assert not rig.booking.written


def test_a_visit_typed_at_another_time_is_asked_for_again_and_the_owner_is_not_moved(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    before = rig.booking.row(Kind.APPOINTMENT, booking)
    rig.run()
    visit = typed(rig, booking, rig.john, start=later(rig, booking, hours=1))
    rig.run()
    ((task, line),) = lines(rig)
    assert task == "change"
    assert set(line["found"]) == {"start"}
    assert rig.booking.row(Kind.APPOINTMENT, booking) == before
    assert before is not None
    rig.pims.edit(Kind.APPOINTMENT, visit, {"start": before["start"]})
    rig.run()
    assert lines(rig) == []
    assert not rig.booking.written


def test_a_visit_typed_on_another_pet_is_asked_for_again(rig: HandRig) -> None:
    tom = rig.pims.add(Kind.PET, {"owner": rig.john, "name": "Tom", "species": "C"})
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    visit = typed(rig, booking, rig.john, pet=tom)
    rig.run()
    ((task, line),) = lines(rig)
    assert task == "relink"
    bella = next(str(row["id"]) for row in rig.pims.rows(Kind.PET) if row["name"] == "Bella")
    assert line == {"pet_id": bella}
    rig.pims.edit(Kind.APPOINTMENT, visit, {"pet": bella})
    rig.run()
    assert lines(rig) == []


def test_a_visit_that_the_desk_took_by_telephone_is_none_of_the_list(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    typed(rig, booking, rig.mary, start=later(rig, booking, hours=2))
    rig.run()
    assert [task for task, _ in lines(rig)] == ["book"]
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 2  # it was carried to the booking side


def test_an_owner_who_is_not_certain_is_chosen_by_whoever_types(rig: HandRig) -> None:
    rig.owner("John", "Smith", "+447912000077", "Bella")
    booking = rig.book("John", "Smith", "", "Bella")
    rig.run()
    ((task, line),) = lines(rig)
    assert task == "book"
    assert len(line["client"]["candidates"]) == 2
    assert rig.questions() == ()
    typed(rig, booking, rig.john)
    rig.run()
    assert lines(rig) == []
    assert rig.questions() == ()


def test_a_visit_that_nobody_types_expires_and_its_line_goes(rig: HandRig) -> None:
    rig.book("John", "Smith", "+447912000001", "Bella", hours=3)
    rig.run()
    rig.clock.advance(4 * 3600)
    rig.run()
    assert rig.endings()[-1] == ("failed", "expired")
    assert closed(rig) == [("book", "struck")]


def test_one_that_was_ticked_waits_for_a_reading_that_comes_late(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella", hours=3)
    rig.run()
    with rig.ledger.write() as tx:
        (row,) = worklist.lines(tx)
        worklist.done(tx, row, "ann")
    rig.clock.advance(4 * 3600)
    rig.run()
    assert rig.endings()[-1] == ("waiting", "by-hand")
    typed(rig, booking, rig.john)
    rig.run()
    assert closed(rig) == [("book", "confirmed")]


def test_a_crash_between_handing_on_and_noting_it_leaves_one_line(rig: HandRig) -> None:
    rig.book("John", "Smith", "+447912000001", "Bella")
    rig.refresher.pass_()
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
    assert [task for task, _ in lines(rig)] == ["book"]
    assert [write.operation for write in rig.pims.handed.values()] == [Operation.CREATE]


def test_a_visit_that_was_typed_twice_is_not_carried_back_and_one_is_asked_away(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    first, second = (typed(rig, booking, rig.john) for _ in range(2))
    rig.run()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    assert [task for task, _ in lines(rig)] == ["cancel"]
    with rig.ledger.read() as tx:
        (line,) = worklist.lines(tx)
    rig.pims.edit(Kind.APPOINTMENT, line.remote_id, {"state": "cancelled"})
    rig.run()
    assert lines(rig) == []
    assert not rig.booking.written
    assert {first, second} >= {line.remote_id}


def test_where_the_wrong_one_of_two_is_removed_the_other_one_is_the_booking_s(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    both = {typed(rig, booking, rig.john) for _ in range(2)}
    rig.run()
    with rig.ledger.read() as tx:
        (line,) = worklist.lines(tx)
    (linked,) = both - {line.remote_id}
    rig.pims.edit(Kind.APPOINTMENT, linked, {"state": "cancelled"})
    rig.run()
    assert lines(rig) == []
    assert not rig.booking.written
    moved = later(rig, booking, hours=24)
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": moved})
    rig.run()
    with rig.ledger.read() as tx:
        (change,) = worklist.lines(tx)
    assert (change.task, change.remote_id) == ("change", line.remote_id)


def test_a_change_that_was_typed_wrong_is_asked_for_again_where_it_was_ticked(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    visit = typed(rig, booking, rig.john)
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": later(rig, booking, hours=24)})
    rig.run()
    tick(rig)
    rig.pims.edit(Kind.APPOINTMENT, visit, {"start": later(rig, booking, hours=1)})
    rig.run()
    ((task, line),) = lines(rig)
    assert task == "change"
    assert line["found"]["start"] != line["start"]
    assert rig.questions() == ()
    rig.pims.edit(Kind.APPOINTMENT, visit, {"start": later(rig, booking)})
    rig.run()
    assert lines(rig) == []
    assert not rig.booking.written


def test_a_wrong_visit_that_was_typed_twice_is_not_carried_back_either(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    for _ in range(2):
        typed(rig, booking, rig.john, start=later(rig, booking, hours=1))
    rig.run()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    assert sorted(task for task, _ in lines(rig)) == ["cancel", "change"]


def test_a_visit_for_a_new_pet_that_was_typed_on_another_one_is_asked_for_again(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Milo")
    rig.run()
    visit = typed(rig, booking, rig.john)
    rig.run()
    ((task, line),) = lines(rig)
    assert (task, line["pet"]["name"], line["pet"]["is_new"]) == ("relink", "Milo", True)
    milo = rig.pims.add(Kind.PET, {"owner": rig.john, "name": "Milo", "species": "D"})
    rig.pims.edit(Kind.APPOINTMENT, visit, {"pet": milo})
    rig.run()
    assert lines(rig) == []


def test_a_new_owner_who_was_registered_with_a_slip_is_to_be_put_right(rig: HandRig) -> None:
    booking = rig.book("Nina", "Newman", "+447912000009", "Milo")
    rig.run()
    nina = rig.owner("Nina", "Newnam", "+447912000009", "Milo")
    typed(rig, booking, nina)
    rig.run()
    assert lines(rig) == [("contact", {"name": "Nina Newman"})]
    rig.pims.edit(Kind.CLIENT, nina, {"name": {"given": "Nina", "family": "Newman"}})
    rig.run()
    assert lines(rig) == []


def test_where_the_copy_that_was_put_right_is_removed_the_wrong_one_is_put_right_and_nothing_cancelled(
    rig: HandRig,
) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    before = rig.booking.row(Kind.APPOINTMENT, booking)
    assert before is not None
    rig.run()
    for _ in range(2):
        typed(rig, booking, rig.john, start=later(rig, booking, hours=1))
    rig.run()
    with rig.ledger.read() as tx:
        (linked,) = [row.remote_id for row in worklist.lines(tx) if row.task == "change"]
        (copy,) = [row.remote_id for row in worklist.lines(tx) if row.task == "cancel"]
    rig.pims.edit(Kind.APPOINTMENT, linked, {"start": before["start"]})
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, linked, {"state": "cancelled"})
    rig.run()
    assert rig.booking.row(Kind.APPOINTMENT, booking) == before
    with rig.ledger.read() as tx:
        assert [(row.task, row.remote_id) for row in worklist.lines(tx)] == [("change", copy)]
    rig.pims.edit(Kind.APPOINTMENT, copy, {"start": before["start"]})
    rig.run()
    assert lines(rig) == []
    assert not rig.booking.written


def test_a_copy_that_shows_once_the_other_one_was_put_right_is_not_carried_back(rig: HandRig) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    before = rig.booking.row(Kind.APPOINTMENT, booking)
    assert before is not None
    rig.run()
    wrong = later(rig, booking, hours=1)
    first = typed(rig, booking, rig.john, start=wrong)
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, first, {"start": before["start"]})
    rig.run()
    copy = typed(rig, booking, rig.john, start=wrong)
    rig.run()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    with rig.ledger.read() as tx:
        assert [(row.task, row.remote_id) for row in worklist.lines(tx)] == [("cancel", copy)]
