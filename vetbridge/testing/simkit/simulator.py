"""The base of every simulator: store, faults, limits, webhooks, control door, and the order in which they act."""

from __future__ import annotations

import hashlib
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict, Unpack

from vetbridge.connector.clock import Clock
from vetbridge.testing.clinic import Clinic, make_clinic
from vetbridge.testing.faults import FAULTS, VENDOR_MADE, Faults
from vetbridge.testing.simkit.clock import SettableClock
from vetbridge.testing.simkit.files import Files
from vetbridge.testing.simkit.limits import Limit, Limits
from vetbridge.testing.simkit.server import (
    HOST,
    Effect,
    Handler,
    Refusal,
    Request,
    Response,
    Route,
    Server,
    find_route,
)
from vetbridge.testing.simkit.store import STORE_FILE, Row, Store
from vetbridge.testing.simkit.webhooks import Outbox

if TYPE_CHECKING:
    from vetbridge.testing.twins.sides import TwinSides

CONTROL = "/_sim"
"""Where the control door stands."""
FILES = "files"
"""Folder of the contents of files, inside a simulator's data folder."""
LONGEST_OUTAGE = 24 * 3600.0
"""Seconds."""
CUT_AT = 64
"""Characters of a text that are kept under the fault ``cut_fields``."""
_PAGE = b"<!DOCTYPE html><html><head><title>Please wait</title></head><body><h1>Please wait</h1></body></html>"


class SimulatorOptions(TypedDict, total=False):
    """What every simulator can be made with."""

    port: int
    """Port to serve on; 0: a free one, or the kept one of a kept store."""
    data: Path | None
    """Folder to keep the store in; None: in memory. A folder that holds a store is served again as it is."""
    clients: int
    """Owners in a new store."""
    twins: TwinSides | None
    """What a new store holds: a clinic that kept both sides by hand. None: ``clients`` owners, and no visits."""
    seed: int
    """Decides the clinic, the credentials and the faults."""
    limits: str
    """``real``, ``off`` or ``xN``."""
    faults: Mapping[str, float] | None
    """Rates per fault, see ``FAULTS``."""
    clock: Clock | None
    zone: str | None
    """IANA zone of a new store; None: the clinic's."""
    outage_seconds: float
    """How long an outage lasts that the fault ``outage`` begins."""
    late_seconds: float
    """After so long a write takes effect that the fault ``late_landing`` put off."""
    lag_seconds: float
    """So long a new row is missing from lists under the fault ``lagging_search``."""
    skew_seconds: float
    """So far the clock is off under the faults ``clock_ahead`` and ``clock_behind``."""
    webhook_delay: float
    """Seconds between a change and its webhook; short by default, the vendor's is ``webhook_delay_real``."""


