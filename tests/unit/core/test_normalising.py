"""Phones, e-mail addresses and names as people type them."""

from __future__ import annotations

import pytest

from vetbridge.core import normalise


@pytest.mark.parametrize(
    "text",
    [
        "07700 900123",
        "(07700) 900-123",
        "+44 7700 900123",
        "+44 (0)7700 900123",
        "0044 7700 900123",
        "mobile: 07700.900.123 (after 6)",
        "٠٧٧٠٠٩٠٠١٢٣",
        "０７７００９００１２３",
        "\x1b[31m07700 900123\x1b[0m",
    ],
)
def test_one_phone_in_any_writing(text: str) -> None:
    assert normalise.phone(text, "GB") == "+447700900123"


@pytest.mark.parametrize(
    "text",
    [
        "020 7946 0018 / 07700 900123",
        "020 7946 0018/07700 900123",
        "020 7946 0018 or 07700 900123",
        "020 7946 0018 07700 900123",
        "+442079460018+447700900123",
        "020 7946 0018 ext 12; m. 07700 900123",
        "020 7946 0018, 020 7946 0018, 07700 900123",
    ],
)
def test_several_phones_in_one_field(text: str) -> None:
    assert normalise.phones(text, "GB") == ("+442079460018", "+447700900123")


def test_a_slash_may_stand_inside_one_number() -> None:
    assert normalise.phones("030/1234567", "DE") == ("+49301234567",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "call me",
        "0800-FLOWERS",
        "12",
        "0000000000",
        "07000000000",
        "07777 777777",
        "123456789",
        "01234567890",
        "9876543210",
        "+200000000001",
        "1" * 300,
        "+",
        "++++",
    ],
)
def test_what_is_no_phone(text: str) -> None:
    assert normalise.phones(text, "GB") == ()


@pytest.mark.parametrize("country", ["", "zz", "gb "])
def test_an_unknown_country_leaves_only_international_numbers(country: str) -> None:
    assert normalise.phones("07700 900123, +442079460018", country) == ("+442079460018",)


def test_a_leading_zero_stays_where_the_country_has_it() -> None:
    assert normalise.phones("06 698 12345", "IT") == ("+390669812345",)
    assert normalise.phones("+3906 698 12345", "GB") == ("+390669812345",)


def test_the_first_real_number_counts() -> None:
    assert normalise.phone("0000000000, n/a, 07700 900123", "GB") == "+447700900123"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" John.Smith@Example.COM ", ("john.smith@example.com",)),
        ("Jo <jo@example.com>; al@example.org", ("jo@example.com", "al@example.org")),
        ("mailto:jo@example.com", ("jo@example.com",)),
        ("jo\u200d@example.com\u202e", ("jo@example.com",)),
        ("none@none.com", ()),
        ("no@email", ()),
        ("no@email.com", ()),
        ("no-email@example.com", ()),
        ("a@a.com", ()),
        ("jo@example", ()),
        ("jo..x@example.com", ()),
        ("@example.com", ()),
        ("jo at example.com", ()),
        ("x" * 65 + "@example.com", ()),
        ("x" * 3_000_000 + "@example.com", ()),
    ],
)
def test_emails(text: str, expected: tuple[str, ...]) -> None:
    assert normalise.emails(text) == expected
    assert normalise.email(text) == (expected[0] if expected else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O’Brien", "obrien"),
        ("Smith-Jones", "smith jones"),
        ("  Łukasz   ŻÓŁĆ ", "lukasz zolc"),
        ("Groß", "gross"),
        ("Ærø", "aero"),
        ("İpek Işık", "ipek isik"),
        ("Zoë", "zoe"),
        ("Иванов", "иванов"),
        ("\u202eBob\ud800", "bob"),
        ("🐶", ""),
        ("a" * 2_000_000, "a" * normalise.MAX_NAME),
    ],
)
def test_names_are_folded(text: str, expected: str) -> None:
    assert normalise.name(text) == expected


def test_a_remark_in_brackets_is_no_part_of_a_pets_name() -> None:
    assert normalise.pet_name("Bella (bites!) [cat]") == "bella"
    assert normalise.name("Bella (bites!)") == "bella bites"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Smith", "Smyth"),
        ("Philips", "Phillips"),
        ("Meyer", "Maier"),
        ("van der Berg", "Vanderberg"),
        ("Groß", "Gross"),
    ],
)
def test_names_that_sound_alike_share_a_key(one: str, other: str) -> None:
    # Meyer and Maier: only their vowels differ.
    assert normalise.sound(one) == normalise.sound(other) != ""


def test_names_that_do_not_sound_alike_have_other_keys() -> None:
    assert normalise.sound("Smith") == "smt"
    assert normalise.sound("Novak") != normalise.sound("Smith")


def test_shown_text_cannot_drive_a_terminal() -> None:
    assert normalise.shown("\x1b[31mBob\r\n\u202eeve\u2028x\ud800y") == "[31mBob eve x y"
    assert normalise.shown("x" * 2_000_000, 5) == "xxxxx"


def test_clean_text_keeps_lines_and_joined_emoji() -> None:
    assert normalise.clean("a\tb\r\nc \x00\n👩\u200d⚕️") == "a b\nc\n👩\u200d⚕️"
