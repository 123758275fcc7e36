"""OData, the query language of vendors' feeds: what is asked, and lists that are read page by page.

Version 3 and version 4 differ in how they write a moment, a GUID, a count and the next page; nothing else of them is
used here (OData Version 3.0 and Version 4.0, "URL Conventions" and "JSON Format"). What a vendor's service has of
them, its sheet says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from vetbridge.connector import paging
from vetbridge.connector.http import Answer
from vetbridge.connector.interface import Native
from vetbridge.connector.paging import MOST_PAGES, WALKS, told_at
from vetbridge.core.errors import BadAnswer

LONGEST_LINK = 16 * 1024
"""Characters of the address of a next page."""

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}(?:/[A-Za-z_][A-Za-z0-9_]{0,127}){0,3}")

Value = str | int | bool | datetime | date | UUID | None
"""What a field is compared with."""


class Dialect(StrEnum):
    """The version of OData that a service speaks."""

    V3 = "v3"
    V4 = "v4"

    @property
    def counting(self) -> tuple[str, str]:
        """The option that asks for the total, with its value."""
        return ("$inlinecount", "allpages") if self is Dialect.V3 else ("$count", "true")

    def note(self, name: str) -> str:
        """What a member about the answer itself is called: ``count`` is ``odata.count`` or ``@odata.count``."""
        return f"odata.{name}" if self is Dialect.V3 else f"@odata.{name}"

    def literal(self, value: Value) -> str:
        """A value as a filter has it.

        A moment of version 3 has no offset: one that has is written in UTC. Raises ``ValueError`` for a moment of
        version 4 without an offset.
        """
        match value:
            case None:
                return "null"
            case bool():
                return "true" if value else "false"
            case int():
                return str(value)
            case str():
                return "'" + value.replace("'", "''") + "'"
            case UUID():
                return f"guid'{value}'" if self is Dialect.V3 else str(value)
            case datetime() if self is Dialect.V3:
                plain = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
                return f"datetime'{plain.isoformat()}'"
            case datetime():
                if value.tzinfo is None:
                    raise ValueError("a moment of OData version 4 needs an offset")
                return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
            case date():
                return f"datetime'{value}T00:00:00'" if self is Dialect.V3 else str(value)

    def equals(self, field: str, value: Value) -> str:
        """A condition; as the others, raises ``ValueError`` for a name that no field can have."""
        return self._compared(field, "eq", value)

    def differs(self, field: str, value: Value) -> str:
        """Not equal; with None: there is a value."""
        return self._compared(field, "ne", value)

    def at_least(self, field: str, value: Value) -> str:
        """At or after a moment, or not less than a number."""
        return self._compared(field, "ge", value)

    def below(self, field: str, value: Value) -> str:
        """Before a moment, or less than a number."""
        return self._compared(field, "lt", value)

    def one_of(self, field: str, values: Iterable[Value]) -> str:
        """Equal to one of some values."""
        return any_of(*(self.equals(field, value) for value in values))

    def _compared(self, field: str, operator: str, value: Value) -> str:
        if not is_field(field):
            raise ValueError("no field can be called so")
        return f"{field} {operator} {self.literal(value)}"


def is_field(name: str) -> bool:
    """Whether a field, or a field at a path through others, can be called so."""
    return _FIELD.fullmatch(name) is not None


def all_of(*conditions: str) -> str:
    """Conditions that all hold; empty ones are left out."""
    return _joined(" and ", conditions)


def any_of(*conditions: str) -> str:
    """Conditions of which one holds; empty ones are left out."""
    return _joined(" or ", conditions)


def _joined(word: str, conditions: Sequence[str]) -> str:
    some = [each for each in conditions if each]
    return some[0] if len(some) == 1 else word.join(f"({each})" for each in some)


def moment(told: Any) -> datetime | None:
    """A moment as rows have it, with an offset only where one is told; None where it is none."""
    if not isinstance(told, str) or len(told) > 40:
        return None
    try:
        return datetime.fromisoformat(told)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked of one entity set."""

    path: str
    """Of the entity set, below the account's address: ``/v2/Clients``."""
    where: str = ""
    """A condition, made by a ``Dialect``; empty: all rows."""
    order: str = ""
    """Fields by which pages are cut, ``Id`` for one: without an order that stays, rows move between pages."""
    expand: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    """The fields that rows have; none: all."""
    top: int = 200
    """Rows of one page; the service may give fewer."""
    counts: bool = True
    """The total is asked for, too."""


