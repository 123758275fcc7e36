"""The practice as its people use it: the front desk takes visits by telephone, a clerk works off the work list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any

from vetbridge.connector.clock import Clock
from vetbridge.demo.findings import REFERENCE
from vetbridge.demo.practice import NotThere
from vetbridge.demo.scenes import Commands, House, Late, Scene, Scenes
from vetbridge.demo.story import Booking, Deed, Morning, Slot, Step, Visit
from vetbridge.testing.practice import FIRST_CLIENT, FIRST_PET, KeptVisit, Practice
from vetbridge.testing.practice.clerk import Clerk, Line, Slip

DELAY = 2.0
"""Seconds that a line waits for the clerk, half as long or longer; in a clinic it is minutes."""
NOTICES_AFTER = 8.0
"""Seconds after which a line that was only ticked, or a visit that was typed twice, strikes somebody."""
SLIPS = (Slip.HOUR, Slip.NEIGHBOUR, Slip.NOT_TICKED, Slip.ONLY_TICKED, Slip.TWICE, Slip.OTHER_PET, Slip.FORGOTTEN)
"""What goes wrong once each, with the first line with which it can."""
FOUND = frozenset({Slip.HOUR, Slip.NEIGHBOUR, Slip.OTHER_PET})
"""Of these, what VetBridge has to find and say."""
LOOK_EVERY = 2.0
"""Seconds between two looks at the work list."""
BY = "clerk"
USAGE = 2
"""Exit code where the line needs nobody any more: a reading was quicker than the tick."""


class PaperDesk:
    """The front desk at its own screens, and what the clerk has typed."""

    def __init__(self, practice: Practice, *, placeholder: tuple[str, str] | None = None) -> None:
        self.practice = practice
        self.placeholder = placeholder
        """Client and pet for visits that are nobody's yet; None: there are no such visits."""
        self.references: dict[str, str] = {}
        """What the clerk typed, by the appointment's id: the reference of its booking."""
        self.listed: frozenset[str] = frozenset()
        """References of bookings about which a line stands: the clerk is at it."""

    def contact(self, owner: int) -> str:
        """The id of one of the clinic's owners."""
        return self.practice.client(str(FIRST_CLIENT + owner)).id

    def play(self, step: Step, morning: Morning) -> None:
        """Does one step. Raises ``NotThere`` where it has to be tried again later."""
        subject = morning.of(step)
        if step.deed is Deed.BOOK and isinstance(subject, Visit):
            self._take(subject)
        elif step.deed is Deed.MOVE and step.slot is not None:
            self.practice.change_visit(self._standing(subject).id, **_when(step.slot))
        elif step.deed is Deed.CANCEL:
            self.practice.cancel(self._standing(subject).id)
        elif step.deed is Deed.STATUS and step.status is not None:
            self.practice.change_visit(self._standing(subject).id, status=step.status.value)

    def _take(self, visit: Visit) -> None:
        """A visit by telephone."""
        self.practice.book(
            pet_id=self.practice.pet(str(FIRST_PET + visit.pet)).id,
            client_id=self.practice.client(str(FIRST_CLIENT + visit.owner)).id,
            minutes=visit.service.minutes,
            appointment_type=visit.service.code,
            notes=f"By phone {visit.reference}",
            **_when(visit.slot),
        )

    def _standing(self, subject: Booking | Visit) -> KeptVisit:
        """The visit as the desk finds it: as it was asked for, and not twice."""
        found = [one for one in self.practice.visits() if self.reference(one) == subject.reference]
        if len(found) != 1 or subject.reference in self.listed:
            raise NotThere(f"the practice does not hold {subject.reference} as it should")
        return found[0]

    def reference(self, visit: KeptVisit) -> str:
        """The booking or the desk visit that a visit belongs to; empty where it belongs to none."""
        told = REFERENCE.search(visit.notes)
        return told[0] if told is not None else self.references.get(visit.id, "")


