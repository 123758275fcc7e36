"""What a door is to the fuzzer, and the fuzzer: makes inputs, hands them in, and judges what comes of them.

An input is taken, or refused by a named error. Anything else is a fault: another exception, no end, or a planted
secret or name in what was said or logged.
"""

from __future__ import annotations

import contextlib
import io
import logging
import signal
import tempfile
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import structlog

from tests.fuzz.mutation import PLANTED, PLANTED_PHONE
from vetbridge.core.errors import VetBridgeError
from vetbridge.desk.clinic_files import UnusableFile

DEADLINE = 20
"""Seconds after which an input counts as one that has no end; the slowest of all takes a fraction of one."""

NAMED = (VetBridgeError, UnusableFile)
"""What may be raised: somebody knows what to do about it."""


class Door(ABC):
    """One door. ``with door:`` sets up what stands behind it."""

    name: str
    planted: tuple[str, ...] = (PLANTED, PLANTED_PHONE)
    """What may stand in no message and no log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.set_up = contextlib.ExitStack()

    def __enter__(self) -> Door:
        self.open()
        return self

    def __exit__(self, *_error: object) -> None:
        self.set_up.close()

    def open(self) -> None:  # noqa: B027 - some doors need nothing
        """Sets up what stands behind the door; ``set_up`` takes it away again."""

    @abstractmethod
    def make(self, rng: Random) -> Any:
        """One input."""

    @abstractmethod
    def hand_in(self, given: Any) -> tuple[bool, str]:
        """Hands an input in: whether it was taken, and what was said. May raise what is ``NAMED``.

        Raises ``AssertionError`` where something is half-written, or otherwise not as it must be.
        """


@dataclass
class Tally:
    """What came of one door's inputs."""

    door: str
    inputs: int = 0
    refused: int = 0
    taken: int = 0
    slowest: float = 0.0
    """Milliseconds."""


class Fault(AssertionError):
    """An input that a door does not stand. Its words name the seed, and the file that holds the input."""


class Endless(BaseException):
    """An input has no end. No Exception: nothing on the way may take it for one."""


def fuzz(door: Door, *, inputs: int, seed: str = "1", only: int | None = None) -> Tally:
    """Hands ``inputs`` of them in, or the one with the number ``only``. Raises ``Fault`` at the first fault."""
    tally = Tally(door.name)
    with door, _listening() as heard:
        for number in range(inputs) if only is None else (only,):
            given = door.make(Random(f"{door.name} {seed} {number}"))
            heard.clear()
            begun = time.perf_counter()
            try:
                with _deadline():
                    taken, said = _judged(door, given)
            except (Exception, Endless) as error:
                raise _fault(door, seed, number, given, error) from error
            tally.slowest = max(tally.slowest, (time.perf_counter() - begun) * 1000)
            tally.inputs += 1
            tally.taken += taken
            tally.refused += not taken
            leaked = [word for word in door.planted if word in said or word in heard.text()]
            if leaked:
                raise _fault(door, seed, number, given, AssertionError(f"{leaked} leaked: {said} {heard.text()}"))
    return tally


def _judged(door: Door, given: Any) -> tuple[bool, str]:
    try:
        return door.hand_in(given)
    except NAMED as error:
        return False, error.message


def _fault(door: Door, seed: str, number: int, given: Any, error: BaseException) -> Fault:
    kept = Path(tempfile.mkdtemp(prefix="vetbridge-fuzz-")) / f"{door.name}-{seed}-{number}".replace(" ", "-")
    kept.write_bytes(given if isinstance(given, bytes) else repr(given).encode(errors="backslashreplace"))
    where = "".join(line[-1000:] for line in traceback.format_exception(error)[-4:])
    return Fault(
        f"door {door.name!r}, seed {seed!r}, input {number}: {type(error).__name__}\n{where}"
        f"the input stands in {kept}\n"
        f"again: python -m tests.fuzz '{door.name}' --seed {seed} --only {number}"
    )


# -- listening


class _Heard(io.StringIO):
    """All that was logged since the last input."""

    def clear(self) -> None:
        self.seek(0)
        self.truncate()

    def text(self) -> str:
        return self.getvalue()


@contextlib.contextmanager
def _listening() -> Iterator[_Heard]:
    """Hears VetBridge's log and the libraries'."""
    heard = _Heard()

    def note(_logger: object, _method: str, event: structlog.typing.EventDict) -> str:
        heard.write(repr(event))
        raise structlog.DropEvent

    libraries = logging.StreamHandler(heard)
    before = structlog.get_config()
    root = logging.getLogger()
    root.addHandler(libraries)
    structlog.configure(processors=[note], cache_logger_on_first_use=False)
    try:
        yield heard
    finally:
        structlog.configure(**before)
        root.removeHandler(libraries)


@contextlib.contextmanager
def _deadline() -> Iterator[None]:
    """Ends what has no end, where the system can (not on Windows, and in the main thread alone)."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise Endless(f"no end within {DEADLINE} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
