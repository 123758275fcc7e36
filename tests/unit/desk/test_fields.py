"""Field by field: each side is right in some of what both have changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from vetbridge.core.answers import Answer, Choice
from vetbridge.core.records import Kind
from vetbridge.desk import answering
from vetbridge.desk.answering import CannotAnswer
from vetbridge.desk.review import ReviewItem, find_item, open_items
from vetbridge.ledger import reviews


class Clash:
    """A booking and its visit, moved and given to another vet on both sides at once."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder)
        self.sites = self.rig.sites()
        self.rig.owner("John", "Smith", "+447912000001", "Bella")
        self.rig.refresher.pass_()
        self.id = self.rig.book("John", "Smith", "+447912000001", "Bella")
        self.rig.run()
        self.first = self.visit()["start"]
        self.booked, self.moved = self.later(30), self.later(40)
        self.rig.booking.edit(Kind.APPOINTMENT, self.id, {"start": self.booked, "who": "v2"})
        self.rig.pims.edit(Kind.APPOINTMENT, self.visit()["id"], {"start": self.moved, "who": "v3"})
        self.rig.run()

    def later(self, hours: float) -> str:
        return (datetime.fromisoformat(self.visit()["start"]) + timedelta(hours=hours)).isoformat()

    def visit(self) -> dict[str, Any]:
        (visit,) = self.rig.visits()
        return visit

    def stand(self) -> list[tuple[str, str]]:
        """Time and vet, at the booking side and in the PIMS."""
        booking = self.rig.booking.row(Kind.APPOINTMENT, self.id)
        assert booking is not None
        return [(row["start"][:16], row["who"]) for row in (booking, self.visit())]

    def item(self) -> ReviewItem:
        with self.rig.ledger.read() as tx:
            (item,) = open_items(tx, self.sites)
        return item

    def edit(self, side: str, fields: Mapping[str, Any]) -> None:
        if side == "booking":
            self.rig.booking.edit(Kind.APPOINTMENT, self.id, dict(fields))
        else:
            self.rig.pims.edit(Kind.APPOINTMENT, self.visit()["id"], dict(fields))

    def give(self, fields: Mapping[str, str], choice: Choice = Choice.FIELDS) -> str:
        with self.rig.ledger.write() as tx:
            answer = Answer(choice=choice, fields=fields)
            return answering.give(tx, self.sites, self.item().id, answer, by="ann").consequence

    def written(self) -> int:
        return len(self.rig.booking.written) + len(self.rig.pims.written)


@pytest.fixture
def clash(tmp_path: Path) -> Clash:
    made = Clash(tmp_path)
    item = made.item()
    assert (item.why, item.fields) == ("conflict", ("resource", "start"))
    assert item.choices == ("booking", "pims", "fields", "keep")
    return made


@pytest.mark.parametrize(
    "right", [{"start": "booking", "resource": "pims"}, {"start": "pims", "resource": "booking"}]
)
def test_each_field_is_as_it_was_said_on_both_sides(clash: Clash, right: dict[str, str]) -> None:
    start = clash.booked if right["start"] == "booking" else clash.moved
    vet = "v2" if right["resource"] == "booking" else "v3"
    clash.give(right)
    clash.rig.run()
    assert clash.stand() == [(start[:16], vet)] * 2
    with clash.rig.ledger.read() as tx:
        item = find_item(tx, clash.sites, 1)
    assert item is not None
    assert item.given is not None
    assert (item.given.choice, item.given.fields, item.given.applied_at is not None) == ("fields", right, True)
    written = clash.written()
    clash.rig.run()
    clash.rig.sweeper.sweep()
    clash.rig.run()
    assert (clash.written(), clash.rig.questions()) == (written, ())


def test_all_from_one_side_is_the_same_as_that_side(clash: Clash) -> None:
    clash.give({"start": "pims", "resource": "pims"})
    clash.rig.run()
    assert clash.stand() == [(clash.moved[:16], "v3")] * 2


