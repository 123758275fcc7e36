"""The JSON API: who may do what, what it answers, and what it says where something cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from tests.rig import Rig
from tests.unit.desk.practice import Desk, Parked, Settled, park
from tests.unit.web.served import Served, pages
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind
from vetbridge.core.roles import Role, may
from vetbridge.desk import staff
from vetbridge.ledger import audit, worklist
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Change, ChangeState
from vetbridge.web import rehearsing
from vetbridge.web.frame import TOKENS_A_CALLER, Frame
from vetbridge.web.pages import application

HUGE = 2**63
LINK = {"choice": "link", "client_id": "1002"}
ROUTES: Mapping[tuple[str, str], tuple[Role, Any]] = {
    ("GET", "/status"): (Role.READER, None),
    ("GET", "/review"): (Role.READER, None),
    ("GET", "/review/{number}"): (Role.READER, None),
    ("POST", "/review/{number}/claim"): (Role.RECEPTION, {}),
    ("POST", "/review/{number}/release"): (Role.RECEPTION, None),
    ("POST", "/review/{number}/assign"): (Role.RECEPTION, {"to": "Ben"}),
    ("POST", "/review/{number}/note"): (Role.RECEPTION, {"text": "rings back"}),
    ("POST", "/review/{number}/answer"): (Role.RECEPTION, LINK),
    ("POST", "/review/{number}/undo"): (Role.RECEPTION, {}),
    ("POST", "/review/{number}/later"): (Role.RECEPTION, {}),
    ("GET", "/clients"): (Role.READER, None),
    ("GET", "/find"): (Role.READER, None),
    ("GET", "/changes"): (Role.READER, None),
    ("GET", "/changes/{number}"): (Role.READER, None),
    ("POST", "/changes/acknowledge"): (Role.SUPPORT, {"selection": {"numbers": [1]}}),
    ("POST", "/replays"): (Role.SUPPORT, {"selection": {"numbers": [1]}}),
    ("GET", "/worklist"): (Role.READER, None),
    ("POST", "/worklist/{number}/done"): (Role.RECEPTION, None),
    ("POST", "/worklist/{number}/undone"): (Role.RECEPTION, None),
    ("GET", "/audit"): (Role.ADMIN, None),
}
"""Every operation, the role it takes, and a body that it takes."""


class Caller:
    """A program that speaks to the API."""

    def __init__(self, client: TestClient, token: str = "") -> None:
        self.client = client
        self.headers = {"authorization": f"Bearer {token}"} if token else {}

    def ask(self, method: str, path: str, json: Any = None, **more: Any) -> httpx.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        return self.client.request(method, f"/api/v1{path}", json=json, headers=headers, **more)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.ask("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, json: Any = None) -> Any:
        answer = self.ask("POST", path, json)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, status: int, method: str, path: str, json: Any = None, **more: Any) -> Any:
        """The problem that such a request meets."""
        answer = self.ask(method, path, json, **more)
        assert answer.status_code == status, (path[:80], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert problem["type"] == f"urn:vetbridge:problem:{problem['code']}"
        return problem


def caller(served: Served, name: str = "Ann", role: Role = Role.RECEPTION) -> Caller:
    """A caller with the token of somebody, who is added."""
    served.add(name, role)
    with served.ledger.write() as tx:
        token = staff.new_token(tx, name, by="tests")
    return Caller(served.anonymous().raw, token)


@pytest.fixture
def ann(served: Served, parked: Parked) -> Caller:
    return caller(served)


# -- who ----------------------------------------------------------------------------------------------------------


def test_every_operation_takes_its_role(served: Served, parked: Parked) -> None:
    callers = {role: caller(served, f"{role} one", role) for role in Role}
    described = callers[Role.READER].get("/openapi.json")["paths"]
    assert {(method.upper(), path) for path, each in described.items() for method in each} == set(ROUTES)
    for (method, path), (needed, body) in ROUTES.items():
        assert f"`{needed}`" in described[path][method.lower()]["description"]
        for role, one in callers.items():
            query = "?q=harris" if path == "/clients" else ""
            address = path.replace("{number}", "1") + query
            if may(role, needed):
                assert one.ask(method, address, body).status_code in {200, 404, 409}, (path, role)
            else:
                assert needed in one.refused(403, method, address, body)["detail"]


def test_without_a_token_nothing_is_said(served: Served) -> None:
    guest = Caller(served.anonymous().raw)
    for given in (None, "", "Bearer", "Bearer nobody's", "Basic YW5uOng="):
        headers = {} if given is None else {"authorization": given}
        for path in ("/review", "/openapi.json", "/nowhere", "/review/x%0Ay"):
            answer = guest.ask("GET", path, headers=headers)
            assert answer.status_code == 401, (given, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["code"] == "no-token"


def test_a_cookie_opens_nothing(served: Served, parked: Parked) -> None:
    browser = served.browser("Ann", Role.ADMIN)
    assert browser.get("/review").status_code == 200
    assert browser.get("/api/v1/review").status_code == 401


def test_a_token_ends_with_whoever_has_it(served: Served, ann: Caller) -> None:
    ann.get("/review")
    with served.ledger.write() as tx:
        staff.remove(tx, "Ann", by="tests")
    ann.refused(401, "GET", "/review")


def test_who_guesses_tokens_has_to_wait(served: Served, ann: Caller) -> None:
    guest = Caller(served.anonymous().raw, "guessed")
    for _ in range(TOKENS_A_CALLER):
        guest.refused(401, "GET", "/status")
    answer = guest.ask("GET", "/status")
    assert answer.status_code == 429
    assert answer.json()["code"] == "throttled"
    assert int(answer.headers["retry-after"]) > 0
    served.clock.advance(int(answer.headers["retry-after"]) + 1)
    ann.get("/status")


def test_answers_bear_the_strict_headers(ann: Caller) -> None:
    for path in ("/review", "/nowhere", "/openapi.json"):
        headers = ann.ask("GET", path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


# -- what it answers ----------------------------------------------------------------------------------------------


def test_it_says_what_the_commands_say(served: Served, desk: Desk, ann: Caller) -> None:
    assert ann.get("/review/1").items() >= _same(desk.data("review", "show", "1")).items()
    assert [each["id"] for each in ann.get("/review")["items"]] == [1]
    assert ann.get("/changes/1") == desk.data("changes", "show", "1")
    assert ann.get("/changes")["changes"] == desk.data("changes", "list")["changes"]
    assert ann.get("/clients", q="harris")["found"] == desk.data("review", "search", "harris")
    assert ann.get("/find", text="harris") == desk.data("find", "harris")
    assert ann.get("/worklist")["lines"] == desk.data("worklist", "list")
    assert ann.get("/status")["sites"] == desk.data("status")["sites"]


def _same(shown: dict[str, Any]) -> dict[str, Any]:
    """Without what changes as time goes by: the command looks ten minutes later."""
    return {key: value for key, value in shown.items() if key != "waits"}


def test_an_answer_is_carried_out_by_the_engine(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.refresher.pass_()
    client = rig.owner("John", "Smith", "+447912000001", "Bella")
    rig.refresher.pass_()
    rig.book("Peter", "Jones", "+447912000001", "Rocky")
    rig.run()
    config = SimpleNamespace(sites=rig.sites(), accounts={"booking": None, "pims": None})
    program: Any = SimpleNamespace(ledger=rig.ledger, loaded=SimpleNamespace(config=config), clock=rig.clock)
    woken: list[str] = []
    frame = Frame(program, pages=pages(), wake=lambda: woken.append("wake"), health=dict)
    with rig.ledger.write() as tx:
        staff.add(tx, "Ann", Role.RECEPTION, password_hash=None, by="tests")
        token = staff.new_token(tx, "Ann", by="tests")
    ann = Caller(TestClient(application(frame), base_url="http://localhost"), token)

    (item,) = ann.get("/review")["items"]
    answer = {"choice": "link", "client_id": client, "pet_id": "booked", "seen": item["seen"]}
    planned = ann.post(f"/review/{item['id']}/answer", {**answer, "plan": True})
    assert (planned["state"], woken) == ("planned", [])
    given = ann.post(f"/review/{item['id']}/answer", answer)
    assert given["consequence"] == planned["consequence"]
    assert (given["state"], woken) == ("written-down", ["wake"])

    rig.run()
    after = ann.get(f"/review/{item['id']}")
    assert after["given"]["applied_at"] is not None
    assert after["became"] == "Ann answered 'link' just now"
    (visit,) = rig.visits()
    owner, pet = rig.pims.row(Kind.CLIENT, visit["owner"]), rig.pims.row(Kind.PET, visit["pet"])
    assert owner is not None
    assert pet is not None
    assert (owner["name"]["family"], pet["name"]) == ("Smith", "Rocky")


def test_what_is_done_is_audited_as_done_by_the_api(served: Served, ledger: Ledger, ann: Caller) -> None:
    ann.post("/review/1/claim", {})
    ann.post("/review/1/note", {"text": "She  rings\nback"})
    item = ann.post("/review/1/assign", {"to": "Ben"})
    assert (item["claimed_by"], item["assigned_to"]) == ("Ann", "Ben")
    assert [(each["by"], each["text"]) for each in item["notes"]] == [("Ann", "She rings back")]
    ann.post("/review/1/release")
    assert ann.post("/review/1/later", {"hours": 2})["message"].startswith("Not now")
    ann.post("/review/1/answer", LINK)
    assert ann.post("/review/1/undo", {})["state"] == "reopened"
    with ledger.read() as tx:
        done = [(entry.act, entry.via) for entry in reversed(audit.entries(tx, by="Ann"))]
    acts = ["claimed", "noted", "assigned", "given-up", "put-off", "answered", "taken-back"]
    assert done == [(act, "api") for act in acts]
    entries = caller(served, "Eve", Role.ADMIN).get("/audit", by="Ann", limit=3)
    assert [each["act"] for each in entries["entries"]] == ["taken-back", "answered", "put-off"]


def test_the_undo_of_an_answer_leaves_a_newer_one(served: Served, ann: Caller) -> None:
    ann.post("/review/1/answer", LINK)
    first = ann.get("/review/1")["given"]["at"]
    ann.post("/review/1/undo", {"given_at": first, "plan": True})
    assert ann.post("/review/1/undo", {"given_at": first})["state"] == "reopened"
    served.clock.advance(10)
    caller(served, "Ben").post("/review/1/answer", LINK)
    for more in ({}, {"plan": True}):
        problem = ann.refused(409, "POST", "/review/1/undo", {"given_at": first, **more})
        assert problem["code"] == "changed-meanwhile"
    assert ann.get("/review/1")["given"]["by"] == "Ben"
    for odd in ("yesterday", "2026-01-01T00:00:00", 5):
        assert ann.refused(422, "POST", "/review/1/undo", {"given_at": odd})["code"] == "not-understood"
    assert ann.post("/review/1/undo", {"given_at": None})["state"] == "reopened"


def test_bookings_of_the_same_people_are_answered_together(served: Served, desk: Desk, ann: Caller) -> None:
    for number in (2, 3):
        park(
            served.ledger,
            Instant(desk.clock.now() + timedelta(hours=number), "Europe/London"),
            remote_id=f"3{number}",
        )
    siblings = ann.get("/review/1")["siblings"]
    assert [each["item"] for each in siblings] == [2, 3]
    ann.post("/review/3/answer", LINK)
    given = ann.post("/review/1/answer", {**LINK, "also": siblings})
    assert [each.get("state", each.get("code")) for each in given["also"]] == ["written-down", "not-open"]
    assert "Ann answered 'link'" in given["also"][1]["detail"]


def test_strangers_are_not_answered_alike(served: Served, desk: Desk, ledger: Ledger, ann: Caller) -> None:
    park(ledger, Instant(desk.clock.now() + timedelta(hours=2), "Europe/London"), remote_id="32", why="conflict")
    also = [{"item": 2, "seen": ann.get("/review/2")["seen"]}]
    assert ann.refused(409, "POST", "/review/1/answer", {**LINK, "also": also})["code"] == "no-sibling"
    assert ann.get("/review/1")["state"] == "open"


def test_pages_follow_each_other(served: Served, desk: Desk, settled: Settled, ann: Caller) -> None:
    for number in range(2, 6):
        settled(ChangeState.FAILED, "mapping", remote_id=f"m{number}")
        start = Instant(desk.clock.now() + timedelta(hours=number), "Europe/London")
        park(served.ledger, start, remote_id=f"4{number}")
    for path, part, ids in (("/changes", "changes", [*range(9, 0, -1)]), ("/review", "items", [*range(1, 6)])):
        found: list[int] = []
        after: dict[str, int] = {}
        for _ in range(len(ids)):
            page = ann.get(path, limit=2, **after)
            found += [each["id"] for each in page[part]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert found == ids
    ann.post("/review/2/answer", LINK)
    assert ann.refused(409, "GET", "/review?after=2")["code"] == "page-gone"


def test_a_list_holds_what_is_asked_for(served: Served, settled: Settled, ann: Caller) -> None:
    failed = settled(ChangeState.FAILED, "mapping")
    settled(ChangeState.SKIPPED, "not-ours")
    found = ann.get("/changes", state=["failed", "review"], site="city", since="2020-01-01T00:00:00Z")
    assert [each["state"] for each in found["changes"]] == ["failed", "review"]
    (group,) = found["groups"]
    assert (group["letter"], group["name"], group["count"]) == ("A", "mapping@altegio-city", 1)
    assert [each["id"] for each in ann.get("/changes", group="A")["changes"]] == [failed]
    assert ann.get("/changes", until="0001-01-01T00:00:00+14:00")["changes"] == []
    assert ann.get("/find", day="9999-12-31")["visits"] == []
    assert ann.get("/review", mine=True)["items"] == []
    ann.post("/review/1/assign", {"to": "Ann"})
    assert [each["id"] for each in ann.get("/review", mine=True)["items"]] == [1]


def test_a_failure_is_acknowledged(served: Served, settled: Settled, parked: Parked) -> None:
    sue = caller(served, "Sue", Role.SUPPORT)
    failed = settled(ChangeState.FAILED, "mapping")
    group = {"selection": {"group": "A"}}
    assert sue.post("/changes/acknowledge", {**group, "plan": True}) == {
        "changes": [failed],
        "acknowledged": 0,
        "not_failed": [],
        "planned": True,
    }
    assert sue.post("/changes/acknowledge", group)["acknowledged"] == 1
    assert sue.get("/changes", state="failed")["acknowledged"] == 1
    assert sue.refused(404, "POST", "/changes/acknowledge", group)["code"] == "unknown-group"
    numbers = {"selection": {"numbers": [failed, 1]}}
    assert sue.post("/changes/acknowledge", numbers)["not_failed"] == [1]


def test_a_change_is_replayed(
    served: Served, settled: Settled, parked: Parked, monkeypatch: pytest.MonkeyPatch
) -> None:
    sue = caller(served, "Sue", Role.SUPPORT)
    failed = settled(ChangeState.FAILED, "mapping")
    monkeypatch.setattr(rehearsing, "rehearse", lambda _frame, chosen, *, side, anyway: (chosen.replays, set()))
    asked = {"selection": {"codes": ["mapping"]}}
    planned = sue.post("/replays", {**asked, "plan": True})
    assert (planned["planned"], planned["replayed"], served.woken) == (1, 0, [])
    done = sue.post("/replays", asked)
    (replayed,) = done["replays"]
    assert (done["replayed"], replayed["change"]) == (1, failed)
    assert served.woken == ["wake"]
    assert sue.get(f"/changes/{replayed['new_change']}")["change"]["replay_of"] == failed
    refused = sue.post("/replays", {"selection": {"numbers": [failed, 9999]}})["replays"]
    assert [each["reason"] for each in refused] == ["still-open", "unknown-change"]


def test_a_line_is_done(served: Served, ledger: Ledger, ann: Caller) -> None:
    with ledger.write() as tx:
        row = tx.session.get_one(Change, 1)
        worklist.put(
            tx,
            row,
            account="ezyvet-city",
            kind=Kind.APPOINTMENT,
            remote_id="77",
            task=worklist.RELINK,
            visit_at=None,
            details={"client_id": "1002"},
        )
    (line,) = ann.get("/worklist")["lines"]
    (step,) = line["steps"]
    assert (step["field"], step["value"], step["words"]) == ("client_id", "1002", "James Harris (1002)")
    assert ann.post(f"/worklist/{line['id']}/done")["state"] == "done"
    assert served.woken == ["wake"]
    assert ann.refused(404, "POST", "/worklist/99/done")["code"] == "unknown-line"


# -- what cannot be -----------------------------------------------------------------------------------------------


def test_two_people_answer_and_one_is_told(served: Served, ann: Caller) -> None:
    seen = ann.get("/review/1")["seen"]
    ann.post("/review/1/answer", {**LINK, "seen": seen})
    problem = caller(served, "Ben").refused(409, "POST", "/review/1/answer", {"choice": "new", "seen": seen})
    assert problem["code"] == "not-open"
    assert "Ann answered 'link'" in problem["detail"]


def test_of_two_at_the_same_moment_one_wins(served: Served, ann: Caller) -> None:
    callers = [ann, caller(served, "Ben")]
    ready = Barrier(2)

    def answer(one: Caller) -> httpx.Response:
        ready.wait(10)
        return one.ask("POST", "/review/1/answer", LINK)

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(answer, callers), key=lambda each: each.status_code)
    assert [each.status_code for each in answers] == [200, 409]
    assert answers[1].json()["code"] == "not-open"


def test_a_question_that_somebody_has_is_theirs(served: Served, ann: Caller) -> None:
    ben = caller(served, "Ben")
    ann.post("/review/1/claim", {})
    for path, body in (("claim", {}), ("answer", LINK), ("later", {})):
        problem = ben.refused(409, "POST", f"/review/1/{path}", body)
        assert problem["code"] == "claimed"
        assert "Ann has been at item 1" in problem["detail"]
    assert ben.post("/review/1/claim", {"take": True})["claimed_by"] == "Ben"


def test_an_answer_to_what_has_changed_is_not_taken(ann: Caller) -> None:
    problem = ann.refused(409, "POST", "/review/1/answer", {**LINK, "seen": "0123456789abcdef"})
    assert problem["code"] == "changed-meanwhile"
    assert "seen" in problem["advice"]


ANSWERS: list[tuple[int, str, Any]] = [
    (409, "choice-not-offered", {"choice": "allow"}),
    (409, "unknown-candidate", {"choice": "link"}),
    (409, "unknown-candidate", {"choice": "link", "client_id": "900"}),
    (422, "not-understood", {"choice": "undo"}),
    (422, "not-understood", {}),
    (422, "not-understood", {**LINK, "clientid": "1002"}),
    (422, "not-understood", {**LINK, "pet_id": "a\0b"}),
    (422, "not-understood", {**LINK, "client_id": "9" * 10_000}),
    (422, "not-understood", {**LINK, "take": "yes"}),
    (422, "not-understood", {**LINK, "also": [{"item": HUGE, "seen": "0123456789abcdef"}]}),
]


def test_an_answer_that_cannot_be_meant_is_refused(ann: Caller) -> None:
    for status, code, body in ANSWERS:
        assert ann.refused(status, "POST", "/review/1/answer", body)["code"] == code
    assert ann.get("/review/1")["state"] == "open"


QUESTIONS = [
    (404, "GET", "/review/99"),
    (404, "GET", f"/review/{HUGE - 1}"),
    (422, "GET", f"/review/{HUGE}"),
    (422, "GET", "/review/0"),
    (422, "GET", f"/changes/{'9' * 5000}"),
    (422, "GET", f"/changes?after={HUGE}"),
    (422, "GET", "/changes?limit=201"),
    (409, "GET", "/worklist?after=100"),
    (422, "GET", "/changes?states=failed"),
    (404, "GET", "/changes?site=nowhere"),
    (404, "GET", "/changes?group=Z"),
    (422, "GET", "/find?day=today"),
    (422, "GET", "/changes?since=2026-11-21"),
    (422, "GET", f"/clients?q={'x' * 10_000}"),
    (422, "GET", "/clients"),
    (404, "GET", "/nowhere"),
    (404, "GET", "/review/"),
    (405, "DELETE", "/review/1"),
    (422, "POST", "/review/1/claim"),
]


def test_what_cannot_be_asked_for_is_said(ann: Caller) -> None:
    for status, method, path in QUESTIONS:
        ann.refused(status, method, path)


BODIES = [
    (415, "text/plain", b"{}"),
    (415, "application/x-www-form-urlencoded", b"text=x"),
    (400, "application/json", b'{"text": "\xff"}'),
    (422, "application/json", b'{"text": "\\ud800"}'),
    (422, "application/json", b'{"text": '),
    (422, "application/json", b'{"text": "\\u0001\\u200b"}'),
    (400, "application/json", b'{"text": ' + b"9" * 5000 + b"}"),
    (413, "application/json", b'{"text": "' + b"x" * 70_000 + b'"}'),
    (422, "application/json", b'{"text": "' + b"x" * 1001 + b'"}'),
    (422, "application/json", b"[" * 500 + b"]" * 500),
]


def test_a_body_that_is_none_is_refused(ann: Caller) -> None:
    for status, kind, body in BODIES:
        ann.refused(status, "POST", "/review/1/note", content=body, headers={"content-type": kind})
    assert ann.get("/review/1")["notes"] == []


def test_a_refusal_repeats_nothing_that_was_sent(ann: Caller) -> None:
    name = "Weiss-Ostrander"
    body = {"choice": name, "client_id": [name], "pet_id": {"x": name}}
    assert name not in str(ann.refused(422, "POST", "/review/1/answer", body))


def test_what_goes_wrong_inside_says_a_number_and_no_more(
    ann: Caller, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("Mrs Weiss")

    monkeypatch.setattr("vetbridge.web.api.status.desk.status", broken)
    problem = ann.refused(500, "GET", "/status")
    assert problem["code"] == "broken"
    assert "Weiss" not in str(problem)
