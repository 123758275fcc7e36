"""A stand-in for IDEXX Data Services over a simulated practice. Every name of it is made up.

Nobody outside of IDEXX's partners knows what the services call their entity sets, properties and fields
(cornerstone.md, section 3): all that begins with ``Sim`` is VetBridge's invention, as the paths of the entity sets
are, and nothing of it may be taken for IDEXX's. What is known, and kept:

- ``POST /pims-rt/v1/token`` with ``grant_type=password``, user and password gives a token.
- Entity sets by OData v4 with ``$top``, ``$skip`` and ``$filter``, which takes no arithmetic; each set has a cap.
  ``$metadata`` is OData's own, whether IDEXX shows it is not known.
- ``POST /api/{site}/appointments`` inserts or updates a visit, ``/documents`` adds a file, ``/commslog`` a line of
  the communication log. Visits are checked against the site's rules: a visit needs its patient, and a time that is
  blocked off is refused. Who removes a row, or merges two, leaves no tombstone.
- A document's content stands at an address with a token that lives five minutes.

``shown_after``: reads come from a copy that is so many seconds old at the most.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.parser import HeaderParser
from typing import Any, ClassVar
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from vetbridge.core.records import Kind
from vetbridge.testing.clinic import SERVICES, STAFF
from vetbridge.testing.practice import NoSuchRecord, Report
from vetbridge.testing.practice.plain import PlainPractice
from vetbridge.testing.practice.simulator import PlainSimulator, practice_options
from vetbridge.testing.simkit import Effect, Limit, Refusal, Request, Response, Route

TOKEN_SECONDS = 3600
FILE_SECONDS = 300
"""So long the address of a document's content lives."""
LONGEST_TEXT = 4000
PARTS = 12
"""Most parts of a form."""
ODATA = "/sim-odata"

CODE_LISTS: Mapping[str, Mapping[str, str | int]] = {
    "species": {"dog": "Canine", "cat": "Feline", "rabbit": "Lagomorph", "other": "Other"},
    "sex": {
        "male": "Male",
        "female": "Female",
        "male_neutered": "Neutered male",
        "female_neutered": "Spayed female",
        "unknown": "Unknown",
    },
    "appointment_type": {service.code: service.title for service in SERVICES},
    "resource": {member.code: member.name for member in STAFF},
    "status": {
        "held": "Pencilled in",
        "booked": "Scheduled",
        "confirmed": "Confirmed",
        "arrived": "Checked in",
        "completed": "Checked out",
        "no_show": "No-show",
        "cancelled": "Cancelled",
    },
}
"""What a site's config would say about this site: VetBridge's words and the site's values."""

