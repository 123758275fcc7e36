"""`vetbridge worklist`: what staff carry out by hand in a PIMS that does not take it from VetBridge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from vetbridge.cli.answering import HIGHEST, By, Plan, who
from vetbridge.cli.config import load_config
from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, AsJson, as_data, config_path, give_up, ledger_beside, must_know, told
from vetbridge.cli.tables import one_line, wrapped

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

_READ = "VetBridge reads the record anew: the line goes when it is so there, and stays until then."
_BELIEVED = "Nobody can read that back from the PIMS: the line goes because you say so."


@app.command(name="list", epilog="Example: vetbridge worklist list --site city")
def list_(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only lines of this site.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what is to be done by hand, the soonest visit first. A read of the record confirms it by itself.

    Shows names, because a person needs them. Ends with 2 for a site that nobody knows, with 6 where there is no
    ledger.
    """
    with told("worklist list", as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk.worklist import lines  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger, ledger.read() as tx:
            now = tx.now
            must_know("worklist list", tx, loaded.config, site=site, as_json=as_json)
            found = lines(tx, loaded.config.sites, site=site)
    if as_json:
        emit_json("worklist list", as_data(found))
        return
    if not found:
        say("Nothing has to be done by hand.")
    for line in found:
        _draw(line, now)


@app.command(epilog="Example: vetbridge worklist done 3 --by ann")
def done(
    ctx: typer.Context,
    line: Annotated[
        int,
        typer.Argument(metavar="LINE", min=1, max=HIGHEST, help="The line's number, as `worklist list` shows it."),
    ],
    by: By = None,
    plan: Plan = False,
    as_json: AsJson = False,
) -> None:
    """Say that a line is done: VetBridge reads the record anew, and the line goes when it is so there.

    Ends with 2 for a line that nobody has to do.
    """
    command = "worklist done"
    with told(command, as_json=as_json), _refusing(command, as_json=as_json):
        loaded = load_config(config_path(ctx))
        from vetbridge.desk import worklist  # noqa: PLC0415 - keeps --help quick

        with ledger_beside(loaded) as ledger:
            if plan:
                with ledger.read() as tx:
                    found = worklist.line(tx, loaded.config.sites, line)
            else:
                with ledger.write() as tx:
                    found = worklist.done(tx, loaded.config.sites, line, by=who(by))
    state = "planned" if plan else "written-down"
    message = _BELIEVED if worklist.is_believed(found) else _READ
    if as_json:
        emit_json(command, {"line": line, "state": state, "message": message, "words": found.words})
        return
    for text in (*wrapped(one_line(found.words, LONGEST_LINE)), *wrapped(message)):
        say(text)
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
    for text in wrapped(one_line(line.words, LONGEST_LINE), first=number, margin=" " * len(number)):
        say(text)
    said = (
        f"; {one_line(line.done_by, 40)} said done {ago(line.done_at, now)}, no read has shown it yet"
        if line.state == "done"
        else ""
    )
    for text in wrapped(
        f"at {line.account}, since {ago(line.opened_at, now)}{said}", first="      ", margin="      "
    ):
        say(text)
