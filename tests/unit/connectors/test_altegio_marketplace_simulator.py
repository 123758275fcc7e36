"""Altegio's simulator: several locations behind one address, and its marketplace (altegio.md, sections 2 and 6)."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.altegio.simulator import (
    APART,
    CLIENT_FROM,
    FIRST_RECORD,
    LOCATION,
    SERVICE_FROM,
    STAFF_FROM,
    build,
)
from connectors.altegio.simulator.marketplace import APPLICATION
from tests.unit.connectors.altegio_calls import Answer, Calls
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit import STORE_FILE

SUMMER = "2026-07-06T10:00:00+01:00"
OWN = "447700900123"
SITES = (LOCATION, LOCATION + 1, LOCATION + 2)


class Caller(Calls):
    """Requests with the tokens of the one user."""

    def book(self, location: int, *, phone: str = OWN, at: str = SUMMER) -> Any:
        """What an owner books by the widget: the answer's row, with record_id and record_hash."""
        apart = (location - LOCATION) * APART
        visit = {"id": 1, "services": [702 + apart], "staff_id": 502 + apart, "datetime": at}
        body = {"phone": phone, "fullname": "Ann Lee", "email": "ann@example.org", "appointments": [visit]}
        made = self("POST", f"/book_record/{location}", body, auth=self.partner)
        assert made.status == 201, made
        return made.data[0]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def serve(clock: FakeClock) -> Iterator[Callable[..., Caller]]:
    started = []

    def start(**options: Any) -> Caller:
        started.append(build(**{"clients": 8, "seed": 5, "clock": clock, "locations": 3, **options}).start())
        return Caller(started[-1])

    yield start
    for simulator in started:
        simulator.stop()


@pytest.fixture
def call(serve: Callable[..., Caller]) -> Caller:
    return serve()


# -- several locations behind one address


def test_each_location_has_a_clinic_of_its_own_made_from_the_next_seed(
    call: Caller, serve: Callable[..., Caller]
) -> None:
    alone = serve(locations=1, seed=7).simulator
    third = call.simulator.sites[2]
    assert (third.location, third.apart) == (LOCATION + 2, 2 * APART)
    for kind, first in (("client", CLIENT_FROM), ("staff", STAFF_FROM), ("service", SERVICE_FROM)):
        names = [(row["id"] - first, row.get("name"), row.get("title")) for row in alone.store.all(kind)]
        assert [
            (r["id"] - first - third.apart, r.get("name"), r.get("title")) for r in third.store.all(kind)
        ] == names
    listed = call("GET", f"/clients/{SITES[2]}", count=200).data
    assert [row["id"] for row in listed] == [row["id"] for row in third.store.all("client")]


def test_one_user_sees_every_location_and_their_chain(call: Caller) -> None:
    assert [row["id"] for row in call("GET", "/companies", my=1).data] == list(SITES)
    assert [row["id"] for row in call("GET", "/companies", page=2, count=2).data] == [SITES[2]]
    assert [row["id"] for row in call("GET", "/companies", id=SITES[1]).data] == [SITES[1]]
    (chain,) = call("GET", "/groups").data
    assert [row["id"] for row in chain["companies"]] == list(SITES)
    for location in SITES:
        shown = call("GET", f"/company/{location}").data
        assert (shown["id"], shown["title"]) in [(row["id"], row["title"]) for row in chain["companies"]]
    assert call("GET", f"/company/{LOCATION + 3}").status == 404


def test_a_client_of_the_chain_is_found_by_exact_phone_with_one_id_a_location(call: Caller) -> None:
    """Section 3.2."""
    for location in SITES[:2]:
        call.book(location)
    found = call("GET", "/group/9001/clients", phone=OWN).data
    assert found["phone"] == f"+{OWN}"
    assert [row["company_id"] for row in found["clients"]] == list(SITES[:2])
    for row in found["clients"]:
        assert call("GET", f"/client/{row['company_id']}/{row['id']}").data["phone"] == f"+{OWN}"
    assert call("GET", "/group/9001/clients", phone=OWN[:-1]).data["clients"] == []


