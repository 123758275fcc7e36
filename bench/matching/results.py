"""RESULTS.md as text: a table for each clinic, the goals beside, and every goal that VetBridge misses by name."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from bench.matching import speed
from bench.matching.peers.cutoffs import Cutoffs
from bench.matching.score import Rate, Score, read_lines, score

_LARGE = 100_000
"""From so many owners on the goals for large clinics hold."""
_LIBRARIES = ("splink", "duckdb", "rapidfuzz", "recordlinkage", "faker")
_FEBRL_GOALS = {"FEBRL3": 0.985, "FEBRL4": 0.997}
_HUGE = 1_000_000
_BOUND = 0.0001
"""The share of bookings on strangers' records that nobody may exceed."""
_MOST_TRAPS = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One method on one clinic. ``recall`` is the share of linkable bookings with a right owner among the candidates.

    ``seconds`` and ``peak`` (MiB) are the whole process's, reading the files included. What was not measured is None.
    """

    title: str
    score: Score
    recall: float | None
    seconds: float | None
    peak: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """All methods on one clinic."""

    title: str
    owners: int
    bookings: int
    seed: int
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Febrl:
    """The recall (0 to 1) of one method on one FEBRL data set, at the precision that is asked for."""

    data_set: str
    method: str
    recall: float


@dataclass(frozen=True, slots=True)
class Page:
    """All that RESULTS.md tells. ``splink_alone`` are milliseconds by the clinic's size, ``learning`` is a table."""

    tables: Sequence[Table]
    splink_alone: Mapping[int, Sequence[float]]
    cutoffs: Mapping[str, Cutoffs]
    learning: str
    speeds: Sequence[speed.Speed]
    febrl: Sequence[Febrl]
    misses: str


@dataclass(frozen=True, slots=True)
class Goal:
    """One column's goal: ``value`` reads a line's figure (None: not measured), ``most`` says which way is good."""

    words: str
    bound: float
    value: Callable[[Line], float | None]
    most: bool = True

    def missed(self, line: Line) -> bool | None:
        """Whether the line misses the goal; None where it was not measured."""
        value = self.value(line)
        if value is None:
            return None
        return value > self.bound if self.most else value < self.bound


def goals(owners: int) -> list[Goal]:
    """The goals for a clinic of that size."""
    large = owners >= _LARGE
    return [
        Goal("links to strangers <= 0.01 % of bookings", 0.0001, lambda line: line.score.to_strangers.share),
        Goal("right links >= 92 % of linkable", 0.92, lambda line: line.score.right_link.share, most=False),
        Goal(f"review <= {10 if large else 8} %", 0.10 if large else 0.08, lambda line: line.score.review.share),
        Goal("duplicate clients <= 0.5 %", 0.005, lambda line: line.score.duplicate.share),
        Goal("candidate recall >= 99.5 %", 0.995, lambda line: line.recall, most=False),
        Goal("at most 100 candidates (p99)", 100, lambda line: line.score.candidates_p99),
        Goal("wrong pet <= 1 in 2,000", 1 / 2000, lambda line: line.score.wrong_pet.share),
        Goal("of links at >= .999 at most 0.1 % wrong", 0.001, lambda line: line.score.wrong_of_sure.share),
        Goal("p50 <= 1 ms", 1.0, lambda line: line.score.ms_p50),
        Goal("p99 <= 10 ms", 10.0, lambda line: line.score.ms_p99),
    ]


_RIVALRY: tuple[tuple[str, Callable[[Line], float | None], bool], ...] = (
    ("right link", lambda line: line.score.right_link.share, False),
    ("false link", lambda line: line.score.false_link.share, True),
    ("duplicates", lambda line: line.score.duplicate.share, True),
    ("review", lambda line: line.score.review.share, True),
    ("wrong pet", lambda line: line.score.wrong_pet.share, True),
    ("recall", lambda line: line.recall, False),
)
"""The columns in which methods compete, and whether little is good."""


def measured(title: str, truth: Path, decisions: Path, seconds: float | None, peak: float | None) -> Line:
    """Scores a method's decisions. Raises ValueError where they do not fit the truth."""
    return Line(title, score(read_lines(truth), read_lines(decisions)), _recall(truth, decisions), seconds, peak)


def _recall(truth: Path, decisions: Path) -> float | None:
    wanted = {
        row["booking_id"]: set(row["owner_ids"])
        for row in read_lines(truth)
        if row["owner_ids"] and not row["ambiguous"]
    }
    found = named = 0
    for row in read_lines(decisions):
        if "candidate_ids" in row:
            named += 1
            found += bool(wanted.get(row["booking_id"], set()) & set(row["candidate_ids"]))
    return found / len(wanted) if named and wanted else None


