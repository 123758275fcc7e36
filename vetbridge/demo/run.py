"""Plays the morning: real processes, real HTTP, then the audit."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from vetbridge.config.models import Config
from vetbridge.connector.clock import Clock, SystemClock
from vetbridge.connector.configured import read_config
from vetbridge.core.answers import choices
from vetbridge.core.errors import MappingError
from vetbridge.daemon.lock import running
from vetbridge.demo import stage as staging
from vetbridge.demo.asking import NoAnswer, ask
from vetbridge.demo.audit import Audit, audit
from vetbridge.demo.children import Child, Children
from vetbridge.demo.failure import DemoFailed
from vetbridge.demo.live import Picture, View
from vetbridge.demo.platform import Platform
from vetbridge.demo.practice import NotThere, Practice
from vetbridge.demo.reception import Commands, Late, Reception, Scene
from vetbridge.demo.script import OUTAGE_SECONDS, plan_morning
from vetbridge.demo.stage import Sides, Stage, write_config
from vetbridge.demo.story import Actor, Deed, Morning, Seen, Step
from vetbridge.desk.status import Status, status
from vetbridge.ledger import fuses, reports
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
"""Polls that must have begun after the very last action: the first one may have begun before it."""
STEP_PATIENCE = 150.0
"""Seconds after the morning's end in which the PIMS must have taken what the desk enters; then it is given up."""
TICK = 0.05
"""Seconds between two steps of the clockwork."""
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
    morning = plan_morning(clinic, seed, bookings, today=today)
    with Children() as children, view:
        show = _Show(stage, morning, view, clock, children)
        settled = show.run()
        view.say("The audit compares both systems with the script.")
        result = _audited(stage, morning, show.seen)
    seconds = clock.steady() - began
    _keep(stage, result, seconds)
    return Played(result, seconds, settled, stage.config)


