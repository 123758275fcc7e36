"""What commands share that only read: the ledger beside a running daemon, errors in words, answers as data."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from vetbridge.cli.output import emit_json, talk
from vetbridge.cli.tables import one_line
from vetbridge.core.errors import LedgerError, VetBridgeError
from vetbridge.core.instants import Instant

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.config.models import Config
    from vetbridge.ledger.database import Ledger, Transaction

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

LONGEST_BY = 60
"""Characters of a name that are kept."""

USAGE = 2
"""Exit code of a command that was asked for something that cannot be."""


def config_path(ctx: typer.Context) -> Path:
    """The config's path: the program's entry puts it into the context."""
    path: Path = ctx.obj.config_path
    return path


@contextmanager
def told(command: str, *, as_json: bool) -> Iterator[None]:
    """Ends a command that meets a named error with its words, its advice and its exit code."""
    try:
        yield
    except VetBridgeError as error:
        give_up(
            command, error.message, advice=error.advice(), code=error.code, as_json=as_json, exit_code=error.exit_code
        )


def give_up(command: str, text: str, *, advice: str, code: str, as_json: bool, exit_code: int) -> NoReturn:
    """Says what is wrong and what to do, and ends the command."""
    if as_json:
        emit_json(command, None, [{"code": code, "text": text, "advice": advice}])
    else:
        talk(f"vetbridge: {text}")
        if advice:
            talk(advice)
    raise typer.Exit(exit_code)


@contextmanager
def ledger_beside(loaded: Loaded) -> Iterator[Ledger]:
    """The ledger, whether or not a daemon works on it. Raises ``LedgerError`` where there is none yet."""
    from vetbridge.connector.clock import SystemClock  # noqa: PLC0415 - keeps --help quick
    from vetbridge.daemon.upgrading import never_beside  # noqa: PLC0415
    from vetbridge.ledger.database import exists, open_ledger  # noqa: PLC0415

    settings = loaded.config.ledger
    place = settings.place
    if not exists(place):
        raise LedgerError(f"there is no ledger at {place} yet; `vetbridge run` or `vetbridge sync` makes it")
    clock = SystemClock()
    ledger = open_ledger(place, settings.key.reveal(), clock, before_upgrade=never_beside(loaded, clock))
    try:
        yield ledger
    finally:
        ledger.close()


def must_know(
    command: str,
    tx: Transaction,
    config: Config,
    *,
    as_json: bool,
    site: str | None = None,
    account: str | None = None,
) -> None:
    """Ends a command that was asked for a site or an account that neither the config nor the ledger has.

    Else a slip of the pen would read as "nobody has to look at anything".
    """
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick
    from vetbridge.ledger import reports  # noqa: PLC0415

    for what, given, known in (
        ("site", site, {*config.sites, *reports.site_reports(tx)}),
        ("account", account, {*config.accounts, *reports.account_reports(tx)}),
    ):
        if given is not None and given not in known:
            give_up(
                command,
                f"no {what} is called {one_line(given)!r}{nearest(given, sorted(known))}",
                advice="",
                code=f"unknown-{what}",
                as_json=as_json,
                exit_code=USAGE,
            )


def signed(by: str | None) -> str:
    """Who does it: the name that was given, else the login name."""
    if by is None:
        try:
            by = getpass.getuser()
        except (OSError, KeyError, ImportError):  # no such user on this machine
            by = ""
    return one_line(by, LONGEST_BY)


def as_data(value: Any) -> Any:
    """A desk's answer as plain data, for JSON. Moments stay moments."""
    if isinstance(value, Instant):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_data(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [as_data(item) for item in value]
    return value
