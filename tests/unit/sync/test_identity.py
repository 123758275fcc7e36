"""Ids that a vendor gave anew, moved, merged, or that were copied: never the wrong owner, never a second booking."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig import Rig
from tests.unit.sync.test_both_ways import answer, desk, pet_of, quiet
from vetbridge.core.answers import Choice
from vetbridge.core.records import Kind
from vetbridge.ledger import links

JOHN = ("John", "Smith", "+447912000001", "Bella")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.john = made.owner(*JOHN)  # type: ignore[attr-defined]
    return made


def bookings(rig: Rig) -> list[str]:
    return [row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)]


def standing(rig: Rig) -> list[tuple[str, str]]:
    return [(row["owner"], row["state"]) for row in rig.visits()]


def test_a_client_id_that_is_somebody_elses_by_now_gets_no_booking(rig: Rig) -> None:
    rig.book(*JOHN)
    rig.run()
    john = rig.john  # type: ignore[attr-defined]
    for pet in [row["id"] for row in rig.pims.rows(Kind.PET) if row["owner"] == john]:
        rig.pims.remove(Kind.PET, pet)
    rig.pims.remove(Kind.CLIENT, john)
    rig.pims.reuse(
        Kind.CLIENT, john, {"name": {"given": "Igor", "family": "Stravinsky"}, "phones": ["+447912000099"]}
    )
    rig.pims.add(Kind.PET, {"owner": john, "name": "Bella", "species": "D"})
    rig.book(*JOHN)
    rig.run()
    assert standing(rig)[-1][0] == rig.placeholder.client_id
    assert [one.why for one in rig.questions()] == ["client-is-another"]
    assert "Stravinsky" not in str(rig.booking.rows(Kind.CLIENT)), "nor is he written over John's own card"


def test_a_client_that_was_merged_is_followed(rig: Rig) -> None:
    rig.book(*JOHN)
    rig.run()
    twin = rig.owner("John", "Smith", "+447912000001")
    rig.pims.merge(Kind.CLIENT, rig.john, twin)  # type: ignore[attr-defined]
    rig.run()
    rig.book(*JOHN)
    rig.run()
    assert standing(rig) == [(twin, "booked"), (twin, "booked")]
    with rig.ledger.read() as tx:
        card = rig.booking.rows(Kind.CLIENT)[0]["id"]
        link = links.of_booking(tx, "booking", Kind.CLIENT, card)
    assert link is not None
    assert link.pims_id == twin
    assert rig.questions() == ()
    quiet(rig)


@pytest.mark.parametrize("online", [True, False])
def test_a_visit_that_got_another_id_is_the_same_visit(rig: Rig, online: bool) -> None:
    john = rig.john  # type: ignore[attr-defined]
    if online:
        rig.book(*JOHN)
    else:
        desk(rig, john, pet_of(rig, john), hours=50)
    rig.run()
    for other in range(3):  # a second visit reads, so that a miss is no blindness
        desk(rig, john, pet_of(rig, john), hours=70 + other)
    rig.run()
    new = rig.pims.renumber(Kind.APPOINTMENT, rig.visits()[0]["id"])
    rig.run()
    rig.clock.advance(2 * rig.timings.absence_confirm)
    rig.run()
    assert bookings(rig) == ["booked"] * 4
    assert len(rig.visits()) == 4
    with rig.ledger.read() as tx:
        assert links.of_pims(tx, "pims", Kind.APPOINTMENT, new) is not None
    quiet(rig)


def test_a_whole_diary_that_got_other_ids_is_not_booked_anew(rig: Rig) -> None:
    john = rig.john  # type: ignore[attr-defined]
    for hours in (50, 60, 70):
        desk(rig, john, pet_of(rig, john), hours=hours)
    rig.book(*JOHN)
    rig.run()
    for row in rig.visits():
        rig.pims.renumber(Kind.APPOINTMENT, row["id"])
    rig.run()
    rig.clock.advance(2 * rig.timings.absence_confirm)
    rig.run()
    rig.sweeper.sweep()
    rig.run()
    assert bookings(rig) == ["booked"] * 4
    assert [row["state"] for row in rig.visits()] == ["booked"] * 4
    quiet(rig)


def test_a_visit_id_that_is_another_ones_by_now_is_asked_about_and_not_moved(rig: Rig) -> None:
    mary = rig.owner("Mary", "Jones", "+447912000002", "Rex")
    booking = rig.book(*JOHN)
    rig.run()
    visit = rig.visits()[0]["id"]
    rig.pims.remove(Kind.APPOINTMENT, visit)
    hers = {"owner": mary, "pet": pet_of(rig, mary), "start": "2026-06-01T10:00:00+01:00", "seconds": 900}
    rig.pims.reuse(Kind.APPOINTMENT, visit, {**hers, "type": "1", "who": "v1"})
    rig.booking.edit(Kind.APPOINTMENT, booking, {"start": "2026-05-01T10:00:00+01:00"})
    rig.run()
    assert [one.why for one in rig.questions()] == ["id-reused"]
    assert rig.pims.row(Kind.APPOINTMENT, visit)["start"] == hers["start"]  # type: ignore[index]
    assert rig.booking.row(Kind.APPOINTMENT, booking)["start"][:10] == "2026-05-01"  # type: ignore[index]

    answer(rig, rig.questions()[0].id, Choice.AGAIN)  # it is another one: the booking is written anew
    rig.run()
    assert sorted((row["owner"], row["start"][:10]) for row in rig.visits()) == sorted(
        [(mary, "2026-06-01"), (rig.john, "2026-05-01")]  # type: ignore[attr-defined]
    )
    quiet(rig)


def test_a_copy_that_staff_made_of_a_visit_is_a_visit_of_its_own(rig: Rig) -> None:
    rig.book("Igor", "Stravinsky", "+447912000001", "Firebird")
    rig.run()
    row = {name: value for name, value in rig.visits()[0].items() if name not in ("id", "rev", "ref")}
    assert "VB-" in row["notes"]
    john = rig.john  # type: ignore[attr-defined]
    rig.pims.add(
        Kind.APPOINTMENT, {**row, "owner": john, "pet": pet_of(rig, john), "start": "2026-07-01T10:00:00+01:00"}
    )
    rig.run()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 2


def test_a_copy_at_the_same_time_is_asked_about(rig: Rig) -> None:
    rig.book("Igor", "Stravinsky", "+447912000001", "Firebird")
    rig.run()
    row = {name: value for name, value in rig.visits()[0].items() if name not in ("id", "rev", "ref")}
    copy = rig.pims.add(Kind.APPOINTMENT, row)
    rig.run()
    assert len(rig.booking.rows(Kind.APPOINTMENT)) == 1
    assert sorted(one.why for one in rig.questions())[0] == "copied"
    rig.pims.remove(Kind.APPOINTMENT, copy)
    rig.run()
    assert "copied" not in [one.why for one in rig.questions()]
