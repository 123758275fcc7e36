"""Carries files between the two sides of a pair, each once and whole."""

from __future__ import annotations

from vetbridge.connector.clock import Clock
from vetbridge.core.records import Side
from vetbridge.ledger.database import Ledger
from vetbridge.sync.job import Ending, Enter, Job
from vetbridge.sync.pair import Pair, Timings
from vetbridge.sync.writing import Point


class Attachments:
    """The work on the attachments of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, point: Point) -> None:
        self._pair = pair

    def work(self, job: Job, side: Side, enter: Enter) -> Ending:
        """Carries one attachment that stands at ``side`` to the other one."""
        raise NotImplementedError
