"""A connector that lies, one lie per switch, around a memory side that does not: what the suite must turn red on."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    Connector,
    Hint,
    HookRequest,
    Native,
    Operation,
    Page,
    Receipt,
    Write,
)
from vetbridge.core.errors import BadAnswer, OutcomeUnknown, RateLimited, Refused, Unavailable, VetBridgeError
from vetbridge.core.records import Kind
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_mapper
from vetbridge.testing.suite import Fault, Subject

_T = TypeVar("_T")

SECRET = "s3cret-of-the-account"


class Lie(StrEnum):
    """What the connector does wrong; the value says it in words."""

    BORDER = "drops the first row of every page but the first"
    EQUAL_TIMES = "skips what has the same time as its cursor"
    TOO_FAR = "moves the cursor beyond what it told"
    CURSOR_IN_MEMORY = "keeps its place in memory, so that a restart begins at the end"
    GARBAGE_IS_NOW = "takes a cursor that it cannot read for the end"
    NEVER_LAST = "never says that a page is the last"
    WRONG_TOTAL = "counts rows that do not come"
    STALE_READ = "reads a record once and answers it for ever"
    GUESSES = "answers some record for an id that nobody has"
    CRASHES = "raises KeyError for an id that nobody has"
    WHOLE_NUMBERS = "answers ids as numbers"
    ALIVE = "hands out the side's own record, and what is done to it reaches the side"
    NO_FILTER = "searches without its filter"
    LAGS = "finds what was written only some seconds later, and declares no such thing"
    SAME_VERSION = "has one version for ever"
    COUNTING_FIELDS = "makes versions of what the record says, so that there and back again is not seen"
    DELETES = "deletes what it shall cancel"
    KEEPS_RUNNING = "takes a cancellation and does nothing"
    REPLACES = "empties what an update does not name"
    TWICE = "sends a create again when no answer comes"
    SAYS_DONE = "takes no answer for a good one"
    SAYS_UNDONE = "takes no answer for a refusal"
    BLIND = "finds nothing when it looks"
    SEES_ALL = "finds everything when it looks"
    AN_HOUR = "shifts summer by an hour"
    MACHINE_ZONE = "tells times in the machine's zone"
    CUTS = "cuts long notes silently"
    ASCII = "keeps ASCII letters alone"
    TELLS_SECRET = "names its secret in errors"
    TELLS_PERSON = "names what it was sent in errors"
    LOGS_PERSON = "logs what it was sent"
    UNDECLARED = "takes what it does not declare, and loses it"
    BUSY_CHECK = "writes when it is checked"
    CLOSED_ONCE = "cannot be closed twice"
    HEARS_VOICES = "makes hints of webhooks that say nothing"
    PLAIN_ERROR = "raises RuntimeError where its side is away"


class Hostile:
    """A connector with one lie. It keeps its own state, so that another one on the same side starts without it."""

    def __init__(self, side: MemorySide, lie: Lie | None) -> None:
        self._side = side
        self._lie = lie
        self._read: dict[tuple[Kind, str], Native | None] = {}
        self._cursor = ""
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        return self._side.capabilities

    def check(self) -> CheckReport:
        if self._lie is Lie.BUSY_CHECK:
            self._side.apply(Write(operation=Operation.CREATE, kind=Kind.CLIENT, id=None, native={}))
        return self._side.check()

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        lie = self._lie
        if since is not None and not since.isdecimal() and lie is Lie.GARBAGE_IS_NOW:
            since = str(10**9)
        if since is not None and lie is Lie.CURSOR_IN_MEMORY:
            since = self._cursor or str(10**9)
        if since is not None and lie is Lie.EQUAL_TIMES and since.isdecimal():
            since = str((int(since) // 4 + 1) * 4)  # four revisions to a second
        with_errors = self._named(lambda: iter(self._side.changes(kind, since, mark=mark)))
        for number in itertools.count():
            page = self._named(lambda: next(with_errors, None))
            if page is None:
                return
            if lie is Lie.BORDER and number:
                page = replace(page, records=page.records[1:])
            if lie is Lie.TOO_FAR:
                page = replace(page, cursor=str(int(page.cursor) + 7))
            if lie is Lie.NEVER_LAST:
                page = replace(page, last=False)
            if lie is Lie.WRONG_TOTAL:
                page = replace(page, total=(page.total or 0) + 1)
            if lie is Lie.CURSOR_IN_MEMORY:
                self._cursor = page.cursor
            records = tuple(
                replace(each, id=self._id(each.id), native=self._told(kind, each.native)) for each in page.records
            )
            yield replace(page, records=records)

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the protocol's word
        if self._lie is Lie.STALE_READ and (kind, id) in self._read:
            return self._read[kind, id]
        native = self._named(lambda: self._side.get(kind, id))
        if native is None and self._lie is Lie.CRASHES:
            raise KeyError(id)
        if native is None and self._lie is Lie.GUESSES:
            native = next(iter(self._side.rows(kind)), None)
        if native is not None and self._lie is Lie.ALIVE:
            return self._side._rows[kind][id]
        self._read[kind, id] = native
        return self._told(kind, native)

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        self._side.ignore_filters = self._lie is Lie.NO_FILTER
        found = self._named(lambda: list(self._side.search(kind, query)))
        return iter([each for row in found if (each := self._told(kind, row)) is not None])

    def look(self, write: Write) -> Iterator[Native]:
        if self._lie is Lie.SEES_ALL:
            return iter(self._side.rows(write.kind))
        found = self._named(lambda: list(self._side.look(write)))
        return iter([] if self._lie is Lie.BLIND else [self._told(write.kind, row) or {} for row in found])

    def apply(self, write: Write) -> Receipt:
        lie, kind = self._lie, write.kind
        if lie is Lie.LOGS_PERSON:
            logging.getLogger("vetbridge.hostile").info("sending %s", write.native)
        sent = replace(write, native=self._spoiled(write))
        if write.operation is Operation.CANCEL and lie is Lie.KEEPS_RUNNING:
            return Receipt(id=write.id or "")
        if write.operation is Operation.CANCEL and lie is Lie.DELETES and self._side.row(kind, write.id or ""):
            self._side.remove(kind, write.id or "")
            return Receipt(id=write.id or "")
        try:
            receipt = self._named(lambda: self._side.apply(sent))
        except OutcomeUnknown as error:
            if lie is Lie.TWICE:
                self._side.apply(sent)
                raise
            if lie is Lie.SAYS_DONE:
                return Receipt(id=write.id or "c1")
            if lie is Lie.SAYS_UNDONE:
                raise Unavailable(str(error)) from None
            raise
        except Refused as error:
            if lie is Lie.TELLS_PERSON:
                raise Refused(f"no: {write.native}") from None
            if lie is Lie.UNDECLARED and error.code == "not-supported":
                return Receipt(id="c1")
            raise
        return replace(receipt, id=self._id(receipt.id), native=self._told(kind, receipt.native))

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the protocol's word
        return iter(self._named(lambda: list(self._side.content(id))))

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        return self._named(self._side.code_lists)

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        if self._lie is Lie.HEARS_VOICES:
            return (Hint(kind=Kind.CLIENT, id="c1"),)
        return self._side.hints(request)

    def close(self) -> None:
        if self._closed and self._lie is Lie.CLOSED_ONCE:
            raise OSError("it is closed already")
        self._closed = True

    # -- how it lies

    def _named(self, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except VetBridgeError as error:
            if self._lie is Lie.TELLS_SECRET:
                error.message = f"{error.message} ({SECRET})"
                error.args = (error.message,)
            if self._lie is Lie.PLAIN_ERROR and isinstance(error, Unavailable):
                raise RuntimeError("away") from None
            raise

    def _id(self, id_: str) -> Any:
        return int(id_[1:]) if self._lie is Lie.WHOLE_NUMBERS else id_

    def _told(self, kind: Kind, native: Native | None) -> Native | None:
        """A record as this connector tells it."""
        if native is None:
            return None
        if self._lie is Lie.SAME_VERSION:
            return {**native, "rev": 1}
        if self._lie is Lie.COUNTING_FIELDS:
            return {**native, "rev": str(sorted((k, str(v)) for k, v in native.items() if k not in {"id", "rev"}))}
        if self._lie is Lie.MACHINE_ZONE and native.get("start"):
            local = datetime.fromisoformat(native["start"]).replace(tzinfo=None)
            return {**native, "start": local.astimezone().isoformat()}
        return native

    def _spoiled(self, write: Write) -> Native:
        """A payload as this connector sends it."""
        native = dict(write.native)
        notes = native.get("notes")
        if self._lie is Lie.CUTS and notes is not None:
            native["notes"] = notes[:1000]
        if self._lie is Lie.ASCII and notes is not None:
            native["notes"] = notes.encode("ascii", "ignore").decode()
        if self._lie is Lie.AN_HOUR and native.get("start"):
            start = datetime.fromisoformat(native["start"])
            if start.utcoffset():
                native["start"] = (start + timedelta(hours=1)).isoformat()
        if self._lie is Lie.REPLACES and write.operation is Operation.UPDATE:
            empty: Mapping[Kind, Native] = {
                Kind.CLIENT: {"emails": []},
                Kind.PET: {"breed": "", "born": None},
                Kind.APPOINTMENT: {"notes": "", "type": None},
            }
            native = {**empty[write.kind], **native}
        return native


class HostileSubject(Subject):
    """A hostile connector on a memory side with forty clients and a page of ten."""

    faults = frozenset(Fault) - {Fault.SHIFT}
    secrets = (SECRET,)

    def __init__(self, lie: Lie | None) -> None:
        self.clock = FakeClock()
        self.lie = lie
        self.side = MemorySide(page_size=10, clock=self.clock)
        for number in range(40):
            name = {"given": "Seed", "family": f"No {number}"}
            self.side.add(Kind.CLIENT, {"name": name, "phones": [f"+44{number}"], "emails": ["a@example.org"]})
        if lie is Lie.LAGS:
            self.clock.advance(60)
            self.side.lag(5)
        self.connector: Connector = Hostile(self.side, lie)
        self.mapper = memory_mapper(self.zone)

    def fault(self, fault: Fault | None) -> None:
        self.side.mend()
        if fault is Fault.LIMIT:
            self.side.fail(RateLimited("memory: pause", wait=30, budget=""))
        elif fault is Fault.BEFORE:
            self.side.fail(Unavailable("memory: away"))
            self.side.lose_answers(done=False, times=99)
        elif fault is not None:
            if fault in {Fault.CUT, Fault.PAGE}:
                self.side.fail(BadAnswer("memory: no answer of this side"))
            self.side.lose_answers(done=True, times=99)

    def requests(self) -> int:
        return sum(self.side.calls.values())

    def writes(self) -> int:
        return len(self.side.written)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def restarted(self) -> Connector:
        return Hostile(self.side, self.lie)

    def remove(self, kind: Kind, id: str) -> bool:  # noqa: A002 - the interface's word
        self.side.remove(kind, id)
        return True
