"""A clinic and its bookings of any size, made as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from vetbridge.testing.population.bookings import Booking, BookingMaker, CircleIndex
from vetbridge.testing.population.circles import Circle, CircleMaker
from vetbridge.testing.population.shares import Shares
from vetbridge.testing.population.truth import Twins
from vetbridge.testing.population.words import Words


class Population:
    """``owners`` owner records (up to three more, for the last circle stays whole) and any number of bookings.

    The same seed, words and shares mean the same population on every machine. Memory does not grow with the bookings,
    and with the owners by some 150 bytes each. Raises ``ValueError`` for fewer than one owner.
    """

    def __init__(self, seed: int, owners: int, words: Words, shares: Shares | None = None) -> None:
        if owners < 1:
            raise ValueError("a population needs an owner")
        self._seed = seed
        self._owners = owners
        self._shares = shares or Shares()
        self._maker = CircleMaker(seed, owners + 3, words, self._shares)
        self._twins = Twins(owners)
        self._index = CircleIndex()
        self._counted = False

    def circles(self) -> Iterator[Circle]:
        """All circles, from the first to the last."""
        records = number = 0
        while records < self._owners:
            circle = self._maker.circle(number)
            records += len(circle.cards)
            number += 1
            if number > self._index.count:
                self._index.add(circle)
                self._twins.add(circle)
            yield circle
        self._counted = True

    def bookings(self, count: int) -> Iterator[Booking]:
        """The first ``count`` bookings. Reads all circles before, unless that was done."""
        if not self._counted:
            for _ in self.circles():
                pass
        maker = BookingMaker(self._seed, self._maker, self._index, self._twins, self._shares)
        for number in range(count):
            yield maker.booking(number)
