"""What the front desk does in the PIMS comes to the booking side, through both real connectors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from connectors.altegio.simulator import CLIENT_FROM
from connectors.ezyvet.simulator import BLOCK_TYPE, CODE_LISTS, FIRST_ANIMAL, PLACEHOLDER_ANIMAL, PLACEHOLDER_CONTACT
from tests.system.town import BY_CLIENT, BY_CLINIC, Town, town
from vetbridge.cli.config import load_config
from vetbridge.cli.main import app
from vetbridge.daemon.assembly import assembled
from vetbridge.daemon.once import pass_over
from vetbridge.testing.clinic import Owner
from vetbridge.testing.simkit import Request, Response, Row

WAITING, CONFIRMED, CAME, MISSED = 0, 2, 1, -1
"""How the booking side says how a visit stands."""


Sync = Callable[[], dict[str, int]]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made
    structlog.reset_defaults()


@pytest.fixture
def sync(place: Town) -> Iterator[Sync]:
    """One pass, and a second one that must write nothing; tells how the first one's changes ended."""
    with assembled(load_config(place.config_path), command="sync") as program:

        def one_pass() -> dict[str, int]:
            return pass_over(program, patience=20.0, progress=lambda _text: None).states

        def both() -> dict[str, int]:
            states = one_pass()
            writes = place.booking.counts()["writes"], place.pims.counts()["writes"]
            again = one_pass()
            assert (place.booking.counts()["writes"], place.pims.counts()["writes"]) == writes, again
            assert place.notices() == 0
            return states

        yield both


