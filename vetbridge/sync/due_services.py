"""Keeps what clients of the booking side are told about due services as the policy says."""

from __future__ import annotations

from vetbridge.connector.clock import Clock
from vetbridge.ledger.database import Ledger
from vetbridge.sync.job import Ending, Enter, Job
from vetbridge.sync.pair import Pair, Timings
from vetbridge.sync.writing import Point


class DueServices:
    """The work on the cards of one pair."""

    def __init__(self, pair: Pair, ledger: Ledger, clock: Clock, timings: Timings, point: Point) -> None:
        self._pair = pair

    def work(self, job: Job, enter: Enter) -> Ending:
        """Brings one card up to date, and sends a notice where one is due."""
        raise NotImplementedError


class DueRound:
    """Finds the cards of one pair whose standing may be another one today."""

    def __init__(self, pair: Pair, ledger: Ledger) -> None:
        self._pair = pair

    def pass_(self) -> int:
        """Looks at the next cards; returns how many changes it opened."""
        return 0
