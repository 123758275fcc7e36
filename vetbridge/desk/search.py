"""Looks for a client in the mirror, by whatever reception has at hand: phone, e-mail address, name, pet, id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vetbridge.config.models import Site
from vetbridge.core import normalise
from vetbridge.core.matching import Known
from vetbridge.desk.review import Animal, Person, shown_person, shown_pet
from vetbridge.ledger import mirror
from vetbridge.ledger.database import Transaction

MOST = 20
"""Hits: who finds more has to say more."""
LONGEST = 200
"""Characters of what is searched for."""
FEWEST_DIGITS = 4
"""Digits of a phone number's end that say enough to look by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A client that fits, with its pets. Everything here is personal data."""

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
            pets = tuple(shown_pet(pet) for pet in known.pets)
            found[key] = Hit(
                account=account, client_id=known.client_id, by=by, client=shown_person(known.client), pets=pets
            )
    return Hits(found=tuple(found.values()), more=False)


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
