"""A pause as people see it: what rests, since when, and what ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from vetbridge.config.models import Config
from vetbridge.core.installs import FROZEN, INSTALL, NOT_CONNECTED
from vetbridge.core.upgrades import CODES_CHANGED, SCHEMA_CHANGED
from vetbridge.desk.language import phrase

_REASONS: Mapping[str, str] = MappingProxyType(
    {
        CODES_CHANGED: "a code that the config names is gone at the vendor, or means something else now",
        SCHEMA_CHANGED: "a vendor shows records in another form than before",
        NOT_CONNECTED: "its app is not connected at the vendor; it goes on by itself once the clinic connects it",
        FROZEN: "the vendor has suspended its app; it goes on by itself once that is over",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseStatus:
    """One pause that holds now."""

    scope: str
    """``site``, ``account`` or ``kind``; ``install``: an account whose app is not connected."""
    name: str
    """``SITE/KIND`` of a kind."""
    since: datetime
    until: datetime | None
    """None: until somebody resumes it."""
    by: str
    command: str
    """What ends it; of an app that is not connected what shows it."""
    why: str = ""
    """A stable code, where VetBridge itself has paused it; empty where a person has."""
    reason: str = ""
    """The same in words."""


class Standing(Protocol):
    """A pause as the ledger keeps it."""

    @property
    def scope(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def since(self) -> datetime: ...
    @property
    def until(self) -> datetime | None: ...
    @property
    def by(self) -> str: ...
    @property
    def why(self) -> str: ...


def paused(config: Config, row: Standing) -> PauseStatus:
    """A pause that the ledger keeps, with the command that ends it."""
    return PauseStatus(
        scope=row.scope,
        name=row.name,
        since=row.since,
        until=row.until,
        by=row.by,
        command=_command(config, row),
        why=row.why,
        reason=reason(row.why),
    )


def _command(config: Config, row: Standing) -> str:
    if row.scope == INSTALL:
        return "vetbridge installs list"
    if row.scope == "kind":
        site, _, kind = row.name.partition("/")
        return f"vetbridge resume {site} --kind {kind}"
    shared = row.scope == "account" and row.name in config.sites
    return f"vetbridge resume {'account/' if shared else ''}{row.name}"


def reason(why: str) -> str:
    """Why VetBridge itself has paused something, in words; empty where a person has."""
    return phrase(_REASONS[why]) if why in _REASONS else why
