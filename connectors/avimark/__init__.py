"""Covetrus AVImark, a practice system that vendors' feeds, files and the work list serve."""

from __future__ import annotations

from vetbridge.connector.plugin import System

system = System(name="avimark", title="Covetrus AVImark", package="connectors.avimark", ways=(), ask_vendor=())
