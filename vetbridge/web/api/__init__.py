"""The JSON API: what commands and pages do, for programs of the practice. See docs/api.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Mount

from vetbridge.core.errors import VetBridgeError
from vetbridge.desk.answering import CannotAnswer
from vetbridge.desk.changes import UnknownGroup
from vetbridge.desk.worklist import NoSuchLine
from vetbridge.web.api import answers, audit, changes, finding, replays, review, status, worklist
from vetbridge.web.api.guard import Guard
from vetbridge.web.api.problems import Problem, told
from vetbridge.web.api.shapes import Data, Refused
from vetbridge.web.frame import Frame, Refusal

VERSION = "1"

RESOURCES: tuple[Callable[[Frame], APIRouter], ...] = (
    status.routes,
    review.routes,
    answers.routes,
    finding.routes,
    changes.routes,
    replays.routes,
    worklist.routes,
    audit.routes,
)
"""Every resource's routes."""

_ABOUT = (
    "What people do at the desk, for programs of the practice. Every request bears the token of one of the staff, "
    "and may do what that person's role may. Answers hold personal data: mind where they go. What goes wrong comes "
    "as `application/problem+json`."
)
_TOLD = (
    Refused,
    Refusal,
    CannotAnswer,
    NoSuchLine,
    UnknownGroup,
    RequestValidationError,
    HTTPException,
    VetBridgeError,
)


def mounted(frame: Frame) -> Mount:
    """The API at its place beside the pages."""
    mount = Mount("/api/v1", build(frame), name="api")
    # Also what has a line end in its address: the pages would answer it else.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


def build(frame: Frame) -> FastAPI:
    """The API over a frame."""
    app = FastAPI(
        title="VetBridge",
        version=VERSION,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        default_response_class=Data,
        generate_unique_id_function=lambda route: route.name,
    )
    for routes in RESOURCES:
        app.include_router(routes(frame))
    for kind in (*_TOLD, Exception):
        app.add_exception_handler(kind, told)
    app.add_middleware(Guard, frame=frame)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Adds to the description what routes say only by its name."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        about = plain()
        about["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return about

    app.openapi = described  # type: ignore[method-assign]
