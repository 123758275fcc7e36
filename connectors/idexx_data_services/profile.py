"""What a profile of ``idexx_data_services`` says: which entity set is which kind, and what its properties are called.

IDEXX shows the names to its partners alone (cornerstone.md, section 3), so every site's profile is drafted from the
service's own metadata. A profile is data: no expressions, no secrets, no addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from vetbridge.connector.odata import is_field
from vetbridge.connector.rows import Converter, KindRules, check_kinds
from vetbridge.core.records import Kind


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Property = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}(/[A-Za-z_][A-Za-z0-9_]{0,127}){0,3}$")]
"""A property of an entity; inside of another one with a slash, as OData writes it: ``Owner/Id``."""
EntitySet = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}(/[A-Za-z_][A-Za-z0-9_]{0,127}){0,3}$")]
"""Where an entity set stands below the service."""
Path = Annotated[str, Field(pattern=r"^/[A-Za-z0-9/_.~-]{0,150}(\{site_id\}[A-Za-z0-9/_.~-]{0,150})?$")]
"""Below the service's address; ``{site_id}`` is the option of that name."""
PartName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,79}$")]
Told = str | int | bool
CodeListName = Literal["appointment_type", "resource", "species", "breed", "sex", "status"]

MOST_ROWS = 20_000
"""The largest page that any entity set gives (cornerstone.md, section 3)."""

FILE_CONVERTERS: Mapping[str, Converter] = {
    "id": Converter.ID,
    "client_id": Converter.ID,
    "pet_id": Converter.ID,
    "name": Converter.TEXT,
    "notes": Converter.TEXT,
    "made_at": Converter.TIME,
    "active": Converter.FLAG,
}
"""The fields of an attachment, and how each is read where the profile does not say."""

VISIT_VALUES = frozenset(
    {
        *("id", "client_id", "pet_id", "start", "end", "duration", "minutes", "status", "appointment_type"),
        *("resource", "notes", "stamp", "key", "by", "reason"),
    }
)
"""What a visit that is written can be told by. ``minutes`` is the duration in minutes (``duration`` has seconds)."""
FILE_VALUES = frozenset({"client_id", "pet_id", "name", "media_type", "notes", "stamp", "key"})
LOG_VALUES = frozenset({"client_id", "pet_id", "text", "at", "key"})

