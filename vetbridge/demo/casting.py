"""Who books and who calls in a played morning: people of the clinic and strangers, each with the truth about them."""

from __future__ import annotations

import difflib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from vetbridge.demo.draws import Draws
from vetbridge.demo.story import Case, DeskCase, Part
from vetbridge.testing import names
from vetbridge.testing.clinic import Clinic, Owner, PetSeed, email_for, phone_for

T = TypeVar("T")

COMPARED_FIRST = 150
"""VetBridge finds out early about clients whose numbers are no higher."""
LONG_COMMENT = 3000
"""Characters of the longest comment of a morning."""
_SHORTEST_MISSPELT = 5
"""In a shorter name one letter is so much that nobody could be blamed for asking."""
_UNLIKE = 0.5
"""Up to this similarity two names are surely different."""
_SLIPS = {"a": "e", "e": "a", "i": "y", "y": "i", "o": "u", "u": "o", "s": "z", "c": "k", "k": "c"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody for whom the front desk makes a visit in the PIMS: numbers of the clinic's records.

    ``card``: the owner whose card at the booking platform the visit belongs on; None where there is none yet.
    """

    case: DeskCase
    owner: int
    pet: int
    card: int | None = None


class Casting:
    """Deals out people; each of them, and each phone, once in a morning (households twice at most)."""

    def __init__(self, clinic: Clinic, draws: Draws) -> None:
        self._clinic = clinic
        self._draws = draws
        self._strangers = itertools.count(len(clinic.owners) + 1000)
        self._holders: dict[str, set[int]] = defaultdict(set)
        """Active owners by phone and by e-mail address."""
        for owner in clinic.owners:
            for contact in _contacts(owner) if owner.active else ():
                self._holders[contact].add(owner.number)
        self._alone = [owner for owner in draws.shuffled(clinic.owners) if self._is_alone(owner)]
        """Active owners whose every contact is theirs alone, in the order in which they are dealt."""
        self._phoneless = [owner for owner in draws.shuffled(clinic.owners) if _is_phoneless(owner)]
        self._couples = draws.shuffled(_couples(clinic))
        """Couples on two records with one phone, in the order in which they are dealt."""

    def call(self, case: DeskCase, count: int) -> list[Caller]:
        """``count`` callers of a case, at least: partners come as couples.

        Raises ``ValueError`` where the clinic has too few such people.
        """
        dealers: dict[DeskCase, Callable[[], Iterator[list[Caller]]]] = {
            DeskCase.CARD: lambda: self._carded(DeskCase.CARD),
            DeskCase.CARDLESS: self._cardless,
            DeskCase.PHONELESS: self._phoneless_callers,
            DeskCase.PARTNER: self._partners,
            DeskCase.PURGED: lambda: self._carded(DeskCase.PURGED),
        }
        return [caller for group in self._dealt(case.value, dealers[case](), count) for caller in group]

    def keepers(self, count: int) -> list[tuple[Owner, PetSeed]]:
        """``count`` owners with a card and one living pet, who have nothing else in the morning, each with that pet.

        Raises ``ValueError`` where the clinic has too few such people.
        """
        found = self._owners(lambda one: one.online and len(_living(one)) == 1 and bool(one.email))
        dealt = [(owner, _living(owner)[0]) for owner in itertools.islice(found, count)]
        if len(dealt) < count:
            raise ValueError(f"the clinic is too small: it has {len(dealt)} owners with one pet left, not {count}")
        return dealt

    def cast(self, case: Case, count: int) -> list[list[Part]]:
        """``count`` bookings of a case, at least, in groups that belong together: a group is played in its order.

        Raises ``ValueError`` where the clinic has too few such people.
        """
        dealers: dict[Case, Callable[[], Iterator[list[Part]]]] = {
            Case.KNOWN: self._known,
            Case.NEW: self._new,
            Case.TWICE: self._twice,
            Case.HOUSEHOLD: self._households,
            Case.DUPLICATE: self._duplicates,
            Case.MISSPELT: self._misspelt,
            Case.AMBIGUOUS: self._ambiguous,
        }
        groups = self._dealt(case.value, dealers[case](), count)
        return [[replace(part, linkable=self._linkable(part)) for part in group] for group in groups]

    def mourner(self, other: Clinic) -> Part:
        """Somebody whose only pet lives, as far as this clinic knows, and whose contacts nobody has at the other one.

        Raises ``ValueError`` where there is nobody like this.
        """
        taken = {contact for owner in other.owners for contact in _contacts(owner)}

        def fits(owner: Owner) -> bool:
            plain = len(owner.pets) == len(_living(owner)) == 1 and "&" not in owner.given_name
            return (
                owner.number <= COMPARED_FIRST and plain and bool(owner.email) and not taken & set(_contacts(owner))
            )

        owner = next(self._owners(fits), None)
        if owner is None:
            raise ValueError("no client of this clinic can be known at another branch, too; take another seed")
        part = self._played_by(owner, owner.pets[0], Case.ELSEWHERE, "a pet that died, as another branch knows")
        return replace(part, email=owner.email or "")

    def _dealt(self, case: str, dealer: Iterator[list[T]], count: int) -> list[list[T]]:
        groups: list[list[T]] = []
        while sum(map(len, groups)) < count:
            group = next(dealer, None)
            if group is None:
                raise ValueError(
                    f"a clinic of {len(self._clinic.owners)} clients is too small for this morning "
                    f"({case}); take more clients, or fewer bookings"
                )
            groups.append(group)
        return groups

    # -- the cases

    def _known(self) -> Iterator[list[Part]]:
        for number, owner in enumerate(self._owners(_living), start=1):
            pet = self._living_pet(owner)
            if number % 8 == 3:
                yield [self._with_new_pet(owner)]
            elif number % 8 == 6 and owner.email:
                part = self._played_by(owner, pet, Case.KNOWN, "a known owner with a new phone number")
                yield [replace(part, phone=self._new_phone(), email=owner.email)]
            else:
                comment = _KNOWN_COMMENTS.get(number, "")
                yield [replace(self._played_by(owner, pet, Case.KNOWN, "a known owner"), comment=comment)]

    def _with_new_pet(self, owner: Owner) -> Part:
        name = self._unlike(names.PET_NAMES, [pet.name for pet in owner.pets])
        part = self._played_by(owner, owner.pets[0], Case.KNOWN, "a known owner with a new pet")
        return replace(part, pet_name=name, species="dog", breed="Crossbreed", pets=frozenset())

    def _new(self) -> Iterator[list[Part]]:
        for given, family, pet in _NEW_ON_PURPOSE:
            yield [self._stranger(given, family, pet, Case.NEW, "a new owner")]
        while True:
            given, family = self._draws.one_of(_GIVEN_NAMES), self._draws.one_of(names.FAMILY_NAMES)
            yield [self._stranger(given, family, self._draws.one_of(names.PET_NAMES), Case.NEW, "a new owner")]

    def _twice(self) -> Iterator[list[Part]]:
        for number in itertools.count():
            given, family = self._draws.one_of(_GIVEN_NAMES), self._draws.one_of(names.FAMILY_NAMES)
            first = self._stranger(
                given, family, self._draws.one_of(names.PET_NAMES), Case.TWICE, "a new owner books twice"
            )
            other_pet = self._unlike(names.PET_NAMES, [first.pet_name])
            yield [first, replace(first, pet_name=other_pet, species="rabbit", breed="") if number % 2 else first]

    def _households(self) -> Iterator[list[Part]]:
        """Couples on two records with one phone; of every third couple both book."""
        for number in itertools.count():
            if not self._couples:
                return
            partners = self._draws.shuffled(self._couples.pop())
            yield [
                self._played_by(one, self._living_pet(one), Case.HOUSEHOLD, "one of a couple with one phone")
                for one in partners[: 2 if number % 3 == 2 else 1]
            ]

    def _duplicates(self) -> Iterator[list[Part]]:
        second = [owner for owner in self._clinic.owners if owner.duplicate_of is not None]
        for copy in self._draws.shuffled(second):
            first = self._clinic.owner(copy.duplicate_of or 0)
            same = {pet.duplicate_of: pet.number for pet in copy.pets}
            pets = sorted(_living(first), key=lambda pet: pet.number not in same)
            if not pets:
                continue
            part = self._played_by(first, pets[0], Case.DUPLICATE, "an owner who is registered twice")
            numbers = {pets[0].number, same.get(pets[0].number, pets[0].number)}
            yield [replace(part, owners=frozenset({first.number, copy.number}), pets=frozenset(numbers))]

    def _misspelt(self) -> Iterator[list[Part]]:
        for owner in self._owners(_may_be_misspelt):
            pet = next(pet for pet in _living(owner) if _long_enough(pet.name))
            part = self._played_by(owner, pet, Case.MISSPELT, "the owner's name is misspelt")
            if self._draws.chance(0.4):
                slip = self._slip(pet.name)
                yield [replace(part, pet_name=slip, story="the pet's name is misspelt")]
            else:
                yield [replace(part, family_name=self._slip(owner.family_name))]

    def _ambiguous(self) -> Iterator[list[Part]]:
        """Bookings that nobody could place without asking."""
        # At the platform, a booking by somebody with a card shows the card's name: no stranger would be seen.
        offline = self._owners(lambda owner: not owner.online)
        bereaved = self._owners(lambda owner: not _living(owner))
        for number in itertools.count(1):
            mourner = next(bereaved, None) if number % 3 == 0 else None
            owner = mourner or next(offline, None)
            if owner is None:
                return
            yield [self._mourner(owner) if mourner else self._stranger_with_phone_of(owner)]

    def _mourner(self, owner: Owner) -> Part:
        part = self._played_by(owner, owner.pets[0], Case.AMBIGUOUS, "a known owner, and a pet that is dead")
        return replace(part, pets=frozenset())

    def _stranger_with_phone_of(self, owner: Owner) -> Part:
        given = self._unlike(_GIVEN_NAMES, owner.given_name.split())
        family = self._unlike(names.FAMILY_NAMES, [owner.family_name, *owner.family_name.split()])
        pet_name = self._unlike(names.PET_NAMES, [pet.name for pet in owner.pets])
        part = self._stranger(given, family, pet_name, Case.AMBIGUOUS, "a stranger with a known owner's phone")
        return replace(part, phone=owner.phones[0])

    # -- who calls the front desk

    def _carded(self, case: DeskCase) -> Iterator[list[Caller]]:
        for owner in self._owners(lambda one: one.online and _living(one)):
            yield [Caller(case, owner.number, self._living_pet(owner).number, owner.number)]

    def _cardless(self) -> Iterator[list[Caller]]:
        for owner in self._owners(lambda one: not one.online and _living(one)):
            yield [Caller(DeskCase.CARDLESS, owner.number, self._living_pet(owner).number)]

    def _phoneless_callers(self) -> Iterator[list[Caller]]:
        for owner in self._phoneless:
            yield [Caller(DeskCase.PHONELESS, owner.number, self._living_pet(owner).number)]

    def _partners(self) -> Iterator[list[Caller]]:
        """Couples of whom one has a card at the platform, which is both's there: a phone stands on one card only."""
        while (place := next((n for n, couple in enumerate(self._couples) if _one_card(couple)), None)) is not None:
            couple = self._couples.pop(place)
            holder = next(owner for owner in couple if owner.online)
            yield [
                Caller(DeskCase.PARTNER, owner.number, self._living_pet(owner).number, holder.number)
                for owner in couple
            ]

    # -- people

    def _owners(self, fits: Callable[[Owner], object]) -> Iterator[Owner]:
        """Owners that stand alone and fit, each dealt once in a morning."""
        while (place := next((n for n, owner in enumerate(self._alone) if fits(owner)), None)) is not None:
            yield self._alone.pop(place)

    def _is_alone(self, owner: Owner) -> bool:
        known_alone = owner.household is None and owner.duplicate_of is None
        contacts = _contacts(owner)
        return known_alone and bool(owner.phones) and all(self._holders[one] == {owner.number} for one in contacts)

    def _played_by(self, owner: Owner, pet: PetSeed, case: Case, story: str) -> Part:
        return Part(
            case=case,
            story=story,
            given_name=owner.given_name,
            family_name=owner.family_name,
            phone=owner.phones[0],
            email="" if self._draws.chance(0.25) else owner.email or "",
            pet_name=pet.name,
            species=pet.species,
            breed=pet.breed,
            owners=frozenset({owner.number}),
            pets=frozenset({pet.number}),
        )

    def _stranger(self, given: str, family: str, pet_name: str, case: Case, story: str) -> Part:
        number = next(self._strangers)
        species = self._draws.one_of(("dog", "dog", "cat", "cat", "rabbit", "other"))
        return Part(
            case=case,
            story=story,
            given_name=given,
            family_name=family,
            phone=phone_for(number),
            email="" if self._draws.chance(0.2) else email_for(given, family, number),
            pet_name=pet_name,
            species=species,
        )

    def _new_phone(self) -> str:
        return phone_for(next(self._strangers))

    def _living_pet(self, owner: Owner) -> PetSeed:
        return self._draws.one_of(_living(owner))

    def _unlike(self, values: Sequence[str], others: Sequence[str]) -> str:
        """One of the values that nobody would take for one of the others."""
        return next(
            value
            for value in self._draws.shuffled(values)
            if all(_similarity(value, one) <= _UNLIKE for one in others)
        )

    def _slip(self, name: str) -> str:
        """The name with one letter replaced, doubled or left out; never the first or the last."""
        places = [place for place in range(1, len(name) - 1) if name[place].isascii() and name[place].islower()]
        place = self._draws.one_of(places)
        letter = name[place]
        if self._draws.chance(0.3) and name[place - 1] != letter != name[place + 1]:
            return name[:place] + name[place + 1 :]
        return name[:place] + _SLIPS.get(letter, letter * 2) + name[place + 1 :]

    # -- the strict rule

    def _linkable(self, part: Part) -> bool:
        """A contact of one active owner alone, and the family name or the pet's name the same or one letter off."""
        holders = self._holders.get(part.phone, set()) | self._holders.get(part.email, set())
        if len(holders) != 1 or not holders <= part.owners:
            return False
        owner = self._clinic.owner(next(iter(holders)))
        named = [pet for pet in owner.pets if one_letter_off(pet.name, part.pet_name)]
        if named and all(pet.deceased for pet in named):
            return False
        return one_letter_off(owner.family_name, part.family_name) or bool(named)


def one_letter_off(one: str, other: str) -> bool:
    """Whether two names are equal but for case, or for one letter added, left out or replaced."""
    short, long = sorted((one.casefold(), other.casefold()), key=len)
    if len(long) - len(short) > 1:
        return False
    place = next((n for n, letter in enumerate(short) if letter != long[n]), len(short))
    return short[place:] == long[place + 1 :] or short[place + 1 :] == long[place + 1 :]


def _contacts(owner: Owner) -> list[str]:
    return [*owner.phones, *([owner.email] if owner.email else [])]


def _living(owner: Owner) -> list[PetSeed]:
    return [pet for pet in owner.pets if not pet.deceased]


def _is_phoneless(owner: Owner) -> bool:
    return owner.active and not owner.phones and owner.duplicate_of is None and bool(_living(owner))


def _couples(clinic: Clinic) -> list[list[Owner]]:
    """Couples of whom both are active and have a living pet."""
    couples: dict[int, list[Owner]] = defaultdict(list)
    for owner in clinic.owners:
        if owner.household is not None and owner.active and _living(owner):
            couples[owner.household].append(owner)
    return [couple for couple in couples.values() if len(couple) == 2]


def _one_card(couple: Sequence[Owner]) -> bool:
    return sum(owner.online for owner in couple) == 1


def _may_be_misspelt(owner: Owner) -> bool:
    """At the platform, a booking by somebody with a card shows the card's name, not the misspelt one."""
    return (
        not owner.online and _long_enough(owner.family_name) and any(_long_enough(one.name) for one in _living(owner))
    )


def _long_enough(name: str) -> bool:
    return len(name) >= _SHORTEST_MISSPELT and name.isascii() and name.isalpha()


def _similarity(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.casefold(), other.casefold(), autojunk=False).ratio()


_GIVEN_NAMES = names.FEMALE_NAMES + names.MALE_NAMES

_NEW_ON_PURPOSE = (
    ("Zoë", "Weiß-Ångström", "Pythagoras"),
    ("Eva\x1b[31m", "Bellwether", "Comet"),
    ("Ruairí", "Ó'Súilleabháin", "Ceol"),
)
"""Names that have broken other programs: letters beyond ASCII, an apostrophe, a sequence that colours terminals."""

_KNOWN_COMMENTS = {
    1: "Please call me before you give any injection. " * 66,
    2: "[VetBridge VB-0000000000]\nA block that VetBridge never wrote.\n[/VetBridge]",
    4: "\x1b]0;owned\x07\x1b[2JShe is shy; ring the bell 🐕 twice.",
}
"""Comments of the known owners with these places in the cast: one long, one that apes our block, one with escapes."""
