"""How a booking's forms agree with those of a client, field by field, in levels.

Levels of a field are ordered: each says more agreement than the next. Nothing is weighed here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import date
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

from rapidfuzz.distance import OSA, JaroWinkler

from vetbridge.core.matching import words
from vetbridge.core.matching.forms import Animal, Forms, Person, sound

MISSING = "missing"
"""One of the two sides does not say it. Neither speaks for nor against anything."""
COMMON = "common"
"""The contact stands on so many records that it says nothing: the clinic's own number, a shared office address."""
EXACT = "exact"
DIFFERS = "differs"

LEVELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "phone": (EXACT, "near", DIFFERS),
        "email": (EXACT, "local", "near", DIFFERS),
        "address": (EXACT, "near", "postcode", DIFFERS),
        "family_name": (EXACT, "part", "near", "alike", DIFFERS),
        "given_name": (EXACT, "short", "near", "initial", DIFFERS),
        "pet_name": (EXACT, "short", "near", "alike", DIFFERS),
        "species": (EXACT, DIFFERS),
        "breed": (EXACT, "alike", DIFFERS),
        "sex": (EXACT, DIFFERS),
        "birth_date": (EXACT, "near", DIFFERS),
    }
)
"""The levels of each field, the one of most agreement first; ``missing`` and ``common`` stand outside the order."""

MOST_HOLDERS = 5
"""A phone or an e-mail address that more clients share points to nobody."""

_REMEMBERED = 10_000
"""So many pairs of names are remembered with their level: the candidates of a booking share names."""
_GUESSED = 400
"""Days: birth dates are often made from an age in years."""
_NEAR_FAMILY = 0.93
_ALIKE = 0.75
_ENDINGS = ("chen", "lein", "ette", "ito", "ita", "iku", "ie", "li", "ek", "ka", "us", "y", "i", "a", "o", "s")


class Compared(NamedTuple):
    """The levels of one client beside a booking; ``animal`` is the pet that they speak of, None where none fits.

    ``several``: more than one of the client's pets fits the named one alike well.
    """

    phone: str
    email: str
    address: str
    family_name: str
    given_name: str
    pet_name: str
    species: str
    breed: str
    sex: str
    birth_date: str
    animal: Animal | None
    several: bool
    co_owner: str = ""
    """The client's co-owner whose name is the booker's, safe to show; empty where it is the client's own."""


def compare(booking: Forms, known: Forms, common: frozenset[str]) -> Compared:
    """The levels of ``known`` beside ``booking``. ``common`` are the contacts that point to nobody."""
    family, given, co_owner = _whose_names(booking.people, known)
    pet = _pet(booking.animals[0] if booking.animals else None, known.animals, known.client_id)
    return Compared(
        _phone(booking.phones, known.phones, common),
        _email(booking.emails, known.emails, common),
        _address(booking, known),
        family,
        given,
        *pet,
        co_owner,
    )


def pets_of(known: Forms, levels: Compared) -> int:
    """How many pets a client has that may agree with a booked one by chance: those of others, for which she may book,
    too, where it is one of them that agrees."""
    is_anothers = levels.animal is not None and known.client_id in levels.animal.may_book
    return len(known.animals if is_anothers else known.own.animals)


@functools.lru_cache(maxsize=_REMEMBERED)
def family_level(here: str, there: str) -> str:
    """How two folded family names agree."""
    if not here or not there:
        return MISSING
    if here == there:
        return EXACT
    one, other = here.replace(" ", ""), there.replace(" ", "")
    if one == other:
        return EXACT
    if " " in here or " " in there:
        ours, theirs = set(here.split()) - words.PARTICLES, set(there.split()) - words.PARTICLES
        if ours and theirs and (ours <= theirs or theirs <= ours):
            return "part"
    longest = max(len(one), len(other))
    if longest >= 4:
        distance = OSA.distance(one, other, score_cutoff=2)
        if distance == 1 or (distance == 2 and longest >= 8):
            return "near"
    similarity = JaroWinkler.similarity(one, other)
    if similarity >= _NEAR_FAMILY or (similarity >= _ALIKE and sound(one) == sound(other)):
        return "near"
    return "alike" if similarity >= 0.85 else DIFFERS


