"""The SQL of a profile before it is sent: only one statement that reads is taken, whoever wrote it and however."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.sql import statement
from connectors.sql.options import capabilities
from connectors.sql.profile import SqlProfile
from tests.databases import profile
from vetbridge.connector.interface import Operation
from vetbridge.core.records import Kind

READ = (
    "SELECT A, B FROM T",
    "select a from t where b = 'it''s; DROP TABLE t -- no' ;",
    "SELECT A FROM T WHERE B LIKE '%UPDATE%'",
    'SELECT T.SET, T.[INSERT], T."DELETE" FROM T',
    "SELECT A FROM T UNION ALL SELECT B FROM U UNION SELECT C FROM V",
    "WITH X AS (SELECT A FROM T WHERE B >= ?), Y AS (SELECT * FROM X) SELECT A FROM Y",
    "SELECT A FROM T WHERE B IN (SELECT B FROM U ORDER BY B) AND C >= ? AND C < ?",
    "SELECT REPLACE(A, 'x', 'y') AS A, CAST(B AS int) AS B FROM dbo.T a LEFT JOIN U u ON u.K = a.K",
    "SELECT SUBSTRING(A FROM 1 FOR 2) AS A FROM T",
    "SELECT T.NEXTVAL, T.VALUE, nextval FROM T",
    "SELECT N'Zoë', 1.5e3, -1 FROM T WHERE A <> ''",
)
REFUSED = {
    "INSERT INTO T VALUES (1)": "begin with SELECT",
    "SELECT A INTO NEW FROM T": "INTO",
    "SELECT A FROM T; DROP TABLE T": "semicolon",
    "SELECT A FROM T;;": "semicolon",
    "SELECT A FROM T DROP TABLE T": "DROP",
    "SELECT A FROM T SELECT B FROM U": "one SELECT",
    "WITH X AS (DELETE FROM T RETURNING *) SELECT * FROM X": "DELETE",
    "WITH X AS (SELECT A FROM T) UPDATE T SET A = 1": "UPDATE",
    "EXEC sp_who": "begin with SELECT",
    "SELECT * FROM OPENROWSET('x', 'y', 'z')": "OPENROWSET",
    "SELECT xp_cmdshell('dir')": "XP_CMDSHELL",
    "SELECT (NEXT VALUE FOR S) A FROM T": "VALUE does something",
    "SELECT pg_catalog.setval('S', 1) A FROM T": "SETVAL does something",
    "SELECT load_extension('x') A FROM T": "LOAD_EXTENSION does something",
    "SELECT dblink_exec('x', 'y') A FROM T": "DBLINK_EXEC does something",
    "SELECT A FROM T WITH (UPDLOCK)": "UPDLOCK",
    "SELECT A FROM T RECEIVE * FROM Q": "RECEIVE",
    "SELECT A FROM T -- WHERE": "comment",
    "SELECT A /* /* */ DROP TABLE T -- */ FROM T": "comment",
    "SELECT A FROM T WHERE B = 'x\\' OR 1=1 -- '": "backslash",
    "SELECT A FROM T WHERE B = 'x": "no end",
    "SELECT A FROM T) v; --": "bracket is closed",
    "SELECT A FROM (T": "not closed",
    "SELECT $$x$$ FROM T": r"\$",
    "SELECT A FROM T ORDER BY A": "ORDER",
    "SELECT A FROM T FOR UPDATE": "UPDATE",
    "SELECT A FROM (SELECT B FROM T FOR SHARE) X": "locks",
    "SELECT A FROM T LIMIT 5": "LIMIT",
    "SELECT A FROM T OPTION (RECOMPILE)": "OPTION",
    "SELECT A FROM T WHERE B = :name": ":name",
    "SELECT A\x00 FROM T": "control",
    "": "empty",
    "   ;": "empty",
    "SELECT " + "A, " * 9000 + "A FROM T": "longer",
}


@pytest.mark.parametrize("text", READ)
def test_what_only_reads_is_taken(text: str) -> None:
    assert statement.checked_select(text) == text.removesuffix(" ;")


@pytest.mark.parametrize(("text", "said"), REFUSED.items(), ids=[text[:40] for text in REFUSED])
def test_what_may_do_more_is_refused_and_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        statement.checked_select(text)


PIECES = (
    "'",
    '"',
    "--",
    "/*",
    "*/",
    ";",
    "DROP TABLE T",
    "UNION",
    "SELECT A FROM T",
    "(",
    ")",
    "\n",
    "[",
    "]",
    "`",
    "?",
)


@given(st.lists(st.sampled_from([*PIECES, "WHERE A = 1", "x", "''", "N'", "INSERT INTO T VALUES (2)"]), max_size=8))
def test_what_is_taken_is_one_statement_for_an_engine_too(pieces: list[str]) -> None:
    """Whatever follows: what is taken, and wrapped, changes no table, and is never two statements."""
    try:
        text = statement.checked_select(" ".join(["SELECT A FROM T", *pieces]))
        wrapped = statement.around(text, where="1 = 0")
    except ValueError:
        return
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE T (A)")
    base.execute("INSERT INTO T VALUES (1)")
    said = ""
    try:
        assert base.execute(wrapped, (1,) * statement.marks(wrapped)).fetchall() == []
    except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
        said = str(error)
    assert "one statement" not in said
    assert base.execute("SELECT * FROM T").fetchall() == [(1,)]
    base.close()


@pytest.mark.parametrize(
    "text", ["SELECT A, B FROM T WHERE B > ?", "WITH X AS (SELECT A, B FROM T WHERE B > ?) SELECT A, B FROM X"]
)
def test_a_select_stands_in_another_one(text: str) -> None:
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE T (A, B)")
    base.executemany("INSERT INTO T VALUES (?, ?)", [(1, 1), (2, 2), (3, 3)])
    asked = statement.around(text, where=f"{statement.ROWS}.A < ?", order=f"{statement.ROWS}.A")
    assert base.execute(asked, (1, 3)).fetchall() == [(2, 2)]
    assert base.execute(statement.around(text, "COUNT(*)"), (1,)).fetchall() == [(2,)]
    assert base.execute(statement.around(text, order="A", most=1), (0,)).fetchall() == [(1, 1)]
    assert "SELECT TOP 5 * FROM" in statement.around(text, order="A", most=5, says_top=True)
    base.close()


@pytest.mark.parametrize(
    ("judge", "text", "said"),
    [
        (statement.checked_template, "DELETE FROM T WHERE A = :id", "nothing is ever deleted"),
        (statement.checked_template, "UPDATE T SET A = :start", "without WHERE"),
        (statement.checked_template, "UPDATE T SET A = (SELECT 1 WHERE 1 = 1)", "without WHERE"),
        (statement.checked_template, "INSERT INTO T (A) VALUES (:notes) DELETE FROM T", "DELETE"),
        (statement.checked_template, "INSERT INTO T (A) VALUES (?)", ":start"),
        (statement.checked_procedure, "{call book(:start)} DROP TABLE T", "DROP"),
        (statement.checked_procedure, "EXEC xp_cmdshell :notes", "XP_CMDSHELL"),
        (statement.checked_procedure, "INSERT INTO T (A) VALUES (:start)", "a call was expected"),
        (statement.checked_precheck, "UPDATE T SET A = :start", "begin with SELECT"),
    ],
)
def test_statements_that_write_are_looked_at_too(judge: Any, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        judge(text)


def test_named_parameters_become_marks_in_their_order_and_never_in_a_text() -> None:
    text = "INSERT INTO T (A, B, C) VALUES (:stamp, ':stamp', :start)"
    assert statement.bound(text, {"stamp": "VB", "start": 1}) == (
        "INSERT INTO T (A, B, C) VALUES (?, ':stamp', ?)",
        ["VB", 1],
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"appointment": {"select": "SELECT * FROM VISITS"}}, "two ?"),
        ({"client": {"select": "SELECT * FROM OWNERS WHERE A > ?"}}, "no ?"),
        ({"client": {"key": "TAX_NO"}}, "the key TAX_NO was expected"),
        ({"client": {"key": "no name"}}, "pattern"),
        ({"client": {"guards": {"most_gone": 2}}}, "less than or equal"),
        ({"client": {"sweep": {"select": "SELECT A FROM B"}}}, "without a cursor"),
        ({"codes": {"colour": {"select": "SELECT A, B FROM C"}}}, "no list is called colour"),
        ({"writes": {"appointment": {"create": {"mode": "template"}}}}, "needs one"),
        (
            {
                "writes": {
                    "appointment": {"create": {"mode": "template", "statement": "INSERT INTO T VALUES (:start)"}}
                }
            },
            ":notes are needed",
        ),
        (
            {
                "writes": {
                    "appointment": {"cancel": {"mode": "template", "statement": "UPDATE T SET A = 1 WHERE B = 2"}}
                }
            },
            ":id is needed",
        ),
        (
            {
                "writes": {
                    "appointment": {"update": {"mode": "template", "statement": "UPDATE T SET A = :a WHERE B = :id"}}
                }
            },
            "no value is called :a",
        ),
    ],
)
def test_a_profile_that_says_too_little_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SqlProfile.model_validate(profile(**changes))
    assert said in str(refused.value)


def test_without_a_word_a_person_writes_and_one_client_and_one_pet_are_there() -> None:
    judged = SqlProfile.model_validate(profile())
    assert [getattr(judged.writes.appointment, name).mode for name in ("create", "update", "cancel")] == [
        "worklist"
    ] * 3
    assert [judged.least(kind) for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)] == [1, 1, 0]


def test_nothing_is_asked_of_people_that_no_read_would_show() -> None:
    visits = profile()["kinds"]["appointment"]
    fields = {
        name: column for name, column in visits["fields"].items() if name not in ("appointment_type", "resource")
    }
    can = capabilities(SqlProfile.model_validate(profile(appointment={"fields": fields}))).of(Kind.APPOINTMENT)
    assert can.update == {"start", "duration"}
    assert can.handed == {Operation.CREATE, Operation.UPDATE, Operation.CANCEL}
    off = {"appointment": {"create": {"mode": "off"}, "update": {"mode": "off"}, "cancel": {"mode": "off"}}}
    none = capabilities(SqlProfile.model_validate(profile(writes=off))).of(Kind.APPOINTMENT)
    assert (none.create, none.update, none.cancel, none.handed) == (None, frozenset(), False, frozenset())
