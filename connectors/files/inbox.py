"""Takes in the files that lie in ``in``: reads them, judges them, and moves them to ``archive`` or ``errors``.

Shares lie about events, so the folder is looked through each time. A file is taken once it stands still, from a copy
that was made while it did not move. Whatever is cut off at any point is done again from the beginning and ends the
same: the state is written whole, and the file leaves ``in`` last; what was put in its place meanwhile stays there.
"""

from __future__ import annotations

import csv
import filecmp
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import chain, count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from filelock import FileLock, Timeout

from connectors.files.options import FilesOptions
from connectors.files.profile import FilesProfile
from connectors.files.shelf import Shelf, State, Taken, private, sync_folder
from connectors.files.tables import LARGEST, Line, Unreadable, opened
from vetbridge.connector.interface import Native
from vetbridge.connector.plugin import Environment
from vetbridge.connector.rows import BadRow, RowReader
from vetbridge.connector.rows.reading import DELETED, folded
from vetbridge.core.errors import Unavailable
from vetbridge.core.records import Kind

IN, WORK, ARCHIVE, ERRORS, STATE, OUT = "in", "work", "archive", "errors", "state", "out"
FOLDERS = (IN, WORK, ARCHIVE, ERRORS, STATE, OUT)
"""Below the account's folder."""
LONG_STILL = 600.0
"""Seconds: a file that nobody has changed for so long, by this machine's clock, need not be watched any more."""
MASTERS = (Kind.CLIENT, Kind.PET)
"""Of these a practice has some: an empty table is none."""
FEW = 10
"""So many records may be gone at once whatever their share, as long as they are a quarter of all, or three."""
MOST_MOVED = 0.5
"""Share of the known visits that may begin at another time at once: more is another clock, or another column."""
LIKELY = timedelta(days=800)
"""A visit further away than that is a slip of the pen, and says nothing of the days that an export covers."""
MANY_OF_ONE = 5
"""So many visits of one vet or room are not all gone at once: the export shows only the others."""
MOST_REFUSED = 0.5
"""Share of the rows: where more are refused, the file is not what the profile says."""
MOST_KEPT = 10_000
"""Rows that are written into one list of refused rows."""
LONGEST_NAME = 180
"""Bytes of a file's name."""
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp")
"""Endings of files that somebody is still writing."""

_Stamp = tuple[int, int]
_CHUNK = 1 << 20
_RISKY = ("=", "+", "-", "@", "\t", "\r")


class _Moved(Exception):
    """The file was changed, replaced or locked while it was read: it is tried again."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that makes no record, and why; the words hold nothing of the row."""

    line: int
    reason: str
    cells: Sequence[Any]
    id: str | None


@dataclass(slots=True)
class Reading:
    """What a file says of one kind."""

    columns: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    came: dict[str, Native] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    kinds: tuple[Kind, ...]
    written: int
    """Nanoseconds since 1970."""


