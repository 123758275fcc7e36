"""Makes twin sides: the card index of the clinic, its cards at the platform, and both calendars."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta

from vetbridge.testing.clinic import SERVICES, Clinic, Owner, PetSeed, Service, Shares, make_clinic
from vetbridge.testing.population.dice import Dice
from vetbridge.testing.twins.cards import animals, comes, living, make_cards, persons, typed_name
from vetbridge.testing.twins.diary import CELLS, Diary, Slot, working_days
from vetbridge.testing.twins.sides import Block, Booking, Card, TwinSides, Visit

SHARES = Shares(duplicates=0.08, pets=(0.24, 0.50, 0.76, 0.90))
"""Of the clinic: twice as many duplicate registrations as elsewhere, and 2.5 pets to an owner."""

DRIFTED = 0.03
"""Share of the shared visits that stand at another time or with another vet."""
TWO_PETS = 0.05
SAME_FAMILY = 0.04
"""Share at whose time another client of that family name comes to another vet."""
TWICE_A_DAY = 0.02
"""Share whose owner comes on that day a second time, hours apart."""
NO_PET = 0.15
"""Share that was booked without saying which pet."""
OTHER_SERVICE = 0.02
ON_OTHER_RECORD = 0.4
"""Of those who have a second registration or a partner: share that stands on that record."""

ONE_SIDED = 15
"""One visit in so many stands on one side only: as many in the PIMS as at the platform."""
_DAYS_BACK = 12
"""Working days of two weeks."""
_FILLED = 0.55
"""So much of the calendar is taken."""

_WORDS = ("", "", "", "", "limping", "first visit this year", "please call before", "scratches a lot", "check teeth")
_BLOCK_WORDS = ("Team meeting", "Lunch", "Training", "Away")


def make_twins(seed: int, *, today: date, clients: int = 2000, visits: int = 300) -> TwinSides:
    """The twin sides of ``seed``: ``clients`` owner records and ``visits`` future visits that stand on both sides.

    One visit in ``ONE_SIDED`` more stands on either side alone, and as many calendar blocks; a third of ``visits`` is
    past, in the two weeks before ``today``. The same arguments mean the same sides on every machine. Raises
    ``ValueError`` where the clinic is too small for the visits.
    """
    clinic = make_clinic(seed, clients, SHARES)
    clinic = replace(clinic, owners=tuple(replace(owner, online=False) for owner in clinic.owners))
    cards = make_cards(clinic, Dice(seed, 1))
    maker = _CalendarMaker(clinic, cards, Dice(seed, 2))
    one_sided = max(1, visits // ONE_SIDED)
    days = math.ceil((visits + 3 * one_sided) * 1.3 / (_FILLED * CELLS * 4)) + 1
    future = working_days(today + timedelta(days=1), 1, days)
    maker.fill(future, shared=visits, one_sided=one_sided, blocks=one_sided)
    maker.fill_past(working_days(today - timedelta(days=1), -1, _DAYS_BACK), visits // 3)
    return maker.sides(seed, today)


class _Guest:
    """A card with those of the PIMS who come under it."""

    def __init__(self, card: Card, owners: dict[int, Owner]) -> None:
        self.card = card
        self.own = [owners[number] for number in sorted(card.owners) if comes(owners[number])]
        self.partners = [owners[number] for number in sorted(card.partners) if comes(owners[number])]

    @property
    def families(self) -> set[str]:
        """Their family names."""
        return {owner.family_name for owner in (*self.own, *self.partners)}


def _hours_apart(slot: Slot, other: Slot) -> bool:
    """On one day, and nobody would take one for the other."""
    apart = abs(other.start - slot.start)
    return other.start.date() == slot.start.date() and apart >= timedelta(hours=2)


class _CalendarMaker:
    def __init__(self, clinic: Clinic, cards: Sequence[Card], dice: Dice) -> None:
        self._clinic = clinic
        self._cards = cards
        self._dice = dice
        self._same_animal = animals(clinic)
        owners = {owner.number: owner for owner in clinic.owners}
        guests = [_Guest(card, owners) for card in cards]
        self._guests = [guest for guest in guests if guest.own]
        self._strangers = [guest.card for guest in guests if not guest.card.owners]
        carded = {number for card in cards for number in (*card.owners, *card.partners)}
        self._cardless = [
            person.first for person in persons(clinic) if person.first.number not in carded and comes(person.first)
        ]
        if not self._guests or not self._cardless or not self._strangers:
            raise ValueError(f"a clinic of {len(clinic.owners)} clients is too small for twin sides")
        self._of_family: dict[str, list[_Guest]] = defaultdict(list)
        for guest in self._guests:
            self._of_family[guest.card.family_name].append(guest)
        self._turn = itertools.cycle(sorted(range(len(self._guests)), key=lambda _: dice.roll()))
        self._days: dict[int, set[date]] = defaultdict(set)
        """On which days somebody comes under a card."""
        self._bookings: list[Booking] = []
        self._visits: list[Visit] = []
        self._same: dict[int, set[int]] = {}
        self._drifted: set[int] = set()
        self._booking_blocks: list[Block] = []
        self._pims_blocks: list[Block] = []

    def fill(self, days: Sequence[date], *, shared: int, one_sided: int, blocks: int) -> None:
        """The days to come."""
        diary = Diary(days, self._clinic.zone, self._dice)
        kinds: list[tuple[float, Callable[[Diary], int]]] = [
            (DRIFTED, self._drift),
            (TWO_PETS, self._two_pets),
            (SAME_FAMILY, self._same_family),
            (TWICE_A_DAY, self._twice_a_day),
        ]
        left = shared
        for share, make in kinds:
            wanted = left - max(1, round(share * shared))
            while left > wanted:
                left -= make(diary)
        while left > 0:
            left -= self._plain(diary)
        for number in range(one_sided):
            self._booked_only(diary, stranger=number % 2 == 0)
            self._in_pims_only(diary, carded=number % 2 == 0)
        for number in range(blocks):
            self._block(diary, number)

    def fill_past(self, days: Sequence[date], count: int) -> None:
        """The days that are over: what was typed then was typed on both sides."""
        diary = Diary(days, self._clinic.zone, self._dice)
        for _ in range(count):
            self._plain(diary, past=True)

    def sides(self, seed: int, today: date) -> TwinSides:
        """All of it, numbered at either side in an order of its own."""
        bookings = self._shuffled(len(self._bookings))
        visits = self._shuffled(len(self._visits))
        return TwinSides(
            seed=seed,
            today=today,
            clinic=self._clinic,
            cards=tuple(self._cards),
            bookings=tuple(
                sorted((replace(b, number=bookings[b.number]) for b in self._bookings), key=lambda b: b.number)
            ),
            visits=tuple(sorted((replace(v, number=visits[v.number]) for v in self._visits), key=lambda v: v.number)),
            booking_blocks=tuple(self._booking_blocks),
            pims_blocks=tuple(self._pims_blocks),
            same={
                bookings[b.number]: frozenset(visits[visit] for visit in self._same.get(b.number, ()))
                for b in self._bookings
            },
            drifted=frozenset(bookings[number] for number in self._drifted),
        )

    def _shuffled(self, count: int) -> dict[int, int]:
        order = sorted((self._dice.roll(), number) for number in range(1, count + 1))
        return {number: place for place, (_, number) in enumerate(order, start=1)}

    # -- kinds of visits; each returns how many of the shared ones it has made

    def _plain(self, diary: Diary, *, past: bool = False) -> int:
        service = self._service()
        slot = diary.take(service.minutes)
        guest = self._guest(slot.start.date())
        owner = self._record_of(guest)
        self._pair(guest, owner, self._dice.pick(living(owner)), slot, service, past=past)
        return 1

    def _drift(self, diary: Diary) -> int:
        """Half of them 10 to 30 minutes apart, half with another vet; nothing else of that owner on that day."""
        service = SERVICES[self._dice.below(2)]
        later = self._dice.chance(0.5)
        slot = diary.take(service.minutes + 30 if later else service.minutes)
        guest = self._guest(slot.start.date())
        owner = self._record_of(guest)
        other: Slot | None = None
        if later:
            other = replace(slot, start=slot.start + timedelta(minutes=10 * (1 + self._dice.below(3))))
        else:
            other = diary.take_beside(slot, service.minutes)
        if other is None:
            return 0
        self._drifted.add(self._pair(guest, owner, self._dice.pick(living(owner)), slot, service, pims=other))
        return 1

    def _two_pets(self, diary: Diary) -> int:
        """One booking for two visits, two for two, or two for one."""
        guest = self._guest(None, lambda guest: any(len(living(owner)) > 1 for owner in guest.own))
        owner = next(owner for owner in guest.own if len(living(owner)) > 1)
        service = SERVICES[self._dice.below(2)]
        slot = diary.take(service.minutes)
        if slot.start.date() in self._days[guest.card.number]:
            return 0
        one, two = living(owner)[:2]
        roll = self._dice.roll()
        if roll < 0.5:
            first = self._pair(guest, owner, one, slot, service, with_pet=self._dice.chance(0.6))
            self._same[first].add(self._visit(owner, two, slot, service))
        elif roll < 0.75:
            self._pair(guest, owner, one, slot, service, with_pet=True)
            self._pair(guest, owner, two, slot, service, with_pet=True)
        else:
            first = self._pair(guest, owner, one, slot, service, with_pet=True)
            second = self._booking(guest.card, slot, service, two)
            self._same[second] = set(self._same[first])
        return 1

    def _same_family(self, diary: Diary) -> int:
        """Two clients of one family name at one time, with a vet each."""
        service = SERVICES[self._dice.below(2)]
        slot = diary.take(service.minutes)
        day = slot.start.date()
        guest = self._guest(day, lambda guest: len(self._of_family[guest.card.family_name]) > 1)
        namesakes = [
            other
            for other in self._of_family[guest.card.family_name]
            if other is not guest and day not in self._days[other.card.number]
        ]
        beside = diary.take_beside(slot, service.minutes)
        if not namesakes or beside is None:
            return 0
        for who, where in ((guest, slot), (self._dice.pick(namesakes), beside)):
            self._pair(who, who.own[0], self._dice.pick(living(who.own[0])), where, service)
        return 2

    def _twice_a_day(self, diary: Diary) -> int:
        """In the morning and again in the afternoon."""
        service = SERVICES[self._dice.below(2)]
        slot = diary.take(service.minutes)
        later = diary.take(service.minutes, lambda other: _hours_apart(slot, other))
        guest = self._guest(slot.start.date())
        pets = itertools.cycle(living(guest.own[0]))
        for each, pet in zip((slot, later), pets, strict=False):
            self._pair(guest, guest.own[0], pet, each, service)
        return 2

    def _booked_only(self, diary: Diary, *, stranger: bool) -> None:
        service = self._service()
        slot = diary.take(service.minutes)
        if stranger:
            card = self._dice.pick(self._strangers)
            self._same[self._booking(card, slot, service, None)] = set()
            return
        guest = self._guest(slot.start.date())
        pet = self._dice.pick(living(guest.own[0]))
        self._same[self._booking(guest.card, slot, service, pet)] = set()

    def _in_pims_only(self, diary: Diary, *, carded: bool) -> None:
        service = self._service()
        slot = diary.take(service.minutes)
        owner = self._guest(slot.start.date()).own[0] if carded else self._dice.pick(self._cardless)
        self._visit(owner, self._dice.pick(living(owner)), slot, service)

    def _block(self, diary: Diary, number: int) -> None:
        """Half of the blocks stand on both sides, the others on one."""
        slot = diary.take(60)
        words = self._dice.pick(_BLOCK_WORDS)
        block = Block(slot.vet, slot.start, 60, words)
        if number % 4 != 1:
            self._booking_blocks.append(block)
        if number % 4 != 3:
            self._pims_blocks.append(block)

    # -- one visit

    def _guest(self, day: date | None, fits: Callable[[_Guest], bool] = lambda guest: True) -> _Guest:
        """Whose turn it is, and who does not come on that day yet."""
        for place in itertools.islice(self._turn, len(self._guests)):
            guest = self._guests[place]
            if (day is None or day not in self._days[guest.card.number]) and fits(guest):
                return guest
        raise ValueError(f"a clinic of {len(self._clinic.owners)} clients is too small for so many visits")

    def _record_of(self, guest: _Guest) -> Owner:
        """The record on which the desk has put the visit."""
        others = [*guest.own[1:], *guest.partners]
        return self._dice.pick(others) if others and self._dice.chance(ON_OTHER_RECORD) else guest.own[0]

    def _pair(
        self,
        guest: _Guest,
        owner: Owner,
        pet: PetSeed,
        slot: Slot,
        service: Service,
        *,
        pims: Slot | None = None,
        with_pet: bool | None = None,
        past: bool = False,
    ) -> int:
        """A visit on both sides; returns the booking's number."""
        told = not self._dice.chance(NO_PET) if with_pet is None else with_pet
        booking = self._booking(guest.card, slot, service, pet, with_pet=told, past=past)
        typed = SERVICES[1 - SERVICES.index(service)] if self._differs(service) else service
        self._same[booking] = {self._visit(owner, pet, pims or slot, typed, past=past)}
        return booking

    def _differs(self, service: Service) -> bool:
        return service in SERVICES[:2] and self._dice.chance(OTHER_SERVICE)

    def _booking(
        self,
        card: Card,
        slot: Slot,
        service: Service,
        pet: PetSeed | None,
        *,
        with_pet: bool = True,
        past: bool = False,
    ) -> int:
        """Writes it at the platform; without ``pet`` it is for an animal that the PIMS does not know."""
        number = len(self._bookings) + 1
        name = species = ""
        if pet is not None and with_pet:
            name = typed_name(pet.name, self._dice)
            species = pet.species if self._dice.chance(0.7) else ""
        online = self._dice.chance(0.4)
        self._days[card.number].add(slot.start.date())
        self._bookings.append(
            Booking(
                number=number,
                card=card.number,
                vet=slot.vet,
                service=service.number,
                start=slot.start,
                minutes=service.minutes,
                status=self._status(past=past),
                pet_name=name,
                pet_species=species,
                pets=frozenset() if pet is None else self._same_animal[pet.number],
                comment=self._dice.pick(_WORDS),
                online=online,
                remind=24 if online and self._dice.chance(0.5) else 0,
            )
        )
        return number

    def _visit(self, owner: Owner, pet: PetSeed, slot: Slot, service: Service, *, past: bool = False) -> int:
        """Writes it in the PIMS."""
        number = len(self._visits) + 1
        self._visits.append(
            Visit(
                number=number,
                owner=owner.number,
                pet=pet.number,
                vet=slot.vet,
                service=service.number,
                start=slot.start,
                minutes=service.minutes,
                status=self._status(past=past),
                note=self._dice.pick(_WORDS),
            )
        )
        return number

    def _status(self, *, past: bool) -> str:
        if past:
            return "completed" if self._dice.chance(0.95) else "no_show"
        return "confirmed" if self._dice.chance(0.2) else "booked"

    def _service(self) -> Service:
        return self._dice.pick(SERVICES)
