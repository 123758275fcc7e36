"""`pause` and `resume`: what is meant by a name, what is kept, what status shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from tests.unit.desk.practice import Desk, Settled, receive
from vetbridge.ledger import accounts, fuses, pauses
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import Audit, Change, ChangeState


def standing(ledger: Ledger) -> list[tuple[str, str, str]]:
    with ledger.read() as tx:
        return [(row.scope, row.name, row.by) for row in pauses.standing(tx)]


def test_a_site_is_paused_and_resumed(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    settled(ChangeState.DONE)
    with ledger.write() as tx:
        receive(tx, "open")
    planned = desk.data("pause", "city", "--for", "2h", "--by", "Ann", "--plan")
    assert (planned["paused"], planned["planned"], planned["open_changes"]) == (False, True, 1)
    assert standing(ledger) == []

    done = desk.data("pause", "city", "--for", "2h", "--by", "Ann\x1b[31m")
    assert (done["scope"], done["name"], done["paused"], done["planned"]) == ("site", "city", True, False)
    until = datetime.fromisoformat(done["pause"]["until"]) - datetime.now(UTC)
    assert timedelta(minutes=119) < until <= timedelta(hours=2)
    assert standing(ledger) == [("site", "city", "Ann")]
    (site,) = desk.data("status")["sites"]
    assert site["pause"] == done["pause"]
    assert site["pause"]["command"] == "vetbridge resume city"
    assert "paused by Ann just now, goes on in 119 minutes" in " ".join(desk.run("status").stdout.split())

    assert desk.data("resume", "city", "--plan")["resumed"] is False
    assert standing(ledger) == [("site", "city", "Ann")]
    assert desk.data("resume", "city")["resumed"] is True
    assert standing(ledger) == []
    again = desk.data("resume", "city")
    assert (again["resumed"], again["was"]) == (False, None)


def test_an_account_is_paused_until_somebody_resumes_it(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        receive(tx, "open")
    text = desk.run("pause", "ezyvet-city").stdout
    assert "Account ezyvet-city is paused, until it is resumed; 1 open change waits." in " ".join(text.split())
    assert "vetbridge resume ezyvet-city" in text
    booking, pims = desk.data("status")["accounts"]
    assert booking["pause"] is None
    assert pims["pause"]["until"] is None
    shown = desk.run("status").stdout
    assert "vetbridge resume ezyvet-city" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80
    assert "is resumed" in desk.run("resume", "ezyvet-city").stdout
    assert "was not paused" in desk.run("resume", "ezyvet-city").stdout


def test_a_second_pause_changes_the_end_of_the_first(desk: Desk, ledger: Ledger) -> None:
    first = desk.data("pause", "city", "--for", "30m")["pause"]
    second = desk.data("pause", "city")["pause"]
    assert (second["since"], second["until"]) == (first["since"], None)
    assert len(standing(ledger)) == 1


def test_a_name_that_a_site_and_an_account_share_means_the_site(desk: Desk, ledger: Ledger) -> None:
    config = desk.config()
    config["accounts"]["city"] = config["accounts"].pop("altegio-city")
    config["sites"]["city"]["booking"]["account"] = "city"
    desk.save(config)
    assert desk.data("pause", "city")["scope"] == "site"
    account = desk.data("pause", "account/city")
    assert (account["scope"], account["pause"]["command"]) == ("account", "vetbridge resume account/city")
    assert desk.data("resume", "city")["resumed"]
    assert [row[:2] for row in standing(ledger)] == [("account", "city")]
    assert desk.data("resume", "account/city")["resumed"]


def test_a_kind_is_paused_and_resumed_and_what_waits_as_well_is_said(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        receive(tx, "open")
    planned = desk.data("pause", "city", "--kind", "appointment", "--plan")
    assert (planned["scope"], planned["name"], planned["open_changes"]) == ("kind", "city/appointment", 1)
    assert standing(ledger) == []
    shown = " ".join(desk.run("pause", "city", "--kind", "client", "--by", "Ann").stdout.split())
    assert "Kind client at site city is paused, until it is resumed; 0 open changes wait." in shown
    assert "An appointment or a pet of an owner who would be new" in shown
    assert "vetbridge resume city --kind client" in shown
    assert standing(ledger) == [("kind", "city/client", "Ann")]
    with ledger.read() as tx:
        (noted,) = tx.session.exec(select(Audit)).all()
        assert (noted.act, noted.site, noted.subject, noted.subject_id) == ("paused", "city", "kind", "city/client")
    assert not desk.data("resume", "city")["resumed"], "the site itself was not paused"
    assert desk.data("resume", "city", "--kind", "client")["resumed"]
    assert standing(ledger) == []


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("city", "clients", "did you mean 'client'?"),
        ("city", "\x1b[31m", "no kind of records that flows"),
        ("ezyvet-city", "client", "is an account"),
    ],
)
def test_a_kind_that_nothing_has(desk: Desk, ledger: Ledger, name: str, kind: str, words: str) -> None:
    result = desk.run("pause", name, "--kind", kind, "--json")
    assert result.exit_code == 2
    assert words in json.loads(result.stdout)["problems"][0]["text"]
    assert "\x1b" not in result.stdout
    assert standing(ledger) == []


def test_a_pause_until_a_time(desk: Desk, ledger: Ledger) -> None:
    until = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    assert datetime.fromisoformat(desk.data("pause", "city", "--until", until.isoformat())["pause"]["until"]) == until
    for wrong in (["--until", "soon"], ["--until", "2020-01-01"], ["--until", until.isoformat(), "--for", "2h"]):
        assert desk.run("pause", "city", *wrong).exit_code == 2


def test_resuming_an_account_that_is_blocked_asks_it_at_once(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        accounts.block(tx, "ezyvet-city", "auth-failed").paused_until = datetime.now(UTC) + timedelta(minutes=9)
    assert desk.data("resume", "ezyvet-city", "--plan")["asked_again"] is False
    with ledger.read() as tx:
        assert not accounts.probe_is_due(accounts.get(tx, "ezyvet-city"), datetime.now(UTC))
    shown = " ".join(desk.run("resume", "ezyvet-city").stdout.split())
    assert "it is asked at once whether it takes them now" in shown
    assert "was not paused" not in shown
    with ledger.read() as tx:
        assert accounts.probe_is_due(accounts.get(tx, "ezyvet-city"), datetime.now(UTC))
        assert [row.act for row in tx.session.exec(select(Audit))] == ["resumed"]


def test_what_is_no_longer_in_the_config_can_still_be_resumed(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        pauses.pause(tx, "site", "closed-site", until=None, by="")
    assert desk.data("resume", "closed-site")["resumed"]
    assert desk.run("resume", "closed-site").exit_code == 2


@pytest.mark.parametrize("name", ["ctiy", "account/city", "site/altegio-city", "", "/", "\x1b[31mcity"])
@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_name_that_nothing_has(desk: Desk, ledger: Ledger, command: str, name: str) -> None:
    result = desk.run(command, name, "--json")
    assert result.exit_code == 2
    problem = json.loads(result.stdout)["problems"][0]
    assert problem["code"] == "unknown-name"
    assert "\x1b" not in problem["text"]
    assert standing(ledger) == []


@pytest.mark.parametrize("span", ["", "2", "soon", "-2h", "2 h"])
def test_a_span_that_cannot_be_read(desk: Desk, ledger: Ledger, span: str) -> None:
    result = desk.run("pause", "city", "--for", span)
    assert result.exit_code == 2
    assert "--for" in result.stderr
    assert standing(ledger) == []


def test_where_there_is_no_ledger_none_is_made(desk: Desk) -> None:
    assert desk.run("pause", "city").exit_code == 6
    assert not desk.has_ledger()


def test_a_blown_fuse_stands_in_status(desk: Desk, ledger: Ledger) -> None:
    assert desk_fuse(desk) is None
    with ledger.write() as tx:
        change = tx.session.get_one(Change, receive(tx, "1"))
        fuses.blow(tx, change, 2)
    assert desk_fuse(desk) == {"held": {"count": 0, "command": "vetbridge review list --site city"}}
    assert "the fuse has blown" in desk.run("status").stdout


def desk_fuse(desk: Desk) -> object:
    (site,) = desk.data("status")["sites"]
    return site["fuse"]


def test_a_paused_kind_stands_in_status(desk: Desk, ledger: Ledger) -> None:
    assert desk.data("status")["sites"][0]["paused_kinds"] == []
    assert desk.run("pause", "city", "--kind", "client", "--by", "ann").exit_code == 0
    (paused,) = desk.data("status")["sites"][0]["paused_kinds"]
    assert (paused["name"], paused["command"]) == ("city/client", "vetbridge resume city --kind client")
    assert "clients: paused by ann" in desk.run("status").stdout
