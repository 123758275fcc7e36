"""How VetBridge does: accounts, sites, and what waits for whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from vetbridge.config.models import Config
from vetbridge.connector.configured import places
from vetbridge.core.conditions import Condition
from vetbridge.core.errors import Unavailable
from vetbridge.core.installs import INSTALL
from vetbridge.core.progress import reading
from vetbridge.core.records import Kind
from vetbridge.desk import conditions
from vetbridge.desk.advice import next_step
from vetbridge.desk.conditions import is_failing
from vetbridge.desk.paused import PauseStatus, paused
from vetbridge.ledger.glance import STATES, AccountReport, Glance, InstallReport, SiteReport

if TYPE_CHECKING:
    from vetbridge.ledger.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorStatus:
    """The local copy of a PIMS account's clients and pets."""

    complete: bool
    """All clients and pets were read once, and counted: only then may anybody count as new."""
    clients: int
    pets: int
    read_at: datetime | None
    age: float | None
    """Seconds since it was last brought up to date."""
    stale: bool
    """Older than ``timings.mirror_stale``: no client is created meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingStatus:
    """A first reading that is under way, or was cut off and will be taken up."""

    kind: str
    seen: int
    total: int | None
    begun_at: datetime
    words: str
    """The same as a line of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """One account."""

    name: str
    connector: str
    state: str
    """``answers``, ``paused``, ``failing``, ``blocked``, ``not-asked`` (nothing is known yet)."""
    configured: bool
    """The config still names it."""
    answered_at: datetime | None
    failing_since: datetime | None
    paused_until: datetime | None
    blocked_code: str | None
    advice: str
    """What to do, where it is blocked."""
    paused_budgets: Mapping[str, datetime]
    mirror: MirrorStatus | None
    """None for a booking side."""
    pause: PauseStatus | None = None
    """A person has paused it."""
    readings: tuple[ReadingStatus, ...] = ()
    failing_part: str = ""
    """The part that does not answer, or is blocked; "": the account's own connector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A number, and the command that lists what it counts."""

    count: int
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseStatus:
    """A fuse that has blown: so many changes wait for a person's answer."""

    held: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStatus:
    """How fresh the records of one kind are that VetBridge knows of an account."""

    account: str
    read_at: datetime | None
    """When it was last asked what changed, and answered; None: never yet."""
    read_age: float | None
    """Seconds since then."""
    read_stale: bool
    """Longer ago than ``watch.read_stale``, in opening hours, and nobody has paused it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteStatus:
    """How writes of one kind do."""

    last_write_at: datetime | None
    oldest_waiting: datetime | None
    """When the oldest change was received that waits though nobody holds it back."""
    write_stale: bool
    """That one waits for longer than ``watch.write_stale``, in opening hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindStatus:
    """How fresh one kind of records is at a site: reading and writing apart."""

    kind: str
    reads: tuple[ReadStatus, ...]
    """The booking side first; an account that is not asked for this kind is left out."""
    write: WriteStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionStatus:
    """Something that is wrong now, in words, too."""

    code: str
    severity: str
    """``now`` or ``today``: how soon a person is needed."""
    scope: str
    """``vetbridge``, ``account``, ``site``, ``review``, ``listener``, ``channel`` or ``install``."""
    name: str
    kind: str
    since: datetime
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteStatus:
    """One site."""

    name: str
    title: str
    changes: Mapping[str, Count]
    """By change state, every state."""
    review: Count
    soonest_visit: datetime | None
    """The visit of an open question that begins next."""
    oldest_open: datetime | None
    """When the change was received that waits longest, but for those that wait for what is typed by hand."""
    last_write: datetime | None
    failures: Count
    """Failed changes that nobody has acknowledged."""
    by_hand: Count
    """Lines of the work list that nobody has ticked yet."""
    ticked: int
    """Lines that somebody says are done, and no read has shown yet."""
    waiting_by_hand: int
    """So many of the changes that wait do so for what is typed by hand."""
    pause: PauseStatus | None = None
    """A person has paused it."""
    paused_kinds: tuple[PauseStatus, ...] = ()
    """Kinds of its records that a person has paused."""
    fuse: FuseStatus | None = None
    """None while it is whole."""
    in_shadow: bool = False
    """Nothing is written until somebody approves it."""
    is_pairing: bool = False
    """It was approved, and writes once what stands on both sides has been paired again."""
    over_quota: int = 0
    """So many changes wait, as more would be created than the first days allow."""
    ended_at: datetime | None = None
    """When its pair was ended: it is left alone since."""
    ended_by: str = ""
    kinds: tuple[KindStatus, ...] = ()
    """How fresh each kind of records is; empty for a site that the config does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStatus:
    """Whether anything works on the ledger."""

    running: bool
    pid: int | None
    command: str
    """What runs now or ran last: ``run``, ``sync``."""
    started_at: datetime | None
    ended_at: datetime | None
    """None while it runs, and after it was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallStatus:
    """How a marketplace's app stands at one location."""

    app: str
    location: str
    state: str
    """``pending``, ``active``, ``frozen``, ``uninstalled``; ``lapsed``: nobody said yes in time; ``unknown``: the
    vendor knows of none there; ``not-asked``: the vendor was not asked yet."""
    accounts: tuple[str, ...]
    sites: tuple[str, ...]
    """Sites of the config there; none where nobody has added it yet."""
    since: datetime | None
    until: datetime | None
    """While it is pending: until when the vendor takes a yes."""
    seen_at: datetime | None
    """When the vendor last said so."""
    code: str
    """Why it could not be connected yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole picture at one moment."""

    at: datetime
    daemon: DaemonStatus
    accounts: tuple[AccountStatus, ...]
    sites: tuple[SiteStatus, ...]
    ledger: str = ""
    """Where it stands: a file, or a database's address without user and password."""
    conditions: tuple[ConditionStatus, ...] = ()
    """What is wrong now, the most urgent first."""
    installs: tuple[InstallStatus, ...] = ()
    """Where apps of a vendor's marketplace are connected, and where not."""


