"""One pass of the work: read both sides, drain what is due, say what is left."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from vetbridge.core.records import Side
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.rounds import Rounds
from vetbridge.ledger import changes, fuses
from vetbridge.ledger.tables import ChangeState
from vetbridge.sync.only import family, receive


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one pass came to."""

    states: dict[str, int]
    """How many changes of this pass ended in which state."""
    problems: tuple[str, ...]
    unreachable: bool
    blown: tuple[str, ...] = ()
    """Sites whose fuse holds changes back."""

    @property
    def exit_code(self) -> int:
        """0 fine, 4 leftovers, 5 a side did not answer, 7 a fuse has blown."""
        if self.blown:
            return 7
        if self.unreachable:
            return 5
        left = (ChangeState.RECEIVED, ChangeState.WAITING, ChangeState.FAILED)
        return 4 if any(self.states.get(state) for state in left) else 0

    def as_data(self) -> dict[str, Any]:
        """The outcome as plain data."""
        return {"changes": self.states, "reachable": not self.unreachable, "fuse_blown": list(self.blown)}


def pass_over(program: Program, *, patience: float, progress: Callable[[str], None]) -> Outcome:
    """Does one pass. Waits for changes that must be tried again, up to ``patience`` seconds after progress."""
    with program.ledger.read() as tx:
        before = changes.last_id(tx)
    problems = _read_sides(program, progress)
    drain(program, patience, progress)
    with program.ledger.read() as tx:
        states = changes.states_since(tx, before)
    return Outcome(states, tuple(problems), bool(problems), _blown(program))


def pass_for_client(program: Program, client: str, *, patience: float, progress: Callable[[str], None]) -> Outcome:
    """Does one pass over the visits of one client, and over nothing else; no cursor of visits moves.

    ``client`` is an id at either side, or ``ACCOUNT/ID``. Raises ``NobodyMeant`` for a client that no side has, and
    where several have one of this id.
    """
    families = family(program.ledger, program.pairs, client)
    rounds = Rounds(program)
    problems: list[str] = []
    records: set[int] = set()
    for one in families:
        if rounds.rests(one.pair.booking.account) or rounds.rests(one.pair.pims.account):
            progress(f"site {one.pair.site} is paused")
            continue
        progress(f"reading the clients and pets of {one.pair.pims.account}")
        if not rounds.mirror(one.pair.pims.account):
            problems.append(_unread(one.pair.pims.account))
        progress(f"reading the visits of {one.words}")
        records |= receive(program.ledger, one, program.clock.now())
    program.engine.only = frozenset(records)
    drain(program, patience, progress)
    with program.ledger.read() as tx:
        states = changes.newest_states(tx, records)
    return Outcome(states, tuple(problems), bool(problems), _blown(program))


def _read_sides(program: Program, progress: Callable[[str], None]) -> list[str]:
    """Reads both sides of every pair; returns what could not be read, in words."""
    rounds = Rounds(program)
    problems = []
    for side, what, read in (
        (Side.PIMS, "clients, pets and visits", rounds.refresh),
        (Side.BOOKING, "bookings", rounds.poll),
    ):
        for account in rounds.accounts(side):
            if rounds.rests(account):
                progress(f"{account} is paused")
                continue
            progress(f"reading the {what} of {account}")
            if not read(account):
                problems.append(_unread(account))
    if not problems:
        for pair in program.pairs:
            progress(f"comparing the coming visits of {pair.site}")
            rounds.sweep(pair.site)
    rounds.expire()
    rounds.prune()
    return problems


def _unread(account: str) -> str:
    return f"{account} could not be read; see the log"


def _blown(program: Program) -> tuple[str, ...]:
    with program.ledger.read() as tx:
        return tuple(pair.site for pair in program.pairs if fuses.blown(tx, pair.site))


def drain(program: Program, patience: float, progress: Callable[[str], None]) -> None:
    """Works until nothing is due, and nothing will be within what is left of the patience."""
    workers = program.loaded.config.daemon.workers
    last = program.clock.steady()
    open_before = -1
    with ThreadPoolExecutor(workers) as pool:
        while True:
            worked = any(list(pool.map(lambda n: _work_all(program, f"sync-{n}"), range(workers))))
            left = program.engine.open_changes()
            if left == 0:
                return
            now = program.clock.steady()
            if worked and left != open_before:
                last = now
                open_before = left
                progress(f"{left} changes left")
            idle = program.engine.idle_for()
            if now + idle > last + patience:
                return
            program.clock.wait(max(0.02, idle))


def _work_all(program: Program, worker: str) -> bool:
    worked = False
    while program.engine.work(worker):
        worked = True
    return worked
