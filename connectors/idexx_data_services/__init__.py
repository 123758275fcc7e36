"""IDEXX Data Services (DataPoint), the vendor's gate to Cornerstone, AVImark and others."""

from __future__ import annotations

from vetbridge.connector.interface import Connector
from vetbridge.connector.plugin import Environment, Options, Plugin


class IdexxOptions(Options):
    """Options of an account."""


def build(options: IdexxOptions, environment: Environment) -> Connector:
    """The connector of one account."""
    raise NotImplementedError


plugin = Plugin(
    name="idexx_data_services", title="IDEXX Data Services", options=IdexxOptions, build=build, mapping="neutral"
)
