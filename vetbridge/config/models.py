"""What a config says: every key, its meaning, unit and default.

The page docs/configuration.md and config.example.yaml describe the same keys; tests compare them.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import string
import zoneinfo
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from vetbridge.config.address import Address
from vetbridge.config.problems import nearest, shown
from vetbridge.config.secrets import Secret
from vetbridge.core.records import RECORD_TYPES, Kind

LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})

VERSION = 1
"""Version of the config's form that this VetBridge reads."""

OTHERWISE = "otherwise"
"""The key in a code list that says what stands for a code that the list does not hold."""


def _problem(text: str) -> PydanticCustomError:
    # The words go in as a parameter: braces in a template would be taken for one.
    return PydanticCustomError("vetbridge", "{words}", {"words": text})


def _known_zone(name: str) -> str:
    zones = _zones()
    if name not in zones:
        # Any spelling of case is near enough for a hint: people write europe/london.
        folded = {zone.casefold(): zone for zone in zones}
        near = difflib.get_close_matches(name[:80].casefold(), folded, n=1)
        hint = f"; did you mean {folded[near[0]]!r}?" if near else "; write it like Europe/London"
        raise _problem(f"no IANA time zone is called {shown(name)}{hint}")
    return name


def _known_country(code: str) -> str:
    if code not in _countries():
        hint = "; the United Kingdom is GB" if code.upper() == "UK" else "; two capital letters, such as GB or DE"
        raise _problem(f"no ISO 3166 country has the code {shown(code)}{hint}")
    return code


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones() - {"Factory", "localtime", "posixrules"})


@cache
def _countries() -> frozenset[str]:
    table = resources.files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text("utf-8")
    return frozenset(line[:2] for line in table.splitlines() if not line.startswith("#"))


def _from_folder(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, (str, Path)) or not str(value):
        raise _problem("must be a path in text")
    if "\0" in str(value):
        raise _problem("holds a character that no path may have")
    folder = info.context.get("folder") if isinstance(info.context, Mapping) else None
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise _problem("starts with ~ and a user whose home is not known; write the path in full") from None
    return (folder or Path()) / path


def _known_version(version: int) -> int:
    if version != VERSION:
        raise _problem(f"this VetBridge reads version {VERSION} of the config's form")
    return version


def is_loopback(host: str) -> bool:
    """Whether a listener at this host is reached from this machine only."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise _problem(f"{shown(text)} is no IP address") from None


def _https_address(text: str) -> str:
    """Scheme and host alone, as browsers name the page's origin."""
    parts = _address_parts(text)
    if parts.scheme != "https" or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _problem("must be https:// and a host, without a path")
    return f"https://{parts.netloc.lower()}"


def _hook_address(text: str) -> str:
    parts = _address_parts(text)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise _problem("must be https://, or http:// to this machine: what is told must not be read on its way")
    return text


def _door_address(text: str) -> str:
    parts = _address_parts(_hook_address(text))
    if parts.query or parts.fragment:
        raise _problem("must be https:// and a host, with the folder where the proxy serves the door, if any")
    return text.rstrip("/")


def _address_parts(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        known = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known or parts.username is not None or not text.isascii() or any(sign.isspace() for sign in text):
        raise _problem("is no address: write it as https://HOST, without user or password")
    return parts


# RFC 5321, section 4.1.2, without quoted names and numbers in brackets: what has another form no mail can be sent to.
_ATOM, _LABEL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_MAIL_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})*")


def _mail_address(text: str) -> str:
    if not _MAIL_ADDRESS.fullmatch(text):
        raise _problem(f"{shown(text)} is no mail address; write it like it@clinic.example")
    return text


def _span(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)", text) or text[:5] >= text[6:]:
        raise _problem(f"{shown(text)} is no span of a day; write it like '08:00-18:30'")
    return text


def _as_code(value: object) -> object:
    # A side's codes are compared as text; whole numbers are what most vendors call them.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Seconds = Annotated[float, Field(strict=True, ge=0, le=31_536_000, allow_inf_nan=False)]
