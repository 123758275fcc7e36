"""A stand-in for VetData: Covetrus' read-only feed over a simulated practice (pulse.md, sections 2 to 6 and 8).

- ``POST /oauth/token``: Auth0's password-realm grant; tokens live an hour. User and password (HTTP Basic) are taken,
  too.
- ``GET /InstallationList``: the practices of the account, as a plain array.
- ``GET /v2/...``: the entities of section 3, with ``$filter`` (``ge``, ``lt``, ``eq``, ``and``, ``or``, ``null``,
  moments as ``datetime'...'``), ``$top``, ``$skip``, ``$orderby``, ``$expand`` and ``$inlinecount=allpages``. An even
  total is a number and an odd one text. What no client of the feed was seen to use for sure is refused.

The header ``Installation`` says which practice is meant: without it a request is 400, with another one 403. The sheet
knows no error of the feed's: those numbers are made up, as are the types of relationships, the categories of codes
and what vaccines cost.

The feed has a copy of the practice's rows. A row bears the moment when it was made or changed, and no change date
before its first change; one that was deleted, or is no more, stays with the moment when it was removed.
``feed_delay``: so many seconds later a row, its change or its removal shows, with the moments when they happened.
``POST /_sim/feed`` with ``{"delay": 172800}`` sets it, ``{"expands": false}`` lets ``$expand`` be refused.
"""

from __future__ import annotations

import base64
import re
import secrets
import sqlite3
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qs

from vetbridge.core.records import Kind
from vetbridge.testing.clinic import SERVICES, STAFF
from vetbridge.testing.practice import Report
from vetbridge.testing.practice.plain import PlainPractice
from vetbridge.testing.practice.simulator import Exports, PlainSimulator, practice_options
from vetbridge.testing.simkit import Effect, Limit, Refusal, Request, Response, Route

TOKEN_SECONDS = 3600
GRANT = "http://auth0.com/oauth/grant-type/password-realm"
INSTALLATION = uuid.UUID("5f0c2f4e-90a1-4f6b-8a63-2f5d0f2a7c11")
OTHER = uuid.UUID("0b7d6c1a-2a55-4a0e-9a3f-7c1b52d90e42")
"""Another practice of the account, of which the feed shows nothing."""
SITE = 1
DEFAULT_SIZE = 100
LONGEST_FILTER = 20_000
DEEPEST = 50
"""Brackets inside of each other."""

Row = dict[str, Any]
CODE_LISTS: Mapping[str, Mapping[str, str | int]] = {
    "species": {"dog": "CANINE", "cat": "FELINE", "rabbit": "RABBIT", "bird": "AVIAN", "other": "UNKNOWN"},
    "sex": {"male": "M", "female": "F", "male_neutered": "N", "female_neutered": "S"},
    "appointment_type": {service.code: service.title for service in SERVICES},
    "resource": {member.code: member.name for member in STAFF},
    "status": {each: each for each in ("held", "booked", "confirmed", "arrived", "completed", "no_show")},
}
"""What a site's config would say about this practice: VetBridge's words and the practice's values."""

_SEXES: Mapping[str, str] = {"M": "Male", "F": "Female", "N": "Neutered", "S": "Spayed"}
_EXPANDS = frozenset(
    {"Phones", "Emails", "Addresses", "ClientPatientRelationships", "ClientPatientRelationships/Patient"}
)
_MEMBERS: Mapping[str, frozenset[str]] = {"Clients": _EXPANDS}
_OPTIONS = frozenset({"$filter", "$top", "$skip", "$orderby", "$expand", "$inlinecount"})


class FeedPractice(PlainPractice):
    """A practice of no system in particular, whose diary nothing shows."""

    system: ClassVar[str] = "vetdata"
    codes: ClassVar[Mapping[str, Mapping[str, str | int]]] = CODE_LISTS
    reports: ClassVar[Mapping[Kind, Report]] = {}


