"""What a played morning is made of: bookings and desk visits with their truth, and the steps that are played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from vetbridge.testing.clinic import Clinic, Owner, Service, StaffMember

VACCINE_NAME = "Rabies vaccination"
"""The vaccine that pets were given."""
DUE_FIELDS = {
    "service": "due_service",
    "pet": "due_pet",
    "date": "due_on",
    "notified": "due_notified",
}
"""The custom fields of a card that say which service is due next, by the connector's words."""
DUE_LABELS = {"soon": "Service due soon", "overdue": "Service overdue"}
"""The labels of a card, likewise."""


class Case(StrEnum):
    """Why a booking is in the script."""

    KNOWN = "known owner"
    NEW = "new owner"
    TWICE = "new owner, two bookings"
    HOUSEHOLD = "household, one phone"
    DUPLICATE = "owner registered twice"
    MISSPELT = "misspelt"
    AMBIGUOUS = "truly ambiguous"
    ELSEWHERE = "pet died elsewhere"
    """In a chain: a client of two branches books for a pet that has died, as only the other branch knows."""


class DeskCase(StrEnum):
    """Why a visit that the front desk makes in the PIMS is in the script."""

    CARD = "known, with a card"
    CARDLESS = "known, no card yet"
    PHONELESS = "known, no phone"
    PARTNER = "couple, one card"
    PURGED = "made for the purge"


class Deed(StrEnum):
    """What somebody does."""

    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    STATUS = "status"
    """Confirms a visit, or says that it has begun, is over, or that nobody came."""
    NOTE = "note"
    """Writes a line of its own into a visit's notes."""


class Actor(StrEnum):
    """Who does it, and where."""

    OWNER = "owner"
    """The owner, in the platform's booking widget."""
    DESK = "desk"
    """The front desk, in the platform's calendar."""
    PRACTICE = "practice"
    """The front desk, in the PIMS."""


class Status(StrEnum):
    """Where a visit stands that is not cancelled."""

    BOOKED = "booked"
    CONFIRMED = "confirmed"
    ARRIVED = "arrived"
    COMPLETED = "completed"
    NO_SHOW = "no_show"


class Right(StrEnum):
    """Which side is right where both changed the same visit, as the receptionist says it."""

    BOOKING = "booking"
    PIMS = "pims"


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
    status: Status = Status.BOOKED
    line: str = ""
    """What the desk writes into the visit's notes in the PIMS; nobody but the desk may take it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visit that the front desk makes in the PIMS, for an owner on the phone, with what is true at the end."""

    number: int
    reference: str
    """Stands in the visit's notes in the PIMS."""
    case: DeskCase
    owner: int
    """Number of the clinic's record that it is made on."""
    pet: int
    card: int | None = None
    """Number of the owner whose card at the platform it belongs on; None: a card is made, or there is none."""
    service: Service
    slot: Slot
    final: Slot
    slots: tuple[Slot, ...]
    """All slots that it ever has; nobody else ever has one of them."""
    cancelled: bool = False
    status: Status = Status.BOOKED


@dataclass(frozen=True, slots=True)
class Block:
    """A calendar block in the PIMS: time that nobody can book, and no visit."""

    reference: str
    slot: Slot
    minutes: int


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens ``at`` so many seconds after the morning's begin, to a booking or to a desk visit."""

    at: float
    deed: Deed
    booking: int
    """Number of the booking; 0 where the step is about a desk visit."""
    by: Actor
    slot: Slot | None = None
    """Where a move goes."""
    visit: int = 0
    status: Status | None = None
    """What a visit's status becomes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receptionist knows about an ambiguous booking. ``owner``: number of the clinic's record; None: new."""

    booking: int
    owner: int | None
    then: Step
    """What happens to the visit once it is on its owner; its time does not count."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both sides change one visit while VetBridge is paused, and the receptionist says which one is right."""

    steps: tuple[Step, ...]
    """Their times do not count."""
    right: Right

    @property
    def booking(self) -> int:
        """Number of the booking."""
        return self.steps[0].booking


@dataclass(frozen=True, slots=True)
class Mourner:
    """A client of two branches whose pet is deceased at the other one, and a booking for it at this one."""

    booking: int
    owner: int
    """Number of this branch's record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A file that the desk puts on the owner of a booking, at one side."""

    number: int
    booking: int
    name: str
    content: bytes
    at_pims: bool
    """It is put there; else on the owner's card at the platform."""
    carried: bool
    """It belongs on both sides. Of the others one is for the practice alone, and one nobody can open."""


