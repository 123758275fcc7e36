"""A simulator of Altegio's API v1, written from the vendor's sheet (altegio.md) and from nothing else.

It serves the legacy addresses of section 2, and the canonical ones where they differ by a word alone, for one
location or several. It shares no code with the Altegio connector. The parts, each resting on the one before:

- ``simulator.switches``: what can be set otherwise; ``simulator.base``: envelope, authorisation, times, webhooks;
- ``simulator.clients``, ``simulator.records``, ``simulator.booking`` (widget and schedule), ``simulator.settings``;
- ``simulator.marketplace``: an app at the location; ``simulator.platform``: several locations behind one address;
- here: what a new store holds, the team, the addresses, the control door.

Several locations (option ``locations``) are numbered from ``LOCATION`` on. They share the server, the tokens, the
limits, the faults, the outages, the clock and the control door, and are one chain. Each has a clinic of its own (of
``seed`` plus its place) and a store of its own: see ``sites`` of the simulator, and the folder ``DATA/NUMBER``. Ids
of a location are those of the first one plus ``APART`` for each place between them.

Where the sheet calls something unknown, the simulator must still answer something. These are its choices, and no
statement about Altegio; those marked with a name in brackets are switches:

- Booking codes 431 to 438 stand in a top-level ``errors`` object (``booking_code``), and ``meta.message`` says the
  same in words. A busy slot on a staff-side write (``save_if_busy`` false) is answered 422 with code 433 in the same
  place (``busy_status``).
- A phone that another card has is refused with 422 on create and on update of a client (``duplicate_status``).
- A write to a deleted record is refused with 422; deleting one again with 404.
- What a PUT of a record leaves out stays as it is (``put_clears``).
- Values for custom fields that are not defined are dropped; a text of more than 255 characters is refused with 422.
- ``changed_after`` and ``changed_before`` are inclusive and local to the location (``bounds_zone``).
- Records are listed by ascending id (``record_order``), all dates unless filtered, and 200 a page at most.
- A name typed into the widget goes whole into ``name`` of a new card (``fullname``). The card that has the phone
  already is used as it is: its own name stands in the record.
- What the owner does (widget routes) is nobody's "own action" for ``self_sending``; what a user token does is the
  partner's own.
- The owner's reschedule (PUT ``/book_record``) takes ``datetime`` and ``comment``.
- ``/user/permissions`` answers the rights in one flat object; the window of past days stands there as
  ``timetable_last_days_count`` (``last_days``).
- An update of a record that is paid, waits for its payment, or is outside of the time for edits (``edit_days``) is
  refused with 422. So is one of a record whose client came (``came_is_final``).
- The attendance call counts as a message to the owner: it may send one.
- Visit histories are ``records`` and ``goods_transactions``, the latest first. An upload of a file is a POST on the
  path of the list.
- Each day but Sunday is worked from 08:00 to 19:00, and times are offered in steps of 15 minutes. A booking at
  another time is taken all the same (``working_hours``).
- Deleted staff keep ``status`` 1 and stay in lists; deleted services leave them.
- There are no group events, reviews, goods and patients.
- A user token that ends (fault ``token_expiry``) is replaced by another one, as when the user's password changes:
  ``POST /auth`` and ``credentials`` tell the new one.

What stands in the store, for those who audit it: kind ``client`` (the card; ``phone`` is E.164) and kind ``record``
(``client_id``, ``staff_id``, ``service_ids``, ``datetime`` with offset, ``seance_length`` in seconds, ``deleted``,
``online`` true when the widget made it, ``api_id``, ``comment``, ``custom_fields``), ``notice``, ``staff``,
``service``.

The control door has more addresses than the kit's: ``GET /_sim/login`` tells what ``POST /auth`` takes and the code
of every text message; ``POST /_sim/switches`` with ``{NAME: VALUE}``, for all locations or the one that ``location``
names; and, for what the location does and no call of the API, ``POST /_sim/mark`` with ``{"kind": "record", "id":
30001, "set": {"paid_full": 1}}``: a record's payment and receipt, a client's ``paid``. Of several locations ``mark``
and ``purge`` take ``location`` too, and mean the first one without it; ``counts`` are sums, and those of each
location stand under ``locations``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.altegio.simulator import live_shapes
from connectors.altegio.simulator.base import (
    APART,
    HOOK_FLAGS,
    LOCATION,
    MEDIA_TYPES,
    SMS_CODE,
    invalid,
    new_card,
    success,
    text,
)
from connectors.altegio.simulator.platform import SimulatedPlatform
from connectors.altegio.simulator.records import MARKS
from connectors.altegio.simulator.settings import POSITION
from connectors.altegio.simulator.switches import SWITCHES
from vetbridge.testing.clinic import Clinic
from vetbridge.testing.simkit import Effect, Refusal, Request, Response, Row

if TYPE_CHECKING:
    from vetbridge.testing.twins.sides import TwinSides

__all__ = [
    "APART",
    "ATTENDANCE",
    "CLIENT_FROM",
    "FIRST_RECORD",
    "LOCATION",
    "MEDIA_TYPES",
    "PETS_FIELD",
    "SERVICE_FROM",
    "STAFF_FROM",
    "AltegioSimulator",
    "build",
]

STAFF_FROM = 501
SERVICE_FROM = 701
CLIENT_FROM = 10000
"""A seeded client's id is this plus the owner's number."""
FIRST_NEW_CLIENT = 2_000_001
FIRST_RECORD = 30001
ATTENDANCE = {"booked": 0, "confirmed": 2, "arrived": 1, "completed": 1, "no_show": -1}
"""Codes of section 3.7 by VetBridge's words."""

