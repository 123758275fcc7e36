"""The page of the connector ``sql`` names every option and key, and its examples are right."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.sql import plugin
from connectors.sql.odbc import judged
from connectors.sql.options import Dialect, SqlOptions
from connectors.sql.profile import Guards, KindProfile, Mode, SqlProfile, VisitWrites, Window, WriteProfile
from tests.databases import profile
from vetbridge.config.document import parse
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import ConfigError, Scope, Unavailable

PAGE = (Path(__file__).parents[3] / "docs" / "connectors" / "sql.md").read_text(encoding="utf-8")
EXAMPLES = [parse(block, "sql.md") for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]


OPTIONS = SqlOptions(profile="impromed", dialect=Dialect.TSQL, connection=Secret.of("Driver=x"))


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


def test_without_pyodbc_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyodbc", None)
    with pytest.raises(ConfigError, match=r'pip install "vetbridge\[odbc\]"'):
        plugin.build(OPTIONS, Environment(account="practice", zone="Europe/London"))


def test_without_the_systems_odbc_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pyodbc.py").write_text("raise ImportError('libodbc.so.2: cannot open shared object file')")
    monkeypatch.delitem(sys.modules, "pyodbc", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="apt-get install unixodbc") as missing:
        plugin.build(OPTIONS, Environment(account="practice", zone="Europe/London"))
    assert missing.value.code == "odbc-missing"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"connection": None}, "one of connection and dsn"),
        ({"dsn": "practice"}, "one of connection and dsn"),
        ({"user": "vetbridge"}, "they belong to dsn"),
        ({"attach": {"dbo": "x.db"}}, "attach is for the dialect sqlite"),
        ({"dialect": "postgresql", "isolation": "snapshot"}, "has no level snapshot"),
        ({"quiet_hours": ["1:00-2:00"]}, "a span of the day was expected"),
        ({"read_only": False}, "True"),
        ({"profile": "improved"}, "did you mean"),
    ],
)
def test_options_that_cannot_be(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SqlOptions.model_validate({**OPTIONS.model_dump(), "dialect": "tsql", **changes})
    assert said in str(refused.value)


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


@pytest.mark.parametrize(
    ("state", "words", "code"),
    [
        (
            "01000",
            "[unixodbc][driver manager]can't open lib 'odbc driver 18 for sql server' : file not found",
            "odbc-missing",
        ),
        ("IM002", "[unixodbc][driver manager]data source name not found", "odbc-dsn"),
    ],
)
def test_a_driver_that_went_away_stops_one_account_until_it_is_back(state: str, words: str, code: str) -> None:
    error = judged("practice: the select of client", state, words, connecting=True)
    assert (type(error), error.code, error.scope) == (Unavailable, code, Scope.ACCOUNT)
