"""Answers: what each would come to, in words and beforehand; taking one down; and what came of it.

A person's answer is never carried out here: it is written into the ledger, and the running VetBridge, or the next
`vetbridge sync`, does it on fresh facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from vetbridge.config.models import Site
from vetbridge.core import normalise
from vetbridge.core.answers import (
    ADOPT,
    CLIENTS_NOT_MADE,
    COPIED,
    FUSE,
    MANY_ENDED,
    NO_SHOW_AHEAD,
    NOT_SHOWN,
    PAIR_CLIENT,
    PAIR_VISIT,
    PETS_NOT_MADE,
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
from vetbridge.desk import language
from vetbridge.desk.language import phrase, phrases
from vetbridge.desk.review import Animal, Difference, Held, Person, ReviewItem, find_item, shown_person, shown_pet
from vetbridge.desk.wording import ago, field_words, span, species_words, value_words, visit_words, visit_words_inside
from vetbridge.ledger import audit, fuses, going_live, mass_ends, mirror, reports, reviews, worklist
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.endings import PAIR_ENDED
from vetbridge.ledger.tables import ChangeState
from vetbridge.sync.paired import OPEN

LATER = timedelta(hours=4)
"""How long "not now" lasts where nobody says how long; less where the visit is near: see ``postpone``."""

CLAIM = timedelta(minutes=10)
"""How long a question is its own who has claimed it."""

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
        raise CannotAnswer(
            "not-open",
            phrase("item {item} is not open any more: {became}", item=item_id, became=became(item, tx.now)),
        )
    return item


def known_item(tx: Transaction, sites: Mapping[str, Site], item_id: int) -> ReviewItem:
    """The question of this number, open or not. Raises ``CannotAnswer`` where there is none."""
    item = find_item(tx, sites, item_id)
    if item is None:
        raise CannotAnswer(
            "unknown-item",
            phrase("there is no item {item}", item=item_id),
            phrase("`vetbridge review list` shows the open ones."),
        )
    return item


def candidate(item: ReviewItem, number: int) -> str:
    """The client of a candidate by the number that lists show. Raises ``CannotAnswer``."""
    _offered(item, Choice.LINK)
    if not 1 <= number <= len(item.candidates):
        last = len(item.candidates)
        if last > 1:
            has = phrase("item {item} has candidates 1 to {last}", item=item.id, last=last)
        elif last:
            has = phrase("item {item} has one candidate", item=item.id)
        else:
            has = phrase("item {item} has no candidates", item=item.id)
        advice = phrase("`vetbridge review search` finds other clients; give one with --client ID.")
        raise CannotAnswer("unknown-candidate", has, advice)
    return item.candidates[number - 1].client_id


def propose(
    tx: Transaction,
    sites: Mapping[str, Site],
    item_id: int,
    answer: Answer,
    *,
    shown: ReviewItem | None = None,
    seen: str | None = None,
    client_seen: str | None = None,
) -> Proposal:
    """What an answer would come to.

    ``shown`` is the question as the person saw it, where that may be a while ago; ``seen`` is the same by what
    ``seen`` made of it. ``client_seen`` is what ``seen_client`` made of a client who is no candidate of the question.

    Raises ``CannotAnswer`` for an answer that the question does not offer, or that cannot be meant.
    """
    item = answerable(tx, sites, item_id)
    saw = _seen(shown) if shown is not None else seen
    if saw is not None and saw != _seen(item):
        raise _changed_meanwhile(item_id)
    _offered(item, answer.choice)
    if answer.choice is Choice.NEW:
        _must_name_pet(item)
    if answer.choice is Choice.FIELDS:
        _must_name_fields(item, answer)
    if answer.choice is not Choice.LINK:
        return Proposal(item=item, answer=answer, consequence=_consequence(item, answer))
    if client_seen is not None:
        _must_be_as_seen(_found(tx, sites.get(item.site), _id(answer.client_id) or ""), answer, client_seen)
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
            return phrase("Not possible: {why}. {advice}", why=refusal.message, advice=refusal.advice).rstrip()

    others = [Choice(choice) for choice in item.choices if choice != Choice.LINK]
    links = item.candidates if item.asks_whose else ()
    return ShownItem(
        item=item,
        consequences={
            choice.value: _each_field(item) if choice is Choice.FIELDS else words(Answer(choice=choice))
            for choice in others
        },
        candidate_consequences=tuple(words(Answer(choice=Choice.LINK, client_id=each.client_id)) for each in links),
        became="",
    )


def registering(item: ReviewItem) -> str:
    """What to do about somebody new at a PIMS that takes nobody from outside; empty elsewhere."""
    if item.why == PETS_NOT_MADE:
        return phrase("Register the pet in the PIMS, then choose its owner here.")
    if item.why == CLIENTS_NOT_MADE:
        return phrase("Register client and pet in the PIMS, then search for the client here and choose it.")
    if item.asks_whose and Kind.CLIENT in item.unmade:
        return phrase(
            "Is it someone new? Register client and pet in the PIMS, then search for the client here and choose it."
        )
    if item.asks_whose and Kind.PET in item.unmade:
        return phrase("Is the pet new? Register it in the PIMS, then choose its owner here.")
    return ""


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
            phrase(
                "item {item} does not offer '{choice}': it offers {offered}",
                item=item.id,
                choice=choice,
                offered=offered,
            ),
            registering(item) or phrase("Why: {why}.", why=item.words),
        )


def seen(item: ReviewItem) -> str:
    """What a person has to have seen of a question to answer it, as a short digest: a form carries it along, and an
    answer to what has changed meanwhile is not taken."""
    asked = (
        (item.id, item.why, item.visit_at, item.booking, item.pims, item.other, item.differences, item.found),
        (item.booking_client, item.booking_pets, item.pims_client, item.booking_pet, item.pims_pet, item.stands),
        # An id may be somebody else's by now, and a candidate may stand for another of a client's pets.
        tuple((each.client_id, each.pet_id, each.client, each.pets) for each in item.candidates),
        None if item.held is None else item.held.changes,
    )
    return _digest(asked)


_seen = seen  # where an argument bears the name


def seen_client(client: Person | None, pets: Sequence[Animal]) -> str:
    """The same of a client who was searched for: ``seen`` says nothing of one who is no candidate of the question."""
    return _digest((client, sorted(pets, key=lambda pet: pet.id or "")))


def _digest(shown: object) -> str:
    return hashlib.sha256(repr(shown).encode(errors="replace")).hexdigest()[:16]


def _must_be_as_seen(known: Known | None, answer: Answer, client_seen: str) -> None:
    """An id may be somebody else's by now."""
    client = None if known is None else shown_person(known.client)
    if client_seen != seen_client(client, [shown_pet(pet) for pet in known.pets] if known else ()):
        raise CannotAnswer(
            "changed-meanwhile",
            phrase(
                "client {client} has changed meanwhile; search for them again", client=_text(answer.client_id or "")
            ),
        )


