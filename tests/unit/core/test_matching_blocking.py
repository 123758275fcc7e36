"""Which keys a booking and a record share."""

from __future__ import annotations

from datetime import date

import pytest

from vetbridge.core.matching import contact_keys, forms_of, home_keys, keys
from vetbridge.core.records import Client, Pet

JOHN = Client(
    id="c1",
    given_name="John",
    family_name="Smith",
    phones=("07700 900123",),
    emails=("john.smith@example.com",),
    street="12 Mill Road",
    postcode="AB1 2CD",
    city="Aberdeen",
)
REX = Pet(id="p1", name="Rex", birth_date=date(2020, 5, 1))


def keys_of(client: Client, *pets: Pet) -> frozenset[str]:
    return keys(forms_of(client, pets, "GB"))


def test_the_keys_of_a_client() -> None:
    found = keys_of(JOHN, REX)
    assert {"phone:+447700900123", "email:john.smith@example.com", "local:john.smith"} <= found
    assert {"house:ab12cd|12", "house:aberdeen|millrd|12"} <= found
    assert {key.partition(":")[0] for key in found} == {
        *("phone", "email", "local", "house", "name", "near", "pet", "call", "born", "home")
    }
    assert contact_keys(forms_of(JOHN, [REX], "GB")) == {"phone:+447700900123", "email:john.smith@example.com"}
    assert home_keys(forms_of(JOHN, [REX], "GB")) == {
        *("phone:+447700900123", "email:john.smith@example.com", "house:ab12cd|12", "house:aberdeen|millrd|12")
    }


@pytest.mark.parametrize(
    ("booker", "pet"),
    [
        (Client(phones=("+44 (0)7700 900123",)), None),
        (Client(emails=("JOHN.SMITH@example.com",)), None),
        (Client(emails=("john.smith@other.org",)), None),
        (Client(given_name="Jon", family_name="Smyth"), None),
        (Client(given_name="Smith", family_name="John"), None),
        (Client(given_name="John Smith"), None),
        (Client(family_name="Smith"), Pet(name="REX!")),
        (Client(given_name="Johnny", family_name="Jones"), Pet(name="Rex")),
        (Client(family_name="Smith", postcode="ab12cd"), None),
        (Client(street="12 Mill Rd.", postcode="AB12CD"), None),
        (Client(postcode="AB1 2CD"), Pet(name="Rex")),
        (Client(given_name="Eva", family_name="Novak"), Pet(name="Rex", birth_date=date(2020, 5, 1))),
        (Client(given_name="Anna", family_name="Jones"), Pet(name="Rex (Smith)")),
    ],
)
def test_a_booking_finds_the_client(booker: Client, pet: Pet | None) -> None:
    assert keys_of(booker, *([pet] if pet else [])) & keys_of(JOHN, REX)


@pytest.mark.parametrize(
    ("booker", "pet"),
    [
        (Client(), None),
        (Client(given_name="John"), None),
        (Client(family_name="Smith"), None),
        (Client(city="Aberdeen", postcode="AB1 2CD"), None),
        (Client(), Pet(name="Rex")),
        (Client(phones=("0000000000",), emails=("none@none.com",)), Pet(name="?")),
    ],
)
def test_what_many_share_is_no_key(booker: Client, pet: Pet | None) -> None:
    assert not keys_of(booker, *([pet] if pet else [])) & keys_of(JOHN, REX)
