"""A simulator's store: JSON documents by kind and id, in SQLite, with a copy in memory for reading.

Every write is committed before it returns (or when the surrounding transaction ends), so a killed process loses
nothing that it answered.
"""

from __future__ import annotations

import copy
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STORE_FILE = "store.sqlite3"
"""Name of the database inside a simulator's data folder."""

Row = Mapping[str, Any]
"""A document, to be read only."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
    kind TEXT NOT NULL, id INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
"""
_LARGEST_ID = 2**62


class Store:
    """Documents per kind. ``path`` None keeps them in memory only. Safe to use from several threads.

    Raises ``ValueError`` where the file is no simulator's store.
    """

    def __init__(self, path: Path | None = None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._open(str(path) if path is not None else ":memory:", uri=False)
        try:
            self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")
            self._load()
        except (sqlite3.DatabaseError, ValueError) as error:
            self._db.close()
            raise ValueError(f"{path} cannot be used as a simulator's store: {error}") from None

    def _open(self, target: str, *, uri: bool) -> None:
        self.inserted: Callable[[str, int], None] = lambda kind, id: None  # noqa: A006 - the field's word
        """Called with kind and id of each document that is added."""
        self._lock = threading.RLock()
        self._depth = 0
        self._dirty = False
        self._db = sqlite3.connect(target, uri=uri, check_same_thread=False, isolation_level=None, timeout=30.0)

    def _load(self) -> None:
        self._rows: dict[str, dict[int, dict[str, Any]]] = {}
        self._indexes: dict[tuple[str, str], dict[str, set[int]]] = {}
        self._meta = {name: json.loads(body) for name, body in self._db.execute("SELECT name, body FROM meta")}
        for kind, number, body in self._db.execute("SELECT kind, id, body FROM document ORDER BY kind, id"):
            self._rows.setdefault(kind, {})[number] = json.loads(body)
        self._next = {kind: max(rows) + 1 for kind, rows in self._rows.items()}
        for name, value in self._meta.items():
            if name.startswith("_next:"):
                kind = name.removeprefix("_next:")
                self._next[kind] = max(value, self._next.get(kind, 1))

    def close(self) -> None:
        """Closes the database."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Writes inside are committed together at the end, or not at all when an exception leaves the block."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
                self._dirty = False
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                    if self._dirty:
                        self._load()
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")

    # -- writing

    def insert(self, kind: str, doc: Row, id: int | None = None) -> int:  # noqa: A002 - the field's word
        """Adds a document and returns its id: the given or the next one. Raises ``ValueError`` when it is taken."""
        with self._lock:
            number = self._next.get(kind, 1) if id is None else id
            if number in self._rows.get(kind, {}):
                raise ValueError(f"{kind} {number} exists already")
            self._write(kind, number, doc)
            self.inserted(kind, number)
            return number

    def put(self, kind: str, id: int, doc: Row) -> None:  # noqa: A002 - the field's word
        """Replaces a document. Raises ``KeyError`` when there is none."""
        with self._lock:
            if id not in self._rows.get(kind, {}):
                raise KeyError(f"{kind} {id}")
            self._write(kind, id, doc)

    def delete(self, kind: str, id: int) -> None:  # noqa: A002 - the field's word
        """Removes a document for good; its id is never given again. Raises ``KeyError`` when there is none."""
        with self._lock, self.transaction():
            old = self._rows.get(kind, {})[id]
            self.set_meta(f"_next:{kind}", self._next[kind])
            self._db.execute("DELETE FROM document WHERE kind = ? AND id = ?", (kind, id))
            self._dirty = True
            self._unindex(kind, id, old)
            del self._rows[kind][id]

    def number_from(self, kind: str, first: int) -> None:
        """The next document of this kind gets at least this id."""
        with self._lock:
            self._next[kind] = max(first, self._next.get(kind, 1))
            self.set_meta(f"_next:{kind}", self._next[kind])

    def set_meta(self, name: str, value: Any) -> None:
        """Keeps a value (plain data) about the store itself."""
        body = json.dumps(value)
        with self._lock, self.transaction():
            self._db.execute("INSERT OR REPLACE INTO meta (name, body) VALUES (?, ?)", (name, body))
            self._dirty = True
            self._meta[name] = json.loads(body)

    def _write(self, kind: str, number: int, doc: Row) -> None:
        if not 0 < number < _LARGEST_ID:
            raise ValueError(f"{kind}: {number} cannot be an id")
        body = json.dumps({**doc, "id": number})
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO document (kind, id, body) VALUES (?, ?, ?)", (kind, number, body)
            )
            self._dirty = True
            rows = self._rows.setdefault(kind, {})
            if number in rows:
                self._unindex(kind, number, rows[number])
            # Read back from the text, so that memory holds what the disk holds and nothing is shared with the caller.
            rows[number] = json.loads(body)
            self._next[kind] = max(self._next.get(kind, 1), number + 1)
            for (of_kind, field), index in self._indexes.items():
                if of_kind == kind:
                    index.setdefault(_key(rows[number].get(field)), set()).add(number)

    def _unindex(self, kind: str, number: int, old: Row) -> None:
        for (of_kind, field), index in self._indexes.items():
            if of_kind == kind:
                index.get(_key(old.get(field)), set()).discard(number)

    # -- reading

    def get(self, kind: str, id: int) -> dict[str, Any] | None:  # noqa: A002 - the field's word
        """A copy of one document, to edit and ``put`` back; None where there is none."""
        with self._lock:
            return copy.deepcopy(self._rows.get(kind, {}).get(id))

    def all(self, kind: str) -> list[Row]:
        """All documents of a kind, by ascending id."""
        with self._lock:
            rows = self._rows.get(kind, {})
            return [rows[number] for number in sorted(rows)]

    def find(self, kind: str, **equals: Any) -> list[Row]:
        """Documents whose fields equal these values, by ascending id. Each field asked for is indexed once."""
        with self._lock:
            rows = self._rows.get(kind, {})
            found: set[int] | None = None
            for field, value in equals.items():
                hits = self._index(kind, field).get(_key(value), set())
                found = hits if found is None else found & hits
            return [rows[number] for number in sorted(rows if found is None else found)]

    def get_meta(self, name: str, default: Any = None) -> Any:
        """A value kept by ``set_meta``."""
        with self._lock:
            return copy.deepcopy(self._meta.get(name, default))

    def _index(self, kind: str, field: str) -> dict[str, set[int]]:
        if (kind, field) not in self._indexes:
            index: dict[str, set[int]] = {}
            for number, row in self._rows.get(kind, {}).items():
                index.setdefault(_key(row.get(field)), set()).add(number)
            self._indexes[kind, field] = index
        return self._indexes[kind, field]


class _ReadOnlyStore(Store):
    """A store as it was when it was opened; a write raises ``sqlite3.OperationalError``."""

    def __init__(self, path: Path) -> None:
        self._open(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        self._load()


def open_store(path: Path) -> Store:
    """The store in a data folder (or of a database file), read-only, as it is at this moment.

    Raises ``FileNotFoundError`` where there is none. May be called while the simulator runs.
    """
    file = path / STORE_FILE if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"no simulator store at {file}")
    return _ReadOnlyStore(file)


def _key(value: Any) -> str:
    """Text that is equal for equal JSON values, so that lists and objects can be looked up too."""
    return json.dumps(value, sort_keys=True)