def _changed_meanwhile(item_id: int) -> CannotAnswer:
    return CannotAnswer(
        "changed-meanwhile", phrase("item {item} has changed meanwhile; look at it again", item=item_id)
    )


def claimed_by_another(item: ReviewItem, by: str, now: datetime) -> CannotAnswer | None:
    """Why somebody cannot answer a question just now that another has claimed; None where nobody else has."""
    if not item.claimed_by or item.claimed_by == by or item.claimed_until is None:
        return None
    return CannotAnswer(
        "claimed",
        phrase(
            "{name} has been at item {item} for {span}",
            name=_text(item.claimed_by),
            item=item.id,
            span=span((now - (item.claimed_until - CLAIM)).total_seconds()),
        ),
        phrase(
            "It is free again when they leave it, at {moment} at the latest.", moment=f"{item.claimed_until:%H:%M}"
        ),
    )


def _must_name_fields(item: ReviewItem, answer: Answer) -> None:
    """Every field that differs is to be decided upon: half an answer would be a record that nobody wanted."""
    differing = set(item.fields)
    missing = differing - answer.fields.keys()
    unknown = answer.fields.keys() - differing
    if missing or unknown or not set(answer.fields.values()) <= {Choice.BOOKING.value, Choice.PIMS.value}:
        raise CannotAnswer(
            "fields-not-named",
            phrase(
                "say of each field that differs which side is right, booking or pims: {fields}",
                fields=", ".join(_text(name) for name in item.fields),
            ),
        )


def _must_name_pet(item: ReviewItem) -> None:
    """A pet is made by its name and species; a booking that lacks one of them would only be asked about again."""
    missing = "name" if not _booked_name(item) else "species" if not _species(item) else ""
    if missing:
        if missing == "name":
            code, words = "pet-not-named", phrase("the booking does not say the pet's name, so none can be made")
        else:
            code, words = (
                "species-not-named",
                phrase("the booking does not say the pet's species, so none can be made"),
            )
        raise CannotAnswer(code, words, phrase(_ENTER))


