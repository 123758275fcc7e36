"""What a profile says about one kind: which columns its fields come from, and how their values are read."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from vetbridge.core.records import Kind

Column = Annotated[str, Field(min_length=1, max_length=100)]
"""A column's name. Columns are found whatever their case, and whatever blanks and underlines stand in them."""


_ANY_DAY = datetime(2026, 7, 31, 13, 45)  # noqa: DTZ001 - no moment, only something to write


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Converter(StrEnum):
    """How a value is read."""

    TEXT = "text"
    ID = "id"
    """Text without the blanks around it; a whole number loses a decimal part of zeros, as tables make of ids."""
    NUMBER = "number"
    """A whole number."""
    MINUTES = "minutes"
    """A number of minutes, kept in seconds."""
    DATE = "date"
    TIME = "time"
    """Date and time by the site's clock."""
    FLAG = "flag"
    FILLED = "filled"
    """Yes or no: whether anything stands there, such as the day on which a pet died."""
    LIST = "list"
    """Several texts: of several columns, or of one with separators."""
    IDS = "ids"
    """The same, each read as an id."""


CONVERTERS: Mapping[Kind, Mapping[str, Converter]] = MappingProxyType(
    {
        Kind.CLIENT: {
            "id": Converter.ID,
            "given_name": Converter.TEXT,
            "family_name": Converter.TEXT,
            "phones": Converter.LIST,
            "emails": Converter.LIST,
            "street": Converter.TEXT,
            "postcode": Converter.TEXT,
            "city": Converter.TEXT,
            "registered_on": Converter.DATE,
            "active": Converter.FLAG,
            "opted_out": Converter.FLAG,
            "co_owners": Converter.LIST,
        },
        Kind.PET: {
            "id": Converter.ID,
            "client_id": Converter.ID,
            "carer_id": Converter.ID,
            "co_owner_ids": Converter.IDS,
            "name": Converter.TEXT,
            "species": Converter.ID,
            "breed": Converter.TEXT,
            "sex": Converter.ID,
            "birth_date": Converter.DATE,
            "deceased": Converter.FLAG,
            "active": Converter.FLAG,
        },
        Kind.APPOINTMENT: {
            "id": Converter.ID,
            "client_id": Converter.ID,
            "pet_id": Converter.ID,
            "start": Converter.TIME,
            "end": Converter.TIME,
            "duration": Converter.MINUTES,
            "status": Converter.ID,
            "appointment_type": Converter.ID,
            "resource": Converter.ID,
            "notes": Converter.TEXT,
            "cancelled_by": Converter.TEXT,
            "cancel_reason": Converter.TEXT,
        },
        Kind.VACCINATION: {
            "id": Converter.ID,
            "pet_id": Converter.ID,
            "service": Converter.ID,
            "name": Converter.TEXT,
            "given_on": Converter.DATE,
            "due_on": Converter.DATE,
            "active": Converter.FLAG,
        },
        Kind.REMINDER: {
            "id": Converter.ID,
            "pet_id": Converter.ID,
            "service": Converter.ID,
            "name": Converter.TEXT,
            "due_on": Converter.DATE,
            "completed": Converter.FLAG,
            "active": Converter.FLAG,
        },
    }
)
"""The fields that a profile may name, by kind, and how each is read where the profile does not say.

``end`` of an appointment is in no record: where there is no ``duration``, the time up to it is the duration.
"""

NEEDED: Mapping[Kind, frozenset[str]] = MappingProxyType(
    {
        Kind.CLIENT: frozenset({"id", "family_name"}),
        Kind.PET: frozenset({"id", "client_id", "name"}),
        Kind.APPOINTMENT: frozenset({"id", "start"}),
        Kind.VACCINATION: frozenset({"id", "pet_id", "name"}),
        Kind.REMINDER: frozenset({"id", "pet_id", "name", "due_on"}),
    }
)
"""Fields without which a profile says too little of a kind."""


def _spelled(value: object) -> object:
    """``COLUMN`` and ``[COLUMN, OTHER NAME]`` are short for a rule with nothing but a column."""
    if isinstance(value, str):
        return {"column": (value,)}
    if isinstance(value, list | tuple):
        return {"column": value}
    return value


