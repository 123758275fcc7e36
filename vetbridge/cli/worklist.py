"""`vetbridge worklist`: what staff carry out by hand in a PIMS that does not take it from VetBridge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.answering import HIGHEST, By, Plan, who
from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, must_know, told
from vetbridge.cli.sheets import CsvFile, HtmlFile, Section, files_told, require_writable, write_csv, write_page
from vetbridge.cli.tables import one_line, say_wrapped

if TYPE_CHECKING:
    from datetime import datetime

    from vetbridge.desk.worklist import Line

app = typer.Typer(
    name="worklist",
    help="What staff carry out by hand in a practice system that does not take it from VetBridge.",
    no_args_is_help=True,
)

LONGEST_LINE = 600
"""Characters of a line that the list shows."""
LONGEST_STEP = 1100
"""Characters of a value that is to be typed, with its label."""

_READ = "VetBridge reads the record anew: the line goes when it is so there, and stays until then."
_BELIEVED = "Nobody can read that back from the PIMS: the line goes because you say so."
_OPEN = "The line is open again."


class State(StrEnum):
    """By which the list can be narrowed."""

    OPEN = "open"
    DONE = "done"


SiteOnly = Annotated[str | None, typer.Option("--site", help="Only lines of this site.")]
Lines = Annotated[
    list[int],
    typer.Argument(metavar="LINE...", min=1, max=HIGHEST, help="Numbers of lines, as `worklist list` shows them."),
]


@app.command(name="list", epilog="Example: vetbridge worklist list --site city")
def list_(
    ctx: typer.Context,
    site: SiteOnly = None,
    state: Annotated[
        State | None, typer.Option(help="Only lines that are open, or that somebody has ticked.")
    ] = None,
    struck: Annotated[
        bool, typer.Option("--struck", help="Also what is not to be done any more since today.")
    ] = False,
    csv: CsvFile = None,
    as_json: AsJson = False,
) -> None:
    """List what is to be done by hand: what is overdue first, then the soonest visit. A read confirms it by itself.

    Shows names, because a person needs them. Ends with 2 for a site that nobody knows, and where the file cannot be
    written, with 6 where there is no ledger.
    """
    command = "worklist list"
    with told(command, as_json=as_json), files_told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import work_table  # noqa: PLC0415 - keeps --help quick
        from vetbridge.desk.worklist import lines  # noqa: PLC0415

        require_writable(csv)
        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            now = tx.now
            must_know(command, tx, loaded.config, site=site, as_json=as_json)
            found = lines(tx, loaded.config, site=site, state=state, struck=struck)
        if csv is not None:
            write_csv(csv, work_table.titles(), work_table.rows(found))
    if as_json:
        emit_json(command, as_data(found))
        return
    if not found:
        say("Nothing has to be done by hand.")
    for line in found:
        _draw(line, now)


@app.command(name="print", epilog="Example: vetbridge worklist print --site city --html today.html")
def print_(ctx: typer.Context, site: SiteOnly = None, html: HtmlFile = None, as_json: AsJson = False) -> None:
    """Print what is to be done by hand, a box to tick before each line; --html makes a page of it, for paper.

    Ends as `worklist list` does.
    """
    command = "worklist print"
    with told(command, as_json=as_json), files_told(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import work_table  # noqa: PLC0415 - keeps --help quick
        from vetbridge.desk.worklist import OPEN, lines  # noqa: PLC0415

        require_writable(html)
        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            must_know(command, tx, loaded.config, site=site, as_json=as_json)
            found = lines(tx, loaded.config, site=site, state=OPEN)
        title = "Work list" if site is None else f"Work list, {loaded.config.sites[site].name}"
        if html is not None:
            rows = work_table.print_rows(found)
            write_page(html, title, [], [Section("To be done by hand", work_table.print_titles(), rows)])
    if as_json:
        emit_json(command, {"file": None if html is None else str(html), "lines": as_data(found)})
        return
    if html is not None:
        talk(f"{len(found)} lines are written into {html}.")
        return
    say(one_line(title))
    if not found:
        say("Nothing has to be done by hand.")
    for line in found:
        say("")
        _draw_for_paper(line)


@app.command(epilog="Example: vetbridge worklist done 3 4 --by ann")
def done(ctx: typer.Context, lines: Lines, by: By = None, plan: Plan = False, as_json: AsJson = False) -> None:
    """Say that lines are done: VetBridge reads the records anew, and a line goes when it is so there.

    A line that is ticked already stays so. Ends with 2 for a line that nobody has to do; then none is ticked.
    """
    command = "worklist done"
    with told(command, as_json=as_json), _refusing(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import worklist  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger:
            if plan:
                with ledger.read() as tx:
                    found = [worklist.line(tx, loaded.config, each) for each in dict.fromkeys(lines)]
            else:
                with ledger.write() as tx:
                    found = [worklist.done(tx, loaded.config, each, by=who(by)) for each in dict.fromkeys(lines)]
        messages = [_BELIEVED if worklist.is_believed(each) else _READ for each in found]
    _tell(command, found, messages, plan=plan, as_json=as_json)


@app.command(epilog="Example: vetbridge worklist undone 3")
def undone(ctx: typer.Context, lines: Lines, by: By = None, plan: Plan = False, as_json: AsJson = False) -> None:
    """Say that lines are not done after all: they are open again.

    Ends with 2 for a line that nobody has to do; then none is changed.
    """
    command = "worklist undone"
    with told(command, as_json=as_json), _refusing(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import worklist  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger:
            if plan:
                with ledger.read() as tx:
                    found = [worklist.line(tx, loaded.config, each) for each in dict.fromkeys(lines)]
            else:
                with ledger.write() as tx:
                    found = [worklist.undone(tx, loaded.config, each, by=who(by)) for each in dict.fromkeys(lines)]
    _tell(command, found, [_OPEN] * len(found), plan=plan, as_json=as_json)


def _tell(command: str, found: list[Line], messages: list[str], *, plan: bool, as_json: bool) -> None:
    """Says what was done, or would be, of each line."""
    state = "planned" if plan else "written-down"
    if as_json:
        first, *more = (
            {"line": line.id, "state": state, "message": message, "words": line.words}
            for line, message in zip(found, messages, strict=True)
        )
        emit_json(command, {**first, "also": more} if more else first)
        return
    for line, message in zip(found, messages, strict=True):
        say_wrapped(one_line(line.words, LONGEST_LINE))
        say_wrapped(message)
    if plan:
        talk("Nothing has been changed.")


@contextmanager
def _refusing(command: str, *, as_json: bool) -> Iterator[None]:
    from vetbridge.desk.worklist import NoSuchLine  # noqa: PLC0415 - keeps --help quick

    try:
        yield
    except NoSuchLine as refusal:
        advice = "`vetbridge worklist list` shows the lines that stand."
        give_up(command, refusal.message, advice=advice, code=refusal.code, as_json=as_json, exit_code=USAGE)


def _draw(line: Line, now: datetime) -> None:
    from vetbridge.desk.wording import ago  # noqa: PLC0415

    number = f"{line.id:>4}  "
    margin = " " * len(number)
    if _is_typed(line):
        _draw_typed(line, first=number, margin=margin)
    else:
        say_wrapped(one_line(line.words, LONGEST_LINE), first=number, margin=margin)
    parts = [f"at {line.account}", f"since {ago(line.opened_at, now)}"]
    changed = [step.label for step in line.steps if step.is_changed]
    if changed and line.changed_at is not None:
        parts.append(f"changed {ago(line.changed_at, now)}: {one_line(', '.join(changed))}")
    if line.overdue:
        parts.append("OVERDUE")
    if line.state == "done":
        parts.append(f"{one_line(line.done_by, 40)} said done {ago(line.done_at, now)}, no read has shown it yet")
    if line.state == "struck":
        parts.append(f"DO NOT TYPE: {line.why}" if line.why else "DO NOT TYPE")
    say_wrapped("; ".join(parts), first=margin, margin=margin)


def _draw_for_paper(line: Line) -> None:
    first = f"[ ] {line.id:>4}  "
    if _is_typed(line):
        _draw_typed(line, first=first, margin=" " * len(first))
    else:
        say_wrapped(one_line(line.words, LONGEST_LINE), first=first, margin=" " * len(first))


def _is_typed(line: Line) -> bool:
    from vetbridge.desk.worklist import TYPED  # noqa: PLC0415

    return line.task in TYPED and bool(line.steps)


def _draw_typed(line: Line, *, first: str, margin: str) -> None:
    """What is to be done, and each field of it as it is to be typed."""
    from vetbridge.desk.work_table import candidate_words  # noqa: PLC0415
    from vetbridge.desk.worklist import in_words  # noqa: PLC0415

    say_wrapped(one_line(f"{line.title}: {line.record}", LONGEST_LINE), first=first, margin=margin)
    steps = [line.about] if line.about else []
    steps += [*in_words(line.steps), *(f"or: {candidate_words(each)}" for each in line.candidates)]
    for said in steps:
        say_wrapped(one_line(said, LONGEST_STEP), first=f"{margin}  ", margin=f"{margin}    ")
