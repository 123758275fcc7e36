"""What the commands share that take a person's answer: who answers, what is said, and the wait for its outcome."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vetbridge.cli.output import emit_json, say, talk
from vetbridge.cli.reading import USAGE, give_up
from vetbridge.cli.tables import one_line, say_wrapped, wrapped

if TYPE_CHECKING:
    from vetbridge.config.loader import Loaded
    from vetbridge.config.models import Site
    from vetbridge.connector.clock import Clock
    from vetbridge.desk.answering import Outcome, Taken
    from vetbridge.ledger.database import Ledger

HIGHEST = 2**63 - 1
"""The highest number that a ledger can give."""

PATIENCE = 15.0
"""Seconds to wait for a running VetBridge to carry an answer out."""
STEP = 0.2
"""Seconds between two looks."""

By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who answers; your login name unless given.")]
Plan = Annotated[bool, typer.Option("--plan", help="Say what would happen, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing, also on a terminal.")]
Take = Annotated[bool, typer.Option("--take", help="Also where somebody else has claimed the item.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the running VetBridge to carry it out.")]
Item = Annotated[
    int, typer.Argument(metavar="ITEM", min=1, max=HIGHEST, help="The item's number, as `review list` shows it.")
]


def who(by: str | None) -> str:
    """The name under which an answer is written down."""
    if by is None:
        try:
            by = getpass.getuser()
        except (OSError, KeyError, ImportError):
            # No login name, as in some containers: the answer counts all the same.
            by = ""
    return one_line(by, 60) or "unknown"


def on_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def ask(prompt: str) -> str:
    """One line that a person types. Raises ``EOFError`` at the end of the input."""
    try:
        return input(prompt)
    except UnicodeDecodeError:
        return "\ufffd"


def confirmed(consequence: str, read: Callable[[str], str] = ask, show: Callable[[str], None] = say) -> bool:
    """Whether a person takes a consequence: Enter alone says yes."""
    for line in wrapped(consequence, first="  ", margin="  "):
        show(line)
    return read("  [Enter = yes, anything else = back] ").strip() == ""


@contextmanager
def refusing(command: str, *, as_json: bool) -> Iterator[None]:
    """Ends a command whose answer cannot be taken with the reason, and with 2."""
    from vetbridge.desk.answering import CannotAnswer  # noqa: PLC0415 - keeps --help quick

    try:
        yield
    except CannotAnswer as refusal:
        advice = f"{refusal.advice} --take answers it all the same." if refusal.code == "claimed" else refusal.advice
        give_up(command, refusal.message, advice=advice, code=refusal.code, as_json=as_json, exit_code=USAGE)


def runs(loaded: Loaded) -> bool:
    """Whether a VetBridge works on the ledger now."""
    from vetbridge.daemon.lock import running  # noqa: PLC0415 - keeps --help quick

    return running(loaded.config.ledger.place) is not None


def carried_out(
    ledger: Ledger, sites: Mapping[str, Site], taken: Taken, *, runs: bool, clock: Clock, patience: float = PATIENCE
) -> Outcome:
    """What came of an answer; where a VetBridge runs, after a wait of at most ``patience`` seconds for it."""
    from vetbridge.desk.answering import outcome  # noqa: PLC0415 - keeps --help quick

    end = clock.steady() + patience
    while True:
        with ledger.read() as tx:
            found = outcome(tx, sites, taken)
        if found.settled:
            return found
        if not runs:
            return replace(
                found, message="Written down; `vetbridge sync` or the next `vetbridge run` carries it out."
            )
        if clock.steady() >= end:
            still = f" ({found.message})" if found.message else ""
            return replace(found, message=f"Written down; the running VetBridge is to carry it out{still}.")
        clock.wait(STEP)


def tell(command: str, found: Outcome, *, as_json: bool) -> None:
    """Says what came of an answer."""
    if as_json:
        emit_json(command, answer_data(found.item, found.choice, found.state, found.message))
    else:
        say_wrapped(found.message)


def answer_data(item: int, choice: str, state: str, message: str) -> dict[str, Any]:
    """The form in which every answering command says in JSON what it did."""
    return {"item": item, "choice": choice, "state": state, "message": message}


def tell_plan(
    command: str,
    item: int,
    choice: str,
    consequence: str,
    *,
    also: Sequence[tuple[int, str]] | None = None,
    as_json: bool,
) -> None:
    """Says what would happen; ``also`` with the other items that are answered the same, each with its consequence."""
    if as_json:
        data = answer_data(item, choice, "planned", consequence)
        if also is not None:
            data["also"] = [answer_data(number, choice, "planned", words) for number, words in also]
        emit_json(command, data)
        return
    for words in (consequence, *(words for _, words in also or ())):
        say_wrapped(words)
    talk("Nothing has been changed.")
