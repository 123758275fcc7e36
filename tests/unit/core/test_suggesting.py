"""Suggestions for code lists: sure only where names mean the same, never where two could be meant."""

from __future__ import annotations

import csv
import random
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vetbridge.core import normalise
from vetbridge.core.suggesting import Sureness, common_words, suggest

FCI = Path(__file__).parents[4] / "shared" / "data" / "pets" / "fci_breeds_en_de.csv"
SPECIES = {word: word.replace("_", " ") for word in common_words("species")}
BREEDS = {
    "lab": "Labrador Retriever",
    "labx": "Labrador Retriever Cross",
    "golden": "Golden Retriever",
    "mixed": "Mixed breed",
}
NAMES = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd", "Zs", "Po"]), max_size=12)
LISTS = st.sampled_from(["appointment_type", "resource", "species", "breed"])


def one(list_name: str, title: str, among: dict[str, str]) -> tuple[str | None, Sureness]:
    found = suggest(list_name, {"here": title}, among)["here"]
    return found.counterpart, found.sureness


@pytest.mark.parametrize(
    ("title", "word"),
    [
        *((title, "dog") for title in ("Dog", "DOGS", "canine", "Hund", "hond", "perro", "pies", "собака")),
        *((title, "cat") for title in ("Feline", "Katze", "kat", "Gato", "kot")),
        *((title, "rabbit") for title in ("Kaninchen", "konijn", "conejo", "królik")),
    ],
)
def test_species_in_the_words_of_clinics(title: str, word: str) -> None:
    assert one("species", title, SPECIES) == (word, Sureness.SURE)


@pytest.mark.parametrize(
    ("title", "code"),
    [
        *((title, "lab") for title in ("labrador", "Lab", "Labrador-Retriever", "Retriever, Labrador")),
        *((title, "labx") for title in ("Lab x", "Labradormix", "Labrador cross", "labrador mischling", "Lab. Mix")),
        *((title, "mixed") for title in ("Mischling", "mongrel", "Kundel", "Mestizo")),
    ],
)
def test_breeds_and_their_crosses(title: str, code: str) -> None:
    assert one("breed", title, BREEDS) == (code, Sureness.SURE)


def test_a_cross_is_not_the_breed() -> None:
    assert one("breed", "Labradormix", {"lab": "Labrador"}) == (None, Sureness.NONE)
    assert one("breed", "Labrador", {"labx": "Lab x"}) == (None, Sureness.NONE)


def test_what_is_only_alike_is_likely() -> None:
    assert one("appointment_type", "Vacination", {"1": "Vaccination", "2": "Dental"}) == ("1", Sureness.LIKELY)
    assert one("resource", "Dr Ash", {"1": "Ash", "2": "Dr Birch"}) == ("1", Sureness.LIKELY)
    assert one("appointment_type", "Grooming", {"1": "Vaccination", "2": "Dental"}) == (None, Sureness.NONE)


def test_a_number_tells_two_rooms_apart() -> None:
    assert one("resource", "Room 1", {"b": "Room 2"}) == (None, Sureness.NONE)
    assert one("resource", "Room 1", {"b": "Room 2", "a": "room 1"}) == ("a", Sureness.SURE)


def test_the_opposite_is_not_alike() -> None:
    assert one("status", "Unconfirmed", {"c": "confirmed"}) == (None, Sureness.NONE)
    assert one("appointment_type", "Not urgent", {"u": "urgent"}) == (None, Sureness.NONE)
    assert one("status", "Missed", {"n": "no show"}) == ("n", Sureness.SURE)


def test_ties_and_near_ties_are_not_sure() -> None:
    assert one("resource", "Dr Ash", {"1": "Dr Ash", "2": "DR. ASH"})[1] is Sureness.LIKELY
    assert one("species", "Hund", {"1": "Dog", "2": "Canine"})[1] is Sureness.LIKELY
    two = suggest("resource", {"1": "Dr Ash", "2": "Dr. Ash"}, {"a": "Dr Ash"})
    assert {each.sureness for each in two.values()} == {Sureness.LIKELY}
    several = suggest("species", {"1": "Hund", "2": "dog"}, {"dog": "dog"}, one_to_one=False)
    assert {each.sureness for each in several.values()} == {Sureness.SURE}


def test_a_name_that_says_nothing_is_nothing() -> None:
    for title in ("", " - ", "\x1b[2J", "\u202e"):
        assert suggest("species", {"1": title}, {"2": title})["1"].counterpart in (None, "2")
    assert one("species", "---", {"1": "---"}) == (None, Sureness.NONE)


def test_no_spelling_stands_for_two_things() -> None:
    """Else it would depend on the order of the table what is sure."""
    text = resources.files("vetbridge.core").joinpath("synonyms.toml").read_text(encoding="utf-8")
    for groups in tomllib.loads(text).values():
        found: dict[str, str] = {}
        for key, others in groups.items():
            for spelling in (key, *others):
                folded = " ".join(sorted(normalise.name(spelling).split()))
                assert folded, key
                assert found.setdefault(folded, key) == key, spelling


@settings(max_examples=60, deadline=None)
@given(LISTS, st.dictionaries(st.text("abc", max_size=2), NAMES, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_codes_does_not_matter(list_name: str, titles: dict[str, str], chance: random.Random) -> None:
    shuffled = list(titles.items())
    chance.shuffle(shuffled)
    assert suggest(list_name, dict(shuffled), dict(shuffled)) == suggest(list_name, titles, titles)


@settings(max_examples=60, deadline=None)
@given(LISTS, st.lists(NAMES, max_size=6, unique_by=lambda name: " ".join(sorted(normalise.name(name).split()))))
def test_equal_names_are_sure_and_never_another_code(list_name: str, names: list[str]) -> None:
    titles = {str(number): name for number, name in enumerate(names)}
    for code, each in suggest(list_name, titles, titles).items():
        if normalise.name(titles[code]):
            assert (each.counterpart, each.sureness) == (code, Sureness.SURE)
        else:
            assert each.sureness is Sureness.NONE


@settings(max_examples=60, deadline=None)
@given(LISTS, st.lists(st.sampled_from([*SPECIES.values(), *BREEDS.values(), "Café Ñandú", "Dr Ash"]), max_size=5))
def test_case_and_accents_do_not_matter(list_name: str, names: list[str]) -> None:
    titles = {str(number): name for number, name in enumerate(names)}
    accents = str.maketrans("aeoun", "áéöúñ")
    changed = {code: title.lower().translate(accents).upper() for code, title in titles.items()}
    assert suggest(list_name, changed, BREEDS) == suggest(list_name, titles, BREEDS)


@pytest.mark.shared_data
def test_german_breeds_find_english_ones() -> None:
    """By the names of the FCI: what is sure is right."""
    if not FCI.is_file():
        pytest.skip(f"the real breed names are not beside the project: {FCI} is missing")
    with FCI.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["name_en"] and row["name_de"]]
    english = {row["fci_id"]: row["name_en"] for row in rows}
    german = {row["fci_id"]: row["name_de"] for row in rows}
    across = suggest("breed", german, english)
    sure = {code: each for code, each in across.items() if each.sureness is Sureness.SURE}
    assert len(sure) > 60
    assert [german[code] for code, each in sure.items() if each.counterpart != code] == []
