"""One VetBridge as a process of its own that dies, or stands still, at the N-th pass of a named point.

``python -m tests.crash.victim CONFIG [--kill-at POINT:N] [--stop-at POINT:N] [--shared] [--no-look] [--door]``

Most of a start is the loading of the program. ``python -m tests.crash.victim --nursery`` loads it once, and makes a
process by fork for every line of options that it reads; it prints the number of each, and how each ended.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib
import json
import os
import random
import select
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from vetbridge.cli.log import set_up
from vetbridge.config.loader import Loaded
from vetbridge.connector.configured import read_config
from vetbridge.daemon import assembly
from vetbridge.daemon.service import Service
from vetbridge.ledger import changes
from vetbridge.ledger.tables import ActionState
from vetbridge.sync.writing import Writer

POINTS = ("read", "intended", "sending", "sent", "answered", "looked", "before-settle", "settled")
"""The named points of the engine, in the order in which one change passes them."""

WORKS = "victim works:"
"""It says so, with its process id, on standard error as soon as it does."""
BORN, DEAD = "born", "dead"
"""What a nursery prints of a process: its id, and at its end what it ended with, as ``os.waitpid`` says it."""
_REAP_EVERY = 0.02
_PR_SET_PDEATHSIG = 1


class Trap:
    """Sends this process a signal at the N-th pass of a point, whichever thread makes it."""

    def __init__(self, kill_at: tuple[str, int] | None, stop_at: tuple[str, int] | None) -> None:
        self._signals = {
            place: number for place, number in ((kill_at, signal.SIGKILL), (stop_at, signal.SIGSTOP)) if place
        }
        self._passes: Counter[str] = Counter()
        self._counting = threading.Lock()

    def __call__(self, point: str) -> None:
        """One pass."""
        with self._counting:
            self._passes[point] += 1
            number = self._signals.get((point, self._passes[point]))
        if number is not None:
            os.kill(os.getpid(), number)


def place(text: str) -> tuple[str, int]:
    """``POINT:N``. Raises ``ValueError`` for a point that there is not."""
    point, _, number = text.partition(":")
    if point not in POINTS:
        raise ValueError(f"no point is called {point!r}")
    return point, int(number or 1)


def share() -> None:
    """Starts as one of several nodes on a ledger: without the lock that keeps it single, and nobody's lease ends."""

    @contextmanager
    def no_lock(*_: object) -> Iterator[None]:
        yield

    def release_none(_tx: object) -> None:
        """The others' leases are theirs."""

    assembly.single_instance = no_lock  # type: ignore[assignment,attr-defined]
    changes.release_all = release_none  # type: ignore[assignment]


def go_blind() -> None:
    """Sends again whatever was not answered, without waiting and without looking whether it is there."""

    def blind(self: Writer, job: Any, intention: Any, *_: object) -> None:
        self._note(job, intention, ActionState.NOT_DONE, "looked-and-not-found")

    def at_once(self: Writer, *_: object) -> None:
        """Nothing is waited for."""

    for name in ("_look", "_await_landing"):
        if not hasattr(Writer, name):
            raise SystemExit(f"Writer has no {name} any more: the control proves nothing, mend it")
    Writer._look = blind  # type: ignore[assignment,method-assign]
    Writer._await_landing = at_once  # type: ignore[assignment,method-assign]


def run(loaded: Loaded, trap: Trap, *, door: bool) -> None:
    """Works until SIGTERM, or until the trap springs."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    with assembly.assembled(loaded, command="run", point=trap) as program:
        service = Service(program)
        listener = None
        if door:
            from vetbridge.web.door import build  # noqa: PLC0415 - most victims have none
            from vetbridge.web.server import DoorServer  # noqa: PLC0415

            at = loaded.config.door
            listener = DoorServer(
                build(program, wake=service.dispatcher.wake, health=service.health), at.host, at.port
            )
        service.start()
        if listener is not None:
            listener.start()
        print(f"{WORKS} {os.getpid()}", file=sys.stderr, flush=True)
        while not stopping.wait(0.5):
            pass
        if listener is not None:
            listener.stop()
        service.stop()


def main(arguments: Sequence[str]) -> None:
    """Reads the options, and runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--kill-at", type=place, metavar="POINT:N", help="kill -9 at the N-th pass")
    parser.add_argument("--stop-at", type=place, metavar="POINT:N", help="SIGSTOP at the N-th pass")
    parser.add_argument("--shared", action="store_true", help="as one of several nodes on the ledger")
    parser.add_argument("--no-look", action="store_true", help="never look before a write is sent again")
    parser.add_argument("--door", action="store_true", help="take webhooks")
    given = parser.parse_args(arguments)
    if given.shared:
        share()
    if given.no_look:
        go_blind()
    loaded = read_config(given.config)
    set_up(loaded.config.log.level, loaded.config.log.format)
    run(loaded, Trap(given.kill_at, given.stop_at), door=given.door)


# -- many victims, the program loaded once


def nursery() -> None:
    """Makes victims until standard input ends; they end with it."""
    load_everything()
    unread = b""
    while True:
        ready, _, _ = select.select([0], [], [], _REAP_EVERY)
        reap()
        if not ready:
            continue
        read = os.read(0, 65536)
        if not read:
            return
        *lines, unread = (unread + read).split(b"\n")
        for line in lines:
            child = os.fork()
            if child == 0:
                be_born(json.loads(line))
            print(BORN, child, flush=True)


def load_everything() -> None:
    """What a victim would load only when it begins to work."""
    for name in ("vetbridge.web.door", "vetbridge.web.server", "connectors.altegio", "connectors.ezyvet", "alembic"):
        importlib.import_module(name)


def reap() -> None:
    """Says which victims have ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            print(DEAD, *ended, flush=True)


def be_born(arguments: Sequence[str]) -> NoReturn:
    """The child of a fork becomes a victim, and ends as one."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    random.seed()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    code = 1
    try:
        main(arguments)
        code = 0
    except BaseException:  # whatever it is ends this process, and must not reach the nursery's loop
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    if sys.argv[1:] == ["--nursery"]:
        nursery()
    else:
        main(sys.argv[1:])
