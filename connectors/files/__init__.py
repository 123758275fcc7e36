"""Files in a folder, for practice systems without an API: tables and calendars come in, writes are handed on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.files.options import FilesOptions, capabilities
from connectors.files.profile import FilesProfile
from vetbridge.connector.interface import Capabilities
from vetbridge.connector.plugin import Environment, Plugin
from vetbridge.connector.profiles import load_profile

if TYPE_CHECKING:
    from connectors.files.connector import Files


def build(options: FilesOptions, environment: Environment) -> Files:
    """The connector of one account. What it needs is imported now: most commands build none."""
    from connectors.files import connector  # noqa: PLC0415

    return connector.build(options, environment)


def declares() -> Capabilities:
    """What an account of the neutral profile can do; another profile may know fewer kinds."""
    return declares_by({})


def declares_by(sets: Mapping[str, str]) -> Capabilities:
    """What an account of a shipped profile can do."""
    name = sets.get("profile", "neutral")
    return capabilities(load_profile(FilesProfile, name, "files"), FilesOptions(folder=Path(), profile=name))


plugin = Plugin(
    name="files",
    title="Files in a folder",
    options=FilesOptions,
    build=build,
    mapping="neutral",
    declares=declares,
    declares_by=declares_by,
)
