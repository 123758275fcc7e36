"""`vetbridge pause` and `vetbridge resume`: leaves a site, an account or a kind of records alone for a while."""

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

LEFTOVERS = 4
"""Exit code where an account goes on resting, as its app is not connected."""

Name = Annotated[
    str, typer.Argument(metavar="SITE_OR_ACCOUNT", help="A site or an account of the config; site/NAME where both.")
]
OfKind = Annotated[
    str | None,
    typer.Option("--kind", metavar="KIND", help="Only this kind of a site's records: client, pet or appointment."),
]
Plan = Annotated[bool, typer.Option("--plan", help="Say what it would concern, and do nothing.")]


def pause(
    ctx: typer.Context,
    name: Name,
    kind: OfKind = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="End by itself after a span: 30m, 2h, 7d.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="End by itself at a time: 2026-11-24 or 2026-11-24T07:30."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who pauses it; the login name unless given.")] = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Leave a site or an account alone: nothing is read there, and nothing is written, until it is resumed.

    With --kind the site's changes of that kind wait, as they are, and all else goes on: `vetbridge pause city --kind
    client`. What needs such a record waits, too: the appointment of an owner who would be new.

    Webhooks are still taken, and what they say is worked on afterwards. Writes that are under way finish. A running
    VetBridge minds it within a second or two. Ends with 2 for a name that nothing has, with 6 where there is no
    ledger.
    """
    if for_ is not None and until is not None:
        raise typer.BadParameter("say --for or --until, not both", param_hint="--until")
    lasting = None if for_ is None else span(for_, "--for")
    with told("pause", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import pausing  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                found = _target(tx, loaded.config, "pause", name, kind, as_json=as_json)
                now = tx.now
            end = _time(until, now) if lasting is None else now + lasting
            held = None
            if not plan:
                with ledger.write() as tx:
                    who = signed(by)
                    held = pausing.pause(tx, loaded.config, found.scope, found.name, until=end, by=who)
    if as_json:
        data = {"scope": found.scope, "name": found.name, "paused": held is not None, "pause": as_data(held)}
        emit_json("pause", {**data, "open_changes": found.open_changes, "planned": plan})
    else:
        _draw_pause(found, held, end if held is None else held.until, now)


def resume(
    ctx: typer.Context,
    name: Name,
    kind: OfKind = None,
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

    An account whose vendor refuses the credentials is asked at once whether it takes them now: `vetbridge resume
    altegio-city`. By itself VetBridge asks after ten minutes, later hourly, and when a secret's file has changed.

    An account whose marketplace app is not connected goes on by itself once the clinic connects it, never by this.

    Ends with 0 also where there was no pause, with 4 where the account's app is not connected, with 2 for a name that
    nothing has, with 6 where there is no ledger.
    """
    with told("resume", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import pausing  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                found = _target(tx, loaded.config, "resume", name, kind, as_json=as_json)
            if found.app is not None and found.pause is None:
                give_up(
                    "resume",
                    f"{found.words} rests by itself, and no command resumes it: {found.app.reason}",
                    advice=f"`{found.app.command}` shows how the app stands, `vetbridge doctor` what to do.",
                    code=found.app.why,
                    as_json=as_json,
                    exit_code=LEFTOVERS,
                )
            ended = False
            if not plan:
                with ledger.write() as tx:
                    who = signed(by)
                    ended = pausing.resume(tx, loaded.config, found.scope, found.name, accept=accept, by=who)
                    ended = ended and found.pause is not None
    if as_json:
        data = {"scope": found.scope, "name": found.name, "was": as_data(found.pause), "resumed": ended}
        data["accepted"] = accept and not plan
        data["asked_again"] = found.blocked and not plan
        emit_json("resume", {**data, "open_changes": found.open_changes, "planned": plan})
        return
    if found.blocked:
        asked = "would be asked" if plan else "is asked"
        say_wrapped(
            f"{found.words}: the vendor refuses its credentials; it {asked} at once whether it takes them now "
            "(`vetbridge status` shows what it says)."
        )
    if found.pause is None:
        if not found.blocked:
            say_wrapped(f"{found.words} was not paused.")
    elif plan:
        say_wrapped(f"{found.words} would be resumed; {_changes(found)} would be worked on. Nothing was done.")
    else:
        if found.app is not None:
            say_wrapped(f"{found.words} is resumed, and goes on resting: {found.app.reason} (`{found.app.command}`).")
            return
        say_wrapped(f"{found.words} is resumed; {_changes(found)} can be worked on.")
        if found.pause.why and not accept:
            say_wrapped(
                f"VetBridge had paused it itself: {found.pause.reason}. When it still finds it so, it pauses it "
                f"again. To take what is there now as right: {found.pause.command} --accept"
            )


def _target(tx: Transaction, config: Config, command: str, given: str, kind: str | None, *, as_json: bool) -> Target:
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
    if kind is None:
        return pausing.target(tx, config, *meant)
    scope, name = meant
    known_kinds = [each.value for each in pausing.KINDS]
    if scope != "site" or kind not in known_kinds:
        why = f"{one_line(kind)!r} is no kind of records that flows" if scope == "site" else "--kind is for a site's"
        more = nearest(kind, known_kinds) if scope == "site" else f" records, and {one_line(name)} is an account"
        give_up(command, f"{why}{more}", advice="", code="unknown-name", as_json=as_json, exit_code=USAGE)
    return pausing.target(tx, config, "kind", f"{name}/{kind}")


def _time(given: str | None, now: datetime) -> datetime | None:
    """A time that is still to come; one without an offset is this machine's."""
    from datetime import datetime  # noqa: PLC0415

    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given.strip()).astimezone(now.tzinfo)
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter("expected a time such as 2026-11-24T07:30", param_hint="--until") from None
    if at <= now:
        raise typer.BadParameter("that time is over", param_hint="--until")
    return at


def _draw_pause(found: Target, held: PauseStatus | None, until: datetime | None, now: datetime) -> None:
    from vetbridge.desk.wording import ahead  # noqa: PLC0415

    end = "until it is resumed" if until is None else f"and goes on {ahead(until, now)}"
    if held is None:
        say_wrapped(f"{found.words} would be paused, {end}; {_changes(found)} would wait. Nothing was done.")
        _draw_dependants(found)
        return
    waits = "waits" if found.open_changes == 1 else "wait"
    say_wrapped(f"{found.words} is paused, {end}; {_changes(found)} {waits}.")
    _draw_dependants(found)
    say(f"Resume it with: {held.command}")


def _draw_dependants(found: Target) -> None:
    """What waits as well, as it needs a record of the kind that is paused."""
    words = {
        "client": "An appointment or a pet of an owner who would be new, or changed by it, waits as well.",
        "pet": "An appointment for a pet that would be new, or changed by it, waits as well.",
    }.get(found.name.partition("/")[2] if found.scope == "kind" else "")
    if words:
        say_wrapped(words)


def _changes(found: Target) -> str:
    return "1 open change" if found.open_changes == 1 else f"{found.open_changes} open changes"
