"""The webhook door: who is taken for a vendor, and what everybody else learns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
import structlog
from fastapi.testclient import TestClient

from tests.unit.desk.practice import Desk
from vetbridge.daemon.assembly import build_program
from vetbridge.ledger.database import Ledger
from vetbridge.web import throttle
from vetbridge.web.door import LARGEST_HOOK, SECRETS_A_CALLER, build

SECRET = "a-hook-secret-of-altegio"
GOOD = f"/hooks/altegio-city/{SECRET}"
EVENT = {"company_id": 101001, "resource": "record", "resource_id": 81001, "status": "create"}


@pytest.fixture
def vendor(desk: Desk, ledger: Ledger) -> Iterator[TestClient]:
    """Whoever posts, to a door of which only one account takes webhooks."""
    config = desk.config()
    (desk.folder / "hook").write_text(SECRET)
    (desk.folder / "hook").chmod(0o600)
    config["accounts"]["altegio-city"]["hook_secret"] = {"file": "hook"}
    desk.save(config)
    with closing(build_program(desk.loaded(), desk.clock, ledger)) as program:
        yield TestClient(build(program, wake=lambda: None, health=lambda: {"status": "ok"}), follow_redirects=False)


WRONG = [
    f"/hooks/altegio-city/{SECRET}x",
    f"/hooks/altegio-city/{SECRET[:-1]}",
    f"/hooks/altegio-city/{SECRET.upper()}",
    "/hooks/altegio-city/%C3%BC",
    f"/hooks/ezyvet-city/{SECRET}",
    f"/hooks/nobody/{SECRET}",
    "/hooks/ezyvet-city/x",
    "/hooks/nobody/None",
]


def told(answer: httpx.Response) -> tuple[int, bytes, list[str]]:
    """All that an answer tells."""
    return answer.status_code, answer.content, sorted(answer.headers)


def test_a_wrong_secret_an_account_without_one_and_no_account_are_alike(vendor: TestClient) -> None:
    assert vendor.post(GOOD, json=EVENT).json() == {"taken": 1}
    first, *others = [told(vendor.post(path, json=EVENT)) for path in WRONG]
    assert first[0] == 403
    assert all(other == first for other in others)


def test_after_many_wrong_secrets_a_caller_waits_and_the_vendor_does_not(vendor: TestClient, desk: Desk) -> None:
    with structlog.testing.capture_logs() as lines:
        answers = [vendor.post(WRONG[0], json=EVENT) for _ in range(SECRETS_A_CALLER + 5)]
    assert [answer.status_code for answer in answers] == [403] * SECRETS_A_CALLER + [429] * 5
    assert int(answers[-1].headers["retry-after"]) == throttle.SPAN
    # Nor is the log filled by it, or told what was tried.
    assert len(lines) == SECRETS_A_CALLER
    assert SECRET not in json.dumps(lines)
    assert vendor.post(GOOD, json=EVENT).status_code == 200
    desk.clock.advance(throttle.SPAN)
    assert vendor.post(WRONG[0], json=EVENT).status_code == 403


def test_a_body_has_a_largest_size(vendor: TestClient) -> None:
    spaces = b" " * (LARGEST_HOOK - len(json.dumps(EVENT)))
    assert vendor.post(GOOD, content=spaces + json.dumps(EVENT).encode()).status_code == 200
    assert vendor.post(GOOD, content=b" " + spaces + json.dumps(EVENT).encode()).status_code == 413


@pytest.mark.parametrize("path", [GOOD + "/", "/hooks/altegio-city/", "//hooks/altegio-city/x", "/health/", "/docs"])
def test_no_answer_leads_elsewhere(vendor: TestClient, path: str) -> None:
    """A redirect would be made of the name that the caller has sent."""
    answer = vendor.post(path, json=EVENT, headers={"host": "evil.example"})
    assert 400 <= answer.status_code < 500
    assert "location" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_hook_is_posted_and_nothing_else(vendor: TestClient, method: str) -> None:
    answer = vendor.request(method, GOOD)
    assert answer.status_code == 405
    assert SECRET not in answer.text
