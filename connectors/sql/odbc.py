"""The database over ODBC: the one module that imports pyodbc. Short reads, and one door for writes.

A driver's own words are never passed on: they may hold values of rows. What they mean is told by the SQLSTATE and by
words that are known of the drivers, since one of them has no SQLSTATE (impromed.md, section 7).
"""

from __future__ import annotations

import contextlib
import math
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from connectors.sql.options import Dialect, SqlOptions
from vetbridge.core.errors import (
    AuthFailed,
    BadAnswer,
    ConfigError,
    OutcomeUnknown,
    Refused,
    SchemaChanged,
    Unavailable,
    VetBridgeError,
)

MOST_ROWS = 2000
"""Rows that are fetched at a time."""
UNFIT = "sql-value"
"""The code of an error that a value has caused: one that cannot be read, or an id of another form."""
_STATE = re.compile(r"[0-9A-Z]{5}")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer. ``type`` is what Python makes of its values."""

    name: str
    type: type


@dataclass(frozen=True, slots=True)
class Rows:
    """An answer, or the first part of one."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, as the database tells them."""
        return tuple(column.name for column in self.columns)


def library() -> ModuleType:
    """pyodbc. Raises ``ConfigError`` that says what to install."""
    try:
        import pyodbc  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise ConfigError(
            'the connector sql needs pyodbc: pip install "vetbridge[odbc]"', code="odbc-missing"
        ) from None
    except ImportError:
        raise ConfigError(
            "pyodbc is installed, and the system's ODBC is not: install unixODBC (Debian: apt-get install unixodbc) "
            "and the driver of the database",
            code="odbc-missing",
        ) from None
    found: ModuleType = pyodbc
    return found


class Database:
    """One login at one database, with one connection. Safe to be used by several threads: they take turns.

    Every read is a transaction that is rolled back.
    """

    def __init__(self, account: str, options: SqlOptions) -> None:
        self._account = account
        self._options = options
        self._lock = threading.RLock()
        self._connection: Any = None
        self._writing = False
        self.requests = 0
        """Statements that were sent."""

    def read(self, what: str, statement: str, values: Sequence[Any] = ()) -> Rows:
        """The rows of a statement. ``what`` names it in errors.

        A connection that has stood for a while may have been cut off: then it is asked once more over a new one.
        """
        with self._lock:
            stood = self._connection is not None
            try:
                return self._rows(what, statement, values)
            except Unavailable as error:
                if not stood or error.code != Unavailable.code:
                    raise
                return self._rows(what, statement, values)

    def _rows(self, what: str, statement: str, values: Sequence[Any]) -> Rows:
        with self._turn(what) as cursor:
            self.requests += 1
            cursor.execute(statement, *values)
            if cursor.description is None:
                raise BadAnswer(f"{self._account}: {what} gives no rows", code="sql-select")
            columns = tuple(Column(str(each[0]), each[1]) for each in cursor.description)
            rows: list[tuple[Any, ...]] = []
            while part := cursor.fetchmany(MOST_ROWS):
                rows += map(tuple, part)
            return Rows(columns, tuple(rows))

    @contextlib.contextmanager
    def writing(self, what: str) -> Iterator[Transaction]:
        """A serialisable transaction in which is written; committed at the end of the block, else rolled back.

        Raises ``OutcomeUnknown`` where nobody can tell whether it was committed.
        """
        with self._lock:
            self.close()  # the session that reads is set to read alone
            self._writing = True
            try:
                with self._turn(what) as cursor:
                    transaction = Transaction(self, what, cursor)
                    yield transaction
                    self._commit(what)
            finally:
                self._writing = False
                self.close()

    def close(self) -> None:
        """Ends the connection; the next call opens another one."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                with contextlib.suppress(library().Error):
                    connection.close()

    def information(self) -> str:
        """Name and version of the database, as its driver tells them."""
        odbc = library()
        with self._lock, self._turn("the version"):
            told = [self._connection.getinfo(each) for each in (odbc.SQL_DBMS_NAME, odbc.SQL_DBMS_VER)]
        return " ".join(str(each)[:40] for each in told)

    @contextlib.contextmanager
    def catalogue(self, what: str) -> Iterator[Any]:
        """A cursor for the driver's catalogue calls."""
        with self._lock, self._turn(what) as cursor:
            self.requests += 1
            yield cursor

    def _commit(self, what: str) -> None:
        try:
            self._connection.commit()
        except library().Error as error:
            if str(error.args[0])[:2] in ("23", "40"):
                raise  # refused, or broken off: it is not done
            raise OutcomeUnknown(
                f"{self._account}: {what}: the database did not say whether it was committed"
            ) from None

    @contextlib.contextmanager
    def _turn(self, what: str) -> Iterator[Any]:
        odbc = library()
        try:
            if self._connection is None:
                self._connection = self._connect(odbc)
            cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                with contextlib.suppress(odbc.Error):
                    cursor.close()
                with contextlib.suppress(odbc.Error):
                    self._connection.rollback()
        except odbc.Error as error:
            connecting = self._connection is None
            self.close()
            raise self._judged(what, error, connecting=connecting) from None
        except (UnicodeError, ValueError, OverflowError, MemoryError) as error:
            self.close()
            raise BadAnswer(
                f"{self._account}: {what}: a value cannot be read ({type(error).__name__})", code=UNFIT
            ) from None

    def _connect(self, odbc: ModuleType) -> Any:
        options = self._options
        connection = odbc.connect(
            self._connection_string(),
            autocommit=False,
            timeout=math.ceil(options.login_timeout),
            readonly=not self._writing,
        )
        try:
            with contextlib.suppress(odbc.Error):  # of PostgreSQL: the session's own statement says it
                connection.timeout = math.ceil(options.statement_timeout)
            self._set_up(connection, odbc)
            if not self._writing:
                self._assert_reading(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: Any, odbc: ModuleType) -> None:
        options = self._options
        try:
            cursor = connection.cursor()
            for schema, path in options.attach.items():
                cursor.execute(f"ATTACH ? AS {schema}", str(path))
            for statement in _session(options, writing=self._writing):
                cursor.execute(statement)
            cursor.close()
            # What a session is set to holds only once it is committed, on some engines.
            connection.commit()
        except odbc.Error:
            raise Unavailable(
                f"{self._account}: the session could not be set up for {options.dialect}; compare the option dialect "
                "with the database",
                code="sql-session",
            ) from None

    def _assert_reading(self, connection: Any) -> None:
        """Asks the session whether it only reads, where the engine can say so."""
        question = _READS_ONLY.get(self._options.dialect)
        if question is None or not self._options.read_only:
            return
        told = connection.cursor().execute(question).fetchone()
        connection.rollback()
        if told is None or str(told[0]).casefold() not in ("1", "on"):
            raise Refused(
                f"{self._account}: the session could not be set to read alone; compare the option dialect with the "
                "database",
                code="sql-not-read-only",
            )

    def _connection_string(self) -> str:
        options = self._options
        if options.connection is not None:
            return options.connection.reveal()
        parts = [("DSN", options.dsn or ""), ("UID", options.user or "")]
        if options.password is not None:
            parts.append(("PWD", options.password.reveal()))
        return ";".join(f"{name}={_quoted(value)}" for name, value in parts if value)

    def _judged(self, what: str, error: Any, *, connecting: bool) -> VetBridgeError:
        state = next((each for each in error.args[:1] if isinstance(each, str) and _STATE.fullmatch(each)), "")
        words = " ".join(str(each) for each in error.args).casefold()
        found = judged(f"{self._account}: {what}", state, words, connecting=connecting)
        if self._writing and not connecting and isinstance(found, AuthFailed):
            # The login reads all the same: only this write cannot be.
            return Refused(found.message, code=found.code)
        return found


