"""Reads a config with the connectors that are installed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from vetbridge.config.loader import Loaded, load
from vetbridge.config.models import Config
from vetbridge.connector.plugin import app_plugin, plugin
from vetbridge.core.records import Kind


def read_config(path: Path) -> Loaded:
    """The config, judged with the options of the connectors that it names. Raises ``ConfigError``."""
    return load(
        path,
        options=lambda name: plugin(name).options,
        apps=lambda name: app_plugin(name).options,
        kinds=_kinds,
    )


def _kinds(connector: str) -> Collection[Kind]:
    found = plugin(connector)
    by_profile = "profile" in found.options.model_fields
    return () if by_profile or found.declares is None else found.declares().kinds


def places(config: Config) -> dict[str, Mapping[str, tuple[str, ...]]]:
    """By app of the config, by location of its marketplace: the accounts that it connects there."""
    found: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in config.apps}
    for name, account in config.accounts.items():
        if account.app is not None:
            location = app_plugin(account.connector).location(account.options)
            at = found[account.app]
            at[location] = (*at.get(location, ()), name)
    return dict(found)
