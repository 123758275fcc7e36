"""A ledger that an older VetBridge wrote keeps all it knows when a newer one opens it."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

import vetbridge.ledger
from tests.ledgers import ledger_place, rows
from vetbridge.core.answers import Answer, Choice
from vetbridge.ledger import database, reviews, worklist
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
    engine = database._engine(place, read_only=False)
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
