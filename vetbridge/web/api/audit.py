"""What people have done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from vetbridge.ledger import audit
from vetbridge.ledger.audit import Act
from vetbridge.ledger.tables import Audit
from vetbridge.web.api.guard import Admin
from vetbridge.web.api.known import must_know
from vetbridge.web.api.problems import documented
from vetbridge.web.api.shapes import DEEPEST, After, Body, Data, Limit, Moment, Nothing, Text, page, shape
from vetbridge.web.frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that somebody has done."""

    id: int
    at: datetime
    by: str
    via: str
    act: str
    site: str
    subject: str
    subject_id: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """A page of them, the newest first."""

    entries: tuple[Entry, ...]
    next: int | None


class Asked(Body):
    """Which of them."""

    by: Text | Nothing = Field(None, description="Only what this person has done.")
    act: Act | Nothing = Field(None, description="Only acts of this kind.")
    site: Text | Nothing = None
    since: Moment | Nothing = None
    after: After = None
    limit: Limit = 50


def routes(frame: Frame) -> APIRouter:
    """``GET /audit``."""
    router = APIRouter(tags=["audit"])

    @router.get("/audit", response_model=shape(Entries), responses=documented(404))
    def list_audit(_visitor: Admin, asked: Annotated[Asked, Query()]) -> Data:
        """What people have done, the newest first; of the newest 10,000 that fit. Takes the role `admin`."""
        with frame.ledger.read() as tx:
            must_know(tx, frame.config, site=asked.site)
            rows = audit.entries(
                tx,
                by=asked.by,
                act=asked.act,
                site=asked.site,
                since=asked.since,
                limit=asked.limit + 1 if asked.after is None else DEEPEST,
            )
            behind = [_entry(row) for row in rows if asked.after is None or (row.id or 0) < asked.after]
        shown, after = page(behind, asked.limit)
        return Data(Entries(entries=tuple(shown), next=after))

    return router


def _entry(row: Audit) -> Entry:
    return Entry(
        id=row.id or 0,
        at=row.at,
        by=row.by,
        via=row.via,
        act=row.act,
        site=row.site,
        subject=row.subject,
        subject_id=row.subject_id,
        says=row.says,
    )