def render(page: Page, command: str, seconds: float, *, vetbridge: str) -> str:
    """The whole page. ``vetbridge`` is the title of VetBridge's own lines, ``seconds`` what all parts took."""
    parts = [
        _head(command, seconds),
        *(_clinic(table) for table in page.tables),
        _traps(page.tables, vetbridge),
        _learning(page.learning),
        _speed(page.speeds),
        _alone(page.splink_alone),
        _febrl(page.febrl),
        _cutoffs(page.cutoffs),
        _missed(page, vetbridge),
        _behind(page.tables, vetbridge),
        page.misses.strip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(command: str, seconds: float) -> str:
    python = platform.python_version()
    libraries = ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)
    return f"""# Matching: results

Made by `{command}`
on {datetime.now(UTC):%Y-%m-%d} in {seconds / 60:.0f} minutes, commit {_commit()}, Python {python},
{os.cpu_count()} cores, {platform.machine()};
{libraries}.
What the columns mean and how the clinics are made: README.md. Do not edit this page: the next run writes it anew; the
words at its end come from misses.md.

Rates are in %. In brackets stands the 95 % bound on the bad side (exact, one-sided): of faults the true rate is below
it, of right links above it. *Strangers*, *false link*, *duplicates*, *review*: of all bookings; *right link* and
*recall*: of linkable bookings; *wrong pet*: of right owners linked with a pet; *wrong of sure*: of links claimed at
>= .999. *ms* is the time of one booking, of Splink the booking's share of one batch. *MiB*, *s*: the whole process,
reading the files included. Times compare within one run only."""


_COLUMNS = (
    "method",
    "strangers",
    "false link",
    "right link",
    "duplicates",
    "review",
    "wrong pet",
    "wrong of sure",
    "candidates p99",
    "recall",
    "ms p50 / p99",
    "MiB",
    "s",
)


def _clinic(table: Table) -> str:
    large = table.owners >= _LARGE
    goal = ["*goal*", "0.01", "", "92", "0.5", "10" if large else "8", "0.05", "0.1", "100", "99.5", "1 / 10", "", ""]
    rows = [_COLUMNS, ["---"] * len(_COLUMNS), *(_cells(line) for line in table.lines), goal]
    linkable = table.lines[0].score.linkable
    return f"""## {table.title}

{table.bookings:,} bookings, {linkable:,} of them linkable; seed {table.seed}.

{_drawn(rows)}"""


def _cells(line: Line) -> list[str]:
    found = line.score
    return [
        line.title,
        _rate(found.to_strangers, 3),
        _rate(found.false_link, 3),
        _rate(found.right_link, 1),
        _rate(found.duplicate, 2),
        _rate(found.review, 1),
        _rate(found.wrong_pet, 3),
        _rate(found.wrong_of_sure, 3) if found.wrong_of_sure.of else "",
        _number(found.candidates_p99, 0),
        "" if line.recall is None else f"{100 * line.recall:.2f}",
        f"{_number(found.ms_p50, 2)} / {_number(found.ms_p99, 2)}",
        _number(line.peak, 0),
        _number(line.seconds, 0),
    ]


def _rate(rate: Rate, digits: int) -> str:
    return f"{100 * rate.share:.{digits}f} ({100 * rate.bound:.{digits}f})"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _alone(splink_alone: Mapping[int, Sequence[float]]) -> str:
    lines = [
        f"- {size:,} owners: median {median(times):.0f} ms, slowest {max(times):.0f} ms of {len(times)} bookings"
        for size, times in splink_alone.items()
    ]
    words = "A booking that comes alone, with a new linker and the trained model (training not counted):"
    return "\n".join(["## Splink without a batch", "", words, "", *lines])


def _cutoffs(cutoffs: Mapping[str, Cutoffs]) -> str:
    lines = [
        f"- {peer}: link from {cut.link:.2f}, {cut.margin:.2f} ahead of the next owner, create below {cut.create:.2f}"
        for peer, cut in cutoffs.items()
    ]
    words = (
        "On the train clinics, to most right links at <= 0.01 % on strangers (bits for Splink, points for the rule):"
    )
    return "\n".join(["## Tuned cut-offs", "", words, "", *lines])


def _febrl(figures: Sequence[Febrl]) -> str:
    lines = [f"| {one.data_set} | {one.method} | {one.recall:.4f} |" for one in figures]
    goal = ", ".join(f"{name} >= {value}" for name, value in _FEBRL_GOALS.items())
    return "\n".join(
        [
            "## FEBRL, an outside check",
            "",
            "Recall at precision >= .999, without `soc_sec_id`, without labels; all methods score the same",
            "pairs, and *compared at all* is the most that can be reached. VetBridge has four levels for an address,",
            "and one date, that of a pet: the date of birth stands as that of an only pet without a name.",
            f"Goals: {goal}.",
            "",
            "| data | method | recall |",
            "| --- | --- | --- |",
            *lines,
        ]
    )


