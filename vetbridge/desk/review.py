"""The questions that wait for a person, with all that it takes to answer them. Everything here is personal data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.config.models import Site
from vetbridge.core import finding, normalise, notes
from vetbridge.core.answers import PAIR_CLIENT, PAIR_VISIT, UNMADE, Choice, asks_whose, choices
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Pet
from vetbridge.desk.language import phrase
from vetbridge.desk.titles import APPOINTMENT_TYPE, RESOURCE, Titles
from vetbridge.desk.wording import LONGEST_VALUE, span, value_words, why
from vetbridge.ledger import reports, reviews, subjects
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.reports import ChangeReport, QuestionReport
from vetbridge.ledger.tables import Review
from vetbridge.sync.comparing import client_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A booker, or a client of the PIMS."""

    given_name: str
    family_name: str
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Animal:
    """A booked pet, or a pet of the PIMS."""

    id: str | None
    name: str
    species: str | None
    breed: str
    sex: str | None
    birth_date: date | None
    deceased: bool
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visit as one side has it. ``duration`` is in seconds."""

    booker: Person | None
    pet: Animal | None
    start: Instant
    duration: int
    status: str
    appointment_type: str | None
    resource: str | None
    notes: str
    # Not part of what a person has seen of a question: see ``answering.seen``.
    appointment_type_title: str = field(default="", repr=False)
    """What the clinic itself calls the type; VetBridge's word where no code list says it."""
    resource_title: str = field(default="", repr=False)
    """The same of the vet or the room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCandidate:
    """Somebody who may be meant."""

    client_id: str
    pet_id: str | None
    score: float
    """0 to 1."""
    vetoes: tuple[str, ...]
    veto_words: tuple[str, ...]
    evidence: tuple[Mapping[str, Any], ...]
    """Per field: ``field``, ``here`` (the booking), ``there`` (the record), ``level``, ``weight``, ``words``."""
    client: Person | None
    """As the mirror has it now; None where it has it no more."""
    pets: tuple[Animal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the record stands in the PIMS meanwhile."""

    kind: str
    account: str
    id: str
    placeholder: bool
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that differs, as each side has it; None where that side says nothing."""

    field: str
    booking: Any
    pims: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the fuse of a site holds back."""

    count: int
    by_words: Mapping[str, int]
    """How many wait, by what VetBridge says of them."""
    soonest_visit: datetime | None
    """At the site's own time."""
    changes: tuple[int, ...]
    """Their numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a person answered."""

    choice: str
    client_id: str | None
    pet_id: str | None
    by: str
    at: datetime | None
    applied_at: datetime | None
    """None while it is still to be carried out."""
    fields: Mapping[str, str]
    """Which side is right, ``booking`` or ``pims``, by field, where it was said field by field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNote:
    """What somebody noted about a question."""

    by: str
    at: datetime
    """At the site's own time."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """One question."""

    id: int
    why: str
    words: str
    """``why`` in plain words."""
    visit_at: datetime | None
    """At the site's own time."""
    site: str
    choices: tuple[str, ...]
    """What a person may answer, the most likely first."""
    unmade: tuple[str, ...]
    """The kinds, of client and pet, that the PIMS takes from nobody outside: who is new is registered there first."""
    snoozed_until: datetime | None
    """Somebody said "not now": at the site's own time. None where nobody did, or where that time is over."""
    booking: Visit | None
    candidates: tuple[ShownCandidate, ...]
    change_id: int
    record_id: int | None
    account: str
    kind: str
    """Of the record that is asked about; empty for a question about a whole site."""
    remote_id: str
    opened_at: datetime
    waits: str
    """How long it has waited, in words: ``waits for 2 days``; empty where it is not open."""
    claimed_by: str
    """Who looks at it now; empty where nobody does."""
    claimed_until: datetime | None
    """Until when nobody else is to answer it: at the site's own time. None where that is over."""
    assigned_to: str
    """Who is to answer it; empty: anybody."""
    notes: tuple[ShownNote, ...]
    """What people have noted about it, the oldest first."""
    stands: Standing | None
    pims: Visit | None
    """The PIMS's own version, where it was changed in both places."""
    other: Visit | None
    """The visit that holds the time already."""
    booking_client: Person | None
    """For a question about a client: as the booking side has it, and as the PIMS has it."""
    booking_pets: tuple[Animal, ...]
    """The pets of that client at the booking side, where it is asked who that is in the PIMS."""
    pims_client: Person | None
    """The same in the PIMS, or for two visits that may be one: whose the visit in the PIMS is."""
    booking_pet: Animal | None
    """For a question about a pet, as either side has it."""
    pims_pet: Animal | None
    fields: tuple[str, ...]
    """Which fields differ then."""
    differences: tuple[Difference, ...]
    """The same with both values."""
    found: tuple[str, ...]
    """Ids of the records that stand there twice after a lost answer."""
    held: Held | None
    """For the fuse's question."""
    state: str
    """``open``, ``answered``, ``closed``."""
    dropped: bool
    """It is over, and what was asked is no longer kept (``ledger.keep_bodies_days``)."""
    given: Given | None
    closed_at: datetime | None
    closed_why: str

    @property
    def asks_whose(self) -> bool:
        """Whether somebody has to say on whom a visit belongs."""
        return Choice.LINK in self.choices

    def values(self, difference: Difference) -> tuple[str, str]:
        """What differs, in words: of the booking side, then of the PIMS."""
        return (
            _titled(self.booking, difference.field) or value_words(difference.booking),
            _titled(self.pims, difference.field) or value_words(difference.pims),
        )