_PLAIN = re.compile(r"-?[0-9]{1,19}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def plain(text: str) -> int | UUID | None:
    """A key that stands in a filter without quotes: a whole number, or a GUID; None where it is neither."""
    if _PLAIN.fullmatch(text) is None:
        return None
    return UUID(text) if len(text) == 36 else int(text)


class Changed(_Part):
    """Which properties tell when a row was changed last; the newest of them counts."""

    properties: Annotated[tuple[Property, ...], Field(min_length=1)]
    overlap: int = Field(default=3 * 86400, ge=0, le=30 * 86400)
    """Seconds that are asked for twice: the service shows changes late, up to three days at one consumer."""


class Window(_Part):
    """Visits of these days alone are listed, counted from today."""

    back_days: int = Field(default=7, ge=0, le=3660)
    ahead_days: int = Field(default=180, ge=1, le=3660)


class Searched(_Part):
    """Which properties hold what clients are searched by."""

    properties: Annotated[tuple[Property, ...], Field(min_length=1)]
    form: Literal["e164", "digits", "tail"] = "e164"
    """Of phones, how they are held: as +441234567890, without the plus, or so that only the last eight digits can be
    asked for."""
    contains: bool = False
    """Asked for as a part of the text (``contains``), not as the whole."""


class Owners(_Part):
    """The owners of a patient, each with a share: a collection of a patient's row."""

    list: Property
    client_id: Property
    """Inside of one of them, as the two others."""
    percent: Property
    primary: Property | None = None


class SetKind(KindRules):
    """One kind: its entity set, and how a row becomes a record."""

    entity: EntitySet
    page: int = Field(default=100, ge=1, le=MOST_ROWS)
    """Rows that are asked for in one answer: the entity set's cap."""
    plain: tuple[str, ...] = ()
    """Keys that stand in a filter without quotes, as they are numbers or GUIDs: of id, client_id, pet_id, site."""
    expand: tuple[Property, ...] = ()
    """What is to come with each row."""
    site: Property | None = None
    """Where a row says whose site it is of, for a login that sees several: others than ``site_id`` are left out."""
    changed: Changed | None = None
    """None: the whole set is read each time."""
    window: Window | None = None
    search: Mapping[Literal["phone", "email"], Searched] = {}
    owners: Owners | None = None
    deletions_visible: bool = False
    """What is deleted stays in the set, as ``deleted_when`` tells it."""

    def property_of(self, name: str) -> str | None:
        """The one property whose value is the field's as it stands; None where it is made of more."""
        rule = self.fields.get(name)
        return rule.column[0] if rule is not None and len(rule.column) == 1 and not rule.split else None

    @property
    def named(self) -> Iterator[str]:
        """Every property that is named."""
        for rule in self.fields.values():
            yield from (*rule.column, *rule.all)
        if self.deleted_when is not None:
            yield from (self.deleted_when.column, *self.deleted_when.others)
        if self.changed is not None:
            yield from self.changed.properties
        for searched in self.search.values():
            yield from searched.properties
        if self.site is not None:
            yield self.site
        if self.owners is not None:
            yield self.owners.list


class Files(SetKind):
    """The documents. ``content`` is the property with the address of a document's content, which lives shortly."""

    content: Property

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        wrong = sorted(set(self.fields) - FILE_CONVERTERS.keys())
        if wrong:
            raise ValueError(f"attachment has no field {wrong[0]}; known are {', '.join(FILE_CONVERTERS)}")
        missing = sorted({"id", "name"} - self.fields.keys())
        if missing or not {"client_id", "pet_id"} & self.fields.keys():
            raise ValueError(f"attachment needs {', '.join(missing) or 'client_id or pet_id'}")
        return self

    @property
    def named(self) -> Iterator[str]:
        """Every property that is named."""
        yield from SetKind.named.fget(self)  # type: ignore[attr-defined]
        yield self.content


class Codes(_Part):
    """A list of the practice's own codes, with their titles."""

    entity: EntitySet
    page: int = Field(default=100, ge=1, le=MOST_ROWS)
    code: Property
    title: Property


class Sent(_Part):
    """A write. ``fields``: by what is told, the name under which it is sent."""

    path: Path
    fields: Mapping[str, Property]
    always: Mapping[Property, Told] = {}
    """What else is sent, the same each time."""
    words: Mapping[str, Mapping[str, Told]] = {}
    """Of what is told: what is sent in place of a value."""
    item: Property | None = None
    """Where the answer holds the record; None: the answer is the record."""
    id: Property | None = None
    """Where the record's id stands in it."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        paths = sorted({*self.fields.values(), *self.always})
        inside = [one for one in paths if any(other.startswith(f"{one}/") for other in paths)]
        if inside:
            raise ValueError(f"{inside[0]} holds a value, and other names stand inside of it")
        return self


class VisitWrites(Sent):
    """How a visit is written: inserted, or updated where its id is sent."""

    whole: bool
    """A change sends the whole visit, as it is read and with what changes; else what changes alone."""
    id: Property
    create: bool = True
    update: bool = True
    cancelled: str | None = None
    """The status that means cancelled, in the practice's own words; None: no visit is cancelled by a write."""
    taken: tuple[Annotated[int, Field(ge=400, le=499)], ...] = ()
    """Statuses which say that the time is taken; none is public."""
    unlinked: Literal["yes", "placeholder", "no"] = "placeholder"
    """A client without a patient cannot be scheduled (section 2)."""
    text_limits: Mapping[str, Annotated[int, Field(ge=1)]] = {}
    """Longest texts, in characters."""
    loss: Mapping[str, str] = {}
    """What is not kept as it was written, in words."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _known(self, "appointment", VISIT_VALUES)
        missing = sorted({"id", "client_id", "pet_id", "start", "notes"} - self.fields.keys())
        if not {"duration", "minutes", "end"} & self.fields.keys():
            missing.append("one of duration, minutes and end")
        if self.cancelled is not None and "status" not in self.fields:
            missing.append("status, as a cancellation is one")
        if missing:
            raise ValueError(f"appointment: its fields lack {', '.join(missing)}")
        return self


class FileWrites(Sent):
    """How a document is added: a form with the file in one of its parts."""

    file: PartName
    id: Property
    types: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]{1,8}$")], ...] = ()
    """Endings of files that are taken; none: any."""
    largest: int | None = Field(default=None, ge=1)
    """Files of fewer bytes than this are taken."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _known(self, "attachment", FILE_VALUES)
        if not {"client_id", "pet_id"} & self.fields.keys():
            raise ValueError("attachment: its fields lack client_id or pet_id")
        return self


class LogWrites(Sent):
    """How the communication log is written."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _known(self, "log", LOG_VALUES)
        missing = sorted({"client_id", "text"} - self.fields.keys())
        if missing:
            raise ValueError(f"log: its fields lack {', '.join(missing)}")
        return self


class Writes(_Part):
    """What the service takes; Cornerstone alone has such writes (section 3)."""

    appointment: VisitWrites | None = None
    attachment: FileWrites | None = None
    log: LogWrites | None = None


class Times(_Part):
    """How moments are written."""

    zone: Literal["site", "utc"] = "site"
    """Whose clock a time without an offset goes by."""
    send: Literal["iso", "utc", "local"] = "iso"
    """With the site's offset, with Z, or by the site's clock without an offset."""


class Limit(_Part):
    """A rate limit: at most ``calls`` in ``seconds``."""

    calls: int = Field(default=60, ge=1)
    seconds: float = Field(default=60.0, gt=0)


class IdexxProfile(_Part):
    """The names of one site. Raises ``ValueError`` with all that cannot be so."""

    title: str = Field(min_length=1, max_length=80)
    proven: str = Field(min_length=1, max_length=120)
    """See ``Capabilities.proven``."""
    needs_vendor: tuple[str, ...] = ()
    limit: Limit = Limit()
    """No figure is public."""
    times: Times = Times()
    kinds: Annotated[Mapping[Kind, SetKind], Field(min_length=1), AfterValidator(check_kinds)]
    attachment: Files | None = None
    """The documents, where the site's service shows them."""
    codes: Mapping[CodeListName, Codes] = {}
    writes: Writes = Writes()
    screen: Mapping[Kind, Mapping[str, str]] = {}
    """For the work list: see ``Capabilities.screen``."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        wrong = [f"{kind}: {words}" for kind, rules in self.sets.items() for words in _misfits(kind, rules)]
        if self.writes.appointment is not None:
            shown = self.kinds.get(Kind.APPOINTMENT)
            lacking = sorted({"client_id", "pet_id", "notes"} - (shown.fields.keys() if shown else set()))
            if lacking:
                wrong.append(f"writes.appointment: kinds.appointment.fields lacks {', '.join(lacking)}")
        if self.writes.attachment is not None and self.attachment is None:
            wrong.append("writes.attachment: a document that is added is found again by the group attachment")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def sets(self) -> Mapping[Kind, SetKind]:
        """The entity sets of all kinds."""
        return {**self.kinds, **({Kind.ATTACHMENT: self.attachment} if self.attachment is not None else {})}


def _known(sent: Sent, what: str, values: frozenset[str]) -> None:
    strange = sorted({*sent.fields, *sent.words} - values)
    if strange:
        raise ValueError(f"{what}: nothing is told by {strange[0]}; known are {', '.join(sorted(values))}")


def _misfits(kind: Kind, rules: SetKind) -> Iterator[str]:
    strange = next((path for path in rules.named if not is_field(path)), None)
    if strange is not None:
        yield f"no property can be called {strange[:40]!a}; inside of another one it is written as Owner/Id"
    if rules.property_of("id") is None:
        yield "fields.id: one property was expected"
    for name in sorted(set(rules.plain) - {"id", "client_id", "pet_id", "site"}):
        yield f"plain: {name} is no key"
    if rules.window is not None and kind is not Kind.APPOINTMENT:
        yield "window: only visits are listed by time"
    if rules.window is not None and rules.property_of("start") is None:
        yield "window: it needs one property for fields.start"
    if rules.search and kind is not Kind.CLIENT:
        yield "search: only clients are searched by phone and email; all else follows from fields"
    for key in rules.search:
        if f"{key}s" not in rules.fields:
            yield f"search.{key}: what is found is compared with fields.{key}s, which is missing"
    if rules.owners is not None and kind is not Kind.PET:
        yield "owners: only a pet has owners"
    if rules.deletions_visible and rules.deleted_when is None:
        yield "deletions_visible needs deleted_when"
