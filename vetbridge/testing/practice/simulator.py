"""The simulator of a practice without an API: its database, and a control door for what staff do at their screens."""

from __future__ import annotations

import base64
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack

from vetbridge.core.records import Kind
from vetbridge.testing.clinic import Clinic
from vetbridge.testing.practice.exports import Exporter, Form, Habit
from vetbridge.testing.practice.plain import PlainPractice
from vetbridge.testing.practice.practice import DATABASE_FILE, NoSuchRecord, Practice
from vetbridge.testing.practice.records import (
    Kept,
    KeptClient,
    KeptDocument,
    KeptMessage,
    KeptPet,
    KeptReminder,
    KeptVaccination,
    KeptVisit,
)
from vetbridge.testing.simkit import Refusal, Request, Response, Simulator, SimulatorOptions

if TYPE_CHECKING:
    from vetbridge.testing.twins.sides import TwinSides


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """What becomes of a practice's reports. ``folder`` None: ``exports`` beside the database."""

    folder: Path | None = None
    every: float = 0.0
    """Seconds from one export to the next; 0: only when somebody asks for one."""
    habit: Habit = Habit.RENAMED
    piece_seconds: float = 0.2
    """So long a file that is written bit by bit stays as it is."""
    kinds: tuple[Kind, ...] = ()
    """Kinds of which reports are written unless somebody asks for others; none: all."""
    form: Form = field(default_factory=Form)


