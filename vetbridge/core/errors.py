"""Errors, ordered by what the runner does.

The class says what the runner does; its docstring is what a person reads. Each has a stable ``code`` with a page in
docs/errors.md. A message names what and where and what to do next, and never holds personal data or secrets: it is
logged and stored as it is.
"""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """What an error stops."""

    PROCESS = "process"
    ACCOUNT = "account"
    ACTION = "action"
    CHANGE = "change"


class VetBridgeError(Exception):
    """Something went wrong that VetBridge knows how to name."""

    code = "error"
    scope = Scope.CHANGE
    exit_code = 4

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.account = ""
        """The account it happened at, where it is known; set by ``vetbridge.connector.accounted``."""
        self.part = ""
        """The part of that account, where one failed; "" for the account's own connector."""
        if code is not None:
            self.code = code

    @classmethod
    def advice(cls) -> str:
        """What the person reads: the class's own docstring, on one line."""
        return " ".join((cls.__doc__ or "").split())


class ConfigError(VetBridgeError):
    """The configuration cannot be used. Mend the lines that are named, then run `vetbridge config check`."""

    code = "config"
    scope = Scope.PROCESS
    exit_code = 3


class LedgerError(VetBridgeError):
    """The ledger cannot be used. Check that its file exists, is readable, and belongs to this ledger key."""

    code = "ledger"
    scope = Scope.PROCESS
    exit_code = 6


class LedgerLocked(LedgerError):
    """Another VetBridge already runs on this ledger. Stop it first, or leave it to its work."""

    code = "ledger-locked"


class SchemaTooNew(LedgerError):
    """The ledger was written by a newer VetBridge. Install that version, or restore a backup made before it."""

    code = "ledger-schema-too-new"


class AuthFailed(VetBridgeError):
    """The vendor refuses the credentials. Renew them at the vendor, put them in the secret, and run
    `vetbridge resume ACCOUNT`, or wait: VetBridge asks again by itself."""

    code = "auth-failed"
    scope = Scope.ACCOUNT
    exit_code = 5


class Unavailable(VetBridgeError):
    """The vendor does not answer. VetBridge waits and tries again by itself; nothing is lost."""

    code = "unavailable"
    scope = Scope.ACCOUNT
    exit_code = 5


class RateLimited(VetBridgeError):
    """The vendor asks for a pause. VetBridge waits as long as it was told; nothing is lost."""

    code = "rate-limited"
    scope = Scope.ACCOUNT
    exit_code = 5

    def __init__(self, message: str, *, wait: float, budget: str) -> None:
        super().__init__(message)
        self.wait = wait
        """Seconds to pause."""
        self.budget = budget
        """Name of the budget to pause."""


class OutcomeUnknown(VetBridgeError):
    """A write was sent and no answer came. VetBridge looks whether it arrived before it sends it again."""

    code = "outcome-unknown"
    scope = Scope.ACTION


class Stale(VetBridgeError):
    """The record moved while it was worked on. VetBridge reads it again and decides anew."""

    code = "stale"


class SlotTaken(VetBridgeError):
    """The other side says that the time is taken. A person must choose another time or another vet."""

    code = "slot-taken"


class Refused(VetBridgeError):
    """The vendor refused the write and will refuse it again. Mend the cause, then try it again
    (`vetbridge replay`)."""

    code = "refused"


class FileRefused(Refused):
    """The file is not carried: it is not what it should be, or may do harm. Look at it where it is, and attach it by
    hand if it is right."""

    code = "file-refused"

    def __init__(self, message: str, *, code: str | None = None, wanted: bool = True) -> None:
        super().__init__(message, code=code)
        self.wanted = wanted
        """Whether the rules take such files, so that a person should look; else nobody has asked for it."""


class MappingError(VetBridgeError):
    """A value has no counterpart in the mapping. Add it to the site's code lists, then try it again
    (`vetbridge replay`)."""

    code = "mapping"


class BadAnswer(VetBridgeError):
    """The vendor answered something that cannot be read. If it stays so, send the change's number to support."""

    code = "bad-answer"


class SchemaChanged(VetBridgeError):
    """The vendor shows records in another form than before. `vetbridge doctor` says what, and what to do about it."""

    code = "schema-changed"


class BadHint(VetBridgeError):
    """A webhook call could not be used. Check the address and the secret that stand in the vendor's settings."""

    code = "bad-hint"
