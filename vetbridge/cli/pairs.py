"""`vetbridge pair`: the end of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, signed, told
from vetbridge.cli.tables import one_line, say_wrapped

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.daemon.assembly import Program
    from vetbridge.desk.leaving import PairEnd
    from vetbridge.ledger.database import Ledger
    from vetbridge.ledger.endings import Waiting
    from vetbridge.sync.leaving import Cleaner, Trace

COMMAND = "pair end"
LEFTOVERS = 4
"""Exit code where traces stay that a person may want to look at."""

app = typer.Typer(
    name="pair", help="A booking side and a PIMS side that are kept in agreement.", no_args_is_help=True
)


@app.callback()
def _pair() -> None:
    """Keeps `end` a command of its own, though it is the only one."""


@app.command(epilog="Example: vetbridge pair end city --clean --plan")
def end(
    ctx: typer.Context,
    site: Annotated[str, typer.Argument(metavar="SITE", help="The site whose pair ends.")],
    clean: Annotated[
        bool, typer.Option("--clean", help="Take VetBridge's blocks from the notes of coming visits, at both sides.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it would come to, and do nothing.")] = False,
    by: Annotated[str | None, typer.Option(help="Who ends it; the login name unless given.")] = None,
    patience: Annotated[
        float, typer.Option(help="Longest wait, in seconds, for what must be tried again.", min=0)
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """End a pair: VetBridge reads its two sides no more, and writes nothing there.

    Open questions and waiting changes are closed, lines of the work list struck; nothing is cancelled or deleted at
    either side. Links stay in the ledger: `vetbridge sync --approve --site city` begins anew with them.

    --clean needs VetBridge to be stopped, may be cut off, and goes on when it is run again. Staff's own text stays
    byte for byte, what the owner wrote stays as plain text. A visit that stands without its owner keeps its block.

    Ends with 0, with 2 for a site that nothing has, and with 4 where something could not be cleaned.
    """
    from vetbridge.cli.log import set_up  # noqa: PLC0415 - keeps --help quick

    with told(COMMAND, as_json=as_json):
        loaded = load_config(config_path(ctx))
        set_up("warning", loaded.config.log.format)
        with ledger_beside(loaded) as ledger:
            _must_know(ledger, loaded, site, clean=clean, as_json=as_json)
            if plan or not clean:
                found = _end_beside(ledger, loaded, site, by, plan=plan)
            traces, made = _planned(ledger, loaded, site) if plan and clean else ((), 0)
        if clean and not plan:
            found, traces, made = _cleaned(loaded, site, by, patience)
    _tell(found, traces, made, clean=clean, plan=plan, as_json=as_json)


def _tell(found: PairEnd, traces: Sequence[Trace], made: int, *, clean: bool, plan: bool, as_json: bool) -> None:
    from vetbridge.sync.leaving import left  # noqa: PLC0415 - keeps --help quick

    stays = left(traces)
    if as_json:
        data = {**as_data(found), "planned": plan, "cleaned": clean and not plan, "made": made}
        emit_json(COMMAND, {**data, "traces": as_data(tuple(traces))})
    else:
        _draw_end(found, plan=plan)
        if clean:
            _draw_traces(traces, stays, made, plan=plan)
        if plan:
            say("Nothing was done.")
    raise typer.Exit(LEFTOVERS if stays else 0)


def _must_know(ledger: Ledger, loaded: Loaded, site: str, *, clean: bool, as_json: bool) -> None:
    """Ends the command for a site that nothing has, or that cannot be cleaned as the config has it no more."""
    from vetbridge.config.problems import nearest  # noqa: PLC0415 - keeps --help quick
    from vetbridge.desk import leaving  # noqa: PLC0415

    config = loaded.config
    with ledger.read() as tx:
        known = set(config.sites) if clean else leaving.sites(tx, config)
    if site not in known:
        where = " in the config" if clean else ""
        text = f"no site is called {one_line(site)!r}{where}{nearest(site, sorted(known))}"
        give_up(COMMAND, text, advice="", code="unknown-site", as_json=as_json, exit_code=USAGE)


def _end_beside(ledger: Ledger, loaded: Loaded, site: str, by: str | None, *, plan: bool) -> PairEnd:
    from vetbridge.desk import leaving  # noqa: PLC0415 - keeps --help quick

    if plan:
        with ledger.read() as tx:
            return leaving.planned(tx, loaded.config, site)
    with ledger.write() as tx:
        return leaving.end(tx, loaded.config, site, signed(by))


def _planned(ledger: Ledger, loaded: Loaded, site: str) -> tuple[tuple[Trace, ...], int]:
    from contextlib import closing  # noqa: PLC0415 - keeps --help quick

    from vetbridge.connector.clock import SystemClock  # noqa: PLC0415
    from vetbridge.daemon.assembly import build_program  # noqa: PLC0415

    with closing(build_program(loaded, SystemClock(), ledger)) as program:
        cleaner = _cleaner(program, site)
        talk(f"reading the coming visits of site {site}")
        return cleaner.planned(), cleaner.made()


def _cleaned(loaded: Loaded, site: str, by: str | None, patience: float) -> tuple[PairEnd, tuple[Trace, ...], int]:
    from vetbridge.daemon.assembly import assembled  # noqa: PLC0415 - keeps --help quick
    from vetbridge.daemon.once import drain  # noqa: PLC0415
    from vetbridge.desk import leaving  # noqa: PLC0415

    with assembled(loaded, command=COMMAND) as program:
        with program.ledger.write() as tx:
            found = leaving.end(tx, loaded.config, site, signed(by))
        cleaner = _cleaner(program, site)
        program.engine.only, program.engine.instead = cleaner.begin(), cleaner.work
        talk(f"cleaning the coming visits of site {site}")
        drain(program, patience, talk)
        return found, cleaner.finish(), cleaner.made()


def _cleaner(program: Program, site: str) -> Cleaner:
    from vetbridge.sync.engine import nowhere  # noqa: PLC0415 - keeps --help quick
    from vetbridge.sync.leaving import Cleaner  # noqa: PLC0415

    pair = next(pair for pair in program.pairs if pair.site == site)
    return Cleaner(pair, program.ledger, program.clock, program.timings, nowhere)


def _draw_end(found: PairEnd, *, plan: bool) -> None:
    if plan:
        ended = "has ended already" if found.ended_at is not None else "would end"
        say_wrapped(f"The pair of site {found.site} {ended}; {_closed(found.waiting)} would be closed.")
    else:
        say_wrapped(
            f"The pair of site {found.site} has ended; {_closed(found.waiting)} closed. VetBridge reads and writes "
            f"nothing there any more. Links stay in the ledger: `vetbridge sync --approve --site {found.site}` "
            "begins anew with them."
        )
    if found.waiting.in_doubt:
        count = _count(found.waiting.in_doubt, "write")
        say_wrapped(
            f"Of {count} nobody knows what became of it: look for it at the vendor (`vetbridge changes list`)."
        )


def _draw_traces(traces: Sequence[Trace], stays: Sequence[Trace], made: int, *, plan: bool) -> None:
    from vetbridge.sync.leaving import STAMP_FIELD  # noqa: PLC0415 - keeps --help quick

    removed = [trace for trace in traces if trace.removed]
    would = "would be taken" if plan else "taken"
    others = "1 stays as it is" if len(stays) == 1 else f"{len(stays)} stay as they are"
    say(f"VetBridge's block {would} from the notes of {_count(len(removed), 'visit')}; {others}.")
    for trace in removed if plan else ():
        _draw_trace("would go", trace)
    for trace in stays:
        _draw_trace("stays", trace)
    marked = sum(trace.code == STAMP_FIELD for trace in traces)
    if marked:
        say_wrapped(
            f"In {_count(marked, 'visit')} VetBridge's mark stands in a field of its own; no vendor's document says "
            "that it can be emptied, so it stays. Nobody sees it."
        )
    if made:
        say_wrapped(
            f"{_count(made, 'client or pet', 'clients and pets')} that VetBridge made stay: no vendor's document "
            "says how one is removed, or a field of a card emptied."
        )


def _draw_trace(word: str, trace: Trace) -> None:
    text = f"{trace.kind} {one_line(trace.remote_id, 24)} of {trace.account}: {one_line(trace.words, 200)}"
    say_wrapped(text, first=f"  {word}: ", margin="    ")


def _closed(waiting: Waiting) -> str:
    parts = [(waiting.questions, "open question"), (waiting.changes, "waiting change"), (waiting.lines, "line")]
    return ", ".join(_count(count, word) for count, word in parts) + " of the work list"


def _count(count: int, word: str, several: str = "") -> str:
    return f"1 {word}" if count == 1 else f"{count} {several or word + 's'}"
