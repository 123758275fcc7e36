"""A page module of a test: what the frame does for every page."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, Request, Response
from starlette.routing import Mount

from tests.unit.web.served import Served
from vetbridge.core.errors import LedgerError
from vetbridge.core.roles import Role
from vetbridge.desk.language import phrase, spoken
from vetbridge.ledger import audit
from vetbridge.ledger.database import LEDGER_BUSY
from vetbridge.web import pages, sign_in
from vetbridge.web.frame import Frame, Number, Refusal, Undo

SECRET = "Mrs Weiss' note"
HOSTILE = "<script>alert(1)</script>"


class Trial:
    """The routes, and what they were sent."""

    def __init__(self) -> None:
        self.taken: list[dict[str, str]] = []
        self.languages: list[str] = []

    def routes(self, frame: Frame) -> APIRouter:
        router = frame.router()

        def shown(request: Request, words: str) -> Response:
            return frame.page(request, "refusal.html", refusal=Refusal(200, words, words))

        @router.get("/trial")
        def _show(request: Request) -> Response:
            self.languages.append(spoken())
            return shown(request, phrase("Not now"))

        @router.get("/trial/{number}")
        def _one(request: Request, number: Number) -> Response:
            if number > 1:
                raise Refusal(404, "Gone", f"There is no {number}", back="/trial", link="Look at those there are")
            return shown(request, HOSTILE)

        @router.post("/trial")
        def _act(request: Request) -> Response:
            visitor = frame.require(request, Role.SUPPORT)
            self.taken.append(dict(frame.form(request)))
            undo = Undo("/trial/undo", {"item": '7" onload="x'}, "Take it back")
            return frame.after(request, "/trial", done=f"Done by {visitor.name}: {HOSTILE}", undo=undo)

        @router.post("/trial/long")
        def _long(request: Request) -> Response:
            return frame.after(request, "/trial", done="ü" * 5000, undo=Undo("/trial/undo"))

        @router.get("/trial-broken")
        def _break(request: Request) -> Response:
            raise RuntimeError(SECRET)

        @router.get("/trial-busy")
        def _busy(request: Request) -> Response:
            raise LedgerError("locked", code=LEDGER_BUSY)

        return router


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The frame with its own pages alone: to build all the others takes longer than most of its tests."""
    monkeypatch.setattr(pages, "PAGES", (sign_in.guests, sign_in.routes))
    monkeypatch.setattr(pages.api, "mounted", lambda frame: Mount("/api/v1", routes=[]))


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch, alone: None) -> Trial:
    made = Trial()
    monkeypatch.setattr(pages, "PAGES", (*pages.PAGES, made.routes))
    return made


def acts(served: Served, **fits: Any) -> list[tuple[str, str]]:
    """Who has done what, the oldest first."""

    with served.ledger.read() as tx:
        return [(row.by, row.act) for row in reversed(audit.entries(tx, **fits))]
