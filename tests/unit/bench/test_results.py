"""RESULTS.md: every goal that VetBridge misses is named, and every column where an allowed peer is better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.matching.__main__ import Benchmark
from bench.matching.clinics import MadeClinic
from bench.matching.results import Febrl, Line, Page, Table, measured, render
from bench.matching.speed import Speed

OURS, PEER, CARELESS = "**VetBridge**", "a peer", "a careless peer"
SPEED = Speed(
    owners=100_000,
    records=240_000,
    import_seconds=100.0,
    raw_import_per_second=24_000.0,
    bytes_per_owner=3_000.0,
    peak_import=120.0,
    bookings=10,
    ms_p50=0.8,
    ms_p99=12.0,
    raw_ms_p50=0.05,
    raw_ms_p99=0.1,
    peak=130.0,
)


def line(folder: Path, title: str, actions: list[dict[str, Any]]) -> Line:
    """A line of a table, of four bookings whose owner is ``o1``; the other action says what is done with each."""
    truth, decisions = folder / "truth.jsonl", folder / "decisions.jsonl"
    right = {"trap": "plain", "owner_ids": ["o1"], "household_ids": [], "patient_ids": [], "ambiguous": False}
    truth.write_text("".join(json.dumps({"booking_id": f"b{n}", **right}) + "\n" for n in range(4)), encoding="utf-8")
    rows = [{"booking_id": f"b{n}", "candidates": 1, "ms": 0.5, **action} for n, action in enumerate(actions)]
    decisions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return measured(title, truth, decisions, 1.0, 100.0)


def linked(owner: str, **more: Any) -> dict[str, Any]:
    return {"action": "link", "owner_id": owner, "patient_id": None, "candidate_ids": [owner], **more}


REVIEW: dict[str, Any] = {"action": "review", "candidate_ids": ["o1"]}


def page(lines: list[Line], **more: Any) -> str:
    table = Table("10,000 owners, English", 10_000, 4, 1, lines)
    given: dict[str, Any] = {
        "splink_alone": {},
        "cutoffs": {},
        "learning": "",
        "speeds": [],
        "febrl": [],
        "misses": "",
    }
    return render(Page(tables=[table], **(given | more)), "the command", 60.0, vetbridge=OURS)


def section(text: str, title: str) -> str:
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_what_is_missed_is_named_and_what_is_reached_is_not(tmp_path: Path) -> None:
    ours = line(tmp_path, OURS, [linked("o1"), linked("o1"), linked("o9"), REVIEW])
    febrl = [Febrl("FEBRL4", "VetBridge", 0.99), Febrl("FEBRL3", "VetBridge", 0.99), Febrl("FEBRL4", "Splink", 0.9)]
    missed = section(page([ours], febrl=febrl, speeds=[SPEED]), "Goals missed or not measured")
    assert "links to strangers <= 0.01 % of bookings: 25.000 %" in missed
    assert "right links >= 92 % of linkable: 50.000 %" in missed
    assert "candidate recall >= 99.5 %: 75.000 %" in missed
    assert "import >= 5,000 records/s: 2,400" in missed
    assert "p99 <= 10 ms: 12.00" in missed
    assert "FEBRL4: recall >= 0.997: 0.9900" in missed
    assert "FEBRL3" not in missed
    assert "Splink" not in missed
    assert "duplicate" not in missed
    assert "not measured" not in missed


def test_recall_that_nobody_named_is_not_measured(tmp_path: Path) -> None:
    ours = line(tmp_path, OURS, [{"action": "link", "owner_id": "o1", "patient_id": None}] * 4)
    missed = section(page([ours]), "Goals missed or not measured")
    assert missed.strip() == "- 10,000 owners, English: candidate recall >= 99.5 %: not measured"


def test_a_peer_is_better_only_where_it_keeps_the_bound_on_strangers(tmp_path: Path) -> None:
    lines = [
        line(tmp_path, OURS, [linked("o1"), linked("o1"), REVIEW, REVIEW]),
        line(tmp_path, PEER, [linked("o1"), linked("o1"), linked("o1"), {"action": "create"}]),
        line(tmp_path, CARELESS, [linked("o1"), linked("o1"), linked("o1"), linked("o9")]),
    ]
    behind = section(page(lines), "Where a peer is better")
    assert f"right link: {PEER} 75.000 %, VetBridge 50.000 %" in behind
    assert f"review: {PEER} 0.000 %, VetBridge 50.000 %" in behind
    assert "duplicates" not in behind
    assert CARELESS not in behind


def test_traps_speed_and_named_misses_have_their_place(tmp_path: Path) -> None:
    text = page([line(tmp_path, OURS, [REVIEW] * 4)], speeds=[SPEED], misses="## Named misses\n\nPartners.\n")
    assert "| plain | 4 | 4 | 0.0 | 0 | 0 | 0 | 4 | 100.0 |" in section(text, "Where VetBridge asks")
    assert "| 100,000 | 240,000 | 2,400 | 0.100 | 120 | 3,000 | 0.80 / 12.00 |" in section(text, "Speed")
    assert text.endswith("## Named misses\n\nPartners.\n")


def test_a_part_that_fails_is_named_and_stops_only_what_needs_it(tmp_path: Path) -> None:
    benchmark = Benchmark(tmp_path)
    nowhere = MadeClinic("en", "no", 10, 10, 1)
    found = benchmark.speeds([nowhere]), benchmark.learning(nowhere, 1), benchmark.tuned([nowhere])
    assert found == ([], "", {})
    assert benchmark.failed == ["en-no-10-10-1/world ended with 2"]
    assert benchmark.seconds == 0