class Transaction:
    """A transaction that writes."""

    def __init__(self, database: Database, what: str, cursor: Any) -> None:
        self._database = database
        self._what = what
        self._cursor = cursor

    def rows(self, statement: str, values: Sequence[Any]) -> Rows:
        """The rows of a select."""
        self._database.requests += 1
        self._cursor.execute(statement, *values)
        columns = tuple(Column(str(each[0]), each[1]) for each in self._cursor.description or ())
        rows = self._cursor.fetchmany(MOST_ROWS) if columns else []
        return Rows(columns, tuple(map(tuple, rows)))

    def send(self, statement: str, values: Sequence[Any]) -> int:
        """Sends a statement that writes; returns how many rows it touched, -1 where the driver does not say."""
        self._database.requests += 1
        self._cursor.execute(statement, *values)
        touched = int(self._cursor.rowcount)
        while self._cursor.nextset():
            pass
        return touched


def _quoted(value: str) -> str:
    """A value of a connection string; whatever stands in it begins no other key."""
    return "{" + value.replace("}", "}}") + "}"


_READS_ONLY: Mapping[Dialect, str] = {
    Dialect.SQLITE: "PRAGMA query_only",
    Dialect.POSTGRESQL: "SHOW transaction_read_only",
}
"""What tells whether a session only reads. SQL Server and SQL Anywhere have no such setting: there the rights of the
login do it."""


