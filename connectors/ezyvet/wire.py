"""What ezyVet says and is told: envelopes, scalars, filters and row shapes. Pure: no network, no clock.

ezyVet's v1 serves every scalar as text ("1", "1760000000"), its v2 numbers and booleans, and clients mix both
(ezyvet.md, section 3), so everything here reads both. A row is turned into a *flat* native record: only the
fields that VetBridge uses, ids as text, flags as booleans, times as numbers. What cannot be read that way is passed
on as it came, so that the mapping names the field.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers

from vetbridge.connector.interface import Hint, Native
from vetbridge.connector.token import Token
from vetbridge.core import normalise
from vetbridge.core.errors import BadAnswer, BadHint, MappingError
from vetbridge.core.records import Kind

INACTIVE = "inactive"
"""The ``state`` of an appointment whose ``active`` flag is off: cancelled (ezyvet.md, section 7)."""

RESOURCE_OF_KIND = {
    Kind.CLIENT: "contact",
    Kind.PET: "animal",
    Kind.APPOINTMENT: "appointment",
    Kind.ATTACHMENT: "attachment",
    Kind.VACCINATION: "vaccination",
}
"""ezyVet's wrapper key for each kind. Reminders have no resource: they are derived."""

UNREADABLE: Mapping[str, bool] = {"unreadable": True}
"""Stands in a flat record for a value that the row lacks or that cannot be what it should be: no codec takes it, so
the mapping names the field. A field that is not there is not an empty one: a visit whose owner is left out of an
answer still has its owner."""

NEEDED: Mapping[str, tuple[str, ...]] = {
    "contact": ("active", "first_name", "last_name", "is_customer"),
    "contactdetail": ("active", "contact_id", "contact_detail_type_id", "value"),
    "animal": ("active", "contact_id", "name", "species_id", "sex_id", "date_of_birth", "is_dead"),
    "appointment": (
        "active",
        "contact_id",
        "animal_id",
        "start_at",
        "duration",
        "type_id",
        "status_id",
        "description",
    ),
    "attachment": ("active", "record_type", "record_id", "name", "notes"),
    "consult": ("animal_id",),
    "vaccination": (
        "active",
        "consult_id",
        "product_id",
        "description",
        "date_of_administration",
        "date_of_next_administration",
    ),
    "wellnessplanmembership": (
        "active",
        "animal_id",
        "wellness_plan",
        "end_date",
        "renew_when_expired",
        "next_wellness_plan",
    ),
}
"""Fields without which a row cannot be read (ezyvet.md, section 7, names them for every row); they may be empty."""

LONGEST_VISIT = 366 * 86400
"""Seconds; what lasts longer is a mistake."""

LONGEST_LINE = 200
"""Characters of a line of an address, a longer one is none; and of what a service is called."""

LONGEST_BOOKING = 360 * 60
"""Seconds; ezyCAB is not known to book a longer visit (ezyvet.md, section 7; one source)."""

GRID = 5 * 60
"""Seconds; ezyCAB is not known to book a length that is no multiple of it (the same source)."""

LONGEST_TOKEN = 16 * 1024
"""Characters; a longer access token is not one."""

_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_SECONDS = re.compile(r"([0-9]{1,6})\s*seconds?", re.ASCII)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{1,63}", re.ASCII)
_TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)
_UID = re.compile(r"[A-Za-z0-9_-]{3,80}", re.ASCII)
_FOREIGN = re.compile(
    r"(un(known|supported)|not (known|supported|allowed)).*(method|format|media|content)"
    r"|(method|format|media|content).*(un(known|supported)|not (known|supported|allowed))",
    re.ASCII | re.IGNORECASE,
)


# -- scalars


def record_id(value: object) -> str | None:
    """An id as text; None for "no value" (empty text, 0, null) and for what is no id of ezyVet's."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int) or (isinstance(value, int) and value >= 10**18):
        return None
    text = str(value).strip()
    return text if _ID.fullmatch(text) else None


def uid(value: object) -> str | None:
    """An id that is unique across sites (ezyvet.md, section 3), as v2 shows it; None where none stands there."""
    return value if isinstance(value, str) and _UID.fullmatch(value) else None


def whole(value: object) -> int | None:
    """A whole number, sent as a number or as text; None where it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**15:
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    return None


