"""One VetBridge per ledger: a lock that is gone with its process, so that a crash cannot leave it behind.

Beside a file the operating system holds it; in a database the server does, for a connection of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from filelock import FileLock, Timeout

from vetbridge.config.address import Address
from vetbridge.core.errors import LedgerError, LedgerLocked

if TYPE_CHECKING:
    from vetbridge.ledger.database import Place
    from vetbridge.ledger.postgresql import Alone

LOOK_EVERY = 5.0
"""Seconds between two looks whether the server still holds the lock: a restarted one has forgotten it."""

log = structlog.get_logger("vetbridge.daemon")


@contextmanager
def single_instance(ledger: Place) -> Iterator[None]:
    """Holds the ledger for this process. Raises ``LedgerLocked`` that names the process which has it."""
    with _file_lock(ledger) if isinstance(ledger, Path) else _server_lock(ledger):
        yield


def running(ledger: Place) -> int | None:
    """The process id of the VetBridge that works on a ledger, on its machine; None when there is none.

    0 where the number is not known. Raises ``LedgerError`` where a server cannot be asked.
    """
    if not isinstance(ledger, Path):
        from vetbridge.ledger.postgresql import holder  # noqa: PLC0415 - beside a file nobody waits for its import

        return holder(ledger)
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


@contextmanager
def _file_lock(ledger: Path) -> Iterator[None]:
    # `running` holds the lock for a moment to look; whoever wants to keep it waits that long.
    lock = FileLock(ledger.with_name(ledger.name + ".lock"), timeout=1, poll_interval=0.05)
    # The process's number stands in a second file: on Windows nobody can read a file that is locked.
    owner = ledger.with_name(ledger.name + ".pid")
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise _locked(ledger, _read(owner)) from None
    except OSError as error:
        raise LedgerError(f"the folder {ledger.parent} cannot be written to: {error.strerror}") from None
    try:
        owner.write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    finally:
        with contextlib.suppress(OSError):
            owner.unlink()
        lock.release()


@contextmanager
def _server_lock(ledger: Address) -> Iterator[None]:
    from vetbridge.ledger.postgresql import Alone, holder  # noqa: PLC0415 - as above

    lock = Alone(ledger, os.getpid())
    try:
        if not lock.take():
            raise _locked(ledger, str(holder(ledger) or "unknown"))
        ended = threading.Event()
        keeper = threading.Thread(target=_keep, args=(lock, ended), name="ledger-lock", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()
    finally:
        lock.close()


def _keep(lock: Alone, ended: threading.Event) -> None:
    """Takes the lock again after its connection was lost. Where another VetBridge was quicker, this one ends."""
    while not ended.wait(LOOK_EVERY):
        try:
            mine = lock.take()
        except LedgerError:
            continue  # a server that does not answer gives the lock to nobody else
        if not mine:
            log.error("ledger.lost", reason="another VetBridge has taken the ledger; this one stops")
            os.kill(os.getpid(), signal.SIGTERM)
            return


def _locked(ledger: Place, pid: str) -> LedgerLocked:
    return LedgerLocked(
        f"the ledger {ledger} is in use by the VetBridge with process id {pid}; "
        "stop that one first, or look at its work with `vetbridge status`"
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip() or "unknown"
    except (OSError, ValueError):
        return "unknown"
