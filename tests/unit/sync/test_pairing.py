"""Both sides are full when VetBridge arrives: what stands on both is recognised, and nothing is created twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from vetbridge.core.answers import PAIR_CLIENT, PAIR_VISIT, Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.desk.changes import Selection, listing
from vetbridge.desk.find import find
from vetbridge.ledger import going_live, links, reviews
from vetbridge.ledger.retention import drop_bodies
from vetbridge.ledger.tables import ChangeState


class Town:
    """A rig whose people kept both sides by hand."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder)
        self.rig.meet()
        self.smith = self.rig.owner("John", "Smith", "+447912000001", "Bella", email="john@example.com")
        self.bella = self.pet_of(self.smith)

    def pet_of(self, client_id: str) -> str:
        return str(next(row["id"] for row in self.rig.pims.rows(Kind.PET) if row["owner"] == client_id))

    def visit(self, client_id: str, pet_id: str, *, hours: float, **more: Any) -> str:
        """A visit that the desk has typed."""
        return self.rig.pims.add(
            Kind.APPOINTMENT,
            {
                "owner": client_id,
                "pet": pet_id,
                "start": (self.rig.clock.now() + timedelta(hours=hours)).isoformat(),
                "seconds": 900,
                "type": "2",
                "who": "v1",
                "state": "booked",
                **more,
            },
        )

    def linked(self, kind: Kind) -> dict[str, str]:
        with self.rig.ledger.read() as tx:
            ids = sorted(links.booking_ids(tx, "booking", kind))
            found = [(id_, links.of_booking(tx, "booking", kind, id_)) for id_ in ids]
        return {id_: link.pims_id for id_, link in found if link is not None}

    def answer(self, why: str, answer: Answer) -> None:
        with self.rig.ledger.write() as tx:
            item = next(one for one in reviews.open_items(tx) if one.why == why)
            reviews.answer(tx, item, answer, "Kim")

    def go_live(self) -> None:
        self.rig.approve()
        self.rig.run()

    def counts(self) -> tuple[int, ...]:
        kinds = (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)
        return tuple(len(side.rows(kind)) for side in (self.rig.booking, self.rig.pims) for kind in kinds)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


def test_what_stands_on_both_sides_is_paired_and_not_made_again(town: Town) -> None:
    booking = town.rig.book("John", "Smith", "07912 000001", "Bella", hours=30)
    visit = town.visit(town.smith, town.bella, hours=30)
    before = town.counts()

    report = town.rig.pair_up()

    assert (report.clients_paired, report.visits_paired) == (1, 1)
    assert town.linked(Kind.APPOINTMENT) == {booking: visit}
    assert list(town.linked(Kind.CLIENT).values()) == [town.smith]
    town.go_live()
    assert town.counts() == before
    assert not [each for each in town.rig.changes() if each.state == ChangeState.FAILED]
    assert not town.rig.questions()


def test_what_changes_after_pairing_flows(town: Town) -> None:
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    visit = town.visit(town.smith, town.bella, hours=30, notes="nervous dog")
    town.go_live()

    later = (town.rig.clock.now() + timedelta(hours=33)).isoformat()
    town.rig.booking.edit(Kind.APPOINTMENT, booking, {"start": later})
    town.rig.run()

    assert town.rig.pims.row(Kind.APPOINTMENT, visit)["start"][:16] == later[:16]
    assert town.rig.pims.row(Kind.APPOINTMENT, visit)["notes"] == "nervous dog"


def test_in_the_shadow_nothing_is_written_and_nothing_is_late(town: Town) -> None:
    town.rig.pair_up()
    before = town.counts()
    soon = town.rig.book("New", "Person", "+447912000099", "Kiwi", hours=1)
    later = town.rig.book("Other", "Person", "+447912000098", "Mango", hours=50)

    town.rig.run()
    town.rig.clock.advance(7200)
    town.rig.run()

    assert town.counts()[3:] == before[3:], "the PIMS is as it was"
    assert {each.state for each in town.rig.changes()} == {ChangeState.RECEIVED}
    town.go_live()
    endings = {each.remote_id: (each.state, each.code) for each in town.rig.changes()}
    assert endings[soon] == (ChangeState.SKIPPED, "visit-has-begun"), "it was carried over by hand"
    assert endings[later][0] == ChangeState.DONE


