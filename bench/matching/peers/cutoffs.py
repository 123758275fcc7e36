"""Cut-offs of peers that give scores: from score and runner-up to an action, and how they are tuned."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.matching.peers import Action, Decision

DUPLICATE_COST = 10.0
"""A duplicate client costs as much as so many questions to a person."""
_STEPS = 200
_MARGINS = 12


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Link from ``link`` on where the best owner is ``margin`` ahead of the next; create below ``create``."""

    link: float
    margin: float
    create: float

    def action(self, score: float | None, runner_up: float | None) -> Action:
        """What is done with a booking whose best owners have these scores (None: there is none)."""
        if score is None or score < self.create:
            return "create"
        ahead = runner_up is None or score - runner_up >= self.margin
        return "link" if score >= self.link and ahead else "review"

    def apply(self, decision: Decision) -> Decision:
        """The same decision with the action that these cut-offs say."""
        return replace(decision, action=self.action(decision.score, decision.runner_up))


@dataclass(frozen=True, slots=True)
class Truth:
    """What is right for one booking: ids of owner records. No right one: a new client."""

    owners: frozenset[str]
    household: frozenset[str]
    ambiguous: bool


def read_truth(path: Path) -> dict[str, Truth]:
    """What is right for each booking in a truth.jsonl."""
    with path.open(encoding="utf-8") as file:
        rows = map(json.loads, file)
        return {
            row["booking_id"]: Truth(
                frozenset(row["owner_ids"]), frozenset(row["household_ids"]), bool(row["ambiguous"])
            )
            for row in rows
        }


def tune(decisions: Sequence[Decision], truth: Mapping[str, Truth], strangers: float) -> Cutoffs:
    """The cut-offs with most right links while at most the share ``strangers`` of bookings hangs on a stranger.

    Then the ``create`` with the least cost of questions and duplicates. Raises ValueError where nothing was scored.
    """
    scored = [one for one in decisions if one.score is not None]
    if not scored:
        raise ValueError("no decision has a score to tune by")
    scores = sorted({float(one.score or 0.0) for one in scored})
    allowed = strangers * len(decisions)
    found = [
        (right, -link, -margin)
        for margin in _margins(scored)
        for right, link in [_best_link(scored, truth, margin, allowed)]
    ]
    _, link, margin = max(found)
    partial = Cutoffs(min(-link, scores[-1] + 1.0), -margin, scores[0])
    steps = [scores[len(scores) * step // _STEPS] for step in range(_STEPS)]
    create = min(
        (step for step in steps if step <= partial.link), key=lambda step: _cost(decisions, truth, partial, step)
    )
    return replace(partial, create=create)


def _margins(scored: Iterable[Decision]) -> list[float]:
    gaps = sorted(_gap(one) for one in scored if one.runner_up is not None)
    return [0.0, *(gaps[len(gaps) * step // _MARGINS] for step in range(1, _MARGINS))] if gaps else [0.0]


def _gap(decision: Decision) -> float:
    return (decision.score or 0.0) - (decision.runner_up or 0.0)


def _best_link(
    scored: Sequence[Decision], truth: Mapping[str, Truth], margin: float, allowed: float
) -> tuple[int, float]:
    """Right links and cut-off: the lowest cut-off above which not more than ``allowed`` links are strangers'."""
    clear = [one for one in scored if one.runner_up is None or _gap(one) >= margin]
    clear.sort(key=lambda one: -(one.score or 0.0))
    right = wrong = 0
    best = (0, float("inf"))
    for place, one in enumerate(clear):
        known = truth[one.booking_id]
        right += one.owner_id in known.owners and not known.ambiguous
        wrong += one.owner_id not in known.owners and one.owner_id not in known.household
        if wrong > allowed:
            break
        last = place + 1 == len(clear) or clear[place + 1].score != one.score
        if last and right > best[0]:
            best = (right, one.score or 0.0)
    return best


def _cost(decisions: Iterable[Decision], truth: Mapping[str, Truth], cutoffs: Cutoffs, create: float) -> float:
    tried = replace(cutoffs, create=create)
    cost = 0.0
    for one in decisions:
        action = tried.action(one.score, one.runner_up)
        if action == "create" and truth[one.booking_id].owners:
            cost += DUPLICATE_COST
        elif action == "review":
            cost += 1.0
    return cost
