"""Code lists: both directions, merging, and what no list may say."""

from __future__ import annotations

from typing import Any

import pytest

from vetbridge.core.errors import ConfigError
from vetbridge.mapping import CodeList


def listed(raw: Any) -> CodeList:
    return CodeList.of("species", raw, "site")


def test_the_first_code_is_written_and_all_are_read() -> None:
    codes = listed({"dog": ["1", 7], "cat": 2})
    assert codes.write("dog") == "1"
    assert [codes.read(code) for code in ("1", "7", "2")] == ["dog", "dog", "cat"]
    assert codes.read("9") is None
    assert codes.write("horse") is None


def test_otherwise_stands_for_the_rest() -> None:
    codes = listed({"dog": "1", "otherwise": {"read": "other", "write": 9}})
    assert codes.read("77") == "other"
    assert codes.write("horse") == "9"
    assert codes.read("1") == "dog"


def test_a_site_goes_over_the_vendor() -> None:
    vendor = listed({"dog": ["1", "2"], "cat": "3", "rabbit": "4", "otherwise": {"read": "other"}})
    merged = listed({"cat": ["2", "5"], "otherwise": {"write": "9"}}).over(vendor)
    assert merged.read("2") == "cat"
    assert merged.read("1") == "dog"
    assert merged.read("3") == "other", "the site replaced the vendor's code for cat"
    assert (merged.write("cat"), merged.write("rabbit"), merged.write("horse")) == ("2", "4", "9")


def test_a_word_whose_only_code_is_taken_away_goes() -> None:
    merged = listed({"completed": "1"}).over(listed({"arrived": "1"}))
    assert merged.read("1") == "completed"
    assert merged.write("arrived") is None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (None, "must be a mapping"),
        (["dog"], "must be a mapping"),
        ({"dog": True}, "True is not a code; put it in quotes"),
        ({"dog": None}, "None is not a code"),
        ({"dog": 1.5}, "1.5 is not a code"),
        ({"dog": []}, "'dog' has no code"),
        ({"dog": {"a": 1}}, "is not a code"),
        ({True: "1"}, "the word True is not text"),
        ({"dog": "1", "cat": ["2", 1]}, "the code '1' stands for both 'dog' and 'cat'"),
        ({"otherwise": "other"}, "`otherwise` takes"),
        ({"otherwise": {"raed": "other"}}, "`otherwise` takes"),
        ({"otherwise": {"read": 1}}, "`otherwise: read` is not text"),
        ({"otherwise": {"write": [1]}}, "`otherwise: write`: [1] is not a code"),
    ],
)
def test_what_no_list_may_say(raw: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        listed(raw)
    assert words in caught.value.message
    assert caught.value.message.startswith("site: ")