_TEXT, _YES, _MOMENT, _DAY, _NUMBER = "Edm.String", "Edm.Boolean", "Edm.DateTimeOffset", "Edm.Date", "Edm.Int32"
_STAMPS = {"SimCreatedAt": _MOMENT, "SimChangedAt": _MOMENT}
SETS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "SimClients": (
        "SimClient",
        {
            "SimClientId": _TEXT,
            "SimFirstName": _TEXT,
            "SimLastName": _TEXT,
            "SimMembers": "Collection(Sim.SimMember)",
            "SimPhone1": _TEXT,
            "SimPhone2": _TEXT,
            "SimPhone3": _TEXT,
            "SimEmail": _TEXT,
            "SimNotes": _TEXT,
            "SimNoReminders": _YES,
            "SimIsActive": _YES,
            **_STAMPS,
        },
    ),
    "SimPatients": (
        "SimPatient",
        {
            "SimPatientId": _TEXT,
            "SimClientId": _TEXT,
            "SimOwners": "Collection(Sim.SimOwner)",
            "SimName": _TEXT,
            "SimSpecies": _TEXT,
            "SimBreed": _TEXT,
            "SimSex": _TEXT,
            "SimBirthDate": _DAY,
            "SimDeathDate": _DAY,
            "SimIsActive": _YES,
            **_STAMPS,
        },
    ),
    "SimAppointments": (
        "SimAppointment",
        {
            "SimAppointmentId": _TEXT,
            "SimClientId": _TEXT,
            "SimPatientId": _TEXT,
            "SimStart": _MOMENT,
            "SimEnd": _MOMENT,
            "SimRoom": _TEXT,
            "SimReason": _TEXT,
            "SimStatus": _TEXT,
            "SimNotes": _TEXT,
            **_STAMPS,
        },
    ),
    "SimReminders": (
        "SimReminder",
        {
            "SimReminderId": _TEXT,
            "SimPatientId": _TEXT,
            "SimCode": _TEXT,
            "SimDescription": _TEXT,
            "SimDueDate": _DAY,
            "SimIsDone": _YES,
            **_STAMPS,
        },
    ),
    "SimVaccinations": (
        "SimVaccination",
        {
            "SimVaccinationId": _TEXT,
            "SimPatientId": _TEXT,
            "SimCode": _TEXT,
            "SimDescription": _TEXT,
            "SimGivenDate": _DAY,
            **_STAMPS,
        },
    ),
    "SimDocuments": (
        "SimDocument",
        {
            "SimDocumentId": _TEXT,
            "SimClientId": _TEXT,
            "SimPatientId": _TEXT,
            "SimFileName": _TEXT,
            "SimNotes": _TEXT,
            "SimContentUrl": _TEXT,
            **_STAMPS,
        },
    ),
    **{
        name: (name[:-1], {"SimCode": _TEXT, "SimTitle": _TEXT})
        for name in ("SimReasons", "SimRooms", "SimStatuses", "SimSpeciesList", "SimSexes")
    },
}
"""By entity set, its type and properties; the first one is the key."""
_LISTS: Mapping[str, str] = {
    "SimReasons": "appointment_type",
    "SimRooms": "resource",
    "SimStatuses": "status",
    "SimSpeciesList": "species",
    "SimSexes": "sex",
}
_COLUMNS: Mapping[tuple[str, str], str] = {
    ("SimClients", "SimClientId"): "client_id",
    ("SimPatients", "SimPatientId"): "patient_id",
    ("SimAppointments", "SimAppointmentId"): "appointment_id",
    ("SimAppointments", "SimClientId"): "client_id",
    ("SimDocuments", "SimDocumentId"): "document_id",
}
"""Properties that stand in a column as they are."""
_ONE_KEY = re.compile(r"(\w+) eq '((?:[^']|'')*)'")
CAPS: Mapping[str, int] = {"SimClients": 1000, "SimPatients": 1000, "SimAppointments": 500, "SimDocuments": 100}
"""Rows of one page, by entity set; of others 20,000 (section 3: 100 to 20,000 by entity)."""

Row = dict[str, Any]


class SimulatedClinic(PlainPractice):
    """The records of a clinic whose vendor's data services VetBridge asks."""

    system: ClassVar[str] = "idexx_data_services"
    codes: ClassVar[Mapping[str, Mapping[str, str | int]]] = CODE_LISTS
    reports: ClassVar[Mapping[Kind, Report]] = {}
    needs_pet: ClassVar[bool] = True


