"""Compares decisions with the truth: ``python -m bench.matching.score DIR/truth.jsonl decisions.jsonl [--json]``.

*Linkable* is a booking whose owner is in the clinic and could be told by a careful person. Every rate comes with a
95 % bound on its bad side (exact, Clopper-Pearson, one-sided): the true rate of a fault is below its bound, the true
rate of right links above it, unless one sees what happens once in twenty times. Nothing seen in 30,000 bookings still
leaves 1 in 10,000 possible.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

CONFIDENCE = 0.95
SURE = 0.999
"""From this probability on, a link counts for calibration."""

_FAULTS = ("to_strangers", "false_link", "duplicate", "review", "wrong_pet", "wrong_of_sure")


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` of ``of``; ``bound`` is the 95 % bound of the share, on the bad side. ``share`` is 0 of nothing."""

    count: int
    of: int
    share: float
    bound: float


@dataclass(slots=True)
class Score:
    """The columns of the benchmark. Milliseconds and candidates are of one booking; None where no decision has them.

    ``missing`` counts bookings without a decision: they are scored as reviews, so that nobody gains by silence.
    """

    bookings: int
    linkable: int
    to_strangers: Rate
    false_link: Rate
    right_link: Rate
    duplicate: Rate
    review: Rate
    wrong_pet: Rate
    wrong_of_sure: Rate
    missing: int
    ms_p50: float | None
    ms_p99: float | None
    candidates_p50: float | None
    candidates_p99: float | None
    traps: dict[str, TrapScore] = field(default_factory=dict)


@dataclass(slots=True)
class TrapScore:
    """The counts of one trap; the shares follow from them."""

    bookings: int = 0
    linkable: int = 0
    right_link: int = 0
    to_strangers: int = 0
    to_household: int = 0
    duplicate: int = 0
    review: int = 0
    wrong_pet: int = 0