class Inbox:
    """The folder of one account. Not for several threads at once; several processes may share the folder."""

    def __init__(
        self,
        profile: FilesProfile,
        options: FilesOptions,
        environment: Environment,
        shelves: Mapping[Kind, Shelf],
    ) -> None:
        self._folder = options.folder
        self._rules = {kind: profile.kinds[kind] for kind in shelves}
        self._options = options
        self._clock = environment.clock
        self._zone = environment.zone
        self._account = environment.account
        self._shelves = shelves
        self._still: dict[str, tuple[_Stamp, float]] = {}
        self._pruned_on = datetime.min.replace(tzinfo=UTC)

    def take(self) -> None:
        """Takes in every file that stands still, the oldest first. Raises ``Unavailable`` where the folder cannot be
        used."""
        self.prepare()
        try:
            with self._alone() as mine:
                if not mine:
                    return
                for candidate in self._candidates():
                    with suppress(_Moved):
                        self._take(candidate)
                self._prune()
        except OSError as error:
            raise self.unavailable(error) from None

    def require_folder(self) -> None:
        """Raises ``Unavailable`` where the account's folder is away, as when a share is not mounted."""
        if not self._folder.is_dir():
            raise Unavailable(
                f"{self._account}: there is no folder {self._folder}; mount the share, or mend the path"
            )

    def prepare(self) -> None:
        """Makes the folders below the account's folder. That one must be there: it may be a share that is away."""
        self.require_folder()
        try:
            for name in FOLDERS:
                (self._folder / name).mkdir(mode=0o700 if name in (WORK, STATE) else 0o777, exist_ok=True)
            links = [name for name in FOLDERS if not stat.S_ISDIR((self._folder / name).lstat().st_mode)]
        except OSError as error:
            raise self.unavailable(error) from None
        if links:
            raise Unavailable(
                f"{self._account}: {links[0]} in {self._folder} is a link, and may lead anywhere; make it a folder"
            )

    def unavailable(self, error: OSError) -> Unavailable:
        """The error for a folder that cannot be used now."""
        words = error.strerror or "an unknown error"
        return Unavailable(
            f"{self._account}: the folder {self._folder} cannot be used ({words}); mend its rights, or make room"
        )

    def waiting(self) -> tuple[int, int, int]:
        """How many files lie in ``in`` that will be taken, how many of these cannot be opened, and how many there are
        that no pattern of the profile knows."""
        names = [entry.name for entry in os.scandir(self._folder / IN) if not self._is_left(entry.name)]
        known = [name for name in names if self.kinds_of(name)]
        closed = [name for name in known if not os.access(self._folder / IN / name, os.R_OK)]
        return len(known), len(closed), len(names) - len(known)

    def kinds_of(self, name: str) -> tuple[Kind, ...]:
        """The kinds whose patterns a name fits."""
        low = name.casefold()
        return tuple(
            kind
            for kind, rules in self._rules.items()
            if any(fnmatchcase(low, pattern.casefold()) for pattern in rules.files)
        )

    # -- what is taken, and when

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether no other process takes in files of this folder now."""
        lock = FileLock(self._folder / STATE / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        except NotImplementedError:
            yield True  # The share knows no locks; one daemon serves an account anyway.
            return
        try:
            yield True
        finally:
            lock.release()

    def _is_left(self, name: str) -> bool:
        """Whether a file is none of ours, or is still being written by its name."""
        done = self._options.done
        low = name.casefold()
        return (
            name.startswith((".", "~$"))
            or low.endswith(UNFINISHED)
            or low in ("thumbs.db", "desktop.ini")
            or (done is not None and low.endswith(done.casefold()))
        )

    def _candidates(self) -> list[_Candidate]:
        """The files to take now, the oldest first; what can never be taken is put aside."""
        found: list[_Candidate] = []
        there = set()
        names = sorted(entry.name for entry in os.scandir(self._folder / IN))
        for name in names:
            if self._is_left(name):
                continue
            with suppress(FileNotFoundError):
                told = (self._folder / IN / name).lstat()
                if stat.S_ISDIR(told.st_mode):
                    continue
                wrong = _wrong_with(name, told)
                if wrong:
                    self._put_aside(name, wrong)
                    continue
                kinds = self.kinds_of(name)
                there.add(name)
                if kinds and self._stands_still(name, told, names):
                    found.append(_Candidate(name, kinds, told.st_mtime_ns))
        self._still = {name: seen for name, seen in self._still.items() if name in there}
        return sorted(found, key=lambda each: (each.written, each.name))

    def _stands_still(self, name: str, told: os.stat_result, names: Sequence[str]) -> bool:
        if self._options.done is not None:
            return f"{name}{self._options.done}" in names
        now = self._clock.steady()
        seen, since = self._still.get(name, (None, now))
        if seen != _stamp(told):
            since = now
        self._still[name] = (_stamp(told), since)
        quiet = self._clock.now().timestamp() - max(told.st_mtime, told.st_ctime)
        return now - since >= self._options.settle or quiet >= max(LONG_STILL, self._options.settle)

    # -- one file

    def _take(self, candidate: _Candidate) -> None:
        name = candidate.name
        copy, stamp = self._copied(name)
        try:
            self._require_new(candidate, copy)
            new: dict[Kind, State] = {}
            readings: dict[Kind, Reading] = {}
            for kind in candidate.kinds:
                readings[kind] = self._read(kind, copy, name)
                new[kind] = self._judged(kind, readings[kind], candidate)
        except Unreadable as reason:
            self._put_aside(name, str(reason), stamp)
            return
        finally:
            copy.unlink(missing_ok=True)
        for kind, state in new.items():
            self._shelves[kind].write(state)
        refused = [(readings[kind].columns, each) for kind in candidate.kinds for each in readings[kind].refused]
        if refused:
            self._tell_refused(name, refused)
        self._archive(name, stamp)

    def _copied(self, name: str) -> tuple[Path, _Stamp]:
        """A copy of the file as it was while it did not move, and what it looked like. Raises ``_Moved``."""
        path, copy = self._folder / IN / name, self._folder / WORK / "being-read"
        try:
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
                             | getattr(os, "O_BINARY", 0))  # fmt: skip
        except OSError:
            self._still.pop(name, None)
            raise _Moved from None
        with os.fdopen(handle, "rb") as source:
            before = os.fstat(source.fileno())
            size = 0
            with private(copy, "wb") as made:
                for piece in iter(lambda: source.read(_CHUNK), b""):
                    size += len(piece)
                    if size > LARGEST + _CHUNK:
                        break
                    made.write(piece)
            try:
                after, there = os.fstat(source.fileno()), path.lstat()
            except OSError:
                raise _Moved from None
        is_same = _stamp(before) == _stamp(after) == _stamp(there)
        if not is_same or (size <= LARGEST and size != before.st_size):
            self._still.pop(name, None)
            raise _Moved
        return copy, _stamp(before)

    def _require_new(self, candidate: _Candidate, copy: Path) -> None:
        """Raises ``Unreadable`` for a file of before the last one that came back: a copy of it has a new time."""
        last = {self._shelves[kind].read().taken.name for kind in candidate.kinds} - {""}
        if not last or candidate.name in last:
            return
        for entry in os.scandir(self._folder / ARCHIVE):
            if entry.name.endswith(f"-{candidate.name}") and filecmp.cmp(entry.path, copy, shallow=False):
                raise Unreadable(
                    f"it was taken in already, and {min(last)} after it; rename it if it is to count again"
                )

    def _read(self, kind: Kind, copy: Path, name: str) -> Reading:
        rules = self._rules[kind]
        reading = Reading()
        known = frozenset(folded(each) for rule in rules.fields.values() for each in (*rule.column, *rule.all))
        with opened(copy, name, rules, known) as table:
            try:
                reader = RowReader(kind, rules, table.columns, zone=self._zone)
            except ValueError as missing:
                raise Unreadable(f"as a list of {kind.value}s: {missing}") from None
            reading.columns = table.columns
            reading.absent, used = reader.absent, reader.used
            for line in table.rows:
                self._add(reading, reader, line, used)
        return reading

    def _add(self, reading: Reading, reader: RowReader, line: Line, used: AbstractSet[int]) -> None:
        reason, native = line.wrong, None
        if not reason and any(isinstance(cell, str) and cell.startswith("=") and place in used
                              for place, cell in enumerate(line.cells)):  # fmt: skip
            reason = "a cell holds a formula, not a value"
        if not reason:
            try:
                native = reader.native(line.cells)
            except BadRow as bad:
                reason = str(bad)
        if native is not None:
            id_ = str(native["id"])
            if self._rules[reader.kind].mode == "changes":
                reading.came[id_] = native
                return
            known = reading.came.setdefault(id_, native)
            first = reading.lines.setdefault(id_, line.number)
            if known["version"] == native["version"]:
                return
            reason = f"its id stands in line {first} already, with other values"
        reading.refused.append(Refused(line.number, reason, line.cells, reader.id(line.cells)))

    def _judged(self, kind: Kind, reading: Reading, candidate: _Candidate) -> State:
        """The state after a file. Raises ``Unreadable`` where it cannot be what it pretends to be."""
        rules, state = self._rules[kind], self._shelves[kind].read()
        good, bad = len(reading.came), len(reading.refused)
        if bad and bad > MOST_REFUSED * (good + bad):
            first = reading.refused[0]
            raise Unreadable(
                f"{bad} of {good + bad} rows cannot be read as {kind.value}s; line {first.line}: {first.reason}"
            )
        # By a clock that was ahead once, no later file would ever count.
        now = self._clock.now().timestamp()
        written = min(candidate.written / 1e9, now)
        if written < state.taken.written <= now:
            raise Unreadable(f"it was written before {state.taken.name}, which was taken in already")
        gone: AbstractSet[str] = frozenset()
        if rules.mode == "snapshot":
            least = rules.least if rules.least is not None else int(kind in MASTERS)
            if good < least:
                raise Unreadable(
                    f"it holds {good} {kind.value}s, and at least {least} were expected; nothing was changed"
                )
            gone = self._gone(kind, reading, state, written)
        if self._options.most_gone is None:
            _require_columns(reading, state)
        self._require_likely(kind, reading, state, written, gone)
        taken = Taken(
            name=candidate.name,
            at=now,
            written=written,
            rows=good,
            refused=bad,
            absent=reading.absent,
        )
        return state.after(kind, reading.came, gone, taken)

    def _gone(self, kind: Kind, reading: Reading, state: State, written: float) -> AbstractSet[str]:
        """Records that a snapshot lacks. What a refused row says of whom is not known: then nobody is gone."""
        refused = {each.id for each in reading.refused}
        if None in refused:
            return frozenset()
        covered = self._covered(kind, reading, state, written).keys()
        missing = covered - reading.came.keys() - refused
        if missing and not reading.came and self._rules[kind].least is None:
            raise self._unlikely(f"all {len(missing)} known {kind.value}s are missing in it")
        return missing

    def _require_likely(
        self, kind: Kind, reading: Reading, state: State, written: float, gone: AbstractSet[str]
    ) -> None:
        """Raises ``Unreadable`` for a file after which more would be gone or moved than happens between two files."""
        covered = self._covered(kind, reading, state, written)
        both = {id_: (native, reading.came[id_]) for id_, native in covered.items() if id_ in reading.came}
        struck = sum(_is_over(kind, now) and not _is_over(kind, before) for before, now in both.values())
        share = self._rules[kind].most_gone if self._options.most_gone is None else self._options.most_gone
        few = min(FEW, max(3, len(covered) // 4))
        if len(gone) + struck > max(few, share * len(covered)):
            words = f"{len(gone)} of {len(covered)} known {kind.value}s are missing in it"
            words += f" and {struck} are over" if struck else ""
            raise self._unlikely(f"{words}, more than may be gone at once ({share:.0%})")
        if kind is not Kind.APPOINTMENT or share >= 1:
            return
        moved = sum(before.get("start") != now.get("start") for before, now in both.values())
        if moved > max(FEW, MOST_MOVED * len(covered)):
            raise self._unlikely(f"{moved} of {len(covered)} known appointments begin at another time in it")
        whose: dict[str, list[bool]] = {}
        for id_, native in covered.items():
            whose.setdefault(str(native.get("resource", "")), []).append(id_ in gone)
        if any(name and len(each) >= MANY_OF_ONE and all(each) for name, each in whose.items()):
            raise self._unlikely("all known appointments of a vet or a room are missing in it")

    def _covered(self, kind: Kind, reading: Reading, state: State, written: float) -> dict[str, Native]:
        """The known records that a file speaks of."""
        first, last = self._window(reading, written) if kind is Kind.APPOINTMENT else ("", "")
        return {
            id_: native for id_, native in state.records if not last or first <= str(native.get("start", "")) <= last
        }

    @staticmethod
    def _unlikely(what: str) -> Unreadable:
        return Unreadable(f"{what}; nothing was changed. If it is right, set most_gone: 1 for one night")

    def _window(self, reading: Reading, written: float) -> tuple[str, str]:
        """From which start to which one, by the site's clock, the visits of a snapshot are complete."""
        window = self._rules[Kind.APPOINTMENT].window
        if window is None:
            now = self._clock.now()
            earliest, latest = f"{now - LIKELY:%Y-%m-%d}", f"{now + LIKELY:%Y-%m-%d}"
            starts = (str(native.get("start", "")) for native in reading.came.values())
            likely = sorted(start for start in starts if earliest <= start <= latest)
            return (likely[0], likely[-1]) if likely else ("", "0")
        day = datetime.fromtimestamp(written, ZoneInfo(self._zone)).date()
        first, last = day - timedelta(days=window.back_days), day + timedelta(days=window.ahead_days)
        return f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d} 99"

    # -- where files go

    def _archive(self, name: str, stamp: _Stamp) -> None:
        keeps = bool(self._options.archive_days)
        kept = self._free(f"{self._clock.now():%Y%m%d-%H%M%S}", name) if keeps else self._folder / WORK / "leaving"
        if self._leaves(name, kept, stamp) and not keeps:
            kept.unlink()

    def _leaves(self, name: str, place: Path, stamp: _Stamp | None) -> bool:
        """Moves a file out of ``in``; back again where it is not the one that was read."""
        path = self._folder / IN / name
        self._still.pop(name, None)
        try:
            path.replace(place)
        except FileNotFoundError:
            return False
        except PermissionError:
            if not all(os.access(each.parent, os.W_OK | os.X_OK) for each in (path, place)):
                raise
            raise _Moved from None  # Somebody has it open: what it says is known, and it leaves later.
        if stamp is not None and _stamp(place.lstat()) != stamp and not path.exists():
            place.replace(path)
            return False
        if self._options.done is not None:
            (self._folder / IN / f"{name}{self._options.done}").unlink(missing_ok=True)
        sync_folder(self._folder / IN)
        return True

    def _free(self, moment: str, name: str) -> Path:
        """A name in the archive that no file has yet."""
        names = chain([f"{moment}-{name}"], (f"{moment}.{turn}-{name}" for turn in count(2)))
        return next(path for each in names if not (path := self._folder / ARCHIVE / each).exists())

    def _put_aside(self, name: str, reason: str, stamp: _Stamp | None = None) -> None:
        """Moves a file to ``errors``, with the reason beside it."""
        kept = _safe(name)
        with self._new(f"{kept}.reason.txt") as file:
            file.write(f"{kept}: {reason}.\r\n")
        self._leaves(name, self._folder / ERRORS / kept, stamp)

    def _tell_refused(self, name: str, refused: Sequence[tuple[tuple[str, ...], Refused]]) -> None:
        lines: list[list[str]] = []
        heading: tuple[str, ...] | None = None
        for columns, each in refused[:MOST_KEPT]:
            if columns != heading:
                heading = columns
                lines.append(["line", "reason", *columns])
            lines.append([str(each.line), each.reason, *map(_shown, each.cells)])
        if len(refused) > MOST_KEPT:
            lines.append(["", f"and {len(refused) - MOST_KEPT} more rows"])
        with self._new(f"{_safe(name)}.rejected.csv") as file:
            csv.writer(file).writerows([[defused(cell) for cell in line] for line in lines])

    @contextmanager
    def _new(self, name: str) -> Iterator[Any]:
        """A file of ours in ``errors``, dated by the clock that will remove it."""
        path = self._folder / ERRORS / name
        beside = self._folder / WORK / "being-written"
        with private(beside) as file:
            yield file
        now = self._clock.now().timestamp()
        os.utime(beside, (now, now))
        beside.replace(path)

    def _prune(self) -> None:
        """Removes what was kept long enough, once a day."""
        now = self._clock.now()
        if now - self._pruned_on < timedelta(days=1):
            return
        self._pruned_on = now
        oldest = now - timedelta(days=self._options.archive_days)
        for entry in os.scandir(self._folder / ARCHIVE):
            if entry.name[:15] < f"{oldest:%Y%m%d-%H%M%S}" and entry.name[:8].isdigit():
                Path(entry.path).unlink()
        for entry in os.scandir(self._folder / ERRORS):
            base = entry.name.removesuffix(".reason.txt").removesuffix(".rejected.csv")
            if base != entry.name and entry.stat(follow_symlinks=False).st_mtime < oldest.timestamp():
                Path(entry.path).unlink()
                if entry.name.endswith(".reason.txt"):
                    (self._folder / ERRORS / base).unlink(missing_ok=True)


