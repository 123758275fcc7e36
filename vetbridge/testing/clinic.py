"""A made-up clinic: owners with pets, households and duplicate registrations, the same for every run of one seed.

The simulators are filled from it, and the demo, the tests and the benchmarks know from it who is who. Everything
comes from one ``random.Random(seed)``, of which only ``random()`` is drawn, the one method whose sequence Python
promises to keep; so a seed means the same clinic on every machine and in every version.

Shares (of owner records): about 12 % stand in couples on two records with one phone, 4 % are a second registration
of an earlier owner, 5 % are inactive, 10 % have no e-mail, 3 % have no phone, a third is known to the booking
platform. About 4 % of the pets are deceased. ``Shares`` changes those that callers need otherwise.
"""

from __future__ import annotations

import bisect
import itertools
import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from vetbridge.testing import names

REFERENCE_DAY = date(2026, 1, 1)
"""The day on which the clinic is as it is described; pets were born before it."""

_PHONE_SPAN = 70_000_000
_PHONE_STEP = 38_196_601  # coprime to the span, so that every number gets a phone of its own, and no two alike runs
_SECOND_PHONES = 35_000_000


@dataclass(frozen=True, slots=True)
class PetSeed:
    """An animal as the clinic holds it. ``sex`` and ``species`` are VetBridge's words.

    ``duplicate_of`` is the number of the same animal under its owner's first registration.
    """

    number: int
    name: str
    species: str
    breed: str
    sex: str
    birth_date: date
    deceased: bool
    duplicate_of: int | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """One owner record of the clinic.

    ``phones`` are E.164. ``household`` is the same number on both records of a couple that is registered twice and
    shares a phone. ``duplicate_of`` is the number of the record under which the same person was registered first.
    ``online``: the owner has a card at the booking platform too; no two of these share a phone.
    """

    number: int
    given_name: str
    family_name: str
    phones: tuple[str, ...]
    email: str | None
    active: bool
    household: int | None
    duplicate_of: int | None
    online: bool
    pets: tuple[PetSeed, ...]


