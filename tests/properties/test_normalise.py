"""Folding never crashes, and folding what is folded changes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vetbridge.core import normalise

ANY = st.text(alphabet=st.characters(), max_size=60)  # lone surrogates and control characters included
DIGITS = st.text(alphabet="0123456789+()-/ .", max_size=60)
LATIN = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0x17E), max_size=40)


@given(text=ANY | DIGITS, country=st.sampled_from(["GB", "DE", "RU", "US", "", "zz"]))
def test_phones_never_crash_and_are_stable(text: str, country: str) -> None:
    for number in normalise.phones(text, country):
        assert number.startswith("+")
        assert normalise.phones(number, country) == (number,)


@given(text=ANY)
def test_emails_never_crash_and_are_stable(text: str) -> None:
    for address in normalise.emails(f"{text}@example.com {text}"):
        assert normalise.emails(address) == (address,)


@given(text=ANY)
def test_names_never_crash_and_are_stable(text: str) -> None:
    for fold in (normalise.name, normalise.pet_name):
        folded = fold(text)
        assert fold(folded) == folded
        assert len(folded) <= normalise.MAX_NAME
    assert " " not in normalise.sound(text)


@given(text=LATIN)
def test_case_does_not_matter(text: str) -> None:
    assert normalise.name(text.upper()) == normalise.name(text) == normalise.name(text.lower())


@given(text=ANY)
def test_clean_text_is_never_longer_and_can_be_encoded(text: str) -> None:
    cleaned = normalise.clean(text)
    assert len(cleaned) <= len(text)
    assert cleaned.encode().decode() == cleaned
    assert "\x1b" not in cleaned
    assert normalise.clean(cleaned) == cleaned
