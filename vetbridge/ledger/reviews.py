"""Review items: questions for a person, and what the person answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from vetbridge.core.answers import Answer, Choice, asks_whose
from vetbridge.core.records import Kind
from vetbridge.ledger import changes
from vetbridge.ledger.content import plain, rich
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.staff import folded
from vetbridge.ledger.tables import Action, ActionState, Change, Record, Review, ReviewNote, Subject

ANSWER_SOURCE = "answer"
"""Source of the change in which an answer is carried out."""

_AT_ONCE = 1000
"""Numbers of one question to the database."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a person has noted about a question. ``text`` is personal."""

    by: str
    at: datetime
    text: str


def ask(tx: Transaction, change: Change, *, why: str, visit_at: datetime | None, question: Any) -> Review:
    """Opens a question about a record, or brings the one that is open up to date."""
    assert change.id is not None  # noqa: S101 - it came from the ledger
    row = standing(tx, change.record_id)
    if row is None:
        row = Review(
            record_id=change.record_id,
            change_id=change.id,
            site=change.site,
            state="open",
            why=why,
            opened_at=tx.now,
        )
        tx.session.add(row)
    # An answer that could not be carried out is asked for again: what it met is new.
    row.state = "open"
    row.answer = ""
    row.answer_fields = ""
    if (row.why, row.visit_at) != (why, visit_at):
        row.snoozed_until = None  # who put it off meant another question, or another day
    row.change_id = change.id
    row.why = why
    row.visit_at = visit_at
    row.question_sealed = tx.sealer.seal(plain(question))
    tx.session.flush()
    return row


def begun_meanwhile(tx: Transaction, why: str) -> tuple[int, ...]:
    """The records with an open question of this kind whose visit has begun since they were worked on last."""
    rows = tx.session.exec(
        select(Review.record_id)
        .join(Change, col(Change.id) == Review.change_id)
        .where(
            Review.state == "open",
            Review.why == why,
            col(Review.visit_at) <= tx.now,
            col(Change.updated_at) < col(Review.visit_at),
        )
    )
    return tuple(record_id for record_id in rows if record_id is not None)


def ask_beside(tx: Transaction, change: Change, *, why: str, question: Any) -> Review:
    """Asks something else about a record; whose a visit is stays to be answered, and is asked again after it."""
    item = standing(tx, change.record_id)
    before = (_content(tx, item) if item is not None else None) or {}
    if before and asks_whose(before):
        before["whose"] = before["why"]
    return ask(tx, change, why=why, visit_at=change.visit_at, question={**before, **question, "why": why})


def update(tx: Transaction, change: Change, *, booking: Any, visit_at: datetime | None) -> None:
    """Shows the booking as it is now in the question that is open about it, if one is."""
    item = open_item(tx, change.record_id)
    if item is not None:
        ask(tx, change, why=item.why, visit_at=visit_at, question={**question(tx, item), "booking": booking})


def open_item(tx: Transaction, record_id: int) -> Review | None:
    """The open question about a record."""
    return tx.session.exec(select(Review).where(Review.record_id == record_id, Review.state == "open")).first()


def is_asked(tx: Transaction, account: str, kind: Kind, remote_id: str) -> bool:
    """Whether a question stands about a record that a side knows by this id."""
    record_id = tx.session.exec(
        select(Record.id).where(Record.account == account, Record.kind == kind, Record.remote_id == remote_id)
    ).first()
    return record_id is not None and standing(tx, record_id) is not None


def standing(tx: Transaction, record_id: int) -> Review | None:
    """The question about a record that is open, or whose answer is still to be carried out."""
    return open_item(tx, record_id) or _waiting(tx, record_id)


def close(tx: Transaction, record_id: int, why: str) -> None:
    """Closes the open question about a record, because the facts answered it."""
    row = open_item(tx, record_id)
    if row is not None:
        row.state = "closed"
        row.closed_at = tx.now
        row.closed_why = why


def open_items(tx: Transaction) -> tuple[Review, ...]:
    """All open questions, the soonest visit first."""
    return tuple(
        tx.session.exec(
            select(Review).where(Review.state == "open").order_by(col(Review.visit_at).nulls_first(), col(Review.id))
        ).all()
    )


def count_open(tx: Transaction, why: str, *, site: str | None = None) -> int:
    """How many questions of one reason are open; at one site, where one is given."""
    statement = select(sa.func.count()).select_from(Review).where(Review.state == "open", Review.why == why)
    return tx.session.exec(statement if site is None else statement.where(Review.site == site)).one()


