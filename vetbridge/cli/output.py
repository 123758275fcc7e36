"""How commands speak: data on standard output, talk on standard error, and nothing that steers a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any, TextIO

from vetbridge.core.instants import Instant

SCHEMA = 1
"""Version of the JSON envelope."""

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def safe(text: str) -> str:
    """Text without terminal sequences, control and direction characters; line ends and tabs stay."""
    return _CONTROL.sub("", _SEQUENCE.sub("", text))


def say(text: str) -> None:
    """Prints data for people to standard output."""
    _print(text, sys.stdout)


def talk(text: str) -> None:
    """Prints to standard error what is not data. What cannot be written, as on a full disk, is lost."""
    # Whatever is talked about goes on: `vetbridge run` does not end because nobody hears it.
    with suppress(OSError, ValueError):
        _print(text, sys.stderr)


def emit_json(command: str, data: Any, problems: Sequence[Any] = ()) -> None:
    """Prints one line of JSON: the envelope that every reading command shares.

    Characters outside ASCII are written as escapes, so that no terminal or code page can spoil them. Moments and
    dates become ISO 8601 text. Raises ``TypeError`` for anything else that is no plain data, such as a secret.
    """
    envelope = {"schema": SCHEMA, "command": command, "data": data, "problems": list(problems)}
    _write(json.dumps(envelope, default=_plain, allow_nan=False) + "\n", sys.stdout)


def _print(text: str, stream: TextIO) -> None:
    # A terminal with an old code page shows ? for what it does not know, instead of ending the command.
    encoding = stream.encoding or "utf-8"
    _write(safe(text).encode(encoding, "replace").decode(encoding) + "\n", stream)


def _write(text: str, stream: TextIO) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has gone; what is left to say has no reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _plain(value: object) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (Instant, Path)):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no plain data")
