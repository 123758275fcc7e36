"""Weights from what was seen: the chances of agreement are estimated anew, without labels and with them.

Of each decision it is hidden who was meant and whether that person or somebody else of the household booked. Both are
guessed by the weights at hand, each guess counts with its odds, and the counts make new weights: expectation and
maximisation, in turns. What a person said restricts the guess. The weights that it starts from count like so many
bookings, so that few observations change little.

Only what is true of bookers who are known is estimated. How strangers, relatives and look-alikes agree, and what a
mistake costs, stays as it is: nobody must train the matcher into being careless.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from vetbridge.core.errors import ConfigError
from vetbridge.core.matching.comparing import COMMON, LEVELS, MISSING
from vetbridge.core.matching.document import document_of
from vetbridge.core.matching.observing import TWIN, Observation
from vetbridge.core.matching.weights import AGAINST, FOR, Weights, read_weights

START_COUNTS = 500.0
"""The weights that training starts from count like so many bookings."""

_ROUNDS = 8
_LEAST = 1e-5
"""No chance is estimated lower: what was never seen may be seen tomorrow."""
_SHARES = (0.01, 0.98)
_FREE = (("household", "lookalike"),)
"""Whoever books for a household resembles nobody on its record: these two are not weighed against each other."""

Chances = dict[str, dict[str, dict[str, float]]]
"""By who the booker is, field and level."""


@dataclass(slots=True)
class _Seen:
    """What EM needs of an observation: each candidate's levels, and its odds by either story at the start."""

    levels: tuple[tuple[tuple[str, str], ...], ...]
    own: tuple[float, ...]
    household: tuple[float, ...]
    partner: tuple[float, ...]
    meant: tuple[int, ...] | None
    counts_known: bool
    stands_for: float


@dataclass(slots=True)
class _Counts:
    """What one round has counted."""

    levels: Chances
    bookings: float = 0.0
    known: float = 0.0
    stories: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FOR, 0.0))


def fit(observations: Iterable[Observation], start: Weights, *, source: str, made_on: str) -> dict[str, Any]:
    """The document of weights that fit the observations, as ``read_weights`` takes it.

    ``source`` says in its provenance what was observed, ``made_on`` when (ISO 8601). Where a chance would make more
    agreement speak less for a match, the field is taken back towards the start until none does.
    """
    seen = [_prepared(one, start) for one in observations]
    before = _chances(start)
    chances, known, household = before, start.shares["known"], start.shares["household"]
    for _ in range(_ROUNDS):
        counts = _count(seen, start, before, chances, known, household)
        chances = _estimated(before, counts)
        known = _share(start.shares["known"], counts.known, counts.bookings)
        household = _share(start.shares["household"], counts.stories["household"], sum(counts.stories.values()))
    labelled = sum(one.meant is not None for one in seen)
    document = document_of(start)
    document["provenance"] = {
        "made_by": "vetbridge match train",
        "made_on": made_on,
        "from": f"{len(seen)} observations of {source}, {labelled} of them labelled",
        "started_from": start.provenance.get("from", ""),
    }
    document["shares"] |= {"known": round(known, 4), "household": round(household, 4)}
    for name in LEVELS:
        _settle(document, name, chances)
    return document


def halfway(document: Mapping[str, Any], start: Weights, part: float) -> dict[str, Any]:
    """A document that goes ``part`` of the way (0 to 1) from ``start`` to another; the order of levels stays."""
    before = document_of(start)

    def between(one: float, other: float) -> float:
        return one + part * (other - one)

    return {
        **document,
        "provenance": {**document["provenance"], "part": f"{part:g} of the way"},
        "shares": {name: between(before["shares"][name], share) for name, share in document["shares"].items()},
        "fields": {
            name: {
                who: {level: between(before["fields"][name][who][level], chance) for level, chance in chances.items()}
                for who, chances in everybody.items()
            }
            for name, everybody in document["fields"].items()
        },
    }


