"""The ezyVet simulator section by section of the vendor sheet (ezyvet.md), as a stranger's client would use it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from connectors.ezyvet.simulator import (
    BLOCK_TYPE,
    CODE_LISTS,
    MERGE_PATCH,
    REFERRING_CLINIC,
    REFERRING_VET,
    EzyVetSimulator,
    Switches,
    build,
)
from tests.unit.connectors.receiving import receiver
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.twins import make_twins

ROOT = Path(__file__).parents[3]
MORNING = datetime(2026, 3, 2, 7, tzinfo=UTC)
"""A Monday in London, before the site opens and before v1 of animal ends."""
START = int(datetime(2026, 3, 3, 9, 30, tzinfo=UTC).timestamp())

WITH_ROWS = frozenset(
    [
        "contact",
        "contactdetail",
        "contactdetailtype",
        "country",
        "animal",
        "species",
        "breed",
        "sex",
        "animalcolour",
        "animalcolor",
        "appointmenttype",
        "appointmentstatus",
        "resource",
        "user",
        "separation",
        "systemsetting",
        "webhookevents",
    ]
)
"""Resources of which a new site has rows."""
V1_READS = (
    "contact",
    "contactdetail",
    "contactdetailtype",
    "country",
    "address",
    "contactassociation",
    "animal",
    "species",
    "breed",
    "sex",
    "animalcolour",
    "animalcolor",
    "appointment",
    "appointmenttype",
    "appointmentstatus",
    "resource",
    "user",
    "separation",
    "systemsetting",
    "attachment",
    "file",
    "vaccination",
    "consult",
    "therapeutic",
    "diagnostic",
    "diagnosticrequest",
    "diagnosticrequestitem",
    "invoice",
    "shelteranimalbooking",
    "diagnosticresult",
    "diagnosticresultitem",
    "history",
    "healthstatus",
    "prescription",
    "prescriptionitem",
    "product",
    "wellnessplan",
    "wellnessplanmembership",
    "wellnessplanmembershipoption",
    "wellnessplanmembershipstatusperiod",
    "wellnessplanbenefit",
    "wellnessplanbenefititem",
    "communication",
    "webhooks",
    "webhookevents",
    "tag",
    "tagname",
    "tagcategory",
)
V2_READS = (
    "contact",
    "contactdetail",
    "animal",
    "appointment",
    "appointmenttype",
    "resource",
    "product",
    "communication",
)
V4_READS = ("contact", "animal", "species", "breed", "user")
EXTRA_SCOPES = ["create-booking", *(f"write-{name}" for name in ("contact", "animal", "appointment", "attachment"))]
SCOPE = " ".join([*(f"read-{name}" for name in V1_READS), *EXTRA_SCOPES])


class Client:
    """A program that was written against the vendor's documents."""

    def __init__(self, simulator: EzyVetSimulator) -> None:
        self.simulator = simulator
        self.http = httpx.Client(base_url=simulator.base_url, timeout=10)
        self.http.headers["Authorization"] = f"Bearer {self.ask_token().json()['access_token']}"

    def ask_token(self, path: str = "/v1/oauth/access_token", **changes: Any) -> httpx.Response:
        body = {**self.simulator.credentials, "grant_type": "client_credentials", "scope": SCOPE, **changes}
        return self.http.post(path, json={name: value for name, value in body.items() if value is not None})

    def get(self, path: str, params: Any = None) -> Any:
        answer = self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, path: str, **params: Any) -> list[dict[str, Any]]:
        return [next(iter(item.values())) for item in self.get(path, params)["items"]]

    def send(self, method: str, path: str, body: Any, media: str = "application/json") -> httpx.Response:
        return self.http.request(method, path, content=json.dumps(body), headers={"Content-Type": media})

    def made(self, method: str, path: str, body: Any, media: str = "application/json") -> dict[str, Any]:
        answer = self.send(method, path, body, media)
        assert answer.status_code == 200, answer.text
        row: dict[str, Any] = next(iter(answer.json()["items"][0].values()))
        return row

    def uid(self, resource: str, number: int) -> str:
        return str(self.rows(f"/v2/{resource}", id=number)[0]["uid"])

    def visit(self, **changes: Any) -> dict[str, Any]:
        body = {
            "start_at": START,
            "duration": 1200,
            "type_id": 31,
            "status_id": 1,
            "animal_id": 5001,
            "contact_id": 1001,
            "sales_resource": 21,
            "resources": [{"id": 21}],
        }
        return self.made("POST", "/v2/appointment", {**body, **changes})

    def booking(self, **changes: Any) -> dict[str, Any]:
        return {
            "startTime": "2026-03-03T09:30:00.000+00:00",
            "type": self.uid("appointmenttype", 31),
            "durationMinutes": 20,
            "animal": self.uid("animal", 5001),
            "contact": self.uid("contact", 1001),
            "provider": self.uid("resource", 21),
            **changes,
        }

    def switch(self, **given: Any) -> httpx.Response:
        return httpx.post(f"{self.simulator.control_url}/switches", json=given)


