"""The queue of webhooks: delay, doubles, overtaking, and the vendor's retries."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vetbridge.testing.faults import Faults

_HELD_BACK = 4.0
"""A webhook that is to be overtaken waits up to this many delays longer (at least 0.1 s)."""


@dataclass(frozen=True, slots=True)
class _Parcel:
    url: str
    payload: Any
    tries_left: int


class Outbox:
    """Posts webhooks in the background, each ``delay`` seconds after ``send``.

    A try that nobody answered, or that was answered 429 or 5xx, is repeated up to ``tries`` in all, ``retry_wait``
    seconds apart. What still waits when the outbox is closed is lost, as it may be at a vendor.
    """

    def __init__(
        self,
        faults: Faults,
        *,
        delay: float,
        tries: int,
        retry_wait: float,
        seed: int = 1,
        post: Callable[[str, Any], int] | None = None,
    ) -> None:
        self.delay = delay
        self._faults = faults
        self._tries = tries
        self._retry_wait = retry_wait
        self._post = post or _post
        self._random = random.Random(f"{seed}:webhooks")
        self._number = itertools.count()
        self._queue: list[tuple[float, int, _Parcel]] = []
        self._wake = threading.Condition()
        self._posting = False
        self._closed = False
        self._counts = {"queued": 0, "delivered": 0, "failed": 0}
        self._thread: threading.Thread | None = None

    def send(self, url: str, payload: Any) -> None:
        """Queues one webhook."""
        if self._faults.hits("webhook_silence"):
            return
        with self._wake:
            self._counts["queued"] += 1
            delay = self.delay
            if self._faults.hits("webhook_reorder"):
                delay += self._random.uniform(1.0, _HELD_BACK) * max(self.delay, 0.1)
            self._push(delay, _Parcel(url, payload, self._tries))
            if self._faults.hits("webhook_duplicate"):
                self._push(
                    delay + self._random.uniform(0.0, max(self.delay, 0.1)), _Parcel(url, payload, self._tries)
                )
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="simulator-webhooks", daemon=True)
                self._thread.start()

    def counts(self) -> dict[str, int]:
        """``queued`` (by the vendor, doubles not counted), ``delivered``, ``failed``, and ``waiting`` now."""
        with self._wake:
            return {**self._counts, "waiting": len(self._queue) + self._posting}

    def wait_empty(self, timeout: float) -> bool:
        """Waits until nothing is queued or under way; False when that takes longer than ``timeout`` seconds."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._queue and not self._posting, timeout)

    def close(self) -> None:
        """Stops posting."""
        with self._wake:
            self._closed = True
            self._queue.clear()
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _push(self, delay: float, parcel: _Parcel) -> None:
        heapq.heappush(self._queue, (time.monotonic() + delay, next(self._number), parcel))
        self._wake.notify_all()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._closed and (not self._queue or self._queue[0][0] > time.monotonic()):
                    self._wake.wait(self._queue[0][0] - time.monotonic() if self._queue else None)
                if self._closed:
                    return
                parcel = heapq.heappop(self._queue)[2]
                self._posting = True
            try:
                status = self._post(parcel.url, parcel.payload)
            except Exception:  # an address that cannot even be parsed must not end the vendor's queue
                status = 400
            with self._wake:
                self._posting = False
                self._settle(parcel, status)
                self._wake.notify_all()

    def _settle(self, parcel: _Parcel, status: int) -> None:
        again = status in {0, 429} or status >= 500
        if 200 <= status < 300:
            self._counts["delivered"] += 1
        elif again and parcel.tries_left > 1:
            self._push(self._retry_wait, _Parcel(parcel.url, parcel.payload, parcel.tries_left - 1))
        else:
            self._counts["failed"] += 1


def browse(url: str) -> int:
    """Opens a page as a browser that a vendor sends somewhere; its status, 0 where nobody answered."""
    from vetbridge.connector.http import Caller  # noqa: PLC0415 - heavy, as in ``_post``
    from vetbridge.core.errors import Unavailable  # noqa: PLC0415

    caller = Caller(timeout=30.0)
    try:
        return caller.get(url)
    except Unavailable:
        return 0
    finally:
        caller.close()


def _post(url: str, payload: Any) -> int:
    # Imported at the first webhook: `--help` lists the faults and must not load an HTTP library for it.
    from vetbridge.connector.http import post_webhook  # noqa: PLC0415

    return post_webhook(url, payload)
