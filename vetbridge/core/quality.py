"""What is amiss in the clients and pets that a side holds: found and named, never mended.

Pure: a record in, findings out, whatever the order of records, phones or pets. ``name`` and ``value`` of a finding
are personal; its code, its ids and ``why`` are not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import phonenumbers

from vetbridge.core import normalise
from vetbridge.core.matching import Forms
from vetbridge.core.matching.comparing import EXACT, compare
from vetbridge.core.records import Client, Kind, Pet


class Flaw(StrEnum):
    """Everything that is looked for."""

    PHONE_MISSING = "phone-missing"
    PHONE_BAD = "phone-bad"
    PHONE_DOUBTFUL = "phone-doubtful"
    PHONE_SHARED = "phone-shared"
    EMAIL_MISSING = "email-missing"
    EMAIL_BAD = "email-bad"
    EMAIL_PLACEHOLDER = "email-placeholder"
    EMAIL_SHARED = "email-shared"
    CLIENT_TWICE = "client-twice"
    CLIENT_WITHOUT_PETS = "client-without-pets"
    CLIENT_INACTIVE_VISIT = "client-inactive-visit"
    PET_WITHOUT_OWNER = "pet-without-owner"
    PET_DECEASED_VISIT = "pet-deceased-visit"
    VET_TWO_BRANCHES = "vet-two-branches"
    CODE_UNMAPPED = "code-unmapped"


MEANING: Mapping[Flaw, str] = MappingProxyType(
    {
        Flaw.PHONE_MISSING: "no phone at all",
        Flaw.PHONE_BAD: "a phone that is no number",
        Flaw.PHONE_DOUBTFUL: "a phone of a range that its country does not give out",
        Flaw.PHONE_SHARED: "a phone that stands on many clients, and so points to nobody",
        Flaw.EMAIL_MISSING: "no e-mail address",
        Flaw.EMAIL_BAD: "an e-mail address that is none",
        Flaw.EMAIL_PLACEHOLDER: "an e-mail address at which nobody is reached",
        Flaw.EMAIL_SHARED: "an e-mail address that stands on many clients",
        Flaw.CLIENT_TWICE: "two records that may be one client",
        Flaw.CLIENT_WITHOUT_PETS: "a client without any pet",
        Flaw.CLIENT_INACTIVE_VISIT: "a coming visit of a client who is inactive",
        Flaw.PET_WITHOUT_OWNER: "a pet without an owner",
        Flaw.PET_DECEASED_VISIT: "a coming visit of a pet that is deceased",
        Flaw.VET_TWO_BRANCHES: "one vet, two branches at the same time",
        Flaw.CODE_UNMAPPED: "a code for which the config has no word",
    }
)
"""What each says, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is amiss with one record."""

    flaw: Flaw
    kind: Kind
    id: str
    """The record's, at its side."""
    other: str = ""
    """The second of two clients, the pet or the client of a visit, the owner whom a pet names."""
    why: str = ""
    """More of it, without a personal value."""
    name: str = ""
    """Whose record it is. Personal."""
    value: str = ""
    """What stands there. Personal."""


_FEWEST_DIGITS, _MOST_DIGITS = 7, 15
"""Of a number with its country code, by E.164; shorter ones are extensions and slips."""
_RISING = "0123456789" * 2
_DIGIT = re.compile(r"\d")
_NOBODY = frozenset({"example.com", "example.net", "example.org"})
_NOBODY_UNDER = (".example", ".invalid", ".localhost", ".test")
"""Reserved by RFC 2606: no mail ever arrives there."""
_NAMES_FIT = (EXACT, "near", "part", "short")


def of_client(client: Client, pets: Sequence[Pet], country: str) -> Iterator[Finding]:
    """What is amiss with one client; nothing of one that is inactive.

    ``country`` is the site's, ISO 3166, for phones that are written without a country code.
    """
    if not client.active:
        return
    blank = Finding(
        flaw=Flaw.PHONE_MISSING, kind=Kind.CLIENT, id=client.id or "", name=normalise.shown(client.full_name)
    )
    phones = sorted({text for text in client.phones if text.strip()})
    emails = sorted({text for text in client.emails if text.strip()})
    if not phones:
        yield blank
    if not emails:
        yield replace(blank, flaw=Flaw.EMAIL_MISSING)
    for text in phones:
        if (found := phone_flaw(text, country)) is not None:
            yield replace(blank, flaw=found[0], why=found[1], value=normalise.shown(text))
    for text in emails:
        if (found := email_flaw(text)) is not None:
            yield replace(blank, flaw=found[0], why=found[1], value=normalise.shown(text))
    if not pets:
        yield replace(blank, flaw=Flaw.CLIENT_WITHOUT_PETS)


def of_pet_alone(pet: Pet) -> Finding:
    """A pet whose owner the side does not show."""
    why = "it names an owner who is not there" if pet.client_id else "it names no owner"
    name = normalise.shown(pet.name)
    return Finding(
        flaw=Flaw.PET_WITHOUT_OWNER, kind=Kind.PET, id=pet.id or "", other=pet.client_id or "", why=why, name=name
    )


