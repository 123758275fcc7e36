"""A practice that a feed shows: clients renumbered, merged, removed and purged, and pets of several owners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.pulse.simulator import PulseSimulator
from tests.rig import Rig
from tests.unit.connectors.plain_houses import PIMS, house, started
from vetbridge.config.models import Config
from vetbridge.connector.plugin import systems
from vetbridge.core.records import Kind, Side
from vetbridge.daemon.assembly import build_connectors, build_mapper
from vetbridge.desk import worklist
from vetbridge.ledger import links, mirror
from vetbridge.sync.engine import Engine
from vetbridge.sync.pair import End, Placeholder
from vetbridge.sync.receiving import Receiver
from vetbridge.sync.refreshing import Refresher
from vetbridge.testing.clinic import Owner, make_clinic
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.memory import MemorySide
from vetbridge.testing.practice import Clerk, KeptVisit
from vetbridge.testing.practice.simulator import PlainSimulator
from vetbridge.web.api.shapes import plain

CONFIG = Config.model_construct(sites={})  # type: ignore[call-arg]
CLIENTS = 12
TWO_DAYS = 2 * 86400.0
OWNERS = [
    each
    for each in make_clinic(1, CLIENTS).owners
    if each.online and each.active and each.household is None and not each.pets[0].deceased
]


class Town(Rig):
    """A booking platform, and a practice that is read by its feed and its diary's reports; a clerk types."""

    def __init__(self, folder: Path, name: str, clients: int = CLIENTS) -> None:
        self._folder, self._name = folder, name
        self.site: PlainSimulator = started(name, folder, clients=clients, clock=(clock := FakeClock()))
        self.practice = self.site.practice
        self.typed = name != "cornerstone"
        super().__init__(folder, clock=clock)
        self.clerk = Clerk(self.practice, self, clock, delay=0.0)

    def start(self, **more: Any) -> None:
        self.loaded = house(self.site, self._folder, self._name, systems()[self._name].ways[0].connector)
        self._built = build_connectors(self.loaded, self.clock)
        super().start(**more)
        stand_in = None
        if not self.typed:
            client = self.practice.register_client(family_name="Online Booking")
            pet = self.practice.register_pet(client_id=client.id, name="Online Booking", species="other")
            stand_in = Placeholder(client_id=client.id, pet_id=pet.id)
        self.pair = replace(self.pair, placeholder=stand_in)
        self.engine = Engine([self.pair], self.ledger, self.clock, self.timings)
        self.receiver = Receiver(self.pair, self.ledger)
        self.refresher = Refresher(self.pair, self.ledger)

    def _end(self, account: str, side: MemorySide) -> End:
        if account == "booking":
            return super()._end(account, side)
        mapper = build_mapper(self.loaded, self.loaded.config.sites["city"], Side.PIMS)
        return End(account=PIMS, connector=self._built[PIMS], mapper=mapper, timeout=10.0)

    def close(self) -> None:
        """Gives everything back."""
        self._built[PIMS].close()
        self.site.stop()
        self.ledger.close()

    # -- as the clerk sees the list

    def lines(self) -> Sequence[Mapping[str, Any]]:
        with self.ledger.read() as tx:
            found: list[Mapping[str, Any]] = plain(worklist.lines(tx, CONFIG))
        return found

    def tick(self, number: int) -> None:
        with self.ledger.write() as tx:
            worklist.done(tx, CONFIG, number, by="clerk")

    # -- time

    def go_on(self, rounds: int) -> None:
        """Some minutes pass: people type, reports are written, and VetBridge does what it does once in a while."""
        for _ in range(rounds):
            if self.typed:
                self.clerk.work()
                self.site.exporter.export()
            self.clock.advance(400)
            self.refresher.pass_()
            self.receiver.poll_desk()
            self.receiver.poll()
            self.settle(limit=400)

    def online(self, owner: Owner, **more: Any) -> str:
        """An owner books for the first pet."""
        pet = owner.pets[0]
        return self.named(owner, pet.name, pet.species, **more)

    def named(self, owner: Owner, pet: str, species: str, **more: Any) -> str:
        animal = {"name": pet, "species": species[0].upper()}
        return self.book(owner.given_name, owner.family_name, owner.phones[0], pet, animal=animal, **more)

    # -- what came of it

    def knows(self, client: str) -> bool:
        """Whether VetBridge takes a client for one who is there."""
        with self.ledger.read() as tx:
            found = mirror.client(tx, PIMS, client)
        return found is not None and found.client.active

    def visit_of(self, booking: str) -> KeptVisit:
        row = self.booking.row(Kind.APPOINTMENT, booking)
        assert row is not None
        (found,) = [one for one in self.practice.visits() if one.start.isoformat() == row["start"][:19]]
        return found

    def linked(self, booking: str) -> str:
        """The client of the practice that a booking's card is linked with."""
        row = self.booking.row(Kind.APPOINTMENT, booking)
        assert row is not None
        with self.ledger.read() as tx:
            found = links.of_booking(tx, "booking", Kind.CLIENT, row["owner"])
        return "" if found is None else str(found.pims_id)

    def untouched(self) -> tuple[object, ...]:
        """What owners would notice."""
        return tuple(self.booking.rows(kind) for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT))


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Callable[..., Town]]:
    made: list[Town] = []

    def begin(name: str, **more: int) -> Town:
        made.append(Town(tmp_path, name, **more))
        return made[-1]

    yield begin
    for town in made:
        town.close()


