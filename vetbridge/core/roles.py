"""Who of the staff may do what. Each role may all that the ones before it may."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What somebody of the staff is here for, the least first."""

    READER = "reader"
    """Sees everything of the day, and changes nothing."""
    RECEPTION = "reception"
    """Answers questions, takes answers back, ticks off the work list."""
    SUPPORT = "support"
    """Sees to failures: acknowledges and replays."""
    ADMIN = "admin"
    """Adds and removes staff, and reads what everybody did."""


_ORDER = tuple(Role)


def may(role: Role, needed: Role) -> bool:
    """Whether somebody with ``role`` may do what takes ``needed``."""
    return _ORDER.index(role) >= _ORDER.index(needed)
