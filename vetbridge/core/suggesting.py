"""Which code of one side may be which of the other, by what people call them: a draft for a person to finish.

Only names that mean the same are sure: equal ones, or ones that the table of synonyms (``synonyms.toml``) takes for
one. What is only alike is likely, and a person decides; so is whatever two codes could claim.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType

from rapidfuzz import fuzz

from vetbridge.core import normalise

LIKELY_FROM = 74.0
"""Names that resemble each other less, from 0 to 100, are names of two things."""
NEAR = 6.0
"""Two candidates whose resemblance differs by less are as likely as each other."""
PART = 0.85
"""What the resemblance counts where one name is a part of the other: ``Dental`` and ``Dental surgery``."""

BREED = "breed"
"""The list whose names may be those of a cross."""
_CROSSED = "crossbreed"
_SAME = 150.0
"""How much names resemble each other that mean the same: above all that is only alike."""
_ANOTHER = "another one there is called much the same"
_NUMBERS = re.compile(r"\d+")
_CROSS_WORDS = frozenset(
    {"x", "mix", "mixed", "cross", "crossbreed", "crossbred", "mischling", "kruising", "mestizo"}
)
_CROSS_WORDS |= {"mestiza", "cruce", "mieszaniec", "mixes", "kreuzung", "mischlinge"}
_CROSS_ENDINGS = ("mischling", "mix", "kruising")
_NEGATIONS = frozenset(
    {"not", "no", "non", "without", "nicht", "kein", "keine", "ohne", "niet", "geen", "sin", "nie", "bez"}
)
_SHORTEST_CROSSED = 3
"""Letters that stand before such an ending: of ``Labradormix``, and not of ``remix``."""


class Sureness(StrEnum):
    """How sure a suggestion is."""

    SURE = "sure"
    LIKELY = "likely"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What a code may be at the other side; ``counterpart`` is None where nothing there resembles it."""

    counterpart: str | None
    sureness: Sureness
    why: str


@dataclass(frozen=True, slots=True)
class _Meaning:
    """A name for comparing: as it stands, what it means, every way to spell that, its numbers."""

    folded: str
    means: str
    crossed: bool
    spellings: tuple[str, ...]
    numbers: tuple[str, ...]


def suggest(
    list_name: str, titles: Mapping[str, str], among: Mapping[str, str], *, one_to_one: bool = True
) -> dict[str, Suggestion]:
    """For each code of ``titles`` its likeliest counterpart in ``among``; both are titles by code of one code list.

    ``one_to_one``: no two codes are one thing at the other side, as vets are not; what two claim is not sure. Without
    it several may be, as ``Hund`` and ``dog`` are. The order of the codes does not matter.
    """
    there = {code: _meaning(list_name, title) for code, title in sorted(among.items())}
    found = {code: _best(_meaning(list_name, title), there) for code, title in titles.items()}
    if not one_to_one:
        return found
    claims = Counter(each.counterpart for each in found.values() if each.sureness is Sureness.SURE)
    return {
        code: replace(each, sureness=Sureness.LIKELY, why="another code here is called the same")
        if each.sureness is Sureness.SURE and claims[each.counterpart] > 1
        else each
        for code, each in found.items()
    }


def common_words(list_name: str) -> tuple[str, ...]:
    """VetBridge's words for what most clinics have in a list whose words are not the clinic's own: species, sexes."""
    return tuple(group.replace(" ", "_") for group in _groups().get(list_name, ()))


def _best(here: _Meaning, there: Mapping[str, _Meaning]) -> Suggestion:
    if not here.folded:
        return Suggestion(counterpart=None, sureness=Sureness.NONE, why="it has no name")
    if equal := [code for code, other in there.items() if other.folded == here.folded]:
        if len(equal) > 1:
            return Suggestion(counterpart=equal[0], sureness=Sureness.LIKELY, why=_ANOTHER)
        return Suggestion(counterpart=equal[0], sureness=Sureness.SURE, why="the same name")
    # The code settles what is equal otherwise, so that the order does not.
    ranked = sorted(
        ((_resemblance(here, other), code) for code, other in there.items()), key=lambda it: (-it[0], it[1])
    )
    if not ranked or ranked[0][0] < LIKELY_FROM:
        return Suggestion(counterpart=None, sureness=Sureness.NONE, why="nothing there is called so")
    (most, code), second = ranked[0], ranked[1][0] if len(ranked) > 1 else 0.0
    if most == second or min(most, 100.0) - second < NEAR:
        return Suggestion(counterpart=code, sureness=Sureness.LIKELY, why=_ANOTHER)
    if most == _SAME:
        return Suggestion(counterpart=code, sureness=Sureness.SURE, why=f"both mean {_told(there[code])}")
    return Suggestion(counterpart=code, sureness=Sureness.LIKELY, why=f"the names are {most:.0f} % alike")


