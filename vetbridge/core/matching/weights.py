"""What agreement is worth: the weights as data, read and checked.

A weight is not a number of bits but what makes one: how often a level is seen when the booker is the person on the
record, somebody else of the household, a relative, a look-alike or any stranger. People can read and question that.
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from vetbridge.core.errors import ConfigError
from vetbridge.core.matching.comparing import DIFFERS, EXACT, LEVELS

SCHEMA = 1
FOR = ("self", "household")
"""Who the booker may be, where the record is the right one."""
AGAINST = ("relative", "lookalike", "stranger")
"""Who the booker may be, where it is not."""
BY_FREQUENCY = ("phone", "email", "address", "family_name", "given_name", "pet_name")
"""Fields whose exact agreement by chance is as frequent as the clinic's own records say."""

_SHARES = (
    "known",
    "known_who_says_so",
    "known_who_denies",
    "household",
    "partner_on_record",
    "partner_elsewhere",
    "inactive",
    "unfound",
    "relative",
    "lookalike",
    "recycled_phone",
    "recycled_email",
    "same_address",
)
_COSTS = ("false_link", "household_link", "duplicate", "margin", "margin_twice")
_SLACK = 1.000001


@dataclass(frozen=True)
class Weights:
    """A checked set of weights.

    ``shares`` and ``decide`` are the numbers of the file. ``chances`` holds for each field and level the chances of
    (self, household, stranger, relative, lookalike). ``calibration`` are pairs (bits, bits): what the sum of the
    evidence turned out to be worth on known truth; empty: the sum itself.
    """

    provenance: Mapping[str, str]
    shares: Mapping[str, float]
    chances: Mapping[str, Mapping[str, tuple[float, float, float, float, float]]]
    decide: Mapping[str, float]
    calibration: tuple[tuple[float, float], ...]


@functools.cache
def shipped() -> Weights:
    """The weights that come with VetBridge."""
    text = resources.files(__package__).joinpath("weights.toml").read_text(encoding="utf-8")
    return read_weights(tomllib.loads(text), "the shipped weights")


def read_weights(document: Any, source: str) -> Weights:
    """The weights of a document such as ``weights.toml``.

    Raises ``ConfigError`` that names ``source`` and the place: a number that is no chance, a field or level that is
    missing, or one where more agreement would speak less for a match.
    """
    given = _mapping(document, source)
    if given.get("schema") != SCHEMA:
        raise _wrong(source, f"schema {given.get('schema')!r} is not {SCHEMA}")
    shares = _numbers(_mapping(given.get("shares"), f"{source}: shares"), _SHARES, f"{source}: shares", below=1.0)
    if nothing := [name for name, share in shares.items() if not share]:
        raise _wrong(f"{source}: shares", f"{', '.join(nothing)} must be more than 0")
    decide = _numbers(_mapping(given.get("decide"), f"{source}: decide"), _COSTS, f"{source}: decide", below=1e9)
    fields = _mapping(given.get("fields"), f"{source}: fields")
    chances = {name: _field(fields.get(name), name, f"{source}: fields.{name}") for name in LEVELS}
    return Weights(
        provenance={str(key): str(value) for key, value in _mapping(given.get("provenance"), source).items()},
        shares=MappingProxyType(shares),
        chances=MappingProxyType(chances),
        decide=MappingProxyType(decide),
        calibration=_calibration(
            _mapping(given.get("calibration", {}), f"{source}: calibration").get("bits", []), source
        ),
    )


def _field(given: Any, name: str, place: str) -> Mapping[str, tuple[float, float, float, float, float]]:
    who = {one: _mapping(_mapping(given, place).get(one), f"{place}.{one}") for one in (*FOR, *AGAINST)}
    levels = LEVELS[name]
    found = {one: _complete(who[one], levels, f"{place}.{one}") for one in who}
    never = [level for level in levels if not found["self"][level]]
    if never:
        raise _wrong(f"{place}.self", f"{', '.join(never)} must be more than 0")
    _require_order(found, levels, place)
    return MappingProxyType(
        {
            level: (
                found["self"][level],
                found["household"][level],
                found["stranger"][level],
                found["relative"][level],
                found["lookalike"][level],
            )
            for level in levels
        }
    )


def _complete(given: Mapping[str, Any], levels: Sequence[str], place: str) -> dict[str, float]:
    """The chances of all levels: ``differs`` is what the others leave, ``exact`` is zero where frequencies say it."""
    known = _numbers(given, [level for level in levels if level in given], place, below=1.0)
    found = {EXACT: 0.0, **known}
    found.setdefault(DIFFERS, 1.0 - sum(found.values()))
    missing = [level for level in levels if level not in found]
    if missing or found[DIFFERS] <= 0 or abs(sum(found.values()) - 1) > 0.001:
        raise _wrong(place, f"chances of {', '.join(levels)} are needed, and their sum must be 1")
    return found


def _require_order(found: Mapping[str, Mapping[str, float]], levels: Sequence[str], place: str) -> None:
    """More agreement must never speak less for a match, whoever is compared with whom.

    A look-alike is weighed against the person alone: whoever books for a household resembles nobody on its record.
    """
    for mine in FOR:
        for other in AGAINST:
            if (mine, other) == ("household", "lookalike"):
                continue
            ratios = [
                (level, found[mine][level] / found[other][level])
                for level in levels
                if found[other][level] > 0 and (level != EXACT or found[mine][EXACT] > 0)
            ]
            for (more, of_more), (less, of_less) in pairwise(ratios):
                if of_more * _SLACK < of_less:
                    raise _wrong(place, f"{mine} against {other}: {more} would speak less for a match than {less}")


def _calibration(given: Any, source: str) -> tuple[tuple[float, float], ...]:
    try:
        pairs = tuple((float(one), float(other)) for one, other in given)
    except (TypeError, ValueError):
        raise _wrong(source, "calibration must be pairs of bits") from None
    if not all(math.isfinite(bits) for pair in pairs for bits in pair):
        raise _wrong(source, "calibration must be finite")
    if any(here >= there or mine > yours for (here, mine), (there, yours) in pairwise(pairs)):
        raise _wrong(source, "calibration must rise")
    return pairs


def _numbers(given: Mapping[str, Any], names: Sequence[str], place: str, *, below: float) -> dict[str, float]:
    found = {}
    for name in names:
        value = given.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < below:
            raise _wrong(place, f"{name} must be a number from 0 to {below:g}")
        if not math.isfinite(value):
            raise _wrong(place, f"{name} must be a finite number")
        found[name] = float(value)
    return found


def _mapping(given: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise _wrong(place, "a mapping is needed here")
    return given


def _wrong(place: str, words: str) -> ConfigError:
    return ConfigError(f"{place}: {words}", code="weights")
