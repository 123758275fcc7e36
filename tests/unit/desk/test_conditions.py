"""What counts as wrong, from when on, and what does not; and the words for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from typer.main import get_command

from tests.unit.desk.practice import Desk
from vetbridge.cli.main import app
from vetbridge.config.models import Attachments, Backup, Config, FileRules, Reminders, Webhook
from vetbridge.core.answers import FUSE
from vetbridge.core.conditions import SEVERITY, Code, Condition, Scope, Severity
from vetbridge.core.records import Kind
from vetbridge.core.upgrades import CODES_CHANGED
from vetbridge.desk import conditions
from vetbridge.ledger import changes
from vetbridge.ledger import glance as glancing
from vetbridge.ledger.glance import (
    AccountReport,
    EpisodeReport,
    Glance,
    GoingLiveReport,
    LineReport,
    LostReport,
    MassEndReport,
    PauseReport,
    QuestionReport,
    ReadingReport,
    RunReport,
    SiteReport,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
"""A Tuesday."""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BOOKING, PIMS = "altegio-city", "ezyvet-city"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def config(desk: Desk) -> Config:
    return desk.loaded().config


def account(name: str, **more: Any) -> AccountReport:
    listed = {Kind.APPOINTMENT: NOW - MINUTE, **({Kind.CLIENT: NOW - MINUTE} if name == BOOKING else {})}
    known: dict[str, Any] = {
        "connector": name.split("-", maxsplit=1)[0],
        "blocked_code": None,
        "paused_until": None,
        "failing_since": None,
        "failing_code": None,
        "failures": 0,
        "answered_at": NOW - MINUTE,
        "paused_budgets": {},
        "mirror_complete_at": NOW - DAY if name == PIMS else None,
        "mirror_read_at": NOW - MINUTE if name == PIMS else None,
        "mirrored": {Kind.CLIENT: 2, Kind.PET: 3},
        "listed": listed,
    }
    return AccountReport(name=name, **{**known, **more})


def city(**more: Any) -> SiteReport:
    known: dict[str, Any] = {
        "states": {"done": 5},
        "oldest_open": None,
        "questions": 0,
        "soonest_visit": None,
        "last_write": NOW - HOUR,
        "written": {Kind.APPOINTMENT: NOW - HOUR},
    }
    return SiteReport(site="city", **{**known, **more})


def live(**more: Any) -> GoingLiveReport:
    known: dict[str, Any] = {
        "in_shadow": False,
        "is_pairing": False,
        "over_quota": 0,
        "ended_at": None,
        "ended_by": "",
    }
    return GoingLiveReport(**{**known, **more})


def pause(scope: str, name: str, *, why: str = "") -> PauseReport:
    return PauseReport(scope=scope, name=name, since=NOW - HOUR, until=None, by="ann", why=why)


def episode(
    code: Code, *, seen_at: datetime = NOW - MINUTE, name: str = "", scope: Scope = Scope.VETBRIDGE
) -> EpisodeReport:
    return EpisodeReport(code=code, scope=scope, name=name, kind="", details={}, since=NOW - HOUR, seen_at=seen_at)


def seen(
    *, booking: Mapping[str, Any] | None = None, pims: Mapping[str, Any] | None = None, site: Any = None, **more: Any
) -> Glance:
    """A ledger that a daemon has worked on for a day, and on which all is well but for what is given."""
    known: dict[str, Any] = {
        "at": NOW,
        "accounts": {BOOKING: account(BOOKING, **(booking or {})), PIMS: account(PIMS, **(pims or {}))},
        "sites": {"city": city(**(site or {}))},
        "run": RunReport(command="run", started_at=NOW - DAY, ended_at=None),
        "pauses": (),
        "held": {},
        "going_live": {"city": live()},
    }
    return Glance(**{**known, **more})


def found(glance: Glance, config: Config) -> list[tuple[str, str, str]]:
    return [(each.code.value, each.name, each.kind) for each in conditions.standing(glance, config)]


def silent(minutes: float, **more: Any) -> dict[str, Any]:
    """An account that has not answered for so long, and was asked."""
    since = NOW - minutes * MINUTE
    return {"failing_since": since, "paused_until": NOW + MINUTE, "answered_at": since - MINUTE, **more}


UNREAD = {"listed": {Kind.APPOINTMENT: NOW - 16 * MINUTE, Kind.CLIENT: NOW - MINUTE}}
WAITING = {"waiting": {Kind.APPOINTMENT: NOW - 16 * MINUTE}}


def test_an_account_whose_certificate_nobody_trusts_says_so(config: Config) -> None:
    (down,) = conditions.everything(seen(pims={**silent(6), "failing_code": "certificate-untrusted"}), config, 7)
    assert (down.code, down.details["why"]) == ("account-unreachable", "certificate-untrusted")
    assert "certificate has ended" in conditions.remedy(down)
    (silent_one,) = conditions.everything(seen(pims=silent(6)), config, 7)
    assert "certificate" not in conditions.remedy(silent_one)


def test_where_all_is_well_nothing_stands(config: Config) -> None:
    assert conditions.everything(seen(), config, 7) == ()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"booking": {"blocked_code": "auth-failed"}}, [("account-blocked", BOOKING, "")]),
        ({"pims": silent(6)}, [("account-unreachable", PIMS, "")]),
        ({"pims": silent(4)}, []),
        ({"booking": UNREAD}, [("read-stale", BOOKING, "appointment")]),
        ({"booking": {"listed": {Kind.APPOINTMENT: NOW - 14 * MINUTE}}}, []),
        ({"booking": {"listed": {}}}, [("read-stale", BOOKING, "appointment")]),
        (
            {"pims": {"mirror_read_at": NOW - 20 * MINUTE}},
            [("read-stale", PIMS, "client"), ("read-stale", PIMS, "pet")],
        ),
        (
            {"pims": {"mirror_read_at": NOW - 2 * HOUR}},
            [("read-stale", PIMS, "client"), ("read-stale", PIMS, "pet"), ("mirror-stale", PIMS, "")],
        ),
        ({"site": WAITING}, [("write-stale", "city", "appointment")]),
        ({"site": {"waiting": {Kind.CLIENT: NOW - 14 * MINUTE}}}, []),
        (
            {"site": {"unacknowledged": 3, "expired": 1, "expiring_since": NOW, "failing_since": NOW}},
            [("write-expired", "city", ""), ("failures-wait", "city", "")],
        ),
        ({"blown": {"city": NOW - HOUR}, "held": {"city": 4}}, [("fuse-blown", "city", "")]),
        (
            {"going_live": {"city": live(over_quota=3, over_quota_since=NOW - HOUR)}},
            [("quota-reached", "city", "")],
        ),
        (
            {"mass_ends": (MassEndReport(account=PIMS, kind="pet", since=NOW, ending=400, standing=900),)},
            [("many-ended", PIMS, "pet")],
        ),
        ({"pauses": (pause("site", "city", why=CODES_CHANGED),)}, [("upgrade-paused", "city", "")]),
        ({"pauses": (pause("site", "city"),)}, []),
    ],
)
def test_what_the_ledger_tells(config: Config, given: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert found(seen(**given), config) == expected


def test_the_most_urgent_comes_first(config: Config) -> None:
    glance = seen(
        booking=UNREAD, site={"unacknowledged": 1, "failing_since": NOW - DAY}, pims={"blocked_code": "auth-failed"}
    )
    assert [each[0] for each in found(glance, config)] == ["account-blocked", "read-stale", "failures-wait"]


# -- what follows from something else is not told beside it


@pytest.mark.parametrize(
    "given",
    [
        {"booking": {**UNREAD, **silent(20)}},
        {"booking": {**UNREAD, "blocked_code": "auth-failed"}},
        {"booking": UNREAD, "pauses": (pause("account", BOOKING),)},
        {"booking": UNREAD, "pauses": (pause("site", "city"),)},
        {"booking": UNREAD, "going_live": {"city": live(ended_at=NOW - DAY)}},
        {"booking": UNREAD, "run": RunReport(command="run", started_at=NOW - 10 * MINUTE, ended_at=None)},
        {"booking": UNREAD, "run": RunReport(command="sync", started_at=NOW - DAY, ended_at=NOW - DAY)},
        {"booking": UNREAD, "run": None},
        {"booking": UNREAD, "resumed": {("account", BOOKING): NOW - MINUTE}},
        {"booking": UNREAD, "resumed": {("site", "city"): NOW - MINUTE}},
        {"booking": UNREAD, "recovered": {("account", BOOKING): NOW - MINUTE}},
        {
            "booking": UNREAD,
            "episodes": (episode(Code.ACCOUNT_UNREACHABLE, name=BOOKING, scope=Scope.ACCOUNT),),
        },
        {
            "pims": {
                "mirror_complete_at": None,
                "mirror_read_at": None,
                "listed": {},
                "readings": (ReadingReport(kind=Kind.CLIENT, seen=4, total=9, begun_at=NOW - HOUR),),
            }
        },
    ],
    ids="-".join,
)
def test_nothing_is_stale_where_it_is_known_why(config: Config, given: dict[str, Any]) -> None:
    assert "read-stale" not in {each[0] for each in found(seen(**given), config)}


@pytest.mark.parametrize(
    "given",
    [
        {"pauses": (pause("site", "city"),)},
        {"pauses": (pause("account", PIMS),)},
        {"pauses": (pause("kind", "city/appointment"),)},
        {"going_live": {"city": live(in_shadow=True)}},
        {"going_live": {"city": live(is_pairing=True)}},
        {"going_live": {"city": live(ended_at=NOW)}},
        {"pims": silent(20)},
        {"pims": {"blocked_code": "auth-failed"}},
        {"resumed": {("kind", "city/appointment"): NOW - MINUTE}},
        {"run": RunReport(command="run", started_at=NOW - MINUTE, ended_at=None)},
    ],
    ids="-".join,
)
def test_no_write_is_late_where_something_holds_it_back(config: Config, given: dict[str, Any]) -> None:
    assert "write-stale" in {each[0] for each in found(seen(site=WAITING), config)}
    assert "write-stale" not in {each[0] for each in found(seen(site=WAITING, **given), config)}


def test_another_kind_that_is_paused_holds_back_nothing(config: Config) -> None:
    glance = seen(site=WAITING, pauses=(pause("kind", "city/client"),))
    assert ("write-stale", "city", "appointment") in found(glance, config)


def test_an_account_that_was_not_asked_since_the_start_is_not_known_to_be_silent(config: Config) -> None:
    assert found(seen(pims=silent(60, paused_until=None)), config) == []


def test_outside_of_opening_hours_nothing_is_stale(config: Config) -> None:
    """12:00 UTC is 12:00 in London in November; what was read last at 09:50 was read before the clinic opened."""
    opening = {"tue": ("11:50-18:00",)}
    site = config.sites["city"].model_copy(update={"opening_hours": opening})
    small = config.model_copy(update={"sites": {"city": site}})
    old = {"listed": {Kind.APPOINTMENT: NOW - 2 * HOUR}}
    assert found(seen(booking=old, site={"waiting": {Kind.PET: NOW - 2 * HOUR}}), small) == []
    later = replace(
        seen(booking=old, pims={"mirror_read_at": NOW + HOUR, "listed": {Kind.APPOINTMENT: NOW + HOUR}}),
        at=NOW + HOUR,
    )
    assert found(later, small) == [("read-stale", BOOKING, "appointment")]


def test_rare_polls_are_stale_after_three_that_did_not_come(config: Config) -> None:
    accounts = {**config.accounts, BOOKING: config.accounts[BOOKING].model_copy(update={"poll": 3600.0})}
    rare = config.model_copy(update={"accounts": accounts})
    assert found(seen(booking={"listed": {Kind.APPOINTMENT: NOW - 2 * HOUR}}), rare) == []
    assert found(seen(booking={"listed": {Kind.APPOINTMENT: NOW - 4 * HOUR}}), rare) == [
        ("read-stale", BOOKING, "appointment")
    ]


def test_what_the_config_names_no_more_is_nobodys_trouble(config: Config) -> None:
    gone = account("old", blocked_code="auth-failed")
    glance = seen(pauses=(pause("site", "closed", why=CODES_CHANGED),), blown={"closed": NOW}, held={"closed": 2})
    assert found(replace(glance, accounts={**glance.accounts, "old": gone}), config) == []


# -- questions, lines of the work list, deliveries, backups


def question(minutes: float, **more: Any) -> QuestionReport:
    known = {"id": 12, "site": "city", "why": "contact-shared", "opened_at": NOW - DAY}
    return QuestionReport(visit_at=NOW + minutes * MINUTE, **{**known, **more})


def test_a_question_is_near_two_hours_before_its_visit(config: Config) -> None:
    (near,) = conditions.standing(seen(soon=(question(119), question(121, id=13))), config)
    assert (near.code, near.scope, near.name) == (Code.QUESTION_SOON, Scope.REVIEW, "12")
    assert near.details == {"site": "city", "why": "contact-shared", "visit_at": "2026-11-24T13:59:00+00:00"}
    assert "question 12 is open, and its visit begins Tue 24 Nov 13:59" in conditions.message(near)
    assert near.since == NOW - MINUTE
    shadow = {"city": live(in_shadow=True)}
    assert found(seen(soon=(question(10),), going_live=shadow), config) == [], "nothing is carried over anyway"


def line(stands: timedelta, ahead: timedelta, **more: Any) -> LineReport:
    """A visit on the work list: since when, and how far ahead it is."""
    return LineReport(**{"site": "city", "opened_at": NOW - stands, "visit_at": NOW + ahead, **more})


def test_visits_that_nobody_types_in_time_are_told_for_each_site(config: Config) -> None:
    lines = (line(5 * HOUR, 3 * DAY), line(MINUTE, HOUR), line(3 * HOUR, DAY), line(5 * HOUR, DAY, site="gone"))
    (overdue,) = conditions.standing(seen(lines=lines), config)
    assert (overdue.code, overdue.scope, overdue.name) == (Code.LINE_OVERDUE, Scope.SITE, "city")
    assert overdue.details == {"count": 2, "visit_at": "2026-11-24T13:00:00+00:00"}
    assert overdue.since == NOW - HOUR  # the first has stood for four hours since then
    assert "or no reading shows: 2; the next one begins Tue 24 Nov 13:00." in conditions.message(overdue)
    assert found(seen(lines=lines[2:]), config) == []


def test_a_visit_that_is_ticked_is_overdue_once_a_reading_should_have_shown_it(config: Config) -> None:
    ticked = line(9 * DAY, HOUR, ticked_at=NOW - 35 * HOUR)
    assert found(seen(lines=(ticked,)), config) == []
    (unseen,) = conditions.standing(seen(lines=(replace(ticked, ticked_at=NOW - 37 * HOUR),)), config)
    assert (unseen.code, unseen.since) == (Code.LINE_OVERDUE, NOW - HOUR)


@pytest.mark.parametrize(
    "given",
    [
        {"pauses": (pause("site", "city"),)},
        {"going_live": {"city": live(in_shadow=True)}},
        {"going_live": {"city": live(ended_at=NOW)}},
    ],
    ids="-".join,
)
def test_no_line_is_overdue_where_nothing_is_to_be_written(config: Config, given: dict[str, Any]) -> None:
    assert found(seen(lines=(line(5 * HOUR, HOUR),), **given), config) == []


def test_a_line_stands_while_the_clinic_is_open_and_a_visit_that_is_near_does_not_wait_for_that(
    config: Config,
) -> None:
    site = config.sites["city"].model_copy(update={"opening_hours": {"tue": ("09:00-18:00",)}})
    small = config.model_copy(update={"sites": {"city": site}})

    def is_overdue(one: LineReport, at: datetime) -> bool:
        return ("line-overdue", "city", "") in found(seen(lines=(one,), at=at), small)

    assert not is_overdue(line(20 * HOUR, DAY), NOW)
    assert is_overdue(line(20 * HOUR, DAY), NOW + 2 * HOUR)
    assert is_overdue(line(MINUTE, 11 * HOUR), NOW + 10 * HOUR)


def test_what_was_given_up_on_its_way_counts_for_channels_of_the_config(config: Config) -> None:
    lost = (
        LostReport(channel="desk", count=3, first_at=NOW - HOUR),
        LostReport(channel="old", count=1, first_at=NOW),
    )
    hook = Webhook.model_construct(url="https://x.example", secret=None)
    (told,) = conditions.standing(seen(lost=lost), config.model_copy(update={"webhooks": {"desk": hook}}))
    assert (told.code, told.scope, told.name, told.details["count"]) == (
        Code.DELIVERY_FAILED,
        Scope.CHANNEL,
        "desk",
        3,
    )


@pytest.mark.parametrize(
    ("backed_up_at", "started", "is_old"),
    [(NOW - 47 * HOUR, 100, False), (NOW - 49 * HOUR, 1, True), (None, 47, False), (None, 49, True)],
)
def test_a_backup_grows_old(config: Config, backed_up_at: datetime | None, started: int, is_old: bool) -> None:
    glance = seen(
        backed_up_at=backed_up_at, run=RunReport(command="run", started_at=NOW - started * HOUR, ended_at=None)
    )
    assert found(glance, config) == [], "nobody has asked for backups"
    with_backup = config.model_copy(update={"backup": Backup.model_construct(folder=Path("x"))})
    assert ([each[0] for each in found(glance, with_backup)] == ["backup-old"]) is is_old


# -- what only the daemon sees, and that there is none


def test_what_the_daemon_has_seen_holds_while_it_looks(config: Config) -> None:
    fresh = episode(Code.DISK_LOW, name="ledger")
    forgotten = episode(Code.CLOCK_MOVED, seen_at=NOW - HOUR)
    derived = episode(Code.FUSE_BLOWN)
    unknown = replace(fresh, code="of-a-newer-version")
    glance = seen(episodes=(fresh, forgotten, derived, unknown))
    assert [each.code for each in conditions.machine(glance)] == [Code.DISK_LOW]
    assert [each.code for each in conditions.everything(glance, config, 7)] == [Code.DISK_LOW]


@pytest.mark.parametrize(
    ("command", "ended_at", "pid", "is_down"),
    [
        ("run", NOW - HOUR, None, True),
        ("run", None, None, True),
        ("run", None, 7, False),
        ("run", None, 0, False),
        ("sync", NOW - HOUR, None, False),
    ],
)
def test_a_daemon_is_down_where_there_was_one(
    config: Config, command: str, ended_at: datetime | None, pid: int | None, is_down: bool
) -> None:
    run = RunReport(command=command, started_at=NOW - DAY, ended_at=ended_at)
    told = conditions.everything(seen(run=run, booking=UNREAD, episodes=(episode(Code.DISK_LOW),)), config, pid)
    assert (Code.DAEMON_DOWN in {each.code for each in told}) is is_down
    if is_down:
        assert [each.code for each in told] == [Code.DAEMON_DOWN], "all else follows from it, or is not seen now"


# -- freshness


def test_reading_and_writing_are_told_apart(config: Config) -> None:
    glance = seen(booking=UNREAD, site={**WAITING, "written": {Kind.CLIENT: NOW - DAY}})
    told = {(each.account, each.kind): (each.age, each.stale) for each in conditions.reads(glance, config, "city")}
    assert told == {
        (BOOKING, Kind.APPOINTMENT): (960.0, True),
        (BOOKING, Kind.CLIENT): (60.0, False),
        (PIMS, Kind.APPOINTMENT): (60.0, False),
        (PIMS, Kind.CLIENT): (60.0, False),
        (PIMS, Kind.PET): (60.0, False),
    }
    writing = {
        each.kind: (each.last_at, each.waiting_since, each.stale)
        for each in conditions.writes(glance, config, "city")
    }
    assert writing == {
        Kind.CLIENT: (NOW - DAY, None, False),
        Kind.APPOINTMENT: (None, NOW - 16 * MINUTE, True),
    }


def test_files_and_due_services_that_stand_still_are_told_where_they_are_wanted(config: Config) -> None:
    site = config.sites["city"].model_copy(
        update={"attachments": Attachments(to_booking=FileRules()), "reminders": Reminders()}
    )
    wanting = config.model_copy(update={"sites": {"city": site}})
    read = {Kind.APPOINTMENT: NOW - MINUTE}
    old = {**read, Kind.ATTACHMENT: NOW - 16 * MINUTE, Kind.VACCINATION: NOW - 16 * MINUTE}
    glance = seen(pims={"listed": old})

    assert found(glance, config) == []
    told = conditions.standing(glance, wanting)
    assert [(each.code, each.kind, each.severity) for each in told] == [
        (Code.READ_STALE, kind, Severity.TODAY) for kind in (Kind.ATTACHMENT, Kind.VACCINATION)
    ]
    assert found(seen(pims={"listed": {**old, Kind.VACCINATION: NOW}}, booking=silent(6)), wanting) == [
        ("account-unreachable", BOOKING, "")
    ]
    assert found(seen(pims={"listed": read}), wanting) == []  # a first reading takes its time


# -- words

DETAILS: Mapping[str, str | int | float] = MappingProxyType(
    {
        **{"seconds": 1260, "count": 3, "misses": 6, "rounds": "poll:city", "free_megabytes": 12, "path": "/var/lib"},
        **{"why": "auth-failed", "reason": "no room", "site": "city", "accounts": "a b", "ends_at": NOW.isoformat()},
        "visit_at": NOW.isoformat(),
    }
)


@pytest.mark.parametrize("code", Code)
def test_every_condition_has_words_a_remedy_and_a_part_of_the_page(code: Code) -> None:
    full = Condition(code=code, scope=Scope.SITE, name="city", kind="appointment", since=NOW, details=DETAILS)
    bare = Condition(code=code, scope=Scope.SITE, name="city", since=NOW)
    for say in (conditions.message, conditions.remedy):
        words = say(full)
        assert words
        assert "{" not in words
        assert "{" not in say(bare), "an older VetBridge wrote fewer details down"
    assert conditions.message(full).endswith(".")
    part = re.search(
        rf"^### {code}$\n(.*?)(?=^##|\Z)", (ROOT / "docs" / "alerts.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert part is not None, "docs/alerts.md has a part for it"
    assert f"*{SEVERITY[code]}*" in part[1]
    for label in ("**Means**", "**VetBridge**", "**Do**"):
        assert label in part[1]


def test_the_page_has_no_part_for_what_is_none() -> None:
    titles = re.findall(r"^### (.+)$", (ROOT / "docs" / "alerts.md").read_text(), re.MULTILINE)
    assert {each for each in titles if each in tuple(Code)} == set(Code)


def test_remedies_name_commands_that_there_are() -> None:
    """What stands in back-ticks is typed as it is."""
    commands = get_command(app)
    for code in Code:
        given = Condition(code=code, scope=Scope.SITE, name="city", since=NOW, details=DETAILS)
        for words in re.findall(r"`vetbridge ([a-z ]+)", conditions.remedy(given)):
            first, *others = words.split()
            found = commands.commands[first]  # type: ignore[attr-defined]
            if hasattr(found, "commands"):
                assert others[0] in found.commands, words


def test_every_severity_is_used() -> None:
    assert set(SEVERITY.values()) == set(Severity)
    assert set(SEVERITY) == set(Code)


def test_what_waits_by_design_are_codes_that_the_engine_knows() -> None:
    said = "".join(
        path.read_text()
        for folder in ("sync", "core", "ledger")
        for path in (ROOT / "vetbridge" / folder).glob("*.py")
        if path.name != "glance.py"
    )
    assert [code for code in glancing.HELD_BACK if f'"{code}"' not in said] == []
    assert {FUSE, *changes.MIRROR_REASONS, changes.NOT_FOUND_IN_PIMS, changes.OLD_MAPPING} <= set(glancing.HELD_BACK)
