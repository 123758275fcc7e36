"""Drains due lanes in threads."""

from __future__ import annotations

import threading

import structlog

from vetbridge.core.errors import VetBridgeError
from vetbridge.sync.engine import Engine

log = structlog.get_logger("vetbridge.daemon")

LONGEST_IDLE = 1.0
"""Seconds between two looks at the ledger by the first worker: other commands may have written to it."""
LONGEST_SLEEP = 5.0
"""The same for all other workers, whom a worker that finds work wakes."""
SHORTEST_IDLE = 0.02
PAUSE = 5.0
"""Seconds until a worker tries again that the ledger let down; nothing wakes it earlier."""


class Dispatcher:
    """Worker threads over one engine. ``wake`` is the only message they take: "look at the ledger"."""

    def __init__(self, engine: Engine, workers: int) -> None:
        self._engine = engine
        self._woken = threading.Condition()
        self._calls = 0
        """Wake-ups so far: one that comes between a worker's look and its wait must not be slept through."""
        self._stopping = False
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(LONGEST_SLEEP if number else LONGEST_IDLE,),
                name=f"worker-{number + 1}",
                daemon=True,
            )
            for number in range(workers)
        ]

    def start(self) -> None:
        """Starts the workers."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Something may be due."""
        with self._woken:
            self._calls += 1
            self._woken.notify_all()

    def stop(self, patience: float) -> bool:
        """Lets attempts in flight finish, for at most ``patience`` seconds each; False where one did not."""
        with self._woken:
            self._stopping = True
            self._woken.notify_all()
        for thread in self._threads:
            thread.join(patience)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, longest: float) -> None:
        name = threading.current_thread().name
        asleep = False
        failing = ""
        while not self._stopping:
            calls = self._calls
            try:
                idle = self._engine.idle_for()
                if failing and idle > 0:
                    failing = ""
                    log.info("worker.goes-on", worker=name)
                if idle <= 0:
                    if asleep:
                        self.wake()
                    asleep = False
                    if self._engine.work(name, stopping=lambda: self._stopping):
                        continue
            except VetBridgeError as error:
                # Said once, not at every try: the disk that is full may be the log's, too.
                if error.code != failing:
                    log.error("worker.ledger", worker=name, code=error.code, message=error.message)
                failing = error.code
                self._sleep(PAUSE)
                continue
            except Exception as error:
                # A worker that ended would be missed by nobody. Named by type: the text may hold personal values.
                log.error("worker.bug", worker=name, error=type(error).__name__)
                idle = LONGEST_IDLE
            asleep = idle > 0
            self._sleep(min(longest, max(SHORTEST_IDLE, idle)), calls)

    def _sleep(self, seconds: float, calls: int | None = None) -> None:
        """Until something may be due since ``calls`` wake-ups; without that only a stop ends it early."""
        with self._woken:
            if calls is None:
                self._woken.wait_for(lambda: self._stopping, seconds)
            elif not self._stopping and self._calls == calls:
                self._woken.wait(seconds)
