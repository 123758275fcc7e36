"""The demo as a whole: real processes, a played morning, the independent audit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

KEYS = (
    "schema",
    "bookings",
    "written",
    "linked",
    "linkable",
    "created",
    "in_review",
    "desk_visits",
    "conflicts",
    "resolved_in_place",
    "replayed",
    "fuse_held",
    "attachments",
    "reminders",
    "opt_outs",
    "lost",
    "duplicated",
    "wrong_owner",
    "wrong_time",
    "wrong_reminders",
    "notices",
    "seconds",
)
KEYS_OF_A_CHAIN = ("wrong_branch", "recognised", "branches", "connected", "went_on", "per_branch")


@pytest.mark.slow
def test_a_short_morning_is_clean_and_can_be_kept(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    command = [sys.executable, "-m", "vetbridge.cli.main"]
    done = subprocess.run(
        [*command, "demo", "--json", "--bookings", "20", "--seed", "3", "--keep", str(folder)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    numbers = json.loads(line)
    assert tuple(numbers) == KEYS
    assert numbers["bookings"] == numbers["written"] == 20
    assert numbers["linked"] + numbers["created"] + numbers["in_review"] == 20
    assert numbers["in_review"] >= 2
    assert numbers["desk_visits"] > 6
    assert [numbers[name] for name in ("conflicts", "resolved_in_place", "replayed")] == [3, 3, 5]
    assert numbers["fuse_held"] > 0
    assert min(numbers[name] for name in ("attachments", "reminders", "opt_outs")) > 0
    wrong = ("lost", "duplicated", "wrong_owner", "wrong_time", "wrong_reminders", "notices")
    assert [numbers[name] for name in wrong] == [0] * 6

    status = subprocess.run(
        [*command, "--config", str(folder / "config.yaml"), "review", "list", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert len(json.loads(status.stdout)["data"]) >= 2


@pytest.mark.slow
def test_a_short_morning_of_a_chain_is_clean_at_every_branch(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    command = [sys.executable, "-m", "vetbridge.cli.main", "demo", "--json", "--branches", "2", "--bookings", "12"]
    done = subprocess.run(
        [*command, "--clients", "500", "--seed", "3", "--keep", str(folder)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 2 branches are connected." in done.stderr
    (line,) = done.stdout.splitlines()[:1]
    numbers = json.loads(line)
    assert tuple(numbers) == (*KEYS, *KEYS_OF_A_CHAIN)
    assert (numbers["branches"], numbers["connected"]) == (2, 2)
    assert numbers["bookings"] == numbers["written"] == 24
    assert numbers["linked"] + numbers["created"] + numbers["in_review"] == 24
    assert [numbers[name] for name in ("conflicts", "resolved_in_place", "recognised")] == [2, 2, 1]
    assert numbers["went_on"] > 0
    wrongs = ("lost", "duplicated", "wrong_owner", "wrong_time", "notices", "wrong_branch")
    assert [numbers[name] for name in wrongs] == [0] * 6
    assert [each["branch"] for each in numbers["per_branch"]] == ["centre", "east"]
    assert [each["recognised"] for each in numbers["per_branch"]] == [1, 0]
    for name in (*wrongs, "bookings", "written", "linked", "created", "in_review", "desk_visits"):
        assert numbers[name] == sum(each[name] for each in numbers["per_branch"])
    stores = {path.parent.relative_to(folder).as_posix() for path in folder.rglob("store.sqlite3")}
    assert stores == {"altegio/101001", "altegio/101002", "ezyvet-centre", "ezyvet-east"}


MORE = pytest.mark.every_demo
BY_HAND = [
    pytest.param("impromed", "files"),
    pytest.param("impromed", "sql", marks=(pytest.mark.odbc, MORE)),
    pytest.param("animana", "files", marks=MORE),
    pytest.param("animana", "rest", marks=MORE),
    pytest.param("pulse", "vetdata"),
    pytest.param("avimark", "vetdata", marks=MORE),
    pytest.param("avimark", "files", marks=MORE),
    pytest.param("cornerstone", "idexx_data_services"),
    pytest.param("cornerstone", "files", marks=MORE),
]
WRITTEN = frozenset({("animana", "rest"), ("cornerstone", "idexx_data_services")})
"""Here VetBridge writes by itself."""


@pytest.mark.slow
@pytest.mark.parametrize(("pims", "way"), BY_HAND)
def test_a_morning_at_another_practice_is_clean(tmp_path: Path, pims: str, way: str) -> None:
    command = [sys.executable, "-m", "vetbridge.cli.main", "demo", "--json", "--pims", pims, "--way", way]
    done = subprocess.run(
        [*command, "--bookings", "12", "--clients", "500", "--seed", "1", "--keep", str(tmp_path / "kept")],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout.splitlines()[0])
    assert numbers["bookings"] == numbers["written"] == 12
    if (pims, way) not in WRITTEN:
        assert numbers["typed"] >= 12
        assert numbers["corrected"] >= 1
    carries_files = (pims, way) == ("cornerstone", "idexx_data_services")
    shows_due = way in ("vetdata", "idexx_data_services")
    assert numbers["attachments"] == (2 if carries_files else 0)
    assert (numbers["reminders"], numbers["opt_outs"]) == ((1, 1) if shows_due else (0, 0))
    wrongs = ("lost", "duplicated", "wrong_owner", "wrong_time", "wrong_reminders", "notices")
    assert [numbers[name] for name in wrongs] == [0] * 6
