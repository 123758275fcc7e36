"""A PIMS that takes no visit without its pet: none is ever sent that it would refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig import Rig
from vetbridge.connector.interface import Capabilities
from vetbridge.core.records import Kind
from vetbridge.testing.memory import MemorySide, memory_capabilities, redeclared

PET = frozenset({"pet_id"})


def needing(**more: object) -> Capabilities:
    able = redeclared(memory_capabilities(), Kind.APPOINTMENT, needs=PET)
    return redeclared(able, Kind.PET, **more) if more else able


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path, pims=MemorySide(needing()))
    made.owner("John", "Smith", "+447912000001", "Bella")
    return made


def test_such_a_side_demands_a_stand_in() -> None:
    assert needing().of(Kind.APPOINTMENT).demands_stand_in
    assert not memory_capabilities().of(Kind.APPOINTMENT).demands_stand_in


def failed(rig: Rig) -> list[str]:
    return [code for state, code in rig.endings() if state == "failed"]


@pytest.mark.parametrize(
    ("given", "family", "phone"), [("John", "Smith", "+447912000001"), ("Zoe", "New", "+447912000007")]
)
def test_the_pet_is_made_where_it_can_be(rig: Rig, given: str, family: str, phone: str) -> None:
    rig.book(given, family, phone, "Rex")
    rig.run()
    (visit,) = rig.visits()
    pet = rig.pims.row(Kind.PET, visit["pet"])
    assert pet is not None
    assert (pet["name"], pet["owner"]) == ("Rex", visit["owner"])
    assert rig.questions() == ()


@pytest.mark.parametrize(("given", "phone"), [("John", "+447912000001"), ("Zoe", "+447912000007")])
@pytest.mark.parametrize("makes_pets", [True, False])
def test_where_it_cannot_the_visit_stands_on_the_placeholder_with_the_question(
    tmp_path: Path, given: str, phone: str, makes_pets: bool
) -> None:
    able = needing() if makes_pets else needing(create=None)
    rig = Rig(tmp_path, pims=MemorySide(able))
    rig.owner("John", "Smith", "+447912000001", "Bella")
    animal = {"name": "Rex", "species": None} if makes_pets else {"name": "Rex", "species": "D"}
    rig.book(given, "Smith", phone, "", animal=animal)
    rig.run()
    (visit,) = rig.visits()
    assert (visit["owner"], visit["pet"]) == (rig.placeholder.client_id, rig.placeholder.pet_id)
    assert len(rig.questions()) == 1
    assert failed(rig) == []
    assert len(rig.pims.rows(Kind.CLIENT)) == 2, "an owner without a pet is not made either"