def _traps(tables: Sequence[Table], vetbridge: str) -> str:
    """Where VetBridge asks or makes a client twice in the largest clinic, trap by trap."""
    largest = max(tables, key=lambda table: table.owners, default=None)
    line = next((one for one in largest.lines if one.title == vetbridge), None) if largest else None
    if largest is None or line is None:
        return ""
    score = line.score
    worst = sorted(score.traps.items(), key=lambda item: -(item[1].review + item[1].duplicate))[:_MOST_TRAPS]
    rows = [
        (
            "trap",
            "bookings",
            "linkable",
            "right link %",
            "strangers",
            "household",
            "duplicates",
            "review",
            "review %",
        ),
        ["---"] * 9,
        *(
            (
                name,
                str(trap.bookings),
                str(trap.linkable),
                f"{100 * trap.right_link / trap.linkable:.1f}" if trap.linkable else "",
                *(str(count) for count in (trap.to_strangers, trap.to_household, trap.duplicate, trap.review)),
                f"{100 * trap.review / trap.bookings:.1f}",
            )
            for name, trap in worst
        ),
    ]
    words = f"VetBridge, {largest.title}: the traps with most questions and duplicates, in bookings."
    return f"## Where VetBridge asks\n\n{words}\n\n{_drawn(rows)}"


def _learning(table: str) -> str:
    if not table:
        return ""
    return f"""## Learning

Reception answers a clinic's first questions, each as the truth says; then the same people book again, half of them
with something changed, and other people book. The goal of 200 answers: a quarter fewer questions, no more false
links.

{table}"""


def _speed(speeds: Sequence[speed.Speed]) -> str:
    return f"""## Speed

One thread. Import is reading clients and pets into the mirror; the baseline writes the records alone, as JSON, into
an SQLite file. The baseline of a booking asks SQLite for the same keys and nothing else. Goals: >= 5,000 records/s in
<= 300 MiB; p50 <= 1 ms, p99 <= 10 ms at 100,000 owners and <= 25 ms at 1,000,000.

{speed.table(speeds)}"""


def _drawn(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _missed(page: Page, vetbridge: str) -> str:
    lines = [
        *_missed_in_clinics(page.tables, vetbridge),
        *_missed_in_speed(page.speeds),
        *_missed_in_febrl(page.febrl),
    ]
    return "\n".join(["## Goals missed or not measured", "", *(lines or ["None."])])


def _missed_in_clinics(tables: Sequence[Table], vetbridge: str) -> Iterator[str]:
    for table in tables:
        for line in table.lines:
            if line.title != vetbridge:
                continue
            for goal in goals(table.owners):
                missed = goal.missed(line)
                if missed is None:
                    yield f"- {table.title}: {goal.words}: not measured"
                elif missed:
                    yield f"- {table.title}: {goal.words}: {_found(goal, line)}"


def _found(goal: Goal, line: Line) -> str:
    value = goal.value(line) or 0.0
    return f"{value:.2f}" if goal.bound >= 1 else f"{100 * value:.3f} %"


def _missed_in_speed(speeds: Sequence[speed.Speed]) -> Iterator[str]:
    for one in speeds:
        size, most = f"- speed at {one.owners:,} owners", 25 if one.owners >= _HUGE else 10
        if one.import_per_second < 5_000:
            yield f"{size}: import >= 5,000 records/s: {one.import_per_second:,.0f}"
        if one.peak_import > 300:
            yield f"{size}: import in <= 300 MiB: {one.peak_import:.0f}"
        if one.ms_p99 > most:
            yield f"{size}: p99 <= {most} ms: {one.ms_p99:.2f}"


def _missed_in_febrl(figures: Sequence[Febrl]) -> Iterator[str]:
    for one in figures:
        if one.method.startswith("VetBridge") and one.recall < _FEBRL_GOALS[one.data_set]:
            yield f"- {one.data_set}: recall >= {_FEBRL_GOALS[one.data_set]}: {one.recall:.4f} ({one.method})"


def _behind(tables: Sequence[Table], vetbridge: str) -> str:
    """Where a peer that keeps the bound on strangers is better than VetBridge."""
    lines = []
    for table in tables:
        ours = next((line for line in table.lines if line.title == vetbridge), None)
        for line in table.lines:
            if ours is None or line is ours or line.score.to_strangers.share > _BOUND:
                continue
            for name, value, most in _RIVALRY:
                mine, theirs = value(ours), value(line)
                if mine is not None and theirs is not None and (theirs < mine if most else theirs > mine):
                    yours, own = (f"{100 * share:.3f} %" for share in (theirs, mine))
                    lines.append(f"- {table.title}: {name}: {line.title} {yours}, VetBridge {own}")
    words = "Of the peers with at most 0.01 % of bookings on strangers:"
    return "\n".join(["## Where a peer is better", "", words, "", *(lines or ["- nowhere"])])


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git the developer has
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
