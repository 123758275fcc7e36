"""A town whose booking side shows what is due, for the tests of due services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

from sqlmodel import select

from tests.rig import Rig
from vetbridge.core.due import DuePolicy
from vetbridge.core.records import Kind
from vetbridge.ledger import links
from vetbridge.ledger.tables import Notice
from vetbridge.sync.due_reading import DueReader
from vetbridge.sync.due_services import DueRound
from vetbridge.sync.engine import Engine, nowhere
from vetbridge.sync.pair import NoticePolicy, Pair
from vetbridge.sync.receiving import Receiver
from vetbridge.sync.refreshing import Refresher
from vetbridge.testing.memory import MemorySide, memory_capabilities, memory_mapper, redeclared

NOTICES = NoticePolicy(
    text="{clinic}: {pets} is due for {services} by {date}.",
    clinic="Town Vets",
    opens=time(9),
    closes=time(18),
    weekdays=frozenset(range(5)),
    per_day=50,
)
POLICY = DuePolicy(notice_days=(-15, 7))


class Town(Rig):
    """A pair whose cards show what is due. It is Monday, 2 March 2026, nine o'clock."""

    def __init__(
        self,
        folder: Path,
        *,
        notices: NoticePolicy | None = None,
        booking: MemorySide | None = None,
        pims_opt_outs: bool = False,
        pims_logs: bool = False,
        **more: Any,
    ) -> None:
        self.notices = notices
        self.policy: DuePolicy | None = POLICY if notices is not None else replace(POLICY, notice_days=())
        self.pims_opt_outs = pims_opt_outs
        able = memory_capabilities(opt_outs=pims_opt_outs)
        pims = MemorySide(redeclared(able, Kind.REMINDER, logs=True) if pims_logs else able)
        side = booking or MemorySide(memory_capabilities("booking", opt_outs=True))
        super().__init__(folder, booking=side, pims=pims, **more)

    def start(self, *, point: Callable[[str], None] = nowhere) -> None:
        super().start(point=point)
        self.pair: Pair = replace(
            self.pair,
            booking=replace(self.pair.booking, mapper=memory_mapper(opt_outs=True)),
            pims=replace(self.pair.pims, mapper=memory_mapper(opt_outs=self.pims_opt_outs)),
            due=self.policy,
            notices=self.notices,
        )
        self.engine = Engine([self.pair], self.ledger, self.clock, self.timings, point=point)
        self.receiver = Receiver(self.pair, self.ledger)
        self.refresher = Refresher(self.pair, self.ledger)
        self.reader = DueReader(self.pair, self.ledger)
        self.round = DueRound(self.pair, self.ledger)

    @property
    def today(self) -> date:
        return self.clock.now().date()

    def day(self, days: int) -> str:
        """A day, so many from today."""
        return (self.today + timedelta(days=days)).isoformat()

    def family(self, given: str = "Ann", *pets: str, phone: str = "+447912000001") -> tuple[str, list[str], str]:
        """An owner with pets whose card is linked: the PIMS's ids of both, and the card's."""
        owner = self.owner(given, "Weiss", phone, *pets)
        card = self.booking.add(Kind.CLIENT, {"name": {"given": given, "family": "Weiss"}, "phones": [phone]})
        self.link(card, owner)
        return owner, [row["id"] for row in self.pims.rows(Kind.PET) if row["owner"] == owner], card

    def link(self, card: str, owner: str) -> None:
        with self.ledger.write() as tx:
            links.put(
                tx,
                site="town",
                kind=Kind.CLIENT,
                booking_account="booking",
                booking_id=card,
                pims_account="pims",
                pims_id=owner,
                origin="matched",
            )

    def due(self, pet: str, days: int, name: str = "Rabies", **more: Any) -> str:
        """A service that is due for a pet so many days from today."""
        return self.pims.add(
            Kind.REMINDER, {"pet_id": pet, "service": name[:3], "name": name, "due_on": self.day(days), **more}
        )

    def cycle(self) -> None:
        """All that the daemon does once in a while."""
        self.refresher.pass_()
        self.receiver.poll_desk()
        self.reader.pass_()
        self.round.pass_()
        self.work()

    def later(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())

    def shown(self, card: str) -> tuple[str, str, str | None, bool, bool]:
        """What stands on a card."""
        row = self.booking.get(Kind.REMINDER, card)
        assert row is not None
        return row["name"], row["pet_name"], row["due_on"], row["due_soon"], row["overdue"]

    def notified(self, card: str) -> str:
        """The stamp that a card bears."""
        row = self.booking.get(Kind.REMINDER, card)
        assert row is not None
        return str(row["notified"])

    def notices_kept(self) -> list[str]:
        """The states of all notices that were written down."""
        with self.ledger.read() as tx:
            return sorted(tx.session.exec(select(Notice.state)).all())

    def ended(self) -> list[str]:
        """The codes of the changes of cards."""
        return [change.code for change in self.changes() if change.kind == Kind.REMINDER]


NOTHING = ("", "", None, False, False)
