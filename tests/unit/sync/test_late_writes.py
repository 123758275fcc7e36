"""A worker that stood still while it sent a write: what came too late is found, asked about, and never doubled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rig import Killed, Rig
from tests.stepping import Stepper
from tests.unit.sync.test_both_ways import answer
from vetbridge.connector.interface import Receipt, Write
from vetbridge.core.answers import Choice
from vetbridge.core.records import Kind
from vetbridge.testing.memory import MemorySide


class Town:
    """A rig whose workers can be made to stand still while a write is on its way to the PIMS."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rig = Rig(folder)
        self.rig.owner("John", "Smith", "+447912000001", "Bella")
        self.stepper = Stepper()
        real = MemorySide.apply

        def slow(side: MemorySide, write: Write) -> Receipt:
            if side is self.rig.pims:
                self.stepper.point("sending")
            return real(side, write)

        monkeypatch.setattr(MemorySide, "apply", slow)

    def stand_still(self) -> Any:
        """A worker begins what is due, and stands where its write is under way; its lease runs out."""
        worker = self.stepper.start("slow", self.rig.work)
        assert worker.at == "sending"
        self.rig.clock.advance(self.rig.timings.lease + 1)
        return worker

    def refresh(self) -> None:
        """Both sides are listed."""
        self.rig.refresher.pass_()
        self.rig.receiver.poll_desk()
        self.rig.receiver.poll()


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    return Town(tmp_path, monkeypatch)


def doubled(town: Town) -> str:
    """A booking that was written twice: by a worker that stood still, and by the one that took its work over."""
    town.refresh()
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella")
    town.rig.receiver.poll()
    worker = town.stand_still()
    town.rig.settle()
    assert len(town.rig.visits()) == 1, "the one who took over looked in vain, and wrote"
    worker.go_on()
    assert worker.over
    assert len(town.rig.visits()) == 2
    return booking


def test_a_visit_that_was_written_twice_is_asked_about(town: Town) -> None:
    doubled(town)
    town.rig.settle()
    (item,) = town.rig.questions()
    assert item.why == "found-twice"
    town.refresh()
    town.rig.settle()
    assert len(town.rig.booking.rows(Kind.APPOINTMENT)) == 1, "the second visit is nobody's new booking"
    assert len(town.rig.questions()) == 1


@pytest.mark.parametrize("removed", [0, 1])
def test_whichever_of_the_two_is_removed_the_other_one_goes_on(town: Town, removed: int) -> None:
    booking = doubled(town)
    town.rig.settle()
    gone, stays = (town.rig.visits()[index]["id"] for index in (removed, 1 - removed))
    town.rig.pims.remove(Kind.APPOINTMENT, gone)
    answer(town.rig, town.rig.questions()[0].id, Choice.AGAIN)
    town.refresh()
    town.rig.settle()
    assert town.rig.questions() == ()
    moved = town.rig.clock.now().replace(year=2027).isoformat()
    town.rig.booking.edit(Kind.APPOINTMENT, booking, {"start": moved})
    town.refresh()
    town.rig.settle()
    (visit,) = town.rig.visits()
    assert (visit["id"], visit["start"][:16], visit["state"]) == (stays, moved[:16], "booked")
    assert town.rig.booking.row(Kind.APPOINTMENT, booking)["state"] == "booked"  # type: ignore[index]


def test_both_may_be_meant_to_stand(town: Town) -> None:
    doubled(town)
    town.rig.settle()
    answer(town.rig, town.rig.questions()[0].id, Choice.KEEP)
    town.refresh()
    town.rig.settle()
    assert {one.why for one in town.rig.questions()} <= {"copied"}
    assert len(town.rig.visits()) == 2
    assert len(town.rig.booking.rows(Kind.APPOINTMENT)) == 1


def test_a_write_whose_worker_died_right_after_it_is_noticed_by_the_next_listing(town: Town) -> None:
    town.refresh()
    town.rig.book("John", "Smith", "+447912000001", "Bella")
    town.rig.receiver.poll()
    worker = town.stand_still()
    town.rig.settle()
    written = len(town.rig.pims.written)
    town.rig.engine._workers["town"].bookings._to_pims._point = _die_at("sent")
    worker.go_on()
    assert worker.over
    assert len(town.rig.pims.written) == written + 1
    town.rig.ledger.close()
    town.rig.start()
    town.refresh()
    town.rig.settle()
    assert [item.why for item in town.rig.questions()] == ["found-twice"]
    assert len(town.rig.booking.rows(Kind.APPOINTMENT)) == 1


def test_a_visit_that_lands_after_its_booking_was_cancelled_is_cancelled_too(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.refresh()
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella")
    town.rig.receiver.poll()
    worker = town.stand_still()
    town.rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    town.refresh()
    town.rig.settle()
    assert town.rig.visits() == []
    worker.go_on()
    town.refresh()
    town.rig.settle()
    (visit,) = town.rig.visits()
    assert visit["state"] == "cancelled"
    assert town.rig.questions() == ()
    assert len(town.rig.booking.rows(Kind.APPOINTMENT)) == 1


def test_an_update_that_comes_too_late_does_not_stay(town: Town) -> None:
    rig = town.rig
    town.refresh()
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.receiver.poll()
    town.stepper.start("first", rig.work)
    town.stepper.finish()
    old, new = rig.clock.now().replace(year=2027), rig.clock.now().replace(year=2028)
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": old.isoformat()})
    rig.receiver.poll()
    worker = town.stand_still()
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": new.isoformat()})
    rig.receiver.poll()
    rig.settle()
    assert rig.visits()[0]["start"][:4] == "2028"
    worker.go_on()
    assert rig.visits()[0]["start"][:4] == "2027", "the late one has overwritten it"
    rig.settle()
    assert rig.visits()[0]["start"][:4] == "2028"
    assert rig.booking.row(Kind.APPOINTMENT, booking)["start"][:4] == "2028"  # type: ignore[index]


def _die_at(point: str) -> Any:
    def at(reached: str) -> None:
        if reached == point:
            raise Killed

    return at
