"""Who cares for a pet beside its owner books for it: the visit is the owner's, and the card is the carer's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from tests.unit.sync.by_hand_rig import closed, lines, typed
from tests.unit.sync.test_both_ways import answer
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.desk.answering import propose, show
from vetbridge.ledger import links
from vetbridge.testing.memory import MemorySide, by_hand, memory_capabilities

CARER = ("Carla", "Hill", "+447912000003")
BELLA = ("Carla", "Hill", "+447912000003", "Bella")


class Town:
    """John's Bella, for whom Carla cares; she has a Max of her own."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.john = rig.owner("John", "Smith", "+447912000001", "Bella")
        self.carla = rig.owner(*CARER, "Max")
        self.bella = self.pet("Bella")
        rig.pims.edit(Kind.PET, self.bella, {"carer": self.carla})

    def pet(self, name: str) -> str:
        return next(str(row["id"]) for row in self.rig.pims.rows(Kind.PET) if row["name"] == name)

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


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(Rig(tmp_path))


def test_a_carers_booking_is_a_visit_of_the_owner_and_says_who_booked(town: Town) -> None:
    booking = town.rig.book(*BELLA)
    town.rig.run()
    assert town.whose() == [(town.john, town.bella)]
    assert "Booked by Carla Hill, who cares for the pet." in town.rig.visits()[0]["notes"]
    assert town.rig.endings()[-1] == ("done", "carer")
    assert town.card_of(booking) == town.carla
    assert any(one["words"] == "this client cares for the pet of another" for one in town.rig.evidence(Kind.CLIENT))
    assert not town.rig.questions()


def test_it_stays_so_whatever_comes_next(town: Town) -> None:
    booking = town.rig.book(*BELLA)
    town.rig.run()
    written = len(town.rig.pims.written)
    town.rig.hint(booking)
    town.rig.run()
    assert len(town.rig.pims.written) == written, "nothing to write"
    town.rig.booking.edit(Kind.APPOINTMENT, booking, {"seconds": 1800})
    town.rig.run()
    assert [(row["seconds"], row["owner"]) for row in town.rig.visits()] == [(1800, town.john)]
    assert "Booked by Carla Hill" in town.rig.visits()[0]["notes"]
    town.rig.book(*CARER, "Max")
    town.rig.book(*BELLA)
    town.rig.run()
    assert town.whose() == [(town.john, town.bella), (town.carla, town.pet("Max")), (town.john, town.bella)]
    assert not town.rig.questions()


def test_the_owner_books_as_before(town: Town) -> None:
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella")
    town.rig.run()
    assert town.whose() == [(town.john, town.bella)]
    assert "who cares for" not in town.rig.visits()[0]["notes"]
    assert town.card_of(booking) == town.john


def test_who_cares_no_more_since_the_mirror_was_read_books_for_a_pet_of_her_own(town: Town) -> None:
    town.rig.refresher.pass_()
    town.rig.pims.edit(Kind.PET, town.bella, {"carer": None})
    town.rig.book(*BELLA)
    town.rig.receiver.poll()
    town.rig.settle()
    ((owner, pet),) = town.whose()
    assert owner == town.carla
    assert pet != town.bella


def test_a_pet_in_care_that_died_is_asked_about(town: Town) -> None:
    town.rig.pims.edit(Kind.PET, town.bella, {"dead": "1"})
    town.rig.book(*BELLA)
    town.rig.run()
    assert [item.why for item in town.rig.questions()] == ["pet-deceased"]


def test_a_carer_with_a_pet_of_the_same_name_is_asked_which(town: Town) -> None:
    town.rig.pims.add(Kind.PET, {"owner": town.carla, "name": "Bella", "species": "D"})
    town.rig.book(*BELLA)
    town.rig.run()
    assert [item.why for item in town.rig.questions()] == ["pet-several"]


def test_a_person_may_say_that_a_pet_in_care_is_meant(town: Town) -> None:
    own = town.rig.pims.add(Kind.PET, {"owner": town.carla, "name": "Bella", "species": "D"})
    town.rig.book(*BELLA)
    town.rig.run()
    (item,) = town.rig.questions()
    assert item.id is not None
    meant = Answer(choice=Choice.LINK, client_id=town.carla, pet_id=town.bella)
    with town.rig.ledger.read() as tx:
        seen = show(tx, town.rig.sites(), item.id)
        assert {pet.id for pet in seen.item.candidates[0].pets} >= {own, town.bella}
        words = propose(tx, town.rig.sites(), item.id, meant).consequence
    assert f"The pet belongs to client {town.john}: the visit stands there." in words
    answer(town.rig, item.id, Choice.LINK, client_id=town.carla, pet_id=town.bella)
    town.rig.run()
    assert town.whose() == [(town.john, town.bella)]
    assert not town.rig.questions()


@pytest.mark.parametrize("on_carer", [False, True])
def test_the_work_list_names_the_owner_and_takes_a_visit_on_either(tmp_path: Path, *, on_carer: bool) -> None:
    town = Town(Rig(tmp_path, pims=MemorySide(by_hand(memory_capabilities()))))
    booking = town.rig.book(*BELLA)
    town.rig.run()
    ((task, line),) = lines(town.rig)
    assert (task, line["client"], line["pet"]["id"]) == ("book", {"id": town.john, "is_new": False}, town.bella)
    assert "Booked by Carla Hill, who cares for the pet." in line["remark"]
    typed(town.rig, booking, town.john, pet=town.bella, owner=town.carla if on_carer else town.john)
    town.rig.run()
    assert lines(town.rig) == []
    assert closed(town.rig) == [("book", "confirmed")]
    assert town.card_of(booking) == town.carla


def test_what_stood_on_both_sides_before_is_paired_also_where_the_carer_booked(town: Town) -> None:
    town.rig.meet()
    booking = town.rig.book(*BELLA)
    row = town.rig.booking.row(Kind.APPOINTMENT, booking)
    assert row is not None
    standing = {name: row[name] for name in ("start", "seconds", "type", "who", "state")}
    visit = town.rig.pims.add(Kind.APPOINTMENT, {**standing, "owner": town.john, "pet": town.bella})
    assert town.rig.pair_up().visits_paired == 1
    town.rig.approve()
    town.rig.run()
    assert [row["id"] for row in town.rig.visits()] == [visit]
    assert len(town.rig.booking.rows(Kind.APPOINTMENT)) == 1
    assert town.card_of(booking) == town.carla
