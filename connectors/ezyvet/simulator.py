"""A stand-in for ezyVet's REST API, written from the vendor sheet (ezyvet.md), never compared with a live site.

Served, with the sheet's section in brackets:

- ``POST /v1/oauth/access_token`` (2): JSON or form; tokens live twelve hours of the simulator's clock.
- Lists and single reads (3 to 7) of contact and contactdetail (v1, v2), animal (v2, and v1 until its sunset on
  13 October 2026), appointment (v2), appointmenttype and resource (v1, v2), contactdetailtype, species, breed, sex,
  animalcolour, appointmentstatus, separation and systemsetting (v1).
- ``POST /v1/contact``, ``PATCH /v1/contact/{id}``, ``POST /v1/animal``, ``PATCH /v1/animal/{id}``,
  ``POST /v2/appointment``, ``PATCH /v2/appointment/{id}`` (6, 7). Everything else answers 404.
- Webhooks ``appointment_created`` and ``appointment_updated`` (8), and by the same pattern those of contact and
  animal, which nobody is known to have seen (switch ``hooked``). They tell of every change, whoever made it, to the
  addresses set by ``POST /_sim/webhooks`` with ``{"urls": [...]}``: how one subscribes at the vendor is unknown, so
  that door is the simulator's own. They are not retried.

Through the control door staff do what the API is not known to do; webhooks tell of it, but of a purge nothing does:

- ``POST /_sim/edit`` with ``{"kind": "appointment", "id": 1, "set": {"active": true}}``: a row's fields as given.
  So a cancelled visit stands again, a contact goes inactive, and a contactdetail gets another ``value``.
- ``POST /_sim/merge_contacts`` with ``{"from": 1001, "into": 1002}``: the first goes inactive, its animals and visits
  go over to the second. Its contact details stay with it: of merges no more is known than that no pointer shows (10).
- ``POST /_sim/purge`` with ``{"kind": "appointment", "id": 1}``, also of a contact or an animal.

Where the sheet says unknown, the simulator takes the stricter reading, so that a client which pleases it does not
rely on luck: a body field that the sheet's tables do not name is refused (422), also ``active``; a cancellation needs
its reason; a visit without owner or animal is refused (switch ``ownerless``), though their belonging together is not
checked; an unknown filter is an error (switch ``unknown_filter``). Further choices: ``like`` is SQL's, with ``%``
for anything, and sees case; lists go by ascending id; text has no length limit (switch ``description_limit``);
``date_of_birth`` is midnight UTC; creations answer 200; overlapping visits are taken.

Appointments cause no message to an owner, so ``notices`` stays 0.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import operator
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack
from urllib.parse import parse_qs, urlsplit

from vetbridge.testing import names
from vetbridge.testing.clinic import SERVICES, STAFF, Clinic, Owner, PetSeed
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
    from vetbridge.testing.twins.sides import TwinSides

V1_ANIMAL_SUNSET = datetime(2026, 10, 13, tzinfo=UTC)
"""From here on ``GET /v1/animal`` answers 404 (ezyvet.md, section 1)."""

TOKEN_SECONDS = 12 * 3600
"""Life of a token (ezyvet.md, section 2)."""

FRESH_USES = 5
"""A token that served fewer requests is not ended before its time: it would have been of no use to anybody."""

DEFAULT_PAGE = 10
MERGE_PATCH = "application/merge-patch+json"

PLACEHOLDER_CONTACT = 900
PLACEHOLDER_ANIMAL = 901
FIRST_CONTACT = 1000
"""The contact of owner number n has the id 1000 + n."""
FIRST_ANIMAL = 5000
"""The animal of pet number n has the id 5000 + n."""
FIRST_APPOINTMENT = 20000
"""The appointment of a twin's visit number n has the id 20000 + n."""

DETAIL_TYPES: Mapping[str, int] = {"email": 1, "mobile": 3, "phone": 4}
SEPARATION = 1
BLOCK_TYPE = 39
"""The appointment type of calendar blocks, which are no visits."""

CODE_LISTS: Mapping[str, Mapping[str, int]] = {
    "species": {"dog": 1, "cat": 2, "rabbit": 3, "other": 4},
    "sex": {"male": 1, "female": 2, "male_neutered": 3, "female_neutered": 4, "unknown": 5},
    "appointment_type": {service.code: 30 + service.number for service in SERVICES},
    "resource": {member.code: 20 + member.number for member in STAFF},
    "status": {"booked": 1, "confirmed": 2, "arrived": 3, "completed": 4, "no_show": 5},
}
"""What a site's config would say about this site: VetBridge's words and the site's ids."""

_SEED_STAMP = int(datetime(2026, 1, 5, 9, tzinfo=UTC).timestamp())
"""Seeded rows were last saved from here on, a second apart."""


class _Type(StrEnum):
    WHOLE = "whole"
    FLAG = "flag"
    TEXT = "text"
    LIST = "list"


_EMPTY: Mapping[_Type, Any] = {_Type.WHOLE: None, _Type.FLAG: False, _Type.TEXT: "", _Type.LIST: []}


