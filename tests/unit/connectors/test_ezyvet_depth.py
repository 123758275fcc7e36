"""What the ezyVet connector does beyond the plain case, each test with the section of the sheet (ezyvet.md) for it.

The site is a small one in memory that keeps what it is sent, so that a test sees the very requests.
"""

from __future__ import annotations

import base64
import json
from contextlib import closing
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.ezyvet import plugin, wire
from connectors.ezyvet.connector import LISTS_LAST, EzyVet
from connectors.ezyvet.options import EzyVetOptions
from connectors.ezyvet.simulator import build
from vetbridge.connector.http import Answer, HttpClient
from vetbridge.connector.interface import Check, Native, Operation, Receipt, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import AuthFailed, BadAnswer, OutcomeUnknown, Refused
from vetbridge.core.records import Client, Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock

START = 1_790_000_000 // 300 * 300
STAMP = "VB-0000000001"
EZYCAB = {"placeholder_contact": 900, "unconfirmed": 1, "confirmed": 2}
UIDS = {
    name: f"{name}_{'x' * 21}"
    for name in ("contact", "animal", "appointmentType", "resource", "appointment", "other")
}


class Site:
    """ezyVet as far as these tests need it: lists with equality and ``in``, writes that are kept."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Native]] = {
            "contact": [contact(1001), contact(900, last_name="Placeholder")],
            "contactdetail": [],
            "address": [],
            "animal": [animal(5001)],
            "appointment": [],
            "appointmenttype": [{"id": 31, "name": "Checkup", "uid": UIDS["appointmentType"]}],
            "resource": [
                {"id": 21, "name": "Dr. Fox", "ownership_id": "1", "uid": UIDS["resource"]},
                {"id": 22, "name": "Dr. Hare", "ownership_id": "2"},
                {"id": 23, "name": "Room", "ownership_id": ""},
            ],
            "separation": [{"id": 1, "name": "City"}, {"id": 2, "name": "Harbour", "active": "0"}],
        }
        self.asked: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.refused: dict[tuple[str, str], tuple[int, Any]] = {}
        """What is refused, by method and path."""
        self.keeps = True
        """A booking is there afterwards."""
        self.booking_answer: Any = {"appointment": UIDS["appointment"]}
        self.token: dict[str, Any] = {"access_token": "t0ken"}

    def exchange(self, client: HttpClient, what: str, request: Any) -> Answer:
        """In place of the network."""
        if client._authorise is not None:
            client._authorise()
        host = client._client.base_url.host
        self.asked.append((request.method, f"{host}{request.path}", request.body or request.params))
        self.headers.append(dict(request.headers or {}))
        refused = self.refused.get((request.method, request.path))
        if refused is not None:
            return Answer(refused[0], {}, refused[1])
        if request.path.endswith("access_token"):
            return Answer(200, {}, self.token)
        if request.path == "/ezycab/booking":
            return self.book(request.body)
        resource, _, number = request.path.removeprefix("/v1/").removeprefix("/v2/").partition("/")
        if request.method == "GET":
            return listed(resource, [row for row in self.rows.get(resource, []) if passes(row, request.params)])
        if request.method == "POST":
            row = {"id": 77, "active": True, **request.body}
            self.rows[resource].append(row)
        else:
            [row] = [row for row in self.rows[resource] if str(row["id"]) == number]
            row.update(request.body)
        return listed(resource, [row])

    def book(self, body: dict[str, Any]) -> Answer:
        if self.keeps:
            made = visit_row(88, uid=UIDS["appointment"], description=body["description"], consult_id=9)
            self.rows["appointment"].append(made)
        return Answer(201, {}, self.booking_answer)

    def sent(self, method: str) -> list[tuple[str, Any]]:
        """Paths and bodies of the requests of one method, without those for a token."""
        return [(path, body) for verb, path, body in self.asked if verb == method and "access_token" not in path]

    def reads(self, resource: str) -> list[Any]:
        """What lists of one resource were asked with."""
        return [params for path, params in self.sent("GET") if path.endswith(f"/{resource}")]


def passes(row: Native, params: dict[str, Any]) -> bool:
    for name, wanted in params.items():
        if name in {"page", "limit"}:
            continue
        held = str(row.get(name))
        known = json.loads(wanted) if wanted.startswith("{") else {"eq": wanted}
        number = int(held) if held.isdigit() else 0
        if "eq" in known and held != known["eq"]:
            return False
        if "in" in known and held not in map(str, known["in"]):
            return False
        if "gt" in known and not number > known["gt"]:
            return False
    return True


def listed(resource: str, rows: list[Native]) -> Answer:
    meta = {"items_page": 1, "items_page_total": 1, "items_total": len(rows)}
    return Answer(200, {}, {"meta": meta, "items": [{resource: row} for row in rows], "messages": []})


def contact(number: int, **more: Any) -> Native:
    given = {"id": str(number), "active": "1", "first_name": "Ann", "last_name": "Fox", "is_customer": "1"}
    return {**given, "uid": UIDS["contact"], "modified_at": "1760000000", **more}


def animal(number: int, **more: Any) -> Native:
    ids = {"contact_id": 1001, "species_id": 1, "sex_id": 2}
    given = {"id": number, "active": True, "name": "Rex", "date_of_birth": None, "is_dead": False}
    return {**given, **ids, "uid": UIDS["animal"], "modified_at": 1760000000, **more}


def visit_row(number: int, **more: Any) -> Native:
    ids = {"contact_id": 1001, "animal_id": 5001, "type_id": 31, "status_id": 1, "sales_resource": 21}
    given = {"id": number, "active": True, "start_at": START, "duration": 900, "description": "itchy"}
    return {**given, **ids, "resources": [{"id": 21}], "modified_at": 1760000000, "created_at": START, **more}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()

    def exchange(client: HttpClient, what: str, request: Any) -> Answer:
        return made.exchange(client, what, request)

    monkeypatch.setattr(HttpClient, "_exchange", exchange)
    return made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def given_options(**more: Any) -> EzyVetOptions:
    given = {"client_id": "c", "client_secret": Secret.of("s"), "site_uid": "site-1", "cancellation_reason": 2}
    return EzyVetOptions.model_validate({**given, **more})


def connected(clock: FakeClock, **more: Any) -> EzyVet:
    environment = Environment(
        account="ezyvet-city", zone="America/New_York", country="US", clock=clock, limit_scale=1e6, timeout=5.0
    )
    made = plugin.build(given_options(**more), environment)
    assert isinstance(made, EzyVet)
    return made


@pytest.fixture
def side(site: Site, clock: FakeClock) -> EzyVet:
    return connected(clock)


def visit(**native: Any) -> Write:
    given: dict[str, Any] = {
        "contact_id": "1001",
        "animal_id": "5001",
        "start_at": START,
        "duration": 900,
        "type_id": "31",
        "state": "1",
        "resource_id": "21",
        "description": f"[VetBridge {STAMP}]",
    }
    full = {**given, **native}
    return Write(operation=Operation.CREATE, kind=Kind.APPOINTMENT, id=None, native=full, stamp=STAMP)


def change(number: str, **native: Any) -> Write:
    return Write(operation=Operation.UPDATE, kind=Kind.APPOINTMENT, id=number, native=native)


def line(side: EzyVet, name: str) -> Check:
    [found] = [each for each in side.check().lines if each.name == name]
    return found


def clients(side: EzyVet, since: str | None = None) -> list[Native]:
    return [found.native or {} for page in side.changes(Kind.CLIENT, since) for found in page.records]


# -- section 2: the token


@pytest.mark.parametrize("told", [43200, "43200", 1_209_600, "epoch", None, "soon"])
def test_a_token_lives_no_longer_than_twelve_hours_whatever_is_told(
    site: Site, clock: FakeClock, told: object
) -> None:
    """Section 2: a duration, an absolute moment or the sample that does not fit."""
    moment = int(clock.now().timestamp()) + 43200
    site.token = {"access_token": "t0ken", "expires_in": moment if told == "epoch" else told}
    side = connected(clock)
    side.get(Kind.PET, "5001")
    clock.advance(12 * 3600 - 120)
    side.get(Kind.PET, "5001")
    assert len([path for _, path, _ in site.asked if "access_token" in path]) == 1

    clock.advance(120)
    side.get(Kind.PET, "5001")

    tokens = [body for _, path, body in site.asked if "access_token" in path]
    assert [body["site_uid"] for body in tokens] == ["site-1", "site-1"]


def test_an_empty_site_uid_is_an_error_of_the_config() -> None:
    """Section 2: mandatory since March 2026."""
    with pytest.raises(ValidationError, match="ezyVet demands it, and it stands in the credential file"):
        given_options(site_uid=" ")


def test_a_refused_site_uid_is_named(site: Site, side: EzyVet) -> None:
    """Section 2; the envelope is section 9's."""
    message = {"level": "error", "type": "InvalidRequestException", "text": "?", "fields": ["site_uid"]}
    site.refused["POST", "/v1/oauth/access_token"] = (400, {"messages": [message]})

    assert "site_uid stands in the credential file" in line(side, "credentials").text


