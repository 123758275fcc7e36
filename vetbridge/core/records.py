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
    """What a record is."""

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
    co_owners: tuple[str, ...] = ()
    """The names of others who own the pets too, as the PIMS holds them; never written. A name of one word is a given
    name, with the owner's family name."""
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
    carer_id: str | None = None
    """Another client who cares for it beside its owner, and may book for it; never written."""
    co_owner_ids: tuple[str, ...] = ()
    """Further clients who own a share of it beside its primary owner, the largest share first; never written."""
    name: str = ""
    species: str | None = None
    breed: str = ""
    sex: str | None = None
    birth_date: date | None = None
    deceased: bool = False
    active: bool = True
    version: str | None = field(default=None, compare=False)

    def is_owned_by(self, client_id: str | None) -> bool:
        """Whether this client owns it, or a share of it."""
        return client_id is not None and client_id in (self.client_id, *self.co_owner_ids)

    def is_shared_by(self, client_id: str | None) -> bool:
        """Whether this client owns a share of it, and is not its primary owner."""
        return self.is_owned_by(client_id) and client_id != self.client_id

    def is_cared_for_by(self, client_id: str | None) -> bool:
        """Whether this client is its carer, and no owner of it."""
        return client_id is not None and client_id == self.carer_id and not self.is_owned_by(client_id)

    def may_be_booked_by(self, client_id: str | None) -> bool:
        """Whether this client may book for it: who owns it, or a share of it, and who cares for it."""
        return self.is_owned_by(client_id) or self.is_cared_for_by(client_id)

    def owner_for(self, client_id: str) -> str:
        """On whom a visit of it stands that this client booked: its primary owner, where that is its carer; whoever
        owns a share of it has the visit on his own card."""
        return self.client_id if self.client_id is not None and self.is_cared_for_by(client_id) else client_id


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that hangs on a client or a pet; its content is fetched apart.

    ``pet_id`` is set where it hangs on a pet; ``client_id`` where it hangs on a client, or the side says whose the
    pet is.
    """

    id: str | None = None
    client_id: str | None = None
    pet_id: str | None = None
    name: str = ""
    """The file's name as the side has it. From outside: never a path."""
    notes: str = ""
    """Words that stand beside it."""
    made_at: Instant | None = None
    """When it came to the side, where that is told."""
    active: bool = True
    stamp: str = ""
    """VetBridge's mark, where the side has a field for it."""
    version: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vaccination:
    """A vaccine that a pet was given, and when the next one is due."""

    id: str | None = None
    pet_id: str | None = None
    service: str = ""
    """The PIMS's code of the vaccine: what it gives again is the same service. Empty: it has none."""
    name: str = ""
    """The vaccine in words."""
    given_on: date | None = None
    due_on: date | None = None
    """When the next one is due; None: never."""
    active: bool = True
    version: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """A service that is due, not the message about it.

    At a PIMS each due service of each pet is a record of its own (``pet_id``, ``service``, ``name``, ``due_on``,
    ``completed``). At a booking side there is one for each client, with the client's id: what stands on its card
    about the next due service of all its pets (``name``, ``pet_name``, ``due_on``, ``due_soon``, ``overdue``).
    """

    id: str | None = None
    client_id: str | None = None
    pet_id: str | None = None
    service: str = ""
    """The PIMS's code of the service. Empty: it has none."""
    name: str = ""
    """The service in words. At a booking side empty where nothing is due."""
    pet_name: str = ""
    due_on: date | None = None
    completed: bool = False
    active: bool = True
    due_soon: bool = False
    """At a booking side: the card is marked so, for the clinic's own campaigns."""
    overdue: bool = False
    """The same."""
    notified: str = ""
    """At a booking side: VetBridge's stamp of the last notice that it sent."""
    version: str | None = field(default=None, compare=False)


Record = Client | Pet | Appointment | Attachment | Vaccination | Reminder

RECORD_TYPES: dict[Kind, type[Record]] = {
    Kind.CLIENT: Client,
    Kind.PET: Pet,
    Kind.APPOINTMENT: Appointment,
    Kind.ATTACHMENT: Attachment,
    Kind.REMINDER: Reminder,
    Kind.VACCINATION: Vaccination,
}
