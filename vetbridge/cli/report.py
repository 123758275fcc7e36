"""`vetbridge report`: a bundle for support, without anything personal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.doctor import examined
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import AsJson, config_path, ledger_beside
from vetbridge.cli.sheets import files_told, require_writable, write_whole
from vetbridge.cli.tables import say_wrapped
from vetbridge.core.errors import ConfigError, VetBridgeError

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.ledger.database import Ledger


def report(
    ctx: typer.Context,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FILE.zip", dir_okay=False, help="Where to write it; by its time, unless given."
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no vendor: leave out what `doctor` would look at.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it would hold, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Pack what support needs into one file: versions, set-up, state, codes and counts; nothing personal, no secret.

    It is made also where the config or the ledger cannot be used: then it says so. Look into it before you send it:
    README.txt in it tells what it holds and what not. Ends with 2 where the file cannot be written.
    """
    from vetbridge.desk.reporting import CONTENT, bundle, packed  # noqa: PLC0415 - keeps --help quick

    now = datetime.now(UTC)
    target = to or Path(f"vetbridge-report-{now:%Y%m%dT%H%M%SZ}.zip")
    with files_told("report", as_json=as_json):
        if not plan:
            require_writable(target)
        loaded, problem = _config(ctx)
        with _ledger(loaded) as (ledger, ledger_problem):
            files = bundle(
                loaded,
                problem,
                ledger=ledger,
                ledger_problem=ledger_problem,
                pid=_running(loaded),
                lines=() if offline or loaded is None else examined(loaded),
                now=now,
            )
        content = packed(files)
        if not plan:
            write_whole(target, content)
    if as_json:
        data = {
            "file": None if plan else str(target),
            "bytes": len(content),
            "files": {name: len(each) for name, each in sorted(files.items())},
            "planned": plan,
        }
        emit_json("report", data)
        return
    for name, holds in CONTENT.items():
        say_wrapped(f"{name}: {holds}" if name in files else f"{name}: missing", margin="    ")
    if plan:
        say(f"{len(content)} bytes would be written to {target}. Nothing was done.")
    else:
        say(f"{len(content)} bytes written to {target}. Look into it, then send it to support.")
    for each in (problem, ledger_problem):
        if each is not None:
            talk(f"vetbridge: {each.message}")


def _config(ctx: typer.Context) -> tuple[Loaded | None, VetBridgeError | None]:
    try:
        return load_config(config_path(ctx)), None
    except ConfigError as error:
        return None, error


@contextmanager
def _ledger(loaded: Loaded | None) -> Iterator[tuple[Ledger | None, VetBridgeError | None]]:
    """The ledger, where there is one that can be opened; else why not."""
    if loaded is None:
        yield None, None
        return
    beside = ledger_beside(loaded)
    try:
        ledger = beside.__enter__()
    except VetBridgeError as error:
        yield None, error
        return
    try:
        yield ledger, None
    finally:
        beside.__exit__(None, None, None)


def _running(loaded: Loaded | None) -> int | None:
    from vetbridge.daemon.lock import running  # noqa: PLC0415 - keeps --help quick

    try:
        return None if loaded is None else running(loaded.config.ledger.place)
    except VetBridgeError:
        return None