@pytest.mark.parametrize(("claim", "fits"), [("site-1", True), ("site-2", False), (None, True), (["site-1"], True)])
def test_a_token_for_another_site_is_told(site: Site, side: EzyVet, claim: object, fits: bool) -> None:
    """Section 2: the claim ``site_uid`` of a token that is a JWT."""
    claims = base64.urlsafe_b64encode(json.dumps({"site_uid": claim}).encode()).decode().rstrip("=")
    site.token = {"access_token": f"e30.{claims}.c2ln"}

    assert line(side, "credentials").ok is fits


# -- section 7: address, registration, uids


def test_a_clients_address_and_day_of_registration_are_read(site: Site, side: EzyVet) -> None:
    """Section 7, address and contact; 3 in the morning UTC is the evening before at the site."""
    site.rows["contact"] = [contact(1001, address_physical="8", created_at="1760065200")]
    place = {"street_1": "12  High Street", "street_2": "Flat 3", "city": "", "suburb": "Soho", "post_code": 10115}
    site.rows["address"] = [{"id": 8, "active": "1", **place}]

    native = side.get(Kind.CLIENT, "1001")

    lists = ("species", "sex", "appointment_type", "resource", "status")
    codes: dict[str, dict[str, object]] = {name: {} for name in lists}
    mapper = Mapper(load_table("ezyvet"), zone="America/New_York", country="US", codes=codes)
    assert native is not None
    client = mapper.read(Kind.CLIENT, native)
    assert isinstance(client, Client)
    assert (client.street, client.postcode, client.city) == ("12 High Street, Flat 3", "10115", "Soho")
    assert client.registered_on == date(2025, 10, 9)
    assert not mapper.writable(Kind.CLIENT) & {"street", "postcode", "city", "registered_on"}


