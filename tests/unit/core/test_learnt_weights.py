"""What is learnt from observations: little from few, more from many, and never more than the data support."""

from __future__ import annotations

import math
import random
import tomllib
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vetbridge.core.matching import Clinic, Verdict, decide, forms_of, read_weights, shipped
from vetbridge.core.matching.comparing import LEVELS, MISSING
from vetbridge.core.matching.document import document_of, toml_of
from vetbridge.core.matching.observing import _LETTERS, ELSEWHERE, Observation, Seen, observe
from vetbridge.core.matching.replaying import Tally, decided, objection, replay, shipped_replay
from vetbridge.core.matching.teaching import lesson_keys
from vetbridge.core.matching.training import calibrate, fit, halfway
from vetbridge.core.matching.weighing import Chances
from vetbridge.core.records import Client, Pet

NOTHING = (MISSING,) * len(LEVELS)
SURE = ("exact", MISSING, MISSING, "exact", "exact", "exact", "exact", "exact", MISSING, MISSING)
STRANGER = ("exact", MISSING, MISSING, "differs", "differs", "differs", MISSING, MISSING, MISSING, MISSING)
BY_CHANCE = Chances(2e-6, 1e-7, 5e-6, 0.001, 0.01, 0.005)


def one(*candidates: tuple[str, ...], meant: tuple[int, ...] | None = None, **more: object) -> Observation:
    seen = tuple(Seen(levels, 2, active=True, sure="", partner=0.0, relation="") for levels in candidates)
    plain = Observation(
        owners=10_000,
        claims_existing=None,
        chances=BY_CHANCE,
        seen=seen,
        verdict=Verdict.REVIEW,
        vetoes=(),
        meant=meant,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


levels = st.tuples(*(st.sampled_from((*each, MISSING, "common")) for each in LEVELS.values()))
observations = st.builds(
    lambda candidates, meant: one(*candidates, meant=None if meant is None else tuple(meant)),
    st.lists(levels, max_size=3),
    st.none() | st.sets(st.sampled_from((ELSEWHERE, 0, 1)), max_size=1),
)


def trained(seen: list[Observation]) -> dict[str, Any]:
    return fit(seen, shipped(), source="tests", made_on="2026-01-02")


# -- observations


@settings(deadline=None)
@given(observations)
def test_an_observation_reads_as_it_was_packed(seen: Observation) -> None:
    assert Observation.unpacked(seen.packed()) == seen


def test_every_level_has_a_letter_of_its_own() -> None:
    assert {level for each in LEVELS.values() for level in each} <= set(_LETTERS)
    assert len(set(_LETTERS.values())) == len(_LETTERS)


@pytest.mark.parametrize(
    "broken",
    [
        {"v": 2},
        {"seen": [["eeeeeeeee", 1, 1, "", 0, ""]]},
        {"seen": [["eeeeeeeeeX", 1, 1, "", 0, ""]]},
        {"seen": [["seeeeeeeee", 1, 1, "", 0, ""]]},
        {"verdict": "perhaps"},
        {"chances": [1, 2]},
        {"seen": None},
    ],
)
def test_an_observation_of_another_version_is_left_out(broken: dict[str, object]) -> None:
    assert Observation.unpacked({**one(SURE).packed(), **broken}) is None


def clinic() -> list[tuple[Client, list[Pet]]]:
    names = [("Ann", "Miller"), ("Tom", "Miller"), ("Anna", "Mueller"), ("Zoe", "Jones"), ("Ann", "Miller")]
    pets = ["Rex", "Bella", "Rex", "Kit", "Rex"]
    return [
        (
            Client(
                id=f"c{place}",
                given_name=given,
                family_name=family,
                phones=(f"+4479120000{place // 2:02}",),
                emails=(f"{given}.{family}@example.com",) if place % 2 else (),
                active=place != 3,
            ),
            [Pet(id=f"p{place}", client_id=f"c{place}", name=pet, species="dog", deceased=place == 2)],
        )
        for place, ((given, family), pet) in enumerate(zip(names, pets, strict=True))
    ]


@pytest.mark.parametrize("claims", [None, True, False])
@pytest.mark.parametrize("how", ["", "taught", "linked_to"])
def test_a_decision_is_made_again_from_its_observation_alone(claims: bool | None, how: str) -> None:
    known = [forms_of(client, pets, "GB") for client, pets in clinic()]
    numbers = Clinic(4000, {"family:miller": 3})
    verdicts = set()
    for given_name in ("Ann", "A", "Tom", "Igor", ""):
        for family_name in ("Miller", "Jones", "Stravinsky", ""):
            for phone in ("+447912000000", "+447912000001", ""):
                for pet in ("Rex", "Kit", "Firebird", ""):
                    booker = Client(given_name=given_name, family_name=family_name, phones=(phone,))
                    booking = forms_of(booker, [Pet(name=pet, species="dog")], "GB")
                    told = {how: "c0"} if how else {}
                    match = decide(booking, known, numbers, claims_existing=claims, **told)
                    by_id = {each.client_id: each for each in known}
                    seen = observe(
                        match, booking, by_id, numbers, shipped(), claims_existing=claims, taught=told.get("taught")
                    )
                    again = Observation.unpacked(seen.packed())
                    assert again is not None
                    linked = 0 if match.verdict is Verdict.LINKED else None
                    assert decided(again, shipped()) == (match.verdict, linked)
                    verdicts.add(match.verdict)
    assert len(verdicts) >= 2


# -- fitting


@settings(max_examples=25, deadline=None)
@given(st.lists(observations, max_size=12), st.integers(1, 400))
def test_whatever_was_seen_more_agreement_never_speaks_less(seen: list[Observation], times: int) -> None:
    document = trained([replace(each, stands_for=float(times)) for each in seen])
    assert read_weights(document, "trained").shares.keys() == shipped().shares.keys()


@settings(max_examples=15, deadline=None)
@given(st.lists(observations, max_size=8), st.randoms())
def test_the_order_of_what_was_seen_and_labelled_does_not_matter(
    seen: list[Observation], random_: random.Random
) -> None:
    mixed = list(seen)
    random_.shuffle(mixed)
    first, second = (read_weights(trained(each), "trained") for each in (seen, mixed))
    for name, chances in first.chances.items():
        for level, numbers in chances.items():
            assert numbers == pytest.approx(second.chances[name][level], rel=1e-6)


def test_strangers_look_alikes_and_costs_stay_as_they_are() -> None:
    start, document = document_of(shipped()), trained([one(STRANGER, meant=(0,))] * 3000)
    assert document["decide"] == start["decide"]
    for name, fields in start["fields"].items():
        assert all(document["fields"][name][who] == fields[who] for who in ("stranger", "relative", "lookalike"))
    assert {name for name, share in document["shares"].items() if share != start["shares"][name]} <= {
        "known",
        "household",
    }


def test_few_observations_change_little_and_many_change_much() -> None:
    def moved(number: int) -> float:
        weights = read_weights(trained([one(SURE, meant=(0,), stands_for=number / 50)] * 50), "trained")
        return weights.chances["species"]["exact"][0] - shipped().chances["species"]["exact"][0]

    room = 1 - shipped().chances["species"]["exact"][0]
    assert 0 < moved(50) < 0.15 * room
    assert moved(20_000) > 0.9 * room


def test_labels_say_what_the_weights_would_not() -> None:
    """Two candidates with equal evidence: a label gives the second all, and without one each has its half."""
    other = (*SURE[:6], "differs", *SURE[7:])
    seen = [one(SURE, other, meant=(1,))] * 30
    told = read_weights(trained(seen), "trained")
    untold = read_weights(trained([replace(each, meant=None) for each in seen]), "trained")
    assert told.chances["species"]["differs"][0] > untold.chances["species"]["differs"][0]


def test_the_provenance_says_from_what_and_when() -> None:
    document = trained([one(SURE, meant=(0,)), one(SURE)])
    assert document["provenance"]["made_on"] == "2026-01-02"
    assert document["provenance"]["from"] == "2 observations of tests, 1 of them labelled"


def test_halfway_lies_between() -> None:
    document = trained([one(SURE, meant=(0,))] * 1000)
    half = read_weights(halfway(document, shipped(), 0.5), "half")
    numbers = [w.chances["species"]["exact"][0] for w in (shipped(), half, read_weights(document, "all"))]
    assert numbers[1] == pytest.approx((numbers[0] + numbers[2]) / 2)
    assert dict(half.decide) == dict(shipped().decide)


# -- the document


@settings(max_examples=20, deadline=None)
@given(st.lists(observations, max_size=5))
def test_weights_read_back_from_toml_as_they_were(seen: list[Observation]) -> None:
    document = trained(seen)
    assert tomllib.loads(toml_of(document)) == document


def test_the_shipped_weights_read_back_from_their_own_document() -> None:
    weights = replace(shipped(), calibration=((-3.0, -4.5), (8.0, 6.25)))
    again = read_weights(tomllib.loads(toml_of(document_of(weights))), "again")
    assert again == weights


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False)))
def test_any_text_survives_toml(table: dict[str, object]) -> None:
    document = {"provenance": {key: value for key, value in table.items() if not _has_half(key, value)}}
    assert tomllib.loads(toml_of(document)) == document


