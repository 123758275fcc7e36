"""Answers: what each would come to, in words and beforehand; taking one down; and what came of it.

A person's answer is never carried out here: it is written into the ledger, and the running VetBridge, or the next
`vetbridge sync`, does it on fresh facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.config.models import Site
from vetbridge.core import normalise
from vetbridge.core.answers import (
    ADOPT,
    COPIED,
    FUSE,
    NOT_SHOWN,
    PAIR_CLIENT,
    PAIR_VISIT,
    PROPOSAL,
    REUSED,
    SLOT_TAKEN,
    TWICE,
    UNKNOWN_OUTCOME,
    Answer,
    Choice,
)
from vetbridge.core.matching import Known
from vetbridge.core.records import Kind, Pet
from vetbridge.desk.review import Animal, Person, ReviewItem, find_item, shown_pet
from vetbridge.desk.wording import ago, field_words, value_words, visit_words
from vetbridge.ledger import fuses, going_live, mirror, reports, reviews, worklist
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.endings import PAIR_ENDED
from vetbridge.ledger.tables import ChangeState
from vetbridge.sync.paired import OPEN

LATER = timedelta(hours=4)
"""How long "not now" lasts where nobody says how long; less where the visit is near: see ``postpone``."""

BOOKED_PET = "booked"
"""Instead of a pet's id: the pet that was booked, by its own name, whatever pet a candidate was shown with."""

_WHICH_PET = "Say which pet with --pet ID; where the PIMS does not have it yet, enter it there first."
_ENTER = "Enter client and pet in the PIMS, then link them with --client ID and --pet ID."

_HELD_WORDS = 3
"""Sorts of held changes that a consequence names."""


