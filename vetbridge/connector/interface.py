"""What a connector is: few methods, synchronous, native records only.

A connector holds no policy: no retry loop, no sleep, no matching, no log of content. It speaks its side's own
("native") records as plain data; ``vetbridge.mapping`` turns them into canonical ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, BinaryIO, Protocol, runtime_checkable

from vetbridge.core.records import Kind

Native = dict[str, Any]
"""A record as its side speaks it: JSON-like plain data."""


class Operation(StrEnum):
    """What one write does."""

    CREATE = "create"
    UPDATE = "update"
    CANCEL = "cancel"
    NOTIFY = "notify"
    """Sends a message to an owner. What became of it nobody can find out: it is sent once at the most."""
    LOG = "log"
    """Writes into the side's communication log that an owner was sent a message elsewhere. Nobody is told by it."""
    RECALL = "recall"
    """Takes back a write that was handed on (``KindCapabilities.handed``) and is wanted no more: ``Write.key`` is the
    key of that one. What was carried out meanwhile it does not undo."""


class ExactlyOnce(StrEnum):
    """The best a side can do against writing a thing twice (architecture, section 8), best first."""

    IDEMPOTENCY_KEY = "idempotency-key"
    """A write that is sent again with the same ``Write.key`` takes effect once, and answers as the first did."""
    CONDITIONAL = "conditional"
    """A write that names the ``Write.version`` it was decided on is refused with ``Stale`` where that has moved."""
    REFERENCE = "reference"
    """What was written carries the stamp in a unique field that ``look`` searches."""
    LOOK = "look"
    """What was written can be found by listing, or by reading the record again."""
    NONE = "none"
    """Nobody can tell what became of a write whose answer was lost: it is sent at most once, and doubt is asked."""


class Unlinked(StrEnum):
    """How an appointment without a known owner can stand at a side."""

    YES = "yes"
    PLACEHOLDER = "placeholder"
    NO = "no"


