"""VetBridge's own records: what a client, a pet and an appointment are, whatever side they stand at.

Ids are always the id *at the side the record was read from*; they are text, because vendors change their types.
Codes (species, sex, appointment type, resource, status) are VetBridge's own words, made from each side's codes by
its mapping and the site's code lists, so that two sides can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from vetbridge.core.instants import Instant


class Side(StrEnum):
    """The two ends of a pair."""

    BOOKING = "booking"
    PIMS = "pims"


class Kind(StrEnum):
    """What a record is. The last three are named here and filled by later versions."""

    CLIENT = "client"
    PET = "pet"
    APPOINTMENT = "appointment"
    ATTACHMENT = "attachment"
    REMINDER = "reminder"
    VACCINATION = "vaccination"


class AppointmentStatus(StrEnum):
    """Where a visit stands."""

    HELD = "held"
    BOOKED = "booked"
    CONFIRMED = "confirmed"
    ARRIVED = "arrived"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The owner of pets. ``phones`` and ``emails`` stand as the side holds them, the preferred one first.

    The address and ``registered_on`` (the day the side made the record) are known where the side shows them; they
    serve matching and are never written.
    """

    id: str | None = None
    given_name: str = ""
    family_name: str = ""
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    street: str = ""
    """Street and house number, in the order of the country."""
    postcode: str = ""
    city: str = ""
    registered_on: date | None = None
    active: bool = True
    opted_out: bool | None = None
    """Wants no messages. None: the side does not say."""
    version: str | None = field(default=None, compare=False)

    @property
    def full_name(self) -> str:
        """Given and family name, as people say it."""
        return f"{self.given_name} {self.family_name}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pet:
    """A patient. ``breed`` is the side's free text or code; ``species`` and ``sex`` are VetBridge's words."""

    id: str | None = None
    client_id: str | None = None
    name: str = ""
    species: str | None = None
    breed: str = ""
    sex: str | None = None
    birth_date: date | None = None
    deceased: bool = False
    active: bool = True
    version: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """A visit.

    ``client_id`` and ``pet_id`` are ids at the record's own side (None: the side names none). ``booker`` and
    ``booked_pet`` carry what a booking says about the person and the animal where the booking side has no such
    record, or only a copy of it. ``duration`` is in seconds. ``notes`` is the free text of the visit.
    """

    id: str | None = None
    client_id: str | None = None
    pet_id: str | None = None
    booker: Client | None = None
    booked_pet: Pet | None = None
    start: Instant
    duration: int
    status: AppointmentStatus = AppointmentStatus.BOOKED
    appointment_type: str | None = None
    resource: str | None = None
    notes: str = ""
    cancelled_by: str = ""
    cancel_reason: str = ""
    stamp: str = ""
    """VetBridge's mark, where the side has a field for it. Elsewhere it stands in a block of the notes."""
    version: str | None = field(default=None, compare=False)


Record = Client | Pet | Appointment

RECORD_TYPES: dict[Kind, type[Client] | type[Pet] | type[Appointment]] = {
    Kind.CLIENT: Client,
    Kind.PET: Pet,
    Kind.APPOINTMENT: Appointment,
}
