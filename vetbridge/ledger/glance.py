"""What `status` shows, in a few statements of plain SQL that SQLite and PostgreSQL both read.

`status` is to answer within half a second on a ledger of any size, and importing the database library takes longer
than that alone. So these questions are written as text: ``in_file`` asks them of an SQLite ledger without that
library, ``vetbridge.ledger.reports.glance`` in an open transaction of either database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vetbridge.core.answers import FUSE
from vetbridge.core.going_live import QUOTA, may_write
from vetbridge.core.records import Kind
from vetbridge.ledger.sealing import Sealer

STATES = ("received", "waiting", "review", "done", "skipped", "failed")
"""Every ``ChangeState``, by which a change may stand; a test compares the two."""

BUSY_SECONDS = 30
"""How long a file that another process is just recovering is waited for."""

Ask = Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]
"""Carries out one statement, its values by name, and returns the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingReport:
    """How far one first reading is."""

    kind: Kind
    seen: int
    total: int | None
    """What the side counts, where it tells."""
    begun_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """How one account does."""

    name: str
    connector: str
    blocked_code: str | None
    paused_until: datetime | None
    failing_since: datetime | None
    failures: int
    answered_at: datetime | None
    """When the vendor was last known to answer: a call, a listing, or a pass over the mirror."""
    paused_budgets: Mapping[str, datetime]
    """Budgets that are paused now, and until when."""
    mirror_complete_at: datetime | None
    mirror_read_at: datetime | None
    mirrored: Mapping[Kind, int]
    """How many clients and pets the mirror holds."""
    readings: tuple[ReadingReport, ...] = ()
    """First readings that are under way, or were cut off and will be taken up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReport:
    """How one site does."""

    site: str
    states: Mapping[str, int]
    """How many changes are in each state; states without a change are left out."""
    oldest_open: datetime | None
    """When the change that waits longest was received."""
    questions: int
    soonest_visit: datetime | None
    """The visit of an open question that begins next."""
    last_write: datetime | None
    unacknowledged: int = 0
    """How many failed changes nobody has acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One life of the daemon, or one pass of ``sync``."""

    command: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseReport:
    """One pause that holds now."""

    scope: str
    name: str
    since: datetime
    until: datetime | None
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoingLiveReport:
    """How far one pair is on its way to live, and whether it has ended."""

    in_shadow: bool
    """Nobody has approved it."""
    is_pairing: bool
    """It was approved, and writes once it has been paired again."""
    over_quota: int
    """So many changes wait, as more would be created than the first days allow."""
    ended_at: datetime | None
    ended_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The ledger at one moment."""

    at: datetime
    accounts: Mapping[str, AccountReport]
    sites: Mapping[str, SiteReport]
    run: RunReport | None
    """The newest one."""
    pauses: tuple[PauseReport, ...]
    held: Mapping[str, int]
    """How many changes the fuse holds back, by the sites whose fuse has blown."""
    going_live: Mapping[str, GoingLiveReport]
    """By site, of those that VetBridge has met."""