class PracticeSimulator(Simulator):
    """Serves nothing of a vendor's by itself. The control door has, beside the kit's own:

    - ``GET /_sim/clients``, ``/pets``, ``/appointments``: ``{"records": [...]}`` by the fields of ``KeptClient``,
      ``KeptPet``, ``KeptVisit``; with ``?deleted=1`` those that are deleted or cancelled, too.
    - ``POST /_sim/register_client``, ``/register_pet``, ``/book``: a new record of these fields, answered as
      ``{"record": {...}}``. Times are the clinic's wall clock, as ``2026-03-02T09:00:00``.
    - ``POST /_sim/change`` with ``{"kind": "appointment", "id": ..., "set": {"start": ..., "status": "arrived"}}``:
      moves, changes of status, of a phone, a pet that died. ``POST /_sim/cancel`` with ``{"id": ...}`` takes an
      appointment out, its row stays.
    - ``POST /_sim/merge`` with ``{"kind": "client", "from": ..., "into": ...}``, of clients or pets.
    - ``POST /_sim/export`` with ``{"kinds": ["appointment"], "habit": "in_place", "encoding": "utf-8-sig"}``, all
      of it optional: writes the reports into the folder of exports, as ``Habit`` and ``Form`` know them, and answers
      ``{"files": [...]}``.
    - ``POST /_sim/erase`` with ``{"kind": ..., "id": ...}``: the row is gone. ``POST /_sim/empty`` with
      ``{"kind": ...}``: all rows of a table are.

    Ids may be the numbers that staff use. Nothing of a practice's is in the kit's store.
    """

    practice_class: ClassVar[type[Practice]]
    practice: Practice

    def __init__(self, exports: Exports | None = None, **options: Unpack[SimulatorOptions]) -> None:
        self._passing: tempfile.TemporaryDirectory[str] | None = None
        folder = options.get("data")
        if folder is None:
            self._passing = tempfile.TemporaryDirectory(prefix="vetbridge-practice-")
            folder = Path(self._passing.name)
        self._folder = folder
        self.exports = exports or Exports()
        self._ended = threading.Event()
        self._exporting: threading.Thread | None = None
        super().__init__(**options)

    @property
    def database(self) -> Path:
        """The file that other programs read."""
        return self._folder / DATABASE_FILE

    @property
    def export_folder(self) -> Path:
        """Where the reports are written."""
        return self.exports.folder or self._folder / "exports"

    def fill(self, clinic: Clinic) -> None:
        """Enters the clinic's owners and pets."""
        self.database.parent.mkdir(parents=True, exist_ok=True)
        with self.practice_class(self.database, now=self.clock.now, zone=self.zone, seed=clinic.seed) as practice:
            practice.fill(clinic)

    def fill_twins(self, twins: TwinSides) -> None:
        """Enters the diary that the clinic has kept by hand."""
        with self.practice_class(self.database, now=self.clock.now) as practice:
            practice.fill_twins(twins)

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
        if unknown := [kind for kind in self.exports.kinds if kind not in self.practice.reports]:
            raise ValueError(f"no report is of {unknown[0]}s; known are {', '.join(self.practice.reports)}")
        self.export_folder.mkdir(parents=True, exist_ok=True)
        self.exporter = Exporter(self.practice, self.export_folder, self.exports.form)
        self.control("POST", "/export", self._export_now)
        self.control("POST", "/change", self._change_record)
        self.control("POST", "/cancel", lambda request: _told(self.practice.cancel, _id(request.document(), "id")))
        self.control("POST", "/merge", self._merge_records)
        self.control("POST", "/erase", self._erase_row)
        self.control("POST", "/empty", self._empty_table)

    def start(self) -> Self:
        """Serves, and exports from time to time if asked to."""
        super().start()
        if self.exports.every > 0 and self._exporting is None:
            self._exporting = threading.Thread(target=self._keep_exporting, name="simulator-exports", daemon=True)
            self._exporting.start()
        return self

    def stop(self) -> None:
        """Ends serving and closes the practice's database."""
        self._ended.set()
        if self._exporting is not None:
            self._exporting.join(10.0)
        super().stop()
        self.practice.close()
        if self._passing is not None:
            self._passing.cleanup()
            self._passing = None

    def ready(self) -> dict[str, Any]:
        """Where the database and the exports are, too."""
        return {**super().ready(), "database": str(self.database), "exports": str(self.export_folder)}

    def _keep_exporting(self) -> None:
        while not self._ended.is_set():
            for kind in self.exports.kinds or self.practice.reports:
                for _ in self.exporter.steps(kind, self.exports.habit):
                    if self._ended.wait(self.exports.piece_seconds):
                        return
            if self._ended.wait(self.exports.every):
                return

    def _export_now(self, request: Request) -> Response:
        given = request.document()
        kinds, habit = given.pop("kinds", None), given.pop("habit", self.exports.habit)
        if kinds is not None and not (
            isinstance(kinds, list) and all(kind in self.practice.reports for kind in kinds)
        ):
            raise Refusal(400, f"kinds must be some of {', '.join(self.practice.reports)}")
        try:
            form = replace(self.exports.form, **given)
            exporter = Exporter(self.practice, self.export_folder, form)
            files = exporter.export(*map(Kind, kinds or self.exports.kinds), habit=Habit(habit))
        except (ValueError, TypeError) as error:
            raise Refusal(400, str(error)) from None
        return Response(200, {"files": [str(path) for path in files]})

    def _change_record(self, request: Request) -> Response:
        given = request.document()
        kind, values = self._kind(given), given.get("set")
        if not isinstance(values, dict):
            raise Refusal(400, "set must be an object of fields")
        if kind not in self._edits:
            raise Refusal(400, f"no {kind} is changed")
        kept, change = self._edits[kind]
        return _told(change, _id(given, "id"), **_values(kept, values))

    def _merge_records(self, request: Request) -> Response:
        given = request.document()
        kind = self._kind(given)
        if kind not in {Kind.CLIENT, Kind.PET}:
            raise Refusal(400, "only clients and pets are merged")
        merge = self.practice.merge if kind is Kind.CLIENT else self.practice.merge_pets
        return _told(merge, _id(given, "from"), _id(given, "into"))

    def _erase_row(self, request: Request) -> Response:
        given = request.document()
        return _told(self.practice.erase, self._kind(given), _id(given, "id"))

    def _empty_table(self, request: Request) -> Response:
        kind = self._kind(request.document())
        return Response(200, {"emptied": {"kind": kind, "rows": self.practice.empty(kind)}})

    def _kind(self, given: Mapping[str, Any]) -> Kind:
        found = next((kind for kind in self.practice.tables if kind == given.get("kind")), None)
        if found is None:
            raise Refusal(400, f"kind must be one of {', '.join(self.practice.tables)}")
        return found


