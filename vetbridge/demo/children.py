"""Child processes of the demo: started, watched, asked, and never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

from vetbridge.demo.failure import DemoFailed

LAST_LINES = 12
"""So many lines of a dead child's log are shown."""


class Child:
    """One ``vetbridge`` command that runs beside the demo. What it says on standard error goes to ``log``."""

    def __init__(self, name: str, arguments: list[str], log: Path) -> None:
        self.name = name
        self._log = log
        self._lines: queue.Queue[str] = queue.Queue()
        self._said: str | None = None
        # All that a child asks stands on this machine, so a proxy must not come between.
        environment = {**os.environ, "PYTHONUTF8": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        with log.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "vetbridge.cli.main", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                encoding="utf-8",
            )
        threading.Thread(target=self._read, name=f"output of {name}", daemon=True).start()

    def _read(self) -> None:
        """Takes all that the child says, so that it never waits for a reader."""
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put("")

    def ready(self, seconds: float) -> dict[str, Any]:
        """The JSON object of the child's first line. Raises ``DemoFailed`` where none comes in time."""
        try:
            found = json.loads(self._lines.get(timeout=seconds))
        except (queue.Empty, ValueError):
            raise DemoFailed(f"{self.name} did not start.\n{self.last_words()}") from None
        if not isinstance(found, dict):
            raise DemoFailed(f"{self.name} did not start as expected.\n{self.last_words()}")
        return found

    def check(self) -> None:
        """Raises ``DemoFailed`` where the child has ended."""
        code = self._process.poll()
        if code is not None:
            raise DemoFailed(f"{self.name} ended by itself (exit code {code}).\n{self.last_words()}")

    def done(self) -> tuple[int, str] | None:
        """The exit code and all that the child said, once it has ended by itself; None before."""
        code = self._process.poll()
        if code is None:
            return None
        if self._said is None:
            self._said = "".join(iter(self._lines.get, ""))
        return code, self._said

    def last_words(self) -> str:
        """The end of the child's log."""
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n".join([f"Its log, {self._log}, ends with:", *(f"  {line[:400]}" for line in lines[-LAST_LINES:])])

    def ask_to_end(self) -> None:
        """Asks the child to end, and does not wait for it."""
        self._process.terminate()

    def stop(self, patience: float) -> bool:
        """Asks the child to end, and kills it after ``patience`` seconds. Whether it ended in good order."""
        self.ask_to_end()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        return True


class Children:
    """All child processes of one demo; leaving the block ends those that still run."""

    def __init__(self) -> None:
        self._running: list[Child] = []

    def start(self, name: str, arguments: list[str], log: Path) -> Child:
        """Starts one."""
        child = Child(name, arguments, log)
        self._running.append(child)
        return child

    def stop(self, child: Child, patience: float) -> bool:
        """Ends one; whether it did so in good order."""
        if child in self._running:
            self._running.remove(child)
        return child.stop(patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._running):
            with contextlib.suppress(OSError):
                child.stop(5.0)
        self._running.clear()
