"""The page of the connector ``sql`` names every option and key, and its examples are right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from connectors.sql.odbc import judged
from connectors.sql.options import Dialect, SqlOptions
from connectors.sql.profile import Guards, KindProfile, Mode, SqlProfile, VisitWrites, Window, WriteProfile
from tests.databases import profile
from vetbridge.config.document import parse
from vetbridge.core.errors import Unavailable

PAGE = (Path(__file__).parents[3] / "docs" / "connectors" / "sql.md").read_text(encoding="utf-8")
EXAMPLES = [parse(block, "sql.md") for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize("model", [SqlOptions, KindProfile, Window, Guards, WriteProfile, VisitWrites])
def test_every_key_is_named(model: Any) -> None:
    assert [name for name in model.model_fields if f"`{name}`" not in PAGE and f"{name}:" not in PAGE] == []


def test_every_dialect_and_mode_is_named() -> None:
    assert [each for each in (*Dialect, *Mode) if f"`{each}`" not in PAGE] == []


def test_the_examples_are_right() -> None:
    assert [example.problems for example in EXAMPLES] == [[], [], []]
    account, whole, writes = (example.data for example in EXAMPLES)
    options = account["accounts"]["practice"]["options"]
    SqlOptions.model_validate(options)
    SqlProfile.model_validate(whole)
    judged_profile = SqlProfile.model_validate(profile(**writes))
    assert judged_profile.writes.appointment.create.mode is Mode.PROCEDURE


@pytest.mark.parametrize(
    ("state", "words", "code"),
    [
        ("42S22", "[microsoft][odbc driver 18 for sql server]invalid column name 'x'.", "sql-column"),
        ("42S02", "[microsoft][odbc driver 18 for sql server]invalid object name 'dbo.x'.", "sql-table"),
        ("42000", "the select permission was denied on the object 'clients'", "right-missing"),
        ("42000", "[freetds][sql server]lock request time out period exceeded.", "sql-locked"),
        ("40001", "transaction was deadlocked on lock resources", "sql-locked"),
        ("HYT00", "[microsoft]query timeout expired", "sql-slow"),
        ("42000", "conversion failed when converting from a character string to uniqueidentifier.", "sql-value"),
        ("42000", "incorrect syntax near ')'.", "sql-select"),
        ("23000", "violation of primary key constraint", "sql-refused"),
        ("08S01", "communication link failure", "unavailable"),
        ("HY000", "something that nobody has seen", "unavailable"),
        ("", "", "unavailable"),
    ],
)
def test_words_of_other_engines_are_understood(state: str, words: str, code: str) -> None:
    error = judged("practice: the select of client", state, words, connecting=False)
    assert error.code == code
    assert not set(words.split()) & {"'x'.", "'clients'"} & set(error.message.split())


@pytest.mark.parametrize(
    ("state", "words", "code"),
    [
        ("28000", "[microsoft]login failed for user 'vetbridge'.", "auth-failed"),
        ("42000", 'cannot open database "impromed" requested by the login.', "sql-database"),
        ("08001", "tcp provider: no connection could be made", "unavailable"),
    ],
)
def test_what_keeps_a_login_out_is_told_apart(state: str, words: str, code: str) -> None:
    error = judged("practice: the version", state, words, connecting=True)
    assert error.code == code
    assert isinstance(error, Unavailable) is (code == "unavailable")