class Simulator:
    """One vendor, served over HTTP on the loopback address. See the package's docstring for how to write one."""

    vendor: ClassVar[str]
    base_path: ClassVar[str] = ""
    limits_real: ClassVar[Sequence[Limit]] = ()
    webhook_delay_real: ClassVar[float] = 0.0
    webhook_tries: ClassVar[int] = 1
    webhook_retry_wait: ClassVar[float] = 0.0
    purgeable: ClassVar[frozenset[str]] = frozenset()
    """Kinds of rows, in the vendor's words, that the control door takes away."""
    makes: ClassVar[frozenset[str]] = frozenset()
    """Faults of ``VENDOR_MADE`` that this simulator has."""

    def __init__(self, **options: Unpack[SimulatorOptions]) -> None:
        seed = options.get("seed", 1)
        data = options.get("data")
        self.clock = SettableClock(options.get("clock"))
        self.faults = Faults(options.get("faults"), seed=seed)
        self.limits = Limits(self.limits_real, options.get("limits", "off"), self.clock)
        self.outage_seconds = options.get("outage_seconds", 20.0)
        self.late_seconds = options.get("late_seconds", 2.0)
        self.lag_seconds = options.get("lag_seconds", 2.0)
        self.skew_seconds = options.get("skew_seconds", 240.0)
        self.outbox = Outbox(
            self.faults,
            delay=options.get("webhook_delay", 0.05),
            tries=self.webhook_tries,
            retry_wait=self.webhook_retry_wait,
            seed=seed,
        )
        self.store = Store(data / STORE_FILE if data is not None else None)
        self.files = Files(data / FILES if data is not None else None)
        """Contents of files, by names that stand in rows."""
        self._routes: list[Route] = []
        self.renamed: dict[str, str] = {}
        """Fields that all rows are answered under another name, as after an upgrade: old name to new."""
        self._requests: Counter[str] = Counter()
        self._effects: Counter[Effect] = Counter()
        self._write_requests = 0
        self._counting = threading.Lock()
        self._handling = threading.Lock()
        self._unsent: list[tuple[str, Any]] = []
        self._late: list[tuple[float, Request, Route]] = []
        self._born: dict[tuple[str, int], float] = {}
        self._outage_until = 0.0
        self._server: Server | None = None
        self._stop = threading.Event()
        self._control_routes = [
            Route("GET", f"{CONTROL}/ping", self._ping),
            Route("GET", f"{CONTROL}/counts", lambda _: Response(200, self.counts())),
            Route("POST", f"{CONTROL}/outage", self._set_outage),
            Route("POST", f"{CONTROL}/faults", self._set_faults),
            Route("POST", f"{CONTROL}/clock", self._set_clock),
        ]
        self.control("POST", "/purge", self._purge)
        self._open_store(seed, options.get("clients", 0), options.get("twins"), options.get("zone"))
        self.zone: str = self.store.get_meta("zone")
        self.credentials: dict[str, str] = self.store.get_meta("credentials")
        self._port = options.get("port", 0) or self.store.get_meta("port", 0)
        self.store.inserted = self._note_birth
        self.routes()

    def _open_store(self, seed: int, clients: int, twins: TwinSides | None, zone: str | None) -> None:
        kept = self.store.get_meta("vendor")
        if kept == self.vendor:
            return
        if kept is not None:
            self.store.close()
            raise ValueError(f"the data folder holds the store of a simulator of {kept}, not of {self.vendor}")
        clinic = make_clinic(seed, clients) if twins is None else twins.clinic

        def secret(name: str) -> str:
            return hashlib.sha256(f"{self.vendor}:{seed}:{name}".encode()).hexdigest()[:32]

        self.zone = zone or clinic.zone
        with self.store.transaction():
            self.fill(clinic)
            if twins is not None:
                self.fill_twins(twins)
            self.store.set_meta("zone", self.zone)
            self.store.set_meta("seed", seed)
            self.store.set_meta("clients", len(clinic.owners))
            self.store.set_meta("credentials", self.make_credentials(secret))
            self.store.set_meta("vendor", self.vendor)

    # -- what a vendor's module writes

    def routes(self) -> None:
        """Registers the vendor's routes with ``route`` and its own control routes with ``control``."""

    def fill(self, clinic: Clinic) -> None:
        """Fills a new store; ``self.zone`` is set. Runs in one transaction."""

    def fill_twins(self, twins: TwinSides) -> None:
        """Adds what the option ``twins`` tells of this side, after ``fill`` and in the same transaction."""
        raise ValueError(f"the simulator of {self.vendor} takes no twins")

    def make_credentials(self, secret: Callable[[str], str]) -> dict[str, str]:
        """The credentials of a new store; ``secret(name)`` makes text that is stable per vendor, seed and name."""
        return {}

    def error(self, status: int, message: str) -> Response:
        """The vendor's way of saying no."""
        return Response(status, {"message": message})

    def too_many(self, wait: float, limit: Limit | None) -> Response:
        """The vendor's 429. ``limit`` is None where the fault switch and not a limit refuses."""
        return self.error(429, "Too many requests")

    def admit(self, request: Request, route: Route) -> None:
        """Raises ``Refusal`` where the request may not use the route."""

    def finish(self, request: Request, response: Response) -> Response:
        """Last touch on every vendor answer, for headers."""
        return response

    def end_token(self, request: Request) -> None:
        """Ends the access token that the request shows, for the fault ``token_expiry``."""

    def responsible(self, request: Request) -> Simulator:
        """Who answers a vendor's request: itself, or another simulator that stands behind the same address."""
        return self

    def named(self, request: Request) -> Simulator:
        """Who answers a request of the control door. Raises ``Refusal``."""
        return self

    # -- what a vendor's module uses

    def route(
        self, method: str, template: str, handler: Handler, *, effect: Effect = Effect.READ, access: str = ""
    ) -> None:
        """Serves ``base_path + template``."""
        self._routes.append(Route(method, self.base_path + template, handler, effect, access))

    def control(self, method: str, name: str, handler: Handler) -> None:
        """Serves ``/_sim`` + ``name``, beside the kit's own. The handler runs as a vendor's does: alone, in one
        transaction, and the webhooks it sends leave after it."""
        self._control_routes.append(Route(method, CONTROL + name, lambda request: self._alone(handler, request)))

    def named_row(self, kind: object, id: object) -> dict[str, Any]:  # noqa: A002 - the field's word
        """A copy of the row that a control request names. Raises ``Refusal`` 404 where there is none."""
        number = id if isinstance(id, int) and not isinstance(id, bool) else 0
        row = self.store.get(kind, number) if isinstance(kind, str) else None
        if row is None:
            raise Refusal(404, f"there is no {str(kind)[:40]} {str(id)[:40]}")
        return row

    def send(self, url: str, payload: Any) -> None:
        """Queues a webhook; it leaves when the handler's transaction is committed."""
        self._unsent.append((url, payload))

    def page_shift(self, page: int) -> int:
        """By how many rows a page, counted from 1, begins too late (+1) or too early (-1); mostly 0."""
        if page < 2 or not self.faults.hits("page_shift"):
            return 0
        return 1 if self.faults.either("page_shift") else -1

    def listed(self, kind: str, rows: list[Row]) -> list[Row]:
        """The rows of a kind that a list shows now: new ones may lag."""
        if not self.faults.hits("lagging_search"):
            return rows
        oldest = self.clock.steady() - self.lag_seconds
        with self._counting:
            young = {id_ for (of, id_), born in self._born.items() if of == kind and born > oldest}
        return [row for row in rows if row["id"] not in young]

    def kept(self, text: str) -> str:
        """What is kept of a text that is written."""
        return text[:CUT_AT] if len(text) > CUT_AT and self.faults.hits("cut_fields") else text

    def thinned(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row as it is answered: under other names where ``renamed`` says so, and without some of its fields where
        the fault wants it; never without its id."""
        row = {self.renamed.get(name, name): value for name, value in row.items()} if self.renamed else row
        if not self.faults.hits("missing_fields"):
            return row
        return {name: value for name, value in row.items() if name == "id" or self.faults.either("missing_fields")}

    def notice(self, cause: str, **details: Any) -> None:
        """Counts a message to an owner: cause ``write`` (a staff-side write) or ``own`` (to a person who booked)."""
        self.store.insert("notice", {"cause": cause, **details})

    # -- serving

    @property
    def base_url(self) -> str:
        """Where the vendor's API stands. Raises ``RuntimeError`` before ``start``."""
        return f"{self.control_url.removesuffix(CONTROL)}{self.base_path}"

    @property
    def control_url(self) -> str:
        """Where the control door stands. Raises ``RuntimeError`` before ``start``."""
        if self._server is None:
            raise RuntimeError("the simulator is not serving")
        return f"http://{HOST}:{self._server.server_port}{CONTROL}"

    def start(self) -> Self:
        """Serves in the background. Raises ``OSError`` when the port is taken."""
        if self._server is None:
            self._server = Server(self._port, self._answer, self.error, self.clock.now, self._cuts)
            self._port = self._server.server_port
            self.store.set_meta("port", self._port)
            threading.Thread(
                target=self._server.serve_forever, args=(0.05,), name=f"simulator-{self.vendor}", daemon=True
            ).start()
        return self

    def stop(self) -> None:
        """Ends serving and closes the store, for good. Webhooks that still wait are lost."""
        self._stop.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        self.outbox.close()
        with self._handling:
            self.store.close()
            self.files.close()

    def serve_forever(self) -> None:
        """Serves until ``request_stop``, then stops."""
        self.start()
        # In steps, because on Windows an endless wait does not see Ctrl-C.
        while not self._stop.wait(0.5):
            pass
        self.stop()

    def request_stop(self) -> None:
        """Makes ``serve_forever`` return; may be called from a signal handler."""
        self._stop.set()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ready(self) -> dict[str, Any]:
        """What ``vetbridge simulate`` prints when it serves. Raises ``RuntimeError`` before ``start``."""
        return {
            "ready": True,
            "vendor": self.vendor,
            "base_url": self.base_url,
            "credentials": self.credentials,
            "limits": self.limits.mode,
            "control_url": self.control_url,
        }

    @classmethod
    def offered(cls) -> frozenset[str]:
        """The faults that this simulator has."""
        return frozenset(FAULTS) - VENDOR_MADE | cls.makes

    def begin_outage(self, seconds: float) -> None:
        """Answers every vendor request 503 for so long; 0 ends an outage."""
        self._outage_until = self.clock.steady() + seconds

    def counts(self) -> dict[str, Any]:
        """The numbers that ``GET /_sim/counts`` answers; notices outlive a restart, the others do not."""
        with self._counting:
            requests = dict(self._requests)
            writes, tokens = self._effects[Effect.WRITE], self._effects[Effect.TOKEN]
            write_requests = self._write_requests
        return {
            "requests": requests,
            "writes": writes,
            "write_requests": write_requests,
            "tokens": tokens,
            "notices": len(self.store.find("notice", cause="write")),
            "own": len(self.store.find("notice", cause="own")),
            "webhooks": self.outbox.counts(),
        }

    # -- one request

    def _answer(self, request: Request) -> Response | None:
        try:
            if request.path == CONTROL or request.path.startswith(f"{CONTROL}/"):
                return self._control(request)
            chosen = self.responsible(request)
            response = chosen._vendor(request)
            return None if response is None else chosen.finish(request, response)
        except Exception:  # a fault in the simulator is answered as the vendor's own, and shown to who runs it
            if self._stop.is_set():
                return None
            traceback.print_exc(file=sys.stderr)
            return self.error(500, "Internal error")

    def _vendor(self, request: Request) -> Response | None:
        try:
            found = find_route(self._routes, request.method, request.path)
        except Refusal as refusal:
            self._count(f"{request.method} ?")
            return self._refused(refusal)
        if found is None:
            self._count(f"{request.method} ?")
            return self.error(404, "Not found")
        route, params = found
        template = route.template.removeprefix(self.base_path)
        request = Request(
            request.method, request.path, request.query, request.headers, request.body, template, params
        )
        self._count(f"{route.method} {template}", write=route.effect is Effect.WRITE)
        self.land()
        before = self._obstacle(request)
        if before is not None:
            return before
        with self.clock.wrong_by(self._skew()):
            response = self._handled(request, route)
        if response is None or response.status >= 300:
            return response
        with self._counting:
            self._effects[route.effect] += 1
        return self._spoiled(response, route)

    def _cuts(self, media_type: str) -> bool:
        return media_type == "multipart/form-data" and self.faults.hits("cut_upload")

    def _spoiled(self, response: Response, route: Route) -> Response | None:
        """What becomes of a good answer on its way; None: nothing comes."""
        if route.effect is Effect.WRITE:
            if self.faults.hits("drop_after_commit"):
                return None
            if self.faults.hits("5xx_after"):
                return self.error(500, "Internal error")
        if response.raw is not None and self.faults.hits("cut_download"):
            return replace(response, ends_after=len(response.raw) // 2)
        if self.faults.hits("html_for_json"):
            return Response(200, raw=_PAGE, media_type="text/html; charset=utf-8")
        if response.raw is None and self.faults.hits("cut_json"):
            return Response(
                response.status, headers=response.headers, raw=response.content[: len(response.content) // 2]
            )
        return response

    def _skew(self) -> float:
        if self.faults.hits("clock_ahead"):
            return self.skew_seconds
        return -self.skew_seconds if self.faults.hits("clock_behind") else 0.0

    def _obstacle(self, request: Request) -> Response | None:
        """What stops a request before anything is done."""
        if self.clock.steady() >= self._outage_until and self.faults.hits("outage"):
            self.begin_outage(self.outage_seconds)
        if self.clock.steady() < self._outage_until:
            return self.error(503, "Service unavailable")
        over = self.limits.take(request)
        if over is not None:
            limit, wait = over
            return self.too_many(wait, limit)
        for name in ("429", "429_retry_after", "429_bare"):
            if self.faults.hits(name):
                return self._too_many(name)
        if self.faults.hits("5xx_before"):
            return self.error(500, "Internal error")
        return None

    def _too_many(self, fault: str) -> Response:
        if fault == "429_bare":
            return self.error(429, "Too many requests")
        told = self.too_many(1.0, None)
        headers = {"Retry-After": "1"} if fault == "429_retry_after" else {}
        return Response(told.status, told.body, {**told.headers, **headers})

    def _handled(self, request: Request, route: Route) -> Response | None:
        try:
            if self.faults.hits("token_expiry"):
                self.end_token(request)
            self.admit(request, route)
            if route.effect is Effect.WRITE and self.faults.hits("late_landing"):
                self._put_off(request, route)
                return None
            return self._alone(route.handler, request)
        except Refusal as refusal:
            return self._refused(refusal)

    def _put_off(self, request: Request, route: Route) -> None:
        with self._counting:
            self._late.append((self.clock.steady() + self.late_seconds, request, route))
        timer = threading.Timer(self.late_seconds + 0.01, self.land)
        timer.daemon = True
        timer.start()

    def land(self) -> None:
        """Lets those writes take effect whose time has come: by itself in true time, or before the next request."""
        now = self.clock.steady()
        with self._counting:
            due = [each for each in self._late if each[0] <= now]
            self._late = [each for each in self._late if each[0] > now]
        for _, request, route in due:
            if self._stop.is_set():
                return
            try:
                landed = self._alone(route.handler, request).status < 300
            except Refusal:  # nobody hears it any more
                continue
            with self._counting:
                self._effects[route.effect] += landed

    def _note_birth(self, kind: str, number: int) -> None:
        with self._counting:
            self._born[kind, number] = self.clock.steady()

    def _alone(self, handler: Handler, request: Request) -> Response:
        with self._handling:
            self._unsent.clear()
            with self.store.transaction():
                response = handler(request)
            for url, payload in self._unsent:
                self.outbox.send(url, payload)
            return response

    def _refused(self, refusal: Refusal) -> Response:
        if refusal.body is not None:
            return Response(refusal.status, refusal.body)
        return self.error(refusal.status, refusal.message)

    def _count(self, name: str, *, write: bool = False) -> None:
        with self._counting:
            self._requests[name] += 1
            self._write_requests += write

    # -- the control door

    def _control(self, request: Request) -> Response:
        try:
            found = find_route(self.named(request)._control_routes, request.method, request.path)
            if found is None:
                raise Refusal(404, f"the control door has no {request.path[:80]!r}")
            return found[0].handler(request)
        except Refusal as refusal:
            return Response(refusal.status, {"error": refusal.message})

    def _ping(self, request: Request) -> Response:
        return Response(200, {"vendor": self.vendor})

    def _set_outage(self, request: Request) -> Response:
        seconds = request.document().get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_OUTAGE:
            raise Refusal(400, f"seconds must be a number from 0 to {LONGEST_OUTAGE:.0f}")
        self.begin_outage(seconds)
        return Response(200, {"seconds": seconds})

    def _set_faults(self, request: Request) -> Response:
        try:
            self.faults.set(request.document())
        except ValueError as error:
            raise Refusal(400, str(error)) from None
        return Response(200, self.faults.rates)

    def _set_clock(self, request: Request) -> Response:
        now = request.document().get("now")
        try:
            self.clock.set(None if now is None else datetime.fromisoformat(str(now)))
        except ValueError as error:
            raise Refusal(400, str(error)) from None
        return Response(200, {"now": self.clock.now().isoformat()})

    def _purge(self, request: Request) -> Response:
        """Takes a row away for good, without a webhook: no vendor documents one for it."""
        given = request.document()
        kind = given.get("kind")
        if not isinstance(kind, str) or kind not in self.purgeable:
            raise Refusal(400, f"kind must be one of {', '.join(sorted(self.purgeable)) or 'none'}")
        self.store.delete(kind, self.named_row(kind, given.get("id"))["id"])
        return Response(200, {"purged": {"kind": kind, "id": given["id"]}})


def served(row: Row) -> dict[str, Any]:
    """A row as a client may see it: without the keys that start with ``_``."""
    return {name: value for name, value in row.items() if not name.startswith("_")}