"""A span of time in seconds, at most a year."""
SomeSeconds = Annotated[float, Field(strict=True, ge=1, le=31_536_000, allow_inf_nan=False)]
"""A span of time in seconds, at least one."""
Limit = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Days = Annotated[int, Field(strict=True, ge=0, le=36_500)]
YearOfDays = Annotated[int, Field(strict=True, ge=0, le=366)]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A time of day in quotes, "07:00"."""
Span = Annotated[str, AfterValidator(_span)]
"""A span of one day in quotes, "08:00-18:30"; "24:00" is the day's end."""
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]
"""An account's or a site's own name: it stands in logs and addresses."""
Zone = Annotated[str, AfterValidator(_known_zone)]
Country = Annotated[str, AfterValidator(_known_country)]
FolderPath = Annotated[Path, BeforeValidator(_from_folder)]
"""A path that starts at the config's folder."""
Code = Annotated[str, BeforeValidator(_as_code), Field(min_length=1, max_length=200)]
"""A code of a side, as text."""
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[str, ...] = get_args(Weekday)
"""From Monday on."""
Owner = Literal["booking", "pims", "ask"]
"""Who decides when both sides changed a field: a side, or a person."""


class Part(BaseModel):
    """A part of the config: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Ledger(Part):
    """Where VetBridge keeps its memory."""

    path: FolderPath = Path("vetbridge.db")
    """The database file, from the config's folder. A local disk, never a network share."""
    database: Secret | None = None
    """In place of ``path``: address of a PostgreSQL database, postgresql://USER:PASSWORD@HOST/DATABASE."""
    key: Secret
    """Encrypts personal values in the ledger. Whoever loses it loses the ledger."""
    keep_bodies_days: Annotated[int, Field(strict=True, ge=0, le=36_500)] = 90
    """Personal values of what is settled are dropped after so many days; the rows stay. 0 keeps them."""

    @model_validator(mode="after")
    def _one_place(self) -> Ledger:
        if self.database is not None and "path" in self.model_fields_set:
            raise _problem("has both path and database; the ledger is in one place: remove one of them")
        return self

    @property
    def place(self) -> Path | Address:
        """Where the ledger is. Raises ``ConfigError`` where the secret is missing or holds no address."""
        return self.path if self.database is None else Address(self.database.reveal())


class Door(Part):
    """Where webhooks come in and health is asked."""

    host: Text = "127.0.0.1"
    """Address to listen at; the default is reached from this machine only."""
    port: Annotated[int, Field(strict=True, ge=0, le=65535)] = 8710
    """TCP port; 0 lets the system choose one."""

    @property
    def loopback(self) -> bool:
        """The door is reached from this machine only."""
        return is_loopback(self.host)


class Tls(Part):
    """A certificate for a listener of VetBridge's own."""

    certificate: FolderPath
    """PEM file with the certificate and those that it rests on."""
    key: FolderPath
    """PEM file with its private key."""


class Proxy(Part):
    """A proxy before the page, which ends TLS."""

    address: Annotated[str, AfterValidator(_https_address)]
    """What staff type: https://desk.clinic.example."""
    trusted: Annotated[tuple[Annotated[str, AfterValidator(_ip_address)], ...], Field(min_length=1)] = ("127.0.0.1",)
    """Addresses from which the proxy speaks: what it says of a caller's own address is believed."""


class Pages(Part):
    """The page for reception and support, and the JSON API. Without this part there is none."""

    host: Text = "127.0.0.1"
    """Address to listen at. Any other than this machine's own takes ``tls`` or ``proxy``."""
    port: Annotated[int, Field(strict=True, ge=0, le=65535)] = 8711
    """TCP port; 0 lets the system choose one."""
    language: Literal["en", "de"] = "en"
    """Of whoever has not chosen another one."""
    session_hours: Annotated[float, Field(strict=True, gt=0, le=168, allow_inf_nan=False)] = 12.0
    """Hours after which everybody signs in again."""
    tls: Tls | None = None
    proxy: Proxy | None = None

    @property
    def loopback(self) -> bool:
        """The page is reached from this machine only."""
        return is_loopback(self.host)

    @model_validator(mode="after")
    def _safe(self) -> Pages:
        if self.tls is not None and self.proxy is not None:
            raise _problem("has both tls and proxy: one of them ends TLS, remove the other")
        if not self.loopback and self.tls is None and self.proxy is None:
            raise _problem(
                f"host {shown(self.host)} is reached from other machines: add tls, or the proxy that stands before it"
            )
        return self


