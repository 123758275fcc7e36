"""Makes the frozen set that trained weights are replayed on: ``python -m bench.matching.replay WORLD:COUNTRY...``.

A world is a folder with the four files that ``bench.matching.world`` writes. All hard decisions are kept, and of the
easy ones a sample that stands for the rest. Nothing of what was compared is in it, only how it agreed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from vetbridge.core.matching import Verdict, Weights, shipped
from vetbridge.core.matching.observing import Observation
from vetbridge.core.matching.replaying import decided, replay
from vetbridge.desk.evaluation import ClinicFiles, reports_of
from vetbridge.desk.training import observed, read_truth

SHIPPED = Path(__file__).parents[2] / "vetbridge" / "core" / "matching" / "replay.json.gz"

MOST_SEEN = 4
"""Candidates that are kept of a decision, at the most."""
_NEGLIGIBLE = 2.0**-30


def main(arguments: Sequence[str]) -> int:
    """Writes the set; says on standard error what is in it."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching.replay", description=__doc__)
    parser.add_argument("worlds", nargs="+", metavar="WORLD:COUNTRY", help="a folder, and the country of its phones")
    parser.add_argument("--most", type=int, default=4_000, help="decisions in the set")
    parser.add_argument("--out", type=Path, default=SHIPPED, metavar="FILE")
    given = parser.parse_args(arguments)
    weights = shipped()
    found: list[Observation] = []
    for world in given.worlds:
        folder, _, country = world.rpartition(":")
        found += _observed(Path(folder), country)
    chosen = [_short(one, weights) for one in sampled(found, given.most, weights)]
    _say(f"{len(found)} decisions: {replay(found, weights)}")
    _say(f"{len(chosen)} in the set: {replay(chosen, weights)}")
    document = {"schema": 1, "observations": [one.packed() for one in chosen]}
    text = json.dumps(document, separators=(",", ":")).encode()
    given.out.write_bytes(gzip.compress(text, 9, mtime=0))
    _say(f"{given.out}: {given.out.stat().st_size} bytes")
    return 0


def sampled(found: Sequence[Observation], most: int, weights: Weights, *, seed: int = 1) -> list[Observation]:
    """All hard decisions, and so many easy ones as there is room for, each standing for its part of the easy ones.

    Raises ``ValueError`` where the hard ones alone are more than ``most``.
    """
    hard: list[Observation] = []
    easy: list[Observation] = []
    for one in found:
        (hard if is_hard(one, weights) else easy).append(one)
    room = most - len(hard)
    if room < min(1, len(easy)):
        raise ValueError(f"{len(hard)} hard decisions do not fit into {most}")
    kept = random.Random(seed).sample(easy, min(room, len(easy)))
    return [*hard, *(replace(one, stands_for=len(easy) / len(kept)) for one in kept)]


def is_hard(one: Observation, weights: Weights) -> bool:
    """Whether a decision is a wrong link, or would be one by careless weights."""
    for each in (weights, _careless(weights)):
        verdict, place = decided(one, each)
        if verdict is Verdict.LINKED and place not in (one.meant or ()):
            return True
    return False


def _careless(weights: Weights) -> Weights:
    """To whom a wrong link costs no more than two questions: whoever is likelier than not is linked."""
    costs = {"false_link": 2.0, "household_link": 1.0, "margin": 0.0, "margin_twice": 0.0}
    return replace(weights, decide={**weights.decide, **costs})


def _observed(folder: Path, country: str) -> Iterable[Observation]:
    files = ClinicFiles(
        owners=folder / "owners.csv", pets=folder / "patients.csv", bookings=folder / "bookings.jsonl"
    )
    truth = read_truth(folder / "truth.jsonl")
    return [one for _, one in observed(reports_of(files), truth, country=country, progress=_say)]


def _linking(one: Observation, weights: Weights) -> list[float]:
    return [each.linking + seen.partner for each, seen in zip(one.odds(weights), one.seen, strict=True)]


def _short(one: Observation, weights: Weights) -> Observation:
    """The same without candidates that cannot matter."""
    odds = _linking(one, weights)
    right = one.meant or ()
    places = [place for place, value in enumerate(odds) if place == 0 or place in right or value > _NEGLIGIBLE]
    places = [place for number, place in enumerate(places) if number < MOST_SEEN or place in right]
    meant = one.meant
    if meant:
        meant = tuple(places.index(place) if place >= 0 else place for place in meant)
    return replace(one, seen=tuple(one.seen[place] for place in places), meant=meant)


def _say(words: str) -> None:
    print(words, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
