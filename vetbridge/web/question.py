"""One question, as the pages show it: what is known, and every answer with what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from vetbridge.config.models import Site
from vetbridge.core.answers import PAIR_CLIENT, PAIR_VISIT, REUSED, Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.core.roles import Role, may
from vetbridge.desk import answering, claims, review, search, staff
from vetbridge.desk.answering import BOOKED_PET, CannotAnswer
from vetbridge.desk.language import moment, phrase, phrases
from vetbridge.desk.review import Animal, Person, ReviewItem
from vetbridge.desk.staff import Visitor
from vetbridge.desk.wording import ahead, field_words, span
from vetbridge.ledger.database import Transaction
from vetbridge.web import showing

HOURS = (1, 2, 4, 8, 24, 72)
"""For how long "not now" can be said to last."""

LONG = timedelta(hours=1)
"""A question that waits for less than this has only just come."""
LONGEST_ID = 200
"""Characters of an id, as answers take it."""

Sites = Mapping[str, Site]

_LABELS: Mapping[Choice, str] = MappingProxyType(
    {
        Choice.NEW: "Someone new",
        Choice.BOOKING: "The booking is right",
        Choice.PIMS: "The PIMS is right",
        Choice.KEEP: "Leave both as they are",
        Choice.AGAIN: "Try again",
        Choice.ALLOW: "Let them through",
    }
)
_LABELS_OF: Mapping[tuple[str, Choice], str] = MappingProxyType(
    {
        (PAIR_VISIT, Choice.PIMS): "One visit, and the PIMS's time holds",
        (PAIR_VISIT, Choice.BOOKING): "One visit, and the booking's time holds",
        (PAIR_VISIT, Choice.AGAIN): "Two visits",
        (PAIR_CLIENT, Choice.KEEP): "Nobody of these",
        (REUSED, Choice.AGAIN): "Another visit",
        (REUSED, Choice.PIMS): "The same visit",
    }
)


_PLAIN = frozenset(_LABELS)
"""The answers that are one button each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One question, as the list shows it."""

    item: ReviewItem
    site: str
    title: str
    soon: str
    """``in 42 minutes``; empty where no time is known."""
    who: str
    contacts: tuple[str, ...]
    pets: str
    why: str
    waits: str
    """For how long it has waited; empty where that is not long."""
    mine: bool
    """Whoever looks at the page has it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Somebody who may be meant, as one large button."""

    client_id: str
    seen: str
    """What is seen of somebody who was searched for; empty for a candidate, of whom the question says it."""
    name: str
    active: bool
    contacts: tuple[str, ...]
    pets: str
    speaks_for: tuple[str, ...]
    speaks_against: tuple[str, ...]
    vetoes: tuple[str, ...]
    percent: str
    """How sure the matcher is; empty for somebody who was searched for."""
    consequence: str
    possible: bool
    which_pet: bool
    """The pet is to be picked before it is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another answer, as one large button."""

    choice: str
    label: str
    consequence: str
    possible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PetOption:
    """A pet that may be meant, as one large button."""

    pet_id: str
    name: str
    consequence: str
    possible: bool


def values(sites: Sites, tx: Transaction, item: ReviewItem, visitor: Visitor, looked_for: str) -> dict[str, Any]:
    now = tx.now
    is_open = item.state == "open"
    held_by_another = is_open and answering.claimed_by_another(item, visitor.name, now) is not None
    found = search.search(tx, of(sites, item), looked_for) if looked_for.strip() and item.asks_whose else None
    candidates = {each.client_id for each in item.candidates}
    hits = [] if found is None else [each for each in found.found if each.client_id not in candidates]
    return {
        "item": item,
        "card": card(item, now, visitor),
        "facts": _facts(item),
        "differences": [(each.field, field_words(each.field), *item.values(each)) for each in item.differences],
        "notes": [(each.by, moment(each.at), showing.text(each.text, claims.LONGEST_NOTE)) for each in item.notes],
        "is_open": is_open,
        "answers": is_open and visitor.may(Role.RECEPTION) and not held_by_another,
        "held_by_another": held_by_another,
        "options": [_option(sites, tx, item, each.client_id) for each in item.candidates] if item.asks_whose else [],
        "found": [_option(sites, tx, item, each.client_id, each.client, each.pets) for each in hits],
        "looked_for": showing.text(looked_for, search.LONGEST),
        "more": found is not None and found.more,
        "others": [_other(sites, tx, item, Choice(each)) for each in item.choices if each in _PLAIN]
        if is_open
        else [],
        "registering": answering.registering(item) if is_open else "",
        "by_field": is_open and Choice.FIELDS in item.choices,
        "siblings": [
            (f"{each.id} {answering.seen(each)}", card(each, now, visitor))
            for each in (review.siblings(tx, sites, item) if is_open and item.asks_whose else ())
        ],
        "seen": answering.seen(item),
        "hours": HOURS,
        "later": _later_words(sites, tx, item) if is_open else "",
        "colleagues": _colleagues(tx, item) if is_open else [],
        "became": "" if is_open else showing.sentence(answering.became(item, now)),
        "undo": "" if is_open else undo_words(sites, tx, item.id),
    }


def of(sites: Sites, item: ReviewItem) -> Mapping[str, Any]:
    """The site of a question, for a search among its clients."""
    return {name: site for name, site in sites.items() if name == item.site}


def _option(
    sites: Sites,
    tx: Transaction,
    item: ReviewItem,
    client_id: str,
    client: Person | None = None,
    pets: Sequence[Animal] = (),
) -> Option:
    """A candidate, or somebody who was searched for."""
    asked = next((each for each in item.candidates if each.client_id == client_id), None)
    if asked is not None:
        client, pets = asked.client, asked.pets
    speaks_for, speaks_against = showing.speaking(() if asked is None else asked.evidence)
    which = answering.pet_choices(tx, sites, item, client_id) if item.state == "open" else ()
    consequence, possible = _consequence(
        sites, tx, item, Answer(choice=Choice.LINK, client_id=client_id, pet_id=which[0].id if which else None)
    )
    if which and possible:
        consequence = phrase("Next you say which pet.")
    return Option(
        client_id=showing.text(client_id, LONGEST_ID),
        seen=answering.seen_client(client, pets) if asked is None else "",
        name=showing.named(client)
        if client is not None
        else phrase("Client {number}, no longer known", number=showing.text(client_id, 24)),
        active=client is None or client.active,
        contacts=showing.contacts(client),
        pets=showing.animals(pets),
        speaks_for=speaks_for,
        speaks_against=speaks_against,
        vetoes=() if asked is None else asked.veto_words,
        percent="" if asked is None else showing.percent(asked.score),
        consequence=consequence,
        possible=possible,
        which_pet=bool(which),
    )


def _other(sites: Sites, tx: Transaction, item: ReviewItem, choice: Choice) -> Other:
    consequence, possible = _consequence(sites, tx, item, Answer(choice=choice))
    label = _LABELS_OF.get((item.why, choice)) or _LABELS[choice]
    return Other(choice=choice, label=phrase(label), consequence=consequence, possible=possible)


def pet_options(sites: Sites, tx: Transaction, item: ReviewItem, client_id: str) -> tuple[PetOption, ...]:
    """The client's pets, and last the one that was booked, to be made where the client has none of its name."""
    living = answering.pet_choices(tx, sites, item, client_id)
    found = [(pet.id or "", showing.animal(pet)) for pet in living]
    booked = item.booking.pet if item.booking is not None else None
    if living and booked is not None and booked.name.strip():
        found.append((BOOKED_PET, phrase("{pet}, as booked", pet=showing.animal(booked))))
    options = []
    for pet_id, name in found:
        answer = Answer(choice=Choice.LINK, client_id=client_id, pet_id=pet_id)
        consequence, possible = _consequence(sites, tx, item, answer)
        options.append(PetOption(pet_id=pet_id, name=name, consequence=consequence, possible=possible))
    return tuple(options)


