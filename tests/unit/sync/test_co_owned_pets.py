"""Several clients own a pet by shares: whoever of them books is matched as herself, and the pet is that pet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from tests.unit.sync.by_hand_rig import closed, lines, typed
from tests.unit.sync.test_both_ways import answer, make_unverified
from vetbridge.connector.interface import Native
from vetbridge.core.answers import Choice
from vetbridge.core.records import Kind
from vetbridge.ledger import links, worklist
from vetbridge.testing.memory import MemorySide, by_hand, memory_capabilities

JANE = ("Jane", "Stone", "+447912000004")
JOHN = ("John", "Smith", "+447912000001")


class Town:
    """Bella is John's and Jane's, who live apart; John is her primary owner. Jane has a Max of her own."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.john = rig.owner(*JOHN, "Bella")
        self.jane = rig.owner(*JANE, "Max")
        self.bella, self.max = (str(row["id"]) for row in rig.pims.rows(Kind.PET)[-2:])
        self.own(self.john, self.jane)

    def own(self, primary: str, *others: str) -> None:
        """Whose Bella is from now on, the primary owner first."""
        self.rig.pims.edit(Kind.PET, self.bella, {"owner": primary, "shared_by": list(others)})

    def book(self, who: tuple[str, str, str] = JANE, pet: str = "Bella", **more: Any) -> str:
        booking = self.rig.book(*who, pet, **more)
        self.rig.run()
        return booking

    def card_of(self, booking: str) -> str | None:
        """The PIMS client whom the card of a booking is linked with."""
        row = self.rig.booking.row(Kind.APPOINTMENT, booking)
        assert row is not None
        with self.rig.ledger.read() as tx:
            link = links.of_booking(tx, "booking", Kind.CLIENT, row["owner"])
            return None if link is None else link.pims_id

    def whose(self) -> list[tuple[Any, Any]]:
        """Owner and pet of the visits in the PIMS, as they were made."""
        return [(row["owner"], row["pet"]) for row in self.rig.visits()]

    def pets(self) -> int:
        return len(self.rig.pims.rows(Kind.PET))

    def written(self) -> int:
        return len(self.rig.pims.written) + len(self.rig.booking.written)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(Rig(tmp_path))


def test_a_co_owner_books_on_her_own_card_for_the_very_pet(town: Town) -> None:
    before = town.pets()
    booking = town.book()
    assert town.whose() == [(town.jane, town.bella)]
    assert "cares for" not in town.rig.visits()[0]["notes"]
    assert town.rig.endings()[-1] == ("done", "matched")
    assert town.card_of(booking) == town.jane
    assert any(one["words"] == "this client owns a share of the pet" for one in town.rig.evidence(Kind.CLIENT))
    assert (town.pets(), town.rig.questions()) == (before, ())


def test_the_primary_owner_books_as_before_and_so_does_each_for_a_pet_of_her_own(town: Town) -> None:
    town.book(JOHN)
    town.book(JANE, "Max")
    town.book()
    assert town.whose() == [(town.john, town.bella), (town.jane, town.max), (town.jane, town.bella)]
    assert not town.rig.questions()


