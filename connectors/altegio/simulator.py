"""A simulator of Altegio's API v1, written from the vendor's sheet (altegio.md) and from nothing else.

It serves the legacy addresses of one stand-alone location: records, clients, the booking widget, staff, services,
custom field definitions, webhook settings and rights. It shares no code with the Altegio connector.

Where the sheet calls something unknown, the simulator must still answer something. These are its choices, and no
statement about Altegio:

- Booking codes 431 to 438 stand in a top-level ``errors`` object, and ``meta.message`` says the same in words. A busy
  slot on a staff-side write (``save_if_busy`` false) is answered 422 with code 433 in the same place.
- A phone that another card has is refused with 422 on create and on update of a client.
- A write to a deleted record is refused with 422; deleting one again with 404.
- What a PUT of a record leaves out stays as it is (option ``put_clears``: is emptied).
- Values for custom fields that are not defined are dropped; a text of more than 255 characters is refused with 422.
- ``changed_after`` and ``changed_before`` are inclusive and local to the location (option ``bounds_zone``).
- Records are listed by ascending id, all dates unless filtered, and 200 a page at most.
- A name typed into the widget goes whole into ``name`` of a new card (option ``fullname``). The card that has the
  phone already is used as it is: its own name stands in the record.
- What the owner does (widget routes) is nobody's "own action" for ``self_sending``; what a user token does is the
  partner's own.
- The owner's reschedule (PUT ``/book_record``) takes ``datetime`` and ``comment``.
- ``/user/permissions`` answers the rights in one flat object.
- The 429 carries ``Retry-After`` (option ``retry_after``).
- A user token that ends (fault ``token_expiry``) is replaced by another one, as when the user's password changes:
  ``POST /auth`` and ``credentials`` tell the new one.

What stands in the store, for those who audit it: kind ``client`` (the card; ``phone`` is E.164) and kind ``record``
(``client_id``, ``staff_id``, ``service_ids``, ``datetime`` with offset, ``seance_length`` in seconds, ``deleted``,
``online`` true when the widget made it, ``api_id``, ``comment``, ``custom_fields``), ``notice``, ``staff``,
``service``.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack
from zoneinfo import ZoneInfo

from vetbridge.testing.clinic import Clinic
from vetbridge.testing.simkit import (
    Effect,
    Limit,
    Refusal,
    Request,
    Response,
    Route,
    Row,
    Simulator,
    SimulatorOptions,
)

if TYPE_CHECKING:
    from vetbridge.testing.twins.sides import TwinSides

LOCATION = 101001
STAFF_FROM = 501
SERVICE_FROM = 701
CLIENT_FROM = 10000
"""A seeded client's id is this plus the owner's number."""
FIRST_NEW_CLIENT = 2_000_001
FIRST_RECORD = 30001
STAFF_USER = 61
"""Id of the back-office user that the user token belongs to."""
ATTENDANCE = {"booked": 0, "confirmed": 2, "arrived": 1, "completed": 1, "no_show": -1}
"""Codes of section 3.7 by VetBridge's words."""

RECORD_FIELDS = {"pet_name": "Pet", "pet_species": "Species", "pet_breed": "Breed", "pet_key": "Pet key"}
PETS_FIELD = "vetbridge_pets"
CLIENT_FIELDS = {PETS_FIELD: "Pets"}
"""Custom field definitions of a new store: code and title, all of type text."""

RIGHTS = (
    "timetable_phones_access",
    "clients_phones_email_access",
    "client_phones_access",
    "clients_card_phone_access",
    "dash_phones_access",
    "dash_records_phones_access",
    "record_form_client_access",
    "clients_access",
    "webhook_read_access",
    "edit_users_access",
    "schedule_edit_access",
    "custom_fields_record_values_read_access",
    "custom_fields_record_values_edit_access",
    "custom_fields_client_values_read_access",
    "custom_fields_client_values_edit_access",
)
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
SEARCH_FIELDS = (
    "id",
    "name",
    "phone",
    "email",
    "discount",
    "first_visit_date",
    "last_visit_date",
    "sold_amount",
    "visits_count",
    "passteam_card_id",
)
MEDIA_TYPES = ("application/vnd.api.v2+json", "application/vnd.yclients.v2+json")
LONGEST_FIELD = 255
LONGEST_VISIT = 24 * 3600
BOOKING_CODES = {
    431: "The phone format is wrong",
    433: "The selected time is already taken",
    434: "The phone is black-listed",
    435: "The name is missing",
    436: "No team member is free at this time",
    437: "Entries of the request overlap",
    438: "The service is no longer offered",
}


def build(**options: Any) -> AltegioSimulator:
    """A simulator, not yet serving; takes the options of ``AltegioSimulator``."""
    return AltegioSimulator(**options)