@functools.lru_cache(maxsize=_REMEMBERED)
def given_level(here: str, there: str) -> str:
    """How two folded given names agree; of several the first ones must."""
    if not here or not there:
        return MISSING
    if here == there or here.replace(" ", "") == there.replace(" ", ""):
        return EXACT
    one, other = here.partition(" ")[0], there.partition(" ")[0]
    if 1 in (len(one), len(other)):
        return "initial" if one[0] == other[0] else DIFFERS
    if one == other:
        return "short"  # "Anna" and "Anna Maria"
    if words.GIVEN_NAMES.get(one, _NONE) & words.GIVEN_NAMES.get(other, _NONE):
        return "short"
    distance = OSA.distance(one, other, score_cutoff=2)
    begins = min(len(one), len(other)) >= 3 and (one.startswith(other) or other.startswith(one))
    if (distance > 2 and not begins) or _are_two(one, other):
        return DIFFERS
    longest = max(len(one), len(other))
    if longest >= 4 and (distance == 1 or (distance == 2 and longest >= 7)):
        return "near" if longest >= 5 or sound(one) == sound(other) else DIFFERS
    if sound(one) == sound(other) and one[0] == other[0] and distance <= 2:
        return "near"
    return "short" if begins else DIFFERS


def _are_two(one: str, other: str) -> bool:
    """John and Joan, Marie and Mario, Paul and Paula are two people more often than one misspelt."""
    if {one + "a", other + "a"} & {one, other}:
        return True
    names = words.GIVEN_NAMES.get(one, _NONE), words.GIVEN_NAMES.get(other, _NONE)
    return (one in names[0] and other in names[1]) or (one[:-1] == other[:-1] and "o" in (one[-1], other[-1]))


@functools.lru_cache(maxsize=_REMEMBERED)
def pet_level(here: str, there: str) -> str:
    """How two folded names of a pet agree."""
    if not here or not there:
        return MISSING
    one, other = here.replace(" ", ""), there.replace(" ", "")
    if one == other:
        return EXACT
    if _is_short(here, there) or _is_short(there, here):
        return "short"
    longest = max(len(one), len(other))
    distance = OSA.distance(one, other, score_cutoff=2)
    if distance == 1 and longest >= 4:
        # Names that rhyme (Molly, Polly) are two siblings more often than one pet misspelt.
        return "near" if one[0] == other[0] and longest >= 5 else "alike"
    if one[0] != other[0]:
        return DIFFERS
    if distance == 2 and longest >= 6:
        return "near" if sound(one) == sound(other) else "alike"
    return "alike" if sound(one) == sound(other) else DIFFERS


_NONE: frozenset[str] = frozenset()


def _whose_names(here: Sequence[Person], known: Forms) -> tuple[str, str, str]:
    """The best pair of levels, and the co-owner who is named rather than the client."""
    family, given, best = _names(here, known.people)
    co_owner = ""
    for other in known.co_owners:
        others_family, others_given, rank = _names(here, other.people)
        if rank > best and others_family in _NAMED_BY_FAMILY and others_given in _NAMED_BY_GIVEN:
            family, given, best, co_owner = others_family, others_given, rank, other.shown
    return family, given, co_owner


_NAMED_BY_FAMILY = (EXACT, "part", "near")
_NAMED_BY_GIVEN = (EXACT, "short", "near", "initial")


def _names(here: Sequence[Person], there: Sequence[Person]) -> tuple[str, str, int]:
    """The best pair of levels among the people of both sides, and how good it is."""
    best, best_rank = (MISSING, MISSING), -1
    for one in here:
        for other in there:
            family, given = family_level(one.family, other.family), given_level(one.given, other.given)
            if family == DIFFERS and one.given and other.given and _is_swapped(one, other):
                family = given = "near"
            rank = _FAMILY_RANK[family] + _GIVEN_RANK[given]
            if rank > best_rank:
                best, best_rank = (family, given), rank
    return (*best, best_rank)


