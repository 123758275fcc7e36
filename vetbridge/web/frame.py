"""The frame of every page: who asks, may they, is their form ours, and what it is drawn in.

A page module is a function ``routes(frame) -> APIRouter`` over ``frame.router()``. Whatever such a router serves is
guarded before its own code runs: somebody is signed in, a form is ours and new, the visitor's language is spoken.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import jinja2
import structlog
from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException

from vetbridge.config.models import Config, Pages, Site
from vetbridge.connector.clock import Clock
from vetbridge.core.errors import LedgerError, VetBridgeError
from vetbridge.core.roles import Role
from vetbridge.daemon.assembly import Program
from vetbridge.desk import staff
from vetbridge.desk.language import LANGUAGES, moment, phrase, phrases, speaking
from vetbridge.desk.staff import Visitor
from vetbridge.ledger.database import LEDGER_BUSY, Ledger
from vetbridge.web import forms, shield
from vetbridge.web.address import local
from vetbridge.web.forms import Form, Judged
from vetbridge.web.throttle import Throttle, caller

log = structlog.get_logger("vetbridge.web")

__all__ = ["Form", "Frame", "Number", "Refusal", "Undo", "Visitor"]

Number = Annotated[int, PathParameter(ge=1, lt=2**63)]
"""The number of a row in an address."""

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = Path(__file__).parent / "assets"

TOKENS_A_CALLER = 20
"""Wrong tokens for the API from one caller within a quarter of an hour."""

_SESSION, _GUEST, _DONE = "vetbridge-session", "vetbridge-guest", "vetbridge-done"
"""Cookies: who is signed in; to whom a sign-in form was shown; what has just been done."""

_DONE_LONGEST = 500
"""Characters that the yellow bar says."""
_DONE_SECONDS = 600
_COOKIE_LONGEST = 3800
"""Bytes: browsers keep 4096, name and all."""

_URLENCODED = "application/x-www-form-urlencoded"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Undo:
    """A form in the yellow bar, which takes back what was just done."""

    action: str
    """The path it is sent to."""
    fields: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    """Of its button; empty: Undo."""


@cache
def _templates() -> jinja2.Environment:
    """Of the whole process: to compile every template takes longer than to draw a hundred pages."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update({"_": phrase, "phrases": phrases, "moment": moment, "languages": dict(LANGUAGES)})
    return made


class Refusal(Exception):
    """An answer in words instead of a page: what is asked for is gone, taken, not allowed."""

    def __init__(self, status: int, heading: str, words: str, *, back: str = "/", link: str = "") -> None:
        super().__init__(heading)
        self.status = status
        self.heading = heading
        self.words = words
        self.back = back
        self.link = link
        """Words of the link to ``back``; empty: those of the first page."""


@dataclass(slots=True)
class Visit:
    """One request: who asks, and by what."""

    visitor: Visitor | None
    token: str
    """Of the session; empty: nobody is signed in."""
    guest: str
    """Of whoever is not signed in yet."""
    language: str
    form: Form = field(default_factory=lambda: Form([]))
    guest_is_new: bool = False


