"""An in-memory side: a connector without a vendor, for tests of whatever stands above connectors.

It obeys the ``Connector`` protocol in full, keeps versions, gives changes with safe cursors, and can be told to fail.
Its native records have the shape that ``mappings/memory.yaml`` maps. Beside the protocol it has three groups of
methods:

- what people at the side do: ``add``, ``edit``, ``remove``, ``merge``, ``renumber``, ``reuse``, ``list_code``,
  ``unlist_code``, ``row``, ``rows``, ``bytes_of``.
  It is never refused, never counted, and never fails;
- faults that pass: ``fail``, ``lose_answers``, ``land_late``, ended by ``mend``;
- how the side is, until it is told otherwise: ``lag``, ``follow``, ``skew``, ``hide``, ``ignore_relink``,
  ``ignore_filters``, ``recase``, ``renamed``; and what its capabilities declare: a level of writing exactly once,
  limits of texts, visible deletions.

Files stand under ids of their own at a PIMS, and under their client's (``c1/f2``) at a booking side. What is due is a
record of its own at a PIMS; at a booking side it stands on the client, whose id it has.
"""

from __future__ import annotations

import copy
import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, BinaryIO, overload

from vetbridge.connector.clock import Clock
from vetbridge.connector.interface import (
    Capabilities,
    Check,
    CheckReport,
    Content,
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
from vetbridge.core.errors import BadAnswer, BadHint, OutcomeUnknown, Refused, SlotTaken, Stale, VetBridgeError
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.mapping.table import canonical_fields

_PREFIX = {
    Kind.CLIENT: "c",
    Kind.PET: "p",
    Kind.APPOINTMENT: "a",
    Kind.ATTACHMENT: "f",
    Kind.REMINDER: "r",
    Kind.VACCINATION: "v",
}
_DEFAULTS: Mapping[Kind, Native] = {
    Kind.CLIENT: {
        "name": {"given": "", "family": ""},
        "phones": [],
        "emails": [],
        "co_owners": [],
        "active": True,
        "silent": None,
        "ref": "",
    },
    Kind.PET: {
        "owner": None,
        "carer": None,
        "shared_by": [],
        "name": "",
        "species": None,
        "breed": "",
        "sex": None,
        "born": None,
        "dead": "0",
        "active": True,
        "ref": "",
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
    Kind.ATTACHMENT: {
        "client_id": None,
        "pet_id": None,
        "name": "",
        "notes": "",
        "made_at": None,
        "active": True,
        "ref": "",
    },
    Kind.REMINDER: {
        "pet_id": None,
        "service": "",
        "name": "",
        "due_on": None,
        "completed": False,
        "active": True,
    },
    Kind.VACCINATION: {
        "pet_id": None,
        "service": "",
        "name": "",
        "given_on": None,
        "due_on": None,
        "active": True,
    },
}
_CARD: Native = {
    "name": "",
    "pet_name": "",
    "due_on": None,
    "due_soon": False,
    "overdue": False,
    "notified": "",
}
"""What stands on a client of a booking side about what is due."""
_DUE = "due"
"""Where it stands in the client's row."""
_LISTS: Mapping[str, Mapping[str, str]] = {
    "species": {"D": "Dog", "C": "Cat", "R": "Rabbit", "O": "Other", "X": "Unknown"},
    "sex": {"m": "Male", "f": "Female", "mn": "Male neutered", "fn": "Female spayed", "u": "Unknown"},
    "appointment_type": {"1": "Check-up", "2": "Vaccination", "3": "Dental", "4": "Surgery", "5": "Nail clipping"},
    "resource": {"v1": "Dr Ash", "v2": "Dr Birch", "v3": "Dr Cedar", "v4": "Dr Doyle"},
    "status": {
        "held": "Held",
        "booked": "Booked",
        "confirmed": "Confirmed",
        "here": "Here",
        "done": "Done",
        "missed": "Missed",
        "cancelled": "Cancelled",
    },
}
"""What the codes of ``mappings/memory.yaml`` are called here."""
_CANCELLED = "cancelled"
_PEOPLE = frozenset({"owner", "pet"})
_NEEDED = {"client_id": "owner", "pet_id": "pet"}
"""Canonical fields that a record may need, by another name here."""
_HANGS_ON = {Kind.CLIENT: "client_id", Kind.PET: "pet_id"}
"""What an attachment names where it hangs on one."""
_PIECE = 64 * 1024
"""Bytes of a file that are read, and given, at a time."""
_TEXTS: Mapping[Kind, Mapping[str, tuple[str, ...]]] = {
    Kind.CLIENT: {"given_name": ("name", "given"), "family_name": ("name", "family")},
    Kind.PET: {"name": ("name",), "breed": ("breed",)},
    Kind.APPOINTMENT: {"notes": ("notes",)},
    Kind.ATTACHMENT: {"name": ("name",), "notes": ("notes",)},
    Kind.REMINDER: {"name": ("name",), "pet_name": ("pet_name",)},
    Kind.VACCINATION: {},
}
"""Where the canonical texts stand that a side may cut."""
_NAMES = frozenset({"given_name", "family_name", "name"})
"""Those of them that a side may write in capitals, of clients and pets."""
_NEVER = -1.0
"""Seconds until a write takes effect that never does."""


def memory_capabilities(
    side: str = "pims",
    *,
    unlinked: Unlinked = Unlinked.YES,
    relink: Relink = Relink.YES,
    notes_limit: int | None = None,
    create: ExactlyOnce | None = None,
    changed: ExactlyOnce = ExactlyOnce.LOOK,
    late_landing: float = 0.0,
    shown_within: float = 0.0,
    opt_outs: bool = False,
) -> Capabilities:
    """What a memory side declares, and does.

    ``notes_limit``: longest notes, in characters; longer ones are cut. ``create`` and ``changed``: the level of
    writing exactly once, of every kind; ``create`` is ``REFERENCE`` for appointments and ``LOOK`` for clients and
    pets unless it is told. ``late_landing`` and ``shown_within``: in seconds. ``opt_outs``: whether a client wants no
    messages can be written; ``memory_mapper`` maps it where it is told to. Files, vaccinations and what is due differ
    by ``side``, see the module. ``redeclared`` changes what is declared of one kind.
    """
    owner = frozenset[str]() if relink is Relink.NO else frozenset({"client_id", "pet_id"})
    silence = frozenset({"opted_out"} if opt_outs else ())
    loss = {} if notes_limit is None else {"notes": f"cut after {notes_limit} characters"}
    return Capabilities(
        side=side,
        kinds={
            Kind.CLIENT: KindCapabilities(
                read=True,
                search=frozenset({"phone", "email"}),
                create=create or ExactlyOnce.LOOK,
                update=frozenset({"given_name", "family_name", "phones", "emails", "active"}) | silence,
                changed=changed,
                incremental=True,
                deletions_visible=True,
            ),
            Kind.PET: KindCapabilities(
                read=True,
                search=frozenset({"client_id"}),
                create=create or ExactlyOnce.LOOK,
                update=frozenset({"name", "species", "breed", "sex", "birth_date", "deceased", "active"}),
                changed=changed,
                incremental=True,
                deletions_visible=True,
            ),
            Kind.APPOINTMENT: KindCapabilities(
                read=True,
                search=frozenset({"client_id", "start_from", "start_before"}),
                create=create or ExactlyOnce.REFERENCE,
                update=owner | {"start", "duration", "status", "appointment_type", "resource", "notes"},
                cancel=True,
                changed=changed,
                incremental=True,
                deletions_visible=True,
                unlinked=unlinked,
                relink=relink,
                loss=loss,
                text_limits={} if notes_limit is None else {"notes": notes_limit},
            ),
            **_others(side, create=create or ExactlyOnce.LOOK, changed=changed),
        },
        hints=True,
        code_lists=frozenset(_LISTS),
        late_landing=late_landing,
        shown_within=shown_within,
        proven="made up for tests; no vendor",
    )


def _others(side: str, *, create: ExactlyOnce, changed: ExactlyOnce) -> dict[Kind, KindCapabilities]:
    """What a side declares of files, vaccinations and what is due."""
    told = KindCapabilities(read=True, incremental=True, deletions_visible=True)
    if side == "pims":
        both = frozenset({Kind.CLIENT, Kind.PET})
        files = replace(told, search=frozenset({"client_id", "pet_id"}), create=create, hangs_on=both)
        return {Kind.ATTACHMENT: files, Kind.REMINDER: told, Kind.VACCINATION: told}
    files = replace(
        told,
        search=frozenset({"client_id"}),
        create=create,
        incremental=False,
        hangs_on=frozenset({Kind.CLIENT}),
    )
    card = replace(told, update=frozenset(_CARD), changed=changed, notify=True)
    return {Kind.ATTACHMENT: files, Kind.REMINDER: card}


def memory_mapper(zone: str = "Europe/London", country: str = "GB", *, opt_outs: bool = False) -> Mapper:
    """The mapping of a memory side. ``opt_outs``: it has whether a client wants no messages."""
    table = load_table("memory")
    if opt_outs:
        rule = replace(
            table.kinds[Kind.CLIENT]["active"], field=canonical_fields(Kind.CLIENT)["opted_out"], path=("silent",)
        )
        table = replace(table, kinds={**table.kinds, Kind.CLIENT: {**table.kinds[Kind.CLIENT], "opted_out": rule}})
    return Mapper(table, zone=zone, country=country)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What was last done to a record."""

    kind: Kind
    id: str
    row: Native | None
    """None: it was removed."""
    version: int
    order: int
    """Its place among all that was ever done at the side."""
    at: float
    """Steady seconds; 0 without a clock."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was sent: ``Content``, read whole."""

    name: str
    media_type: str
    size: int
    digest: str
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, content: Content) -> _File:
        """Reads it in pieces."""
        data = bytearray()
        with content.open() as reader:
            while piece := reader.read(_PIECE):
                data += piece
        return cls(content.name, content.media_type, content.size, content.digest, bytes(data))

    def open(self) -> BinaryIO:
        """See ``Content.open``."""
        return io.BytesIO(self.data)


class MemorySide:
    """One account of no vendor. May be shared by threads.

    ``page_size`` is the number of records in a page. ``exclusive`` refuses with ``SlotTaken`` an appointment that
    overlaps another one of the same resource, unless the write says that it shall stand beside it. ``clock`` is what
    ``lag``, ``land_late`` and ``whole_seconds`` go by. ``whole_seconds``: versions and cursors are times of the
    side's own clock in whole seconds, so that two edits in one second have one version; else they count.
    """

    def __init__(
        self,
        capabilities: Capabilities | None = None,
        *,
        page_size: int = 50,
        exclusive: bool = False,
        clock: Clock | None = None,
        whole_seconds: bool = False,
    ) -> None:
        if whole_seconds and clock is None:
            raise ValueError("a memory side whose versions are times needs a clock")
        self._capabilities = capabilities or memory_capabilities()
        self._page_size = page_size
        self._exclusive = exclusive
        self._clock = clock
        self._whole_seconds = whole_seconds
        self._rows: dict[Kind, dict[str, Native]] = {kind: {} for kind in _PREFIX}
        self._newest: dict[Kind, dict[str, _Entry]] = {kind: {} for kind in _PREFIX}
        self._files: dict[str, bytes] = {}
        self._log: list[_Entry] = []
        self._rev = 0
        self._failure: VetBridgeError | None = None
        self._failures_left: int | None = 0
        self._lost: list[float] = []
        self._coming: list[tuple[float, Write]] = []
        self._answered: dict[str, tuple[Write, Receipt]] = {}
        self._hidden: set[str] = set()
        self._lists = {name: dict(codes) for name, codes in _LISTS.items()}
        self._lag = 0.0
        self._follows = False
        self._skew = 0.0
        self._lock = threading.RLock()
        self.ignore_relink = False
        """Takes a change of an appointment's client and pet and keeps the old ones, as a side may that declares
        ``Relink.UNVERIFIED``."""
        self.ignore_filters = False
        """``search`` answers every record of the kind, whatever it was asked."""
        self.renamed: dict[str, str] = {}
        """Fields that every record is answered under another name, as after an upgrade: old name to new."""
        self.recase = False
        """Names that are written are kept in capitals. Honest only where ``loss`` says so."""
        self.calls: Counter[str] = Counter()
        """How often each method of the protocol was called."""
        self.handed: dict[str, Write] = {}
        """By key: what was handed on, and nobody has taken back."""
        self._recalled: set[str] = set()
        self.written: list[Write] = []
        """Every write that took effect through ``apply``, in order."""
        self.messages: list[tuple[str, str]] = []
        """Every message that was sent to an owner, in order: the client's id and the text."""
        self.logged: list[Native] = []
        """Every line of the communication log, in order, as it was written: nobody was told by it."""

    # -- the protocol

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        return self._capabilities

    def check(self) -> CheckReport:
        """Always well, unless a failure is switched on."""
        self._called("check")
        return CheckReport(lines=(Check(name="address", ok=True, text="the side is in memory"),))

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """What changed since a cursor, oldest first; deleted records are told where deletions are visible."""
        self._supported(self._capabilities.of(kind).read, f"{kind} cannot be read")
        start = 0 if since is None else _revision(since)
        place, cursor = _place(mark) or (0, start)
        last = False
        while not last:
            self._called("changes")
            with self._lock:
                here = f"{place} {cursor}"
                every = self._listed(kind, None if since is None else start)
                listed = [each for each in every if each.order > place]
                chosen = listed[: self._page_size]
                last = len(listed) <= self._page_size
                records = []
                for each in chosen:
                    place, cursor = each.order, max(cursor, each.version)
                    now = each.row is not None and not self._lag
                    row = self.row(kind, each.id) if now else self._shown(kind, each.row)
                    native = self._told(row)
                    records.append(Found(id=each.id, native=native, deleted=each.row is None))
            yield Page(records=tuple(records), cursor=str(cursor), last=last, total=len(every), mark=here)

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the protocol's word
        """The record now, or None."""
        self._supported(self._capabilities.of(kind).read, f"{kind} cannot be read")
        self._called("get")
        if self._follows:
            seen = next((each for each in self._seen(kind) if each.id == id), None)
            return None if seen is None or seen.row is None else self._told(self._shown(kind, seen.row))
        return None if id in self._hidden else self._told(self.row(kind, id))

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """Records whose phone, e-mail, client or pet is exactly the one asked for, and appointments that begin at
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
            return bool(value == row[key if kind is Kind.ATTACHMENT else "owner"])

        asked = {} if self.ignore_filters else query
        yield from self._matching(kind, lambda row: all(fits(row, key, value) for key, value in asked.items()))

    def look(self, write: Write) -> Iterator[Native]:
        """By stamp, where the kind has a field or notes for it; else by everything that was written."""
        kind = write.kind
        level = self._capabilities.of(kind).create
        self._supported(level is not None, f"{kind} cannot be created")
        self._supported(level is not ExactlyOnce.NONE, f"nobody can look for a {kind}")
        self._called("look")
        if write.stamp and (kind is Kind.APPOINTMENT or level is ExactlyOnce.REFERENCE):
            yield from self._matching(
                kind, lambda row: row["ref"] == write.stamp or write.stamp in row.get("notes", "")
            )
            return
        wanted = {
            key: value for key, value in _merged(_DEFAULTS[kind], self._kept(write)).items() if key in write.native
        }
        yield from self._matching(kind, lambda row: all(row[key] == value for key, value in wanted.items()))

    def apply(self, write: Write) -> Receipt:
        """Creates, updates or cancels, as exactly once as the kind declares."""
        can = self._capabilities.of(write.kind)
        allowed = {
            Operation.CREATE: can.create is not None,
            Operation.UPDATE: bool(can.update),
            Operation.CANCEL: can.cancel,
            Operation.NOTIFY: can.notify,
            Operation.RECALL: bool(can.handed),
            Operation.LOG: can.logs,
        }
        self._supported(allowed[write.operation], f"{write.kind} takes no {write.operation}")
        if write.operation is Operation.RECALL or write.operation in can.handed:
            return self._hand_on(write)
        if write.content is not None:
            self._fitting(write.content)
            write = replace(write, content=_File.of(write.content))
        if not self._lost:
            self._called("apply")
        with self._lock:
            self._land()
            if self._lost and self._lost[0] != 0:
                later = self._lost.pop(0)
                if later != _NEVER:
                    self._coming.append((self._steady() + later, write))
                raise OutcomeUnknown("memory: no answer came")
            receipt = self._taken(write)
            if self._lost:
                self._lost.pop(0)
                raise OutcomeUnknown("memory: no answer came")
            return receipt

    def _hand_on(self, write: Write) -> Receipt:
        """Somebody else carries it out, or no more."""
        self._called("apply")
        with self._lock:
            if write.operation is Operation.RECALL:
                self.handed.pop(write.key, None)
                self._recalled.add(write.key)
            elif write.key not in self._recalled:
                self.handed[write.key] = write
        return Receipt(id="")

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the protocol's word
        """What is in a file, in pieces."""
        self._supported(self._capabilities.of(Kind.ATTACHMENT).read, "attachments cannot be read")
        self._called("content")
        data = self.bytes_of(id)
        if data is None or id in self._hidden:
            raise Refused("memory: there is no such file", code="not-found")
        for place in range(0, len(data), _PIECE):
            yield data[place : place + _PIECE]

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """The lists that are declared, as ``list_code`` and ``unlist_code`` have left them."""
        self._supported(bool(self._capabilities.code_lists), "there are no code lists")
        self._called("code_lists")
        with self._lock:
            return {name: dict(self._lists[name]) for name in sorted(self._capabilities.code_lists)}

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

    def add(self, kind: Kind, native: Mapping[str, Any], *, content: bytes = b"") -> str:
        """A person enters a record, or a file with its content; returns its id."""
        with self._lock:
            self._land()
            if self._on_clients(kind):
                raise ValueError("what is due stands on a client here: edit it")
            id_ = f"{_PREFIX[kind]}{self._rev + 1}"
            row = _merged(_DEFAULTS[kind], native)
            if kind is Kind.ATTACHMENT:
                if self._capabilities.of(kind).hangs_on == {Kind.CLIENT}:
                    id_ = f"{row['client_id']}/{id_}"
                if self._clock is not None and row["made_at"] is None:
                    row["made_at"] = self._clock.now().isoformat()
                self._files[id_] = content
            self._put(kind, id_, row)
            return id_

    def edit(self, kind: Kind, id: str, native: Mapping[str, Any]) -> None:  # noqa: A002 - the protocol's word
        """A person changes a record. Raises ``KeyError`` where there is none."""
        with self._lock:
            self._land()
            if self._on_clients(kind):
                kind, native = Kind.CLIENT, {_DUE: {**_CARD, **self._rows[Kind.CLIENT][id].get(_DUE, {}), **native}}
            self._put(kind, id, _merged(self._rows[kind][id], native))

    def remove(self, kind: Kind, id: str) -> None:  # noqa: A002 - the protocol's word
        """A person deletes a record for good. Raises ``KeyError`` where there is none."""
        with self._lock:
            self._land()
            del self._rows[kind][id]
            self._files.pop(id, None)
            self._rev += 1
            self._note(kind, id)

    def merge(self, kind: Kind, source: str, into: str, *, gone: bool = False) -> None:
        """A person merges one client or pet into another: what belongs to it moves, and it ends.

        It ends inactive, or with ``gone`` is deleted. Raises ``KeyError`` where there is none of either.
        """
        with self._lock:
            self._land()
            if source == into:
                raise ValueError("a record is not merged into itself")
            _ = self._rows[kind][source], self._rows[kind][into]
            self._point(kind, source, into)
            if gone:
                self.remove(kind, source)
            else:
                self.edit(kind, source, {"active": False})

    def renumber(self, kind: Kind, id: str) -> str:  # noqa: A002 - the protocol's word
        """The record gets another id, as after a move to another server; what points to it follows. Returns the id.

        Raises ``KeyError`` where there is none.
        """
        with self._lock:
            self._land()
            new = self.add(kind, {**self._rows[kind][id], "id": None}, content=self._files.get(id, b""))
            self._point(kind, id, new)
            self.remove(kind, id)
            return new

    def reuse(self, kind: Kind, id: str, native: Mapping[str, Any]) -> None:  # noqa: A002 - the protocol's word
        """Another record is entered under the id of one that was removed. Raises ``KeyError`` for any other id."""
        with self._lock:
            self._land()
            if id in self._rows[kind] or id not in self._newest[kind]:
                raise KeyError(id)
            self._put(kind, id, _merged(_DEFAULTS[kind], native))

    def list_code(self, name: str, code: str, title: str) -> None:
        """A code list gets a code, or the code another title. Raises ``KeyError`` for a list that there is not."""
        with self._lock:
            self._lists[name][code] = title

    def unlist_code(self, name: str, code: str) -> None:
        """A code goes from a list. Raises ``KeyError`` where it does not stand there."""
        with self._lock:
            del self._lists[name][code]

    def row(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the protocol's word
        """A copy of one record as it stands, or None."""
        with self._lock:
            self._land()
            return self._shown(kind, self._rows[self._home(kind)].get(id))

    def rows(self, kind: Kind) -> list[Native]:
        """Copies of all records of a kind, oldest first."""
        with self._lock:
            self._land()
            return [self._shown(kind, row) for row in self._rows[self._home(kind)].values()]

    def bytes_of(self, id: str) -> bytes | None:  # noqa: A002 - the protocol's word
        """What is in a file, or None where there is none."""
        with self._lock:
            self._land()
            return self._files.get(id)

    # -- faults that pass

    def fail(self, error: VetBridgeError, times: int | None = None) -> None:
        """Lets the next ``times`` calls (None: all, until ``mend``) raise ``error``; nothing is done by them."""
        with self._lock:
            self._failure, self._failures_left = error, times

    def lose_answers(self, *, done: bool, times: int = 1) -> None:
        """Lets the next ``times`` writes end in ``OutcomeUnknown``, with or without effect; ``fail`` yields."""
        with self._lock:
            self._lost += [0.0 if done else _NEVER] * times

    def land_late(self, seconds: float, times: int = 1) -> None:
        """Lets the next ``times`` writes end in ``OutcomeUnknown`` and take effect ``seconds`` later.

        What the side would refuse by then takes no effect, and nobody hears of it. Needs a clock.
        """
        self._steady()
        if seconds <= 0:
            raise ValueError("a write lands late by more than 0 seconds; lose_answers(done=True) lands it at once")
        with self._lock:
            self._lost += [seconds] * times

    @property
    def under_way(self) -> int:
        """Writes that will still land."""
        with self._lock:
            self._land()
            return len(self._coming)

    def mend(self) -> None:
        """Ends every fault that passes; what is under way still lands."""
        with self._lock:
            self._failure, self._failures_left, self._lost = None, 0, []

    # -- how the side is

    def lag(self, seconds: float) -> None:
        """Lets ``changes``, ``search`` and ``look`` show the side as it was ``seconds`` ago; ``get`` shows it now.

        Needs a clock.
        """
        self._steady()
        with self._lock:
            self._lag = seconds

    def follow(self, seconds: float) -> None:
        """Lets ``get``, too, show the side as it was ``seconds`` ago, and writes answer nothing but an id: reads come
        from a copy that follows. Honest only where ``shown_within`` says so. Needs a clock."""
        self.lag(seconds)
        with self._lock:
            self._follows = bool(seconds)

    def skew(self, seconds: float) -> None:
        """Sets the side's own clock so far before the true one, behind it where negative. Needs a clock.

        It shows in the versions and cursors of ``whole_seconds`` alone.
        """
        self._steady()
        with self._lock:
            self._skew = seconds

    def hide(self, ids: Iterable[str]) -> None:
        """Takes away the rights to see these records, and gives back all others: ``hide(())`` shows everything.

        Nothing of the protocol shows what is hidden, tells that it went, or can write it.
        """
        with self._lock:
            self._hidden = set(ids)

    # -- inside

    def _on_clients(self, kind: Kind) -> bool:
        """What is due is no record of its own here."""
        return kind is Kind.REMINDER and self._capabilities.side == "booking"

    def _home(self, kind: Kind) -> Kind:
        """The kind whose rows hold the records of ``kind``."""
        return Kind.CLIENT if self._on_clients(kind) else kind

    @overload
    def _shown(self, kind: Kind, row: None) -> None: ...
    @overload
    def _shown(self, kind: Kind, row: Native) -> Native: ...
    def _shown(self, kind: Kind, row: Native | None) -> Native | None:
        """A copy of a row as a record of its kind."""
        if row is None:
            return None
        if self._on_clients(kind):
            return {**_CARD, **row.get(_DUE, {}), "id": row["id"], "client_id": row["id"], "rev": row["rev"]}
        return {name: copy.deepcopy(value) for name, value in row.items() if name != _DUE}

    def _called(self, method: str) -> None:
        with self._lock:
            self.calls[method] += 1
            self._land()
            if self._failure is None or self._failures_left == 0:
                return
            if self._failures_left is not None:
                self._failures_left -= 1
            raise self._failure

    def _steady(self) -> float:
        if self._clock is None:
            raise ValueError("this memory side has no clock: give it one when it is made")
        return self._clock.steady()

    def _version(self) -> int:
        """Of what is done now."""
        if not self._whole_seconds or self._clock is None:
            return self._rev
        return int(self._clock.now().timestamp() + self._skew)

    def _put(self, kind: Kind, id_: str, row: Native) -> None:
        self._rev += 1
        self._rows[kind][id_] = {**row, "id": id_, "rev": self._version()}
        self._note(kind, id_)

    def _note(self, kind: Kind, id_: str) -> None:
        at = 0.0 if self._clock is None else self._clock.steady()
        entry = _Entry(kind, id_, self._rows[kind].get(id_), self._version(), self._rev, at)
        self._newest[kind][id_] = entry
        if self._clock is not None:
            self._log.append(entry)

    def _point(self, kind: Kind, old: str, new: str) -> None:
        """Lets everything that belongs to one record belong to another."""
        places = {
            Kind.CLIENT: ((Kind.PET, "owner"), (Kind.APPOINTMENT, "owner"), (Kind.ATTACHMENT, "client_id")),
            Kind.PET: (
                (Kind.APPOINTMENT, "pet"),
                *((of, "pet_id") for of in (Kind.ATTACHMENT, Kind.REMINDER, Kind.VACCINATION)),
            ),
        }
        for of, name in places.get(kind, ()):
            for id_ in [id_ for id_, row in self._rows[of].items() if row[name] == old]:
                self.edit(of, id_, {name: new})

    def _land(self) -> None:
        """Lets those writes take effect that are due."""
        while self._coming:
            due, write = min(self._coming, key=lambda each: each[0])
            if due > self._steady():
                return
            self._coming.remove((due, write))
            with suppress(VetBridgeError):
                self._taken(write)

    def _taken(self, write: Write) -> Receipt:
        """What the side answers to a write. With an idempotency key it was answered once at most."""
        can = self._capabilities.of(write.kind)
        level = can.create if write.operation is Operation.CREATE else can.changed
        keyed = level is ExactlyOnce.IDEMPOTENCY_KEY and write.key != ""
        if keyed and write.key in self._answered:
            first, receipt = self._answered[write.key]
            if replace(first, version=write.version) != write:
                raise Refused("memory: this idempotency key belongs to another write")
            return copy.deepcopy(receipt)
        id_ = self._done(write)
        self.written.append(write)
        receipt = Receipt(id=id_, native=None if self._follows else self._told(self.row(write.kind, id_)))
        if keyed:
            self._answered[write.key] = (copy.deepcopy(write), copy.deepcopy(receipt))
        return receipt

    def _seen(self, kind: Kind) -> Iterable[_Entry]:
        """What a list shows: the last entry of every record that is not hidden."""
        kind = self._home(kind)
        seen = self._newest[kind]
        if self._lag:
            until = self._steady() - self._lag
            seen = {each.id: each for each in self._log if each.kind is kind and each.at <= until}
        return [each for each in seen.values() if each.id not in self._hidden]

    def _listed(self, kind: Kind, since: int | None) -> list[_Entry]:
        """What is told of the records that changed since a version (None: of all), in their order.

        Times in whole seconds are asked for from that second on, or what happens later in it would be missed.
        """
        deletions = self._capabilities.of(kind).deletions_visible
        first = 0 if since is None else since if self._whole_seconds else since + 1
        listed = [
            each
            for each in self._seen(kind)
            if (since is None or each.version >= first) and (deletions or each.row is not None)
        ]
        return sorted(listed, key=lambda each: each.order)

    def _supported(self, allowed: bool, words: str) -> None:
        if not allowed:
            raise Refused(f"memory: {words}", code="not-supported")

    def _matching(self, kind: Kind, fits: Callable[[Native], bool]) -> Iterator[Native]:
        with self._lock:
            if not self._lag:
                rows = [row for row in self.rows(kind) if row["id"] not in self._hidden]
            else:
                rows = [self._shown(kind, each.row) for each in self._seen(kind) if each.row is not None]
        return iter([self._told(row) for row in rows if fits(row)])

    def _told(self, row: Native | None) -> Any:
        """A row as the protocol answers it."""
        return None if row is None else {self.renamed.get(name, name): value for name, value in row.items()}

    def _done(self, write: Write) -> str:
        kind = write.kind
        if write.operation is Operation.CREATE:
            native = self._checked(write, {})
            content = write.content.data if isinstance(write.content, _File) else b""
            return self.add(kind, {**native, "ref": write.stamp} if write.stamp else native, content=content)
        if write.operation is Operation.LOG:
            return self._noted(write.native)
        row = self.row(kind, write.id or "")
        if row is None or write.id is None or write.id in self._hidden:
            raise Refused(f"memory: there is no {kind} {write.id!r}")
        conditional = self._capabilities.of(kind).changed is ExactlyOnce.CONDITIONAL
        if conditional and write.version not in (None, str(row["rev"])):
            raise Stale(f"memory: this {kind} is not the one any more that the write was decided on")
        if write.operation is Operation.NOTIFY:
            self._sent(write.id, write.native)
        elif write.operation is Operation.CANCEL:
            self.edit(kind, write.id, {"state": _CANCELLED, "cancelled": dict(write.native)})
        else:
            self.edit(kind, write.id, self._checked(write, row))
        return write.id

    def _checked(self, write: Write, before: Native) -> Native:
        """The payload, where the record that it makes can stand. Raises ``Refused`` or ``SlotTaken``."""
        kind, native = write.kind, self._kept(write)
        fields = _CARD if self._on_clients(kind) else _DEFAULTS[kind]
        unknown = sorted(set(native) - set(fields))
        if unknown:
            raise Refused(f"memory: a {kind} has no field {', '.join(unknown)}")
        row = _merged(before or fields, native)
        if kind is Kind.ATTACHMENT:
            self._hung(row)
        if not before and any(not row.get(_NEEDED.get(name, name)) for name in self._capabilities.of(kind).needs):
            raise Refused(f"memory: a {kind} needs {', '.join(sorted(self._capabilities.of(kind).needs))}")
        if kind not in (Kind.PET, Kind.APPOINTMENT):
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

    def _hung(self, row: Native) -> None:
        """Refuses a file that hangs on nothing, or on what no file can hang on here."""
        on = {kind: row[name] for kind, name in _HANGS_ON.items() if row[name] is not None}
        hangs_on = self._capabilities.of(Kind.ATTACHMENT).hangs_on
        self._supported(bool(on) and on.keys() <= hangs_on, f"a file hangs on {' or '.join(sorted(hangs_on))}")
        if any(id_ not in self._rows[kind] for kind, id_ in on.items()):
            raise Refused("memory: what this file hangs on does not exist")

    def _fitting(self, content: Content) -> None:
        """Refuses a file that the side does not take, before a byte of it is read."""
        can = self._capabilities.of(Kind.ATTACHMENT)
        if can.largest is not None and content.size >= can.largest:
            raise Refused(f"memory: a file must have fewer than {can.largest} bytes", code="too-large")
        self._supported(
            not can.file_types or content.name.rpartition(".")[2].casefold() in can.file_types,
            f"a file must be one of {', '.join(sorted(can.file_types))}",
        )

    def _sent(self, id_: str, native: Native) -> None:
        """Sends a message to a client."""
        if self._rows[Kind.CLIENT][id_]["silent"]:
            raise Refused("memory: this client wants no messages", code="opted-out")
        if not isinstance(native.get("text"), str) or not native["text"]:
            raise Refused("memory: a message needs a text")
        self.messages.append((id_, native["text"]))

    def _noted(self, native: Native) -> str:
        """Writes a line into the log of a client; the client's id."""
        client, pet = native.get("client_id"), native.get("pet_id")
        if client not in self._rows[Kind.CLIENT] or (pet is not None and pet not in self._rows[Kind.PET]):
            raise Refused("memory: the log is of a client who is there")
        if not isinstance(native.get("text"), str) or not native["text"]:
            raise Refused("memory: a line of the log needs a text")
        self.logged.append(dict(native))
        return str(client)

    def _kept(self, write: Write) -> Native:
        """A payload with its texts as this side keeps them: cut to their limits, and names in its own case."""
        kind, kept = write.kind, copy.deepcopy(write.native)
        if write.content is not None:
            kept = {"name": write.content.name, **kept}
        limits = self._capabilities.of(kind).text_limits
        for name, (*folders, last) in _TEXTS[kind].items():
            place: Any = kept
            for folder in folders:
                place = place.get(folder) if isinstance(place, dict) else None
            text = place.get(last) if isinstance(place, dict) else None
            if not isinstance(text, str):
                continue
            cased = self.recase and name in _NAMES and kind in (Kind.CLIENT, Kind.PET)
            text = text.upper() if cased else text
            place[last] = text[: limits.get(name)]
        return kept


def by_hand(capabilities: Capabilities) -> Capabilities:
    """The same side, but that people write what is to be written there: visits by the work list, and who is new."""
    visits = redeclared(
        capabilities,
        Kind.APPOINTMENT,
        create=ExactlyOnce.IDEMPOTENCY_KEY,
        update=frozenset({"start", "duration", "appointment_type", "resource"}),
        unlinked=Unlinked.YES,
        relink=Relink.NO,
        handed=frozenset({Operation.CREATE, Operation.UPDATE, Operation.CANCEL}),
    )
    for kind in visits.kinds:
        if kind is not Kind.APPOINTMENT:
            visits = redeclared(visits, kind, create=None, update=frozenset())
    return visits


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
    if not (cursor.isascii() and cursor.isdecimal()) or len(cursor) > 18:
        raise BadAnswer("memory: the cursor is none of this side's")
    return int(cursor)


def _place(mark: str | None) -> tuple[int, int] | None:
    """Where a walk is taken up: a place in the order, and the cursor there. None: at the beginning."""
    parts = (mark or "").split(" ")
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        return None
    return int(parts[0]), int(parts[1])


def _moment(key: str, text: str) -> datetime:
    try:
        return Instant.parse(text, "UTC").utc
    except (ValueError, OverflowError):
        raise Refused(f"memory: {key} must be a time with an offset", code="bad-query") from None


def _span(row: Native) -> tuple[datetime, datetime]:
    begin = datetime.fromisoformat(row["start"])
    return begin, begin + timedelta(seconds=row["seconds"])
