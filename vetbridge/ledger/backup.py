"""Backups of the ledger: one verified SQLite file each, of a ledger of either kind, made while VetBridge works.

A backup holds what the ledger holds, sealed with the ledger key. The key is not in it.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from vetbridge.core.errors import LedgerError
from vetbridge.ledger import sqlite
from vetbridge.ledger.copying import Progress, copy_ledger, quiet, rows_in, schema_in
from vetbridge.ledger.database import KEY_CHECK, Place, Transaction, engine_of
from vetbridge.ledger.postgresql import reason
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import Meta

BACKUP_AT = "backup_at"
"""Where a ledger keeps when its last backup was made: ISO, UTC."""
FORGOTTEN_PARTS = timedelta(days=1)
"""A backup that was cut off so long ago is cleared away."""

RESTORING = ".restoring"
"""How the name of a copy ends that is to take the ledger's place."""

_MOMENT = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"vetbridge-(\d{8}T\d{6}Z)-([0-9A-Za-z]{1,12})\.db")
_PART = ".part"


class BackupError(LedgerError):
    """This backup cannot be used. Take another one, and see docs/backup.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One backup, as it was verified."""

    path: Path
    schema: str
    bytes: int
    rows: Mapping[str, int]
    """Rows by table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One backup that stands in a folder, by its name alone."""

    path: Path
    made_at: datetime
    schema: str
    bytes: int


def name_of(made_at: datetime, schema: str) -> str:
    """What a backup is called."""
    return f"vetbridge-{made_at.astimezone(UTC).strftime(_MOMENT)}-{schema}.db"


def free_name(folder: Path, made_at: datetime, schema: str) -> Path:
    """A name in a folder that no other backup has."""
    while (path := folder / name_of(made_at, schema)).exists():
        made_at += timedelta(seconds=1)
    return path


