"""One account's connector, for commands that use what only connectors of its kind offer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from vetbridge.cli.reading import USAGE, give_up
from vetbridge.cli.tables import one_line

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.connector.interface import Connector


@contextmanager
def connector_of(command: str, loaded: Loaded, account: str, *, as_json: bool) -> Iterator[Connector]:
    """The connector itself, with nothing around it; ends the command where there is no such account."""
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick
    from vetbridge.daemon.assembly import connected  # noqa: PLC0415

    accounts = loaded.config.accounts
    if account not in accounts:
        text = f"no account is called {one_line(account)!r}{nearest(account, sorted(accounts))}"
        give_up(command, text, advice="", code="unknown-account", as_json=as_json, exit_code=USAGE)
    bare: dict[str, Connector] = {}

    def keep(name: str, connector: Connector) -> Connector:
        bare[name] = connector
        return connector

    with connected(loaded, wrap=keep):
        yield bare[account]


def cannot(command: str, loaded: Loaded, account: str, lacks: str, *, as_json: bool) -> NoReturn:
    """Ends the command: the account's connector does not offer what it is about. ``lacks`` says so in words."""
    text = f"{account}: its connector is {loaded.config.accounts[account].connector}, which {lacks}"
    give_up(command, text, advice="", code="not-supported", as_json=as_json, exit_code=USAGE)