def in_file(path: Path, key: str, now: datetime) -> Glance | None:
    """The ledger in an SQLite file; it is only read.

    None where the ordinary way of opening has something to do or to say: no ledger, another schema, a damaged file.
    Raises ``LedgerError`` for another key.
    """
    sealer = Sealer(key)
    try:
        with closing(sqlite3.connect(_address(path), uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as file:
            file.execute("PRAGMA query_only=ON")
            file.execute("BEGIN")
            if file.execute("SELECT version_num FROM alembic_version").fetchall() != [(_newest_schema(),)]:
                return None
            check = file.execute("SELECT value FROM meta WHERE key = 'key_check'").fetchone()
            if check is None:
                return None
            sealer.open(bytes.fromhex(check[0]))
            values = {"now": _text(now)}
            return take(lambda sql, more: file.execute(sql, {**values, **more}).fetchall(), now)
    except (sqlite3.Error, ValueError):
        return None


def take(ask: Ask, now: datetime) -> Glance:
    """The ledger that ``ask`` asks. It gives ``:now``, which is ``now``, to every statement by itself."""
    return Glance(
        at=now,
        accounts=account_reports(ask),
        sites=site_reports(ask),
        run=_run(ask),
        pauses=tuple(_pauses(ask)),
        held={site: _held(ask, site) for (site,) in ask("SELECT site FROM fuse WHERE blown_at IS NOT NULL", {})},
        going_live=_going_live(ask),
    )


def _going_live(ask: Ask) -> dict[str, GoingLiveReport]:
    waiting = "SELECT site, count(*) FROM change WHERE state = 'waiting' AND code = :code GROUP BY site"
    over_quota = {site: int(count) for site, count in ask(waiting, {"code": QUOTA})}
    found = {}
    for site, paired, approved, ended, ended_by in ask(
        "SELECT site, paired_at, approved_at, ended_at, ended_by FROM going_live", {}
    ):
        paired_at, approved_at, ended_at = _moment(paired), _moment(approved), _moment(ended)
        writes = may_write(paired_at=paired_at, approved_at=approved_at, ended_at=ended_at)
        found[site] = GoingLiveReport(
            in_shadow=approved_at is None and ended_at is None,
            is_pairing=approved_at is not None and ended_at is None and not writes,
            over_quota=over_quota.get(site, 0),
            ended_at=ended_at,
            ended_by=ended_by,
        )
    return found


def account_reports(ask: Ask) -> dict[str, AccountReport]:
    """Every account that the ledger knows, by name."""
    listed = {
        account: _moment(read_at)
        for account, read_at in ask("SELECT account, max(read_at) FROM cursor GROUP BY account", {})
    }
    budgets: dict[str, dict[str, datetime]] = {}
    for account, name, until in ask("SELECT account, name, paused_until FROM budget WHERE paused_until > :now", {}):
        budgets.setdefault(account, {})[name] = _sure(until)
    mirrored = {
        (account, kind): count
        for account, kind, count in ask("SELECT account, kind, count(*) FROM mirror GROUP BY account, kind", {})
    }
    readings: dict[str, list[ReadingReport]] = {}
    for account, kind, seen, total, begun_at in ask(
        "SELECT account, kind, seen, total, begun_at FROM reading WHERE ended_at IS NULL ORDER BY account, kind", {}
    ):
        report = ReadingReport(kind=Kind(kind), seen=seen, total=total, begun_at=_sure(begun_at))
        readings.setdefault(account, []).append(report)
    found = {}
    for row in ask(
        "SELECT name, connector, blocked_code, failures, paused_until, failing_since, answered_at,"
        " mirror_complete_at, mirror_read_at FROM account ORDER BY name",
        {},
    ):
        name, connector, blocked_code, failures = row[:4]
        paused_until, failing_since, answered_at, complete_at, read_at = map(_moment, row[4:])
        found[name] = AccountReport(
            name=name,
            connector=connector,
            blocked_code=blocked_code,
            paused_until=paused_until,
            failing_since=failing_since,
            failures=failures,
            answered_at=max(filter(None, (answered_at, read_at, listed.get(name))), default=None),
            paused_budgets=budgets.get(name, {}),
            mirror_complete_at=complete_at,
            mirror_read_at=read_at,
            mirrored={kind: mirrored.get((name, kind.value), 0) for kind in (Kind.CLIENT, Kind.PET)},
            readings=tuple(readings.get(name, ())),
        )
    return found


def site_reports(ask: Ask) -> dict[str, SiteReport]:
    """Every site that the ledger knows changes of, by name."""
    states: dict[str, dict[str, int]] = {}
    for site, state, count in ask("SELECT site, state, count(*) FROM change GROUP BY site, state", {}):
        states.setdefault(site, {})[state] = count
    oldest: dict[str, Any] = {}
    for site, received_at in ask(
        "SELECT site, min(received_at) FROM change WHERE state IN ('received', 'waiting') GROUP BY site", {}
    ):
        oldest[site] = received_at
    questions = {
        site: (count, soonest)
        for site, count, soonest in ask(
            "SELECT site, count(*), min(CASE WHEN visit_at >= :now THEN visit_at END)"
            " FROM review WHERE state = 'open' GROUP BY site",
            {},
        )
    }
    return {
        site: SiteReport(
            site=site,
            states=states.get(site, {}),
            oldest_open=_moment(oldest.get(site)),
            questions=questions.get(site, (0, None))[0],
            soonest_visit=_moment(questions.get(site, (0, None))[1]),
            last_write=_last_write(ask, site),
            unacknowledged=_unacknowledged(ask, site) if states.get(site, {}).get("failed") else 0,
        )
        for site in sorted(states.keys() | questions.keys())
    }


def _last_write(ask: Ask, site: str) -> datetime | None:
    rows = ask(
        "SELECT answered_at FROM action WHERE site = :site AND answered_at IS NOT NULL AND state = 'answered'"
        " ORDER BY answered_at DESC LIMIT 1",
        {"site": site},
    )
    return _moment(rows[0][0]) if rows else None


def _unacknowledged(ask: Ask, site: str) -> int:
    rows = ask(
        "SELECT count(*) FROM change WHERE site = :site AND state = 'failed'"
        " AND NOT EXISTS (SELECT 1 FROM acknowledgement WHERE change_id = change.id)",
        {"site": site},
    )
    return int(rows[0][0])


def _run(ask: Ask) -> RunReport | None:
    for command, started_at, ended_at in ask(
        "SELECT command, started_at, ended_at FROM run ORDER BY id DESC LIMIT 1", {}
    ):
        return RunReport(command=command, started_at=_sure(started_at), ended_at=_moment(ended_at))
    return None


def _pauses(ask: Ask) -> list[PauseReport]:
    standing = ask(
        'SELECT scope, name, since, until, "by", why FROM pause'
        " WHERE until IS NULL OR until > :now ORDER BY scope, name",
        {},
    )
    return [
        PauseReport(scope=scope, name=name, since=_sure(since), until=_moment(until), by=by, why=why)
        for scope, name, since, until, by, why in standing
    ]


def _held(ask: Ask, site: str) -> int:
    rows = ask(
        "SELECT count(*) FROM change WHERE state = 'waiting' AND site = :site AND code = :code",
        {"site": site, "code": FUSE},
    )
    return int(rows[0][0])


def _moment(value: Any) -> datetime | None:
    """A moment with its offset: SQLite gives text in UTC, PostgreSQL moments."""
    if value is None:
        return None
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(found, datetime)  # noqa: S101 - what these columns hold
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _sure(value: Any) -> datetime:
    found = _moment(value)
    assert found is not None  # noqa: S101 - the column is never empty
    return found


def _text(moment: datetime) -> str:
    """A moment as the ledger's SQLite files hold it, so that the two compare."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _address(path: Path) -> str:
    """The file as it is; none is made where there is none."""
    return f"{path.absolute().as_uri()}?mode=rw"


def _newest_schema() -> str:
    """The number of the newest migration: their files are named by it."""
    steps = Path(__file__).parent / "migrations" / "versions"
    return max(step.name.partition("_")[0] for step in steps.glob("[0-9]*_*.py"))
