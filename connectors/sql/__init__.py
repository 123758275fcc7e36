"""A database over ODBC: a generic connector, with a profile that says which select gives which record."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.sql.connector import build
from connectors.sql.options import SqlOptions, capabilities, declared
from connectors.sql.profile import SqlProfile
from vetbridge.connector.interface import Capabilities
from vetbridge.connector.plugin import Plugin
from vetbridge.connector.profiles import load_profile


def declares_by(sets: Mapping[str, str]) -> Capabilities:
    """What an account of a shipped profile can do; without one, of a profile that names everything."""
    return capabilities(load_profile(SqlProfile, sets["profile"], "sql")) if "profile" in sets else declared()


plugin = Plugin(
    name="sql",
    title="A database over ODBC",
    options=SqlOptions,
    build=build,
    mapping="neutral",
    declares=declared,
    declares_by=declares_by,
)
