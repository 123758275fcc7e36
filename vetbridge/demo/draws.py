"""Random choices that mean the same for one seed in every version of Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """Choices made from ``random()`` alone, the one method whose sequence Python promises to keep."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def between(self, low: float, high: float) -> float:
        """A number from ``low`` to ``high``."""
        return low + self._random.random() * (high - low)

    def chance(self, share: float) -> bool:
        """True in this share of all calls."""
        return self._random.random() < share

    def one_of(self, values: Sequence[T]) -> T:
        """One of the values."""
        return values[int(self._random.random() * len(values))]

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """All of the values, in another order."""
        keys = [self._random.random() for _ in values]
        return [values[place] for place in sorted(range(len(values)), key=keys.__getitem__)]
