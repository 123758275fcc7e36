"""What a profile of ``rest`` says: how an HTTP API is asked, what its answers mean, which path a field comes from.

A profile is data, and says nothing that is not plain: no expressions, no secrets, no addresses. Texts may hold
placeholders, as ``{id}`` or ``{start}``: see ``connectors.rest.template``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connectors.rest import template
from connectors.rest.template import BODIES, PATHS, SEARCH_KEYS, SEARCHED, TEXTS
from vetbridge.connector.interface import Operation, Relink, Unlinked
from vetbridge.connector.rows import KindRules, check_kinds
from vetbridge.connector.rows.profile import CONVERTERS
from vetbridge.core.records import Kind


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""What the profile calls a secret or a value that the account's options give."""
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,59}$")]
Parameter = Annotated[str, Field(pattern=r"^[A-Za-z$_@][A-Za-z0-9$_@.\[\]-]{0,79}$")]
"""Of a query or of a form."""
Path = Annotated[str, Field(pattern=r"^/[A-Za-z0-9/_.~{}$()@,;=+:-]{0,199}$")]
"""Below the account's address. It begins with a slash; what follows a question mark is the query's."""
Inside = Annotated[str, Field(min_length=1, max_length=200)]
"""A dotted path in an answer; empty parts of lists: ``phones[].number`` is the number of each of the phones."""
Told = str | int | bool


# -- proving who asks


class NoAuth(_Part):
    """Nobody is asked for anything."""

    kind: Literal["none"]


class Basic(_Part):
    """A name and a password with each request (RFC 7617)."""

    kind: Literal["basic"]
    user: Name = "user"
    password: Name = "password"  # noqa: S105 - the name of a secret


class Bearer(_Part):
    """A token that the vendor has given out for good (RFC 6750)."""

    kind: Literal["bearer"]
    token: Name = "token"  # noqa: S105 - the name of a secret


class Header(_Part):
    """A key in a header of the vendor's own."""

    kind: Literal["header"]
    header: HeaderName
    key: Name = "key"


class Grant(_Part):
    """A token that is asked for (RFC 6749): with the account's own credentials, or with a user's password."""

    kind: Literal["client_credentials", "password"]
    path: Path
    """Where it is asked for: below the option ``token_url``, or below the account's address."""
    sent: Literal["form", "json"] = "form"
    client_in: Literal["body", "header"] = "body"
    """Where ``client_id`` and ``client_secret`` go: into the body, or into a Basic header."""
    client_id: Name | None = "client_id"
    client_secret: Name | None = "client_secret"  # noqa: S105 - the name of a secret
    """Names of secrets; None: none is sent."""
    username: Name = "username"
    password: Name = "password"  # noqa: S105 - the name of a secret
    more: Mapping[Parameter, Told] = {}
    """What else is sent: scope, audience."""
    token: Inside = "access_token"  # noqa: S105 - a path
    expires: Inside = "expires_in"
    """Seconds that it lives."""
    lives: float = Field(default=600.0, gt=0)
    """Seconds that it lives where the answer does not say."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that are sent."""
        own = (self.username, self.password) if self.kind == "password" else ()
        return tuple(filter(None, (self.client_id, self.client_secret, *own)))


Auth = Annotated[NoAuth | Basic | Bearer | Header | Grant, Field(discriminator="kind")]


# -- pages


class Whole(_Part):
    """A list comes in one answer."""

    kind: Literal["none"] = "none"


class _Sized(_Part):
    size_parameter: Parameter | None = None
    size: int = Field(default=100, ge=1, le=10_000)
    """Records that are asked for in one answer; fewer may come."""


class Pages(_Sized):
    """Pages have numbers."""

    kind: Literal["page"]
    parameter: Parameter = "page"
    first: int = Field(default=1, ge=0, le=1)
    pages: Inside | None = None
    """Where the answer counts pages."""


class Offset(_Sized):
    """Pages begin after so many records."""

    kind: Literal["offset"]
    parameter: Parameter = "offset"


class Next(_Sized):
    """An answer names the next one by a text that is handed back."""

    kind: Literal["cursor"]
    parameter: Parameter = "cursor"
    next: Inside


class Link(_Sized):
    """An answer holds the address of the next one: in its ``Link`` header (RFC 8288), or at a path."""

    kind: Literal["link"]
    next: Inside | None = None


Paging = Annotated[Whole | Pages | Offset | Next | Link, Field(discriminator="kind")]


# -- what answers mean


