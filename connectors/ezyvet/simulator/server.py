"""The server: routes, tokens, limits, lists and single reads, webhooks, and what staff do beside the API."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from connectors.ezyvet.simulator.clinical import Clinical
from connectors.ezyvet.simulator.documents import Documents
from connectors.ezyvet.simulator.ezycab import EzyCab
from connectors.ezyvet.simulator.filters import BadFilter, conditions, passes
from connectors.ezyvet.simulator.json_api import JsonApi
from connectors.ezyvet.simulator.requests import (
    ANY_TOKEN,
    DEFAULT_PAGE,
    bearer,
    complaint,
    form_body,
    is_url,
    media_type,
    number_of,
    page_number,
    typed,
    whole,
)
from connectors.ezyvet.simulator.resources import (
    ANIMAL,
    APPOINTMENT,
    ATTACHMENT,
    CONSULT,
    CONTACT,
    DETAIL,
    MEMBERSHIP,
    RESOURCES,
    THERAPEUTIC,
    V1_APPOINTMENT,
    VACCINATION,
    FieldType,
    Resource,
    Version,
    as_v1,
    blank,
    named,
    shown,
    v1_appointment,
)
from connectors.ezyvet.simulator.seed import SEED_STAMP, SeededSite, value_cleaned
from connectors.ezyvet.simulator.switches import OF_A_NEW_STORE, Switches, changed
from connectors.ezyvet.simulator.writing import Writing
from vetbridge.testing.simkit import (
    VENDOR_MADE,
    Effect,
    Limit,
    Refusal,
    Request,
    Response,
    Route,
    Row,
    Simulator,
    SimulatorOptions,
    served,
)

if TYPE_CHECKING:
    from vetbridge.testing.clinic import Clinic
    from vetbridge.testing.twins.sides import TwinSides

TOKEN_SECONDS = 12 * 3600
"""Life of a token (ezyvet.md, section 2)."""

FRESH_USES = 5
"""A token that served fewer requests is not ended before its time: it would have been of no use to anybody."""

TOKEN_PATHS = ("/v1/oauth/access_token", "/v2/oauth/access_token", "/oauth/token")
"""All of section 2."""

# No appointment of this site recurs (ezyvet.md, section 7).
_NOT_RECURRING: Mapping[str, Any] = {
    "recurrence_number": 0,
    "recurrence_interval": 0,
    "recurrence_end_time": None,
}


EDITABLE = (CONTACT, DETAIL, ANIMAL, APPOINTMENT, ATTACHMENT, CONSULT, VACCINATION, MEMBERSHIP, THERAPEUTIC)
"""What staff can change at the control door."""


def _steps(request: Request) -> list[str]:
    return [step for step in request.path.split("/") if step]


def _is_availability(request: Request) -> bool:
    return f"/{'/'.join(_steps(request))}" in EzyCab.AVAILABILITY


def _database(request: Request) -> str | None:
    """One for all, but availability, whose own limit is wider (ezyvet.md, section 9)."""
    return None if _is_availability(request) else ""


def _endpoint(request: Request) -> str | None:
    """The path without the id: what the vendor counts as one endpoint is not said, so versions count apart."""
    return None if _is_availability(request) else "/".join(_steps(request)[:2])


def _availability(request: Request) -> str | None:
    return "" if _is_availability(request) else None


class EzyVetSimulator(Simulator):
    """ezyVet over HTTP. ``credentials``: partner_id, client_id, client_secret, site_uid."""

    vendor = "ezyvet"
    purgeable = frozenset({"contact", "animal", "appointment"})
    makes = VENDOR_MADE
    webhook_delay_real = 300.0
    """So late they were seen to come (ezyvet.md, section 8)."""
    limits_real = (
        Limit("database", 180, 60.0, per=_database),
        Limit("endpoint", 60, 60.0, per=_endpoint),
        Limit("availability", 300, 60.0, per=_availability),
    )

    def __init__(self, switches: Switches | None = None, **options: Unpack[SimulatorOptions]) -> None:
        self.switches = switches or Switches()
        self.page_cap = self.switches.page_cap
        self._tokens: dict[str, tuple[int, frozenset[str]]] = {}
        self._uses: Counter[str] = Counter()
        self._signing_key = secrets.token_bytes(32)
        self.documents = Documents(self)
        self.clinical = Clinical(self)
        super().__init__(**options)

    def routes(self) -> None:
        """Registers what the package's docstring lists."""
        for path in TOKEN_PATHS:
            self.route("POST", path, self._token, effect=Effect.TOKEN)
        for resource in RESOURCES:
            access = f"read-{resource.name}" if resource.scoped else ANY_TOKEN
            for version in resource.versions:
                for name in (resource.name, *resource.spellings):
                    path = f"/{version}/{name}"
                    self.route("GET", path, partial(self._list, resource, version), access=access)
                    self.route("GET", f"{path}/{{id}}", partial(self._one, resource, version), access=access)
        for path in ("/v1/systemsetting", "/v1/systemsetting/{id}"):
            self.route("GET", path, self._system_setting, access="read-systemsetting")
        Writing(self).routes()
        JsonApi(self).routes()
        EzyCab(self).routes()
        self.documents.routes()
        self.clinical.routes()
        self.control("POST", "/webhooks", self._set_webhooks)
        self.control("POST", "/switches", self._set_switches)
        self.control("POST", "/edit", self._edit)
        self.control("POST", "/merge_contacts", self._merge_contacts)

    def make_credentials(self, secret: Callable[[str], str]) -> dict[str, str]:
        """The four values that a token request needs."""
        return {name: secret(name) for name in ("partner_id", "client_id", "client_secret", "site_uid")}

    def fill(self, clinic: Clinic) -> None:
        """Writes the site's lists, the placeholder and the clinic's owners and pets."""
        self._seeded().fill(clinic)
        for number, resource in enumerate(sorted(self.switches.hooked), start=1):
            for place, verb in enumerate(("created", "updated")):
                row = {"active": True, "created_at": SEED_STAMP, "modified_at": SEED_STAMP}
                event = {**row, "name": f"{resource}_{verb}"}
                self.store.insert("webhookevents", event, id=2 * number - 1 + place)

    def fill_twins(self, twins: TwinSides) -> None:
        """The calendar that the clinic has kept here by hand; calendar blocks stand on the placeholder."""
        self._seeded().fill_twins(twins)

    def _seeded(self) -> SeededSite:
        return SeededSite(
            store=self.store,
            divisions=self.switches.divisions,
            referrals=self.switches.referrals,
            consults=self.switches.consults,
        )

    # -- access

    def error(self, status: int, message: str) -> Response:
        """The vendor's error envelope (ezyvet.md, section 9)."""
        return Response(status, complaint(message))

    def too_many(self, wait: float, limit: Limit | None) -> Response:
        """429 with the wait in a header and in the words; ``Retry-After`` is not confirmed (ezyvet.md, section 9).

        A live clinic's program (the sheet's UA) waits where the words say "too many requests recently", "N seconds".
        """
        seconds = max(1, math.ceil(wait))
        text = f"You have made too many requests recently. Please try again in {seconds} seconds."
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(seconds)}
        return Response(429, complaint(text), headers)

    def finish(self, request: Request, response: Response) -> Response:
        """Says on every success how much is left of the tightest limit; a refusal may pass for a success."""
        if response.status in {400, 403, 404, 422} and self.switches.error_status == "ok":
            return replace(response, status=200)
        states = self.limits.state(request) if response.status < 300 else []
        if not states:
            return response
        tightest = min(states, key=lambda state: state.remaining)
        told = {
            "x-ratelimit-remaining": str(tightest.remaining),
            "x-ratelimit-reset": str(math.ceil(tightest.reset)),
        }
        return replace(response, headers={**response.headers, **told})

    def admit(self, request: Request, route: Route) -> None:
        """401 without a living token, 403 where the token lacks the route's scope."""
        if not route.access:
            return
        token = bearer(request)
        expires, scopes = self._tokens.get(token, (0, frozenset()))
        self._uses[token] += token in self._tokens
        if expires <= self.now():
            raise Refusal(401, "The access token is missing, unknown or expired.")
        if route.access != ANY_TOKEN and route.access not in scopes:
            raise Refusal(403, f"The access token lacks the scope {route.access}.")

    def end_token(self, request: Request) -> None:
        """The token of the request is no longer taken, as if its twelve hours were over; a new one is spared."""
        token = bearer(request)
        if self._uses[token] >= FRESH_USES:
            self._tokens.pop(token, None)

    def _token(self, request: Request) -> Response:
        body = request.document() if media_type(request) == "application/json" else form_body(request)
        needed = ["partner_id", "client_id", "client_secret", "grant_type", "scope", "site_uid"]
        if self.switches.partner_id == "optional":
            needed.remove("partner_id")
        if self.switches.site_uid == "optional":
            needed.remove("site_uid")
        missing = [name for name in needed if not isinstance(body.get(name), str) or not body[name]]
        if missing:
            raise Refusal(400, body=complaint("The token request is not complete.", missing))
        if body["grant_type"] != "client_credentials":
            raise Refusal(400, body=complaint("This grant type is not supported.", ["grant_type"]))
        if any(body[name] != value for name, value in self.credentials.items() if name in needed or body.get(name)):
            raise Refusal(401, "The client could not be authenticated.")
        if self.switches.token_kills_old:
            self._tokens.clear()
        begin, scopes = self.now(), body["scope"].replace(",", " ").split()
        expires = begin + TOKEN_SECONDS
        opaque = self.switches.token_shape == "opaque"  # noqa: S105 - the name of a shape
        token = secrets.token_hex(32) if opaque else self._jwt(begin, expires, scopes)
        self._tokens[token] = (expires, frozenset(scopes))
        told = expires if self.switches.expires_in == "epoch" else TOKEN_SECONDS
        return Response(200, {"access_token": token, "token_type": "Bearer", "expires_in": told})

    def _jwt(self, begin: int, expires: int, scopes: list[str]) -> str:
        """A signed token with the claims that were seen in one (ezyvet.md, section 2)."""
        client, site_uid = self.credentials["client_id"], self.credentials["site_uid"]
        claims = {
            "aud": client,
            "jti": secrets.token_hex(20),
            "iat": begin,
            "nbf": begin,
            "exp": expires,
            "sub": "",
            "scopes": scopes,
            "iss": "ezyvet",
            "grp": "",
            "url": self.base_url,
            "site_uid": site_uid,
        }
        parts = [_base64url(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, claims)]
        signature = hmac.new(self._signing_key, ".".join(parts).encode(), hashlib.sha256).digest()
        return ".".join((*parts, _base64url(signature)))

    # -- reading

    def cap(self, resource: str) -> int:
        """Most rows of a page of this resource."""
        return min(self.page_cap, self.switches.page_caps.get(resource, self.page_cap))

    def _list(self, resource: Resource, version: Version, request: Request) -> Response:
        self._refuse_after_sunset(resource, version)
        page = page_number(request, "page", 1)
        size = min(page_number(request, "limit", DEFAULT_PAGE), self.cap(resource.name))
        rows = self.listed(resource.name, self._filtered(resource, version, request))
        # A row that has come in front pushes the others on, and is counted; one that has gone pulls them up.
        shift = self.page_shift(page)
        begin = (page - 1) * size + shift
        return self.answered(
            resource, version, rows[begin : begin + size], page=page, size=size, total=len(rows) - shift
        )

    def _one(self, resource: Resource, version: Version, request: Request) -> Response:
        self._refuse_after_sunset(resource, version)
        return self.answered(resource, version, [self.existing(resource, request)])

    def existing(self, resource: Resource, request: Request) -> dict[str, Any]:
        """A copy of the row that the path names. Raises ``Refusal`` 404."""
        row = self.store.get(resource.name, request.number("id"))
        if row is None:
            raise Refusal(404, f"There is no such {resource.name}.")
        return row

    def _refuse_after_sunset(self, resource: Resource, version: Version) -> None:
        sunset = self.switches.v1_animal_sunset
        if resource is ANIMAL and version == "v1" and sunset is not None and self.clock.now() >= sunset:
            raise Refusal(self.switches.sunset_status, "This version of the endpoint is no longer available.")

    def _system_setting(self, request: Request) -> Response:
        if "id" in request.params and request.number("id") != 1:
            raise Refusal(404, "There is no such systemsetting.")
        setting = {"id": "1", "timezone": {"name": self.zone}}
        return Response(200, self._envelope("v1", [{"systemsetting": setting}]))

    def _filtered(self, resource: Resource, version: Version, request: Request) -> list[Row]:
        """The rows that pass every filter of the query, by ascending id."""
        of_v1 = resource is APPOINTMENT and version == "v1"
        fields = self._filter_fields(resource, version)
        equals: dict[str, Any] = {}
        tests: list[tuple[str, Callable[[Any], bool]]] = []
        for name, values in request.query.items():
            if name in {"page", "limit"}:
                continue
            if of_v1 and name in {"time_range_start", "time_range_end"}:
                tests.append(("start_at", self._range_test(name, values[-1])))
                continue
            kept, kind = fields.get(name, (name, None))
            if kind is None and not resource.known:
                continue
            try:
                for wanted, operand in conditions(kind, values[-1]):
                    indexed = wanted == "eq" and kept not in _NOT_RECURRING
                    if indexed and equals.setdefault(kept, operand) == operand:
                        continue
                    tests.append((kept, passes(wanted, operand)))
            except BadFilter as error:
                if self.switches.unknown_filter == "error":
                    raise Refusal(400, body=complaint(f"A filter cannot be used: {error}", [name[:80]])) from None
        rows = self.store.find(resource.name, **equals) if equals else self.store.all(resource.name)
        return [row for row in rows if all(ok(row.get(name, _NOT_RECURRING.get(name))) for name, ok in tests)]

    def _filter_fields(self, resource: Resource, version: Version) -> Mapping[str, tuple[str, FieldType]]:
        """What a query calls a field, the store's name of it, and its type."""
        if resource is APPOINTMENT and version == "v1":
            names = {**V1_APPOINTMENT, **{name: name for name in ("id", "active", "created_at", "modified_at")}}
            fields = {name: (kept, resource.fields[kept]) for name, kept in names.items()}
            return {**fields, **{name: (name, FieldType.WHOLE) for name in _NOT_RECURRING}}
        also = resource.shown("v2") if self.switches.v1_uids else {}
        return {name: (name, kind) for name, kind in {**also, **resource.shown(version)}.items()}

    def _range_test(self, name: str, text: str) -> Callable[[Any], bool]:
        """The window of v1 appointments: starts from the one to the other, both included."""
        try:
            return passes("gte" if name == "time_range_start" else "lte", number_of(text))
        except ValueError as error:
            raise Refusal(400, body=complaint(f"A filter cannot be used: {error}", [name])) from None

    def answered(
        self,
        resource: Resource,
        version: Version,
        rows: Iterable[Row],
        *,
        page: int = 1,
        size: int = DEFAULT_PAGE,
        total: int = 1,
    ) -> Response:
        """The rows in the classic envelope."""
        items = [{resource.name: self.thinned(self._shown(resource, version, row))} for row in rows]
        return Response(200, self._envelope(version, items, page=page, size=size, total=total))

    def _shown(self, resource: Resource, version: Version, row: Row) -> dict[str, Any]:
        if resource is APPOINTMENT and version == "v1":
            return v1_appointment(row)
        values = shown(resource, version, row)
        if resource is ATTACHMENT:
            # Where this site stands now: a kept store may be served from another port.
            values["file_download_url"] = f"{self.base_url}/v1/attachment/download/{row['id']}"
        if version == "v1" and self.switches.v1_uids and "uid" in row:
            values["uid"] = row["uid"]
        return values

    def _envelope(
        self,
        version: Version,
        items: list[dict[str, Any]],
        *,
        page: int = 1,
        size: int = DEFAULT_PAGE,
        total: int = 1,
    ) -> dict[str, Any]:
        counts = {
            "items_page": page,
            "items_page_total": math.ceil(total / size),
            "items_page_size": size,
            "items_total": total,
        }
        meta: dict[str, Any] = (
            {name: as_v1(value) for name, value in counts.items()} if version == "v1" else {**counts}
        )
        return {
            "meta": {**meta, "timestamp": self.now(), "transaction_id": secrets.token_hex(8)},
            "items": items,
            "messages": [],
        }

    # -- rows

    def is_there(self, kind: str, number: Any) -> bool:
        """Whether a value of a body is the id of such a row."""
        try:
            found = whole(number)
        except ValueError:
            return False
        return self.store.get(kind, found) is not None

    def insert(self, resource: Resource, values: Row) -> dict[str, Any]:
        """Adds a row and returns a copy of it. Nobody is told."""
        now = self.now()
        row = {**blank(resource), "active": True, "created_at": now, "modified_at": now, **values}
        number = self.store.insert(resource.name, row)
        self.store.put(resource.name, number, named(resource, number, row))
        return {**named(resource, number, row), "id": number}

    def replace(self, resource: Resource, row: dict[str, Any], values: Row) -> dict[str, Any]:
        """Changes a row and tells the webhooks."""
        row.update(values, modified_at=self.now())
        self.store.put(resource.name, row["id"], row)
        self.announce(resource, "updated", row)
        return row

    # -- what staff do beside the API

    def attach(self, record_type: str, record_id: int, name: str, content: bytes, *, notes: str = "") -> int:
        """Hangs a file on an ``Animal``, a ``Contact`` or a ``Consult``; returns the attachment's id.

        This and what follows raises ``ValueError`` where there is no such record.
        """
        with self._handling, self.store.transaction():
            return self.documents.attach(record_type, record_id, name, content, notes)

    def vaccinate(self, animal: int, product: int, description: str, given: date, due: date | None) -> int:
        """Writes down that an animal was vaccinated, in a consult of its own; returns the vaccination's id."""
        with self._handling, self.store.transaction():
            return self.clinical.vaccinate(animal, product, description, given, due)

    def enrol(self, animal: int, plan: int, start: date, end: date, *, renews: bool = False) -> int:
        """Makes an animal a member of a wellness plan; returns the membership's id."""
        with self._handling, self.store.transaction():
            return self.clinical.enrol(animal, plan, start, end, renews=renews)

    def treat(self, animal: int, product: int, name: str, due: date) -> int:
        """Writes down a therapeutic, whose fields are made up; returns its id."""
        with self._handling, self.store.transaction():
            return self.clinical.treat(animal, product, name, due)

    def _edit(self, request: Request) -> Response:
        given = request.document()
        kind, changes = given.get("kind"), given.get("set")
        resource = next((each for each in EDITABLE if each.name == kind), None)
        if resource is None:
            raise Refusal(400, f"kind must be one of {', '.join(each.name for each in EDITABLE)}")
        row = self.named_row(kind, given.get("id"))
        if not isinstance(changes, dict) or not changes.keys() <= resource.fields.keys() - {"id", "modified_at"}:
            raise Refusal(400, f"set must be an object of fields that a {kind} has")
        try:
            values = {name: typed(resource.fields[name], value) for name, value in changes.items()}
        except ValueError as error:
            raise Refusal(400, str(error)) from None
        if resource is DETAIL:
            new = {**row, **values}
            values["value_cleaned"] = value_cleaned(new["value"], new["contact_detail_type_id"])
        return Response(200, {resource.name: served(self.replace(resource, row, values))})

    def _merge_contacts(self, request: Request) -> Response:
        given = request.document()
        loser, winner = (self.named_row(CONTACT.name, given.get(name)) for name in ("from", "into"))
        if loser["id"] == winner["id"]:
            raise Refusal(400, "a contact cannot be merged into itself")
        moved = {}
        for resource, fields in ((ANIMAL, ("contact_id", "residence_contact_id")), (APPOINTMENT, ("contact_id",))):
            ids = sorted(
                {row["id"] for name in fields for row in self.store.find(resource.name, **{name: loser["id"]})}
            )
            for number in ids:
                row = self.named_row(resource.name, number)
                owner = {name: winner["id"] for name in fields if row[name] == loser["id"]}
                self.replace(resource, row, owner)
            moved[resource.name] = len(ids)
        self.replace(CONTACT, loser, {"active": False})
        return Response(200, {"merged": loser["id"], "into": winner["id"], "moved": moved})

    def _set_switches(self, request: Request) -> Response:
        given = request.document()
        late = sorted(OF_A_NEW_STORE & given.keys())
        if late:
            raise Refusal(400, f"{late[0]} is decided with a new store")
        try:
            self.switches = changed(self.switches, given)
        except ValueError as error:
            raise Refusal(400, str(error)) from None
        self.page_cap = self.switches.page_cap
        return Response(200, given)

    # -- webhooks and time

    def announce(self, resource: Resource, verb: str, row: Row) -> None:
        """One event, with the row in its v2 shape (ezyvet.md, section 8)."""
        if resource.name not in self.switches.hooked:
            return
        meta = {"event": f"{resource.name}_{verb}", "timestamp": self.now()}
        item = {resource.name: shown(resource, "v2", row)}
        for url in self.store.get_meta("webhook_urls", []):
            if not self._joined(url, meta["event"], item):
                self.send(url, {"meta": meta, "items": [item]})

    def _joined(self, url: str, event: Any, item: dict[str, Any]) -> bool:
        """Puts the item into a call that has not left yet, where several may come in one."""
        if self.switches.webhook_items == "one":
            return False
        for other, payload in self._unsent:
            if other == url and payload["meta"]["event"] == event:
                payload["items"].append(item)
                return True
        return False

    def _set_webhooks(self, request: Request) -> Response:
        urls = request.document().get("urls")
        if not isinstance(urls, list) or not all(is_url(url) for url in urls):
            raise Refusal(400, "urls must be a list of http or https addresses")
        self.store.set_meta("webhook_urls", urls)
        return Response(200, {"urls": urls})

    def now(self) -> int:
        """The simulator's time, in unix seconds."""
        return int(self.clock.now().timestamp())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