def test_what_people_type_on_both_sides_in_the_shadow_is_paired_before_writing_begins(town: Town) -> None:
    town.rig.pair_up()
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella", hours=20)
    town.rig.run()
    visit = town.visit(town.smith, town.bella, hours=20)
    before = town.counts()

    town.go_live()

    assert town.linked(Kind.APPOINTMENT) == {booking: visit}
    assert town.counts() == before


def test_a_visit_on_the_partners_record_does_not_say_whose_card_it_is(town: Town) -> None:
    phone = "+447912000042"
    ali = town.rig.owner("Ali", "Begum", phone, "Simba", email="ali@example.com")
    anna = town.rig.owner("Anna", "Begum", phone, "Barney", email="anna@example.com")
    booking = town.rig.book("Ai", "Begum", phone, "", hours=30, email="ali@example.com")
    visit = town.visit(anna, town.pet_of(anna), hours=30)

    town.rig.pair_up()

    assert town.linked(Kind.APPOINTMENT) == {booking: visit}
    assert anna not in town.linked(Kind.CLIENT).values()
    with town.rig.ledger.read() as tx:
        asked = [one.why for one in reviews.open_items(tx)]
    assert ali in town.linked(Kind.CLIENT).values() or asked == [PAIR_CLIENT]


def test_a_visit_that_stands_on_one_side_alone_is_carried_over_after_approval(town: Town) -> None:
    town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    report = town.rig.pair_up()
    assert report.only_at_booking == 1
    town.go_live()
    assert [row["owner"] for row in town.rig.visits()] == [town.smith]


def test_writing_begins_only_after_pairing_once_more(town: Town) -> None:
    town.rig.pair_up()
    town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    town.rig.clock.advance(1)
    with town.rig.ledger.write() as tx:
        going_live.approve(tx, "town", "admin")
    town.rig.run()
    assert town.rig.visits() == []
    town.go_live()
    assert len(town.rig.visits()) == 1


def test_a_visit_at_another_time_is_asked_about_and_neither_is_carried_over(town: Town) -> None:
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    visit = town.visit(town.smith, town.bella, hours=30.25)
    before = town.counts()
    town.go_live()
    assert [item.why for item in town.rig.questions()] == [PAIR_VISIT]
    assert town.counts() == before
    assert town.linked(Kind.APPOINTMENT) == {}

    town.answer(PAIR_VISIT, Answer(choice=Choice.PIMS))
    town.rig.run()

    assert town.linked(Kind.APPOINTMENT) == {booking: visit}
    assert town.counts() == before
    at_booking = town.rig.booking.row(Kind.APPOINTMENT, booking)["start"]
    assert at_booking[:16] == town.rig.pims.row(Kind.APPOINTMENT, visit)["start"][:16]
    assert not town.rig.questions()


def test_two_visits_that_are_not_one_are_each_carried_over(town: Town) -> None:
    town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    town.visit(town.smith, town.bella, hours=33)
    town.go_live()
    town.answer(PAIR_VISIT, Answer(choice=Choice.AGAIN))
    town.rig.run()
    assert len(town.rig.visits()) == 2
    assert len(town.rig.booking.rows(Kind.APPOINTMENT)) == 2


def test_visits_that_shall_stay_as_they_are_stay(town: Town) -> None:
    town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    town.visit(town.smith, town.bella, hours=33)
    before = town.counts()
    town.go_live()
    town.answer(PAIR_VISIT, Answer(choice=Choice.KEEP))
    town.rig.run()
    town.rig.sweeper.sweep()
    town.rig.settle()
    assert town.counts() == before
    assert not town.rig.questions()


def test_a_question_ends_where_one_of_the_two_is_cancelled(town: Town) -> None:
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    town.visit(town.smith, town.bella, hours=33)
    town.go_live()
    town.rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    town.rig.run()
    assert not town.rig.questions()
    standing = [row for row in town.rig.booking.rows(Kind.APPOINTMENT) if row["state"] != "cancelled"]
    assert len(standing) == 1, "the visit of the PIMS is carried over by itself now"