def status(tx: Transaction, config: Config, pid: int | None) -> Status:
    """The whole picture. ``pid`` is the process that works on the ledger, None where none does."""
    from vetbridge.ledger import reports  # noqa: PLC0415 - the command answers in the time that this import takes

    return picture(reports.glance(tx), config, pid)


def picture(seen: Glance, config: Config, pid: int | None) -> Status:
    """The whole picture of a ledger that was glanced at. Nothing here needs the database library."""
    accounts, sites = seen.accounts, seen.sites
    pims = {site.pims.account for site in config.sites.values()}
    stale = config.timings.mirror_stale
    pauses = {(each.scope, each.name): paused(config, each) for each in seen.pauses}
    known_accounts = (
        _account(accounts[name], seen.at, configured=name in config.accounts, pims=name in pims, stale=stale)
        if name in accounts
        else _unasked(name, config.accounts[name].connector)
        for name in [*config.accounts, *(name for name in accounts if name not in config.accounts)]
    )
    known_sites = (
        _site(name, config.sites[name].name if name in config.sites else name, sites.get(name))
        for name in [*config.sites, *(name for name in sites if name not in config.sites)]
    )
    return Status(
        at=seen.at,
        ledger=str(config.ledger.place),
        conditions=tuple(map(_condition, conditions.everything(seen, config, pid))),
        daemon=_daemon(seen, pid),
        accounts=tuple(
            replace(each, pause=pauses.get(("account", each.name)) or pauses.get((INSTALL, each.name)))
            for each in known_accounts
        ),
        installs=installs(seen, config),
        sites=tuple(
            _gone_live(
                seen,
                replace(
                    each,
                    pause=pauses.get(("site", each.name)),
                    paused_kinds=tuple(
                        pause
                        for (scope, name), pause in pauses.items()
                        if scope == "kind" and name.partition("/")[0] == each.name
                    ),
                    fuse=_fuse(seen, each.name),
                    kinds=_kinds(seen, config, each.name) if each.name in config.sites else (),
                ),
            )
            for each in known_sites
        ),
    )


def installs(seen: Glance, config: Config) -> tuple[InstallStatus, ...]:
    """How apps stand at every location that is known, or that the config names."""
    at = places(config)
    rows = {(each.app, each.location): each for each in seen.installs}
    named = {(app, location) for app, locations in at.items() for location in locations}
    found = []
    for app, location in sorted({*rows, *named}):
        row = rows.get((app, location))
        accounts = at.get(app, {}).get(location, ())
        sites = [
            name
            for name, site in config.sites.items()
            if not {site.booking.account, site.pims.account}.isdisjoint(accounts)
        ]
        found.append(
            InstallStatus(
                app=app,
                location=location,
                state="not-asked" if row is None else row.state,
                accounts=accounts,
                sites=tuple(sites),
                since=None if row is None else (row.active_at or _asked(row) or row.changed_at),
                until=row.until_at if row is not None and row.state == "pending" else None,
                seen_at=None if row is None else row.seen_at,
                code="" if row is None else row.code,
            )
        )
    return tuple(found)


def _asked(row: InstallReport) -> datetime | None:
    return row.asked_at if row.state == "pending" else None


def _condition(found: Condition) -> ConditionStatus:
    return ConditionStatus(
        code=found.code.value,
        severity=found.severity.value,
        scope=found.scope.value,
        name=found.name,
        kind=found.kind,
        since=found.since,
        message=conditions.message(found),
        remedy=conditions.remedy(found),
    )


