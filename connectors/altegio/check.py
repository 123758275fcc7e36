"""What ``doctor`` asks an Altegio location: documented reads alone, nothing is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from connectors.altegio import hook_settings, wire
from connectors.altegio.api import Api
from connectors.altegio.options import AltegioOptions
from vetbridge.connector.interface import Check, CheckReport
from vetbridge.core.errors import AuthFailed, BadAnswer, Unavailable, VetBridgeError

READING_RIGHTS: Final[Mapping[str, str]] = {
    "clients_access": "clients cannot be read at all",
    "clients_phones_email_access": "phones and e-mail addresses are hidden in the client base",
    "client_phones_access": "phones of clients are hidden",
    "clients_card_phone_access": "phones are hidden on the clients' cards",
    "timetable_phones_access": "phones are hidden in the calendar",
    "record_form_client_access": "the client of a visit is hidden",
    "custom_fields_record_values_read_access": "the pets of visits are hidden",
    "custom_fields_client_values_read_access": "the pets of clients are hidden",
}
"""What is missing from what is read without each of these (altegio.md, sections 3.7, 3.14)."""

WRITING_RIGHTS: Final[Mapping[str, str]] = {
    "custom_fields_record_values_edit_access": "Altegio silently drops the pets that are written to visits",
    "custom_fields_client_values_edit_access": "Altegio silently drops the pets that are written to clients",
    "delete_customer_came_records_access": "a visit that the client came to cannot be cancelled",
    "delete_paid_records_access": "a visit that is paid cannot be cancelled",
    "client_files_list_access": "files on clients' cards cannot be read",
    "client_files_upload_access": "no file can be added to a client's card",
    "webhook_read_access": "nobody can tell whether webhooks come here",
}
"""What does not work without each of these; the rest does (sections 3.7, 3.14)."""

SAMPLE: Final = 50
"""Rows of a list that are looked at for what rights hide."""

FEW: Final = 5
"""So many rows at least must lack something, all of them, before that is taken for a missing right: of one client
nobody may know a phone."""

_LIMIT: Final = re.compile(r"[a-z_]{1,60}_master_id", re.ASCII)

FIELD_ADVICE: Final = (
    "Create a text field with this code in Altegio's settings. By API only users of the location's chain may create "
    "fields, so a stand-alone location may have no other way."
)


_TEXT: Final = frozenset({"text"})
_DAY: Final = frozenset({"text", "date"})


def check(api: Api, options: AltegioOptions, *, account: str, zone: str) -> CheckReport:
    """Address and credentials, time zone, rights, custom fields, labels, whether every list we need can be read, and
    whether webhooks come to ``account``."""
    location = options.location_id
    try:
        company = wire.as_mapping(api.read(f"/company/{location}").data)
    except (AuthFailed, Unavailable, BadAnswer) as error:
        return CheckReport(lines=(Check(name="location", ok=False, text=error.message, advice=error.advice()),))
    lines = [Check(name="location", ok=True, text=f"location {location} answers"), _zone(company, zone)]
    try:
        permissions = api.read(f"/user/permissions/{location}").data
    except AuthFailed as error:
        if error.code == AuthFailed.code:
            # A user token that is not taken opens nothing of what follows: it is said once. The location's own answer
            # needs the partner token alone (section 2).
            lines.append(Check(name="user token", ok=False, text=error.message, advice=error.advice()))
            return CheckReport(lines=tuple(lines))
        lines.append(_wrong("rights", error))
    except (Unavailable, BadAnswer) as error:
        lines.append(_wrong("rights", error))
    else:
        lines += _rights(permissions)
    due_fields = {code: _DAY if what == "date" else _TEXT for what, code in options.due_fields.items()}
    for entity, codes in (
        ("record", dict.fromkeys(options.pet_fields.values(), _TEXT)),
        ("client", {options.client_pets_field: _TEXT, **due_fields}),
    ):
        lines += _asked(f"{entity} fields", _fields_of(api, location, entity, codes))
    if options.due_labels:
        lines += _asked("client labels", _labels_of(api, location, options.due_labels))
    for name, path in (
        ("appointments", f"/records/{location}"),
        ("clients", f"/clients/{location}"),
        ("staff", f"/company/{location}/staff"),
        ("services", f"/company/{location}/services"),
    ):
        lines += _asked(name, _readable(api, name, path))
    # Another right may be needed to see these settings: without it nothing more is said of them.
    with suppress(VetBridgeError):
        lines += hook_settings.checked(hook_settings.read(api, location), account)
    return CheckReport(lines=tuple(lines))


def _asked(name: str, ask: Callable[[], Iterator[Check]]) -> list[Check]:
    """The lines of one question; a single wrong line where it could not be asked."""
    try:
        return list(ask())
    except (AuthFailed, Unavailable, BadAnswer) as error:
        return [_wrong(name, error)]


def _wrong(name: str, error: VetBridgeError) -> Check:
    advice = error.advice()
    if name == "clients" and isinstance(error, AuthFailed):
        advice = "Give VetBridge's user the rights to the client base and to edit the location: this list needs both."
    return Check(name=name, ok=False, text=error.message, advice=advice)


def _zone(company: Mapping[str, Any], zone: str) -> Check:
    theirs = wire.one_line(company.get("timezone_name")) or wire.one_line(company.get("timezone"))
    if theirs == zone:
        return Check(name="time zone", ok=True, text=f"{zone}, as in the config")
    if "/" not in theirs:
        return Check(
            name="time zone",
            ok=False,
            warning=True,
            text="the location names no time zone",
            advice=f"Make sure in Altegio's settings that the location is in {zone}.",
        )
    return Check(
        name="time zone",
        ok=False,
        text=f"the location is in {theirs}, the config's site in {zone}",
        advice="Correct the one that is wrong before the first sync: every visit's time depends on it.",
    )


def _rights(data: object) -> Iterator[Check]:
    held = _leaves(data)
    refused = [name for name in READING_RIGHTS if name in held and not wire.as_flag(held[name])]
    for name in refused:
        yield Check(
            name="rights",
            ok=False,
            text=f"{name} is not given: {READING_RIGHTS[name]}",
            advice="Give this right to VetBridge's user in Altegio.",
        )
    for name, loss in WRITING_RIGHTS.items():
        if name in held and not wire.as_flag(held[name]):
            yield Check(
                name="rights",
                ok=False,
                warning=True,
                text=f"{name} is not given: {loss}",
                advice="Give this right to VetBridge's user in Altegio.",
            )
    for name, value in sorted(held.items()):
        if name.endswith("_last_days_count") and wire.as_text(value) not in ("", "-1"):
            yield Check(
                name="rights",
                ok=False,
                warning=True,
                text=f"{wire.one_line(name, 80)} limits lists to some past days",
                advice="Set it to no limit, or older records are missing from lists without a word.",
            )
    for name in narrowing(data):
        yield Check(
            name="rights",
            ok=False,
            text=f"{name} shows VetBridge's user the clients of one team member only",
            advice="Let VetBridge's user see all clients. Until then nothing that is not shown counts as gone.",
        )
    if not refused:
        known = [name for name in READING_RIGHTS if name in held]
        yield Check(
            name="rights",
            ok=bool(known),
            warning=not known,
            text=f"{len(known)} of {len(READING_RIGHTS)} needed rights are named and given",
            advice="" if known else "Look in Altegio's settings whether VetBridge's user may see clients and phones.",
        )


def narrowing(permissions: object) -> list[str]:
    """The rights that show a user the part of one team member only, as ``clients_visit_master_id`` does where it
    names one (section 3.14): lists shorten by them without a word."""
    held = _leaves(permissions)
    return sorted(name for name, value in held.items() if _LIMIT.fullmatch(name) and wire.as_id(value))


def _hidden(place: str, clients: Sequence[Mapping[str, Any]], right: str) -> Iterator[Check]:
    """What rights hide of the clients that a place shows: its form is not documented, so what is behind stars is
    hidden for certain, and what is missing or an initial is where all rows have it so (sections 3.14, 10)."""

    def line(text: str, advice: str) -> Check:
        return Check(name="rights", ok=False, text=f"{text} in {place}", advice=advice)

    count = len(clients)
    for field, what, read in (("phone", "phones", wire.phone), ("email", "e-mail addresses", wire.email)):
        told = [client.get(field) for client in clients]
        masked = sum(bool(wire.as_text(value).strip("0 ")) and not read(value) for value in told)
        # An e-mail address is nobody's duty; a phone is demanded of every client (section 3.6).
        if field == "phone" and count >= FEW and not any(read(value) for value in told):
            masked = count
        if masked:
            yield line(
                f"{masked} of {count} {what} are hidden", f"Give VetBridge's user the right {right} in Altegio."
            )
    surnames = [name for client in clients if (name := wire.as_text(client.get("surname")).strip())]
    if len(surnames) >= FEW and all(wire.is_initial(name) for name in surnames):
        yield line(
            f"{len(surnames)} family names are cut to their initial",
            "Give VetBridge's user the right to see family names in Altegio.",
        )


def _labels_of(api: Api, location: str, labels: Mapping[str, str]) -> Callable[[], Iterator[Check]]:
    """Labels of clients are entity 1 (altegio.md, section 2)."""

    def ask() -> Iterator[Check]:
        known = {wire.as_id(row.get("id")) for row in wire.as_rows(api.read(f"/labels/{location}/1").data)}
        for what, label in labels.items():
            there = wire.as_id(label) in known
            yield Check(
                name=f"client label {label}",
                ok=there,
                text="is there" if there else f"is missing, which due_labels.{what} names",
                advice="" if there else "Create a label for clients in Altegio, and name its number in the options.",
            )

    return ask


def _fields_of(
    api: Api, location: str, entity: str, codes: Mapping[str, frozenset[str]]
) -> Callable[[], Iterator[Check]]:
    def ask() -> Iterator[Check]:
        types: dict[str, str] = {}
        for row in wire.as_rows(api.read(f"/custom_fields/{entity}/{location}").data):
            field = wire.as_mapping(row.get("custom_field")) or row
            types[wire.as_text(field.get("code"))] = wire.as_text(wire.as_mapping(field.get("type")).get("code"))
        for code, fitting in codes.items():
            name = f"{entity} field {code}"
            if code not in types:
                yield Check(name=name, ok=False, text="is missing", advice=FIELD_ADVICE)
            elif types[code] not in {"", *fitting}:
                yield Check(
                    name=name,
                    ok=False,
                    warning=True,
                    text=f"is of type {wire.one_line(types[code], 40)}, not {' or '.join(sorted(fitting))}",
                    advice="Reading works; for writing make it a text field.",
                )
            else:
                yield Check(name=name, ok=True, text="is there")

    return ask


def _readable(api: Api, name: str, path: str) -> Callable[[], Iterator[Check]]:
    def ask() -> Iterator[Check]:
        needed = name in ("staff", "services")
        # Those lists know no pages (section 1).
        reply = api.read(path, None if needed else {"page": "1", "count": str(SAMPLE)})
        shown = wire.as_rows(reply.data)
        rows = len(shown) if reply.total is None else reply.total
        yield Check(
            name=name,
            ok=bool(rows) or not needed,
            warning=needed,
            text=f"can be read, {rows} there",
            advice="" if rows or not needed else f"Enter the clinic's {name} in Altegio.",
        )
        if name == "clients":
            yield from _hidden("the client base", shown, "clients_phones_email_access")
        elif name == "appointments":
            yield from _hidden("the calendar", _bookers(shown), "timetable_phones_access")

    return ask


def _bookers(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The clients of records that can be read."""
    found: list[Mapping[str, Any]] = []
    for record in records:
        with suppress(wire.Unreadable):
            found += filter(None, [wire.booker_of(record)])
    return found


def _leaves(data: object) -> dict[str, Any]:
    """Every named value of a nested object, by its own name: how rights are grouped is not documented."""
    found: dict[str, Any] = {}
    heap = [data]
    while heap and len(found) < 5000:
        item = heap.pop()
        if isinstance(item, dict):
            found.update((name, value) for name, value in item.items() if not isinstance(value, dict | list))
            heap.extend(value for value in item.values() if isinstance(value, dict | list))
        elif isinstance(item, list):
            heap.extend(item)
    return found
