"""What a stranger would doubt about the engine: late landings, late workers, lost questions, waits without an end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import select

from tests.rig import Killed, Rig
from vetbridge.connector.interface import Operation, Receipt, Write
from vetbridge.core.errors import (
    BadAnswer,
    LedgerError,
    OutcomeUnknown,
    RateLimited,
    Refused,
    SlotTaken,
    Unavailable,
    VetBridgeError,
)
from vetbridge.core.records import Kind
from vetbridge.daemon.dispatcher import Dispatcher
from vetbridge.ledger import accounts, changes, reviews
from vetbridge.ledger.tables import Attempt, Reservation
from vetbridge.sync.engine import Engine


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(tmp_path)
    rig.refresher.pass_()
    return rig


def newcomer(rig: Rig, **more: Any) -> str:
    """A booking of somebody whom the PIMS does not know, received and not worked on."""
    id_ = rig.book("Zoe", "Newcomer", "+447912000009", "Rex", **more)
    rig.receiver.poll()
    return id_


def known(rig: Rig, **more: Any) -> str:
    """A booking of somebody whom the PIMS knows, written."""
    rig.owner("John", "Smith", "+447912000001", "Bella")
    id_ = rig.book("John", "Smith", "+447912000001", "Bella", **more)
    rig.run()
    assert rig.endings() == [("done", "matched")]
    return id_


class LateSide:
    """Lets the next write of one operation hang: its answer is lost, and it lands when ``land`` is called."""

    def __init__(self, rig: Rig, operation: Operation, kind: Kind, *, hangs: float = 0.0) -> None:
        self._rig, self._wanted, self._hangs = rig, (operation, kind), hangs
        self._apply: Callable[[Write], Receipt] = rig.pims.apply
        self._late: Write | None = None
        self.sent = 0
        rig.pims.apply = self.apply  # type: ignore[method-assign]

    def apply(self, write: Write) -> Receipt:
        if (write.operation, write.kind) != self._wanted:
            return self._apply(write)
        self.sent += 1
        if self._late is not None:
            return self._apply(write)
        self._late = write
        self._rig.clock.advance(self._hangs)
        raise OutcomeUnknown("no answer came")

    def land(self) -> None:
        assert self._late is not None
        self._apply(self._late)


# -- lost answers -------------------------------------------------------------------------------------------------


def test_a_move_that_lands_late_never_beats_a_newer_one(rig: Rig) -> None:
    id_ = known(rig)
    late = LateSide(rig, Operation.UPDATE, Kind.APPOINTMENT)
    first, second = ((rig.clock.now() + timedelta(hours=hours)).isoformat() for hours in (72, 96))
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": first})
    rig.hint(id_)
    rig.work()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": second})
    rig.hint(id_)
    rig.work()
    rig.clock.advance(rig.timeout - 1)
    rig.work()
    late.land()
    rig.settle()

    (visit,) = rig.visits()
    assert visit["start"] == second


def test_a_change_of_our_own_whose_answer_was_lost_is_no_change_by_staff(rig: Rig) -> None:
    id_ = known(rig, notes="one")
    rig.booking.edit(Kind.APPOINTMENT, id_, {"notes": "two"})
    rig.hint(id_)
    rig.pims.lose_answers(done=True)
    rig.work()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.hint(id_)
    rig.settle()

    assert rig.endings()[-1] == ("done", "cancelled")
    assert [visit["state"] for visit in rig.visits()] == ["cancelled"]


def test_the_settle_time_counts_from_the_lost_answer_not_from_the_intention(rig: Rig) -> None:
    """Inside an attempt budgets are waited for and refused connections tried again: it may be sent much later."""
    newcomer(rig)
    late = LateSide(rig, Operation.CREATE, Kind.APPOINTMENT, hangs=3 * rig.timeout)
    rig.work()
    rig.clock.advance(rig.timeout - 1)
    rig.work()
    late.land()
    rig.settle()

    assert late.sent == 1
    assert len(rig.visits()) == 1


def test_after_a_crash_the_settle_time_counts_from_the_restart(rig: Rig) -> None:
    newcomer(rig)
    late = LateSide(rig, Operation.CREATE, Kind.APPOINTMENT)

    def apply(write: Write) -> Receipt:
        try:
            return late.apply(write)
        except OutcomeUnknown:
            rig.clock.advance(3 * rig.timeout)  # it waited in the budget, was sent, and the power went
            raise Killed from None

    rig.pims.apply = apply  # type: ignore[method-assign]
    with pytest.raises(Killed):
        rig.work()
    rig.start()
    rig.work()
    rig.clock.advance(rig.timeout - 1)
    rig.work()
    late.land()
    rig.settle()

    assert late.sent == 1
    assert len(rig.visits()) == 1


def test_a_client_whose_answer_was_lost_is_found_by_the_look_itself(rig: Rig) -> None:
    newcomer(rig)
    rig.pims.lose_answers(done=True)
    rig.settle()

    with rig.ledger.read() as tx:
        codes = [attempt.code for attempt in tx.session.exec(select(Attempt))]
    assert "looked-and-not-found" not in codes
    assert [state for state, _ in rig.endings()] == ["done"]


# -- workers that come late ---------------------------------------------------------------------------------------


def test_a_write_begins_with_a_whole_lease(rig: Rig) -> None:
    newcomer(rig)
    seen: list[bool] = []

    def at(point: str) -> None:
        if point == "answered" and not seen:
            rig.clock.advance(rig.timings.lease - 1)  # slow reads after the first write
            seen.append(False)
        elif point == "intended" and seen:
            rig.clock.advance(60)  # the next write hangs
            other = Engine([rig.pair], rig.ledger, rig.clock, rig.timings)
            seen.append(other.work("other"))

    rig.start(point=at)
    rig.work()
    assert len(seen) > 1
    assert not any(seen)
    assert rig.endings() == [("done", "created")]


@pytest.mark.parametrize("error", [Unavailable("slow"), BadAnswer("?"), SlotTaken("no"), Refused("no")])
def test_a_worker_that_comes_too_late_changes_nothing(rig: Rig, error: VetBridgeError) -> None:
    id_ = known(rig)
    error.account = "pims"
    taken = [False]

    def at(point: str) -> None:
        if point == "read" and not taken[0]:
            taken[0] = True
            rig.clock.advance(rig.timings.lease + 1)
            Engine([rig.pair], rig.ledger, rig.clock, rig.timings).work("other")
            raise error

    rig.start(point=at)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"notes": "two"})
    rig.hint(id_)
    rig.work()

    assert rig.endings()[-1] == ("done", "updated")
    assert rig.questions() == ()


def test_nobody_looks_again_and_again_at_a_lane_that_is_held(rig: Rig) -> None:
    id_ = newcomer(rig)
    with rig.ledger.write() as tx:
        lease = changes.lease_lane(
            tx, changes.own_lane("booking", Kind.APPOINTMENT, id_), worker="hanging", lease=timedelta(seconds=200)
        )
    assert lease is not None
    assert rig.engine.idle_for() == pytest.approx(200, abs=1)
    with rig.ledger.write() as tx:
        changes.release(tx, lease)
    assert rig.engine.idle_for() == 0


def test_the_ledger_being_busy_is_no_end_of_a_change_nor_of_a_worker(rig: Rig) -> None:
    newcomer(rig)
    broken = threading.Event()

    def at(point: str) -> None:
        if point == "read" and not broken.is_set():
            broken.set()
            with rig.ledger.write():
                raise sa.exc.OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))

    rig.start(point=at)
    with pytest.raises(LedgerError, match="database is locked"):
        rig.work()
    assert rig.endings() == [("received", "")]
    rig.settle()
    assert rig.endings() == [("done", "created")]


@pytest.mark.parametrize("falls", ["idle_for", "work"])
def test_a_worker_survives_what_nobody_foresaw(falls: str) -> None:
    calls = threading.Semaphore(0)

    class Falling:
        def idle_for(self) -> float:
            return self._called("idle_for") or 0.0

        def work(self, worker: str, *, stopping: Callable[[], bool]) -> bool:
            return bool(self._called("work"))

        def _called(self, name: str) -> None:
            if name == falls:
                calls.release()
                raise RuntimeError("a bug")

    dispatcher = Dispatcher(Falling(), 1)  # type: ignore[arg-type]
    dispatcher.start()
    try:
        assert all(calls.acquire(timeout=10) for _ in range(2))
    finally:
        assert dispatcher.stop(10)


# -- waits that must end ------------------------------------------------------------------------------------------


def test_a_site_that_got_another_name_goes_on_with_its_work(rig: Rig) -> None:
    newcomer(rig)
    engine = Engine([replace(rig.pair, site="city")], rig.ledger, rig.clock, rig.timings)
    assert not engine.work("test")
    with rig.ledger.write() as tx:
        changes.rename_sites(tx, {"booking": "city"})
    assert engine.work("test")
    assert rig.endings() == [("done", "created")]


def test_a_site_that_is_no_longer_served_keeps_no_worker_busy(rig: Rig) -> None:
    newcomer(rig)
    elsewhere = replace(
        rig.pair,
        site="city",
        booking=replace(rig.pair.booking, account="b"),
        pims=replace(rig.pair.pims, account="p"),
    )
    engine = Engine([elsewhere], rig.ledger, rig.clock, rig.timings)
    assert not engine.work("test")
    assert engine.idle_for() > 3600


def test_one_bad_answer_after_other_waits_is_asked_for_again(rig: Rig) -> None:
    newcomer(rig)
    rig.pims.fail(RateLimited("slow down", wait=20, budget="all"), times=6)
    for _ in range(6):
        rig.work()
        rig.clock.advance(21)
    rig.pims.fail(BadAnswer("?"), times=1)
    rig.settle()
    assert rig.endings() == [("done", "created")]


def test_repeated_hints_do_not_use_up_the_tries(rig: Rig) -> None:
    id_ = newcomer(rig)
    rig.pims.fail(BadAnswer("a page of maintenance"))
    for _ in range(20):
        rig.hint(id_)
        rig.work()
    rig.pims.mend()
    rig.settle()
    assert rig.endings() == [("done", "created")]


def test_what_waits_without_a_write_keeps_nobody_else_waiting(rig: Rig) -> None:
    newcomer(rig, owner="card one")
    rig.pims.fail(RateLimited("slow down", wait=900, budget="all"), times=1)
    rig.work()
    with rig.ledger.read() as tx:
        assert tx.session.exec(select(Reservation)).all() == []
    newcomer(rig, owner="card two", hours=50)
    rig.work()
    assert sorted(rig.endings()) == [("done", "created"), ("waiting", "rate-limited")]

    rig.settle()
    assert len(rig.pims.rows(Kind.CLIENT)) == 2


def test_what_may_have_been_written_keeps_its_reservation(rig: Rig) -> None:
    newcomer(rig, owner="card one")
    LateSide(rig, Operation.CREATE, Kind.CLIENT)
    rig.work()
    newcomer(rig, owner="card two", hours=50)
    rig.work()
    assert sorted(rig.endings()) == [("waiting", "contact-reserved"), ("waiting", "outcome-unknown")]
    rig.settle()
    assert len(rig.pims.rows(Kind.CLIENT)) == 2
    assert len(rig.visits()) == 2


def test_a_witness_that_is_gone_itself_does_not_hold_up_a_cancellation(rig: Rig) -> None:
    ids = []
    for number in range(3):
        rig.owner("John", "Smith", f"+44791200000{number}", "Bella")
        ids.append(rig.book("John", "Smith", f"+44791200000{number}", "Bella", hours=48 + number))
    rig.run()
    rig.booking.remove(Kind.APPOINTMENT, ids[2])  # nobody told us
    rig.booking.remove(Kind.APPOINTMENT, ids[0])
    rig.hint(ids[0])
    rig.settle(limit=1000)
    assert rig.endings()[-1] == ("done", "cancelled")


# -- facts --------------------------------------------------------------------------------------------------------


def test_who_was_entered_anew_since_the_mirror_was_read_is_not_made_a_third_time(rig: Rig) -> None:
    old = rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.refresher.pass_()
    rig.pims.remove(Kind.CLIENT, old)
    new = rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.book("John", "Smith", "+447912000001", "Bella")
    rig.receiver.poll()
    rig.settle()

    assert [visit["owner"] for visit in rig.visits()] == [new]


def test_a_visit_of_the_past_is_not_cancelled_because_its_booking_vanished(rig: Rig) -> None:
    id_ = known(rig, hours=2)
    rig.owner("Mary", "Jones", "+447912000002", "Rex")
    rig.book("Mary", "Jones", "+447912000002", "Rex")
    rig.run()
    rig.clock.advance(24 * 3600)
    rig.booking.remove(Kind.APPOINTMENT, id_)
    rig.hint(id_)
    rig.settle()

    assert rig.endings()[-1] == ("skipped", "gone-after-visit")
    assert [visit["state"] for visit in rig.visits()] == ["booked", "booked"]


def test_a_refused_booking_that_a_poll_lists_again_is_not_sent_again(rig: Rig) -> None:
    known(rig)
    rig.book("John", "Smith", "+447912000001", "Bella", hours=60)
    rig.pims.fail(Refused("no"))
    rig.receiver.poll()
    rig.settle()
    assert rig.endings()[-1] == ("failed", "refused")
    with rig.ledger.write() as tx:  # as Altegio's polls list again the span by which they overlap
        accounts.move_cursor(tx, "booking", Kind.APPOINTMENT, "0")
    assert rig.receiver.poll() == 0
    assert rig.endings()[-1] == ("failed", "refused")


# -- questions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edit", [{"notes": "please"}, {"state": "cancelled"}])
def test_a_taken_slot_is_no_question_any_more_once_the_booking_went_elsewhere(rig: Rig, edit: dict[str, str]) -> None:
    id_ = newcomer(rig)
    rig.pims.fail(SlotTaken("no"), times=5)
    rig.work()
    assert [item.why for item in rig.questions()] == ["slot-taken"]
    rig.pims.mend()
    rig.booking.edit(Kind.APPOINTMENT, id_, edit)
    rig.run()
    assert rig.endings()[-1][0] in ("done", "skipped")
    assert rig.questions() == ()


def test_a_parked_visit_keeps_its_question_when_it_is_moved(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    id_ = rig.book("Eva", "Novak", "+447912000001", "Rex")
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": (rig.clock.now() + timedelta(hours=90)).isoformat()})
    rig.run()
    assert rig.endings()[-1] == ("done", "updated")
    assert [item.why for item in rig.questions()] == ["names-differ"]


def test_a_second_question_about_a_parked_visit_keeps_the_candidates(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    id_ = rig.book("Eva", "Novak", "+447912000001", "Rex")
    rig.run()
    (visit,) = rig.visits()
    rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"state": "here"})
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()

    (item,) = rig.questions()
    assert item.why == "cancelled-here-begun-there"
    with rig.ledger.read() as tx:
        assert reviews.question(tx, item)["candidates"]


# -- what the PIMS does not show, and a mirror that is not read yet -----------------------------------------------


@pytest.mark.parametrize("edit", [{"state": "cancelled"}, {"start": "2026-03-20T10:00:00+00:00"}])
def test_a_visit_that_the_pims_does_not_show_once_is_asked_for_again(
    rig: Rig, edit: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = known(rig)
    rig.booking.edit(Kind.APPOINTMENT, id_, edit)
    rig.hint(id_)
    with monkeypatch.context() as blind:
        blind.setattr(rig.pims, "get", lambda _kind, _id: None)
        rig.work()
    rig.settle()

    (visit,) = rig.visits()
    assert {**visit, **edit} == visit


def test_a_visit_that_is_gone_from_the_pims_counts_as_gone_the_second_time(rig: Rig) -> None:
    id_ = known(rig)
    (visit,) = rig.visits()
    rig.pims.remove(Kind.APPOINTMENT, visit["id"])
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()
    assert rig.endings()[-1] == ("done", "agreed")


def test_waiting_for_the_mirror_costs_few_reads_and_ends_with_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for number in range(10):
        rig.book("Zoe", "Newcomer", f"+4479120000{number:02}", "Rex")
    rig.receiver.poll()
    rig.settle(limit=59)
    assert {code for _, code in rig.endings()} == {"mirror-incomplete"}
    assert rig.booking.calls["get"] == 10

    rig.refresher.pass_()
    rig.work()
    assert "mirror-incomplete" not in {code for _, code in rig.endings()}