class VetDataFeed(PlainSimulator):
    """The feed over a practice. A system's subclass names its practice, and ``pms``."""

    vendor: ClassVar[str] = "vetdata"
    pms: ClassVar[str] = "Simulated practice"
    practice_class: ClassVar[type[PlainPractice]] = FeedPractice
    makes: ClassVar[frozenset[str]] = frozenset({"page_shift", "missing_fields", "token_expiry"})

    def __init__(self, exports: Exports | None = None, *, feed_delay: float = 0.0, **options: Any) -> None:
        self.feed_delay = feed_delay
        self.expands = True
        self.page_cap: int | None = None
        """Rows of one answer, whatever is asked for; None: as many as are."""
        self._tokens: dict[str, float] = {}
        super().__init__(exports, **options)

    def make_credentials(self, secret: Callable[[str], str]) -> dict[str, str]:
        """What Covetrus would give a partner."""
        return {
            "username": "partner",
            "password": secret("password"),
            "client_id": secret("client_id"),
            "installation": str(INSTALLATION),
        }

    def ready(self) -> dict[str, Any]:
        """What an account's options are beside the address and the credentials, too."""
        return {**super().ready(), "options": {"auth_url": self.base_url}}

    def routes(self) -> None:
        """The feed, beside the control door."""
        super().routes()
        self._copy = _Copy(self.practice, self.clock.now)
        self.route("POST", "/oauth/token", self._token, effect=Effect.TOKEN, access="anybody")
        self.route("GET", "/InstallationList", self._installations, access="partner")
        self.route("GET", "/v2/{entity}", self._entity)
        self.control("POST", "/feed", self._set_feed)

    def error(self, status: int, message: str) -> Response:
        """How the feed says no is not documented."""
        return Response(status, {"Message": message})

    def too_many(self, wait: float, limit: Limit | None) -> Response:
        """A 429 that says nothing."""
        return self.error(429, "Too many requests")

    def admit(self, request: Request, route: Route) -> None:
        """Needs a token that has not ended, or user and password; and the practice that is meant."""
        if route.access == "anybody":
            return
        kind, _, proof = request.headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            pair = f"{self.credentials['username']}:{self.credentials['password']}".encode()
            known = proof == base64.b64encode(pair).decode("ascii")
        else:
            known = kind == "Bearer" and self._tokens.get(proof, 0.0) > self.clock.steady()
        if not known:
            raise Refusal(401, "the account is not known")
        named = request.headers.get("installation", "")
        if route.access == "partner" or named.lower() == self.credentials["installation"]:
            return
        raise Refusal(403 if named else 400, "the installation is not known")

    def end_token(self, request: Request) -> None:
        """The token of a request is no longer known."""
        self._tokens.pop(request.headers.get("authorization", "").removeprefix("Bearer "), None)

    def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != GRANT or not form.get("audience") or not form.get("realm"):
            raise Refusal(400, "the grant is not known")
        if any(form.get(name) != self.credentials[name] for name in ("client_id", "username", "password")):
            raise Refusal(403, "the account is not known")
        token = secrets.token_hex(16)
        self._tokens[token] = self.clock.steady() + TOKEN_SECONDS
        return Response(200, {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS})

    def _set_feed(self, request: Request) -> Response:
        given = request.document()
        delay, expands = given.get("delay", self.feed_delay), given.get("expands", self.expands)
        if (
            isinstance(delay, bool)
            or not isinstance(delay, int | float)
            or delay < 0
            or not isinstance(expands, bool)
        ):
            raise Refusal(400, "delay must be a number of seconds, expands true or false")
        self.feed_delay, self.expands = float(delay), expands
        return Response(200, {"delay": self.feed_delay, "expands": self.expands})

    # -- what is read

    def _installations(self, request: Request) -> Response:
        mine = {
            "InstallationId": self.credentials["installation"],
            "PMS": self.pms,
            "PracticeName": f"Clinic of {self.vendor}",
        }
        other = {"InstallationId": str(OTHER), "PMS": "AVImark", "PracticeName": "Another clinic"}
        return Response(200, [other, mine])

    def _entity(self, request: Request) -> Response:
        entity = request.params["entity"]
        if entity not in _ENTITIES:
            raise Refusal(404, "there is no such entity")
        if unknown := sorted(request.query.keys() - _OPTIONS):
            raise Refusal(400, f"{unknown[0][:40]} is not supported")
        rows = self._shown(entity)
        condition = request.first("$filter")
        if condition:
            passes = _Filter(condition).predicate()
            rows = [row for row in rows if passes(row)]
        rows = _ordered(rows, request.first("$orderby"))
        top, skip = _number(request, "$top", DEFAULT_SIZE), _number(request, "$skip", 0)
        top = top if self.page_cap is None else min(top, self.page_cap)
        begin = max(skip + self.page_shift(2 if skip else 1), 0)
        page = [self._answered(entity, row, request) for row in rows[begin : begin + top]]
        counted: Row = {}
        if request.first("$inlinecount") == "allpages":
            counted = {"odata.count": str(len(rows)) if len(rows) % 2 else len(rows)}
        address = f"https://vetdata.invalid/v2/$metadata#{entity}"
        return Response(200, {"odata.metadata": address, **counted, "value": page})

    def _shown(self, entity: str) -> list[Row]:
        return self._copy.shown(entity, timedelta(seconds=self.feed_delay))

    def _answered(self, entity: str, row: Row, request: Request) -> Row:
        """A row with what is asked for beside it."""
        hidden = {name: value for name, value in row.items() if not name.startswith("_")}
        thin = self.thinned({"id": hidden.pop("Id"), **hidden})
        told: Row = {"odata.etag": f'W/"{zlib.crc32(repr(sorted(row.items())).encode()):08x}"', "Id": thin.pop("id")}
        told |= thin
        for name in filter(None, request.first("$expand").split(",")):
            if not self.expands or name.strip() not in _MEMBERS.get(entity, frozenset()):
                raise Refusal(400, f"{name[:60]} cannot be expanded")
            member = name.strip().partition("/")[0]
            told[member] = row[f"_{member}"] if f"_{member}" in row else self._of_client(row, "/" in name)
        return told

    def _of_client(self, row: Row, with_patient: bool) -> list[Row]:
        related = [each for each in self._shown("ClientPatientRelationships") if each["ClientId"] == row["Id"]]
        if not with_patient:
            return related
        patients = {each["Id"]: each for each in self._shown("Patients")}
        return [{**each, "Patient": patients.get(each["PatientId"])} for each in related]


