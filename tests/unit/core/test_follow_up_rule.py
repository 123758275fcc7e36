"""Which missed visit a new one follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vetbridge.core.follow_ups import WITHIN, PastVisit, followed

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def past(id_: int, days: float, *, pet: str | None = "p1", missed: bool = True, taken: bool = False) -> PastVisit:
    return PastVisit(id=id_, start=NOW - timedelta(days=days), pet_id=pet, missed=missed, followed=taken)


def follows(*visits: PastVisit, pet: str | None = "p1") -> int | None:
    found = followed(visits, pet_id=pet, booked_at=NOW)
    return None if found is None else found.id


def test_the_newest_missed_visit_is_followed() -> None:
    assert follows(past(1, 20), past(2, 10), past(3, 5, missed=False)) == 2


def test_one_that_is_followed_already_is_not_and_nor_is_an_older_one() -> None:
    assert follows(past(1, 20), past(2, 10, taken=True)) is None


@pytest.mark.parametrize(("missed", "booked", "found"), [("p1", "p2", None), (None, "p2", 1), ("p1", None, 1)])
def test_it_is_for_the_same_pet_where_both_name_one(
    missed: str | None, booked: str | None, found: int | None
) -> None:
    assert follows(past(1, 10, pet=missed), pet=booked) == found


@pytest.mark.parametrize(("days", "found"), [(WITHIN.days, 1), (WITHIN.days + 0.001, None), (0, None), (-1, None)])
def test_it_is_booked_after_it_and_not_long_after(days: float, found: int | None) -> None:
    assert follows(past(1, days)) == found