def test_it_says_what_each_side_takes_over(clash: Clash) -> None:
    words = clash.give({"start": "booking", "resource": "pims"})
    start = datetime.fromisoformat(clash.booked)
    assert f"The PIMS takes over: time {start:%a %d %b %H:%M}, not" in words
    assert "The booking side takes over: vet or room vet_3, not vet_2." in words


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"start": "booking"},
        {"start": "booking", "resource": "nobody"},
        {"start": "pims", "resource": "pims", "x": "pims"},
    ],
)
def test_every_field_has_to_be_said(clash: Clash, fields: dict[str, str]) -> None:
    with pytest.raises(CannotAnswer, match="resource, start") as refused:
        clash.give(fields)
    assert refused.value.code == "fields-not-named"
    assert clash.item().state == "open"


def test_what_differs_since_is_asked_about_with_all_the_rest(clash: Clash) -> None:
    clash.give({"start": "booking", "resource": "pims"})
    clash.rig.booking.edit(Kind.APPOINTMENT, clash.id, {"seconds": 1200})
    clash.rig.pims.edit(Kind.APPOINTMENT, clash.visit()["id"], {"seconds": 1800})
    before = clash.stand()
    clash.rig.run()
    assert clash.stand() == before
    item = clash.item()
    assert (item.why, item.fields, item.given) == ("conflict", ("duration", "resource", "start"), None)


def test_a_question_about_one_field_is_not_asked_field_by_field(tmp_path: Path) -> None:
    clash = Clash(tmp_path)
    clash.rig.pims.edit(Kind.APPOINTMENT, clash.visit()["id"], {"who": "v2"})
    clash.rig.run()
    assert (clash.item().fields, clash.item().choices) == (("start",), ("booking", "pims", "keep"))
    with pytest.raises(CannotAnswer, match="does not offer 'fields'"):
        clash.give({"start": "pims"})


# -- changed again since the question was shown ---------------------------------------------------------------------

OTHER = {"booking": "pims", "pims": "booking"}


def stands(clash: Clash) -> dict[str, tuple[str, str]]:
    return dict(zip(OTHER, clash.stand(), strict=True))


@pytest.mark.parametrize("right", OTHER)
@pytest.mark.parametrize("by_field", [False, True])
def test_an_answer_overwrites_no_change_that_nobody_was_shown(clash: Clash, right: str, by_field: bool) -> None:
    def say() -> None:
        clash.give(
            {"start": right, "resource": right} if by_field else {}, Choice.FIELDS if by_field else Choice(right)
        )

    say()
    third = clash.later(50)
    clash.edit(OTHER[right], {"start": third})
    before, written = stands(clash), clash.written()
    clash.rig.run()
    assert (stands(clash), clash.written()) == (before, written)
    assert before[OTHER[right]][0] == third[:16]
    item = clash.item()
    assert (item.why, item.fields, item.given) == ("conflict", ("resource", "start"), None)
    say()  # what is shown now
    clash.rig.run()
    assert clash.stand() == [before[right]] * 2
    assert clash.rig.questions() == ()


@pytest.mark.parametrize("right", OTHER)
def test_the_newer_word_of_the_side_that_is_right_is_carried(clash: Clash, right: str) -> None:
    clash.give({}, Choice(right))
    clash.edit(right, {"start": clash.later(50)})
    clash.rig.run()
    assert clash.stand() == [stands(clash)[right]] * 2
    assert clash.rig.questions() == ()


def test_field_by_field_each_side_may_change_again_where_it_is_right(clash: Clash) -> None:
    clash.give({"start": "booking", "resource": "pims"})
    third = clash.later(50)
    clash.edit("booking", {"start": third})
    clash.edit("pims", {"who": "v1"})
    clash.rig.run()
    assert clash.stand() == [(third[:16], "v1")] * 2


@pytest.mark.parametrize("right", OTHER)
def test_field_by_field_the_side_that_is_right_may_even_change_it_back(clash: Clash, right: str) -> None:
    """Against what was settled only the other side has changed it then."""
    clash.give({"start": right, "resource": OTHER[right]})
    clash.edit(right, {"start": clash.first})
    clash.rig.run()
    assert [start for start, _ in clash.stand()] == [clash.first[:16]] * 2
    assert clash.rig.questions() == ()