def _linked(tx: Transaction, site: Site | None, item: ReviewItem, answer: Answer) -> tuple[Answer, Known | None]:
    """A ``link`` with its pet, where it is clear which one is meant, and the client as the mirror has it."""
    answer = replace(answer, client_id=_id(answer.client_id), pet_id=_id(answer.pet_id))
    if answer.client_id is None:
        raise CannotAnswer("unknown-candidate", phrase("say which client: a candidate's number, or --client ID"))
    stand_in = site.pims.placeholder if site is not None else None
    if stand_in is not None and answer.client_id == stand_in.client:
        raise CannotAnswer(
            "unknown-candidate",
            phrase("client {client} is the site's placeholder", client=_text(answer.client_id)),
        )
    known = _known(tx, site, answer.client_id)
    if item.why == PAIR_CLIENT and known is None:
        raise CannotAnswer(
            "unknown-client",
            phrase("VetBridge has not read a client {client} in the PIMS", client=_text(answer.client_id)),
            phrase("`vetbridge review search` finds clients and their ids."),
        )
    if known is not None and not known.client.active:
        raise CannotAnswer(
            "client-inactive",
            phrase("client {client} is inactive in the PIMS", client=_text(answer.client_id)),
            phrase("Make it active there first; VetBridge sees that when it reads the clients next."),
        )
    if item.why == PAIR_CLIENT:
        if answer.pet_id is not None:
            raise CannotAnswer(
                "pet-not-asked",
                phrase("item {item} asks about a client alone", item=item.id),
                phrase("Leave --pet out."),
            )
        return answer, known
    if answer.pet_id == BOOKED_PET:
        return replace(answer, pet_id=_meant_pet(item, known)), known
    if answer.pet_id is not None:
        if site is not None and all(pet.id != answer.pet_id for pet in (known.pets if known else ())):
            owner = mirror.owner_of(tx, site.pims.account, answer.pet_id)
            if owner is not None and owner != answer.client_id:
                raise CannotAnswer(
                    "unknown-pet",
                    phrase(
                        "pet {pet} belongs to client {owner}, not to {client}",
                        pet=_text(answer.pet_id),
                        owner=_text(owner),
                        client=_text(answer.client_id),
                    ),
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
        words = (
            phrase("the booking names no pet, and the client has several")
            if living
            else phrase("the booking names no pet, and the client has none that is known")
        )
        raise CannotAnswer("pet-not-named", words, phrase(_WHICH_PET))
    if not living and known is not None and not _species(item) and Kind.PET not in item.unmade:
        raise CannotAnswer(
            "species-not-named",
            phrase("the client has no pet of the booked name, and the booking does not say the species to make one"),
            phrase(_WHICH_PET),
        )
    return None


def _living(known: Known | None) -> list[Pet]:
    return [pet for pet in (known.pets if known else ()) if pet.active and not pet.deceased]


def _known(tx: Transaction, site: Site | None, client_id: str) -> Known | None:
    """A client with the pets that may be meant: all for which she may book."""
    found = _found(tx, site, client_id)
    if found is None or site is None:
        return None
    return replace(found, pets=(*found.pets, *mirror.pets_of_others(tx, site.pims.account, client_id)))


def _found(tx: Transaction, site: Site | None, client_id: str) -> Known | None:
    return None if site is None else mirror.client(tx, site.pims.account, client_id)


# -- what it would come to ----------------------------------------------------------------------------------------


def _link_consequence(item: ReviewItem, answer: Answer, known: Known | None) -> str:
    assert answer.client_id is not None  # noqa: S101 - a link without one was refused
    client_id = _text(answer.client_id)
    if item.why == PAIR_CLIENT:
        name = _text(known.client.full_name) if known is not None else ""
        return phrase(
            "{card} at the booking side is {whom} in the PIMS from now on, and later bookings go there. Nothing is "
            "written to either side for it.",
            card=_card(item),
            whom=_client_words(name, client_id),
        )
    pet = next((pet for pet in known.pets if pet.id == answer.pet_id), None) if known and answer.pet_id else None
    if known is None:
        whom = _client_words("", client_id)
    else:
        whom = _client_words(_text(known.client.full_name) or phrase("the client without a name"), client_id)
    if pet is not None:
        whom = phrase("{client}, pet {pet}", client=whom, pet=_pet_words(shown_pet(pet)))
    elif answer.pet_id is not None:
        whom = phrase("{client}, pet {pet}", client=whom, pet=_text(answer.pet_id))
    parts = [_put(item, whom)]
    if answer.pet_id is None:
        booked = _text(_booked_name(item))
        if Kind.PET in item.unmade:
            looked = phrase(
                "{pet} is looked for among the client's pets; where it is not there, you are asked again.", pet=booked
            )
        else:
            looked = phrase(
                "{pet} is looked for among the client's pets, and made where it is not there.", pet=booked
            )
        parts.append(looked)
    if pet is not None and pet.is_cared_for_by(answer.client_id):
        parts.append(
            phrase("The pet belongs to client {owner}: the visit stands there.", owner=_text(pet.client_id or ""))
        )
    return " ".join([*parts, *_minds(item, known, pet)])


def _client_words(name: str, client_id: str) -> str:
    """``Ann Weiss (client 12)``; without a name ``client 12``."""
    if not name:
        return phrase("client {id}", id=client_id)
    return phrase("{name} (client {id})", name=name, id=client_id)


def _minds(item: ReviewItem, known: Known | None, pet: Pet | None) -> list[str]:
    minds = []
    if known is None:
        minds.append(
            phrase(
                "VetBridge has not read this client yet; where the PIMS does not have it, the question comes back."
            )
        )
    if pet is not None:
        if pet.deceased:
            minds.append(phrase("Mind: the pet is deceased."))
        elif not pet.active:
            minds.append(phrase("Mind: the pet is inactive."))
        booked = _species(item)
        if booked and pet.species and booked != pet.species:
            minds.append(
                phrase(
                    "Mind: it was booked as a {booked}, and this is a {species}.",
                    booked=species_words(booked),
                    species=species_words(pet.species),
                )
            )
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
    (NO_SHOW_AHEAD, Choice.PIMS): "{visit} stands, and the mark is taken off at the booking side.",
    (ADOPT, Choice.KEEP): "{visit} stays in the PIMS as it is, and VetBridge leaves it alone.",
    (
        PAIR_VISIT,
        Choice.AGAIN,
    ): "They are two visits: the booking is written to the PIMS, and the visit in the PIMS is carried to the booking "
    "side.",
    (PAIR_VISIT, Choice.KEEP): "Both sides stay as they are, and nothing is carried over; nobody is asked again "
    "until one of them changes.",
    (
        MANY_ENDED,
        Choice.ALLOW,
    ): "They have ended: the next reading takes them out of what VetBridge knows. Nothing is "
    "cancelled by that alone.",
    (PAIR_CLIENT, Choice.KEEP): "It is nobody of these, or nobody can say: the client stays unpaired, and is asked "
    "about again when it books.",
}
"""What an answer comes to, by why it is asked, where that does not hang on the values."""


