"""A visit that is booked after one that its owner missed is linked to it as its follow-up."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.desk.links import listing
from vetbridge.desk.tracing import trace
from vetbridge.ledger import links, reviews
from vetbridge.ledger.tables import Link

JOHN = ("John", "Smith", "+447912000001")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner(*JOHN, "Bella", "Max")
    made.owner("Mary", "Jones", "+447912000002", "Rex")
    return made


def booked(rig: Rig, pet: str = "Bella", *, who: tuple[str, str, str] = JOHN, hours: float = 2, **more: Any) -> str:
    id_ = rig.book(*who, pet, hours=hours, **more)
    rig.run()
    return id_


def missed(rig: Rig, id_: str) -> None:
    """The owner does not come, and the practice says so."""
    rig.clock.advance(4 * 3600)
    rig.pims.edit(Kind.APPOINTMENT, link(rig, id_).pims_id, {"state": "missed"})
    rig.run()


def link(rig: Rig, id_: str) -> Link:
    with rig.ledger.read() as tx:
        found = links.of_booking(tx, "booking", Kind.APPOINTMENT, id_)
    assert found is not None
    return found


def follows(rig: Rig, id_: str, *, of: str) -> bool:
    return link(rig, id_).follows == link(rig, of).id


def test_a_booking_after_a_missed_visit_follows_it_and_that_is_shown(rig: Rig) -> None:
    first = booked(rig)
    assert link(rig, first).follows is None
    missed(rig, first)
    second = booked(rig, hours=48)
    assert follows(rig, second, of=first)
    with rig.ledger.read() as tx:
        shown = {
            each.booking_id: each.follows
            for each in listing(tx, site=None, kind="appointment", unlinked=False, limit=9).links
        }
        found = trace(tx, f"booking/appointment/{second}")
    assert shown == {first: None, second: link(rig, first).id}
    (told,) = [each.words for each in found.events if each.stage == "follows"]
    assert told == "follows the visit of Mon 02 Mar 11:00, which was missed"


def test_a_visit_that_the_desk_makes_follows_it_too(rig: Rig) -> None:
    first = booked(rig)
    missed(rig, first)
    row = rig.pims.row(Kind.APPOINTMENT, link(rig, first).pims_id)
    assert row is not None
    start = (rig.clock.now() + timedelta(days=2)).isoformat()
    visit = rig.pims.add(Kind.APPOINTMENT, {**row, "start": start, "state": "booked", "ref": "", "notes": ""})
    rig.run()
    with rig.ledger.read() as tx:
        made = links.of_pims(tx, "pims", Kind.APPOINTMENT, visit)
    assert made is not None
    assert made.follows == link(rig, first).id


def test_each_missed_visit_is_followed_once(rig: Rig) -> None:
    first = booked(rig)
    missed(rig, first)
    second, third = booked(rig, hours=48), booked(rig, hours=72)
    assert follows(rig, second, of=first)
    assert link(rig, third).follows is None


def test_a_follow_up_that_is_cancelled_makes_room_for_the_next_one(rig: Rig) -> None:
    first = booked(rig)
    missed(rig, first)
    second = booked(rig, hours=48)
    rig.booking.edit(Kind.APPOINTMENT, second, {"state": "cancelled"})
    rig.run()
    assert follows(rig, booked(rig, hours=72), of=first)


def test_another_pet_and_another_owner_follow_nothing(rig: Rig) -> None:
    first = booked(rig)
    missed(rig, first)
    assert link(rig, booked(rig, "Max", hours=48)).follows is None
    assert link(rig, booked(rig, "Rex", who=("Mary", "Jones", "+447912000002"), hours=50)).follows is None


@pytest.mark.parametrize("state", ["booked", "done"])
def test_a_visit_that_was_not_missed_is_not_followed(rig: Rig, state: str) -> None:
    first = booked(rig)
    rig.clock.advance(4 * 3600)
    rig.pims.edit(Kind.APPOINTMENT, link(rig, first).pims_id, {"state": state})
    rig.run()
    assert link(rig, booked(rig, hours=48)).follows is None


def test_after_sixty_days_it_is_over(rig: Rig) -> None:
    first = booked(rig)
    missed(rig, first)
    rig.clock.advance(61 * 86400)
    assert link(rig, booked(rig, hours=48)).follows is None


def test_an_owner_who_books_again_before_the_practice_has_said_so_follows_it_as_well(rig: Rig) -> None:
    """She rings up at noon; that she was missed is noted in the evening."""
    first = booked(rig)
    before = booked(rig, hours=96)
    rig.clock.advance(3 * 3600)
    second = booked(rig, hours=48)
    third = booked(rig, hours=72)
    missed(rig, first)
    assert link(rig, before).follows is None, "it was booked before that visit"
    assert follows(rig, second, of=first)
    assert link(rig, third).follows is None


def test_a_visit_whose_owner_a_person_names_follows_what_that_owner_missed(rig: Rig) -> None:
    first = booked(rig)
    missed(rig, first)
    owner = rig.pims.row(Kind.APPOINTMENT, link(rig, first).pims_id)
    assert owner is not None
    second = booked(rig, "Firebird", who=("Igor", "Stravinsky", "+447912000001"), hours=48)
    assert link(rig, second).unlinked
    assert link(rig, second).follows is None
    with rig.ledger.write() as tx:
        (item,) = reviews.open_items(tx)
        said = Answer(choice=Choice.LINK, client_id=owner["owner"], pet_id=owner["pet"])
        reviews.answer(tx, item, said, "Kim")
    rig.run()
    assert not link(rig, second).unlinked
    assert follows(rig, second, of=first)


def test_a_visit_that_is_given_to_somebody_else_follows_nothing_any_more(rig: Rig) -> None:
    first = booked(rig)
    missed(rig, first)
    second = booked(rig, hours=48)
    mary = next(each["id"] for each in rig.pims.rows(Kind.CLIENT) if each["name"]["family"] == "Jones")
    rig.pims.edit(Kind.APPOINTMENT, link(rig, second).pims_id, {"owner": mary, "pet": None})
    rig.run()
    assert link(rig, second).follows is None
