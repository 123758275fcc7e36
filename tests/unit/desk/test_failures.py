"""Failures stay until a person has acknowledged them, with what became of each since."""

from __future__ import annotations

import json

import pytest

from tests.unit.desk.practice import Desk, Settled, receive
from vetbridge.desk.changes import Selection
from vetbridge.desk.failures import Failures, acknowledge, failures
from vetbridge.ledger import audit, changes, replays
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import ChangeState


def listed(desk: Desk, ledger: Ledger, selection: Selection | None = None, **more: bool) -> Failures:
    with ledger.read() as tx:
        return failures(tx, desk.loaded().config.sites, selection or Selection(), **more)


def test_a_failure_stays_until_somebody_has_seen_to_it(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    first, second = (settled(ChangeState.FAILED, "mapping", remote_id=name) for name in "ab")
    settled(ChangeState.DONE, remote_id="c")
    found = listed(desk, ledger)
    assert [each.change.id for each in found.listed] == [second, first]
    assert {(each.outcome, each.since) for each in found.listed} == {("still-failed", "still failed")}
    with ledger.write() as tx:
        assert acknowledge(tx, [first, first, 999], by="Ana", via=audit.PAGE) == 1
        assert acknowledge(tx, [first], by="Ben") == 0, "twice is once"
    found = listed(desk, ledger)
    assert ([each.change.id for each in found.listed], found.total) == ([second], 1)
    assert [group.group.count for group in found.groups] == [1]
    seen_to = listed(desk, ledger, acknowledged=True).listed[1]
    assert (seen_to.change.id, seen_to.acknowledged_by, seen_to.acknowledged_at) == (first, "Ana", desk.clock.now())
    with ledger.read() as tx:
        (entry,) = audit.entries(tx, act=audit.Act.ACKNOWLEDGED)
    assert (entry.by, entry.via, entry.subject_id, entry.says) == ("Ana", "page", str(first), "mapping@altegio-city")


@pytest.mark.parametrize(
    ("state", "outcome", "words"),
    [
        (ChangeState.DONE, "carried-over", "carried over since by change {new}"),
        (ChangeState.REVIEW, "asked", "carried on since by change {new}: a person is asked"),
        (ChangeState.SKIPPED, "nothing-to-do", "change {new} found nothing more to do: in words"),
    ],
)
def test_what_has_come_right_says_how_and_stays_too(
    desk: Desk, ledger: Ledger, settled: Settled, state: ChangeState, outcome: str, words: str
) -> None:
    old = settled(ChangeState.FAILED, "mapping", remote_id="a")
    with ledger.write() as tx:
        new = replays.add(tx, old).id or 0
    (again,) = listed(desk, ledger).listed
    assert (again.outcome, again.since, again.newest) == ("tried-again", f"being tried again, by change {new}", new)
    assert again.next_step == ""
    with ledger.write() as tx:
        changes.begin(tx, new)
        changes.settle(tx, new, state, "code", "in words")
    found = listed(desk, ledger)
    assert (found.total, found.listed) == (0, ())
    (right,) = found.come_right
    assert (right.change.id, right.outcome, right.since) == (old, outcome, words.format(new=new))
    with ledger.write() as tx:
        assert acknowledge(tx, [old], by="Ana") == 1
    assert listed(desk, ledger).come_right == ()
    assert len(listed(desk, ledger, acknowledged=True).come_right) == 1


def test_what_has_failed_anew_has_not_come_right(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    settled(ChangeState.FAILED, "mapping", remote_id="a")
    new = settled(ChangeState.FAILED, "refused", remote_id="a")
    found = listed(desk, ledger)
    assert ([each.change.id for each in found.listed], found.come_right) == ([new], ())


def test_what_has_come_right_long_ago_is_left_out(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    settled(ChangeState.FAILED, "mapping", remote_id="a")
    settled(ChangeState.DONE, remote_id="a")
    assert len(listed(desk, ledger).come_right) == 1
    desk.clock.advance(15 * 86400)
    assert listed(desk, ledger).come_right == ()


def test_failures_are_narrowed(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    mapping = settled(ChangeState.FAILED, "mapping", remote_id="a")
    settled(ChangeState.FAILED, "mapping", remote_id="b")
    refused = settled(ChangeState.FAILED, "refused", remote_id="c")
    for selection, expected in (
        (Selection(group="B"), [refused]),
        (Selection(group="refused@altegio-city"), [refused]),
        (Selection(remote_id="a"), [mapping]),
        (Selection(codes=("refused",)), [refused]),
    ):
        assert [each.change.id for each in listed(desk, ledger, selection).listed] == expected


# -- the command ----------------------------------------------------------------------------------------------------


def test_a_group_is_acknowledged_and_leaves_the_list(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    first, second = (settled(ChangeState.FAILED, "mapping", remote_id=name) for name in "ab")
    other = settled(ChangeState.FAILED, "refused", remote_id="c")
    plan = desk.run("changes", "ack", "--group", "A", "--plan")
    assert plan.stdout == "2x mapping at altegio-city\n2 would be acknowledged. Nothing was done.\n"
    assert desk.data("changes", "list", "--state", "failed")["total"] == 3
    done = desk.data("changes", "ack", "--group", "A", "--by", "Ana")
    assert (sorted(done["changes"]), done["acknowledged"]) == ([first, second], 2)
    left = desk.data("changes", "list", "--state", "failed")
    assert ([each["id"] for each in left["changes"]], left["acknowledged"]) == ([other], 2)
    assert [(group["letter"], group["code"]) for group in left["groups"]] == [("A", "refused")]
    assert "2 acknowledged before and left out" in desk.run("changes", "list", "--state", "failed").stderr
    everything = desk.data("changes", "list", "--state", "failed", "--all")
    assert everything["total"] == 3
    assert {group["code"]: group["letter"] for group in everything["groups"]} == {"mapping": "", "refused": "A"}


def test_numbers_that_have_not_failed_are_named(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    failed = settled(ChangeState.FAILED, "mapping", remote_id="a")
    done = settled(ChangeState.DONE, remote_id="b")
    result = desk.run("changes", "ack", str(failed), str(done))
    assert result.exit_code == 4
    assert f"Change {done} has not failed" in result.stdout
    assert "1 acknowledged." in result.stdout
    again = desk.run("changes", "ack", str(failed), "--json")
    assert (again.exit_code, json.loads(again.stdout)["data"]["acknowledged"]) == (0, 0)


@pytest.mark.parametrize(
    "arguments", [[], ["1", "--code", "mapping"], ["--group", "A"], ["0"], ["99"], ["--code", "x", "--site", "citi"]]
)
def test_wrong_use(desk: Desk, ledger: Ledger, arguments: list[str]) -> None:
    with ledger.write() as tx:
        receive(tx, "open")
    result = desk.run("changes", "ack", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