# -- the feed's copy


class _Copy:
    """The rows of a practice as the feed has taken them over, with what they were before."""

    def __init__(self, practice: PlainPractice, now: Callable[[], datetime]) -> None:
        self._practice = practice
        self._now = now
        self._seen: object = None
        self._versions: dict[str, dict[int, list[tuple[datetime, Row]]]] = {name: {} for name in _ENTITIES}
        self._take()

    def shown(self, entity: str, delay: timedelta) -> list[Row]:
        """The rows of an entity as they show now."""
        self._take()
        latest = _plain(self._now()) - delay
        rows = []
        for versions in self._versions[entity].values():
            visible = [row for at, row in versions if at <= latest]
            if visible:
                rows.append(visible[-1])
            if not delay:
                rows[-1:] = [versions[-1][1]]
                del versions[:-1]
        return rows

    def _take(self) -> None:
        """Takes over what has changed since it was last looked."""
        practice = self._practice
        state = (
            tuple(practice.rows("PRAGMA data_version")[0]),
            tuple(practice.rows("SELECT total_changes()")[0]),
        )
        if state == self._seen:
            return
        self._seen = state
        now = _plain(self._now())
        for entity, read in _ENTITIES.items():
            kept = self._versions[entity]
            found = {row["Id"]: row for row in read(practice)}
            for number, row in found.items():
                versions = kept.setdefault(number, [])
                if not versions or versions[-1][1] != row:
                    versions.append((_stamped(row), row))
            for number in kept.keys() - found.keys():
                last = kept[number][-1][1]
                if last["APIRemovedDate"] is None:
                    kept[number].append((now, {**last, "APIRemovedDate": now.isoformat()}))


