"""`vetbridge rest`: what an HTTP API answers to the profile of an account. It only reads."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.one_account import cannot, connector_of
from vetbridge.cli.output import emit_json, say
from vetbridge.cli.reading import AsJson, config_path, told
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped
from vetbridge.core.records import Kind

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.connector.trying import Trial

LEFTOVERS = 4
"""Exit code where a path of the profile does not fit the answers."""

app = typer.Typer(
    name="rest", help="HTTP APIs that a profile describes: try what a profile says.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """Makes `try` a command of a group, as others will stand beside it."""


@app.command(name="try", epilog="Example: vetbridge rest try animana-city appointment")
def try_(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="An account of the config, of connector rest.")],
    kind: Annotated[Kind | None, typer.Argument(metavar="[KIND]", help="This kind alone.")] = None,
    values: Annotated[
        bool, typer.Option("--values", help="Show values as they came: names, phones and notes of people.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what an API answers to its profile: requests, counts, the fields that came, and what the profile lacks.

    It only reads: one page of each list, its first record, and the filter by change. Values are shown as their form
    alone, letters as a and digits as 9, unless --values is given.

    Ends with 0; with 4 where something does not fit; with 2 for an account that cannot be tried.
    """
    command = "rest try"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        trials = _tried(command, loaded, account, kind, as_json=as_json)
    if as_json:
        data = {"account": account, "kinds": [_plain(trial, values=values) for trial in trials]}
        emit_json(command, data)
    else:
        for number, trial in enumerate(trials):
            if number:
                say("")
            _draw(trial, values=values)
    if not all(trial.ok for trial in trials):
        raise typer.Exit(LEFTOVERS)


def _tried(command: str, loaded: Loaded, account: str, kind: Kind | None, *, as_json: bool) -> list[Trial]:
    from vetbridge.connector.trying import Trying  # noqa: PLC0415 - keeps --help quick

    with connector_of(command, loaded, account, as_json=as_json) as found:
        if not isinstance(found, Trying):
            cannot(command, loaded, account, "reads by no profile of an API", as_json=as_json)
        kinds = [kind] if kind is not None else [each for each in Kind if each in found.capabilities.kinds]
        return [found.try_reading(each) for each in kinds]


def _plain(trial: Trial, *, values: bool) -> dict[str, Any]:
    """A trial as data, its values as they may be shown."""
    data = {**asdict(trial), "kind": trial.kind.value, "ok": trial.ok}
    for each in (*data["fields"], *data["unnamed"]):
        each |= {name: _shown(each[name], values=values) for name in ("came", "reads") if name in each}
    return data


def _shown(text: str, *, values: bool) -> str:
    from vetbridge.connector.trying import masked  # noqa: PLC0415 - keeps --help quick

    return one_line(text, 60) if values else masked(text)


def _draw(trial: Trial, *, values: bool) -> None:
    say(f"{trial.kind.value}:")
    for step in trial.steps:
        mark = "  " if step.ok else "! "
        status = "" if step.status is None else f"{step.status}, "
        say_wrapped(one_line(step.asked, 400), first=mark, margin="    ")
        say_wrapped(f"{status}{one_line(step.text, 400)}", first="    ", margin="    ")
    if trial.fields:
        table = plain_table("Field", "From", "Filled", "Came as", "Reads as")
        for each in trial.fields:
            lacks = f", {each.lacking} lack it" if each.lacking else ""
            count = f"{each.filled} of {trial.records}{lacks}"
            came = _shown(each.came, values=values)
            reads = f"! {one_line(each.wrong)}" if each.wrong else _shown(each.reads, values=values)
            add(table, each.name, ", ".join(each.paths) or "always", count, came, reads)
        say(drawn(table, indent=2))
    if trial.unnamed:
        say("  Not in the profile:")
        table = plain_table("", "")
        for other in trial.unnamed:
            add(table, one_line(other.path), _shown(other.came, values=values))
        say(drawn(table, indent=4))
