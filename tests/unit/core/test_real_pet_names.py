"""Real pet names, with all that people write there: none of them breaks what compares, finds and keeps names."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import pytest

from tests.matching import decided
from vetbridge.core import normalise, notes
from vetbridge.core.matching import Verdict, forms_of, keys
from vetbridge.core.matching.forms import sound
from vetbridge.core.records import Client, Pet

NAMES = Path(__file__).parents[4] / "shared" / "data" / "pets" / "seattle_names.csv"
STAMP = notes.make_stamp(b"real names")


@pytest.fixture(scope="module")
def names() -> list[str]:
    if not NAMES.is_file():
        pytest.skip(f"the real pet names are not beside the project: {NAMES} is missing")
    with NAMES.open(encoding="utf-8", newline="") as file:
        found = sorted({row["name"] for row in csv.DictReader(file) if row["name"].strip()})
    assert len(found) > 10_000
    return found


def said(name: str) -> bool:
    """Whether a name says anything: a letter or a digit. Brackets hold remarks, which do not count."""
    return any(unicodedata.category(character)[0] in "LN" for character in name) and not set(name) & set("()[]{}<>")


@pytest.mark.shared_data
def test_no_real_name_is_lost_when_it_is_folded(names: list[str]) -> None:
    lost = [name for name in names if said(name) and not normalise.pet_name(name)]
    assert lost == []
    assert [name for name in names if normalise.pet_name(normalise.pet_name(name)) != normalise.pet_name(name)] == []


@pytest.mark.shared_data
def test_the_same_pet_is_found_again(names: list[str]) -> None:
    """However its name is typed the second time, the booking and the record share a key, and the pet is that pet."""
    booker = Client(given_name="Ann", family_name="Example", phones=("07700 900123",))
    client = Client(id="1", given_name="Ann", family_name="EXAMPLE", phones=("+447700900123",))
    for name in names[::13]:
        record = Pet(id="2", client_id="1", name=name)
        typed = Pet(name=f"  {name.swapcase()} ")
        by_name = keys(forms_of(Client(family_name="Example"), [typed], "GB"))
        shared = by_name & keys(forms_of(Client(family_name="Example"), [record], "GB"))
        folded = forms_of(client, [record], "GB").animals[0].name
        assert bool(shared) == bool(sound(folded.partition(" ")[0])), name
        found = decided(booker, typed, [(client, [record])])
        assert (found.verdict, found.pet_id) == (Verdict.LINKED, "2"), name


@pytest.mark.shared_data
def test_every_real_name_stands_in_a_block_of_notes_and_comes_out_again(names: list[str]) -> None:
    for name in names:
        text = notes.place("Staff wrote this.", notes.block(STAMP, [f"Pet: {name}"]))
        found = notes.find(text)
        assert found is not None, name
        assert found[0] == STAMP
        assert normalise.pet_name(found[1].removeprefix("Pet: ")) == normalise.pet_name(name), name
        assert notes.remove(text) == "Staff wrote this."
