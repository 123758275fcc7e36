"""The connector ``sql`` on a real PostgreSQL: rights, locks, time-outs, and what a site's own statement writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connectors.sql.connector import Sql
from tests import databases, ledgers
from tests.databases import CODES, NEXT, Database, PostgresDatabase, SqliteDatabase, profile, template
from vetbridge.connector.interface import Operation, Write
from vetbridge.core import notes
from vetbridge.core.errors import (
    AuthFailed,
    OutcomeUnknown,
    Refused,
    SchemaChanged,
    SlotTaken,
    Unavailable,
    VetBridgeError,
)
from vetbridge.core.records import Kind

pytestmark = databases.NEEDED
STAMP = notes.make_stamp(b"first")
OTHER = notes.make_stamp(b"second")


@pytest.fixture(scope="module")
def server() -> Iterator[ledgers.Server]:
    made = ledgers.Server()
    yield made
    made.close()


@pytest.fixture
def base(server: ledgers.Server) -> Iterator[PostgresDatabase]:
    made = PostgresDatabase(server)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Each engine in its turn; the site's login may write visits."""
    if request.param == "sqlite":
        made: Database = SqliteDatabase(tmp_path)
    else:
        made = PostgresDatabase(request.getfixturevalue("server"))
        made.run("GRANT INSERT, UPDATE ON VISITS TO reader")
    yield made
    made.close()


def write(operation: Operation, native: dict[str, Any], *, stamp: str = STAMP, **more: Any) -> Write:
    return Write(
        operation=operation,
        kind=Kind.APPOINTMENT,
        id=more.pop("id", None),
        native=native,
        stamp=stamp,
        key="k",
        **more,
    )


def booking(stamp: str = STAMP, **more: Any) -> Write:
    native = {
        "start": "2027-06-14 10:00:00",
        "duration": 900,
        "resource": CODES["resource"]["vet_1"],
        "appointment_type": "VAC",
        "notes": notes.block(stamp, ["Booked by Zoë Ångström, 020 7946 0001"]),
    }
    return write(Operation.CREATE, native | more.pop("native", {}), stamp=stamp, **more)


def visits(base: Database) -> list[tuple[Any, ...]]:
    return [
        (row[0], str(row[1])[:19], *row[2:])
        for row in base.run("SELECT VISIT_NO, BEGINS, MINUTES, VET, WHY FROM VISITS ORDER BY VISIT_NO")
    ]


# -- what a site's statement writes, on either engine


def test_a_statement_writes_a_visit_once_and_reads_it_back(either: Database) -> None:
    sql = databases.connector(either, profile=template(either))
    receipt = sql.apply(booking())
    assert receipt.native is not None
    assert receipt.native["start"] == "2027-06-14 10:00:00"
    assert sql.apply(booking()).id == receipt.id, "the stamp stands there already"
    assert visits(either) == [(int(receipt.id), "2027-06-14 10:00:00", 15, "V1", None)]
    assert [native["id"] for native in sql.look(booking())] == [receipt.id]
    assert list(sql.look(booking(OTHER))) == []


def test_a_time_that_is_taken_is_not_written_unless_a_person_wants_it(either: Database) -> None:
    sql = databases.connector(either, profile=template(either))
    sql.apply(booking())
    with pytest.raises(SlotTaken):
        sql.apply(booking(OTHER))
    assert len(visits(either)) == 1
    assert sql.apply(booking(OTHER, beside=True)).id
    assert len(visits(either)) == 2


def test_a_visit_of_vetbridges_is_changed_and_struck(either: Database) -> None:
    sql = databases.connector(either, profile=template(either))
    id_ = sql.apply(booking()).id
    sql.apply(write(Operation.UPDATE, {"start": "2027-06-15 11:30:00"}, id=id_))
    assert visits(either) == [(int(id_), "2027-06-15 11:30:00", 15, "V1", None)], "what was not changed stays"
    done = sql.apply(write(Operation.CANCEL, {"by": "client", "reason": "ill"}, id=id_))
    assert done.native is not None
    assert (done.native["status"], visits(either)[0][-1]) == ("deleted", "ill")


