"""Counts what was tried in vain, and says how long to wait after too much of it."""

from __future__ import annotations

import ipaddress
import math
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping

from vetbridge.connector.clock import Clock

SPAN = 15 * 60.0
"""Seconds for which a vain try counts."""
MOST_KEYS = 10_000
"""So many names and callers are remembered; the one that was quiet longest is forgotten first."""


class Throttled(Exception):
    """Too many vain tries. ``seconds`` is how long to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds


class Throttle:
    """Vain tries by key, in memory: a restart forgets them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, limits: Mapping[str, int]) -> None:
        """Counts one try for each key; raises ``Throttled`` where one of them has had as many as its limit.

        A try is counted before it is known to be vain: many at once would else all pass.
        """
        now = self._clock.steady()
        with self._lock:
            waits = [self._wait(key, most, now) for key, most in limits.items()]
            longest = max(waits, default=0.0)
            if longest > 0:
                raise Throttled(math.ceil(longest))
            for key in limits:
                self._tries.setdefault(key, deque()).append(now)
                self._tries.move_to_end(key)
            while len(self._tries) > MOST_KEYS:
                self._tries.popitem(last=False)

    def forgive(self, limits: Mapping[str, int]) -> None:
        """The last try of each key was not in vain."""
        with self._lock:
            for key in limits:
                tries = self._tries.get(key)
                if tries:
                    tries.pop()
                if not tries:
                    self._tries.pop(key, None)

    def _wait(self, key: str, most: int, now: float) -> float:
        tries = self._tries.get(key)
        if tries is None:
            return 0.0
        while tries and tries[0] <= now - SPAN:
            tries.popleft()
        return tries[0] + SPAN - now if len(tries) >= most else 0.0


def caller(host: str | None) -> str:
    """The key of a caller: an IPv4 address, or the network of an IPv6 one, of which everybody has many."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return "caller unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return f"caller {ipaddress.ip_network((address, 64), strict=False)}"
    return f"caller {getattr(address, 'ipv4_mapped', None) or address}"
