"""What is known of a running VetBridge, for whoever asks often: health, metrics."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vetbridge.core.conditions import Condition
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.watching import Sensing
from vetbridge.desk.conditions import in_order, standing
from vetbridge.ledger import reports
from vetbridge.ledger.glance import AttemptKey, Glance

KEPT = 5.0
"""Seconds for which a look is told again: however often somebody asks, the ledger is read no oftener."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look."""

    glance: Glance
    conditions: tuple[Condition, ...]
    """The most urgent first."""
    attempts: Mapping[AttemptKey, int]
    """How many attempts at writes have ended since the start."""
    ledger_bytes: int | None
    """Of the ledger's file and what belongs to it; None: it is no file."""


class Looking:
    """Looks at the ledger and the machine of one running program. ``machine`` sees what the ledger does not know."""

    def __init__(self, program: Program, machine: Sensing) -> None:
        self._program = program
        self._machine = machine
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._seen_at = 0.0
        self._attempts: Counter[AttemptKey] = Counter()
        self._counted: int | None = None
        """The number of the last attempt that was counted, or stood before the first look."""

    def look(self) -> Seen:
        """What is known now, or was a few seconds ago. Raises ``LedgerError`` where the ledger cannot be read."""
        with self._lock:
            now = self._program.clock.steady()
            if self._seen is None or now - self._seen_at >= KEPT:
                self._seen = self._look()
                self._seen_at = now
            return self._seen

    def _look(self) -> Seen:
        with self._program.ledger.read() as tx:
            glance = reports.glance(tx)
            if self._counted is None:
                self._counted = reports.newest_attempt(tx)
            else:
                ended, self._counted = reports.attempts_after(tx, self._counted)
                self._attempts.update(ended)
        conditions = [*standing(glance, self._program.loaded.config), *self._machine.conditions()]
        return Seen(glance, in_order(conditions), dict(self._attempts), _size(self._program.ledger.place))


def _size(place: object) -> int | None:
    if not isinstance(place, Path):
        return None
    files = (place, place.with_name(place.name + "-wal"))
    return sum(each.stat().st_size for each in files if each.exists())
