"""Whose a visit is, where people and VetBridge act at the same time, or people contradict each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.unit.sync.test_both_ways import (
    ambiguous,
    answer,
    booked,
    booking,
    desk,
    later,
    make_unverified,
    pet_of,
    quiet,
    visit,
)
from tests.unit.sync.test_guards import NOTES
from vetbridge.core.answers import Choice
from vetbridge.core.errors import Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import reports, reviews, worklist


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("John", "Smith", "+447912000001", "Bella")
    made.owner("Mary", "Jones", "+447912000002", "Rex")
    made.run()
    return made


def john(rig: Rig) -> str:
    return str(rig.pims.rows(Kind.CLIENT)[1]["id"])


def mary(rig: Rig) -> str:
    return str(rig.pims.rows(Kind.CLIENT)[2]["id"])


def link_to(rig: Rig, item: int | None, client: str) -> None:
    answer(rig, item, Choice.LINK, client_id=client, pet_id=pet_of(rig, client))


def put_on(rig: Rig, client: str, pet: str | None = None) -> None:
    """Staff put the only visit on a client, in the PIMS."""
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"owner": client, "pet": pet or pet_of(rig, client)})


def park(rig: Rig) -> None:
    put_on(rig, rig.placeholder.client_id, rig.placeholder.pet_id)


def lines(rig: Rig) -> int:
    with rig.ledger.read() as tx:
        return len(worklist.lines(tx))


def at_first(rig: Rig, point: str, do: Callable[[], None]) -> None:
    """Does something when the work reaches a point for the first time."""
    left = [do]

    def at(reached: str) -> None:
        if reached == point and left:
            left.pop()()

    rig.ledger.close()
    rig.start(point=at)


# -- two answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["read", "intended", "sent", "answered", "before-settle", "settled"])
def test_the_newest_answer_holds_whenever_it_comes(rig: Rig, point: str) -> None:
    ambiguous(rig)
    item = rig.questions()[0].id or 0
    link_to(rig, item, john(rig))

    def think_again() -> None:
        with rig.ledger.write() as tx:
            row = reviews.item(tx, item)
            assert row is not None
            reviews.reopen(tx, row)
        link_to(rig, item, mary(rig))

    at_first(rig, point, think_again)
    rig.run()
    assert visit(rig)["owner"] == mary(rig)
    assert rig.questions() == ()
    quiet(rig)


@pytest.mark.parametrize("point", ["intended", "sent", "answered"])
def test_an_answer_that_is_taken_back_while_it_is_carried_out_is_undone(rig: Rig, point: str) -> None:
    ambiguous(rig)
    item = rig.questions()[0].id or 0
    link_to(rig, item, john(rig))

    def take_back() -> None:
        with rig.ledger.write() as tx:
            row = reviews.item(tx, item)
            assert row is not None
            reviews.reopen(tx, row)

    at_first(rig, point, take_back)
    rig.run()
    assert visit(rig)["owner"] == rig.placeholder.client_id
    assert [one.id for one in rig.questions()] == [item]


def test_staff_and_reception_who_contradict_each_other_are_asked_and_the_next_answer_holds(rig: Rig) -> None:
    ambiguous(rig)
    item = rig.questions()[0].id
    put_on(rig, john(rig))
    link_to(rig, item, mary(rig))
    rig.run()
    assert [one.id for one in rig.questions()] == [item]
    assert visit(rig)["owner"] == john(rig)
    link_to(rig, item, mary(rig))
    rig.run()
    assert visit(rig)["owner"] == mary(rig)
    assert rig.questions() == ()


def test_a_pet_of_another_client_is_asked_about(rig: Rig) -> None:
    ambiguous(rig)
    answer(rig, rig.questions()[0].id, Choice.LINK, client_id=john(rig), pet_id=pet_of(rig, mary(rig)))
    rig.run()
    assert visit(rig)["owner"] == rig.placeholder.client_id
    assert [one.why for one in rig.questions()] == ["pet-of-another"]


def test_the_placeholder_is_nobody_whom_an_answer_may_name(rig: Rig) -> None:
    ambiguous(rig)
    answer(rig, rig.questions()[0].id, Choice.LINK, client_id=rig.placeholder.client_id)
    rig.run()
    assert "[VetBridge" in visit(rig)["notes"]
    assert [one.why for one in rig.questions()] == ["client-inactive"]


# -- undo -----------------------------------------------------------------------------------------------------------


def test_undo_carries_what_the_owner_moved_meanwhile(rig: Rig) -> None:
    id_ = ambiguous(rig)
    item = rig.questions()[0].id
    link_to(rig, item, john(rig))
    rig.run()
    answer(rig, item, Choice.UNDO)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": later(rig, booking(rig, id_), 5)})
    rig.run()
    assert visit(rig)["start"][:16] == booking(rig, id_)["start"][:16]
    assert visit(rig)["owner"] == rig.placeholder.client_id
    assert [one.id for one in rig.questions()] == [item]
    quiet(rig)


def test_undo_that_staff_carry_out_closes_its_line_and_asks_again(rig: Rig) -> None:
    ambiguous(rig)
    item = rig.questions()[0].id
    link_to(rig, item, john(rig))
    rig.run()
    make_unverified(rig, ignoring=True)
    answer(rig, item, Choice.UNDO)
    rig.run()
    assert lines(rig) == 1
    park(rig)
    rig.run()
    assert lines(rig) == 0
    assert len(rig.questions()) == 1
    assert "Igor" in visit(rig)["notes"]
    quiet(rig)


def test_undo_of_a_cancelled_visit_is_at_rest(rig: Rig) -> None:
    id_ = ambiguous(rig)
    item = rig.questions()[0].id or 0
    link_to(rig, item, john(rig))
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    answer(rig, item, Choice.UNDO)
    rig.run()
    with rig.ledger.read() as tx:
        row = reviews.item(tx, item)
    assert row is not None
    assert row.applied_at is not None


def test_an_adoption_is_taken_back_with_its_booking_and_may_be_answered_anew(rig: Rig) -> None:
    desk(rig, rig.placeholder.client_id, rig.placeholder.pet_id, notes=NOTES)
    rig.run()
    item = rig.questions()[0].id
    link_to(rig, item, john(rig))
    rig.run()
    answer(rig, item, Choice.UNDO)
    rig.run()
    assert [one.id for one in rig.questions()] == [item]
    assert (visit(rig)["owner"], visit(rig)["state"]) == (rig.placeholder.client_id, "booked")
    assert [row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)] == ["cancelled"]
    quiet(rig)
    link_to(rig, item, mary(rig))
    rig.run()
    assert visit(rig)["owner"] == mary(rig)
    assert sorted(row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)) == ["booked", "cancelled"]
    quiet(rig)


# -- what staff do in the PIMS --------------------------------------------------------------------------------------


def test_a_visit_that_staff_put_back_on_the_placeholder_is_asked_about(rig: Rig) -> None:
    ambiguous(rig)
    link_to(rig, rig.questions()[0].id, john(rig))
    rig.run()
    park(rig)
    rig.run()
    assert [one.why for one in rig.questions()] == ["off-its-owner"]
    assert "Igor" in visit(rig)["notes"]
    quiet(rig)
    link_to(rig, rig.questions()[0].id, mary(rig))
    rig.run()
    assert visit(rig)["owner"] == mary(rig)
    assert "[VetBridge" not in visit(rig)["notes"]


def test_a_line_of_the_work_list_is_confirmed_by_the_right_client_alone(rig: Rig) -> None:
    ambiguous(rig)
    make_unverified(rig, ignoring=True)
    link_to(rig, rig.questions()[0].id, mary(rig))
    rig.run()
    put_on(rig, john(rig))
    rig.run()
    assert lines(rig) == 1
    assert "[VetBridge" in visit(rig)["notes"]
    put_on(rig, mary(rig))
    rig.run()
    assert lines(rig) == 0
    assert "[VetBridge" not in visit(rig)["notes"]
    quiet(rig)


def test_a_line_of_the_work_list_ends_with_its_visit(rig: Rig) -> None:
    id_ = ambiguous(rig)
    make_unverified(rig, ignoring=True)
    link_to(rig, rig.questions()[0].id, mary(rig))
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()
    assert lines(rig) == 0


def test_a_desk_visit_that_is_given_to_another_owner_is_given_to_their_card(rig: Rig) -> None:
    desk(rig, john(rig), pet_of(rig, john(rig)))
    rig.run()
    put_on(rig, mary(rig))
    rig.run()
    (row,) = rig.booking.rows(Kind.APPOINTMENT)
    card, pet = rig.booking.row(Kind.CLIENT, row["owner"]), rig.booking.row(Kind.PET, row["pet"])
    assert card is not None
    assert pet is not None
    assert (card["name"]["family"], pet["name"]) == ("Jones", "Rex")
    quiet(rig)


def test_a_desk_visit_whose_new_owner_cannot_be_a_client_there_is_asked_about(rig: Rig) -> None:
    ida = rig.owner("Ida", "Silent", "none", "Mimi")
    desk(rig, john(rig), pet_of(rig, john(rig)))
    rig.run()
    put_on(rig, ida)
    rig.run()
    assert [one.why for one in rig.questions()] == ["no-client-there"]
    answer(rig, rig.questions()[0].id, Choice.KEEP)
    rig.run()
    assert rig.questions() == ()
    quiet(rig)


def test_an_adoption_that_is_answered_after_the_visit_began_still_gives_it_to_its_owner(rig: Rig) -> None:
    desk(rig, rig.placeholder.client_id, rig.placeholder.pet_id, notes=NOTES, hours=1)
    rig.run()
    rig.clock.advance(7200)
    link_to(rig, rig.questions()[0].id, john(rig))
    rig.run()
    assert visit(rig)["owner"] == john(rig)
    assert rig.booking.rows(Kind.APPOINTMENT) == []


def test_a_question_about_a_visit_that_is_gone_is_closed_after_two_misses(rig: Rig) -> None:
    desk(rig, john(rig), pet_of(rig, john(rig)))
    left = desk(rig, rig.placeholder.client_id, rig.placeholder.pet_id, notes=NOTES, hours=70)
    rig.run()
    assert len(rig.questions()) == 1
    rig.pims.remove(Kind.APPOINTMENT, left)
    rig.hint_kind(Kind.APPOINTMENT, left, "pims")
    rig.work()
    assert len(rig.questions()) == 1
    rig.settle()
    assert rig.questions() == ()


# -- what changes at the booking side -------------------------------------------------------------------------------


def test_a_booking_that_is_given_to_another_client_is_asked_about(rig: Rig) -> None:
    id_ = booked(rig)
    card = rig._card("Mary", "Jones", "+447912000002")
    rig.booking.edit(
        Kind.APPOINTMENT,
        id_,
        {
            "owner": card,
            "booker": {"given": "Mary", "family": "Jones", "phones": ["+447912000002"]},
            "animal": {"name": "Rex", "species": "D"},
        },
    )
    rig.run()
    assert [one.why for one in rig.questions()] == ["booked-by-another"]
    assert visit(rig)["owner"] == john(rig)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": later(rig, booking(rig, id_), 3)})
    rig.run()
    assert visit(rig)["start"][:16] == booking(rig, id_)["start"][:16]
    (item,) = rig.questions()
    with rig.ledger.read() as tx:
        assert [one["client_id"] for one in reviews.question(tx, item)["candidates"]] == [mary(rig)]
    link_to(rig, item.id, mary(rig))
    rig.run()
    assert visit(rig)["owner"] == mary(rig)
    assert rig.questions() == ()
    quiet(rig)


def test_cards_that_are_merged_at_the_booking_side_ask_nobody(rig: Rig) -> None:
    id_ = booked(rig)
    card = rig.booking.add(Kind.CLIENT, {"name": {"given": "John", "family": "Smith"}, "phones": ["+447912000001"]})
    rig.booking.edit(Kind.APPOINTMENT, id_, {"owner": card})
    rig.run()
    assert rig.questions() == ()
    quiet(rig)


def test_who_shares_a_card_by_the_phone_leaves_it_when_the_phone_is_another(rig: Rig) -> None:
    ann = rig.owner("Ann", "Weiss", "+447912000009", "Luna")
    bob = rig.owner("Bob", "Berg", "+447912000009", "Odin")
    rig.refresher.pass_()
    desk(rig, ann, pet_of(rig, ann))
    rig.run()
    desk(rig, bob, pet_of(rig, bob), hours=70)
    rig.run()
    rig.pims.edit(Kind.CLIENT, ann, {"phones": ["+447912000019"]})
    rig.run()
    desk(rig, bob, pet_of(rig, bob), hours=75)
    rig.run()
    card = rig.booking.row(Kind.CLIENT, rig.booking.rows(Kind.APPOINTMENT)[-1]["owner"])
    assert card is not None
    assert card["phones"] == ["+447912000009"]


def test_a_pet_that_went_to_another_owner_is_not_booked_on_the_first_ones_card(rig: Rig) -> None:
    desk(rig, john(rig), pet_of(rig, john(rig)))
    rig.run()
    bella = pet_of(rig, john(rig))
    rig.pims.edit(Kind.PET, bella, {"owner": mary(rig)})
    rig.run()
    desk(rig, mary(rig), bella, hours=80)
    rig.run()
    row = rig.booking.rows(Kind.APPOINTMENT)[-1]
    pet = rig.booking.row(Kind.PET, row["pet"])
    assert pet is not None
    assert pet["owner"] == row["owner"]


@pytest.mark.parametrize("unverified", [False, True])
def test_who_booked_is_told_no_more_where_an_answered_visit_is_cancelled_before_its_notes_are_written(
    rig: Rig, unverified: bool
) -> None:
    if unverified:
        make_unverified(rig, ignoring=False)
    id_ = ambiguous(rig, notes="He limps")

    def cancelled_while_the_pims_is_away() -> None:
        rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
        rig.pims.fail(Unavailable("away"), times=1)

    at_first(rig, "answered", cancelled_while_the_pims_is_away)
    link_to(rig, rig.questions()[0].id, john(rig))
    rig.run()
    assert (visit(rig)["owner"], visit(rig)["state"]) == (john(rig), "cancelled")
    assert "Stravinsky" not in visit(rig)["notes"]
    assert "He limps" in visit(rig)["notes"]
    with rig.ledger.read() as tx:
        (link,) = reports.list_links(tx, kind="appointment", limit=9)[1]
        assert not link.unlinked
    quiet(rig)
