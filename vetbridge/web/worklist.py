"""The page of the work list: what is to be done by hand, to tick off on the screen or on paper."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from vetbridge.core.roles import Role
from vetbridge.desk import worklist
from vetbridge.desk.language import moment, phrase
from vetbridge.desk.worklist import Line, NoSuchLine
from vetbridge.ledger import audit
from vetbridge.web import showing
from vetbridge.web.frame import Frame, Number, Refusal

MOST = 200
"""Lines of the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line, as the page shows it."""

    line: Line
    when: str
    words: str


def routes(frame: Frame) -> APIRouter:
    """The routes of this page."""
    router = frame.router()

    @router.get("/worklist")
    def _list(request: Request, site: str = "") -> Response:
        frame.require(request, Role.READER)
        if site and site not in frame.sites:
            raise Refusal(
                404, phrase("No such site"), phrase("The config names no site of this name."), back="/worklist"
            )
        with frame.ledger.read() as tx:
            lines = worklist.lines(tx, frame.sites, site=site or None)
        return frame.page(
            request,
            "worklist.html",
            rows=[_row(each) for each in lines[:MOST]],
            left_out=max(0, len(lines) - MOST),
            site=site,
            sites=sorted(frame.sites),
        )

    @router.post("/worklist/{number}/done")
    def _done(request: Request, number: Number) -> Response:
        visitor = frame.require(request, Role.RECEPTION)
        try:
            with frame.ledger.write() as tx:
                line = worklist.done(tx, frame.sites, number, by=visitor.name, via=audit.PAGE)
        except NoSuchLine as missing:
            status = 404 if missing.code == "unknown-line" else 409
            raise Refusal(
                status,
                phrase("Nobody has to do this any more"),
                showing.sentence(f"{missing.message}."),
                back="/worklist",
                link=phrase("To the work list"),
            ) from None
        frame.wake()
        words = phrase(
            "Line {number} is done: VetBridge looks at the PIMS, and the line goes when it is so there.",
            number=number,
        )
        if worklist.is_believed(line):
            words = phrase("Line {number} is done, because you say so: the PIMS cannot be asked.", number=number)
        return frame.after(request, "/worklist", done=words)

    return router


def _row(line: Line) -> Row:
    return Row(
        line=line,
        when="" if line.visit_at is None else moment(line.visit_at),
        words=showing.text(line.words, 2 * showing.LONGEST_TEXT),
    )