@pytest.mark.parametrize("operation", [Operation.UPDATE, Operation.CANCEL])
def test_no_visit_of_anybody_else_is_touched(either: Database, operation: Operation) -> None:
    native = {"start": "2027-06-14 10:00:00", "duration": 900, "resource": "V1", "notes": f"as {STAMP} said"}
    id_ = either.enter(Kind.APPOINTMENT, native)
    before = visits(either)
    sql = databases.connector(either, profile=template(either))
    payload = {"start": "2027-06-20 10:00:00"} if operation is Operation.UPDATE else {"by": "client", "reason": "x"}
    with pytest.raises(Refused) as refused:
        sql.apply(write(operation, payload, id=id_))
    assert (refused.value.code, visits(either)) == ("not-ours", before)
    with pytest.raises(Refused) as unknown:
        sql.apply(write(operation, payload, id="999"))
    assert unknown.value.code == "not-found"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (
            {
                "create": {
                    "statement": "INSERT INTO VISITS (BEGINS, VISIT_NO, NOTES) "
                    "VALUES (:start, 1, substr(:notes, 1, 5))"
                }
            },
            "not-kept",
        ),
        ({"create": {"statement": "INSERT INTO VISITS (NOWHERE, NOTES) VALUES (:start, :notes)"}}, "sql-column"),
    ],
)
def test_what_cannot_be_read_back_is_not_kept(either: Database, change: dict[str, Any], code: str) -> None:
    sql = databases.connector(either, profile=template(either, **change))
    with pytest.raises(VetBridgeError) as refused:
        sql.apply(booking())
    if either.dialect == "postgresql" or code == "not-kept":
        assert refused.value.code == code
    assert visits(either) == []


def test_a_statement_that_touches_several_rows_is_taken_back(either: Database) -> None:
    wide = "UPDATE VISITS SET VET = :resource WHERE VISIT_NO >= 0 OR VISIT_NO = CAST(:id AS int)"
    sql = databases.connector(either, profile=template(either, update={"statement": wide}))
    ids = [sql.apply(booking()).id, sql.apply(booking(OTHER, beside=True)).id]
    before = visits(either)
    with pytest.raises(Refused, match="touched 2 rows") as refused:
        sql.apply(write(Operation.UPDATE, {"resource": "V2"}, id=ids[0]))
    assert (refused.value.code, visits(either)) == ("not-kept", before)
    with pytest.raises(Refused, match="does not change start"):
        sql.apply(write(Operation.UPDATE, {"start": "2027-06-20 10:00:00"}, id=ids[0]))


def test_in_quiet_hours_nothing_is_written(either: Database) -> None:
    sql = databases.connector(either, profile=template(either), quiet_hours=["09:00-11:00"])
    with pytest.raises(VetBridgeError, match="quiet hours"):
        sql.apply(booking())
    assert (visits(either), sql.requests) == ([], 0)


# -- what only PostgreSQL can show


def test_a_procedure_of_the_sites_is_called(base: PostgresDatabase) -> None:
    """The login has no right on the table, only on the function."""
    base.run(
        "CREATE FUNCTION book(begins timestamp, minutes int, vet varchar, notes varchar) RETURNS int LANGUAGE sql "
        "SECURITY DEFINER AS 'INSERT INTO VISITS (VISIT_NO, BEGINS, MINUTES, VET, NOTES) "
        "VALUES (NEXT, $1, $2, $3, $4) RETURNING VISIT_NO'".replace("NEXT", NEXT)
    )
    call = {"mode": "procedure", "statement": "{call book(:start, :duration, :resource, :notes)}"}
    sql = databases.connector(base, profile=profile(writes={"appointment": {"create": call}}))
    with pytest.raises(Refused) as refused:
        sql.apply(booking())
    assert refused.value.code == "incomplete", "the profile does not say that it takes a visit of nobody"
    receipt = sql.apply(booking(native={"client_id": "1", "pet_id": "1"}))
    assert visits(base) == [(int(receipt.id), "2027-06-14 10:00:00", 15, "V1", None)]


def test_a_commit_whose_answer_is_lost_is_looked_for(base: PostgresDatabase) -> None:
    """The server cuts the line while it commits; what became of it nobody knows."""
    base.run("GRANT INSERT, UPDATE ON VISITS TO reader")
    base.run(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
    )
    base.run(
        "CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON VISITS DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        "EXECUTE FUNCTION cut()"
    )
    sql = databases.connector(base, profile=template(base))
    with pytest.raises(OutcomeUnknown):
        sql.apply(booking())
    assert list(sql.look(booking())) == []
    base.run("DROP TRIGGER cut ON VISITS")
    assert sql.apply(booking()).id


