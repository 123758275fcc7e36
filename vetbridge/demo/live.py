"""What a person sees while the morning is played: a live picture on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vetbridge.demo.story import Actor, Deed, Step

OPENS, CLOSES = 8 * 60, 12 * 60
"""The morning goes from eight to noon, in minutes of the day."""
LINE_EVERY = 5.0
"""Seconds between two plain lines about the numbers."""
_EVENTS_SHOWN = 5
_DEEDS = {
    Deed.BOOK: "books online",
    Deed.MOVE: "moves",
    Deed.CANCEL: "cancels",
    Deed.STATUS: "marks as",
    Deed.NOTE: "writes into the notes",
}
_ACTORS = {
    Actor.OWNER: "an owner",
    Actor.DESK: "the front desk",
    Actor.PRACTICE: "the front desk, in the PIMS,",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """The state of the morning at one moment."""

    elapsed: float = 0.0
    """Seconds since the morning began."""
    seconds: float = 1.0
    """How long it is played."""
    made: int = 0
    total: int = 0
    desk: int = 0
    """Visits that the front desk has made in the PIMS."""
    in_pims: int = 0
    waiting: int = 0
    in_review: int = 0
    failed: int = 0
    outage: float = 0.0
    """Seconds that the PIMS will still be silent."""
    silent: str = ""
    """The branch whose PIMS that is; empty where there is but one."""
    accounts: Mapping[str, str] = field(default_factory=dict)
    """What VetBridge says of each account."""
    branches: Mapping[str, Picture] = field(default_factory=dict)
    """In a chain, each branch by itself; the numbers above are the sums."""

    @property
    def clock(self) -> str:
        """The time in the played clinic; what is settled after the morning is settled after noon."""
        part = self.elapsed / self.seconds
        return "{:02d}:{:02d}".format(*divmod(int(OPENS + part * (CLOSES - OPENS)), 60))


class View(AbstractContextManager["View"], Protocol):
    """Where the demo talks to."""

    def say(self, words: str) -> None:
        """Something that stays to be read."""

    def event(self, clock: str, step: Step, branch: str = "") -> None:
        """A step of the script was played, in a chain at this branch."""

    def happens(self, clock: str, words: str) -> None:
        """Something happens that there is not much of."""

    def show(self, picture: Picture) -> None:
        """The numbers of now."""


class PlainView:
    """Plain lines on standard error, for pipes, logs and ``--json``."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._last = 0.0
        self._silent: str | None = None

    def say(self, words: str) -> None:
        """One line."""
        print(words, file=self._stream, flush=True)

    def event(self, clock: str, step: Step, branch: str = "") -> None:
        """Single steps are too many for plain lines."""

    def happens(self, clock: str, words: str) -> None:
        """One line."""
        self.say(f"{clock}  {words}")

    def show(self, picture: Picture) -> None:
        """A line every few seconds, and when the PIMS falls silent or comes back."""
        silent = picture.silent if picture.outage > 0 else None
        if silent != self._silent:
            if silent is not None:
                self.say(f"{picture.clock}  {_the_pims(silent)} does not answer any more")
            else:
                self.say(f"{picture.clock}  {_the_pims(self._silent or '')} answers again")
            self._silent = silent
        now = time.monotonic()
        if now - self._last >= LINE_EVERY:
            self._last = now
            self.say(f"{picture.clock}  {_numbers(picture)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to clean up."""


class LiveView:
    """A picture that is drawn again and again on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._picture = Picture()
        self._events: list[str] = []
        self._live = Live(self._drawn(), console=console, refresh_per_second=4, transient=True)

    def say(self, words: str) -> None:
        """One line above the picture."""
        self._console.print(Text(words))

    def event(self, clock: str, step: Step, branch: str = "") -> None:
        """The newest steps stand in the picture."""
        self.happens(clock, f"{branch}: {_words(step)}" if branch else _words(step))

    def happens(self, clock: str, words: str) -> None:
        """Stands among the newest steps."""
        self._events = [*self._events, f"{clock}  {words}"][-_EVENTS_SHOWN:]

    def show(self, picture: Picture) -> None:
        """Draws the picture."""
        self._picture = picture
        self._live.update(self._drawn())

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _drawn(self) -> RenderableType:
        picture = self._picture
        numbers = Table.grid(padding=(0, 2))
        for name, value, style in (
            ("bookings made", f"{picture.made} of {picture.total}", "bold"),
            ("made by telephone", str(picture.desk), "bold"),
            ("in the PIMS", str(picture.in_pims), "bold green"),
            ("for a person", str(picture.in_review), "bold yellow"),
            ("still waiting", str(picture.waiting), "bold cyan"),
            *([("failed", str(picture.failed), "bold red")] if picture.failed else []),
        ):
            numbers.add_row(Text(name), Text(value, style=style))
        accounts = Table.grid(padding=(0, 2))
        for name, state in picture.accounts.items():
            if picture.branches and state == "answers":
                continue  # of so many accounts those that do not are of interest
            accounts.add_row(Text(name), Text(state, style="green" if state == "answers" else "yellow"))
        bar = Table.grid()  # a bar of its own ends no line
        bar.add_row(ProgressBar(total=picture.seconds, completed=min(picture.elapsed, picture.seconds), width=56))
        both = Table.grid(padding=(0, 6))
        both.add_row(numbers, accounts)
        silent = _the_pims(picture.silent).replace("the", "The", 1)
        banner = Text(f"{silent} does not answer (back in {picture.outage:.0f} s)", style="bold white on red")
        return Panel(
            Group(
                bar,
                banner if picture.outage > 0 else Text(""),
                both,
                Text(""),
                *([_by_branch(picture.branches), Text("")] if picture.branches else []),
                *(Text(event, style="dim") for event in self._events),
            ),
            title=f"a morning at the {'chain' if picture.branches else 'clinic'}, {picture.clock}",
            width=76,
        )


def view(*, as_json: bool) -> View:
    """The view that fits: live only where standard output is a terminal and no JSON is asked for."""
    if sys.stdout.isatty() and not as_json:
        return LiveView(Console())
    return PlainView()


def _the_pims(branch: str) -> str:
    return f"the PIMS of {branch}" if branch else "the PIMS"


def _by_branch(branches: Mapping[str, Picture]) -> RenderableType:
    """A short line for each branch."""
    lines = Table.grid(padding=(0, 2))
    for name, picture in branches.items():
        lines.add_row(
            Text(name, style="bold"),
            Text(f"{picture.made} of {picture.total} made"),
            Text(f"{picture.in_pims} in the PIMS", style="green"),
            Text(f"{picture.in_review} asked", style="yellow"),
            Text("silent" if picture.outage > 0 else f"{picture.waiting} waiting", style="cyan"),
        )
    return lines


def together(branches: Mapping[str, Picture]) -> Picture:
    """The sums over the branches of a chain. There is at least one."""
    pictures = tuple(branches.values())
    silent = next(((name, one.outage) for name, one in branches.items() if one.outage > 0), ("", 0.0))
    return Picture(
        elapsed=pictures[0].elapsed,
        seconds=pictures[0].seconds,
        made=sum(one.made for one in pictures),
        total=sum(one.total for one in pictures),
        desk=sum(one.desk for one in pictures),
        in_pims=sum(one.in_pims for one in pictures),
        waiting=sum(one.waiting for one in pictures),
        in_review=sum(one.in_review for one in pictures),
        failed=sum(one.failed for one in pictures),
        outage=silent[1],
        silent=silent[0],
        branches=branches,
    )


def _numbers(picture: Picture) -> str:
    failed = f", {picture.failed} failed" if picture.failed else ""
    return (
        f"{picture.made} of {picture.total} bookings made, {picture.desk} by telephone, "
        f"{picture.in_pims} in the PIMS, {picture.in_review} for a person, {picture.waiting} waiting{failed}"
    )


def _words(step: Step) -> str:
    if step.visit and step.deed is Deed.BOOK:
        return f"the front desk makes a visit in the PIMS (desk visit {step.visit})"
    subject = f"desk visit {step.visit}" if step.visit else f"booking {step.booking}"
    status = f" {step.status.value.replace('_', ' ')}" if step.status else ""
    return f"{_ACTORS[step.by]} {_DEEDS[step.deed]}{status} ({subject})"
