"""Comparable forms of a client with its pets, and of a booking: made once, compared often.

Folding names and reading phones costs a hundred times more than comparing what comes out, so a client's forms are
made when it is read from its side, kept beside it in the mirror, and only loaded when a booking asks.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import pairwise, starmap
from typing import Any, NamedTuple, Self

from vetbridge.core import normalise
from vetbridge.core.matching import words
from vetbridge.core.records import Client, Pet

_MOST_PEOPLE = 4
_MOST_PETS = 60
_MOST_OTHERS = 12
_MOST_CO_OWNERS = 12
_REMEMBERED = 10_000
"""So many texts are remembered with what came of them: the names of people, pets and places come again and again."""
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""What moves a terminal's cursor or colours it: no part of a name."""
_AND = re.compile(
    r"\s*(?:&|\+|/|\band\b|\bund\b|\ben\b|\bet\b|\boraz\b|\b(?-i:[iy])\b(?=\s+\w{3}))\s*",
    re.IGNORECASE,
)
_REMARK = re.compile(r"\([^()]*\)?|\[[^\[\]]*\]|\{[^{}]*\}|\*.*|--.*|#.*|[\d!?].*")
_PROXY = re.compile(
    r"(?<!\bde )sitter|\bsitting\b|on behalf|\bc/o\b|im auftrag|\bnamens\b|"
    r"(?:^|[\s(,])(?:for|f(?:ü|ue?)r|voor|pour|dla|za) \w|"
    r"\b(?:friend|neighbou?r|daughter|son|carer|walker|freund|nachbar)(?:in)? (?:of|for|von|van)\b|"
    r"['’]s (?:dog|cat|pet|hund|katze|hond|kat)\b",
    re.IGNORECASE,
)
"""What people write when they book for another owner."""
_BEHIND = re.compile(r"[(\[{,;*#]|\s[-–—/]\s|\b(?i:the)\b")
_NO_LETTER = re.compile(r"\W+")
_ASIDE = re.compile(r"\((?:\w+\s+)?(\w{2,})\)")
"""A second person whose given name stands in brackets."""
_DIGITS = re.compile(r"\d+")
_VOWEL_PAIRS = (("ae", "a"), ("oe", "o"), ("ue", "u"), ("aa", "a"))
_SEX_FEMALE = re.compile(r"^(?:f|fn|fs|w|wk|v)\b|female|weib|hue?ndin|spayed|teef|femelle|samica|\bmare\b")
_SEX_MALE = re.compile(r"^(?:m|mn|mc)\b|\bmale|mae?nnl|rue?de|neutered|castrated|\breu\b|samiec|wallach")


class Person(NamedTuple):
    """Somebody on a record, folded. Either name may be empty."""

    given: str
    family: str


class CoOwner(NamedTuple):
    """Somebody who owns the pets too. ``shown`` is safe to show; ``people`` are the ways to read it, folded."""

    shown: str
    people: tuple[Person, ...]


class Animal(NamedTuple):
    """A pet, in comparable forms. ``born`` is the ordinal of its birth date, 0 where nobody knows; ``carer`` the id
    of the client who cares for it beside its owner, empty where nobody does; ``co_owners`` the ids of the clients who
    own a share of it beside its primary owner."""

    id: str
    shown: str
    name: str
    species: str
    breed: str
    sex: str
    born: int
    deceased: bool
    active: bool
    carer: str = ""
    co_owners: tuple[str, ...] = ()

    @property
    def may_book(self) -> tuple[str, ...]:
        """The clients who may book for it beside its primary owner."""
        return (*self.co_owners, *((self.carer,) if self.carer else ()))


