"""The commands are the documented ones, each explains itself by an example that is right, and help is quick."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from vetbridge.cli.main import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEAVY = (
    "httpx",
    "sqlmodel",
    "sqlalchemy",
    "fastapi",
    "uvicorn",
    "alembic",
    "apscheduler",
    "cryptography",
    "rapidfuzz",
)
"""Imported where they are used, so that help stays quick."""


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        # A group may do something by itself, as `review` does.
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield " ".join((*path, name)), command


TOP: Any = typer.main.get_command(app)
COMMANDS = dict(_commands(TOP))
"""Every command by its whole name, as ``changes list``."""


def named(text: str) -> set[str]:
    """The commands that a text tells its reader to type, in code spans and code blocks."""
    code = "\n".join([*re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL), *spans(text)])
    called = re.compile(
        r"(?:^|[$`/\\])\s*vetbridge((?: +--?[a-z-]+ +[^\s`|]+)*(?: +[a-z][a-z-]*){1,2})", re.MULTILINE
    )
    return {_command(shlex.split(words)) for words in called.findall(code)}


def spans(text: str) -> list[str]:
    """The code spans of a text; one may go over the end of a line."""
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]


def _command(words: list[str]) -> str:
    """The command in what is typed after ``vetbridge``: two words where it stands in a group."""
    while words and words[0].startswith("-"):
        words = words[2:]
    group = any(name.startswith(f"{words[0]} ") for name in COMMANDS) if words else False
    return " ".join(words[:2] if group else words[:1])


def test_the_page_lists_every_command_and_no_other() -> None:
    overview = PAGE.split("\n## ", 1)[0]
    first_cells = re.findall(r"^\| ([^|]*) \|", overview, re.MULTILINE)
    assert {span for cell in first_cells for span in spans(cell)} == set(COMMANDS)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/cli.md",
        "docs/configuration.md",
        "docs/demo.md",
        "docs/errors.md",
        "docs/rehearsal.md",
    ],
)
def test_pages_name_commands_that_exist(page: str) -> None:
    found = named((ROOT / page).read_text(encoding="utf-8"))
    assert found, "the scan works"
    assert found <= set(COMMANDS)


def test_the_readme_names_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test", "test-all", "check", "bench"} <= targets
    wanted = set(re.findall(r"\bmake ([a-z-]+)", "\n".join([*spans(README), *re.findall(r"^make .*", README, re.M)])))
    assert {"demo", "test"} <= wanted
    assert wanted <= targets


def test_the_pages_that_the_readme_names_exist() -> None:
    links = re.findall(r"\]\(([^)#:]+)[^)]*\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_has_an_example_that_is_right(name: str) -> None:
    done = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "400", "NO_COLOR": "1"})
    assert done.exit_code == 0
    examples = re.findall(r"Example: vetbridge (.*?)\s*$", done.output, re.MULTILINE)
    assert examples
    known = {option for each in (TOP, COMMANDS[name]) for parameter in each.params for option in parameter.opts}
    for words in map(shlex.split, examples):
        assert _command(words) == name
        assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("name", ["", *sorted(COMMANDS)])
def test_help_says_what_every_option_is_for(name: str) -> None:
    command = COMMANDS[name] if name else TOP
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), parameter.name


def test_help_imports_nothing_heavy() -> None:
    ask = (
        "import sys\n"
        "from vetbridge.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=60, check=True)
    assert "Usage" in done.stdout
    assert done.stderr.strip() == "[]"
