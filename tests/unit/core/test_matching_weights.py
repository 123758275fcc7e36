"""Weights are data: what is read, and what is refused."""

from __future__ import annotations

import copy
import math
import tomllib
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from vetbridge.core.errors import ConfigError
from vetbridge.core.matching import Clinic, decide, forms_of, read_weights, shipped, weighing
from vetbridge.core.matching.comparing import LEVELS, MISSING, Compared
from vetbridge.core.records import Client, Pet

TEXT = resources.files("vetbridge.core.matching").joinpath("weights.toml").read_text(encoding="utf-8")
NOTHING = (MISSING,) * 10


def document() -> dict[str, Any]:
    return copy.deepcopy(tomllib.loads(TEXT))


def test_the_shipped_weights_are_complete_and_say_where_they_come_from() -> None:
    weights = shipped()
    assert set(weights.chances) == set(LEVELS)
    assert all(set(weights.chances[field]) == set(levels) for field, levels in LEVELS.items())
    assert weights.provenance["made_on"]
    assert read_weights(document(), "a copy") == weights


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(given: dict[str, Any]) -> None:
        for key in path[:-1]:
            given = given[key]
        if value is None:
            del given[path[-1]]
        else:
            given[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("schema", value=2), "schema 2 is not 1"),
        (put("shares", value=None), "shares: a mapping is needed"),
        (put("shares", "known", value=None), "known must be a number"),
        (put("shares", "known", value=1.0), "known must be a number"),
        (put("shares", "known", value="0.7"), "known must be a number"),
        (put("shares", "known", value=True), "known must be a number"),
        (put("shares", "known", value=math.nan), "known must be a number"),
        (put("decide", "false_link", value=-1), "false_link must be a number"),
        (put("decide", "false_link", value=math.inf), "false_link must be a number"),
        (put("fields", "phone", value=None), "fields.phone: a mapping is needed"),
        (put("fields", "phone", "self", value=None), "fields.phone.self: a mapping is needed"),
        (put("fields", "phone", "self", value={"exact": 0.9, "differs": 0.1}), "chances of exact, near, differs"),
        (put("fields", "phone", "self", value={"exact": 0.9, "near": 0.4, "differs": 0.1}), "their sum must be 1"),
        (put("fields", "sex", "self", value={"exact": 0.1, "differs": 0.9}), "would speak less for a match"),
        (put("calibration", "bits", value=[[1.0, 1.0], [0.0, 2.0]]), "calibration must rise"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused_with_their_place(
    change: Callable[[dict[str, Any]], None], words: str
) -> None:
    given = document()
    change(given)
    with pytest.raises(ConfigError, match=words) as caught:
        read_weights(given, "mine.toml")
    assert str(caught.value).startswith("mine.toml")
    assert caught.value.code == "weights"


@pytest.mark.parametrize("given", [None, [], "weights", 7, {"schema": 1, "shares": []}])
def test_what_is_no_document_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError):
        read_weights(given, "mine.toml")


@pytest.mark.parametrize("bits", [7, "x", [1], [["a", "b"]], [[1.0]], [[math.nan, 1.0]]])
def test_a_calibration_that_is_no_list_of_pairs_is_refused(bits: Any) -> None:
    given = document()
    given["calibration"]["bits"] = bits
    with pytest.raises(ConfigError):
        read_weights(given, "mine.toml")


@pytest.mark.parametrize(
    "change",
    [
        *(put("shares", share, value=0) for share in tomllib.loads(TEXT)["shares"]),
        put("fields", "phone", "self", value={"near": 0.02, "differs": 0.98}),
    ],
)
def test_weights_that_are_taken_can_be_worked_with(change: Callable[[dict[str, Any]], None]) -> None:
    """Whatever the file says, it is refused when it is read, or every booking can be decided by it."""
    given = document()
    change(given)
    try:
        weights = read_weights(given, "mine.toml")
    except ConfigError:
        return
    client = Client(
        given_name="John", family_name="Smith", phones=("07700900123",), emails=("a@b.org",), street="1 A St"
    )
    rex = Pet(id="p", name="Rex")
    for active in (True, False):
        record = Client(id="c", active=active, given_name="John", family_name="Smith", phones=client.phones)
        known = [forms_of(record, [rex], "GB")]
        for says in (None, True, False):
            booking = forms_of(client, [rex], "GB")
            found = decide(booking, known, Clinic(100, {}), weights=weights, claims_existing=says)
            assert math.isfinite(found.candidates[0].bits)


def odds(level: str, field: str, by_chance: float = 0.001) -> float:
    place = list(LEVELS).index(field)
    compared = Compared(*NOTHING[:place], level, *NOTHING[place + 1 :], None, several=False)
    chances = weighing.Chances(*(by_chance,) * 6)
    return weighing.odds(compared, chances, 1, 0.001, Clinic(1_000, {}), shipped()).linking


@pytest.mark.parametrize("field", LEVELS)
def test_agreement_speaks_for_and_difference_against(field: str) -> None:
    assert odds("exact", field) > odds(MISSING, field) > odds("differs", field)


@pytest.mark.parametrize("field", ["family_name", "given_name", "pet_name"])
def test_a_rare_name_says_more(field: str) -> None:
    assert odds("exact", field, 0.0001) > odds("exact", field, 0.01) > odds(MISSING, field)


def test_a_pet_of_many_says_less() -> None:
    compared = Compared(*NOTHING[:5], "exact", *NOTHING[6:], None, several=False)
    chances = weighing.Chances(*(0.001,) * 6)
    one, many = (weighing.odds(compared, chances, pets, 0.001, Clinic(1_000, {}), shipped()) for pets in (1, 60))
    assert one.linking > many.linking


def test_the_prior_knows_the_size_and_what_the_booker_says() -> None:
    small, large = (weighing.prior(Clinic(size, {}), shipped(), claims_existing=None) for size in (100, 10_000))
    assert small == pytest.approx(100 * large)
    says, nothing, denies = (
        weighing.prior(Clinic(100, {}), shipped(), claims_existing=each) for each in (True, None, False)
    )
    assert says > nothing > denies > 0
    assert weighing.prior(Clinic(0, {}), shipped(), claims_existing=None) > 0
