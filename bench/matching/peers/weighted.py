"""A weighted rule over rapidfuzz similarities: a good engineer's afternoon. Its cut-offs are tuned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from time import perf_counter

from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

from bench.matching.peers import MAX_CANDIDATE_IDS, Decision
from bench.matching.peers.clinic import Booking, Clinic, Owner, Person, Pet
from bench.matching.peers.cutoffs import Cutoffs
from vetbridge.core import normalise

_NAME_FLOOR = 0.75
"""Below this Jaro-Winkler similarity two names speak against each other."""
_MAX_BLOCK = 300
"""A key that more records share (a placeholder, a very common name) finds nobody."""

UNTUNED = Cutoffs(link=60.0, margin=10.0, create=25.0)


class Weighted:
    """Points for each field that agrees, points off for each that contradicts; 100 is full agreement."""

    name = "rapidfuzz weighted rule"

    def __init__(self, cutoffs: Cutoffs = UNTUNED) -> None:
        self._cutoffs = cutoffs

    def decide(self, clinic: Clinic, bookings: Sequence[Booking]) -> Iterator[Decision]:
        """One decision a booking, in the order of the bookings."""
        index: defaultdict[str, list[str]] = defaultdict(list)
        for key, owner in clinic.owners.items():
            for block in _keys(owner.person, owner.pets):
                index[block].append(key)
        for booking in bookings:
            yield self._decide(clinic, index, booking)

    def _decide(self, clinic: Clinic, index: dict[str, list[str]], booking: Booking) -> Decision:
        start = perf_counter()
        blocks = [index.get(block, []) for block in _keys(booking.person, [booking.pet] if booking.pet else [])]
        found = dict.fromkeys(key for block in blocks if len(block) <= _MAX_BLOCK for key in block)
        ranked = sorted(
            ((*_points(booking, clinic.owners[key]), key) for key in found), key=lambda one: (-one[0], one[2])
        )
        score, pet, owner_id = ranked[0] if ranked else (None, None, None)
        runner_up = ranked[1][0] if len(ranked) > 1 else None
        return Decision(
            booking_id=booking.id,
            action=self._cutoffs.action(score, runner_up),
            owner_id=owner_id,
            patient_id=pet.id if pet and not pet.deceased else None,
            probability=min(max(score or 0.0, 0.0), 100.0) / 100.0,
            candidates=len(ranked),
            ms=1000 * (perf_counter() - start),
            candidate_ids=tuple(key for _, _, key in ranked[:MAX_CANDIDATE_IDS]),
            score=score,
            runner_up=runner_up,
        )


def _keys(person: Person, pets: Sequence[Pet]) -> Iterator[str]:
    yield from (f"phone {one}" for one in person.phones)
    yield from (f"email {one}" for one in person.emails)
    sound = normalise.sound(person.family)
    if sound:
        yield from {f"pet {sound} {pet.name[:2]}" for pet in pets if pet.name}
        if person.given:
            yield f"name {sound} {person.given[:3]}"


def _points(booking: Booking, owner: Owner) -> tuple[float, Pet | None]:
    booker, person = booking.person, owner.person
    points = _shared(booker.phones, person.phones, 30.0, -5.0) + _shared(booker.emails, person.emails, 25.0, -5.0)
    straight = _named(booker.family, person.family, 15.0, -15.0) + _named(booker.given, person.given, 10.0, -10.0)
    crossed = _named(booker.given, person.family, 15.0, -15.0) + _named(booker.family, person.given, 10.0, -10.0)
    points += max(straight, crossed)
    if booker.postcode and person.postcode:
        same_street = fuzz.ratio(booker.street, person.street) >= 80
        points += 10.0 if booker.postcode == person.postcode and same_street else 0.0
    if not person.active:
        points -= 10.0
    pet_points, pet = _best_pet(booking.pet, owner.pets)
    return points + pet_points, pet


def _best_pet(booked: Pet | None, pets: Sequence[Pet]) -> tuple[float, Pet | None]:
    if booked is None:
        return 0.0, None
    best: tuple[float, Pet | None] = (-5.0, None)
    for pet in pets:
        similarity = JaroWinkler.similarity(booked.name, pet.name)
        if similarity < 0.85:
            continue
        points = 20.0 * similarity
        if booked.species and pet.species:
            points += 2.0 if booked.species == pet.species else -10.0
        if booked.birth_date and pet.birth_date:
            points += 5.0 if booked.birth_date == pet.birth_date else -3.0
        points -= 10.0 if pet.deceased else 0.0
        best = max(best, (points, pet), key=lambda one: one[0])
    return best


def _shared(here: Sequence[str], there: Sequence[str], same: float, differs: float) -> float:
    if not here or not there:
        return 0.0
    return same if set(here) & set(there) else differs


def _named(here: str, there: str, same: float, differs: float) -> float:
    if not here or not there:
        return 0.0
    similarity = JaroWinkler.similarity(here, there)
    return same * similarity if similarity >= _NAME_FLOOR else differs
