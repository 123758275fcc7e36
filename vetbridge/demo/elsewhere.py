"""What goes on at the other branches of a chain while one branch's PIMS does not answer."""

from __future__ import annotations

LAST_SECONDS = 2.0
"""When so little is left of a silence in which nothing has gone on yet, it is made longer."""
MORE_SECONDS = 6.0
"""By so much."""


class Elsewhere:
    """Counts the bookings of the other branches that come through while one PIMS is silent.

    On a slow machine nothing may come through in time: then that PIMS has to be silent for longer.
    """

    def __init__(self) -> None:
        self.went_on = 0
        """How many there were so far."""
        self._before: int | None = None

    def look(self, through: int, silence: float) -> bool:
        """A look after the silence has begun; whether it has to go on for ``MORE_SECONDS``.

        ``through``: bookings of the others that have come through at all. ``silence``: seconds that are left of it; 0
        where it is over.
        """
        if self._before is None or (silence <= 0 and not self.went_on):
            self._before = through
        if silence > 0:
            self.went_on = through - self._before
        return not self.went_on and silence < LAST_SECONDS
