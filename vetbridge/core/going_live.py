"""When a pair may write: the one rule, for the ledger and for who only glances at it."""

from __future__ import annotations

from datetime import datetime

QUOTA = "creation-quota"
"""Why a change waits whose record would be one more than may be created in a day."""


def may_write(*, paired_at: datetime | None, approved_at: datetime | None, ended_at: datetime | None) -> bool:
    """Whether anything may be written for a pair: it was approved, paired once more since, and has not ended."""
    return ended_at is None and approved_at is not None and paired_at is not None and paired_at >= approved_at
