"""The page for reception and support, and the JSON API beside it: one application, put together from its modules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from vetbridge.config.models import Pages
from vetbridge.daemon.assembly import Program
from vetbridge.web import api, audit, failures, find, history, review, sign_in, today, worklist
from vetbridge.web.frame import Frame
from vetbridge.web.shield import Shield

PAGES: tuple[Callable[[Frame], APIRouter], ...] = (
    sign_in.guests,
    sign_in.routes,
    today.routes,
    review.routes,
    failures.routes,
    worklist.routes,
    find.routes,
    history.routes,
    audit.routes,
)
"""Every page module's routes."""

_KINDS = {"css": "text/css; charset=utf-8", "svg": "image/svg+xml"}


def build(
    program: Program,
    pages: Pages,
    *,
    wake: Callable[[], None],
    health: Callable[[], Mapping[str, Any]],
) -> ASGIApp:
    """The page of one program. ``wake`` tells the dispatcher that something may be due.

    Raises ``ConfigError`` where the certificate of ``pages`` cannot be read.
    """
    return application(Frame(program, pages=pages, wake=wake, health=health))


def application(frame: Frame) -> ASGIApp:
    """The page over a frame."""
    app = FastAPI(title="VetBridge", docs_url=None, redoc_url=None, openapi_url=None)
    for routes in PAGES:
        app.include_router(routes(frame))
    files = {frame.asset(name): (name, content) for name, content in frame.assets.items()}

    @app.get("/assets/{name}", include_in_schema=False)
    def _asset(request: Request) -> Response:
        known = files.get(request.url.path)
        if known is None:
            raise HTTPException(404)
        name, content = known
        # Its name changes with its content: it may be kept for ever.
        keep = {"cache-control": "public, max-age=31536000, immutable", "etag": f'"{_digest(content)}"'}
        return Response(content, media_type=_KINDS[name.rpartition(".")[2]], headers=keep)

    app.router.routes.append(api.mounted(frame))
    app.add_exception_handler(HTTPException, frame.failed)
    app.add_exception_handler(Exception, frame.failed)
    return Shield(app, frame.pages)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
