"""What an Altegio account is told by its config, and what it can do.

Imports no HTTP library: every command reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from connectors.altegio import due, wire
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

BUDGETS: Final = (
    BudgetSpec(name="ip-second", calls=5, seconds=1.0, per="IP address", shared=True),
    BudgetSpec(name="ip-minute", calls=200, seconds=60.0, per="IP address", shared=True),
)
"""Altegio's limits (section 1). The minute stands last: it is the one that a 429 pauses."""

APP_BUDGETS: Final = (
    BudgetSpec(name="app-second", calls=2, seconds=1.0, per="IP address", shared=True),
    BudgetSpec(name="app-minute", calls=60, seconds=60.0, per="IP address", shared=True),
)
"""For the marketplace, which stands on another host whose limits are not documented: modest ones of the same kind."""

PET_FIELDS: Final = {"name": "pet_name", "species": "pet_species", "breed": "pet_breed", "key": "pet_key"}


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _known(given: Mapping[str, str], names: Mapping[str, str]) -> Mapping[str, str]:
    """What was given, where all its names are known. Raises ValueError."""
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; known are {', '.join(names)}")
    return given


Number = Annotated[str, BeforeValidator(_as_text), Field(pattern=r"^[0-9]{1,18}$")]
"""A number of Altegio's, given as a number or as text."""


FILE_TYPES: Final = frozenset({"jpeg", "jpg", "png", "gif", "doc", "docx", "pdf", "xls", "xlsx", "txt"})
"""Endings of files that Altegio takes (section 3.10)."""

LARGEST_FILE: Final = 12 * 1024 * 1024
"""Bytes of which a file must have fewer (section 3.10)."""

FILE_HOSTS: Final = {"api.alteg.io": "https://app.alteg.io", "api.yclients.com": "https://yclients.com"}
"""Where files stand, by the host of the API (section 3.10)."""

_Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,59}$")]


class FileDownload(Options):
    """How files are fetched, which is not known (section 3.10)."""

    address: Literal["full_link", "link"] = "full_link"
    """Which of the two addresses in a file's row is fetched."""
    authorise: bool = False
    """Whether the tokens are shown at ``host``."""
    host: Annotated[str, AfterValidator(safe_address)] | None = None
    """Where files stand; None: Altegio's or YCLIENTS's, by ``base_url``, and of another address that address."""
    hosts: tuple[str, ...] = ("alteg.io", "*.alteg.io", "yclients.com", "*.yclients.com")
    """All others from which they may come; ``*.example.com`` is every host below that one."""


class Mailing(Options):
    """The fields of a one-off mailing's body, which are not known (section 2)."""

    clients: _Name
    """The field that holds the list of clients' ids."""
    text: _Name


