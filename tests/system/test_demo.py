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
    "lost",
    "duplicated",
    "wrong_owner",
    "wrong_time",
    "notices",
    "seconds",
)


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
    assert [numbers[name] for name in ("lost", "duplicated", "wrong_owner", "wrong_time", "notices")] == [0] * 5

    status = subprocess.run(
        [*command, "--config", str(folder / "config.yaml"), "review", "list", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert len(json.loads(status.stdout)["data"]) >= 2
