"""The cards of the booking platform, as they have drifted from the PIMS in years of typing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from vetbridge.testing import names
from vetbridge.testing.clinic import Clinic, Owner, PetSeed, email_for, phone_for
from vetbridge.testing.population.dice import Dice, Ranked
from vetbridge.testing.population.slips import swapped_letters
from vetbridge.testing.twins.sides import Card, ListedPet

KNOWN = 0.85
"""Share of the active persons with a phone who have a card."""
KNOWN_INACTIVE = 0.10
UNKNOWN = 0.04
"""Share of the cards whose person the PIMS does not know."""
NAMESAKES = 0.25
"""Of these: share that bears the full name of one of the clinic's owners."""
WITH_PETS = 0.5
LONGEST_PETS_TEXT = 255
"""Characters that the field keeps (altegio.md, section 3.9)."""

NICKNAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Elizabeth": ("Liz", "Beth"),
        "Katherine": ("Kate", "Kathy"),
        "Catherine": ("Cathy", "Kate"),
        "Victoria": ("Vicky",),
        "Rebecca": ("Becky",),
        "Margaret": ("Maggie", "Peggy"),
        "Susan": ("Sue",),
        "Nicola": ("Nicky",),
        "Jessica": ("Jess",),
        "Charlotte": ("Lottie",),
        "Katarzyna": ("Kasia",),
        "Agnieszka": ("Aga",),
        "James": ("Jim", "Jamie"),
        "David": ("Dave",),
        "Michael": ("Mike",),
        "Thomas": ("Tom",),
        "Daniel": ("Dan",),
        "Robert": ("Rob", "Bob"),
        "Andrew": ("Andy",),
        "Matthew": ("Matt",),
        "Christopher": ("Chris",),
        "Richard": ("Rick",),
        "Stephen": ("Steve",),
        "William": ("Will", "Bill"),
        "Joseph": ("Joe",),
        "Tomasz": ("Tomek",),
    }
)

_FAMILY = Ranked.by_rank(names.FAMILY_NAMES, 12)
_GIVEN = Ranked.by_rank((*names.FEMALE_NAMES, *names.MALE_NAMES), 10)
_PET = Ranked.by_rank(names.PET_NAMES, 15)
_STRANGERS_FROM = 1_000_000
"""Phones of people whom the clinic does not know have numbers from here on."""
_FORMER_FROM = 2_000_000


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is registered once or more often; ``partner`` is who shares the phone, with a record apart."""

    registrations: tuple[Owner, ...]
    partner: tuple[Owner, ...]

    @property
    def first(self) -> Owner:
        """The first registration."""
        return self.registrations[0]

    @property
    def active(self) -> bool:
        """Whether any registration is active."""
        return any(owner.active for owner in self.registrations)


def persons(clinic: Clinic) -> tuple[Person, ...]:
    """Everybody who is registered, in the order of the first registrations."""
    registered: dict[int, list[Owner]] = {}
    households: dict[int, list[int]] = {}
    for owner in clinic.owners:
        first = owner.duplicate_of or owner.number
        registered.setdefault(first, []).append(owner)
        if owner.household is not None and owner.duplicate_of is None:
            households.setdefault(owner.household, []).append(first)
    found = []
    for number, owners in registered.items():
        household = owners[0].household
        others = [] if household is None else [other for other in households[household] if other != number]
        found.append(Person(tuple(owners), tuple(owner for other in others for owner in registered[other])))
    return tuple(found)


def living(owner: Owner) -> list[PetSeed]:
    """The owner's pets that are alive."""
    return [pet for pet in owner.pets if not pet.deceased]


def comes(owner: Owner) -> bool:
    """Whether visits may stand on this record: it is active, and has a living pet."""
    return owner.active and bool(living(owner))


def animals(clinic: Clinic) -> dict[int, frozenset[int]]:
    """Every pet's number to the numbers of the same animal, its own among them."""
    groups: dict[int, set[int]] = {}
    for owner in clinic.owners:
        for pet in owner.pets:
            groups.setdefault(pet.duplicate_of or pet.number, set()).add(pet.number)
    return {number: frozenset(group) for group in groups.values() for number in group}


def make_cards(clinic: Clinic, dice: Dice) -> tuple[Card, ...]:
    """The cards of the clinic's persons, and of some whom it does not know, in no order that tells who is who."""
    maker = _CardMaker(clinic, dice)
    made = [*maker.known()]
    made += maker.unknown(round(len(made) * UNKNOWN / (1 - UNKNOWN)))
    order = sorted((dice.roll(), place) for place in range(len(made)))
    return tuple(replace(made[place], number=number) for number, (_, place) in enumerate(order, start=1))


def typed_name(name: str, dice: Dice) -> str:
    """A pet's name as somebody types it: mostly right."""
    roll = dice.roll()
    if roll < 0.90:
        return name
    return swapped_letters(name, dice) if roll < 0.96 else name.lower()


