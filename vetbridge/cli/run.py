"""`vetbridge run` and `vetbridge sync`: the daemon, and one pass of its work."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import AsJson, told

if TYPE_CHECKING:
    from vetbridge.config.models import Pages
    from vetbridge.daemon.assembly import Program
    from vetbridge.daemon.once import Outcome
    from vetbridge.daemon.service import Service
    from vetbridge.web.server import DoorServer

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
    from vetbridge.daemon.notifying import Notifier  # noqa: PLC0415
    from vetbridge.daemon.service import Service, wait_for  # noqa: PLC0415
    from vetbridge.web.door import build  # noqa: PLC0415
    from vetbridge.web.server import DoorServer  # noqa: PLC0415

    loaded = load_config(ctx.obj.config_path)
    config = loaded.config
    kept = config.log
    set_up(kept.level, kept.format, file=kept.file, file_megabytes=kept.file_megabytes, files=kept.files)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    with assembled(loaded, command="run", clock=SystemClock()) as program:
        service = Service(program)
        notifier = Notifier(os.environ, alive=lambda: _has_ended_a_round(service), clock=time.monotonic)
        door = DoorServer(
            build(program, wake=service.dispatcher.wake, health=service.health, look=service.look),
            config.door.host,
            config.door.port,
        )
        page = None if config.pages is None else _page(program, config.pages, service)
        service.start()
        door.start()
        sites = "1 site" if len(program.pairs) == 1 else f"{len(program.pairs)} sites"
        talk(f"VetBridge runs: {sites}; health at http://{door.host}:{door.port}/health")
        if page is not None and config.pages is not None:
            page.start()
            talk(f"The page for reception and support: {_address(config.pages, page)}")
        notifier.ready()
        wait_for(stopping, notifier.beat)
        notifier.stopping()
        talk("VetBridge stops: writes that are under way finish first")
        if page is not None:
            page.stop()
        door.stop()
        if not service.stop():
            talk("a write did not finish in time; whether it arrived is looked for at the next start")
    talk("VetBridge has stopped")


def _has_ended_a_round(service: Service) -> bool:
    """Whether a round has ended since this was asked last."""
    ended = service.round_ended.is_set()
    service.round_ended.clear()
    return ended


def _page(program: Program, pages: Pages, service: Service) -> DoorServer:
    """The listener of the page, not yet started."""
    from vetbridge.web.pages import build  # noqa: PLC0415 - keeps --help quick
    from vetbridge.web.server import DoorServer  # noqa: PLC0415

    app = build(program, pages, wake=service.dispatcher.wake, health=service.health)
    trusted = () if pages.proxy is None else pages.proxy.trusted
    return DoorServer(app, pages.host, pages.port, part="pages", tls=pages.tls, trusted=trusted)


def _address(pages: Pages, page: DoorServer) -> str:
    """What staff type to come to the page."""
    if pages.proxy is not None:
        return pages.proxy.address
    host = f"[{page.host}]" if ":" in page.host else page.host
    return f"{'http' if pages.tls is None else 'https'}://{host}:{page.port}/"


def sync(
    ctx: typer.Context,
    only: Annotated[
        str | None,
        typer.Option(metavar="CLIENT", help="Only the visits of one client: its id at either side, or ACCOUNT/ID."),
    ] = None,
    approve: Annotated[
        bool,
        typer.Option("--approve", help="Let what is in the shadow write from now on; with --only, for this once."),
    ] = False,
    more: Annotated[
        bool, typer.Option("--more", help="With --approve: let more be created today than the first days allow.")
    ] = False,
    site: Annotated[
        str | None, typer.Option(metavar="SITE", help="With --approve: this site alone, not all in the shadow.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="With --approve and --undo: who does it; the login name unless given.")
    ] = None,
    undo: Annotated[
        str | None,
        typer.Option(
            "--undo", metavar="RUN", help="Take back what a run has written: its number; `list` shows the last runs."
        ),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it would do, and write nothing.")] = False,
    as_json: AsJson = False,
    patience: Annotated[
        float, typer.Option(help="Longest wait, in seconds, for changes that must be tried again.", min=0)
    ] = 60.0,
) -> None:
    """Do one pass: read what changed on both sides, carry it over, and end.

    A new site is in the shadow: both sides are read and paired, and nothing is written, until `sync --approve`.
    A first try on one client: `sync --approve --only 4711`.

    `sync --undo 12` takes back what run 12 has written and nobody has touched since, and puts its sites into the
    shadow; with --plan it says what it would take back.

    Ends with 0 when nothing is left to do (bookings that wait for a person's answer count as done here), with 4 when
    something failed or still waits, with 5 when a side does not answer, with 7 when a fuse has blown.
    """
    if undo is not None:
        from vetbridge.cli import undo as undoing  # noqa: PLC0415 - keeps --help quick

        others = {"--only": only, "--approve": approve, "--more": more, "--site": site}
        undoing.must_fit(others, as_json=as_json)
        undoing.undo(ctx, undo, plan=plan, patience=patience, by=by, as_json=as_json)
    if plan:
        from vetbridge.cli.plan import PATIENCE, rehearse  # noqa: PLC0415 - keeps --help quick

        rehearse(ctx, "plan", site=site, only=only, patience=min(patience, PATIENCE), as_json=as_json)
    from vetbridge.cli import approving  # noqa: PLC0415 - keeps --help quick
    from vetbridge.cli.log import set_up  # noqa: PLC0415
    from vetbridge.cli.plan import nobody_meant  # noqa: PLC0415
    from vetbridge.daemon.assembly import assembled  # noqa: PLC0415
    from vetbridge.daemon.once import pass_for_client, pass_over  # noqa: PLC0415
    from vetbridge.sync.only import NobodyMeant  # noqa: PLC0415

    with told("sync", as_json=as_json):
        loaded = load_config(ctx.obj.config_path)
        set_up(loaded.config.log.level, loaded.config.log.format)
        approving.must_fit(loaded.config, approve=approve, more=more, site=site, only=only, as_json=as_json)
        if approve and only is None:
            approving.beside_a_daemon(loaded, site=site, more=more, by=by, as_json=as_json)
        with assembled(loaded, command="sync") as program:
            try:
                if only is None:
                    if approve:
                        approving.approve(program.ledger, loaded.config, site=site, more=more, by=by)
                    outcome = pass_over(program, patience=patience, progress=talk)
                else:
                    outcome = pass_for_client(program, only, patience=patience, progress=talk, approved=approve)
            except NobodyMeant as nobody:
                nobody_meant("sync", nobody, as_json=as_json)
    if as_json:
        emit_json("sync", outcome.as_data(), outcome.problems)
    else:
        _draw(outcome, only=only)
    raise typer.Exit(outcome.exit_code)


def _draw(outcome: Outcome, *, only: str | None) -> None:
    from vetbridge.cli import approving  # noqa: PLC0415 - keeps --help quick

    approving.draw_paired(outcome.paired)
    for state, count in outcome.states.items():
        say(f"{state:<10} {count:<4} {_LOOK.get(state, '')}".rstrip())
    if not outcome.states and not outcome.problems:
        say("Nothing has changed.")
    approving.draw_shadow(outcome.shadow, only=only)
    for blown in outcome.blown:
        say(f"The fuse of site {blown} has blown: vetbridge review list --site {blown}")
    for problem in outcome.problems:
        talk(problem)
