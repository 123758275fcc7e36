"""What is wrong now: the one list that status, health, metrics, alerts and the page show.

``standing`` says what the ledger alone tells, ``machine`` what the running daemon has seen of its machine and written
down, ``daemon_down`` that nothing runs. Pure functions over a glance at the ledger; none of them needs the database
library. ``message`` and ``remedy`` put a condition into words; docs/alerts.md has a part for each code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from vetbridge.config.models import Config
from vetbridge.connector.configured import places
from vetbridge.core.conditions import Code, Condition, Scope, Severity, overdue_since
from vetbridge.core.errors import Unavailable
from vetbridge.core.installs import INSTALL
from vetbridge.core.opening import Opening
from vetbridge.core.records import Kind
from vetbridge.desk.advice import next_step
from vetbridge.desk.installs import is_app
from vetbridge.desk.language import moment, phrase
from vetbridge.desk.paused import reason
from vetbridge.ledger.glance import AccountReport, Glance, GoingLiveReport, InstallReport, SiteReport

OBSERVED = frozenset(
    {
        Code.ROUNDS_STUCK,
        Code.HOOK_SILENT,
        Code.LEDGER_BUSY,
        Code.DISK_LOW,
        Code.DISK_FULL,
        Code.CLOCK_MOVED,
        Code.CLOCK_WRONG,
        Code.CERTIFICATE_ENDS,
        Code.BACKUP_FAILED,
    }
)
"""What only the running daemon can see; who looks at the ledger knows it from its episodes."""

SEEN_WITHIN = timedelta(minutes=10)
"""An episode that the daemon has not found again for longer says nothing: nobody looks any more."""
MISSED_ROUNDS = 3
"""Where rounds are rarer than ``watch.read_stale``, a reading is stale when so many of them have failed to come."""
GRACE = timedelta(minutes=5)
"""After a start, a resume or an outage a mirror has so long to be brought up to date."""

FIRST_READING = timedelta(days=1)
"""So long the first reading of a large clinic may take; one that takes longer does not get on."""

CONNECTING = timedelta(minutes=2)
"""A branch that the config knows has so long to be connected after Connect before anybody is told; and a vendor that
suddenly knows nothing of an install so long to know of it again."""
UNREAD_AFTER = timedelta(hours=2)
"""Every install is looked at every ten minutes; so long after the last look somebody is told."""
NO_SITE = "no-site"
"""Why an install waits: no account of the config is for it."""

_EVERY: Mapping[Kind, str] = MappingProxyType(
    {Kind.ATTACHMENT: "files", Kind.VACCINATION: "due_services", Kind.REMINDER: "due_services"}
)
"""By which of the timings a side is asked for these kinds; they are read where a site wants them alone."""
_DOWN_FOLLOWS = frozenset({Code.READ_STALE, Code.WRITE_STALE, Code.MIRROR_STALE, Code.ACCOUNT_UNREACHABLE})
"""What follows by itself where nothing runs, or cannot be known, as nobody asks."""


def everything(glance: Glance, config: Config, pid: int | None) -> tuple[Condition, ...]:
    """All that is wrong, the most urgent first. ``pid``: of the process that works on the ledger; None: none does."""
    down = daemon_down(glance, pid)
    if down is not None:
        rest = [each for each in standing(glance, config) if each.code not in _DOWN_FOLLOWS]
        return in_order([down, *rest])
    return in_order([*standing(glance, config), *(machine(glance) if pid is not None else ())])


def in_order(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """The most urgent first, then as the codes are listed, then those that have held for longest."""
    severities, codes = tuple(Severity), tuple(Code)
    return tuple(
        sorted(
            conditions,
            key=lambda each: (severities.index(each.severity), codes.index(each.code), each.since, each.key),
        )
    )


def daemon_down(glance: Glance, pid: int | None) -> Condition | None:
    """That nothing works on the ledger, though `vetbridge run` did last: it ended, or was cut off.

    Not where `vetbridge sync` was the last: whoever lets that be called by another clock has no daemon.
    """
    run = glance.run
    if pid is not None or run is None or run.command != "run":
        return None
    return Condition(
        code=Code.DAEMON_DOWN,
        scope=Scope.VETBRIDGE,
        since=run.ended_at or run.started_at,
        details={"how": "ended" if run.ended_at else "cut-off"},
    )


def machine(glance: Glance) -> tuple[Condition, ...]:
    """What the running daemon has seen of its machine, as it has written it down."""
    since = glance.at - SEEN_WITHIN
    return tuple(
        Condition(
            code=Code(each.code),
            scope=Scope(each.scope),
            name=each.name,
            kind=each.kind,
            since=each.since,
            details=each.details,
        )
        for each in glance.episodes
        if each.code in OBSERVED and each.scope in tuple(Scope) and each.seen_at >= since
    )


def standing(glance: Glance, config: Config) -> tuple[Condition, ...]:
    """What the ledger tells to be wrong, whoever looks at it."""
    view = _View(glance, config)
    return in_order(
        [
            *_accounts(view),
            *_reads(view),
            *_mirrors(view),
            *_mass_ends(view),
            *_sites(view),
            *_installs(view),
            *_writes(view),
            *_questions(view),
            *_lines(view),
            *_deliveries(view),
            *_backup(view),
        ]
    )


# -- freshness, also for status and metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """When something last happened, and whether that is too long ago."""

    account: str
    kind: Kind
    at: datetime | None
    """None: never yet."""
    age: float | None
    """Seconds since then."""
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How writes of one kind do at a site."""

    kind: Kind
    last_at: datetime | None
    waiting_since: datetime | None
    """When the oldest change was received that nobody and nothing holds back by design."""
    stale: bool


