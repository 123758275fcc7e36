"""The door for marketplaces: what a browser reads after Connect, what a vendor's call does, what strangers get."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.unit.daemon.marketplaces import APP, CITY, NOBODY, NORTH, Connected
from vetbridge.connector.interface import InstallState
from vetbridge.core.errors import Unavailable
from vetbridge.daemon.assembly import Program
from vetbridge.web import throttle
from vetbridge.web.installs import VAIN_A_CALLER, routes
from vetbridge.web.throttle import Throttle

LARGEST = 4096
DOOR = f"/apps/{APP}"


@pytest.fixture
def app(tmp_path: Path) -> Connected:
    return Connected(tmp_path)


@pytest.fixture
def door(app: Connected) -> TestClient:
    program = cast(Program, SimpleNamespace(connecting={APP: app.app}))
    made = FastAPI(redirect_slashes=False)
    made.include_router(routes(program, Throttle(app.clock), largest=LARGEST))
    return TestClient(made, follow_redirects=False)


def call(event: str, location: str = CITY, *, forged: bool = False) -> dict[str, Any]:
    return {"salon_id": location, "event": event, "token": "wrong" if forged else "right"}


def test_a_browser_reads_what_became_of_every_branch(door: TestClient, app: Connected) -> None:
    app.marketplace.clicks(CITY, NOBODY)
    answer = door.get(DOOR, params={"salon_ids[]": [CITY, NOBODY, "5"]})
    assert answer.status_code == 200
    text = answer.text
    assert text.index("City Vets") < text.index("Connected. There is") < text.index(f"Branch {NOBODY}")
    assert "VetBridge does not know this branch" in text
    assert "within 60 minutes" in text
    assert text.index("Branch 5") < text.index("knows of no wish to connect")
    assert app.states == {CITY: "active", NOBODY: "pending"}


def test_it_speaks_the_browsers_language(door: TestClient, app: Connected) -> None:
    app.marketplace.clicks(CITY)
    answer = door.get(DOOR, params={"salon_id": CITY}, headers={"accept-language": "fr-CH, de-AT;q=0.8, en"})
    assert '<html lang="de">' in answer.text
    assert "Verbunden." in answer.text


def test_a_page_runs_nothing_keeps_nothing_and_tells_nobody_its_address(door: TestClient) -> None:
    answer = door.get(DOOR, params={"salon_id": CITY, "user_data": "TXJz"})
    assert "<script" not in answer.text
    assert "TXJz" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


HOSTILE = ["<script>alert(1)</script>", "\x1b[31m", "' OR 1=1 --", "١٢٣", "9" * 5000, "a&b=c", "%00", "\u202e"]


@pytest.mark.parametrize("location", HOSTILE)
def test_what_a_stranger_puts_into_the_address_is_only_text(door: TestClient, app: Connected, location: str) -> None:
    answer = door.get(
        DOOR,
        params={"salon_id": location},
        headers={"accept-language": location[:40].encode("ascii", "replace").decode().replace("\x1b", "?")},
    )
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert app.states == {}


def test_strangers_who_try_again_and_again_wait_and_the_clinic_does_not(door: TestClient, app: Connected) -> None:
    app.marketplace.clicks(CITY)
    wrong = [door.get(DOOR, params={"salon_id": CITY, "sign": "wrong"}) for _ in range(VAIN_A_CALLER + 2)]
    assert [each.status_code for each in wrong] == [400] * VAIN_A_CALLER + [429] * 2
    assert int(wrong[-1].headers["retry-after"]) == throttle.SPAN
    assert "no location" not in wrong[0].text
    assert door.get(DOOR, params={"salon_id": CITY}).status_code == 200
    assert app.states == {CITY: "active"}


def test_branches_that_the_vendor_does_not_know_are_asked_for_only_so_often(door: TestClient, app: Connected) -> None:
    answers = [door.get(DOOR, params={"salon_id": str(number)}).status_code for number in range(VAIN_A_CALLER + 3)]
    assert answers == [200] * VAIN_A_CALLER + [429] * 3
    assert app.marketplace.calls == VAIN_A_CALLER


def test_a_call_is_answered_before_the_vendor_is_asked(door: TestClient, app: Connected) -> None:
    app.connect(CITY)
    app.marketplace.stands[CITY] = InstallState.UNINSTALLED
    assert door.post(DOOR, json=call("uninstalled")).json() == {"taken": 1}
    assert app.states[CITY] == "uninstalled"
    app.marketplace.broken = Unavailable("away")
    assert door.post(DOOR, json=call("active")).status_code == 200


def test_a_forged_call_does_nothing(door: TestClient, app: Connected) -> None:
    app.connect(CITY)
    calls = app.marketplace.calls
    bodies = [call("uninstalled", forged=True), {}, [], None, "x", {"salon_id": [], "event": {}, "token": "right"}]
    assert {door.post(DOOR, content=json.dumps(each)).status_code for each in bodies} == {403}
    assert door.post(DOOR, content=b"\xff" * 100).status_code == 403
    assert (app.states[CITY], app.marketplace.calls) == ("active", calls)
    for _ in range(VAIN_A_CALLER):
        last = door.post(DOOR, json={})
    assert last.status_code == 429
    assert door.post(DOOR, json=call("payment")).status_code == 200


def test_a_body_has_a_largest_size(door: TestClient) -> None:
    body = json.dumps(call("frozen")).encode()
    assert door.post(DOOR, content=b" " * (LARGEST - len(body)) + body).status_code == 200
    assert door.post(DOOR, content=b" " * LARGEST + body).status_code == 413


def test_there_is_no_other_app_and_no_other_way(door: TestClient) -> None:
    assert door.get("/apps/other", params={"salon_id": CITY}).status_code == 404
    assert door.post("/apps/other", json=call("frozen")).status_code == 404
    assert {door.request(method, DOOR).status_code for method in ("PUT", "DELETE", "PATCH", "OPTIONS")} == {405}


def test_the_log_names_branches_and_codes_and_nothing_else(door: TestClient, app: Connected) -> None:
    app.marketplace.clicks(NORTH)
    with structlog.testing.capture_logs() as lines:
        door.get(DOOR, params={"salon_id": NORTH, "user_data": "TXJzIERvZQ=="})
        door.post(DOOR, json=call("frozen", NORTH))
        door.get(DOOR, params={"salon_id": NORTH, "sign": "wrong", "user_data": "TXJzIERvZQ=="})
    assert "TXJz" not in json.dumps(lines, default=str)
    assert {line["event"] for line in lines} == {
        "install.changed",
        "install.asked",
        "install.told",
        "install.redirect.refused",
    }
