"""A ledger in one SQLite file: one writer at a time, short read-only connections beside it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

BUSY_SECONDS = 30
"""How long a transaction waits for the one that another process is in."""


def engine(path: Path, *, read_only: bool) -> sa.Engine:
    """Connections to the file. ``read_only`` ones see a consistent picture, the others are the only writer."""
    made = sa.create_engine(
        f"sqlite:///{path}",
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False, "isolation_level": None},
    )

    @sa.event.listens_for(made, "connect")
    def _settings(connection: sqlite3.Connection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @sa.event.listens_for(made, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return made


def own(path: Path) -> None:
    """Makes the file, readable by its owner only, where there is none. Raises ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def free_bytes(path: Path) -> int:
    """How much of the file holds nothing any more, and is used again before it grows. Raises ``sqlite3.Error``."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as file:
        pages, size = (int(file.execute(f"PRAGMA {what}").fetchone()[0]) for what in ("freelist_count", "page_size"))
    return pages * size


def to_disk(path: Path) -> None:
    """Returns once a file, or which files stand in a folder, would outlive a power cut. Raises ``OSError``."""
    if path.is_dir() and os.name == "nt":
        return  # no folder can be opened there; the system sees to it
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
