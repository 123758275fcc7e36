"""A person's pause: what it holds back, and that it is minded at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.rig import Rig
from vetbridge.core.records import Kind
from vetbridge.ledger import changes, pauses


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
