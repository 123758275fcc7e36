"""Several workers of which only one ever runs: the test, and not the thread scheduler, picks the interleaving.

A worker is a thread that runs until the engine reaches a named point; there it stands until it is let go on. So every
interleaving of the engine's named points can be played, and played again, without a wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.rig import Killed

PATIENCE = 60.0
"""Seconds after which a worker that neither stands nor ends counts as stuck: two workers wait for each other."""


class Stuck(AssertionError):
    """A worker neither reached a point nor ended."""


class Worker:
    """One worker: it stands at ``at``, or it is ``over``."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name = name
        self.at = ""
        """The point at which it stands; empty before the first."""
        self.over = False
        self.error: BaseException | None = None
        """What ended it, where that was neither its work's end nor a kill."""
        self.killed = False
        self._work = work
        self._go = threading.Semaphore(0)
        self._stands = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self.killed:
                self._work()
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self.over = True
            self._stands.release()

    def stand(self, point: str) -> None:
        """Called in the worker's own thread: stands at a point until it is let go on, or killed."""
        if self.killed:
            raise Killed  # a dead process reaches no further point
        self.at = point
        self._stands.release()
        self._go.acquire()
        if self.killed:
            raise Killed

    def go_on(self) -> None:
        """Lets it run to its next point, or to its end. Raises what its work raised, and ``Stuck``."""
        if self.over:
            return
        if not self.thread.is_alive():
            self.thread.start()
        self._go.release()
        if not self._stands.acquire(timeout=PATIENCE):
            raise Stuck(f"worker {self.name} stands nowhere since {self.at!r}")
        if self.over:
            self.thread.join()
            if self.error is not None:
                raise self.error


class Stepper:
    """The workers of one process. ``point`` is what its engine is given."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}

    def point(self, name: str) -> None:
        """A named point: a worker of this stepper stands there; whoever else comes by goes on."""
        worker = self.workers.get(threading.current_thread().name)
        if worker is not None and worker.thread is threading.current_thread():
            worker.stand(name)

    def start(self, name: str, work: Callable[[], object]) -> Worker:
        """Starts a worker and runs it to its first point. The one of that name before must be over."""
        before = self.workers.get(name)
        assert before is None or before.over, f"worker {name} is at work"
        worker = self.workers[name] = Worker(name, work)
        worker.go_on()
        return worker

    def standing(self) -> list[Worker]:
        """The workers that stand at a point, by name."""
        return [worker for _, worker in sorted(self.workers.items()) if not worker.over]

    def finish(self) -> None:
        """Lets all that stand run to their ends, one after the other."""
        for worker in self.standing():
            while not worker.over:
                worker.go_on()

    def kill(self) -> None:
        """The process ends: each worker ends where it stands, and nothing catches that."""
        standing = self.standing()
        for worker in standing:
            worker.killed = True
        for worker in standing:
            worker.go_on()
        self.workers = {}
