"""What an enrolment hands to the suite: a connector on a side of its own, and the switches of that side."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from vetbridge.connector.budgets import BudgetPool
from vetbridge.connector.interface import Connector, Write
from vetbridge.connector.plugin import Environment, Plugin
from vetbridge.core.records import Kind
from vetbridge.mapping import Mapper, load_table
from vetbridge.testing.clock import FakeClock
from vetbridge.testing.simkit.limits import Limits


class Fault(StrEnum):
    """What goes wrong at a side; the names are the simulators'."""

    LIMIT = "429"
    BEFORE = "5xx_before"
    AFTER = "5xx_after"
    DROP = "drop_after_commit"
    CUT = "cut_json"
    """An answer ends in the middle; a write is done."""
    PAGE = "html_for_json"
    """A web page comes instead of an answer; a write is done."""
    SHIFT = "page_shift"
    """Later pages of a list begin a row too early or too late."""


LOST = (Fault.AFTER, Fault.DROP, Fault.CUT, Fault.PAGE)
"""Faults under which a write is done and its answer lost."""


class Subject(ABC):
    """A connector on a side of its own, with at least one page and a bit of clients in it."""

    connector: Connector
    mapper: Mapper
    zone: str = "Europe/London"
    secrets: tuple[str, ...] = ()
    """Texts that may stand nowhere."""
    placeholder: tuple[str, str] | None = None
    """Ids of the side's placeholder client and pet, where it has one."""
    enters: frozenset[Kind] = frozenset()
    """Kinds that no connector makes here and of which ``seed`` enters records: whatever the suite's samples hold."""
    faults: frozenset[Fault] = frozenset({Fault.LIMIT, Fault.BEFORE, Fault.AFTER, Fault.DROP})
    """Faults that ``fault`` can set; tests that need another one are skipped."""

    @abstractmethod
    def fault(self, fault: Fault | None) -> None:
        """Every request fails like this from now on; None: none does, and every pause is over."""

    @abstractmethod
    def requests(self) -> int:
        """Requests that reached the side."""

    @abstractmethod
    def writes(self) -> int:
        """Requests that changed something there."""

    @abstractmethod
    def pass_time(self, seconds: float) -> None:
        """Lets time pass at the side."""

    def stranger(self) -> Connector | None:
        """A connector on the same side with wrong credentials; None where there are none."""
        return None

    def restarted(self) -> Connector | None:
        """Another connector of the same account on the same side, as after a restart; the caller closes it."""
        return None

    def remove(self, kind: Kind, id: str) -> bool:  # noqa: A002 - the interface's word
        """Takes a record away at the side for good, past the connector; False: this side cannot."""
        return False

    def seed(self, kind: Kind, values: Mapping[str, Any]) -> str | None:
        """People at the side enter a record that no connector makes, given in canonical fields: a vaccination, a
        service that is due; where writes are handed on, or nobody is created, a visit or a client, too. Returns its
        id; None: this side cannot."""
        return None

    def handed(self) -> int | None:
        """Writes that were handed on and lie where whoever carries them out takes them; None: there is no such
        place, the work list alone says what is to be done."""
        return None

    def carry_out(self, write: Write) -> str | None:
        """Whoever carries out writes does this one, which was handed on. Returns the record's id; None: nobody at
        this side does."""
        return None

    def opt_out(self, client_id: str) -> bool:
        """People at the side note that a client wants no messages; False: this side cannot."""
        return False

    def messages(self) -> int:
        """Messages that the side sent to owners."""
        return 0

    def logged(self) -> int:
        """Lines that stand in the side's communication log."""
        return 0

    def close(self) -> None:
        """Ends the side."""
        self.connector.close()


class SimulatedSubject(Subject):
    """A connector on its vendor's simulator, over real HTTP.

    ``options`` makes the connector's options from the simulator's credentials; ``base_url`` is added. ``simulator``
    are options of the simulator beside port, clients and seed. ``rows`` are the simulator's words for the kinds of
    which rows can be taken away. ``real_limits``: the simulator refuses what the vendor would, and the connector
    paces itself; time that it waits passes at once.
    """

    def __init__(
        self,
        plugin: Plugin,
        *,
        options: Callable[[Mapping[str, str]], Mapping[str, Any]],
        secrets: tuple[str, ...],
        codes: Mapping[str, Mapping[str, object]],
        clients: int = 40,
        simulator: Mapping[str, Any] | None = None,
        placeholder: tuple[str, str] | None = None,
        rows: Mapping[Kind, str] | None = None,
        real_limits: bool = False,
    ) -> None:
        module = importlib.import_module(plugin.simulator or "")
        self._plugin = plugin
        self._options = options
        self._secret_names = secrets
        self._simulator = module.build(clients=clients, seed=7, **(simulator or {}))
        self._simulator.start()
        self._rows = rows or {}
        self._clock = FakeClock(datetime.now(UTC))
        self._pool = BudgetPool()
        self._limit_scale = 1.0 if real_limits else 10_000.0
        if real_limits:
            self._simulator.limits = Limits(self._simulator.limits_real, "real", self._clock)
        self.faults = frozenset(each for each in Fault if each.value in self._simulator.offered())
        self.zone = self._simulator.zone
        self.secrets = tuple(self._simulator.credentials[name] for name in secrets)
        self.placeholder = placeholder
        self.connector = self._connector(self._simulator.credentials)
        self.mapper = Mapper(load_table(plugin.mapping), zone=self.zone, country="GB", codes=codes)

    def _connector(self, credentials: Mapping[str, str]) -> Connector:
        options = {"base_url": self._simulator.base_url, **self._options(credentials)}
        environment = Environment(
            account="under-test",
            zone=self.zone,
            country="GB",
            clock=self._clock,
            timeout=20,
            limit_scale=self._limit_scale,
            pool=self._pool,
        )
        return self._plugin.build(self._plugin.options(**options), environment)

    def fault(self, fault: Fault | None) -> None:
        """Sets one fault of the simulator to always, and all others to never."""
        self._simulator.faults.set({each.value: float(each is fault) for each in self.faults})
        if fault is None:
            self._clock.advance(3600)

    def requests(self) -> int:
        """Requests to the vendor's routes, token requests among them."""
        return int(sum(self._simulator.counts()["requests"].values()))

    def writes(self) -> int:
        """What the simulator counts as writes."""
        return int(self._simulator.counts()["writes"])

    def pass_time(self, seconds: float) -> None:
        """Moves the simulator's clock."""
        self._simulator.clock.set(self._simulator.clock.now() + timedelta(seconds=seconds))

    def stranger(self) -> Connector:
        """The same side, every secret wrong."""
        wrong = {name: f"wrong-{name}-of-a-stranger" for name in self._secret_names}
        return self._connector({**self._simulator.credentials, **wrong})

    def restarted(self) -> Connector:
        """The same account, served by a new connector."""
        return self._connector(self._simulator.credentials)

    def remove(self, kind: Kind, id: str) -> bool:  # noqa: A002 - the interface's word
        """Deletes a row of the simulator's store."""
        if kind not in self._rows:
            return False
        self._simulator.store.delete(self._rows[kind], int(id))
        return True

    def messages(self) -> int:
        """What the simulator counts as messages to owners."""
        return int(self._simulator.counts()["notices"])

    def close(self) -> None:
        """Ends connector and simulator."""
        self.connector.close()
        self._simulator.stop()
