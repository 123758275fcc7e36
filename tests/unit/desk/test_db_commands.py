"""`vetbridge db`, as an admin types it at night."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command as alembic

from tests.ledgers import dump, rows
from tests.unit.desk.practice import KEY, Desk, Settled, receive
from vetbridge.daemon.lock import single_instance
from vetbridge.ledger import database
from vetbridge.ledger.database import Ledger, newest_schema
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import ChangeState


@pytest.fixture
def filled(ledger: Ledger, settled: Settled) -> Ledger:
    settled(ChangeState.DONE)
    ledger.close()
    return ledger


def acts(desk: Desk) -> list[tuple[str, str]]:
    return rows(desk.place, 'SELECT "by", act FROM audit ORDER BY id')


def test_a_backup_says_where_it_is_and_how_it_is_restored(desk: Desk, filled: Ledger) -> None:
    config = desk.config()
    desk.save({**config, "backup": {"folder": "backups", "keep": 1}})
    first, second = (desk.data("db", "backup", "--by", "Kim") for _ in range(2))
    assert [path.name for path in (desk.folder / "backups").iterdir()] == [Path(second["path"]).name]
    assert first["path"] != second["path"]
    assert (second["schema"], second["rows"]["change"]) == (newest_schema(), 1)
    assert acts(desk) == [("Kim", "backed-up")] * 2
    assert rows(desk.place, "SELECT count(*) FROM meta WHERE key = 'backup_at'") == [(1,)]
    said = desk.run("db", "backup", "--to", str(desk.folder / "mine.db"))
    assert said.exit_code == 0
    assert "is sound" in said.stdout
    assert "The ledger key is not in it" in said.stdout
    assert f"vetbridge db restore {desk.folder / 'mine.db'}" in said.stdout
    assert desk.run("db", "backup", "--to", str(desk.folder / "mine.db")).exit_code == 6


def test_without_a_place_for_it_a_backup_asks_for_one(desk: Desk, filled: Ledger) -> None:
    said = desk.run("db", "backup")
    assert said.exit_code == 2
    assert "--to PATH" in said.stderr
    (desk.folder / "key").write_text("another key that is long enough to be taken")
    said = desk.run("db", "backup", "--to", str(desk.folder / "mine.db"))
    assert said.exit_code == 6
    assert not (desk.folder / "mine.db").exists()


def test_restored_it_is_what_it_was_and_in_the_shadow(desk: Desk, filled: Ledger) -> None:
    desk.data("db", "backup", "--to", str(desk.folder / "mine.db"))
    with closing(desk.open()) as ledger, ledger.write() as tx:
        receive(tx, "since")
    before = dump(desk.place)
    planned = desk.run("db", "restore", str(desk.folder / "mine.db"), "--plan")
    assert planned.exit_code == 0
    assert "Nothing was done" in planned.stdout
    assert dump(desk.place) == before
    with single_instance(desk.place):
        said = desk.run("db", "restore", str(desk.folder / "mine.db"))
        assert said.exit_code == 6
        assert "in use" in said.stderr
        assert desk.run("db", "restore", str(desk.folder / "mine.db"), "--plan").exit_code == 0
    said = desk.run("db", "restore", str(desk.folder / "mine.db"), "--by", "Kim")
    assert said.exit_code == 0, said.output
    assert "vetbridge reconcile" in " ".join(said.stdout.split())
    assert ("since",) not in rows(desk.place, "SELECT remote_id FROM record")
    assert acts(desk)[-1] == ("Kim", "restored")
    said = desk.run("db", "restore", str(desk.config_path))
    assert said.exit_code == 6
    assert "no backup" in said.stderr


def older(desk: Desk) -> None:
    """The desk's ledger, as the version before wrote it."""
    engine = database.engine_of(desk.place, read_only=False)
    with engine.begin() as connection:
        config = database._steps()
        config.attributes["connection"] = connection
        alembic.upgrade(config, "0008")
    engine.dispose()
    sealed = Sealer(KEY).seal(database.KEY_CHECK_TEXT).hex()
    rows(desk.place, "INSERT INTO meta (key, value) VALUES (?, ?)", database.KEY_CHECK, sealed)
    rows(
        desk.place,
        "INSERT INTO record (id, account, kind, remote_id, hints, lane) VALUES (1, 'a', 'pet', '7', 1, 'l')",
    )


def test_an_upgrade_copies_first(desk: Desk) -> None:
    older(desk)
    before = dump(desk.place)
    assert desk.data("db", "upgrade", "--plan")["schema"] == "0008"
    assert dump(desk.place) == before
    done = desk.data("db", "upgrade", "--by", "Kim")
    copy = Path(done["copy"])
    assert copy.parent == desk.folder
    assert dump(copy)["record"] == before["record"]
    assert dump(copy)["alembic_version"] == [("0008",)]
    assert acts(desk) == [("Kim", "upgraded")]
    again = desk.data("db", "upgrade")
    assert (again["schema"], again["copy"]) == (newest_schema(), None)


def test_a_command_upgrades_nothing_that_an_older_vetbridge_works_on(desk: Desk) -> None:
    older(desk)
    before = dump(desk.place)
    with single_instance(desk.place):
        said = desk.run("review", "list")
    assert said.exit_code == 6
    assert "older VetBridge works on it" in " ".join(said.stderr.split())
    assert dump(desk.place) == before
    assert desk.run("review", "list").exit_code == 0
    assert dump(desk.place)["alembic_version"] == [(newest_schema(),)]
    assert len(list(desk.folder.glob("vetbridge-*-0008.db"))) == 1, "it was copied first"


def test_another_key_is_taken_from_where_it_stands(desk: Desk, filled: Ledger) -> None:
    new = desk.folder / "key.new"
    new.write_text("the next key of this clinic's ledger")
    planned = desk.data("db", "rekey", "--new-key", f"file:{new}", "--plan")
    assert planned["values"]["review.question_sealed"] == 0
    said = desk.run("db", "rekey", "--new-key", f"file:{new}", "--by", "Kim")
    assert said.exit_code == 0, said.output
    assert "keep it as long as you keep them" in " ".join(said.stdout.split())
    assert desk.run("status").exit_code == 6
    (desk.folder / "key").write_text(new.read_text())
    assert desk.run("status").exit_code == 0
    assert acts(desk) == [("Kim", "rekeyed")]


@pytest.mark.parametrize("place", ["a-secret-that-shows-nowhere", "file:", "keyring:one", "env:a b"])
def test_a_key_on_the_command_line_is_refused_and_not_repeated(desk: Desk, filled: Ledger, place: str) -> None:
    said = desk.run("db", "rekey", "--new-key", place)
    assert said.exit_code == 2
    assert "a-secret-that-shows-nowhere" not in said.output


def test_old_rows_are_counted_and_then_deleted(desk: Desk, ledger: Ledger, settled: Settled) -> None:
    for _ in range(3):
        settled(ChangeState.DONE, remote_id="same")
    config = desk.config()
    desk.save({**config, "retention": {"changes_days": 1}})
    rows(desk.place, "UPDATE change SET updated_at = '2020-01-01 00:00:00.000000'")
    ledger.close()
    planned = desk.data("db", "prune", "--plan")
    assert planned["rows"]["changes"] == 2
    said = desk.run("db", "prune", "--by", "Kim")
    assert said.stdout.split()[:2] == ["2", "changes"]
    assert rows(desk.place, "SELECT id FROM change") == [(3,)]
    assert acts(desk) == [("Kim", "pruned")]
    assert json.loads(desk.run("db", "prune", "--json").stdout)["data"]["rows"]["changes"] == 0
