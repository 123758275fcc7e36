"""`vetbridge status`: how it does, at a glance; every number names the command that lists what it counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say
from vetbridge.cli.reading import AsJson, as_data, config_path, ledger_beside, told
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped

if TYPE_CHECKING:
    from datetime import datetime

    from vetbridge.config.loader import Loaded
    from vetbridge.desk.paused import PauseStatus
    from vetbridge.desk.status import AccountStatus, SiteStatus, Status
    from vetbridge.ledger.glance import Glance


LONGEST_PLACE = 400
"""Characters of the ledger's place that are shown."""


def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show how VetBridge does: accounts, changes by state, open questions, the last write.

    Looks at the ledger alone, beside a running daemon, and asks no vendor. Ends with 6 where there is no ledger.
    """
    with told("status", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.daemon.lock import running  # noqa: PLC0415 - keeps --help quick
        from vetbridge.desk import status as desk  # noqa: PLC0415

        seen = _glance(loaded)
        pid = running(loaded.config.ledger.place)
        if seen is not None:
            found = desk.picture(seen, loaded.config, pid)
        else:
            with ledger_beside(loaded) as ledger, ledger.read() as tx:
                found = desk.status(tx, loaded.config, pid)
    if as_json:
        emit_json("status", as_data(found))
    else:
        _draw(found)


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
    say(_daemon(found))
    say("")
    accounts = plain_table("Account", "State", "")
    for account in found.accounts:
        add(accounts, account.name, account.state, _account(account, found))
    say(drawn(accounts))
    for site in found.sites:
        say("")
        _draw_site(site, found)
    say("")
    say_wrapped(f"Ledger: {one_line(found.ledger, LONGEST_PLACE)}", margin="  ")


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
    if account.blocked_code is not None:
        parts.append(f"{account.blocked_code}: {account.advice}")
    if account.failing_since is not None:
        parts.append(f"no answer since {ago(account.failing_since, now).removesuffix(' ago')}")
    if account.paused_until is not None:
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


def _gone_live(site: SiteStatus) -> str:
    """That a site is in the shadow, is held back in its first days, or has ended; empty where it is simply live."""
    if site.ended_at is not None:
        by = f" by {one_line(site.ended_by, 60)}" if site.ended_by else ""
        return f"ended on {site.ended_at:%Y-%m-%d}{by}: it is left alone"
    if site.in_shadow:
        return f"in the shadow: nothing is written until `vetbridge sync --approve --site {site.name}`"
    if site.is_pairing:
        return "approved: it writes as soon as both sides have been read and paired once more"
    if site.over_quota:
        waits = "1 change waits" if site.over_quota == 1 else f"{site.over_quota} changes wait"
        more = f"vetbridge sync --approve --more --site {site.name}"
        return f"{waits}, as more would be created than the first days allow (first_days): look, then `{more}`"
    return ""


def _draw_site(site: SiteStatus, found: Status) -> None:
    from vetbridge.desk.wording import ago, ahead  # noqa: PLC0415

    say(f"Site {site.name} ({site.title})" if site.title != site.name else f"Site {site.name}")
    say_wrapped(_gone_live(site), first="  ", margin="    ")
    if site.pause is not None:
        say_wrapped(_pause(site.pause, found.at), first="  ", margin="    ")
    if site.fuse is not None:
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
    say(drawn(table, indent=2))
    if site.failures.count:
        waits = "1 failure waits" if site.failures.count == 1 else f"{site.failures.count} failures wait"
        say_wrapped(f"{waits} to be seen to: {site.failures.command}", first="  ", margin="    ")
    if site.soonest_visit is not None:
        say(f"  next visit with a question: {ahead(site.soonest_visit, found.at)}")
    if site.oldest_open is not None:
        say(f"  oldest change that is not settled: received {ago(site.oldest_open, found.at)}")
    say(f"  last write: {ago(site.last_write, found.at)}")
