"""Status: what each account does, and numbers that lead to the lists behind them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from sqlmodel import select

from tests.unit.desk.practice import KEY, ZONE, Desk, Parked, Settled, hold, park, receive
from vetbridge.core.answers import FUSE
from vetbridge.core.instants import Instant
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.daemon.lock import single_instance
from vetbridge.desk.status import AccountStatus, Status, status
from vetbridge.ledger import (
    accounts,
    acknowledgements,
    audit,
    changes,
    fuses,
    glance,
    mirror,
    pauses,
    readings,
    reports,
    worklist,
)
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.glance import AttemptKey
from vetbridge.ledger.tables import (
    Action,
    Attempt,
    Change,
    ChangeState,
    Delivery,
    Episode,
    Event,
    Meta,
    Review,
    Run,
)

PIMS = "ezyvet-city"


def look(desk: Desk, ledger: Ledger, pid: int | None = None) -> Status:
    with ledger.read() as tx:
        return status(tx, desk.loaded().config, pid)


def account(desk: Desk, ledger: Ledger, name: str = PIMS) -> AccountStatus:
    return next(found for found in look(desk, ledger).accounts if found.name == name)


def test_an_account_that_was_never_asked(desk: Desk, ledger: Ledger) -> None:
    found = account(desk, ledger)
    assert (found.state, found.answered_at) == ("not-asked", None)
    assert found.mirror is not None
    assert (found.mirror.complete, found.mirror.age, found.mirror.stale) == (False, None, False)
    assert account(desk, ledger, "altegio-city").mirror is None


def test_an_outage_is_paused_then_failing_then_over(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        accounts.back_off(tx, PIMS, first=5, longest=60)
    began = desk.clock.now()
    paused = account(desk, ledger)
    assert (paused.state, paused.failing_since, paused.paused_until) == (
        "paused",
        began,
        began + timedelta(seconds=5),
    )
    desk.clock.advance(6)
    failing = account(desk, ledger)
    assert (failing.state, failing.failing_since, failing.paused_until) == ("failing", began, None)
    with ledger.write() as tx:
        accounts.move_cursor(tx, PIMS, Kind.CLIENT, "1")
    over = account(desk, ledger)
    assert (over.state, over.failing_since) == ("answers", None), "a listing that was read is an answer"


def test_an_account_that_fails_for_more_than_silence_says_what_to_do(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        accounts.back_off(tx, PIMS, first=5, longest=60, code="certificate-untrusted")
    assert "vetbridge doctor" in account(desk, ledger).advice
    with ledger.write() as tx:
        accounts.answered(tx, PIMS)
    assert account(desk, ledger).advice == ""


def test_a_blocked_account_says_what_to_do(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        accounts.block(tx, PIMS, "auth-failed")
    found = account(desk, ledger)
    assert (found.state, found.blocked_code) == ("blocked", "auth-failed")
    assert "Renew them at the vendor" in found.advice


def test_a_part_that_does_not_answer_is_named_until_the_account_answers(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        accounts.back_off(tx, PIMS, first=5, longest=60, part="diary")
    assert account(desk, ledger).failing_part == "diary"
    with ledger.write() as tx:
        accounts.answered(tx, PIMS)
        accounts.block(tx, PIMS, "auth-failed", "diary")
    found = look(desk, ledger)
    assert account(desk, ledger).failing_part == "diary"
    assert any(each.message.startswith(f"{PIMS}.diary lets VetBridge in no more") for each in found.conditions)
    with ledger.write() as tx:
        accounts.not_probed(tx, PIMS)
        accounts.unblock(tx, PIMS)
        accounts.answered(tx, PIMS)
    assert account(desk, ledger).failing_part == ""


def test_the_mirror_is_counted_and_grows_stale(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        mirror.put(tx, PIMS, [Client(id="1"), Client(id="2"), Pet(id="9", client_id="1")])
        mirror.completed(tx, PIMS, first=True)
    fresh = account(desk, ledger).mirror
    assert fresh is not None
    assert (fresh.complete, fresh.clients, fresh.pets, fresh.age, fresh.stale) == (True, 2, 1, 0.0, False)
    desk.clock.advance(desk.loaded().config.timings.mirror_stale + 1)
    old = account(desk, ledger).mirror
    assert old is not None
    assert old.stale


def test_a_first_reading_tells_how_far_it_is_until_it_is_done(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        walk = readings.begin(tx, PIMS, Kind.CLIENT)
        walk.came("2 7", [str(number) for number in range(41_200)], [], 100_000)
        readings.keep(tx, PIMS, Kind.CLIENT, walk)
    (found,) = account(desk, ledger).readings
    assert (found.kind, found.seen, found.total) == ("client", 41_200, 100_000)
    told = " ".join(desk.run("status").stdout.split())
    assert "reading clients of ezyvet-city: 41,200 of 100,000, begun 10 minutes ago" in told
    with ledger.write() as tx:
        readings.move_cursor(tx, PIMS, Kind.CLIENT, "9", total=100_000)
    assert account(desk, ledger).readings == ()


def test_paused_budgets_are_named(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        accounts.pause_budget(tx, PIMS, "database", 60)
    assert account(desk, ledger).paused_budgets == {"database": desk.clock.now() + timedelta(seconds=60)}
    desk.clock.advance(61)
    assert account(desk, ledger).paused_budgets == {}


def test_accounts_and_sites_of_config_and_ledger_both_stand_there(
    desk: Desk, ledger: Ledger, settled: Settled
) -> None:
    settled(ChangeState.DONE, site="closed-site")
    with ledger.write() as tx:
        accounts.enrol(tx, "old-account", "memory", country="GB")
    found = look(desk, ledger)
    assert [(each.name, each.configured) for each in found.accounts] == [
        ("altegio-city", True),
        (PIMS, True),
        ("old-account", False),
    ]
    assert [each.name for each in found.sites] == ["city", "closed-site"]


def test_the_soonest_visit_is_one_that_is_still_ahead(desk: Desk, ledger: Ledger) -> None:
    now = desk.clock.now()
    for remote_id, hours in (("1", 30), ("2", -1), ("3", 2)):
        park(ledger, Instant(now + timedelta(hours=hours), ZONE), remote_id=remote_id)
    (site,) = look(desk, ledger).sites
    assert site.review.count == 3
    assert site.soonest_visit == now + timedelta(hours=2)
    assert site.last_write == now


def test_the_oldest_change_that_is_not_settled(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    settled(ChangeState.DONE)
    began = desk.clock.now()
    with ledger.write() as tx:
        receive(tx, "waits")
    desk.clock.advance(60)
    with ledger.write() as tx:
        receive(tx, "newer")
    (site,) = look(desk, ledger).sites
    assert site.oldest_open == began


def test_what_is_typed_by_hand_is_counted_and_nothing_waits_because_of_it(desk: Desk, ledger: Ledger) -> None:
    now = desk.clock.now()
    for number in range(3):
        with ledger.write() as tx:
            change = receive(tx, f"booking {number}")
            worklist.put(
                tx,
                tx.session.get_one(Change, change),
                account=PIMS,
                kind=Kind.APPOINTMENT,
                remote_id="",
                task=worklist.BOOK,
                details={"duration": 900},
                visit_at=None if number else now + timedelta(days=1),
            )
            changes.wait(tx, change, now + timedelta(hours=1), changes.BY_HAND, "in words")
    with ledger.write() as tx:
        row = worklist.line(tx, 3)
        assert row is not None
        worklist.done(tx, row, "ann")
    (site,) = look(desk, ledger).sites
    assert (site.by_hand.count, site.ticked, site.waiting_by_hand) == (2, 1, 3)
    assert (site.changes["waiting"].count, site.oldest_open) == (3, None)
    assert len(desk.data(*site.by_hand.command.split()[1:], "--state", "open")) == 2
    text = " ".join(desk.run("status").stdout.split())
    assert "by hand 2 vetbridge worklist list --site city" in text
    with ledger.read() as tx:
        (line,) = reports.glance(tx).lines
    assert (line.site, line.opened_at, line.visit_at) == ("city", now, now + timedelta(days=1))


def test_every_number_is_what_its_command_lists(desk: Desk, parked: Parked, settled: Settled) -> None:
    for number in range(3):
        settled(ChangeState.DONE, remote_id=f"done-{number}")
    settled(ChangeState.FAILED, "mapping")
    settled(ChangeState.SKIPPED, "settled")
    (site,) = desk.data("status")["sites"]
    assert {state: each["count"] for state, each in site["changes"].items()} == {
        "received": 0,
        "waiting": 0,
        "review": 1,
        "done": 3,
        "skipped": 1,
        "failed": 1,
    }
    for each in site["changes"].values():
        listed = desk.data(*each["command"].split()[1:])
        assert (listed["total"], len(listed["changes"])) == (each["count"], each["count"])
    assert len(desk.data(*site["review"]["command"].split()[1:])) == site["review"]["count"] == 1


def test_failures_that_nobody_has_acknowledged_wait_to_be_seen_to(
    desk: Desk, ledger: Ledger, settled: Settled
) -> None:
    first, _ = (settled(ChangeState.FAILED, "mapping", remote_id=name) for name in "ab")
    settled(ChangeState.FAILED, "mapping", site="hills")
    text = " ".join(desk.run("status").stdout.split())
    assert "! city: failures that nobody has seen to: 2. See to them: `vetbridge changes list --site city" in text
    assert "1 failure waits to be seen to: vetbridge changes list --site hills" in text, "the config has it no more"
    with ledger.write() as tx:
        acknowledgements.put(tx, [first], by="Ana")
    assert [site.failures.count for site in look(desk, ledger).sites] == [1, 1]
    (site, _) = desk.data("status")["sites"]
    assert site["failures"]["count"] == 1
    assert desk.data(*site["failures"]["command"].split()[1:])["total"] == 1
    with ledger.write() as tx:
        acknowledgements.put(tx, [2, 3], by="Ana")
    assert "seen to" not in desk.run("status").stdout


def test_whether_a_daemon_runs(desk: Desk, ledger: Ledger) -> None:
    assert desk.data("status")["daemon"]["running"] is False
    with ledger.write() as tx:
        run = changes.begin_run(tx, "run")
    with single_instance(desk.place):
        found = desk.data("status")["daemon"]
        assert found["running"]
        assert found["pid"] > 0
        assert "`vetbridge run` is at work" in desk.run("status").stdout
    assert "was cut off" in " ".join(desk.run("status").stdout.split())
    with ledger.write() as tx:
        changes.end_run(tx, run)
    assert "The last run ended" in desk.run("status").stdout


def test_text_for_every_trouble_at_once(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    with ledger.write() as tx:
        accounts.block(tx, "altegio-city", "no-rights")
        row = accounts.get(tx, PIMS)
        row.failing_since = tx.now
        row.paused_until = datetime.now(UTC) + timedelta(hours=1)
        accounts.pause_budget(tx, PIMS, "database", 7200)
    text = desk.run("status").stdout
    for words in (
        "blocked",
        "no-rights",
        "paused",
        "no answer since 10 minutes",
        "budget database paused",
        "City Vets",
    ):
        assert words in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.fixture
def log() -> Iterator[None]:
    """`sync` sends the log to its standard error, which is gone when the command has ended."""
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("log")
def test_a_sync_that_cannot_begin_says_so_as_data(desk: Desk) -> None:
    with single_instance(desk.place):
        result = desk.run("sync", "--json")
    assert result.exit_code == 6
    assert json.loads(result.stdout)["problems"][0]["code"] == "ledger-locked"


@pytest.mark.parametrize("command", ["status", "changes list", "review list", "changes show 1"])
def test_where_there_is_no_ledger_none_is_made(desk: Desk, command: str) -> None:
    result = desk.run(*command.split())
    assert (result.exit_code, result.stdout) == (6, "")
    assert "there is no ledger" in result.stderr
    assert desk.run(*command.split(), "--json").exit_code == 6
    assert not desk.has_ledger()


# -- the quick way -------------------------------------------------------------------------------------------------


@pytest.mark.sqlite_file("status has a quicker way to look into a file")
def test_the_quick_way_sees_what_the_ordinary_one_sees(
    desk: Desk, ledger: Ledger, parked: Parked, settled: Settled
) -> None:
    settled(ChangeState.DONE)
    settled(ChangeState.FAILED, "mapping", site="hills")
    hold(ledger, {"a": "would be cancelled", "b": "would be cancelled"}, first_visit=desk.clock.now())
    with ledger.write() as tx:
        changes.begin_run(tx, "run")
        accounts.pause_budget(tx, PIMS, "database", 7200)
        accounts.pause_budget(tx, PIMS, "over", 0)
        accounts.move_cursor(tx, PIMS, Kind.CLIENT, "1")
        pauses.pause(tx, "site", "city", until=desk.clock.now() + timedelta(hours=2), by="ann")
        pauses.pause(tx, "account", PIMS, until=None, by="")
        pauses.pause(tx, "site", "hills", until=desk.clock.now() - timedelta(hours=2), by="")
    with ledger.read() as tx:
        ordinary = reports.glance(tx)
        assert ordinary.held == {"city": len(fuses.held(tx, "city"))} == {"city": 2}
    assert glance.in_file(desk.ledger_path, KEY, desk.clock.now()) == ordinary
    assert [(each.scope, each.name) for each in ordinary.pauses] == [("account", PIMS), ("site", "city")]
    assert ordinary.sites["city"].soonest_visit == parked.start.utc
    assert set(ordinary.accounts[PIMS].paused_budgets) == {"database"}
    assert ordinary.run is not None


def test_every_part_of_the_quick_way_is_asked_of_rows(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    """Each new part on rows that must be found and on rows that must not, on either database."""
    now = desk.clock.now()
    with ledger.write() as tx:
        for code, cleared_at in (("disk-low", None), ("account-unreachable", now)):
            tx.session.add(
                Episode(
                    key=f"{code}:account:{PIMS}:",
                    code=code,
                    scope="account",
                    name=PIMS,
                    details='{"free_megabytes":3}',
                    since=now - timedelta(hours=1),
                    seen_at=now,
                    raised_at=now,
                    cleared_at=cleared_at,
                )
            )
        tx.session.add(Event(id=1, type="alert.raised", key="1", content="{}", made_at=now))
        tx.session.flush()
        for webhook, state, ended_at in (
            ("desk", "failed", now - timedelta(hours=1)),
            ("mail/it", "failed", now - timedelta(days=2)),
            ("command/x", "sent", now),
        ):
            tx.session.add(Delivery(event_id=1, webhook=webhook, state=state, ended_at=ended_at))
        tx.session.add(Meta(key="backup_at", value=now.isoformat()))
        audit.note(tx, Act.RESUMED, by="ann", via=audit.COMMAND, subject="account", subject_id=PIMS)
        audit.note(tx, Act.PAUSED, by="ann", via=audit.COMMAND, subject="site", subject_id="city")
        pauses.pause(tx, "site", "hills", until=now - timedelta(minutes=5), by="")
        for name, code in (("due", ""), ("tried", "bad-answer"), ("held", FUSE), ("second look", "not-found")):
            change = receive(tx, name)
            if code:
                changes.wait(tx, change, now + timedelta(hours=1), code, "in words")
        tx.session.get_one(Change, receive(tx, "spread")).next_at = now + timedelta(hours=1)
        park_until = tx.session.exec(select(Review)).one()
        park_until.snoozed_until = now + timedelta(minutes=1)
    with ledger.read() as tx:
        found = reports.glance(tx)
    assert [(each.code, each.name, each.details) for each in found.episodes] == [
        ("disk-low", PIMS, {"free_megabytes": 3})
    ]
    assert found.recovered == {("account", PIMS): now}
    assert [(each.channel, each.count) for each in found.lost] == [("desk", 1)]
    assert found.backed_up_at == now
    assert found.resumed == {("account", PIMS): now, ("site", "hills"): now - timedelta(minutes=5)}
    assert found.soon == (), "somebody has put it off"
    assert found.sites["city"].waiting == {Kind.APPOINTMENT: now}
    desk.clock.advance(61)
    with ledger.read() as tx:
        (question,) = reports.glance(tx).soon
    assert (question.site, question.why, question.visit_at) == ("city", "contact-shared", parked.start.utc)


@pytest.mark.parametrize(
    ("code", "waits"),
    [
        ("", True),
        ("rate-limited", True),
        ("lane-busy", True),
        (FUSE, False),
        ("old-mapping", False),
        ("by-hand", False),
    ],
)
def test_what_waits_by_design_is_not_late(desk: Desk, ledger: Ledger, code: str, waits: bool) -> None:
    with ledger.write() as tx:
        change = receive(tx, "1")
        if code:
            changes.wait(tx, change, tx.now, code, "in words")
    with ledger.read() as tx:
        assert bool(reports.glance(tx).sites["city"].waiting) is waits


def test_the_last_write_of_each_kind(desk: Desk, ledger: Ledger) -> None:
    began = desk.clock.now()
    for kind, minutes in ((Kind.CLIENT, 1), (Kind.APPOINTMENT, 2), (Kind.CLIENT, 3)):
        desk.clock.advance(60)
        with ledger.write() as tx:
            change = tx.session.get_one(Change, receive(tx, f"{kind}{minutes}"))
            tx.session.add(
                Action(
                    change_id=change.id,
                    record_id=change.record_id,
                    site="city",
                    account=PIMS,
                    kind=kind,
                    operation="create",
                    state="answered",
                    created_at=tx.now,
                    answered_at=tx.now,
                )
            )
    with ledger.read() as tx:
        site = reports.glance(tx).sites["city"]
    minute = timedelta(minutes=1)
    assert site.written == {Kind.CLIENT: began + 3 * minute, Kind.APPOINTMENT: began + 2 * minute}
    assert site.last_write == began + 3 * minute


def test_attempts_are_counted_once_they_have_ended(desk: Desk, ledger: Ledger) -> None:
    def begin(number: int) -> None:
        with ledger.write() as tx:
            change = tx.session.get_one(Change, receive(tx, str(number)))
            made = Action(
                id=number,
                change_id=change.id,
                record_id=change.record_id,
                site="city",
                account=PIMS,
                kind="appointment",
                operation="create",
                state="intended",
                created_at=tx.now,
            )
            tx.session.add(made)
            tx.session.flush()
            tx.session.add(Attempt(id=number, action_id=number, number=1, state="intended", started_at=tx.now))

    def counted(after: int) -> tuple[dict[AttemptKey, int], int]:
        with ledger.read() as tx:
            found, number = reports.attempts_after(tx, after)
            return dict(found), number

    def end(number: int, state: str) -> None:
        with ledger.write() as tx:
            tx.session.get_one(Attempt, number).state = state

    begin(1)
    with ledger.read() as tx:
        assert reports.newest_attempt(tx) == 1
    begin(2)
    begin(3)
    end(3, "not_done")
    assert counted(1) == ({}, 1), "the second is under way, and the third waits for it"
    end(2, "answered")
    key = (PIMS, "appointment", "create")
    assert counted(1) == ({(*key, "answered"): 1, (*key, "not_done"): 1}, 3)
    assert counted(3) == ({}, 3)
    begin(4)
    assert counted(3) == ({}, 3)
    desk.clock.advance(700)
    assert counted(3) == ({(*key, "intended"): 1}, 4), "its process was cut off"


# -- for monitoring


def checked(desk: Desk) -> tuple[int, str]:
    done = desk.run("status", "--check")
    assert done.stdout.count("\n") == 1, "one line"
    return done.exit_code, done.stdout.strip()


def test_a_check_is_one_line_and_one_of_three_codes(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    fine = "now=0;;0 today=0;0 questions=0 failures=0 waiting=0s read=0s"
    assert checked(desk) == (0, f"VETBRIDGE OK - city: nothing is wrong | {fine}")
    settled(ChangeState.FAILED, "mapping")
    code, line = checked(desk)
    assert code == 1
    assert line.startswith(
        "VETBRIDGE WARNING - 1 condition: failures-wait city | now=0;;0 today=1;0 questions=0 fail"
    )
    with ledger.write() as tx:
        changes.begin_run(tx, "run")
        accounts.block(tx, PIMS, "auth-failed")
    code, line = checked(desk)
    assert code == 2
    assert "VETBRIDGE CRITICAL - 3 conditions: daemon-down, account-blocked ezyvet-city, failures-wait city |" in line


def test_a_check_without_a_ledger_or_a_config_is_critical(desk: Desk) -> None:
    code, line = checked(desk)
    assert (code, line.split(":")[0]) == (2, "VETBRIDGE CRITICAL - ledger")
    desk.config_path.write_text("version: 1\nbroken | pipe: [")
    code, line = checked(desk)
    assert (code, line.split(":")[0], line.count("|")) == (2, "VETBRIDGE CRITICAL - config", 0)


# -- one screen


def test_what_is_wrong_stands_first_with_its_remedy(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    settled(ChangeState.FAILED, "mapping")
    with ledger.write() as tx:
        accounts.block(tx, PIMS, "auth-failed")
    text = desk.run("status").stdout
    order = [text.index(words) for words in ("!! ezyvet-city lets", "Renew them", "!  city: failures", "Account ")]
    assert order == sorted(order)
    assert text.count("Renew them") == 1, "said once"
    told = desk.data("status")["conditions"]
    assert [(each["code"], each["severity"], each["name"]) for each in told] == [
        ("account-blocked", "now", PIMS),
        ("failures-wait", "today", "city"),
    ]
    assert all(each["message"] and each["remedy"] and each["since"] for each in told)


def test_of_very_many_conditions_some_are_drawn(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = changes.begin_run(tx, "run")
        tx.session.get_one(Run, run).started_at = tx.now - timedelta(days=1)
        change = receive(tx, "1")
        for number in range(30):
            row = Review(
                change_id=change,
                site="city",
                state="open",
                why=f"x{number}",
                visit_at=datetime.now(UTC) + timedelta(minutes=30),
                opened_at=tx.now,
            )
            tx.session.add(row)
    with single_instance(desk.place):
        text = desk.run("status").stdout
        assert len(desk.data("status")["conditions"]) == 30 + 4  # and what nobody has read yet
    assert text.count("!! ") == 10
    assert "and 24 more: vetbridge status --json" in text


def test_one_healthy_site_fits_one_screen(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    for state, code in ((ChangeState.DONE, "created"), (ChangeState.SKIPPED, "settled")):
        settled(state, code)
    desk.clock.advance(590)
    with ledger.write() as tx:
        mirror.completed(tx, PIMS, first=True)
        for name, kinds in (("altegio-city", (Kind.APPOINTMENT, Kind.CLIENT)), (PIMS, (Kind.APPOINTMENT,))):
            accounts.answered(tx, name)
            for kind in kinds:
                accounts.move_cursor(tx, name, kind, "1")
        changes.begin_run(tx, "run")
    with single_instance(desk.place):
        lines = desk.run("status").stdout.splitlines()
        (site,) = desk.data("status")["sites"]
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert re.search(r"read from altegio-city: clients \d+ seconds? ago, visits \d+ seconds? ago", text)
    assert re.search(
        r"read from ezyvet-city: clients \d+ seconds? ago, pets \d+ seconds? ago, visits \d+ second", text
    )
    reads = {each["kind"]: [read["account"] for read in each["reads"]] for each in site["kinds"]}
    assert reads == {"client": ["altegio-city", PIMS], "pet": [PIMS], "appointment": ["altegio-city", PIMS]}
    assert all(not read["read_stale"] and read["read_age"] < 60 for each in site["kinds"] for read in each["reads"])
    assert {each["kind"]: each["write"]["write_stale"] for each in site["kinds"]} == dict.fromkeys(reads, False)


def test_the_states_are_those_of_the_tables() -> None:
    assert set(glance.STATES) == {state.value for state in ChangeState}


@pytest.mark.sqlite_file("status has a quicker way to look into a file")
def test_the_quick_way_needs_no_database_library(desk: Desk, ledger: Ledger) -> None:
    script = (
        "import sys\nfrom typer.testing import CliRunner\nfrom vetbridge.cli.main import app\n"
        f"done = CliRunner().invoke(app, ['--config', {str(desk.config_path)!r}, 'status', '--json'])\n"
        "assert done.exit_code == 0, done.output\n"
        "print(sorted({'sqlalchemy', 'sqlmodel', 'alembic'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.sqlite_file("status has a quicker way to look into a file")
def test_a_ledger_of_an_older_schema_is_upgraded_the_ordinary_way(
    desk: Desk, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glance, "_newest_schema", lambda: "9999")
    assert glance.in_file(desk.ledger_path, KEY, desk.clock.now()) is None
    assert desk.run("status").exit_code == 0


def test_another_key_is_told(desk: Desk, ledger: Ledger) -> None:
    config = desk.config()
    (desk.folder / "other.key").write_text("another key that is long enough to be taken")
    config["ledger"]["key"] = {"file": "other.key"}
    desk.save(config)
    result = desk.run("status", "--json")
    assert result.exit_code == 6
    assert json.loads(result.stdout)["problems"][0]["code"] == "ledger-key"


@pytest.mark.sqlite_file("a file may hold something else")
def test_a_file_that_is_no_ledger_is_told_and_left_alone(desk: Desk) -> None:
    desk.ledger_path.write_bytes(b"holiday plans " * 200)
    assert desk.run("status").exit_code == 6
    assert desk.ledger_path.read_bytes() == b"holiday plans " * 200


@pytest.mark.sqlite_file("status has a quicker way to look into a file")
def test_a_look_changes_nothing(desk: Desk, ledger: Ledger, parked: Parked) -> None:
    ledger.close()
    before = desk.ledger_path.read_bytes()
    assert glance.in_file(desk.ledger_path, KEY, desk.clock.now()) is not None
    assert desk.ledger_path.read_bytes() == before
