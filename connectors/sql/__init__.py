"""A database over ODBC: a generic connector."""

from __future__ import annotations

from vetbridge.connector.interface import Connector
from vetbridge.connector.plugin import Environment, Options, Plugin


class SqlOptions(Options):
    """Of an account."""


def build(options: SqlOptions, environment: Environment) -> Connector:
    """The connector of one account."""
    raise NotImplementedError


plugin = Plugin(name="sql", title="A database over ODBC", options=SqlOptions, build=build, mapping="neutral")
