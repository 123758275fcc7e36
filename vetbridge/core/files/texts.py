"""Plain texts: in UTF-8 or in the letters of Windows' western European, without anything that steers a screen."""

from __future__ import annotations

import codecs
import re

from vetbridge.core.files.reading import Source

_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_C1 = re.compile("[\x80-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


def is_text(source: Source) -> bool:
    """Whether the whole file is a text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8 = is_windows = True
    for piece in source.pieces():
        if _CONTROLS.search(piece):
            return False
        is_windows = is_windows and _NOT_WINDOWS.search(piece) is None
        if is_utf8:
            try:
                is_utf8 = _C1.search(decoder.decode(piece)) is None
            except UnicodeDecodeError:
                is_utf8 = False
        if not (is_utf8 or is_windows):
            return False
    try:
        decoder.decode(b"", final=is_utf8)
    except UnicodeDecodeError:
        is_utf8 = False
    return is_utf8 or is_windows
