"""A clinic's files as the peers see them: text as written, and the same text folded for comparing.

All peers get phones in E.164 and folded names from VetBridge's own normalising, so that the matching is compared and
not the cleaning. Text is hostile; what cannot be read is empty.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vetbridge.core import normalise

OWNERS, PETS, BOOKINGS = "owners.csv", "patients.csv", "bookings.jsonl"

_YES = frozenset({"true", "1", "yes"})
_MAX_TEXT = 200

_TITLES = frozenset(["mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "fam", "pan", "pani", "mgr"])
_SPECIES = {
    "dog": ("dog", "canine", "k9", "hund", "pies"),
    "cat": ("cat", "feline", "katze", "ktz", "kot"),
    "rabbit": ("rabbit", "kaninchen", "krolik"),
}
_SPECIES_WORDS = {word: species for species, words in _SPECIES.items() for word in words}


@dataclass(frozen=True, slots=True)
class Pet:
    """A patient, or the animal that a booking names. All text but ``written_name`` is folded."""

    id: str
    written_name: str
    name: str
    species: str
    breed: str
    birth_date: str
    deceased: bool


@dataclass(frozen=True, slots=True)
class Person:
    """An owner, or the person who booked. ``written_*`` stand as typed, the rest is folded for comparing."""

    id: str
    written_given: str
    written_family: str
    written_phones: tuple[str, ...]
    written_emails: tuple[str, ...]
    given: str
    family: str
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    street: str
    postcode: str
    city: str
    active: bool = True


@dataclass(slots=True)
class Owner:
    """A client of the clinic with all pets of its record."""

    person: Person
    pets: list[Pet] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Booking:
    """One booking. ``pet`` is None where it names none; ``claims_existing`` is None where it does not say."""

    person: Person
    pet: Pet | None
    claims_existing: bool | None

    @property
    def id(self) -> str:
        """The booking's id."""
        return self.person.id


@dataclass(frozen=True, slots=True)
class Clinic:
    """The records of one clinic; ``country`` (ISO 3166) is for phones written without a country code."""

    country: str
    owners: dict[str, Owner]


def read_clinic(folder: Path, country: str) -> Clinic:
    """The clinic in ``folder``. Raises OSError where a file is missing. Pets of unknown owners are left out."""
    csv.field_size_limit(sys.maxsize)
    owners = {row["owner_id"]: Owner(_person(row["owner_id"], row, country)) for row in _rows(folder / OWNERS)}
    for row in _rows(folder / PETS):
        owner = owners.get(row["owner_id"])
        if owner is not None:
            owner.pets.append(_pet(row["patient_id"], row))
    return Clinic(country, owners)


def read_bookings(folder: Path, country: str) -> Iterator[Booking]:
    """The bookings in ``folder``, in the order of the file."""
    with (folder / BOOKINGS).open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            pet = _pet("", row)
            claims = row.get("claims_existing")
            yield Booking(
                person=_person(str(row["booking_id"]), row, country),
                pet=pet if pet.name else None,
                claims_existing=claims if isinstance(claims, bool) else None,
            )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _person(key: str, row: Mapping[str, Any], country: str) -> Person:
    written_given = _text(row, "first_name") or _text(row, "owner_name")
    written_family = _text(row, "last_name")
    given, family = _given_family(_name(written_given), _name(written_family))
    written_phones = tuple(filter(None, (_text(row, name) for name in ("phone_mobile", "phone_home", "phone"))))
    written_emails = tuple(filter(None, (_text(row, "email"),)))
    return Person(
        id=key,
        written_given=written_given,
        written_family=written_family,
        written_phones=written_phones,
        written_emails=written_emails,
        given=given,
        family=family,
        phones=tuple(dict.fromkeys(one for text in written_phones for one in normalise.phones(text, country))),
        emails=tuple(dict.fromkeys(one for text in written_emails for one in normalise.emails(text))),
        street=normalise.name(_text(row, "street")),
        postcode=normalise.name(_text(row, "postcode")).replace(" ", ""),
        city=normalise.name(_text(row, "city")),
        active=_text(row, "active").casefold() in _YES if "active" in row else True,
    )


def _name(text: str) -> str:
    """Without title and without what stands in brackets."""
    return " ".join(word for word in normalise.pet_name(text).split() if word not in _TITLES)


def _species(text: str) -> str:
    words = normalise.name(text).split()
    return next((_SPECIES_WORDS[word] for word in words if word in _SPECIES_WORDS), " ".join(words))


def _given_family(given: str, family: str) -> tuple[str, str]:
    """A whole name in one field: its last word is the family name."""
    if family or " " not in given:
        return given, family
    first, _, last = given.rpartition(" ")
    return first, last


def _pet(key: str, row: Mapping[str, Any]) -> Pet:
    written = _text(row, "pet_name") if "pet_name" in row else _text(row, "name")
    return Pet(
        id=key,
        written_name=written,
        name=normalise.pet_name(written),
        species=_species(_text(row, "species")),
        breed=normalise.name(_text(row, "breed")),
        birth_date=_text(row, "birth_date")[:10],
        deceased=_text(row, "deceased").casefold() in _YES,
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value[:_MAX_TEXT].strip() if isinstance(value, str) else ""
