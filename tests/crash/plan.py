"""Which faults come in which order: decided by the seed alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tests.crash.victim import POINTS
from vetbridge.demo.draws import Draws


class Fault(StrEnum):
    """What happens in a round, which always ends with kill -9."""

    POINT = "point"
    """kill -9 at a named point."""
    MOMENT = "moment"
    """kill -9 at some moment."""
    ANSWERS = "answers"
    """Both sides lose answers, and land writes late; then kill -9 at a named point."""
    FROZEN = "frozen"
    """A side stands still for longer than VetBridge waits; kill -9 at some moment."""
    STOPPED = "stopped"
    """SIGSTOP past the lease while another VetBridge takes over, then SIGCONT; kill -9 of both."""
    LEDGER = "ledger"
    """SQLite: the file system is full for a while. PostgreSQL: the server restarts. Then kill -9."""


_DECK = (
    *([Fault.POINT] * 5),
    *([Fault.MOMENT] * 2),
    *([Fault.ANSWERS] * 3),
    Fault.FROZEN,
    Fault.STOPPED,
    Fault.LEDGER,
)
_STOPS = ("sending", "intended", "sending", "sent", "read", "before-settle", "sending", "looked")
"""Where a process is stopped: mostly where a write is about to be sent."""
_PASSES = (1, 1, 1, 1, 2, 2, 3)
"""At which pass of its point: mostly an early one, as there are not many in one life."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round. ``point`` and ``passes``: where it is killed, or stopped; "" where no point is aimed at."""

    number: int
    fault: Fault
    point: str
    passes: int
    after: float
    """Seconds after the start at which what happens at some moment happens."""
    at_pims: bool
    """Which side stands still."""
    door: bool
    """VetBridge takes webhooks."""
    before: int
    """How many deeds are done while VetBridge is down."""
    during: int
    """And how many while it works."""

    @property
    def kills(self) -> int:
        """How often kill -9 hits."""
        return 2 if self.fault is Fault.STOPPED else 1

    @property
    def aimed(self) -> bool:
        """A named point decides when it dies, or stands still."""
        return bool(self.point)

    def __str__(self) -> str:
        where = f"{self.point}:{self.passes}" if self.aimed else f"after {self.after:.1f} s"
        return f"{self.fault} {where}{' with webhooks' if self.door else ''}"


def rounds(kills: int, seed: int) -> list[Round]:
    """As many rounds as make so many kills, every fault about as often as the deck has it, every point in turn."""
    draws = Draws(f"{seed}:faults")
    made: list[Round] = []
    deck: list[Fault] = []
    points: list[str] = []
    stops: list[str] = []
    while (left := kills - sum(one.kills for one in made)) > 0:
        deck = deck or draws.shuffled(_DECK)
        points = points or draws.shuffled(POINTS)
        stops = stops or draws.shuffled(_STOPS)
        fault = deck.pop()
        if fault is Fault.STOPPED and left < 2:
            fault = Fault.POINT
        aims = {Fault.POINT: points, Fault.ANSWERS: points, Fault.STOPPED: stops}.get(fault)
        made.append(
            Round(
                number=len(made) + 1,
                fault=fault,
                point=aims.pop() if aims else "",
                passes=draws.one_of(_PASSES),
                after=draws.between(0.2, 2.2),
                at_pims=draws.chance(0.7),
                door=draws.chance(0.5),
                before=int(draws.between(2, 4.999)),
                during=int(draws.between(0, 2.999)),
            )
        )
    return made
