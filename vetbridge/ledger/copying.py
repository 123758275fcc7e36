"""Copies a ledger, of either kind, into an SQLite file: for a rehearsal."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from vetbridge.config.address import Address
from vetbridge.core.errors import LedgerError
from vetbridge.ledger import postgresql, sqlite
from vetbridge.ledger.database import Place, revision, upgrade
from vetbridge.ledger.postgresql import reason

BATCH = 1000
"""Rows that are copied at a time."""


def copy_ledger(ledger: Place, copy: Path) -> None:
    """A consistent copy of a ledger that others may be writing to, readable by its owner only.

    It has the schema of the original and takes the same key. Raises ``LedgerError`` where it cannot be copied.
    """
    os.close(os.open(copy, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        if isinstance(ledger, Path):
            _copy_file(ledger, copy)
        else:
            _copy_database(ledger, copy)
    except (OSError, sqlite3.Error, sa.exc.DBAPIError) as error:
        cause = reason(getattr(error, "orig", None) or error)
        raise LedgerError(f"the ledger {ledger} cannot be copied for a rehearsal: {cause}") from None


def _copy_file(ledger: Path, copy: Path) -> None:
    with (
        closing(
            sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True, timeout=sqlite.BUSY_SECONDS)
        ) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)


def _copy_database(ledger: Address, copy: Path) -> None:
    source, target = postgresql.engine(ledger, read_only=True), sqlite.engine(copy, read_only=False)
    try:
        with source.connect() as reading:
            upgrade(target, to=revision(reading))
            tables = sa.MetaData()
            tables.reflect(reading)
            with target.begin() as writing:
                for table in tables.sorted_tables:
                    if table.name == "alembic_version":
                        continue
                    plain = sa.table(table.name, *(sa.column(column.name) for column in table.columns))
                    for batch in reading.execution_options(yield_per=BATCH).execute(sa.select(plain)).partitions():
                        rows = [{name: _in_file(value) for name, value in row._mapping.items()} for row in batch]
                        writing.execute(sa.insert(plain), rows)
    finally:
        source.dispose()
        target.dispose()


def _in_file(value: Any) -> Any:
    """A value as SQLite keeps it: moments are text in UTC, without an offset."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return value
