"""The round that backs the ledger up, where the config says so."""

from __future__ import annotations

from datetime import timedelta

import structlog

from vetbridge.config.models import Backup
from vetbridge.connector.clock import Clock
from vetbridge.core.conditions import Code, Condition, Scope
from vetbridge.core.errors import LedgerError
from vetbridge.ledger import backup
from vetbridge.ledger.database import Ledger

log = structlog.get_logger("vetbridge.daemon")

BACKUP_LOOK = 600.0
"""Seconds between two looks whether the last backup is old, and between a failure and the next try."""


class BackingUp:
    """Backs one ledger up again and again, and says when it cannot."""

    def __init__(self, settings: Backup, ledger: Ledger, key: str, clock: Clock) -> None:
        self._settings = settings
        self._ledger = ledger
        self._key = key
        self._clock = clock
        self.failed: Condition | None = None
        """That the last try failed, and since when they do."""

    def look(self) -> bool:
        """Makes a backup where the last one is old, and deletes those that are kept no longer; whether it made one.

        Raises nothing that a full or missing disk is the cause of: ``conditions`` tells it.
        """
        now = self._clock.now()
        with self._ledger.read() as tx:
            last = backup.last(tx)
        # Also where the clock was set back: a backup of tomorrow is none of today.
        if last is not None and timedelta(0) <= now - last < timedelta(hours=self._settings.every_hours):
            return False
        try:
            made = backup.make_in(self._settings.folder, self._ledger.place, self._key, now, self._settings.keep)
        except LedgerError as error:
            if self.failed is None:
                log.error("backup.failed", code=error.code, message=error.message)
                self.failed = Condition(
                    code=Code.BACKUP_FAILED, scope=Scope.VETBRIDGE, since=now, details={"why": error.message}
                )
            return False
        with self._ledger.write() as tx:
            backup.note(tx, now)
        self.failed = None
        log.info("backup.made", file=made.path.name, bytes=made.bytes)
        return True

    def conditions(self) -> tuple[Condition, ...]:
        """What is wrong with the backups now."""
        return () if self.failed is None else (self.failed,)