def _consequence(item: ReviewItem, answer: Answer) -> str:
    choice = answer.choice
    if item.why == FUSE and item.held is not None:
        return _fuse_consequence(item.held, item.site, choice)
    plain = _PLAIN.get((item.why, choice))
    if plain is not None:
        return phrase(plain, visit=_visit(item))
    if item.why == PAIR_VISIT:
        return _one_visit_consequence(item, choice)
    match choice:
        case Choice.NEW:
            return _new_consequence(item)
        case Choice.BOOKING:
            return _booking_consequence(item)
        case Choice.PIMS:
            return _pims_consequence(item)
        case Choice.FIELDS:
            return _fields_consequence(item, answer.fields)
        case Choice.KEEP:
            return phrase("Both sides stay as they are; nobody is asked again until one of them changes.")
        case _:
            return phrase("It is tried again.")


def _fuse_consequence(held: Held, site: str, choice: Choice) -> str:
    named = [
        phrase("{count}x {words}", count=count, words=_text(phrase(words)))
        for words, count in list(held.by_words.items())[:_HELD_WORDS]
    ]
    said = {"site": site, "details": "; ".join(named)}
    if choice is Choice.ALLOW:
        if not held.count:
            return phrase("This lets through nothing that the fuse of site {site} holds back.", site=site)
        return phrases(
            "This lets through the one change that the fuse of site {site} holds back ({details}).",
            "This lets through all {count} changes that the fuse of site {site} holds back ({details}).",
            held.count,
            **said,
        )
    if not held.count:
        return phrase("This drops nothing that the fuse of site {site} holds back.", site=site)
    return phrases(
        "This drops the one change that the fuse of site {site} holds back ({details}): both sides stay as they are, "
        "until somebody changes them anew.",
        "This drops all {count} changes that the fuse of site {site} holds back ({details}): both sides stay as they "
        "are, until somebody changes them anew.",
        held.count,
        **said,
    )


def _one_visit_consequence(item: ReviewItem, choice: Choice) -> str:
    """What it comes to that a booking and a visit are one: its time and its vet or room are brought into line."""
    moved = _changes([each for each in item.differences if each.field in OPEN], choice)
    left = [field_words(each.field) for each in item.differences if each.field not in OPEN]
    if not moved:
        words = phrase("They are one visit, and nothing has to be written.")
    elif choice is Choice.PIMS:
        words = phrase(
            "They are one visit, and the PIMS's time holds: the booking follows: {changes}.", changes=moved
        )
    else:
        words = phrase(
            "They are one visit, and the booking's time holds: the PIMS follows: {changes}.", changes=moved
        )
    if not left:
        return words
    return f"{words} {phrase('As it is on each side stays: {fields}.', fields=', '.join(left))}"


