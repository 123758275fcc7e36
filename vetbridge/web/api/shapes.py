"""What the API takes and gives: the desk's own answers as JSON, and their description.

The description of an answer is made of the dataclass that the desk returns, so that there is one of each.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from fastapi import Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, create_model
from pydantic.json_schema import SkipJsonSchema

from vetbridge.core.instants import Instant

MOST = 200
"""Entries of a page."""
DEEPEST = 10_000
"""Entries, counted from the first, that pages reach; who needs more narrows what is asked for."""

_FIRST, _LAST = date(1900, 1, 1), date(2200, 1, 1)

HIGHEST = 2**63
"""No row has this number, or a higher one."""


def _whole(given: object) -> object:
    if isinstance(given, (bool, str)):
        raise ValueError("a whole number is no text")
    return given


WHOLE = BeforeValidator(_whole)
"""For a whole number in a body: JSON knows no difference between 5 and 5.0."""
Numbered = Annotated[int, Field(ge=1, lt=HIGHEST), WHOLE]
"""The number of a row, in a body."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
"""Something short that is looked for: no database takes a NUL in a text."""
Nothing = SkipJsonSchema[None]
"""What is not given in an address: there is no null there."""
Limit = Annotated[int, Query(ge=1, le=MOST, description="Entries of a page.")]
After = Annotated[
    Annotated[int, Field(ge=1, lt=HIGHEST)] | SkipJsonSchema[None],
    Query(description="`next` of the page before; none for the first."),
]


def _day(given: object) -> date:
    if not isinstance(given, str):
        raise ValueError("a day is a text such as 2026-11-24")
    return min(max(date.fromisoformat(given), _FIRST), _LAST)


def _moment(given: object) -> datetime:
    if not isinstance(given, str):
        raise ValueError("a moment is a text such as 2026-11-24T09:00:00Z")
    found = datetime.fromisoformat(given.upper())
    if found.tzinfo is None:
        raise ValueError("a moment needs its offset: Z, or +00:00")
    first, last = (datetime(each.year, each.month, each.day, tzinfo=UTC) for each in (_FIRST, _LAST))
    return min(max(found, first), last)


Day = Annotated[date, BeforeValidator(_day, json_schema_input_type=date)]
"""A day: whatever lies before 1900 or after 2200 is as good as the first or the last day of those."""
Moment = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=datetime)]
"""A moment with its offset, in the same bounds."""


class Refused(Exception):
    """An endpoint refuses. ``code`` is stable; ``words`` and ``advice`` are for people."""

    def __init__(self, status: int, code: str, words: str, advice: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.words = words
        self.advice = advice


class Body(BaseModel):
    """What somebody sends: nothing in it that is not known, and every value of the kind that it should be."""

    model_config = ConfigDict(extra="forbid")


class Shown(BaseModel):
    """What the API itself makes of the desk's answers."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Data(JSONResponse):
    """An answer. All in ASCII, so that a half of a character from outside breaks nothing."""

    def render(self, content: Any) -> bytes:
        """The answer's bytes."""
        return json.dumps(plain(content), allow_nan=False).encode("ascii")


def plain(value: Any) -> Any:
    """A desk's answer as plain data; moments and dates as ISO 8601 texts."""
    if isinstance(value, Instant):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


@cache
def shape(kind: Any) -> type[BaseModel]:
    """How a dataclass of the desk looks as JSON."""
    hints = get_type_hints(kind)
    parts: dict[str, Any] = {field.name: (_as_json(hints[field.name]), ...) for field in fields(kind)}
    return create_model(kind.__name__, __doc__=kind.__doc__, **parts)


def _as_json(kind: Any) -> Any:
    if kind is Instant:
        return datetime
    if is_dataclass(kind):
        return shape(kind)  # type: ignore[arg-type]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (tuple, list, Sequence):
        return list[_as_json(inner[0])]  # type: ignore[misc]
    if origin is Mapping:
        return dict[str, _as_json(inner[1])]  # type: ignore[misc]
    if origin in (Union, types.UnionType):
        return Union[tuple(_as_json(each) for each in inner)]  # noqa: UP007 - their number is not known
    return kind


def wider(name: str, kind: Any, /, **more: Any) -> type[BaseModel]:
    """The same with more fields, as a description of its own."""
    parts: dict[str, Any] = {field: (_as_json(each), ...) for field, each in more.items()}
    return create_model(name, __base__=shape(kind), __doc__=kind.__doc__, **parts)


class _Numbered(Protocol):
    @property
    def id(self) -> int | None: ...


Entry = TypeVar("Entry", bound=_Numbered)


def behind(entries: Sequence[Entry], after: int | None) -> Sequence[Entry]:
    """The entries behind the one of this number. Raises ``Refused`` where that is not among them any more."""
    if after is None:
        return entries
    for place, entry in enumerate(entries):
        if entry.id == after:
            return entries[place + 1 :]
    raise Refused(
        409,
        "page-gone",
        f"{after} stands no more in this list: somebody has seen to it meanwhile",
        "Begin again with the first page.",
    )


def page(entries: Sequence[Entry], limit: int) -> tuple[Sequence[Entry], int | None]:
    """The first entries, and what asks for those after them: the number of the last; None where there are none."""
    shown = entries[:limit]
    return shown, shown[-1].id if len(entries) > limit else None