def asked_about(tx: Transaction, why: str) -> set[tuple[str, str]]:
    """Account and id of the records about which a question of one reason is open."""
    statement = select(Record.account, Record.remote_id).join(Review, col(Review.record_id) == Record.id)
    return set(tx.session.exec(statement.where(Review.state == "open", Review.why == why)).all())


def ever_asked(tx: Transaction, account: str, kind: Kind, why: str) -> set[str]:
    """Ids of the records of a side about which a question of one reason stands or was answered."""
    statement = select(Record.remote_id).join(Review, col(Review.record_id) == Record.id)
    return set(
        tx.session.exec(
            statement.where(
                Record.account == account, Record.kind == kind, Review.why == why, Review.state != "closed"
            )
        )
    )


def to_carry_out(tx: Transaction, site: str, why: str) -> tuple[Review, ...]:
    """The questions of one reason whose answers are still to be carried out."""
    return tuple(
        tx.session.exec(
            select(Review).where(
                Review.site == site,
                Review.why == why,
                Review.state == "answered",
                col(Review.applied_at).is_(None),
            )
        ).all()
    )


def question(tx: Transaction, item: Review) -> Any:
    """What the item asks, with the booking and the candidates."""
    return _content(tx, item)


def item(tx: Transaction, item_id: int) -> Review | None:
    """The question of this number, open or not."""
    return tx.session.get(Review, item_id)


def items(tx: Transaction, item_ids: Sequence[int]) -> dict[int, Review]:
    """The questions of these numbers, open or not."""
    return {
        row.id: row
        for some in _batches(item_ids)
        for row in tx.session.exec(select(Review).where(col(Review.id).in_(some)))
        if row.id is not None
    }


def about_any(tx: Transaction, site: str, record_ids: sa.Select[tuple[int]]) -> tuple[Review, ...]:
    """The open questions of a site about these records, and those about records of which nobody knows yet by what
    they are found: they came up before VetBridge kept that."""
    numbers = col(Review.record_id)
    unknown = ~sa.exists().where(col(Subject.record_id) == numbers)
    fits = sa.or_(numbers.in_(record_ids), sa.and_(numbers.is_not(None), unknown))
    return tuple(tx.session.exec(select(Review).where(Review.state == "open", Review.site == site, fits)))


def answer(tx: Transaction, item: Review, given: Answer, by: str) -> Change | None:
    """Keeps a person's answer, and wakes the record so that it is carried out; returns the change that does it.

    None for a question about a whole pair, which no record carries out.
    """
    item.state = "answered"
    item.answer = given.choice
    item.answer_client_id = given.client_id
    item.answer_pet_id = given.pet_id
    item.answer_fields = json.dumps(dict(given.fields), sort_keys=True) if given.fields else ""
    item.answered_by = by
    item.answered_at = tx.now
    item.applied_at = None
    item.snoozed_until = None
    release(item)
    if item.record_id is None:
        return None
    record = tx.session.get_one(Record, item.record_id)
    return changes.receive(
        tx,
        site=item.site,
        account=record.account,
        kind=Kind(record.kind),
        remote_id=record.remote_id,
        source=ANSWER_SOURCE,
    )


def answered(tx: Transaction, record_id: int) -> tuple[Review, Answer] | None:
    """The answer about a record that is still to be carried out."""
    row = _waiting(tx, record_id)
    if row is None:
        return None
    return row, Answer(
        choice=Choice(row.answer),
        client_id=row.answer_client_id,
        pet_id=row.answer_pet_id,
        fields=answer_fields(row),
    )


def answer_fields(item: Review) -> dict[str, str]:
    """Which side is right, by field, where a person has said so field by field; else empty."""
    return dict(json.loads(item.answer_fields)) if item.answer_fields else {}


def applied(tx: Transaction, item: Review) -> None:
    """The answer was carried out: the one that ``item`` was read with, and not a later one."""
    row = tx.session.get_one(Review, item.id)
    if _given(row) != _given(item):
        return  # somebody has taken the answer back meanwhile, or given another
    row.applied_at = tx.now
    row.closed_at = tx.now
    row.closed_why = "answered"


def last_carried_out(tx: Transaction, record_id: int) -> Review | None:
    """The newest question about a record, where it was answered and the answer was carried out."""
    row = tx.session.exec(
        select(Review).where(Review.record_id == record_id).order_by(col(Review.id).desc()).limit(1)
    ).first()
    return row if row is not None and row.state == "answered" and row.applied_at is not None else None


