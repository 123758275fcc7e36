"""A backup holds what the ledger held, and takes its place as a whole or not at all."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.ledgers import dump, ledger_place, rows
from tests.unit.ledger.conftest import KEY
from vetbridge.core.errors import LedgerError, SchemaTooNew
from vetbridge.core.records import Kind
from vetbridge.ledger import backup, changes, links, restoring
from vetbridge.ledger.backup import BackupError
from vetbridge.ledger.database import Ledger, Place, newest_schema, open_ledger
from vetbridge.ledger.tables import Staff, StaffSession, Suppression
from vetbridge.testing.clock import FakeClock

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
NAME = f"vetbridge-20260301T020000Z-{newest_schema()}.db"


def fill(ledger: Ledger, *ids: str) -> None:
    with ledger.write() as tx:
        for id_ in ids:
            changes.receive(tx, site="town", account="a", kind=Kind.APPOINTMENT, remote_id=id_, source="poll")
            links.put(
                tx,
                site="town",
                kind=Kind.APPOINTMENT,
                booking_account="a",
                booking_id=id_,
                pims_account="b",
                pims_id=id_,
                origin="matched",
                evidence=[{"here": "Zebulonia"}],
            )


def known(place: Place) -> set[str]:
    return {id_ for (id_,) in rows(place, "SELECT remote_id FROM record")}


def test_a_backup_is_one_sound_file_of_its_owner(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, "1", "2")
    folder = tmp_path / "backups"
    folder.mkdir()
    made = backup.make(ledger.place, KEY, folder, NOW)
    assert [path.name for path in folder.iterdir()] == [made.path.name] == [NAME]
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.rows["record"] == 2
    assert (made.schema, made.bytes) == (newest_schema(), made.path.stat().st_size)
    assert b"Zebulonia" not in made.path.read_bytes()
    assert backup.inspect(made.path, KEY) == made
    copy = open_ledger(made.path, KEY, FakeClock())
    with copy.read() as tx:
        link = links.of_booking(tx, "a", Kind.APPOINTMENT, "2")
        assert link is not None
        assert link.evidence_sealed is not None
        assert tx.sealer.open(link.evidence_sealed) == [{"here": "Zebulonia"}]
    copy.close()


def test_who_writes_meanwhile_neither_waits_nor_shows_by_half(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vetbridge.ledger.copying.PAGES", 8)
    monkeypatch.setattr("vetbridge.ledger.copying.BATCH", 8)
    fill(ledger, *map(str, range(50)))
    told: list[int] = []

    def progress(percent: int) -> None:
        told.append(percent)
        fill(ledger, f"late-{len(told)}")

    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW, progress=progress)
    assert len(told) > 3
    assert told == sorted(told)
    assert made.rows["record"] == made.rows["link"] == 50
    assert len(known(ledger.place)) == 50 + len(told)


def test_the_newest_of_its_own_are_kept_and_strangers_left_alone(ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    made = [backup.make_in(folder, ledger.place, KEY, NOW + timedelta(days=day), 2).path.name for day in range(4)]
    for name in (
        "vetbridge.db",
        "vetbridge-20200101T000000Z-0001.db.txt",
        "vetbridge-20209901T000000Z-0001.db",
        "notes",
    ):
        (folder / name).touch()
    again = backup.make_in(folder, ledger.place, KEY, NOW + timedelta(days=3), 2)
    assert [each.path.name for each in backup.listed(folder)] == [again.path.name, made[3]]
    assert again.path.name.startswith("vetbridge-20260304T020001Z-"), "two at one moment stand side by side"
    assert len(list(folder.iterdir())) == 6


def test_what_is_no_sound_backup_is_refused_by_name(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, *map(str, range(200)))
    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW).path
    text = tmp_path / "text.db"
    text.write_bytes(b"\x1b]0;not a database\x07" * 400)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as file:
        file.execute("CREATE TABLE mine (id INTEGER)")
    cut = tmp_path / "cut.db"
    cut.write_bytes(made.read_bytes()[:-20_000])
    bent = tmp_path / "bent.db"
    content = bytearray(made.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xff" * 4096
    bent.write_bytes(content)
    orphan = tmp_path / "orphan.db"
    shutil.copyfile(made, orphan)
    with closing(sqlite3.connect(orphan)) as file, file:
        file.execute("DELETE FROM record")
    for path in (text, other, cut, bent, orphan, tmp_path / "nowhere.db", tmp_path):
        with pytest.raises(BackupError) as caught:
            backup.inspect(path, KEY)
        assert path.name in caught.value.message
        assert "\x1b" not in caught.value.message
    with pytest.raises(BackupError, match="another ledger key") as caught:
        backup.inspect(made, "another key that is long enough to be taken")
    assert caught.value.code == "ledger-key"


def test_nothing_half_written_is_left_where_it_cannot_be_written(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger, "1")
    taken = tmp_path / "taken.db"
    taken.write_text("mine")
    with pytest.raises(BackupError, match="is there already"):
        backup.make(ledger.place, KEY, taken, NOW)
    assert taken.read_text() == "mine"
    folder = tmp_path / "backups"
    folder.mkdir()
    monkeypatch.setattr("vetbridge.ledger.sqlite.os.fsync", _full)
    with pytest.raises(BackupError, match="No space left"):
        backup.make(ledger.place, KEY, folder, NOW)
    assert list(folder.iterdir()) == []
    with pytest.raises(BackupError, match="cannot be written"):
        backup.make(ledger.place, KEY, taken / "below" / "it.db", NOW)


def _full(_handle: int) -> None:
    raise OSError(28, os.strerror(28))


def test_what_a_cut_off_backup_has_left_is_cleared_away_the_day_after(ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    for name, age in (("vetbridge-20260101T000000Z-7.part", 90_000), ("vetbridge-20260301T000000Z-8.part", 60)):
        (folder / name).touch()
        os.utime(folder / name, (NOW.timestamp() - age,) * 2)
    backup.make(ledger.place, KEY, folder, NOW)
    assert sorted(path.name for path in folder.glob("*.part")) == ["vetbridge-20260301T000000Z-8.part"]


# -- restored ------------------------------------------------------------------------------------------------------


def restore(place: Place, path: Path, aside: Path, **more: Callable[[str], None]) -> restoring.Restored:
    return restoring.restore(place, path, KEY, NOW + timedelta(days=1), by="Kim", aside=aside, **more)


def test_a_backup_takes_the_place_of_the_ledger_which_is_kept(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, "1")
    with ledger.write() as tx:
        tx.session.add(Staff(name="kim", role="admin", added_at=tx.now))
        tx.session.flush()
        tx.session.add(StaffSession(token_hash="t", staff="kim", made_at=tx.now, seen_at=tx.now, ends_at=tx.now))
    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW)
    fill(ledger, "2")
    with ledger.write() as tx:
        tx.session.add(Suppression(key_hash="h", owner_hash="o", made_at=tx.now))
    before = dump(ledger.place)
    ledger.close()
    content = made.path.read_bytes()
    done = restore(ledger.place, made.path, tmp_path)
    assert known(ledger.place) == {"1"}
    assert done.aside is not None
    assert dump(done.aside)["record"] == before["record"]
    assert made.path.read_bytes() == content, "the backup is left as it is"
    assert rows(ledger.place, "SELECT key_hash, owner_hash FROM suppression") == [("h", "o")], "forgotten stays so"
    assert rows(ledger.place, 'SELECT "by", act, subject_id FROM audit') == [("Kim", "restored", "copy.db")]
    again = open_ledger(ledger.place, KEY, FakeClock())
    fill(again, "3")
    again.close()
    assert known(ledger.place) == {"1", "3"}
    assert rows(ledger.place, "SELECT name FROM staff") == [("kim",)]
    assert rows(ledger.place, "SELECT staff FROM staff_session") == [], "people sign in anew"
    assert not list(tmp_path.glob("*.restoring*"))


def test_numbers_go_on_after_those_of_the_backup(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, "1", "2", "3")
    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW)
    ledger.close()
    restore(ledger.place, made.path, tmp_path)
    again = open_ledger(ledger.place, KEY, FakeClock())
    fill(again, "4")
    again.close()
    assert rows(ledger.place, "SELECT id, remote_id FROM record ORDER BY id")[-1] == (4, "4")


def test_a_ledger_that_is_gone_is_restored_too(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, "1")
    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW)
    place = ledger_place(tmp_path / "elsewhere") if not isinstance(ledger.place, Path) else tmp_path / "new" / "v.db"
    done = restore(place, made.path, tmp_path)
    assert done.aside is None
    assert known(place) == {"1"}


def test_what_cannot_be_restored_leaves_the_ledger_as_it_is(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, "1")
    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW).path
    newer = tmp_path / "newer.db"
    shutil.copyfile(made, newer)
    with closing(sqlite3.connect(newer)) as file, file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
    ledger.close()
    before = dump(ledger.place)
    with pytest.raises(SchemaTooNew, match="9999"):
        restore(ledger.place, newer, tmp_path)
    with pytest.raises(BackupError):
        restore(ledger.place, tmp_path / "nowhere.db", tmp_path)
    assert dump(ledger.place) == before


FILE = pytest.mark.sqlite_file("what ends in the middle is a transaction there, which test_postgresql.py is about")


@FILE
@pytest.mark.parametrize("step", ["copied", "prepared", "kept", "placed"])
def test_killed_at_any_point_there_is_the_old_ledger_or_the_new_one(
    ledger: Ledger, tmp_path: Path, step: str
) -> None:
    fill(ledger, "1")
    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW)
    fill(ledger, "2")
    ledger.close()
    program = (
        "import os, signal, sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from vetbridge.ledger import restoring\n"
        "def point(step):\n"
        "    if step == sys.argv[3]: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"restoring.restore(Path(sys.argv[1]), Path(sys.argv[2]), {KEY!r}, datetime.now(UTC), by='Kim',"
        " aside=Path(sys.argv[1]).parent, point=point)"
    )
    command = [sys.executable, "-c", program, str(ledger.place), str(made.path), step]
    assert subprocess.run(command, check=False).returncode == -9
    assert known(ledger.place) == ({"1"} if step == "placed" else {"1", "2"})
    open_ledger(ledger.place, KEY, FakeClock()).close()
    restore(ledger.place, made.path, tmp_path)
    assert known(ledger.place) == {"1"}
    assert not list(tmp_path.glob("*.restoring*"))


@FILE
def test_a_damaged_ledger_gives_way_and_is_kept(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, "1")
    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW)
    ledger.close()
    assert isinstance(ledger.place, Path)
    ledger.place.write_bytes(b"no database at all" * 500)
    done = restore(ledger.place, made.path, tmp_path)
    assert known(ledger.place) == {"1"}
    assert done.aside is not None
    assert done.aside.name == "vetbridge-20260302T020000Z-damaged.db"
    assert done.aside.read_bytes() == b"no database at all" * 500


@FILE
def test_a_ledger_that_others_have_open_is_not_replaced(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger, "1")
    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW)
    fill(ledger, "2")
    with pytest.raises(LedgerError, match="open in another program"):
        restore(ledger.place, made.path, tmp_path)
    assert known(ledger.place) == {"1", "2"}
    with pytest.raises(BackupError, match="the ledger itself"):
        restore(ledger.place, Path(str(ledger.place)), tmp_path)
