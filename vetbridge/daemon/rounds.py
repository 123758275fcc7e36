"""The rounds that a clock calls: polls of the booking side, refreshes of the PIMS mirror."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from vetbridge.core.errors import Scope, VetBridgeError
from vetbridge.core.records import Side
from vetbridge.daemon.assembly import Program
from vetbridge.ledger import accounts

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
        """Refreshes the mirror of one PIMS account; False where it could not be done."""
        return self._round("refresh", account, self._program.refreshers[account].pass_)

    def _round(self, what: str, account: str, work: Callable[[], int]) -> bool:
        with self._program.ledger.read() as tx:
            if account in accounts.not_answering(tx, [account]):
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
