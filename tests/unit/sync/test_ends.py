"""Clients and pets that end in the PIMS: one is believed and forgotten, hundreds at once are not until a person has
looked; whatever is shown again stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.unit.sync.test_both_ways import desk, pet_of
from vetbridge.core.answers import MANY_ENDED
from vetbridge.core.records import Kind
from vetbridge.ledger import links, mass_ends, mirror, reviews
from vetbridge.sync.pair import MostEnded
from vetbridge.sync.refreshing import Refresher

NAMES = (
    "Abbott",
    "Brown",
    "Clarke",
    "Dixon",
    "Evans",
    "Foster",
    "Green",
    "Hughes",
    "Irwin",
    "Jones",
    "King",
    "Lloyd",
)
PETS = ("Amber", "Bingo", "Coco", "Daisy", "Echo", "Fudge", "Gizmo", "Honey", "Indy", "Jasper", "Kiki", "Luna")
OWNERS = len(NAMES)
MOST = MostEnded(count=4, percent=10)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.pair = replace(made.pair, most_ended=MOST)
    made.refresher = Refresher(made.pair, made.ledger)
    return made


@pytest.fixture
def owners(rig: Rig) -> list[str]:
    made = [rig.owner("Ann", NAMES[n], f"+4479120010{n:02}", PETS[n]) for n in range(OWNERS)]
    rig.run()
    return made


def book(rig: Rig, n: int) -> str:
    return rig.book("Ann", NAMES[n], f"+4479120010{n:02}", PETS[n])


def known(rig: Rig, kind: Kind = Kind.CLIENT) -> int:
    """How many stand, beside the placeholder."""
    with rig.ledger.read() as tx:
        return mirror.count_standing(tx, "pims", kind) - 1


def held(rig: Rig) -> list[str]:
    return [one.why for one in rig.questions() if one.why == MANY_ENDED]


def link_of(rig: Rig, booking: str) -> str | None:
    row = rig.booking.row(Kind.APPOINTMENT, booking)
    assert row is not None
    with rig.ledger.read() as tx:
        link = links.of_booking(tx, "booking", Kind.CLIENT, row["owner"])
        return None if link is None else link.pims_id


def leave(rig: Rig, client: str) -> None:
    for pet in [row["id"] for row in rig.pims.rows(Kind.PET) if row["owner"] == client]:
        rig.pims.remove(Kind.PET, pet)
    rig.pims.remove(Kind.CLIENT, client)


# -- one that ends


def test_a_client_who_is_gone_is_missed_twice_before_the_link_ends_and_the_next_booking_is_matched_anew(
    rig: Rig, owners: list[str]
) -> None:
    first = book(rig, 0)
    rig.run()
    leave(rig, owners[0])
    rig.refresher.pass_()
    rig.work()
    assert link_of(rig, first) == owners[0], "one miss proves nothing"
    book(rig, 0)
    rig.receiver.poll()
    rig.work()
    assert len(rig.pims.rows(Kind.CLIENT)) == OWNERS, "and nobody is made anew for it"
    rig.settle()
    assert link_of(rig, first) not in (None, owners[0])
    assert len(rig.pims.rows(Kind.CLIENT)) == OWNERS + 1
    assert rig.questions() == ()
    assert known(rig) == OWNERS


def test_a_client_who_is_shown_again_before_the_second_miss_stays_linked(rig: Rig, owners: list[str]) -> None:
    first = book(rig, 0)
    rig.run()
    rig.pims.hide([owners[0]])
    rig.hint_kind(Kind.CLIENT, owners[0], "pims")
    rig.work()
    rig.pims.hide([])
    rig.clock.advance(2 * rig.timings.absence_confirm)
    rig.run()
    rig.pims.hide([owners[0]])
    rig.hint_kind(Kind.CLIENT, owners[0], "pims")
    rig.work()
    assert link_of(rig, first) == owners[0], "the miss before counts no more"


def test_nobody_is_made_anew_while_not_all_clients_were_read(rig: Rig, owners: list[str]) -> None:
    first = book(rig, 0)
    rig.run()
    leave(rig, owners[0])
    rig.clock.advance(rig.timings.mirror_stale + 60)
    book(rig, 0)
    rig.receiver.poll()
    rig.settle(limit=2 * rig.timings.absence_confirm)
    assert len(rig.pims.rows(Kind.CLIENT)) == OWNERS
    rig.run()
    assert link_of(rig, first) is not None
    assert len(rig.pims.rows(Kind.CLIENT)) == OWNERS + 1


def test_a_pet_that_vanished_is_put_on_no_visit(rig: Rig, owners: list[str]) -> None:
    book(rig, 0)
    rig.run()
    rig.pims.hide([pet_of(rig, owners[0])])
    book(rig, 0)
    rig.receiver.poll()
    rig.settle(limit=2 * rig.timings.absence_confirm)
    pets = [row["id"] for row in rig.pims.rows(Kind.PET) if row["owner"] == owners[0]]
    assert [row["pet"] for row in rig.visits()] == pets
    assert len(pets) == 2


def test_a_tombstone_that_is_told_again_and_again_is_applied_once_and_who_came_back_is_back(
    rig: Rig, owners: list[str]
) -> None:
    row = rig.pims.row(Kind.CLIENT, owners[0])
    assert row is not None
    rig.clock.advance(timedelta(days=2).total_seconds())
    rig.pims.remove(Kind.CLIENT, owners[0])
    with rig.ledger.read() as tx:
        assert mirror.client(tx, "pims", owners[0]) is not None
    rig.run()
    done = len(rig.changes())
    for _ in range(3):
        rig.refresher = Refresher(rig.pair, rig.ledger)
        rig.pims.reuse(Kind.CLIENT, owners[0], row)
        rig.pims.remove(Kind.CLIENT, owners[0])  # the same, told once more
        rig.run()
    assert known(rig) == OWNERS - 1
    assert len(rig.changes()) == done
    rig.pims.reuse(Kind.CLIENT, owners[0], row)
    rig.run()
    assert known(rig) == OWNERS
    book(rig, 0)
    rig.run()
    assert rig.visits()[0]["owner"] == owners[0]


# -- very many


ENDS: dict[str, tuple[Kind, Callable[[Rig, str], None]]] = {
    "are gone": (Kind.CLIENT, lambda rig, id_: rig.pims.remove(Kind.CLIENT, id_)),
    "are inactive": (Kind.CLIENT, lambda rig, id_: rig.pims.edit(Kind.CLIENT, id_, {"active": False})),
    "are deceased": (Kind.PET, lambda rig, id_: rig.pims.edit(Kind.PET, pet_of(rig, id_), {"dead": "1"})),
    "are gone, pets": (Kind.PET, lambda rig, id_: rig.pims.remove(Kind.PET, pet_of(rig, id_))),
}


@pytest.mark.parametrize("how", ENDS)
def test_too_many_that_end_at_once_are_not_believed_until_a_person_has_looked(
    rig: Rig, owners: list[str], how: str
) -> None:
    kind, end = ENDS[how]
    for owner in owners[:6]:
        end(rig, owner)
    rig.run()
    rig.run()
    assert known(rig, kind) == OWNERS
    assert held(rig) == [MANY_ENDED], "asked once"
    (item,) = rig.questions()
    with rig.ledger.write() as tx:
        row = reviews.item(tx, item.id or 0)
        assert row is not None
        assert mass_ends.allow(tx, row, "Kim") == 6
    rig.run()
    assert rig.questions() == ()
    if kind is Kind.PET and how == "are deceased":
        with rig.ledger.read() as tx:
            pets = mirror.read(tx, "pims", Kind.PET, [pet_of(rig, id_) for id_ in owners])
        assert sum(getattr(pet, "deceased", False) for pet in pets.values()) == 6
    else:
        assert known(rig, kind) == OWNERS - 6


def test_a_few_are_believed_and_a_purge_that_takes_its_time_is_not(rig: Rig, owners: list[str]) -> None:
    for owner in owners[:2]:
        leave(rig, owner)
    rig.run()
    assert known(rig) == OWNERS - 2
    for owner in owners[2:5]:
        leave(rig, owner)
    rig.run()
    assert held(rig), "within one hour they are five"
    assert known(rig) == OWNERS - 2
    rig.clock.advance(3700)
    rig.run()
    assert not held(rig)
    assert known(rig) == OWNERS - 5


def test_what_is_shown_again_asks_nobody_any_more(rig: Rig, owners: list[str]) -> None:
    for owner in owners[:6]:
        rig.pims.edit(Kind.CLIENT, owner, {"active": False})
    rig.run()
    assert held(rig)
    for owner in owners[:6]:
        rig.pims.edit(Kind.CLIENT, owner, {"active": True})
    rig.run()
    assert rig.questions() == ()
    assert known(rig) == OWNERS


def test_meanwhile_nothing_is_cancelled_and_a_booking_stands_on_the_placeholder(rig: Rig, owners: list[str]) -> None:
    book(rig, 0)
    book(rig, 1)
    rig.run()
    for hours in range(3):
        desk(rig, owners[11], pet_of(rig, owners[11]), hours=90 + hours)
    rig.run()
    for owner in owners[:6]:
        rig.pims.remove(Kind.CLIENT, owner)
    rig.pims.remove(Kind.APPOINTMENT, rig.visits()[0]["id"])
    rig.refresher.pass_()
    book(rig, 1)
    rig.run()
    rig.clock.advance(2 * rig.timings.absence_confirm)
    rig.sweeper.sweep()
    rig.run()
    assert {row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)} == {"booked"}
    assert rig.visits()[-1]["owner"] == rig.placeholder.client_id
    assert sorted(one.why for one in rig.questions()) == ["client-not-shown", MANY_ENDED]
