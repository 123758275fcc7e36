"""What stands on the two sides of a clinic: cards, bookings and visits, and which of them are one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from vetbridge.testing.clinic import Clinic


@dataclass(frozen=True, slots=True)
class ListedPet:
    """A pet as reception wrote it on a card. ``species`` is "" where none was written.

    ``pets`` are the numbers of the animal in the PIMS, one for each registration that has it; none where the PIMS
    does not know it.
    """

    name: str
    species: str
    pets: frozenset[int]


@dataclass(frozen=True, slots=True)
class Card:
    """A client at the booking platform.

    ``phone`` is as it stands there, no two cards have the same number. ``owners`` are the numbers of all
    registrations of the person in the PIMS, none where the PIMS does not know the person; ``partners`` those of who
    shares the phone, and so the card; ``both``: the card names both of them. ``pets_text`` is what stands in the
    field for pets; ``listed`` what it says.
    """

    number: int
    owners: frozenset[int]
    partners: frozenset[int]
    both: bool
    given_name: str
    family_name: str
    phone: str
    email: str
    pets_text: str
    listed: tuple[ListedPet, ...]


@dataclass(frozen=True, slots=True)
class Booking:
    """A visit at the booking platform. ``vet`` and ``service`` are the numbers of the clinic's, ``status`` is
    VetBridge's word; ``pet_name`` is "" where it was booked without a pet, ``pets`` are the animals in the PIMS that
    it is for. ``remind``: hours before it, at which the platform reminds the owner; 0: never.
    """

    number: int
    card: int
    vet: int
    service: int
    start: datetime
    minutes: int
    status: str
    pet_name: str
    pet_species: str
    pets: frozenset[int]
    comment: str
    online: bool
    remind: int


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit in the PIMS; ``owner`` and ``pet`` are the numbers of the clinic's records."""

    number: int
    owner: int
    pet: int
    vet: int
    service: int
    start: datetime
    minutes: int
    status: str
    note: str


@dataclass(frozen=True, slots=True)
class Block:
    """Time of a vet in which there are no visits."""

    vet: int
    start: datetime
    minutes: int
    words: str


@dataclass(frozen=True, slots=True)
class TwinSides:
    """Both sides. ``clinic`` is the PIMS's card index; whom the platform knows stands in ``cards``: nobody is
    ``online``. Everything is numbered from 1 on. ``today`` has no visits: those before it are past.

    ``same``: booking number to the numbers of the visits that it is; none where the PIMS does not have it.
    ``drifted``: bookings whose visit stands at another time or with another vet, so that nobody can be sure.
    """

    seed: int
    today: date
    clinic: Clinic
    cards: tuple[Card, ...]
    bookings: tuple[Booking, ...]
    visits: tuple[Visit, ...]
    booking_blocks: tuple[Block, ...]
    pims_blocks: tuple[Block, ...]
    same: Mapping[int, frozenset[int]]
    drifted: frozenset[int]
