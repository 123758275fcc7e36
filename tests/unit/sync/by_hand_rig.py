"""A town whose PIMS takes no writes: people type what the work list says, for the tests of that."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from tests.rig import Rig
from vetbridge.core.records import Kind
from vetbridge.ledger import worklist
from vetbridge.ledger.tables import Worklist
from vetbridge.testing.memory import MemorySide, by_hand, memory_capabilities


class HandRig(Rig):
    """A pair whose visits are typed by hand, and two owners with a pet each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, pims=MemorySide(by_hand(memory_capabilities())))
        self.john = self.owner("John", "Smith", "+447912000001", "Bella")
        self.mary = self.owner("Mary", "Jones", "+447912000002", "Rex")


@pytest.fixture
def rig(tmp_path: Path) -> HandRig:
    return HandRig(tmp_path)


def lines(rig: Rig) -> list[tuple[str, dict[str, Any]]]:
    """What stands on the work list: tasks with their details."""
    with rig.ledger.read() as tx:
        return [(row.task, worklist.detail(tx, row)) for row in worklist.lines(tx)]


def pet_of(rig: Rig, client: str) -> str:
    return next(str(row["id"]) for row in rig.pims.rows(Kind.PET) if row["owner"] == client)


def typed(rig: Rig, booking: str, client: str, **otherwise: Any) -> str:
    """Somebody types the visit of a booking in the PIMS, as it stands or otherwise."""
    row = rig.booking.row(Kind.APPOINTMENT, booking)
    assert row is not None
    visit = {name: row[name] for name in ("start", "seconds", "type", "who")}
    return rig.pims.add(
        Kind.APPOINTMENT,
        {**visit, "owner": client, "pet": pet_of(rig, client), "state": "booked", "notes": "", **otherwise},
    )


def later(rig: Rig, booking: str, **span: float) -> str:
    row = rig.booking.row(Kind.APPOINTMENT, booking)
    assert row is not None
    return (datetime.fromisoformat(row["start"]) + timedelta(**span)).isoformat()


def closed(rig: Rig) -> list[tuple[str, str]]:
    """Lines that nobody has to do any more: task and state."""
    with rig.ledger.read() as tx:
        rows = tx.session.exec(select(Worklist)).all()
        return [(row.task, row.state) for row in rows if row.closed_at is not None]


def tick(rig: Rig) -> None:
    """Somebody says of every line that it is done."""
    with rig.ledger.write() as tx:
        for row in worklist.lines(tx):
            worklist.done(tx, row, "ann")
