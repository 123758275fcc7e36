"""ezyVet (IDEXX), a practice system: clients, pets and appointments over its REST API."""

from connectors.ezyvet.connector import build
from connectors.ezyvet.options import EzyVetOptions
from vetbridge.connector.plugin import Plugin

plugin = Plugin(
    name="ezyvet",
    title="ezyVet",
    options=EzyVetOptions,
    build=build,
    mapping="ezyvet",
    simulator="connectors.ezyvet.simulator",
)
