"""`vetbridge status`: how it does, at a glance; every number names the command that lists what it counts.

With ``--check`` it speaks to monitoring programs, as plugins of Nagios, Icinga, Zabbix or Checkmk do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say
from vetbridge.cli.reading import AsJson, as_data, config_path, ledger_beside, told
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped
from vetbridge.core.conditions import Code, Severity
from vetbridge.core.errors import VetBridgeError
from vetbridge.core.installs import FROZEN, NOT_CONNECTED

if TYPE_CHECKING:
    from datetime import datetime

    from vetbridge.config.loader import Loaded
    from vetbridge.desk.paused import PauseStatus
    from vetbridge.desk.status import AccountStatus, ConditionStatus, InstallStatus, SiteStatus, Status
    from vetbridge.ledger.glance import Glance


LONGEST_PLACE = 400
"""Characters of the ledger's place that are shown."""


MOST_CONDITIONS = 10
"""Conditions that are drawn; of more the rest is counted. JSON has them all."""
MOST_NAMED = 5
"""Conditions that the line for monitoring names."""

FINE, WARNING, CRITICAL = 0, 1, 2
"""Exit codes of ``--check``: what monitoring programs expect, not what other commands end with."""
_WORDS = {FINE: "OK", WARNING: "WARNING", CRITICAL: "CRITICAL"}

Check = Annotated[
    bool,
    typer.Option(
        "--check", help="One line for monitoring; ends with 0 (fine), 1 (needs a person today) or 2 (now), no others."
    ),
]


def status(ctx: typer.Context, check: Check = False, as_json: AsJson = False) -> None:
    """Show how VetBridge does: what is wrong, accounts, how fresh everything is, changes by state, open questions.

    Looks at the ledger alone, beside a running daemon, and asks no vendor. Ends with 6 where there is no ledger.

    For Nagios and its like: `vetbridge status --check` prints one line and ends with 0, 1 or 2, also where the config
    or the ledger cannot be read (2).
    """
    if check:
        _check(ctx)
    with told("status", as_json=as_json):
        found = _look(ctx)
    if as_json:
        emit_json("status", as_data(found))
    else:
        _draw(found)


def _look(ctx: typer.Context) -> Status:
    loaded = load_config(config_path(ctx))
    from vetbridge.daemon.lock import running  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk import status as desk  # noqa: PLC0415

    seen = _glance(loaded)
    pid = running(loaded.config.ledger.place)
    if seen is not None:
        return desk.picture(seen, loaded.config, pid)
    with ledger_beside(loaded) as ledger, ledger.read() as tx:
        return desk.status(tx, loaded.config, pid)


def _check(ctx: typer.Context) -> NoReturn:
    try:
        found = _look(ctx)
    except Exception as error:
        # Of what nobody has foreseen the type alone: its end would count as a warning, its text may hold an owner.
        why = f"bug: VetBridge itself failed ({type(error).__name__})"
        if isinstance(error, VetBridgeError):
            why = f"{error.code}: {error.message}"
        say(f"VETBRIDGE CRITICAL - {one_line(why, 220).replace('|', '/')}")
        raise typer.Exit(CRITICAL) from None
    count = {each: sum(found_.severity == each for found_ in found.conditions) for each in Severity}
    code = CRITICAL if count[Severity.NOW] else WARNING if count[Severity.TODAY] else FINE
    say(f"VETBRIDGE {_WORDS[code]} - {_summary(found)} | {_performance(found, count)}")
    raise typer.Exit(code)


def _summary(found: Status) -> str:
    """What is wrong in one line: codes and names alone."""
    number = len(found.conditions)
    if not number:
        sites = [site.name for site in found.sites if site.ended_at is None]
        return f"{len(sites)} sites, nothing is wrong" if len(sites) != 1 else f"{sites[0]}: nothing is wrong"
    named = [" ".join(filter(None, (each.code, each.name, each.kind))) for each in found.conditions[:MOST_NAMED]]
    more = [f"and {number - MOST_NAMED} more"] if number > MOST_NAMED else []
    return f"{number} {'condition' if number == 1 else 'conditions'}: {', '.join([*named, *more])}"


def _performance(found: Status, count: Mapping[Severity, int]) -> str:
    """Numbers that monitoring programs draw: label=value;warn;crit."""
    waiting = [
        (found.at - each.write.oldest_waiting).total_seconds()
        for site in found.sites
        for each in site.kinds
        if each.write.oldest_waiting is not None
    ]
    ages = [read.read_age for site in found.sites for each in site.kinds for read in each.reads if read.read_age]
    figures = {
        "now": f"{count[Severity.NOW]};;0",
        "today": f"{count[Severity.TODAY]};0",
        "questions": str(sum(site.review.count for site in found.sites)),
        "failures": str(sum(site.failures.count for site in found.sites)),
        "waiting": f"{max(waiting, default=0):.0f}s",
        "read": f"{max(ages, default=0):.0f}s",
    }
    return " ".join(f"{name}={value}" for name, value in figures.items())


