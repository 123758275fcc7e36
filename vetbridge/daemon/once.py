"""One pass of the work: read both sides, drain what is due, say what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from vetbridge.core.errors import VetBridgeError
from vetbridge.core.records import Side
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.rounds import Rounds
from vetbridge.desk.paused import reason
from vetbridge.ledger import changes, fuses, going_live, pauses
from vetbridge.ledger.tables import ChangeState
from vetbridge.sync.due_services import BY_DESIGN
from vetbridge.sync.only import family, receive
from vetbridge.sync.pairing import Report

MOST_CARDS = 1000
"""Cards that are brought up to date about due services in one pass, at the most: bookings were read before them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one pass came to."""

    states: dict[str, int]
    """How many changes of this pass ended in which state."""
    problems: tuple[str, ...]
    unreachable: bool
    blown: tuple[str, ...] = ()
    """Sites whose fuse holds changes back."""
    shadow: Mapping[str, int] = field(default_factory=dict)
    """Sites that nobody has approved, each with the number of changes that wait for it."""
    paired: Mapping[str, Report] = field(default_factory=dict)
    """Sites that were paired in this pass, with what that came to."""
    stopped: tuple[str, ...] = ()
    """Sites that VetBridge itself has paused."""
    at_their_hour: int = 0
    """Changes whose notice waits for its hours, for the next day or for a visit, or that wait for what the work list
    asks somebody to do: no leftovers."""

    @property
    def exit_code(self) -> int:
        """0 fine, 4 leftovers, 5 a side did not answer, 7 a fuse has blown."""
        if self.blown:
            return 7
        if self.unreachable:
            return 5
        if self.stopped:
            return 4
        left = (ChangeState.RECEIVED, ChangeState.WAITING, ChangeState.FAILED)
        fine = sum(self.shadow.values()) + self.at_their_hour
        return 4 if sum(self.states.get(state, 0) for state in left) > fine else 0

    def as_data(self) -> dict[str, Any]:
        """The outcome as plain data."""
        return {
            "changes": self.states,
            "reachable": not self.unreachable,
            "fuse_blown": list(self.blown),
            "shadow": dict(self.shadow),
            "paired": {site: asdict(report) for site, report in self.paired.items()},
        }


def pass_over(program: Program, *, patience: float, progress: Callable[[str], None]) -> Outcome:
    """Does one pass. Waits for changes that must be tried again, up to ``patience`` seconds after progress."""
    with program.ledger.read() as tx:
        before = changes.last_id(tx)
    _look_at_installs(program, progress)
    problems = read_sides(program, progress)
    drain(program, patience, progress)
    with program.ledger.read() as tx:
        states = changes.states_since(tx, before)
        at_their_hour = changes.count_waiting(tx, before, {*BY_DESIGN, changes.BY_HAND})
        in_shadow = going_live.held_back(tx) - going_live.ended(tx)
        shadow = {site: changes.count_new(tx, site, before) for site in sorted(in_shadow)}
    paired = {site: pairer.report for site, pairer in program.pairers.items() if pairer.report is not None}
    outcome = Outcome(
        states,
        tuple(problems),
        bool(problems),
        _blown(program),
        shadow,
        paired,
        at_their_hour=at_their_hour,
    )
    return _with_stopped(program, outcome)


def pass_for_client(
    program: Program, client: str, *, patience: float, progress: Callable[[str], None], approved: bool = False
) -> Outcome:
    """Does one pass over the visits of one client, and over nothing else; no cursor of visits moves.

    ``approved``: also where its site is in the shadow, for this once.

    ``client`` is an id at either side, or ``ACCOUNT/ID``. Raises ``NobodyMeant`` for a client that no side has, and
    where several have one of this id.
    """
    _look_at_installs(program, progress)
    families = family(program.ledger, program.pairs, client)
    rounds = Rounds(program)
    problems: list[str] = []
    records: set[int] = set()
    for one in families:
        _look_for_upgrades(rounds, (one.pair.booking.account, one.pair.pims.account), progress)
        if rounds.rests(one.pair.booking.account) or rounds.rests(one.pair.pims.account):
            progress(f"site {one.pair.site} is paused or has ended")
            continue
        progress(f"reading the clients and pets of {one.pair.pims.account}")
        if not rounds.mirror(one.pair.pims.account, progress) and not rounds.rests(one.pair.pims.account):
            problems.append(_unread(one.pair.pims.account))
        if not rounds.pair(one.pair.site, progress) and not rounds.rests(one.pair.booking.account):
            problems.append(_unread(one.pair.booking.account))
            continue  # what is not known to stand on both sides would be made a second time
        progress(f"reading the visits of {one.words}")
        records |= receive(program.ledger, one, program.clock.now())
    if approved:
        with program.ledger.write() as tx:
            for one in families:
                going_live.nothing_is_late(tx, one.pair.site)
    program.engine.only = frozenset(records)
    program.engine.unapproved |= approved
    drain(program, patience, progress)
    with program.ledger.read() as tx:
        states = changes.newest_states(tx, records)
        held = set() if program.engine.unapproved else going_live.held_back(tx)
    shadow = {one.pair.site: len(records) for one in families if one.pair.site in held}
    return _with_stopped(program, Outcome(states, tuple(problems), bool(problems), _blown(program), shadow))


def read_sides(program: Program, progress: Callable[[str], None]) -> list[str]:
    """Reads both sides of every pair; returns what could not be read, in words."""
    rounds = Rounds(program)
    problems: list[str] = []

    def read(side: Side, what: str, how: Callable[[str], bool]) -> None:
        for account in rounds.accounts(side):
            if rounds.rests(account):
                progress(f"{account} is paused or its pair has ended")
                continue
            progress(f"reading the {what} of {account}")
            if not how(account) and not rounds.rests(account):
                problems.append(_unread(account))

    _look_for_upgrades(rounds, [*rounds.accounts(Side.PIMS), *rounds.accounts(Side.BOOKING)], progress)
    read(Side.PIMS, "clients and pets", lambda account: rounds.mirror(account, progress))
    for organisation in program.joiners:
        progress(f"comparing the clients of the branches of {organisation}")
        rounds.join_through(organisation)
    # Before anything counts as changed: what stands on both sides is no news.
    for pair in program.pairs:
        unread = _unread(pair.pims.account) in problems or rounds.rests(pair.pims.account)
        if not unread and not rounds.pair(pair.site, progress) and not rounds.rests(pair.booking.account):
            problems.append(f"site {pair.site} could not be paired, so nothing is written for it; see the log")
    read(Side.PIMS, "visits", rounds.desk)
    read(Side.BOOKING, "bookings", rounds.poll)
    for account in program.due_readers:
        progress(f"reading the due services of {account}")
        if not rounds.due_services(account) and not rounds.rests(account):
            problems.append(_unread(account))
    if not problems:
        _look_for_more(rounds, program, progress)
        for pair in program.pairs:
            progress(f"comparing the coming visits of {pair.site}")
            rounds.sweep(pair.site)
    rounds.expire()
    rounds.prune()
    return problems


def _look_for_more(rounds: Rounds, program: Program, progress: Callable[[str], None]) -> None:
    """What goes along with clients and visits: their files, and the services that are due."""
    for site in program.file_lookers:
        progress(f"looking for new files at {site}")
        rounds.files(site)
    for site in program.due_rounds:
        progress(f"working out which services are due at {site}")
        rounds.due_round(site, MOST_CARDS)


def _look_at_installs(program: Program, progress: Callable[[str], None]) -> None:
    """How the marketplace apps stand, before any side is read. Where that cannot be found out, it is as before."""
    for name, app in program.connecting.items():
        progress(f"looking where the app {name} is connected")
        try:
            app.look()
        except VetBridgeError as error:
            progress(f"the app {name}: {error.message}")


def _look_for_upgrades(rounds: Rounds, accounts: Iterable[str], progress: Callable[[str], None]) -> None:
    """Before anything is written. A side that does not answer is no change, and tells so when it is read."""
    for account in dict.fromkeys(accounts):
        if not rounds.rests(account):
            progress(f"reading the code lists of {account}")
            rounds.upgrades(account)


def _with_stopped(program: Program, outcome: Outcome) -> Outcome:
    """An outcome that names the sites that VetBridge itself has paused."""
    with program.ledger.read() as tx:
        why = {row.name: reason(row.why) for row in pauses.standing(tx) if row.scope == "site" and row.why}
    told = (f"site {site} is paused: {words}; `vetbridge doctor` says what to do" for site, words in why.items())
    return replace(outcome, problems=(*outcome.problems, *told), stopped=tuple(why))


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
            # In the caller's context: what is read in bulk stays so in the threads.
            jobs = [pool.submit(copy_context().run, _work_all, program, f"sync-{n}") for n in range(workers)]
            done = [job.result() for job in jobs]  # all of them, whatever the first one says
            worked = any(done)
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
