"""Reads vaccinations and due services of a PIMS into the mirror."""

from __future__ import annotations

from vetbridge.ledger.database import Ledger
from vetbridge.sync.pair import Pair


class DueReader:
    """Reads those of one PIMS account."""

    def __init__(self, pair: Pair, ledger: Ledger) -> None:
        self._pair = pair

    def pass_(self) -> int:
        """Reads what changed since the last pass; returns how many records it read."""
        return 0
