"""The strict rules of matching, case by case (docs/matching.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from vetbridge.core.matching import (
    MAX_CANDIDATES,
    REASONS,
    VETOES,
    Evidence,
    Known,
    Level,
    Match,
    Verdict,
    blocking_keys,
    match,
)
from vetbridge.core.records import Client, Pet

PHONE, OTHER_PHONE = "07700 900123", "07700 900456"
EMAIL, OTHER_EMAIL = "john@example.com", "mary@example.com"
REX = Pet(id="p1", client_id="c1", name="Rex", species="dog", birth_date=date(2020, 5, 1))
JOHN = Client(id="c1", given_name="John", family_name="Smith", phones=("+447700900123",), emails=(EMAIL,))
MARY = Client(id="c2", given_name="Mary", family_name="Smith", phones=("+447700900123",), emails=(OTHER_EMAIL,))
KNOWN_JOHN = Known(JOHN, (REX,))


def booker(given: str = "John", family: str = "Smith", phone: str | None = PHONE, email: str | None = None) -> Client:
    return Client(
        given_name=given,
        family_name=family,
        phones=(phone,) if phone else (),
        emails=(email,) if email else (),
    )


def ask(who: Client, pet: Pet | str | None, known: Sequence[Known]) -> Match:
    return match(who, Pet(name=pet) if isinstance(pet, str) else pet, known, country="GB")


def evidence(found: Match) -> dict[str, Evidence]:
    return {item.field: item for item in found.evidence}


# -- linked ---------------------------------------------------------------------------------------------------


def test_jon_smyth_with_john_smiths_phone_and_pet_is_linked() -> None:
    found = ask(booker("Jon", "Smyth"), "Rex", [KNOWN_JOHN])
    assert (found.verdict, found.client_id, found.pet_id) == (Verdict.LINKED, "c1", "p1")
    assert found.reason == "contact-and-names"
    said = evidence(found)
    assert said["phone"] == Evidence("phone", "+447700900123", "+447700900123", Level.EQUAL, 1.0, "same phone")
    assert said["family_name"] == Evidence(
        "family_name", "Smyth", "Smith", Level.ALIKE, 0.8, "family name alike (80 %)"
    )
    assert said["given_name"].level is Level.ALIKE
    assert said["pet_name"].level is Level.EQUAL


def test_an_email_decides_as_a_phone_does() -> None:
    found = ask(booker(phone=OTHER_PHONE, email=EMAIL.upper()), "Rex", [KNOWN_JOHN])
    assert (found.verdict, found.pet_id) == (Verdict.LINKED, "p1")
    assert evidence(found)["phone"].level is Level.DIFFERS


def test_the_pet_alone_may_stand_for_the_name() -> None:
    found = ask(booker("Eva", "Novak"), "REX", [KNOWN_JOHN])
    assert (found.verdict, found.reason) == (Verdict.LINKED, "contact-and-pet")


def test_a_misspelt_pet_is_the_pet() -> None:
    found = ask(booker(), "Bela", [Known(JOHN, (replace(REX, name="Bella"),))])
    assert (found.verdict, found.pet_id) == (Verdict.LINKED, "p1")


def test_an_owner_who_is_known_and_a_pet_that_is_not() -> None:
    found = ask(booker(), "Whiskers", [KNOWN_JOHN])
    assert (found.verdict, found.client_id, found.pet_id) == (Verdict.LINKED, "c1", None)
    assert found.reason == "owner-known-pet-not"


def test_a_second_registration_that_is_inactive_does_not_disturb() -> None:
    old = Known(replace(JOHN, id="c9", active=False), ())
    found = ask(booker(), "Rex", [old, KNOWN_JOHN])
    assert (found.verdict, found.client_id) == (Verdict.LINKED, "c1")


def test_an_email_and_the_given_name_tell_a_couple_with_one_phone_apart() -> None:
    couple = [KNOWN_JOHN, Known(MARY, ())]
    found = ask(booker(email=EMAIL), "Rex", couple)
    assert (found.verdict, found.client_id) == (Verdict.LINKED, "c1")
    found = ask(booker("Mary", email=OTHER_EMAIL), "Milo", couple)
    assert (found.verdict, found.client_id) == (Verdict.LINKED, "c2")


def test_a_whole_name_in_one_field_is_read() -> None:
    found = ask(Client(given_name="John Smith", phones=(PHONE,)), "Whiskers", [KNOWN_JOHN])
    assert (found.verdict, found.reason) == (Verdict.LINKED, "owner-known-pet-not")


def test_without_a_pets_name_the_only_living_pet_is_meant() -> None:
    dead = replace(REX, id="p2", name="Bo", deceased=True)
    found = ask(booker(), None, [Known(JOHN, (REX, dead))])
    assert (found.verdict, found.pet_id, found.reason) == (Verdict.LINKED, "p1", "contact-and-family-name")


def test_of_two_pets_of_one_name_species_and_birth_date_tell_which() -> None:
    cat = Pet(id="p2", name="Rex", species="cat")
    old_dog = Pet(id="p3", name="Rex", species="dog", birth_date=date(2008, 1, 1), deceased=True)
    found = ask(booker(), Pet(name="Rex", species="cat"), [Known(JOHN, (REX, cat, old_dog))])
    assert (found.verdict, found.pet_id) == (Verdict.LINKED, "p2")
    found = ask(booker(), Pet(name="Rex", species="dog"), [Known(JOHN, (REX, cat, old_dog))])
    assert (found.verdict, found.pet_id) == (Verdict.LINKED, "p1")


# -- linked already -------------------------------------------------------------------------------------------


def ask_linked(who: Client, pet: Pet | str | None, known: Sequence[Known]) -> Match:
    booked = Pet(name=pet) if isinstance(pet, str) else pet
    return match(who, booked, known, country="GB", linked_to="c1")


def test_a_link_and_the_pet_suffice_when_the_contact_changed() -> None:
    found = ask_linked(booker("Jo", "Jones", OTHER_PHONE, OTHER_EMAIL), "Rex", [KNOWN_JOHN])
    assert (found.verdict, found.client_id, found.pet_id, found.reason) == (Verdict.LINKED, "c1", "p1", "known-link")


def test_a_link_and_the_pet_tell_a_couple_with_one_card_apart() -> None:
    couple = [KNOWN_JOHN, Known(MARY, (replace(REX, id="p2", name="Milo"),))]
    found = ask_linked(booker("Mary"), "Rex", couple)
    assert (found.verdict, found.client_id) == (Verdict.LINKED, "c1")
    assert ask_linked(booker("Mary"), "Milo", couple).verdict is Verdict.REVIEW
    namesakes = [KNOWN_JOHN, Known(MARY, (replace(REX, id="p2"),))]
    assert ask_linked(booker("John"), "Rex", namesakes).client_id == "c1"
    assert ask_linked(booker("Mary"), "Rex", namesakes).client_id != "c1", "her own pet has that name, too"


def test_a_link_alone_says_nothing() -> None:
    assert ask_linked(booker("Eva", "Novak", OTHER_PHONE), "Whiskers", [KNOWN_JOHN]).verdict is Verdict.NEW
    assert ask_linked(booker("Eva", "Novak", OTHER_PHONE), None, [KNOWN_JOHN]).verdict is Verdict.NEW
    assert ask_linked(booker("Eva", "Novak"), "Whiskers", [KNOWN_JOHN]).verdict is Verdict.REVIEW


@pytest.mark.parametrize(
    ("known", "booked"),
    [
        (Known(replace(JOHN, active=False), (REX,)), Pet(name="Rex")),
        (Known(JOHN, (replace(REX, deceased=True),)), Pet(name="Rex")),
        (Known(JOHN, (REX,)), Pet(name="Rex", species="cat")),
        (Known(JOHN, (REX, replace(REX, id="p2"))), Pet(name="Rex")),
    ],
)
def test_a_link_does_not_silence_a_veto(known: Known, booked: Pet) -> None:
    assert ask_linked(booker(), booked, [known]).verdict is Verdict.REVIEW


# -- new ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "pet"),
    [
        (booker("Eva", "Novak", OTHER_PHONE), "Luna"),
        (booker("Eva", "Smith", OTHER_PHONE), "Luna"),
        (booker("Eva", "Novak", OTHER_PHONE), "Rex"),
        (booker("Eva", "Smith", OTHER_PHONE), Pet(name="Rex", species="cat")),
        (booker("Eva", "Smith", OTHER_PHONE), None),
        (booker("Eva", "Novak", None), "Luna"),
        (booker("Eva", "", OTHER_PHONE), "Luna"),
    ],
)
def test_new_when_nobody_shares_a_contact_or_name_with_pet(who: Client, pet: Pet | str | None) -> None:
    found = ask(who, pet, [KNOWN_JOHN])
    assert (found.verdict, found.client_id, found.reason) == (Verdict.NEW, None, "nobody-alike")
    assert found.candidates == ()


def test_placeholder_contacts_connect_nobody() -> None:
    careless = Known(replace(JOHN, phones=("0000000000",), emails=("none@none.com",)), (REX,))
    found = ask(booker("Eva", "Novak", "0000000000", "none@none.com"), "Luna", [careless])
    assert found.verdict is Verdict.NEW


# -- review ---------------------------------------------------------------------------------------------------


def test_eva_novak_with_john_smiths_phone_and_another_pet_is_in_review() -> None:
    found = ask(booker("Eva", "Novak"), "Luna", [KNOWN_JOHN])
    assert (found.verdict, found.client_id, found.pet_id) == (Verdict.REVIEW, None, None)
    assert (found.reason, found.words) == ("names-differ", REASONS["names-differ"])
    assert found.candidates[0].client_id == "c1"
    assert found.evidence == found.candidates[0].evidence


def test_a_phone_that_two_active_clients_share() -> None:
    found = ask(booker(), "Rex", [KNOWN_JOHN, Known(MARY, ())])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, "contact-shared")
    assert [one.client_id for one in found.candidates] == ["c1", "c2"]


def test_a_second_registration_is_not_told_apart_by_its_email() -> None:
    again = Known(Client(id="c2", given_name="Jon", family_name="Smith", phones=(PHONE,)), ())
    found = ask(booker(email=EMAIL), "Rex", [KNOWN_JOHN, again])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, "contact-shared")


def test_mary_who_books_with_johns_email() -> None:
    found = ask(booker("Mary", email=EMAIL), "Rex", [KNOWN_JOHN, Known(MARY, ())])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, "other-fits-better")


def test_john_who_books_for_a_pet_that_stands_with_mary() -> None:
    hers = Known(MARY, (replace(REX, id="p2", name="Milo"),))
    found = ask(booker(email=EMAIL), "Milo", [KNOWN_JOHN, hers])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, "other-fits-better")


def test_a_phone_of_one_client_and_an_email_of_another() -> None:
    other = Known(replace(MARY, phones=()), ())
    found = ask(booker(email=OTHER_EMAIL), "Rex", [KNOWN_JOHN, other])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, "contacts-point-apart")


def test_a_relatives_phone_when_the_owner_with_the_pet_is_known() -> None:
    mother = Known(Client(id="c5", given_name="Ann", family_name="Smith", phones=(PHONE,)), ())
    owner = Known(replace(MARY, phones=(OTHER_PHONE,)), (REX,))
    found = ask(booker("Mary"), "Rex", [mother, owner])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, "other-fits-better")


def test_an_inactive_client() -> None:
    found = ask(booker(), "Rex", [Known(replace(JOHN, active=False), (REX,))])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, "client-inactive")


@pytest.mark.parametrize(
    ("theirs", "booked", "reason"),
    [
        (replace(REX, deceased=True), Pet(name="Rex"), "pet-deceased"),
        (replace(REX, name="Bella", deceased=True), Pet(name="Bela"), "pet-deceased"),
        (replace(REX, active=False), Pet(name="Rex"), "pet-inactive"),
        (REX, Pet(name="Rex", species="cat"), "species-differs"),
        (REX, Pet(name="Rex", species="dog", birth_date=date(2021, 5, 1)), "birth-date-differs"),
        (REX, Pet(species="cat"), "species-differs"),
        (replace(REX, name="Molly"), Pet(name="Polly"), "pet-doubtful"),
        (replace(REX, name="Luna"), Pet(name="Lena"), "pet-doubtful"),
    ],
)
def test_what_speaks_against_the_pet(theirs: Pet, booked: Pet, reason: str) -> None:
    found = ask(booker(), booked, [Known(JOHN, (theirs,))])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, reason)
    assert (reason in VETOES) == (reason in found.candidates[0].vetoes)


def test_the_birth_date_counts_only_with_the_exact_name() -> None:
    found = ask(booker(), Pet(name="Bela", birth_date=date(2021, 1, 1)), [Known(JOHN, (replace(REX, name="Bella"),))])
    assert found.verdict is Verdict.LINKED


@pytest.mark.parametrize("booked", ["Bella", "Bela"])
def test_two_pets_that_fit_equally(booked: str) -> None:
    pets = (Pet(id="p1", name="Bella"), Pet(id="p2", name="Bella"))
    found = ask(booker(), booked, [Known(JOHN, pets)])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, "pet-several")


@pytest.mark.parametrize("pets", [(), (REX, replace(REX, id="p2", name="Bo"))])
def test_no_pet_named_and_not_exactly_one(pets: tuple[Pet, ...]) -> None:
    found = ask(booker(), None, [Known(JOHN, pets)])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, "pet-not-named")


@pytest.mark.parametrize(
    ("phone", "email", "reason"),
    [
        (None, None, "contact-missing"),
        (OTHER_PHONE, None, "contact-missing"),
        (OTHER_PHONE, OTHER_EMAIL, "contacts-contradict"),
    ],
)
def test_names_alone_never_link(phone: str | None, email: str | None, reason: str) -> None:
    found = ask(booker(phone=phone, email=email), "Rex", [KNOWN_JOHN])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, reason)
    found = ask(booker(phone=phone, email=email), None, [KNOWN_JOHN])
    assert (found.verdict, found.reason) == (Verdict.REVIEW, reason)


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (booker("", "", None), "nothing-to-match-by"),
        (booker("?!", "🐶", None), "nothing-to-match-by"),
        (booker("", "", OTHER_PHONE), "name-missing"),
    ],
)
def test_nobody_is_made_from_nothing(who: Client, reason: str) -> None:
    found = ask(who, "Luna", [KNOWN_JOHN])
    assert (found.verdict, found.reason, found.candidates) == (Verdict.REVIEW, reason, ())


# -- form -----------------------------------------------------------------------------------------------------


def test_candidates_are_ranked_and_few() -> None:
    crowd = [Known(replace(JOHN, id=f"c{number:03}", family_name="Jones"), ()) for number in range(300)]
    found = ask(booker(), "Rex", [*crowd, KNOWN_JOHN])
    assert len(found.candidates) == MAX_CANDIDATES
    assert found.candidates[0].client_id == "c1"
    scores = [one.score for one in found.candidates]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_hostile_names_are_handled_and_made_safe_to_show() -> None:
    nasty = Client(given_name="\x1b[31mJohn" * 200_000, family_name="Smith\x00\ud800", phones=(PHONE,))
    found = ask(nasty, Pet(name="Rex\x1b]0;x\x07" + "x" * 2_000_000), [KNOWN_JOHN])
    assert found.verdict in Verdict
    for item in found.evidence:
        assert item.here.isprintable()
        assert len(item.here) <= 80


def test_words_hold_no_personal_data() -> None:
    found = ask(booker("Jon", "Smyth", email=EMAIL), "Rex", [KNOWN_JOHN])
    words = " ".join([found.words, *(item.words for item in found.evidence)]).casefold()
    for value in ("jon", "smyth", "smith", "rex", "900123", "example"):
        assert value not in words


def test_known_clients_need_ids_and_stand_once() -> None:
    with pytest.raises(ValueError, match="ids"):
        Known(replace(JOHN, id=None))
    with pytest.raises(ValueError, match="ids"):
        Known(JOHN, (Pet(name="Rex"),))
    with pytest.raises(ValueError, match="twice"):
        ask(booker(), "Rex", [KNOWN_JOHN, Known(JOHN)])


def test_blocking_keys() -> None:
    assert blocking_keys(JOHN, [REX, Pet(name="Älva"), Pet(name="")], "GB") == {
        "phone:+447700900123",
        "email:john@example.com",
        "name:smt|r",
        "name:smt|a",
    }
    assert blocking_keys(Client(phones=("call me",), emails=("none@none.com",)), [REX], "GB") == frozenset()


def test_the_manual_lists_every_reason() -> None:
    page = (Path(__file__).parents[3] / "docs" / "matching.md").read_text(encoding="utf-8")
    assert [code for code in REASONS if f"`{code}`" not in page] == []
    assert set(VETOES) < set(REASONS)
