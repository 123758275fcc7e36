"""Words that several desks share: spans of time, and why a person is asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from vetbridge.core import matching, planning

_STEPS = ((172800, 86400, "day"), (7200, 3600, "hour"), (120, 60, "minute"), (0, 1, "second"))

_WHY: Mapping[str, str] = MappingProxyType(
    {
        "creating-clients-is-off": "the owner is new, and VetBridge may not create clients",
        "creating-pets-is-off": "the pet is new, and VetBridge may not create pets",
        "species-not-named": "the pet is new, and the booking does not say its species",
        "phone-not-readable": "the owner is new, and the booking's phone cannot be read as a number",
        "name-too-long": "the owner or the pet is new, and the name is too long to be one",
        "slot-taken": "the PIMS says that the time is taken",
        "found-twice": "a write whose answer was lost stands there twice",
        "conflict": "it was changed in both places",
        "cancelled-here-begun-there": "cancelled online, but the visit has begun in the PIMS",
        "cancelled-here-changed-there": "cancelled online, but changed in the PIMS",
        "changed-here-cancelled-there": "changed online, but cancelled in the PIMS",
        "counterpart-cancelled": "the visit that was found in the PIMS is cancelled",
        "reopened-here": "cancelled in both places, and stands again online",
    }
)


def why(code: str) -> str:
    """Why a person is asked, in plain words; the code itself where nobody gave it words."""
    return _WHY.get(code) or matching.REASONS.get(code) or planning.REASONS.get(code) or code


def span(seconds: float) -> str:
    """A span of time as people say it: ``42 minutes``, ``1 second``."""
    whole = max(0, int(seconds))
    size, word = next((size, word) for least, size, word in _STEPS if whole >= least)
    number = whole // size
    return f"{number} {word}{'' if number == 1 else 's'}"


def ago(moment: datetime | None, now: datetime) -> str:
    """``12 minutes ago``; ``never`` where there was none."""
    if moment is None:
        return "never"
    passed = (now - moment).total_seconds()
    return f"{span(passed)} ago" if passed >= 1 else "just now"


def ahead(moment: datetime, now: datetime) -> str:
    """``in 42 minutes``, or for a moment that is over ``12 minutes ago``."""
    return f"in {span((moment - now).total_seconds())}" if moment > now else ago(moment, now)
