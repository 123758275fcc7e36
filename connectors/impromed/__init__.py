"""ImproMed, a practice system that generic connectors serve."""

from __future__ import annotations

from vetbridge.connector.plugin import System

system = System(
    name="impromed",
    title="ImproMed",
    package="connectors.impromed",
    ways=(),
    ask_vendor=(),
    simulator="connectors.impromed.simulator",
)
