"""A practice that takes visits of nobody, as Animana does: one match is linked, several are not, and the notes say
what differs; a time that is only picked stands as reserved; a pet needs a name and a species."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig import Rig
from tests.unit.sync.test_both_ways import quiet
from vetbridge.connector.interface import Unlinked
from vetbridge.core import notes
from vetbridge.core.records import Kind
from vetbridge.testing.memory import MemorySide, memory_capabilities


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """John and Mary Smith share a phone, each with a pet of their own."""
    made = Rig(tmp_path, pims=MemorySide(memory_capabilities(unlinked=Unlinked.YES)))
    made.owner("John", "Smith", "+447912000001", "Bella", email="john@example.org")
    made.owner("Mary", "Smith", "+447912000001", "Rex", email="mary@example.org")
    return made


def block(rig: Rig) -> list[str]:
    [visit] = rig.visits()
    found = notes.find(visit["notes"])
    assert found is not None
    return found[1].splitlines()


def test_one_match_is_linked(rig: Rig) -> None:
    rig.book("Mary", "Smith", "+447912000001", "Rex")
    rig.run()
    [visit] = rig.visits()
    assert visit["owner"] == rig.pims.rows(Kind.CLIENT)[2]["id"]
    assert block(rig) == ["Booked online."]


def test_several_are_not_linked_and_the_notes_say_what_differs(rig: Rig) -> None:
    rig.book("Kim", "Smith", "+447912000001", "Milo", notes="He limps")
    rig.run()
    [visit] = rig.visits()
    assert (visit["owner"], visit["pet"]) == (None, None)
    told = block(rig)
    alike = [line for line in told if line.startswith("May be client ")]
    clients = [str(row["id"]) for row in rig.pims.rows(Kind.CLIENT)[1:]]
    assert sorted(line.split()[3].rstrip(":") for line in alike) == clients
    assert all("given name differs (booked: Kim)" in line for line in alike)
    assert all("pet name differs (booked: Milo)" in line for line in alike)
    assert not any("phone" in line for line in alike), "the phone agrees"
    # What stands on record is for those who may see it there.
    assert not {"John", "Mary", "Bella", "Rex"} & set(" ".join(alike).replace(":", " ").split())
    assert told[-1] == "Comment: He limps"
    quiet(rig)


def test_only_the_first_who_may_be_meant_are_named(rig: Rig) -> None:
    for given in ("Ann", "Bob", "Cleo"):
        rig.owner(given, "Smith", "+447912000001", "Tiger")
    rig.book("Kim", "Smith", "+447912000001", "Milo")
    rig.run()
    assert sum(line.startswith("May be client ") for line in block(rig)) == 3


def test_a_stranger_of_whom_nobody_is_alike_is_made_anew(rig: Rig) -> None:
    """A name and a species suffice for the pet."""
    rig.book("Igor", "Stravinsky", "+447912000009", "Firebird")
    rig.run()
    [visit] = rig.visits()
    pet = next(row for row in rig.pims.rows(Kind.PET) if row["id"] == visit["pet"])
    assert (pet["name"], pet["species"], pet["breed"], pet["sex"], pet["born"]) == ("Firebird", "D", "", None, None)


def test_a_time_that_is_picked_stands_as_reserved_until_it_is_booked(rig: Rig) -> None:
    id_ = rig.book("Mary", "Smith", "+447912000001", "Rex", state="held")
    rig.run()
    assert [visit["state"] for visit in rig.visits()] == ["held"]
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "booked"})
    rig.run()
    assert [visit["state"] for visit in rig.visits()] == ["booked"]
    quiet(rig)


def test_a_picked_time_without_an_owner_is_reserved_for_nobody(rig: Rig) -> None:
    """Who comes is told on confirming: until then the time is kept, and nobody is made or linked."""
    id_ = rig.book("", "", "", "", state="held")
    rig.run()
    assert [(visit["state"], visit["owner"]) for visit in rig.visits()] == [("held", None)]
    rig.booking.edit(Kind.APPOINTMENT, id_, {"state": "cancelled"})
    rig.run()
    assert [visit["state"] for visit in rig.visits()] == ["cancelled"]
