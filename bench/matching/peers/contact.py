"""Phone or e-mail alone, as reminder services link (AllyDVM's way)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from time import perf_counter

from bench.matching.peers import MAX_CANDIDATE_IDS, Action, Decision
from bench.matching.peers.clinic import Booking, Clinic


class Contact:
    """Links to the one active owner who has the phone or the e-mail; several: review; none: create."""

    name = "phone or e-mail alone"

    def decide(self, clinic: Clinic, bookings: Sequence[Booking]) -> Iterator[Decision]:
        """One decision a booking, in the order of the bookings."""
        holders: defaultdict[str, list[str]] = defaultdict(list)
        for key, owner in clinic.owners.items():
            if owner.person.active:
                for contact in (*owner.person.phones, *owner.person.emails):
                    holders[contact].append(key)
        for booking in bookings:
            start = perf_counter()
            contacts = (*booking.person.phones, *booking.person.emails)
            found = tuple(dict.fromkeys(key for contact in contacts for key in holders.get(contact, ())))
            action: Action = "link" if len(found) == 1 else "review" if found else "create"
            owner_id = found[0] if len(found) == 1 else None
            living = [pet for pet in clinic.owners[owner_id].pets if not pet.deceased] if owner_id else []
            yield Decision(
                booking_id=booking.id,
                action=action,
                owner_id=owner_id,
                patient_id=next((one.id for one in living if booking.pet and one.name == booking.pet.name), None),
                probability=1.0 if owner_id else 0.0,
                candidates=len(found),
                ms=1000 * (perf_counter() - start),
                candidate_ids=found[:MAX_CANDIDATE_IDS],
            )
