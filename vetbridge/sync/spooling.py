"""A file on its way from one side to the other: kept without a name, looked at whole before a byte goes on.

What a vendor sends goes into a temporary file that has no name on disk (on Windows it is deleted as it is closed), so
that nothing is left of it, also where the process is killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from collections.abc import Iterator
from typing import IO, BinaryIO, cast

from vetbridge.core import files
from vetbridge.core.errors import Unavailable
from vetbridge.core.files import FileRules, Limits
from vetbridge.sync.pair import Scan

HEAD = 4096
"""Bytes at the beginning by which a file is told that is too large to be read to its end."""


class Spooled:
    """A file that was looked at and may go on: the ``Content`` of a write. Gone once it is closed."""

    def __init__(self, file: IO[bytes], *, name: str, type_: str, media_type: str, size: int, digest: str) -> None:
        self._file = file
        self._name = name
        self._type = type_
        self._media_type = media_type
        self._size = size
        self._digest = digest

    @property
    def name(self) -> str:
        """A safe file name, with the ending of what is in it."""
        return self._name

    @property
    def type(self) -> str:
        """What is in it, in the config's words: ``pdf``."""
        return self._type

    @property
    def media_type(self) -> str:
        """What is in it: ``application/pdf``."""
        return self._media_type

    @property
    def size(self) -> int:
        """Bytes."""
        return self._size

    @property
    def digest(self) -> str:
        """SHA-256 of it, in hexadecimal."""
        return self._digest

    def open(self) -> BinaryIO:
        """A reader that stands at the beginning; closed by whoever opened it. One at a time."""
        self._file.seek(0)
        return _reader(self._file)

    def close(self) -> None:
        """Throws the file away."""
        self._file.close()

    def __enter__(self) -> Spooled:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Spooled {self._type} of {self._size} bytes>"


def spool(
    pieces: Iterator[bytes],
    *,
    name: str,
    rules: FileRules,
    scan: Scan | None,
    limits: Limits = files.LIMITS,
) -> Spooled:
    """Takes a file in, and looks at it: size, what is in it, viruses. ``name`` is what its side calls it.

    What ``pieces`` raises goes on. Raises ``FileRefused``; ``Unavailable`` where the scanner does not answer
    (``scanner-silent``) or no temporary file can be written (``no-room-for-files``). Nothing is left then, neither
    of the file nor of what gives the pieces.
    """
    with contextlib.ExitStack() as kept:
        if hasattr(pieces, "close"):
            kept.callback(pieces.close)
        file = _temporary()
        spooled = kept.enter_context(contextlib.ExitStack())
        spooled.callback(file.close)
        size, digest = _take(pieces, file, rules)
        found = files.inspect(cast(BinaryIO, file), size, rules, limits)
        if scan is not None:
            file.seek(0)
            scan(_reader(file))
        spooled.pop_all()
        return Spooled(
            file,
            name=files.safe_name(name, found.ending),
            type_=found.type,
            media_type=found.media_type,
            size=size,
            digest=digest,
        )


def _take(pieces: Iterator[bytes], file: IO[bytes], rules: FileRules) -> tuple[int, str]:
    """Writes the pieces down; their size and SHA-256. Asks for none once the file is too large."""
    size, head, digest = 0, b"", hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        if len(head) < HEAD:
            head += piece[: HEAD - len(head)]
        if size > rules.largest:
            raise files.too_large_by_head(head, rules)
        digest.update(piece)
        with _room():
            file.write(piece)
    with _room():
        file.flush()
    return size, digest.hexdigest()


def _temporary() -> IO[bytes]:
    with _room():
        return tempfile.TemporaryFile(prefix="vetbridge-")


@contextlib.contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"no temporary file can be written ({error.strerror}): look at the space on the disk, and at TMPDIR",
            code="no-room-for-files",
        ) from None


def _reader(file: IO[bytes]) -> BinaryIO:
    return io.BufferedReader(_Lent(file))


class _Lent(io.RawIOBase):
    """A file that stays open where its reader is closed."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        read = self._file.read(len(buffer))
        buffer[: len(read)] = read
        return len(read)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)