class AltegioOptions(Options):
    """Options of one Altegio account, which is one location."""

    base_url: Annotated[str, AfterValidator(safe_address)] = "https://api.alteg.io/api/v1"
    location_id: Number
    """Number of the location; Altegio's wire calls it company or salon."""
    partner_token: Secret
    user_token: Secret
    pet_fields: Mapping[str, str] = PET_FIELDS
    """Codes of the record custom fields that say which pet a visit is for: name, species, breed, key."""
    client_pets_field: str = "vetbridge_pets"
    """Code of the client custom field that holds the client's pets."""
    file_upload: str = Field(
        default="/company/{location}/clients/files/{client}",
        pattern=r"^/[A-Za-z0-9_/-]*\{location\}[A-Za-z0-9_/-]*\{client\}/?$",
    )
    """Path of a file's upload, which is not known (section 3.10)."""
    file_download: FileDownload = FileDownload()
    due_fields: Mapping[str, _Name] = Field(default_factory=dict)
    """Codes of the client custom fields that name the next service that is due, its pet and its day, and VetBridge's
    last notice; what is left out has no place."""
    due_labels: Mapping[str, Number] = Field(default_factory=dict)
    """Numbers of the client labels for services that are due soon and overdue; what is left out has no place."""
    mailing: Mailing | None = None
    """None: no message is ever sent."""
    page_size: int = Field(default=200, ge=1, le=200)
    overlap_seconds: int = Field(default=300, ge=0, le=86400)
    """How far before its cursor a poll begins, so that changes of one second, or written late, are not lost."""
    changed_after_zone: Literal["either", "site", "utc"] = "either"
    """Zone in which Altegio reads a poll's bound, which is not documented. ``either`` sends the earlier of the two
    local times, which loses nothing whichever is true."""

    late_landing: float = Field(default=0.0, ge=0, le=86400)
    """Seconds after a lost answer in which a write may still appear in lists. Not documented, so none is declared."""

    @field_validator("pet_fields")
    @classmethod
    def _known_pet_fields(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return {**PET_FIELDS, **_known(value, PET_FIELDS)}

    @field_validator("due_fields")
    @classmethod
    def _known_due_fields(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return _known(value, due.FIELDS)

    @field_validator("due_labels")
    @classmethod
    def _known_due_labels(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        return _known(value, due.LABELS)

    @model_validator(mode="after")
    def _each_of_its_own(self) -> Self:
        codes = [self.client_pets_field, *self.due_fields.values()]
        if len({*codes}) < len(codes) or len({*self.due_labels.values()}) < len(self.due_labels):
            raise ValueError("client_pets_field, due_fields and due_labels must name different fields and labels")
        return self

    @property
    def file_host(self) -> str:
        """Where files stand."""
        own = urlsplit(self.base_url)
        return self.file_download.host or FILE_HOSTS.get(own.hostname or "", f"{own.scheme}://{own.netloc}")


class AltegioApp(Options):
    """Options of an app on Altegio's marketplace (section 6). An account that is connected by it takes ``base_url``
    and both tokens from here."""

    application_id: Number
    """Number of the app in the developer's cabinet."""
    partner_token: Secret
    user_token: Secret
    """The hash of the app's system user, which Altegio calls ``application_token``: good for every location where the
    app is active."""
    base_url: Annotated[str, AfterValidator(safe_address)] = "https://api.alteg.io/api/v1"
    marketplace_url: Annotated[str, AfterValidator(safe_address)] = "https://app.alteg.io/marketplace"
    signed: Literal["required", "accepted"] = "required"
    """Whether a redirect is taken only with Altegio's signed word about who clicked, which the app's setting
    "transmit user data" switches on. A wrong signature is refused in any case."""
    activate_within_hours: float = Field(default=1.0, gt=0, le=168, allow_inf_nan=False)
    """Hours after Connect in which Altegio takes an activation: 1 in its guide, 12 in its own code."""


_LEVEL: Final = ExactlyOnce.LOOK
"""The best that can be done about every write: no idempotency key and no conditional write is documented, and
``api_id`` is neither unique nor a filter of any list (section 10), so what was written is found by listing."""

CAPABILITIES: Final = Capabilities(
    side="booking",
    kinds={
        Kind.CLIENT: KindCapabilities(
            read=True,
            search=frozenset({"phone", "email", "name"}),
            create=_LEVEL,
            changed=_LEVEL,
            update=frozenset({"given_name", "family_name", "phones", "emails", "opted_out"}),
            incremental=True,
            loss={
                "phones": "one phone, which is demanded; it is unique in the location",
                "emails": "one e-mail address",
                "given_name": "a client with one name only has it as given name",
            },
        ),
        Kind.PET: KindCapabilities(
            read=True,
            search=frozenset({"client_id"}),
            create=_LEVEL,
            changed=_LEVEL,
            update=frozenset({"name", "species"}),
            incremental=True,
            listed_with=Kind.CLIENT,
            loss={
                "name": "in a client's text field of 255 characters for all pets; ; , # ( ) are replaced",
                "breed": "not kept",
                "sex": "not kept",
                "birth_date": "not kept",
                "deceased": "not kept",
            },
        ),
        Kind.APPOINTMENT: KindCapabilities(
            read=True,
            search=frozenset({"start_from", "start_before"}),
            create=_LEVEL,
            changed=_LEVEL,
            update=frozenset(
                {
                    "client_id",
                    "pet_id",
                    "booked_pet.name",
                    "booked_pet.species",
                    "booked_pet.breed",
                    "start",
                    "duration",
                    "status",
                    "appointment_type",
                    "resource",
                    "notes",
                }
            ),
            cancel=True,
            incremental=True,
            deletions_visible=True,
            unlinked=Unlinked.YES,
            relink=Relink.YES,
            loss={
                "status": "held is kept as booked, completed as arrived",
                "appointment_type": "of several services the first",
                "start": "of an hour that occurs twice, the first is meant",
                "cancelled_by": "not kept",
                "cancel_reason": "not kept",
                "pet_id": "only together with a client",
            },
            text_limits={
                "booked_pet.name": wire.FIELD_LIMIT,
                "booked_pet.species": wire.FIELD_LIMIT,
                "booked_pet.breed": wire.FIELD_LIMIT,
            },
        ),
        Kind.ATTACHMENT: KindCapabilities(
            read=True,
            search=frozenset({"client_id"}),
            create=_LEVEL,
            hangs_on=frozenset({Kind.CLIENT}),
            file_types=FILE_TYPES,
            largest=LARGEST_FILE,
            loss={
                "name": "quotes may come back as %22, and other changes are not documented",
                "pet_id": "not kept",
                "notes": "read, and not written",
            },
        ),
        Kind.REMINDER: KindCapabilities(
            read=True,
            update=frozenset({*due.FIELDS.values(), *due.LABELS.values()}),
            changed=_LEVEL,
            text_limits=dict.fromkeys(("name", "pet_name", "notified"), wire.FIELD_LIMIT),
            notify=True,
        ),
    },
    budgets=BUDGETS,
    hints=True,
    code_lists=frozenset({"appointment_type", "resource"}),
    proven="documented in part; not yet run against a live account",
    needs_vendor=(
        "a partner token, and an application of its own for installs by the marketplace",
        "what Altegio answers while an install is frozen, and whether it says when that ends",
        "in which zone a poll's bound is read (until then the earlier of both is sent)",
        "how a busy slot and a second card with one phone are refused to staff (any refusal is looked at again)",
        "how a hidden phone looks (empty, missing and stars are taken for it)",
        "whether a visit that is cancelled, moved or confirmed by a user makes Altegio message its owner",
        "whether a webhook is tried again, and how soon (polls find what none told)",
        "how the download of a client's file is authorised, and the path of an upload (both are options)",
        "whether an upload keeps the file's name, and whether Altegio messages a client about a new file",
        "the fields of a one-off mailing (until the option names them no notice is sent)",
        "how a client's decline of a visit looks, if it is not a cancellation",
    ),
)
"""Of an account whose options name all that can be named."""


def capabilities_of(options: AltegioOptions) -> Capabilities:
    """What one account can do: due services stand where its options name a place, and notices go where they name the
    mailing's fields."""
    kinds = dict(CAPABILITIES.kinds)
    places = {due.FIELDS[what] for what in options.due_fields} | {due.LABELS[what] for what in options.due_labels}
    able = kinds.pop(Kind.REMINDER)
    if places or options.mailing is not None:
        limits = {name: most for name, most in able.text_limits.items() if name in places}
        kinds[Kind.REMINDER] = replace(
            able, update=frozenset(places), text_limits=limits, notify=options.mailing is not None
        )
    return replace(CAPABILITIES, kinds=kinds, late_landing=options.late_landing)
