"""The peers of VetBridge's matching: what a clinic could use instead. One module each, one interface.

A peer that gives scores says in each decision also its best owner and the score of the runner-up, so that other
cut-offs can be applied to the same run (see ``bench.matching.peers.cutoffs``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bench.matching.peers.clinic import Booking, Clinic

Action = Literal["link", "create", "review"]

MAX_CANDIDATE_IDS = 200
"""So many candidates of a decision are named, best first where the peer has an order."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a peer does with one booking; a line of decisions.jsonl.

    ``probability`` is 0 to 1 (a rule without one says 1 for a link and 0 else). ``candidates`` counts the owners that
    were compared, ``candidate_ids`` names the first of them. ``ms`` is the time that the booking took; of a batch,
    its share. ``score`` and ``runner_up`` are bits or points of the peer's own; None where it has none.
    """

    booking_id: str
    action: Action
    owner_id: str | None
    patient_id: str | None
    probability: float
    candidates: int
    ms: float
    candidate_ids: tuple[str, ...] = ()
    score: float | None = None
    runner_up: float | None = None


class Peer(Protocol):
    """Decides who is meant by each booking, knowing the clinic's records and no labels."""

    @property
    def name(self) -> str:
        """Its rule in a few words."""
        ...

    def decide(self, clinic: Clinic, bookings: Sequence[Booking]) -> Iterator[Decision]:
        """One decision a booking, in the order of the bookings."""
        ...
