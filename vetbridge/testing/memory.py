"""An in-memory side: a connector without a vendor, for tests of whatever stands above connectors.

It obeys the ``Connector`` protocol in full, keeps versions, gives changes with safe cursors, and can be told to fail.
Its native records have the shape that ``mappings/memory.yaml`` maps. Beside the protocol it has two groups of
methods: what people at the side do (``add``, ``edit``, ``remove``, ``row``, ``rows``), and switches for faults
(``fail``, ``lose_answers``, ``mend``). What people do is never refused, never counted, and never fails.
"""

from __future__ import annotations

import copy
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from vetbridge.connector.interface import (
    Capabilities,
    Check,
    CheckReport,
    ExactlyOnce,
    Found,
    Hint,
    HookRequest,
    KindCapabilities,
    Native,
    Operation,
    Page,
    Receipt,
    Relink,
    Unlinked,
    Write,
)
from vetbridge.core.errors import BadAnswer, BadHint, OutcomeUnknown, Refused, SlotTaken, VetBridgeError
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table

_PREFIX = {Kind.CLIENT: "c", Kind.PET: "p", Kind.APPOINTMENT: "a"}
_DEFAULTS: Mapping[Kind, Native] = {
    Kind.CLIENT: {"name": {"given": "", "family": ""}, "phones": [], "emails": [], "active": True},
    Kind.PET: {
        "owner": None,
        "name": "",
        "species": None,
        "breed": "",
        "sex": None,
        "born": None,
        "dead": "0",
        "active": True,
    },
    Kind.APPOINTMENT: {
        "owner": None,
        "pet": None,
        "booker": None,
        "animal": None,
        "start": None,
        "seconds": None,
        "state": "booked",
        "type": None,
        "who": None,
        "notes": "",
        "cancelled": None,
        "ref": "",
    },
}
_CANCELLED = "cancelled"
_PEOPLE = frozenset({"owner", "pet"})


def memory_capabilities(
    side: str = "pims",
    *,
    unlinked: Unlinked = Unlinked.YES,
    relink: Relink = Relink.YES,
    notes_limit: int | None = None,
) -> Capabilities:
    """What a memory side declares. ``notes_limit``: longest notes, in characters; longer ones are cut."""
    owner = frozenset[str]() if relink is Relink.NO else frozenset({"client_id", "pet_id"})
    loss = {} if notes_limit is None else {"notes": f"cut after {notes_limit} characters"}
    return Capabilities(
        side=side,
        kinds={
            Kind.CLIENT: KindCapabilities(
                read=True,
                search=frozenset({"phone", "email"}),
                create=ExactlyOnce.LOOK,
                update=frozenset({"given_name", "family_name", "phones", "emails", "active"}),
                incremental=True,
                deletions_visible=True,
            ),
            Kind.PET: KindCapabilities(
                read=True,
                search=frozenset({"client_id"}),
                create=ExactlyOnce.LOOK,
                update=frozenset({"name", "species", "breed", "sex", "birth_date", "deceased", "active"}),
                incremental=True,
                deletions_visible=True,
            ),
            Kind.APPOINTMENT: KindCapabilities(
                read=True,
                search=frozenset({"client_id", "start_from", "start_before"}),
                create=ExactlyOnce.REFERENCE,
                update=owner | {"start", "duration", "status", "appointment_type", "resource", "notes"},
                cancel=True,
                incremental=True,
                deletions_visible=True,
                unlinked=unlinked,
                relink=relink,
                loss=loss,
                text_limits={} if notes_limit is None else {"notes": notes_limit},
            ),
        },
        hints=True,
        proven="made up for tests; no vendor",
    )


def memory_mapper(zone: str = "Europe/London", country: str = "GB") -> Mapper:
    """The mapping of a memory side."""
    return Mapper(load_table("memory"), zone=zone, country=country)


