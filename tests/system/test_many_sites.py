"""Fifty sites behind one address, at Altegio's real limits: connectors over HTTP against one platform, one clock."""

from __future__ import annotations

import contextvars
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import mean, median

import pytest

from connectors.altegio import plugin
from connectors.altegio.connector import AltegioConnector
from connectors.altegio.simulator import SERVICE_FROM, STAFF_FROM, AltegioSimulator, build
from connectors.altegio.simulator.base import new_card
from tests.turns import Turns
from vetbridge.config.models import Account
from vetbridge.connector.budgets import TURN, BudgetPool, Budgets, in_bulk, in_poll
from vetbridge.connector.interface import Found, Native, Operation, Write
from vetbridge.connector.plugin import Environment
from vetbridge.connector.secret import Secret
from vetbridge.core.instants import Instant
from vetbridge.core.records import AppointmentStatus, Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import START
from vetbridge.testing.simkit import Limit, Response

SITES = 50
POLL: float = Account.model_fields["poll"].default
"""Seconds: the config's own."""
MINUTES = 6
BOOKING_EVERY = 13.0
"""Seconds between two bookings, each at the next site."""
BURST, BURST_AT = 8, 125.0
"""So many more come at one moment, while a round of polls is under way: twice what the daemon's threads work on."""
CALLS_OF_A_BOOKING = 7
LONGEST_LIVE_WAIT = 5.0
"""Seconds. Polls stand back for live calls that wait, and these go in their order; five share each second here."""
NEW_SITE, NEW_SITE_AT, ITS_CARDS = SITES - 1, 75.0, 60
"""The clinic that is added last, when, and how many pages its first reading has: one card on each."""
PHONE = "447900000000"
ROWS = {Kind.APPOINTMENT: "record", Kind.CLIENT: "client"}
"""What is polled, and what the simulator calls it."""

doing: contextvars.ContextVar[str] = contextvars.ContextVar("doing")
"""What a thread does: live, poll or first reading."""


@dataclass
class Site:
    """One location, its connector, and what its polls have brought."""

    connector: AltegioConnector
    simulator: AltegioSimulator
    cursors: dict[Kind, str] = field(default_factory=dict)
    found: dict[Kind, dict[str, float]] = field(default_factory=lambda: {kind: {} for kind in ROWS})
    """When each record was seen first."""
    polls: list[tuple[float, float]] = field(default_factory=list)
    """When each was due, and when it had ended."""

    def visit(self, client: str, *, at: datetime) -> Native:
        """A visit of one of its clients, with its own codes."""
        apart = self.simulator.apart
        codes = {
            "appointment_type": {"checkup": str(SERVICE_FROM + apart)},
            "resource": {"vet_1": str(STAFF_FROM + apart)},
        }
        fields = {
            "client_id": client,
            "start": Instant(at, self.simulator.zone),
            "duration": 1200,
            "status": AppointmentStatus.BOOKED,
            "appointment_type": "checkup",
            "resource": "vet_1",
            "notes": "",
        }
        mapper = Mapper(load_table("altegio"), zone=self.simulator.zone, country="GB", codes=codes)
        return mapper.write(Kind.APPOINTMENT, fields)


@dataclass(frozen=True)
class Booking:
    """A visit that VetBridge made; ``took``: seconds of all its calls."""

    site: Site
    made_at: float
    took: float


