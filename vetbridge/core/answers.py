"""What a person may answer to a question, and what an answer is.

Which choices a question offers depends on why it was asked; nobody else decides that, so that every screen offers
the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Choice(StrEnum):
    """What a person may say."""

    LINK = "link"
    """The visit belongs to this client, and to this pet."""
    NEW = "new"
    """The owner is new: make a client and a pet."""
    BOOKING = "booking"
    """The booking side is right: bring the PIMS into line."""
    PIMS = "pims"
    """The PIMS is right: bring the booking side into line."""
    FIELDS = "fields"
    """Each side is right in some fields: which one, is said field by field."""
    KEEP = "keep"
    """Leave both sides as they are."""
    AGAIN = "again"
    """Try again, and do it this time: the obstacle is known, or it is gone."""
    ALLOW = "allow"
    """The many changes that the fuse holds back are meant: let them through."""
    UNDO = "undo"
    """Take an answer back: the visit is nobody's for certain again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. ``client_id`` and ``pet_id`` are ids in the PIMS, for ``link``; without ``pet_id`` the booked pet
    is looked for among the client's, and made where it is not there. ``fields`` says for ``fields`` which side is
    right, ``booking`` or ``pims``, for every field that differs."""

    choice: Choice
    client_id: str | None = None
    pet_id: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


FUSE = "fuse-blown"
"""Why of the question about a fuse that has blown."""
MANY_ENDED = "many-ended"
"""Why of the question whether so many clients or pets have ended at once."""
ADOPT = "adopt"
"""Why of the question about a visit that another booking system left in the PIMS without its owner."""
PROPOSAL = "contact-changed"
"""Why of the question whether the PIMS takes over what was changed about a client at the booking side."""
TWICE = "found-twice"
"""Why of the question about a write that stands twice after a lost answer."""
UNKNOWN_OUTCOME = "outcome-unknown"
"""Why of the question whether a write arrived whose answer was lost, and which cannot be looked for."""
REUSED = "id-reused"
"""Why of the question whether a visit is still the one it was: everything about it is another one's."""
NOT_SHOWN = "not-shown"
"""Why of the question whether a visit is gone that a side does not show, nor the others near it."""
COPIED = "copied"
"""Why of the question about a visit that carries the mark of another one, which stands at the same time."""
CLIENT_IS_ANOTHER = "client-is-another"
"""Why of the question whose a visit is whose booker was linked with a client that is somebody else by now."""
CLIENT_NOT_SHOWN = "client-not-shown"
"""Why of the question whose a visit is whose booker is known, where the PIMS does not show that client now."""
OFF_ITS_OWNER = "off-its-owner"
"""Why of the question whose a visit is that staff have taken off its owner in the PIMS."""
BOOKED_BY_ANOTHER = "booked-by-another"
"""Why of the question whose a visit is whose booking was given to another client at the booking side."""
PET_OF_ANOTHER = "pet-of-another"
"""Why of the question whose a visit is, asked again as the pet that was chosen is not the chosen client's."""
SLOT_TAKEN = "slot-taken"
"""Why of the question about a time that another visit holds at the other side."""
NO_SHOW_AHEAD = "no-show-ahead"
"""Why of the question whether an owner comes whose visit is marked as missed online before it begins."""

PAIR_VISIT = "maybe-one-visit"
"""Why of the question whether a booking and a visit, which both stood when VetBridge came, are one and the same."""
PAIR_CLIENT = "maybe-one-client"
"""Why of the question which client of the PIMS a client of the booking side is, asked before it books."""

CANCELLED_HERE_OF_LATE = "cancelled-here-of-late"
"""Why of the question whether a visit stands that is cancelled online, and that a restored ledger knows to stand."""
CANCELLED_THERE_OF_LATE = "of-late-cancelled-there"
"""The same where it is cancelled in the PIMS."""

