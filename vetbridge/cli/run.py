"""`vetbridge run` and `vetbridge sync`: the daemon, and one pass of its work."""

from __future__ import annotations

import signal
import threading
from typing import Annotated, Any

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import AsJson, told

_LOOK = {
    "review": "vetbridge review list",
    "waiting": "vetbridge changes list --state waiting",
    "failed": "vetbridge changes list --state failed",
}
"""What shows the changes that need a look, by state."""


def run(ctx: typer.Context) -> None:
    """Run VetBridge until it is told to stop: polls, takes webhooks, and carries bookings over.

    SIGTERM or Ctrl-C ends it in good order: writes that are under way finish first. Only one VetBridge works on a
    ledger at a time; a second one is refused with the process id of the first.
    """
    from vetbridge.cli.log import set_up  # noqa: PLC0415 - keeps --help quick
    from vetbridge.connector.clock import SystemClock  # noqa: PLC0415
    from vetbridge.daemon.assembly import assembled  # noqa: PLC0415
    from vetbridge.daemon.service import Service, wait_for  # noqa: PLC0415
    from vetbridge.web.door import build  # noqa: PLC0415
    from vetbridge.web.server import DoorServer  # noqa: PLC0415

    loaded = load_config(ctx.obj.config_path)
    config = loaded.config
    set_up(config.log.level, config.log.format)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    with assembled(loaded, command="run", clock=SystemClock()) as program:
        service = Service(program)
        door = DoorServer(
            build(program, wake=service.dispatcher.wake, health=service.health), config.door.host, config.door.port
        )
        service.start()
        door.start()
        sites = "1 site" if len(program.pairs) == 1 else f"{len(program.pairs)} sites"
        talk(f"VetBridge runs: {sites}; health at http://{door.host}:{door.port}/health")
        wait_for(stopping)
        talk("VetBridge stops: writes that are under way finish first")
        door.stop()
        if not service.stop():
            talk("a write did not finish in time; whether it arrived is looked for at the next start")
    talk("VetBridge has stopped")


def sync(
    ctx: typer.Context,
    only: Annotated[
        str | None,
        typer.Option(metavar="CLIENT", help="Only the visits of one client: its id at either side, or ACCOUNT/ID."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it would do, and write nothing.")] = False,
    as_json: AsJson = False,
    patience: Annotated[
        float, typer.Option(help="Longest wait, in seconds, for changes that must be tried again.", min=0)
    ] = 60.0,
) -> None:
    """Do one pass: read what changed on both sides, carry it over, and end.

    Ends with 0 when nothing is left to do (bookings that wait for a person's answer count as done here), with 4 when
    something failed or still waits, with 5 when a side does not answer, with 7 when a fuse has blown.
    """
    if plan:
        from vetbridge.cli.plan import PATIENCE, rehearse  # noqa: PLC0415 - keeps --help quick

        rehearse(ctx, "plan", site=None, only=only, patience=min(patience, PATIENCE), as_json=as_json)
    from vetbridge.cli.log import set_up  # noqa: PLC0415 - keeps --help quick
    from vetbridge.cli.plan import nobody_meant  # noqa: PLC0415
    from vetbridge.daemon.assembly import assembled  # noqa: PLC0415
    from vetbridge.daemon.once import pass_for_client, pass_over  # noqa: PLC0415
    from vetbridge.sync.only import NobodyMeant  # noqa: PLC0415

    with told("sync", as_json=as_json):
        loaded = load_config(ctx.obj.config_path)
        set_up(loaded.config.log.level, loaded.config.log.format)
        with assembled(loaded, command="sync") as program:
            try:
                if only is None:
                    outcome = pass_over(program, patience=patience, progress=talk)
                else:
                    outcome = pass_for_client(program, only, patience=patience, progress=talk)
            except NobodyMeant as nobody:
                nobody_meant("sync", nobody, as_json=as_json)
    data: dict[str, Any] = outcome.as_data()
    if as_json:
        emit_json("sync", data, outcome.problems)
    else:
        for state, count in data["changes"].items():
            say(f"{state:<10} {count:<4} {_LOOK.get(state, '')}".rstrip())
        if not data["changes"] and not outcome.problems:
            say("Nothing has changed.")
        for site in outcome.blown:
            say(f"The fuse of site {site} has blown: vetbridge review list --site {site}")
        for problem in outcome.problems:
            talk(problem)
    raise typer.Exit(outcome.exit_code)
