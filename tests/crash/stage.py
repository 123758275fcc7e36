"""Where a torture is played: two simulators, a ledger, a config, and the people."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import yaml

from tests.crash.audit import BOOKING, PIMS, Audit, Auditor, Question
from tests.crash.journal import Journal
from tests.crash.ledgers import LedgerPlace
from tests.crash.people import People
from tests.crash.processes import Nursery, SimulatorProcess, Victim
from tests.system.town import HOOK_SECRET, Town
from vetbridge.connector.clock import SystemClock
from vetbridge.demo.draws import Draws
from vetbridge.demo.stage import config_text
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.simkit import Simulator

CLIENTS = 80
REQUEST_TIMEOUT = 1.0
LEASE = 3.0
CALM_LEASE = 30.0
PACE, CALM_PACE = 1.0, 2.0
"""Seconds between two polls of a side."""
OVERLAP = 10
"""Seconds that a poll looks back before the last one, as the config says it: longer than a side stands still, and
shorter than the torture, or every poll lists all that was ever done, and hints anew at all that is still open."""
LATE_LANDING = 1.0
"""Seconds, as the config tells VetBridge about the PIMS."""
LATE = {PIMS: 0.8, BOOKING: 0.5}
"""Seconds after which a write lands late, well within what VetBridge waits for."""
LOOKED_AFTER = REQUEST_TIMEOUT + LATE_LANDING
"""Seconds after a lost answer in which VetBridge must have looked, or may look at any time."""
QUIET_PATIENCE = 600.0
"""Seconds; ten times what it takes after 200 kills, unless the machine is busy."""
_LIST = {BOOKING: "GET /records/{location}", PIMS: "GET /v2/appointment"}
_LISTED = 3
"""So many lists after each other, or the first may have begun before the last thing happened."""
_STEP = 0.15
"""Seconds between two looks at a condition."""
LOST_ANSWERS = ("drop_after_commit", "5xx_after", "late_landing", "5xx_before", "429_retry_after")
"""Faults by which VetBridge does not know what became of a write, or only that nothing did."""
_WEBHOOK_TROUBLE = {"webhook_duplicate": 0.2, "webhook_reorder": 0.2, "webhook_silence": 0.1}
_OPEN = "SELECT count(*) FROM change WHERE settled_at IS NULL"
_QUESTIONS = (
    "SELECT record.account, record.remote_id, review.why FROM review "
    "JOIN record ON record.id = review.record_id WHERE review.state = 'open'"
)


class Stage:
    """One town of real processes."""

    def __init__(self, folder: Path, ledger: LedgerPlace, *, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ledger = ledger
        self.log = folder / "victims.log"
        self.journal = Journal()
        self._nursery = Nursery(self.log)
        self.sides = {
            vendor: SimulatorProcess(vendor, folder, clients=CLIENTS, seed=seed, late_seconds=LATE[vendor])
            for vendor in (BOOKING, PIMS)
        }
        try:
            for side in self.sides.values():
                side.ready()
            booking, pims = self.sides[BOOKING], self.sides[PIMS]
            # A process answers all that a town asks of a simulator.
            sides = cast(Simulator, booking), cast(Simulator, pims)
            self.town = Town(folder, *sides, make_clinic(seed, CLIENTS))
            port = free_port()
            self.calm = self._write_config("calm.yaml", port, pace=CALM_PACE, lease=CALM_LEASE)
            """For the quiet time: a busy machine must not take its own work over, or list faster than it works."""
            self.config = self._write_config("config.yaml", port, pace=PACE, lease=LEASE)
            self.town.send_webhooks_to(f"http://127.0.0.1:{port}")
            for side in self.sides.values():
                side.faults(**_WEBHOOK_TROUBLE)
            self.people = People(self.town, self.journal, Draws(f"{seed}:people"))
        except BaseException:
            self.close()
            raise

    def _write_config(self, name: str, port: int, *, pace: float, lease: float) -> Path:
        path = self.town.write_config(
            door={"port": port},
            timings={
                "absence_confirm": 0,
                "retry_first": 1,
                "retry_longest": 2,
                "request_timeout": REQUEST_TIMEOUT,
                "settle": 0,
                "lease": lease,
                "pims_refresh": pace,
            },
            accounts={
                BOOKING: {"poll": pace, "options": {"overlap_seconds": OVERLAP}},
                PIMS: {
                    "hook_secret": {"file": "hook.secret.secret"},
                    "options": {"late_landing": LATE_LANDING, "overlap_seconds": OVERLAP},
                },
            },
            sites={"town": {"fuse": 100_000}},
        )
        config: dict[str, Any] = yaml.safe_load(path.read_text())
        config["ledger"] = self.ledger.config(self.folder)
        path = self.folder / name
        path.write_text(config_text(config))
        assert (self.folder / "hook.secret.secret").read_text() == HOOK_SECRET
        return path

    # -- VetBridge

    def victim(self, *options: str) -> Victim:
        """A VetBridge that begins to work now."""
        return self._nursery.victim(self.config, *options)

    def settle(self, *options: str, patience: float = QUIET_PATIENCE) -> bool:
        """Lets a VetBridge to which nothing happens work until nothing is left to do; whether it came to that."""
        self.heal()
        victim = self._nursery.victim(self.calm, "--door", *options)
        quiet = Quiet(self)
        until(lambda: not victim.alive or quiet(), patience)
        assert victim.alive, f"VetBridge ended by itself ({victim.code}), see {self.log}"
        ended = victim.end()
        assert ended == 0, f"VetBridge did not end in good order ({ended}), see {self.log}"
        return quiet()

    # -- what stands

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        for side in self.sides.values():
            side.thaw()
            side.faults(**dict.fromkeys(LOST_ANSWERS, 0.0))

    def questions(self) -> list[Question]:
        """What is open for a person."""
        return [Question(account, remote_id, why) for account, remote_id, why in self.ledger.query(_QUESTIONS)]

    def audit(self) -> Audit:
        """Both stores as they are now, against the journal."""
        return Auditor(self.journal, self.town.booking.store, self.town.pims.store, self.questions()).audit()

    # -- the end

    def close(self) -> None:
        """Ends every process that is left."""
        self._nursery.close()
        for side in self.sides.values():
            side.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


class Quiet:
    """Whether nothing is left to do: both sides were listed anew with no change open and no webhook under way."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._from = self._lists()

    def __call__(self) -> bool:
        """Looks once more."""
        counts = [side.counts() for side in self._stage.sides.values()]
        under_way = any(one["webhooks"]["waiting"] for one in counts)
        if under_way or self._stage.ledger.query(_OPEN) != [(0,)]:
            self._from = self._lists()
        return all(now >= then + _LISTED for now, then in zip(self._lists(), self._from, strict=True))

    def _lists(self) -> list[int]:
        """How often each side was asked for a list of visits."""
        return [side.counts()["requests"].get(_LIST[vendor], 0) for vendor, side in self._stage.sides.items()]


_CLOCK = SystemClock()


def until(condition: Callable[[], bool], patience: float) -> bool:
    """Waits for a condition; whether it came."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if condition():
            return True
        _CLOCK.wait(_STEP)
    return condition()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
