"""A PIMS whose reads come from a copy that follows: VetBridge's own write is no news while the copy lacks it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.unit.sync.test_both_ways import booking, desk, later, pet_of, visit
from vetbridge.connector.interface import Unlinked
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities

BEHIND = 600.0
"""Seconds."""
JOHN = ("John", "Smith", "+447912000001", "Bella")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    clock = FakeClock()
    able = memory_capabilities(unlinked=Unlinked.PLACEHOLDER, shown_within=BEHIND + 60)
    made = Rig(tmp_path, clock=clock, pims=MemorySide(able, clock=clock))
    made.owner(*JOHN)
    made.pims.follow(BEHIND)
    clock.advance(2 * BEHIND)
    made.refresher.pass_()
    return made


def look(rig: Rig) -> None:
    """Both sides are polled and swept, and all is worked on that is due now."""
    rig.refresher.pass_()
    rig.receiver.poll_desk()
    rig.receiver.poll()
    rig.sweeper.sweep()
    rig.work()


def booked(rig: Rig) -> str:
    id_ = rig.book(*JOHN)
    look(rig)
    assert rig.endings()[-1] == ("done", "matched")
    return id_


def all_agree(rig: Rig) -> None:
    rig.clock.advance(2 * BEHIND)
    look(rig)
    rig.settle()
    look(rig)
    ours = sorted((row["start"], row["state"]) for row in rig.booking.rows(Kind.APPOINTMENT))
    assert sorted((row["start"], row["state"]) for row in rig.visits()) == ours
    assert rig.questions() == ()
    assert {state for state, _ in rig.endings()} <= {"done", "skipped"}


def test_a_visit_that_no_read_shows_yet_is_neither_made_twice_nor_missed(rig: Rig) -> None:
    id_ = booked(rig)
    for _ in range(3):
        rig.clock.advance(BEHIND / 4)
        rig.hint(id_)
        look(rig)
    assert len(rig.visits()) == 1
    assert booking(rig, id_)["state"] == "booked"
    all_agree(rig)


def test_a_move_that_no_read_shows_yet_is_not_taken_back_at_the_booking_side(rig: Rig) -> None:
    id_ = booked(rig)
    all_agree(rig)
    for hours in (30, 31):
        moved = later(rig, visit(rig), hours)
        rig.booking.edit(Kind.APPOINTMENT, id_, {"start": moved})
        look(rig)
        rig.hint_kind(Kind.APPOINTMENT, visit(rig)["id"], "pims")
        rig.clock.advance(60)
        look(rig)
        assert (visit(rig)["start"], booking(rig, id_)["start"]) == (moved, moved)
    assert ("waiting", "shown-later") in rig.endings()
    all_agree(rig)


def test_a_cancellation_that_no_read_shows_yet_brings_nothing_back(rig: Rig) -> None:
    id_ = booked(rig)
    all_agree(rig)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    look(rig)
    rig.hint_kind(Kind.APPOINTMENT, visit(rig)["id"], "pims")
    rig.clock.advance(60)
    rig.hint(id_)
    look(rig)
    assert booking(rig, id_)["state"] == "cancelled"
    assert len([write for write in rig.pims.written if write.operation == "cancel"]) == 1
    all_agree(rig)


def test_the_owner_and_the_pet_that_were_made_are_known_at_once(rig: Rig) -> None:
    rig.book("Zoe", "Newcomer", "+447912000007", "Rex")
    look(rig)
    rig.book("Zoe", "Newcomer", "+447912000007", "Rex")
    look(rig)
    assert len(rig.pims.rows(Kind.CLIENT)) == 3
    assert len(rig.pims.rows(Kind.PET)) == 3
    assert len({(row["owner"], row["pet"]) for row in rig.visits()}) == 1
    all_agree(rig)


def test_what_staff_made_of_it_since_counts_as_soon_as_it_is_shown(rig: Rig) -> None:
    id_ = booked(rig)
    all_agree(rig)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"who": "v2"})
    rig.clock.advance(BEHIND)
    moved = later(rig, visit(rig), 30)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": moved})
    look(rig)
    look(rig)
    assert booking(rig, id_)["who"] == "v2", "shown while the copy still lacks the move"
    assert (visit(rig)["start"], booking(rig, id_)["start"]) == (moved, moved)
    all_agree(rig)


def test_once_the_time_is_over_what_a_read_shows_counts(rig: Rig) -> None:
    id_ = booked(rig)
    all_agree(rig)
    before = visit(rig)["start"]
    moved = later(rig, visit(rig), 30)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": moved})
    look(rig)
    rig.clock.advance(1)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"start": before})  # staff put it back
    rig.clock.advance(30)
    look(rig)
    assert booking(rig, id_)["start"] == moved
    all_agree(rig)
    assert booking(rig, id_)["start"] == before


def test_a_lost_answer_is_looked_for_when_the_copy_must_have_it(rig: Rig) -> None:
    rig.pims.lose_answers(done=True)
    rig.book(*JOHN)
    look(rig)
    rig.settle(limit=4 * BEHIND)
    assert len(rig.visits()) == 1
    all_agree(rig)


def test_a_side_that_shows_its_writes_at_once_is_read_as_it_is(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    john = rig.owner(*JOHN)
    rig.book(*JOHN)
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"who": "v3"})
    desk(rig, john, pet_of(rig, john))
    rig.run()
    assert rig.booking.rows(Kind.APPOINTMENT)[0]["who"] == "v3"
    assert replace(rig.pair).pims.own is None
