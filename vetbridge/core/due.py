"""Which services are due, and what is said of them where: on the owner's card, by marks for the clinic's campaigns,
and in a notice.

Pure: what is known of one owner and the policy in, a standing out. A day is a day by the site's clock.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from vetbridge.core.normalise import name as folded
from vetbridge.core.normalise import shown
from vetbridge.core.records import Pet, Reminder, Vaccination

LONGEST_NAME = 100
"""Characters of a pet's or a service's name that owners are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePolicy:
    """What a site says about due services; docs/configuration.md explains each. Spans are in days."""

    ahead: int = 183
    soon: int = 30
    overdue: int = 365
    card_overdue: bool = False
    merge: int = 30
    visit_before: int = 30
    visit_after: int = 60
    exempt_types: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    notice_days: tuple[int, ...] = ()
    """Days from the day a service is due, in order, on which its owner is told; none: nobody is sent a notice."""
    notice_late: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PetVisit:
    """A visit of a pet that stands: neither cancelled nor missed."""

    pet_id: str
    day: date
    appointment_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What is known of one owner: of one or several clients of a PIMS who share a card of the booking side."""

    pets: tuple[Pet, ...]
    vaccinations: tuple[Vaccination, ...] = ()
    reminders: tuple[Reminder, ...] = ()
    visits: tuple[PetVisit, ...] = ()
    active: bool = True
    opted_out: bool = False


class Held(StrEnum):
    """Why a service that is due says nothing."""

    OPTED_OUT = "opted-out"
    CLIENT_INACTIVE = "client-inactive"
    PET_DECEASED = "pet-deceased"
    PET_INACTIVE = "pet-inactive"
    COMPLETED = "completed"
    """It was given, or another entry of the same service counts."""
    LATER = "later"
    """It is due further ahead than is looked."""
    LONG_AGO = "long-ago"
    """It has been overdue for too long."""
    VISIT = "visit-booked"
    """The pet has, or had, a visit around the day on which it is due."""
    NAMELESS = "nameless"
    """The PIMS tells nothing but a code, and the site has no name for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueService:
    """A service that is due for one pet. ``held`` says why nothing is said of it; None: it counts."""

    pet_id: str
    pet_name: str
    service: str
    """The PIMS's code of it. Empty: it has none."""
    name: str
    """What it is called to the owner, on one line; empty where it has no name."""
    due_on: date
    held: Held | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotice:
    """One message to one owner: of every service that has a told day now, and of those that go along."""

    keys: tuple[str, ...]
    """What it settles, and no key twice: each is for one service of one pet, the day on which it is due and one of
    ``notice_days``. Whoever sends the notice keeps them all, and gives them back as ``told``."""
    services: tuple[DueService, ...]
    """The earliest first."""
    day: date
    """The earliest of the told days it is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What holds for an owner on one day."""

    services: tuple[DueService, ...]
    """All that are known, those that are held back too: by day, then by pet and name."""
    next: DueService | None
    """What the card names."""
    due_soon: bool
    overdue: bool
    notice: DueNotice | None


def standing(
    owner: Owner, policy: DuePolicy, today: date, *, told: Container[str] = (), since: date | None = None
) -> Standing:
    """What holds for an owner today.

    Of one pet and one service one entry counts at the most, and all others are held back as completed. A vaccination
    is out once a later one of the same service was given, a reminder once its service was given on or after the first
    day of its ``visit_before``. Of what is left the one that is due last counts, because a PIMS that opens the next
    reminder often leaves the old one open; and not even that where a reminder that the PIMS calls completed is due no
    earlier. A service is the same by its code, or where it has none by its name; codes that ``names`` calls the same
    are one service.

    ``told``: the keys of the notices that were sent, or may have been; nothing but ``in`` is asked of it. ``since``:
    told days before that day are nobody's, such as those before a site began to send notices.
    """
    services = tuple(_services(owner, policy, today))
    counted = [each for each in services if each.held is None]
    named = [each for each in counted if policy.card_overdue or each.due_on >= today]
    return Standing(
        services=services,
        next=named[0] if named else None,
        due_soon=any(0 <= _days(today, each.due_on) <= policy.soon for each in counted),
        overdue=any(each.due_on < today for each in counted),
        notice=_notice(counted, policy, today, told, since),
    )


