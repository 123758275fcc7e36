"""Sets up the log: one line an event, codes and ids only, to standard error or into a file of its own."""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Literal

import structlog

from vetbridge.cli.output import safe
from vetbridge.core.errors import ConfigError

_OWN = "vetbridge"
"""Name of the records that hold a line that is already drawn."""


def set_up(
    level: str,
    form: Literal["text", "json"],
    *,
    file: Path | None = None,
    file_megabytes: int = 10,
    files: int = 5,
) -> None:
    """Sends VetBridge's own log and the libraries' warnings to standard error, or to ``file``.

    A file that has grown to ``file_megabytes`` is put aside as ``NAME.1``, and ``files`` of those are kept. A line
    that cannot be written, as on a full disk, is lost; whoever logged it goes on. Raises ``ConfigError`` where the
    file cannot be opened.
    """
    number = getattr(logging, level.upper())
    handler = _to_standard_error() if file is None else _to_file(file, file_megabytes, files)
    handler.setFormatter(_Form("%(levelname)s %(name)s: %(message)s"))
    shared: list[structlog.typing.Processor] = [
        # What somebody has bound, such as a rehearsal, tells its lines apart from others.
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    drawn: list[structlog.typing.Processor] = (
        [structlog.processors.JSONRenderer()]
        if form == "json"
        else [_on_one_line, structlog.dev.ConsoleRenderer(colors=file is None and sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*shared, *drawn],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_names: _Lines(handler),
    )
    # Libraries may put addresses with secrets and personal values into their chatter: only warnings pass.
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.ERROR)
    # A round that takes longer than its interval swallows the next one; that is how it should be.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.access").disabled = True


def _on_one_line(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Takes from every text what steers a terminal, or would begin a line of its own. JSON has escapes for that."""
    return {name: _plain(value) if isinstance(value, str) else value for name, value in event.items()}


def _plain(text: str) -> str:
    return text if text.isprintable() else " ".join(safe(text).split())


class _Lines:
    """What structlog writes to: each line goes to the handler as it is."""

    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler

    def msg(self, line: str) -> None:
        """Writes one line. The handler has a lock: lines of several threads do not mix."""
        self._handler.handle(logging.makeLogRecord({"name": _OWN, "msg": line}))

    log = debug = info = warning = warn = error = critical = fatal = exception = msg


class _Form(logging.Formatter):
    """VetBridge's lines as they are, those of libraries with their level and name."""

    def format(self, record: logging.LogRecord) -> str:
        return str(record.msg) if record.name == _OWN else safe(super().format(record))


class _Quiet(logging.Handler):
    """What cannot be written is lost: a log that is full or gone must not end what it tells of."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name
        """Says nothing: there is nowhere to say it."""


class _StandardError(_Quiet, logging.StreamHandler):  # type: ignore[type-arg]
    """Standard error."""


class _File(_Quiet, RotatingFileHandler):
    """A file that its owner alone reads: ids are no names, but they are nobody else's business."""

    def _open(self) -> TextIOWrapper:
        return open(
            self.baseFilename, "a", encoding=self.encoding, opener=lambda path, how: os.open(path, how, 0o600)
        )


def _to_standard_error() -> logging.Handler:
    return _StandardError(sys.stderr)


def _to_file(path: Path, megabytes: int, kept: int) -> logging.Handler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _File(path, maxBytes=megabytes * 1024 * 1024, backupCount=kept, encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(
            f"log.file: {path} cannot be written ({error.strerror}); mend its folder's rights"
        ) from None
