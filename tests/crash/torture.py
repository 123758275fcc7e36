"""Kills VetBridge again and again in the middle of its work, and counts what was lost or done twice.

``python -m tests.crash.torture --kills N --seed S --ledger sqlite|postgresql --json``

One JSON object goes to standard output: ``kills``, ``effects`` (things that people did, audited at both sides),
``lost``, ``duplicated``, ``asked`` (not as people left it, and a person is asked), ``control_duplicated`` (what is
there twice where VetBridge does not look before it writes again; it has to be more than nothing, or the harness
proves nothing), and how it came to these. Progress goes to standard error. Ends with 0 only where nothing was lost or
duplicated, nothing was left to do at last, and the control shows duplicates. Where VetBridge ends by itself every
time, there is nothing to kill: it says why, and prints no object. The same seed makes the same faults in the same
order; when a process meets them, the machine decides.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.audit import BOOKING, PIMS, Audit
from tests.crash.ledgers import ledgers
from tests.crash.plan import Fault, Round, rounds
from tests.crash.processes import Victim
from tests.crash.stage import LEASE, LOOKED_AFTER, REQUEST_TIMEOUT, Stage, until
from vetbridge.connector.clock import SystemClock

AIM_PATIENCE = 4.0
"""Seconds in which a point is passed so often, or the kill comes without it."""
STANDSTILL = REQUEST_TIMEOUT + 0.5
"""Seconds for which a side stands still: longer than VetBridge waits, shorter than a write may land late."""
TROUBLE = 1.5
"""Seconds for which the ledger is in trouble."""
ENDS_IN_A_ROW = 5
"""A trouble of the ledger may end VetBridge now and then; ended so often without a kill, it will not be otherwise."""
CONTROL_KILLS = 5
CONTROL_PATIENCE = 15.0
"""Seconds; it dies long before that, unless the machine is busy."""
_RATES = {
    "drop_after_commit": 0.25,
    "5xx_after": 0.1,
    "late_landing": 0.1,
    "5xx_before": 0.1,
    "429_retry_after": 0.03,
}
_LAST_BYTES = 2000

Talk = Callable[[str], None]


class EndsByItself(Exception):
    """VetBridge ended by itself again and again: there is nothing to kill, and so nothing to prove."""


@dataclass(slots=True)
class Told:
    """What a torture came to."""

    kills: int = 0
    audit: Audit = field(default_factory=Audit)
    control: Audit = field(default_factory=Audit)
    quiet: bool = True
    faults: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    """How often VetBridge ended by itself: what nobody did to it."""
    starts: list[float] = field(default_factory=list)
    """Seconds that each start took, the loading of the program aside."""
    missed: int = 0
    """Kills that were aimed at a point which was not passed so often, and came at another moment."""

    @property
    def passed(self) -> bool:
        """It came to rest with nothing lost and nothing twice, and it would have been seen."""
        return self.quiet and not self.audit.lost and not self.audit.duplicated and self.control.duplicated > 0

    def as_data(self) -> dict[str, Any]:
        """For one JSON object."""
        return {
            "kills": self.kills,
            "effects": self.audit.effects,
            "lost": self.audit.lost,
            "duplicated": self.audit.duplicated,
            "asked": self.audit.asked,
            "control_duplicated": self.control.duplicated,
            "quiet": self.quiet,
            "faults": dict(self.faults),
            "missed": self.missed,
            "ended_by_itself": self.ended,
            "start_seconds": round(statistics.median(self.starts), 2) if self.starts else 0.0,
            "control_asked": self.control.asked,
            "findings": [f"{one.wrong}{', asked' if one.asked else ''}: {one.words}" for one in self.audit.findings],
        }


class Torture:
    """Rounds on one stage."""

    def __init__(self, stage: Stage, talk: Talk) -> None:
        self._stage = stage
        self._talk = talk
        self._ends_in_a_row = 0
        self.told = Told()

    def play(self, kills: int, seed: int) -> Told:
        """All rounds, then a quiet time, then the audit.

        Raises ``EndsByItself`` where VetBridge does that ``ENDS_IN_A_ROW`` times without a kill in between.
        """
        while self.told.kills < kills:  # more than once only where VetBridge has ended by itself
            for one in rounds(kills - self.told.kills, seed + self.told.kills):
                self._talk(f"{self.told.kills + 1} of {kills}: {one}")
                self._round(one)
        self._talk("nothing goes wrong any more")
        self.told.quiet = self._stage.settle()
        self.told.audit = self._stage.audit()
        return self.told

    def _round(self, one: Round) -> None:
        for _ in range(one.before):
            self._stage.people.do_something()
        victim = self._stage.victim(*_options(one))
        for _ in range(one.during):
            self._stage.people.do_something()
        _HAPPENS[one.fault](self, one, victim)
        self._count(victim)
        self.told.starts += [victim.start_seconds] if victim.start_seconds else []
        self.told.faults[one.fault] += 1

    def _count(self, victim: Victim) -> None:
        """A victim is dead: killed, or by itself."""
        if victim.killed:
            self.told.kills += 1
            self._ends_in_a_row = 0
            return
        self.told.ended += 1
        self._ends_in_a_row += 1
        self._talk(f"VetBridge {victim.pid} ended by itself ({victim.code}), see {self._stage.log}")
        if self._ends_in_a_row == ENDS_IN_A_ROW:
            raise EndsByItself(
                f"VetBridge ended by itself {ENDS_IN_A_ROW} times in a row ({victim.code}); "
                f"the last words in {self._stage.log}: {last_words(self._stage.log)}"
            )

    # -- what happens in a round, until its victim is dead

    def _at_point(self, one: Round, victim: Victim) -> None:
        victim.wait_until_it_works()
        if not victim.dies(AIM_PATIENCE):
            self.told.missed += 1
            victim.kill()

    def _at_moment(self, one: Round, victim: Victim) -> None:
        """Also while it starts."""
        if one.passes % 2:
            victim.wait_until_it_works()
        victim.dies(one.after)
        victim.kill()

    def _without_answers(self, one: Round, victim: Victim) -> None:
        """Only VetBridge meets the lost answers: nobody else writes meanwhile."""
        for side in self._stage.sides.values():
            side.faults(**_RATES)
        self._at_point(one, victim)
        self._stage.heal()

    def _frozen(self, one: Round, victim: Victim) -> None:
        side = self._stage.sides[PIMS if one.at_pims else BOOKING]
        victim.wait_until_it_works()
        victim.dies(one.after)
        side.freeze()
        if one.passes % 2:  # it dies while a write is on its way
            victim.dies(STANDSTILL / 2)
            victim.kill()
            SystemClock().wait(STANDSTILL / 2)
            side.thaw()
            return
        victim.dies(STANDSTILL)
        side.thaw()
        victim.dies(one.after)
        victim.kill()

    def _stopped(self, one: Round, victim: Victim) -> None:
        victim.wait_until_it_works()
        if not until(lambda: victim.stands_still or not victim.alive, AIM_PATIENCE):
            self.told.missed += 1
            victim.stop()
        other = self._stage.victim("--shared", *(["--door"] if one.door else []))
        # Where it stands still in the middle of a transaction, the other one cannot even start before it goes on.
        other.wait_until_it_works(LEASE + LOOKED_AFTER)
        # Its lease ends, the other one takes over, looks for what it finds under way, and writes it anew.
        other.dies(LEASE + LOOKED_AFTER + one.after)
        victim.go_on()
        victim.dies(one.after)
        for each in (victim, other):
            each.kill()
        self._count(other)

    def _in_ledger(self, one: Round, victim: Victim) -> None:
        ledger = self._stage.ledger
        victim.wait_until_it_works()
        victim.dies(one.after)
        ledger.begin_trouble(victim.pid)
        victim.dies(TROUBLE)
        ledger.end_trouble(victim.pid)
        victim.dies(one.after)
        victim.kill()


def _options(one: Round) -> list[str]:
    """With which the victim of a round starts."""
    aim = f"{one.point}:{one.passes}"
    if one.fault is Fault.STOPPED:
        return ["--shared", "--stop-at", aim]
    return [*(["--door"] if one.door else []), *(["--kill-at", aim] if one.aimed else [])]


_HAPPENS: dict[Fault, Callable[[Torture, Round, Victim], None]] = {
    Fault.POINT: Torture._at_point,
    Fault.MOMENT: Torture._at_moment,
    Fault.ANSWERS: Torture._without_answers,
    Fault.FROZEN: Torture._frozen,
    Fault.STOPPED: Torture._stopped,
    Fault.LEDGER: Torture._in_ledger,
}


def last_words(log: Path) -> str:
    """The last line of a log in which something stands, as a screen can show it."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LAST_BYTES))
        lines = file.read().decode(errors="replace").split("\n")
    line = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def control(stage: Stage, kills: int) -> Audit:
    """The same without looking: killed between write and answer, it must write twice, and be caught at it.

    The owner moves the booking meanwhile: at the same time the PIMS would not take a second visit.
    """
    people = stage.people
    for number in range(kills):
        booked = people.book(people.known(), desk_edits=False)
        # The first write of all but the first victim is the second one of the booking before.
        victim = stage.victim("--no-look", "--kill-at", f"sent:{2 if number else 1}")
        victim.wait_until_it_works()
        if not victim.dies(CONTROL_PATIENCE):
            victim.kill()
        victim.require_killed()
        people.move(booked)
    stage.settle("--no-look")
    return stage.audit()


