"""An older ledger is copied before it is upgraded, and never upgraded while an older VetBridge works on it."""

from __future__ import annotations

from pathlib import Path

import structlog

from vetbridge.config.loader import Loaded
from vetbridge.connector.clock import Clock
from vetbridge.core.errors import LedgerLocked
from vetbridge.daemon.lock import running
from vetbridge.ledger import backup
from vetbridge.ledger.backup import Backup
from vetbridge.ledger.copying import Progress, quiet
from vetbridge.ledger.database import BeforeUpgrade

log = structlog.get_logger("vetbridge.daemon")


def copies_folder(loaded: Loaded) -> Path:
    """Where a ledger is copied to before it is upgraded or another takes its place: beside a file; of a database
    where the backups are, or beside the config."""
    place = loaded.config.ledger.place
    if isinstance(place, Path):
        return place.absolute().parent
    return loaded.folder if loaded.config.backup is None else loaded.config.backup.folder


def copy_of(loaded: Loaded, clock: Clock, progress: Progress = quiet) -> Backup | None:
    """A verified copy of the ledger as it stands; None where there is nothing in it. Raises ``LedgerError``."""
    settings = loaded.config.ledger
    if backup.is_empty(settings.place):
        return None
    folder = copies_folder(loaded)
    folder.mkdir(parents=True, exist_ok=True)
    return backup.make(settings.place, settings.key.reveal(), folder, clock.now(), progress=progress)


def copied_first(loaded: Loaded, clock: Clock) -> BeforeUpgrade:
    """For whoever holds the ledger alone: an older one is copied before it is upgraded."""

    def copy(schema: str) -> None:
        made = copy_of(loaded, clock)
        if made is not None:
            log.info("ledger.copied", schema=schema, file=made.path.name)

    return copy


def never_beside(loaded: Loaded, clock: Clock) -> BeforeUpgrade:
    """For a command that works beside others: it upgrades nothing that an older VetBridge works on."""
    copy = copied_first(loaded, clock)

    def look(schema: str) -> None:
        place = loaded.config.ledger.place
        pid = running(place)
        if pid is not None:
            raise LedgerLocked(
                f"the ledger {place} has the older schema {schema}, and an older VetBridge works on it (process id "
                f"{pid or 'unknown'}): stop it, and start this version"
            )
        copy(schema)

    return look
