"""What a practice keeps, in VetBridge's words: the same for every system, read straight from its database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

FIRST_CLIENT = 1000
"""The card of the clinic's owner n has the number 1000 + n."""
FIRST_PET = 5000
"""The clinic's pet n has the number 5000 + n."""
FIRST_VISIT = 20_000
"""The twins' visit n has the number 20,000 + n."""
FIRST_NEW = 1_000_000
"""What is entered later is numbered from here on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptClient:
    """An owner on a card. ``number`` is what staff call the card."""

    id: str = ""
    number: int = 0
    given_name: str = ""
    family_name: str = ""
    partner_given_name: str = ""
    partner_family_name: str = ""
    """Of the second person on the same card."""
    phones: tuple[str, ...] = ()
    email: str = ""
    comment: str = ""
    active: bool = True
    deleted: bool = False

    @property
    def seed(self) -> int | None:
        """The number of the clinic's owner; None: entered later."""
        return _seed(self.number, FIRST_CLIENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPet:
    """An animal. ``carer_id`` is a second client who may bring it."""

    id: str = ""
    number: int = 0
    client_id: str = ""
    carer_id: str = ""
    name: str = ""
    species: str = ""
    """VetBridge's word, as ``sex`` is; where the practice has another value, that."""
    breed: str = ""
    """Empty, too, where the system keeps it as a number that nobody has the names of."""
    sex: str = ""
    birth_date: date | None = None
    deceased: bool = False
    active: bool = True
    deleted: bool = False

    @property
    def seed(self) -> int | None:
        """The number of the clinic's pet; None: entered later."""
        return _seed(self.number, FIRST_PET)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVisit:
    """An appointment. ``start`` is the clinic's wall clock, without an offset."""

    id: str = ""
    client_id: str = ""
    """Empty: it is nobody's yet, as is ``pet_id``."""
    pet_id: str = ""
    start: datetime
    minutes: int = 15
    resource: str = ""
    """VetBridge's word, as ``appointment_type`` and ``status`` are."""
    appointment_type: str = ""
    status: str = "booked"
    notes: str = ""
    deleted: bool = False
    series: str = ""
    """The same for visits that recur; ``cluster`` for parts that were booked together."""
    cluster: str = ""

    @property
    def ends(self) -> datetime:
        """The wall clock when it is over."""
        return self.start + timedelta(minutes=self.minutes)


Kept = KeptClient | KeptPet | KeptVisit


def _seed(number: int, first: int) -> int | None:
    return number - first if first < number < FIRST_NEW else None