@contextmanager
def serving(**options: Any) -> Iterator[Client]:
    with build(seed=7, clock=FakeClock(MORNING), webhook_delay=0.0, **{"clients": 3, **options}) as simulator:
        client = Client(simulator)
        yield client
        client.http.close()


@pytest.fixture(scope="module")
def read() -> Iterator[Client]:
    """A site that tests only read."""
    with serving(clients=25) as client:
        yield client


@pytest.fixture
def site() -> Iterator[Client]:
    """A small site that a test may change."""
    with serving() as client:
        yield client


@pytest.fixture
def hooks(site: Client) -> Iterator[Queue[Any]]:
    """What the site's webhooks bring."""
    with receiver() as (url, received):
        httpx.post(f"{site.simulator.control_url}/webhooks", json={"urls": [url]})
        yield received


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


# -- section 2


@pytest.mark.parametrize("path", ["/v1/oauth/access_token", "/v2/oauth/access_token", "/oauth/token"])
def test_section_2_every_token_path_takes_either_body_and_either_scope(read: Client, path: str) -> None:
    body = {**read.simulator.credentials, "grant_type": "client_credentials", "scope": SCOPE.replace(" ", ",")}
    for answer in (read.ask_token(path), read.http.post(path, data=body)):
        assert answer.status_code == 200
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert read.http.get("/v2/animal", headers=bearer).status_code == 200


def test_section_2_a_token_is_a_jwt_with_the_known_claims(read: Client) -> None:
    answer = read.ask_token(scope="read-contact").json()
    found = claims(answer["access_token"])
    assert set(found) == {"aud", "jti", "iat", "nbf", "exp", "sub", "scopes", "iss", "grp", "url", "site_uid"}
    assert (found["exp"] - found["iat"], answer["expires_in"]) == (43200, 43200)
    assert (found["scopes"], found["site_uid"]) == (["read-contact"], read.simulator.credentials["site_uid"])


def test_section_2_switches_of_the_token(site: Client) -> None:
    for name in ("partner_id", "site_uid"):
        assert site.ask_token(**{name: None}).status_code == 400
        site.switch(**{name: "optional"})
        assert site.ask_token(**{name: None}).status_code == 200
        assert site.ask_token(**{name: "another"}).status_code == 401
    site.switch(token_shape="opaque", expires_in="epoch", token_kills_old=True)
    told = site.ask_token().json()
    assert (len(told["access_token"]), told["expires_in"]) == (64, int(MORNING.timestamp()) + 43200)
    assert site.http.get("/v1/contact").status_code == 401


def test_section_2_each_read_and_write_needs_its_scope(site: Client) -> None:
    site.http.headers["Authorization"] = f"Bearer {site.ask_token(scope='read-species').json()['access_token']}"
    for path in ("/v4/species", "/v3/siteInformation", "/v1/file"):
        assert site.http.get(path).status_code == 200, path
    for method, path in (
        ("GET", "/v1/attachment"),
        ("GET", "/v1/attachment/download/1"),
        ("POST", "/v1/attachment"),
        ("DELETE", "/v1/contact/1001"),
        ("PUT", "/v2/appointment/1"),
        ("POST", "/ezycab/booking"),
        ("GET", "/ezycab/v2.1/appointments"),
        ("GET", "/v4/contact"),
    ):
        assert site.http.request(method, path).status_code == 403, path


# -- section 6


