"""What is looked at before VetBridge is let loose on an ezyVet site: a token request and documented reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from connectors.ezyvet import wire
from connectors.ezyvet.door import Door, NotServed
from connectors.ezyvet.options import CLIENT, CLINIC, EzyVetOptions
from connectors.ezyvet.paths import LISTS, PATHS
from vetbridge.connector.interface import Check, CheckReport, Native
from vetbridge.core import normalise
from vetbridge.core.errors import AuthFailed, Refused, VetBridgeError

READ = ("contact", "contactdetail", "animal", "appointment", "resource", "appointmentstatus", "appointmenttype")
"""What must be readable."""

SEPARATIONS_SHOWN = 20
"""More are counted only."""

FIELDS_SHOWN = 40
"""Names of fields that are told; more are left out."""

ASKED = (
    *("address", "contactdetailtype", "separation", *LISTS.values()),
    *("attachment", "consult", "vaccination", "wellnessplanmembership", "therapeutic"),
)
"""What else is read, where its scope is asked for."""


def check(door: Door, options: EzyVetOptions, zone: str) -> CheckReport:
    """Credentials, rights, the records that the options name, and the site's zone against ``zone``."""
    try:
        token = door.token()
    except VetBridgeError as error:
        return CheckReport(lines=(_wrong("credentials", error),))
    lines = [_site(token, options), _write_rights(token, options)]
    looks: list[tuple[str, Callable[[], Check]]] = [
        *_reads(door),
        ("read rights", partial(_read_rights, door, options)),
        *_look_ups(door, options),
        ("separations", partial(_separations, door, options)),
    ]
    for name, look in looks:
        try:
            lines.append(look())
        except VetBridgeError as error:
            lines.append(_wrong(name, error))
    lines += [_cancellation(options), *_booking(options), *_therapeutics(door, options)]
    try:
        lines.append(_zone(door, zone))
    except VetBridgeError as error:
        lines.append(_wrong("zone", error))
    return CheckReport(lines=tuple(lines))


def _wrong(name: str, error: VetBridgeError) -> Check:
    return Check(name=name, ok=False, text=error.message, advice=error.advice())


def _site(token: str, options: EzyVetOptions) -> Check:
    """That there is a token, and that it is one for the site of ``site_uid`` (ezyvet.md, section 2)."""
    told = wire.token_site(token)
    if told is not None and told != options.site_uid:
        text = "ezyVet gave a token for a site other than site_uid names"
        advice = "compare site_uid with the credential file of this site"
        return Check(name="credentials", ok=False, warning=True, text=text, advice=advice)
    return Check(name="credentials", ok=True, text="ezyVet gave a token")


def _write_rights(token: str, options: EzyVetOptions) -> Check:
    granted = wire.token_scopes(token)
    if granted is None:
        text = "the token does not say which scopes were granted; a missing one shows with the first write"
        return Check(name="write rights", ok=True, text=text)
    wanted = [scope for scope in options.rights if not scope.startswith("read-")]
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


def _read_rights(door: Door, options: EzyVetOptions) -> Check:
    """Which scopes beside those that each line names are asked for and not granted: a read of theirs is a 403."""
    wanted = [resource for resource in ASKED if resource not in READ and f"read-{resource}" in options.rights]
    missing, absent = [], []
    for resource in wanted:
        try:
            door.read(PATHS[resource], resource, {"page": 1, "limit": 1})
        except (NotServed, AuthFailed, Refused) as refusal:
            if isinstance(refusal, NotServed) or refusal.code == "not-supported":
                absent.append(resource)
            elif refusal.code == "right-missing":
                missing.append(f"read-{resource}")
            else:
                raise
    if missing:
        return Check(
            name="read rights",
            ok=False,
            warning=True,
            text=f"not granted: {', '.join(missing)}; VetBridge works without what they show",
            advice="ask the vendor to add these scopes, or take them out of the option scope",
        )
    text = f"granted for {', '.join(each for each in wanted if each not in absent) or 'what each line names'}"
    if absent:
        text += f"; the site does not serve {', '.join(absent)}"
    return Check(name="read rights", ok=True, text=text)