def _resemblance(here: _Meaning, there: _Meaning) -> float:
    """From 0 to 100 by the letters; above where the names mean the same."""
    if not there.folded or here.numbers != there.numbers or here.crossed != there.crossed:
        # Room 1 is not room 2, whatever their names share; and a cross is not the breed.
        return 0.0
    if here.means == there.means:
        return _SAME
    alike = max(_alike(here.means, spelling) for spelling in there.spellings)
    if alike >= LIKELY_FROM and (_denies(here.folded, there.folded) or _denies(there.folded, here.folded)):
        return 0.0
    return alike


def _denies(one: str, other: str) -> bool:
    """Whether a name is the opposite of another: ``unconfirmed`` of ``confirmed``, ``not urgent`` of ``urgent``."""
    words, others = set(one.split()), set(other.split())
    return bool(words & _NEGATIONS - others) or any(f"un{word}" in words for word in others - words)


def _alike(one: str, other: str) -> float:
    # What is too little to be near anything likely counts as nothing: a list may have thousands of codes.
    least = LIKELY_FROM - NEAR
    as_part = PART * fuzz.token_set_ratio(one, other, score_cutoff=least / PART)
    return max(fuzz.ratio(one, other, score_cutoff=least), as_part)


def _meaning(list_name: str, title: str) -> _Meaning:
    folded = _sorted_words(normalise.name(title))
    rest, crossed = _without_cross(folded) if list_name == BREED else (folded, False)
    table = _synonyms().get(list_name, MappingProxyType({}))
    means = table.get(rest, rest)
    spellings = {rest, *(spelling for spelling, key in table.items() if key == means)}
    return _Meaning(folded, means, crossed, tuple(sorted(spellings)), tuple(sorted(_NUMBERS.findall(folded))))


def _told(meaning: _Meaning) -> str:
    return f"a cross of {meaning.means}" if meaning.crossed and meaning.means != _CROSSED else meaning.means


def _without_cross(folded: str) -> tuple[str, bool]:
    """A breed's name without the words that say it is a cross, and whether there were any."""
    if _synonyms()[BREED].get(folded) == _CROSSED:
        return _CROSSED, True
    kept = []
    crossed = False
    for word in folded.split():
        ending = next((end for end in _CROSS_ENDINGS if word.endswith(end)), "")
        if word in _CROSS_WORDS:
            crossed = True
        elif ending and len(word) - len(ending) >= _SHORTEST_CROSSED:
            crossed = True
            kept.append(word.removesuffix(ending))
        else:
            kept.append(word)
    # A cross of nobody knows what is one, too.
    return _sorted_words(" ".join(kept)) or (_CROSSED if crossed else folded), crossed


def _sorted_words(text: str) -> str:
    return " ".join(sorted(text.split()))


@cache
def _synonyms() -> Mapping[str, Mapping[str, str]]:
    """By code list: what each spelling means. Both are folded and in the order of the alphabet."""
    return MappingProxyType({name: MappingProxyType(dict(_spellings(groups))) for name, groups in _groups().items()})


@cache
def _groups() -> Mapping[str, Mapping[str, list[str]]]:
    """The table as it is shipped."""
    text = resources.files(__package__).joinpath("synonyms.toml").read_text(encoding="utf-8")
    return MappingProxyType(tomllib.loads(text))


def _spellings(groups: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    for key, others in groups.items():
        means = _sorted_words(normalise.name(key))
        for spelling in (key, *others):
            yield _sorted_words(normalise.name(spelling)), means
