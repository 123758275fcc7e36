"""One change being worked on, and the ways in which the work can end early."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vetbridge.ledger.changes import Lease
from vetbridge.ledger.tables import ChangeState


@dataclass(slots=True)
class Job:
    """One change in the hands of one worker."""

    change_id: int
    record_id: int
    kind: str
    remote_id: str
    received_at: datetime
    leases: list[Lease]
    """The lanes that are held; every settle checks them."""
    site: str
    began_at: float
    """When the work began, by the steady clock."""
    is_undo: bool = False
    """What was written for its record is being taken back."""
    spares: frozenset[str] = frozenset()
    """Accounts that it does not write to: a person has asked for the other side only."""
    passed_on: str = "pims"
    """Source of the change of a linked record that its work is passed on to."""
    left: str = ""
    """An account that it spares, at which something was left undone."""
    waited_for: str = ""
    """The code for which the change was put off last; empty where it was not."""
    digest: str | None = None
    """The content that was read, as ``vetbridge.sync.comparing.digest`` tells it."""
    version: str | None = None
    """The side's own version of what was read."""


Enter = Callable[[Job, str], None]
"""Takes one more lane for a job; raises ``PutOff`` where another job holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a change ends: its state, and the reason as a code and in words."""

    state: ChangeState
    code: str
    message: str


class PutOff(Exception):
    """The change has to wait; it is no failure."""

    def __init__(self, until: datetime, code: str, message: str) -> None:
        super().__init__(message)
        self.until = until
        self.code = code
        self.message = message


class OneSideOnly(Exception):
    """The work would have to write to an account that it is to leave alone."""

    def __init__(self, account: str) -> None:
        super().__init__(account)
        self.account = account


class Ask(Exception):
    """A person has to decide before anything is written."""

    def __init__(self, why: str, message: str, question: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.why = why
        self.message = message
        self.question = dict(question)
