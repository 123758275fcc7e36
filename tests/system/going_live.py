"""The first day at a clinic whose two sides are full already, from the first look to live, audited.

``python -m tests.system.going_live --clients 2000 --seed 1 --json`` plays it at full size on real simulators and the
real command, tells how far it is on standard error, and what the audit found on standard output. ``--kill`` kills
VetBridge again and again while it pairs and while it writes for the first time. It ends with 1 where anything was
created twice, paired wrongly, written in the shadow or sent to an owner.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.altegio import simulator as altegio
from connectors.ezyvet import simulator as ezyvet
from tests.ledgers import ledger_place
from tests.system.town import LEDGER_KEY, Town
from vetbridge.connector.clock import SystemClock
from vetbridge.ledger.database import open_ledger
from vetbridge.testing.simkit import Request, Response, Simulator
from vetbridge.testing.twins import TwinSides, make_twins
from vetbridge.testing.twins.audit import (
    APPOINTMENT,
    NOBODY,
    PIMS,
    Audit,
    PeopleDid,
    Snapshot,
    audit,
    pairs_in,
    snapshot,
)
from vetbridge.testing.twins.day import Plan, play_day
from vetbridge.testing.twins.truth import Truth, truth_of, visit_id

COMMAND = (sys.executable, "-m", "vetbridge.cli.main")
SITE = "town"
PATIENCE = 1200.0
Finish = Callable[[Request, Response], Response]
_CLOCK = SystemClock()
LEFTOVERS = 4
"""Exit code of a pass after which something waits."""
OPEN_HANDED: dict[str, Any] = {"start": "shadow", "first_days": {"days": 0}, "fuse": 100_000}
"""Of the site: nothing but the pairing holds a write back, so that the audit sees what it would come to."""


class GoingLive:
    """A clinic with twin sides, and VetBridge on its first days there."""

    def __init__(self, folder: Path, twins: TwinSides, booking: Simulator, pims: Simulator, timeout: float) -> None:
        self.town = Town(folder, booking, pims, twins.clinic)
        self.config = self.town.write_config(
            sites={SITE: OPEN_HANDED}, timings={"request_timeout": timeout, "retry_first": 1, "retry_longest": 2}
        )
        self.twins = twins
        self.truth: Truth = truth_of(twins)
        self.people: PeopleDid = NOBODY
        self.before: Snapshot = self.snapshot()

    def snapshot(self) -> Snapshot:
        """Both sides now."""
        return snapshot(self.town.booking, self.town.pims)

    def command(self, *arguments: str) -> list[str]:
        """A command of VetBridge on this clinic's config."""
        return [*COMMAND, "--config", str(self.config), *arguments]

    def run(self, *arguments: str) -> dict[str, Any]:
        """Runs a command that reads to its end; its data. Raises ``AssertionError`` where it failed."""
        done = subprocess.run(
            self.command(*arguments, "--json"), capture_output=True, text=True, cwd=self.town.folder, check=False
        )
        assert done.returncode in (0, LEFTOVERS), f"{arguments}: {done.returncode}\n{done.stderr[-3000:]}"
        data: dict[str, Any] = json.loads(done.stdout)["data"]
        return data

    def killed_when(self, moment: Callable[[], bool], *arguments: str) -> None:
        """Runs a command, and kills it (-9) when the moment has come; fails where it ended before."""
        with self._process(*arguments) as process:
            deadline = time.monotonic() + PATIENCE
            while process.poll() is None and not moment() and time.monotonic() < deadline:
                _CLOCK.wait(0.02)
            process.kill()
            _, told = process.communicate()
        assert process.returncode == -signal.SIGKILL, f"it ended before the moment came\n{told[-3000:]}"

    def killed_before_the_answer(self, write: int, *arguments: str) -> None:
        """Runs a command, and kills it (-9) when the sides have kept its n-th write, and before it is answered."""
        sides = (self.town.booking, self.town.pims)

        def writes() -> int:
            return sum(int(side.counts()["writes"]) for side in sides)

        def deadly(finish: Finish) -> Finish:
            def finished(request: Request, response: Response) -> Response:
                if writes() >= last:
                    process.kill()
                return finish(request, response)

            return finished

        last = writes() + write
        with self._process(*arguments) as process, pytest.MonkeyPatch.context() as patch:
            for side in sides:
                patch.setattr(side, "finish", deadly(side.finish))
            _, told = process.communicate(timeout=PATIENCE)
        assert process.returncode == -signal.SIGKILL, f"it ended before the write came\n{told[-3000:]}"

    def links(self, kind: str) -> int:
        """How many links of a kind the ledger holds."""
        return int(self.town.ledger("SELECT count(*) FROM link WHERE kind = ?", kind)[0][0])

    def _process(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.town.folder,
        )

    def on_one_side(self) -> dict[str, int]:
        """How many coming visits stand on one side alone, by the simulator's word for what the other will have."""
        booked = [one for one, visits in self.truth.visits.items() if not visits and one not in self.truth.past]
        told = {visit for visits in self.truth.visits.values() for visit in visits}
        made = {one.id for one in self.people.touched if (one.side, one.kind) == (PIMS, APPOINTMENT)}
        ahead = {visit_id(visit.number) for visit in self.twins.visits if visit.start.date() > self.twins.today}
        return {"pims appointment": len(booked), "booking record": len((ahead | made) - told)}

    def play_day(self, plan: Plan | None = None) -> None:
        """People work on."""
        played = play_day(self.twins, self.truth, self.town.booking, self.town.pims, plan)
        self.truth, self.people = played.truth, played.people

    def audit(self) -> Audit:
        """Everything since VetBridge came."""
        ledger = open_ledger(ledger_place(self.town.folder), LEDGER_KEY, SystemClock())
        try:
            with ledger.read() as tx:
                pairs = pairs_in(tx, SITE)
        finally:
            ledger.close()
        return audit(self.before, self.snapshot(), pairs, self.truth, self.people)