def make(ledger: Place, key: str | None, to: Path, now: datetime, *, progress: Progress = quiet) -> Backup:
    """A verified backup: a file of this name, or in a folder that is there one that is called by ``now``.

    The file stands there whole or not at all, readable by its owner only; one that is there already is left alone.
    Without a key nobody looks whether it fits.

    Raises ``LedgerError`` where the ledger cannot be read, and ``BackupError`` where the backup cannot be written or
    does not hold what the ledger held.
    """
    folder, wanted = (to, None) if to.is_dir() else (to.parent, to)
    if wanted is not None and wanted.exists():
        raise BackupError(f"{wanted} is there already; give another name")
    part = folder / f"vetbridge-{now.astimezone(UTC).strftime(_MOMENT)}-{os.getpid()}{_PART}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear_parts(folder, now)
        # Whoever finds the name taken is not the first to ask at this moment.
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise BackupError(f"the backup cannot be written to {folder}: {error.strerror}") from None
    try:
        copied = copy_ledger(ledger, part, progress=progress)
        found = inspect(part, key)
        if (found.schema, found.rows) != (copied.schema, copied.rows):
            raise BackupError(f"the backup in {folder} does not hold what the ledger holds")
        path = wanted or free_name(folder, now, found.schema)
        sqlite.to_disk(part)
        part.replace(path)
        sqlite.to_disk(folder)
    except OSError as error:
        raise BackupError(f"the backup cannot be written to {folder}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return Backup(path=path, schema=found.schema, bytes=found.bytes, rows=found.rows)


def make_in(folder: Path, ledger: Place, key: str, now: datetime, keep: int, *, progress: Progress = quiet) -> Backup:
    """A backup in the folder of the config's backups, of which the newest are kept. Raises as ``make`` does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackupError(f"the backup cannot be written to {folder}: {error.strerror}") from None
    made = make(ledger, key, folder, now, progress=progress)
    thin_out(folder, keep)
    return made


def is_empty(ledger: Place) -> bool:
    """Whether nothing stands in a ledger but facts about itself: nobody would miss it. Raises ``LedgerError``."""
    engine = engine_of(ledger, read_only=True)
    try:
        with engine.connect() as connection:
            names = set(sa.inspect(connection).get_table_names()) & set(SQLModel.metadata.tables) - {"meta"}
            return not any(
                connection.execute(sa.select(1).select_from(sa.table(each)).limit(1)).all() for each in names
            )
    except (sqlite3.Error, sa.exc.DBAPIError) as error:
        cause = reason(getattr(error, "orig", None) or error)
        raise LedgerError(f"the ledger {ledger} cannot be opened: {cause}") from None
    finally:
        engine.dispose()


def inspect(path: Path, key: str | None) -> Backup:
    """Reads a backup from end to end. Raises ``BackupError`` that says what is wrong with it, and ``LedgerError`` for
    another key."""
    try:
        size = path.stat().st_size
        with closing(sqlite3.connect(_address(path), uri=True, isolation_level=None)) as file:
            schema = schema_in(file)
            (page,) = file.execute("PRAGMA page_size").fetchone()
            # Of a last page that is not whole the database reads the rest as nought.
            if size % page or file.execute("PRAGMA integrity_check(1)").fetchall() != [("ok",)]:
                raise BackupError(f"{path} is damaged")
            if file.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise BackupError(f"{path} is damaged: rows are missing that others point to")
            check = file.execute("SELECT value FROM meta WHERE key = ?", (KEY_CHECK,)).fetchone()
            if not schema or check is None:
                raise BackupError(f"{path} holds no ledger")
            if key is not None:
                _must_open(path, key, check[0])
            return Backup(path=path, schema=schema, bytes=size, rows=rows_in(file))
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}") from None
    except (sqlite3.Error, ValueError):
        raise BackupError(f"{path} is no backup of a ledger, or is damaged") from None


def listed(folder: Path) -> tuple[Kept, ...]:
    """The backups in a folder, the newest first: files that are called as backups are, and no others."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match is None or path.is_symlink() or not path.is_file():
            continue
        with contextlib.suppress(ValueError, OSError):  # no such day, or gone meanwhile
            made_at = datetime.strptime(match[1], _MOMENT).replace(tzinfo=UTC)
            found.append(Kept(path=path, made_at=made_at, schema=match[2], bytes=path.stat().st_size))
    return tuple(sorted(found, key=lambda each: (each.made_at, each.path.name), reverse=True))


def unfinished(folder: Path) -> tuple[Path, ...]:
    """Copies of a ledger in a folder that are being made, or were cut off: of backups, and of a restore."""
    return tuple(sorted({*folder.glob(f"vetbridge-*{_PART}"), *folder.glob(f"*{RESTORING}")}))


def thin_out(folder: Path, keep: int) -> tuple[Path, ...]:
    """Deletes all but the newest backups of a folder; returns which. Raises ``BackupError`` where one stays."""
    old = tuple(each.path for each in listed(folder)[keep:])
    try:
        for path in old:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(f"an old backup in {folder} cannot be deleted: {error.strerror}") from None
    return old


def last(tx: Transaction) -> datetime | None:
    """When the last backup of this ledger was made; None where none was."""
    row = tx.session.get(Meta, BACKUP_AT)
    return None if row is None else datetime.fromisoformat(row.value)


def note(tx: Transaction, made_at: datetime) -> None:
    """A backup was made and verified."""
    tx.session.merge(Meta(key=BACKUP_AT, value=made_at.astimezone(UTC).isoformat(timespec="seconds")))


def _must_open(path: Path, key: str, check: Any) -> None:
    try:
        Sealer(key).open(bytes.fromhex(check))
    except LedgerError:
        raise BackupError(
            f"{path} was made with another ledger key; put that key in the config's ledger.key to use it",
            code="ledger-key",
        ) from None


def _address(path: Path) -> str:
    """The file as it stands. Without a log beside it nobody is writing to it, and none is made."""
    log = path.with_name(f"{path.name}-wal")
    alone = not log.exists() or log.stat().st_size == 0
    return f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"


def _clear_parts(folder: Path, now: datetime) -> None:
    """Deletes what is left of backups that were cut off, also beside them: half a copy is a copy of personal data."""
    for path in folder.glob(f"vetbridge-*{_PART}*"):
        with contextlib.suppress(OSError):
            if now.timestamp() - path.stat().st_mtime > FORGOTTEN_PARTS.total_seconds():
                path.unlink()
