"""The webhook door and the health route.

A webhook call is committed to the ledger before it is answered with 200. Its body is only a hint: what it says is
read again at the vendor before anything is decided.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from vetbridge.connector.interface import HookRequest
from vetbridge.core.errors import BadHint, VetBridgeError
from vetbridge.daemon.assembly import Program
from vetbridge.ledger import going_live

log = structlog.get_logger("vetbridge.web")

LARGEST_HOOK = 4 * 1024 * 1024
"""Bytes; a longer webhook body is refused. What it would have said, the next poll finds."""


def build(program: Program, *, wake: Callable[[], None], health: Callable[[], Mapping[str, Any]]) -> FastAPI:
    """The door of one program. ``wake`` tells the dispatcher that something may be due."""
    app = FastAPI(title="VetBridge", docs_url=None, redoc_url=None, openapi_url=None)
    secrets = {
        name: account.hook_secret.reveal()
        for name, account in program.loaded.config.accounts.items()
        if account.hook_secret is not None
    }

    @app.get("/health")
    def _health() -> JSONResponse:
        state = health()
        return JSONResponse(dict(state), status_code=200 if state["status"] == "ok" else 503)

    @app.post("/hooks/{account}/{secret}")
    async def _hook(account: str, secret: str, request: Request) -> JSONResponse:
        expected = secrets.get(account)
        if expected is None or not hmac.compare_digest(secret.encode(), expected.encode()):
            known = account if account in program.connectors else "unknown"
            log.warning("hook.refused", account=known, code="hook-secret", message="the address's last part is wrong")
            return _refusal(403, "hook-secret", "the secret in this address is not the one in VetBridge's config")
        body = await _body(request)
        if body is None:
            log.warning("hook.refused", account=account, code="hook-too-large")
            return _refusal(413, "hook-too-large", f"the body is longer than {LARGEST_HOOK} bytes")
        query = {key.lower(): value for key, value in request.query_params.items()}
        hook = HookRequest(body=body, query=query, headers=dict(request.headers))
        # The ledger is synchronous: it must not hold up the event loop.
        return await run_in_threadpool(_take, program, account, hook, wake)

    return app


def _take(program: Program, account: str, hook: HookRequest, wake: Callable[[], None]) -> JSONResponse:
    if _has_ended(program, account):
        # The vendor still has the address: it is thanked, or it would try again.
        return JSONResponse({"taken": 0})
    try:
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
