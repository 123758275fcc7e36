"""A rehearsal that is to show everything: no fuse hides a write, and its reads leave live bookings their share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from tests.unit.desk.practice import Desk, desk, hold, ledger
from vetbridge.connector.budgets import BULK_PATIENCE, in_bulk, patience_of
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.once import drain
from vetbridge.daemon.rehearsal import rehearsed
from vetbridge.ledger import fuses, reviews
from vetbridge.ledger.database import Ledger
from vetbridge.testing.clock import FakeClock

__all__ = ["desk", "ledger"]


def test_a_blown_fuse_holds_nothing_back_and_its_question_stays_open(desk: Desk, ledger: Ledger) -> None:
    hold(ledger, {"31": "a cancellation"}, first_visit=desk.clock.now())
    with rehearsed(desk.loaded(), unlimited=True) as rehearsal:
        with rehearsal.program.ledger.read() as tx:
            assert not fuses.blown(tx, "city")
            assert [item.why for item in reviews.open_items(tx)] == ["fuse-blown"]
        (pair,) = rehearsal.program.pairs
        assert pair.fuse > 1_000_000
        assert rehearsal.fused() == {}
    with ledger.read() as tx:
        assert fuses.blown(tx, "city"), "in earnest it does"


def test_what_is_drained_in_bulk_is_bulk_work_in_every_thread() -> None:
    waits: list[float] = []

    def work(_worker: str) -> bool:
        waits.append(patience_of(5.0))
        return False

    engine = SimpleNamespace(work=work, open_changes=lambda: 0, idle_for=lambda: 0.0)
    config = SimpleNamespace(config=SimpleNamespace(daemon=SimpleNamespace(workers=3)))
    program: Any = SimpleNamespace(engine=engine, loaded=config, clock=FakeClock())
    drain(cast(Program, program), 0.0, lambda _: None)
    assert waits == [5.0] * 3
    with in_bulk():
        drain(cast(Program, program), 0.0, lambda _: None)
    assert waits[3:] == [BULK_PATIENCE] * 3