def test_an_id_of_one_location_is_unknown_at_another(call: Caller) -> None:
    made = {location: call.book(location)["record_id"] for location in SITES}
    assert made == {location: FIRST_RECORD + place * APART for place, location in enumerate(SITES)}
    for kind in ("record", "client", "staff", "service", "field", "category", "resource"):
        ids = [row["id"] for site in call.simulator.sites for row in site.store.all(kind)]
        assert len(ids) == len(set(ids)) > 0, kind
    for location in SITES:
        for record in made.values():
            known = made[location] == record
            assert call("GET", f"/record/{location}/{record}").status == (200 if known else 404)
    assert call("GET", f"/company/{SITES[0]}/staff/{STAFF_FROM + APART}").status == 404
    shown = call("GET", f"/record/{SITES[1]}/{made[SITES[1]]}").data
    assert shown["company_id"] == SITES[1]


def test_addresses_without_a_location_find_it_by_the_record_or_the_visit(call: Caller) -> None:
    made = {location: call.book(location) for location in SITES}
    for location, booked in made.items():
        own = call("GET", f"/user/records/{booked['record_id']}/{booked['record_hash']}", auth=call.partner).data
        assert own[0]["company"]["id"] == location
        visit = call("GET", f"/record/{location}/{booked['record_id']}").data["visit_id"]
        assert call("GET", f"/visits/{visit}").data["records"][0]["company_id"] == location
    listed = call("GET", "/records/partner").data
    assert [row["company_id"] for row in listed] == list(SITES)
    last = made[SITES[2]]
    assert call("DELETE", f"/user/records/{last['record_id']}/{last['record_hash']}").status == 204
    assert [len(site.store.find("record", deleted=True)) for site in call.simulator.sites] == [0, 0, 1]


def test_the_limits_are_of_the_one_address(serve: Callable[..., Caller], clock: FakeClock) -> None:
    call = serve(limits="real")
    told = [call("GET", f"/company/{SITES[turn % 3]}").status for turn in range(6)]
    assert told == [200] * 5 + [429]
    clock.advance(1.0)
    assert call("GET", f"/company/{SITES[2]}").status == 200


def test_a_new_user_token_is_new_at_every_location(serve: Callable[..., Caller]) -> None:
    call = serve()
    call.simulator.faults.arm("token_expiry")
    assert call("GET", f"/records/{SITES[1]}").status == 401
    renewed = Caller(call.simulator)
    assert renewed.both != call.both
    for location in SITES:
        assert (call("GET", f"/records/{location}").status, renewed("GET", f"/records/{location}").status) == (
            401,
            200,
        )


def test_the_counts_are_sums_and_those_of_each_location(call: Caller) -> None:
    call.book(SITES[0])
    call.book(SITES[1])
    call("GET", f"/records/{SITES[1]}")
    counts = call("GET", "/_sim/counts").body
    assert (counts["writes"], counts["own"]) == (2, 2)
    assert counts["requests"] == {"POST /book_record/{location}": 2, "GET /records/{location}": 1}
    each = counts["locations"]
    assert [each[str(location)]["writes"] for location in SITES] == [1, 1, 0]
    assert each[str(SITES[1])]["requests"]["GET /records/{location}"] == 1


def test_the_control_door_takes_the_location_that_it_is_about(call: Caller) -> None:
    record = call.book(SITES[1])["record_id"]
    mark = {"kind": "record", "id": record, "set": {"paid_full": 1}}
    assert call("POST", "/_sim/mark", mark).status == 404
    assert call("POST", "/_sim/mark", {**mark, "location": SITES[1]}).status == 200
    assert call("POST", "/_sim/mark", {**mark, "location": 5}).status == 404
    assert call("POST", "/_sim/switches", {"location": SITES[1], "create_answer": "object"}).status == 200
    assert [site.create_answer for site in call.simulator.sites] == ["array", "object", "array"]
    assert call("POST", "/_sim/switches", {"winter_offset": True}).status == 200
    assert [site.winter_offset for site in call.simulator.sites] == [True, True, True]
    assert call("POST", "/_sim/purge", {"kind": "record", "id": record, "location": str(SITES[1])}).status == 200
    assert call("GET", f"/record/{SITES[1]}/{record}").status == 404