class Relink(StrEnum):
    """Whether an appointment can be moved to another client and pet."""

    YES = "yes"
    UNVERIFIED = "unverified"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpec:
    """A rate bucket that the vendor enforces: at most ``calls`` in ``seconds``, counted per ``per``."""

    name: str
    calls: int
    seconds: float
    per: str
    """What the vendor counts by, in words: "IP address", "endpoint", "database and partner"."""
    shared: bool = False
    """All accounts of a process for which the vendor counts as one share it: those behind one address, or on one
    database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCapabilities:
    """What can be done with one kind at one side. What is not declared must refuse."""

    read: bool = False
    search: frozenset[str] = frozenset()
    """Keys that ``search`` takes, e.g. ``{"phone", "email"}``."""
    create: ExactlyOnce | None = None
    """None: cannot be created."""
    update: frozenset[str] = frozenset()
    """Canonical fields that can be changed."""
    cancel: bool = False
    changed: ExactlyOnce = ExactlyOnce.LOOK
    """The best that can be done about an update or a cancellation whose answer was lost."""
    incremental: bool = False
    """``changes`` can be limited to what changed since a cursor."""
    listed_with: Kind | None = None
    """The kind whose listing holds these records too: its pages tell them ``beside``, so that one walk reads both."""
    deletions_visible: bool = False
    unlinked: Unlinked = Unlinked.NO
    relink: Relink = Relink.NO
    loss: Mapping[str, str] = field(default_factory=dict)
    """Declared loss per canonical field, in words: {"pets": "one text field of 255 characters"}."""
    text_limits: Mapping[str, int] = field(default_factory=dict)
    """Longest text, in characters, that a canonical field keeps."""
    hangs_on: frozenset[Kind] = frozenset()
    """Of attachments: what a new one can hang on, clients or pets."""
    file_types: frozenset[str] = frozenset()
    """Of attachments: the endings, such as ``pdf``, that the side takes; none: any."""
    largest: int | None = None
    """Of attachments: the side takes files of fewer bytes than this; None: it does not say."""
    notify: bool = False
    """Of reminders: a message can be sent to the owner (``Operation.NOTIFY``)."""
    logs: bool = False
    """Of reminders: a message that an owner was sent can be written into the side's log (``Operation.LOG``)."""
    needs: frozenset[str] = frozenset()
    """Canonical fields without which the side takes no new record: a visit's pet."""
    handed: frozenset[Operation] = frozenset()
    """Writes that somebody else carries out later: a person with the work list, or whoever takes in files. ``apply``
    hands them on, once for each ``Write.key``, and answers a receipt without an id; only a read shows that one was
    done. Whoever declares one takes ``RECALL`` too."""

    @property
    def demands_stand_in(self) -> bool:
        """Of visits: one whose owner is not certain needs somebody to stand on."""
        people = self.needs & {"client_id", "pet_id"}
        return self.unlinked is Unlinked.PLACEHOLDER or (self.unlinked is Unlinked.YES and bool(people))


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a connector declares. The sync engine asks these and never a connector's name."""

    side: str
    """``booking`` or ``pims``: the side this connector usually stands at."""
    kinds: Mapping[Kind, KindCapabilities]
    budgets: tuple[BudgetSpec, ...] = ()
    hints: bool = False
    """``hints`` understands this vendor's webhooks."""
    code_lists: frozenset[str] = frozenset()
    """Names of the lists that ``code_lists`` reads."""
    learnt_lists: frozenset[str] = frozenset()
    """Those of ``code_lists`` that hold what records have borne so far: a code that is not in one may be sound."""
    late_landing: float = 0.0
    """Seconds after a lost answer in which a write may still appear at the side."""
    shown_within: float = 0.0
    """Seconds in which reads may still show a record as it was before a write that was answered, or not show a new
    one: reads come from a copy that follows."""
    proven: str = ""
    """What is proven: "verified against vendor documents", "documented in part", ..."""
    screen: Mapping[Kind, Mapping[str, str]] = field(default_factory=dict)
    """By kind, what its screen calls canonical fields, in the order in which people fill them in; for the work list.
    A field that is not named comes after them, in VetBridge's words. Of clients and pets: how a new one is
    registered."""
    needs_vendor: tuple[str, ...] = ()
    """What only the vendor, or a first live account, can give or tell: in words, the weightiest first."""

    def of(self, kind: Kind) -> KindCapabilities:
        """The capabilities of ``kind``; nothing at all where it is not declared."""
        return self.kinds.get(kind, KindCapabilities())


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One record of a page of changes. ``native`` is None where only the id is known or it was deleted."""

    id: str
    native: Native | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Records in one page, and a cursor that is safe to keep once they are stored.

    A safe cursor never skips: asking again from it may repeat records, and must not miss one.
    ``last`` is set on the last page of a listing. ``total`` is the count the side told, if it told one.

    ``mark``: where a walk that was cut off can be taken up, giving this page once more and all that follow. Records
    may have moved meanwhile, so a mark alone proves nothing: whoever takes a walk up compares this page with what it
    was, and counts. The cursor at the end of such a walk belongs to the moment when the walk began, and is safe where
    that count fits. None: from the beginning, or from the mark before.
    """

    records: tuple[Found, ...]
    cursor: str
    last: bool
    total: int | None = None
    mark: str | None = None
    beside: Mapping[Kind, tuple[Found, ...]] = field(default_factory=dict)
    """Records of the kinds that are declared to be ``listed_with`` this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Something may have changed: what a webhook boils down to."""

    kind: Kind
    id: str
    urgent: bool = False
    """It says that the record is cancelled or gone: it is read before all else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRequest:
    """A webhook call as it came in. ``body`` is raw bytes; ``query`` and ``headers`` have lower-case names."""

    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Content(Protocol):
    """What is in a file that is to be attached: looked at, and known to be safe to pass on."""

    @property
    def name(self) -> str:
        """A safe file name, with the ending of what is in it."""
        ...

    @property
    def media_type(self) -> str:
        """What is in it, as it was found out: ``application/pdf``."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of it, in hexadecimal."""
        ...

    def open(self) -> BinaryIO:
        """A reader that stands at the beginning; closed by whoever opened it. One at a time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write to one side.

    ``native`` is the payload the mapping made: for a create the whole record, for an update only the changed
    fields, for a cancel ``{"by": ..., "reason": ...}``, for a notice ``{"text": ...}``; for a log
    ``{"client_id": ..., "pet_id": ..., "text": ..., "at": ...}`` in canonical values. ``stamp`` is VetBridge's mark,
    already placed in the payload's text by whoever planned the write; a connector with an external-reference field
    also puts it there. ``id`` is the record's id at this side (None for a create).
    """

    operation: Operation
    kind: Kind
    id: str | None
    native: Native
    stamp: str = ""
    beside: bool = False
    """A person wants it although the time is taken: where the side lets the caller decide, it goes beside."""
    key: str = ""
    """The same for every try at one write, and for no other write: the idempotency key, where the side takes one."""
    version: str | None = None
    """The version of the record that the write was decided on; None where nobody read one."""
    content: Content | None = None
    """Of an attachment that is created: the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The side took the write. ``native`` is the record as the side answered it, None where it answers nothing."""

    id: str
    """Of the record; empty where the write was handed on, and nobody has carried it out yet."""
    native: Native | None = None


