"""A replay for one side only: that side is written to, and nothing that is to be done at the other one is lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from vetbridge.core.records import Kind, Side
from vetbridge.ledger import changes, replays
from vetbridge.ledger.tables import Change

VISIT = Kind.APPOINTMENT


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("John", "Smith", "+447912000001", "Bella")
    return made


def booked(rig: Rig) -> str:
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    assert rig.endings()[-1] == ("done", "matched")
    return id_


def visit(rig: Rig) -> dict[str, Any]:
    (only,) = rig.visits()
    return only


def booking(rig: Rig, id_: str) -> dict[str, Any]:
    row = rig.booking.row(VISIT, id_)
    assert row is not None
    return row


def change_both(rig: Rig, id_: str) -> str:
    """The client puts it to another time, and reception confirms it; returns that time."""
    moved = (datetime.fromisoformat(visit(rig)["start"]) + timedelta(hours=30)).isoformat()
    rig.booking.edit(VISIT, id_, {"start": moved})
    rig.pims.edit(VISIT, visit(rig)["id"], {"state": "confirmed"})
    return moved[:16]


def stand(rig: Rig, id_: str) -> tuple[str, str, str, str]:
    """Time and state of the visit, and of its booking."""
    there, here = visit(rig), booking(rig, id_)
    return there["start"][:16], there["state"], here["start"][:16], here["state"]


def replay(rig: Rig, side: Side | None, remote_id: str) -> Change:
    """Replays a record's newest change and works on what is due then; returns how the replay ended."""
    with rig.ledger.write() as tx:
        old = max(change.id or 0 for change in rig.changes() if change.remote_id == remote_id)
        new = replays.add(tx, old, side=side).id or 0
    rig.work()
    return rig.changes()[new - 1]


def test_only_the_pims_is_written_and_an_ordinary_run_brings_the_booking_side(rig: Rig) -> None:
    id_ = booked(rig)
    before = visit(rig)["start"][:16]
    moved = change_both(rig, id_)
    written = len(rig.booking.written)
    done = replay(rig, Side.PIMS, id_)
    assert (done.source, done.state, done.code) == ("replay/pims", "done", "one-side-only")
    assert stand(rig, id_) == (moved, "confirmed", moved, "booked")
    assert (before != moved, len(rig.booking.written)) == (True, written)
    rig.run()
    assert stand(rig, id_) == (moved, "confirmed", moved, "confirmed")
    assert replay(rig, Side.PIMS, id_).code == "settled", "both bases are right: nothing is done twice"


def test_only_the_booking_side_is_written_and_an_ordinary_run_brings_the_pims(rig: Rig) -> None:
    id_ = booked(rig)
    before = visit(rig)["start"][:16]
    moved = change_both(rig, id_)
    written = len(rig.pims.written)
    done = replay(rig, Side.BOOKING, id_)
    assert (done.source, done.state, done.code) == ("replay/booking", "done", "one-side-only")
    assert stand(rig, id_) == (before, "confirmed", moved, "confirmed")
    assert len(rig.pims.written) == written
    rig.run()
    assert stand(rig, id_) == (moved, "confirmed", moved, "confirmed")
    assert replay(rig, None, id_).code == "settled"


@pytest.mark.parametrize("what", ["a new booking", "a move", "a cancellation"])
def test_what_is_to_be_done_at_the_other_side_alone_stays_in_sight_until_it_is_done(rig: Rig, what: str) -> None:
    id_ = booked(rig)
    if what == "a new booking":
        id_ = rig.book("John", "Smith", "+447912000001", "Bella")
        with rig.ledger.write() as tx:
            row = changes.receive(tx, site="town", account="booking", kind=VISIT, remote_id=id_, source="poll")
            changes.begin(tx, row.id or 0)
            changes.settle(tx, row.id or 0, changes.ChangeState.FAILED, "mapping", "it lacks a code")
    else:
        rig.booking.edit(VISIT, id_, {"who": "v2"} if what == "a move" else {"state": "cancelled"})
    written = len(rig.booking.written) + len(rig.pims.written)
    refused = replay(rig, Side.BOOKING, id_)
    assert (refused.state, refused.code) == ("failed", "one-side-only")
    assert refused.message.startswith("it would have to change pims, which")
    assert len(rig.booking.written) + len(rig.pims.written) == written
    rig.run()  # the next listing shows it as ever
    assert rig.changes()[-1].state == "done"
    assert len(rig.pims.written) == written - len(rig.booking.written) + 1
    assert rig.changes()[(refused.id or 0) - 1].code == "superseded"


def test_a_visit_that_was_made_at_the_desk_is_not_booked_where_only_the_pims_is_asked_for(rig: Rig) -> None:
    booked(rig)
    whose = {name: visit(rig)[name] for name in ("owner", "pet")}
    start = (rig.clock.now() + timedelta(hours=90)).isoformat()
    id_ = rig.pims.add(VISIT, {**whose, "start": start, "seconds": 900, "type": "2", "who": "v1", "state": "booked"})
    with rig.ledger.write() as tx:
        row = changes.receive(tx, site="town", account="pims", kind=VISIT, remote_id=id_, source="poll")
        changes.begin(tx, row.id or 0)
        changes.settle(tx, row.id or 0, changes.ChangeState.FAILED, "mapping", "it lacks a code")
    assert replay(rig, Side.PIMS, id_).code == "one-side-only"
    assert len(rig.booking.rows(VISIT)) == 1
    assert replay(rig, Side.BOOKING, id_).code == "carried"
    assert len(rig.booking.rows(VISIT)) == 2


def test_the_linked_booking_of_a_visit_is_worked_on_for_the_same_side_only(rig: Rig) -> None:
    id_ = booked(rig)
    before = visit(rig)["start"][:16]
    moved = change_both(rig, id_)
    with rig.ledger.write() as tx:
        changes.receive(tx, site="town", account="pims", kind=VISIT, remote_id=visit(rig)["id"], source="poll")
        tx.session.get_one(Change, len(rig.changes()) + 1).source = "replay/booking"
    rig.work()
    assert [(change.source, change.code) for change in rig.changes()[-2:]] == [
        ("replay/booking", "followed"),
        ("replay/booking", "one-side-only"),
    ]
    assert stand(rig, id_) == (before, "confirmed", moved, "confirmed")


def test_news_makes_a_replay_that_waits_one_for_both_sides_and_a_listing_without_news_does_not(rig: Rig) -> None:
    id_ = booked(rig)
    with rig.ledger.write() as tx:
        old = next(change.id or 0 for change in rig.changes() if change.remote_id == id_)
        new = replays.add(tx, old, side=Side.PIMS, wait=timedelta(hours=1)).id or 0
    rig.sweeper.sweep()
    rig.work()
    assert (rig.changes()[new - 1].source, rig.changes()[new - 1].state) == ("replay/pims", "waiting")
    moved = change_both(rig, id_)
    rig.sweeper.sweep()
    rig.work()
    assert rig.changes()[new - 1].source == "replay"
    assert stand(rig, id_) == (moved, "confirmed", moved, "confirmed")
