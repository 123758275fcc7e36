"""Plain texts: in UTF-8 or in the letters of Windows' western European, without anything that steers a screen."""

from __future__ import annotations

import codecs
import re

from vetbridge.core.files.reading import Source

_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MORE_CONTROLS = re.compile("[\x80-\x9f]")
_NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


def may_be_text(head: bytes) -> bool:
    """Whether a file that begins so may be a text."""
    return _CONTROLS.search(head) is None


def is_text(source: Source) -> bool:
    """Whether the whole file is a text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8 = is_windows = True
    steers = False
    for piece in source.pieces():
        if not may_be_text(piece):
            return False
        is_windows = is_windows and _NOT_WINDOWS.search(piece) is None
        if is_utf8:
            try:
                steers = _MORE_CONTROLS.search(decoder.decode(piece)) is not None or steers
            except UnicodeDecodeError:
                is_utf8 = False
    try:
        decoder.decode(b"", final=is_utf8)
    except UnicodeDecodeError:
        is_utf8 = False
    return not steers if is_utf8 else is_windows