def told_next(service: DueService, policy: DuePolicy, today: date, *, told: Container[str] = ()) -> date | None:
    """The first of its told days after today on which an owner is to be told of a service that counts; None: there is
    none."""
    now, due = today.toordinal(), service.due_on.toordinal()
    days = [due + offset for offset in policy.notice_days if due + offset > now and _key(service, offset) not in told]
    return date.fromordinal(min(days)) if days and min(days) <= date.max.toordinal() else None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A vaccination or a reminder as it counts."""

    service: str
    name: str
    due_on: date
    done: bool


def _services(owner: Owner, policy: DuePolicy, today: date) -> list[DueService]:
    vaccinations: dict[tuple[str, str], list[Vaccination]] = {}
    reminders: dict[tuple[str, str], list[Reminder]] = {}
    for vaccination in owner.vaccinations:
        if vaccination.active and vaccination.pet_id is not None:
            key = (vaccination.pet_id, _same(policy, vaccination.service, vaccination.name))
            vaccinations.setdefault(key, []).append(vaccination)
    for reminder in owner.reminders:
        if reminder.active and reminder.pet_id is not None:
            key = (reminder.pet_id, _same(policy, reminder.service, reminder.name))
            reminders.setdefault(key, []).append(reminder)
    pets = {pet.id: pet for pet in owner.pets}
    visits: dict[str, list[PetVisit]] = {}
    for visit in owner.visits:
        visits.setdefault(visit.pet_id, []).append(visit)
    found = []
    for key in vaccinations.keys() | reminders.keys():
        pet_id, service = key
        pet = pets.get(pet_id)
        if pet is None or not service:
            continue
        given = vaccinations.get(key, [])
        last_given = max((each.given_on for each in given if each.given_on is not None), default=date.min)
        days = _holding(visits.get(pet_id, []), policy, last_given)
        for entry in _entries(given, reminders.get(key, []), policy, last_given):
            held = _held(owner, pet, policy) or _held_today(entry, policy, days, today)
            found.append(
                DueService(
                    pet_id=pet_id,
                    pet_name=shown(pet.name, LONGEST_NAME),
                    service=entry.service,
                    name=_called(policy, entry.service, entry.name),
                    due_on=entry.due_on,
                    held=held,
                )
            )
    return sorted(found, key=_order)


def _entries(
    given: Sequence[Vaccination], reminders: Sequence[Reminder], policy: DuePolicy, last_given: date
) -> list[_Entry]:
    """All of one service of one pet that have a day; one is not done at the most."""
    newest = max(given, key=_given_order, default=None)
    closed = max((each.due_on for each in reminders if each.completed and each.due_on is not None), default=None)

    def open_(due_on: date) -> bool:
        return closed is None or due_on > closed

    def given_since(due_on: date) -> bool:
        return _days(last_given, due_on) <= policy.visit_before

    known: list[tuple[Vaccination | Reminder, date, bool]] = [
        (each, each.due_on, each is newest and open_(each.due_on)) for each in given if each.due_on is not None
    ]
    known += [
        (each, each.due_on, open_(each.due_on) and not given_since(each.due_on))
        for each in reminders
        if each.due_on is not None
    ]
    counts = max(
        (each for each, _, may_count in known if may_count),
        key=lambda each: (each.due_on or date.min, isinstance(each, Reminder), _id_order(each.id)),
        default=None,
    )
    return [_Entry(each.service, each.name, due_on, each is not counts) for each, due_on, _ in known]


def _holding(visits: Sequence[PetVisit], policy: DuePolicy, last_given: date) -> list[date]:
    """The days of a pet's visits that may hold a service back: one at which it was given, or before, does not."""
    return [
        visit.day for visit in visits if visit.day > last_given and visit.appointment_type not in policy.exempt_types
    ]