def _is_swapped(one: Person, other: Person) -> bool:
    """Whether somebody typed given and family name into each other's field."""
    return family_level(one.family, other.given) in _SURE and given_level(one.given, other.family) in _SURE


_SURE = (EXACT, "near")
_FAMILY_RANK = {EXACT: 10, "part": 8, "near": 7, "alike": 3, MISSING: 2, DIFFERS: 0}
_GIVEN_RANK = {EXACT: 8, "short": 6, "near": 5, "initial": 3, MISSING: 2, DIFFERS: 0}


def _phone(here: Sequence[str], there: Sequence[str], common: frozenset[str]) -> str:
    if not here or not there:
        return MISSING
    shared = [number for number in here if number in there]
    if shared:
        return EXACT if any(number not in common for number in shared) else COMMON
    if all(number in common for number in here):
        return COMMON
    near = any(OSA.distance(one, other, score_cutoff=1) == 1 for one in here for other in there)
    return "near" if near else DIFFERS


def _email(here: Sequence[str], there: Sequence[str], common: frozenset[str]) -> str:
    if not here or not there:
        return MISSING
    shared = [address for address in here if address in there]
    if shared:
        return EXACT if any(address not in common for address in shared) else COMMON
    best = DIFFERS
    for one in here:
        for other in there:
            mine, my_host = one.rsplit("@", 1)
            theirs, their_host = other.rsplit("@", 1)
            if mine == theirs and len(mine) >= 4:
                return "local"
            if my_host == their_host and OSA.distance(mine, theirs, score_cutoff=1) == 1 and len(mine) >= 5:
                best = "near"
    return best


def _address(here: Forms, there: Forms) -> str:
    if not (here.postcode or here.street) or not (there.postcode or there.street):
        return MISSING
    postcode = here.postcode == there.postcode if here.postcode and there.postcode else None
    house = here.house == there.house if here.house and there.house else None
    street = None
    if here.street and there.street:
        street = here.street == there.street or JaroWinkler.similarity(here.street, there.street) >= 0.9
    if house and street and postcode is not False:
        return EXACT if postcode or (here.city and here.city == there.city) else "near"
    if house and postcode and street is None:
        return EXACT
    if house and (street or postcode):
        return "near"
    return "postcode" if postcode or (street and house is None) else DIFFERS


def _pet(
    here: Animal | None, there: Sequence[Animal], client_id: str
) -> tuple[str, str, str, str, str, Animal | None, bool]:
    """The levels of the pet that fits best, that pet, and whether another fits alike well."""
    if here is None or not here.name:
        return _unnamed(here or _NO_ANIMAL, there, client_id)
    there = [one for one in there if client_id not in one.may_book or pet_level(here.name, one.name) in _AGREES]
    if not there:  # whoever has no pet yet comes with a new one
        return (DIFFERS, MISSING, MISSING, MISSING, MISSING, None, False)
    names = [pet_level(here.name, animal.name) for animal in there]
    best = min(names, key=_PET_RANK.__getitem__)
    if best == DIFFERS:
        return (DIFFERS, MISSING, MISSING, MISSING, MISSING, None, False)
    # The name decides first: only those that it fits best are looked at closer.
    fitting = [
        (*_fit(levels := _pet_levels(here, animal), animal), animal.id, levels, animal)
        for name, animal in zip(names, there, strict=True)
        if name == best
    ]
    first = max(fitting, key=itemgetter(0, 1, 2, 3))
    several = sum(one[:3] == first[:3] for one in fitting) > 1
    return (*first[4], first[5], several)


_AGREES = (EXACT, "short", "near", "alike")
"""Levels of a pet's name at which the pet of another, for which this client may book, too, says anything."""
_PET_RANK = {level: place for place, level in enumerate((*LEVELS["pet_name"], MISSING))}
_NO_ANIMAL = Animal("", "", "", "", "", "", 0, deceased=False, active=True)


