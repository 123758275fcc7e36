"""What may be wrong with a VetBridge that runs: one list for `status`, health, metrics and alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from vetbridge.core.opening import Opening
from vetbridge.core.records import Kind


class Severity(StrEnum):
    """How soon a person is needed."""

    NOW = "now"
    """Bookings do not flow, or may be lost."""
    TODAY = "today"
    """It works, and will not for ever."""


class Code(StrEnum):
    """Every condition there is; docs/alerts.md has a part for each."""

    DAEMON_DOWN = "daemon-down"
    """Nothing works on the ledger. Only others can see that: `status`, and whoever misses the heartbeat."""
    ROUNDS_STUCK = "rounds-stuck"
    """The daemon lives, and its rounds end no more."""
    ACCOUNT_BLOCKED = "account-blocked"
    """The vendor refuses the credentials: expired, taken back, or mistyped."""
    ACCOUNT_UNREACHABLE = "account-unreachable"
    READ_STALE = "read-stale"
    """Per account and kind."""
    WRITE_STALE = "write-stale"
    """Per site and kind."""
    WRITE_EXPIRED = "write-expired"
    """Per site: the visit began before it could be written, and nobody has acknowledged that."""
    HOOK_SILENT = "hook-silent"
    """Per account: its webhooks have ended, the poll finds what they should have told."""
    QUESTION_SOON = "question-soon"
    """Per question: its visit is about to begin."""
    LINE_OVERDUE = "line-overdue"
    """Per site: a visit has stood on the work list for too long, or begins soon, and nobody has typed it; or somebody
    has ticked it, and no reading shows it."""
    FUSE_BLOWN = "fuse-blown"
    MANY_ENDED = "many-ended"
    """Per account and kind: so many clients or pets would end at once that it is not believed."""
    QUOTA_REACHED = "quota-reached"
    UPGRADE_PAUSED = "upgrade-paused"
    """VetBridge has paused a site, as a vendor changed codes or records."""
    INSTALL_WAITS = "install-waits"
    """Somebody has clicked Connect for a marketplace's app, and it is not connected yet."""
    INSTALL_FROZEN = "install-frozen"
    """The vendor has suspended the app at a location."""
    INSTALL_LAPSED = "install-lapsed"
    """Somebody has clicked Connect, and nobody said yes in time."""
    INSTALL_MISSING = "install-missing"
    """The app is not connected at the location of a live pair; or it is connected again, and its pair has ended."""
    INSTALL_GONE = "install-gone"
    """The app is not connected at a location of the config that is not live, or its pair was ended by that."""
    INSTALL_UNREAD = "install-unread"
    """Per app: the marketplace has not said for long how it stands at locations."""
    FAILURES_WAIT = "failures-wait"
    """Per site: failed changes that nobody has acknowledged."""
    MIRROR_STALE = "mirror-stale"
    LEDGER_BUSY = "ledger-busy"
    """The ledger takes no transaction."""
    DISK_LOW = "disk-low"
    DISK_FULL = "disk-full"
    CLOCK_MOVED = "clock-moved"
    """This machine's clock was set while VetBridge ran."""
    CLOCK_WRONG = "clock-wrong"
    """This machine's clock and the vendors' differ."""
    CERTIFICATE_ENDS = "certificate-ends"
    DELIVERY_FAILED = "delivery-failed"
    """Per webhook, mail or command: what it was to be told was given up."""
    BACKUP_OLD = "backup-old"
    BACKUP_FAILED = "backup-failed"


class Scope(StrEnum):
    """What a condition is about."""

    VETBRIDGE = "vetbridge"
    ACCOUNT = "account"
    SITE = "site"
    REVIEW = "review"
    LISTENER = "listener"
    """``door`` or ``pages``."""
    CHANNEL = "channel"
    """A webhook, ``mail/NAME`` or ``command/NAME``."""
    INSTALL = "install"
    """A marketplace's app at a location: ``APP/LOCATION``; or an app as a whole: ``APP``."""


SEVERITY: Mapping[Code, Severity] = {
    **dict.fromkeys(Code, Severity.NOW),
    **dict.fromkeys(
        (
            Code.HOOK_SILENT,
            Code.QUOTA_REACHED,
            Code.INSTALL_LAPSED,
            Code.INSTALL_GONE,
            Code.INSTALL_UNREAD,
            Code.FAILURES_WAIT,
            Code.DISK_LOW,
            Code.CLOCK_MOVED,
            Code.CERTIFICATE_ENDS,
            Code.DELIVERY_FAILED,
            Code.BACKUP_OLD,
            Code.BACKUP_FAILED,
        ),
        Severity.TODAY,
    ),
}
"""How soon a person is needed, by condition."""
_CAN_WAIT = frozenset({Kind.ATTACHMENT, Kind.VACCINATION, Kind.REMINDER})
"""Kinds without which bookings flow all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is wrong now."""

    code: Code
    scope: Scope
    name: str = ""
    """The account's, the site's, the question's number; empty for VetBridge as a whole."""
    kind: str = ""
    """Of records, where it is about one kind alone."""
    since: datetime
    details: Mapping[str, str | int | float] = field(default_factory=dict)
    """What its sentence needs: numbers, codes, moments in ISO form; nothing of an owner."""

    @property
    def key(self) -> str:
        """The same for as long as it holds, and again when it comes back."""
        return ":".join((self.code, self.scope, self.name, self.kind))

    @property
    def severity(self) -> Severity:
        """How soon a person is needed; for files and due services alone not before today."""
        return Severity.TODAY if self.kind in _CAN_WAIT else SEVERITY[self.code]


UNSEEN = timedelta(hours=36)
"""A visit that somebody has ticked is shown by a reading within so long, also where one is made once a night."""


def overdue_since(
    opened_at: datetime,
    visit_at: datetime | None,
    now: datetime,
    opening: Opening,
    *,
    stands: timedelta,
    nudge: timedelta,
    ticked_at: datetime | None = None,
) -> datetime | None:
    """Since when a line of the work list is overdue; None: it is not.

    It is once it has stood for ``stands`` of open time, or ``nudge`` before its visit begins; one that is ticked once
    no reading has shown it for ``UNSEEN``. A line without a visit never is: nothing happens at a time because of it.
    """
    if visit_at is None:
        return None
    if ticked_at is not None:
        return ticked_at + UNSEEN if now - ticked_at > UNSEEN else None
    if visit_at - now <= nudge:
        return max(visit_at - nudge, opened_at)
    return opened_at + stands if opening.open_between(opened_at, now) > stands else None