def _titled(visit: Visit | None, field: str) -> str:
    """A visit's field as the clinic calls it; empty for what it has no words of its own for."""
    titles = {} if visit is None else {APPOINTMENT_TYPE: visit.appointment_type_title, RESOURCE: visit.resource_title}
    return normalise.shown(titles.get(field, ""), LONGEST_VALUE)


def open_items(
    tx: Transaction, sites: Mapping[str, Site], *, site: str | None = None, pairing: bool | None = None
) -> tuple[ReviewItem, ...]:
    """Every open question, the soonest visit first; of one site, where one is given.

    ``pairing``: only the questions which client of the PIMS somebody is, or all but those; else they come last.
    Each takes some milliseconds: who shows a few lists them by ``reports.open_list``, and asks for ``items``.
    """
    return items(tx, sites, [each.id for each in reports.open_list(tx, site=site, pairing=pairing)])


def items(tx: Transaction, sites: Mapping[str, Site], item_ids: Sequence[int]) -> tuple[ReviewItem, ...]:
    """The questions of these numbers, in this order; those that are gone are left out."""
    kept, noted = reviews.items(tx, item_ids), reviews.notes(tx, item_ids)
    asked = ((kept[each], reports.question(tx, each)) for each in item_ids if each in kept)
    titles = Titles(tx)
    return tuple(
        _item(tx, row, own, noted.get(row.id, ()), sites.get(row.site), titles)
        for own, row in asked
        if row is not None
    )


def find_item(tx: Transaction, sites: Mapping[str, Site], item_id: int) -> ReviewItem | None:
    """The question of this number, open or not; None where there is none."""
    return next(iter(items(tx, sites, [item_id])), None)


def siblings(tx: Transaction, sites: Mapping[str, Site], item: ReviewItem) -> tuple[ReviewItem, ...]:
    """The other open questions whose a visit is that are about the same people, the soonest visit first.

    The same people: one phone or e-mail address in common, and the owner's or the pet's name. A contact alone is no
    proof, as a family or a shelter shares one.
    """
    site = sites.get(item.site)
    country = "" if site is None else site.country
    who = _who(item.booking, country)
    if who is None or not who.contacts:
        return ()
    same = subjects.fitting(tx, [finding.contact_part(who.phones, who.emails)])
    found = set()
    for row in reviews.about_any(tx, item.site, same):
        asked = reviews.question(tx, row) or {}
        if row.id == item.id or row.why == PAIR_CLIENT or not asks_whose(asked):
            continue
        other = _who(_visit(asked.get("booking"), site), country)
        if other is not None and who.contacts & other.contacts and who.names & other.names:
            found.add(row.id)
    if not found:
        return ()
    listed = reports.open_list(tx, site=item.site, pairing=False)
    return items(tx, sites, [each.id for each in listed if each.id in found])


@dataclass(frozen=True, slots=True)
class _Who:
    """By what the people of two bookings are known to be the same."""

    phones: frozenset[str]
    emails: frozenset[str]
    names: frozenset[tuple[str, str]]

    @property
    def contacts(self) -> frozenset[str]:
        return self.phones | self.emails


