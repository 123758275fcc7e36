"""The script of a played morning: who books what, who moves and cancels on which side, and what is true at the end.

Pure and seeded. The truth comes from the made-up clinic and from the story alone, never from the matcher.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from vetbridge.demo.casting import LONG_COMMENT, Caller, Casting
from vetbridge.demo.draws import Draws
from vetbridge.demo.papers import letter
from vetbridge.demo.story import (
    Actor,
    Answer,
    Block,
    Booking,
    Case,
    Conflict,
    Deed,
    DeskCase,
    DueCase,
    DuePet,
    Morning,
    Mourner,
    Paper,
    Part,
    Right,
    Slot,
    Status,
    Step,
    Visit,
)
from vetbridge.testing.clinic import Clinic, Service, StaffMember

FEWEST_BOOKINGS = 20
"""A shorter morning cannot hold every case."""
FEWEST_OF_SHORT = 12
"""The same for a short morning."""
OUTAGE_SECONDS = 20.0
"""How long the PIMS does not answer."""
SHORT_OUTAGE_SECONDS = 8.0
"""The same in a short morning."""

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
FEWEST_AMBIGUOUS = 5
FEWEST_AMBIGUOUS_OF_SHORT = 2
MOVED_SHARE = 0.10
CANCELLED_SHARE = 0.10
"""Shares of moved and of cancelled bookings, across all cases. A truly ambiguous one is cancelled once it is answered
only."""
PRACTICE_SHARE = 0.05
"""Shares of bookings that the front desk moves, cancels, and gives another status, each in the PIMS."""
DESK_SHARE = 0.12
"""Visits that the front desk makes in the PIMS, for each booking."""
FEWEST_DESK_VISITS = 6
FEWEST_ANSWERED = 3
UNMAPPED = 5
"""Bookings of the service that the config does not know at first."""
FUSE_ROOM = 5
"""By so much the fuse's limit is above all that the morning may take."""
PURGED_ROOM = 3
"""By so many more visits are purged than the fuse lets through in an hour, however little it has counted before."""

