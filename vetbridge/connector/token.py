"""Access tokens that an account asks for and shows with its requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.core.errors import AuthFailed, BadAnswer

MARGIN = 60.0
"""Seconds before its end in which a token is no longer used."""

LONGEST = 16 * 1024
"""Characters of a token."""


def checked(told: Any, what: str) -> str:
    """The text of a token that an answer to ``what`` tells. Raises ``AuthFailed`` where it is none, ``BadAnswer``
    where no header can hold it."""
    if not isinstance(told, str) or not told or len(told) > LONGEST:
        raise AuthFailed(f"{what}: answered without a token")
    if not (told.isascii() and told.isprintable()):
        raise BadAnswer(f"{what}: the token holds signs that no header can")
    return told


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and the seconds that it lives from now on."""

    text: str = field(repr=False)
    seconds: float


class SharedToken:
    """The account's access token: asked for once and shared, asked for anew shortly before its end or after a 401.

    ``headers`` and ``refused`` are what an ``HttpClient`` takes as ``authorise`` and ``refresh``. Safe to be used by
    several threads.
    """

    def __init__(self, ask: Callable[[], Token], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._text = ""
        self._good_until = 0.0
        self._handed = threading.local()

    def headers(self) -> Mapping[str, str]:
        """The header that proves who asks."""
        return {"Authorization": f"Bearer {self.text()}"}

    def text(self) -> str:
        """The token."""
        with self._lock:
            if not self._text or self._clock.steady() >= self._good_until:
                self._renew()
            self._handed.text = self._text
            return self._text

    def refused(self) -> None:
        """Called by the thread whose request was answered 401; only the first of several asks for a new token."""
        with self._lock:
            if self._text == getattr(self._handed, "text", ""):
                self._renew()

    def _renew(self) -> None:
        self._text = ""
        token = self._ask()
        self._good_until = self._clock.steady() + max(token.seconds - MARGIN, token.seconds / 2)
        self._text = token.text
