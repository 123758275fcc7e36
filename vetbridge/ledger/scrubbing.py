"""What was erased is taken out of the ledger's files, too: a deleted row leaves its bytes where it stood."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from vetbridge.config.address import Address
from vetbridge.core.errors import LedgerError
from vetbridge.ledger import postgresql, sqlite
from vetbridge.ledger.database import Place
from vetbridge.ledger.postgresql import reason

TRIES = 3
"""Each waits as long for others as a transaction does."""


def scrub(place: Place, tables: Collection[str]) -> bool:
    """Writes the ledger anew without what was erased; False where others have not let go of it in time.

    Of a file all of it, and its log is emptied. Of a database these tables: what its own log, its replicas and its
    backups hold is its operator's. Raises ``LedgerError`` for anything but waiting in vain, such as a full disk.
    """
    return _file(place) if isinstance(place, Path) else _database(place, tables)


def _file(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=sqlite.BUSY_SECONDS, isolation_level=None)) as file:
            file.execute("PRAGMA secure_delete=ON")
            return any(_written_anew(file) for _ in range(TRIES))
    except sqlite3.Error as error:
        raise LedgerError(f"the ledger {path} cannot be written anew: {reason(error)}") from None


def _written_anew(file: sqlite3.Connection) -> bool:
    try:
        file.execute("VACUUM")
        busy, _pages, _moved = file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        return False
    return not busy


def _database(address: Address, tables: Collection[str]) -> bool:
    engine = postgresql.engine(address, read_only=False)
    # In no transaction of the ledger's: the one writer's lock is not taken, but each table's while it is written.
    try:
        with engine.connect() as opened:
            driver = opened.connection.driver_connection
            assert driver is not None  # noqa: S101 - it is connected
            driver.autocommit = True
            for table in sorted(tables):
                driver.execute(f'VACUUM (FULL) "{table}"')
    except sa.exc.DBAPIError as error:
        raise LedgerError(f"the ledger {address} cannot be written anew: {reason(error.orig or error)}") from None
    finally:
        engine.dispose()
    return True
