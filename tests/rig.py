"""An engine over two in-memory sides, a ledger file and a fake clock: for tests that pick every step themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from tests.ledgers import ledger_place
from vetbridge.config.models import Site
from vetbridge.connector.accounted import Accounted
from vetbridge.connector.interface import Capabilities, Unlinked
from vetbridge.core.policy import owners
from vetbridge.core.records import Kind, Side
from vetbridge.ledger import accounts, changes, going_live, links, reviews
from vetbridge.ledger.content import rich
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.tables import Change, Link, Review
from vetbridge.mapping import Mapper, load_table
from vetbridge.sync.engine import Engine, nowhere
from vetbridge.sync.pair import End, Pair, Placeholder, Timings
from vetbridge.sync.pairing import Pairer, Report
from vetbridge.sync.receiving import Receiver
from vetbridge.sync.refreshing import Refresher, read_cards
from vetbridge.sync.sweeping import Sweeper
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide, memory_capabilities

KEY = "the key of a ledger that tests make"


class Killed(BaseException):
    """The process ends here: nothing catches it, as nothing catches kill -9."""


def _with_placeholder(capabilities: Capabilities) -> Capabilities:
    """A side that takes no visit without an owner."""
    visits = replace(capabilities.of(Kind.APPOINTMENT), unlinked=Unlinked.PLACEHOLDER)
    return replace(capabilities, kinds={**capabilities.kinds, Kind.APPOINTMENT: visits})


class Rig:
    """One pair of memory sides and all that works on it."""

    def __init__(
        self,
        folder: Path,
        *,
        timings: Timings | None = None,
        timeout: float = 10.0,
        clock: FakeClock | None = None,
        booking: MemorySide | None = None,
        pims: MemorySide | None = None,
        fuse: int = 30,
    ) -> None:
        self.place = ledger_place(folder, migrated=True)
        self.clock = clock or FakeClock()
        self.booking = booking or MemorySide()
        self.pims = pims or MemorySide(_with_placeholder(memory_capabilities()))
        self.fuse = fuse
        self._booked = -1
        self.timings = timings or Timings(absence_confirm=300.0, retry_first=5.0, retry_longest=60.0)
        self.timeout = timeout
        placeholder = self.pims.add(Kind.CLIENT, {"name": {"given": "", "family": "Placeholder"}})
        self.placeholder = Placeholder(
            client_id=placeholder, pet_id=self.pims.add(Kind.PET, {"owner": placeholder, "name": "Placeholder"})
        )
        self.ledger: Ledger
        self.start()

    def start(self, *, point: Callable[[str], None] = nowhere) -> None:
        """Starts VetBridge anew on the same ledger, as after a crash."""
        self.ledger = open_ledger(self.place, KEY, self.clock)
        with self.ledger.write() as tx:
            changes.release_all(tx)
            for name in ("booking", "pims"):
                accounts.enrol(tx, name, "memory", country="GB")
        self.pair = Pair(
            site="town",
            zone="Europe/London",
            country="GB",
            booking=self._end("booking", self.booking),
            pims=self._end("pims", self.pims),
            placeholder=self.placeholder,
            may_create_clients=True,
            may_create_pets=True,
            owners=owners(Kind.APPOINTMENT, Side.BOOKING),
            fuse=self.fuse,
        )
        self.engine = Engine([self.pair], self.ledger, self.clock, self.timings, point=point)
        self.receiver = Receiver(self.pair, self.ledger)
        self.sweeper = Sweeper(self.pair, self.ledger, self.clock, self.receiver)
        self.refresher = Refresher(self.pair, self.ledger)
        self.pairer = Pairer(self.pair, self.ledger, self.clock)

    def sites(self) -> dict[str, Site]:
        """The town as a config would name it, for what people do at the desk."""
        stand_in = {"client": self.placeholder.client_id, "pet": self.placeholder.pet_id}
        town = {
            "name": "Town",
            "zone": "Europe/London",
            "country": "GB",
            "booking": {"account": "booking"},
            "pims": {"account": "pims", "placeholder": stand_in},
        }
        return {"town": Site.model_validate(town)}

    def share(self, card: str, client: str) -> None:
        """A client of the PIMS shares the card of another one."""
        with self.ledger.write() as tx:
            links.put_member(
                tx,
                site="town",
                booking_account="booking",
                booking_id=card,
                pims_account="pims",
                pims_id=client,
                origin="matched",
            )

    def _end(self, account: str, side: MemorySide) -> End:
        mapper = Mapper(load_table("memory"), zone="Europe/London", country="GB")
        return End(
            account=account, connector=Accounted(side, account, self.clock), mapper=mapper, timeout=self.timeout
        )

    # -- what people do -------------------------------------------------------------------------------------------

    def owner(self, given: str, family: str, phone: str, *pets: str, email: str = "", **more: Any) -> str:
        """A client with pets, known to the PIMS; returns the client's id."""
        id_ = self.pims.add(
            Kind.CLIENT,
            {
                "name": {"given": given, "family": family},
                "phones": [phone],
                "emails": [email] if email else [],
                **more,
            },
        )
        for pet in pets:
            self.pims.add(Kind.PET, {"owner": id_, "name": pet, "species": "D"})
        return id_

    def book(self, given: str, family: str, phone: str, pet: str, *, hours: float | None = None, **more: Any) -> str:
        """A booking ``hours`` from now, else at a time that nothing else has; returns its id."""
        self._booked += 1
        start = self.clock.now() + timedelta(hours=48 + self._booked if hours is None else hours)
        return self.booking.add(
            Kind.APPOINTMENT,
            {
                "owner": self._card(given, family, phone),
                "booker": {"given": given, "family": family, "phones": [phone]},
                "animal": {"name": pet, "species": "D"},
                "start": start.isoformat(),
                "seconds": 900,
                "type": "2",
                "who": "v1",
                "state": "booked",
                **more,
            },
        )

    def _card(self, given: str, family: str, phone: str) -> str:
        """The booking side's client with a phone, made at the first booking, as such sides do."""
        found = next((row for row in self.booking.rows(Kind.CLIENT) if phone in row["phones"]), None)
        if found is not None:
            return str(found["id"])
        return self.booking.add(
            Kind.CLIENT, {"name": {"given": given, "family": family}, "phones": [phone] if phone else []}
        )

    # -- what VetBridge does --------------------------------------------------------------------------------------

    def hint(self, id_: str) -> None:
        """A webhook says that a booking changed."""
        self.hint_kind(Kind.APPOINTMENT, id_)

    def hint_kind(self, kind: Kind, id_: str, account: str = "booking") -> None:
        """A webhook says that a record changed."""
        with self.ledger.write() as tx:
            changes.receive(tx, site="town", account=account, kind=kind, remote_id=id_, source="webhook")

    def work(self) -> None:
        """Works on all that is due now, and on nothing else."""
        while self.engine.work("test"):
            pass

    def settle(self, *, limit: float = 3600.0) -> None:
        """Works, and lets time pass as long as something waits that comes due within ``limit`` seconds."""
        spent = 0.0
        while True:
            self.work()
            idle = self.engine.idle_for()
            if self.engine.open_changes() == 0 or spent + idle > limit:
                return
            self.clock.advance(idle + 0.001)
            spent += idle

    def run(self) -> None:
        """Refreshes, polls and settles."""
        self.refresher.pass_()
        self.receiver.poll_desk()
        self.receiver.poll()
        self.settle()

    def meet(self, *, start_live: bool = False) -> None:
        """The pair is met as at a real start: in the shadow, unless the config says otherwise."""
        with self.ledger.write() as tx:
            going_live.meet(tx, "town", start_live=start_live)

    def pair_up(self) -> Report:
        """Reads both mirrors and pairs what stands on both sides."""
        self.refresher.pass_()
        read_cards(self.pair, self.ledger)
        return self.pairer.pass_()

    def approve(self) -> None:
        """A person approves the pair, which is paired once more then."""
        with self.ledger.write() as tx:
            going_live.approve(tx, "town", "admin")
        self.pair_up()

    # -- what came of it ------------------------------------------------------------------------------------------

    def changes(self) -> list[Change]:
        """All changes, oldest first."""
        with self.ledger.read() as tx:
            return list(tx.session.exec(select(Change).order_by(Change.id)).all())  # type: ignore[arg-type]

    def endings(self) -> list[tuple[str, str]]:
        """State and code of all changes, oldest first."""
        return [(change.state, change.code) for change in self.changes()]

    def questions(self) -> tuple[Review, ...]:
        """The open questions."""
        with self.ledger.read() as tx:
            return reviews.open_items(tx)

    def evidence(self, kind: Kind) -> list[dict[str, Any]]:
        """The evidence that is kept with the newest link of a kind."""
        with self.ledger.read() as tx:
            link = tx.session.exec(select(Link).where(Link.kind == kind).order_by(col(Link.id).desc())).first()
            assert link is not None
            assert link.evidence_sealed is not None
            return [dict(one) for one in rich(tx.sealer.open(link.evidence_sealed))]

    def visits(self) -> list[dict[str, Any]]:
        """The visits in the PIMS."""
        return self.pims.rows(Kind.APPOINTMENT)
