"""An HTTP API that a profile describes: a generic connector, for systems whose API partners alone may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.rest.options import DECLARED, RestOptions
from vetbridge.connector.plugin import Environment, Plugin

if TYPE_CHECKING:
    from connectors.rest.connector import Rest


def build(options: RestOptions, environment: Environment) -> Rest:
    """The connector of one account. What it needs is imported now: most commands build none."""
    from connectors.rest.connector import Rest  # noqa: PLC0415

    return Rest(options, environment)


plugin = Plugin(
    name="rest",
    title="An HTTP API by a profile",
    options=RestOptions,
    build=build,
    mapping="neutral",
    declares=lambda: DECLARED,
)
