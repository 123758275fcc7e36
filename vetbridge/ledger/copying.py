"""Copies a ledger, of either kind, into an SQLite file: one consistent picture, while others go on writing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from vetbridge.config.address import Address
from vetbridge.core.errors import LedgerError
from vetbridge.ledger import postgresql, sqlite
from vetbridge.ledger.database import Place, must_be_known, revision, upgrade
from vetbridge.ledger.postgresql import reason

BATCH = 1000
"""Rows that are copied at a time."""
PAGES = 2048
"""Pages of a file that are copied at a time."""
SCHEMA_TABLE = "alembic_version"
"""Where the number of the schema stands."""

Progress = Callable[[int], None]
"""Is told how much is copied, in percent."""


def quiet(_percent: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds, as it stood in the ledger at the moment of the copy."""

    schema: str
    rows: Mapping[str, int]
    """Rows by table."""


def copy_ledger(ledger: Place, copy: Path, *, progress: Progress = quiet) -> Copied:
    """A consistent copy of a ledger that others may be writing to, readable by its owner only, in one file.

    It has the schema of the original and takes the same key. Raises ``LedgerError`` where it cannot be copied.
    """
    try:
        os.close(os.open(copy, os.O_CREAT | os.O_RDWR, 0o600))
        return (
            _copy_file(ledger, copy, progress) if isinstance(ledger, Path) else _copy_database(ledger, copy, progress)
        )
    except (OSError, sqlite3.Error, sa.exc.DBAPIError) as error:
        cause = reason(getattr(error, "orig", None) or error)
        raise LedgerError(f"the ledger {ledger} cannot be copied: {cause}") from None


def _copy_file(ledger: Path, copy: Path, progress: Progress) -> Copied:
    with (
        closing(
            sqlite3.connect(
                f"{ledger.resolve().as_uri()}?mode=ro", uri=True, timeout=sqlite.BUSY_SECONDS, isolation_level=None
            )
        ) as source,
        closing(sqlite3.connect(copy, isolation_level=None)) as target,
    ):
        # Inside a transaction every step reads the same picture: whoever writes meanwhile neither waits nor shows.
        source.execute("BEGIN")
        copied = Copied(schema_in(source), rows_in(source))
        source.backup(target, pages=PAGES, progress=lambda _, left, all_: progress(100 - 100 * left // max(1, all_)))
        source.execute("ROLLBACK")
        target.execute("PRAGMA journal_mode=DELETE")  # all of it in the one file
    return copied


def schema_in(file: sqlite3.Connection) -> str:
    """The schema that stands in a file; empty where there is none. Raises ``sqlite3.Error`` for no ledger."""
    found = file.execute(f"SELECT version_num FROM {SCHEMA_TABLE}").fetchone()  # noqa: S608 - our own name
    return str(found[0]) if found else ""


def rows_in(file: sqlite3.Connection) -> dict[str, int]:
    """How many rows stand in each table of a file."""
    listing = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    tables = [name for (name,) in file.execute(listing) if name != SCHEMA_TABLE]
    return {name: file.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}  # noqa: S608


def _copy_database(ledger: Address, copy: Path, progress: Progress) -> Copied:
    source, target = postgresql.engine(ledger, read_only=True), sqlite.engine(copy, read_only=False)
    try:
        with source.connect() as reading:
            schema = revision(reading)
            if schema is None:
                raise LedgerError(f"the ledger {ledger} cannot be copied: there is none yet")
            must_be_known(schema, f"the ledger {ledger}")
            upgrade(target, to=schema)
            tables = sa.MetaData()
            tables.reflect(reading)
            ours = [table for table in tables.sorted_tables if table.name in _tables(target)]
            counts = {
                table.name: reading.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for table in ours
            }
            done, total = 0, max(1, sum(counts.values()))
            with target.begin() as writing:
                for table in ours:
                    plain = sa.table(table.name, *(sa.column(column.name) for column in table.columns))
                    for batch in reading.execution_options(yield_per=BATCH).execute(sa.select(plain)).partitions():
                        rows = [{name: _in_file(value) for name, value in row._mapping.items()} for row in batch]
                        writing.execute(sa.insert(plain), rows)
                        done += len(rows)
                        progress(100 * done // total)
    finally:
        source.dispose()
        target.dispose()
    in_one_file(copy)
    return Copied(schema, counts)


def in_one_file(path: Path) -> None:
    """Puts all of a ledger into its one file, with nothing beside it, until somebody opens it again.

    Raises ``sqlite3.Error``, also where others have it open.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        if file.execute("PRAGMA journal_mode=DELETE").fetchone() != ("delete",):
            raise sqlite3.OperationalError("others have it open")


def _tables(engine: sa.Engine) -> set[str]:
    """The tables of a ledger; whatever else stands in a database is not ours."""
    return set(sa.inspect(engine).get_table_names()) - {SCHEMA_TABLE}


def _in_file(value: Any) -> Any:
    """A value as SQLite keeps it: moments are text in UTC, without an offset."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return value
