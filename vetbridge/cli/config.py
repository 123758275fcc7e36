"""`vetbridge config`: looks at the config and says where each value comes from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.cli.output import emit_json, safe, say, talk
from vetbridge.core.errors import ConfigError

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.config.problems import Problem

app = typer.Typer(
    name="config",
    help="Check the config, and show where each of its values comes from.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def load_config(path: Path) -> Loaded:
    """The config at ``path`` with the options of the installed connectors. Raises ``ConfigError``."""
    from vetbridge.connector.configured import read_config  # noqa: PLC0415 - keeps --help quick

    return read_config(path)


@app.command(epilog="Example: vetbridge --config clinic.yaml config check")
def check(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Read the config and name everything that is wrong with it, with file and line.

    Looks also whether the variables and files that hold secrets are there; asks no vendor (see `vetbridge doctor`).
    Ends with 0 when the config can be used, warnings or not, else with 3.
    """
    loaded, problems = _try_load(_path(ctx))
    if loaded is not None:
        problems = [*loaded.warnings, *loaded.check_secrets(), *_unmapped(loaded)]
    fine = loaded is not None and all(problem.warning for problem in problems)
    counts = _counts(loaded) if loaded is not None else {}
    if as_json:
        emit_json("config check", {"ok": fine, **counts}, [_as_data(problem) for problem in problems])
    else:
        for problem in problems:
            say(f"{'warning: ' if problem.warning else ''}{problem}")
        if fine:
            say(f"fine: {', '.join(_count(number, name) for name, number in counts.items())}")
        else:
            wrong = sum(not problem.warning for problem in problems)
            talk(f"{wrong} problem{'s' if wrong != 1 else ''}; mend the config and run this again")
    if not fine:
        raise typer.Exit(ConfigError.exit_code)


@app.command(epilog="Example: vetbridge --config clinic.yaml config show --json")
def show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Print every value and its origin: the default, a line of the file, a variable, or the app of an account.

    Of a secret only its place is shown. Ends with 3 when the config cannot be used.
    """
    loaded, problems = _try_load(_path(ctx))
    if loaded is None:
        if as_json:
            emit_json("config show", [], [_as_data(problem) for problem in problems])
        for problem in () if as_json else problems:
            talk(str(problem))
        raise typer.Exit(ConfigError.exit_code)
    rows = list(_rows(loaded))
    if as_json:
        emit_json("config show", rows, [_as_data(problem) for problem in loaded.warnings])
        return
    width = max(len(row["path"]) for row in rows)
    for row in rows:
        origin = " ".join(part for part in (row["origin"], row["where"]) if part)
        say(f"{row['path']:<{width}} = {_in_words(row['value'])}  ({origin})")


def _path(ctx: typer.Context) -> Path:
    """The config's path: the program's entry puts it into the context."""
    path: Path = ctx.obj.config_path
    return path


def _try_load(path: Path) -> tuple[Loaded | None, list[Problem]]:
    from vetbridge.config.problems import ConfigProblems  # noqa: PLC0415 - keeps --help quick

    try:
        return load_config(path), []
    except ConfigProblems as error:
        return None, list(error.problems)


def _unmapped(loaded: Loaded) -> Iterator[Problem]:
    """Sites whose mapping does not take their code lists: VetBridge would not start."""
    from vetbridge.config.problems import Problem  # noqa: PLC0415 - keeps --help quick
    from vetbridge.core.records import Side  # noqa: PLC0415
    from vetbridge.daemon.assembly import build_mapper  # noqa: PLC0415

    for name, site in loaded.config.sites.items():
        for side in Side:
            try:
                build_mapper(loaded, site, side)
            except ConfigError as error:
                place = ("sites", name, side.value)
                advice = f"`vetbridge mapping fill {name}` drafts them" if "are missing" in error.message else ""
                text = "; ".join(filter(None, (error.message, advice)))
                yield Problem(source=loaded.path.name, line=None, place=place, text=text)


def _counts(loaded: Loaded) -> dict[str, int]:
    return {"accounts": len(loaded.config.accounts), "sites": len(loaded.config.sites)}


def _count(number: int, plural: str) -> str:
    return f"{number} {plural.removesuffix('s') if number == 1 else plural}"


def _as_data(problem: Problem) -> dict[str, Any]:
    from vetbridge.config.problems import dotted  # noqa: PLC0415 - keeps --help quick

    return {
        "source": problem.source,
        "line": problem.line,
        "path": dotted(problem.place),
        "text": problem.text,
        "warning": problem.warning,
    }


def _rows(loaded: Loaded) -> Iterable[dict[str, Any]]:
    from vetbridge.config.problems import dotted  # noqa: PLC0415 - keeps --help quick

    for place, value in loaded.values():
        origin = loaded.origin(place)
        yield {
            "path": dotted(place),
            "value": _showable(value),
            "origin": origin.kind,
            "where": origin.where,
        }


def _showable(value: Any) -> Any:
    """A value as plain data; whatever is neither number nor text shows as its repr, as a secret's hides it."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (str, Path)):
        return _USER_IN_URL.sub("***", str(value))
    if isinstance(value, dict):
        return {str(key): _showable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_showable(inner) for inner in value]
    return repr(value)


def _in_words(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return "[" + ", ".join(_in_words(inner) for inner in value) + "]"
    return safe(str(value)).replace("\n", " ")