def _new_consequence(item: ReviewItem) -> str:
    booker = item.booking.booker if item.booking is not None else None
    name = _text(_full_name(booker)) if booker is not None else ""
    booked = item.booking.pet if item.booking is not None else None
    pet = _pet_words(booked) if booked is not None and booked.name.strip() else ""
    if name and pet:
        made = phrase("A new client, {name}, with the pet {pet} is made in the PIMS.", name=name, pet=pet)
    elif name:
        made = phrase("A new client, {name}, is made in the PIMS.", name=name)
    elif pet:
        made = phrase("A new client with the pet {pet} is made in the PIMS.", pet=pet)
    else:
        made = phrase("A new client is made in the PIMS.")
    return f"{made} {_put(item, phrase('them'))}"


def _booking_consequence(item: ReviewItem) -> str:
    changes = _changes(item.differences, Choice.BOOKING)
    if item.why == PROPOSAL:
        if not changes:
            return phrase("The PIMS takes over what the booking side says of the {kind}.", kind=phrase(item.kind))
        return phrase(
            "The PIMS takes over what the booking side says of the {kind}: {changes}.",
            kind=phrase(item.kind),
            changes=changes,
        )
    if item.why.startswith("cancelled-here") or item.why in ("cancel-not-allowed", "reopened-there", NO_SHOW_AHEAD):
        return phrase("The booking is right: {visit} is cancelled in the PIMS.", visit=_visit_inside(item))
    if item.why.endswith("-cancelled-there"):
        return phrase(
            "The booking is right: {visit} is made in the PIMS anew, as it was booked.", visit=_visit_inside(item)
        )
    if not changes:
        return phrase("The booking is right: the PIMS follows it.")
    return phrase("The booking is right: the PIMS follows it: {changes}.", changes=changes)


def _pims_consequence(item: ReviewItem) -> str:
    changes = _changes(item.differences, Choice.PIMS)
    if item.why == PROPOSAL:
        if not changes:
            return phrase("The booking side takes over what the PIMS says of the {kind}.", kind=phrase(item.kind))
        return phrase(
            "The booking side takes over what the PIMS says of the {kind}: {changes}.",
            kind=phrase(item.kind),
            changes=changes,
        )
    if item.why.startswith("cancelled-here") or item.why == "cancel-not-allowed":
        return phrase(
            "The PIMS is right: {visit} stays there, and is made anew at the booking side where that takes it.",
            visit=_visit_inside(item),
        )
    if item.why.endswith("-cancelled-there") or item.why in ("counterpart-cancelled", "reopened-here"):
        return phrase("The PIMS is right: {visit} is cancelled at the booking side.", visit=_visit_inside(item))
    if not changes:
        return phrase("The PIMS is right: the booking side follows it.")
    return phrase("The PIMS is right: the booking side follows it: {changes}.", changes=changes)


def _fields_consequence(item: ReviewItem, right: Mapping[str, str]) -> str:
    def taken_over(side: Choice) -> str:
        return _changes([each for each in item.differences if right[each.field] == side.value], side)

    words = []
    if changes := taken_over(Choice.BOOKING):
        words.append(phrase("The PIMS takes over: {changes}.", changes=changes))
    if changes := taken_over(Choice.PIMS):
        words.append(phrase("The booking side takes over: {changes}.", changes=changes))
    return " ".join(words)


def _each_field(item: ReviewItem) -> str:
    """What an answer field by field comes to, before anybody has said it of a field."""
    fields = ", ".join(field_words(name) for name in item.fields)
    return phrase("Each side is right in some of it, and the other side takes that over: {fields}.", fields=fields)


def _changes(differences: Sequence[Difference], wins: Choice) -> str:
    """``time Tue 24 Nov 10:00, not Tue 24 Nov 11:00``; empty where no field is known to differ."""
    words = []
    for each in differences:
        won, lost = (each.booking, each.pims) if wins is Choice.BOOKING else (each.pims, each.booking)
        words.append(
            phrase(
                "{field} {value}, not {other}",
                field=field_words(each.field),
                value=value_words(won),
                other=value_words(lost),
            )
        )
    return "; ".join(words)


def _put(item: ReviewItem, whom: str) -> str:
    """How the visit comes to stand on somebody."""
    visit = _visit(item)
    if item.why == ADOPT:
        return phrase("{visit} stays at its time in the PIMS, and is put on {whom}.", visit=visit, whom=whom)
    if item.stands is None or item.stands.kind != Kind.APPOINTMENT:
        return phrase("{visit} is written to the PIMS, on {whom}.", visit=visit, whom=whom)
    if item.stands.placeholder:
        return phrase("{visit} moves in the PIMS from the placeholder to {whom}.", visit=visit, whom=whom)
    return phrase("{visit} is put in the PIMS on {whom}.", visit=visit, whom=whom)


# -- taking it down -----------------------------------------------------------------------------------------------


