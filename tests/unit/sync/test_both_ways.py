"""What the front desk changes in the PIMS comes back to the booking side, and nothing bounces."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from vetbridge.connector.interface import Operation, Receipt, Write
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.errors import OutcomeUnknown
from vetbridge.core.records import Kind
from vetbridge.ledger import links, reviews, worklist
from vetbridge.testing.memory import MemorySide, memory_capabilities


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("John", "Smith", "+447912000001", "Bella")
    made.owner("Mary", "Jones", "+447912000002", "Rex")
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
    row = rig.booking.row(Kind.APPOINTMENT, id_)
    assert row is not None
    return row


def later(rig: Rig, row: dict[str, Any], hours: float) -> str:
    from datetime import datetime  # noqa: PLC0415

    return (datetime.fromisoformat(row["start"]) + timedelta(hours=hours)).isoformat()


def quiet(rig: Rig) -> None:
    """Nothing more is written, however often both sides are read."""
    written = len(rig.booking.written) + len(rig.pims.written)
    rig.run()
    rig.sweeper.sweep()
    rig.run()
    assert len(rig.booking.written) + len(rig.pims.written) == written


# -- visits that stand on both sides --------------------------------------------------------------------------------


def test_a_move_at_the_desk_reaches_the_booking_side_and_is_no_echo(rig: Rig) -> None:
    id_ = booked(rig)
    moved = later(rig, visit(rig), 30)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"start": moved, "who": "v2"})
    rig.run()
    assert booking(rig, id_)["start"][:16] == moved[:16]
    assert booking(rig, id_)["who"] == "v2"
    assert ("done", "brought-back") in rig.endings()
    quiet(rig)


@pytest.mark.parametrize("state", ["confirmed", "here", "done", "missed"])
def test_a_status_set_at_the_desk_reaches_the_booking_side(rig: Rig, state: str) -> None:
    id_ = booked(rig)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"state": state})
    rig.run()
    assert booking(rig, id_)["state"] == state
    quiet(rig)


def test_a_confirmation_of_the_owner_reaches_the_pims(rig: Rig) -> None:
    id_ = booked(rig)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "confirmed"})
    rig.run()
    assert visit(rig)["state"] == "confirmed"
    quiet(rig)


def test_a_visit_that_is_over_is_not_taken_back_by_the_booking_side(rig: Rig) -> None:
    id_ = booked(rig)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"state": "done"})
    rig.run()
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "missed"})
    rig.run()
    assert visit(rig)["state"] == "done"
    assert booking(rig, id_)["state"] == "done"
    quiet(rig)


def test_a_cancellation_at_the_desk_cancels_the_booking(rig: Rig) -> None:
    id_ = booked(rig)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"state": "cancelled", "cancelled": {"by": "clinic"}})
    rig.run()
    assert booking(rig, id_)["state"] == "cancelled"
    assert booking(rig, id_)["cancelled"]["by"] == "clinic"
    quiet(rig)


def test_a_visit_that_vanished_from_the_pims_is_missed_twice_before_the_booking_is_cancelled(rig: Rig) -> None:
    rig.book("Mary", "Jones", "+447912000002", "Rex")
    id_ = booked(rig)
    gone = next(row for row in rig.visits() if row["animal"] is None and row["start"] == booking(rig, id_)["start"])
    rig.pims.remove(Kind.APPOINTMENT, gone["id"])
    rig.receiver.poll_desk()
    rig.work()
    assert booking(rig, id_)["state"] == "booked"
    rig.settle()
    assert booking(rig, id_)["state"] == "cancelled"


def test_both_sides_changing_different_things_is_carried_both_ways(rig: Rig) -> None:
    id_ = booked(rig)
    moved = later(rig, visit(rig), 30)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"state": "confirmed"})
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": moved})
    rig.run()
    assert visit(rig)["start"][:16] == moved[:16]
    assert booking(rig, id_)["state"] == "confirmed"
    quiet(rig)


def test_staffs_own_notes_stay_in_the_pims(rig: Rig) -> None:
    id_ = booked(rig)
    notes = visit(rig)["notes"] + "\nFasted since midnight."
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"notes": notes})
    rig.run()
    assert booking(rig, id_)["notes"] == ""
    quiet(rig)


# -- visits made at the desk ----------------------------------------------------------------------------------------


def desk(rig: Rig, client: str | None, pet: str | None = None, *, hours: float = 60, **more: Any) -> str:
    start = rig.clock.now() + timedelta(hours=hours)
    return rig.pims.add(
        Kind.APPOINTMENT,
        {"owner": client, "pet": pet, "start": start.isoformat(), "seconds": 900, "type": "1", "who": "v1", **more},
    )


def pet_of(rig: Rig, client: str) -> str:
    return str(next(row["id"] for row in rig.pims.rows(Kind.PET) if row["owner"] == client))


def test_a_visit_made_at_the_desk_is_booked_and_its_owner_becomes_a_client_there(rig: Rig) -> None:
    owner = rig.owner("Ann", "Weiss", "+447912000009", "Luna")
    rig.run()
    made = desk(rig, owner, pet_of(rig, owner), notes="Dr Lee only")
    rig.run()
    (card,) = rig.booking.rows(Kind.CLIENT)
    (row,) = rig.booking.rows(Kind.APPOINTMENT)
    assert card["name"] == {"given": "Ann", "family": "Weiss"}
    assert row["owner"] == card["id"]
    assert row["animal"]["name"] == "Luna"
    assert row["notes"] == ""
    assert ("done", "carried") in rig.endings()
    quiet(rig)

    rig.pims.edit(Kind.APPOINTMENT, made, {"start": later(rig, row, 5)})
    rig.run()
    (row,) = rig.booking.rows(Kind.APPOINTMENT)
    assert row["start"][:16] == rig.visits()[0]["start"][:16]
    rig.booking.edit(Kind.APPOINTMENT, row["id"], {"state": "cancelled"})
    rig.run()
    assert rig.visits()[0]["state"] == "cancelled"
    assert rig.visits()[0]["notes"] == "Dr Lee only"
    quiet(rig)


def test_nobody_becomes_a_client_there_without_a_visit(rig: Rig) -> None:
    rig.owner("Ann", "Weiss", "+447912000009", "Luna")
    rig.run()
    rig.sweeper.sweep()
    rig.run()
    assert rig.booking.rows(Kind.CLIENT) == []


def test_an_owner_without_a_phone_is_booked_without_a_client_with_the_name_in_the_comment(rig: Rig) -> None:
    owner = rig.owner("Ann", "Weiss", "none", "Luna")
    desk(rig, owner, pet_of(rig, owner))
    rig.run()
    (row,) = rig.booking.rows(Kind.APPOINTMENT)
    assert row["owner"] is None
    assert "Ann Weiss" in row["notes"]
    assert rig.booking.rows(Kind.CLIENT) == []
    quiet(rig)


def test_a_couple_with_one_phone_shares_the_one_client_there(rig: Rig) -> None:
    ann = rig.owner("Ann", "Weiss", "+447912000009", "Luna")
    bob = rig.owner("Bob", "Berg", "+447912000009", "Odin")
    rig.refresher.pass_()
    desk(rig, ann, pet_of(rig, ann))
    rig.run()
    desk(rig, bob, pet_of(rig, bob), hours=70)
    rig.run()
    (card,) = rig.booking.rows(Kind.CLIENT)
    assert {row["owner"] for row in rig.booking.rows(Kind.APPOINTMENT)} == {card["id"]}
    with rig.ledger.read() as tx:
        roles = [link.role for link in links.of_client_members(tx, "booking", card["id"])]
    assert roles == ["primary", "member"]


def test_a_stranger_who_has_the_phone_there_never_gets_the_visit(rig: Rig) -> None:
    rig.booking.add(Kind.CLIENT, {"name": {"given": "Igor", "family": "Stravinsky"}, "phones": ["+447912000009"]})
    ann = rig.owner("Ann", "Weiss", "+447912000009", "Luna")
    rig.refresher.pass_()
    desk(rig, ann, pet_of(rig, ann))
    rig.run()
    (row,) = rig.booking.rows(Kind.APPOINTMENT)
    assert row["owner"] is None
    assert len(rig.booking.rows(Kind.CLIENT)) == 1


def test_what_was_cancelled_or_is_over_is_not_carried(rig: Rig) -> None:
    owner = rig.pims.rows(Kind.CLIENT)[1]["id"]
    desk(rig, owner, state="cancelled")
    desk(rig, owner, hours=-2)
    rig.run()
    assert rig.booking.rows(Kind.APPOINTMENT) == []


def test_a_time_that_is_taken_at_the_booking_side_is_a_question_and_again_books_it_beside(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.booking = MemorySide(memory_capabilities(), exclusive=True)
    rig.start()
    owner = rig.owner("Ann", "Weiss", "+447912000009", "Luna")
    other = rig.book("John", "Smith", "+447912000001", "Bella", hours=60)
    rig.booking.edit(Kind.APPOINTMENT, other, {"type": "99"})  # the PIMS cannot have it
    desk(rig, owner, pet_of(rig, owner))
    rig.run()
    (item,) = rig.questions()
    assert item.why == "slot-taken"
    answer(rig, item.id, Choice.AGAIN)
    rig.run()
    assert rig.questions() == ()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 2


def test_a_time_that_is_taken_in_the_pims_is_a_question_that_shows_the_other_visit(rig: Rig) -> None:
    owner = rig.pims.rows(Kind.CLIENT)[2]["id"]
    held = desk(rig, owner, who="v1", hours=50, type="99")
    rig.book("John", "Smith", "+447912000001", "Bella", hours=50)
    rig.pims.edit(Kind.APPOINTMENT, held, {"type": "2"})
    rig.receiver.poll()
    rig.refresher.pass_()
    rig.settle()
    (item,) = rig.questions()
    assert item.why == "slot-taken"
    with rig.ledger.read() as tx:
        assert reviews.question(tx, item)["other"].id == held
    answer(rig, item.id, Choice.AGAIN)
    rig.settle()
    assert len(rig.visits()) == 2


def lost_create(rig: Rig, edit: dict[str, Any]) -> str:
    """A booking whose visit was made, the answer lost, and the desk quicker than the look for it."""
    rig.refresher.pass_()
    rig.pims.lose_answers(done=True)
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.receiver.poll()
    rig.work()
    assert rig.endings()[-1] == ("waiting", "outcome-unknown")
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], edit)
    return id_


def test_what_the_desk_did_before_a_lost_answer_was_found_is_a_change_of_its_own(rig: Rig) -> None:
    id_ = lost_create(rig, {"state": "confirmed", "who": "v2"})
    rig.settle()
    rig.run()
    assert (booking(rig, id_)["state"], booking(rig, id_)["who"]) == ("confirmed", "v2")
    quiet(rig)


def test_moved_by_both_before_a_lost_answer_was_found_is_a_question(rig: Rig) -> None:
    id_ = lost_create(rig, {})
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"start": later(rig, visit(rig), 40)})
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": later(rig, booking(rig, id_), 30)})
    rig.settle()
    rig.run()
    assert [item.why for item in rig.questions()] == ["conflict"]


def meanwhile(side: MemorySide, deed: Callable[[str], None], *, lost: bool) -> None:
    """Somebody is quicker than the read of what the next update of a visit made; ``lost``: no answer comes."""
    apply = side.apply

    def applied(write: Write) -> Receipt:
        if write.kind is not Kind.APPOINTMENT or write.operation is not Operation.UPDATE:
            return apply(write)
        receipt = apply(write)
        side.apply = apply  # type: ignore[method-assign]
        deed(receipt.id)
        if lost:
            raise OutcomeUnknown("memory: no answer came")
        return Receipt(id=receipt.id, native=side.get(Kind.APPOINTMENT, receipt.id))

    side.apply = applied  # type: ignore[method-assign]


@pytest.mark.parametrize("lost", [False, True])
def test_an_owner_who_cancels_while_the_desks_move_is_carried_is_no_part_of_it(rig: Rig, lost: bool) -> None:
    booked(rig)
    meanwhile(rig.booking, lambda id_: rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"}), lost=lost)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"start": later(rig, visit(rig), 30)})
    rig.run()
    rig.run()
    assert visit(rig)["state"] == "cancelled"
    quiet(rig)


@pytest.mark.parametrize("lost", [False, True])
def test_a_desk_that_cancels_while_the_owners_move_is_carried_is_no_part_of_it(rig: Rig, lost: bool) -> None:
    id_ = booked(rig)
    meanwhile(rig.pims, lambda there: rig.pims.edit(Kind.APPOINTMENT, there, {"state": "cancelled"}), lost=lost)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": later(rig, booking(rig, id_), 30)})
    rig.run()
    rig.run()
    assert booking(rig, id_)["state"] == "cancelled"
    quiet(rig)


# -- answers --------------------------------------------------------------------------------------------------------


def answer(rig: Rig, item_id: int | None, choice: Choice, **more: Any) -> None:
    with rig.ledger.write() as tx:
        item = reviews.item(tx, item_id or 0)
        assert item is not None
        reviews.answer(tx, item, Answer(choice=choice, **more), "Kim")


def ambiguous(rig: Rig, **more: Any) -> str:
    """A stranger's name under John Smith's phone."""
    id_ = rig.book("Igor", "Stravinsky", "+447912000001", "Firebird", **more)
    rig.run()
    assert visit(rig)["owner"] == rig.placeholder.client_id
    return id_


@pytest.mark.parametrize("unverified", [False, True])
def test_an_answer_relinks_the_very_visit_and_the_owner_can_still_move_and_cancel_it(
    rig: Rig, unverified: bool
) -> None:
    if unverified:
        make_unverified(rig, ignoring=False)
    id_ = ambiguous(rig, notes="He limps")
    stood = visit(rig)["id"]
    rig.pims.edit(Kind.APPOINTMENT, stood, {"notes": "Muzzle!\n" + visit(rig)["notes"] + "\nRoom 2"})
    john = rig.pims.rows(Kind.CLIENT)[1]["id"]
    bella = pet_of(rig, john)
    answer(rig, rig.questions()[0].id, Choice.LINK, client_id=john, pet_id=bella)
    rig.run()
    assert (visit(rig)["id"], visit(rig)["owner"], visit(rig)["pet"]) == (stood, john, bella)
    assert visit(rig)["notes"] == "Muzzle!\nComment: He limps\nRoom 2"
    assert rig.questions() == ()
    assert rig.endings()[-1] == ("done", "linked")
    quiet(rig)

    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": later(rig, booking(rig, id_), 3)})
    rig.run()
    assert visit(rig)["start"][:16] == booking(rig, id_)["start"][:16]
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()
    assert visit(rig)["state"] == "cancelled"
    assert visit(rig)["owner"] == john
    quiet(rig)


def test_an_answer_that_it_is_somebody_new_makes_owner_and_pet_and_relinks(rig: Rig) -> None:
    ambiguous(rig)
    stood = visit(rig)["id"]
    answer(rig, rig.questions()[0].id, Choice.NEW)
    rig.run()
    igor = next(row for row in rig.pims.rows(Kind.CLIENT) if row["name"]["family"] == "Stravinsky")
    assert (visit(rig)["id"], visit(rig)["owner"], visit(rig)["pet"]) == (stood, igor["id"], pet_of(rig, igor["id"]))
    quiet(rig)
    # The card of the booking side is by phone, and so may be John's: it is not taken for Igor's.
    with rig.ledger.read() as tx:
        assert links.of_pims(tx, "pims", Kind.CLIENT, igor["id"]) is None


@pytest.mark.parametrize("lost", range(4))
def test_a_new_owner_is_made_once_whichever_answer_of_the_pims_is_lost(rig: Rig, lost: int) -> None:
    ambiguous(rig)
    answer(rig, rig.questions()[0].id, Choice.NEW)
    apply, writes = rig.pims.apply, iter(range(100))

    def losing(write: Write) -> Receipt:
        receipt = apply(write)
        if next(writes) == lost:
            raise OutcomeUnknown("memory: no answer came")
        return receipt

    rig.pims.apply = losing  # type: ignore[method-assign]
    rig.run()
    assert sum(row["name"]["family"] == "Stravinsky" for row in rig.pims.rows(Kind.CLIENT)) == 1
    assert sum(row["name"] == "Firebird" for row in rig.pims.rows(Kind.PET)) == 1
    assert "[VetBridge" not in visit(rig)["notes"]
    assert rig.questions() == ()


def test_an_answer_with_a_client_alone_finds_or_makes_the_booked_pet(rig: Rig) -> None:
    ambiguous(rig)
    john = rig.pims.rows(Kind.CLIENT)[1]["id"]
    answer(rig, rig.questions()[0].id, Choice.LINK, client_id=john)
    rig.run()
    pet = rig.pims.row(Kind.PET, visit(rig)["pet"])
    assert pet is not None
    assert (pet["owner"], pet["name"]) == (john, "Firebird")


def make_unverified(rig: Rig, *, ignoring: bool) -> None:
    from dataclasses import replace  # noqa: PLC0415

    from vetbridge.connector.interface import Relink  # noqa: PLC0415

    able = rig.pims.capabilities
    visits = replace(able.of(Kind.APPOINTMENT), relink=Relink.UNVERIFIED)
    rig.pims._capabilities = replace(able, kinds={**able.kinds, Kind.APPOINTMENT: visits})
    rig.pims.ignore_relink = ignoring


def test_where_the_pims_ignores_the_relink_staff_are_asked_and_the_next_read_confirms(rig: Rig) -> None:
    id_ = ambiguous(rig)
    make_unverified(rig, ignoring=True)
    john = rig.pims.rows(Kind.CLIENT)[1]["id"]
    bella = pet_of(rig, john)
    answer(rig, rig.questions()[0].id, Choice.LINK, client_id=john, pet_id=bella)
    rig.run()
    assert rig.endings()[-1] == ("done", "on-work-list")
    assert "[VetBridge" in visit(rig)["notes"]  # the details stay until it is done
    with rig.ledger.read() as tx:
        (line,) = worklist.lines(tx)
        assert worklist.detail(tx, line) == {"client_id": john, "pet_id": bella}
        assert rig.questions() == ()

    # The owner moves it meanwhile: it follows, and the line stands.
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": later(rig, booking(rig, id_), 3)})
    rig.run()
    assert visit(rig)["start"][:16] == booking(rig, id_)["start"][:16]
    with rig.ledger.read() as tx:
        assert len(worklist.lines(tx)) == 1

    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"owner": john, "pet": bella})
    rig.run()
    with rig.ledger.read() as tx:
        assert worklist.lines(tx) == ()
    assert "[VetBridge" not in visit(rig)["notes"]
    quiet(rig)


def test_undo_puts_the_visit_back_on_the_placeholder_and_asks_again(rig: Rig) -> None:
    ambiguous(rig)
    john = rig.pims.rows(Kind.CLIENT)[1]["id"]
    item = rig.questions()[0].id
    answer(rig, item, Choice.LINK, client_id=john, pet_id=pet_of(rig, john))
    rig.run()
    answer(rig, item, Choice.UNDO)
    rig.run()
    assert visit(rig)["owner"] == rig.placeholder.client_id
    assert "Igor Stravinsky" in visit(rig)["notes"]
    assert [one.id for one in rig.questions()] == [item]
    quiet(rig)
    answer(rig, item, Choice.NEW)
    rig.run()
    assert visit(rig)["owner"] not in (john, rig.placeholder.client_id)


def test_staff_who_link_the_visit_themselves_have_answered(rig: Rig) -> None:
    ambiguous(rig)
    john = rig.pims.rows(Kind.CLIENT)[1]["id"]
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"owner": john, "pet": pet_of(rig, john)})
    rig.run()
    assert rig.questions() == ()
    assert "[VetBridge" not in visit(rig)["notes"]
    quiet(rig)


# -- conflicts ------------------------------------------------------------------------------------------------------


def conflict(rig: Rig) -> tuple[str, str, str]:
    id_ = booked(rig)
    mine, theirs = later(rig, visit(rig), 30), later(rig, visit(rig), 40)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": mine})
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"start": theirs})
    rig.run()
    (item,) = rig.questions()
    assert item.why == "conflict"
    with rig.ledger.read() as tx:
        asked = reviews.question(tx, item)
    assert (asked["booking"].start.utc.isoformat()[:16], asked["pims"].start.utc.isoformat()[:16]) == (
        mine[:16],
        theirs[:16],
    )
    quiet(rig)
    return id_, mine, theirs


@pytest.mark.parametrize("choice", [Choice.BOOKING, Choice.PIMS, Choice.KEEP])
def test_a_visit_moved_on_both_sides_is_a_question_and_the_answer_holds(rig: Rig, choice: Choice) -> None:
    id_, mine, theirs = conflict(rig)
    answer(rig, rig.questions()[0].id, choice)
    rig.run()
    stand = (booking(rig, id_)["start"][:16], visit(rig)["start"][:16])
    assert (
        stand
        == {
            Choice.BOOKING: (mine[:16], mine[:16]),
            Choice.PIMS: (theirs[:16], theirs[:16]),
            Choice.KEEP: (mine[:16], theirs[:16]),
        }[choice]
    )
    assert rig.questions() == ()
    quiet(rig)


@pytest.mark.parametrize(
    ("choice", "states"),
    [
        (Choice.BOOKING, (["cancelled"], ["cancelled"])),
        (Choice.KEEP, (["cancelled"], ["booked"])),
        (Choice.PIMS, (["booked", "cancelled"], ["booked"])),
    ],
)
def test_cancelled_by_the_owner_and_moved_at_the_desk_is_a_question(
    rig: Rig, choice: Choice, states: tuple[list[str], list[str]]
) -> None:
    id_ = booked(rig)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"start": later(rig, visit(rig), 30)})
    rig.run()
    (item,) = rig.questions()
    assert item.why == "cancelled-here-moved-there"
    answer(rig, item.id, choice)
    rig.run()
    assert sorted(row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)) == states[0]
    assert sorted(row["state"] for row in rig.visits()) == states[1]
    quiet(rig)


def test_moved_by_the_owner_and_cancelled_at_the_desk_can_stand_anew(rig: Rig) -> None:
    id_ = booked(rig)
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"state": "cancelled"})
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": later(rig, visit(rig), 30)})
    rig.run()
    (item,) = rig.questions()
    assert item.why == "moved-here-cancelled-there"
    answer(rig, item.id, Choice.BOOKING)
    rig.run()
    assert sorted(row["state"] for row in rig.visits()) == ["booked", "cancelled"]
    assert booking(rig, id_)["state"] == "booked"
    quiet(rig)


def test_a_conflict_on_a_parked_visit_leaves_the_question_whose_it_is(rig: Rig) -> None:
    id_ = ambiguous(rig)
    rig.booking.edit(Kind.APPOINTMENT, id_, {"start": later(rig, visit(rig), 30)})
    rig.pims.edit(Kind.APPOINTMENT, visit(rig)["id"], {"start": later(rig, visit(rig), 40)})
    rig.run()
    (item,) = rig.questions()
    assert item.why == "conflict"
    answer(rig, item.id, Choice.PIMS)
    rig.run()
    (item,) = rig.questions()
    assert item.why == "names-differ"
    with rig.ledger.read() as tx:
        assert reviews.question(tx, item)["candidates"]


def test_notes_that_were_saved_over_lose_the_words_about_an_uncertain_owner_again(rig: Rig) -> None:
    """Staff had the visit open while it got its owner, and saved its notes as they were before, with a line added."""
    john = rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.refresher.pass_()
    rig.book("Peter", "Jones", "+447912000001", "Rocky")
    rig.run()
    (visit,) = rig.visits()
    stale = visit["notes"]
    assert "Jones" in stale
    answer(rig, rig.questions()[0].id, Choice.LINK, client_id=john, pet_id=pet_of(rig, john))
    rig.run()
    assert "Jones" not in rig.visits()[0]["notes"]

    rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"notes": f"{stale}\nmuzzle"})
    rig.run()

    assert "Jones" not in rig.visits()[0]["notes"]
    assert "muzzle" in rig.visits()[0]["notes"]
    assert rig.visits()[0]["owner"] == john
