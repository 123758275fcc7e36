"""`vetbridge sql`: which tables a database has, for whoever writes its profile. Never what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.one_account import cannot, connector_of
from vetbridge.cli.output import emit_json, say
from vetbridge.cli.reading import AsJson, as_data, config_path, told
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.connector.catalogue import ListedTable

app = typer.Typer(
    name="sql", help="Databases that a profile describes: look which tables there are.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """Makes `discover` a command of a group, as others will stand beside it."""


@app.command(epilog="Example: vetbridge sql discover impromed-city --table 'APPT*' --columns")
def discover(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="An account of the config, of connector sql.")],
    table: Annotated[
        str,
        typer.Option("--table", metavar="PATTERN", help="Tables of such names alone: APPT* (case does not matter)."),
    ] = "*",
    columns: Annotated[bool, typer.Option("--columns", help="Name each table's columns, with their types.")] = False,
    as_json: AsJson = False,
) -> None:
    """List owners, tables and views of a database that the account's login sees: how many columns and rows each has.

    It only reads names, types and counts, never a row. A count is missing where the login may not read the table, or
    counting takes longer than the account's statement_timeout.

    Ends with 0; with 2 for an account that is no database; with 5 where the database cannot be asked.
    """
    command = "sql discover"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        listed = _listed(command, loaded, account, table, as_json=as_json)
    if as_json:
        emit_json(command, {"account": account, "tables": as_data(listed)})
        return
    if not listed:
        say(f"{account}: the login sees no such table.")
        return
    if columns:
        for each in listed:
            names = ", ".join(f"{one_line(column.name)} {one_line(column.type)}" for column in each.columns)
            say_wrapped(f"{_name(each)} ({_rows(each)}): {names}", margin="  ")
        return
    drawing = plain_table("Owner", "Table", "", "Columns", "Rows")
    for each in listed:
        view = "view" if each.is_view else ""
        add(drawing, one_line(each.owner), one_line(each.name), view, str(len(each.columns)), _rows(each))
    say(drawn(drawing))


def _listed(command: str, loaded: Loaded, account: str, pattern: str, *, as_json: bool) -> list[ListedTable]:
    from vetbridge.connector.catalogue import Catalogue  # noqa: PLC0415 - keeps --help quick

    with connector_of(command, loaded, account, as_json=as_json) as found:
        if not isinstance(found, Catalogue):
            cannot(command, loaded, account, "reads no database", as_json=as_json)
        return list(found.tables(pattern))


def _name(table: ListedTable) -> str:
    return f"{one_line(table.owner)}.{one_line(table.name)}"


def _rows(table: ListedTable) -> str:
    if table.rows is None:
        return "not counted"
    return f"{table.rows} row" if table.rows == 1 else f"{table.rows} rows"
