"""Tells systemd how VetBridge stands: ready, alive, stopping. Says nothing where nobody has asked.

The protocol is that of sd_notify(3): one datagram to the socket in ``NOTIFY_SOCKET``; ``WATCHDOG_USEC`` says within
which time systemd wants to hear that it is alive, in microseconds.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress


class Notifier:
    """The voice towards the service manager of one process.

    ``alive`` says whether work has been done since it was asked last; without that systemd hears nothing, and starts
    VetBridge again. ``clock`` counts seconds and never goes back.
    """

    def __init__(self, environ: Mapping[str, str], *, alive: Callable[[], bool], clock: Callable[[], float]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._alive = alive
        self._clock = clock
        limit = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        # A third of the time that is given: one look that comes late is no death.
        self._every = int(limit) / 3_000_000 if mine and limit.isdecimal() else 0.0
        self._next = clock() + self._every

    def ready(self) -> None:
        """The listeners answer and the rounds have begun."""
        self._tell("READY=1\nSTATUS=At work")

    def stopping(self) -> None:
        """It ends; writes that are under way finish first."""
        self._tell("STOPPING=1\nSTATUS=Writes that are under way finish")

    def beat(self) -> None:
        """Says that it is alive, where that is due and true. To be called every second or so."""
        if not self._every or self._clock() < self._next:
            return
        self._next = self._clock() + self._every
        if self._alive():
            self._tell("WATCHDOG=1")

    def _tell(self, text: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        # A leading @ stands for the zero byte of an abstract address.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        # Whoever does not listen to it cannot be told; the work goes on.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as voice:
            voice.connect(address)
            voice.send(text.encode())
