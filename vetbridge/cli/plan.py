"""`vetbridge plan`: what one pass would write and ask now; nothing is written anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, told
from vetbridge.cli.sheets import CsvFile, HtmlFile, Section, files_told, require_writable, write_csv, write_page
from vetbridge.cli.tables import one_line, say_wrapped, wrapped

if TYPE_CHECKING:
    from pathlib import Path

    from vetbridge.config.models import Config
    from vetbridge.daemon.once import Outcome
    from vetbridge.ledger.rehearsals import PlannedChange

PATIENCE = 5.0
"""Seconds: a rehearsal waits that long for what must be tried again, such as the second booking of one new owner."""

LONGEST_MESSAGE = 300
"""Characters of a message that are shown."""

_COLUMNS = (
    "Site",
    "Kind",
    "Id",
    "Account",
    "Visit time",
    "Would",
    "What",
    "At account",
    "Its id",
    "Fields",
    "Ends",
    "Code",
)

_NOTHING = frozenset({"done", "skipped"})
"""States that need no line where nothing would be written."""


def plan(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    csv_file: CsvFile = None,
    html_file: HtmlFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what `vetbridge sync` would do now: every write, and every question for a person. Nothing is written.

    Reads both sides for real, and works on a copy of the ledger that is thrown away afterwards; so it may run beside
    a running VetBridge. Shows ids, times and names of fields, no values. Ends as `sync` would.
    """
    rehearse(
        ctx,
        "plan",
        site=site,
        only=None,
        patience=PATIENCE,
        csv_file=csv_file,
        html_file=html_file,
        as_json=as_json,
    )


def rehearse(
    ctx: typer.Context,
    command: str,
    *,
    site: str | None,
    only: str | None,
    patience: float,
    as_json: bool,
    csv_file: Path | None = None,
    html_file: Path | None = None,
) -> NoReturn:
    """One pass on a copy, drawn; ends the command as a pass in earnest would. ``only``: of this client alone."""
    from vetbridge.cli.log import set_up  # noqa: PLC0415 - keeps --help quick
    from vetbridge.daemon.once import pass_for_client, pass_over  # noqa: PLC0415
    from vetbridge.daemon.rehearsal import rehearsed  # noqa: PLC0415
    from vetbridge.sync.only import NobodyMeant  # noqa: PLC0415

    with told(command, as_json=as_json), files_told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        config = loaded.config
        if site is not None and site not in config.sites:
            unknown_site(command, config, site, as_json=as_json)
        require_writable(csv_file, html_file)
        # Endings of a rehearsal would read as if they had happened.
        set_up("warning", config.log.format)
        with rehearsed(loaded) as rehearsal:
            if site is not None:
                rehearsal.keep_to(site)
            try:
                if only is None:
                    outcome = pass_over(rehearsal.program, patience=patience, progress=talk)
                else:
                    outcome = pass_for_client(rehearsal.program, only, patience=patience, progress=talk)
            except NobodyMeant as nobody:
                nobody_meant(command, nobody, as_json=as_json)
            kept = rehearsal.program.engine.only
            found = [each for each in rehearsal.planned().values() if kept is None or each.record_id in kept]
        if site is not None:
            found = [each for each in found if each.site == site]
        found = _once(found)
        if csv_file is not None:
            write_csv(csv_file, _COLUMNS, _rows(found, config))
        if html_file is not None:
            rows = [row for row, each in zip(_rows(found, config), _by_row(found), strict=True) if _is_shown(each)]
            section = Section("What would be written and asked", _COLUMNS, rows)
            write_page(html_file, "What `vetbridge sync` would do now", _summary(found, outcome), [section])
    if as_json:
        came = outcome.as_data()
        data = {**came, "states": came["changes"], "changes": as_data(found)}
        emit_json(command, data, outcome.problems)
    else:
        _draw(found, outcome, config)
    raise typer.Exit(outcome.exit_code)


def _once(found: Iterable[PlannedChange]) -> list[PlannedChange]:
    """What would become of each record, once: several changes of one that end alike say nothing more."""
    once: dict[object, PlannedChange] = {}
    for number, each in enumerate(found):
        alike = number if each.writes else (each.record_id, each.state, each.code, each.asks)
        once.setdefault(alike, each)
    return list(once.values())


def nobody_meant(command: str, why: Exception, *, as_json: bool) -> NoReturn:
    """Ends a command whose client nobody has."""
    give_up(
        command,
        str(why),
        advice="Give the client's id at the booking side or in the PIMS.",
        code="unknown-client",
        as_json=as_json,
        exit_code=USAGE,
    )


