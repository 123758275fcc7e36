"""The one command that makes RESULTS.md: VetBridge and its peers on fresh clinics, side by side.

``python -m bench.matching [--sizes 10000,100000] [--bookings 50000] [--speed 10000,100000,1000000] [--quick]``

Cut-offs of peers that need some are tuned on train clinics (English and German, train halves of the names); figures
are from test clinics (English test half, Polish), which nothing was trained or tuned on. Progress on standard error.
Each part runs in a process of its own. What was stopped goes on where it was when the same command is given again:
parts whose inputs are the same are not done twice. A part that fails is named, the others go on, and then no page is
written.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.matching import speed
from bench.matching.clinics import MadeClinic
from bench.matching.parts import Done, Part, PartFailed, run, say
from bench.matching.peers.cutoffs import Cutoffs, Truth, read_truth, tune
from bench.matching.peers.decisions import read, write
from bench.matching.results import Febrl, Line, Page, Table, measured, render

RESULTS = Path(__file__).parent / "RESULTS.md"
MISSES = Path(__file__).parent / "misses.md"

NEEDED = ("faker", "pandas", "recordlinkage", "splink")
STRANGERS = 1e-4
"""The share of bookings on strangers' records that tuned cut-offs may reach on the train clinics."""
TRAIN_SEED_STEP = 1_000_000
"""Train clinics have seeds so far from the test clinics' that no run mixes them."""
MOST_TUNED_BY = 10_000
"""Owners of a train clinic, at most."""

_MATCHING = ("vetbridge/core", "vetbridge/ledger", "vetbridge/desk", "vetbridge/cli/match.py")
_PEERS = ("bench/matching/peers", "vetbridge/core/normalise.py", "vetbridge/core/records.py")


@dataclass(frozen=True, slots=True)
class Contestant:
    """One line of a table: ``peer`` is a short name of ``bench.matching.peers.__main__``; None: VetBridge itself."""

    title: str
    peer: str | None
    tuned: bool = False
    recut: bool = False
    """Whether the same peer ran before in the table, so that only its cut-offs differ."""


VETBRIDGE = "**VetBridge**"
CONTESTANTS = (
    Contestant(VETBRIDGE, None),
    Contestant("e-mail + surname + pet exact (Vetstoria style)", "exact"),
    Contestant("phone or e-mail alone (AllyDVM style)", "contact"),
    Contestant("rapidfuzz weighted rule, cut-offs tuned", "weighted", tuned=True),
    Contestant("Splink 5, EM, p >= .99", "splink"),
    Contestant("Splink 5, EM, cut-offs tuned", "splink", tuned=True, recut=True),
    Contestant("VetBridge's strict rules (first version)", "strict"),
)


class Benchmark:
    """A run. Its parts are done in the order in which they are asked for; those that fail are remembered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Done | None] = {}
        self.seconds = 0.0
        self.failed: list[str] = []

    def tables(self, clinics: list[MadeClinic], tuned: dict[str, Cutoffs]) -> Iterator[Table]:
        """All contestants on each clinic."""
        for clinic in clinics:
            lines = [line for one in CONTESTANTS if (line := self._line(one, clinic, tuned)) is not None]
            if lines:
                yield Table(clinic.title, clinic.owners, clinic.bookings, clinic.seed, lines)

    def tuned(self, clinics: list[MadeClinic]) -> dict[str, Cutoffs]:
        """The cut-offs of each peer that has such, tuned on all these clinics together."""
        found = {}
        for peer in dict.fromkeys(one.peer for one in CONTESTANTS if one.tuned and one.peer):
            decisions, truth = [], dict[str, Truth]()
            for number, clinic in enumerate(clinics):
                made = clinic.making(self._folder)
                part = _peer(peer, clinic, made, None)
                if self._done(made) is None or self._done(part) is None:
                    break
                decisions += [replace(one, booking_id=f"{number} {one.booking_id}") for one in read(*part.makes)]
                right = read_truth(made.folder / "truth.jsonl")
                truth |= {f"{number} {key}": value for key, value in right.items()}
            else:
                found[peer] = tune(decisions, truth, STRANGERS)
                say(f"{peer}: tuned to {found[peer]}")
        return found

    def splink_alone(self, clinics: list[MadeClinic], bookings: int) -> dict[int, list[float]]:
        """Milliseconds of a booking that comes alone, by the clinic's size."""
        found = {}
        for clinic in clinics:
            made = clinic.making(self._folder)
            command = ("bench.matching.peers", "splink", f"--world={made.folder}", f"--country={clinic.country}")
            part = Part("splink-alone", made.folder, (*command, f"--alone={bookings}"), _PEERS, after=(made,))
            done = self._done(made) and self._done(part)
            if done is not None:
                found[clinic.owners] = [float(line) for line in done.text.split()]
        return found

    def learning(self, clinic: MadeClinic, answers: int) -> str:
        """What so many answers are worth, as a table."""
        made = clinic.making(self._folder)
        command = ("bench.matching.learning", f"--world={made.folder}", f"--country={clinic.country}")
        sources = ("bench/matching/learning.py", *_MATCHING)
        part = Part("learning", made.folder, (*command, f"--answers={answers}"), sources, after=(made,))
        done = self._done(made) and self._done(part)
        return "" if done is None else done.text.strip()

    def speeds(self, clinics: list[MadeClinic]) -> list[speed.Speed]:
        """Import and matching on each clinic."""
        found = []
        for clinic in clinics:
            made = clinic.making(self._folder)
            done = self._done(made) and self._done(speed.part(made, clinic.country))
            if done is not None:
                found.append(speed.Speed(**json.loads(done.text)))
        return found

    def febrl(self) -> list[Febrl]:
        """All methods on FEBRL3 and FEBRL4."""
        sources = ("bench/matching/febrl.py", "vetbridge/core")
        done = self._done(Part("febrl", self._folder, ("bench.matching.febrl", "--json"), sources))
        return [] if done is None else [Febrl(**json.loads(line)) for line in done.text.splitlines()]

    def _line(self, contestant: Contestant, clinic: MadeClinic, tuned: dict[str, Cutoffs]) -> Line | None:
        made, peer = clinic.making(self._folder), contestant.peer
        cutoffs = tuned.get(peer) if peer and contestant.tuned else None
        if self._done(made) is None or (contestant.tuned and cutoffs is None):
            return None
        part = _vetbridge(clinic, made)
        if peer is not None:
            part = _peer(peer, clinic, made, None if contestant.recut else cutoffs)
        done = self._done(part)
        if done is None:
            return None
        [decisions] = part.makes
        score = partial(measured, contestant.title, made.folder / "truth.jsonl")
        if contestant.recut and cutoffs is not None:
            recut = decisions.with_name(f"{part.name}-recut.jsonl")
            write(recut, map(cutoffs.apply, read(decisions)))
            return score(recut, None, None)
        return score(decisions, done.seconds, done.peak)

    def _done(self, part: Part) -> Done | None:
        """The part's outcome; None where it failed. Its time counts once."""
        if part.inputs() in self._known:
            return self._known[part.inputs()]
        try:
            done: Done | None = run(part)
        except PartFailed as error:
            say(str(error))
            self.failed.append(str(error))
            done = None
        self._known[part.inputs()] = done
        self.seconds += done.seconds if done else 0.0
        return done


