"""The first config's words, and files that appear together."""

from __future__ import annotations

from pathlib import Path

import pytest

from vetbridge.config.document import parse
from vetbridge.config.placing import Placed, place_all
from vetbridge.config.starting import MOST_OPEN, FirstAccount, FirstSite, drafted, example, first_config
from vetbridge.config.writing import as_key, on_one_line
from vetbridge.core.errors import ConfigError

ROOT = Path(__file__).parents[3]
SITE = FirstSite(
    key="city",
    name="City Vets",
    zone="Europe/London",
    country="GB",
    booking=FirstAccount(name="altegio-city", connector="altegio", options={"location_id": "1"}),
    pims=FirstAccount(name="other-city", connector="other", options={"server": {"env": "X"}, "port": 5}),
)


def test_the_example_that_is_brought_along_is_the_example() -> None:
    same = example() == (ROOT / "config.example.yaml").read_text(encoding="utf-8")
    assert same, "run: cp config.example.yaml vetbridge/config/example.yaml"


def test_what_was_answered_stands_in_the_examples_words() -> None:
    text = first_config(SITE, ledger="data/v.db", key={"file": "k"}, log="data/v.log")
    document = parse(text, "config")
    assert document.problems == []
    shown = parse(example(), "config").data
    assert document.data.keys() == shown.keys()
    assert document.data["watch"] == shown["watch"]
    assert document.data["ledger"] == {**shown["ledger"], "path": "data/v.db", "key": {"file": "k"}}
    assert document.data["log"] == {**shown["log"], "file": "data/v.log"}
    assert document.data["accounts"]["other-city"]["options"] == {"server": {"env": "X"}, "port": 5}
    assert "CHANGE" not in text
    assert "altegio-city" in text
    assert "ezyvet" not in text


def test_titles_are_comments_whatever_they_hold() -> None:
    evil = "Dental\n          evil: 1\u2028# \u202e\x85 - [x]: \x1b[31m"
    titles = {"1": evil, "2": "", **{str(number): f"n{number}" for number in range(10, 11 + MOST_OPEN)}}
    booking, pims = drafted({"appointment_type": titles}, {}, {})
    text = first_config(
        FirstSite(**{name: getattr(SITE, name) for name in SITE.__slots__} | {"booking_codes": booking}),
        ledger="v.db",
        key={"file": "k"},
    )
    document = parse(text, "config")
    assert document.problems == []
    assert document.data["sites"]["city"]["booking"]["codes"] == {"appointment_type": {}}
    assert pims == {}
    assert "and 3 more" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_the_same_title_is_the_same_thing_and_nothing_else_is() -> None:
    booking, pims = drafted(
        {"appointment_type": {"1": "Check-up", "2": "Dental", "3": "dental", "4": "Otherwise", "5": "!!"}},
        {
            "appointment_type": {"a": " check-UP ", "b": "Dental", "c": "otherwise", "d": "!!"},
            "species": {"x": "Dog", "y": "Canine"},
            "status": {"s": "No Show"},
        },
        {"species": ["dog", "cat"], "status": ["no_show", "booked"]},
    )
    assert booking["appointment_type"].entries == {"code": "5", "check_up": "1", "otherwise_2": "4"}
    assert pims["appointment_type"].entries == {"code": "d", "check_up": "a", "otherwise_2": "c"}
    assert booking["appointment_type"].open == {"2": "Dental", "3": "dental"}, "which of the two is not known"
    assert pims["species"].entries == {"dog": "x"}
    assert pims["status"].entries == {"no_show": "s"}


@pytest.mark.parametrize("word", ["plain", "yes", "12e45", "a: b", "# c", "д", "- x", "", "?", "~", '"', "on\ntwo"])
def test_a_word_reads_as_it_was_written(word: str) -> None:
    document = parse(f"{as_key(word)}: {on_one_line(word)}\n", "config")
    assert (document.problems, document.data) == ([], {word: word})


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "inside").touch()
    (tmp_path / "b.bak").write_text("in the way of a folder")
    files = [
        Placed(path=tmp_path / "deep" / "er" / "key", content="k", private=True),
        Placed(path=tmp_path / "old", content="new"),
        Placed(path=tmp_path / "b", content="cannot replace a folder that is in use"),
    ]
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="nothing was changed"):
        place_all(files)
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before
    assert (tmp_path / "old").read_text() == "old"
    place_all(files[:2])
    assert ((tmp_path / "old").read_text(), (tmp_path / "old.bak").read_text()) == ("new", "old")
