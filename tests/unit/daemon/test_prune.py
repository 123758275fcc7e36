"""The daily round that drops personal values: on by default, by the config's days, and told in counts alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from tests.rig import Rig
from tests.unit.daemon.watched import config
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.rounds import Rounds
from vetbridge.daemon.service import PRUNE_BEGIN, Service


def program(rig: Rig, days: int) -> Program:
    parts: dict[str, Any] = {
        "ledger": rig.ledger,
        "engine": rig.engine,
        "clock": rig.clock,
        "pairs": [],
        "connectors": {},
        "connecting": {},
        "joiners": {},
        "file_lookers": {},
        "due_readers": {},
        "due_rounds": {},
        "loaded": SimpleNamespace(config=config(keep_bodies_days=days), folder=Path()),
    }
    return cast(Program, SimpleNamespace(**parts))


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("Jane", "Doe", "+447700900123", "Rex")
    made.book("Jane", "Doe", "+447700900123", "Rex")
    made.run()
    return made


@pytest.mark.parametrize(("days", "dropped"), [(90, 1), (100, 0), (0, 0)])
def test_the_round_drops_what_is_kept_no_longer(rig: Rig, days: int, dropped: int) -> None:
    rig.clock.advance(timedelta(days=91).total_seconds())
    with capture_logs() as lines:
        assert Rounds(program(rig, days)).prune() == dropped
    counts = {"actions": 1, "questions": 0, "lines": 0, "links": 0}
    assert lines == ([{"event": "bodies.dropped", "log_level": "info", **counts}] if dropped else [])


def test_the_daemon_begins_it_soon_after_its_start_and_then_daily(rig: Rig) -> None:
    service = Service(program(rig, 90))
    service.start()
    try:
        (job,) = (job for job in service._clock.get_jobs() if "prune" in job.id)
        assert job.trigger.interval == timedelta(days=1)
        due = (job.next_run_time - datetime.now(UTC)).total_seconds()
        assert PRUNE_BEGIN - 60 < due <= PRUNE_BEGIN
    finally:
        assert service.stop()
