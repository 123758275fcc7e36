"""What all parts of the Altegio simulator share: envelope, authorisation, rights, rows, times, webhooks.

Section numbers are those of the vendor's sheet (altegio.md).
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from connectors.altegio.simulator.switches import SWITCHES, Switches
from vetbridge.testing.simkit import Limit, Refusal, Request, Response, Route, Row, Simulator, SimulatorOptions

LOCATION = 101001
"""Number of the first location; the next ones count on."""
APART = 10_000_000
"""Ids of a location are those of the first one plus this, for each place between them."""
GROUP = 9001
"""Id of the chain, where there are several locations or the switch ``chain`` says that there is one."""
MARKETPLACE = "/marketplace"
"""Where the marketplace stands, which has a host of its own at the vendor."""
STAFF_USER = 61
"""Id of the back-office user that the user token belongs to."""
SMS_CODE = "4821"
"""The code that the widget and the login with two factors send by text message."""

RIGHTS = (
    "timetable_phones_access",
    "clients_phones_email_access",
    "client_phones_access",
    "clients_card_phone_access",
    "dash_phones_access",
    "dash_records_phones_access",
    "record_form_client_access",
    "clients_access",
    "client_files_list_access",
    "client_files_upload_access",
    "client_files_delete_access",
    "client_comments_list_access",
    "client_comments_add_access",
    "client_comments_own_edit_access",
    "client_comments_other_edit_access",
    "webhook_read_access",
    "edit_users_access",
    "schedule_edit_access",
    "delete_customer_came_records_access",
    "delete_paid_records_access",
    "custom_fields_record_values_read_access",
    "custom_fields_record_values_edit_access",
    "custom_fields_client_values_read_access",
    "custom_fields_client_values_edit_access",
)
"""Rights of sections 3.7 and 3.14 that are given or not."""
HOOK_FLAGS = (
    "active",
    "salon",
    "service_category",
    "service",
    "master",
    "good",
    "client",
    "record",
    "schedule",
    "loyalty_card",
    "goods_operations_sale",
    "goods_operations_receipt",
    "goods_operations_consumable",
    "goods_operations_stolen",
    "goods_operations_move",
    "finances_operation",
    "self_sending",
)
_FLAG_OF = {"staff": "master", "company": "salon"}
"""The settings' word for a resource of a webhook, where it is another one (section 5)."""
_SYNONYMS = {"create": "{}_created", "update": "{}_updated", "delete": "canceled"}
MEDIA_TYPES = ("application/vnd.api.v2+json", "application/vnd.yclients.v2+json")
LONGEST_FIELD = 255
BOOKING_CODES = {
    431: "The phone format is wrong",
    432: "The code is wrong",
    433: "The selected time is already taken",
    434: "The phone is black-listed",
    435: "The name is missing",
    436: "No team member is free at this time",
    437: "Entries of the request overlap",
    438: "The service is no longer offered",
}
_HIDDEN_BY = {
    "calendar": {"clients_phones_email_access", "timetable_phones_access", "dash_records_phones_access"},
    "list": {"clients_phones_email_access"},
    "card": {"clients_phones_email_access", "clients_card_phone_access", "client_phones_access"},
}
"""The rights without any one of which contacts are hidden, by where they would be shown."""
_CARD = {
    "surname": "",
    "patronymic": "",
    "email": "",
    "sex_id": 0,
    "birth_date": "",
    "comment": "",
    "custom_fields": {},
}


def _address(request: Request) -> str | None:
    """Who a call is counted for: all come from this machine. The marketplace's limits are unknown, and off."""
    return None if request.template.startswith(MARKETPLACE) else "the one address of this machine"


