"""An HTTP API by a profile: a generic connector."""

from __future__ import annotations

from vetbridge.connector.interface import Connector
from vetbridge.connector.plugin import Environment, Options, Plugin


class RestOptions(Options):
    """Of an account."""


def build(options: RestOptions, environment: Environment) -> Connector:
    """The connector of one account."""
    raise NotImplementedError


plugin = Plugin(name="rest", title="An HTTP API by a profile", options=RestOptions, build=build, mapping="neutral")