def flag(value: object, *, default: bool) -> bool:
    """Yes or no, sent as true, 1, "1", "true" or their opposites; ``default`` where nothing readable stands."""
    known = {"1": True, "true": True, "0": False, "false": False}
    return known.get(str(value).strip().casefold(), default) if isinstance(value, bool | int | str) else default


def lacking(resource: str, row: Mapping[str, Any]) -> list[str]:
    """The needed fields that a row does not have."""
    return [name for name in NEEDED.get(resource, ()) if name not in row]


def unreadable(native: Native) -> list[str]:
    """The fields of a flat record that the row lacked, or whose value cannot be read."""
    return [name for name, value in native.items() if value is UNREADABLE]


def _reference(row: Mapping[str, Any], name: str) -> object:
    """The id of the record that a row points to; None where it points to none."""
    value = row.get(name, UNREADABLE)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value == 0):
        return None
    if isinstance(value, str) and value.strip() in {"", "0"}:
        return None
    return record_id(value) or UNREADABLE


def _code(row: Mapping[str, Any], name: str) -> object:
    """The id of a look-up value; None where the row has none, also where it is no id."""
    return record_id(row[name]) if name in row else UNREADABLE


def _yes(row: Mapping[str, Any], name: str, *, empty: bool) -> object:
    """A flag that matters; ``empty`` where the row says nothing."""
    value = row.get(name, UNREADABLE)
    if value is None or (isinstance(value, str) and not value.strip()):
        return empty
    known = {default: flag(value, default=default) for default in (True, False)}
    return known[True] if known[True] is known[False] else UNREADABLE


def _text(value: object) -> object:
    """Text as it came; "" for null. Anything else is passed on for the mapping to name."""
    return "" if value is None else value


def _number(value: object) -> object:
    """A number; None for null and empty text. Anything unreadable is passed on for the mapping to name."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    number = whole(value)
    return value if number is None else number


# -- filters


@dataclass(frozen=True, slots=True)
class Where:
    """One filter on one field (ezyvet.md, section 5): ``field=value``, or ``field={"op": value}`` as JSON."""

    operands: Mapping[str, Any]

    @classmethod
    def equals(cls, value: str) -> Where:
        """The field equals ``value``."""
        return cls({"eq": value})

    @classmethod
    def one_of(cls, values: Iterable[str | int]) -> Where:
        """The field is one of ``values``."""
        return cls({"in": list(values)})

    @classmethod
    def above(cls, bound: int) -> Where:
        """The field, a number, is greater than ``bound``."""
        return cls({"gt": bound})

    @classmethod
    def within(cls, start: int | None, end: int | None) -> Where:
        """The field, a number, is at least ``start`` and less than ``end``."""
        bounds = {"gte": start, "lt": end}
        return cls({op: bound for op, bound in bounds.items() if bound is not None})

    def __str__(self) -> str:
        if set(self.operands) == {"eq"} and not str(self.operands["eq"]).lstrip().startswith(("{", "[")):
            return str(self.operands["eq"])
        # Also for text that somebody typed and that would be read as operators.
        return json.dumps(dict(self.operands), separators=(",", ":"))

    def holds(self, value: object) -> bool:
        """Whether a row's value passes. Used to notice a filter that did not filter.

        What can be neither text nor number says nothing about the filter: the row itself is not right.
        """
        if isinstance(value, list | dict):
            return True
        return all(self._passes(op, bound, value) for op, bound in self.operands.items())

    @staticmethod
    def _passes(op: str, bound: Any, value: object) -> bool:
        if op == "eq":
            return _same(value, bound)
        if op == "in":
            return any(_same(value, each) for each in bound)
        number = whole(value)
        if number is None:
            return False
        return bool({"gt": number > bound, "gte": number >= bound, "lt": number < bound}[op])


def _same(value: object, wanted: object) -> bool:
    """Equality of scalars as text, whatever their types, in any case."""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return isinstance(value, str | int) and str(value).strip().casefold() == str(wanted).strip().casefold()


# -- answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of a listing. ``told_at`` is the server's own time, in unix seconds; ``page`` the number it says
    the page has; ``page_total`` and ``total`` how many pages and rows it counts. None is what it does not tell.
    ``nameless`` counts items that are no such row, or have no id.
    """

    rows: tuple[Native, ...]
    nameless: int
    page: int | None
    page_total: int | None
    total: int | None
    told_at: int | None