class CannotAnswer(Exception):
    """An answer that cannot be taken. ``code`` is stable; ``message`` and ``advice`` are for the person."""

    def __init__(self, code: str, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.advice = advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An answer that could be given, and what it would come to."""

    item: ReviewItem
    answer: Answer
    """With the pet filled in, where it is clear which one is meant."""
    consequence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownItem:
    """One question, and what each answer would come to."""

    item: ReviewItem
    consequences: Mapping[str, str]
    """By choice, but ``link``, which depends on the client."""
    candidate_consequences: tuple[str, ...]
    """Of linking to each candidate, in their order."""
    became: str
    """What became of a question that is not open any more; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An answer that was taken down."""

    item: ReviewItem
    choice: Choice
    consequence: str
    change_id: int | None
    """The change in which it is carried out; None where nothing has to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What has come of an answer so far."""

    item: int
    choice: str
    state: str
    """``applied``, ``written-down`` (still to be carried out), ``reopened`` (the question is open again), ``closed``
    (the facts answered it meanwhile)."""
    message: str
    settled: bool
    """Nothing more is to be waited for."""


# -- which answer -------------------------------------------------------------------------------------------------


def answerable(tx: Transaction, sites: Mapping[str, Site], item_id: int) -> ReviewItem:
    """The open question of this number. Raises ``CannotAnswer`` where there is none, or where it is open no more."""
    item = known_item(tx, sites, item_id)
    if item.state != "open":
        raise CannotAnswer("not-open", f"item {item_id} is not open any more: {became(item, tx.now)}")
    return item


def known_item(tx: Transaction, sites: Mapping[str, Site], item_id: int) -> ReviewItem:
    """The question of this number, open or not. Raises ``CannotAnswer`` where there is none."""
    item = find_item(tx, sites, item_id)
    if item is None:
        raise CannotAnswer(
            "unknown-item", f"there is no item {item_id}", "`vetbridge review list` shows the open ones."
        )
    return item


def candidate(item: ReviewItem, number: int) -> str:
    """The client of a candidate by the number that lists show. Raises ``CannotAnswer``."""
    _offered(item, Choice.LINK)
    if not 1 <= number <= len(item.candidates):
        last = len(item.candidates)
        has = f"has candidates 1 to {last}" if last > 1 else "has one candidate" if last else "has no candidates"
        raise CannotAnswer(
            "unknown-candidate",
            f"item {item.id} {has}",
            "`vetbridge review search` finds other clients; give one with --client ID.",
        )
    return item.candidates[number - 1].client_id


def propose(
    tx: Transaction,
    sites: Mapping[str, Site],
    item_id: int,
    answer: Answer,
    *,
    shown: ReviewItem | None = None,
) -> Proposal:
    """What an answer would come to. ``shown`` is the question as the person saw it, where that may be a while ago.

    Raises ``CannotAnswer`` for an answer that the question does not offer, or that cannot be meant.
    """
    item = answerable(tx, sites, item_id)
    if shown is not None and _asked(shown) != _asked(item):
        raise CannotAnswer("changed-meanwhile", f"item {item_id} has changed meanwhile; look at it again")
    _offered(item, answer.choice)
    if answer.choice is Choice.NEW:
        _must_name_pet(item)
    if answer.choice is not Choice.LINK:
        return Proposal(item=item, answer=answer, consequence=_consequence(item, answer.choice))
    answer, known = _linked(tx, sites.get(item.site), item, answer)
    return Proposal(item=item, answer=answer, consequence=_link_consequence(item, answer, known))


def show(tx: Transaction, sites: Mapping[str, Site], item_id: int) -> ShownItem:
    """One question with what each answer would come to. Raises ``CannotAnswer`` where there is none."""
    item = known_item(tx, sites, item_id)
    if item.state != "open":
        return ShownItem(item=item, consequences={}, candidate_consequences=(), became=became(item, tx.now))

    def words(answer: Answer) -> str:
        try:
            return propose(tx, sites, item_id, answer).consequence
        except CannotAnswer as refusal:
            return f"Not possible: {refusal.message}. {refusal.advice}".rstrip()

    others = [Choice(choice) for choice in item.choices if choice != Choice.LINK]
    links = item.candidates if item.asks_whose else ()
    return ShownItem(
        item=item,
        consequences={choice.value: words(Answer(choice=choice)) for choice in others},
        candidate_consequences=tuple(words(Answer(choice=Choice.LINK, client_id=each.client_id)) for each in links),
        became="",
    )


def pet_choices(tx: Transaction, sites: Mapping[str, Site], item: ReviewItem, client_id: str) -> tuple[Animal, ...]:
    """The living pets of a client that a person has to choose from; none where it is clear which one is meant, or no
    pet is asked about."""
    if item.why == PAIR_CLIENT:
        return ()
    living = _living(_known(tx, sites.get(item.site), client_id))
    booked = normalise.pet_name(_booked_name(item))
    fitting = [pet for pet in living if normalise.pet_name(pet.name) == booked] if booked else living
    return () if len(fitting) == 1 else tuple(shown_pet(pet) for pet in living)


def _offered(item: ReviewItem, choice: Choice) -> None:
    if choice.value not in item.choices:
        offered = ", ".join(item.choices)
        raise CannotAnswer(
            "choice-not-offered",
            f"item {item.id} does not offer '{choice}': it offers {offered}",
            f"Why: {item.words}.",
        )


def _asked(item: ReviewItem) -> tuple[Any, ...]:
    """What a person has to have seen of a question to answer it."""
    clients = tuple(each.client_id for each in item.candidates)
    return (item.why, item.visit_at, item.booking, item.pims, item.differences, clients)


def _must_name_pet(item: ReviewItem) -> None:
    """A pet is made by its name and species; a booking that lacks one of them would only be asked about again."""
    missing = "name" if not _booked_name(item) else "species" if not _species(item) else ""
    if missing:
        code = "pet-not-named" if missing == "name" else "species-not-named"
        raise CannotAnswer(code, f"the booking does not say the pet's {missing}, so none can be made", _ENTER)


def _linked(tx: Transaction, site: Site | None, item: ReviewItem, answer: Answer) -> tuple[Answer, Known | None]:
    """A ``link`` with its pet, where it is clear which one is meant, and the client as the mirror has it."""
    answer = replace(answer, client_id=_id(answer.client_id), pet_id=_id(answer.pet_id))
    if answer.client_id is None:
        raise CannotAnswer("unknown-candidate", "say which client: a candidate's number, or --client ID")
    stand_in = site.pims.placeholder if site is not None else None
    if stand_in is not None and answer.client_id == stand_in.client:
        raise CannotAnswer("unknown-candidate", f"client {_text(answer.client_id)} is the site's placeholder")
    known = _known(tx, site, answer.client_id)
    if item.why == PAIR_CLIENT and known is None:
        raise CannotAnswer(
            "unknown-client",
            f"VetBridge has not read a client {_text(answer.client_id)} in the PIMS",
            "`vetbridge review search` finds clients and their ids.",
        )
    if known is not None and not known.client.active:
        raise CannotAnswer(
            "client-inactive",
            f"client {_text(answer.client_id)} is inactive in the PIMS",
            "Make it active there first; VetBridge sees that when it reads the clients next.",
        )
    if item.why == PAIR_CLIENT:
        if answer.pet_id is not None:
            raise CannotAnswer("pet-not-asked", f"item {item.id} asks about a client alone", "Leave --pet out.")
        return answer, known
    if answer.pet_id == BOOKED_PET:
        return replace(answer, pet_id=_meant_pet(item, known)), known
    if answer.pet_id is not None:
        if site is not None and all(pet.id != answer.pet_id for pet in (known.pets if known else ())):
            owner = mirror.owner_of(tx, site.pims.account, answer.pet_id)
            if owner is not None and owner != answer.client_id:
                raise CannotAnswer(
                    "unknown-pet",
                    f"pet {_text(answer.pet_id)} belongs to client {_text(owner)}, not to {_text(answer.client_id)}",
                )
        return answer, known
    pet_id = next((each.pet_id for each in item.candidates if each.client_id == answer.client_id), None)
    dead = pet_id is not None and known is not None and all(pet.id != pet_id for pet in _living(known))
    return replace(answer, pet_id=_meant_pet(item, known) if dead or pet_id is None else pet_id), known


def _meant_pet(item: ReviewItem, known: Known | None) -> str | None:
    """The client's pet of the booked name, or its only one where none was named; None where it has to be made.

    Raises ``CannotAnswer`` where it is not clear which pet is meant, and where it could not be made.
    """
    living = _living(known)
    booked = normalise.pet_name(_booked_name(item))
    if booked:
        living = [pet for pet in living if normalise.pet_name(pet.name) == booked]
    if len(living) == 1:
        return living[0].id
    if not booked:
        has = "several" if living else "none that is known"
        raise CannotAnswer("pet-not-named", f"the booking names no pet, and the client has {has}", _WHICH_PET)
    if not living and known is not None and not _species(item):
        raise CannotAnswer(
            "species-not-named",
            "the client has no pet of the booked name, and the booking does not say the species to make one",
            _WHICH_PET,
        )
    return None


def _living(known: Known | None) -> list[Pet]:
    return [pet for pet in (known.pets if known else ()) if pet.active and not pet.deceased]


def _known(tx: Transaction, site: Site | None, client_id: str) -> Known | None:
    return None if site is None else mirror.client(tx, site.pims.account, client_id)


# -- what it would come to ----------------------------------------------------------------------------------------


def _link_consequence(item: ReviewItem, answer: Answer, known: Known | None) -> str:
    assert answer.client_id is not None  # noqa: S101 - a link without one was refused
    client_id = _text(answer.client_id)
    if item.why == PAIR_CLIENT:
        name = _text(known.client.full_name) if known is not None else ""
        whom = f"{name} (client {client_id})" if name else f"client {client_id}"
        return (
            f"{_card(item)} at the booking side is {whom} in the PIMS from now on, and later bookings go there. "
            "Nothing is written to either side for it."
        )
    pet = next((pet for pet in known.pets if pet.id == answer.pet_id), None) if known and answer.pet_id else None
    booked = _booked_name(item)
    if known is None:
        who = f"client {client_id}"
    else:
        who = f"{_text(known.client.full_name) or 'the client without a name'} (client {client_id})"
    if pet is not None:
        who += f", pet {_pet_words(shown_pet(pet))}"
    elif answer.pet_id is not None:
        who += f", pet {_text(answer.pet_id)}"
    parts = [f"{_visit(item)} {_is_put(item)} {who}."]
    if answer.pet_id is None:
        parts.append(f"{_text(booked)} is looked for among the client's pets, and made where it is not there.")
    return " ".join([*parts, *_minds(item, known, pet)])


def _minds(item: ReviewItem, known: Known | None, pet: Pet | None) -> list[str]:
    minds = []
    if known is None:
        minds.append(
            "VetBridge has not read this client yet; where the PIMS does not have it, the question comes back."
        )
    if pet is not None:
        if pet.deceased:
            minds.append("Mind: the pet is deceased.")
        elif not pet.active:
            minds.append("Mind: the pet is inactive.")
        booked = _species(item)
        if booked and pet.species and booked != pet.species:
            minds.append(f"Mind: it was booked as a {_text(booked)}, and this is a {_text(pet.species)}.")
    return minds


_PLAIN: Mapping[tuple[str, Choice], str] = {
    (
        TWICE,
        Choice.AGAIN,
    ): "VetBridge looks again, and goes on with what it finds. Where two still stand there, it asks "
    "again: cancel all but one in the PIMS first.",
    (TWICE, Choice.KEEP): "Both stay as they are; the one that VetBridge knows goes on being kept in agreement.",
    (UNKNOWN_OUTCOME, Choice.AGAIN): "You have looked, and it is not there: VetBridge writes it once more.",
    (UNKNOWN_OUTCOME, Choice.KEEP): "You have looked, and it is there: VetBridge writes nothing, and asks again when "
    "this changes.",
    (COPIED, Choice.AGAIN): "{visit} is a visit of its own: it is carried to the booking side beside the other one.",
    (COPIED, Choice.KEEP): "{visit} stays in the PIMS as it is, and VetBridge leaves it alone. Where it is one too "
    "many, remove it there.",
    (
        REUSED,
        Choice.AGAIN,
    ): "It is another visit: the booking is written to the PIMS anew, and this one is left alone.",
    (NOT_SHOWN, Choice.PIMS): "The PIMS is right: where the visit is gone there, the booking is cancelled; where it "
    "stands there, it is booked anew.",
    (
        NOT_SHOWN,
        Choice.BOOKING,
    ): "The booking side is right: where the booking is gone there, the visit is cancelled in "
    "the PIMS; where it stands there, it is written to the PIMS anew.",
    (REUSED, Choice.PIMS): "It is the same visit, changed in the PIMS: the booking follows it.",
    (
        SLOT_TAKEN,
        Choice.AGAIN,
    ): "{visit} is written at its time, beside what stands there, where the other side allows that.",
    (SLOT_TAKEN, Choice.KEEP): "{visit} is not carried over: both sides stay as they are. Tell the owner.",
    (ADOPT, Choice.KEEP): "{visit} stays in the PIMS as it is, and VetBridge leaves it alone.",
    (
        PAIR_VISIT,
        Choice.AGAIN,
    ): "They are two visits: the booking is written to the PIMS, and the visit in the PIMS is carried to the booking "
    "side.",
    (PAIR_VISIT, Choice.KEEP): "Both sides stay as they are, and nothing is carried over; nobody is asked again "
    "until one of them changes.",
    (PAIR_CLIENT, Choice.KEEP): "It is nobody of these, or nobody can say: the client stays unpaired, and is asked "
    "about again when it books.",
}
"""What an answer comes to, by why it is asked, where that does not hang on the values."""


def _consequence(item: ReviewItem, choice: Choice) -> str:
    if item.why == FUSE and item.held is not None:
        return _fuse_consequence(item, choice)
    plain = _PLAIN.get((item.why, choice))
    if plain is not None:
        return plain.format(visit=_visit(item))
    if item.why == PAIR_VISIT:
        return _one_visit_consequence(item, choice)
    match choice:
        case Choice.NEW:
            return _new_consequence(item)
        case Choice.BOOKING:
            return _booking_consequence(item)
        case Choice.PIMS:
            return _pims_consequence(item)
        case Choice.KEEP:
            return "Both sides stay as they are; nobody is asked again until one of them changes."
        case _:
            return "It is tried again."


def _fuse_consequence(item: ReviewItem, choice: Choice) -> str:
    assert item.held is not None  # noqa: S101 - the caller looked
    number = item.held.count
    what = f"all {number} changes" if number > 1 else "the one change" if number else "nothing"
    named = [f"{count}x {_text(words)}" for words, count in list(item.held.by_words.items())[:_HELD_WORDS]]
    detail = f" ({'; '.join(named)})" if named else ""
    held = f"{what} that the fuse of site {item.site} holds back"
    if choice is Choice.ALLOW:
        return f"This lets through {held}{detail}."
    return f"This drops {held}{detail}: both sides stay as they are, until somebody changes them anew."


def _one_visit_consequence(item: ReviewItem, choice: Choice) -> str:
    """What it comes to that a booking and a visit are one: its time and its vet or room are brought into line."""
    holds, follows, wins = (
        ("the PIMS's", "the booking follows", "pims")
        if choice is Choice.PIMS
        else ("the booking's", "the PIMS follows", "booking")
    )
    moved = replace(item, differences=tuple(each for each in item.differences if each.field in OPEN))
    left = [field_words(each.field) for each in item.differences if each.field not in OPEN]
    if moved.differences:
        words = f"They are one visit, and {holds} time holds: {follows}{_changes(moved, wins)}."
    else:
        words = "They are one visit, and nothing has to be written."
    return f"{words} As it is on each side stays: {', '.join(left)}." if left else words


def _new_consequence(item: ReviewItem) -> str:
    booker = item.booking.booker if item.booking is not None else None
    name = _text(_full_name(booker)) if booker is not None else ""
    booked = item.booking.pet if item.booking is not None else None
    pet = f" with the pet {_pet_words(booked)}" if booked is not None and booked.name.strip() else ""
    who = f"A new client{f', {name},' if name else ''}{pet}"
    return f"{who} is made in the PIMS. {_visit(item)} {_is_put(item)} them."


def _booking_consequence(item: ReviewItem) -> str:
    if item.why == PROPOSAL:
        return f"The PIMS takes over what the booking side says of the {item.kind}{_changes(item, 'booking')}."
    if item.why.startswith("cancelled-here") or item.why in ("cancel-not-allowed", "reopened-there"):
        return f"The booking is right: {_lower(_visit(item))} is cancelled in the PIMS."
    if item.why.endswith("-cancelled-there"):
        return f"The booking is right: {_lower(_visit(item))} is made in the PIMS anew, as it was booked."
    return f"The booking is right: the PIMS follows it{_changes(item, 'booking')}."


def _pims_consequence(item: ReviewItem) -> str:
    if item.why == PROPOSAL:
        return f"The booking side takes over what the PIMS says of the {item.kind}{_changes(item, 'pims')}."
    if item.why.startswith("cancelled-here") or item.why == "cancel-not-allowed":
        return (
            f"The PIMS is right: {_lower(_visit(item))} stays there, and is made anew at the booking side where that "
            "takes it."
        )
    if item.why.endswith("-cancelled-there") or item.why in ("counterpart-cancelled", "reopened-here"):
        return f"The PIMS is right: {_lower(_visit(item))} is cancelled at the booking side."
    return f"The PIMS is right: the booking side follows it{_changes(item, 'pims')}."


def _changes(item: ReviewItem, wins: str) -> str:
    """``: time Tue 24 Nov 10:00, not Tue 24 Nov 11:00``; empty where no field is known to differ."""
    words = []
    for each in item.differences:
        won, lost = (each.booking, each.pims) if wins == "booking" else (each.pims, each.booking)
        words.append(f"{field_words(each.field)} {value_words(won)}, not {value_words(lost)}")
    return f": {'; '.join(words)}" if words else ""


def _is_put(item: ReviewItem) -> str:
    if item.why == ADOPT:
        return "stays at its time in the PIMS, and is put on"
    if item.stands is None or item.stands.kind != Kind.APPOINTMENT:
        return "is written to the PIMS, on"
    return "moves in the PIMS from the placeholder to" if item.stands.placeholder else "is put in the PIMS on"


# -- taking it down -----------------------------------------------------------------------------------------------


def give(
    tx: Transaction,
    sites: Mapping[str, Site],
    item_id: int,
    answer: Answer,
    *,
    by: str,
    shown: ReviewItem | None = None,
) -> Taken:
    """Takes an answer down, for the running VetBridge or the next pass to carry out. Raises as ``propose`` does."""
    proposal = propose(tx, sites, item_id, answer, shown=shown)
    row = reviews.item(tx, item_id)
    assert row is not None  # noqa: S101 - it was just read
    change_id = None
    if proposal.item.why == FUSE and proposal.item.record_id is None:
        fuses.answer(tx, row, proposal.answer.choice, by)
    else:
        change = reviews.answer(tx, row, proposal.answer, by)
        change_id = None if change is None else change.id
    return Taken(
        item=proposal.item, choice=proposal.answer.choice, consequence=proposal.consequence, change_id=change_id
    )


def _first_visit(item: ReviewItem) -> datetime | None:
    return item.visit_at if item.held is None else item.held.soonest_visit


def return_at(item: ReviewItem, now: datetime, hours: float | None) -> datetime:
    """When a question that is put off comes back.

    Where nobody says how long: after ``LATER``, but at the latest when half the time until the visit has passed.
    """
    if hours is not None:
        return now + timedelta(hours=hours)
    visit = _first_visit(item)
    ahead = None if visit is None else (visit - now) / 2
    return now + (LATER if ahead is None or ahead <= timedelta() else min(LATER, ahead))


def later_words(item: ReviewItem, sites: Mapping[str, Site], until: datetime) -> str:
    """What "not now" comes to."""
    site = sites.get(item.site)
    moment = until if site is None else until.astimezone(ZoneInfo(site.zone))
    words = f"Not now: the question comes back at {moment:%a %d %b %H:%M}."
    visit = _first_visit(item)
    if visit is not None and visit <= until:
        words += " Mind: the visit begins before that."
    return words


def postpone(tx: Transaction, sites: Mapping[str, Site], item_id: int, hours: float | None) -> datetime:
    """Puts an open question off; returns when it comes back. Raises ``CannotAnswer``."""
    item = answerable(tx, sites, item_id)
    row = reviews.item(tx, item_id)
    assert row is not None  # noqa: S101 - it was just read
    until = return_at(item, tx.now, hours)
    reviews.snooze(tx, row, until)
    return until


def undo_consequence(tx: Transaction, sites: Mapping[str, Site], item_id: int) -> str:
    """What it would come to if an answer were taken back. Raises ``CannotAnswer`` where that is not possible."""
    item = known_item(tx, sites, item_id)
    if item.state != "answered" or item.given is None:
        state = "nobody has answered it" if item.state == "open" else became(item, tx.now)
        raise CannotAnswer("nothing-to-undo", f"item {item_id} has no answer to take back: {state}")
    if item.site in going_live.ended(tx):
        raise CannotAnswer(
            PAIR_ENDED,
            f"the pair of site {item.site} has ended: nothing is read or written for it any more",
            "Put the visit on the right client in the PIMS.",
        )
    choice = Choice(item.given.choice)
    if choice is Choice.UNDO:
        raise CannotAnswer("nothing-to-undo", f"the answer to item {item_id} is being taken back already")
    if item.given.applied_at is None:
        return "The answer is not carried out yet: it is taken back, and the question is open again."
    if choice not in (Choice.LINK, Choice.NEW):
        raise CannotAnswer(
            "nothing-to-undo",
            f"the answer to item {item_id} ('{choice}') was carried out, and cannot be taken back",
            "Change the visit at the side that is wrong; VetBridge carries that over.",
        )
    if item.visit_at is not None and item.visit_at <= tx.now:
        raise CannotAnswer(
            "visit-has-begun",
            f"the visit of item {item_id} has begun: its answer cannot be taken back any more",
            "Put the visit on the right client in the PIMS.",
        )
    if item.why == PAIR_CLIENT:
        raise CannotAnswer(
            "nothing-to-undo",
            f"the answer to item {item_id} was carried out: the two clients are linked",
            "Nothing was written for it. Where it was wrong, put the next visit on the right owner in the PIMS.",
        )
    made = " The client and the pet that were made stay in the PIMS." if choice is Choice.NEW else ""
    return f"{_visit(item)} is taken off its client again, and the question is open again.{made}"


def undo(tx: Transaction, sites: Mapping[str, Site], item_id: int, *, by: str) -> Taken:
    """Takes an answer back. Raises ``CannotAnswer`` where that is not possible."""
    consequence = undo_consequence(tx, sites, item_id)
    item = known_item(tx, sites, item_id)
    row = reviews.item(tx, item_id)
    assert row is not None  # noqa: S101 - it was just read
    assert item.given is not None  # noqa: S101 - the consequence was told
    change_id = None
    if item.given.applied_at is None:
        reviews.reopen(tx, row)
    else:
        change = reviews.answer(tx, row, Answer(choice=Choice.UNDO), by)
        change_id = None if change is None else change.id
    return Taken(item=item, choice=Choice.UNDO, consequence=consequence, change_id=change_id)


# -- what came of it ----------------------------------------------------------------------------------------------


def outcome(tx: Transaction, sites: Mapping[str, Site], taken: Taken) -> Outcome:
    """What has come of an answer so far."""
    item = known_item(tx, sites, taken.item.id)

    def so_far(state: str, message: str, *, settled: bool = True) -> Outcome:
        return Outcome(item=item.id, choice=taken.choice.value, state=state, message=message, settled=settled)

    if item.state == "open":
        if taken.choice is Choice.UNDO:
            return so_far("reopened", "Done: the answer is taken back, and the question is open again.")
        return so_far("reopened", f"It could not be carried out, and the question is open again: {item.words}.")
    if item.state == "closed":
        return so_far("closed", f"Nobody has to answer it any more: {item.closed_why}.")
    line = None
    if item.record_id is not None:
        line = worklist.standing(tx, item.record_id, worklist.CONTACT if item.why == PROPOSAL else worklist.RELINK)
    by_hand = f"VetBridge asks staff to change it by hand: work list line {line.id}." if line is not None else ""
    if item.given is not None and item.given.applied_at is not None:
        return so_far("applied", by_hand or _done(tx, sites, item, taken))
    if by_hand:
        return so_far("written-down", by_hand)
    change = None if taken.change_id is None else reports.change(tx, taken.change_id)
    if change is not None and change.state == ChangeState.FAILED:
        return so_far("written-down", f"It could not be carried out: {change.code}: {change.message}.")
    if item.site in going_live.held_back(tx) and taken.choice is not Choice.ALLOW:
        return so_far("written-down", _in_shadow(item))
    waits = change is not None and change.state == ChangeState.WAITING and change.message
    return so_far("written-down", f"it waits: {change.message}" if change and waits else "", settled=False)


def _in_shadow(item: ReviewItem) -> str:
    """When an answer is carried out whose site nobody has approved yet."""
    if item.why == PAIR_CLIENT:
        return "Written down: the two are linked when both sides are paired next, by `vetbridge sync` or in an hour."
    return "Written down: it is carried out once the site is approved and paired once more."


def became(item: ReviewItem, now: datetime) -> str:
    """What became of a question that is not open any more, and who answered it."""
    if item.state == "closed" or item.given is None:
        return item.closed_why or "the facts have answered it"
    who = _text(item.given.by) or "somebody"
    when = "" if item.given.at is None else f" {ago(item.given.at, now)}"
    done = "" if item.given.applied_at is not None else ", which is still to be carried out"
    return f"{who} answered '{item.given.choice}'{when}{done}"


def _done(tx: Transaction, sites: Mapping[str, Site], item: ReviewItem, taken: Taken) -> str:
    match taken.choice:
        case Choice.LINK if item.why == PAIR_CLIENT:
            return f"Done: {_card(item)} is linked with client {_text((item.given and item.given.client_id) or '')}."
        case Choice.AGAIN if item.why == PAIR_VISIT:
            return "Done: they are two visits, and each is carried to the other side."
        case Choice.LINK | Choice.NEW:
            whom = _on_whom(tx, sites.get(item.site), item, taken.choice)
            return f"Done: {_lower(_visit(item))} now stands on {whom}."
        case Choice.BOOKING:
            return "Done: the PIMS now follows the booking side."
        case Choice.PIMS:
            return "Done: the booking side now follows the PIMS."
        case Choice.KEEP:
            return "Done: both sides stay as they are."
        case Choice.ALLOW:
            return "Done: what the fuse held back goes on now."
        case Choice.UNDO:
            return "Done: the answer is taken back."
        case _:
            return "Done: it was tried again."


def _on_whom(tx: Transaction, site: Site | None, item: ReviewItem, choice: Choice) -> str:
    booked = _text(_booked_name(item))
    with_booked = f", pet {booked}" if booked else ""
    if choice is Choice.NEW or item.given is None or item.given.client_id is None:
        booker = item.booking.booker if item.booking is not None else None
        name = "" if booker is None else _text(_full_name(booker))
        return f"the new client {name}{with_booked}" if name else f"a new client{with_booked}"
    known = _known(tx, site, item.given.client_id)
    name = _text(known.client.full_name) if known is not None else ""
    pet = next((pet for pet in (known.pets if known else ()) if pet.id == item.given.pet_id), None)
    who = name or f"client {_text(item.given.client_id)}"
    return f"{who}, pet {_text(pet.name)}" if pet is not None else f"{who}{with_booked}"


# -- words --------------------------------------------------------------------------------------------------------


def _visit(item: ReviewItem) -> str:
    return visit_words(item.visit_at)


def _card(item: ReviewItem) -> str:
    """The client of the booking side that is asked about."""
    name = "" if item.booking_client is None else _text(_full_name(item.booking_client))
    return f"{name} (client {_text(item.remote_id)})" if name else f"Client {_text(item.remote_id)}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _booked_name(item: ReviewItem) -> str:
    pet = item.booking.pet if item.booking is not None else None
    return pet.name.strip() if pet is not None else ""


def _species(item: ReviewItem) -> str:
    pet = item.booking.pet if item.booking is not None else None
    return (pet.species or "") if pet is not None else ""


def _full_name(person: Person) -> str:
    return f"{person.given_name} {person.family_name}".strip()


def _pet_words(pet: Animal) -> str:
    details: Sequence[str] = [part for part in (_text(pet.species or ""), _text(pet.id or "")) if part]
    name = _text(pet.name) or "without a name"
    return f"{name} ({', '.join(details)})" if details else name


def _id(text: str | None) -> str | None:
    """An id that somebody typed, as it can stand in a ledger; None where nothing is left of it."""
    return None if text is None else normalise.shown(text, 200) or None


def _text(text: str) -> str:
    """Text from outside, on one line and not endless."""
    return normalise.shown(text, 60)