def test_a_pims_may_list_a_shared_pet_among_each_owners_own(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    search = town.rig.pims.search

    def with_shared(kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        yield from search(kind, query)
        if kind is Kind.PET:
            yield from (row for row in town.rig.pims.rows(Kind.PET) if query.get("client_id") in row["shared_by"])

    monkeypatch.setattr(town.rig.pims, "search", with_shared)
    before = town.pets()
    town.book()
    town.book(JOHN)
    town.book(("Jim", "Stone", JANE[2]), "Max")
    assert town.whose() == [(town.jane, town.bella), (town.john, town.bella), (town.jane, town.max)]
    assert (town.pets(), town.rig.questions()) == (before, ())


def test_partners_of_one_phone_are_told_apart_by_the_given_name(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    home = "+447912000007"
    john, mary = rig.owner("John", "Smith", home, "Bella"), rig.owner("Mary", "Smith", home)
    bella = rig.pims.rows(Kind.PET)[-1]["id"]
    rig.pims.edit(Kind.PET, bella, {"shared_by": [mary]})
    for given in ("Mary", "John", "Tom"):
        rig.book(given, "Smith", home, "Bella")
    rig.run()
    assert [(row["owner"], row["pet"]) for row in rig.visits()] == [
        (mary, bella),
        (john, bella),
        (john, bella),  # the primary owner's, whoever of the household it was
    ]
    assert not rig.questions()


@pytest.mark.parametrize("by_jane", [True, False])
def test_a_visit_that_the_pims_shows_on_another_owner_of_the_pet_is_kept(town: Town, *, by_jane: bool) -> None:
    booking = town.book(JANE if by_jane else JOHN)
    (visit,) = town.rig.visits()
    other = town.john if by_jane else town.jane
    assert visit["owner"] != other
    written = town.written()
    town.rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"owner": other})
    town.rig.hint(booking)
    town.rig.run()
    assert (town.written(), town.rig.questions(), town.whose()) == (written, (), [(other, town.bella)])
    assert town.card_of(booking) == (town.jane if by_jane else town.john)
    town.rig.booking.edit(Kind.APPOINTMENT, booking, {"seconds": 1800})
    town.rig.run()
    (visit,) = town.rig.visits()
    assert (visit["seconds"], visit["owner"], town.rig.questions()) == (1800, other, ())


def test_the_work_list_takes_a_visit_on_another_owner_of_the_pet(tmp_path: Path) -> None:
    town = Town(Rig(tmp_path, pims=MemorySide(by_hand(memory_capabilities()))))
    booking = town.book()
    ((task, line),) = lines(town.rig)
    assert (task, line["client"]["id"], line["pet"]["id"]) == ("book", town.jane, town.bella)
    typed(town.rig, booking, town.jane, pet=town.bella, owner=town.john)
    town.rig.run()
    assert (lines(town.rig), closed(town.rig)) == ([], [("book", "confirmed")])
    assert (town.rig.questions(), town.card_of(booking)) == ((), town.jane)


def test_a_visit_that_was_typed_on_both_owners_is_one_and_the_other_copy_is_to_be_removed(tmp_path: Path) -> None:
    town = Town(Rig(tmp_path, pims=MemorySide(by_hand(memory_capabilities()))))
    booking = town.book()
    for owner in (town.john, town.jane):
        typed(town.rig, booking, town.jane, pet=town.bella, owner=owner)
    town.rig.run()
    with town.rig.ledger.read() as tx:
        link = links.of_booking(tx, "booking", Kind.APPOINTMENT, booking)
        (line,) = worklist.lines(tx)
    owners = {row["id"]: row["owner"] for row in town.rig.visits()}
    assert link is not None
    assert (owners[link.pims_id], line.task, owners[line.remote_id]) == (town.jane, "cancel", town.john)
    assert len(town.rig.booking.rows(Kind.APPOINTMENT)) == 1


def test_staff_may_put_a_visit_on_another_owner_of_the_pet_than_a_person_has_said(town: Town) -> None:
    town.book(("Igor", "Stravinsky", JOHN[2]), "Firebird")
    (item,) = town.rig.questions()
    make_unverified(town.rig, ignoring=True)
    answer(town.rig, item.id, Choice.LINK, client_id=town.john, pet_id=town.bella)
    town.rig.run()
    assert [details for _, details in lines(town.rig)] == [{"client_id": town.john, "pet_id": town.bella}]
    (visit,) = town.rig.visits()
    town.rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"owner": town.jane, "pet": town.max})
    town.rig.run()
    assert len(lines(town.rig)) == 1, "another pet of hers is another answer"
    town.rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"owner": town.jane, "pet": town.bella})
    town.rig.run()
    assert (lines(town.rig), town.rig.questions()) == ([], ())
    assert "[VetBridge" not in town.rig.visits()[0]["notes"]


def test_who_owns_a_share_no_more_is_asked_about_when_she_books_that_pet_again(town: Town) -> None:
    town.book()
    town.own(town.john)
    before = town.pets()
    town.book()
    (item,) = town.rig.questions()
    assert (item.why, town.pets()) == ("pet-went-away", before)
    assert town.whose()[1:] == [(town.rig.placeholder.client_id, town.rig.placeholder.pet_id)]
    town.book(JANE, "Max")
    town.book(JOHN)
    assert town.whose()[2:] == [(town.jane, town.max), (town.john, town.bella)]


def test_who_owns_a_share_no_more_stands_on_the_work_list_as_one_of_those_who_may_be_meant(tmp_path: Path) -> None:
    town = Town(Rig(tmp_path, pims=MemorySide(by_hand(memory_capabilities()))))
    typed(town.rig, town.book(), town.jane, pet=town.bella)
    town.rig.run()
    town.own(town.john)
    town.book()
    ((task, line),) = lines(town.rig)
    assert (task, line["client"]["id"], line["pet"]["id"]) == ("book", None, None)
    assert town.jane in [one["client_id"] for one in line["client"]["candidates"]]