def test_section_6_every_classic_read_is_served_as_a_list_by_id_and_by_path(read: Client) -> None:
    table = [("v1", name) for name in V1_READS] + [("v2", name) for name in V2_READS] + [("v2.1", "animal")]
    for version, name in table:
        path = f"/{version}/{name}"
        body = read.get(f"{path}/")
        assert set(body) == {"meta", "items", "messages"}, path
        assert {type(body["meta"][key]) for key in body["meta"] if key.startswith("items_")} == {
            str if version == "v1" else int
        }, path
        if body["items"]:
            [(wrapper, row)] = body["items"][0].items()
            assert wrapper == {"animalcolor": "animalcolour"}.get(name, name)
            assert type(row["id"]) is (str if version == "v1" else int)
            assert read.get(f"{path}/{row['id']}/")["items"][0][wrapper]["id"] == row["id"]
            if name != "systemsetting":
                assert [r["id"] for r in read.rows(path, id=row["id"])] == [row["id"]], path
        else:
            assert name not in WITH_ROWS, path
            assert read.http.get(f"{path}/1").status_code == 404, path


def test_section_6_every_newer_read_is_served_as_a_list_and_by_uid(read: Client) -> None:
    for name in V4_READS:
        body = read.get(f"/v4/{name}/")
        row = body["data"][0]
        assert row["id"].startswith(f"{name}_")
        assert read.get(f"/v4/{name}/{row['id']}")["data"] == row
        assert read.http.get(f"/v4/{name}/1").status_code == 404
    site = read.get("/v3/siteInformation")
    zone = site["data"]["relationships"]["timezone"]["data"]
    assert site["data"]["id"] == read.simulator.credentials["site_uid"]
    assert [(each["id"], each["attributes"]["name"]) for each in site["included"]] == [(zone["id"], "Europe/London")]


def test_section_6_a_client_with_a_doubled_slash_is_understood(read: Client) -> None:
    assert read.http.get("/v1//address?id=1").json()["items"] == []


def test_section_1_v1_of_animal_ends_on_its_day(site: Client) -> None:
    assert site.http.get("/v1/animal").status_code == 200
    site.simulator.clock.set(datetime(2026, 10, 13, tzinfo=UTC))
    site.http.headers["Authorization"] = f"Bearer {site.ask_token().json()['access_token']}"
    assert (site.http.get("/v1/animal").status_code, site.http.get("/v2.1/animal").status_code) == (404, 200)
    site.switch(sunset_status=410)
    assert site.http.get("/v1/animal/5001").status_code == 410
    site.switch(v1_animal_sunset=None)
    assert site.http.get("/v1/animal/5001").status_code == 200


# -- sections 3 to 5


def test_section_3_uids_are_letters_and_digits_and_in_v1_only_by_switch(site: Client) -> None:
    name, _, letters = site.uid("appointmenttype", 31).partition("_")
    assert (name, len(letters), letters.isalnum()) == ("appointmentType", 21, True)
    assert "uid" not in site.rows("/v1/contact/1001")[0]
    site.switch(v1_uids=True)
    uid = site.uid("contact", 1001)
    assert site.rows("/v1/contact/1001")[0]["uid"] == uid
    assert [row["id"] for row in site.rows("/v1/contact", uid=uid)] == ["1001"]


def test_section_4_pages_may_be_capped_by_resource(site: Client) -> None:
    site.switch(page_caps={"contact": 2})
    meta = site.get("/v1/contact", {"limit": 200})["meta"]
    assert (meta["items_page_size"], meta["items_page_total"], meta["items_total"]) == ("2", "2", "4")
    assert site.get("/v2/animal", {"limit": 500})["meta"]["items_page_size"] == 200
    assert site.get("/v2/animal")["meta"]["items_page_size"] == 10


def test_section_4_the_newer_lists_are_walked_by_token(read: Client) -> None:
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        body = read.get("/v4/contact", {"pageSize": 7, **({"nextToken": token} if token else {})})
        seen += [row["id"] for row in body["data"]]
        token = body["meta"]["nextToken"]
    assert len(seen) == len(set(seen)) == 26
    for bad in ("x", "bm9uZQ==", "\x1b[31m"):
        assert read.http.get("/v4/contact", params={"nextToken": bad}).status_code == 400


def test_section_5_operators_and_operands_in_every_writing(read: Client) -> None:
    for operand in (
        '{"gt": 1023}',
        '{">": 1023.0}',
        '{"gte": "1024"}',
        '{"in": [1024, "1025"]}',
        '{">": 1023, "<=": 1025}',
    ):
        assert [row["id"] for row in read.rows("/v2/contact", id=operand)] == [1024, 1025]
    assert len(read.rows("/v1/resource", active="True", type="user")) == len(CODE_LISTS["resource"])
    assert read.rows("/v1/therapeutic", consult_id='{"in": [1, 2]}') == []
    assert read.http.get("/v1/vaccination", params={"animal_id": 1}).status_code == 400


