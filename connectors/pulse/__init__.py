"""Covetrus Pulse, a practice system that the vendor's feed, files and the work list serve."""

from __future__ import annotations

from vetbridge.connector.plugin import System

system = System(name="pulse", title="Covetrus Pulse", package="connectors.pulse", ways=(), ask_vendor=())
