"""Altegio, a booking platform (API v1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.altegio.options import CAPABILITIES, AltegioOptions
from vetbridge.connector.plugin import Environment, Plugin

if TYPE_CHECKING:
    from connectors.altegio.connector import AltegioConnector


def build(options: AltegioOptions, environment: Environment) -> AltegioConnector:
    """The connector of one account. What it needs is imported now: most commands build none."""
    from connectors.altegio import connector  # noqa: PLC0415

    return connector.build(options, environment)


plugin = Plugin(
    name="altegio",
    title="Altegio",
    options=AltegioOptions,
    build=build,
    mapping="altegio",
    simulator="connectors.altegio.simulator",
    declares=lambda: CAPABILITIES,
)

__all__ = ["plugin"]
