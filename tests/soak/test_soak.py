"""A short soak, and that its checks would notice."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.ledgers import on_postgresql
from tests.soak.alerts import CLEARED, RAISED, SOON, Told, complaints
from tests.soak.month import Month

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.slow
@pytest.mark.skipif(on_postgresql(), reason="it fills a disk by a limit of SQLite's")
def test_half_a_day_with_an_outage_and_a_full_disk_ends_in_agreement_and_is_told_once(tmp_path: Path) -> None:
    with ExitStack() as stack:
        month = Month(tmp_path, stack, seed=8, days=0.42, clients=60, hurry=3.0)
        month.play(lambda _: None)
        report = month.report()
    assert report["wrong"] == []
    assert report["alerts"]["account-unreachable:account:ezyvet:"] == 1
    assert report["deeds"] > 0
    assert (report["lost"], report["duplicated"]) == (0, 0)


def told(type_: str, minutes: int, name: str = "ezyvet", visit_at: str = "") -> Told:
    return Told(
        at=AT + timedelta(minutes=minutes),
        type=type_,
        code="account-unreachable",
        scope="account",
        name=name,
        kind="",
        episode=1,
        visit_at=visit_at,
        open=0,
        message_id=f"{type_}{minutes}",
    )


@pytest.mark.parametrize(
    ("heard", "count"),
    [
        ([told(RAISED, 0), told(CLEARED, 9)], 0),
        ([told(RAISED, 0), told(CLEARED, 9), told(RAISED, 20), told(CLEARED, 29)], 0),
        ([told(RAISED, 0), told(RAISED, 0, "altegio"), told(CLEARED, 9), told(CLEARED, 9, "altegio")], 0),
        ([told(RAISED, 0), told(RAISED, 1), told(CLEARED, 9)], 1),
        ([told(RAISED, 0), told(CLEARED, 9), told(CLEARED, 10)], 1),
        ([told(CLEARED, 9)], 1),
        ([told(RAISED, 0)], 1),
        ([told(SOON, 0, "7", "09:00"), told(SOON, 5, "7", "10:00"), told(SOON, 5, "8", "10:00")], 0),
        ([told(SOON, 0, "7", "09:00"), told(SOON, 5, "7", "09:00")], 1),
    ],
)
def test_what_is_told_twice_or_not_at_all_is_noticed(heard: list[Told], count: int) -> None:
    assert len(complaints(heard)) == count
