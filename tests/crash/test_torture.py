"""The torture itself, short: what it prints, and that its control would notice."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.crash import torture
from tests.crash.audit import BOOKING, PIMS, Audit, Finding, Wrong
from tests.crash.plan import Fault, rounds
from tests.crash.processes import Victim
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


def test_only_what_came_to_rest_and_would_have_been_noticed_proves_anything() -> None:
    twice = Audit(findings=[Finding(Wrong.DUPLICATED, "one too many", asked=False)])
    assert torture.Told(control=twice).passed
    assert not torture.Told(control=twice, quiet=False).passed
    assert not torture.Told(control=twice, audit=twice).passed
    assert not torture.Told().passed


class Graveyard:
    """A stage on which VetBridge ends by itself with 1, but for the starts that are named: those are killed."""

    def __init__(self, log: Path, killed: tuple[int, ...] = ()) -> None:
        def nothing(*_: object, **__: object) -> None:
            """Nobody is there whom it would matter to."""

        self.log = log
        self.log.write_text("a line before\nConfigProblems: config.yaml:43: \x1b[31mmust stand in quotes\n\n")
        self.heal = nothing
        self.people = SimpleNamespace(do_something=nothing)
        side = SimpleNamespace(faults=nothing, freeze=nothing, thaw=nothing)
        self.sides = {BOOKING: side, PIMS: side}
        self.ledger = SimpleNamespace(begin_trouble=nothing, end_trouble=nothing)
        self.starts = 0
        self._killed = killed

    def victim(self, *_options: str) -> Victim:
        self.starts += 1
        born = Victim(0, self.log)
        born.ended(9 if self.starts in self._killed else 1 << 8)
        return born


@pytest.fixture
def no_standstill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torture, "STANDSTILL", 0.0)


def played(stage: Any, seed: int) -> torture.Torture:
    harness = torture.Torture(stage, lambda _words: None)
    with pytest.raises(torture.EndsByItself, match=r"5 times in a row \(1\).*config.yaml:43: .*must stand in quotes"):
        harness.play(200, seed)
    return harness


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.usefixtures("no_standstill")
def test_a_vetbridge_that_ends_at_once_stops_the_torture(tmp_path: Path, seed: int) -> None:
    stage = Graveyard(tmp_path / "victims.log")
    assert played(stage, seed).told.kills == 0
    assert stage.starts <= 6  # a round may start two


@pytest.mark.usefixtures("no_standstill")
def test_only_ends_in_a_row_stop_it(tmp_path: Path) -> None:
    stage = Graveyard(tmp_path / "victims.log", killed=tuple(itertools.chain(range(2, 30, 3), range(3, 30, 3))))
    told = played(stage, 1).told
    assert (told.kills, told.ended) == (19, 15)


@pytest.mark.usefixtures("no_standstill")
def test_it_says_why_it_stopped_and_does_not_end_with_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Graveyard(tmp_path / "victims.log")
    monkeypatch.setattr(torture, "Stage", lambda *_, **__: nullcontext(stage))
    monkeypatch.setattr(sys, "argv", ["torture", "--json", "--keep", str(tmp_path / "kept")])
    assert torture.main() == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "5 times in a row (1)" in err
    assert "must stand in quotes" in err
    assert "\x1b" not in err
    assert str(tmp_path / "kept") in err