EventType = Literal[
    "review.opened",
    "review.soon",
    "change.failed",
    "account.stale",
    "account.recovered",
    "alert.raised",
    "alert.cleared",
    "alert.digest",
]
"""What a webhook can be told."""
AlertType = Literal["review.soon", "alert.raised", "alert.cleared", "alert.digest"]
"""What a mail or a command of ``alerts`` can be told."""


class Webhook(Part):
    """Somebody who is told what happens, by a signed call."""

    url: Annotated[str, AfterValidator(_hook_address)]
    """https://..., or http:// on this machine."""
    secret: Secret
    """Signs each call, so that whoever takes it knows from whom it comes."""
    events: Annotated[tuple[EventType, ...], Field(min_length=1)] = get_args(EventType)
    """What it is told; all, unless some are named."""


class Mail(Part):
    """Somebody who is told by mail."""

    to: Annotated[tuple[Annotated[str, AfterValidator(_mail_address)], ...], Field(min_length=1)]
    """Addresses of those who are told."""
    tells: Annotated[tuple[AlertType, ...], Field(min_length=1)] = get_args(AlertType)
    """What it tells; all, unless some are named."""
    language: Literal["en", "de"] = "en"


class MailServer(Part):
    """The server that takes VetBridge's mails."""

    host: Text
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    """``none`` only for a server on this machine."""
    user: Text | None = None
    password: Secret | None = None
    sender: Annotated[str, AfterValidator(_mail_address)]
    """The address that the mails are from."""

    @model_validator(mode="after")
    def _safe(self) -> MailServer:
        if self.security == "none" and not is_loopback(self.host):
            raise _problem("security none is for a server on this machine; write starttls or tls")
        if (self.user is None) != (self.password is None):
            raise _problem("has one of user and password; write both, or none")
        return self


class Command(Part):
    """A program that is called with what is told, as JSON on its standard input."""

    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Program and arguments; no shell. It gets 30 seconds."""
    tells: Annotated[tuple[AlertType, ...], Field(min_length=1)] = get_args(AlertType)
    """What it is told; all, unless some are named."""


class Heartbeat(Part):
    """An address that is called as long as all goes well: a monitor elsewhere notices when the calls end."""

    url: Secret
    """https://..., asked with GET. A secret: whoever knows it can pretend that all is well."""
    every: SomeSeconds = 300.0
    """Seconds between two calls."""


class Alerts(Part):
    """Who is told when VetBridge needs a person. Webhooks are told by ``webhooks``."""

    digest: TimeOfDay | None = "07:00"
    """When what is still open is told again, each day, by the clock of the first site; null: never."""
    mail_server: MailServer | None = None
    mails: Mapping[Name, Mail] = {}
    """Who is told by mail, by a name of their own."""
    commands: Mapping[Name, Command] = {}
    """Programs that are called, by a name of their own."""
    heartbeat: Heartbeat | None = None

    @model_validator(mode="after")
    def _with_server(self) -> Alerts:
        if self.mails and self.mail_server is None:
            raise _problem("has mails and no mail_server that takes them")
        return self


class Watch(Part):
    """From when on something counts as wrong."""

    read_stale: SomeSeconds = 900.0
    """Seconds without a reading of a side's records, in opening hours."""
    write_stale: SomeSeconds = 900.0
    """Seconds that a write waits though nobody holds it back, in opening hours."""
    unreachable: SomeSeconds = 300.0
    """Seconds that a vendor does not answer."""
    clock_drift: SomeSeconds = 120.0
    """Seconds between this machine's clock and the vendors'."""
    certificate_days: Annotated[int, Field(strict=True, ge=1, le=365)] = 21
    """Days before a certificate ends."""
    disk_megabytes: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 500
    """Free megabytes on the disk of the ledger, of the log and of the backups."""
    hook_misses: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 5
    """Changes in a row that a poll found and no webhook told of."""
    nudge: SomeSeconds = 7200.0
    """Seconds before a visit begins whose question, or line of the work list, is still open."""
    line_overdue: SomeSeconds = 14400.0
    """Seconds that a visit stands on the work list and nobody has typed it, in opening hours."""
    ended_at_once: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 20
    """Clients, or pets, of a PIMS that may end within an hour. More than this and more than ``ended_percent`` are not
    believed to, until a person has looked."""
    ended_percent: Annotated[int, Field(strict=True, ge=0, le=100)] = 5
    """The same, of a hundred that stand."""
    backup_hours: Annotated[int, Field(strict=True, ge=1, le=8_760)] = 48
    """Hours since the last backup, where ``backup`` is configured."""