def reads(glance: Glance, config: Config, site: str) -> tuple[Freshness, ...]:
    """When each kind of records was last read for a site of the config, the booking side first."""
    view = _View(glance, config)
    known = config.sites[site]
    names = dict.fromkeys((known.booking.account, known.pims.account))
    return tuple(each for name in names if name in glance.accounts for each in view.reads(glance.accounts[name]))


def writes(glance: Glance, config: Config, site: str) -> tuple[Writing, ...]:
    """How writes of each kind do at a site of the config; kinds that had none yet are left out."""
    view = _View(glance, config)
    row = glance.sites.get(site)
    if row is None:
        return ()
    stale = view.stuck(site, row)
    return tuple(
        Writing(
            kind=kind,
            last_at=row.written.get(kind),
            waiting_since=None if view.held_back(site, kind) else row.waiting.get(kind),
            stale=kind in stale,
        )
        for kind in Kind
        if kind in row.written or kind in row.waiting
    )


class _View:
    """A glance at the ledger with what the config says of it."""

    def __init__(self, glance: Glance, config: Config) -> None:
        self.glance, self.config = glance, config
        self.now = glance.at
        self.disconnected = {each.name for each in glance.pauses if each.scope == INSTALL}
        """Accounts whose app is not connected."""
        self._paused = {("account" if each.scope == INSTALL else each.scope, each.name) for each in glance.pauses}
        self._places = places(config)
        self._connected = {
            account: each.changed_at
            for each in glance.installs
            if each.state == "active"
            for account in self._places.get(each.app, {}).get(each.location, ())
        }
        self._opening = {
            name: Opening({str(day): spans for day, spans in site.opening_hours.items()}, site.zone)
            for name, site in config.sites.items()
        }
        self._pims = {site.pims.account for site in config.sites.values()}
        run = glance.run
        self.runs = run is not None and run.command == "run" and run.ended_at is None
        """A daemon works, or was cut off; what is `sync`ed now and then is fresh as often as that."""
        self._began_at = (run.since or run.started_at) if run is not None else glance.at
        self._sites = {
            account: [
                name for name, site in config.sites.items() if account in (site.booking.account, site.pims.account)
            ]
            for account in config.accounts
        }
        self._silent = {
            *(each.name for each in glance.episodes if each.code in (Code.ACCOUNT_BLOCKED, Code.ACCOUNT_UNREACHABLE)),
            *(row.name for row in glance.accounts.values() if row.blocked_code or self.unreachable(row)),
        }

    def going_live(self, site: str) -> GoingLiveReport | None:
        return self.glance.going_live.get(site)

    def ended(self, site: str) -> bool:
        row = self.going_live(site)
        return row is not None and row.ended_at is not None

    def sites_of(self, account: str) -> Sequence[str]:
        """The sites of the config that use an account."""
        return self._sites.get(account, ())

    def paused(self, scope: str, name: str) -> bool:
        return (scope, name) in self._paused

    def connects(self, app: str, location: str) -> list[str]:
        """The sites of the config that an app connects at a location."""
        accounts = self._places.get(app, {}).get(location, ())
        return list(dict.fromkeys(site for account in accounts for site in self.sites_of(account)))

    def sites(self) -> Iterator[tuple[str, SiteReport]]:
        """The sites of the config that have not ended and that the ledger knows."""
        for name in self.config.sites:
            if name in self.glance.sites and not self.ended(name):
                yield name, self.glance.sites[name]

    def accounts(self) -> Iterator[AccountReport]:
        """The accounts of the config that a site uses which has not ended, as the ledger knows them."""
        for name, sites in self._sites.items():
            if name in self.glance.accounts and not all(map(self.ended, sites)):
                yield self.glance.accounts[name]

    def rests(self, account: str) -> bool:
        """Whether an account has no rounds: a person, or VetBridge, has paused it or all the sites that use it."""
        if self.paused("account", account):
            return True
        return all(self.paused("site", site) or self.ended(site) for site in self._sites[account])

    def unreachable(self, row: AccountReport) -> bool:
        """Whether a vendor does not answer for too long. One that was not asked since the start is not known to."""
        asked = row.paused_until is not None
        since = row.failing_since
        return (
            asked
            and since is not None
            and is_failing(row)
            and self.now - since > timedelta(seconds=self.config.watch.unreachable)
        )

    def is_missed(self, row: AccountReport) -> bool:
        """Whether that is so in opening hours, too: vendors are maintained at night."""
        since = row.failing_since
        limit = timedelta(seconds=self.config.watch.unreachable)
        return since is not None and self.unreachable(row) and self.open_since(self.awake(row.name), since) > limit

    def excused(self, account: str) -> bool:
        """Whether it is known already why nothing is read of an account: it rests, or its vendor does not answer."""
        return account in self._silent or self.rests(account)

    def floor(self, account: str, *more: tuple[str, str]) -> datetime:
        """Since when there are rounds for an account: since the start, a resume, the end of an outage, or since its
        app has been connected."""
        scopes = [("account", account), *(("site", site) for site in self._sites.get(account, ())), *more]
        known = (self.glance.resumed, self.glance.recovered)
        connected = [self._connected[account]] if account in self._connected else []
        return max(
            [self._began_at, *connected, *(each[scope] for each in known for scope in scopes if scope in each)]
        )

    def unread(self, app: str) -> list[datetime]:
        """Since when the vendor has not said how an app stands, for each location of which that is too long."""
        seen = {each.location: each.seen_at for each in self.glance.installs if each.app == app}
        ours = [seen.get(location) for location in {*seen, *self._places.get(app, {})}]
        since = [max(at or self._began_at, self._began_at) for at in ours]
        return [at for at in since if self.runs and self.now - at > UNREAD_AFTER]

    def is_pims(self, account: str) -> bool:
        return account in self._pims

    def awake(self, account: str) -> list[str]:
        """The sites that use an account and have neither ended nor been paused."""
        return [site for site in self.sites_of(account) if not self.paused("site", site) and not self.ended(site)]

    def is_open(self, sites: Sequence[str]) -> bool:
        """Whether somebody is at one of these sites now."""
        return any(self._opening[site].is_open(self.now) for site in sites)

    def open_since(self, sites: Sequence[str], since: datetime) -> timedelta:
        """How much open time of these sites lies since a moment; the most of any."""
        return max((self._opening[site].open_between(since, self.now) for site in sites), default=timedelta())

    def opening(self, site: str) -> Opening:
        """When somebody is at a site of the config."""
        return self._opening[site]

    def is_left_alone(self, site: str) -> bool:
        """Whether nobody is to do anything for a site: it is paused, in the shadow, or has ended."""
        row = self.going_live(site)
        return self.paused("site", site) or self.ended(site) or (row is not None and row.in_shadow)

    # -- reading

    def reads(self, row: AccountReport) -> tuple[Freshness, ...]:
        """When each kind was last read at an account; a first reading that is under way counts as none yet."""
        found: dict[Kind, datetime | None] = {Kind.APPOINTMENT: row.listed.get(Kind.APPOINTMENT)}
        if row.name in self._pims:
            found |= dict.fromkeys((Kind.CLIENT, Kind.PET), row.mirror_read_at)
            wanted = [kind for kind in _EVERY if self._wanting(row.name, kind)]
            found |= {kind: row.listed[kind] for kind in wanted if kind in row.listed}
        else:
            found |= {kind: at for kind, at in row.listed.items() if kind is not Kind.APPOINTMENT}
        return tuple(
            Freshness(
                account=row.name,
                kind=kind,
                at=at,
                age=None if at is None else (self.now - at).total_seconds(),
                stale=self._is_stale(row, kind, at),
            )
            for kind, at in found.items()
        )

    def _wanting(self, account: str, kind: Kind) -> list[str]:
        """The sites that want what a PIMS account is asked for beside its clients, pets and visits."""
        known = {name: self.config.sites[name] for name in self.sites_of(account)}
        if kind is Kind.ATTACHMENT:
            return [name for name, site in known.items() if site.attachments and site.attachments.to_booking]
        return [name for name, site in known.items() if site.reminders]

    def _is_stale(self, row: AccountReport, kind: Kind, at: datetime | None) -> bool:
        if row.name not in self._sites or not self.runs or self.excused(row.name):
            return False
        floor = self.floor(row.name)
        if kind is Kind.ATTACHMENT and row.name in self._pims:  # nor is it asked while the other side is silent
            others = [self.config.sites[name].booking.account for name in self._wanting(row.name, kind)]
            if all(self.excused(other) for other in others):
                return False
            floor = max(floor, *(self.floor(other) for other in others))
        begun_at = min((each.begun_at for each in row.readings), default=None)
        if (
            begun_at is not None
            and row.mirror_complete_at is None
            and self.now - max(begun_at, floor) <= FIRST_READING
        ):
            return False
        timings, accounts = self.config.timings, self.config.accounts
        usual = timings.pims_refresh if row.name in self._pims else accounts[row.name].poll
        every = getattr(timings, _EVERY[kind]) if kind in _EVERY else usual
        limit = timedelta(seconds=max(self.config.watch.read_stale, MISSED_ROUNDS * every))
        return self.open_since(self.awake(row.name), floor if at is None else max(at, floor)) > limit

    # -- writing

    def held_back(self, site: str, kind: Kind) -> bool:
        """Whether nothing is to be written of a kind at a site, or it is known already why nothing can be."""
        known = self.config.sites[site]
        row = self.going_live(site)
        return (
            self.is_left_alone(site)
            or (row is not None and row.is_pairing)
            or self.paused("kind", f"{site}/{kind}")
            or self.excused(known.booking.account)
            or self.excused(known.pims.account)
        )

    def stuck(self, site: str, row: SiteReport) -> dict[Kind, datetime]:
        """Kinds whose oldest open change waits for too long, and since when it waits."""
        found = {}
        limit = timedelta(seconds=self.config.watch.write_stale)
        known = self.config.sites[site]
        for kind, received_at in row.waiting.items():
            if not self.runs or self.held_back(site, kind):
                continue
            more = (("site", site), ("kind", f"{site}/{kind}"))
            floors = [self.floor(name, *more) for name in (known.booking.account, known.pims.account)]
            since = max(received_at, *floors)
            if self.open_since([site], since) > limit:
                found[kind] = since
        return found