def torture(kills: int, seed: int, kind: str, folder: Path, talk: Talk) -> Told:
    """The kills, and the control."""
    with ledgers(kind, folder) as new_ledger:
        with Stage(folder / "town", new_ledger("town"), seed=seed) as stage:
            told = Torture(stage, talk).play(kills, seed)
        talk("the control, which never looks")
        with Stage(folder / "control", new_ledger("control"), seed=seed) as stage:
            told.control = control(stage, CONTROL_KILLS)
    return told


def main() -> int:
    """Reads the options, plays, and says what it came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25, help="how often kill -9 hits (25)")
    parser.add_argument("--seed", type=int, default=1, help="decides who does what, and the faults (1)")
    parser.add_argument("--ledger", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--json", action="store_true", help="the JSON object without line breaks")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep stores, ledger and logs in this folder")
    given = parser.parse_args()
    began = time.monotonic()

    def talk(words: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {words}", file=sys.stderr, flush=True)

    folder = given.keep or Path(tempfile.mkdtemp(prefix="vetbridge-crash-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        told = torture(given.kills, given.seed, given.ledger, folder, talk)
    except EndsByItself as reason:
        talk(f"{reason}; stores, ledger and logs are kept in {folder}")
        return 1
    data = {
        **told.as_data(),
        "seed": given.seed,
        "ledger": given.ledger,
        "seconds": round(time.monotonic() - began, 1),
    }
    for line in data["findings"]:
        talk(line)
    if told.passed and given.keep is None:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        talk(f"stores, ledger and logs are kept in {folder}")
    print(json.dumps(data, indent=None if given.json else 2))
    return 0 if told.passed else 1


if __name__ == "__main__":
    sys.exit(main())
