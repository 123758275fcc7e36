"""How each site does today, for whoever opens the page in the morning: a traffic light, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from vetbridge.config.models import Site
from vetbridge.core.conditions import Code, Scope, Severity
from vetbridge.core.installs import INSTALL
from vetbridge.desk.language import phrase, phrases
from vetbridge.desk.paused import PauseStatus
from vetbridge.desk.status import AccountStatus, SiteStatus, Status
from vetbridge.desk.wording import ago, ahead, span

SILENT = timedelta(minutes=15)
"""So long a side may not answer before somebody has to look."""
NEAR = timedelta(hours=2)
"""A question whose visit is nearer than this is to be answered now."""
SLOW = timedelta(minutes=15)
"""So long a change may wait before a light says so."""


class Light(StrEnum):
    """What a light shows, the worst first."""

    BAD = "bad"
    """Nothing is carried over, or something failed: somebody has to see to it."""
    LOOK = "look"
    """Something waits that passes by itself, or a question that is near."""
    GOOD = "good"
    """Bookings are carried over."""
    OFF = "off"
    """The pair has ended: it is left alone."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence about a site."""

    light: Light
    words: str
    about: str = ""
    """What it counts, for a link to the list: ``review``, ``failures``, ``worklist``; empty: it counts nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteToday:
    """One site."""

    name: str
    title: str
    light: Light
    word: str
    """What the light says, in a word or two."""
    reasons: tuple[Reason, ...]
    """The worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """Every site, the worst first, then by its name."""

    sites: tuple[SiteToday, ...]
    """Those that need a look."""
    good: tuple[SiteToday, ...]
    """Those that carry bookings over."""
    ended: tuple[SiteToday, ...]


_WORDS: Mapping[Light, str] = {
    Light.BAD: "Needs you",
    Light.LOOK: "Have a look",
    Light.GOOD: "All is well",
    Light.OFF: "Ended",
}

_ACCOUNT_PAUSED = (
    "{name} is paused; it goes on {ahead}.",
    "{name} is paused until somebody resumes it: nothing is carried over.",
)
_SITE_PAUSED = (
    "The site is paused; it goes on {ahead}.",
    "The site is paused until somebody resumes it: nothing is carried over.",
)


_SAID_HERE = frozenset(
    {
        Code.DAEMON_DOWN,
        Code.ACCOUNT_BLOCKED,
        Code.ACCOUNT_UNREACHABLE,
        Code.MIRROR_STALE,
        Code.FUSE_BLOWN,
        Code.UPGRADE_PAUSED,
        Code.QUESTION_SOON,
    }
)
"""Conditions that this page has its own words for. Those that can wait a day are the admin's."""


def today(status: Status, sites: Mapping[str, Site]) -> Today:
    """How every site does."""
    accounts = {account.name: account for account in status.accounts}
    found = sorted(
        (_site(each, _sides(sites.get(each.name), accounts), status) for each in status.sites),
        key=lambda each: (tuple(Light).index(each.light), each.title.casefold(), each.name),
    )
    return Today(
        sites=tuple(each for each in found if each.light in (Light.BAD, Light.LOOK)),
        good=tuple(each for each in found if each.light is Light.GOOD),
        ended=tuple(each for each in found if each.light is Light.OFF),
    )


def _sides(site: Site | None, accounts: Mapping[str, AccountStatus]) -> Sequence[AccountStatus]:
    names = () if site is None else dict.fromkeys((site.booking.account, site.pims.account))
    return [accounts[name] for name in names if name in accounts]


def _site(site: SiteStatus, sides: Sequence[AccountStatus], status: Status) -> SiteToday:
    now = status.at
    if site.ended_at is not None:
        words = phrase("Its pair ended {ago}: nothing is read or written for it.", ago=ago(site.ended_at, now))
        reasons = [Reason(Light.OFF, words)]
    else:
        reasons = [
            *_daemon(status),
            *(reason for side in sides for reason in _account(side, now)),
            *_held_back(site, now),
            *_waiting(site, now),
            *_conditions(site, sides, status),
            _last_write(site, now),
        ]
        reasons.sort(key=lambda each: tuple(Light).index(each.light))
    light = reasons[0].light
    return SiteToday(
        name=site.name, title=site.title, light=light, word=phrase(_WORDS[light]), reasons=tuple(reasons)
    )


def _daemon(status: Status) -> list[Reason]:
    if status.daemon.running:
        return []
    return [Reason(Light.BAD, phrase("VetBridge is not running: nothing is carried over."))]