def _fields(text: str) -> dict[str, _Type]:
    """Fields written as ``name:type``, behind those that every resource has."""
    words = f"id:whole active:flag created_at:whole modified_at:whole {text}".split()
    return {name: _Type(kind) for name, kind in (word.split(":") for word in words)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resource:
    """One resource: its name is the path, the wrapper key, the scope's second half and the store's kind."""

    name: str
    fields: Mapping[str, _Type]
    versions: tuple[int, ...] = (1,)
    v2_fields: Mapping[str, _Type] | None = None
    """Fields that only v2 shows."""
    written: frozenset[str] = frozenset()
    """Fields that a body may carry."""

    def shown(self, version: int) -> Mapping[str, _Type]:
        """The fields of one version."""
        return {**self.fields, **(self.v2_fields or {})} if version == 2 else self.fields


_UID = {"uid": _Type.TEXT}

_CONTACT_FIELDS = _fields(
    "code:text first_name:text last_name:text business_name:text is_business:flag is_customer:flag is_supplier:flag "
    "is_vet:flag is_syndicate:flag is_staff_member:flag stop_credit:text contact_detail_list:list "
    "address_physical:whole address_postal:whole ownership_id:whole"
)
_ANIMAL_FIELDS = _fields(
    "code:text name:text contact_id:whole residence_contact_id:whole species_id:whole breed_id:whole sex_id:whole "
    "animalcolour_id:whole date_of_birth:whole is_estimated_date_of_birth:flag date_of_death:whole death_reason:text "
    "is_dead:flag date_of_desex:whole is_hostile:flag microchip_number:text rabies_number:text "
    "date_of_rabies_vaccination:whole weight:text weight_unit:text referring_clinic_id:whole "
    "referring_vet_id:whole resuscitate:text notes:text notes_important:text"
)
_APPOINTMENT_FIELDS = _fields(
    "start_at:whole duration:whole type_id:whole status_id:whole description:text animal_id:whole contact_id:whole "
    "consult_id:whole sales_resource:whole resources:list event_group:whole cancellation_reason:whole "
    "cancellation_reason_text:text"
)
_KEPT_BY_VENDOR = frozenset({"id", "active", "created_at", "modified_at", "code"})

CONTACT = _Resource(
    name="contact",
    fields=_CONTACT_FIELDS,
    versions=(1, 2),
    v2_fields=_UID,
    written=frozenset(_CONTACT_FIELDS) - _KEPT_BY_VENDOR,
)
DETAIL = _Resource(
    name="contactdetail",
    fields=_fields("contact_id:whole contact_detail_type_id:whole name:text value:text"),
    versions=(1, 2),
    v2_fields={"contact_uid": _Type.TEXT, "value_cleaned": _Type.TEXT},
)
ANIMAL = _Resource(
    name="animal",
    fields=_ANIMAL_FIELDS,
    versions=(1, 2),
    v2_fields=_UID,
    written=frozenset(_ANIMAL_FIELDS) - _KEPT_BY_VENDOR,
)
APPOINTMENT = _Resource(
    name="appointment",
    fields=_APPOINTMENT_FIELDS,
    versions=(2,),
    v2_fields=_UID,
    written=frozenset(_APPOINTMENT_FIELDS)
    - _KEPT_BY_VENDOR
    - {"consult_id", "event_group", "cancellation_reason", "cancellation_reason_text"},
)
RESOURCES = (
    CONTACT,
    DETAIL,
    ANIMAL,
    APPOINTMENT,
    _Resource(name="contactdetailtype", fields=_fields("name:text")),
    _Resource(name="species", fields=_fields("name:text icon:text")),
    _Resource(name="breed", fields=_fields("name:text species_id:whole")),
    _Resource(name="sex", fields=_fields("name:text abbreviation:text is_desexed:flag")),
    _Resource(name="animalcolour", fields=_fields("name:text")),
    _Resource(
        name="appointmenttype",
        fields=_fields("name:text default_duration:whole"),
        versions=(1, 2),
        v2_fields=_UID,
    ),
    _Resource(name="appointmentstatus", fields=_fields("name:text")),
    _Resource(
        name="resource",
        fields=_fields("name:text type:text access:text ownership_id:whole"),
        versions=(1, 2),
        v2_fields=_UID,
    ),
    _Resource(name="separation", fields=_fields("name:text type:text parent:whole contact_id:whole")),
)

_POINTS_AT = {
    "contact_id": "contact",
    "residence_contact_id": "contact",
    "species_id": "species",
    "breed_id": "breed",
    "sex_id": "sex",
    "animalcolour_id": "animalcolour",
    "animal_id": "animal",
    "type_id": "appointmenttype",
    "status_id": "appointmentstatus",
    "sales_resource": "resource",
    "ownership_id": "separation",
    "contact_detail_type_id": "contactdetailtype",
}


def _endpoint(request: Request) -> str:
    """The path without the id: what the vendor counts as one endpoint is not said, so versions count apart."""
    return "/".join(request.path.split("/")[1:3])


class EzyVetSimulator(Simulator):
    """ezyVet over HTTP. ``credentials``: partner_id, client_id, client_secret, site_uid.

    Beside what every simulator takes, these switches stand for what the sheet calls unknown:

    - ``token_kills_old``: a new token ends the ones before it (seen by one source).
    - ``expires_in``: a token's end is told as a ``duration`` in seconds or as an absolute ``epoch``.
    - ``unknown_filter``: a filter that names no field or cannot be read is an error (400): ``error`` or ``ignore``.
    - ``ownerless``: what becomes of a visit without contact or animal: ``refuse`` (422) or ``accept``.
    - ``description_limit``: characters after which a visit's description is cut silently; None: never.
    - ``hooked``: resources whose changes webhooks tell of.
    - ``page_cap``: most rows per page, whatever ``limit`` asks for. Some resources are said to have 50.
    """

    vendor = "ezyvet"
    purgeable = frozenset({"contact", "animal", "appointment"})
    makes = VENDOR_MADE
    limits_real = (
        Limit("database", 180, 60.0, per=lambda request: ""),
        Limit("endpoint", 60, 60.0, per=_endpoint),
    )

    def __init__(
        self,
        *,
        token_kills_old: bool = False,
        expires_in: Literal["duration", "epoch"] = "duration",
        unknown_filter: Literal["error", "ignore"] = "error",
        ownerless: Literal["refuse", "accept"] = "refuse",
        description_limit: int | None = None,
        hooked: Iterable[str] = ("appointment", "contact", "animal"),
        page_cap: int = 200,
        **options: Unpack[SimulatorOptions],
    ) -> None:
        self._token_kills_old = token_kills_old
        self._expires_in = expires_in
        self._unknown_filter = unknown_filter
        self._ownerless = ownerless
        self._description_limit = description_limit
        self._hooked = frozenset(hooked)
        self.page_cap = page_cap
        self._tokens: dict[str, tuple[int, frozenset[str]]] = {}
        self._uses: Counter[str] = Counter()
        super().__init__(**options)

    def routes(self) -> None:
        """Registers what the module's docstring lists."""
        self.route("POST", "/v1/oauth/access_token", self._token, effect=Effect.TOKEN)
        for resource in RESOURCES:
            for version in resource.versions:
                path, access = f"/v{version}/{resource.name}", f"read-{resource.name}"
                self.route("GET", path, partial(self._list, resource, version), access=access)
                self.route("GET", f"{path}/{{id}}", partial(self._one, resource, version), access=access)
        self.route("GET", "/v1/systemsetting", self._system_setting, access="read-systemsetting")
        for method, path, handler, access in (
            ("POST", "/v1/contact", self._create_contact, "write-contact"),
            ("PATCH", "/v1/contact/{id}", self._update_contact, "write-contact"),
            ("POST", "/v1/animal", self._create_animal, "write-animal"),
            ("PATCH", "/v1/animal/{id}", self._update_animal, "write-animal"),
            ("POST", "/v2/appointment", self._create_appointment, "write-appointment"),
            ("PATCH", "/v2/appointment/{id}", self._update_appointment, "write-appointment"),
        ):
            self.route(method, path, handler, effect=Effect.WRITE, access=access)
        self.control("POST", "/webhooks", self._set_webhooks)
        self.control("POST", "/edit", self._edit)
        self.control("POST", "/merge_contacts", self._merge_contacts)

    def make_credentials(self, secret: Callable[[str], str]) -> dict[str, str]:
        """The four values that a token request needs."""
        return {name: secret(name) for name in ("partner_id", "client_id", "client_secret", "site_uid")}

    # -- the seeded site

    def fill(self, clinic: Clinic) -> None:
        """Writes the site's lists, the placeholder and the clinic's owners and pets."""
        breeds = self._fill_lists(clinic)
        placeholder = {"last_name": "VetBridge placeholder", "is_customer": True, "_placeholder": True}
        self._seed(CONTACT, PLACEHOLDER_CONTACT, placeholder)
        animal = {
            "name": "VetBridge placeholder",
            "contact_id": PLACEHOLDER_CONTACT,
            "residence_contact_id": PLACEHOLDER_CONTACT,
            "species_id": CODE_LISTS["species"]["other"],
            "sex_id": CODE_LISTS["sex"]["unknown"],
            "_placeholder": True,
        }
        self._seed(ANIMAL, PLACEHOLDER_ANIMAL, animal)
        for owner in clinic.owners:
            self._fill_owner(owner)
            for pet in owner.pets:
                self._fill_pet(pet, FIRST_CONTACT + owner.number, breeds)
        self.store.number_from("contact", FIRST_CONTACT + 1)
        self.store.number_from("animal", FIRST_ANIMAL + 1)

    def fill_twins(self, twins: TwinSides) -> None:
        """The calendar that the clinic has kept here by hand; calendar blocks stand on the placeholder."""
        for visit in twins.visits:
            appointment = {
                **_when(visit.vet, visit.start, visit.minutes),
                "type_id": CODE_LISTS["appointment_type"][SERVICES[visit.service - 1].code],
                "status_id": CODE_LISTS["status"][visit.status],
                "contact_id": FIRST_CONTACT + visit.owner,
                "animal_id": FIRST_ANIMAL + visit.pet,
                "description": visit.note,
            }
            stamp = _SEED_STAMP + visit.number
            self._seed(APPOINTMENT, FIRST_APPOINTMENT + visit.number, appointment, stamp=stamp)
        first_block = FIRST_APPOINTMENT + len(twins.visits) + 1
        for number, block in enumerate(twins.pims_blocks, start=first_block):
            appointment = {
                **_when(block.vet, block.start, block.minutes),
                "type_id": BLOCK_TYPE,
                "status_id": CODE_LISTS["status"]["booked"],
                "contact_id": PLACEHOLDER_CONTACT,
                "animal_id": PLACEHOLDER_ANIMAL,
                "description": block.words,
            }
            self._seed(APPOINTMENT, number, appointment)

    def _fill_lists(self, clinic: Clinic) -> dict[tuple[str, str], int]:
        """The site's own lists; returns the ids of the breeds by species and name."""
        lists = {resource.name: resource for resource in RESOURCES}

        def fill(kind: str, number: int, **values: Any) -> None:
            self._seed(lists[kind], number, values)

        fill("separation", SEPARATION, name="Main clinic", type="Division")
        for name, number in (("Email", 1), ("Mobile", 3), ("Phone", 4)):
            fill("contactdetailtype", number, name=name)
        for code, name in (("dog", "Canine"), ("cat", "Feline"), ("rabbit", "Rabbit"), ("other", "Other")):
            fill("species", CODE_LISTS["species"][code], name=name)
        for code, name, short, desexed in (
            ("male", "Male", "M", False),
            ("female", "Female", "F", False),
            ("male_neutered", "Male Neutered", "MN", True),
            ("female_neutered", "Female Spayed", "FS", True),
            ("unknown", "Unknown", "U", False),
        ):
            fill("sex", CODE_LISTS["sex"][code], name=name, abbreviation=short, is_desexed=desexed)
        breeds: dict[tuple[str, str], int] = {}
        for species, known in (
            ("dog", names.DOG_BREEDS),
            ("cat", names.CAT_BREEDS),
            ("rabbit", names.RABBIT_BREEDS),
            ("other", names.OTHER_BREEDS),
        ):
            for breed in known:
                breeds[species, breed] = len(breeds) + 1
                fill("breed", len(breeds), name=breed, species_id=CODE_LISTS["species"][species])
        for number, name in enumerate(("Black", "Brown", "White", "Mixed"), start=1):
            fill("animalcolour", number, name=name)
        for service in clinic.services:
            number = CODE_LISTS["appointment_type"][service.code]
            fill("appointmenttype", number, name=service.title, default_duration=service.minutes)
        fill("appointmenttype", BLOCK_TYPE, name="Block", default_duration=30)
        for code, name in (
            ("booked", "Unconfirmed"),
            ("confirmed", "Confirmed"),
            ("arrived", "Arrived"),
            ("completed", "Completed"),
            ("no_show", "No show"),
        ):
            fill("appointmentstatus", CODE_LISTS["status"][code], name=name)
        calendar = {"access": "On Calendar", "ownership_id": SEPARATION}
        for member in clinic.staff:
            fill("resource", CODE_LISTS["resource"][member.code], name=member.name, type="user", **calendar)
        fill("resource", 31, name="Consult room 1", type="facility", **calendar)
        return breeds

    def _fill_owner(self, owner: Owner) -> None:
        number = FIRST_CONTACT + owner.number
        details = [("mobile", _as_typed(phone, owner.number)) for phone in owner.phones]
        if owner.email is not None:
            details.append(("email", owner.email))
        contact = {
            "first_name": owner.given_name,
            "last_name": owner.family_name,
            "is_customer": True,
            "stop_credit": "OK",
            "ownership_id": SEPARATION,
            "active": owner.active,
            "contact_detail_list": [
                self._add_detail(number, kind.capitalize(), value, DETAIL_TYPES[kind], _SEED_STAMP + owner.number)
                for kind, value in details
            ],
            "_seed": owner.number,
        }
        self._seed(CONTACT, number, contact, stamp=_SEED_STAMP + owner.number)

    def _fill_pet(self, pet: PetSeed, contact: int, breeds: Mapping[tuple[str, str], int]) -> None:
        stamp = _SEED_STAMP + pet.number
        animal = {
            "name": pet.name,
            "contact_id": contact,
            "residence_contact_id": contact,
            "species_id": CODE_LISTS["species"][pet.species],
            "breed_id": breeds[pet.species, pet.breed],
            "sex_id": CODE_LISTS["sex"][pet.sex],
            "date_of_birth": _midnight(pet.birth_date),
            "is_dead": pet.deceased,
            "date_of_death": stamp if pet.deceased else None,
            "_seed": pet.number,
        }
        self._seed(ANIMAL, FIRST_ANIMAL + pet.number, animal, stamp=stamp)

    def _seed(self, resource: _Resource, number: int, values: Row, *, stamp: int = _SEED_STAMP) -> None:
        row = {**_blank(resource), "active": True, "created_at": stamp, "modified_at": stamp, **values}
        self.store.insert(resource.name, _named(resource, number, row), id=number)

    # -- access

    def error(self, status: int, message: str) -> Response:
        """The vendor's error envelope (ezyvet.md, section 9)."""
        return Response(status, _complaint(message))

    def too_many(self, wait: float, limit: Limit | None) -> Response:
        """429 with the wait in a header and in the words; ``Retry-After`` is not confirmed (ezyvet.md, section 9)."""
        seconds = max(1, math.ceil(wait))
        text = f"Too many recent requests. Please try again in {seconds} seconds."
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(seconds)}
        return Response(429, _complaint(text), headers)

    def finish(self, request: Request, response: Response) -> Response:
        """Says on every success how much is left of the tightest limit."""
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
        token = _bearer(request)
        expires, scopes = self._tokens.get(token, (0, frozenset()))
        self._uses[token] += token in self._tokens
        if expires <= self._now():
            raise Refusal(401, "The access token is missing, unknown or expired.")
        if route.access not in scopes:
            raise Refusal(403, f"The access token lacks the scope {route.access}.")

    def end_token(self, request: Request) -> None:
        """The token of the request is no longer taken, as if its twelve hours were over; a new one is spared."""
        token = _bearer(request)
        if self._uses[token] >= FRESH_USES:
            self._tokens.pop(token, None)

    def _token(self, request: Request) -> Response:
        body = request.document() if _media_type(request) == "application/json" else _form(request)
        needed = ("partner_id", "client_id", "client_secret", "grant_type", "scope", "site_uid")
        missing = [name for name in needed if not isinstance(body.get(name), str) or not body[name]]
        if missing:
            raise Refusal(400, body=_complaint("The token request is not complete.", missing))
        if body["grant_type"] != "client_credentials":
            raise Refusal(400, body=_complaint("This grant type is not supported.", ["grant_type"]))
        if any(body[name] != value for name, value in self.credentials.items()):
            raise Refusal(401, "The client could not be authenticated.")
        expires = self._now() + TOKEN_SECONDS
        if self._token_kills_old:
            self._tokens.clear()
        token = secrets.token_hex(32)
        self._tokens[token] = (expires, frozenset(body["scope"].replace(",", " ").split()))
        told = expires if self._expires_in == "epoch" else TOKEN_SECONDS
        return Response(200, {"access_token": token, "token_type": "Bearer", "expires_in": told})

    # -- reading

    def _list(self, resource: _Resource, version: int, request: Request) -> Response:
        self._refuse_after_sunset(resource, version)
        page = _page_number(request, "page", 1)
        size = min(_page_number(request, "limit", DEFAULT_PAGE), self.page_cap)
        rows = self.listed(resource.name, self._filtered(resource, version, request))
        # A row that has come in front pushes the others on, and is counted; one that has gone pulls them up.
        shift = self.page_shift(page)
        begin = (page - 1) * size + shift
        return self._answered(
            resource, version, rows[begin : begin + size], page=page, size=size, total=len(rows) - shift
        )

    def _one(self, resource: _Resource, version: int, request: Request) -> Response:
        self._refuse_after_sunset(resource, version)
        return self._answered(resource, version, [self._existing(resource, request)])

    def _existing(self, resource: _Resource, request: Request) -> dict[str, Any]:
        row = self.store.get(resource.name, request.number("id"))
        if row is None:
            raise Refusal(404, f"There is no such {resource.name}.")
        return row

    def _refuse_after_sunset(self, resource: _Resource, version: int) -> None:
        if resource is ANIMAL and version == 1 and self.clock.now() >= V1_ANIMAL_SUNSET:
            raise Refusal(404, "This version of the endpoint is no longer available.")

    def _system_setting(self, request: Request) -> Response:
        return Response(200, self._envelope(1, [{"systemsetting": {"timezone": {"name": self.zone}}}]))

    def _filtered(self, resource: _Resource, version: int, request: Request) -> list[Row]:
        """The rows that pass every filter of the query, by ascending id."""
        fields = resource.shown(version)
        equals: dict[str, Any] = {}
        tests: list[tuple[str, Callable[[Any], bool]]] = []
        for name, values in request.query.items():
            if name in {"page", "limit"}:
                continue
            try:
                for wanted, operand in _conditions(fields.get(name), values[-1]):
                    if wanted == "eq" and equals.setdefault(name, operand) == operand:
                        continue
                    tests.append((name, _test(wanted, operand)))
            except _BadFilter as error:
                if self._unknown_filter == "error":
                    raise Refusal(400, body=_complaint(f"A filter cannot be used: {error}", [name[:80]])) from None
        rows = self.store.find(resource.name, **equals) if equals else self.store.all(resource.name)
        return [row for row in rows if all(test(row.get(name)) for name, test in tests)]

    def _answered(
        self,
        resource: _Resource,
        version: int,
        rows: Iterable[Row],
        *,
        page: int = 1,
        size: int = DEFAULT_PAGE,
        total: int = 1,
    ) -> Response:
        items = [{resource.name: self.thinned(_shown(resource, version, row))} for row in rows]
        return Response(200, self._envelope(version, items, page=page, size=size, total=total))

    def _envelope(
        self,
        version: int,
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
        meta: dict[str, Any] = {name: _as_v1(value) for name, value in counts.items()} if version == 1 else {**counts}
        return {
            "meta": {**meta, "timestamp": self._now(), "transaction_id": secrets.token_hex(8)},
            "items": items,
            "messages": [],
        }

    # -- writing

    def _create_contact(self, request: Request) -> Response:
        body = _json_body(request)
        details = body.pop("contact_detail_list", [])
        values = self._checked(CONTACT, body)
        if not any(values.get(name) for name in ("first_name", "last_name", "business_name")):
            raise _invalid(["last_name"], "a contact needs a name")
        wanted = self._checked_details(details)
        number = self._insert(CONTACT, values)
        row = self.store.get(CONTACT.name, number) or {}
        row["contact_detail_list"] = [
            self._add_detail(number, name, value, kind, self._now()) for name, value, kind in wanted
        ]
        self.store.put(CONTACT.name, number, row)
        self._announce(CONTACT, "created", row)
        return self._answered(CONTACT, 1, [row])

    def _update_contact(self, request: Request) -> Response:
        row = self._existing(CONTACT, request)
        # The sheet shows contact details being written with a new contact only.
        values = self._checked(CONTACT, _json_body(request), leave_out=frozenset({"contact_detail_list"}))
        return self._answered(CONTACT, 1, [self._replace(CONTACT, row, values)])

    def _create_animal(self, request: Request) -> Response:
        values = self._checked(ANIMAL, _json_body(request))
        self._need(values, ("contact_id", "name"))
        if values.get("residence_contact_id") is None:
            values["residence_contact_id"] = values["contact_id"]
        row = self.store.get(ANIMAL.name, self._insert(ANIMAL, values)) or {}
        self._announce(ANIMAL, "created", row)
        return self._answered(ANIMAL, 1, [row])

    def _update_animal(self, request: Request) -> Response:
        row = self._existing(ANIMAL, request)
        values = self._checked(ANIMAL, _json_body(request))
        self._need({**row, **values}, ("contact_id", "name"))
        return self._answered(ANIMAL, 1, [self._replace(ANIMAL, row, values)])

    def _create_appointment(self, request: Request) -> Response:
        values = self._checked_visit(_json_body(request))
        self._need_visit(values)
        values.setdefault("status_id", CODE_LISTS["status"]["booked"])
        row = self.store.get(APPOINTMENT.name, self._insert(APPOINTMENT, values)) or {}
        self._announce(APPOINTMENT, "created", row)
        return self._answered(APPOINTMENT, 2, [row])

    def _update_appointment(self, request: Request) -> Response:
        if _media_type(request) != MERGE_PATCH:
            raise Refusal(415, f"Unsupported format: send {MERGE_PATCH}.")
        row = self._existing(APPOINTMENT, request)
        body = request.document()
        cancellation = self._checked_cancellation(body)
        values = {**self._checked_visit(body), **cancellation}
        self._need_visit({**row, **values})
        owner = {
            name: values[name] for name in ("contact_id", "animal_id") if values.get(name, row[name]) != row[name]
        }
        # Whether ezyVet keeps such a change is not known, nor what its answer shows if it does not.
        ignored = bool(owner) and self.faults.hits("relink_ignored")
        forgotten = bool(owner) and not ignored and self.faults.hits("relink_forgotten")
        lost = set(owner) if ignored or forgotten else set()
        kept = self._replace(APPOINTMENT, row, {name: value for name, value in values.items() if name not in lost})
        return self._answered(APPOINTMENT, 2, [{**kept, **owner} if forgotten else kept])

    def _checked_visit(self, body: dict[str, Any]) -> dict[str, Any]:
        values = self._checked(APPOINTMENT, body)
        if "resources" in values:
            values["resources"] = self._checked_resources(values["resources"])
        if "duration" in values and not (values["duration"] or 0) > 0:
            raise _invalid(["duration"], "a visit lasts longer than nothing, in seconds")
        if "description" in values and self._description_limit is not None:
            values["description"] = values["description"][: self._description_limit]
        if "description" in values:
            values["description"] = self.kept(values["description"])
        return values

    def _checked_resources(self, resources: list[Any]) -> list[dict[str, int]]:
        """The vendor's element shape on write is unknown: taken as read, ``{"id": N}``, or as the bare id."""
        checked = []
        for element in resources:
            number = element.get("id") if isinstance(element, dict) else element
            if not self._is_there("resource", number):
                raise _invalid(["resources"], "there is no such resource")
            checked.append({"id": _whole(number)})
        return checked

    def _checked_cancellation(self, body: dict[str, Any]) -> dict[str, Any]:
        """Takes the three cancellation fields out of the body; what they make of the row."""
        if not {"cancel", "cancellation_reason", "cancellation_reason_text"} & set(body):
            return {}
        cancel, reason = body.pop("cancel", None), body.pop("cancellation_reason", None)
        words = body.pop("cancellation_reason_text", "")
        if cancel is not True:
            raise _invalid(["cancel"], "a cancellation says cancel: true")
        if isinstance(reason, bool) or not isinstance(reason, int):
            raise _invalid(["cancellation_reason"], "a cancellation needs the number of its reason")
        if not isinstance(words, str):
            raise _invalid(["cancellation_reason_text"], "this is not text")
        return {"active": False, "cancellation_reason": reason, "cancellation_reason_text": words}

    def _checked_details(self, details: Any) -> list[tuple[str, str, int]]:
        """Name, value and type of each detail of a new contact, the preferred one first."""
        if not isinstance(details, list) or not all(isinstance(detail, dict) for detail in details):
            raise _invalid(["contact_detail_list"], "this is not a list of objects")
        checked = []
        for detail in details:
            unknown = set(detail) - {"name", "value", "contact_detail_type_id", "preferred"}
            name, value, kind = detail.get("name", ""), detail.get("value"), detail.get("contact_detail_type_id")
            if unknown or not isinstance(name, str) or not isinstance(value, str) or not value.strip():
                raise _invalid(["contact_detail_list"], "a detail has a value of text, a name and a type, no more")
            if not self._is_there("contactdetailtype", kind):
                raise _invalid(["contact_detail_list"], "there is no such contact detail type")
            checked.append((not _preferred(detail), (name, value, _whole(kind))))
        return [detail for _, detail in sorted(checked, key=operator.itemgetter(0))]

    def _add_detail(self, contact: int, name: str, value: str, kind: int, stamp: int) -> int:
        row = {
            **_blank(DETAIL),
            "active": True,
            "created_at": stamp,
            "modified_at": stamp,
            "contact_id": contact,
            "contact_detail_type_id": kind,
            "name": name,
            "value": value,
            "contact_uid": _uid("contact", contact),
            "value_cleaned": _value_cleaned(value, kind),
        }
        return self.store.insert(DETAIL.name, row)

    def _checked(
        self, resource: _Resource, body: dict[str, Any], *, leave_out: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """The body's values in the store's types. Refuses unknown fields, wrong types and ids that are not there."""
        unknown = sorted(set(body) - (resource.written - leave_out))
        if unknown:
            raise _invalid([name[:80] for name in unknown[:20]], "these fields cannot be written")
        values: dict[str, Any] = {}
        for name, value in body.items():
            try:
                values[name] = _typed(resource.fields[name], value)
            except ValueError as error:
                raise _invalid([name], str(error)) from None
            kind = _POINTS_AT.get(name)
            if kind is not None and values[name] is not None and not self._is_there(kind, values[name]):
                raise _invalid([name], f"there is no such {kind}")
        return values

    def _need(self, values: Row, needed: Iterable[str]) -> None:
        missing = [name for name in needed if values.get(name) in (None, "")]
        if missing:
            raise _invalid(missing, "these fields are required")

    def _need_visit(self, values: Row) -> None:
        self._need(values, ("start_at", "duration", "type_id"))
        if self._ownerless == "refuse":
            self._need(values, ("contact_id", "animal_id"))

    def _is_there(self, kind: str, number: Any) -> bool:
        try:
            whole = _typed(_Type.WHOLE, number)
        except ValueError:
            return False
        return whole is not None and self.store.get(kind, whole) is not None

    def _insert(self, resource: _Resource, values: Row) -> int:
        now = self._now()
        row = {**_blank(resource), "active": True, "created_at": now, "modified_at": now, **values}
        number = self.store.insert(resource.name, row)
        self.store.put(resource.name, number, _named(resource, number, row))
        return number

    def _replace(self, resource: _Resource, row: dict[str, Any], values: Row) -> dict[str, Any]:
        row.update(values, modified_at=self._now())
        self.store.put(resource.name, row["id"], row)
        self._announce(resource, "updated", row)
        return row

    # -- what staff do beside the API

    def _edit(self, request: Request) -> Response:
        given = request.document()
        kind, changes = given.get("kind"), given.get("set")
        resource = next((each for each in (CONTACT, DETAIL, ANIMAL, APPOINTMENT) if each.name == kind), None)
        if resource is None:
            raise Refusal(400, "kind must be contact, contactdetail, animal or appointment")
        row = self.named_row(kind, given.get("id"))
        if not isinstance(changes, dict) or not changes.keys() <= resource.fields.keys() - {"id", "modified_at"}:
            raise Refusal(400, f"set must be an object of fields that a {kind} has")
        try:
            values = {name: _typed(resource.fields[name], value) for name, value in changes.items()}
        except ValueError as error:
            raise Refusal(400, str(error)) from None
        if resource is DETAIL:
            new = {**row, **values}
            values["value_cleaned"] = _value_cleaned(new["value"], new["contact_detail_type_id"])
        return Response(200, {resource.name: served(self._replace(resource, row, values))})

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
                self._replace(resource, row, owner)
            moved[resource.name] = len(ids)
        self._replace(CONTACT, loser, {"active": False})
        return Response(200, {"merged": loser["id"], "into": winner["id"], "moved": moved})

    # -- webhooks and time

    def _announce(self, resource: _Resource, verb: str, row: Row) -> None:
        """One event, with the row in its v2 shape (ezyvet.md, section 8)."""
        if resource.name not in self._hooked:
            return
        meta = {"event": f"{resource.name}_{verb}", "timestamp": self._now()}
        for url in self.store.get_meta("webhook_urls", []):
            self.send(url, {"meta": meta, "items": [{resource.name: _shown(resource, 2, row)}]})

    def _set_webhooks(self, request: Request) -> Response:
        urls = request.document().get("urls")
        if not isinstance(urls, list) or not all(_is_url(url) for url in urls):
            raise Refusal(400, "urls must be a list of http or https addresses")
        self.store.set_meta("webhook_urls", urls)
        return Response(200, {"urls": urls})

    def _now(self) -> int:
        return int(self.clock.now().timestamp())


def build(**options: Any) -> EzyVetSimulator:
    """The simulator, not yet serving. Raises ``TypeError`` for an option that ``EzyVetSimulator`` does not take."""
    return EzyVetSimulator(**options)


# -- rows and their two shapes


def _blank(resource: _Resource) -> dict[str, Any]:
    return {name: _EMPTY[kind] for name, kind in resource.fields.items() if name != "id"}


def _named(resource: _Resource, number: int, row: Row) -> dict[str, Any]:
    """The row with the names that follow from its id."""
    named = dict(row)
    if resource.v2_fields is not None and "uid" in resource.v2_fields:
        named["uid"] = _uid(resource.name, number)
    if "code" in resource.fields:
        named["code"] = str(number)
    return named


def _uid(name: str, number: int) -> str:
    """``<resourceName>_<21 url-safe characters>`` (ezyvet.md, section 3)."""
    digest = hashlib.sha256(f"{name}:{number}".encode()).digest()
    prefix = {"appointmenttype": "appointmentType"}.get(name, name)
    return f"{prefix}_{base64.urlsafe_b64encode(digest).decode()[:21]}"


def _shown(resource: _Resource, version: int, row: Row) -> dict[str, Any]:
    shown = {name: row.get(name) for name in resource.shown(version)}
    return {name: _as_v1(value) for name, value in shown.items()} if version == 1 else shown


def _as_v1(value: Any) -> Any:
    """v1 speaks text: flags as "1" and "0", numbers in quotes, no value as empty text."""
    if isinstance(value, list):
        return [_as_v1(element) for element in value]
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _as_typed(phone: str, number: int) -> str:
    """A British mobile as one or the other person at the desk types it."""
    national = phone.removeprefix("+44")
    return (
        phone,
        f"0{national[:4]} {national[4:]}",
        f"0{national}",
        f"+44 {national[:4]} {national[4:]}",
    )[number % 4]


def _value_cleaned(value: str, kind: int | None) -> str:
    """What v2 shows of a phone; of an e-mail nothing."""
    return "" if kind == DETAIL_TYPES["email"] else _cleaned(value)


def _cleaned(value: str) -> str:
    """Digits with the country code, the clinic's own (44) where none was typed (ezyvet.md, contactdetail)."""
    digits = "".join(letter for letter in value if letter in "0123456789")
    if value.strip().startswith("+") or not digits.startswith("0"):
        return digits
    return digits.removeprefix("00") if digits.startswith("00") else f"44{digits[1:]}"


def _when(vet: int, start: datetime, minutes: int) -> dict[str, Any]:
    """Time and vet of an appointment that is seeded."""
    resource = CODE_LISTS["resource"][STAFF[vet - 1].code]
    return {"start_at": int(start.timestamp()), "duration": minutes * 60, "resources": [{"id": resource}]}


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


# -- requests


def _complaint(text: str, fields: Iterable[str] = ()) -> dict[str, Any]:
    message = {"level": "error", "type": "InvalidRequestException", "text": text, "fields": list(fields)}
    return {"messages": [message]}


def _invalid(fields: list[str], text: str) -> Refusal:
    return Refusal(422, body=_complaint(f"{', '.join(fields)}: {text}.", fields))


def _bearer(request: Request) -> str:
    """The access token that a request shows; empty where it shows none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _json_body(request: Request) -> dict[str, Any]:
    if _media_type(request) not in {"application/json", MERGE_PATCH}:
        raise Refusal(415, "Unsupported format: send application/json.")
    return request.document()


def _form(request: Request) -> dict[str, Any]:
    try:
        fields = parse_qs(request.body.decode("utf-8", errors="replace"), max_num_fields=100)
    except ValueError:
        raise Refusal(400, "The form cannot be read.") from None
    return {name: values[-1] for name, values in fields.items()}


def _page_number(request: Request, name: str, default: int) -> int:
    """The last value counts: one known client sends ``page`` again and again (ezyvet.md, section 10)."""
    text = (request.query.get(name) or [str(default)])[-1]
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise Refusal(400, body=_complaint(f"{name} must be a whole number from 1 on.", [name]))
    return int(text)


def _is_url(url: Any) -> bool:
    if not isinstance(url, str) or len(url) > 2000:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _typed(kind: _Type, value: Any) -> Any:
    """A value of a body in the store's type; null and empty text are no value. Raises ``ValueError``."""
    if kind is _Type.LIST:
        if not isinstance(value, list):
            raise ValueError("this is not a list")
        return value
    if value is None or value == "":
        return _EMPTY[kind]
    if kind is _Type.FLAG:
        return _flag(value)
    if kind is _Type.TEXT:
        if not isinstance(value, str):
            raise ValueError("this is not text")
        return value
    return _whole(value)


def _flag(value: Any) -> bool:
    word = str(value).lower() if isinstance(value, str | bool | int) else ""
    if word not in {"1", "0", "true", "false"}:
        raise ValueError("this is neither true nor false")
    return word in {"1", "true"}


def _preferred(detail: Row) -> bool:
    try:
        return _flag(detail.get("preferred", False))
    except ValueError:
        raise _invalid(["contact_detail_list"], "preferred is neither true nor false") from None


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError("this is not a whole number")
    return int(number)


def _number(value: Any) -> float:
    """A number or a quoted one, small enough to be an epoch or an id."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("this is not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError("this is not a number") from None
    if not abs(number) < 2**53:
        raise ValueError("this number is too large")
    return number


# -- filters


class _BadFilter(ValueError):
    """A filter that cannot be used."""


_SYMBOLS = {"=": "eq", "!=": "neq", ">": "gt", "<": "lt", ">=": "gte", "<=": "lte"}
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "lt": operator.lt,
    "gte": operator.ge,
    "lte": operator.le,
}


def _conditions(kind: _Type | None, text: str) -> list[tuple[str, Any]]:
    """Operators and operands of one filter: ``value``, or ``{"op": value, ...}``. Raises ``_BadFilter``."""
    if kind is None or kind is _Type.LIST:
        raise _BadFilter("there is no such field")
    if not text.lstrip().startswith("{"):
        return [("eq", _operand(kind, text))]
    try:
        operators = json.loads(text)
    except (ValueError, RecursionError):
        raise _BadFilter("its value is not JSON") from None
    conditions: list[tuple[str, Any]] = []
    for symbol, operand in operators.items():
        name = _SYMBOLS.get(symbol, symbol)
        if name == "in":
            if not isinstance(operand, list):
                raise _BadFilter("in takes a list")
            conditions.append((name, [_operand(kind, element) for element in operand]))
        elif name in {"eq", "neq"} or (name == "like" and kind is _Type.TEXT):
            conditions.append((name, _operand(kind, operand)))
        elif name in _COMPARISONS and kind is _Type.WHOLE:
            conditions.append((name, _comparable(operand)))
        else:
            raise _BadFilter("this operator does not go with the field")
    return conditions


def _operand(kind: _Type, value: Any) -> Any:
    if kind is _Type.TEXT and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    try:
        return _typed(kind, value)
    except ValueError as error:
        raise _BadFilter(str(error)) from None


def _comparable(value: Any) -> float:
    try:
        return _number(value)
    except ValueError as error:
        raise _BadFilter(str(error)) from None


def _test(name: str, operand: Any) -> Callable[[Any], bool]:
    if name == "eq":
        return lambda value: bool(value == operand)
    if name == "neq":
        return lambda value: bool(value != operand)
    if name == "in":
        return lambda value: value in operand
    if name == "like":
        return lambda value: _like(str(value), operand.split("%"))
    compare = _COMPARISONS[name]
    return lambda value: value is not None and compare(value, operand)


def _like(value: str, parts: list[str]) -> bool:
    """SQL's LIKE with ``%`` only: the parts stand in this order, the first at the start, the last at the end."""
    if len(parts) == 1:
        return value == parts[0]
    first, *middle, last = parts
    if not value.startswith(first) or not value[len(first) :].endswith(last):
        return False
    place, end = len(first), len(value) - len(last)
    for part in middle:
        found = value.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True
