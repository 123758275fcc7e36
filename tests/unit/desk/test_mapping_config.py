"""Code lists go into a config's text, and nothing else in it changes; where that cannot be, nothing does."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vetbridge.core.records import Side
from vetbridge.desk.mapping_config import codes_text, with_codes

CONFIG = """\
# the clinic's config
version: 1
sites:
  city:  # ours
    name: City Vets
    booking:
      account: altegio-city
      codes:                      # what a word is called there
        appointment_type:         # service ids
          checkup: "701"          # Check-up
          vaccination: ["702", "703"]
          dental:
            - "704"
            - "705"   # old
        # vets
        resource:
          vet_1: "11"             # Dr Ash
        species: {dog: ["dog", "Dog"], otherwise: {read: other, write: "other"}}

    pims:
      account: ezyvet-city
      codes:
        appointment_type: {}      # nothing yet
        # WORD: "31"

    start: shadow
  other:
    booking: {account: x, codes: {appointment_type: {checkup: "1"}}}
    pims:
      account: y
"""
WORDS = st.sampled_from(
    ["checkup", "vaccination", "dental", "vet_1", "yes", "null", "a b", "ünd", "12", "otherwise_", "#x"]
)
CODES = st.lists(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=6),
    min_size=1,
    max_size=3,
    unique=True,
).map(tuple)


def said(text: str, site: str, side: Side, name: str) -> object:
    return yaml.safe_load(text)["sites"][site][side.value]["codes"][name]


def changed(entries: Mapping[str, tuple[str, ...]], side: Side = Side.BOOKING, name: str = "appointment_type") -> str:
    text = with_codes(CONFIG, "city", {(side, name): entries})
    assert text is not None
    return text


def test_one_code_changes_one_line() -> None:
    text = changed({"checkup": ("799",), "vaccination": ("702", "703"), "dental": ("704", "705")})
    was, now = CONFIG.splitlines(), text.splitlines()
    assert [(one, other) for one, other in zip(was, now, strict=True) if one != other] == [
        ('          checkup: "701"          # Check-up', '          checkup: "799"          # Check-up')
    ]


def test_words_come_and_go() -> None:
    text = changed({"checkup": ("701",), "dental": ("704", "705", "706"), "surgery": ("800",)})
    assert said(text, "city", Side.BOOKING, "appointment_type") == {
        "checkup": "701",
        "dental": ["704", "705", "706"],
        "surgery": "800",
    }
    assert "# vets" in text
    assert "# Dr Ash" in text


def test_an_empty_list_is_filled_and_a_missing_one_made() -> None:
    text = changed({"checkup": ("31",)}, Side.PIMS)
    assert "# nothing yet" in text
    assert said(text, "city", Side.PIMS, "appointment_type") == {"checkup": "31"}
    assert said(changed({"vet": ("21",)}, Side.PIMS, "resource"), "city", Side.PIMS, "resource") == {"vet": "21"}
    other = with_codes(CONFIG, "other", {(Side.PIMS, "resource"): {"vet": ("21",)}})
    assert other is not None
    assert said(other, "other", Side.PIMS, "resource") == {"vet": "21"}


def test_otherwise_stays() -> None:
    text = changed({"dog": ("dog", "Hund")}, name="species")
    expected = {"dog": ["dog", "Hund"], "otherwise": {"read": "other", "write": "other"}}
    assert said(text, "city", Side.BOOKING, "species") == expected


def test_what_cannot_be_changed_alone_is_left_for_pasting() -> None:
    lists = {(Side.BOOKING, "resource"): {"vet": ("1",)}}
    assert with_codes(CONFIG, "other", lists) is None
    assert with_codes(CONFIG, "nowhere", lists) is None
    assert with_codes("[", "city", lists) is None
    assert yaml.safe_load(codes_text(lists)) == {"booking": {"codes": {"resource": {"vet": "1"}}}}


def test_line_ends_of_windows_stay() -> None:
    text = with_codes(
        CONFIG.replace("\n", "\r\n"), "city", {(Side.BOOKING, "resource"): {"vet_1": ("11",), "b": ("2",)}}
    )
    assert text is not None
    assert text.count("\n") == text.count("\r\n") == CONFIG.count("\n") + 1


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["appointment_type", "resource", "species", "status"]),
    st.sampled_from(list(Side)),
    st.dictionaries(WORDS, CODES, max_size=5),
)
def test_whatever_the_list_the_rest_stays(name: str, side: Side, entries: dict[str, tuple[str, ...]]) -> None:
    text = with_codes(CONFIG, "city", {(side, name): entries})
    if text is None:
        return
    after, before = yaml.safe_load(text), yaml.safe_load(CONFIG)
    found = after["sites"]["city"][side.value]["codes"].pop(name) or {}
    before["sites"]["city"][side.value]["codes"].pop(name, None)
    assert after == before
    found.pop("otherwise", None)
    assert found == {word: codes[0] if len(codes) == 1 else list(codes) for word, codes in entries.items()}


@pytest.mark.parametrize("name", ["appointment_type", "resource", "status"])
def test_usual_lists_are_written_and_not_refused(name: str) -> None:
    entries = {f"word_{number}": (str(number), f"x{number}") for number in range(40)}
    assert all(with_codes(CONFIG, "city", {(side, name): entries}) for side in Side)
