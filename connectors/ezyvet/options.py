"""An ezyVet account's options, and what the connector can do with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connectors.ezyvet.paths import BOOKING_SCOPE, DATABASE, ENDPOINTS, LISTS
from vetbridge.connector.interface import (
    BudgetSpec,
    Capabilities,
    ExactlyOnce,
    KindCapabilities,
    Relink,
    Unlinked,
)
from vetbridge.connector.plugin import Options, safe_address
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind

SCOPES = (
    "read-contact",
    "write-contact",
    "read-contactdetail",
    "write-contactdetail",
    "read-contactdetailtype",
    "read-address",
    "read-animal",
    "write-animal",
    "read-animalcolour",
    "read-sex",
    "read-breed",
    "read-appointment",
    "write-appointment",
    "read-appointmenttype",
    "read-appointmentstatus",
    "read-resource",
    "read-separation",
    "read-systemsetting",
)
"""Rights that are asked for by default."""

FILES = ("read-attachment", "write-attachment")
VACCINATIONS = ("read-vaccination", "read-consult")
"""Rights to add for files and for vaccinations: a token is not asked for what a site may not have been given."""

CLIENT = "client"
CLINIC = "clinic"
"""Who may have cancelled a visit, in VetBridge's words."""

RecordId = Annotated[str, Field(coerce_numbers_to_str=True, pattern=r"^[1-9][0-9]{0,17}$")]
"""The id of a record of the site, written as a number or as text."""


FieldName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.\[\]-]{0,59}$")]
"""What ezyVet calls a field, or a part of a form."""


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DetailTypes(_Group):
    """Ids of the site's contact detail types; the defaults are those of two known clinics."""

    email: RecordId = "1"
    mobile: RecordId = "3"
    phone: RecordId = "4"
    other_phones: tuple[RecordId, ...] = ()
    """Further types that hold a phone: they are read and never written."""


class NewClient(_Group):
    """What a client gets that VetBridge creates, beside names and contact details."""

    stop_credit: str | None = "OK"


class NewPet(_Group):
    """Look-up ids a pet gets that VetBridge creates, where the booking does not say."""

    sex_id: RecordId | None = None
    animalcolour_id: RecordId | None = None
    breed_id: RecordId | None = None


class CancellationReasons(_Group):
    """Numbers of the site's cancellation reasons by who cancelled; whoever is not the client counts as the clinic."""

    client: int | None = None
    clinic: int | None = None


class EzyCab(_Group):
    """What a booking through ezyCAB needs to know of the site (ezyvet.md, section 7)."""

    placeholder_contact: RecordId
    """The site's placeholder client: its visits are never booked through ezyCAB, which would open a consult."""
    unconfirmed: RecordId | None = None
    confirmed: RecordId | None = None
    """Which of the site's statuses ezyCAB's two words stand for; a visit of another status is created plainly."""
    url: Annotated[str, AfterValidator(safe_address)] | None = None
    """Where ezyCAB answers; None: at ``apiv2`` where ``base_url`` is one of ezyVet's ``api`` hosts, else there."""


class Upload(_Group):
    """What the parts of an upload are called; the sheet knows of them, and not their names (ezyvet.md, section 7)."""

    file: FieldName = "file"
    record_type: FieldName = "record_type"
    record_id: FieldName = "record_id"
    name: FieldName | None = "name"
    notes: FieldName | None = "notes"
    """None: there is no such part, and a file is found again by its name alone."""


class Therapeutics(_Group):
    """What the fields of the site's therapeutics are called; the sheet knows none of them."""

    due: FieldName
    """The day when the next one is due, in unix seconds."""
    service: FieldName
    name: FieldName
    pet: FieldName | None = None
    consult: FieldName | None = None

    @model_validator(mode="after")
    def _of_a_pet(self) -> Self:
        if self.pet is None and self.consult is None:
            raise ValueError("therapeutics need the field pet or the field consult, to know whose they are")
        return self


class DueServices(_Group):
    """What due services are derived from, beside vaccinations: ezyVet has none of their own."""

    wellness_plans: bool = False
    therapeutics: Therapeutics | None = None


