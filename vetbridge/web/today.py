"""The first page: a traffic light per site."""

from __future__ import annotations

import os

from fastapi import APIRouter, Request, Response

from vetbridge.core.roles import Role
from vetbridge.desk import today
from vetbridge.desk.status import status
from vetbridge.web.frame import Frame

MOST = 100
"""Sites that are shown one by one; a chain has thousands."""
FEW = 12
"""So many sites that are well are shown like the others; more are only counted, and named below."""


def routes(frame: Frame) -> APIRouter:
    """The route of this page."""
    router = frame.router()

    @router.get("/")
    def _today(request: Request) -> Response:
        frame.require(request, Role.READER)
        with frame.ledger.read() as tx:
            # Whoever serves this page is the VetBridge that runs.
            seen = status(tx, frame.config, os.getpid())
            found = today.today(seen, frame.sites)
        few = len(found.good) <= FEW
        return frame.page(
            request,
            "today.html",
            shown=[*found.sites[:MOST], *(found.good if few else ())],
            left_out=max(0, len(found.sites) - MOST),
            good=() if few else found.good,
            ended=found.ended,
            by_hand=sum(each.by_hand.count for each in seen.sites),
        )

    return router
