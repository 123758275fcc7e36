"""The rounds that a clock calls: polls of the booking side, refreshes of the PIMS mirror, and upkeep."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from vetbridge.core.errors import Scope, VetBridgeError
from vetbridge.core.records import Side
from vetbridge.daemon.assembly import Program
from vetbridge.ledger import accounts, changes, observations, pauses, retention
from vetbridge.ledger.database import Transaction

log = structlog.get_logger("vetbridge.daemon")


class Rounds:
    """Polls and refreshes of one program. A round that fails pauses its account; the next one tries again."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def accounts(self, side: Side) -> list[str]:
        """The accounts that have rounds at one side."""
        ends = [pair.booking if side is Side.BOOKING else pair.pims for pair in self._program.pairs]
        return list(dict.fromkeys(end.account for end in ends))

    def poll(self, account: str) -> bool:
        """Polls one booking account; False where it could not be done."""
        return self._round("poll", account, self._program.receivers[account].poll)

    def refresh(self, account: str) -> bool:
        """Reads what changed at one PIMS account: clients and pets into the mirror, then visits.

        False where it could not be done.
        """
        return self.mirror(account) and self._round("desk", account, self._program.receivers[account].poll_desk)

    def mirror(self, account: str) -> bool:
        """Reads the clients and pets of one PIMS account into the mirror; False where it could not be done."""
        return self._round("refresh", account, self._program.refreshers[account].pass_)

    def sweep(self, site: str) -> bool:
        """Compares what both sides of a site list with the ledger; False where it could not be done."""
        sweeper = self._program.sweepers[site]
        pair = next(pair for pair in self._program.pairs if pair.site == site)
        if self.rests(pair.booking.account) or self.rests(pair.pims.account):
            return False
        return self._round("sweep", sweeper.account, sweeper.sweep)

    def expire(self) -> int:
        """Gives up writes whose visit has begun meanwhile; returns how many."""
        with self._program.ledger.write() as tx:
            expired = changes.expire(tx)
        if expired:
            log.error("changes.expired", count=expired)
        return expired

    def prune(self, *, stopping: Callable[[], bool] = lambda: False) -> int:
        """Drops the personal values that are kept no longer, and the oldest of the matcher's observations; returns
        how many rows of the former that were."""
        observations.trim(self._program.ledger)
        dropped = retention.drop_bodies(
            self._program.ledger, self._program.loaded.config.ledger.keep_bodies_days, stopping=stopping
        )
        if dropped.total:
            log.info(
                "bodies.dropped",
                actions=dropped.actions,
                questions=dropped.questions,
                lines=dropped.lines,
                links=dropped.links,
            )
        return dropped.total

    def rests(self, account: str) -> bool:
        """Whether a person has paused an account, or every site that uses it: then it has no rounds."""
        with self._program.ledger.read() as tx:
            return self._rests(tx, account)

    def _rests(self, tx: Transaction, account: str) -> bool:
        sites = {pair.site for pair in self._program.pairs if account in (pair.booking.account, pair.pims.account)}
        return account in pauses.paused(tx, "account") or sites <= pauses.paused(tx, "site")

    def _round(self, what: str, account: str, work: Callable[[], int]) -> bool:
        with self._program.ledger.read() as tx:
            if account in accounts.not_answering(tx, [account]) or self._rests(tx, account):
                return False
        try:
            count = work()
        except VetBridgeError as error:
            if error.scope is Scope.ACCOUNT:
                self._program.engine.account_failed(error)
            log.warning("round.failed", round=what, account=account, code=error.code, message=error.message)
            return False
        with self._program.ledger.write() as tx:
            accounts.answered(tx, account)
        log.debug("round.done", round=what, account=account, count=count)
        return True