class Place(BaseModel):
    """A page of a walk, and what the walk knew before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(default=0, ge=0)
    """Pages before it."""
    rows: int = Field(default=0, ge=0)
    """Rows before it."""
    link: str = ""
    """Path and query that the page before named; empty on the first one, and where rows are counted."""
    before: str = ""
    """The id of the row before it."""
    seen: int = 0
    """Different rows before it."""
    nameless: int = 0
    most: int = 0
    """The greatest total that the list told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Rows of one page that were not seen before in one walk.

    ``complete``: with this page, as many came as the list counts, all had an id, and none moved meanwhile.
    """

    rows: tuple[Native, ...]
    total: int | None
    told_at: datetime | None
    """The vendor's time when it answered."""
    last: bool
    complete: bool
    begin: Place | None = None
    """Where it can be read again; None where the list is walked another time."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One page as it was answered."""

    rows: list[Native]
    total: int | None
    """None: the service does not count."""
    link: str
    """Path and query of the next page; empty: it names none."""
    told_at: datetime | None


class Read(Protocol):
    """One read of an account's: budgets, credentials and refusals are its own."""

    def __call__(self, path: str, query: Mapping[str, str], *, patience: float = 0.0) -> Answer:
        """The answer to a GET; ``patience`` as ``HttpClient.read`` has it."""
        ...


