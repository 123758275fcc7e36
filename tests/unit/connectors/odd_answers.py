"""What no vendor should answer, for tests of hostile answers of OData services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from vetbridge.connector.http import Answer
from vetbridge.connector.interface import Connector, Native
from vetbridge.core.errors import MappingError, VetBridgeError
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper

PERSON = "Zebedee Quux"
"""Whom no error may name."""

MOST_REQUESTS = 60

_deep: Any = []
for _ in range(300):
    _deep = [_deep]
ODD = [
    None, True, "", " ", 0, "1007", 12.5, -1, 1e300, 10**400, [], [12], {}, {"Id": 12}, "\ud800", "\x1b[2J\x00",
    "x" * 5000, "2026-02-30", PERSON, "2026-06-15T09:00:00+01:00", "0001-01-01T00:00:00+14:00", _deep,
]  # fmt: skip


def junk(*names: str) -> st.SearchStrategy[Any]:
    """Odd values, and rows of them under some names."""
    return st.sampled_from(ODD) | st.dictionaries(st.sampled_from(names), st.sampled_from(ODD))


def changes(names: Iterable[str], junk: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """What is odd in each of some rows."""
    return st.lists(st.dictionaries(st.sampled_from(list(names)), junk | st.lists(junk), max_size=3), max_size=3)


class Liar:
    """Answers with what one example makes of a good answer, and forgets what it was asked for. ``row`` is a good one
    of an entity, by its name and number."""

    def __init__(
        self,
        example: Mapping[str, Any],
        row: Callable[[str, int], Native],
        good: Callable[[list[Native]], Mapping[str, Any]] = lambda rows: {"value": rows},
    ) -> None:
        self.example = example
        self._row = row
        self._good = good
        self._asked = 0

    def read(self, path: str, query: Mapping[str, str], *, patience: float = 0.0) -> Answer:
        """As ``odata.Read``."""
        self._asked += 1
        if self._asked > MOST_REQUESTS:
            raise AssertionError("it asks on and on")
        name = path.rpartition("/")[2]
        rows = [{**self._row(name, number), **change} for number, change in enumerate(self.example["rows"], 1)]
        body = {**self._good(rows), **self.example["more"]}
        return Answer(200, {}, body if self.example["whole"] is ... else self.example["whole"])


def walk(kind: Kind, since: str | None, mapper: Mapper, made: Connector) -> None:
    """Two polls of a kind, each record of which is read."""
    cursor = since
    for _ in range(2):
        for page in made.changes(kind, cursor):
            cursor = page.cursor
            for found in page.records:
                with suppress(MappingError):
                    mapper.read(kind, found.native or {})


def told(does: Iterable[Callable[[Any], object]], make: Callable[[], Connector]) -> list[str]:
    """The named errors of some calls, each of a connector of its own, that name the person."""
    errors: list[str] = []
    for do in does:
        made = make()
        try:
            do(made)
        except VetBridgeError as error:
            errors.append(f"{error} {error!r}")
        finally:
            made.close()
    return [each for each in errors if PERSON in each]
