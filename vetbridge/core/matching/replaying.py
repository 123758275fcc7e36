"""What other weights would have decided, and whether they may take the place of those at work.

A decision is made again from its observation. What does not depend on weights (a deceased pet, an inactive client)
stays forbidden. Where other weights put another candidate first, nothing of the kind is known, so that one counts as
linked as soon as it is certain enough: a mistake is rather seen than missed.
"""

from __future__ import annotations

import functools
import gzip
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

from vetbridge.core.matching import deciding
from vetbridge.core.matching.answer import Verdict
from vetbridge.core.matching.observing import HOME, TWIN, Observation
from vetbridge.core.matching.weights import Weights

BOUND = 1e-4
"""Links to wrong clients, at the most, of all bookings."""
LOST = 0.01
"""By so large a part there may be fewer right links, or more questions, by other weights."""

_RIVALRY = frozenset({"contact-shared", "contacts-point-apart", "other-fits-better"})
"""Vetoes that depend on the weights."""
_BY_PERSON = frozenset({"contacts-contradict"})
"""What does not forbid a link that a person has said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How decisions of known truth came out. ``right``, ``wrong``: links; ``bookings``: how many they stand for."""

    bookings: float = 0.0
    right: float = 0.0
    wrong: int = 0
    duplicates: float = 0.0
    reviews: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            bookings=self.bookings + other.bookings,
            right=self.right + other.right,
            wrong=self.wrong + other.wrong,
            duplicates=self.duplicates + other.duplicates,
            reviews=self.reviews + other.reviews,
        )


@functools.cache
def shipped_replay() -> tuple[Observation, ...]:
    """The frozen set that comes with VetBridge: decisions about made-up clinics, whose truth is known."""
    packed = resources.files(__package__).joinpath("replay.json.gz").read_bytes()
    found = (Observation.unpacked(plain) for plain in json.loads(gzip.decompress(packed))["observations"])
    return tuple(one for one in found if one is not None)


def replay(observations: Iterable[Observation], weights: Weights) -> Tally:
    """How these weights decide about what was observed; what nobody has said the truth of does not count."""
    bookings = right = duplicates = reviews = 0.0
    wrong = 0
    for one in observations:
        if one.meant is None:
            continue
        verdict, place = decided(one, weights)
        bookings += one.stands_for
        if verdict is Verdict.REVIEW:
            reviews += one.stands_for
        elif verdict is Verdict.NEW:
            duplicates += one.stands_for if one.meant else 0.0
        elif place in one.meant:
            right += one.stands_for
        else:
            wrong += 1
    return Tally(bookings=bookings, right=right, wrong=wrong, duplicates=duplicates, reviews=reviews)


def objection(before: Sequence[Tally], after: Sequence[Tally]) -> str:
    """Why weights may not go live that decide ``after`` where those at work decide ``before``; empty: they may.

    Each is a tally for each set that was replayed: wrong links are counted in each by itself.
    """
    for old, new in zip(before, after, strict=True):
        if new.wrong > old.wrong:
            return f"{new.wrong} links to wrong clients where there are {old.wrong} now"
    whole, now = sum(after, Tally()), sum(before, Tally())
    if whole.wrong > now.wrong + BOUND * whole.bookings:
        return f"{whole.wrong} links to wrong clients of {whole.bookings:.0f} bookings are too many"
    if whole.right < now.right * (1 - LOST):
        return f"{whole.right:.0f} right links where there are {now.right:.0f} now"
    if whole.reviews > now.reviews * (1 + LOST) + 1:
        return f"{whole.reviews:.0f} questions where there are {now.reviews:.0f} now"
    return ""


def decided(one: Observation, weights: Weights) -> tuple[Verdict, int | None]:
    """What these weights decide, and on which candidate (its place) a link would go."""
    odds = one.odds(weights)
    linking = [each.linking + seen.partner for each, seen in zip(odds, one.seen, strict=True)]
    mass = 1.0 + sum(linking)
    usual = one.usual(weights) * one.owners * weights.shares["unfound"]
    nobody = 1.0 / (mass + sum(each.hinting for each in odds) + usual)
    chosen = max(range(len(linking)), key=lambda place: (linking[place], -place), default=None)
    if chosen is not None and _risk(one, chosen, linking, mass, weights) < 1:
        return (Verdict.REVIEW, None) if _forbidden(one, chosen, linking, weights) else (Verdict.LINKED, chosen)
    if (1 - nobody) * weights.decide["duplicate"] < 1 and one.may_be_new:
        return Verdict.NEW, None
    return Verdict.REVIEW, None


def _risk(one: Observation, chosen: int, linking: Sequence[float], mass: float, weights: Weights) -> float:
    """What a link is expected to cost, as ``deciding`` counts it."""
    at_home = away = 0.0
    for place, seen in enumerate(one.seen):
        relation = _relation(one, chosen, place)
        if place == chosen or relation == TWIN:
            continue
        at_home += seen.partner
        if relation == HOME:
            at_home += linking[place] - seen.partner
        else:
            away += linking[place] - seen.partner
    return deciding.cost_of(1 + away, at_home, mass, weights)


def _forbidden(one: Observation, chosen: int, linking: Sequence[float], weights: Weights) -> bool:
    vetoes = frozenset(one.vetoes) - _RIVALRY if chosen == 0 else frozenset()
    if one.seen[chosen].sure:
        vetoes -= _BY_PERSON
    if vetoes:
        return True
    for place, odds in enumerate(linking):
        margin = weights.decide["margin_twice" if _relation(one, chosen, place) == TWIN else "margin"]
        if place != chosen and linking[chosen] < odds * math.exp2(margin):
            return True
    return False


def _relation(one: Observation, chosen: int, place: int) -> str:
    """How two candidates are related; known of the first one alone."""
    if chosen == 0:
        return one.seen[place].relation
    return one.seen[chosen].relation if place == 0 else ""
