"""docs/errors.md has a section for every error, and names every finer code that the program can raise."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from vetbridge.core.errors import Scope, VetBridgeError
from vetbridge.desk.advice import error_classes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
SCOPES = {Scope.PROCESS: "the program", Scope.ACCOUNT: "one account", Scope.ACTION: "one write", Scope.CHANGE: "one"}


def finer_codes() -> Iterator[tuple[str, str]]:
    """Each code that stands in a call as ``SomeError(..., code="...")``, with the class's name."""
    names = {found.__name__ for found in error_classes().values()} | {"Declined", "HttpRefused"}
    for folder in ("vetbridge", "connectors"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                    for keyword in node.keywords:
                        if keyword.arg == "code":
                            values = (each for each in ast.walk(keyword.value) if isinstance(each, ast.Constant))
                            yield from ((node.func.id, each.value) for each in values if isinstance(each.value, str))


def test_every_error_has_a_section_and_every_section_an_error() -> None:
    assert set(SECTIONS) == set(error_classes())


@pytest.mark.parametrize("code", sorted(error_classes()))
def test_the_table_says_what_an_error_stops_and_ends_with(code: str) -> None:
    error: type[VetBridgeError] = error_classes()[code]
    row = re.search(rf"^\| \[`{code}`\]\(#{code}\) \| (.*?) \| .* \| (\d) \|$", PAGE, re.MULTILINE)
    assert row is not None
    assert row[1].startswith(SCOPES[error.scope])
    assert int(row[2]) == error.exit_code


def test_finer_codes_are_found_and_stand_on_the_page() -> None:
    found = set(finer_codes())
    assert ("LedgerError", "ledger-key") in found, "the scan works"
    missing = {code for _name, code in found if not re.search(rf"\*\*`{code}[0-9N]*`\*\*", PAGE)}
    assert not missing


def test_every_advice_is_a_sentence() -> None:
    for error in error_classes().values():
        assert error.advice().endswith(".")