def give(
    tx: Transaction,
    sites: Mapping[str, Site],
    item_id: int,
    answer: Answer,
    *,
    by: str,
    via: str = audit.COMMAND,
    shown: ReviewItem | None = None,
    seen: str | None = None,
    client_seen: str | None = None,
    take: bool = False,
) -> Taken:
    """Takes an answer down, for the running VetBridge or the next pass to carry out.

    Raises as ``propose`` does, and ``claimed`` where somebody else has claimed the question, unless ``take`` answers
    it all the same.
    """
    proposal = propose(tx, sites, item_id, answer, shown=shown, seen=seen, client_seen=client_seen)
    _must_be_free(tx, proposal.item, by, take=take)
    row = reviews.item(tx, item_id)
    assert row is not None  # noqa: S101 - it was just read
    change_id = None
    if proposal.item.why == FUSE and proposal.item.record_id is None:
        fuses.answer(tx, row, proposal.answer.choice, by)
    elif proposal.item.why == MANY_ENDED:
        mass_ends.allow(tx, row, by)
    else:
        change = reviews.answer(tx, row, proposal.answer, by)
        change_id = None if change is None else change.id
    _note(tx, Act.ANSWERED, proposal.item, by=by, via=via, says=proposal.answer.choice)
    return Taken(
        item=proposal.item, choice=proposal.answer.choice, consequence=proposal.consequence, change_id=change_id
    )


def alike(first: ReviewItem, other: ReviewItem, answer: Answer) -> Answer:
    """The answer to one question as it stands for another of the same people: the very pet only where the same one
    was booked, by name."""
    if answer.choice is not Choice.LINK or answer.pet_id is None:
        return answer
    names = {normalise.pet_name(_booked_name(each)) for each in (first, other)}
    return answer if len(names) == 1 and "" not in names else replace(answer, pet_id=BOOKED_PET)


def give_all(
    tx: Transaction,
    sites: Mapping[str, Site],
    item_ids: Sequence[int],
    answer: Answer,
    *,
    by: str,
    via: str = audit.COMMAND,
    like: int | None = None,
    seen: Mapping[int, str] | None = None,
    take: bool = False,
) -> tuple[tuple[int, Taken | CannotAnswer], ...]:
    """Takes the same answer down for several questions about the same people (``review.siblings``).

    ``like`` is the question that was answered so, open or not any more; unless given the first of these. Each is
    checked for itself, with the pet that was booked there, and one that is refused leaves the others as they are.
    """
    if not item_ids:
        return ()
    first = known_item(tx, sites, item_ids[0] if like is None else like)
    given: list[tuple[int, Taken | CannotAnswer]] = []
    for item_id in dict.fromkeys(item_ids):
        try:
            own = alike(first, answerable(tx, sites, item_id), answer)
            saw = None if seen is None else seen.get(item_id)
            _must_be_of_its_species(tx, sites, propose(tx, sites, item_id, own, seen=saw))
            given.append((item_id, give(tx, sites, item_id, own, by=by, via=via, seen=saw, take=take)))
        except CannotAnswer as refusal:
            given.append((item_id, refusal))
    return tuple(given)


def _must_be_of_its_species(tx: Transaction, sites: Mapping[str, Site], proposal: Proposal) -> None:
    """Nobody reads of each of several that a dog was booked and a cat is meant: such a one is answered by itself."""
    answer, item = proposal.answer, proposal.item
    if answer.client_id is None or answer.pet_id is None:
        return
    known = _known(tx, sites.get(item.site), answer.client_id)
    pet = next((pet for pet in (known.pets if known else ()) if pet.id == answer.pet_id), None)
    if pet is not None and pet.species and _species(item) and pet.species != _species(item):
        raise CannotAnswer("pet-not-named", phrase("which pet is meant is not said"), phrase(_WHICH_PET))


def _must_be_free(tx: Transaction, item: ReviewItem, by: str, *, take: bool) -> None:
    if not take and (refusal := claimed_by_another(item, by, tx.now)) is not None:
        raise refusal


def _note(tx: Transaction, act: Act, item: ReviewItem, *, by: str, via: str, says: str) -> None:
    audit.note(tx, act, by=by, via=via, subject="review", subject_id=item.id, site=item.site, says=says)


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
    back = language.moment(until if site is None else until.astimezone(ZoneInfo(site.zone)))
    visit = _first_visit(item)
    if visit is not None and visit <= until:
        return phrase(
            "Not now: the question comes back at {moment}. Mind: the visit begins before that.", moment=back
        )
    return phrase("Not now: the question comes back at {moment}.", moment=back)


def postpone(
    tx: Transaction,
    sites: Mapping[str, Site],
    item_id: int,
    hours: float | None,
    *,
    by: str,
    via: str = audit.COMMAND,
    take: bool = False,
) -> datetime:
    """Puts an open question off; returns when it comes back. Raises ``CannotAnswer``, also where somebody else has
    claimed it, unless ``take``."""
    item = answerable(tx, sites, item_id)
    _must_be_free(tx, item, by, take=take)
    row = reviews.item(tx, item_id)
    assert row is not None  # noqa: S101 - it was just read
    until = return_at(item, tx.now, hours)
    reviews.snooze(tx, row, until)
    _note(tx, Act.PUT_OFF, item, by=by, via=via, says="later")
    return until