def _kinds(seen: Glance, config: Config, site: str) -> tuple[KindStatus, ...]:
    reads = conditions.reads(seen, config, site)
    writes = {each.kind: each for each in conditions.writes(seen, config, site)}
    nothing = WriteStatus(last_write_at=None, oldest_waiting=None, write_stale=False)
    return tuple(
        KindStatus(
            kind=kind.value,
            reads=tuple(
                ReadStatus(account=each.account, read_at=each.at, read_age=each.age, read_stale=each.stale)
                for each in reads
                if each.kind is kind
            ),
            write=WriteStatus(
                last_write_at=writes[kind].last_at,
                oldest_waiting=writes[kind].waiting_since,
                write_stale=writes[kind].stale,
            )
            if kind in writes
            else nothing,
        )
        for kind in Kind
        if kind in writes or any(each.kind is kind for each in reads)
    )


def _gone_live(seen: Glance, site: SiteStatus) -> SiteStatus:
    row = seen.going_live.get(site.name)
    if row is None:
        return site
    return replace(
        site,
        in_shadow=row.in_shadow,
        is_pairing=row.is_pairing,
        over_quota=row.over_quota,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )


def _fuse(seen: Glance, site: str) -> FuseStatus | None:
    if site not in seen.held:
        return None
    return FuseStatus(held=Count(count=seen.held[site], command=f"vetbridge review list --site {site}"))


def _daemon(seen: Glance, pid: int | None) -> DaemonStatus:
    run = seen.run
    return DaemonStatus(
        running=pid is not None,
        pid=pid,
        command=run.command if run else "",
        started_at=run.started_at if run else None,
        ended_at=run.ended_at if run else None,
    )


def _account(row: AccountReport, now: datetime, *, configured: bool, pims: bool, stale: float) -> AccountStatus:
    return AccountStatus(
        name=row.name,
        connector=row.connector,
        state=_state(row, now),
        configured=configured,
        answered_at=row.answered_at,
        failing_since=row.failing_since if is_failing(row) else None,
        paused_until=row.paused_until if row.paused_until is not None and row.paused_until > now else None,
        blocked_code=row.blocked_code,
        advice=_advice(row),
        paused_budgets=row.paused_budgets,
        mirror=_mirror(row, now, stale) if pims else None,
        readings=tuple(
            ReadingStatus(
                kind=each.kind.value,
                seen=each.seen,
                total=each.total,
                begun_at=each.begun_at,
                words=reading(each.kind, row.name, each.seen, each.total),
            )
            for each in row.readings
        ),
        failing_part=row.failing_part if row.blocked_code is not None or is_failing(row) else "",
    )


def _advice(row: AccountReport) -> str:
    """What to do where waiting alone does not help."""
    why = row.blocked_code or (row.failing_code if is_failing(row) else None)
    return "" if why in (None, Unavailable.code) else next_step(why)


def _state(row: AccountReport, now: datetime) -> str:
    if row.blocked_code is not None:
        return "blocked"
    if row.paused_until is not None and row.paused_until > now:
        return "paused"
    if is_failing(row):
        return "failing"
    return "not-asked" if row.answered_at is None else "answers"


def _mirror(row: AccountReport, now: datetime, stale: float) -> MirrorStatus:
    age = None if row.mirror_read_at is None else (now - row.mirror_read_at).total_seconds()
    return MirrorStatus(
        complete=row.mirror_complete_at is not None,
        clients=row.mirrored[Kind.CLIENT],
        pets=row.mirrored[Kind.PET],
        read_at=row.mirror_read_at,
        age=age,
        stale=age is not None and age > stale,
    )


def _unasked(name: str, connector: str) -> AccountStatus:
    return AccountStatus(
        name=name,
        connector=connector,
        state="not-asked",
        configured=True,
        answered_at=None,
        failing_since=None,
        paused_until=None,
        blocked_code=None,
        advice="",
        paused_budgets={},
        mirror=None,
    )


def _site(name: str, title: str, row: SiteReport | None) -> SiteStatus:
    states = row.states if row else {}
    return SiteStatus(
        name=name,
        title=title,
        changes={
            state: Count(count=states.get(state, 0), command=f"vetbridge changes list --site {name} --state {state}")
            for state in STATES
        },
        review=Count(count=row.questions if row else 0, command=f"vetbridge review list --site {name}"),
        soonest_visit=row.soonest_visit if row else None,
        oldest_open=row.oldest_open if row else None,
        last_write=row.last_write if row else None,
        failures=Count(
            count=row.unacknowledged if row else 0, command=f"vetbridge changes list --site {name} --state failed"
        ),
        by_hand=Count(count=row.lines if row else 0, command=f"vetbridge worklist list --site {name}"),
        ticked=row.ticked if row else 0,
        waiting_by_hand=row.by_hand if row else 0,
    )