@pytest.mark.parametrize(
    "change", [{"street_1": ["x"], "post_code": {"a": 1}, "city": True}, {"street_1": "x" * 5000}, {"active": "0"}]
)
def test_an_address_that_cannot_be_read_says_nothing(site: Site, side: EzyVet, change: Native) -> None:
    """Section 7: it serves matching alone, so it never stops a client."""
    site.rows["contact"] = [contact(1001, address_physical="8", created_at="soon")]
    site.rows["address"] = [{"id": 8, "active": "1", "city": "", **change}]

    native = side.get(Kind.CLIENT, "1001")

    assert native is not None
    assert [native[name] for name in ("street", "postcode", "city", "registered_on")] == [""] * 4


def test_addresses_are_asked_for_many_at_a_call_and_only_where_there_are_some(site: Site, side: EzyVet) -> None:
    """Sections 5 and 9: lists of ids, within the limits."""
    site.rows["contact"] = [contact(n, address_physical=str(n % 3 + 7)) for n in range(1, 100)]
    site.rows["address"] = [{"id": n, "active": "1", "city": f"Town {n}"} for n in (7, 8, 9)]

    assert {native["city"] for native in clients(side)} == {"Town 7", "Town 8", "Town 9"}
    assert len(site.reads("address")) == 1

    site.rows["contact"] = [contact(1001, address_physical="")]
    clients(side)
    assert len(site.reads("address")) == 1


