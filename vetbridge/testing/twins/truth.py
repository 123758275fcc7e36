"""Which record of one side is which of the other, by the ids that the two simulators give them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from vetbridge.testing.twins.cards import persons
from vetbridge.testing.twins.sides import TwinSides


@dataclass(frozen=True, slots=True)
class Truth:
    """Who is who and what is what; ids as the connectors serve them.

    A record whose counterpart the other side does not have is there with no ids. One that is not there at all came
    later, and not by a person.
    """

    clients: Mapping[str, frozenset[str]]
    """Card to all registrations of its person."""
    sharers: Mapping[str, frozenset[str]]
    """Card to the registrations of the partner who shares it."""
    both: frozenset[str]
    """Cards that name both partners."""
    pets: Mapping[tuple[str, str], frozenset[str]]
    """Card and ``folded`` name of a pet, as it was typed on the card or in a booking, to the same animals."""
    visits: Mapping[str, frozenset[str]]
    """Booking to the visits that it is."""
    drifted: frozenset[str]
    """Bookings that stand at another time, or with another vet, than their visit."""
    past: frozenset[str]
    """Bookings that were over when VetBridge came."""
    people: Mapping[str, frozenset[str]]
    """Contact to all registrations of the same person, its own among them."""
    households: Mapping[str, frozenset[str]]
    """Contact to the registrations of the partner with the same phone."""

    def cards_of(self) -> dict[str, set[str]]:
        """Contact to the cards of its person; a card that names both partners is a card of both."""
        found: dict[str, set[str]] = defaultdict(set)
        for card, contacts in self.clients.items():
            for contact in (*contacts, *(self.sharers.get(card, ()) if card in self.both else ())):
                found[contact].add(card)
        return found

    def bookings_of(self) -> dict[str, set[str]]:
        """Visit to the bookings that are it."""
        found: dict[str, set[str]] = defaultdict(set)
        for booking, visits in self.visits.items():
            for visit in visits:
                found[visit].add(booking)
        return found


def folded(name: str) -> str:
    """A name without the differences that no person would see."""
    return " ".join(name.casefold().split())


def card_id(number: int) -> str:
    """The platform's id of a card."""
    return str(altegio.CLIENT_FROM + number)


def booking_id(number: int) -> str:
    """The platform's id of a booking."""
    return str(altegio.FIRST_RECORD + number)


def contact_id(number: int) -> str:
    """The PIMS's id of an owner."""
    return str(ezyvet.FIRST_CONTACT + number)


def animal_id(number: int) -> str:
    """The PIMS's id of a pet."""
    return str(ezyvet.FIRST_ANIMAL + number)


def visit_id(number: int) -> str:
    """The PIMS's id of a visit."""
    return str(ezyvet.FIRST_APPOINTMENT + number)


def truth_of(twins: TwinSides) -> Truth:
    """The truth about twin sides as they were made."""
    typed: dict[tuple[str, str], set[str]] = defaultdict(set)
    for card in twins.cards:
        for pet in card.listed:
            typed[card_id(card.number), folded(pet.name)].update(map(animal_id, pet.pets))
    for booking in twins.bookings:
        if booking.pet_name:
            typed[card_id(booking.card), folded(booking.pet_name)].update(map(animal_id, booking.pets))
    everybody = persons(twins.clinic)
    return Truth(
        clients={card_id(card.number): _contacts(card.owners) for card in twins.cards},
        sharers={card_id(card.number): _contacts(card.partners) for card in twins.cards},
        both=frozenset(card_id(card.number) for card in twins.cards if card.both),
        pets={key: frozenset(ids) for key, ids in typed.items()},
        visits={booking_id(number): frozenset(map(visit_id, visits)) for number, visits in twins.same.items()},
        drifted=frozenset(map(booking_id, twins.drifted)),
        past=frozenset(booking_id(each.number) for each in twins.bookings if each.start.date() < twins.today),
        people={
            contact_id(owner.number): _contacts(other.number for other in person.registrations)
            for person in everybody
            for owner in person.registrations
        },
        households={
            contact_id(owner.number): _contacts(other.number for other in person.partner)
            for person in everybody
            for owner in person.registrations
        },
    )


def _contacts(numbers: Iterable[int]) -> frozenset[str]:
    return frozenset(map(contact_id, numbers))
