"""One real hour of `vetbridge run`, with troubles: ``python -m tests.soak.hour [--minutes 60] [--seed 8]``.

Simulators and daemon are processes of their own; where this may mount a file system, the ledger has a small disk of
its own, which is filled. Prints what happens on standard error, and figures as JSON. Ends
with 1 where anything was not as it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from tests.crash.audit import BOOKING, PIMS, Auditor, Question
from tests.crash.journal import Journal
from tests.crash.people import People
from tests.crash.processes import SimulatorProcess
from tests.crash.stage import free_port, until
from tests.soak.alerts import Receivers, complaints, times_raised, told_by_all
from tests.system.town import Town
from vetbridge.connector.clock import SystemClock
from vetbridge.demo.draws import Draws
from vetbridge.testing.clinic import make_clinic
from vetbridge.testing.simkit import Simulator

CLIENTS = 120
_CLOCK = SystemClock()
DEED_EVERY = 5.0
"""Seconds."""
SAMPLE_EVERY = 10.0
ASK_EVERY = 60.0
STARTED = "VetBridge runs:"
CALM = 0.83
"""The share of the time after which nothing happens any more."""
SILENCE = 1560.0
"""Seconds without webhooks: ten minutes before and after a find must be without one, so that it counts."""
LONG = 3000.0
"""Seconds of a soak in which that has its place."""
DISK_MEGABYTES = 80
WARM_SECONDS = 600.0
"""After which a process has all that it needs."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class Daemon:
    """`vetbridge run` as a process, started again and again."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config = config
        self.log = log
        self.rss: list[tuple[float, int]] = []
        """Seconds since the beginning, and megabytes, of the process that ran then."""
        self.started_at: float
        self._cpu = 0.0
        self._began = time.monotonic()
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        """Starts it."""
        size = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "vetbridge.cli.main", "--config", str(self._config), "run"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONUTF8": "1"})
        works = until(lambda: STARTED in self.log.read_bytes()[size:].decode("utf-8", "replace"), 90)
        assert works, f"VetBridge did not start, see {self.log}"
        self.started_at = round(time.monotonic() - self._began, 1)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it; returns what it ended with."""
        self._cpu += self._cpu_now()
        self.process.send_signal(number)
        return self.process.wait(120)

    @property
    def cpu_seconds(self) -> float:
        """Of all that have run."""
        return self._cpu + self._cpu_now()

    def sample(self) -> None:
        """Notes its memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        self.rss.append((round(time.monotonic() - self._began, 1), pages * _PAGE // 1024**2))

    def _cpu_now(self) -> float:
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / _TICKS


class Hour:
    """The played hour."""

    def __init__(self, folder: Path, stack: ExitStack, *, seed: int, minutes: float) -> None:
        self.minutes = minutes
        self._began = time.monotonic()
        self.journal = Journal()
        self.sides = {
            vendor: SimulatorProcess(vendor, folder, clients=CLIENTS, seed=seed, late_seconds=0.5)
            for vendor in (BOOKING, PIMS)
        }
        for side in self.sides.values():
            stack.callback(side.close)
            side.ready()
        sides = cast(Simulator, self.sides[BOOKING]), cast(Simulator, self.sides[PIMS])
        place = folder / "vetbridge"
        place.mkdir()
        self.has_disk = _mounted(place, stack)
        """The ledger has a disk of its own, which can be filled."""
        self.town = Town(place, *sides, make_clinic(seed, CLIENTS))
        self.receivers = stack.enter_context(Receivers(folder))
        self.port = free_port()
        told = self.receivers.config
        self.config = self.town.write_config(
            door={"port": self.port},
            webhooks=told["webhooks"],
            alerts=told["alerts"],
            watch={
                "read_stale": 240,
                "write_stale": 240,
                "unreachable": 30,
                "hook_misses": 3,
                "disk_megabytes": 20 if self.has_disk else 1,
            },
            timings={"absence_confirm": 5, "retry_first": 1, "retry_longest": 10, "pims_refresh": 15},
            accounts={
                "altegio": {"poll": 15},
                "ezyvet": {"hook_secret": {"file": "hook.secret.secret"}},
            },
            sites={"town": {"fuse": 100_000}},
        )
        self.people = People(self.town, self.journal, Draws(f"{seed}:people"))
        self.daemon = Daemon(self.config, folder / "vetbridge.log")
        stack.callback(self._end)
        self.town.send_webhooks_to(f"http://127.0.0.1:{self.port}")
        self.asked: dict[str, int] = {}
        self.deeds = 0
        self._holder: sqlite3.Connection | None = None

    def play(self) -> None:
        """All of it."""
        timeline = self._timeline()
        next_thing, number = 60.0, 0
        next_deed = next_sample = next_ask = 0.0
        while (now := self._now()) < 60 * self.minutes:
            if number < len(timeline) and now >= next_thing:
                seconds, name, deed = timeline[number]
                say(f"{now:7.1f} s  {name}")
                deed()
                number += 1
                next_thing = self._now() + seconds
            if now >= next_sample:
                self.daemon.sample()
                next_sample = now + SAMPLE_EVERY
            if now >= next_ask:
                self._ask()
                next_ask = now + ASK_EVERY
            if now >= next_deed and now < CALM * 60 * self.minutes:
                self._deed()
                next_deed = now + DEED_EVERY
            _CLOCK.wait(0.2)
        assert number == len(timeline), f"{timeline[number][1]}: there was no time for it"

    def report(self) -> dict[str, Any]:
        """Figures, and what was wrong."""
        until(self._is_over, 180)
        questions = [
            Question(*row)
            for row in self._query(
                "SELECT record.account, record.remote_id, review.why FROM review "
                "JOIN record ON record.id = review.record_id WHERE review.state = 'open'"
            )
        ]
        audit = Auditor(self.journal, self.town.booking.store, self.town.pims.store, questions).audit()
        told = self.receivers.by_webhook()
        raised = times_raised(told)
        wrong = complaints(told) + told_by_all(self.receivers)
        wrong += [
            f"{key} was raised {raised[key]} times, and not {' or '.join(map(str, times))}"
            for key, times in self.expected().items()
            if raised[key] not in times
        ]
        wrong += [f"{key} was raised for no reason" for key in raised if key not in self.expected()]
        wrong += [str(found) for found in audit.findings if not found.asked]
        if self.town.notices():
            wrong.append(f"{self.town.notices()} messages to owners")
        left = self._query("SELECT state, code, count(*) FROM change WHERE settled_at IS NULL GROUP BY state, code")
        wrong += [f"{count} changes are {state} ({code})" for state, code, count in left if state != "review"]
        warm = [rss for at, rss in self.daemon.rss if at >= self.daemon.started_at + WARM_SECONDS]
        if warm and warm[-1] > 1.05 * warm[0]:
            wrong.append(f"memory has grown from {warm[0]} to {warm[-1]} MB")
        return {
            "minutes": self.minutes,
            "deeds": self.deeds,
            "visits": len(self.journal.subjects),
            "changes": self._query("SELECT count(*) FROM change")[0][0],
            "writes": self._query("SELECT count(*) FROM action WHERE state = 'answered'")[0][0],
            "questions": len(questions),
            "lost": audit.lost,
            "duplicated": audit.duplicated,
            "alerts": dict(raised),
            "told": dict(Counter(one.type for one in told)),
            "mails": len(self.receivers.postbox.taken),
            "a_disk_was_filled": self.has_disk,
            "asked": dict(sorted(self.asked.items())),
            "rss_mb": {
                "highest": max(rss for _, rss in self.daemon.rss),
                "ten_minutes_after_the_last_start": warm[0] if warm else None,
                "at_the_end": self.daemon.rss[-1][1],
            },
            "rss_series": self.daemon.rss[:: max(1, len(self.daemon.rss) // 30)],
            "cpu_percent_of_a_core": round(100 * self.daemon.cpu_seconds / self._now(), 1),
            "ledger_mb": round(self._ledger.stat().st_size / 1024**2, 1),
            "wrong": wrong,
        }

    def expected(self) -> dict[str, tuple[int, ...]]:
        """What must be raised, and how often.

        A disk that is full may still take what fits into the pages that the ledger has; else the ledger is what is
        told, and the disk cannot be noted in it.
        """
        disk = {"disk-full:vetbridge:ledger:": (0, 1)} if self.has_disk else {}
        silence = {"hook-silent:account:altegio:": (1,)} if self._is_long else {}
        return {
            "account-unreachable:account:ezyvet:": (1,),
            "account-unreachable:account:altegio:": (1,),
            "account-blocked:account:altegio:": (1,),
            "ledger-busy:vetbridge::": (1, 2) if self.has_disk else (1,),
            **disk,
            **silence,
        }

    # -- what happens

    def _timeline(self) -> list[tuple[float, str, Callable[[], None]]]:
        """What happens, each with the seconds until the next.

        An alert takes a minute or two to begin or end. A transaction waits 30 s for whoever holds the ledger, before
        it counts as not taken; that is told after two looks, which wait as well.
        """
        booking, pims = self.sides[BOOKING], self.sides[PIMS]
        disk: list[tuple[float, str, Callable[[], None]]] = [
            (90, "the disk is full", self._fill),
            (110, "there is room again", self._make_room),
        ]
        silence: list[tuple[float, str, Callable[[], None]]] = [
            (SILENCE, "webhooks of the booking side are silent", lambda: booking.faults(webhook_silence=1.0)),
            (0, "webhooks come again", lambda: booking.faults(webhook_silence=0.0)),
        ]
        return [
            (100, "the PIMS is down", lambda: pims.faults(**{"5xx_before": 1.0})),
            (60, "the PIMS is back", lambda: pims.faults(**{"5xx_before": 0.0})),
            (100, "the booking side is down", lambda: booking.faults(outage=1.0)),
            (100, "the booking side is back", lambda: booking.faults(outage=0.0)),
            (40, "the booking side's token has ended", lambda: booking.faults(token_expiry=1.0)),
            (50, "no other token ends", lambda: booking.faults(token_expiry=0.0)),
            (60, "somebody puts the new token into its file", self._new_token),
            (30, "restarted", self._restart),
            (50, "killed, started again", self._kill),
            (170, "somebody holds the ledger", self._hold),
            (120, "the ledger is free", self._let_go),
            *(disk if self.has_disk else ()),
            *(silence if self._is_long else ()),
        ]

    def _new_token(self) -> None:
        token = self.town.booking.store.get_meta("credentials")["user_token"]
        self.sides[BOOKING].credentials["user_token"] = token
        (self.town.folder / "altegio.user_token.secret").write_text(token)

    def _restart(self) -> None:
        code = self.daemon.stop()
        assert code == 0, f"VetBridge ended with {code}"
        self.daemon.start()

    def _kill(self) -> None:
        self.daemon.stop(signal.SIGKILL)
        self.daemon.start()

    def _hold(self) -> None:
        self._holder = sqlite3.connect(self._ledger, isolation_level=None, timeout=30)
        self._holder.execute("BEGIN IMMEDIATE")

    def _let_go(self) -> None:
        assert self._holder is not None
        self._holder.execute("ROLLBACK")
        self._holder.close()

    def _fill(self) -> None:
        with contextlib.suppress(OSError), (self.town.folder / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def _make_room(self) -> None:
        (self.town.folder / "ballast").unlink()

    def _deed(self) -> None:
        try:
            self.people.do_something()
        except urllib.error.URLError:
            return  # a side that is down takes no booking either
        self.deeds += 1

    def _ask(self) -> None:
        """A monitor asks, as it would."""
        for path in ("/health/live", "/health/ready", "/metrics"):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                    status = str(answer.status)
            except urllib.error.HTTPError as error:
                status = str(error.code)
            except OSError as error:
                status = type(error).__name__
            self._count(f"{path} {status}")
        command = [sys.executable, "-m", "vetbridge.cli.main", "--config", str(self.config), "status", "--check"]
        ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
        self._count(f"status --check {ended.returncode}")

    def _count(self, what: str) -> None:
        self.asked[what] = self.asked.get(what, 0) + 1

    # -- how it stands

    @property
    def _is_long(self) -> bool:
        return 60 * self.minutes >= LONG

    @property
    def _ledger(self) -> Path:
        return cast(Path, self.town.ledger_place)

    def _query(self, query: str) -> list[tuple[Any, ...]]:
        return self.town.ledger(query)

    def _is_over(self) -> bool:
        """Nothing is left to do, and nothing left to tell."""
        return self.town.quiet() and all(
            self._query(query) == [(0,)]
            for query in (
                "SELECT count(*) FROM episode WHERE cleared_at IS NULL",
                "SELECT count(*) FROM delivery WHERE state = 'waiting'",
            )
        )

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _end(self) -> None:
        if self.daemon.process.poll() is None:
            self.daemon.stop()


def _mounted(folder: Path, stack: ExitStack) -> bool:
    """Whether a folder has a small disk of its own from now on; on Linux, with the right to mount one."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if mount is None or unmount is None:
        return False
    made = [mount, "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0700", "tmpfs", str(folder)]
    if subprocess.run(made, capture_output=True, check=False).returncode:
        return False
    stack.callback(subprocess.run, [unmount, "-l", str(folder)], capture_output=True, check=False)
    return True


def say(words: str) -> None:
    """Talk, beside the figures."""
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    """Plays it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=8)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-hour-"))
    say(f"everything is in {folder}")
    with ExitStack() as stack:
        hour = Hour(folder, stack, seed=given.seed, minutes=given.minutes)
        hour.play()
        report = hour.report()
    print(json.dumps(report, indent=1))
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