def _glance(loaded: Loaded) -> Glance | None:
    """The quick way, which an SQLite file of this version's schema allows; None where the ordinary one is needed."""
    from vetbridge.connector.clock import SystemClock  # noqa: PLC0415
    from vetbridge.ledger.glance import in_file  # noqa: PLC0415

    settings = loaded.config.ledger
    place = settings.place
    if not isinstance(place, Path):
        return None
    return in_file(place, settings.key.reveal(), SystemClock().now())


def _draw(found: Status) -> None:
    say_wrapped(_daemon(found))
    _draw_conditions([each for each in found.conditions if each.code != Code.DAEMON_DOWN])  # said just before
    say("")
    accounts = plain_table("Account", "State", "")
    for account in found.accounts:
        add(accounts, account.name, account.state, _account(account, found))
    say(drawn(accounts))
    if found.installs:
        say("")
        draw_installs(found.installs, found.at)
    for site in found.sites:
        say("")
        _draw_site(site, found)
    say("")
    say_wrapped(f"Ledger: {one_line(found.ledger, LONGEST_PLACE)}", margin="  ")


def draw_installs(installs: Sequence[InstallStatus], now: datetime) -> None:
    """Where marketplace apps are connected, and where not."""
    from vetbridge.desk.wording import ago, ahead  # noqa: PLC0415

    table = plain_table("App", "Location", "Site", "State", "")
    for each in installs:
        parts = [] if each.since is None else [ago(each.since, now)]
        if each.until is not None:
            parts.append(f"the vendor's time ends {ahead(each.until, now)}")
        if each.code:
            parts.append(f"not connected yet: {each.code}")
        site = ", ".join(each.sites) or "no site"
        add(table, each.app, one_line(each.location, 24), site, each.state, "; ".join(parts))
    say(drawn(table))


def _draw_conditions(conditions: Sequence[ConditionStatus]) -> None:
    """What is wrong and what to do about it, the most urgent first."""
    if conditions:
        say("")
    for each in conditions[:MOST_CONDITIONS]:
        mark = "!!" if each.severity == Severity.NOW else "! "
        say_wrapped(each.message, first=f"{mark} ", margin="   ")
        say_wrapped(each.remedy, first="   ", margin="   ")
    left = len(conditions) - MOST_CONDITIONS
    if left > 0:
        say(f"   and {left} more: vetbridge status --json")


def _told(found: Status, scope: str, name: str) -> set[str]:
    """Codes of the conditions of a site or an account: what they say is not said again below."""
    return {each.code for each in found.conditions if (each.scope, each.name) == (scope, name)}


def _daemon(found: Status) -> str:
    from vetbridge.desk.wording import ago  # noqa: PLC0415

    daemon = found.daemon
    if daemon.running:
        number = f"process {daemon.pid}" if daemon.pid else "its process number is not known"
        what = f"`vetbridge {daemon.command}` is" if daemon.command else "VetBridge is"
        return f"{what} at work ({number}), started {ago(daemon.started_at, found.at)}."
    if daemon.ended_at is not None:
        ended = f" The last {daemon.command} ended {ago(daemon.ended_at, found.at)}."
    elif daemon.started_at is not None:
        ended = f" The last {daemon.command} was cut off; nothing is lost by that."
    else:
        ended = ""
    return f"VetBridge is not running: start it with `vetbridge run`.{ended}"


def _account(account: AccountStatus, found: Status) -> str:
    from vetbridge.desk.wording import ago, ahead  # noqa: PLC0415

    now = found.at
    parts = [] if account.configured else ["no longer in the config"]
    if account.pause is not None:
        parts.append(_pause(account.pause, now))
    # What an app that is not connected was answered is no news.
    rests = account.pause is not None and account.pause.why in (NOT_CONNECTED, FROZEN)
    if account.blocked_code is not None and not rests:
        known = Code.ACCOUNT_BLOCKED in _told(found, "account", account.name)
        parts.append(account.blocked_code if known else f"{account.blocked_code}: {account.advice}")
    if account.failing_since is not None and not rests:
        what = f"{account.failing_part}: " if account.failing_part else ""
        parts.append(f"{what}no answer since {ago(account.failing_since, now).removesuffix(' ago')}")
        if account.blocked_code is None and account.advice:
            parts.append(account.advice.removesuffix("."))
    if account.paused_until is not None and not rests:
        parts.append(f"asked again {ahead(account.paused_until, now)}")
    parts += [f"budget {name} paused, again {ahead(until, now)}" for name, until in account.paused_budgets.items()]
    if account.answered_at is not None:
        parts.append(f"last answer {ago(account.answered_at, now)}")
    if account.mirror is not None:
        mirror = account.mirror
        size = f"{mirror.clients} clients, {mirror.pets} pets"
        if not mirror.complete:
            parts.append(f"mirror not complete yet ({size}): nobody counts as new until it is")
        else:
            stale = " - too old, nobody counts as new" if mirror.stale else ""
            parts.append(f"mirror complete: {size}, read {ago(mirror.read_at, now)}{stale}")
    parts += [f"{each.words}, begun {ago(each.begun_at, now)}" for each in account.readings]
    return "\n".join(parts) or "nothing is known yet"