class Forms(NamedTuple):
    """A client with its pets, or a booking, in comparable forms.

    ``given`` and ``family`` are safe to show; ``people`` are what they say, folded: a record may name a couple, and a
    whole name in one field may be read in two ways. ``house`` is the house number, ``street`` and ``city`` folded.
    ``registered`` is the ordinal of the day the record was made, 0 where nobody knows. ``proxy``: the name says that
    somebody books for another; ``others`` are the words behind a pet's name, which may name that other.
    """

    client_id: str
    active: bool
    registered: int
    given: str
    family: str
    people: tuple[Person, ...]
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    street: str
    house: str
    postcode: str
    city: str
    proxy: bool
    others: tuple[str, ...]
    animals: tuple[Animal, ...]
    co_owners: tuple[CoOwner, ...] = ()

    @property
    def everybody(self) -> tuple[Person, ...]:
        """The people that the name fields name, and the co-owners."""
        return (*self.people, *(person for one in self.co_owners for person in one.people))

    @property
    def own(self) -> Self:
        """The same without the pets of others."""
        return self._replace(animals=tuple(one for one in self.animals if self.client_id not in one.may_book))

    @classmethod
    def unpacked(cls, packed: Sequence[Any]) -> Self:
        """The forms that JSON kept as nested lists; older ones know of no co-owners, carers and shares."""
        id_, active, registered, given, family, people_, phones, emails, *rest = packed
        street, house, postcode, city, proxy, others, animals, *later = rest
        return cls(
            id_,
            active,
            registered,
            given,
            family,
            tuple(map(Person._make, people_)),
            tuple(phones),
            tuple(emails),
            street,
            house,
            postcode,
            city,
            proxy,
            tuple(others),
            tuple(starmap(_unpacked_animal, animals)),
            tuple(CoOwner(shown, tuple(map(Person._make, read))) for shown, read in (later[0] if later else ())),
        )


def _unpacked_animal(*packed: Any) -> Animal:
    return Animal(*packed[:10], *map(tuple, packed[10:]))


def forms_of(client: Client, pets: Sequence[Pet], country: str) -> Forms:
    """The comparable forms of a client with its pets; a booking's, too: then the ids are empty.

    ``country`` is the site's, an ISO 3166 code, for phones written without a country code. Of more than 60 pets the
    living and newest ones are looked at.
    """
    street, house = _street(client.street)
    animals = sorted((_animal(pet) for pet in pets), key=lambda one: (one.deceased or not one.active, one.id))
    return Forms(
        client_id=client.id or "",
        active=client.active,
        registered=_day(client.registered_on),
        given=normalise.shown(client.given_name),
        family=normalise.shown(client.family_name),
        people=people(client),
        phones=_distinct(number for text in client.phones for number in normalise.phones(text, country)),
        emails=_distinct(address for text in client.emails for address in normalise.emails(text)),
        street=street,
        house=house,
        postcode=normalise.name(client.postcode).replace(" ", ""),
        city=plain(client.city),
        proxy=_is_proxy(f"{client.given_name[: normalise.MAX_NAME]} {client.family_name[: normalise.MAX_NAME]}"),
        others=_distinct(
            word for pet in pets[:_MOST_PETS] for word in _NO_LETTER.split(plain(pet.name))[1:] if len(word) > 2
        )[:_MOST_OTHERS],
        animals=tuple(animals[:_MOST_PETS]),
        co_owners=tuple(_co_owners(client)),
    )


def _is_proxy(name: str) -> bool:
    """Whether a name says that somebody books for another: it says so, or speaks of the animal."""
    said = _NO_LETTER.split(name.casefold())
    of_animal = any(
        one in words.SPECIES and (then in ("of", "von", "od", "from") or (then == "van" and one != "kat"))
        for one, then in pairwise(said)
    )
    return of_animal or bool(_PROXY.search(name))


def people(client: Client) -> tuple[Person, ...]:
    """The people that a client's name fields name, folded; at most four."""
    return tuple(dict.fromkeys(_people(client.given_name, client.family_name)))[:_MOST_PEOPLE]


def named(client: Client) -> tuple[Person, ...]:
    """The same, and the co-owners."""
    return (*people(client), *(person for one in _co_owners(client) for person in one.people))


