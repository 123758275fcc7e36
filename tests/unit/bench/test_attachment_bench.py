"""The bench carries files that are what they seem, and reads its own memory."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from bench.attachments.through import RULES, through
from bench.attachments.vendor import TYPES, made, vendor
from vetbridge.core.files import inspect

bench = pytest.importorskip("bench.attachments.__main__", reason="this system has no such counters")


@pytest.mark.parametrize("word", TYPES)
def test_its_files_are_true_and_as_large_as_asked(word: str) -> None:
    content = made(300_000)[word]
    assert inspect(io.BytesIO(content), len(content), RULES).type == word
    assert 300_000 <= len(content) < 330_000


def test_its_files_go_through_all_of_vetbridge(tmp_path: Path) -> None:
    with vendor(1) as address:
        carried = list(through(address, 3, tmp_path))
    assert carried == sorted(carried)
    assert carried[-1] > 3 * 1024 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
def test_memory_is_told_in_megabytes() -> None:
    assert 5 < bench.resident() < 5000