class Backup(Part):
    """Backups of the ledger, made while VetBridge runs. Without this part none are made by themselves."""

    folder: FolderPath
    """Where they are kept; another disk than the ledger's is better."""
    every_hours: Annotated[int, Field(strict=True, ge=1, le=168)] = 24
    keep: Annotated[int, Field(strict=True, ge=1, le=1000)] = 14
    """So many of the newest are kept."""


class Retention(Part):
    """How long rows are kept, in days; 0 keeps them. Personal values end earlier: ``ledger.keep_bodies_days``."""

    changes_days: Days = 730
    """Changes that are settled, with their writes and questions; links and what still holds stay."""
    audit_days: Days = 3650
    """What people have done."""
    access_days: Days = 365
    """Who looked at an owner's data."""


class Network(Part):
    """How VetBridge reaches others. TLS is always verified."""

    ca: FolderPath | None = None
    """PEM file of certificates that are trusted beside the public ones, such as a proxy's that looks into TLS."""


def _scanner_address(text: str) -> str:
    """Raises ValueError for what is neither a socket's path nor a host and a port."""
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        port = None
    is_path = parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/")
    is_host = parts.scheme == "tcp" and parts.hostname and port and parts.path in ("", "/")
    if not (is_path or is_host):
        raise _problem("must be unix:///PATH or tcp://HOST:PORT of a clamd")
    return text


class Scanner(Part):
    """A virus scanner, clamd, that looks at every file before it is carried. Where it does not answer, none is."""

    address: Annotated[str, AfterValidator(_scanner_address)]
    """unix:///run/clamav/clamd.ctl, or tcp://127.0.0.1:3310. The files go there as they are: over a network that
    others listen to, no."""
    timeout: SomeSeconds = 60.0
    """Seconds that it may take for one file."""


class Daemon(Part):
    """How `vetbridge run` works."""

    workers: Annotated[int, Field(strict=True, ge=1, le=64)] = 4
    """Threads that work on lanes."""


class Timings(Part):
    """Waits and limits, all in seconds."""

    absence_confirm: Seconds = 300.0
    """A record counts as gone only after two misses this far apart."""
    retry_first: SomeSeconds = 5.0
    """First wait after a side did not answer; doubles up to ``retry_longest``."""
    retry_longest: SomeSeconds = 600.0
    """Longest wait between two tries."""
    request_timeout: SomeSeconds = 30.0
    """How long one request may take."""
    settle: Seconds = 0.0
    """Added to ``request_timeout`` and the connector's late landing before a lost write is looked for."""
    lease: SomeSeconds = 300.0
    """How long one worker may hold a client's records before another one takes its work over."""
    pims_refresh: SomeSeconds = 60.0
    """How often a PIMS account's clients and pets are read for changes."""
    sweep: SomeSeconds = 3600.0
    """How often all visits of the coming weeks are compared on both sides, for hints that were lost."""
    files: SomeSeconds = 60.0
    """How often a part of the clients is looked at for new files."""
    due_services: SomeSeconds = 300.0
    """How often the PIMS is asked which services are due."""
    mirror_stale: SomeSeconds = 3600.0
    """No new client is created when the mirror of the PIMS is older."""

    @model_validator(mode="after")
    def _ordered(self) -> Timings:
        if self.retry_longest < self.retry_first:
            raise _problem("retry_longest is shorter than retry_first; make it as long at least")
        if self.lease <= self.request_timeout:
            raise _problem(
                "lease is not longer than request_timeout: work would be taken over in the middle of a write"
            )
        if self.mirror_stale < self.pims_refresh:
            raise _problem("mirror_stale is shorter than pims_refresh: no client could ever be created")
        return self