class Meaning(StrEnum):
    """What VetBridge does about a refusal."""

    AUTH = "auth"
    """The credentials are not taken (any more)."""
    RIGHT = "right"
    """The credentials lack a right."""
    LIMIT = "limit"
    TAKEN = "taken"
    """The time is taken."""
    REFUSED = "refused"
    GONE = "gone"
    """There is no such record."""
    STALE = "stale"
    """The record has moved since it was read."""
    RETRY = "retry"
    """Nothing was done, and later it will be."""


class ErrorRule(_Part):
    """What an answer means that has one of these statuses and, where ``path`` is given, one of these values there.

    The first rule that fits holds. One without a status looks at every answer, also at those that say that all is
    well.
    """

    status: tuple[Annotated[int, Field(ge=200, le=499)], ...] = ()
    path: Inside | None = None
    values: tuple[str, ...] = ()
    """Without regard to case; none: whatever stands there, but null, false and what is empty."""
    means: Meaning

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if not self.status and self.path is None:
            raise ValueError("an error rule needs a status, a path, or both")
        if self.values and self.path is None:
            raise ValueError("values need the path where they stand")
        taken = sorted({401, 429} & set(self.status))
        if taken:
            raise ValueError(f"{taken[0]} needs no rule: 401 means auth, and 429 means limit")
        return self


class Pause(_Part):
    """Where an answer says how many seconds to wait, beside the header ``Retry-After``."""

    header: HeaderName | None = None
    path: Inside | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.header is None and self.path is None:
            raise ValueError("a header, a path, or both were expected")
        return self


class Limit(_Part):
    """A rate limit of the vendor's: at most ``calls`` in ``seconds``, counted per ``per``."""

    name: Name
    calls: int = Field(ge=1)
    seconds: float = Field(gt=0)
    per: str = Field(default="account", min_length=1, max_length=60)
    shared: bool = False
    """Counted for all accounts at the same address together."""


def _time_format(value: str) -> str:
    if value in ("iso", "utc", "local", "epoch", "epoch_ms") or "%" in value:
        return value
    raise ValueError("one of iso, utc, local, epoch, epoch_ms, or a format such as '%d.%m.%Y %H:%M' was expected")


TimeFormat = Annotated[str, AfterValidator(_time_format)]
"""``iso``: with the site's offset; ``utc``: with Z; ``local``: by the site's clock, without an offset; ``epoch`` and
``epoch_ms``: since 1970; else a ``strftime`` format, by the clock of ``Times.zone``."""


class Times(_Part):
    """How moments and days are written."""

    send: TimeFormat = "iso"
    date: Annotated[str, Field(pattern=r"^[^%]*(%[dmYyjbB][^%]*)+$", max_length=40)] = "%Y-%m-%d"
    """A day that is sent, in ``strftime``'s form."""
    zone: Literal["site", "utc"] = "site"
    """Whose clock a time without an offset goes by."""
    epoch: Literal["seconds", "milliseconds"] = "seconds"
    """What a number counts that stands for a moment."""


# -- requests


