"""What is known of one kind: the records that files brought, kept as lines of JSON, written whole and at once."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from connectors.files.profile import CODE_LISTS
from vetbridge.connector.interface import Native
from vetbridge.core.errors import BadAnswer
from vetbridge.core.records import Kind

FORM = 1
"""Of the file; another one is not read."""
CODED: Mapping[Kind, tuple[str, ...]] = {
    kind: tuple(name for of, name in CODE_LISTS.values() if of is kind) for kind, _ in CODE_LISTS.values()
}
"""The fields of a kind that bear codes."""
MOST_GONE = 100_000
"""Records that are known to be gone; of more the oldest are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The last file of a kind that was taken in. Times are seconds since 1970."""

    name: str = ""
    at: float = 0.0
    written: float = 0.0
    """When it was changed last, as its folder says."""
    rows: int = 0
    refused: int = 0
    absent: tuple[str, ...] = ()
    """Fields that it had no column for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and the generation in which it came to be what it is; None: it is gone."""

    generation: int
    native: Native | None


@dataclass(slots=True)
class State:
    """All that is known of one kind. Replaced whole, never changed."""

    epoch: str
    """Another one where the state was begun anew: cursors of before then mean nothing."""
    generation: int = 0
    forgotten: int = 0
    """Cursors of an earlier generation miss records that went."""
    taken: Taken = field(default_factory=Taken)
    entries: Mapping[str, Entry] = field(default_factory=dict)
    codes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By field, every code that a record ever bore: one that no record bears today is not gone."""

    @property
    def records(self) -> Iterator[tuple[str, Native]]:
        """The records that are not gone, by id."""
        return ((id_, entry.native) for id_, entry in self.entries.items() if entry.native is not None)

    def after(self, kind: Kind, came: Mapping[str, Native], gone: Iterable[str], taken: Taken) -> State:
        """The state with a file's records. What says nothing new stays as it was."""
        generation = self.generation + 1
        codes = {name: self.codes.get(name, frozenset()) | _borne(name, came) for name in CODED.get(kind, ())}
        entries = dict(self.entries)
        for id_, native in came.items():
            known = entries.get(id_)
            if known is None or known.native is None or known.native["version"] != native["version"]:
                entries.pop(id_, None)
                entries[id_] = Entry(generation, native)
        for id_ in gone:
            entries.pop(id_, None)
            entries[id_] = Entry(generation, None)
        forgotten = self.forgotten
        tombs = [id_ for id_, entry in entries.items() if entry.native is None]
        for id_ in tombs[: max(0, len(tombs) - MOST_GONE)]:
            forgotten = max(forgotten, entries.pop(id_).generation)
        if all(entry.generation < generation for entry in entries.values()):
            generation = self.generation
        return State(self.epoch, generation, forgotten, taken, entries, codes)


class Shelf:
    """The state of one kind on the disk."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self._path = folder / f"{kind.value}.jsonl"
        self._kind = kind
        self._seen: tuple[int, int, int] | None = None
        self._state = _blank()

    def read(self) -> State:
        """The state as it is now, also where another process has written it. Raises ``BadAnswer``."""
        try:
            told = self._path.stat()
        except FileNotFoundError:
            self._seen, self._state = None, replace(_blank(), epoch=self._state.epoch)
            return self._state
        except OSError as error:
            raise self._damaged(error.strerror or "it cannot be read") from None
        if _stamp(told) != self._seen:
            try:
                with self._path.open(encoding="utf-8") as file:
                    self._state = _read(file, self._kind)
            except OSError as error:
                raise self._damaged(error.strerror or "it cannot be read") from None
            except (ValueError, KeyError, TypeError, RecursionError):
                raise self._damaged("it is damaged") from None
            self._seen = _stamp(told)
        return self._state

    def write(self, state: State) -> None:
        """Puts a state in the place of the one before: all of it is on the disk, or nothing."""
        beside = self._path.with_suffix(".tmp")
        with private(beside) as file:
            for line in _lines(state, self._kind):
                file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
            file.flush()
            os.fsync(file.fileno())
            told = os.fstat(file.fileno())
        beside.replace(self._path)
        sync_folder(self._path.parent)
        self._seen, self._state = _stamp(told), state

    def _damaged(self, words: str) -> BadAnswer:
        return BadAnswer(
            f"{self._path}: {words}; restore it from a backup, or remove it and put the newest file "
            "of its kind from archive/ back into in/, without the moment before its name"
        )


def _stamp(told: os.stat_result) -> tuple[int, int, int]:
    return told.st_mtime_ns, told.st_size, told.st_ino


def private(path: Path, mode: str = "w") -> IO[Any]:
    """A new file that nobody else on this machine may read, in the place of an old one."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    handle = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
    return os.fdopen(handle, mode) if "b" in mode else os.fdopen(handle, mode, encoding="utf-8", newline="")


def sync_folder(folder: Path) -> None:
    """Lets a new name in a folder outlive a power cut, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _taken(told: Mapping[str, Any]) -> Taken:
    return Taken(**{**told, "absent": tuple(map(str, told["absent"]))})


def _borne(name: str, came: Mapping[str, Native]) -> frozenset[str]:
    return frozenset({str(native[name]) for native in came.values() if native.get(name)})


def _blank() -> State:
    return State(secrets.token_hex(6))


def _lines(state: State, kind: Kind) -> Iterator[dict[str, Any]]:
    yield {
        "form": FORM,
        "kind": kind.value,
        "epoch": state.epoch,
        "generation": state.generation,
        "forgotten": state.forgotten,
        "taken": asdict(state.taken),
        "count": len(state.entries),
        "codes": {name: sorted(codes) for name, codes in state.codes.items()},
    }
    for id_, entry in state.entries.items():
        said = {"record": entry.native} if entry.native is not None else {}
        yield {"id": id_, "generation": entry.generation, **said}


def _read(file: IO[str], kind: Kind) -> State:
    head = json.loads(file.readline())
    if head["form"] != FORM or head["kind"] != kind.value:
        raise ValueError("another form")
    entries = {}
    for text in file:
        line = json.loads(text)
        entries[str(line["id"])] = Entry(int(line["generation"]), line.get("record"))
    if len(entries) != head["count"]:
        raise ValueError("lines are missing")
    codes = {str(name): frozenset(map(str, each)) for name, each in head["codes"].items()}
    return State(head["epoch"], head["generation"], head["forgotten"], _taken(head["taken"]), entries, codes)
