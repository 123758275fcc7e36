"""A booking made in Altegio reaches ezyVet over real HTTP, exactly once, on the right owner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from tests.system.town import LEDGER_KEY, Town, town
from vetbridge.cli.config import load_config
from vetbridge.connector.clock import SystemClock
from vetbridge.core.errors import ConfigError
from vetbridge.daemon.assembly import assembled
from vetbridge.daemon.once import Outcome, pass_over
from vetbridge.ledger.database import open_ledger
from vetbridge.ledger.tables import Run


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


def sync(place: Town, patience: float = 20.0) -> Outcome:
    with assembled(load_config(place.config_path), command="sync") as program:
        return pass_over(program, patience=patience, progress=lambda _text: None)


def test_a_known_owner_is_linked(place: Town) -> None:
    owner = place.plain_owner()
    start = place.slot()
    place.book_owner(owner, start=start, comment="limps a little")

    outcome = sync(place)

    assert outcome.states == {"done": 1}
    (visit,) = place.visits()
    assert visit["contact_id"] == place.contact_id(owner)
    assert visit["start_at"] == int(start.timestamp())
    assert visit["active"] is True
    assert "limps a little" in visit["description"]


def test_a_new_owner_and_pet_are_made_once_for_two_bookings(place: Town) -> None:
    for service in (1, 2):
        place.book(fullname="Zdenka Brandnova", phone="+447912345678", pet="Quirin", species="cat", service=service)

    outcome = sync(place)

    assert outcome.states == {"done": 2}
    visits = place.visits()
    assert len({visit["contact_id"] for visit in visits}) == 1
    assert len({visit["animal_id"] for visit in visits}) == 1
    contact = place.pims.store.get("contact", visits[0]["contact_id"])
    assert contact is not None
    assert (contact["first_name"], contact["last_name"]) == ("Zdenka", "Brandnova")
    assert "_seed" not in contact


def test_an_ambiguous_booking_waits_on_the_placeholder(place: Town) -> None:
    owner = place.plain_owner()
    place.book(fullname="Eva Novakova", phone=owner.phones[0], pet="Xerxes", comment="first visit")

    outcome = sync(place)

    assert outcome.states == {"review": 1}
    (visit,) = place.visits()
    assert (visit["contact_id"], visit["animal_id"]) == (900, 901)
    assert "[VetBridge VB-" in visit["description"]
    assert "Eva Novakova" in visit["description"]
    assert "Xerxes" in visit["description"]


def test_a_move_and_a_cancel_follow_the_same_visit(place: Town) -> None:
    owner = place.plain_owner()
    record, record_hash = place.book_owner(owner)
    sync(place)
    later = place.slot()

    place.move(record, later)
    assert sync(place).states == {"done": 1}
    (visit,) = place.visits()
    assert visit["start_at"] == int(later.timestamp())

    place.cancel(record, record_hash)
    assert sync(place).states == {"done": 1}
    (visit,) = place.visits()
    assert visit["active"] is False


def test_a_parked_booking_still_moves_and_cancels(place: Town) -> None:
    record, record_hash = place.book(fullname="Eva Novakova", phone=place.plain_owner().phones[0], pet="Xerxes")
    sync(place)
    later = place.slot()
    place.move(record, later)
    sync(place)
    (visit,) = place.visits()
    assert visit["start_at"] == int(later.timestamp())
    assert visit["contact_id"] == 900

    place.cancel(record, record_hash)
    sync(place)
    (visit,) = place.visits()
    assert visit["active"] is False


def test_cancelled_before_it_was_written_leaves_no_trace(place: Town) -> None:
    record, record_hash = place.book_owner(place.plain_owner())
    place.cancel(record, record_hash)

    assert sync(place).states == {"skipped": 1}
    assert place.visits() == []


def test_a_second_pass_does_nothing(place: Town) -> None:
    place.book_owner(place.plain_owner())
    sync(place)
    writes = place.pims.counts()["writes"]

    outcome = sync(place)

    assert outcome.states == {}
    assert place.pims.counts()["writes"] == writes


@pytest.mark.parametrize("fault", ["5xx_before", "5xx_after", "drop_after_commit", "429"])
def test_a_lost_answer_writes_nothing_twice(place: Town, fault: str) -> None:
    place.book(fullname="Zdenka Brandnova", phone="+447912345678", pet="Quirin", species="cat")
    contacts = len(place.pims.store.all("contact"))
    place.pims.faults.arm(fault, 3)

    outcome = sync(place)

    assert outcome.states == {"done": 1}
    assert len(place.visits()) == 1
    assert len(place.pims.store.all("contact")) == contacts + 1
    assert len([row for row in place.pims.store.all("animal") if row["name"] == "Quirin"]) == 1


def test_the_writes_cause_no_message_to_owners(place: Town) -> None:
    place.book_owner(place.plain_owner())
    sync(place)
    assert place.booking.counts()["notices"] == 0
    assert place.pims.counts()["notices"] == 0


def test_a_start_that_fails_is_no_run_that_was_cut_off(place: Town) -> None:
    place.write_config(sites={"town": {"pims": {"mapping": "nosuch"}}})
    with pytest.raises(ConfigError, match="nosuch"):
        sync(place)
    place.write_config(sites={"town": {"pims": {"mapping": "ezyvet"}}})
    sync(place)

    ledger = open_ledger(place.ledger_place, LEDGER_KEY, SystemClock())
    with ledger.read() as tx:
        runs = tx.session.exec(select(Run)).all()
    ledger.close()
    assert [run.ended_at is not None for run in runs] == [True]