@pytest.mark.parametrize("name", ["pulse", "cornerstone"])
def test_a_client_with_another_id_is_followed_and_booked_for(at: Callable[..., Town], name: str) -> None:
    town = at(name)
    first = town.online(OWNERS[0])
    town.go_on(2)
    before = town.untouched()
    assert town.linked(first) == town.visit_of(first).client_id == town.practice.client_id(OWNERS[0].number)
    town.practice.renumber(town.linked(first), "9017")
    town.go_on(2)
    assert town.linked(first) == "9017"
    assert town.untouched() == before
    second = town.online(OWNERS[0])
    town.go_on(2)
    assert town.visit_of(second).client_id == "9017"
    assert len(town.practice.visits()) == 2
    assert (town.lines(), town.questions()) == ([], ())


def test_who_is_merged_is_followed_to_the_other_card(at: Callable[..., Town]) -> None:
    town = at("pulse")
    booking = town.online(OWNERS[0])
    town.go_on(2)
    before = town.untouched()
    card = town.practice.client(town.linked(booking))
    names = {"given_name": card.given_name, "family_name": card.family_name}
    kept = town.practice.register_client(**names, phones=card.phones).id
    town.practice.merge(card.id, kept)
    town.go_on(2)
    assert town.linked(booking) == town.visit_of(booking).client_id == kept
    assert town.untouched() == before
    assert (town.lines(), town.questions()) == ([], ())


def test_who_owns_a_share_books_on_the_own_card(at: Callable[..., Town]) -> None:
    town = at("pulse")
    owner, other = OWNERS[:2]
    pet, client = town.practice.pet_id(owner.pets[0].number), town.practice.client_id(other.number)
    town.practice.share(pet, client, 40)
    booking = town.named(other, owner.pets[0].name, owner.pets[0].species)
    town.go_on(2)
    visit = town.visit_of(booking)
    assert (visit.client_id, visit.pet_id, town.linked(booking)) == (client, pet, client)
    assert (town.lines(), town.questions()) == ([], ())


def test_a_removal_that_shows_two_days_late_is_heard_of(at: Callable[..., Town]) -> None:
    town = at("pulse")
    assert isinstance(town.site, PulseSimulator)
    town.site.feed_delay = TWO_DAYS
    gone = town.practice.client_id(OWNERS[0].number)
    town.go_on(1)
    town.practice.change_client(gone, deleted=True, active=False)
    town.clock.advance(3600)
    town.practice.change_client(town.practice.client_id(OWNERS[1].number), email="new@example.org")
    town.go_on(1)
    assert town.knows(gone)
    town.clock.advance(TWO_DAYS)
    town.go_on(1)
    assert not town.knows(gone)


def test_a_purge_is_asked_about_and_nothing_of_it_is_believed_before(at: Callable[..., Town]) -> None:
    town = at("pulse", clients=30)
    booking = town.online(OWNERS[0])
    town.go_on(2)
    before = town.untouched()
    assert town.practice.purge(town.practice.today().date(), removed=True) == 29
    town.go_on(1)
    assert town.knows(town.practice.client_id(OWNERS[1].number))
    assert {each.why for each in town.questions()} == {"many-ended"}
    assert town.linked(booking) == town.visit_of(booking).client_id
    assert town.untouched() == before
