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
    """The connector itself, with nothing around it; ends the command where there is no such account.

    ``ACCOUNT.PART`` is a part of an account; of an account with parts, ``ACCOUNT`` alone is its own connector.
    """
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick
    from vetbridge.connector.composed import Composed  # noqa: PLC0415
    from vetbridge.daemon.assembly import connected  # noqa: PLC0415

    known = _connectors(loaded)
    if account not in known:
        text = f"no account is called {one_line(account)!r}{nearest(account, sorted(known))}"
        give_up(command, text, advice="", code="unknown-account", as_json=as_json, exit_code=USAGE)
    name, _, part = account.partition(".")
    bare: dict[str, Connector] = {}

    def keep(name: str, connector: Connector) -> Connector:
        bare[name] = connector
        return connector

    with connected(loaded, wrap=keep):
        found = bare[name]
        if isinstance(found, Composed):
            found = found.parts[part] if part else found.own
        yield found


def cannot(command: str, loaded: Loaded, account: str, lacks: str, *, as_json: bool) -> NoReturn:
    """Ends the command: the account's connector does not offer what it is about. ``lacks`` says so in words."""
    text = f"{account}: its connector is {_connectors(loaded)[account]}, which {lacks}"
    name = account.partition(".")[0]
    parts = [f"{name}.{part}" for part in loaded.config.accounts[name].parts]
    advice = f"Its parts are named so: {', '.join(parts)}." if parts and account == name else ""
    give_up(command, text, advice=advice, code="not-supported", as_json=as_json, exit_code=USAGE)


def _connectors(loaded: Loaded) -> dict[str, str]:
    """The connector of each account, and of each part of one."""
    known = {name: account.connector for name, account in loaded.config.accounts.items()}
    parts = {
        f"{name}.{part}": each.connector
        for name, account in loaded.config.accounts.items()
        for part, each in account.parts.items()
    }
    return known | parts