def _peer(peer: str, clinic: MadeClinic, made: Part, cutoffs: Cutoffs | None) -> Part:
    name = f"{peer}-tuned" if cutoffs else peer
    out = made.folder / f"{name}.jsonl"
    command = ["bench.matching.peers", peer, f"--world={made.folder}", f"--country={clinic.country}", f"--out={out}"]
    if cutoffs:
        command.append(f"--cutoffs={cutoffs.link},{cutoffs.margin},{cutoffs.create}")
    return Part(name, made.folder, tuple(command), _PEERS, makes=(out,), after=(made,))


def _vetbridge(clinic: MadeClinic, made: Part) -> Part:
    out = made.folder / "vetbridge.jsonl"
    files = {"owners": "owners.csv", "pets": "patients.csv", "bookings": "bookings.jsonl"}
    command = [
        *("vetbridge.cli.main", "match", "eval", "--candidate-ids", "--json"),
        *(f"--{name}={made.folder / file}" for name, file in files.items()),
        *(f"--out={out}", f"--country={clinic.country}"),
    ]
    return Part("vetbridge", made.folder, tuple(command), _MATCHING, makes=(out,), after=(made,))


def main() -> int:
    """Makes RESULTS.md; 1 where a part failed, 2 where the extra ``bench`` is not installed."""
    given = _arguments()
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        say(f"{', '.join(missing)} cannot be imported: pip install -e '.[bench]'")
        return 2
    sizes, bookings, speeds = given.sizes, given.bookings, given.speed
    if given.quick:
        sizes, bookings, speeds = [1_000], 2_000, [1_000]
    english = [MadeClinic("en", "test", size, bookings, given.seed + 2 * n) for n, size in enumerate(sizes)]
    polish = [MadeClinic("pl", "test", size, bookings, given.seed + 2 * n + 1) for n, size in enumerate(sizes)]
    train_seed, train_size = given.seed + TRAIN_SEED_STEP, min(*sizes, MOST_TUNED_BY)
    train = [
        MadeClinic(locale, "train", train_size, bookings, train_seed + n) for n, locale in enumerate(("en", "de"))
    ]
    timed = [next((one for one in english if one.owners == size), _timed(size, given.seed)) for size in speeds]

    benchmark = Benchmark(given.folder)
    tuned = benchmark.tuned(train)
    page = Page(
        tables=list(benchmark.tables([one for pair in zip(english, polish, strict=True) for one in pair], tuned)),
        splink_alone=benchmark.splink_alone(english, 3 if given.quick else 20),
        cutoffs=tuned,
        learning=benchmark.learning(english[0], 20 if given.quick else 200),
        speeds=benchmark.speeds(timed),
        febrl=benchmark.febrl(),
        misses=MISSES.read_text(encoding="utf-8") if MISSES.exists() else "",
    )
    if benchmark.failed:
        say(f"no page is written: {len(benchmark.failed)} parts failed; the same command tries them again")
        return 1
    numbers = [",".join(map(str, some)) for some in (sizes, [bookings], speeds, [given.seed])]
    command = "python -m bench.matching --sizes {} --bookings {} --speed {} --seed {}".format(*numbers)
    given.out.write_text(render(page, command, benchmark.seconds, vetbridge=VETBRIDGE), encoding="utf-8")
    say(f"{given.out} is made")
    return 0


def _timed(size: int, seed: int) -> MadeClinic:
    """A clinic that only speed is measured on."""
    return MadeClinic("en", "test", size, speed.BOOKINGS, seed + size)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.matching", description=__doc__)
    parser.add_argument("--sizes", type=_sizes, default=[10_000, 100_000], help="owners, separated by commas")
    parser.add_argument("--bookings", type=int, default=50_000, help="bookings per clinic")
    parser.add_argument(
        "--speed",
        type=_sizes,
        default=[10_000, 100_000, 1_000_000],
        help="owners of the clinics that speed is measured on",
    )
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--quick", action="store_true", help="1,000 owners and 2,000 bookings, in minutes")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir(), "vetbridge-matching"),
        help="where clinics and decisions are kept (%(default)s); a full run takes a gigabyte",
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
