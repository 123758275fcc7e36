"""Paths in the options of connectors, which may not import the config package: they start at the config's folder."""

from vetbridge.config.models import FolderPath

__all__ = ["FolderPath"]
