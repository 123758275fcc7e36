"""Opens the ledger: one file, one writer at a time, short read-only connections beside it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import Session

from vetbridge.connector.clock import Clock
from vetbridge.core.errors import LedgerError, SchemaTooNew
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import Meta

KEY_CHECK = "key_check"
KEY_CHECK_TEXT = "this ledger was made with this key"
BUSY_SECONDS = 30
LEDGER_BUSY = "ledger-busy"
"""Code of the ``LedgerError`` that may pass by itself."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a query needs: the session, the sealer, and the one moment that counts as now."""

    session: Session
    sealer: Sealer
    now: datetime


class Ledger:
    """All that VetBridge remembers, in one SQLite file.

    ``write`` is the only door to changes: one writer at a time (``BEGIN IMMEDIATE``), to be kept short, and never
    held across a network call. ``read`` sees a consistent picture and cannot write.
    """

    def __init__(self, path: Path, sealer: Sealer, clock: Clock) -> None:
        self.path = path
        self.sealer = sealer
        self._clock = clock
        self._writing = threading.Lock()
        self._writer = _engine(path, read_only=False)
        self._reader = _engine(path, read_only=True)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One transaction that may change things; committed at the end, undone by an exception.

        Raises ``LedgerError`` with the code ``ledger-busy`` where the file takes no transaction now.
        """
        with self._named(), self._writing, Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield Transaction(session, self.sealer, self._clock.now())

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """One consistent picture. Raises as ``write`` does."""
        with self._named(), Session(self._reader, expire_on_commit=False) as session, session.begin():
            yield Transaction(session, self.sealer, self._clock.now())

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Locked by another process, disk full, file gone: the ledger's trouble, and never that of one change."""
        try:
            yield
        except sa.exc.OperationalError as error:
            raise LedgerError(
                f"the ledger {self.path} takes no transaction now: {error.orig}", code=LEDGER_BUSY
            ) from None

    def close(self) -> None:
        """Gives back the file."""
        self._writer.dispose()
        self._reader.dispose()


def open_ledger(path: Path, key: str, clock: Clock) -> Ledger:
    """Opens the ledger at ``path``, making or upgrading it as needed.

    Raises ``LedgerError`` where the file is no ledger, the folder is not writable, or the key is another one, and
    ``SchemaTooNew`` where a newer VetBridge wrote it.
    """
    sealer = Sealer(key)
    try:
        _own(path)
        ledger = Ledger(path, sealer, clock)
        _upgrade(ledger, path)
    except (OSError, sqlite3.DatabaseError, sa.exc.DatabaseError) as error:
        cause = getattr(error, "orig", None) or error
        raise LedgerError(f"the ledger {path} cannot be opened: {cause}") from None
    _check_key(ledger)
    return ledger


def _engine(path: Path, *, read_only: bool) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _own(path: Path) -> None:
    """Makes the file, readable by its owner only, where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _upgrade(ledger: Ledger, path: Path) -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    engine = ledger._writer
    with engine.connect() as connection:
        have = MigrationContext.configure(connection).get_current_revision()
        if have == script.get_current_head():
            return
        if have is not None and have not in {step.revision for step in script.walk_revisions()}:
            raise SchemaTooNew(f"the ledger {path} has schema {have}, which this version does not know")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _check_key(ledger: Ledger) -> None:
    with ledger.read() as tx:
        row = tx.session.get(Meta, KEY_CHECK)
    if row is not None:
        ledger.sealer.open(bytes.fromhex(row.value))
        return
    with ledger.write() as tx:
        tx.session.add(Meta(key=KEY_CHECK, value=tx.sealer.seal(KEY_CHECK_TEXT).hex()))
