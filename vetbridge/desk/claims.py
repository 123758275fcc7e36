"""Who sees to a question: claiming it while one looks at it, assigning it to somebody, noting something about it."""

from __future__ import annotations

from collections.abc import Mapping

from vetbridge.config.models import Site
from vetbridge.core import normalise
from vetbridge.desk.answering import CLAIM, CannotAnswer, answerable, claimed_by_another, known_item
from vetbridge.desk.language import phrase
from vetbridge.desk.review import ReviewItem
from vetbridge.ledger import audit, reviews
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.tables import Review

LONGEST_NOTE = 1000
"""Characters of a note."""
MOST_NOTES = 50
"""Notes of one question."""
LONGEST_NAME = 60
"""Characters of a person's name."""


def claim(
    tx: Transaction,
    sites: Mapping[str, Site],
    item_id: int,
    *,
    by: str,
    via: str = audit.COMMAND,
    take: bool = False,
) -> ReviewItem:
    """Takes an open question up for ``CLAIM``: meanwhile nobody else answers it unasked.

    Who has it already prolongs it. Raises ``CannotAnswer``: ``claimed`` where somebody else has it, unless ``take``
    takes it over.
    """
    item = answerable(tx, sites, item_id)
    if not take and (refusal := claimed_by_another(item, by, tx.now)) is not None:
        raise refusal
    reviews.claim(_row(tx, item_id), by, tx.now + CLAIM)
    if item.claimed_by != by:
        says = "taken-over" if item.claimed_by else ""
        audit.note(tx, Act.CLAIMED, by=by, via=via, subject="review", subject_id=item_id, site=item.site, says=says)
    return known_item(tx, sites, item_id)


def release(
    tx: Transaction, sites: Mapping[str, Site], item_id: int, *, by: str, via: str = audit.COMMAND
) -> ReviewItem:
    """Gives a question up that one has claimed; nothing where one has not. Raises ``CannotAnswer`` where there is no
    such question."""
    item = known_item(tx, sites, item_id)
    if item.claimed_by != by or not by:
        return item
    reviews.release(_row(tx, item_id))
    audit.note(tx, Act.GIVEN_UP, by=by, via=via, subject="review", subject_id=item_id, site=item.site)
    return known_item(tx, sites, item_id)


def assign(
    tx: Transaction, sites: Mapping[str, Site], item_id: int, to: str, *, by: str, via: str = audit.COMMAND
) -> ReviewItem:
    """Says who is to answer an open question; empty: anybody. Raises ``CannotAnswer``."""
    item = answerable(tx, sites, item_id)
    whom = normalise.shown(to, LONGEST_NAME)
    if whom != item.assigned_to:
        _row(tx, item_id).assigned_to = whom
        # Whom, says the item itself: a name that somebody typed may be anybody's, and the audit keeps none such.
        says = "" if whom else "anybody"
        audit.note(tx, Act.ASSIGNED, by=by, via=via, subject="review", subject_id=item_id, site=item.site, says=says)
    return known_item(tx, sites, item_id)


def add_note(
    tx: Transaction, sites: Mapping[str, Site], item_id: int, text: str, *, by: str, via: str = audit.COMMAND
) -> ReviewItem:
    """Notes something about a question, on one line, for whoever answers it. Raises ``CannotAnswer`` for an empty or
    too long text, and where there are ``MOST_NOTES`` already."""
    item = answerable(tx, sites, item_id)
    said = normalise.shown(text, LONGEST_NOTE + 1)
    if not said:
        raise CannotAnswer("note-empty", phrase("the note says nothing"))
    if len(said) > LONGEST_NOTE or len(text) > 4 * LONGEST_NOTE:
        raise CannotAnswer("note-too-long", phrase("the note is longer than {count} characters", count=LONGEST_NOTE))
    if len(item.notes) >= MOST_NOTES:
        raise CannotAnswer(
            "too-many-notes", phrase("item {item} has {count} notes already", item=item_id, count=MOST_NOTES)
        )
    reviews.add_note(tx, _row(tx, item_id), by, said)
    audit.note(tx, Act.NOTED, by=by, via=via, subject="review", subject_id=item_id, site=item.site)
    return known_item(tx, sites, item_id)


def _row(tx: Transaction, item_id: int) -> Review:
    row = reviews.item(tx, item_id)
    assert row is not None  # noqa: S101 - the caller has just read it
    return row
