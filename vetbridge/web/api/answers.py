"""Answers to questions, putting them off, and taking answers back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from vetbridge.core.answers import Answer, Choice
from vetbridge.desk import answering, review
from vetbridge.desk.answering import CannotAnswer, Taken
from vetbridge.ledger import audit, reports
from vetbridge.ledger.database import Transaction
from vetbridge.web.api.guard import Receptionist
from vetbridge.web.api.problems import Problem, documented, of_answer
from vetbridge.web.api.shapes import Body, Data, Moment, Numbered, Refused, Shown, Text
from vetbridge.web.frame import Frame, Number

MOST_ALSO = 50
"""Questions that one answer may serve."""
LONGEST_LATER = 24.0 * 90
"""Hours."""

Seen = Annotated[
    str, Field(pattern="^[0-9a-f]{16}$", description="`seen` of the item, as it was shown to whoever answers.")
]


class AnswerTaken(Shown):
    """What was answered, and what has come of it so far."""

    item: int
    choice: str
    state: Literal["planned", "written-down", "applied", "reopened", "closed"]
    """`written-down`: the running VetBridge carries it out next; the item says later when it was `applied_at`."""
    message: str
    consequence: str
    change: int | None
    """The change in which it is carried out."""


class AnswersTaken(AnswerTaken):
    """The same, with what became of the questions that were to be answered alike."""

    also: list[AnswerTaken | Problem]


class Also(Body):
    """Another question to answer alike, as `siblings` of the first one has it."""

    item: Numbered
    seen: Seen


class Answered(Body):
    """One answer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"choice": "link", "client_id": "1002", "seen": "0f1e2d3c4b5a6978"}]},
    )

    choice: Literal["link", "new", "booking", "pims", "fields", "keep", "again", "allow"]
    client_id: Text | None = Field(None, description="For `link`: the client's id in the PIMS.")
    pet_id: Text | None = Field(
        None,
        description="For `link`: the pet's id in the PIMS; `booked`: the one of the booked name, made if need be.",
    )
    fields: dict[str, Literal["booking", "pims"]] = Field(
        default={}, max_length=50, description="For `fields`: which side is right, for every field that differs."
    )
    seen: Seen | None = None
    also: list[Also] = Field(default=[], max_length=MOST_ALSO, description="Of `siblings`: to be answered alike.")
    take: bool = Field(False, strict=True, description="Also where somebody else has claimed the item.")
    plan: bool = Field(False, strict=True, description="Say what it would come to, and do nothing.")


class Later(Body):
    """How long a question is put off."""

    hours: float | None = Field(
        None,
        ge=0.05,
        le=LONGEST_LATER,
        allow_inf_nan=False,
        strict=True,
        description="Unless given 4, or half of the time until the visit where that is less.",
    )
    take: bool = Field(False, strict=True, description="Also where somebody else has claimed the item.")


class Undone(Body):
    """How an answer is taken back."""

    given_at: Moment | None = Field(
        None, description="`given.at` of the item, as the answer was shown that is meant: a newer one stays."
    )
    plan: bool = Field(False, strict=True, description="Say what it would come to, and do nothing.")


