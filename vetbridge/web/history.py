"""The page of one change: what happened to a booking, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from vetbridge.core.roles import Role
from vetbridge.desk import changes
from vetbridge.desk.language import moment, phrase
from vetbridge.desk.wording import kind_words
from vetbridge.ledger import access, audit
from vetbridge.web import showing
from vetbridge.web.frame import Frame, Number, Refusal

_STAGES: Mapping[str, str] = MappingProxyType(
    {
        "received": "Received",
        "read": "Read",
        "mapped": "Mapped",
        "matched": "Matched",
        "planned": "Planned",
        "sent": "Sent",
        "answered": "Answered",
        "linked": "Linked",
        "asked": "Asked",
        "decided": "Decided",
        "closed": "Closed",
        "replayed": "Tried again",
        "acknowledged": "Acknowledged",
        "ended": "Ended",
        "waiting": "Waits",
        "review": "Waits for an answer",
    }
)
_STATES: Mapping[str, str] = MappingProxyType(
    {
        "received": "On its way",
        "waiting": "Waits",
        "review": "Waits for an answer",
        "done": "Done",
        "skipped": "Nothing to do",
        "failed": "Failed",
    }
)
_LIGHTS: Mapping[str, str] = MappingProxyType({"done": "good", "skipped": "good", "failed": "bad"})


def routes(frame: Frame) -> APIRouter:
    """The route of this page."""
    router = frame.router()

    @router.get("/changes/{number}")
    def _change(request: Request, number: Number) -> Response:
        visitor = frame.require(request, Role.READER)
        with frame.ledger.read() as tx:
            story = changes.story(tx, number)
        if story is None:
            raise Refusal(
                404,
                phrase("No such change"),
                phrase("There is no change {number}. It may have been cleared away since.", number=number),
                back="/find",
                link=phrase("To the search"),
            )
        access.note_history(frame.ledger, number, by=visitor.name, via=audit.PAGE)
        change = story.change
        zone = ZoneInfo(frame.sites[change.site].zone) if change.site in frame.sites else None

        def at(when: datetime) -> str:
            return moment(when if zone is None else when.astimezone(zone))

        return frame.page(
            request,
            "history.html",
            story=story,
            change=change,
            record=showing.text(change.remote_id, 40),
            kind=kind_words(change.kind),
            message=phrase(change.message),
            visit="" if change.visit_at is None else at(change.visit_at),
            light=_LIGHTS.get(change.state, "look"),
            state=phrase(_STATES[change.state]) if change.state in _STATES else change.state,
            steps=[
                (
                    at(each.at),
                    phrase(_STAGES[each.stage]) if each.stage in _STAGES else each.stage,
                    showing.text(each.words, showing.LONGEST_TEXT),
                )
                for each in story.timeline
            ],
            evidence=showing.speaking(story.evidence),
        )

    return router
