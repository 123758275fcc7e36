"""`vetbridge pause` and `vetbridge resume`: leaves a site or an account alone for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.moments import span
from vetbridge.cli.output import emit_json, say
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, signed, told
from vetbridge.cli.tables import one_line, say_wrapped

if TYPE_CHECKING:
    from datetime import datetime

    from vetbridge.config.models import Config
    from vetbridge.desk.paused import PauseStatus
    from vetbridge.desk.pausing import Target
    from vetbridge.ledger.database import Transaction

Name = Annotated[
    str, typer.Argument(metavar="SITE_OR_ACCOUNT", help="A site or an account of the config; site/NAME where both.")
]
Plan = Annotated[bool, typer.Option("--plan", help="Say what it would concern, and do nothing.")]


def pause(
    ctx: typer.Context,
    name: Name,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="End by itself after a span: 30m, 2h, 7d.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who pauses it; the login name unless given.")] = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Leave a site or an account alone: nothing is read there, and nothing is written, until it is resumed.

    Webhooks are still taken, and what they say is worked on afterwards. Writes that are under way finish. A running
    VetBridge minds it within a second or two. Ends with 2 for a name that nothing has, with 6 where there is no
    ledger.
    """
    lasting = None if for_ is None else span(for_, "--for")
    with told("pause", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import pausing  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                found = _target(tx, loaded.config, "pause", name, as_json=as_json)
                now = tx.now
            until = None if lasting is None else now + lasting
            held = None
            if not plan:
                with ledger.write() as tx:
                    who = signed(by)
                    held = pausing.pause(tx, loaded.config, found.scope, found.name, until=until, by=who)
    if as_json:
        data = {"scope": found.scope, "name": found.name, "paused": held is not None, "pause": as_data(held)}
        emit_json("pause", {**data, "open_changes": found.open_changes, "planned": plan})
    else:
        _draw_pause(found, held, until if held is None else held.until, now)


def resume(
    ctx: typer.Context,
    name: Name,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept", help="What a vendor's upgrade has changed is right as it is now, and is not told again."
        ),
    ] = False,
    by: Annotated[str | None, typer.Option(help="Who resumes it; the login name unless given.")] = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """End a pause: what has waited is worked on, and what changed meanwhile is read.

    A site that VetBridge itself has paused, because a vendor's upgrade changed something, is paused again when it
    still finds it so. Run `vetbridge doctor`, mend the config, restart, then resume it; where what is there now is
    right as it is: `vetbridge resume city --accept`.

    Ends with 0 also where there was no pause; with 2 for a name that nothing has, with 6 where there is no ledger.
    """
    with told("resume", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import pausing  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                found = _target(tx, loaded.config, "resume", name, as_json=as_json)
            ended = False
            if not plan:
                with ledger.write() as tx:
                    who = signed(by)
                    ended = pausing.resume(tx, loaded.config, found.scope, found.name, accept=accept, by=who)
                    ended = ended and found.pause is not None
    if as_json:
        data = {"scope": found.scope, "name": found.name, "was": as_data(found.pause), "resumed": ended}
        data["accepted"] = accept and not plan
        emit_json("resume", {**data, "open_changes": found.open_changes, "planned": plan})
    elif found.pause is None:
        say_wrapped(f"{_what(found)} was not paused.")
    elif plan:
        say_wrapped(f"{_what(found)} would be resumed; {_changes(found)} would be worked on. Nothing was done.")
    else:
        say_wrapped(f"{_what(found)} is resumed; {_changes(found)} can be worked on.")
        if found.pause.why and not accept:
            say_wrapped(
                f"VetBridge had paused it itself: {found.pause.reason}. When it still finds it so, it pauses it "
                f"again. To take what is there now as right: {found.pause.command} --accept"
            )


def _target(tx: Transaction, config: Config, command: str, given: str, *, as_json: bool) -> Target:
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk import pausing  # noqa: PLC0415

    known = pausing.names(tx, config)
    meant = pausing.scope_of(known, given)
    if meant is None:
        give_up(
            command,
            f"no site and no account is called {one_line(given)!r}"
            f"{nearest(given, sorted(known['site'] | known['account']))}",
            advice="",
            code="unknown-name",
            as_json=as_json,
            exit_code=USAGE,
        )
    return pausing.target(tx, config, *meant)


def _draw_pause(found: Target, held: PauseStatus | None, until: datetime | None, now: datetime) -> None:
    from vetbridge.desk.wording import ahead  # noqa: PLC0415

    end = "until it is resumed" if until is None else f"and goes on {ahead(until, now)}"
    if held is None:
        say_wrapped(f"{_what(found)} would be paused, {end}; {_changes(found)} would wait. Nothing was done.")
        return
    waits = "waits" if found.open_changes == 1 else "wait"
    say_wrapped(f"{_what(found)} is paused, {end}; {_changes(found)} {waits}.")
    say(f"Resume it with: {held.command}")


def _what(found: Target) -> str:
    return f"{found.scope.capitalize()} {found.name}"


def _changes(found: Target) -> str:
    return "1 open change" if found.open_changes == 1 else f"{found.open_changes} open changes"