class _CardMaker:
    def __init__(self, clinic: Clinic, dice: Dice) -> None:
        self._clinic = clinic
        self._dice = dice
        self._same = animals(clinic)
        self._taken: set[str] = set()
        """Phones that a card has already, as E.164."""

    def known(self) -> Iterator[Card]:
        """A card for most of the persons. A couple that shares a phone has one, of whom of them came first."""
        for person in persons(self._clinic):
            share = KNOWN if person.active else KNOWN_INACTIVE
            if not person.first.phones or not self._dice.chance(share):
                continue
            if person.partner and person.partner[0].phones[0] in self._taken:
                continue
            if person.partner and person.partner[0].active and self._dice.chance(0.4):
                yield self._card(Person(person.partner, person.registrations))
                continue
            yield self._card(person)

    def unknown(self, count: int) -> Iterator[Card]:
        """Cards of people whom the PIMS does not know; some of them bear an owner's full name."""
        for number in range(count):
            given, family = _GIVEN.draw(self._dice), _FAMILY.draw(self._dice)
            if self._dice.chance(NAMESAKES):
                namesake = self._dice.pick(self._clinic.owners)
                given, family = namesake.given_name, namesake.family_name
            phone = phone_for(_STRANGERS_FROM + number)
            listed: tuple[ListedPet, ...] = ()
            if self._dice.chance(WITH_PETS):
                listed = (ListedPet(_PET.draw(self._dice), self._dice.pick(("dog", "cat", "")), frozenset()),)
            yield Card(
                number=0,
                owners=frozenset(),
                partners=frozenset(),
                both=False,
                given_name=given,
                family_name=family,
                phone=self._as_kept(phone),
                email=email_for(given, family, _STRANGERS_FROM + number) if self._dice.chance(0.7) else "",
                pets_text=self._pets_text(listed),
                listed=listed,
            )

    def _card(self, person: Person) -> Card:
        first = person.first
        both = bool(person.partner) and self._dice.chance(0.3)
        given, family, plain = self._name(person, both=both)
        email = self._email(first)
        phone = first.phones[-1] if self._dice.chance(0.5) else first.phones[0]
        if plain and email == first.email and not person.partner and self._dice.chance(0.02):
            phone = phone_for(_FORMER_FROM + first.number)  # the PIMS has a newer one
        self._taken.add(phone)
        listed = self._listed(person) if self._dice.chance(WITH_PETS) else ()
        return Card(
            number=0,
            owners=frozenset(owner.number for owner in person.registrations),
            partners=frozenset(owner.number for owner in person.partner),
            both=both,
            given_name=given,
            family_name=family,
            phone=self._as_kept(phone),
            email=email or "",
            pets_text=self._pets_text(listed),
            listed=listed,
        )

    def _name(self, person: Person, *, both: bool) -> tuple[str, str, bool]:
        """Given and family name on the card, and whether they are those of the PIMS."""
        given, family = person.first.given_name, person.first.family_name
        if both:
            given = f"{given} & {person.partner[0].given_name}"
        roll = self._dice.roll()
        if roll < 0.06:
            if self._dice.chance(0.5):
                return swapped_letters(given, self._dice), family, False
            return given, swapped_letters(family, self._dice), False
        if roll < 0.11:
            short = NICKNAMES.get(given)
            return (self._dice.pick(short), family, False) if short else (given, family, True)
        if roll < 0.14:
            other = _FAMILY.draw(self._dice)
            return given, other, other == family
        if roll < 0.17:
            return family, given, False
        if roll < 0.27:
            return f"{given} {family}", "", True
        return given, family, True

    def _email(self, owner: Owner) -> str | None:
        roll = self._dice.roll()
        if roll < 0.25:
            return None
        if roll < 0.33:
            return email_for(owner.given_name, owner.family_name, _FORMER_FROM + owner.number)
        return owner.email

    def _as_kept(self, phone: str) -> str:
        """A phone in one of the forms in which Altegio holds it (altegio.md, sections 3.6 and 8.6)."""
        national = phone.removeprefix("+44")
        roll = self._dice.roll()
        if roll < 0.75:
            return phone
        if roll < 0.87:
            return phone.removeprefix("+")
        return f"0{national}" if roll < 0.95 else f"+440{national}"

    def _listed(self, person: Person) -> tuple[ListedPet, ...]:
        """The animals that reception wrote down: mostly those alive, each once."""
        owners = [*person.registrations, *(person.partner if self._dice.chance(0.2) else ())]
        seen: set[int] = set()
        found = []
        for pet in (pet for owner in owners for pet in owner.pets):
            if pet.number in seen or not self._dice.chance(0.2 if pet.deceased else 0.92):
                continue
            seen |= self._same[pet.number]
            found.append(self._entry(pet))
        if self._dice.chance(0.03):
            taken = {pet.name for owner in (*person.registrations, *person.partner) for pet in owner.pets}
            name = _PET.draw(self._dice)
            found += [] if name in taken else [ListedPet(name, "dog", frozenset())]
        return _fitting(found)

    def _entry(self, pet: PetSeed) -> ListedPet:
        species = pet.species if self._dice.chance(0.75) else ""
        return ListedPet(typed_name(pet.name, self._dice), species, self._same[pet.number])

    def _pets_text(self, listed: Sequence[ListedPet]) -> str:
        """The field in its documented layout, without the keys that VetBridge would write."""
        separator = "; " if self._dice.chance(0.8) else ", "
        return separator.join(_written(pet) for pet in listed)


def _written(pet: ListedPet) -> str:
    return f"{pet.name} ({pet.species})" if pet.species else pet.name


def _fitting(listed: Sequence[ListedPet]) -> tuple[ListedPet, ...]:
    """As many as the field has room for; of two names that read the same, the first."""
    kept: dict[str, ListedPet] = {}
    length = 0
    for pet in listed:
        length += len(_written(pet)) + 2
        if length - 2 <= LONGEST_PETS_TEXT:
            kept.setdefault(pet.name.casefold(), pet)
    return tuple(kept.values())
