"""The page of what people did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from vetbridge.core.roles import Role
from vetbridge.desk.language import moment, phrase
from vetbridge.ledger import audit
from vetbridge.ledger.audit import Act
from vetbridge.ledger.tables import Audit
from vetbridge.web import showing
from vetbridge.web.frame import Frame

MOST = 200
"""Acts of the page: the newest."""
DAYS = (1, 7, 30)

_ACTS: Mapping[str, str] = MappingProxyType(
    {
        Act.ANSWERED: "answered",
        Act.TAKEN_BACK: "took an answer back",
        Act.PUT_OFF: "put off",
        Act.CLAIMED: "opened",
        Act.GIVEN_UP: "left to others",
        Act.ASSIGNED: "assigned",
        Act.NOTED: "noted",
        Act.LINE_DONE: "did by hand",
        Act.LINE_UNDONE: "took a tick back",
        Act.ACKNOWLEDGED: "acknowledged",
        Act.REPLAYED: "tried again",
        Act.PAUSED: "paused",
        Act.RESUMED: "resumed",
        Act.APPROVED: "approved",
        Act.RUN_UNDONE: "undid a run",
        Act.PAIR_ENDED: "ended a pair",
        Act.INSTALL_ACTIVATED: "connected an app",
        Act.INSTALL_ENDED: "took an app away",
        Act.STAFF_ADDED: "added to the staff",
        Act.STAFF_CHANGED: "changed of the staff",
        Act.STAFF_REMOVED: "removed from the staff",
        Act.SIGNED_IN: "signed in",
        Act.SIGNED_OUT: "signed out",
        Act.SIGN_IN_REFUSED: "was not let in",
        Act.OWNER_EXPORTED: "exported an owner",
        Act.OWNER_FORGOTTEN: "forgot an owner",
        Act.OWNER_READMITTED: "let an owner in again",
        Act.BACKED_UP: "backed up the ledger",
        Act.RESTORED: "restored the ledger",
        Act.REKEYED: "gave the ledger another key",
        Act.PRUNED: "deleted old rows",
        Act.UPGRADED: "upgraded the ledger",
        Act.HOOKS_SET: "set a vendor's webhooks",
    }
)
_SUBJECTS: Mapping[str, str] = MappingProxyType(
    {
        "review": "Question {number}",
        "change": "Change {number}",
        "worklist": "Line {number}",
        "site": "Site {number}",
        "account": "Account {number}",
        "run": "Run {number}",
        "client": "Client {number}",
        "install": "App {number}",
    }
)
_DOORS: Mapping[str, str] = MappingProxyType(
    {
        audit.COMMAND: "by a command",
        audit.PAGE: "on the page",
        audit.API: "by the API",
        audit.MARKETPLACE: "at the vendor's marketplace",
    }
)
_PLACES: Mapping[str, str] = MappingProxyType({"review": "/review/", "change": "/changes/"})
"""Where what was acted upon is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One act, as the page shows it."""

    at: str
    by: str
    act: str
    subject: str
    address: str
    """Where that is shown; empty: nowhere."""
    site: str
    says: str
    via: str


def routes(frame: Frame) -> APIRouter:
    """The route of this page."""
    router = frame.router()
    zones = {name: ZoneInfo(site.zone) for name, site in frame.sites.items()}
    usual = next(iter(zones.values()), ZoneInfo("UTC"))

    def row(entry: Audit) -> Row:
        number = entry.subject_id
        place = _PLACES.get(entry.subject, "") if number.isdecimal() else ""
        return Row(
            at=moment(entry.at.astimezone(zones.get(entry.site, usual))),
            by=showing.text(entry.by, showing.LONGEST) or "-",
            act=phrase(_ACTS[entry.act]) if entry.act in _ACTS else entry.act,
            subject=_subject(entry),
            address=f"{place}{number}" if place else "",
            site=entry.site,
            says=showing.text(entry.says),
            via=phrase(_DOORS[entry.via]) if entry.via in _DOORS else entry.via,
        )

    @router.get("/audit")
    def _list(request: Request, by: str = "", act: str = "", site: str = "", days: int = 0) -> Response:
        frame.require(request, Role.ADMIN)
        by = showing.text(by, showing.LONGEST)
        with frame.ledger.read() as tx:
            entries = audit.entries(
                tx,
                by=by or None,
                act=act or None,
                site=site or None,
                since=tx.now - timedelta(days=days) if days in DAYS else None,
                limit=MOST,
            )
        return frame.page(
            request,
            "audit.html",
            rows=[row(each) for each in entries],
            cut=len(entries) == MOST,
            by=by,
            act=act,
            acts=[(code, phrase(words)) for code, words in _ACTS.items()],
            site=site,
            sites=sorted(frame.sites),
            days=days,
            spans=DAYS,
        )

    return router


def _subject(entry: Audit) -> str:
    """What was acted upon: a member of the staff simply by name."""
    number = showing.text(entry.subject_id, showing.LONGEST)
    return phrase(_SUBJECTS[entry.subject], number=number) if entry.subject in _SUBJECTS else number
