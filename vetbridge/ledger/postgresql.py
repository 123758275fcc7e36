"""A ledger in a PostgreSQL database (14 or newer): the same tables, the same one writer at a time.

Decision 0010 says why there is one writer here, too. The library psycopg comes with the extra ``postgresql``; it is
imported only where a ledger of this kind is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, LiteralString

import sqlalchemy as sa

from vetbridge.config.address import RIGHT_FORM, Address
from vetbridge.core.errors import LedgerError

if TYPE_CHECKING:
    import psycopg

BUSY_SECONDS = 30.0
"""How long a transaction waits for the one that another process is in, and the longest silence inside one."""
CONNECT_SECONDS = 10
"""How long a connection may take to come about."""
OLDEST = 140000
"""The oldest server that is supported, as the server counts its versions."""

WRITER, ALONE = 0x7662_0001, 0x7662_0002
"""First halves of the advisory locks: of the one writer, and of the one VetBridge. The second is the schema's."""

_NAME = "vetbridge"
_HOLDS = "vetbridge at work, process "
"""What a connection is called at the server; that of the one VetBridge at work ends with its number."""
_KEEPALIVE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""A server that vanished from the network is noticed within half a minute (milliseconds in the last)."""
_HOLDER = """
SELECT application_name FROM pg_locks LEFT JOIN pg_stat_activity ON pg_stat_activity.pid = pg_locks.pid
WHERE locktype = 'advisory' AND granted AND classid = %s AND objsubid = 2
AND objid::bigint = hashtext(current_schema())::bigint & 4294967295
AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def engine(address: Address, *, read_only: bool) -> sa.Engine:
    """Connections to the database. ``read_only`` ones see a consistent picture, the others are the only writer.

    The writer reads what is committed, and its first statement takes an advisory lock that ends with the
    transaction: it sees all that the writer before it did. Raises ``LedgerError`` without psycopg.
    """
    driver = _driver()

    def connect() -> psycopg.Connection[Any]:
        connection = _connect(address, _NAME)
        if read_only:
            connection.isolation_level = driver.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
        else:
            connection.isolation_level = driver.IsolationLevel.READ_COMMITTED
        return connection

    made = sa.create_engine(
        "postgresql+psycopg://",
        creator=connect,
        pool_pre_ping=True,
        pool_timeout=BUSY_SECONDS,
        hide_parameters=True,
        use_native_hstore=False,  # spares a question with each connection
    )
    if not read_only:

        @sa.event.listens_for(made, "begin")
        def _lock(connection: sa.Connection) -> None:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s, hashtext(current_schema()))", (WRITER,))

    return made


def is_there(address: Address) -> bool:
    """Whether the database holds a ledger. Raises ``LedgerError`` where it cannot be asked."""
    with _asking(address), closing(_connect(address, _NAME)) as connection:
        found = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    return bool(found and found[0])


class Alone:
    """The lock of the one process that works on a ledger: the server holds it for a connection.

    It drops it with the connection, also after kill -9, and forgets it when it is restarted: take it again then.
    """

    def __init__(self, address: Address, pid: int) -> None:
        self._address = address
        self._name = f"{_HOLDS}{pid}"
        self._connection: psycopg.Connection[Any] | None = None

    def take(self) -> bool:
        """Takes the lock, or sees that it is still ours; false where another process has it.

        Raises ``LedgerError`` where the server cannot be asked.
        """
        if self._connection is not None:
            try:
                self._connection.execute("SELECT 1")
            except _driver().Error:
                self.close()
            else:
                return True
        with _asking(self._address):
            connection = _connect(self._address, self._name)
            taken = False
            try:
                connection.autocommit = True
                row = connection.execute(
                    "SELECT pg_try_advisory_lock(%s, hashtext(current_schema()))", (ALONE,)
                ).fetchone()
                taken = bool(row and row[0])
            finally:
                if not taken:
                    connection.close()
            if taken:
                self._connection = connection
        return taken

    def close(self) -> None:
        """Gives it back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def holder(address: Address) -> int | None:
    """The process that works on the ledger, by its number on its machine (0: not known); None where none does.

    Raises ``LedgerError`` where the server cannot be asked.
    """
    with _asking(address), closing(_connect(address, _NAME)) as connection:
        found = connection.execute(_HOLDER, (ALONE,)).fetchone()
    if found is None:
        return None
    number = str(found[0]).removeprefix(_HOLDS)
    return int(number) if number.isascii() and number.isdigit() else 0


@contextmanager
def _asking(address: Address) -> Iterator[None]:
    """A question to the server outside of the ledger's own transactions."""
    driver = _driver()
    try:
        yield
    except driver.Error as error:
        raise LedgerError(f"the ledger {address} cannot be opened: {reason(error)}") from None


def reason(error: BaseException) -> str:
    """A database's error on one line, without the values that its later lines may hold."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _connect(address: Address, name: str) -> psycopg.Connection[Any]:
    """A connection with our settings. Raises ``psycopg.Error``, and ``LedgerError`` for what no waiting mends."""
    driver = _driver()
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        given = conninfo_to_dict(address.reveal())
    except driver.ProgrammingError:
        # The library's own words repeat the address.
        raise LedgerError(
            f"the address of the ledger {address} cannot be read; write {RIGHT_FORM}, without unknown parameters"
        ) from None
    ours = {"connect_timeout": CONNECT_SECONDS, "target_session_attrs": "read-write", **_KEEPALIVE}
    connection: psycopg.Connection[Any] = driver.connect(
        **{**ours, **given, "application_name": name, "client_encoding": "utf8"}
    )
    try:
        connection.adapters.register_dumper(str, _text_dumper())
        if connection.info.server_version < OLDEST:
            raise LedgerError(f"the ledger {address} is on a PostgreSQL older than {OLDEST // 10000}; upgrade it")
        connection.autocommit = True
        settled = connection.execute(_settings()).fetchone()
        if settled is None or settled[-1] is None:
            raise LedgerError(f"the search_path of the ledger {address} names no schema that exists; make it first")
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise
    return connection


def _settings() -> LiteralString:
    """What each connection is set to; its last column is the schema, where there is one."""
    settings = {
        "synchronous_commit": "on",
        "lock_timeout": f"{int(BUSY_SECONDS * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{int(2 * BUSY_SECONDS * 1000)}ms",
        "TimeZone": "UTC",
    }
    calls = [f"set_config('{name}', '{value}', false)" for name, value in settings.items()]
    return f"SELECT {', '.join(calls)}, current_schema()"


def _driver() -> Any:
    try:
        import psycopg  # noqa: PLC0415 - an optional library: only sites with PostgreSQL need it
    except ImportError:
        raise LedgerError(
            "a ledger on PostgreSQL needs the library psycopg; run: pip install 'vetbridge[postgresql]'"
        ) from None
    return psycopg


@cache
def _text_dumper() -> Any:
    from psycopg.types.string import StrDumper  # noqa: PLC0415

    class Text(StrDumper):
        """PostgreSQL takes no NUL in a text, and a vendor's id or error may hold one."""

        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))

    return Text