def _separations(door: Door, options: EzyVetOptions) -> Check:
    """The site's separations, to choose the option from; and that the one chosen is there."""
    name = "separations"
    if options.separation is None and "read-separation" not in options.scope:
        return Check(name=name, ok=True, text="not looked at: the scope read-separation is not asked for")
    try:
        rows = door.rows("separation", {})
    except AuthFailed as refusal:
        if refusal.code != "right-missing" or options.separation is not None:
            raise
        return Check(name=name, ok=True, text="not looked at: the right is not granted")
    off = {row["id"] for row in rows if not wire.flag(row.get("active"), default=True)}
    listed = [
        f"{row['id']} ({normalise.shown(str(row.get('name', '')), 40)}{', inactive' if row['id'] in off else ''})"
        for row in rows[:SEPARATIONS_SHOWN]
    ]
    text = ", ".join(listed) or "none"
    if len(rows) > SEPARATIONS_SHOWN:
        text += f" and {len(rows) - SEPARATIONS_SHOWN} more"
    chosen = options.separation
    if chosen is None:
        return Check(name=name, ok=True, text=f"{text}; all of them are read")
    if chosen not in {row["id"] for row in rows}:
        text = f"separation {chosen} does not exist at the site, which has {text}"
        return Check(name=name, ok=False, text=text, advice="set the option separation to one of them")
    return Check(name=name, ok=True, text=f"{text}; {chosen} is this site")


def _look_ups(door: Door, options: EzyVetOptions) -> Iterator[tuple[str, Callable[[], Check]]]:
    """What the options name by id, each with the look-up list in which it must stand."""
    types, pet, owner = options.detail_types, options.new_pet, options.ownership_id
    booking = options.ezycab
    named: list[tuple[str, str, tuple[str | None, ...]]] = [
        ("detail_types", "contactdetailtype", (types.email, types.mobile, types.phone, *types.other_phones)),
        ("block_types", "appointmenttype", options.block_types),
        ("new_pet.sex_id", "sex", (pet.sex_id,)),
        ("new_pet.animalcolour_id", "animalcolour", (pet.animalcolour_id,)),
        ("new_pet.breed_id", "breed", (pet.breed_id,)),
        ("ownership_id", "separation", (owner,)),
        ("ezycab", "appointmentstatus", (booking.unconfirmed, booking.confirmed) if booking else ()),
        ("ezycab.placeholder_contact", "contact", (booking.placeholder_contact,) if booking else ()),
    ]

    def name(row: Native) -> str:
        return normalise.shown(str(row.get("name", "")), 40)

    def shown(row: Native) -> str:
        # A contact's name is a person's.
        return f"{row['id']} ({name(row)})" if name(row) else row["id"]

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
        return Check(name=option, ok=True, text=", ".join(shown(found[each]) for each in wanted))

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


def _booking(options: EzyVetOptions) -> Iterator[Check]:
    """How visits are created, where not plainly. ezyCAB cannot be tried without booking something."""
    site = options.ezycab
    if options.booking != "ezycab" or site is None:
        return
    if site.unconfirmed is None and site.confirmed is None:
        text = "neither ezycab.unconfirmed nor ezycab.confirmed is set: every visit is created plainly"
        advice = "name the site's statuses that ezyCAB's two words stand for"
        yield Check(name="booking", ok=False, warning=True, text=text, advice=advice)
        return
    yield Check(name="booking", ok=True, text="visits of known clients are booked through ezyCAB; that is not proven")


def _therapeutics(door: Door, options: EzyVetOptions) -> Iterator[Check]:
    """Whether the site's therapeutics have the fields that the options name: no source knows any."""
    named = options.due_services.therapeutics
    if named is None:
        return
    name = "due_services.therapeutics"
    path = PATHS["therapeutic"]
    try:
        body = door.read(path, "therapeutic", {"page": 1, "limit": 1}).body
        page = wire.listing(body, "therapeutic", f"GET {path}")
    except VetBridgeError as error:
        yield _wrong(name, error)
        return
    if not page.rows:
        yield Check(name=name, ok=True, text="the site has none yet, so the names of their fields are not proven")
        return
    row = page.rows[0]
    missing = [field for field in named.model_dump(exclude_none=True).values() if field not in row]
    if missing:
        known = ", ".join(sorted(each for each in row if wire.is_word(each))[:FIELDS_SHOWN])
        text = f"a therapeutic has no field {', '.join(missing)}; it has {known}"
        yield Check(name=name, ok=False, text=text, advice="name fields that it has")
    else:
        yield Check(name=name, ok=True, text="a therapeutic has the fields that are named")


def _zone(door: Door, zone: str) -> Check:
    told = wire.timezone(door.read(PATHS["systemsetting"], "systemsetting", {"page": 1, "limit": 1}).body)
    if told is None:
        text = "the site's time zone could not be read from its settings"
        return Check(name="zone", ok=False, warning=True, text=text, advice="compare it with the config by hand")
    if told != zone:
        text = f"{told} at the site, {zone} in the config"
        return Check(name="zone", ok=False, text=text, advice="set the site's zone in the config to ezyVet's")
    return Check(name="zone", ok=True, text=told)
