"""Law 7 in both directions: whatever owners and the desk do, both sides agree in the end, without an echo."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.properties.test_engine_histories import POINTS, moment
from tests.rig import Killed, Rig
from vetbridge.core.answers import Answer, Choice, choices
from vetbridge.core.errors import RateLimited, Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import fuses, links, reviews
from vetbridge.ledger.tables import ChangeState
from vetbridge.sync.engine import nowhere

OWNERS = (
    ("John", "Smith", "+447912000001", "Bella"),
    ("Mary", "Jones", "+447912000005", "Tom"),
    ("Bob", "Berg", "+447912000006", "Odin"),
    ("Ann", "Berg", "+447912000006", "Luna"),  # a couple with one phone
    ("Ida", "Silent", "none", "Mimi"),
)
STATES = ("confirmed", "here", "done", "missed")


@dataclass
class Town:
    """A history of edits on both sides."""

    rig: Rig
    owners: list[tuple[str, str]] = field(default_factory=list)
    hours: int = 100

    def __post_init__(self) -> None:
        for given_, family, phone, pet in OWNERS:
            id_ = self.rig.owner(given_, family, phone, pet)
            self.owners.append((id_, self.rig.pims.rows(Kind.PET)[-1]["id"]))
        self.rig.refresher.pass_()

    def _later(self) -> str:
        self.hours += 2
        return (self.rig.clock.now() + timedelta(hours=self.hours)).isoformat()

    def book(self, which: int) -> None:
        given_, family, phone, pet = OWNERS[which % 3]
        self.rig.book(given_, family, phone, pet, start=self._later())

    def stranger(self, _which: int) -> None:
        self.rig.book("Igor", "Stravinsky", "+447912000001", "Firebird", start=self._later())

    def desk(self, which: int) -> None:
        client, pet = self.owners[which % len(self.owners)]
        self.rig.pims.add(
            Kind.APPOINTMENT,
            {"owner": client, "pet": pet, "start": self._later(), "seconds": 900, "type": "1", "who": "v1"},
        )

    def _edit(
        self, side: str, which: int, change: dict[str, Any], standing: Callable[[dict[str, Any]], bool]
    ) -> None:
        end = getattr(self.rig, side)
        rows = [row for row in end.rows(Kind.APPOINTMENT) if standing(row)]
        if rows:
            end.edit(Kind.APPOINTMENT, rows[which % len(rows)]["id"], change)

    def owner_moves(self, which: int) -> None:
        self._edit("booking", which, {"start": self._later()}, _ahead)

    def owner_cancels(self, which: int) -> None:
        self._edit("booking", which, {"state": "cancelled"}, _ahead)

    def desk_moves(self, which: int) -> None:
        self._edit("pims", which, {"start": self._later()}, _ahead)

    def desk_cancels(self, which: int) -> None:
        self._edit("pims", which, {"state": "cancelled"}, _ahead)

    def desk_says(self, which: int) -> None:
        self._edit("pims", which, {"state": STATES[which % 4]}, _ahead)

    def owner_confirms(self, which: int) -> None:
        self._edit("booking", which, {"state": "confirmed"}, lambda row: row["state"] == "booked")

    def desk_writes(self, which: int) -> None:
        rows = self.rig.visits()
        if rows:
            row = rows[which % len(rows)]
            self.rig.pims.edit(Kind.APPOINTMENT, row["id"], {"notes": row["notes"] + " fasted"})

    def answer(self, which: int) -> None:
        with self.rig.ledger.write() as tx:
            items = reviews.open_items(tx)
            if not items:
                return
            item = items[which % len(items)]
            offered = choices(item.why)
            choice = offered[which % len(offered)]
            if item.record_id is None:
                fuses.answer(tx, item, choice, "Kim")
                return
            client, pet = self.owners[0] if choice is Choice.LINK else (None, None)
            reviews.answer(tx, item, Answer(choice=choice, client_id=client, pet_id=pet), "Kim")

    def poll(self, _which: int) -> None:
        with contextlib.suppress(Unavailable, RateLimited):
            self.rig.receiver.poll()

    def refresh(self, _which: int) -> None:
        with contextlib.suppress(Unavailable, RateLimited):
            self.rig.refresher.pass_()
            self.rig.receiver.poll_desk()

    def work(self, _which: int) -> None:
        try:
            self.rig.work()
        except Killed:
            self.rig.ledger.close()
            self.rig.start()

    def lose(self, which: int) -> None:
        (self.rig.pims if which % 2 else self.rig.booking).lose_answers(done=which % 3 == 0, times=1 + which % 3)

    def refuse(self, which: int) -> None:
        (self.rig.pims if which % 2 else self.rig.booking).fail(Unavailable("no connection"), times=1 + which % 4)

    def crash(self, which: int) -> None:
        point, left = POINTS[which % len(POINTS)], [1 + which % 3]

        def at(reached: str) -> None:
            if reached == point:
                left[0] -= 1
                if left[0] == 0:
                    raise Killed

        self.rig.ledger.close()
        self.rig.start(point=at)

    def calm(self) -> None:
        """Faults end, and everything that waits comes to its end."""
        self.rig.pims.mend()
        self.rig.booking.mend()
        self.rig.ledger.close()
        self.rig.start(point=nowhere)
        self.rig.clock.advance(120)
        self.rig.run()
        self.rig.run()

    def check(self) -> None:
        rig = self.rig
        bookings = {row["id"]: row for row in rig.booking.rows(Kind.APPOINTMENT)}
        visits = {row["id"]: row for row in rig.visits()}
        for change in rig.changes():
            assert change.state in (ChangeState.DONE, ChangeState.SKIPPED, ChangeState.REVIEW), change
        asked = {item.record_id for item in rig.questions()}
        with rig.ledger.read() as tx:
            pairs = {link.booking_id: link.pims_id for link in links.visits(tx, "town")}
            about = _asked(tx, asked)
            kept = _kept(tx)
        assert len(set(pairs.values())) == len(pairs)
        for id_, row in bookings.items():
            if row["state"] != "cancelled" and id_ not in about | kept:
                assert id_ in pairs, ("not in the PIMS", row)
        for id_, row in visits.items():
            if row["state"] != "cancelled" and id_ not in about | kept:
                assert id_ in pairs.values(), ("not at the booking side", row)
        for booking_id, visit_id in pairs.items():
            here, there = bookings[booking_id], visits[visit_id]
            if booking_id in about | kept or visit_id in about | kept:
                continue
            assert here["state"] == there["state"], (here, there)
            if here["state"] != "cancelled":
                assert moment(here["start"]) == moment(there["start"]), (here, there)
                assert here["who"] == there["who"]
        names = [(row["name"]["family"], tuple(row["phones"])) for row in rig.booking.rows(Kind.CLIENT)]
        assert len(set(names)) == len(names), names


def _asked(tx: Any, records: set[int | None]) -> set[str]:
    from vetbridge.ledger.tables import Record  # noqa: PLC0415

    found = {tx.session.get_one(Record, one).remote_id for one in records if one is not None}
    # A parked visit agrees with its booking; only what a conflict is about may differ.
    return {str(one) for one in found}


def _kept(tx: Any) -> set[str]:
    """Records of which a person said that both sides stay as they are."""
    from sqlmodel import select  # noqa: PLC0415

    from vetbridge.ledger.tables import Record, Review  # noqa: PLC0415

    rows = tx.session.exec(select(Review).where(Review.answer == "keep")).all()
    return {tx.session.get_one(Record, row.record_id).remote_id for row in rows if row.record_id is not None}


def _ahead(row: dict[str, Any]) -> bool:
    return row["state"] in ("booked", "confirmed")


MOVES = (
    "book",
    "stranger",
    "desk",
    "owner_moves",
    "owner_cancels",
    "owner_confirms",
    "desk_moves",
    "desk_cancels",
    "desk_says",
    "desk_writes",
    "answer",
    "poll",
    "refresh",
    "work",
    "work",
    "work",
    "lose",
    "refuse",
    "crash",
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(history=st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 30)), min_size=5, max_size=45))
def test_both_sides_agree_in_the_end(tmp_path_factory: Any, history: list[tuple[str, int]]) -> None:
    folder: Path = tmp_path_factory.mktemp("town")
    town = Town(Rig(folder))
    for move, which in history:
        getattr(town, move)(which)
    town.calm()
    town.check()

    written = len(town.rig.pims.written) + len(town.rig.booking.written)
    town.rig.sweeper.sweep()
    town.rig.run()
    assert len(town.rig.pims.written) + len(town.rig.booking.written) == written
    town.check()
    town.rig.ledger.close()
