"""Opens the ledger: one writer at a time, short read-only transactions beside it.

It stands in an SQLite file or in a PostgreSQL database; tables, queries and what a transaction promises are the same.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import Session, col

from vetbridge.config.address import Address
from vetbridge.connector.clock import Clock
from vetbridge.core.errors import LedgerError, SchemaTooNew
from vetbridge.ledger import postgresql, sqlite
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import Meta

KEY_CHECK = "key_check"
KEY_CHECK_TEXT = "this ledger was made with this key"
HASH_KEY = "hash_key"
"""Where a ledger that was given another key keeps the key of its hashes, sealed."""
PROBED = "probed_at"
"""Key of the row that ``probe`` writes."""
LEDGER_BUSY = "ledger-busy"
"""Code of the ``LedgerError`` that may pass by itself."""

Place = Path | Address
"""Where a ledger is: an SQLite file, or a PostgreSQL database. As text it shows no password."""

BeforeUpgrade = Callable[[str], None]
"""Is called with the schema that stands before an older ledger is upgraded, and may refuse by raising."""


def at_once(_schema: str) -> None:
    """Lets a ledger be upgraded without more ado: a copy, and a test's."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The ledger takes no transaction."""

    at: datetime
    """Since when."""
    steady: float
    """The same by the steady clock."""
    message: str
    """What the database said first."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a query needs: the session, the sealer, and the one moment that counts as now."""

    session: Session
    sealer: Sealer
    now: datetime
    run_id: int | None = None
    """The run that is at work on the ledger; None where none has begun."""


