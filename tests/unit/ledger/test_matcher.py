"""From a booking to a match, by what the mirror holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vetbridge.core.matching import Verdict, forms_of
from vetbridge.core.records import Client, Pet
from vetbridge.ledger import accounts, mirror
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.matcher import Matcher

PHONE, OTHER_PHONE = "07700 900123", "07700 900456"
HOME = {"street": "12 Mill Road", "postcode": "AB1 2CD", "city": "Aberdeen"}
JOHN = Client(
    id="c1",
    given_name="John",
    family_name="Smith",
    phones=(PHONE,),
    emails=("john.smith@example.com",),
    street="12 Mill Road",
    postcode="AB1 2CD",
    city="Aberdeen",
)
REX = Pet(id="p1", client_id="c1", name="Rex", species="dog", breed="Border Collie", sex="male")
MARY = replace(JOHN, id="c2", given_name="Mary", family_name="Jones", phones=(OTHER_PHONE,), emails=())
TOWN = [Client(id=f"t{n}", given_name="Zoe", family_name=f"Person{n}") for n in range(60)]


@pytest.fixture
def matcher(ledger: Ledger) -> Matcher:
    with ledger.write() as tx:
        accounts.enrol(tx, "pims", "memory", country="GB")
        mirror.put(tx, "pims", [JOHN, MARY, REX, *TOWN])
    return Matcher(ledger, "pims", country="GB")


def booked(client: Client) -> Client:
    return replace(client, id=None)


def test_a_client_of_the_mirror_is_linked(matcher: Matcher) -> None:
    found = matcher.match(booked(JOHN), Pet(name="Rex")).match
    assert (found.verdict, found.client_id, found.pet_id) == (Verdict.LINKED, "c1", "p1")
    assert matcher.match(Client(given_name="Eva", family_name="Novak"), Pet(name="Luna")).match.verdict is Verdict.NEW


def test_a_pet_is_looked_for_on_a_partners_record(matcher: Matcher) -> None:
    """Mary's booking shares nothing with John's record, which has the dog: it is found by her record's address."""
    mary = Client(given_name="Mary", family_name="Jones", phones=(OTHER_PHONE,))
    found = matcher.match(mary, replace(REX, id=None, client_id=None)).match
    assert {"c1", "c2"} <= set(found.compared)
    assert found.candidates[0].client_id == "c1"
    alone = matcher.match(mary, Pet(name="Rex", species="dog"), but={"c1"}).match
    assert "c1" not in alone.compared


def test_a_placeholder_is_never_meant(matcher: Matcher) -> None:
    found = matcher.match(booked(JOHN), Pet(name="Rex"), but={"c1"}, linked_to="c1").match
    assert "c1" not in {found.client_id, *(one.client_id for one in found.candidates)}


def test_what_was_read_just_now_stands_in_for_the_mirror(matcher: Matcher) -> None:
    gone = forms_of(replace(JOHN, active=False), [REX], "GB")
    found = matcher.match(booked(JOHN), Pet(name="Rex"), fresher=[gone]).match
    assert (found.verdict, found.reason) == (Verdict.REVIEW, "client-inactive")
    entered = forms_of(Client(id="c8", given_name="Eva", family_name="Novak", phones=("07700900777",)), [], "GB")
    eva = Client(given_name="Eva", family_name="Novak", phones=("07700900777",))
    assert matcher.match(eva, None, fresher=[entered]).match.client_id == "c8"


def test_the_order_of_reading_does_not_matter(matcher: Matcher, ledger: Ledger) -> None:
    first = matcher.match(booked(MARY), Pet(name="Rex")).match
    with ledger.write() as tx:
        accounts.enrol(tx, "again", "memory", country="GB")
        for record in (REX, *reversed(TOWN), MARY, JOHN):
            mirror.put(tx, "again", [record])
    assert Matcher(ledger, "again", country="GB").match(booked(MARY), Pet(name="Rex")).match == first


def test_a_hostile_booking_is_matched_like_any(matcher: Matcher) -> None:
    junk = "\x00\ud800\x1b[31m'; DROP TABLE mirror; --" * 3_000
    nasty = Client(given_name=junk, family_name=junk, phones=(junk, PHONE), emails=(junk,), street=junk, city=junk)
    found = matcher.match(nasty, Pet(name=junk, species=junk, breed=junk, sex=junk)).match
    assert "c1" in found.compared
    assert found.verdict is Verdict.REVIEW