def _who(booking: Visit | None, country: str) -> _Who | None:
    """None where nobody booked."""
    if booking is None or booking.booker is None:
        return None
    booker = booking.booker
    phones = [number for text in booker.phones for number in normalise.phones(text, country)]
    emails = [address for text in booker.emails for address in normalise.emails(text)]
    named = {
        "owner": normalise.name(f"{booker.given_name} {booker.family_name}"),
        "pet": normalise.pet_name(booking.pet.name) if booking.pet is not None else "",
    }
    return _Who(
        phones=frozenset(phones),
        emails=frozenset(emails),
        names=frozenset((kind, name) for kind, name in named.items() if name),
    )


def _item(
    tx: Transaction,
    row: QuestionReport,
    kept: Review,
    noted: Sequence[reviews.Note],
    site: Site | None,
    titles: Titles,
) -> ReviewItem:
    asked = row.question
    claimed = kept.claimed_until is not None and kept.claimed_until > tx.now
    booking, pims = asked.get("booking"), asked.get("pims")
    fields = tuple(str(name) for name in _sequence(asked.get("fields")))
    candidates = _sequence(asked.get("candidates"))
    unmade = tuple(str(kind) for kind in _sequence(asked.get(UNMADE)))
    known = (
        {} if site is None else reports.mirrored(tx, site.pims.account, [each["client_id"] for each in candidates])
    )
    snoozed = row.snoozed_until if row.snoozed_until is not None and row.snoozed_until > tx.now else None
    pims_client, pims_pet = _whose(tx, site, pims) if row.why == PAIR_VISIT else (pims, pims)
    return ReviewItem(
        id=row.id,
        why=row.why,
        words=_why_words(row),
        visit_at=_local(row.visit_at, site),
        site=row.site,
        choices=tuple(choice.value for choice in choices(row.why, fields, unmade)),
        unmade=unmade,
        snoozed_until=_local(snoozed, site),
        booking=_visit(booking, site, titles),
        candidates=tuple(_candidate(each, known.get(each["client_id"])) for each in candidates),
        change_id=row.change_id,
        record_id=row.record_id,
        account=row.account,
        kind=row.kind,
        remote_id=row.remote_id,
        opened_at=row.opened_at,
        waits=_waits(row, tx.now),
        claimed_by=kept.claimed_by if claimed else "",
        claimed_until=_local(kept.claimed_until, site) if claimed else None,
        assigned_to=kept.assigned_to,
        notes=tuple(ShownNote(by=each.by, at=_at(each.at, site), text=each.text) for each in noted),
        stands=_standing(row),
        pims=_visit(pims, site, titles),
        other=_visit(asked.get("other"), site, titles),
        booking_client=shown_person(booking) if isinstance(booking, Client) else None,
        booking_pets=tuple(shown_pet(pet) for pet in _sequence(asked.get("pets"))),
        pims_client=shown_person(pims_client) if isinstance(pims_client, Client) else None,
        booking_pet=shown_pet(booking) if isinstance(booking, Pet) else None,
        pims_pet=shown_pet(pims_pet) if isinstance(pims_pet, Pet) else None,
        fields=fields,
        differences=tuple(
            Difference(field=name, booking=_value(booking, name, site), pims=_value(pims, name, site))
            for name in fields
        ),
        found=tuple(_sequence(asked.get("ids"))),
        held=_held(row.held, site) if row.record_id is None else None,
        state=row.state,
        dropped=row.dropped,
        given=_given(row, reviews.answer_fields(kept)),
        closed_at=row.closed_at,
        closed_why=row.closed_why,
    )


def _why_words(row: QuestionReport) -> str:
    """Why it is asked, in plain words; of a client also what the matcher has said of it."""
    said = str(row.question.get("words") or "") if row.why == PAIR_CLIENT else ""
    if said:
        return phrase("{why}: {words}", why=why(row.why), words=phrase(said))
    first: Mapping[str, Any] = next(iter(_sequence(row.question.get("candidates"))), {})
    return _veto_words(row.why, first)


def _veto_words(veto: str, asked: Mapping[str, Any]) -> str:
    """What forbids a link, in plain words; of a pet that is deceased in other branches also in which."""
    at = ", ".join(normalise.shown(str(each), LONGEST_VALUE) for each in _sequence(asked.get("deceased_at")))
    return phrase("the pet is deceased at {branch}", branch=at) if veto == "pet-deceased" and at else why(veto)


