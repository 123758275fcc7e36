"""VetData, the feed by which Covetrus shows partners the records of Pulse, AVImark and others (read only)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.vetdata.options import Vaccines, VetDataOptions, capabilities
from vetbridge.connector.plugin import Environment, Plugin
from vetbridge.connector.secret import Secret

if TYPE_CHECKING:
    from connectors.vetdata.connector import VetData


def build(options: VetDataOptions, environment: Environment) -> VetData:
    """The connector of one account. What it needs is imported now: most commands build none."""
    from connectors.vetdata.connector import VetData  # noqa: PLC0415

    return VetData(options, environment)


plugin = Plugin(
    name="vetdata",
    title="VetData by Covetrus",
    options=VetDataOptions,
    build=build,
    mapping="vetdata",
    simulator="connectors.vetdata.simulator",
    # Vaccinations need the practice's codes for them.
    declares=lambda: capabilities(
        VetDataOptions(
            installation="00000000-0000-0000-0000-000000000000",
            username="partner",
            password=Secret.of(""),
            client_id="client",
            vaccines=Vaccines(codes=("vaccine",)),
        )
    ),
)