class Ledger:
    """All that VetBridge remembers, in one SQLite file or one PostgreSQL database.

    ``write`` is the only door to changes: one writer at a time, over all processes, to be kept short, and never held
    across a network call to a vendor. ``read`` sees a consistent picture and cannot write.
    """

    def __init__(self, place: Place, sealer: Sealer, clock: Clock) -> None:
        self.place = place
        self.sealer = sealer
        self._clock = clock
        self.trouble: Trouble | None = None
        """Since when it takes no transaction that writes; None where it does. It ends with ``probe``."""
        self.run_id: int | None = None
        """The run of this process, once it has begun: what is written in it can be undone as a whole."""
        self._writing = threading.Lock()
        self._writer = engine_of(place, read_only=False)
        self._reader = engine_of(place, read_only=True)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One transaction that may change things; committed at the end, undone by an exception.

        Raises ``LedgerError`` with the code ``ledger-busy`` where the ledger takes no transaction now, or where the
        answer to the commit was lost: then the transaction may stand.
        """
        with (
            self._named(writes=True),
            self._writing,
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield Transaction(session, self.sealer, self._clock.now(), self.run_id)

    def probe(self) -> bool:
        """Whether it takes a transaction that writes; if so, its trouble is over.

        A transaction that changes nothing says nothing: a full disk takes it, too.
        """
        try:
            with self.write() as tx:
                tx.session.exec(sa.delete(Meta).where(col(Meta.key) == PROBED))
                tx.session.add(Meta(key=PROBED, value=tx.now.isoformat()))
        except LedgerError:
            return False
        self.trouble = None
        return True

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """One consistent picture. Raises as ``write`` does."""
        with self._named(), Session(self._reader, expire_on_commit=False) as session, session.begin():
            yield Transaction(session, self.sealer, self._clock.now())

    @contextmanager
    def _named(self, *, writes: bool = False) -> Iterator[None]:
        """Locked by another process, disk full, file or server gone: the ledger's trouble, never one change's."""
        try:
            yield
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            if not _may_pass(error):
                raise
            cause = _cause(error)
            if writes and self.trouble is None:
                self.trouble = Trouble(self._clock.now(), self._clock.steady(), cause)
            raise LedgerError(
                f"the ledger {self.place} takes no transaction now: {cause}", code=LEDGER_BUSY
            ) from None

    def close(self) -> None:
        """Gives back the file or the connections."""
        self._writer.dispose()
        self._reader.dispose()


def open_ledger(place: Place, key: str, clock: Clock, *, before_upgrade: BeforeUpgrade = at_once) -> Ledger:
    """Opens the ledger at ``place``, making or upgrading it as needed. A database itself must be there.

    ``before_upgrade`` is called before an older one is upgraded, and what it raises leaves the ledger as it is.

    Raises ``LedgerError`` where the file is no ledger, the folder is not writable, the server does not answer, or the
    key is another one, and ``SchemaTooNew`` where a newer VetBridge wrote it.
    """
    sealer = Sealer(key)
    try:
        if isinstance(place, Path):
            sqlite.own(place)
        ledger = Ledger(place, sealer, clock)
    except OSError as error:
        raise LedgerError(f"the ledger {place} cannot be opened: {error}") from None
    try:
        _bring_up_to_date(ledger, key, before_upgrade)
        _check_key(ledger, key)
    except BaseException as error:
        ledger.close()
        if isinstance(error, (OSError, sqlite3.DatabaseError, sa.exc.DBAPIError, sa.exc.TimeoutError)):
            raise LedgerError(f"the ledger {place} cannot be opened: {_cause(error)}") from None
        raise
    return ledger


def exists(place: Place) -> bool:
    """Whether there is a ledger already. Raises ``LedgerError`` where a server cannot be asked."""
    return place.exists() if isinstance(place, Path) else postgresql.is_there(place)


def engine_of(place: Place, *, read_only: bool) -> sa.Engine:
    """Connections to a ledger."""
    if isinstance(place, Path):
        return sqlite.engine(place, read_only=read_only)
    return postgresql.engine(place, read_only=read_only)


def _may_pass(error: sa.exc.DBAPIError | sa.exc.TimeoutError) -> bool:
    """Whether an error is of the kind that waiting or a new connection mends, and no fault of the statement."""
    return (
        isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError))
        or error.connection_invalidated
    )


def _cause(error: BaseException) -> str:
    """An error in words: of a database's only what itself said, without statement and values."""
    said = getattr(error, "orig", None) or error
    if getattr(said, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
        return f"another program, such as a backup tool, has locked it ({said})"
    return postgresql.reason(said)


def revision(connection: sa.Connection) -> str | None:
    """The schema that stands at a connection; None where there is none."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_schema() -> str:
    """The schema of this version."""
    newest = _script().get_current_head()
    assert newest is not None  # noqa: S101 - there are steps
    return newest


def must_be_known(schema: str, what: object) -> None:
    """Raises ``SchemaTooNew`` for a schema that this version does not know."""
    if schema not in {step.revision for step in _script().walk_revisions()}:
        raise SchemaTooNew(f"{what} has schema {schema}, which this version does not know")


def schema_of(place: Place) -> str | None:
    """The schema of a ledger that is there; None where it holds none. Raises ``LedgerError``."""
    engine = engine_of(place, read_only=True)
    try:
        with engine.connect() as connection:
            return revision(connection)
    except (sqlite3.DatabaseError, sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        raise LedgerError(f"the ledger {place} cannot be opened: {_cause(error)}") from None
    finally:
        engine.dispose()


def upgrade(engine: sa.Engine, *, to: str | None = None) -> None:
    """Makes or upgrades the tables, up to a revision, else to the newest."""
    with engine.begin() as connection:
        upgrade_at(connection, to=to)


def upgrade_at(connection: sa.Connection, *, to: str | None = None) -> None:
    """The same in a transaction that is under way."""
    config = _steps()
    config.attributes["connection"] = connection
    command.upgrade(config, to or "head")


def _steps() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


@cache
def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_steps())


def _bring_up_to_date(ledger: Ledger, key: str, before_upgrade: BeforeUpgrade) -> None:
    with ledger._reader.connect() as connection:
        have = revision(connection)
    if have == newest_schema():
        return
    if have is not None:
        must_be_known(have, f"the ledger {ledger.place}")
        _check_key(ledger, key)
        before_upgrade(have)
    upgrade(ledger._writer)


def _check_key(ledger: Ledger, key: str) -> None:
    with ledger.read() as tx:
        row = tx.session.get(Meta, KEY_CHECK)
        hashes = tx.session.get(Meta, HASH_KEY)
    if row is None:
        with ledger.write() as tx:
            # Whoever opened it at the same moment may have been first.
            row = tx.session.get(Meta, KEY_CHECK)
            if row is None:
                tx.session.add(Meta(key=KEY_CHECK, value=tx.sealer.seal(KEY_CHECK_TEXT).hex()))
                return
    ledger.sealer.open(bytes.fromhex(row.value))
    if hashes is not None:
        ledger.sealer = ledger.sealer.with_hash_key(key, bytes.fromhex(hashes.value))
