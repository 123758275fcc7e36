"""The laws of the engine over random histories: bookings, edits, doubled hints, lost answers, outages and crashes."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rig import Killed, Rig
from vetbridge.core.errors import RateLimited, Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger.tables import ChangeState
from vetbridge.sync.engine import nowhere

POINTS = ("read", "intended", "sent", "answered", "looked", "before-settle", "settled")


@dataclass(frozen=True)
class Person:
    """Somebody who books. ``ambiguous``: nobody can tell who it is, so the visit belongs on the placeholder."""

    given: str
    family: str
    phone: str
    pet: str
    known: bool = False
    ambiguous: bool = False


PEOPLE = (
    Person("John", "Smith", "+447912000001", "Bella", known=True),
    Person("Mary", "Jones", "+447912000005", "Tom", known=True),
    Person("Ben", "Miller", "+447912000002", "Kit", known=True, ambiguous=True),  # has another phone on record
    Person("Zoe", "Newcomer", "+447912000003", "Rex"),
    Person("Max", "Stranger", "+447912000004", "Luna"),
    Person("Eva", "Novak", "+447912000001", "Ziggy", ambiguous=True),
)


@dataclass
class Booked:
    """What a booking must look like in the PIMS."""

    id: str
    token: str
    person: Person
    start: str
    cancelled: bool = False


@dataclass
class Town:
    """A history at work, and its truth."""

    rig: Rig
    owners: dict[Person, str] = field(default_factory=dict)
    booked: list[Booked] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Bookings that a webhook may tell of, as often as it likes and in any order."""

    def __post_init__(self) -> None:
        for person in PEOPLE:
            if person.known:
                phone = "+447912000009" if person.ambiguous else person.phone
                self.owners[person] = self.rig.owner(person.given, person.family, phone, person.pet)
        self.rig.refresher.pass_()

    def book(self, which: int) -> None:
        person = PEOPLE[which % len(PEOPLE)]
        token = f"tok{len(self.booked)}x"
        id_ = self.rig.book(
            person.given,
            person.family,
            person.phone,
            person.pet,
            hours=1000 + len(self.booked),
            notes=token,
            owner=f"card of {person.given}",
        )
        row = self.rig.booking.row(Kind.APPOINTMENT, id_)
        assert row is not None
        self.booked.append(Booked(id_, token, person, row["start"]))
        self.said.append(id_)

    def _edit(self, which: int, change: Callable[[Booked], dict[str, Any]]) -> None:
        standing = [one for one in self.booked if not one.cancelled]
        if standing:
            one = standing[which % len(standing)]
            self.rig.booking.edit(Kind.APPOINTMENT, one.id, change(one))
            self.said.append(one.id)

    def move(self, which: int) -> None:
        def later(one: Booked) -> dict[str, Any]:
            one.start = (self.rig.clock.now() + timedelta(hours=1500 + len(self.said))).isoformat()
            return {"start": one.start}

        self._edit(which, later)

    def comment(self, which: int) -> None:
        self._edit(which, lambda one: {"notes": f"{one.token} word {len(self.said)}"})

    def cancel(self, which: int) -> None:
        def off(one: Booked) -> dict[str, Any]:
            one.cancelled = True
            return {"state": "cancelled"}

        self._edit(which, off)

    def hint(self, which: int) -> None:
        if self.said:
            self.rig.hint(self.said[which % len(self.said)])

    def poll(self, _which: int) -> None:
        with contextlib.suppress(Unavailable, RateLimited):
            self.rig.receiver.poll()

    def work(self, _which: int) -> None:
        try:
            self.rig.work()
        except Killed:
            self.rig.ledger.close()
            self.rig.start()

    def lose(self, which: int) -> None:
        self.rig.pims.lose_answers(done=which % 2 == 0, times=1 + which % 3)

    def refuse(self, which: int) -> None:
        side = self.rig.pims if which % 2 else self.rig.booking
        slow = RateLimited("slow down", wait=7, budget="all")
        side.fail(Unavailable("no connection") if which % 3 else slow, times=1 + which % 4)

    def crash(self, which: int) -> None:
        point, left = POINTS[which % len(POINTS)], [1 + which % 3]

        def at(reached: str) -> None:
            if reached == point:
                left[0] -= 1
                if left[0] == 0:
                    raise Killed

        self._restart(at)

    def wait(self, which: int) -> None:
        self.rig.clock.advance(1 + which % 90)

    def _restart(self, point: Callable[[str], None]) -> None:
        self.rig.ledger.close()
        self.rig.start(point=point)

    def calm(self) -> None:
        """Faults end, the last listing is read, and everything that waits comes to its end."""
        self.rig.pims.mend()
        self.rig.booking.mend()
        self._restart(nowhere)
        self.rig.clock.advance(120)
        self.rig.run()

    def check(self) -> None:
        rig = self.rig
        clients, pets = rig.pims.rows(Kind.CLIENT), rig.pims.rows(Kind.PET)
        names = Counter((row["name"]["given"], row["name"]["family"]) for row in clients)
        assert set(names.values()) == {1}, names
        assert set(Counter((row["owner"], row["name"]) for row in pets).values()) == {1}
        by_name = {(row["name"]["given"], row["name"]["family"]): row["id"] for row in clients}
        for one in self.booked:
            visits = [row for row in rig.visits() if one.token in row["notes"]]
            if one.cancelled:
                assert [row["state"] for row in visits] in ([], ["cancelled"]), one
                continue
            (visit,) = visits
            who = one.person
            known = self.owners[who] if who.known else by_name[who.given, who.family] if not who.ambiguous else None
            owner = rig.placeholder.client_id if who.ambiguous else known
            assert (visit["owner"], moment(visit["start"]), visit["state"]) == (owner, moment(one.start), "booked"), (
                one
            )
            pet = rig.pims.row(Kind.PET, visit["pet"])
            assert pet is not None
            assert pet["name"] == ("Placeholder" if who.ambiguous else who.pet), one
        for change in rig.changes():
            assert change.state in (ChangeState.DONE, ChangeState.SKIPPED, ChangeState.REVIEW), change
            assert change.code, change
            assert change.message, change
        asked = sum(1 for one in self.booked if one.person.ambiguous and not one.cancelled)
        assert len(rig.questions()) == asked


def moment(text: str) -> datetime:
    """A moment to the second, whatever its offset."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)


MOVES = (
    "book",
    "book",
    "move",
    "comment",
    "cancel",
    "hint",
    "poll",
    "work",
    "work",
    "lose",
    "refuse",
    "crash",
    "wait",
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(history=st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 30)), min_size=5, max_size=40))
def test_whatever_happens_every_booking_stands_once_where_it_belongs(
    tmp_path_factory: Any, history: list[tuple[str, int]]
) -> None:
    folder: Path = tmp_path_factory.mktemp("town")
    town = Town(Rig(folder))
    for move, which in history:
        getattr(town, move)(which)
    town.calm()
    town.check()

    written, seen = len(town.rig.pims.written), len(town.rig.visits())
    for one in town.booked:
        town.rig.hint(one.id)
    town.rig.run()
    assert (len(town.rig.pims.written), len(town.rig.visits())) == (written, seen)
    town.check()
    town.rig.ledger.close()