def calibrate(observations: Iterable[Observation], weights: Weights) -> tuple[tuple[float, float], ...]:
    """Pairs of bits for ``[calibration]``: what the share of the first candidate claims, and what it was worth.

    Isotonic, from observations whose truth is known. Each step claims no more than if one more link had been wrong
    than was seen, and beyond the last one the claim rises no further. Claims are taken back, never raised: who is
    right more often than claimed depends on how many rivals there are, which one share does not say. Empty where
    nothing is known.
    """
    points = sorted(
        (_first_bits(one, weights), one.stands_for if one.meant and 0 in one.meant else 0.0, one.stands_for)
        for one in observations
        if one.meant is not None and one.seen
    )
    steps: list[_Step] = []
    for bits, right, whole in points:
        _add(steps, _Step(bits, bits, right, whole), _Step.share)
    careful: list[_Step] = []
    for step in steps:
        _add(careful, step, _Step.careful)
    pairs: list[tuple[float, float]] = []
    for step in careful:
        share = step.careful()
        worth = math.log2(share / (1 - share))
        for bits in (round(step.low, 3), round(step.high, 3)):
            pair = (bits, round(min(bits, worth), 3))
            if len(pairs) == 1 and pairs[0][0] == pairs[0][1] and pair[0] == pair[1]:
                pairs = []  # below the first pair a claim stands as it is
            if not pairs or bits > pairs[-1][0]:
                pairs.append(pair)
    if pairs:
        pairs.append((pairs[-1][0] + 1000.0, pairs[-1][1]))
    return tuple(pairs)


class _Step(NamedTuple):
    """Bookings whose first candidate has ``low`` to ``high`` bits: how many, and for how many that one was right."""

    low: float
    high: float
    right: float
    whole: float

    def share(self) -> float:
        """The share that was right."""
        return self.right / self.whole

    def careful(self) -> float:
        """The same as if one more had been wrong than was seen; never nothing at all."""
        return (self.right + 0.25) / (self.whole + 1.25)


def _add(steps: list[_Step], step: _Step, worth: Callable[[_Step], float]) -> None:
    """Adds the next step, and pools it with those before that are worth no less."""
    while steps and (steps[-1].high == step.low or worth(steps[-1]) >= worth(step)):
        last = steps.pop()
        step = _Step(last.low, step.high, last.right + step.right, last.whole + step.whole)
    steps.append(step)


def _first_bits(one: Observation, weights: Weights) -> float:
    """What the first candidate's share claims before calibration: the same person's other record counts with it."""
    own, rest = 0.0, 1.0
    for place, (odds, seen) in enumerate(zip(one.odds(weights), one.seen, strict=True)):
        if place == 0 or seen.relation == TWIN:
            own += odds.linking + seen.partner
        else:
            rest += odds.linking + seen.partner
    return math.log2(max(own, 1e-300) / rest)


def _prepared(one: Observation, start: Weights) -> _Seen:
    """Each story's odds by itself: as if all, or none, who book were somebody else of the household."""
    alone = replace(start, shares={**start.shares, "household": 0.0})
    others = replace(start, shares={**start.shares, "household": 1.0})
    return _Seen(
        levels=tuple(
            tuple(
                (name, level)
                for name, level in zip(LEVELS, seen.levels, strict=True)
                if level not in (MISSING, COMMON)
            )
            for seen in one.seen
        ),
        own=tuple(each.linking for each in one.odds(alone)),
        household=tuple(each.linking + each.hinting for each in one.odds(others)),
        partner=tuple(seen.partner for seen in one.seen),
        meant=one.meant,
        counts_known=one.claims_existing is None,
        stands_for=one.stands_for,
    )


def _count(
    seen: Sequence[_Seen], start: Weights, before: Chances, chances: Chances, known: float, household: float
) -> _Counts:
    """Who was meant, by the weights so far, and which levels that one had."""
    counts = _Counts({who: {name: dict.fromkeys(levels, 0.0) for name, levels in LEVELS.items()} for who in FOR})
    change = {
        who: {
            (name, level): chances[who][name][level] / before[who][name][level]
            for name in LEVELS
            for level in LEVELS[name]
            if before[who][name][level] > 0
        }
        for who in FOR
    }
    prior = known / (1 - known) / (start.shares["known"] / (1 - start.shares["known"]))
    for one in seen:
        scale = prior if one.counts_known else 1.0
        mass = []
        for levels, own, others, partner in zip(one.levels, one.own, one.household, one.partner, strict=True):
            for each in levels:
                own *= change["self"].get(each, 1.0)  # noqa: PLW2901 - the candidate's odds under way
                others *= change["household"].get(each, 1.0)  # noqa: PLW2901
            mass.append((own * scale * (1 - household), others * scale * household, partner))
        _share_out(counts, one, mass)
    return counts


