"""The script of a morning: shares, slots, determinism, and a truth that the clinic alone decides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise

import pytest

from vetbridge.demo.casting import LONG_COMMENT, one_letter_off
from vetbridge.demo.script import (
    CANCELLED_SHARE,
    DESK_SHARE,
    FEWEST_ANSWERED,
    FEWEST_DESK_VISITS,
    MOVED_SHARE,
    OUTAGE_SECONDS,
    PRACTICE_SHARE,
    SHARES,
    UNMAPPED,
    plan_morning,
)
from vetbridge.demo.story import Actor, Booking, Case, Deed, DeskCase, Morning, Right, Slot, Status, Step, Visit
from vetbridge.testing.clinic import Clinic, make_clinic

TODAY = date(2026, 3, 2)
SEEDS = range(1, 11)


@pytest.fixture(scope="module", params=SEEDS)
def clinic(request: pytest.FixtureRequest) -> Clinic:
    return make_clinic(request.param, 2000)


@pytest.fixture(scope="module", params=[20, 60, 200])
def morning(request: pytest.FixtureRequest, clinic: Clinic) -> Morning:
    return plan_morning(clinic, clinic.seed, request.param, today=TODAY)


def numbers_of(morning: Morning, deed: Deed, *actors: Actor) -> set[int]:
    """Bookings to which one of the actors does this in the course of the morning."""
    wanted = actors or (Actor.OWNER, Actor.DESK)
    return {step.booking for step in morning.steps if step.booking and step.deed is deed and step.by in wanted}


def all_steps(morning: Morning) -> Iterator[Step]:
    """The steps of the morning, then those of its scenes."""
    yield from morning.steps
    for answer in morning.answers:
        yield answer.then
    for conflict in morning.conflicts:
        yield from conflict.steps
    for visit in morning.purged:
        yield Step(0.0, Deed.CANCEL, 0, Actor.PRACTICE, visit=visit.number)


def test_every_case_has_its_share(morning: Morning) -> None:
    bookings = len(morning.bookings)
    count = Counter(booking.part.case for booking in morning.bookings)
    assert {case: count[case] / bookings >= share for case, share in SHARES.items()} == dict.fromkeys(SHARES, True)
    assert count[Case.AMBIGUOUS] >= 5
    assert count[Case.KNOWN] >= (bookings / 4 if bookings > 20 else 1)
    assert len(numbers_of(morning, Deed.MOVE)) / bookings >= MOVED_SHARE
    assert len(numbers_of(morning, Deed.CANCEL)) / bookings >= CANCELLED_SHARE
    assert {booking.number for booking in morning.bookings} == numbers_of(morning, Deed.BOOK)


def test_nobody_gets_a_slot_that_another_one_has_or_had(morning: Morning) -> None:
    slots = {(booking.number, booking.slot) for booking in morning.bookings}
    slots |= {(step.booking or -step.visit, step.slot) for step in all_steps(morning) if step.slot is not None}
    slots |= {(-visit.number, slot) for visit in morning.visits for slot in visit.slots}
    lengths = {booking.number: booking.service.minutes for booking in morning.bookings}
    lengths |= {-visit.number: visit.service.minutes for visit in morning.visits}
    assert morning.block is not None
    slots.add((0, morning.block.slot))
    lengths[0] = morning.block.minutes
    by_vet: dict[str, list[tuple[Slot, int]]] = {}
    for number, slot in slots:
        by_vet.setdefault(slot.vet.code, []).append((slot, number))
    for taken in by_vet.values():
        taken.sort(key=lambda one: one[0].start)
        for (before, number), (after, _) in pairwise(taken):
            assert before.start + timedelta(minutes=lengths[number]) <= after.start


def test_every_slot_of_a_desk_visit_is_named_with_it(morning: Morning) -> None:
    for step in all_steps(morning):
        if step.visit and step.slot is not None:
            assert step.slot in morning.visit(step.visit).slots


def test_visits_are_in_the_coming_days_within_working_hours(morning: Morning) -> None:
    subjects: list[Booking | Visit] = [*morning.bookings, *morning.visits]
    for booking in subjects:
        start, end = booking.final.start, booking.final.start + timedelta(minutes=booking.service.minutes)
        assert start.date() > TODAY
        assert start.weekday() < 6
        assert str(start.tzinfo) == morning.clinic.zone
        assert start.hour >= 8
        assert (end.hour, end.minute) <= (18, 0)


def test_the_owner_moves_within_one_vet_and_the_desk_does_about_a_third(morning: Morning) -> None:
    later = [step for step in morning.steps if step.deed is not Deed.BOOK and step.by is not Actor.PRACTICE]
    for step in [*later, *(step for step in all_steps(morning) if step.by is Actor.OWNER)]:
        if step.deed is Deed.MOVE and step.by is Actor.OWNER:
            assert step.slot is not None
            assert step.slot.vet == morning.booking(step.booking).slot.vet
    desk = sum(step.by is Actor.DESK for step in later) / len(later)
    assert 0.25 <= desk <= 0.6


def test_steps_come_in_order_and_end_as_the_truth_says(morning: Morning) -> None:
    assert [step.at for step in morning.steps] == sorted(step.at for step in morning.steps)
    assert morning.steps[-1].at <= morning.seconds
    decided = {conflict.booking: conflict.right for conflict in morning.conflicts}
    standing: dict[tuple[int, int], Slot | None] = {}
    status: dict[tuple[int, int], Status] = defaultdict(lambda: Status.BOOKED)
    for step in all_steps(morning):
        subject = (step.booking, step.visit)
        if step.deed is Deed.BOOK:
            assert subject not in standing
            standing[subject] = morning.of(step).slot
            continue
        if decided.get(step.booking) is Right.BOOKING and step.by is Actor.PRACTICE:
            continue  # it is overruled
        assert standing[subject] is not None
        if step.deed is Deed.STATUS:
            assert step.status is not None
            status[subject] = step.status
        elif step.deed is not Deed.NOTE:
            standing[subject] = step.slot
    ends: dict[tuple[int, int], Booking | Visit] = {(one.number, 0): one for one in morning.bookings}
    ends.update({(0, visit.number): visit for visit in morning.visits})
    assert standing.keys() == ends.keys()
    for key, one in ends.items():
        assert standing[key] == (None if one.cancelled else one.final)
        assert status[key] is one.status


def test_some_cancel_at_once_some_in_the_outage_and_no_ambiguous_one(morning: Morning) -> None:
    booked = {step.booking: step.at for step in morning.steps if step.deed is Deed.BOOK}
    cancels = [step for step in morning.steps if step.deed is Deed.CANCEL and step.by is not Actor.PRACTICE]
    answered = {answer.booking for answer in morning.answers}
    assert any(step.at - booked[step.booking] < 0.1 for step in cancels)
    if len(cancels) > 4:
        assert any(morning.outage_at < step.at < morning.outage_at + OUTAGE_SECONDS for step in cancels)
    ambiguous = [one for one in morning.bookings if one.part.case is Case.AMBIGUOUS]
    assert all(one.number in answered for one in ambiguous if one.cancelled)


def test_an_ambiguous_one_moves_and_two_are_open_to_anybody(morning: Morning) -> None:
    ambiguous = [booking for booking in morning.bookings if booking.part.case is Case.AMBIGUOUS]
    answered = {answer.booking for answer in morning.answers}
    assert any(one.number in numbers_of(morning, Deed.MOVE) and one.number not in answered for one in ambiguous)
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
    assert len(linkable) > len(morning.bookings) / (3 if len(morning.bookings) > 20 else 20)
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
    if len(morning.bookings) > 20:
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


def test_the_desk_works_in_the_pims_on_bookings_that_nobody_else_touches(morning: Morning) -> None:
    fewest = len(morning.bookings) * PRACTICE_SHARE
    at_platform = numbers_of(morning, Deed.MOVE) | numbers_of(morning, Deed.CANCEL)
    scenes = {answer.booking for answer in morning.answers} | {conflict.booking for conflict in morning.conflicts}
    scenes |= {booking.number for booking in morning.without_code}
    touched: set[int] = set()
    for deed in (Deed.MOVE, Deed.CANCEL, Deed.STATUS):
        numbers = numbers_of(morning, deed, Actor.PRACTICE)
        assert len(numbers) >= fewest
        assert not numbers & (at_platform | scenes | touched)
        touched |= numbers
    assert not at_platform & scenes


def test_while_the_pims_is_silent_nobody_works_in_it(morning: Morning) -> None:
    for step in morning.steps:
        if step.by is Actor.PRACTICE:
            assert not morning.outage_at - 0.5 < step.at < morning.outage_at + OUTAGE_SECONDS + 0.5


def test_the_desk_makes_visits_of_every_case(morning: Morning) -> None:
    visits = [visit for visit in morning.visits if visit.case is not DeskCase.PURGED]
    assert len(visits) >= max(FEWEST_DESK_VISITS, DESK_SHARE * len(morning.bookings))
    assert {visit.case for visit in visits} == set(DeskCase) - {DeskCase.PURGED}
    assert [visit.number for visit in morning.visits] == list(range(1, len(morning.visits) + 1))
    deeds = {step.deed for step in morning.steps if step.visit}
    assert deeds >= {Deed.BOOK, Deed.MOVE, Deed.CANCEL, Deed.STATUS}
    clinic = morning.clinic
    for visit in morning.visits:
        owner = clinic.owner(visit.owner)
        assert any(pet.number == visit.pet and not pet.deceased for pet in owner.pets)
        assert owner.active
        assert visit.service != morning.unmapped
        if visit.case is DeskCase.PHONELESS:
            assert not owner.phones
            assert visit.card is None
        elif visit.case is DeskCase.CARDLESS:
            assert owner.phones
            assert not owner.online
            assert visit.card is None
        else:
            assert visit.card is not None
            assert clinic.owner(visit.card).online
            assert clinic.owner(visit.card).phones[0] in owner.phones
    couples = [visit for visit in visits if visit.case is DeskCase.PARTNER]
    assert any(visit.owner != visit.card for visit in couples)
    assert any(visit.owner == visit.card for visit in couples)


def test_nobody_who_calls_books_online_too(morning: Morning) -> None:
    callers = Counter(visit.owner for visit in morning.visits)
    assert set(callers.values()) == {1}
    booked = {number for booking in morning.bookings for number in booking.part.owners}
    phones = {phone for number in callers for phone in morning.clinic.owner(number).phones}
    assert not booked & callers.keys()
    assert not phones & {booking.part.phone for booking in morning.bookings}


def test_about_half_of_the_ambiguous_ones_are_answered_as_they_truly_are(morning: Morning) -> None:
    ambiguous = [booking.number for booking in morning.bookings if booking.part.case is Case.AMBIGUOUS]
    answered = [answer.booking for answer in morning.answers]
    assert set(answered) < set(ambiguous)
    assert len(answered) == max(FEWEST_ANSWERED, len(ambiguous) // 2)
    then = {(answer.then.deed, answer.then.by) for answer in morning.answers}
    assert then == {
        (Deed.CANCEL, Actor.OWNER),
        (Deed.MOVE, Actor.OWNER),
        (Deed.MOVE, Actor.PRACTICE),
    }
    for answer in morning.answers:
        assert morning.booking(answer.booking).part.owners == ({answer.owner} if answer.owner else set())
        assert answer.then.booking == answer.booking
    noted = {booking.number for booking in morning.bookings if booking.line}
    assert noted
    assert noted == numbers_of(morning, Deed.NOTE, Actor.PRACTICE)
    assert noted < set(answered)


def test_both_sides_change_the_same_visit_and_each_is_right_once(morning: Morning) -> None:
    assert [conflict.right for conflict in morning.conflicts] == [Right.BOOKING, Right.PIMS, Right.BOOKING]
    for conflict in morning.conflicts:
        assert {step.booking for step in conflict.steps} == {conflict.booking}
        assert {step.by for step in conflict.steps} == {Actor.OWNER, Actor.PRACTICE}
    *_, last = morning.conflicts
    assert morning.booking(last.booking).cancelled


def test_one_service_is_only_that_of_the_bookings_that_fail_at_first(morning: Morning) -> None:
    assert len(morning.without_code) == UNMAPPED
    touched = {step.booking for step in all_steps(morning) if step.deed is not Deed.BOOK}
    assert not touched & {booking.number for booking in morning.without_code}


def test_the_purge_alone_blows_the_fuse_and_nothing_before_it_can(morning: Morning) -> None:
    assert len(morning.purged) > morning.fuse
    booked_at = {step.booking: step.at for step in morning.steps if step.deed is Deed.BOOK}
    end = morning.outage_at + OUTAGE_SECONDS
    before = [step for step in morning.steps if step.deed in (Deed.MOVE, Deed.CANCEL)]

    def may_be_seen(step: Step) -> bool:
        """What follows its booking at once, or within the outage, is one write with it."""
        if not step.booking:
            return True
        silent = morning.outage_at < booked_at[step.booking] and step.at < end
        return not silent and step.at > booked_at[step.booking] + 0.1

    assert morning.fuse > len([step for step in before if may_be_seen(step)]) + len(morning.answers)


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
