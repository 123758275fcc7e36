"""Words about installs of marketplace apps that the ledger keeps, beside those of ``InstallState``."""

from __future__ import annotations

from typing import Final

INSTALL: Final = "install"
"""Scope of a pause of an account whose app is not connected at its location. It stands beside a person's own pause of
that account, and ends by itself."""
NOT_CONNECTED: Final = "not-connected"
"""Why such an account rests."""
FROZEN: Final = "frozen"
"""The same, where the vendor has suspended the app."""

LAPSED: Final = "lapsed"
"""State of an install that nobody could say yes to in time."""
UNKNOWN: Final = "unknown"
"""State of a location of the config at which the vendor knows of no install."""