class Log(Part):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines that are written."""
    format: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object a line."""
    file: FolderPath | None = None
    """Written in place of standard error, for services whose standard error nobody keeps."""
    file_megabytes: Annotated[int, Field(strict=True, ge=1, le=1000)] = 10
    """A file that has grown so large is put aside, and a new one begun."""
    files: Annotated[int, Field(strict=True, ge=1, le=100)] = 5
    """So many that were put aside are kept."""


class App(Part):
    """An app on a vendor's marketplace: clinics connect it to their locations themselves."""

    connector: Text
    """Whose marketplace: ``altegio``."""
    address: Annotated[str, AfterValidator(_door_address)]
    """Where the vendor and the clinics' browsers reach VetBridge's door: https://bridge.example."""
    options: Any
    """The connector's own options of an app, as its model."""


class AccountPart(Part):
    """Another connector of an account, for kinds that its own does not serve: a diary that comes as files."""

    connector: Text
    """Which connector: ``files``."""
    serves: Annotated[tuple[Kind, ...], Field(min_length=1)]
    """The kinds that it serves in place of the account's own connector: ``appointment``."""
    mapping: Text | None = None
    """Mapping table: a shipped name or a path from the config's folder. Without it the connector's own."""
    limit_scale: Annotated[float, Field(strict=True, gt=0, le=10_000, allow_inf_nan=False)] = 1.0
    """See ``Account``."""
    options: Any
    """The connector's own options, as its model."""


class Account(Part):
    """One set of credentials at one vendor; with ``parts``, one practice that several connectors serve."""

    connector: Text
    """Which connector speaks to the vendor: ``altegio``, ``ezyvet``."""
    app: Name | None = None
    """The app by which the clinic connects this account; options that both have, the account takes from it."""
    poll: SomeSeconds = 60.0
    """Seconds between two looks for changes."""
    limit_scale: Annotated[float, Field(strict=True, gt=0, le=10_000, allow_inf_nan=False)] = 1.0
    """Scales the vendor's rate limits. Only for simulators: a real vendor will block the account."""
    hook_secret: Secret | None = None
    """The last part of the webhook's address, http://HOST:PORT/hooks/ACCOUNT/SECRET; without it none are taken."""
    options: Any
    """The connector's own options, as its model."""
    parts: Mapping[Name, AccountPart] = {}
    """Where one connector does not serve all kinds of a practice: the others, by names of the clinic's choice."""

    def part_of(self, kind: Kind) -> str:
        """The part that serves a kind; "" where the account's own connector does."""
        return next((name for name, part in self.parts.items() if kind in part.serves), "")


class Otherwise(Part):
    """What stands for a code that a list does not hold."""

    read: Text | None = None
    """VetBridge's word for an unknown code of the side; without it such a code is an error."""
    write: Code | None = None
    """The side's code for a word that the list does not hold; without it such a word is an error."""


def _code_shape(value: object) -> str | None:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return "one"
    if isinstance(value, (list, tuple)):
        return "several"
    return "otherwise" if isinstance(value, (Mapping, Otherwise)) else None


CodeEntry = Annotated[
    Annotated[Code, Tag("one")]
    | Annotated[tuple[Code, ...], Field(min_length=1), Tag("several")]
    | Annotated[Otherwise, Tag("otherwise")],
    Discriminator(
        _code_shape,
        custom_error_type="vetbridge",
        custom_error_message="must be a code in quotes, or a list of codes",
    ),
]


def _sound_list(entries: Mapping[str, str | tuple[str, ...] | Otherwise]) -> Mapping[str, Any]:
    word_of: dict[str, str] = {}
    for word, codes in entries.items():
        if (word == OTHERWISE) != isinstance(codes, Otherwise):
            raise _problem(f"'{OTHERWISE}' takes read and write, every other word a code or a list of codes")
        if isinstance(codes, Otherwise):
            continue
        for code in (codes,) if isinstance(codes, str) else codes:
            if word_of.setdefault(code, word) != word:
                raise _problem(f"the code {shown(code)} stands for both {shown(word_of[code])} and {shown(word)}")
    return entries


CodeList = Annotated[Mapping[str, CodeEntry], AfterValidator(_sound_list)]
"""VetBridge's word -> the side's code or codes, of which the first is written and all are read."""


