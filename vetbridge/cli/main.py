"""The `vetbridge` command: parses, and turns VetBridge's errors into one clear line and an exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from vetbridge import __version__
from vetbridge.cli import (
    alerts,
    audit,
    changes,
    config,
    connectors,
    db,
    demo,
    doctor,
    find,
    imports,
    init,
    installs,
    links,
    mapping,
    match,
    odata,
    pairs,
    pause,
    plan,
    privacy,
    quality,
    reconcile,
    reminders,
    replay,
    report,
    rest,
    review,
    run,
    service,
    simulate,
    sql,
    staff,
    status,
    worklist,
)
from vetbridge.cli.output import talk
from vetbridge.core.errors import VetBridgeError

CONFIG_VARIABLE = "VETBRIDGE_CONFIG"
DEFAULT_CONFIG = Path("vetbridge.yaml")


@dataclass(frozen=True)
class Settings:
    """What the options before the command say."""

    config_path: Path


app = typer.Typer(
    name="vetbridge",
    help="Keeps online bookings and a veterinary practice system in agreement.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First look: vetbridge demo",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vetbridge {__version__}")
        raise typer.Exit


@app.callback()
def _settings(
    ctx: typer.Context,
    config_path: Annotated[
        Path,
        typer.Option(
            "--config", help="The config file; stands before the command.", envvar=CONFIG_VARIABLE, show_default=True
        ),
    ] = DEFAULT_CONFIG,
    _show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    ctx.obj = Settings(config_path)


app.command(epilog="Example: vetbridge demo --bookings 60")(demo.demo)
app.command(epilog="Example: vetbridge simulate altegio --port 8101 --clients 2000 --seed 7")(simulate.simulate)
app.command(epilog="Example: vetbridge --config clinic.yaml init --plan")(init.init)
app.add_typer(config.app)
app.add_typer(connectors.app)
app.add_typer(installs.app)
app.command(epilog="Example: vetbridge --config clinic.yaml doctor")(doctor.doctor)
app.command(epilog="Example: vetbridge --config clinic.yaml run")(run.run)
app.command(epilog="Example: vetbridge --config clinic.yaml sync --json")(run.sync)
app.command(epilog="Example: vetbridge plan --site city")(plan.plan)
app.command(epilog="Example: vetbridge reconcile --site city --html differences.html")(reconcile.reconcile)
app.command(epilog="Example: vetbridge pause city --for 2h")(pause.pause)
app.command(epilog="Example: vetbridge resume city")(pause.resume)
app.command(epilog="Example: vetbridge replay --code mapping --plan")(replay.replay)
app.command(epilog="Example: vetbridge status --json")(status.status)
app.command(epilog="Example: vetbridge report --to report.zip")(report.report)
app.add_typer(alerts.app)
app.command(epilog="Example: vetbridge find petrova bobik")(find.find)
app.add_typer(changes.app)
app.add_typer(review.app)
app.add_typer(worklist.app)
app.add_typer(reminders.app)
app.add_typer(links.app)
app.add_typer(quality.app)
app.add_typer(mapping.app)
app.add_typer(rest.app)
app.add_typer(sql.app)
app.add_typer(odata.app)
app.add_typer(match.app)
app.add_typer(imports.app)
app.add_typer(pairs.app)
app.add_typer(staff.app)
app.add_typer(audit.app)
app.add_typer(privacy.app)
app.add_typer(db.app)
app.add_typer(service.app)


def main() -> None:
    """Runs one command. Exit codes: 0 fine, 1 bug, 2 usage, 3 config, 4 leftovers, 5 unreachable, 6 ledger."""
    try:
        "".join(sys.argv).encode()
    except UnicodeEncodeError:
        # Such as a letter in another encoding, pasted: no ledger takes it, and no terminal shows it.
        talk("vetbridge: what was typed holds bytes that are no text in UTF-8; type it anew")
        sys.exit(2)
    try:
        app()
    except VetBridgeError as error:
        talk(f"vetbridge: {error.message}")
        talk(error.advice())
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
