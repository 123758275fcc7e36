"""The script of a played morning: who books what, who moves and cancels, and what is true about each booking.

Pure and seeded. The truth comes from the made-up clinic and from the story alone, never from the matcher.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from vetbridge.demo.casting import LONG_COMMENT, Casting
from vetbridge.demo.draws import Draws
from vetbridge.demo.story import Actor, Booking, Case, Deed, Morning, Part, Slot, Step
from vetbridge.testing.clinic import Clinic, Service, StaffMember

FEWEST_BOOKINGS = 20
"""A shorter morning cannot hold every case."""
OUTAGE_SECONDS = 20.0
"""How long the PIMS does not answer."""

SHARES: Mapping[Case, float] = MappingProxyType(
    {
        Case.NEW: 0.25,
        Case.TWICE: 0.05,
        Case.HOUSEHOLD: 0.15,
        Case.DUPLICATE: 0.05,
        Case.MISSPELT: 0.05,
        Case.AMBIGUOUS: 0.05,
    }
)
"""At least this share of the bookings; the rest are known owners."""
FEWEST_AMBIGUOUS = 3
MOVED_SHARE = 0.10
CANCELLED_SHARE = 0.10
"""Shares of moved and of cancelled bookings, across all cases. A truly ambiguous one is never cancelled."""

_OPENS, _CLOSES = 8, 18
_SUNDAY = 6
_LAST_BOOKING = 0.9
"""The part of the morning in which new bookings come."""


def plan_morning(clinic: Clinic, seed: int, bookings: int, *, today: date) -> Morning:
    """The morning of ``seed`` with so many bookings, for visits from the day after ``today`` on.

    Raises ``ValueError`` where there are fewer than ``FEWEST_BOOKINGS``, or the clinic is too small for them.
    """
    if bookings < FEWEST_BOOKINGS:
        raise ValueError(f"a morning has at least {FEWEST_BOOKINGS} bookings, not {bookings}")
    draws = Draws(f"morning:{seed}")
    diary = _Diary(clinic, draws, today, slots=3 * bookings)
    seconds = 25.0 + 0.35 * bookings
    outage_at = 0.5 * (seconds - OUTAGE_SECONDS)
    booked = [
        _booked(number, part, seed, clinic, draws, diary)
        for number, part in enumerate(_parts(clinic, draws, bookings), start=1)
    ]
    times = _times(booked, draws, seconds)
    steps = [Step(at, Deed.BOOK, booking.number, Actor.OWNER) for booking, at in zip(booked, times, strict=True)]
    chosen = iter(draws.shuffled([n for n, one in enumerate(booked) if one.part.case is not Case.AMBIGUOUS]))
    cancelled = [next(chosen) for _ in range(math.ceil(CANCELLED_SHARE * bookings))]
    moved = [next(chosen) for _ in range(math.ceil(MOVED_SHARE * bookings))]
    # One of the ambiguous ones moves: the visit on the placeholder has to follow.
    moved[-1] = next(n for n, one in enumerate(booked) if one.part.case is Case.AMBIGUOUS)
    actors = _Actors()
    for place, n in enumerate(cancelled):
        at = _cancel_at(place, times[n], draws, seconds, outage_at)
        steps.append(Step(at, Deed.CANCEL, booked[n].number, actors.next()))
        booked[n] = replace(booked[n], cancelled=True)
    for place, n in enumerate(moved):
        at = times[n]
        for slot, by in _moves(place, booked[n], diary, actors):
            at = min(seconds, at + draws.between(0.3, 6.0))
            steps.append(Step(at, Deed.MOVE, booked[n].number, by, slot))
            booked[n] = replace(booked[n], final=slot)
    steps.sort(key=lambda step: step.at)
    return Morning(seed, clinic, tuple(booked), tuple(steps), seconds, outage_at)


def _parts(clinic: Clinic, draws: Draws, bookings: int) -> list[Part]:
    """Everybody who books, in the order of the morning; what belongs together stays together."""
    casting = Casting(clinic, draws)
    groups: list[list[Part]] = []
    for case, share in SHARES.items():
        fewest = FEWEST_AMBIGUOUS if case is Case.AMBIGUOUS else 1
        groups += casting.cast(case, max(fewest, math.ceil(share * bookings)))
    groups += casting.cast(Case.KNOWN, bookings - sum(map(len, groups)))
    return [part for group in draws.shuffled(groups) for part in group]


def _booked(number: int, part: Part, seed: int, clinic: Clinic, draws: Draws, diary: _Diary) -> Booking:
    reference = f"(ref M{seed}-{number:04d})"
    service = draws.one_of(clinic.services)
    slot = diary.take(service)
    return Booking(
        number=number,
        reference=reference,
        part=part,
        comment=f"{reference} {part.comment}".strip()[:LONG_COMMENT],
        service=service,
        slot=slot,
        final=slot,
    )


def _times(bookings: list[Booking], draws: Draws, seconds: float) -> list[float]:
    """When each is made: spread over the morning; the second one of a pair comes at once."""
    room = _LAST_BOOKING * seconds / len(bookings)
    times: list[float] = []
    for place, booking in enumerate(bookings):
        paired = (
            place > 0 and booking.part.case is Case.TWICE and booking.part.phone == bookings[place - 1].part.phone
        )
        times.append(times[-1] + 0.01 if paired else max([*times[-1:], place * room]) + draws.between(0.0, room / 2))
    return times


def _cancel_at(place: int, booked_at: float, draws: Draws, seconds: float, outage_at: float) -> float:
    """In turn: at once, before it can be carried over; while the PIMS is silent, where it can be; later."""
    outage_end = outage_at + OUTAGE_SECONDS
    if place % 3 == 0:
        return booked_at + 0.02
    if place % 3 == 1 and booked_at < outage_end - 1.0:
        return draws.between(max(booked_at, outage_at) + 0.5, outage_end)
    return min(seconds, booked_at + draws.between(3.0, 12.0))


def _moves(place: int, booking: Booking, diary: _Diary, actors: _Actors) -> Iterator[tuple[Slot, Actor]]:
    """One move; of every third booking two, the second one back to where it stood, or on to a third slot."""
    by = actors.next()
    yield diary.take(booking.service, None if by is Actor.DESK else booking.slot.vet), by
    if place % 3 == 1:
        yield booking.slot, Actor.DESK
    elif place % 3 == 2:
        yield diary.take(booking.service), Actor.DESK


class _Actors:
    """Every third move or cancellation is the front desk's."""

    def __init__(self) -> None:
        self._count = 0

    def next(self) -> Actor:
        self._count += 1
        return Actor.DESK if self._count % 3 == 0 else Actor.OWNER


class _Diary:
    """Slots of the coming days, each given once: an hour of one vet, in which the visit has room."""

    def __init__(self, clinic: Clinic, draws: Draws, today: date, *, slots: int) -> None:
        self._draws = draws
        zone = ZoneInfo(clinic.zone)
        a_day = len(clinic.staff) * (_CLOSES - _OPENS)
        days = (today + timedelta(days=n) for n in range(1, 3 + math.ceil(slots / a_day * 7 / 6)))
        hours = [
            Slot(vet, datetime.combine(day, time(hour), zone))
            for day in days
            if day.weekday() != _SUNDAY
            for vet in clinic.staff
            for hour in range(_OPENS, _CLOSES)
        ]
        self._free = draws.shuffled(hours)

    def take(self, service: Service, vet: StaffMember | None = None) -> Slot:
        """A slot that nobody has yet, of one vet where one is named."""
        place = next(n for n, slot in enumerate(self._free) if vet in (None, slot.vet))
        slot = self._free.pop(place)
        late = self._draws.one_of(range(0, 60 - service.minutes + 1, 5))
        return Slot(slot.vet, slot.start + timedelta(minutes=late))