def test_section_5_brackets_filter_the_newer_lists(read: Client) -> None:
    owner = read.uid("contact", 1002)
    pets = read.get("/v4/animal", {"ownerId": owner, "isDead": "false", "status": "active"})["data"]
    assert pets
    assert {row["ownerId"] for row in pets} == {owner}
    wanted = {"filter[ownerId][in]": json.dumps([owner]), "filter[name][eq]": pets[0]["name"]}
    assert pets[0]["id"] in [row["id"] for row in read.get("/v4/animal", wanted)["data"]]
    for unknown in ({"hair": "red"}, {"filter[hair][eq]": "red"}, {"filter[name][between]": "a"}):
        assert read.http.get("/v4/animal", params=unknown).status_code == 400


def test_section_3_rows_of_v4_are_flat_or_have_attributes(site: Client) -> None:
    flat = site.get("/v4/contact", {"lastName": "VetBridge placeholder"})["data"][0]
    assert flat["isCustomer"] is True
    site.switch(v4_rows="attributes")
    row = site.get(f"/v4/contact/{flat['id']}")["data"]
    assert (row["id"], row["attributes"]["isCustomer"]) == (flat["id"], True)


def test_section_7_a_v4_contact_holds_its_details(read: Client) -> None:
    detail = read.rows("/v2/contactdetail", contact_detail_type_id=3)[0]
    contact = read.get(f"/v4/contact/{detail['contact_uid']}")["data"]
    assert detail["value"] in [phone["value"] for phone in contact["phones"]]
    assert (contact["addresses"], contact["subscriptions"]) == ([], [])


# -- section 7


def test_section_7_a_v1_appointment_has_details_with_numbers(site: Client) -> None:
    """But the status is text (test_strangers_requests says who reads it so)."""
    first, second = site.visit(), site.visit(start_at=START + 7200, resources=[{"id": 22}, {"id": 31}])
    row = site.rows(f"/v1/appointment/{second['id']}")[0]
    assert (row["id"], row["active"], row["start_time"]) == (str(second["id"]), "1", str(START + 7200))
    assert row["details"] == {
        "appointment_type_id": 31,
        "appointment_status_id": "1",
        "animal_id": 5001,
        "contact_id": 1001,
        "consult_id": None,
        "description": "",
        "resource_list": [22, 31],
    }

    def ids(**params: Any) -> list[int]:
        return [int(each["id"]) for each in site.rows("/v1/appointment", **params)]

    assert ids(time_range_start=START, time_range_end=START + 60) == [first["id"]]
    assert ids(time_range_start=START + 1) == [second["id"]]
    assert ids(appointment_status_id=1, recurrence_number=0) == [first["id"], second["id"]]
    assert ids(recurrence_number=1) == []
    assert site.http.get("/v1/appointment", params={"time_range_start": "today"}).status_code == 400


def test_section_7_an_appointment_is_changed_by_patch_by_put_and_in_v1(site: Client) -> None:
    path = f"/v2/appointment/{site.visit()['id']}"
    refused = site.send("PATCH", path, {"start_at": START + 60})
    assert (refused.status_code, "nsupported" in refused.text) == (415, True)
    assert site.made("PUT", path, {"start_at": START + 60})["start_at"] == START + 60
    site.switch(merge_patch="any")
    assert site.made("PATCH", path, {"start_at": START + 120})["start_at"] == START + 120
    v1 = path.replace("/v2/", "/v1/")
    moved = site.made("PATCH", v1, {"start_time": str(START + 180), "details": {"resource_list": [22]}})
    assert (moved["start_time"], moved["details"]["resource_list"]) == (str(START + 180), [22])
    assert site.send("PATCH", v1, {"details": [1]}).status_code == 422
    assert site.made("PATCH", v1, {"cancel": True, "cancellation_reason": 2})["active"] == "0"
    assert site.rows(path)[0]["cancellation_reason"] == 2


def test_section_7_a_cancellation_without_a_number_is_a_switch(site: Client) -> None:
    path, body = f"/v2/appointment/{site.visit()['id']}", {"cancel": True, "cancellation_reason_text": "moved away"}
    assert site.send("PATCH", path, body, MERGE_PATCH).status_code == 422
    site.switch(cancel_reason="optional")
    row = site.made("PATCH", path, body, MERGE_PATCH)
    assert (row["active"], row["cancellation_reason"], row["cancellation_reason_text"]) == (False, None, "moved away")