class MemorySide:
    """One account of no vendor. May be shared by threads.

    ``page_size`` is the number of records in a page. ``exclusive`` refuses with ``SlotTaken`` an appointment that
    overlaps another one of the same resource, unless the write says that it shall stand beside it.
    """

    def __init__(
        self, capabilities: Capabilities | None = None, *, page_size: int = 50, exclusive: bool = False
    ) -> None:
        self._capabilities = capabilities or memory_capabilities()
        self._page_size = page_size
        self._exclusive = exclusive
        self._rows: dict[Kind, dict[str, Native]] = {kind: {} for kind in _PREFIX}
        self._gone: dict[Kind, dict[str, int]] = {kind: {} for kind in _PREFIX}
        self._rev = 0
        self._failure: VetBridgeError | None = None
        self._failures_left: int | None = 0
        self._lost: list[bool] = []
        self._lock = threading.RLock()
        self.ignore_relink = False
        """Takes a change of an appointment's client and pet and keeps the old ones, as a side may that declares
        ``Relink.UNVERIFIED``."""
        self.calls: Counter[str] = Counter()
        """How often each method of the protocol was called."""
        self.written: list[Write] = []
        """Every write that took effect through ``apply``, in order."""

    # -- the protocol

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        return self._capabilities

    def check(self) -> CheckReport:
        """Always well, unless a failure is switched on."""
        self._called("check")
        return CheckReport(lines=(Check(name="address", ok=True, text="the side is in memory"),))

    def changes(self, kind: Kind, since: str | None) -> Iterator[Page]:
        """What changed since a cursor, oldest first; deleted records are told where deletions are visible."""
        self._supported(self._capabilities.of(kind).read, f"{kind} cannot be read")
        last = False
        rev = 0 if since is None else _revision(since)
        while not last:
            self._called("changes")
            with self._lock:
                records = {id_: int(row["rev"]) for id_, row in self._rows[kind].items() if int(row["rev"]) > rev}
                if self._capabilities.of(kind).deletions_visible:
                    records |= {id_: at for id_, at in self._gone[kind].items() if at > rev}
                total = len(records)
                chosen = sorted(records, key=records.__getitem__)[: self._page_size]
                found = tuple(
                    Found(id=id_, native=self.row(kind, id_), deleted=id_ not in self._rows[kind]) for id_ in chosen
                )
                last = total <= self._page_size
                rev = records[chosen[-1]] if chosen else rev
            yield Page(records=found, cursor=str(rev), last=last, total=total)

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the protocol's word
        """The record now, or None."""
        self._supported(self._capabilities.of(kind).read, f"{kind} cannot be read")
        self._called("get")
        return self.row(kind, id)

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """Records whose phone, e-mail or client is exactly the one asked for, and appointments that begin at
        ``start_from`` or later and before ``start_before``, both ISO 8601 with an offset; cancelled ones too."""
        known = self._capabilities.of(kind).search
        self._supported(bool(query) and set(query) <= known, f"{kind} cannot be searched by {sorted(query)}")
        ends = {key: _moment(key, query[key]) for key in ("start_from", "start_before") if key in query}
        self._called("search")

        def fits(row: Native, key: str, value: str) -> bool:
            if key in ends:
                # Within the window is from its start on, and not yet at its end.
                begun = row["start"] is not None and datetime.fromisoformat(row["start"]) >= ends[key]
                return begun if key == "start_from" else row["start"] is not None and not begun
            if key in ("phone", "email"):
                return value in row[f"{key}s"]
            return bool(value == row["owner"])

        yield from self._matching(kind, lambda row: all(fits(row, key, value) for key, value in query.items()))

    def look(self, write: Write) -> Iterator[Native]:
        """Appointments by our reference; clients and pets by everything that was written of them."""
        kind = write.kind
        self._supported(self._capabilities.of(kind).create is not None, f"{kind} cannot be created")
        self._called("look")
        if kind is Kind.APPOINTMENT and write.stamp:
            yield from self._matching(kind, lambda row: row["ref"] == write.stamp or write.stamp in row["notes"])
            return
        wanted = {
            key: value
            for key, value in _merged(_DEFAULTS[kind], self._cut(kind, write.native)).items()
            if key in write.native
        }
        yield from self._matching(kind, lambda row: all(row[key] == value for key, value in wanted.items()))

    def apply(self, write: Write) -> Receipt:
        """Creates, updates or cancels."""
        can = self._capabilities.of(write.kind)
        allowed = {
            Operation.CREATE: can.create is not None,
            Operation.UPDATE: bool(can.update),
            Operation.CANCEL: can.cancel,
        }
        self._supported(allowed[write.operation], f"{write.kind} takes no {write.operation}")
        if not self._lost:
            self._called("apply")
        with self._lock:
            if self._lost and not self._lost[0]:
                self._lost.pop(0)
                raise OutcomeUnknown("memory: no answer came")
            id_ = self._done(write)
            self.written.append(write)
            if self._lost:
                self._lost.pop(0)
                raise OutcomeUnknown("memory: no answer came")
            return Receipt(id=id_, native=self.row(write.kind, id_))

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """``{"kind": ..., "id": ...}`` as JSON."""
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            raise BadHint("memory: the webhook's body is not JSON") from None
        if not isinstance(body, dict) or not isinstance(body.get("id"), str):
            raise BadHint("memory: the webhook names no record")
        if body.get("kind") not in list(_PREFIX):
            return ()
        return (Hint(kind=Kind(body["kind"]), id=body["id"]),)

    def close(self) -> None:
        """Nothing to give back."""

    # -- what people at the side do

    def add(self, kind: Kind, native: Mapping[str, Any]) -> str:
        """A person enters a record; returns its id."""
        with self._lock:
            self._rev += 1
            id_ = f"{_PREFIX[kind]}{self._rev}"
            row = _merged(_DEFAULTS[kind], native)
            self._rows[kind][id_] = {**row, "id": id_, "rev": self._rev}
            return id_

    def edit(self, kind: Kind, id: str, native: Mapping[str, Any]) -> None:  # noqa: A002 - the protocol's word
        """A person changes a record. Raises ``KeyError`` where there is none."""
        with self._lock:
            row = _merged(self._rows[kind][id], native)
            self._rev += 1
            self._rows[kind][id] = {**row, "id": id, "rev": self._rev}

    def remove(self, kind: Kind, id: str) -> None:  # noqa: A002 - the protocol's word
        """A person deletes a record for good. Raises ``KeyError`` where there is none."""
        with self._lock:
            del self._rows[kind][id]
            self._rev += 1
            self._gone[kind][id] = self._rev

    def row(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the protocol's word
        """A copy of one record as it stands, or None."""
        with self._lock:
            return copy.deepcopy(self._rows[kind].get(id))

    def rows(self, kind: Kind) -> list[Native]:
        """Copies of all records of a kind, oldest first."""
        with self._lock:
            return copy.deepcopy(list(self._rows[kind].values()))

    # -- faults

    def fail(self, error: VetBridgeError, times: int | None = None) -> None:
        """Lets the next ``times`` calls (None: all, until ``mend``) raise ``error``; nothing is done by them."""
        with self._lock:
            self._failure, self._failures_left = error, times

    def lose_answers(self, *, done: bool, times: int = 1) -> None:
        """Lets the next ``times`` writes end in ``OutcomeUnknown``, with or without effect; ``fail`` yields."""
        with self._lock:
            self._lost += [done] * times

    def mend(self) -> None:
        """Ends every fault."""
        with self._lock:
            self._failure, self._failures_left, self._lost = None, 0, []

    # -- inside

    def _called(self, method: str) -> None:
        with self._lock:
            self.calls[method] += 1
            if self._failure is None or self._failures_left == 0:
                return
            if self._failures_left is not None:
                self._failures_left -= 1
            raise self._failure

    def _supported(self, allowed: bool, words: str) -> None:
        if not allowed:
            raise Refused(f"memory: {words}", code="not-supported")

    def _matching(self, kind: Kind, fits: Callable[[Native], bool]) -> Iterator[Native]:
        return iter([row for row in self.rows(kind) if fits(row)])

    def _done(self, write: Write) -> str:
        kind = write.kind
        if write.operation is Operation.CREATE:
            native = self._checked(write, {})
            return self.add(kind, {**native, "ref": write.stamp} if kind is Kind.APPOINTMENT else native)
        row = self._rows[kind].get(write.id or "")
        if row is None or write.id is None:
            raise Refused(f"memory: there is no {kind} {write.id!r}")
        if write.operation is Operation.CANCEL:
            self.edit(kind, write.id, {"state": _CANCELLED, "cancelled": dict(write.native)})
        else:
            self.edit(kind, write.id, self._checked(write, row))
        return write.id

    def _checked(self, write: Write, before: Native) -> Native:
        """The payload, where the record that it makes can stand. Raises ``Refused`` or ``SlotTaken``."""
        kind, native = write.kind, self._cut(write.kind, write.native)
        unknown = sorted(set(native) - set(_DEFAULTS[kind]))
        if unknown:
            raise Refused(f"memory: a {kind} has no field {', '.join(unknown)}")
        row = _merged(before or _DEFAULTS[kind], native)
        if kind is Kind.CLIENT:
            return native
        relinks = kind is Kind.APPOINTMENT and bool(before) and not _PEOPLE.isdisjoint(native)
        if relinks and self._capabilities.of(kind).relink is Relink.NO:
            self._supported(False, "an appointment stays with its client and pet")
        owner = row["owner"]
        if owner is None and (kind is Kind.PET or self._capabilities.of(kind).unlinked is not Unlinked.YES):
            raise Refused(f"memory: a {kind} needs its owner")
        if owner is not None and owner not in self._rows[Kind.CLIENT]:
            raise Refused(f"memory: the owner of this {kind} does not exist")
        if kind is Kind.PET:
            return native
        if row["pet"] is not None and row["pet"] not in self._rows[Kind.PET]:
            raise Refused("memory: the pet of this appointment does not exist")
        if row["start"] is None or row["seconds"] is None:
            raise Refused("memory: an appointment needs start and seconds")
        if self._exclusive and not write.beside and row["state"] != _CANCELLED and row["who"] is not None:
            self._free(row)
        if relinks and self.ignore_relink:
            return {name: value for name, value in native.items() if name not in _PEOPLE}
        return native

    def _free(self, row: Native) -> None:
        begin, end = _span(row)
        for other in self._rows[Kind.APPOINTMENT].values():
            if other["who"] != row["who"] or other["state"] == _CANCELLED or other["id"] == row.get("id"):
                continue
            other_begin, other_end = _span(other)
            if begin < other_end and other_begin < end:
                raise SlotTaken(f"memory: {row['who']} already has the appointment {other['id']} then")

    def _cut(self, kind: Kind, native: Native) -> Native:
        limit = self._capabilities.of(kind).text_limits.get("notes")
        if limit is None or "notes" not in native:
            return native
        return {**native, "notes": native["notes"][:limit]}


def redeclared(capabilities: Capabilities, kind: Kind, **changes: Any) -> Capabilities:
    """``capabilities`` with some declarations of one kind changed, e.g. ``redeclared(c, Kind.PET, create=None)``."""
    return replace(capabilities, kinds={**capabilities.kinds, kind: replace(capabilities.of(kind), **changes)})


def _merged(row: Mapping[str, Any], native: Mapping[str, Any]) -> Native:
    """``native`` laid over ``row``, nested records too; both stay as they are."""
    merged = copy.deepcopy(dict(row))
    for key, value in native.items():
        under = merged.get(key)
        merged[key] = (
            _merged(under, value)
            if isinstance(value, Mapping) and isinstance(under, Mapping)
            else copy.deepcopy(value)
        )
    return merged


def _revision(cursor: str) -> int:
    if not cursor.isdecimal() or len(cursor) > 18:
        raise BadAnswer("memory: the cursor is none of this side's")
    return int(cursor)


def _moment(key: str, text: str) -> datetime:
    try:
        return Instant.parse(text, "UTC").utc
    except (ValueError, OverflowError):
        raise Refused(f"memory: {key} must be a time with an offset", code="bad-query") from None


def _span(row: Native) -> tuple[datetime, datetime]:
    begin = datetime.fromisoformat(row["start"])
    return begin, begin + timedelta(seconds=row["seconds"])
