"""Altegio, a booking platform (API v1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.altegio.options import CAPABILITIES, AltegioApp, AltegioOptions
from vetbridge.connector.plugin import AppPlugin, Environment, Plugin

if TYPE_CHECKING:
    from connectors.altegio.connector import AltegioConnector
    from connectors.altegio.marketplace import AltegioMarketplace


def build(options: AltegioOptions, environment: Environment) -> AltegioConnector:
    """The connector of one account. What it needs is imported now: most commands build none."""
    from connectors.altegio import connector  # noqa: PLC0415

    return connector.build(options, environment)


def build_app(options: AltegioApp, environment: Environment) -> AltegioMarketplace:
    """The marketplace of one app."""
    from connectors.altegio import marketplace  # noqa: PLC0415

    return marketplace.build(options, environment)


plugin = Plugin(
    name="altegio",
    title="Altegio",
    options=AltegioOptions,
    build=build,
    mapping="altegio",
    simulator="connectors.altegio.simulator",
    declares=lambda: CAPABILITIES,
    app=AppPlugin(options=AltegioApp, build=build_app, location=lambda options: str(options.location_id)),
)

__all__ = ["plugin"]
