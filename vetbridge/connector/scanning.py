"""The virus scanner: clamd, by its own protocol."""

from __future__ import annotations

from typing import BinaryIO


class Scanner:
    """One clamd. ``address``: unix:///PATH or tcp://HOST:PORT; ``timeout``: seconds for one file."""

    def __init__(self, address: str, *, timeout: float) -> None:
        self._address = address
        self._timeout = timeout

    def scan(self, file: BinaryIO) -> None:
        """Looks at a file. Raises ``FileRefused`` where it finds something, ``Unavailable`` where it cannot say."""
        raise NotImplementedError
