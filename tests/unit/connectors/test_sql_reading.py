"""The connector ``sql`` on a real SQLite file: what it tells of changes, and what it does not believe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.sql.connector import MASS_CHANGE, Sql
from tests import databases
from tests.databases import NOW, SqliteDatabase, profile
from vetbridge.connector.interface import Found
from vetbridge.core.errors import BadAnswer, RateLimited, SchemaChanged, Unavailable
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock

pytestmark = databases.NEEDED
DAY = 86400


@pytest.fixture
def base(tmp_path: Path) -> Iterator[SqliteDatabase]:
    made = SqliteDatabase(tmp_path)
    yield made
    made.close()


def walk(sql: Sql, kind: Kind, since: str | None = None) -> tuple[dict[str, Found], str]:
    pages = list(sql.changes(kind, since))
    return {each.id: each for page in pages for each in page.records}, pages[-1].cursor


def visit(base: SqliteDatabase, start: str = "2027-06-14 10:00:00", **more: Any) -> str:
    return base.enter(Kind.APPOINTMENT, {"start": start, "duration": 900, "status": "B", "notes": "", **more})


def test_only_what_changed_comes_and_what_went_is_told_as_gone(base: SqliteDatabase) -> None:
    ids = base.owners(25)
    sql = databases.connector(base)
    first, cursor = walk(sql, Kind.CLIENT)
    assert set(first) == set(ids)
    base.change(Kind.CLIENT, ids[3], {"given_name": "Zoë"})
    base.remove(Kind.CLIENT, ids[7])
    told, after = walk(sql, Kind.CLIENT, cursor)
    assert {id_: each.deleted for id_, each in told.items()} == {ids[3]: False, ids[7]: True}
    assert told[ids[3]].native is not None
    assert told[ids[3]].native["given_name"] == "Zoë"
    assert walk(sql, Kind.CLIENT, after)[0] == {}
    assert walk(sql, Kind.CLIENT, cursor)[0].keys() == told.keys(), "another reader's cursor is not used up"


def test_a_table_that_is_empty_after_a_restart_takes_no_visit_away(base: SqliteDatabase) -> None:
    ids = [visit(base) for _ in range(5)]
    _, cursor = walk(databases.connector(base), Kind.APPOINTMENT)
    base.empty(Kind.APPOINTMENT)
    again = databases.connector(base)
    assert walk(again, Kind.APPOINTMENT, cursor)[0] == {}
    with pytest.raises(Unavailable, match="no row at all") as caught:
        again.get(Kind.APPOINTMENT, ids[0])
    assert caught.value.code == MASS_CHANGE


def test_a_few_visits_are_not_gone_all_at_once(base: SqliteDatabase) -> None:
    for _ in range(5):
        visit(base)
    sql = databases.connector(base)
    _, cursor = walk(sql, Kind.APPOINTMENT)
    base.empty(Kind.APPOINTMENT)
    with pytest.raises(Unavailable, match="no row at all"):
        walk(sql, Kind.APPOINTMENT, cursor)


def test_a_window_that_is_empty_is_no_table_that_is(base: SqliteDatabase) -> None:
    gone = visit(base)
    visit(base, "2020-01-01 10:00:00")
    sql = databases.connector(base)
    _, cursor = walk(sql, Kind.APPOINTMENT)
    base.remove(Kind.APPOINTMENT, gone)
    told, _ = walk(sql, Kind.APPOINTMENT, cursor)
    assert [(each.id, each.deleted) for each in told.values()] == [(gone, True)]


def test_a_purge_takes_nothing_away(base: SqliteDatabase) -> None:
    ids = [visit(base) for _ in range(30)]
    sql = databases.connector(base)
    _, cursor = walk(sql, Kind.APPOINTMENT)
    kept = base.run("SELECT * FROM VISITS")
    base.empty(Kind.APPOINTMENT)
    sql_clock_passes(sql)
    for ask in (lambda: walk(sql, Kind.APPOINTMENT, cursor), lambda: sql.get(Kind.APPOINTMENT, ids[0])):
        with pytest.raises(Unavailable) as stopped:
            ask()
        assert stopped.value.code == MASS_CHANGE
    for row in kept:
        base.run(f"INSERT INTO VISITS VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
    assert walk(sql, Kind.APPOINTMENT, cursor)[0] == {}
    assert sql.get(Kind.APPOINTMENT, ids[0]) is not None


def sql_clock_passes(sql: Sql) -> None:
    """A count is believed for a minute."""
    clock = sql._clock
    assert isinstance(clock, FakeClock)
    clock.advance(61)


@pytest.mark.parametrize(("removed", "is_believed"), [(10, True), (20, True), (21, False)])
def test_more_than_the_guard_allows_is_not_believed_gone(
    base: SqliteDatabase, removed: int, is_believed: bool
) -> None:
    """A fifth of a hundred rows, and ten in any case."""
    ids = base.owners(100)
    sql = databases.connector(base, page_size=50)
    _, cursor = walk(sql, Kind.CLIENT)
    for id_ in ids[:removed]:
        base.remove(Kind.CLIENT, id_)
    if is_believed:
        assert {id_ for id_, each in walk(sql, Kind.CLIENT, cursor)[0].items() if each.deleted} == set(ids[:removed])
        return
    with pytest.raises(Unavailable, match="79 rows, and there were 100"):
        walk(sql, Kind.CLIENT, cursor)


def test_keys_that_are_all_new_are_not_believed_gone(base: SqliteDatabase) -> None:
    """As many rows as before, under other keys: a table that was filled anew."""
    ids = base.owners(40)
    sql = databases.connector(base)
    _, cursor = walk(sql, Kind.CLIENT)
    base.run("UPDATE OWNERS SET OWNER_NO = 'FFFFFFFF' || substr(OWNER_NO, 9, 24) || printf('%04d', rowid)")
    with pytest.raises(Unavailable, match="40 of 40 rows are gone at once"):
        walk(sql, Kind.CLIENT, cursor)
    with pytest.raises(Unavailable):
        sql.get(Kind.CLIENT, ids[0])


def test_a_table_that_changed_as_a_whole_stops_the_reading(base: SqliteDatabase) -> None:
    base.owners(60)
    sql = databases.connector(base)
    _, cursor = walk(sql, Kind.CLIENT)
    base.run("UPDATE OWNERS SET FIRST_NAME = upper(FIRST_NAME)")
    for _ in range(3):
        with pytest.raises(Unavailable) as stopped:
            walk(sql, Kind.CLIENT, cursor)
        assert stopped.value.code == MASS_CHANGE


def test_a_visit_that_moved_out_of_the_window_is_no_visit_that_is_gone(base: SqliteDatabase) -> None:
    moved, stays, past = visit(base), visit(base), visit(base, "2027-06-03 09:00:00")
    clock = FakeClock(NOW)
    sql = databases.connector(base, clock)
    _, cursor = walk(sql, Kind.APPOINTMENT)
    base.change(Kind.APPOINTMENT, moved, {"start": "2029-01-01 10:00:00"})
    clock.advance(3 * DAY)  # the other one is behind the window now, and as it was
    told, cursor = walk(sql, Kind.APPOINTMENT, cursor)
    assert set(told) == {moved}
    assert told[moved].native is not None
    assert told[moved].native["start"] == "2029-01-01 10:00:00"
    for id_ in (moved, stays, past):
        assert sql.get(Kind.APPOINTMENT, id_) is not None
    assert walk(sql, Kind.APPOINTMENT, cursor)[0] == {}


def test_a_visit_that_is_struck_in_the_database_is_cancelled(base: SqliteDatabase) -> None:
    id_ = visit(base)
    sql = databases.connector(base)
    _, cursor = walk(sql, Kind.APPOINTMENT)
    base.cancel(id_, by="client", reason="ill")
    [found] = walk(sql, Kind.APPOINTMENT, cursor)[0].values()
    assert found.native is not None
    assert (found.deleted, found.native["status"], found.native["cancel_reason"]) == (False, "deleted", "ill")


def test_a_row_that_makes_no_record_is_told_by_its_key_alone(base: SqliteDatabase) -> None:
    good, bad = visit(base), visit(base)
    base.run("UPDATE VISITS SET BEGINS = '2027-06-14 10:00:00', MINUTES = -5 WHERE VISIT_NO = ?", (int(bad),))
    sql = databases.connector(base)
    told, _ = walk(sql, Kind.APPOINTMENT)
    assert told[good].native is not None
    assert told[bad] == Found(id=bad)
    with pytest.raises(BadAnswer, match="MINUTES: it is less than nothing") as refused:
        sql.get(Kind.APPOINTMENT, bad)
    assert refused.value.code == "bad-row"
    line = next(each for each in sql.check().lines if each.name == "select of appointment")
    assert line.warning
    assert "of the first 2, 1 make no record, most of them for MINUTES" in line.text


def test_by_a_column_of_changes_only_newer_rows_are_asked_for_and_a_sweep_finds_what_is_gone(
    base: SqliteDatabase,
) -> None:
    base.run("ALTER TABLE OWNERS ADD COLUMN CHANGED datetime")
    ids = base.owners(25)
    base.run("UPDATE OWNERS SET CHANGED = '2027-06-01 08:00:00'")
    clock = FakeClock(NOW)
    said = profile(client={"cursor": "CHANGED", "sweep": {"select": "SELECT OWNER_NO FROM OWNERS", "hours": 24}})
    sql = databases.connector(base, clock, profile=said)
    first, cursor = walk(sql, Kind.CLIENT)
    assert len(first) == 25
    base.run("UPDATE OWNERS SET FIRST_NAME = 'Unseen' WHERE OWNER_NO = ?", (ids[0],))
    base.run("UPDATE OWNERS SET CHANGED = '2027-06-01 08:02:00', FIRST_NAME = 'Late' WHERE OWNER_NO = ?", (ids[1],))
    base.remove(Kind.CLIENT, ids[2])
    told, cursor = walk(sql, Kind.CLIENT, cursor)
    assert {id_: each.deleted for id_, each in told.items()} == {ids[0]: False, ids[1]: False, ids[2]: True}
    base.run("UPDATE OWNERS SET CHANGED = '2027-06-01 09:00:00' WHERE OWNER_NO <> ?", (ids[4],))
    base.run("UPDATE OWNERS SET FIRST_NAME = 'Unseen' WHERE OWNER_NO = ?", (ids[4],))
    _, cursor = walk(sql, Kind.CLIENT, cursor)
    base.remove(Kind.CLIENT, ids[3])
    assert walk(sql, Kind.CLIENT, cursor)[0] == {}, "what did not say that it changed; a sweep was made just now"
    clock.advance(DAY)
    told, cursor = walk(sql, Kind.CLIENT, cursor)
    assert told == {ids[3]: Found(id=ids[3], deleted=True)}
    after = databases.connector(base, clock, profile=said)
    _, cursor = walk(after, Kind.CLIENT, cursor)
    base.remove(Kind.CLIENT, ids[4])
    clock.advance(DAY)
    assert walk(after, Kind.CLIENT, cursor)[0] == {ids[4]: Found(id=ids[4], deleted=True)}, "also after a restart"


def test_a_sweep_that_misses_too_much_is_not_believed_and_made_again(base: SqliteDatabase) -> None:
    base.run("ALTER TABLE OWNERS ADD COLUMN CHANGED datetime")
    base.owners(50)
    base.run("UPDATE OWNERS SET CHANGED = '2027-06-01 08:00:00'")
    clock = FakeClock(NOW)
    said = profile(
        client={
            "cursor": "CHANGED",
            "sweep": {"select": "SELECT OWNER_NO FROM OWNERS", "hours": 24},
            "guards": {"most_gone": 0.1, "few": 2},
        }
    )
    sql = databases.connector(base, clock, profile=said)
    _, cursor = walk(sql, Kind.CLIENT)
    _, cursor = walk(sql, Kind.CLIENT, cursor)
    base.run("UPDATE OWNERS SET OWNER_NO = 'FF' || substr(OWNER_NO, 3) WHERE rowid <= 20")
    clock.advance(DAY)
    for _ in range(2):
        with pytest.raises(Unavailable, match="nothing of it is believed"):
            walk(sql, Kind.CLIENT, cursor)


def test_guids_are_one_whatever_their_letters(base: SqliteDatabase) -> None:
    owner = base.enter(Kind.CLIENT, {"family_name": "Petrova", "phones": ["020 7946 0001"]})
    base.run("UPDATE OWNERS SET OWNER_NO = lower(OWNER_NO)")
    pet = base.enter(Kind.PET, {"client_id": owner, "name": "Bobik", "species": "K9"})
    sql = databases.connector(base)
    assert list(walk(sql, Kind.CLIENT)[0]) == [owner]
    assert sql.get(Kind.CLIENT, owner) is not None
    [found] = sql.search(Kind.PET, {"client_id": owner})
    assert (found["id"], found["client_id"]) == (pet, owner)
    assert sql.get(Kind.PET, f"{pet}.0") is None


def test_a_long_listing_of_lower_case_keys_comes_to_its_end(base: SqliteDatabase) -> None:
    ids = base.owners(45)
    base.run("UPDATE OWNERS SET OWNER_NO = lower(OWNER_NO) WHERE rowid % 2")
    pages = list(databases.connector(base).changes(Kind.CLIENT, None))
    assert sorted(each.id for page in pages for each in page.records) == sorted(ids)


def test_a_column_that_says_nothing_of_a_record_changes_none(base: SqliteDatabase) -> None:
    base.owners(40)
    sql = databases.connector(base)
    _, cursor = walk(sql, Kind.CLIENT)
    base.run("ALTER TABLE OWNERS ADD COLUMN REMARK varchar(20)")
    base.run("UPDATE OWNERS SET REMARK = OWNER_NO")
    assert walk(sql, Kind.CLIENT, cursor)[0] == {}


@pytest.mark.parametrize(
    "written", ["020 7946 0123", "(020)7946-01 23", "+44 20 79460123", "０２０ ７９４６ ０１２３", "a 02079460123"]
)
def test_a_phone_is_found_however_it_is_written(base: SqliteDatabase, written: str) -> None:
    base.owners(25)
    id_ = base.enter(
        Kind.CLIENT, {"family_name": "Petrova", "phones": ["none", written], "emails": ["Zoë.P@Example.org"]}
    )
    sql = databases.connector(base)
    assert [each["id"] for each in sql.search(Kind.CLIENT, {"phone": "+442079460123"})] == [id_]
    assert [each["id"] for each in sql.search(Kind.CLIENT, {"email": "zoë.p@example.org"})] == [id_]
    assert list(sql.search(Kind.CLIENT, {"phone": "+442079460123", "email": "other@example.org"})) == []
    assert list(sql.search(Kind.CLIENT, {"phone": "nonsense"})) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE OWNERS RENAME COLUMN CELL TO MOBILE", "phones: no column is called CELL"),
        ("ALTER TABLE OWNERS RENAME COLUMN OWNER_NO TO NO", "id: no column is called OWNER_NO"),
    ],
)
def test_a_column_that_is_gone_is_named(base: SqliteDatabase, statement: str, said: str) -> None:
    base.owners(3)
    sql = databases.connector(base)
    base.run(statement)
    with pytest.raises(SchemaChanged, match="the select of client") as changed:
        sql.describe(Kind.CLIENT)
    assert said in changed.value.message
    line = next(each for each in sql.check().lines if each.name == "select of client")
    assert said in line.text
    assert not sql.check().ok


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE ANIMALS SET ANIMAL_NO = NULL", "is empty in some rows"),
        ("UPDATE ANIMALS SET ANIMAL_NO = 7", "is the same in several rows"),
    ],
)
def test_a_key_that_is_none_is_found_out(base: SqliteDatabase, change: str, said: str) -> None:
    base.run("DROP TABLE ANIMALS")
    base.run("CREATE TABLE ANIMALS (ANIMAL_NO int, OWNER_NO text, NAME text, SPECIES text, DELETED bit)")
    for column in ("SEX text", "BORN datetime", "BREED text"):
        base.run(f"ALTER TABLE ANIMALS ADD COLUMN {column}")
    for _ in range(2):
        base.enter(Kind.PET, {"client_id": "1", "name": "Bobik", "species": "K9"})
    base.run(change)
    sql = databases.connector(base)
    with pytest.raises(BadAnswer, match=said):
        walk(sql, Kind.PET)


@pytest.mark.parametrize(
    ("hour", "left"),
    [(1.5, 0.0), (2.0, 3600.0), (2.75, 900.0), (3.0, 0.0), (21.9, 0.0), (22.0, 7200.0), (23.5, 1800.0), (0.0, 0.0)],
)
def test_in_quiet_hours_nothing_is_asked(base: SqliteDatabase, hour: float, left: float) -> None:
    """By the site's clock, which is an hour ahead of UTC in June."""
    base.owners(1)
    clock = FakeClock(NOW)
    clock.advance(((hour + 24 - 10) % 24) * 3600)
    sql = databases.connector(base, clock, quiet_hours=["02:00-03:00", "22:00-24:00"])
    if not left:
        assert len(walk(sql, Kind.CLIENT)[0]) == 1
        return
    with pytest.raises(RateLimited) as asked:
        walk(sql, Kind.CLIENT)
    assert asked.value.wait == left
    [line] = sql.check().lines
    assert (line.warning, sql.requests) == (True, 0)