class IdexxSimulator(PlainSimulator):
    """The services over one practice. The control door has ``POST /_sim/block`` besides, with ``{"resource": ...,
    "start": ..., "end": ...}``: no visit is taken for then, and ``POST /_sim/copy``, which brings the copy that is
    read up to now."""

    vendor: ClassVar[str] = "idexx_data_services"
    limits_real: ClassVar[tuple[Limit, ...]] = (Limit("minute", 300, 60.0, per=lambda request: "account"),)
    makes: ClassVar[frozenset[str]] = frozenset({"page_shift", "token_expiry", "cut_fields"})
    practice_class: ClassVar[type[PlainPractice]] = SimulatedClinic

    def __init__(self, *options: Any, shown_after: float = 0.0, **more: Any) -> None:
        if isinstance(shown_after, bool) or not isinstance(shown_after, int | float) or not 0 <= shown_after <= 86400:
            raise ValueError("shown_after must be seconds, up to a day")
        self.shown_after = float(shown_after)
        self.page_cap: int | None = None
        """A cap for every set, instead of ``CAPS``."""
        self._copied_at = 0.0
        self._copy: dict[str, list[Row]] = {}
        self._tokens: dict[str, float] = {}
        self._owners: Mapping[str, list[sqlite3.Row]] = {}
        self._blocks: list[tuple[str, datetime, datetime]] = []
        super().__init__(*options, **more)

    def make_credentials(self, secret: Callable[[str], str]) -> dict[str, str]:
        """Made up."""
        return {"user": secret("user"), "password": secret("password"), "site_id": "SIM"}

    def routes(self) -> None:
        """The services, beside the control door."""
        super().routes()
        for path in ("/pims-rt/v1/token", "/token"):
            self.route("POST", path, self._token, effect=Effect.TOKEN, access="anybody")
        self.route("GET", f"{ODATA}/$metadata", self._metadata)
        self.route("GET", f"{ODATA}/{{set}}", self._list)
        self.route("POST", "/api/{site}/appointments", self._write_visit, effect=Effect.WRITE)
        self.route("POST", "/api/{site}/documents", self._write_document, effect=Effect.WRITE)
        self.route("POST", "/api/{site}/commslog", self._write_log, effect=Effect.WRITE)
        self.route("GET", "/sim-files/{id}/{until}/{mark}", self._content, access="anybody")
        self.control("POST", "/block", self._block)
        self.control("POST", "/copy", lambda request: Response(200, {"rows": self._refresh()}))

    def ready(self) -> dict[str, Any]:
        """What an account's options are beside address and credentials, too."""
        options = {"profile": "rehearsal", "odata_path": ODATA, "shown_within": self.shown_after}
        return {**super().ready(), "options": options}

    def error(self, status: int, message: str) -> Response:
        """A refusal in OData's form."""
        return Response(status, {"error": {"code": f"e{status}", "message": message}})

    def admit(self, request: Request, route: Route) -> None:
        """Needs a token that has not ended, and the site that it is for."""
        if route.access == "anybody":
            return
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) <= self.clock.steady():
            raise Refusal(401, "the token is not known")
        if request.params.get("site", self.credentials["site_id"]) != self.credentials["site_id"]:
            raise Refusal(403, "this site is not connected")

    def end_token(self, request: Request) -> None:
        """The token of a request is no longer known."""
        self._tokens.pop(request.headers.get("authorization", "").removeprefix("Bearer "), None)

    def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "password":
            raise Refusal(400, "grant_type")
        if (form.get("username"), form.get("password")) != (self.credentials["user"], self.credentials["password"]):
            raise Refusal(401, "the user is not known")
        token = secrets.token_hex(32)
        self._tokens[token] = self.clock.steady() + TOKEN_SECONDS
        return Response(200, {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS})

    # -- reading

    def _metadata(self, request: Request) -> Response:
        return Response(200, raw=_csdl().encode(), media_type="application/xml")

    def _list(self, request: Request) -> Response:
        name = request.params["set"]
        if name not in SETS:
            raise Refusal(404, "there is no such set")
        strange = sorted(request.query.keys() - {"$top", "$skip", "$filter"})
        if strange:
            raise Refusal(400, "the query has an option that is not known")
        rows = self._rows(name, _ONE_KEY.fullmatch(request.first("$filter")))
        if request.first("$filter"):
            passes = Filter(request.first("$filter"), SETS[name][1]).condition()
            rows = [row for row in rows if passes(row)]
        cap = self.page_cap or CAPS.get(name, 20_000)
        size = min(_number(request, "$top", cap), cap)
        begin = _number(request, "$skip", 0)
        if begin:
            begin = max(begin + self.page_shift(2), 0)
        shown = rows[begin : begin + size]
        if name == "SimDocuments":
            shown = [{**row, "SimContentUrl": self._address(row["SimDocumentId"])} for row in shown]
        return Response(200, {"@odata.context": f"$metadata#{name}", "value": shown})

    def _rows(self, name: str, one: re.Match[str] | None) -> list[Row]:
        """The rows that are shown now: as they are, or as the copy has them. ``one``: a filter by a key, where it is
        no more; then others may be left out."""
        if self.shown_after <= 0:
            return self._shown(name, one)
        if not self._copy or self._now() >= self._copied_at + self.shown_after:
            self._refresh()
        return self._copy[name]

    def _refresh(self) -> int:
        self._copy = {name: self._shown(name) for name in SETS}
        self._copied_at = self._now()
        return sum(map(len, self._copy.values()))

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def _shown(self, name: str, one: re.Match[str] | None = None) -> list[Row]:
        if name in _LISTS:
            codes = self.practice.codes[_LISTS[name]].values()
            return [{"SimCode": str(code), "SimTitle": str(code)} for code in codes]
        makers: Mapping[str, tuple[str, Callable[[sqlite3.Row], Row]]] = {
            "SimClients": ("sim_client", _client),
            "SimPatients": ("sim_patient", self._patient),
            "SimAppointments": ("sim_appointment", self._visit),
            "SimReminders": ("sim_reminder", _reminder),
            "SimVaccinations": ("sim_vaccination", _vaccination),
            "SimDocuments": ("sim_document", _document),
        }
        table, make = makers[name]
        columns = "*" if name != "SimDocuments" else ", ".join(_DOCUMENT_COLUMNS)
        key = None if one is None else _COLUMNS.get((name, one[1]))
        only = "" if key is None else f" AND {key} = ?"
        wanted = () if one is None or key is None else (one[2].replace("''", "'"),)
        select = f"SELECT {columns} FROM {table} WHERE removed_at IS NULL{only} ORDER BY row_id"  # noqa: S608
        rows = self.practice.rows(select, wanted)
        if name == "SimPatients":
            self._owners = self._owners_of(wanted if key == "patient_id" else ())
        return [make(row) for row in rows]

    def _owners_of(self, patient: tuple[str, ...]) -> Mapping[str, list[sqlite3.Row]]:
        """By patient who owns it and did; none named: of all."""
        only = " AND patient_id = ?" if patient else ""
        select = f"SELECT * FROM sim_owner WHERE removed_at IS NULL{only} ORDER BY row_id"  # noqa: S608 - our own names
        found: dict[str, list[sqlite3.Row]] = {}
        for owner in self.practice.rows(select, patient):
            found.setdefault(owner["patient_id"], []).append(owner)
        return found

    def _patient(self, row: sqlite3.Row) -> Row:
        """A patient changes with who owns it."""
        owners = self._owners.get(row["patient_id"], [])
        own = [owner for owner in owners if owner["ends"] is None]
        told = [row["changed_at"], *(owner[name] for owner in owners for name in ("changed_at", "created_at"))]
        changed = max((each for each in told if each and each > row["created_at"]), default=None)
        return {
            "SimPatientId": row["patient_id"],
            "SimClientId": next((owner["client_id"] for owner in own if owner["is_primary"]), None),
            "SimOwners": [
                {
                    "SimClientId": owner["client_id"],
                    "SimPercent": owner["percent"],
                    "SimIsPrimary": bool(owner["is_primary"]),
                }
                for owner in own
            ],
            "SimName": row["name"],
            "SimSpecies": row["species"],
            "SimBreed": row["breed"],
            "SimSex": row["sex"],
            "SimBirthDate": row["birth_date"],
            "SimDeathDate": row["died_on"],
            "SimIsActive": bool(row["active"]),
            "SimCreatedAt": _moment(row["created_at"]),
            "SimChangedAt": changed and _moment(changed),
        }

    def _visit(self, row: sqlite3.Row) -> Row:
        return {
            "SimAppointmentId": row["appointment_id"],
            "SimClientId": row["client_id"],
            "SimPatientId": row["patient_id"],
            "SimStart": self._at(row["starts"]),
            "SimEnd": self._at(row["ends"]),
            "SimRoom": row["resource"],
            "SimReason": row["appointment_type"],
            "SimStatus": row["status"],
            "SimNotes": row["notes"],
            **_stamps(row),
        }

    def _at(self, wall: str) -> str:
        """The moment of a wall time of the practice."""
        local = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(self.zone))
        return f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"

    # -- documents

    def _address(self, document: str) -> str:
        until = str(int(self._now()) + FILE_SECONDS)
        return f"{self.base_url}/sim-files/{document}/{until}/{self._mark(document, until)}"

    def _mark(self, document: str, until: str) -> str:
        key = self.credentials["password"].encode()
        return hmac.new(key, f"{document}:{until}".encode(), hashlib.sha256).hexdigest()

    def _content(self, request: Request) -> Response:
        document, until = request.params["id"], request.params["until"]
        right = hmac.compare_digest(request.params["mark"], self._mark(document, until))
        if not right or int(until) < self._now():
            raise Refusal(403, "this address has ended")
        return Response(
            200,
            raw=self._kept_or_refused(lambda: self.practice.document_content(document)),
            media_type="application/pdf",
        )

    # -- writing

    def _write_visit(self, request: Request) -> Response:
        values = self._values(request.document())
        id_ = values.pop("id", None)
        if id_ is None:
            if not {"start", "minutes"} <= values.keys() or not values.get("pet_id"):
                raise Refusal(422, "a visit needs its patient, a begin and an end")
            self._allow(values, "")
            made = self._kept_or_refused(lambda: self.practice.book(**values))
        else:
            known = self._kept_or_refused(lambda: self.practice.visit(id_))
            whole = {
                "start": known.start,
                "minutes": known.minutes,
                "resource": known.resource,
                "pet_id": known.pet_id,
            }
            if not {**whole, **values}.get("pet_id"):
                raise Refusal(422, "a visit needs its patient")
            self._allow({**whole, **values}, id_)
            made = self._kept_or_refused(lambda: self.practice.change_visit(id_, **values))
        return Response(200, {"SimAppointmentId": made.id})

    def _values(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a visit, as the practice keeps them. Raises ``Refusal`` for one that it does not know."""
        values: dict[str, Any] = {}
        for name, value in body.items():
            match name, value:
                case "SimAppointmentId", str():
                    values["id"] = value
                case (("SimClientId" | "SimPatientId"), str() | None):
                    values["client_id" if name == "SimClientId" else "pet_id"] = value or ""
                case "SimStart", str():
                    values["start"] = self._wall(value)
                case "SimMinutes", int() if 0 < value < 24 * 60:
                    values["minutes"] = value
                case (("SimRoom" | "SimReason" | "SimStatus"), str()):
                    of = {"SimRoom": "resource", "SimReason": "appointment_type", "SimStatus": "status"}[name]
                    values[of] = self.practice.word(of, value)
                case "SimNotes", str() | None:
                    values["notes"] = self._words(value)
                case ("SimSource", _):
                    pass
                case _:
                    raise Refusal(422, "a field is not known, or cannot be so")
        return values

    def _allow(self, values: Mapping[str, Any], id_: str) -> None:
        """Holds a visit against the site's rules. Raises ``Refusal``."""
        if values.get("client_id"):
            self._kept_or_refused(lambda: self.practice.client(values["client_id"]))
        pet = self._kept_or_refused(lambda: self.practice.pet(values["pet_id"]))
        if pet.deceased or not pet.active:
            raise Refusal(422, "the patient is inactive")
        begin, end = values["start"], values["start"] + timedelta(minutes=values["minutes"])
        for resource, blocked, until in self._blocks:
            if resource == values.get("resource") and begin < until and blocked < end:
                raise Refusal(409, "the time is blocked off")

    def _write_document(self, request: Request) -> Response:
        fields, file = _form(request)
        if file is None:
            raise Refusal(400, "the form has no file")
        given = {
            "client_id": fields.get("SimClientId", ""),
            "pet_id": fields.get("SimPatientId", ""),
            "name": self._words(fields.get("SimFileName") or file[0]),
            "notes": self._words(fields.get("SimNotes")),
            "media_type": file[1],
        }
        made = self._kept_or_refused(lambda: self.practice.attach(file[2], **given))
        return Response(200, {"SimDocumentId": made.id})

    def _write_log(self, request: Request) -> Response:
        body = request.document()
        if not isinstance(body.get("SimText"), str) or not body["SimText"]:
            raise Refusal(422, "a line needs a text")
        given = {
            "client_id": str(body.get("SimClientId") or ""),
            "pet_id": str(body.get("SimPatientId") or ""),
            "text": self._words(body["SimText"]),
            **({"at": self._wall(str(body["SimAt"]))} if body.get("SimAt") else {}),
        }
        made = self._kept_or_refused(lambda: self.practice.log(**given))
        return Response(200, {"SimLineId": made.id})

    def _kept_or_refused(self, do: Callable[[], Any]) -> Any:
        try:
            return do()
        except NoSuchRecord:
            raise Refusal(422, "there is no such record") from None
        except (ValueError, TypeError, sqlite3.Error):
            raise Refusal(422, "it cannot be kept so") from None

    def _words(self, value: Any) -> str:
        text = str(value or "")
        if len(text) > LONGEST_TEXT:
            raise Refusal(422, "a text is too long")
        return self.kept(text)

    def _wall(self, text: str) -> datetime:
        """A moment by the practice's clock."""
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Refusal(422, "a time is none") from None
        if moment.tzinfo is None:
            raise Refusal(422, "a time has no offset")
        return moment.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    def _block(self, request: Request) -> Response:
        given = request.document()
        try:
            begin, end = (datetime.fromisoformat(str(given.get(name))) for name in ("start", "end"))
        except ValueError:
            raise Refusal(400, "start and end must be times by the clinic's clock") from None
        self._blocks.append((str(given.get("resource")), begin, end))
        return Response(200, {"blocks": len(self._blocks)})


class Filter:
    """A condition as OData v4 writes one: comparisons, ``and``, ``or``, ``not``, ``contains``. No arithmetic."""

    _TOKEN = re.compile(
        r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<moment>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?)"
        r"|(?P<number>-?\d+(?:\.\d+)?)|(?P<sign>[(),])|(?P<name>[A-Za-z_][A-Za-z0-9_/]*))"
    )
    _COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
        "eq": lambda one, other: bool(one == other),
        "ne": lambda one, other: bool(one != other),
        "ge": lambda one, other: one is not None and other is not None and bool(one >= other),
        "gt": lambda one, other: one is not None and other is not None and bool(one > other),
        "le": lambda one, other: one is not None and other is not None and bool(one <= other),
        "lt": lambda one, other: one is not None and other is not None and bool(one < other),
    }

    def __init__(self, text: str, types: Mapping[str, str]) -> None:
        self._types = types
        self._tokens = list(self._split(text))
        self._place = 0

    def condition(self) -> Callable[[Row], bool]:
        """Whether a row passes. Raises ``Refusal`` for what is no condition."""
        made = self._either()
        if self._place < len(self._tokens):
            raise Refusal(400, "the filter cannot be read; arithmetic is not allowed")
        return made

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        place = 0
        while text[place:].strip():
            found = self._TOKEN.match(text, place)
            if found is None or found.lastgroup is None:
                raise Refusal(400, "the filter cannot be read; arithmetic is not allowed")
            yield found.lastgroup, found[found.lastgroup]
            place = found.end()

    def _next(self, *wanted: str) -> str | None:
        """Takes the next token if it is one of these words or signs."""
        if self._place < len(self._tokens) and self._tokens[self._place][1] in wanted:
            self._place += 1
            return self._tokens[self._place - 1][1]
        return None

    def _either(self) -> Callable[[Row], bool]:
        several = [self._both()]
        while self._next("or"):
            several.append(self._both())
        return lambda row: any(each(row) for each in several)

    def _both(self) -> Callable[[Row], bool]:
        several = [self._single()]
        while self._next("and"):
            several.append(self._single())
        return lambda row: all(each(row) for each in several)

    def _single(self) -> Callable[[Row], bool]:
        if self._next("not"):
            inside = self._single()
            return lambda row: not inside(row)
        if self._next("("):
            inside = self._either()
            self._needs(")")
            return inside
        if self._next("contains"):
            self._needs("(")
            one = self._value()
            self._needs(",")
            other = self._value()
            self._needs(")")
            return lambda row: str(other(row)) in str(one(row) or "")
        one = self._value()
        operator = self._next(*self._COMPARED)
        if operator is None:
            raise Refusal(400, "the filter compares nothing; arithmetic is not allowed")
        other, compare = self._value(), self._COMPARED[operator]
        return lambda row: compare(one(row), other(row))

    def _needs(self, sign: str) -> None:
        if self._next(sign) is None:
            raise Refusal(400, "the filter cannot be read; arithmetic is not allowed")

    def _value(self) -> Callable[[Row], Any]:
        if self._place >= len(self._tokens):
            raise Refusal(400, "the filter ends too soon")
        group, text = self._tokens[self._place]
        self._place += 1
        match group:
            case "text":
                plain = text[1:-1].replace("''", "'")
                return lambda row: plain
            case "number":
                number = float(text)
                return lambda row: number
            case "moment":
                return self._moment(text)
        if text in ("null", "true", "false"):
            told = {"null": None, "true": True, "false": False}[text]
            return lambda row: told
        if text not in self._types:
            raise Refusal(400, "the filter names what is no property")
        is_moment = self._types[text] == _MOMENT
        return lambda row: datetime.fromisoformat(row[text]) if is_moment and row[text] else row[text]

    def _moment(self, text: str) -> Callable[[Row], Any]:
        if "T" not in text:
            return lambda row: text
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Refusal(400, "the filter has a time that is none") from None
        return lambda row: moment