def test_section_7_fields_that_cannot_be_written_may_be_dropped(site: Client) -> None:
    body = {"name": "Rex", "contact_id": 1001, "species": "Dog", "active": 1}
    assert site.send("POST", "/v1/animal", body).status_code == 422
    site.switch(unknown_field="ignore")
    assert site.made("POST", "/v1/animal", body)["species_id"] == ""


def test_section_3_a_deleted_contact_is_inactive_or_gone(site: Client, hooks: Queue[Any]) -> None:
    assert site.made("DELETE", "/v1/contact/1001", {})["active"] == "0"
    assert hooks.get(timeout=5)["items"][0]["contact"]["active"] is False
    site.switch(deleted="gone")
    assert site.send("DELETE", "/v1/contact/1002", {}).json()["items"] == []
    assert site.http.get("/v1/contact/1002").status_code == 404


# -- section 7, ezyCAB


def test_section_7_a_booking_opens_a_consult_and_a_plain_appointment_does_not(
    site: Client, hooks: Queue[Any]
) -> None:
    assert site.visit()["consult_id"] is None
    hooks.get(timeout=5)
    body = site.booking(
        description="limping",
        appointmentStatus="confirmed",
        additionalResources=[site.uid("resource", 31), site.uid("resource", 21)],
    )
    answer = site.send("POST", "/ezycab/booking", body)
    assert answer.status_code == 201
    row = site.rows("/v2/appointment", uid=answer.json()["appointment"])[0]
    assert (row["start_at"], row["duration"], row["status_id"]) == (START, 1200, 2)
    assert (row["sales_resource"], row["resources"]) == (21, [{"id": 21}, {"id": 31}])
    consult = site.rows(f"/v1/consult/{row['consult_id']}")[0]
    assert (consult["animal_id"], consult["date"]) == ("5001", str(START))
    told = hooks.get(timeout=5)
    assert (told["meta"]["event"], told["items"]) == ("appointment_created", [{"appointment": row}])
    site.switch(booking_status=200)
    assert site.send("POST", "/ezycab/booking", body).status_code == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"animal": 5001}, "animal"),
        ({"contact": "contact_unknown"}, "contact"),
        ({"provider": None}, "provider"),
        ({"startTime": "2026-03-03T09:30:00"}, "startTime"),
        ({"startTime": "tomorrow"}, "startTime"),
        ({"durationMinutes": 17}, "durationMinutes"),
        ({"durationMinutes": 480}, "durationMinutes"),
        ({"appointmentStatus": "arrived"}, "appointmentStatus"),
        ({"additionalResources": "x"}, "additionalResources"),
        ({"description": 5}, "description"),
        ({"start_at": START}, "start_at"),
    ],
)
def test_section_7_a_booking_that_is_not_right_leaves_nothing(read: Client, changes: Any, field: str) -> None:
    answer = read.send("POST", "/ezycab/booking", read.booking(**changes))
    assert (answer.status_code, answer.json()["messages"][0]["fields"]) == (422, [field])
    assert read.rows("/v2/appointment") == read.rows("/v1/consult") == []


def test_section_7_availability_knows_hours_blocks_and_visits(site: Client) -> None:
    site.visit(type_id=BLOCK_TYPE, duration=3600)
    params = [("resources[]", site.uid("resource", 21)), ("dates[]", "2026-03-03"), ("dates[]", "2026-03-08")]
    params += [("duration", "30"), ("filter[slots.available][eq]", "true")]
    tuesday, sunday = site.get("/ezycab/availability", params)["data"]
    assert (tuesday["attributes"]["date"], tuesday["attributes"]["timezone"]) == ("2026-03-03", "Europe/London")
    assert tuesday["relationships"]["resource"]["id"] == site.uid("resource", 21)
    starts = [slot["start"] for slot in tuesday["attributes"]["slots"]]
    assert (starts[0], starts[-1]) == ("2026-03-03T08:00:00.000+00:00", "2026-03-03T17:30:00.000+00:00")
    assert not {"2026-03-03T09:10:00.000+00:00", "2026-03-03T10:20:00.000+00:00"} & set(starts)
    assert {"2026-03-03T09:00:00.000+00:00", "2026-03-03T10:30:00.000+00:00"} <= set(starts)
    slot = tuesday["attributes"]["slots"][0]
    types = {each["id"] for each in slot["relationships"]["appointmentType"]["data"]}
    assert (slot["duration"], slot["available"]) == (30, True)
    assert site.uid("appointmenttype", 31) in types
    assert site.uid("appointmenttype", BLOCK_TYPE) not in types
    assert sunday["attributes"]["slots"] == []
    every = site.get("/v4/calendar/availability", params[:-1])["data"][0]["attributes"]["slots"]
    assert {slot["start"] for slot in every if slot["available"]} == set(starts)
    assert len(every) > len(starts)


