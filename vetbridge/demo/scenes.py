"""What a scene of a played morning is made of: a generator that goes on whenever it is resumed.

So owners and desks go on meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Hashable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from vetbridge.connector.clock import Clock
from vetbridge.demo.asking import NoAnswer
from vetbridge.demo.children import Children
from vetbridge.demo.failure import DemoFailed
from vetbridge.demo.practice import NotThere
from vetbridge.demo.stage import Stage
from vetbridge.demo.story import Step

T = TypeVar("T")
Scene = Generator[None, None, T]
"""Something that takes a while, a little at each resumption; returns what came of it."""

PATIENCE = 150.0
"""Seconds that anything may take that has to happen; then the scene is given up."""
LOOK_EVERY = 0.5
"""Seconds between two looks at the same thing."""
BY = "reception"
"""Who answers."""


class Late(Exception):
    """What a scene waited for did not happen. The text says what; it holds no personal data."""


class House(Protocol):
    """What a scene needs of the branch's morning that goes on around it."""

    def played(self, number: int) -> bool:
        """Whether all that the script has for a booking was done."""

    def failed(self) -> set[str]:
        """Record ids of the bookings that failed because a code is missing."""

    def refused_files(self) -> set[str]:
        """Ids of the files that VetBridge will not carry."""

    def asked(self, offering: str) -> set[str]:
        """Record ids of the bookings about which there is an open question that offers this answer."""

    def listed(self) -> Hashable:
        """What tells the work list from what it was."""

    def acted(self, step: Step) -> None:
        """Somebody has done this in a scene."""

    def is_elsewhere(self, client: str) -> bool:
        """Whether VetBridge knows that a client of this branch's PIMS is one of another branch's, too."""

    def others(self) -> Collection[str]:
        """What people call the other branches."""

    def held(self) -> int:
        """How many changes the fuse holds back."""

    def open(self) -> int:
        """How many changes are open."""

    def runs(self) -> bool:
        """Whether VetBridge runs, and nobody is about to stop it."""

    def stop(self) -> Scene[None]:
        """Stops VetBridge."""

    def start(self) -> Scene[None]:
        """Starts VetBridge again."""

    def happens(self, words: str) -> None:
        """Tells who looks on."""


class Commands:
    """VetBridge's commands, each a process of its own. What they say goes to the log of this name."""

    def __init__(
        self, children: Children, stage: Stage, log: str, used: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._children = children
        self._stage = stage
        self._log = log
        self._used = used
        """Keeps VetBridge from being stopped while a command runs."""

    def run(self, *arguments: str, fine: Collection[int] = (0,)) -> Scene[Any]:
        """One command; returns the data of its JSON. Raises ``DemoFailed`` where it ends otherwise than ``fine``."""
        name = f"vetbridge {' '.join(arguments)}"
        log = self._stage.log(self._log)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ {name}\n")
        child = self._children.start(name, ["--config", str(self._stage.config), *arguments, "--json"], log)
        with self._used():
            while (done := child.done()) is None:
                yield
        self._children.stop(child, 1.0)
        code, said = done
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{said}(exit code {code})\n")
        try:
            data = json.loads(said)["data"]
        except (ValueError, TypeError, KeyError):
            raise DemoFailed(
                f"{name} did not answer with its data (exit code {code}).\n{child.last_words()}"
            ) from None
        if code not in fine:
            raise DemoFailed(f"{name} ended with {code}.\n{child.last_words()}")
        return data


class Scenes:
    """What every scene's player can do: wait, try again, and use VetBridge's commands."""

    def __init__(self, commands: Commands, house: House, clock: Clock, patience: float) -> None:
        self._commands = commands
        self._house = house
        self._clock = clock
        self._patience = patience

    def _told(self, *arguments: str, fine: Collection[int] = (0,)) -> Scene[Any]:
        """Tells VetBridge something by a command; while another branch has it stopped, the receptionist waits."""
        yield from self._until(self._house.runs, "VetBridge runs")
        return (yield from self._commands.run(*arguments, fine=fine))

    def _done(self, deed: Callable[[], object], what: str) -> Scene[None]:
        def once() -> bool:
            deed()
            return True

        yield from self._until(once, what)

    def _answered(self, asked: Callable[[], bool]) -> Scene[bool]:
        """The answer, yes or no, once there is one."""
        found = yield from self._until(lambda: (asked(),), "the PIMS answers")
        return found[0]

    def _until(self, asked: Callable[[], T | None], what: str) -> Scene[T]:
        """Asks now and then until something comes of it. Raises ``Late``."""
        ends = self._clock.steady() + self._patience
        while True:
            try:
                found = asked()
            except (NoAnswer, NotThere):
                found = None
            if found:
                return found
            if self._clock.steady() > ends:
                raise Late(what)
            yield from self._pass(LOOK_EVERY)

    def _pass(self, seconds: float) -> Scene[None]:
        ends = self._clock.steady() + seconds
        while self._clock.steady() < ends:
            yield
