"""The clinic's opening hours in half hours, and which of them are taken at either side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from vetbridge.testing.clinic import STAFF
from vetbridge.testing.population.dice import Dice

CELL = 30
"""Minutes."""
CELLS = 16
"""Half hours of a day."""
OPENS = time(9)
CLOSED = 6
"""Weekday without visits: Sunday."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A vet's time."""

    vet: int
    start: datetime


def working_days(first: date, step: int, count: int) -> list[date]:
    """``count`` days on which the clinic is open: from ``first`` on, a day (``step``) later each or earlier."""
    days: list[date] = []
    day = first
    while len(days) < count:
        if day.weekday() != CLOSED:
            days.append(day)
        day += timedelta(days=step)
    return days


class Diary:
    """Deals out times of some days, none twice, in an order that chance has shuffled."""

    def __init__(self, days: Sequence[date], zone: str, dice: Dice) -> None:
        self._zone = ZoneInfo(zone)
        self._taken: set[Slot] = set()
        starts = [self._at(day, cell) for day in days for cell in range(CELLS)]
        cells = [Slot(member.number, start) for start in starts for member in STAFF]
        order = sorted((dice.roll(), place) for place in range(len(cells)))
        self._cells = [cells[place] for _, place in order]
        self._open = set(cells)

    def take(self, minutes: int, fits: Callable[[Slot], bool] = lambda slot: True) -> Slot:
        """A time of so many minutes that fits. Raises ``ValueError`` where there is none left."""
        for slot in self._cells:
            if fits(slot) and self._take(slot, minutes):
                return slot
        raise ValueError("these days have no time left")

    def take_beside(self, slot: Slot, minutes: int) -> Slot | None:
        """The same time of another vet; None where all are taken."""
        for member in STAFF:
            other = Slot(member.number, slot.start)
            if self._take(other, minutes):
                return other
        return None

    def occupy(self, slot: Slot, minutes: int) -> None:
        """Takes a time that something stands in already."""
        self._taken.update(self._cells_of(slot, minutes))

    def _take(self, slot: Slot, minutes: int) -> bool:
        cells = set(self._cells_of(slot, minutes))
        if not cells <= self._open or cells & self._taken:
            return False
        self._taken |= cells
        return True

    def _cells_of(self, slot: Slot, minutes: int) -> Iterator[Slot]:
        into = timedelta(minutes=slot.start.minute % CELL)
        begin = slot.start - into
        end = slot.start + timedelta(minutes=minutes)
        while begin < end:
            yield Slot(slot.vet, begin)
            begin += timedelta(minutes=CELL)

    def _at(self, day: date, cell: int) -> datetime:
        return datetime.combine(day, OPENS, self._zone) + timedelta(minutes=cell * CELL)
