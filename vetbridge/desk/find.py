"""Is it in? Looks for a visit by a phone, an owner, a pet or a day, and says how it stands.

Everything here is personal data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from vetbridge.config.chains import branches
from vetbridge.config.models import Site
from vetbridge.core.normalise import shown
from vetbridge.core.records import Appointment, AppointmentStatus, Client, Kind, Pet
from vetbridge.desk.advice import next_step
from vetbridge.desk.language import moment, phrase
from vetbridge.desk.search import days, meant
from vetbridge.desk.titles import APPOINTMENT_TYPE, RESOURCE, Titles
from vetbridge.ledger import chains, mirror, reports, subjects
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.reports import LinkReport
from vetbridge.ledger.subjects import FoundRecord
from vetbridge.ledger.tables import OPEN_STATES, ChangeState

IN, WITHOUT_OWNER, ASKED, FAILED = "in", "without-owner", "asked", "failed"
ON_ITS_WAY, CANCELLED, SKIPPED, PIMS_ALONE = "on-its-way", "cancelled", "skipped", "pims-alone"
"""How a visit may stand (``FoundVisit.state``)."""

LONGEST_NAME = 60
"""Characters of a name that a sentence shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLink:
    """Where a visit stands on both sides."""

    booking_account: str
    booking_id: str
    pims_account: str
    pims_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundVisit:
    """One visit that fits."""

    change_id: int | None
    """The newest change of its record; None where both sides had it when VetBridge came."""
    record_id: int
    site: str
    site_name: str
    account: str
    remote_id: str
    start: datetime | None
    """At the site's own time."""
    who: str
    """Who booked, or for a visit of the front desk its owner; empty where nobody knows."""
    pets: tuple[str, ...]
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    appointment_type: str | None
    resource: str | None
    appointment_type_title: str
    """What the clinic itself calls the type; empty where none is known."""
    resource_title: str
    """The same of the vet or the room."""
    state: str
    """``in``, ``without-owner``, ``asked``, ``failed``, ``on-its-way``, ``cancelled``, ``skipped`` or
    ``pims-alone``."""
    words: str
    """The same in words, with what to do."""
    link: FoundLink | None
    item_id: int | None
    """The open question about it."""
    elsewhere: tuple[str, ...]
    """What other branches of the chain know of its client and pet, in words."""
    changed_at: datetime | None
    """When something last happened to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The soonest visit that is still to come first, then those that are over, the newest first."""

    visits: tuple[FoundVisit, ...]
    more: bool
    """There are more than were asked for."""


def find(
    tx: Transaction,
    sites: Mapping[str, Site],
    text: str = "",
    *,
    phone: str | None = None,
    owner: str | None = None,
    pet: str | None = None,
    day: date | None = None,
    site: str | None = None,
    limit: int = 20,
) -> Found:
    """The visits that fit all that is given; none where nothing is given.

    ``text`` is a phone or its end, an e-mail address, or words of the owner's and the pet's name. ``day`` is a day at
    each site's own time. ``site`` alone is not enough to look by.
    """
    who = meant(tx, sites, text=text, phone=phone or "", owner=owner or "", pet=pet or "")
    if who is None and day is None:
        return Found(visits=(), more=False)
    rows = subjects.find(
        tx,
        None if who is None else who.parts,
        frozenset() if who is None else who.others,
        days=None if day is None else days(sites, day),
        site=site,
        limit=2 * limit + 1,  # a visit may be found on both sides
    )
    found: dict[tuple[str, str], FoundVisit] = {}
    titles = Titles(tx)
    for row in rows:
        link = reports.link_of(tx, row.account, Kind.APPOINTMENT, row.remote_id)
        key = (row.account, row.remote_id) if link is None else (link.booking_account, link.booking_id)
        if key not in found or row.account == key[0]:
            found[key] = _visit(tx, row, link, sites, titles)
    visits = tuple(found.values())
    return Found(visits=visits[:limit], more=len(visits) > limit or len(rows) > 2 * limit)


def _visit(
    tx: Transaction, row: FoundRecord, link: LinkReport | None, sites: Mapping[str, Site], titles: Titles
) -> FoundVisit:
    change, content = row.newest, row.content
    name = change.site if change is not None else link.site if link is not None else ""
    site = sites.get(name)
    booked = content if isinstance(content, Appointment) else None
    client, pet = _in_pims(tx, row, link, booked, site)
    others = {} if site is None else branches(sites, site)
    booker = (booked.booker if booked else None) or client
    animal = (booked.booked_pet if booked else None) or pet
    state, words = _state(row, link, booked, client, pet, site)
    return FoundVisit(
        change_id=None if change is None else change.id,
        record_id=row.record_id,
        site=name,
        site_name=name if site is None else site.name,
        account=row.account,
        remote_id=row.remote_id,
        start=_local(row.visit_at, site),
        who="" if booker is None else shown(booker.full_name, LONGEST_NAME),
        pets=() if animal is None or not animal.name else (shown(animal.name, LONGEST_NAME),),
        phones=() if booker is None else tuple(shown(each, LONGEST_NAME) for each in booker.phones),
        emails=() if booker is None else tuple(shown(each) for each in booker.emails),
        appointment_type=booked.appointment_type if booked else None,
        resource=booked.resource if booked else None,
        appointment_type_title=titles.title(site, APPOINTMENT_TYPE, booked.appointment_type if booked else None),
        resource_title=titles.title(site, RESOURCE, booked.resource if booked else None),
        state=state,
        words=words,
        link=None
        if link is None
        else FoundLink(
            booking_account=link.booking_account,
            booking_id=link.booking_id,
            pims_account=link.pims_account,
            pims_id=link.pims_id,
        ),
        item_id=row.item_id,
        elsewhere=() if site is None or not others else _elsewhere(tx, site.pims.account, others, client, pet),
        changed_at=change.updated_at if change is not None else link.updated_at if link is not None else None,
    )


