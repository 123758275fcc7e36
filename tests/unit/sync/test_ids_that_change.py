"""Clients and pets whose ids change, or that are merged: whichever record is read first, the link follows, and
nobody is asked, told, booked anew or made a second time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig import Rig
from tests.unit.sync.test_both_ways import desk, later, pet_of, quiet
from vetbridge.core.records import Kind
from vetbridge.ledger import links

JOHN = ("John", "Smith", "+447912000001", "Bella")
WITHIN = 60.0
"""Seconds of one cycle: what waits longer was put off."""

READS: dict[str, Callable[[Rig], object]] = {
    "the people": lambda rig: rig.refresher.pass_(),
    "the visits": lambda rig: rig.receiver.poll_desk(),
    "the card": lambda rig: rig.hint_kind(Kind.CLIENT, card(rig)),
    "the booking": lambda rig: rig.hint(rig.booking.rows(Kind.APPOINTMENT)[0]["id"]),
    "the next booking": lambda rig: (rig.book(*JOHN), rig.receiver.poll()),
}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.owner("Mary", "Jones", "+447912000002", "Rex")
    return made


@pytest.fixture
def john(rig: Rig) -> str:
    """John, with a visit that was booked online and one that was made at the desk."""
    id_ = rig.owner(*JOHN)
    rig.book(*JOHN)
    rig.run()
    desk(rig, id_, pet_of(rig, id_), hours=80)
    rig.run()
    return id_


def card(rig: Rig) -> str:
    return str(rig.booking.rows(Kind.CLIENT)[0]["id"])


def linked(rig: Rig, kind: Kind = Kind.CLIENT) -> list[str]:
    """The records of the PIMS that stand linked, by the booking side's."""
    with rig.ledger.read() as tx:
        every = links.all_of_pims(tx, "pims", kind, [row["id"] for row in rig.pims.rows(kind)])
        return [f"{link.booking_id} {link.role}: {link.pims_id}" for link in every]


def seen(rig: Rig) -> tuple[object, ...]:
    """What owners and staff would notice: the booking side, the visits, and how many clients and pets there are."""
    visits = [(row["owner"], row["pet"], row["state"], row["start"]) for row in rig.visits()]
    people = len(rig.pims.rows(Kind.CLIENT)), len(rig.pims.rows(Kind.PET))
    return [rig.booking.rows(kind) for kind in (Kind.CLIENT, Kind.PET, Kind.APPOINTMENT)], visits, people


def read_first(rig: Rig, first: str) -> None:
    READS[first](rig)
    rig.settle(limit=WITHIN)
    rig.refresher.pass_()
    rig.receiver.poll_desk()
    rig.receiver.poll()
    rig.settle(limit=WITHIN)


@pytest.mark.parametrize("first", READS)
def test_a_client_whose_id_was_changed_is_the_same_client(rig: Rig, john: str, first: str) -> None:
    new = rig.pims.renumber(Kind.CLIENT, john)
    before = seen(rig)
    read_first(rig, first)
    assert linked(rig) == [f"{card(rig)} primary: {new}"]
    if first != "the next booking":
        assert seen(rig) == before
        rig.book(*JOHN)
        rig.run()
    assert [row["owner"] for row in rig.visits()] == [new] * 3
    assert len(rig.pims.rows(Kind.CLIENT)) == 3
    assert {row["state"] for row in rig.booking.rows(Kind.APPOINTMENT)} == {"booked"}
    assert rig.questions() == ()
    assert "placeholder" not in {code for _, code in rig.endings()}
    quiet(rig)


@pytest.mark.parametrize("first", ["the visits", "the booking", "the people"])
def test_a_visit_whose_owner_and_pet_have_other_ids_and_that_was_moved_is_the_same_visit(
    rig: Rig, john: str, first: str
) -> None:
    new = rig.pims.renumber(Kind.CLIENT, john)
    pet = rig.pims.renumber(Kind.PET, pet_of(rig, new))
    row = next(each for each in rig.visits() if not each["notes"])
    rig.pims.edit(Kind.APPOINTMENT, row["id"], {"start": later(rig, row, 5)})
    read_first(rig, first)
    assert [(each["owner"], each["pet"]) for each in rig.visits()] == [(new, pet)] * 2
    starts = [sorted(each["start"] for each in side.rows(Kind.APPOINTMENT)) for side in (rig.booking, rig.pims)]
    assert starts[0] == starts[1]
    assert len(rig.booking.rows(Kind.PET)) == 1
    assert rig.questions() == ()
    quiet(rig)


def test_whoever_bought_the_pet_of_one_who_left_is_somebody_else(rig: Rig, john: str) -> None:
    buyer = rig.owner("Anna", "Kowalska", "+447912000077")
    pet = pet_of(rig, john)
    rig.pims.edit(Kind.PET, pet, {"owner": buyer})
    rig.run()
    assert linked(rig) == [f"{card(rig)} primary: {john}"], "he still stands"
    for row in rig.visits():
        rig.pims.edit(Kind.APPOINTMENT, row["id"], {"owner": buyer})
    rig.pims.remove(Kind.CLIENT, john)
    rig.run()
    assert f"{card(rig)} primary: {buyer}" not in linked(rig)


@pytest.mark.parametrize("gone", [True, False])
def test_a_pet_that_went_days_before_its_owners_record_ended_tells_who_he_is(rig: Rig, john: str, gone: bool) -> None:
    twin = rig.owner("Jon", "Smith", "+447912000001")
    rig.pims.edit(Kind.PET, pet_of(rig, john), {"owner": twin})
    rig.run()
    rig.clock.advance(2 * 86400)
    rig.run()
    assert linked(rig)[0] == f"{card(rig)} primary: {john}"
    rig.pims.merge(Kind.CLIENT, john, twin, gone=gone)
    rig.refresher.pass_()
    rig.settle(limit=WITHIN)
    assert linked(rig) == [f"{card(rig)} primary: {twin}"]


@pytest.mark.parametrize(
    ("first", "gone"), [*((first, True) for first in READS), ("the people", False), ("the visits", False)]
)
def test_a_merged_client_is_whom_its_pets_and_visits_went_to(rig: Rig, john: str, first: str, gone: bool) -> None:
    twin = rig.owner("Jon", "Smith", "+447912000001")
    rig.owner("John", "Smith", "+447912000008")  # bears his name, and has none of his pets
    rig.refresher.pass_()
    rig.pims.merge(Kind.CLIENT, john, twin, gone=gone)
    before = seen(rig)
    read_first(rig, first)
    assert linked(rig) == [f"{card(rig)} primary: {twin}"]
    if first != "the next booking":
        assert seen(rig) == before
        rig.book(*JOHN)
        rig.run()
    assert [row["owner"] for row in rig.visits()] == [twin] * 3
    assert rig.questions() == ()
    quiet(rig)


@pytest.mark.parametrize("first", ["the people", "the visits", "the booking"])
def test_a_merged_pet_is_the_one_to_which_its_visits_went(rig: Rig, john: str, first: str) -> None:
    bella = pet_of(rig, john)
    bela = rig.pims.add(Kind.PET, {"owner": john, "name": "Bella S.", "species": "D"})
    rig.refresher.pass_()
    pets = linked(rig, Kind.PET)
    assert len(pets) == 1
    rig.pims.merge(Kind.PET, bella, bela)
    read_first(rig, first)
    assert linked(rig, Kind.PET) == [pets[0].replace(bella, bela)]
    assert len(rig.booking.rows(Kind.PET)) == 1
    assert [row["pet"] for row in rig.visits()] == [bela] * 2
    assert rig.questions() == ()
    quiet(rig)
