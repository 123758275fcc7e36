"""`vetbridge alerts`, and the mails: what stands in them, and nothing that steers a terminal or a mail."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.postbox import Postbox, postbox
from tests.unit.desk.practice import ZONE, Desk
from vetbridge.core.conditions import Code, Condition, Scope
from vetbridge.daemon.channels import channels
from vetbridge.desk import language, mails
from vetbridge.desk.alerts import told
from vetbridge.ledger import episodes, events
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.events import ALERT_CLEARED, ALERT_DIGEST, ALERT_RAISED, REVIEW_SOON, Happening, Message

AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
BLOCKED = Condition(
    code=Code.ACCOUNT_BLOCKED, scope=Scope.ACCOUNT, name="ezyvet-city", since=AT, details={"why": "auth-failed"}
)
FAILURES = Condition(code=Code.FAILURES_WAIT, scope=Scope.SITE, name="city", since=AT, details={"count": 3})
DISK = Condition(
    code=Code.DISK_LOW, scope=Scope.VETBRIDGE, name="ledger", since=AT, details={"free_megabytes": 90, "path": "/var"}
)
SOON = Condition(
    code=Code.QUESTION_SOON,
    scope=Scope.REVIEW,
    name="42",
    since=AT,
    details={"site": "city", "why": "contact-shared", "visit_at": "2026-11-24T10:30:00+00:00"},
)


@pytest.fixture
def box() -> Iterator[Postbox]:
    with postbox() as made:
        yield made


@pytest.fixture
def noted(desk: Desk, ledger: Ledger) -> Ledger:
    """Three that are open, and one that is over."""
    with ledger.write() as tx:
        other = Condition(code=Code.HOOK_SILENT, scope=Scope.ACCOUNT, name="elsewhere", since=tx.now)
        episodes.update(tx, [FAILURES, BLOCKED, other], ())
    desk.clock.advance(120)
    with ledger.write() as tx:
        episodes.update(tx, [DISK], {FAILURES.key})
    return ledger


def configure(desk: Desk, box: Postbox | None = None, **mail: Any) -> None:
    """Adds one mail, where there is a postbox, and one command that keeps what it gets."""
    keep = "import sys, pathlib; pathlib.Path('kept').write_text(sys.stdin.read())"
    alerts: dict[str, Any] = {"commands": {"keep": {"command": [sys.executable, "-c", keep]}}}
    if box is not None:
        alerts |= {
            "mail_server": {
                "host": "localhost",
                "port": box.port,
                "security": "none",
                "sender": "vetbridge@clinic.example",
            },
            "mails": {"it": {"to": ["it@clinic.example"], **mail}},
        }
    desk.save({**desk.config(), "alerts": alerts})


def content(desk: Desk, type_: str, *found: Condition) -> list[str]:
    """Events as they are sent."""
    config = desk.loaded().config
    data: list[dict[str, Any]] = [told(each, config, number) for number, each in enumerate(found, 1)]
    if type_ == ALERT_DIGEST:
        data = [{"count": len(data), "open": data}]
    if type_ == ALERT_CLEARED:
        data = [{**each, "cleared_at": events.moment(AT + timedelta(minutes=90))} for each in data]
    return [events.content(Happening(type_, "", AT, each)) for each in data]


# -- the mail


def test_one_condition_is_the_subject_itself(desk: Desk) -> None:
    subject, body = mails.written(content(desk, ALERT_RAISED, BLOCKED), ZONE)
    assert subject.startswith("[VetBridge] ezyvet-city ")
    assert "account-blocked, since Tue 24 Nov 09:00" in body
    assert "Renew them at the vendor" in " ".join(body.split())
    over, body = mails.written(content(desk, ALERT_CLEARED, BLOCKED), ZONE)
    assert over.startswith("[VetBridge] over: ezyvet-city ")
    assert "account-blocked, from Tue 24 Nov 09:00 to Tue 24 Nov 10:30" in body
    assert "Renew them" not in body


def test_several_are_counted_with_their_sites_and_ordered_by_urgency(desk: Desk) -> None:
    told_now = [*content(desk, ALERT_RAISED, FAILURES, BLOCKED), *content(desk, ALERT_CLEARED, DISK)]
    subject, body = mails.written(told_now, ZONE)
    assert subject == "[VetBridge] 2 conditions, 1 over at city"
    places = [body.index(code) for code in ("account-blocked", "failures-wait", "disk-low")]
    assert places == sorted(places)
    assert body.endswith(f"Times are those of {ZONE}.\n")


def test_nudges_and_digests_have_parts_of_their_own(desk: Desk) -> None:
    subject, body = mails.written(
        content(desk, REVIEW_SOON, SOON) + content(desk, ALERT_DIGEST, DISK, FAILURES), ZONE
    )
    assert subject == "[VetBridge] 1 question whose visit begins soon, 2 still open at city"
    assert "vetbridge review show 42" in body
    assert body.index("wait for an answer") < body.index("Still open")


def test_a_flood_is_cut_and_counted(desk: Desk) -> None:
    many = [
        Condition(code=Code.HOOK_SILENT, scope=Scope.ACCOUNT, name=f"a{number}", since=AT, details={"misses": 5})
        for number in range(mails.SHOWN + 7)
    ]
    subject, body = mails.written(content(desk, ALERT_RAISED, *many), ZONE)
    assert subject == f"[VetBridge] {mails.SHOWN + 7} conditions"
    assert body.count("hook-silent") == mails.SHOWN
    assert "and 7 more" in body


def test_a_mail_speaks_its_readers_language_and_tells_the_first_sites_time(desk: Desk, box: Postbox) -> None:
    config = desk.config()
    config["sites"]["city"]["zone"] = "Europe/Berlin"
    desk.save(config)
    configure(desk, box, language="de")
    loaded = desk.loaded()
    mail = channels(loaded.config, loaded.folder, desk.clock)["mail/it"]
    mail.send([Message("evt_1", ALERT_RAISED, content(desk, ALERT_RAISED, BLOCKED)[0])])
    assert "Di. 24. Nov. 10:00" in box.taken[0].text
    assert language.spoken() == "en"


def test_a_name_from_outside_steers_no_mail(desk: Desk, box: Postbox) -> None:
    configure(desk, box)
    loaded = desk.loaded()
    hostile = Condition(
        code=Code.HOOK_SILENT,
        scope=Scope.ACCOUNT,
        name="x\r\nBcc: all@elsewhere.example\r\n\r\n<script>\x1b[2J\u202e{0} %s",
        since=AT,
        details={"misses": 1},
    )
    mail = channels(loaded.config, loaded.folder, desk.clock)["mail/it"]
    mail.send([Message("evt_1", ALERT_RAISED, content(desk, ALERT_RAISED, hostile)[0])])
    (taken,) = box.taken
    assert (taken.to, taken.mail["Bcc"]) == (["it@clinic.example"], None)
    assert "\n" not in taken.mail["Subject"]
    assert taken.mail.get_content_type() == "text/plain"


# -- alerts list


def test_what_is_open_is_listed_the_urgent_first_with_what_to_do(desk: Desk, noted: Ledger) -> None:
    done = desk.run("alerts", "list")
    assert done.exit_code == 0
    places = [done.output.index(word) for word in ("account-blocked", "hook-silent", "disk-low")]
    assert places == sorted(places)
    assert "failures-wait" not in done.output
    assert "Renew them at the vendor" in " ".join(done.output.split())
    assert "Nobody is told" in done.output
    assert "over  " in desk.run("alerts", "list", "--all").output


def test_as_data(desk: Desk, noted: Ledger) -> None:
    found = desk.data("alerts", "list", "--all")
    assert [each["code"] for each in found["episodes"]] == [
        "account-blocked",
        "hook-silent",
        "disk-low",
        "failures-wait",
    ]
    first, last = found["episodes"][0], found["episodes"][-1]
    assert (first["sites"], first["severity"], first["cleared_at"]) == (["city"], "now", None)
    assert (last["details"], last["cleared_at"] is None) == ({"count": 3}, False)
    assert len(desk.data("alerts", "list", "--limit", "1")["episodes"]) == 1


def test_of_one_site_with_what_touches_vetbridge_as_a_whole(desk: Desk, noted: Ledger) -> None:
    config = desk.config()
    config["accounts"]["elsewhere"] = config["accounts"]["altegio-city"]
    config["sites"]["north"] = {**config["sites"]["city"], "booking": {"account": "elsewhere"}}
    desk.save(config)
    found = desk.data("alerts", "list", "--site", "north")
    assert [each["code"] for each in found["episodes"]] == ["account-blocked", "hook-silent", "disk-low"]
    found = desk.data("alerts", "list", "--site", "city")
    assert [each["code"] for each in found["episodes"]] == ["account-blocked", "disk-low"]
    assert desk.run("alerts", "list", "--site", "citi").exit_code == 2


def test_each_channel_says_what_became_of_its_last_delivery(desk: Desk, ledger: Ledger, box: Postbox) -> None:
    configure(desk, box)
    with ledger.write() as tx:
        types = {"mail/it": [ALERT_RAISED], "command/keep": [ALERT_RAISED]}
        for number in range(2):
            events.tell(tx, [Happening(ALERT_RAISED, f"{number}", AT, {})], types)
        events.sent(tx, 1, "mail/it")
        events.missed(tx, 1, "command/keep", "ended-3", wait=None)
    found = {each["name"]: each for each in desk.data("alerts", "list")["channels"]}
    assert [(each["state"], each["code"], each["waiting"]) for each in found.values()] == [
        ("sent", "", 1),
        ("failed", "ended-3", 1),
    ]
    shown = " ".join(desk.run("alerts", "list").output.split())
    assert "mail/it: took the last (alert.raised)" in shown
    assert "command/keep: the last (alert.raised) was given up" in shown


def test_without_a_ledger_there_is_none_to_list(desk: Desk) -> None:
    assert desk.run("alerts", "list").exit_code == 6


# -- alerts test


def test_a_test_reaches_every_channel_without_a_ledger(desk: Desk, box: Postbox) -> None:
    configure(desk, box)
    done = desk.run("alerts", "test")
    assert done.exit_code == 0
    assert [line.split(": ")[1] for line in done.output.splitlines()] == ["took it", "took it"]
    assert box.taken[0].mail["Subject"] == "[VetBridge] a test"
    kept = json.loads((desk.folder / "kept").read_text())
    assert kept["type"] == "alert.test"
    assert not desk.has_ledger()


def test_a_plan_sends_nothing(desk: Desk, box: Postbox) -> None:
    configure(desk, box)
    assert {row["state"] for row in desk.data("alerts", "test", "--plan")} == {"planned"}
    assert box.taken == []
    assert not (desk.folder / "kept").exists()


def test_one_alone(desk: Desk, box: Postbox) -> None:
    configure(desk, box)
    assert desk.data("alerts", "test", "command/keep") == [{"channel": "command/keep", "state": "taken", "why": ""}]
    assert box.taken == []


def test_one_that_does_not_take_it_is_told_and_the_others_are_tried(desk: Desk, box: Postbox) -> None:
    configure(desk, box)
    box.answer = lambda line: "550 \x1b[2Jno it@clinic.example" if line.startswith("RCPT") or "rcpt" in line else None
    done = desk.run("alerts", "test")
    assert done.exit_code == 4
    assert "mail/it: did not take it" in done.output
    assert "command/keep: took it" in done.output
    assert "clinic.example" not in done.output


@pytest.mark.parametrize("name", ["mail/itt", "\x1b[2J", "keep"])
def test_a_channel_that_there_is_not(desk: Desk, box: Postbox, name: str) -> None:
    configure(desk, box)
    done = desk.run("alerts", "test", name)
    assert done.exit_code == 2
    assert "\x1b" not in done.output
    assert "There are: mail/it, command/keep." in done.output


def test_where_nobody_is_told_that_is_said(desk: Desk) -> None:
    done = desk.run("alerts", "test")
    assert done.exit_code == 2
    assert "Nobody is told" in done.output


def test_a_program_that_is_not_there_is_said(desk: Desk) -> None:
    desk.save({**desk.config(), "alerts": {"commands": {"gone": {"command": ["./no-such-program"]}}}})
    done = desk.run("alerts", "test")
    assert done.exit_code == 4
    assert "no-such-program" in done.output


def test_the_pages_list_every_type() -> None:
    docs = Path(__file__).parents[3] / "docs"
    page, hooks = ((docs / name).read_text(encoding="utf-8") for name in ("alerts.md", "webhooks.md"))
    for type_ in (REVIEW_SOON, ALERT_RAISED, ALERT_CLEARED, ALERT_DIGEST, mails.TEST):
        assert f"`{type_}`" in page
        assert f"`{type_}`" in hooks
