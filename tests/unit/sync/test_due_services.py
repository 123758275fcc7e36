"""What stands on a card is what is due today, for those who live and want to hear of it; nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.sync.due_rig import NOTHING, Town
from tests.unit.sync.test_undoing import begin, undo
from vetbridge.core.records import Kind
from vetbridge.ledger import links
from vetbridge.sync.receiving import Receiver


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


def test_the_card_names_the_next_service_of_all_pets(town: Town) -> None:
    _, (tom, rex), card = town.family("Ann", "Tom", "Rex")
    town.due(tom, 60)
    town.due(rex, 20, "Dental")
    town.cycle()
    assert town.shown(card) == ("Dental", "Rex", town.day(20), True, False)
    assert town.ended() == ["due-shown"]


def test_a_settled_card_is_left_alone(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 20)
    town.cycle()
    written = len(town.booking.written)
    for _ in range(3):
        town.cycle()
        town.later(days=1)
    assert len(town.booking.written) == written
    assert town.shown(card)[0] == "Rabies"


def test_nobody_is_written_to_for_whom_nothing_is_due(town: Town) -> None:
    town.family("Ann", "Tom")
    town.cycle()
    assert town.booking.written == []
    assert town.changes() == []


@pytest.mark.parametrize("how", [{"dead": "1"}, {"active": False}])
def test_a_pet_that_died_is_off_the_card_within_one_cycle(town: Town, how: dict[str, object]) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 20)
    town.due(tom, -20, "Dental")
    town.cycle()
    assert town.shown(card) == ("Rabies", "Tom", town.day(20), True, True)
    town.pims.edit(Kind.PET, tom, how)
    town.refresher.pass_()
    assert town.changes()[-1].urgent
    reads = town.pims.calls["get"]
    town.work()
    assert town.shown(card) == NOTHING
    assert town.pims.calls["get"] == reads
    assert town.ended()[-1] == "due-cleared"


def test_of_two_pets_the_one_that_lives_stays(town: Town) -> None:
    _, (tom, rex), card = town.family("Ann", "Tom", "Rex")
    town.due(tom, 10)
    town.due(rex, 20, "Dental")
    town.cycle()
    town.pims.edit(Kind.PET, tom, {"dead": "1"})
    town.cycle()
    assert town.shown(card) == ("Dental", "Rex", town.day(20), True, False)


def test_a_death_that_is_not_known_yet_is_found_before_anything_is_put_there(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 20)
    town.refresher.pass_()
    town.reader.pass_()
    town.pims.edit(Kind.PET, tom, {"dead": "1"})
    town.round.pass_()
    town.work()
    assert town.shown(card) == NOTHING
    assert town.booking.written == []


def test_who_has_left_the_clinic_has_nothing_on_the_card(town: Town) -> None:
    owner, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 20)
    town.cycle()
    town.pims.edit(Kind.CLIENT, owner, {"active": False})
    town.refresher.pass_()
    town.work()
    assert town.shown(card) == NOTHING


def test_a_booked_visit_holds_the_service_back_and_a_cancelled_one_does_not(town: Town) -> None:
    owner, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 20)
    town.cycle()
    start = f"{town.day(18)}T10:00:00+00:00"
    visit = town.pims.add(
        Kind.APPOINTMENT, {"owner": owner, "pet": tom, "start": start, "seconds": 900, "type": "2", "who": "v1"}
    )
    town.cycle()
    assert town.shown(card) == NOTHING
    town.pims.edit(Kind.APPOINTMENT, visit, {"state": "cancelled"})
    town.cycle()
    assert town.shown(card)[0] == "Rabies"


def test_visits_from_before_reminders_were_wanted_are_known(town: Town) -> None:
    owner, (tom,), card = town.family("Ann", "Tom")
    start = f"{town.day(18)}T10:00:00+00:00"
    town.pims.add(
        Kind.APPOINTMENT, {"owner": owner, "pet": tom, "start": start, "seconds": 900, "type": "2", "who": "v1"}
    )
    Receiver(replace(town.pair, due=None), town.ledger).poll_desk()
    town.due(tom, 20)
    town.cycle()
    assert town.shown(card) == NOTHING


def test_what_was_given_is_off_the_card(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    id_ = town.due(tom, 20)
    town.cycle()
    town.pims.edit(Kind.REMINDER, id_, {"completed": True})
    town.cycle()
    assert town.shown(card) == NOTHING


def test_a_day_brings_what_is_due_by_then(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 40)
    town.cycle()
    assert town.shown(card) == ("Rabies", "Tom", town.day(40), False, False)
    town.later(days=10)
    town.cycle()
    assert town.shown(card) == ("Rabies", "Tom", town.day(30), True, False)
    town.later(days=31)
    town.cycle()
    assert town.shown(card) == ("", "", None, False, True)


def test_who_opts_out_on_the_card_has_nothing_on_it_and_may_opt_in_again(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 20)
    town.cycle()
    town.booking.edit(Kind.CLIENT, card, {"silent": True})
    town.receiver.poll()
    town.work()
    assert town.shown(card) == NOTHING
    town.booking.edit(Kind.CLIENT, card, {"silent": False})
    town.receiver.poll()
    town.work()
    town.cycle()
    assert town.shown(card)[0] == "Rabies"


def test_our_own_write_makes_no_news_of_the_client(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.booking.edit(Kind.CLIENT, card, {})
    town.receiver.poll()
    town.work()
    before = len(town.changes())
    town.due(tom, 20)
    town.cycle()
    town.receiver.poll()
    town.work()
    assert [change.kind for change in town.changes()[before:]] == [Kind.REMINDER]
    assert town.questions() == ()


def test_partners_who_share_a_card_share_what_is_due(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    bob = town.owner("Bob", "Weiss", "+447912000001", "Rex")
    (rex,) = (row["id"] for row in town.pims.rows(Kind.PET) if row["owner"] == bob)
    town.share(card, bob)
    town.due(tom, 20)
    town.due(rex, 10, "Dental")
    town.cycle()
    assert town.shown(card)[:2] == ("Dental", "Rex")


def test_a_card_that_is_somebody_elses_now_says_what_is_due_for_them(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    bob = town.owner("Bob", "Weiss", "+447912000002", "Rex")
    (rex,) = (row["id"] for row in town.pims.rows(Kind.PET) if row["owner"] == bob)
    town.due(tom, 20)
    town.due(rex, 10, "Dental")
    town.cycle()
    town.link(card, bob)
    town.cycle()
    assert town.shown(card)[:2] == ("Dental", "Rex")
    with town.ledger.write() as tx:
        link = links.of_booking(tx, "booking", Kind.CLIENT, card)
        assert link is not None
        links.end(tx, link)
    town.cycle()
    assert town.shown(card) == NOTHING


def test_a_pet_that_moved_goes_from_one_card_to_the_other(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    bob, _, other = town.family("Bob", phone="+447912000002")
    town.due(tom, 20)
    town.cycle()
    town.pims.edit(Kind.PET, tom, {"owner": bob})
    town.cycle()
    assert (town.shown(card), town.shown(other)[:2]) == (NOTHING, ("Rabies", "Tom"))


def test_an_answer_that_was_lost_is_looked_for(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 20)
    town.booking.lose_answers(done=True)
    town.cycle()
    town.settle()
    assert town.shown(card)[0] == "Rabies"
    assert len(town.booking.written) == 1
    assert town.ended() == ["due-stands"]


def test_an_undo_takes_off_what_a_run_has_put_there_and_brings_back_nothing(town: Town) -> None:
    _, (tom,), card = town.family("Ann", "Tom")
    town.due(tom, 20)
    town.cycle()
    run = begin(town)
    town.due(tom, 10, "Dental")
    town.cycle()
    town.meet(start_live=True)
    assert undo(town, run) == {"update reminder": (True, "written-back")}
    assert town.shown(card) == NOTHING
    town.cycle()
    assert town.shown(card) == NOTHING
    town.approve()
    town.cycle()
    assert town.shown(card)[0] == "Dental"