RECORD_FIELDS = {"pet_name": "Pet", "pet_species": "Species", "pet_breed": "Breed", "pet_key": "Pet key"}
PETS_FIELD = "vetbridge_pets"
CLIENT_FIELDS = {PETS_FIELD: "Pets"}
"""Custom field definitions of a new store: code and title, all of type text."""
ROOMS = (("Consulting room", ("Room 1", "Room 2")), ("Theatre", ("Theatre",)))
"""Resources of a new store and their instances."""
_NUMBERED = ("field", "category", "resource", "label", "file", "comment")
"""Kinds of rows that are numbered from 1 at the first location."""
_DAYS_BUILT = 30
"""For so many days the schedule of the team is built."""
_CARD_MARKS = frozenset({"paid", "spent", "balance", "sms_not"})
_CANONICAL = (
    ("/company/{location}/staff", "/locations/{location}/team_members"),
    ("/company/{location}", "/locations/{location}"),
    ("/companies", "/locations"),
    ("/groups", "/chains"),
    ("/records/{location}", "/locations/{location}/appointments"),
    ("/record/{location}/{record}", "/locations/{location}/appointments/{record}"),
    ("/clients/{location}", "/locations/{location}/clients"),
    ("/client/{location}/{client}", "/locations/{location}/clients/{client}"),
)
"""Legacy and canonical beginning of an address (the sheet's introduction): the first that fits."""


def build(**options: Any) -> AltegioSimulator:
    """A simulator, not yet serving; takes the options of ``AltegioSimulator``."""
    return AltegioSimulator(**options)


