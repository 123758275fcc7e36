"""Questions: the open ones, one in full, and who sees to it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from vetbridge.desk import answering, claims
from vetbridge.desk import review as desk
from vetbridge.desk.review import ReviewItem, ShownCandidate
from vetbridge.ledger import access, audit, reports
from vetbridge.web.api.guard import Reader, Receptionist
from vetbridge.web.api.known import must_know
from vetbridge.web.api.problems import documented
from vetbridge.web.api.shapes import After, Body, Data, Limit, Nothing, Shown, Text, behind, page, plain, wider
from vetbridge.web.frame import Frame, Number

ItemShape = wider("Item", ReviewItem, seen=str)


class Sibling(Shown):
    """Another question about the same people, which `also` of an answer takes as it is."""

    item: int
    seen: str


CandidateShape = wider("ShownCandidateWithConsequence", ShownCandidate, consequence=str | None)
FullShape = wider(
    "FullItem",
    ReviewItem,
    seen=str,
    candidates=list[CandidateShape],  # type: ignore[valid-type]
    consequences=dict[str, str],
    became=str,
    siblings=list[Sibling],
)


class Items(Shown):
    """A page of open questions, the soonest visit first."""

    items: list[ItemShape]  # type: ignore[valid-type]
    next: int | None


class Asked(Body):
    """Which questions."""

    site: Text | Nothing = None
    pairing: bool | Nothing = Field(
        None, description="Only the questions which client somebody is, or all but those."
    )
    mine: bool = Field(False, description="Only those that you have claimed, or that are assigned to you.")
    assigned_to: Text | Nothing = None
    after: After = None
    limit: Limit = 50


class Claim(Body):
    """How a question is taken up."""

    take: bool = Field(False, strict=True, description="Also where somebody else has claimed it.")


class Note(Body):
    """Something for whoever answers."""

    text: str = Field(
        min_length=1, max_length=claims.LONGEST_NOTE, pattern=r"^[^\x00]*$", examples=["She rings back."]
    )


class Assigned(Body):
    """Who is to answer."""

    to: str = Field(
        max_length=claims.LONGEST_NAME, pattern=r"^[^\x00]*$", description="Empty: anybody.", examples=["Ann"]
    )


def routes(frame: Frame) -> APIRouter:
    """``/review`` and what is below it."""
    router = APIRouter(tags=["review"])
    sites = frame.sites

    @router.get("/review", response_model=Items, responses=documented(404, 409))
    def list_review(visitor: Reader, asked: Annotated[Asked, Query()]) -> Data:
        """Open questions, the soonest visit first, with everybody who may be meant. Takes the role `reader`."""
        with frame.ledger.read() as tx:
            must_know(tx, frame.config, site=asked.site)
            every = tuple(
                row
                for row in reports.open_list(tx, site=asked.site, pairing=asked.pairing)
                if (not asked.mine or visitor.name in (row.claimed_by, row.assigned_to))
                and asked.assigned_to in (None, row.assigned_to)
            )
            rows, after = page(behind(every, asked.after), asked.limit)
            shown = desk.items(tx, sites, [row.id for row in rows])
        access.note_questions(frame.ledger, [each.id for each in shown], by=visitor.name, via=audit.API)
        return Data({"items": [item_data(each) for each in shown], "next": after})

    @router.get("/review/{number}", response_model=FullShape, responses=documented(404))
    def show_item(visitor: Reader, number: Number) -> Data:
        """One question in full, open or not, with what each answer would come to. Takes the role `reader`."""
        with frame.ledger.read() as tx:
            found = answering.show(tx, sites, number)
            item = found.item
            same = desk.siblings(tx, sites, item) if item.state == "open" and item.asks_whose else ()
        access.note_questions(frame.ledger, [number], by=visitor.name, via=audit.API)
        data = item_data(item)
        words = [*found.candidate_consequences, *[None] * len(data["candidates"])]
        for candidate, consequence in zip(data["candidates"], words, strict=False):
            candidate["consequence"] = consequence
        siblings = [{"item": each.id, "seen": answering.seen(each)} for each in same]
        more = {"consequences": found.consequences, "became": found.became, "siblings": siblings}
        return Data({**data, **more})

    @router.post("/review/{number}/claim", response_model=ItemShape, responses=documented(404, 409, 413, 415))
    def claim_item(visitor: Receptionist, number: Number, claim: Claim) -> Data:
        """Takes a question up for ten minutes: meanwhile nobody else answers it unasked.

        Takes the role `reception`.
        """
        with frame.ledger.write() as tx:
            item = claims.claim(tx, sites, number, by=visitor.name, via=audit.API, take=claim.take)
        return Data(item_data(item))

    @router.post("/review/{number}/release", response_model=ItemShape, responses=documented(404))
    def release_item(visitor: Receptionist, number: Number) -> Data:
        """Gives a question up that you have claimed; nothing where you have not. Takes the role `reception`."""
        with frame.ledger.write() as tx:
            item = claims.release(tx, sites, number, by=visitor.name, via=audit.API)
        return Data(item_data(item))

    @router.post("/review/{number}/assign", response_model=ItemShape, responses=documented(404, 409, 413, 415))
    def assign_item(visitor: Receptionist, number: Number, assigned: Assigned) -> Data:
        """Says who is to answer a question. Takes the role `reception`."""
        with frame.ledger.write() as tx:
            item = claims.assign(tx, sites, number, assigned.to, by=visitor.name, via=audit.API)
        return Data(item_data(item))

    @router.post("/review/{number}/note", response_model=ItemShape, responses=documented(404, 409, 413, 415))
    def note_item(visitor: Receptionist, number: Number, note: Note) -> Data:
        """Notes something about a question for whoever answers it. Takes the role `reception`."""
        with frame.ledger.write() as tx:
            item = claims.add_note(tx, sites, number, note.text, by=visitor.name, via=audit.API)
        return Data(item_data(item))

    return router


def item_data(item: ReviewItem) -> dict[str, Any]:
    return {**plain(item), "seen": answering.seen(item)}
