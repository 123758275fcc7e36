"""The simulator's switches: where the sheet knows two answers, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

V1_ANIMAL_SUNSET = datetime(2026, 10, 13, tzinfo=UTC)
"""From here on ``GET /v1/animal`` is no longer served (ezyvet.md, section 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Each is a keyword of ``build``; docs/connectors/ezyvet.md lists them."""

    # Tokens: section 2.
    token_kills_old: bool = False
    """A new token ends the ones before it (seen by one source)."""
    token_shape: Literal["jwt", "opaque"] = "jwt"  # noqa: S105 - the name of a shape
    """A JWT with the claims that were seen, or 64 characters as in older days."""
    expires_in: Literal["duration", "epoch"] = "duration"
    """A token's end is told in seconds from now or as an absolute epoch."""
    partner_id: Literal["required", "optional"] = "required"
    """``optional``: as for credentials that a clinic issued itself."""
    site_uid: Literal["required", "optional"] = "required"
    """``optional``: as before March 2026."""

    # Reading: sections 3 to 5, and 9.
    page_cap: Annotated[int, Field(ge=1)] = 200
    """Most rows per page, whatever is asked for."""
    page_caps: Mapping[str, Annotated[int, Field(ge=1)]] = field(default_factory=dict)
    """Lower caps by resource; the official text has contact 50 and history 10."""
    unknown_filter: Literal["error", "ignore"] = "error"
    """A filter that names no field or cannot be read is an error (400), or as if it were not there."""
    v1_uids: bool = False
    """v1 shows uids too."""
    v4_rows: Literal["flat", "attributes"] = "flat"
    """A v4 row has its fields beside its id, or under ``attributes``."""
    v1_animal_sunset: datetime | None = V1_ANIMAL_SUNSET
    """From when on ``GET /v1/animal`` is refused; None: never."""
    sunset_status: Annotated[int, Field(ge=400, le=599)] = 404
    """How it is refused."""
    error_status: Literal["plain", "ok"] = "plain"
    """``ok``: refusals come with status 200, only the body says that they are ones."""

    file_ranges: Literal["serve", "refuse"] = "serve"
    """Whether a part of a file can be asked for; no source says so."""

    # Writing: section 7.
    unknown_field: Literal["error", "ignore"] = "error"
    """A body's field that cannot be written is refused (422), or dropped."""
    ownerless: Literal["refuse", "accept"] = "refuse"
    """What becomes of a visit without contact or animal."""
    description_limit: Annotated[int, Field(ge=0)] | None = None
    """Characters after which a visit's description is cut silently; None: never."""
    merge_patch: Literal["required", "any"] = "required"
    """Whether a change of an appointment needs its content type."""
    cancel_reason: Literal["required", "optional"] = "required"
    """Whether a cancellation needs the number of its reason; one client sends words alone."""
    deleted: Literal["inactive", "gone"] = "inactive"
    """What becomes of a contact that is deleted."""
    booking_status: Literal[200, 201] = 201
    """Status of a booking's answer; of two clients one takes 201, another 200 alone."""
    double_booking: Literal["accept", "refuse"] = "accept"
    """What becomes of an ezyCAB booking at a time that is taken (422 where refused)."""

    # Webhooks: section 8.
    hooked: frozenset[str] = frozenset({"appointment", "contact", "animal"})
    """Resources whose changes webhooks tell of; only those of appointments were seen."""
    webhook_items: Literal["one", "several"] = "one"
    """``several``: what one act changes comes in one call per event and address."""

    # The site of a new store.
    divisions: Annotated[int, Field(ge=1, le=100)] = 1
    """Separations, over which owners and vets are spread."""
    referrals: bool = False
    """Another practice and its vet are contacts (910, 911), who sent every third pet."""
    consults: bool = False
    """Completed visits of a twin site have consults."""


_CHECKED = TypeAdapter(Switches)

OF_A_NEW_STORE = frozenset({"divisions", "referrals", "consults"})
"""Switches that say what a new store holds, and mean nothing later."""


def changed(switches: Switches, given: Mapping[str, Any]) -> Switches:
    """The switches with some of them set. Raises ``ValueError`` for a name or value that is none."""
    names = [each.name for each in fields(Switches)]
    unknown = sorted(given.keys() - set(names))
    if unknown:
        raise ValueError(f"there is no switch {unknown[0][:80]!r}; known are {', '.join(names)}")
    values = {name: getattr(switches, name) for name in names}
    try:
        return _CHECKED.validate_python({**values, **given})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
