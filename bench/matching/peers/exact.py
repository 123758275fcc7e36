"""Exact agreement of e-mail, family name and pet, as booking widgets link (Vetstoria's way)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from time import perf_counter

from bench.matching.peers import MAX_CANDIDATE_IDS, Action, Decision
from bench.matching.peers.clinic import Booking, Clinic, Owner


class Exact:
    """Links to the one active owner whose e-mail, family name and living pet are the booked ones.

    Creates where no record has the phone, the e-mail, or the family name with the pet, and the booker does not claim
    to be a client; else review.
    """

    name = "e-mail + surname + pet exact"

    def decide(self, clinic: Clinic, bookings: Sequence[Booking]) -> Iterator[Decision]:
        """One decision a booking, in the order of the bookings."""
        keys: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for key, owner in clinic.owners.items():
            for block in _owner_keys(owner):
                keys[block].append(key)
        for booking in bookings:
            start = perf_counter()
            pet = booking.pet.name if booking.pet else ""
            found = dict.fromkeys(
                key
                for block in _keys(booking.person.phones, booking.person.emails, booking.person.family, [pet])
                for key in keys.get(block, ())
            )
            equal = [key for key in found if _equal(booking, clinic.owners[key])]
            owner_id, patient_id = equal[0] if len(equal) == 1 else None, None
            action: Action = "link" if owner_id else "review" if found or booking.claims_existing else "create"
            if owner_id is not None:
                patient_id = next(
                    one.id for one in clinic.owners[owner_id].pets if one.name == pet and not one.deceased
                )
            yield Decision(
                booking_id=booking.id,
                action=action,
                owner_id=owner_id,
                patient_id=patient_id,
                probability=1.0 if owner_id else 0.0,
                candidates=len(found),
                ms=1000 * (perf_counter() - start),
                candidate_ids=tuple(found)[:MAX_CANDIDATE_IDS],
            )


def _owner_keys(owner: Owner) -> Iterator[tuple[str, str]]:
    person = owner.person
    return _keys(person.phones, person.emails, person.family, [pet.name for pet in owner.pets])


def _keys(
    phones: Sequence[str], emails: Sequence[str], family: str, pets: Sequence[str]
) -> Iterator[tuple[str, str]]:
    yield from (("phone", one) for one in phones)
    yield from (("email", one) for one in emails)
    if family:
        yield from ((f"name {family}", pet) for pet in dict.fromkeys(pets) if pet)


def _equal(booking: Booking, owner: Owner) -> bool:
    booker, person, pet = booking.person, owner.person, booking.pet
    return bool(
        pet
        and person.active
        and set(booker.emails) & set(person.emails)
        and booker.family
        and booker.family == person.family
        and any(one.name == pet.name and not one.deceased for one in owner.pets)
    )