def undo_consequence(
    tx: Transaction, sites: Mapping[str, Site], item_id: int, *, given_at: datetime | None = None
) -> str:
    """What it would come to if an answer were taken back. Raises ``CannotAnswer`` where that is not possible.

    ``given_at`` is when the answer was given that is meant, where that may be a while ago: a newer one stays.
    """
    item = known_item(tx, sites, item_id)
    if item.state != "answered" or item.given is None:
        state = phrase("nobody has answered it") if item.state == "open" else became(item, tx.now)
        raise CannotAnswer(
            "nothing-to-undo", phrase("item {item} has no answer to take back: {why}", item=item_id, why=state)
        )
    if item.site in going_live.ended(tx):
        raise CannotAnswer(
            PAIR_ENDED,
            phrase("the pair of site {site} has ended: nothing is read or written for it any more", site=item.site),
            phrase("Put the visit on the right client in the PIMS."),
        )
    choice = Choice(item.given.choice)
    if choice is Choice.UNDO:
        raise CannotAnswer(
            "nothing-to-undo", phrase("the answer to item {item} is being taken back already", item=item_id)
        )
    if given_at is not None and item.given.at != given_at:
        raise _changed_meanwhile(item_id)
    if item.given.applied_at is None:
        return phrase("The answer is not carried out yet: it is taken back, and the question is open again.")
    if choice not in (Choice.LINK, Choice.NEW):
        raise CannotAnswer(
            "nothing-to-undo",
            phrase(
                "the answer to item {item} ('{choice}') was carried out, and cannot be taken back",
                item=item_id,
                choice=choice,
            ),
            phrase("Change the visit at the side that is wrong; VetBridge carries that over."),
        )
    if item.visit_at is not None and item.visit_at <= tx.now:
        raise CannotAnswer(
            "visit-has-begun",
            phrase("the visit of item {item} has begun: its answer cannot be taken back any more", item=item_id),
            phrase("Put the visit on the right client in the PIMS."),
        )
    if item.why == PAIR_CLIENT:
        raise CannotAnswer(
            "nothing-to-undo",
            phrase("the answer to item {item} was carried out: the two clients are linked", item=item_id),
            phrase(
                "Nothing was written for it. Where it was wrong, put the next visit on the right owner in the PIMS."
            ),
        )
    words = phrase("{visit} is taken off its client again, and the question is open again.", visit=_visit(item))
    if choice is not Choice.NEW:
        return words
    return f"{words} {phrase('The client and the pet that were made stay in the PIMS.')}"


def undo(
    tx: Transaction,
    sites: Mapping[str, Site],
    item_id: int,
    *,
    by: str,
    via: str = audit.COMMAND,
    given_at: datetime | None = None,
) -> Taken:
    """Takes an answer back. ``given_at``, and what it raises, are as of ``undo_consequence``."""
    consequence = undo_consequence(tx, sites, item_id, given_at=given_at)
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
    _note(tx, Act.TAKEN_BACK, item, by=by, via=via, says=item.given.choice)
    return Taken(item=item, choice=Choice.UNDO, consequence=consequence, change_id=change_id)


# -- what came of it ----------------------------------------------------------------------------------------------


def outcome(tx: Transaction, sites: Mapping[str, Site], taken: Taken) -> Outcome:
    """What has come of an answer so far."""
    item = known_item(tx, sites, taken.item.id)

    def so_far(state: str, message: str, *, settled: bool = True) -> Outcome:
        return Outcome(item=item.id, choice=taken.choice.value, state=state, message=message, settled=settled)

    if item.state == "open":
        if taken.choice is Choice.UNDO:
            return so_far("reopened", phrase("Done: the answer is taken back, and the question is open again."))
        return so_far(
            "reopened",
            phrase("It could not be carried out, and the question is open again: {why}.", why=item.words),
        )
    if item.state == "closed":
        return so_far("closed", phrase("Nobody has to answer it any more: {why}.", why=phrase(item.closed_why)))
    line = None
    if item.record_id is not None:
        line = worklist.standing(tx, item.record_id, worklist.CONTACT if item.why == PROPOSAL else worklist.RELINK)
    by_hand = ""
    if line is not None:
        by_hand = phrase("VetBridge asks staff to change it by hand: work list line {line}.", line=line.id)
    if item.given is not None and item.given.applied_at is not None:
        return so_far("applied", by_hand or _done(tx, sites, item, taken))
    if by_hand:
        return so_far("written-down", by_hand)
    change = None if taken.change_id is None else reports.change(tx, taken.change_id)
    if change is not None and change.state == ChangeState.FAILED:
        return so_far(
            "written-down",
            phrase(
                "It could not be carried out: {code}: {message}.", code=change.code, message=phrase(change.message)
            ),
        )
    if item.site in going_live.held_back(tx) and taken.choice is not Choice.ALLOW:
        return so_far("written-down", _in_shadow(item))
    waits = change.message if change is not None and change.state == ChangeState.WAITING else ""
    return so_far("written-down", phrase("it waits: {why}", why=phrase(waits)) if waits else "", settled=False)


