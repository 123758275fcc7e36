"""VetBridge as the demo has it run: the daemon as a process, and what its ledger tells of each branch."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from vetbridge.config.models import Config
from vetbridge.connector.clock import Clock
from vetbridge.connector.configured import read_config
from vetbridge.core.answers import choices
from vetbridge.core.errors import MappingError
from vetbridge.daemon.lock import running
from vetbridge.demo.asking import ask
from vetbridge.demo.children import Child, Children
from vetbridge.demo.failure import DemoFailed
from vetbridge.demo.scenes import Scene
from vetbridge.demo.stage import Stage
from vetbridge.demo.story import Branch
from vetbridge.desk.status import SiteStatus, Status, status
from vetbridge.ledger import chains, fuses, reports, worklist
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.tables import OPEN_STATES, ChangeState

MIRROR_PATIENCE = 120.0
"""Seconds for the first reading of all clients and pets."""
STOP_PATIENCE = 70.0
"""Seconds that the daemon may take to let its last writes finish."""


class Bridge:
    """The daemon, started and stopped; and those who use it meanwhile."""

    def __init__(self, stage: Stage, children: Children, clock: Clock) -> None:
        self.config: Config = read_config(stage.config).config
        self._stage = stage
        self._children = children
        self._clock = clock
        self._daemon: Child | None = None
        self._is_ready = False
        self._users = 0

    @property
    def door(self) -> str:
        """Where its door stands."""
        return f"http://{self.config.door.host}:{self.config.door.port}"

    def launch(self) -> None:
        """Starts it, and does not wait."""
        self._daemon = self._children.start(
            "vetbridge run", ["--config", str(self._stage.config), "run"], self._stage.log("run")
        )

    def start(self) -> Scene[None]:
        """Starts it, and waits until it has read all clients: nobody is new before."""
        self.launch()
        yield from self.ready()

    def ready(self) -> Scene[None]:
        """Waits until it has read all clients."""
        yield from self.answers("VetBridge did not read all clients in time", mirrors=True)
        self._is_ready = True

    def answers(self, late: str, *, mirrors: bool = False) -> Scene[None]:
        """Waits until its door is open; with ``mirrors`` until it has read all clients, too."""
        ends = self._clock.steady() + MIRROR_PATIENCE
        while self._clock.steady() < ends:
            self.check()
            with contextlib.suppress(DemoFailed):  # the door opens when it opens
                health = ask("GET", f"{self.door}/health")
                if not mirrors or all(health["mirrors"].values()):
                    return
            yield
        raise DemoFailed(f"{late}.\n{self.last_words()}")

    def stop(self) -> Scene[None]:
        """Lets those who use it finish, then stops it."""
        self._is_ready = False
        while self._users:
            yield
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return
        daemon.ask_to_end()
        ends = self._clock.steady() + STOP_PATIENCE
        while daemon.done() is None:
            if self._clock.steady() > ends:
                raise DemoFailed(f"vetbridge run did not stop when it was asked to.\n{daemon.last_words()}")
            yield
        self._children.stop(daemon, 1.0)

    def end(self) -> None:
        """Stops it for good."""
        for _ in self.stop():
            self._clock.wait(0.05)

    def check(self) -> None:
        """Raises ``DemoFailed`` where it has ended by itself."""
        if self._daemon is not None:
            self._daemon.check()

    def runs(self) -> bool:
        """Whether it runs, has read all clients, and is not about to be stopped."""
        return self._is_ready

    @contextmanager
    def used(self) -> Iterator[None]:
        """Meanwhile it is not stopped."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1

    def last_words(self) -> str:
        """The end of its log, where it runs."""
        return "" if self._daemon is None else self._daemon.last_words()


class Books:
    """The ledger beside the daemon, to be read only."""

    def __init__(self, ledger: Ledger, config: Config) -> None:
        self._ledger = ledger
        self._config = config

    def status(self) -> Status:
        """VetBridge's own report."""
        with self._ledger.read() as tx:
            return status(tx, self._config, running(self._config.ledger.place))

    def site(self, branch: Branch) -> SiteStatus:
        """What that report says of a branch."""
        return next(site for site in self.status().sites if site.name == branch.site)

    def failed(self, branch: Branch) -> set[str]:
        """Record ids of the branch's bookings that failed because a code is missing."""
        return self._failed_with(branch, MappingError.code)

    def refused_files(self, branch: Branch) -> set[str]:
        """Ids of the files at the platform that VetBridge will not carry, as nobody can open them."""
        return self._failed_with(branch, "file-encrypted")

    def _failed_with(self, branch: Branch, code: str) -> set[str]:
        with self._ledger.read() as tx:
            _, found = reports.list_changes(
                tx,
                states=[ChangeState.FAILED],
                account=branch.booking_account,
                limit=len(branch.morning.bookings),
            )
        return {change.remote_id for change in found if change.code == code}

    def through(self, branch: Branch) -> set[str]:
        """Ids of the branch's records at the platform that have come through."""
        with self._ledger.read() as tx:
            _, ended = reports.list_changes(
                tx,
                states=[ChangeState.DONE, ChangeState.REVIEW],
                account=branch.booking_account,
                limit=10 * len(branch.morning.bookings),
            )
        return {change.remote_id for change in ended}

    def asked(self, branch: Branch, offering: str) -> set[str]:
        """Record ids of the branch's bookings about which there is an open question that offers this answer."""
        with self._ledger.read() as tx:
            found = reports.open_questions(tx)
        return {
            question.remote_id
            for question in found
            if question.account == branch.booking_account and offering in choices(question.why)
        }

    def listed(self, branch: Branch) -> Hashable:
        """What tells the branch's work list from what it was."""
        with self._ledger.read() as tx:
            return frozenset((row.id, row.state, row.details_sealed) for row in worklist.lines(tx, site=branch.site))

    def is_elsewhere(self, branch: Branch, client: str) -> bool:
        """Whether a client of the branch's PIMS is known to be one of another branch's, too."""
        with self._ledger.read() as tx:
            return bool(chains.same_person(tx, branch.pims_account, client))

    def others(self, branch: Branch) -> tuple[str, ...]:
        """What people call the other branches."""
        return tuple(site.name for name, site in self._config.sites.items() if name != branch.site)

    def held(self, branch: Branch) -> int:
        """How many of the branch's changes the fuse holds back."""
        with self._ledger.read() as tx:
            return len(fuses.held(tx, branch.site))


@contextmanager
def opened(config: Config, clock: Clock) -> Iterator[Books]:
    """The ledger, open."""
    ledger = open_ledger(config.ledger.place, config.ledger.key.reveal(), clock)
    try:
        yield Books(ledger, config)
    finally:
        ledger.close()


def waiting(site: SiteStatus) -> int:
    """Changes of a site that are open."""
    return sum(site.changes[state].count for state in OPEN_STATES)