@pytest.mark.parametrize("right", OTHER)
def test_what_the_wrong_side_says_since_is_not_lost_where_the_right_side_took_its_change_back(
    clash: Clash, right: str
) -> None:
    clash.give({}, Choice(right))
    clash.edit(right, {"start": clash.first})
    third = clash.later(50)
    clash.edit(OTHER[right], {"start": third})
    clash.rig.run()
    assert stands(clash)[OTHER[right]][0] == third[:16]
    assert clash.item().given is None


@pytest.mark.parametrize("side", OTHER)
def test_field_by_field_neither_side_may_change_again_where_it_is_wrong(clash: Clash, side: str) -> None:
    clash.give({"start": OTHER[side], "resource": side})
    clash.edit(side, {"start": clash.later(50)})
    before = clash.stand()
    clash.rig.run()
    assert clash.stand() == before
    assert clash.item().fields == ("resource", "start")


@pytest.mark.parametrize("right", OTHER)
def test_a_field_that_did_not_differ_when_it_was_asked_is_not_overwritten_either(clash: Clash, right: str) -> None:
    clash.give({}, Choice(right))
    clash.edit(OTHER[right], {"seconds": 2700})
    clash.rig.run()
    item = clash.item()
    assert item.given is None
    shown = item.pims if right == "booking" else item.booking
    assert shown is not None
    assert shown.duration == 2700
    clash.give({}, Choice(right))
    clash.rig.run()
    assert clash.stand() == [stands(clash)[right]] * 2
    lengths = {row["seconds"] for row in (clash.visit(), clash.rig.booking.row(Kind.APPOINTMENT, clash.id) or {})}
    assert 2700 not in lengths
    assert len(lengths) == 1


@pytest.mark.parametrize("right", OTHER)
def test_a_cancellation_since_the_question_is_shown_before_it_is_overruled(clash: Clash, right: str) -> None:
    clash.give({}, Choice(right))
    clash.edit(OTHER[right], {"state": "cancelled"})
    clash.rig.run()
    assert [row["state"] for row in clash.rig.visits()].count("booked") == (right == "pims")
    assert len(clash.rig.booking.rows(Kind.APPOINTMENT)) == 1
    item = clash.item()
    assert "status" in item.fields
    assert item.why == ("cancelled-here-moved-there" if right == "pims" else "moved-here-cancelled-there")


def test_a_visit_that_was_moved_once_more_is_not_cancelled_unseen(tmp_path: Path) -> None:
    clash = Clash(tmp_path)
    clash.edit("booking", {"state": "cancelled"})
    clash.rig.run()
    clash.give({}, Choice.BOOKING)
    clash.edit("pims", {"start": clash.later(50)})
    clash.rig.run()
    assert clash.visit()["state"] == "booked"
    assert (clash.item().why, clash.item().given) == ("cancelled-here-moved-there", None)
    clash.give({}, Choice.BOOKING)
    clash.rig.run()
    assert clash.visit()["state"] == "cancelled"


def test_what_is_the_same_on_both_sides_by_now_asks_nobody(clash: Clash) -> None:
    clash.give({}, Choice.BOOKING)
    clash.edit("pims", {"start": clash.booked, "who": "v2"})
    clash.rig.run()
    assert clash.stand() == [(clash.booked[:16], "v2")] * 2
    assert clash.rig.questions() == ()


@pytest.mark.parametrize("right", OTHER)
def test_an_answer_to_a_question_that_did_not_keep_both_sides_is_carried_out(clash: Clash, right: str) -> None:
    """As an older VetBridge asked it."""
    with clash.rig.ledger.write() as tx:
        (row,) = reviews.open_items(tx)
        asked = reviews.question(tx, row)
        row.question_sealed = tx.sealer.seal({"why": row.why, "fields": list(asked["fields"])})
    clash.give({}, Choice(right))
    clash.edit(OTHER[right], {"start": clash.later(50)})
    clash.rig.run()
    assert clash.stand() == [stands(clash)[right]] * 2
    assert clash.rig.questions() == ()
