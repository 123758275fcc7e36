"""The torture itself, short: what it prints, and that its control would notice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.plan import Fault, rounds
from tests.crash.victim import POINTS
from tests.ledgers import on_postgresql


@pytest.mark.slow
def test_a_short_torture_loses_and_doubles_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.crash.torture", "--kills", "6", "--seed", "4"),
            *("--ledger", "postgresql" if on_postgresql() else "sqlite"),
            *("--json", "--keep", str(tmp_path / "kept")),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.count("\n") == 1, done.stderr
    told = json.loads(done.stdout)
    assert list(told)[:6] == ["kills", "effects", "lost", "duplicated", "asked", "control_duplicated"]
    assert told["quiet"], done.stderr
    assert (told["kills"], told["lost"], told["duplicated"]) == (6, 0, 0), done.stderr
    assert told["ended_by_itself"] == 0, done.stderr
    assert told["effects"] > 20
    assert told["control_duplicated"] > 0
    assert done.returncode == 0


def test_the_seed_alone_decides_the_faults() -> None:
    assert rounds(40, 7) == rounds(40, 7)
    assert rounds(40, 7) != rounds(40, 8)


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_kills_as_often_as_it_should_and_leaves_no_fault_out(seed: int) -> None:
    plan = rounds(40, seed)
    assert sum(one.kills for one in plan) == 40
    assert {one.fault for one in plan} == set(Fault)
    assert {one.point for one in plan if one.fault in (Fault.POINT, Fault.ANSWERS)} == set(POINTS)
    assert sum(one.kills for one in rounds(1, seed)) == 1
