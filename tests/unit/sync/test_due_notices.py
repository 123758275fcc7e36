"""A notice goes out once at the most, on its day, in the clinic's hours, and never because of a repair."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from tests.rig import Killed
from tests.unit.sync.due_rig import NOTHING, NOTICES, POLICY, Town
from vetbridge.connector.interface import ExactlyOnce
from vetbridge.core.errors import Refused, Unavailable
from vetbridge.core.records import Kind
from vetbridge.ledger import changes, due
from vetbridge.ledger.tables import Due, Notice
from vetbridge.testing.memory import MemorySide, memory_capabilities


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path, notices=NOTICES)


def test_the_owner_is_told_once_and_the_card_bears_the_stamp(town: Town) -> None:
    _, (tom, rex), card = town.family("Ann", "Tom", "Rex")
    town.due(tom, 15)
    town.due(rex, 20, "Dental")
    town.cycle()
    text = f"Town Vets: Tom, Rex is due for Rabies, Dental by {town.day(15)}."
    assert town.booking.messages == [(card, text)]
    assert town.notified(card).startswith(f"{town.today.isoformat()} vb-")
    assert len(town.booking.written) == 2
    for _ in range(5):
        town.later(days=1)
        town.cycle()
    assert len(town.booking.messages) == 1
    assert set(town.notices_kept()) == {due.SENT}


def test_nobody_is_told_of_what_was_to_be_told_before_notices_began(town: Town) -> None:
    _, (tom,), _ = town.family("Ann", "Tom")
    town.due(tom, 14)
    town.cycle()
    assert town.booking.messages == []
    assert town.ended() == ["due-shown"]
    town.later(days=21)
    town.cycle()
    assert len(town.booking.messages) == 1


def test_a_notice_waits_for_the_hours_and_the_card_does_not(town: Town) -> None:
    town.later(hours=20)  # five in the morning
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 15)
    town.cycle()
    assert town.shown(card)[0] == "Rabies"
    assert town.booking.messages == []
    assert town.changes()[-1].code == "notice-hours"
    assert town.changes()[-1].next_at == town.clock.now() + timedelta(hours=4)
    assert town.notified(card) == ""
    town.settle(limit=5 * 3600)
    assert len(town.booking.messages) == 1


def test_a_notice_that_is_too_late_is_not_sent(town: Town) -> None:
    town.later(days=4)
    town.later(hours=10)  # Friday evening
    _, (tom,), _ = town.family("Ann", "Tom")
    town.notices = replace(NOTICES, weekdays=frozenset({1}))
    town.policy = replace(POLICY, notice_late=2)
    town.start()
    town.due(tom, 15)
    town.cycle()
    town.settle(limit=5 * 86400)
    assert town.booking.messages == []
    assert town.ended() == ["due-stands"]


def test_a_day_has_its_share_and_the_rest_waits_for_the_next(town: Town) -> None:
    town.notices = replace(NOTICES, per_day=2)
    town.start()
    for number in range(3):
        _, (tom,), _ = town.family(f"Ann{number}", "Tom", phone=f"+44791200001{number}")
        town.due(tom, 15)
    town.cycle()
    assert len(town.booking.messages) == 2
    assert [change.code for change in town.changes()] == ["notice-sent", "notice-sent", "notice-limit"]
    town.later(days=1)
    town.cycle()
    assert len(town.booking.messages) == 3


def test_a_lost_answer_counts_as_sent_and_is_told(town: Town) -> None:
    _, (tom,), _ = town.family("Ann", "Tom")
    town.due(tom, 15)
    lose_the_message(town)
    town.cycle()
    assert (town.ended(), town.notices_kept()) == (["notice-unsure"], [due.UNKNOWN])
    for _ in range(4):
        town.later(days=1)
        town.cycle()
    assert len(town.booking.messages) == 1


def lose_the_message(town: Town) -> None:
    """The answer to the next message is lost, and to nothing before it."""
    town.start(point=lambda name: town.booking.lose_answers(done=True) if name == "notice-intended" else None)


@pytest.mark.parametrize(
    ("point", "sent"), [("intended", 1), ("sent", 1), ("answered", 1), ("notice-intended", 0), ("notice-sent", 1)]
)
def test_killed_anywhere_it_is_sent_once_at_the_most(town: Town, point: str, sent: int) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 15)

    def kill(name: str) -> None:
        if name == point:
            raise Killed

    town.start(point=kill)
    with pytest.raises(Killed):
        town.cycle()
    town.start()
    town.settle()
    for _ in range(4):
        town.cycle()
        town.settle()
        town.later(days=1)
    assert len(town.booking.messages) == sent
    assert town.shown(card)[0] == "Rabies"
    told = town.notices_kept()
    assert told == ([due.SENT] if point in ("intended", "sent", "answered") else [due.UNKNOWN])
    assert ("notice-unsure" in town.ended()) == (told == [due.UNKNOWN])


def test_a_side_that_is_away_is_asked_again(town: Town) -> None:
    _, (tom,), _ = town.family("Ann", "Tom")
    town.due(tom, 15)
    town.start(
        point=lambda name: town.booking.fail(Unavailable("away"), times=1) if name == "notice-intended" else None
    )
    town.cycle()
    assert (town.booking.messages, town.notices_kept()) == ([], [])
    town.start()
    town.settle()
    assert len(town.booking.messages) == 1


def test_what_was_refused_is_not_tried_again_that_day(town: Town) -> None:
    _, (tom,), _ = town.family("Ann", "Tom")
    town.due(tom, 15)
    refuse = Refused("no money left", code="no-money")
    town.start(point=lambda name: town.booking.fail(refuse, times=1) if name == "notice-intended" else None)
    town.cycle()
    assert [change.state for change in town.changes()] == ["failed"]
    assert (town.ended(), town.notices_kept()) == (["no-money"], [due.NOT_DONE])
    town.start()
    touch(town, tom)
    town.cycle()
    assert town.booking.messages == []
    town.later(days=1)
    town.cycle()
    assert len(town.booking.messages) == 1


def touch(town: Town, pet: str) -> None:
    """Something was read of a pet."""
    row = town.pims.row(Kind.PET, pet)
    assert row is not None
    town.pims.edit(Kind.PET, pet, {"breed": f"{row['breed']}x"})


def test_a_ledger_that_was_restored_sends_nothing_that_the_card_bears_the_stamp_of(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 15)
    town.cycle()
    with town.ledger.write() as tx:  # as it was this morning
        for row in (*tx.session.exec(select(Notice)), *tx.session.exec(select(Due))):
            tx.session.delete(row)
    for _ in range(4):
        town.cycle()
        town.later(days=1)
    assert len(town.booking.messages) == 1
    town.due(tom, 15, "Dental")  # what it has not told yet, it tells
    town.cycle()
    assert len(town.booking.messages) == 2
    assert card == town.booking.messages[1][0]


def test_a_replay_makes_nobody_be_told_and_the_round_does(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 15)
    town.refresher.pass_()
    town.reader.pass_()
    with town.ledger.write() as tx:
        changes.receive(tx, site="town", account="booking", kind=Kind.REMINDER, remote_id=card, source=changes.REPLAY)
    town.work()
    assert town.shown(card)[0] == "Rabies"
    assert town.booking.messages == []
    town.cycle()
    assert len(town.booking.messages) == 1


def test_who_dies_or_opts_out_before_the_hour_is_told_nothing(town: Town) -> None:
    town.later(hours=20)
    _, (tom,), card = town.family("Ann", "Tom")
    _, (rex,), other = town.family("Bob", "Rex", phone="+447912000002")
    town.due(tom, 15)
    town.due(rex, 15)
    town.cycle()
    town.pims.edit(Kind.PET, tom, {"dead": "1"})
    town.booking.edit(Kind.CLIENT, other, {"silent": True})
    town.settle(limit=5 * 3600)
    assert town.booking.messages == []
    assert (town.shown(card), town.shown(other)) == (NOTHING, NOTHING)


def test_a_side_that_sends_none_is_not_asked_to(tmp_path: Path) -> None:
    able = memory_capabilities("booking", opt_outs=True)
    can = replace(able.of(Kind.REMINDER), notify=False, changed=ExactlyOnce.LOOK)
    side = MemorySide(replace(able, kinds={**able.kinds, Kind.REMINDER: can}))
    town = Town(tmp_path, notices=NOTICES, booking=side)
    _, (tom,), _ = town.family("Ann", "Tom")
    town.due(tom, 15)
    town.cycle()
    assert (side.messages, town.ended()) == ([], ["due-shown"])


def test_no_name_stands_in_the_clear(town: Town) -> None:
    _, (tom,), _ = town.family("Ann", "Tom")
    town.due(tom, 15, "Rabies jab")
    town.cycle()
    with town.ledger.read() as tx:
        kept = repr([*tx.session.exec(select(Notice)), *tx.session.exec(select(Due))])
    assert "Rabies" not in kept
    assert "Tom" not in kept