def _unnamed(
    here: Animal, there: Sequence[Animal], client_id: str
) -> tuple[str, str, str, str, str, Animal | None, bool]:
    """Without a name the only living pet is meant, if what is said of it fits; the pet of another, for which this
    client may book, too, says by its name alone who books."""
    living = [animal for animal in there if animal.active and not animal.deceased]
    if len(living) != 1:
        return (MISSING, MISSING, MISSING, MISSING, MISSING, None, len(living) > 1)
    if client_id in living[0].may_book:
        return (MISSING, MISSING, MISSING, MISSING, MISSING, living[0], False)
    return (*_pet_levels(here, living[0]), living[0], False)


def _pet_levels(here: Animal, there: Animal) -> tuple[str, str, str, str, str]:
    return (
        pet_level(here.name, there.name),
        _species(here.species, there.species),
        breed_level(here.breed, there.breed),
        _same(here.sex, there.sex),
        _birth(here.born, there.born),
    )


def _species(here: str, there: str) -> str:
    """As ``_same``; of a word that names no species we know nobody can tell that it is another one."""
    level = _same(here, there)
    return MISSING if level == DIFFERS and not {here, there} <= _KNOWN_SPECIES else level


_KNOWN_SPECIES = frozenset(words.SPECIES.values())


def _fit(levels: tuple[str, str, str, str, str], animal: Animal) -> tuple[int, bool, int]:
    """How well one of several pets of like names fits: by what contradicts, whether it lives, and what agrees."""
    _, species, breed, sex, birth = levels
    return (
        -((species == DIFFERS) + (birth == DIFFERS)),
        animal.active and not animal.deceased,
        2 * (species == EXACT) + 2 * (breed == EXACT) + (sex == EXACT) + 3 * (birth == EXACT),
    )


def _same(here: str, there: str) -> str:
    if not here or not there:
        return MISSING
    return EXACT if here == there else DIFFERS


def breed_level(here: str, there: str) -> str:
    """How two breeds in comparable forms agree; one that names part of the other is alike."""
    if not here or not there:
        return MISSING
    if here == there:
        return EXACT
    ours, theirs = set(here.split()) - _BREED_FILL, set(there.split()) - _BREED_FILL
    if ours & theirs or (len(here) >= 5 and OSA.distance(here, there, score_cutoff=2) <= 2):
        return "alike"
    return DIFFERS


_BREED_FILL = frozenset(
    {
        *("dog", "cat", "hund", "katze", "hond", "kat", "terrier", "spaniel"),
        *("mini", "miniature", "toy", "standard", "and", "x", "the"),
    }
)


def _birth(here: int, there: int) -> str:
    """Exact, or near: day and month exchanged, one part of the date mistyped, or an age that somebody guessed."""
    if not here or not there:
        return MISSING
    if here == there:
        return EXACT
    one, other = _parts(here), _parts(there)
    same = sum(mine == theirs for mine, theirs in zip(one, other, strict=True))
    exchanged = one[0] == other[0] and one[1:] == other[:0:-1]
    return "near" if same == 2 or exchanged or abs(here - there) <= _GUESSED else DIFFERS


def _parts(ordinal: int) -> tuple[int, int, int]:
    day = date.fromordinal(ordinal)
    return day.year, day.month, day.day


def _is_short(one: str, other: str) -> bool:
    """Whether ``one`` is a short or a pet form of ``other``: Bella of Isabella, Luna of Luna Mae, Maxi of Max."""
    first = other.partition(" ")[0]
    if one == first or (" " in other and one == other.rpartition(" ")[2] and len(one) >= 4):
        return True
    within = other.startswith(one) or (len(one) >= 4 and other.endswith(one))
    if within and len(one) >= 3 and len(other) >= len(one) + 2:
        return True
    if first in words.GIVEN_NAMES.get(one, _NONE):  # not two short forms of one name: Polly and Molly
        return True
    if one[:1] != first[:1]:
        return False
    stem, of = _stem(one), _stem(first)
    return len(stem) >= 3 and stem in (of, first)


@functools.lru_cache(maxsize=_REMEMBERED)
def _stem(name: str) -> str:
    """The name without a diminutive's ending, and without the letter doubled before it."""
    for ending in _ENDINGS:
        if name.endswith(ending) and len(name) - len(ending) >= 3:
            name = name[: -len(ending)]
            break
    return name[:-1] if len(name) > 3 and name[-1] == name[-2] else name
