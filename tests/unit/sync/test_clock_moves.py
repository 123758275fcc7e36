"""Somebody sets this machine's clock while VetBridge runs: nothing is lost, done twice, or done too early."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from tests.moved_clock import MovedClock
from tests.rig import Rig
from vetbridge.core.errors import Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import accounts, changes
from vetbridge.ledger.tables import Change, Fuse, Lane, Review, Staff, StaffSession
from vetbridge.testing.clock import START

DAY = 86400.0
ANN = ("Ann", "Weiss", "+447700900123", "Bella")


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def rig(tmp_path: Path, clock: MovedClock) -> Rig:
    made = Rig(tmp_path, clock=clock)
    made.refresher.pass_()
    made.owner(*ANN)
    made.refresher.pass_()
    return made


@pytest.mark.parametrize("seconds", [DAY, -DAY])
def test_what_waits_is_worked_on_as_soon_as_before(rig: Rig, clock: MovedClock, seconds: float) -> None:
    rig.pims.fail(Unavailable("memory: away"), times=1)
    rig.hint(rig.book(*ANN, hours=72))
    rig.work()
    assert rig.visits() == []
    clock.set(seconds)
    assert rig.engine.idle_for() <= rig.timings.retry_first, "neither change nor account waits for the old time"
    rig.settle()
    assert len(rig.visits()) == 1


@pytest.mark.parametrize("seconds", [DAY, -DAY])
def test_a_lost_write_is_looked_for_no_sooner_and_no_later_and_written_once(
    rig: Rig, clock: MovedClock, seconds: float
) -> None:
    rig.pims.lose_answers(done=True)
    rig.hint(rig.book(*ANN, hours=72))
    rig.work()
    assert [change.code for change in rig.changes()] == ["outcome-unknown"]
    clock.set(seconds)
    rig.work()
    looked = rig.pims.calls["look"]
    assert looked == 0, "it may still land"
    assert rig.engine.idle_for() <= rig.timeout + 1
    rig.settle()
    assert len(rig.visits()) == 1


@pytest.mark.parametrize("seconds", [DAY, -DAY])
def test_a_lane_that_is_worked_on_is_nobody_elses(rig: Rig, clock: MovedClock, seconds: float) -> None:
    rig.hint(rig.book(*ANN, hours=72))
    lease = rig.engine._claim("one")
    assert lease is not None
    clock.set(seconds)
    assert rig.engine._claim("two") is None
    with rig.ledger.read() as tx:
        assert tx.session.get_one(Lane, lease.lane).until == clock.now() + timedelta(seconds=rig.timings.lease)
        assert changes.are_held(tx, [lease])
    rig.engine._release([lease])
    assert rig.engine._claim("two") is not None


def test_a_missed_visit_is_not_gone_a_moment_later_because_the_clock_says_a_day(rig: Rig, clock: MovedClock) -> None:
    kept, missed = rig.book(*ANN, hours=72), rig.book(*ANN, hours=80)
    for booking in (kept, missed):
        rig.hint(booking)
    rig.settle()
    rig.booking.remove(Kind.APPOINTMENT, missed)
    rig.hint(missed)
    rig.work()
    clock.set(DAY)
    rig.hint(missed)
    rig.work()
    assert [visit["state"] for visit in rig.visits()].count("cancelled") == 0
    rig.settle()
    assert [visit["state"] for visit in rig.visits()].count("cancelled") == 1, "two misses, the set time apart"


def test_what_a_person_was_given_for_an_hour_does_not_last_a_day(rig: Rig, clock: MovedClock) -> None:
    rig.hint(rig.book(*ANN, hours=72))
    rig.settle()
    with rig.ledger.write() as tx:
        change = tx.session.get_one(Change, 1)
        tx.session.add(Fuse(site="town", counted_from=tx.now, allowance=3))
        tx.session.add(Staff(name="ann", role="reception", added_at=tx.now))
        tx.session.flush()
        ends_at = tx.now + timedelta(hours=12)
        tx.session.add(StaffSession(token_hash="t", staff="ann", made_at=tx.now, seen_at=tx.now, ends_at=ends_at))
        tx.session.add(
            Review(
                change_id=change.id or 0,
                site="town",
                state="open",
                why="w",
                opened_at=tx.now,
                claimed_until=tx.now + timedelta(minutes=10),
            )
        )
        accounts.block(tx, "pims", "auth-failed")
    clock.advance(60)
    clock.set(-DAY)
    rig.engine.mind_clock()
    with rig.ledger.read() as tx:
        assert tx.session.get_one(Fuse, "town").counted_from == tx.now - timedelta(seconds=60)
        claimed = tx.session.get_one(Review, 1).claimed_until
        assert claimed == tx.now + timedelta(minutes=9)
        assert accounts.get(tx, "pims").paused_until == tx.now + timedelta(minutes=9)
        session = tx.session.get_one(StaffSession, "t")
        assert session.ends_at == tx.now + timedelta(hours=12) - timedelta(seconds=60)


def test_a_move_that_the_ledger_could_not_take_is_made_up_for(rig: Rig, clock: MovedClock) -> None:
    rig.pims.fail(Unavailable("memory: away"), times=1)
    rig.hint(rig.book(*ANN, hours=72))
    rig.work()
    whole = rig.ledger.write

    def busy() -> object:
        raise Unavailable("the ledger takes nothing")

    rig.ledger.write = busy  # type: ignore[method-assign,assignment]
    clock.set(-DAY)
    with pytest.raises(Unavailable):
        rig.engine.idle_for()
    rig.ledger.write = whole  # type: ignore[method-assign]
    clock.advance(10)
    assert rig.engine.idle_for() == 0


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_clock_does_every_booking_stands_once(rig: Rig, clock: MovedClock, seed: int) -> None:
    dice = random.Random(seed)
    booked: list[str] = []
    for step in range(12):
        match dice.choice(("book", "book", "move", "cancel", "lose", "away", "jump", "jump")):
            case "book":
                start = START + timedelta(hours=400 + 2 * step)
                booked.append(rig.book(*ANN, start=start.isoformat()))
            case "move" if booked:
                rig.booking.edit(Kind.APPOINTMENT, dice.choice(booked), {"seconds": dice.choice((900, 1200, 1800))})
            case "cancel" if booked:
                rig.booking.edit(Kind.APPOINTMENT, dice.choice(booked), {"state": "cancelled"})
            case "lose":
                rig.pims.lose_answers(done=dice.random() < 0.5)
            case "away":
                rig.pims.fail(Unavailable("memory: away"), times=1)
            case "jump":
                clock.set(dice.choice((-2, -1, 1, 2)) * DAY * dice.random())
        for booking in booked:
            if dice.random() < 0.5:
                rig.hint(booking)
        rig.settle(limit=dice.choice((0, 20, 120)))
    rig.pims.mend()
    for booking in booked:
        rig.hint(booking)
    rig.settle()
    wanted = {row["start"]: row["seconds"] for row in rig.booking.rows(Kind.APPOINTMENT) if row["state"] == "booked"}
    stand = [row for row in rig.visits() if row["state"] == "booked"]
    assert {row["start"]: row["seconds"] for row in stand} == wanted
    assert len(stand) == len(wanted), "none stands twice"
    assert rig.engine.open_changes() == 0
