"""Altegio's simulator: several locations behind one address, and its marketplace (altegio.md, sections 2 and 6)."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest

from connectors.altegio.simulator import (
    APART,
    CLIENT_FROM,
    FIRST_RECORD,
    LOCATION,
    SERVICE_FROM,
    STAFF_FROM,
    AltegioSimulator,
    build,
)
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit import STORE_FILE

SUMMER = "2026-07-06T10:00:00+01:00"
OWN = "447700900123"
SITES = (LOCATION, LOCATION + 1, LOCATION + 2)


class Answer(NamedTuple):
    status: int
    body: Any

    @property
    def data(self) -> Any:
        return self.body["data"]


class Caller:
    """Requests with the tokens of the one user."""

    def __init__(self, simulator: AltegioSimulator) -> None:
        self.simulator = simulator
        self.partner = f"Bearer {simulator.credentials['partner_token']}"
        self.both = f"{self.partner}, User {simulator.credentials['user_token']}"

    def __call__(self, method: str, path: str, body: Any = None, *, auth: str = "", **query: Any) -> Answer:
        url = urlsplit(self.simulator.base_url)
        base = "" if path.startswith(("/_sim", "/marketplace")) else url.path
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        target = base + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        content = body if isinstance(body, bytes) or body is None else json.dumps(body)
        try:
            connection.request(method, target, content, {"Authorization": auth or self.both})
            response = connection.getresponse()
            words = response.read()
            return Answer(response.status, json.loads(words) if words else None)
        finally:
            connection.close()

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
    assert (shown["company_id"], shown["staff"]["company_id"]) == (SITES[1], SITES[1])


def test_addresses_without_a_location_find_it_by_the_record_or_the_visit(call: Caller) -> None:
    made = {location: call.book(location) for location in SITES}
    for location, booked in made.items():
        own = call("GET", f"/user/records/{booked['record_id']}/{booked['record_hash']}", auth=call.partner).data
        assert own["company"]["id"] == location
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