def test_rules_of_the_database_refuse_and_their_words_are_not_told(base: PostgresDatabase) -> None:
    base.run("GRANT INSERT, UPDATE ON VISITS TO reader")
    base.run("ALTER TABLE VISITS ADD CHECK (NOTES NOT LIKE '%Zoë%')")
    sql = databases.connector(base, profile=template(base))
    with pytest.raises(Refused) as refused:
        sql.apply(booking())
    assert refused.value.code == "sql-refused"
    assert "Zoë" not in refused.value.message


def test_rights_that_are_missing_are_named(base: PostgresDatabase) -> None:
    base.owners(1)
    base.run("REVOKE SELECT ON OWNERS FROM reader")
    sql = databases.connector(base)
    with pytest.raises(AuthFailed) as refused:
        sql.get(Kind.CLIENT, "1")
    assert refused.value.code == "right-missing"
    with pytest.raises(Refused) as unwritten:
        databases.connector(base, profile=template(base)).apply(booking())
    assert unwritten.value.code == "right-missing"
    listed = {each.name for each in sql.tables()}
    assert "visits" in listed
    assert "owners" not in listed, "the catalogue shows what the login may see"


def test_a_login_that_is_wrong_blocks_the_account(base: PostgresDatabase) -> None:
    for connection, code in (
        (base.as_user("nobody"), "auth-failed"),
        (base.as_user("reader").replace(base.name, "no_such_base"), "sql-database"),
    ):
        sql = databases.connector(base, connection=connection)
        with pytest.raises(AuthFailed) as refused:
            sql.get(Kind.CLIENT, "1")
        assert refused.value.code == code


def test_a_statement_that_would_write_by_a_function_is_refused(base: PostgresDatabase) -> None:
    base.run("CREATE SEQUENCE numbers")
    base.run("GRANT ALL ON numbers TO reader")
    base.run("CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('numbers') $$")
    base.owners(1)
    sly = profile(client={"select": "SELECT OWNERS.*, counted() AS N FROM OWNERS"})
    sql = databases.connector(base, profile=sly)
    with pytest.raises(Refused) as refused:
        sql.get(Kind.CLIENT, "00000065-AAAA-4BBB-8CCC-0123456789AB")
    assert refused.value.code == "sql-writes"


def test_locks_and_slow_statements_end_in_time(base: PostgresDatabase) -> None:
    base.owners(1)
    slow = "SELECT OWNERS.* FROM OWNERS, (SELECT pg_sleep(60)) AS S"
    sql = databases.connector(base, profile=profile(client={"select": slow}), lock_timeout=0.1, statement_timeout=0.3)
    with psycopg.connect(base.own_address) as other:
        other.execute("LOCK TABLE VISITS IN ACCESS EXCLUSIVE MODE")
        for kind, code in ((Kind.APPOINTMENT, "sql-locked"), (Kind.CLIENT, "sql-slow")):
            with pytest.raises(Unavailable) as ended:
                sql.count(kind)
            assert ended.value.code == code


def test_a_connection_that_was_cut_off_is_opened_again(base: PostgresDatabase) -> None:
    [id_] = base.owners(1)
    sql = databases.connector(base)
    assert sql.get(Kind.CLIENT, id_) is not None
    base.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'")
    assert sql.get(Kind.CLIENT, id_) is not None


def test_a_column_that_a_select_names_is_gone(base: PostgresDatabase) -> None:
    base.run("ALTER TABLE ANIMALS RENAME COLUMN BREED TO RACE")
    said = profile(
        pet={"select": "SELECT ANIMAL_NO, OWNER_NO, NAME, SPECIES, SEX, BORN, BREED, DELETED FROM ANIMALS"}
    )
    with pytest.raises(SchemaChanged) as changed:
        databases.connector(base, profile=said).describe(Kind.PET)
    assert changed.value.code == "sql-column"
    base.run("DROP TABLE WORDS")
    report = databases.connector(base).check()
    warned = [line.name for line in report.lines if line.warning]
    assert warned == [f"codes {name}" for name in sorted(CODES)]


def test_a_session_that_could_write_is_not_used(base: PostgresDatabase) -> None:
    """Another engine answers than the options say."""
    sql: Sql = databases.connector(base, dialect="sqlite")
    with pytest.raises(Unavailable, match="compare the option dialect"):
        sql.get(Kind.CLIENT, "1")
