"""A simulated practice at work: whose owner books, and what stands in its diary."""

from __future__ import annotations

from typing import Any

from tests.at_work import AtWork
from vetbridge.core.records import Kind
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.practice import KeptVisit
from vetbridge.testing.practice.simulator import PracticeSimulator

CLIENTS, SEED = 12, 7
OWNER = next(
    each for each in make_clinic(SEED, CLIENTS).owners if each.active and each.phones and len(each.pets) == 1
)


class SimulatedTown(AtWork):
    """Bookings of a practice, of which ``site`` is the simulator."""

    site: PracticeSimulator

    def book(self, given: str, family: str, phone: str, pet: str, **more: Any) -> str:
        """A new booking, written; its id."""
        id_ = self.rig.book(given, family, phone, pet, **more)
        self.go_on()
        return id_

    def change(self, id_: str, **more: Any) -> None:
        """A booking is changed, and two minutes pass."""
        self.rig.booking.edit(Kind.APPOINTMENT, id_, more)
        self.wait(120)

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.advance(seconds)
        self.go_on()

    @property
    def diary(self) -> tuple[KeptVisit, ...]:
        """The practice's visits, deleted ones too."""
        return self.site.practice.visits(deleted=True)

    def booking(self, id_: str) -> dict[str, Any]:
        """A booking as the booking side has it."""
        [row] = [row for row in self.rig.booking.rows(Kind.APPOINTMENT) if row["id"] == id_]
        return dict(row)
