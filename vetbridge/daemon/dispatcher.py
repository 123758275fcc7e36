"""Drains due lanes in threads."""

from __future__ import annotations

import threading

import structlog

from vetbridge.core.errors import VetBridgeError
from vetbridge.sync.engine import Engine

log = structlog.get_logger("vetbridge.daemon")

LONGEST_IDLE = 1.0
"""Seconds between two looks at the ledger: other commands may have written to it."""
SHORTEST_IDLE = 0.02


class Dispatcher:
    """Worker threads over one engine. ``wake`` is the only message they take: "look at the ledger"."""

    def __init__(self, engine: Engine, workers: int) -> None:
        self._engine = engine
        self._woken = threading.Condition()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)
            for number in range(1, workers + 1)
        ]

    def start(self) -> None:
        """Starts the workers."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Something may be due."""
        with self._woken:
            self._woken.notify_all()

    def stop(self, patience: float) -> bool:
        """Lets attempts in flight finish, for at most ``patience`` seconds each; False where one did not."""
        with self._woken:
            self._stopping = True
            self._woken.notify_all()
        for thread in self._threads:
            thread.join(patience)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        name = threading.current_thread().name
        while not self._stopping:
            try:
                busy = self._engine.work(name, stopping=lambda: self._stopping)
                idle = 0.0 if busy else self._engine.idle_for()
            except VetBridgeError as error:
                log.error("worker.ledger", worker=name, code=error.code, message=error.message)
                busy, idle = False, LONGEST_IDLE
            except Exception as error:
                # A worker that ended would be missed by nobody. Named by type: the text may hold personal values.
                log.error("worker.bug", worker=name, error=type(error).__name__)
                busy, idle = False, LONGEST_IDLE
            if not busy:
                with self._woken:
                    if not self._stopping:
                        self._woken.wait(min(LONGEST_IDLE, max(SHORTEST_IDLE, idle)))
