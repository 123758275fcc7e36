"""The door for marketplaces: what a browser reads after Connect, what a vendor's call does, what strangers get."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.unit.daemon.marketplaces import APP, CITY, NOBODY, NORTH, Connected
from tests.unit.desk.practice import NOBODY as SILENT
from tests.unit.desk.practice import Desk
from vetbridge.connector.interface import InstallState
from vetbridge.core.errors import Unavailable
from vetbridge.core.installs import UNKNOWN
from vetbridge.daemon.assembly import Program, build_program
from vetbridge.ledger import going_live, installs, pauses
from vetbridge.ledger.database import Ledger
from vetbridge.web import throttle
from vetbridge.web.door import build
from vetbridge.web.installs import LARGEST_CALL, VAIN_A_CALLER, routes
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
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert answer.headers["content-security-policy"].startswith(f"default-src 'none'; style-src 'sha256-{allowed}';")
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


def test_a_number_that_everybody_may_know_lets_nobody_ask_for_others_without_end(
    door: TestClient, app: Connected
) -> None:
    app.connect(CITY)
    app.clock.advance(86_400)
    known = {
        door.get(DOOR, params={"salon_ids[]": [CITY, str(number)]}).status_code for number in range(VAIN_A_CALLER)
    }
    assert known == {200}
    calls = app.marketplace.calls
    assert door.get(DOOR, params={"salon_ids[]": [CITY, "77"]}).status_code == 429
    assert app.marketplace.calls == calls
    app.look()
    assert app.states[CITY] == "active"


def test_a_chain_that_connects_branch_by_branch_is_no_stranger(door: TestClient, app: Connected) -> None:
    for number in range(VAIN_A_CALLER + 5):
        app.marketplace.clicks(str(9000 + number))
        assert door.get(DOOR, params={"salon_id": str(9000 + number)}).status_code == 200


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


# -- with the marketplace of a real vendor's connector, which nobody answers

TOKEN = "the-partner-token-of-tests"
PERSON = json.dumps({"user_id": 7, "name": "Ann Weiss", "email": "ann@example.org", "phone": "447700900123"}).encode()


@pytest.fixture
def altegio(desk: Desk, ledger: Ledger) -> Iterator[TestClient]:
    """The whole door of a clinic with an app of Altegio's."""
    (desk.folder / "app-partner").write_text(TOKEN)
    (desk.folder / "app-partner").chmod(0o600)
    config = desk.config()
    options = {
        "application_id": "4001",
        "partner_token": {"file": "app-partner"},
        "user_token": {"file": "user"},
        "marketplace_url": f"{SILENT}/marketplace",
    }
    address = "https://bridge.clinic.example"
    config["apps"] = {APP: {"connector": "altegio", "address": address, "options": options}}
    account = config["accounts"]["altegio-city"]
    account |= {"app": APP, "options": {"location_id": CITY}}
    desk.save(config)
    with closing(build_program(desk.loaded(), desk.clock, ledger)) as program:
        yield TestClient(build(program, wake=lambda: None, health=lambda: {"status": "ok"}), follow_redirects=False)


def signed(words: bytes, key: str = TOKEN) -> dict[str, str]:
    sign = hmac.new(key.encode(), words, "sha256").hexdigest()
    return {"user_data": base64.b64encode(words).decode(), "user_data_sign": sign}


def test_a_vendors_own_redirect_is_taken_and_its_person_is_told_nobody(altegio: TestClient, ledger: Ledger) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = altegio.get(DOOR, params={"salon_ids[]": [CITY, NORTH], **signed(PERSON)})
    assert answer.status_code == 200
    assert answer.text.count("the marketplace does not answer") == 2
    assert "Weiss" not in answer.text + json.dumps(lines, default=str)
    with ledger.read() as tx:
        assert installs.of(tx, APP) == (), "nobody has asked the vendor yet"


WRONG: list[dict[str, Any]] = [
    {},
    {"salon_id": CITY},
    {"salon_id": CITY, **signed(PERSON, "another key")},
    {"salon_id": CITY, **signed(PERSON), "user_data": base64.b64encode(PERSON + b" ").decode()},
    {"salon_id": CITY, **signed(PERSON), "user_data_sign": ""},
    {"salon_id": CITY, **signed(PERSON), "user_data_sign": "\u00e9" * 64},
    {"salon_id": CITY, **signed(PERSON), "user_data": "%%%"},
    {"salon_id": "../../etc", **signed(PERSON)},
    {"salon_id": "9" * 400, **signed(PERSON)},
    {"salon_ids[]": [], **signed(PERSON)},
    {"salon_ids[]": [str(number) for number in range(250)], **signed(PERSON)},
]


@pytest.mark.parametrize("query", WRONG, ids=range(len(WRONG)))
def test_a_redirect_that_is_not_the_vendors_is_refused_without_a_reason(
    altegio: TestClient, query: dict[str, Any]
) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = altegio.get(DOOR, params=query)
    assert answer.status_code == 400
    assert "click Connect there once more" in answer.text
    assert [line["event"] for line in lines] == ["install.redirect.refused"]
    assert TOKEN not in answer.text + json.dumps(lines, default=str)


def test_a_vendors_own_call_is_believed_where_it_cannot_be_asked(altegio: TestClient, ledger: Ledger) -> None:
    with ledger.write() as tx:
        installs.stands(tx, APP, CITY, "active")
        going_live.meet(tx, "city", start_live=True)
    told = {"salon_id": int(CITY), "application_id": 4001, "event": "uninstall"}
    assert altegio.post(DOOR, json={**told, "partner_token": "guessed"}).status_code == 403
    with ledger.read() as tx:
        assert going_live.ended(tx) == set()
    assert altegio.post(DOOR, json={**told, "partner_token": TOKEN}).status_code == 200
    with ledger.read() as tx:
        row = installs.get(tx, APP, CITY)
        assert row is not None
        assert row.state == UNKNOWN
        assert pauses.paused(tx, "account") == {"altegio-city"}
        assert going_live.ended(tx) == set(), "it may be a call of last year"


def test_a_call_is_a_few_fields_and_no_more_is_read(altegio: TestClient) -> None:
    assert altegio.post(DOOR, content=b" " * LARGEST_CALL).status_code == 403
    assert altegio.post(DOOR, content=b" " * (LARGEST_CALL + 1)).status_code == 413
