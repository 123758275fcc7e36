"""What a profile of the connector ``sql`` says: which select gives which kind, and what may be written, and how."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connectors.sql import statement
from connectors.sql.statement import Precheck, Select, Template
from vetbridge.connector.interface import Unlinked
from vetbridge.connector.rows import FieldRule, KindRules, check_kinds
from vetbridge.core.records import Kind

LISTS = ("appointment_type", "resource", "species", "breed", "sex", "status")
"""Code lists that a profile may read."""
ALWAYS = frozenset({"stamp", "key"})
"""Parameters that every write has."""
OF_VISIT = frozenset({"client_id", "pet_id", "start", "end", "duration", "appointment_type", "resource", "status"})
_CREATE = ALWAYS | OF_VISIT | {"notes"}
_UPDATE = ALWAYS | OF_VISIT | {"notes", "id"}
_CANCEL = ALWAYS | {"id", "by", "reason"}

Column = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
"""A column that stands in a statement of VetBridge's own: a plain name, which no engine wants quoted."""
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Window(_Part):
    """Which visits are listed, by the site's days from today; the select has ``?`` for begin and end."""

    back_days: int = Field(default=7, ge=0, le=3650)
    ahead_days: int = Field(default=180, ge=1, le=3650)


class Guards(_Part):
    """What one reading may show before it is believed; a reading beyond is an error, and nothing counts as gone."""

    least: Annotated[int, Field(ge=0)] | None = None
    """Fewer rows are no table that is read, but one that was emptied. None: one client and one pet
    at least, and where a visit is known, one row of visits at any time; 0: the table may well be empty."""
    most_gone: Share = 0.2
    """Share of the known rows that may be gone since the reading before."""
    most_changed: Share = 0.5
    """Share of the known rows that may be others than at the reading before."""
    few: int = Field(default=10, ge=0)
    """So many rows may go or change in any case: a share of a small table says nothing."""


class Sweep(_Part):
    """Of a kind with a cursor: a select of the keys alone, by which rows that are gone are found."""

    select: Select
    """Its first column is the key."""
    hours: int = Field(default=24, ge=1, le=744)


class KindProfile(KindRules):
    """One kind: its select, and how a row becomes a record."""

    select: Select
    key: Column
    cursor: Column | None = None
    """A column with the time of the last change, by the database's own clock. None: rows are compared."""
    window: Window | None = None
    sweep: Sweep | None = None
    guards: Guards = Guards()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wanted = 2 if self.window is not None else 0
        found = statement.marks(self.select)
        if found != wanted and not (wanted and found and found % 2 == 0):
            words = "two ?, for the begin and the end of the window" if wanted else "no ?, as there is no window"
            raise ValueError(f"select: {words} was expected, and it has {found}")
        if self.sweep is not None and self.cursor is None:
            raise ValueError("sweep: without a cursor every reading finds what is gone; leave it out")
        if self.sweep is not None and statement.marks(self.sweep.select) not in (0, wanted):
            raise ValueError("sweep: its select has none of the ? of select, or all")
        return self


class CodeList(_Part):
    """A code list of the database."""

    select: Select
    """Its first column is the code, the second what people call it."""


class Mode(StrEnum):
    """How something is written."""

    OFF = "off"
    WORKLIST = "worklist"
    """A person types it; VetBridge reads whether it was done."""
    PROCEDURE = "procedure"
    """A stored procedure of the site's own."""
    TEMPLATE = "template"
    """A statement that the site has approved."""