@pytest.mark.parametrize("status", [403, 404])
def test_without_addresses_clients_are_read_all_the_same(site: Site, side: EzyVet, status: int) -> None:
    """Section 9: a scope that is missing, a version that was taken away."""
    site.rows["contact"] = [contact(1001, address_physical="8")]
    site.refused["GET", "/v1/address"] = (status, None)

    assert [native["street"] for native in clients(side)] == [""]


def test_both_ids_are_kept_where_a_version_shows_them(site: Site, side: EzyVet) -> None:
    """Section 3: an integer per site, and a uid across sites that only some versions show."""
    site.rows["appointment"] = [visit_row(12, uid=UIDS["appointment"])]
    site.rows["contact"] = [{name: value for name, value in contact(1001).items() if name != "uid"}]

    natives = [
        side.get(kind, number)
        for kind, number in ((Kind.PET, "5001"), (Kind.APPOINTMENT, "12"), (Kind.CLIENT, "1001"))
    ]

    assert [(native or {})["uid"] for native in natives] == [UIDS["animal"], UIDS["appointment"], None]


def test_who_referred_an_animal_is_in_its_native_record(site: Site, side: EzyVet) -> None:
    """Section 7, animal."""
    site.rows["animal"] = [animal(5001, referring_clinic_id="300", referring_vet_id="")]

    native = side.get(Kind.PET, "5001")

    assert native is not None
    assert (native["referring_clinic_id"], native["referring_vet_id"]) == ("300", None)


@pytest.mark.parametrize("how", [{"active": "0"}, {"active": False}, {"is_customer": "0"}])
def test_a_merged_or_deactivated_contact_is_inactive_and_never_gone(site: Site, side: EzyVet, how: Native) -> None:
    """Sections 3 and 10: ``active`` is the archive flag, and no pointer shows after a merge."""
    site.rows["contact"] = [contact(1001, **how)]

    native = side.get(Kind.CLIENT, "1001")
    told = [found for page in side.changes(Kind.CLIENT, None) for found in page.records]

    assert native is not None
    assert native["active"] is False
    assert not any(found.deleted for found in told)


# -- section 7: several resources


def test_all_resources_of_a_visit_are_read_and_the_first_is_the_primary(site: Site, side: EzyVet) -> None:
    """Section 7, appointment v2: ``resources``, first = primary."""
    site.rows["appointment"] = [visit_row(12, resources=[{"id": "22"}, 21, {"id": 23}])]

    native = side.get(Kind.APPOINTMENT, "12")

    assert native is not None
    assert (native["resource_id"], native["resource_ids"]) == ("22", ["22", "21", "23"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([21, 22, 23], [24, 22, 23]),
        ([21, 24], [24]),
        ([21], [24]),
        ([], [24]),
    ],
)
def test_another_primary_resource_keeps_the_others(
    site: Site, side: EzyVet, before: list[int], after: list[int]
) -> None:
    """Section 7: a merge patch replaces the list, so all of it is sent."""
    site.rows["appointment"] = [visit_row(12, resources=[{"id": number} for number in before])]

    side.apply(change("12", resource_id="24"))

    [(path, body)] = site.sent("PATCH")
    assert path.endswith("/v2/appointment/12")
    assert body == {"sales_resource": 24, "resources": [{"id": number} for number in after]}


def test_a_change_of_something_else_does_not_touch_the_resources(site: Site, side: EzyVet) -> None:
    """Section 7: reschedule by a merge patch of start and duration, without a read before it."""
    site.rows["appointment"] = [visit_row(12, resources=[{"id": 21}, {"id": 22}])]

    side.apply(change("12", start_at=START + 600, duration=1200))

    assert site.sent("PATCH") == [("api.ezyvet.com/v2/appointment/12", {"start_at": START + 600, "duration": 1200})]
    assert site.headers[-1]["Content-Type"] == "application/merge-patch+json"
    assert site.sent("GET") == []


