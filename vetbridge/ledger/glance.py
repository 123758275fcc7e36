"""What `status` shows, in a few statements of plain SQL that SQLite and PostgreSQL both read.

`status` is to answer within half a second on a ledger of any size, and importing the database library takes longer
than that alone. So these questions are written as text: ``in_file`` asks them of an SQLite ledger without that
library, ``vetbridge.ledger.reports.glance`` in an open transaction of either database.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vetbridge.core.answers import FUSE
from vetbridge.core.going_live import QUOTA, may_write
from vetbridge.core.records import RECORD_TYPES, Kind
from vetbridge.ledger.sealing import Sealer

STATES = ("received", "waiting", "review", "done", "skipped", "failed")
"""Every ``ChangeState``, by which a change may stand; a test compares the two."""

BUSY_SECONDS = 30
"""How long a file that another process is just recovering is waited for."""

LATELY = timedelta(days=1)
"""So long back resumes, recoveries and lost deliveries are looked for."""

MOST_SOON = 200
"""Open questions that are told with their visit; the soonest ones."""

MOST_RUNS = 500
IN_A_ROW = timedelta(minutes=2)
"""A run that begins so soon after the one before it ended, or began and was cut off, goes on where that was: one that
falls over again and again must not count as just begun for ever."""

LATE_TRIES = 5
"""A delivery that was not taken so often is late; it is tried for more than a day before it is given up."""

MOST_EPISODES = 2000
MOST_ATTEMPTS = 10_000

SHOWN_LATER = "shown-later"
"""Code of changes that wait until a read must show what VetBridge has written."""
BY_HAND = "by-hand"
"""Code of changes that wait for somebody to carry out what the work list says."""

MOST_LINES = 2000
"""Visits on the work list that are told with their times: the oldest lines."""

HELD_BACK = (
    *(FUSE, QUOTA, "mirror-incomplete", "mirror-stale", "not-found", "not-found-unsure", "not-found-in-pims"),
    *("old-mapping", "undo-unfinished", "kind-paused", "notice-hours", "notice-limit", "notice-booking"),
    *(BY_HAND, SHOWN_LATER),
)
"""Codes of changes that wait by design: for a person, for a second look, for a first reading, for a restart, for the
hours in which messages go out, for what is typed by hand."""

ATTEMPT_TAKES = timedelta(minutes=10)
"""An attempt that has not ended for longer never will: its process was cut off."""

AttemptKey = tuple[str, str, str, str]
"""Account, kind, operation, and how an attempt ended: an ``ActionState``."""

Ask = Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]
"""Carries out one statement, its values by name, and returns the rows. Moments are given and found as the database
has them."""


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
    failing_code: str | None
    """Why the last call found nobody."""
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
    listed: Mapping[Kind, datetime] = field(default_factory=dict)
    """When what changed was last listed, by kind; moved by every poll, also where nothing had changed."""
    hooked_at: datetime | None = None
    """When the last webhook of it came in."""
    failing_part: str = ""
    """Which part of it does not answer, or refuses; "": its own connector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReport:
    """How one site does."""

    site: str
    states: Mapping[str, int]
    """How many changes are in each state; states without a change are left out."""
    oldest_open: datetime | None
    """When the change was received that waits longest, but for those that wait for what is typed by hand."""
    questions: int
    soonest_visit: datetime | None
    """The visit of an open question that begins next."""
    last_write: datetime | None
    unacknowledged: int = 0
    """How many failed changes nobody has acknowledged."""
    failing_since: datetime | None = None
    """When the first of them ended, but for those that have expired."""
    expired: int = 0
    """So many of them have expired: their visit began before they could be written."""
    expiring_since: datetime | None = None
    """When the first of those did."""
    written: Mapping[Kind, datetime] = field(default_factory=dict)
    """When the last write of each kind was answered."""
    waiting: Mapping[Kind, datetime] = field(default_factory=dict)
    """When the oldest open change of each kind was received that nobody and nothing holds back by design."""
    by_hand: int = 0
    """So many of the changes that wait do so for what is typed by hand."""
    lines: int = 0
    """Lines of the work list that nobody has ticked yet."""
    ticked: int = 0
    """Lines that somebody says are done, and no read has shown yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One life of the daemon, or one pass of ``sync``."""

    command: str
    started_at: datetime
    ended_at: datetime | None
    since: datetime | None = None
    """When the first of the runs began that it follows one upon the other; None: it follows none so."""


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
    over_quota_since: datetime | None = None
    """When the first of those was received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeReport:
    """A condition that the watch of a running VetBridge has found, and that is not over."""

    code: str
    scope: str
    name: str
    kind: str
    details: Mapping[str, str | int | float]
    since: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionReport:
    """An open question whose visit is ahead, and which nobody has put off."""

    id: int
    site: str
    why: str
    visit_at: datetime
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReport:
    """A line of the work list about a visit."""

    site: str
    opened_at: datetime
    visit_at: datetime
    ticked_at: datetime | None = None
    """When somebody said that it is done; None: nobody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostReport:
    """What was given up of late on its way to one channel, or has waited for a quarter of an hour or more."""

    channel: str
    count: int
    first_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallReport:
    """How a marketplace's app stands at one location."""

    app: str
    location: str
    state: str
    asked_at: datetime | None
    """When somebody last clicked Connect."""
    until_at: datetime | None
    """Until when the vendor takes a yes, or took one."""
    active_at: datetime | None
    changed_at: datetime
    seen_at: datetime | None
    """When the vendor last said how it stands."""
    code: str
    """Why it could not be connected yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MassEndReport:
    """Clients or pets of an account that are told to have ended, and are not believed to."""

    account: str
    kind: str
    since: datetime
    ending: int
    standing: int
    """Of so many that stand."""


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
    blown: Mapping[str, datetime] = field(default_factory=dict)
    """When the fuse has blown, by the sites whose fuse has."""
    episodes: tuple[EpisodeReport, ...] = ()
    soon: tuple[QuestionReport, ...] = ()
    """The soonest visit first."""
    lines: tuple[LineReport, ...] = ()
    """The oldest first."""
    lost: tuple[LostReport, ...] = ()
    backed_up_at: datetime | None = None
    resumed: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    """When an account, a site or a kind (``SITE/KIND``) was resumed of late, by scope and name."""
    recovered: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    """When what was wrong with an account or a site was last found to be over, of late, by scope and name."""
    installs: tuple[InstallReport, ...] = ()
    """By app and location."""
    mass_ends: tuple[MassEndReport, ...] = ()
    """By account and kind."""


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

            def ask(sql: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
                given = {"now": now, **values}
                texts = {name: _text(each) if isinstance(each, datetime) else each for name, each in given.items()}
                return file.execute(sql, texts).fetchall()

            return take(ask, now)
    except (sqlite3.Error, ValueError):
        return None


def take(ask: Ask, now: datetime) -> Glance:
    """The ledger that ``ask`` asks. It gives ``:now``, which is ``now``, to every statement by itself."""
    lately = now - LATELY
    blown = {site: _sure(at) for site, at in ask("SELECT site, blown_at FROM fuse WHERE blown_at IS NOT NULL", {})}
    backup = ask("SELECT value FROM meta WHERE key = 'backup_at'", {})
    return Glance(
        at=now,
        accounts=account_reports(ask),
        sites=site_reports(ask),
        run=_run(ask),
        pauses=tuple(_pauses(ask)),
        held={site: _held(ask, site) for site in blown},
        going_live=_going_live(ask),
        blown=blown,
        episodes=_episodes(ask),
        soon=_soon(ask),
        lines=_lines(ask),
        lost=_lost(ask, lately),
        backed_up_at=_moment(backup[0][0]) if backup else None,
        resumed=_resumed(ask, lately),
        recovered=_recovered(ask, lately),
        installs=_installs(ask),
        mass_ends=_mass_ends(ask),
    )


def _mass_ends(ask: Ask) -> tuple[MassEndReport, ...]:
    rows = ask(
        "SELECT account, kind, held_at, ending, standing FROM mass_end WHERE held_at IS NOT NULL"
        " ORDER BY account, kind",
        {},
    )
    return tuple(
        MassEndReport(account=account, kind=kind, since=_sure(held_at), ending=ending, standing=standing)
        for account, kind, held_at, ending, standing in rows
    )


def _installs(ask: Ask) -> tuple[InstallReport, ...]:
    rows = ask(
        "SELECT app, location, state, asked_at, until_at, active_at, changed_at, seen_at, code FROM install"
        " ORDER BY app, location",
        {},
    )
    return tuple(
        InstallReport(
            app=app,
            location=location,
            state=state,
            asked_at=_moment(asked_at),
            until_at=_moment(until_at),
            active_at=_moment(active_at),
            changed_at=_sure(changed_at),
            seen_at=_moment(seen_at),
            code=code,
        )
        for app, location, state, asked_at, until_at, active_at, changed_at, seen_at, code in rows
    )


def _episodes(ask: Ask) -> tuple[EpisodeReport, ...]:
    rows = ask(
        "SELECT code, scope, name, kind, details, since, seen_at FROM episode WHERE cleared_at IS NULL"
        " ORDER BY id LIMIT :most",
        {"most": MOST_EPISODES},
    )
    return tuple(
        EpisodeReport(
            code=code,
            scope=scope,
            name=name,
            kind=kind,
            details=json.loads(details) if details else {},
            since=_sure(since),
            seen_at=_sure(seen_at),
        )
        for code, scope, name, kind, details, since, seen_at in rows
    )


def _soon(ask: Ask) -> tuple[QuestionReport, ...]:
    rows = ask(
        "SELECT id, site, why, visit_at, opened_at FROM review WHERE state = 'open' AND visit_at > :now"
        " AND (snoozed_until IS NULL OR snoozed_until <= :now) ORDER BY visit_at, id LIMIT :most",
        {"most": MOST_SOON},
    )
    return tuple(
        QuestionReport(id=id_, site=site, why=why, visit_at=_sure(visit_at), opened_at=_sure(opened_at))
        for id_, site, why, visit_at, opened_at in rows
    )


def _lines(ask: Ask) -> tuple[LineReport, ...]:
    rows = ask(
        "SELECT site, opened_at, visit_at, CASE WHEN state = 'done' THEN done_at END FROM worklist"
        " WHERE state IN ('open', 'done') AND visit_at IS NOT NULL ORDER BY opened_at, id LIMIT :most",
        {"most": MOST_LINES},
    )
    return tuple(
        LineReport(site=site, opened_at=_sure(opened_at), visit_at=_sure(visit_at), ticked_at=_moment(ticked_at))
        for site, opened_at, visit_at, ticked_at in rows
    )


def _lost(ask: Ask, lately: datetime) -> tuple[LostReport, ...]:
    given_up = ask(
        "SELECT webhook, count(*), min(ended_at) FROM delivery WHERE state = 'failed' AND ended_at > :lately"
        " GROUP BY webhook",
        {"lately": lately},
    )
    late = ask(
        "SELECT webhook, count(*), min(made_at) FROM delivery JOIN event ON event.id = delivery.event_id"
        " WHERE state = 'waiting' AND tries >= :late GROUP BY webhook",
        {"late": LATE_TRIES},
    )
    found: dict[str, LostReport] = {}
    for channel, count, at in (*given_up, *late):
        before = found.get(channel, LostReport(channel=channel, count=0, first_at=_sure(at)))
        first_at = min(before.first_at, _sure(at))
        found[channel] = LostReport(channel=channel, count=before.count + int(count), first_at=first_at)
    return tuple(found[channel] for channel in sorted(found))


def _resumed(ask: Ask, lately: datetime) -> dict[tuple[str, str], datetime]:
    by_people = ask(
        'SELECT subject, subject_id, max("at") FROM audit'
        " WHERE \"at\" > :lately AND act = 'resumed' GROUP BY subject, subject_id",
        {"lately": lately},
    )
    by_themselves = ask(
        "SELECT scope, name, until FROM pause WHERE until > :lately AND until <= :now", {"lately": lately}
    )
    found: dict[tuple[str, str], datetime] = {}
    for scope, name, at in (*by_people, *by_themselves):
        found[scope, name] = max(_sure(at), found.get((scope, name), _sure(at)))
    return found


def _recovered(ask: Ask, lately: datetime) -> dict[tuple[str, str], datetime]:
    rows = ask(
        "SELECT scope, name, max(cleared_at) FROM episode WHERE cleared_at > :lately"
        " AND code IN ('account-blocked', 'account-unreachable', 'upgrade-paused') GROUP BY scope, name",
        {"lately": lately},
    )
    return {(scope, name): _sure(at) for scope, name, at in rows}


def _going_live(ask: Ask) -> dict[str, GoingLiveReport]:
    waiting = (
        "SELECT site, count(*), min(received_at) FROM change WHERE state = 'waiting' AND code = :code GROUP BY site"
    )
    over_quota = {site: (int(count), since) for site, count, since in ask(waiting, {"code": QUOTA})}
    found = {}
    for site, paired, approved, ended, ended_by in ask(
        "SELECT site, paired_at, approved_at, ended_at, ended_by FROM going_live", {}
    ):
        paired_at, approved_at, ended_at = _moment(paired), _moment(approved), _moment(ended)
        writes = may_write(paired_at=paired_at, approved_at=approved_at, ended_at=ended_at)
        found[site] = GoingLiveReport(
            in_shadow=approved_at is None and ended_at is None,
            is_pairing=approved_at is not None and ended_at is None and not writes,
            over_quota=over_quota.get(site, (0, None))[0],
            over_quota_since=_moment(over_quota.get(site, (0, None))[1]),
            ended_at=ended_at,
            ended_by=ended_by,
        )
    return found


def account_reports(ask: Ask) -> dict[str, AccountReport]:
    """Every account that the ledger knows, by name."""
    listed: dict[str, dict[Kind, datetime]] = {}
    for account, kind, read_at in ask("SELECT account, kind, read_at FROM cursor ORDER BY account, kind", {}):
        listed.setdefault(account, {})[Kind(kind)] = _sure(read_at)
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
        " mirror_complete_at, mirror_read_at, hooked_at, failing_code, failing_part FROM account ORDER BY name",
        {},
    ):
        name, connector, blocked_code, failures = row[:4]
        paused_until, failing_since, answered_at, complete_at, read_at, hooked_at = map(_moment, row[4:10])
        by_kind = listed.get(name, {})
        found[name] = AccountReport(
            name=name,
            connector=connector,
            blocked_code=blocked_code,
            paused_until=paused_until,
            failing_since=failing_since,
            failing_code=row[10],
            failures=failures,
            answered_at=max(filter(None, (answered_at, read_at, *by_kind.values())), default=None),
            paused_budgets=budgets.get(name, {}),
            mirror_complete_at=complete_at,
            mirror_read_at=read_at,
            mirrored={kind: mirrored.get((name, kind.value), 0) for kind in (Kind.CLIENT, Kind.PET)},
            readings=tuple(readings.get(name, ())),
            listed=by_kind,
            hooked_at=hooked_at,
            failing_part=row[11],
        )
    return found


def site_reports(ask: Ask) -> dict[str, SiteReport]:
    """Every site that the ledger knows changes of, by name."""
    states: dict[str, dict[str, int]] = {}
    for site, state, count in ask("SELECT site, state, count(*) FROM change GROUP BY site, state", {}):
        states.setdefault(site, {})[state] = count
    oldest: dict[str, Any] = {}
    for site, received_at in ask(
        "SELECT site, min(received_at) FROM change WHERE state IN ('received', 'waiting') AND code <> :code"
        " GROUP BY site",
        {"code": BY_HAND},
    ):
        oldest[site] = received_at
    lines = {
        (site, state): int(count)
        for site, state, count in ask(
            "SELECT site, state, count(*) FROM worklist WHERE state IN ('open', 'done') GROUP BY site, state", {}
        )
    }
    by_hand = {
        site: int(count)
        for site, count in ask(
            "SELECT site, count(*) FROM change WHERE state = 'waiting' AND code = :code GROUP BY site",
            {"code": BY_HAND},
        )
    }
    questions = {
        site: (count, soonest)
        for site, count, soonest in ask(
            "SELECT site, count(*), min(CASE WHEN visit_at >= :now THEN visit_at END)"
            " FROM review WHERE state = 'open' GROUP BY site",
            {},
        )
    }
    waiting = _waiting(ask) if oldest else {}
    found = {}
    for site in sorted(states.keys() | questions.keys()):
        counts = states.get(site, {})
        written = _written(ask, site) if counts else {}
        failures = _unacknowledged(ask, site) if counts.get("failed") else {}
        failed, failing_since = failures.get(False, (0, None))
        expired, expiring_since = failures.get(True, (0, None))
        found[site] = SiteReport(
            site=site,
            states=counts,
            oldest_open=_moment(oldest.get(site)),
            questions=questions.get(site, (0, None))[0],
            soonest_visit=_moment(questions.get(site, (0, None))[1]),
            last_write=max(written.values(), default=None),
            unacknowledged=failed + expired,
            failing_since=failing_since,
            expired=expired,
            expiring_since=expiring_since,
            written=written,
            waiting=waiting.get(site, {}),
            by_hand=by_hand.get(site, 0),
            lines=lines.get((site, "open"), 0),
            ticked=lines.get((site, "done"), 0),
        )
    return found


def _written(ask: Ask, site: str) -> dict[Kind, datetime]:
    """When the last write of each kind was answered: one look into the index for each, all in one statement."""
    newest = (
        "(SELECT answered_at FROM action WHERE site = :site AND kind = '{kind}' AND answered_at IS NOT NULL"
        " AND state = 'answered' ORDER BY answered_at DESC LIMIT 1)"
    )
    ((*moments,),) = ask(
        "SELECT " + ", ".join(newest.format(kind=kind.value) for kind in RECORD_TYPES), {"site": site}
    )
    return {kind: _sure(at) for kind, at in zip(RECORD_TYPES, moments, strict=True) if at is not None}


def _waiting(ask: Ask) -> dict[str, dict[Kind, datetime]]:
    """When the oldest open change was received that is due, or is tried again and again; by site and kind."""
    codes = ", ".join(f"'{code}'" for code in HELD_BACK)
    found: dict[str, dict[Kind, datetime]] = {}
    for site, kind, received_at in ask(
        "SELECT site, kind, min(received_at) FROM change WHERE state IN ('received', 'waiting')"  # noqa: S608
        f" AND code NOT IN ({codes}) AND (code <> '' OR next_at <= :now) GROUP BY site, kind",
        {},
    ):
        found.setdefault(site, {})[Kind(kind)] = _sure(received_at)
    return found


def _unacknowledged(ask: Ask, site: str) -> dict[bool, tuple[int, datetime | None]]:
    """How many failed changes nobody has acknowledged, and since when; by whether they have expired."""
    rows = ask(
        "SELECT code = 'expired', count(*), min(settled_at) FROM change WHERE site = :site AND state = 'failed'"
        " AND NOT EXISTS (SELECT 1 FROM acknowledgement WHERE change_id = change.id) GROUP BY code = 'expired'",
        {"site": site},
    )
    return {bool(expired): (int(count), _moment(since)) for expired, count, since in rows}


def _run(ask: Ask) -> RunReport | None:
    rows = ask("SELECT command, started_at, ended_at FROM run ORDER BY id DESC LIMIT :most", {"most": MOST_RUNS})
    if not rows:
        return None
    command, started_at, ended_at = rows[0]
    began_at = since = _sure(started_at)
    for _, earlier, ended in rows[1:]:
        if since - (_moment(ended) or _sure(earlier)) > IN_A_ROW:
            break
        since = _sure(earlier)
    return RunReport(
        command=command,
        started_at=began_at,
        ended_at=_moment(ended_at),
        since=since if since < began_at else None,
    )


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


def newest_attempt(ask: Ask) -> int:
    """The number of the newest attempt at a write; 0 where there is none."""
    return int(ask("SELECT coalesce(max(id), 0) FROM attempt", {})[0][0])


def attempts_after(ask: Ask, number: int, now: datetime) -> tuple[Counter[AttemptKey], int]:
    """How many attempts after a number have ended, and how; and the number up to which they are counted now.

    One that is under way, and what came after it, is left for the next time.
    """
    found: Counter[AttemptKey] = Counter()
    for id_, state, started_at, account, kind, operation in ask(
        "SELECT attempt.id, attempt.state, attempt.started_at, account, kind, operation FROM attempt"
        " JOIN action ON action.id = attempt.action_id WHERE attempt.id > :number ORDER BY attempt.id LIMIT :most",
        {"number": number, "most": MOST_ATTEMPTS},
    ):
        if state == "intended" and now - _sure(started_at) < ATTEMPT_TAKES:
            break
        found[account, kind, operation, state] += 1
        number = id_
    return found, number


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