def _held(owner: Owner, pet: Pet, policy: DuePolicy) -> Held | None:
    """Why nothing is ever said of a pet's services."""
    if owner.opted_out:
        return Held.OPTED_OUT
    if not owner.active:
        return Held.CLIENT_INACTIVE
    if pet.deceased:
        return Held.PET_DECEASED
    return None if pet.active else Held.PET_INACTIVE


def _held_today(entry: _Entry, policy: DuePolicy, visits: Sequence[date], today: date) -> Held | None:
    """Why nothing is said of one service today."""
    ahead = _days(today, entry.due_on)
    if entry.done:
        return Held.COMPLETED
    if ahead > policy.ahead:
        return Held.LATER
    if -ahead > policy.overdue:
        return Held.LONG_AGO
    near = any(-policy.visit_before <= _days(entry.due_on, day) <= policy.visit_after for day in visits)
    if near and not _always(entry, policy):
        return Held.VISIT
    return None if _called(policy, entry.service, entry.name) else Held.NAMELESS


def _always(entry: _Entry, policy: DuePolicy) -> bool:
    names = {folded(entry.name), folded(_called(policy, entry.service, entry.name))} - {""}
    return entry.service in policy.always or any(folded(each) in names for each in policy.always)


def _notice(
    counted: Sequence[DueService], policy: DuePolicy, today: date, told: Container[str], since: date | None
) -> DueNotice | None:
    """Whatever has a told day now goes into one message, each with the services that are due around it."""
    begun = [
        (each, offset)
        for each in counted
        for offset in policy.notice_days
        if 0 <= _days(each.due_on, today) - offset <= policy.notice_late
        and (since is None or _days(each.due_on, since) <= offset)
        and _key(each, offset) not in told
    ]
    if not begun:
        return None
    settled = [
        (each, offset)
        for reason, offset in begun
        for each in counted
        if abs(_days(reason.due_on, each.due_on)) <= policy.merge
    ]
    keys = dict.fromkeys(_key(each, offset) for each, offset in settled)
    named = {id(each) for each, _ in settled}
    return DueNotice(
        keys=tuple(key for key in keys if key not in told),
        services=tuple(each for each in counted if id(each) in named),
        day=date.fromordinal(min(each.due_on.toordinal() + offset for each, offset in begun)),
    )


def _key(service: DueService, offset: int) -> str:
    same = service.service or folded(service.name)
    return json.dumps([service.pet_id, same, service.due_on.isoformat(), offset])


def _same(policy: DuePolicy, service: str, name: str) -> str:
    """What tells a service from the pet's other ones; empty where it has neither code nor name."""
    return folded(policy.names.get(service, "")) or service or folded(name)


def _called(policy: DuePolicy, service: str, name: str) -> str:
    return shown(policy.names.get(service) or name, LONGEST_NAME)


def _order(service: DueService) -> tuple[object, ...]:
    return (
        service.due_on,
        service.pet_name,
        service.name,
        service.pet_id,
        service.service,
        service.held is not None,
        service.held or "",
    )


def _given_order(vaccination: Vaccination) -> tuple[object, ...]:
    """Orders one pet's vaccinations of one service: what was given on a day that nobody knows came first."""
    return (vaccination.given_on or date.min, _id_order(vaccination.id))


def _id_order(id_: str | None) -> tuple[int, int, str]:
    """Orders ids: as numbers where they are some, and before all others."""
    text = id_ or ""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 30 else None
    return (0, number, text) if number is not None else (1, 0, text)


def _days(start: date, end: date) -> int:
    return end.toordinal() - start.toordinal()