def test_a_resource_that_cannot_be_read_is_not_lost_by_a_change(site: Site, side: EzyVet) -> None:
    site.rows["appointment"] = [visit_row(12, resources=[{"id": 21}, {"id": "x"}])]

    with pytest.raises(BadAnswer, match="a resource of the visit cannot be read"):
        side.apply(change("12", resource_id="24"))

    assert site.sent("PATCH") == []


def test_a_visit_that_is_gone_takes_no_change_of_its_resource(site: Site, side: EzyVet) -> None:
    with pytest.raises(Refused) as caught:
        side.apply(change("12", resource_id="24"))

    assert caught.value.code == "not-found"
    assert site.sent("PATCH") == []


# -- section 7: merge patch, and PUT where it is not known


def complaint(text: str) -> dict[str, Any]:
    return {"messages": [{"level": "error", "type": "InvalidRequestException", "text": text, "fields": []}]}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (415, None),
        (405, None),
        (400, complaint("Unknown method PATCH")),
        (422, complaint("This format is unsupported.")),
        (200, complaint("Unsupported format: send JSON.")),
    ],
)
def test_where_the_patch_is_not_known_the_whole_visit_is_put(
    site: Site, side: EzyVet, status: int, body: Any
) -> None:
    """Section 7: PORTAL falls back to PUT when the reply says the method or the format is unknown."""
    site.rows["appointment"] = [visit_row(12, resources=[{"id": 21}, {"id": 22}])]
    site.refused["PATCH", "/v2/appointment/12"] = (status, body)

    side.apply(change("12", start_at=START + 600))

    [(path, put)] = site.sent("PUT")
    assert path.endswith("/v2/appointment/12")
    assert put == {
        "start_at": START + 600,
        "duration": 900,
        "type_id": 31,
        "status_id": 1,
        "description": "itchy",
        "animal_id": 5001,
        "contact_id": 1001,
        "sales_resource": 21,
        "resources": [{"id": 21}, {"id": 22}],
    }


def test_a_cancel_falls_back_too(site: Site, side: EzyVet) -> None:
    """Section 7: cancel and its reason."""
    site.rows["appointment"] = [visit_row(12)]
    site.refused["PATCH", "/v2/appointment/12"] = (415, None)

    cancel = Write(operation=Operation.CANCEL, kind=Kind.APPOINTMENT, id="12", native={"by": "client"})
    side.apply(cancel)

    [(_, put)] = site.sent("PUT")
    assert (put["cancel"], put["cancellation_reason"], put["start_at"]) == (True, 2, START)


@pytest.mark.parametrize(
    ("status", "text"), [(422, "start_at is unknown"), (404, "unknown method"), (400, ""), (200, "no")]
)
def test_another_refusal_is_no_reason_to_put(site: Site, side: EzyVet, status: int, text: str) -> None:
    site.rows["appointment"] = [visit_row(12)]
    site.refused["PATCH", "/v2/appointment/12"] = (status, complaint(text))

    with pytest.raises(Refused):
        side.apply(change("12", start_at=START + 600))

    assert site.sent("PUT") == []


# -- section 7: booking through ezyCAB


def booked(clock: FakeClock, write: Write, **more: Any) -> Receipt:
    return connected(clock, booking="ezycab", ezycab=EZYCAB, **more).apply(write)


def test_a_visit_of_a_known_client_and_pet_is_booked_through_ezycab(site: Site, clock: FakeClock) -> None:
    """Section 7, ezyCAB: uids, minutes, a time with its offset; section 1: a host of its own."""
    receipt = booked(clock, visit(state="2", duration=1800))

    [(path, body)] = site.sent("POST")
    assert path == "apiv2.ezyvet.com/ezycab/booking"
    assert body == {
        "startTime": "2026-09-21T10:10:00-04:00",
        "type": UIDS["appointmentType"],
        "durationMinutes": 30,
        "appointmentStatus": "confirmed",
        "description": f"[VetBridge {STAMP}]",
        "animal": UIDS["animal"],
        "contact": UIDS["contact"],
        "provider": UIDS["resource"],
        "additionalResources": [],
    }
    assert receipt.id == "88"
    assert receipt.native is not None
    assert {"/v2/contact", "/v2/animal", "/v2/appointmenttype", "/v2/resource"} <= {
        path.removeprefix("api.ezyvet.com") for path, _ in site.sent("GET")
    }