def test_section_7_a_taken_time_is_refused_by_switch(site: Client) -> None:
    assert site.send("POST", "/ezycab/booking", site.booking()).status_code == 201
    assert site.send("POST", "/ezycab/booking", site.booking()).status_code == 201
    site.switch(double_booking="refuse")
    assert site.send("POST", "/ezycab/booking", site.booking()).status_code == 422
    later = site.booking(startTime="2026-03-03T10:50:00+01:00")
    assert site.send("POST", "/ezycab/booking", later).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"dates[]": [f"2026-03-0{day}" for day in range(1, 9)]},
        {"dates[]": ["3 March"]},
        {"dates[]": []},
        {"resources[]": ["21"]},
        {"duration": "7"},
        {"duration": ""},
        {"filter[slots.colour][eq]": "red"},
    ],
)
def test_section_7_availability_refuses_what_it_cannot_answer(read: Client, change: dict[str, Any]) -> None:
    params: dict[str, Any] = {"resources[]": [read.uid("resource", 21)], "dates[]": ["2026-03-03"], "duration": "30"}
    assert read.http.get("/ezycab/availability", params=params).status_code == 200
    assert read.http.get("/ezycab/availability", params={**params, **change}).status_code in {400, 422}


def test_section_7_a_booking_is_found_again_among_ezycabs_appointments(site: Client) -> None:
    uid = site.send("POST", "/ezycab/booking", site.booking()).json()["appointment"]
    site.visit(start_at=START + 86400)
    doctor = site.uid("resource", 21)
    query = {
        "filter[active][eq]": "true",
        "filter[resources.uid][in]": json.dumps([doctor]),
        "filter[start_at][gte]": "2026-03-03T09:29:00.000Z",
        "filter[start_at][lte]": "2026-03-03T10:31:00.000+01:00",
        "pageSize": "50",
    }
    body = site.get("/ezycab/v2.1/appointments", query)
    [row] = body["data"]
    assert body["meta"]["nextToken"] is None
    assert (row["uid"], row["start_at"], row["active"]) == (uid, START, True)
    assert (row["animal_uid"], row["contact_uid"]) == (site.uid("animal", 5001), site.uid("contact", 1001))
    assert [(each["uid"], each["type"]) for each in row["resources"]] == [(doctor, "user")]
    assert site.get("/v2.1/calendar/appointments", {**query, "filter[resources.uid][in]": doctor})["data"] == [row]
    assert site.http.get("/ezycab/v2.1/appointments", params={"active": "true"}).status_code == 400
    assert site.http.get("/ezycab/v2.1/appointments", params={"filter[start_at][gte]": "now"}).status_code == 422


# -- section 7, attachments


