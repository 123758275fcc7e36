"""The webhook door, what marketplaces call, and what monitors ask: health and metrics.

A webhook call is committed to the ledger before it is answered with 200. Its body is only a hint: what it says is
read again at the vendor before anything is decided.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from vetbridge.connector.interface import HookRequest
from vetbridge.core.conditions import Scope, Severity
from vetbridge.core.errors import BadHint, VetBridgeError
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.looking import Seen
from vetbridge.ledger import going_live
from vetbridge.web import installs
from vetbridge.web.metrics import Metrics
from vetbridge.web.throttle import Throttle, Throttled, caller

log = structlog.get_logger("vetbridge.web")

LARGEST_HOOK = 4 * 1024 * 1024
"""Bytes; a longer webhook body is refused. What it would have said, the next poll finds."""

SECRETS_A_CALLER = 20
"""Wrong secrets from one caller within a quarter of an hour that are looked at and logged one by one."""


def build(
    program: Program,
    *,
    wake: Callable[[], None],
    health: Callable[[], Mapping[str, Any]],
    look: Callable[[], Seen] | None = None,
) -> FastAPI:
    """The door of one program. ``wake`` tells the dispatcher that something may be due; ``look`` what is known of
    the program now: without it the door has neither readiness nor metrics."""
    app = FastAPI(title="VetBridge", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    expected = {
        name: account.hook_secret.reveal()
        for name, account in program.loaded.config.accounts.items()
        if account.hook_secret is not None
    }

    # Whoever names an account that takes no webhooks is compared like anybody else, and learns nothing of it.
    nobody = secrets.token_urlsafe(32)
    throttle = Throttle(program.clock)

    @app.get("/health")
    def _health() -> JSONResponse:
        state = health()
        return JSONResponse(dict(state), status_code=200 if state["status"] == "ok" else 503)

    @app.get("/health/live")
    async def _live() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    if look is not None:
        exposed = Metrics(look, program.loaded.config)

        @app.get("/health/ready")
        def _is_ready() -> JSONResponse:
            return _ready(look)

        @app.get("/metrics")
        def _metrics() -> Response:
            return Response(exposed.text(), media_type=exposed.media_type)

    @app.post("/hooks/{account}/{secret}")
    async def _hook(account: str, secret: str, request: Request) -> JSONResponse:
        if not hmac.compare_digest(secret.encode(errors="replace"), expected.get(account, nobody).encode()):
            return _wrong_secret(throttle, account if account in program.connectors else "unknown", request)
        body = await _body(request)
        if body is None:
            log.warning("hook.refused", account=account, code="hook-too-large")
            return _refusal(413, "hook-too-large", f"the body is longer than {LARGEST_HOOK} bytes")
        query = {key.lower(): value for key, value in request.query_params.items()}
        hook = HookRequest(body=body, query=query, headers=dict(request.headers))
        # The ledger is synchronous: it must not hold up the event loop.
        return await run_in_threadpool(_take, program, account, hook, wake)

    app.include_router(installs.routes(program, throttle, largest=installs.LARGEST_CALL))
    return app


def _ready(look: Callable[[], Seen]) -> JSONResponse:
    """Whether VetBridge itself can work; else 503. What needs a person now is told in any case, by codes and names.

    A vendor that refuses one clinic of hundreds, or a question that waits, is no reason to think VetBridge ill.
    """
    try:
        found = [each for each in look().conditions if each.severity is Severity.NOW]
    except VetBridgeError as error:
        return JSONResponse({"status": "not-ready", "conditions": [{"code": error.code}]}, status_code=503)
    told = [{"code": each.code, "scope": each.scope, "name": each.name, "kind": each.kind} for each in found]
    ill = any(each.scope is Scope.VETBRIDGE for each in found)
    return JSONResponse({"status": "not-ready" if ill else "ok", "conditions": told}, status_code=503 if ill else 200)


def _wrong_secret(throttle: Throttle, account: str, request: Request) -> JSONResponse:
    """The refusal of a call with a wrong secret. One with the right secret is taken however many wrong ones came:
    a vendor's calls and a stranger's may come by the same proxy."""
    who = caller(request.client.host if request.client else None)
    try:
        throttle.count({f"hook {who}": SECRETS_A_CALLER})
    except Throttled as wait:
        refused = _refusal(429, "throttled", f"too many wrong secrets came from there: wait {wait.seconds} seconds")
        refused.headers["retry-after"] = str(wait.seconds)
        return refused
    log.warning("hook.refused", account=account, code="hook-secret", message="the address's last part is wrong")
    return _refusal(403, "hook-secret", "the secret in this address is not the one in VetBridge's config")


def _take(program: Program, account: str, hook: HookRequest, wake: Callable[[], None]) -> JSONResponse:
    try:
        if _has_ended(program, account):
            # The vendor still has the address: it is thanked, or it would try again.
            return JSONResponse({"taken": 0})
        hints = program.connectors[account].hints(hook)
        taken = program.receivers[account].hints(account, hints)
    except BadHint as error:
        log.warning("hook.refused", account=account, code=error.code, message=error.message)
        return _refusal(400, error.code, error.message)
    except VetBridgeError as error:
        log.error("hook.failed", account=account, code=error.code, message=error.message)
        return _refusal(503, error.code, error.message)
    if taken:
        wake()
    log.info("hook.taken", account=account, hints=taken)
    return JSONResponse({"taken": taken})


def _has_ended(program: Program, account: str) -> bool:
    """Whether every pair that uses an account has ended."""
    sites = {pair.site for pair in program.pairs if account in (pair.booking.account, pair.pims.account)}
    with program.ledger.read() as tx:
        return sites <= going_live.ended(tx)


async def _body(request: Request) -> bytes | None:
    """The body, None where it is too long; it is never read further than that."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_HOOK:
            return None
    return bytes(body)


def _refusal(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": code, "message": message}, status_code=status)
