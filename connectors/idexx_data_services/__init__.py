"""IDEXX Data Services (DataPoint), the vendor's gate to Cornerstone, AVImark and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from connectors.idexx_data_services.options import IdexxOptions, declared
from connectors.idexx_data_services.profile import IdexxProfile
from vetbridge.connector.interface import Capabilities
from vetbridge.connector.plugin import Environment, Plugin
from vetbridge.connector.profiles import load_profile

if TYPE_CHECKING:
    from connectors.idexx_data_services.connector import Idexx


def build(options: IdexxOptions, environment: Environment) -> Idexx:
    """The connector of one account. What it needs is imported now: most commands build none."""
    from connectors.idexx_data_services.connector import Idexx  # noqa: PLC0415

    return Idexx(options, environment)


def declares() -> Capabilities:
    """What an account of the rehearsal can do; what another one can, its own profile says."""
    return declares_by({})


def declares_by(sets: Mapping[str, str]) -> Capabilities:
    """The same where a way sets who writes."""
    site = load_profile(IdexxProfile, sets.get("profile", "rehearsal"), "idexx_data_services")
    return declared(site, by_api=sets.get("writes", "api") == "api", needs_pet=True)


plugin = Plugin(
    name="idexx_data_services",
    title="IDEXX Data Services",
    options=IdexxOptions,
    build=build,
    mapping="neutral",
    simulator="connectors.idexx_data_services.simulator",
    declares=declares,
    declares_by=declares_by,
)
