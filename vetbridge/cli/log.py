"""Sets up the log: to standard error, one line an event, codes and ids only."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog


def set_up(level: str, form: Literal["text", "json"]) -> None:
    """Sends VetBridge's own log and the libraries' warnings to standard error."""
    number = getattr(logging, level.upper())
    shared: list[structlog.typing.Processor] = [
        # What somebody has bound, such as a rehearsal, tells its lines apart from others.
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    drawn: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, drawn],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # Libraries may put addresses with secrets and personal values into their chatter: only warnings pass.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.ERROR)
    # A round that takes longer than its interval swallows the next one; that is how it should be.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.access").disabled = True
