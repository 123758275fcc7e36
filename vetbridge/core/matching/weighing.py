"""What the levels of one candidate are worth together: its odds against a stranger, and each field's share in bits.

For every candidate five stories are told side by side: the booker is the person on the record; somebody else of that
household; any stranger; a relative of the household who is not on it; a look-alike. Each story says how likely the
levels are that were seen. The odds are the first two against the last three, so that a phone that agrees where the
given name does not speaks for a partner (or a number passed on), not half for and half against the person.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from vetbridge.core.matching.comparing import COMMON, DIFFERS, EXACT, LEVELS, MISSING, Compared
from vetbridge.core.matching.forms import Forms
from vetbridge.core.matching.weights import Weights

FIELDS: tuple[str, ...] = tuple(LEVELS)
CONTACTS = ("phone", "email", "address")
_SAYS_NOTHING = frozenset({MISSING, COMMON})

_TYPICAL = {"family_name": 0.002, "given_name": 0.01, "pet_name": 0.008}
"""How often a name is met that is on record once: what a small clinic's own counts cannot say."""
_TYPICAL_WEIGHT = 500
_FEWEST = 50
"""Of fewer owners than this, chance agreements are counted as if there were so many."""


class Clinic(NamedTuple):
    """What is known of a clinic as a whole: its size, and on how many records each of a booking's terms stands."""

    owners: int
    counts: Mapping[str, int]


class Chances(NamedTuple):
    """How often a stranger agrees exactly, by field."""

    phone: float
    email: float
    address: float
    family_name: float
    given_name: float
    pet_name: float


_BY_CHANCE = frozenset(Chances._fields)
_Story = tuple[float, float, float, float, bool]
"""How much likelier the levels so far are than for any stranger, where the booker is the person, of the household,
kin, or a look-alike; and whether a contact or the address agrees."""


class Odds(NamedTuple):
    """A candidate's odds against nobody being meant.

    ``linking`` may link. ``hinting`` (somebody of the household who agrees in no contact) only speaks against making
    a new client.
    """

    linking: float
    hinting: float


def terms(of: Forms) -> tuple[str, ...]:
    """The names of a client or a booking whose frequency in the clinic matters, each once."""
    found: dict[str, None] = {}
    for person in of.everybody:
        if person.family:
            found[f"family:{person.family}"] = None
        if person.given:
            found[f"given:{person.given.partition(' ')[0]}"] = None
    found.update(dict.fromkeys(f"pet:{animal.name}" for animal in of.animals if animal.name))
    return tuple(found)


def chances(booking: Forms, clinic: Clinic, weights: Weights) -> Chances:
    """How often a stranger's record agrees exactly with this booking, by field."""
    owners = max(clinic.owners, _FEWEST)
    shares = weights.shares
    return Chances(
        phone=shares["recycled_phone"] / owners,
        email=shares["recycled_email"] / owners,
        address=shares["same_address"] / owners,
        family_name=_frequency("family_name", (f"family:{one.family}" for one in booking.people), clinic),
        given_name=_frequency(
            "given_name", (f"given:{one.given.partition(' ')[0]}" for one in booking.people), clinic
        ),
        pet_name=_frequency("pet_name", (f"pet:{one.name}" for one in booking.animals), clinic),
    )


def prior(clinic: Clinic, weights: Weights, *, claims_existing: bool | None) -> float:
    """The odds that one record is meant before anything is compared, by what the booker says of having been here."""
    names = {None: "known", True: "known_who_says_so", False: "known_who_denies"}
    known = weights.shares[names[claims_existing]]
    return known / (1 - known) / max(clinic.owners, 1)


def prior_of(usual: float, weights: Weights, *, active: bool, certain: float | None) -> float:
    """The odds of one record before anything is compared: ``usual``, or, where it is known beforehand who is meant,
    what that is worth. ``certain`` is how sure that is, None where nobody knows."""
    odds_before = usual if certain is None else max(usual, certain / (1 - certain))
    inactive = weights.shares["inactive"]
    return odds_before * (1 - inactive if active else inactive)


def odds(levels: Compared, by_chance: Chances, pets: int, before: float, clinic: Clinic, weights: Weights) -> Odds:
    """The odds of one candidate. ``pets``: how many it has, each a chance to agree; ``before``: the prior odds."""
    *_, story = _stories(levels, by_chance, pets, weights)
    return _odds(story, before, clinic, weights)


def steps(
    levels: Compared, by_chance: Chances, pets: int, before: float, clinic: Clinic, weights: Weights
) -> Iterator[tuple[str, float]]:
    """Each field with the bits it adds to those before it; first ``prior``. Their sum is the log2 of the odds."""
    last, told = 0.0, None
    for field, story in zip(("prior", *FIELDS), _stories(levels, by_chance, pets, weights), strict=True):
        if story is told:  # it says nothing new
            yield field, 0.0
            continue
        now = math.log2(_odds(story, before, clinic, weights).linking)
        yield field, now - last
        last, told = now, story


def _stories(levels: Compared, by_chance: Chances, pets: int, weights: Weights) -> Iterator[_Story]:
    """The stories before anything was compared, then with each field more."""
    in_self = in_household = in_relative = in_lookalike = 1.0
    touched = False
    story = (in_self, in_household, in_relative, in_lookalike, touched)
    yield story
    for field, level in zip(FIELDS, levels[:10], strict=True):
        if level not in _SAYS_NOTHING:
            own, household, stranger, relative, lookalike = weights.chances[field][level]
            if level == DIFFERS or field not in _BY_CHANCE:
                pass
            elif level == EXACT:
                stranger = _by_name(field, by_chance, pets)
                household, relative = max(household, stranger), max(relative, stranger)
                touched = touched or field in CONTACTS
            else:
                # Who has the same name by chance may have misspelt it, too.
                own_exact, *exact = weights.chances[field][EXACT]
                by_name = _by_name(field, by_chance, pets)
                slip = own / own_exact
                stranger += by_name * slip
                household += max(by_name - exact[0], 0.0) * slip
                relative += max(by_name - exact[2], 0.0) * slip
            in_self = in_self * own / stranger
            in_household = in_household * household / stranger
            in_relative = in_relative * relative / stranger
            in_lookalike = in_lookalike * lookalike / stranger
            story = (in_self, in_household, in_relative, in_lookalike, touched)
        yield story


def _by_name(field: str, by_chance: Chances, pets: int) -> float:
    """How often a stranger agrees exactly; each of several pets is a chance."""
    chance: float = getattr(by_chance, field)
    return min(0.5, chance * max(pets, 1)) if field == "pet_name" else chance


def _odds(story: _Story, before: float, clinic: Clinic, weights: Weights) -> Odds:
    in_self, in_household, in_relative, in_lookalike, touched = story
    shares, owners = weights.shares, max(clinic.owners, 1)
    relative = shares["relative"] / owners * in_relative
    lookalike = shares["lookalike"] / owners * in_lookalike
    own = before * (1 - shares["household"]) * in_self / (1 + relative + lookalike)
    household = before * shares["household"] * in_household / (1 + relative)
    return Odds(own + household, 0.0) if touched else Odds(own, household)


def _frequency(field: str, names: Iterable[str], clinic: Clinic) -> float:
    """How often the most frequent of the names is met; one record of it is the candidate's own."""
    count = max((clinic.counts.get(name, 0) for name in names), default=0)
    return (max(count - 1, 0) + _TYPICAL_WEIGHT * _TYPICAL[field]) / (clinic.owners + _TYPICAL_WEIGHT)
