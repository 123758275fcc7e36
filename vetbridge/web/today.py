"""The first page: a traffic light per site."""

from __future__ import annotations

import os

from fastapi import APIRouter, Request, Response

from vetbridge.core.roles import Role
from vetbridge.desk import today
from vetbridge.desk.status import status
from vetbridge.ledger import reports, worklist
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.reports import Filter
from vetbridge.ledger.tables import ChangeState
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
            failed = [site.name for site in seen.sites if site.changes["failed"].count]
            found = today.today(seen, frame.sites, {name: _unacknowledged(tx, name) for name in failed})
            by_hand = len(worklist.lines(tx))
        few = len(found.good) <= FEW
        return frame.page(
            request,
            "today.html",
            shown=[*found.sites[:MOST], *(found.good if few else ())],
            left_out=max(0, len(found.sites) - MOST),
            good=() if few else found.good,
            ended=found.ended,
            by_hand=by_hand,
        )

    return router


def _unacknowledged(tx: Transaction, site: str) -> int:
    return reports.count_changes(tx, Filter(states=[ChangeState.FAILED], site=site, unacknowledged=True))
