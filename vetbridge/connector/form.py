"""A file in a form as browsers send it (``multipart/form-data``), piece by piece."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

from vetbridge.connector.interface import Content

PIECE: Final = 64 * 1024
"""Bytes of a file that are held at once."""

_NO_HEADER = re.compile(r'["\x00-\x1f\x7f]')


class Form:
    """A form of short ``fields`` and one file, which stands in ``part``.

    Names go out in UTF-8, and what would end them is written as ``%22``, as browsers do; half characters become
    ``?``.
    """

    def __init__(self, fields: Mapping[str, str], part: str, content: Content) -> None:
        boundary = secrets.token_hex(16)
        self._size = content.size
        self.media_type = f"multipart/form-data; boundary={boundary}"
        """The form's own, for ``Content-Type``."""
        begin = f"--{boundary}\r\nContent-Disposition: form-data; name="
        before = "".join(f'{begin}"{_quoted(name)}"\r\n\r\n{value}\r\n' for name, value in fields.items())
        before += f'{begin}"{_quoted(part)}"; filename="{_quoted(content.name)}"\r\n'
        before += f"Content-Type: {_quoted(content.media_type)}\r\n\r\n"
        self._before = before.encode("utf-8", "replace")
        self._after = f"\r\n--{boundary}--\r\n".encode("ascii")

    @property
    def length(self) -> int:
        """Bytes of the whole form."""
        return len(self._before) + self._size + len(self._after)

    def pieces(self, file: BinaryIO) -> Iterator[bytes]:
        """The form with what ``file`` reads. Raises ``OSError``, and gives no end, where that has another size."""
        yield self._before
        left = self._size
        while piece := file.read(PIECE):
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if left:
            raise OSError("a file that was to be sent is not as long as it was")
        yield self._after


def _quoted(name: str) -> str:
    return _NO_HEADER.sub(lambda found: f"%{ord(found[0]):02X}", name)
