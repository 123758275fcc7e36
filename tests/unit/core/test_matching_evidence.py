"""Why, in words and bits."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tests.matching import Records, decided
from vetbridge.core.matching import Evidence
from vetbridge.core.matching.comparing import LEVELS
from vetbridge.core.matching.evidence import _CALLED, _SAID
from vetbridge.core.records import Client, Pet

REX = Pet(id="p1", name="Rex", species="dog", breed="GSD", sex="male", birth_date=date(2020, 5, 1))
JOHN = Client(
    id="c1",
    given_name="John",
    family_name="Smith",
    phones=("+447700900123",),
    emails=("john@example.com",),
    street="12 Mill Road",
    postcode="AB1 2CD",
    city="Aberdeen",
)


def evidence(booker: Client, pet: Pet | None, known: Records, **more: Any) -> dict[str, Evidence]:
    return {each.field: each for each in decided(booker, pet, known, **more).evidence}


def test_each_field_is_told_once_with_both_values() -> None:
    found = evidence(replace(JOHN, id=None, given_name="Jon"), REX, [(JOHN, [REX])])
    assert list(found) == ["prior", *LEVELS]
    assert found["prior"].weight < 0, "one of two thousand"
    assert found["prior"].words == "one of all clients on record"
    given = found["given_name"]
    assert (given.here, given.there, given.words) == ("Jon", "John", "a short form of the given name")
    assert (found["address"].here, found["address"].words) == ("millrd 12 ab12cd aberdeen", "same address")
    assert found["birth_date"].here == "2020-05-01"
    assert found["breed"].level == "exact"
    assert all(each.weight > 0 for field, each in found.items() if field in ("phone", "pet_name", "birth_date"))


def test_what_nobody_says_is_not_told() -> None:
    found = evidence(
        Client(given_name="John", phones=("07700900123",)),
        None,
        [(Client(id="c1", given_name="John", phones=("07700900123",)), [])],
    )
    assert set(found) >= {"prior", "phone", "given_name"}
    assert not {"email", "address", "pet_name", "species", "birth_date"} & set(found)


@pytest.mark.parametrize("sure", ["linked_to", "taught"])
def test_a_link_has_its_own_line(sure: str) -> None:
    found = evidence(replace(JOHN, id=None), REX, [(JOHN, [REX])], **{sure: "c1"})
    assert found["link"].weight > 5
    assert found["prior"].weight < 0


def test_an_inactive_client_is_weighed_as_one() -> None:
    booker = replace(JOHN, id=None)
    active, inactive = (
        decided(booker, None, [(replace(JOHN, active=active), [])]).candidates[0] for active in (True, False)
    )
    assert inactive.bits < active.bits - 1
    assert sum(each.weight for each in inactive.evidence) == pytest.approx(inactive.bits, abs=0.01)


def test_there_are_words_for_every_field_and_level() -> None:
    assert set(_CALLED) == set(LEVELS)
    assert set(_SAID) >= {level for levels in LEVELS.values() for level in levels} | {"missing", "common"}
