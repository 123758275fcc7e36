"""The connector ``sql`` under the conformance suite, over real ODBC: on SQLite whole, on PostgreSQL what reads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import databases, ledgers
from tests.databases import CODES, NOW, PASSWORD, PostgresDatabase, SqliteDatabase
from vetbridge.connector.interface import Connector, Operation, Write
from vetbridge.core.errors import OutcomeUnknown
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.suite import ConnectorSuite, Fault, Subject
from vetbridge.testing.suite.honesty import Honesty
from vetbridge.testing.suite.identity import Identity
from vetbridge.testing.suite.once import Changing, Creating
from vetbridge.testing.suite.reading import Cursors, Paging, Reading
from vetbridge.testing.suite.searching import Searching
from vetbridge.testing.suite.values import Times
from vetbridge.testing.suite.visits import Cancelling, Relinking
from vetbridge.testing.suite.writing import Writing

pytestmark = databases.NEEDED
QUIET = "03:00-04:00"
"""Nobody asks then; the subject's clock comes into it where the side is to ask for a pause."""


class SqlSubject(Subject):
    """A practice's database with thirty owners and a pet, and a page of ten rows."""

    faults = frozenset({Fault.LIMIT, Fault.BEFORE})
    enters = frozenset(Kind) - {Kind.ATTACHMENT}
    secrets = (PASSWORD,)

    def __init__(self, database: databases.Database, *, writes: bool = False) -> None:
        """``writes``: the site has approved statements for visits."""
        self.database = database
        # The suite begins with no visit at all.
        empty = databases.profile(appointment={"guards": {"least": 0}})
        self._profile = databases.template(database) if writes else empty
        self._hides = "VISITS" if writes else "OWNERS"
        if writes:
            self.enters -= {Kind.APPOINTMENT}
            self.faults |= {Fault.DROP}
        owner, *_ = database.owners(30)
        database.enter(Kind.PET, {"client_id": owner, "name": "Seed", "species": "K9"})
        self.clock = FakeClock(NOW)
        self.mapper = Mapper(load_table("neutral"), zone=self.zone, country="GB", codes=CODES)
        self._others: list[Connector] = []
        self.sql = databases.connector(database, self.clock, profile=self._profile, quiet_hours=[QUIET])
        self.connector = self.sql
        self._commit = self.sql.database._commit
        self._hidden = False

    def fault(self, fault: Fault | None) -> None:
        """A table goes by another name, or it is night, or the answer to each commit is lost."""
        if self._hidden:
            self.database.run(f"ALTER TABLE HIDDEN RENAME TO {self._hides}")
        self._hidden = fault is Fault.BEFORE
        if self._hidden:
            self.database.run(f"ALTER TABLE {self._hides} RENAME TO HIDDEN")
        self.sql.database._commit = self._lost if fault is Fault.DROP else self._commit  # type: ignore[method-assign]
        local = self.clock.now().astimezone(databases.SITE)
        if fault is Fault.LIMIT:
            self.clock.advance(((27.5 - local.hour) % 24) * 3600)
        elif local.hour == 3:
            self.clock.advance(3600)

    def _lost(self, what: str) -> None:
        self._commit(what)
        raise OutcomeUnknown(f"under-test: {what}: lost")

    def requests(self) -> int:
        return self.sql.requests

    def writes(self) -> int:
        """None can be counted where the login may not write."""
        return self.database.written_by_others() if isinstance(self.database, SqliteDatabase) else 0

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def restarted(self) -> Connector:
        return databases.connector(self.database, self.clock, profile=self._profile)

    def stranger(self) -> Connector | None:
        if not isinstance(self.database, PostgresDatabase):
            return None
        return databases.connector(self.database, self.clock, connection=self.database.as_user("stranger"))

    def remove(self, kind: Kind, id: str) -> bool:  # noqa: A002 - the interface's word
        self.database.remove(kind, id)
        return True

    def seed(self, kind: Kind, values: Mapping[str, Any]) -> str | None:
        if kind in (Kind.VACCINATION, Kind.REMINDER):
            return self.database.enter(kind, {name: str(value) for name, value in values.items()})
        writable = self.mapper.writable(kind)
        native = self.mapper.write(kind, {name: value for name, value in values.items() if name in writable})
        return self.database.enter(kind, native)

    def carry_out(self, write: Write) -> str | None:
        if write.operation is Operation.CREATE:
            return self.database.enter(write.kind, write.native)
        id_ = str(write.id)
        if write.operation is Operation.CANCEL:
            self.database.cancel(id_, by=write.native["by"], reason=write.native["reason"])
        else:
            self.database.change(write.kind, id_, write.native)
        return id_

    def close(self) -> None:
        self.connector.close()
        self.database.close()


class TestSqlOnSqlite(ConnectorSuite):
    def make(self) -> Subject:
        self._folder = tempfile.TemporaryDirectory()
        return SqlSubject(SqliteDatabase(Path(self._folder.name)))


class TestSqlThatWrites(Writing, Cancelling, Relinking, Times, Creating, Changing, Honesty):
    """A site's own statements write visits. Notes that bear no stamp, as the suite's texts, are not written here."""

    def make(self) -> Subject:
        self._folder = tempfile.TemporaryDirectory()
        return SqlSubject(SqliteDatabase(Path(self._folder.name)), writes=True)


@pytest.fixture(scope="class")
def served(request: pytest.FixtureRequest) -> Iterator[None]:
    """A server for the whole class."""
    request.cls.server = ledgers.Server()
    yield
    request.cls.server.close()


@pytest.mark.usefixtures("served")
class TestSqlOnPostgresql(Identity, Reading, Paging, Cursors, Searching):
    """Ids are GUIDs and numbers there, names of columns come in small letters, and the login may only read."""

    server: ledgers.Server

    def make(self) -> Subject:
        return SqlSubject(PostgresDatabase(self.server))