class WriteProfile(_Part):
    """How one operation is done."""

    mode: Mode = Mode.WORKLIST
    statement: Template | None = None
    """With named parameters: ``:start``, ``:notes``, ``:stamp``."""
    precheck: Precheck | None = None
    """A select that gives no row where the time is free; asked in the same transaction."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        by_program = self.mode in (Mode.PROCEDURE, Mode.TEMPLATE)
        if by_program and self.statement is None:
            raise ValueError(f"statement: mode {self.mode} needs one")
        if not by_program and (self.statement or self.precheck):
            raise ValueError(f"mode {self.mode} sends nothing; leave statement and precheck out")
        if self.statement is not None:
            judge = statement.checked_template if self.mode is Mode.TEMPLATE else statement.checked_procedure
            judge(self.statement)
        return self

    @property
    def by_program(self) -> bool:
        """It is sent to the database, and not handed to a person."""
        return self.mode in (Mode.PROCEDURE, Mode.TEMPLATE)

    @property
    def text(self) -> str:
        """The statement, without the semicolon that may stand at its end."""
        return (self.statement or "").strip().removesuffix(";").rstrip()

    @property
    def named(self) -> frozenset[str]:
        """The parameters of its statement."""
        return statement.parameters(self.text) if self.text else frozenset()

    @property
    def changes(self) -> frozenset[str]:
        """The fields that its statement changes; ``:end`` is where a duration ends."""
        named = self.named
        return (named & (OF_VISIT | {"notes"})) - {"end"} | ({"duration"} if "end" in named else set())


class VisitWrites(_Part):
    """What may be done to visits. A person does it where nothing else is said."""

    create: WriteProfile = WriteProfile()
    update: WriteProfile = WriteProfile()
    cancel: WriteProfile = WriteProfile()
    unlinked: Unlinked = Unlinked.NO
    """Whether ``create`` takes a visit without client and pet: yes, placeholder, or no. A person takes it."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        known = {"create": _CREATE, "update": _UPDATE, "cancel": _CANCEL}
        for name, allowed in known.items():
            write: WriteProfile = getattr(self, name)
            for part, text in (("statement", write.statement), ("precheck", write.precheck)):
                strange = sorted(statement.parameters(text) - allowed) if text else []
                if strange:
                    raise ValueError(f"{name}.{part}: no value is called :{strange[0]}; known: {_listed(allowed)}")
        if self.create.by_program and not {"start", "notes"} <= self.create.named:
            raise ValueError("create.statement: :start and :notes are needed; by the notes a visit is found again")
        for name in ("update", "cancel"):
            write = getattr(self, name)
            if write.by_program and "id" not in write.named:
                raise ValueError(f"{name}.statement: :id is needed, to touch one row alone")
        return self


class Writes(_Part):
    """What may be written. Clients and pets never are."""

    appointment: VisitWrites = VisitWrites()


class SqlProfile(_Part):
    """A practice system's database, as one site's login sees it."""

    kinds: Annotated[Mapping[Kind, KindProfile], Field(min_length=1), AfterValidator(check_kinds)]
    codes: Mapping[str, CodeList] = {}
    writes: Writes = Writes()
    screen: Mapping[Kind, Mapping[str, str]] = {}
    """By kind, what its screen calls canonical fields, in the order in which people fill them in."""
    proven: str = Field(default="a site's own profile; not run against the vendor", min_length=1, max_length=200)
    needs_vendor: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for kind, each in self.kinds.items():
            key = self.rule(kind, "id")
            if key is None or key.column[:1] != (each.key,):
                raise ValueError(f"kinds.{kind}.fields.id: the key {each.key} was expected")
        strange = sorted(set(self.codes) - set(LISTS))
        if strange:
            raise ValueError(f"codes: no list is called {strange[0]}; known are {', '.join(LISTS)}")
        for name, codes in self.codes.items():
            if statement.marks(codes.select):
                raise ValueError(f"codes.{name}.select: a ? has no value here")
        of_visits = self.writes.appointment
        if any(write.by_program for write in (of_visits.create, of_visits.update, of_visits.cancel)):
            notes = self.rule(Kind.APPOINTMENT, "notes")
            if notes is None or len(notes.column) != 1 or not statement.plain_name(notes.column[0]):
                raise ValueError("writes: kinds.appointment.fields.notes: one column is needed, for VetBridge's mark")
        return self

    def least(self, kind: Kind) -> int:
        """How many rows of a kind there are at least."""
        told = self.kinds[kind].guards.least
        return int(kind in (Kind.CLIENT, Kind.PET)) if told is None else told

    def rule(self, kind: Kind, name: str) -> FieldRule | None:
        """Where a field of a kind comes from; None where the profile does not say."""
        return self.kinds[kind].fields.get(name) if kind in self.kinds else None


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f":{name}" for name in sorted(names))
