"""What only the running daemon can see of its machine: disks, clock, certificate, its own rounds, its ledger."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol

from cryptography import x509

from vetbridge.connector.drift import KEPT, Move
from vetbridge.core.conditions import Code, Condition, Scope
from vetbridge.core.errors import VetBridgeError
from vetbridge.daemon.assembly import Program
from vetbridge.ledger import accounts

STUCK = 3600.0
"""Seconds that a round may take, and that it may be late, before it counts as stuck."""
ASLEEP = 1800.0
"""Seconds between two looks after which the machine must have slept: they are half a minute apart else."""
BUSY = 60.0
"""Seconds without a transaction after which the ledger counts as busy."""
MOVE_SHOWN = 3600.0
"""Seconds for which a move of the clock stays a condition, so that somebody sees it."""
USELESS = 3600.0
"""Seconds by which the wall clock may be wrong before nothing is decided by it."""
FULL = 20
"""Megabytes: less than this is no room to go on with."""
MEGABYTE = 1024 * 1024


class Usage(Protocol):
    """What is free on a disk."""

    @property
    def free(self) -> int:
        """Bytes."""
        ...


class _Round(NamedTuple):
    every: float
    at: float
    """By the steady clock: when it began, or ended last."""
    runs: bool


class Machine:
    """Looks at the machine of one running program.

    ``listeners``: the certificate of each listener that ends TLS itself. ``usage`` tells what is free on the disk of
    a folder; raises ``OSError``.
    """

    def __init__(
        self,
        program: Program,
        *,
        listeners: Mapping[str, Path] | None = None,
        usage: Callable[[Path], Usage] = shutil.disk_usage,
    ) -> None:
        self._program = program
        self._clock = program.clock
        self._watch = program.loaded.config.watch
        pages = program.loaded.config.pages
        own = {} if pages is None or pages.tls is None else {"pages": pages.tls.certificate}
        self._listeners = own if listeners is None else listeners
        self._usage = usage
        self._lock = threading.Lock()
        self._since: dict[str, datetime] = {}
        self._rounds: dict[str, _Round] = {}
        self._read: int | None = None
        """How many records all first readings had come to at the last look."""
        self._read_at = float("-inf")
        """When that was last seen to change, by the steady clock."""
        self._looked_at: float | None = None
        """When rounds were looked at last, by the steady clock."""
        self._woke_at = float("-inf")
        """When nobody had looked for long before that: the machine slept, and its rounds with it."""
        self._silent: tuple[Condition, ...] = ()

    # -- what the daemon tells it

    def expects(self, name: str, every: float, begin: float = 0.0) -> None:
        """A round will begin, and then again and again. Both in seconds."""
        with self._lock:
            self._rounds[name] = _Round(every, self._clock.steady() + begin, runs=False)

    def began(self, name: str) -> None:
        """A round begins."""
        self._turn(name, runs=True)

    def ended(self, name: str) -> None:
        """A round is over, however it went."""
        self._turn(name, runs=False)

    def _turn(self, name: str, *, runs: bool) -> None:
        with self._lock:
            if (known := self._rounds.get(name)) is not None:
                self._rounds[name] = known._replace(at=self._clock.steady(), runs=runs)

    def look(self) -> None:
        """Asks a ledger that took no transaction whether it does again. May wait as long as a transaction does."""
        if self._program.ledger.trouble is not None:
            self._program.ledger.probe()

    # -- what it finds

    def conditions(self) -> tuple[Condition, ...]:
        """What is wrong with the machine now. Takes no transaction that writes, and waits for nobody."""
        found = [
            *self._disks(),
            *self._moved(),
            *self._wrong(),
            *self._certificates(),
            *self._busy(),
            *self._hooks(),
            *self._stuck(),
        ]
        with self._lock:
            self._since = {each.key: min(self._since.get(each.key, each.since), each.since) for each in found}
            return tuple(replace(each, since=self._since[each.key]) for each in found)

    def _disks(self) -> Iterator[Condition]:
        """``free_megabytes``, ``path``; the name says whose disk it is: the ledger's, the log's, the backups'."""
        config = self._program.loaded.config
        place = self._program.ledger.place
        used = {
            "ledger": place if isinstance(place, Path) else None,
            "log": config.log.file,
            "backup": None if config.backup is None else config.backup.folder,
        }
        seen: set[int] = set()
        for name, path in used.items():
            folder = None if path is None else _there(path)
            if folder is None:
                continue
            try:
                disk = folder.stat().st_dev
                free = self._usage(folder).free
            except OSError:
                continue  # a folder that cannot be reached has alerts of its own: of the backup, the ledger
            megabytes = free // MEGABYTE
            if disk not in seen and megabytes < self._watch.disk_megabytes:
                code = Code.DISK_FULL if megabytes < FULL else Code.DISK_LOW
                yield self._vetbridge(code, name, free_megabytes=megabytes, path=str(folder))
            seen.add(disk)

    def _moved(self) -> Iterator[Condition]:
        """``seconds``: by so many it was set, negative where it was set back."""
        move = _late_move(self._program)
        if move is not None:
            yield replace(self._vetbridge(Code.CLOCK_MOVED, seconds=round(move.seconds)), since=move.at)

    def _wrong(self) -> Iterator[Condition]:
        """``seconds``: so far it is ahead of the vendors' clocks, negative where it is behind; ``accounts``."""
        far = _far_off(self._program, self._watch.clock_drift)
        if far:
            yield self._vetbridge(Code.CLOCK_WRONG, seconds=round(next(iter(far.values()))), accounts=" ".join(far))

    def _certificates(self) -> Iterator[Condition]:
        """``ends_at``, ``path``. One that cannot be read has ended."""
        now = self._clock.now()
        for listener, path in self._listeners.items():
            ends = _ends(path, now)
            if ends - now < timedelta(days=self._watch.certificate_days):
                details = {"ends_at": ends.isoformat(timespec="seconds"), "path": str(path)}
                yield Condition(
                    code=Code.CERTIFICATE_ENDS, scope=Scope.LISTENER, name=listener, since=now, details=details
                )

    def _busy(self) -> Iterator[Condition]:
        """``why``: what the database itself said."""
        trouble = self._program.ledger.trouble
        if trouble is not None and self._clock.steady() - trouble.steady > BUSY:
            yield replace(self._vetbridge(Code.LEDGER_BUSY, why=trouble.message), since=trouble.at)

    def _hooks(self) -> tuple[Condition, ...]:
        """``misses``; ``hooked_at``: when the last one came, "" where none ever did."""
        config = self._program.loaded.config
        hooked = [name for name, account in config.accounts.items() if account.hook_secret is not None]
        if not hooked:
            return ()
        try:
            with self._program.ledger.read() as tx:
                rows = [accounts.get(tx, name) for name in hooked]
                at = tx.now
        except VetBridgeError:
            return self._silent  # what was known last
        self._silent = tuple(
            Condition(
                code=Code.HOOK_SILENT,
                scope=Scope.ACCOUNT,
                name=row.name,
                since=at,
                details={
                    "misses": row.hook_misses,
                    "hooked_at": "" if row.hooked_at is None else row.hooked_at.isoformat(timespec="seconds"),
                },
            )
            for row in rows
            if row.hook_misses >= self._watch.hook_misses
        )
        return self._silent

    def _stuck(self) -> Iterator[Condition]:
        """``rounds``: which; ``minutes``: for how long the worst has not ended."""
        now = self._clock.steady()
        self._look_at_readings(now)
        with self._lock:
            rounds = dict(self._rounds)
            if self._looked_at is not None and now - self._looked_at > ASLEEP:
                self._woke_at = now
            self._looked_at = now
            from_ = max(self._read_at, self._woke_at)
        late = {
            name: waited
            for name, one in rounds.items()
            if (waited := now - max(one.at, from_) - (0.0 if one.runs else one.every)) > STUCK
        }
        if late:
            names = " ".join(sorted(late)[:5])
            yield self._vetbridge(Code.ROUNDS_STUCK, rounds=names, minutes=round(max(late.values()) / 60))

    def _look_at_readings(self, now: float) -> None:
        """A first reading of a large clinic takes hours: as long as it gets on, nothing is stuck."""
        try:
            with self._program.ledger.read() as tx:
                read = accounts.records_read(tx)
        except VetBridgeError:
            return
        if self._read not in (None, read):
            self._read_at = now
        self._read = read

    def _vetbridge(self, code: Code, name: str = "", **details: str | int | float) -> Condition:
        return Condition(code=code, scope=Scope.VETBRIDGE, name=name, since=self._clock.now(), details=details)