def test_section_7_a_file_is_uploaded_linked_listed_and_downloaded(site: Client) -> None:
    content = bytes(range(256)) + b"\r\n--x\r\n\x1b[31m"
    fields_ = {"record_type": "Animal", "record_id": "5001", "notes": "from the owner"}
    answer = site.http.post("/v1/attachment", data=fields_, files={"file": ("a/b.pdf", content, "application/pdf")})
    assert answer.status_code == 200, answer.text
    row = answer.json()["items"][0]["attachment"]
    assert (row["name"], row["mime_type"], row["notes"]) == ("a/b.pdf", "application/pdf", "from the owner")
    again = site.made(
        "POST", "/v1/attachment", {"record_type": "Contact", "record_id": 1001, "file_id": row["file_id"]}
    )
    found = site.rows("/v1/attachment", record_type="Animal", record_id='{"in": [5001, 5002]}')
    assert found == [row]
    for each in (row, again):
        fetched = site.http.get(each["file_download_url"])
        assert (fetched.content, fetched.headers["content-type"]) == (content, "application/octet-stream")
    assert site.rows("/v1/file")[0]["name"] == "a/b.pdf"
    assert httpx.get(row["file_download_url"]).status_code == 401


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b'{"record_type": "Animal", "record_id": 5001}', "application/json", 422),
        (b'{"record_type": "animal", "record_id": 5001, "file_id": 1}', "application/json", 422),
        (b'{"record_type": ["Animal"], "record_id": 5001}', "application/json", 422),
        (b'{"record_type": "Animal", "record_id": {}, "file_id": 1}', "application/json", 422),
        (b"record_type=Animal&record_id=5001&hair=red", "application/x-www-form-urlencoded", 422),
        (b"--x\r\nno head at all\r\n--x--\r\n", "multipart/form-data; boundary=x", 400),
        (b"--x\r\n\r\ncut", "multipart/form-data; boundary=x", 400),
        (b"--x\r\n" * 50 + b"--x--", "multipart/form-data; boundary=x", 400),
        (b"--x--", "multipart/form-data", 400),
        (b"%PDF", "application/pdf", 415),
    ],
)
def test_section_7_an_upload_that_is_not_right_leaves_nothing(
    read: Client, body: bytes, media: str, status: int
) -> None:
    answer = read.http.post("/v1/attachment", content=body, headers={"Content-Type": media})
    assert answer.status_code == status, answer.text
    assert read.rows("/v1/attachment") == read.rows("/v1/file") == []


def test_section_7_a_part_of_a_file_is_served_with_its_mark(site: Client) -> None:
    number = site.simulator.attach("Animal", 5001, "a.pdf", b"0123456789")
    path = f"/v1/attachment/download/{number}"
    tag = site.http.get(path).headers["etag"]
    part = site.http.get(path, headers={"Range": "bytes=4-", "If-Range": tag})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"456789", "bytes 4-9/10")
    for headers in ({"Range": "bytes=4-", "If-Range": '"old"'}, {"Range": "bytes=10-"}, {"Range": "lines=1-2"}):
        assert (site.http.get(path, headers=headers).status_code, site.http.get(path).content) == (200, b"0123456789")
    site.switch(file_ranges="refuse")
    assert site.http.get(path, headers={"Range": "bytes=4-"}).status_code == 200


def test_section_7_vets_write_down_what_the_api_does_not_take(site: Client) -> None:
    def ask(name: str, /, **sent: Any) -> httpx.Response:
        return httpx.post(f"{site.simulator.control_url}/{name}", json=sent)

    given = {"animal": 5001, "product": 31, "description": "Rabies", "given": "2026-03-02", "due": "2027-03-02"}
    shot = ask("vaccinate", **given).json()["id"]
    [row] = site.rows("/v1/vaccination", id=shot)
    assert (row["product_id"], row["date_of_next_administration"]) == ("31", "1803945600")
    assert site.rows("/v1/consult", id=row["consult_id"])[0]["animal_id"] == "5001"
    plan = ask("enrol", animal=5001, plan=2, start="2026-03-02", end="2027-03-02", renews=True).json()["id"]
    assert site.rows("/v1/wellnessplanmembership", id=plan)[0]["renew_when_expired"] == "1"
    done = ask("treat", animal=5001, product=20, name="Worming", due="2026-06-02").json()["id"]
    assert site.rows("/v1/therapeutic", id=done)[0]["made_up_name"] == "Worming"
    file = ask("attach", record_type="Consult", record_id=1, name="a.pdf", content="JVBERg==").json()["id"]
    assert site.http.get(f"/v1/attachment/download/{file}").content == b"%PDF"
    assert ask("edit", kind="vaccination", id=shot, set={"active": False}).status_code == 200
    for name, sent in (
        ("vaccinate", {**given, "animal": 99}),
        ("vaccinate", {**given, "given": "yesterday"}),
        ("vaccinate", {}),
        ("attach", {"record_type": "Invoice", "record_id": 1, "name": "a", "content": ""}),
        ("attach", {"record_type": "Animal", "record_id": 5001, "name": "a", "content": "no base64"}),
        ("treat", {"animal": [], "product": 1, "name": "x", "due": "2026-06-02"}),
        ("enrol", {"animal": 5001, "plan": 1, "start": 5, "end": "2026-06-02"}),
    ):
        assert ask(name, **sent).status_code == 400, name


# -- sections 8 to 10