def _whose(tx: Transaction, site: Site | None, visit: object) -> tuple[Client | None, Pet | None]:
    """The owner and the pet of a visit in the PIMS, as the mirror has them."""
    if site is None or not isinstance(visit, Appointment) or visit.client_id is None:
        return None, None
    known = reports.mirrored(tx, site.pims.account, [visit.client_id]).get(visit.client_id)
    if known is None:
        return None, None
    client, pets = known
    return client, next((pet for pet in pets if pet.id == visit.pet_id), None)


def _standing(row: QuestionReport) -> Standing | None:
    if row.link is None:
        return None
    return Standing(
        kind=row.link.kind,
        account=row.link.pims_account,
        id=row.link.pims_id,
        placeholder=row.link.unlinked,
        stamp=row.link.stamp,
    )


def _waits(row: QuestionReport, now: datetime) -> str:
    if row.state != "open":
        return ""
    return phrase("waits for {span}", span=span((now - row.opened_at).total_seconds()))


def _given(row: QuestionReport, fields: Mapping[str, str]) -> Given | None:
    if not row.answer:
        return None
    return Given(
        choice=row.answer,
        client_id=row.answer_client_id,
        pet_id=row.answer_pet_id,
        by=row.answered_by,
        at=row.answered_at,
        applied_at=row.applied_at,
        fields=fields,
    )


def _held(held: Sequence[ChangeReport], site: Site | None) -> Held:
    by_words: dict[str, int] = {}
    for change in held:
        by_words[change.message] = by_words.get(change.message, 0) + 1
    visits = [change.visit_at for change in held if change.visit_at is not None]
    return Held(
        count=len(held),
        by_words=dict(sorted(by_words.items(), key=lambda each: -each[1])),
        soonest_visit=_local(min(visits, default=None), site),
        changes=tuple(change.id for change in held),
    )


def _value(record: object, name: str, site: Site | None) -> Any:
    """One field of a side's record. Of a visit's notes what VetBridge wrote, and of a client what it is compared by,
    because that is what differs."""
    if isinstance(record, Client) and not hasattr(record, name):
        return client_fields(record, "" if site is None else site.country).get(name)
    value = getattr(record, name, None)
    if name == "notes" and isinstance(value, str) and (block := notes.find(value)) is not None:
        return block[1]
    return value


def _visit(record: object, site: Site | None, titles: Titles | None = None) -> Visit | None:
    """An appointment as people see it; None for anything else."""
    if not isinstance(record, Appointment):
        return None
    said = {APPOINTMENT_TYPE: record.appointment_type, RESOURCE: record.resource}
    called = {name: word or "" if titles is None else titles.title(site, name, word) for name, word in said.items()}
    return Visit(
        booker=None if record.booker is None else shown_person(record.booker),
        pet=None if record.booked_pet is None else shown_pet(record.booked_pet),
        start=record.start,
        duration=record.duration,
        status=record.status.value,
        appointment_type=record.appointment_type,
        resource=record.resource,
        notes=record.notes,
        appointment_type_title=called[APPOINTMENT_TYPE],
        resource_title=called[RESOURCE],
    )


def _candidate(asked: Mapping[str, Any], known: tuple[Client, tuple[Pet, ...]] | None) -> ShownCandidate:
    vetoes = tuple(_sequence(asked.get("vetoes")))
    return ShownCandidate(
        client_id=asked["client_id"],
        pet_id=asked.get("pet_id"),
        score=asked.get("score", 0.0),
        vetoes=vetoes,
        veto_words=tuple(_veto_words(veto, asked) for veto in vetoes),
        evidence=tuple(
            {**each, "words": phrase(str(each.get("words", "")))} for each in _sequence(asked.get("evidence"))
        ),
        client=None if known is None else shown_person(known[0]),
        pets=() if known is None else tuple(shown_pet(pet) for pet in known[1]),
    )


def shown_person(client: Client) -> Person:
    """A client as people see it."""
    return Person(
        given_name=client.given_name,
        family_name=client.family_name,
        phones=client.phones,
        emails=client.emails,
        active=client.active,
    )


def shown_pet(pet: Pet) -> Animal:
    """A pet as people see it."""
    return Animal(
        id=pet.id,
        name=pet.name,
        species=pet.species,
        breed=pet.breed,
        sex=pet.sex,
        birth_date=pet.birth_date,
        deceased=pet.deceased,
        active=pet.active,
    )


def _local(moment: datetime | None, site: Site | None) -> datetime | None:
    return None if moment is None else _at(moment, site)


def _at(moment: datetime, site: Site | None) -> datetime:
    return moment if site is None else moment.astimezone(ZoneInfo(site.zone))


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, (tuple, list)) else ()