def test_a_span_of_quiet_hours_goes_over_midnight(base: SqliteDatabase) -> None:
    clock = FakeClock(NOW)
    clock.advance(13.5 * 3600)  # 23:30 at the site
    sql = databases.connector(base, clock, quiet_hours=["23:00-01:00"])
    assert sql.quiet_for() == 5400
    clock.advance(5400)
    assert sql.quiet_for() == 0


def test_the_tables_are_listed_with_counts_and_without_what_stands_in_them(base: SqliteDatabase) -> None:
    base.owners(3)
    base.run("CREATE VIEW V_OWNERS AS SELECT OWNER_NO FROM OWNERS")
    base.run("CREATE VIEW V_BROKEN AS SELECT A FROM NOWHERE_AT_ALL")
    sql = databases.connector(base)
    listed = {each.name: each for each in sql.tables()}
    assert {"OWNERS", "ANIMALS", "VISITS", "WORDS", "V_OWNERS"} <= set(listed)
    owners = listed["OWNERS"]
    assert (owners.owner, owners.rows, owners.is_view) == ("main", 3, False)
    assert ("EMAIL", "varchar(200)") in [(each.name, each.type) for each in owners.columns]
    assert (listed["V_OWNERS"].rows, listed["V_OWNERS"].is_view) == (3, True)
    assert [each.name for each in sql.tables("v_o*")] == ["V_OWNERS"]
    assert (listed["V_BROKEN"].rows, listed["V_BROKEN"].columns) == (None, ())


