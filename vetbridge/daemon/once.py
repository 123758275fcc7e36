"""One pass of the work: read both sides, drain what is due, say what is left."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from vetbridge.core.records import Side
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.rounds import Rounds
from vetbridge.ledger import changes
from vetbridge.ledger.tables import ChangeState


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one pass came to."""

    states: dict[str, int]
    """How many changes of this pass ended in which state."""
    problems: tuple[str, ...]
    unreachable: bool

    @property
    def exit_code(self) -> int:
        """0 fine, 4 leftovers, 5 a side did not answer."""
        if self.unreachable:
            return 5
        left = (ChangeState.RECEIVED, ChangeState.WAITING, ChangeState.FAILED)
        return 4 if any(self.states.get(state) for state in left) else 0

    def as_data(self) -> dict[str, Any]:
        """The outcome as plain data."""
        return {"changes": self.states, "reachable": not self.unreachable}


def pass_over(program: Program, *, patience: float, progress: Callable[[str], None]) -> Outcome:
    """Does one pass. Waits for changes that must be tried again, up to ``patience`` seconds after progress."""
    rounds = Rounds(program)
    with program.ledger.read() as tx:
        before = changes.last_id(tx)
    problems: list[str] = []
    for account in rounds.accounts(Side.PIMS):
        progress(f"reading the clients and pets of {account}")
        if not rounds.refresh(account):
            problems.append(f"{account} could not be read; see the log")
    for account in rounds.accounts(Side.BOOKING):
        progress(f"reading the bookings of {account}")
        if not rounds.poll(account):
            problems.append(f"{account} could not be read; see the log")
    _drain(program, patience, progress)
    with program.ledger.read() as tx:
        states = changes.states_since(tx, before)
    return Outcome(states, tuple(problems), bool(problems))


def _drain(program: Program, patience: float, progress: Callable[[str], None]) -> None:
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
