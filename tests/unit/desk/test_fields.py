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


class Clash:
    """A booking and its visit, moved and given to another vet on both sides at once."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder)
        self.sites = self.rig.sites()
        self.rig.owner("John", "Smith", "+447912000001", "Bella")
        self.rig.refresher.pass_()
        self.id = self.rig.book("John", "Smith", "+447912000001", "Bella")
        self.rig.run()
        self.booked, self.moved = self._later(30), self._later(40)
        self.rig.booking.edit(Kind.APPOINTMENT, self.id, {"start": self.booked, "who": "v2"})
        self.rig.pims.edit(Kind.APPOINTMENT, self.visit()["id"], {"start": self.moved, "who": "v3"})
        self.rig.run()

    def _later(self, hours: float) -> str:
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

    def give(self, fields: Mapping[str, str]) -> str:
        with self.rig.ledger.write() as tx:
            answer = Answer(choice=Choice.FIELDS, fields=fields)
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
