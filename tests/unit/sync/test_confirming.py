"""Confirmations and missed visits: what one side says of a visit reaches the other, and who is believed."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.rig import Rig
from vetbridge.config.models import Watch
from vetbridge.core.answers import NO_SHOW_AHEAD, Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.rounds import Rounds
from vetbridge.ledger import reviews


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("John", "Smith", "+447912000001", "Bella")
    made.owner("Mary", "Jones", "+447912000002", "Rex")
    return made


def booked(rig: Rig, hours: float = 48) -> str:
    id_ = rig.book("John", "Smith", "+447912000001", "Bella", hours=hours)
    rig.run()
    return id_


def visit(rig: Rig) -> dict[str, Any]:
    (only,) = rig.visits()
    return only


def states(rig: Rig, id_: str) -> tuple[str, str]:
    """Where a visit stands at the booking side, and in the PIMS."""
    row = rig.booking.row(Kind.APPOINTMENT, id_)
    assert row is not None
    return row["state"], visit(rig)["state"]


def online(rig: Rig, id_: str, state: str) -> None:
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": state})
    rig.run()


def at_desk(rig: Rig, state: str) -> None:
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"state": state})
    rig.run()


def answer(rig: Rig, choice: Choice) -> None:
    with rig.ledger.write() as tx:
        (item,) = reviews.open_items(tx)
        reviews.answer(tx, item, Answer(choice=choice), "Kim")
    rig.run()


def quiet(rig: Rig) -> None:
    """Nothing more is written, however often both sides are read."""
    written = len(rig.booking.written) + len(rig.pims.written)
    rig.run()
    rig.sweeper.sweep()
    rig.run()
    assert len(rig.booking.written) + len(rig.pims.written) == written


def test_an_owners_confirmation_reaches_the_pims(rig: Rig) -> None:
    id_ = booked(rig)
    online(rig, id_, "confirmed")
    assert states(rig, id_) == ("confirmed", "confirmed")
    assert ("done", "updated") in rig.endings()
    quiet(rig)


def test_a_confirmation_of_the_practice_reaches_the_booking_side(rig: Rig) -> None:
    id_ = booked(rig)
    at_desk(rig, "confirmed")
    assert states(rig, id_) == ("confirmed", "confirmed")
    quiet(rig)


def test_a_confirmation_that_is_taken_back_is_taken_back_there(rig: Rig) -> None:
    id_ = booked(rig)
    online(rig, id_, "confirmed")
    online(rig, id_, "booked")
    assert states(rig, id_) == ("booked", "booked")


@pytest.mark.parametrize("begun", ["here", "missed"])
def test_a_late_confirmation_takes_nothing_back_that_the_practice_saw(rig: Rig, begun: str) -> None:
    id_ = booked(rig)
    at_desk(rig, begun)
    online(rig, id_, "confirmed")
    assert states(rig, id_) == (begun, begun)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"state": "booked"})
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"state": begun})
    online(rig, id_, "confirmed")  # both at once
    assert states(rig, id_) == (begun, begun)
    assert rig.questions() == ()
    quiet(rig)


def test_a_confirmation_of_a_visit_that_the_desk_has_cancelled_is_asked_about(rig: Rig) -> None:
    """The owner means to come: nobody cancels the booking as if she had not said so."""
    id_ = booked(rig)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"state": "cancelled"})
    online(rig, id_, "confirmed")
    assert [item.why for item in rig.questions()] == ["changed-here-cancelled-there"]
    assert states(rig, id_) == ("confirmed", "cancelled")
    answer(rig, Choice.PIMS)
    assert states(rig, id_) == ("cancelled", "cancelled")
    quiet(rig)


def test_confirmations_are_no_moves_and_blow_no_fuse(tmp_path: Path) -> None:
    rig = Rig(tmp_path, fuse=1)
    rig.owner("John", "Smith", "+447912000001", "Bella")
    ids = [rig.book("John", "Smith", "+447912000001", "Bella") for _ in range(3)]
    rig.run()
    for id_ in ids:
        rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "confirmed"})
    rig.run()
    assert [each["state"] for each in rig.visits()] == ["confirmed"] * 3
    assert rig.questions() == ()


def test_a_visit_that_was_missed_is_missed_in_the_pims(rig: Rig) -> None:
    id_ = booked(rig, hours=2)
    rig.clock.advance(3 * 3600)
    online(rig, id_, "missed")
    assert states(rig, id_) == ("missed", "missed")
    assert rig.questions() == ()
    quiet(rig)


def test_the_practice_is_believed_that_an_owner_came_and_that_is_said(rig: Rig) -> None:
    id_ = booked(rig, hours=2)
    rig.clock.advance(3 * 3600)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"state": "done"})
    online(rig, id_, "missed")
    assert states(rig, id_) == ("done", "done")
    assert ("done", "pims-says") in rig.endings()
    assert rig.questions() == ()
    quiet(rig)


# -- marked as missed before the visit begins ------------------------------------------------------------------------


def test_a_visit_that_is_ahead_cannot_have_been_missed_so_a_person_is_asked(rig: Rig) -> None:
    id_ = booked(rig)
    online(rig, id_, "missed")
    assert [item.why for item in rig.questions()] == [NO_SHOW_AHEAD]
    assert states(rig, id_) == ("missed", "booked")
    quiet(rig)


def test_many_marks_at_once_cancel_nothing(rig: Rig) -> None:
    ids = [rig.book("John", "Smith", "+447912000001", "Bella") for _ in range(3)]
    rig.run()
    for id_ in ids:
        rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "missed"})
    rig.run()
    assert [each["state"] for each in rig.visits()] == ["booked"] * 3
    assert len(rig.questions()) == 3


def test_a_mark_that_is_taken_back_leaves_no_question(rig: Rig) -> None:
    id_ = booked(rig)
    online(rig, id_, "missed")
    written = len(rig.pims.written)
    online(rig, id_, "booked")
    assert rig.questions() == ()
    assert states(rig, id_) == ("booked", "booked")
    assert len(rig.pims.written) == written


def test_the_booking_is_right_the_owner_is_not_coming(rig: Rig) -> None:
    id_ = booked(rig)
    online(rig, id_, "missed")
    answer(rig, Choice.BOOKING)
    assert states(rig, id_) == ("missed", "cancelled")
    assert visit(rig)["cancelled"] == {"by": "client", "reason": "Marked online as not coming."}
    assert rig.questions() == ()
    quiet(rig)
    rig.clock.advance(72 * 3600)
    quiet(rig)
    assert rig.questions() == ()


def test_the_pims_is_right_and_the_mark_is_taken_off(rig: Rig) -> None:
    id_ = booked(rig)
    online(rig, id_, "missed")
    answer(rig, Choice.PIMS)
    assert states(rig, id_) == ("booked", "booked")
    quiet(rig)


def test_who_said_that_both_stay_is_not_asked_again(rig: Rig) -> None:
    id_ = booked(rig)
    online(rig, id_, "missed")
    answer(rig, Choice.KEEP)
    assert states(rig, id_) == ("missed", "booked")
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"who": "v2"})
    rig.run()
    assert rig.questions() == ()


def test_what_the_practice_says_meanwhile_answers_the_question(rig: Rig) -> None:
    id_ = booked(rig)
    online(rig, id_, "missed")
    at_desk(rig, "done")
    assert states(rig, id_) == ("done", "done")
    assert rig.questions() == ()
    assert ("done", "pims-says") in rig.endings()


def test_once_the_visit_has_begun_the_mark_is_what_it_says(rig: Rig) -> None:
    id_ = booked(rig, hours=2)
    online(rig, id_, "missed")
    loaded = SimpleNamespace(config=SimpleNamespace(accounts={}, watch=Watch()))
    parts: dict[str, Any] = {"loaded": loaded, "ledger": rig.ledger, "engine": rig.engine, "clock": rig.clock}
    program = SimpleNamespace(**parts, pairs=[rig.pair], connectors={})
    rounds = Rounds(cast(Program, program))
    for _ in range(2):
        assert rounds.expire() == 0
        rig.settle()
        assert [item.why for item in rig.questions()] == [NO_SHOW_AHEAD]
    rig.clock.advance(3 * 3600)
    rounds.expire()
    rig.settle()
    assert states(rig, id_) == ("missed", "missed")
    assert rig.questions() == ()
    ended = len(rig.endings())
    rounds.expire()
    rig.settle()
    assert len(rig.endings()) == ended


def test_a_visit_that_was_put_off_in_the_pims_is_still_ahead(rig: Rig) -> None:
    id_ = booked(rig, hours=2)
    rig.clock.advance(3 * 3600)
    moved = datetime.fromisoformat(visit(rig)["start"]) + timedelta(days=2)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"start": moved.isoformat()})
    online(rig, id_, "missed")
    assert [item.why for item in rig.questions()] == [NO_SHOW_AHEAD]


def test_a_mark_of_the_practice_is_no_question(rig: Rig) -> None:
    id_ = booked(rig)
    at_desk(rig, "missed")
    assert states(rig, id_) == ("missed", "missed")
    at_desk(rig, "booked")
    assert states(rig, id_) == ("booked", "booked")
    assert rig.questions() == ()


def test_what_was_marked_before_it_was_carried_over_is_carried_once_that_is_taken_back(rig: Rig) -> None:
    id_ = rig.book("John", "Smith", "+447912000001", "Bella", state="missed")
    rig.run()
    assert rig.visits() == []
    assert rig.endings() == [("skipped", "missed-before-written")]
    online(rig, id_, "booked")
    assert states(rig, id_) == ("booked", "booked")