def _plain(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _stamped(row: Row) -> datetime:
    told = (row[name] for name in ("APICreateDate", "APILastChangeDate", "APIRemovedDate"))
    return max(datetime.fromisoformat(each) for each in told if each is not None)


def _dates(row: sqlite3.Row | Mapping[str, Any]) -> Row:
    names = {"created_at": "APICreateDate", "changed_at": "APILastChangeDate", "removed_at": "APIRemovedDate"}
    stamps = {
        told: None if row[name] is None else _plain(datetime.fromisoformat(row[name])).isoformat()
        for name, told in names.items()
    }
    return {**stamps, "DBID": 1, "InstallationId": str(INSTALLATION)}


def _midnight(day: str | None) -> str | None:
    return None if day is None else f"{day}T00:00:00"


def _numbers(practice: PlainPractice, table: str, key: str) -> dict[str, int]:
    """The feed's numbers of clients or patients, by the practice's own."""
    return {row[key]: row["row_id"] for row in practice.rows(f"SELECT row_id, {key} FROM {table}")}  # noqa: S608


def _clients(practice: PlainPractice) -> Iterator[Row]:
    for row in practice.rows("SELECT * FROM sim_client ORDER BY row_id"):
        dates = _dates(row)
        phones = [row[name] for name in ("phone_1", "phone_2", "phone_3") if row[name]]
        partner = " ".join(filter(None, (row["partner_first_name"], row["partner_last_name"])))
        yield {
            "Id": row["row_id"],
            "PmsId": row["client_id"],
            "LastName": row["last_name"],
            "FirstName": row["first_name"],
            "Title": None,
            "SignificantOther": partner or None,
            "EnteredDate": row["created_at"][:19],
            "FirstVisitDate": None,
            "Deleted": row["removed_at"] is not None,
            "Inactive": not row["active"],
            "SuspendReminders": bool(row["no_reminders"]),
            "EmailReminders": bool(row["email"]),
            "SiteId": SITE,
            **dates,
            "_Phones": [
                {
                    "ID": row["row_id"] * 10 + place,
                    "Type": "Cell" if place == 0 else "Home",
                    "IsPrimary": place == 0,
                    "Number": number,
                    "RelationshipId": row["row_id"],
                    "RelationshipPmsId": row["client_id"],
                    "RelationshipEntity": "Client",
                    **dates,
                    "APIRemovedDate": None,
                }
                for place, number in enumerate(phones)
            ],
            "_Emails": [{"Address": row["email"]}] if row["email"] else [],
            "_Addresses": [],
        }


def _patients(practice: PlainPractice) -> Iterator[Row]:
    for row in practice.rows("SELECT * FROM sim_patient ORDER BY row_id"):
        # Where a site has no code for it, an unknown sex is not said.
        sex = None if row["sex"] == "unknown" else row["sex"]
        yield {
            "Id": row["row_id"],
            "PmsId": row["patient_id"],
            "Name": row["name"],
            "Species": row["species"],
            "SpeciesDescription": (row["species"] or "").title() or None,
            "Breed": row["breed"],
            "BreedDescription": row["breed"],
            "Color": None,
            "ColorDescription": None,
            "Gender": sex,
            "GenderDescription": _SEXES.get(sex or "", sex),
            "DateOfBirth": _midnight(row["birth_date"]),
            "DateOfDeath": _midnight(row["died_on"]),
            "EnteredDate": row["created_at"][:19],
            "FirstVisitDate": None,
            "Deleted": row["removed_at"] is not None,
            "IsDeceased": row["died_on"] is not None,
            "Inactive": not row["active"],
            "CurrentWeight": None,
            "CurrentWeightUnit": "",
            "LastTransactionDate": None,
            "Image": None,
            "SiteId": SITE,
            "SuspendReminders": False,
            "PatientNotesString": None,
            **_dates(row),
        }


def _parties(practice: PlainPractice) -> Callable[[Any], Row]:
    """Client and patient of a row of the practice's, by the feed's numbers and by the practice's own."""
    clients = _numbers(practice, "sim_client", "client_id")
    patients = _numbers(practice, "sim_patient", "patient_id")
    return lambda row: {
        "ClientId": clients.get(row["client_id"]),
        "ClientPmsId": row["client_id"],
        "PatientId": patients.get(row["patient_id"]),
        "PatientPmsId": row["patient_id"],
    }


def _relationships(practice: PlainPractice) -> Iterator[Row]:
    parties = _parties(practice)
    for row in practice.rows("SELECT * FROM sim_owner ORDER BY row_id"):
        yield {
            "Id": row["row_id"],
            "Type": "Owner",
            **parties(row),
            "IsPrimary": bool(row["is_primary"]),
            "Percentage": float(row["percent"]),
            "StartDate": _midnight(row["starts"]),
            "EndDate": _midnight(row["ends"]),
            **_dates(row),
        }


def _transactions(practice: PlainPractice) -> Iterator[Row]:
    parties = _parties(practice)
    for row in practice.rows("SELECT * FROM sim_vaccination ORDER BY row_id"):
        yield {
            "Id": row["row_id"],
            "Type": "Service",
            **parties(row),
            "TransactionDate": _midnight(row["given_on"]),
            "Sequence": 1,
            "Code": row["code"],
            "CodeId": _code_id(row["code"]),
            "Description": row["description"],
            "Quantity": 1.0,
            "Amount": 25.0,
            "DiscountAmount": 0.0,
            "ProviderID": None,
            "ProviderName": None,
            "EnteredById": None,
            "IsPayment": False,
            "IsPosted": True,
            "IsVoided": False,
            "IsDepletionOnly": False,
            "IsHiddenOnInvoice": False,
            "Comments": None,
            "InvoiceId": None,
            "InvoiceNumber": None,
            "SiteId": SITE,
            **_dates(row),
        }


def _codes(practice: PlainPractice) -> Iterator[Row]:
    made = "min(created_at) AS created_at, NULL AS changed_at, NULL AS removed_at"
    for row in practice.rows(f"SELECT code, min(description) AS title, {made} FROM sim_vaccination GROUP BY code"):  # noqa: S608
        yield {
            "Id": _code_id(row["code"]),
            "CodeType": "Service",
            "Code": row["code"],
            "CodeDescription": row["title"],
            "CodeCategory": "VACC",
            "CodeCategoryDescription": "Vaccinations",
            "BasePrice": 25.0,
            "Cost": None,
            "Inactive": False,
            "IsTaxable": True,
            "SiteId": SITE,
            **_dates(row),
        }


def _code_id(code: str) -> int:
    return zlib.crc32(code.encode())


def _sites(practice: PlainPractice) -> Iterator[Row]:
    made = {"created_at": "2020-01-01T00:00:00+00:00", "changed_at": None, "removed_at": None}
    yield {"Id": SITE, "PmsId": str(SITE), "Name": "The clinic", "Logo": None, **_dates(made)}


def _none(practice: PlainPractice) -> Iterator[Row]:
    yield from ()


_ENTITIES: Mapping[str, Callable[[PlainPractice], Iterator[Row]]] = {
    "Clients": _clients,
    "Patients": _patients,
    "ClientPatientRelationships": _relationships,
    "Sites": _sites,
    "Codes": _codes,
    "Invoices": _none,
    "Transactions": _transactions,
    "WellnessPlans": _none,
    "PatientWellnessPlans": _none,
}


# -- the query language


def _number(request: Request, name: str, default: int) -> int:
    text = request.first(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Refusal(400, f"{name} is no number")
    return int(text)


def _ordered(rows: list[Row], by: str) -> list[Row]:
    """Without an order, the rows come in none that stays."""
    if not by:
        return sorted(rows, key=lambda row: zlib.crc32(str(row["Id"]).encode()))
    for part in reversed(by.split(",")):
        name, _, direction = part.strip().partition(" ")
        if direction not in {"", "asc", "desc"} or any(name not in row for row in rows):
            raise Refusal(400, "$orderby is not understood")
        rows = sorted(rows, key=lambda row: (row[name] is not None, row[name] or 0), reverse=direction == "desc")
    return rows


_TOKEN = re.compile(
    r"\s*(?:(?P<moment>datetime'[^']*')|(?P<guid>guid'[^']*')|(?P<text>'(?:[^']|'')*')"
    r"|(?P<number>-?[0-9]+(?:\.[0-9]+)?)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>[()]))"
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda held, wanted: bool(held == wanted),
    "ge": lambda held, wanted: held is not None and wanted is not None and bool(held >= wanted),
    "lt": lambda held, wanted: held is not None and wanted is not None and bool(held < wanted),
}
Passes = Callable[[Row], bool]


class _Filter:
    """A condition as OData version 3 writes it, as far as clients of the feed were seen to use it."""

    def __init__(self, text: str) -> None:
        self._parts: list[tuple[str, str]] = []
        end = 0
        while text[end:].strip():
            found = _TOKEN.match(text, end)
            if found is None or len(text) > LONGEST_FILTER:
                raise Refusal(400, "$filter is not understood")
            self._parts.append((str(found.lastgroup), found.group(str(found.lastgroup))))
            end = found.end()

    def predicate(self) -> Passes:
        """Whether a row passes. Raises ``Refusal``."""
        passes = self._either(0)
        if self._parts:
            raise Refusal(400, "$filter is not understood")
        return passes

    def _either(self, depth: int) -> Passes:
        parts = [self._all(depth)]
        while self._takes("or"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else lambda row: any(passes(row) for passes in parts)

    def _all(self, depth: int) -> Passes:
        parts = [self._one(depth)]
        while self._takes("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda row: all(passes(row) for passes in parts)

    def _one(self, depth: int) -> Passes:
        if depth > DEEPEST:
            raise Refusal(400, "$filter has too many brackets")
        if self._takes("("):
            inside = self._either(depth + 1)
            if not self._takes(")"):
                raise Refusal(400, "$filter is not understood")
            return inside
        (_, field), (_, operator), wanted = self._next("word"), self._next("word"), self._next()
        compare = _COMPARE.get(operator)
        if compare is None:
            raise Refusal(400, f"{operator[:40]} is not supported")
        return self._comparing(field, compare, _value(*wanted))

    def _comparing(self, field: str, compare: Callable[[Any, Any], bool], wanted: Any) -> Passes:
        def passes(row: Row) -> bool:
            if field not in row or field.startswith("_"):
                raise Refusal(400, f"there is no field {field[:60]}")
            held = row[field]
            if isinstance(wanted, datetime) and held is not None:
                held = datetime.fromisoformat(held)
            if isinstance(held, int | float) is not isinstance(wanted, int | float) and None not in (held, wanted):
                raise Refusal(400, f"{field} is of another type")
            return compare(held.casefold() if isinstance(held, str) else held, wanted)

        return passes

    def _takes(self, word: str) -> bool:
        if self._parts and self._parts[0][0] in {"word", "sign"} and self._parts[0][1] == word:
            self._parts.pop(0)
            return True
        return False

    def _next(self, kind: str = "") -> tuple[str, str]:
        if not self._parts or (kind and self._parts[0][0] != kind):
            raise Refusal(400, "$filter is not understood")
        return self._parts.pop(0)


def _value(kind: str, text: str) -> Any:
    """A literal. Text is compared without its case, as databases do."""
    if kind == "text":
        return text[1:-1].replace("''", "'").casefold()
    if kind == "number":
        return float(text) if "." in text else int(text)
    if kind == "moment":
        try:
            moment = datetime.fromisoformat(text.removeprefix("datetime").strip("'"))
        except ValueError:
            raise Refusal(400, "a moment is none") from None
        if moment.tzinfo is not None:
            raise Refusal(400, "a moment of version 3 has no offset")
        return moment
    words: Mapping[str, Any] = {"null": None, "true": True, "false": False}
    if kind == "word" and text in words:
        return words[text]
    raise Refusal(400, "$filter is not understood")


def feed_options(options: dict[str, Any]) -> dict[str, Any]:
    """What a simulator of the feed is made with: ``feed_delay`` in seconds beside what every practice's takes.

    Raises ``TypeError`` for an option that is none, ``ValueError`` for one that cannot stand so.
    """
    given = dict(options)
    delay = given.pop("feed_delay", 0.0)
    if isinstance(delay, bool) or not isinstance(delay, int | float) or delay < 0:
        raise ValueError(f"{delay!r} is no number of seconds")
    return {"feed_delay": float(delay), **practice_options(given)}


def build(**options: Any) -> VetDataFeed:
    """The simulator, not yet serving. Raises ``TypeError`` for an option that it does not take, ``ValueError``."""
    return VetDataFeed(**feed_options(options))


PRACTICE = FeedPractice
"""The practice, for whoever opens its database beside the simulator."""