class AltegioSimulator(Simulator):
    """One Altegio location over HTTP. ``credentials`` hold partner_token, user_token and location_id."""

    vendor = "altegio"
    base_path = "/api/v1"
    # Section 1, "Limits, paging, time".
    limits_real: ClassVar[Sequence[Limit]] = (
        Limit("second", 5, 1.0, per=lambda _: "the one address of this machine"),
        Limit("minute", 200, 60.0, per=lambda _: "the one address of this machine"),
    )
    # Section 5: queued 5 s after the change; two more tries 1.5 s apart.
    webhook_delay_real = 5.0
    webhook_tries = 3
    webhook_retry_wait = 1.5
    purgeable = frozenset({"client", "record"})
    makes = frozenset({"page_shift", "lagging_search", "cut_fields", "missing_fields", "token_expiry"})

    def __init__(
        self,
        *,
        missing_fields: Iterable[str] = (),
        denied_rights: Iterable[str] = (),
        blocked_phones: Iterable[str] = (),
        fullname: Literal["whole", "split"] = "whole",
        empty_fields: Literal["list", "object"] = "list",
        put_clears: bool = False,
        bounds_zone: Literal["site", "utc"] = "site",
        winter_offset: bool = False,
        retry_after: bool = True,
        require_accept: bool = False,
        duplicate_status: Literal[422, 500] = 422,
        errors_inside: bool = False,
        **options: Unpack[SimulatorOptions],
    ) -> None:
        """Beside the kit's options:

        ``missing_fields``: codes of custom fields that a new store does not define. ``denied_rights``: rights of
        section 3.14 that the user lacks. ``blocked_phones``: phones that the widget answers 434. ``empty_fields``:
        how custom fields without a value are served (section 3.9). ``winter_offset``: ``datetime`` of summer visits
        carries the winter offset (section 8.1). ``require_accept``: 400 without a vendor media type in Accept.
        ``duplicate_status``: how a phone is refused that another card has. ``errors_inside``: what is refused is
        answered 200 with ``success`` false, as section 1 allows.
        """
        self.missing_fields = frozenset(missing_fields)
        self.denied_rights = frozenset(denied_rights)
        self.blocked_phones = frozenset(_phone(phone) for phone in blocked_phones)
        self.fullname = fullname
        self.empty_fields = empty_fields
        self.put_clears = put_clears
        self.bounds_zone = bounds_zone
        self.winter_offset = winter_offset
        self.retry_after = retry_after
        self.require_accept = require_accept
        self.duplicate_status = duplicate_status
        self.errors_inside = errors_inside
        super().__init__(**options)

    # -- a new store

    def make_credentials(self, secret: Callable[[str], str]) -> dict[str, str]:
        """Section 1: partner and user token; the location's id as text."""
        self.store.set_meta("login", {"login": "reception@example.org", "password": secret("password")})
        return {
            "partner_token": secret("partner_token")[:20],
            "user_token": secret("user_token"),
            "location_id": str(LOCATION),
        }

    def fill(self, clinic: Clinic) -> None:
        """A location with the clinic's staff and services, and the owners that are known online as clients."""
        opened = int(datetime(2025, 1, 6, 8, tzinfo=UTC).timestamp())
        for number, member in enumerate(clinic.staff, STAFF_FROM):
            self.store.insert("staff", {"name": member.name, "_seed": member.number}, id=number)
        for number, service in enumerate(clinic.services, SERVICE_FROM):
            row = {"title": service.title, "seconds": service.minutes * 60, "_seed": service.number}
            self.store.insert("service", row, id=number)
        for owner in clinic.owners:
            if owner.online and owner.phones:
                card = _new_card(owner.given_name, owner.family_name, owner.phones[0], owner.email or "", opened)
                self.store.insert("client", {**card, "_seed": owner.number}, id=CLIENT_FROM + owner.number)
        for category, fields in (("record", RECORD_FIELDS), ("client", CLIENT_FIELDS)):
            for code, title in fields.items():
                if code not in self.missing_fields:
                    self.store.insert("field", {"category": category, "code": code, "title": title})
        self.store.number_from("client", FIRST_NEW_CLIENT)
        self.store.number_from("record", FIRST_RECORD)
        self.store.set_meta("hooks", {"urls": [], **dict.fromkeys(HOOK_FLAGS, 0)})

    def fill_twins(self, twins: TwinSides) -> None:
        """The cards and the calendar that the clinic has kept here by hand. A break is a record without a client."""
        opened = int(datetime(2025, 1, 6, 8, tzinfo=UTC).timestamp())
        for card in twins.cards:
            row = _new_card(card.given_name, card.family_name, card.phone, card.email, opened + card.number)
            row["custom_fields"] = {PETS_FIELD: card.pets_text} if card.pets_text else {}
            self.store.insert("client", row, id=CLIENT_FROM + card.number)
        for booking in twins.bookings:
            pet = {"pet_name": booking.pet_name, "pet_species": booking.pet_species}
            kept = {
                **self._kept_record(booking.vet, booking.start, booking.minutes, opened + booking.number),
                "client_id": CLIENT_FROM + booking.card,
                "service_ids": [SERVICE_FROM - 1 + booking.service],
                "comment": booking.comment,
                "custom_fields": {code: text for code, text in pet.items() if text},
                "attendance": ATTENDANCE[booking.status],
                "sms_remain_hours": booking.remind,
                "online": booking.online,
            }
            self.store.insert("record", kept, id=FIRST_RECORD + booking.number)
        for block in twins.booking_blocks:
            kept = self._kept_record(block.vet, block.start, block.minutes, opened)
            self.store.insert("record", {**kept, "service_ids": [], "comment": block.words})

    def _kept_record(self, vet: int, start: datetime, minutes: int, changed: int) -> dict[str, Any]:
        moment = int(start.timestamp())
        return {
            **self._new_record(online=False),
            "staff_id": STAFF_FROM - 1 + vet,
            "datetime": self._iso(moment),
            "_start": moment,
            "seance_length": minutes * 60,
            "_created": changed,
            "_changed": changed,
        }

    # -- routes, envelope, authorisation

    def routes(self) -> None:
        """Section 2, legacy addresses. Access P: partner token; PU: user token too; clients: and that right."""
        write, clients = Effect.WRITE, "PU, clients"
        self.route("POST", "/auth", self._auth, effect=Effect.TOKEN, access="P")
        self.route("GET", "/company/{location}", self._company, access="P")
        for path in ("/company/{location}/staff", "/staff/{location}"):
            self.route("GET", path, self._staff_list, access="P")
        self.route("GET", "/company/{location}/staff/{staff}", self._staff_one, access="P")
        for path in ("/company/{location}/services", "/services/{location}"):
            self.route("GET", path, self._service_list, access="PU")
        self.route("GET", "/company/{location}/services/{service}", self._service_one, access="PU")
        self.route("GET", "/custom_fields/{category}/{location}", self._fields, access="PU")
        self.route("GET", "/user/permissions/{location}", self._permissions, access="PU")
        self.route("GET", "/hooks_settings/{location}", self._hooks, access="PU")
        self.route("POST", "/hooks_settings/{location}", self._set_hooks, effect=write, access="PU")

        self.route("GET", "/records/{location}", self._record_list, access="PU")
        self.route("POST", "/records/{location}", self._record_create, effect=write, access="PU")
        self.route("GET", "/record/{location}/{record}", self._record_get, access="PU")
        self.route("PUT", "/record/{location}/{record}", self._record_update, effect=write, access="PU")
        self.route("DELETE", "/record/{location}/{record}", self._record_delete, effect=write, access="PU")

        self.route("GET", "/clients/{location}", self._client_list, access=clients)
        self.route("POST", "/clients/{location}", self._client_create, effect=write, access=clients)
        self.route("GET", "/client/{location}/{client}", self._client_get, access=clients)
        self.route("PUT", "/client/{location}/{client}", self._client_update, effect=write, access=clients)
        self.route("DELETE", "/client/{location}/{client}", self._client_delete, effect=write, access=clients)
        self.route("POST", "/company/{location}/clients/search", self._client_search, access=clients)

        self.route("POST", "/book_check/{location}", self._book_check, access="P")
        self.route("POST", "/book_record/{location}", self._book, effect=write, access="P")
        self.route("PUT", "/book_record/{location}/{record}", self._rebook, effect=write, access="PU")
        self.route("GET", "/user/records/{record}/{hash}", self._own_record, access="P")
        self.route("DELETE", "/user/records/{record}/{hash}", self._own_cancel, effect=write, access="P")

    def error(self, status: int, message: str) -> Response:
        """The envelope of a failure (section 1)."""
        return Response(status, _failure(message))

    def too_many(self, wait: float, limit: Limit | None) -> Response:
        """429; the sheet says that ``Retry-After`` may be present."""
        headers = {"Retry-After": str(max(1, math.ceil(wait)))} if self.retry_after else {}
        return Response(429, _failure("Too many requests"), headers)

    def finish(self, request: Request, response: Response) -> Response:
        """Option ``errors_inside``: refusals of a request as such, not those of credentials, limits and faults."""
        inside = self.errors_inside and response.status in (400, 404, 422)
        return replace(response, status=200) if inside else response

    def end_token(self, request: Request) -> None:
        """The user's password changes: another user token is good from now on (section 1)."""
        if not _tokens(request.headers.get("authorization", ""))[1]:
            return
        number = self.store.get_meta("tokens", 0) + 1
        self.store.set_meta("tokens", number)
        token = hashlib.sha256(f"{self.credentials['user_token']}:{number}".encode()).hexdigest()[:32]
        self.credentials = {**self.credentials, "user_token": token}
        self.store.set_meta("credentials", self.credentials)

    def admit(self, request: Request, route: Route) -> None:
        """Tokens first, then the location, then the rights."""
        if self.require_accept and not any(kind in request.headers.get("accept", "") for kind in MEDIA_TYPES):
            raise Refusal(400, "The Accept header is missing the media type of the API version")
        partner, user = _tokens(request.headers.get("authorization", ""))
        if partner != self.credentials["partner_token"]:
            raise Refusal(401, "Authentication needed.")
        if route.access != "P" and user != self.credentials["user_token"]:
            raise Refusal(401, "Authentication needed.")
        if "location" in request.params and request.number("location") != LOCATION:
            raise Refusal(404, "Not found")
        if route.access == "PU, clients" and "clients_access" in self.denied_rights:
            raise Refusal(403, "Access denied.")

    # -- the location

    def _auth(self, request: Request) -> Response:
        given = request.document() if request.body else {}
        known = self.store.get_meta("login")
        if any((given.get(name) or request.first(name)) != known[name] for name in ("login", "password")):
            raise Refusal(401, "Invalid login or password")
        return _success(
            {
                "id": STAFF_USER,
                "user_token": self.credentials["user_token"],
                "name": "Reception",
                "phone": "",
                "login": known["login"],
                "email": known["login"],
                "avatar": "",
                "is_approved": True,
                "is_email_confirmed": True,
            },
            status=201,
        )

    def _company(self, request: Request) -> Response:
        offset = self.clock.now().astimezone(ZoneInfo(self.zone)).utcoffset() or timedelta()
        return _success(
            {
                "id": LOCATION,
                "title": "Simulated clinic",
                "public_title": "Simulated clinic",
                "short_descr": "Veterinary clinic",
                "timezone": offset.total_seconds() / 3600,
                "timezone_name": self.zone,
                "active": 1,
                "phone_confirmation": False,
                "active_staff_count": len(self.store.all("staff")),
                "reminds_sms_disabled": False,
                "allow_change_record": True,
                "allow_delete_record": True,
            }
        )

    def _staff_list(self, request: Request) -> Response:
        rows = self.store.all("staff")
        return _success([_staff(row) for row in rows], meta={"count": len(rows)})

    def _staff_one(self, request: Request) -> Response:
        return _success(_staff(self._row("staff", request.number("staff"))))

    def _service_list(self, request: Request) -> Response:
        rows = self.store.all("service")
        return _success([self._service(row) for row in rows], meta={"count": len(rows)})

    def _service_one(self, request: Request) -> Response:
        return _success(self._service(self._row("service", request.number("service"))))

    def _service(self, row: Row) -> dict[str, Any]:
        """Section 3.4: the duration stands on the staff link."""
        return {
            "id": row["id"],
            "booking_title": row["title"],
            "title": row["title"],
            "category_id": 1,
            "price_min": 0,
            "price_max": 0,
            "discount": 0,
            "comment": "",
            "weight": 0,
            "active": 1,
            "api_id": "",
            "staff": [{"id": member["id"], "seance_length": row["seconds"]} for member in self.store.all("staff")],
            "image_group": [],
            "prepaid": "forbidden",
            "is_multi": False,
        }

    def _fields(self, request: Request) -> Response:
        category = request.params["category"]
        if category not in ("record", "client"):
            raise Refusal(404, "Not found")
        return _success(
            [
                {
                    "id": row["id"],
                    "salon_id": LOCATION,
                    "custom_field": {
                        "id": row["id"],
                        "code": row["code"],
                        "entity_type": None,
                        "show_in_ui": True,
                        "title": row["title"],
                        "user_can_edit": True,
                        "type": {"code": "text", "title": "Text"},
                        "values": None,
                    },
                }
                for row in self.store.find("field", category=category)
            ]
        )

    def _permissions(self, request: Request) -> Response:
        return _success({name: name not in self.denied_rights for name in RIGHTS})

    def _hooks(self, request: Request) -> Response:
        return _success(self.store.get_meta("hooks"))

    def _set_hooks(self, request: Request) -> Response:
        """Section 5: replaces the settings of the whole location."""
        given = request.document()
        urls = given.get("urls")
        if not (isinstance(urls, list) and 1 <= len(urls) <= 10 and all(isinstance(url, str) for url in urls)):
            raise _invalid(urls="1 to 10 addresses are needed")
        if len(set(urls)) < len(urls):
            raise _invalid(urls="The addresses must be unique")
        hooks = {"urls": urls, **{flag: int(given.get(flag) in (1, True, "1")) for flag in HOOK_FLAGS}}
        self.store.set_meta("hooks", hooks)
        return _success(hooks, status=201)

    def _announce(self, resource: str, status: str, number: int, data: Any, *, own: bool) -> None:
        """Queues the webhooks of one event; ``own``: the partner itself caused it."""
        hooks = self.store.get_meta("hooks")
        if not hooks["active"] or not hooks[resource] or (own and not hooks["self_sending"]):
            return
        for url in hooks["urls"]:
            self.send(
                url,
                {
                    "company_id": LOCATION,
                    "resource": resource,
                    "resource_id": number,
                    "status": status,
                    "data": data,
                },
            )

    # -- records, staff side

    def _record_list(self, request: Request) -> Response:
        """Section 4; a filter the sheet does not name is not looked at."""
        tests: list[Callable[[Row], bool]] = []
        if request.first("with_deleted").lower() not in ("1", "true"):
            tests.append(lambda row: not row["deleted"])
        self._bounds(request, tests)
        for prefix, field in (("", "_start"), ("c_", "_created")):
            first, last = _day(request.first(f"{prefix}start_date")), _day(request.first(f"{prefix}end_date"))
            if first or last:
                tests.append(self._between_days(field, first, last))
        for name in ("staff_id", "client_id", "created_user_id"):
            wanted = request.first(name)
            if wanted:
                tests.append(_equals(name, wanted))
        rows = [row for row in self.store.all("record") if all(test(row) for test in tests)]
        return self._listing(request, "record", rows, self._record, default=50, most=200)

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
        page = max(1, _whole(request.first("page", "1"), "page"))
        count = min(most, max(1, _whole(request.first("count", str(default)), "count")))
        # A row that has come in front pushes the others on, and is counted; one that has gone pulls them up.
        shift = self.page_shift(page)
        begin = (page - 1) * count + shift
        data = [self.thinned(shown(row)) for row in rows[begin : begin + count]]
        return _success(data, meta={"page": page, "total_count": len(rows) - shift})

    def _record_get(self, request: Request) -> Response:
        return _success(self.thinned(self._record(self._row("record", request.number("record")))))

    def _record_create(self, request: Request) -> Response:
        given = request.document()
        row = self._new_record(online=False)
        self._take_record(row, given, new=True)
        number = self.store.insert("record", row)
        served = self._record(self._row("record", number))
        self._announce("record", "create", number, served, own=True)
        self._count_notices(number, row, {}, given)
        # Some documents show the create answer with a naive create_date (section 1).
        return _success([self.thinned({**served, "create_date": self._naive(row["_created"])})], status=201)

    def _record_update(self, request: Request) -> Response:
        """Section 3.7: a full update; a missing main field is refused with 422."""
        number = request.number("record")
        row = self._editable(number)
        before = dict(row)
        given = request.document()
        if self.put_clears:
            row = {**row, "comment": "", "api_id": "", "custom_fields": {}, "sms_remain_hours": 0}
            row = {**row, "email_remain_hours": 0, "attendance": 0, "custom_color": "", "record_labels": []}
        self._take_record(row, given, new=False)
        row["_changed"] = self._second()
        self.store.put("record", number, row)
        served = self._record(self._row("record", number))
        self._announce("record", "update", number, served, own=True)
        self._count_notices(number, row, before, given)
        shorter = {name: value for name, value in served.items() if name not in ("last_change_date", "documents")}
        shorter["staff"] = {"id": served["staff"]["id"], "name": served["staff"]["name"], "spec": "Veterinarian"}
        return _success(self.thinned({**shorter, "create_date": self._naive(row["_created"])}), status=201)

    def _record_delete(self, request: Request) -> Response:
        """204, soft."""
        number = request.number("record")
        row = self._row("record", number)
        if row["deleted"]:
            raise Refusal(404, "Not found")
        self._mark_deleted(row, own=True)
        return Response(204)

    def _mark_deleted(self, row: dict[str, Any], *, own: bool) -> None:
        row.update(deleted=True, _changed=self._second())
        self.store.put("record", row["id"], row)
        self._announce("record", "delete", row["id"], self._record(row), own=own)

    def _editable(self, number: int) -> dict[str, Any]:
        row = self._row("record", number)
        if row["deleted"]:
            raise Refusal(422, "The appointment is deleted")
        return row

    def _new_record(self, *, online: bool) -> dict[str, Any]:
        now = self._second()
        return {
            "client_id": None,
            "comment": "",
            "attendance": 0,
            "confirmed": 1,
            "deleted": False,
            "online": online,
            "api_id": "",
            "sms_remain_hours": 0,
            "email_remain_hours": 0,
            "custom_fields": {},
            "custom_color": "",
            "record_labels": [],
            "created_user_id": 0 if online else STAFF_USER,
            "_created": now,
            "_changed": now,
        }

    def _take_record(self, row: dict[str, Any], given: Mapping[str, Any], *, new: bool) -> None:
        """Checks a staff-side body and takes it over into ``row``."""
        missing = [
            name
            for name in ("staff_id", "services", "client", "datetime", "seance_length")
            if given.get(name) is None
        ]
        if missing:
            raise _invalid(**dict.fromkeys(missing, "The field is required"))
        staff_id = _whole(given["staff_id"], "staff_id")
        self._row("staff", staff_id)
        service_ids = self._service_ids(given["services"])
        start = self._moment(given["datetime"])
        length = _whole(given["seance_length"], "seance_length")
        if not 0 < length <= LONGEST_VISIT:
            raise _invalid(seance_length="The length is not possible")
        own_id = None if new else row["id"]
        if not given.get("save_if_busy") and self._busy(staff_id, start, length, besides=own_id):
            raise _booking_refusal(433)
        attendance = _whole(given.get("attendance", row["attendance"]), "attendance")
        if attendance not in (-1, 0, 1, 2):
            raise _invalid(attendance="The attendance is unknown")
        for name in ("comment", "api_id", "custom_color"):
            if name in given:
                row[name] = _text(given[name], name)
        row["comment"] = self.kept(row["comment"])
        for name in ("sms_remain_hours", "email_remain_hours"):
            if name in given:
                row[name] = _whole(given[name] or 0, name)
        if isinstance(given.get("record_labels"), list):
            row["record_labels"] = [{"id": str(label), "title": ""} for label in given["record_labels"]]
        if "custom_fields" in given:
            values = self._field_values("record", given["custom_fields"], row["custom_fields"])
            if "custom_fields_record_values_edit_access" not in self.denied_rights:
                row["custom_fields"] = values
        row.update(staff_id=staff_id, service_ids=service_ids, attendance=attendance)
        row.update(datetime=self._iso(start), _start=start, seance_length=length)
        row["client_id"] = self._client_of_record(given["client"])

    def _client_of_record(self, given: Any) -> int | None:
        """The card that a staff-side write means: by id, else by phone, else a new one; None for no client."""
        if not given:
            return None
        if not isinstance(given, dict):
            raise _invalid(client="The client must be an object")
        if given.get("id"):
            number: int = self._row("client", _whole(given["id"], "client.id"))["id"]
            return number
        phone = _phone(given.get("phone"))
        if not _phone_fits(phone):
            raise _invalid(client="The phone must have 9 to 15 digits")
        known = self.store.find("client", phone=phone)
        if known:
            return int(known[0]["id"])
        name = _text(given.get("name"), "client.name").strip()
        if not name:
            raise _invalid(client="The name is missing")
        card = _new_card(name, _text(given.get("surname"), "surname"), phone, _text(given.get("email"), "email"), 0)
        return self._add_card(card, own=True)

    def _service_ids(self, given: Any) -> list[int]:
        if not isinstance(given, list) or not all(isinstance(line, dict) for line in given):
            raise _invalid(services="The services must be a list of objects")
        return [self._row("service", _whole(line.get("id"), "services.id"))["id"] for line in given]

    def _count_notices(self, number: int, row: Row, before: Row, given: Mapping[str, Any]) -> None:
        """Section 3.13: ``send_sms`` sends at once; reminder hours send later.

        Hours count where a staff-side write sets them, or leaves them on a visit that it gives to another client.
        Those that stand as the booking has them, also on a visit that is moved, are the owner's own and do not count.
        """
        if row["client_id"] is None:
            return
        if given.get("send_sms"):
            self.notice("write", message="send_sms", record_id=number)
        for name in ("sms_remain_hours", "email_remain_hours"):
            stands = (row[name], row["client_id"]) == (before.get(name), before.get("client_id"))
            if row[name] > 0 and not stands:
                self.notice("write", message=name, record_id=number)

    def _busy(self, staff_id: int, start: int, length: int, *, besides: int | None = None) -> bool:
        return any(
            row["_start"] < start + length and start < row["_start"] + row["seance_length"]
            for row in self.store.find("record", staff_id=staff_id, deleted=False)
            if row["id"] != besides
        )

    def _record(self, row: Row) -> dict[str, Any]:
        """Section 3.7."""
        return {
            "id": row["id"],
            "company_id": LOCATION,
            "staff_id": row["staff_id"],
            "staff": _staff(self._row("staff", row["staff_id"])),
            "services": [self._service_line(number) for number in row["service_ids"]],
            "client": self._record_client(row["client_id"]),
            "comer": None,
            "comer_person_info": None,
            "clients_count": 1,
            "date": self._naive(row["_start"]),
            "datetime": self._winter(row["_start"]) if self.winter_offset else self._iso(row["_start"]),
            "seance_length": row["seance_length"],
            "length": row["seance_length"],
            "technical_break_duration": None,
            "attendance": row["attendance"],
            "visit_attendance": row["attendance"],
            "confirmed": row["confirmed"],
            "deleted": row["deleted"],
            "online": row["online"],
            "comment": row["comment"],
            "create_date": self._compact(row["_created"]),
            "last_change_date": self._compact(row["_changed"]),
            "created_user_id": row["created_user_id"],
            "visit_id": 900_000 + row["id"],
            "api_id": row["api_id"],
            "from_url": "",
            "record_from": "",
            "bookform_id": 0,
            "is_mobile": 2 if row["online"] else 0,
            "custom_color": row["custom_color"],
            "custom_font_color": "",
            "record_labels": row["record_labels"],
            "custom_fields": self._served_fields(row["custom_fields"]),
            "activity_id": 0,
            "sms_before": 0,
            "sms_now": 0,
            "sms_now_text": "",
            "email_now": 0,
            "notified": 0,
            "sms_remain_hours": row["sms_remain_hours"],
            "email_remain_hours": row["email_remain_hours"],
            "master_request": 0,
            "review_requested": 0,
            "paid_full": 0,
            "prepaid": False,
            "prepaid_confirmed": False,
            "payment_status": 0,
            "acceptance_free": None,
            "is_update_blocked": False,
            "is_sale_bill_printed": False,
            "resource_instance_ids": [],
            "short_link": "",
            "composite": [],
            "documents": [],
            "goods_transactions": [],
        }

    def _service_line(self, number: int) -> dict[str, Any]:
        prices = dict.fromkeys(("cost", "cost_to_pay", "manual_cost", "cost_per_unit", "first_cost", "discount"), 0)
        title = self._row("service", number)["title"]
        return {"id": number, "title": title, **prices, "amount": 1, "assistants": None}

    def _record_client(self, number: int | None) -> dict[str, Any] | None:
        """The client block of a record; null without a client (section 8.4), and when the card is deleted."""
        card = None if number is None else self.store.get("client", number)
        if card is None:
            return None
        return {
            "id": card["id"],
            "name": card["name"],
            "surname": card["surname"],
            "patronymic": card["patronymic"],
            "middle_name": card["patronymic"],
            "display_name": _full_name(card),
            "comment": card["comment"],
            "phone": self._seen(card["phone"]),
            "card": "",
            "email": self._seen(card["email"]),
            "success_visits_count": 0,
            "fail_visits_count": 0,
            "discount": 0,
            "custom_fields": self._served_fields(card["custom_fields"]),
            "sex": card["sex_id"],
            "gender": card["sex_id"],
            "birthday": card["birth_date"],
            "client_tags": [],
            "is_new": False,
        }

    # -- clients

    def _client_list(self, request: Request) -> Response:
        """The deprecated list (section 3.6): partial filters, ascending id, 300 a page at most."""
        tests: list[Callable[[Row], bool]] = []
        self._bounds(request, tests)
        if request.first("fullname"):
            tests.append(_contains(_full_name, request.first("fullname")))
        if request.first("email"):
            tests.append(_contains(lambda row: row["email"], request.first("email")))
        if request.first("card"):
            tests.append(lambda row: False)  # no simulated client has a loyalty card
        if request.first("phone"):
            tests.append(_contains(lambda row: row["phone"], _digits(request.first("phone")) or "?"))
        ids = [*request.query.get("id", []), *request.query.get("id[]", [])]
        if ids:
            tests.append(lambda row: str(row["id"]) in ids)
        rows = [row for row in self.store.all("client") if all(test(row) for test in tests)]
        return self._listing(request, "client", rows, self._card, default=20, most=300)

    def _client_get(self, request: Request) -> Response:
        return _success(self.thinned(self._card(self._row("client", request.number("client")))))

    def _client_create(self, request: Request) -> Response:
        given = request.document()
        card = _new_card("", "", "", "", 0)
        self._take_card(card, given)
        number = self._add_card(card, own=True)
        return _success(self.thinned(self._card(self._row("client", number))), status=201)

    def _client_update(self, request: Request) -> Response:
        number = request.number("client")
        card = self._row("client", number)
        self._take_card(card, request.document())
        card["_changed"] = self._second()
        self.store.put("client", number, card)
        served = self._card(card)
        self._announce("client", "update", number, served, own=True)
        return _success(self.thinned(served))

    def _client_delete(self, request: Request) -> Response:
        """204; a deleted client cannot be listed any more (section 4)."""
        card = self._row("client", request.number("client"))
        self.store.delete("client", card["id"])
        self._announce("client", "delete", card["id"], self._card(card), own=True)
        return Response(204)

    def _client_search(self, request: Request) -> Response:
        """Section 3.6: rows hold only ``id`` and the asked ``fields``."""
        given = request.document()
        fields = given.get("fields") or ["id"]
        if not isinstance(fields, list) or any(name not in SEARCH_FIELDS for name in fields):
            raise _invalid(400, fields="The field is unknown")
        filters = given.get("filters") or []
        if not isinstance(filters, list):
            raise _invalid(400, filters="The filters must be a list")
        tests = [_search_test(one) for one in filters]
        fits = any if str(given.get("operation", "AND")).upper() == "OR" and tests else all
        rows = [row for row in self.store.all("client") if fits(test(row) for test in tests)]
        order = str(given.get("order_by", "id"))
        if order not in SEARCH_FIELDS:
            raise _invalid(400, order_by="The field is unknown")
        descending = str(given.get("order_by_direction", "ASC")).upper() == "DESC"
        found = sorted((self._search_row(row) for row in rows), key=lambda row: row[order], reverse=descending)
        page = max(1, _whole(given.get("page", 1), "page"))
        size = min(200, max(1, _whole(given.get("page_size", 25), "page_size")))
        shown = found[(page - 1) * size : page * size]
        names = ["id", *(name for name in fields if name != "id")]
        return _success([{name: row[name] for name in names} for row in shown], meta={"total_count": len(found)})

    def _search_row(self, row: Row) -> dict[str, Any]:
        visits = [visit for visit in self.store.find("record", client_id=row["id"]) if not visit["deleted"]]
        days = sorted(self._naive(visit["_start"])[:10] for visit in visits) or [""]
        return {
            "id": row["id"],
            "name": _full_name(row),
            "phone": self._seen(row["phone"]),
            "email": self._seen(row["email"]),
            "discount": 0,
            "first_visit_date": days[0],
            "last_visit_date": days[-1],
            "sold_amount": 0,
            "visits_count": len(visits),
            "passteam_card_id": "",
        }

    def _take_card(self, card: dict[str, Any], given: Mapping[str, Any]) -> None:
        """Checks a client body (name and phone are required) and takes it over into ``card``."""
        name = _text(given.get("name"), "name").strip()
        if not name:
            raise _invalid(name="The name is missing")
        phone = _phone(given.get("phone"))
        if not _phone_fits(phone):
            raise _invalid(phone="The phone must have 9 to 15 digits")
        if any(other["id"] != card.get("id") for other in self.store.find("client", phone=phone)):
            raise _invalid(self.duplicate_status, phone="A client with this phone is in the base already")
        for field, names in (
            ("surname", ("surname",)),
            ("patronymic", ("middle_name", "patronymic")),
            ("email", ("email",)),
            ("comment", ("comment",)),
            ("birth_date", ("birth_date",)),
        ):
            for one in names:
                if one in given:
                    card[field] = _text(given[one], one)
        for one in ("gender_id", "sex_id"):
            if one in given:
                card["sex_id"] = _whole(given[one], one)
        if "custom_fields" in given:
            values = self._field_values("client", given["custom_fields"], card["custom_fields"])
            if "custom_fields_client_values_edit_access" not in self.denied_rights:
                card["custom_fields"] = values
        card.update(name=name, phone=phone)

    def _add_card(self, card: Mapping[str, Any], *, own: bool) -> int:
        number = self.store.insert("client", {**card, "_changed": self._second()})
        self._announce("client", "create", number, self._card(self._row("client", number)), own=own)
        return number

    def _card(self, row: Row) -> dict[str, Any]:
        """Section 3.6."""
        return {
            "id": row["id"],
            "name": row["name"],
            "surname": row["surname"],
            "patronymic": row["patronymic"],
            "middle_name": row["patronymic"],
            "display_name": _full_name(row),
            "phone": self._seen(row["phone"]),
            "email": self._seen(row["email"]),
            "categories": [],
            "gender_id": row["sex_id"],
            "gender": ("Unknown", "Male", "Female")[row["sex_id"] if row["sex_id"] in (1, 2) else 0],
            "birth_date": row["birth_date"],
            "comment": row["comment"],
            "discount": 0,
            "importance_id": 0,
            "importance": "None",
            "card": "",
            "spent": 0,
            "paid": 0,
            "balance": 0,
            "visits": len(self.store.find("record", client_id=row["id"], deleted=False)),
            "sms_check": 0,
            "sms_not": 0,
            "sms_bot": 0,
            "last_change_date": self._compact(row["_changed"]),
            "custom_fields": self._served_fields(row["custom_fields"]),
        }

    # -- the widget: what a person books, moves and cancels

    def _book_check(self, request: Request) -> Response:
        """201 and an empty body when the appointments are possible."""
        self._appointments(request.document())
        return Response(201)

    def _book(self, request: Request) -> Response:
        """Section 3.12."""
        given = request.document()
        phone = _phone(given.get("phone"))
        if not _phone_fits(phone):
            raise _booking_refusal(431)
        if phone in self.blocked_phones:
            raise _booking_refusal(434)
        fullname = _text(given.get("fullname"), "fullname").strip()
        if not fullname:
            raise _booking_refusal(435)
        email, comment, api_id = (_text(given.get(name), name) for name in ("email", "comment", "api_id"))
        reminders = {
            "sms_remain_hours": _whole(given.get("notify_by_sms") or 0, "notify_by_sms"),
            "email_remain_hours": _whole(given.get("notify_by_email") or 0, "notify_by_email"),
        }
        wanted = self._appointments(given)
        known = self.store.find("client", phone=phone)
        client_id = known[0]["id"] if known else self._add_card(self._typed_card(fullname, phone, email), own=False)
        made = []
        for echo, visit in wanted:
            row = {**self._new_record(online=True), **reminders, **visit}
            row.update(client_id=client_id, comment=self.kept(comment), api_id=api_id)
            number = self.store.insert("record", row)
            self._announce("record", "create", number, self._record(self._row("record", number)), own=False)
            self.notice("own", message="booked", record_id=number)
            made.append({"id": echo, "record_id": number, "record_hash": self._hash(number)})
        return _success(made, status=201)

    def _typed_card(self, fullname: str, phone: str, email: str) -> dict[str, Any]:
        if self.fullname == "split" and " " in fullname:
            given, _, family = fullname.rpartition(" ")
            return _new_card(given, family, phone, email, 0)
        return _new_card(fullname, "", phone, email, 0)

    def _appointments(self, given: Mapping[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
        """The wanted visits as (echoed id, fields of the record), checked against the diary and each other."""
        entries = given.get("appointments")
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            raise _invalid(appointments="At least one appointment is needed")
        wanted: list[tuple[Any, dict[str, Any]]] = []
        for entry in entries:
            echo = entry.get("id", 0)
            if not isinstance(echo, int | str):
                raise _invalid(appointments="The id must be a number")
            visit = self._appointment(entry, echo)
            end = visit["_start"] + visit["seance_length"]
            for _, other in wanted:
                if other["_start"] < end and visit["_start"] < other["_start"] + other["seance_length"]:
                    raise _booking_refusal(437, echo)
            wanted.append((echo, visit))
        return wanted

    def _appointment(self, entry: Mapping[str, Any], echo: int | str) -> dict[str, Any]:
        services = entry.get("services")
        if not isinstance(services, list) or not services:
            raise _invalid(appointments="At least one service is needed")
        service_ids = [_whole(number, "services") for number in services]
        rows = [self.store.get("service", number) for number in service_ids]
        length = sum(row["seconds"] for row in rows if row is not None)
        if None in rows or not length:
            raise _booking_refusal(438, echo)
        start = self._moment(entry.get("datetime"))
        staff_id = _whole(entry.get("staff_id") or 0, "staff_id")
        if staff_id:
            self._row("staff", staff_id)
            if self._busy(staff_id, start, length):
                raise _booking_refusal(433, echo)
        else:
            free = [row["id"] for row in self.store.all("staff") if not self._busy(row["id"], start, length)]
            if not free:
                raise _booking_refusal(436, echo)
            staff_id = free[0]
        return {
            "staff_id": staff_id,
            "service_ids": service_ids,
            "datetime": self._iso(start),
            "seance_length": length,
            "custom_fields": self._field_values("record", entry.get("custom_fields"), {}),
            "_start": start,
        }

    def _rebook(self, request: Request) -> Response:
        """The owner moves the visit (or changes its comment)."""
        row = self._editable(request.number("record"))
        given = request.document()
        start = self._moment(given.get("datetime"))
        if self._busy(row["staff_id"], start, row["seance_length"], besides=row["id"]):
            raise _booking_refusal(433, row["id"])
        if "comment" in given:
            row["comment"] = _text(given["comment"], "comment")
        row.update(datetime=self._iso(start), _start=start, _changed=self._second())
        self.store.put("record", row["id"], row)
        self._announce("record", "update", row["id"], self._record(row), own=False)
        self.notice("own", message="moved", record_id=row["id"])
        return _success(self._own_view(row))

    def _own_record(self, request: Request) -> Response:
        return _success(self._own_view(self._by_hash(request)))

    def _own_cancel(self, request: Request) -> Response:
        row = self._by_hash(request)
        if row["deleted"]:
            raise Refusal(404, "Not found")
        self._mark_deleted(row, own=False)
        self.notice("own", message="cancelled", record_id=row["id"])
        return Response(204)

    def _by_hash(self, request: Request) -> dict[str, Any]:
        row = self._row("record", request.number("record"))
        if request.params["hash"] != self._hash(row["id"]):
            raise Refusal(404, "Not found")
        return row

    def _own_view(self, row: Row) -> dict[str, Any]:
        names = ("id", "services", "staff", "date", "datetime", "create_date", "comment", "deleted", "length")
        record = self._record(row)
        return {"company": {"id": LOCATION, "title": "Simulated clinic"}, **{name: record[name] for name in names}}

    def _hash(self, number: int) -> str:
        return f"{(number * 2654435761 + self.store.get_meta('seed')) % 2**64:016x}"

    # -- times, custom fields, rows

    def _row(self, kind: str, number: int) -> dict[str, Any]:
        row = self.store.get(kind, number)
        if row is None:
            raise Refusal(404, "Not found")
        return row

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
            raise _invalid(datetime="The time must be written as 2026-03-02T10:00:00+00:00") from None

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

    def _field_values(self, category: str, given: Any, old: Mapping[str, Any]) -> dict[str, Any]:
        """The values of defined fields, over those that stand; an empty list means none (section 3.9)."""
        if given is None or given == []:
            return dict(old)
        if not isinstance(given, dict):
            raise _invalid(custom_fields="The values must be an object")
        codes = {row["code"] for row in self.store.find("field", category=category)}
        values = dict(old)
        for code, value in given.items():
            if code in codes:
                text = _text(value, code)
                if len(text) > LONGEST_FIELD:
                    raise _invalid(custom_fields=f"The text of {code} is longer than {LONGEST_FIELD} characters")
                values[code] = self.kept(text)
        return values

    def _served_fields(self, values: Mapping[str, Any]) -> Any:
        return dict(values) if values or self.empty_fields == "object" else []

    def _seen(self, contact: str) -> str:
        """A phone or e-mail, empty without the right to see it."""
        return "" if "clients_phones_email_access" in self.denied_rights else contact


def _success(data: Any, *, status: int = 200, meta: Mapping[str, Any] | None = None) -> Response:
    return Response(status, {"success": True, "data": data, "meta": dict(meta) if meta else []})


def _failure(message: str, errors: Any = None) -> dict[str, Any]:
    meta: dict[str, Any] = {"message": message}
    if errors:
        meta["errors"] = errors
    return {"success": False, "data": None, "meta": meta}


def _invalid(_status: int = 422, /, **errors: str) -> Refusal:
    """A validation failure: field -> list of messages."""
    lists = {name: [text] for name, text in errors.items()}
    return Refusal(_status, body=_failure("Validation failed", lists))


def _booking_refusal(code: int, entry: Any = None) -> Refusal:
    errors: dict[str, Any] = {"code": code, "message": BOOKING_CODES[code]}
    if entry is not None:
        errors["id"] = entry
    return Refusal(403 if code == 434 else 422, body={**_failure(BOOKING_CODES[code]), "errors": errors})


def _tokens(header: str) -> tuple[str, str]:
    """Partner and user token of an Authorization header, with or without a space after the comma (section 1)."""
    match = re.fullmatch(r"Bearer +([^\s,]+)(?:, *User +([^\s,]+))?", header.strip())
    return (match[1], match[2] or "") if match else ("", "")


def _new_card(name: str, surname: str, phone: str, email: str, changed: int) -> dict[str, Any]:
    return {
        "name": name,
        "surname": surname,
        "patronymic": "",
        "phone": phone,
        "email": email,
        "sex_id": 0,
        "birth_date": "",
        "comment": "",
        "custom_fields": {},
        "_changed": changed,
    }


def _staff(row: Row) -> dict[str, Any]:
    """Section 3.3."""
    return {
        "id": row["id"],
        "api_id": None,
        "company_id": LOCATION,
        "name": row["name"],
        "specialization": "Veterinarian",
        "position": {"id": 1, "title": "Veterinarian", "services_binding_type": 0},
        "avatar": "",
        "avatar_big": "",
        "rating": 0,
        "votes_count": 0,
        "comments_count": 0,
        "weight": 0,
        "information": "<p>Sees small animals</p>",
        "hidden": 0,
        "fired": 0,
        "status": 0,
    }


def _full_name(row: Row) -> str:
    return " ".join(part for part in (row["name"], row["patronymic"], row["surname"]) if part)


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def _phone(given: Any) -> str:
    """``+`` and digits, as cards hold it; a number is taken too."""
    return f"+{_digits(str(given))}" if isinstance(given, str | int) and not isinstance(given, bool) else "+"


def _phone_fits(phone: str) -> bool:
    return 9 <= len(phone) - 1 <= 15


def _text(given: Any, name: str) -> str:
    if given is None:
        return ""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise _invalid(**{name: "The value must be a text"})
    return str(given)


def _whole(given: Any, name: str) -> int:
    """A whole number, also written as text. Raises a 422."""
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if not re.fullmatch(r"-?[0-9]{1,12}", text):
        raise _invalid(**{name: "The value must be a whole number"})
    return int(text)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise _invalid(date="The date must be written as 2026-03-02") from None


def _bound(text: str, zone: tzinfo) -> int | None:
    """The second that ``changed_after`` or ``changed_before`` means."""
    try:
        if not text:
            return None
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())
    except (ValueError, OverflowError):
        raise _invalid(changed="The time must be written as 2026-03-02T10:00:00") from None


def _equals(name: str, wanted: str) -> Callable[[Row], bool]:
    return lambda row: str(row[name]) == wanted


def _contains(text_of: Callable[[Row], str], part: str) -> Callable[[Row], bool]:
    wanted = part.casefold()
    return lambda row: wanted in text_of(row).casefold()


def _search_test(given: Any) -> Callable[[Row], bool]:
    """One filter of the client search: ``id`` or ``quick_search``. Another one is answered 400."""
    state = given.get("state") if isinstance(given, dict) else None
    value = state.get("value") if isinstance(state, dict) else None
    if isinstance(given, dict) and given.get("type") == "id" and isinstance(value, list):
        wanted = {str(one) for one in value}
        return lambda row: str(row["id"]) in wanted
    if isinstance(given, dict) and given.get("type") == "quick_search" and isinstance(value, str) and value:
        by_name = _contains(_full_name, value)
        digits = _digits(value)
        return lambda row: by_name(row) or (len(digits) > 3 and digits in row["phone"])
    raise _invalid(400, filters="The filter is not valid")
