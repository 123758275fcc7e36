"""VetData, the feed by which Covetrus shows partners the records of Pulse, AVImark and others (read only)."""

from __future__ import annotations

from vetbridge.connector.interface import Connector
from vetbridge.connector.plugin import Environment, Options, Plugin


class VetDataOptions(Options):
    """Options of an account."""


def build(options: VetDataOptions, environment: Environment) -> Connector:
    """The connector of one account."""
    raise NotImplementedError


plugin = Plugin(name="vetdata", title="VetData by Covetrus", options=VetDataOptions, build=build, mapping="neutral")
