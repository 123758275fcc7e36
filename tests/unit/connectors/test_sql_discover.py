"""`vetbridge sql discover` on a real database: tables, columns and counts, and never what stands in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from typer.testing import CliRunner, Result

from tests import databases
from tests.databases import CODES, SqliteDatabase
from vetbridge.cli.main import app
from vetbridge.core.records import Kind

pytestmark = databases.NEEDED
OWNER = "Ångström-Nobody-Else"


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def base(tmp_path: Path) -> Iterator[SqliteDatabase]:
    made = SqliteDatabase(tmp_path)
    made.enter(Kind.CLIENT, {"family_name": OWNER, "phones": ["020 7946 0001"]})
    yield made
    made.close()


@pytest.fixture
def config(base: SqliteDatabase, tmp_path: Path) -> Path:
    (tmp_path / "practice.connection").write_text(base.connection, encoding="utf-8")
    said: dict[str, Any] = {
        "version": 1,
        "ledger": {"path": "ledger.db", "key": {"env": "LEDGER_KEY"}},
        "accounts": {
            "altegio-city": {
                "connector": "altegio",
                "options": {
                    "location_id": "1",
                    "partner_token": {"env": "SOMETHING"},
                    "user_token": {"env": "SOMETHING"},
                },
            },
            "practice": {
                "connector": "sql",
                "options": {
                    "profile": "impromed",
                    "dialect": "sqlite",
                    "connection": {"file": "practice.connection"},
                },
            },
        },
        "sites": {
            "city": {
                "name": "City",
                "zone": "Europe/London",
                "country": "GB",
                "booking": {
                    "account": "altegio-city",
                    "codes": {"appointment_type": {"checkup": "1"}, "resource": {"vet_1": "1"}},
                },
                "pims": {"account": "practice", "codes": {name: dict(codes) for name, codes in CODES.items()}},
            }
        },
    }
    path = tmp_path / "vetbridge.yaml"
    path.write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
    return path


def run(config: Path, *words: str) -> Result:
    done = CliRunner().invoke(
        app,
        ["--config", str(config), "sql", "discover", *words],
        env={"COLUMNS": "100", "SOMETHING": "s" * 40, "LEDGER_KEY": "k" * 40},
    )
    assert OWNER not in done.output
    assert databases.PASSWORD not in done.output
    return done


def test_tables_and_counts(config: Path) -> None:
    done = run(config, "practice")
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    assert ["main", "OWNERS", "9", "1", "row"] in lines
    assert ["main", "VISITS", "12", "0", "rows"] in lines


def test_columns_of_some_tables(config: Path) -> None:
    done = run(config, "practice", "--table", "own*", "--columns")
    assert done.exit_code == 0
    assert "main.OWNERS (1 row): OWNER_NO uniqueidentifier, FIRST_NAME varchar(60)" in done.output
    assert "VISITS" not in done.output
    assert "sees no such table" in run(config, "practice", "--table", "nothing").output


def test_as_json(config: Path) -> None:
    done = run(config, "practice", "--table", "WORDS", "--json")
    [table] = json.loads(done.stdout)["data"]["tables"]
    assert table == {
        "owner": "main",
        "name": "WORDS",
        "is_view": False,
        "columns": [
            {"name": "LIST", "type": "varchar(20)"},
            {"name": "CODE", "type": "varchar(10)"},
            {"name": "TITLE", "type": "varchar(40)"},
        ],
        "rows": 10,
    }


def test_hostile_names_do_not_steer_the_terminal(config: Path, base: SqliteDatabase) -> None:
    base.run('CREATE TABLE "a\x1b[31m; DROP" ("b\x1b]0;x\x07" text)')
    for words in (("practice",), ("practice", "--columns")):
        assert "\x1b" not in run(config, *words).output


@pytest.mark.parametrize(
    ("account", "exit_code", "said"),
    [("altegio-city", 2, "reads no database"), ("practise", 2, "did you mean 'practice'?")],
)
def test_what_is_no_database(config: Path, account: str, exit_code: int, said: str) -> None:
    done = run(config, account)
    assert done.exit_code == exit_code
    assert said in " ".join(done.output.split())


def test_a_database_that_cannot_be_asked(config: Path, tmp_path: Path) -> None:
    (tmp_path / "practice.connection").write_text("Driver=SQLite3;Database=/no/such/folder/x.db", encoding="utf-8")
    done = run(config, "practice")
    assert done.exit_code == 5
    assert "it cannot be reached" in done.output