def test_an_outage_is_the_vendor_s(call: Caller) -> None:
    call("POST", "/_sim/outage", {"seconds": 20})
    assert [call("GET", f"/company/{location}").status for location in SITES] == [503] * 3
    call("POST", "/_sim/outage", {"seconds": 0})
    assert [call("GET", f"/company/{location}").status for location in SITES] == [200] * 3


def test_kept_stores_are_served_again_and_a_chain_may_grow(tmp_path: Path, clock: FakeClock) -> None:
    with build(clients=3, seed=5, locations=2, data=tmp_path, clock=clock) as simulator:
        record = Caller(simulator).book(SITES[1])["record_id"]
        before = (simulator.base_url, simulator.credentials)
    assert sorted(path.parent.name for path in tmp_path.rglob(STORE_FILE)) == [str(one) for one in SITES[:2]]
    with build(data=tmp_path, clock=clock) as again:
        assert (again.base_url, again.credentials) == before
        assert Caller(again)("GET", f"/record/{SITES[1]}/{record}").status == 200
    with build(clients=3, data=tmp_path, locations=3, clock=clock) as grown:
        assert grown.ready()["locations"] == [str(one) for one in SITES]
        assert Caller(grown)("GET", f"/records/{SITES[2]}").status == 200


def test_the_store_of_one_location_is_no_chain(tmp_path: Path) -> None:
    with build(clients=1, data=tmp_path):
        pass
    assert (tmp_path / STORE_FILE).is_file()
    with pytest.raises(ValueError, match="another folder"):
        build(clients=1, data=tmp_path, locations=2)


# -- the marketplace (section 6)


def _install(call: Caller, location: int = LOCATION) -> Answer:
    return call("GET", f"/marketplace/salon/{location}/application/{APPLICATION}", auth=call.partner)


def _status(call: Caller, location: int = LOCATION) -> Any:
    return _install(call, location).data["connection_status"]["status"]


def _connect(call: Caller, *locations: int, **more: Any) -> Any:
    answer = call("POST", "/_sim/connect", {"locations": locations, "redirect": "https://door.example/a", **more})
    assert answer.status == 200, answer
    return answer.body


def _activate(call: Caller, location: int = LOCATION, *, auth: str = "", **more: Any) -> Answer:
    body = {"salon_id": location, "application_id": APPLICATION, **more}
    return call("POST", "/marketplace/partner/callback", body, auth=auth or call.partner)


@pytest.fixture
def unconnected(serve: Callable[..., Caller]) -> Caller:
    return serve(installed=False)