def _is_over(kind: Kind, native: Native) -> bool:
    return native.get("status") == DELETED if kind is Kind.APPOINTMENT else native.get("active") is False


def _require_columns(reading: Reading, state: State) -> None:
    """Raises ``Unreadable`` where a column is gone that records have values of: it was renamed, and all would lose
    them."""
    for name in sorted(set(reading.absent) - set(state.taken.absent)):
        if any(native.get(name) for _, native in state.records):
            raise Unreadable(
                f"the column of {name} is missing, and {state.taken.name} had it; nothing was changed. Name it in "
                "the profile as it is called now, or set most_gone: 1 for one night if it is to be empty from now on"
            )


def defused(text: str) -> str:
    """Text for a cell of a text table: what a spreadsheet might take for a formula begins with an apostrophe."""
    return f"'{text}" if text.startswith(_RISKY) else text


def _shown(cell: Any) -> str:
    return "" if cell is None else str(cell)[:32_000]


def _stamp(told: os.stat_result) -> _Stamp:
    """What a file looks like while nobody writes it. Its number is left out: some shares make one up each time."""
    return told.st_size, told.st_mtime_ns


def _wrong_with(name: str, told: os.stat_result) -> str:
    """Why something in ``in`` can never be taken; empty where it can."""
    if stat.S_ISLNK(told.st_mode):
        return "it is a link, and links are not followed; put the file itself here"
    if not stat.S_ISREG(told.st_mode):
        return "it is no plain file"
    if not name.isprintable() or len(os.fsencode(name)) > LONGEST_NAME:
        return "its name holds characters that cannot be shown, or is too long; rename it"
    return ""


def _safe(name: str) -> str:
    """A name that can be shown and kept."""
    shown = "".join(sign if sign.isprintable() else "_" for sign in name)
    return shown.encode("utf-8", "replace")[:LONGEST_NAME].decode("utf-8", "ignore")
