"""`vetbridge odata`: what an OData service says of itself, for whoever writes its profile. Never what it holds."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.one_account import cannot, connector_of
from vetbridge.cli.output import emit_json, say
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, told
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.connector.csdl import EntitySet, Property

app = typer.Typer(
    name="odata",
    help="OData services that a profile describes: look which entity sets there are.",
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    """Makes `discover` a command of a group, as others will stand beside it."""


@app.command(epilog="Example: vetbridge odata discover cornerstone-city --draft our-names.yaml")
def discover(
    ctx: typer.Context,
    account: Annotated[
        str,
        typer.Argument(
            metavar="ACCOUNT", help="An account of the config, of connector idexx_data_services; or ACCOUNT.PART."
        ),
    ],
    sets: Annotated[
        str,
        typer.Option("--set", metavar="PATTERN", help="Sets of such names alone: *patient* (case does not matter)."),
    ] = "*",
    properties: Annotated[bool, typer.Option("--properties", help="Name each set's properties and types.")] = False,
    draft: Annotated[
        Path | None,
        typer.Option("--draft", metavar="FILE", help="Write a profile with guessed names to this new file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the entity sets of an OData service, by its own description: their keys, and how many properties each has.

    It only reads that description, never a row. With --draft a profile is written, in which each name is a guess to
    be confirmed.

    Ends with 0; with 2 for an account that is no such service, or a file that is there already; with 5 where the
    service cannot be asked, or does not describe itself.
    """
    command = "odata discover"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        found, drafted = _described(command, loaded, account, drafts=draft is not None, as_json=as_json)
    if draft is not None:
        _write(command, draft, drafted, as_json=as_json)
    shown = [each for each in found if fnmatchcase(each.name.casefold(), sets.casefold())]
    if as_json:
        emit_json(command, {"account": account, "draft": str(draft) if draft else None, "sets": as_data(shown)})
        return
    if draft is not None:
        say(f"A profile is drafted in {draft}: confirm each name, then put it into the account's option profile.")
        return
    if not shown:
        say(f"{account}: there is no such set.")
        return
    if properties:
        for each in shown:
            names = ", ".join(f"{one_line(one.path, 200)} {one_line(one.type)}" for one in each.properties)
            say_wrapped(f"{one_line(each.name)} (key {_keys(each.properties)}): {names}", margin="  ")
        return
    drawing = plain_table("Set", "Key", "Properties")
    for each in shown:
        add(drawing, one_line(each.name), _keys(each.properties), str(len(each.properties)))
    say(drawn(drawing))


def _described(
    command: str, loaded: Loaded, account: str, *, drafts: bool, as_json: bool
) -> tuple[tuple[EntitySet, ...], str]:
    from vetbridge.connector.csdl import Describing, Drafting  # noqa: PLC0415 - keeps --help quick

    with connector_of(command, loaded, account, as_json=as_json) as found:
        if not isinstance(found, Describing):
            cannot(command, loaded, account, "asks no OData service", as_json=as_json)
        if not drafts:
            return found.entity_sets(), ""
        if not isinstance(found, Drafting):
            cannot(command, loaded, account, "needs no profile", as_json=as_json)
        sets = found.entity_sets()
        return sets, found.draft(sets)


def _write(command: str, path: Path, text: str, *, as_json: bool) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        what = "is there already" if isinstance(error, FileExistsError) else f"cannot be written ({error.strerror})"
        give_up(command, f"{path} {what}", advice="", code="not-written", as_json=as_json, exit_code=USAGE)


def _keys(properties: tuple[Property, ...]) -> str:
    return ", ".join(one_line(each.path) for each in properties if each.is_key) or "not told"