def is_failing(row: AccountReport) -> bool:
    """An outage is on, unless the vendor answered after the last pause was over."""
    if row.failing_since is None:
        return False
    over = row.paused_until or row.failing_since
    return row.answered_at is None or row.answered_at < over


def _accounts(view: _View) -> Iterator[Condition]:
    for row in view.accounts():
        if row.name in view.disconnected:
            continue  # which the install's own condition tells
        if row.blocked_code is not None:
            yield Condition(
                code=Code.ACCOUNT_BLOCKED,
                scope=Scope.ACCOUNT,
                name=row.name,
                since=row.failing_since or row.answered_at or view.now,
                details={"why": row.blocked_code, **_part(row.failing_part)},
            )
        elif row.failing_since is not None and view.is_missed(row) and not view.rests(row.name):
            yield Condition(
                code=Code.ACCOUNT_UNREACHABLE,
                scope=Scope.ACCOUNT,
                name=row.name,
                since=row.failing_since,
                details={
                    "seconds": round((view.now - row.failing_since).total_seconds()),
                    "why": row.failing_code or Unavailable.code,
                    **_part(row.failing_part),
                },
            )


def _reads(view: _View) -> Iterator[Condition]:
    for row in view.accounts():
        for each in view.reads(row):
            if each.stale:
                since = each.at or view.floor(row.name)
                yield Condition(
                    code=Code.READ_STALE,
                    scope=Scope.ACCOUNT,
                    name=row.name,
                    kind=each.kind.value,
                    since=since,
                    details={
                        "seconds": round((view.now - since).total_seconds()),
                        **_part(view.config.accounts[row.name].part_of(each.kind)),
                    },
                )


