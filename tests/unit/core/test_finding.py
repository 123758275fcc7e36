"""What a record is found by, and what somebody who looks for it may type."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vetbridge.core.finding import MOST_CONTACTS, MOST_WORDS, keys_for, keys_of, phone_part
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Pet

START = Instant(datetime(2026, 11, 24, 10, tzinfo=UTC), "Europe/London")
BOOKED = Appointment(
    client_id="2001",
    pet_id="9",
    booker=Client(
        given_name="Ana", family_name="Petrová-Weiß", phones=("07700 900123", "ext 4711"), emails=("Ana@Example.org",)
    ),
    booked_pet=Pet(name="Bobik (bites!)"),
    start=START,
    duration=900,
)
KEYS = keys_of(BOOKED, "GB", "altegio-city")


def fits(text: str, *, owner: bool = True, pet: bool = True) -> bool:
    parts = keys_for(text, ["GB", "DE"], owner=owner, pet=pet)
    return bool(parts) and all(part & KEYS for part in parts)


@pytest.mark.parametrize(
    "text",
    [
        *("ana", "petr", "PETROVA", "weiss", "petrova bobik", "bob", "bobik ana", "Petrová-Weiß"),
        *("07700 900123", "+44 7700 900123", "+447700900123", "0123", "00123", "900123", "0 900 123", "petrova 0123"),
        *("ana@example.org", "mailto:ANA@example.org", "4711"),
    ],
)
def test_what_is_at_hand_fits(text: str) -> None:
    assert fits(text)


@pytest.mark.parametrize(
    "text",
    [
        *("an", "etrova", "petrovas", "bites", "ana smith", "bobik smith", "123", "+44 7711 900123", "petrova 0124"),
        *("", "   ", "\x00\ud800\u202e", "'; drop table subject", "%", "ben@example.org", "9" * 500, "x" * 10_000),
    ],
)
def test_what_is_another_or_says_too_little_does_not(text: str) -> None:
    assert not fits(text)


def test_a_word_may_be_kept_to_the_owner_or_the_pet() -> None:
    assert fits("ana", pet=False)
    assert not fits("ana", owner=False)
    assert fits("bobik", owner=False)
    assert not fits("bobik", pet=False)


def test_records_of_a_client_or_a_pet_have_its_id_at_their_account() -> None:
    assert {"client|altegio-city/2001", "animal|altegio-city/9"} <= KEYS
    assert keys_of(Client(id="2001"), "GB", "altegio-city") == {"client|altegio-city/2001"}
    pet = keys_of(Pet(id="9", client_id="2001", name="Bo"), "GB", "altegio-city")
    assert pet == {"animal|altegio-city/9", "client|altegio-city/2001", "pet|bo"}
    assert keys_of(Appointment(start=START, duration=0), "GB", "altegio-city") == set()


def test_hostile_records_have_few_keys() -> None:
    endless = Client(
        given_name="x" * 10**6,
        family_name=" ".join(f"word{number}" for number in range(10_000)),
        phones=tuple(f"0770090{number:04}" for number in range(1000)),
        emails=("a@b.example " * 1000,) * 1000,
    )
    keys = keys_of(endless, "GB", "altegio-city")
    assert len(keys) < 16 * MOST_WORDS + 40 * MOST_CONTACTS
    assert max(map(len, keys)) < 300


def test_the_work_for_a_text_is_bounded() -> None:
    assert len(keys_for("word " * 2000, ["GB"])) <= MOST_WORDS
    assert sum(map(len, keys_for("1 " * 5000, ["GB", "DE"]))) < 50
    assert phone_part("12", ["GB"]) == frozenset()
