"""Tells the config's webhooks what happens: looks into the ledger, writes events down, and delivers them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import structlog

from vetbridge.config.models import Webhook
from vetbridge.connector.clock import Clock
from vetbridge.connector.http import Caller
from vetbridge.connector.telling import tell
from vetbridge.core.errors import VetBridgeError
from vetbridge.ledger import events
from vetbridge.ledger.database import Ledger

WAITS = (5.0, 30.0, 120.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""Seconds after each try that was not taken; a delivery is given up after one try more than these."""
TIMEOUT = 10.0
"""Seconds that a webhook has to connect, and to answer."""
AT_ONCE = 50
"""Deliveries to one webhook in one round."""
GONE = 410
"""A webhook that answers this wants to hear nothing more of it."""

log = structlog.get_logger("vetbridge.daemon")


class Telling:
    """Events and deliveries of one program. ``deliver`` serves one webhook: a slow one holds up no other."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        webhooks: Mapping[str, Webhook],
        accounts: Collection[str],
        *,
        rests: Callable[[str], bool],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._webhooks = webhooks
        self._accounts = accounts
        self._rests = rests
        self._stopping = stopping
        self._failing: set[str] = set()
        """Webhooks that did not take the last delivery: it is said once."""
        self._caller = Caller(timeout=TIMEOUT)

    def begin(self) -> None:
        """What a start does: what waits for webhooks that the config no longer has is given up."""
        with self._ledger.write() as tx:
            dropped = events.begin(tx, self._webhooks)
        if dropped:
            log.warning("webhook.removed", deliveries=dropped)

    def look(self) -> int:
        """Writes down what has happened since the last look, to be delivered; returns how many deliveries."""
        awake = [account for account in self._accounts if not self._rests(account)]
        with self._ledger.read() as tx:
            seen = events.look(tx, awake)
        if not seen.happenings and not seen.mark_is_due:
            return 0
        with self._ledger.write() as tx:
            return events.write_down(tx, seen, {name: hook.events for name, hook in self._webhooks.items()})

    def deliver(self, name: str) -> int:
        """Delivers what is due to one webhook; returns how many were taken.

        A round ends with the first that is not taken: one that does not answer is called once a round.
        """
        with self._ledger.read() as tx:
            waiting = events.due(tx, name, limit=AT_ONCE)
        taken = 0
        for due in waiting:
            if self._stopping():
                break
            code, words = self._call(name, due)
            if code:
                if not self._stopping():  # what a stop cuts off is no trouble; it is sent again
                    self._missed(name, due, code, words)
                break
            with self._ledger.write() as tx:
                events.sent(tx, due.event_id, name)
            taken += 1
            if name in self._failing:
                self._failing.discard(name)
                log.info("webhook.answers", webhook=name)
        return taken

    def close(self) -> None:
        """Gives back the connections."""
        self._caller.close()

    def _call(self, name: str, due: events.Due) -> tuple[str, str]:
        """One try: why it was not taken, as a code and in words; both "" where it was."""
        hook = self._webhooks[name]
        try:
            status = tell(
                self._caller,
                hook.url,
                hook.secret.reveal(),
                message_id=due.message_id,
                at=self._clock.now(),
                body=due.content.encode(),
            )
        except VetBridgeError as error:
            return error.code, error.message
        return ("", "") if 200 <= status < 300 else (f"answered-{status}", f"it answered {status}")

    def _missed(self, name: str, due: events.Due, code: str, words: str) -> None:
        over = due.tries >= len(WAITS) or code == f"answered-{GONE}"
        with self._ledger.write() as tx:
            events.missed(tx, due.event_id, name, code, wait=None if over else WAITS[due.tries])
        # The address stays unsaid: its query may hold a secret.
        if name not in self._failing:
            self._failing.add(name)
            log.warning("webhook.failing", webhook=name, code=code, message=words)
        if over:
            log.error("webhook.given_up", webhook=name, message_id=due.message_id, type=due.type, code=code)
