"""The simulator of a practice without an API: its database, and a control door for what staff do at their screens."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar, Unpack

from vetbridge.core.records import Kind
from vetbridge.testing.clinic import Clinic
from vetbridge.testing.practice.practice import DATABASE_FILE, NoSuchRecord, Practice
from vetbridge.testing.practice.records import Kept, KeptClient, KeptPet, KeptVisit
from vetbridge.testing.simkit import Refusal, Request, Response, Simulator, SimulatorOptions

_KINDS: Mapping[str, Kind] = {kind: kind for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)}


class PracticeSimulator(Simulator):
    """Serves nothing of a vendor's by itself. The control door has, beside the kit's own:

    - ``GET /_sim/clients``, ``/pets``, ``/appointments``: ``{"records": [...]}`` by the fields of ``KeptClient``,
      ``KeptPet``, ``KeptVisit``; with ``?deleted=1`` those that are deleted or cancelled, too.
    - ``POST /_sim/register_client``, ``/register_pet``, ``/book``: a new record of these fields, answered as
      ``{"record": {...}}``. Times are the clinic's wall clock, as ``2026-03-02T09:00:00``.
    - ``POST /_sim/change`` with ``{"kind": "appointment", "id": ..., "set": {"start": ..., "status": "arrived"}}``:
      moves, changes of status, of a phone, a pet that died. ``POST /_sim/cancel`` with ``{"id": ...}`` takes an
      appointment out, its row stays.
    - ``POST /_sim/merge`` with ``{"from": ..., "into": ...}``, of clients.
    - ``POST /_sim/erase`` with ``{"kind": ..., "id": ...}``: the row is gone. ``POST /_sim/empty`` with
      ``{"kind": ...}``: all rows of a table are.

    Ids may be the numbers that staff use. Nothing of a practice's is in the kit's store.
    """

    practice_class: ClassVar[type[Practice]]

    def __init__(self, **options: Unpack[SimulatorOptions]) -> None:
        self._passing: tempfile.TemporaryDirectory[str] | None = None
        folder = options.get("data")
        if folder is None:
            self._passing = tempfile.TemporaryDirectory(prefix="vetbridge-practice-")
            folder = Path(self._passing.name)
        self._folder = folder
        super().__init__(**options)

    @property
    def database(self) -> Path:
        """The file that other programs read."""
        return self._folder / DATABASE_FILE

    def fill(self, clinic: Clinic) -> None:
        """Enters the clinic's owners and pets."""
        self.database.parent.mkdir(parents=True, exist_ok=True)
        with self.practice_class(self.database, now=self.clock.now, zone=self.zone, seed=clinic.seed) as practice:
            practice.fill(clinic)

    def routes(self) -> None:
        """Opens the practice and registers its control routes."""
        self.practice = self.practice_class(self.database, now=self.clock.now)
        for name, lister in (
            ("clients", self.practice.clients),
            ("pets", self.practice.pets),
            ("appointments", self.practice.visits),
        ):
            self.control("GET", f"/{name}", _lists(lister))
        for name, kept, maker in (
            ("register_client", KeptClient, self.practice.register_client),
            ("register_pet", KeptPet, self.practice.register_pet),
            ("book", KeptVisit, self.practice.book),
        ):
            self.control("POST", f"/{name}", _makes(kept, maker))
        self._edits: Mapping[Kind, tuple[type[Kept], Callable[..., Kept]]] = {
            Kind.CLIENT: (KeptClient, self.practice.change_client),
            Kind.PET: (KeptPet, self.practice.change_pet),
            Kind.APPOINTMENT: (KeptVisit, self.practice.change_visit),
        }
        self.control("POST", "/change", self._change)
        self.control("POST", "/cancel", lambda request: _told(self.practice.cancel, _id(request.document(), "id")))
        self.control("POST", "/merge", self._merge)
        self.control("POST", "/erase", self._erase)
        self.control("POST", "/empty", self._empty)

    def stop(self) -> None:
        """Ends serving and closes the practice's database."""
        super().stop()
        self.practice.close()
        if self._passing is not None:
            self._passing.cleanup()
            self._passing = None

    def ready(self) -> dict[str, Any]:
        """Where the database is, too."""
        return {**super().ready(), "database": str(self.database)}

    def _change(self, request: Request) -> Response:
        given = request.document()
        kind, values = _kind(given), given.get("set")
        if not isinstance(values, dict):
            raise Refusal(400, "set must be an object of fields")
        kept, change = self._edits[kind]
        return _told(change, _id(given, "id"), **_values(kept, values))

    def _merge(self, request: Request) -> Response:
        given = request.document()
        return _told(self.practice.merge, _id(given, "from"), _id(given, "into"))

    def _erase(self, request: Request) -> Response:
        given = request.document()
        return _told(self.practice.erase, _kind(given), _id(given, "id"))

    def _empty(self, request: Request) -> Response:
        kind = _kind(request.document())
        return Response(200, {"emptied": {"kind": kind, "rows": self.practice.empty(kind)}})


def plain(record: Kept) -> dict[str, Any]:
    """A record as JSON says it."""
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(record).items()}


def _lists(lister: Callable[..., tuple[Kept, ...]]) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        return Response(200, {"records": [plain(one) for one in lister(deleted=bool(request.first("deleted")))]})

    return answer


def _makes(kept: type[Kept], maker: Callable[..., Kept]) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        return _told(maker, **_values(kept, request.document()))

    return answer


def _told(deed: Callable[..., Kept | None], *where: str, **values: Any) -> Response:
    try:
        done = deed(*where, **values)
    except NoSuchRecord as error:
        raise Refusal(404, str(error)) from None
    except (ValueError, TypeError) as error:
        raise Refusal(400, str(error)) from None
    return Response(200, {} if done is None else {"record": plain(done)})


def _kind(given: Mapping[str, Any]) -> Kind:
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise Refusal(400, f"kind must be one of {', '.join(_KINDS)}")
    return _KINDS[kind]


def _id(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or not value:
        raise Refusal(400, f"{name} must be the id or number of a record")
    return str(value)


def _values(kept: type[Kept], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given fields as the record holds them."""
    types = {field.name: str(field.type) for field in fields(kept) if field.name not in {"id", "number"}}
    unknown = sorted(given.keys() - types.keys())
    if unknown:
        raise Refusal(400, f"no field is called {unknown[0][:40]!r}; known are {', '.join(types)}")
    return {name: _value(name, types[name], value) for name, value in given.items()}


def _value(name: str, type_: str, value: Any) -> Any:
    try:
        match type_, value:
            case "datetime", str():
                return datetime.fromisoformat(value).replace(tzinfo=None)
            case "date | None", str():
                return date.fromisoformat(value)
            case "date | None", None:
                return None
            case "tuple[str, ...]", list() if all(isinstance(each, str) for each in value):
                return tuple(value)
            case ("str", str()) | ("bool", bool()):
                return value
            case "int", int() if not isinstance(value, bool):
                return value
    except ValueError:
        pass
    raise Refusal(400, f"{name} must be a {type_}")
