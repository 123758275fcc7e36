"""The pages of the work list: what is to be done by hand, to tick off on the screen or on paper, and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from vetbridge.core.roles import Role
from vetbridge.desk import work_table, worklist
from vetbridge.desk.language import day, moment, phrase
from vetbridge.desk.worklist import DONE, OPEN, STRUCK, TYPED, Line, NoSuchLine
from vetbridge.ledger import access, audit
from vetbridge.web import showing
from vetbridge.web.frame import Frame, Number, Refusal, Undo

MOST = 200
"""Lines of the page."""
MOST_PRINTED = 1000
"""Lines of the page to print."""

_STATES = (OPEN, DONE)
"""By which the page can be narrowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line, as the page shows it."""

    line: Line
    when: str
    words: str
    """What is to be done in a sentence, where there are no fields to type."""
    since: str
    changed: str
    """When it came to ask for something else; empty where it did not."""
    ticked: str
    """When somebody ticked it."""
    candidates: tuple[str, ...]


def routes(frame: Frame) -> APIRouter:
    """The routes of these pages."""
    router = frame.router()
    _looking(frame, router)
    _ticking(frame, router)
    return router


def _looking(frame: Frame, router: APIRouter) -> None:
    """The list, the page to print, and the table."""

    @router.get("/worklist")
    def _list(request: Request, site: str = "", state: str = "") -> Response:
        visitor = frame.require(request, Role.READER)
        _must_know(frame, site)
        state = state if state in _STATES else ""
        with frame.ledger.read() as tx:
            lines = worklist.lines(tx, frame.config, site=site or None, state=state or None, struck=True)
        standing = [each for each in lines if each.state != STRUCK]
        struck = [each for each in lines if each.state == STRUCK]
        _note(frame, (*standing[:MOST], *struck[:MOST]), visitor.name)
        return frame.page(
            request,
            "worklist.html",
            rows=[_row(each) for each in standing[:MOST]],
            struck=[_row(each) for each in struck[:MOST]],
            left_out=max(0, len(standing) - MOST),
            overdue=sum(each.overdue for each in standing),
            site=site,
            state=state,
            sites=sorted(frame.sites),
            narrowed=urlencode({"site": site}) if site else "",
        )

    @router.get("/worklist/print")
    def _print(request: Request, site: str = "") -> Response:
        visitor = frame.require(request, Role.READER)
        _must_know(frame, site)
        with frame.ledger.read() as tx:
            lines = worklist.lines(tx, frame.config, site=site or None, state=OPEN)
            now = tx.now
        lines, left_out = lines[:MOST_PRINTED], len(lines[MOST_PRINTED:])
        _note(frame, lines, visitor.name)
        at = now.astimezone(ZoneInfo(frame.sites[site or min(frame.sites)].zone))
        return frame.page(
            request,
            "worklist_print.html",
            titles=work_table.print_titles(),
            rows=work_table.print_rows(lines),
            left_out=left_out,
            site=site,
            name=frame.sites[site].name if site else "",
            printed=f"{day(at.date())} {at:%H:%M}",
            by=visitor.name,
        )

    @router.get("/worklist/table.csv")
    def _table(request: Request, site: str = "") -> Response:
        visitor = frame.require(request, Role.RECEPTION)
        _must_know(frame, site)
        with frame.ledger.read() as tx:
            lines = worklist.lines(tx, frame.config, site=site or None)
        _note(frame, lines, visitor.name)
        return Response(
            work_table.as_csv(lines),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": 'attachment; filename="worklist.csv"'},
        )


def _ticking(frame: Frame, router: APIRouter) -> None:
    """Ticks, and ticks that are taken back."""

    @router.post("/worklist/{number}/done")
    def _done(request: Request, number: Number) -> Response:
        visitor = frame.require(request, Role.RECEPTION)
        try:
            with frame.ledger.write() as tx:
                line = worklist.done(tx, frame.config, number, by=visitor.name, via=audit.PAGE)
        except NoSuchLine as missing:
            raise _gone(missing) from None
        frame.wake()
        if worklist.is_believed(line):
            words = phrase("Line {number} is done, because you say so: the PIMS cannot be asked.", number=number)
            return frame.after(request, _address(_kept(frame, request)), done=words)
        words = phrase(
            "Line {number} is ticked: VetBridge looks at the PIMS, and the line goes when it is so there.",
            number=number,
        )
        kept = _kept(frame, request)
        return frame.after(request, _address(kept), done=words, undo=Undo(f"/worklist/{number}/undone", kept))

    @router.post("/worklist/{number}/undone")
    def _undone(request: Request, number: Number) -> Response:
        visitor = frame.require(request, Role.RECEPTION)
        try:
            with frame.ledger.write() as tx:
                worklist.undone(tx, frame.config, number, by=visitor.name, via=audit.PAGE)
        except NoSuchLine as missing:
            raise _gone(missing) from None
        words = phrase("Line {number} is open again.", number=number)
        return frame.after(request, _address(_kept(frame, request)), done=words)


def _must_know(frame: Frame, site: str) -> None:
    if site and site not in frame.sites:
        raise Refusal(404, phrase("No such site"), phrase("The config names no site of this name."), back="/worklist")


def _note(frame: Frame, lines: Iterable[Line], by: str) -> None:
    """Somebody looks at what is asked for of these owners."""
    access.note_found(frame.ledger, [each.record_id for each in lines], by=by, via=audit.PAGE)


def _kept(frame: Frame, request: Request) -> dict[str, str]:
    """By what the list was narrowed when somebody ticked."""
    form, known = frame.form(request), {"site": frame.sites, "state": _STATES}
    return {name: form.get(name, "") for name, values in known.items() if form.get(name, "") in values}


def _address(kept: Mapping[str, str]) -> str:
    return f"/worklist?{urlencode(kept)}" if kept else "/worklist"


def _gone(missing: NoSuchLine) -> Refusal:
    status = 404 if missing.code == "unknown-line" else 409
    return Refusal(
        status,
        phrase("Nobody has to do this any more"),
        showing.sentence(f"{missing.message}."),
        back="/worklist",
        link=phrase("To the work list"),
    )


def _row(line: Line) -> Row:
    marked = line.changed_at is not None and any(step.is_changed for step in line.steps)
    at = line.found_at or line.visit_at
    return Row(
        line=line,
        when="" if at is None else moment(at),
        words="" if line.task in TYPED and line.steps else showing.text(line.words, 2 * showing.LONGEST_TEXT),
        since=moment(line.opened_at),
        changed=moment(line.changed_at) if marked and line.changed_at is not None else "",
        ticked="" if line.done_at is None else moment(line.done_at),
        candidates=tuple(map(work_table.candidate_words, line.candidates)),
    )
