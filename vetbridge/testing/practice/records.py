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
    opted_out: bool = False
    """Wants no messages, where the system has a field for it."""
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
    """Its owner; of several, the one who is asked first."""
    carer_id: str = ""
    co_owners: tuple[tuple[str, int], ...] = ()
    """Further clients who own a share of it, each with the percentage, the largest share first; where the system
    knows shares. The rest is ``client_id``'s."""
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

    def is_owned_by(self, client_id: str) -> bool:
        """Whether a client owns it, or a share of it."""
        return client_id == self.client_id or client_id in {owner for owner, _ in self.co_owners}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVaccination:
    """A vaccine that a pet was given, as a line of its account."""

    id: str = ""
    pet_id: str = ""
    client_id: str = ""
    """Who pays for it; empty: the pet's owner."""
    code: str = ""
    description: str = ""
    given_on: date | None = None
    """None: today."""
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReminder:
    """A service that is due."""

    id: str = ""
    pet_id: str = ""
    code: str = ""
    description: str = ""
    given_on: date | None = None
    due_on: date | None = None
    completed: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDocument:
    """A file that hangs on a client or a pet; its content is read apart."""

    id: str = ""
    client_id: str = ""
    """Of a pet's: its owner, where nothing else is said."""
    pet_id: str = ""
    name: str = ""
    notes: str = ""
    media_type: str = "application/pdf"
    size: int = 0
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMessage:
    """An entry of the communication log. ``at`` is the clinic's wall clock."""

    id: str = ""
    client_id: str = ""
    pet_id: str = ""
    text: str = ""
    at: datetime | None = None
    """None: now."""


Kept = KeptClient | KeptPet | KeptVisit | KeptVaccination | KeptReminder | KeptDocument | KeptMessage


def _seed(number: int, first: int) -> int | None:
    return number - first if first < number < FIRST_NEW else None
