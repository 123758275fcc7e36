"""`vetbridge sync --undo`: what a run has written is taken back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, config_path, give_up, ledger_beside, signed, told
from vetbridge.cli.tables import one_line, say_wrapped

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.ledger.database import Ledger
    from vetbridge.ledger.runs import RunReport
    from vetbridge.sync.undoing import Fate

COMMAND = "sync --undo"
LIST = "list"
"""Instead of a run's number: which runs there are."""
SHOWN = 10
"""So many runs are listed."""
LEFTOVERS = 4
"""Exit code where something of the run stays."""


def must_fit(others: Mapping[str, object], *, as_json: bool) -> None:
    """Ends the command where other options were given beside ``--undo``."""
    given = [name for name, value in others.items() if value not in (None, False)]
    if given:
        text = f"--undo does not go with {', '.join(given)}"
        give_up("sync", text, advice="", code="usage", as_json=as_json, exit_code=USAGE)


def undo(ctx: typer.Context, run: str, *, plan: bool, patience: float, by: str | None, as_json: bool) -> NoReturn:
    """Takes back what a run has written; ``list``: shows which runs there are. Ends with 0 where all of it was taken
    back, with 4 where something stays."""
    from vetbridge.cli.log import set_up  # noqa: PLC0415 - keeps --help quick

    with told(COMMAND, as_json=as_json):
        loaded = load_config(config_path(ctx))
        set_up(loaded.config.log.level, loaded.config.log.format)
        with ledger_beside(loaded) as ledger:
            chosen = _chosen(ledger, run, as_json=as_json)
            fates = _planned(loaded, ledger, chosen) if plan else ()
        sites: list[str] = []
        if not plan:
            fates, sites = _undone(loaded, chosen, patience, signed(by))
    left = [each for each in fates if not each.undone]
    done = [each for each in fates if each.undone]
    if as_json:
        data = {"run": _run_data(chosen), "planned": plan, "undone": _data(done), "left": _data(left)}
        emit_json(COMMAND, {**data, "shadow": sites})
    else:
        _draw(chosen, done, left, sites, plan=plan)
    raise typer.Exit(LEFTOVERS if left else 0)


def _chosen(ledger: Ledger, given: str, *, as_json: bool) -> RunReport:
    """The run that is meant; ends the command where the list was asked for, or where no run is."""
    from vetbridge.ledger import runs  # noqa: PLC0415 - keeps --help quick

    number = int(given) if given.isascii() and given.isdecimal() and len(given) < 20 else 0
    with ledger.read() as tx:
        found = runs.run(tx, number)
        newest = runs.newest(tx, SHOWN)
    lines = list(_lines(newest))
    if given == LIST:
        if as_json:
            emit_json(COMMAND, {"runs": [_run_data(one) for one in newest]})
        for line in [] if as_json else lines:
            say(line)
        raise typer.Exit(0)
    if found is None:
        give_up(
            COMMAND,
            f"no run of the number {one_line(given, 20)!r} has written anything",
            advice="\n".join(lines),
            code="unknown-run",
            as_json=as_json,
            exit_code=USAGE,
        )
    return found


def _planned(loaded: Loaded, ledger: Ledger, chosen: RunReport) -> tuple[Fate, ...]:
    from contextlib import closing  # noqa: PLC0415 - keeps --help quick

    from vetbridge.connector.clock import SystemClock  # noqa: PLC0415
    from vetbridge.daemon.assembly import build_program  # noqa: PLC0415
    from vetbridge.sync.engine import nowhere  # noqa: PLC0415
    from vetbridge.sync.undoing import Undoer  # noqa: PLC0415

    with closing(build_program(loaded, SystemClock(), ledger)) as program:
        return Undoer(chosen.id, program.pairs, ledger, program.clock, program.timings, nowhere).planned()


def _undone(loaded: Loaded, chosen: RunReport, patience: float, by: str) -> tuple[tuple[Fate, ...], list[str]]:
    """What became of each write, and the sites that are in the shadow now."""
    from vetbridge.daemon.assembly import assembled  # noqa: PLC0415 - keeps --help quick
    from vetbridge.daemon.once import drain  # noqa: PLC0415
    from vetbridge.ledger import audit  # noqa: PLC0415
    from vetbridge.ledger.audit import Act  # noqa: PLC0415
    from vetbridge.sync.engine import nowhere  # noqa: PLC0415
    from vetbridge.sync.undoing import Undoer  # noqa: PLC0415

    with assembled(loaded, command=COMMAND) as program:
        with program.ledger.write() as tx:
            audit.note(tx, Act.RUN_UNDONE, by=by, via=audit.COMMAND, subject="run", subject_id=chosen.id)
        undoer = Undoer(chosen.id, program.pairs, program.ledger, program.clock, program.timings, nowhere)
        program.engine.only, program.engine.instead = undoer.begin(), undoer.work
        talk(f"taking back the writes of run {chosen.id}, the newest first")
        drain(program, patience, talk)
        return undoer.finish(), sorted(undoer.shadowed)


def _draw(chosen: RunReport, done: Sequence[Fate], left: Sequence[Fate], sites: Sequence[str], *, plan: bool) -> None:
    back = "would be taken back" if plan else "taken back"
    say(f"Run {chosen.id} ({chosen.command}): {_writes(len(done))} {back}, {len(left)} left.")
    for each in done:
        _draw_fate("would go back" if plan else "back", each)
    for each in left:
        _draw_fate("left", each)
    if plan:
        say("Nothing was written.")
        return
    for site in sites:
        text = (
            f"Site {site} is in the shadow again: nothing is written for it until somebody approves it. Mend what "
            f"went wrong, look at `vetbridge plan --site {site}`, then: vetbridge sync --approve --site {site}. What "
            "was taken back stays so until it changes; `vetbridge replay` with the number of its change carries it "
            "over anew (`vetbridge changes list`)."
        )
        say_wrapped(text)


def _draw_fate(word: str, each: Fate) -> None:
    one = each.written
    record = f"{one.kind} {one_line(one.remote_id or '?', 24)} of {one.account}"
    say_wrapped(f"{one.operation} {record}: {one_line(each.words, 200)}", first=f"  {word}: ", margin="    ")


def _lines(found: Sequence[RunReport]) -> Iterator[str]:
    if not found:
        yield "No run has written anything yet."
        return
    yield "The last runs that have written something:"
    for one in found:
        undone = f", {one.undone} of them taken back" if one.undone else ""
        yield f"  {one.id:>6}  {one.started_at:%Y-%m-%d %H:%M} UTC  {one.command}: {_writes(one.writes)}{undone}"


def _writes(count: int) -> str:
    return "1 write" if count == 1 else f"{count} writes"


def _run_data(one: RunReport) -> dict[str, Any]:
    return {
        "id": one.id,
        "command": one.command,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
        "writes": one.writes,
        "undone": one.undone,
    }


def _data(fates: Sequence[Fate]) -> list[dict[str, Any]]:
    return [
        {
            "action": each.written.action_id,
            "site": each.written.site,
            "account": each.written.account,
            "operation": each.written.operation,
            "kind": each.written.kind,
            "remote_id": each.written.remote_id,
            "code": each.code,
            "words": each.words,
        }
        for each in fates
    ]
