"""A person's pause: what it holds back, and that it is minded at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.rig import Rig
from vetbridge.core.records import Kind
from vetbridge.ledger import changes, pauses
from vetbridge.ledger.pauses import KIND_PAUSED


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.refresher.pass_()
    made.owner("Ann", "Weiss", "+447700900123", "Bella")
    made.refresher.pass_()
    return made


@pytest.mark.parametrize(("scope", "name"), [("site", "town"), ("account", "booking"), ("account", "pims")])
def test_a_pause_of_the_site_or_of_either_side_holds_its_changes_back(rig: Rig, scope: str, name: str) -> None:
    with rig.ledger.write() as tx:
        pauses.pause(tx, scope, name, until=None, by="Ann")
    rig.hint(rig.book("Ann", "Weiss", "+447700900123", "Bella"))
    asked = rig.booking.calls["get"]
    rig.work()
    assert rig.engine.idle_for() == 86400.0, "no end of the pause is known"
    assert (rig.changes()[0].state, rig.booking.calls["get"], rig.visits()) == ("received", asked, [])
    with rig.ledger.write() as tx:
        assert pauses.resume(tx, scope, name)
    rig.settle()
    assert len(rig.visits()) == 1


def test_a_pause_of_something_else_holds_nothing_back(rig: Rig) -> None:
    with rig.ledger.write() as tx:
        pauses.pause(tx, "site", "village", until=None, by="")
        pauses.pause(tx, "account", "town", until=None, by="")
    rig.hint(rig.book("Ann", "Weiss", "+447700900123", "Bella"))
    rig.settle()
    assert len(rig.visits()) == 1


def test_a_pause_with_an_end_ends_by_itself(rig: Rig) -> None:
    with rig.ledger.write() as tx:
        pauses.pause(tx, "site", "town", until=tx.now + timedelta(minutes=5), by="")
    rig.hint(rig.book("Ann", "Weiss", "+447700900123", "Bella"))
    rig.work()
    assert rig.visits() == []
    assert rig.engine.idle_for() == 300.0
    rig.clock.advance(300)
    rig.work()
    assert len(rig.visits()) == 1
    began = rig.clock.now()
    with rig.ledger.write() as tx:
        assert pauses.pause(tx, "site", "town", until=None, by="").since == began, "the first pause is over"


def test_a_pause_that_begins_between_two_changes_of_a_lane_holds_the_second_back(rig: Rig) -> None:
    for hours in (48, 50):
        rig.hint(rig.book("Ann", "Weiss", "+447700900123", "Bella", hours=hours))
    rig.settle()
    for visit in rig.booking.rows(Kind.APPOINTMENT):
        rig.hint(visit["id"])
    with rig.ledger.write() as tx:
        lease = changes.claim(tx, worker="w", lease=timedelta(minutes=5), without_sites=[])
    assert lease is not None
    assert rig.engine.step(lease)
    with rig.ledger.write() as tx:
        pauses.pause(tx, "site", "town", until=None, by="")
    assert not rig.engine.step(lease)
    with rig.ledger.write() as tx:
        pauses.resume(tx, "site", "town")
    assert rig.engine.step(lease), "both are in the lane of one client"


# -- a kind at a site


def pause_kind(rig: Rig, kind: str, *, site: str = "town", minutes: float | None = None) -> None:
    with rig.ledger.write() as tx:
        until = None if minutes is None else tx.now + timedelta(minutes=minutes)
        pauses.pause(tx, "kind", f"{site}/{kind}", until=until, by="Ann")


def test_changes_of_a_kind_that_is_paused_wait_as_they_are_and_hints_are_taken(rig: Rig) -> None:
    pause_kind(rig, "appointment")
    rig.hint(rig.book("Ann", "Weiss", "+447700900123", "Bella"))
    asked = rig.booking.calls["get"]
    rig.work()
    assert rig.engine.idle_for() == 86400.0
    assert (rig.endings(), rig.booking.calls["get"]) == ([("received", "")], asked)
    with rig.ledger.write() as tx:
        assert pauses.resume(tx, "kind", "town/appointment")
    rig.settle()
    assert len(rig.visits()) == 1


def test_other_kinds_and_other_sites_go_on(rig: Rig) -> None:
    pause_kind(rig, "appointment", site="village")
    pause_kind(rig, "pet")
    rig.hint(rig.book("Ann", "Weiss", "+447700900123", "Bella"))
    rig.settle()
    assert len(rig.visits()) == 1, "owner and pet are known"


@pytest.mark.parametrize("kind", ["client", "pet"])
def test_the_visit_of_a_new_owner_waits_for_the_kind_that_it_needs(rig: Rig, kind: str) -> None:
    pause_kind(rig, kind)
    clients = len(rig.pims.rows(Kind.CLIENT))
    rig.hint(rig.book("Zora", "Quist", "+447700900999", "Momo"))
    rig.work()
    assert rig.endings() == [("waiting", KIND_PAUSED)]
    assert rig.visits() == []
    assert len(rig.pims.rows(Kind.CLIENT)) == clients + (kind == "pet")
    with rig.ledger.write() as tx:
        pauses.resume(tx, "kind", f"town/{kind}")
    rig.work()
    assert [state for state, _ in rig.endings()] == ["done"]
    assert (len(rig.visits()), len(rig.pims.rows(Kind.CLIENT))) == (1, clients + 1)


def test_a_pause_of_a_kind_with_an_end_ends_by_itself(rig: Rig) -> None:
    pause_kind(rig, "client", minutes=5)
    pause_kind(rig, "appointment", minutes=2)
    rig.hint(rig.book("Zora", "Quist", "+447700900999", "Momo"))
    rig.work()
    assert rig.engine.idle_for() == 120.0
    rig.clock.advance(120)
    rig.work()
    assert rig.endings() == [("waiting", KIND_PAUSED)]
    assert rig.engine.idle_for() == 180.0
    rig.clock.advance(180)
    rig.work()
    assert len(rig.visits()) == 1
