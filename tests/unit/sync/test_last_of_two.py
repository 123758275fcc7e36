"""Of a visit that was typed twice both copies are taken away: nobody's booking is cancelled for that unasked."""

from __future__ import annotations

import pytest

from tests.unit.sync.by_hand_rig import HandRig, later, lines, rig, typed
from vetbridge.core.answers import BOTH_REMOVED, Answer, Choice
from vetbridge.core.errors import Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import reviews, worklist

__all__ = ["rig"]

HOUR = 3600.0
LATER = 2 * HOUR
"""Seconds between two removals that have nothing to do with each other."""


def two(rig: HandRig, **slip: float) -> tuple[str, str, str]:
    """A booking, the visit that was typed for it, and the copy that a line asks to cancel."""
    booking = rig.book("John", "Smith", "+447912000001", "Bella", hours=96)
    rig.run()
    both = {typed(rig, booking, rig.john, start=later(rig, booking, **slip)) for _ in range(2)}
    rig.run()
    with rig.ledger.read() as tx:
        (copy,) = (row.remote_id for row in worklist.lines(tx) if row.task == worklist.CANCEL)
    (own,) = both - {copy}
    return booking, own, copy


def cancel(rig: HandRig, *visits: str) -> None:
    for visit in visits:
        rig.pims.edit(Kind.APPOINTMENT, visit, {"state": "cancelled"})


def state(rig: HandRig, booking: str) -> str:
    row = rig.booking.row(Kind.APPOINTMENT, booking)
    assert row is not None
    return str(row["state"])


def asked(rig: HandRig) -> list[str]:
    return [item.why for item in rig.questions()]


def answer(rig: HandRig, choice: Choice) -> None:
    with rig.ledger.write() as tx:
        (item,) = reviews.open_items(tx)
        reviews.answer(tx, item, Answer(choice=choice), "Kim")
    rig.run()


def test_where_a_reading_shows_that_both_were_cancelled_a_person_is_asked(rig: HandRig) -> None:
    booking, own, copy = two(rig)
    cancel(rig, copy, own)
    rig.run()
    assert asked(rig) == [BOTH_REMOVED]
    assert lines(rig) == []
    rig.run()
    assert asked(rig) == [BOTH_REMOVED]
    assert state(rig, booking) == "booked"
    assert not rig.booking.written


def test_a_copy_is_one_also_where_the_other_one_was_put_right(rig: HandRig) -> None:
    booking, own, copy = two(rig, hours=1)
    rig.pims.edit(Kind.APPOINTMENT, own, {"start": later(rig, booking)})
    rig.run()
    cancel(rig, copy, own)
    rig.run()
    assert asked(rig) == [BOTH_REMOVED]
    assert state(rig, booking) == "booked"


def test_what_was_asked_of_the_copy_that_is_gone_is_over(rig: HandRig) -> None:
    """The one that was to be put right is taken away, and shows the right time only then."""
    booking, own, copy = two(rig, hours=1)
    with rig.ledger.write() as tx:
        [line] = [row for row in worklist.lines(tx) if row.task == worklist.CHANGE]
        worklist.done(tx, line, "Kim")
    cancel(rig, own)
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, own, {"start": later(rig, booking)})
    rig.run()
    rig.run()
    assert state(rig, booking) == "booked"
    with rig.ledger.read() as tx:
        standing = [(line.task, line.remote_id, line.state) for line in worklist.lines(tx)]
    assert standing == [("change", copy, "open")], "what was ticked off was the one that is gone"
    rig.pims.edit(Kind.APPOINTMENT, copy, {"start": later(rig, booking)})
    rig.run()
    assert lines(rig) == []
    assert asked(rig) == []
    assert state(rig, booking) == "booked"


def test_where_both_are_gone_a_person_is_asked(rig: HandRig) -> None:
    other = rig.book("Mary", "Jones", "+447912000002", "Rex", hours=120)
    rig.run()
    typed(rig, other, rig.mary)
    booking, own, copy = two(rig)
    rig.pims.remove(Kind.APPOINTMENT, copy)
    rig.pims.remove(Kind.APPOINTMENT, own)
    rig.run()
    assert asked(rig) == [BOTH_REMOVED]
    assert state(rig, booking) == "booked"


def test_of_a_visit_that_has_begun_nothing_is_asked_because_it_is_gone(rig: HandRig) -> None:
    other = rig.book("Mary", "Jones", "+447912000002", "Rex", hours=120)
    rig.run()
    typed(rig, other, rig.mary)
    booking, own, copy = two(rig)
    rig.clock.advance(100 * HOUR)
    for visit in (copy, own):
        rig.pims.remove(Kind.APPOINTMENT, visit)
    rig.run()
    assert rig.endings()[-1] == ("skipped", "gone-after-visit")
    assert asked(rig) == []
    assert state(rig, booking) == "booked"


@pytest.mark.parametrize("own_first", [True, False])
def test_one_soon_after_the_other_one_is_asked_about_too(rig: HandRig, own_first: bool) -> None:
    booking, own, copy = two(rig)
    first, second = (own, copy) if own_first else (copy, own)
    cancel(rig, first)
    rig.run()
    assert asked(rig) == []
    rig.clock.advance(HOUR / 4)
    cancel(rig, second)
    rig.run()
    assert asked(rig) == [BOTH_REMOVED]
    assert state(rig, booking) == "booked"


