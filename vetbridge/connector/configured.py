"""Reads a config with the connectors that are installed."""

from __future__ import annotations

from pathlib import Path

from vetbridge.config.loader import Loaded, load
from vetbridge.connector.plugin import app_plugin, plugin


def read_config(path: Path) -> Loaded:
    """The config, judged with the options of the connectors that it names. Raises ``ConfigError``."""
    return load(path, options=lambda name: plugin(name).options, apps=lambda name: app_plugin(name).options)
