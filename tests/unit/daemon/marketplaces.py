"""A marketplace in memory, and one app of it over a ledger, for tests of the life of installs."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tests.ledgers import ledger_place
from vetbridge.config.models import Config
from vetbridge.config.secrets import Secret
from vetbridge.connector.interface import Install, InstallNews, InstallState
from vetbridge.core.errors import BadHint, Refused, Unavailable, VetBridgeError
from vetbridge.core.installs import INSTALL
from vetbridge.daemon import connecting as apps
from vetbridge.daemon.connecting import Connecting
from vetbridge.ledger import accounts, going_live, installs, pauses
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.testing.clock import FakeClock

KEY = "the key of a ledger that tests make"
APP = "altegio-app"
CITY, NORTH, NOBODY = "101001", "101002", "999"
"""Locations: two of the config, and one that it does not know."""
HOOKS = f"https://bridge.example/hooks/booking/{'h' * 20}"


class FakeMarketplace:
    """Keeps what the clinics do. ``broken`` is raised by the next calls, ``refuses`` by a yes."""

    activate_within = 3600.0

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.stands: dict[str, InstallState] = {}
        self.since: dict[str, datetime] = {}
        self.hidden: set[str] = set()
        """Locations that the list leaves out."""
        self.broken: VetBridgeError | None = None
        self.silent: set[str] = set()
        """Locations for which it does not answer."""
        self.unlisted: VetBridgeError | None = None
        """What reading the list comes to."""
        self.refuses: VetBridgeError | None = None
        self.arrives = True
        """Whether a yes arrives whose answer is ``refuses``."""
        self.activated: list[tuple[str, str | None]] = []
        self.calls = 0
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens while the list is read."""

    def clicks(self, *locations: str) -> None:
        for location in locations:
            self.stands[location] = InstallState.PENDING
            self.since[location] = self._clock.now()

    def asked(self, query: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        found = tuple(value for name, value in query if name in ("salon_id", "salon_ids[]"))
        if not found or dict(query).get("sign") == "wrong":
            raise BadHint("no location")
        return found

    def told(self, body: bytes) -> InstallNews:
        try:
            data = json.loads(body)
            if data["token"] != "right":
                raise BadHint("not the vendor's")
            state = data["event"]
            return InstallNews(location=data["salon_id"], state=None if state == "payment" else InstallState(state))
        except (ValueError, KeyError, TypeError):
            raise BadHint("cannot be read") from None

    def state(self, location: str) -> Install | None:
        self._call()
        if location in self.silent:
            raise Unavailable("no answer for this one")
        if location not in self.stands:
            return None
        return Install(location=location, state=self.stands[location], since=self.since.get(location))

    def installs(self) -> Iterator[Install]:
        self._call()
        if self.unlisted is not None:
            raise self.unlisted
        listed = [
            Install(location=location, state=state, since=self.since.get(location))
            for location, state in self.stands.items()
            if location not in self.hidden
        ]
        self.meanwhile()
        yield from listed

    def activate(self, location: str, hook_url: str | None) -> None:
        self._call()
        if self.stands.get(location) is not InstallState.PENDING:
            raise Refused("not pending")
        if self.refuses is None or self.arrives:
            self.stands[location] = InstallState.ACTIVE
            self.activated.append((location, hook_url))
        if self.refuses is not None:
            raise self.refuses

    def uninstall(self, location: str) -> None:
        self._call()
        if location not in self.stands:
            raise Refused("not installed")
        self.stands[location] = InstallState.UNINSTALLED

    def close(self) -> None:
        pass

    def _call(self) -> None:
        self.calls += 1
        if self.broken is not None:
            raise self.broken


class _Options(BaseModel):
    pass


def config(**more: Any) -> Config:
    """Two branches that one app connects; a PIMS account for each."""
    booking = {"connector": "altegio", "app": APP, "options": {}}
    end = {"zone": "Europe/Berlin", "country": "DE"}
    return Config.model_validate(
        {
            "version": 1,
            "ledger": {"key": Secret.of(KEY)},
            "apps": {APP: {"connector": "altegio", "address": "https://bridge.example", "options": _Options()}},
            "accounts": {
                "booking": {**booking, "hook_secret": Secret.of("h" * 20)},
                "other": booking,
                "pims": {"connector": "ezyvet", "options": {}},
            },
            "sites": {
                "city": {"name": "City Vets", **end, "booking": {"account": "booking"}, "pims": {"account": "pims"}},
                "north": {"name": "North Vets", **end, "booking": {"account": "other"}, "pims": {"account": "pims"}},
            },
            **more,
        }
    )


class Connected:
    """One app over a ledger."""

    def __init__(self, folder: Path, accounts_at: Mapping[str, Sequence[str]] | None = None) -> None:
        self.clock = FakeClock()
        self.ledger: Ledger = open_ledger(ledger_place(folder, migrated=True), KEY, self.clock)
        self.config = config()
        self.marketplace = FakeMarketplace(self.clock)
        self.freed: list[str] = []
        self.at = {CITY: ("booking",), NORTH: ("other",)} if accounts_at is None else accounts_at
        self.start()

    def start(self, accounts_at: Mapping[str, Sequence[str]] | None = None) -> None:
        """Starts VetBridge anew; maybe with another config."""
        self.at = self.at if accounts_at is None else accounts_at
        self.app = Connecting(
            APP, self.config.apps[APP], self.marketplace, self.config, self.ledger, self.clock, self.at
        )
        self.app.on_free = self._freed
        with self.ledger.write() as tx:
            for name, account in self.config.accounts.items():
                accounts.enrol(tx, name, account.connector, country="DE")
            for site in self.config.sites:
                going_live.meet(tx, site, start_live=True)
            apps.prepare(tx, {APP: self.app})

    def connect(self, *locations: str) -> None:
        """Clicked and connected."""
        self.marketplace.clicks(*locations)
        self.app.ask(locations)

    def look(self, after: float = 30.0) -> None:
        self.clock.advance(after)
        self.app.look()

    def later(self) -> None:
        """The next look at all installs."""
        self.look(apps.LIST_EVERY)

    @property
    def states(self) -> dict[str, str]:
        with self.ledger.read() as tx:
            return {row.location: row.state for row in installs.of(tx, APP)}

    @property
    def codes(self) -> dict[str, str]:
        with self.ledger.read() as tx:
            return {row.location: row.code for row in installs.of(tx, APP) if row.code}

    @property
    def rests(self) -> dict[str, str]:
        """Why accounts rest, by name."""
        with self.ledger.read() as tx:
            return {row.name: row.why for row in pauses.standing(tx) if row.scope == INSTALL}

    @property
    def ended(self) -> dict[str, str]:
        """By whom pairs were ended, by site."""
        with self.ledger.read() as tx:
            rows = [going_live.of(tx, site) for site in self.config.sites]
            return {row.site: row.ended_by for row in rows if row is not None and row.ended_at is not None}

    def _freed(self, accounts: Collection[str]) -> None:
        self.freed += sorted(accounts)
