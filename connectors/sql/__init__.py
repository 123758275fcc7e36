"""A database over ODBC: a generic connector, with a profile that says which select gives which record."""

from __future__ import annotations

from connectors.sql.connector import build
from connectors.sql.options import SqlOptions, declared
from vetbridge.connector.plugin import Plugin

plugin = Plugin(
    name="sql",
    title="A database over ODBC",
    options=SqlOptions,
    build=build,
    mapping="neutral",
    declares=declared,
)
