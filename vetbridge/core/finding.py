"""What a record can be found by, and what somebody who looks for one may mean: comparable keys of both.

A record fits where it has one key of every part of what is looked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from vetbridge.core import normalise
from vetbridge.core.records import Appointment, Client, Pet, Record, Vaccination

LONGEST = 200
"""Characters of what is looked for."""
MOST_WORDS = 8
"""Words of what is looked for; of a name, words that it can be found by."""
MOST_CONTACTS = 5
"""Phones, and e-mail addresses, of a record that it can be found by."""
MOST_CO_OWNERS = 4
"""Co-owners whose names a client can be found by."""
FEWEST_DIGITS = 4
"""Digits of a phone's end that say enough to look by."""
MOST_DIGITS = 7
"""Digits of a phone's end that a record is kept under; who types more is taken at the last of them."""
FEWEST_LETTERS = 3
"""Letters of a name's beginning that say enough to look by; a shorter name is found by the whole of it."""
MOST_LETTERS = 16
"""Letters of a name that count."""

Part = frozenset[str]
"""Keys of which a record must have one."""


def keys_of(record: Record, country: str, account: str) -> frozenset[str]:
    """All keys of a record that was read at an account; ``country`` reads its phones."""
    return frozenset(_keys_of(record, country, account))


def keys_for(text: str, countries: Collection[str], *, owner: bool = True, pet: bool = True) -> tuple[Part, ...]:
    """The parts of what somebody typed: e-mail addresses, a phone or its end, words of names; empty where it says too
    little.

    ``countries``: by which a phone may be read. ``owner``, ``pet``: whose name a word may be.
    """
    text = normalise.shown(text, LONGEST)
    addresses = normalise.emails(text)
    if addresses:
        return tuple(frozenset({_email(address)}) for address in addresses[:MOST_CONTACTS])
    words = normalise.name(text).split()
    names = [word for word in words if not word.isdecimal()][:MOST_WORDS]
    digits = "".join(word for word in words if word.isdecimal())
    parts = [_name_part(word, owner=owner, pet=pet) for word in names]
    if len(digits) >= FEWEST_DIGITS:
        parts.append(phone_part(text if not names else digits, countries))
    return tuple(parts)


def phone_part(text: str, countries: Collection[str]) -> Part:
    """The keys of a phone, or of its end; empty where it has too few digits."""
    text = normalise.shown(text, LONGEST)
    digits = "".join(letter for letter in text if letter.isdecimal())
    if len(digits) < FEWEST_DIGITS:
        return frozenset()
    whole = {_phone(number) for country in countries for number in normalise.phones(text, country)}
    if whole and len(digits) > MOST_DIGITS:
        return frozenset(whole)
    return frozenset({*whole, _end(digits[-MOST_DIGITS:])})


def contact_part(phones: Collection[str], emails: Collection[str]) -> Part:
    """The keys of comparable phones and e-mail addresses, each as ``core.normalise`` makes it: any of them fits."""
    return frozenset([*(_phone(each) for each in phones), *(_email(each) for each in emails)])


def client_key(account: str, client_id: str) -> str:
    """The key of the records of a client."""
    return f"client|{account}/{client_id}"


def pet_key(account: str, pet_id: str) -> str:
    """The key of the records of a pet."""
    return f"animal|{account}/{pet_id}"


def _keys_of(record: Record, country: str, account: str) -> Iterator[str]:
    if isinstance(record, Appointment):
        if record.booker is not None:
            yield from _person(record.booker, country)
        if record.booked_pet is not None:
            yield from _beginnings("pet", normalise.pet_name(record.booked_pet.name))
        client_id, pet_id = record.client_id, record.pet_id
    elif isinstance(record, Client):
        yield from _person(record, country)
        client_id, pet_id = record.id, None
    elif isinstance(record, Pet):
        yield from _beginnings("pet", normalise.pet_name(record.name))
        client_id, pet_id = record.client_id, record.id
    else:
        client_id = None if isinstance(record, Vaccination) else record.client_id
        pet_id = record.pet_id
    if client_id is not None:
        yield client_key(account, client_id)
    if pet_id is not None:
        yield pet_key(account, pet_id)


def _person(client: Client, country: str) -> Iterator[str]:
    for name in (client.full_name, *client.co_owners[:MOST_CO_OWNERS]):
        yield from _beginnings("owner", normalise.name(name))
    for phone in client.phones[:MOST_CONTACTS]:
        numbers = normalise.phones(phone, country)
        yield from (_phone(number) for number in numbers)
        for number in numbers or (phone[: normalise.MAX_CONTACT],):
            digits = "".join(letter for letter in number if letter.isdecimal())
            yield from (_end(digits[-size:]) for size in range(FEWEST_DIGITS, min(len(digits), MOST_DIGITS) + 1))
    for field in client.emails[:MOST_CONTACTS]:
        yield from (_email(address) for address in normalise.emails(field))


def _beginnings(whose: str, name: str) -> Iterator[str]:
    for word in name.split()[:MOST_WORDS]:
        for size in range(min(FEWEST_LETTERS, len(word)), min(len(word), MOST_LETTERS) + 1):
            yield f"{whose}|{word[:size]}"


def _name_part(word: str, *, owner: bool, pet: bool) -> Part:
    whose = [*(["owner"] if owner else []), *(["pet"] if pet else [])]
    return frozenset(f"{each}|{word[:MOST_LETTERS]}" for each in whose)


def _phone(number: str) -> str:
    return f"phone|{number}"


def _end(digits: str) -> str:
    return f"digits|{digits}"


def _email(address: str) -> str:
    return f"email|{address}"
