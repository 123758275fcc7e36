"""Records and visits of the Altegio simulator, staff side (altegio.md, sections 3.7, 3.8 and 3.13)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from connectors.altegio.simulator.base import (
    STAFF_USER,
    booking_refusal,
    day_of,
    equals,
    flag,
    full_name,
    invalid,
    new_card,
    number,
    phone_fits,
    phone_of,
    success,
    text,
    whole,
)
from connectors.altegio.simulator.clients import SimulatedClients
from vetbridge.testing.simkit import Effect, Refusal, Request, Response, Row

LONGEST_VISIT = 24 * 3600
FIRST_VISIT = 900_000
"""A visit's id is this plus the id of its first record."""
_MAIN_FIELDS = ("staff_id", "services", "client", "datetime", "seance_length")
_PRICES = ("first_cost", "discount", "cost", "amount")
_RECORD_STAFF = (
    "id",
    "api_id",
    "name",
    "specialization",
    "position",
    "avatar",
    "avatar_big",
    "rating",
    "votes_count",
)
"""What a record tells of its team member (section 3.7: a subset; the models of a public client, POOR, name these)."""
_RECORD_LABEL = 2
_BREAK_STEP, _LONGEST_BREAK = 300, 3600
_VISIT_DOCUMENT = 7
_HISTORY_PAGE = 25
_MORE: Mapping[str, Any] = {
    "clients_count": 1,
    "technical_break_duration": None,
    "service_prices": {},
    "resource_instance_ids": [],
    "custom_font_color": "",
    "paid_full": 0,
    "prepaid": False,
    "prepaid_confirmed": False,
    "is_update_blocked": False,
    "is_sale_bill_printed": False,
}
"""What a record has beside the fields that every stored one holds."""
MARKS = frozenset(
    {"confirmed", "paid_full", "prepaid", "prepaid_confirmed", "is_update_blocked", "is_sale_bill_printed"}
)
"""What the location, and no request of the API, brings about in a record; the control door sets it."""


