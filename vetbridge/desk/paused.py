"""A pause as people see it: what rests, since when, and what ends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from vetbridge.config.models import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseStatus:
    """One pause that holds now."""

    scope: str
    """``site`` or ``account``."""
    name: str
    since: datetime
    until: datetime | None
    """None: until somebody resumes it."""
    by: str
    command: str
    """What ends it."""


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


def paused(config: Config, row: Standing) -> PauseStatus:
    """A pause that the ledger keeps, with the command that ends it."""
    shared = row.scope == "account" and row.name in config.sites
    return PauseStatus(
        scope=row.scope,
        name=row.name,
        since=row.since,
        until=row.until,
        by=row.by,
        command=f"vetbridge resume {'account/' if shared else ''}{row.name}",
    )