def _part(name: str) -> dict[str, str]:
    """Which part of an account a condition is about, for its details."""
    return {"part": name} if name else {}


def _mirrors(view: _View) -> Iterator[Condition]:
    limit = timedelta(seconds=view.config.timings.mirror_stale)
    for row in view.accounts():
        at = row.mirror_read_at
        if at is None or row.mirror_complete_at is None or not view.is_pims(row.name) or not view.runs:
            continue
        if view.excused(row.name) or view.now - at <= limit or view.now - view.floor(row.name) <= GRACE:
            continue
        if not view.is_open(view.awake(row.name)):
            continue
        yield Condition(
            code=Code.MIRROR_STALE,
            scope=Scope.ACCOUNT,
            name=row.name,
            since=at + limit,
            details={"seconds": round((view.now - at).total_seconds())},
        )


def _mass_ends(view: _View) -> Iterator[Condition]:
    for each in view.glance.mass_ends:
        if view.is_pims(each.account):
            yield Condition(
                code=Code.MANY_ENDED,
                scope=Scope.ACCOUNT,
                name=each.account,
                kind=each.kind,
                since=each.since,
                details={"count": each.ending, "standing": each.standing},
            )


def _sites(view: _View) -> Iterator[Condition]:
    for name, row in view.sites():
        failed = row.unacknowledged - row.expired
        live = view.going_live(name)
        for code, count, since in (
            (Code.WRITE_EXPIRED, row.expired, row.expiring_since),
            (Code.FAILURES_WAIT, failed, row.failing_since),
            (Code.FUSE_BLOWN, view.glance.held.get(name, 0), view.glance.blown.get(name)),
            (Code.QUOTA_REACHED, live.over_quota if live else 0, live.over_quota_since if live else None),
        ):
            if since is not None and (count or code is Code.FUSE_BLOWN):
                yield Condition(code=code, scope=Scope.SITE, name=name, since=since, details={"count": count})
    for pause in view.glance.pauses:
        if pause.scope == INSTALL:
            continue  # which the install's own condition tells
        known = view.config.sites if pause.scope == "site" else view.config.accounts
        of = [pause.name] if pause.scope == "site" else view.sites_of(pause.name)
        if pause.why and pause.name in known and not all(map(view.ended, of)):
            scope = Scope.SITE if pause.scope == "site" else Scope.ACCOUNT
            yield Condition(
                code=Code.UPGRADE_PAUSED, scope=scope, name=pause.name, since=pause.since, details={"why": pause.why}
            )


