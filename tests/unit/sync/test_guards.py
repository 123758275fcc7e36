"""What stands between a mistake and a clinic's diary: fuse, sweep, expiry; and what others left behind."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from tests.unit.sync.test_both_ways import answer, desk, pet_of
from vetbridge.core.answers import Choice
from vetbridge.core.records import Kind
from vetbridge.ledger import changes, fuses, reviews
from vetbridge.sync.receiving import Receiver


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


LIMIT = 30


def purged(rig: Rig, count: int) -> list[str]:
    """Many visits that stand on both sides, and are cancelled in the PIMS all at once."""
    owner = rig.owner("Ann", "Weiss", "+447912000009", "Luna")
    pet = pet_of(rig, owner)
    visits = [desk(rig, owner, pet, hours=50 + n) for n in range(count)]
    rig.run()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == count
    for id_ in visits:
        rig.pims.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()
    return visits


def states(rig: Rig) -> list[str]:
    return sorted(row["state"] for row in rig.booking.rows(Kind.APPOINTMENT))


def test_the_fuse_stops_a_mass_cancellation_with_one_question_while_additions_flow(rig: Rig) -> None:
    purged(rig, LIMIT + 5)
    assert states(rig).count("cancelled") == LIMIT
    (item,) = rig.questions()
    assert (item.why, item.record_id) == ("fuse-blown", None)
    with rig.ledger.read() as tx:
        assert len(fuses.held(tx, "town")) == 5

    new = rig.owner("Bob", "Berg", "+447912000010", "Odin")
    desk(rig, new, pet_of(rig, new), hours=300)
    rig.run()
    assert states(rig).count("booked") == 6

    # An hour passes: it is a person who lets it go on, not the clock.
    rig.clock.advance(2 * 3600)
    rig.run()
    assert states(rig).count("cancelled") == LIMIT


def test_allowed_by_a_person_the_rest_goes_through(rig: Rig) -> None:
    purged(rig, LIMIT + 5)
    with rig.ledger.write() as tx:
        item = reviews.item(tx, rig.questions()[0].id or 0)
        assert item is not None
        assert fuses.answer(tx, item, Choice.ALLOW, "Kim") == 5
    rig.run()
    assert states(rig) == ["cancelled"] * (LIMIT + 5)
    assert rig.questions() == ()


def test_kept_by_a_person_both_sides_stay_as_they_are(rig: Rig) -> None:
    purged(rig, LIMIT + 5)
    with rig.ledger.write() as tx:
        item = reviews.item(tx, rig.questions()[0].id or 0)
        assert item is not None
        fuses.answer(tx, item, Choice.KEEP, "Kim")
    rig.run()
    rig.sweeper.sweep()
    rig.run()
    assert states(rig).count("booked") == 5
    assert rig.questions() == ()


def test_moves_count_against_the_fuse_and_statuses_do_not(rig: Rig) -> None:
    owner = rig.owner("Ann", "Weiss", "+447912000009", "Luna")
    pet = pet_of(rig, owner)
    visits = [desk(rig, owner, pet, hours=50 + n) for n in range(LIMIT + 2)]
    rig.run()
    for id_ in visits:
        rig.pims.edit(Kind.APPOINTMENT, id_, {"state": "confirmed"})
    rig.run()
    assert rig.questions() == ()
    for id_ in visits:
        rig.pims.edit(Kind.APPOINTMENT, id_, {"who": "v2"})
    rig.run()
    assert [item.why for item in rig.questions()] == ["fuse-blown"]
    assert sum(row["who"] == "v2" for row in rig.booking.rows(Kind.APPOINTMENT)) == LIMIT


# -- the sweep ------------------------------------------------------------------------------------------------------


class Deaf(Receiver):
    """Moves its cursor and takes nothing: every hint is lost."""

    def receive(self, *_: Any, **__: Any) -> None:
        """Not heard."""


def test_the_sweep_finds_what_every_hint_was_lost_of(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    ann = rig.owner("Ann", "Weiss", "+447912000009", "Luna")
    moved = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.book("John", "Smith", "+447912000001", "Bella")
    start = (rig.clock.now() + timedelta(hours=100)).isoformat()
    rig.booking.edit(Kind.APPOINTMENT, moved, {"start": start})
    desk(rig, ann, pet_of(rig, ann))
    deaf = Deaf(rig.pair, rig.ledger)
    deaf.poll()
    deaf.poll_desk()
    rig.run()
    assert len(rig.visits()) == 2  # the desk's own, and the first booking's, where it stood

    assert rig.sweeper.sweep() == 0  # nothing vanished
    rig.settle()
    assert len(rig.visits()) == 3
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 3
    assert start[:16] in [row["start"][:16] for row in rig.visits()]
    written = len(rig.pims.written) + len(rig.booking.written)
    rig.sweeper.sweep()
    rig.settle()
    assert len(rig.pims.written) + len(rig.booking.written) == written


def test_a_row_that_vanished_without_a_word_is_noticed_by_the_sweep(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    id_ = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.booking.remove(Kind.APPOINTMENT, id_)
    Deaf(rig.pair, rig.ledger).poll()
    rig.run()
    assert [row["state"] for row in rig.visits()] == ["booked", "booked"]
    assert rig.sweeper.sweep() == 1
    rig.settle()
    assert sorted(row["state"] for row in rig.visits()) == ["booked", "cancelled"]


# -- writes whose visit has begun -----------------------------------------------------------------------------------


def test_what_still_waits_when_its_visit_begins_expires(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.book("John", "Smith", "+447912000001", "Bella", hours=1)
    rig.receiver.poll()  # the mirror is not read yet: nobody counts as new or known
    rig.work()
    with rig.ledger.write() as tx:
        assert changes.expire(tx) == 0
    rig.clock.advance(3601)
    with rig.ledger.write() as tx:
        assert changes.expire(tx) == 1
    assert rig.endings() == [("failed", "expired")]
    rig.run()
    assert rig.visits() == []


# -- what another booking system left -------------------------------------------------------------------------------


NOTES = "VETSTORIA\nClient name: John Smith\nMobile: 07912 000001\nPet name: Bella (dog)\nReason: cough"


def test_a_visit_that_others_left_without_its_owner_is_offered_and_adopted(rig: Rig) -> None:
    john = rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.run()
    left = desk(rig, rig.placeholder.client_id, rig.placeholder.pet_id, notes=NOTES)
    rig.run()
    (item,) = rig.questions()
    with rig.ledger.read() as tx:
        asked = reviews.question(tx, item)
    assert item.why == "adopt"
    assert [one["client_id"] for one in asked["candidates"]] == [john]
    assert asked["booking"].booked_pet.name == "Bella"
    assert rig.booking.rows(Kind.APPOINTMENT) == []

    answer(rig, item.id, Choice.LINK, client_id=john, pet_id=pet_of(rig, john))
    rig.run()
    row = rig.pims.row(Kind.APPOINTMENT, left)
    assert row is not None
    assert (row["owner"], row["notes"]) == (john, NOTES)
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    assert rig.questions() == ()


def test_a_visit_that_is_to_stay_without_an_owner_is_not_asked_about_again(rig: Rig) -> None:
    rig.owner("John", "Smith", "+447912000001", "Bella")
    desk(rig, rig.placeholder.client_id, rig.placeholder.pet_id, notes="hold for Dr Lee")
    rig.run()
    answer(rig, rig.questions()[0].id, Choice.KEEP)
    rig.run()
    rig.sweeper.sweep()
    rig.run()
    assert rig.questions() == ()
    assert rig.booking.rows(Kind.APPOINTMENT) == []


def test_staff_who_give_the_visit_to_its_owner_have_answered(rig: Rig) -> None:
    john = rig.owner("John", "Smith", "+447912000001", "Bella")
    left = desk(rig, rig.placeholder.client_id, rig.placeholder.pet_id, notes=NOTES)
    rig.run()
    rig.pims.edit(Kind.APPOINTMENT, left, {"owner": john, "pet": pet_of(rig, john)})
    rig.run()
    assert rig.questions() == ()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1


# -- people ---------------------------------------------------------------------------------------------------------


def known(rig: Rig) -> tuple[str, str]:
    """A PIMS client who became a client of the booking side by a visit: both ids."""
    owner = rig.owner("Ann", "Weiss", "+447912000009", "Luna", email="ann@example.com")
    desk(rig, owner, pet_of(rig, owner))
    rig.run()
    return owner, str(rig.booking.rows(Kind.CLIENT)[0]["id"])


def card(rig: Rig) -> dict[str, Any]:
    (only,) = rig.booking.rows(Kind.CLIENT)
    return only


def test_a_client_who_changes_in_the_pims_changes_at_the_booking_side(rig: Rig) -> None:
    owner, _ = known(rig)
    rig.pims.edit(Kind.CLIENT, owner, {"name": {"given": "Ann", "family": "Black"}, "phones": ["+447912000019"]})
    rig.run()
    assert card(rig)["name"]["family"] == "Black"
    assert card(rig)["phones"] == ["+447912000019"]
    assert card(rig)["emails"] == ["ann@example.com"]
    written = len(rig.booking.written)
    rig.run()
    assert len(rig.booking.written) == written


def test_what_contradicts_the_pims_is_proposed_to_a_person(rig: Rig) -> None:
    owner, _ = known(rig)
    rig.booking.edit(Kind.CLIENT, card(rig)["id"], {"phones": ["+447912000019"]})
    rig.run()
    row = rig.pims.row(Kind.CLIENT, owner)
    assert row is not None
    assert row["phones"] == ["+447912000009"]
    (item,) = rig.questions()
    assert item.why == "contact-changed"
    answer(rig, item.id, Choice.BOOKING)
    rig.run()
    row = rig.pims.row(Kind.CLIENT, owner)
    assert row is not None
    assert row["phones"] == ["+447912000019"]
    assert rig.questions() == ()


def test_a_person_may_give_the_booking_side_back_what_the_pims_has(rig: Rig) -> None:
    known(rig)
    rig.booking.edit(Kind.CLIENT, card(rig)["id"], {"phones": ["+447912000019"]})
    rig.run()
    answer(rig, rig.questions()[0].id, Choice.PIMS)
    rig.run()
    assert card(rig)["phones"] == ["+447912000009"]
    assert rig.questions() == ()


@pytest.mark.parametrize("right", [Choice.BOOKING, Choice.PIMS])
def test_a_contact_that_nobody_was_shown_is_not_overwritten(rig: Rig, right: Choice) -> None:
    owner, _ = known(rig)
    rig.booking.edit(Kind.CLIENT, card(rig)["id"], {"phones": ["+447912000019"]})
    rig.run()
    answer(rig, rig.questions()[0].id, right)
    newest = {"phones": ["+447912000029"]}
    if right is Choice.BOOKING:
        rig.pims.edit(Kind.CLIENT, owner, newest)
    else:
        rig.booking.edit(Kind.CLIENT, card(rig)["id"], newest)
    rig.run()
    row = rig.pims.row(Kind.CLIENT, owner)
    assert row is not None
    assert newest["phones"] in (row["phones"], card(rig)["phones"])
    assert [item.why for item in rig.questions()] == ["contact-changed"]
    answer(rig, rig.questions()[0].id, right)
    rig.run()
    row = rig.pims.row(Kind.CLIENT, owner)
    assert row is not None
    assert row["phones"] == card(rig)["phones"]
    assert rig.questions() == ()


def test_a_pet_follows_its_visit_and_then_the_pims(rig: Rig) -> None:
    owner, _ = known(rig)
    (pet,) = rig.booking.rows(Kind.PET)
    assert (pet["owner"], pet["name"], pet["species"]) == (card(rig)["id"], "Luna", "D")
    assert rig.booking.rows(Kind.APPOINTMENT)[0]["pet"] == pet["id"]
    rig.pims.edit(Kind.PET, pet_of(rig, owner), {"name": "Luna-Marie"})
    rig.run()
    assert rig.booking.rows(Kind.PET)[0]["name"] == "Luna-Marie"
    rig.booking.edit(Kind.PET, pet["id"], {"name": "Loony"})
    rig.hint_kind(Kind.PET, pet["id"])
    rig.work()
    assert rig.booking.rows(Kind.PET)[0]["name"] == "Luna-Marie"  # the PIMS owns what a pet is
    desk(rig, owner, pet_of(rig, owner), hours=90)
    rig.run()
    assert len(rig.booking.rows(Kind.PET)) == 1


def test_a_client_that_was_merged_away_gives_its_place_to_the_one_that_stays(rig: Rig) -> None:
    old, card_id = known(rig)
    new = rig.owner("Ann", "Weiss", "+447912000009", "Luna")
    rig.pims.edit(Kind.CLIENT, old, {"active": False})
    rig.refresher.pass_()
    desk(rig, new, pet_of(rig, new), hours=90)
    rig.run()
    rows = rig.booking.rows(Kind.APPOINTMENT)
    assert {row["owner"] for row in rows} == {card_id}
    rig.booking.add(
        Kind.APPOINTMENT,
        {
            "owner": card_id,
            "booker": {"given": "Ann", "family": "Weiss", "phones": ["+447912000009"]},
            "animal": {"name": "Luna", "species": "D"},
            "start": (rig.clock.now() + timedelta(hours=120)).isoformat(),
            "seconds": 900,
            "type": "2",
            "who": "v1",
        },
    )
    rig.run()
    assert rig.questions() == ()
    assert rig.visits()[-1]["owner"] == new
