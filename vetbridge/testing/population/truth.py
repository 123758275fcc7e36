"""Who is right: which cards a booking means, and whether a careful person could tell."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from vetbridge.testing.population.circles import Animal, Circle, Home, OwnerCard, Person


@dataclass(slots=True)
class Truth:
    """The cards that a booking means (none: a new client), the others of the same family, and the right pet cards."""

    right: list[OwnerCard] = field(default_factory=list)
    household: list[OwnerCard] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)


def meant(circle: Circle, person: Person, animal: Animal | None) -> Truth:
    """The truth about ``person`` booking for ``animal``; an animal that no card holds, or none, means own cards.

    A card that holds the animal now is right, whoever of the family books. So is every other card of the same owner:
    a second registration, or one that stands for both when the booker is one of them.
    """
    holding = [card for card in circle.cards if animal is not None and _holds(card, animal)]
    right = list(holding)
    owners = [{person.number}] if not holding else [{one.number for one in card.people} for card in holding]
    for card in circle.cards:
        people = {one.number for one in card.people}
        if card not in right and any(
            people & owner and (len(owner) == 1 or person.number in people) for owner in owners
        ):
            right.append(card)
    groups = {one.group for card in right for one in card.people} | {person.group}
    household = [card for card in circle.cards if card not in right and card.people[0].group in groups]
    patients = [pet.patient_id for card in right for pet in card.pets if pet.animal is animal and pet.current]
    return Truth(right, household, [] if animal is not None and animal.dead else patients)


def _holds(card: OwnerCard, animal: Animal) -> bool:
    return any(pet.animal is animal and pet.current for pet in card.pets)


class Twins:
    """Which names occur in more than one circle, in a few bits for each: about one in 200 is taken for another."""

    def __init__(self, size: int) -> None:
        self._bits = max(16, (size * 512).bit_length())
        self._once = bytearray(1 << self._bits - 3)
        self._twice = bytearray(1 << self._bits - 3)

    def add(self, circle: Circle) -> None:
        """Counts the names of a circle."""
        keys = set()
        for card in circle.cards:
            for pet in card.pets:
                name = pet.animal.name
                keys.add(self._place("", "", name))
                for one in card.people:
                    keys.add(self._place("", one.family, name))
                    keys.add(self._place(one.given, one.family, name))
        for key in keys:
            place, bit = key >> 3, 1 << (key & 7)
            self._twice[place] |= self._once[place] & bit
            self._once[place] |= bit

    def several(self, given: str, family: str, pet: str) -> bool:
        """Whether owners of two circles bear these names (an empty one stands for any) and have such a pet."""
        key = self._place(given, family, pet)
        return bool(self._twice[key >> 3] & 1 << (key & 7))

    def any(self, given: str, family: str, pet: str) -> bool:
        """Whether an owner bears these names and has such a pet."""
        key = self._place(given, family, pet)
        return bool(self._once[key >> 3] & 1 << (key & 7))

    def _place(self, given: str, family: str, pet: str) -> int:
        return zlib.crc32(f"{given}\t{family}\t{pet}".lower().encode()) >> max(0, 32 - self._bits)


@dataclass(slots=True)
class Told:
    """What of a booking is there and undamaged, as a careful reader would find it.

    ``who`` is the person whose name is written, if it is somebody of the circle or the booker; phone and e-mail are
    empty where the booking has none that can be read.
    """

    who: Person | None = None
    given: bool = False
    family: bool = False
    phone: str = ""
    email: str = ""
    home: Home | None = None
    animal: Animal | None = None
    detail: bool = False
    """The pet's breed or birth date is given."""


def unclear(told: Told, truth: Truth, circle: Circle, twins: Twins) -> bool:
    """Whether a careful person could not decide: nothing sure enough speaks for a right card, or as much for a wrong
    one of the same circle."""
    views = {card.owner_id: _view(card, told) for card in circle.cards}
    right = [views[card.owner_id] for card in truth.right]
    wrong = [views[card.owner_id] for card in circle.cards if card not in truth.right]
    if all(any(_as_good(other, own) for other in wrong) for own in right):
        return True
    contact = any(view.contact for view in right)
    given = any(view.given for view in right)
    family = told.family and any(view.family for view in right)
    pet = any(view.pet for view in right)
    address = any(view.address for view in right)
    contact = contact or (pet and any(views[card.owner_id].contact for card in truth.household))
    if contact and (given or family or pet):
        return False
    if given and family and (pet or address):
        return not address and _twin(told, twins, full=True)
    if family and pet:
        return not address and (not told.detail or _twin(told, twins, full=False))
    if pet and address:
        return False
    if pet and told.detail and not told.family and told.animal is not None:
        return twins.several("", "", told.animal.name)
    return True


@dataclass(slots=True)
class _View:
    contact: bool
    given: bool
    family: bool
    pet: bool
    address: bool


def _view(card: OwnerCard, told: Told) -> _View:
    who = told.who
    return _View(
        contact=bool((told.phone and told.phone in card.phones) or (told.email and told.email == card.mail)),
        given=told.given and who is not None and any(one.given == who.given for one in card.people),
        family=who is not None and any(one.family == who.family for one in card.people),
        pet=told.animal is not None and any(p.animal.name == told.animal.name for p in card.pets if p.current),
        address=told.home is not None and bool(card.street) and card.home.number == told.home.number,
    )


def _as_good(other: _View, own: _View) -> bool:
    return (
        other.contact >= own.contact
        and other.given >= own.given
        and other.pet >= own.pet
        and other.address >= own.address
        and (other.contact or other.given or other.pet or other.family)
    )


def _twin(told: Told, twins: Twins, *, full: bool) -> bool:
    if told.who is None or told.animal is None:
        return True
    return twins.several(told.who.given if full else "", told.who.family, told.animal.name)
