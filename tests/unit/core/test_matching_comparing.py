"""In which levels two records agree."""

from __future__ import annotations

from datetime import date
from itertools import product

import pytest

from vetbridge.core.matching import forms_of, same_household, same_person
from vetbridge.core.matching.comparing import (
    LEVELS,
    Compared,
    breed_level,
    compare,
    family_level,
    given_level,
    pet_level,
)
from vetbridge.core.records import Client, Pet

NAMES = [
    "",
    "ann",
    "anna",
    "anne maria",
    "j",
    "john",
    "jon",
    "smith",
    "smyth",
    "smith jones",
    "li",
    "rex",
    "rexy",
    "x",
]


@pytest.mark.parametrize(
    ("here", "there", "level"),
    [
        ("smith", "smith", "exact"),
        ("van der berg", "vanderberg", "exact"),
        ("smith jones", "smith", "part"),
        ("von stein", "stein", "part"),
        ("smyth", "smith", "near"),
        ("meier", "mayer", "near"),
        ("schmidt", "schmitt", "near"),
        ("smith", "jones", "differs"),
        ("li", "lo", "differs"),
        ("", "smith", "missing"),
    ],
)
def test_family_names(here: str, there: str, level: str) -> None:
    assert family_level(here, there) == family_level(there, here) == level


@pytest.mark.parametrize(
    ("here", "there", "level"),
    [
        ("john", "john", "exact"),
        ("anna maria", "annamaria", "exact"),
        ("anna", "anna maria", "short"),
        ("bill", "william", "short"),
        ("kasia", "katarzyna", "short"),
        ("catherine", "cathrine", "near"),
        ("j", "john", "initial"),
        ("j", "mary", "differs"),
        ("john", "mary", "differs"),
        ("", "mary", "missing"),
    ],
)
def test_given_names(here: str, there: str, level: str) -> None:
    assert given_level(here, there) == given_level(there, here) == level


@pytest.mark.parametrize(
    ("he", "she"),
    [("john", "joan"), ("mario", "marie"), ("mario", "maria"), ("paul", "paula"), ("daniel", "daniela")],
)
def test_the_name_of_a_man_is_not_that_of_a_woman_misspelt(he: str, she: str) -> None:
    assert given_level(he, she) == given_level(she, he) == "differs"


@pytest.mark.parametrize(
    ("here", "there", "level"),
    [
        ("bella", "bella", "exact"),
        ("bella", "isabella", "short"),
        ("luna", "luna mae", "short"),
        ("maxi", "max", "short"),
        ("zorrro", "zorro", "near"),
        ("luna", "lena", "alike"),
        ("rex", "luna", "differs"),
        ("", "luna", "missing"),
    ],
)
def test_pet_names(here: str, there: str, level: str) -> None:
    assert pet_level(here, there) == pet_level(there, here) == level


@pytest.mark.parametrize(("one", "other"), [("polly", "molly"), ("milly", "tilly"), ("daisy", "maisy")])
def test_pet_names_that_rhyme_are_at_most_alike(one: str, other: str) -> None:
    assert pet_level(one, other) in ("alike", "differs")


def test_levels_do_not_depend_on_which_side_says_what() -> None:
    for one, other in product(NAMES, NAMES):
        for level in (family_level, given_level, pet_level):
            assert level(one, other) == level(other, one), (level, one, other)


def test_breeds() -> None:
    assert breed_level("labrador retriever", "labrador retriever") == "exact"
    assert breed_level("labrador", "labrador retriever") == "alike"
    assert breed_level("border terrier", "yorkshire terrier") == "differs", "a terrier is no breed"
    assert breed_level("", "pug") == "missing"


def levels(here: Client, there: Client, *, pet: Pet | None = None, pets: tuple[Pet, ...] = ()) -> Compared:
    return compare(forms_of(here, [pet] if pet else [], "GB"), forms_of(there, pets, "GB"), frozenset())


@pytest.mark.parametrize(
    ("here", "there", "level"),
    [
        ("07700 900123", "+44 7700 900123", "exact"),
        ("07700 900123", "07700 900132", "near"),
        ("07700 900123", "020 7946 0018 / 07700900123", "exact"),
        ("07700 900123", "07700 900555", "differs"),
        ("07700 900123", "none", "missing"),
    ],
)
def test_phones(here: str, there: str, level: str) -> None:
    assert levels(Client(phones=(here,)), Client(phones=(there,))).phone == level


@pytest.mark.parametrize(
    ("here", "there", "level"),
    [
        ("John.Smith@example.com", "john.smith@EXAMPLE.com", "exact"),
        ("john.smith@example.com", "john.smith@example.org", "local"),
        ("john.smith@example.com", "jon.smith@example.com", "near"),
        ("john.smith@example.com", "eva@example.com", "differs"),
        ("john.smith@example.com", "none@none.com", "missing"),
    ],
)
def test_email_addresses(here: str, there: str, level: str) -> None:
    assert levels(Client(emails=(here,)), Client(emails=(there,))).email == level


ABERDEEN = {"postcode": "AB1 2CD", "city": "Aberdeen"}