class SimulatedLocation(Switches, Simulator):
    """The location as such; the parts are in the other modules named ``simulated_``."""

    vendor = "altegio"
    base_path = "/api/v1"
    # Section 1, "Limits, paging, time".
    limits_real: ClassVar[Sequence[Limit]] = (
        Limit("second", 5, 1.0, per=_address),
        Limit("minute", 200, 60.0, per=_address),
    )
    # Section 5: queued 5 s after the change; two more tries 1.5 s apart.
    webhook_delay_real = 5.0
    webhook_tries = 3
    webhook_retry_wait = 1.5
    purgeable = frozenset({"client", "record"})
    makes = frozenset({"page_shift", "lagging_search", "cut_fields", "missing_fields", "token_expiry"})

    def __init__(self, *, place: int = 0, **options: Any) -> None:
        """Takes the kit's options (``SimulatorOptions``) and the switches (``Switches``); ``place``: which of the
        platform's locations this is, from 0. Raises ``TypeError`` for another name and ``ValueError`` for a value
        that a switch has not."""
        self.location = LOCATION + place
        """Its number."""
        self.apart = place * APART
        """What its ids have more than those of the first location."""
        self._platform: list[Any] = [self]
        kit = {name: value for name, value in options.items() if name not in SWITCHES}
        strange = set(kit) - set(SimulatorOptions.__annotations__)
        if strange:
            raise TypeError(f"the simulator has no option {', '.join(sorted(strange))}")
        for name in SWITCHES.keys() & options.keys():
            self.turn(name, options[name])
        if not self.webhook_retries:
            self.webhook_tries = 1  # type: ignore[misc]  # the kit reads it once, from the simulator it makes
        super().__init__(**kit)

    @property
    def sites(self) -> list[Self]:
        """All locations of the platform, in order; where there is one, itself alone."""
        return self._platform

    @property
    def reachable(self) -> bool:
        """Whether the user may do anything here."""
        return True

    @property
    def title(self) -> str:
        """The location's name."""
        return f"Simulated clinic {self.location - LOCATION + 1}" if self.apart else "Simulated clinic"

    @property
    def in_chain(self) -> bool:
        """Whether the location belongs to the chain."""
        return self.chain or len(self.sites) > 1

    # -- envelope, authorisation

    def error(self, status: int, message: str) -> Response:
        """The envelope of a failure (section 1)."""
        return Response(status, failure(message))

    def too_many(self, wait: float, limit: Limit | None) -> Response:
        """429; the sheet says that ``Retry-After`` may be present."""
        headers = {"Retry-After": str(max(1, math.ceil(wait)))} if self.retry_after else {}
        return Response(429, failure("Too many requests"), headers)

    def finish(self, request: Request, response: Response) -> Response:
        """The envelope as the switches want it. ``errors_inside``: refusals of a request as such, not those of
        credentials, limits and faults."""
        body = response.body
        if isinstance(body, dict) and "success" in body:
            body = self._told(body) if body["success"] else self._refusal_told(body)
        inside = self.errors_inside and response.status in (400, 404, 422)
        return replace(response, body=body, status=200 if inside else response.status)

    def _told(self, body: Mapping[str, Any]) -> dict[str, Any]:
        data, meta = body["data"], body["meta"]
        if self.numbers == "text":
            data = _as_text(data)
        if self.flags == "number":
            data = _as_flags(data)
        return {**body, "data": data, "meta": {} if meta == [] and self.empty_meta == "object" else meta}

    def _refusal_told(self, body: Mapping[str, Any]) -> dict[str, Any]:
        meta, told = dict(body["meta"]), dict(body)
        if self.booking_code == "meta" and "errors" in told:
            meta["errors"] = told.pop("errors")
        errors = meta.get("errors")
        if isinstance(errors, dict) and "code" not in errors:
            if self.error_shape == "array":
                meta["errors"] = [text for texts in errors.values() for text in texts]
            elif self.error_shape == "objects":
                meta["errors"] = [{name: texts[0]} for name, texts in errors.items()]
        if self.error_shape == "top":
            return {**told, "meta": [], "errors": {**told.get("errors", {}), "message": meta["message"]}}
        return {**told, "meta": meta}

    def end_token(self, request: Request) -> None:
        """The user's password changes: another user token is good from now on (section 1)."""
        if not self._shows_user(request):
            return
        number = self.store.get_meta("tokens", 0) + 1
        self.store.set_meta("tokens", number)
        token = hashlib.sha256(f"{self.credentials['user_token']}:{number}".encode()).hexdigest()[:32]
        self.credentials = {**self.credentials, "user_token": token}
        self.store.set_meta("credentials", self.credentials)

    def admit(self, request: Request, route: Route) -> None:
        """Tokens first, then the licence, the location, the rights. ``access`` of a route: P or PU, then rights;
        ANY for what no call of the API is."""
        if route.access == "ANY":
            return
        if self.require_accept and not any(kind in request.headers.get("accept", "") for kind in MEDIA_TYPES):
            raise Refusal(400, "The Accept header is missing the media type of the API version")
        needed, *rights = route.access.split()
        if not self._is_partner(request) or (needed == "PU" and not self._is_user(request)):
            raise Refusal(401, "Authentication needed.")
        if self.licence_expired and request.template != "/auth":
            raise Refusal(
                402 if request.template.endswith("/clients/search") else 403, "The licence has to be renewed"
            )
        if "location" in request.params and request.number("location") != self.location:
            raise Refusal(404, "Not found")
        if any(right in self.denied_rights for right in rights):
            raise Refusal(403, "Access denied.")

    def _is_partner(self, request: Request) -> bool:
        return _tokens(request.headers.get("authorization", ""))[0] == self.credentials["partner_token"]

    def _shows_user(self, request: Request) -> bool:
        return bool(_tokens(request.headers.get("authorization", ""))[1])

    def _is_user(self, request: Request) -> bool:
        user = _tokens(request.headers.get("authorization", ""))[1]
        return hmac.compare_digest(user.encode(), self.credentials["user_token"].encode())

    def _needs(self, right: str) -> None:
        if right in self.denied_rights:
            raise Refusal(403, "Access denied.")

    def _deleted(self) -> Response:
        """The answer of a DELETE that was done."""
        return Response(204) if self.delete_answer == 204 else success(None, meta={"message": "Deleted"})

    # -- webhooks

    def _announce(self, resource: str, status: str, number: int, data: Any, *, own: bool) -> None:
        """Queues the webhooks of one event; ``own``: the partner itself caused it."""
        hooks = self.store.get_meta("hooks")
        if not hooks["active"] or not hooks[_FLAG_OF.get(resource, resource)] or (own and not hooks["self_sending"]):
            return
        word = status if self.webhook_words == "plain" else _SYNONYMS[status].format(resource)
        event = {
            "company_id": self.location,
            "resource": resource,
            "resource_id": number,
            "status": word,
            "data": data,
        }
        for url in hooks["urls"]:
            self.send(url, [event] if self.webhook_form == "array" else event)

    def _announce_change(
        self, resource: str, status: str, after: dict[str, Any], before: Mapping[str, Any] | None, *, own: bool
    ) -> None:
        """The webhook of a record or a client as it is now; ``before`` is what was shown of it until then."""
        if before is not None and self.webhook_data == "partial":
            always = ("id", "last_change_date")
            after = {key: value for key, value in after.items() if key in always or before.get(key) != value}
        self._announce(resource, status, after["id"], after, own=own)

    # -- rights

    def _contacts(self, card: Row, place: str, *, masked: bool = True) -> dict[str, Any]:
        """Phone and e-mail of a card as they are shown at a place: calendar, list or card."""
        phone, email = card["phone"], card["email"]
        if masked and _HIDDEN_BY[place] & self.denied_rights:
            if self.hidden_contacts == "missing":
                return {}
            stars = self.hidden_contacts == "stars"
            return {"phone": _starred(phone) if stars else "", "email": _starred(email) if stars else ""}
        bare = digits(phone)
        shown = {"plus": phone, "bare": bare, "number": int(bare) if bare else 0}
        return {"phone": shown[self.phone_form], "email": email}

    def _names(self, card: Row) -> dict[str, str]:
        """Name, surname and middle name as the user may see them."""
        surname, middle = card["surname"], card["patronymic"]
        if self.cut_surnames:
            surname, middle = (f"{surname[0]}." if surname else ""), ""
        return {"name": card["name"], "surname": surname, "patronymic": middle}

    def _spelt(self, view: dict[str, Any]) -> dict[str, Any]:
        """A client with the spellings that the switch ``gender_names`` leaves."""
        without = {
            "both": (),
            "gender": ("sex", "sex_id", "patronymic"),
            "sex": ("gender", "gender_id", "middle_name"),
        }[self.gender_names]
        return {name: value for name, value in view.items() if name not in without}

    def _may_see_client(self, number: int) -> bool:
        """Whether a client is one of those the user is limited to."""
        if not self.own_clients_of:
            return True
        return bool(self.store.find("record", client_id=number, staff_id=self.own_clients_of))

    # -- lists and rows

    def _listing(
        self,
        request: Request,
        kind: str,
        rows: list[Row],
        shown: Callable[[Row], dict[str, Any]],
        *,
        default: int,
        most: int,
    ) -> Response:
        """One page of a list."""
        rows = self.listed(kind, rows)
        page = max(1, whole(request.first("page", "1"), "page"))
        count = min(most, max(1, whole(request.first("count", str(default)), "count")))
        # A row that has come in front pushes the others on, and is counted; one that has gone pulls them up.
        shift = self.page_shift(page)
        begin = (page - 1) * count + shift
        data = [self.thinned(shown(row)) for row in rows[begin : begin + count]]
        return success(data, meta={"page": page, "total_count": len(rows) - shift})

    def _row(self, kind: str, number: int) -> dict[str, Any]:
        row = self.store.get(kind, number)
        if row is None:
            raise Refusal(404, "Not found")
        return row

    def _labels(self, given: Any, entity: int) -> list[dict[str, Any]]:
        """The labels that a list of ids names; an id that no label has stands without a title."""
        shown = []
        for one in given if isinstance(given, list) else []:
            number = whole(one, "labels")
            label = self.store.get("label", number) if number > 0 else None
            known = label if label is not None and label["entity"] == entity else {}
            shown.append({"id": number, **{name: known.get(name, "") for name in ("title", "color", "icon")}})
        return shown

    # -- times

    def _second(self) -> int:
        """Now. Stamps have whole seconds."""
        return int(self.clock.now().timestamp())

    def _moment(self, given: Any) -> int:
        """A time as seconds since 1970: with an offset, or local to the location."""
        try:
            if not isinstance(given, str) or not re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d", given):
                raise ValueError("not a time")
            moment = datetime.fromisoformat(given)
            return int((moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(self.zone))).timestamp())
        except (ValueError, OverflowError):
            raise invalid(datetime="The time must be written as 2026-03-02T10:00:00+00:00") from None

    def _local(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(seconds, ZoneInfo(self.zone))

    def _naive(self, seconds: int) -> str:
        return self._local(seconds).strftime("%Y-%m-%d %H:%M:%S")

    def _iso(self, seconds: int) -> str:
        return self._local(seconds).isoformat()

    def _compact(self, seconds: int) -> str:
        """ISO with an offset without colon, as in ``last_change_date``."""
        return self._local(seconds).strftime("%Y-%m-%dT%H:%M:%S%z")

    def _winter(self, seconds: int) -> str:
        """The right wall time beside the offset of January."""
        local = self._local(seconds)
        january = datetime(local.year, 1, 1, tzinfo=local.tzinfo).strftime("%z")
        return f"{local.strftime('%Y-%m-%dT%H:%M:%S')}{january[:3]}:{january[3:]}"

    def _bounds(self, request: Request, tests: list[Callable[[Row], bool]]) -> None:
        """``changed_after`` and ``changed_before``."""
        zone: tzinfo = ZoneInfo(self.zone) if self.bounds_zone == "site" else UTC
        after, before = (_bound(request.first(name), zone) for name in ("changed_after", "changed_before"))
        if after is not None:
            tests.append(lambda row: row["_changed"] >= after)
        if before is not None:
            tests.append(lambda row: row["_changed"] <= before)

    def _between_days(self, field: str, first: date | None, last: date | None) -> Callable[[Row], bool]:
        def test(row: Row) -> bool:
            day = self._local(row[field]).date()
            return (first is None or first <= day) and (last is None or day <= last)

        return test

    # -- the diary

    def _busy(self, staff_id: int, start: int, length: int, *, besides: int | None = None) -> bool:
        if self.working_hours == "kept" and not self._on_duty(staff_id, start, length):
            return True
        return any(
            row["_start"] < start + length and start < row["_start"] + row["seance_length"]
            for row in self.store.find("record", staff_id=staff_id, deleted=False)
            if row["id"] != besides
        )

    def _on_duty(self, staff_id: int, start: int, length: int) -> bool:
        day = self._local(start).date()
        return any(begin <= start and start + length <= end for begin, end in self._shifts(staff_id, day))

    def _shifts(self, staff_id: int, day: date) -> list[tuple[int, int]]:
        """The working time of a day as seconds since 1970."""
        return [
            (self._moment(f"{day} {slot['from']}"), self._moment(f"{day} {slot['to']}"))
            for slot in self._slots(staff_id, day)
        ]

    def _slots(self, staff_id: int, day: date) -> list[dict[str, str]]:
        """Section 3.11. Without a schedule of its own a day has 08:00 to 19:00, a Sunday nothing."""
        kept = self.store.find("schedule", staff_id=staff_id, date=day.isoformat())
        if kept:
            slots: list[dict[str, str]] = kept[0]["slots"]
            return slots
        return [] if day.weekday() == 6 else [{"from": "08:00", "to": "19:00"}]

    # -- custom fields

    def _field_values(self, category: str, given: Any, old: Mapping[str, Any]) -> dict[str, Any]:
        """The values of defined fields, over those that stand; an empty list means none (section 3.9)."""
        if given is None or given == []:
            return dict(old)
        if not isinstance(given, dict):
            raise invalid(custom_fields="The values must be an object")
        fields = {row["code"]: row for row in self.store.find("field", category=category)}
        values = dict(old)
        for code, value in given.items():
            if code in fields:
                values[code] = self._field_value(fields[code], value)
        return values

    def _field_value(self, field: Row, value: Any) -> Any:
        kind, code = field.get("type", "text"), field["code"]
        if kind == "select":
            chosen = value if isinstance(value, list) else [value]
            if any(one not in (field.get("values") or []) for one in chosen):
                raise invalid(custom_fields=f"{code} has no such choice")
            return chosen
        told = text(value, code)
        if kind == "number" and told and not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", told):
            raise invalid(custom_fields=f"{code} must be a number")
        if kind in ("date", "datetime") and told:
            try:
                datetime.strptime(told, "%Y-%m-%d" if kind == "date" else "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            except ValueError:
                raise invalid(custom_fields=f"{code} must be a {kind}") from None
        if len(told) > LONGEST_FIELD:
            raise invalid(custom_fields=f"The text of {code} is longer than {LONGEST_FIELD} characters")
        return self.kept(told)

    def _may_write_fields(self, category: str) -> bool:
        """Section 3.7: both rights, or the values are silently not updated."""
        needed = {f"custom_fields_{category}_values_{what}_access" for what in ("read", "edit")}
        return not needed & self.denied_rights

    def _served_fields(self, values: Mapping[str, Any]) -> Any:
        return dict(values) if values or self.empty_fields == "object" else []


# -- answers


def success(data: Any, *, status: int = 200, meta: Mapping[str, Any] | None = None) -> Response:
    """The envelope of an answer; an empty ``meta`` is ``[]``."""
    return Response(status, {"success": True, "data": data, "meta": dict(meta) if meta else []})


def failure(message: str, errors: Any = None) -> dict[str, Any]:
    """The envelope of a refusal."""
    meta: dict[str, Any] = {"message": message}
    if errors:
        meta["errors"] = errors
    return {"success": False, "data": None, "meta": meta}


def invalid(_status: int = 422, /, **errors: str) -> Refusal:
    """A validation failure: field -> list of messages."""
    lists = {name: [words] for name, words in errors.items()}
    return Refusal(_status, body=failure("Validation failed", lists))


def booking_refusal(code: int, entry: Any = None, *, status: int = 422) -> Refusal:
    """A refusal with one of the widget's codes (section 3.12); ``entry``: the id of the appointment it is about."""
    errors: dict[str, Any] = {"code": code, "message": BOOKING_CODES[code]}
    if entry is not None:
        errors["id"] = entry
    return Refusal(403 if code == 434 else status, body={**failure(BOOKING_CODES[code]), "errors": errors})


def _as_text(data: Any) -> Any:
    """Numbers as text, prices with two decimals (section 3)."""
    if isinstance(data, dict):
        return {name: _price(value) if "price" in name else _as_text(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_as_text(one) for one in data]
    return str(data) if isinstance(data, int | float) and not isinstance(data, bool) else data


def _price(value: Any) -> Any:
    return f"{value:.2f}" if isinstance(value, int | float) and not isinstance(value, bool) else _as_text(value)


def _as_flags(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _as_flags(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_as_flags(one) for one in data]
    return int(data) if isinstance(data, bool) else data


def _tokens(header: str) -> tuple[str, str]:
    """Partner and user token of an Authorization header: with or without spaces after the comma, more of them after
    ``User``, and without that word, as clients in production send it (section 1)."""
    match = re.fullmatch(r"Bearer +([^\s,]+)(?:, *(?:User +)?([^\s,]+))?", header.strip())
    return (match[1], match[2] or "") if match else ("", "")


def _starred(contact: str) -> str:
    return f"{contact[:2]}*****{contact[-2:]}" if contact else ""


# -- what a request says


def new_card(name: str, surname: str, phone: str, email: str, changed: int) -> dict[str, Any]:
    """A client's card; ``changed``: seconds since 1970."""
    return {**_CARD, "custom_fields": {}, "name": name, "surname": surname, "phone": phone, "email": email} | {
        "_changed": changed
    }


def full_name(row: Row) -> str:
    """The names of a card in one text."""
    return " ".join(part for part in (row["name"], row["patronymic"], row["surname"]) if part)


def digits(words: str) -> str:
    """The ASCII digits of a text."""
    return re.sub(r"[^0-9]", "", words)


def phone_of(given: Any) -> str:
    """``+`` and digits, as cards hold it; a number is taken too."""
    return f"+{digits(str(given))}" if isinstance(given, str | int) and not isinstance(given, bool) else "+"


def phone_fits(phone: str) -> bool:
    """Section 3.6: 9 to 15 digits."""
    return 9 <= len(phone) - 1 <= 15


def text(given: Any, name: str) -> str:
    """A text, also of a number; "" for null. Raises a 422."""
    if given is None:
        return ""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise invalid(**{name: "The value must be a text"})
    return str(given)


def whole(given: Any, name: str) -> int:
    """A whole number, also written as text or, as a typed public client does it, as 501.0. Raises a 422."""
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    words = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if not re.fullmatch(r"-?[0-9]{1,12}", words):
        raise invalid(**{name: "The value must be a whole number"})
    return int(words)


def number(given: Any, name: str) -> float:
    """An amount, also written as text. Raises a 422."""
    words = str(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else ""
    if not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", words):
        raise invalid(**{name: "The value must be a number"})
    return int(words) if "." not in words else float(words)


def flag(given: Any) -> bool:
    """Whether a value means yes: true, 1, 1.0, "1", "true"."""
    return given == 1 or str(given).lower() in ("1", "true")


def day_of(words: str) -> date | None:
    """A day, also written without hyphens; None for "". Raises a 422."""
    try:
        return date.fromisoformat(words) if words else None
    except ValueError:
        raise invalid(date="The date must be written as 2026-03-02") from None


def days_between(first: date, last: date, most: int = 366) -> list[date]:
    """The days from first to last, at most so many."""
    return [first + timedelta(days=step) for step in range(min(most, (last - first).days + 1))]


def ids_of(request: Request, name: str) -> list[str]:
    """Values of a query parameter in PHP's form, repeated, or joined by commas (section 1)."""
    given = [*request.query.get(f"{name}[]", []), *request.query.get(name, [])]
    return [part.strip() for one in given for part in one.split(",") if part.strip()]


def is_form(request: Request) -> bool:
    """Whether the body is a form and no JSON."""
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def form(request: Request) -> dict[str, str]:
    """The fields of a form; of a repeated one the last. Raises ``Refusal`` 400 for far too many."""
    try:
        fields = parse_qs(request.body.decode("utf-8", errors="replace"), max_num_fields=100)
    except ValueError:
        raise Refusal(400, "the form cannot be read") from None
    return {name: values[-1] for name, values in fields.items()}


def equals(name: str, wanted: str) -> Callable[[Row], bool]:
    """A test whether a field of a row is, as text, what is wanted."""
    return lambda row: str(row[name]) == wanted


def contains(text_of: Callable[[Row], str], part: str) -> Callable[[Row], bool]:
    """A test whether a text of a row contains a part, in whatever case."""
    wanted = part.casefold()
    return lambda row: wanted in text_of(row).casefold()


def _bound(words: str, zone: tzinfo) -> int | None:
    """The second that ``changed_after`` or ``changed_before`` means."""
    try:
        if not words:
            return None
        moment = datetime.fromisoformat(words)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())
    except (ValueError, OverflowError):
        raise invalid(changed="The time must be written as 2026-03-02T10:00:00") from None
