"""Spans and moments as people type them: ``2h``, ``3d ago``, ``2026-11-21 09:30``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import typer

_SPAN = re.compile(r"([1-9][0-9]{0,3})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def span(text: str, option: str) -> timedelta:
    """A span such as ``90s``, ``30m``, ``2h``, ``7d`` or ``4w``. Raises ``typer.BadParameter`` for anything else."""
    found = _span(text)
    if found is None:
        raise typer.BadParameter("expected a span such as 90s, 30m, 2h, 7d or 4w", param_hint=option)
    return found


def moment(text: str, now: datetime, option: str) -> datetime:
    """A span before now (``2h``, ``3d ago``), or an ISO date or time; one without an offset is this machine's.

    Raises ``typer.BadParameter`` for anything else.
    """
    back = _span(text.strip().removesuffix("ago"))
    if back is not None:
        return now - back
    try:
        return datetime.fromisoformat(text.strip()).astimezone(now.tzinfo)
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            "expected a span such as 2h or 3d, or a time such as 2026-11-21 or 2026-11-21T09:30", param_hint=option
        ) from None


def _span(text: str) -> timedelta | None:
    match = _SPAN.fullmatch(text.strip())
    return None if match is None else timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
