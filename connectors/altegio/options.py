"""What an Altegio account is told by its config, and what it can do.

Imports no HTTP library: every command reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from connectors.altegio import wire
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


Number = Annotated[str, BeforeValidator(_as_text), Field(pattern=r"^[0-9]{1,18}$")]
"""A number of Altegio's, given as a number or as text."""


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
        unknown = sorted(set(value) - set(PET_FIELDS))
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; known are {', '.join(PET_FIELDS)}")
        return {**PET_FIELDS, **value}


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
    ),
)