def _account(side: AccountStatus, now: datetime) -> list[Reason]:
    """What a side says that somebody should know."""
    said = {"account": side.name}
    silent_one = {"account": f"{side.name}.{side.failing_part}" if side.failing_part else side.name}
    if side.blocked_code is not None:
        words = phrase(
            "{account} lets VetBridge in no more: nothing is carried over. {advice}", **silent_one, advice=side.advice
        )
        return [Reason(Light.BAD, words)]
    reasons = []
    if side.pause is not None:
        reasons.append(_paused(_ACCOUNT_PAUSED, side.pause, now))
    if side.failing_since is not None:
        silent = now - side.failing_since
        words = phrase(
            "{account} has not answered for {span}; VetBridge keeps asking.",
            **silent_one,
            span=span(silent.total_seconds()),
        )
        reasons.append(Reason(Light.BAD if silent > SILENT else Light.LOOK, words))
    elif side.paused_until is not None:
        words = phrase(
            "{account} wants a pause; it is asked again {ahead}.", **said, ahead=ahead(side.paused_until, now)
        )
        reasons.append(Reason(Light.LOOK, words))
    if side.mirror is not None and not side.mirror.complete:
        words = phrase(
            "The clients of {account} are being read for the first time; until then nobody counts as new.", **said
        )
        reasons.append(Reason(Light.LOOK, words))
    elif side.mirror is not None and side.mirror.stale:
        words = phrase("The clients of {account} were read too long ago; until then nobody counts as new.", **said)
        reasons.append(Reason(Light.LOOK, words))
    return reasons


def _paused(said: tuple[str, str], pause: PauseStatus, now: datetime) -> Reason:
    """A pause: ``said`` is how it is said with its end, and without one."""
    if pause.scope == INSTALL:
        words = phrase("{account} rests: {reason}. Nothing is carried over.", account=pause.name, reason=pause.reason)
        return Reason(Light.BAD, words)
    with_end, without = said
    if pause.until is None:
        return Reason(Light.BAD, phrase(without, name=pause.name))
    return Reason(Light.LOOK, phrase(with_end, name=pause.name, ahead=ahead(pause.until, now)))


def _held_back(site: SiteStatus, now: datetime) -> list[Reason]:
    """What keeps a site from writing all that it would."""
    reasons = []
    if site.pause is not None:
        reasons.append(_paused(_SITE_PAUSED, site.pause, now))
    if site.in_shadow:
        words = phrase("It only looks on: nothing is written until somebody approves it.")
        reasons.append(Reason(Light.LOOK, words))
    elif site.is_pairing:
        words = phrase("It is approved, and writes as soon as both sides have been read and paired once more.")
        reasons.append(Reason(Light.LOOK, words))
    if site.fuse is not None:
        words = phrases(
            "So much was to change at once that VetBridge stopped to ask: one change waits for an answer.",
            "So much was to change at once that VetBridge stopped to ask: {count} changes wait for an answer.",
            site.fuse.held.count,
        )
        reasons.append(Reason(Light.BAD, words, "review"))
    if site.over_quota:
        words = phrases(
            "One change waits, as more would be created than the first days allow.",
            "{count} changes wait, as more would be created than the first days allow.",
            site.over_quota,
        )
        reasons.append(Reason(Light.LOOK, words))
    return reasons


def _waiting(site: SiteStatus, now: datetime) -> list[Reason]:
    """What waits for somebody, or for something."""
    reasons = []
    if site.failures.count:
        words = phrases(
            "One failure waits to be seen to.", "{count} failures wait to be seen to.", site.failures.count
        )
        reasons.append(Reason(Light.BAD, words, "failures"))
    if site.review.count:
        words = phrases("One question waits.", "{count} questions wait.", site.review.count)
        light = Light.GOOD
        if site.soonest_visit is not None and site.soonest_visit > now:
            words = f"{words} {phrase('The next visit is {ahead}.', ahead=ahead(site.soonest_visit, now))}"
            light = Light.LOOK if site.soonest_visit - now < NEAR else Light.GOOD
        reasons.append(Reason(light, words, "review"))
    if site.by_hand.count:
        words = phrases(
            "One line of the work list is to be done by hand.",
            "{count} lines of the work list are to be done by hand.",
            site.by_hand.count,
        )
        reasons.append(Reason(Light.GOOD, words, "worklist"))
    waits = site.changes["waiting"].count + site.changes["received"].count - site.waiting_by_hand
    if waits and site.oldest_open is not None and now - site.oldest_open > SLOW:
        words = phrases(
            "One change is on its way, for {span} now.",
            "{count} changes are on their way, the first for {span} now.",
            waits,
            span=span((now - site.oldest_open).total_seconds()),
        )
        reasons.append(Reason(Light.LOOK, words))
    return reasons


def _conditions(site: SiteStatus, sides: Sequence[AccountStatus], status: Status) -> list[Reason]:
    """What else is wrong now with the site, its sides, or VetBridge as a whole."""
    concerned = {
        (Scope.SITE, site.name),
        *((Scope.ACCOUNT, side.name) for side in sides),
    }
    return [
        Reason(Light.BAD, each.message)
        for each in status.conditions
        if each.severity == Severity.NOW
        and each.code not in _SAID_HERE
        and (each.scope == Scope.VETBRIDGE or (each.scope, each.name) in concerned)
    ]


def _last_write(site: SiteStatus, now: datetime) -> Reason:
    if site.last_write is None:
        return Reason(Light.GOOD, phrase("No booking was carried over yet."))
    return Reason(Light.GOOD, phrase("The last booking was carried over {ago}.", ago=ago(site.last_write, now)))
