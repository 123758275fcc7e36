"""`vetbridge reminders`: which services are due, what is said of them where, and what holds others back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, must_know, signed, told
from vetbridge.cli.tables import one_line, say_wrapped

if TYPE_CHECKING:
    from vetbridge.desk.reminders import ListedOwner, Listing

app = typer.Typer(
    name="reminders",
    help="Which services are due, what is said of them where, and what holds others back.",
    no_args_is_help=True,
)


@app.command(name="list", epilog="Example: vetbridge reminders list --client 1017")
def list_(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only owners at this site.")] = None,
    client: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only the client with this id, at the booking side or in the PIMS."),
    ] = None,
    all_: Annotated[
        bool,
        typer.Option(
            "--all", help="All services that are known, also those that are completed, far ahead or long ago."
        ),
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many owners.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the services that are due, by owner: what is said of each where, or why it is held back.

    Shows names. Asks the ledger alone. Ends with 2 for a site or a client that nobody knows, with 6 where there is no
    ledger.
    """
    command = "reminders list"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import reminders as desk  # noqa: PLC0415 - keeps --help quick
        from vetbridge.ledger import access, audit  # noqa: PLC0415

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                must_know(command, tx, loaded.config, site=site, as_json=as_json)
                try:
                    found = desk.listing(tx, loaded.config.sites, site=site, client=client, all_=all_, limit=limit)
                except desk.UnknownCard:
                    give_up(
                        command,
                        f"no card at the booking side is linked with the client {one_line(client or '')!r}",
                        advice="`vetbridge links list --kind client` shows who is linked; a site has to want"
                        " `reminders` in its config.",
                        code="unknown-client",
                        as_json=as_json,
                        exit_code=USAGE,
                    )
            owners = [(each.account, each.client_id) for each in found.owners]
            access.note_clients(ledger, owners, by=signed(None), via=audit.COMMAND)
    if as_json:
        emit_json(command, as_data(found))
    else:
        _draw(found)


def _draw(found: Listing) -> None:
    if not found.sites:
        talk("No site wants anything done about due services: see `reminders` in docs/configuration.md.")
    for site in found.not_live:
        talk(f"Nothing is written for {site} yet: no card says anything.")
    for account in found.unread:
        talk(f"{account} was not read through yet: what is due there is not known.")
    if not found.owners:
        say("Nothing is due: --all lists what is completed, far ahead or long ago, too.")
    for place, owner in enumerate(found.owners):
        if place:
            say("")
        _draw_owner(owner)
    if found.more:
        talk("There are more: give --site, --client or --limit.")


def _draw_owner(owner: ListedOwner) -> None:
    ids = f"client {one_line(owner.client_id, 40)}, in the PIMS {one_line(', '.join(owner.pims_ids), 60)}"
    say_wrapped(f"{one_line(owner.who) or 'nobody named'} ({ids})", margin="    ")
    for service in owner.services:
        what = "  ".join(
            [service.due_on.isoformat(), one_line(service.pet), one_line(service.name or service.service)]
        )
        say_wrapped(f"{what}: {one_line(service.words, 300)}", first="    ", margin="        ")
    say_wrapped(
        one_line(" ".join(filter(None, [owner.card.words, owner.last_notice_words])), 500),
        first="    ",
        margin="    ",
    )
