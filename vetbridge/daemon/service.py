"""The daemon: a clock for polls and refreshes, a dispatcher for due work, and an end in good order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from vetbridge.core.errors import VetBridgeError
from vetbridge.core.records import Side
from vetbridge.daemon.assembly import Program
from vetbridge.daemon.dispatcher import Dispatcher
from vetbridge.daemon.rounds import Rounds
from vetbridge.daemon.telling import Telling
from vetbridge.ledger import accounts

log = structlog.get_logger("vetbridge.daemon")

UPGRADES_LOOK = 60.0
"""Seconds between two looks whether code lists are to be read: they are at the start, and soon after a resume."""
PAIR_LOOK = 15.0
"""Seconds between two looks whether a pair is to be paired: a person who has approved it is waiting."""
EXPIRY_EVERY = 30.0
"""Seconds between two looks for writes whose visit has begun."""
PRUNE_EVERY = 86400.0
"""Seconds between two looks for personal values that are kept no longer."""
PRUNE_BEGIN = 600.0
"""Seconds after the start of the first such look: what waits for VetBridge goes first."""
TELL_EVERY = 5.0
"""Seconds between two looks for what webhooks are told, and between two rounds of deliveries to each."""
STOP_PATIENCE = 60.0
"""Seconds that an attempt in flight may take to finish after the word to stop."""


class Service:
    """One running VetBridge."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._rounds = Rounds(program)
        self._stopping = False
        self._webhooks = program.loaded.config.webhooks
        self._telling = Telling(
            program.ledger,
            program.clock,
            self._webhooks,
            list(program.connectors),
            rests=self._rounds.rests,
            stopping=lambda: self._stopping,
        )
        self.dispatcher = Dispatcher(program.engine, program.loaded.config.daemon.workers)
        self._clock = BackgroundScheduler(
            timezone=UTC,
            executors={
                "default": ThreadPoolExecutor(max(4, 2 * len(program.connectors))),
                # Apart, and a thread for each and for the look: a webhook that does not answer holds up nobody.
                "telling": ThreadPoolExecutor(1 + len(self._webhooks)),
            },
            # A tick that was missed is made up for by the next one: the ledger knows what is due.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._clock.add_listener(_troubled, EVENT_JOB_ERROR | EVENT_JOB_MISSED)

    def start(self) -> None:
        """Begins: refreshes and polls at once, then by the config's intervals; sweeps after one interval."""
        config = self._program.loaded.config
        for account in self._program.connectors:
            self._every(UPGRADES_LOOK, self._upgrades, account)
        for account in self._rounds.accounts(Side.PIMS):
            self._every(config.timings.pims_refresh, self._refresh, account)
        for account in self._rounds.accounts(Side.BOOKING):
            self._every(config.accounts[account].poll, self._poll, account)
        for pair in self._program.pairs:
            self._every(config.timings.sweep, self._sweep, pair.site, begin=config.timings.sweep)
            self._every(PAIR_LOOK, self._pair, pair.site)
        self._clock.add_job(self._rounds.expire, "interval", seconds=EXPIRY_EVERY, id="expire")
        self._every(PRUNE_EVERY, self._prune, "ledger", begin=PRUNE_BEGIN)
        self._telling.begin()
        if self._webhooks:
            self._every(TELL_EVERY, self._look, "webhooks", executor="telling")
        for webhook in self._webhooks:
            self._every(TELL_EVERY, self._deliver, webhook, executor="telling")
        self.dispatcher.start()
        self._clock.start()

    def stop(self) -> bool:
        """Ends: nothing new begins, attempts in flight finish. False where one had to be left behind."""
        self._stopping = True
        self._clock.shutdown(wait=False)
        finished = self.dispatcher.stop(STOP_PATIENCE)
        self._telling.close()
        return finished

    def health(self) -> Mapping[str, Any]:
        """What a monitor asks for; no personal data and no counts that grow with the clinic."""
        with self._program.ledger.read() as tx:
            silent = sorted(accounts.not_answering(tx))
            mirrors = {
                account: accounts.get(tx, account).mirror_complete_at is not None
                for account in self._rounds.accounts(Side.PIMS)
            }
        return {"status": "ok", "not_answering": silent, "mirrors": mirrors}

    def _upgrades(self, account: str) -> None:
        if self._rounds.upgrades_are_due(account):
            self._rounds.upgrades(account)

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

    def _prune(self, _ledger: str) -> None:
        self._rounds.prune(stopping=lambda: self._stopping)

    def _look(self, _webhooks: str) -> None:
        self._telling.look()

    def _deliver(self, webhook: str) -> None:
        self._telling.deliver(webhook)

    def _tick(self, work: Callable[[str], None], what: str) -> None:
        """One round. One that falls over is named by its error's type alone: the text may hold personal values."""
        try:
            work(what)
        except VetBridgeError as error:
            # A ledger that is busy, mostly: the next round tries again.
            log.warning("round.failed", round=work.__name__, of=what, code=error.code)
        except Exception as error:
            if not self._stopping:  # what a stop cuts off is no trouble
                log.error("round.bug", round=work.__name__, of=what, error=type(error).__name__)

    def _every(
        self,
        seconds: float,
        work: Callable[[str], None],
        what: str,
        *,
        begin: float = 0.0,
        executor: str = "default",
    ) -> None:
        self._clock.add_job(
            self._tick,
            "interval",
            seconds=seconds,
            args=[work, what],
            id=f"{work.__name__}:{what}",
            executor=executor,
            next_run_time=datetime.now(UTC) + timedelta(seconds=begin),
        )


def _troubled(event: JobExecutionEvent) -> None:
    """A round that fell over or was missed is said; the next one runs all the same."""
    error = getattr(event, "exception", None)
    log.error("clock.trouble", job=event.job_id, error=type(error).__name__ if error else "missed")


def wait_for(stopping: threading.Event) -> None:
    """Waits for the word to stop; in slices, so that Windows sees Ctrl-C."""
    while not stopping.wait(0.5):
        pass
