"""Which services are due, and what is said of them where: on the owner's card, by marks for the clinic's campaigns,
and in a notice.

Pure: what is known of one owner and the policy in, a standing out. A day is a day by the site's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from vetbridge.core.records import Pet, Reminder, Vaccination


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePolicy:
    """What a site says about due services; docs/configuration.md explains each. Spans are in days."""

    ahead: int = 183
    soon: int = 30
    overdue: int = 365
    card_overdue: bool = False
    merge: int = 30
    visit_before: int = 30
    visit_after: int = 60
    exempt_types: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    notice_days: tuple[int, ...] = ()
    """Days from the day a service is due, in order, on which its owner is told; none: nobody is sent a notice."""
    notice_late: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PetVisit:
    """A visit of a pet that stands: neither cancelled nor missed."""

    pet_id: str
    day: date
    appointment_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What is known of one owner: of one or several clients of a PIMS who share a card of the booking side."""

    pets: tuple[Pet, ...]
    vaccinations: tuple[Vaccination, ...] = ()
    reminders: tuple[Reminder, ...] = ()
    visits: tuple[PetVisit, ...] = ()
    active: bool = True
    opted_out: bool = False


class Held(StrEnum):
    """Why a service that is due says nothing."""

    OPTED_OUT = "opted-out"
    CLIENT_INACTIVE = "client-inactive"
    PET_DECEASED = "pet-deceased"
    PET_INACTIVE = "pet-inactive"
    COMPLETED = "completed"
    LATER = "later"
    """It is due further ahead than is looked."""
    LONG_AGO = "long-ago"
    """It has been overdue for too long."""
    VISIT = "visit-booked"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueService:
    """A service that is due for one pet. ``held`` says why nothing is said of it; None: it counts."""

    pet_id: str
    pet_name: str
    service: str
    name: str
    """What it is called to the owner."""
    due_on: date
    held: Held | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotice:
    """One message to one owner. ``key`` is the same for the same services on the same told day: sent once."""

    key: str
    services: tuple[DueService, ...]
    """The earliest first."""
    day: date
    """The told day it is for; it may be sent from then on, and until ``notice_late`` days later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What holds for an owner on one day."""

    services: tuple[DueService, ...]
    """All that are known, those that are held back too: by day, then by pet and name."""
    next: DueService | None
    """What the card names."""
    due_soon: bool
    overdue: bool
    notice: DueNotice | None


def standing(owner: Owner, policy: DuePolicy, today: date, *, told: Collection[str] = ()) -> Standing:
    """What holds for an owner today. ``told``: keys of the notices that were sent, or may have been."""
    raise NotImplementedError
