"""ezyVet (IDEXX), a practice system: clients, pets and appointments over its REST API."""

from connectors.ezyvet.connector import build
from connectors.ezyvet.options import EzyVetOptions, capabilities
from vetbridge.connector.plugin import Plugin
from vetbridge.connector.secret import Secret

plugin = Plugin(
    name="ezyvet",
    title="ezyVet",
    options=EzyVetOptions,
    build=build,
    mapping="ezyvet",
    simulator="connectors.ezyvet.simulator",
    # Cancelling needs a reason that the site has chosen.
    declares=lambda: capabilities(
        EzyVetOptions(client_id="", client_secret=Secret.of(""), site_uid="", cancellation_reason=1)
    ),
)
