"""Plays the morning: real processes, real HTTP, then the audit."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.config.models import Config
from vetbridge.connector.clock import Clock, SystemClock
from vetbridge.connector.configured import read_config
from vetbridge.daemon.lock import running
from vetbridge.demo import stage as staging
from vetbridge.demo.asking import ask
from vetbridge.demo.audit import Audit, audit
from vetbridge.demo.children import Children
from vetbridge.demo.failure import DemoFailed
from vetbridge.demo.live import Picture, View
from vetbridge.demo.platform import Platform
from vetbridge.demo.script import OUTAGE_SECONDS, plan_morning
from vetbridge.demo.stage import Sides, Stage, write_config
from vetbridge.demo.story import Deed, Morning
from vetbridge.desk.status import Status, status
from vetbridge.ledger import reports
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.tables import OPEN_STATES, ChangeState
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.simkit import open_store

BOOKING_FAULTS = {"webhook_duplicate": 0.2, "webhook_reorder": 0.2}
PIMS_FAULTS = {"5xx_before": 0.02, "5xx_after": 0.02, "drop_after_commit": 0.02}

START_PATIENCE = 60.0
"""Seconds that a simulator, or the daemon, may take until it serves."""
MIRROR_PATIENCE = 120.0
"""Seconds for the first reading of all clients and pets."""
DRAIN_PATIENCE = 180.0
"""Seconds after the last action until everything must be settled."""
STOP_PATIENCE = 70.0
"""Seconds that the daemon may take to let its last writes finish."""
POLLS_AFTER = 3
"""Polls that must have begun after the last action: the first one may have begun before it."""
_LOOK_EVERY = 0.4


@dataclass(frozen=True, slots=True)
class Played:
    """A morning that was played to its end."""

    audit: Audit
    seconds: float
    settled: bool
    """Everything was settled in time; else the audit shows what is missing."""
    config: Path


def play(folder: Path, *, bookings: int, seed: int, clients: int, view: View, clock: Clock | None = None) -> Played:
    """Plays a morning in an empty folder and audits it. Raises ``DemoFailed`` where that cannot be done.

    Raises ``ValueError`` where the clinic is too small, or the morning too short, before anything is started.
    """
    clock = clock or SystemClock()
    began = clock.steady()
    clinic = make_clinic(seed, clients)
    today = clock.now().astimezone(ZoneInfo(clinic.zone)).date()
    stage = Stage(folder)
    show = _Show(stage, plan_morning(clinic, seed, bookings, today=today), view, clock)
    with Children() as children, view:
        settled = show.run(children)
        view.say("The audit compares both systems with the script.")
        result = _audited(stage, show.morning)
    seconds = clock.steady() - began
    _keep(stage, result, seconds)
    return Played(result, seconds, settled, stage.config)


class _Show:
    """One morning on one stage."""

    def __init__(self, stage: Stage, morning: Morning, view: View, clock: Clock) -> None:
        self.morning = morning
        self._stage = stage
        self._view = view
        self._clock = clock
        self._made = 0
        self._began = 0.0
        self._outage_ends: float | None = None
        self._looked = 0.0

    def run(self, children: Children) -> bool:
        """From the start of the simulators to the stop of the daemon; whether everything was settled in time."""
        self._view.say(
            f"Two simulators start: Altegio, and ezyVet with {len(self.morning.clinic.owners)} clients; "
            "rate limits are off here."
        )
        booking, pims = self._simulators(children)
        self._booking_door, self._pims_door = booking["control_url"], pims["control_url"]
        self._platform = Platform(booking["base_url"], booking["credentials"], self.morning.clinic)
        sides = Sides(booking, pims, self._platform.staff, self._platform.services)
        hooks = write_config(self._stage, self.morning.clinic, sides)
        self._config = read_config(self._stage.config).config
        self._view.say("VetBridge starts, with shorter waits than in a clinic: " + ", ".join(_shortened()))
        self._daemon = children.start(
            "vetbridge run", ["--config", str(self._stage.config), "run"], self._stage.log("run")
        )
        self._wait_for_mirror()
        self._platform.post_webhooks_to(hooks)
        with _ledger(self._config, self._clock) as ledger:
            self._ledger = ledger
            self._play()
            settled = self._drain()
        if not children.stop(self._daemon, STOP_PATIENCE):
            raise DemoFailed(f"vetbridge run did not stop when it was asked to.\n{self._daemon.last_words()}")
        return settled

    def _simulators(self, children: Children) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both at once; each fills its store from the same clinic."""
        started = []
        for vendor, faults in (("altegio", BOOKING_FAULTS), ("ezyvet", PIMS_FAULTS)):
            arguments = ["simulate", vendor, "--port", "0", "--limits", "off"]
            arguments += ["--clients", str(len(self.morning.clinic.owners)), "--seed", str(self.morning.seed)]
            arguments += ["--data", str(self._stage.data(vendor))]
            for name, rate in faults.items():
                arguments += ["--fault", f"{name}={rate}"]
            started.append(children.start(f"the simulator of {vendor}", arguments, self._stage.log(vendor)))
        booking, pims = (child.ready(START_PATIENCE) for child in started)
        return booking, pims

    def _wait_for_mirror(self) -> None:
        """Nobody is new before all clients were read; so the morning begins after that."""
        health = f"http://{self._config.door.host}:{self._config.door.port}/health"
        ends = self._clock.steady() + MIRROR_PATIENCE
        while self._clock.steady() < ends:
            self._daemon.check()
            with contextlib.suppress(DemoFailed):  # the door opens when it opens
                if all(ask("GET", health)["mirrors"].values()):
                    return
            self._clock.wait(0.2)
        raise DemoFailed(f"VetBridge did not read all clients in time.\n{self._daemon.last_words()}")

    def _play(self) -> None:
        """The steps of the script, each at its time; the outage comes and goes by itself."""
        self._view.say(
            f"The morning begins: {len(self.morning.bookings)} bookings in {self.morning.seconds:.0f} seconds, "
            f"with {OUTAGE_SECONDS:.0f} seconds in which the PIMS does not answer."
        )
        self._began = self._clock.steady()
        for step in self.morning.steps:
            while (ahead := step.at - self._elapsed) > 0:
                self._begin_outage_in_time()
                self._look()
                self._clock.wait(min(ahead, 0.1))
            self._begin_outage_in_time()
            self._platform.play(step, self.morning)
            self._made += step.deed is Deed.BOOK
            self._view.event(self._picture(None).clock, step)

    def _begin_outage_in_time(self) -> None:
        if self._outage_ends is None and self._elapsed >= self.morning.outage_at:
            ask("POST", f"{self._pims_door}/outage", {"seconds": OUTAGE_SECONDS})
            self._outage_ends = self._clock.steady() + OUTAGE_SECONDS

    def _drain(self) -> bool:
        """Waits until nothing is on its way any more: no webhook, no open change, and polls that found nothing."""
        polls, _ = self._traffic()
        ends = self._clock.steady() + DRAIN_PATIENCE
        while self._clock.steady() < ends:
            seen = self._look()
            if seen is not None and not self._picture(seen).waiting and self._quiet(polls):
                # A hint may have come between the two looks.
                again = self._look(now=True)
                if again is not None and not self._picture(again).waiting:
                    return True
            self._clock.wait(0.1)
        return False

    def _quiet(self, polls_before: int) -> bool:
        polls, webhooks = self._traffic()
        return webhooks == 0 and polls >= polls_before + POLLS_AFTER

    def _traffic(self) -> tuple[int, int]:
        """How often the platform's bookings were listed, and how many webhooks are still on their way."""
        counts = ask("GET", f"{self._booking_door}/counts")
        return int(counts["requests"].get("GET /records/{location}", 0)), int(counts["webhooks"]["waiting"])

    # -- looking

    @property
    def _elapsed(self) -> float:
        return self._clock.steady() - self._began

    def _look(self, *, now: bool = False) -> _Seen | None:
        """Looks at the daemon and the ledger and shows it, not too often. Raises ``DemoFailed`` for a dead daemon."""
        if not now and self._clock.steady() < self._looked + _LOOK_EVERY:
            return None
        self._daemon.check()
        self._looked = self._clock.steady()
        with self._ledger.read() as tx:
            report = status(tx, self._config, running(self._config.ledger.path))
            _, ended = reports.list_changes(
                tx,
                states=[ChangeState.DONE, ChangeState.REVIEW],
                account=staging.BOOKING_ACCOUNT,
                limit=10 * len(self.morning.bookings),
            )
        seen = _Seen(report, len({change.remote_id for change in ended}))
        self._view.show(self._picture(seen))
        return seen

    def _picture(self, seen: _Seen | None) -> Picture:
        if seen is None:
            return Picture(elapsed=self._elapsed, seconds=self.morning.seconds)
        site = next(iter(seen.report.sites))
        return Picture(
            elapsed=self._elapsed,
            seconds=self.morning.seconds,
            made=self._made,
            total=len(self.morning.bookings),
            in_pims=seen.in_pims,
            waiting=sum(site.changes[state].count for state in OPEN_STATES),
            in_review=site.review.count,
            failed=site.changes[ChangeState.FAILED].count,
            outage=max(0.0, (self._outage_ends or 0.0) - self._clock.steady()),
            accounts={account.name: account.state for account in seen.report.accounts},
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look at VetBridge's own report."""

    report: Status
    in_pims: int


@contextmanager
def _ledger(config: Config, clock: Clock) -> Iterator[Ledger]:
    """The ledger beside the daemon, to be read only."""
    ledger = open_ledger(config.ledger.path, config.ledger.key.reveal(), clock)
    try:
        yield ledger
    finally:
        ledger.close()


def _shortened() -> list[str]:
    return [f"{name} {value:g} s" for name, value in {"poll": staging.POLL, **staging.TIMINGS}.items()]


def _audited(stage: Stage, morning: Morning) -> Audit:
    booking, pims = (open_store(stage.data(vendor)) for vendor in ("altegio", "ezyvet"))
    try:
        return audit(morning, booking, pims)
    finally:
        booking.close()
        pims.close()


def _keep(stage: Stage, result: Audit, seconds: float) -> None:
    """What the audit found stands beside what it looked at."""
    kept = {
        **result.numbers(seconds),
        "linked_of_linkable": result.linked_of_linkable,
        "findings": [
            {"wrong": one.wrong.value, "booking": one.booking, "words": one.words} for one in result.findings
        ],
    }
    (stage.folder / "audit.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