def _pause(pause: PauseStatus, now: datetime) -> str:
    from vetbridge.desk.wording import ago, ahead  # noqa: PLC0415

    by = f" by {one_line(pause.by, 60)}" if pause.by else ""
    end = "" if pause.until is None else f", goes on {ahead(pause.until, now)}"
    if pause.why:
        return f"paused{by} {ago(pause.since, now)}: {pause.reason}; `vetbridge doctor` says what to do"
    return f"paused{by} {ago(pause.since, now)}{end}: {pause.command}"


def _gone_live(site: SiteStatus, told: Collection[str]) -> str:
    """That a site is in the shadow, is held back in its first days, or has ended; empty where it is simply live."""
    if site.ended_at is not None:
        by = f" by {one_line(site.ended_by, 60)}" if site.ended_by else ""
        return f"ended on {site.ended_at:%Y-%m-%d}{by}: it is left alone"
    if site.in_shadow:
        return f"in the shadow: nothing is written until `vetbridge sync --approve --site {site.name}`"
    if site.is_pairing:
        return "approved: it writes as soon as both sides have been read and paired once more"
    if site.over_quota and Code.QUOTA_REACHED not in told:
        waits = "1 change waits" if site.over_quota == 1 else f"{site.over_quota} changes wait"
        more = f"vetbridge sync --approve --more --site {site.name}"
        return f"{waits}, as more would be created than the first days allow (first_days): look, then `{more}`"
    return ""


def _draw_site(site: SiteStatus, found: Status) -> None:
    from vetbridge.desk.wording import ago, ahead  # noqa: PLC0415

    say(f"Site {site.name} ({site.title})" if site.title != site.name else f"Site {site.name}")
    told = _told(found, "site", site.name)
    say_wrapped(_gone_live(site, told), first="  ", margin="    ")
    if site.pause is not None:
        say_wrapped(_pause(site.pause, found.at), first="  ", margin="    ")
    for pause in site.paused_kinds:
        kind = pause.name.partition("/")[2]
        say_wrapped(f"{kind}s: {_pause(pause, found.at)}", first="  ", margin="    ")
    if site.fuse is not None and Code.FUSE_BLOWN not in told:
        waits = "1 change waits" if site.fuse.held.count == 1 else f"{site.fuse.held.count} changes wait"
        blown = f"the fuse has blown, and {waits} for an answer: {site.fuse.held.command}"
        say_wrapped(blown, first="  ", margin="    ")
    table = plain_table("", "", "")
    for state, count in site.changes.items():
        if count.count:
            add(table, state, str(count.count), count.command)
    if not any(count.count for count in site.changes.values()):
        add(table, "no changes yet", "", "")
    if site.review.count:
        add(table, "questions", str(site.review.count), site.review.command)
    if site.by_hand.count or site.ticked:
        ticked = f" ({site.ticked} more ticked, no read has shown it yet)" if site.ticked else ""
        add(table, "by hand", str(site.by_hand.count), f"{site.by_hand.command}{ticked}")
    say(drawn(table, indent=2))
    if site.failures.count and told.isdisjoint({Code.FAILURES_WAIT, Code.WRITE_EXPIRED}):
        waits = "1 failure waits" if site.failures.count == 1 else f"{site.failures.count} failures wait"
        say_wrapped(f"{waits} to be seen to: {site.failures.command}", first="  ", margin="    ")
    if site.soonest_visit is not None:
        say(f"  next visit with a question: {ahead(site.soonest_visit, found.at)}")
    if site.oldest_open is not None:
        say(f"  oldest change that is not settled: received {ago(site.oldest_open, found.at)}")
    _draw_freshness(site, found)


def _draw_freshness(site: SiteStatus, found: Status) -> None:
    """When each kind was read and written last, on a line for each account and one for writes."""
    from vetbridge.desk.conditions import kinds  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk.wording import ago  # noqa: PLC0415

    by_account: dict[str, list[str]] = {account.name: [] for account in found.accounts}
    for each in site.kinds:
        for read in each.reads:
            late = " (too long ago)" if read.read_stale else ""
            by_account.setdefault(read.account, []).append(f"{kinds(each.kind)} {ago(read.read_at, found.at)}{late}")
    for account, parts in by_account.items():
        if parts:
            say_wrapped(f"read from {account}: {', '.join(parts)}", first="  ", margin="    ")
    written = [
        f"{kinds(each.kind)} {ago(each.write.last_write_at, found.at)}"
        for each in site.kinds
        if each.write.last_write_at is not None
    ]
    say_wrapped(f"written: {', '.join(written) or 'nothing yet'}", first="  ", margin="    ")
