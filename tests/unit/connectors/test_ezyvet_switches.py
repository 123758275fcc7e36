"""Every fault switch of the ezyVet simulator over real HTTP: what a client sees of it, and what stands afterwards."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from connectors.ezyvet.simulator import CODE_LISTS, FRESH_USES, EzyVetSimulator, build
from vetbridge.testing.clock import START as MORNING
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit import FAULTS
from vetbridge.testing.simkit.simulator import CUT_AT

CLIENTS = 30
FIRST_VISIT = 1_790_000_000
LATE, LAG, SKEW = 5.0, 3.0, 240.0
SCOPE = " ".join(f"{right}-{name}" for right in ("read", "write") for name in ("contact", "animal", "appointment"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def simulator(clock: FakeClock) -> Iterator[EzyVetSimulator]:
    with build(
        clients=CLIENTS, clock=clock, late_seconds=LATE, lag_seconds=LAG, skew_seconds=SKEW, webhook_delay=0.0
    ) as running:
        yield running


@pytest.fixture
def caller(simulator: EzyVetSimulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.base_url, timeout=10) as client:
        asked = {**simulator.credentials, "grant_type": "client_credentials", "scope": SCOPE}
        token = client.post("/v1/oauth/access_token", json=asked).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def book(caller: httpx.Client, **changes: Any) -> httpx.Response:
    body = {
        "start_at": FIRST_VISIT,
        "duration": 900,
        "type_id": CODE_LISTS["appointment_type"]["checkup"],
        "status_id": CODE_LISTS["status"]["booked"],
        "animal_id": 5001,
        "contact_id": 1001,
        "description": "limping",
        "resources": [{"id": 21}],
    }
    return caller.post("/v2/appointment", json={**body, **changes})


def visits(simulator: EzyVetSimulator) -> int:
    return len(simulator.store.all("appointment"))


def test_all_faults_are_offered() -> None:
    assert EzyVetSimulator.offered() == frozenset(FAULTS)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("429", {"x-ratelimit-reset": "1"}),
        ("429_retry_after", {"x-ratelimit-reset": "1", "retry-after": "1"}),
        ("429_bare", {}),
    ],
)
def test_one_call_too_many_says_in_its_own_way_how_long_to_wait(
    simulator: EzyVetSimulator, caller: httpx.Client, fault: str, told: dict[str, str]
) -> None:
    simulator.faults.arm(fault)
    answer = book(caller)
    assert answer.status_code == 429
    headers = {name: answer.headers[name] for name in ("x-ratelimit-reset", "retry-after") if name in answer.headers}
    assert headers == told
    assert ("1 seconds" in answer.text) is bool(told)
    assert visits(simulator) == 0
    assert book(caller).status_code == 200


def test_a_late_write_is_not_answered_and_lands_when_nobody_waits_any_more(
    simulator: EzyVetSimulator, caller: httpx.Client, clock: FakeClock
) -> None:
    simulator.faults.arm("late_landing")
    with pytest.raises(httpx.RemoteProtocolError):
        book(caller)
    clock.advance(LATE - 0.1)
    assert caller.get("/v2/appointment").json()["items"] == []
    assert simulator.counts()["writes"] == 0
    clock.advance(0.2)
    assert len(caller.get("/v2/appointment").json()["items"]) == 1
    assert simulator.counts()["writes"] == 1


def test_a_late_write_lands_by_itself(caller: httpx.Client) -> None:
    with build(clients=1, late_seconds=0.05) as quick:
        landed = threading.Event()
        quick.store.inserted = lambda kind, _id: landed.set() if kind == "appointment" else None
        asked = {**quick.credentials, "grant_type": "client_credentials", "scope": SCOPE}
        with httpx.Client(base_url=quick.base_url) as client:
            token = client.post("/v1/oauth/access_token", json=asked).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            quick.faults.arm("late_landing")
            with pytest.raises(httpx.RemoteProtocolError):
                book(client)
        assert landed.wait(10)


def test_a_late_write_that_is_refused_is_refused_late(
    simulator: EzyVetSimulator, caller: httpx.Client, clock: FakeClock
) -> None:
    simulator.faults.arm("late_landing")
    with pytest.raises(httpx.RemoteProtocolError):
        book(caller, type_id=9999)
    clock.advance(LATE)
    assert caller.get("/v2/appointment").json()["items"] == []
    simulator.faults.arm("late_landing")
    assert httpx.post(f"{simulator.base_url}/v2/appointment", json={}).status_code == 401


@pytest.mark.parametrize("fault", ["cut_json", "html_for_json"])
def test_an_answer_that_is_no_json_comes_after_the_write(
    simulator: EzyVetSimulator, caller: httpx.Client, fault: str
) -> None:
    simulator.faults.arm(fault)
    answer = book(caller)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert ("text/html" in answer.headers["content-type"]) is (fault == "html_for_json")
    assert visits(simulator) == 1
    simulator.faults.arm(fault)
    with pytest.raises(json.JSONDecodeError):
        caller.get("/v2/appointment").json()
    assert caller.get("/v2/appointment").json()["items"]


def test_rows_shift_between_pages_and_are_counted(simulator: EzyVetSimulator, caller: httpx.Client) -> None:
    def page(number: int) -> tuple[list[int], int]:
        body = caller.get("/v2/animal", params={"page": number, "limit": 5}).json()
        return [item["animal"]["id"] for item in body["items"]], body["meta"]["items_total"]

    (first, total), (second, _), (third, _) = page(1), page(2), page(3)
    simulator.faults.set({"page_shift": 1.0})
    assert page(1) == (first, total)
    seen = [page(2) for _ in range(20)]
    assert ([first[-1], *second[:-1]], total + 1) in seen  # a row came in front of them
    assert ([*second[1:], third[0]], total - 1) in seen  # a row in front of them went
    assert len({tuple(ids) for ids, _ in seen}) == 2


def test_what_was_just_made_is_not_listed_yet(
    simulator: EzyVetSimulator, caller: httpx.Client, clock: FakeClock
) -> None:
    number = book(caller).json()["items"][0]["appointment"]["id"]
    simulator.faults.set({"lagging_search": 1.0})
    assert caller.get("/v2/appointment").json()["items"] == []
    assert caller.get("/v2/appointment").json()["meta"]["items_total"] == 0
    assert caller.get(f"/v2/appointment/{number}").json()["items"]
    assert caller.get("/v2/animal", params={"limit": 5}).json()["items"], "old rows do not lag"
    clock.advance(LAG)
    assert caller.get("/v2/appointment").json()["items"]


def test_a_long_text_is_kept_in_part(simulator: EzyVetSimulator, caller: httpx.Client) -> None:
    simulator.faults.set({"cut_fields": 1.0})
    long, short = (book(caller, description=text).json()["items"][0] for text in ("x" * 200, "short"))
    assert long["appointment"]["description"] == "x" * CUT_AT
    assert short["appointment"]["description"] == "short"


def test_rows_come_without_some_of_their_fields_but_never_without_their_id(
    simulator: EzyVetSimulator, caller: httpx.Client
) -> None:
    whole = caller.get("/v2/animal", params={"limit": 20}).json()["items"]
    simulator.faults.set({"missing_fields": 1.0})
    thin = caller.get("/v2/animal", params={"limit": 20}).json()["items"]
    for before, after in zip(whole, thin, strict=True):
        assert after["animal"].items() < before["animal"].items()
        assert after["animal"]["id"] == before["animal"]["id"]
    assert len({frozenset(item["animal"]) for item in thin}) > 1


def test_a_token_may_end_between_two_pages(simulator: EzyVetSimulator, caller: httpx.Client) -> None:
    for number in range(1, FRESH_USES + 1):
        simulator.faults.arm("token_expiry")
        assert caller.get("/v2/animal", params={"page": number}).status_code == 200, "it is new"
    simulator.faults.arm("token_expiry")
    assert caller.get("/v2/animal", params={"page": 2}).status_code == 401
    assert caller.get("/v2/animal", params={"page": 2}).status_code == 401, "it is gone for good"


@pytest.mark.parametrize(("fault", "off"), [("clock_ahead", SKEW), ("clock_behind", -SKEW)])
def test_the_vendors_clock_is_off_in_stamps_and_envelopes(
    simulator: EzyVetSimulator, caller: httpx.Client, fault: str, off: float
) -> None:
    simulator.faults.arm(fault)
    wrong, right = book(caller).json(), book(caller).json()
    moment = MORNING.timestamp()
    assert wrong["meta"]["timestamp"] == wrong["items"][0]["appointment"]["modified_at"] == moment + off
    assert right["meta"]["timestamp"] == right["items"][0]["appointment"]["modified_at"] == moment


def test_a_webhook_may_never_come(simulator: EzyVetSimulator, caller: httpx.Client) -> None:
    httpx.post(f"{simulator.control_url}/webhooks", json={"urls": ["http://127.0.0.1:9/"]})
    simulator.faults.arm("webhook_silence")
    book(caller)
    assert simulator.counts()["webhooks"]["queued"] == 0
    book(caller)
    assert simulator.counts()["webhooks"]["queued"] == 1


@pytest.mark.parametrize(
    ("fault", "status", "done"), [("5xx_before", 500, 0), ("5xx_after", 500, 1), ("outage", 503, 0)]
)
def test_a_fault_of_the_vendors_may_come_before_or_after_the_write(
    simulator: EzyVetSimulator, caller: httpx.Client, fault: str, status: int, done: int
) -> None:
    simulator.faults.arm(fault)
    assert book(caller).status_code == status
    assert visits(simulator) == done


def test_what_happened_is_counted(simulator: EzyVetSimulator, caller: httpx.Client) -> None:
    simulator.faults.arm("429")
    simulator.faults.set({"lagging_search": 1.0})
    book(caller)
    book(caller)
    caller.get("/v2/appointment")
    assert simulator.faults.happened["429"] == 1
    assert simulator.faults.happened["lagging_search"] == 1