def _installs(view: _View) -> Iterator[Condition]:
    """Where marketplace apps are not connected; of an app that is no longer in the config nothing is said."""
    for each in view.glance.installs:
        if each.app not in view.config.apps:
            continue
        sites = view.connects(each.app, each.location)
        found = _install(view, each, sites)
        if found is None:
            continue
        code, since, why = found
        details: dict[str, str | int | float] = {"app": each.app, "location": each.location}
        details |= {"sites": ", ".join(sites), "site": sites[0] if sites else "", "why": why}
        if each.until_at is not None:
            # At the clinic's own time, for people.
            zone = ZoneInfo(view.config.sites[sites[0] if sites else next(iter(view.config.sites))].zone)
            details["until_at"] = each.until_at.astimezone(zone).isoformat()
        name = f"{each.app}/{each.location}"
        yield Condition(code=code, scope=Scope.INSTALL, name=name, since=since, details=details)
    for app in view.config.apps:
        unread = view.unread(app)
        if unread:
            details = {"app": app, "count": len(unread)}
            yield Condition(
                code=Code.INSTALL_UNREAD, scope=Scope.INSTALL, name=app, since=min(unread), details=details
            )


def _install(view: _View, each: InstallReport, sites: Sequence[str]) -> tuple[Code, datetime, str] | None:
    """What is wrong with one install, since when, and why."""
    if each.state == "pending":
        since = each.asked_at or each.changed_at
        if sites and not each.code and view.now - since < CONNECTING:
            return None
        return Code.INSTALL_WAITS, since, each.code if sites else NO_SITE
    rows = {site: view.going_live(site) for site in sites}
    ended = [row.ended_at for row in rows.values() if row is not None and is_app(row.ended_by) and row.ended_at]
    standing = [site for site in sites if not view.ended(site)]
    if each.state == "unknown" and view.now - each.changed_at < CONNECTING:
        return None  # the vendor is asked again before anybody is told
    if any((row := rows[site]) is not None and not row.in_shadow for site in standing) and each.state in _MISSING:
        return Code.INSTALL_MISSING, each.changed_at, _MISSING[each.state]
    if each.state == "active" and ended:
        return Code.INSTALL_MISSING, each.changed_at, each.state
    if each.state == "lapsed":
        return Code.INSTALL_LAPSED, each.changed_at, each.code
    if each.state == "frozen" and standing:
        return Code.INSTALL_FROZEN, each.changed_at, ""
    if ended or (standing and each.state in ("uninstalled", "unknown")):
        return Code.INSTALL_GONE, min([*ended, each.changed_at]), each.state
    return None


_MISSING: Mapping[str, str] = MappingProxyType({"unknown": "unknown", "uninstalled": "taken", "lapsed": "lapsed"})
"""What a live pair lacks, by the state of its install."""


def _writes(view: _View) -> Iterator[Condition]:
    for name, row in view.sites():
        for kind, since in view.stuck(name, row).items():
            yield Condition(
                code=Code.WRITE_STALE,
                scope=Scope.SITE,
                name=name,
                kind=kind.value,
                since=since,
                details={"seconds": round((view.now - since).total_seconds())},
            )


