"""The benches of learning on a small clinic: that they run, and count what they say they count."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from bench.matching import learning, replay
from bench.matching.world import write_world
from tests.unit.core.test_learnt_weights import STRANGER, SURE, one
from vetbridge.core.matching import shipped
from vetbridge.core.matching.observing import Observation
from vetbridge.core.matching.replaying import replay as replayed


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("faker", reason="the extra `bench` is not installed")
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, owners=150, bookings=200, seed=5, locale="en")
    return folder


def test_answers_cut_the_questions_of_the_same_people(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert learning.main(["--world", str(world), "--answers", "8", "--strangers", "20"]) == 0
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("| the same")]
    before, aliases, _ = ([cell.strip() for cell in row] for row in rows)
    assert [before[0], aliases[0]] == ["the same people again, before", "the same people again, aliases"]
    assert float(aliases[2].split()[0]) < float(before[2].split()[0])
    assert int(aliases[4]) <= int(before[4])


def test_a_replay_set_is_made_of_a_world(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "replay.json.gz"
    assert replay.main([f"{world}:GB", "--most", "120", "--out", str(out)]) == 0
    packed = json.loads(gzip.decompress(out.read_bytes()))["observations"]
    seen = [found for each in packed if (found := Observation.unpacked(each))]
    assert len(seen) == len(packed) == 120
    assert replayed(seen, shipped()).bookings == pytest.approx(200)
    owners = (world / "owners.csv").read_text(encoding="utf-8").splitlines()[1:20]
    text = gzip.decompress(out.read_bytes()).decode()
    assert not any(cell in text for line in owners for cell in line.split(",")[:5] if len(cell) > 2)


def test_a_sample_keeps_every_hard_decision_and_stands_for_the_others() -> None:
    hard = [one(SURE, meant=())] * 3
    easy = [one(STRANGER, meant=())] * 40
    chosen = replay.sampled([*easy, *hard], 13, shipped())
    assert [each for each in chosen if replay.is_hard(each, shipped())] == hard
    assert sum(each.stands_for for each in chosen) == pytest.approx(43)
    with pytest.raises(ValueError, match="do not fit"):
        replay.sampled([*easy, *hard], 2, shipped())