class Lists:
    """The lists of one service. ``base_url`` is the address below which next pages must be."""

    def __init__(self, read: Read, *, dialect: Dialect, base_url: str, account: str) -> None:
        self.dialect = dialect
        self._read = read
        self._base_url = base_url
        self._account = account

    def rows(
        self,
        query: Query,
        of: Callable[[Native], str | None],
        *,
        holds: Callable[[Native], bool] | None = None,
        patience: float = 0.0,
    ) -> list[Native]:
        """All rows of a list; see ``walk``. Raises ``BadAnswer`` where fewer come than it counts."""
        stretches = list(self.walk(query, of, holds=holds, patience=patience))
        if not stretches[-1].complete:
            # A record that was not shown must not count as one that is not there: it would be made twice.
            raise BadAnswer(f"{self._account}: GET {query.path}: fewer came than it counts", code="rows-missing")
        return [row for stretch in stretches for row in stretch.rows]

    def walk(
        self,
        query: Query,
        of: Callable[[Native], str | None],
        *,
        holds: Callable[[Native], bool] | None = None,
        patience: float = 0.0,
        begin: Place | None = None,
    ) -> Iterator[Stretch]:
        """A list page by page, each row once. ``of`` tells a row's id, ``holds`` whether it was asked for.

        Pages may be shorter than was asked for. Each page begins with the last row of the one before: where it does
        not, or the list counts fewer than before, or more than came, rows moved between pages, and the list is walked
        again, a few times. Pages that the service itself links (``nextLink``) are taken as it links them.
        ``patience``: seconds that each page may wait for its budget. ``begin``: where an earlier walk is taken up;
        what came before counts as different from what comes now.

        Raises ``BadAnswer`` for a filter that did not filter (code ``filter-ignored``), and for rows without an id,
        when all others have been given.
        """
        what = f"{self._account}: GET {query.path}"
        # The row before the first page comes once more with it.
        seen = {begin.before} if begin is not None and begin.before else set()
        for round_ in range(1, WALKS + 1):
            first = begin if begin is not None and round_ == 1 else Place()
            place: Place | None = first
            nameless, most, moved = first.nameless, first.most, False
            this_round = {first.before} if first.before else set()
            earlier = first.seen - len(this_round)
            links: set[str] = set()
            while place is not None:
                here = place
                if here.link and here.link in links:
                    raise BadAnswer(f"{what}: its pages go in a circle")
                if here.number >= MOST_PAGES:
                    raise BadAnswer(f"{what}: its pages do not end")
                links.add(here.link)
                overlaps = bool(here.before) and not here.link
                page = self.page(query, here, patience=patience)
                if holds is not None and not all(map(holds, page.rows)):
                    raise BadAnswer(f"{what}: the filter did not filter", code="filter-ignored")
                named = {id_: row for row in page.rows if (id_ := of(row)) is not None}
                fresh = tuple(row for id_, row in named.items() if id_ not in seen)
                nameless += len([row for row in page.rows if of(row) is None])
                has_new = not named.keys() <= this_round
                moved = moved or (overlaps and here.before not in named)
                moved = moved or (page.total is not None and page.total < most)
                most = max(most, page.total or 0)
                seen |= named.keys()
                this_round |= named.keys()
                came = earlier + len(seen)
                place = self._next(here, page, of, has_new=has_new, overlaps=overlaps)
                if not here.link and not page.link and 0 < most <= earlier + len(this_round):
                    place = None
                complete = not nameless and not moved and came >= most
                last = place is None and (complete or round_ == WALKS)
                yield Stretch(
                    rows=fresh,
                    total=most if page.total is not None else None,
                    told_at=page.told_at,
                    last=last,
                    complete=complete,
                    begin=here if round_ == 1 else None,
                )
                if last and nameless:
                    raise BadAnswer(f"{what}: {nameless} of the rows have no id")
                if last:
                    return
                if place is not None:
                    place = place.model_copy(update={"seen": came, "most": most, "nameless": nameless})

    def page(self, query: Query, place: Place | None = None, *, patience: float = 0.0) -> Opened:
        """One page. Raises ``BadAnswer`` for an answer that is none."""
        here = place or Place()
        if here.link:
            path, _, text = here.link.partition("?")
            return self._opened(
                query, self._read(path, dict(parse_qsl(text, keep_blank_values=True)), patience=patience)
            )
        skip = here.rows - (1 if here.before else 0)
        asked = {
            "$filter": query.where,
            "$orderby": query.order,
            "$expand": ",".join(query.expand),
            "$select": ",".join(query.select),
            "$top": str(query.top),
            "$skip": str(skip) if skip else "",
        }
        name, value = self.dialect.counting
        asked = {**asked, name: value if query.counts else ""}
        asked = {each: text for each, text in asked.items() if text}
        return self._opened(query, self._read(query.path, asked, patience=patience))

    def _opened(self, query: Query, answer: Answer) -> Opened:
        what = f"{self._account}: GET {query.path}"
        body = answer.body
        rows = body.get("value") if isinstance(body, Mapping) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadAnswer(f"{what}: the answer is no list of rows")
        told = body.get(self.dialect.note("count"))
        total = None if told is None else whole(told)
        if told is not None and total is None:
            raise BadAnswer(f"{what}: it does not say how many there are")
        link = body.get(self.dialect.note("nextLink"))
        if link is None or link == "":
            return Opened(rows, total, "", told_at(answer))
        found = below(self._base_url, query.path, link) if isinstance(link, str) else None
        if found is None:
            raise BadAnswer(f"{what}: the next page is at another address")
        return Opened(rows, total, found, told_at(answer))

    def _next(
        self,
        here: Place,
        page: Opened,
        of: Callable[[Native], str | None],
        *,
        has_new: bool,
        overlaps: bool,
    ) -> Place | None:
        """The page after one; None after the last one."""
        rows = here.rows + len(page.rows) - (1 if overlaps and page.rows else 0)
        if page.link:
            return Place(number=here.number + 1, rows=rows, link=page.link)
        if here.link or not has_new:
            return None
        before = of(page.rows[-1]) or ""
        before = before if before.isprintable() else ""
        # A page that may hold one row alone would never come further than that row.
        return Place(number=here.number + 1, rows=rows, before=before if len(page.rows) > 1 else "")


def whole(told: Any) -> int | None:
    """A whole number that is told as a number or as text; None where it is none."""
    if isinstance(told, int) and not isinstance(told, bool):
        return told if told >= 0 else None
    return int(told) if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) < 10 else None


def below(base_url: str, path: str, told: str) -> str | None:
    """As ``paging.below``; None, too, for what no address can be."""
    if len(told) > LONGEST_LINK or not (told.isascii() and told.isprintable()):
        return None
    return paging.below(base_url, path, told)
