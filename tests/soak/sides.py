"""A simulator's process, of whose store nothing is kept in this one: its memory is VetBridge's."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from tests.crash.processes import SimulatorProcess
from vetbridge.testing.simkit import Store
from vetbridge.testing.simkit.store import STORE_FILE


class ThinStore:
    """What a simulator's store holds, read anew at each question."""

    def __init__(self, folder: Path) -> None:
        self._uri = f"file:{folder / STORE_FILE}?mode=ro"

    def get(self, kind: str, number: int) -> Mapping[str, Any] | None:
        """One document; None where there is none."""
        found = self._bodies("SELECT body FROM document WHERE kind = ? AND id = ?", kind, number)
        return found[0] if found else None

    def all(self, kind: str) -> list[Mapping[str, Any]]:
        """All of a kind, by id."""
        return self._bodies("SELECT body FROM document WHERE kind = ? ORDER BY id", kind)

    def with_words(self, kind: str, words: str) -> list[Mapping[str, Any]]:
        """Those of a kind in which these words stand."""
        return self._bodies("SELECT body FROM document WHERE kind = ? AND instr(body, ?) ORDER BY id", kind, words)

    def get_meta(self, name: str) -> Any:
        """A value about the store itself."""
        return self._bodies("SELECT body FROM meta WHERE name = ?", name)[0]

    def close(self) -> None:
        """Nothing is open."""

    def _bodies(self, query: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(self._uri, uri=True, timeout=30)) as file:
            return [json.loads(body) for (body,) in file.execute(query, values)]


class ThinSide(SimulatorProcess):
    """A simulator's process."""

    @property
    def thin_store(self) -> ThinStore:
        """What it holds."""
        return ThinStore(self._folder)

    @property
    def store(self) -> Store:
        """The same, for those who ask a store."""
        return cast(Store, self.thin_store)