def _co_owners(client: Client) -> Iterator[CoOwner]:
    if not client.co_owners:
        return
    families = _distinct(person.family for person in people(client) if person.family) or ("",)
    for name in client.co_owners[:_MOST_PEOPLE]:
        read = tuple(dict.fromkeys(_people(name, "")))[:_MOST_PEOPLE]
        if not any(one.given and one.family for one in read):
            read = tuple(Person(one.given, family) for one in read if one.given for family in families)
        if read:
            yield CoOwner(normalise.shown(name), read)


def plain(text: str) -> str:
    """A name folded further than ``normalise.name``: umlauts written out count as written with dots.

    ``Müller``, ``Mueller`` and ``Muller`` are one, and so are ``Åse`` and ``Aase``.
    """
    return _plain(text[: normalise.MAX_NAME])


@functools.lru_cache(maxsize=_REMEMBERED)
def _plain(text: str) -> str:
    folded = normalise.name(text)
    for pair, letter in _VOWEL_PAIRS:
        folded = folded.replace(pair, letter)
    return folded


@functools.lru_cache(maxsize=100_000)
def sound(folded: str) -> str:
    """A key that names of like sound share: ``meier`` and ``mayr``, ``schmidt`` and ``smit``, ``cathryn`` and
    ``katrin``. The consonants in classes, doubles and vowels dropped; a first vowel stays as ``a``."""
    letters = folded.replace(" ", "")
    if not letters:
        return ""
    text = letters.replace("sch", "s").replace("ph", "f").replace("th", "t").replace("ck", "k").replace("x", "ks")
    text = text.replace("ce", "s").replace("ci", "s").replace("cz", "s").replace("sz", "s")
    found = ["a"] if text[0] in "aeiouyhj" else []
    for letter in text:
        kept = _CLASSES.get(letter, letter)
        if kept and (not found or found[-1] != kept):
            found.append(kept)
    return "".join(found)


_CLASSES = {
    **dict.fromkeys("aeiouyhj", ""),
    **dict.fromkeys("vwf", "f"),
    **dict.fromkeys("dt", "t"),
    **dict.fromkeys("sz", "s"),
    **dict.fromkeys("ckqg", "k"),
    **dict.fromkeys("bp", "p"),
}


_GENERATIONS = {
    **dict.fromkeys(("jr", "jnr", "jun", "junior"), "junior"),
    **dict.fromkeys(("sr", "snr", "sen", "senior"), "senior"),
    **{number: number for number in ("ii", "iii", "iv")},
}


def generations(client: Forms) -> frozenset[str]:
    """What tells a parent from a child of one name, who share all else: the names that are compared lack it."""
    said = "".join(each if each.isalpha() else " " for each in f"{client.given} {client.family}".casefold()).split()
    return frozenset(_GENERATIONS[word] for word in said if word in _GENERATIONS)


def roots(given: str) -> frozenset[str]:
    """The names that a given name may be short for; itself where it is short for none."""
    first = given.partition(" ")[0]
    return words.GIVEN_NAMES.get(first) or frozenset({first})


def _people(given: str, family: str) -> Iterator[Person]:
    given, family = given[: normalise.MAX_NAME], family[: normalise.MAX_NAME]
    givens = [_name(part) for part in (*_parts(given), *_ASIDE.findall(given))]
    givens += [_name(part) for part in _ASIDE.findall(family) if givens]
    families = [_name(part) or plain(part) for part in _parts(family)]
    givens, families = [one for one in givens if one], [one for one in families if one]
    if givens and families:
        for place, one in enumerate(givens):
            mine = families[min(place, len(families) - 1)]
            yield Person(one, mine)
            for other in families:
                yield Person(one, other)
        return
    wholes = givens or families
    for whole in wholes:
        if " " not in whole and " " in wholes[-1]:  # "John & Mary Smith"
            yield Person(whole, wholes[-1].rpartition(" ")[2])
            continue
        yield from _split(whole, is_family=bool(families))


