"""An HTTP API over the simulated practice, for rehearsals of the connector ``rest``. It is made up from end to end.

Nobody outside of IDEXX's partners knows Animana's API (animana.md, section 1): no path, parameter, field or refusal
below is Animana's, and a connector that pleases this one proves nothing about it. It speaks just what ``rest.yaml``
beside it says:

- ``POST /token``: OAuth client credentials in a form; tokens live an hour.
- ``GET /clients``, ``/patients``, ``/appointments``: ``{"data": [...], "meta": {"page", "pages", "total"}}`` with
  ``page`` and ``page_size``; ``changed_since``, and what each is searched by. One record under its number:
  ``{"data": {...}}``.
- ``POST`` there, ``PATCH`` of one record, ``POST /appointments/{number}/cancellation``. ``Idempotency-Key``: a write
  that comes again is answered as at first. ``If-Match``: 412 where the record has moved.
- ``GET /lists/{name}``: the practice's lists.

A refusal is ``{"error": {"code", "message"}}``. A time that is taken by another visit of the same employee is taken
all the same, as in the practice itself, unless ``refuse_taken`` is set: then it is 409 with the code ``slot_taken``.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, ClassVar
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from vetbridge.core.records import Kind
from vetbridge.testing.clinic import Clinic
from vetbridge.testing.practice import KeptVisit, NoSuchRecord
from vetbridge.testing.practice.simulator import PracticeSimulator
from vetbridge.testing.simkit import Effect, Limit, Refusal, Request, Response, Route

TOKEN_SECONDS = 3600
ENTERED = "2026-01-01T00:00:00+00:00"
"""When the records of a new practice were changed last."""
DEFAULT_SIZE = 50
LONGEST_TEXT = 4000
MOST_ROWS = 100
"""Records on one page, whatever is asked for."""

_SELECT: Mapping[Kind, str] = {
    Kind.CLIENT: "SELECT * FROM contacts WHERE contact_type = 'client'",
    Kind.PET: "SELECT * FROM patients",
    Kind.APPOINTMENT: "SELECT * FROM diary",
}
_KEYS: Mapping[Kind, str] = {
    Kind.CLIENT: "client_code",
    Kind.PET: "patient_number",
    Kind.APPOINTMENT: "appointment_number",
}
_PATHS: Mapping[Kind, str] = {Kind.CLIENT: "clients", Kind.PET: "patients", Kind.APPOINTMENT: "appointments"}
_LISTS: Mapping[str, str] = {
    "employees": "resource",
    "appointment_types": "appointment_type",
    "states": "status",
    "species": "species",
    "genders": "sex",
}
_PAGING = frozenset({"page", "page_size"})


class RehearsalApi(PracticeSimulator):
    """The made-up API, over the records of a practice with Animana's tables."""

    base_path: ClassVar[str] = "/rehearsal"
    limits_real: ClassVar[tuple[Limit, ...]] = (Limit("minute", 120, 60.0, per=lambda request: "account"),)
    makes: ClassVar[frozenset[str]] = frozenset({"page_shift", "missing_fields", "token_expiry"})

    def __init__(self, *options: Any, **more: Any) -> None:
        self.refuse_taken = False
        """A time at which the employee has another visit is refused."""
        self.page_cap = MOST_ROWS
        self._tokens: dict[str, float] = {}
        super().__init__(*options, **more)

    def fill(self, clinic: Clinic) -> None:
        """All was entered some time ago, so that what changes stands out."""
        super().fill(clinic)
        with self.practice_class(self.database, now=self.clock.now) as practice:
            for table in practice.tables.values():
                practice.write(f"UPDATE {table.name} SET modified_at = ?", ENTERED)  # noqa: S608 - names of our own

    def make_credentials(self, secret: Callable[[str], str]) -> dict[str, str]:
        """Made up like all else."""
        return {"client_id": secret("client_id"), "client_secret": secret("client_secret")}

    def routes(self) -> None:
        """The API, beside the control door."""
        super().routes()
        self.route("POST", "/token", self._token, effect=Effect.TOKEN, access="anybody")
        for kind, path in _PATHS.items():
            for method, template, handler, effect in (
                ("GET", f"/{path}", self._list, Effect.READ),
                ("GET", f"/{path}/{{number}}", self._one, Effect.READ),
                ("POST", f"/{path}", partial(self._once, self._create), Effect.WRITE),
                ("PATCH", f"/{path}/{{number}}", partial(self._once, self._alter), Effect.WRITE),
            ):
                self.route(method, template, partial(handler, kind), effect=effect)
        cancel = partial(self._once, self._cancel, Kind.APPOINTMENT)
        self.route("POST", "/appointments/{number}/cancellation", cancel, effect=Effect.WRITE)
        self.route("GET", "/lists/{name}", self._codes)

    def error(self, status: int, message: str) -> Response:
        """A refusal with a code of its own."""
        return Response(status, {"error": {"code": f"e{status}", "message": message}})

    def too_many(self, wait: float, limit: Limit | None) -> Response:
        """Says in the body how long to wait."""
        return Response(429, {"error": {"code": "too_many", "retry_in": wait}})

    def admit(self, request: Request, route: Route) -> None:
        """Needs a token that has not ended."""
        if route.access == "anybody":
            return
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) <= self.clock.steady():
            raise Refusal(401, "the token is not known")

    def end_token(self, request: Request) -> None:
        """The token of a request is no longer known."""
        self._tokens.pop(request.headers.get("authorization", "").removeprefix("Bearer "), None)

    def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            raise Refusal(400, "grant_type")
        if any(form.get(name) != self.credentials[name] for name in ("client_id", "client_secret")):
            raise Refusal(401, "the client is not known")
        token = secrets.token_hex(16)
        self._tokens[token] = self.clock.steady() + TOKEN_SECONDS
        return Response(200, {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS})

    # -- reading

    def _list(self, kind: Kind, request: Request) -> Response:
        rows = sorted(self.practice.rows(_SELECT[kind]), key=lambda row: int(row[_KEYS[kind]]))
        for name in request.query.keys() - _PAGING:
            passes = self._filter(kind, name, request.first(name))
            rows = [row for row in rows if passes(row)]
        size = min(_number(request, "page_size", DEFAULT_SIZE), self.page_cap)
        page = _number(request, "page", 1)
        begin = max((page - 1) * size + self.page_shift(page), 0)
        meta = {"page": page, "pages": -(-len(rows) // size), "total": len(rows)}
        shown = [self.thinned(self._shown(kind, row)) for row in rows[begin : begin + size]]
        return Response(200, {"data": shown, "meta": meta})

    def _filter(self, kind: Kind, name: str, wanted: str) -> Callable[[sqlite3.Row], bool]:
        """A parameter of a list. Raises ``Refusal`` for one that is none."""
        match kind, name:
            case _, "changed_since":
                moment = _moment(wanted)
                return lambda row: datetime.fromisoformat(row["modified_at"]) >= moment
            case Kind.CLIENT, "phone":
                return lambda row: _tail(wanted) in {_tail(row["mobile"]), _tail(row["phone"])}
            case Kind.CLIENT, "email":
                return lambda row: (row["email"] or "").casefold() == wanted.casefold()
            case Kind.PET, "owner":
                return lambda row: bool(row["client_code"] == wanted)
            case Kind.APPOINTMENT, "client":
                return lambda row: bool(row["client_code"] == wanted)
            case Kind.APPOINTMENT, "patient":
                return lambda row: bool(row["patient_number"] == wanted)
            case Kind.APPOINTMENT, "from":
                moment = _moment(wanted)
                return lambda row: self._at(row["starts"]) >= moment
            case Kind.APPOINTMENT, "to":
                moment = _moment(wanted)
                return lambda row: self._at(row["starts"]) < moment
        raise Refusal(400, "no such parameter")

    def _one(self, kind: Kind, request: Request) -> Response:
        return Response(200, {"data": self.thinned(self._shown(kind, self._row(kind, request.params["number"])))})

    def _row(self, kind: Kind, number: str) -> sqlite3.Row:
        for row in self.practice.rows(_SELECT[kind]):
            if row[_KEYS[kind]] == number:
                return row
        raise Refusal(404, "no such record")

    def _shown(self, kind: Kind, row: sqlite3.Row) -> dict[str, Any]:
        """A record as the API answers it."""
        if kind is Kind.CLIENT:
            phones = {"mobile": row["mobile"], "home": row["phone"]}
            partner = {"first": row["partner_first_name"] or "", "last": row["partner_last_name"] or ""}
            return {
                "id": row["client_code"],
                "name": {"first": row["first_name"], "last": row["last_name"]},
                "partner": partner if any(partner.values()) else None,
                "telephones": [{"kind": name, "number": number} for name, number in phones.items() if number],
                "email": row["email"],
                "since": row["start_date"],
                "active": bool(row["active"]),
                "removed": bool(row["deleted"]),
                "changed_at": row["modified_at"],
            }
        if kind is Kind.PET:
            return {
                "id": row["patient_number"],
                "owner": {"id": row["client_code"]},
                "carer": {"id": row["carer_code"]} if row["carer_code"] else None,
                "name": row["name"],
                "species": row["species"],
                "breed": row["breed"],
                "gender": row["sex"],
                "born": row["birth_date"],
                "deceased": bool(row["deceased"]),
                "active": bool(row["active"]),
                "removed": bool(row["deleted"]),
                "changed_at": row["modified_at"],
            }
        return {
            "id": row["appointment_number"],
            "client": {"id": row["client_code"]} if row["client_code"] else None,
            "patient": {"id": row["patient_number"]} if row["patient_number"] else None,
            "begins": self._at(row["starts"]).astimezone(ZoneInfo(self.zone)).isoformat(),
            "ends": self._at(row["ends"]).astimezone(ZoneInfo(self.zone)).isoformat(),
            "employee": row["employee"],
            "type": row["appointment_type"],
            "state": row["status"],
            "remarks": row["remarks"],
            "cancelled": bool(row["cancelled"]),
            "changed_at": row["modified_at"],
        }

    def _at(self, wall: str) -> datetime:
        """The moment of a wall time of the practice."""
        return datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def _codes(self, request: Request) -> Response:
        of = _LISTS.get(request.params["name"])
        if of is None:
            raise Refusal(404, "no such list")
        codes = [str(code) for code in self.practice.codes[of].values()]
        return Response(200, {"data": [{"code": code, "title": code} for code in codes]})

    # -- writing

    def _once(self, do: Callable[[Kind, Request], str], kind: Kind, request: Request) -> Response:
        """A write; one that comes again with its key is answered as at first."""
        key = request.headers.get("idempotency-key", "")
        known = self.store.find("key", key=key) if key else []
        if known:
            return Response(200, json.loads(known[0]["answer"]))
        expected = request.headers.get("if-match")
        if expected is not None:
            row = self._row(kind, request.params["number"])
            if expected.strip('"') != row["modified_at"]:
                raise Refusal(412, "the record has moved")
        try:
            number = do(kind, request)
        except NoSuchRecord:
            raise Refusal(404, "no such record") from None
        except (ValueError, TypeError, KeyError, sqlite3.Error):
            raise Refusal(422, "it cannot be kept so") from None
        answer = {"data": self._shown(kind, self._row(kind, number))}
        if key:
            self.store.insert("key", {"key": key, "answer": json.dumps(answer)})
        return Response(200, answer)

    def _create(self, kind: Kind, request: Request) -> str:
        body = request.document()
        values = self._values(kind, body)
        if kind is Kind.CLIENT:
            return self.practice.register_client(**values).id
        if kind is Kind.PET:
            return self.practice.register_pet(**values).id
        if "start" not in values:
            raise ValueError("an appointment begins at some time")
        self._free(KeptVisit(**values))
        return self.practice.book(**values).id

    def _alter(self, kind: Kind, request: Request) -> str:
        number = self._row(kind, request.params["number"])[_KEYS[kind]]
        values = self._values(kind, request.document())
        if kind is Kind.CLIENT:
            return self.practice.change_client(number, **values).id
        if kind is Kind.PET:
            return self.practice.change_pet(number, **values).id
        self._free(replace(self.practice.visit(number), **values))
        return self.practice.change_visit(number, **values).id

    def _cancel(self, kind: Kind, request: Request) -> str:
        request.document()
        return self.practice.cancel(self._row(kind, request.params["number"])[_KEYS[kind]]).id

    def _free(self, visit: KeptVisit) -> None:
        """Raises ``Refusal`` where the employee has another visit then and that is refused."""
        others = self.practice.visits() if self.refuse_taken else ()
        for other in others:
            same = other.id != visit.id and other.resource == visit.resource
            if same and other.start < visit.ends and visit.start < other.ends:
                raise Refusal(409, body={"error": {"code": "slot_taken", "message": "the time is taken"}})

    def _values(self, kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a body, as the practice keeps them. Raises ``Refusal`` for one that it does not know."""
        values: dict[str, Any] = {}
        for name, value in body.items():
            field = _FIELDS.get((kind, name))
            if field is None:
                raise Refusal(422, "a field is not known")
            values |= field(self, value)
        return values

    def words(self, value: Any) -> str:
        """A text as it is kept. Raises ``Refusal`` where it is too long."""
        text = str(value or "")
        if len(text) > LONGEST_TEXT:
            raise Refusal(422, "a text is too long")
        return self.kept(text)

    def wall(self, text: str) -> datetime:
        """A moment by the practice's clock."""
        return _moment(text).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)


def _coded(of: str, field: str) -> Callable[[RehearsalApi, Any], dict[str, Any]]:
    """A code of one of the practice's lists."""
    return lambda api, value: {field: api.practice.word(of, value) if value else ""}


_FIELDS: Mapping[tuple[Kind, str], Callable[[RehearsalApi, Any], dict[str, Any]]] = {
    (Kind.CLIENT, "name"): lambda api, value: {
        {"first": "given_name", "last": "family_name"}[part]: api.words(text) for part, text in dict(value).items()
    },
    (Kind.CLIENT, "telephones"): lambda api, value: {"phones": tuple(map(str, list(value or ())))},
    (Kind.CLIENT, "email"): lambda api, value: {"email": str(value or "")},
    (Kind.PET, "owner"): lambda api, value: {"client_id": str(dict(value)["id"])},
    (Kind.PET, "name"): lambda api, value: {"name": api.words(value)},
    (Kind.PET, "breed"): lambda api, value: {"breed": api.words(value)},
    (Kind.PET, "species"): _coded("species", "species"),
    (Kind.PET, "gender"): _coded("sex", "sex"),
    (Kind.PET, "born"): lambda api, value: {"birth_date": date.fromisoformat(value) if value else None},
    (Kind.APPOINTMENT, "client"): lambda api, value: {"client_id": str(dict(value)["id"] or "")},
    (Kind.APPOINTMENT, "patient"): lambda api, value: {"pet_id": str(dict(value)["id"] or "")},
    (Kind.APPOINTMENT, "begins"): lambda api, value: {"start": api.wall(str(value))},
    (Kind.APPOINTMENT, "minutes"): lambda api, value: {"minutes": int(value)},
    (Kind.APPOINTMENT, "employee"): _coded("resource", "resource"),
    (Kind.APPOINTMENT, "type"): _coded("appointment_type", "appointment_type"),
    (Kind.APPOINTMENT, "state"): _coded("status", "status"),
    (Kind.APPOINTMENT, "remarks"): lambda api, value: {"notes": api.words(value)},
}
"""What a field of a body is in the practice."""


def _number(request: Request, name: str, default: int) -> int:
    text = request.first(name, str(default))
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 9 and int(text) > 0):
        raise Refusal(400, f"{name} is no number")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(400, "a time is none") from None
    if moment.tzinfo is None:
        raise Refusal(400, "a time has no offset")
    return moment.astimezone(UTC)


def _tail(phone: str | None) -> str:
    return "".join(sign for sign in phone or "" if sign.isdigit())[-9:]
