"""The questions that wait for a person, with all that it takes to answer them. Everything here is personal data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.config.models import Site
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Pet
from vetbridge.desk.wording import why
from vetbridge.ledger import reports
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.reports import QuestionReport


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
    """Where the visit stands in the PIMS meanwhile."""

    account: str
    id: str
    placeholder: bool
    stamp: str


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
    booking: Visit | None
    candidates: tuple[ShownCandidate, ...]
    change_id: int
    account: str
    remote_id: str
    opened_at: datetime
    stands: Standing | None
    pims: Visit | None
    """The PIMS's own version, where it was changed in both places."""
    fields: tuple[str, ...]
    """Which fields differ then."""
    found: tuple[str, ...]
    """Ids of the records that stand there twice after a lost answer."""


def open_items(tx: Transaction, sites: Mapping[str, Site], *, site: str | None = None) -> tuple[ReviewItem, ...]:
    """Every open question, the soonest visit first; of one site, where one is given."""
    return tuple(
        _item(tx, row, sites.get(row.site)) for row in reports.open_questions(tx) if site is None or row.site == site
    )


def _item(tx: Transaction, row: QuestionReport, site: Site | None) -> ReviewItem:
    asked = row.question
    candidates = _sequence(asked.get("candidates"))
    known = (
        {} if site is None else reports.mirrored(tx, site.pims.account, [each["client_id"] for each in candidates])
    )
    return ReviewItem(
        id=row.id,
        why=row.why,
        words=why(row.why),
        visit_at=_local(row.visit_at, site),
        site=row.site,
        booking=visit(asked.get("booking")),
        candidates=tuple(_candidate(each, known.get(each["client_id"])) for each in candidates),
        change_id=row.change_id,
        account=row.account,
        remote_id=row.remote_id,
        opened_at=row.opened_at,
        stands=None
        if row.link is None
        else Standing(
            account=row.link.pims_account,
            id=row.link.pims_id,
            placeholder=row.link.unlinked,
            stamp=row.link.stamp,
        ),
        pims=visit(asked.get("pims")),
        fields=tuple(_sequence(asked.get("fields"))),
        found=tuple(_sequence(asked.get("ids"))),
    )


def visit(record: object) -> Visit | None:
    """An appointment as people see it; None for anything else."""
    if not isinstance(record, Appointment):
        return None
    return Visit(
        booker=None if record.booker is None else _person(record.booker),
        pet=None if record.booked_pet is None else _animal(record.booked_pet),
        start=record.start,
        duration=record.duration,
        status=record.status.value,
        appointment_type=record.appointment_type,
        resource=record.resource,
        notes=record.notes,
    )


def _candidate(asked: Mapping[str, Any], known: tuple[Client, tuple[Pet, ...]] | None) -> ShownCandidate:
    vetoes = tuple(_sequence(asked.get("vetoes")))
    return ShownCandidate(
        client_id=asked["client_id"],
        pet_id=asked.get("pet_id"),
        score=asked.get("score", 0.0),
        vetoes=vetoes,
        veto_words=tuple(why(veto) for veto in vetoes),
        evidence=tuple(_sequence(asked.get("evidence"))),
        client=None if known is None else _person(known[0]),
        pets=() if known is None else tuple(_animal(pet) for pet in known[1]),
    )


def _person(client: Client) -> Person:
    return Person(
        given_name=client.given_name,
        family_name=client.family_name,
        phones=client.phones,
        emails=client.emails,
        active=client.active,
    )


def _animal(pet: Pet) -> Animal:
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
    return moment if moment is None or site is None else moment.astimezone(ZoneInfo(site.zone))


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, (tuple, list)) else ()
