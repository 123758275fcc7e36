"""Backups are made by the clock; what keeps them from being made is told, and they are tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ledgers import ledger_place
from vetbridge.config.models import Backup
from vetbridge.core.conditions import Code
from vetbridge.daemon.backing_up import BackingUp
from vetbridge.ledger import backup
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.testing.clock import FakeClock

KEY = "a ledger key for tests, long enough to be taken"
HOUR = 3600.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: FakeClock) -> Ledger:
    return open_ledger(ledger_place(tmp_path, migrated=True), KEY, clock)


def backing_up(ledger: Ledger, clock: FakeClock, folder: Path) -> BackingUp:
    return BackingUp(Backup(folder=folder, every_hours=6, keep=2), ledger, KEY, clock)


def test_one_is_made_where_the_last_one_is_old(ledger: Ledger, clock: FakeClock, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    made = []
    for _ in range(19):
        made.append(backing_up(ledger, clock, folder).look())  # also after a restart
        clock.advance(HOUR)
    assert [hour for hour, one in enumerate(made) if one] == [0, 6, 12, 18]
    assert len(backup.listed(folder)) == 2
    with ledger.read() as tx:
        last = backup.last(tx)
    assert last is not None
    assert (clock.now() - last).total_seconds() == HOUR
    assert backup.inspect(backup.listed(folder)[0].path, KEY).schema


def test_a_failure_is_one_condition_until_a_backup_is_made(ledger: Ledger, clock: FakeClock, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.write_text("no folder")
    part = backing_up(ledger, clock, folder)
    since = clock.now()
    for _ in range(3):
        assert not part.look()
        clock.advance(600)
    [condition] = part.conditions()
    assert (condition.code, condition.since) == (Code.BACKUP_FAILED, since)
    assert str(folder) in str(condition.details["why"])
    with ledger.read() as tx:
        assert backup.last(tx) is None
    folder.unlink()
    assert part.look()
    assert part.conditions() == ()


def test_a_backup_of_tomorrow_is_none_of_today(ledger: Ledger, clock: FakeClock, tmp_path: Path) -> None:
    with ledger.write() as tx:
        backup.note(tx, clock.now().replace(year=clock.now().year + 1))
    assert backing_up(ledger, clock, tmp_path / "backups").look()