def _split(whole: str, *, is_family: bool) -> Iterator[Person]:
    """The ways to read a name that stands in one field."""
    parts = whole.split()
    if len(parts) == 1:
        yield Person("", whole) if is_family else Person(whole, "")
        if not is_family:
            yield Person("", whole)
        return
    particle = next((place for place, word in enumerate(parts) if place and word in words.PARTICLES), len(parts) - 1)
    yield Person(" ".join(parts[:particle]), " ".join(parts[particle:]))
    yield Person(" ".join(parts[1:]), parts[0])
    if 1 < particle < len(parts):
        yield Person(parts[0], " ".join(parts[1:]))


@functools.lru_cache(maxsize=_REMEMBERED)
def _parts(text: str) -> tuple[str, ...]:
    cut = _REMARK.sub(" ", _ESCAPE.sub(" ", text))
    if "," in cut:  # "Smith, John" reads as John Smith; what follows a second comma is a remark
        family, given, *_ = cut.split(",")
        cut = f"{given} {family}" if given.strip() else family
    return tuple(_AND.split(cut)[:_MOST_PEOPLE])


@functools.lru_cache(maxsize=_REMEMBERED)
def _name(text: str) -> str:
    return " ".join(word for word in plain(text).split() if word not in words.NO_NAME)


def _animal(pet: Pet) -> Animal:
    folded = plain(_pet_text(pet.name)) or plain(pet.name)
    return Animal(
        id=pet.id or "",
        shown=normalise.shown(pet.name),
        name=folded,
        species=species(pet.species or ""),
        breed=breed(pet.breed),
        sex=sex(pet.sex or ""),
        born=_day(pet.birth_date),
        deceased=pet.deceased,
        active=pet.active,
        carer=(pet.carer_id or "") if pet.is_cared_for_by(pet.carer_id) else "",
        co_owners=_distinct(id_ for id_ in pet.co_owner_ids if pet.is_shared_by(id_))[:_MOST_CO_OWNERS],
    )


def _pet_text(name: str) -> str:
    """A pet's name without the remark or the breed that somebody put behind it."""
    return _BEHIND.split(name[: normalise.MAX_NAME], maxsplit=1)[0]


def species(text: str) -> str:
    """VetBridge's word for a species in whatever words it stands; empty where they say nothing."""
    return _species(text[: normalise.MAX_NAME])


@functools.lru_cache(maxsize=_REMEMBERED)
def _species(text: str) -> str:
    folded = normalise.name(text)
    known = words.SPECIES.get(folded.replace(" ", "_")) or next(
        (words.SPECIES[one] for one in folded.split() if one in words.SPECIES), ""
    )
    return known or ("" if folded in words.NO_SPECIES else folded)


def breed(text: str) -> str:
    """A breed, folded, by one name for each that has several; a cross says so and keeps the rest."""
    return _breed(text[: normalise.MAX_NAME])


@functools.lru_cache(maxsize=_REMEMBERED)
def _breed(text: str) -> str:
    folded = normalise.name(text)
    return words.BREEDS.get(folded, folded)


def sex(text: str) -> str:
    """``f`` or ``m``, in whatever words it stands; empty where they say nothing."""
    return _sex(text[: normalise.MAX_NAME])


@functools.lru_cache(maxsize=_REMEMBERED)
def _sex(text: str) -> str:
    low = normalise.name(text)
    if _SEX_FEMALE.search(low):
        return "f"
    return "m" if _SEX_MALE.search(low) else ""


def _street(text: str) -> tuple[str, str]:
    folded = plain(text)
    numbers = _DIGITS.findall(folded)
    rest = " ".join(word for word in folded.split() if not word[:1].isdigit())
    for long, short in (("strasse", "str"), ("street", "st"), ("road", "rd"), ("avenue", "ave"), ("straat", "str")):
        rest = rest.replace(long, short)
    return rest.replace(" ", ""), numbers[0] if numbers else ""


def _day(value: date | None) -> int:
    return value.toordinal() if value else 0


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
