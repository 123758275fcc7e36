"""Tells the config's channels what happens: looks into the ledger, writes events down, and delivers what is due."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from vetbridge.core.errors import VetBridgeError
from vetbridge.daemon.channels import Channel, named
from vetbridge.ledger import events
from vetbridge.ledger.database import Ledger

WAITS = (5.0, 30.0, 120.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""Seconds after each try that was not taken; a delivery is given up after one try more than these."""
AT_ONCE = 50
"""Deliveries in one round to a channel that takes one at a time."""
GONE = "answered-410"
"""The code of a webhook that wants to hear nothing more of an event."""

log = structlog.get_logger("vetbridge.daemon")


class Telling:
    """Events and deliveries of one program. ``deliver`` serves one channel: a slow one holds up no other."""

    def __init__(
        self,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        accounts: Collection[str],
        *,
        rests: Callable[[str], bool],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ledger = ledger
        self._channels = channels
        self._tells = {name: channel.tells for name, channel in channels.items()}
        self._accounts = accounts
        self._rests = rests
        self._stopping = stopping
        self._failing: set[str] = set()
        """Channels that did not take the last delivery: it is said once."""
        self._unnoted: dict[str, list[int]] = {}
        """By channel, events that it has taken, which the ledger has not been told: it may take no transaction."""

    def begin(self) -> None:
        """What a start does: what waits for channels that the config no longer has is given up."""
        with self._ledger.write() as tx:
            dropped = events.begin(tx, self._tells)
        if dropped:
            log.warning("channel.removed", deliveries=dropped)

    def look(self) -> int:
        """Writes down what has happened since the last look, to be delivered; returns how many deliveries."""
        awake = [account for account in self._accounts if not self._rests(account)]
        with self._ledger.read() as tx:
            seen = events.look(tx, awake)
        if not seen.happenings and not seen.mark_is_due:
            return 0
        with self._ledger.write() as tx:
            return events.write_down(tx, seen, self._tells)

    def deliver(self, name: str) -> int:
        """Delivers what is due to one channel; returns how many were taken.

        A round ends with the first that is not taken: one that does not answer is called once a round.
        """
        at_once = self._channels[name].at_once
        self._note(name)
        with self._ledger.read() as tx:
            waiting = events.due(tx, name, limit=max(AT_ONCE, at_once), early=at_once > 1)
        taken = 0
        for start in range(0, len(waiting), at_once):
            if self._stopping():
                break
            together = waiting[start : start + at_once]
            try:
                self._channels[name].send([due.message for due in together])
            except Exception as error:
                if not self._stopping():  # what a stop cuts off is no trouble; it is sent again
                    self._missed(name, together, named(error))
                break
            self._unnoted[name] = [due.event_id for due in together]
            self._note(name)
            taken += len(together)
            if name in self._failing:
                self._failing.discard(name)
                log.info("channel.answers", channel=name)
        return taken

    def close(self) -> None:
        """Gives back the connections."""
        for channel in self._channels.values():
            channel.close()

    def _note(self, name: str) -> None:
        """Writes down what a channel has taken. Until that is done it is handed nothing: else it would be told the
        same again and again while the disk is full."""
        if taken := self._unnoted.get(name):
            with self._ledger.write() as tx:
                for event_id in taken:
                    events.sent(tx, event_id, name)
            del self._unnoted[name]

    def _missed(self, name: str, together: Sequence[events.Due], error: VetBridgeError) -> None:
        tried = [due for due in together if not due.is_early]
        given_up = [due for due in tried if due.tries >= len(WAITS) or error.code == GONE]
        with self._ledger.write() as tx:
            for due in tried:
                wait = None if due in given_up else WAITS[due.tries]
                events.missed(tx, due.event_id, name, error.code, wait=wait)
        # The address stays unsaid: its query may hold a secret.
        if name not in self._failing:
            self._failing.add(name)
            log.warning("channel.failing", channel=name, code=error.code, message=error.message)
        for due in given_up:
            log.error(
                "channel.given_up", channel=name, message_id=due.message.id, type=due.message.type, code=error.code
            )
