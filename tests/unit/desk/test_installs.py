"""Installs of marketplace apps as people see them: status, conditions, commands, rests that nobody ends, doctor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog
import yaml

from tests.unit.daemon.marketplaces import FakeMarketplace
from tests.unit.desk.practice import Desk
from vetbridge.config.loader import Loaded
from vetbridge.connector.interface import InstallState
from vetbridge.core.errors import Refused, Unavailable
from vetbridge.core.installs import INSTALL, LAPSED, UNKNOWN
from vetbridge.core.records import Kind, Side
from vetbridge.daemon import connecting as apps
from vetbridge.daemon.assembly import build_mapper
from vetbridge.desk import alerts, conditions, doctor, status, today
from vetbridge.desk.doctor import Mark
from vetbridge.desk.language import speaking
from vetbridge.ledger import accounts, audit, changes, going_live, installs, pauses, reports
from vetbridge.ledger.database import Ledger

APP, CITY, NEW = "altegio-app", "101001", "101002"
SECRET = "the-partner-token-that-nobody-sees"
BY = "the app altegio-app"


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """The clinic, whose booking side is connected by an app."""
    for name in ("app-partner", "hook"):
        (desk.folder / name).write_text(SECRET)
        (desk.folder / name).chmod(0o600)
    config = desk.config()
    config["apps"] = {
        APP: {
            "connector": "altegio",
            "address": "https://bridge.clinic.example",
            "options": {
                "application_id": "4001",
                "partner_token": {"file": "app-partner"},
                "user_token": {"file": "user"},
                "marketplace_url": "http://127.0.0.1:9/marketplace",
            },
        }
    }
    account = config["accounts"]["altegio-city"]
    account |= {"app": APP, "hook_secret": {"file": "hook"}}
    for name in ("partner_token", "user_token"):
        del account["options"][name]
    config["sites"]["city"]["organisation"] = "happy-vets"
    desk.save(config)
    return desk


@pytest.fixture
def marketplace(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> FakeMarketplace:
    made = FakeMarketplace(desk.clock)
    monkeypatch.setattr(apps, "build_marketplace", lambda *_: made)
    return made


@pytest.fixture(autouse=True)
def _met(ledger: Ledger) -> Iterator[None]:
    with ledger.write() as tx:
        going_live.meet(tx, "city", start_live=True)
    yield
    structlog.reset_defaults()


def stands(ledger: Ledger, state: str, location: str = CITY, *, code: str = "") -> None:
    with ledger.write() as tx:
        if state == "pending":
            installs.asked(tx, APP, location, at=tx.now, until=tx.now + timedelta(hours=1)).code = code
        else:
            installs.stands(tx, APP, location, state)
        if location == CITY and state != "active":
            pauses.pause(tx, INSTALL, "altegio-city", until=None, by=BY, why="not-connected")


def wrong(desk: Desk) -> dict[str, dict[str, Any]]:
    return {each["code"]: each for each in desk.data("status")["conditions"]}


# -- status


def test_every_location_that_is_known_or_named_is_shown(desk: Desk, ledger: Ledger) -> None:
    (alone,) = desk.data("installs", "list")
    assert (alone["state"], alone["sites"], alone["since"]) == ("not-asked", ["city"], None)
    stands(ledger, "active")
    stands(ledger, "pending", NEW)
    listed = {each["location"]: each for each in desk.data("installs", "list")}
    assert (listed[CITY]["state"], listed[CITY]["accounts"], listed[CITY]["sites"]) == (
        "active",
        ["altegio-city"],
        ["city"],
    )
    assert (listed[NEW]["state"], listed[NEW]["sites"]) == ("pending", [])
    assert desk.data("status")["installs"] == list(listed.values())
    shown = desk.run("status").stdout
    assert "no site" in shown
    assert "the vendor's time ends" in shown
    assert desk.run("installs", "list").stdout.splitlines()[0].split() == ["App", "Location", "Site", "State"]


def test_a_config_without_apps_shows_none(desk: Desk) -> None:
    desk.write_config()
    assert desk.data("installs", "list") == []
    assert "App " not in desk.run("status").stdout


# -- what is wrong


@pytest.mark.parametrize(
    ("state", "code", "severity"),
    [
        ("active", None, ""),
        ("frozen", "install-frozen", "now"),
        ("uninstalled", "install-missing", "now"),
        (UNKNOWN, "install-missing", "now"),
        (LAPSED, "install-missing", "now"),
        ("uninstalled in the shadow", "install-gone", "today"),
        ("unknown in the shadow", "install-gone", "today"),
        ("lapsed in the shadow", "install-lapsed", "today"),
    ],
)
def test_what_is_wrong_with_a_location_of_the_config(
    desk: Desk, ledger: Ledger, state: str, code: str | None, severity: str
) -> None:
    state, _, shadow = state.partition(" ")
    if shadow:
        with ledger.write() as tx:
            going_live.into_shadow(tx, "city")
    stands(ledger, state)
    found = wrong(desk)
    assert ([*found], [each["severity"] for each in found.values()]) == (
        ([code], [severity]) if code is not None else ([], [])
    )
    for each in found.values():
        assert (each["scope"], each["name"]) == ("install", f"{APP}/{CITY}")
        assert "?" not in each["message"]


def test_a_branch_that_nobody_has_added_waits_and_is_told_with_the_command_for_it(desk: Desk, ledger: Ledger) -> None:
    stands(ledger, "pending", NEW)
    found = wrong(desk)["install-waits"]
    assert found["severity"] == "now"
    assert "no account of the config is for it" in found["message"]
    assert f"`vetbridge installs draft {APP} {NEW}`" in found["remedy"]


def test_a_branch_that_is_just_being_connected_is_no_alert_and_one_that_is_refused_is(
    desk: Desk, ledger: Ledger
) -> None:
    desk.clock.advance(540)  # a minute before the command looks
    stands(ledger, "pending")
    assert wrong(desk) == {}
    stands(ledger, "pending", code="refused")
    found = wrong(desk)["install-waits"]
    assert "the vendor does not take it (refused)" in found["message"]
    assert f"`vetbridge installs activate {APP} {CITY}`" in found["remedy"]


def test_the_end_that_an_uninstall_brought_is_told_until_a_person_has_seen_it(desk: Desk, ledger: Ledger) -> None:
    stands(ledger, "uninstalled")
    with ledger.write() as tx:
        going_live.end(tx, "city", BY)
    assert [*wrong(desk)] == ["install-gone"]
    stands(ledger, "active")
    found = wrong(desk)["install-missing"]
    assert found["severity"] == "now", "the clinic has clicked Connect and thinks that bookings are carried over"
    assert "stays ended until somebody approves it" in found["message"]
    ended = desk.data("pair", "end", "city", "--by", "Ann")
    assert ended["ended_by"] == "Ann"
    assert wrong(desk) == {}


def test_an_approval_after_a_reinstall_ends_the_alert(desk: Desk, ledger: Ledger) -> None:
    stands(ledger, "active")
    with ledger.write() as tx:
        going_live.end(tx, "city", BY)
        going_live.approve(tx, "city", "Ann")
    assert wrong(desk) == {}


def test_of_an_app_that_the_config_has_no_more_nothing_is_said(desk: Desk, ledger: Ledger) -> None:
    stands(ledger, "pending", NEW)
    desk.write_config()
    assert wrong(desk) == {}


def test_alerts_name_the_sites(desk: Desk, ledger: Ledger) -> None:
    stands(ledger, "frozen")
    config = desk.loaded().config
    with ledger.read() as tx:
        (found,) = conditions.standing(reports.glance(tx), config)
    assert alerts.sites(found, config) == ["city"]


# -- rests that no command ends


def test_no_command_resumes_an_account_whose_app_is_not_connected(desk: Desk, ledger: Ledger) -> None:
    stands(ledger, UNKNOWN)
    answer = desk.run("resume", "altegio-city")
    assert answer.exit_code == 4
    assert "no command resumes it" in " ".join(answer.output.split())
    account = desk.data("status")["accounts"][0]
    assert (account["pause"]["why"], account["pause"]["by"]) == ("not-connected", BY)
    assert account["pause"]["command"] == "vetbridge installs list"


def test_reception_reads_why_nothing_is_carried_over(desk: Desk, ledger: Ledger) -> None:
    stands(ledger, "frozen")
    config = desk.loaded().config
    with ledger.read() as tx, speaking("de"):
        seen = today.today(status.picture(reports.glance(tx), config, 1), config.sites)
    (site,) = (each for each in (*seen.sites, *seen.good) if each.name == "city")
    assert site.light is today.Light.BAD
    assert site.reasons[0].words.startswith("altegio-city ruht: seine App ist beim Anbieter nicht verbunden")


def test_a_persons_pause_of_it_is_apart(desk: Desk, ledger: Ledger) -> None:
    stands(ledger, UNKNOWN)
    assert desk.data("pause", "altegio-city")["paused"] is True
    assert desk.data("resume", "altegio-city")["resumed"] is True
    with ledger.read() as tx:
        assert [row.scope for row in pauses.standing(tx)] == [INSTALL]


def test_what_such_an_account_leaves_undone_raises_no_alert_of_its_own(desk: Desk, ledger: Ledger) -> None:
    stands(ledger, "frozen")
    assert [*wrong(desk)] == ["install-frozen"]


def test_what_a_suspended_app_was_answered_is_told_by_the_install_alone(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        accounts.block(tx, "altegio-city", "no-rights")
    stands(ledger, "frozen")
    assert [*wrong(desk)] == ["install-frozen"]
    assert "no-rights" not in desk.run("status").stdout
    with ledger.write() as tx:
        installs.stands(tx, APP, CITY, "active")
        pauses.resume(tx, INSTALL, "altegio-city")
    assert [*wrong(desk)] == ["account-blocked"]


@pytest.mark.parametrize(
    ("state", "ended", "says"),
    [
        (UNKNOWN, False, "Is the number of the location right?"),
        ("uninstalled", True, "connect it again, then `vetbridge sync --approve --site city`"),
        ("active", True, "Let it write again: `vetbridge sync --approve --site city`"),
    ],
)
def test_an_app_that_is_gone_is_told_with_what_helps_now(
    desk: Desk, ledger: Ledger, state: str, ended: bool, says: str
) -> None:
    stands(ledger, state)
    if ended:
        with ledger.write() as tx:
            going_live.end(tx, "city", BY)
    (found,) = wrong(desk).values()
    assert says in found["remedy"]


def test_a_marketplace_that_says_nothing_for_hours_is_told(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        changes.begin_run(tx, "run")
        installs.stands(tx, APP, NEW, "active")
    config = desk.loaded().config

    def unread() -> list[object]:
        with ledger.read() as tx:
            found = conditions.standing(reports.glance(tx), config)
        return [each.details["count"] for each in found if each.code == "install-unread"]

    desk.clock.advance(2 * 3600)
    assert unread() == []
    desk.clock.advance(60)
    assert unread() == [2], "also the one that could never be asked for"
    stands(ledger, "active")
    assert unread() == [1]
    with ledger.write() as tx:
        installs.seen(tx, APP, [NEW])
    assert unread() == []


def test_a_pair_that_an_app_ended_is_told_whatever_the_config_calls_the_app_now(desk: Desk, ledger: Ledger) -> None:
    stands(ledger, "active")
    with ledger.write() as tx:
        going_live.end(tx, "city", "the app that was renamed")
    assert [*wrong(desk)] == ["install-missing"]
    assert desk.data("pair", "end", "city", "--by", "Ann")["ended_by"] == "Ann"
    assert wrong(desk) == {}


def test_an_account_that_was_connected_just_now_is_not_stale_yet(desk: Desk, ledger: Ledger) -> None:
    with ledger.write() as tx:
        run = changes.begin_run(tx, "run")
        accounts.move_cursor(tx, "altegio-city", Kind.APPOINTMENT, "c")
    stands(ledger, "frozen")
    config = desk.loaded().config

    def stale() -> set[str]:
        with ledger.read() as tx:
            found = conditions.standing(reports.glance(tx), config)
        return {each.code.value for each in found if each.name == "altegio-city"}

    desk.clock.advance(86400)
    assert stale() == set(), "it rests"
    with ledger.write() as tx:
        installs.stands(tx, APP, CITY, "active")
        pauses.resume(tx, INSTALL, "altegio-city")
    assert stale() == set()
    desk.clock.advance(3600)
    assert stale() == {"read-stale"}, "nobody has read it since"
    assert run


# -- commands


def test_a_lost_redirect_is_made_up_for(desk: Desk, ledger: Ledger, marketplace: FakeMarketplace) -> None:
    marketplace.clicks(CITY)
    plan = desk.data("installs", "activate", APP, CITY, "--plan")
    assert (plan["state"], plan["planned"], marketplace.activated) == ("pending", True, [])
    done = desk.data("installs", "activate", APP, CITY, "--by", "Ann")
    assert done["how"] == "connected"
    assert marketplace.activated == [(CITY, f"https://bridge.clinic.example/hooks/altegio-city/{SECRET}")]
    with ledger.read() as tx:
        (act,) = audit.entries(tx)
    assert (act.act, act.by, act.subject_id, act.says) == ("install-activated", "Ann", f"{APP}/{CITY}", "connected")


def test_a_person_may_try_after_the_time(desk: Desk, ledger: Ledger, marketplace: FakeMarketplace) -> None:
    stands(ledger, LAPSED)
    marketplace.clicks(CITY)
    assert desk.data("installs", "activate", APP, CITY)["how"] == "connected"


@pytest.mark.parametrize("state", [None, InstallState.FROZEN, InstallState.UNINSTALLED])
def test_what_nobody_asked_for_is_not_connected(
    desk: Desk, marketplace: FakeMarketplace, state: InstallState | None
) -> None:
    if state is not None:
        marketplace.stands[CITY] = state
    assert desk.run("installs", "activate", APP, CITY).exit_code == 4
    assert marketplace.activated == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("activate", "other", CITY), 2),
        (("activate", APP, NEW), 2),
        (("disconnect", "other", CITY), 2),
        (("draft", "other", NEW), 2),
        (("draft", APP, CITY), 2),
        (("draft", APP, "\x1b[31m"), 2),
        (("draft", APP, NEW, "--like", "north"), 2),
    ],
)
def test_what_the_config_does_not_have_is_said(
    desk: Desk, marketplace: FakeMarketplace, arguments: tuple[str, ...], code: int
) -> None:
    answer = desk.run("installs", *arguments)
    assert answer.exit_code == code
    assert answer.output.strip()
    assert "\x1b" not in answer.output


def test_a_marketplace_that_does_not_answer(desk: Desk, marketplace: FakeMarketplace) -> None:
    marketplace.broken = Unavailable("nobody answers")
    for command in ("activate", "disconnect"):
        assert desk.run("installs", command, APP, CITY).exit_code == 5


def test_a_person_takes_the_app_away(desk: Desk, ledger: Ledger, marketplace: FakeMarketplace) -> None:
    marketplace.stands[CITY] = InstallState.ACTIVE
    stands(ledger, "active")
    assert desk.data("installs", "disconnect", APP, CITY, "--plan")["state"] == "active"
    assert marketplace.stands[CITY] is InstallState.ACTIVE
    done = desk.data("installs", "disconnect", APP, CITY, "--by", "Ann")
    assert (done["state"], done["ended"]) == ("uninstalled", ["city"])
    assert marketplace.stands[CITY] is InstallState.UNINSTALLED
    with ledger.read() as tx:
        acts = [(each.act, each.by, each.via) for each in audit.entries(tx)]
        row = going_live.of(tx, "city")
        assert pauses.paused(tx, "account") == {"altegio-city"}
    assert acts == [("pair-ended", "Ann", "command"), ("install-ended", "Ann", "command")]
    assert row is not None
    assert row.ended_by == "Ann"
    assert wrong(desk) == {}, "whoever did it knows"


def test_a_branch_that_lapsed_is_let_be(desk: Desk, ledger: Ledger, marketplace: FakeMarketplace) -> None:
    stands(ledger, LAPSED, NEW)
    marketplace.stands[NEW] = InstallState.PENDING
    assert [*wrong(desk)] == ["install-lapsed"]
    assert desk.data("installs", "disconnect", APP, NEW)["ended"] == []
    assert wrong(desk) == {}


def test_where_the_vendor_refuses_nothing_has_ended(
    desk: Desk, ledger: Ledger, marketplace: FakeMarketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    marketplace.stands[CITY] = InstallState.ACTIVE
    stands(ledger, "active")

    def refuses(_location: str) -> None:
        raise Refused("no")

    monkeypatch.setattr(marketplace, "uninstall", refuses)
    assert desk.run("installs", "disconnect", APP, CITY).exit_code == 4
    with ledger.read() as tx:
        assert going_live.ended(tx) == set()
        assert audit.entries(tx) == ()


def test_what_is_drafted_can_be_added_as_it_is_and_holds_no_secret(desk: Desk) -> None:
    config = desk.config()
    config["accounts"]["altegio-city"]["options"] |= {"client_pets_field": "animals", "page_size": 50}
    city = config["sites"]["city"] | {"fuse": 5, "owners": {"pet.breed": "ask"}, "create": {"clients": False}}
    other = {"read": "vet_9", "write": "501"}
    city["booking"]["codes"]["resource"] = {"vet_1": "501", "otherwise": other}
    config["sites"]["city"] = city
    desk.save(config)
    answer = desk.run("installs", "draft", APP, NEW, "101003")
    assert answer.exit_code == 0
    assert SECRET not in answer.stdout
    drafted = yaml.safe_load(answer.stdout)
    config = desk.config()
    for group in ("accounts", "sites"):
        assert len(drafted[group]) == 2
        config[group] |= drafted[group]
    (desk.folder / "altegio-branch-101002-hook.secret").write_text(SECRET)
    desk.save(config)
    found: Loaded = desk.loaded()
    account = found.config.accounts["altegio-branch-101002"]
    assert (account.app, account.options.location_id) == (APP, NEW)
    assert account.hook_secret is not None
    site = found.config.sites["branch-101002"]
    assert (site.organisation, site.zone, site.country, site.start) == ("happy-vets", "Europe/London", "GB", "shadow")
    assert (account.options.client_pets_field, account.options.page_size) == ("animals", 50)
    assert (site.fuse, site.owners, site.create.clients) == (5, {"pet.breed": "ask"}, False)
    like = found.config.sites["city"]
    assert site.pims == like.pims
    of_the_branch: dict[str, Any] = {"appointment_type": {}, "resource": {}}
    assert site.booking.codes == {**like.booking.codes, **of_the_branch}, "another location's vets are not written"
    for side in Side:
        build_mapper(found, site, side)
    assert desk.data("installs", "draft", APP, "7")["yaml"].startswith("accounts:\n  altegio-branch-7:")


# -- what an account has from its app


def test_options_of_an_app_are_shown_as_such_and_their_faults_told_once(desk: Desk) -> None:
    rows = {each["path"]: each for each in desk.data("config", "show")}
    token = rows["accounts.altegio-city.options.partner_token"]
    assert (token["origin"], token["where"]) == ("app", APP)
    assert rows["accounts.altegio-city.options.location_id"]["origin"] == "file"
    assert rows["accounts.altegio-city.options.page_size"]["origin"] == "default"
    (desk.folder / "app-partner").unlink()
    missing = [each for each in desk.loaded().check_secrets() if not each.warning]
    assert [each.place for each in missing] == [("apps", APP, "options", "partner_token")]


# -- doctor


def test_doctor_says_how_each_location_stands(desk: Desk, marketplace: FakeMarketplace) -> None:
    at = {"1": ["a"], "2": ["b"], "3": ["c"], "4": ["d"], "5": ["e"]}
    marketplace.stands = dict(zip("1234", InstallState, strict=True))
    found: dict[str, InstallState | None] = {}
    first, *lines = doctor.check_app(APP, marketplace, at, found)
    assert (first.name, first.mark) == ("marketplace", Mark.OK)
    assert [line.mark for line in lines] == [Mark.WARN, Mark.OK, Mark.WRONG, Mark.WRONG, Mark.WRONG]
    assert {line.exit_code for line in lines if line.mark is Mark.WRONG} == {3}
    assert found == {**dict(zip("abcd", InstallState, strict=True)), "e": None}


def test_doctor_asks_no_location_where_the_marketplace_is_silent(desk: Desk, marketplace: FakeMarketplace) -> None:
    marketplace.broken = Unavailable("nobody answers")
    found: dict[str, InstallState | None] = {}
    (line,) = doctor.check_app(APP, marketplace, {CITY: ["altegio-city"]}, found)
    assert (line.mark, line.exit_code, found) == (Mark.WRONG, 5, {})


def test_doctor_does_not_ask_an_account_whose_app_is_not_connected(desk: Desk, marketplace: FakeMarketplace) -> None:
    answer = desk.run("doctor")
    assert answer.exit_code == 3
    assert "the vendor knows of no app there" in " ".join(answer.stdout.split())
    assert "altegio-city location" not in answer.stdout


def test_the_picture_of_a_ledger_says_since_when(desk: Desk, ledger: Ledger) -> None:
    stands(ledger, "active")
    with ledger.read() as tx:
        (found,) = status.installs(reports.glance(tx), desk.loaded().config)
    assert (found.since, found.seen_at, found.until) == (desk.clock.now(), desk.clock.now(), None)
