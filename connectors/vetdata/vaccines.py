"""Which codes make a line of an account a vaccination."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from connectors.vetdata.options import MOST_CODES, VetDataOptions
from vetbridge.core.errors import BadAnswer

CODES_LAST = 600.0
"""Seconds for which the vaccine codes of a category are remembered."""


class VaccineCodes:
    """The codes that make a line of an account a vaccination; those of categories are read, and kept for a while."""

    def __init__(
        self,
        options: VetDataOptions,
        read: Callable[[Sequence[str]], Iterable[str]],
        steady: Callable[[], float],
        account: str,
    ) -> None:
        self._options = options.vaccines
        self._read = read
        self._steady = steady
        self._account = account
        self._lock = threading.Lock()
        self._kept: frozenset[str] = frozenset()
        self._until = float("-inf")

    def now(self) -> frozenset[str]:
        """The codes. Raises ``BadAnswer`` where there are none, or more than one filter takes."""
        if not self._options.categories:
            return frozenset(self._options.codes)
        with self._lock:
            if self._steady() >= self._until:
                found = frozenset({*self._options.codes, *self._read(self._options.categories)})
                if not 0 < len(found) <= MOST_CODES:
                    raise BadAnswer(
                        f"{self._account}: GET Codes: vaccines.categories make {len(found)} codes, and 1 to "
                        f"{MOST_CODES} are possible; name the codes in vaccines.codes"
                    )
                self._kept = found
                self._until = self._steady() + CODES_LAST
            return self._kept