def test_who_owns_a_share_no_more_and_never_booked_that_pet_brings_one_of_her_own(town: Town) -> None:
    town.rig.refresher.pass_()
    town.own(town.john)
    town.rig.book(*JANE, "Bella")
    town.rig.receiver.poll()
    town.rig.settle()
    ((owner, pet),) = town.whose()
    assert owner == town.jane
    assert pet not in (town.bella, town.max)


def test_where_the_primary_owner_changes_nothing_happens_to_what_stands(town: Town) -> None:
    town.book()
    town.book(JOHN)
    written = town.written()
    town.own(town.jane, town.john)
    town.rig.sweeper.sweep()
    town.rig.run()
    assert (town.written(), town.rig.questions()) == (written, ())
    town.book(JOHN)
    assert town.whose()[2:] == [(town.john, town.bella)]


def test_visits_of_the_desk_stand_at_the_booking_side_on_the_card_of_each_owner(town: Town) -> None:
    start = town.rig.clock.now()
    for hours, owner in ((50, town.john), (51, town.jane)):
        at = {"start": (start + timedelta(hours=hours)).isoformat(), "seconds": 900}
        visit = {**at, "owner": owner, "pet": town.bella, "type": "2", "who": "v1", "state": "booked"}
        town.rig.pims.add(Kind.APPOINTMENT, visit)
    town.rig.run()
    cards = {row["id"]: row["name"]["given"] for row in town.rig.booking.rows(Kind.CLIENT)}
    booked = town.rig.booking.rows(Kind.APPOINTMENT)
    assert [cards[row["owner"]] for row in booked] == ["John", "Jane"]
    pets = {row["id"]: row["owner"] for row in town.rig.booking.rows(Kind.PET)}
    assert [pets[row["pet"]] for row in booked] == [row["owner"] for row in booked]
    assert sorted(cards[owner] for owner in pets.values()) == ["Jane", "John"]
    written = town.written()
    town.rig.sweeper.sweep()
    town.rig.run()
    assert (town.written(), town.rig.questions()) == (written, ())


def test_a_booking_that_goes_from_one_owners_card_to_the_others_asks_nobody(town: Town) -> None:
    first, second = town.book(), town.book(JOHN)
    row = town.rig.booking.row(Kind.APPOINTMENT, second)
    assert row is not None
    johns = {"owner": row["owner"], "booker": row["booker"]}
    town.rig.booking.edit(Kind.APPOINTMENT, first, johns)
    town.rig.run()
    assert (town.rig.questions(), town.whose()[0]) == ((), (town.jane, town.bella))


def test_a_person_may_say_that_the_shared_pet_is_meant(town: Town) -> None:
    town.rig.pims.add(Kind.PET, {"owner": town.jane, "name": "Bella", "species": "D"})
    town.book()
    (item,) = town.rig.questions()
    assert item.why == "pet-several"
    answer(town.rig, item.id, Choice.LINK, client_id=town.jane, pet_id=town.bella)
    town.rig.run()
    assert (town.whose(), town.rig.questions()) == ([(town.jane, town.bella)], ())


@pytest.mark.parametrize("stranger", [False, True])
def test_where_staff_put_it_on_another_owner_of_the_pet_than_is_answered_nobody_is_asked_again(
    town: Town, *, stranger: bool
) -> None:
    town.book(("Igor", "Stravinsky", JOHN[2]), "Firebird")
    (item,) = town.rig.questions()
    (visit,) = town.rig.visits()
    other = town.rig.owner("Cleo", "Cross", "+447912000008", "Kit") if stranger else town.jane
    pet = town.rig.pims.rows(Kind.PET)[-1]["id"] if stranger else town.bella
    town.rig.pims.edit(Kind.APPOINTMENT, visit["id"], {"owner": other, "pet": pet})
    answer(town.rig, item.id, Choice.LINK, client_id=town.john, pet_id=town.bella)
    town.rig.run()
    assert (town.whose(), len(town.rig.questions())) == ([(other, pet)], int(stranger))


def test_what_stood_on_both_sides_before_is_paired_also_on_another_owner(town: Town) -> None:
    town.rig.meet()
    hers, another = (town.rig.book(*JANE, "Bella"), town.rig.book(*JANE, "Max"))
    for booking, pet in ((hers, town.bella), (another, town.rig.placeholder.pet_id)):
        row = town.rig.booking.row(Kind.APPOINTMENT, booking)
        assert row is not None
        standing = {name: row[name] for name in ("start", "seconds", "type", "who", "state")}
        town.rig.pims.add(Kind.APPOINTMENT, {**standing, "owner": town.john, "pet": pet})
    assert town.rig.pair_up().visits_paired == 1
    town.rig.approve()
    town.rig.run()
    assert town.card_of(hers) == town.jane
