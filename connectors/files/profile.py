"""What a profile of the connector ``files`` says: how a practice system's files are told apart, read and shown."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from vetbridge.connector.rows import KindRules, check_kinds
from vetbridge.core.records import Kind

DELIMITERS = (",", ";", "\t", "|")
CODE_LISTS: Mapping[str, tuple[Kind, str]] = {
    "species": (Kind.PET, "species"),
    "sex": (Kind.PET, "sex"),
    "status": (Kind.APPOINTMENT, "status"),
    "appointment_type": (Kind.APPOINTMENT, "appointment_type"),
    "resource": (Kind.APPOINTMENT, "resource"),
}
"""The code lists of the table ``neutral``, with the field that bears their codes."""

Words = Annotated[str, Field(min_length=1, max_length=200)]
Format = Literal["csv", "xlsx", "ics"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Window(_Part):
    """The days that an export of visits covers, counted from the day on which it was written."""

    back_days: Annotated[int, Field(ge=0, le=10_000)] = 0
    ahead_days: Annotated[int, Field(ge=0, le=10_000)]


class KindFiles(KindRules):
    """The files of one kind, and how their rows become records."""

    files: tuple[Words, ...] = Field(min_length=1)
    """Patterns of names, such as ``clients*.csv``, without regard to case."""
    mode: Literal["snapshot", "changes"] = "snapshot"
    """A snapshot holds every record of its kind: one that is missing is gone. Changes are added to what is known."""
    format: Format | None = None
    """None: by the ending of the name."""
    encodings: tuple[Words, ...] = ("utf-8-sig", "cp1252")
    """Of text, tried in order. UTF-16 is known by its byte order mark."""
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    """None: the one under which the header has most columns that are known."""
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    header_row: Annotated[int, Field(ge=0, le=50)] = 1
    """The row with the names of the columns, from 1. 0: there is none, ``columns`` names them."""
    columns: tuple[str, ...] = ()
    short_rows: bool = False
    """Rows may leave out empty cells at their end. Otherwise a row with fewer cells than the header is half a row."""
    sheet: Words | None = None
    """Of a workbook: the sheet. None: the first one."""
    least: Annotated[int, Field(ge=0)] | None = None
    """A snapshot with fewer good rows is put aside whole. None: an empty one is, where it would take something away;
    0: it never is, for a diary that may well be empty."""
    most_gone: Annotated[float, Field(ge=0, le=1)] = 0.1
    """A snapshot that lacks a greater share of the records that are known is put aside whole."""
    window: Window | None = None
    """Of visits. None: from the first start in the file to the last one; visits outside of it are kept."""

    @model_validator(mode="after")
    def _headed(self) -> Self:
        if self.header_row == 0 and not self.columns:
            raise ValueError("without a header_row, columns must name the columns in their order")
        return self

    @field_validator("encodings")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            try:
                codecs.lookup(name)
            except LookupError:
                raise ValueError(f"no encoding is called {name[:40]!a}; usual are utf-8-sig and cp1252") from None
        return names


class FilesProfile(_Part):
    """A whole profile."""

    title: Words
    """The practice system, as people call it."""
    proven: Words
    """As ``Capabilities.proven``."""
    needs_vendor: tuple[Words, ...] = ()
    kinds: Annotated[Mapping[Kind, KindFiles], AfterValidator(check_kinds)] = Field(min_length=1)
    screen: Mapping[Kind, Mapping[str, Words]] = {}
    """By kind, what its screen calls fields, in the order in which people fill them in; for the work list."""
    codes: Mapping[str, Mapping[str, Words]] = {}
    """Codes with their titles, by list, beside those that the records bear."""

    @field_validator("codes")
    @classmethod
    def _lists(cls, codes: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
        unknown = sorted(codes.keys() - CODE_LISTS.keys())
        if unknown:
            raise ValueError(f"no code list is called {unknown[0][:40]!a}; known are {', '.join(CODE_LISTS)}")
        return codes
