"""The script of a morning: shares, slots, determinism, and a truth that the clinic alone decides."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest

from vetbridge.demo.casting import LONG_COMMENT, one_letter_off
from vetbridge.demo.script import CANCELLED_SHARE, MOVED_SHARE, OUTAGE_SECONDS, SHARES, plan_morning
from vetbridge.demo.story import Actor, Booking, Case, Deed, Morning, Slot
from vetbridge.testing.clinic import Clinic, make_clinic

TODAY = date(2026, 3, 2)
SEEDS = range(1, 21)


@pytest.fixture(scope="module", params=SEEDS)
def clinic(request: pytest.FixtureRequest) -> Clinic:
    return make_clinic(request.param, 2000)


@pytest.fixture(params=[60, 200])
def morning(request: pytest.FixtureRequest, clinic: Clinic) -> Morning:
    return plan_morning(clinic, clinic.seed, request.param, today=TODAY)


def numbers_of(morning: Morning, deed: Deed) -> set[int]:
    return {step.booking for step in morning.steps if step.deed is deed}


def test_every_case_has_its_share(morning: Morning) -> None:
    bookings = len(morning.bookings)
    count = Counter(booking.part.case for booking in morning.bookings)
    assert {case: count[case] / bookings >= share for case, share in SHARES.items()} == dict.fromkeys(SHARES, True)
    assert count[Case.AMBIGUOUS] >= 3
    assert count[Case.KNOWN] > bookings / 4
    assert len(numbers_of(morning, Deed.MOVE)) / bookings >= MOVED_SHARE
    assert len(numbers_of(morning, Deed.CANCEL)) / bookings >= CANCELLED_SHARE
    assert {booking.number for booking in morning.bookings} == numbers_of(morning, Deed.BOOK)


def test_nobody_gets_a_slot_that_another_one_has_or_had(morning: Morning) -> None:
    slots = {(booking.number, booking.slot) for booking in morning.bookings}
    slots |= {(step.booking, step.slot) for step in morning.steps if step.slot is not None}
    by_vet: dict[str, list[tuple[Slot, int]]] = {}
    for number, slot in slots:
        by_vet.setdefault(slot.vet.code, []).append((slot, number))
    for taken in by_vet.values():
        taken.sort(key=lambda one: one[0].start)
        for (before, number), (after, _) in pairwise(taken):
            length = timedelta(minutes=morning.booking(number).service.minutes)
            assert before.start + length <= after.start


def test_visits_are_in_the_coming_days_within_working_hours(morning: Morning) -> None:
    for booking in morning.bookings:
        start, end = booking.final.start, booking.final.start + timedelta(minutes=booking.service.minutes)
        assert start.date() > TODAY
        assert start.weekday() < 6
        assert str(start.tzinfo) == morning.clinic.zone
        assert start.hour >= 8
        assert (end.hour, end.minute) <= (18, 0)


def test_the_owner_moves_within_one_vet_and_the_desk_does_about_a_third(morning: Morning) -> None:
    later = [step for step in morning.steps if step.deed is not Deed.BOOK]
    for step in later:
        if step.deed is Deed.MOVE and step.by is Actor.OWNER:
            assert step.slot is not None
            assert step.slot.vet == morning.booking(step.booking).slot.vet
    desk = sum(step.by is Actor.DESK for step in later) / len(later)
    assert 0.25 <= desk <= 0.6


def test_steps_come_in_order_and_end_as_the_truth_says(morning: Morning) -> None:
    assert [step.at for step in morning.steps] == sorted(step.at for step in morning.steps)
    assert morning.steps[-1].at <= morning.seconds
    standing: dict[int, Slot | None] = {}
    for step in morning.steps:
        if step.deed is Deed.BOOK:
            assert step.booking not in standing
            standing[step.booking] = morning.booking(step.booking).slot
        else:
            assert standing[step.booking] is not None
            standing[step.booking] = step.slot
    for booking in morning.bookings:
        assert standing[booking.number] == (None if booking.cancelled else booking.final)


def test_some_cancel_at_once_some_in_the_outage_and_no_ambiguous_one(morning: Morning) -> None:
    booked = {step.booking: step.at for step in morning.steps if step.deed is Deed.BOOK}
    cancels = [step for step in morning.steps if step.deed is Deed.CANCEL]
    assert any(step.at - booked[step.booking] < 0.1 for step in cancels)
    assert any(morning.outage_at < step.at < morning.outage_at + OUTAGE_SECONDS for step in cancels)
    assert all(not one.cancelled for one in morning.bookings if one.part.case is Case.AMBIGUOUS)


def test_an_ambiguous_one_moves_and_two_are_open_to_anybody(morning: Morning) -> None:
    ambiguous = [booking for booking in morning.bookings if booking.part.case is Case.AMBIGUOUS]
    assert any(booking.number in numbers_of(morning, Deed.MOVE) for booking in ambiguous)
    holders = {phone: owner for owner in morning.clinic.owners for phone in owner.phones if owner.active}
    strangers = [booking for booking in ambiguous if not booking.part.owners]
    assert len(strangers) >= 2
    for booking in strangers:
        owner = holders[booking.part.phone]
        assert not owner.online
        assert not one_letter_off(owner.family_name, booking.part.family_name)
        assert not any(one_letter_off(pet.name, booking.part.pet_name) for pet in owner.pets)


def test_a_booking_with_a_shared_phone_is_never_linkable(morning: Morning) -> None:
    holders = Counter(phone for owner in morning.clinic.owners if owner.active for phone in set(owner.phones))
    shared = [booking for booking in morning.bookings if holders[booking.part.phone] > 1]
    assert len(shared) >= len(morning.bookings) * SHARES[Case.HOUSEHOLD]
    assert not any(booking.part.linkable for booking in shared)


def test_linkable_ones_name_a_living_pet_or_a_new_one_of_one_active_owner(morning: Morning) -> None:
    linkable = [booking for booking in morning.bookings if booking.part.linkable]
    assert len(linkable) > len(morning.bookings) / 3
    pets = {pet.number: pet for owner in morning.clinic.owners for pet in owner.pets}
    for booking in linkable:
        owners = [morning.clinic.owner(number) for number in booking.part.owners]
        active = [owner for owner in owners if owner.active]
        assert len(active) == 1
        assert booking.part.phone in active[0].phones or booking.part.email == active[0].email
        assert not any(pets[number].deceased for number in booking.part.pets)


def test_misspelt_names_are_one_letter_off_and_seen_at_the_platform(morning: Morning) -> None:
    for booking in (one for one in morning.bookings if one.part.case is Case.MISSPELT):
        (number,) = booking.part.owners
        owner = morning.clinic.owner(number)
        pet = next(pet for pet in owner.pets if pet.number in booking.part.pets)
        typed, known = (booking.part.family_name, booking.part.pet_name), (owner.family_name, pet.name)
        assert typed != known
        assert all(one_letter_off(one, other) for one, other in zip(typed, known, strict=True))
        assert not owner.online


def test_every_reference_is_in_its_comment_and_there_are_hostile_texts(morning: Morning) -> None:
    assert len({booking.reference for booking in morning.bookings}) == len(morning.bookings)
    assert all(booking.comment.startswith(booking.reference) for booking in morning.bookings)
    texts = "".join(booking.part.full_name + booking.comment for booking in morning.bookings)
    assert "\x1b[" in texts
    assert "'" in texts
    assert "[VetBridge VB-" in texts
    assert max(len(booking.comment) for booking in morning.bookings) == LONG_COMMENT


def test_two_bookings_of_one_new_owner_come_at_once(morning: Morning) -> None:
    at = {step.booking: step.at for step in morning.steps if step.deed is Deed.BOOK}
    twice = [booking for booking in morning.bookings if booking.part.case is Case.TWICE]
    by_phone: dict[str, list[Booking]] = {}
    for booking in twice:
        by_phone.setdefault(booking.part.phone, []).append(booking)
    for pair in by_phone.values():
        assert len(pair) == 2
        assert at[pair[1].number] - at[pair[0].number] < 0.1


def test_a_seed_means_the_same_morning() -> None:
    clinic = make_clinic(5, 2000)
    assert plan_morning(clinic, 5, 60, today=TODAY) == plan_morning(clinic, 5, 60, today=TODAY)
    assert plan_morning(clinic, 5, 60, today=TODAY) != plan_morning(clinic, 6, 60, today=TODAY)


def test_a_clinic_that_is_too_small_is_named() -> None:
    with pytest.raises(ValueError, match="clinic of 50 clients is too small"):
        plan_morning(make_clinic(1, 50), 1, 60, today=TODAY)


def test_a_morning_that_is_too_short_for_every_case_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 20 bookings"):
        plan_morning(make_clinic(1, 2000), 1, 19, today=TODAY)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Smith", "smith", True),
        ("Smith", "Smyth", True),
        ("Smith", "Smit", True),
        ("Smith", "Smmith", True),
        ("Smith", "Smiht", False),
        ("Smith", "Jones", False),
        ("Smith", "Smithson", False),
        ("", "a", True),
        ("", "", True),
    ],
)
def test_one_letter_off(one: str, other: str, expected: bool) -> None:
    assert one_letter_off(one, other) is expected
    assert one_letter_off(other, one) is expected