class Placeholder(Part):
    """A site's stand-in client and pet, made by staff in the PIMS, for an appointment that is not linked yet."""

    client: Code
    """Id of the stand-in client in the PIMS."""
    pet: Code
    """Id of the stand-in pet in the PIMS."""


class BookingEnd(Part):
    """The booking side of a site."""

    account: Name
    """Name of the account."""
    mapping: Text | None = None
    """Mapping table: a shipped name or a path from the config's folder. Without it the connector's own."""
    codes: Mapping[Text, CodeList] = {}
    """The site's code lists at this side, by list: species, appointment_type, resource, status."""


class PimsEnd(BookingEnd):
    """The practice system of a site."""

    placeholder: Placeholder | None = None
    """Needed where the PIMS takes no appointment without an owner."""


class Create(Part):
    """What VetBridge may create in the PIMS."""

    clients: Flag = True
    """New clients, for bookers whom the PIMS does not know."""
    pets: Flag = True
    """New pets of known or new clients."""


class FirstDays(Part):
    """How much may be created in the first days after a pair was approved, at each side and within 24 hours."""

    days: Annotated[int, Field(strict=True, ge=0, le=365)] = 3
    """So long the limits hold; 0: they never do."""
    clients: Limit = 50
    pets: Limit = 100
    appointments: Limit = 400


OWNED_FIELDS = tuple(
    f"{kind.value}.{field.name}"
    for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)
    for field in fields(RECORD_TYPES[kind])
    if field.name not in ("id", "stamp", "version", "opted_out")
)
"""Every field that may have an owner. Who wants no messages has a rule of its own: the stricter side wins."""


def _owned_field(name: str) -> str:
    if name not in OWNED_FIELDS:
        raise _problem(f"no field is called {shown(name)}{nearest(name, OWNED_FIELDS)}")
    return name


FileType = Literal["pdf", "jpeg", "png", "gif", "tiff", "heic", "docx", "xlsx", "doc", "xls", "txt"]
"""What is in a file, found out by looking into it."""
Megabytes = Annotated[float, Field(strict=True, gt=0, le=50, allow_inf_nan=False)]
"""1,048,576 bytes each."""


class FileRules(Part):
    """Which files are carried to one side."""

    types: Annotated[Mapping[FileType, Megabytes], Field(min_length=1)] = {
        "pdf": 10.0,
        "jpeg": 10.0,
        "png": 10.0,
        "docx": 10.0,
        "txt": 1.0,
    }
    """What may be in them, each with the most megabytes."""
    names: Annotated[tuple[Text, ...], Field(min_length=1)] = ("*",)
    """Patterns for their names, of which one has to fit: ``*discharge*``. Capitals do not count."""


class Attachments(Part):
    """Which files are carried, and where. Nothing that was there before VetBridge began to look is."""

    to_pims: FileRules | None = None
    """From the client at the booking side to its client or pet in the PIMS; null: none."""
    to_booking: FileRules | None = None
    """From the PIMS to the client at the booking side, who may see them there; null: none."""
    days_before: Days = 3
    """Where the booking side cannot say which files are new, those of clients are listed who have a visit that began
    so many days ago at the most..."""
    days_after: Days = 30
    """...or that begins so many days from now at the most."""


def _notice_days(days: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(days)) != len(days):
        raise _problem("names a day twice")
    return tuple(sorted(days))


def _notice_text(text: str) -> str:
    try:
        names = [name for _, name, spec, conversion in string.Formatter().parse(text) if name is not None]
        plain = all(not spec and not conversion for _, _, spec, conversion in string.Formatter().parse(text))
    except ValueError:
        raise _problem("has a brace that opens or closes nothing; write {{ or }} for a brace") from None
    for name in names:
        if name not in NOTICE_WORDS:
            raise _problem(f"no word is called {shown(name)}{nearest(name, NOTICE_WORDS)}")
    if not plain:
        raise _problem("has more than a word's name in braces; write it like {pets}")
    return text


NOTICE_WORDS = ("clinic", "pets", "services", "date")
"""What may stand in braces in the text of a notice."""