def change_lines(each: PlannedChange, config: Config, ending: str = "") -> Iterator[str]:
    """One change and what would be written for it; ``ending`` stands in the place of how it would end."""
    yield from wrapped(f"{record_words(each, config)}: {ending or _ending(each)}", margin="    ")
    for write in each.writes:
        target = write.kind if write.remote_id is None else f"{write.kind} {one_line(write.remote_id, 24)}"
        fields = f": {', '.join(write.fields)}" if write.fields else ""
        yield from wrapped(f"{write.operation} {target} at {write.account}{fields}", first="    ", margin="        ")


def record_words(each: PlannedChange, config: Config) -> str:
    """A record by kind, id and account, with its visit's time at the site."""
    words = f"{each.kind} {one_line(each.remote_id, 24)} at {each.account}"
    if each.visit_at is None:
        return words
    zone = ZoneInfo(config.sites[each.site].zone) if each.site in config.sites else each.visit_at.tzinfo
    return f"{words}, {each.visit_at.astimezone(zone):%a %d %b %H:%M}"


def _ending(each: PlannedChange) -> str:
    from vetbridge.desk.wording import why  # noqa: PLC0415

    if each.asks:
        return f"would ask: {why(each.asks)}"
    said = ": ".join(part for part in (each.code, one_line(each.message, LONGEST_MESSAGE)) if part)
    if each.state == "failed":
        return f"would fail: {said}"
    if each.state in ("received", "waiting"):
        return f"would wait: {said or 'its site is paused, or a side of it does not answer'}"
    from vetbridge.ledger.replays import ONE_SIDE_ONLY  # noqa: PLC0415 - keeps --help quick

    return each.code if each.writes and each.code != ONE_SIDE_ONLY else said


def _draw(found: Iterable[PlannedChange], outcome: Outcome, config: Config) -> None:
    listed = list(found)
    shown = [each for each in listed if _is_shown(each)]
    for each in shown:
        for line in change_lines(each, config):
            say(line)
    if shown:
        say("")
    for text in _summary(listed, outcome):
        say_wrapped(text)
    for problem in outcome.problems:
        talk(problem)


def _is_shown(each: PlannedChange) -> bool:
    return bool(each.writes or each.asks or each.state not in _NOTHING)


def _summary(listed: Sequence[PlannedChange], outcome: Outcome) -> list[str]:
    """How much would be written and asked, and what would stop it."""
    writes = sum(len(each.writes) for each in listed)
    parts = [
        _count(writes, "write"),
        _count(sum(bool(each.asks) for each in listed), "question"),
        *(f"{count} would fail" for count in [_in(listed, "failed")] if count),
        *(f"{count} would wait" for count in [_in(listed, "received", "waiting")] if count),
        f"{sum(not _is_shown(each) for each in listed)} without anything to write",
    ]
    return [
        f"{', '.join(parts)}. Nothing was written.",
        *(f"The fuse of site {site} would hold changes back until a person has answered." for site in outcome.blown),
    ]


def _by_row(found: Iterable[PlannedChange]) -> Iterator[PlannedChange]:
    """The change of each row of a table: it has one for each write, and one where nothing would be written."""
    for each in found:
        yield from [each] * max(1, len(each.writes))


def _rows(found: Iterable[PlannedChange], config: Config) -> Iterator[Sequence[str]]:
    for each in found:
        head = (each.site, each.kind, each.remote_id, each.account, _visit_time(each, config))
        tail = (_ending(each), each.asks or each.code)
        for write in each.writes:
            target = (write.operation, write.kind, write.account, write.remote_id or "", ", ".join(write.fields))
            yield (*head, *target, *tail)
        if not each.writes:
            yield (*head, "", "", "", "", "", *tail)


def _visit_time(each: PlannedChange, config: Config) -> str:
    if each.visit_at is None:
        return ""
    zone = ZoneInfo(config.sites[each.site].zone) if each.site in config.sites else each.visit_at.tzinfo
    return f"{each.visit_at.astimezone(zone):%Y-%m-%d %H:%M}"


def _in(listed: Iterable[PlannedChange], *states: str) -> int:
    return sum(each.state in states for each in listed)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def unknown_site(command: str, config: Config, site: str, *, as_json: bool) -> NoReturn:
    """Ends a command that was asked for a site that the config does not have."""
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick

    give_up(
        command,
        f"no site is called {one_line(site)!r}{nearest(site, sorted(config.sites))}",
        advice="",
        code="unknown-site",
        as_json=as_json,
        exit_code=USAGE,
    )
