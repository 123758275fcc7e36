"""What must not be lost, doubled, cancelled for nothing or said wrongly, on two sides in memory."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from tests.rig import Rig
from tests.unit.sync.test_both_ways import ambiguous, answer, booked, booking, desk, later, pet_of, quiet, visit
from tests.unit.sync.test_guards import LIMIT, purged, states
from vetbridge.core.answers import Choice
from vetbridge.core.errors import Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import changes, fuses, reviews
from vetbridge.ledger.tables import Lane
from vetbridge.sync.answering import given_answer
from vetbridge.sync.engine import Engine
from vetbridge.sync.pair import Timings


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("John", "Smith", "+447912000001", "Bella")
    made.owner("Mary", "Jones", "+447912000002", "Rex")
    return made


def with_fuse(rig: Rig, limit: int) -> None:
    rig.engine = Engine([replace(rig.pair, fuse=limit)], rig.ledger, rig.clock, rig.timings)


def answer_fuse(rig: Rig, choice: Choice) -> None:
    with rig.ledger.write() as tx:
        item = next(one for one in reviews.open_items(tx) if one.why == "fuse-blown")
        fuses.answer(tx, item, choice, "Kim")


# -- what an answer about two sides means ---------------------------------------------------------------------------


def kept_and_moved(rig: Rig) -> str:
    """Cancelled online and kept by a person; then the desk moves it once more."""
    id_ = booked(rig)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"start": later(rig, visit(rig), 30)})
    rig.run()
    answer(rig, rig.questions()[0].id, Choice.KEEP)
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"start": later(rig, visit(rig), 30)})
    rig.run()
    return id_


def test_what_was_kept_and_then_moved_is_asked_about_in_true_words_and_may_still_be_cancelled(rig: Rig) -> None:
    kept_and_moved(rig)
    (item,) = rig.questions()
    assert item.why == "cancelled-here-moved-there"
    answer(rig, item.id, Choice.BOOKING)
    rig.run()
    assert visit(rig)["state"] == "cancelled"
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    quiet(rig)


def test_what_was_kept_and_then_moved_may_be_booked_anew(rig: Rig) -> None:
    kept_and_moved(rig)
    answer(rig, rig.questions()[0].id, Choice.PIMS)
    rig.run()
    assert sorted(row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)) == ["booked", "cancelled"]
    quiet(rig)


@pytest.mark.parametrize(
    ("choice", "here", "there"),
    [
        (Choice.BOOKING, ["cancelled"], ["cancelled"]),
        (Choice.PIMS, ["booked", "cancelled"], ["booked"]),
        (Choice.KEEP, ["cancelled"], ["booked"]),
    ],
)
def test_a_visit_that_the_desk_reopens(rig: Rig, choice: Choice, here: list[str], there: list[str]) -> None:
    id_ = booked(rig)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"state": "booked"})
    rig.run()
    assert [item.why for item in rig.questions()] == ["reopened-there"]
    answer(rig, rig.questions()[0].id, choice)
    rig.run()
    assert sorted(row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)) == here
    assert sorted(row["state"] for row in rig.visits()) == there
    quiet(rig)


@pytest.mark.parametrize(
    ("choice", "here", "there"),
    [
        (Choice.BOOKING, ["booked"], ["booked", "cancelled"]),
        (Choice.PIMS, ["cancelled"], ["cancelled"]),
        (Choice.KEEP, ["booked"], ["cancelled"]),
    ],
)
def test_a_booking_that_is_reopened(rig: Rig, choice: Choice, here: list[str], there: list[str]) -> None:
    id_ = booked(rig)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "booked"})
    rig.run()
    assert [item.why for item in rig.questions()] == ["reopened-here"]
    answer(rig, rig.questions()[0].id, choice)
    rig.run()
    assert sorted(row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)) == here
    assert sorted(row["state"] for row in rig.visits()) == there
    quiet(rig)


# -- gone, or merely not shown --------------------------------------------------------------------------------------


def test_a_side_that_shows_nothing_cancels_nothing_not_even_the_only_visit(rig: Rig) -> None:
    id_ = booked(rig)
    (row,) = rig.visits()
    rig.pims.remove(Kind.APPOINTMENT, row["id"])
    rig.sweeper.sweep()
    rig.settle(limit=4000)
    assert booking(rig, id_)["state"] == "booked"
    assert ("review", "not-shown") in rig.endings()


@pytest.mark.parametrize("side", ["pims", "booking"])
def test_where_the_last_visits_vanish_together_a_person_says_whether_they_are_gone(rig: Rig, side: str) -> None:
    for _ in range(8):
        rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    here, there = (rig.pims, rig.booking) if side == "pims" else (rig.booking, rig.pims)
    for row in here.rows(Kind.APPOINTMENT)[3:]:
        here.remove(Kind.APPOINTMENT, row["id"])
    rig.sweeper.sweep()
    rig.settle(limit=7200)
    assert {row["state"] for row in there.rows(Kind.APPOINTMENT)} == {"booked"}
    assert [one.why for one in rig.questions()] == ["not-shown"] * 5
    for one in rig.questions():
        answer(rig, one.id, Choice.PIMS if side == "pims" else Choice.BOOKING)
    rig.settle()
    assert sorted(row["state"] for row in there.rows(Kind.APPOINTMENT)) == ["booked"] * 3 + ["cancelled"] * 5


def test_a_visit_that_is_shown_again_needs_nobody(rig: Rig) -> None:
    for _ in range(4):
        rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.pims.hide([row["id"] for row in rig.visits()[2:]])
    rig.sweeper.sweep()
    rig.settle(limit=7200)
    assert [one.why for one in rig.questions()] == ["not-shown"] * 2
    rig.pims.hide(())
    for row in rig.booking.rows(Kind.APPOINTMENT):
        rig.hint(row["id"])
    rig.settle()
    assert rig.questions() == ()
    assert {row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)} == {"booked"}


def test_a_visit_that_nobody_shows_may_be_written_anew(rig: Rig) -> None:
    for _ in range(4):
        rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    for row in rig.visits()[2:]:
        rig.pims.remove(Kind.APPOINTMENT, row["id"])
    rig.sweeper.sweep()
    rig.settle(limit=7200)
    for one in rig.questions():
        answer(rig, one.id, Choice.BOOKING)
    rig.settle()
    assert [row["state"] for row in rig.visits()] == ["booked"] * 4
    assert rig.questions() == ()


def test_what_the_fuse_held_back_is_not_gone_after_one_miss(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.book("Mary", "Jones", "+447912000002", "Rex")
    rig.run()
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    row = rig.visits()[-1]
    rig.pims.edit(Kind.APPOINTMENT, row["id"], {"start": later(rig, row, 5)})
    with_fuse(rig, 0)
    rig.run()
    answer_fuse(rig, Choice.ALLOW)
    get = rig.pims.get
    with monkeypatch.context() as blind:
        blind.setattr(rig.pims, "get", lambda kind, id: None if id == row["id"] else get(kind, id))  # noqa: A006
        rig.work()
    assert booking(rig, id_)["state"] == "booked"
    rig.settle()
    assert booking(rig, id_)["start"][:16] == rig.visits()[-1]["start"][:16]


# -- the fuse -------------------------------------------------------------------------------------------------------


def test_keep_at_the_fuse_leaves_the_question_whose_a_parked_visit_is(rig: Rig) -> None:
    id_ = ambiguous(rig)
    with_fuse(rig, 0)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": later(rig, booking(rig, id_), 5)})
    rig.run()
    answer_fuse(rig, Choice.KEEP)
    rig.run()
    (item,) = rig.questions()
    assert item.why == "names-differ"
    with rig.ledger.read() as tx:
        assert reviews.question(tx, item)["candidates"]


def test_keep_at_the_fuse_does_not_open_the_way_for_as_many_again(rig: Rig) -> None:
    purged(rig, LIMIT + 5)
    answer_fuse(rig, Choice.KEEP)
    ann = rig.pims.rows(Kind.CLIENT)[-1]["id"]
    more = [desk(rig, ann, pet_of(rig, ann), hours=500 + n) for n in range(10)]
    rig.run()
    for id_ in more:
        rig.pims.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()
    assert states(rig).count("cancelled") == LIMIT
    assert [item.why for item in rig.questions()] == ["fuse-blown"]


def test_a_move_beside_another_visit_that_a_person_wants_is_not_held_back(rig: Rig) -> None:
    id_ = booked(rig)
    desk(rig, rig.pims.rows(Kind.CLIENT)[2]["id"], None, hours=60)
    rig.run()
    there = (rig.clock.now() + timedelta(hours=60)).isoformat()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": there})
    rig.run()
    assert [item.why for item in rig.questions()] == ["slot-taken"]
    with_fuse(rig, 0)
    answer(rig, rig.questions()[0].id, Choice.AGAIN)
    rig.run()
    assert [row["start"][:16] for row in rig.visits()] == [there[:16]] * 2


# -- expiry ---------------------------------------------------------------------------------------------------------


def test_what_was_moved_ahead_while_it_waited_does_not_expire_at_its_old_time(rig: Rig) -> None:
    rig.refresher.pass_()
    id_ = rig.book("John", "Smith", "+447912000001", "Bella", hours=1)
    rig.receiver.poll()
    rig.pims.fail(Unavailable("no connection"))
    rig.work()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": (rig.clock.now() + timedelta(hours=30)).isoformat()})
    rig.receiver.poll()
    rig.clock.advance(3700)
    with rig.ledger.write() as tx:
        assert changes.expire(tx) == 0
    rig.pims.mend()
    rig.settle()
    rig.run()
    assert len(rig.visits()) == 1


def test_what_is_being_worked_on_does_not_expire_under_its_worker(rig: Rig) -> None:
    rig.timings = Timings(lease=5000.0)
    expired: list[int] = []

    def at(point: str) -> None:
        if point == "read":
            rig.clock.advance(3700)
            with rig.ledger.write() as tx:
                expired.append(changes.expire(tx))

    rig.ledger.close()
    rig.start(point=at)
    rig.book("John", "Smith", "+447912000001", "Bella", hours=1)
    rig.run()
    assert expired[0] == 0
    assert rig.endings() == [("failed", "expired")]
    with rig.ledger.read() as tx:
        assert all(lane.until is None for lane in tx.session.exec(select(Lane)))


# -- two workers ----------------------------------------------------------------------------------------------------


def test_a_booking_that_a_desk_visit_just_made_is_not_carried_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own job reads it while the link is not there yet, and the link comes before it looks for the maker."""
    ann = rig.owner("Ann", "Weiss", "+447912000009", "Luna")
    rig.run()
    desk(rig, ann)  # with a pet the lane of its client's card would be held as well
    rig.receiver.poll_desk()
    made, settle = threading.Event(), threading.Event()

    def at(point: str) -> None:
        if point == "sent" and rig.booking.rows(Kind.APPOINTMENT):
            made.set()
            assert settle.wait(20)

    maker = Engine([rig.pair], rig.ledger, rig.clock, rig.timings, point=at)
    worker = threading.Thread(target=maker.work, args=("maker",))
    worker.start()
    assert made.wait(20)
    rig.receiver.poll()
    look = given_answer

    def late(*given: object) -> object:
        if not settle.is_set():
            settle.set()
            worker.join(20)
        return look(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("vetbridge.sync.appointments.given_answer", late)
    rig.work()
    settle.set()
    worker.join(20)
    rig.settle()
    assert rig.questions() == ()
    assert len(rig.visits()) == 1
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