def _consequence(sites: Sites, tx: Transaction, item: ReviewItem, answer: Answer) -> tuple[str, bool]:
    """What an answer would come to, or why it is not possible."""
    if item.state != "open":
        return "", False
    try:
        return answering.propose(tx, sites, item.id, answer).consequence, True
    except CannotAnswer as refusal:
        return phrase("Not possible: {why}.", why=refusal.message), False


def client_name(item: ReviewItem, client_id: str, client: Person | None) -> str:
    asked = next((each.client for each in item.candidates if each.client_id == client_id), None)
    return showing.named(asked or client)


def _colleagues(tx: Transaction, item: ReviewItem) -> list[str]:
    """Who may be asked to answer."""
    names = [each.name for each in staff.members(tx) if may(each.role, Role.RECEPTION)]
    return names if not item.assigned_to or item.assigned_to in names else [*names, item.assigned_to]


def _later_words(sites: Sites, tx: Transaction, item: ReviewItem) -> str:
    return answering.later_words(item, sites, answering.return_at(item, tx.now, None))


def undo_words(sites: Sites, tx: Transaction, number: int) -> str:
    """What taking an answer back would come to; empty where that is not possible."""
    try:
        return answering.undo_consequence(tx, sites, number)
    except CannotAnswer:
        return ""


