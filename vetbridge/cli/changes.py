"""`vetbridge changes`: what happened, what failed and what to do next, and the story of one change."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, must_know, told
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped
from vetbridge.core.records import Kind

if TYPE_CHECKING:
    from vetbridge.desk.changes import ChangeStory, Listing

app = typer.Typer(
    name="changes",
    help="List changes, and tell the story of one.",
    no_args_is_help=True,
)

LONGEST_MESSAGE = 400
"""Characters of a message that a table shows."""

HIGHEST = 2**63 - 1
"""The highest number that a ledger can give."""

_SPAN = re.compile(r"([1-9][0-9]{0,3})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class State(StrEnum):
    """Change states, as an option takes them."""

    RECEIVED = "received"
    WAITING = "waiting"
    REVIEW = "review"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@app.command(name="list", epilog="Example: vetbridge changes list --state failed --since 2h")
def list_(
    ctx: typer.Context,
    state: Annotated[State | None, typer.Option(help="Only changes in this state.")] = None,
    site: Annotated[str | None, typer.Option(help="Only changes of this site.")] = None,
    account: Annotated[str | None, typer.Option(help="Only changes at this account.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only changes of this kind.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Only what moved within a span: 90s, 30m, 2h, 7d, 4w.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List changes, the newest first. Failed ones also stand grouped by reason, with what to do next.

    Shows ids and codes alone, never a name. Ends with 2 for a site or an account that nobody knows, with 6 where
    there is no ledger.
    """
    after = None if since is None else datetime.now(UTC) - _span(since)
    with told("changes list", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.changes import listing  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            now = tx.now
            must_know("changes list", tx, loaded.config, site=site, account=account, as_json=as_json)
            found = listing(tx, state=state, site=site, account=account, kind=kind, since=after, limit=limit)
    if as_json:
        data = {
            "total": found.total,
            "changes": [{**as_data(each.change), "next_step": each.next_step} for each in found.changes],
            "groups": [{**as_data(each.group), "next_step": each.next_step} for each in found.groups],
        }
        emit_json("changes list", data)
    else:
        _draw_list(found, now)


@app.command(epilog="Example: vetbridge changes show 8841")
def show(
    ctx: typer.Context,
    number: Annotated[
        int,
        typer.Argument(metavar="ID", min=1, max=HIGHEST, help="The change's number, as `changes list` shows it."),
    ],
    as_json: AsJson = False,
) -> None:
    """Tell the story of one change: received, read, matched, written, linked, asked, and how it ended.

    Shows what the match was decided by, so names may be among it. Ends with 2 where there is no such change.
    """
    with told("changes show", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.changes import story  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            found = story(tx, number)
    if found is None:
        give_up(
            "changes show",
            f"there is no change {number}",
            advice="`vetbridge changes list` shows the newest ones.",
            code="unknown-change",
            as_json=as_json,
            exit_code=USAGE,
        )
    if as_json:
        emit_json("changes show", as_data(found))
    else:
        _draw_story(found)


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise typer.BadParameter("write a span such as 90s, 30m, 2h, 7d or 4w", param_hint="--since")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def _draw_list(found: Listing, now: datetime) -> None:
    from vetbridge.desk.wording import ago  # noqa: PLC0415

    for each in found.groups:
        group = each.group
        say(f"{group.count}x failed: {group.code} at {group.account}, first {ago(group.since, now)}")
        say_wrapped(f"Next: {each.next_step}", first="    ", margin="    ")
        say(f"    The newest of them: vetbridge changes show {group.newest}")
    if found.groups:
        say("")
    if not found.changes:
        say("No change fits.")
        return
    table = plain_table("Change", "Moved", "Record", "State", "Why")
    for listed in found.changes:
        change = listed.change
        why = ": ".join(part for part in (change.code, one_line(change.message, LONGEST_MESSAGE)) if part)
        if change.next_at is not None and change.next_at > now:
            why += f"\nagain in {int((change.next_at - now).total_seconds())} s"
        if listed.next_step:
            why += f"\nNext: {listed.next_step}"
        record = f"{change.kind} {one_line(change.remote_id, 24)}\n{change.account}"
        add(table, str(change.id), ago(change.updated_at, now), record, change.state, why)
    say(drawn(table))
    if len(found.changes) < found.total:
        talk(f"{len(found.changes)} of {found.total} shown; give --limit to see more")


def _draw_story(found: ChangeStory) -> None:
    change = found.change
    say(f"Change {change.id}: {change.kind} {one_line(change.remote_id)} at {change.account} (site {change.site})")
    say(f"State: {change.state}" + (f", {change.code}" if change.code else ""))
    if found.next_step:
        say_wrapped(f"Next: {found.next_step}", margin="      ")
    say("")
    timeline = plain_table("When (UTC)", "What", "")
    for event in found.timeline:
        add(timeline, f"{event.at:%Y-%m-%d %H:%M:%S}", event.stage, one_line(event.words, LONGEST_MESSAGE))
    say(drawn(timeline))
    if found.evidence:
        say("")
        evidence = plain_table("Field", "Booking", "Record", "Says")
        for each in found.evidence:
            cells = [one_line(str(each.get(name, "")), 60) for name in ("field", "here", "there")]
            add(evidence, *cells, one_line(str(each.get("words", ""))))
        say(drawn(evidence))
    others = [number for number in found.episodes if number != change.id]
    if others:
        say("")
        say_wrapped(f"Other changes of this record: {', '.join(str(number) for number in others[-20:])}")