def command(place: Town, *words: object) -> Any:
    """The data of a command that must succeed."""
    arguments = ["--config", str(place.config_path), *map(str, words), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


def records(place: Town) -> list[dict[str, Any]]:
    return [dict(row) for row in place.booking.store.all("record")]


def couple(place: Town) -> tuple[Owner, Owner]:
    """Two owners on two records with one phone, of whom the booking side knows nobody."""
    for first, second in zip(place.clinic.owners, place.clinic.owners[1:], strict=False):
        if first.household is not None and first.household == second.household:
            both = (first, second)
            if all(one.active and not one.online and not one.pets[0].deceased for one in both):
                return both
    raise AssertionError("the clinic has no such couple")


def without_phone(place: Town) -> Owner:
    return next(one for one in place.clinic.owners if not one.phones and one.active and not one.pets[0].deceased)


def test_a_status_of_the_desk_shows_at_the_booking_side_and_stays_what_it_is(place: Town, sync: Sync) -> None:
    record, _ = place.book_owner(place.plain_owner())
    sync()
    (visit,) = place.visits()
    for word, attendance in (
        ("confirmed", CONFIRMED),
        ("booked", WAITING),
        ("confirmed", CONFIRMED),
        ("arrived", CAME),
        ("completed", CAME),
        ("no_show", MISSED),
    ):
        place.desk.set_status(visit["id"], word)
        sync()
        assert (word, place.record(record)["attendance"]) == (word, attendance)
        assert place.visit(visit["id"])["status_id"] == CODE_LISTS["status"][word]


def test_a_confirmation_of_the_booking_side_reaches_the_pims_and_can_be_taken_back(place: Town, sync: Sync) -> None:
    record, _ = place.book_owner(place.plain_owner())
    sync()
    (visit,) = place.visits()
    for attendance, word in ((CONFIRMED, "confirmed"), (WAITING, "booked"), (CAME, "arrived")):
        place.set_attendance(record, attendance)
        sync()
        assert place.visit(visit["id"])["status_id"] == CODE_LISTS["status"][word]
        assert place.record(record)["attendance"] == attendance


def test_a_visit_that_is_marked_as_missed_online_before_it_begins_stands_until_a_person_says(
    place: Town, sync: Sync
) -> None:
    record, _ = place.book_owner(place.plain_owner())
    sync()
    (visit,) = place.visits()
    place.set_attendance(record, MISSED)
    sync()
    assert place.visit(visit["id"])["status_id"] == CODE_LISTS["status"]["booked"]
    (item,) = command(place, "review", "list")
    assert item["why"] == "no-show-ahead"
    command(place, "review", "answer", item["id"], "booking")
    sync()
    assert place.visit(visit["id"])["active"] is False
    assert place.visit(visit["id"])["cancellation_reason"] == BY_CLIENT
    assert place.record(record)["attendance"] == MISSED


def test_a_cancellation_goes_both_ways_and_says_by_whom(place: Town, sync: Sync) -> None:
    by_owner, by_owner_hash = place.book_owner(place.plain_owner(0))
    by_desk, _ = place.book_owner(place.plain_owner(1))
    sync()
    visits = {visit["contact_id"]: visit["id"] for visit in place.visits()}
    owners, desks = (visits[place.contact_id(place.plain_owner(number))] for number in (0, 1))

    place.cancel(by_owner, by_owner_hash)
    place.desk.cancel(desks, "the vet is ill")
    sync()

    assert [place.record(one)["deleted"] for one in (by_owner, by_desk)] == [True, True]
    assert [place.visit(one)["active"] for one in (owners, desks)] == [False, False]
    assert place.visit(owners)["cancellation_reason"] == BY_CLIENT
    assert place.visit(owners)["cancellation_reason_text"]
    assert place.visit(desks)["cancellation_reason"] == BY_CLINIC
    assert place.visit(desks)["cancellation_reason_text"] == "the vet is ill"


def test_a_visit_of_the_desk_comes_over_moves_and_is_cancelled_by_either(place: Town, sync: Sync) -> None:
    owner = place.plain_owner()
    visit = place.desk.make_for(owner, place.slot(), vet=2, service=3, notes="bring the old x-rays")
    other = place.desk.make_for(place.plain_owner(1), place.slot())
    sync()
    by_start = {row["_start"]: row for row in records(place)}
    first, second = (by_start[place.visit(one)["start_at"]] for one in (visit, other))
    assert place.booked() == place.standing()
    assert first["comment"] == "", "staff's own notes stay in the PIMS"
    card = place.booking.store.get("client", first["client_id"])
    assert card is not None
    assert (card["name"], card["surname"], card["phone"]) == (owner.given_name, owner.family_name, owner.phones[0])
    assert first["custom_fields"]["pet_name"] == next(pet.name for pet in owner.pets if not pet.deceased)

    place.desk.move(visit, place.slot())
    later = place.slot()
    place.move(second["id"], later)
    sync()
    assert place.booked() == place.standing()
    assert place.visit(other)["start_at"] == int(later.timestamp())
    assert place.visit(visit)["description"] == "bring the old x-rays"

    place.desk.cancel(visit)
    place.altegio("DELETE", f"/record/{{location}}/{second['id']}", None)
    sync()
    assert place.booked() == place.standing()
    assert [row["deleted"] for row in records(place)] == [True, True]


def test_a_couple_on_one_phone_has_one_card_and_each_their_own_visits(place: Town, sync: Sync) -> None:
    first, second = couple(place)
    visits = [place.desk.make_for(one, place.slot()) for one in (first, second, first)]
    sync()

    (card,) = [row for row in place.booking.store.all("client") if row["phone"] == first.phones[0]]
    made = records(place)
    assert [row["client_id"] for row in made] == [card["id"]] * 3
    names = sorted(row["custom_fields"]["pet_name"] for row in made)
    assert names == sorted([first.pets[0].name, second.pets[0].name, first.pets[0].name])
    by_start = {row["_start"]: row for row in made}
    for visit, owner in zip(visits, (first, second, first), strict=True):
        row = by_start[place.visit(visit)["start_at"]]
        assert row["custom_fields"]["pet_name"] == owner.pets[0].name
        assert place.visit(visit)["contact_id"] == place.contact_id(owner)

    # The card stays the one's whose visit came first, whatever happens to the other's record.
    primary = first if card["name"] == first.given_name else second
    other = second if primary is first else first
    assert (card["name"], card["surname"]) == (primary.given_name, primary.family_name)
    place.desk.edit("contact", place.contact_id(other), last_name="Zieliński")
    sync()
    card = place.booking.store.get("client", card["id"]) or {}
    assert card["surname"] == primary.family_name
    place.desk.edit("contact", place.contact_id(primary), last_name="Zieliński")
    sync()
    card = place.booking.store.get("client", card["id"]) or {}
    assert card["surname"] == "Zieliński"


def test_an_owner_without_a_phone_comes_over_without_a_client_and_goes_on(place: Town, sync: Sync) -> None:
    owner = without_phone(place)
    visit = place.desk.make_for(owner, place.slot(), notes="nervous")
    cards = len(place.booking.store.all("client"))
    sync()

    (row,) = records(place)
    assert row["client_id"] is None
    assert f"Name: {owner.given_name} {owner.family_name}" in row["comment"]
    assert row["custom_fields"]["pet_name"] == owner.pets[0].name
    assert len(place.booking.store.all("client")) == cards, "a phone is never made up"
    assert place.booked() == place.standing()

    place.desk.move(visit, place.slot())
    sync()
    assert place.booked() == place.standing()
    place.desk.cancel(visit)
    sync()
    (row,) = records(place)
    assert row["deleted"]
    assert place.visit(visit)["description"] == "nervous"


def test_a_block_in_the_calendar_is_no_visit(place: Town, sync: Sync) -> None:
    owner = place.plain_owner()
    block = place.desk.make(
        PLACEHOLDER_CONTACT, PLACEHOLDER_ANIMAL, place.slot(), notes="staff meeting", type_id=BLOCK_TYPE
    )
    sync()
    assert records(place) == []

    place.desk.move(block, place.slot())
    place.book_owner(owner)
    assert sync() == {"done": 1}
    assert len(records(place)) == 1
    place.desk.cancel(block)
    assert "done" not in sync()
    assert [row["deleted"] for row in records(place)] == [False]


def test_a_client_comes_to_the_booking_side_with_a_visit_only_and_follows_the_pims_from_then_on(
    place: Town, sync: Sync
) -> None:
    owner = place.plain_owner()
    known = [row["id"] for row in place.booking.store.all("client")]
    place.desk.edit("contact", place.contact_id(owner), first_name="Zoë")
    sync()
    assert [row["id"] for row in place.booking.store.all("client")] == known

    place.desk.make_for(owner, place.slot())
    sync()
    (card,) = [row for row in place.booking.store.all("client") if row["id"] not in known]
    assert (card["id"] > CLIENT_FROM, card["name"], card["surname"]) == (True, "Zoë", owner.family_name)

    place.desk.edit("contact", place.contact_id(owner), last_name="Nováková")
    sync()
    pet = next(pet for pet in owner.pets if not pet.deceased)
    place.desk.edit("animal", FIRST_ANIMAL + pet.number, name="Señorita")
    sync()
    card = place.booking.store.get("client", card["id"]) or {}
    assert (card["name"], card["surname"]) == ("Zoë", "Nováková")
    assert "Señorita" in card["custom_fields"]["vetbridge_pets"]


def test_a_visit_that_another_system_left_without_its_owner_is_adopted(place: Town, sync: Sync) -> None:
    owner = place.plain_owner()
    left = f"Online booking. {owner.given_name} {owner.family_name}, {owner.phones[0]}"
    visit = place.desk.make(PLACEHOLDER_CONTACT, PLACEHOLDER_ANIMAL, place.slot(), notes=left)
    sync()
    assert records(place) == []
    (item,) = command(place, "review", "list")
    assert item["why"] == "adopt"
    clients = [candidate["client_id"] for candidate in item["candidates"]]
    number = clients.index(str(place.contact_id(owner))) + 1
    pet = next(pet for pet in owner.pets if not pet.deceased)

    command(place, "review", "link", item["id"], number, "--pet", FIRST_ANIMAL + pet.number, "--no-wait")
    sync()

    assert place.visit(visit)["contact_id"] == place.contact_id(owner)
    assert place.visit(visit)["animal_id"] == FIRST_ANIMAL + pet.number
    assert place.visit(visit)["description"] == left
    assert len(place.visits()) == 1
    assert place.booked() == place.standing()
    (row,) = records(place)
    assert row["custom_fields"]["pet_name"] == pet.name


def test_a_time_that_is_taken_at_the_booking_side_is_a_question_and_may_be_written_beside(
    place: Town, sync: Sync
) -> None:
    start = place.slot()
    place.desk.make_for(place.plain_owner(0), start)
    sync()
    place.desk.make_for(place.plain_owner(1), start)
    sync()
    assert len(records(place)) == 1
    (item,) = command(place, "review", "list")
    assert item["why"] == "slot-taken"

    command(place, "review", "answer", item["id"], "again", "--no-wait")
    sync()

    assert len(records(place)) == 2
    assert place.booked() == place.standing()
    assert command(place, "review", "list") == []


@pytest.mark.parametrize("choice", ["booking", "pims"])
def test_moved_on_both_sides_is_a_question_with_both_times(place: Town, sync: Sync, choice: str) -> None:
    record, _ = place.book_owner(place.plain_owner())
    sync()
    (visit,) = place.visits()
    here, there = place.slot(), place.slot()
    place.move(record, here)
    place.desk.move(visit["id"], there)
    sync()
    assert place.record(record)["_start"] == int(here.timestamp())
    assert place.visit(visit["id"])["start_at"] == int(there.timestamp())
    (item,) = command(place, "review", "list")
    assert item["why"] == "conflict"
    (difference,) = [each for each in item["differences"] if each["field"] == "start"]
    assert str(here.date()) in str(difference["booking"])
    assert str(there.date()) in str(difference["pims"])

    command(place, "review", "answer", item["id"], choice, "--no-wait")
    sync()

    right = here if choice == "booking" else there
    assert [seen.start for seen in place.booked()] == [int(right.timestamp())]
    assert place.booked() == place.standing()
    assert command(place, "review", "list") == []


def test_cancelled_by_the_owner_and_moved_by_the_desk_is_a_question(place: Town, sync: Sync) -> None:
    record, record_hash = place.book_owner(place.plain_owner())
    sync()
    (visit,) = place.visits()
    place.cancel(record, record_hash)
    place.desk.move(visit["id"], place.slot())
    sync()
    assert place.visit(visit["id"])["active"]
    (item,) = command(place, "review", "list")
    assert item["why"] == "cancelled-here-moved-there"

    command(place, "review", "answer", item["id"], "booking", "--no-wait")
    sync()

    assert not place.visit(visit["id"])["active"]
    assert command(place, "review", "list") == []


def meet_at_cards(place: Town) -> None:
    """Two reads of cards that come at once are both answered before either reader goes on to write."""
    barrier = threading.Barrier(2)
    finish = place.booking.finish

    def met(request: Request, response: Response) -> Response:
        if request.method == "GET" and "/client/" in request.path:
            try:
                barrier.wait(0.3)
            except threading.BrokenBarrierError:
                barrier.reset()  # it came alone
        return finish(request, response)

    place.booking.finish = met  # type: ignore[method-assign]


def card_of(place: Town, owner: Owner) -> Row:
    (card,) = (row for row in place.booking.store.all("client") if row["phone"] == owner.phones[0])
    return card


def test_a_client_and_its_pet_that_change_at_once_are_both_kept(place: Town, sync: Sync) -> None:
    owner = place.plain_owner()
    pet = next(pet for pet in owner.pets if not pet.deceased)
    place.desk.make_for(owner, place.slot())
    sync()
    place.desk.edit("contact", place.contact_id(owner), last_name="Nováková")
    place.desk.edit("animal", FIRST_ANIMAL + pet.number, name="Señorita")
    meet_at_cards(place)
    sync()
    assert card_of(place, owner)["surname"] == "Nováková"
    assert "Señorita" in card_of(place, owner)["custom_fields"]["vetbridge_pets"]


def test_a_couple_whose_new_pets_are_seen_at_once_keeps_both_on_its_card(place: Town, sync: Sync) -> None:
    both = couple(place)
    for owner in both:
        place.desk.make_for(owner, place.slot())
    sync()
    for owner, name in zip(both, ("Señorita", "Caballero"), strict=True):
        contact = place.contact_id(owner)
        place.desk.make(contact, place.desk.register(contact, name), place.slot())
    meet_at_cards(place)
    sync()
    pets = card_of(place, both[0])["custom_fields"]["vetbridge_pets"]
    assert "Señorita" in pets
    assert "Caballero" in pets
