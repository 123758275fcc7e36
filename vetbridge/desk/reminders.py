"""Which services are due, what is said of them where, and why nothing is said of the others. Personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from vetbridge.config.due import due_policy
from vetbridge.config.models import Site
from vetbridge.core.due import DuePolicy, DueService, Held, Standing, standing, told_next
from vetbridge.core.normalise import shown
from vetbridge.core.records import Kind
from vetbridge.desk.language import phrase
from vetbridge.ledger import due, going_live, links, mirror
from vetbridge.ledger.database import Transaction
from vetbridge.ledger.due import Card, Told

LONGEST_NAME = 60
"""Characters of a name that a sentence shows."""
LONGEST_ID = 200
"""Characters of an id that is looked for."""
QUIET = frozenset({Held.COMPLETED, Held.LATER, Held.LONG_AGO})
"""Of these nothing is said because of their day alone: everybody has some."""
BATCH = 200
"""Cards that are looked at before more are asked for."""


class UnknownCard(Exception):
    """No card of a client is linked under this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedService:
    """A service of one pet."""

    pet_id: str
    pet: str
    service: str
    """The PIMS's code of it. Empty: it has none."""
    name: str
    due_on: date
    said: tuple[str, ...]
    """Where it is said: ``card``, ``due-soon``, ``overdue``, ``notice``."""
    held: str | None
    """Why nothing is said of it: one of ``core.due.Held``."""
    told_on: date | None
    """The next day on which its owner is to be told."""
    words: str
    """All of it in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCard:
    """What stands on a card now, as VetBridge has put it there."""

    name: str
    pet: str
    due_on: date | None
    due_soon: bool
    overdue: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedOwner:
    """An owner who has a card."""

    site: str
    account: str
    client_id: str
    """The card's id at the booking side."""
    pims_account: str
    pims_ids: tuple[str, ...]
    """The clients of the PIMS whose card it is."""
    who: str
    card: OnCard
    services: tuple[ListedService, ...]
    """The earliest first."""
    notice_due: bool
    """A notice is to go out now, if the booking side can send one."""
    last_notice_at: datetime | None
    """At the site's own time."""
    last_notice: str
    """``intended``, ``sent``, ``unknown`` or ``not_done``; empty where there was none."""
    last_notice_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Owners, by site and card."""

    owners: tuple[ListedOwner, ...]
    more: bool
    """There are more than were asked for."""
    sites: tuple[str, ...]
    """The sites that were looked at: those that want something done about due services."""
    not_live: tuple[str, ...]
    """Those of them for which nothing is written yet."""
    unread: tuple[str, ...]
    """PIMS accounts that were not read through yet: what is due there is not known."""


def listing(
    tx: Transaction,
    sites: Mapping[str, Site],
    *,
    site: str | None = None,
    client: str | None = None,
    all_: bool = False,
    limit: int = 50,
) -> Listing:
    """Owners of whom anything is said or held back, but for what is completed, far ahead or long ago; or whose card
    says something.

    ``client``: the one with this id, at the booking side or in the PIMS, with all that is not completed; raises
    ``UnknownCard``. ``all_``: all services that are known.
    """
    hidden = frozenset() if all_ else QUIET if client is None else frozenset({Held.COMPLETED})
    looked = {name: policy for name, each in sites.items() if (policy := due_policy(each)) and site in (None, name)}
    found: list[ListedOwner] = []
    for name, policy in looked.items():
        for card in _cards(tx, sites[name], client):
            owner = _owner(tx, card, name, sites[name], policy, hidden)
            if client is not None or owner.services or not _is_blank(owner.card):
                found.append(owner)
            if len(found) > limit:
                break
        if len(found) > limit:
            break
    if client is not None and not found:
        raise UnknownCard
    held_back = going_live.held_back(tx)
    pims = sorted({sites[name].pims.account for name in looked})
    return Listing(
        owners=tuple(found[:limit]),
        more=len(found) > limit,
        sites=tuple(looked),
        not_live=tuple(name for name in looked if name in held_back),
        unread=tuple(account for account in pims if not due.is_read(tx, account)),
    )


def _cards(tx: Transaction, site: Site, client: str | None) -> Iterator[Card]:
    account = site.booking.account
    if client is not None:
        id_ = shown(client, LONGEST_ID)
        of_pims = links.all_of_pims(tx, site.pims.account, Kind.CLIENT, [id_])
        ids = [id_, *(link.booking_id for link in of_pims if link.booking_account == account)]
        yield from filter(None, (due.card(tx, account, each) for each in dict.fromkeys(ids)))
        return
    after = ""
    while True:
        cards = due.cards(tx, account, after=after, most=BATCH)
        yield from cards
        if len(cards) < BATCH:
            return
        after = cards[-1].client_id


def _owner(
    tx: Transaction, card: Card, name: str, site: Site, policy: DuePolicy, hidden: frozenset[Held]
) -> ListedOwner:
    zone = ZoneInfo(site.zone)
    today = tx.now.astimezone(zone).date()
    told = Told(tx, due.cards_of_owners(tx, card))
    since = due.notices_began(tx, name) or today
    now = standing(due.owner_of(tx, card, site.zone), policy, today, told=told, since=since)
    people = mirror.clients(tx, card.pims_account, card.pims_ids)
    names = dict.fromkeys(shown(each.client.full_name, LONGEST_NAME) for each in people)
    last = due.last_notice(tx, card.account, card.client_id)
    last_at = None if last is None else last[0].astimezone(zone)
    return ListedOwner(
        site=name,
        account=card.account,
        client_id=card.client_id,
        pims_account=card.pims_account,
        pims_ids=card.pims_ids,
        who=", ".join(filter(None, names)),
        card=_on_card(card),
        services=tuple(_service(each, now, policy, today, told) for each in now.services if each.held not in hidden),
        notice_due=now.notice is not None,
        last_notice_at=last_at,
        last_notice="" if last is None else last[1],
        last_notice_words="" if last is None or last_at is None else _notice_words(last_at.date(), last[1]),
    )


def _on_card(card: Card) -> OnCard:
    stands = card.shown
    if stands is None or due.is_blank(stands):
        words = phrase("The card says nothing.")
        return OnCard(name="", pet="", due_on=None, due_soon=False, overdue=False, words=words)
    said = []
    named = ", ".join(
        filter(None, [shown(stands.name, LONGEST_NAME), shown(stands.pet_name, LONGEST_NAME), _day(stands.due_on)])
    )
    if named:
        said.append(phrase("The card says: {what}.", what=named))
    if stands.due_soon:
        said.append(phrase("It is marked due soon."))
    if stands.overdue:
        said.append(phrase("It is marked overdue."))
    return OnCard(
        name=stands.name,
        pet=stands.pet_name,
        due_on=stands.due_on,
        due_soon=stands.due_soon,
        overdue=stands.overdue,
        words=" ".join(said),
    )


def _is_blank(card: OnCard) -> bool:
    return not (card.name or card.pet or card.due_on or card.due_soon or card.overdue)


def _service(service: DueService, now: Standing, policy: DuePolicy, today: date, told: Told) -> ListedService:
    said: tuple[str, ...] = ()
    told_on = None
    if service.held is None:
        said = tuple(_said(service, now, policy, today))
        told_on = told_next(service, policy, today, told=told)
    return ListedService(
        pet_id=service.pet_id,
        pet=shown(service.pet_name, LONGEST_NAME),
        service=service.service,
        name=shown(service.name, LONGEST_NAME),
        due_on=service.due_on,
        said=said,
        held=None if service.held is None else service.held.value,
        told_on=told_on,
        words=_words(service, said, told_on, policy),
    )


def _said(service: DueService, now: Standing, policy: DuePolicy, today: date) -> Iterator[str]:
    if service is now.next:
        yield "card"
    if service.due_on < today:
        yield "overdue"
    elif service.due_on <= today + timedelta(days=policy.soon):
        yield "due-soon"
    if now.notice is not None and service in now.notice.services:
        yield "notice"


def _words(service: DueService, said: tuple[str, ...], told_on: date | None, policy: DuePolicy) -> str:
    if service.held is not None:
        return _why(service, service.held, policy)
    words = {
        "card": phrase("The card is to name it."),
        "due-soon": phrase("It counts as due soon."),
        "overdue": phrase("It counts as overdue."),
        "notice": phrase("A notice goes out now if the booking side can send one."),
    }
    sentences = [words[each] for each in said]
    if told_on is not None and "notice" not in said:
        sentences.append(phrase("A notice goes out on {day} if the booking side can send one.", day=_day(told_on)))
    return " ".join(sentences) or phrase("Nothing is said of it yet.")


def _why(service: DueService, held: Held, policy: DuePolicy) -> str:
    code = shown(service.service, LONGEST_NAME)
    looked_at = service.due_on - timedelta(days=policy.ahead)
    return {
        Held.OPTED_OUT: phrase("Held back: the owner wants no messages."),
        Held.CLIENT_INACTIVE: phrase("Held back: the client is inactive in the PIMS."),
        Held.PET_DECEASED: phrase("Held back: the pet is deceased."),
        Held.PET_INACTIVE: phrase("Held back: the pet, or its owner, is inactive in the PIMS."),
        Held.COMPLETED: phrase("Done, or another entry of the same service counts."),
        Held.LATER: phrase("Held back until {day}: it is due too far ahead.", day=_day(looked_at)),
        Held.LONG_AGO: phrase("Held back: overdue for more than {days} days.", days=policy.overdue),
        Held.VISIT: phrase("Held back: the pet has, or had, a visit around that day."),
        Held.NAMELESS: phrase("Held back: it has no name. Give code {code} one in reminders.names.", code=code),
    }[held]


def _notice_words(day: date, state: str) -> str:
    said = _day(day)
    if state == due.SENT:
        return phrase("The last notice was sent on {day}.", day=said)
    if state == due.NOT_DONE:
        return phrase("The last notice, of {day}, was refused by the booking side.", day=said)
    return phrase("The last notice is of {day}; nobody knows whether it got there.", day=said)


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()