_OPENS, _CLOSES = 8, 18
_SUNDAY = 6
_LAST_BOOKING = 0.9
"""The part of the morning in which new bookings come."""
_EARLY = 0.6
"""What a later scene needs is among so many of the first bookings, where it can be."""
_BLOCK_MINUTES = 30
_STATUSES = (Status.CONFIRMED, Status.ARRIVED, Status.COMPLETED, Status.NO_SHOW)
_TURNS: Sequence[tuple[Deed | None, bool]] = (
    (Deed.CANCEL, False),
    (Deed.MOVE, False),
    (Deed.STATUS, False),
    (Deed.MOVE, True),
    (None, False),
    (Deed.CANCEL, True),
    (Deed.STATUS, False),
    (None, False),
)
"""What becomes of a visit made by telephone, in turn, and whether at once."""
_TURNS_OF_FEW: Sequence[tuple[Deed | None, bool]] = ((None, False), (Deed.STATUS, False), (Deed.MOVE, False))
"""The same for those of whom there are few: they stand."""
_OWN_LINE = "Asked on the phone: comes with a muzzle."
"""What the desk writes into the notes of a visit on the placeholder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PaperKind:
    """What a file is: at which side it is put, and whether it belongs on both."""

    name: str
    at_pims: bool = False
    carried: bool = True
    sealed: bool = False


_REFERRAL, _DISCHARGE = _PaperKind(name="Referral letter"), _PaperKind(name="Discharge summary", at_pims=True)
_PAPERS_OF_SHORT = (_REFERRAL, _DISCHARGE)
_PAPERS = (
    *_PAPERS_OF_SHORT,
    _PaperKind(name="Locked report", carried=False, sealed=True),
    _PaperKind(name="Laboratory notes", at_pims=True, carried=False),
    _REFERRAL,
    _DISCHARGE,
)
DUE_IN: Mapping[DueCase, int] = MappingProxyType(
    {
        DueCase.SOON: 20,
        DueCase.OVERDUE: -40,
        DueCase.TOLD: 15,
        DueCase.VISIT: 10,
        DueCase.DIES: 12,
        DueCase.OPTS_OUT: 8,
    }
)
"""In how many days the next vaccination is due. Owners are told 15 days before, which is today for one of them."""
_DUE_OF_SHORT = (DueCase.SOON, DueCase.DIES, DueCase.OPTS_OUT)
_DUE = (*_DUE_OF_SHORT, DueCase.OVERDUE, DueCase.TOLD, DueCase.VISIT, DueCase.SOON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """What happens in a morning beside bookings, visits by telephone, and what becomes of them."""

    silent: bool = True
    """The PIMS does not answer for a while."""
    forgetful: bool = True
    """The config does not know a service at first: VetBridge is stopped, and started with the code."""
    is_short: bool = False
    """Fewer bookings are enough; nothing is purged."""
    by_hand: bool = False
    """People type what comes from the platform: nobody is asked about owners, and nothing is changed on both sides at
    once."""
    files: bool = True
    """Files are carried."""
    due: bool = True
    """Services are due, and owners' cards say so."""
    other: Clinic | None = None
    """A clinic where somebody is known, too, whose pet has died there; she books for it here."""

    @property
    def outage_seconds(self) -> float:
        """How long the PIMS does not answer."""
        if not self.silent:
            return 0.0
        return SHORT_OUTAGE_SECONDS if self.is_short else OUTAGE_SECONDS

    @property
    def fewest_bookings(self) -> int:
        """A shorter morning cannot hold every case."""
        return FEWEST_OF_SHORT if self.is_short else FEWEST_BOOKINGS

    @property
    def fewest_ambiguous(self) -> int:
        """At least so many bookings that nobody could place."""
        return FEWEST_AMBIGUOUS_OF_SHORT if self.is_short else FEWEST_AMBIGUOUS

    @property
    def conflicts(self) -> int:
        """How many visits both sides change while VetBridge is paused."""
        if self.by_hand:
            return 0
        return 1 if self.is_short else 3

    @property
    def fewest_answered(self) -> int:
        """At least so many of these are answered, where there are so many."""
        return 1 if self.is_short else FEWEST_ANSWERED

    def seconds(self, bookings: int) -> float:
        """How long a morning with so many bookings is played."""
        return (12.0 if self.is_short else 30.0) + (0.4 if self.by_hand else 0.2) * bookings


EVERYTHING = Plot()


def plan_morning(clinic: Clinic, seed: int, bookings: int, *, today: date, plot: Plot = EVERYTHING) -> Morning:
    """The morning of ``seed`` with so many bookings, for visits from the day after ``today`` on.

    Raises ``ValueError`` where there are fewer than the plot needs, or the clinic is too small for them.
    """
    if bookings < plot.fewest_bookings:
        raise ValueError(f"a morning has at least {plot.fewest_bookings} bookings, not {bookings}")
    return _Author(clinic, seed, bookings, today, plot).morning()