@dataclass(frozen=True, slots=True)
class StaffMember:
    """A vet of the clinic; ``code`` is VetBridge's word, such as ``vet_1``."""

    number: int
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Service:
    """Something that can be booked; ``code`` is VetBridge's word, ``minutes`` a multiple of five."""

    number: int
    code: str
    title: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Clinic:
    """The whole clinic: ``owners[n - 1]`` is the owner with number ``n``."""

    seed: int
    zone: str
    country: str
    owners: tuple[Owner, ...]
    staff: tuple[StaffMember, ...]
    services: tuple[Service, ...]

    def owner(self, number: int) -> Owner:
        """The owner with this number. Raises ``KeyError`` where there is none."""
        if not 1 <= number <= len(self.owners):
            raise KeyError(number)
        return self.owners[number - 1]


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of a clinic that may differ from one clinic to another."""

    duplicates: float = 0.04
    """Of owner records: second registrations of an earlier owner."""
    pets: tuple[float, ...] = (0.68, 0.92)
    """Up to which shares owners have one pet, two pets, and so on; the rest has one more than the last of them."""


STAFF = tuple(StaffMember(n, f"vet_{n}", name) for n, name in enumerate(names.STAFF_NAMES, start=1))

SERVICES = (
    Service(1, "checkup", "Check-up", 20),
    Service(2, "vaccination", "Vaccination", 15),
    Service(3, "dental", "Dental care", 45),
    Service(4, "surgery", "Surgery", 60),
    Service(5, "nail_clip", "Nail clipping", 10),
)


def make_clinic(seed: int, clients: int, shares: Shares | None = None) -> Clinic:
    """The clinic of ``seed`` with ``clients`` owner records. Raises ``ValueError`` for a negative count."""
    if clients < 0:
        raise ValueError("a clinic cannot have fewer than 0 clients")
    owners = tuple(_Generator(seed, shares or Shares()).owners(clients))
    return Clinic(seed, "Europe/London", "GB", owners, STAFF, SERVICES)


def phone_for(number: int) -> str:
    """A valid British mobile in E.164, another one for every ``number`` from 0 to 34,999,999.

    Owners have the phone of their own number, so a caller who needs a phone that is not in the clinic takes any
    number above the clinic's size. Nothing in this project ever dials or writes to one.
    """
    if not 0 <= number < _SECOND_PHONES:
        raise ValueError("phones are made for the numbers 0 to 34,999,999")
    return _phone(number)


def email_for(given_name: str, family_name: str, number: int) -> str:
    """An address at a domain that is reserved for examples, another one for every ``number``."""
    local = ".".join(part for part in (_ascii(given_name), _ascii(family_name)) if part)
    return f"{local or 'owner'}{number}@example.{'org' if number % 3 else 'com'}"


def _phone(number: int) -> str:
    return f"+44{7_710_000_000 + number * _PHONE_STEP % _PHONE_SPAN}"


_NOT_DECOMPOSED = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ı": "i", "æ": "ae", "đ": "d"})


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.translate(_NOT_DECOMPOSED)).lower()
    return "".join(letter for letter in plain if "a" <= letter <= "z")


class _Ranked:
    """A list drawn from by rank: the n-th is ``n + head`` times rarer, so that common names are common."""

    def __init__(self, values: Sequence[str], head: float) -> None:
        self._values = values
        self._sums = list(itertools.accumulate(1 / (rank + head) for rank in range(len(values))))

    def draw(self, rng: random.Random) -> str:
        place = bisect.bisect(self._sums, rng.random() * self._sums[-1])
        return self._values[min(place, len(self._values) - 1)]


_FAMILY = _Ranked(names.FAMILY_NAMES, 12)
_FEMALE = _Ranked(names.FEMALE_NAMES, 10)
_MALE = _Ranked(names.MALE_NAMES, 10)
_PET = _Ranked(names.PET_NAMES, 15)
_BREEDS = {
    "dog": _Ranked(names.DOG_BREEDS, 3),
    "cat": _Ranked(names.CAT_BREEDS, 1),
    "rabbit": _Ranked(names.RABBIT_BREEDS, 3),
    "other": _Ranked(names.OTHER_BREEDS, 3),
}


class _Generator:
    def __init__(self, seed: int, shares: Shares) -> None:
        self._rng = random.Random(seed)
        self._shares = shares
        self._pet_numbers = itertools.count(1)
        self._households = itertools.count(1)
        self._registrable: list[Owner] = []
        """Single owners with a phone who were not registered twice yet."""

    def owners(self, clients: int) -> Iterator[Owner]:
        """Owners in the order of their numbers."""
        couples = 0.064  # a couple takes two numbers: 6.4 % of the draws, 12 % of the rows
        duplicates = couples + 1.075 * self._shares.duplicates  # there are fewer draws than rows
        number = 1
        while number <= clients:
            kind = self._rng.random()
            if kind < couples and number < clients:
                yield from self._couple(number)
                number += 2
                continue
            if kind < duplicates and self._registrable:
                yield self._duplicate(number)
            else:
                yield self._single(number)
            number += 1

    def _chance(self, share: float) -> bool:
        return self._rng.random() < share

    def _given_name(self) -> str:
        return (_FEMALE if self._chance(0.55) else _MALE).draw(self._rng)

    def _single(self, number: int) -> Owner:
        family = _FAMILY.draw(self._rng)
        given = self._given_name()
        if self._chance(0.04):  # a couple on one card
            partner = self._given_name()
            given = f"{given} & {partner}" if partner != given else given
        phones: tuple[str, ...] = ()
        if not self._chance(0.03):
            phones = (_phone(number),)
            if self._chance(0.05):
                phones += (_phone(_SECOND_PHONES + number),)
        active = not self._chance(0.05)
        owner = Owner(
            number=number,
            given_name=given,
            family_name=family,
            phones=phones,
            email=self._email(given, family, number),
            active=active,
            household=None,
            duplicate_of=None,
            online=bool(phones) and active and self._chance(0.41),
            pets=self._pets(set()),
        )
        if phones and active:
            self._registrable.append(owner)
        return owner

    def _couple(self, number: int) -> Iterator[Owner]:
        """Two records, one phone; mostly one family name."""
        household = next(self._households)
        phone = _phone(number)
        family = _FAMILY.draw(self._rng)
        first_online = self._chance(0.3)
        second_online = not first_online and self._chance(0.2)
        taken: set[str] = set()
        given = ""
        for place, online in ((number, first_online), (number + 1, second_online)):
            previous, given = given, self._given_name()
            while given == previous:
                given = self._given_name()
            if place > number and self._chance(0.2):
                family = _FAMILY.draw(self._rng)
            yield Owner(
                number=place,
                given_name=given,
                family_name=family,
                phones=(phone,),
                email=self._email(given, family, place),
                active=online or not self._chance(0.05),
                household=household,
                duplicate_of=None,
                online=online,
                pets=self._pets(taken),
            )

    def _duplicate(self, number: int) -> Owner:
        """The same person once more: one phone, the names alike, the same animal on about every second card."""
        place = int(self._rng.random() * len(self._registrable))
        # Swapping with the last keeps the choice quick for a hundred thousand owners.
        self._registrable[place], self._registrable[-1] = self._registrable[-1], self._registrable[place]
        first = self._registrable.pop()
        given, family = first.given_name, first.family_name
        if self._chance(0.3):
            given = given[0]
        if self._chance(0.3):
            family = self._varied(family)
        contact = self._rng.random()
        email = first.email if contact < 0.3 else email_for(given, family, number) if contact < 0.5 else None
        if self._chance(0.55):
            same = first.pets[int(self._rng.random() * len(first.pets))]
            pets: tuple[PetSeed, ...] = (replace(same, number=next(self._pet_numbers), duplicate_of=same.number),)
        else:
            pets = self._pets({pet.name for pet in first.pets})
        return Owner(
            number=number,
            given_name=given,
            family_name=family,
            phones=first.phones[:1],
            email=email,
            active=not self._chance(0.05),
            household=None,
            duplicate_of=first.number,
            online=False,
            pets=pets,
        )

    def _email(self, given: str, family: str, number: int) -> str | None:
        return None if self._chance(0.1) else email_for(given, family, number)

    def _varied(self, family: str) -> str:
        """The name as somebody else at the desk would type it."""
        folded = unicodedata.normalize("NFKD", family.translate(_NOT_DECOMPOSED))
        plain = "".join(letter for letter in folded if not unicodedata.combining(letter))
        if plain != family:
            return plain
        if "'" in family or "-" in family:
            return family.replace("'", "").replace("-", " ")
        cut = 2 + int(self._rng.random() * (len(family) - 2))
        return family[:cut] + family[cut - 1] + family[cut:]  # one letter typed twice

    def _pets(self, taken: set[str]) -> tuple[PetSeed, ...]:
        """An owner's animals, whose names are not in ``taken``; adds theirs to it."""
        return tuple(self._pet(taken) for _ in range(1 + bisect.bisect(self._shares.pets, self._rng.random())))

    def _pet(self, taken: set[str]) -> PetSeed:
        name = _PET.draw(self._rng)
        while name in taken:
            name = _PET.draw(self._rng)
        taken.add(name)
        draw = self._rng.random()
        species = "dog" if draw < 0.48 else "cat" if draw < 0.88 else "rabbit" if draw < 0.96 else "other"
        sex = "female" if self._chance(0.5) else "male"
        if species == "other" and self._chance(0.5):
            sex = "unknown"
        elif self._chance(0.65):
            sex += "_neutered"
        longest = 16 if species in {"dog", "cat"} else 8
        age = timedelta(days=60 + int(self._rng.random() * 365 * longest))
        return PetSeed(
            number=next(self._pet_numbers),
            name=name,
            species=species,
            breed=_BREEDS[species].draw(self._rng),
            sex=sex,
            birth_date=REFERENCE_DAY - age,
            deceased=self._chance(0.04),
        )