@contextmanager
def going_live(folder: Path, *, seed: int, clients: int, visits: int, timeout: float = 20.0) -> Iterator[GoingLive]:
    """A clinic that lives as long as the block. ``timeout``: seconds that VetBridge gives a request."""
    today = datetime.now(ZoneInfo("Europe/London")).date()
    twins = make_twins(seed, today=today, clients=clients, visits=visits)
    with (
        altegio.build(twins=twins, seed=seed) as booking,
        ezyvet.build(twins=twins, seed=seed) as pims,
    ):
        ledger_place(folder, migrated=True)  # so that it can be looked into from the first moment on
        yield GoingLive(folder, twins, booking, pims, timeout)


def main() -> None:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--visits", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kill", action="store_true", help="kill -9 at several moments, and go on")
    parser.add_argument("--keep", type=Path, help="a folder to keep the ledger in")
    given = parser.parse_args()
    began = time.monotonic()

    def tell(words: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {words}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with going_live(folder, seed=given.seed, clients=given.clients, visits=given.visits) as clinic:
            report = played(clinic, tell, kill=given.kill)
    report = {"seed": given.seed, "clients": given.clients, "visits": given.visits, **report}
    print(json.dumps(report, indent=None if given.json else 2))
    sys.exit(0 if report["clean"] else 1)


def played(clinic: GoingLive, tell: Callable[[str], None], *, kill: bool) -> dict[str, Any]:
    """The days, and what each came to."""
    report: dict[str, Any] = {}

    def look(name: str) -> Audit:
        found = clinic.audit()
        report[name] = found.as_data()
        numbers = {key: value for key, value in report[name].items() if not isinstance(value, list)}
        for key in ("created", "changed"):
            numbers[key] = {what: len(ids) for what, ids in report[name][key].items()}
        tell(f"{name}: {numbers}")
        return found

    tell("both sides are full")
    passes = report["passes"] = {}
    if kill:
        for kind, share in (("client", 0.01), ("client", 0.5), ("appointment", 0.2), ("appointment", 0.8)):
            wanted = share * len(clinic.twins.cards if kind == "client" else clinic.twins.visits) * 0.65
            clinic.killed_when(lambda kind=kind, wanted=wanted: clinic.links(kind) > wanted, "sync")
            tell(f"killed at {clinic.links('client')} clients and {clinic.links('appointment')} visits")
    passes["shadow"] = clinic.run("sync")
    shadow = look("after the first pass in the shadow")
    clinic.play_day()
    tell("people have worked for a day")
    passes["day"] = clinic.run("sync")
    day = look("after a day in the shadow")
    for write in (1, 5, 20) if kill else ():
        clinic.killed_before_the_answer(write, "sync", "--approve")
        tell(f"killed before the answer to write {write}")
    passes["approve"] = clinic.run("sync", "--approve")
    passes["live"] = clinic.run("sync")
    live = look("live")
    tell(f"passes: {json.dumps(passes)}")
    report["clean"] = shadow.silent and day.silent and live.clean
    return report


if __name__ == "__main__":
    main()
