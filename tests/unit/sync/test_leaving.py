"""The end of a pair: what waits is closed, VetBridge's traces go, and a new beginning makes nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Killed, Rig
from vetbridge.core import notes
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.ledger import changes, endings, going_live, links, replays, reviews, worklist
from vetbridge.ledger.tables import Change
from vetbridge.sync.engine import nowhere
from vetbridge.sync.leaving import Cleaner, Trace, left

ANN = ("Ann", "Weiss", "+447700900123", "Bella")
BOB = ("Bob", "Stone", "+447700900456", "Rex")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    for given, name, phone, pet in (ANN, BOB):
        made.owner(given, name, phone, pet)
    return made


def end(rig: Rig, by: str = "Ann") -> endings.Waiting:
    rig.meet()
    with rig.ledger.write() as tx:
        return going_live.end(tx, "town", by)


def cleaner(rig: Rig, point: Callable[[str], None] = nowhere) -> Cleaner:
    return Cleaner(rig.pair, rig.ledger, rig.clock, rig.timings, point)


def clean(rig: Rig, point: Callable[[str], None] = nowhere) -> tuple[Trace, ...]:
    made = cleaner(rig, point)
    rig.engine.only, rig.engine.instead = made.begin(), made.work
    try:
        rig.settle(limit=600.0)
    finally:
        rig.engine.only = rig.engine.instead = None
    return made.finish()


def codes(traces: tuple[Trace, ...]) -> list[tuple[str, bool, str]]:
    return sorted((trace.account, trace.removed, trace.code) for trace in traces)


def visit(rig: Rig) -> dict[str, Any]:
    (found,) = rig.visits()
    return found


def test_nothing_is_worked_on_any_more_and_nothing_expires(rig: Rig) -> None:
    end(rig)
    rig.book(*ANN, hours=1)
    rig.run()
    rig.sweeper.sweep()
    rig.settle()
    assert rig.visits() == []
    rig.clock.advance(2 * 3600)
    with rig.ledger.write() as tx:
        assert changes.expire(tx, without_sites=going_live.held_back(tx)) == 0


def test_the_first_who_ended_it_is_named(rig: Rig) -> None:
    end(rig, "Ann")
    rig.clock.advance(60)
    end(rig, "Bob")
    with rig.ledger.read() as tx:
        row = going_live.of(tx, "town")
        assert row is not None
        assert row.ended_by == "Ann"
        assert row.ended_at is not None
        assert row.ended_at < tx.now


def test_what_waits_is_closed_and_comes_back_with_a_new_beginning(rig: Rig) -> None:
    rig.owner("Ann", "Weiss", "+447700900123", "Rex")
    rig.book("A", "Weiss", "+447700900123", "Whoever")
    rig.run()
    waits = rig.book(*BOB)
    rig.hint(waits)
    (item,) = rig.questions()
    with rig.ledger.write() as tx:
        change = tx.session.get_one(Change, item.change_id)
        line = worklist.put(
            tx,
            change,
            account="pims",
            kind=Kind.APPOINTMENT,
            remote_id=visit(rig)["id"],
            task=worklist.RELINK,
            details={"client_id": "c1"},
            visit_at=None,
        )
    assert end(rig) == endings.Waiting(questions=1, changes=1, lines=1, in_doubt=0)
    assert end(rig) == endings.Waiting(questions=0, changes=0, lines=0, in_doubt=0)
    assert rig.questions() == ()
    with rig.ledger.read() as tx:
        closed = reviews.item(tx, item.id or 0)
        assert closed is not None
        assert (closed.state, closed.closed_why) == ("closed", endings.WHY)
        struck = worklist.line(tx, line.id or 0)
        assert struck is not None
        assert (struck.state, struck.closed_why) == ("struck", endings.WHY)
        (skipped,) = [one for one in rig.changes() if one.code == endings.PAIR_ENDED]
        assert (skipped.state, skipped.remote_id) == ("skipped", waits)
        assert replays.refusal(tx, skipped.id or 0, only_failed=False) == endings.PAIR_ENDED

    rig.approve()  # pairing asks whose the booking's client is, too
    assert item.id in [one.id for one in rig.questions()]
    with rig.ledger.read() as tx:
        assert worklist.standing(tx, item.record_id or 0, worklist.RELINK) is not None
    rig.run()
    assert len(rig.visits()) == 2


def test_an_answer_that_was_not_carried_out_is_not_carried_out_later_unasked(rig: Rig) -> None:
    twin = rig.owner("Ann", "Weiss", "+447700900123", "Rex")
    rig.book("A", "Weiss", "+447700900123", "Whoever")
    rig.run()
    (item,) = rig.questions()
    with rig.ledger.write() as tx:
        mine = reviews.item(tx, item.id or 0)
        assert mine is not None
        reviews.answer(tx, mine, Answer(choice=Choice.LINK, client_id=twin, pet_id=None), "reception")
    assert end(rig).questions == 1
    rig.approve()
    rig.run()
    assert visit(rig)["owner"] == rig.placeholder.client_id
    assert item.id in [one.id for one in rig.questions()]


def test_what_is_about_a_shared_account_goes_on_at_the_other_site(rig: Rig) -> None:
    with rig.ledger.write() as tx:
        changes.receive(tx, site="town", account="pims", kind=Kind.APPOINTMENT, remote_id="a1", source="poll")
        changes.receive(tx, site="town", account="booking", kind=Kind.APPOINTMENT, remote_id="a2", source="poll")
        going_live.meet(tx, "town", start_live=False)
        assert going_live.end(tx, "town", "Ann", shared={"pims": "village"}).changes == 1
    found = {one.remote_id: (one.site, one.state) for one in rig.changes() if one.remote_id in ("a1", "a2")}
    assert found == {"a1": ("village", "received"), "a2": ("town", "skipped")}


STAFF = ("Owner is late \r\n\t", "\n\n  Fasting since 8 – „nüchtern“ [x] \n ")


def test_the_block_goes_and_staffs_text_stays_byte_for_byte(rig: Rig) -> None:
    rig.book(*ANN)
    rig.run()
    written = visit(rig)["notes"]
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"notes": f"{STAFF[0]}{written}{STAFF[1]}"})
    end(rig)
    plan = cleaner(rig).planned()
    assert codes(plan) == [("pims", True, "cleaned")]
    assert notes.find(visit(rig)["notes"]) is not None, "a dry run writes nothing"
    assert codes(clean(rig)) == [("pims", True, "cleaned")]
    assert visit(rig)["notes"] == "".join(STAFF)
    before = len(rig.pims.written)
    assert left(clean(rig)) == []
    assert len(rig.pims.written) == before


def test_the_owners_own_words_stay_as_plain_text(rig: Rig) -> None:
    rig.book(*ANN, notes="She limps.\nLeft side.")
    rig.run()
    end(rig)
    clean(rig)
    assert visit(rig)["notes"] == "Comment: She limps.\nLeft side."


def test_visits_without_their_owner_keep_their_block(rig: Rig) -> None:
    rig.owner("Ann", "Weiss", "+447700900123", "Rex")
    rig.book("A", "Weiss", "+447700900123", "Whoever")
    rig.run()
    before = visit(rig)["notes"]
    end(rig)
    traces = clean(rig)
    assert codes(traces) == [("pims", False, "says-who-booked")]
    assert left(traces) == list(traces)
    assert visit(rig)["notes"] == before


def test_visits_of_the_past_and_cancelled_ones_are_left_alone(rig: Rig) -> None:
    rig.book(*ANN, hours=1)
    off = rig.book(*BOB, hours=50)
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, off, {"state": "cancelled"})
    rig.run()
    rig.clock.advance(2 * 3600)
    end(rig)
    before = len(rig.pims.written)
    assert left(clean(rig)) == []
    assert len(rig.pims.written) == before


def test_a_visit_that_was_carried_to_the_booking_side_is_clean_but_for_the_mark_in_its_own_field(rig: Rig) -> None:
    owner = next(str(row["id"]) for row in rig.pims.rows(Kind.CLIENT) if row["name"]["family"] == "Weiss")
    pet = next(str(row["id"]) for row in rig.pims.rows(Kind.PET) if row["owner"] == owner)
    start = (rig.clock.now() + timedelta(hours=30)).isoformat()
    rig.pims.add(
        Kind.APPOINTMENT,
        {"owner": owner, "pet": pet, "start": start, "seconds": 900, "type": "2", "who": "v2", "notes": "by phone"},
    )
    rig.run()
    end(rig)
    traces = clean(rig)
    assert codes(traces) == [("booking", False, "stamp-field")]
    assert left(traces) == []
    assert visit(rig)["notes"] == "by phone"
    assert cleaner(rig).made() == 2  # the card and the pet at the booking side


@pytest.mark.parametrize("at", ["intended", "sent", "before-settle"])
def test_killed_anywhere_cleaning_goes_on(rig: Rig, at: str) -> None:
    for one in (ANN, BOB):
        rig.book(*one)
    rig.run()
    end(rig)
    before = len(rig.pims.written)

    def point(name: str) -> None:
        if name == at:
            raise Killed

    rig.start(point=point if at == "before-settle" else nowhere)
    with pytest.raises(Killed):
        clean(rig, point)
    rig.start()
    clean(rig)
    assert [row["notes"] for row in rig.visits()] == ["", ""]
    assert len(rig.pims.written) - before == 2
    rig.approve()
    rig.run()
    assert len(rig.pims.written) - before == 2, "a new beginning writes no block again"


def test_a_lost_answer_is_looked_for_and_one_that_fails_is_told(rig: Rig) -> None:
    rig.book(*ANN)
    rig.run()
    end(rig)
    before = len(rig.pims.written)
    rig.pims.lose_answers(done=True)
    assert left(clean(rig)) == []
    assert len(rig.pims.written) - before == 1
    assert visit(rig)["notes"] == ""


def test_a_new_beginning_uses_the_links_and_makes_nothing_twice(rig: Rig) -> None:
    booked = [rig.book(*ANN), rig.book(*BOB), rig.book("Eve", "Novak", "+447700900789", "Milo")]
    rig.run()
    end(rig)
    clean(rig)
    moved = (rig.clock.now() + timedelta(hours=90)).isoformat()
    rig.booking.edit(Kind.APPOINTMENT, booked[0], {"start": moved})  # while nobody looked
    new = rig.book(*BOB, hours=70)
    counts = [len(rig.pims.rows(kind)) for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)]

    rig.approve()
    rig.run()
    rig.sweeper.sweep()
    rig.settle()
    assert [len(rig.pims.rows(kind)) for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)] == [
        counts[0],
        counts[1],
        counts[2] + 1,
    ]
    with rig.ledger.read() as tx:
        assert {link.booking_id for link in links.visits(tx, "town")} == {*booked, new}
    at = {row["id"]: rig.pair.pims.mapper.read(Kind.APPOINTMENT, row).start for row in rig.visits()}
    here = rig.booking.row(Kind.APPOINTMENT, booked[0])
    assert here is not None
    assert rig.pair.booking.mapper.read(Kind.APPOINTMENT, here).start in at.values()
