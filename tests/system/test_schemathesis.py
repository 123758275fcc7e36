"""The API does what its own description says: schemathesis sends what fits it, and what does not."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig

from tests.unit.desk.practice import Desk, Parked, Settled, desk, ledger, park, parked, settled
from tests.unit.web.conftest import Serve, serve
from vetbridge.core.instants import Instant
from vetbridge.core.roles import Role
from vetbridge.desk import staff
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import ChangeState
from vetbridge.web import frame, rehearsing
from vetbridge.web.pages import application

__all__ = ["desk", "ledger", "parked", "serve", "settled"]

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "6"))
"""Requests of an operation in either mode; `SCHEMATHESIS_EXAMPLES=200 pytest` with this file takes minutes."""

ROWS = 8
"""Numbers are folded onto so many rows, or nearly all would be of nothing."""


@pytest.fixture
def bearer(serve: Serve, desk: Desk, ledger: Ledger, parked: Parked, settled: Settled) -> dict[str, str]:
    for number in range(2, ROWS - 1):
        start = Instant(desk.clock.now() + timedelta(hours=number), "Europe/London")
        park(ledger, start, remote_id=f"3000{number}", why="conflict" if number == 2 else "contact-shared")
    settled(ChangeState.FAILED, "mapping")
    settled(ChangeState.SKIPPED, "not-ours")
    with ledger.write() as tx:
        staff.add(tx, "Ann", Role.ADMIN, password_hash=None, by="tests")
        token = staff.new_token(tx, "Ann", by="tests")
    return {"Authorization": f"Bearer {token}", "Host": "localhost"}


@pytest.fixture
def api(serve: Serve, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    # schemathesis tries wrong tokens, too: what throttles them is tested elsewhere.
    monkeypatch.setattr(frame, "TOKENS_A_CALLER", 10**9)
    # Nor is every replay rehearsed: that takes seconds.
    monkeypatch.setattr(rehearsing, "rehearse", lambda _frame, chosen, *, side, anyway: (chosen.replays, set()))
    app = application(serve().frame)
    # Every request bears the token; that none is taken without it, is a check of its own.
    projects = ProjectsConfig(default=ProjectConfig(generation=GenerationConfig(with_security_parameters=False)))
    config = SchemathesisConfig(projects=projects)
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, config=config, headers=bearer)


@pytest.mark.parametrize("mode", GenerationMode)
def test_it_answers_as_described(api: Any, bearer: dict[str, str], mode: GenerationMode) -> None:
    answers: Counter[tuple[str, str, int]] = Counter()
    for result in api.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize="SCHEMATHESIS_EXAMPLES" not in os.environ,
        )
        def send(case: Case) -> None:
            if mode is GenerationMode.POSITIVE:
                _fold(case)
            else:
                # An address cannot tell [x] from x, nor [] from nothing.
                assume(not any(isinstance(value, (list, dict)) for value in case.query.values()))
            answer = case.call_and_validate(headers=bearer)
            answers[case.method, case.path, answer.status_code] += 1

        with suppress(Unsatisfiable):
            send()
    asked = {(method, path) for method, path, _ in answers}
    every = {(each.ok().method.upper(), each.ok().path) for each in api.get_all_operations()}
    if mode is GenerationMode.POSITIVE:
        assert asked == every
        done = {(method, path) for method, path, status in answers if status == 200}
        assert {(method, path) for method, path in asked - done if method == "GET"} == set()
    else:
        # Nothing can be wrong with what takes nothing.
        assert every - asked == {("GET", "/status")}
        assert 422 in {status for _, _, status in answers}


def _fold(case: Case) -> None:
    """Lets a request be about something that there is."""
    if "number" in case.path_parameters:
        case.path_parameters["number"] = 1 + case.path_parameters["number"] % ROWS
    if isinstance(case.body, dict):
        case.body.pop("seen", None)
        case.body.pop("also", None)
        if "text" in case.body:  # one without anything to see says nothing, which no description can tell
            case.body["text"] = "x" + case.body["text"][1:]
        selection = case.body.get("selection", {})
        if "numbers" in selection:
            selection["numbers"] = [1 + number % ROWS for number in selection["numbers"]]
    # Of few requests each is to find something; of many the others meet what is not there.
    for name in ("site", "account", "group", "after")[: 4 if EXAMPLES < 50 else 2]:
        case.query.pop(name, None)
