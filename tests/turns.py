"""A clock for tests of what threads do to each other: who runs next is no accident, and no time is waited out."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta


class Turns:
    """A clock for threads of which one runs at a time: who waits hands over to whoever's moment comes next."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._passed = 0.0
        self._number = itertools.count()
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._failed: list[BaseException] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def steady(self) -> float:
        return self._passed

    def wait(self, seconds: float) -> None:
        turn = self._turn_at(self._passed + max(0.0, seconds))
        self._hand_over()
        turn.wait()

    def until(self, moment: float) -> None:
        """Waits for a moment; one that is past has come."""
        if moment > self._passed:
            self.wait(moment - self._passed)

    def play(self, works: Iterable[tuple[float, Callable[[], None]]]) -> None:
        """Does each work in a thread of its own, from its moment on, until all are done."""
        threads = [
            threading.Thread(target=self._run, args=(self._turn_at(begin), work), daemon=True)
            for begin, work in works
        ]
        for thread in threads:
            thread.start()
        self._hand_over()
        assert self._over.wait(60), "a thread waits for something else than its turn"
        if self._failed:
            raise self._failed[0]

    def _run(self, turn: threading.Event, work: Callable[[], None]) -> None:
        turn.wait()
        try:
            work()
        except BaseException as error:
            self._failed.append(error)
            self._over.set()
        self._hand_over()

    def _turn_at(self, moment: float) -> threading.Event:
        turn = threading.Event()
        with self._lock:
            heapq.heappush(self._waiting, (moment, next(self._number), turn))
        return turn

    def _hand_over(self) -> None:
        with self._lock:
            if not self._waiting:
                self._over.set()
                return
            moment, _, turn = heapq.heappop(self._waiting)
            self._passed = max(self._passed, moment)
        turn.set()
