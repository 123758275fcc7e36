"""The script of a played morning: who books what, who moves and cancels, and what is true about each booking.

Pure and seeded. The truth comes from the made-up clinic and the story alone, never from the matcher: a booking is
*linkable* by the strict rule (a phone or e-mail of one active owner alone, the family name or the pet's name the
same or one letter off, the pet alive), applied to the clinic as it was seeded.
"""

from __future__ import annotations

import difflib
import itertools
import math
import random
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from vetbridge.testing import names
from vetbridge.testing.clinic import Clinic, Owner, PetSeed, Service, StaffMember, email_for, phone_for

FEWEST_BOOKINGS = 20
"""A shorter morning cannot hold every case."""
OUTAGE_SECONDS = 20.0
"""How long the PIMS does not answer."""
OPENS, CLOSES = 8, 18
"""Working hours of the clinic; Sundays are free."""
LONG_COMMENT = 3000
"""Characters of the longest comment of a morning."""


class Case(StrEnum):
    """Why a booking is in the script."""

    KNOWN = "known owner"
    NEW = "new owner"
    TWICE = "new owner, two bookings"
    HOUSEHOLD = "household, one phone"
    DUPLICATE = "owner registered twice"
    MISSPELT = "misspelt"
    AMBIGUOUS = "truly ambiguous"


SHARES: Mapping[Case, float] = MappingProxyType(
    {
        Case.NEW: 0.25,
        Case.TWICE: 0.05,
        Case.HOUSEHOLD: 0.15,
        Case.DUPLICATE: 0.05,
        Case.MISSPELT: 0.05,
        Case.AMBIGUOUS: 0.05,
    }
)
"""At least this share of the bookings; the rest are known owners."""
MOVED_SHARE = 0.10
CANCELLED_SHARE = 0.10
"""Shares of moved and cancelled bookings, across all cases; a truly ambiguous one is never cancelled."""


class Deed(StrEnum):
    """What somebody does at the booking platform."""

    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"


class Actor(StrEnum):
    """Who does it: the owner in the booking widget, or the front desk in the platform's calendar."""

    OWNER = "owner"
    DESK = "desk"


@dataclass(frozen=True, slots=True)
class Slot:
    """A vet and a start; ``start`` carries the clinic's zone."""

    vet: StaffMember
    start: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One booking with its truth.

    The names, the contacts and the comment are what the owner types. ``owners`` are the numbers of the clinic's
    records that it may stand on; empty: the owner is new. ``pets`` likewise; empty: the animal is new.
    """

    number: int = 0
    reference: str = ""
    """Stands in the comment, so that the visit is found wherever it hangs."""
    case: Case
    story: str
    given_name: str
    family_name: str
    phone: str
    email: str
    pet_name: str
    species: str
    breed: str
    comment: str = ""
    service: Service
    slot: Slot
    """The slot that was booked first."""
    final: Slot
    """The slot at the end of the morning."""
    cancelled: bool = False
    owners: frozenset[int] = frozenset()
    pets: frozenset[int] = frozenset()
    linkable: bool = False

    @property
    def full_name(self) -> str:
        """The name as it is typed into the widget."""
        return f"{self.given_name} {self.family_name}".strip()


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens ``at`` so many seconds after the morning's begin. ``slot`` is where a move goes."""

    at: float
    deed: Deed
    booking: int
    by: Actor
    slot: Slot | None = None


@dataclass(frozen=True, slots=True)
class Morning:
    """The whole script. ``bookings[n - 1]`` is the booking with number n; ``steps`` are in the order of time."""

    seed: int
    clinic: Clinic
    bookings: tuple[Booking, ...]
    steps: tuple[Step, ...]
    seconds: float
    """How long the morning is played."""
    outage_at: float

    def booking(self, number: int) -> Booking:
        """The booking with this number."""
        return self.bookings[number - 1]


def plan_morning(clinic: Clinic, seed: int, bookings: int, *, today: date) -> Morning:
    """The morning of ``seed`` with so many bookings, for visits from the day after ``today`` on.

    Raises ``ValueError`` where there are fewer than ``FEWEST_BOOKINGS``, or the clinic is too small for them.
    """
    if bookings < FEWEST_BOOKINGS:
        raise ValueError(f"a morning has at least {FEWEST_BOOKINGS} bookings, not {bookings}")
    return _Playwright(clinic, seed, bookings, today).morning()


def one_letter_off(one: str, other: str) -> bool:
    """Whether two names are equal but for case, or for one letter added, left out or replaced."""
    one, other = one.casefold(), other.casefold()
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1:
        return False
    place = next((n for n, letter in enumerate(one) if letter != other[n]), len(one))
    return one[place:] == other[place + 1 :] or one[place + 1 :] == other[place + 1 :]


class _Draws:
    """Random choices that mean the same for one seed in every version of Python: only ``random()`` is drawn."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def between(self, low: float, high: float) -> float:
        return low + self._random.random() * (high - low)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def index(self, count: int) -> int:
        return int(self._random.random() * count)

    def one_of[T](self, values: Sequence[T]) -> T:
        return values[self.index(len(values))]

    def shuffled[T](self, values: Sequence[T]) -> list[T]:
        keyed = [(self._random.random(), number, value) for number, value in enumerate(values)]
        return [value for _, _, value in sorted(keyed, key=lambda item: item[:2])]
