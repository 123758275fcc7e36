"""What a person's answer is remembered by: a contact together with the pet's or the owner's name.

A contact alone is never enough: numbers are passed on, and couples and flat shares have one together.
"""

from __future__ import annotations

from collections.abc import Iterator

from vetbridge.core.matching.blocking import contact_keys
from vetbridge.core.matching.forms import Forms


def lesson_keys(booking: Forms, common: frozenset[str] = frozenset()) -> frozenset[str]:
    """The combinations of a booking by which an answer about it is found again.

    ``common`` are contacts that point to nobody, such as the clinic's own number: they are part of none.
    """
    contacts = [key for key in contact_keys(booking) if key.partition(":")[2] not in common]
    return frozenset(f"{contact}|{name}" for contact in contacts for name in _names(booking))


def _names(booking: Forms) -> Iterator[str]:
    for animal in booking.animals:
        if animal.name:
            yield f"pet:{animal.name}"
    for person in booking.people:
        # The given name belongs to it: partners have a family name and a phone in common, and a record each.
        if person.family:
            yield f"owner:{person.family}|{person.given.partition(' ')[0]}"