def _site_uid(value: str) -> str:
    """Raises ValueError where nothing stands there: ezyVet demands it of every token since March 2026."""
    if not value.strip():
        raise ValueError("site_uid is empty; ezyVet demands it, and it stands in the credential file")
    return value.strip()


class EzyVetOptions(Options):
    """Options of an ezyVet account; docs/connectors/ezyvet.md says where each value is found."""

    base_url: Annotated[str, AfterValidator(safe_address)] = "https://api.ezyvet.com"
    partner_id: Annotated[str, Field(coerce_numbers_to_str=True)] | None = None
    """May be absent for credentials that a clinic issued itself."""
    client_id: str | Secret
    client_secret: Secret
    site_uid: Annotated[str, AfterValidator(_site_uid)]
    scope: tuple[str, ...] = SCOPES
    detail_types: DetailTypes = DetailTypes()
    new_client: NewClient = NewClient()
    new_pet: NewPet = NewPet()
    ownership_id: RecordId | None = None
    """The separation (division) that new clients belong to; None: that of ``separation``."""
    separation: RecordId | None = None
    """The separation that is this site: visits and resources of others are left out, new clients belong to it."""
    separation_clients: bool = False
    """Clients of other separations are left out, too, and pets that say whose they are. An owner whom another
    branch knows is then created a second time."""
    booking: Literal["plain", "ezycab"] = "plain"
    """How a visit of a known client and pet is created; ``ezycab`` opens a consult, and is not yet verified."""
    ezycab: EzyCab | None = None
    cancellation_reason: int | None = None
    """Number of the site's cancellation reason, where ``cancellation_reasons`` has none for who cancelled."""
    cancellation_reasons: CancellationReasons = CancellationReasons()
    block_types: tuple[RecordId, ...] = ()
    """Appointment types that are calendar blocks, never visits."""
    patch_type: str = "application/json"
    """Content type of a change to a contact or animal; which one ezyVet wants there is not documented."""
    upload: Upload = Upload()
    due_services: DueServices = DueServices()
    page_size: int = Field(default=200, ge=1, le=200)
    overlap_seconds: int = Field(default=300, ge=0)
    """How far before the last poll a poll looks again: ``modified_at`` has whole seconds, so ties would be lost."""
    late_landing: float = Field(default=0.0, ge=0)
    """Seconds in which a write whose answer was lost may still appear; ezyVet's is not documented."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.booking == "ezycab" and self.ezycab is None:
            raise ValueError("booking: ezycab needs the section ezycab, with placeholder_contact at least")
        if "read-vaccination" in self.scope and "read-consult" not in self.scope:
            raise ValueError(
                "the scope read-vaccination needs read-consult: a vaccination has its pet by its consult"
            )
        return self

    @property
    def rights(self) -> tuple[str, ...]:
        """The scopes that a token is asked for."""
        needed = [BOOKING_SCOPE] if self.booking == "ezycab" else []
        if self.due_services.wellness_plans:
            needed.append("read-wellnessplanmembership")
        if self.due_services.therapeutics is not None:
            needed.append("read-therapeutic")
            needed += ["read-consult"] if self.due_services.therapeutics.consult else []
        return tuple(dict.fromkeys((*self.scope, *needed)))

    @property
    def new_owner_id(self) -> str | None:
        """The separation that a new client belongs to; None: ezyVet chooses."""
        return self.separation if self.ownership_id is None else self.ownership_id

    @property
    def booking_url(self) -> str:
        """Where ezyCAB answers: the second origin (ezyvet.md, section 1), where nothing else is said."""
        if self.ezycab is not None and self.ezycab.url is not None:
            return self.ezycab.url
        host = urlsplit(self.base_url).hostname or ""
        if host in ("api.ezyvet.com", "api.trial.ezyvet.com"):
            return self.base_url.replace("//api.", "//apiv2.", 1)
        return self.base_url

    def reason_for(self, by: str) -> int | None:
        """The number of the reason to cancel with; ``by`` is ``client``, or somebody at the clinic. None: unknown."""
        known = self.cancellation_reasons.client if by == CLIENT else self.cancellation_reasons.clinic
        return self.cancellation_reason if known is None else known

    def cancelled_by(self, reason: int | None) -> str:
        """Who cancelled with a reason of that number, where the options tell the two apart; else ""."""
        reasons = self.cancellation_reasons
        if reason is None or reasons.client == reasons.clinic:
            return ""
        return {reasons.client: CLIENT, reasons.clinic: CLINIC}.get(reason, "")


def capabilities(options: EzyVetOptions) -> Capabilities:
    """What ezyVet can do with these options; docs/connectors/ezyvet.md, section Abilities.

    Nothing is written better than by looking: ezyVet has neither an idempotency key, nor a version or an ETag that a
    write could name, nor a reference of the caller's that it keeps unique (ezyvet.md, section 9). A change or a
    cancellation whose answer was lost is judged by reading the record again, which shows the fields that were sent.
    """
    return Capabilities(
        side="pims",
        kinds={
            Kind.CLIENT: KindCapabilities(
                read=True,
                search=frozenset({"phone", "email"}),
                create=ExactlyOnce.LOOK,
                changed=ExactlyOnce.LOOK,
                update=frozenset({"given_name", "family_name"}),
                incremental=True,
                deletions_visible=True,
            ),
            Kind.PET: KindCapabilities(
                read=True,
                search=frozenset({"client_id"}),
                create=ExactlyOnce.LOOK,
                changed=ExactlyOnce.LOOK,
                update=frozenset({"name", "species", "sex", "birth_date"}),
                incremental=True,
                deletions_visible=True,
                loss={"breed": "a look-up list of the site's; a booked breed is not written"},
            ),
            Kind.APPOINTMENT: KindCapabilities(
                read=True,
                search=frozenset({"client_id", "pet_id", "start_from", "start_before"}),
                create=ExactlyOnce.LOOK,
                changed=ExactlyOnce.LOOK,
                update=frozenset(
                    {
                        "start",
                        "duration",
                        "status",
                        "appointment_type",
                        "resource",
                        "notes",
                        "client_id",
                        "pet_id",
                    }
                ),
                cancel=None not in (options.reason_for(CLIENT), options.reason_for(CLINIC)),
                incremental=True,
                deletions_visible=True,
                unlinked=Unlinked.PLACEHOLDER,
                relink=Relink.UNVERIFIED,
                loss={"resource": "the first of several; a change of it keeps the others"},
            ),
            **_other_kinds(options),
        },
        budgets=(
            BudgetSpec(name=DATABASE, calls=180, seconds=60.0, per="database and partner", shared=True),
            *(
                BudgetSpec(name=f"endpoint:{name}", calls=60, seconds=60.0, per="endpoint", shared=True)
                for name in ENDPOINTS
            ),
        ),
        hints=True,
        code_lists=frozenset(name for name, resource in LISTS.items() if f"read-{resource}" in options.scope),
        late_landing=options.late_landing,
        proven="documented in part; not yet run against a live site",
        needs_vendor=(
            "a partner id, and credentials for each site",
            "whether a visit can be moved to another client and pet (a fresh read after the write shows it)",
            "whether ezyCAB books as its documents say (plain appointments are the default)",
            "how a slot that is taken is refused (VetBridge looks for a free one itself)",
            "which webhooks there are beside those of appointments (polls find what none told)",
            "whether a new record shows in lists at once (option late_landing)",
            "what becomes of a merged contact's id",
            "what the parts of an upload are called, and how long a file may be (option upload)",
            "what the fields of therapeutics are called (option due_services)",
        ),
    )


def _other_kinds(options: EzyVetOptions) -> dict[Kind, KindCapabilities]:
    """Those whose rights the options ask for."""
    kinds = {}
    told = KindCapabilities(read=True, incremental=True, deletions_visible=True)
    if "read-attachment" in options.scope:
        writes = "write-attachment" in options.scope
        kinds[Kind.ATTACHMENT] = replace(
            told,
            search=frozenset({"client_id", "pet_id"}),
            create=ExactlyOnce.LOOK if writes else None,
            hangs_on=frozenset({Kind.CLIENT, Kind.PET} if writes else ()),
        )
    if set(VACCINATIONS) <= set(options.scope):
        kinds[Kind.VACCINATION] = told
    if options.due_services != DueServices():
        kinds[Kind.REMINDER] = told
    return kinds
