"""`replay` where no vendor is asked: what is refused at once, how it is asked for, spans and moments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import structlog
import typer

from tests.unit.desk.practice import Desk, Settled, receive
from vetbridge.cli.moments import moment, span
from vetbridge.desk.changes import Selection, UnknownGroup
from vetbridge.desk.replay import Replay, Result, carry_out, choose, judge
from vetbridge.ledger import audit
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.rehearsals import PlannedChange
from vetbridge.ledger.tables import Change, ChangeState

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """`replay` sends the log to its standard error, which is gone when the command has ended."""
    yield
    structlog.reset_defaults()


def planned(state: str, code: str, visit_at: datetime | None = None) -> PlannedChange:
    return PlannedChange(
        change=None,
        record_id=1,
        site="city",
        account="altegio-city",
        kind="appointment",
        remote_id="1",
        source="replay",
        visit_at=visit_at,
        state=state,
        code=code,
        message="a {brace} in it",
        asks="",
        writes=(),
    )


@pytest.mark.parametrize(
    ("state", "code", "reason"),
    [
        ("done", "matched", ""),
        ("review", "placeholder", ""),
        ("waiting", "unavailable", ""),
        ("received", "", ""),
        ("skipped", "settled", ""),
        ("skipped", "visit-has-begun", "visit-has-begun"),
        ("failed", "expired", "visit-has-begun"),
        ("failed", "mapping", "fails-again"),
        ("done", "one-side-only", ""),
        ("failed", "one-side-only", "one-side-only"),
        ("review", "slot-taken", "slot-taken"),
    ],
)
def test_a_rehearsal_refuses_what_comes_too_late_or_to_the_same(state: str, code: str, reason: str) -> None:
    (found,) = judge([Replay(change=1, result=Result.PLANNED)], {1: planned(state, code, NOW)})
    assert (found.reason, found.result) == (reason, Result.REFUSED if reason else Result.PLANNED)
    assert bool(found.words) == bool(reason)
    assert found.visit_at == NOW


def test_told_so_only_what_would_fail_again_is_refused() -> None:
    wanted = [Replay(change=number, result=Result.PLANNED) for number in (1, 2, 3, 4)]
    endings = [("skipped", "visit-has-begun"), ("review", "slot-taken"), ("failed", "expired"), ("failed", "mapping")]
    seen = {number: planned(*ending) for number, ending in enumerate(endings, 1)}
    assert [each.reason for each in judge(wanted, seen, anyway=True)] == ["", "", "fails-again", "fails-again"]


def test_what_was_refused_or_not_rehearsed_stays_as_it_is() -> None:
    refused = Replay(change=1, result=Result.REFUSED, reason="still-open")
    unseen = Replay(change=2, result=Result.PLANNED)
    assert judge([refused, unseen], {1: planned("done", "matched")}) == (refused, unseen)


def test_each_refusal_stands_beside_its_number(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    with ledger.write() as tx:
        still_open = receive(tx, "open")
    past = settled(ChangeState.FAILED, "mapping", remote_id="past")
    old = settled(ChangeState.FAILED, "mapping", remote_id="twice")
    newer = settled(ChangeState.FAILED, "refused", remote_id="twice")
    with ledger.write() as tx:
        tx.session.get_one(Change, past).visit_at = desk.clock.now()
    result = desk.run("replay", *map(str, (still_open, past, old, 999, past)), "--json")
    assert result.exit_code == 2, "one number does not exist"
    data = json.loads(result.stdout)["data"]
    assert (data["refused"], data["replayed"], data["planned"], data["total"]) == (4, 0, 0, 4)
    reasons = {each["change"]: each["reason"] for each in data["replays"]}
    assert reasons == {
        still_open: "still-open",
        past: "visit-has-begun",
        old: "newer-change",
        999: "unknown-change",
    }
    text = desk.run("replay", str(old), str(past))
    assert text.exit_code == 4
    assert f"a newer change of this record has ended since: change {newer}" in " ".join(text.stdout.split())
    assert "Nothing was done." in text.stdout
    assert max(map(len, text.stdout.splitlines())) <= 80


def test_nothing_that_fits_is_no_failure(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    settled(ChangeState.DONE)
    result = desk.run("replay", "--code", "mapping")
    assert (result.exit_code, result.stdout) == (0, "No change fits that could be replayed.\n")
    assert desk.data("replay", "--code", "mapping", "--since", "3d ago")["replays"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["1", "--code", "mapping"],
        ["1", "--since", "2h"],
        ["1", "--group", "A"],
        ["--group", "A"],
        ["--code", "mapping", "--rate", "0"],
        ["--code", "mapping", "--side", "both"],
        ["--day", "someday"],
        ["0"],
        ["-1"],
        ["99999999999999999999"],
        ["one"],
        ["--code", "mapping", "--limit", "0"],
        ["--code", "mapping", "--since", "whenever"],
        ["--code", "mapping", "--site", "ctiy"],
        ["--code", "mapping", "--account", "nobody"],
    ],
)
def test_wrong_use(desk: Desk, ledger: Ledger, arguments: list[str]) -> None:
    result = desk.run("replay", *arguments)
    assert result.exit_code == 2
    assert result.stderr


def test_replays_are_chosen_by_group_and_by_what_narrows_a_list(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    first, second = (settled(ChangeState.FAILED, "mapping", remote_id=name) for name in "ab")
    other = settled(ChangeState.FAILED, "refused", remote_id="c")
    done = settled(ChangeState.DONE, remote_id="d")
    sites = desk.loaded().config.sites

    def chosen(**by: Any) -> list[int]:
        with ledger.read() as tx:
            return [each.change for each in choose(tx, sites, Selection(**by)).replays]

    assert chosen(group="A") == chosen(group="mapping@altegio-city") == [first, second]
    assert chosen(group="b") == [other]
    assert chosen(group="A", numbers=(second, other)) == [second]
    assert chosen(remote_id="c") == [other]
    assert chosen(site="city") == [first, second, other]
    assert chosen(states=("done",)) == [done]
    assert chosen(codes=("mapping",), since=desk.clock.now() + timedelta(seconds=1)) == []
    with pytest.raises(UnknownGroup):
        chosen(group="C")


def test_a_replay_is_carried_out_spread_and_audited(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    numbers = [settled(ChangeState.FAILED, "mapping", remote_id=name) for name in "abc"]
    sites = desk.loaded().config.sites
    with ledger.write() as tx:
        chosen = choose(tx, sites, Selection(group="A"))
        found = carry_out(tx, chosen.replays, by="Ana", via=audit.PAGE, rate=2)
        again = carry_out(tx, chosen.replays, by="Ana", via=audit.PAGE)
    assert [each.result for each in found] == [Result.REPLAYED] * 3
    begins = [each.begins_at - desk.clock.now() for each in found if each.begins_at]
    assert begins == [timedelta(), timedelta(seconds=30), timedelta(seconds=60)]
    assert {each.reason for each in again} == {"still-open"}
    with ledger.read() as tx:
        entries = audit.entries(tx, act=audit.Act.REPLAYED)
    assert {(each.by, each.via, each.subject, each.site) for each in entries} == {("Ana", "page", "change", "city")}
    assert [each.subject_id for each in entries] == [str(number) for number in reversed(numbers)]
    assert entries[0].says == f"as change {found[2].new_change}"


def test_where_there_is_no_ledger_none_is_made(desk: Desk) -> None:
    assert desk.run("replay", "--code", "mapping").exit_code == 6
    assert not desk.has_ledger()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("3d ago", NOW - timedelta(days=3)),
        (" 90s ", NOW - timedelta(seconds=90)),
        ("2026-11-20T09:30+01:00", datetime(2026, 11, 20, 9, 30, tzinfo=timezone(timedelta(hours=1)))),
        ("2026-11-20 09:30Z", datetime(2026, 11, 20, 9, 30, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20).astimezone()),
    ],
)
def test_moments_as_people_type_them(text: str, expected: datetime) -> None:
    assert moment(text, NOW, "--since") == expected


@pytest.mark.parametrize("text", ["", "ago", "yesterday", "2", "2y", "99999-01-01", "2h30m"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected a span"):
        moment(text, NOW, "--since")


def test_spans() -> None:
    assert span("4w", "--for") == timedelta(weeks=4)
    with pytest.raises(typer.BadParameter, match="expected a span"):
        span("4 weeks", "--for")
