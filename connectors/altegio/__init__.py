"""Altegio, a booking platform (API v1)."""

from connectors.altegio.connector import CAPABILITIES, AltegioOptions, build
from vetbridge.connector.plugin import Plugin

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
