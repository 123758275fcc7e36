"""The benchmark's scorer: what counts as what, and the exact bounds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.matching.score import lower_bound, main, score, upper_bound


def truth(booking: str, owners: list[str], **more: Any) -> dict[str, Any]:
    plain = {"trap": "plain", "household_ids": [], "patient_ids": [], "ambiguous": False}
    return {"booking_id": booking, "owner_ids": owners, **plain, **more}


def link(booking: str, owner: str, **more: Any) -> dict[str, Any]:
    return {"booking_id": booking, "action": "link", "owner_id": owner, "patient_id": None, **more}


def test_a_link_is_right_or_goes_to_the_household_or_to_strangers() -> None:
    truths = [truth(f"b{number}", ["o1", "o2"], household_ids=["o3"]) for number in range(4)]
    result = score(truths, [link("b0", "o1"), link("b1", "o2"), link("b2", "o3"), link("b3", "o4")])
    assert (result.right_link.count, result.right_link.of) == (2, 4)
    assert result.false_link.count == 2
    assert result.to_strangers.count == 1
    assert result.traps["plain"].to_household == 1


def test_a_new_client_that_is_linked_is_a_link_to_a_stranger() -> None:
    result = score([truth("b", [])], [link("b", "o1")])
    assert result.to_strangers.count == 1
    assert result.right_link.of == 0


def test_creating_a_known_owner_is_a_duplicate_and_a_new_one_is_not() -> None:
    decisions = [{"booking_id": booking, "action": "create"} for booking in ("known", "new")]
    result = score([truth("known", ["o1"]), truth("new", [])], decisions)
    assert result.duplicate.count == 1


def test_what_no_careful_person_could_decide_is_not_linkable_but_a_right_link_is_no_fault() -> None:
    result = score([truth("b", ["o1"], ambiguous=True)], [link("b", "o1")])
    assert (result.linkable, result.right_link.count, result.false_link.count) == (0, 0, 0)


def test_a_wrong_pet_counts_among_right_links_that_name_one() -> None:
    truths = [truth(f"b{number}", ["o1"], patient_ids=["p1"]) for number in range(4)]
    decisions = [
        link("b0", "o1", patient_id="p1"),
        link("b1", "o1", patient_id="p2"),
        link("b2", "o1"),
        link("b3", "o9", patient_id="p9"),
    ]
    result = score(truths, decisions)
    assert (result.wrong_pet.count, result.wrong_pet.of) == (1, 2)


def test_calibration_looks_at_sure_links_only() -> None:
    truths = [truth(f"b{number}", ["o1"], household_ids=["o2"]) for number in range(4)]
    sure = {"probability": 0.999}
    decisions = [
        link("b0", "o1", **sure),
        link("b1", "o2", **sure),
        link("b2", "o2", probability=0.99),
        link("b3", "o9"),
    ]
    result = score(truths, decisions)
    assert (result.wrong_of_sure.count, result.wrong_of_sure.of) == (1, 2)


def test_silence_counts_as_review() -> None:
    result = score([truth("b", ["o1"])], [])
    assert (result.review.count, result.missing) == (1, 1)


def test_time_and_candidates_come_as_percentiles() -> None:
    truths = [truth(f"b{number}", []) for number in range(100)]
    decisions = [
        {"booking_id": f"b{number}", "action": "create", "ms": 100 - number, "candidates": number}
        for number in range(100)
    ]
    result = score(truths, decisions)
    assert (result.ms_p50, result.ms_p99, result.candidates_p50, result.candidates_p99) == (50, 99, 49, 98)


@pytest.mark.parametrize(
    ("decisions", "words"),
    [
        ([link("b", "o1"), link("b", "o1")], "twice"),
        ([link("c", "o1")], "unknown"),
        ([{"booking_id": "b", "action": "merge"}], "action"),
    ],
)
def test_decisions_that_cannot_be_scored_are_refused(decisions: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        score([truth("b", ["o1"])], decisions)


def test_nothing_seen_still_leaves_a_bound() -> None:
    for of in (1, 30, 50_000):
        assert upper_bound(0, of) == pytest.approx(1 - 0.05 ** (1 / of), rel=1e-9)


@pytest.mark.parametrize(("count", "of"), [(1, 10), (3, 50), (17, 40), (9, 10)])
def test_at_the_bound_so_few_are_seen_once_in_twenty(count: int, of: int) -> None:
    share = upper_bound(count, of)
    seen = sum(math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(count + 1))
    assert seen == pytest.approx(0.05, rel=1e-6)


def test_bounds_at_the_ends_and_against_each_other() -> None:
    assert upper_bound(5, 5) == 1
    assert upper_bound(0, 0) == 1
    assert lower_bound(0, 5) == 0
    assert lower_bound(30, 50) == pytest.approx(1 - upper_bound(20, 50))
    assert upper_bound(5_000, 50_000) == pytest.approx(0.1022, abs=2e-4)


def test_the_command_prints_a_table_or_json_and_names_the_line_of_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truths, decisions = tmp_path / "truth.jsonl", tmp_path / "decisions.jsonl"
    truths.write_text(json.dumps(truth("b", ["o1"])) + "\n", encoding="utf-8")
    decisions.write_text(json.dumps(link("b", "o1", ms=1.5)) + "\n", encoding="utf-8")
    assert main([str(truths), str(decisions), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["right_link"]["share"] == 1.0
    assert main([str(truths), str(decisions)]) == 0
    assert "right_link" in capsys.readouterr().out
    decisions.write_text("\nnonsense\n", encoding="utf-8")
    assert main([str(truths), str(decisions)]) == 3
    assert "decisions.jsonl:2: not JSON" in capsys.readouterr().err
