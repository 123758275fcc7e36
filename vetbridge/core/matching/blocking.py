"""Keys by which a booking finds its candidates: two that share none are not compared.

A key joins two things that rarely agree by chance, or is a contact. It is made alike for a booking and for a record.
"""

from __future__ import annotations

from collections.abc import Iterator

from vetbridge.core.matching.forms import Animal, Forms, Person, roots, sound

CONTACT = ("phone:", "email:")
"""How the keys begin that are a contact by themselves."""


def keys(of: Forms) -> frozenset[str]:
    """The keys of a client with its pets, or of a booking."""
    return frozenset(_keys(of))


def home_keys(of: Forms) -> frozenset[str]:
    """The keys that the records of one household share: contacts and the address."""
    return frozenset(key for key in keys(of) if key.startswith((*CONTACT, "house:")))


def contact_keys(of: Forms) -> frozenset[str]:
    """The phones and e-mail addresses among the keys."""
    return frozenset(_contacts(of))


def booking_key(client_id: str) -> str:
    """The key of all for whose pets a client may book: of which she owns a share, or for which she cares."""
    return f"carer:{client_id}"


def _contacts(of: Forms) -> Iterator[str]:
    for number in of.phones:
        yield f"phone:{number}"
    for address in of.emails:
        yield f"email:{address}"


def _keys(of: Forms) -> Iterator[str]:
    yield from _contacts(of)
    for address in of.emails:
        local = address.rsplit("@", 1)[0]
        if len(local) >= 6:
            yield f"local:{local}"
    if of.house and of.postcode:
        yield f"house:{of.postcode}|{of.house}"
    if of.house and of.street and of.city:
        yield f"house:{of.city}|{of.street}|{of.house}"
    for person in of.everybody:
        yield from _person_keys(person, of.postcode)
        for animal in of.animals:
            yield from _joint_keys(person, animal)
    for animal in of.animals:
        for client_id in animal.may_book:
            yield booking_key(client_id)
        pet = _call(animal)
        if not pet:
            continue
        if animal.born:
            yield f"born:{pet}|{animal.born}"
        if of.postcode:
            yield f"home:{pet}|{of.postcode}"
        for other in of.others:
            yield f"pet:{sound(other)[:3]}|{pet}"


def _person_keys(person: Person, postcode: str) -> Iterator[str]:
    family = sound(person.family)
    if family and person.given:
        for given in roots(person.given):
            # In either order: people type them into each other's field.
            yield "name:" + "|".join(sorted((family, sound(given))))
    if family and postcode:
        yield f"near:{family}|{postcode}"


def _joint_keys(person: Person, animal: Animal) -> Iterator[str]:
    pet = _call(animal)
    if not pet:
        return
    if person.family:
        # The beginning alone: a slip in a long name changes its end more often.
        yield f"pet:{sound(person.family)[:3]}|{pet}"
    if person.given:
        for given in roots(person.given):
            yield f"call:{given}|{pet}"


def _call(animal: Animal) -> str:
    """The sound of what the pet is called: of several words the first."""
    return sound(animal.name.partition(" ")[0])