def upper_bound(count: int, of: int, confidence: float = CONFIDENCE) -> float:
    """The exact one-sided upper bound of a share of which ``count`` of ``of`` was seen; 1 of nothing.

    It is the share at which so few would be seen in ``1 - confidence`` of the cases.
    """
    if count >= of:
        return 1.0
    low, high = count / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(count, of, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def lower_bound(count: int, of: int, confidence: float = CONFIDENCE) -> float:
    """The exact one-sided lower bound; 0 of nothing."""
    return 1 - upper_bound(of - count, of, confidence)


def _at_most(count: int, of: int, share: float) -> float:
    """How likely it is to see at most ``count`` of ``of``, for a share above ``count / of``."""
    if share >= 1:
        return 0.0
    term = math.exp(
        math.lgamma(of + 1)
        - math.lgamma(count + 1)
        - math.lgamma(of - count + 1)
        + count * math.log(share)
        + (of - count) * math.log1p(-share)
    )
    total, odds = 0.0, (1 - share) / share
    for seen in range(count, -1, -1):  # from the largest term down; the rest does not matter any more
        total += term
        if term < total * 1e-15:
            break
        term *= seen / (of - seen + 1) * odds
    return total


def score(truths: Iterable[Mapping[str, Any]], decisions: Iterable[Mapping[str, Any]]) -> Score:
    """Scores decisions (lines of decisions.jsonl) by the truth (lines of truth.jsonl), in whatever order they come.

    Raises ``ValueError`` for a decision without a known action, for an unknown booking and for one decided twice.
    """
    decided = {}
    for decision in decisions:
        booking = str(decision.get("booking_id"))
        if decision.get("action") not in {"link", "create", "review"}:
            raise ValueError(f"booking {booking!r}: the action must be link, create or review")
        if booking in decided:
            raise ValueError(f"booking {booking!r} is decided twice")
        decided[booking] = decision
    total, traps = TrapScore(), dict[str, TrapScore]()
    missing = with_pet = sure = wrong_of_sure = 0
    times: list[float] = []
    candidates: list[float] = []
    for truth in truths:
        made = decided.pop(truth["booking_id"], None)
        missing += made is None
        decision = made or {"action": "review"}
        for tally in (total, traps.setdefault(truth["trap"], TrapScore())):
            _count(tally, truth, decision)
        if decision["action"] == "link":
            right = decision.get("owner_id") in truth["owner_ids"]
            with_pet += right and bool(decision.get("patient_id"))
            if (decision.get("probability") or 0) >= SURE:
                sure += 1
                wrong_of_sure += not right
        if decision.get("ms") is not None:
            times.append(decision["ms"])
        if decision.get("candidates") is not None:
            candidates.append(decision["candidates"])
    if decided:
        raise ValueError(f"{len(decided)} decisions are about unknown bookings, such as {next(iter(decided))!r}")
    count = total.bookings
    return Score(
        bookings=count,
        linkable=total.linkable,
        to_strangers=_fault(total.to_strangers, count),
        false_link=_fault(total.to_strangers + total.to_household, count),
        right_link=Rate(
            total.right_link,
            total.linkable,
            total.right_link / max(1, total.linkable),
            lower_bound(total.right_link, total.linkable),
        ),
        duplicate=_fault(total.duplicate, count),
        review=_fault(total.review, count),
        wrong_pet=_fault(total.wrong_pet, with_pet),
        wrong_of_sure=_fault(wrong_of_sure, sure),
        missing=missing,
        ms_p50=percentile(times, 0.50),
        ms_p99=percentile(times, 0.99),
        candidates_p50=percentile(candidates, 0.50),
        candidates_p99=percentile(candidates, 0.99),
        traps=dict(sorted(traps.items())),
    )


def _count(tally: TrapScore, truth: Mapping[str, Any], decision: Mapping[str, Any]) -> None:
    owners = truth["owner_ids"]
    linkable = bool(owners) and not truth["ambiguous"]
    tally.bookings += 1
    tally.linkable += linkable
    if decision["action"] == "review":
        tally.review += 1
    elif decision["action"] == "create":
        tally.duplicate += bool(owners)
    elif decision.get("owner_id") in owners:
        tally.right_link += linkable
        pet = decision.get("patient_id")
        tally.wrong_pet += bool(pet) and pet not in truth["patient_ids"]
    elif decision.get("owner_id") in truth["household_ids"]:
        tally.to_household += 1
    else:
        tally.to_strangers += 1


def _fault(count: int, of: int) -> Rate:
    return Rate(count, of, count / max(1, of), upper_bound(count, of))


def percentile(values: list[float], share: float) -> float | None:
    """The smallest value that is not below this share of them."""
    if not values:
        return None
    values.sort()
    return values[max(0, math.ceil(share * len(values)) - 1)]


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines. Raises ``ValueError`` with file and line where one is not an object."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: not JSON: {error}") from None
            if not isinstance(found, dict):
                raise ValueError(f"{path}:{number}: an object is expected in every line")
            yield found


def table(result: Score) -> str:
    """The score as text: the columns with their bounds, then the traps."""
    lines = [f"{result.bookings} bookings, {result.linkable} linkable, {result.missing} without a decision", ""]
    lines.append(f"{'':15}{'count':>8}{'of':>9}{'%':>10}{'bound %':>10}")
    for name in ("to_strangers", "false_link", "right_link", *_FAULTS[2:]):
        rate: Rate = getattr(result, name)
        lines.append(f"{name:15}{rate.count:8}{rate.of:9}{100 * rate.share:10.4f}{100 * rate.bound:10.4f}")
    for name in ("ms_p50", "ms_p99", "candidates_p50", "candidates_p99"):
        value: float | None = getattr(result, name)
        lines.append(f"{name:15}{'-' if value is None else format(value, '.3f'):>8}")
    lines += [
        "",
        f"{'trap':22}{'n':>7}{'linkable':>9}{'right %':>9}{'strangers':>10}{'household':>10}"
        f"{'dup':>6}{'review %':>9}",
    ]
    for name, trap in result.traps.items():
        right = f"{100 * trap.right_link / trap.linkable:.1f}" if trap.linkable else "-"
        lines.append(
            f"{name:22}{trap.bookings:7}{trap.linkable:9}{right:>9}{trap.to_strangers:10}{trap.to_household:10}"
            f"{trap.duplicate:6}{100 * trap.review / trap.bookings:9.1f}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Prints the score; 3 where the files cannot be scored."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching.score", description=__doc__)
    parser.add_argument("truth", type=Path)
    parser.add_argument("decisions", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        result = score(read_lines(options.truth), read_lines(options.decisions))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 3
    try:
        print(json.dumps(asdict(result)) if options.json else table(result), flush=True)
    except BrokenPipeError:  # whoever reads has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
