"""A wrapper that sends no write: it notes each one, and answers as if the side had taken it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    Connector,
    Found,
    Hint,
    HookRequest,
    Native,
    Operation,
    Page,
    Receipt,
    Write,
)
from vetbridge.core.errors import MappingError, Refused
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Record
from vetbridge.mapping import Mapper

PLANNED = "planned-"
"""How the ids of records begin that a dry run would have made. No vendor's ids do."""


class DryRun:
    """A connector whose reads are real and whose writes are not sent.

    What was planned shows in later reads, so that read-backs agree: a record that would have been made is found under
    its id ``planned-N``, one that would have been changed is answered as it would be then; only a search does not
    find what a planned change alone would bring into it. What a side would refuse when it sees the write is not known
    here; what it does not declare is refused. What would be handed on counts as done. May be shared by threads.

    ``mapper`` is one of the account's: it tells how a cancelled visit reads, and whether a planned record is found by
    a search.
    """

    def __init__(self, inner: Connector, mapper: Mapper) -> None:
        self._inner = inner
        self._mapper = mapper
        self._lock = threading.Lock()
        self._made: dict[tuple[Kind, str], Native] = {}
        self._changed: dict[tuple[Kind, str], Native] = {}
        self._planned: list[Write] = []

    @property
    def planned(self) -> tuple[Write, ...]:
        """Every write that was not sent, in order; the N-th is the one that ``planned-N`` is named after."""
        with self._lock:
            return tuple(self._planned)

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        return self._inner.capabilities

    def check(self) -> CheckReport:
        """See ``Connector.check``."""
        return self._inner.check()

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """What changed at the side, as it would be now; records that were only planned are not listed."""
        for page in self._inner.changes(kind, since, mark=mark):
            beside = {other: self._found_now(other, found) for other, found in page.beside.items()}
            yield replace(page, records=self._found_now(kind, page.records), beside=beside)

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the field's word
        """The record as it would be now."""
        if id.startswith(PLANNED):
            with self._lock:
                return copy.deepcopy(self._made.get((kind, id)))
        native = self._inner.get(kind, id)
        return None if native is None else self._now(kind, id, native)

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """Records by declared keys, the planned ones too. The side is never asked about an id that was planned."""
        if not any(value.startswith(PLANNED) for value in query.values()):
            for native in self._inner.search(kind, query):
                now = self._now_of(kind, native)
                if now is native or self._fits(kind, now, query):
                    yield now
        with self._lock:
            made = [copy.deepcopy(native) for (of, _), native in self._made.items() if of is kind]
        yield from (native for native in made if self._fits(kind, native, query))

    def look(self, write: Write) -> Iterator[Native]:
        """What an earlier write in earnest may have made, as it would be now; nothing with what was only planned."""
        if any(isinstance(value, str) and value.startswith(PLANNED) for value in write.native.values()):
            return
        for native in self._inner.look(write):
            yield self._now_of(write.kind, native)

    def apply(self, write: Write) -> Receipt:
        """Notes a write and answers as if it were done. Raises ``Refused`` for what the side does not declare, and
        where the record to change is gone."""
        self._declared(write)
        if write.operation is Operation.RECALL:
            return Receipt(id="")
        if write.operation is Operation.CREATE:
            return self._create(write)
        assert write.id is not None  # noqa: S101 - what the interface says of these operations
        if write.operation in (Operation.NOTIFY, Operation.LOG):
            return Receipt(id=write.id)
        if self.get(write.kind, write.id) is None:
            raise Refused(f"the {write.kind} to write does not exist (any more)", code="gone")
        native = write.native if write.operation is Operation.UPDATE else self._cancelled(write.kind)
        with self._lock:
            self._note(write)
            known = self._made if write.id.startswith(PLANNED) else self._changed
            place = (write.kind, write.id)
            known[place] = _merged(known.get(place, {}), native)
        return Receipt(id=write.id, native=self.get(write.kind, write.id))

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """See ``Connector.content``."""
        return self._inner.content(id)

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """See ``Connector.code_lists``."""
        return self._inner.code_lists()

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """See ``Connector.hints``."""
        return self._inner.hints(request)

    def close(self) -> None:
        """See ``Connector.close``."""
        self._inner.close()

    def _create(self, write: Write) -> Receipt:
        with self._lock:
            id_ = f"{PLANNED}{self._note(write)}"
            self._made[write.kind, id_] = {**_merged(self._given(write.kind), write.native), "id": id_}
        return Receipt(id=id_, native=self.get(write.kind, id_))

    def _note(self, write: Write) -> int:
        self._planned.append(write)
        return len(self._planned)

    def _declared(self, write: Write) -> None:
        able = self.capabilities.of(write.kind)
        declared = {
            Operation.CREATE: able.create is not None,
            Operation.UPDATE: bool(able.update),
            Operation.CANCEL: able.cancel,
            Operation.NOTIFY: able.notify,
            Operation.LOG: able.logs,
            Operation.RECALL: bool(able.handed),
        }
        if not declared[write.operation]:
            raise Refused(f"this side does not take {write.operation} of {write.kind}", code="not-supported")

    def _cancelled(self, kind: Kind) -> Native:
        """How a visit reads once it is cancelled; nothing where the mapping has no word for it."""
        return self._in_status(kind, AppointmentStatus.CANCELLED)

    def _given(self, kind: Kind) -> Native:
        """What a side gives a new record that nobody wrote: a visit its first status."""
        if kind is not Kind.APPOINTMENT:
            return {}
        first = (AppointmentStatus.BOOKED, AppointmentStatus.CONFIRMED, AppointmentStatus.HELD)
        return next(filter(None, (self._in_status(kind, status) for status in first)), {})

    def _in_status(self, kind: Kind, status: AppointmentStatus) -> Native:
        try:
            return self._mapper.write(kind, {"status": status})
        except MappingError:
            return {}

    def _now(self, kind: Kind, id_: str, native: Native) -> Native:
        """A record as the side has it, with what was planned laid over it; itself where nothing was."""
        with self._lock:
            planned = self._changed.get((kind, id_))
            return native if planned is None else _merged(native, planned)

    def _found_now(self, kind: Kind, found: tuple[Found, ...]) -> tuple[Found, ...]:
        return tuple(
            each if each.native is None else replace(each, native=self._now(kind, each.id, each.native))
            for each in found
        )

    def _now_of(self, kind: Kind, native: Native) -> Native:
        with self._lock:
            touched = any(of is kind for of, _ in self._changed)
        record = self._read(kind, native) if touched else None
        return native if record is None or record.id is None else self._now(kind, record.id, native)

    def _fits(self, kind: Kind, native: Native, query: Mapping[str, str]) -> bool:
        record = self._read(kind, native)
        return record is not None and all(_answers(record, key, value) for key, value in query.items())

    def _read(self, kind: Kind, native: Native) -> Record | None:
        try:
            return self._mapper.read(kind, native)
        except MappingError:
            return None


def _answers(record: Record, key: str, value: str) -> bool:
    """Whether a record is found under one key of a search; under a key that is not known here it is not."""
    if key in ("client_id", "pet_id"):
        return getattr(record, key, None) == value
    if isinstance(record, Client):
        held = {
            "phone": record.phones,
            "email": [address.strip().casefold() for address in record.emails],
            "name": [record.full_name.casefold()],
        }
        return (value if key == "phone" else value.strip().casefold()) in held.get(key, ())
    if isinstance(record, Appointment) and key in ("start_from", "start_before"):
        moment = _moment(value)
        return moment is not None and (record.start.utc >= moment) == (key == "start_from")
    return False


def _moment(text: str) -> datetime | None:
    """ISO 8601 with an offset, or unix seconds; None for anything else."""
    try:
        moment = datetime.fromtimestamp(int(text), UTC) if text.isdecimal() else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo is not None else None


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Native:
    """``over`` laid over ``under``, nested records too; both stay as they are."""
    merged = copy.deepcopy(dict(under))
    for key, value in over.items():
        below = merged.get(key)
        nested = isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[key] = _merged(below or {}, value) if nested else copy.deepcopy(value)
    return merged
