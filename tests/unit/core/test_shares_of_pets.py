"""What it proves to own a share of a pet: something by the pet's name, and nothing without it (decision 0026)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.matching import decided
from tests.properties.test_matching import BOOKED, BOOKERS, Record, records
from vetbridge.core.joining import fits
from vetbridge.core.matching import Forms, Match, Verdict, forms_of
from vetbridge.core.matching.deciding import one_person
from vetbridge.core.records import Client, Pet
from vetbridge.ledger.content import plain, rich

HOME = "+447700900123"
JOHN = Client(id="c1", given_name="John", family_name="Smith", phones=("+447700900001",))
JANE = Client(id="c2", given_name="Jane", family_name="Stone", phones=("+447700900002",))
REX = Pet(id="p1", client_id="c1", co_owner_ids=("c2", "c3"), name="Rex", species="dog", breed="Beagle")
MAX = Pet(id="p2", client_id="c2", name="Max", species="dog")
BOTH: list[Record] = [(JOHN, (REX,)), (JANE, (REX,))]
"""As the mirror gives them: each with all pets for which they may book."""


def booked_by(
    who: Client, pet: Pet | str | None = "Rex", known: list[tuple[Client, tuple[Pet, ...]]] = BOTH
) -> Match:
    return decided(replace(who, id=None), Pet(name=pet) if isinstance(pet, str) else pet, known)


def whose(found: Match) -> tuple[Verdict, str | None, str | None]:
    return found.verdict, found.client_id, found.pet_id


def words(found: Match) -> list[str]:
    return [one.words for one in found.evidence if one.field in ("share", "carer")]


# -- whose a pet is ------------------------------------------------------------------------------------------------


def test_a_pet_says_who_owns_it_and_who_may_book_for_it() -> None:
    pet = replace(REX, carer_id="c4")
    assert [pet.is_owned_by(id_) for id_ in ("c1", "c2", "c3", "c4", None)] == [True, True, True, False, False]
    assert [pet.is_shared_by(id_) for id_ in ("c1", "c2", "c4", None)] == [False, True, False, False]
    assert [pet.may_be_booked_by(id_) for id_ in ("c1", "c3", "c4", "c5", None)] == [True, True, True, False, False]
    assert [pet.owner_for(id_) for id_ in ("c1", "c2", "c4", "c5")] == ["c1", "c2", "c1", "c5"]
    assert replace(REX, carer_id="c2").owner_for("c2") == "c2", "who owns a share is no mere carer"
    assert not replace(REX, client_id="c2").is_shared_by("c2")
    assert not Pet(name="Rex").is_owned_by(None)


def test_who_has_no_co_owners_is_kept_as_before_there_were_any() -> None:
    alone = replace(REX, co_owner_ids=())
    assert "co_owner_ids" not in plain(alone)["$pet"]
    assert rich(plain(alone)) == alone
    assert rich(plain(REX)) == REX


def test_forms_keep_shares_and_older_ones_have_none() -> None:
    made = forms_of(JOHN, [replace(REX, co_owner_ids=("c2", "c1", "c2"), carer_id="c2")], "GB")
    (animal,) = made.animals
    assert (animal.co_owners, animal.carer, animal.may_book) == (("c2",), "", ("c2",))
    packed = json.loads(json.dumps(made))
    assert Forms.unpacked(packed) == made
    for known in (9, 10):
        packed[14] = [animal[:known]]
        assert Forms.unpacked(packed).animals == (animal._replace(co_owners=()),)


# -- who books -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "said"), [(JANE, ["this client owns a share of the pet"]), (JOHN, [])])
def test_each_owner_books_as_herself(who: Client, said: list[str]) -> None:
    found = booked_by(who)
    assert (whose(found), words(found)) == ((Verdict.LINKED, who.id, "p1"), said)


def test_partners_of_one_phone_are_told_apart_as_where_one_alone_owns_the_pet() -> None:
    john = replace(JOHN, phones=(HOME,))
    mary = replace(john, id="c2", given_name="Mary")
    for name, client_id in (("John", "c1"), ("Mary", "c2")):
        found = booked_by(replace(john, given_name=name), known=[(john, (REX,)), (mary, (REX,))])
        assert whose(found) == (Verdict.LINKED, client_id, "p1")
    for name in ("Tom", ""):
        shared = booked_by(replace(john, given_name=name), known=[(john, (REX,)), (mary, (REX,))])
        alone = booked_by(replace(john, given_name=name), known=[(john, (REX,)), (mary, ())])
        assert (whose(shared), shared.reason) == (whose(alone), alone.reason)
        assert shared.candidates[0].client_id == "c1"


def test_a_partner_without_a_record_is_hers_whose_phone_it_is() -> None:
    assert whose(booked_by(replace(JANE, given_name="Tom"))) == (Verdict.LINKED, "c2", "p1")


def test_without_a_name_the_pet_of_another_is_one_of_those_that_may_be_meant() -> None:
    assert whose(booked_by(JANE, None)) == (Verdict.LINKED, "c2", "p1"), "the only one for which she may book"
    unsure = booked_by(JANE, None, [(JOHN, (REX,)), (JANE, (MAX, REX))])
    assert (unsure.client_id, unsure.pet_id, unsure.pet_doubt) == ("c2", None, "pet-not-named")
    described = booked_by(JANE, Pet(species="dog", breed="Beagle"))
    assert (described.pet_id, words(described)) == (None, [])


def test_two_pets_of_one_name_are_asked_about() -> None:
    found = booked_by(JANE, "Rex", [(JOHN, (REX,)), (JANE, (replace(MAX, name="Rex"), REX))])
    assert (found.client_id, found.pet_doubt) == ("c2", "pet-several")


@settings(max_examples=50)
@given(booker=BOOKERS, pet=BOOKED, known=records(at_least=1), data=st.data())
def test_a_share_that_is_not_named_changes_nothing(
    booker: Client, pet: Pet | None, known: list[Record], data: st.DataObject
) -> None:
    booked = replace(pet or Pet(), name=(pet.name if pet else "") or "Rex")
    some = data.draw(st.sets(st.sampled_from([client.id or "" for client, _ in known])))
    quagga = Pet(id="q", client_id="z", name="Quagga", species="dog", co_owner_ids=tuple(sorted(some)))
    shared = [(client, (*pets, *([quagga] if client.id in some else []))) for client, pets in known]
    assert decided(booker, booked, shared, blocked=False) == decided(booker, booked, known, blocked=False)


@settings(max_examples=50)
@given(booker=BOOKERS, pet=BOOKED, known=records(at_least=2))
def test_a_share_is_told_of_whoever_owns_one_and_of_a_pet_that_was_named(
    booker: Client, pet: Pet | None, known: list[Record]
) -> None:
    """The first one's pets are the second one's, too."""
    (first, pets), (second, own), *others = known
    pets = tuple(replace(one, client_id=first.id, co_owner_ids=(second.id or "",)) for one in pets)
    found = decided(booker, pet, [(first, pets), (second, (*own, *pets)), *others], blocked=False)
    for candidate in found.candidates:
        if any(one.field == "share" for one in candidate.evidence):
            assert (candidate.client_id, bool(pet and pet.name)) == (second.id, True)
    if found.verdict is Verdict.LINKED and found.pet_id in {one.id for one in pets}:
        assert found.client_id in (first.id, second.id)


# -- who is one person ---------------------------------------------------------------------------------------------


def test_the_very_same_pet_makes_no_one_person_of_two_and_its_copy_may() -> None:
    ann = Client(id="c1", given_name="Ann", family_name="Stone", street="12 Mill Lane", postcode="AB1 2CD")
    anna = replace(ann, id="c2", given_name="Anna", family_name="Hill")
    shared = [forms_of(client, [REX], "GB") for client in (ann, anna)]
    copied = [forms_of(ann, [MAX], "GB"), forms_of(anna, [replace(MAX, id="p9")], "GB")]
    assert (one_person(*shared), one_person(*copied)) == (False, True)


def test_a_pet_of_several_owners_joins_nobody_across_branches() -> None:
    john = replace(JOHN, phones=())
    own, shared = (forms_of(john, [replace(REX, co_owner_ids=others)], "GB") for others in ((), ("c2",)))
    assert fits(own, own, frozenset())
    assert not fits(shared, shared, frozenset())
