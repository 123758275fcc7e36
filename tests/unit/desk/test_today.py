"""The traffic light of a site: what turns it, and what it says then."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.desk.practice import Desk
from vetbridge.config.models import Site
from vetbridge.desk.paused import PauseStatus
from vetbridge.desk.status import (
    AccountStatus,
    ConditionStatus,
    Count,
    DaemonStatus,
    FuseStatus,
    MirrorStatus,
    SiteStatus,
    Status,
)
from vetbridge.desk.today import Light, SiteToday, today
from vetbridge.ledger.glance import STATES

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def site(desk: Desk) -> Site:
    return desk.loaded().config.sites["city"]


MIRROR = MirrorStatus(complete=True, clients=10, pets=12, read_at=NOW, age=0.0, stale=False)
BOOKING = AccountStatus(
    name="altegio-city",
    connector="altegio",
    state="answers",
    configured=True,
    answered_at=NOW,
    failing_since=None,
    paused_until=None,
    blocked_code=None,
    advice="",
    paused_budgets={},
    mirror=None,
)
CITY = SiteStatus(
    name="city",
    title="City Vets",
    changes={state: Count(count=0, command="") for state in STATES},
    review=Count(count=0, command=""),
    soonest_visit=None,
    oldest_open=None,
    last_write=NOW - 3 * MINUTE,
    failures=Count(count=0, command=""),
    by_hand=Count(count=0, command=""),
    ticked=0,
    waiting_by_hand=0,
)


FAILED = Count(count=2, command="")


def paused(scope: str, name: str, until: datetime | None) -> PauseStatus:
    return PauseStatus(scope=scope, name=name, since=NOW, until=until, by="Ann", command="")


def status(*sites: SiteStatus, booking: Any = None, mirror: Any = None, running: bool = True) -> Status:
    pims = replace(BOOKING, name="ezyvet-city", connector="ezyvet", mirror=replace(MIRROR, **(mirror or {})))
    return Status(
        at=NOW,
        daemon=DaemonStatus(running=running, pid=1, command="run", started_at=NOW, ended_at=None),
        accounts=(replace(BOOKING, **(booking or {})), pims),
        sites=sites or (CITY,),
    )


def shown(site: Site, picture: Status) -> SiteToday:
    found = today(picture, {"city": site})
    (one,) = (*found.sites, *found.good, *found.ended)
    return one


def test_what_is_typed_by_hand_is_no_change_on_its_way(site: Site) -> None:
    late = NOW - 16 * MINUTE
    waiting = replace(CITY, changes=counted(waiting=3), by_hand=Count(count=2, command=""), waiting_by_hand=3)
    (line, _) = shown(site, status(waiting)).reasons
    assert (line.light, line.words, line.about) == (
        Light.GOOD,
        "2 lines of the work list are to be done by hand.",
        "worklist",
    )
    other = shown(site, status(replace(waiting, changes=counted(waiting=4), oldest_open=late)))
    assert other.reasons[0].words == "One change is on its way, for 16 minutes now."


def counted(**counts: int) -> dict[str, Count]:
    return {state: Count(count=counts.get(state, 0), command="") for state in STATES}


def test_what_works_is_good_and_says_when_it_last_carried_over(site: Site) -> None:
    found = shown(site, status())
    assert (found.light, found.word) == (Light.GOOD, "All is well")
    assert [each.words for each in found.reasons] == ["The last booking was carried over 3 minutes ago."]
    never = shown(site, status(replace(CITY, last_write=None)))
    assert never.reasons[0].words == "No booking was carried over yet."


@pytest.mark.parametrize(
    ("booking", "light", "words"),
    [
        ({"blocked_code": "auth", "advice": "Renew the token."}, Light.BAD, "lets VetBridge in no more"),
        ({"failing_since": NOW - 14 * MINUTE}, Light.LOOK, "has not answered for 14 minutes"),
        ({"failing_since": NOW - 16 * MINUTE}, Light.BAD, "has not answered for 16 minutes"),
        ({"paused_until": NOW + 5 * MINUTE}, Light.LOOK, "asked again in 5 minutes"),
        ({"pause": paused("account", "altegio-city", None)}, Light.BAD, "until somebody resumes it"),
        ({"pause": paused("account", "altegio-city", NOW + 5 * MINUTE)}, Light.LOOK, "it goes on in 5 minutes"),
    ],
)
def test_a_side_that_does_not_answer(site: Site, booking: dict[str, Any], light: Light, words: str) -> None:
    found = shown(site, status(booking=booking))
    assert found.light is light
    assert words in found.reasons[0].words
    assert found.reasons[0].words.startswith("altegio-city")


@pytest.mark.parametrize(
    ("changed", "light", "words"),
    [
        ({"pause": paused("site", "city", None)}, Light.BAD, "The site is paused until somebody resumes it"),
        ({"in_shadow": True}, Light.LOOK, "nothing is written until somebody approves it"),
        ({"is_pairing": True}, Light.LOOK, "writes as soon as"),
        ({"fuse": FuseStatus(held=Count(count=7, command=""))}, Light.BAD, "7 changes wait for an answer"),
        ({"over_quota": 1}, Light.LOOK, "One change waits, as more would be created"),
        ({"changes": counted(waiting=2), "oldest_open": NOW - 20 * MINUTE}, Light.LOOK, "for 20 minutes now"),
        ({"changes": counted(waiting=2), "oldest_open": NOW - 5 * MINUTE}, Light.GOOD, "carried over"),
    ],
)
def test_what_keeps_a_site_from_writing(site: Site, changed: dict[str, Any], light: Light, words: str) -> None:
    found = shown(site, status(replace(CITY, **changed)))
    assert found.light is light
    assert words in found.reasons[0].words


def test_a_question_whose_visit_is_near_asks_for_a_look(site: Site) -> None:
    def asked(ahead: timedelta) -> SiteToday:
        return shown(site, status(replace(CITY, review=Count(count=2, command=""), soonest_visit=NOW + ahead)))

    near = asked(119 * MINUTE)
    assert near.light is Light.LOOK
    assert near.reasons[0].words == "2 questions wait. The next visit is in 119 minutes."
    assert near.reasons[0].about == "review"
    assert asked(121 * MINUTE).light is Light.GOOD
    assert asked(-MINUTE).reasons[0].words == "2 questions wait."


def test_a_failure_that_nobody_has_seen_to_needs_somebody(site: Site) -> None:
    failed = replace(CITY, changes=counted(failed=3))
    found = shown(site, status(replace(failed, failures=FAILED)))
    assert (found.light, found.reasons[0].about) == (Light.BAD, "failures")
    assert shown(site, status(failed)).light is Light.GOOD, "somebody has seen to them"


def test_the_mirror_and_the_daemon(site: Site) -> None:
    assert shown(site, status(mirror={"complete": False})).light is Light.LOOK
    assert shown(site, status(mirror={"stale": True})).light is Light.LOOK
    assert shown(site, status(running=False)).reasons[0].words == "VetBridge is not running: nothing is carried over."


def test_an_ended_site_says_so_and_nothing_else(site: Site) -> None:
    found = today(status(replace(CITY, ended_at=NOW - MINUTE * 180, in_shadow=True, failures=FAILED)), {"city": site})
    (ended,) = found.ended
    assert [each.words for each in ended.reasons] == [
        "Its pair ended 3 hours ago: nothing is read or written for it."
    ]


def test_of_thousands_of_sites_the_worst_come_first(site: Site) -> None:
    sites = [replace(CITY, name=f"s{number}", title=f"Clinic {number}") for number in range(3000)]
    sites[7] = replace(sites[7], in_shadow=True)
    sites[9] = replace(sites[9], pause=paused("site", "s9", None))
    sites[8] = replace(sites[8], failures=FAILED)
    found = today(status(*sites), {})
    assert [each.name for each in found.sites] == ["s8", "s9", "s7"]
    assert len(found.good) == 2997


@pytest.mark.parametrize(
    ("code", "severity", "scope", "name", "is_shown"),
    [
        ("read-stale", "now", "account", "altegio-city", True),
        ("read-stale", "now", "account", "altegio-hills", False),
        ("write-stale", "now", "site", "city", True),
        ("write-stale", "now", "site", "hills", False),
        ("disk-full", "now", "vetbridge", "ledger", True),
        ("disk-low", "today", "vetbridge", "ledger", False),
        ("fuse-blown", "now", "site", "city", False),
    ],
)
def test_what_is_wrong_now_with_a_site_turns_its_light(
    site: Site, code: str, severity: str, scope: str, name: str, is_shown: bool
) -> None:
    wrong = ConditionStatus(
        code=code, severity=severity, scope=scope, name=name, kind="", since=NOW, message="It is so.", remedy=""
    )
    found = shown(site, replace(status(), conditions=(wrong,)))
    assert (found.light is Light.BAD) is is_shown
    assert ("It is so." in [each.words for each in found.reasons]) is is_shown
