"""`sync --undo` and `pair end` where no vendor is asked: which runs there are, what is refused, what is closed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import structlog

from tests.unit.desk.practice import ZONE, Desk, Parked, park
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.instants import Instant
from vetbridge.ledger import changes, reviews
from vetbridge.ledger.database import Ledger


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The commands send the log to their standard error, which is gone when they have ended."""
    yield
    structlog.reset_defaults()


def test_runs_are_listed_and_one_that_there_is_not_shows_them(desk: Desk, ledger: Ledger) -> None:
    assert "No run has written anything yet." in desk.run("sync", "--undo", "list").stdout
    with ledger.write() as tx:
        ledger.run_id = changes.begin_run(tx, "run")
    from_run = ledger.run_id
    park(ledger, Instant(desk.clock.now() + timedelta(hours=1), ZONE))
    (listed,) = desk.data("sync", "--undo", "list")["runs"]
    assert (listed["id"], listed["command"], listed["writes"], listed["undone"]) == (from_run, "run", 1, 0)
    for given in ("99", "0", "-1", "x\x1b[31m", "9" * 40, "²"):
        result = desk.run("sync", f"--undo={given}")
        assert result.exit_code == 2
        assert "run: 1 write" in result.stderr
        assert "\x1b" not in result.output
    assert desk.run("sync", "--undo", "1", "--approve").exit_code == 2


def test_a_pair_that_there_is_not(desk: Desk) -> None:
    assert desk.run("pair", "end", "city").exit_code == 6, "there is no ledger yet"
    desk.open().close()
    for more in ((), ("--clean",), ("--plan",)):
        assert desk.run("pair", "end", "ctiy", *more).exit_code == 2
    assert "city" in desk.run("pair", "end", "ctiy").stderr


def test_the_end_of_a_pair_closes_what_waits_and_is_shown(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    plan = desk.data("pair", "end", "city", "--plan")
    assert plan["waiting"] == {"questions": 1, "changes": 0, "lines": 0, "in_doubt": 0}
    assert plan["ended_at"] is None
    assert len(desk.data("review", "list")) == 1

    shown = desk.run("pair", "end", "city", "--by", "Ann\x1b[31m")
    assert shown.exit_code == 0
    assert "1 open question" in shown.stdout
    assert desk.data("review", "list") == []
    status = desk.run("status").stdout
    assert "ended on" in status
    assert "by Ann" in status
    assert "\x1b" not in status
    (site,) = desk.data("status")["sites"]
    assert site["ended_by"] == "Ann"

    answered = desk.run("review", "link", "1", "--client", "1002")
    assert answered.exit_code != 0
    assert "the pair has ended" in answered.output
    replayed = desk.run("replay", str(parked.change), "--json")
    assert json.loads(replayed.stdout)["data"]["replays"][0]["reason"] == "pair-ended"


def test_an_answer_of_an_ended_pair_is_not_taken_back(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    with ledger.write() as tx:
        item = reviews.item(tx, 1)
        assert item is not None
        reviews.answer(tx, item, Answer(choice=Choice.LINK, client_id="1002", pet_id="5002"), "Ann")
        reviews.applied(tx, item)
    desk.run("pair", "end", "city")
    result = desk.run("review", "undo", "1")
    assert result.exit_code == 2
    assert "has ended" in result.output
