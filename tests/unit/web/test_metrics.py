"""What monitors ask at the door: whether it lives, whether it is ready, and metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.desk.practice import Settled, hold, park
from tests.unit.web.served import Served
from vetbridge.core.conditions import Code, Condition, Scope
from vetbridge.core.errors import LedgerError
from vetbridge.core.instants import Instant
from vetbridge.core.records import Client, Kind
from vetbridge.daemon.looking import KEPT, Looking, Seen
from vetbridge.ledger import accounts, changes, mirror, pauses
from vetbridge.ledger.tables import Action, Attempt, ChangeState, Meta
from vetbridge.web.door import build
from vetbridge.web.metrics import ACCOUNT_STATES

DOCS = Path(__file__).parents[3] / "docs"
PIMS = "ezyvet-city"


@dataclass
class Sensed:
    """What the daemon sees of its machine."""

    found: Sequence[Condition] = ()

    def conditions(self) -> tuple[Condition, ...]:
        return tuple(self.found)


@dataclass
class Door:
    """The door over the clinic."""

    served: Served
    sensed: Sensed = field(default_factory=Sensed)
    broken: bool = False

    def __post_init__(self) -> None:
        looking = Looking(self.served.frame.program, self.sensed)

        def look() -> Seen:
            if self.broken:
                raise LedgerError("the disk is gone")
            return looking.look()

        app = build(self.served.frame.program, wake=lambda: None, health=lambda: {"status": "ok"}, look=look)
        self.client = TestClient(app)

    def ready(self) -> tuple[int, list[str]]:
        self.served.clock.advance(KEPT)
        answer = self.client.get("/health/ready")
        assert answer.json()["status"] == ("ok" if answer.status_code == 200 else "not-ready")
        return answer.status_code, [each["code"] for each in answer.json()["conditions"]]

    def metrics(self) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
        """Each sample's value by the sample's name and its labels."""
        self.served.clock.advance(KEPT)
        answer = self.client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found


@pytest.fixture
def door(served: Served) -> Iterator[Door]:
    made = Door(served)
    with made.client:
        yield made


def labels(**given: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(given.items()))


def sensed(door: Door, code: Code) -> None:
    door.sensed.found = [Condition(code=code, scope=Scope.VETBRIDGE, name="ledger", since=door.served.clock.now())]


def test_it_lives_whatever_is_wrong(door: Door) -> None:
    door.broken = True
    answer = door.client.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_it_is_ready_as_long_as_it_can_work_itself(door: Door, settled: Settled) -> None:
    assert door.ready() == (200, [])
    settled(ChangeState.FAILED, "mapping")
    assert door.ready() == (200, []), "that can wait"
    with door.served.ledger.write() as tx:
        accounts.block(tx, PIMS, "auth-failed")
    assert door.ready() == (200, ["account-blocked"]), "others are served"
    sensed(door, Code.DISK_FULL)
    assert door.ready() == (503, ["account-blocked", "disk-full"])
    door.broken = True
    assert door.ready() == (503, ["ledger"])


def test_whoever_asks_often_does_not_load_the_ledger(door: Door) -> None:
    assert door.ready() == (200, [])
    sensed(door, Code.DISK_FULL)
    assert door.client.get("/health/ready").status_code == 200, "what was seen just now is told again"
    assert door.ready()[0] == 503


def test_a_door_without_a_look_has_neither_readiness_nor_metrics(served: Served) -> None:
    with TestClient(build(served.frame.program, wake=lambda: None, health=dict)) as client:
        assert [client.get(path).status_code for path in ("/health/live", "/health/ready", "/metrics")] == [
            200,
            404,
            404,
        ]


def busy(door: Door, settled: Settled) -> None:
    """A ledger that has something for every metric."""
    ledger, clock = door.served.ledger, door.served.clock
    settled(ChangeState.DONE, "created")
    settled(ChangeState.FAILED, "mapping")
    settled(ChangeState.FAILED, "mapping", site="closed", remote_id="c")
    hold(ledger, {"a": "would be cancelled"}, first_visit=clock.now() + timedelta(days=3))
    park(ledger, Instant(clock.now() + timedelta(hours=1), "Europe/London"))
    park(ledger, Instant(clock.now() + timedelta(hours=1), "Europe/London"), remote_id="30002")
    with ledger.write() as tx:
        mirror.put(tx, PIMS, [Client(id="1", given_name="Petronella", family_name="Plantedname")])
        mirror.completed(tx, PIMS, first=True)
        accounts.move_cursor(tx, "altegio-city", Kind.APPOINTMENT, "1")
        accounts.block(tx, "altegio-city", "auth-failed")
        accounts.enrol(tx, "old", "memory", country="GB")
        pauses.pause(tx, "site", "city", until=None, by="Plantedname")
        tx.session.add(Meta(key="backup_at", value=clock.now().isoformat()))
        change = changes.receive(
            tx, site="city", account="altegio-city", kind=Kind.APPOINTMENT, remote_id="Plantedname", source="poll"
        )
        tx.session.add(
            Action(
                id=77,
                change_id=change.id,
                record_id=change.record_id,
                site="city",
                account=PIMS,
                kind="appointment",
                operation="create",
                state="answered",
                created_at=tx.now,
                answered_at=tx.now,
            )
        )


def attempt(door: Door, number: int, state: str) -> None:
    with door.served.ledger.write() as tx:
        tx.session.add(Attempt(action_id=77, number=number, state=state, started_at=tx.now))


def test_metrics_say_what_the_ledger_and_the_machine_say(door: Door, settled: Settled) -> None:
    busy(door, settled)
    sensed(door, Code.DISK_LOW)
    attempt(door, 1, "answered")
    door.metrics()
    for number, state in ((2, "answered"), (3, "unknown"), (4, "answered")):
        attempt(door, number, state)
    found = door.metrics()
    soon = labels(code="question-soon", scope="review", name="city", kind="", severity="now")
    low = labels(code="disk-low", scope="vetbridge", name="ledger", kind="", severity="today")
    assert (found["vetbridge_condition"][soon], found["vetbridge_condition"][low]) == (2.0, 1.0)
    told = sum(found["vetbridge_condition"].values())
    assert sum(found["vetbridge_conditions"].values()) == told
    assert found["vetbridge_changes"][labels(site="city", state="failed")] == 1.0
    assert found["vetbridge_failures"] == {labels(site="city"): 1.0}, "of sites of the config"
    assert found["vetbridge_fuse_held"] == {labels(site="city"): 1.0}
    states = {label: value for label, value in found["vetbridge_account_state"].items() if value}
    assert states == {
        labels(account="altegio-city", state="blocked"): 1.0,
        labels(account=PIMS, state="answers"): 1.0,
    }
    assert found["vetbridge_read_age_seconds"][labels(account="altegio-city", kind="appointment")] == 2 * KEPT
    assert found["vetbridge_write_age_seconds"] == {labels(site="city", kind="appointment"): 2 * KEPT}
    assert found["vetbridge_paused"] == {labels(scope="site", name="city"): 1.0}
    made = {"account": PIMS, "kind": "appointment", "operation": "create"}
    assert found["vetbridge_attempts_total"] == {
        labels(**made, result="answered"): 2.0,
        labels(**made, result="unknown"): 1.0,
    }, "since the start"


def test_the_ledger_cannot_be_read(door: Door) -> None:
    door.broken = True
    found = door.metrics()
    assert found["vetbridge_ledger_readable"] == {(): 0.0}
    assert found["vetbridge_up"] == {(): 1.0}
    assert "vetbridge_condition" not in found


def test_no_metric_holds_anything_of_a_person(door: Door, settled: Settled) -> None:
    busy(door, settled)
    text = door.client.get("/metrics").text
    for planted in ("Plantedname", "Petronella", "Harris", "Monty", "447700900123", "30001"):
        assert planted not in text


def documented() -> dict[str, tuple[str, ...]]:
    """Labels of each metric of the page."""
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(vetbridge_\w+)` \| ([a-z, ]*)\|", page, re.MULTILINE)
    return {name: tuple(filter(None, (each.strip() for each in cells.split(",")))) for name, cells in rows}


def test_the_page_lists_every_metric_with_its_labels(door: Door, settled: Settled) -> None:
    busy(door, settled)
    door.metrics()
    attempt(door, 1, "answered")
    found = door.metrics()
    told = {
        name: tuple(label for label, _ in next(iter(samples)))
        for name, samples in found.items()
        if name.startswith("vetbridge_")
    }
    optional = {"vetbridge_ledger_bytes"} - set(told)  # not of a server
    page = documented()
    assert set(told) | optional == set(page)
    for name, given in told.items():
        assert given == tuple(sorted(page[name])), name


def test_the_page_names_every_state_of_an_account_and_every_metric_of_the_process(door: Door) -> None:
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert ", ".join(ACCOUNT_STATES) in page
    process = {name for name in door.metrics() if name.startswith("process_")}
    assert process == set(re.findall(r"`(process_\w+)`", page))


def test_the_board_uses_metrics_that_there_are() -> None:
    board = json.loads((DOCS / "grafana" / "vetbridge.json").read_text(encoding="utf-8"))
    known = documented()
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [each["query"] for each in board["templating"]["list"] if each["type"] == "query"]
    asked += re.findall(r"expr: (.*)", page)
    for expression in asked:
        names = re.findall(r"\b(?:vetbridge|process)_[a-z_]+", expression.replace('job="vetbridge"', ""))
        assert names, expression
        for name in names:
            assert name in known or f"`{name}`" in page, name
        for label in re.findall(r"\b(?:by \(([a-z, ]+)\)|\{([a-z]+)[=!])", expression):
            for each in filter(None, re.split(r"[, ]+", " ".join(label))):
                assert each == "job" or any(each in known.get(name, ()) for name in names), (expression, each)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    assert board["schemaVersion"] >= 39
    cells = [
        (x, y)
        for panel in board["panels"]
        for at in (panel["gridPos"],)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells)), "no panel lies over another"
    assert max(x for x, _ in cells) < 24