def _share_out(counts: _Counts, one: _Seen, mass: Sequence[tuple[float, float, float]]) -> None:
    """Adds one booking to the counts, each candidate by its part of the odds."""
    places = range(len(mass)) if one.meant is None else [place for place in one.meant if 0 <= place < len(mass)]
    whole = sum(sum(mass[place]) for place in places)
    if one.meant is None:
        whole += 1.0
        is_known = 1 - 1 / whole
    else:
        is_known = float(bool(one.meant))
    if one.counts_known:
        counts.bookings += one.stands_for
        counts.known += one.stands_for * is_known
    if not whole:
        return
    for place in places:
        for who, odds in zip(FOR, mass[place], strict=False):
            part = one.stands_for * odds / whole
            counts.stories[who] += part
            for name, level in one.levels[place]:
                counts.levels[who][name][level] += part


def _estimated(before: Chances, counts: _Counts) -> Chances:
    """The chances by what was counted and what was there before. What frequencies say stays out of it."""
    made: Chances = {}
    for who in FOR:
        made[who] = {}
        for name, levels in LEVELS.items():
            own = [level for level in levels if before[who][name][level] > 0]
            whole = sum(counts.levels[who][name][level] for level in own) + START_COUNTS
            start = before[who][name]
            counted = {level: counts.levels[who][name][level] + START_COUNTS * start[level] for level in own}
            found = {level: max(_LEAST, count / whole) for level, count in counted.items()}
            total = sum(found.values())
            made[who][name] = {level: found.get(level, 0.0) / total for level in levels}
    return made


def _share(before: float, count: float, whole: float) -> float:
    low, high = _SHARES
    return min(high, max(low, (count + START_COUNTS * before) / (whole + START_COUNTS)))


def _settle(document: dict[str, Any], name: str, chances: Chances) -> None:
    """Puts the chances of one field into the document, in an order in which more agreement never speaks less."""
    fields = document["fields"][name]
    kept = {who: fields[who] for who in FOR}
    fields |= {who: _ordered(chances[who][name], fields, who, LEVELS[name]) for who in FOR}
    try:
        read_weights(document, "trained weights")
    except ConfigError:
        fields |= kept


def _ordered(
    own: Mapping[str, float], fields: Mapping[str, Mapping[str, float]], who: str, levels: Sequence[str]
) -> dict[str, float]:
    """The chances nearest to ``own`` whose ratios to those of strangers and the like never rise from level to level.

    Neighbours that break the order share their sum in the proportion that just keeps it.
    """
    others = [fields[other] for other in AGAINST if (who, other) not in _FREE]
    most: dict[str, float] = {}
    runs: list[list[list[str]]] = []

    def worth(group: list[str]) -> float:
        return sum(own[level] for level in group) / sum(most[level] for level in group)

    for more, level in zip((None, *levels), levels, strict=False):
        steps = [other[level] / other[more] for other in others if more and own[more] > 0 and other[more] > 0]
        if more is None or not steps:  # how often the level above is met by chance is what the clinic's names say
            runs.append([])
            most[level] = 1.0
        else:
            most[level] = most[more] * min(steps)
        groups = runs[-1]
        groups.append([level])
        while len(groups) > 1 and worth(groups[-1]) > worth(groups[-2]):
            last = groups.pop()
            groups[-1] += last
    return {level: _short(most[level] * worth(group)) for groups in runs for group in groups for level in group}


def _short(chance: float) -> float:
    """Digits enough that the order of levels survives."""
    return float(f"{chance:.9g}")


def _chances(weights: Weights) -> Chances:
    return {
        who: {
            name: {level: chances[place] for level, chances in levels.items()}
            for name, levels in weights.chances.items()
        }
        for place, who in enumerate(FOR)
    }