def of_visit(visit_id: str, client: Client | None, pet: Pet | None) -> Iterator[Finding]:
    """What is amiss with whom a coming visit is of."""
    if client is not None and not client.active:
        yield Finding(
            flaw=Flaw.CLIENT_INACTIVE_VISIT,
            kind=Kind.APPOINTMENT,
            id=visit_id,
            other=client.id or "",
            name=normalise.shown(client.full_name),
        )
    if pet is not None and pet.deceased:
        yield Finding(
            flaw=Flaw.PET_DECEASED_VISIT,
            kind=Kind.APPOINTMENT,
            id=visit_id,
            other=pet.id or "",
            name=normalise.shown(pet.name),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A visit that somebody has at a branch."""

    account: str
    """The PIMS account where it stands."""
    id: str
    branch: str
    """The site's name."""
    resource: str
    """VetBridge's word for who has it: one word in several branches of a chain is one person."""
    start: datetime
    """At the branch's own time."""
    end: datetime


def in_two_branches(shifts: Iterable[Shift]) -> Iterator[tuple[tuple[str, str], Finding]]:
    """Visits of one person that overlap in two branches, each pair once, with the accounts of both.

    ``shifts`` are those of one chain. A visit that several sites of one account have is one.
    """
    of: dict[str, list[Shift]] = {}
    for shift in sorted(shifts, key=lambda each: (each.start, each.account, each.id, each.branch)):
        earlier = [each for each in of.get(shift.resource, ()) if each.end > shift.start]
        for first in earlier:
            if first.branch != shift.branch and (first.account, first.id) != (shift.account, shift.id):
                yield (
                    (first.account, shift.account),
                    Finding(
                        flaw=Flaw.VET_TWO_BRANCHES,
                        kind=Kind.APPOINTMENT,
                        id=first.id,
                        other=shift.id,
                        why=f"{_when(first)}, and {_when(shift)} ({shift.account})",
                        value=normalise.shown(shift.resource),
                    ),
                )
        of[shift.resource] = [*earlier, shift]


def _when(shift: Shift) -> str:
    return f"{shift.start:%Y-%m-%d %H:%M} to {shift.end:%H:%M} at {normalise.shown(shift.branch)}"


def phone_flaw(text: str, country: str) -> tuple[Flaw, str] | None:
    """What is wrong with a field that should hold a phone; None where it holds one."""
    numbers = normalise.phones(text, country)
    if numbers:
        if any(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in numbers):
            return None
        return Flaw.PHONE_DOUBTFUL, "its country gives out no such numbers"
    digits = "".join(_DIGIT.findall(unicodedata.normalize("NFKC", text[: normalise.MAX_CONTACT])))
    if not digits:
        return Flaw.PHONE_BAD, "it has no digit"
    if len(digits) < _FEWEST_DIGITS:
        return Flaw.PHONE_BAD, f"it is too short: {len(digits)} digits"
    if len(set(digits[-_FEWEST_DIGITS:])) == 1 or digits in _RISING or digits[::-1] in _RISING:
        return Flaw.PHONE_BAD, "it stands in for none: one digit again and again, or digits in a row"
    if len(digits) > _MOST_DIGITS:
        return Flaw.PHONE_BAD, f"it is too long: {len(digits)} digits"
    return Flaw.PHONE_BAD, f"it is no number as it is dialled in {country or 'any country'}"


def email_flaw(text: str) -> tuple[Flaw, str] | None:
    """What is wrong with a field that should hold an e-mail address; None where it holds one."""
    addresses = normalise.emails(text)
    if not addresses:
        if "@" not in text:
            return Flaw.EMAIL_BAD, "it has no @"
        return Flaw.EMAIL_BAD, "it is no address, or stands in for none"
    hosts = [address.rpartition("@")[2] for address in addresses]
    if all(host in _NOBODY or host.endswith(_NOBODY_UNDER) for host in hosts):
        return Flaw.EMAIL_PLACEHOLDER, "its domain is kept free for examples"
    return None


def twins(one: Forms, other: Forms, common: frozenset[str]) -> Finding | None:
    """That two records may be one client, and by what; None where too little speaks for it.

    They bear one name, and share a contact, the address or a pet. ``common`` are contacts that point to nobody.
    """
    if not (one.active and other.active) or one.client_id == other.client_id:
        return None
    first, second = sorted((one, other), key=lambda each: each.client_id)
    levels = compare(first, second, common)
    if levels.family_name not in _NAMES_FIT or levels.given_name not in _NAMES_FIT:
        return None
    shared = [
        word
        for word, agrees in (
            ("phone", levels.phone == EXACT),
            ("e-mail address", levels.email == EXACT),
            ("address", levels.address == EXACT),
            ("pet", _share_a_pet(first, second)),
        )
        if agrees
    ]
    same_name = levels.family_name == levels.given_name == EXACT
    if not shared or (shared == ["pet"] and not same_name):
        return None
    return Finding(
        flaw=Flaw.CLIENT_TWICE,
        kind=Kind.CLIENT,
        id=first.client_id,
        other=second.client_id,
        why=f"{'the same name' if same_name else 'nearly the same name'}, and one {', one '.join(shared)}",
        name=normalise.shown(f"{first.given} {first.family}"),
        value=normalise.shown(f"{second.given} {second.family}"),
    )


def _share_a_pet(one: Forms, other: Forms) -> bool:
    mine, theirs = ({(pet.name, pet.species) for pet in each.animals if pet.name} for each in (one, other))
    return bool(mine & theirs)
