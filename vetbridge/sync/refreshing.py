"""Keeps the mirror of PIMS clients and pets fresh."""

from __future__ import annotations

import structlog

from vetbridge.core.errors import MappingError
from vetbridge.core.records import Client, Kind, Pet
from vetbridge.ledger import accounts, changes, mirror
from vetbridge.ledger.database import Ledger
from vetbridge.ledger.tables import ChangeState
from vetbridge.sync.job import Ending
from vetbridge.sync.pair import Pair
from vetbridge.sync.people import hint_if_linked

log = structlog.get_logger("vetbridge.sync")

MIRRORED = (Kind.CLIENT, Kind.PET)


class Refresher:
    """Reads the PIMS side of one pair into the mirror."""

    def __init__(self, pair: Pair, ledger: Ledger) -> None:
        self._pair = pair
        self._ledger = ledger
        self.unreadable = 0
        """Records of the last pass that the mapping could not turn; they are never candidates."""

    def pass_(self) -> int:
        """Reads what changed since the last pass, the first time everything; returns how many records it read.

        The mirror counts as complete once a first pass has read as many records of each kind as the side counts.
        """
        end = self._pair.pims
        with self._ledger.read() as tx:
            first = accounts.get(tx, end.account).mirror_complete_at is None
        self.unreadable = 0
        read = 0
        whole = True
        for kind in MIRRORED:
            seen, total = self._kind(kind, first=first)
            read += seen
            whole = whole and (total is None or seen >= total)
        if whole or not first:
            with self._ledger.write() as tx:
                mirror.completed(tx, end.account, first=first)
                changes.wake(tx, changes.MIRROR_REASONS)
        else:
            log.warning("mirror.incomplete", account=end.account, read=read)
        if self.unreadable:
            log.warning("mirror.unreadable", account=end.account, records=self.unreadable)
        return read

    def _kind(self, kind: Kind, *, first: bool) -> tuple[int, int | None]:
        end = self._pair.pims
        with self._ledger.read() as tx:
            since = None if first else accounts.cursor(tx, end.account, kind)
        ids: set[str] = set()
        total: int | None = None
        for page in end.connector.changes(kind, since):
            records: list[Client | Pet] = []
            for found in page.records:
                ids.add(found.id)
                if found.native is None:
                    continue
                try:
                    record = end.mapper.read(kind, found.native)
                except MappingError:
                    self.unreadable += 1
                    continue
                if isinstance(record, (Client, Pet)):
                    records.append(record)
            with self._ledger.write() as tx:
                mirror.put(tx, end.account, records)
                for record in records if not first else ():
                    hint_if_linked(tx, self._pair, record)
                if page.last:
                    accounts.move_cursor(tx, end.account, kind, page.cursor)
            total = page.total if page.total is not None else total
        return len(ids), total

    def one(self, kind: Kind, remote_id: str) -> Ending:
        """Works on a hint about one PIMS client or pet."""
        end = self._pair.pims
        native = end.connector.get(kind, remote_id)
        if native is None:
            return Ending(state=ChangeState.SKIPPED, code="not-found", message="the PIMS does not show it")
        record = end.mapper.read(kind, native)
        assert isinstance(record, (Client, Pet))  # noqa: S101 - what the mapper makes of these kinds
        with self._ledger.write() as tx:
            mirror.put(tx, end.account, [record])
            hint_if_linked(tx, self._pair, record)
        return Ending(state=ChangeState.DONE, code="mirrored", message="kept for matching")