class Frame:
    """What page modules build on. ``wake`` tells the dispatcher that something may be due."""

    def __init__(
        self,
        program: Program,
        *,
        pages: Pages,
        wake: Callable[[], None],
        health: Callable[[], Mapping[str, Any]],
    ) -> None:
        self.program = program
        self.pages = pages
        self.ledger: Ledger = program.ledger
        self.config: Config = program.loaded.config
        self.sites: Mapping[str, Site] = program.loaded.config.sites
        self.clock: Clock = program.clock
        self.wake = wake
        self.health = health
        self.throttle = Throttle(program.clock)
        self.assets = {path.name: path.read_bytes() for path in sorted(ASSETS.iterdir()) if path.is_file()}
        self._secure = shield.is_secure(pages)

    # -- for page modules

    def router(self) -> APIRouter:
        """A router whose every route is for those who are signed in."""
        return self._router(self._guarded)

    def visitor(self, request: Request) -> Visitor:
        """Whoever is signed in."""
        visitor = self._visit(request).visitor
        assert visitor is not None  # noqa: S101 - a guarded route
        return visitor

    def require(self, request: Request, role: Role) -> Visitor:
        """The same, who may do what takes a role. Raises ``Refusal``."""
        visitor = self.visitor(request)
        if not visitor.may(role):
            raise Refusal(
                403,
                phrase("You may not do this"),
                phrase("Somebody with the role {role} can. Nothing was done.", role=role),
            )
        return visitor

    def form(self, request: Request) -> Form:
        """What was sent. It is from our own page, and new: that was seen to already."""
        return self._visit(request).form

    def page(self, request: Request, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
        """A page, drawn for whoever asks."""
        visit = self._visit(request)
        done = self._done(request, visit)
        with speaking(visit.language):
            text = (
                _templates().get_template(template).render(**{**self._common(request, visit), "done": done, **values})
            )
        response = HTMLResponse(text, status)
        if _DONE in _bare(request.cookies, self._prefix):
            self._drop(response, _DONE)
        if visit.guest_is_new:
            self._set(response, _GUEST, visit.guest)
        return response

    def after(self, request: Request, url: str, *, done: str = "", undo: Undo | None = None) -> Response:
        """Goes to one of our pages; it says once what was done, and offers to take it back."""
        response = RedirectResponse(local(url), 303)
        if done:
            for length in (_DONE_LONGEST, 150):
                kept = [self._binding(self._visit(request)), done[:length], None]
                if undo is not None:
                    kept[2] = [undo.action, dict(undo.fields), undo.label]  # type: ignore[call-overload]
                sealed = base64.urlsafe_b64encode(self.ledger.sealer.seal(kept)).decode()
                if len(sealed) <= _COOKIE_LONGEST:
                    self._set(response, _DONE, sealed, seconds=_DONE_SECONDS)
                    break
        return response

    def bearer(self, request: Request) -> Visitor:
        """Whose token for the API a request bears. Raises ``staff.NoToken`` and ``Throttled``."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise staff.NoToken
        limits = {f"token {self.caller(request)}": TOKENS_A_CALLER}
        self.throttle.count(limits)
        visitor = staff.by_token(self.ledger, token.strip())
        if visitor is None:
            raise staff.NoToken
        self.throttle.forgive(limits)
        return visitor

    # -- for the frame's own pages

    def guests(self) -> APIRouter:
        """A router for whoever is not signed in yet. Its forms are seen to all the same."""
        return self._router(self._welcomed)

    def caller(self, request: Request) -> str:
        """From where a request comes."""
        return caller(request.client.host if request.client else None)

    def session(self, request: Request) -> str:
        """What proves who is signed in; empty where nobody is."""
        return self._visit(request).token

    def signed_in(self, response: Response, token: str) -> None:
        """From now on the browser bears a session."""
        self._set(response, _SESSION, token)
        self._drop(response, _GUEST)

    def signed_out(self, response: Response) -> None:
        """From now on it bears none."""
        self._drop(response, _SESSION)
        self._drop(response, _DONE)

    def sign_in_address(self, there: str) -> str:
        """The page to sign in at, which leads to one of ours."""
        return "/sign-in?" + urlencode({"next": local(there)})

    def asset(self, name: str) -> str:
        """The address of a file that comes with the page: another one as soon as the file is another one."""
        stem, dot, kind = name.partition(".")
        return f"/assets/{stem}-{hashlib.sha256(self.assets[name]).hexdigest()[:12]}{dot}{kind}"

    def refused(self, request: Request, refusal: Refusal) -> HTMLResponse:
        """The page that says what is wrong."""
        return self.page(request, "refusal.html", status=refusal.status, refusal=refusal)

    def failed(self, request: Request, error: Exception) -> HTMLResponse:
        """The page for what went wrong."""
        reference = shield.reference(request.scope)
        if isinstance(error, VetBridgeError):
            log.error("page.failed", code=error.code, reference=reference)
        try:
            self._visit(request)
        except VetBridgeError:
            # The ledger is what went wrong: the page says so to whoever it is.
            request.state.visit = Visit(visitor=None, token="", guest="", language=self.pages.language)
        with speaking(self._visit(request).language):
            return self.refused(request, _in_words(error, reference))

    # -- the guard

    def _router(self, guard: Callable[[Request, Handler], Awaitable[Response]]) -> APIRouter:
        class Guarded(APIRoute):
            def get_route_handler(self) -> Handler:
                handler = super().get_route_handler()

                async def guarded(request: Request) -> Response:
                    return await guard(request, handler)

                return guarded

        return APIRouter(route_class=Guarded, include_in_schema=False)

    async def _guarded(self, request: Request, handler: Handler) -> Response:
        visit = await run_in_threadpool(self._visit, request)
        if visit.visitor is not None:
            return await self._welcomed(request, handler)
        if request.method == "GET":
            there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(self.sign_in_address(there), 303)
        with speaking(visit.language):
            refusal = Refusal(
                403,
                phrase("You are signed out"),
                phrase("What you sent was not carried out. Sign in, and send it again."),
                back="/sign-in",
                link=phrase("Sign in"),
            )
            return await run_in_threadpool(self.refused, request, refusal)

    async def _welcomed(self, request: Request, handler: Handler) -> Response:
        """Takes a request; inside, the visitor's language is spoken, also in the thread of a synchronous route."""
        visit = await run_in_threadpool(self._visit, request)
        with speaking(visit.language):
            try:
                if request.method == "POST":
                    body = b"".join([chunk async for chunk in request.stream()])
                    visit.form = await run_in_threadpool(self._taken, request, body)
                return await handler(request)
            except (Refusal, VetBridgeError, RequestValidationError, HTTPException) as error:
                return await run_in_threadpool(self.failed, request, error)

    def _taken(self, request: Request, body: bytes) -> Form:
        """A form that is ours, and new. Raises ``Refusal``."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _URLENCODED:
            raise Refusal(415, phrase("This form cannot be read"), phrase("Nothing was done."))
        try:
            form = forms.parsed(body)
        except ValueError:
            raise Refusal(400, phrase("This form cannot be read"), phrase("Nothing was done.")) from None
        judged = Judged.FORGED
        if self._from_here(request):
            lasts = timedelta(hours=self.pages.session_hours)
            judged = forms.used_up(
                self.ledger, self._binding(self._visit(request)), form.get(forms.FIELD, ""), lasts=lasts
            )
        if judged is Judged.FORGED:
            raise Refusal(
                403,
                phrase("This form is not taken"),
                phrase(
                    "It does not come from this page, or the page was opened before you signed in. Nothing was done. "
                    "Open the page anew, and send it again."
                ),
            )
        if judged is Judged.USED:
            raise Refusal(
                409,
                phrase("This was sent already"),
                phrase("It is carried out once. Open the page anew to see what came of it."),
            )
        return form

    def _from_here(self, request: Request) -> bool:
        """Whether a form comes from our own page, as far as the browser says."""
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = request.headers.get("origin")
        if origin is None:
            return True
        try:
            given = urlsplit(origin)
        except ValueError:
            return False
        scheme = "https" if self._secure else "http"
        return (given.scheme, given.netloc) == (scheme, request.headers.get("host", ""))

    # -- one request

    def _visit(self, request: Request) -> Visit:
        known = getattr(request.state, "visit", None)
        if isinstance(known, Visit):
            return known
        cookies = _bare(request.cookies, self._prefix)
        token = cookies.get(_SESSION, "")
        visitor = staff.by_session(self.ledger, token) if token else None
        language = visitor.language if visitor is not None else request.query_params.get("language", "")
        visit = Visit(
            visitor=visitor,
            token=token if visitor is not None else "",
            guest=cookies.get(_GUEST, ""),
            language=language if language in LANGUAGES else self.pages.language,
        )
        request.state.visit = visit
        return visit

    def _binding(self, visit: Visit) -> str:
        """What a form is bound to."""
        return f"session {visit.token}" if visit.visitor is not None else f"guest {visit.guest}"

    def _common(self, request: Request, visit: Visit) -> dict[str, object]:
        """What every template knows."""

        def form_token() -> Markup:
            if visit.visitor is None and not visit.guest:
                visit.guest = secrets.token_urlsafe(32)
                visit.guest_is_new = True
            made = forms.token(self.ledger.sealer, self._binding(visit), self.clock.now())
            return Markup('<input type="hidden" name="{}" value="{}">').format(forms.FIELD, escape(made))

        query = f"?{request.url.query}" if request.url.query else ""
        return {
            "visitor": visit.visitor,
            "may": lambda role: visit.visitor is not None and visit.visitor.may(Role(role)),
            "form_token": form_token,
            "here": request.url.path,
            "return_to": local(request.url.path + query) if request.method == "GET" else "/",
            "language": visit.language,
            "title": next(iter(self.sites.values())).name if len(self.sites) == 1 else "VetBridge",
            "config": self.config,
            "asset": self.asset,
        }

    def _done(self, request: Request, visit: Visit) -> tuple[str, Undo | None] | None:
        """What the last request has done, as its cookie says; None where there is none of this session."""
        sealed = _bare(request.cookies, self._prefix).get(_DONE, "")
        if not sealed or visit.visitor is None:
            return None
        try:
            binding, words, undo = self.ledger.sealer.open(base64.urlsafe_b64decode(sealed.encode()))
        except (LedgerError, ValueError):
            return None
        if binding != self._binding(visit):
            return None
        return words, None if undo is None else Undo(*undo)

    @property
    def _prefix(self) -> str:
        return "__Host-" if self._secure else ""

    def _set(self, response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
        response.set_cookie(
            self._prefix + name,
            value,
            max_age=seconds,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def _drop(self, response: Response, name: str) -> None:
        response.delete_cookie(self._prefix + name, path="/", secure=self._secure, httponly=True, samesite="lax")


def _bare(cookies: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The cookies by their own names. Without the prefix where it is due they were set by somebody else."""
    return {name.removeprefix(prefix): value for name, value in cookies.items() if name.startswith(prefix)}


def _in_words(error: Exception, reference: str) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, LedgerError) and error.code == LEDGER_BUSY:
        return Refusal(503, phrase("VetBridge is busy"), phrase("Wait a moment, open the page anew, and try again."))
    if isinstance(error, RequestValidationError) or (isinstance(error, HTTPException) and error.status_code == 404):
        return Refusal(404, phrase("There is no such page"), phrase("What you look for is gone, or never was here."))
    if isinstance(error, HTTPException) and error.status_code == 413:
        return Refusal(413, phrase("This is too much"), phrase("What you sent is too long. Nothing was done."))
    if isinstance(error, HTTPException) and error.status_code < 500:
        return Refusal(error.status_code, phrase("This cannot be done here"), phrase("Nothing was done."))
    return Refusal(
        500,
        phrase("Something went wrong"),
        phrase(
            "It is not certain whether it was carried out: look before you try again. Tell support this number: "
            "{reference}.",
            reference=reference,
        ),
    )