class Notices(Part):
    """Messages to owners about services that are due, sent by the booking side."""

    text: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_notice_text)]
    """With {clinic}, {pets}, {services} and {date}, the earliest of their days."""
    days: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=-365, le=365)], ...],
        Field(min_length=1),
        AfterValidator(_notice_days),
    ] = (-30, -15, 7, 30)
    """When an owner is told, in days from the day on which the service is due; below 0 before it."""
    hours: Span = "09:00-18:00"
    """Messages go out within these hours alone, by the site's clock."""
    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1)] = ("mon", "tue", "wed", "thu", "fri")
    late_days: YearOfDays = 3
    """A message that could not go out on its day does so for so many days more, and then not at all."""
    per_day: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 50
    """So many are sent in a day at the most; the rest waits for the next one."""


class Reminders(Part):
    """What is done about services that are due: vaccinations and what else the PIMS tells."""

    ahead_days: Days = 183
    """A service that is due later says nothing yet."""
    soon_days: Days = 30
    """One that is due within so many days counts as due soon."""
    overdue_days: Days = 365
    """One that has been overdue for longer is shown nowhere."""
    card_overdue: Flag = False
    """Whether the card may name a service that is overdue as the next one."""
    merge_days: YearOfDays = 30
    """Services of all pets of an owner that are due within so many days go into one notice."""
    visit_before_days: Days = 30
    """A visit of the pet that is booked so many days before a service is due, or less, holds the service back..."""
    visit_after_days: Days = 60
    """...and so does one that is so many days after it, or less."""
    exempt_types: tuple[Text, ...] = ()
    """Appointment types, in VetBridge's words, whose visits hold nothing back."""
    always: tuple[Code, ...] = ()
    """Services, by the PIMS's code or by their name, that no visit holds back."""
    names: Mapping[Code, Text] = {}
    """What services are called to owners, by the PIMS's code; others have the PIMS's own words."""
    notices: Notices | None = None
    """null: nobody is sent a message."""


class Site(Part):
    """One practice location: its booking side and its PIMS, kept in agreement."""

    name: Text
    """What people call it."""
    organisation: Name | None = None
    """The chain that the site belongs to: what one of its sites knows of a client counts in the others."""
    zone: Zone
    """IANA time zone."""
    country: Country
    """ISO 3166 country, two letters; phones without a country code are read by it."""
    booking: BookingEnd
    pims: PimsEnd
    start: Literal["shadow", "live"] = "shadow"
    """``shadow``: nothing is written until somebody runs `vetbridge sync --approve`. ``live``: writing is approved
    from the beginning, after what stands on both sides has been paired."""
    first_days: FirstDays = FirstDays()
    create: Create = Create()
    attachments: Attachments | None = None
    """Without this part no file is carried."""
    reminders: Reminders | None = None
    """Without this part nothing is done about services that are due."""
    opening_hours: Mapping[Weekday, tuple[Span, ...]] = {}
    """When somebody is at the clinic, by weekday, in the site's zone; a weekday that is not named is closed. Empty:
    always. Outside of it nothing counts as stale."""
    fuse: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 30
    """So many visits may be cancelled, moved or overwritten within an hour before a person is asked."""
    owners: Mapping[Annotated[str, AfterValidator(_owned_field)], Owner] = {}
    """Field owners that differ from the defaults, as KIND.FIELD: booking, pims or ask."""


class Config(Part):
    """The whole config."""

    version: Annotated[int, Field(strict=True), AfterValidator(_known_version)]
    """Version of the config's form."""
    ledger: Ledger
    door: Door = Door()
    pages: Pages | None = None
    webhooks: Mapping[Name, Webhook] = {}
    """Who is told what happens, by a name of their own."""
    alerts: Alerts = Alerts()
    watch: Watch = Watch()
    backup: Backup | None = None
    retention: Retention = Retention()
    network: Network = Network()
    scanner: Scanner | None = None
    """Without this part files are not looked at for viruses."""
    daemon: Daemon = Daemon()
    timings: Timings = Timings()
    log: Log = Log()
    apps: Mapping[Name, App] = {}
    """Marketplace apps, by a name of their own."""
    accounts: Annotated[Mapping[Name, Account], Field(min_length=1)]
    sites: Annotated[Mapping[Name, Site], Field(min_length=1)]
