"""How pages put people, pets, visits and evidence into words; text from outside on one line, and not endless."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vetbridge.core import normalise
from vetbridge.desk.language import moment, phrase, phrases
from vetbridge.desk.review import Animal, Person, Visit
from vetbridge.desk.wording import species_words

LONGEST = 80
"""Characters of a name that a page shows."""
LONGEST_TEXT = 400
"""Characters of a comment or a note."""
MOST_PETS = 12
"""Pets of one client that a page names: a breeder or a shelter has hundreds."""
MOST_CONTACTS = 5


def text(said: object, most: int = LONGEST_TEXT) -> str:
    """Text from outside, cut to ``most`` characters."""
    return normalise.shown(str(said), most)


def sentence(words: str) -> str:
    """Words with a capital at their beginning."""
    return words[:1].upper() + words[1:]


def named(person: Person | None) -> str:
    """A person's whole name."""
    name = "" if person is None else text(f"{person.given_name} {person.family_name}", LONGEST)
    return name or phrase("(no name)")


def contacts(person: Person | None) -> tuple[str, ...]:
    """Phone numbers, then e-mail addresses."""
    every = () if person is None else (*person.phones, *person.emails)
    return tuple(text(each, LONGEST) for each in every[:MOST_CONTACTS])


def animal(pet: Animal) -> str:
    """A pet's name with what tells it from others: ``Monty (cat, Manx)``."""
    # A breed without a letter is the vendor's number for it: nobody knows it by that.
    breed = pet.breed if any(letter.isalpha() for letter in pet.breed) else ""
    details = [part for part in (species_words(pet.species), text(breed, LONGEST)) if part]
    if pet.deceased:
        details.append(phrase("deceased"))
    elif not pet.active:
        details.append(phrase("inactive"))
    called = text(pet.name, LONGEST) or phrase("(no name)")
    return f"{called} ({', '.join(details)})" if details else called


def animals(pets: Sequence[Animal]) -> str:
    """Pets in one line; of many the first ones, and how many more there are."""
    named = [animal(pet) for pet in pets[:MOST_PETS]]
    if len(pets) > MOST_PETS:
        named.append(phrases("{count} more", "{count} more", len(pets) - MOST_PETS))
    return ", ".join(named)


def what(visit: Visit | None) -> str:
    """What a visit is for, and with whom."""
    said = () if visit is None else (visit.appointment_type_title, visit.resource_title)
    return ", ".join(text(part, LONGEST) for part in said if part)


def slot(visit: Visit) -> str:
    """When a visit is, and what for."""
    return ", ".join(part for part in (moment(visit.start.at_site()), what(visit)) if part)


def speaking(evidence: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What speaks for a candidate, and what against, in words."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for each in evidence:
        if each.get("level") != "missing" and each.get("field") != "prior":
            found[float(each.get("weight") or 0.0) >= 0].append(text(phrase(str(each.get("words", "")))))
    return tuple(found[True]), tuple(found[False])


def percent(score: float) -> str:
    """How sure the matcher is."""
    return f"{100 * score:.0f} %" if score >= 0.01 else phrase("under 1 %")