def _client(row: sqlite3.Row) -> Row:
    partner = {"SimFirstName": row["partner_first_name"], "SimLastName": row["partner_last_name"]}
    return {
        "SimClientId": row["client_id"],
        "SimFirstName": row["first_name"],
        "SimLastName": row["last_name"],
        "SimMembers": [partner] if row["partner_first_name"] else [],
        "SimPhone1": row["phone_1"],
        "SimPhone2": row["phone_2"],
        "SimPhone3": row["phone_3"],
        "SimEmail": row["email"],
        "SimNotes": row["notes"],
        "SimNoReminders": bool(row["no_reminders"]),
        "SimIsActive": bool(row["active"]),
        **_stamps(row),
    }


def _reminder(row: sqlite3.Row) -> Row:
    return {
        "SimReminderId": row["reminder_id"],
        "SimPatientId": row["patient_id"],
        "SimCode": row["code"],
        "SimDescription": row["description"],
        "SimDueDate": row["due_on"],
        "SimIsDone": bool(row["completed"]),
        **_stamps(row),
    }


def _vaccination(row: sqlite3.Row) -> Row:
    return {
        "SimVaccinationId": row["vaccination_id"],
        "SimPatientId": row["patient_id"],
        "SimCode": row["code"],
        "SimDescription": row["description"],
        "SimGivenDate": row["given_on"],
        **_stamps(row),
    }


