"""IDEXX Cornerstone, a practice system that the vendor's data services, files or a restored copy serve."""

from __future__ import annotations

from vetbridge.connector.plugin import System

system = System(
    name="cornerstone", title="IDEXX Cornerstone", package="connectors.cornerstone", ways=(), ask_vendor=()
)
