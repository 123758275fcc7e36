"""The newer style, ``data`` and camelCase: v4 resources and v3 site information (ezyvet.md, sections 3 and 7).

Of the rows the sheet knows little: a v4 animal's ``id`` (the uid), ``name`` and ``ownerId``, its filters, and what is
nested in a contact. All other names are v2's in camelCase, ids are uids, times are unix seconds. The parameter that
brings the next page is not known: ``nextToken`` and ``pageToken`` are taken.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from connectors.ezyvet.simulator.filters import BadFilter, bracketed, condition, is_bracketed, passes
from connectors.ezyvet.simulator.requests import ANY_TOKEN, DEFAULT_PAGE, complaint, page_number
from connectors.ezyvet.simulator.resources import (
    ANIMAL,
    CONTACT,
    POINTS_AT,
    RESOURCES,
    FieldType,
    Resource,
    as_v1,
    uid_of,
)
from connectors.ezyvet.simulator.seed import DETAIL_TYPES
from vetbridge.testing.simkit import Refusal, Request, Response, Row

if TYPE_CHECKING:
    from connectors.ezyvet.simulator.server import EzyVetSimulator

PAGE_PARAMETERS = frozenset({"pageSize", "nextToken", "pageToken"})

V4 = (CONTACT, ANIMAL, *(each for each in RESOURCES if each.name in {"species", "breed", "user"}))
"""Resources with a version 4."""

_NESTED = frozenset({"contact_detail_list", "address_physical", "address_postal"})

Field = tuple[FieldType, Callable[[Row], Any]]
"""A field's type and its value in a row of the store."""


class JsonApi:
    """The routes of v3 and v4 of one simulator."""

    def __init__(self, site: EzyVetSimulator) -> None:
        self._site = site

    def routes(self) -> None:
        """Registers them."""
        for resource in V4:
            path, access = f"/v4/{resource.name}", f"read-{resource.name}"
            self._site.route("GET", path, partial(self._list, resource), access=access)
            self._site.route("GET", f"{path}/{{id}}", partial(self._one, resource), access=access)
        self._site.route("GET", "/v3/siteInformation", self._site_information, access=ANY_TOKEN)

    def _list(self, resource: Resource, request: Request) -> Response:
        fields = _fields(resource)
        rows = filtered(self._site, self._site.store.all(resource.name), fields, request, plain=True)
        page, token = page_of(self._site, resource.name, rows, request)
        return Response(200, {"data": [self._row(resource, row) for row in page], "meta": {"nextToken": token}})

    def _one(self, resource: Resource, request: Request) -> Response:
        wanted = request.params["id"]
        for row in self._site.store.all(resource.name):
            if uid_of(resource.name, row["id"]) == wanted:
                return Response(200, {"data": self._row(resource, row)})
        raise Refusal(404, f"There is no such {resource.name}.")

    def _row(self, resource: Resource, row: Row) -> dict[str, Any]:
        values = {name: value(row) for name, (_, value) in _fields(resource).items()}
        if resource is CONTACT:
            values |= self._nested(row)
        uid = values.pop("id")
        if self._site.switches.v4_rows == "attributes":
            return {"type": resource.name, "id": uid, "attributes": values}
        return self._site.thinned({"id": uid, **values})

    def _nested(self, row: Row) -> dict[str, Any]:
        """What v4 shows inside a contact."""
        details = [
            detail for detail in self._site.store.find("contactdetail", contact_id=row["id"]) if detail["active"]
        ]
        mail = DETAIL_TYPES["email"]
        addresses = (
            self._site.store.get("address", row[name] or 0) for name in ("address_physical", "address_postal")
        )
        return {
            "emails": [_detail(each) for each in details if each["contact_detail_type_id"] == mail],
            "phones": [_detail(each) for each in details if each["contact_detail_type_id"] != mail],
            "addresses": [
                {_camel(name): value for name, value in each.items() if name != "active"}
                for each in addresses
                if each is not None
            ],
            "subscriptions": [],
        }

    def _site_information(self, request: Request) -> Response:
        """The site and, among what is included, its time zone."""
        zone = {"id": "1", "type": "timezone"}
        return Response(
            200,
            {
                "data": {
                    "id": self._site.credentials["site_uid"],
                    "type": "siteInformation",
                    "attributes": {"name": "Main clinic"},
                    "relationships": {"timezone": {"data": zone}},
                },
                "included": [{**zone, "attributes": {"name": self._site.zone}}],
            },
        )


def filtered(
    site: EzyVetSimulator, rows: list[Row], fields: Mapping[str, Field], request: Request, *, plain: bool
) -> list[Row]:
    """The rows that pass every ``filter[field][op]``, and where ``plain`` every ``field=value`` too."""
    asked = [(name, fields.get(name), wanted, operand) for name, wanted, operand in bracketed(request.query)]
    for name, values in request.query.items():
        if not is_bracketed(name) and name not in PAGE_PARAMETERS:
            asked.append((name, fields.get(name) if plain else None, "eq", values[-1]))
    for name, field, operator_name, operand in asked:
        try:
            if field is None:
                raise BadFilter("there is no such field")
            kind, value_of = field
            wanted = passes(*condition(kind, operator_name, operand))
        except BadFilter as error:
            if site.switches.unknown_filter == "error":
                raise Refusal(400, body=complaint(f"A filter cannot be used: {error}", [name[:80]])) from None
            continue
        rows = [row for row in rows if _any(wanted, value_of(row))]
    return rows


def page_of(site: EzyVetSimulator, name: str, rows: list[Row], request: Request) -> tuple[list[Row], str | None]:
    """One page of the rows of a list, and the token of the next one."""
    size = min(page_number(request, "pageSize", DEFAULT_PAGE), site.cap(name))
    after = _after(request.first("nextToken") or request.first("pageToken"))
    left = [row for row in site.listed(name, rows) if row["id"] > after]
    page = left[:size]
    more = len(left) > size
    return page, base64.urlsafe_b64encode(f"after:{page[-1]['id']}".encode()).decode() if more else None


def _after(token: str) -> int:
    if not token:
        return 0
    try:
        match = re.fullmatch(rb"after:([0-9]{1,18})", base64.urlsafe_b64decode(token.encode()))
    except ValueError:
        match = None
    if match is None:
        raise Refusal(400, body=complaint("The token of the page cannot be read.", ["nextToken"]))
    return int(match[1])


def _any(wanted: Callable[[Any], bool], value: Any) -> bool:
    return any(wanted(each) for each in value) if isinstance(value, list) else wanted(value)


def _fields(resource: Resource) -> dict[str, Field]:
    """What v4 calls a field, its type and its value."""
    fields: dict[str, Field] = {
        "id": (FieldType.TEXT, lambda row: uid_of(resource.name, row["id"])),
        "status": (FieldType.TEXT, lambda row: "active" if row["active"] else "inactive"),
    }
    for name, kind in resource.fields.items():
        if name in {"id", "active"} or name in _NESTED:
            continue
        if name in POINTS_AT:
            called = "ownerId" if resource is ANIMAL and name == "contact_id" else _camel(name)
            fields[called] = (FieldType.TEXT, partial(_pointer, name))
        else:
            fields[_camel(name)] = (kind, partial(_value, name))
    return fields


def _value(name: str, row: Row) -> Any:
    return row[name]


def _pointer(name: str, row: Row) -> str | None:
    return None if row[name] is None else uid_of(POINTS_AT[name], row[name])


def _detail(row: Row) -> dict[str, Any]:
    return {"id": uid_of("contactdetail", row["id"]), "name": as_v1(row["name"]), "value": row["value"]}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