def _questions(view: _View) -> Iterator[Condition]:
    nudge = timedelta(seconds=view.config.watch.nudge)
    for each in view.glance.soon:
        row = view.going_live(each.site)
        if each.site not in view.config.sites or (row is not None and (row.in_shadow or row.ended_at is not None)):
            continue
        if each.visit_at <= view.now + nudge:
            zone = ZoneInfo(view.config.sites[each.site].zone)
            yield Condition(
                code=Code.QUESTION_SOON,
                scope=Scope.REVIEW,
                name=str(each.id),
                since=max(each.visit_at - nudge, each.opened_at),
                # At the clinic's own time, for people; the same at every look, for alerts.
                details={"site": each.site, "why": each.why, "visit_at": each.visit_at.astimezone(zone).isoformat()},
            )


def _lines(view: _View) -> Iterator[Condition]:
    """Visits on the work list that are overdue; what rests is not late."""
    stands = timedelta(seconds=view.config.watch.line_overdue)
    nudge = timedelta(seconds=view.config.watch.nudge)
    overdue: dict[str, list[tuple[datetime, datetime]]] = {}
    for each in view.glance.lines:
        if each.site not in view.config.sites or view.is_left_alone(each.site):
            continue
        since = overdue_since(
            each.opened_at,
            each.visit_at,
            view.now,
            view.opening(each.site),
            stands=stands,
            nudge=nudge,
            ticked_at=each.ticked_at,
        )
        if since is not None:
            overdue.setdefault(each.site, []).append((since, each.visit_at))
    for site, found in overdue.items():
        zone = ZoneInfo(view.config.sites[site].zone)
        soonest = min(visit_at for _, visit_at in found)
        yield Condition(
            code=Code.LINE_OVERDUE,
            scope=Scope.SITE,
            name=site,
            since=min(since for since, _ in found),
            # At the clinic's own time, for people.
            details={"count": len(found), "visit_at": soonest.astimezone(zone).isoformat()},
        )


def _deliveries(view: _View) -> Iterator[Condition]:
    alerts = view.config.alerts
    channels = {
        *view.config.webhooks,
        *(f"mail/{name}" for name in alerts.mails),
        *(f"command/{name}" for name in alerts.commands),
    }
    for each in view.glance.lost:
        if each.channel in channels:
            yield Condition(
                code=Code.DELIVERY_FAILED,
                scope=Scope.CHANNEL,
                name=each.channel,
                since=each.first_at,
                details={"count": each.count},
            )


def _backup(view: _View) -> Iterator[Condition]:
    if view.config.backup is None or view.glance.run is None:
        return
    made_at = view.glance.backed_up_at
    since = made_at or view.glance.run.started_at
    limit = timedelta(hours=view.config.watch.backup_hours)
    if view.now - since > limit:
        details = {"seconds": round((view.now - since).total_seconds())}
        yield Condition(code=Code.BACKUP_OLD, scope=Scope.VETBRIDGE, since=since + limit, details=details)


# -- in words

_MESSAGES: Mapping[Code, str] = MappingProxyType(
    {
        Code.DAEMON_DOWN: "VetBridge is not running: nothing is carried over.",
        Code.ROUNDS_STUCK: "VetBridge runs, but rounds of it do not end: {rounds}.",
        Code.ACCOUNT_BLOCKED: "{name} lets VetBridge in no more ({why}): nothing is carried over.",
        Code.ACCOUNT_UNREACHABLE: "{name} has not answered for {span}.",
        Code.READ_STALE: "{name}: {kinds} have not been read for {span}.",
        Code.WRITE_STALE: "{name}: {kinds} have waited to be written for {span}, and nobody holds them back.",
        Code.WRITE_EXPIRED: "{name}: visits that began before they could be written: {count}.",
        Code.HOOK_SILENT: "{name} sends no webhooks any more; changes in a row that only polls have found: {misses}.",
        Code.QUESTION_SOON: "{site}: question {name} is open, and its visit begins {visit}.",
        Code.LINE_OVERDUE: "{name}: visits on the work list that nobody has typed in time, or no reading shows: "
        "{count}; the next one begins {visit}.",
        Code.FUSE_BLOWN: "{name}: so much was to change at once that the fuse has blown; changes that wait: {count}.",
        Code.MANY_ENDED: "{name} tells {count} of {standing} {kinds} to be gone, inactive or deceased, all at once; "
        "VetBridge believes none of it.",
        Code.QUOTA_REACHED: "{name}: more would be created than the first days allow; changes that wait: {count}.",
        Code.UPGRADE_PAUSED: "VetBridge has paused {name}: {changed}.",
        Code.INSTALL_WAITS: "{app}: somebody has clicked Connect at location {location}, and it is not connected: "
        "{lacks}. The vendor waits until {until}.",
        Code.INSTALL_FROZEN: "{app}: the vendor has suspended it at location {location} ({sites}); nothing is "
        "carried over there.",
        Code.INSTALL_LAPSED: "{app}: somebody clicked Connect at location {location}, and it was not connected in "
        "time.",
        Code.INSTALL_MISSING: "{app} at location {location} ({sites}): {lacks}; nothing is carried over there.",
        Code.INSTALL_GONE: "{app} at location {location} ({sites}): {lacks}; nothing is carried over there.",
        Code.INSTALL_UNREAD: "{app}: the marketplace has not said for hours how it stands; locations: {count}.",
        Code.FAILURES_WAIT: "{name}: failures that nobody has seen to: {count}.",
        Code.MIRROR_STALE: "{name}: clients and pets were last read {span} ago; nobody counts as new meanwhile.",
        Code.LEDGER_BUSY: "{why}.",
        Code.DISK_LOW: "The disk of the {disk} has only {megabytes} MB left.",
        Code.DISK_FULL: "The disk of the {disk} is full: {megabytes} MB left.",
        Code.CLOCK_MOVED: "This machine's clock was set by {span} while VetBridge ran.",
        Code.CLOCK_WRONG: "This machine's clock and those of the vendors differ by {span} ({accounts}).",
        Code.CERTIFICATE_ENDS: "The certificate of the {name} ends {ends}.",
        Code.DELIVERY_FAILED: "{name}: what could not be delivered within its time, since yesterday: {count}.",
        Code.BACKUP_OLD: "The last backup is {span} old.",
        Code.BACKUP_FAILED: "The last backup did not succeed: {why}.",
    }
)

