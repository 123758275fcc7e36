"""Signing in and out, and the language of the page."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from vetbridge.desk import staff
from vetbridge.desk.language import phrase, phrases
from vetbridge.desk.staff import LONGEST_NAME
from vetbridge.ledger.staff import folded
from vetbridge.web.address import local
from vetbridge.web.frame import Frame
from vetbridge.web.throttle import Throttled

A_NAME_FROM_A_CALLER, A_CALLER, A_NAME = 5, 20, 50
"""Wrong passwords within a quarter of an hour. Many for a name from everywhere: nobody locks others out lightly."""


def guests(frame: Frame) -> APIRouter:
    """The page for whoever is not signed in."""
    router = frame.guests()

    @router.get("/sign-in")
    def _show(request: Request, next: str = "/") -> Response:  # noqa: A002 - as the address says
        if frame.session(request):
            return RedirectResponse("/", 303)
        return frame.page(request, "sign_in.html", next=local(next), name="", problem="")

    @router.post("/sign-in")
    def _sign_in(request: Request) -> Response:
        form = frame.form(request)
        name, there = form.get("name", "").strip()[: LONGEST_NAME + 1], local(form.get("next", "/"))
        who, where = f"name {folded(name)}", frame.caller(request)
        limits = {f"{who} {where}": A_NAME_FROM_A_CALLER, where: A_CALLER, who: A_NAME}
        try:
            frame.throttle.count(limits)
        except Throttled as throttled:
            minutes = -(-throttled.seconds // 60)
            problem = phrases(
                "That was wrong too often. Wait a minute, then try again.",
                "That was wrong too often. Wait {count} minutes, then try again.",
                minutes,
            )
            refused = frame.page(request, "sign_in.html", status=429, next=there, name=name, problem=problem)
            refused.headers["retry-after"] = str(throttled.seconds)
            return refused
        token = staff.sign_in(frame.ledger, name, form.get("password", ""), hours=frame.pages.session_hours)
        if token is None:
            problem = phrase("Name and password do not go together.")
            return frame.page(request, "sign_in.html", status=403, next=there, name=name, problem=problem)
        frame.throttle.forgive(limits)
        if frame.session(request):
            with frame.ledger.write() as tx:
                staff.sign_out(tx, frame.session(request))
        response = RedirectResponse(there, 303)
        frame.signed_in(response, token)
        return response

    return router


def routes(frame: Frame) -> APIRouter:
    """What whoever is signed in can do with that."""
    router = frame.router()

    @router.post("/sign-out")
    def _sign_out(request: Request) -> Response:
        with frame.ledger.write() as tx:
            staff.sign_out(tx, frame.session(request))
        there = local(frame.form(request).get("next", "/"))
        response = RedirectResponse(frame.sign_in_address(there), 303)
        frame.signed_out(response)
        return response

    @router.post("/language")
    def _language(request: Request) -> Response:
        visitor, form = frame.visitor(request), frame.form(request)
        with frame.ledger.write() as tx:
            staff.choose_language(tx, visitor.name, form.get("language", ""))
        return RedirectResponse(local(form.get("next", "/")), 303)

    return router