def test_uids_of_types_and_resources_are_read_once(site: Site, clock: FakeClock) -> None:
    """Section 9: 60 calls a minute; an id keeps its uid."""
    side = connected(clock, booking="ezycab", ezycab=EZYCAB)
    for _ in range(3):
        site.rows["appointment"].clear()
        side.apply(visit())

    assert [len(site.reads(name)) for name in ("appointmenttype", "resource", "contact", "animal")] == [1, 1, 3, 3]


def test_the_right_to_book_is_asked_for_only_where_it_is_needed(site: Site, clock: FakeClock) -> None:
    """Section 2: ``create-booking``."""
    booked(clock, visit())
    assert "create-booking" in site.asked[0][2]["scope"].split(" ")

    site.asked.clear()
    connected(clock).apply(visit())
    assert "create-booking" not in site.asked[0][2]["scope"]


@pytest.mark.parametrize(
    "native",
    [
        {"contact_id": "900", "animal_id": "901"},
        {"duration": 361 * 60},
        {"duration": 7 * 60},
        {"duration": 330},
        {"state": "7"},
        {"resource_id": None},
        {"resource_id": "22"},
    ],
    ids=["placeholder", "too long", "off the grid", "no whole minutes", "other status", "no resource", "no uid"],
)
def test_what_ezycab_cannot_book_is_created_plainly(site: Site, clock: FakeClock, native: Native) -> None:
    """Sections 6 and 7: plain v2 on the placeholder, and for what AVEN found unbookable."""
    booked(clock, visit(**native))

    assert [path for path, _ in site.sent("POST")] == ["api.ezyvet.com/v2/appointment"]


def test_plain_is_what_happens_unless_ezycab_is_chosen(site: Site, side: EzyVet) -> None:
    side.apply(visit())

    assert [path for path, _ in site.sent("POST")] == ["api.ezyvet.com/v2/appointment"]


@pytest.mark.parametrize(
    "answer", [None, {}, {"appointment": 88}, {"appointment": UIDS["other"]}, {"appointment": {"x": 1}}, [1], "ok"]
)
def test_a_booking_whose_answer_names_no_visit_is_looked_for_and_found(
    site: Site, clock: FakeClock, answer: Any
) -> None:
    """Sections 7 and 9: PORTAL was unsure of the answer, and a POST is not idempotent."""
    site.booking_answer = answer
    side = connected(clock, booking="ezycab", ezycab=EZYCAB)

    with pytest.raises(OutcomeUnknown):
        side.apply(visit())

    assert [native["id"] for native in side.look(visit())] == ["88"]
    assert len(site.sent("POST")) == 1


def test_a_booking_that_was_not_kept_is_not_found(site: Site, clock: FakeClock) -> None:
    site.keeps = False
    side = connected(clock, booking="ezycab", ezycab=EZYCAB)

    with pytest.raises(OutcomeUnknown):
        side.apply(visit())

    assert list(side.look(visit())) == []


def test_a_booking_is_answered_inside_data_as_well(site: Site, clock: FakeClock) -> None:
    """Section 3: the newer style has ``data``."""
    site.booking_answer = {"data": {"appointment": UIDS["appointment"]}}

    assert booked(clock, visit()).id == "88"


def test_an_error_beside_a_booked_visit_leaves_the_outcome_open(site: Site, clock: FakeClock) -> None:
    """Section 9: an error inside a success."""
    site.booking_answer = {**complaint("?"), "appointment": UIDS["appointment"]}
    with pytest.raises(OutcomeUnknown):
        booked(clock, visit())

    site.booking_answer = complaint("?")
    with pytest.raises(Refused):
        booked(clock, visit())


def test_without_the_right_to_book_the_scope_is_named(site: Site, clock: FakeClock) -> None:
    """Section 9: 403 is a scope."""
    site.refused["POST", "/ezycab/booking"] = (403, None)

    with pytest.raises(AuthFailed, match="create-booking"):
        booked(clock, visit())


