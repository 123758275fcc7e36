"""The mornings of a chain: which branch shows what, how short one may be; no reference is of two branches."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from vetbridge.demo.chain import MOST_BRANCHES, SILENT, SITES, plan_branches
from vetbridge.demo.script import FEWEST_BOOKINGS, FEWEST_OF_SHORT, OUTAGE_SECONDS, SHORT_OUTAGE_SECONDS, plan_morning
from vetbridge.demo.story import Actor, Branch, Case, Deed
from vetbridge.testing.clinic import make_clinic

TODAY = date(2026, 3, 2)
SEEDS = range(1, 9)


def chain(count: int, bookings: int, seed: int = 1) -> tuple[Branch, ...]:
    return plan_branches(count, seed=seed, clients=2000, bookings=bookings, today=lambda _: TODAY)


@pytest.fixture(scope="module", params=SEEDS)
def short(request: pytest.FixtureRequest) -> tuple[Branch, ...]:
    return chain(2, FEWEST_OF_SHORT, request.param)


def test_one_branch_is_the_clinic_that_it_always_was() -> None:
    (branch,) = chain(1, FEWEST_BOOKINGS)
    assert branch.morning == plan_morning(make_clinic(1, 2000), 1, FEWEST_BOOKINGS, today=TODAY)
    assert (branch.site, branch.booking_account, branch.pims_account) == ("demo", "altegio-demo", "ezyvet-demo")
    assert branch.named("ezyvet") == "ezyvet"


def test_the_first_forgets_a_code_the_second_is_silent_and_all_purge() -> None:
    branches = chain(MOST_BRANCHES, FEWEST_BOOKINGS)
    assert [branch.site for branch in branches] == list(SITES)
    assert len({branch.named("ezyvet") for branch in branches}) == MOST_BRANCHES
    for place, branch in enumerate(branches):
        morning = branch.morning
        assert morning.outage_seconds == (OUTAGE_SECONDS if place == SILENT else 0)
        assert (morning.unmapped is not None) is bool(morning.without_code) is (place == 0)
        assert morning.purged
        assert len(morning.conflicts) == 3


def test_each_branch_has_a_clinic_and_references_of_its_own() -> None:
    branches = chain(3, FEWEST_BOOKINGS, seed=7)
    assert [branch.morning.clinic.seed for branch in branches] == [7, 8, 9]
    references = [branch.morning.references for branch in branches]
    for branch, own in zip(branches, references, strict=True):
        assert len(own) == len(branch.morning.bookings) + len(branch.morning.visits) + 1
    assert len(frozenset().union(*references)) == sum(map(len, references))


def test_a_short_morning_has_every_case_and_neither_purge_nor_forgotten_code(short: tuple[Branch, ...]) -> None:
    for branch in short:
        morning = branch.morning
        assert len(morning.bookings) == FEWEST_OF_SHORT
        assert {booking.part.case for booking in morning.bookings} >= set(Case) - {Case.KNOWN, Case.ELSEWHERE}
        assert not morning.purged
        assert not morning.without_code
        assert len(morning.conflicts) == 1
        assert len(morning.answers) == 1
        assert morning.visits
    assert [branch.morning.outage_seconds for branch in short] == [0, SHORT_OUTAGE_SECONDS]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [2, 3])
def test_a_client_of_the_first_branch_is_known_at_the_second_where_her_pet_has_died(seed: int, count: int) -> None:
    branches = chain(count, FEWEST_BOOKINGS, seed)
    first, second = branches[0].morning, branches[SILENT].morning
    mourner, known = first.mourner, second.registered
    assert mourner is not None
    assert known is not None
    owner, booking = first.clinic.owner(mourner.owner), first.booking(mourner.booking)
    (pet,) = owner.pets
    assert owner.active
    assert not pet.deceased
    assert known == replace(owner, pets=(replace(pet, deceased=True),))
    contacts = {contact for one in second.clinic.owners for contact in (*one.phones, one.email)}
    assert not contacts & {*owner.phones, owner.email}
    part = booking.part
    assert (part.case, part.pet_name, part.family_name) == (Case.ELSEWHERE, pet.name, owner.family_name)
    assert not [step for step in first.steps if step.booking == booking.number]
    scenes = {one.booking for one in (*first.answers, *first.conflicts)}
    assert booking.number not in scenes
    assert not booking.cancelled
    assert booking.final == booking.slot
    others = [branch.morning for branch in branches[1:]]
    assert all(one.mourner is None for one in others)
    assert [one.registered for one in (first, *others[1:])] == [None] * (count - 1)
    assert sum(len(branch.morning.bookings) for branch in branches) == count * FEWEST_BOOKINGS


def test_in_a_short_morning_nothing_happens_to_a_booking_before_it_is_made(short: tuple[Branch, ...]) -> None:
    for branch in short:
        morning = branch.morning
        at = {step.booking: step.at for step in morning.steps if step.deed is Deed.BOOK and step.booking}
        made = {step.visit: step.at for step in morning.steps if step.deed is Deed.BOOK and step.visit}
        for step in morning.steps:
            assert 0 < step.at <= morning.seconds
            assert step.at >= (at[step.booking] if step.booking else made[step.visit])
            if step.by is Actor.PRACTICE and morning.outage_seconds:
                assert not morning.outage_at < step.at < morning.outage_at + morning.outage_seconds


def test_the_fuse_holds_in_a_short_morning(short: tuple[Branch, ...]) -> None:
    for branch in short:
        morning = branch.morning
        changes = [step for step in morning.steps if step.deed in (Deed.MOVE, Deed.CANCEL)]
        assert morning.fuse > len(morning.answers)
        assert morning.fuse <= len(changes) + len(morning.answers) + 5


def test_a_chain_whose_mornings_are_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 12 bookings, not 11"):
        chain(2, FEWEST_OF_SHORT - 1)
    with pytest.raises(ValueError, match="at least 20 bookings, not 19"):
        chain(1, FEWEST_BOOKINGS - 1)