@pytest.mark.parametrize("own_first", [True, False])
def test_one_that_is_cancelled_much_later_is_the_clinic_s_word(rig: HandRig, own_first: bool) -> None:
    booking, own, copy = two(rig)
    first, second = (own, copy) if own_first else (copy, own)
    cancel(rig, first)
    rig.run()
    rig.clock.advance(LATER)
    cancel(rig, second)
    rig.run()
    assert asked(rig) == []
    assert state(rig, booking) == "cancelled"


def test_one_that_staff_have_put_right_alone_and_then_cancel_is_the_clinic_s_word(rig: HandRig) -> None:
    booking, own, copy = two(rig, hours=1)
    cancel(rig, copy)
    rig.run()
    rig.clock.advance(60)
    rig.pims.edit(Kind.APPOINTMENT, own, {"start": later(rig, booking)})
    rig.run()
    rig.clock.advance(60)
    cancel(rig, own)
    rig.run()
    assert asked(rig) == []
    assert state(rig, booking) == "cancelled"


def test_a_line_that_waits_does_not_make_a_later_cancellation_a_removal_of_both(rig: HandRig) -> None:
    booking, own, copy = two(rig, hours=1)
    cancel(rig, copy)
    rig.run()
    assert [task for task, _ in lines(rig)] == [worklist.CHANGE]
    rig.clock.advance(LATER)
    cancel(rig, own)
    rig.run()
    assert asked(rig) == ["moved-here-cancelled-there"]
    assert state(rig, booking) == "booked"


def test_it_is_asked_too_where_the_booking_side_did_not_answer_meanwhile(rig: HandRig) -> None:
    booking, own, copy = two(rig)
    cancel(rig, copy, own)
    rig.booking.fail(Unavailable("away"))
    rig.receiver.poll_desk()
    rig.work()
    rig.clock.advance(LATER)
    rig.booking.mend()
    rig.run()
    assert asked(rig) == [BOTH_REMOVED]
    assert state(rig, booking) == "booked"


def test_a_copy_of_somebody_else_s_visit_is_no_copy_of_this_one(rig: HandRig) -> None:
    other = rig.book("Mary", "Jones", "+447912000002", "Rex", hours=120)
    rig.run()
    visit = typed(rig, other, rig.mary)
    booking, _, copy = two(rig)
    cancel(rig, copy, visit)
    rig.run()
    assert asked(rig) == []
    assert (state(rig, booking), state(rig, other)) == ("booked", "cancelled")


# -- answers


def test_yes_the_booking_is_to_be_cancelled(rig: HandRig) -> None:
    booking, own, copy = two(rig)
    cancel(rig, own, copy)
    rig.run()
    answer(rig, Choice.PIMS)
    assert state(rig, booking) == "cancelled"
    assert lines(rig) == []
    assert asked(rig) == []


def test_no_it_is_to_be_typed_again(rig: HandRig) -> None:
    booking, own, copy = two(rig)
    cancel(rig, own, copy)
    rig.run()
    answer(rig, Choice.BOOKING)
    assert [task for task, _ in lines(rig)] == [worklist.BOOK]
    typed(rig, booking, rig.john, start=later(rig, booking, hours=1))
    rig.run()
    ((task, line),) = lines(rig)
    assert (task, set(line)) == (worklist.CHANGE, {"start", "found"})
    assert asked(rig) == []
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    assert not rig.booking.written


def test_both_sides_may_stay_as_they_are(rig: HandRig) -> None:
    booking, own, copy = two(rig)
    cancel(rig, own, copy)
    rig.run()
    answer(rig, Choice.KEEP)
    rig.hint(booking)
    rig.run()
    assert asked(rig) == []
    assert state(rig, booking) == "booked"
    assert lines(rig) == []


# -- while the question stands


def test_where_staff_restore_the_copy_nobody_needs_to_answer(rig: HandRig) -> None:
    booking, own, copy = two(rig)
    cancel(rig, own, copy)
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, copy, {"state": "booked"})
    rig.run()
    assert asked(rig) == []
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    assert state(rig, booking) == "booked"
    assert not rig.booking.written


def test_where_staff_restore_the_other_one_an_answer_does_no_harm(rig: HandRig) -> None:
    booking, own, copy = two(rig)
    cancel(rig, own, copy)
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, own, {"state": "booked"})
    rig.run()
    answer(rig, Choice.PIMS)
    assert asked(rig) == []
    assert lines(rig) == []
    assert state(rig, booking) == "booked"
    assert not rig.booking.written


def test_where_staff_type_it_again_nobody_needs_to_answer(rig: HandRig) -> None:
    booking, own, copy = two(rig)
    cancel(rig, own, copy)
    rig.run()
    anew = typed(rig, booking, rig.john)
    rig.run()
    assert asked(rig) == []
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    assert not rig.booking.written
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.run()
    with rig.ledger.read() as tx:
        assert [(row.task, row.remote_id) for row in worklist.lines(tx)] == [(worklist.CANCEL, anew)]


def test_another_visit_of_the_owner_is_the_desk_s_own_meanwhile(rig: HandRig) -> None:
    booking, own, copy = two(rig)
    cancel(rig, own, copy)
    rig.run()
    typed(rig, booking, rig.john, start=later(rig, booking, hours=5))
    rig.run()
    assert asked(rig) == [BOTH_REMOVED]
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 2
