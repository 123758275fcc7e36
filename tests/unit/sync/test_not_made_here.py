"""A practice system that takes no new clients and pets from outside, as Cornerstone does: such a visit waits on the
placeholder until somebody has registered them there, and is never refused by the side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig, _with_placeholder
from tests.unit.sync.test_both_ways import answer, pet_of
from vetbridge.connector.interface import Unlinked
from vetbridge.core.answers import Answer, Choice, choices
from vetbridge.core.records import Kind
from vetbridge.desk import answering
from vetbridge.desk.review import ReviewItem, open_items
from vetbridge.ledger import links, reviews
from vetbridge.ledger.tables import Review
from vetbridge.testing.clock import FakeClock
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


def said(rig: Rig, item_id: int | None, choice: Choice, **more: Any) -> None:
    """A person answers, and that is carried out."""
    answer(rig, item_id, choice, **more)
    rig.run()


def linked_card(rig: Rig) -> str | None:
    card = rig.booking.rows(Kind.APPOINTMENT)[0]["owner"]
    with rig.ledger.read() as tx:
        link = links.of_booking(tx, "booking", Kind.CLIENT, card)
        return None if link is None else link.pims_id


def test_whom_staff_registered_is_known_from_then_on(rig: Rig) -> None:
    rig.book("Igor", "Stravinsky", "+447912000009", "Firebird")
    rig.run()
    igor = rig.owner("Igor", "Stravinsky", "+447912000009", "Firebird")
    said(rig, question(rig).id, Choice.LINK, client_id=igor, pet_id=pet_of(rig, igor))
    [visit] = rig.visits()
    assert visit["owner"] == igor
    assert linked_card(rig) == igor


def test_an_answer_that_names_another_person_says_nothing_of_the_card(rig: Rig) -> None:
    rig.book("Igor", "Stravinsky", "+447912000009", "Firebird")
    rig.run()
    sergei = rig.owner("Sergei", "Diaghilev", "+447912000005", "Firebird")
    said(rig, question(rig).id, Choice.LINK, client_id=sergei, pet_id=pet_of(rig, sergei))
    assert linked_card(rig) is None


def test_taken_back_the_card_is_nobodys_again(rig: Rig) -> None:
    rig.book("Igor", "Stravinsky", "+447912000009", "Firebird")
    rig.run()
    item = question(rig).id
    igor = rig.owner("Igor", "Stravinsky", "+447912000009", "Firebird")
    said(rig, item, Choice.LINK, client_id=igor, pet_id=pet_of(rig, igor))
    assert linked_card(rig) == igor
    said(rig, item, Choice.UNDO)
    assert linked_card(rig) is None


def shown(rig: Rig) -> ReviewItem:
    with rig.ledger.read() as tx:
        [item] = open_items(tx, rig.sites())
        return item


def test_nobody_is_offered_to_make_an_owner_whatever_is_asked(rig: Rig) -> None:
    rig.book("Igor", "Stravinsky", "+447912000002", "Firebird")
    rig.run()
    item = shown(rig)
    assert (item.why, item.choices) == ("names-differ", ("link",))
    assert answering.registering(item).startswith("Is it someone new? Register client and pet in the PIMS")
    with rig.ledger.read() as tx, pytest.raises(answering.CannotAnswer, match="does not offer 'new'"):
        answering.propose(tx, rig.sites(), item.id, Answer(choice=Choice.NEW))


def test_a_pet_that_nobody_has_registered_yet_is_asked_about_again(rig: Rig) -> None:
    rig.book("Eva", "Novak", "+447912000002", "Firebird")
    rig.run()
    item = shown(rig)
    [eva] = [each.client_id for each in item.candidates]
    assert answering.registering(item) == "Register the pet in the PIMS, then choose its owner here."
    with rig.ledger.read() as tx:
        told = answering.propose(tx, rig.sites(), item.id, Answer(choice=Choice.LINK, client_id=eva, pet_id="booked"))
    assert "where it is not there, you are asked again" in told.consequence
    said(rig, item.id, Choice.LINK, client_id=eva)
    assert question(rig).why == "pets-not-made"
    rig.pims.add(Kind.PET, {"owner": eva, "name": "Firebird", "species": "D"})
    said(rig, item.id, Choice.LINK, client_id=eva)
    assert [row["owner"] for row in rig.visits()] == [eva]


def test_an_answer_waits_for_whom_reads_do_not_show_yet(tmp_path: Path) -> None:
    clock = FakeClock()
    able = memory_capabilities(unlinked=Unlinked.PLACEHOLDER, shown_within=600)
    unmade = {kind: replace(able.of(kind), create=None) for kind in (Kind.CLIENT, Kind.PET)}
    rig = Rig(tmp_path, clock=clock, pims=MemorySide(replace(able, kinds={**able.kinds, **unmade}), clock=clock))
    rig.owner("Eva", "Novak", "+447912000002", "Milo")
    rig.pims.follow(500)
    clock.advance(600)
    rig.book("Igor", "Stravinsky", "+447912000009", "Firebird")
    rig.run()
    igor = rig.owner("Igor", "Stravinsky", "+447912000009", "Firebird")
    with rig.ledger.write() as tx:
        given = Answer(choice=Choice.LINK, client_id=igor, pet_id=pet_of(rig, igor))
        answering.give(tx, rig.sites(), question(rig).id, given, by="reception")
    rig.work()
    assert rig.endings()[-1] == ("waiting", "client-not-shown")
    rig.settle()
    assert [row["owner"] for row in rig.visits()] == [igor]


def test_a_placeholder_whose_id_was_changed_is_nobodys_owner(rig: Rig) -> None:
    rig.book("Igor", "Stravinsky", "+447912000001", "Firebird")
    rig.run()
    [asked] = rig.questions()
    rig.pims.renumber(Kind.CLIENT, rig.placeholder.client_id)
    rig.run()
    assert [each.id for each in rig.questions()] == [asked.id], "nobody has said whose it is"
    assert "Owner not certain" in rig.visits()[0]["notes"]
