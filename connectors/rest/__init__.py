"""An HTTP API that a profile describes: a generic connector, for systems whose API partners alone may see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from connectors.rest.options import RestOptions, capabilities
from connectors.rest.profile import RestProfile
from vetbridge.connector.interface import Capabilities
from vetbridge.connector.plugin import Environment, Plugin
from vetbridge.connector.profiles import load_profile

if TYPE_CHECKING:
    from connectors.rest.connector import Rest


def build(options: RestOptions, environment: Environment) -> Rest:
    """The connector of one account. What it needs is imported now: most commands build none."""
    from connectors.rest.connector import Rest  # noqa: PLC0415

    return Rest(options, environment)


def declares() -> Capabilities:
    """What an account of the rehearsal can do; what another one can, its own profile says."""
    return declares_by({})


def declares_by(sets: Mapping[str, str]) -> Capabilities:
    """What an account of a shipped profile can do."""
    return capabilities(load_profile(RestProfile, sets.get("profile", "animana"), "rest"))


plugin = Plugin(
    name="rest",
    title="An HTTP API by a profile",
    options=RestOptions,
    build=build,
    mapping="neutral",
    declares=declares,
    declares_by=declares_by,
)