def _request(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


class Read(_Part):
    """A request that reads."""

    path: Path
    query: Mapping[Parameter, Told] = {}


class Listing(Read):
    """A list of records, or of codes."""

    items: Inside | None = None
    """Where the records stand in the answer; None: the answer is the list."""
    total: Inside | None = None
    """Where it says how many there are, on all pages together."""
    total_header: HeaderName | None = None
    paging: Paging | None = None
    """None: the profile's."""


class Window(_Part):
    """A list by time shows visits of these days alone, counted from today."""

    start: Parameter
    before: Parameter
    back_days: int = Field(default=7, ge=0, le=3660)
    ahead_days: int = Field(default=180, ge=1, le=3660)
    format: TimeFormat | None = None


class Changed(_Part):
    """The list shows what changed since a moment."""

    parameter: Parameter
    at: Inside
    """Where a record says when it was changed last: what is older than what was asked for shows that nothing was
    filtered."""
    format: TimeFormat | None = None
    overlap: int = Field(default=300, ge=0, le=86400)
    """Seconds that are asked for twice, for records that show up late in lists."""
    ignored: Literal["refuse", "whole"] = "refuse"
    """What is done where nothing was filtered: it is an error, or what came counts as the whole list."""


class One(Read):
    """One record by its id."""

    item: Inside | None = None
    """Where it stands in the answer, also as a member of a list; None: the answer is the record."""


class Searched(_Part):
    """What is added to the query of the list."""

    query: Mapping[Parameter, Told]
    phone: Literal["e164", "digits", "tail"] = "e164"
    """How a phone is asked for: as +441234567890, without the plus, or its last eight digits alone."""


class Send(_Part):
    """A request that writes."""

    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    path: Path
    query: Mapping[Parameter, Told] = {}
    body: Mapping[str, Any] | None = None
    """A field whose placeholder is not written is left out, and null where it is emptied; so are groups that are left
    without any."""
    item: Inside | None = None
    """Where the answer holds the record; None: the answer is the record."""
    id: Inside | None = None
    """Where the record's id stands in it; None: where ``fields`` say."""
    whole: bool = False
    """Of a change: the record is read first, and all of its fields are sent."""
    words: Mapping[Name, Mapping[str, Told]] = {}
    """Of fields: what is sent in place of a value, such as a number for who cancelled."""


HANDED: Literal["handed"] = "handed"
Writing = Literal["handed"] | Send
"""``handed``: to the work list, and a person carries it out."""


class Version(_Part):
    """What tells a record from what it was before."""

    path: Inside
    header: HeaderName | None = None
    """A write names it there, and is refused where it has moved; None: it is only read."""
    quoted: bool = True
    """Between quotes, as an ETag."""


class RestKind(KindRules):
    """One kind at one API."""

    list: Annotated[Listing, BeforeValidator(_request)]
    changed: Changed | None = None
    window: Window | None = None
    get: Annotated[One, BeforeValidator(_request)]
    search: Mapping[str, Searched] = {}
    create: Writing | None = None
    update: Writing | None = None
    cancel: Writing | None = None
    version: Version | None = None
    deletions_visible: bool = False
    """Lists show records that are deleted, as ``deleted_when`` says."""
    unlinked: Unlinked = Unlinked.NO
    relink: Relink = Relink.NO
    text_limits: Mapping[Name, Annotated[int, Field(ge=1)]] = {}
    """Longest texts, in characters."""
    loss: Mapping[Name, str] = {}
    """What is not kept as it was written, in words."""

    def write(self, operation: Operation) -> Writing | None:
        """How an operation is written."""
        writes = {Operation.CREATE: self.create, Operation.UPDATE: self.update, Operation.CANCEL: self.cancel}
        return writes.get(operation)

    @property
    def sends(self) -> Iterator[tuple[Operation, Send]]:
        """The writes that the API takes."""
        for operation in (Operation.CREATE, Operation.UPDATE, Operation.CANCEL):
            sent = self.write(operation)
            if isinstance(sent, Send):
                yield operation, sent


class Codes(Listing):
    """A list of the practice's own codes, with their titles."""

    code: Inside = "id"
    title: Inside = "name"


_NOT_HERE = frozenset({"authorization", "connection", "content-length", "content-type", "host", "transfer-encoding"})
CodeListName = Literal["appointment_type", "resource", "species", "breed", "sex", "status"]
SCREENED = (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)


class RestProfile(_Part):
    """An HTTP API. Raises ``ValueError`` with all that cannot be so."""

    title: str = Field(min_length=1, max_length=80)
    proven: str = Field(min_length=1, max_length=120)
    """What is proven of it; see ``Capabilities.proven``."""
    needs_vendor: tuple[str, ...] = ()
    values: tuple[Name, ...] = ()
    """What each site says for itself in the option ``values``: they are placeholders everywhere."""
    headers: Mapping[HeaderName, str] = {}
    auth: Auth
    limits: tuple[Limit, ...] = (Limit(name="api", calls=60, seconds=60.0),)
    """The last one is paused where the vendor asks for a pause."""
    pause: Pause | None = None
    times: Times = Times()
    paging: Paging = Whole()
    errors: tuple[ErrorRule, ...] = ()
    idempotency_header: HeaderName | None = None
    """The vendor keeps what is written with one key from taking effect twice."""
    kinds: Annotated[Mapping[Kind, RestKind], Field(min_length=1), AfterValidator(check_kinds)]
    codes: Mapping[CodeListName, Annotated[Codes, BeforeValidator(_request)]] = {}
    screen: Mapping[Kind, Mapping[Name, str]] = {}
    """For the work list: see ``Capabilities.screen``."""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        wrong = [
            *self._general(),
            *(f"{kind}: {words}" for kind, rest in self.kinds.items() for words in self._of(kind, rest)),
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def handed(self) -> Self:
        """The same API where it is only read: people carry out all writes of visits, and nobody is created."""
        unwritten = {"create": None, "update": None, "cancel": None}
        by_hand = dict.fromkeys(unwritten, HANDED)
        kinds = {
            kind: rest.model_copy(update=by_hand if kind is Kind.APPOINTMENT else unwritten)
            for kind, rest in self.kinds.items()
        }
        return self.model_copy(update={"kinds": kinds})

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that an account must have."""
        auth = self.auth
        if isinstance(auth, Basic):
            return (auth.user, auth.password)
        if isinstance(auth, Bearer):
            return (auth.token,)
        if isinstance(auth, Header):
            return (auth.key,)
        return auth.secrets if isinstance(auth, Grant) else ()

    def _general(self) -> Iterator[str]:
        if len({limit.name for limit in self.limits}) < len(self.limits) or not self.limits:
            yield "limits: at least one was expected, each with a name of its own"
        taken = sorted(set(self.values) & (TEXTS | BODIES | SEARCHED))
        if taken:
            yield f"values: {', '.join(taken)} already means something"
        for name, text in self.headers.items():
            if name.lower() in _NOT_HERE:
                yield f"headers.{name}: stands in no profile; who asks is said by auth"
            yield from self._unknown(f"headers.{name}", text, frozenset())
            if not text.isprintable() or not text.isascii():
                yield f"headers.{name}: printable ASCII was expected"
        if isinstance(self.auth, Grant):
            yield from self._unknown("auth.path", self.auth.path, frozenset())
            yield from self._unknown("auth.more", self.auth.more, frozenset())
        for name, codes in self.codes.items():
            yield from self._unknown(f"codes.{name}", [codes.path, codes.query], frozenset())

    def _of(self, kind: Kind, rest: RestKind) -> Iterator[str]:
        yield from self._unknown("list", [rest.list.path, rest.list.query], frozenset())
        yield from self._unknown("get", [rest.get.path, rest.get.query], PATHS)
        if "id" not in template.names([rest.get.path, rest.get.query]):
            yield "get: {id} stands neither in its path nor in its query"
        for key, searched in rest.search.items():
            if key not in SEARCH_KEYS.get(kind, frozenset()):
                yield f"search: {kind} is not searched by {key}"
            elif key not in template.names(searched.query):
                yield f"search.{key}: its query does not hold {{{key}}}"
            yield from self._unknown(f"search.{key}", searched.query, frozenset({key}))
        if rest.window is not None and kind is not Kind.APPOINTMENT:
            yield "window: only visits are listed by time"
        if rest.deletions_visible and rest.deleted_when is None:
            yield "deletions_visible needs deleted_when"
        unknown = sorted({*rest.text_limits, *rest.loss} - CONVERTERS[kind].keys())
        if unknown:
            yield f"text_limits and loss: {kind} has no field {', '.join(unknown)}"
        yield from self._writes(kind, rest)

    def _writes(self, kind: Kind, rest: RestKind) -> Iterator[str]:
        if kind not in SCREENED and (rest.create or rest.update or rest.cancel):
            yield f"{kind} is not written"
        if kind is not Kind.APPOINTMENT:
            if rest.cancel is not None:
                yield "cancel: only visits are cancelled"
            if HANDED in (rest.create, rest.update):
                yield "only writes of visits are handed to people: the visit's line says who is new"
        for operation, sent in rest.sends:
            about = PATHS if operation is not Operation.CREATE else frozenset({"key"})
            fields = template.writable(kind, operation)
            yield from self._unknown(f"{operation}.path", sent.path, about)
            yield from self._unknown(f"{operation}.query", sent.query, about | fields)
            yield from self._unknown(f"{operation}.body", sent.body or {}, about | fields)
            if operation is not Operation.CREATE and "id" not in template.names([sent.path, sent.query, sent.body]):
                yield f"{operation}: {{id}} does not stand in it"
            if operation is Operation.CREATE and not fields & template.names(sent.body or {}):
                yield "create: its body holds no field"
            if operation is Operation.UPDATE and not template.changed(sent.body or {}):
                yield "update: its body holds no field"
            if sent.whole and operation is not Operation.UPDATE:
                yield f"{operation}: only a change can be whole"
            for name in sorted(set(sent.words) - fields):
                yield f"{operation}.words: {name} is not written"
        update = rest.update
        moves = isinstance(update, Send) and "client_id" in template.changed(update.body or {})
        if rest.relink is not Relink.NO and not moves:
            yield "relink: the body of update does not hold {client_id}"

    def _unknown(self, where: str, texts: object, known: Iterable[str]) -> Iterator[str]:
        allowed = {*known, *self.values}
        for name in sorted(template.names(texts) - allowed):
            hint = f"known are {', '.join(sorted(allowed))}" if allowed else "none is known here"
            yield f"{where}: there is no placeholder {{{name}}}; {hint}"
