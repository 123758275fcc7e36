"""What ``doctor`` asks an Altegio location: documented reads alone, nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from connectors.altegio import wire
from connectors.altegio.api import Api
from vetbridge.connector.interface import Check, CheckReport
from vetbridge.core.errors import AuthFailed, BadAnswer, Unavailable, VetBridgeError

READING_RIGHTS: Final[tuple[str, ...]] = (
    "clients_access",
    "clients_phones_email_access",
    "client_phones_access",
    "clients_card_phone_access",
    "timetable_phones_access",
    "record_form_client_access",
    "custom_fields_record_values_read_access",
    "custom_fields_client_values_read_access",
)
"""Without one of these, names, phones or pets are missing from what is read (altegio.md, sections 3.7, 3.14)."""

WRITING_RIGHTS: Final[tuple[str, ...]] = (
    "custom_fields_record_values_edit_access",
    "custom_fields_client_values_edit_access",
)
"""Without one of these, pets are silently not written (section 3.7)."""

FIELD_ADVICE: Final = (
    "Create a text field with this code in Altegio's settings. By API only users of the location's chain may create "
    "fields, so a stand-alone location may have no other way."
)


def check(
    api: Api, *, location: str, zone: str, record_fields: Sequence[str], client_fields: Sequence[str]
) -> CheckReport:
    """Address and credentials, time zone, rights, custom fields, and whether every list we need can be read."""
    try:
        company = wire.as_mapping(api.read(f"/company/{location}").data)
    except (AuthFailed, Unavailable, BadAnswer) as error:
        return CheckReport(lines=(Check(name="location", ok=False, text=error.message, advice=error.advice()),))
    lines = [Check(name="location", ok=True, text=f"location {location} answers"), _zone(company, zone)]
    lines += _asked("rights", lambda: _rights(api.read(f"/user/permissions/{location}").data))
    for entity, codes in (("record", record_fields), ("client", client_fields)):
        lines += _asked(f"{entity} fields", _fields_of(api, location, entity, codes))
    for name, path in (
        ("appointments", f"/records/{location}"),
        ("clients", f"/clients/{location}"),
        ("staff", f"/company/{location}/staff"),
        ("services", f"/company/{location}/services"),
    ):
        lines += _asked(name, _readable(api, name, path))
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
            text=f"{name} is not given",
            advice="Give this right to VetBridge's user in Altegio, or names, phones or pets stay hidden.",
        )
    for name in WRITING_RIGHTS:
        if name in held and not wire.as_flag(held[name]):
            yield Check(
                name="rights",
                ok=False,
                warning=True,
                text=f"{name} is not given",
                advice="Give this right to VetBridge's user, or Altegio silently drops the pets that are written.",
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
    if wire.as_id(held.get("clients_visit_master_id")):
        yield Check(
            name="rights",
            ok=False,
            text="VetBridge's user sees the clients of one staff member only",
            advice="Let VetBridge's user see all clients.",
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


def _fields_of(api: Api, location: str, entity: str, codes: Sequence[str]) -> Callable[[], Iterator[Check]]:
    def ask() -> Iterator[Check]:
        types: dict[str, str] = {}
        for row in wire.as_rows(api.read(f"/custom_fields/{entity}/{location}").data):
            field = wire.as_mapping(row.get("custom_field")) or row
            types[wire.as_text(field.get("code"))] = wire.as_text(wire.as_mapping(field.get("type")).get("code"))
        for code in codes:
            name = f"{entity} field {code}"
            if code not in types:
                yield Check(name=name, ok=False, text="is missing", advice=FIELD_ADVICE)
            elif types[code] not in ("", "text"):
                yield Check(
                    name=name,
                    ok=False,
                    warning=True,
                    text=f"is of type {wire.one_line(types[code], 40)}, not text",
                    advice="Reading works; for writing make it a text field.",
                )
            else:
                yield Check(name=name, ok=True, text="is there")

    return ask


def _readable(api: Api, name: str, path: str) -> Callable[[], Iterator[Check]]:
    def ask() -> Iterator[Check]:
        needed = name in ("staff", "services")
        # Those lists know no pages (section 1).
        reply = api.read(path, None if needed else {"page": "1", "count": "1"})
        rows = len(wire.as_rows(reply.data)) if reply.total is None else reply.total
        yield Check(
            name=name,
            ok=bool(rows) or not needed,
            warning=needed,
            text=f"can be read, {rows} there",
            advice="" if rows or not needed else f"Enter the clinic's {name} in Altegio.",
        )

    return ask


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
