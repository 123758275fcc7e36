"""What tests of alerts share: a program to watch over, a machine that finds what it is told, channels that keep."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import sqlalchemy as sa

from tests.ledgers import ledger_place
from vetbridge.config.models import Config
from vetbridge.config.secrets import Secret
from vetbridge.core.conditions import Code, Condition, Scope
from vetbridge.core.errors import Unavailable
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.channels import Channel
from vetbridge.daemon.telling import Telling
from vetbridge.daemon.watching import Watching
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.events import Message
from vetbridge.testing.clock import FakeClock

KEY = "the key of a ledger that tests make"
LOOK = 30.0
"""Seconds between two looks."""
ALERTS = ("review.soon", "alert.raised", "alert.cleared", "alert.digest")


def config(*, keep_bodies_days: int = 90, **more: Any) -> Config:
    """A config of two sites that share a PIMS."""
    account = {"connector": "memory", "options": {}}
    end = {"account": "pims"}
    site = {"name": "City", "zone": "Europe/Berlin", "country": "DE", "pims": end}
    return Config.model_validate(
        {
            "version": 1,
            "ledger": {"key": Secret.of(KEY), "keep_bodies_days": keep_bodies_days},
            "accounts": {"booking": account, "other": account, "pims": account},
            "sites": {
                "city": {**site, "booking": {"account": "booking"}},
                "north": {**site, "zone": "Europe/London", "booking": {"account": "other"}},
            },
            **more,
        }
    )


class Machine:
    """Finds what stands in ``found``."""

    def __init__(self) -> None:
        self.found: list[Condition] = []

    def conditions(self) -> tuple[Condition, ...]:
        return tuple(self.found)


class Keeping(Channel):
    """Keeps what it takes; takes nothing while ``deaf``."""

    def __init__(self, tells: Iterable[str] = ALERTS, *, at_once: int = 1) -> None:
        super().__init__(tuple(tells))
        self.at_once = at_once
        self.deaf = False
        self.taken: list[tuple[str, dict[str, Any]]] = []
        """Of each message its id and what stands in it."""
        self.handed: list[int] = []
        """How many messages came at once."""

    def send(self, messages: Sequence[Message]) -> None:
        if self.deaf:
            raise Unavailable("no answer")
        self.handed.append(len(messages))
        self.taken += [(message.id, json.loads(message.content)) for message in messages]

    @property
    def told(self) -> list[tuple[str, Any]]:
        """The type of each, with the code of its condition, or how many a digest counts."""
        return [
            (each["type"], each["data"]["code"] if "code" in each["data"] else each["data"]["count"])
            for _, each in self.taken
        ]


class Watched:
    """One ledger with the watch over it, and channels."""

    def __init__(self, folder: Path, channels: Mapping[str, Channel], **more: Any) -> None:
        self.clock = FakeClock()
        self.ledger = open_ledger(ledger_place(folder, migrated=True), KEY, self.clock)
        self.config = config(**more)
        self.channels = channels
        self.machine = Machine()
        self.start()

    def start(self, channels: Mapping[str, Channel] | None = None) -> None:
        """Starts the daemon anew: all that was in memory is gone."""
        self.channels = self.channels if channels is None else channels
        loaded = SimpleNamespace(config=self.config, folder=Path())
        program = SimpleNamespace(ledger=self.ledger, clock=self.clock, loaded=loaded)
        self.watching = Watching(cast(Program, program), self.channels, machine=self.machine)
        self.telling = Telling(self.ledger, self.channels, [], rests=lambda _: False)
        self.telling.begin()

    def look(self, times: int = 1) -> None:
        """Looks, and rounds of deliveries, ``LOOK`` seconds apart."""
        for _ in range(times):
            self.watching.look()
            for name in self.channels:
                self.telling.deliver(name)
            self.clock.advance(LOOK)

    def finds(self, *codes: Code | Condition) -> None:
        """From now on the machine finds these and nothing else."""
        self.machine.found = [
            code
            if isinstance(code, Condition)
            else Condition(code=code, scope=Scope.VETBRIDGE, since=self.clock.now(), details={"seconds": 90})
            for code in codes
        ]

    def close(self) -> None:
        self.ledger.close()


@contextmanager
def full(ledger: Ledger) -> Iterator[None]:
    """A ledger whose disk is full: it can be read, and takes nothing."""

    def refuse() -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    with patch.object(ledger, "_writer", sa.create_engine("sqlite://", creator=refuse)):
        yield
