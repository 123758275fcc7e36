"""Seeded chance: everything comes from ``random()`` alone, so that a seed means the same for ever."""

from __future__ import annotations

import itertools
import random
from bisect import bisect
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Dice:
    """One stream of chance, named by numbers: the same numbers are the same stream on every machine."""

    __slots__ = ("roll",)

    def __init__(self, *key: int) -> None:
        mixed = 1
        for part in key:
            mixed = mixed << 64 | part
        self.roll = random.Random(mixed).random

    def chance(self, share: float) -> bool:
        """True in this share of the calls."""
        return self.roll() < share

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count - 1``, each as likely."""
        return int(self.roll() * count)

    def pick(self, values: Sequence[T]) -> T:
        """One of the values, each as likely. Raises ``IndexError`` where there are none."""
        return values[int(self.roll() * len(values))]


class Ranked(Generic[T]):
    """Values drawn by weight, the common ones often.

    Raises ``ValueError`` where there is no value, or not a weight for each.
    """

    __slots__ = ("_sums", "values")

    def __init__(self, values: Sequence[T], weights: Sequence[float]) -> None:
        if not values or len(values) != len(weights):
            raise ValueError("a ranked list needs values, and a weight for each")
        self.values = tuple(values)
        self._sums = list(itertools.accumulate(weights))

    @classmethod
    def by_rank(cls, values: Sequence[T], head: float) -> Ranked[T]:
        """The n-th value weighs ``1 / (n + head)``, as family names do: a small ``head`` makes the first frequent."""
        return cls(values, [1 / (rank + head) for rank in range(len(values))])

    def draw(self, dice: Dice) -> T:
        """One value."""
        place = bisect(self._sums, dice.roll() * self._sums[-1])
        return self.values[min(place, len(self.values) - 1)]


def scatter(number: int, span: int) -> int:
    """Another place below ``span`` for every number below ``span``, with no two neighbours alike.

    ``span`` is a power of ten, or a small multiple of one.
    """
    step = int(span * 0.6180339887) // 10 * 10 + 7
    while step % 3 == 0:
        step += 10
    return (number * step + span // 7) % span
