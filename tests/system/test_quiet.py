"""Nothing that VetBridge does by itself makes the booking side message an owner.

Every booking asks for a reminder, so that a write which touched it, or asked for a message, would be counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from typer.testing import CliRunner

from tests.system.town import Town, town
from vetbridge.cli.config import load_config
from vetbridge.cli.main import app
from vetbridge.daemon.assembly import Program, assembled
from vetbridge.daemon.once import drain, pass_over
from vetbridge.daemon.rounds import Rounds
from vetbridge.demo.stage import config_text
from vetbridge.ledger import reviews
from vetbridge.testing.clinic import SERVICES

REMIND = 24
DENTAL = SERVICES[2]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made
    structlog.reset_defaults()


@pytest.fixture
def program(place: Town) -> Iterator[Program]:
    with assembled(load_config(place.config_path), command="sync") as made:
        yield made


def sync(program: Program) -> None:
    pass_over(program, patience=20.0, progress=lambda _text: None)


def writes(place: Town) -> int:
    return int(place.booking.counts()["writes"])


def booked(place: Town, number: int, **changes: Any) -> int:
    """Books for an owner with a reminder; returns the record's id."""
    return place.book_owner(place.plain_owner(number), remind=REMIND, **changes)[0]


def reminds(place: Town, record: int) -> bool:
    """The booking still has the reminder that its owner asked for."""
    return bool(place.record(record)["sms_remain_hours"] == REMIND)


def test_the_booking_side_counts_what_a_careless_program_would_send(place: Town) -> None:
    record = booked(place, 0)
    row = place.altegio("GET", f"/record/{{location}}/{record}", None)["data"]
    names = ("staff_id", "client", "datetime", "seance_length")
    body = {name: row[name] for name in names} | {"services": [{"id": row["services"][0]["id"]}]}
    place.altegio("PUT", f"/record/{{location}}/{record}", {**body, "send_sms": True, "save_if_busy": True})
    assert place.notices() == 1
    place.altegio("PUT", f"/record/{{location}}/{record}", {**body, "sms_remain_hours": 2, "save_if_busy": True})
    assert place.notices() == 2


def test_moves_statuses_and_cancellations_of_the_desk_message_nobody(place: Town, program: Program) -> None:
    record = booked(place, 0)
    sync(program)
    (visit,) = (row["id"] for row in place.visits())
    made = place.desk.make_for(place.plain_owner(1), place.slot())
    before = writes(place)
    for one in (visit, made):
        place.desk.move(one, place.slot())
        sync(program)
        for word in ("confirmed", "arrived", "completed", "no_show", "booked"):
            place.desk.set_status(one, word)
            sync(program)
    assert reminds(place, record)
    for one in (visit, made):
        place.desk.cancel(one)
    sync(program)

    assert writes(place) >= before + 11, "all of this was written to the booking side"
    assert [row.stands for row in place.booked()] == [False, False]
    assert place.notices() == 0


def test_an_answer_messages_nobody(place: Town, program: Program) -> None:
    owner = place.plain_owner()
    record, _ = place.book(fullname="Eva Novakova", phone=owner.phones[0], pet="Xerxes", remind=REMIND)
    sync(program)
    with program.ledger.read() as tx:
        (item,) = (one.id for one in reviews.open_items(tx) if one.visit_at is not None)
    result = CliRunner().invoke(
        app, ["--config", str(place.config_path), "review", "link", str(item), "1", "--no-wait", "--json"]
    )
    assert result.exit_code == 0, result.output
    sync(program)
    (visit,) = place.visits()
    assert visit["contact_id"] == place.contact_id(owner)
    place.desk.move(visit["id"], place.slot())
    sync(program)

    assert place.booked() == place.standing()
    assert reminds(place, record)
    assert place.notices() == 0


def test_a_sweep_that_finds_lost_hints_messages_nobody(place: Town, program: Program) -> None:
    moved, purged, gone = (booked(place, number) for number in range(3))
    sync(program)
    visits = {visit["contact_id"]: visit["id"] for visit in place.visits()}
    of_moved, of_purged, of_gone = (visits[place.contact_id(place.plain_owner(number))] for number in range(3))
    later = place.slot()
    _unseen(place.pims.store, of_moved, start_at=int(later.timestamp()))
    place.desk.purge(of_purged)
    place.booking.store.delete("record", gone)

    for _ in range(2):  # what is gone is asked for twice
        assert Rounds(program).sweep("town")
        drain(program, 10.0, lambda _text: None)

    assert place.record(moved)["_start"] == int(later.timestamp())
    assert place.record(purged)["deleted"]
    assert place.visit(of_gone)["active"] is False
    assert reminds(place, moved)
    assert place.notices() == 0


def test_a_replay_messages_nobody(place: Town) -> None:
    config = yaml.safe_load(place.config_path.read_text())
    del config["sites"]["town"]["pims"]["codes"]["appointment_type"][DENTAL.code]
    place.config_path.write_text(config_text(config))
    records = [booked(place, number, service=DENTAL.number) for number in range(2)]
    with assembled(load_config(place.config_path), command="sync") as old:
        sync(old)
    desks = place.desk.make_for(place.plain_owner(2), place.slot(), service=DENTAL.number)
    with assembled(load_config(place.config_path), command="sync") as old:
        sync(old)
    assert len(place.visits()) == 1
    place.write_config()
    before = writes(place)
    result = CliRunner().invoke(app, ["--config", str(place.config_path), "replay", "--code", "mapping", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["data"]["replayed"] == 3
    with assembled(load_config(place.config_path), command="sync") as new:
        sync(new)

    assert len(place.visits()) == 3
    assert place.booked() == place.standing()
    assert writes(place) > before, f"visit {desks} of the desk was written to the booking side"
    assert all(reminds(place, record) for record in records)
    assert place.notices() == 0


def _unseen(store: Any, visit: int, **changes: Any) -> None:
    """A change that no listing of changes shows: its stamp stays what it was."""
    row = store.get("appointment", visit)
    store.put("appointment", visit, {**row, **changes})
