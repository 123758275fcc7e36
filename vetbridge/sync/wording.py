"""What VetBridge writes into a visit's notes: the words, inside its own delimited block."""

from __future__ import annotations

from vetbridge.core.normalise import shown
from vetbridge.core.records import Appointment, Pet

LONGEST_DETAIL = 200
"""Characters of a name, phone or address in the block: a longer one would push out those that follow it."""


def linked_lines(appointment: Appointment) -> list[str]:
    """The block of a visit that stands on the right owner."""
    return ["Booked online.", *_comment(appointment)]


def unlinked_lines(appointment: Appointment) -> list[str]:
    """The block of a visit that stands on the placeholder: all that a person needs to find the owner."""
    booker = appointment.booker
    lines = [
        "Booked online. Owner not certain: please do not change the client here, VetBridge asks in its review list."
    ]
    if booker is not None:
        lines += [f"Name: {shown(booker.full_name, LONGEST_DETAIL)}"] if booker.full_name else []
        lines += [f"Phone: {shown(phone, LONGEST_DETAIL)}" for phone in booker.phones]
        lines += [f"E-mail: {shown(address, LONGEST_DETAIL)}" for address in booker.emails]
    if appointment.booked_pet is not None:
        lines.append(f"Pet: {_pet(appointment.booked_pet)}")
    return [*lines, *_comment(appointment)]


def _comment(appointment: Appointment) -> list[str]:
    return [f"Comment: {appointment.notes}"] if appointment.notes.strip() else []


def _pet(pet: Pet) -> str:
    name = shown(pet.name, LONGEST_DETAIL)
    details = ", ".join(shown(part) for part in (pet.species, pet.breed) if part)
    return f"{name} ({details})" if details else name