def _in_pims(
    tx: Transaction, row: FoundRecord, link: LinkReport | None, booked: Appointment | None, site: Site | None
) -> tuple[Client | None, Pet | None]:
    """On whom it stands in the PIMS, as the mirror has them now."""
    if site is None:
        return None, None
    if link is not None:
        client_id, pet_id = reports.stands_on(tx, link.id)
    elif booked is not None and row.account == site.pims.account:
        client_id, pet_id = booked.client_id, booked.pet_id
    else:
        return None, None
    stand_in = site.pims.placeholder
    if client_id is None or (stand_in is not None and stand_in.client == client_id):
        return None, None
    client, pets = reports.mirrored(tx, site.pims.account, [client_id]).get(client_id, (None, ()))
    return client, next((pet for pet in pets if pet.id == pet_id), None)


def _elsewhere(
    tx: Transaction, account: str, others: Mapping[str, str], client: Client | None, pet: Pet | None
) -> tuple[str, ...]:
    """Where else in the chain the client is one, and where the pet is deceased."""
    if client is None or client.id is None:
        return ()
    said = [
        phrase("Also at {branch} (client {number}).", branch=others[at], number=_name(number))
        for at, number in chains.same_person(tx, account, client.id)
        if at in others
    ]
    if said and pet is not None:
        deceased = chains.deceased_elsewhere(tx, account, mirror.comparable(tx, account, [client.id]))
        said += [
            phrase("The pet is deceased at {branch}.", branch=others[at])
            for at in deceased.get(pet.id or "", ())
            if at in others
        ]
    return tuple(said)


def _state(
    row: FoundRecord,
    link: LinkReport | None,
    booked: Appointment | None,
    client: Client | None,
    pet: Pet | None,
    site: Site | None,
) -> tuple[str, str]:
    """How it stands, as a code and in words."""
    change = row.newest
    state = ChangeState.DONE if change is None else change.state
    at_pims = site is not None and row.account == site.pims.account
    if change is not None and state == ChangeState.FAILED:
        words = phrase(
            "Failed: {message}. {next_step}", message=phrase(change.message), next_step=next_step(change.code)
        )
        return FAILED, words
    if row.item_id is not None and link is None and at_pims:
        return ASKED, phrase("In the PIMS alone: waits for an answer to item {item}.", item=row.item_id)
    if row.item_id is not None and link is None:
        return ASKED, phrase("Not in the PIMS yet: waits for an answer to item {item}.", item=row.item_id)
    if booked is not None and booked.status is AppointmentStatus.CANCELLED and state not in OPEN_STATES:
        return CANCELLED, phrase("Cancelled.")
    if link is not None:
        return _linked(row, link, client, pet)
    message = "" if change is None else phrase(change.message)
    if change is not None and state in OPEN_STATES:
        if change.next_at is not None and change.code and state == ChangeState.WAITING:
            at = moment(_local(change.next_at, site) or change.next_at)
            return ON_ITS_WAY, phrase(
                "On its way: waits until {at} ({message}).", at=at, message=phrase(change.message)
            )
        return ON_ITS_WAY, phrase("On its way to the other side.")
    if at_pims:
        if client is None:
            return PIMS_ALONE, phrase("In the PIMS alone: {message}.", message=message)
        return PIMS_ALONE, phrase(
            "In the PIMS alone, on {client}: {message}.", client=_name(client.full_name), message=message
        )
    return SKIPPED, phrase("Not carried over: {message}.", message=message)


def _linked(row: FoundRecord, link: LinkReport, client: Client | None, pet: Pet | None) -> tuple[str, str]:
    if link.unlinked and row.item_id is not None:
        return WITHOUT_OWNER, phrase(
            "In the PIMS without its owner: waits for an answer to item {item}.", item=row.item_id
        )
    if link.unlinked:
        return WITHOUT_OWNER, phrase("In the PIMS without its owner.")
    said = {
        "client": "" if client is None else _name(client.full_name),
        "pet": "" if pet is None else _name(pet.name),
    }
    if row.item_id is not None:
        return IN, phrase("In the PIMS; a question about it waits for an answer: item {item}.", item=row.item_id)
    if row.newest is not None and row.newest.state in OPEN_STATES:
        return IN, phrase("In the PIMS; what has changed since is on its way.")
    if not said["client"]:
        return IN, phrase("In the PIMS.")
    if not said["pet"]:
        return IN, phrase("In the PIMS on {client}.", client=said["client"])
    return IN, phrase("In the PIMS on {client}, pet {pet}.", **said)


def _name(text: str) -> str:
    return shown(text, LONGEST_NAME)


def _local(at: datetime | None, site: Site | None) -> datetime | None:
    return at if at is None or site is None else at.astimezone(ZoneInfo(site.zone))
