"""Looks for a client in the mirror, by whatever reception has at hand: phone, e-mail address, name, pet, id.

Of the same it makes what other records are found by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from vetbridge.config.models import Site
from vetbridge.core import finding, normalise
from vetbridge.core.matching import Known
from vetbridge.core.records import Kind
from vetbridge.desk.review import Animal, Person, shown_person, shown_pet
from vetbridge.ledger import links, mirror
from vetbridge.ledger.database import Transaction

MOST = 20
"""Hits: who finds more has to say more."""
LONGEST = 200
"""Characters of what is searched for."""
FEWEST_DIGITS = finding.FEWEST_DIGITS
"""Digits of a phone number's end that say enough to look by."""
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 1, 1)
"""Days on which a visit can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A client that fits, with all pets for which it may book. Everything here is personal data."""

    account: str
    client_id: str
    by: str
    """What fits: ``contact`` (a whole phone number or e-mail address), ``id``, ``phone`` (its end), ``name``,
    ``pet``."""
    client: Person
    pets: tuple[Animal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What a search found, those that share a whole phone number or e-mail address first."""

    found: tuple[Hit, ...]
    more: bool
    """The search stopped at ``MOST``."""


def search(tx: Transaction, sites: Mapping[str, Site], text: str) -> Hits:
    """Clients of these sites' PIMS accounts that fit ``text``; placeholders are left out.

    A phone is read by the site's country, so ``07700 900123`` finds ``+447700900123``; its last digits do, too. Of a
    name every word has to begin a word of the owner's name or of a pet's.
    """
    text = normalise.shown(text, LONGEST)
    found: dict[tuple[str, str], Hit] = {}
    stand_ins = {
        (site.pims.account, site.pims.placeholder.client)
        for site in sites.values()
        if site.pims.placeholder is not None
    }
    for account, country in {site.pims.account: site.country for site in sites.values()}.items():
        for by, known in _fitting(tx, account, country, text):
            key = (account, known.client_id)
            if key in stand_ins or key in found:
                continue
            if len(found) == MOST:
                return Hits(found=tuple(found.values()), more=True)
            others = mirror.pets_of_others(tx, account, known.client_id)
            pets = tuple(shown_pet(pet) for pet in (*known.pets, *others))
            found[key] = Hit(
                account=account, client_id=known.client_id, by=by, client=shown_person(known.client), pets=pets
            )
    return Hits(found=tuple(found.values()), more=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What records are found by: those that have a key of every part, or any of the ``others``."""

    parts: tuple[finding.Part, ...]
    others: frozenset[str]
    """Keys of the clients and pets in the PIMS that are meant: a visit of the front desk has no other."""


def meant(
    tx: Transaction, sites: Mapping[str, Site], *, text: str = "", phone: str = "", owner: str = "", pet: str = ""
) -> Meant | None:
    """What records are found by that fit all of what is given; None where nothing is given.

    What says too little to look by, such as two digits of a phone, fits nothing. ``text`` may be any of the others,
    or an e-mail address.
    """
    text, phone, owner, pet = (each.strip() for each in (text, phone, owner, pet))
    if not (text or phone or owner or pet):
        return None
    countries = {site.country for site in sites.values()}
    nothing = (finding.Part(),)
    parts: list[finding.Part] = []
    if text:
        parts += finding.keys_for(text, countries) or nothing
    if phone:
        parts.append(finding.phone_part(phone, countries))
    if owner:
        parts += finding.keys_for(owner, countries, pet=False) or nothing
    if pet:
        parts += finding.keys_for(pet, countries, owner=False) or nothing
    return Meant(parts=tuple(parts), others=_in_mirror(tx, sites, text, phone, owner, pet))


def days(sites: Mapping[str, Site], day: date) -> tuple[tuple[str, datetime, datetime], ...]:
    """By site, when a day begins and ends there; nowhere, where no visit can be on it."""
    if not FIRST_DAY <= day <= LAST_DAY:
        return ()  # near the ends of the calendar not even midnight can be said at every place
    return tuple(
        (
            name,
            datetime.combine(day, time(), ZoneInfo(site.zone)),
            datetime.combine(day + timedelta(days=1), time(), ZoneInfo(site.zone)),
        )
        for name, site in sites.items()
    )


def _in_mirror(
    tx: Transaction, sites: Mapping[str, Site], text: str, phone: str, owner: str, pet: str
) -> frozenset[str]:
    """Keys of the clients that fit all that is given; of their fitting pets alone, where it is a pet that fits."""
    hits: dict[tuple[str, str], Hit] | None = None
    for asked, allowed in (
        (text, {"contact", "id", "phone", "name", "pet"}),
        (phone, {"contact", "phone"}),
        (f"{owner} {pet}".strip(), {"pet"} if pet else {"name"}),
    ):
        if asked:
            fits = {(hit.account, hit.client_id): hit for hit in search(tx, sites, asked).found if hit.by in allowed}
            # A hit by the pet says more than one by the phone.
            hits = fits if hits is None else {key: hit for key, hit in fits.items() if key in hits}
    words = normalise.name(f"{text} {pet}" if pet else text).split()
    found: set[str] = set()
    for hit in (hits or {}).values():
        if hit.by != "pet":
            found |= _keys(tx, hit.account, Kind.CLIENT, hit.client_id)
            continue
        for animal in hit.pets:
            called = normalise.pet_name(animal.name).split()
            if animal.id is not None and any(name.startswith(word) for name in called for word in words):
                found |= _keys(tx, hit.account, Kind.PET, animal.id)
    return frozenset(found)


def _keys(tx: Transaction, account: str, kind: Kind, id_: str) -> set[str]:
    """The keys of a client or pet of the PIMS, there and at the booking side."""
    key = finding.client_key if kind is Kind.CLIENT else finding.pet_key
    link = links.of_pims(tx, account, kind, id_)
    return {key(account, id_), *([] if link is None else [key(link.booking_account, link.booking_id)])}


def _fitting(tx: Transaction, account: str, country: str, text: str) -> Iterator[tuple[str, Known]]:
    """Clients that fit, what a key finds first; a client may come twice."""
    keys = [f"phone:{number}" for number in normalise.phones(text, country)]
    keys += [f"email:{address}" for address in normalise.emails(text)]
    for known in mirror.with_contact(tx, account, keys) if keys else ():
        yield "contact", known
    ids = {text, mirror.owner_of(tx, account, text) or text}
    for known in mirror.clients(tx, account, ids):
        yield "id", known
    words = normalise.name(text).split()
    digits = "" if any(letter.isalpha() for letter in text) else "".join(filter(str.isdecimal, text))
    if words:
        for known in mirror.scan(tx, account):
            if by := _fits(known, words, digits):
                yield by, known
            for other in _others_with_a_pet(tx, account, known, words):
                yield "pet", other


def _others_with_a_pet(tx: Transaction, account: str, owner: Known, words: Sequence[str]) -> Iterator[Known]:
    """Who else may book for a client's pets, and fits by name and such a pet."""
    for pet in owner.pets:
        ids = {id_ for id_ in (pet.carer_id, *pet.co_owner_ids) if id_ and id_ != owner.client_id}
        called = normalise.pet_name(pet.name).split()
        if ids and any(_begin([word], called) for word in words):
            for other in mirror.clients(tx, account, ids):
                if _begin(words, [*normalise.name(other.client.full_name).split(), *called]):
                    yield other


def _fits(known: Known, words: Sequence[str], digits: str) -> str:
    """What of a client fits what was typed; empty where nothing does."""
    if len(digits) >= FEWEST_DIGITS:
        # A trunk zero stands in no number that is written with its country code.
        end = digits.lstrip("0") or digits
        phones = ("".join(filter(str.isdecimal, phone)) for phone in known.client.phones)
        if any(phone.endswith(end) for phone in phones):
            return "phone"
    owner = normalise.name(known.client.full_name).split()
    pets = [normalise.pet_name(pet.name).split() for pet in known.pets]
    if _begin(words, owner):
        return "name"
    return "pet" if any(_begin(words, [*owner, *pet]) for pet in pets) else ""


def _begin(words: Sequence[str], names: Sequence[str]) -> bool:
    return all(any(name.startswith(word) for name in names) for word in words)
