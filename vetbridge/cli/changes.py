"""`vetbridge changes`: what happened, what failed and what to do next, and the story of one change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.moments import moment
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import (
    USAGE,
    AsJson,
    as_data,
    config_path,
    give_up,
    ledger_beside,
    must_know,
    signed,
    told,
)
from vetbridge.cli.tables import add, drawn, one_line, plain_table, say_wrapped
from vetbridge.core.records import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vetbridge.desk.changes import ChangeStory, ListedGroup, Listing, Selection
    from vetbridge.desk.tracing import Trace
    from vetbridge.ledger.reports import ChangeReport

app = typer.Typer(
    name="changes",
    help="List changes, see to failed ones, and tell the story of one.",
    no_args_is_help=True,
)

LONGEST_MESSAGE = 400
"""Characters of a message that a table shows."""

HIGHEST = 2**63 - 1
"""The highest number that a ledger can give."""

_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2200, 1, 1)

LEFTOVERS = 4
"""Exit code where not all that was asked for could be done."""


class State(StrEnum):
    """Change states, as an option takes them."""

    RECEIVED = "received"
    WAITING = "waiting"
    REVIEW = "review"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


OfState = Annotated[list[State] | None, typer.Option("--state", help="Only changes in this state; may be repeated.")]
OfCode = Annotated[list[str] | None, typer.Option("--code", help="Only changes with this reason; may be repeated.")]
OfAccount = Annotated[str | None, typer.Option("--account", help="Only changes at this account.")]
OfSite = Annotated[str | None, typer.Option("--site", help="Only changes of this site.")]
OfKind = Annotated[Kind | None, typer.Option("--kind", help="Only changes of this kind.")]
OfPhone = Annotated[
    str | None, typer.Option("--phone", help="Only of an owner with this phone, or with this end of it.")
]
OfName = Annotated[str | None, typer.Option("--name", help="Only of an owner of this name.")]
OfPet = Annotated[str | None, typer.Option("--pet", help="Only of a pet of this name.")]
OfDay = Annotated[
    str | None, typer.Option("--day", metavar="DATE", help="Only of visits on this day: 2026-11-24, today, tomorrow.")
]
OfRecord = Annotated[str | None, typer.Option("--id", help="Only of the record with this id at either side.")]
OfGroup = Annotated[
    str | None,
    typer.Option("--group", help="Only this group of failures: its letter in `changes list`, or CODE@ACCOUNT."),
]
SINCE = "Only what moved since: 2h, '3d ago', 2026-11-21."
Since = Annotated[str | None, typer.Option("--since", metavar="T", help=SINCE)]
Until = Annotated[str | None, typer.Option("--until", metavar="T", help="Only what moved last before: as --since.")]


def selected(
    *,
    numbers: Sequence[int] | None = None,
    group: str | None = None,
    states: Sequence[State] | None = None,
    codes: Sequence[str] | None = None,
    account: str | None = None,
    site: str | None = None,
    kind: Kind | None = None,
    phone: str | None = None,
    name: str | None = None,
    pet: str | None = None,
    day: str | None = None,
    since: str | None = None,
    until: str | None = None,
    remote_id: str | None = None,
    unacknowledged: bool = False,
) -> Selection:
    """What the options say. Raises ``typer.BadParameter`` for a day or a moment that cannot be read."""
    from vetbridge.desk.changes import Selection  # noqa: PLC0415 - keeps --help quick

    now = datetime.now(UTC)
    return Selection(
        numbers=tuple(numbers or ()),
        group=group or "",
        states=tuple(state.value for state in states or ()),
        codes=tuple(codes or ()),
        account=account,
        site=site,
        kind=None if kind is None else kind.value,
        phone=phone,
        name=name,
        pet=pet,
        day=None if day is None else day_of(day),
        since=None if since is None else moment(since, now, "--since"),
        until=None if until is None else moment(until, now, "--until"),
        remote_id=remote_id,
        unacknowledged=unacknowledged,
    )


def day_of(text: str) -> date:
    """A day as people type it. Raises ``typer.BadParameter`` for anything else."""
    today = datetime.now().astimezone().date()
    words = {"yesterday": -1, "today": 0, "tomorrow": 1}
    try:
        if text.strip().lower() in words:
            return today + timedelta(days=words[text.strip().lower()])
        found = date.fromisoformat(text.strip())
        if not _FIRST_DAY <= found <= _LAST_DAY:
            raise ValueError
        return found
    except ValueError:
        raise typer.BadParameter("expected a day such as 2026-11-24, today or tomorrow", param_hint="--day") from None


@contextmanager
def known_group(command: str, *, as_json: bool) -> Iterator[None]:
    """Ends a command that was asked for a group of failures that there is not."""
    from vetbridge.desk.changes import UnknownGroup  # noqa: PLC0415 - keeps --help quick

    try:
        yield
    except UnknownGroup as unknown:
        give_up(
            command,
            f"no group of failures is called {one_line(str(unknown.args[0]))!r} now",
            advice="`vetbridge changes list --state failed` shows the groups.",
            code="unknown-group",
            as_json=as_json,
            exit_code=USAGE,
        )


@app.command(name="list", epilog="Example: vetbridge changes list --state failed --since 2h")
def list_(
    ctx: typer.Context,
    state: OfState = None,
    code: OfCode = None,
    site: OfSite = None,
    account: OfAccount = None,
    kind: OfKind = None,
    phone: OfPhone = None,
    name: OfName = None,
    pet: OfPet = None,
    day: OfDay = None,
    since: Since = None,
    until: Until = None,
    remote_id: OfRecord = None,
    group: OfGroup = None,
    everything: Annotated[
        bool, typer.Option("--all", help="With --state failed: also those that somebody has acknowledged.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List changes, the newest first. Failed ones also stand grouped by reason, with what to do next.

    Of failed changes alone (`--state failed`) those are left out that somebody has acknowledged. Shows ids and codes
    alone, never a name. Ends with 2 for a site, an account or a group that nobody knows, with 6 where there is no
    ledger.
    """
    from vetbridge.desk.changes import listing  # noqa: PLC0415 - keeps --help quick

    selection = selected(
        group=group,
        states=state,
        codes=code,
        account=account,
        site=site,
        kind=kind,
        phone=phone,
        name=name,
        pet=pet,
        day=day,
        since=since,
        until=until,
        remote_id=remote_id,
        unacknowledged=not everything and state == [State.FAILED],
    )
    with told("changes list", as_json=as_json), known_group("changes list", as_json=as_json):
        loaded = load_config(config_path(ctx))
        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            now = tx.now
            must_know("changes list", tx, loaded.config, site=site, account=account, as_json=as_json)
            found = listing(tx, loaded.config.sites, selection, limit=limit)
    if as_json:
        data = {
            "total": found.total,
            "changes": [{**as_data(each.change), "next_step": each.next_step} for each in found.changes],
            "groups": [_group_data(each) for each in found.groups],
            "acknowledged": found.acknowledged,
        }
        emit_json("changes list", data)
    else:
        _draw_list(found, now)