_REMEDIES: Mapping[Code, str] = MappingProxyType(
    {
        Code.DAEMON_DOWN: "Start it: `vetbridge run`, or its service. The end of the log says why it ended.",
        Code.ROUNDS_STUCK: "Restart VetBridge; nothing is lost by that. If it happens again: `vetbridge report`.",
        Code.ACCOUNT_UNREACHABLE: "VetBridge keeps asking. Is the vendor down, or the network? `vetbridge doctor`",
        Code.READ_STALE: "The log says why a round failed; `vetbridge doctor` looks at the account.",
        Code.WRITE_STALE: "See what waits, and why: `vetbridge changes list --site {name} --state waiting`",
        Code.WRITE_EXPIRED: "Tell the front desk of them: `vetbridge changes list --site {name} --state failed`",
        Code.HOOK_SILENT: "Polls go on. Set the webhook's address anew at the vendor; it may have dropped it.",
        Code.QUESTION_SOON: "Answer it: `vetbridge review show {name}`",
        Code.LINE_OVERDUE: "Type them, then tick them off: `vetbridge worklist list --site {name}`",
        Code.FUSE_BLOWN: "Are they meant? Answer the question: `vetbridge review list --site {name}`",
        Code.MANY_ENDED: "Was it a purge, a clean-up, or a mistake? Look in the practice system, then answer: "
        "`vetbridge review list`",
        Code.QUOTA_REACHED: "Look, then let more through: `vetbridge sync --approve --more --site {name}`",
        Code.UPGRADE_PAUSED: "`vetbridge doctor` says what changed. Mend the config, then `vetbridge resume {name}`",
        Code.INSTALL_WAITS: "Is it a branch of yours? `vetbridge installs draft {app} {location}` prints what to add "
        "to the config; then restart VetBridge.",
        Code.INSTALL_FROZEN: "Let the clinic ask the vendor why. VetBridge looks every ten minutes, and goes on by "
        "itself once that is over.",
        Code.INSTALL_LAPSED: "Let the clinic click Connect once more; or let it be: `vetbridge installs disconnect "
        "{app} {location}`",
        Code.INSTALL_MISSING: "Let the clinic click Connect at the marketplace. Is the number of the location right? "
        "If it is not to be connected: `vetbridge pair end {site}`",
        Code.INSTALL_GONE: "Let the clinic connect it again, then `vetbridge sync --approve --site {site}`. If that "
        "is meant: `vetbridge pair end {site}`",
        Code.INSTALL_UNREAD: "`vetbridge doctor` says what the marketplace answers. What is connected goes on "
        "meanwhile.",
        Code.FAILURES_WAIT: "See to them: `vetbridge changes list --site {name} --state failed`",
        Code.MIRROR_STALE: "The log says why its reading fails; `vetbridge doctor` looks at the account.",
        Code.LEDGER_BUSY: "End what holds the ledger, or make room on its disk; VetBridge goes on by itself.",
        Code.DISK_LOW: "Make room on it: {path}",
        Code.DISK_FULL: "Make room on it now, VetBridge goes on by itself: {path}",
        Code.CLOCK_MOVED: "See to it that the machine takes its time from a time server.",
        Code.CLOCK_WRONG: "Set the clock: let the machine take its time from a time server.",
        Code.CERTIFICATE_ENDS: "Renew it, then restart VetBridge: {path}",
        Code.DELIVERY_FAILED: "See why: `vetbridge alerts list`; try it: `vetbridge alerts test {name}`",
        Code.BACKUP_OLD: "Make one now, it says what is in its way: `vetbridge db backup`",
        Code.BACKUP_FAILED: "Make one now, it says what is in its way: `vetbridge db backup`",
    }
)