def test_a_second_pet_at_the_same_time_shares_the_booking(town: Town) -> None:
    rocky = town.rig.pims.add(Kind.PET, {"owner": town.smith, "name": "Rocky", "species": "D"})
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    visit = town.visit(town.smith, town.bella, hours=30)
    town.visit(town.smith, rocky, hours=30)
    before = town.counts()
    town.go_live()
    town.rig.sweeper.sweep()
    town.rig.settle()
    assert town.linked(Kind.APPOINTMENT) == {booking: visit}
    assert town.counts() == before
    assert not town.rig.questions()


def test_a_doubtful_client_is_known_by_the_visit_that_stands_on_both_sides(town: Town) -> None:
    """Two registrations of one person: nobody could say which, but the desk has put the visit on one of them."""
    twin = town.rig.owner("John", "Smith", "+447912000001", "Bella", email="john@example.com")
    town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    visit = town.visit(twin, town.pet_of(twin), hours=30)
    before = town.counts()
    town.go_live()
    assert list(town.linked(Kind.APPOINTMENT).values()) == [visit]
    assert set(town.linked(Kind.CLIENT).values()) <= {town.smith, twin}
    assert town.counts() == before


def test_a_client_nobody_can_be_sure_of_is_asked_about_once(town: Town) -> None:
    town.rig.booking.add(Kind.CLIENT, {"name": {"given": "Peter", "family": "Jones"}, "phones": ["+447912000001"]})
    report = town.rig.pair_up()
    assert report.clients_asked == 1
    assert [item.why for item in town.rig.questions()] == [PAIR_CLIENT]
    assert town.rig.pair_up().clients_asked == 0

    town.answer(PAIR_CLIENT, Answer(choice=Choice.LINK, client_id=town.smith))
    town.rig.pair_up()

    assert list(town.linked(Kind.CLIENT).values()) == [town.smith]
    assert not town.rig.questions()
    town.go_live()
    assert town.rig.changes()[-1].state == ChangeState.SKIPPED


def test_an_answer_that_comes_after_going_live_is_carried_out_by_the_engine(town: Town) -> None:
    town.rig.booking.add(Kind.CLIENT, {"name": {"given": "Peter", "family": "Jones"}, "phones": ["+447912000001"]})
    town.go_live()
    town.answer(PAIR_CLIENT, Answer(choice=Choice.LINK, client_id=town.smith))
    town.rig.run()
    assert list(town.linked(Kind.CLIENT).values()) == [town.smith]


def test_the_same_pass_again_changes_nothing(town: Town) -> None:
    town.rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    town.visit(town.smith, town.bella, hours=30)
    town.rig.pair_up()
    before = town.linked(Kind.APPOINTMENT), town.linked(Kind.CLIENT)
    again = town.rig.pair_up()
    assert (again.clients_paired, again.visits_paired, again.visits_asked) == (0, 0, 0)
    assert before == (town.linked(Kind.APPOINTMENT), town.linked(Kind.CLIENT))


def test_history_is_left_alone(town: Town) -> None:
    town.rig.book("John", "Smith", "+447912000001", "Bella", hours=-200)
    town.visit(town.smith, town.bella, hours=-100)
    town.go_live()
    assert town.rig.changes() == []


def test_a_pet_that_is_listed_under_a_misspelt_name_is_not_listed_twice(town: Town) -> None:
    card = town.rig.booking.add(
        Kind.CLIENT, {"name": {"given": "John", "family": "Smith"}, "phones": ["+447912000001"]}
    )
    town.rig.booking.add(Kind.PET, {"owner": card, "name": "Belka", "species": "D"})
    town.visit(town.smith, town.bella, hours=30)
    town.go_live()
    (booking,) = town.rig.booking.rows(Kind.APPOINTMENT)
    assert booking["owner"] == card
    assert [row["name"] for row in town.rig.booking.rows(Kind.PET)] == ["Belka"]


