"""Questions of every kind, as the engine leaves them, with whatever values a test likes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.unit.desk.practice import ZONE, receive
from tests.unit.web.served import Served
from vetbridge.core.instants import Instant
from vetbridge.core.records import Appointment, Client, Kind, Pet
from vetbridge.ledger import changes, mirror, reviews
from vetbridge.ledger.tables import ChangeState

PIMS = "ezyvet-city"


def booking(served: Served, *, hours: float = 3, booker: Client | None = None, pet: Pet | None = None) -> Appointment:
    """A visit that James Harris booked for Monty, unless somebody else did."""
    return Appointment(
        id="30001",
        client_id="2001",
        booker=booker or Client(id="2001", given_name="James", family_name="Harris", phones=("+447700900123",)),
        booked_pet=pet or Pet(name="Monty", species="cat"),
        start=Instant(served.clock.now() + timedelta(hours=hours), ZONE),
        duration=900,
        appointment_type="vaccination",
        resource="vet_2",
    )


def known(served: Served, *records: Client | Pet) -> None:
    """What the mirror of the PIMS holds."""
    with served.ledger.write() as tx:
        mirror.put(tx, PIMS, list(records))


def candidate(client_id: str, pet_id: str | None = None, **more: Any) -> dict[str, Any]:
    return {"client_id": client_id, "pet_id": pet_id, "score": 0.9, "vetoes": [], "evidence": [], **more}


def ask(
    served: Served,
    *,
    why: str = "contact-shared",
    visit: Appointment | None = None,
    candidates: tuple[dict[str, Any], ...] = (),
    remote_id: str = "30001",
    kind: Kind = Kind.APPOINTMENT,
    **more: Any,
) -> int:
    """Asks, and returns the question's number. ``more``: what else the question says."""
    visit = replace(visit or booking(served), id=remote_id)
    with served.ledger.write() as tx:
        row = changes.begin(tx, receive(tx, remote_id))
        row.visit_at = visit.start.utc
        question = {"why": why, "words": "", "booking": visit, "candidates": list(candidates), **more}
        asked = reviews.ask(tx, row, why=why, visit_at=visit.start.utc, question=question)
        changes.settle(tx, row.id or 0, ChangeState.REVIEW, why, "a person has to say")
        assert asked.id is not None
        return asked.id