@pytest.mark.parametrize(
    ("here", "there", "level"),
    [
        ({"street": "12 Mill Road", **ABERDEEN}, {"street": "12 Mill Rd", **ABERDEEN}, "exact"),
        ({"street": "12", "postcode": "AB1 2CD"}, {"street": "12 Mill Rd", **ABERDEEN}, "exact"),
        ({"street": "12 Mill Road", "city": "Aberdeen"}, {"street": "12 Mill Road", "city": "Perth"}, "near"),
        ({"street": "12 Mill Road"}, {"street": "12 Mill Road"}, "near"),
        ({"street": "9 Mill Road", **ABERDEEN}, {"street": "12 Mill Road", **ABERDEEN}, "postcode"),
        ({"street": "9 High Street", "postcode": "ZZ9 9ZZ"}, {"street": "12 Mill Road", **ABERDEEN}, "differs"),
        ({"city": "Aberdeen"}, {"street": "12 Mill Road", **ABERDEEN}, "missing"),
    ],
)
def test_addresses(here: dict[str, str], there: dict[str, str], level: str) -> None:
    assert levels(Client(**here), Client(**there)).address == level  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("here", "there", "level"),
    [
        (date(2020, 5, 1), date(2020, 5, 1), "exact"),
        (date(2020, 5, 1), date(2020, 1, 5), "near"),
        (date(2020, 5, 1), date(2010, 5, 1), "near"),
        (date(2020, 5, 1), date(2021, 3, 17), "near"),
        (date(2020, 5, 1), date(2012, 3, 17), "differs"),
        (None, date(2012, 3, 17), "missing"),
    ],
)
def test_birth_dates(here: date | None, there: date, level: str) -> None:
    pets = (Pet(id="p", name="Rex", birth_date=there),)
    assert levels(Client(), Client(), pet=Pet(name="Rex", birth_date=here), pets=pets).birth_date == level


def test_the_pet_is_the_one_that_fits_best() -> None:
    pets = (
        Pet(id="dead", name="Bella", species="dog", deceased=True),
        Pet(id="cat", name="Bella", species="cat"),
        Pet(id="dog", name="Bella", species="dog"),
        Pet(id="other", name="Rex", species="dog"),
    )
    found = levels(Client(), Client(), pet=Pet(name="Bella", species="dog"), pets=pets)
    assert (found.animal and found.animal.id, found.pet_name, found.species, found.several) == (
        "dog",
        "exact",
        "exact",
        False,
    )
    assert levels(Client(), Client(), pet=Pet(name="Bella"), pets=pets).several
    none = levels(Client(), Client(), pet=Pet(name="Zorro"), pets=pets)
    assert (none.animal, none.pet_name, none.species) == (None, "differs", "missing")


def test_without_a_name_the_only_living_pet_is_the_one() -> None:
    pets = (Pet(id="dead", name="Bella", deceased=True), Pet(id="dog", name="Rex", species="dog"))
    found = levels(Client(), Client(), pets=pets)
    assert (found.animal and found.animal.id, found.pet_name) == ("dog", "missing")
    assert levels(Client(), Client(), pet=Pet(species="cat"), pets=pets).species == "differs"
    assert levels(Client(), Client(), pets=(*pets, Pet(id="third", name="Bo"))).animal is None


def test_a_common_contact_says_nothing() -> None:
    one = forms_of(Client(phones=("07700900123",), emails=("a.b@c.org",)), [], "GB")
    found = compare(one, one, frozenset({"+447700900123", "a.b@c.org"}))
    assert (found.phone, found.email) == ("common", "common")


def test_every_level_that_is_found_has_its_place_in_the_order() -> None:
    one = forms_of(
        Client(given_name="John", family_name="Smith", street="1 High St"), [Pet(id="p", name="Rex")], "GB"
    )
    for field, level in zip(LEVELS, compare(one, one, frozenset())[:10], strict=True):
        assert level in (*LEVELS[field], "missing")


@pytest.mark.parametrize(
    ("one", "other", "household", "person"),
    [
        (("John", "Smith"), ("Jon", "Smyth"), True, True),
        (("John", "Smith"), ("", "Smith"), True, True),
        (("John", "Smith"), ("Mary", "Smith"), True, False),
        (("John", "Smith"), ("John", "Jones"), False, False),
        (("John & Mary", "Smith"), ("Mary", "Smith"), True, True),
        (("John", ""), ("John", ""), True, True),
        (("", ""), ("John", "Smith"), False, False),
    ],
)
def test_whether_two_are_one_person_or_one_household(
    one: tuple[str, str], other: tuple[str, str], household: bool, person: bool
) -> None:
    here = Client(given_name=one[0], family_name=one[1])
    there = Client(given_name=other[0], family_name=other[1])
    assert (same_household(here, there), same_person(here, there)) == (household, person)


def test_a_co_owner_is_of_the_household_and_not_the_owner() -> None:
    owner = Client(given_name="John", family_name="Smith", co_owners=("Mary Jones",))
    mary, eve = Client(given_name="Mary", family_name="Jones"), Client(given_name="Eve", family_name="Stone")
    assert (same_household(owner, mary), same_person(owner, mary)) == (True, False)
    assert (same_household(mary, owner), same_household(owner, eve)) == (True, False)
