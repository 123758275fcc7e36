"""The life of installs: connected, waiting, frozen, taken away, brought back; and what each does to its account."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.daemon.marketplaces import APP, CITY, HOOKS, NOBODY, NORTH, Connected
from vetbridge.connector.interface import InstallNews, InstallState
from vetbridge.core.errors import AuthFailed, BadAnswer, OutcomeUnknown, Refused, Unavailable
from vetbridge.core.installs import LAPSED, UNKNOWN
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.connecting import (
    DOOR_PATIENCE,
    LIST_AGAIN,
    LOOK_EVERY,
    MOST_AT_THE_DOOR,
    MOST_UNKNOWN,
    Asked,
    How,
)
from vetbridge.daemon.rounds import Rounds
from vetbridge.daemon.service import Service
from vetbridge.ledger import accounts, audit, changes, going_live, installs, pauses


@pytest.fixture
def app(tmp_path: Path) -> Connected:
    return Connected(tmp_path)


def how(found: tuple[Asked, ...]) -> dict[str, How]:
    return {each.location: each.how for each in found}


# -- connecting


def test_a_branch_that_the_config_knows_is_connected_before_the_browser_is_answered(app: Connected) -> None:
    app.marketplace.clicks(CITY)
    (found,) = app.app.ask([CITY])
    assert (found.how, found.site) == (How.CONNECTED, "City Vets")
    assert app.marketplace.activated == [(CITY, HOOKS)]
    assert (app.states, app.rests) == ({CITY: "active"}, {})


def test_many_branches_at_once_each_with_its_own_answer(app: Connected) -> None:
    app.marketplace.clicks(CITY, NORTH, NOBODY)
    assert how(app.app.ask([CITY, NORTH, NOBODY])) == {
        CITY: How.CONNECTED,
        NORTH: How.CONNECTED,
        NOBODY: How.WAITS,
    }
    assert app.marketplace.activated == [(CITY, HOOKS), (NORTH, None)]


def test_what_the_vendor_knows_nothing_of_leaves_no_trace(app: Connected) -> None:
    assert how(app.app.ask(["1", "2", NOBODY])) == dict.fromkeys(("1", "2", NOBODY), How.NOT_ASKED)
    assert app.states == {}
    assert app.marketplace.activated == []


def test_one_that_is_active_already_is_not_said_yes_to_again(app: Connected) -> None:
    app.marketplace.stands[CITY] = InstallState.ACTIVE
    (found,) = app.app.ask([CITY])
    assert (found.how, found.site) == (How.CONNECTED, "")
    assert app.marketplace.activated == []
    assert app.states == {CITY: "active"}


def test_a_branch_that_the_config_does_not_know_waits_until_it_does(app: Connected) -> None:
    app.marketplace.clicks(NOBODY)
    (found,) = app.app.ask([NOBODY])
    assert (found.how, found.minutes, found.site) == (How.WAITS, 60, "")
    app.look()
    assert app.states[NOBODY] == "pending"
    app.start({NOBODY: ("booking",)})
    app.look()
    assert app.states[NOBODY] == "active"
    assert app.marketplace.activated == [(NOBODY, HOOKS)]


def test_a_lost_redirect_is_found_by_the_list(app: Connected) -> None:
    app.look()
    app.marketplace.clicks(CITY)
    app.look()
    assert app.states[CITY] == UNKNOWN
    app.later()
    assert app.states[CITY] == "active"


def test_nobody_says_yes_too_late(app: Connected) -> None:
    app.marketplace.clicks(NOBODY)
    app.app.ask([NOBODY])
    app.look(3600)
    assert app.states == {NOBODY: LAPSED, CITY: UNKNOWN, NORTH: UNKNOWN}
    app.start({NOBODY: ("booking",)})
    app.later()
    assert app.marketplace.activated == []
    assert how(app.app.ask([NOBODY])) == {NOBODY: How.CONNECTED}, "whoever comes from there has just clicked"


def test_what_was_clicked_while_vetbridge_was_down_is_tried_once(app: Connected) -> None:
    app.marketplace.clicks(CITY, NORTH)
    app.marketplace.refuses, app.marketplace.arrives = Refused("too late"), False
    app.look(7200)
    assert app.states == {CITY: "pending", NORTH: "pending"}
    app.marketplace.refuses = None
    app.look()
    assert app.states == {CITY: LAPSED, NORTH: LAPSED}


def test_a_vendor_that_tells_an_old_time_of_a_connect_of_just_now_is_said_yes_to(app: Connected) -> None:
    app.marketplace.clicks(CITY, NOBODY)
    app.clock.advance(86400)
    assert how(app.app.ask([CITY, NOBODY])) == {CITY: How.CONNECTED, NOBODY: How.WAITS}
    app.look(1800)
    assert app.states[NOBODY] == "pending"


def test_one_that_lapsed_counts_as_looked_at_also_where_the_vendor_knows_nothing_more_of_it(app: Connected) -> None:
    app.marketplace.clicks(NOBODY, CITY)
    app.marketplace.refuses, app.marketplace.arrives = Refused("no"), False
    app.app.ask([NOBODY, CITY])
    app.look(3600)
    app.marketplace.stands.clear()
    app.later()
    with app.ledger.read() as tx:
        rows = {row.location: row for row in installs.of(tx, APP)}
        assert {rows[each].state for each in (NOBODY, CITY)} == {LAPSED}
        assert {rows[each].seen_at for each in (NOBODY, CITY)} == {tx.now}


def test_clicked_once_more_without_a_redirect_is_found_by_the_vendors_own_time(app: Connected) -> None:
    app.marketplace.clicks(NOBODY)
    app.app.ask([NOBODY])
    app.look(3600)
    app.marketplace.clicks(NOBODY)
    app.later()
    assert app.states[NOBODY] == "pending"


def test_why_the_vendor_refuses_stays_and_it_is_tried_again(app: Connected) -> None:
    app.marketplace.refuses, app.marketplace.arrives = Refused("no", code="refused"), False
    app.marketplace.clicks(CITY)
    (found,) = app.app.ask([CITY])
    assert (found.how, found.code) == (How.REFUSED, "refused")
    assert (app.states, app.codes) == ({CITY: "pending"}, {CITY: "refused"})
    assert app.rests == {"booking": "not-connected"}
    app.marketplace.refuses = None
    app.look()
    assert (app.states[CITY], app.codes, "booking" in app.rests) == ("active", {}, False)


@pytest.mark.parametrize("error", [OutcomeUnknown("lost"), Refused("active already")])
def test_a_yes_that_arrived_counts_whatever_was_answered(app: Connected, error: Exception) -> None:
    app.marketplace.refuses = error  # type: ignore[assignment]
    app.marketplace.clicks(CITY)
    assert how(app.app.ask([CITY])) == {CITY: How.CONNECTED}
    assert len(app.marketplace.activated) == 1


def test_a_yes_that_was_lost_on_its_way_is_said_again(app: Connected) -> None:
    app.marketplace.refuses, app.marketplace.arrives = OutcomeUnknown("lost"), False
    app.marketplace.clicks(CITY)
    app.app.ask([CITY])
    assert app.codes == {CITY: "outcome-unknown"}
    app.marketplace.refuses = None
    app.look()
    assert app.marketplace.activated == [(CITY, HOOKS)]


def test_a_marketplace_that_does_not_answer_is_asked_again_by_the_rounds(app: Connected) -> None:
    app.later()
    app.marketplace.clicks(CITY)
    app.marketplace.broken = Unavailable("away")
    assert how(app.app.ask([CITY])) == {CITY: How.LATER}
    app.marketplace.broken = None
    app.look()
    assert app.states[CITY] == "active"


def test_the_door_and_a_round_at_once_say_yes_once(app: Connected) -> None:
    app.look()
    app.marketplace.clicks(CITY)
    begun, go_on = threading.Event(), threading.Event()
    activate = app.marketplace.activate

    def slowly(location: str, hook_url: str | None) -> None:
        begun.set()
        assert go_on.wait(10)
        activate(location, hook_url)

    app.marketplace.activate = slowly  # type: ignore[method-assign]
    door = threading.Thread(target=app.app.ask, args=([CITY],))
    round_ = threading.Thread(target=app.app.look)
    door.start()
    assert begun.wait(10)
    round_.start()
    go_on.set()
    for thread in (door, round_):
        thread.join(10)
    assert app.marketplace.activated == [(CITY, HOOKS)]
    assert (app.states[CITY], app.codes) == ("active", {})


def test_a_browser_does_not_wait_for_a_slow_marketplace(app: Connected) -> None:
    app.marketplace.clicks(CITY, NORTH)
    asked = app.marketplace.state

    def slowly(location: str):  # type: ignore[no-untyped-def]
        app.clock.advance(DOOR_PATIENCE)
        return asked(location)

    app.marketplace.state = slowly  # type: ignore[method-assign]
    assert how(app.app.ask([CITY, NORTH])) == {CITY: How.CONNECTED, NORTH: How.LATER}
    app.look()
    assert app.states[NORTH] == "active"


def test_redirects_in_numbers_do_not_take_every_thread_while_the_marketplace_is_slow(app: Connected) -> None:
    app.marketplace.clicks(CITY)
    for _ in range(MOST_AT_THE_DOOR):
        assert app.app._door.acquire(blocking=False)
    assert how(app.app.ask([CITY, NORTH])) == {CITY: How.LATER, NORTH: How.LATER}
    assert app.marketplace.calls == 0
    app.app._door.release()
    assert how(app.app.ask([CITY])) == {CITY: How.CONNECTED}
    assert how(app.app.ask([CITY])) == {CITY: How.CONNECTED}


def test_a_browser_does_not_wait_for_ever_behind_another_look(
    app: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vetbridge.daemon.connecting.DOOR_PATIENCE", 0.01)
    with app.app._lock:
        assert how(app.app.ask([CITY])) == {CITY: How.LATER}
    assert app.marketplace.calls == 0


def test_the_name_of_a_site_is_for_whoever_has_just_clicked(app: Connected) -> None:
    app.connect(CITY)
    assert [each.site for each in app.app.ask([CITY])] == ["City Vets"]
    app.clock.advance(3600)
    assert [(each.how, each.site) for each in app.app.ask([CITY])] == [(How.CONNECTED, "")]


def test_a_redirect_that_names_what_nobody_knows_costs_the_vendor_little(app: Connected) -> None:
    app.marketplace.clicks(CITY)
    asked = [str(number) for number in range(200)]
    assert set(how(app.app.ask([*asked, CITY])).values()) == {How.NOT_ASKED}
    assert app.marketplace.calls == MOST_UNKNOWN
    app.look()
    assert app.states[CITY] == "active", "the list of the vendor's finds it"


# -- accounts rest while they are not connected


def test_before_the_first_look_nothing_is_assumed_and_no_round_begins(app: Connected) -> None:
    assert app.app.holds("booking")
    assert app.rests == {}
    app.look()
    assert not app.app.holds("booking")
    assert app.rests == {"booking": "not-connected", "other": "not-connected"}
    assert app.states == {CITY: UNKNOWN, NORTH: UNKNOWN}


def test_a_marketplace_that_does_not_answer_at_the_start_holds_nobody_for_ever(app: Connected) -> None:
    app.marketplace.broken = Unavailable("away")
    with pytest.raises(Unavailable):
        app.look()
    assert not app.app.holds("booking")
    assert app.freed == ["booking", "other"]
    assert app.rests == {}


def test_frozen_rests_and_goes_on_by_itself(app: Connected) -> None:
    app.connect(CITY, NORTH)
    app.marketplace.stands[CITY] = InstallState.FROZEN
    app.app.hear(InstallNews(location=CITY, state=InstallState.FROZEN))
    app.look()
    assert app.rests == {"booking": "frozen"}
    assert app.ended == {}
    app.freed.clear()
    app.marketplace.stands[CITY] = InstallState.ACTIVE
    app.later()
    assert (app.rests, app.freed) == ({}, ["booking"])


def test_a_persons_own_pause_outlives_that_of_the_app(app: Connected) -> None:
    app.connect(CITY, NORTH)
    with app.ledger.write() as tx:
        pauses.pause(tx, "account", "booking", until=None, by="ann")
    app.marketplace.stands[CITY] = InstallState.FROZEN
    app.later()
    app.marketplace.stands[CITY] = InstallState.ACTIVE
    app.later()
    with app.ledger.read() as tx:
        assert [(row.scope, row.by) for row in pauses.standing(tx)] == [("account", "ann")]
        assert pauses.paused(tx, "account") == {"booking"}


def test_an_account_that_was_refused_meanwhile_is_asked_again_when_its_app_is_connected(app: Connected) -> None:
    app.look()
    with app.ledger.write() as tx:
        accounts.block(tx, "booking", "auth-failed")
    app.connect(CITY)
    with app.ledger.read() as tx:
        assert accounts.probe_is_due(accounts.get(tx, "booking"), tx.now)


def test_an_account_that_no_app_is_for_any_more_goes_on(app: Connected) -> None:
    app.look()
    app.start({NORTH: ("other",)})
    assert app.rests == {"other": "not-connected"}


def test_an_account_that_is_for_another_location_now_does_not_rest_for_the_old_one(app: Connected) -> None:
    app.connect(CITY)
    app.marketplace.stands[CITY] = InstallState.FROZEN
    app.later()
    app.start({NOBODY: ("booking",), NORTH: ("other",)})
    app.marketplace.broken = Unavailable("away")
    with pytest.raises(Unavailable):
        app.look()
    assert "booking" not in app.rests
    assert not app.app.holds("booking")


# -- taken away, and brought back


def test_an_uninstall_ends_the_pair_and_nothing_is_written_anywhere(app: Connected) -> None:
    app.connect(CITY, NORTH)
    app.marketplace.stands[CITY] = InstallState.UNINSTALLED
    app.app.hear(InstallNews(location=CITY, state=InstallState.UNINSTALLED))
    app.look()
    assert app.ended == {"city": "the app altegio-app"}
    assert app.rests == {"booking": "not-connected"}
    with app.ledger.read() as tx:
        (act,) = audit.entries(tx)
        assert (act.act, act.by, act.via, act.site) == ("pair-ended", "the app altegio-app", "marketplace", "city")
        assert changes.last_id(tx) == 0


def test_after_a_reinstall_the_pair_stays_ended_until_somebody_approves(app: Connected) -> None:
    app.connect(CITY)
    app.marketplace.stands[CITY] = InstallState.UNINSTALLED
    app.later()
    app.connect(CITY)
    assert (app.states[CITY], "booking" in app.rests, list(app.ended)) == ("active", False, ["city"])
    assert [(each.how, each.site) for each in app.app.ask([CITY])] == [(How.ENDED, "City Vets")]
    with app.ledger.write() as tx:
        going_live.approve(tx, "city", "ann")
    app.later()
    assert app.ended == {}


def test_a_pair_that_was_approved_in_spite_of_an_uninstall_is_not_ended_twice(app: Connected) -> None:
    app.connect(CITY)
    app.marketplace.stands[CITY] = InstallState.UNINSTALLED
    app.later()
    with app.ledger.write() as tx:
        going_live.approve(tx, "city", "ann")
    app.later()
    app.start()
    app.later()
    assert app.ended == {}
    assert app.rests["booking"] == "not-connected"


def test_one_that_was_never_connected_and_is_taken_away_ends_nothing(app: Connected) -> None:
    app.marketplace.refuses, app.marketplace.arrives = Refused("no"), False
    app.connect(CITY)
    app.marketplace.stands[CITY] = InstallState.UNINSTALLED
    app.later()
    assert (app.states[CITY], app.ended) == ("uninstalled", {})


@pytest.mark.parametrize("hides", ["the list", "the vendor"])
def test_a_list_that_is_suddenly_empty_is_no_uninstall(app: Connected, hides: str) -> None:
    app.connect(CITY, NORTH)
    if hides == "the list":
        app.marketplace.hidden = {CITY, NORTH}
        app.later()
        assert (app.states, app.rests) == ({CITY: "active", NORTH: "active"}, {})
    else:
        app.marketplace.stands.clear()
        app.later()
        assert app.states == {CITY: UNKNOWN, NORTH: UNKNOWN}
        assert app.rests == {"booking": "not-connected", "other": "not-connected"}
    assert app.ended == {}


def test_a_vendor_that_stumbles_once_is_asked_again_within_a_minute(app: Connected) -> None:
    app.connect(CITY, NORTH)
    app.later()
    was = dict(app.marketplace.stands)
    app.marketplace.stands.clear()
    app.later()
    assert set(app.states.values()) == {UNKNOWN}
    app.marketplace.stands = was
    app.look(LIST_AGAIN)
    assert (app.states, app.rests) == ({CITY: "active", NORTH: "active"}, {})


# -- calls of the vendor's


def test_a_call_ends_nothing_because_of_one_answer_that_knows_of_nothing(app: Connected) -> None:
    app.connect(CITY)
    app.marketplace.stands.clear()
    app.app.hear(InstallNews(location=CITY, state=InstallState.UNINSTALLED))
    app.app.look_at_told()
    assert (app.states[CITY], app.ended) == (UNKNOWN, {})
    app.look()
    assert (app.states[CITY], list(app.ended)) == ("uninstalled", ["city"])


def test_a_call_is_a_hint_and_the_vendor_is_asked(app: Connected) -> None:
    app.connect(CITY, NORTH)
    app.app.hear(InstallNews(location=CITY, state=InstallState.UNINSTALLED))
    app.look()
    assert (app.states[CITY], app.ended) == ("active", {})


@pytest.mark.parametrize("error", [Unavailable("away"), AuthFailed("no more")])
@pytest.mark.parametrize("state", [InstallState.UNINSTALLED, InstallState.FROZEN])
def test_a_call_of_the_vendors_own_is_believed_where_it_cannot_be_asked(
    app: Connected, error: Unavailable | AuthFailed, state: InstallState
) -> None:
    app.connect(CITY)
    app.marketplace.broken = error
    app.app.hear(InstallNews(location=CITY, state=state))
    app.app.look_at_told()
    assert app.states[CITY] == (UNKNOWN if state is InstallState.UNINSTALLED else "frozen")
    assert "booking" in app.rests
    assert app.ended == {}, "a call bears no time: it may be one of last year"


@pytest.mark.parametrize("stands", [InstallState.ACTIVE, InstallState.UNINSTALLED, None])
def test_a_call_that_was_believed_is_asked_for_as_soon_as_the_vendor_answers(
    app: Connected, stands: InstallState | None
) -> None:
    app.connect(CITY)
    app.later()
    app.marketplace.broken = Unavailable("away")
    app.app.hear(InstallNews(location=CITY, state=InstallState.UNINSTALLED))
    app.app.look_at_told()
    app.marketplace.broken = None
    app.marketplace.stands.pop(CITY)
    if stands is not None:
        app.marketplace.stands[CITY] = stands
    app.look()
    assert app.states[CITY] == (stands or InstallState.UNINSTALLED)
    assert ("booking" in app.rests, list(app.ended)) == (
        (False, []) if stands is InstallState.ACTIVE else (True, ["city"])
    )


def test_an_old_call_again_ends_no_pair_that_was_approved_in_spite_of_it(app: Connected) -> None:
    app.connect(CITY)
    app.marketplace.stands[CITY] = InstallState.UNINSTALLED
    app.later()
    with app.ledger.write() as tx:
        going_live.approve(tx, "city", "ann")
    app.marketplace.broken = Unavailable("away")
    app.app.hear(InstallNews(location=CITY, state=InstallState.UNINSTALLED))
    with pytest.raises(Unavailable):
        app.app.look_at_told()
    app.marketplace.broken = None
    app.look()
    assert (app.states[CITY], app.ended) == ("uninstalled", {})


@pytest.mark.parametrize("bad", ["0", CITY])
def test_a_location_for_which_the_vendor_does_not_answer_keeps_no_other_back(app: Connected, bad: str) -> None:
    app.marketplace.clicks(bad)
    app.marketplace.refuses, app.marketplace.arrives = Refused("no"), False
    app.app.ask([bad])
    app.marketplace.refuses = None
    app.marketplace.silent = {bad}
    for _ in range(3):
        with pytest.raises(Unavailable):
            app.later()
    app.marketplace.stands[NORTH] = InstallState.ACTIVE
    with pytest.raises(Unavailable):
        app.later()
    assert app.states[NORTH] == "active"


def test_where_the_list_cannot_be_read_each_location_is_asked_for(app: Connected) -> None:
    app.connect(CITY, NORTH)
    app.marketplace.unlisted = BadAnswer("no list")
    app.marketplace.stands[CITY] = InstallState.FROZEN
    with pytest.raises(BadAnswer):
        app.later()
    assert app.states == {CITY: "frozen", NORTH: "active"}
    app.marketplace.stands[CITY] = InstallState.ACTIVE
    with pytest.raises(BadAnswer):
        app.later()
    assert (app.states[CITY], app.rests) == ("active", {})


def test_a_call_about_a_branch_that_nobody_knows_leaves_no_trace(app: Connected) -> None:
    app.app.hear(InstallNews(location=NOBODY, state=InstallState.UNINSTALLED))
    app.app.hear(InstallNews(location=CITY, state=None))
    app.app.look_at_told()
    assert app.states == {}


def test_what_a_list_says_is_old_by_the_time_it_is_read(app: Connected) -> None:
    app.connect(CITY)
    app.marketplace.stands[CITY] = InstallState.FROZEN

    def taken_away() -> None:
        app.marketplace.stands[CITY] = InstallState.UNINSTALLED

    app.marketplace.meanwhile = taken_away
    app.later()
    assert app.states[CITY] == "uninstalled"


STEPS = st.one_of(
    st.tuples(st.just("stands"), st.sampled_from([*InstallState, None])),
    st.tuples(st.just("told"), st.sampled_from([InstallState.UNINSTALLED, InstallState.FROZEN])),
    st.tuples(st.just("asked"), st.none()),
    st.tuples(st.just("look"), st.none()),
    st.tuples(st.just("hidden"), st.booleans()),
    st.tuples(st.just("broken"), st.booleans()),
    st.tuples(st.just("start"), st.none()),
)


@given(steps=st.lists(STEPS, max_size=12))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_in_whatever_order_the_end_is_what_the_vendor_says(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    app = Connected(tmp_path_factory.mktemp("law"))
    market = app.marketplace
    for what, value in steps:
        if what == "stands":
            market.stands.pop(CITY, None)
            if value is InstallState.PENDING:
                market.clicks(CITY)
            elif isinstance(value, InstallState):
                market.stands[CITY] = value
        elif what == "told":
            assert isinstance(value, InstallState)
            app.app.hear(InstallNews(location=CITY, state=value))
        elif what == "asked":
            app.app.ask([CITY])
        elif what == "look":
            try:
                app.later()
            except Unavailable:
                assert market.broken
        elif what == "hidden":
            market.hidden = {CITY} if value else set()
        elif what == "broken":
            market.broken = Unavailable("away") if value else None
        else:
            app.start()
    market.broken = None
    app.later()
    app.later()
    says = market.stands.get(CITY)
    expected = UNKNOWN if says is None else says.value
    also = {None: (LAPSED, InstallState.UNINSTALLED), InstallState.PENDING: (LAPSED,)}
    assert app.states[CITY] in (expected, *also.get(says, ()))
    assert ("booking" in app.rests) == (says is not InstallState.ACTIVE)
    app.ledger.close()


# -- in the daemon


def daemon(app: Connected) -> SimpleNamespace:
    """The parts of a program that rounds and their clock need."""
    pair = SimpleNamespace(
        site="city", booking=SimpleNamespace(account="booking"), pims=SimpleNamespace(account="pims")
    )
    return SimpleNamespace(
        ledger=app.ledger,
        clock=app.clock,
        loaded=SimpleNamespace(config=app.config, folder=Path()),
        engine=SimpleNamespace(work=lambda *_, **__: 0, open_changes=lambda: 0, idle_for=lambda: 60.0),
        pairs=[pair],
        connectors={"booking": None},
        connecting={APP: app.app},
        joiners={},
        file_lookers={},
        due_readers={},
        due_rounds={},
    )


def test_an_account_rests_until_it_was_looked_at_and_while_it_is_not_connected(app: Connected) -> None:
    rounds = Rounds(cast(Program, daemon(app)))
    with app.ledger.read() as tx:
        assert pauses.paused(tx, "account") == set()
    assert rounds.rests("booking")
    app.look()
    assert rounds.rests("booking")
    app.connect(CITY)
    assert not rounds.rests("booking")


def test_what_waited_for_its_app_begins_as_soon_as_it_is_connected(app: Connected) -> None:
    service = Service(cast(Program, daemon(app)))
    jobs = {job.name: job for job in service.jobs()}
    assert (jobs[f"connect:{APP}"].every, jobs[f"connect:{APP}"].begin) == (LOOK_EVERY, 0.0)
    jobs[f"connect:{APP}"].work()
    later = datetime.now(UTC) + timedelta(hours=1)
    service._clock.start(paused=True)
    try:
        for name in ("poll:booking", "pair:city", "poll:other", "seal:ledger"):
            service._clock.add_job(lambda: None, "interval", hours=1, id=name, next_run_time=later)
        app.connect(CITY)
        sooner = {job.id for job in service._clock.get_jobs() if job.next_run_time < later}
    finally:
        service._clock.shutdown(wait=False)
    assert sooner == {"poll:booking", "pair:city"}
