"""docs/dependencies.md is true: it lists what pyproject.toml lists, and the modules that it names use it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
FIXED = {"apscheduler", "httpx", "pyyaml", "rapidfuzz", "sqlmodel", "tenacity", "typer"}
"""The packages that the project was given to build on."""
IMPORT_NAMES = {
    "argon2-cffi": "argon2",
    "prometheus-client": "prometheus_client",
    "python-calamine": "python_calamine",
    "pyyaml": "yaml",
}
"""Where a package is imported by another name than its own."""
COMES_WITH = {
    "certifi": "httpx",
    "markupsafe": "jinja2",
    "pydantic_core": "pydantic",
    "sqlalchemy": "sqlmodel",
    "starlette": "fastapi",
}
"""Packages that another one brings along and shows in its own interface."""
SUITE = ROOT / "vetbridge" / "testing" / "suite.py"
"""Runs under pytest only, in the tests of whoever writes a connector."""


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def bare(requirement: str) -> str:
    """The name of a requirement such as ``httpx>=0.27,<1``."""
    match = re.match(r"[A-Za-z0-9_.-]+", requirement)
    assert match is not None
    return match[0]


RUNNING = {row[0].removesuffix("●").strip(): row for row in rows("What VetBridge runs on")}


def test_the_page_lists_what_the_project_needs() -> None:
    assert list(RUNNING) == [bare(each) for each in PROJECT["dependencies"]]
    assert list(RUNNING) == sorted(RUNNING)


def test_the_page_lists_the_extras() -> None:
    extras = dict(PROJECT["optional-dependencies"])
    assert [row[0] for row in rows("For development")] == [bare(each) for each in extras.pop("dev")]
    listed = [(row[1].strip("`"), row[0]) for row in rows("Optional")]
    assert listed == [(extra, bare(each)) for extra, needs in extras.items() for each in needs]


def test_the_fixed_seven_are_marked() -> None:
    assert {name for name, row in RUNNING.items() if row[0].endswith("●")} == FIXED


@pytest.mark.parametrize("name", sorted(RUNNING))
def test_the_modules_that_the_page_names_use_it(name: str) -> None:
    places = re.findall(r"`([^`]+)`", RUNNING[name][2])
    assert places, "the page names a module"
    for place in places:
        path = ROOT / place
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        assert files, f"{place} exists"
        used = set().union(*(packages(file) for file in files))
        by_name = any(
            f'"{name}' in file.read_text(encoding="utf-8") for file in files
        )  # tzdata is read as a resource
        assert IMPORT_NAMES.get(name, name) in used or by_name, place


def test_what_is_imported_is_declared() -> None:
    """Nothing comes in by the back door, as a dependency of a dependency that may leave again."""
    own = {"vetbridge", "connectors", "mappings"}
    allowed = {IMPORT_NAMES.get(name, name) for name in RUNNING} | own | set(sys.stdlib_module_names)
    extras = {
        bare(each) for extra, needs in PROJECT["optional-dependencies"].items() if extra != "dev" for each in needs
    }
    undeclared = {
        f"{path.relative_to(ROOT)}: {package}"
        for folder in own
        for path in (ROOT / folder).rglob("*.py")
        for package in packages(path) - allowed - extras - ({"pytest"} if path == SUITE else set())
        if COMES_WITH.get(package) not in RUNNING
    }
    assert undeclared == set()


def packages(path: Path) -> set[str]:
    """The top-level packages that a module imports, wherever in it."""
    return {name.partition(".")[0] for name in _imported(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))}


def _imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
