"""A practice whose database is read and that people write to: ImproMed's profile over real ODBC, day by day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.impromed.simulator import CODE_LISTS, ImproMedPractice
from connectors.sql import plugin
from connectors.sql.options import SqlOptions
from tests.rig import Rig
from vetbridge.connector.accounted import Accounted
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.errors import Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import worklist
from vetbridge.mapping import Mapper, load_table
from vetbridge.sync.pair import End
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide
from vetbridge.testing.practice import KeptVisit

pytestmark = pytest.mark.odbc
ZONE = "Europe/London"


class DatabaseRig(Rig):
    """The town's practice has its records in a database."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.practice = ImproMedPractice(folder / "practice.sqlite3", zone=ZONE, now=self.clock.now)
        options = SqlOptions(
            profile="impromed",
            dialect="sqlite",  # type: ignore[arg-type]
            connection=Secret.of(f"Driver=SQLite3;Database={self.practice.file}"),
        )
        environment = Environment(account="pims", zone=ZONE, country="GB", clock=self.clock)
        self.sql = plugin.build(options, environment)
        super().__init__(folder, clock=self.clock)

    def _end(self, account: str, side: MemorySide) -> End:
        if account != "pims":
            return super()._end(account, side)
        codes = {name: {word: str(code) for word, code in codes.items()} for name, codes in CODE_LISTS.items()}
        mapper = Mapper(load_table("neutral"), zone=ZONE, country="GB", codes=codes)
        return End(account=account, connector=Accounted(self.sql, account, self.clock), mapper=mapper, timeout=10.0)

    def typed(self, booking: str, pet_id: str, **otherwise: Any) -> KeptVisit:
        """Staff type the visit of a booking, as it stands or otherwise."""
        start = datetime.fromisoformat(self.booked(booking)["start"]).astimezone(ZoneInfo(ZONE))
        return self.practice.book(
            **{
                "pet_id": pet_id,
                "start": start.replace(tzinfo=None),
                "minutes": 15,
                "resource": "vet_1",
                "appointment_type": "vaccination",
                **otherwise,
            }
        )

    def booked(self, booking: str) -> dict[str, Any]:
        """A booking as it stands at the booking side."""
        row = self.booking.row(Kind.APPOINTMENT, booking)
        assert row is not None
        return row

    def tasks(self) -> list[str]:
        """What is to be done by hand."""
        with self.ledger.read() as tx:
            return [row.task for row in worklist.lines(tx)]

    def later(self) -> None:
        """Time passes, and all that the daemon does once in a while is done."""
        self.clock.advance(120)
        self.run()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DatabaseRig]:
    made = DatabaseRig(tmp_path)
    yield made
    made.sql.close()
    made.practice.close()
    made.ledger.close()


@pytest.fixture
def bella(rig: DatabaseRig) -> str:
    """John Smith's dog; his wife stands on his card."""
    john = rig.practice.register_client(
        given_name="John", family_name="Smith", partner_given_name="Ann", phones=("07912 000001",)
    )
    return rig.practice.register_pet(client_id=john.id, name="Bella", species="dog").id


def test_a_booking_is_typed_moved_and_cancelled(rig: DatabaseRig, bella: str) -> None:
    booking = rig.book("John", "Smith", "+447912000001", "Bella")
    rig.run()
    assert rig.tasks() == ["book"]
    assert rig.practice.visits() == ()
    visit = rig.typed(booking, bella)
    rig.later()
    assert rig.tasks() == []
    assert ("done", "matched") in rig.endings()
    rig.practice.change_visit(visit.id, start=visit.start + timedelta(hours=2))
    rig.later()
    moved = datetime.fromisoformat(rig.booked(booking)["start"]).astimezone(ZoneInfo(ZONE))
    assert moved.replace(tzinfo=None) == visit.start + timedelta(hours=2), "what the desk moved moves online"
    rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    rig.later()
    assert rig.tasks() == ["cancel"]
    rig.practice.cancel(visit.id)
    rig.later()
    assert rig.tasks() == []
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1


def test_whoever_else_owns_the_pet_is_known(rig: DatabaseRig, bella: str) -> None:
    booking = rig.book("Ann", "Smith", "+447912000001", "Bella")
    rig.run()
    rig.typed(booking, bella)
    rig.later()
    assert (rig.tasks(), rig.questions()) == ([], ())
    assert ("done", "matched") in rig.endings()


def test_a_visit_that_the_desk_cancels_is_cancelled_online_and_a_purge_cancels_nothing(
    rig: DatabaseRig, bella: str
) -> None:
    bookings = [rig.book("John", "Smith", "+447912000001", "Bella") for _ in range(12)]
    rig.run()
    visits = [rig.typed(booking, bella) for booking in bookings]
    rig.later()
    assert rig.tasks() == []
    rig.practice.cancel(visits[0].id)
    rig.later()
    assert rig.booked(bookings[0])["state"] == "cancelled"
    columns, kept = rig.practice.table("SELECT * FROM APPT_M")
    rig.practice.empty(Kind.APPOINTMENT)
    for _ in range(2):
        rig.clock.advance(600)
        rig.refresher.pass_()
        with pytest.raises(Unavailable, match="nothing of it is believed"):
            rig.receiver.poll_desk()
        rig.sweeper.sweep()
        rig.work()
    assert [rig.booked(booking)["state"] for booking in bookings[1:]] == ["booked"] * 11
    with rig.practice.writing():
        for row in kept:
            rig.practice.write(f"INSERT INTO APPT_M VALUES ({', '.join('?' * len(columns))})", *row)  # noqa: S608
    rig.later()
    rig.settle()
    assert [rig.booked(booking)["state"] for booking in bookings] == ["cancelled", *["booked"] * 11]
    assert (rig.tasks(), rig.questions()) == ([], ())
