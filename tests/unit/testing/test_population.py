"""Populations with traps: the same from the same seed, every trap there, and the truth agreeing with the cards."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import phonenumbers
import pytest

from vetbridge.testing import names
from vetbridge.testing.population import (
    Booking,
    Circle,
    Dice,
    FieldShares,
    OwnerCard,
    PhonePlan,
    Population,
    Ranked,
    Shares,
    SlipShares,
    Words,
)
from vetbridge.testing.population.shares import CIRCLES, SCENARIOS

PLAN = PhonePlan("44", "0", (("74", 8), ("77", 8)), ("161", "121"), 7)
PETS = Ranked.by_rank(names.PET_NAMES, 15)
WORDS = Words(
    country="GB",
    family=Ranked.by_rank(names.FAMILY_NAMES, 12),
    female=Ranked.by_rank(names.FEMALE_NAMES, 10),
    male=Ranked.by_rank(names.MALE_NAMES, 10),
    feminine=(("ski", "ska"),),
    nicknames={"William": ("Bill",), "Elizabeth": ("Liz", "Beth"), "James": ("Jim",), "Emma": ("Em",)},
    pets=dict.fromkeys(("dog", "cat", "rabbit", "other"), PETS),
    pet_forms={"Bella": ("Isabella",), "Luna": ("Luna-Mae",)},
    pet_endings=("y",),
    pet_remarks=("(nervous)",),
    breeds={
        "dog": Ranked((("German Shepherd", "GSD"), ("Pug",)), (1, 1)),
        "cat": Ranked((("Domestic Shorthair", "DSH"),), (1,)),
        "rabbit": Ranked((("Mini Lop",),), (1,)),
        "other": Ranked((("Ferret",),), (1,)),
    },
    species={species: Ranked((species, species.title()), (3, 1)) for species in ("dog", "cat", "rabbit", "other")},
    sexes={sex: Ranked((sex,), (1,)) for sex in ("female", "male", "female_neutered", "male_neutered")},
    towns=("Ashbourne", "Brackley", "Calderbrook", "Denholme"),
    streets=tuple(f"{stem} Road" for stem in ("High", "Church", "Mill", "Park", "Station", "Green")),
    street_forms=(("Road", "Rd"),),
    street_first=False,
    postcode="AN 4@",
    phone=PLAN,
    letters={"ü": ("ue", "u"), "ö": ("oe", "o"), "ł": ("l",)},
    sounds=(("ph", "f"), ("y", "ie")),
    keyboard=("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    titles=("Mr", "Mrs"),
    name_remarks=("(VIP)",),
    partner_remarks=("wife", "husband"),
    phone_remarks=("work",),
    joiners=(" & ",),
    for_other=("{booker} for {family}",),
    mail_domains=Ranked(("mail.example",), (1,)),
    mail_words=("sunny",),
    mail_offices=("info",),
)
QUIET = SlipShares(**dict.fromkeys(SlipShares.__dataclass_fields__, 0.0))
ALL_FIELDS = FieldShares(**dict.fromkeys(FieldShares.__dataclass_fields__, 1.0))


@pytest.fixture(scope="module")
def population() -> Population:
    return Population(5, 2000, WORDS)


@pytest.fixture(scope="module")
def circles(population: Population) -> list[Circle]:
    return list(population.circles())


@pytest.fixture(scope="module")
def cards(circles: list[Circle]) -> dict[str, OwnerCard]:
    return {card.owner_id: card for circle in circles for card in circle.cards}


@pytest.fixture(scope="module")
def bookings(population: Population) -> list[Booking]:
    return list(population.bookings(2500))


def only(scenario: str, count: int = 40, **changes: object) -> tuple[dict[str, OwnerCard], list[Booking]]:
    """A population in which every booking is of one scenario, typed without slips."""
    shares = Shares(scenarios={scenario: 1.0}, slips=QUIET)
    small = Population(9, 600, WORDS, replace(shares, **changes))  # type: ignore[arg-type]
    found = {card.owner_id: card for circle in small.circles() for card in circle.cards}
    return found, list(small.bookings(count))


def same_phone(text: str, number: str) -> bool:
    return phonenumbers.format_number(phonenumbers.parse(text, "GB"), phonenumbers.PhoneNumberFormat.E164) == number


def test_a_seed_means_the_same_population_in_another_process() -> None:
    program = (
        "import hashlib, sys; sys.path.insert(0, 'tests/unit/testing'); import test_population as t;"
        "print(t.fingerprint())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4242"}
    there = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert there.stdout.strip() == fingerprint()


def fingerprint() -> str:
    small = Population(3, 60, WORDS)
    rows = [
        (
            card.owner_id,
            card.first_name,
            card.last_name,
            card.phone_mobile,
            card.email,
            [pet.name for pet in card.pets],
        )
        for circle in small.circles()
        for card in circle.cards
    ]
    return hashlib.sha256(repr((rows, list(small.bookings(100)))).encode("utf-8", "backslashreplace")).hexdigest()


def test_the_size_is_kept_and_no_id_comes_twice(circles: list[Circle], cards: dict[str, OwnerCard]) -> None:
    assert 2000 <= sum(len(circle.cards) for circle in circles) == len(cards) <= 2003
    pets = [pet.patient_id for card in cards.values() for pet in card.pets]
    assert len(set(pets)) == len(pets)


def test_every_kind_of_circle_and_every_scenario_occurs(circles: list[Circle], bookings: list[Booking]) -> None:
    kinds = Counter(circle.kind for circle in circles)
    assert set(kinds) == set(CIRCLES)
    assert kinds["single"] / len(circles) == pytest.approx(CIRCLES["single"] / sum(CIRCLES.values()), abs=0.03)
    traps = Counter(booking.trap for booking in bookings)
    assert set(SCENARIOS) - {"client"} <= set(traps)
    assert set(SlipShares.__dataclass_fields__) - {"birth_date", "species"} <= set(traps)


def test_about_seven_of_ten_bookings_are_by_clients(bookings: list[Booking]) -> None:
    assert sum(bool(booking.owner_ids) for booking in bookings) / len(bookings) == pytest.approx(0.72, abs=0.04)


def test_the_truth_names_cards_that_are_there(cards: dict[str, OwnerCard], bookings: list[Booking]) -> None:
    for booking in bookings:
        assert not set(booking.owner_ids) & set(booking.household_ids)
        pets = {pet.patient_id for owner in booking.owner_ids for pet in cards[owner].pets}
        assert set(booking.patient_ids) <= pets
        assert set(booking.household_ids) <= set(cards)


def test_nobody_but_families_shares_a_personal_phone_or_address(circles: list[Circle]) -> None:
    phones: dict[str, int] = {}
    mails: dict[str, int] = {}
    for circle in circles:
        for card in circle.cards:
            for number in card.phones:
                assert phones.setdefault(number, circle.number) == circle.number
            if card.mail:
                assert mails.setdefault(card.mail, circle.number) == circle.number


def test_phones_are_numbers_of_the_country_in_many_ways_of_writing() -> None:
    cards, bookings = only("client", fields=ALL_FIELDS)
    found = 0
    ways = set()
    for booking in bookings:
        text = str(booking.fields["phone"])
        known = {PLAN.e164(number) for owner in booking.owner_ids for number in cards[owner].phones}
        found += any(same_phone(text, number) for number in known)
        ways.add("".join("9" if letter.isdigit() else letter for letter in text))
    assert found > 0.75 * len(bookings)
    assert len(ways) > 6


def test_a_mobile_is_another_one_for_every_number() -> None:
    numbers = [PLAN.mobile(number) for number in range(20_000)]
    assert len(set(numbers)) == len(numbers)
    homes = [PLAN.landline(number, 1) for number in range(20_000)]
    assert len(set(homes)) == len(homes)


def test_strangers_on_a_recycled_number_are_nobody_and_have_a_phone_that_is_on_a_card() -> None:
    cards, bookings = only("recycled_stranger")
    known = {PLAN.e164(number) for card in cards.values() for number in card.phones}
    for booking in bookings:
        assert booking.owner_ids == ()
        parsed = phonenumbers.parse(str(booking.fields["phone"]), "GB")
        assert phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) in known


def test_stale_contact_is_on_no_card() -> None:
    cards, bookings = only("stale_contact")
    mails = {card.mail for card in cards.values()}
    assert all(booking.owner_ids for booking in bookings)
    assert not any(booking.fields.get("email") in mails for booking in bookings)


def test_a_lookalike_has_a_clients_full_name_and_no_contact_of_the_clinic() -> None:
    cards, bookings = only("lookalike")
    people = {(one.given, one.family) for card in cards.values() for one in card.people}
    mails = {card.mail for card in cards.values()}
    for booking in bookings:
        assert (booking.fields["first_name"], booking.fields["last_name"]) in people
        assert booking.fields.get("email") not in mails
        assert booking.owner_ids == ()


def test_of_a_couple_the_card_that_holds_the_pet_is_right_and_the_other_is_household() -> None:
    cards, bookings = only("couple_own_contacts", fields=ALL_FIELDS)
    split = 0
    for booking in bookings:
        right = {pet.animal.name for owner in booking.owner_ids for pet in cards[owner].pets}
        assert booking.fields["pet_name"] in {name for pet in right for name in (pet, pet.lower(), pet.upper())}
        for owner in booking.household_ids:
            split += 1
            assert booking.fields["pet_name"] not in {pet.animal.name for pet in cards[owner].pets}
    assert split


def test_parent_and_child_bear_one_name_and_the_other_is_household() -> None:
    cards, bookings = only("parent_child")
    for booking in bookings:
        (right,), (other,) = booking.owner_ids, booking.household_ids
        assert cards[right].people[0].given == cards[other].people[0].given
        assert cards[right].people[0].family == cards[other].people[0].family


def test_all_registrations_of_a_person_are_right() -> None:
    cards, bookings = only("duplicate")
    for booking in bookings:
        assert len(booking.owner_ids) >= 2
        assert len({cards[owner].people[0].number for owner in booking.owner_ids}) == 1


def test_a_rehomed_pet_belongs_to_the_new_owner() -> None:
    cards, bookings = only("rehomed", fields=ALL_FIELDS)
    for booking in bookings:
        (owner,) = booking.owner_ids
        assert cards[owner].pets[0].current
        assert booking.household_ids == ()
        former = [card for card in cards.values() if any(not pet.current for pet in card.pets)]
        assert all(card.owner_id != owner for card in former)


def test_a_dead_pet_has_a_right_owner_and_no_right_pet() -> None:
    _, bookings = only("dead_pet")
    assert all(booking.owner_ids and not booking.patient_ids for booking in bookings)


def test_a_name_and_a_dog_are_not_enough() -> None:
    _, bookings = only("ambiguous")
    for booking in bookings:
        assert booking.ambiguous
        assert not {"phone", "email", "street"} & set(booking.fields)


def test_inactive_cards_are_booked_for_only_in_their_own_scenario() -> None:
    cards, bookings = only("inactive")
    assert all(any(not cards[owner].active for owner in booking.owner_ids) for booking in bookings)
    cards, bookings = only("client")
    assert all(any(cards[owner].active for owner in booking.owner_ids) for booking in bookings)


def test_hostile_text_is_there_and_long() -> None:
    _, bookings = only("hostile", count=150)
    texts = [str(value) for booking in bookings for value in booking.fields.values()]
    assert any("\x1b" in text for text in texts)
    assert any(text.startswith("=") for text in texts)
    assert any(len(text) >= 10_000 for text in texts)


def test_with_all_fields_and_no_slips_a_plain_booking_can_be_decided() -> None:
    _, bookings = only("client", fields=ALL_FIELDS, circles={"single": 1.0})
    assert sum(booking.ambiguous for booking in bookings) <= len(bookings) // 20


def test_shares_are_parameters_and_an_unknown_trap_is_refused() -> None:
    assert {circle.kind for circle in Population(1, 20, WORDS, Shares(circles={"flat_share": 1})).circles()} == {
        "flat_share"
    }
    with pytest.raises(ValueError, match="kind of circle"):
        list(Population(1, 20, WORDS, Shares(circles={"commune": 1})).circles())
    with pytest.raises(ValueError, match="scenario"):
        list(Population(1, 20, WORDS, Shares(scenarios={"ghost": 1})).bookings(1))
    with pytest.raises(ValueError, match="owner"):
        Population(1, 0, WORDS)


def test_common_values_are_common() -> None:
    dice = Dice(1)
    ranked = Ranked.by_rank(("a", "b", "c", "d"), 1)
    drawn = Counter(ranked.draw(dice) for _ in range(4000))
    assert drawn["a"] > drawn["b"] > drawn["c"] > drawn["d"] > 0
    with pytest.raises(ValueError, match="weight"):
        Ranked(("a",), ())
