"""Who is one person in the PIMS of two branches, and what one branch knows of a pet that counts in the other.

Read in this order: ``fits`` (who may be one person at all), ``counterpart`` (one branch asks the other), ``partner``
(both agree), ``deceased_at`` (what is known of a pet elsewhere).

Pure and deterministic. A false join is worse than a missed one: what the matcher takes for certain is not enough by
itself, as the two records must also bear the same names and share more than these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from vetbridge.core.matching import Clinic, Forms, Match, Verdict, decide, forms_of
from vetbridge.core.matching.comparing import (
    COMMON,
    DIFFERS,
    EXACT,
    MISSING,
    compare,
    family_level,
    given_level,
    pet_level,
)
from vetbridge.core.matching.deciding import common_contacts
from vetbridge.core.matching.forms import Animal, Person, generations, roots
from vetbridge.core.records import Client

VERSION = 2
"""Of these rules: under another one every client is compared anew."""
MOST_ASKED = 12
"""Pets of a client that are asked about, one by one."""

_SURE = 0.99
"""As likely as this it must be that one person is meant."""
_CONTRADICTING = frozenset(
    {
        *("booked-for-another", "contacts-point-apart", "contact-shared", "other-fits-better"),
        *("species-differs", "birth-date-differs", "contacts-contradict", "client-inactive"),
    }
)
"""Reasons of the matcher for which two clients are not joined, whatever else is certain."""
_BY_ITSELF = frozenset({"contact-and-names", "contact-and-family-name", "names-and-pet", "owner-known-pet-not"})
"""Reasons of a link that say who the person is, not only who has the pet."""


class Asked(NamedTuple):
    """What a branch holds for a client of another: whom to compare, how common names are there, and the contacts
    that stand on so many records that they say nothing."""

    candidates: Sequence[Forms]
    clinic: Clinic
    crowded: frozenset[str]


Ask = Callable[[Forms], Asked]
"""Asks one branch for the candidates of a client."""


class Partner(NamedTuple):
    """The client of another branch who is the same person, and how likely that is by the less certain branch."""

    client_id: str
    probability: float


def partner(client: Forms, here: Ask, there: Ask) -> Partner | None:
    """The client of the branch ``there`` who is the same person as this one of ``here``, where both branches, each
    asked for the other's, are certain."""
    asked = there(client)
    found = counterpart(client, asked)
    if found is None:
        return None
    other = next(one for one in asked.candidates if one.client_id == found.client_id)
    back = counterpart(other, here(other))
    if back is None or back.client_id != client.client_id:
        return None
    return Partner(found.client_id, min(found.probability, back.probability))


def counterpart(client: Forms, asked: Asked) -> Partner | None:
    """Whom of the other branch a client certainly is, as this one side sees it.

    The other branch is asked as if the client booked there who says that she never was: once without a pet, and once
    for each of her pets. One answer must be certain, and none may say otherwise. Whether a pet is deceased does not
    matter: a pet that died is the very reason to know.
    """
    if not client.active or client.proxy:
        return None
    fitting = candidates(client, asked)
    if len(fitting) != 1 or not fitting[0].active:
        return None
    chosen = fitting[0].client_id
    known = [_living(one) for one in asked.candidates]
    probability = 0.0
    for booking in _bookings(client):
        match = decide(booking, known, asked.clinic, claims_existing=False, crowded=asked.crowded)
        if _contradicts(match, chosen):
            return None
        if match.verdict is Verdict.LINKED:
            probability = max(probability, match.probability)
    return Partner(chosen, probability) if probability >= _SURE else None


def candidates(client: Forms, asked: Asked) -> tuple[Forms, ...]:
    """Those of the other branch who may be the same person, whatever becomes of it; inactive ones among them only
    where nobody else may."""
    common = asked.crowded | common_contacts(asked.candidates)
    fitting = tuple(one for one in asked.candidates if fits(client, one, common))
    return tuple(one for one in fitting if one.active) or fitting


def fits(one: Forms, other: Forms, common: frozenset[str]) -> bool:
    """Whether two records bear the same names and share what no parent and child of one name would.

    Everybody on one record must be on the other: a couple is not joined with one of the two, nor one with the other.
    ``common`` are contacts that point to nobody.
    """
    if not one.people or not other.people or generations(one) != generations(other):
        return False
    if not (_all_among(one.people, other.people) and _all_among(other.people, one.people)):
        return False
    return _share_what_is_theirs(one, other, common)


def deceased_at(client: Forms, elsewhere: Mapping[str, Sequence[Forms]]) -> dict[str, tuple[str, ...]]:
    """The pets of a client, by id, that are deceased in other branches, with the names of those branches.

    ``elsewhere`` are the records of the same person by branch. A pet is the same where each is the best the other
    record has for its name (the same or a short form), and neither species nor birth date contradicts.
    """
    found: dict[str, list[str]] = {}
    for branch, records in sorted(elsewhere.items()):
        for pet_id in sorted({each for record in records for each in _deceased_on(client, record)}):
            found.setdefault(pet_id, []).append(branch)
    return {pet_id: tuple(branches) for pet_id, branches in found.items()}


