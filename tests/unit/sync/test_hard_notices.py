"""What would send owners a message by mistake: old news, a second card, a backup, a clock that is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from sqlmodel import select

from tests.unit.sync.due_rig import NOTHING, NOTICES, POLICY, Town
from vetbridge.config.models import Retention
from vetbridge.core.errors import Unavailable
from vetbridge.core.records import Kind
from vetbridge.daemon.once import Outcome
from vetbridge.ledger import changes, due, mirror, pruning
from vetbridge.ledger.going_live import RESTORED_AT
from vetbridge.ledger.tables import Change, ChangeState, Meta, Notice, Record
from vetbridge.sync.due_services import BY_DESIGN


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path, notices=NOTICES)


def test_nobody_is_told_by_what_was_read_on_another_day(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 18)
    town.cycle()
    town.later(days=3)  # VetBridge stood still; meanwhile the pet was vaccinated
    town.pims.add(
        Kind.VACCINATION,
        {"pet_id": tom, "service": "Rab", "name": "Rabies", "given_on": town.day(-1), "due_on": town.day(364)},
    )
    for read in (lambda: 0, town.receiver.poll_desk, town.reader.pass_):
        read()
        town.round.pass_()
        town.work()
        assert town.booking.messages == []
    assert town.shown(card)[0] == ""


def test_a_notice_of_last_week_waits_until_the_pims_is_read(town: Town) -> None:
    town.later(days=4, hours=10)  # Friday evening
    _, (tom,), _ = town.family("Ann", "Tom")
    town.due(tom, 15)
    town.cycle()
    town.later(days=2, hours=15)
    town.work()
    assert (town.booking.messages, town.ended()) == ([], ["notice-unread"])
    town.receiver.poll_desk()
    town.reader.pass_()
    town.later(minutes=10)
    town.work()
    assert len(town.booking.messages) == 1


def test_who_has_two_cards_is_told_once(town: Town) -> None:
    owner, (tom,), card = town.family("Ann", "Tom")
    other = town.booking.add(Kind.CLIENT, {"name": {"given": "Ann", "family": "Weiss"}, "phones": []})
    town.link(other, owner)
    town.due(tom, 15)
    for _ in range(5):
        town.cycle()
        town.later(days=1)
    assert [id_ for id_, _ in town.booking.messages] == [card]
    assert town.shown(other)[0] == "Rabies"


def test_partners_on_one_card_do_not_hear_again_what_one_was_told_on_the_own_card(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    bob, (rex,), _ = town.family("Bob", "Rex", phone="+447912000002")
    town.link(card, bob)
    town.due(tom, 16)
    town.due(rex, 15, "Dental")
    told = []
    for _ in range(6):
        town.cycle()
        town.later(days=1)
        told = [text for _, text in town.booking.messages]
    assert sum("Dental" in text for text in told) == 1


def test_days_up_to_that_of_a_restore_are_told_nobody(town: Town) -> None:
    _, (tom,), _ = town.family("Ann", "Tom")
    _, (rex,), card = town.family("Bob", "Rex", phone="+447912000002")
    town.due(tom, 15)  # told since the backup, as far as anybody knows
    town.due(rex, 16)
    with town.ledger.write() as tx:
        tx.session.add(Meta(key=RESTORED_AT, value=tx.now.isoformat()))
    for _ in range(4):
        town.cycle()
        town.later(days=1)
    assert [id_ for id_, _ in town.booking.messages] == [card]


def test_a_site_that_sends_none_for_a_while_begins_anew(town: Town) -> None:
    with town.ledger.write() as tx:
        due.notices_since(tx, "town", town.today)
        due.notices_since(tx, "city", town.today)
        due.notices_only(tx, ["city"])
        assert due.notices_began(tx, "town") is None
        assert due.notices_began(tx, "city") == town.today


def test_a_side_that_was_away_tells_nobody_twice_by_two_cards(town: Town) -> None:
    owner, (tom,), _ = town.family("Ann", "Tom")
    other = town.booking.add(Kind.CLIENT, {"name": {"given": "Ann", "family": "Weiss"}, "phones": []})
    town.link(other, owner)
    town.due(tom, 15)
    town.start(
        point=lambda name: town.booking.fail(Unavailable("away"), times=1) if name == "notice-intended" else None
    )
    town.cycle()
    town.start()
    town.settle()
    assert len(town.booking.messages) == 1


def test_a_notice_that_waits_for_its_hours_is_no_leftover_of_a_pass(town: Town) -> None:
    town.later(hours=20)
    _, (tom,), _ = town.family("Ann", "Tom")
    town.due(tom, 15)
    town.cycle()
    with town.ledger.read() as tx:
        states = changes.states_since(tx, 0)
        waits = changes.count_waiting(tx, 0, BY_DESIGN)
    assert states == {"waiting": 1}
    assert Outcome(states, (), unreachable=False, at_their_hour=waits).exit_code == 0
    assert Outcome({"waiting": 2}, (), unreachable=False, at_their_hour=waits).exit_code == 4


def test_visits_are_kept_for_as_long_as_they_may_hold_something_back(town: Town) -> None:
    owner, (tom,), card = town.family("Ann", "Tom")
    town.pims.add(
        Kind.APPOINTMENT,
        {"owner": owner, "pet": tom, "start": "2024-11-04T09:00:00+00:00", "seconds": 900, "type": "2", "who": "v1"},
    )
    town.due(tom, -470)
    town.policy = replace(POLICY, overdue=600)
    town.start()
    with town.ledger.write() as tx:
        due.keep_visits_for(tx, timedelta(days=0))
    town.cycle()
    assert town.shown(card)[4]  # the visit that dealt with it was never read
    with town.ledger.write() as tx:
        due.keep_visits_for(tx, timedelta(days=631))
        due.keep_visits_for(tx, timedelta(days=631))
        assert not due.is_read(tx, "pims")
    town.cycle()
    assert not town.shown(card)[4]
    pruning.prune_rows(town.ledger, Retention())
    with town.ledger.read() as tx:
        assert mirror.count(tx, "pims", Kind.APPOINTMENT) == 1


def test_an_owner_of_many_pets_gets_one_short_message(town: Town) -> None:
    _, pets, _ = town.family("Shelter", *(f"Pet{number:03}" for number in range(60)))
    for number, pet in enumerate(pets):
        town.due(pet, 15, f"Service {number % 12}")
    for _ in range(3):
        town.cycle()
        town.later(days=1)
    assert len(town.booking.messages) == 1
    text = town.booking.messages[0][1]
    assert len(text) < 200
    assert text.count("Pet") == 5
    assert text.count("Service") == 5
    assert "..." in text


def test_a_card_that_was_hidden_for_a_while_loses_what_a_pet_that_died_left_there(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 10)
    town.cycle()
    town.booking.hide([card])
    town.pims.edit(Kind.PET, tom, {"dead": "1"})
    town.cycle()
    assert town.ended()[-1] == "gone"
    town.booking.hide([])
    assert town.shown(card)[0] == "Rabies"
    town.later(days=1)
    town.cycle()
    assert town.shown(card) == NOTHING


def test_notices_go_once_nothing_of_them_could_be_told_again(town: Town) -> None:
    with town.ledger.write() as tx:
        due.intend(tx, "booking", "k1", ["a"], "one")
        due.ended(tx, "booking", "k1", "one", due.SENT)
        due.intend(tx, "booking", "k2", ["b"], "two")
    for days, left in ((2 * 366 + 1, 2), (3 * 366, 1)):
        town.later(days=days)
        pruning.prune_rows(town.ledger, Retention())
        with town.ledger.read() as tx:
            assert len(tx.session.exec(select(Notice)).all()) == left


def test_a_clock_that_both_sides_contradict_sends_nothing(town: Town) -> None:
    _, (tom,), _ = town.family("Ann", "Tom")
    town.due(tom, 15)
    right = format_datetime(town.clock.now() - timedelta(days=365), usegmt=True)
    for end in (town.pair.booking, town.pair.pims):
        end.connector.skew.heard(right)
    town.cycle()
    assert (town.booking.messages, town.ended()) == ([], ["notice-clock"])
    town.pair.pims.connector.skew.heard(format_datetime(town.clock.now(), usegmt=True))
    town.settle()
    assert len(town.booking.messages) == 1


def test_who_has_just_booked_is_told_nothing_until_that_is_settled(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 15)
    lane = changes.client_lane("booking", card)
    with town.ledger.write() as tx:
        change = changes.receive(
            tx, site="town", account="booking", kind=Kind.APPOINTMENT, remote_id="v9", source="poll"
        )
        change.state = ChangeState.REVIEW
        tx.session.get_one(Record, change.record_id).lane = lane
    town.cycle()
    assert (town.booking.messages, town.ended()) == ([], ["notice-booking"])
    with town.ledger.write() as tx:
        tx.session.get_one(Change, change.id).state = ChangeState.DONE
    town.settle()
    assert len(town.booking.messages) == 1