class SimulatedRecords(SimulatedClients):
    """The diary as staff write it."""

    def _record_routes(self) -> None:
        write = Effect.WRITE
        self.route("GET", "/records/partner", self._partner_records, access="PU")
        self.route("GET", "/records/{location}", self._record_list, access="PU")
        self.route("POST", "/records/{location}", self._record_create, effect=write, access="PU")
        self.route("GET", "/record/{location}/{record}", self._record_get, access="PU")
        self.route("PUT", "/record/{location}/{record}", self._record_update, effect=write, access="PU")
        self.route("DELETE", "/record/{location}/{record}", self._record_delete, effect=write, access="PU")
        attendance = "/company/{location}/records/{record}/attendance"
        self.route("POST", attendance, self._set_attendance, effect=write, access="PU")
        self.route("GET", "/visits/{visit}", self._visit_get, access="PU")
        self.route("PUT", "/visits/{visit}/{record}", self._visit_update, effect=write, access="PU")
        self.route("GET", "/visit/details/{location}/{record}/{visit}", self._visit_details, access="PU")
        history = "/company/{location}/clients/visits/search"
        self.route("POST", history, self._visit_search, access="PU clients_access")

    # -- lists

    def _seen_records(self) -> list[Row]:
        """Those that the user's window of past days shows (section 3.14)."""
        rows = self.store.all("record")
        if self.own_clients_of:
            rows = [row for row in rows if row["staff_id"] == self.own_clients_of]
        if self.last_days < 0:
            return rows
        first = (self._local(self._second()) - timedelta(days=self.last_days)).date()
        return [row for row in rows if self._local(row["_start"]).date() >= first]

    def _record_list(self, request: Request) -> Response:
        """Section 4; a filter the sheet does not name is not looked at."""
        tests: list[Callable[[Row], bool]] = []
        if not flag(request.first("with_deleted")):
            tests.append(lambda row: not row["deleted"])
        self._bounds(request, tests)
        for prefix, field in (("", "_start"), ("c_", "_created")):
            first, last = day_of(request.first(f"{prefix}start_date")), day_of(request.first(f"{prefix}end_date"))
            if first or last:
                tests.append(self._between_days(field, first, last))
        for name, field in (
            ("staff_id", "staff_id"),
            ("team_member_id", "staff_id"),
            ("client_id", "client_id"),
            ("created_user_id", "created_user_id"),
        ):
            if request.first(name):
                tests.append(equals(field, request.first(name)))
        rows = [row for row in self._seen_records() if all(test(row) for test in tests)]
        if self.record_order == "descending":
            rows.reverse()
        return self._listing(request, "record", rows, self._record, default=50, most=200)

    def _partner_records(self, request: Request) -> Response:
        """What was made through this partner: ``page``, ``editable_length`` (100 at most), ``meta.count``."""
        sites = [site for site in self.sites if site.reachable]
        rows = [(site, row) for site in sites for row in site.store.all("record") if row.get("_partner")]
        page = max(1, whole(request.first("page", "1"), "page"))
        size = min(100, max(1, whole(request.first("editable_length", "100"), "editable_length")))
        return success(
            [site.thinned(site._record(row)) for site, row in rows[(page - 1) * size : page * size]],
            meta={"count": len(rows)},
        )

    # -- one record

    def _record_get(self, request: Request) -> Response:
        return success(self.thinned(self._record(self._row("record", request.number("record")))))

    def _record_create(self, request: Request) -> Response:
        given = request.document()
        row = self._new_record(online=False)
        self._take_record(row, given, new=True)
        made = self.store.insert("record", row)
        kept = self._row("record", made)
        self._announce_change("record", "create", self._hook_record(kept), None, own=True)
        self._count_notices(made, row, {}, given)
        # Some documents show the create answer with a naive create_date (section 1).
        shown = self.thinned({**self._record(kept), "create_date": self._naive(row["_created"])})
        return success([shown] if self.create_answer == "array" else shown, status=201)

    def _record_update(self, request: Request) -> Response:
        """Section 3.7: a full update; a missing main field is refused with 422."""
        row = self._editable(request.number("record"))
        before, old = self._hook_record(row), dict(row)
        given = request.document()
        if self.put_clears:
            row = {**row, "comment": "", "api_id": "", "custom_fields": {}, "sms_remain_hours": 0}
            row = {**row, "email_remain_hours": 0, "attendance": 0, "custom_color": "", "record_labels": []}
        self._take_record(row, given, new=False)
        if old.get("is_sale_bill_printed"):
            for name in ("_start", "client_id", "attendance", "staff_id", "service_ids"):
                if row[name] != old[name]:
                    raise Refusal(422, "The receipt is printed")
        row["_changed"] = self._second()
        self.store.put("record", row["id"], row)
        if row["attendance"] != old["attendance"]:
            self._spread_attendance(row)
        kept = self._row("record", row["id"])
        self._announce_change("record", "update", self._hook_record(kept), before, own=True)
        self._count_notices(row["id"], row, old, given)
        served = self._record(kept)
        shorter = {name: value for name, value in served.items() if name not in ("last_change_date", "documents")}
        shorter["staff"] = {"id": served["staff"]["id"], "name": served["staff"]["name"], "spec": "Veterinarian"}
        return success(self.thinned({**shorter, "create_date": self._naive(row["_created"])}), status=201)

    def _record_delete(self, request: Request) -> Response:
        """204, soft; two kinds of records need a right of their own."""
        row = self._row("record", request.number("record"))
        if row["deleted"]:
            raise Refusal(404, "Not found")
        if row["attendance"] == 1:
            self._needs("delete_customer_came_records_access")
        if row.get("paid_full"):
            self._needs("delete_paid_records_access")
        self._mark_deleted(row, own=True)
        return self._deleted()

    def _mark_deleted(self, row: dict[str, Any], *, own: bool) -> None:
        row.update(deleted=True, _changed=self._second())
        self.store.put("record", row["id"], row)
        self._announce_change("record", "delete", self._hook_record(row), None, own=own)

    def _editable(self, record: int) -> dict[str, Any]:
        """The record, where an update may touch it (section 3.7)."""
        row = self._row("record", record)
        age = timedelta(seconds=self._second() - row["_start"])
        for forbidden, reason in (
            (row["deleted"], "The appointment is deleted"),
            (row.get("is_update_blocked"), "The appointment waits for its online payment"),
            (row.get("paid_full"), "The appointment is paid"),
            (self.came_is_final and row["attendance"] == 1, "The client has arrived"),
            (0 <= self.edit_days < age.days, "The appointment is outside of the time for edits"),
        ):
            if forbidden:
                raise Refusal(422, reason)
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
            "_partner": True,
        }

    def _take_record(self, row: dict[str, Any], given: Mapping[str, Any], *, new: bool) -> None:
        """Checks a staff-side body and takes it over into ``row``."""
        if given.get("activity_id") and whole(given["activity_id"], "activity_id"):
            raise Refusal(404, "There is no such event")
        missing = [name for name in _MAIN_FIELDS if given.get(name) is None]
        if missing:
            raise invalid(**dict.fromkeys(missing, "The field is required"))
        staff_id = whole(given["staff_id"], "staff_id")
        self._row("staff", staff_id)
        service_ids, prices = self._service_lines(given["services"])
        start = self._moment(given["datetime"])
        length = whole(given["seance_length"], "seance_length")
        if not 0 < length <= LONGEST_VISIT:
            raise invalid(seance_length="The length is not possible")
        own_id = None if new else row["id"]
        if not flag(given.get("save_if_busy")) and self._busy(staff_id, start, length, besides=own_id):
            raise booking_refusal(433, status=self.busy_status)
        attendance = _attendance(given.get("attendance", row["attendance"]))
        for name in ("comment", "api_id", "custom_color", "custom_font_color"):
            if name in given:
                row[name] = text(given[name], name)
        row["comment"], row["api_id"] = self.kept(row["comment"]), self._kept_api_id(row["api_id"])
        for name in ("sms_remain_hours", "email_remain_hours"):
            if name in given:
                row[name] = whole(given[name] or 0, name)
        self._take_extras(row, given)
        if "custom_fields" in given:
            values = self._field_values("record", given["custom_fields"], row["custom_fields"])
            if self._may_write_fields("record"):
                row["custom_fields"] = values
        row.update(staff_id=staff_id, service_ids=service_ids, service_prices=prices, attendance=attendance)
        row.update(datetime=self._iso(start), _start=start, seance_length=length)
        row["client_id"] = self._client_of_record(given["client"], given.get("client_agreements"))

    def _kept_api_id(self, given: str) -> str:
        kept = self.api_ids == "any" or not given or (given.isascii() and given.isdigit())
        return given if kept else "0"

    def _take_extras(self, row: dict[str, Any], given: Mapping[str, Any]) -> None:
        if isinstance(given.get("record_labels"), list):
            row["record_labels"] = [
                whole(label.get("id") if isinstance(label, dict) else label, "record_labels")
                for label in given["record_labels"]
            ]
        if isinstance(given.get("resource_instance_ids"), list):
            wanted = [whole(one, "resource_instance_ids") for one in given["resource_instance_ids"]]
            known = {one["id"] for resource in self.store.all("resource") for one in resource["instances"]}
            if not known.issuperset(wanted):
                raise Refusal(404, "There is no such resource")
            row["resource_instance_ids"] = wanted
        if "technical_break_duration" in given:
            row["technical_break_duration"] = _break(given["technical_break_duration"])
        if given.get("clients_count") is not None:
            row["clients_count"] = max(1, whole(given["clients_count"], "clients_count"))
        if given.get("fast_payment") is not None:
            kind = whole(given["fast_payment"], "fast_payment")
            if kind not in (0, 1, 2, 129, 130):
                raise invalid(fast_payment="The payment is unknown")
            row["paid_full"] = int(kind > 0)
            row["is_sale_bill_printed"] = kind > 100

    def _client_of_record(self, given: Any, agreements: Any) -> int | None:
        """The card that a staff-side write means: by id, else by phone, else a new one; None for no client."""
        if not given:
            return None
        if not isinstance(given, dict):
            raise invalid(client="The client must be an object")
        if given.get("id"):
            known_id: int = self._row("client", whole(given["id"], "client.id"))["id"]
            return known_id
        phone = phone_of(given.get("phone"))
        if not phone_fits(phone):
            raise invalid(client="The phone must have 9 to 15 digits")
        known = self.store.find("client", phone=phone)
        if known:
            return int(known[0]["id"])
        name = text(given.get("name"), "client.name").strip()
        if not name:
            raise invalid(client="The name is missing")
        card = new_card(name, text(given.get("surname"), "surname"), phone, text(given.get("email"), "email"), 0)
        card["patronymic"] = text(given.get("middle_name") or given.get("patronymic"), "patronymic")
        if isinstance(agreements, dict):
            self._take_more(card, {"agreements": agreements}, new=True)
        return self._add_card(card, own=True)

    def _service_lines(self, given: Any) -> tuple[list[int], dict[str, dict[str, float]]]:
        """Ids of the services and their prices: the service's own where a line names none."""
        if not isinstance(given, list) or not all(isinstance(line, dict) for line in given):
            raise invalid(services="The services must be a list of objects")
        ids = [self._row("service", whole(line.get("id"), "services.id"))["id"] for line in given]
        prices = {}
        for service, line in zip(ids, given, strict=True):
            told = {name: number(line[name], f"services.{name}") for name in _PRICES if line.get(name) is not None}
            first = told.get("first_cost", self._row("service", service).get("price_min", 0))
            discount, amount = told.get("discount", 0), told.get("amount", 1)
            cost = told.get("cost", first * amount * (100 - discount) / 100)
            prices[str(service)] = {"first_cost": first, "discount": discount, "amount": amount, "cost": _money(cost)}
        return ids, prices

    def _count_notices(self, record: int, row: Row, before: Row, given: Mapping[str, Any]) -> None:
        """Section 3.13: ``send_sms`` sends at once; reminder hours send later.

        Hours count where a staff-side write sets them, or leaves them on a visit that it gives to another client.
        Those that stand as the booking has them, also on a visit that is moved, are the owner's own and do not count.
        """
        if row["client_id"] is None:
            return
        if flag(given.get("send_sms")):
            self.notice("write", message="send_sms", record_id=record)
        for name in ("sms_remain_hours", "email_remain_hours"):
            stands = (row[name], row["client_id"]) == (before.get(name), before.get("client_id"))
            if row[name] > 0 and not stands:
                self.notice("write", message=name, record_id=record)

    # -- how a record is shown

    def _staff_view(self, row: Row) -> dict[str, Any]:
        """A team member, as the module of the location shows it."""
        raise NotImplementedError

    def _record_staff(self, row: Row) -> dict[str, Any]:
        shown = self._staff_view(self._row("staff", row["staff_id"]))
        return {name: shown[name] for name in _RECORD_STAFF}

    def _hook_record(self, row: Row) -> dict[str, Any]:
        return self._record(row, masked=self.webhook_masked)

    def _record(self, row: Row, *, masked: bool = True) -> dict[str, Any]:
        """Section 3.7."""
        more = {**_MORE, **row}
        client = self._record_client(row["client_id"], masked=masked)
        comer = {"null": None, "boolean": False, "object": {"name": client["name"]} if client else None}
        visit = _visit_of(row)
        naive, iso = self._naive(row["_start"]), self._iso(row["_start"])
        view = {
            "id": row["id"],
            "company_id": self.location,
            "staff_id": row["staff_id"],
            "staff": self._record_staff(row),
            "services": [self._service_line(each, more["service_prices"]) for each in row["service_ids"]],
            "client": client,
            "comer": comer[self.comer] if client else None,
            "comer_person_info": None,
            "clients_count": more["clients_count"],
            "date": naive if self.record_date == "naive" else iso,
            "datetime": self._winter(row["_start"]) if self.winter_offset else iso,
            "seance_length": row["seance_length"],
            "length": row["seance_length"],
            "technical_break_duration": more["technical_break_duration"],
            "attendance": row["attendance"],
            "visit_attendance": row.get("visit_attendance", row["attendance"]),
            "confirmed": row["confirmed"],
            "deleted": row["deleted"],
            "online": row["online"],
            "comment": row["comment"],
            "create_date": self._compact(row["_created"]),
            "last_change_date": self._compact(row["_changed"]),
            "created_user_id": row["created_user_id"],
            "visit_id": visit if self.visit_ids == "number" else str(visit),
            "api_id": row["api_id"],
            "from_url": "",
            "record_from": "",
            "bookform_id": 0,
            "is_mobile": 2 if row["online"] else 0,
            "custom_color": row["custom_color"],
            "custom_font_color": more["custom_font_color"],
            "record_labels": self._record_labels(row["record_labels"]),
            "custom_fields": self._served_fields(row["custom_fields"]),
            "activity_id": 0,
            "sms_before": 0,
            "sms_now": 0,
            "sms_now_text": "",
            "email_now": 0,
            "notified": 0,
            "is_remind_sms_sent": False,
            "sms_remain_hours": row["sms_remain_hours"],
            "email_remain_hours": row["email_remain_hours"],
            "master_request": 0,
            "review_requested": 0,
            "paid_full": int(more["paid_full"]),
            "prepaid": bool(more["prepaid"]),
            "prepaid_confirmed": bool(more["prepaid_confirmed"]),
            "payment_status": 0,
            "acceptance_free": None,
            "is_update_blocked": bool(more["is_update_blocked"]),
            "is_sale_bill_printed": bool(more["is_sale_bill_printed"]),
            "resource_instance_ids": more["resource_instance_ids"],
            "short_link": "",
            "review_link": "",
            "composite": [],
            "documents": [self._document(row, visit)],
            "goods_transactions": [],
        }
        if self.attendance_field == "visit":
            del view["attendance"]
        return view

    def _document(self, row: Row, visit: int) -> dict[str, Any]:
        return {
            "id": 700_000 + row["id"],
            "type_id": _VISIT_DOCUMENT,
            "storage_id": 0,
            "user_id": row["created_user_id"],
            "company_id": self.location,
            "number": 700_000 + row["id"],
            "comment": "",
            "date_created": self._naive(row["_created"]),
            "category_id": 0,
            "visit_id": visit,
            "record_id": row["id"],
            "type_title": "Visit",
            "is_sale_bill_printed": bool(row.get("is_sale_bill_printed")),
        }

    def _service_line(self, service: int, prices: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
        row = self._row("service", service)
        own = row.get("price_min", 0)
        told = prices.get(str(service), {"first_cost": own, "discount": 0, "amount": 1, "cost": own})
        return {
            "id": service,
            "title": row["title"],
            **told,
            "cost_to_pay": told["cost"],
            "manual_cost": told["cost"],
            "cost_per_unit": told["first_cost"],
            "assistants": None,
        }

    def _record_labels(self, kept: list[Any]) -> list[dict[str, Any]]:
        ids = [one["id"] if isinstance(one, dict) else one for one in kept]  # an older store kept objects
        form = str if self.label_ids == "text" else int
        return [
            {**label, "id": form(label["id"]), "font_color": "#ffffff"} for label in self._labels(ids, _RECORD_LABEL)
        ]

    def _record_client(self, client: int | None, *, masked: bool) -> dict[str, Any] | None:
        """The client block of a record; null without a client (section 8.4), and when the card is deleted."""
        card = None if client is None else self.store.get("client", client)
        if card is None:
            return None
        names = self._names(card) if masked else {one: card[one] for one in ("name", "surname", "patronymic")}
        visits = self.store.find("record", client_id=client, deleted=False)
        view = {
            "id": card["id"],
            **names,
            "middle_name": names["patronymic"],
            "display_name": full_name(names),
            "comment": card["comment"],
            **self._contacts(card, "calendar", masked=masked),
            "card": card.get("card", ""),
            "success_visits_count": sum(visit["attendance"] == 1 for visit in visits),
            "fail_visits_count": sum(visit["attendance"] == -1 for visit in visits),
            "discount": card.get("discount", 0),
            "custom_fields": self._served_fields(card["custom_fields"]),
            "sex": card["sex_id"],
            "gender": card["sex_id"],
            "birthday": card["birth_date"],
            "client_tags": [
                {name: label[name] for name in ("id", "title", "color")}
                for label in self._labels(card.get("categories"), 1)
            ],
            "is_new": False,
        }
        return self._spelt(view)

    # -- visits (section 3.8)

    def _together(self, visit: int) -> list[dict[str, Any]]:
        """The records of a visit. Raises a 404 where there is none."""
        ids = {row["id"] for row in self.store.find("record", visit_id=visit)}
        first = self.store.get("record", visit - FIRST_VISIT) if visit > FIRST_VISIT + self.apart else None
        if first is not None and _visit_of(first) == visit:
            ids.add(first["id"])
        if not ids:
            raise Refusal(404, "Not found")
        return [self._row("record", one) for one in sorted(ids)]

    def _spread_attendance(self, row: Row, *, each: bool = False) -> None:
        """Sets the visit's attendance in all its records; ``each``: the attendance of every record too."""
        for other in self._together(_visit_of(row)):
            before = self._hook_record(other)
            other["visit_attendance"] = row["attendance"]
            if each:
                other["attendance"] = row["attendance"]
            if other["id"] == row["id"]:
                self.store.put("record", other["id"], other)
            elif not other["deleted"]:
                other["_changed"] = self._second()
                self.store.put("record", other["id"], other)
                self._announce_change("record", "update", self._hook_record(other), before, own=True)

    def _set_attendance(self, request: Request) -> Response:
        """Attendance of a visit group; it may notify (section 2)."""
        row = self._editable(request.number("record"))
        return success(self._attended(row, request.document().get("attendance")))

    def _attended(self, row: dict[str, Any], given: Any) -> dict[str, Any]:
        before = self._hook_record(row)
        row.update(attendance=_attendance(given), _changed=self._second())
        self.store.put("record", row["id"], row)
        self._spread_attendance(row, each=True)
        self._announce_change("record", "update", self._hook_record(self._row("record", row["id"])), before, own=True)
        if row["client_id"] is not None:
            self.notice("write", message="attendance", record_id=row["id"])
        return self._visit(_visit_of(row))

    def _visit(self, visit: int) -> dict[str, Any]:
        rows = self._together(visit)
        records = [self._record(row) for row in rows]
        return {
            "id": visit,
            "attendance": records[0]["visit_attendance"],
            "datetime": records[0]["datetime"],
            "comment": records[0]["comment"],
            "records": records,
        }

    def _visit_get(self, request: Request) -> Response:
        return success(self._visit(request.number("visit")))

    def _visit_record(self, request: Request) -> dict[str, Any]:
        row = self._row("record", request.number("record"))
        if _visit_of(row) != request.number("visit"):
            raise Refusal(404, "Not found")
        return row

    def _visit_update(self, request: Request) -> Response:
        """``attendance`` and ``comment`` are required."""
        row = self._editable(self._visit_record(request)["id"])
        given = request.document()
        missing = [name for name in ("attendance", "comment") if given.get(name) is None]
        if missing:
            raise invalid(**dict.fromkeys(missing, "The field is required"))
        if given.get("services") is not None:
            row["service_ids"], row["service_prices"] = self._service_lines(given["services"])
        row["comment"] = text(given["comment"], "comment")
        return success(self._attended(row, given["attendance"]))

    def _visit_details(self, request: Request) -> Response:
        row = self._visit_record(request)
        items = [
            {
                "item_id": line["id"],
                "item_title": line["title"],
                "item_type": "service",
                **line,
                "record_id": row["id"],
            }
            for line in self._record(row)["services"]
        ]
        return success({"items": items, "payment_transactions": [], "loyalty_transactions": []})

    def _visit_search(self, request: Request) -> Response:
        """Section 1: pages by ``from`` and ``to`` of ``meta``, the latest visits first, about 25 of them, and more
        while the last day continues."""
        given = request.document()
        client, phone = given.get("client_id"), given.get("client_phone")
        if not client and phone:
            known = self.store.find("client", phone=phone_of(phone))
            client = known[0]["id"] if known else None
        if not client:
            raise invalid(client_id="A client is needed")
        client = self._row("client", whole(client, "client_id"))["id"]
        first, last = (day_of(text(given.get(name), name)) for name in ("from", "to"))
        fits = self._between_days("_start", first, last)
        rows = [
            row for row in self._seen_records() if row["client_id"] == client and not row["deleted"] and fits(row)
        ]
        rows.sort(key=lambda row: (row["_start"], row["id"]), reverse=True)
        size = _HISTORY_PAGE
        while (
            size < len(rows) and self._naive(rows[size]["_start"])[:10] == self._naive(rows[size - 1]["_start"])[:10]
        ):
            size += 1
        page, rest = rows[:size], rows[size:]
        following: dict[str, str | None] = {"from": None, "to": None}
        if rest:
            following = {"from": str(first) if first else None, "to": self._naive(rest[0]["_start"])[:10]}
        return success({"records": [self._visited(row) for row in page], "goods_transactions": []}, meta=following)

    def _visited(self, row: Row) -> dict[str, Any]:
        """A record in a visit history, as the models of a public client have it (the sheet's PYY)."""
        record = self._record(row)
        paid = bool(record["paid_full"])
        services = [
            {
                **{name: line[name] for name in ("id", "title", "first_cost", "cost_to_pay")},
                "discount_percent": line["discount"],
                "paid_sum": line["cost_to_pay"] if paid else 0,
                "payment_status": "paid_full" if paid else "not_paid",
                "consumables": [],
            }
            for line in record["services"]
        ]
        kept = {name: record[name] for name in ("id", "comment", "date", "visit_id", "staff")}
        company = {"id": self.location, "title": self.title}
        return {**kept, "attendance": row["attendance"], "services": services, "company": company}


def _visit_of(row: Row) -> int:
    visit: int = row.get("visit_id", FIRST_VISIT + row["id"])
    return visit


def _money(amount: float) -> float:
    """Whole amounts as whole numbers."""
    return int(amount) if amount == int(amount) else amount


def _attendance(given: Any) -> int:
    attendance = whole(given, "attendance")
    if attendance not in (-1, 0, 1, 2):
        raise invalid(attendance="The attendance is unknown")
    return attendance


def _break(given: Any) -> int | None:
    """Section 3.7: a multiple of 300 seconds, at most 3600; null: as the location has it."""
    if given is None:
        return None
    seconds = whole(given, "technical_break_duration")
    if not 0 <= seconds <= _LONGEST_BREAK or seconds % _BREAK_STEP:
        raise invalid(technical_break_duration="The break is a multiple of 300 seconds and at most 3600")
    return seconds
