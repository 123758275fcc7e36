"""The work list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from vetbridge.desk import worklist
from vetbridge.desk.worklist import Line
from vetbridge.ledger import access, audit
from vetbridge.web.api.guard import Reader, Receptionist
from vetbridge.web.api.known import must_know
from vetbridge.web.api.problems import documented
from vetbridge.web.api.shapes import After, Body, Data, Limit, Nothing, Text, behind, page, shape
from vetbridge.web.frame import Frame, Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A page of lines: what is overdue first, then the soonest visit."""

    lines: tuple[Line, ...]
    next: int | None


class Asked(Body):
    """Which of them."""

    site: Text | Nothing = None
    state: Literal["open", "done"] | Nothing = None
    struck: bool = False
    """Also lines that came to be no longer wanted today; they come last."""
    after: After = None
    limit: Limit = 50


def routes(frame: Frame) -> APIRouter:
    """``GET /worklist``, ``POST /worklist/{number}/done``, ``POST /worklist/{number}/undone``."""
    router = APIRouter(tags=["work list"])

    @router.get("/worklist", response_model=shape(Lines), responses=documented(404, 409))
    def list_lines(visitor: Reader, asked: Annotated[Asked, Query()]) -> Data:
        """What is to be done by hand: what is overdue first, then the soonest visit. Takes the role `reader`."""
        with frame.ledger.read() as tx:
            must_know(tx, frame.config, site=asked.site)
            found = worklist.lines(tx, frame.config, site=asked.site, state=asked.state, struck=asked.struck)
        shown, after = page(behind(found, asked.after), asked.limit)
        access.note_found(frame.ledger, [each.record_id for each in shown], by=visitor.name, via=audit.API)
        return Data(Lines(lines=tuple(shown), next=after))

    @router.post("/worklist/{number}/done", response_model=shape(Line), responses=documented(404, 409))
    def finish_line(visitor: Receptionist, number: Number) -> Data:
        """Somebody says that a line is done: VetBridge reads the record, and the line goes when it is so there.

        A line that is ticked already stays so. Takes the role `reception`.
        """
        with frame.ledger.write() as tx:
            done = worklist.done(tx, frame.config, number, by=visitor.name, via=audit.API)
        frame.wake()
        return Data(done)

    @router.post("/worklist/{number}/undone", response_model=shape(Line), responses=documented(404, 409))
    def reopen_line(visitor: Receptionist, number: Number) -> Data:
        """Somebody says that a line is not done after all: it is open again. Takes the role `reception`."""
        with frame.ledger.write() as tx:
            return Data(worklist.undone(tx, frame.config, number, by=visitor.name, via=audit.API))

    return router