def test_ezycab_stands_where_it_is_said_to_stand() -> None:
    """Section 1: two origins."""
    trial = given_options(base_url="https://api.trial.ezyvet.com")
    said = given_options(booking="ezycab", ezycab={**EZYCAB, "url": "https://cab.example.org"})
    elsewhere = given_options(base_url="https://ezyvet.example.org")

    assert [each.booking_url for each in (trial, said, elsewhere)] == [
        "https://apiv2.trial.ezyvet.com",
        "https://cab.example.org",
        "https://ezyvet.example.org",
    ]


def test_ezycab_needs_to_know_the_placeholder() -> None:
    for more in ({}, {"ezycab": {"unconfirmed": 1}}):
        with pytest.raises(ValidationError, match="placeholder_contact"):
            given_options(booking="ezycab", **more)


def test_the_check_says_how_visits_are_created(site: Site, clock: FakeClock) -> None:
    site.rows["appointmentstatus"] = [{"id": 1, "name": "Unconfirmed"}, {"id": 2, "name": "Confirmed"}]
    whole = connected(clock, booking="ezycab", ezycab=EZYCAB)
    bare = connected(clock, booking="ezycab", ezycab={"placeholder_contact": 900})

    assert "not proven" in line(whole, "booking").text
    assert line(whole, "ezycab").text == "1 (Unconfirmed), 2 (Confirmed)"
    # A contact's name is a person's.
    assert line(whole, "ezycab.placeholder_contact").text == "900"
    assert line(bare, "booking").warning


@pytest.mark.parametrize("fault", ["drop_after_commit", "5xx_after"])
def test_a_booking_whose_answer_was_lost_is_found_by_its_stamp(fault: str) -> None:
    """Sections 7 and 9, over HTTP on the simulator: in the description of a visit that has a consult."""
    write = visit(contact_id="1001", animal_id="5001")
    with build(clients=3, seed=7) as simulator:
        given = {**simulator.credentials, "client_secret": Secret.of(simulator.credentials["client_secret"])}
        side = connected(FakeClock(), **given, base_url=simulator.base_url, booking="ezycab", ezycab=EZYCAB)
        with closing(side):
            first = side.apply(write)
            simulator.faults.arm(fault)
            with pytest.raises(OutcomeUnknown):
                side.apply(write)
            looked = sorted(native["id"] for native in side.look(write))

        stored = [row for row in simulator.store.all("appointment") if STAMP in row["description"]]
    assert looked == sorted(str(row["id"]) for row in stored)
    assert len(stored) == 2
    assert first.id in looked
    assert all(row["consult_id"] for row in stored)


# -- section 3: separations as sites


def seen(side: EzyVet) -> list[str]:
    return [found.id for page in side.changes(Kind.APPOINTMENT, None) for found in page.records]


def test_a_separation_reads_the_visits_of_its_own_resources(site: Site, clock: FakeClock) -> None:
    """Section 3, ``ownership_id``: on a visit where it shows, else by its vets and rooms."""
    site.rows["appointment"] = [
        visit_row(11, resources=[{"id": 21}]),
        visit_row(12, resources=[{"id": 22}]),
        visit_row(13, resources=[{"id": 22}, {"id": 23}]),
        visit_row(14, resources=[], sales_resource=""),
        visit_row(15, resources=[{"id": 21}], ownership_id=2),
    ]
    mine = connected(clock, separation=1)

    assert seen(mine) == ["11", "13", "14"]
    assert sum(page.total or 0 for page in mine.changes(Kind.APPOINTMENT, None)) == 3
    assert seen(connected(clock)) == ["11", "12", "13", "14", "15"]


def test_which_resource_is_whose_is_read_again_after_a_while(site: Site, clock: FakeClock) -> None:
    site.rows["appointment"] = [visit_row(12, resources=[{"id": 22}])]
    mine = connected(clock, separation=1)
    assert seen(mine) == seen(mine) == []
    assert len(site.reads("resource")) == 1

    site.rows["resource"][1]["ownership_id"] = "1"
    clock.advance(LISTS_LAST)

    assert seen(mine) == ["12"]


