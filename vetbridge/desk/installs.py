"""Installs of marketplace apps, as people see them and act on them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vetbridge.desk.language import phrase

NOT_CONNECTED, FROZEN = "not-connected", "frozen"
"""Why an account rests whose app is not connected at its location."""

_ANSWERS: Mapping[str, str] = MappingProxyType(
    {
        "connected": "Connected. There is nothing more to do.",
        "waits": "Not connected yet: VetBridge does not know this branch. Tell whoever looks after VetBridge to add "
        "it within {minutes} minutes; it is then connected by itself. Later, click Connect once more.",
        "refused": "Not connected yet: the marketplace refused it. VetBridge tries again for {minutes} minutes. If "
        "it is not connected then, tell whoever looks after VetBridge.",
        "late": "Not connected: too much time has passed since Connect was clicked. Click Connect once more.",
        "not-asked": "Not connected: the marketplace knows of no wish to connect this branch. Click Connect there.",
        "frozen": "The marketplace has suspended VetBridge for this branch. Ask there why.",
        "later": "Not connected yet: the marketplace does not answer. VetBridge tries again by itself within "
        "minutes.",
    }
)
"""What the clinic reads that has just clicked Connect, by what became of it."""


def by_app(name: str) -> str:
    """Who paused an account, or ended a pair, as an app's install says so."""
    return f"the app {name}"


def answer(how: str, *, minutes: int) -> str:
    """What became of a branch, for whoever has just clicked Connect."""
    return phrase(_ANSWERS[how], minutes=minutes)
