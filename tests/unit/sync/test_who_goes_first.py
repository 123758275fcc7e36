"""Who goes first, who waits for whom, and who does not: urgent changes, reserved slots, dependants alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig import Rig
from tests.stepping import Stepper
from tests.unit.sync.test_both_ways import desk, pet_of
from vetbridge.connector.interface import Operation
from vetbridge.core.records import Kind

JOHN = ("John", "Smith", "+447912000001", "Bella")
MARY = ("Mary", "Jones", "+447912000002", "Rex")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner(*JOHN)
    made.owner(*MARY)
    return made


def test_what_is_cancelled_goes_before_what_waited_longer(rig: Rig) -> None:
    first, last = rig.book(*JOHN), rig.book(*JOHN)
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, first, {"notes": "scratches"})
    rig.booking.edit(Kind.APPOINTMENT, last, {"state": "cancelled"})
    rig.run()
    assert [write.operation for write in rig.pims.written[-2:]] == [Operation.CANCEL, Operation.UPDATE]


def test_two_owners_for_one_slot_are_one_visit_and_a_question(rig: Rig) -> None:
    stepper = Stepper()
    rig.start(point=stepper.point)
    rig.refresher.pass_()
    rig.book(*JOHN, hours=60)
    rig.book(*MARY, hours=60)
    rig.receiver.poll()
    slow = stepper.start("slow", rig.work)
    while slow.at != "intended":
        slow.go_on()
    rig.work()
    assert ("waiting", "slot-reserved") in rig.endings()
    stepper.finish()
    rig.settle()
    assert len(rig.visits()) == 1
    assert [one.why for one in rig.questions()] == ["slot-taken"]


def test_a_reserved_slot_is_free_again_when_its_change_has_ended(rig: Rig) -> None:
    booking = rig.book(*JOHN, hours=60)
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.run()
    rig.book(*MARY, hours=60)
    rig.run()
    assert [row["state"] for row in rig.visits()] == ["cancelled", "booked"]
    assert rig.questions() == ()


def test_visits_that_only_touch_are_both_written(rig: Rig) -> None:
    rig.book(*JOHN, hours=60)
    rig.book(*MARY, hours=60.25)
    rig.run()
    assert len(rig.visits()) == 2
    assert rig.questions() == ()


def test_a_change_that_fails_holds_nobody_else_up(rig: Rig) -> None:
    rig.book(*JOHN, type="no such service")
    rig.book(*JOHN)
    rig.book(*MARY)
    rig.run()
    assert [state for state, _ in rig.endings()] == ["failed", "done", "done"]
    assert len(rig.visits()) == 2


def test_a_side_that_is_blind_for_one_vet_cancels_none_of_her_visits(rig: Rig) -> None:
    john = rig.pims.rows(Kind.CLIENT)[1]["id"]
    hers = [desk(rig, john, pet_of(rig, john), hours=50 + n) for n in range(3)]
    for id_ in hers:
        rig.pims.edit(Kind.APPOINTMENT, id_, {"who": "v2"})
    for n in range(3):
        desk(rig, john, pet_of(rig, john), hours=60 + n)
    rig.run()
    rig.pims.hide(hers)
    for _ in range(3):
        rig.sweeper.sweep()
        rig.run()
        rig.clock.advance(2 * rig.timings.absence_confirm)
    assert [row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)] == ["booked"] * 6
    rig.pims.hide(())
    rig.sweeper.sweep()
    rig.run()
    assert [row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)] == ["booked"] * 6
    assert rig.questions() == ()


def test_a_side_that_shows_the_coming_days_alone_cancels_nothing_beyond_them(rig: Rig) -> None:
    john = rig.pims.rows(Kind.CLIENT)[1]["id"]
    near = [desk(rig, john, pet_of(rig, john), hours=30 + n) for n in range(4)]
    far = [desk(rig, john, pet_of(rig, john), hours=600 + n) for n in range(4)]
    rig.run()
    assert len(near) == 4
    rig.pims.hide(far)
    rig.sweeper.sweep()
    rig.run()
    rig.clock.advance(2 * rig.timings.absence_confirm)
    rig.run()
    assert [row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)] == ["booked"] * 8