def test_a_visit_that_staff_moved_to_another_separation_is_not_gone(site: Site, clock: FakeClock) -> None:
    """It would count as cancelled; and what VetBridge wrote is found there, or it would be written twice."""
    site.rows["appointment"] = [visit_row(12, resources=[{"id": 22}], description=f"[VetBridge {STAMP}]")]
    mine = connected(clock, separation=1)

    assert (mine.get(Kind.APPOINTMENT, "12") or {})["id"] == "12"
    assert [native["id"] for native in mine.look(visit())] == ["12"]


def test_clients_of_other_separations_are_left_out_only_where_that_is_wanted(site: Site, clock: FakeClock) -> None:
    """An owner who is known to another branch must not be made a second time, unless the branches want it so."""
    site.rows["contact"] = [contact(1, ownership_id="1"), contact(2, ownership_id="2"), contact(3, ownership_id="")]

    shared = connected(clock, separation=1)
    apart = connected(clock, separation=1, separation_clients=True)

    assert [native["id"] for native in clients(shared)] == ["1", "2", "3"]
    assert [native["id"] for native in clients(apart)] == ["1", "3"]
    assert [native["id"] for native in clients(apart, "1")] == ["1", "3"]
    assert (apart.get(Kind.CLIENT, "2") or {})["id"] == "2"


def test_a_new_client_belongs_to_the_separation(site: Site, clock: FakeClock) -> None:
    """Section 7, the body of a new contact."""
    new = Write(operation=Operation.CREATE, kind=Kind.CLIENT, id=None, native={"last_name": "New"})

    connected(clock, separation=2).apply(new)
    connected(clock, separation=2, ownership_id=1).apply(new)
    connected(clock).apply(new)

    assert [body.get("ownership_id") for _, body in site.sent("POST")] == [2, 1, None]


def test_the_code_list_of_resources_has_those_of_the_separation(site: Site, clock: FakeClock) -> None:
    mine = connected(clock, separation=1, scope=["read-resource"])

    assert mine.code_lists()["resource"] == {"21": "Dr. Fox", "23": "Room"}


def test_the_check_lists_the_separations(site: Site, clock: FakeClock) -> None:
    """Section 3: id, name, active."""
    listed_ = "1 (City), 2 (Harbour, inactive)"

    assert line(connected(clock), "separations").text == f"{listed_}; all of them are read"
    assert line(connected(clock, separation=1), "separations").text == f"{listed_}; 1 is this site"
    wrong = line(connected(clock, separation=7), "separations")
    assert not wrong.ok
    assert listed_ in wrong.text


# -- section 9: rights


def test_each_missing_right_is_named(site: Site, side: EzyVet) -> None:
    """Section 9: 403 is a scope. What every account needs stops it; what only serves matching is a warning."""
    for resource in ("animal", "breed", "address"):
        version = "v2" if resource == "animal" else "v1"
        site.refused["GET", f"/{version}/{resource}"] = (403, None)

    needed, others = line(side, "read animal"), line(side, "read rights")

    assert not needed.ok
    assert not needed.warning
    assert "the scope read-animal" in needed.text
    assert others.warning
    assert "not granted: read-address, read-breed;" in others.text


# -- section 7: calendar blocks


def test_blocks_are_never_visits_however_their_type_is_written(site: Site, clock: FakeClock) -> None:
    """Section 7, appointmenttype: "Block" must not be synced; section 3: ids as text and as numbers."""
    site.rows["appointment"] = [visit_row(11, type_id="39"), visit_row(12, type_id=39), visit_row(13)]
    side = connected(clock, block_types=["39"])

    assert seen(side) == ["13"]
    assert [side.get(Kind.APPOINTMENT, number) is None for number in ("11", "12", "13")] == [True, True, False]


@pytest.mark.parametrize("body", [None, [], {"appointment": "a b"}, {"data": [1]}, {"appointment": "x" * 100}])
def test_no_answer_of_a_booking_is_taken_for_a_uid_that_is_none(body: Any) -> None:
    assert wire.booked(body) is None
