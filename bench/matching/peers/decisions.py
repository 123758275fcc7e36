"""Reads and writes decisions.jsonl, a line a booking."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path

from bench.matching.peers import Decision

_NAMES = frozenset(one.name for one in fields(Decision))


def write(path: Path, decisions: Iterable[Decision]) -> int:
    """Writes the decisions and says how many there were."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for decision in decisions:
            file.write(json.dumps(asdict(decision), ensure_ascii=False) + "\n")
            count += 1
    return count


def read(path: Path) -> Iterator[Decision]:
    """The decisions in a file; what a line says beyond them is left out."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = {name: value for name, value in json.loads(line).items() if name in _NAMES}
            row["candidate_ids"] = tuple(row.get("candidate_ids", ()))
            yield Decision(**row)
