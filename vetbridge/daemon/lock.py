"""One VetBridge per ledger: a lock that the operating system holds, so that a crash cannot leave it behind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vetbridge.core.errors import LedgerError, LedgerLocked


@contextmanager
def single_instance(ledger: Path) -> Iterator[None]:
    """Holds the ledger for this process. Raises ``LedgerLocked`` that names the process which has it."""
    # `running` holds the lock for a moment to look; whoever wants to keep it waits that long.
    lock = FileLock(ledger.with_name(ledger.name + ".lock"), timeout=1, poll_interval=0.05)
    # The process's number stands in a second file: on Windows nobody can read a file that is locked.
    owner = ledger.with_name(ledger.name + ".pid")
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LedgerLocked(
            f"the ledger {ledger} is in use by the VetBridge with process id {_read(owner)}; "
            "stop that one first, or look at its work with `vetbridge status`"
        ) from None
    except OSError as error:
        raise LedgerError(f"the folder {ledger.parent} cannot be written to: {error.strerror}") from None
    try:
        owner.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    finally:
        with contextlib.suppress(OSError):
            owner.unlink()
        lock.release()


def running(ledger: Path) -> int | None:
    """The process id of the VetBridge that works on a ledger; None when there is none."""
    lock = FileLock(ledger.with_name(ledger.name + ".lock"), timeout=0)
    if not Path(lock.lock_file).exists():
        return None
    try:
        with lock:
            return None
    except Timeout:
        text = _read(ledger.with_name(ledger.name + ".pid"))
        return int(text) if text.isdigit() else 0
    except OSError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip() or "unknown"
    except (OSError, ValueError):
        return "unknown"