class PlainSimulator(PracticeSimulator):
    """A simulator over a ``PlainPractice``; a feed's subclass adds what it serves. The control door has besides:

    - ``GET /_sim/vaccinations``, ``/reminders``, ``/documents``, ``/messages``: by the fields of ``KeptVaccination``,
      ``KeptReminder``, ``KeptDocument`` (without the content), ``KeptMessage``.
    - ``POST /_sim/vaccinate``, ``/remind``, ``/log`` with those fields; ``/attach`` with ``content`` besides, in
      Base64. ``/change``, ``/erase`` and ``/empty`` know the kinds ``vaccination`` and ``reminder``, too.
    - ``POST /_sim/share`` with ``{"pet": ..., "client": ..., "percent": 40}``: a client owns a share; 0 ends it.
    - ``POST /_sim/renumber`` with ``{"id": ..., "new": ...}``: a client has another id.
    - ``POST /_sim/purge`` with ``{"before": "2025-01-01"}``: clients without a visit since then are gone, with their
      pets; with ``"removed": true`` their rows stay as removed ones. Answers ``{"purged": 12}``.
    """

    practice_class: ClassVar[type[PlainPractice]]
    practice: PlainPractice

    def routes(self) -> None:
        """Opens the practice and registers its control routes."""
        super().routes()
        for name, lister in (
            ("vaccinations", self.practice.vaccinations),
            ("reminders", self.practice.reminders),
            ("documents", self.practice.documents),
        ):
            self.control("GET", f"/{name}", _lists(lister))
        self.control(
            "GET", "/messages", lambda request: Response(200, {"records": [*map(plain, self.practice.messages())]})
        )
        for name, kept, maker in (
            ("vaccinate", KeptVaccination, self.practice.vaccinate),
            ("remind", KeptReminder, self.practice.remind),
            ("log", KeptMessage, self.practice.log),
        ):
            self.control("POST", f"/{name}", _makes(kept, maker))
        self._edits = {
            **self._edits,
            Kind.VACCINATION: (KeptVaccination, self.practice.change_vaccination),
            Kind.REMINDER: (KeptReminder, self.practice.change_reminder),
        }
        self.control("POST", "/attach", self._attach)
        self.control("POST", "/share", self._share)
        self.control("POST", "/renumber", self._renumber)
        self.control("POST", "/purge", self._purge)

    def _attach(self, request: Request) -> Response:
        given = request.document()
        try:
            content = base64.b64decode(str(given.pop("content", "")), validate=True)
        except ValueError:
            raise Refusal(400, "content must be Base64") from None
        return _told(self.practice.attach, content=content, **_values(KeptDocument, given))

    def _share(self, request: Request) -> Response:
        given = request.document()
        percent = given.get("percent")
        if isinstance(percent, bool) or not isinstance(percent, int):
            raise Refusal(400, "percent must be a whole number")
        return _told(self.practice.share, _id(given, "pet"), _id(given, "client"), percent=percent)

    def _renumber(self, request: Request) -> Response:
        given = request.document()
        return _told(self.practice.renumber, _id(given, "id"), _id(given, "new"))

    def _purge(self, request: Request) -> Response:
        given = request.document()
        before = _value("before", "date | None", given.get("before"))
        if before is None:
            raise Refusal(400, "before must be a day")
        return Response(200, {"purged": self.practice.purge(before, removed=given.get("removed") is True)})


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


def _id(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or not value:
        raise Refusal(400, f"{name} must be the id or number of a record")
    return str(value)


def _values(kept: type[Kept], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given fields as the record holds them."""
    types = {one.name: str(one.type) for one in fields(kept) if one.name not in {"id", "number"}}
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
            case "datetime | None", str():
                return datetime.fromisoformat(value).replace(tzinfo=None)
            case (("date | None" | "datetime | None"), None):
                return None
            case "tuple[tuple[str, int], ...]", list():
                return tuple(_owned(each) for each in value)
            case "tuple[str, ...]", list() if all(isinstance(each, str) for each in value):
                return tuple(value)
            case ("str", str()) | ("bool", bool()):
                return value
            case "int", int() if not isinstance(value, bool):
                return value
    except ValueError:
        pass
    raise Refusal(400, f"{name} must be a {type_}")


def _owned(share: Any) -> tuple[str, int]:
    """A client and its percentage. Raises ``ValueError``."""
    match share:
        case [str() as client, int() as percent] if not isinstance(percent, bool):
            return client, percent
    raise ValueError


def practice_options(options: dict[str, Any]) -> dict[str, Any]:
    """What a simulator is made with, where its options are texts and numbers as on the command line: those of
    ``Exports`` and ``Form`` beside those of every simulator.

    Raises ``TypeError`` for an option that is none, ``ValueError`` for one that cannot stand so.
    """
    form = {one.name for one in fields(Form)}
    exports = {"exports", "export_every", "export_kinds", "habit", "piece_seconds"}
    unknown = options.keys() - form - exports - SimulatorOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"a practice's simulator takes no option {', '.join(sorted(unknown))}")
    made = Exports(
        folder=Path(options["exports"]) if "exports" in options else None,
        every=_seconds(options.get("export_every", 0.0)),
        habit=Habit(options.get("habit", Habit.RENAMED)),
        piece_seconds=_seconds(options.get("piece_seconds", 0.2)),
        kinds=tuple(Kind(kind) for kind in options.get("export_kinds", ())),
        form=Form(**{name: options[name] for name in form & options.keys()}),
    )
    kept = {name: value for name, value in options.items() if name in SimulatorOptions.__annotations__}
    return {**kept, "exports": made}


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86400:
        raise ValueError(f"{value!r} is no number of seconds up to a day")
    return float(value)