@app.command(epilog="Example: vetbridge changes show 8841")
def show(
    ctx: typer.Context,
    number: Annotated[
        int,
        typer.Argument(metavar="ID", min=1, max=HIGHEST, help="The change's number, as `changes list` shows it."),
    ],
    names: Annotated[
        bool,
        typer.Option("--names", help="Show also the values that a match was decided by, and which file failed."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell the story of one change: received, read, mapped, matched, planned, sent, answered, and how it ended.

    Shows ids and codes alone, unless `--names` asks for the values that a match was decided by, and for what the
    file is called that failed. Ends with 2 where there is no such change.
    """
    with told("changes show", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.changes import story  # noqa: PLC0415 - keeps --help quick
        from vetbridge.ledger import access, audit  # noqa: PLC0415

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                found = story(tx, number, names=names)
            if found is not None:
                access.note_history(ledger, number, by=signed(None), via=audit.COMMAND)
    if found is None:
        give_up(
            "changes show",
            f"there is no change {number}",
            advice="`vetbridge changes list` shows the newest ones.",
            code="unknown-change",
            as_json=as_json,
            exit_code=USAGE,
        )
    if as_json:
        emit_json("changes show", as_data(found))
    else:
        _draw_story(found)


@app.command(epilog="Example: vetbridge changes trace altegio-city/appointment/30001")
def trace(
    ctx: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(metavar="ID", help="A change's number, question/NUMBER, link/NUMBER, or ACCOUNT/KIND/ID."),
    ],
    as_json: AsJson = False,
) -> None:
    """Tell the whole way of one booking: hints, changes, questions, answers, writes, its record on the other side.

    All records that it was ever linked with are told together, in the order of time, and on which client and pet it
    stands. Shows ids and codes alone. Ends with 2 where nothing is known by this ID.
    """
    with told("changes trace", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import tracing  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            try:
                found = tracing.trace(tx, reference)
            except tracing.NothingTraced:
                give_up(
                    "changes trace",
                    f"nothing is known by {one_line(reference)!r}",
                    advice="Give a change's number, question/NUMBER, link/NUMBER or ACCOUNT/KIND/ID: "
                    "`vetbridge find` and `vetbridge changes list` show them.",
                    code="unknown-id",
                    as_json=as_json,
                    exit_code=USAGE,
                )
    if as_json:
        emit_json("changes trace", as_data(found))
    else:
        _draw_trace(found)


@app.command(epilog="Example: vetbridge changes ack --group A --plan")
def ack(
    ctx: typer.Context,
    numbers: Annotated[
        list[int] | None,
        typer.Argument(metavar="ID...", help="Numbers of failed changes.", min=1, max=HIGHEST),
    ] = None,
    group: OfGroup = None,
    code: OfCode = None,
    account: OfAccount = None,
    site: OfSite = None,
    kind: OfKind = None,
    since: Since = None,
    until: Until = None,
    by: Annotated[str | None, typer.Option("--by", help="Who has seen to them; the login name unless given.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say which, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Acknowledge failed changes: somebody has seen to them, and they leave the list of failures.

    Nothing is tried again by this: see `replay`. Give numbers, --group or --code. Who did it is kept. Ends with 0
    when all were acknowledged, now or before, 4 when some have not failed, 2 for a number that nothing has.
    """
    if bool(numbers) + (group is not None) + bool(code) != 1:
        raise typer.BadParameter("give the numbers of changes, or --group, or --code", param_hint="ID")
    selection = selected(
        numbers=numbers, group=group, codes=code, account=account, site=site, kind=kind, since=since, until=until
    )
    with told("changes ack", as_json=as_json), known_group("changes ack", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import failures as desk  # noqa: PLC0415 - keeps --help quick
        from vetbridge.ledger import reports  # noqa: PLC0415

        with ledger_beside(loaded) as ledger:
            with ledger.read() as tx:
                must_know("changes ack", tx, loaded.config, site=site, account=account, as_json=as_json)
                wrong = [number for number in numbers or () if reports.change(tx, number) is None]
                found = desk.fitting(tx, loaded.config.sites, selection)
                others = desk.not_failed(tx, numbers or ())
            done = 0
            if not plan and not wrong:
                with ledger.write() as tx:
                    done = desk.acknowledge(tx, [each.id for each in found], by=signed(by))
    if wrong:
        give_up(
            "changes ack",
            f"there is no change {wrong[0]}",
            advice="Nothing was acknowledged. `vetbridge changes list --state failed` shows the failed ones.",
            code="unknown-change",
            as_json=as_json,
            exit_code=USAGE,
        )
    if as_json:
        data = {
            "changes": [each.id for each in found],
            "acknowledged": done,
            "not_failed": list(others),
            "planned": plan,
        }
        emit_json("changes ack", data)
    else:
        _draw_ack(found, others, plan=plan)
    raise typer.Exit(LEFTOVERS if others else 0)


def _group_data(each: ListedGroup) -> Mapping[str, object]:
    group = each.group
    return {
        "letter": each.letter,
        "name": each.name,
        "account": group.account,
        "code": group.code,
        "count": group.count,
        "since": as_data(group.since),
        "last": as_data(group.last),
        "newest": group.newest,
        "trend": each.trend,
        "last_hour": group.last_hour,
        "hour_before": group.hour_before,
        "last_day": group.last_day,
        "day_before": group.day_before,
        "next_step": each.next_step,
    }


def _draw_list(found: Listing, now: datetime) -> None:
    from vetbridge.desk.wording import ago  # noqa: PLC0415

    for each in found.groups:
        group = each.group
        letter = f"{each.letter}  " if each.letter else ""
        first, last = ago(group.since, now), ago(group.last, now)
        when = f"first {first}" + (f", last {last}" if last != first else "")
        say_wrapped(f"{letter}{group.count}x failed: {group.code} at {group.account}, {when}", margin="    ")
        say_wrapped(f"{each.trend_words}.", first="    ", margin="    ")
        say_wrapped(f"Next: {each.next_step}", first="    ", margin="    ")
        say(f"    The newest of them: vetbridge changes show {group.newest}")
    if found.groups:
        say("")
    if not found.changes:
        say("No change fits.")
    else:
        _draw_changes(found, now)
    if found.acknowledged:
        talk(f"{found.acknowledged} acknowledged before and left out; give --all to see them, too")


def _draw_changes(found: Listing, now: datetime) -> None:
    from vetbridge.desk.wording import ago  # noqa: PLC0415

    table = plain_table("Change", "Moved", "Record", "State", "Why")
    for listed in found.changes:
        change = listed.change
        why = ": ".join(part for part in (change.code, one_line(change.message, LONGEST_MESSAGE)) if part)
        if change.next_at is not None and change.next_at > now:
            why += f"\nagain in {int((change.next_at - now).total_seconds())} s"
        if listed.next_step:
            why += f"\nNext: {listed.next_step}"
        record = f"{change.kind} {one_line(change.remote_id, 24)}\n{change.account}"
        add(table, str(change.id), ago(change.updated_at, now), record, change.state, why)
    say(drawn(table))
    if len(found.changes) < found.total:
        talk(f"{len(found.changes)} of {found.total} shown; give --limit to see more")


def _draw_ack(found: Sequence[ChangeReport], others: Sequence[int], *, plan: bool) -> None:
    counts: dict[tuple[str, str], int] = {}
    for each in found:
        counts[each.code, each.account] = counts.get((each.code, each.account), 0) + 1
    for (code, account), count in counts.items():
        say_wrapped(f"{count}x {code} at {account}")
    for number in others:
        say_wrapped(f"Change {number} has not failed: nothing to acknowledge")
    if plan:
        say(f"{len(found)} would be acknowledged. Nothing was done.")
    else:
        say(f"{len(found)} acknowledged.")


def _draw_story(found: ChangeStory) -> None:
    change = found.change
    record = f"{change.kind} {one_line(change.remote_id)} at {change.account} (site {change.site})"
    say_wrapped(f"Change {change.id}: {record}", margin="    ")
    say(f"State: {change.state}" + (f", {change.code}" if change.code else ""))
    if found.next_step:
        say_wrapped(f"Next: {found.next_step}", margin="      ")
    if found.file:
        say_wrapped(one_line(found.file, LONGEST_MESSAGE), margin="      ")
    say("")
    timeline = plain_table("When (UTC)", "What", "")
    for event in found.timeline:
        add(timeline, f"{event.at:%Y-%m-%d %H:%M:%S}", event.stage, one_line(event.words, LONGEST_MESSAGE))
    say(drawn(timeline))
    if found.evidence:
        say("")
        columns = [
            name for name in ("field", "here", "there", "level") if any(name in each for each in found.evidence)
        ]
        titles = {"field": "Field", "here": "Booking", "there": "Record", "level": "Agrees"}
        evidence = plain_table(*(titles[name] for name in columns), "Says")
        for each in found.evidence:
            cells = [one_line(str(each.get(name, "")), 60) for name in columns]
            add(evidence, *cells, one_line(str(each.get("words", ""))))
        say(drawn(evidence))
    others = [number for number in found.episodes if number != change.id]
    if others:
        say("")
        say_wrapped(f"Other changes of this record: {', '.join(str(number) for number in others[-20:])}")


def _draw_trace(found: Trace) -> None:
    for record in found.records:
        say_wrapped(f"{record.kind} {one_line(record.remote_id)} at {record.account}", margin="    ")
    say("")
    table = plain_table("When (UTC)", "Record", "What", "")
    for event in found.events:
        of = f"{event.record.kind} {one_line(event.record.remote_id, 24)}"
        of += "" if event.change is None else f"\nchange {event.change}"
        add(table, f"{event.at:%Y-%m-%d %H:%M:%S}", of, event.stage, one_line(event.words, LONGEST_MESSAGE))
    say(drawn(table))
    if found.questions:
        say("")
        shown = ", ".join(f"vetbridge review show {item}" for item in found.questions)
        say_wrapped(f"Questions: {shown}", margin="  ")