WEBHOOKS = "webhooks"
"""Name of the check whether the vendor's settings send webhooks here, of connectors that can read those settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of a check report: what was looked at, whether it is right, and what to do if not."""

    name: str
    ok: bool
    text: str
    advice: str = ""
    warning: bool = False
    """Not right, but VetBridge can work with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What ``check`` found out, by documented reads alone."""

    lines: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """No line is wrong (warnings do not count)."""
        return all(line.ok or line.warning for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPlan:
    """What is to be changed in a vendor's webhook settings so that they send to VetBridge. Names no address: those
    hold secrets."""

    steps: tuple[str, ...]
    """In words; none: they stand as they should."""
    cautions: tuple[str, ...] = ()
    """What it means for others, in words."""
    others: int = 0
    """Addresses of others, all of which stay."""


@runtime_checkable
class HookSettings(Protocol):
    """What a connector may offer beside ``Connector``: webhook settings that can be read and written.

    Both raise what a read and a write of ``Connector`` raise, and ``Refused`` where the settings cannot be made so.
    """

    def plan_hooks(self, url: str) -> HookPlan:
        """What would have to be changed so that webhooks come to ``url``; writes nothing."""
        ...

    def set_hooks(self, url: str) -> HookPlan:
        """Changes it, reads it back and compares; nobody else's address goes. Returns what was changed.

        An address of VetBridge's for the same account with another secret, which is the last part of its path, makes
        way for ``url``.
        """
        ...


class InstallState(StrEnum):
    """How an app stands at one location of a vendor's marketplace, as the vendor says."""

    PENDING = "pending"
    """Somebody has clicked Connect; the app has not said yes yet."""
    ACTIVE = "active"
    FROZEN = "frozen"
    """The vendor has suspended it, and may take that back."""
    UNINSTALLED = "uninstalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """An app at one location. ``since``: when that state began, where the vendor tells it."""

    location: str
    state: InstallState
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallNews:
    """What a life-cycle call of the vendor's says. ``state`` is None where nothing about the install changes."""

    location: str
    state: InstallState | None


class Marketplace(Protocol):
    """One app on one vendor's marketplace. What asks the vendor raises what ``Connector`` raises.

    What comes in from outside (``asked``, ``told``) proves at most who sent it: ``state`` says what is true.
    """

    activate_within: float
    """Seconds after Connect in which the vendor takes an activation."""

    def asked(self, query: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        """The locations that a browser's redirect asks to connect: the decoded query, each name as often as it stands
        there. Nothing of the person who clicked is kept. Raises ``BadHint`` where it names none, or its signature is
        wrong or missing where one is demanded."""
        ...

    def told(self, body: bytes) -> InstallNews:
        """What a life-cycle call says. Raises ``BadHint`` where it is not the vendor's, or cannot be read."""
        ...

    def state(self, location: str) -> Install | None:
        """How the app stands at a location; None where the vendor knows of no install there."""
        ...

    def installs(self) -> Iterator[Install]:
        """Every install that the vendor lists."""
        ...

    def activate(self, location: str, hook_url: str | None) -> None:
        """Says yes to a pending install; entity webhooks then go to ``hook_url``. A vendor refuses a second yes: ask
        ``state`` before, and after a yes whose answer was lost. Raises ``Refused``, ``OutcomeUnknown``."""
        ...

    def uninstall(self, location: str) -> None:
        """Takes the app away from a location. Raises ``Refused``, ``OutcomeUnknown``."""
        ...

    def close(self) -> None:
        """Gives back connections."""
        ...


class Connector(Protocol):
    """One account at one vendor.

    Every method may raise ``AuthFailed``, ``Unavailable``, ``RateLimited``, ``BadAnswer``; ``apply`` also
    ``Refused``, ``SlotTaken``, ``OutcomeUnknown`` and, where it writes conditionally, ``Stale``. A kind or operation
    that is not declared raises ``Refused`` with code ``not-supported`` and sends nothing.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        ...

    def check(self) -> CheckReport:
        """Looks at address, credentials, rights and what the config names; writes nothing."""
        ...

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """What changed since a cursor (None: everything), in pages, each with a safe cursor.

        ``mark``: of a page of an earlier walk with the same ``since``: begins with that page. A mark that cannot be
        read begins at the beginning.
        """
        ...

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the field's word
        """The record now, or None where the side has none under this id."""
        ...

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """Records by declared keys, several keys ANDed: the live look before a client counts as new."""
        ...

    def look(self, write: Write) -> Iterator[Native]:
        """Records that a create with an unknown outcome may have made: look before retry.

        By stamp where the record carries text, else by the kind's natural key; a match is equal in every part
        of that key, so that what is found may be adopted. Only for kinds whose ``create`` is declared.
        """
        ...

    def apply(self, write: Write) -> Receipt:
        """The one write door."""
        ...

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """The content of an attachment, in pieces, as it comes: whoever keeps it throws it away where this raises.

        What the side says of it is not believed here. Raises ``Refused`` with code ``not-found`` where there is none.
        """
        ...

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """The side's own lists as they stand now, where declared: titles by code, by the list's name in the config.

        ``appointment_type``, ``resource``, ``species``, ``breed``, ``sex``, ``status``. Codes as native records bear
        them, also words that the connector itself puts there; without what the side has retired. A list that cannot
        be read whole raises, for a code that is not shown must not pass for gone.
        """
        ...

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """What a webhook call says, where declared. Raises ``BadHint``."""
        ...

    def close(self) -> None:
        """Gives back connections."""
        ...