_DOCUMENT_COLUMNS = ("document_id", "client_id", "patient_id", "name", "notes", "created_at", "changed_at")


def _document(row: sqlite3.Row) -> Row:
    return {
        "SimDocumentId": row["document_id"],
        "SimClientId": row["client_id"],
        "SimPatientId": row["patient_id"],
        "SimFileName": row["name"],
        "SimNotes": row["notes"],
        "SimContentUrl": None,
        **_stamps(row),
    }


def _stamps(row: sqlite3.Row) -> Row:
    changed = row["changed_at"]
    return {"SimCreatedAt": _moment(row["created_at"]), "SimChangedAt": _moment(changed) if changed else None}


def _moment(stamp: str) -> str:
    return f"{datetime.fromisoformat(stamp).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _number(request: Request, name: str, default: int) -> int:
    text = request.first(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Refusal(400, f"{name} is no number")
    return int(text)


def _csdl() -> str:
    """The services' description of themselves (OData CSDL 4.0)."""
    types = {
        **dict(SETS.values()),
        "SimMember": {"SimFirstName": _TEXT, "SimLastName": _TEXT},
        "SimOwner": {"SimClientId": _TEXT, "SimPercent": _NUMBER, "SimIsPrimary": _YES},
    }
    parts = []
    for type_, properties in types.items():
        told = "".join(f'<Property Name="{name}" Type="{edm}"/>' for name, edm in properties.items())
        if type_ in ("SimMember", "SimOwner"):
            parts.append(f'<ComplexType Name="{type_}">{told}</ComplexType>')
            continue
        key = next(iter(properties))
        parts.append(f'<EntityType Name="{type_}"><Key><PropertyRef Name="{key}"/></Key>{told}</EntityType>')
    sets = "".join(f'<EntitySet Name="{name}" EntityType="Sim.{type_}"/>' for name, (type_, _) in SETS.items())
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        '<Schema Namespace="Sim" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'{"".join(parts)}<EntityContainer Name="SimContainer">{sets}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )


