"""The heartbeat: a monitor elsewhere is called for as long as VetBridge works, and notices when the calls end."""

from __future__ import annotations

from pathlib import Path

import structlog

from vetbridge.config.models import Heartbeat
from vetbridge.connector.http import Caller
from vetbridge.core.errors import VetBridgeError
from vetbridge.daemon.watching import Watching
from vetbridge.ledger.database import Ledger

TIMEOUT = 10.0
"""Seconds that the monitor has to connect, and to answer."""
WITHHELD = "withheld"
"""Why there was no call: VetBridge cannot work."""

log = structlog.get_logger("vetbridge.daemon")


class Beating:
    """Calls the monitor, where all that VetBridge itself can do is done.

    VetBridge runs, its rounds end, and its ledger takes transactions: that is what a call says. A vendor that does
    not answer, or a question that waits, does not stop it: those have alerts of their own.
    """

    def __init__(self, heartbeat: Heartbeat, watching: Watching, ledger: Ledger, *, ca: Path | None) -> None:
        self.every = heartbeat.every
        """Seconds between two calls."""
        self._heartbeat = heartbeat
        self._watching = watching
        self._ledger = ledger
        self._caller = Caller(timeout=TIMEOUT, ca=ca)
        self._failing = ""
        """Why the last call was not taken; it is said once."""

    def beat(self) -> bool:
        """One call; returns whether it was made and taken. Redirects are not followed, the address is not logged."""
        code, words = self._call()
        if code and code != self._failing:
            log.warning("heartbeat.failing", code=code, message=words)
        elif self._failing and not code:
            log.info("heartbeat.answers")
        self._failing = code
        return not code

    def _call(self) -> tuple[str, str]:
        """Why no call was taken, as a code and in words; both "" where it was."""
        if not (self._watching.is_well and self._ledger.probe()):
            return WITHHELD, "VetBridge cannot work: its rounds do not end, or its ledger takes nothing"
        try:
            status = self._caller.get(self._heartbeat.url.reveal())
        except VetBridgeError as error:
            return error.code, error.message
        return ("", "") if 200 <= status < 300 else (f"answered-{status}", f"it answered {status}")

    def close(self) -> None:
        """Gives back the connection."""
        self._caller.close()
