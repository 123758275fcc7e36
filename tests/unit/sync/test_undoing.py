"""Undo of a run: what VetBridge wrote and nobody has touched is taken back, once; all else stays, with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Killed, Rig
from vetbridge.connector.interface import Operation
from vetbridge.core import notes
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.ledger import changes, going_live, links, reviews, runs
from vetbridge.ledger.retention import drop_bodies
from vetbridge.sync.engine import nowhere
from vetbridge.sync.undoing import Fate, Undoer

ANN = ("Ann", "Weiss", "+447700900123", "Bella")
BOB = ("Bob", "Stone", "+447700900456", "Rex")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    for given, name, phone, pet in (ANN, BOB):
        made.owner(given, name, phone, pet)
    return made


def begin(rig: Rig, command: str = "sync") -> int:
    """A new run: what is written from here on is its own."""
    with rig.ledger.write() as tx:
        rig.ledger.run_id = changes.begin_run(tx, command)
    return rig.ledger.run_id


def undo(rig: Rig, run_id: int, *, point: Callable[[str], None] = nowhere) -> dict[str, tuple[bool, str]]:
    """Takes a run back; of each write whether it was, and the code, by `operation kind id`."""
    begin(rig, "sync --undo")
    undoer = Undoer(run_id, [rig.pair], rig.ledger, rig.clock, rig.timings, point)
    rig.engine.only, rig.engine.instead = undoer.begin(), undoer.work
    try:
        rig.settle(limit=600.0)
    finally:
        rig.engine.only = rig.engine.instead = None
    return told(undoer.finish())


def told(fates: tuple[Fate, ...]) -> dict[str, tuple[bool, str]]:
    return {f"{one.written.operation} {one.written.kind}": (one.undone, one.code) for one in fates}


def pet_of(rig: Rig, owner: str) -> str:
    return next(str(row["id"]) for row in rig.pims.rows(Kind.PET) if row["owner"] == owner)


def desk_visit(rig: Rig, family: str, *, hours: float = 30.0) -> str:
    """Staff enter a visit in the PIMS."""
    owner = next(str(row["id"]) for row in rig.pims.rows(Kind.CLIENT) if row["name"]["family"] == family)
    return rig.pims.add(
        Kind.APPOINTMENT,
        {
            "owner": owner,
            "pet": pet_of(rig, owner),
            "start": (rig.clock.now() + timedelta(hours=hours)).isoformat(),
            "seconds": 900,
            "type": "2",
            "who": "v2",
        },
    )


def row(rig: Rig, id_: str, *, booking: bool = False) -> dict[str, Any]:
    found = (rig.booking if booking else rig.pims).row(Kind.APPOINTMENT, id_)
    assert found is not None
    return found


def written_since(rig: Rig, before: tuple[int, int]) -> tuple[int, int]:
    return len(rig.booking.written) - before[0], len(rig.pims.written) - before[1]


def counts(rig: Rig) -> tuple[int, int]:
    return len(rig.booking.written), len(rig.pims.written)


def test_what_a_run_has_made_on_both_sides_is_cancelled_and_stays_so(rig: Rig) -> None:
    run_id = begin(rig)
    booked = rig.book(*ANN)
    staffs = desk_visit(rig, "Stone")
    rig.run()
    (visit,) = [one for one in rig.visits() if one["id"] != staffs]
    (carried,) = [one for one in rig.booking.rows(Kind.APPOINTMENT) if one["id"] != booked]

    found = undo(rig, run_id)
    assert row(rig, visit["id"])["state"] == "cancelled"
    assert row(rig, str(carried["id"]), booking=True)["state"] == "cancelled"
    assert row(rig, booked, booking=True)["state"] == "booked"
    assert row(rig, staffs)["state"] == "booked"
    assert found["create appointment"] == (True, "cancelled")
    assert found["create client"] == (False, "stays")  # Bob's card at the booking side
    with rig.ledger.read() as tx:
        assert not links.visits(tx, "town")
        assert going_live.held_back(tx) == {"town"}

    # Once a person has approved it again, no pass does it again; what changes is carried over.
    before = counts(rig)
    rig.approve()
    rig.run()
    rig.sweeper.sweep()
    rig.settle()
    assert written_since(rig, before) == (0, 0)
    rig.booking.edit(Kind.APPOINTMENT, booked, {"start": (rig.clock.now() + timedelta(hours=90)).isoformat()})
    rig.run()
    assert [one["state"] for one in rig.visits()].count("booked") == 2


def test_a_second_undo_finds_nothing_to_take_back(rig: Rig) -> None:
    run_id = begin(rig)
    rig.book(*ANN)
    rig.run()
    undo(rig, run_id)
    before = counts(rig)
    assert undo(rig, run_id) == {}
    assert written_since(rig, before) == (0, 0)


def test_nothing_of_another_run_is_touched(rig: Rig) -> None:
    begin(rig)
    rig.book(*ANN)
    rig.run()
    run_id = begin(rig)
    rig.book(*BOB)
    rig.run()
    undo(rig, run_id)
    assert [one["state"] for one in rig.visits()] == ["booked", "cancelled"]


@pytest.mark.parametrize(
    ("touched", "code"),
    [
        ({"start": 77.0}, "changed-since"),
        ({"notes": "Fasting. "}, "changed-since"),
        ({"state": "confirmed"}, "confirmed"),
        ({"state": "here"}, "begun"),
    ],
)
def test_what_people_have_changed_since_stays(rig: Rig, touched: dict[str, Any], code: str) -> None:
    run_id = begin(rig)
    rig.book(*ANN)
    rig.run()
    (visit,) = rig.visits()
    if "start" in touched:
        touched = {"start": (rig.clock.now() + timedelta(hours=touched["start"])).isoformat()}
    if "notes" in touched:
        touched = {"notes": touched["notes"] + visit["notes"]}
    rig.pims.edit(Kind.APPOINTMENT, visit["id"], touched)
    before = counts(rig)
    assert undo(rig, run_id)["create appointment"] == (False, code)
    assert written_since(rig, before) == (0, 0)
    with rig.ledger.read() as tx:
        assert len(links.visits(tx, "town")) == 1  # it is followed as before


def test_what_has_begun_or_bears_the_mark_no_more_stays(rig: Rig) -> None:
    run_id = begin(rig)
    rig.book(*ANN, hours=1)
    rig.book(*BOB, hours=60)
    rig.run()
    soon, later = rig.visits()
    rig.pims.edit(Kind.APPOINTMENT, later["id"], {"ref": "", "notes": ""})
    rig.clock.advance(2 * 3600)
    undoer = Undoer(run_id, [rig.pair], rig.ledger, rig.clock, rig.timings, nowhere)
    codes = {one.written.remote_id: one.code for one in undoer.planned()}
    assert codes == {soon["id"]: "begun", later["id"]: "unmarked"}


def test_former_values_are_written_back_where_they_still_show_what_was_written(rig: Rig) -> None:
    begin(rig)
    mine, other = rig.book(*ANN), rig.book(*BOB)
    rig.run()
    first, second = rig.visits()
    run_id = begin(rig)
    later = {id_: (rig.clock.now() + timedelta(hours=hours)).isoformat() for id_, hours in ((mine, 70), (other, 80))}
    for id_, start in later.items():
        rig.booking.edit(Kind.APPOINTMENT, id_, {"start": start})
    rig.run()
    assert row(rig, first["id"])["start"] != first["start"]
    rig.pims.edit(Kind.APPOINTMENT, second["id"], {"start": (rig.clock.now() + timedelta(hours=95)).isoformat()})
    staffs = row(rig, second["id"])["start"]
    begin(rig)
    undoer = Undoer(run_id, [rig.pair], rig.ledger, rig.clock, rig.timings, nowhere)
    plan = {one.written.remote_id: (one.undone, one.code) for one in undoer.planned()}
    assert plan == {first["id"]: (True, "written-back"), second["id"]: (False, "changed-since")}
    undo(rig, run_id)
    assert rig.pair.pims.mapper.read(Kind.APPOINTMENT, row(rig, first["id"])) == rig.pair.pims.mapper.read(
        Kind.APPOINTMENT, first
    )
    assert row(rig, second["id"])["start"] == staffs

    before = counts(rig)
    rig.approve()
    rig.run()
    rig.sweeper.sweep()
    rig.settle()
    assert row(rig, first["id"])["start"] != later[mine]  # the two sides differ, as a person wanted it
    assert [write.id for write in rig.booking.written[before[0] :]] == [other]  # staff's own move is carried back


def test_what_was_brought_back_to_the_booking_side_stands_there_as_before(rig: Rig) -> None:
    begin(rig)
    booked = rig.book(*ANN)
    rig.run()
    (visit,) = rig.visits()
    before = row(rig, booked, booking=True)
    run_id = begin(rig)
    rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"start": (rig.clock.now() + timedelta(hours=71)).isoformat()})
    rig.run()
    assert row(rig, booked, booking=True)["start"] != before["start"]
    assert undo(rig, run_id) == {"update appointment": (True, "written-back")}
    read = rig.pair.booking.mapper.read
    assert read(Kind.APPOINTMENT, row(rig, booked, booking=True)) == read(Kind.APPOINTMENT, before)
    settled = counts(rig)
    rig.approve()
    rig.run()
    rig.sweeper.sweep()
    rig.settle()
    assert written_since(rig, settled) == (0, 0)


def test_a_clients_former_contact_is_written_back_to_the_card(rig: Rig) -> None:
    begin(rig)
    rig.book(*ANN)
    rig.run()
    (card,) = rig.booking.rows(Kind.CLIENT)
    (client,) = [one for one in rig.pims.rows(Kind.CLIENT) if one["name"]["family"] == "Weiss"]
    run_id = begin(rig)
    rig.pims.edit(Kind.CLIENT, client["id"], {"phones": ["+447700900999"]})
    rig.run()
    assert rig.booking.rows(Kind.CLIENT)[0]["phones"] == ["+447700900999"]
    assert undo(rig, run_id) == {"update client": (True, "written-back")}
    assert rig.booking.rows(Kind.CLIENT)[0]["phones"] == card["phones"]
    settled = counts(rig)
    rig.approve()
    rig.run()
    assert written_since(rig, settled) == (0, 0)
    rig.booking.edit(Kind.CLIENT, card["id"], {"phones": ["+447700900555"]})
    assert undo(rig, run_id) == {}, "it was taken back once"


def test_bodies_that_are_kept_no_longer_cannot_be_taken_back(rig: Rig) -> None:
    run_id = begin(rig)
    rig.book(*ANN, hours=24 * 60)
    rig.run()
    rig.clock.advance(40 * 86400)
    drop_bodies(rig.ledger, 30)
    assert undo(rig, run_id) == {"create appointment": (False, "not-kept")}


def test_a_former_time_that_is_taken_by_now_is_left(rig: Rig) -> None:
    begin(rig)
    mine = rig.book(*ANN)
    rig.run()
    (visit,) = rig.visits()
    run_id = begin(rig)
    rig.booking.edit(Kind.APPOINTMENT, mine, {"start": (rig.clock.now() + timedelta(hours=70)).isoformat()})
    rig.run()
    rig.pims.add(Kind.APPOINTMENT, {**visit, "id": None, "ref": "", "notes": "somebody else"})
    assert undo(rig, run_id) == {"update appointment": (False, "slot-taken")}


def test_staffs_text_around_the_block_stays_when_notes_are_written_back(rig: Rig) -> None:
    begin(rig)
    mine = rig.book(*ANN, notes="first words")
    rig.run()
    (visit,) = rig.visits()
    run_id = begin(rig)
    rig.booking.edit(Kind.APPOINTMENT, mine, {"notes": "second words"})
    rig.run()
    standing = row(rig, visit["id"])["notes"]
    assert "second words" in standing
    rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"notes": f"Owner is late \r\n{standing}\n\ttail "})
    assert undo(rig, run_id) == {"update appointment": (True, "written-back")}
    assert row(rig, visit["id"])["notes"] == f"Owner is late \r\n{visit['notes']}\n\ttail "


def test_a_visit_that_was_made_and_moved_by_one_run_is_cancelled_once(rig: Rig) -> None:
    run_id = begin(rig)
    mine = rig.book(*ANN)
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, mine, {"start": (rig.clock.now() + timedelta(hours=70)).isoformat()})
    rig.run()
    before = counts(rig)
    assert set(undo(rig, run_id).values()) == {(True, "cancelled")}
    assert written_since(rig, before) == (0, 1)


def test_a_cancellation_is_listed(rig: Rig) -> None:
    begin(rig)
    mine = rig.book(*ANN)
    rig.run()
    run_id = begin(rig)
    rig.booking.edit(Kind.APPOINTMENT, mine, {"state": "cancelled"})
    rig.run()
    assert undo(rig, run_id) == {"cancel appointment": (False, "cancellation")}


def test_a_new_owner_stays_and_her_link_ends(rig: Rig) -> None:
    run_id = begin(rig)
    rig.book("Eve", "Novak", "+447700900789", "Milo")
    rig.run()
    clients, pets = len(rig.pims.rows(Kind.CLIENT)), len(rig.pims.rows(Kind.PET))
    found = undo(rig, run_id)
    assert found == {
        "create appointment": (True, "cancelled"),
        "create client": (False, "stays"),
        "create pet": (False, "stays"),
    }
    assert (len(rig.pims.rows(Kind.CLIENT)), len(rig.pims.rows(Kind.PET))) == (clients, pets)
    with rig.ledger.read() as tx:
        assert not links.booking_ids(tx, "booking", Kind.CLIENT)
    rig.approve()  # pairing finds her where she stands
    with rig.ledger.read() as tx:
        assert len(links.booking_ids(tx, "booking", Kind.CLIENT)) == 1
    undo(rig, run_id)
    with rig.ledger.read() as tx:
        assert len(links.booking_ids(tx, "booking", Kind.CLIENT)) == 1  # that link is not the run's


def test_a_visit_on_the_placeholder_is_taken_back_with_its_question(rig: Rig) -> None:
    run_id = begin(rig)
    rig.owner("Ann", "Weiss", "+447700900123", "Rex")
    rig.book("A", "Weiss", "+447700900123", "Whoever")
    rig.run()
    assert len(rig.questions()) == 1
    assert undo(rig, run_id)["create appointment"] == (True, "cancelled")
    assert not rig.questions()


def test_an_answer_that_was_carried_out_is_asked_again(rig: Rig) -> None:
    begin(rig)
    twin = rig.owner("Ann", "Weiss", "+447700900123", "Rex")
    rig.book("A", "Weiss", "+447700900123", "Whoever")
    rig.run()
    (item,) = rig.questions()
    (visit,) = rig.visits()
    run_id = begin(rig)
    with rig.ledger.write() as tx:
        mine = reviews.item(tx, item.id or 0)
        assert mine is not None
        answer = Answer(choice=Choice.LINK, client_id=twin, pet_id=pet_of(rig, twin))
        reviews.answer(tx, mine, answer, "reception")
    rig.run()
    assert row(rig, visit["id"])["owner"] == twin
    assert undo(rig, run_id)["update appointment"] == (True, "written-back")
    back = row(rig, visit["id"])
    assert back["owner"] == rig.placeholder.client_id
    assert notes.find(back["notes"]) is not None
    assert [one.id for one in rig.questions()] == [item.id]


@pytest.mark.parametrize("at", ["intended", "sent", "answered", "before-settle"])
def test_killed_anywhere_a_second_undo_finishes_it_once(rig: Rig, at: str) -> None:
    run_id = begin(rig)
    rig.book(*ANN)
    desk_visit(rig, "Stone")
    rig.run()
    before = counts(rig)
    seen: list[str] = []

    def point(name: str) -> None:
        seen.append(name)
        if name == at:
            raise Killed

    rig.start(point=point if at == "before-settle" else nowhere)
    with pytest.raises(Killed):
        undo(rig, run_id, point=point)
    assert at in seen
    rig.start()
    undo(rig, run_id)
    written = rig.booking.written[before[0] :] + rig.pims.written[before[1] :]
    assert [write.operation for write in written] == [Operation.CANCEL, Operation.CANCEL]
    with rig.ledger.read() as tx:
        assert {one.kind for one in runs.written(tx, run_id)} <= {Kind.CLIENT, Kind.PET}
        assert not links.visits(tx, "town")


def test_half_an_undo_is_not_taken_for_what_people_did(rig: Rig) -> None:
    run_id = begin(rig)
    booked = rig.book(*ANN)
    rig.run()

    def point(name: str) -> None:
        if name == "sent":
            raise Killed

    with pytest.raises(Killed):
        undo(rig, run_id, point=point)
    rig.start()
    rig.approve()  # without taking it back to the end
    rig.hint(booked)
    rig.run()
    assert row(rig, booked, booking=True)["state"] == "booked"
    assert ("waiting", "undo-unfinished") in rig.endings()
    assert undo(rig, run_id) == {"create appointment": (True, "cancelled")}
    assert [one["state"] for one in rig.visits()] == ["cancelled"]
    rig.approve()
    rig.run()
    assert row(rig, booked, booking=True)["state"] == "booked"


def test_a_lost_answer_of_the_undo_is_looked_for(rig: Rig) -> None:
    run_id = begin(rig)
    rig.book(*ANN)
    rig.run()
    before = counts(rig)
    rig.pims.lose_answers(done=True)
    assert undo(rig, run_id) == {"create appointment": (True, "cancelled")}
    assert written_since(rig, before) == (0, 1)


def test_a_change_that_waits_for_something_else_is_not_lost(rig: Rig) -> None:
    begin(rig)
    mine = rig.book(*ANN)
    rig.run()
    run_id = begin(rig)
    rig.booking.edit(Kind.APPOINTMENT, mine, {"state": "cancelled"})
    rig.run()
    rig.hint(mine)
    assert undo(rig, run_id) == {"cancel appointment": (False, "cancellation")}
    (waiting,) = [one for one in rig.changes() if one.state in ("received", "waiting")]
    assert (waiting.source, waiting.remote_id) == ("webhook", mine)
    assert waiting.next_at is not None
    assert waiting.next_at <= rig.clock.now()


def test_a_config_that_starts_live_does_not_lead_out_of_the_shadow(rig: Rig) -> None:
    rig.meet(start_live=True)
    with rig.ledger.write() as tx:
        going_live.into_shadow(tx, "town")
        going_live.meet(tx, "town", start_live=True)
        assert going_live.held_back(tx) == {"town"}
        going_live.approve(tx, "town", "admin")
        row = going_live.of(tx, "town")
        assert row is not None
        assert row.approved_at is not None


def test_which_runs_there_are(rig: Rig) -> None:
    first = begin(rig)
    rig.book(*ANN)
    rig.run()
    begin(rig)  # writes nothing
    third = begin(rig)
    rig.book(*BOB)
    rig.run()
    undo(rig, third)
    with rig.ledger.read() as tx:
        found = runs.newest(tx, 10)
        assert [(one.id, one.command, one.writes, one.undone) for one in found] == [
            (third + 1, "sync --undo", 1, 0),
            (third, "sync", 1, 1),
            (first, "sync", 1, 0),
        ]
        assert runs.run(tx, first + 1) is None
        assert runs.run(tx, 10**30) is None