def clock_is_sure(program: Program) -> bool:
    """Whether the wall clock can be believed: it was not set of late, or a vendor's clock has agreed since.

    Where it cannot, nothing is given up because its time has come.
    """
    drift = program.loaded.config.watch.clock_drift
    if _far_off(program, drift):
        return False
    agree = any(connector.skew.agrees_within(drift) for connector in program.connectors.values())
    return agree or _late_move(program) is None


def clock_is_useless(program: Program) -> bool:
    """Whether the wall clock is so wrong, by the vendors' clocks, that visits ahead would count as begun."""
    return bool(_far_off(program, USELESS))


def _late_move(program: Program) -> Move | None:
    """How the wall clock was set, if that was of late."""
    move = program.engine.clock_move
    is_late = move is not None and move.is_wrong and program.clock.steady() - move.steady < MOVE_SHOWN
    return move if is_late else None


def _far_off(program: Program, limit: float) -> dict[str, float]:
    """Vendors by whose clocks ours is off by more than ``limit``: by how many seconds, by account.

    One alone may be wrong itself: it counts when its newest answers all say so. None counts where more vendors agree.
    """
    heard = {name: connector.skew.newest() for name, connector in program.connectors.items()}
    far = {name: skews for name, skews in heard.items() if skews and abs(skews[-1]) > limit}
    sure = len(far) > 1 or any(len(skews) == KEPT and min(map(abs, skews)) > limit for skews in far.values())
    agree = sum(bool(skews) for skews in heard.values()) - len(far)
    return {name: skews[-1] for name, skews in far.items()} if sure and len(far) >= agree else {}


def _there(path: Path) -> Path | None:
    """The nearest folder of a path that is there."""
    return next((each for each in (path, *path.absolute().parents) if each.is_dir()), None)


def _ends(path: Path, now: datetime) -> datetime:
    """When the first of the certificates in a file ends; now, where it cannot be read."""
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return now.astimezone(UTC)
    return min(each.not_valid_after_utc for each in chain)