class AltegioSimulator(SimulatedPlatform):
    """An Altegio location over HTTP, and all others of its platform (``sites``) at the same address.

    ``credentials`` hold partner_token, user_token, and location_id of the first location.
    """

    # -- a new store

    def make_credentials(self, secret: Callable[[str], str]) -> dict[str, str]:
        """Section 1: partner and user token; the location's id as text."""
        self.store.set_meta("login", {"login": "reception@example.org", "password": secret("password")})
        return {
            "partner_token": secret("partner_token")[:20],
            "user_token": secret("user_token"),
            "location_id": str(self.location),
        }

    def fill(self, clinic: Clinic) -> None:
        """A location with the clinic's staff and services, and the owners that are known online as clients."""
        opened = int(datetime(2025, 1, 6, 8, tzinfo=UTC).timestamp())
        for kind in _NUMBERED if self.apart else ():
            self.store.number_from(kind, self.apart + 1)
        for number, member in enumerate(clinic.staff, STAFF_FROM + self.apart):
            self.store.insert("staff", {"name": member.name, "_seed": member.number}, id=number)
        for number, service in enumerate(clinic.services, SERVICE_FROM + self.apart):
            row = {"title": service.title, "seconds": service.minutes * 60, "_seed": service.number}
            self.store.insert("service", row, id=number)
        first_client = CLIENT_FROM + self.apart
        for owner in clinic.owners:
            if owner.online and owner.phones:
                card = new_card(owner.given_name, owner.family_name, owner.phones[0], owner.email or "", opened)
                self.store.insert("client", {**card, "_seed": owner.number}, id=first_client + owner.number)
        for category, fields in (("record", RECORD_FIELDS), ("client", CLIENT_FIELDS)):
            for code, title in fields.items():
                if code not in self.missing_fields:
                    self.store.insert("field", {"category": category, "code": code, "title": title})
        self.store.insert("category", {"title": "Veterinary care"})
        instance = self.apart
        for title, names in ROOMS:
            instances = [{"id": instance + place, "title": name} for place, name in enumerate(names, 1)]
            instance += len(names)
            self.store.insert("resource", {"title": title, "instances": instances})
        self.store.number_from("client", FIRST_NEW_CLIENT + self.apart)
        self.store.number_from("record", FIRST_RECORD + self.apart)
        self.store.set_meta("hooks", {"urls": [], **dict.fromkeys(HOOK_FLAGS, 0)})
        self._start_install()

    def fill_twins(self, twins: TwinSides) -> None:
        """The cards and the calendar that the clinic has kept here by hand. A break is a record without a client."""
        opened = int(datetime(2025, 1, 6, 8, tzinfo=UTC).timestamp())
        for card in twins.cards:
            row = new_card(card.given_name, card.family_name, card.phone, card.email, opened + card.number)
            row["custom_fields"] = {PETS_FIELD: card.pets_text} if card.pets_text else {}
            self.store.insert("client", row, id=CLIENT_FROM + card.number)
        for booking in twins.bookings:
            pet = {"pet_name": booking.pet_name, "pet_species": booking.pet_species}
            kept = {
                **self._kept_record(booking.vet, booking.start, booking.minutes, opened + booking.number),
                "client_id": CLIENT_FROM + booking.card,
                "service_ids": [SERVICE_FROM - 1 + booking.service],
                "comment": booking.comment,
                "custom_fields": {code: words for code, words in pet.items() if words},
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
            "_partner": False,
        }

    # -- addresses

    def routes(self) -> None:
        """Section 2. A trailing slash makes no difference to any address."""
        self._settings_routes()
        self._staff_routes()
        self._client_routes()
        self._record_routes()
        self._booking_routes()
        self._marketplace_routes()
        for route in tuple(self._routes):
            template = route.template.removeprefix(self.base_path)
            for legacy, canonical in _CANONICAL:
                if template == legacy or template.startswith(f"{legacy}/"):
                    path = self.base_path + canonical + template.removeprefix(legacy)
                    self._routes.append(replace(route, template=path))
                    break
        self.control("GET", "/login", lambda _: Response(200, {**self.store.get_meta("login"), "code": SMS_CODE}))
        self.control("POST", "/switches", self._turn)
        self.control("POST", "/mark", self._mark)

    def _turn(self, request: Request) -> Response:
        """Sets switches, all or none, of the location that is named or of all; answers those that are set."""
        given = request.document()
        sites = [self] if given.pop("location", None) is not None else self.sites
        for name in given.keys() & {"webhook_retries", "installed"}:
            raise Refusal(400, f"{name} is set when the simulator is made")
        before = {name: getattr(self, name) for name in SWITCHES}
        try:
            for name, value in given.items():
                self.turn(name, value)
        except ValueError as error:
            for name, value in before.items():
                setattr(self, name, value)
            raise Refusal(400, str(error)) from None
        for site in sites:
            for name in given:
                setattr(site, name, getattr(self, name))
        now = {name: getattr(self, name) for name in SWITCHES}
        return Response(200, {name: sorted(v) if isinstance(v, frozenset) else v for name, v in now.items()})

    def _mark(self, request: Request) -> Response:
        """Sets what the location brings about in a record or on a card."""
        given = request.document()
        marks = {"record": MARKS, "client": _CARD_MARKS}
        told, kind = given.get("set"), given.get("kind")
        row = self.named_row(kind, given.get("id"))
        allowed = marks.get(str(kind), frozenset())
        if not isinstance(told, dict) or not told or not told.keys() <= allowed:
            raise Refusal(400, f"set takes {', '.join(sorted(allowed)) or 'nothing'} of this kind")
        if not all(isinstance(value, int | float) for value in told.values()):
            raise Refusal(400, "the values are numbers or true and false")
        self.store.put(str(kind), row["id"], {**row, **told, "_changed": self._second()})
        return Response(200, {"marked": {"kind": kind, "id": row["id"], **told}})

    # -- the team (section 3.3)

    def _staff_routes(self) -> None:
        write = Effect.WRITE
        for path in ("/company/{location}/staff", "/staff/{location}"):
            self.route("GET", path, self._staff_list, access="P")
            self.route("GET", path + "/{staff}", self._staff_one, access="P")
        for path in ("/staff/{location}", "/company/{location}/staff/quick"):
            self.route("POST", path, self._staff_create, effect=write, access="PU")
        self.route("PUT", "/staff/{location}/{staff}", self._staff_update, effect=write, access="PU")
        self.route("DELETE", "/staff/{location}/{staff}", self._staff_delete, effect=write, access="PU")

    def _staff_list(self, request: Request) -> Response:
        rows = self.store.all("staff")
        return success([self._listed(request, row) for row in rows], meta={"count": len(rows)})

    def _listed(self, request: Request, row: Row) -> dict[str, Any]:
        """The newer address answers a form of its own."""
        shown = self._staff_view(row)
        if request.template.startswith("/staff/"):
            return shown
        services = [service for service in self.store.all("service") if not service.get("deleted")]
        till = self._local(self._second()).date() + timedelta(days=_DAYS_BUILT)
        return live_shapes.team_member(shown, services, till.isoformat())

    def _staff_one(self, request: Request) -> Response:
        shown = self._listed(request, self._row("staff", request.number("staff")))
        return success([shown] if self.one_staff == "array" else shown)

    def _staff_create(self, request: Request) -> Response:
        """``name`` and ``specialization`` are required, but of the quick create the name alone."""
        row: dict[str, Any] = {"name": "", "specialization": "Veterinarian"}
        quick = request.template.endswith("/quick")
        self._take_staff(row, request.document(), needed=("name",) if quick else ("name", "specialization"))
        made = self._row("staff", self.store.insert("staff", row))
        self._announce("staff", "create", made["id"], self._staff_view(made), own=True)
        return success(self._staff_view(made), status=201)

    def _staff_update(self, request: Request) -> Response:
        row = self._row("staff", request.number("staff"))
        self._take_staff(row, request.document(), needed=("name",))
        self.store.put("staff", row["id"], row)
        self._announce("staff", "update", row["id"], self._staff_view(row), own=True)
        return success(self._staff_view(row))

    def _take_staff(self, row: dict[str, Any], given: Mapping[str, Any], *, needed: tuple[str, ...]) -> None:
        missing = [name for name in needed if not given.get(name)]
        if missing:
            raise invalid(**dict.fromkeys(missing, "The field is required"))
        for name in ("name", "specialization", "information", "api_id"):
            if given.get(name) is not None:
                row[name] = text(given[name], name)
        for name in ("hidden", "fired"):
            if name in given:
                row[name] = int(given[name] in (1, True, "1"))

    def _staff_delete(self, request: Request) -> Response:
        row = self._row("staff", request.number("staff"))
        self.store.put("staff", row["id"], {**row, "status": 1})
        self._announce("staff", "delete", row["id"], self._staff_view(row), own=True)
        return self._deleted()

    def _staff_view(self, row: Row) -> dict[str, Any]:
        """Section 3.3."""
        return {
            "id": row["id"],
            "api_id": row.get("api_id"),
            "company_id": self.location,
            "name": row["name"],
            "specialization": row.get("specialization", "Veterinarian"),
            "position": POSITION,
            "avatar": "",
            "avatar_big": "",
            "rating": 0,
            "votes_count": 0,
            "comments_count": 0,
            "show_rating": 0,
            "weight": 0,
            "information": row.get("information", "<p>Sees small animals</p>"),
            "hidden": row.get("hidden", 0),
            "fired": row.get("fired", 0),
            "status": row.get("status", 0),
            "schedule_till": None,
            "user_id": 0,
            "user": [],
            "image_group": [],
            "prepaid": "forbidden",
        }
