"""What is looked at before VetBridge is let loose on an ezyVet site: a token request and documented reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from connectors.ezyvet import wire
from connectors.ezyvet.door import Door
from connectors.ezyvet.options import CLIENT, CLINIC, EzyVetOptions
from connectors.ezyvet.paths import PATHS
from vetbridge.connector.interface import Check, CheckReport, Native
from vetbridge.core import normalise
from vetbridge.core.errors import VetBridgeError

READ = ("contact", "contactdetail", "animal", "appointment", "resource", "appointmentstatus", "appointmenttype")
"""What must be readable."""


def check(door: Door, options: EzyVetOptions, zone: str) -> CheckReport:
    """Credentials, rights, the records that the options name, and the site's zone against ``zone``."""
    try:
        token = door.token()
    except VetBridgeError as error:
        return CheckReport(lines=(_wrong("credentials", error),))
    lines = [Check(name="credentials", ok=True, text="ezyVet gave a token"), _write_rights(token, options)]
    for name, look in [*_reads(door), *_look_ups(door, options)]:
        try:
            lines.append(look())
        except VetBridgeError as error:
            lines.append(_wrong(name, error))
    lines.append(_cancellation(options))
    try:
        lines.append(_zone(door, zone))
    except VetBridgeError as error:
        lines.append(_wrong("zone", error))
    return CheckReport(lines=tuple(lines))


def _wrong(name: str, error: VetBridgeError) -> Check:
    return Check(name=name, ok=False, text=error.message, advice=error.advice())


def _write_rights(token: str, options: EzyVetOptions) -> Check:
    granted = wire.token_scopes(token)
    if granted is None:
        text = "the token does not say which scopes were granted; a missing one shows with the first write"
        return Check(name="write rights", ok=True, text=text)
    wanted = [scope for scope in options.scope if scope.startswith("write-")]
    missing = [scope for scope in wanted if scope not in granted]
    if missing:
        text = f"not granted: {', '.join(missing)}"
        return Check(name="write rights", ok=False, text=text, advice="ask the vendor to add these scopes")
    return Check(name="write rights", ok=True, text=f"granted: {', '.join(wanted)}")


def _reads(door: Door) -> Iterator[tuple[str, Callable[[], Check]]]:
    def look(resource: str) -> Check:
        path = PATHS[resource]
        body = door.read(path, resource, {"page": 1, "limit": 1}).body
        page = wire.listing(body, resource, f"GET {path}")
        text = "can be read" if page.total is None else f"{page.total} at the site"
        return Check(name=f"read {resource}", ok=True, text=text)

    for resource in READ:
        yield f"read {resource}", partial(look, resource)


def _look_ups(door: Door, options: EzyVetOptions) -> Iterator[tuple[str, Callable[[], Check]]]:
    """What the options name by id, each with the look-up list in which it must stand."""
    types, pet, owner = options.detail_types, options.new_pet, options.ownership_id
    named: list[tuple[str, str, tuple[str | None, ...]]] = [
        ("detail_types", "contactdetailtype", (types.email, types.mobile, types.phone, *types.other_phones)),
        ("block_types", "appointmenttype", options.block_types),
        ("new_pet.sex_id", "sex", (pet.sex_id,)),
        ("new_pet.animalcolour_id", "animalcolour", (pet.animalcolour_id,)),
        ("new_pet.breed_id", "breed", (pet.breed_id,)),
        ("ownership_id", "separation", (owner,)),
    ]

    def name(row: Native) -> str:
        return normalise.shown(str(row.get("name", "")), 40)

    def look(option: str, resource: str, wanted: list[str]) -> Check:
        found = {wire.record_id(row.get("id")): row for row in door.by_ids(resource, "id", wanted)}
        missing = [each for each in wanted if each not in found]
        if missing:
            text = f"{resource} {', '.join(missing)} does not exist at the site"
            return Check(name=option, ok=False, text=text, advice=f"look the ids up at the site and mend {option}")
        off = [each for each in wanted if not wire.flag(found[each].get("active"), default=True)]
        if off:
            text = f"{resource} {', '.join(off)} is inactive at the site"
            return Check(name=option, ok=False, warning=True, text=text, advice=f"look at {option} again")
        return Check(name=option, ok=True, text=", ".join(f"{each} ({name(found[each])})" for each in wanted))

    for option, resource, ids in named:
        wanted = list(dict.fromkeys(filter(None, ids)))
        if wanted:
            yield option, partial(look, option, resource, wanted)


def _cancellation(options: EzyVetOptions) -> Check:
    name = "cancellation_reason"
    reasons = {who: options.reason_for(who) for who in (CLIENT, CLINIC)}
    unknown = [who for who, reason in reasons.items() if reason is None]
    if unknown:
        who = f" when the {unknown[0]} does" if len(unknown) == 1 else ""
        return Check(
            name=name,
            ok=False,
            warning=True,
            text=f"not set: VetBridge has no reason to cancel a visit with{who}, and cancels none",
            advice="look up the number of a cancellation reason of the site and set the option, or both of "
            "cancellation_reasons",
        )
    numbers = [str(reasons[CLIENT])]
    if reasons[CLIENT] != reasons[CLINIC]:
        numbers = [f"{reason} when the {who} cancels" for who, reason in reasons.items()]
    text = f"{', '.join(numbers)}; no list to look it up in is known, so it is not proven"
    return Check(name=name, ok=True, text=text)


def _zone(door: Door, zone: str) -> Check:
    told = wire.timezone(door.read(PATHS["systemsetting"], "systemsetting", {"page": 1, "limit": 1}).body)
    if told is None:
        text = "the site's time zone could not be read from its settings"
        return Check(name="zone", ok=False, warning=True, text=text, advice="compare it with the config by hand")
    if told != zone:
        text = f"{told} at the site, {zone} in the config"
        return Check(name="zone", ok=False, text=text, advice="set the site's zone in the config to ezyVet's")
    return Check(name="zone", ok=True, text=told)