BOTH_REMOVED = "both-copies-cancelled-there"
"""Why of the question whether a booking is to be cancelled whose visit was typed twice, where staff have taken away
both copies: each may have been meant as the one too many."""

CLIENTS_NOT_MADE = "clients-not-made"
"""Why of the question whose a visit is whose owner is new at a practice system that takes no clients from outside:
somebody registers her there, and says so."""
PETS_NOT_MADE = "pets-not-made"
"""The same of a new pet."""
UNMADE = "unmade"
"""Key of a question whose a visit is: the kinds, of client and pet, that the practice system takes from nobody
outside. Somebody registers them there, and answers with them."""

_BOTH_SIDES = (Choice.BOOKING, Choice.PIMS, Choice.KEEP)
_CHOICES: Mapping[str, tuple[Choice, ...]] = {
    FUSE: (Choice.ALLOW, Choice.KEEP),
    MANY_ENDED: (Choice.ALLOW,),
    ADOPT: (Choice.LINK, Choice.NEW, Choice.KEEP),
    PROPOSAL: _BOTH_SIDES,
    TWICE: (Choice.AGAIN, Choice.KEEP),
    COPIED: (Choice.AGAIN, Choice.KEEP),
    UNKNOWN_OUTCOME: (Choice.AGAIN, Choice.KEEP),
    REUSED: (Choice.AGAIN, Choice.PIMS),
    NOT_SHOWN: (Choice.PIMS, Choice.BOOKING),
    SLOT_TAKEN: (Choice.AGAIN, Choice.KEEP),
    PAIR_VISIT: (Choice.PIMS, Choice.BOOKING, Choice.AGAIN, Choice.KEEP),
    PAIR_CLIENT: (Choice.LINK, Choice.KEEP),
    NO_SHOW_AHEAD: _BOTH_SIDES,
    CLIENTS_NOT_MADE: (Choice.LINK,),
    PETS_NOT_MADE: (Choice.LINK,),
    "no-client-there": (Choice.AGAIN, Choice.KEEP),
    "conflict": _BOTH_SIDES,
    "cancelled-here-moved-there": _BOTH_SIDES,
    "cancelled-here-changed-there": _BOTH_SIDES,
    "cancelled-here-begun-there": _BOTH_SIDES,
    "cancel-not-allowed": _BOTH_SIDES,
    CANCELLED_HERE_OF_LATE: _BOTH_SIDES,
    CANCELLED_THERE_OF_LATE: _BOTH_SIDES,
    BOTH_REMOVED: _BOTH_SIDES,
    "moved-here-cancelled-there": _BOTH_SIDES,
    "changed-here-cancelled-there": _BOTH_SIDES,
    "counterpart-cancelled": (Choice.PIMS, Choice.KEEP),
    "reopened-here": _BOTH_SIDES,
    "reopened-there": _BOTH_SIDES,
}
_WHOSE = (Choice.LINK, Choice.NEW)
_FIELD_BY_FIELD = frozenset({"conflict"})
"""Whys of questions whose fields can each be settled for itself."""


def choices(why: str, fields: Collection[str] = (), unmade: Collection[str] = ()) -> tuple[Choice, ...]:
    """The answers that a question offers, the most likely one first. All questions about an owner offer the same,
    but those where nobody can be made.

    ``fields`` are those that differ: where they are several, some questions can be answered field by field.
    ``unmade`` are the kinds that the practice system takes from nobody outside: see ``UNMADE``.
    """
    offered = tuple(each for each in _CHOICES.get(why, _WHOSE) if not (unmade and each is Choice.NEW))
    if why not in _FIELD_BY_FIELD or len(fields) < 2:
        return offered
    return (*offered[:2], Choice.FIELDS, *offered[2:])


def asks_whose(question: Mapping[str, Any]) -> bool:
    """Whether a question, as it is kept with its item, asks on whom a visit belongs."""
    return choices(str(question.get("why", ""))) in (_WHOSE, _CHOICES[CLIENTS_NOT_MADE])
