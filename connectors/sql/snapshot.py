"""What the rows of one kind were when they were last read: by it a reading tells what changed, and what is gone.

In memory, for this process: after a restart the first reading tells everything. Any number of readings may go on at
once, each with a cursor of its own: an entry says when it last changed and which reading saw that, so that no reading
is told twice what it told itself, and none misses what another one saw.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vetbridge.connector.mark import WalkMark


class Mark(WalkMark):
    """Where a walk stands: behind which key. ``walk`` and ``start`` are those of its cursor."""

    process: str = ""
    walk: int = 0
    start: int = 0
    after: str | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    digest: str
    tick: int
    """When it last changed."""
    walk: int
    """Which walk saw that."""
    gone: bool = False


@dataclass(slots=True)
class Walk:
    """One reading from end to end."""

    number: int
    start: int
    """What was known when it began."""
    since: tuple[int, int] | None
    """Tick and walk of the cursor that it began with; None: everything is told."""
    seen: set[str] = field(default_factory=set)
    whole: bool = True
    """It began at the beginning."""
    changed: int = 0
    """Rows that were known, and are told since they are others now."""


class Snapshot:
    """The rows of one kind. Safe to be used by several threads."""

    def __init__(self) -> None:
        self._process = uuid.uuid4().hex[:12]
        self._entries: dict[str, _Entry] = {}
        self._tick = 0
        self._walks = 0
        self._lock = threading.Lock()

    @property
    def known(self) -> int:
        """Rows that were there when they were last read."""
        with self._lock:
            return sum(not entry.gone for entry in self._entries.values())

    def begin(self, cursor: str | None, mark: Mark) -> Walk:
        """A walk from a cursor, or from the mark of one that was cut off."""
        with self._lock:
            since = self._since(cursor)
            if mark.after is not None and mark.process == self._process:
                return Walk(mark.walk, mark.start, since, whole=False)
            self._walks += 1
            return Walk(self._walks, self._tick, since, whole=mark.after is None)

    def cursor(self, walk: Walk) -> str:
        """The cursor behind a walk that came to its end."""
        return f"{self._process}.{walk.start}.{walk.number}"

    def mark(self, walk: Walk, after: str | None) -> str | None:
        """Where the walk goes on behind a key."""
        if walk.since is not None:
            return None
        return Mark(process=self._process, walk=walk.number, start=walk.start, after=after).text

    def saw(self, walk: Walk, digests: Mapping[str, str]) -> set[str]:
        """Notes rows as they are now; returns the keys of those that the walk is to tell."""
        told = set()
        with self._lock:
            self._tick += 1
            for key, digest in digests.items():
                walk.seen.add(key)
                old = self._entries.get(key)
                if old is None or old.digest != digest or old.gone:
                    self._entries[key] = _Entry(digest, self._tick, walk.number)
                entry = self._entries[key]
                if walk.since is None or (entry.tick > walk.since[0] and entry.walk != walk.since[1]):
                    told.add(key)
                    walk.changed += old is not None and walk.since is not None
        return told

    def missing(self, walk: Walk) -> set[str]:
        """Keys that were known when a walk began, and that it did not see."""
        if not walk.whole:
            return set()
        with self._lock:
            return {
                key
                for key, entry in self._entries.items()
                if not entry.gone and entry.tick <= walk.start and key not in walk.seen
            }

    def drop(self, walk: Walk, keys: Iterable[str], *, gone: bool) -> None:
        """Notes that rows are no longer listed: they are gone, or only moved out of the window."""
        with self._lock:
            self._tick += 1
            for key in keys:
                if gone:
                    self._entries[key] = _Entry("", self._tick, walk.number, gone=True)
                else:
                    self._entries.pop(key, None)

    def told_gone(self, walk: Walk) -> list[str]:
        """Keys of rows that went since the walk's cursor."""
        if walk.since is None:
            return []
        tick, number = walk.since
        with self._lock:
            return [
                key
                for key, entry in self._entries.items()
                if entry.gone and entry.tick > tick and entry.walk != number
            ]

    def _since(self, cursor: str | None) -> tuple[int, int] | None:
        """The place of a cursor of this process; None for any other: then everything is told."""
        process, _, rest = (cursor or "").partition(".")
        tick, _, number = rest.partition(".")
        both = (tick, number)
        if process != self._process or not all(
            each.isascii() and each.isdecimal() and len(each) < 19 for each in both
        ):
            return None
        return int(tick), int(number)