def test_section_8_one_call_may_bring_several_items(site: Client, hooks: Queue[Any]) -> None:
    site.visit()
    site.visit(start_at=START + 3600)
    for _ in range(2):
        assert len(hooks.get(timeout=5)["items"]) == 1
    site.switch(webhook_items="several")
    httpx.post(f"{site.simulator.control_url}/merge_contacts", json={"from": 1001, "into": 1002})
    calls = [hooks.get(timeout=5) for _ in range(3)]
    [moved] = [call["items"] for call in calls if call["meta"]["event"] == "appointment_updated"]
    assert [item["appointment"]["contact_id"] for item in moved] == [1002, 1002]
    assert {row["name"] for row in site.rows("/v1/webhookevents")} >= {"appointment_created", "appointment_updated"}


def test_section_9_availability_has_a_limit_of_its_own() -> None:
    with serving(
        limits="x0.1"
    ) as client:  # the token counts too: 18 per database, 6 per endpoint, 30 of availability
        free = [client.http.get("/ezycab/availability").status_code for _ in range(31)]
        assert free == [400] * 30 + [429]
        species = [client.http.get("/v1/species/1" if n % 2 else "/v1/species").status_code for n in range(7)]
        assert species == [200] * 6 + [429]
        assert client.http.get("/v1/species").headers["x-ratelimit-remaining"] == "0"
        other = client.http.get("/v4//species/")
        assert (other.status_code, other.headers["x-ratelimit-remaining"]) == (200, "5")


def test_section_9_an_error_may_come_inside_a_success(site: Client) -> None:
    site.switch(error_status="ok")
    for answer in (site.http.get("/v1/contact/4242"), site.send("POST", "/v1/contact", {"hair": "red"})):
        assert (answer.status_code, answer.json()["messages"][0]["level"]) == (200, "error")
    assert site.simulator.counts()["writes"] == 0
    site.http.headers["Authorization"] = "Bearer none"
    assert site.http.get("/v1/contact").status_code == 401


def test_section_7_the_site_may_have_divisions_and_referring_practices() -> None:
    with serving(clients=9, divisions=2, referrals=True) as client:
        assert [row["name"] for row in client.rows("/v1/separation")] == ["Main clinic", "Branch 2"]
        assert {row["ownership_id"] for row in client.rows("/v2/contact", is_customer=1, limit=50)} >= {1, 2}
        assert {row["ownership_id"] for row in client.rows("/v2/resource")} == {1, 2}
        sent = client.rows("/v2/animal", referring_clinic_id=REFERRING_CLINIC)
        assert {row["referring_vet_id"] for row in sent} == {REFERRING_VET}
        clinic = client.rows("/v2/contact", id=REFERRING_CLINIC)[0]
        assert (clinic["is_business"], clinic["is_customer"]) == (True, False)
        assert client.rows("/v2/contact", is_vet="true")[0]["id"] == REFERRING_VET
        address = client.rows("/v1/address", id=clinic["address_physical"])[0]
        assert address["country_id"] == "3"


def test_section_7_completed_visits_may_have_consults() -> None:
    twins = make_twins(1, today=MORNING.date(), clients=140, visits=30)
    with serving(twins=twins, consults=True) as client:
        consults = client.rows("/v1/consult", limit=200)
        visits = {row["consult_id"]: row for row in client.rows("/v2/appointment", limit=200)}
        assert consults
        assert [row["animal_id"] for row in consults] == [
            str(visits[int(row["id"])]["animal_id"]) for row in consults
        ]
        assert {visits[int(row["id"])]["status_id"] for row in consults} == {CODE_LISTS["status"]["completed"]}


# -- the switches


@pytest.mark.parametrize(
    "given",
    [{"hair": "red"}, {"expires_in": "never"}, {"page_cap": 0}, {"page_caps": {"contact": "x"}}, {"divisions": 2}],
)
def test_a_switch_that_cannot_be_set_changes_nothing(read: Client, given: dict[str, Any]) -> None:
    answer = read.switch(**given)
    assert (answer.status_code, set(answer.json())) == (400, {"error"})
    assert read.simulator.switches == Switches()


def test_an_option_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="hair"):
        build(hair="red")
    with pytest.raises(ValueError, match="expires_in"):
        build(expires_in="never")


def test_every_switch_stands_in_the_manual() -> None:
    page = (ROOT / "docs/connectors/ezyvet.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## The simulator's switches")
    assert [each.name for each in fields(Switches) if f"`{each.name}`" not in section] == []