class _Author:
    """Writes one morning, part after part."""

    def __init__(self, clinic: Clinic, seed: int, bookings: int, today: date, plot: Plot) -> None:
        self._plot = plot
        self._clinic = clinic
        self._seed = seed
        self._count = bookings
        self._draws = Draws(f"morning:{seed}")
        self._casting = Casting(clinic, self._draws)
        self._diary = _Diary(clinic, self._draws, today, slots=5 * bookings + 100)
        self._seconds = plot.seconds(bookings)
        self._outage_at = 0.12 * self._seconds
        self._outage_end = self._outage_at + plot.outage_seconds
        self._unmapped = clinic.services[-1] if plot.forgetful else None
        self._services = [service for service in clinic.services if service != self._unmapped]
        self._actors = _Actors()
        self._often, self._seldom = itertools.cycle(_TURNS), itertools.cycle(_TURNS_OF_FEW)
        self._statuses = itertools.cycle(_STATUSES)
        self._steps: list[Step] = []
        self._visits: list[Visit] = []

    def morning(self) -> Morning:
        """The whole script."""
        callers = self._callers()
        parts = self._parts()
        roles = _Roles(parts, self._draws)
        unmapped = self._without_code(roles)
        self._booked = [
            self._booking(number, part, unmapped.get(number) or self._draws.one_of(self._services))
            for number, part in enumerate(parts, start=1)
        ]
        self._times = self._when_booked()
        for number, at in enumerate(self._times, start=1):
            if self._booked[number - 1].part.case is not Case.ELSEWHERE:
                self._steps.append(Step(at, Deed.BOOK, number, Actor.OWNER))
        conflicts = tuple(self._conflicts(roles.take(self._plot.conflicts, of_first=_EARLY)))
        self._cancel(roles)
        self._move(roles.take(math.ceil(MOVED_SHARE * self._count) - 1))
        self._practise(roles, math.ceil(PRACTICE_SHARE * self._count))
        answers = () if self._plot.by_hand else tuple(self._answers())
        for number, caller in enumerate(callers, start=1):
            self._call(number, caller)
        fuse = self._changes(answers) + FUSE_ROOM
        if not self._plot.is_short:
            self._purged(fuse + PURGED_ROOM)
        block = None if self._plot.by_hand else self._block()
        papers = tuple(self._papers(answers, conflicts)) if self._plot.files else ()
        due = tuple(self._due()) if self._plot.due else ()
        self._steps.sort(key=lambda step: step.at)
        return Morning(
            seed=self._seed,
            clinic=self._clinic,
            bookings=tuple(self._booked),
            steps=tuple(self._steps),
            seconds=self._seconds,
            outage_at=self._outage_at,
            outage_seconds=self._plot.outage_seconds,
            visits=tuple(self._visits),
            block=block,
            answers=answers,
            conflicts=conflicts,
            mourner=self._mourner(),
            unmapped=self._unmapped,
            papers=papers,
            due=due,
            fuse=fuse,
        )

    # -- who comes

    def _parts(self) -> list[Part]:
        """Everybody who books, in the order of the morning; what belongs together stays together."""
        groups: list[list[Part]] = []
        for case, share in SHARES.items():
            fewest = self._plot.fewest_ambiguous if case is Case.AMBIGUOUS else 1
            groups += self._casting.cast(case, max(fewest, math.ceil(share * self._count)))
        if self._plot.other is not None:
            groups.append([self._casting.mourner(self._plot.other)])
        groups += self._casting.cast(Case.KNOWN, self._count - sum(map(len, groups)))
        return [part for group in self._draws.shuffled(groups) for part in group]

    def _callers(self) -> list[Caller]:
        """Everybody for whom the front desk makes a visit in the PIMS, but for the purge."""
        count = max(FEWEST_DESK_VISITS, math.ceil(DESK_SHARE * self._count))
        callers = self._casting.call(DeskCase.PARTNER, 2 * math.ceil(self._count / 100))
        callers += self._casting.call(DeskCase.PHONELESS, math.ceil(count / 8))
        left = count - len(callers)
        callers += self._casting.call(DeskCase.CARDLESS, math.ceil(left / 2))
        callers += self._casting.call(DeskCase.CARD, left - math.ceil(left / 2))
        return self._draws.shuffled(callers)

    def _without_code(self, roles: _Roles) -> Mapping[int, Service]:
        """The bookings of the service that the config does not know at first."""
        if self._unmapped is None:
            return {}
        taken = roles.take(UNMAPPED, of_first=_EARLY, fits=lambda part: part.case in (Case.KNOWN, Case.NEW))
        return dict.fromkeys(taken, self._unmapped)

    def _booking(self, number: int, part: Part, service: Service) -> Booking:
        reference = f"(ref M{self._seed}-{number:04d})"
        slot = self._diary.take(service)
        return Booking(
            number=number,
            reference=reference,
            part=part,
            comment=f"{reference} {part.comment}".strip()[:LONG_COMMENT],
            service=service,
            slot=slot,
            final=slot,
        )

    def _when_booked(self) -> list[float]:
        """When each is made: spread over the morning; the second one of a pair comes at once."""
        room = _LAST_BOOKING * self._seconds / self._count
        times: list[float] = []
        for place, booking in enumerate(self._booked):
            before = self._booked[place - 1].part if place else None
            paired = before is not None and booking.part.case is Case.TWICE and booking.part.phone == before.phone
            alone = max([*times[-1:], place * room]) + self._draws.between(0.0, room / 2)
            times.append(times[-1] + 0.01 if paired else alone)
        return times

    # -- what happens to bookings

    def _edit(self, number: int, **changes: object) -> None:
        self._booked[number - 1] = replace(self._booked[number - 1], **changes)  # type: ignore[arg-type]

    def _cancel(self, roles: _Roles) -> None:
        count = math.ceil(CANCELLED_SHARE * self._count)
        in_outage = math.ceil(count / 3)
        before = (self._outage_end - 1.0) / (_LAST_BOOKING * self._seconds)
        numbers = roles.take(in_outage, of_first=before) + roles.take(count - in_outage)
        for place, number in enumerate(numbers):
            at = self._cancel_at(place - in_outage, self._times[number - 1])
            self._steps.append(Step(at, Deed.CANCEL, number, self._actors.next()))
            self._edit(number, cancelled=True)

    def _cancel_at(self, place: int, booked_at: float) -> float:
        """The early ones while the PIMS is silent, where it can be; others in turn at once, and later."""
        if place < 0 and booked_at < self._outage_end - 1.0:
            return self._draws.between(max(booked_at, self._outage_at) + 0.5, self._outage_end)
        if place % 2 == 0:
            return booked_at + 0.02  # before it can be carried over
        return min(self._seconds, booked_at + self._draws.between(3.0, 12.0))

    def _move(self, numbers: Iterable[int]) -> None:
        # One of the ambiguous ones moves while it is on the placeholder: the visit has to follow there, too.
        for place, number in enumerate([*numbers, self._ambiguous()[-1]]):
            at = self._times[number - 1]
            for slot, by in self._moves(place, self._booked[number - 1]):
                at = min(self._seconds, at + self._draws.between(0.3, 6.0))
                self._steps.append(Step(at, Deed.MOVE, number, by, slot))
                self._edit(number, final=slot)

    def _moves(self, place: int, booking: Booking) -> Iterator[tuple[Slot, Actor]]:
        """One move; of every third booking two, the second one back to where it stood, or on to a third slot."""
        by = self._actors.next()
        yield self._diary.take(booking.service, None if by is Actor.DESK else booking.slot.vet), by
        if place % 3 == 1:
            yield booking.slot, Actor.DESK
        elif place % 3 == 2:
            yield self._diary.take(booking.service), Actor.DESK

    def _practise(self, roles: _Roles, count: int) -> None:
        """The front desk works in the PIMS on visits that were booked online."""
        for number in roles.take(count):
            slot = self._diary.take(self._booked[number - 1].service)
            self._steps.append(self._by_practice(number, Deed.MOVE, slot=slot))
            self._edit(number, final=slot)
        for number in roles.take(count):
            self._steps.append(self._by_practice(number, Deed.CANCEL))
            self._edit(number, cancelled=True)
        for number in roles.take(count):
            status = next(self._statuses)
            self._steps.append(self._by_practice(number, Deed.STATUS, status=status))
            self._edit(number, status=status)

    def _by_practice(self, number: int, deed: Deed, slot: Slot | None = None, status: Status | None = None) -> Step:
        at = self._awake(self._times[number - 1] + self._draws.between(3.0, 9.0))
        return Step(at, deed, number, Actor.PRACTICE, slot, status=status)

    def _awake(self, at: float) -> float:
        """That time, or one soon after the outage: while the PIMS is silent nobody works in it."""
        if self._outage_at - 0.5 < at < self._outage_end + 0.5:
            at = self._outage_end + self._draws.between(0.5, 4.0)
        return min(self._seconds, at)

    # -- what people are asked

    def _ambiguous(self) -> list[int]:
        return [one.number for one in self._booked if one.part.case is Case.AMBIGUOUS]

    def _mourner(self) -> Mourner | None:
        found = (one for one in self._booked if one.part.case is Case.ELSEWHERE)
        return next((Mourner(one.number, min(one.part.owners)) for one in found), None)

    def _answers(self) -> Iterator[Answer]:
        """About half of the ambiguous ones; then one is cancelled, one moved by its owner, one moved by the desk."""
        numbers = self._ambiguous()
        for place, number in enumerate(numbers[: max(self._plot.fewest_answered, len(numbers) // 2)]):
            booking = self._booked[number - 1]
            if place == 1:
                # The desk has written into the notes before anybody knew whose visit it is.
                at = self._awake(self._times[number - 1] + 2.0)
                self._steps.append(Step(at, Deed.NOTE, number, Actor.PRACTICE))
                self._edit(number, line=_OWN_LINE)
            if place % 3 == 0:
                then = Step(0.0, Deed.CANCEL, number, Actor.OWNER)
                self._edit(number, cancelled=True)
            else:
                by, vet = (Actor.OWNER, booking.slot.vet) if place % 3 == 1 else (Actor.PRACTICE, None)
                slot = self._diary.take(booking.service, vet)
                then = Step(0.0, Deed.MOVE, number, by, slot)
                self._edit(number, final=slot)
            yield Answer(number, next(iter(booking.part.owners), None), then)

    def _conflicts(self, numbers: Sequence[int]) -> Iterator[Conflict]:
        """Twice both sides move a visit, and each is right once; once its owner cancels what the desk moves.

        Of fewer, the first ones of these.
        """
        for number, right in zip(numbers, (Right.BOOKING, Right.PIMS, None), strict=False):
            booking = self._booked[number - 1]
            desk = self._diary.take(booking.service)
            moved = Step(0.0, Deed.MOVE, number, Actor.PRACTICE, desk)
            if right is None:
                self._edit(number, cancelled=True)
                yield Conflict((Step(0.0, Deed.CANCEL, number, Actor.OWNER), moved), Right.BOOKING)
                continue
            own = self._diary.take(booking.service, booking.slot.vet)
            self._edit(number, final=own if right is Right.BOOKING else desk)
            yield Conflict((Step(0.0, Deed.MOVE, number, Actor.OWNER, own), moved), right)

    # -- files, and services that are due

    def _sure(self, case: Case) -> list[Booking]:
        """Bookings of a case whose owner should be found or made, and whose visits stand."""
        return [
            one
            for one in self._booked
            if one.part.case is case and one.part.linkable == (case is Case.KNOWN) and not one.cancelled
        ]

    def _papers(self, answers: Sequence[Answer], conflicts: Sequence[Conflict]) -> Iterator[Paper]:
        """Files on owners who have booked: most belong on both sides, one is the practice's own, one is locked."""
        shown = {each.booking for each in answers} | {each.booking for each in conflicts}
        known = [one for case in (Case.KNOWN, Case.NEW) for one in self._sure(case) if one.number not in shown]
        kinds = _PAPERS_OF_SHORT if self._plot.is_short else _PAPERS
        for number, (kind, booking) in enumerate(zip(kinds, known, strict=False), start=1):
            reference = f"(ref F{self._seed}-{number:04d})"
            yield Paper(
                number=number,
                booking=booking.number,
                name=f"{kind.name} {self._seed}-{number}.pdf",
                content=letter(kind.name, reference, sealed=kind.sealed),
                at_pims=kind.at_pims,
                carried=kind.carried,
            )

    def _due(self) -> Iterator[DuePet]:
        """Pets whose next vaccination is due: of owners with a card and nothing else today, and of one who books."""
        cases = _DUE_OF_SHORT if self._plot.is_short else _DUE
        keepers = iter(self._casting.keepers(len(cases) - cases.count(DueCase.VISIT)))
        booked = reversed([one for one in self._sure(Case.KNOWN) if one.part.pets])
        for number, case in enumerate(cases, start=1):
            if case is DueCase.VISIT:
                visit = next(booked, None)
                if visit is None:
                    continue
                owner, pet = min(visit.part.owners), min(visit.part.pets)
            else:
                keeper, animal = next(keepers)
                owner, pet = keeper.number, animal.number
            yield DuePet(number=number, case=case, owner=owner, pet=pet, in_days=DUE_IN[case])

    # -- what the front desk makes in the PIMS

    def _call(self, number: int, caller: Caller) -> None:
        """A visit by telephone, and what becomes of it: some time later, or before it can be carried over."""
        visit = self._visit(number, caller)
        at = self._calm(0.8)
        self._steps.append(Step(at, Deed.BOOK, 0, Actor.PRACTICE, visit=number))
        deed, at_once = next(self._often if caller.case in (DeskCase.CARD, DeskCase.CARDLESS) else self._seldom)
        when = at + 0.05 if at_once else self._awake(at + self._draws.between(3.0, 8.0))
        if deed is Deed.MOVE:
            slot = self._diary.take(visit.service)
            visit = replace(visit, final=slot, slots=(visit.slot, slot))
            self._steps.append(Step(when, deed, 0, Actor.PRACTICE, slot, visit=number))
        elif deed is Deed.CANCEL:
            visit = replace(visit, cancelled=True)
            self._steps.append(Step(when, deed, 0, Actor.PRACTICE, visit=number))
        elif deed is Deed.STATUS:
            visit = replace(visit, status=next(self._statuses))
            self._steps.append(Step(when, deed, 0, Actor.PRACTICE, visit=number, status=visit.status))
        self._visits.append(visit)

    def _calm(self, part: float) -> float:
        """Some time in this part of the morning at which the PIMS answers."""
        before = self._outage_at - 1.0
        silence = self._plot.outage_seconds + 1.5
        at = self._draws.between(0.3, max(before + 0.5, part * self._seconds - silence))
        return at if at < before else at + silence

    def _visit(self, number: int, caller: Caller) -> Visit:
        service = self._draws.one_of(self._services)
        slot = self._diary.take(service)
        return Visit(
            number=number,
            reference=f"(ref P{self._seed}-{number:04d})",
            case=caller.case,
            owner=caller.owner,
            pet=caller.pet,
            card=caller.card,
            service=service,
            slot=slot,
            final=slot,
            slots=(slot,),
        )

    def _purged(self, count: int) -> None:
        """Visits that are made early, and all cancelled at once when everything else is over."""
        first = len(self._visits) + 1
        for number, caller in enumerate(self._casting.call(DeskCase.PURGED, count), start=first):
            self._visits.append(replace(self._visit(number, caller), cancelled=True))
            at = self._draws.between(0.2, self._outage_at - 1.0)
            self._steps.append(Step(at, Deed.BOOK, 0, Actor.PRACTICE, visit=number))

    def _block(self) -> Block:
        longest = max(self._services, key=lambda service: service.minutes)
        return Block(f"(ref B{self._seed}-0001)", self._diary.take(longest), _BLOCK_MINUTES)

    def _changes(self, answers: Sequence[Answer]) -> int:
        """How often a visit is moved or cancelled that the other side may have by then, whoever does it where.

        A conflict does not count: what a person has decided upon is carried out whatever the fuse says.
        """
        steps = [step for step in self._steps if not self._is_folded(step)] + [answer.then for answer in answers]
        return sum(step.deed in (Deed.MOVE, Deed.CANCEL) for step in steps)

    def _is_folded(self, step: Step) -> bool:
        """Whether nothing can be written between a booking and this step: it comes at once, or the PIMS is silent."""
        if not step.booking:
            return False
        booked_at = self._times[step.booking - 1]
        silent = self._outage_at + 1.0 < booked_at and step.at < self._outage_end - 1.0
        return silent or step.at < booked_at + 0.1


class _Roles:
    """Deals out bookings that nobody is unsure about, each for one purpose: no two people work on the same."""

    def __init__(self, parts: Sequence[Part], draws: Draws) -> None:
        self._parts = parts
        unsure = (Case.AMBIGUOUS, Case.ELSEWHERE)
        numbers = [n for n, part in enumerate(parts, start=1) if part.case not in unsure]
        self._free = draws.shuffled(numbers)

    def take(self, count: int, *, of_first: float = 1.0, fits: Callable[[Part], bool] = lambda _: True) -> list[int]:
        """So many numbers; ``of_first``: of this part of the bookings, the first ones, if these suffice."""
        last = of_first * len(self._parts)
        found = [number for number in self._free if fits(self._parts[number - 1])]
        taken = sorted(found, key=lambda number: max(number, last))[:count]
        self._free = [number for number in self._free if number not in taken]
        return taken


class _Actors:
    """Every third move or cancellation at the platform is the front desk's."""

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