def _session(options: SqlOptions, *, writing: bool) -> Iterator[str]:
    """Statements that set a session up."""
    lock, slow = int(options.lock_timeout * 1000), int(options.statement_timeout * 1000)
    level = "SERIALIZABLE" if writing else options.isolation.replace("-", " ").upper()
    match options.dialect:
        case Dialect.SQLITE:
            yield f"PRAGMA busy_timeout = {lock}"
            if not writing:
                yield "PRAGMA query_only = 1"
        case Dialect.POSTGRESQL:
            yield f"SET lock_timeout = {lock}"
            yield f"SET statement_timeout = {slow}"
            yield "SET idle_in_transaction_session_timeout = 60000"
            reads = "" if writing else " READ ONLY"
            yield f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level},{reads or ' READ WRITE'}"
        case Dialect.TSQL:
            yield f"SET LOCK_TIMEOUT {lock}"
            yield f"SET TRANSACTION ISOLATION LEVEL {level}"
            if writing:
                yield "SET XACT_ABORT ON"
        case Dialect.SQLANYWHERE:
            yield f"SET TEMPORARY OPTION blocking_timeout = '{lock}'"
            number = {"READ COMMITTED": 1, "REPEATABLE READ": 2, "SERIALIZABLE": 3, "SNAPSHOT": "snapshot"}[level]
            yield f"SET TEMPORARY OPTION isolation_level = '{number}'"


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What some SQLSTATEs (or what they begin with), or some of a driver's words, mean."""

    error: type[VetBridgeError]
    code: str
    says: str
    states: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def fits(self, state: str, words: str) -> bool:
        return (bool(state) and state.startswith(self.states)) or any(each in words for each in self.words)


# Of one account: the others go on, and so does this one once it is mended.
_ALWAYS = (
    _Meaning(
        Unavailable,
        "odbc-missing",
        "the ODBC driver that the connection names is not installed; install it, or name one of those that "
        "`odbcinst -q -d` lists",
        words=("can't open lib", "specified driver could not be loaded"),
    ),
    _Meaning(
        Unavailable,
        "odbc-dsn",
        "no data source is called as dsn or the connection says; `odbcinst -q -s` lists them",
        states=("IM002", "IM003", "IM012", "IM014"),
    ),
)
_CONNECTING = (
    _Meaning(
        AuthFailed,
        "auth-failed",
        "the database does not take user and password",
        states=("28",),
        words=(
            "password authentication failed",
            "login failed",
            "no password supplied",
            "invalid user id or password",
            'fatal:  role "',
        ),
    ),
    _Meaning(
        AuthFailed,
        "sql-database",
        "the login cannot open the database that is named",
        states=("3D000", "42000"),
        words=("cannot open database", "unable to open database", 'fatal:  database "'),
    ),
)
_ASKING = (
    _Meaning(AuthFailed, "auth-failed", "the database does not take user and password", states=("28",)),
    _Meaning(
        AuthFailed,
        "right-missing",
        "the login has no right to it; give it SELECT on the view or table, or EXECUTE on the procedure",
        states=("42501",),
        words=("permission denied", "permission was denied", "not have permission"),
    ),
    _Meaning(
        SchemaChanged,
        "sql-column",
        "a column that the select names is not there",
        states=("42S22", "42703"),
        words=("no such column", "invalid column name"),
    ),
    _Meaning(
        Unavailable,
        "sql-table",
        "a table or view that the select names is not there, or the login does not see it",
        states=("42S02", "42P01", "3F000"),
        words=("no such table", "invalid object name"),
    ),
    _Meaning(
        Refused,
        "sql-writes",
        "the session only reads, and the statement writes",
        states=("25006",),
        words=("readonly database", "read-only transaction"),
    ),
    _Meaning(
        Unavailable,
        "sql-locked",
        "what it asks for is locked by somebody else",
        states=("55P03", "40"),
        words=("database is locked", "table is locked", "lock request time out"),
    ),
    _Meaning(
        Unavailable,
        "sql-slow",
        "it took longer than statement_timeout",
        states=("57014", "HYT00", "HYT01"),
        words=("statement timeout", "query timeout", "interrupted"),
    ),
    _Meaning(
        BadAnswer,
        UNFIT,
        "the database cannot read or compare a value",
        states=("22",),
        words=("conversion failed",),
    ),
    _Meaning(
        Refused,
        "sql-refused",
        "the database's own rules refuse it",
        states=("23", "44"),
        words=("constraint failed",),
    ),
    _Meaning(BadAnswer, "sql-select", "the database does not understand it", states=("42",), words=("syntax error",)),
)


def judged(what: str, state: str, words: str, *, connecting: bool) -> VetBridgeError:
    """The error that a driver's SQLSTATE and words (in small letters) mean; none of its words stand in it."""
    shown = f" (SQLSTATE {state})" if state not in ("", "HY000") else ""
    for meaning in (*_ALWAYS, *(_CONNECTING if connecting else _ASKING)):
        if meaning.fits(state, words):
            error: VetBridgeError = meaning.error(f"{what}: {meaning.says}{shown}", code=meaning.code)
            return error
    # Whatever is not known may pass.
    return Unavailable(f"{what}: {'it cannot be reached' if connecting else 'the database gave an error'}{shown}")
