"""An account's options at a database, and what the connector can do with a profile."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from connectors.sql.profile import LISTS, KindProfile, Mode, SqlProfile, VisitWrites
from vetbridge.connector.folder import FolderPath
from vetbridge.connector.interface import (
    Capabilities,
    ExactlyOnce,
    KindCapabilities,
    Operation,
    Relink,
    Unlinked,
)
from vetbridge.connector.plugin import Options
from vetbridge.connector.profiles import ProfileRef, readable
from vetbridge.connector.rows.profile import CONVERTERS
from vetbridge.connector.secret import Secret
from vetbridge.core.records import Kind

TWICE = "by the site's clock: of an hour that occurs twice, the first"
TYPED = frozenset({"start", "duration", "appointment_type", "resource"})
"""What a person changes in a visit by the work list."""


class Dialect(StrEnum):
    """Which engine answers: sessions are set up in its own words, all else is said in words that all share."""

    TSQL = "tsql"
    """Microsoft SQL Server."""
    SQLANYWHERE = "sqlanywhere"
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


def _span(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)", text) or text[:5] == text[6:]:
        raise ValueError("a span of the day was expected, such as '01:30-03:00'; it may go over midnight")
    return text


Span = Annotated[str, AfterValidator(_span)]
Schema = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,59}$")]
Seconds = Annotated[float, Field(ge=0.1, le=600, allow_inf_nan=False)]


class SqlOptions(Options):
    """Options of an account at a database; docs/connectors/sql.md says where each value is found."""

    profile: Annotated[ProfileRef, AfterValidator(readable(SqlProfile, "sql"))]
    dialect: Dialect
    connection: Secret | None = None
    """The ODBC connection string, which may hold the password."""
    dsn: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """A data source of this machine's, in place of ``connection``."""
    user: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    password: Secret | None = None
    read_only: Literal[True] = True
    """The session that reads is set to read alone; there is no other way. It stands here so that a reader of the
    config sees it."""
    isolation: Literal["read-committed", "repeatable-read", "snapshot"] = "read-committed"
    """Of the transactions that read."""
    login_timeout: Seconds = 15.0
    lock_timeout: Seconds = 5.0
    """Seconds that a read waits for rows that somebody else has locked."""
    statement_timeout: Seconds = 30.0
    """Seconds that one read may take."""
    quiet_hours: tuple[Span, ...] = ()
    """Spans of the site's day in which the database is left alone: backups, closing of the day."""
    page_size: int = Field(default=1000, ge=10, le=10_000)
    """Rows that one read asks for."""
    attach: Mapping[Schema, FolderPath] = {}
    """Of SQLite: further files, by the name under which their tables are called."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.connection is None) == (self.dsn is None):
            raise ValueError("one of connection and dsn was expected")
        if self.connection is not None and (self.user or self.password):
            raise ValueError("user and password stand in the connection itself; they belong to dsn")
        if self.attach and self.dialect is not Dialect.SQLITE:
            raise ValueError("attach is for the dialect sqlite")
        if self.isolation == "snapshot" and self.dialect in (Dialect.SQLITE, Dialect.POSTGRESQL):
            raise ValueError(f"isolation: {self.dialect} has no level snapshot; leave it out")
        return self


def capabilities(profile: SqlProfile) -> Capabilities:
    """What can be done by a profile. Clients and pets are never created: the line of a visit says who is new."""
    return Capabilities(
        side="pims",
        kinds={kind: _kind(profile, kind) for kind in profile.kinds},
        code_lists=frozenset(profile.codes),
        proven=profile.proven,
        screen=profile.screen,
        needs_vendor=profile.needs_vendor,
    )


def _kind(profile: SqlProfile, kind: Kind) -> KindCapabilities:
    each = profile.kinds[kind]
    read = KindCapabilities(
        read=True,
        search=frozenset(_searched(profile, kind)),
        incremental=True,
        deletions_visible=each.cursor is None or each.sweep is not None,
    )
    return _visits(profile.writes.appointment, read, _read_back(each)) if kind is Kind.APPOINTMENT else read


def _searched(profile: SqlProfile, kind: Kind) -> Iterator[str]:
    fields = profile.kinds[kind].fields
    if kind is Kind.CLIENT:
        yield from (key for key in ("phone", "email") if f"{key}s" in fields)
    if kind in (Kind.PET, Kind.APPOINTMENT):
        yield from (key for key in ("client_id", "pet_id") if key in fields and key != "id")
    if kind is Kind.APPOINTMENT:
        yield from ("start_from", "start_before")


def _read_back(visits: KindProfile) -> frozenset[str]:
    """Fields of a visit that a read shows: what nobody can see done is not asked of anybody."""
    return frozenset(visits.fields) | ({"duration"} if "end" in visits.fields else set())


def _visits(writes: VisitWrites, read: KindCapabilities, fields: frozenset[str]) -> KindCapabilities:
    by_operation = {
        Operation.CREATE: writes.create,
        Operation.UPDATE: writes.update,
        Operation.CANCEL: writes.cancel,
    }
    handed = frozenset(each for each, write in by_operation.items() if write.mode is Mode.WORKLIST)
    create = None
    if writes.create.mode is not Mode.OFF:
        create = ExactlyOnce.LOOK if writes.create.by_program else ExactlyOnce.IDEMPOTENCY_KEY
    update = frozenset[str]()
    if writes.update.mode is not Mode.OFF:
        update = writes.update.changes if writes.update.by_program else TYPED & fields
    relinks = {"client_id", "pet_id"} <= update
    return replace(
        read,
        create=create,
        update=update,
        cancel=writes.cancel.mode is not Mode.OFF,
        unlinked=Unlinked.YES if Operation.CREATE in handed else writes.unlinked,
        relink=Relink.UNVERIFIED if relinks else Relink.NO,
        handed=handed,
        loss={"start": TWICE},
    )


def declared() -> Capabilities:
    """What can be done by a profile that names everything."""
    select = "SELECT A FROM B"
    kinds = {
        kind.value: {"select": select, "key": "A", "fields": dict.fromkeys(fields, "A")}
        for kind, fields in CONVERTERS.items()
    }
    codes = {name: {"select": select} for name in LISTS}
    proven = "each practice system's own profile says so"
    asked = ("a login that may only read, and the vendor's word on what the tables and columns mean",)
    can = capabilities(SqlProfile.model_validate({"kinds": kinds, "codes": codes, "proven": proven}))
    return replace(can, needs_vendor=asked)
