"""Animana, a practice system that generic connectors serve."""

from __future__ import annotations

from vetbridge.connector.plugin import System

system = System(
    name="animana",
    title="Animana",
    package="connectors.animana",
    ways=(),
    ask_vendor=(),
    simulator="connectors.animana.simulator",
)
