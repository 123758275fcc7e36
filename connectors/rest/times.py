"""Moments as one API writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.rest.profile import Times

LONGEST = 40
"""Characters of a moment."""


def moment(value: Any, times: Times, zone: str) -> datetime | None:
    """The moment that a value of an answer stands for; None where it stands for none."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / (1000 if times.epoch == "milliseconds" else 1), UTC)
        if not isinstance(value, str) or len(value) > LONGEST:
            return None
        told = datetime.fromisoformat(value.strip())
    except (ValueError, OverflowError, OSError):
        return None
    if told.tzinfo is not None:
        return told
    return told.replace(tzinfo=UTC if times.zone == "utc" else ZoneInfo(zone))


def written(at: datetime, form: str, times: Times, zone: str) -> str | int:
    """A moment in one of the profile's formats."""
    at = at.replace(microsecond=0)
    local = at.astimezone(ZoneInfo(zone))
    if form == "epoch":
        return int(at.timestamp())
    if form == "epoch_ms":
        return int(at.timestamp()) * 1000
    if form == "iso":
        return local.isoformat()
    if form == "utc":
        return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"
    if form == "local":
        return f"{local:%Y-%m-%dT%H:%M:%S}"
    return (at.astimezone(UTC) if times.zone == "utc" else local).strftime(form)
