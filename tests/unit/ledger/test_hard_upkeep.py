"""What a clinic's data must survive: restores that meet a changed world, odd places, a full disk, and a cut audit."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel, col, select

from tests.ledgers import dump, rows
from tests.rig import KEY as RIG_KEY
from tests.rig import Rig
from tests.unit.ledger.conftest import KEY
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.errors import LedgerError
from vetbridge.core.records import Kind
from vetbridge.ledger import audit, audit_seals, backup, rekeying, restoring, reviews, sqlite
from vetbridge.ledger.audit import Act
from vetbridge.ledger.database import Ledger, open_ledger
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import Audit, AuditSeal
from vetbridge.testing.clock import FakeClock

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
MARIA = ("Maria", "Petrova", "+447700900111", "Bobik")


# -- a restored ledger in a world that went on --------------------------------------------------------------------


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """An approved pair with a booking that stands on both sides."""
    rig = Rig(tmp_path)
    rig.meet()
    rig.owner(*MARIA)
    rig.pair_up()
    rig.approve()
    rig.book(*MARIA)
    rig.run()
    return rig


def restored(rig: Rig, path: Path) -> None:
    rig.ledger.close()
    restoring.restore(rig.place, path, RIG_KEY, rig.clock.now(), by="Kim", aside=path.parent)
    rig.start()


def approved(rig: Rig) -> None:
    """It is paired, approved, and both sides are read again and again."""
    rig.pair_up()
    rig.approve()
    for _ in range(2):
        rig.run()
        rig.sweeper.sweep()
        rig.settle()


def states(rig: Rig) -> tuple[str, str]:
    (booking,), (visit,) = rig.booking.rows(Kind.APPOINTMENT), rig.visits()
    return booking["state"], visit["state"]


def put(rig: Rig, side: str, state: str) -> None:
    (row,) = getattr(rig, side).rows(Kind.APPOINTMENT)
    getattr(rig, side).edit(Kind.APPOINTMENT, row["id"], {"state": state})
    rig.run()


@pytest.mark.parametrize(
    ("side", "stands", "why"),
    [
        ("booking", ("booked", "cancelled"), "of-late-cancelled-there"),
        ("pims", ("cancelled", "booked"), "cancelled-here-of-late"),
    ],
)
def test_what_was_cancelled_and_stands_again_is_not_cancelled_by_a_restore(
    rig: Rig, tmp_path: Path, side: str, stands: tuple[str, str], why: str
) -> None:
    copy = backup.make(rig.place, RIG_KEY, tmp_path / "copy.db", rig.clock.now()).path
    rig.clock.advance(3600)
    put(rig, "booking", "cancelled")
    assert states(rig) == ("cancelled", "cancelled")
    put(rig, side, "booked")
    assert states(rig) == stands
    assert len(rig.questions()) == 1
    restored(rig, copy)
    approved(rig)
    assert states(rig) == stands, "the owner who comes after all finds the door open"
    (item,) = rig.questions()
    assert item.why == why
    with rig.ledger.write() as tx:
        row = reviews.item(tx, item.id or 0)
        assert row is not None
        reviews.answer(tx, row, Answer(choice=Choice.PIMS if side == "booking" else Choice.BOOKING), "Kim")
    rig.settle()
    assert states(rig) == ("cancelled", "cancelled")
    assert not rig.questions()


@pytest.mark.parametrize("side", ["booking", "pims"])
def test_what_was_seen_on_both_sides_after_a_restore_is_cancelled_as_ever(
    rig: Rig, tmp_path: Path, side: str
) -> None:
    copy = backup.make(rig.place, RIG_KEY, tmp_path / "copy.db", rig.clock.now()).path
    rig.clock.advance(3600)
    restored(rig, copy)
    approved(rig)
    put(rig, side, "cancelled")
    assert states(rig) == ("cancelled", "cancelled")
    assert not rig.questions()


# -- odd places, a full disk --------------------------------------------------------------------------------------


def noted(ledger: Ledger, count: int, subject_id: str = "1") -> None:
    with ledger.write() as tx:
        for _ in range(count):
            audit.note(tx, Act.NOTED, by="ann", via=audit.PAGE, subject="review", subject_id=subject_id)


def subjects(place: Any) -> list[str]:
    return [id_ for (id_,) in rows(place, "SELECT subject_id FROM audit WHERE act = 'noted' ORDER BY id")]


@pytest.mark.sqlite_file("it is about files beside a file")
def test_the_log_of_a_ledger_that_is_gone_is_not_read_into_the_restored_one(ledger: Ledger, tmp_path: Path) -> None:
    place = ledger.place
    assert isinstance(place, Path)
    noted(ledger, 1, "kept")
    made = backup.make(place, KEY, tmp_path / "copy.db", NOW)
    noted(ledger, 40, "lost")
    log = place.with_name(f"{place.name}-wal")
    old = log.read_bytes()
    ledger.close()
    # Somebody has taken a damaged ledger away by hand, and left what stood beside it.
    place.unlink()
    log.write_bytes(old)
    restoring.restore(place, made.path, KEY, NOW, by="Kim", aside=tmp_path)
    assert backup.inspect(place, KEY).rows["audit"] == 2
    assert subjects(place) == ["kept"]
    assert any(each.read_bytes() == old for each in tmp_path.rglob("*-wal")), "it is kept"


@pytest.mark.sqlite_file("it is about a file's name")
def test_a_ledger_behind_a_link_is_restored_where_it_stands(ledger: Ledger, tmp_path: Path) -> None:
    assert isinstance(ledger.place, Path)
    noted(ledger, 1, "kept")
    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW)
    noted(ledger, 1, "later")
    ledger.close()
    (tmp_path / "etc").mkdir()
    link = tmp_path / "etc" / "vetbridge.db"
    link.symlink_to(ledger.place)
    done = restoring.restore(link, made.path, KEY, NOW, by="Kim", aside=tmp_path)
    assert link.is_symlink()
    assert subjects(ledger.place) == ["kept"]
    assert done.aside is not None
    assert done.aside.parent == ledger.place.parent
    assert not done.aside.is_symlink()
    assert subjects(done.aside) == ["kept", "later"]


@pytest.mark.parametrize("where", ["copy_ledger", "in_one_file", "upgrade"])
def test_a_disk_that_is_full_leaves_the_ledger_and_no_half_copy(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    noted(ledger, 1, "kept")
    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW)
    ledger.close()
    if where == "upgrade":
        monkeypatch.setattr(sqlite, "to_disk", _full)
    else:
        monkeypatch.setattr(restoring, where, _full)
    with pytest.raises(LedgerError, match="No space left"):
        restoring.restore(ledger.place, made.path, KEY, NOW, by="Kim", aside=tmp_path)
    assert subjects(ledger.place) == ["kept"]
    assert not list(tmp_path.rglob("*.restoring*"))


def _full(*_args: object, **_more: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_backup_that_was_cut_or_scribbled_on_anywhere_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    noted(ledger, 30)
    made = backup.make(ledger.place, KEY, tmp_path / "copy.db", NOW)
    ledger.close()
    before, whole = dump(ledger.place), made.path.read_bytes()
    bad = tmp_path / "bad.db"
    for cut in (0, 15, 100, 4096, len(whole) // 2, len(whole) - 1, len(whole) - 4096):
        bad.write_bytes(whole[:cut])
        with pytest.raises(LedgerError):
            restoring.restore(ledger.place, bad, KEY, NOW, by="Kim", aside=tmp_path)
    for start in range(0, len(whole), 4096):
        bad.write_bytes(whole[:start] + b"\xff" * 64 + whole[start + 64 :])
        with pytest.raises(LedgerError):
            backup.inspect(bad, KEY)
    assert dump(ledger.place) == before


# -- another key --------------------------------------------------------------------------------------------------


def test_no_column_of_bytes_is_overlooked_when_the_key_is_changed() -> None:
    columns = [column for table in SQLModel.metadata.sorted_tables for column in table.columns]
    blobs = {str(column) for column in columns if isinstance(column.type, sa.LargeBinary)}
    assert blobs == {str(column) for column in columns if column.name.endswith("_sealed")}
    assert blobs == {f"{table.name}.{each.name}" for table, sealed in rekeying._tables() for each in sealed}
    assert len(blobs) > 8


@pytest.mark.sqlite_file("two files are compared")
def test_a_change_of_the_key_that_is_killed_leaves_the_old_key(
    ledger: Ledger, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(ledger.place, Path)
    noted(ledger, 3)
    ledger.close()
    copied: list[Path] = []

    def killed(percent: int) -> None:
        copied.append(Path(shutil.copytree(ledger.place.parent, tmp_path / f"killed-{percent}")))  # type: ignore[union-attr]

    sealed = Sealer(KEY).seal({"name": "Zebulonia"})
    statement = "INSERT INTO mirror (account, kind, remote_id, active, digest_hash, read_at, content_sealed)"
    with closing(sqlite3.connect(ledger.place)) as file:
        file.execute(f"{statement} VALUES ('a', 'client', '1', 1, '', '2026-01-01 00:00:00', ?)", (sealed,))
        file.commit()
    rekeying.rekey(ledger.place, KEY, "another key " * 4, clock, by="Kim", progress=killed)
    assert copied
    found = open_ledger(copied[0] / ledger.place.name, KEY, clock)
    with found.read() as tx:
        (row,) = tx.session.execute(sa.text("SELECT content_sealed FROM mirror")).scalars()
        assert tx.sealer.open(row) == {"name": "Zebulonia"}
    found.close()
    assert sealed not in ledger.place.read_bytes()


# -- the audit ----------------------------------------------------------------------------------------------------


@pytest.fixture
def sealed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Acts 1 to 6 in three sealed batches."""
    monkeypatch.setattr(audit_seals, "BATCH", 2)
    noted(ledger, 6)
    with ledger.write() as tx:
        assert audit_seals.seal(tx) == 6
    return ledger


def verdict(ledger: Ledger) -> str:
    with ledger.read() as tx:
        broken = audit_seals.verify(tx).broken
    return "" if broken is None else broken.fault


def test_acts_that_are_all_gone_were_not_pruned(sealed: Ledger) -> None:
    with sealed.write() as tx:
        tx.session.execute(sa.delete(Audit))
    assert verdict(sealed) == "missing"


def test_the_oldest_acts_cannot_be_cut_off_together_with_their_seals(sealed: Ledger) -> None:
    with sealed.write() as tx:
        tx.session.execute(sa.delete(Audit).where(col(Audit.id) <= 2))
        tx.session.execute(sa.delete(AuditSeal).where(col(AuditSeal.last_id) <= 2))
    assert verdict(sealed) == "unchained"


@pytest.mark.parametrize("number", [-5, 0])
def test_an_act_that_is_put_before_the_first_one_is_found_out(sealed: Ledger, number: int) -> None:
    with sealed.write() as tx:
        first = tx.session.exec(select(Audit).order_by(col(Audit.id))).first()
        assert first is not None
        tx.session.add(Audit(**{**first.model_dump(), "id": number, "by": "somebody else"}))
    assert verdict(sealed) == "added"
