"""Files in a folder: a generic connector."""

from __future__ import annotations

from vetbridge.connector.interface import Connector
from vetbridge.connector.plugin import Environment, Options, Plugin


class FilesOptions(Options):
    """Of an account."""


def build(options: FilesOptions, environment: Environment) -> Connector:
    """The connector of one account."""
    raise NotImplementedError


plugin = Plugin(name="files", title="Files in a folder", options=FilesOptions, build=build, mapping="neutral")
