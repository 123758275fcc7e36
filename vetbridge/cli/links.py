"""`vetbridge links`: which record at the booking side is which record in the PIMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, must_know, told
from vetbridge.cli.tables import add, drawn, one_line, plain_table
from vetbridge.core.records import Kind

if TYPE_CHECKING:
    from datetime import datetime

    from vetbridge.desk.links import ListedLink, Listing, ShownLink

app = typer.Typer(
    name="links",
    help="Which record at the booking side is which record in the PIMS.",
    no_args_is_help=True,
)


@app.command(name="list", epilog="Example: vetbridge links list --kind appointment --unlinked")
def list_(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only links of this site.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only links of this kind.")] = None,
    unlinked: Annotated[
        bool, typer.Option("--unlinked", help="Only visits that stand on the placeholder, or without an owner.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the links that hold now, the newest first: ids, origin, since when, and VetBridge's stamp.

    Shows ids alone, never a name. Ends with 2 for a site that nobody knows, with 6 where there is no ledger.
    """
    with told("links list", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.links import listing  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            now = tx.now
            must_know("links list", tx, loaded.config, site=site, as_json=as_json)
            found = listing(tx, site=site, kind=kind, unlinked=unlinked, limit=limit)
    if as_json:
        emit_json("links list", as_data(found))
    else:
        _draw_list(found, now)


@app.command(epilog="Example: vetbridge links show 30001")
def show(
    ctx: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="ID", help="The record's id at the booking side or in the PIMS.")],
    as_json: AsJson = False,
) -> None:
    """Show every link of a record, ended ones too, with what a match was decided by: names may be among it.

    Records of different kinds may bear the same id; all of them are shown. Ends with 2 where no link bears it.
    """
    with told("links show", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.links import links_of  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            now = tx.now
            found = links_of(tx, id_)
    if not found:
        give_up(
            "links show",
            f"no record with the id {one_line(id_)!r} is linked",
            advice="`vetbridge links list` shows the newest links.",
            code="unknown-link",
            as_json=as_json,
            exit_code=USAGE,
        )
    if as_json:
        emit_json("links show", [{**as_data(each.link), "evidence": as_data(each.evidence)} for each in found])
        return
    for number, each in enumerate(found):
        if number:
            say("")
        _draw_link(each, now)


def _draw_list(found: Listing, now: datetime) -> None:
    from vetbridge.desk.wording import ago  # noqa: PLC0415

    if not found.links:
        say("No link fits.")
        return
    table = plain_table("Kind", "Booking side", "PIMS", "Origin", "Since")
    for link in found.links:
        booking, pims = _ends(link)
        origin = "\n".join(part for part in (_origin(link), link.stamp) if part)
        add(table, link.kind, booking, pims, origin, ago(link.since, now))
    say(drawn(table))
    if len(found.links) < found.total:
        talk(f"{len(found.links)} of {found.total} shown; give --limit to see more")


def _draw_link(shown: ShownLink, now: datetime) -> None:
    from vetbridge.desk.wording import ago  # noqa: PLC0415

    link = shown.link
    say(f"{link.kind} {one_line(link.booking_id, 40)} at {link.booking_account}")
    say(f"  is {one_line(link.pims_id, 40)} at {link.pims_account} (site {link.site})")
    say(f"  origin: {_origin(link)}, {ago(link.since, now)}")
    say(f"  last settled: {ago(link.updated_at, now)}")
    if link.stamp:
        say(f"  stamp: {one_line(link.stamp)}")
    if link.follows is not None:
        say(f"  follows a missed visit: `vetbridge changes trace link/{link.follows}`")
    if link.ended_at is not None:
        say(f"  ended: {ago(link.ended_at, now)}")
    if link.dropped:
        say("  what it was decided by is dropped after the days in ledger.keep_bodies_days")
    if shown.evidence:
        table = plain_table("Field", "Booking", "Record", "Says")
        for each in shown.evidence:
            cells = [one_line(str(each.get(name, "")), 60) for name in ("field", "here", "there")]
            add(table, *cells, one_line(str(each.get("words", ""))))
        say(drawn(table, indent=2))


def _ends(link: ListedLink) -> tuple[str, str]:
    return (
        f"{one_line(link.booking_id, 24)}\n{link.booking_account}",
        f"{one_line(link.pims_id, 24)}\n{link.pims_account}",
    )


def _origin(link: ListedLink) -> str:
    notes = [link.origin]
    if link.role != "primary":
        notes.append(link.role)
    if link.unlinked:
        notes.append("without its owner")
    if link.follows is not None:
        notes.append("follows a missed visit")
    return ", ".join(notes)
