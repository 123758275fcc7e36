"""What is wrong and what was, and whether those who are to be told were: for alerts, and for `vetbridge alerts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vetbridge.config.models import Config
from vetbridge.core.conditions import Code, Condition, Scope, Severity
from vetbridge.desk.conditions import message, remedy
from vetbridge.ledger import episodes, events
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Episode

MOST_PAST = 5_000
"""Episodes that are over, of which those are chosen that fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One episode."""

    episode: int
    code: Code
    severity: Severity
    scope: Scope
    name: str
    kind: str
    sites: tuple[str, ...]
    """The sites that it touches; none where it is about VetBridge as a whole."""
    since: datetime
    raised_at: datetime
    """When VetBridge first found it."""
    seen_at: datetime
    cleared_at: datetime | None
    details: Mapping[str, str | int | float]
    text: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatus:
    """Whether one channel takes what it is told."""

    name: str
    tells: tuple[str, ...]
    """The types of events that it is told."""
    last: str
    """The type of what it was last handed, or is to be handed; empty: nothing yet."""
    state: str
    """``sent``, ``failed`` (given up) or ``waiting`` of that; empty: nothing yet."""
    code: str
    """Why it was not taken."""
    at: datetime | None
    """When it was taken, or given up."""
    waiting: int
    """So much waits for its next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """What is wrong, and who is told."""

    at: datetime
    episodes: tuple[Listed, ...]
    """Those that are open, what is needed now first; then those that are over, the last one to end first."""
    channels: tuple[ChannelStatus, ...]


def listing(tx: Transaction, config: Config, *, past: bool, site: str | None, limit: int) -> Alerts:
    """Open episodes, with ``past`` also those that are over; of a ``site`` also what touches VetBridge as a whole."""
    rows = [*episodes.standing(tx), *(episodes.past(tx, limit=MOST_PAST) if past else ())]
    found = [_listed(row, config) for row in rows]
    fits = [each for each in found if site is None or site in each.sites or not each.sites]
    urgency = list(Severity)
    still = sorted((each for each in fits if each.cleared_at is None), key=lambda each: urgency.index(each.severity))
    over = [each for each in fits if each.cleared_at is not None]
    told = events.told(tx)
    return Alerts(
        at=tx.now,
        episodes=tuple([*still, *over][:limit]),
        channels=tuple(_channel(name, tells, told.get(name)) for name, tells in channel_types(config).items()),
    )


def channel_types(config: Config) -> dict[str, tuple[str, ...]]:
    """By the name of each channel of the config, what it is told."""
    return {
        **{name: hook.events for name, hook in config.webhooks.items()},
        **{f"mail/{name}": mail.tells for name, mail in config.alerts.mails.items()},
        **{f"command/{name}": command.tells for name, command in config.alerts.commands.items()},
    }


def told(found: Condition, config: Config, episode: int | None) -> dict[str, Any]:
    """A condition as alerts tell it, in the language that is spoken. ``episode``: its number, where it has one."""
    return {
        "episode": episode,
        "code": found.code,
        "severity": found.severity,
        "scope": found.scope,
        "name": found.name,
        "kind": found.kind,
        "sites": sites(found, config),
        "since": events.moment(found.since),
        "details": dict(found.details),
        "text": message(found),
        "remedy": remedy(found),
    }


def sites(found: Condition, config: Config) -> list[str]:
    """The sites that a condition touches; none where it is about VetBridge as a whole."""
    match found.scope:
        case Scope.SITE:
            return [found.name]
        case Scope.REVIEW:
            return [str(found.details["site"])] if "site" in found.details else []
        case Scope.ACCOUNT:
            return [
                name for name, site in config.sites.items() if found.name in (site.booking.account, site.pims.account)
            ]
        case Scope.INSTALL:
            return [name for name in str(found.details.get("sites", "")).split(", ") if name in config.sites]
        case _:
            return []


def zone(config: Config) -> str:
    """The zone of the first site: by it alerts tell the time."""
    return next(iter(config.sites.values())).zone


def _listed(row: Episode, config: Config) -> Listed:
    found = episodes.condition(row)
    return Listed(
        episode=row.id or 0,
        code=found.code,
        severity=found.severity,
        scope=found.scope,
        name=found.name,
        kind=found.kind,
        sites=tuple(sites(found, config)),
        since=row.since,
        raised_at=row.raised_at,
        seen_at=row.seen_at,
        cleared_at=row.cleared_at,
        details=found.details,
        text=message(found),
        remedy=remedy(found),
    )


def _channel(name: str, tells: tuple[str, ...], last: events.Told | None) -> ChannelStatus:
    return ChannelStatus(
        name=name,
        tells=tells,
        last="" if last is None else last.type,
        state="" if last is None else last.state,
        code="" if last is None else last.code,
        at=None if last is None else last.at,
        waiting=0 if last is None else last.waiting,
    )


def lasted(listed: Listed) -> timedelta:
    """How long an episode lasted that is over."""
    return (listed.cleared_at or listed.seen_at) - listed.since