def marked(client: Forms, deceased: Mapping[str, object], *, named: bool = True) -> Forms:
    """The client with these pets, by id, deceased.

    ``named``: the booking says which pet is meant. One that does not means the only living one, and no pet is that
    because another died elsewhere: a join may cost a question, and answers none.
    """
    if not any(animal.id in deceased for animal in client.animals):
        return client
    animals = tuple(each._replace(deceased=True) if each.id in deceased else each for each in client.animals)
    if not named and sum(not each.deceased and each.active for each in animals) == 1:
        return client
    return client._replace(animals=animals)


def _contradicts(match: Match, chosen: str) -> bool:
    if match.verdict is Verdict.LINKED:
        return match.client_id != chosen or match.reason not in _BY_ITSELF
    return match.reason in _CONTRADICTING


def _bookings(client: Forms) -> Iterator[Forms]:
    """The client as bookings: without a pet, then for each pet by name."""
    blank = client._replace(client_id="", active=True, registered=0, others=(), animals=())
    yield blank
    named = [animal for animal in client.animals if animal.name]
    for animal in named[:MOST_ASKED]:
        yield blank._replace(animals=(animal._replace(id="", deceased=False, active=True),))


def _living(client: Forms) -> Forms:
    return client._replace(animals=tuple(animal._replace(deceased=False, active=True) for animal in client.animals))


def _all_among(people: Sequence[Person], others: Sequence[Person]) -> bool:
    return all(any(_is_named_like(one, other) for other in others) for one in people)


def _is_named_like(one: Person, other: Person) -> bool:
    """Whether two are called the same, also where a name was typed into the other field; an initial is not enough."""
    return _bear(one.given, one.family, other) or _bear(one.family, one.given, other)


def _bear(given: str, family: str, other: Person) -> bool:
    return family_level(family, other.family) in (EXACT, "part", "near") and _is_same_given(given, other.given)


def _is_same_given(one: str, other: str) -> bool:
    """The same given name, one of several, or a nickname that stands for a single name: Alex may be either of two."""
    level = given_level(one, other)
    if level != "short":
        return level == EXACT
    first, second = one.partition(" ")[0], other.partition(" ")[0]
    mine, theirs = roots(first), roots(second)
    is_plain = all(len(names) == 1 or name in names for name, names in ((first, mine), (second, theirs)))
    return first == second or (is_plain and bool(mine & theirs))


def _share_what_is_theirs(one: Forms, other: Forms, common: frozenset[str]) -> bool:
    """An e-mail address, or a pet with its birth date or breed, or all their phones where neither an e-mail address
    nor the home tells them apart.

    A home and one of its phones are shared by a parent and a child, who may bear one name.
    """
    levels = compare(one._replace(animals=()), other, common)
    if levels.email == EXACT or _share_a_pet(one, other):
        return True
    return (
        levels.phone == EXACT
        and set(one.phones) == set(other.phones)
        and levels.email in (MISSING, COMMON)
        and levels.address in (EXACT, "near", MISSING)
    )


def _share_a_pet(one: Forms, other: Forms) -> bool:
    mine, theirs = ({each for pet in of.animals for each in _marks(pet)} for of in (one, other))
    return bool(mine & theirs)


def _marks(pet: Animal) -> Iterator[tuple[str, object]]:
    """What tells a pet from others of its name, and its owner from others: a pet of several owners does not."""
    if pet.co_owners:
        return
    if pet.name and pet.born:
        yield pet.name, pet.born
    if pet.name and pet.breed:
        yield pet.name, pet.breed


def _deceased_on(client: Forms, record: Forms) -> set[str]:
    """The client's pets, by id, that are on that record and deceased there, whichever of several they are.

    Where one of several is deceased on both records, the others live: one got the name of the one before.
    """
    if not any(other.deceased for other in record.animals):
        return set()
    level = {
        (mine, theirs): _same_pet(animal, other)
        for mine, animal in enumerate(client.animals)
        for theirs, other in enumerate(record.animals)
    }
    here, there = range(len(client.animals)), range(len(record.animals))
    best_there = [_best({theirs: level[mine, theirs] for theirs in there}) for mine in here]
    best_here = [_best({mine: level[mine, theirs] for mine in here}) for theirs in there]
    found = set()
    for mine in here:
        same = [record.animals[theirs] for theirs in best_there[mine] if mine in best_here[theirs]]
        if not same or not all(other.deceased for other in same):
            continue
        alike = [client.animals[each] for theirs in best_there[mine] for each in best_here[theirs]]
        if client.animals[mine].deceased or not any(each.deceased for each in alike):
            found.add(client.animals[mine].id)
    return found


def _best(levels: Mapping[int, str]) -> set[int]:
    """Those of the very name, else of a short form of it."""
    exact = {place for place, level in levels.items() if level == EXACT}
    return exact or {place for place, level in levels.items() if level == "short"}


def _same_pet(one: Animal, other: Animal) -> str:
    """How the names agree; they differ where species or birth date does."""
    name = pet_level(one.name, other.name)
    if name not in (EXACT, "short"):
        return DIFFERS
    levels = compare(_NOBODY._replace(animals=(one,)), _NOBODY._replace(animals=(other,)), frozenset())
    return DIFFERS if DIFFERS in (levels.species, levels.birth_date) else name


_NOBODY = forms_of(Client(), [], "")
