"""What the Altegio simulator tells of the location itself: services, resources, labels, custom fields, users, rights
and webhook settings (altegio.md, sections 2, 3.1 to 3.5, 3.9, 3.14 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.altegio.simulator import live_shapes
from connectors.altegio.simulator.base import (
    GROUP,
    HOOK_FLAGS,
    RIGHTS,
    SMS_CODE,
    STAFF_USER,
    booking_refusal,
    contains,
    flag,
    form,
    invalid,
    is_form,
    number,
    phone_fits,
    phone_of,
    success,
    text,
    whole,
)
from connectors.altegio.simulator.booking import SimulatedBooking
from vetbridge.testing.simkit import Effect, Refusal, Request, Response, Row

POSITION = {"id": 1, "title": "Veterinarian", "services_binding_type": 0}
_CATEGORIES = ("record", "client")
_FIELD_TYPES = ("text", "number", "select", "date", "datetime")
_OLD_HOOKS_LACK = ("good", "schedule", "self_sending")
_GROUP_RIGHTS = (
    "settings_access",
    "clients_access",
    "users_access",
    "loyalty_access",
    "loyalty_cards_manual_transactions_access",
    "network_services_access",
)
_COMPANY_TEXTS = ("title", "public_title", "short_descr", "description", "site", "email", "address", "zip", "phone")


class SimulatedSettings(SimulatedBooking):
    """The location, its lists and its settings."""

    def _settings_routes(self) -> None:
        write = Effect.WRITE
        self.route("POST", "/auth", self._auth, effect=Effect.TOKEN, access="P")
        self.route("GET", "/companies", self._companies, access="P")
        self.route("POST", "/companies", self._not_allowed, access="PU")
        self.route("GET", "/company/{location}", self._company, access="P")
        self.route("PUT", "/company/{location}", self._company_update, effect=write, access="PU")
        self.route("DELETE", "/company/{location}", self._not_allowed, access="PU")
        self.route("GET", "/groups", self._groups, access="PU")

        for path in ("/company/{location}/services", "/services/{location}"):
            self.route("GET", path, self._service_list, access="PU")
            self.route("GET", path + "/{service}", self._service_one, access="PU")
        self.route("POST", "/services/{location}", self._service_create, effect=write, access="PU")
        for method in ("PUT", "PATCH"):
            path = "/services/{location}/{service}"
            self.route(method, path, self._service_update, effect=write, access="PU")
        path = "/company/{location}/services/{service}"
        self.route("PATCH", path, self._service_update, effect=write, access="PU")
        self.route("DELETE", "/services/{location}/{service}", self._service_delete, effect=write, access="PU")
        for path in ("/company/{location}/service_categories", "/service_categories/{location}"):
            self.route("GET", path, self._category_list, access="P")
            self.route("GET", path + "/{category}", self._category_one, access="P")
        # Not in section 2, but public clients use them against the live API (poor-yclientsapi, altegio-pro-mcp).
        self.route("POST", "/service_categories/{location}", self._category_create, effect=write, access="PU")
        one = "/service_category/{location}/{category}"
        self.route("GET", one, self._category_one, access="P")
        self.route("PUT", one, self._category_update, effect=write, access="PU")
        self.route("DELETE", one, self._category_delete, effect=write, access="PU")
        self.route("GET", "/resources/{location}", self._resource_list, access="PU")
        for path in ("/company/{location}/staff/positions", "/positions/{location}"):
            self.route("GET", path, lambda _: success([POSITION]), access="PU")
            self.route("GET", path + "/{position}", self._position_one, access="PU")

        fields = "/custom_fields/{category}/{location}"
        self.route("GET", fields, self._field_list, access="PU")
        self.route("POST", fields, self._field_create, effect=write, access="PU")
        self.route("GET", fields + "/{field}", self._field_one, access="PU")
        self.route("PUT", fields + "/{field}", self._field_update, effect=write, access="PU")
        self.route("DELETE", fields + "/{field}", self._field_delete, effect=write, access="PU")
        self.route("GET", "/labels/{location}/{entity}", self._label_list, access="PU")
        self.route("GET", "/labels/{location}/clients", self._label_list, access="PU")
        for path in ("/labels/{location}", "/labels/{location}/clients/create"):
            self.route("POST", path, self._label_create, effect=write, access="PU")
        self.route("PUT", "/labels/{location}/{label}", self._label_update, effect=write, access="PU")
        self.route("DELETE", "/labels/{location}/{label}", self._label_delete, effect=write, access="PU")

        for name in ("timetable", "online"):
            path = f"/company/{{location}}/settings/{name}"
            self.route("GET", path, self._settings, access="PU")
            self.route("PATCH", path, self._settings_change, effect=write, access="PU")
        self.route("GET", "/hooks_settings/{location}", self._hooks, access="PU webhook_read_access")
        self.route("POST", "/hooks_settings/{location}", self._set_hooks, effect=write, access="PU")
        self.route("GET", "/user/permissions/{location}", self._permissions, access="PU")
        self.route("GET", "/company_users/{location}", self._users, access="PU edit_users_access")
        self.route("GET", "/validation/validate_phone/{phone}", self._validate_phone, access="PU")
        # Reviews, goods and group events: served, and there are none.
        for path in (
            "/comments/{location}",
            "/goods/{location}",
            "/activity/{location}",
            "/activity/{location}/search",
        ):
            self.route("GET", path, lambda _: success([], meta={"count": 0}), access="PU")

    def _not_allowed(self, request: Request) -> Response:
        """Locations are neither made nor taken away here."""
        raise Refusal(403, "Access denied.")

    # -- login

    def _auth(self, request: Request) -> Response:
        """Section 1: a JSON body, or query parameters; 201. An older public client sends a form."""
        given = form(request) if is_form(request) else request.document() if request.body else {}
        told = {name: given.get(name) or request.first(name) for name in ("login", "password", "uuid", "code")}
        known = self.store.get_meta("login")
        uuid = f"{self.store.get_meta('seed'):08x}-0000-4000-8000-000000000061"
        if self.two_factor and told["uuid"] and told["code"]:
            if (told["uuid"], str(told["code"])) != (uuid, SMS_CODE):
                raise booking_refusal(432, status=401)
        elif any(told[name] != known[name] for name in ("login", "password")):
            raise Refusal(401, "Invalid login or password")
        elif self.two_factor:
            step = {"flow": "login", "transport": "sms", "refresh_ttl_sec": 60, "attempts_left": 5}
            return success({"uuid": uuid, **step}, status=201)
        user = {
            "id": STAFF_USER,
            "user_token": self.credentials["user_token"],
            "name": "Reception",
            "phone": "",
            "login": known["login"],
            "email": known["login"],
            "avatar": "",
            "is_approved": True,
            "is_email_confirmed": True,
        }
        return Response(201, user) if self.auth_answer == "bare" else success(user, status=201)

    # -- the location

    def _company_view(self) -> dict[str, Any]:
        """Section 3.1."""
        offset = self.clock.now().astimezone(ZoneInfo(self.zone)).utcoffset() or timedelta()
        return {
            "id": self.location,
            "title": self.title,
            "public_title": self.title,
            "short_descr": "Veterinary clinic",
            "description": "",
            "logo": "",
            "site": "",
            "email": "",
            "schedule": "",
            "address": "",
            "zip": "",
            "phone": "",
            "phones": [],
            "country_id": 0,
            "country": "",
            "city_id": 0,
            "city": "",
            "timezone": self.zone if self.timezone_form == "name" else offset.total_seconds() / 3600,
            "timezone_name": self.zone,
            "coordinate_lat": 0,
            "coordinate_lon": 0,
            "active": 1,
            "business_type_id": 0,
            "business_group_id": 0,
            "currency_short_title": "",
            "phone_confirmation": self.phone_confirmation,
            "active_staff_count": len(self._bookable()),
            "group_priority": 0,
            "booking_email_required": False,
            "booking_comment_required": False,
            "reminds_sms_disabled": False,
            "allow_change_record": True,
            "allow_change_record_delay_step": 0,
            "allow_delete_record": True,
            "allow_delete_record_delay_step": 0,
            "push_notification_phone_confirm": 0,
            "social": dict.fromkeys(("facebook", "instagram", "telegram", "whatsapp", "viber"), ""),
            **self.store.get_meta("company", {}),
        }

    def _company(self, request: Request) -> Response:
        return success(self._company_view())

    def _companies(self, request: Request) -> Response:
        """Section 2: ``my`` wants a user token."""
        own = flag(request.first("my"))
        if own and not self._is_user(request):
            raise Refusal(401, "Authentication needed.")
        titled = contains(lambda row: row["title"], request.first("title"))
        least = whole(request.first("min_id") or 0, "min_id")
        page = max(1, whole(request.first("page") or 1, "page"))
        count = max(1, whole(request.first("count") or len(self.sites), "count"))
        told = {"active": 1, "group_id": GROUP if self.in_chain else None}
        found = [
            company
            for company in (site._company_view() for site in self.sites if site.reachable or not own)
            if titled(company)
            and company["id"] >= least
            and all(
                str(value) == request.first(name)
                for name, value in {**told, "id": company["id"]}.items()
                if request.first(name)
            )
        ]
        rows = found[(page - 1) * count : page * count]
        return success(rows, meta={"count": len(rows), "total_count": len(found)})

    def _company_update(self, request: Request) -> Response:
        given = request.document()
        told = {name: text(given[name], name) for name in _COMPANY_TEXTS if name in given}
        self.store.set_meta("company", {**self.store.get_meta("company", {}), **told})
        self._announce("company", "update", self.location, self._company_view(), own=True)
        return success(self._company_view())

    def _groups(self, request: Request) -> Response:
        """Section 3.2; a location that stands alone has none."""
        if not self.in_chain:
            return success([])
        companies = [
            {"id": site.location, "title": site._company_view()["title"]} for site in self.sites if site.reachable
        ]
        access = dict.fromkeys(_GROUP_RIGHTS, "1")
        return success([{"id": GROUP, "title": "Simulated chain", "companies": companies, "access": access}])

    # -- services, categories, resources

    def _service_list(self, request: Request) -> Response:
        rows = [row for row in self.store.all("service") if not row.get("deleted")]
        if request.first("category_id"):
            rows = [
                row for row in rows if str(row.get("category_id", 1 + self.apart)) == request.first("category_id")
            ]
        if request.first("staff_id"):
            known = {str(member["id"]) for member in self.store.all("staff")}
            rows = rows if request.first("staff_id") in known else []
        return success([self._service(row) for row in rows], meta={"count": len(rows)})

    def _service_row(self, request: Request) -> dict[str, Any]:
        row = self._row("service", request.number("service"))
        if row.get("deleted"):
            raise Refusal(404, "Not found")
        return row

    def _service_one(self, request: Request) -> Response:
        return success(self._service(self._service_row(request)))

    def _service(self, row: Row) -> dict[str, Any]:
        """Section 3.4: the duration stands on the staff link."""
        shown = {
            "id": row["id"],
            "salon_service_id": row["id"],
            "booking_title": row["title"],
            "title": row["title"],
            "service_type": 1,
            "category_id": row.get("category_id", 1 + self.apart),
            "price_min": row.get("price_min", 0),
            "price_max": row.get("price_max", 0),
            "discount": 0,
            "comment": row.get("comment", ""),
            "weight": 0,
            "active": row.get("active", 1),
            "api_id": row.get("api_id", ""),
            "staff": [{"id": member["id"], "seance_length": row["seconds"]} for member in self.store.all("staff")],
            "image_group": [],
            "prepaid": "forbidden",
            "is_multi": False,
            "capacity": 0,
            "is_price_managed_only_in_chain": False,
            "is_comment_managed_only_in_chain": False,
        }
        return live_shapes.service(shown, row["seconds"])

    def _service_create(self, request: Request) -> Response:
        row: dict[str, Any] = {"seconds": 1800}
        self._take_service(row, request.document(), needed=("title", "category_id"))
        row = self._row("service", self.store.insert("service", row))
        self._announce("service", "create", row["id"], self._service(row), own=True)
        return success(self._service(row), status=201)

    def _service_update(self, request: Request) -> Response:
        row = self._service_row(request)
        self._take_service(row, request.document(), needed=("title",) if request.method == "PUT" else ())
        self.store.put("service", row["id"], row)
        self._announce("service", "update", row["id"], self._service(row), own=True)
        return success(self._service(row))

    def _take_service(self, row: dict[str, Any], given: Mapping[str, Any], *, needed: tuple[str, ...]) -> None:
        missing = [name for name in needed if not given.get(name)]
        if missing:
            raise invalid(**dict.fromkeys(missing, "The field is required"))
        for name in ("title", "comment", "api_id"):
            if name in given:
                row[name] = text(given[name], name)
        for name in ("price_min", "price_max"):
            if given.get(name) is not None:
                row[name] = number(given[name], name)
        if given.get("category_id") is not None:
            row["category_id"] = self._row("category", whole(given["category_id"], "category_id"))["id"]
        if "active" in given:
            row["active"] = int(flag(given["active"]))
        links = [link for link in given.get("staff") or [] if isinstance(link, dict) and link.get("seance_length")]
        for length in [links[0]["seance_length"] if links else given.get("duration")]:
            if length is not None:
                row["seconds"] = max(300, whole(length, "duration"))

    def _service_delete(self, request: Request) -> Response:
        row = self._service_row(request)
        self.store.put("service", row["id"], {**row, "deleted": True})
        self._announce("service", "delete", row["id"], self._service(row), own=True)
        return self._deleted()

    def _category(self, row: Row) -> dict[str, Any]:
        return {
            "id": row["id"],
            "category_id": 0,
            "salon_service_id": row["id"],
            "title": row["title"],
            "booking_title": row.get("booking_title", row["title"]),
            "weight": row.get("weight", 0),
            "api_id": row.get("api_id", ""),
            "price_min": 0,
            "price_max": 0,
            "sex": 0,
            "staff": row.get("staff", [member["id"] for member in self.store.all("staff")]),
            "is_chain": False,
        }

    def _category_list(self, request: Request) -> Response:
        rows = [self._category(row) for row in self.store.all("category")]
        return success(rows, meta={"count": len(rows)})

    def _category_one(self, request: Request) -> Response:
        """Category 0 means all (section 2)."""
        chosen = request.number("category")
        return success(self._category(self._row("category", chosen))) if chosen else self._category_list(request)

    def _category_create(self, request: Request) -> Response:
        row: dict[str, Any] = {}
        self._take_category(row, request.document())
        row = self._row("category", self.store.insert("category", row))
        self._announce("service_category", "create", row["id"], self._category(row), own=True)
        return success(self._category(row), status=201)

    def _category_update(self, request: Request) -> Response:
        row = self._row("category", request.number("category"))
        self._take_category(row, request.document())
        self.store.put("category", row["id"], row)
        self._announce("service_category", "update", row["id"], self._category(row), own=True)
        return success(self._category(row))

    def _category_delete(self, request: Request) -> Response:
        row = self._row("category", request.number("category"))
        self.store.delete("category", row["id"])
        self._announce("service_category", "delete", row["id"], self._category(row), own=True)
        return self._deleted()

    def _take_category(self, row: dict[str, Any], given: Mapping[str, Any]) -> None:
        """``title`` is required."""
        title = text(given.get("title"), "title").strip()
        if not title:
            raise invalid(title="The title is missing")
        row["title"] = title
        for name in ("booking_title", "api_id"):
            if name in given:
                row[name] = text(given[name], name)
        if given.get("weight") is not None:
            row["weight"] = whole(given["weight"], "weight")
        if isinstance(given.get("staff"), list):
            row["staff"] = [whole(one, "staff") for one in given["staff"]]

    def _resource_list(self, request: Request) -> Response:
        """Section 3.5."""
        rows = [
            {
                "id": row["id"],
                "title": row["title"],
                "instances": [{**one, "resource_id": row["id"]} for one in row["instances"]],
            }
            for row in self.store.all("resource")
        ]
        return success(rows, meta={"count": len(rows)})

    def _position_one(self, request: Request) -> Response:
        if request.number("position") != POSITION["id"]:
            raise Refusal(404, "Not found")
        return success(POSITION)

    # -- custom fields (section 3.9)

    def _field_category(self, request: Request) -> str:
        category = request.params["category"]
        if category not in _CATEGORIES:
            raise Refusal(404, "Not found")
        return category

    def _field_list(self, request: Request) -> Response:
        return success([self._field(row) for row in self.store.find("field", category=self._field_category(request))])

    def _field_row(self, request: Request) -> dict[str, Any]:
        row = self._row("field", request.number("field"))
        if row["category"] != self._field_category(request):
            raise Refusal(404, "Not found")
        return row

    def _field_one(self, request: Request) -> Response:
        return success(self._field(self._field_row(request)))

    def _take_field(self, row: dict[str, Any], given: Mapping[str, Any]) -> None:
        """Definitions are the chain's; a location that stands alone has no way by API."""
        if not self.in_chain:
            raise Refusal(403, "Access denied.")
        missing = [
            name for name in ("type", "code", "title", "user_can_edit", "show_in_ui") if given.get(name) is None
        ]
        if missing:
            raise invalid(**dict.fromkeys(missing, "The field is required"))
        code, kind = text(given["code"], "code"), text(given["type"], "type")
        if kind not in _FIELD_TYPES:
            raise invalid(type="The type is unknown")
        same = self.store.find("field", category=row["category"], code=code)
        if not code or any(other["id"] != row.get("id") for other in same):
            raise invalid(code="The code is taken")
        values = given.get("values")
        if kind == "select" and not (isinstance(values, list) and values and all(isinstance(v, str) for v in values)):
            raise invalid(values="The choices are missing")
        row.update(code=code, title=text(given["title"], "title"), type=kind)
        row.update(values=values if kind == "select" else None)
        row.update({name: flag(given[name]) for name in ("user_can_edit", "show_in_ui")})

    def _field_create(self, request: Request) -> Response:
        row = {"category": self._field_category(request)}
        self._take_field(row, request.document())
        return success(self._field(self._row("field", self.store.insert("field", row))))

    def _field_update(self, request: Request) -> Response:
        row = self._field_row(request)
        self._take_field(row, request.document())
        self.store.put("field", row["id"], row)
        return Response(204) if self.field_put_answer == 204 else success(self._field(row), meta={"message": "Saved"})

    def _field_delete(self, request: Request) -> Response:
        row = self._field_row(request)
        if not self.in_chain:
            raise Refusal(403, "Access denied.")
        self.store.delete("field", row["id"])
        return self._deleted()

    # -- labels

    def _label_list(self, request: Request) -> Response:
        """Entity 0 common, 1 client, 2 record, 3 group event; ``clients`` for 1."""
        entity = request.number("entity") if "entity" in request.params else 1
        rows = [self._label(row) for row in self.store.all("label") if row["entity"] == entity]
        return success(rows, meta={"count": len(rows)})

    def _take_label(self, row: dict[str, Any], given: Mapping[str, Any]) -> None:
        title = text(given.get("title"), "title").strip()
        if not title:
            raise invalid(title="The title is missing")
        entity = whole(given.get("entity", row["entity"]), "entity")
        if entity not in range(4):
            raise invalid(entity="The entity is unknown")
        more = {name: text(given.get(name, row.get(name)), name) for name in ("color", "icon")}
        row.update(title=title, entity=entity, **more)

    def _label_create(self, request: Request) -> Response:
        """The values stand in a body or, as public clients send them, in the query; 200."""
        row: dict[str, Any] = {"entity": int(request.template.endswith("/clients/create"))}
        told = {name: request.first(name) for name in ("title", "color", "entity", "icon") if name in request.query}
        self._take_label(row, {**told, **(request.document() if request.body else {})})
        return success(self._label(self._row("label", self.store.insert("label", row))))

    def _label_update(self, request: Request) -> Response:
        row = self._row("label", request.number("label"))
        self._take_label(row, request.document())
        self.store.put("label", row["id"], row)
        return success(self._label(row))

    def _label_delete(self, request: Request) -> Response:
        self.store.delete("label", self._row("label", request.number("label"))["id"])
        return self._deleted()

    # -- settings, users, rights

    def _settings_view(self, name: str) -> dict[str, Any]:
        """The fields that two public clients read, one of them the vendor's own (altegio-pro-mcp, yclients)."""
        defaults = {
            "timetable": {
                "record_type": 0,
                "activity_record_clients_count_max": 20,
                "is_show_newsletter_agreement": False,
                "is_show_personal_data_processing_agreement": False,
            },
            "online": {
                "confirm_number": self.phone_confirmation,
                "any_master": True,
                "seance_delay_step": 0,
                "activity_online_record_clients_count_max": 5,
            },
        }[name]
        return {**defaults, **self.store.get_meta(f"settings:{name}", {})}

    def _settings(self, request: Request) -> Response:
        return success(self._settings_view(request.template.rpartition("/")[2]))

    def _settings_change(self, request: Request) -> Response:
        name = request.template.rpartition("/")[2]
        shown = self._settings_view(name)
        told = {key: value for key, value in request.document().items() if key in shown}
        if any(isinstance(value, dict | list | str) for value in told.values()):
            raise invalid(settings="The value is not possible")
        self.store.set_meta(f"settings:{name}", {**self.store.get_meta(f"settings:{name}", {}), **told})
        return success(self._settings_view(name))

    def _hooks(self, request: Request) -> Response:
        hooks = self.store.get_meta("hooks")
        if self.hooks_form == "old":
            hooks = {name: value for name, value in hooks.items() if name not in _OLD_HOOKS_LACK}
        if self.hooks_form == "per_url":
            flags = {name: hooks[name] for name in HOOK_FLAGS}
            hooks["url_settings"] = [{"url": url, **flags} for url in hooks["urls"]]
        return success(hooks)

    def _set_hooks(self, request: Request) -> Response:
        """Section 5: replaces the settings of the whole location."""
        given = request.document()
        urls = given.get("urls")
        if not (isinstance(urls, list) and 1 <= len(urls) <= 10 and all(isinstance(url, str) for url in urls)):
            raise invalid(urls="1 to 10 addresses are needed")
        if len(set(urls)) < len(urls):
            raise invalid(urls="The addresses must be unique")
        hooks = {"urls": urls, **{name: int(given.get(name) in (1, True, "1")) for name in HOOK_FLAGS}}
        self.store.set_meta("hooks", hooks)
        return success(hooks, status=201)

    def _permissions(self, request: Request) -> Response:
        rights: dict[str, Any] = {name: name not in self.denied_rights for name in RIGHTS}
        rights["clients_visit_master_id"] = self.own_clients_of
        rights["timetable_last_days_count"] = self.last_days
        return success(rights)

    def _users(self, request: Request) -> Response:
        login = self.store.get_meta("login")["login"]
        user = {
            "id": STAFF_USER,
            "name": "Reception",
            "phone": "",
            "login": login,
            "email": login,
            "is_approved": True,
        }
        return success([user], meta={"count": 1})

    def _validate_phone(self, request: Request) -> Response:
        return success({"is_valid": phone_fits(phone_of(request.params["phone"]))})

    def _field(self, row: Row) -> dict[str, Any]:
        kind = row.get("type", "text")
        return {
            "id": row["id"],
            "salon_id": self.location,
            "custom_field": {
                "id": row["id"],
                "code": row["code"],
                "entity_type": None,
                "show_in_ui": row.get("show_in_ui", True),
                "title": row["title"],
                "user_can_edit": row.get("user_can_edit", True),
                "type": {"code": kind, "title": kind.capitalize()},
                "values": row.get("values"),
            },
        }

    def _label(self, row: Row) -> dict[str, Any]:
        shown = {name: row.get(name, "") for name in ("title", "color", "icon")}
        return {"id": row["id"], "salon_id": self.location, "entity": row["entity"], **shown, "font_color": "#ffffff"}
