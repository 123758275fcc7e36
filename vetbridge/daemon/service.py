"""The daemon: a clock for polls and refreshes, a dispatcher for due work, and an end in good order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from vetbridge.connector.drift import Move
from vetbridge.core.conditions import Condition
from vetbridge.core.errors import VetBridgeError
from vetbridge.core.records import Side
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.backing_up import BACKUP_LOOK, BackingUp
from vetbridge.daemon.channels import channels
from vetbridge.daemon.connecting import LOOK_EVERY
from vetbridge.daemon.dispatcher import Dispatcher
from vetbridge.daemon.heartbeat import Beating
from vetbridge.daemon.looking import Looking, Seen
from vetbridge.daemon.machine import Machine, clock_is_useless
from vetbridge.daemon.rounds import Rounds
from vetbridge.daemon.telling import Telling
from vetbridge.daemon.watching import Senses, Watching
from vetbridge.ledger import accounts, audit_seals

log = structlog.get_logger("vetbridge.daemon")

UPGRADES_LOOK = 60.0
"""Seconds between two looks whether code lists are to be read: they are at the start, and soon after a resume."""
PAIR_LOOK = 15.0
"""Seconds between two looks whether a pair is to be paired: a person who has approved it is waiting."""
EXPIRY_EVERY = 30.0
"""Seconds between two looks for writes whose visit has begun."""
MACHINE_EVERY = 15.0
"""Seconds between two looks whether a ledger that took no transaction does again."""
PROBE_LOOK = 10.0
"""Seconds between two looks whether a blocked account is to be asked once more."""
PRUNE_EVERY = 86400.0
"""Seconds between two looks for personal values that are kept no longer."""
PRUNE_BEGIN = 600.0
"""Seconds after the start of the first such look: what waits for VetBridge goes first."""
JOIN_EVERY = 30.0
"""Seconds between two looks for clients whom several branches of a chain have."""
DUE_ROUND_EVERY = 15.0
"""Seconds between two looks at cards for which a new day has begun, each at a part of them."""
SEAL_EVERY = 3600.0
"""Seconds between two seals over what people have done."""
BACKUP_BEGIN = 120.0
"""Seconds after the start of the first look whether the last backup is old: what waits for VetBridge goes first."""
TELL_EVERY = 5.0
"""Seconds between two looks for what webhooks are told, and between two rounds of deliveries to each channel."""
WATCH_EVERY = 30.0
"""Seconds between two looks whether anything is wrong."""
WATCH_BEGIN = 10.0
"""Seconds after the start of the first: rounds have begun by then, and one that falls over soon has been seen to."""
BEAT_BEGIN = 60.0
"""Seconds after the start of the first call of the heartbeat, at most."""
STOP_PATIENCE = 60.0
"""Seconds that an attempt in flight may take to finish after the word to stop."""


DEFAULT, APART = "default", "apart"
"""The two pools of threads that rounds run in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something that the daemon does again and again."""

    name: str
    """What it is, and of what: ``poll:altegio-city``."""
    every: float
    """Seconds."""
    begin: float
    """Seconds after the start at which it is done first."""
    work: Callable[[], None]
    """One round; raises nothing."""
    pool: str = DEFAULT


class Service:
    """One running VetBridge."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._rounds = Rounds(program)
        self._stopping = False
        self.round_ended = threading.Event()
        """Set whenever the round that asks nobody but the ledger has ended: by this the daemon is known to live."""
        config = program.loaded.config
        self._channels = channels(config, program.loaded.folder, program.clock)
        self._telling = Telling(
            program.ledger,
            self._channels,
            list(program.connectors),
            rests=self._rounds.rests,
            stopping=lambda: self._stopping,
        )
        self._machine = Machine(program)
        key = config.ledger.key.reveal()
        self._backing_up = (
            None if config.backup is None else BackingUp(config.backup, program.ledger, key, program.clock)
        )
        senses = Senses(self._machine, self._backing_up)
        self._watching = Watching(program, self._channels, machine=senses)
        beat = config.alerts.heartbeat
        self._beating = None if beat is None else Beating(beat, self._watching, program.ledger, ca=config.network.ca)
        self.dispatcher = Dispatcher(program.engine, program.loaded.config.daemon.workers)
        self._looking = Looking(program, senses)
        self._failing: set[str] = set()
        """Rounds that the ledger let down: that is said once."""
        program.engine.rests = lambda: clock_is_useless(program)
        program.engine.on_clock_move = self._clock_moved
        for app in program.connecting.values():
            app.on_free = self._freed
        self._clock = BackgroundScheduler(
            timezone=UTC,
            executors={
                # Each account may be read for hours, and each site swept, while others are polled.
                DEFAULT: ThreadPoolExecutor(
                    max(4, 2 * len(program.connectors) + len(program.pairs) + len(program.connecting))
                ),
                # A thread for each channel, for what asks nobody but the ledger, and for the heartbeat: who does not
                # answer holds up nobody, and by these the daemon is known to live.
                APART: ThreadPoolExecutor(5 + len(self._channels)),
            },
            # A tick that was missed is made up for by the next one: the ledger knows what is due.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._clock.add_listener(_troubled, EVENT_JOB_ERROR | EVENT_JOB_MISSED)

    def start(self) -> None:
        """Begins: refreshes and polls at once, then by the config's intervals; sweeps after one interval."""
        self._telling.begin()
        for job in self.jobs():
            self._machine.expects(job.name, job.every, job.begin)
            self._clock.add_job(
                job.work,
                "interval",
                seconds=job.every,
                id=job.name,
                executor=job.pool,
                next_run_time=datetime.now(UTC) + timedelta(seconds=job.begin),
            )
        self.dispatcher.start()
        self._clock.start()

    def jobs(self) -> Iterator[Job]:
        """All that the clock calls: whoever has another clock calls them by that."""
        config = self._program.loaded.config
        for app in self._program.connecting:
            yield self._job(LOOK_EVERY, self._connect, app)
        for account in self._program.connectors:
            yield self._job(UPGRADES_LOOK, self._upgrades, account)
            yield self._job(PROBE_LOOK, self._probe, account, begin=PROBE_LOOK)
        for account in self._rounds.accounts(Side.PIMS):
            yield self._job(config.timings.pims_refresh, self._refresh, account)
        for account in self._rounds.accounts(Side.BOOKING):
            yield self._job(config.accounts[account].poll, self._poll, account)
        for pair in self._program.pairs:
            yield self._job(config.timings.sweep, self._sweep, pair.site, begin=config.timings.sweep)
            yield self._job(PAIR_LOOK, self._pair, pair.site)
        yield from self._jobs_beside()
        for organisation in self._program.joiners:
            yield self._job(JOIN_EVERY, self._join, organisation, begin=JOIN_EVERY)
        yield self._job(EXPIRY_EVERY, self._expire, "ledger", begin=EXPIRY_EVERY, pool=APART)
        yield self._job(MACHINE_EVERY, self._look_at_ledger, "ledger", begin=MACHINE_EVERY, pool=APART)
        yield self._job(PRUNE_EVERY, self._prune, "ledger", begin=PRUNE_BEGIN)
        if self._backing_up is not None:
            yield self._job(BACKUP_LOOK, self._back_up, "ledger", begin=BACKUP_BEGIN)
        yield self._job(SEAL_EVERY, self._seal, "ledger", begin=SEAL_EVERY)
        yield self._job(WATCH_EVERY, self._watch, "vetbridge", begin=WATCH_BEGIN, pool=APART)
        if config.webhooks:
            yield self._job(TELL_EVERY, self._look, "webhooks", pool=APART)
        for channel in self._channels:
            yield self._job(TELL_EVERY, self._deliver, channel, pool=APART)
        if self._beating is not None:
            every = self._beating.every
            yield self._job(every, self._beat, "heartbeat", begin=min(every, BEAT_BEGIN), pool=APART)

    def _jobs_beside(self) -> Iterator[Job]:
        """Those of the kinds that not every site wants."""
        timings = self._program.loaded.config.timings
        for site in self._program.file_lookers:
            yield self._job(timings.files, self._files, site)
        for account in self._program.due_readers:
            yield self._job(timings.due_services, self._due_services, account)
        for site in self._program.due_rounds:
            yield self._job(DUE_ROUND_EVERY, self._due_round, site)

    def stop(self) -> bool:
        """Ends: nothing new begins, attempts in flight finish. False where one had to be left behind."""
        self._stopping = True
        self._clock.shutdown(wait=False)
        finished = self.dispatcher.stop(STOP_PATIENCE)
        self._telling.close()
        if self._beating is not None:
            self._beating.close()
        return finished

    def look(self) -> Seen:
        """What is known now, or was a few seconds ago. Raises ``LedgerError`` where the ledger cannot be read."""
        return self._looking.look()

    def conditions(self) -> tuple[Condition, ...]:
        """All that is wrong, the most urgent first; asked often, it asks the ledger every few seconds only."""
        return self.look().conditions

    def health(self) -> Mapping[str, Any]:
        """What a monitor asks for; no personal data and no counts that grow with the clinic."""
        with self._program.ledger.read() as tx:
            silent = sorted(accounts.not_answering(tx))
            mirrors = {
                account: accounts.get(tx, account).mirror_complete_at is not None
                for account in self._rounds.accounts(Side.PIMS)
            }
        return {"status": "ok", "not_answering": silent, "mirrors": mirrors}

    def _connect(self, app: str) -> None:
        self._program.connecting[app].look()

    def _freed(self, accounts: Collection[str]) -> None:
        """Their app was connected: rounds of them begin now, and what waits for them is due."""
        sites = {
            pair.site for pair in self._program.pairs if {pair.booking.account, pair.pims.account} & set(accounts)
        }
        for job in self._clock.get_jobs():
            if job.id.partition(":")[2] in sites.union(accounts):
                job.modify(next_run_time=datetime.now(UTC))
        self.dispatcher.wake()

    def _upgrades(self, account: str) -> None:
        if self._rounds.upgrades_are_due(account):
            self._rounds.upgrades(account)

    def _probe(self, account: str) -> None:
        if self._rounds.probe(account):
            self.dispatcher.wake()

    def _look_at_ledger(self, _ledger: str) -> None:
        self._machine.look()

    def _clock_moved(self, _move: Move) -> None:
        """The clock of rounds goes by the wall: set back, it would call nobody until that time comes again."""
        for job in self._clock.get_jobs():
            job.modify(next_run_time=datetime.now(UTC))

    def _poll(self, account: str) -> None:
        self._rounds.poll(account)
        self.dispatcher.wake()

    def _refresh(self, account: str) -> None:
        self._rounds.refresh(account)
        for pair in self._program.pairs:
            if pair.pims.account == account:
                self._pair(pair.site)
        self.dispatcher.wake()

    def _sweep(self, site: str) -> None:
        self._rounds.sweep(site)
        self.dispatcher.wake()

    def _pair(self, site: str) -> None:
        if self._rounds.pairing_is_due(site) and self._rounds.pair(site):
            self.dispatcher.wake()

    def _files(self, site: str) -> None:
        self._rounds.files(site)
        self.dispatcher.wake()

    def _due_services(self, account: str) -> None:
        self._rounds.due_services(account)
        self.dispatcher.wake()

    def _due_round(self, site: str) -> None:
        self._rounds.due_round(site)
        self.dispatcher.wake()

    def _join(self, organisation: str) -> None:
        self._rounds.join(organisation)

    def _expire(self, _ledger: str) -> None:
        try:
            self._rounds.expire()
        finally:
            self.round_ended.set()

    def _back_up(self, _ledger: str) -> None:
        if self._backing_up is not None:
            self._backing_up.look()

    def _prune(self, _ledger: str) -> None:
        self._rounds.prune(stopping=lambda: self._stopping)

    def _seal(self, _ledger: str) -> None:
        with self._program.ledger.write() as tx:
            audit_seals.seal(tx)

    def _look(self, _webhooks: str) -> None:
        self._telling.look()

    def _deliver(self, channel: str) -> None:
        self._telling.deliver(channel)

    def _watch(self, _vetbridge: str) -> None:
        self._watching.look()

    def _beat(self, _heartbeat: str) -> None:
        if self._beating is not None:
            self._beating.beat()

    def _tick(self, work: Callable[[str], None], what: str, name: str) -> None:
        """One round. One that falls over is named by its error's type alone: the text may hold personal values."""
        self._machine.began(name)
        try:
            work(what)
            self._failing.discard(name)
        except VetBridgeError as error:
            # A ledger that is busy, mostly: the next round tries again.
            if name not in self._failing:
                self._failing.add(name)
                log.warning("round.failed", round=work.__name__, of=what, code=error.code)
        except Exception as error:
            if not self._stopping:  # what a stop cuts off is no trouble
                log.error("round.bug", round=work.__name__, of=what, error=type(error).__name__)
        finally:
            self._machine.ended(name)

    def _job(
        self, every: float, work: Callable[[str], None], what: str, *, begin: float = 0.0, pool: str = DEFAULT
    ) -> Job:
        name = f"{work.__name__.removeprefix('_')}:{what}"
        return Job(name=name, every=every, begin=begin, work=lambda: self._tick(work, what, name), pool=pool)


def _troubled(event: JobExecutionEvent) -> None:
    """A round that fell over or was missed is said; the next one runs all the same."""
    error = getattr(event, "exception", None)
    log.error("clock.trouble", job=event.job_id, error=type(error).__name__ if error else "missed")


def wait_for(stopping: threading.Event, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Waits for the word to stop; in slices, so that Windows sees Ctrl-C, and calls ``meanwhile`` after each."""
    while not stopping.wait(0.5):
        meanwhile()