@dataclass
class Chain:
    """A VetBridge with many sites, and what its calls waited for."""

    clock: Turns
    sites: list[Site]
    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds that each call waited for its place, by what it was made for."""
    bookings: dict[str, Booking] = field(default_factory=dict)
    """By the id of the visit."""

    def polling(self, site: Site, begin: float) -> Callable[[], None]:
        """As the daemon does: a poll that is due while the last one still runs is left out."""

        def work() -> None:
            due = begin
            while due < MINUTES * 60:
                self.clock.until(due)
                self._poll(site)
                site.polls.append((due, self.clock.steady()))
                while due <= self.clock.steady():
                    due += POLL

        return work

    def _poll(self, site: Site) -> None:
        for kind in ROWS:
            since = site.cursors.get(kind)
            pages = iter(site.connector.changes(kind, since))
            while True:
                doing.set("first" if since is None else "poll")
                with in_bulk() if since is None else in_poll():
                    page = next(pages, None)
                if page is None:
                    break
                site.cursors[kind] = page.cursor
                self._saw(site, kind, page.records)

    def _saw(self, site: Site, kind: Kind, records: Iterable[Found]) -> None:
        for found in records:
            site.found[kind].setdefault(found.id, self.clock.steady())

    def booking(self, number: int) -> Callable[[], None]:
        """Looks for the client, makes the visit, reads it, moves it, reads it again."""
        site = self.sites[number % SITES]

        def work() -> None:
            doing.set("live")
            begun = self.clock.steady()
            (client,) = site.connector.search(Kind.CLIENT, {"phone": PHONE})
            visit = site.visit(client["id"], at=START + timedelta(days=7, hours=number))
            made = site.connector.apply(
                Write(operation=Operation.CREATE, kind=Kind.APPOINTMENT, id=None, native=visit, stamp=f"vb-{number}")
            ).id
            made_at = self.clock.steady()
            assert site.connector.get(Kind.APPOINTMENT, made) is not None
            moved = site.visit(client["id"], at=START + timedelta(days=7, hours=number, minutes=30))
            site.connector.apply(Write(operation=Operation.UPDATE, kind=Kind.APPOINTMENT, id=made, native=moved))
            assert site.connector.get(Kind.APPOINTMENT, made) is not None
            self.bookings[made] = Booking(site, made_at, self.clock.steady() - begun)

        return work

    def rounds(self) -> list[float]:
        """Seconds from the moment at which polls are due to the end of the last one, by round; the new site's first
        reading is none of them."""
        ends: dict[float, float] = defaultdict(float)
        for site in self.sites[:NEW_SITE]:
            for due, end in site.polls[1:]:
                ends[due] = max(ends[due], end - due)
        return [ends[due] for due in sorted(ends)]


def _connector(simulator: AltegioSimulator, pool: BudgetPool, clock: Turns, **more: int) -> AltegioConnector:
    tokens = {name: Secret.of(simulator.credentials[name]) for name in ("partner_token", "user_token")}
    location = simulator.credentials["location_id"]
    given = {"base_url": simulator.base_url, "location_id": location, **tokens, **more}
    options = plugin.options.model_validate(given)
    environment = Environment(account=f"altegio-{location}", zone=simulator.zone, clock=clock, pool=pool)
    made: AltegioConnector = plugin.build(options, environment)
    return made


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    clock, pool = Turns(START), BudgetPool()
    with build(clients=0, locations=SITES, limits="real", clock=clock) as platform:
        new = platform.sites[NEW_SITE]
        for site in platform.sites:
            for number in range(ITS_CARDS if site is new else 1):
                phone = f"+{int(PHONE) + number}"
                site.store.insert("client", new_card("Ann", f"Lee {number}", phone, "", int(START.timestamp()) - 60))
        sites = [
            Site(_connector(site, pool, clock, **({"page_size": 1} if site is new else {})), site)
            for site in platform.sites
        ]
        made = Chain(clock, sites)
        take = Budgets.take

        def timed(budgets: Budgets, names: Iterable[str], *, patience: float = 0.0) -> None:
            begun = clock.steady()
            take(budgets, names, patience=patience)
            made.waits[doing.get()].append(clock.steady() - begun)

        monkeypatch.setattr(Budgets, "take", timed)
        yield made
        for site in sites:
            site.connector.close()


def test_fifty_sites_share_one_address(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[float] = []
    too_many = AltegioSimulator.too_many

    def counted(simulator: AltegioSimulator, wait: float, limit: Limit | None) -> Response:
        refused.append(wait)
        return too_many(simulator, wait, limit)

    monkeypatch.setattr(AltegioSimulator, "too_many", counted)
    begins = [NEW_SITE_AT if place == NEW_SITE else 0.0 for place in range(SITES)]
    moments = [BOOKING_EVERY * turn for turn in range(1, int(MINUTES * 60 / BOOKING_EVERY))]
    moments += [BURST_AT] * BURST
    chain.clock.play(
        [(begin, chain.polling(site, begin)) for site, begin in zip(chain.sites, begins, strict=True)]
        + [(moment, chain.booking(number)) for number, moment in enumerate(moments)]
    )

    assert refused == [], "Altegio refuses none of the calls"
    assert len(chain.waits["live"]) >= CALLS_OF_A_BOOKING * len(moments)
    assert max(chain.waits["live"]) <= LONGEST_LIVE_WAIT
    rounds = chain.rounds()
    assert len(rounds) == MINUTES - 1
    assert median(rounds) < POLL, "a round of polls ends before the next one is due"
    assert max(chain.waits["poll"]) <= TURN + 2 * LONGEST_LIVE_WAIT, "and where bookings hold it up, its turn comes"
    assert mean(chain.waits["live"]) < min(mean(chain.waits["poll"]), mean(chain.waits["first"]))

    new = chain.sites[NEW_SITE]
    assert set(new.found[Kind.CLIENT]) == {str(row["id"]) for row in new.simulator.store.all("client")}
    assert new.polls[0][1] - NEW_SITE_AT < ITS_CARDS * 10, "the first reading stands back, and gets through"

    for site in chain.sites:
        stands = {str(row["id"]) for row in site.simulator.store.all("record")}
        assert stands == {id_ for id_, booking in chain.bookings.items() if booking.site is site}
        for kind, rows in ROWS.items():
            assert set(site.found[kind]) <= {str(row["id"]) for row in site.simulator.store.all(rows)}
    last_round = (MINUTES - 1) * POLL
    late = [
        booking.site.found[Kind.APPOINTMENT][id_] - booking.made_at
        for id_, booking in chain.bookings.items()
        if booking.made_at < last_round
    ]
    assert max(late) <= POLL + max(rounds), "the next poll of its site sees a visit"
