"""`vetbridge alerts`: what is wrong and what was, who was told, and whether those who are to be told can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, must_know, told
from vetbridge.cli.tables import one_line, say_wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from vetbridge.daemon.channels import Channel
    from vetbridge.desk.alerts import ChannelStatus, Listed
    from vetbridge.ledger.events import Message

app = typer.Typer(name="alerts", help="What is wrong, and who is told of it.", no_args_is_help=True)

NOT_TAKEN = 4
"""Exit code of `alerts test` where a channel did not take it."""
NONE_SET_UP = "Nobody is told: the config has no webhooks, no alerts.mails and no alerts.commands."


@app.command(name="list", epilog="Example: vetbridge alerts list --site city --all")
def list_(
    ctx: typer.Context,
    past: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False,
    site: Annotated[
        str | None, typer.Option(metavar="SITE", help="Only what touches this site, or VetBridge as a whole.")
    ] = None,
    limit: Annotated[int, typer.Option(help="So many at most.", min=1, max=100_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List what is wrong and since when, what to do about it, and whether those who are to be told were.

    Times are UTC. The watch of `vetbridge run` keeps this list; `vetbridge status` looks by itself. Ends with 2 for
    a site that there is not, with 6 where there is no ledger.
    """
    command = "alerts list"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import alerts  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            must_know(command, tx, loaded.config, as_json=as_json, site=site)
            found = alerts.listing(tx, loaded.config, past=past, site=site, limit=limit)
    if as_json:
        emit_json(command, as_data(found))
        return
    for each in found.episodes:
        _draw(each, found.at)
    if not found.episodes:
        say("Nothing is wrong, or nobody has looked yet: `vetbridge run` does.")
    elif len(found.episodes) == limit:
        talk(f"These are the first {limit}; --limit shows more.")
    say("")
    for channel in found.channels:
        _draw_channel(channel, found.at)
    if not found.channels:
        say_wrapped(NONE_SET_UP)


@app.command(name="test", epilog="Example: vetbridge alerts test mail/it")
def try_out(
    ctx: typer.Context,
    channel: Annotated[
        str | None,
        typer.Argument(metavar="[CHANNEL]", help="One alone: a webhook's name, mail/NAME or command/NAME."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say who would be told, and send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send a test message to everybody who is told of alerts, or to one of them, and say who took it.

    Needs neither a ledger nor a running VetBridge. The heartbeat is not called. Ends with 0 when all took it, with 4
    when one did not, with 2 for a channel that there is not, or where there is none at all.
    """
    command = "alerts test"
    with told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick
        from vetbridge.connector.clock import SystemClock  # noqa: PLC0415
        from vetbridge.daemon.channels import channels, trial  # noqa: PLC0415

        clock = SystemClock()
        known = channels(loaded.config, loaded.folder, clock)
        if not known:
            advice = "Set one up: alerts.mails in the config, for one; then run this again."
            give_up(command, NONE_SET_UP, advice=advice, code="no-channel", as_json=as_json, exit_code=USAGE)
        if channel is not None and channel not in known:
            text = f"no channel is called {one_line(channel)!r}{nearest(channel, sorted(known))}"
            advice = f"There are: {', '.join(known)}."
            give_up(command, text, advice=advice, code="unknown-channel", as_json=as_json, exit_code=USAGE)
        wanted = {name: each for name, each in known.items() if channel in (None, name)}
        results = dict.fromkeys(wanted, ("planned", "")) if plan else _sent(wanted, trial(clock.now()))
    if as_json:
        rows = [{"channel": name, "state": state, "why": why} for name, (state, why) in results.items()]
        emit_json(command, rows)
    else:
        for name, (state, why) in results.items():
            words = {"planned": "would be told", "taken": "took it"}.get(
                state, f"did not take it: {one_line(why, 400)}"
            )
            say_wrapped(f"{name}: {words}", margin="  ")
    raise typer.Exit(NOT_TAKEN if any(state == "not-taken" for state, _ in results.values()) else 0)


def _sent(wanted: Mapping[str, Channel], message: Message) -> dict[str, tuple[str, str]]:
    """Sends to each channel; by its name ``taken`` or ``not-taken``, and why."""
    from vetbridge.core.errors import VetBridgeError  # noqa: PLC0415 - keeps --help quick

    results = {}
    for name, channel in wanted.items():
        try:
            channel.send([message])
            results[name] = ("taken", "")
        except VetBridgeError as error:
            results[name] = ("not-taken", error.message)
    for channel in wanted.values():
        channel.close()
    return results


def _draw(each: Listed, now: datetime) -> None:
    from vetbridge.desk.alerts import lasted  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk.wording import ago, span  # noqa: PLC0415

    say_wrapped(
        one_line(each.text, 400),
        first=f"{each.severity:<6}" if each.cleared_at is None else "over  ",
        margin="      ",
    )
    if each.cleared_at is None:
        say_wrapped(
            f"{each.code}, since {each.since:%Y-%m-%d %H:%M} ({ago(each.since, now)})",
            first="      ",
            margin="      ",
        )
        say_wrapped(one_line(each.remedy, 600), first="      ", margin="      ")
    else:
        length = span(lasted(each).total_seconds())
        say_wrapped(
            f"{each.code}, {each.since:%Y-%m-%d %H:%M} to {each.cleared_at:%Y-%m-%d %H:%M} ({length})",
            first="      ",
            margin="      ",
        )


def _draw_channel(channel: ChannelStatus, now: datetime) -> None:
    from vetbridge.desk.wording import ago  # noqa: PLC0415 - keeps --help quick

    words = {
        "": "nothing was to be told yet",
        "sent": f"took the last ({channel.last}) {ago(channel.at, now)}",
        "failed": f"the last ({channel.last}) was given up {ago(channel.at, now)}: {channel.code}",
        "waiting": f"has not taken anything yet: {channel.code or 'not tried yet'}",
    }[channel.state]
    waits = f"; {channel.waiting} to be tried" if channel.waiting else ""
    say_wrapped(f"{channel.name}: {words}{waits}", first="told  ", margin="      ")
