"""The laws of the engine where a PIMS shows its records as they were some time ago: whatever happens meanwhile, no
booking is lost, doubled or cancelled, and both sides end in agreement."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.properties.test_engine_histories import MOVES, Town, moment
from tests.rig import Rig
from vetbridge.connector.interface import Unlinked
from vetbridge.core.errors import RateLimited, Unavailable
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities

WITHIN = 150.0
"""Seconds."""


@dataclass
class FollowedTown(Town):
    """A town whose practice's records are read from a copy."""

    def work(self, which: int) -> None:
        self.rig.clock.advance(1)  # nothing happens at the very moment of which a copy was made
        super().work(which)

    def desk(self, which: int) -> None:
        """Staff put a visit to another vet: the booking side learns of it, be it late."""
        standing = [row for row in self.rig.visits() if row["state"] == "booked"]
        if standing:
            row = standing[which % len(standing)]
            self.rig.pims.edit(Kind.APPOINTMENT, row["id"], {"who": f"v{1 + which % 4}"})

    def listen(self, _which: int) -> None:
        with contextlib.suppress(Unavailable, RateLimited):
            self.rig.receiver.poll_desk()
            self.rig.sweeper.sweep()

    def calm(self) -> None:
        super().calm()
        for _ in range(2):
            self.rig.clock.advance(2 * WITHIN)
            self.rig.run()
            self.rig.sweeper.sweep()
            self.rig.settle()

    def check(self) -> None:
        super().check()
        for one in self.booked:
            row = self.rig.booking.row(Kind.APPOINTMENT, one.id)
            assert row is not None
            assert moment(row["start"]) == moment(one.start)
            assert (row["state"] == "cancelled") is one.cancelled, one
            for visit in (visit for visit in self.rig.visits() if one.token in visit["notes"] and not one.cancelled):
                assert visit["who"] == row["who"], one


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    history=st.lists(
        st.tuples(st.sampled_from((*MOVES, "desk", "listen", "listen", "wait")), st.integers(0, 30)),
        min_size=5,
        max_size=30,
    ),
    behind=st.integers(1, int(WITHIN) - 10),
)
def test_whatever_a_copy_shows_every_booking_stands_once_and_both_sides_agree(
    tmp_path_factory: Any, history: list[tuple[str, int]], behind: int
) -> None:
    folder: Path = tmp_path_factory.mktemp("town")
    clock = FakeClock()
    able = memory_capabilities(unlinked=Unlinked.PLACEHOLDER, shown_within=WITHIN)
    rig = Rig(folder, clock=clock, pims=MemorySide(able, clock=clock))
    town = FollowedTown(rig)
    rig.pims.follow(behind)
    clock.advance(timedelta(seconds=2 * WITHIN).total_seconds())
    rig.refresher.pass_()
    for move, which in history:
        getattr(town, move)(which)
    town.calm()
    town.check()
    rig.ledger.close()
