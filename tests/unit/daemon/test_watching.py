"""The watch: what is wrong is told once when it begins and once when it is over, whatever happens between."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlmodel import select
from structlog.testing import capture_logs

from tests.unit.daemon.watched import LOOK, Keeping, Watched, full
from vetbridge.config.models import Webhook
from vetbridge.config.secrets import Secret
from vetbridge.core.conditions import Code, Condition, Scope
from vetbridge.core.records import Kind
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.service import Service
from vetbridge.daemon.telling import WAITS
from vetbridge.daemon.watching import OVER_AFTER
from vetbridge.ledger import accounts, changes, episodes, going_live, reviews, worklist
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Delivery, Episode

Watch = Callable[..., Watched]
OVER = int(OVER_AFTER // LOOK) + 1
"""Looks after which what is not found is over."""


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made: list[Watched] = []

    def begin(**more: Any) -> Watched:
        channels = more.pop("channels", {"chat": Keeping(), "mail/it": Keeping(at_once=500)})
        made.append(Watched(tmp_path, channels, **more))
        return made[-1]

    yield begin
    for each in made:
        each.close()


def chat(watched: Watched, name: str = "chat") -> Keeping:
    channel = watched.channels[name]
    assert isinstance(channel, Keeping)
    return channel


def rows(ledger: Ledger) -> list[Episode]:
    with ledger.read() as tx:
        return list(tx.session.exec(select(Episode).order_by(Episode.id)))  # type: ignore[arg-type]


def ask(watched: Watched, visit_at: datetime) -> int:
    """Opens a question about a visit; returns its number."""
    with watched.ledger.write() as tx:
        going_live.meet(tx, "city", start_live=True)
        change = changes.receive(
            tx, site="city", account="booking", kind=Kind.APPOINTMENT, remote_id="v1", source="poll"
        )
        item = reviews.ask(tx, change, why="contact-shared", visit_at=visit_at, question={"booker": "Jane Doe"})
        assert item.id is not None
        return item.id


# -- once, and once


def test_each_channel_is_told_once_that_it_began_and_once_that_it_is_over(watch: Watch) -> None:
    watched = watch()
    watched.finds(Code.DISK_LOW)
    watched.look(10)
    watched.finds()
    watched.look(10)
    for name in ("chat", "mail/it"):
        assert chat(watched, name).told == [("alert.raised", "disk-low"), ("alert.cleared", "disk-low")]
    (row,) = rows(watched.ledger)
    assert row.cleared_at is not None


def test_what_is_told_is_ids_codes_and_the_sentences_of_the_desk(watch: Watch) -> None:
    watched = watch()
    since = watched.clock.now() - timedelta(minutes=3)
    details: dict[str, str | int | float] = {"misses": 7}
    hook = Condition(code=Code.HOOK_SILENT, scope=Scope.ACCOUNT, name="pims", since=since, details=details)
    watched.finds(hook)
    watched.look()
    ((_, told),) = chat(watched).taken
    text, remedy = told["data"].pop("text"), told["data"].pop("remedy")
    assert told == {
        "type": "alert.raised",
        "timestamp": "2026-03-02T09:00:00Z",
        "data": {
            "episode": 1,
            "code": "hook-silent",
            "severity": "today",
            "scope": "account",
            "name": "pims",
            "kind": "",
            "sites": ["city", "north"],
            "since": "2026-03-02T08:57:00Z",
            "details": {"misses": 7},
        },
    }
    assert "pims" in text
    assert remedy
    watched.finds()
    watched.look(OVER)
    assert chat(watched).taken[-1][1]["data"]["cleared_at"] == "2026-03-02T09:01:30Z"


def test_what_comes_and_goes_is_one_episode(watch: Watch) -> None:
    watched = watch()
    for _ in range(10):
        watched.finds(Code.CLOCK_WRONG)
        watched.look()
        watched.finds()
        watched.look(OVER - 1)
    assert chat(watched).told == [("alert.raised", "clock-wrong")]
    watched.look(1)
    assert chat(watched).told[1:] == [("alert.cleared", "clock-wrong")]
    watched.finds(Code.CLOCK_WRONG)
    watched.look()
    assert chat(watched).told[2:] == [("alert.raised", "clock-wrong")], "after that it is another one"


def test_a_single_look_long_after_the_last_one_ends_nothing(watch: Watch) -> None:
    watched = watch()
    watched.finds(Code.DISK_LOW)
    watched.look()
    watched.finds()
    watched.clock.advance(3600)
    watched.look()
    assert rows(watched.ledger)[0].cleared_at is None


def test_a_restart_in_the_middle_tells_nothing_twice(watch: Watch) -> None:
    watched = watch()
    watched.finds(Code.DISK_LOW)
    for _ in range(4):
        watched.look(2)
        watched.start()
    watched.finds()
    for _ in range(4):
        watched.look(OVER - 1)
        watched.start()
    assert chat(watched).told == [("alert.raised", "disk-low")], "no life of the daemon saw it gone for long enough"
    watched.look(OVER)
    watched.start()
    watched.look(OVER)
    assert chat(watched).told == [("alert.raised", "disk-low"), ("alert.cleared", "disk-low")]


def test_what_held_before_the_first_start_is_told(watch: Watch) -> None:
    watched = watch()
    with watched.ledger.write() as tx:
        for name in ("booking", "other", "pims"):
            accounts.enrol(tx, name, "memory", country="GB")
        accounts.block(tx, "pims", "auth-failed")
    watched.clock.advance(86400)
    watched.look()
    assert chat(watched).told == [("alert.raised", "account-blocked")]
    assert chat(watched).taken[0][1]["data"]["sites"] == ["city", "north"]


def test_it_is_noted_though_nobody_is_told(watch: Watch) -> None:
    watched = watch(channels={})
    watched.finds(Code.DISK_LOW)
    watched.look()
    assert [(row.code, row.cleared_at) for row in rows(watched.ledger)] == [("disk-low", None)]
    added = Keeping()
    watched.start({"chat": added})
    watched.look(3)
    assert added.told == [], "who is added later hears of it in the digest"


def test_each_channel_is_told_what_it_names(watch: Watch) -> None:
    watched = watch(channels={"begins": Keeping(["alert.raised"]), "ends": Keeping(["alert.cleared"])})
    watched.finds(Code.DISK_LOW)
    watched.look()
    watched.finds()
    watched.look(OVER)
    assert [chat(watched, name).told for name in ("begins", "ends")] == [
        [("alert.raised", "disk-low")],
        [("alert.cleared", "disk-low")],
    ]


def test_a_quiet_or_an_unchanged_look_writes_next_to_nothing(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = watch()
    watched.finds(Code.DISK_LOW)
    watched.look()
    with monkeypatch.context() as patch:
        patch.setattr(watched.ledger, "write", None)
        watched.look(3)
    watched.look(1)
    assert rows(watched.ledger)[0].seen_at == watched.clock.now() - timedelta(seconds=LOOK)


def test_an_episode_that_a_newer_vetbridge_wrote_is_left_alone(watch: Watch) -> None:
    watched = watch()
    now = watched.clock.now()
    with watched.ledger.write() as tx:
        tx.session.add(Episode(key="x:y::", code="x", scope="y", name="", since=now, seen_at=now, raised_at=now))
    watched.look(OVER + 1)
    assert chat(watched).told == []
    assert rows(watched.ledger)[0].cleared_at is None


# -- many at once


def test_many_at_once_are_one_mail_and_a_call_each(watch: Watch) -> None:
    watched = watch()
    now = watched.clock.now()
    watched.finds(
        *(
            Condition(code=Code.HOOK_SILENT, scope=Scope.ACCOUNT, name=f"clinic-{number}", since=now)
            for number in range(60)
        )
    )
    watched.look(2)
    assert (chat(watched, "mail/it").handed, chat(watched).handed) == ([60], [1] * 60)


def test_what_a_mail_server_did_not_take_goes_with_the_next_mail(watch: Watch) -> None:
    watched = watch()
    mail = chat(watched, "mail/it")
    mail.deaf = True
    watched.finds(Code.DISK_LOW)
    watched.look()
    watched.clock.advance(sum(WAITS[:4]))
    watched.look(6)
    mail.deaf = False
    watched.look(1)
    assert mail.handed == [], "its next try has not come"
    watched.finds(Code.DISK_LOW, Code.CLOCK_WRONG)
    watched.look(1)
    assert mail.told == [("alert.raised", "disk-low"), ("alert.raised", "clock-wrong")]
    assert mail.handed == [2]


def test_a_mail_that_others_prompt_uses_up_no_try(watch: Watch) -> None:
    watched = watch()
    mail = chat(watched, "mail/it")
    mail.deaf = True
    more = (Code.ROUNDS_STUCK, Code.BACKUP_FAILED, Code.DISK_FULL, Code.DAEMON_DOWN, Code.BACKUP_OLD)
    found: list[Code] = []
    for code in (Code.CLOCK_WRONG, Code.DISK_LOW, Code.CERTIFICATE_ENDS, Code.CLOCK_MOVED, *more):
        found.append(code)
        watched.finds(*dict.fromkeys(found))
        watched.look()
    with watched.ledger.read() as tx:
        tries = [row.tries for row in tx.session.exec(select(Delivery).where(Delivery.webhook == "mail/it"))]
    assert max(tries) <= 5, "nine rounds, and each goes by its own waits"


# -- the digest


def test_what_is_still_open_is_told_once_a_day_by_the_first_sites_clock(watch: Watch) -> None:
    watched = watch(alerts={"digest": "07:00"})
    watched.finds(Code.DISK_LOW, Code.CLOCK_WRONG)
    watched.look()
    for _ in range(20):  # 09:00 in UTC is 10:00 in Berlin
        watched.clock.advance(3600)
        watched.look()
    digests = [each["timestamp"] for _, each in chat(watched).taken if each["type"] == "alert.digest"]
    assert len(digests) == 0
    watched.clock.advance(3600)
    watched.look()
    watched.start()
    watched.look(5)
    assert chat(watched).told[2:] == [("alert.digest", 2)]
    (digest,) = (each for _, each in chat(watched).taken if each["type"] == "alert.digest")
    assert digest["timestamp"].startswith("2026-03-03T06:")
    assert [each["code"] for each in digest["data"]["open"]] == ["disk-low", "clock-wrong"]
    watched.clock.advance(86400)
    watched.look(3)
    assert chat(watched).told[3:] == [("alert.digest", 2)]


def test_there_is_no_digest_of_nothing_nor_of_what_has_just_begun(watch: Watch) -> None:
    watched = watch(alerts={"digest": "10:30"})  # 09:30 in UTC
    for _ in range(30):
        watched.clock.advance(3600)
        watched.look()
    watched.finds(Code.DISK_LOW)
    watched.look(3)
    assert chat(watched).told == [("alert.raised", "disk-low")]


def test_a_digest_whose_time_was_missed_is_made_up_for_once(watch: Watch) -> None:
    watched = watch(alerts={"digest": "07:00"})
    watched.finds(Code.DISK_LOW)
    watched.look()
    watched.clock.advance(3 * 86400 + 3600)
    watched.start()
    watched.look(4)
    watched.start()
    watched.look(4)
    assert chat(watched).told == [("alert.raised", "disk-low"), ("alert.digest", 1)]


def test_a_digest_can_be_left_out(watch: Watch) -> None:
    watched = watch(alerts={"digest": None})
    watched.finds(Code.DISK_LOW)
    for _ in range(50):
        watched.look()
        watched.clock.advance(3600)
    assert chat(watched).told == [("alert.raised", "disk-low")]


@pytest.mark.parametrize(
    ("day", "first", "second"),
    [
        (datetime(2026, 3, 28, 0, 30, tzinfo=UTC), "2026-03-28T01:30", "2026-03-29T01:30"),  # it has no 02:30
        (datetime(2026, 10, 24, 0, 0, tzinfo=UTC), "2026-10-24T01:00", "2026-10-25T01:00"),  # it has two of them
    ],
)
def test_a_night_in_which_the_clocks_change_has_one_digest(
    watch: Watch, day: datetime, first: str, second: str
) -> None:
    watched = watch(alerts={"digest": "02:30"})
    watched.clock.advance((day - watched.clock.now()).total_seconds())
    watched.finds(Code.DISK_LOW)
    for _ in range(40):
        watched.look()
        watched.clock.advance(3600 - LOOK)
    told = [each["timestamp"] for _, each in chat(watched).taken if each["type"] == "alert.digest"]
    assert [each[:16] for each in told] == [first, second]


# -- the nudge


def test_a_question_whose_visit_begins_soon_is_told_once_and_never_as_an_alert(watch: Watch) -> None:
    watched = watch()
    visit = watched.clock.now() + timedelta(hours=3)
    item = ask(watched, visit)
    watched.look()
    assert chat(watched).told == []
    watched.clock.advance(3600)
    watched.look(3)
    watched.start()
    watched.look(3)
    ((_, told),) = chat(watched).taken
    assert (told["type"], told["data"]["item"], told["data"]["sites"]) == ("review.soon", item, ["city"])
    assert datetime.fromisoformat(told["data"]["details"]["visit_at"]) == visit
    assert "Jane" not in json.dumps(told)
    with watched.ledger.write() as tx:
        reviews.close(tx, item, "answered")
    watched.look()
    assert [row.cleared_at is None for row in rows(watched.ledger)] == [False]
    watched.look(3)
    assert len(chat(watched).taken) == 1


def test_a_visit_that_nobody_types_is_an_alert_until_somebody_has(watch: Watch) -> None:
    watched = watch()
    visit = watched.clock.now() + timedelta(hours=3)
    with watched.ledger.write() as tx:
        going_live.meet(tx, "city", start_live=True)
        change = changes.receive(
            tx, site="city", account="booking", kind=Kind.APPOINTMENT, remote_id="v1", source="poll"
        )
        details = {"client": {"name": "Jane Doe", "is_new": True}}
        line = worklist.put(
            tx,
            change,
            account="pims",
            kind=Kind.APPOINTMENT,
            remote_id="",
            task=worklist.BOOK,
            details=details,
            visit_at=visit,
        )
    watched.look()
    assert chat(watched).told == []
    watched.clock.advance(3601)
    watched.look(3)
    watched.start()
    watched.look(3)
    ((_, told),) = chat(watched).taken
    assert (told["data"]["code"], told["data"]["sites"], told["data"]["details"]["count"]) == (
        "line-overdue",
        ["city"],
        1,
    )
    assert "Jane" not in json.dumps(told)
    with watched.ledger.write() as tx:
        row = worklist.line(tx, line.id or 0)
        assert row is not None
        worklist.done(tx, row, "ann")
    watched.look(OVER)
    assert chat(watched).told == [("alert.raised", "line-overdue"), ("alert.cleared", "line-overdue")]


def test_a_visit_that_is_moved_nudges_again(watch: Watch) -> None:
    watched = watch()
    ask(watched, watched.clock.now() + timedelta(hours=1))
    watched.look(2)
    ask(watched, watched.clock.now() + timedelta(minutes=90))
    watched.look(2)
    assert [each["type"] for _, each in chat(watched).taken] == ["review.soon", "review.soon"]
    assert len(rows(watched.ledger)) == 1


def test_a_question_is_not_in_the_digest(watch: Watch) -> None:
    watched = watch(alerts={"digest": "11:00"})
    ask(watched, watched.clock.now() + timedelta(hours=2))
    for _ in range(4):
        watched.look()
        watched.clock.advance(1800)
    assert chat(watched).told == [("review.soon", "question-soon")]


# -- where the ledger takes nothing


def test_a_full_disk_is_told_past_the_ledger_and_once_that_it_is_over(watch: Watch) -> None:
    watched = watch()
    watched.finds(Code.DISK_FULL)
    with full(watched.ledger), capture_logs() as lines:
        watched.look(10)
        assert not watched.watching.is_well
    for name in ("chat", "mail/it"):
        assert chat(watched, name).told == [("alert.raised", "ledger-busy")]
    assert "disk is full" in chat(watched).taken[0][1]["data"]["text"]
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["condition.began"]
    watched.finds()
    watched.look(OVER + 2)
    assert chat(watched).told == [("alert.raised", "ledger-busy"), ("alert.cleared", "ledger-busy")]
    assert [(row.code, row.cleared_at is None) for row in rows(watched.ledger)] == [("ledger-busy", False)]
    watched.start()
    watched.look(OVER)
    assert len(chat(watched).taken) == 2
    assert watched.watching.is_well


def test_a_lock_that_passes_is_not_told(watch: Watch) -> None:
    watched = watch()
    watched.finds(Code.DISK_LOW)
    with full(watched.ledger):
        watched.look(1)
    watched.look(5)
    assert chat(watched).told == [("alert.raised", "disk-low")]


def test_a_ledger_that_comes_and_goes_is_one_episode(watch: Watch) -> None:
    watched = watch()
    watched.finds(Code.DISK_LOW, Code.LEDGER_BUSY)
    for _ in range(4):
        with full(watched.ledger):
            watched.look(2)
        watched.look(1)
    watched.finds()
    watched.look(10)
    assert sorted(chat(watched).told) == [
        ("alert.cleared", "disk-low"),
        ("alert.cleared", "ledger-busy"),
        ("alert.raised", "disk-low"),
        ("alert.raised", "ledger-busy"),
    ]


def test_a_channel_that_does_not_answer_meanwhile_is_told_when_it_does(watch: Watch) -> None:
    watched = watch()
    watched.finds(Code.DISK_FULL)
    chat(watched).deaf = True
    with full(watched.ledger):
        watched.look(4)
        assert chat(watched, "mail/it").told == [("alert.raised", "ledger-busy")]
        chat(watched).deaf = False
        watched.look(4)
    assert chat(watched).told == [("alert.raised", "ledger-busy")]


def test_who_was_never_told_that_it_began_is_not_told_that_it_is_over(watch: Watch) -> None:
    watched = watch()
    chat(watched).deaf = True
    watched.finds(Code.DISK_LOW)
    with full(watched.ledger):
        watched.look(4)
    watched.finds()
    watched.look(OVER + 1)
    chat(watched).deaf = False
    watched.look(5)
    assert chat(watched).told == []
    assert chat(watched, "mail/it").told == [("alert.raised", "ledger-busy"), ("alert.cleared", "ledger-busy")]


# -- what the config takes away


def test_what_waits_for_a_mail_that_was_taken_from_the_config_is_given_up(watch: Watch) -> None:
    watched = watch()
    chat(watched, "mail/it").deaf = True
    watched.finds(Code.DISK_LOW)
    watched.look()
    watched.start({"chat": Keeping()})
    with watched.ledger.read() as tx:
        found = {row.webhook: row.code for row in tx.session.exec(select(Delivery))}
    assert found == {"chat": "", "mail/it": "no-such-channel"}


def test_a_webhook_is_told_all_types_unless_it_names_some() -> None:
    assert {"review.soon", "alert.raised", "alert.cleared", "alert.digest"} <= set(
        Webhook.model_fields["events"].default
    )


def test_the_oldest_open_episode_keeps_its_beginning(watch: Watch) -> None:
    watched = watch()
    first = Condition(code=Code.DISK_LOW, scope=Scope.VETBRIDGE, since=watched.clock.now(), details={"path": "/a"})
    watched.finds(first)
    watched.look()
    watched.clock.advance(600)
    later = Condition(
        code=Code.DISK_LOW, scope=Scope.VETBRIDGE, since=watched.clock.now(), details={"path": "/a", "free": 3}
    )
    watched.finds(later)
    watched.look()
    with watched.ledger.read() as tx:
        (row,) = episodes.standing(tx)
    assert (row.since, json.loads(row.details)) == (first.since, {"path": "/a", "free": 3})


def test_the_daemon_watches_tells_and_beats(watch: Watch, tmp_path: Path) -> None:
    keep = "import sys, pathlib; pathlib.Path('kept').write_text(sys.stdin.read())"
    watched = watch(
        alerts={
            "commands": {"keep": {"command": [sys.executable, "-c", keep]}},
            "heartbeat": {"url": Secret.of("http://127.0.0.1:9/"), "every": 20.0},
        }
    )
    with watched.ledger.write() as tx:
        for name in ("booking", "other", "pims"):
            accounts.enrol(tx, name, "memory", country="GB")
        accounts.block(tx, "pims", "auth-failed")
    parts = {
        "ledger": watched.ledger,
        "clock": watched.clock,
        "pairs": [],
        "connectors": {},
        "connecting": {},
        "joiners": {},
        "file_lookers": {},
        "due_readers": {},
        "due_rounds": {},
    }
    engine = SimpleNamespace(clock_move=None)
    loaded = SimpleNamespace(config=watched.config, folder=tmp_path)
    service = Service(cast(Program, SimpleNamespace(**parts, engine=engine, loaded=loaded)))
    jobs = {job.name: job for job in service.jobs()}
    assert (jobs["watch:vetbridge"].every, jobs["beat:heartbeat"].every) == (LOOK, 20.0)
    jobs["watch:vetbridge"].work()
    jobs["deliver:command/keep"].work()
    assert json.loads((tmp_path / "kept").read_text())["data"]["code"] == "account-blocked"
    with capture_logs() as lines:
        jobs["beat:heartbeat"].work()
    assert [(line["event"], line["code"]) for line in lines] == [("heartbeat.failing", "unavailable")]
    assert "look:webhooks" not in jobs, "nobody is told what is looked for"
