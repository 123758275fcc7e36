"""A clinic with nothing but an export each night and a work list: three days, and both sides agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.files import FilesOptions, build
from connectors.impromed.simulator import ImproMedPractice
from tests.rig import Rig
from vetbridge.config.models import Config
from vetbridge.connector.accounted import Accounted
from vetbridge.connector.plugin import Environment
from vetbridge.core.records import Kind
from vetbridge.desk import worklist
from vetbridge.mapping import Mapper, load_table
from vetbridge.sync.engine import Engine
from vetbridge.sync.pair import End
from vetbridge.sync.receiving import Receiver
from vetbridge.sync.refreshing import Refresher
from vetbridge.testing.clinic import Owner, make_clinic, phone_for
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide
from vetbridge.testing.practice import DATABASE_FILE, Clerk, Exporter, Form, Habit, KeptVisit, Practice, Slip
from vetbridge.web.api.shapes import plain

CONFIG = Config.model_construct(sites={})  # type: ignore[call-arg]
HOURS = (9, 12, 17)
"""When somebody looks at the list, and VetBridge polls."""
NIGHT = 26
"""The hour of the export, counted from midnight before."""


class Town(Rig):
    """A booking platform, and a practice that exports each night."""

    def __init__(self, folder: Path, practice: Practice, clock: FakeClock) -> None:
        self.practice = practice
        self.exporter = Exporter(practice, folder / "exchange" / "in", Form())
        self.exporter.export()
        super().__init__(folder, clock=clock)
        self.midnight = clock.now().replace(hour=0)
        self.clerk = Clerk(practice, self, clock, delay=600.0)

    def start(self, **more: Any) -> None:
        """With no stand-in: a visit of nobody is typed by somebody who knows whose it is."""
        super().start(**more)
        self.pair = replace(self.pair, placeholder=None)
        self.engine = Engine([self.pair], self.ledger, self.clock, self.timings)
        self.receiver = Receiver(self.pair, self.ledger)
        self.refresher = Refresher(self.pair, self.ledger)

    def _end(self, account: str, side: MemorySide) -> End:
        if account == "booking":
            return super()._end(account, side)
        options = FilesOptions(folder=self.practice.file.parent / "exchange", profile="impromed", settle=0.0)
        files = build(options, Environment(account=account, clock=self.clock, zone="Europe/London", country="GB"))
        mapper = Mapper(load_table("neutral"), zone="Europe/London", country="GB", codes=self.practice.codes)
        return End(account=account, connector=Accounted(files, account, self.clock), mapper=mapper, timeout=10.0)

    # -- as the clerk sees the list

    def lines(self) -> Sequence[Mapping[str, Any]]:
        with self.ledger.read() as tx:
            found: list[Mapping[str, Any]] = plain(worklist.lines(tx, CONFIG))
        return found

    def tick(self, number: int) -> None:
        with self.ledger.write() as tx:
            worklist.done(tx, CONFIG, number, by="clerk")

    # -- time

    def day(self, habit: Habit = Habit.RENAMED) -> None:
        """The rest of a day, and the night with its export."""
        for hour in HOURS:
            self._until(hour)
            self.clerk.work()
            self.run_once()
        self._until(NIGHT)
        self.exporter.export(habit=habit)
        self.run_once()
        self.midnight += timedelta(days=1)

    def _until(self, hour: int) -> None:
        self.clock.advance(max(0.0, (self.midnight + timedelta(hours=hour) - self.clock.now()).total_seconds()))

    def run_once(self) -> None:
        """All that VetBridge does in a minute."""
        self.refresher.pass_()
        self.receiver.poll_desk()
        self.receiver.poll()
        self.work()

    # -- what people do, and what stands

    def online(self, owner: Owner, hours: float) -> str:
        """An owner books for the first of the living pets."""
        pet = next(pet for pet in owner.pets if not pet.deceased)
        animal = {"name": pet.name, "species": pet.species[0].upper()}
        return self.book(owner.given_name, owner.family_name, owner.phones[0], pet.name, hours=hours, animal=animal)

    def move(self, booking: str, **span: float) -> None:
        """The owner moves a booking."""
        self.booking.edit(
            Kind.APPOINTMENT, booking, {"start": (self.starts(booking) + timedelta(**span)).isoformat()}
        )

    def starts(self, booking: str) -> datetime:
        """When a booking begins; London has no summer time yet."""
        row = self.booking.row(Kind.APPOINTMENT, booking)
        assert row is not None
        return datetime.fromisoformat(row["start"])

    def visit_of(self, booking: str) -> KeptVisit | None:
        """The one visit at a booking's time; None: there is none."""
        wall = self.starts(booking).replace(tzinfo=None)
        found = [visit for visit in self.practice.visits() if visit.start == wall]
        assert len(found) < 2
        return found[0] if found else None


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    clock = FakeClock()
    with ImproMedPractice(tmp_path / DATABASE_FILE, now=clock.now) as practice:
        practice.fill(make_clinic(1, 40))
        yield Town(tmp_path, practice, clock)


def test_three_days_with_an_export_each_night(town: Town) -> None:
    first, second, third, fourth = [owner for owner in make_clinic(1, 40).owners if owner.online][:4]
    # The first day: four bookings, one of them of a new owner, one typed wrong, and a visit by telephone.
    town.clerk.arm(Slip.HOUR)
    wrong = town.online(first, 100)
    known = town.online(second, 103)
    new = town.book("Otto", "Quandt", phone_for(5000), "Milo", hours=106)
    given_up = town.online(third, 109)
    by_phone = town.practice.book(pet_id=town.practice.pet_id(fourth.pets[0].number), start=_wall(town, 130))
    town.day()
    typed = town.practice.visit(next(deed.id for deed in town.clerk.deeds if deed.slip))
    assert abs(typed.start - town.starts(wrong).replace(tzinfo=None)) == timedelta(hours=1)
    assert [(line["task"], line["remote_id"]) for line in town.lines()] == [("change", typed.id)]

    # The second day: what was typed wrong is put right; one owner moves, another gives up.
    town.move(known, days=7)
    town.booking.edit(Kind.APPOINTMENT, given_up, {"state": "cancelled"})
    town.day()
    # The third day: the report is empty but for its header. Nobody's visit goes for that.
    town.day(habit=Habit.HEADER_ONLY)
    town.day()

    assert town.lines() == []
    assert town.questions() == ()
    for booking in (wrong, known, new):
        visit = town.visit_of(booking)
        assert visit is not None
        row = town.booking.row(Kind.APPOINTMENT, booking)
        assert row is not None
        assert row["state"] == "booked"
        assert visit.minutes * 60 == row["seconds"]
    assert town.visit_of(given_up) is None
    assert len(town.practice.visits()) == 4
    otto = [card for card in town.practice.clients() if card.family_name == "Quandt"]
    assert [card.phones for card in otto] == [(phone_for(5000),)]
    # The booking side was told of the visit by telephone, and of nothing else.
    (told,) = [row for row in town.booking.rows(Kind.APPOINTMENT) if row["id"] not in {wrong, known, new, given_up}]
    assert datetime.fromisoformat(told["start"]).replace(tzinfo=None) == by_phone.start


def _wall(town: Town, hours: float) -> datetime:
    return (town.clock.now() + timedelta(hours=hours)).replace(tzinfo=None)