def listing(body: Any, resource: str, what: str) -> Listing:
    """Reads the classic envelope ``{"meta", "items": [{resource: {...}}], "messages"}``.

    Raises ``BadAnswer`` naming ``what`` where the body is something else, or where it says "error" in spite of
    its status (ezyvet.md, section 9). The id of each row is made text.
    """
    fault = error_words(body)
    if fault is not None:
        raise BadAnswer(f"{what}: answered an error inside a success{fault}", code="vendor-error")
    if not isinstance(body, dict) or not isinstance(body.get("items"), list):
        raise BadAnswer(f"{what}: the answer has no list of items")
    rows = []
    for item in body["items"]:
        row = item.get(resource) if isinstance(item, dict) else None
        if isinstance(row, dict) and (number := record_id(row.get("id"))):
            rows.append({**row, "id": number})
    meta: Any = body.get("meta") if isinstance(body.get("meta"), dict) else {}
    return Listing(
        rows=tuple(rows),
        nameless=len(body["items"]) - len(rows),
        page=whole(meta.get("items_page")),
        page_total=whole(meta.get("items_page_total")),
        total=whole(meta.get("items_total")),
        told_at=whole(meta.get("timestamp")),
    )


def is_word(name: object) -> bool:
    """Whether a name from an answer may be shown: letters, digits and few signs, and not long."""
    return isinstance(name, str) and _WORD.fullmatch(name) is not None


def error_words(body: Any) -> str | None:
    """What an error envelope may be quoted with: its type and field names; None where it is no error.

    The vendor's text is never quoted, as it may repeat what a person typed.
    """
    messages = body.get("messages") if isinstance(body, dict) else None
    told = [each for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []
    first = next((each for each in told if str(each.get("level")).casefold() == "error"), None)
    if first is None:
        return None
    words = []
    if is_word(first.get("type")):
        words.append(first["type"])
    fields = first.get("fields")
    known = fields if isinstance(fields, list) else []
    names = [name for name in known if is_word(name)]
    if names:
        words.append(f"fields {', '.join(names[:10])}")
    return f" ({'; '.join(words)})" if words else ""


def speaks_otherwise(status: int, body: Any) -> bool:
    """Whether a refusal says that the method or the format of the request is unknown, and nothing was done.

    PORTAL sends a PUT then (ezyvet.md, section 7). Which status comes with it is not documented, so the words of a
    400, a 422 or an error inside a success are looked at, too.
    """
    if status in (405, 415):
        return True
    if status not in (200, 400, 422) or error_words(body) is None or body.get("items"):
        return False
    texts = (each.get("text") for each in body["messages"] if isinstance(each, dict))
    return any(isinstance(text, str) and _FOREIGN.search(text[:500]) for text in texts)


def told_wait(headers: Mapping[str, str], body: Any, now: float) -> float | None:
    """Seconds that a 429 asks to wait: ``Retry-After``, ``x-ratelimit-reset``, "<N> seconds" in the body.

    In this order, as clients do (ezyvet.md, section 9); None where none is readable. A reset that can only be a
    moment is counted from ``now``, in unix seconds.
    """
    for name in ("retry-after", "x-ratelimit-reset"):
        told = whole(headers.get(name))
        if told is not None and told >= 0:
            return float(told) if told < 10**8 else max(0.0, told - now)
    try:
        found = _SECONDS.search(json.dumps(body)[:4000])
    except (ValueError, RecursionError):
        return None
    return float(found[1]) if found else None


# -- token


TOKEN_LIFE = 12 * 3600.0
"""Seconds a token lives at most; the reply's own ``expires_in`` is contradictory (ezyvet.md, section 2)."""

TOKEN_LIFE_LEAST = 60.0
"""Seconds a token is kept at least, so that a nonsensical answer does not cause a token per call."""


def token(body: Any, now: float, what: str) -> Token:
    """Reads a token reply; ``expires_in`` may be a duration or a moment in unix seconds. Raises ``BadAnswer``."""
    text = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(text, str) or len(text) > LONGEST_TOKEN or not _TOKEN.fullmatch(text):
        raise BadAnswer(f"{what}: the answer holds no usable access token")
    told = whole(body.get("expires_in"))
    # In whole numbers: one of four hundred digits is no float.
    life = int(TOKEN_LIFE) if told is None else told - int(now) if told > now / 2 else told
    return Token(text, float(min(max(life, int(TOKEN_LIFE_LEAST)), int(TOKEN_LIFE))))


def token_scopes(text: str) -> frozenset[str] | None:
    """The ``scopes`` claim of a token that is a JWT; None where it is opaque (ezyvet.md, section 2).

    Only for telling a person what is missing: the signature is not looked at.
    """
    scopes = _claims(text).get("scopes")
    return frozenset(map(str, scopes)) if isinstance(scopes, list) else None


def token_site(text: str) -> str | None:
    """The ``site_uid`` claim of a token that is a JWT; None where it tells none (ezyvet.md, section 2)."""
    site = _claims(text).get("site_uid")
    return site if isinstance(site, str) and site else None


def _claims(text: str) -> Mapping[str, Any]:
    parts = text.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}


