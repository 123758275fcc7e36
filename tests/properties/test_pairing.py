"""Which visit on one side is which on the other: laws of the pure decision, and its cases one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vetbridge.core.matching import Candidate, Match, Verdict
from vetbridge.core.pairing import Pairing, Relation, Slot, Whose, pair_card, pair_visits
from vetbridge.core.records import Client

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
ANN = Client(given_name="Ann", family_name="Hill")
BOB = Client(given_name="Bob", family_name="Stone")


def slot(id_: str, client_id: str | None, owner: Client = ANN, *, at: float = 0, **more: Any) -> Slot:
    """A visit ``at`` minutes after noon."""
    known = {"pet_name": "Rex", "duration": 900, "resource": "vet_1", "appointment_type": "checkup", **more}
    return Slot(id=id_, owner=owner, client_id=client_id, start=NOON + timedelta(minutes=at), **known)


def linked(*client_ids: str) -> Whose:
    return Whose(linked=frozenset(client_ids))


def ids(found: Pairing) -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[tuple[str, str]]]:
    return (
        [(one.booking_id, one.visit_id) for one in found.pairs],
        [(one.booking_id, one.visit_id) for one in found.shared],
        [(one.booking_id, one.visit_id) for one in found.asked],
    )


@st.composite
def towns(draw: st.DrawFn) -> tuple[list[Slot], list[Slot], dict[str, Whose]]:
    """A few owners with visits on both sides, at few times, so that much coincides."""
    clients = [f"c{n}" for n in range(draw(st.integers(1, 4)))]
    owners = {"c0": ANN, "c1": BOB, "c2": Client(given_name="Cleo", family_name="Hill"), "c3": Client()}
    pets = st.sampled_from(["", "Rex", "Bella"])
    when = st.sampled_from([0, 0, 15, 60, 60 * 24, 60 * 24 * 30])
    vets = st.sampled_from(["vet_1", "vet_2", None])

    def made(prefix: str, n: int, *, known: bool) -> Slot:
        client = draw(st.sampled_from(clients))
        own = client if known else None
        return slot(f"{prefix}{n}", own, owners[client], at=draw(when), pet_name=draw(pets), resource=draw(vets))

    visits = [made("v", n, known=True) for n in range(draw(st.integers(0, 6)))]
    bookings = [made("b", n, known=False) for n in range(draw(st.integers(0, 6)))]
    whose = {}
    for booking in bookings:
        chosen = draw(st.sets(st.sampled_from(clients), max_size=2))
        how = draw(st.sampled_from(["linked", "household", "maybe", "none"]))
        if how == "household":
            whose[booking.id] = Whose(linked=frozenset(sorted(chosen)[:1]), household=frozenset(sorted(chosen)[1:]))
        elif how != "none":
            whose[booking.id] = Whose(**{how: frozenset(chosen)})
    return bookings, visits, whose


@given(towns())
def test_no_record_is_paired_twice(town: tuple[list[Slot], list[Slot], dict[str, Whose]]) -> None:
    found = pair_visits(*town)
    primary = [*found.pairs, *found.asked]
    assert len({one.booking_id for one in primary}) == len(primary)
    assert len({one.visit_id for one in primary}) == len(primary)
    for one in found.shared:
        others = [other for other in found.pairs if one.booking_id == other.booking_id]
        others += [other for other in found.pairs if one.visit_id == other.visit_id]
        assert others, "what shares a visit shares one that is paired"


@given(towns(), st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(
    town: tuple[list[Slot], list[Slot], dict[str, Whose]], dice: Any
) -> None:
    bookings, visits, whose = town
    before = pair_visits(bookings, visits, whose)
    dice.shuffle(bookings)
    dice.shuffle(visits)
    after = pair_visits(bookings, visits, whose)
    assert [set(each) for each in ids(before)] == [set(each) for each in ids(after)]


@given(towns())
def test_a_certain_pair_is_at_one_time_and_never_of_two_owners(
    town: tuple[list[Slot], list[Slot], dict[str, Whose]],
) -> None:
    bookings, visits, whose = town
    here, there = {one.id: one for one in bookings}, {one.id: one for one in visits}
    for one in pair_visits(*town).pairs:
        booking, visit = here[one.booking_id], there[one.visit_id]
        assert booking.start == visit.start
        known = whose.get(booking.id, Whose())
        if known.linked:
            assert visit.client_id in known.linked | known.household
        assert not (booking.pet_name and visit.pet_name and booking.pet_name != visit.pet_name)


def test_one_owner_at_one_time_is_one_visit_even_with_another_vet() -> None:
    found = pair_visits([slot("b", None, resource="vet_2")], [slot("v", "c")], {"b": linked("c")})
    assert ids(found) == ([("b", "v")], [], [])
    assert found.pairs[0].agrees == ("time", "pet", "client")


def test_two_pets_of_one_owner_at_one_time_are_told_apart() -> None:
    bookings = [slot("b1", None, pet_name="Rex"), slot("b2", None, pet_name="Bella", resource="vet_2")]
    visits = [slot("v1", "c", pet_name="Bella", resource="vet_2"), slot("v2", "c", pet_name="Rex")]
    found = pair_visits(bookings, visits, {"b1": linked("c"), "b2": linked("c")})
    assert set(ids(found)[0]) == {("b1", "v2"), ("b2", "v1")}


def test_two_that_nobody_can_tell_apart_are_asked_about() -> None:
    bookings = [slot("b1", None, pet_name=""), slot("b2", None, pet_name="")]
    visits = [slot("v1", "c", pet_name="Bella"), slot("v2", "c", pet_name="Rex")]
    found = pair_visits(bookings, visits, {"b1": linked("c"), "b2": linked("c")})
    assert found.pairs == ()
    assert len(found.asked) == 2


def test_a_second_pet_in_the_pims_shares_the_booking() -> None:
    visits = [slot("v1", "c", pet_name="Rex"), slot("v2", "c", pet_name="Bella")]
    found = pair_visits([slot("b", None, pet_name="Rex")], visits, {"b": linked("c")})
    assert ids(found) == ([("b", "v1")], [("b", "v2")], [])


def test_a_second_line_of_a_booking_shares_the_visit() -> None:
    bookings = [slot("b1", None), slot("b2", None, pet_name="")]
    found = pair_visits(bookings, [slot("v", "c")], {"b1": linked("c"), "b2": linked("c")})
    assert ids(found) == ([("b1", "v")], [("b2", "v")], [])


def test_what_is_left_over_on_either_side_is_asked_about_and_not_shared_crosswise() -> None:
    bookings = [slot("b1", None, pet_name="Zeus"), slot("b2", None, pet_name="Buddy")]
    visits = [slot("v1", "c", pet_name="Zeus"), slot("v2", "c", pet_name="Coco")]
    found = pair_visits(bookings, visits, {"b1": linked("c"), "b2": linked("c")})
    assert ids(found) == ([("b1", "v1")], [], [("b2", "v2")])


def test_a_misspelt_pet_is_no_other_pet() -> None:
    bookings = [slot("b1", None, pet_name="Zeus"), slot("b2", None, pet_name="Ccoo")]
    visits = [slot("v1", "c", pet_name="Zeus"), slot("v2", "c", pet_name="Coco")]
    found = pair_visits(bookings, visits, {"b1": linked("c"), "b2": linked("c")})
    assert set(ids(found)[0]) == {("b1", "v1"), ("b2", "v2")}


def test_another_vet_at_the_same_time_is_a_visit_of_its_own() -> None:
    visits = [slot("v1", "c"), slot("v2", "c", pet_name="Bella", resource="vet_2")]
    found = pair_visits([slot("b", None)], visits, {"b": linked("c")})
    assert ids(found) == ([("b", "v1")], [], [])


def test_somebody_else_at_the_same_time_and_vet_is_nobody() -> None:
    found = pair_visits([slot("b", None, BOB)], [slot("v", "c", ANN)], {"b": linked("other")})
    assert ids(found) == ([], [], [])


def test_a_doubtful_client_is_settled_by_a_visit_with_the_same_vet() -> None:
    found = pair_visits([slot("b", None)], [slot("v", "c")], {"b": Whose(maybe=frozenset({"c", "d"}))})
    assert ids(found)[0] == [("b", "v")]
    assert found.pairs[0].relation is Relation.MAYBE


def test_names_alone_need_the_vet_and_the_pet() -> None:
    assert ids(pair_visits([slot("b", None)], [slot("v", "c")], {}))[0] == [("b", "v")]
    asked = pair_visits([slot("b", None, pet_name="")], [slot("v", "c")], {})
    assert ids(asked) == ([], [], [("b", "v")])
    other_vet = pair_visits([slot("b", None, resource="vet_2")], [slot("v", "c")], {})
    assert ids(other_vet) == ([], [], [])


@pytest.mark.parametrize(("minutes", "asked"), [(15, True), (60 * 24 * 3, True), (60 * 24 * 8, False)])
def test_a_visit_that_was_moved_on_one_side_is_asked_about(minutes: float, asked: bool) -> None:
    found = pair_visits([slot("b", None)], [slot("v", "c", at=minutes)], {"b": linked("c")})
    assert ids(found) == ([], [], [("b", "v")] if asked else [])


# -- clients ------------------------------------------------------------------------------------------------------


def answer(verdict: Verdict, client_id: str | None = None, pet_id: str | None = None, *others: str) -> Match:
    candidates = tuple(Candidate(id_, None, 0.5, (), ()) for id_ in others)
    return Match(verdict, client_id, pet_id, "", "", (), candidates)


def test_all_pets_of_a_card_lead_to_one_client() -> None:
    found = pair_card(
        ANN,
        [("p1", answer(Verdict.LINKED, "c", "x")), ("p2", answer(Verdict.LINKED, "c", None))],
        {"c": ANN},
    )
    assert (found.verdict, found.client_id, found.pets) == (Verdict.LINKED, "c", {"p1": "x"})


def test_a_couple_that_shares_a_card_is_linked_with_the_one_whose_name_it_bears() -> None:
    matches = [("p1", answer(Verdict.LINKED, "ann", "x")), ("p2", answer(Verdict.LINKED, "tom", "y"))]
    tom = Client(given_name="Tom", family_name="Hill")
    found = pair_card(ANN, matches, {"ann": ANN, "tom": tom})
    assert (found.client_id, found.others, found.pets) == ("ann", ("tom",), {"p1": "x", "p2": "y"})


def test_pets_that_lead_to_strangers_are_asked_about() -> None:
    matches = [("p1", answer(Verdict.LINKED, "ann", "x", "ann")), ("p2", answer(Verdict.LINKED, "bob", "y", "bob"))]
    found = pair_card(ANN, matches, {"ann": ANN, "bob": BOB})
    assert found.verdict is Verdict.REVIEW
    assert {one.client_id for one in found.candidates} == {"ann", "bob"}


def test_a_client_without_a_certain_answer_is_asked_about_or_new() -> None:
    assert pair_card(ANN, [(None, answer(Verdict.NEW))], {}).verdict is Verdict.NEW
    unsure = pair_card(ANN, [("p", answer(Verdict.NEW)), ("q", answer(Verdict.REVIEW, None, None, "c"))], {})
    assert (unsure.verdict, unsure.worth_asking) == (Verdict.REVIEW, True)
