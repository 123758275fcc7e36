"""The processes of the harness, as it sees them: simulators, and the VetBridge that is killed."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.crash.victim import BORN, DEAD, WORKS
from tests.system.town import call
from vetbridge.testing.simkit import Store, open_store

# All that a child asks stands on this machine, so a proxy must not come between.
_ENVIRONMENT = {**os.environ, "PYTHONUTF8": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

START_PATIENCE = 90.0
"""Seconds; far more than a start takes on a machine that does much else."""
_HERE = Path(__file__).parents[2]


class SimulatorProcess:
    """A simulator in a process of its own, with what a town asks of a simulator.

    ``late_seconds``: after so long a write takes effect that the fault ``late_landing`` put off.
    """

    def __init__(self, vendor: str, folder: Path, *, clients: int, seed: int, late_seconds: float) -> None:
        self._folder = folder / vendor
        self._read: Store | None = None
        with (folder / f"{vendor}.log").open("a") as errors:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.crash.simulator", vendor, str(self._folder)),
                    *(str(clients), str(seed), str(late_seconds)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_ENVIRONMENT,
                cwd=_HERE,
            )
        self.vendor = vendor
        self.base_url = ""
        self.control_url = ""
        self.credentials: dict[str, str] = {}

    def ready(self) -> None:
        """Waits until it serves."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the simulator of {self.vendor} has ended"
        told = json.loads(line)
        self.base_url = told["base_url"]
        self.control_url = told["control_url"]
        self.credentials = told["credentials"]

    @property
    def store(self) -> Store:
        """What it holds at this moment, read from its folder."""
        if self._read is not None:
            self._read.close()
        self._read = open_store(self._folder)
        return self._read

    def counts(self) -> dict[str, Any]:
        """What its control door counts."""
        return dict(call("GET", f"{self.control_url}/counts", None))

    def faults(self, **rates: float) -> None:
        """What goes wrong from now on, and how often."""
        call("POST", f"{self.control_url}/faults", rates)

    def freeze(self) -> None:
        """It stands still: what is asked of it meanwhile is done when it goes on, after the answer was given up."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(60)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if self._read is not None:
            self._read.close()


class Victim:
    """One VetBridge, as a nursery tells about it."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid = pid
        self._log = log
        self._began = time.monotonic()
        self._working = threading.Event()
        self._ended = threading.Event()
        self._status = 0
        self.start_seconds = 0.0
        """How long its start took; 0 where it did not come to that."""

    def works(self) -> None:
        """It says that it works."""
        self.start_seconds = time.monotonic() - self._began
        self._working.set()

    def ended(self, status: int) -> None:
        """It has ended."""
        self._status = status
        self._ended.set()
        self._working.set()  # or it never will: nobody has to wait for it

    def wait_until_it_works(self, seconds: float = START_PATIENCE) -> bool:
        """Waits until it works, or has ended; whether it came to either."""
        return self._working.wait(seconds)

    @property
    def alive(self) -> bool:
        """It has not ended."""
        return not self._ended.is_set()

    def dies(self, seconds: float) -> bool:
        """Waits so long for it to end; whether it did."""
        return self._ended.wait(max(0.0, seconds))

    @property
    def killed(self) -> bool:
        """Whether kill -9 was its end."""
        return self.code == -signal.SIGKILL

    def require_killed(self) -> None:
        """Raises ``AssertionError`` unless kill -9 was its end."""
        assert self.killed, f"VetBridge {self.pid} ended by itself ({self.code}), see {self._log}"

    @property
    def code(self) -> int | None:
        """What it ended with; None while it lives."""
        return None if self.alive else os.waitstatus_to_exitcode(self._status)

    def kill(self) -> None:
        """kill -9, where it lives."""
        self._signal(signal.SIGKILL)
        self._ended.wait(60)

    def stop(self) -> None:
        """SIGSTOP, where it has not met it already."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    @property
    def stands_still(self) -> bool:
        """It is stopped."""
        return stands_still(self.pid)

    def end(self) -> int:
        """SIGTERM; returns the exit code."""
        self._signal(signal.SIGTERM)
        assert self._ended.wait(90), f"VetBridge {self.pid} does not end, see {self._log}"
        return self.code or 0

    def _signal(self, number: int) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Nursery:
    """Makes victims. Their log, and its own, goes to one file."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._victims: dict[int, Victim] = {}
        self._born: queue.Queue[Victim | None] = queue.Queue()
        self._knowing = threading.Lock()
        self._early: set[int] = set()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.victim", "--nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A pipe and not the file: a limit on the size of files must not meet the log.
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd=_HERE,
        )
        self._readers = [threading.Thread(target=work, daemon=True) for work in (self._read_births, self._keep_log)]
        for reader in self._readers:
            reader.start()

    def victim(self, config: Path, *options: str) -> Victim:
        """A VetBridge that begins to work now."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(config), *options]).encode() + b"\n")
        self._process.stdin.flush()
        born = self._born.get(timeout=START_PATIENCE)
        assert born is not None, f"the nursery has ended, see {self._log}"
        return born

    def _read_births(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, pid, *status = line.decode().split()
            with self._knowing:
                if word == BORN:
                    made = self._victims[int(pid)] = Victim(int(pid), self._log)
                    if int(pid) in self._early:
                        self._early.remove(int(pid))
                        made.works()
                    self._born.put(made)
                elif word == DEAD:
                    self._victims.pop(int(pid)).ended(int(status[0]))
        self._born.put(None)

    def _keep_log(self) -> None:
        assert self._process.stderr is not None
        with self._log.open("ab") as log:
            for line in self._process.stderr:
                log.write(line)
                log.flush()
                word, _, pid = line.decode(errors="replace").strip().rpartition(" ")
                if word == WORKS and pid.isdigit():
                    self._note_works(int(pid))

    def _note_works(self, pid: int) -> None:
        with self._knowing:
            if pid in self._victims:
                self._victims[pid].works()
            else:
                self._early.add(pid)  # two pipes, and this one was read first

    def close(self) -> None:
        """Ends it, and all its victims with it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(60)
        for reader in self._readers:
            reader.join(10)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def stands_still(pid: int) -> bool:
    """Whether a process is stopped by SIGSTOP."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] == "T"