# -- rows to flat native records

PLAN = "plan:"
THERAPEUTIC = "therapeutic:"
"""Before the number of what a due service was derived from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TherapeuticFields:
    """What a site's therapeutics call the day when the next one is due, and what they are about."""

    due: str
    service: str
    name: str
    pet: str | None = None
    consult: str | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """Fields without which a row cannot be read."""
        return ("active", *filter(None, (self.due, self.service, self.name, self.pet, self.consult)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailKinds:
    """Which contact detail type ids mean what at this site; the first phone type is the mobile."""

    email: str
    mobile: str
    phone: str
    other_phones: tuple[str, ...] = ()

    @property
    def phones(self) -> frozenset[str]:
        """Every type that holds a phone."""
        return frozenset({self.mobile, self.phone, *self.other_phones})


def contact(
    row: Mapping[str, Any],
    details: Iterable[Mapping[str, Any]],
    kinds: DetailKinds,
    *,
    address: Mapping[str, Any] | None = None,
    zone: str = "UTC",
) -> Native:
    """A contact joined with its contact details, and with its physical address where that was read.

    Inactive details and details of other types are left out; preferred ones come first, then by id. ``version``
    covers the details too, as a changed detail need not touch its contact. A contact that is no customer counts
    as inactive. A business without a person's name goes by its business name. ``registered_on`` is the day in
    ``zone`` on which ezyVet made the record.
    """
    details = list(details)
    incomplete = any(lacking("contactdetail", detail) for detail in details)
    own = sorted(details, key=lambda detail: (not flag(detail.get("preferred"), default=False), _order(detail)))
    phones: list[object] = []
    emails: list[object] = []
    for detail in own:
        value = detail.get("value")
        if not flag(detail.get("active"), default=True) or value is None or value == "":
            continue
        of_type = record_id(detail.get("contact_detail_type_id"))
        if of_type == kinds.email:
            emails.append(value)
        elif of_type in kinds.phones:
            phones.append(value)
    first, last = (_text(row.get(name, UNREADABLE)) for name in ("first_name", "last_name"))
    if not first and not last:
        last = _text(row.get("business_name"))
    active, customer = _yes(row, "active", empty=True), _yes(row, "is_customer", empty=True)
    stamps = [whole(each.get("modified_at")) or 0 for each in own]
    return {
        "id": record_id(row.get("id")),
        "first_name": first,
        "last_name": last,
        "phones": UNREADABLE if incomplete else phones,
        "emails": UNREADABLE if incomplete else emails,
        "active": UNREADABLE if UNREADABLE in (active, customer) else bool(active and customer),
        "is_customer": is_customer(row),
        "uid": uid(row.get("uid")),
        **_place(address),
        "registered_on": _day(row.get("created_at"), zone),
        "modified_at": _number(row.get("modified_at")),
        "version": f"{whole(row.get('modified_at')) or 0}.{max(stamps, default=0)}.{len(own)}",
    }


def _place(address: Mapping[str, Any] | None) -> dict[str, str]:
    """Street, postcode and city of an address (ezyvet.md, section 7), "" for what it does not say.

    It serves matching alone, so what cannot be read counts as not said. ``suburb`` stands in where no city does.
    """
    known = address if address is not None and flag(address.get("active"), default=True) else {}

    def line(name: str) -> str:
        value = known.get(name)
        value = (
            str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**12 else value
        )
        return " ".join(value.split()) if isinstance(value, str) and len(value) <= LONGEST_LINE else ""

    return {
        "street": ", ".join(filter(None, (line("street_1"), line("street_2")))),
        "postcode": line("post_code"),
        "city": line("city") or line("suburb"),
    }


def _day(value: object, zone: str) -> str:
    """The day of a moment, in ISO 8601; "" where it is none."""
    seconds = whole(value)
    try:
        moment = datetime.fromtimestamp(seconds, UTC) if seconds is not None and seconds > 0 else None
        return moment.astimezone(ZoneInfo(zone)).date().isoformat() if moment else ""
    except (ValueError, OverflowError, OSError):
        return ""


def is_customer(row: Mapping[str, Any]) -> bool:
    """Whether a contact is a client; suppliers, vets and staff are contacts too (ezyvet.md, section 7)."""
    return flag(row.get("is_customer"), default=True)


def animal(row: Mapping[str, Any]) -> Native:
    """An animal, v1 or v2. The referring clinic and vet are contacts; no field of VetBridge's holds them."""
    return {
        "id": record_id(row.get("id")),
        "uid": uid(row.get("uid")),
        "contact_id": _reference(row, "contact_id"),
        "name": _text(row.get("name", UNREADABLE)),
        "species_id": _code(row, "species_id"),
        "breed_id": record_id(row.get("breed_id")),
        "sex_id": _code(row, "sex_id"),
        "date_of_birth": _number(row.get("date_of_birth", UNREADABLE)),
        "is_dead": _yes(row, "is_dead", empty=False),
        "referring_clinic_id": record_id(row.get("referring_clinic_id")),
        "referring_vet_id": record_id(row.get("referring_vet_id")),
        "active": _yes(row, "active", empty=True),
        "modified_at": _number(row.get("modified_at")),
    }


def appointment(row: Mapping[str, Any]) -> Native:
    """An appointment, v2.

    ``state`` is ``inactive`` for a cancelled one, else its status id. ``resource_id`` is the first of
    ``resources`` (the primary one), else ``sales_resource``; ``resource_ids`` are all of them. ``duration`` is in
    seconds.
    """
    active = _yes(row, "active", empty=True)
    status = _reference(row, "status_id")
    named = [*filter(None, _named(row))] or [*filter(None, [record_id(row.get("sales_resource"))])]
    return {
        "id": record_id(row.get("id")),
        "uid": uid(row.get("uid")),
        "contact_id": _reference(row, "contact_id"),
        "animal_id": _reference(row, "animal_id"),
        "start_at": _number(row.get("start_at", UNREADABLE)),
        "duration": _duration(row.get("duration", UNREADABLE)),
        "type_id": _reference(row, "type_id"),
        "status_id": status,
        "state": UNREADABLE if active is UNREADABLE else status if active else INACTIVE,
        "resource_id": named[0] if named else None,
        "resource_ids": named,
        "description": _text(row.get("description", UNREADABLE)),
        "cancellation_reason": _number(row.get("cancellation_reason")),
        "cancellation_reason_text": _text(row.get("cancellation_reason_text")),
        "active": active,
        "modified_at": _number(row.get("modified_at")),
    }


def attachment(row: Mapping[str, Any], pets: Mapping[str, object]) -> Native:
    """An attachment. ``pets``: the animal of each consult that is known, by the consult's id.

    What hangs on a consult is the pet's. What hangs on another record, or on a consult that is not known, has neither
    client nor pet. The address of the file is left out: it counts as a secret (ezyvet.md, section 7).
    """
    on, of = row.get("record_type", UNREADABLE), _reference(row, "record_id")
    word = on.strip().casefold() if isinstance(on, str) else ""
    if word == "consult" and of is not UNREADABLE:
        of = pets.get(str(of))
    if on is not None and not isinstance(on, str):
        of = UNREADABLE
    return {
        "id": record_id(row.get("id")),
        "client_id": of if word == "contact" or of is UNREADABLE else None,
        "pet_id": of if word in ("animal", "consult") or of is UNREADABLE else None,
        "name": _text(row.get("name", UNREADABLE)),
        "notes": _text(row.get("notes", UNREADABLE)),
        "made_at": _moment(row.get("created_at")),
        "active": _yes(row, "active", empty=True),
        "version": _number(row.get("modified_at")),
    }


def consult_of(row: Mapping[str, Any]) -> str | None:
    """The id of the consult that an attachment hangs on or a vaccination was given in."""
    if "consult_id" in row:
        return record_id(row["consult_id"])
    on = row.get("record_type")
    return record_id(row.get("record_id")) if isinstance(on, str) and on.strip().casefold() == "consult" else None


def animal_of(consult: Mapping[str, Any]) -> object:
    """The animal that a consult is about."""
    return _reference(consult, "animal_id")


def vaccination(row: Mapping[str, Any], pets: Mapping[str, object]) -> Native:
    """A vaccination. It names no animal but by its consult (ezyvet.md, section 7); ``pets`` as in ``attachment``.

    ``service`` is the product: what was given of it before, and is given again, is one service.
    """
    consult = _reference(row, "consult_id")
    return {
        "id": record_id(row.get("id")),
        "pet_id": consult if consult in (None, UNREADABLE) else pets.get(str(consult)),
        "service": record_id(row.get("product_id")) or "",
        "name": _line(row.get("description", UNREADABLE)),
        "given_on": _moment(row.get("date_of_administration", UNREADABLE)),
        "due_on": _moment(row.get("date_of_next_administration", UNREADABLE)),
        "active": _yes(row, "active", empty=True),
        "version": _number(row.get("modified_at")),
    }


def membership(row: Mapping[str, Any]) -> Native:
    """A pet's membership of a wellness plan as a service that is due: that the plan be renewed by its end.

    One that renews itself is never due; where the next plan stands, that was done (ezyvet.md, section 7).
    """
    following = _reference(row, "next_wellness_plan")
    renews = _yes(row, "renew_when_expired", empty=False)
    due = None if renews is True else _moment(row.get("end_date", UNREADABLE))
    plan = record_id(row.get("wellness_plan"))
    return {
        "id": f"{PLAN}{record_id(row.get('id'))}",
        "pet_id": _reference(row, "animal_id"),
        "service": PLAN + plan if plan else PLAN.rstrip(":"),
        "name": "Wellness plan",
        "due_on": UNREADABLE if renews is UNREADABLE else due,
        "completed": UNREADABLE if following is UNREADABLE else following is not None,
        "active": _yes(row, "active", empty=True),
        "version": _number(row.get("modified_at")),
    }


def therapeutic(row: Mapping[str, Any], fields: TherapeuticFields, pets: Mapping[str, object]) -> Native:
    """A therapeutic as a service that is due, by the names of its fields that the site has given: the sheet knows
    none of them. ``pets`` as in ``attachment``; they serve where a row does not name its animal."""
    pet: object = None
    if fields.pet is not None:
        pet = _reference(row, fields.pet)
    if pet is None and fields.consult is not None:
        consult = _reference(row, fields.consult)
        pet = consult if consult in (None, UNREADABLE) else pets.get(str(consult))
    return {
        "id": f"{THERAPEUTIC}{record_id(row.get('id'))}",
        "pet_id": pet,
        "service": record_id(row.get(fields.service)) or _line(row.get(fields.service, UNREADABLE)),
        "name": _line(row.get(fields.name, UNREADABLE)),
        "due_on": _moment(row.get(fields.due, UNREADABLE)),
        "completed": False,
        "active": _yes(row, "active", empty=True),
        "version": _number(row.get("modified_at")),
    }


def _moment(value: object) -> object:
    """Unix seconds; None for no moment, as which 0 counts. What cannot be read is for the mapping to name."""
    number = _number(value)
    return None if number == 0 else number


def _line(value: object) -> object:
    """The first line of a text, as long as a line may be."""
    text = _text(value)
    if not isinstance(text, str):
        return text
    lines = (line.strip() for line in text[: 10 * LONGEST_LINE].splitlines())
    return next(filter(None, lines), "")[:LONGEST_LINE]


def resource_ids(row: Mapping[str, Any]) -> list[str] | None:
    """All resources of an appointment, the primary one first; None where one of them cannot be read."""
    named = _named(row)
    known = [each for each in named if each is not None]
    return known if len(known) == len(named) else None


def _named(row: Mapping[str, Any]) -> list[str | None]:
    """The ids in ``resources``, ``[{id: N}, ...]`` or bare; None for what is no id."""
    resources = row.get("resources")
    listed = resources if isinstance(resources, list) else []
    return [record_id(each.get("id") if isinstance(each, dict) else each) for each in listed]


def _duration(value: object) -> object:
    """Seconds, as a number; unreadable where no visit lasts so long."""
    number = _number(value)
    return UNREADABLE if isinstance(number, int) and not 0 <= number <= LONGEST_VISIT else number


def _order(row: Mapping[str, Any]) -> int:
    return whole(row.get("id")) or 0


def timezone(body: Any) -> str | None:
    """The site's IANA zone out of its system settings (ezyvet.md, section 3); None where it does not stand there."""
    try:
        name = body["items"][0]["systemsetting"]["timezone"]["name"]
    except (KeyError, IndexError, TypeError):
        return None
    return name if isinstance(name, str) and _ZONE.fullmatch(name) else None


# -- phones


def phone(text: object, country: str) -> phonenumbers.PhoneNumber | None:
    """A phone number as typed, where it can be understood."""
    if not isinstance(text, str) or len(text) > 100:
        return None
    try:
        return phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return None


def cleaned(text: str, country: str) -> tuple[str, ...]:
    """The forms in which ezyVet may hold a phone in ``value_cleaned``, most likely first.

    The sheet knows "digits including the country code" from a single source (ezyvet.md, section 7), so the digits
    without it are asked for too. A number that cannot be understood is asked for by its bare digits.
    """
    number = phone(text, country)
    if number is None:
        digits = re.sub(r"[^0-9]", "", text[:100])
        return (digits,) if digits else ()
    abroad = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).lstrip("+")
    home = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return tuple(dict.fromkeys((abroad, re.sub(r"[^0-9]", "", home))))


def same_phone(one: object, other: object, country: str) -> bool:
    """Whether two phone fields, as typed, hold one number; what is no number is compared as text."""
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    first, second = normalise.phones(one, country), normalise.phones(other, country)
    if first and second:
        return not set(first).isdisjoint(second)
    return one.strip() == other.strip() != ""


# -- payloads


def contact_payload(native: Native, kinds: DetailKinds, country: str) -> dict[str, Any]:
    """The body that creates a client, as it was seen live (ezyvet.md, section 7). The first detail is preferred."""
    details = []
    for value in _texts(native, "phones"):
        number = phone(value, country)
        fixed = number and phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.FIXED_LINE
        details.append(("Phone", value, kinds.phone) if fixed else ("Mobile", value, kinds.mobile))
    details += [("Email", value, kinds.email) for value in _texts(native, "emails")]
    return {
        "first_name": native.get("first_name", ""),
        "last_name": native.get("last_name", ""),
        "is_customer": 1,
        "contact_detail_list": [
            {"name": name, "value": value, "contact_detail_type_id": int(of_type), "preferred": int(index == 0)}
            for index, (name, value, of_type) in enumerate(details)
        ],
    }


def animal_payload(native: Native) -> dict[str, Any]:
    """The body that creates a pet, or changes the given fields of one."""
    return {name: as_number(name, value) if name.endswith("_id") else value for name, value in native.items()}


def appointment_payload(native: Native, others: Sequence[str] = ()) -> dict[str, Any]:
    """The body that creates a visit, or changes the given fields of one.

    ``state`` becomes ``status_id`` and ``resource_id`` becomes ``sales_resource`` and the first of ``resources``,
    with ``others`` behind it. The shape of an element of ``resources`` on write is not documented; it is sent as it
    is read, ``{"id": N}``.
    """
    body: dict[str, Any] = {}
    for name, value in native.items():
        if name == "state":
            body["status_id"] = as_number(name, value)
        elif name == "resource_id":
            body["sales_resource"] = as_number(name, value)
            numbers = dict.fromkeys((as_number(name, value), *map(int, others)))
            body["resources"] = [{"id": number} for number in numbers]
        elif name.endswith("_id"):
            body[name] = as_number(name, value)
        else:
            body[name] = value
    return body


_REPLACED = (
    "start_at",
    "duration",
    "type_id",
    "status_id",
    "description",
    "animal_id",
    "contact_id",
    "sales_resource",
    "resources",
)
"""What a visit is written with (ezyvet.md, section 7), as the row bears it."""


def appointment_whole(row: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The body that replaces a visit: what was read, with the changes over it. A PUT may empty what it leaves out."""
    return {**{name: row[name] for name in _REPLACED if name in row}, **changes}


def bookable(native: Native) -> bool:
    """Whether ezyCAB can be asked for this visit: all its parts are named, and its length is one that it books."""
    start, seconds = whole(native.get("start_at")), whole(native.get("duration"))
    named = all(record_id(native.get(name)) for name in ("contact_id", "animal_id", "type_id", "resource_id"))
    return (
        named
        and start is not None
        and 0 <= start < 10**11
        and seconds is not None
        and 0 < seconds <= LONGEST_BOOKING
        and seconds % GRID == 0
    )


def booking_payload(native: Native, uids: Mapping[str, str], status: str, zone: str) -> dict[str, Any]:
    """The body that books through ezyCAB (ezyvet.md, section 7): minutes, uids, a time with its offset.

    ``uids`` by the field of the native record; ``status`` is ezyCAB's word. For what ``bookable`` lets through.
    """
    start, seconds = whole(native.get("start_at")) or 0, whole(native.get("duration")) or 0
    return {
        "startTime": datetime.fromtimestamp(start, ZoneInfo(zone)).isoformat(),
        "type": uids["type_id"],
        "durationMinutes": seconds // 60,
        "appointmentStatus": status,
        "description": native.get("description") or "",
        "animal": uids["animal_id"],
        "contact": uids["contact_id"],
        "provider": uids["resource_id"],
        "additionalResources": [],
    }


def booked(body: Any) -> str | None:
    """The uid of the new visit, ``appointment`` of ezyCAB's answer or of its ``data``; None where it tells none."""
    inner = body.get("data") if isinstance(body, dict) else None
    places = [each for each in (body, inner) if isinstance(each, dict)]
    return next(filter(None, (uid(each.get("appointment")) for each in places)), None)


def as_number(name: str, value: object) -> int:
    """An id as v2 takes it. Raises ``MappingError`` where the code list gave something else."""
    text = record_id(value)
    if text is None:
        raise MappingError(f"{name}: ezyVet takes the number of a record here; mend the site's code list")
    return int(text)


def _texts(native: Native, name: str) -> Sequence[str]:
    return [value for value in native.get(name) or () if isinstance(value, str) and value]


# -- webhooks


def hints(raw: bytes) -> tuple[Hint, ...]:
    """Which records a webhook call names (ezyvet.md, section 8): several items a call, each in its v2 shape.

    Only kind and id are used; what the item says is read afresh. Other resources are no hint. Raises ``BadHint``.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadHint("the body is not JSON") from None
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise BadHint("the body has no list of items")
    found: dict[Hint, None] = {}
    nameless = False
    for item in items:
        for resource, row in item.items() if isinstance(item, dict) else ():
            if resource not in _HINTED or not isinstance(row, dict):
                continue
            kind, field = _HINTED[resource]
            of = record_id(row.get(field))
            if of is None:
                nameless = True
            else:
                found[Hint(kind=kind, id=of)] = None
    if nameless and not found:
        raise BadHint("an item of the body has no id")
    return tuple(found)


_HINTED = {
    "appointment": (Kind.APPOINTMENT, "id"),
    "contact": (Kind.CLIENT, "id"),
    "contactdetail": (Kind.CLIENT, "contact_id"),
    "animal": (Kind.PET, "id"),
}