class _Show:
    """One morning on one stage."""

    def __init__(self, stage: Stage, morning: Morning, view: View, clock: Clock, children: Children) -> None:
        self._morning = morning
        self._stage = stage
        self._view = view
        self._clock = clock
        self._children = children
        self._began = 0.0
        self._outage_ends: float | None = None
        self._looked = 0.0
        self._done: set[Step] = set()
        self._late: list[str] = []

    @property
    def seen(self) -> Seen:
        """What the receptionist saw."""
        return self._reception.seen

    def run(self) -> bool:
        """From the start of the simulators to the stop of the daemon; whether everything was settled in time."""
        self._view.say(
            f"Two simulators start: Altegio, and ezyVet with {len(self._morning.clinic.owners)} clients; "
            "rate limits are off here."
        )
        booking, pims = self._simulators()
        self._booking_door, self._pims_door = booking["control_url"], pims["control_url"]
        self._platform = Platform(booking["base_url"], booking["credentials"], self._morning.clinic)
        self._practice = Practice(pims["base_url"], pims["credentials"])
        sides = Sides(booking, pims, self._platform.staff, self._platform.services)
        hooks = write_config(self._stage, self._morning, sides)
        self._config = read_config(self._stage.config).config
        self._view.say("VetBridge starts, with shorter waits than in a clinic: " + ", ".join(_shortened()))
        self._start_daemon()
        for _ in self._ready():
            self._clock.wait(0.2)
        self._platform.post_webhooks_to(hooks)
        commands = Commands(self._children, self._stage)
        with _ledger(self._config, self._clock) as ledger:
            self._ledger = ledger
            self._reception = Reception(
                self._morning, self._stage, self._platform, self._practice, commands, self, self._clock
            )
            self._play()
            settled = self._drain(polls=1) and self._purge() and self._drain(polls=POLLS_AFTER)
        if self._daemon is not None and not self._children.stop(self._daemon, STOP_PATIENCE):
            raise DemoFailed(f"vetbridge run did not stop when it was asked to.\n{self._daemon.last_words()}")
        return settled and not self._late

    # -- processes

    def _simulators(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both at once; each fills its store from the same clinic."""
        started = []
        for vendor, faults in (("altegio", BOOKING_FAULTS), ("ezyvet", PIMS_FAULTS)):
            arguments = ["simulate", vendor, "--port", "0", "--limits", "off"]
            arguments += ["--clients", str(len(self._morning.clinic.owners)), "--seed", str(self._morning.seed)]
            arguments += ["--data", str(self._stage.data(vendor))]
            for name, rate in faults.items():
                arguments += ["--fault", f"{name}={rate}"]
            started.append(self._children.start(f"the simulator of {vendor}", arguments, self._stage.log(vendor)))
        booking, pims = (child.ready(START_PATIENCE) for child in started)
        return booking, pims

    def _start_daemon(self) -> None:
        self._daemon: Child | None = self._children.start(
            "vetbridge run", ["--config", str(self._stage.config), "run"], self._stage.log("run")
        )

    def _ready(self) -> Scene[None]:
        """Nobody is new before all clients were read; so the morning begins, or goes on, after that."""
        health = f"http://{self._config.door.host}:{self._config.door.port}/health"
        ends = self._clock.steady() + MIRROR_PATIENCE
        while self._clock.steady() < ends:
            self._check_daemon()
            with contextlib.suppress(DemoFailed):  # the door opens when it opens
                if all(ask("GET", health)["mirrors"].values()):
                    return
            yield
        raise DemoFailed(f"VetBridge did not read all clients in time.\n{self._last_words()}")

    def stop(self) -> Scene[None]:
        """Stops VetBridge."""
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return
        daemon.ask_to_end()
        ends = self._clock.steady() + STOP_PATIENCE
        while daemon.done() is None:
            if self._clock.steady() > ends:
                raise DemoFailed(f"vetbridge run did not stop when it was asked to.\n{daemon.last_words()}")
            yield
        self._children.stop(daemon, 1.0)

    def start(self) -> Scene[None]:
        """Starts VetBridge again."""
        self._start_daemon()
        yield from self._ready()

    def _check_daemon(self) -> None:
        if self._daemon is not None:
            self._daemon.check()

    def _last_words(self) -> str:
        return "" if self._daemon is None else self._daemon.last_words()

    # -- the morning

    def _play(self) -> None:
        """The steps of the script, each at its time, beside the scenes; the outage comes and goes by itself."""
        self._view.say(
            f"The morning begins: {len(self._morning.bookings)} bookings and {len(self._morning.visits)} visits by "
            f"telephone in {self._morning.seconds:.0f} seconds, with {OUTAGE_SECONDS:.0f} seconds in which the PIMS "
            "does not answer."
        )
        self._began = self._clock.steady()
        steps = list(self._morning.steps)
        scenes = [self._reception.blocking(), self._reception.answering(), self._reception.mending()]
        while steps or scenes:
            self._begin_outage_in_time()
            steps = self._play_due(steps)
            scenes = [scene for scene in scenes if self._goes_on(scene)]
            self._look()
            self._clock.wait(TICK)

    def _play_due(self, steps: Sequence[Step]) -> list[Step]:
        """Plays what is due; returns what is still to be played, also because the PIMS was silent."""
        left: list[Step] = []
        held: set[tuple[int, int]] = set()
        for place, step in enumerate(steps):
            if step.at > self._elapsed:
                return [*left, *steps[place:]]
            subject = (step.booking, step.visit)
            if subject in held or not self._played(step):
                # What comes later for the same visit waits for it.
                held.add(subject)
                left.append(step)
        return left

    def _played(self, step: Step) -> bool:
        """Plays a step; False where it has to be tried again."""
        side = self._practice if step.by is Actor.PRACTICE else self._platform
        try:
            side.play(step, self._morning)
        except (NoAnswer, NotThere) as error:
            if self._elapsed > self._morning.seconds + STEP_PATIENCE:
                self._give_up(str(error))
                return True
            return False
        self._done.add(step)
        self._view.event(self._time, step)
        return True

    def _goes_on(self, scene: Scene[None]) -> bool:
        """Resumes a scene; False once it is over."""
        try:
            next(scene)
        except StopIteration:
            return False
        except Late as late:
            self._give_up(str(late))
            return False
        return True

    def _give_up(self, what: str) -> None:
        """Goes on without something; the audit shows what is missing for it."""
        self._view.say(f"This did not happen in time: {what}.")
        self._late.append(what)

    def _purge(self) -> bool:
        """The last scene, when everything else is over; whether it went as it should."""
        scene = self._reception.purging()
        while self._goes_on(scene):
            self._look()
            self._clock.wait(TICK)
        return not self._late

    def _begin_outage_in_time(self) -> None:
        if self._outage_ends is None and self._elapsed >= self._morning.outage_at:
            ask("POST", f"{self._pims_door}/outage", {"seconds": OUTAGE_SECONDS})
            self._outage_ends = self._clock.steady() + OUTAGE_SECONDS

    # -- what a scene may ask

    def played(self, number: int) -> bool:
        """Whether all that the script has for a booking was done."""
        return all(step in self._done for step in self._morning.steps if step.booking == number)

    def failed(self) -> set[str]:
        """Record ids of the bookings that failed because a code is missing."""
        with self._ledger.read() as tx:
            _, found = reports.list_changes(
                tx, states=[ChangeState.FAILED], account=staging.BOOKING_ACCOUNT, limit=len(self._morning.bookings)
            )
        return {change.remote_id for change in found if change.code == MappingError.code}

    def asked(self, offering: str) -> set[str]:
        """Record ids of the bookings about which there is an open question that offers this answer."""
        with self._ledger.read() as tx:
            found = reports.open_questions(tx)
        return {
            question.remote_id
            for question in found
            if question.account == staging.BOOKING_ACCOUNT and offering in choices(question.why)
        }

    def held(self) -> int:
        """How many changes the fuse holds back."""
        with self._ledger.read() as tx:
            return len(fuses.held(tx, staging.SITE))

    def open(self) -> int:
        """How many changes are open."""
        with self._ledger.read() as tx:
            report = status(tx, self._config, running(self._config.ledger.place))
        return _waiting(report)

    def happens(self, words: str) -> None:
        """Tells who looks on."""
        self._view.happens(self._time, words)

    # -- the end

    def _drain(self, *, polls: int) -> bool:
        """Waits until nothing is on its way any more: no webhook, no open change, and polls that found nothing."""
        before = self._traffic()
        ends = self._clock.steady() + DRAIN_PATIENCE
        while self._clock.steady() < ends:
            seen = self._look()
            if seen is not None and not _waiting(seen.report) and self._quiet(before, polls):
                # A hint may have come between the two looks.
                again = self._look(now=True)
                if again is not None and not _waiting(again.report):
                    return True
            self._clock.wait(TICK)
        return False

    def _quiet(self, before: _Traffic, polls: int) -> bool:
        now = self._traffic()
        polled = now.bookings >= before.bookings + polls and now.visits >= before.visits + polls
        return polled and now.webhooks == 0

    def _traffic(self) -> _Traffic:
        booking, pims = (ask("GET", f"{door}/counts") for door in (self._booking_door, self._pims_door))
        return _Traffic(
            bookings=int(booking["requests"].get("GET /records/{location}", 0)),
            visits=int(pims["requests"].get("GET /v2/appointment", 0)),
            webhooks=int(booking["webhooks"]["waiting"]),
        )

    # -- looking

    @property
    def _elapsed(self) -> float:
        return self._clock.steady() - self._began

    @property
    def _time(self) -> str:
        return self._picture(None).clock

    def _look(self, *, now: bool = False) -> _Look | None:
        """Looks at the daemon and the ledger and shows it, not too often. Raises ``DemoFailed`` for a dead daemon."""
        if not now and self._clock.steady() < self._looked + _LOOK_EVERY:
            return None
        self._check_daemon()
        self._looked = self._clock.steady()
        with self._ledger.read() as tx:
            report = status(tx, self._config, running(self._config.ledger.place))
            _, ended = reports.list_changes(
                tx,
                states=[ChangeState.DONE, ChangeState.REVIEW],
                account=staging.BOOKING_ACCOUNT,
                limit=10 * len(self._morning.bookings),
            )
        seen = _Look(report, len({change.remote_id for change in ended}))
        self._view.show(self._picture(seen))
        return seen

    def _picture(self, seen: _Look | None) -> Picture:
        if seen is None:
            return Picture(elapsed=self._elapsed, seconds=self._morning.seconds)
        site = next(iter(seen.report.sites))
        made = [step for step in self._done if step.deed is Deed.BOOK]
        return Picture(
            elapsed=self._elapsed,
            seconds=self._morning.seconds,
            made=sum(step.visit == 0 for step in made),
            total=len(self._morning.bookings),
            desk=sum(step.visit > 0 for step in made),
            in_pims=seen.in_pims,
            waiting=_waiting(seen.report),
            in_review=site.review.count,
            failed=site.changes[ChangeState.FAILED].count,
            outage=max(0.0, (self._outage_ends or 0.0) - self._clock.steady()),
            accounts={account.name: account.state for account in seen.report.accounts},
        )


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at VetBridge's own report."""

    report: Status
    in_pims: int


@dataclass(frozen=True, slots=True)
class _Traffic:
    """How often bookings and visits were listed, and how many webhooks are still on their way."""

    bookings: int
    visits: int
    webhooks: int


def _waiting(report: Status) -> int:
    """Changes that are open."""
    return sum(site.changes[state].count for site in report.sites for state in OPEN_STATES)


@contextmanager
def _ledger(config: Config, clock: Clock) -> Iterator[Ledger]:
    """The ledger beside the daemon, to be read only."""
    ledger = open_ledger(config.ledger.place, config.ledger.key.reveal(), clock)
    try:
        yield ledger
    finally:
        ledger.close()


def _shortened() -> list[str]:
    return [f"{name} {value:g} s" for name, value in {"poll": staging.POLL, **staging.TIMINGS}.items()]


def _audited(stage: Stage, morning: Morning, seen: Seen) -> Audit:
    booking, pims = (open_store(stage.data(vendor)) for vendor in ("altegio", "ezyvet"))
    try:
        return audit(morning, booking, pims, seen)
    finally:
        booking.close()
        pims.close()


def _keep(stage: Stage, result: Audit, seconds: float) -> None:
    """What the audit found stands beside what it looked at."""
    kept = {
        **result.numbers(seconds),
        "linked_of_linkable": result.linked_of_linkable,
        "findings": [
            {"wrong": one.wrong.value, "booking": one.booking, "visit": one.visit, "words": one.words}
            for one in result.findings
        ],
    }
    (stage.folder / "audit.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
