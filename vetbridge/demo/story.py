"""What a played morning is made of: bookings with their truth, and the steps in which they are played."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vetbridge.testing.clinic import Clinic, Service, StaffMember


class Case(StrEnum):
    """Why a booking is in the script."""

    KNOWN = "known owner"
    NEW = "new owner"
    TWICE = "new owner, two bookings"
    HOUSEHOLD = "household, one phone"
    DUPLICATE = "owner registered twice"
    MISSPELT = "misspelt"
    AMBIGUOUS = "truly ambiguous"


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
class Part:
    """A booking as the story has it, before it gets its number and its slot.

    The names, the contacts and the comment are what the owner types. ``owners`` are the numbers of the clinic's
    records that it may stand on; empty: the owner is new. ``pets`` likewise; empty: the animal is new.
    """

    case: Case
    story: str
    given_name: str
    family_name: str
    phone: str
    email: str = ""
    pet_name: str
    species: str
    breed: str = ""
    comment: str = ""
    owners: frozenset[int] = frozenset()
    pets: frozenset[int] = frozenset()
    linkable: bool = False
    """By the strict rule on the clinic as it was seeded; never by the matcher."""

    @property
    def full_name(self) -> str:
        """The name as it is typed into the widget."""
        return f"{self.given_name} {self.family_name}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One booking of the morning, with what is true about it at the end."""

    number: int
    reference: str
    """Stands in the comment, so that the visit is found wherever it hangs."""
    part: Part
    comment: str
    """With the reference in front."""
    service: Service
    slot: Slot
    """The slot that was booked first."""
    final: Slot
    """The slot at the end of the morning."""
    cancelled: bool = False


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
    """When the PIMS stops answering, in seconds after the begin."""

    def booking(self, number: int) -> Booking:
        """The booking with this number."""
        return self.bookings[number - 1]
