"""A practice system that takes no new clients and pets from outside, as Cornerstone does: such a visit waits on the
placeholder until somebody has registered them there, and is never refused by the side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.rig import Rig, _with_placeholder
from tests.unit.sync.test_both_ways import answer, pet_of
from vetbridge.core.answers import Choice, choices
from vetbridge.core.records import Kind
from vetbridge.ledger import links, reviews
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
    assert choices("clients-not-made") == (Choice.LINK,), "nobody is offered what cannot be done"
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


def linked_card(rig: Rig) -> str | None:
    card = rig.booking.rows(Kind.APPOINTMENT)[0]["owner"]
    with rig.ledger.read() as tx:
        link = links.of_booking(tx, "booking", Kind.CLIENT, card)
        return None if link is None else link.pims_id


def test_whom_staff_registered_is_known_from_then_on(rig: Rig) -> None:
    rig.book("Igor", "Stravinsky", "+447912000009", "Firebird")
    rig.run()
    igor = rig.owner("Igor", "Stravinsky", "+447912000009", "Firebird")
    answer(rig, question(rig).id, Choice.LINK, client_id=igor, pet_id=pet_of(rig, igor))
    [visit] = rig.visits()
    assert visit["owner"] == igor
    assert linked_card(rig) == igor


def test_an_answer_that_names_another_person_says_nothing_of_the_card(rig: Rig) -> None:
    rig.book("Igor", "Stravinsky", "+447912000009", "Firebird")
    rig.run()
    sergei = rig.owner("Sergei", "Diaghilev", "+447912000005", "Firebird")
    answer(rig, question(rig).id, Choice.LINK, client_id=sergei, pet_id=pet_of(rig, sergei))
    assert linked_card(rig) is None


def test_taken_back_the_card_is_nobodys_again(rig: Rig) -> None:
    rig.book("Igor", "Stravinsky", "+447912000009", "Firebird")
    rig.run()
    item = question(rig).id
    igor = rig.owner("Igor", "Stravinsky", "+447912000009", "Firebird")
    answer(rig, item, Choice.LINK, client_id=igor, pet_id=pet_of(rig, igor))
    answer(rig, item, Choice.UNDO)
    assert linked_card(rig) is None
