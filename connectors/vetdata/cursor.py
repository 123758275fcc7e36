"""How far the feed was read: where a walk can be taken up, from when on the next one asks, and what it saw."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from connectors.vetdata import wire
from vetbridge.connector.interface import Native
from vetbridge.connector.mark import WalkMark
from vetbridge.connector.odata import Place
from vetbridge.core.records import Kind


class Cursor(BaseModel):
    """Up to which of its own dates each entity of the feed was seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seen: Mapping[str, datetime] = {}
    made: str = ""
    """Of the options that records were made by: with others all are made anew."""
    walk: str = ""
    """Another one for each walk: whoever comes back with it has kept what that walk told."""


class Mark(WalkMark):
    """Where a walk can be taken up, and what it knew there."""

    place: Place = Place()
    begun: datetime | None = None
    newest: Mapping[str, datetime] = {}
    left_out: int = 0
    """Rows that are not told."""
    whole: bool = True
    """No row lacked a field."""
    walk: str = ""


Rows = Mapping[tuple[str, str], bytes]
"""Digests of rows, by entity and the feed's own key."""


@dataclass(slots=True)
class Walk:
    """What one walk has seen so far. Dates after ``begun`` are none that the next one may begin at: what is shown
    late was changed before."""

    name: str
    begun: datetime | None
    newest: dict[str, datetime]
    left_out: int = 0
    whole: bool = True
    rows: dict[tuple[str, str], tuple[datetime | None, bytes]] = field(default_factory=dict)
    """Their newest dates and digests, by entity and the feed's own key."""

    def is_news(self, entity: str, row: Native, kept: Rows) -> bool:
        """Whether a row is there otherwise than the walk before saw it, and than this one did beside another."""
        name = (entity, str(wire.feed_id(row)))
        return wire.digest(row) not in (kept.get(name), self.rows.get(name, (None, None))[1])

    def again(self, overlap: timedelta) -> Rows:
        """The rows that the next walk will see again."""
        begin = {entity: newest - overlap for entity, newest in self.newest.items()}
        return {
            name: digest
            for name, (stamp, digest) in self.rows.items()
            if stamp is not None and stamp >= begin.get(name[0], stamp)
        }

    def saw(self, entity: str, rows: Iterable[Native]) -> None:
        """Takes note of rows."""
        begun = self.begun or datetime.min  # noqa: DTZ901 - the feed's moments have no offset
        for row in rows:
            stamp = wire.stamp(row)
            self.rows[entity, str(wire.feed_id(row))] = (stamp, wire.digest(row))
            if stamp is not None and stamp <= begun:
                self.newest[entity] = max(stamp, self.newest.get(entity, stamp))


class Memory:
    """The rows that the last walk of each kind saw, for whoever comes back with its cursor: a look back shows most of
    them unchanged, and what was kept needs not be told again. After a restart there is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Kind, tuple[str, Rows]] = {}

    def of(self, kind: Kind, cursor: str) -> Rows:
        """Those of the walk that ended with this cursor; none of another one."""
        with self._lock:
            end, rows = self._kept.get(kind, ("", {}))
        return rows if end == cursor else {}

    def keep(self, kind: Kind, cursor: str, rows: Rows) -> None:
        """A walk has ended."""
        with self._lock:
            self._kept[kind] = (cursor, rows)