def _has_half(*values: object) -> bool:
    return any(isinstance(each, str) and any("\ud800" <= letter <= "\udfff" for letter in each) for each in values)


# -- calibration


@settings(max_examples=30, deadline=None)
@given(st.lists(observations, min_size=1, max_size=30))
def test_a_calibration_rises_and_can_be_read(seen: list[Observation]) -> None:
    pairs = calibrate(seen, shipped())
    document = {**document_of(shipped()), "calibration": {"bits": [list(pair) for pair in pairs]}}
    assert read_weights(document, "calibrated").calibration == pairs
    assert all(x < more and y <= higher for (x, y), (more, higher) in pairwise(pairs))
    assert all(worth <= bits for bits, worth in pairs)  # a claim is taken back, never raised


@pytest.mark.parametrize("number", [1, 30, 3000])
def test_a_claim_is_never_larger_than_the_data_support(number: int) -> None:
    pairs = calibrate([one(SURE, meant=(0,))] * number, shipped())
    assert pairs[-1][1] <= math.log2(number + 1)


def test_mistakes_at_high_claims_lower_them() -> None:
    right, wrong = one(SURE, meant=(0,)), one(SURE, meant=())
    flawless, flawed = (calibrate(seen, shipped()) for seen in ([right] * 1000, [right] * 990 + [wrong] * 10))
    assert flawed[-1][1] < flawless[-1][1] - 2
    assert calibrate([one(SURE)], shipped()) == ()


