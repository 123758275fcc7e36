"""Hands a file to a virus scanner, clamd, over its socket: what it has not found clean is not carried.

The file goes in pieces by clamd's command INSTREAM, each with its length before it, so that clamd needs no right to
read any file of ours. Whatever else than a clear answer comes back counts as none.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import urlsplit

from vetbridge.connector.clock import Clock, SystemClock
from vetbridge.core.errors import FileRefused, Unavailable

SILENT = "scanner-silent"
"""The code of an ``Unavailable`` that no vendor has caused: the scanner gave no answer that can be used."""

_PIECE = 64 * 1024
_LONGEST_ANSWER = 4096
_CLEAN = b"stream: OK"
_FOUND = re.compile(rb"stream: ([\x20-\x7e]{1,300}) FOUND")
_TOO_LARGE = b"INSTREAM size limit exceeded"
_NAME = re.compile(r"[A-Za-z0-9._/:-]{1,80}")


class Scanner:
    """A clamd at ``unix:///PATH`` or ``tcp://HOST:PORT``. ``timeout``: seconds for one file, from first to last."""

    def __init__(self, address: str, *, timeout: float, clock: Clock | None = None) -> None:
        self._address = address
        self._timeout = timeout
        self._clock = clock or SystemClock()

    def scan(self, file: BinaryIO) -> None:
        """Returns where the scanner finds the file clean, read from where it stands.

        Raises ``FileRefused`` with the codes ``file-infected``, and ``file-not-scanned`` for a file that is larger
        than the scanner takes; ``Unavailable`` with ``scanner-silent`` where it gives no clear answer in time.
        """
        with self._connected() as line:
            answer = line.stream(file)
        if answer == _CLEAN:
            return
        if _TOO_LARGE in answer:
            raise FileRefused(
                "the file is larger than the virus scanner takes: raise StreamMaxLength in clamd.conf to what the "
                "rules under attachments allow",
                code="file-not-scanned",
            )
        found = _FOUND.fullmatch(answer)
        if found is None:
            raise _silent("answers something else than a finding")
        name = found[1].decode("ascii")
        known = f" ({name})" if _NAME.fullmatch(name) else ""
        raise FileRefused(
            f"the virus scanner has found something in the file{known}: do not open it where it is",
            code="file-infected",
        )

    def ping(self) -> None:
        """Returns where the scanner answers. Raises ``Unavailable`` with ``scanner-silent``."""
        with self._connected() as line:
            if line.ask(b"zPING\0") != b"PONG":
                raise _silent("answers something else than a scanner does")

    @contextlib.contextmanager
    def _connected(self) -> Iterator[_Line]:
        try:
            with contextlib.closing(self._connect()) as connection:
                yield _Line(connection, self._clock, self._timeout)
        except TimeoutError:
            raise _silent("does not answer in time") from None
        except OSError as error:
            raise _silent(f"does not answer ({type(error).__name__})") from None

    def _connect(self) -> socket.socket:
        parts = urlsplit(self._address)
        if parts.scheme == "tcp":
            return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=min(self._timeout, 10.0))
        if not hasattr(socket, "AF_UNIX"):
            raise _silent("has an address that this system does not know: write it as tcp://HOST:PORT")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(min(self._timeout, 10.0))
            connection.connect(parts.path)
        except BaseException:
            connection.close()
            raise
        return connection


class _Line:
    """One connection, that ends in time."""

    def __init__(self, connection: socket.socket, clock: Clock, timeout: float) -> None:
        self._connection = connection
        self._clock = clock
        self._latest = clock.steady() + timeout

    def ask(self, command: bytes) -> bytes:
        """The answer to a command, without its end."""
        self._send(command)
        return self._answer()

    def stream(self, file: BinaryIO) -> bytes:
        """The answer to a file."""
        try:
            self._send(b"zINSTREAM\0")
            while piece := file.read(_PIECE):
                self._send(len(piece).to_bytes(4, "big") + piece)
            self._send(b"\0\0\0\0")
        except (BrokenPipeError, ConnectionResetError):
            # It has heard enough, and may have said why.
            return self._answer()
        return self._answer()

    def _send(self, data: bytes) -> None:
        self._hurry()
        self._connection.sendall(data)

    def _answer(self) -> bytes:
        answer = b""
        while b"\0" not in answer:
            self._hurry()
            piece = self._connection.recv(_LONGEST_ANSWER)
            answer += piece
            if not piece or len(answer) > _LONGEST_ANSWER:
                raise _silent("stops in the middle of its answer")
        return answer.partition(b"\0")[0]

    def _hurry(self) -> None:
        left = self._latest - self._clock.steady()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)


def _silent(what: str) -> Unavailable:
    return Unavailable(
        f"the virus scanner {what}, so no file is carried: look at the clamd that scanner.address names", code=SILENT
    )
