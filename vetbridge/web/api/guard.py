"""Who may use the API: whoever bears a token. A browser's cookie opens nothing here, so no foreign page can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from vetbridge.core.errors import VetBridgeError
from vetbridge.core.roles import Role
from vetbridge.desk import staff
from vetbridge.web.api.problems import problem, told
from vetbridge.web.api.shapes import Refused
from vetbridge.web.frame import Frame, Visitor
from vetbridge.web.throttle import Throttled

_BEARER = HTTPBearer(auto_error=False, description="A token of one of the staff: `vetbridge staff token NAME`.")


class Guard:
    """Stands before every address of the API: who bears no token learns nothing, not even what there is."""

    def __init__(self, app: ASGIApp, frame: Frame) -> None:
        self._app = app
        self._frame = frame

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one request."""
        request = Request(scope)
        answer: ASGIApp
        try:
            request.state.bearer = await run_in_threadpool(self._frame.bearer, request)
        except staff.NoToken:
            answer = problem(
                401,
                "no-token",
                "the request bears no token, or one that nobody has",
                "Send `Authorization: Bearer TOKEN`; `vetbridge staff token NAME` makes one.",
                headers={"WWW-Authenticate": 'Bearer realm="VetBridge"'},
            )
        except Throttled as wait:
            answer = problem(
                429,
                "throttled",
                f"too many wrong tokens came from there: wait {wait.seconds} seconds",
                headers={"Retry-After": str(wait.seconds)},
            )
        except VetBridgeError as error:
            answer = told(request, error)
        else:
            answer = self._app if _is_json(request) else problem(415, "no-json", "a body is application/json")
        await answer(scope, receive, send)


def _is_json(request: Request) -> bool:
    """Whether what is sent is said to be JSON; also where nothing is sent."""
    headers = request.headers
    sent = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    return not sent or headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _needs(role: Role) -> Callable[..., Visitor]:
    def bearer(
        request: Request, _token: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None
    ) -> Visitor:
        visitor: Visitor = request.state.bearer
        if not visitor.may(role):
            raise Refused(403, "role", f"this takes the role {role}, and you have the role {visitor.role}")
        return visitor

    return bearer


Reader = Annotated[Visitor, Depends(_needs(Role.READER))]
Receptionist = Annotated[Visitor, Depends(_needs(Role.RECEPTION))]
Supporter = Annotated[Visitor, Depends(_needs(Role.SUPPORT))]
Admin = Annotated[Visitor, Depends(_needs(Role.ADMIN))]
