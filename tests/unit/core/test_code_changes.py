"""What counts as a change of a code list: codes that are used and gone, and titles of another thing."""

from __future__ import annotations

import pytest

from vetbridge.core.upgrades import LONGEST_TITLE, CodeChange, Codes, changed, same_title, tidy, to_keep

KEPT = {"701": "Check-up", "702": "Vaccination", "703": "Dental care", "709": "Laser"}
USED = Codes(written=frozenset({"701", "702"}), read=frozenset({"703"}))


def found(now: dict[str, str], kept: dict[str, str] = KEPT, used: Codes = USED) -> list[tuple[str, str | None, bool]]:
    return [(each.code, each.now, each.stops) for each in changed("appointment_type", kept, now, used)]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("Vaccination", "vaccination"),
        ("Vaccination", "Vaccination (dog)"),
        ("Check-up", "Checkup 15 min"),
        ("Dr Emma Clarke", "Emma Clarke-Jones"),
        ("Vaccination", ""),
        ("", "Surgery"),
    ],
)
def test_a_title_that_is_worded_otherwise_is_the_same(was: str, now: str) -> None:
    assert same_title(was, now)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("Vaccination", "Teeth cleaning"),
        ("Dr Smith", "Dr Jones"),
        ("Dr Emma Clarke", "Dr Oliver Hughes"),
        ("Dog", "猫"),
    ],
)
def test_a_title_of_another_thing_is_not(was: str, now: str) -> None:
    assert not same_title(was, now)


def test_nothing_has_changed_while_used_codes_stand_as_they_were() -> None:
    assert found(KEPT) == []
    assert found({**KEPT, "702": "Vaccinations", "710": "X-ray"}) == []
    assert found({code: title for code, title in KEPT.items() if code != "709"}) == [], "nobody uses it"


def test_a_code_that_is_written_and_gone_stops_and_one_that_is_read_does_not() -> None:
    assert found({"701": "Check-up"}) == [("702", None, True), ("703", None, False)]


def test_a_code_that_was_given_to_another_thing_stops_whether_written_or_read() -> None:
    assert found({**KEPT, "702": "Grooming"}) == [("702", "Grooming", True)]
    assert found({**KEPT, "703": "Grooming"}) == [("703", "Grooming", True)]


def test_codes_that_have_changed_places_are_noticed_though_the_titles_resemble_each_other() -> None:
    kept = {"1": "Male", "2": "Female"}
    used = Codes(written=frozenset({"1", "2"}), read=frozenset())
    assert same_title("Male", "Female")
    assert found({"1": "Female", "2": "Male"}, kept, used) == [("1", "Female", True), ("2", "Male", True)]
    assert found({"1": "Female", "2": "Female"}, kept, used) == [], "the other one still bears it"


def test_a_code_that_the_config_names_and_nobody_ever_saw_is_no_change() -> None:
    assert found({}, {}) == []


def test_what_changed_is_kept_as_it_was_until_a_person_accepts_it() -> None:
    now = {"701": "Grooming", "709": "", "710": "X-ray"}
    changes = changed("appointment_type", KEPT, now, USED)
    kept = to_keep(KEPT, now, changes, USED)
    assert kept == {**KEPT, "710": "X-ray"}
    assert changed("appointment_type", kept, now, USED) == changes


def test_a_read_code_that_comes_back_as_another_thing_stops() -> None:
    gone = {code: title for code, title in KEPT.items() if code != "703"}
    kept = to_keep(KEPT, gone, changed("appointment_type", KEPT, gone, USED), USED)
    assert found({**gone, "703": "Grooming"}, kept) == [("703", "Grooming", True)]


def test_what_a_vendor_tells_is_made_safe() -> None:
    told = tidy(
        {"resource": {"1": "Dr\x1b[31m Ash\n\u202eevil", "": "x", "a\x07": "x", "9" * 300: "x", "2": "y" * 999}}
    )
    assert told == {"resource": {"1": told["resource"]["1"], "2": "y" * LONGEST_TITLE}}
    assert told["resource"]["1"].isprintable()


def test_a_change_names_list_code_and_both_titles() -> None:
    (change,) = changed("resource", {"v1": "Dr Ash"}, {}, Codes(written=frozenset({"v1"}), read=frozenset()))
    assert change == CodeChange(list="resource", code="v1", was="Dr Ash", now=None)