class DueCase(StrEnum):
    """Why a pet with a service that is due is in the script."""

    SOON = "due soon"
    OVERDUE = "overdue"
    TOLD = "its owner is told today"
    VISIT = "a visit is booked"
    DIES = "dies in the morning"
    OPTS_OUT = "its owner wants no messages"


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePet:
    """A pet whose next vaccination is due ``in_days`` from the day of the morning; below 0 it is overdue.

    ``owner`` and ``pet`` are numbers of the clinic's records; the owner has a card and, but for the one who has
    booked, nothing else in the morning.
    """

    number: int
    case: DueCase
    owner: int
    pet: int
    in_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Morning:
    """The whole script. ``bookings[n - 1]`` is the booking with number n, ``visits`` likewise."""

    seed: int
    clinic: Clinic
    bookings: tuple[Booking, ...]
    steps: tuple[Step, ...]
    """In the order of time."""
    seconds: float
    """How long the morning is played."""
    outage_at: float
    """When the PIMS stops answering, in seconds after the begin."""
    outage_seconds: float
    """For how long; 0: it answers all the time."""
    visits: tuple[Visit, ...] = ()
    block: Block | None = None
    answers: tuple[Answer, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    mourner: Mourner | None = None
    """Books once VetBridge knows that both branches' records are of one person; the step is none of ``steps``."""
    registered: Owner | None = None
    """An owner of another branch whom this one knows, too: the desk enters her before the morning."""
    unmapped: Service | None
    """The service that the config does not know at first; None: it knows all."""
    papers: tuple[Paper, ...] = ()
    """``papers[n - 1]`` is the file with number n."""
    due: tuple[DuePet, ...] = ()
    """``due[n - 1]`` is the pet with number n."""
    fuse: int
    """How many visits VetBridge may cancel, move or overwrite in an hour: what the morning takes, and a few more."""

    def booking(self, number: int) -> Booking:
        """The booking with this number."""
        return self.bookings[number - 1]

    def visit(self, number: int) -> Visit:
        """The desk visit with this number."""
        return self.visits[number - 1]

    def of(self, step: Step) -> Booking | Visit:
        """The booking or the desk visit that a step is about."""
        return self.visit(step.visit) if step.visit else self.booking(step.booking)

    @property
    def without_code(self) -> tuple[Booking, ...]:
        """The bookings of the service that the config does not know at first."""
        return tuple(one for one in self.bookings if one.service == self.unmapped)

    @property
    def references(self) -> frozenset[str]:
        """What marks its bookings, its desk visits and its calendar block."""
        subjects: list[Booking | Visit | Block] = [*self.bookings, *self.visits]
        return frozenset(one.reference for one in [*subjects, *([self.block] if self.block else [])])

    @property
    def purged(self) -> tuple[Visit, ...]:
        """The desk visits that are all cancelled at once at the end."""
        return tuple(one for one in self.visits if one.case is DeskCase.PURGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One practice with its morning: the only one, or one of a chain."""

    site: str
    """What VetBridge's config calls it."""
    title: str
    """What people call it."""
    morning: Morning
    of_chain: bool = False
    pims: str = "ezyvet"
    """Whose practice system it has."""

    @property
    def booking_account(self) -> str:
        """Its account at the booking platform."""
        return f"altegio-{self.site}"

    @property
    def pims_account(self) -> str:
        """Its account of the PIMS."""
        return f"{self.pims}-{self.site}"

    def named(self, word: str) -> str:
        """The name of something that each branch has."""
        return f"{word}-{self.site}" if self.of_chain else word


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the people of the morning saw while it was played; nothing at the end of it shows that it was once so."""

    parked: Mapping[int, int] = field(default_factory=dict)
    """Bookings that stood on the placeholder when they were answered: number, and id of the appointment."""
    asked: frozenset[int] = frozenset()
    """Bookings about which VetBridge asked which side is right, and was answered."""
    replayed: frozenset[int] = frozenset()
    """Bookings that had failed and stood nowhere in the PIMS when they were replayed."""
    recognised: frozenset[int] = frozenset()
    """Bookings about which VetBridge asked because the pet is deceased at another branch, naming it."""
    entered: frozenset[int] = frozenset()
    """Contacts of the PIMS that the desk had entered before the morning."""
    put: frozenset[int] = frozenset()
    """Files that the desk had an owner for, and put on one side."""
    refused: frozenset[int] = frozenset()
    """Files that VetBridge said it would not carry."""
    noted: frozenset[int] = frozenset()
    """Pets with a service that is due whose owner wants no messages, as the work list told the desk."""
    marked: frozenset[int] = frozenset()
    """Pets whose owner's card was marked at some time, where nothing may be left of it at the end."""
    held: int = 0
    """Cancellations that the fuse held back: the visits still stood at the platform."""