def test_a_session_cannot_write_whatever_it_is_sent(base: SqliteDatabase) -> None:
    base.owners(2)
    sql = databases.connector(base)
    with pytest.raises(Exception, match="the session only reads") as refused:
        sql.database.read("a slip", "DELETE FROM OWNERS")
    assert getattr(refused.value, "code", "") == "sql-writes"
    assert len(walk(sql, Kind.CLIENT)[0]) == 2


def test_files_of_other_names_are_attached(base: SqliteDatabase, tmp_path: Path) -> None:
    base.owners(2)
    said = profile(client={"select": "SELECT * FROM dbo.OWNERS"})
    sql = databases.connector(base, profile=said, attach={"dbo": tmp_path / "practice.sqlite3"})
    assert len(walk(sql, Kind.CLIENT)[0]) == 2
    assert "dbo" in {each.owner for each in sql.tables()}


@pytest.mark.parametrize(
    ("connection", "code"),
    [
        ("Driver=No Such Driver;Database=x", "odbc-missing"),
        ("DSN=no-such-source", "odbc-dsn"),
        ("Driver=SQLite3;Database=/no/such/folder/x.db", "unavailable"),
        ("nonsense", "odbc-dsn"),
    ],
)
def test_what_keeps_from_connecting_is_told_apart(base: SqliteDatabase, connection: str, code: str) -> None:
    sql = databases.connector(base, connection=f"{connection};PWD=a-very-secret-word")
    [line] = sql.check().lines
    assert not line.ok
    assert "a-very-secret-word" not in line.text
    with pytest.raises(Exception, match="under-test") as failed:
        sql.get(Kind.CLIENT, "1")
    assert getattr(failed.value, "code", "") == code
