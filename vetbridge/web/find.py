"""The page that answers: is it in?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from fastapi import APIRouter, Request, Response

from vetbridge.core.roles import Role
from vetbridge.desk import find
from vetbridge.desk.find import FoundVisit
from vetbridge.desk.language import moment, phrase
from vetbridge.ledger import access, audit
from vetbridge.web import showing
from vetbridge.web.frame import Frame

LONGEST = 200
"""Characters of what is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One visit, as the page shows it."""

    visit: FoundVisit
    light: str
    when: str
    what: str
    contacts: str


_LIGHTS = {find.IN: "good", find.CANCELLED: "good", find.FAILED: "bad"}
"""By how a visit stands; else somebody should look, or it passes by itself."""
_WORDS = {
    find.IN: "It is in",
    find.WITHOUT_OWNER: "In, without its owner",
    find.ASKED: "Waits for an answer",
    find.FAILED: "Failed",
    find.ON_ITS_WAY: "On its way",
    find.CANCELLED: "Cancelled",
    find.SKIPPED: "Not carried over",
    find.PIMS_ALONE: "In the PIMS alone",
}


def routes(frame: Frame) -> APIRouter:
    """The route of this page."""
    router = frame.router()

    @router.get("/find")
    def _find(request: Request, q: str = "", day: str = "") -> Response:
        visitor = frame.require(request, Role.READER)
        text = showing.text(q, LONGEST)
        on = _day(day)
        with frame.ledger.read() as tx:
            found = find.find(tx, frame.sites, text, day=on)
        access.note_found(frame.ledger, [each.record_id for each in found.visits], by=visitor.name, via=audit.PAGE)
        problem = phrase("This day cannot be read: give it as 2026-11-24.") if day.strip() and on is None else ""
        return frame.page(
            request,
            "find.html",
            text=text,
            day="" if on is None else on.isoformat(),
            asked=bool(text) or on is not None,
            problem=problem,
            cards=[_card(each) for each in found.visits],
            words={code: phrase(words) for code, words in _WORDS.items()},
            more=found.more,
        )

    return router


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return None


def _card(visit: FoundVisit) -> Card:
    said = (visit.appointment_type_title, visit.resource_title)
    return Card(
        visit=visit,
        light=_LIGHTS.get(visit.state, "look"),
        when=phrase("No time known") if visit.start is None else moment(visit.start),
        what=", ".join(showing.text(part, showing.LONGEST) for part in said if part),
        contacts=", ".join((*visit.phones, *visit.emails)[: showing.MOST_CONTACTS]),
    )
