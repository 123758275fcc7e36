"""A fresh ledger with a clock that stands still until it is told to move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledgers import ledger_place
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.testing.clock import FakeClock

KEY = "a ledger key for tests, long enough to be taken"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: FakeClock) -> Iterator[Ledger]:
    opened = open_ledger(ledger_place(tmp_path, migrated=True), KEY, clock)
    yield opened
    opened.close()