def test_a_calibration_changes_what_is_claimed_and_not_what_is_decided() -> None:
    john = Client(id="c1", given_name="John", family_name="Smith", phones=("07700 900123",))
    rex = Pet(id="p1", client_id="c1", name="Rex", species="dog")
    booking = forms_of(replace(john, id=None), [replace(rex, id=None)], "GB")
    known = forms_of(john, [rex], "GB")
    careful = replace(shipped(), calibration=((-1.0, -1.0), (1.0, 1.0), (1000.0, 1.0)))
    bold, modest = (decide(booking, [known], Clinic(2_000, {}), weights=each) for each in (shipped(), careful))
    assert (bold.verdict, bold.client_id, bold.pet_id) == (Verdict.LINKED, "c1", "p1")
    assert (modest.verdict, modest.client_id, modest.pet_id) == (Verdict.LINKED, "c1", "p1")
    assert bold.probability > 0.99
    assert modest.probability == pytest.approx(2 / 3, abs=1e-5)


# -- replaying


def test_the_shipped_set_has_hard_decisions_and_stands_for_many() -> None:
    seen = shipped_replay()
    assert len(seen) > 1000
    assert all(each.meant is not None for each in seen)
    tally = replay(seen, shipped())
    assert tally.bookings > 10 * len(seen) * 0.5
    assert tally.right > tally.bookings * 0.3
    careless = {**shipped().decide, "false_link": 2.0, "household_link": 1.0, "margin": 0.0, "margin_twice": 0.0}
    assert replay(seen, replace(shipped(), decide=careless)).wrong > 3 * tally.wrong