def _form(request: Request) -> tuple[dict[str, str], tuple[str, str, bytes] | None]:
    """The fields of a form; name, type and content of its file. Raises ``Refusal`` where it cannot be read."""
    said = Message()
    said["content-type"] = request.headers.get("content-type", "")
    boundary = said.get_param("boundary")
    pieces = (b"\r\n" + request.body).split(f"\r\n--{boundary}".encode()) if isinstance(boundary, str) else []
    if not 3 <= len(pieces) <= PARTS + 2 or not pieces[-1].startswith(b"--"):
        raise Refusal(400, "the form cannot be read")
    fields: dict[str, str] = {}
    file = None
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        words = HeaderParser().parsestr(f"{head.lstrip().decode('utf-8', 'replace')}\r\n\r\n")
        name = str(words.get_param("name", "", header="content-disposition"))
        if name == "SimFile":
            file = (_unquoted(words.get_filename() or "file"), words.get_content_type(), content)
        else:
            fields[name] = content.decode("utf-8", "replace")
    return fields, file


def _unquoted(name: str) -> str:
    """A file's name as browsers send it, who write a quotation mark and the ends of lines so."""
    for sent, meant in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        name = name.replace(sent, meant)
    return name


def build(shown_after: float = 0.0, **options: Any) -> IdexxSimulator:
    """The simulator, not yet serving. Raises ``TypeError`` for an option that it does not take, ``ValueError``."""
    return IdexxSimulator(shown_after=shown_after, **practice_options(options))


PRACTICE = SimulatedClinic
"""The practice, for whoever opens its database beside the simulator."""