# -- words --------------------------------------------------------------------------------------------------------


def first_visit(item: ReviewItem) -> datetime | None:
    return item.visit_at if item.held is None else item.held.soonest_visit


def title(item: ReviewItem) -> str:
    """What is asked about, in a line."""
    if item.held is not None:
        return phrases("One change is held back", "{count} changes are held back", item.held.count)
    if item.booking_client is not None and item.kind == Kind.CLIENT:
        return phrase("Client {name}", name=showing.named(item.booking_client))
    if item.booking_pet is not None:
        return phrase("Pet {name}", name=showing.animal(item.booking_pet))
    when = phrase("No time known") if item.visit_at is None else moment(item.visit_at)
    return ", ".join(part for part in (when, showing.what(item.booking or item.pims)) if part)


def card(item: ReviewItem, now: datetime, visitor: Visitor) -> Card:
    visit = first_visit(item)
    booked = item.booking or item.pims
    person = booked.booker if booked is not None else item.booking_client
    pets = item.booking_pets
    if booked is not None and booked.pet is not None:
        pets = (booked.pet,)
    return Card(
        item=item,
        site=item.site,
        title=title(item),
        soon="" if visit is None else ahead(visit, now),
        who="" if person is None else showing.named(person),
        contacts=showing.contacts(person),
        pets=showing.animals(pets),
        why=showing.sentence(showing.text(item.words)),
        waits=showing.sentence(item.waits) if now - item.opened_at >= LONG else "",
        mine=item.claimed_by == visitor.name,
    )


def _facts(item: ReviewItem) -> list[tuple[str, str]]:
    """What both sides say: a word each, and what."""
    booking, pims = phrase("At the booking side"), phrase("In the PIMS")
    facts = []
    if item.booking is not None and item.booking.notes.strip():
        facts.append((phrase("Comment"), showing.text(item.booking.notes)))
    if item.booking is not None and item.pims is not None:
        facts.append((booking, showing.slot(item.booking)))
    if item.pims is not None:
        facts.append((pims, showing.slot(item.pims)))
    facts += [
        (side, ", ".join([showing.named(person), *showing.contacts(person)]))
        for side, person in ((booking, item.booking_client), (pims, item.pims_client))
        if person is not None
    ]
    facts += [
        (side, showing.animal(pet))
        for side, pet in ((booking, item.booking_pet), (pims, item.pims_pet))
        if pet is not None
    ]
    if item.other is not None:
        facts.append((phrase("The time is taken by"), f"{showing.slot(item.other)}, {span(item.other.duration)}"))
    if item.found:
        facts.append((phrase("Stands there as"), ", ".join(showing.text(each, 24) for each in item.found)))
    if item.held is not None:
        facts += [
            (phrases("One change", "{count} changes", count), showing.text(words))
            for words, count in item.held.by_words.items()
        ]
    if item.stands is not None and item.stands.placeholder:
        words = phrase(
            "It stands on the placeholder (appointment {number}, {stamp}): the time is kept.",
            number=showing.text(item.stands.id, 24),
            stamp=showing.text(item.stands.stamp),
        )
        facts.append((pims, words))
    return facts
