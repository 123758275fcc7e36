"""The connector ``files``: records that come as files in a folder, and writes that are handed on.

The side is a practice system that nobody can ask: what is known is what its last files said. Reads answer from the
state that is kept of them; ``changes`` takes in what lies in ``in`` first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import NoReturn

from connectors.files.check import check
from connectors.files.inbox import STATE, Inbox
from connectors.files.options import CHANGEABLE, FilesOptions, capabilities
from connectors.files.outbox import Outbox
from connectors.files.profile import CODE_LISTS, FilesProfile
from connectors.files.shelf import Shelf, State
from vetbridge.connector.interface import (
    Capabilities,
    CheckReport,
    Found,
    Hint,
    HookRequest,
    Native,
    Operation,
    Page,
    Receipt,
    Write,
)
from vetbridge.connector.plugin import Environment
from vetbridge.connector.profiles import load_profile
from vetbridge.connector.rows.reading import DELETED
from vetbridge.core import normalise
from vetbridge.core.errors import Refused, Unavailable
from vetbridge.core.instants import Instant
from vetbridge.core.records import Kind

NEEDED = (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)
"""Kinds that are not there before a first file has come; of others a site may have none."""
LONGEST_WAIT = 60.0
"""Seconds for which one who asks is kept waiting for files to stand still."""


def build(options: FilesOptions, environment: Environment) -> Files:
    """The connector of one account. Raises ``ConfigError`` where its profile cannot be used."""
    return Files(load_profile(FilesProfile, options.profile, "files"), options, environment)


class Files:
    """One folder. Safe to be used by several threads."""

    def __init__(self, profile: FilesProfile, options: FilesOptions, environment: Environment) -> None:
        self._profile = profile
        self._options = options
        self._account = environment.account
        self._zone = environment.zone
        self._country = environment.country
        self._clock = environment.clock
        self._capabilities = capabilities(profile, options, environment.kinds)
        self._lock = threading.RLock()
        self._shelves = {kind: Shelf(options.folder / STATE, kind) for kind in self._capabilities.kinds}
        self._inbox = Inbox(profile, options, environment, self._shelves)
        titles = profile.screen.get(Kind.APPOINTMENT, {})
        self._outbox = Outbox(options.folder, options.out, titles, environment.zone)
        self._indexed: dict[str, tuple[State, Mapping[str, frozenset[str]]]] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What this account can do."""
        return self._capabilities

    def close(self) -> None:
        """Nothing is held open."""

    def check(self) -> CheckReport:
        """Looks at the folder, its rights, and the last file of each kind; takes in nothing."""
        with self._lock:
            return check(self._inbox, self._shelves, self._profile, self._options, self._clock)

    # -- reading

    def changes(self, kind: Kind, since: str | None, *, mark: str | None = None) -> Iterator[Page]:
        """What changed since a cursor, in pages, after what lies in ``in`` was taken in.

        The cursor is the state's epoch and a generation, which counts the files that said something new. One of
        another epoch, or that cannot be read, begins at the beginning. There are no marks: a walk costs nothing.
        """
        self._known(kind)
        with self._lock:
            self._inbox.take()
            state = self._state(kind)
        return self._pages(state, _generation(state, since))

    def get(self, kind: Kind, id: str) -> Native | None:  # noqa: A002 - the field's word
        """The record as the last file that spoke of it said; None where it is not known, or is gone."""
        self._known(kind)
        entry = self._read(kind).entries.get(id)
        return _copied(entry.native) if entry is not None and entry.native is not None else None

    def search(self, kind: Kind, query: Mapping[str, str]) -> Iterator[Native]:
        """Records by the declared keys, several ANDed.

        Clients: ``phone`` (any form), ``email``. Pets: ``client_id``. Appointments: ``client_id``, ``pet_id``, and
        those that begin at ``start_from`` or later and before ``start_before``, both ISO 8601 with an offset (a time
        that is none is ``Refused`` with code ``bad-query``); cancelled ones are found too.
        """
        self._known(kind)
        unknown = sorted(set(query) - self._capabilities.of(kind).search)
        if unknown or not query:
            self._unsupported(f"search for {kind} by {', '.join(unknown) or 'nothing'}")
        window = {key: self._moment(key, query[key]) for key in ("start_from", "start_before") if key in query}
        state = self._read(kind)
        ids: frozenset[str] | None = None
        for key, value in query.items():
            if key not in window:
                found = self._found(kind, state, key, value)
                ids = found if ids is None else ids & found
        natives = (native for id_, native in state.records if ids is None or id_ in ids)
        return iter([_copied(native) for native in natives if not window or self._is_within(native, window)])

    def look(self, write: Write) -> Iterator[Native]:
        """Visits that bear the stamp of a write in their notes."""
        self._declared(write.kind, Operation.CREATE)
        records = self._read(write.kind).records if write.stamp else ()
        return iter([_copied(native) for _, native in records if write.stamp in str(native.get("notes", ""))])

    def code_lists(self) -> Mapping[str, Mapping[str, str]]:
        """The codes that records have borne, and those that the profile names: files have no lists of their own.

        A code that no record has borne yet is not known. ``status`` has the connector's own word for a deleted visit.
        Before the first files were taken in, it waits until those that lie there have stood still: whoever asks once
        sees what was put there just now, too.
        """
        if not self._capabilities.code_lists:
            self._unsupported("questions for code lists")
        with self._lock:
            self._inbox.take()
            begun = all(self._shelves[kind].read().taken.name for kind in NEEDED if kind in self._shelves)
        if not begun and self._inbox.waiting()[0]:
            self._clock.wait(min(self._options.settle, LONGEST_WAIT))
            with self._lock:
                self._inbox.take()
        lists: dict[str, Mapping[str, str]] = {}
        for name in sorted(self._capabilities.code_lists):
            kind, field = CODE_LISTS[name]
            told = dict(self._profile.codes.get(name, {}))
            if name == "status":
                told.setdefault(DELETED, "deleted")
            for code in sorted(self._read(kind).codes.get(field, ())):
                told.setdefault(code, code)
            lists[name] = told
        return lists

    def content(self, id: str) -> Iterator[bytes]:  # noqa: A002 - the field's word
        """Files bring no attachments."""
        self._unsupported("questions for attachments")

    def hints(self, request: HookRequest) -> tuple[Hint, ...]:
        """Nobody calls."""
        self._unsupported("webhooks")

    # -- writing

    def apply(self, write: Write) -> Receipt:
        """Hands a write on, or takes it back: a file in ``out`` where the account wants one, else nothing."""
        self._declared(write.kind, write.operation)
        if write.operation is Operation.UPDATE and (unknown := sorted(write.native.keys() - CHANGEABLE)):
            self._unsupported(f"{write.operation} of {', '.join(unknown)} of {write.kind}")
        if self._options.out == "none":
            return Receipt(id="")
        with self._lock:
            self._inbox.prepare()
            known = self._shelves[write.kind].read().entries.get(write.id or "")
            record = {**(known.native or {} if known else {}), **write.native}
            try:
                if write.operation is Operation.RECALL:
                    self._outbox.recall(write, record)
                else:
                    self._outbox.put(write, record)
            except OSError as error:
                raise self._inbox.unavailable(error) from None
        return Receipt(id="")

    # -- inside

    def _state(self, kind: Kind) -> State:
        state = self._shelves[kind].read()
        if kind in NEEDED and not state.taken.name:
            self._inbox.require_folder()
            patterns = " or ".join(self._profile.kinds[kind].files)
            raise Unavailable(
                f"{self._account}: no file of {kind.value}s has been taken in yet; put one called {patterns} into "
                f"{self._options.folder / 'in'}"
            )
        return state

    def _read(self, kind: Kind) -> State:
        with self._lock:
            return self._state(kind)

    def _pages(self, state: State, since: int) -> Iterator[Page]:
        told = sorted(
            ((entry.generation, id_, entry.native) for id_, entry in state.entries.items()
             if entry.generation > since and (since or entry.native is not None)),
            key=lambda each: each[:2],
        )  # fmt: skip
        total = None if since else len(told)
        size = self._options.page_size
        for begin in range(0, max(len(told), 1), size):
            rest = told[begin + size :]
            reached = rest[0][0] - 1 if rest else state.generation
            yield Page(
                records=tuple(
                    Found(id=id_, native=None if native is None else _copied(native), deleted=native is None)
                    for _, id_, native in told[begin : begin + size]
                ),
                cursor=f"{state.epoch}.{reached}",
                last=not rest,
                total=total,
            )

    def _found(self, kind: Kind, state: State, key: str, value: str) -> frozenset[str]:
        """Ids of the records that bear a value."""
        if key == "phone":
            return self._by(kind, state, key, self._phones).get(normalise.phone(value, self._country) or "", _NOBODY)
        if key == "email":
            return self._by(kind, state, key, _emails).get(normalise.email(value) or "", _NOBODY)
        return self._by(kind, state, key, lambda native: {str(native.get(key, ""))}).get(value, _NOBODY)

    def _by(
        self, kind: Kind, state: State, key: str, values: Callable[[Native], set[str]]
    ) -> Mapping[str, frozenset[str]]:
        """Ids by value; made once for each state."""
        with self._lock:
            known, index = self._indexed.get(f"{kind}.{key}", (None, {}))
            if known is not state:
                found: dict[str, set[str]] = {}
                for id_, native in state.records:
                    for value in values(native):
                        found.setdefault(value, set()).add(id_)
                index = {value: frozenset(ids) for value, ids in found.items()}
                self._indexed[f"{kind}.{key}"] = state, index
            return index

    def _phones(self, native: Native) -> set[str]:
        return {each for text in native.get("phones", ()) for each in normalise.phones(text, self._country)}

    def _is_within(self, native: Native, window: Mapping[str, datetime]) -> bool:
        start = _begins(str(native.get("start", "")), self._zone)
        return start is not None and window.get("start_from", start) <= start and (
            "start_before" not in window or start < window["start_before"]
        )  # fmt: skip

    def _moment(self, key: str, text: str) -> datetime:
        try:
            return Instant.parse(text, "UTC").utc
        except (ValueError, OverflowError):
            raise Refused(f"{self._account}: {key} must be a time with an offset", code="bad-query") from None

    def _known(self, kind: Kind) -> None:
        if not self._capabilities.of(kind).read:
            self._unsupported(f"questions for {kind}")

    def _declared(self, kind: Kind, operation: Operation) -> None:
        can = self._capabilities.of(kind)
        if operation not in can.handed and not (operation is Operation.RECALL and can.handed):
            self._unsupported(f"{operation} of {kind}")

    def _unsupported(self, what: str) -> NoReturn:
        raise Refused(f"{self._account}: files in a folder take no {what}", code="not-supported")


_NOBODY: frozenset[str] = frozenset()


def _generation(state: State, cursor: str | None) -> int:
    """The generation that a cursor stands at; 0, from the beginning, where it is not this state's."""
    epoch, _, number = (cursor or "").partition(".")
    if epoch != state.epoch or not number.isascii() or not number.isdecimal() or len(number) > 15:
        return 0
    generation = int(number)
    return generation if state.forgotten <= generation <= state.generation else 0


def _copied(native: Native) -> Native:
    return {name: list(value) if isinstance(value, list) else value for name, value in native.items()}


def _emails(native: Native) -> set[str]:
    return {each for text in native.get("emails", ()) for each in normalise.emails(text)}


@lru_cache(maxsize=100_000)
def _begins(start: str, zone: str) -> datetime | None:
    """The moment of a wall time; None where it is none."""
    try:
        return Instant.from_local(datetime.fromisoformat(start), zone).utc
    except (ValueError, OverflowError):
        return None
