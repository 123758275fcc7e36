"""The simulator kit: what every vendor's simulator shares.

A simulator is a real HTTP server on the loopback address that behaves as the vendor's sheet says. A vendor module
writes a subclass of ``Simulator`` and exposes ``def build(**options) -> Simulator``::

    class ExampleSimulator(Simulator):
        vendor = "example"
        base_path = "/api/v1"                                   # stands in front of every route
        limits_real = (Limit("minute", 60, 60.0, per=lambda request: request.template),)

        def routes(self) -> None:                               # called once, while the simulator is made
            self.route("GET", "/thing/{id}", self.get_thing)
            self.route("POST", "/thing", self.post_thing, effect=Effect.WRITE)
            self.route("POST", "/token", self.token, effect=Effect.TOKEN)
            self.control("POST", "/webhooks", self.set_webhooks)   # served as /_sim/webhooks

        def fill(self, clinic: Clinic) -> None:                 # called for a new store only, in one transaction
            for owner in clinic.owners:
                self.store.insert("thing", {"name": owner.family_name, "_seed": owner.number}, id=1000 + owner.number)

        def make_credentials(self, secret: Callable[[str], str]) -> dict[str, str]:
            return {"client_id": secret("client_id")}           # secret(name): stable text made from the seed

        def error(self, status: int, message: str) -> Response:    # the vendor's way of saying no
            return Response(status, {"message": message})

        def get_thing(self, request: Request) -> Response:
            row = self.store.get("thing", request.number("id"))    # raises Refusal(404) for a path id of letters
            if row is None:
                raise Refusal(404, "no such thing")
            return Response(200, served(row))                   # without the keys that start with "_"

Hooks a subclass may override beside these: ``admit(request, route)`` (authorisation; raises ``Refusal``),
``too_many(wait, limit)`` (the 429 answer), ``finish(request, response)`` (headers on every vendor answer),
``responsible(request)`` and ``named(request)`` (another simulator behind the same address that answers), ``ready()``
(the line of ``vetbridge simulate``), ``purgeable`` (kinds that the control door may take away), ``webhook_tries`` and
``webhook_retry_wait`` (the vendor's retry policy), ``webhook_delay_real``.
Attributes of a subclass must be set *before* it calls ``super().__init__``, which fills the store.

Handlers, those of ``control`` too, run one at a time, each in one store transaction: what a handler wrote is on disk
before its answer goes out, and a handler that raises has written nothing. ``self.clock.now()`` is the simulator's
time, which can be set. ``self.send(url, payload)`` queues a webhook, which leaves only when the handler's transaction
is committed.
``self.notice(cause, ...)`` counts a message to an owner. ``simulator.faults.arm(name, times)`` makes a fault happen
at its next occasions, for tests that need it at a certain request.

Faults. The kit makes most of them happen by itself. Those of ``VENDOR_MADE`` need the vendor's module, which names in
``makes`` the ones it has; ``offered()`` lists all that a simulator has. A module makes them happen by
``self.page_shift(page)`` and ``self.listed(kind, rows)`` in its lists, ``self.kept(text)`` where it stores text,
``self.thinned(row)`` where it answers a row, and ``end_token(request)``, a hook. ``faults.happened`` counts.

Rows. ``Store`` keeps JSON documents by kind and whole-number id. ``get`` returns a copy to edit and ``put`` back;
``all`` and ``find`` return the rows themselves, to be read only. Every row carries ``id``; keys that start with ``_``
are never served to clients (``_seed``: the number of the clinic's owner or pet that a row came from).

Files. ``simulator.files`` keeps contents on disk: ``keep(content)`` names one for a row, ``read(name)`` has it again.

The control door (JSON, under ``/_sim``, never a vendor's):

- ``GET /_sim/ping``: ``{"vendor": ...}``.
- ``GET /_sim/counts``: ``{"requests": {"GET /thing/{id}": n}, "writes": n, "write_requests": n, "tokens": n,
  "notices": n, "own": n, "webhooks": {...}}``. ``writes`` are requests that changed vendor data, ``write_requests``
  all that were to, whatever became of them, ``notices`` messages to owners that staff-side writes caused, ``own`` the
  vendor's own confirmations to a person who booked.
- ``POST /_sim/outage`` with ``{"seconds": 20}``; 0 ends it.
- ``POST /_sim/faults`` with ``{NAME: RATE}``, merged over those in force.
- ``POST /_sim/purge`` with ``{"kind": "thing", "id": 1001}``: the row is gone for good, and no webhook says so. Kinds
  are those that a subclass names in ``purgeable``.
- ``POST /_sim/clock`` with ``{"now": "2026-03-02T09:00:00+00:00"}``: runs on from there; null: the machine's time.
"""

from vetbridge.testing.faults import FAULTS, VENDOR_MADE, Faults, parse_fault
from vetbridge.testing.simkit.clock import SettableClock
from vetbridge.testing.simkit.files import Files
from vetbridge.testing.simkit.limits import Limit, Limits, LimitState
from vetbridge.testing.simkit.server import Effect, Refusal, Request, Response, Route, find_route
from vetbridge.testing.simkit.simulator import CONTROL, Simulator, SimulatorOptions, served
from vetbridge.testing.simkit.store import STORE_FILE, Row, Store, open_store
from vetbridge.testing.simkit.webhooks import Outbox, browse

__all__ = [
    "CONTROL",
    "FAULTS",
    "STORE_FILE",
    "VENDOR_MADE",
    "Effect",
    "Faults",
    "Files",
    "Limit",
    "LimitState",
    "Limits",
    "Outbox",
    "Refusal",
    "Request",
    "Response",
    "Route",
    "Row",
    "SettableClock",
    "Simulator",
    "SimulatorOptions",
    "Store",
    "browse",
    "find_route",
    "open_store",
    "parse_fault",
    "served",
]
