"""What a record says in comparable forms: people, contacts, address, pets."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from itertools import combinations

import pytest

from vetbridge.core.matching import Forms, forms_of, keys
from vetbridge.core.matching.forms import Person, breed, people, plain, roots, sex, sound, species
from vetbridge.core.records import Client, Pet


@pytest.mark.parametrize(
    ("given", "family", "expected"),
    [
        ("John", "Smith", {("john", "smith")}),
        ("Mr John", "Smith (VIP)", {("john", "smith")}),
        ("John Smith", "", {("john", "smith"), ("smith", "john")}),
        ("", "Smith, John", {("john", "smith"), ("smith", "john")}),
        ("", "Smith", {("", "smith")}),
        ("John & Mary", "Smith", {("john", "smith"), ("mary", "smith")}),
        ("John", "Smith / Jones", {("john", "smith"), ("john", "jones")}),
        ("Ludwig van Beethoven", "", {("ludwig", "van beethoven"), ("van beethoven", "ludwig")}),
        ("John", "Smith 07700 900123", {("john", "smith")}),
        ("John \x1b[31m", "Smith", {("john", "smith")}),
        ("?!", "🐶", set()),
    ],
)
def test_the_people_that_a_name_names(given: str, family: str, expected: set[tuple[str, str]]) -> None:
    assert set(people(Client(given_name=given, family_name=family))) == {Person(*one) for one in expected}


def test_a_couple_in_one_field_shares_its_family_name() -> None:
    found = people(Client(given_name="John & Mary Smith"))
    assert {Person("john", "smith"), Person("mary", "smith")} <= set(found)


@pytest.mark.parametrize(("given", "family"), [("Johnny", "Cash"), ("Anna", "Do"), ("Maria", "Lord"), ("Wei", "Pan")])
def test_a_name_that_is_a_remark_elsewhere_stays_a_name(given: str, family: str) -> None:
    """A word that says nothing beside a name is the name where nothing else stands in the field."""
    assert Person(plain(given), plain(family)) in people(Client(given_name=given, family_name=family))


@pytest.mark.parametrize("text", ["Müller", "MUELLER", "muller", "Mu\u0308ller"])
def test_umlauts_fold_however_they_are_written(text: str) -> None:
    assert plain(text) == "muller"


@pytest.mark.parametrize(
    ("one", "other"), [("meier", "mayr"), ("schmidt", "smit"), ("cathryn", "katrin"), ("philips", "filips")]
)
def test_names_of_like_sound_share_a_key(one: str, other: str) -> None:
    assert sound(one) == sound(other) != ""
    assert sound("") == ""


def test_names_of_another_sound_do_not() -> None:
    named = ["smith", "jones", "novak", "kowalski", "brown"]
    assert all(sound(one) != sound(other) for one, other in combinations(named, 2))


def test_a_short_name_has_its_roots() -> None:
    assert roots("sam") >= {"samuel", "samantha"}
    assert roots("zebedee") == {"zebedee"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hund", "dog"),
        ("CANINE", "dog"),
        ("Dog (small)", "dog"),
        ("Meerschweinchen", "guinea_pig"),
        ("guinea pig", "guinea_pig"),
        ("guinea_pig", "guinea_pig"),
        ("other", ""),
        ("", ""),
    ],
)
def test_a_species_in_whatever_words(text: str, expected: str) -> None:
    assert species(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f", "f"),
        ("FN", "f"),
        ("weiblich", "f"),
        ("Hündin", "f"),
        ("HUNDIN", "f"),
        ("Male (neutered)", "m"),
        ("Rüde", "m"),
        ("RUDE", "m"),
        ("Wallach", "m"),
        ("Mare", "f"),
        ("vasectomised male", "m"),
        ("whole male", "m"),
        ("mixed", ""),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_a_sex_in_whatever_words(text: str, expected: str) -> None:
    assert sex(text) == expected


def test_breeds_have_one_name() -> None:
    assert breed("GSD") == breed("Deutscher Schäferhund") == breed("Alsatian")
    assert breed("Kromfohrländer") == "kromfohrlander"


@pytest.mark.parametrize("name", ["Rex", "REX (bites!)", "Rex - old", "Rex the dog", "REX THE DOG", "Rex, Labrador"])
def test_a_remark_behind_a_pets_name_is_none_of_it(name: str) -> None:
    assert forms_of(Client(), [Pet(name=name)], "GB").animals[0].name == "rex"


def test_what_stands_behind_a_pets_name_may_name_its_owner() -> None:
    assert "miller" in forms_of(Client(), [Pet(name="Rex (Miller)")], "GB").others
    assert forms_of(Client(), [Pet(name="Rex")], "GB").others == ()


@pytest.mark.parametrize(
    ("given", "family", "proxy"),
    [
        ("Anna (for Mrs Smith)", "Jones", True),
        ("Anna für Eva", "Jones", True),
        ("Anna fur Eva", "Jones", True),
        ("ANNA FÜR EVA", "JONES", True),
        ("Dogsitter", "Jones", True),
        ("Anna", "c/o Smith", True),
        ("Anna", "Jones", False),
        ("Forrest", "Ford", False),
        ("Furkan", "Voorhees", False),
        ("Willem", "de Sitter", False),
        ("Kat", "van Dijk", False),
    ],
)
def test_who_books_for_another(given: str, family: str, proxy: bool) -> None:
    assert forms_of(Client(given_name=given, family_name=family), [], "GB").proxy is proxy


@pytest.mark.parametrize("street", ["12 Mill Road", "12, MILL Rd", "Mill Road 12", "12a Mill  Rd."])
def test_a_street_in_any_order(street: str) -> None:
    found = forms_of(Client(street=street, postcode="ab1 2cd", city="Århus"), [], "GB")
    assert (found.street, found.house, found.postcode, found.city) == ("millrd", "12", "ab12cd", "arhus")


def test_contacts_are_read_by_the_country_and_stand_once() -> None:
    client = Client(
        phones=("07700 900123 / +44 7700 900123", "call me"), emails=("A@x.org; a@X.org", "none@none.com")
    )
    found = forms_of(client, [], "GB")
    assert (found.phones, found.emails) == (("+447700900123",), ("a@x.org",))
    assert forms_of(client, [], "").phones == ("+447700900123",)


def test_the_forms_come_back_from_plain_lists() -> None:
    client = Client(
        id="c", given_name="John & Eva", family_name="Smith", phones=("07700900123",), emails=("a@b.org",)
    )
    client = replace(client, co_owners=("Mary Jones", "Tom"))
    made = forms_of(client, [Pet(id="p", name="Rex", birth_date=date(2020, 5, 1))], "GB")
    packed = json.loads(json.dumps(made))
    assert Forms.unpacked(packed) == made
    assert Forms.unpacked(packed[:-1]) == made._replace(co_owners=()), "kept before there were co-owners"


@pytest.mark.parametrize(
    ("co_owner", "expected"),
    [
        ("Mary Jones", {("mary", "jones"), ("jones", "mary")}),
        ("Mary", {("mary", "smith")}),
        ("Mary & Tom Jones", {("mary", "jones"), ("tom", "jones")}),
        ("?!", set()),
    ],
)
def test_a_co_owner_of_one_word_has_the_owners_family_name(co_owner: str, expected: set[tuple[str, str]]) -> None:
    owner = Client(given_name="John", family_name="Smith", co_owners=(co_owner,))
    found = forms_of(owner, (), "GB")
    assert {person for one in found.co_owners for person in one.people} >= {Person(*one) for one in expected}
    assert bool(found.co_owners) is bool(expected)
    assert found.people == people(replace(owner, co_owners=()))


def test_of_many_pets_the_living_are_looked_at() -> None:
    pets = [Pet(id=f"p{number:03}", name=f"Dog{number}", deceased=number < 40) for number in range(100)]
    found = forms_of(Client(), pets, "GB").animals
    assert len(found) == 60
    assert not any(one.deceased for one in found)


def test_huge_and_hostile_text_is_cut() -> None:
    junk = "(" * 100_000 + "& / + " * 100_000 + "\x1b[" * 100_000 + "\ud800" * 1000
    client = Client(
        given_name=junk, family_name=junk, phones=(junk,), emails=(junk,), street=junk, postcode=junk, city=junk
    )
    pet = Pet(name=junk, species=junk, breed=junk, sex=junk)
    found = forms_of(client, [pet], "GB")
    keys(found)
    assert max(len(each) for each in (found.given, found.family, found.street, found.city, found.postcode)) <= 200


def test_a_record_of_many_words_makes_few_keys() -> None:
    """A clinic's own record with sixty pets, each name a sentence."""
    wordy = " ".join(f"w{number}{'x' * (number % 3)}" for number in range(60))
    pets = [Pet(id=f"p{number}", name=f"Pet{number} {wordy} {number * 'y'}") for number in range(60)]
    client = replace(Client(given_name="Eva", family_name="Novak"), id="c")
    assert len(keys(forms_of(client, pets, "GB"))) < 2_000
