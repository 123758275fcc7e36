"""The part of the door where a vendor's marketplace calls, and where a browser comes to after Connect.

Both are only hints: how an install stands, the vendor is asked (``vetbridge.daemon.connecting``). What stands in an
address besides the locations is neither kept nor shown.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2
import structlog
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse
from markupsafe import Markup
from starlette.background import BackgroundTask

from vetbridge.core.errors import BadHint, VetBridgeError
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.connecting import Asked, Connecting, How
from vetbridge.desk.installs import answer
from vetbridge.desk.language import ENGLISH, LANGUAGES, phrase, speaking
from vetbridge.web.throttle import Throttle, Throttled, caller

log = structlog.get_logger("vetbridge.web")

VAIN_A_CALLER = 20
"""Redirects in vain from one caller within a quarter of an hour, and life-cycle calls that are not the vendor's."""

_PAGE = Path(__file__).parent / "templates" / "connected.html"
_STYLE = Path(__file__).parent / "assets" / "connected.css"
LARGEST_CALL = 64 * 1024
"""Bytes; a longer body of a life-cycle call is refused. It holds a few fields."""


def routes(program: Program, throttle: Throttle, *, largest: int) -> APIRouter:
    """The routes of every app. A body is read up to ``largest`` bytes."""
    router = APIRouter()

    @router.get("/apps/{app}")
    def _asked(app: str, request: Request) -> Response:
        language = _language(request.headers.get("accept-language", ""))
        who = caller(request.client.host if request.client else None)
        with speaking(language):
            connecting = program.connecting.get(app)
            if connecting is None:
                return _refusal(404, phrase("There is no such page"), phrase("Look at the address."), language)
            return _connected(connecting, request, throttle, who, language)

    @router.post("/apps/{app}")
    async def _told(app: str, request: Request) -> Response:
        connecting = program.connecting.get(app)
        if connecting is None:
            return JSONResponse({"error": "unknown-app"}, status_code=404)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > largest:
                log.warning("install.call.refused", app=app, code="hook-too-large")
                return JSONResponse({"error": "hook-too-large"}, status_code=413)
        who = caller(request.client.host if request.client else None)
        return await run_in_threadpool(_heard, connecting, bytes(body), throttle, who)

    return router


def _heard(connecting: Connecting, body: bytes, throttle: Throttle, who: str) -> Response:
    """The vendor is thanked at once; how the install stands is asked afterwards."""
    try:
        news = connecting.marketplace.told(body)
    except BadHint as error:
        try:
            throttle.count({f"app {who}": VAIN_A_CALLER})
        except Throttled as wait:
            return _too_many(wait)
        log.warning("install.call.refused", app=connecting.name, code=error.code)
        return JSONResponse({"error": error.code}, status_code=403)
    log.info("install.told", app=connecting.name, location=news.location, state=str(news.state or ""))
    connecting.hear(news)
    return JSONResponse({"taken": 1}, background=BackgroundTask(_look, connecting))


def _look(connecting: Connecting) -> None:
    try:
        connecting.look_at_told()
    except VetBridgeError as error:
        log.warning("install.unread", app=connecting.name, code=error.code)  # the next round asks again


def _connected(connecting: Connecting, request: Request, throttle: Throttle, who: str, language: str) -> Response:
    """What became of each location that a redirect asks for."""
    query = request.query_params.multi_items()
    unknown = {f"app-unknown {who}": VAIN_A_CALLER}
    try:
        try:
            locations = connecting.marketplace.asked(query)
        except BadHint as error:
            # Counted apart: whoever brings what the vendor has signed may come by the same proxy.
            throttle.count({f"app {who}": VAIN_A_CALLER})
            log.warning("install.redirect.refused", app=connecting.name, code=error.code)
            words = phrase("Open the marketplace, and click Connect there once more.")
            return _refusal(400, phrase("This address cannot be used"), words, language)
        throttle.count(unknown)
    except Throttled as wait:
        minutes = -(-wait.seconds // 60)
        words = phrase(
            "Wait {minutes} minutes. What was connected at the marketplace, VetBridge finds by itself.",
            minutes=minutes,
        )
        return _refusal(429, phrase("Too many tries"), words, language, wait)
    found = connecting.ask(locations)
    if all(map(_is_new, found)):
        throttle.forgive(unknown)
    for each in found:
        log.info("install.asked", app=connecting.name, location=each.location, how=each.how.value, code=each.code)
    return _answer(200, phrase("Connecting to VetBridge"), "", language, found)


def _is_new(asked: Asked) -> bool:
    """Whether a redirect was no stranger's: the vendor knows of somebody who has just clicked Connect there. That a
    location is connected, anybody may know."""
    return asked.how in (How.WAITS, How.REFUSED) or bool(asked.site)


def _refusal(status: int, heading: str, words: str, language: str, wait: Throttled | None = None) -> Response:
    response = _answer(status, heading, words, language, ())
    if wait is not None:
        response.headers["retry-after"] = str(wait.seconds)
    return response


def _too_many(wait: Throttled) -> Response:
    return JSONResponse({"error": "throttled"}, status_code=429, headers={"retry-after": str(wait.seconds)})


def _answer(status: int, heading: str, words: str, language: str, found: Sequence[Asked]) -> Response:
    page, style = _drawn()
    rows = [
        {"branch": each.site or phrase("Branch {number}", number=each.location), "ok": each.how is How.CONNECTED}
        | {"number": each.location if each.site else "", "words": answer(each.how, minutes=each.minutes)}
        for each in found
    ]
    text = page.render(language=language, heading=heading, words=words, rows=rows, style=Markup(style))  # noqa: S704 - our own file
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    headers = {
        "content-security-policy": f"default-src 'none'; style-src 'sha256-{hashed}'; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    return HTMLResponse(text, status, headers=headers)


@cache
def _drawn() -> tuple[jinja2.Template, str]:
    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return made.from_string(_PAGE.read_text(encoding="utf-8")), _STYLE.read_text(encoding="utf-8")


def _language(accepted: str) -> str:
    """The first language of a browser's that VetBridge speaks."""
    named = (each.partition(";")[0].strip().lower().partition("-")[0] for each in accepted[:200].split(","))
    return next((each for each in named if each in LANGUAGES), ENGLISH)