@dataclass
class Door:
    """An address that a server here listens at, and what came there: method, path and JSON body."""

    address: str = ""
    came: list[tuple[str, str, Any]] = field(default_factory=list)
    before_answering: Callable[[], object] = lambda: None


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()

    class Conversation(BaseHTTPRequestHandler):
        def _hear(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            made.came.append((self.command, self.path, json.loads(body) if body else None))
            made.before_answering()
            self.send_response(200)
            self.end_headers()

        do_GET = do_POST = _hear  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """No log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Conversation) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        made.address = f"http://127.0.0.1:{server.server_port}"
        yield made
        server.shutdown()
        thread.join()


def test_the_ready_line_names_the_marketplace_and_the_app(call: Caller) -> None:
    ready = call.simulator.ready()
    assert ready["locations"] == [str(location) for location in SITES]
    assert ready["marketplace_url"] == call.simulator.base_url.replace("/api/v1", "/marketplace")
    assert ready["credentials"] == {**call.simulator.credentials, "application_id": str(APPLICATION)}


def test_an_app_is_active_at_every_location_unless_nobody_has_clicked_connect(
    call: Caller, unconnected: Caller
) -> None:
    for location in SITES:
        assert (_status(call, location), call("GET", f"/records/{location}").status) == ("active", 200)
        assert (_install(unconnected, location).status, unconnected("GET", f"/records/{location}").status) == (
            404,
            403,
        )
    assert [row["id"] for row in call("GET", "/companies", my=1).data] == list(SITES)
    assert unconnected("GET", "/companies", my=1).data == []
    assert unconnected("GET", "/groups").data[0]["companies"] == []


def test_owners_book_where_the_app_is_not(unconnected: Caller) -> None:
    """The widget is the location's, and shows no user token."""
    assert unconnected.book(LOCATION)["record_id"] == FIRST_RECORD


def test_connect_sends_the_browser_on_with_one_location_or_several(unconnected: Caller) -> None:
    """Section 6, 2 and 3: both spellings, and who clicked, signed over the decoded text."""
    one = urlsplit(_connect(unconnected, LOCATION)["redirect"])
    assert parse_qs(one.query)["salon_id"] == [str(LOCATION)]
    several = _connect(unconnected, *SITES[1:])["redirect"]
    assert f"?salon_ids[]={SITES[1]}&salon_ids[]={SITES[2]}&user_data=" in several
    told = {name: values[0] for name, values in parse_qs(urlsplit(several).query).items()}
    words = base64.b64decode(told["user_data"])
    assert json.loads(words).keys() >= {"user_id", "name", "email", "phone"}
    key = unconnected.simulator.credentials["partner_token"].encode()
    assert told["user_data_sign"] == hmac.new(key, words, "sha256").hexdigest()
    plain = _connect(unconnected, LOCATION, user_data=False, redirect="https://door.example/a?b=1")
    assert plain["redirect"] == f"https://door.example/a?b=1&salon_id={LOCATION}"
    assert [_status(unconnected, location) for location in SITES] == ["pending"] * 3
    assert unconnected("GET", f"/records/{LOCATION}").status == 403


def test_each_location_is_activated_by_itself(unconnected: Caller) -> None:
    """Section 6, 2, 4 and 6."""
    _connect(unconnected, *SITES)
    for location in SITES[:2]:
        assert _activate(unconnected, location).status == 201
    assert [_status(unconnected, location) for location in SITES] == ["active", "active", "pending"]
    assert [unconnected("GET", f"/records/{location}").status for location in SITES] == [200, 200, 403]
    assert [row["id"] for row in unconnected("GET", "/companies", my=1).data] == list(SITES[:2])
    again = _activate(unconnected, SITES[0])
    assert (again.status, _status(unconnected, SITES[0])) == (403, "active")
    logs = _install(unconnected, SITES[0]).data["logs"]
    assert [(line["status_from"], line["status_to"], line["source"]) for line in logs] == [
        (None, "pending", "user"),
        ("pending", "active", "partner"),
    ]


@pytest.mark.parametrize(
    ("status", "given"),
    [
        (422, {"salon_id": None}),
        (422, {"salon_id": "abc"}),
        (422, {"application_id": []}),
        (422, {"webhook_urls": "http://door.example"}),
        (422, {"webhook_urls": ["http://door.example"] * 2}),
        (422, {"webhook_urls": [f"http://door.example/{number}" for number in range(11)]}),
        (422, {"channels": ["pigeon"]}),
        (403, {"application_id": APPLICATION + 1}),
        (403, {"salon_id": SITES[1]}),
        (403, {"salon_id": LOCATION + 7}),
        (401, {"auth": "Bearer wrong"}),
    ],
)
def test_an_activation_that_is_not_taken_changes_nothing(
    unconnected: Caller, status: int, given: dict[str, Any]
) -> None:
    """Section 6, 4: 401, 403 and 422. Only the first location waits for one."""
    _connect(unconnected, LOCATION)
    named = {"location" if name == "salon_id" else name: value for name, value in given.items()}
    assert _activate(unconnected, **named).status == status
    assert _status(unconnected) == "pending"


@pytest.mark.parametrize(("hours", "within"), [(1, 3600), (12, 43200)])
def test_an_activation_that_comes_too_late_is_refused_until_connect_is_clicked_again(
    serve: Callable[..., Caller], clock: FakeClock, hours: int, within: int
) -> None:
    """Section 6, 5: the sources say one hour and twelve."""
    call = serve(installed=False, activate_within=within)
    _connect(call, LOCATION)
    clock.advance(hours * 3600 + 1)
    assert (_activate(call).status, _status(call)) == (403, "pending")
    _connect(call, LOCATION)
    clock.advance(hours * 3600)
    assert (_activate(call).status, _status(call)) == (201, "active")


def test_addresses_for_webhooks_join_those_of_the_location(unconnected: Caller) -> None:
    """Section 5, setup: ``webhook_urls`` at activation."""
    _connect(unconnected, LOCATION)
    assert _activate(unconnected, webhook_urls=["https://door.example/hooks"]).status == 201
    hooks = unconnected("GET", f"/hooks_settings/{LOCATION}").data
    assert hooks["urls"] == ["https://door.example/hooks"]
    assert {name for name, value in hooks.items() if value == 1} == {"active", "client", "record"}


def test_the_app_s_list_has_pages_and_no_app_that_was_taken_away(call: Caller) -> None:
    path = f"/marketplace/application/{APPLICATION}/salons"
    assert [row["salon_id"] for row in call("GET", path, auth=call.partner).data] == list(SITES)
    call("POST", "/_sim/uninstall", {"location": SITES[0]})
    page = call("GET", path, auth=call.partner, page=2, count=1)
    assert [row["salon_id"] for row in page.data] == [SITES[2]]
    assert page.body["meta"]["total_count"] == 2
    assert call("GET", f"/marketplace/application/{APPLICATION + 1}/salons").status == 404
    assert call("GET", path, auth="Bearer wrong").status == 401


@pytest.mark.parametrize("status", [403, 401])
def test_after_uninstall_the_user_has_no_access_and_webhooks_stop_there(
    serve: Callable[..., Caller], door: Door, status: int
) -> None:
    """Section 6, last lines; the other locations go on."""
    call = serve(uninstalled_status=status)
    for location in SITES[:2]:
        body = {"urls": [f"{door.address}/{location}"], "active": 1, "record": 1}
        assert call("POST", f"/hooks_settings/{location}", body).status == 201
    call("POST", "/_sim/app", {"callback_url": f"{door.address}/life"})
    told = call("POST", "/_sim/uninstall", {"location": SITES[0]})
    assert (told.status, told.body) == (200, {"location": str(SITES[0]), "status": "uninstalled"})
    assert [call("GET", f"/records/{location}").status for location in SITES] == [status, 200, 200]
    assert call("GET", f"/company/{SITES[0]}", auth=call.partner).status == 200
    for location in SITES[:2]:
        call.book(location)
    assert call.simulator.outbox.wait_empty(10)
    assert sorted(path for _, path, _ in door.came) == [f"/{SITES[1]}", "/life"]
    (life,) = (body for _, path, body in door.came if path == "/life")
    assert life == {
        "salon_id": SITES[0],
        "application_id": APPLICATION,
        "event": "uninstall",
        "partner_token": call.simulator.credentials["partner_token"],
    }
    assert call("POST", "/_sim/uninstall", {"location": SITES[0]}).status == 409


def test_the_partner_takes_the_app_away_and_the_clinic_connects_it_again(call: Caller, clock: FakeClock) -> None:
    path = f"/marketplace/salon/{SITES[1]}/application/{APPLICATION}/uninstall"
    assert call("POST", path, auth="Bearer wrong").status == 401
    assert call("POST", path, auth=call.partner).status == 200
    assert (_status(call, SITES[1]), call("GET", f"/records/{SITES[1]}").status) == ("uninstalled", 403)
    assert call("POST", path, auth=call.partner).status == 422
    assert _activate(call, SITES[1]).status == 403
    clock.advance(86400)
    _connect(call, SITES[1])
    assert (_activate(call, SITES[1]).status, call("GET", f"/records/{SITES[1]}").status) == (201, 200)


def test_a_status_may_be_silent_about_an_app_that_was_taken_away(serve: Callable[..., Caller]) -> None:
    call = serve(uninstalled_shown="logs")
    call("POST", "/_sim/uninstall", {"location": SITES[0]})
    told = _install(call).data
    assert (told["connection_status"], told["logs"][-1]["status_to"]) == ([], "uninstalled")


@pytest.mark.parametrize(("frozen", "status"), [(403, 403), (401, 401), (402, 402), (None, 200)])
def test_a_freeze_is_told_and_its_end_is_not(
    serve: Callable[..., Caller], door: Door, frozen: int | None, status: int
) -> None:
    """Section 6: what the API answers under freeze is unknown, and no event says that it is over."""
    call = serve(frozen_status=frozen, locations=1)
    call("POST", "/_sim/app", {"callback_url": f"{door.address}/life"})
    assert call("POST", "/_sim/unfreeze", {"location": LOCATION}).status == 409
    assert call("POST", "/_sim/freeze", {"location": LOCATION + 1}).status == 404
    assert call("POST", "/_sim/freeze", {"location": LOCATION}).status == 200
    assert (_status(call), call("GET", f"/records/{LOCATION}").status) == ("freezed", status)
    assert _activate(call).status == 403
    assert call("POST", "/_sim/unfreeze", {"location": LOCATION}).status == 200
    assert (_status(call), call("GET", f"/records/{LOCATION}").status) == ("active", 200)
    assert call.simulator.outbox.wait_empty(10)
    assert [(method, path, body["event"]) for method, path, body in door.came] == [("POST", "/life", "freeze")]


@pytest.mark.parametrize(("frozen", "came_then"), [(403, 1), (None, 2)])
def test_webhooks_pause_while_the_user_has_no_access(
    serve: Callable[..., Caller],
    door: Door,
    frozen: int | None,
    came_then: int,
) -> None:
    call = serve(frozen_status=frozen, locations=1)
    assert (
        call("POST", f"/hooks_settings/{LOCATION}", {"urls": [door.address], "active": 1, "record": 1}).status == 201
    )
    call("POST", "/_sim/freeze", {"location": LOCATION})
    call.book(LOCATION)
    call("POST", "/_sim/unfreeze", {"location": LOCATION})
    call.book(LOCATION, at="2026-07-06T12:00:00+01:00")
    assert call.simulator.outbox.wait_empty(10)
    assert len(door.came) == came_then


def test_connect_leaves_an_app_that_is_there_as_it_is(call: Caller) -> None:
    call("POST", "/_sim/freeze", {"location": SITES[1]})
    _connect(call, *SITES)
    assert [_status(call, location) for location in SITES] == ["active", "freezed", "active"]


def test_the_browser_is_followed_to_the_app_s_door_which_asks_and_activates_meanwhile(
    unconnected: Caller, door: Door
) -> None:
    seen: list[Any] = []
    door.before_answering = lambda: seen.extend((_status(unconnected), _activate(unconnected).status))
    told = _connect(unconnected, LOCATION, redirect=f"{door.address}/apps/app", follow=True)
    assert (told["status"], seen, _status(unconnected)) == (200, ["pending", 201], "active")
    ((method, path, _),) = door.came
    assert (method, f"{door.address}{path}") == ("GET", told["redirect"])
    nobody = _connect(unconnected, LOCATION, redirect="http://127.0.0.1:1/apps/app", follow=True)
    assert nobody["status"] == 0


@pytest.mark.parametrize(
    ("status", "given"),
    [
        (400, {"redirect": "ftp://x", "locations": [LOCATION]}),
        (400, {"redirect": "https://door.example", "locations": []}),
        (400, {"redirect": "https://door.example", "locations": LOCATION}),
        (404, {"redirect": "https://door.example", "locations": [LOCATION, 5]}),
    ],
)
def test_a_connect_that_cannot_be_is_refused(unconnected: Caller, status: int, given: dict[str, Any]) -> None:
    assert unconnected("POST", "/_sim/connect", given).status == status
    assert _install(unconnected).status == 404


def test_an_install_outlives_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    with build(clients=1, locations=2, installed=False, data=tmp_path, clock=clock) as simulator:
        call = Caller(simulator)
        _connect(call, *SITES[:2])
        assert _activate(call, SITES[1]).status == 201
    with build(data=tmp_path, clock=clock) as again:
        call = Caller(again)
        assert [_status(call, location) for location in SITES[:2]] == ["pending", "active"]


def test_the_marketplace_s_calls_are_not_counted_by_the_api_s_limits(serve: Callable[..., Caller]) -> None:
    """It stands on another host; its limits are in no source."""
    call = serve(limits="real")
    assert [_install(call).status for _ in range(12)] == [200] * 12
    assert call("POST", "/_sim/switches", {"installed": False}).status == 400
