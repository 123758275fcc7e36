"""How far a walk through a listing has come: where it can be taken up, and from when on the next one asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from connectors.ezyvet import wire
from connectors.ezyvet.door import Place, Stretch
from vetbridge.connector.interface import Native
from vetbridge.connector.mark import WalkMark

AHEAD = 300
"""Seconds by which ezyVet's clock may be ahead of ours: a later moment is no cursor, it would hide changes."""


class Mark(WalkMark):
    """Where a walk can be taken up, and what it knew there."""

    place: Place = Place()
    left_out: int = 0
    """Rows that are not told."""
    begun: int | None = None
    """ezyVet's time when the walk began."""
    greatest: int = 0
    whole: bool = True
    first: bool = True
    """Nothing was read yet."""


class Cursor:
    """The moment up to which everything was seen once a walk is through; moments after ``latest`` do not count."""

    def __init__(
        self,
        bound: int,
        *,
        latest: int,
        begin: Mark | None = None,
        needed: Mapping[str, tuple[str, ...]] = wire.NEEDED,
    ) -> None:
        begin = begin or Mark()
        self._needed = needed
        self._bound = bound
        self._latest = latest
        self._first = begin.first
        self._begun = begin.begun
        self._greatest = max(bound, begin.greatest)
        self._whole = begin.whole

    def saw(self, page: Stretch, resource: str) -> None:
        """Takes note of a page. One with a row that lacks fields is read again."""
        if self._first and page.told_at is not None and page.told_at <= self._latest:
            self._begun = page.told_at
        self._first = False
        self._whole = self._whole and (page.complete or not page.last)
        self.joined(page.rows, resource)
        stamps = [wire.whole(row.get("modified_at")) or 0 for row in page.rows]
        self._greatest = max([self._greatest, *(stamp for stamp in stamps if stamp <= self._latest)])

    def joined(self, rows: Iterable[Native], resource: str) -> None:
        """Takes note of rows that belong to what was seen."""
        needed = self._needed.get(resource, ())
        self._whole = self._whole and not any(name not in row for row in rows for name in needed)

    def mark(self, place: Place, left_out: int) -> Mark:
        """What is known now, as the mark of the page that comes next."""
        return Mark(
            place=place,
            left_out=left_out,
            begun=self._begun,
            greatest=self._greatest,
            whole=self._whole,
            first=self._first,
        )

    def text(self, *, last: bool) -> str:
        """The cursor after this page: the old bound until the last, as nothing is known about the order of rows, and
        after a walk that did not bring all rows."""
        if not last or not self._whole:
            return str(self._bound)
        return str(self._greatest if self._begun is None else max(self._bound, self._begun))
