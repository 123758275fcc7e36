"""Changes: what happened, what failed, and acknowledging it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from vetbridge.core.records import Kind
from vetbridge.desk import changes as desk
from vetbridge.desk import failures
from vetbridge.desk.changes import ListedGroup, Selection
from vetbridge.ledger import access, audit, reports
from vetbridge.ledger.reports import ChangeReport, FailureGroup
from vetbridge.ledger.tables import ChangeState
from vetbridge.web.api.guard import Reader, Supporter
from vetbridge.web.api.known import must_know
from vetbridge.web.api.problems import documented
from vetbridge.web.api.selecting import Chosen
from vetbridge.web.api.shapes import (
    DEEPEST,
    After,
    Body,
    Data,
    Day,
    Limit,
    Moment,
    Nothing,
    Refused,
    Shown,
    Text,
    page,
    plain,
    shape,
    wider,
)
from vetbridge.web.frame import Frame, Number

ChangeShape = wider("Change", ChangeReport, next_step=str)
GroupShape = wider("Group", FailureGroup, letter=str, name=str, trend=str, trend_words=str, next_step=str)


class Changes(Shown):
    """A page of changes, the newest first."""

    total: int
    """How many fit, on all pages together."""
    changes: list[ChangeShape]  # type: ignore[valid-type]
    groups: list[GroupShape]  # type: ignore[valid-type]
    """All failed ones that fit, grouped by account and code; the most frequent first."""
    acknowledged: int
    """So many failed ones are left out, as somebody has acknowledged them."""
    next: int | None


class Asked(Body):
    """Which changes; what is given has to fit."""

    state: list[ChangeState] = Field([], max_length=6)
    code: list[Text] = Field([], max_length=20)
    account: Text | Nothing = None
    site: Text | Nothing = None
    kind: Kind | Nothing = None
    phone: Text | Nothing = Field(None, description="Of an owner with this phone, or with this end of it.")
    name: Text | Nothing = Field(None, description="Of an owner of this name.")
    pet: Text | Nothing = Field(None, description="Of a pet of this name.")
    day: Day | Nothing = Field(None, description="Of visits on this day.")
    since: Moment | Nothing = Field(None, description="Something happened to it since then.")
    until: Moment | Nothing = Field(None, description="And nothing from then on.")
    id: Text | Nothing = Field(None, description="Of the record with this id at either side.")
    group: Text | Nothing = Field(None, description="A group of failures: its letter now, or CODE@ACCOUNT.")
    all: bool = Field(False, description="With `state=failed` alone: also those that somebody has acknowledged.")
    after: After = None
    limit: Limit = 50


class Acknowledged(Body):
    """Which failures somebody has seen to."""

    selection: Chosen
    plan: bool = Field(False, strict=True, description="Say which, and do nothing.")


class Acknowledgement(Shown):
    """What became of it."""

    changes: list[int]
    acknowledged: int
    """So many were not so before."""
    not_failed: list[int]
    """There is nothing to acknowledge about them."""
    planned: bool


def routes(frame: Frame) -> APIRouter:
    """``/changes`` and what is below it."""
    router = APIRouter(tags=["changes"])

    @router.get("/changes", response_model=Changes, responses=documented(404))
    def list_changes(_visitor: Reader, asked: Annotated[Asked, Query()]) -> Data:
        """Changes, the newest first: ids and codes alone. Pages reach the newest 10,000 that fit.

        Failed ones also stand grouped by reason, with what to do next. Takes the role `reader`.
        """
        with frame.ledger.read() as tx:
            must_know(tx, frame.config, site=asked.site, account=asked.account)
            depth = asked.limit + 1 if asked.after is None else DEEPEST
            found = desk.listing(tx, frame.sites, _selection(asked), limit=depth)
        listed = {each.change.id: each.next_step for each in found.changes}
        behind = [each.change for each in found.changes if asked.after is None or each.change.id < asked.after]
        shown, after = page(behind, asked.limit)
        return Data(
            {
                "total": found.total,
                "changes": [{**plain(each), "next_step": listed[each.id]} for each in shown],
                "groups": [_group(each) for each in found.groups],
                "acknowledged": found.acknowledged,
                "next": after,
            }
        )

    @router.get("/changes/{number}", response_model=shape(desk.ChangeStory), responses=documented(404))
    def show_change(
        visitor: Reader,
        number: Number,
        names: Annotated[
            bool, Query(description="Show also the names and other values that a match hung on.")
        ] = False,
    ) -> Data:
        """The story of one change: received, read, matched, planned, sent, answered, and how it ended.

        Ids and codes alone, unless `names` asks for more. Takes the role `reader`.
        """
        with frame.ledger.read() as tx:
            found = desk.story(tx, number, names=names)
        if found is None:
            raise unknown_change(number)
        access.note_history(frame.ledger, number, by=visitor.name, via=audit.API)
        return Data(found)

    @router.post("/changes/acknowledge", response_model=Acknowledgement, responses=documented(404, 413, 415))
    def acknowledge_changes(visitor: Supporter, acknowledged: Acknowledged) -> Data:
        """Somebody has seen to these failures: they leave the list of failures, and nothing is tried again by this.

        Takes the role `support`.
        """
        selection = acknowledged.selection.meant()
        # In one transaction: what is looked at is what is acknowledged.
        with frame.ledger.read() if acknowledged.plan else frame.ledger.write() as tx:
            must_know(tx, frame.config, site=selection.site, account=selection.account)
            wrong = [number for number in selection.numbers if reports.change(tx, number) is None]
            if wrong:
                raise unknown_change(wrong[0])
            found = [each.id for each in failures.fitting(tx, frame.sites, selection)]
            others = failures.not_failed(tx, selection.numbers) if selection.numbers else ()
            done = 0
            if not acknowledged.plan:
                done = failures.acknowledge(tx, found, by=visitor.name, via=audit.API)
        return Data({"changes": found, "acknowledged": done, "not_failed": others, "planned": acknowledged.plan})

    return router


def unknown_change(number: int) -> Refused:
    """There is no such change."""
    return Refused(
        404, "unknown-change", f"there is no change {number}: nothing was done", "GET /changes shows the newest."
    )


def _selection(asked: Asked) -> Selection:
    return Selection(
        group=asked.group or "",
        states=tuple(state.value for state in asked.state),
        codes=tuple(asked.code),
        account=asked.account,
        site=asked.site,
        kind=None if asked.kind is None else asked.kind.value,
        phone=asked.phone,
        name=asked.name,
        pet=asked.pet,
        day=asked.day,
        since=asked.since,
        until=asked.until,
        remote_id=asked.id,
        unacknowledged=not asked.all and asked.state == [ChangeState.FAILED],
    )


def _group(each: ListedGroup) -> dict[str, Any]:
    return {
        **plain(each.group),
        "letter": each.letter,
        "name": each.name,
        "trend": each.trend,
        "trend_words": each.trend_words,
        "next_step": each.next_step,
    }