def test_what_nobody_knows_the_truth_of_does_not_count() -> None:
    assert replay([one(SURE)], shipped()) == Tally()


def test_vetoes_hold_under_any_weights() -> None:
    careless = replace(shipped(), decide={**shipped().decide, "false_link": 0.0, "household_link": 0.0})
    seen = one(SURE, vetoes=("pet-deceased",))
    assert decided(seen, careless) == (Verdict.REVIEW, None)
    assert decided(replace(seen, vetoes=()), careless) == (Verdict.LINKED, 0)


def test_other_weights_are_objected_to_where_they_are_worse_and_only_there() -> None:
    now = Tally(bookings=10_000, right=7000, wrong=2, reviews=1000)
    for better in ({"wrong": 1}, {"right": 7100.0}, {"reviews": 900.0}, {"right": 6950.0}, {"reviews": 1005.0}):
        assert objection([now], [replace(now, **better)]) == ""  # type: ignore[arg-type]
    for worse in ({"wrong": 3}, {"right": 6900.0}, {"reviews": 1100.0}):
        assert objection([now], [replace(now, **worse)])  # type: ignore[arg-type]


def test_wrong_links_of_the_own_clinic_are_not_made_up_for_elsewhere() -> None:
    large, small = Tally(bookings=10_000, right=7000, wrong=9), Tally(bookings=40, right=20)
    assert objection([large, small], [replace(large, wrong=5), replace(small, wrong=1)])


# -- what an answer is remembered by


def test_a_contact_alone_is_no_lesson_and_neither_is_a_name() -> None:
    assert lesson_keys(forms_of(Client(phones=("+447912000001",)), [Pet(species="dog")], "GB")) == frozenset()
    assert (
        lesson_keys(forms_of(Client(given_name="Ann", family_name="Miller"), [Pet(name="Rex")], "GB")) == frozenset()
    )


def test_a_lesson_is_a_contact_with_a_name_however_they_are_written() -> None:
    one_way = forms_of(
        Client(given_name="ANN", family_name="Müller", phones=("07912 000001",)), [Pet(name="rex")], "GB"
    )
    other = forms_of(
        Client(given_name="Ann", family_name="Mueller", phones=("+447912000001",)), [Pet(name="Rex ")], "GB"
    )
    assert lesson_keys(one_way) == lesson_keys(other) != frozenset()
    assert lesson_keys(other, frozenset({"+447912000001"})) == frozenset()


def test_partners_with_one_phone_and_one_name_are_two_lessons() -> None:
    ann, tom = (
        forms_of(Client(given_name=given, family_name="Miller", phones=("+447912000001",)), [Pet(name=pet)], "GB")
        for given, pet in (("Ann", "Rex"), ("Tom", "Bella"))
    )
    assert lesson_keys(ann).isdisjoint(lesson_keys(tom))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["Ann", "Tom", "Igor", "A", ""]),
    st.sampled_from(["Miller", "Mueller", "Jones", "Stravinsky", ""]),
    st.sampled_from(["+447912000000", "+447912000001", "+447912000009"]),
    st.sampled_from(["Rex", "Bella", "Kit", "Firebird", ""]),
    st.sampled_from(["dog", "cat"]),
    st.sampled_from(["c0", "c1", "c2", "c3", "c4"]),
)
def test_what_was_taught_never_overrules_a_veto(
    given_name: str, family_name: str, phone: str, pet: str, species: str, taught: str
) -> None:
    known = [forms_of(client, pets, "GB") for client, pets in clinic()]
    booker = Client(given_name=given_name, family_name=family_name, phones=(phone,))
    booking = forms_of(booker, [Pet(name=pet, species=species)], "GB")
    match = decide(booking, known, Clinic(4000, {}), taught=taught)
    if match.verdict is Verdict.LINKED:
        assert set(match.candidates[0].vetoes) <= {"contacts-contradict"}
        dead = {pets[0].id for _, pets in clinic() if pets[0].deceased}
        assert match.pet_id not in dead
        assert match.client_id != "c3"  # is inactive