def routes(frame: Frame) -> APIRouter:
    """``POST /review/{number}/answer`` and its neighbours."""
    router = APIRouter(tags=["review"])
    sites = frame.sites

    @router.post("/review/{number}/answer", response_model=AnswersTaken, responses=documented(404, 409, 413, 415))
    def answer_item(visitor: Receptionist, number: Number, answered: Answered) -> Data:
        """Answers a question. Takes the role `reception`.

        Give `seen`, and an answer to what has changed meanwhile is not taken. The running VetBridge carries it out on
        fresh facts. Of the questions in `also` each is checked for itself, with the pet that was booked there; one
        that is refused leaves the others as they are.
        """
        answer = Answer(
            choice=Choice(answered.choice),
            client_id=answered.client_id,
            pet_id=answered.pet_id,
            fields=answered.fields if answered.choice == "fields" else {},
        )
        if answered.plan:
            with frame.ledger.read() as tx:
                consequence = answering.propose(tx, sites, number, answer, seen=answered.seen).consequence
            return Data({**_planned(number, answer.choice, consequence), "also": []})
        others = {each.item: each.seen for each in answered.also if each.item != number}
        signed: dict[str, Any] = {"by": visitor.name, "via": audit.API, "take": answered.take}
        with frame.ledger.write() as tx:
            _must_be_siblings(frame, tx, number, set(others))
            taken = answering.give(tx, sites, number, answer, seen=answered.seen, **signed)
            also = answering.give_all(tx, sites, tuple(others), answer, like=number, seen=others, **signed)
        frame.wake()
        with frame.ledger.read() as tx:
            told = [
                of_answer(each).model_dump() if isinstance(each, CannotAnswer) else _given(frame, tx, each)
                for _, each in also
            ]
            return Data({**_given(frame, tx, taken), "also": told})

    @router.post("/review/{number}/later", response_model=AnswerTaken, responses=documented(404, 409, 413, 415))
    def postpone_item(visitor: Receptionist, number: Number, later: Later) -> Data:
        """Puts a question off. Takes the role `reception`."""
        with frame.ledger.write() as tx:
            item = answering.answerable(tx, sites, number)
            until = answering.postpone(
                tx, sites, number, later.hours, by=visitor.name, via=audit.API, take=later.take
            )
        words = answering.later_words(item, sites, until)
        given = {"item": number, "choice": "later", "state": "applied", "message": words}
        return Data({**given, "consequence": words, "change": None})

    @router.post("/review/{number}/undo", response_model=AnswerTaken, responses=documented(404, 409, 413, 415))
    def undo_item(visitor: Receptionist, number: Number, undone: Undone) -> Data:
        """Takes an answer back: one that is not carried out yet, or whose visit is still ahead.

        Takes the role `reception`. Give `given_at`, and an answer that was given since is not taken back.
        """
        if undone.plan:
            with frame.ledger.read() as tx:
                return Data(
                    _planned(
                        number, Choice.UNDO, answering.undo_consequence(tx, sites, number, given_at=undone.given_at)
                    )
                )
        with frame.ledger.write() as tx:
            taken = answering.undo(tx, sites, number, by=visitor.name, via=audit.API, given_at=undone.given_at)
        frame.wake()
        with frame.ledger.read() as tx:
            return Data(_given(frame, tx, taken))

    return router


def _must_be_siblings(frame: Frame, tx: Transaction, number: int, others: set[int]) -> None:
    """One answer serves only those that are about the same people as the first."""
    if not others:
        return
    item = answering.answerable(tx, frame.sites, number)
    same = {each.id for each in review.siblings(tx, frame.sites, item)} if item.asks_whose else set()
    open_now = {each.id for each in reports.open_list(tx)}
    strangers = sorted(
        other for other in others - same if other in open_now or review.find_item(tx, frame.sites, other) is None
    )
    if strangers:
        raise Refused(
            409,
            "no-sibling",
            f"item {strangers[0]} is not about the same people as item {number}: nothing was done",
            "`siblings` of the item says which are.",
        )


def _planned(number: int, choice: Choice, consequence: str) -> dict[str, Any]:
    said = {"item": number, "choice": choice.value, "state": "planned", "message": consequence}
    return {**said, "consequence": consequence, "change": None}


def _given(frame: Frame, tx: Transaction, taken: Taken) -> dict[str, Any]:
    found = answering.outcome(tx, frame.sites, taken)
    return {
        "item": found.item,
        "choice": found.choice,
        "state": found.state,
        "message": found.message or "Written down: VetBridge carries it out next.",
        "consequence": taken.consequence,
        "change": taken.change_id,
    }