def second_pet(town: Town, *, named: bool) -> tuple[str, list[str]]:
    """A booking for two pets, which the desk has typed as two visits at one time with one vet."""
    rocky = town.rig.pims.add(Kind.PET, {"owner": town.smith, "name": "Rocky", "species": "D"})
    booking = town.rig.book("John", "Smith", "+447912000001", "Bella" if named else "", hours=30)
    return booking, [town.visit(town.smith, pet, hours=30) for pet in (town.bella, rocky)]


@pytest.mark.parametrize("named", [True, False])
def test_both_visits_of_one_booking_move_and_end_with_it(town: Town, named: bool) -> None:
    booking, visits = second_pet(town, named=named)
    before = town.counts()
    town.go_live()
    assert (town.counts(), town.rig.questions()) == (before, ())

    later = (town.rig.clock.now() + timedelta(hours=35)).isoformat()
    town.rig.booking.edit(Kind.APPOINTMENT, booking, {"start": later})
    town.rig.run()
    assert {row["start"][:16] for row in town.rig.visits()} == {later[:16]}
    town.rig.booking.edit(Kind.APPOINTMENT, booking, {"state": "cancelled"})
    town.rig.run()
    assert [row["state"] for row in town.rig.visits()] == ["cancelled", "cancelled"]
    assert town.counts() == before
    assert len(visits) == 2


def test_what_stands_beside_a_visit_that_is_asked_about_waits_for_the_answer(town: Town) -> None:
    town.rig.book("John", "Smith", "+447912000001", "", hours=30)
    second_pet(town, named=False)
    before = town.counts()
    third = town.visit(town.smith, town.bella, hours=30)
    town.go_live()
    assert town.counts()[2] == before[2], "nothing is carried to the booking side"
    while town.rig.questions():
        town.answer(PAIR_VISIT, Answer(choice=Choice.PIMS))
        town.rig.run()
    assert town.counts()[2] == before[2]
    assert town.rig.pims.row(Kind.APPOINTMENT, third)["state"] == "booked"


def test_what_stood_on_both_sides_before_is_found_and_kept_until_its_visit_is_over(town: Town) -> None:
    rig = town.rig
    booking = rig.book("John", "Smith", "+447912000001", "Bella", hours=200 * 24)
    visit = town.visit(town.smith, town.bella, hours=200 * 24)
    rig.pair_up()
    assert town.linked(Kind.APPOINTMENT) == {booking: visit}
    assert rig.changes() == []

    def found(text: str) -> list[tuple[str, str, int | None]]:
        with rig.ledger.read() as tx:
            visits = find(tx, rig.sites(), text).visits
        return [(each.state, each.remote_id, each.change_id) for each in visits]

    for text in ("smith", "07912 000001", "bella"):
        assert found(text) == [("in", booking, None)]
    rig.clock.advance(100 * 86400)
    assert drop_bodies(rig.ledger, 90).subjects == 0
    assert found("smith") == [("in", booking, None)]
    rig.clock.advance(200 * 86400)
    assert drop_bodies(rig.ledger, 90).subjects == 2
    assert found("smith") == []


def test_a_booking_and_a_client_that_are_asked_about_are_found(town: Town) -> None:
    rig = town.rig
    booking = rig.book("John", "Smith", "+447912000001", "Bella", hours=30)
    town.visit(town.smith, town.bella, hours=33)
    rig.booking.add(Kind.CLIENT, {"name": {"given": "Peter", "family": "Jones"}, "phones": ["+447912000001"]})
    rig.pair_up()
    by_why = {item.why: item for item in rig.questions()}
    assert by_why.keys() == {PAIR_VISIT, PAIR_CLIENT}
    with rig.ledger.read() as tx:
        (asked,) = find(tx, rig.sites(), "smith").visits
        (about,) = listing(tx, rig.sites(), Selection(name="jones"), limit=9).changes
    assert (asked.remote_id, asked.item_id) == (booking, by_why[PAIR_VISIT].id)
    assert about.change.id == by_why[PAIR_CLIENT].change_id
