"""ezyVet (IDEXX), a practice system: clients, pets and appointments over its REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.ezyvet.options import FILES, SCOPES, VACCINATIONS, DueServices, EzyVetOptions, capabilities
from vetbridge.connector.plugin import Environment, Plugin
from vetbridge.connector.secret import Secret

if TYPE_CHECKING:
    from connectors.ezyvet.connector import EzyVet


def build(options: EzyVetOptions, environment: Environment) -> EzyVet:
    """The connector of one account. What it needs is imported now: most commands build none."""
    from connectors.ezyvet import connector  # noqa: PLC0415

    return connector.build(options, environment)


plugin = Plugin(
    name="ezyvet",
    title="ezyVet",
    options=EzyVetOptions,
    build=build,
    mapping="ezyvet",
    simulator="connectors.ezyvet.simulator",
    # Cancelling needs a reason that the site has chosen, other kinds their scopes.
    declares=lambda: capabilities(
        EzyVetOptions(
            client_id="",
            client_secret=Secret.of(""),
            site_uid="site",
            scope=(*SCOPES, *FILES, *VACCINATIONS),
            cancellation_reason=1,
            due_services=DueServices(wellness_plans=True),
        )
    ),
)
