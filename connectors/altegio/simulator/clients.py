"""Clients of the Altegio simulator: cards, both lists, search, files and comments (altegio.md, 3.6 and 3.10)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import mimetypes
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import PurePath
from typing import Any

from connectors.altegio.simulator.base import (
    GROUP,
    STAFF_USER,
    SimulatedLocation,
    contains,
    day_of,
    digits,
    flag,
    full_name,
    ids_of,
    invalid,
    new_card,
    number,
    phone_fits,
    phone_of,
    success,
    text,
    whole,
)
from vetbridge.testing.simkit import CONTROL, Effect, Refusal, Request, Response, Route, Row

_SEARCH_FIELDS = (
    "id",
    "name",
    "phone",
    "email",
    "discount",
    "first_visit_date",
    "last_visit_date",
    "sold_amount",
    "visits_count",
    "visit_count",
    "deposit_balance",
    "passteam_card_id",
)
_SEARCH_STATUS = {1: -1, 2: 0, 3: 1, 4: 2}
"""The search's own codes of a record's status, by attendance code (section 3.6)."""
_IMPORTANCE = ("None", "Bronze", "Silver", "Gold")
_SEX = ("Unknown", "Male", "Female")
_MORE = {
    "discount": 0,
    "importance_id": 0,
    "card": "",
    "spent": 0,
    "paid": 0,
    "balance": 0,
    "sms_check": 0,
    "sms_not": 0,
    "categories": [],
    "agreements": {"is_newsletter_allowed": False, "is_personal_data_processing_allowed": False},
}
"""What a card has beside the fields that every stored one holds."""
_CLIENT_LABEL = 1
_FILE_KINDS = frozenset({"jpeg", "jpg", "png", "gif", "doc", "docx", "pdf", "xls", "xlsx", "txt"})
_LARGEST_FILE = 12 * 1024 * 1024
_LONGEST_COMMENT = 255
_DOWNLOAD = "/client_files/download/{client}/{file}/"
"""Where a file is, on another host at Altegio, and here on the same server."""
_SIGN_IN = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Sign in</form></body></html>"

Test = Callable[[Row], bool]


class SimulatedClients(SimulatedLocation):
    """What the location knows of its clients."""

    def _client_routes(self) -> None:
        write, clients = Effect.WRITE, "PU clients_access"
        self.route("GET", "/clients/{location}", self._client_list, access=clients)
        self.route("POST", "/clients/{location}", self._client_create, effect=write, access=clients)
        self.route("POST", "/clients/{location}/bulk", self._client_bulk, effect=write, access=clients)
        self.route("GET", "/client/{location}/{client}", self._client_get, access=clients)
        self.route("PUT", "/client/{location}/{client}", self._client_update, effect=write, access=clients)
        self.route("DELETE", "/client/{location}/{client}", self._client_delete, effect=write, access=clients)
        self.route("POST", "/company/{location}/clients/search", self._client_search, access=clients)
        self.route("GET", "/company/{location}/clients/autocomplete", self._client_autocomplete, access=clients)
        self.route("GET", "/group/{group}/clients", self._group_clients, access=clients)

        files = "/company/{location}/clients/files/{client}"
        self.route("GET", files, self._file_list, access=f"{clients} client_files_list_access")
        upload = f"{clients} client_files_upload_access"
        self.route("POST", files, self._file_upload, effect=write, access=upload)
        delete = f"{clients} client_files_delete_access"
        self.route("DELETE", files + "/{file}", self._file_delete, effect=write, access=delete)
        self._routes.append(Route("GET", _DOWNLOAD, self._file_download, Effect.READ, "ANY"))
        self.control("POST", "/files", self._file_by_control)
        for first in ("company", "clients"):
            path = f"/{first}/{{location}}/clients/{{client}}/comments"
            self.route("GET", path, self._comment_list, access="PU client_comments_list_access")
            add = "PU client_comments_add_access"
            self.route("POST", path, self._comment_create, effect=write, access=add)
            edit = "PU client_comments_own_edit_access"
            self.route("DELETE", path + "/{comment}", self._comment_delete, effect=write, access=edit)

        self.route("POST", "/sms/clients/by_id/{location}", self._mailing, effect=write, access=clients)
        self.route("POST", "/sms/clients/by_filter/{location}", self._mailing, effect=write, access=clients)

    # -- the card

    def _card(self, row: Row, *, place: str = "card", masked: bool = True) -> dict[str, Any]:
        """Section 3.6."""
        card = {**_MORE, **row}
        names = self._names(card) if masked else {name: card[name] for name in ("name", "surname", "patronymic")}
        sex = card["sex_id"] if card["sex_id"] in (1, 2) else 0
        unknown = {"empty": "", "null": None, "1970": "1970-01-01"}[self.no_birth_date]
        view = {
            "id": card["id"],
            **names,
            "middle_name": names["patronymic"],
            "display_name": full_name(names),
            **self._contacts(card, place, masked=masked),
            "categories": [
                {name: label[name] for name in ("id", "title", "color")}
                for label in self._labels(card["categories"], _CLIENT_LABEL)
            ],
            "gender_id": card["sex_id"],
            "gender": _SEX[sex],
            "sex_id": card["sex_id"],
            "sex": _SEX[sex],
            "birth_date": card["birth_date"] or unknown,
            "comment": card["comment"],
            "discount": card["discount"],
            "importance_id": card["importance_id"],
            "importance": _IMPORTANCE[card["importance_id"]],
            "card": card["card"],
            "spent": card["spent"],
            "paid": card["paid"],
            "balance": card["balance"],
            "visits": len(self.store.find("record", client_id=card["id"], deleted=False)),
            "sms_check": card["sms_check"],
            "sms_not": card["sms_not"],
            "sms_bot": card["sms_not"],
            "client_agreements": card["agreements"],
            "last_change_date": self._compact(card["_changed"]),
            "custom_fields": self._served_fields(card["custom_fields"]),
        }
        return self._spelt(view)

    def _hook_card(self, row: Row) -> dict[str, Any]:
        return self._card(row, masked=self.webhook_masked)

    def _take_card(self, card: dict[str, Any], given: Mapping[str, Any], *, new: bool = False) -> None:
        """Checks a client body (name and phone are required) and takes it over into ``card``."""
        name = text(given.get("name"), "name").strip()
        if not name:
            raise invalid(name="The name is missing")
        phone = phone_of(given.get("phone"))
        if not phone_fits(phone):
            raise invalid(phone="The phone must have 9 to 15 digits")
        if any(other["id"] != card.get("id") for other in self.store.find("client", phone=phone)):
            raise invalid(self.duplicate_status, phone="A client with this phone is in the base already")
        for field, names in (
            ("surname", ("surname",)),
            ("patronymic", ("middle_name", "patronymic")),
            ("email", ("email",)),
            ("comment", ("comment",)),
            ("birth_date", ("birth_date",)),
            ("card", ("card",)),
        ):
            for one in names:
                if one in given:
                    card[field] = text(given[one], one)
        for one in ("gender_id", "sex_id"):
            if one in given:
                card["sex_id"] = whole(given[one], one)
        self._take_more(card, given, new=new)
        if "custom_fields" in given:
            values = self._field_values("client", given["custom_fields"], card["custom_fields"])
            if self._may_write_fields("client"):
                card["custom_fields"] = values
        card.update(name=name, phone=phone)

    def _take_more(self, card: dict[str, Any], given: Mapping[str, Any], *, new: bool) -> None:
        for one in ("sms_check", "sms_not"):
            if one in given:
                card[one] = int(flag(given[one]))
        for one in ("discount", "spent", "balance"):
            if given.get(one) is not None:
                card[one] = number(given[one], one)
        if new and card.get("spent"):  # as the documents' example has it: the server computes
            card["balance"] = card.get("balance", 0) - card["spent"]
        if given.get("importance_id") is not None:
            card["importance_id"] = whole(given["importance_id"], "importance_id")
            if card["importance_id"] not in range(len(_IMPORTANCE)):
                raise invalid(importance_id="The importance is unknown")
        if isinstance(given.get("categories"), list):
            card["categories"] = [whole(one, "categories") for one in given["categories"]]
        for name in ("client_agreements", "agreements"):
            if isinstance(given.get(name), dict):
                old = card.get("agreements", _MORE["agreements"])
                card["agreements"] = {one: flag(given[name].get(one, old[one])) for one in old}

    def _add_card(self, card: Mapping[str, Any], *, own: bool) -> int:
        made = self.store.insert("client", {**card, "_changed": self._second()})
        self._announce_change("client", "create", self._hook_card(self._row("client", made)), None, own=own)
        return made

    def _client_get(self, request: Request) -> Response:
        card = self._row("client", request.number("client"))
        if not self._may_see_client(card["id"]):
            raise Refusal(403, "Access denied.")
        return success(self.thinned(self._card(card)))

    def _client_create(self, request: Request) -> Response:
        card = new_card("", "", "", "", 0)
        self._take_card(card, request.document(), new=True)
        made = self._add_card(card, own=True)
        return success(self.thinned(self._card(self._row("client", made))), status=201)

    def _client_bulk(self, request: Request) -> Response:
        """200 with those that were made and those that were not; custom fields have no place here."""
        given = request.json()
        if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
            raise invalid(clients="At least one client is needed")
        made, errors = [], []
        for one in given:
            card = new_card("", "", "", "", 0)
            try:
                self._take_card(card, {key: value for key, value in one.items() if key != "custom_fields"}, new=True)
            except Refusal as refusal:
                ((message,),) = refusal.body["meta"]["errors"].values()
                told = {name: str(one.get(name) or "") for name in ("phone", "name")}
                errors.append({**told, "error": message})
                continue
            made.append(self._card(self._row("client", self._add_card(card, own=True))))
        return success({"created": made, "errors": errors})

    def _client_update(self, request: Request) -> Response:
        card = self._row("client", request.number("client"))
        before = self._hook_card(card)
        self._take_card(card, request.document())
        card["_changed"] = self._second()
        self.store.put("client", card["id"], card)
        self._announce_change("client", "update", self._hook_card(card), before, own=True)
        return success(self.thinned(self._card(card)))

    def _client_delete(self, request: Request) -> Response:
        """204; a deleted client cannot be listed any more (section 4)."""
        card = self._row("client", request.number("client"))
        self.store.delete("client", card["id"])
        self._announce_change("client", "delete", self._hook_card(card), None, own=True)
        return self._deleted()

    # -- lists

    def _seen_clients(self) -> list[Row]:
        return [row for row in self.store.all("client") if self._may_see_client(row["id"])]

    def _client_list(self, request: Request) -> Response:
        """The deprecated list (section 3.6): partial filters, ascending id, 300 a page at most."""
        tests: list[Test] = []
        self._bounds(request, tests)
        for name, text_of in (
            ("fullname", full_name),
            ("email", lambda row: row["email"]),
            ("card", lambda row: row.get("card", "")),
        ):
            if request.first(name):
                tests.append(contains(text_of, request.first(name)))
        if request.first("phone"):
            tests.append(contains(lambda row: row["phone"], digits(request.first("phone")) or "?"))
        ids = ids_of(request, "id")
        if ids:
            tests.append(lambda row: str(row["id"]) in ids)
        rows = [row for row in self._seen_clients() if all(test(row) for test in tests)]
        rows = self._by_paid(request, rows)
        return self._listing(request, "client", rows, lambda row: self._card(row, place="list"), default=20, most=300)

    def _by_paid(self, request: Request, rows: list[Row]) -> list[Row]:
        """The trap of section 3.6: one bound that is absent counts as 0, and a filter that finds nobody is none."""
        least, most = request.first("paid_min"), request.first("paid_max")
        if not least and not most:
            return rows
        first, last = number(least or "0", "paid_min"), number(most or "0", "paid_max")
        paid = [row for row in rows if first <= row.get("paid", 0) <= last]
        return paid or self._seen_clients()

    def _client_search(self, request: Request) -> Response:
        """Section 3.6: rows hold only ``id`` and the asked ``fields``."""
        given = request.document()
        fields = given.get("fields") or ["id"]
        if not isinstance(fields, list) or any(name not in _SEARCH_FIELDS for name in fields):
            raise invalid(400, fields="The field is unknown")
        fits = self._combined(given)
        rows = [row for row in self._seen_clients() if fits(row)]
        order = str(given.get("order_by", "id"))
        if order not in _SEARCH_FIELDS:
            raise invalid(400, order_by="The field is unknown")
        descending = str(given.get("order_by_direction", "ASC")).upper() == "DESC"
        found = sorted((self._search_row(row) for row in rows), key=lambda row: row[order], reverse=descending)
        page = max(1, whole(given.get("page", 1), "page"))
        size = min(200, max(1, whole(given.get("page_size", 25), "page_size")))
        names = ["id", *(name for name in fields if name != "id")]
        shown = [
            {**row, **self._contacts(self._row("client", row["id"]), "list")}
            for row in found[(page - 1) * size : page * size]
        ]
        hidden = {"phone", "email"} if self.hidden_contacts == "missing" else set()
        hidden &= {"phone", "email"} - self._contacts({"phone": "", "email": ""}, "list").keys()
        data = [{name: row[name] for name in names if name not in hidden} for row in shown]
        return success(data, meta={"total_count": len(found)})

    def _search_row(self, row: Row) -> dict[str, Any]:
        visits = [visit for visit in self.store.find("record", client_id=row["id"]) if not visit["deleted"]]
        days = sorted(self._naive(visit["_start"])[:10] for visit in visits) or [""]
        return {
            "id": row["id"],
            "name": full_name(self._names(row)),
            "phone": row["phone"],
            "email": row["email"],
            "discount": row.get("discount", 0),
            "first_visit_date": days[0],
            "last_visit_date": days[-1],
            "sold_amount": row.get("spent", 0),
            "visits_count": len(visits),
            "visit_count": len(visits),
            "deposit_balance": 0,
            "passteam_card_id": "",
        }

    def _client_autocomplete(self, request: Request) -> Response:
        """A raw array, without an envelope (section 2)."""
        name, most = request.first("name"), whole(request.first("limit", "10"), "limit")
        fits = contains(full_name, name)
        rows = [row for row in self._seen_clients() if fits(row)][: max(0, most)]
        return Response(
            200,
            [
                {
                    "id": row["id"],
                    "fullname": full_name(self._names(row)),
                    "phone": self._contacts(row, "list").get("phone", ""),
                }
                for row in rows
            ],
        )

    def _group_clients(self, request: Request) -> Response:
        """Section 3.2: by exact phone, one client a location."""
        if not self.in_chain or request.number("group") != GROUP:
            raise Refusal(404, "Not found")
        phone = phone_of(request.first("phone"))
        clients = [
            {"id": row["id"], "company_id": site.location, "name": row["name"], "email": row["email"]}
            for site in self.sites
            if site.reachable
            for row in site.store.find("client", phone=phone)
        ]
        return success({"salon_group_id": GROUP, "phone": phone, "clients": clients})

    # -- filters of the search

    def _combined(self, given: Mapping[str, Any]) -> Test:
        filters = given.get("filters") or []
        if not isinstance(filters, list):
            raise invalid(400, filters="The filters must be a list")
        tests = [self._filter(one) for one in filters]
        fits = any if str(given.get("operation", "AND")).upper() == "OR" and tests else all
        return lambda row: fits(test(row) for test in tests)

    def _filter(self, given: Any) -> Test:
        """One filter; an unknown or wrong one is answered 400 with ``meta.errors.filters``."""
        state = given.get("state") if isinstance(given, dict) else None
        if not isinstance(given, dict) or not isinstance(state, dict):
            raise _bad_filter()
        test = self._filter_test(str(given.get("type")), state)
        if flag(state.get("invert", given.get("invert"))):
            return lambda row: not test(row)
        return test

    def _filter_test(self, kind: str, state: Mapping[str, Any]) -> Test:
        value = state.get("value")
        if kind == "quick_search" and isinstance(value, str) and value:
            return _quick(value)
        if kind in ("id", "gender", "importance", "category", "passteam_card_ids") and isinstance(value, list):
            return _among(kind, {str(one) for one in value})
        if kind in ("has_mobile_app", "has_passteam_card"):
            return lambda row: not flag(value)  # nobody here has one
        if kind == "sms_notification":
            return lambda row: bool(row.get("sms_not", 0)) != flag(value)
        if kind == "birthday":
            return _birthday(_day(state.get("from")), _day(state.get("to")))
        if kind == "sold_amount":
            return lambda row: _within(row.get("spent", 0), state)
        if kind == "record":
            return self._record_filter(state)
        if kind == "sale":
            return lambda row: False  # nothing is sold here
        if kind == "client":
            return self._combined(state)
        raise _bad_filter()

    def _record_filter(self, state: Mapping[str, Any]) -> Test:
        """Clients with records that fit: staff, service, status (the search's own codes), created, records_count."""
        wanted = {name: _values(state.get(name)) for name in ("staff", "service", "status")}
        if not wanted["status"] <= {str(code) for code in _SEARCH_STATUS}:
            raise _bad_filter()
        attendance = {_SEARCH_STATUS[int(code)] for code in wanted["status"]}
        created = state.get("created") if isinstance(state.get("created"), dict) else {}
        first, last = (_day(created.get(name)) for name in ("from", "to"))  # type: ignore[union-attr]
        count = state.get("records_count") if isinstance(state.get("records_count"), dict) else {}

        def fits(visit: Row) -> bool:
            return (
                (not wanted["staff"] or str(visit["staff_id"]) in wanted["staff"])
                and (not wanted["service"] or bool(wanted["service"] & {str(one) for one in visit["service_ids"]}))
                and (not attendance or visit["attendance"] in attendance)
                and self._between_days("_created", first, last)(visit)
            )

        def test(row: Row) -> bool:
            visits = self.store.find("record", client_id=row["id"], deleted=False)
            found = sum(fits(visit) for visit in visits)
            return found > 0 and _within(found, count or {})

        return test

    # -- files and comments (section 3.10)

    def _known_client(self, request: Request) -> int:
        if request.template.startswith("/clients/") and not self.drifted_comments:
            raise Refusal(404, "Not found")
        known: int = self._row("client", request.number("client"))["id"]
        return known

    def _file_list(self, request: Request) -> Response:
        return self._files_of(self.listed("file", self.store.find("file", client_id=self._known_client(request))))

    def _files_of(self, rows: list[Row]) -> Response:
        return success([self.thinned(self._file(row)) for row in rows], meta={"count": len(rows)})

    def _file(self, row: Row) -> dict[str, Any]:
        link = _DOWNLOAD.format(client=row["client_id"], file=row["id"])
        return {
            "id": row["id"],
            "client_id": row["client_id"],
            "name": row["name"] if self.file_names == "whole" else PurePath(row["name"]).stem,
            "description": row.get("description", ""),
            "extension": row["extension"],
            "mime": row["mime"],
            "link": link,
            "full_link": f"{self.control_url.removesuffix(CONTROL)}{link}",
            "date_create": self._iso(row["_created"]),
            "size": f"{row['bytes'] / 1024:.2f} KB",
            "user_name": "Reception",
            "username": "Reception",
            "user_avatar": "",
            "can_edit": True,
        }

    def _file_upload(self, request: Request) -> Response:
        """The multipart field ``file``; answers all files, and a comment of type ``file`` comes about too."""
        client = self._known_client(request)
        name, mime, content = _uploaded(request)
        if PurePath(name).suffix.lower().removeprefix(".") not in _FILE_KINDS:
            raise invalid(file="Files of this kind are not taken")
        if not 0 < len(content) < _LARGEST_FILE:
            raise invalid(file="The file must not be empty and must be smaller than 12 MB")
        self._keep_file(client, name, mime, content)
        return self._files_of(self.store.find("file", client_id=client))

    def _keep_file(self, client: int, name: str, mime: str, content: bytes, description: str = "") -> int:
        made = self.store.insert(
            "file",
            {
                "client_id": client,
                "name": name,
                "description": description,
                "extension": PurePath(name).suffix.lower().removeprefix("."),
                "mime": mime,
                "bytes": len(content),
                "_sha256": hashlib.sha256(content).hexdigest(),
                "_content": self.files.keep(content),
                "_created": self._second(),
            },
        )
        self._add_comment(client, "", file=made)
        return made

    def add_file(self, client: int, name: str, content: bytes, *, description: str = "") -> int:
        """A person at the location puts a file on a client's card; its id. Raises ``Refusal`` without that client."""
        with self._handling, self.store.transaction():
            return self._add_file(client, name, content, description)

    def _add_file(self, client: int, name: str, content: bytes, description: str) -> int:
        mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self._keep_file(self._row("client", client)["id"], name, mime, content, description)

    def file_content(self, file: int) -> bytes:
        """What is in a file. Raises ``Refusal`` without that file."""
        return self.files.read(self._row("file", file)["_content"])

    def _file_by_control(self, request: Request) -> Response:
        given = request.document()
        client = self.named_row("client", given.get("client"))["id"]
        words = [given.get(name, "") for name in ("name", "content", "description")]
        try:
            if not words[0] or not all(isinstance(each, str) for each in words):
                raise ValueError("no text")
            content = base64.b64decode(words[1], validate=True)
        except (ValueError, binascii.Error):
            raise Refusal(400, "name and description are texts, content is base64") from None
        return Response(200, {"id": self._add_file(client, words[0], content, words[2])})

    def _file_download(self, request: Request) -> Response:
        """Not a call of the API: how it is authorised is unknown, see the switch ``downloads``."""
        if self.downloads != "open" and not (self._is_partner(request) and self._is_user(request)):
            if self.downloads == "page":
                return Response(200, raw=_SIGN_IN, media_type="text/html; charset=utf-8")
            raise Refusal(401, "Authentication needed.")
        row = self._row("file", request.number("file"))
        if row["client_id"] != request.number("client"):
            raise Refusal(404, "Not found")
        content = self.files.read(row["_content"])
        return Response(200, raw=content, media_type=row["mime"], seconds=self.download_seconds)

    def _file_delete(self, request: Request) -> Response:
        """202 (section 1)."""
        client, file = self._known_client(request), self._row("file", request.number("file"))
        if file["client_id"] != client:
            raise Refusal(404, "Not found")
        self.store.delete("file", file["id"])
        return success(None, status=202, meta={"message": "Accepted"})

    def _comment_list(self, request: Request) -> Response:
        rows = [self._comment(row) for row in self.store.find("comment", client_id=self._known_client(request))]
        return success(rows, meta={"count": len(rows)})

    def _comment(self, row: Row) -> dict[str, Any]:
        file = self.store.get("file", row["file"]) if row["file"] else None
        files = [] if file is None else [{"link": self._file(file)["link"], "filename": file["name"]}]
        return {
            "id": row["id"],
            "create_date": self._iso(row["_created"]),
            "update_date": self._iso(row["_created"]),
            "type": "file" if row["file"] else "default",
            "text": row["text"],
            "files": files,
            "user": {"id": STAFF_USER, "name": "Reception", "avatar": ""},
        }

    def _comment_create(self, request: Request) -> Response:
        client = self._known_client(request)
        words = text(request.document().get("text"), "text")
        if not 1 <= len(words) <= _LONGEST_COMMENT:
            raise invalid(text="The text must have 1 to 255 characters")
        return success(self._comment(self._row("comment", self._add_comment(client, words))), status=201)

    def _add_comment(self, client: int, words: str, *, file: int = 0) -> int:
        kept = {"client_id": client, "text": words, "file": file, "_created": self._second()}
        return self.store.insert("comment", kept)

    def _comment_delete(self, request: Request) -> Response:
        """The comment goes, its files stay."""
        client, comment = self._known_client(request), self._row("comment", request.number("comment"))
        if comment["client_id"] != client:
            raise Refusal(404, "Not found")
        self.store.delete("comment", comment["id"])
        return self._deleted()

    def _mailing(self, request: Request) -> Response:
        """A one-off mailing: a message to every client that is named, or, by a filter, to all, but those who are
        excluded. The body's fields are not known: ``text``, and ``client_ids`` where clients are named."""
        given = request.document()
        words, chosen = text(given.get("text"), "text"), given.get("client_ids")
        if not words:
            raise invalid(text="The text is missing")
        named = request.template.startswith("/sms/clients/by_id/")
        if named and not (isinstance(chosen, list) and chosen):
            raise invalid(client_ids="At least one client is needed")
        wanted = {str(one) for one in chosen} if isinstance(chosen, list) else None
        for row in self._seen_clients():
            if not row.get("sms_not") and (wanted is None or str(row["id"]) in wanted):
                self.notice("write", message="mailing", client_id=row["id"], text=words)
        return success(None)


def _bad_filter() -> Refusal:
    return invalid(400, filters="The filter is not valid")


def _quick(value: str) -> Test:
    by_name, number_part = contains(full_name, value), digits(value)
    return lambda row: by_name(row) or (len(number_part) > 3 and number_part in row["phone"])


def _among(kind: str, wanted: set[str]) -> Test:
    if kind == "category":
        return lambda row: bool(wanted & {str(one) for one in row.get("categories", [])})
    if kind == "passteam_card_ids":
        return lambda row: False  # nobody here has a card
    field = {"id": "id", "gender": "sex_id", "importance": "importance_id"}[kind]
    return lambda row: str(row.get(field, 0)) in wanted


def _birthday(first: date | None, last: date | None) -> Test:
    """Day and month count, the year does not."""

    def test(row: Row) -> bool:
        born = row["birth_date"][5:]
        begin, end = (f"{day:%m-%d}" if day else "" for day in (first, last))
        return bool(born) and (not begin or begin <= born) and (not end or born <= end)

    return test


def _day(given: Any) -> date | None:
    try:
        return day_of(text(given, "date"))
    except Refusal:
        raise _bad_filter() from None


def _values(given: Any) -> set[str]:
    """The values of a nested filter: a list, or an object with one."""
    if isinstance(given, dict):
        given = given.get("value")
    return {str(one) for one in given} if isinstance(given, list) else set()


def _within(amount: float, state: Mapping[str, Any]) -> bool:
    least, most = (None if state.get(name) in (None, "") else number(state[name], name) for name in ("from", "to"))
    return (least is None or least <= amount) and (most is None or amount <= most)


def _uploaded(request: Request) -> tuple[str, str, bytes]:
    """Name, type and bytes of the multipart field ``file``. Raises a 422 without one."""
    kind = request.headers.get("content-type", "")
    found = re.fullmatch(r'multipart/form-data;.*?boundary="?([^";]{1,70})"?.*', kind.strip(), re.IGNORECASE)
    between = f"\r\n--{found[1]}".encode("ascii", "replace") if found else b""
    for part in (b"\r\n" + request.body).split(between)[1:] if found else []:
        head, _, content = part.partition(b"\r\n\r\n")
        said = head.decode("utf-8", "replace")
        name = re.search(r';\s*name="?([^";\r\n]*)"?', said)
        if name is not None and name[1] == "file":
            called = re.search(r'filename="([^"\r\n]*)"', said)
            mime = re.search(r"(?i)content-type: *([\w.+/-]+)", said)
            return PurePath(called[1] if called else "").name, mime[1] if mime else "", content
    raise invalid(file="The field file is missing")