def _in_shadow(item: ReviewItem) -> str:
    """When an answer is carried out whose site nobody has approved yet."""
    if item.why == PAIR_CLIENT:
        return phrase(
            "Written down: the two are linked when both sides are paired next, by `vetbridge sync` or in an hour."
        )
    return phrase("Written down: it is carried out once the site is approved and paired once more.")


def became(item: ReviewItem, now: datetime) -> str:
    """What became of a question that is not open any more, and who answered it."""
    if item.state == "closed" or item.given is None:
        return phrase(item.closed_why or "the facts have answered it")
    given = item.given
    said = {
        "who": _text(given.by) or phrase("somebody"),
        "choice": given.choice,
        "ago": "" if given.at is None else ago(given.at, now),
    }
    if given.applied_at is not None:
        return phrase("{who} answered '{choice}' {ago}", **said).rstrip()
    return phrase("{who} answered '{choice}' {ago}, which is still to be carried out", **said)


def _done(tx: Transaction, sites: Mapping[str, Site], item: ReviewItem, taken: Taken) -> str:
    match taken.choice:
        case Choice.LINK if item.why == PAIR_CLIENT:
            client_id = _text((item.given and item.given.client_id) or "")
            return phrase("Done: {card} is linked with client {client}.", card=_card(item), client=client_id)
        case Choice.AGAIN if item.why == PAIR_VISIT:
            return phrase("Done: they are two visits, and each is carried to the other side.")
        case Choice.LINK | Choice.NEW:
            whom = _on_whom(tx, sites.get(item.site), item, taken.choice)
            return phrase("Done: {visit} now stands on {whom}.", visit=_visit_inside(item), whom=whom)
        case Choice.BOOKING:
            return phrase("Done: the PIMS now follows the booking side.")
        case Choice.PIMS:
            return phrase("Done: the booking side now follows the PIMS.")
        case Choice.FIELDS:
            return phrase("Done: each side has taken over what was said.")
        case Choice.KEEP:
            return phrase("Done: both sides stay as they are.")
        case Choice.ALLOW if item.why == MANY_ENDED:
            return phrase("Done: the next reading believes that they have ended.")
        case Choice.ALLOW:
            return phrase("Done: what the fuse held back goes on now.")
        case Choice.UNDO:
            return phrase("Done: the answer is taken back.")
        case _:
            return phrase("Done: it was tried again.")


def _on_whom(tx: Transaction, site: Site | None, item: ReviewItem, choice: Choice) -> str:
    booked = _text(_booked_name(item))
    if choice is Choice.NEW or item.given is None or item.given.client_id is None:
        booker = item.booking.booker if item.booking is not None else None
        name = "" if booker is None else _text(_full_name(booker))
        whom = phrase("the new client {name}", name=name) if name else phrase("a new client")
    else:
        known = _known(tx, site, item.given.client_id)
        whom = (_text(known.client.full_name) if known is not None else "") or _client_words(
            "", _text(item.given.client_id)
        )
        pet = next((pet for pet in (known.pets if known else ()) if pet.id == item.given.pet_id), None)
        booked = _text(pet.name) if pet is not None else booked
    return phrase("{client}, pet {pet}", client=whom, pet=booked) if booked else whom


# -- words --------------------------------------------------------------------------------------------------------


def _visit(item: ReviewItem) -> str:
    return visit_words(item.visit_at)


def _visit_inside(item: ReviewItem) -> str:
    return visit_words_inside(item.visit_at)


def _card(item: ReviewItem) -> str:
    """The client of the booking side that is asked about, to begin a sentence."""
    name = "" if item.booking_client is None else _text(_full_name(item.booking_client))
    card = _text(item.remote_id)
    return _client_words(name, card) if name else phrase("Client {id}", id=card)


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
    name = _text(pet.name) or phrase("without a name")
    return f"{name} ({', '.join(details)})" if details else name


def _id(text: str | None) -> str | None:
    """An id that somebody typed, as it can stand in a ledger; None where nothing is left of it."""
    return None if text is None else normalise.shown(text, 200) or None


def _text(text: str) -> str:
    """Text from outside, on one line and not endless."""
    return normalise.shown(text, 60)