class OnTheList:
    """The work list as the clerk last saw it. Every second line is typed without its remark, as people do."""

    def __init__(self) -> None:
        self.now: Sequence[Line] = ()
        self.ticked: list[int] = []
        """Ticks that VetBridge was not told yet."""
        self.references: dict[int, str] = {}
        """By line, the reference of its booking."""

    def saw(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """The list as VetBridge says it now."""
        for line in lines:
            told = REFERENCE.search(str(line["steps"]))
            if told is not None:
                self.references[line["id"]] = told[0]
        self.now = [_without_remark(line) if line["id"] % 2 else line for line in lines]

    def lines(self) -> Sequence[Line]:
        """See ``WorkList``."""
        return self.now

    def tick(self, number: int) -> None:
        """See ``WorkList``."""
        self.ticked.append(number)


class Typing(Scenes):
    """The clerk's work, as long as the morning and what it leaves behind take."""

    def __init__(
        self,
        desk: PaperDesk,
        morning: Morning,
        commands: Commands,
        house: House,
        clock: Clock,
        patience: float,
        *,
        slips: Collection[Slip] = SLIPS,
    ) -> None:
        super().__init__(commands, house, clock, patience)
        self._desk = desk
        self._morning = morning
        self._list = OnTheList()
        self.clerk = Clerk(
            desk.practice,
            self._list,
            clock,
            seed=morning.seed,
            delay=DELAY,
            notices_after=NOTICES_AFTER,
            choose=self._whose,
        )
        for slip in slips:
            self.clerk.arm(slip)
        self.is_over = False
        """Set by whoever plays the morning: nothing more is to come."""

    def is_noted(self, client: str) -> bool:
        """Whether the clerk has written down that a client wants no messages."""
        return any(
            deed.task == "opt_out" and deed.did == "changed" and deed.id == client for deed in self.clerk.deeds
        )

    @property
    def standing(self) -> int:
        """Lines that nobody has confirmed yet, and visits that stand twice."""
        told = Counter(self._desk.reference(visit) for visit in self._desk.practice.visits())
        return len(self._list.now) + sum(count > 1 for reference, count in told.items() if reference)

    def working(self) -> Scene[None]:
        """Looks at the list now and then, types what it says, and ticks it off."""
        known: Hashable = None
        lines: Sequence[Mapping[str, Any]] = ()
        while not self.is_over:
            listed = self._house.listed()
            if listed != known:  # a look that shows nothing new needs no command
                lines = yield from self._told("worklist", "list")
                known = listed
            self._list.saw(lines)
            self._desk.listed = frozenset(self._about())
            for deed in self.clerk.work():
                reference = self._list.references.get(deed.line)
                if deed.did == "booked" and reference is not None:
                    self._desk.references[deed.id] = reference
                if deed.slip is not None:
                    self._house.happens(f"the clerk makes a mistake ({deed.slip.value.replace('_', ' ')})")
            standing = {line["id"] for line in lines}
            ticked, self._list.ticked = self._list.ticked, []
            numbers = [str(number) for number in ticked if number in standing]
            if numbers and (yield from self._told("worklist", "done", *numbers, "--by", BY, fine=(0, USAGE))) is None:
                self._list.ticked += map(int, numbers)  # one of them stands no more; the next look says which
            yield from self._pass(LOOK_EVERY)

    def _about(self) -> Iterator[str]:
        """References of the bookings that the list is about now."""
        standing = {visit.id: visit for visit in self._desk.practice.visits(deleted=True)}
        for line in self._list.now:
            if line["id"] in self._list.references:
                yield self._list.references[line["id"]]
            elif line["remote_id"] in standing:
                yield self._desk.reference(standing[line["remote_id"]])

    def _whose(self, line: Line) -> str | None:
        """Whom the clerk takes of several, as the clerk knows the owners."""
        reference = self._list.references.get(line["id"], "")
        booking = next((one for one in self._morning.bookings if one.reference == reference), None)
        if booking is None:
            raise Late("a line with candidates belongs to no booking")
        meant = {self._desk.contact(owner) for owner in booking.part.owners}
        return next((each["id"] for each in line["candidates"] if each["id"] in meant), None)


def _when(slot: Slot) -> dict[str, Any]:
    return {"start": slot.start.replace(tzinfo=None), "resource": slot.vet.code}


def _without_remark(line: Mapping[str, Any]) -> Line:
    return {**line, "steps": [step for step in line["steps"] if step["field"] not in ("remark", "notes")]}
