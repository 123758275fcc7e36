"""A ledger that an older VetBridge wrote keeps all it knows when a newer one opens it."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

import vetbridge.ledger
from tests.ledgers import dump, ledger_place, rows
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.errors import LedgerError, LedgerLocked
from vetbridge.ledger import backup, database, restoring, reviews, worklist
from vetbridge.ledger.database import Place, open_ledger
from vetbridge.ledger.sealing import Sealer
from vetbridge.ledger.tables import Action, Review
from vetbridge.testing.clock import FakeClock

KEY = "a ledger key for tests, long enough to be taken"
NOW = "2026-03-01 09:00:00.000000"
RECORD = {"account": "booking", "kind": "appointment", "remote_id": "77"}
SITE = {"site": "town"}


def old_ledger(place: Place, revision: str) -> None:
    """A ledger of an old schema with a question, a change and a write in it."""
    config = Config()
    folder = Path(vetbridge.ledger.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    engine = database.engine_of(place, read_only=False)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    sealed = Sealer(KEY).seal({"why": "contact-shared", "candidates": []})
    values = {
        "record": {"id": 1, **RECORD, "hints": 1, "lane": "record/1"},
        "change": {
            **{"id": 5, "record_id": 1, **SITE, **RECORD, "state": "review", "code": "placeholder", "message": "m"},
            **{"source": "poll", "hint": 1, "tries": 1, "received_at": NOW, "updated_at": NOW},
        },
        "action": {
            **{"id": 9, "change_id": 5, "record_id": 1, **SITE, "account": "pims", "kind": "appointment"},
            **{"operation": "create", "stamp": "VB-0000000001", "state": "answered", "fields": "", "created_at": NOW},
        },
        "attempt": {
            **{"id": 3, "action_id": 9, "number": 1, "state": "answered", "code": "", "message": ""},
            "started_at": NOW,
        },
        "review": {
            **{"id": 4, "record_id": 1, "change_id": 5, **SITE, "state": "open", "why": "contact-shared"},
            **{"question_sealed": sealed, "opened_at": NOW, "closed_why": ""},
        },
    }
    for table, row in values.items():
        places = ", ".join("?" * len(row))
        rows(place, f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())  # noqa: S608


def test_the_first_ledger_is_upgraded_with_all_that_stands_in_it(tmp_path: Path) -> None:
    place = ledger_place(tmp_path)
    old_ledger(place, "0001")
    ledger = open_ledger(place, KEY, FakeClock())
    with ledger.write() as tx:
        item = reviews.item(tx, 4)
        assert item is not None
        assert (item.why, item.answer, item.applied_at) == ("contact-shared", "", None)
        assert reviews.question(tx, item)["why"] == "contact-shared"
        assert tx.session.get_one(Action, 9).fused is False
        assert worklist.lines(tx) == ()
        change = reviews.answer(tx, item, Answer(choice=Choice.LINK, client_id="1", pet_id="2"), "Kim")
        assert change is not None
    with ledger.read() as tx:
        assert tx.session.get_one(Review, 4).answered_by == "Kim"
        assert reviews.answered(tx, 1) is not None
    ledger.close()


OLDER = [f"{number:04}" for number in range(1, int(database.newest_schema()))]


@pytest.mark.parametrize("revision", OLDER)
def test_the_way_back_leads_to_the_ledger_as_it_was(tmp_path: Path, revision: str) -> None:
    place = ledger_place(tmp_path)
    old_ledger(place, revision)
    clock = FakeClock()
    seal_key(place)
    before = dump(place)
    copies: list[backup.Backup] = []

    def copy(schema: str) -> None:
        copies.append(backup.make(place, KEY, tmp_path / f"{schema}.db", clock.now()))

    open_ledger(place, KEY, clock, before_upgrade=copy).close()
    after = dump(place)
    assert after["alembic_version"] == [(database.newest_schema(),)]
    assert {name: len(found) for name, found in after.items() if name in before} == {
        name: len(found) for name, found in before.items()
    }
    [made] = copies
    assert made.schema == revision
    assert dump(made.path)["review"][0][0] == 4
    restoring.restore(place, made.path, KEY, clock.now(), by="Kim", aside=tmp_path)
    [(stands,)] = rows(place, "SELECT version_num FROM alembic_version")
    assert stands == (revision if revision >= "0007" else database.newest_schema()), "a shadow is needed"
    for table in ("record", "change", "action", "review"):
        [row] = rows(place, f"SELECT * FROM {table}")  # noqa: S608
        assert row[: len(before[table][0])] == before[table][0]
    ledger = open_ledger(place, KEY, clock)
    with ledger.read() as tx:
        assert reviews.question(tx, tx.session.get_one(Review, 4))["why"] == "contact-shared"
    ledger.close()


def test_what_refuses_an_upgrade_leaves_the_ledger_as_it_is(tmp_path: Path) -> None:
    place = ledger_place(tmp_path)
    old_ledger(place, "0005")
    seal_key(place)
    before = dump(place)

    def refuse(schema: str) -> None:
        raise LedgerLocked(f"schema {schema} is at work")

    with pytest.raises(LedgerLocked, match="0005"):
        open_ledger(place, KEY, FakeClock(), before_upgrade=refuse)
    with pytest.raises(LedgerError, match="ledger key"):
        open_ledger(place, "another key that is long enough to be taken", FakeClock())
    assert dump(place) == before


def seal_key(place: Place) -> None:
    """The ledger knows its key, as every ledger that was opened does."""
    sealed = Sealer(KEY).seal(database.KEY_CHECK_TEXT).hex()
    rows(place, "INSERT INTO meta (key, value) VALUES (?, ?)", database.KEY_CHECK, sealed)