_KINDS: Mapping[str, str] = MappingProxyType(
    {
        Kind.CLIENT: "clients",
        Kind.PET: "pets",
        Kind.APPOINTMENT: "visits",
        Kind.ATTACHMENT: "attachments",
        Kind.REMINDER: "reminders",
        Kind.VACCINATION: "vaccinations",
    }
)
_DISKS: Mapping[str, str] = MappingProxyType({"ledger": "ledger", "log": "log", "backup": "backups"})


_LACKS: Mapping[str, str] = MappingProxyType(
    {
        "": "the vendor was not asked yet",
        NO_SITE: "no account of the config is for it",
        "unknown": "the vendor knows of no app there",
        "taken": "the clinic has taken the app away",
        "lapsed": "somebody has clicked Connect, and it was not connected in time",
        "uninstalled": "the clinic has taken the app away, and the pair has ended",
        "active": "the app is connected again, and the pair stays ended until somebody approves it",
        "pending": "the app waits to be connected again, and the pair has ended",
        "frozen": "the vendor has suspended the app, and the pair has ended",
    }
)
"""Why an install does not carry."""
_REFUSED = "the vendor does not take it ({why})"
_GONE_REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "unknown": "Let the clinic click Connect at the marketplace. Is the number of the location right? If it is "
        "not to be connected: `vetbridge pair end {site}`",
        "active": "Let it write again: `vetbridge sync --approve --site {site}`. If it is to stay ended: `vetbridge "
        "pair end {site}`",
    }
)
"""What to do where an app is gone and how it stands says more."""
_REFUSED_REMEDY = "VetBridge tries again. `vetbridge installs activate {app} {location}` shows what the vendor says."


def _lacks(why: str) -> str:
    return phrase(_LACKS[why]) if why in _LACKS else phrase(_REFUSED, why=why)


def kinds(kind: str) -> str:
    """Records of a kind, in plain words: ``visits``."""
    return phrase(_KINDS[kind]) if kind in _KINDS else kind


def message(condition: Condition) -> str:
    """What is wrong, as one sentence."""
    return phrase(_MESSAGES[condition.code], **_values(condition))


def remedy(condition: Condition) -> str:
    """What to do about it, with the command for it."""
    why = str(condition.details.get("why", ""))
    plainly = condition.code is Code.ACCOUNT_UNREACHABLE and why in ("", Unavailable.code)
    if condition.code in (Code.ACCOUNT_BLOCKED, Code.ACCOUNT_UNREACHABLE) and not plainly:
        return next_step(why)
    if condition.code is Code.INSTALL_WAITS and why != NO_SITE:
        return phrase(_REFUSED_REMEDY, **_values(condition))
    if condition.code in (Code.INSTALL_MISSING, Code.INSTALL_GONE) and why in _GONE_REMEDIES:
        return phrase(_GONE_REMEDIES[why], **_values(condition))
    return phrase(_REMEDIES[condition.code], **_values(condition))


def _values(condition: Condition) -> dict[str, object]:
    details = condition.details
    why = str(details.get("why", ""))
    return {
        # What a condition of an older VetBridge may lack.
        **dict.fromkeys(("count", "misses", "rounds", "accounts", "path", "site", "reason"), "?"),
        "standing": "?",
        **dict.fromkeys(("app", "location", "sites"), "?"),
        **details,
        "name": f"{condition.name}.{details['part']}" if "part" in details else condition.name,
        "kinds": kinds(condition.kind),
        "span": _span(details.get("seconds")),
        "why": why,
        "changed": reason(why),
        "lacks": _lacks(why),
        "until": _said(details.get("until_at")),
        "disk": phrase(_DISKS[condition.name]) if condition.name in _DISKS else condition.name,
        "megabytes": details.get("free_megabytes", "?"),
        "visit": _said(details.get("visit_at")),
        "ends": _said(details.get("ends_at")),
    }


def _span(seconds: str | int | float | None) -> str:
    if seconds is None:
        return "?"
    from vetbridge.desk.wording import span  # noqa: PLC0415 - `status` is quicker where nothing needs it

    return span(abs(float(seconds)))


def _said(at: object) -> str:
    """A moment that a condition holds, as people write it."""
    try:
        return moment(datetime.fromisoformat(str(at)))
    except ValueError:
        return "?"