class FieldRule(_Rule):
    """Where one field comes from.

    ``column`` lists the names that the one column may bear, the first that is there is taken; ``all`` several columns
    that together make a list, or with ``join`` one text; ``value`` what the field always is, read as a cell is.
    """

    column: tuple[Column, ...] = ()
    all: tuple[Column, ...] = ()
    join: str | None = Field(default=None, max_length=10)
    value: str | int | bool | None = None
    read_as: Converter | None = Field(default=None, alias="as")
    formats: tuple[Annotated[str, Field(min_length=2, max_length=40)], ...] = ()
    """Of dates and times: ``strptime`` formats, tried in order. None: ISO 8601, and the database's own values."""
    true: tuple[str, ...] = ()
    """Of flags: what means yes, without regard to case; all else means no. None: the usual words."""
    negate: bool = False
    """Of flags: the column says the opposite."""
    split: str | None = Field(default=None, min_length=1, max_length=3)
    """Of lists out of one column: what stands between two values."""
    empty: tuple[str, ...] = ()
    """What means nothing, without regard to case, beside empty cells: ``N/A``, a date that stands for none."""
    otherwise: str | int | bool | None = None
    """What an empty cell means, read as a cell is."""
    required: bool = False
    """A row in which it is empty is refused."""
    optional: bool = False
    """Rows without the column are taken, too: the field is empty then."""

    @field_validator("formats")
    @classmethod
    def _readable(cls, forms: tuple[str, ...]) -> tuple[str, ...]:
        for form in forms:
            try:
                read = datetime.strptime(_ANY_DAY.strftime(form), form)  # noqa: DTZ007 - only whether it can be read
            except ValueError:
                words = f"{form!r} is no format of a date or a time, such as '%d.%m.%Y %H:%M'"
                raise ValueError(words) from None
            if read.date() != _ANY_DAY.date():
                raise ValueError(f"{form!r} says no day with month and year, such as '%d.%m.%Y %H:%M'")
        return forms

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("column"), str):
            return {**data, "column": (data["column"],)}
        return data

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum((bool(self.column), bool(self.all), self.value is not None)) != 1:
            raise ValueError("one of column, all and value was expected")
        return self


class Deleted(_Rule):
    """Which rows are of records that are gone: a column has one of these values, without regard to case."""

    column: Column
    others: tuple[Column, ...] = ()
    """Columns that say it in other tables of the kind, as of a calendar: every one that is there is looked at."""
    values: tuple[str, ...] = Field(default=("1", "true", "yes", "y"), min_length=1)


Rule = Annotated[FieldRule, BeforeValidator(_spelled)]


class KindRules(_Rule):
    """How rows become records of one kind."""

    fields: Mapping[str, Rule]
    deleted_when: Deleted | None = None
    """A visit is cancelled then (status code ``deleted``), every other record is inactive."""


Rules = TypeVar("Rules", bound=KindRules)


def check_kinds(kinds: Mapping[Kind, Rules]) -> Mapping[Kind, Rules]:
    """The kinds of a profile as they are, for an ``AfterValidator``.

    Raises ``ValueError`` where one is not read from rows, names a field that it does not have, or leaves one out
    without which it says too little.
    """
    wrong = [f"{kind.value}: {words}" for kind, rules in kinds.items() for words in _misfits(kind, rules)]
    if wrong:
        raise ValueError("; ".join(wrong))
    return kinds


def _misfits(kind: Kind, rules: KindRules) -> Iterator[str]:
    known = CONVERTERS.get(kind)
    if known is None:
        yield f"is not read from rows; known are {', '.join(each.value for each in CONVERTERS)}"
        return
    for name in rules.fields:
        if name not in known:
            near = difflib.get_close_matches(name[:40], known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            yield f"has no field {name[:40]!a}; {hint}"
    missing = sorted(NEEDED[kind] - rules.fields.keys())
    if missing:
        yield f"needs {', '.join(missing)}"
    if kind is Kind.APPOINTMENT and not {"duration", "end"} & rules.fields.keys():
        yield "needs duration or end"
