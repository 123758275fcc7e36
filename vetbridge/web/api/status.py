"""How VetBridge does."""

from __future__ import annotations

from fastapi import APIRouter

from vetbridge.daemon.lock import running
from vetbridge.desk import status as desk
from vetbridge.web.api.guard import Reader
from vetbridge.web.api.problems import documented
from vetbridge.web.api.shapes import Data, shape
from vetbridge.web.frame import Frame


def routes(frame: Frame) -> APIRouter:
    """``GET /status``."""
    router = APIRouter(tags=["status"])

    @router.get("/status", response_model=shape(desk.Status), responses=documented())
    def show_status(_visitor: Reader) -> Data:
        """How VetBridge does: accounts, changes by state, open questions, the last write. Takes the role `reader`."""
        pid = running(frame.config.ledger.place)
        with frame.ledger.read() as tx:
            return Data(desk.status(tx, frame.config, pid))

    return router
