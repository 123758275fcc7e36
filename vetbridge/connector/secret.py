"""Secrets for connectors, which may not import the config package."""

from vetbridge.config.secrets import Secret

__all__ = ["Secret"]
