"""The audit of a chain: sums over its branches, and nothing of one branch that stands at another."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from tests.unit.demo.worlds import OWNERS_FROM, PETS_FROM, World, reported
from vetbridge.demo.chain import plan_branches
from vetbridge.demo.chain_audit import Chain, Whole
from vetbridge.demo.findings import Wrong
from vetbridge.demo.story import Booking, Branch

BOOKINGS = 20


@pytest.fixture(scope="module")
def branches() -> tuple[Branch, ...]:
    return plan_branches(2, seed=4, clients=2000, bookings=BOOKINGS, today=lambda _: date(2026, 3, 2))


class TwoWorlds:
    """Both branches as a perfect morning leaves them."""

    def __init__(self, branches: tuple[Branch, ...]) -> None:
        self.branches = branches
        self.worlds = [World(branch.morning) for branch in branches]
        self.chain = Chain(connected=2, went_on=3)

    def audit(self) -> Whole:
        north, south = self.branches
        foreign = (south.morning.references, north.morning.references)
        audits = [
            world.audit(branch.site, others)
            for branch, world, others in zip(self.branches, self.worlds, foreign, strict=True)
        ]
        return Whole(tuple(zip(self.branches, audits, strict=True)), self.chain)


@pytest.fixture
def two(branches: tuple[Branch, ...]) -> TwoWorlds:
    return TwoWorlds(branches)


def standing(branch: Branch) -> Booking:
    return next(one for one in branch.morning.bookings if one.part.linkable and not one.cancelled and one.part.pets)


def test_two_perfect_mornings_are_clean_and_their_numbers_are_sums(two: TwoWorlds) -> None:
    whole = two.audit()
    assert whole.findings == ()
    assert whole.clean
    assert whole.complete
    numbers = whole.numbers(12.34)
    each = [audit.numbers(12.34) for audit in whole.audits]
    assert list(numbers)[: len(each[0])] == list(each[0])
    assert (numbers["schema"], numbers["seconds"]) == (1, 12.3)
    for name in each[0].keys() - {"schema", "seconds"}:
        assert numbers[name] == sum(one[name] for one in each)
    assert numbers["bookings"] == 2 * BOOKINGS
    of_chain = ("wrong_branch", "recognised", "branches", "connected", "went_on")
    assert [numbers[name] for name in of_chain] == [0, 1, 2, 2, 3]
    per_branch = numbers["per_branch"]
    assert isinstance(per_branch, list)
    assert [one["branch"] for one in per_branch] == ["centre", "east"]
    for one, of_branch in zip(per_branch, each, strict=True):
        assert {name: one[name] for name in of_branch.keys() & one.keys()}.items() <= of_branch.items()
    assert sum(sum(places.values()) for _, places, _ in whole.cases()) == 2 * BOOKINGS
    assert sum(count for _, count, _ in whole.desk_cases()) == numbers["desk_visits"]


def mourning(branch: Branch) -> Booking:
    assert branch.morning.mourner is not None
    return branch.morning.booking(branch.morning.mourner.booking)


def test_a_booking_for_a_pet_that_died_elsewhere_which_was_linked(two: TwoWorlds) -> None:
    branch, world = two.branches[0], two.worlds[0]
    booking = mourning(branch)
    owner = branch.morning.clinic.owner(min(booking.part.owners))
    world.change(booking, contact_id=OWNERS_FROM + owner.number, animal_id=PETS_FROM + owner.pets[0].number)
    whole = two.audit()
    assert [reported(audit) for audit in whole.audits] == [{"wrong_owner": 1}, {}]
    assert whole.audits[0].recognised == 0
    assert not whole.complete


def test_a_booking_for_a_pet_that_died_elsewhere_for_which_a_client_was_made(two: TwoWorlds) -> None:
    world = two.worlds[0]
    booking = mourning(two.branches[0])
    part = booking.part
    made = world.contact(None, part.given_name, part.family_name, (part.phone,))
    world.change(booking, contact_id=made, animal_id=world.animal(None, made, part.pet_name))
    assert reported(two.audit().audits[0]) == {"wrong_owner": 1, "duplicated": 2}


def test_whoever_was_asked_about_without_that_reason_is_not_recognised(two: TwoWorlds) -> None:
    world = two.worlds[0]
    world.seen = replace(world.seen, recognised=frozenset())
    whole = two.audit()
    assert whole.clean
    assert not whole.complete


def test_whom_the_desk_entered_before_the_morning_is_not_one_too_many(two: TwoWorlds) -> None:
    world = two.worlds[1]
    assert world.seen.entered
    world.seen = replace(world.seen, entered=frozenset())
    assert reported(two.audit().audits[1]) == {"duplicated": 2}


def test_one_clinic_alone_is_told_as_it_always_was(two: TwoWorlds) -> None:
    branch, world = two.branches[0], two.worlds[0]
    audit = world.audit()
    whole = Whole(((branch, audit),))
    assert whole.numbers(1.0) == audit.numbers(1.0)
    assert Wrong.BRANCH not in whole.wrongs


def test_a_booking_that_stands_in_another_branchs_pims(two: TwoWorlds) -> None:
    north, south = two.worlds
    row = north.row(standing(two.branches[0]))
    south.pims.insert("appointment", {name: value for name, value in row.items() if name != "id"})
    whole = two.audit()
    assert not whole.clean
    assert [reported(audit) for audit in whole.audits] == [{}, {"wrong_branch": 1}]
    (finding,) = whole.findings
    assert str(finding) == f"wrong_branch: east: {finding.words}"
    assert "belongs to another branch" in finding.words
    assert whole.numbers(0)["wrong_branch"] == 1


def test_a_booking_that_went_to_another_branch_is_lost_at_its_own(two: TwoWorlds) -> None:
    north, south = two.worlds
    row = north.row(standing(two.branches[0]))
    north.pims.delete("appointment", row["id"])
    south.pims.insert("appointment", {name: value for name, value in row.items() if name != "id"})
    assert [reported(audit) for audit in two.audit().audits] == [{"lost": 1}, {"wrong_branch": 1}]


def test_a_booking_that_stands_at_another_branchs_location(two: TwoWorlds) -> None:
    north, south = two.worlds
    row = north.record(standing(two.branches[0]))
    place = {"datetime": "2026-03-03T03:00:00+00:00", "client_id": None}
    south.booking.insert("record", {name: value for name, value in {**row, **place}.items() if name != "id"})
    assert [reported(audit) for audit in two.audit().audits] == [{}, {"wrong_branch": 1}]


def test_a_row_of_nobody_is_no_leak(two: TwoWorlds) -> None:
    row = two.worlds[0].row(standing(two.branches[0]))
    unknown = {name: value for name, value in row.items() if name != "id"} | {"description": "(ref M99-0001)"}
    two.worlds[1].pims.insert("appointment", unknown)
    assert [reported(audit) for audit in two.audit().audits] == [{}, {"duplicated": 1}]


def test_a_branch_that_is_not_connected_any_more_is_not_clean(two: TwoWorlds) -> None:
    two.chain = replace(two.chain, connected=1)
    assert not two.audit().clean


def test_a_silence_in_which_nobody_went_on_is_not_complete(two: TwoWorlds) -> None:
    two.chain = replace(two.chain, went_on=0)
    whole = two.audit()
    assert whole.clean
    assert not whole.complete


def test_findings_of_the_same_booking_number_count_at_each_branch(two: TwoWorlds) -> None:
    for branch, world in zip(two.branches, two.worlds, strict=True):
        world.change(standing(branch), start_at=0)
    whole = two.audit()
    assert whole.count(Wrong.TIME) == 2
    assert {finding.site for finding in whole.findings} == {"centre", "east"}