def made_by_answer(tx: Transaction, account: str, client_id: str) -> bool:
    """Whether a client was made because a person answered that somebody is new."""
    statement = select(Action.id).join(Review, col(Review.record_id) == Action.record_id)
    return (
        tx.session.exec(
            statement.where(
                Action.account == account,
                Action.kind == Kind.CLIENT,
                Action.remote_id == client_id,
                Action.operation == "create",
                Action.state == ActionState.ANSWERED,
                Review.answer == Choice.NEW,
            ).limit(1)
        ).first()
        is not None
    )


def taken_back(tx: Transaction, item: Review) -> bool:
    """Whether the answer that ``item`` was read with was taken back since, and nobody has given another."""
    row = tx.session.get_one(Review, item.id)
    return item.state == "answered" and row.state == "open"


def kept(tx: Transaction, record_id: int, digest: str | None) -> str | None:
    """Why a person was asked last about a record, where the answer was to leave it, was carried out, and the record
    still shows the content that it had then; None where anything of that is not so."""
    newest = tx.session.exec(
        select(Review).where(Review.record_id == record_id).order_by(col(Review.id).desc()).limit(1)
    ).first()
    if newest is None or newest.answer != Choice.KEEP or newest.applied_at is None or digest is None:
        return None
    return newest.why if tx.session.get_one(Record, record_id).digest_hash == digest else None


def reopen(tx: Transaction, item: Review) -> None:
    """Asks the same question again: its answer was taken back. Nothing where there is another answer meanwhile."""
    row = tx.session.get_one(Review, item.id)
    if _given(row) != _given(item):
        return
    row.state = "open"
    row.answer = ""
    row.answer_fields = ""
    row.applied_at = None
    row.closed_at = None
    row.closed_why = ""


def snooze(tx: Transaction, item: Review, until: datetime) -> None:
    """Not now: the question comes back at ``until``."""
    item.snoozed_until = until


def claim(item: Review, by: str, until: datetime) -> None:
    """Somebody looks at it, until then."""
    item.claimed_by = by
    item.claimed_until = until


def release(item: Review) -> None:
    """Nobody looks at it any more."""
    item.claimed_by = ""
    item.claimed_until = None


def unassign(tx: Transaction, name: str) -> tuple[Review, ...]:
    """Leaves to anybody what this one, in any spelling, was to answer, and returns it: the open questions, and those
    that may be open again because their answers are still to be carried out."""
    fits = select(Review).where(Review.assigned_to != "", col(Review.state).in_(("open", "answered")))
    standing = fits.where(col(Review.applied_at).is_(None)).order_by(col(Review.id))
    theirs = tuple(row for row in tx.session.exec(standing) if folded(row.assigned_to) == folded(name))
    for row in theirs:
        row.assigned_to = ""
    return theirs


def add_note(tx: Transaction, item: Review, by: str, text: str) -> None:
    """Keeps what a person has noted about it."""
    assert item.id is not None  # noqa: S101 - it came from the ledger
    tx.session.add(ReviewNote(review_id=item.id, by=by, at=tx.now, text_sealed=tx.sealer.seal(text)))
    tx.session.flush()


def notes(tx: Transaction, item_ids: Sequence[int]) -> Mapping[int, tuple[Note, ...]]:
    """What was noted about these items and is still kept, by item, the oldest first."""
    found: dict[int, tuple[Note, ...]] = {}
    for some in _batches(item_ids):
        fits = select(ReviewNote).where(col(ReviewNote.review_id).in_(some)).order_by(col(ReviewNote.id))
        for row in tx.session.exec(fits):
            if row.text_sealed is not None:
                note = Note(row.by, row.at, str(tx.sealer.open(row.text_sealed)))
                found[row.review_id] = (*found.get(row.review_id, ()), note)
    return found


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """So many at once as every database takes in one question."""
    for start in range(0, len(numbers), _AT_ONCE):
        yield numbers[start : start + _AT_ONCE]


def _given(item: Review) -> tuple[object, ...]:
    return (
        *(item.state, item.answer, item.answer_client_id, item.answer_pet_id, item.answer_fields),
        item.answered_at,
    )


def _content(tx: Transaction, item: Review) -> Any:
    return None if item.question_sealed is None else rich(tx.sealer.open(item.question_sealed))


def _waiting(tx: Transaction, record_id: int) -> Review | None:
    return tx.session.exec(
        select(Review).where(
            Review.record_id == record_id, Review.state == "answered", col(Review.applied_at).is_(None)
        )
    ).first()
