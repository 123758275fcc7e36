"""What VetBridge writes into a visit's notes: the words, inside its own delimited block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vetbridge.core import notes
from vetbridge.core.matching.comparing import COMMON, EXACT, MISSING
from vetbridge.core.normalise import shown
from vetbridge.core.records import Appointment, Client, Pet

DESK = "desk"
"""Origin of a link whose visit was made in the PIMS."""

PAIRED = "paired"
"""Origin of a link between two records that stood on both sides before VetBridge came."""
CARER = "carer"
"""Origin of a link whose visit was booked by the client who cares for the pet, and stands on its owner."""
BY_PEOPLE = frozenset({DESK, PAIRED})
"""Origins of links whose visit in the PIMS people have made: its notes say nothing of where it was booked."""

LONGEST_DETAIL = 200
"""Characters of a name, phone or address in the block: a longer one would push out those that follow it."""

MOST_ALIKE = 3
"""Clients who may be meant that the block names; the question has all."""

_AGREES = frozenset({EXACT, MISSING, COMMON})
"""Levels of evidence by which a booked detail is no other one than that on record."""

_NOT_CERTAIN = (
    "Booked online. Owner not certain: please do not change the client here, VetBridge asks in its review list."
)


def block_lines(appointment: Appointment, *, unlinked: bool, origin: str) -> list[str]:
    """The block that a booking has in the notes of its visit, by the origin of its link; none at all where the visit
    was made at the desk."""
    if unlinked:
        return unlinked_lines(appointment)
    if origin in BY_PEOPLE:
        return comment_lines(appointment)
    return [*carer_lines(appointment, origin), *linked_lines(appointment)]


def carer_lines(appointment: Appointment, origin: str) -> list[str]:
    """Who booked, where that is not the owner on whom the visit stands."""
    name = "" if appointment.booker is None else shown(appointment.booker.full_name, LONGEST_DETAIL)
    return [f"Booked by {name or 'the carer'}, who cares for the pet."] if origin == CARER else []


def desk_lines(client: Client | None) -> list[str]:
    """The block of a visit that goes to the booking side without its client: who comes, and never a phone."""
    name = "" if client is None else shown(client.full_name, LONGEST_DETAIL)
    return ["Booked at the practice.", *([f"Name: {name}"] if name else [])]


def linked_lines(appointment: Appointment) -> list[str]:
    """The block of a visit that stands on the right owner."""
    return ["Booked online.", *comment_lines(appointment)]


def unlinked_lines(appointment: Appointment, candidates: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """The block of a visit that stands on the placeholder, or on nobody: all that a person needs to find the owner.

    ``candidates`` are those of the question, as it keeps them.
    """
    booker = appointment.booker
    lines = [_NOT_CERTAIN]
    if booker is not None:
        lines += [f"Name: {shown(booker.full_name, LONGEST_DETAIL)}"] if booker.full_name else []
        lines += [f"Phone: {shown(phone, LONGEST_DETAIL)}" for phone in booker.phones]
        lines += [f"E-mail: {shown(address, LONGEST_DETAIL)}" for address in booker.emails]
    if appointment.booked_pet is not None:
        lines.append(f"Pet: {_pet(appointment.booked_pet)}")
    return [*lines, *_alike_lines(candidates), *comment_lines(appointment)]


def _alike_lines(candidates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who may be meant, by the numbers of the PIMS, and which booked details are others there. What the record itself
    says is not repeated: whoever may see it sees it there."""
    lines = []
    for candidate in candidates[:MOST_ALIKE]:
        pet = f" with pet {shown(candidate['pet_id'])}" if candidate["pet_id"] else ""
        differ = [
            f"{each['words']} (booked: {shown(each['here'])})"
            for each in candidate["evidence"]
            if each["level"] not in _AGREES and each["here"]
        ]
        lines.append(f"May be client {shown(candidate['client_id'])}{pet}: {'; '.join(differ) or 'nothing differs'}.")
    return lines


def says_not_certain(notes_text: str) -> bool:
    """Whether a visit's notes hold VetBridge's block of a visit without its owner."""
    block = notes.find(notes_text)
    return block is not None and block[1].startswith(_NOT_CERTAIN)


def comment_lines(appointment: Appointment) -> list[str]:
    """What the booker wrote; VetBridge's own words beside it are left out."""
    comment = notes.remove(appointment.notes) if appointment.stamp else appointment.notes
    return [f"Comment: {comment}"] if comment.strip() else []


def _pet(pet: Pet) -> str:
    name = shown(pet.name, LONGEST_DETAIL)
    details = ", ".join(shown(part) for part in (pet.species, pet.breed) if part)
    return f"{name} ({details})" if details else name
