"""`vetbridge service`: VetBridge as a service of the machine."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, told
from vetbridge.cli.tables import one_line

if TYPE_CHECKING:
    from vetbridge.daemon.installing.plan import Plan, Setup, Step

FAILED = 4
"""Exit code where a step failed, or the service does not run."""

app = typer.Typer(
    name="service",
    help="Run VetBridge as a service of this machine: it survives log-off, restart and its own end.",
    no_args_is_help=True,
)


class Platform(StrEnum):
    """What keeps services."""

    SYSTEMD = "systemd"
    LAUNCHD = "launchd"
    WINDOWS = "windows"


_HERE = {"linux": Platform.SYSTEMD, "darwin": Platform.LAUNCHD, "win32": Platform.WINDOWS}

ForPlan = Annotated[bool, typer.Option("--plan", help="Print the files and commands, and change nothing.")]
ForPlatform = Annotated[
    Platform | None, typer.Option("--for", help="Another platform than this machine's; only with --plan.")
]
Host = Annotated[
    Path | None, typer.Option("--host", metavar="EXE", help="Windows: where vetbridge-service.exe (WinSW) stands.")
]


@app.command(epilog="Example: vetbridge --config /etc/vetbridge/vetbridge.yaml service install --plan")
def install(
    ctx: typer.Context,
    plan: ForPlan = False,
    platform: ForPlatform = None,
    host: Host = None,
    as_json: AsJson = False,
) -> None:
    """Install the service and start it, or bring an installed one up to date with the config and start it anew.

    It gets an account of its own, which reads the config and the secrets and writes to the folders of the ledger, the
    log and the backups. Run it again after any of those has moved. Needs the rights of an administrator.
    """
    _change(ctx, "install", plan=plan, platform=platform, host=host, as_json=as_json)


@app.command(epilog="Example: vetbridge --config /etc/vetbridge/vetbridge.yaml service remove --plan")
def remove(
    ctx: typer.Context,
    plan: ForPlan = False,
    platform: ForPlatform = None,
    host: Host = None,
    as_json: AsJson = False,
) -> None:
    """Stop the service and remove it. The ledger, the config and the secrets stay, and it says where they are.

    Needs the rights of an administrator.
    """
    _change(ctx, "remove", plan=plan, platform=platform, host=host, as_json=as_json)


@app.command(epilog="Example: vetbridge --config /etc/vetbridge/vetbridge.yaml service status --json")
def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Say what the machine's service manager knows of VetBridge: whether it runs, and starts with the machine.

    Ends with 0 when it runs, else with 4. How the work goes is told by `vetbridge status`.
    """
    command = "service status"
    keeper, _ = _keeper(command, None, plan=False, as_json=as_json)
    from vetbridge.daemon.installing.plan import InstallFailed, run_here  # noqa: PLC0415 - keeps --help quick

    with told(command, as_json=as_json):
        setup = _setup(ctx)
    try:
        found = keeper.standing(setup, run_here)
    except InstallFailed as error:
        give_up(command, str(error), advice="", code="service-manager", as_json=as_json, exit_code=FAILED)
    if as_json:
        emit_json(command, as_data(found))
    else:
        say(f"service     {'installed' if found.installed else 'not installed'}: {found.definition}")
        say(f"state       {one_line(found.says)}")
        say(f"at start-up {'yes' if found.enabled else 'no'}")
        for name, value in found.facts.items():
            say(f"{name:<11} {one_line(value)}")
    if not found.running:
        raise typer.Exit(FAILED)


def _change(
    ctx: typer.Context, what: str, *, plan: bool, platform: Platform | None, host: Path | None, as_json: bool
) -> None:
    command = f"service {what}"
    keeper, name = _keeper(command, platform, plan=plan, as_json=as_json)
    from vetbridge.daemon.installing.plan import InstallFailed, carry_out, run_here  # noqa: PLC0415

    more = {"host": host} if name is Platform.WINDOWS else {}
    with told(command, as_json=as_json):
        setup = _setup(ctx)
    if not plan and not _may():
        words = f"{Path(sys.argv[0]).name} --config {setup.config} {command}"
        advice = f"Run it as an administrator: {f'sudo {words}' if os.name == 'posix' else words}"
        text = f"{what} needs the rights of an administrator"
        give_up(command, text, advice=advice, code="rights", as_json=as_json, exit_code=USAGE)
    try:
        steps = getattr(keeper, what)(setup, run_here, **more)
        if not plan:
            carry_out(steps, run_here)
    except InstallFailed as error:
        advice = "Mend that, and run this again."
        give_up(command, str(error), advice=advice, code="install-failed", as_json=as_json, exit_code=FAILED)
    if as_json:
        data = {"platform": name, "done": not plan, "steps": [_step(each) for each in steps.steps]}
        emit_json(command, {**data, "stays": [str(each) for each in steps.stays]}, list(steps.notes))
        return
    if plan:
        _draw(steps)
    for note in steps.notes:
        talk(note)
    if plan:
        talk("Nothing was changed.")
        return
    for path in steps.stays:
        say(f"stays: {path}")
    talk(
        "The service is installed and has been started. `vetbridge service status` says how it stands."
        if what == "install"
        else "The service is removed. What VetBridge knows stays where it was."
    )


def _setup(ctx: typer.Context) -> Setup:
    from vetbridge.daemon.installing.plan import setup_of  # noqa: PLC0415 - keeps --help quick

    return setup_of(load_config(config_path(ctx)))


def _keeper(command: str, platform: Platform | None, *, plan: bool, as_json: bool) -> tuple[ModuleType, Platform]:
    """The module that knows a platform's services; ends the command where there is none."""
    here = _HERE.get(sys.platform)
    name = platform or here
    text = ""
    if name is None:
        text = f"VetBridge knows no services on {sys.platform}; let yours run `vetbridge run`"
    elif name is not here and not plan:
        text = "--for another platform goes with --plan"
    if name is None or text:
        give_up(command, text, advice="", code="usage", as_json=as_json, exit_code=USAGE)
    from vetbridge.daemon.installing import launchd, systemd, windows  # noqa: PLC0415 - keeps --help quick

    return {Platform.SYSTEMD: systemd, Platform.LAUNCHD: launchd, Platform.WINDOWS: windows}[name], name


def _may() -> bool:
    """Whether this user may install a service."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - Windows only

        return bool(ctypes.windll.shell32.IsUserAnAdmin())
    return os.geteuid() == 0


def _step(step: Step) -> dict[str, Any]:
    return {"does": type(step).__name__.lower(), **as_data(step)}


def _draw(plan: Plan) -> None:
    """Every step as what a person would type or write."""
    from vetbridge.daemon.installing.plan import Command, Folder, Gone, NewFile  # noqa: PLC0415 - keeps --help quick

    for step in plan.steps:
        match step:
            case NewFile():
                say(f"write {step.path} (mode {step.mode:04o})")
                for line in step.content.splitlines():
                    say(f"    {line}".rstrip())
            case Folder():
                say(f"make the folder {step.path}")
            case Gone():
                say(f"remove {step.path}")
            case Command():
                say(f"run {' '.join(_quoted(word) for word in step.words)}    # {step.why}")
    for path in plan.stays:
        say(f"stays: {path}")


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word or not word else word
