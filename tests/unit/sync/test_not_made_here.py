"""A practice system that takes no new clients and pets from outside, as Cornerstone does: such a visit waits on the
placeholder until somebody has registered them there, and is never refused by the side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig import Rig, _with_placeholder
from vetbridge.core.records import Kind
from vetbridge.ledger import reviews
from vetbridge.ledger.tables import Review
from vetbridge.testing.memory import MemorySide, memory_capabilities


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    able = _with_placeholder(memory_capabilities())
    unmade = {kind: replace(able.of(kind), create=None) for kind in (Kind.CLIENT, Kind.PET)}
    made = Rig(tmp_path, pims=MemorySide(replace(able, kinds={**able.kinds, **unmade})))
    made.owner("Eva", "Novak", "+447912000002", "Milo")
    return made


def question(rig: Rig) -> Review:
    with rig.ledger.read() as tx:
        [item] = reviews.open_items(tx)
        return item


def test_a_new_owner_waits_on_the_placeholder_and_is_asked_about(rig: Rig) -> None:
    rig.book("Igor", "Stravinsky", "+447912000009", "Firebird")
    rig.run()
    [visit] = rig.visits()
    assert visit["owner"] == rig.placeholder.client_id
    assert question(rig).why == "clients-not-made"
    assert len(rig.pims.rows(Kind.CLIENT)) == 2, "the placeholder and Eva"


def test_a_new_pet_of_a_known_owner_likewise(rig: Rig) -> None:
    rig.book("Eva", "Novak", "+447912000002", "Firebird")
    rig.run()
    [visit] = rig.visits()
    assert visit["owner"] == rig.placeholder.client_id
    assert question(rig).why == "pets-not-made"


def test_a_known_pet_is_booked_for_as_everywhere(rig: Rig) -> None:
    rig.book("Eva", "Novak", "+447912000002", "Milo")
    rig.run()
    [visit] = rig.visits()
    assert visit["owner"] != rig.placeholder.client_id
